package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

type depthwiseGrad struct {
	s     kernels.Conv2D
	kind  gradKind
	order kernels.Order
}

func (c depthwiseGrad) problem() Problem {
	s := c.s
	s.O, s.Groups = s.C, s.C
	in, out, taps := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.C, s.KH*s.KW
	return Problem{
		Name:  fmt.Sprintf("depthwisegrad/%s%s %s", gradNames[c.kind], orderName(c.order), windowName(&s)),
		Flops: 2 * float64(out*taps),
		Bytes: 4 * float64(in+out+taps*s.C),
		Build: func(m *Mem) Case {
			g := kernels.NewDepthwiseGrad(s)
			dy := m.F32(out)
			switch c.kind {
			case gradInput:
				w := m.F32(taps * s.C)
				p := g.Pack(make([]float32, taps*s.C), c.order)
				g.Repack(p, inOrder(w, c.order, 1, taps, s.C), c.order)
				got, want := m.Out("dx", in)
				return Case{
					Fast: func(t *kernels.Team) { g.Input(t, got, dy, p) },
					Ref:  func() { ref.DepthwiseGradInput(want, dy, w, &s) },
				}
			case gradWeight:
				x := m.F32(in)
				scratch := m.F32(g.ScratchLen())
				got, want := m.Out("dw", taps*s.C)
				return Case{
					Fast: func(t *kernels.Team) { g.Weight(t, got, dy, x, c.order, scratch) },
					Ref: func() {
						w := make([]float32, taps*s.C)
						ref.DepthwiseGradWeight(w, dy, x, &s)
						copy(want, inOrder(w, c.order, 1, taps, s.C))
					},
				}
			}
			x, w, bias := m.F32(in), m.F32(taps*s.C), m.F32(s.C)
			given := inOrder(w, c.order, 1, taps, s.C)
			d := kernels.NewDepthwise(s)
			p := d.Pack(make([]float32, taps*s.C), bias)
			got, want := m.Out("dst", out)
			return Case{
				Fast: func(t *kernels.Team) {
					d.Repack(p, given, bias, c.order)
					d.Run(t, got, x, p, kernels.Act{})
				},
				Ref: func() { ref.Depthwise(want, x, w, bias, &s, kernels.Act{}) },
			}
		},
	}
}

