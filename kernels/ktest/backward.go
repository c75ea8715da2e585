package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

func poolGradProblem(kind kernels.PoolKind, s kernels.Pool2D) Problem {
	in, out := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.C
	p := poolProblem(kind, s)
	p.Name = "poolgrad" + p.Name[len("pool"):]
	p.Bytes = 4 * float64(in+out)
	if kind != kernels.PoolAvg {
		p.Bytes += 4 * float64(in+out)
	}
	p.Build = func(m *Mem) Case {
		x, dy := m.F32(in), m.F32(out)
		for i := range x {
			if m.Rand().IntN(3) == 0 {
				x[i] = x[max(0, i-s.C)] // equal neighbours
			}
		}
		y := m.F32(out)
		plan := kernels.NewPool(kind, s)
		plan.Run(nil, y, x)
		got, want := m.Out("dx", in)
		if kind == kernels.PoolAvg {
			x, y = nil, nil
		}
		return Case{
			Fast: func(t *kernels.Team) { plan.Grad(t, got, dy, x, y) },
			Ref:  func() { ref.PoolGrad(want, dy, x, y, kind, &s) },
		}
	}
	return p
}

func poolGradFamily() Family {
	return Family{
		Name: "poolgrad",
		Op:   kernels.OpGrad,
		List: func() []Problem {
			var l []Problem
			add := func(s kernels.Pool2D) {
				for kind := kernels.PoolMax; kind <= kernels.PoolL2; kind++ {
					l = append(l, poolGradProblem(kind, s))
				}
			}
			add(squarePool(0, 4, 4, 8, 2, 2, 0))
			for c := 1; c <= 67; c++ {
				add(squarePool(1, 3, 4, c, 2, 1, 1))
			}
			for k := 1; k <= 5; k++ {
				for stride := 1; stride <= 3; stride++ {
					s := squarePool(2, 9, 11, 19, k, stride, k/2)
					add(s)
					s.Ceil, s.CountPad = true, true
					add(s)
					s.Ceil, s.PT, s.PR = false, 0, 0
					s.DH, s.DW, s.PB, s.PR = 2, 3, 6, 9
					add(s)
				}
			}
			s := squarePool(1, 3, 2, 19, 2, 1, 4) // windows that miss the picture
			s.CountPad = true
			add(s)
			for _, g := range [][4]int{{1, 1, 1, 5}, {2, 7, 7, 130}, {9, 5, 3, 64}, {1, 300, 350, 5}} {
				add(kernels.GlobalPool(g[0], g[1], g[2], g[3]))
			}
			for _, b := range []struct {
				kind kernels.PoolKind
				s    kernels.Pool2D
			}{
				{kernels.PoolMax, squarePool(8, 112, 112, 64, 3, 2, 1)}, // ResNet
				{kernels.PoolMax, squarePool(8, 55, 55, 96, 3, 2, 0)},   // AlexNet
				{kernels.PoolMax, squarePool(64, 28, 28, 16, 2, 2, 0)},  // MNIST
				{kernels.PoolAvg, squarePool(64, 28, 28, 16, 2, 2, 0)},
				{kernels.PoolL2, squarePool(64, 28, 28, 16, 2, 2, 0)},
				{kernels.PoolAvg, squarePool(8, 56, 56, 64, 3, 2, 1)},
				{kernels.PoolAvg, kernels.GlobalPool(8, 7, 7, 1280)},
			} {
				p := poolGradProblem(b.kind, b.s)
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			s := kernels.Pool2D{
				N: 1 + r.IntN(3), H: 1 + r.IntN(12), W: 1 + r.IntN(12), C: 1 + r.IntN(70), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5),
				SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: 1 + r.IntN(2), DW: 1 + r.IntN(2),
				PT: r.IntN(4), PL: r.IntN(4), PB: r.IntN(4), PR: r.IntN(4), Ceil: r.IntN(2) == 0, CountPad: r.IntN(2) == 0,
			}
			s.PB += max(0, s.DH*(s.KH-1)+1-s.H-s.PT-s.PB)
			s.PR += max(0, s.DW*(s.KW-1)+1-s.W-s.PL-s.PR)
			return poolGradProblem(kernels.PoolKind(r.IntN(3)), s)
		},
	}
}

// normGrad is the gradient of a function of each row of a matrix; z is the function's argument or result.
type normGrad struct {
	name string
	own  bool // dx may not be dy
	fast func(dx, dy, z []float32, c int)
	ref  func(dx, dy, z []float32, c int)
}

