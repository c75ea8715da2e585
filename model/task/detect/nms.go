package detect

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// box is a candidate, in pixels of the network's input.
type box struct {
	x0, y0, x1, y1 float32
	score          float32
	class          int
	order          int // of its addition
	points         []float32
}

// boxes collects the candidates of one picture.
type boxes struct {
	min    float32 // least score
	logits bool    // scores come before the sigmoid
	ports  []model.Port
	out    [][]float32 // the outputs' elements
	shapes [][]int
	list   []box
	points []float32
}

func (b *boxes) reset() { b.list, b.points = b.list[:0], b.points[:0] }

// take sets the outputs that decoders read.
func (b *boxes) take(outputs []*tensor.Tensor) error {
	b.out, b.shapes = b.out[:0], b.shapes[:0]
	for i, t := range outputs {
		v, err := picture.Floats(b.ports[i].Name, t)
		if err != nil {
			return err
		}
		if want := b.ports[i].Shape; want != nil && !slices.Equal(want, t.Shape()) {
			return fmt.Errorf("output %q is %s, not %s as planned", b.ports[i].Name, tensor.FormatShape(t.Shape()), tensor.FormatShape(want))
		}
		b.out, b.shapes = append(b.out, v), append(b.shapes, t.Shape())
	}
	return nil
}

// huge bounds the coordinates of a box, in pixels of the network's input.
const huge = 1 << 24

// add adds a candidate with n numbers of landmarks, which it returns for the caller to fill; nil where the candidate is none: a score that
// is too low, a box without an inside or with coordinates that are no numbers.
func (b *boxes) add(score float32, class int, x0, y0, x1, y1 float32, n int) ([]float32, bool) {
	inside := func(v float32) bool { return v > -huge && v < huge }
	if !(score >= b.min) || !inside(x0) || !inside(y0) || !inside(x1) || !inside(y1) || !(x1 > x0 && y1 > y0) {
		return nil, false
	}
	first := len(b.points)
	b.points = slices.Grow(b.points, n)[:first+n]
	points := b.points[first : first+n : first+n]
	b.list = append(b.list, box{x0, y0, x1, y1, min(score, 1), class, len(b.list), points})
	return points, true
}

// addCentred is add for a box by its centre and size.
func (b *boxes) addCentred(score float32, class int, x, y, w, h float32, n int) ([]float32, bool) {
	w, h = float32(w/2), float32(h/2)
	return b.add(score, class, x-w, y-h, x+w, y+h, n)
}

// maxCandidates is the most boxes that are compared with one another: the best ones.
const maxCandidates = 2000

// suppress returns the best boxes, best first: of two of one class whose intersection over union is above iou only the better one, at most
// most of them. Of equal scores the one added first is better.
func (b *boxes) suppress(iou float32, most int) []box {
	b.list = slices.DeleteFunc(b.list, func(c box) bool {
		return slices.ContainsFunc(c.points, func(v float32) bool { return !(v > -huge && v < huge) })
	})
	slices.SortFunc(b.list, func(p, q box) int {
		if c := cmp.Compare(q.score, p.score); c != 0 {
			return c
		}
		return cmp.Compare(p.order, q.order)
	})
	list := b.list[:min(len(b.list), maxCandidates)]
	kept := list[:0]
	for i := range list {
		c := list[i]
		if len(kept) == most {
			break
		}
		if !slices.ContainsFunc(kept, func(k box) bool { return k.class == c.class && overlap(&k, &c) > iou }) {
			kept = append(kept, c)
		}
	}
	return kept
}

// overlap returns the intersection over union of two boxes.
func overlap(p, q *box) float32 {
	w := min(p.x1, q.x1) - max(p.x0, q.x0)
	h := min(p.y1, q.y1) - max(p.y0, q.y0)
	if !(w > 0 && h > 0) {
		return 0
	}
	inter := float32(w * h)
	p2, q2 := float32((p.x1-p.x0)*(p.y1-p.y0)), float32((q.x1-q.x0)*(q.y1-q.y0))
	return inter / (p2 + q2 - inter)
}
