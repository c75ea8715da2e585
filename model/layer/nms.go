package layer

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// NonMaxSuppression picks boxes, best score first, that overlap none picked before by more than a threshold. Inputs: boxes [B,N,4], scores [B,C,N], the most boxes per class
// (default 0), the IoU threshold (default 0) and the least score. The output [M,3] lists image, class and box.
// Boxes are two opposite corners (y, x, y, x) or, with Center, (x, y, width, height) about a centre.
type NonMaxSuppression struct{ Center bool }

func (*NonMaxSuppression) Kind() string { return "NonMaxSuppression" }

func (*NonMaxSuppression) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 5); err != nil {
		return nil, err
	}
	b, s := in[0].Shape, in[1].Shape
	if in[0].DType != tensor.Float32 || in[1].DType != tensor.Float32 || len(b) != 3 || len(s) != 3 || b[2] != 4 || b[0] != s[0] || b[1] != s[2] {
		return nil, fmt.Errorf("boxes %s, scores %s", in[0], in[1])
	}
	for i, d := range []tensor.DType{tensor.Int64, tensor.Float32, tensor.Float32} {
		if x := opt(in, i+2); x.Present() && (x.DType != d || sizeOf(x.Shape) != 1) {
			return nil, fmt.Errorf("input %d is %s", i+2, x)
		}
	}
	return nil, ErrUnknown
}

func (*NonMaxSuppression) Work(in, out []Info) int64 {
	s := in[1].Shape
	return product(s[0], s[1], s[2], s[2])
}

func (*NonMaxSuppression) Forward(e *Env, in, out []*tensor.Tensor) error {
	panic("layer: NonMaxSuppression: use Run")
}

func (n *NonMaxSuppression) Run(e *Env, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	if _, err := n.Infer(infosOf(in)); err != ErrUnknown {
		return nil, err
	}
	var most int64
	var iou float32
	if t := optT(in, 2); t != nil {
		most = t.Int64s()[0]
	}
	if t := optT(in, 3); t != nil {
		iou = t.Float32s()[0]
	}
	boxes, scores := in[0].Float32s(), in[1].Float32s()
	count, classes := in[0].Dim(1), in[1].Dim(1)
	var picked []int64
	var kept []box
	places := scratch[int64](e, count)
	for img := range in[0].Dim(0) {
		area := boxes[img*count*4 : (img+1)*count*4]
		for c := range classes {
			s := scores[(img*classes+c)*count : (img*classes+c+1)*count]
			kept = kept[:0]
			for q := n.queue(places, s, optT(in, 4)); len(q.places) > 0 && int64(len(kept)) < most; {
				i := q.next(s)
				b, free := n.corners(area[i*4:i*4+4]), true
				for k := range kept {
					if b.overlap(&kept[k]) > iou {
						free = false
						break
					}
				}
				if free {
					kept = append(kept, b)
					picked = append(picked, int64(img), int64(c), i)
				}
			}
		}
	}
	return []*tensor.Tensor{tensor.Of(picked, len(picked)/3, 3)}, nil
}

// queue hands out the positions of scores, best first and equal ones in order: a heap, or already sorted because there is a NaN among the scores.
type queue struct {
	places []int64
	sorted bool
}

// queue returns the positions of the scores that are above the least.
func (*NonMaxSuppression) queue(places []int64, s []float32, least *tensor.Tensor) (q queue) {
	m := 0
	if least == nil {
		for i := range s {
			places[i] = int64(i)
		}
		m = len(s)
	} else {
		l := least.Float32s()[0]
		for i, v := range s {
			if v > l {
				places[m] = int64(i)
				m++
			}
		}
	}
	q.places = places[:m]
	if q.sorted = hasNaN(s); q.sorted {
		stable(q.places, s, true)
		return q
	}
	for i := m/2 - 1; i >= 0; i-- {
		sift(q.places, s, i, true, false)
	}
	return q
}

// next takes the first position out.
func (q *queue) next(s []float32) int64 {
	p := q.places
	first, last := p[0], len(p)-1
	if q.sorted {
		q.places = p[1:]
		return first
	}
	p[0], q.places = p[last], p[:last]
	if last > 0 {
		sift(q.places, s, 0, true, false)
	}
	return first
}

// box is the least and greatest of both coordinates and the area between.
type box struct{ y0, x0, y1, x1, area float32 }

// overlap returns intersection over union of two boxes.
func (a *box) overlap(b *box) float32 {
	h, w := minOf(a.y1, b.y1)-maxOf(a.y0, b.y0), minOf(a.x1, b.x1)-maxOf(a.x0, b.x0)
	if h <= 0 || w <= 0 {
		return 0
	}
	inter := float32(h * w)
	union := a.area + b.area - inter
	if union <= 0 {
		return 0
	}
	return inter / union
}

// corners reads a box.
func (n *NonMaxSuppression) corners(v []float32) (b box) {
	if n.Center {
		h, w := float32(v[3]/2), float32(v[2]/2)
		b = box{y0: v[1] - h, x0: v[0] - w, y1: v[1] + h, x1: v[0] + w}
	} else {
		b = box{y0: minOf(v[0], v[2]), x0: minOf(v[1], v[3]), y1: maxOf(v[0], v[2]), x1: maxOf(v[1], v[3])}
	}
	b.area = float32((b.y1 - b.y0) * (b.x1 - b.x0))
	return b
}
