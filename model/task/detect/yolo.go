package detect

import "math"

// yolox decodes rows x, y, w, h, objectness, classes of the cells of three strides, each cell at (gx, gy):
// centre ((x+gx)·stride, (y+gy)·stride), size (eʷ·stride, eʰ·stride), score objectness·class
// (Ge et al., YOLOX: Exceeding YOLO Series in 2021, arXiv 2107.08430).
type yolox struct {
	levels []level
	nc     int
	pitch  int
}

func matchYOLOX(s *signature) decoder {
	shape := s.single(2)
	levels, cells := s.levels(8, 16, 32)
	if shape == nil || shape[0] != cells || shape[1] < 6 {
		return nil
	}
	return &yolox{levels, s.classCount(shape[1] - 5), shape[1]}
}

func (d *yolox) classes() int { return d.nc }

func (d *yolox) decode(b *boxes) error {
	i := 0
	for _, l := range d.levels {
		s := float32(l.stride)
		for gy := range l.h {
			for gx := range l.w {
				row := b.out[0][i*d.pitch : i*d.pitch+5+d.nc]
				i++
				obj := b.prob(row[4])
				if !(obj >= b.min) {
					continue
				}
				top, class := best(row[5:])
				if class < 0 {
					continue
				}
				x, y := float32((row[0]+float32(gx))*s), float32((row[1]+float32(gy))*s)
				b.addCentred(float32(obj*b.prob(top)), class, x, y, float32(exp(row[2])*s), float32(exp(row[3])*s), 0)
			}
		}
	}
	return nil
}

// yolov5 decodes rows x, y, w, h, objectness, classes, the box by centre and size in pixels of the input.
type yolov5 struct{ n, nc, pitch int }

func matchYOLOv5(s *signature) decoder {
	shape := s.single(2)
	if shape == nil || shape[1] < 6 {
		return nil
	}
	_, three := s.levels(8, 16, 32)
	_, four := s.levels(8, 16, 32, 64)
	if !s.named && shape[0] != 3*three && shape[0] != 3*four {
		return nil
	}
	return &yolov5{shape[0], s.classCount(shape[1] - 5), shape[1]}
}

func (d *yolov5) classes() int { return d.nc }

func (d *yolov5) decode(b *boxes) error {
	for i := range d.n {
		row := b.out[0][i*d.pitch : i*d.pitch+5+d.nc]
		obj := b.prob(row[4])
		if !(obj >= b.min) {
			continue
		}
		if top, class := best(row[5:]); class >= 0 {
			b.addCentred(float32(obj*b.prob(top)), class, row[0], row[1], row[2], row[3], 0)
		}
	}
	return nil
}

// yolov8 decodes columns x, y, w, h, classes, the box by centre and size in pixels of the input.
type yolov8 struct{ n, nc int }

func matchYOLOv8(s *signature) decoder {
	shape := s.single(2)
	if shape == nil || shape[0] < 5 {
		return nil
	}
	if _, cells := s.levels(8, 16, 32); !s.named && shape[1] != cells {
		return nil
	}
	return &yolov8{shape[1], s.classCount(shape[0] - 4)}
}

func (d *yolov8) classes() int { return d.nc }

func (d *yolov8) decode(b *boxes) error {
	v := b.out[0]
	for i := range d.n {
		top, class := float32(0), -1
		for c := range d.nc {
			if x := v[(4+c)*d.n+i]; x > top || class < 0 && x == x {
				top, class = x, c
			}
		}
		score := b.prob(top)
		if class < 0 || !(score >= b.min) {
			continue
		}
		b.addCentred(score, class, v[i], v[d.n+i], v[2*d.n+i], v[3*d.n+i], 0)
	}
	return nil
}

// fastestDet decodes planes objectness, x, y, w, h, classes over one grid: centre ((tanh x + gx)/gw, (tanh y + gy)/gh),
// size (σ(w), σ(h)) in shares of the input, score objectness^0.6·class^0.4.
type fastestDet struct{ w, h, gw, gh, nc int }

func matchFastestDet(s *signature) decoder {
	shape := s.single(3)
	if shape == nil || shape[0] < 6 || shape[1] < 1 || shape[2] < 1 {
		return nil
	}
	return &fastestDet{s.w, s.h, shape[2], shape[1], s.classCount(shape[0] - 5)}
}

func (d *fastestDet) classes() int { return d.nc }

func (d *fastestDet) decode(b *boxes) error {
	v, n := b.out[0], d.gw*d.gh
	for i := range n {
		top, class := float32(0), -1
		for c := range d.nc {
			if x := v[(5+c)*n+i]; x > top || class < 0 && x == x {
				top, class = x, c
			}
		}
		obj := v[i]
		if class < 0 || !(obj > 0 && top > 0) {
			continue
		}
		score := exp(float32(0.6*logarithm(obj)) + float32(0.4*logarithm(top)))
		if !(score >= b.min) {
			continue
		}
		gw, gh, w, h := float32(d.gw), float32(d.gh), float32(d.w), float32(d.h)
		x := float32((tanh(v[n+i]) + float32(i%d.gw)) / gw * w)
		y := float32((tanh(v[2*n+i]) + float32(i/d.gw)) / gh * h)
		b.addCentred(score, class, x, y, float32(sigmoid(v[3*n+i])*w), float32(sigmoid(v[4*n+i])*h), 0)
	}
	return nil
}

// root returns the square root of x.
func root(x float32) float32 { return float32(math.Sqrt(float64(x))) }
