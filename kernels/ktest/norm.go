package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// scalars is a function of one or two slices whose results are a few numbers.
type scalars struct {
	name    string
	sources int
	fast    func(dst, x, y []float32)
	ref     func(dst, x, y []float32)
}

func scalarNorms() []scalars {
	return []scalars{
		{"Sum", 1, func(d, x, _ []float32) { d[0] = kernels.Sum(x) }, func(d, x, _ []float32) { d[0] = ref.Sum8(x) }},
		{"Dot", 2, func(d, x, y []float32) { d[0] = kernels.Dot(x, y) }, func(d, x, y []float32) { d[0] = ref.Dot8(x, y) }},
		{"MaxElement", 1, func(d, x, _ []float32) { d[0] = kernels.MaxElement(x) }, func(d, x, _ []float32) { d[0] = ref.MaxElement(x) }},
		{"ArgMax", 1, func(d, x, _ []float32) {
			if len(x) > 0 {
				d[0] = float32(kernels.ArgMax(x))
			}
		}, func(d, x, _ []float32) {
			if len(x) > 0 {
				d[0] = float32(ref.ArgMax(x))
			}
		}},
		{"MeanVar", 1, func(d, x, _ []float32) { d[0], d[1] = kernels.MeanVar(x) }, func(d, x, _ []float32) { d[0], d[1] = ref.MeanVar(x) }},
	}
}

func (f scalars) problem(n int) Problem {
	return Problem{
		Name:  fmt.Sprintf("norm/%s/%d", f.name, n),
		Bytes: 4 * float64(f.sources*n),
		Build: func(m *Mem) Case {
			x := m.F32(n)
			var y []float32
			if f.sources > 1 {
				y = m.F32(n)
			}
			got, want := m.Out("result", 2)
			return Case{
				Fast: func(*kernels.Team) { f.fast(got, x, y) },
				Ref:  func() { f.ref(want, x, y) },
			}
		},
	}
}

// rowNorm is a function of each row of a matrix.
type rowNorm struct {
	name string
	own  bool // dst may not be src
	fast func(dst, src []float32, c int, gain, bias []float32)
	ref  func(dst, src []float32, c int, gain, bias []float32)
}

func rowNorms() []rowNorm {
	lrn := func(name string, size int, alpha, beta, k float32) rowNorm {
		return rowNorm{"LRN" + name, true,
			func(d, s []float32, c int, _, _ []float32) { kernels.LRN(d, s, c, size, alpha, beta, k) },
			func(d, s []float32, c int, _, _ []float32) { ref.LRN(d, s, c, size, alpha, beta, k) }}
	}
	return []rowNorm{
		{"Softmax", false,
			func(d, s []float32, c int, _, _ []float32) { kernels.Softmax(d, s, c) },
			func(d, s []float32, c int, _, _ []float32) { ref.Softmax(d, s, c) }},
		{"LogSoftmax", false,
			func(d, s []float32, c int, _, _ []float32) { kernels.LogSoftmax(d, s, c) },
			func(d, s []float32, c int, _, _ []float32) { ref.LogSoftmax(d, s, c) }},
		{"L2Normalize", false,
			func(d, s []float32, c int, _, _ []float32) { kernels.L2Normalize(d, s, c) },
			func(d, s []float32, c int, _, _ []float32) { ref.L2Normalize(d, s, c) }},
		{"LayerNorm", false,
			func(d, s []float32, _ int, g, b []float32) { kernels.LayerNorm(d, s, g, b, 1e-5) },
			func(d, s []float32, _ int, g, b []float32) { ref.LayerNorm(d, s, g, b, 1e-5) }},
		lrn("", 5, 1e-4, 0.75, 2), lrn(" size 4", 4, 0.3, 0.75, 1), lrn(" beta 0.5", 3, 0.2, 0.5, 1), lrn(" size 21", 21, 1, 0.75, 0),
	}
}

func (f rowNorm) problem(rows, c int, inPlace bool) Problem {
	name := fmt.Sprintf("norm/%s/%dx%d", f.name, rows, c)
	if inPlace {
		name += " in place"
	}
	return Problem{
		Name:  name,
		Bytes: 8 * float64(rows*c),
		Build: func(m *Mem) Case {
			src, gain, bias := m.F32(rows*c), m.F32(c), m.F32(c)
			got, want := m.Out("dst", rows*c)
			from := src
			if inPlace {
				copy(got, src)
				from = got
			}
			return Case{
				Fast: func(*kernels.Team) { f.fast(got, from, c, gain, bias) },
				Ref:  func() { f.ref(want, src, c, gain, bias) },
			}
		},
	}
}

func normFamily() Family {
	return Family{
		Name: "norm",
		Op:   kernels.OpNorm,
		List: func() []Problem {
			var ps []Problem
			for _, f := range scalarNorms() {
				for _, n := range append(mapSizes, 8192+61) {
					ps = append(ps, f.problem(n))
				}
				p := f.problem(1 << 23)
				p.Bench = true
				ps = append(ps, p)
			}
			for _, f := range rowNorms() {
				for _, s := range [][2]int{{0, 3}, {1, 1}, {2, 2}, {3, 7}, {2, 8}, {2, 9}, {3, 16}, {1, 17}, {2, 31}, {2, 64}, {1, 97}, {1, 513}, {1, 1100},
					{40, 1}, {17, 2}, {300, 2}, {259, 3}, {16, 7}, {50, 8}, {50, 9}, {35, 17}, {90, 21}, {21, 64}, {21, 65}} {
					ps = append(ps, f.problem(s[0], s[1], false))
				}
				if !f.own {
					ps = append(ps, f.problem(3, 29, true), f.problem(70, 5, true))
				}
				for _, s := range [][2]int{{1 << 16, 2}, {1 << 13, 21}, {64, 1000}} {
					p := f.problem(s[0], s[1], false)
					p.Bench = true
					ps = append(ps, p)
				}
			}
			return ps
		},
		Random: func(r *rand.Rand) Problem {
			ss, rs := scalarNorms(), rowNorms()
			i := r.IntN(len(ss) + len(rs))
			if i < len(ss) {
				return ss[i].problem(r.IntN(200))
			}
			f := rs[i-len(ss)]
			return f.problem(r.IntN(40), 1+r.IntN(70), !f.own && r.IntN(2) == 0)
		},
	}
}