func depthwiseGradFamily() Family {
	kinds := [...]gradKind{gradInput, gradWeight, gradRepack}
	return Family{
		Name: "depthwisegrad", Op: kernels.OpDepthwise,
		List: func() []Problem {
			var l []Problem
			add := func(s kernels.Conv2D) {
				for _, k := range kinds {
					l = append(l, depthwiseGrad{s, k, kernels.Order((len(l) + len(l)/3) % 2)}.problem())
				}
			}
			add(squareWindow(0, 3, 3, 8, 3, 1, 1, 1))
			for i, c := range []int{1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 70} {
				for j, k := range [][4]int{{3, 1, 1, 1}, {3, 2, 1, 1}, {5, 1, 1, 2}, {5, 2, 1, 2}, {1, 1, 1, 0}, {1, 2, 1, 0}, {2, 3, 1, 0}, {4, 2, 2, 1}, {3, 2, 2, 4}, {7, 3, 1, 3}} {
					add(squareWindow(1+(i+j)%2, 7+(i+j)%5, 7+(3*i+j)%13, c, k[0], k[1], k[2], k[3]))
				}
			}
			uneven := squareWindow(2, 9, 40, 20, 3, 1, 1, 1)
			uneven.KW, uneven.SH, uneven.PL, uneven.PB = 4, 2, 0, 3
			add(uneven)
			add(squareWindow(2, 40, 60, 17, 3, 1, 1, 1)) // several bands
			add(squareWindow(1, 2, 1500, 5, 3, 1, 1, 1))
			add(squareWindow(1, 4, 5, 18, 3, 1, 1, 3)) // padding beyond the window
			for _, s := range []kernels.Conv2D{
				squareWindow(8, 112, 112, 32, 3, 1, 1, 1), squareWindow(8, 112, 112, 96, 3, 2, 1, 1), squareWindow(8, 56, 56, 144, 3, 1, 1, 1),
				squareWindow(8, 28, 28, 192, 3, 1, 1, 1), squareWindow(8, 14, 14, 384, 3, 1, 1, 1), squareWindow(8, 14, 14, 576, 3, 2, 1, 1),
				squareWindow(8, 7, 7, 960, 3, 1, 1, 1),
			} {
				forward := depthwiseProblem(s, false, kernels.Act{})
				forward.Name = "depthwisegrad/y " + windowName(&s)
				for _, p := range []Problem{forward, depthwiseGrad{s, gradInput, 0}.problem(), depthwiseGrad{s, gradWeight, 0}.problem()} {
					p.Bench = true
					l = append(l, p)
				}
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			s := randomShape(r)
			return depthwiseGrad{s, kinds[r.IntN(len(kinds))], kernels.Order(r.IntN(2))}.problem()
		},
	}
}

type localGrad struct {
	s    kernels.Conv2D
	kind gradKind
}

func (c localGrad) problem() Problem {
	s := c.s
	in, positions := s.N*s.H*s.W*s.C, s.OH()*s.OW()
	k := s.KH * s.KW * s.C
	weights, out := positions*s.O*k, s.N*positions*s.O
	return Problem{
		Name:  "localgrad/" + gradNames[c.kind] + " " + ShapeName(s),
		Flops: 2 * float64(out) * float64(k),
		Bytes: 4 * float64(weights+in),
		Build: func(m *Mem) Case {
			g := kernels.NewLocalGrad(s)
			dy := m.F32(out)
			switch c.kind {
			case gradInput:
				w, scratch := m.F32(weights), m.F32(g.ScratchLen())
				got, want := m.Out("dx", in)
				return Case{
					Fast: func(t *kernels.Team) { g.Input(t, got, dy, w, scratch) },
					Ref:  func() { ref.LocalGradInput(want, dy, w, &s) },
				}
			case gradWeight:
				x := m.F32(in)
				got, want := m.Out("dw", weights)
				return Case{
					Fast: func(t *kernels.Team) { g.Weight(t, got, dy, x) },
					Ref:  func() { ref.LocalGradWeight(want, dy, x, &s) },
				}
			case gradBias:
				got, want := m.Out("db", positions*s.O)
				return Case{
					Fast: func(t *kernels.Team) { g.Bias(t, got, dy) },
					Ref:  func() { ref.ConvGradBias(want, dy, s.N) },
				}
			}
			w, bias, x := m.F32(weights), m.F32(positions*s.O), m.F32(in)
			f := kernels.NewLocal(s)
			p := f.Pack(make([]float32, weights), make([]float32, positions*s.O))
			got, want := m.Out("dst", out)
			return Case{
				Fast: func(t *kernels.Team) {
					f.Repack(t, p, w, bias)
					f.Run(t, got, x, p, kernels.Act{})
				},
				Ref: func() { ref.LocallyConnected(want, x, w, bias, &s, kernels.Act{}) },
			}
		},
	}
}

func localGradFamily() Family {
	return Family{
		Name: "localgrad", Op: kernels.OpGemm,
		List: func() []Problem {
			var l []Problem
			add := func(s kernels.Conv2D) {
				for k := gradInput; k <= gradRepack; k++ {
					l = append(l, localGrad{s, k}.problem())
				}
			}
			for i, c := range []int{1, 3, 16, 17} {
				for j, k := range [][4]int{{3, 1, 1, 1}, {3, 2, 2, 1}, {2, 3, 1, 0}, {4, 1, 1, 3}} {
					s := square(4+i+j, c, 3+15*i, k[0], k[1])
					s.N, s.DH, s.DW, s.PT, s.PB, s.PL, s.PR = 1+5*i, k[2], k[2], k[3], k[3], k[3], k[3]
					add(s)
				}
			}
			many := square(2, 3, 5, 1, 1)
			many.N = 1100
			add(many)
			none := square(4, 3, 3, 3, 1)
			none.N = 0
			add(none)
			s := square(21, 16, 16, 5, 2) // as in DeepFace
			s.N = 32
			for k := gradInput; k <= gradWeight; k++ {
				p := localGrad{s, k}.problem()
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem { return localGrad{randomShape(r), gradKind(r.IntN(4))}.problem() },
	}
}
