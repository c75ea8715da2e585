package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// ShapeName describes a convolution or pooling shape.
func ShapeName(s kernels.Conv2D) string {
	n := fmt.Sprintf("%dx%dx%dx%d to %d, %dx%d/%dx%d", s.N, s.H, s.W, s.C, s.O, s.KH, s.KW, s.SH, s.SW)
	if s.DH > 1 || s.DW > 1 {
		n += fmt.Sprintf(" dilated %dx%d", s.DH, s.DW)
	}
	if s.PT|s.PL|s.PB|s.PR != 0 {
		n += fmt.Sprintf(" pad %d,%d,%d,%d", s.PT, s.PL, s.PB, s.PR)
	}
	if s.Groups > 1 {
		n += fmt.Sprintf(" groups %d", s.Groups)
	}
	return n
}

// square is a picture of side h convolved with a window of side k, "same" padding.
func square(h, c, o, k, stride int) kernels.Conv2D {
	p := k / 2
	return kernels.Conv2D{N: 1, H: h, W: h, C: c, O: o, KH: k, KW: k, SH: stride, SW: stride, DH: 1, DW: 1, PT: p, PL: p, PB: p, PR: p, Groups: 1}
}

// uneven gives some shapes other padding on one side than on the other, and dilations.
func uneven(s *kernels.Conv2D, i int) {
	switch i % 5 {
	case 1:
		s.PL, s.PB = 0, s.PB+1
	case 2:
		s.DH, s.DW = 2, 1
		s.PT++
	case 3:
		s.DW, s.PR, s.PL = 2, s.PR+2, s.PL+1
	}
}

// randomShape draws a small valid shape with the window inside the padded picture.
func randomShape(r *rand.Rand) kernels.Conv2D {
	for {
		s := kernels.Conv2D{
			N: 1 + r.IntN(2), H: 1 + r.IntN(9), W: 1 + r.IntN(30), C: 1 + r.IntN(40), O: 1 + r.IntN(50), KH: 1 + r.IntN(4), KW: 1 + r.IntN(5),
			SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: 1 + r.IntN(2), DW: 1 + r.IntN(2),
			PT: r.IntN(3), PL: r.IntN(3), PB: r.IntN(3), PR: r.IntN(3), Groups: 1,
		}
		if s.H+s.PT+s.PB > s.DH*(s.KH-1) && s.W+s.PL+s.PR > s.DW*(s.KW-1) {
			return s
		}
	}
}

type conv struct {
	s         kernels.Conv2D
	bias, res bool
	act       kernels.Act
}

func (c conv) problem() Problem {
	return c.of("conv", func(m *Mem, w, bias []float32) func(t *kernels.Team, dst, src, res []float32) {
		p := kernels.NewConv(c.s)
		packed := p.Pack(w, bias)
		return func(t *kernels.Team, dst, src, res []float32) { p.Run(t, dst, src, packed, res, c.act) }
	})
}

// of returns the problem as a family computes it; plan packs weights and returns what runs with them.
func (c conv) of(family string, plan func(m *Mem, w, bias []float32) func(t *kernels.Team, dst, src, res []float32)) Problem {
	s := c.s
	name := family + "/" + ShapeName(s)
	if c.res {
		name += " res"
	}
	in, out := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.O
	k := s.KH * s.KW * s.C / s.Groups
	return Problem{
		Name:  name + actName(c.act),
		Flops: 2 * float64(out) * float64(k),
		Bytes: 4 * float64(in+out+s.O*k),
		Build: func(m *Mem) Case {
			src, w := m.F32(in), m.F32(s.O*k)
			var bias, res []float32
			if c.bias {
				bias = m.F32(s.O)
			}
			if c.res {
				res = m.F32(out)
			}
			got, want := m.Out("dst", out)
			run := plan(m, w, bias)
			return Case{
				Fast: func(t *kernels.Team) { run(t, got, src, res) },
				Ref:  func() { ref.Convolve(want, src, w, bias, res, &s, c.act) },
			}
		},
	}
}

