package detect

import (
	"fmt"
	"strings"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// ssd decodes rows of scores, the first of which is the background's, and of boxes: corners in shares of the input, or, where the card
// lists anchors, offsets from these: centre c + v₀·d·s, size s·exp(v₁·d) (Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016, §2.2).
type ssd struct {
	n, nc         int // boxes; classes with the background
	w, h          float32
	scores, boxes view
	pixels        bool
	priors        [][4]float32 // centre and size in pixels
	variance      [2]float32
	prob          []float32
}

// matchSSD matches scores [N,c] and boxes [N,4]; c = 0 stands for any number.
func matchSSD(s *signature, c int) decoder {
	if len(s.out) != 2 || len(s.out[0]) != 2 || len(s.out[1]) != 2 || s.out[0][0] != s.out[1][0] {
		return nil
	}
	scores, boxes := 0, 1
	isBox := func(i int) bool {
		name := strings.ToLower(s.names[i])
		return strings.Contains(name, "box") || strings.Contains(name, "loc")
	}
	if s.out[0][1] == 4 && (s.out[1][1] != 4 || isBox(0)) {
		scores, boxes = 1, 0
	}
	if s.out[boxes][1] != 4 || s.out[scores][1] < 2 || c != 0 && s.out[scores][1] != c {
		return nil
	}
	d := &ssd{
		n: s.out[0][0], nc: s.out[scores][1], w: float32(s.w), h: float32(s.h), pixels: s.card.Units == "pixels",
		scores: view{out: scores, pitch: s.out[scores][1]}, boxes: view{out: boxes, pitch: 4}, variance: [2]float32{0.1, 0.2},
	}
	d.prob = make([]float32, d.nc)
	if a := s.card.Anchors; a != nil {
		if len(a.Variance) == 2 {
			d.variance = [2]float32{float32(a.Variance[0]), float32(a.Variance[1])}
		}
		for _, m := range a.Maps {
			l := newLevel(s.w, s.h, m.Stride)
			if len(d.priors)+l.cells()*len(m.Sizes) > d.n {
				return nil
			}
			for i := range l.cells() {
				x, y := (float32(i%l.w)+0.5)*float32(m.Stride), (float32(i/l.w)+0.5)*float32(m.Stride)
				for _, size := range m.Sizes {
					d.priors = append(d.priors, [4]float32{x, y, float32(size[0]), float32(size[1])})
				}
			}
		}
		if len(d.priors) != d.n {
			return nil
		}
	}
	return d
}

func (d *ssd) classes() int { return d.nc - 1 }

func (d *ssd) decode(b *boxes) error {
	for i := range d.n {
		row := d.scores.row(b, i, d.nc)
		if b.logits {
			kernels.Softmax(d.prob, row, d.nc)
			row = d.prob
		}
		score, class := best(row[1:])
		if class < 0 || !(score >= b.min) {
			continue
		}
		r := d.boxes.row(b, i, 4)
		x0, y0, x1, y1 := r[0], r[1], r[2], r[3]
		switch {
		case d.priors != nil:
			p := &d.priors[i]
			x, y := p[0]+float32(float32(d.variance[0]*r[0])*p[2]), p[1]+float32(float32(d.variance[0]*r[1])*p[3])
			b.addCentred(score, class, x, y, float32(p[2]*exp(d.variance[1]*r[2])), float32(p[3]*exp(d.variance[1]*r[3])), 0)
			continue
		case !d.pixels:
			x0, y0, x1, y1 = x0*d.w, y0*d.h, x1*d.w, y1*d.h
		}
		b.add(score, class, x0, y0, x1, y1, 0)
	}
	return nil
}

// decoded passes on what a network found that suppresses overlaps itself: boxes [M,4], scores [M], classes [M] and perhaps their number.
//
// Names tell the conventions: "detection_boxes" are y, x, y, x in shares of the input with classes from 1 on (TensorFlow's detection
// networks), "det_boxes" corners in pixels with classes from 0 on, "bboxes" corners in shares and "boxes" corners in pixels, both with
// classes from 1 on.
type decoded struct {
	boxes, scores, labels, count int // outputs; -1 where there is none
	names                        []string
	yFirst                       bool
	first                        int // the first class
	sx, sy                       float32
}

func matchDecoded(s *signature) decoder {
	d := &decoded{-1, -1, -1, -1, s.names, false, 1, 1, 1}
	for i, name := range s.names {
		name = strings.ToLower(name)
		for _, k := range []struct {
			word string
			at   *int
		}{{"num", &d.count}, {"score", &d.scores}, {"box", &d.boxes}, {"class", &d.labels}, {"label", &d.labels}} {
			if strings.Contains(name, k.word) {
				if *k.at >= 0 {
					return nil
				}
				*k.at = i
				break
			}
		}
	}
	if d.boxes < 0 || d.scores < 0 || d.labels < 0 {
		return nil
	}
	name := strings.ToLower(s.names[d.boxes])
	unit := strings.HasPrefix(name, "bbox")
	switch {
	case strings.HasPrefix(name, "detection_"):
		d.yFirst, unit = true, true
	case strings.HasPrefix(name, "det_"):
		d.first = 0
	}
	if s.card.Units != "" {
		unit = s.card.Units == "unit"
	}
	if unit {
		d.sx, d.sy = float32(s.w), float32(s.h)
	}
	return d
}

func (*decoded) classes() int { return 0 }

func (d *decoded) decode(b *boxes) error {
	n := len(b.out[d.scores])
	if len(b.out[d.boxes]) != 4*n || len(b.out[d.labels]) != n {
		return fmt.Errorf("outputs %q %s, %q %s and %q %s do not belong together",
			d.names[d.boxes], tensor.FormatShape(b.shapes[d.boxes]), d.names[d.scores], tensor.FormatShape(b.shapes[d.scores]),
			d.names[d.labels], tensor.FormatShape(b.shapes[d.labels]))
	}
	if d.count >= 0 {
		if len(b.out[d.count]) != 1 {
			return fmt.Errorf("output %q %s is not one number", d.names[d.count], tensor.FormatShape(b.shapes[d.count]))
		}
		if c := b.out[d.count][0]; c >= 0 && c < float32(n) {
			n = int(c)
		}
	}
	for i := range n {
		label := b.out[d.labels][i]
		if !(label >= float32(d.first) && label < 1<<16) {
			continue
		}
		r := b.out[d.boxes][4*i : 4*i+4]
		x0, y0, x1, y1 := r[0], r[1], r[2], r[3]
		if d.yFirst {
			x0, y0, x1, y1 = y0, x0, y1, x1
		}
		b.add(b.out[d.scores][i], int(label)-d.first, x0*d.sx, y0*d.sy, x1*d.sx, y1*d.sy, 0)
	}
	return nil
}