func normGrads() []normGrad {
	lrn := func(name string, size int, alpha, beta, k float32) normGrad {
		return normGrad{"LRNGrad" + name, true,
			func(d, g, x []float32, c int) { kernels.LRNGrad(d, g, x, c, size, alpha, beta, k) },
			func(d, g, x []float32, c int) { ref.LRNGrad(d, g, x, c, size, alpha, beta, k) }}
	}
	return []normGrad{
		{"SoftmaxGrad", false, kernels.SoftmaxGrad, ref.SoftmaxGrad},
		{"LogSoftmaxGrad", false, kernels.LogSoftmaxGrad, ref.LogSoftmaxGrad},
		lrn("", 5, 1e-4, 0.75, 2), lrn(" size 4", 4, 0.3, 0.75, 1), lrn(" beta 0.5", 3, 0.2, 0.5, 1), lrn(" size 21", 21, 1, 0.75, 0.1),
	}
}

func (f normGrad) problem(rows, c int, inPlace bool) Problem {
	name := fmt.Sprintf("normgrad/%s/%dx%d", f.name, rows, c)
	if inPlace {
		name += " in place"
	}
	return Problem{
		Name:  name,
		Bytes: 12 * float64(rows*c),
		Build: func(m *Mem) Case {
			dy, z := m.F32(rows*c), m.F32(rows*c)
			got, want := m.Out("dx", rows*c)
			from := dy
			if inPlace {
				copy(got, dy)
				from = got
			}
			return Case{
				Fast: func(*kernels.Team) { f.fast(got, from, z, c) },
				Ref:  func() { f.ref(want, dy, z, c) },
			}
		},
	}
}

func normGradFamily() Family {
	return Family{
		Name: "normgrad",
		Op:   kernels.OpMap,
		List: func() []Problem {
			shapes := [][2]int{{0, 3}, {1, 1}, {2, 2}, {3, 7}, {2, 8}, {2, 9}, {3, 16}, {1, 17}, {2, 31}, {2, 64}, {1, 97}, {1, 513}, {1, 1100}, {1, 1537}}
			var ps []Problem
			for _, f := range normGrads() {
				for _, s := range shapes {
					ps = append(ps, f.problem(s[0], s[1], false))
				}
				if !f.own {
					ps = append(ps, f.problem(3, 29, true))
				}
				p := f.problem(1<<13, 96, false)
				p.Bench = true
				ps = append(ps, p)
			}
			return ps
		},
		Random: func(r *rand.Rand) Problem {
			fs := normGrads()
			f := fs[r.IntN(len(fs))]
			return f.problem(r.IntN(6), 1+r.IntN(70), !f.own && r.IntN(2) == 0)
		},
	}
}

func lcnGradProblem(s kernels.LCN2D) Problem {
	n := s.N * s.H * s.W * s.C
	p := lcnProblem(s)
	p.Name = "lcngrad" + p.Name[len("lcn"):]
	p.Bytes = 12 * float64(n)
	p.Build = func(m *Mem) Case {
		src, dy := m.F32(n), m.F32(n)
		got, want := m.Out("dx", n)
		l := kernels.NewLCN(s)
		scratch := m.F32(l.GradScratchLen(7))
		return Case{
			Fast: func(t *kernels.Team) { l.Grad(t, got, dy, src, scratch) },
			Ref:  func() { ref.LCNGrad(want, dy, src, &s) },
		}
	}
	return p
}

