// Package segment gives each pixel of a picture a class.
package segment

import (
	"context"
	"fmt"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Segmenter runs one network. One goroutine uses a Segmenter at a time.
type Segmenter struct {
	net    *picture.Net
	card   card.Card
	out    model.Port
	kind   kind
	n      int // classes
	w, h   int // of the output
	m      picture.Map
	near   [2]axis
	shares []Share
	count  []int
}

// kind is what a segmenter's output holds.
type kind int

const (
	planes  kind = iota // [1,classes,h,w] scores
	pixels              // [1,h,w,classes] scores
	one                 // [1,1,h,w] scores of class 1 against class 0
	classes             // [1,h,w] or [1,1,h,w] integers: the classes themselves
)

// maxClasses is the most classes, since a label map has a byte a pixel.
const maxClasses = 256

var defaults = card.Input{
	Order: "rgb", Fit: "stretch", Mean: []float64{123.675, 116.28, 103.53}, Std: []float64{58.395, 57.12, 57.375},
}

// New returns a Segmenter for a Program of one output: [1,classes,h,w] or [1,h,w,classes] scores, [1,1,h,w] scores of the foreground, or
// [1,h,w] or [1,1,h,w] integers.
func New(p *model.Program, c card.Card) (*Segmenter, error) {
	c.Input = c.Input.Over(defaults)
	if picture.Grey(p) {
		c.Input.Order = "grey"
	}
	net, err := picture.New(p, c.Input)
	if err != nil {
		return nil, err
	}
	outs := p.Outputs()
	if len(outs) != 1 {
		return nil, fmt.Errorf("the network has %d outputs; a segmenter has one", len(outs))
	}
	s := &Segmenter{net: net, card: c, out: outs[0]}
	if !s.layout() {
		return nil, fmt.Errorf("output %q is %v%s; a segmenter's is [1 classes h w], [1 h w classes] or, with integers, [1 h w], of at most %d classes",
			s.out.Name, s.out.DType, tensor.FormatShape(s.out.Shape), maxClasses)
	}
	if err := c.CheckLabels(s.n); err != nil {
		return nil, err
	}
	if s.card.Labels == nil && s.n == 2 {
		s.card.Labels = []string{"background", "foreground"}
	}
	return s, nil
}

func (s *Segmenter) layout() bool {
	v := s.out.Shape
	if len(v) == 4 && v[1] == 1 && s.out.DType.IsInt() {
		v = []int{1, v[2], v[3]}
	}
	switch {
	case len(v) == 3 && v[0] == 1 && s.out.DType.IsInt():
		s.kind, s.n, s.h, s.w = classes, maxClasses, v[1], v[2]
	case len(v) != 4 || v[0] != 1 || !s.out.DType.IsFloat():
		return false
	case v[1] == 1:
		s.kind, s.n, s.h, s.w = one, 2, v[2], v[3]
	case v[3] < min(v[1], v[2]):
		s.kind, s.n, s.h, s.w = pixels, v[3], v[1], v[2]
	default:
		s.kind, s.n, s.h, s.w = planes, v[1], v[2], v[3]
	}
	return s.n >= 2 && s.n <= maxClasses && s.w > 0 && s.h > 0
}

// Card returns the card in force.
func (s *Segmenter) Card() card.Card { return s.card }

// Classes returns the number of classes; 256 where the network gives classes and not their scores.
func (s *Segmenter) Classes() int { return s.n }

// Segment runs the network on a picture; Labels and Shares tell what it saw.
func (s *Segmenter) Segment(ctx context.Context, pic kernels.Picture) error {
	if err := s.net.Run(ctx, pic); err != nil {
		return err
	}
	s.m = s.net.Map()
	return nil
}

// axis says which positions of the output the pixels along one axis lie between: FMA32(f, b-a, a) with a at first and b at its neighbour.
type axis struct {
	first, second []int
	f             []float32
}

// plan finds the positions of n pixels along an axis of the output, which has m pixels for size of the input's.
func (a *axis) plan(n, m int, size int, at, scale float64) {
	if len(a.first) != n {
		*a = axis{make([]int, n), make([]int, n), make([]float32, n)}
	}
	for i := range n {
		p := (float64(i)+0.5-at)/scale*float64(m)/float64(size) - 0.5
		p = min(max(p, 0), float64(m-1))
		a.first[i] = int(p)
		a.second[i] = a.first[i]
		if a.f[i] = float32(p - float64(a.first[i])); a.f[i] > 0 {
			a.second[i] = min(a.first[i]+1, m-1)
		}
	}
}

// Labels writes the class of each pixel of the picture, row by row, to dst: that of the greatest score, scores interpolated between
// those of the network; of equal ones the first. A pixel outside of what the network saw has the class of the nearest one inside.
func (s *Segmenter) Labels(dst []uint8) error {
	if len(dst) != s.m.W*s.m.H {
		return fmt.Errorf("%d labels, not %dx%d", len(dst), s.m.W, s.m.H)
	}
	v, err := picture.Floats(s.out.Name, s.net.Outputs()[0])
	if err != nil {
		return err
	}
	w, h := s.net.Size()
	s.near[0].plan(s.m.W, s.w, w, s.m.X, s.m.ScaleX)
	s.near[1].plan(s.m.H, s.h, h, s.m.Y, s.m.ScaleY)
	cols, rows := &s.near[0], &s.near[1]
	class, pixel := s.w*s.h, 1 // steps in v from class to class and from pixel to pixel
	if s.kind == pixels {
		class, pixel = 1, s.n
	}
	edge := float32(0.5)
	if s.card.Logits != nil && *s.card.Logits {
		edge = 0
	}
	for y := range s.m.H {
		r0, r1, fy := rows.first[y]*s.w, rows.second[y]*s.w, rows.f[y]
		for x := range s.m.W {
			c0, c1, fx := cols.first[x], cols.second[x], cols.f[x]
			if s.kind == classes {
				if fx >= 0.5 {
					c0 = c1
				}
				at := r0 + c0
				if fy >= 0.5 {
					at = r1 + c0
				}
				label := v[at]
				if !(label >= 0 && label < maxClasses) {
					return fmt.Errorf("output %q holds class %g; classes are 0 to %d", s.out.Name, label, maxClasses-1)
				}
				dst[y*s.m.W+x] = uint8(label)
				continue
			}
			i, j, k, l := (r0+c0)*pixel, (r0+c1)*pixel, (r1+c0)*pixel, (r1+c1)*pixel
			top, at := float32(0), -1
			n := s.n
			if s.kind == one {
				n = 1
			}
			for c := range n {
				a := v[c*class+i] + float32(fx*(v[c*class+j]-v[c*class+i]))
				b := v[c*class+k] + float32(fx*(v[c*class+l]-v[c*class+k]))
				if score := a + float32(fy*(b-a)); score > top || at < 0 && score == score {
					top, at = score, c
				}
			}
			switch {
			case at < 0:
				return fmt.Errorf("output %q has scores that are no numbers", s.out.Name)
			case s.kind == one && top > edge:
				at = 1
			}
			dst[y*s.m.W+x] = uint8(at)
		}
	}
	return nil
}

// Share is how much of a picture one class takes.
type Share struct {
	Class int     `json:"class"`
	Label string  `json:"label"`
	Share float64 `json:"share"`
}

// Shares returns the classes of a label map in their order, with the part of it that each takes. The slice is valid until the next call.
func (s *Segmenter) Shares(labels []uint8) []Share {
	if s.count == nil {
		s.count = make([]int, maxClasses)
	}
	clear(s.count)
	for _, l := range labels {
		s.count[l]++
	}
	s.shares = s.shares[:0]
	for c, n := range s.count {
		if n > 0 {
			s.shares = append(s.shares, Share{c, s.card.Label(c), float64(n) / float64(len(labels))})
		}
	}
	return s.shares
}