func convFamily() Family {
	return Family{
		Name: "conv", Op: kernels.OpGemm,
		List: func() []Problem {
			var l []Problem
			i := 0
			for _, c := range []int{1, 3, 4, 15, 16, 17, 33} {
				for _, k := range []int{1, 2, 3, 5} {
					for _, stride := range []int{1, 2} {
						s := square(5+i%9, c, 1+7*i%37, k, stride)
						s.N, s.W = 1+i%2, 5+i%17
						uneven(&s, i)
						l = append(l, conv{s, i%3 != 0, i%4 == 1, acts[i%4]}.problem())
						i++
					}
				}
			}
			for _, g := range []int{2, 3} {
				s := square(7, 6*g, 5*g, 3, 1)
				s.Groups = g
				l = append(l, conv{s, true, g == 2, relu}.problem())
			}
			one := square(1, 1, 1, 1, 1)
			l = append(l, conv{one, true, false, kernels.Act{}}.problem())
			large := square(9, 64, 40, 3, 1) // K of several blocks
			l = append(l, conv{large, true, true, relu}.problem())
			wide := square(3, 600, 20, 3, 1) // several blocks in a step
			l = append(l, conv{wide, true, true, leaky}.problem())
			none := square(4, 3, 3, 3, 1)
			none.N = 0
			l = append(l, conv{none, true, false, relu}.problem())
			// ResNet-18 at 224x224, the first layers of AlexNet and MobileNet, and the pedestrian net at 640x480.
			for _, s := range []kernels.Conv2D{
				square(224, 3, 64, 7, 2), square(56, 64, 64, 3, 1), square(56, 64, 128, 3, 2), square(28, 128, 128, 3, 1), square(28, 128, 256, 3, 2),
				square(14, 256, 256, 3, 1), square(14, 256, 512, 3, 2), square(7, 512, 512, 3, 1), square(56, 64, 128, 1, 2),
				square(224, 3, 32, 3, 2), square(224, 3, 96, 11, 4), square(320, 16, 32, 5, 1),
			} {
				p := conv{s, true, false, relu}.problem()
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			s := randomShape(r)
			if r.IntN(4) == 0 {
				s.Groups = 2
				s.C, s.O = s.C+s.C%2, s.O+s.O%2
			}
			return conv{s, r.IntN(2) == 0, r.IntN(2) == 0, acts[r.IntN(4)]}.problem()
		},
	}
}

type local struct {
	s    kernels.Conv2D
	bias bool
	act  kernels.Act
}

func (c local) problem() Problem {
	s := c.s
	in, positions := s.N*s.H*s.W*s.C, s.OH()*s.OW()
	k := s.KH * s.KW * s.C
	return Problem{
		Name:  "local/" + ShapeName(s) + actName(c.act),
		Flops: 2 * float64(s.N*positions*s.O) * float64(k),
		Bytes: 4 * float64(positions*s.O*k+in),
		Build: func(m *Mem) Case {
			src, w := m.F32(in), m.F32(positions*s.O*k)
			var bias []float32
			if c.bias {
				bias = m.F32(positions * s.O)
			}
			got, want := m.Out("dst", s.N*positions*s.O)
			p := kernels.NewLocal(s)
			packed := p.Pack(w, bias)
			return Case{
				Fast: func(t *kernels.Team) { p.Run(t, got, src, packed, c.act) },
				Ref:  func() { ref.LocallyConnected(want, src, w, bias, &s, c.act) },
			}
		},
	}
}

func localFamily() Family {
	return Family{
		Name: "local", Op: kernels.OpGemm,
		List: func() []Problem {
			var l []Problem
			for i, c := range []int{1, 3, 16, 17} {
				s := square(4+i, c, 3+15*i, 3, 1+i%2)
				s.N = 1 + i%3
				l = append(l, local{s, i%2 == 0, acts[i]}.problem())
			}
			p := local{square(21, 16, 16, 5, 2), true, relu}.problem() // as in DeepFace
			p.Bench = true
			return append(l, p)
		},
		Random: func(r *rand.Rand) Problem {
			return local{randomShape(r), r.IntN(2) == 0, acts[r.IntN(4)]}.problem()
		},
	}
}