func lcnGradFamily() Family {
	return Family{
		Name: "lcngrad",
		Op:   kernels.OpLCN,
		List: func() []Problem {
			var l []Problem
			add := func(s kernels.LCN2D) {
				for s.Mode = kernels.LCNBoth; s.Mode <= kernels.LCNDivide; s.Mode++ {
					l = append(l, lcnGradProblem(s))
				}
			}
			add(kernels.LCN2D{N: 0, H: 3, W: 3, C: 2, Size: 3, Sigma: 1})
			add(kernels.LCN2D{N: 1, H: 1, W: 1, C: 1, Size: 1, Sigma: 1})
			add(kernels.LCN2D{N: 1, H: 2, W: 1, C: 1, Size: 9, Sigma: 2, Floor: 0.5})
			for c := 1; c <= 18; c++ {
				add(kernels.LCN2D{N: 2, H: 3, W: 4 + c%3, C: c, Size: 3, Sigma: 1, Floor: 1e-4})
			}
			for w := 1; w <= 35; w += 2 {
				add(kernels.LCN2D{N: 1, H: 2 + w%7, W: w, C: 1 + 2*(w%2), Size: 1 + 2*(w%5), Sigma: 1.6})
			}
			add(kernels.LCN2D{N: 1, H: 12, W: 13, C: 67, Size: 7, Sigma: 1.2, Floor: 0.6})
			for _, s := range []kernels.LCN2D{{N: 64, H: 14, W: 14, C: 16, Size: 5, Sigma: 1.2, Floor: 1e-3}, {N: 8, H: 56, W: 56, C: 32, Size: 9, Sigma: 1.6, Floor: 1e-4}} {
				p := lcnGradProblem(s)
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			return lcnGradProblem(kernels.LCN2D{
				N: 1 + r.IntN(2), H: 1 + r.IntN(12), W: 1 + r.IntN(20), C: 1 + r.IntN(20), Size: 1 + 2*r.IntN(5),
				Sigma: 0.3 + 3*r.Float32(), Floor: r.Float32() * float32(r.IntN(2)), Mode: kernels.LCNMode(r.IntN(3)),
			})
		},
	}
}

// interpolationTaps returns taps from n to m elements: nearest for one tap, else linear with the corners of pixels aligned.
func interpolationTaps(n, m, taps int) kernels.Taps {
	var t kernels.Taps
	for i := range m {
		x := max(0, (float32(i)+0.5)*float32(n)/float32(m)-0.5)
		p := min(int(x), n-1)
		switch f := x - float32(p); {
		case taps == 1:
			t.Index, t.Weight = append(t.Index, []int{i * n / m}), append(t.Weight, []float32{1})
		case f == 0 || p+1 >= n:
			t.Index, t.Weight = append(t.Index, []int{p}), append(t.Weight, []float32{1})
		default:
			t.Index, t.Weight = append(t.Index, []int{p, p + 1}), append(t.Weight, []float32{1 - f, f})
		}
	}
	return t
}

func interpolation(n, h, w, c, oh, ow, taps int, back bool) Problem {
	s := kernels.InterpolationShape{N: n, H: h, W: w, C: c, Copy: taps == 1}
	if oh != h {
		s.Y = interpolationTaps(h, oh, taps)
	}
	if ow != w {
		s.X = interpolationTaps(w, ow, taps)
	}
	plan := kernels.NewInterpolation(s)
	name := fmt.Sprintf("interpolate/%dx%dx%dx%d-%dx%d taps %d", n, h, w, c, oh, ow, taps)
	if back {
		plan = plan.Gradient()
		name += " gradient"
	}
	s = plan.Shape()
	in, out := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.C
	return Problem{
		Name:  name,
		Bytes: 4 * float64(in+out),
		Build: func(m *Mem) Case {
			src := m.F32(in)
			got, want := m.Out("dst", out)
			return Case{
				Fast: func(t *kernels.Team) { plan.Run(t, got, src) },
				Ref:  func() { ref.Interpolate(want, src, &s) },
			}
		},
	}
}

func interpolateFamily() Family {
	return Family{
		Name: "interpolate",
		Op:   kernels.OpMap,
		List: func() []Problem {
			var l []Problem
			for _, back := range []bool{false, true} {
				for taps := 1; taps <= 2; taps++ {
					for _, c := range []int{1, 3, 7, 8, 19, 64} {
						for _, s := range [][4]int{{1, 1, 1, 1}, {3, 4, 6, 8}, {3, 5, 3, 10}, {4, 3, 9, 3}, {7, 6, 5, 13}, {5, 7, 40, 41}, {16, 9, 16, 20}, {33, 40, 17, 23}} {
							l = append(l, interpolation(2, s[0], s[1], c, s[2], s[3], taps, back))
						}
					}
					// The last two: scores of SINet and of DeepLab.
					for _, s := range [][6]int{{8, 28, 28, 64, 56, 56}, {1, 160, 160, 2, 320, 320}, {1, 65, 65, 21, 513, 513}} {
						p := interpolation(s[0], s[1], s[2], s[3], s[4], s[5], taps, back)
						p.Bench = true
						l = append(l, p)
					}
				}
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			return interpolation(1+r.IntN(2), 1+r.IntN(8), 1+r.IntN(8), 1+r.IntN(20), 1+r.IntN(40), 1+r.IntN(40), 1+r.IntN(2), r.IntN(2) == 0)
		},
	}
}
