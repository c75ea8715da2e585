package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// optimCase is an operation on the weights of a network.
type optimCase struct {
	name    string
	streams int // slices read or written
	build   func(m *Mem, n int) Case
}

func optimCases() []optimCase {
	sgd := func(name string, s kernels.SGD) optimCase {
		return optimCase{name, 5, func(m *Mem, n int) Case {
			w, wantW := m.InOut("w", n)
			v, wantV := m.InOut("v", n)
			g := m.F32(n)
			return Case{Fast: func(t *kernels.Team) { kernels.SGDStep(t, w, v, g, s) }, Ref: func() { s.Step(wantW, wantV, g) }}
		}}
	}
	return []optimCase{
		sgd("SGD", kernels.SGD{Rate: 0.1, Momentum: 0.9, Decay: 5e-4, Scale: 1}),
		sgd("SGD nesterov", kernels.SGD{Rate: 0.1, Momentum: 0.9, Decay: 5e-4, Scale: 0.7, Nesterov: true}),
		{"AdamW", 7, func(m *Mem, n int) Case {
			s := kernels.AdamW{Rate: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.01, Scale: 0.7, Correct1: 0.19, Correct2: 0.002}
			w, wantW := m.InOut("w", n)
			a, wantA := m.InOut("m", n)
			v, wantV := m.InOut("v", n)
			g := m.F32(n)
			for i := range v {
				v[i] = ref.Abs(v[i])
				wantV[i] = v[i]
			}
			return Case{Fast: func(t *kernels.Team) { kernels.AdamWStep(t, w, a, v, g, s) }, Ref: func() { s.Step(wantW, wantA, wantV, g) }}
		}},
		{"Lerp", 3, func(m *Mem, n int) Case {
			dst, want := m.InOut("dst", n)
			src := m.F32(n)
			return Case{Fast: func(t *kernels.Team) { kernels.Lerp(t, dst, src, 1e-3) }, Ref: func() { ref.Lerp(want, src, 1e-3) }}
		}},
		{"SumSquares", 1, func(m *Mem, n int) Case {
			x := m.F32(n)
			got, want := m.Out("sum", 2)
			split := func(d []float32, s float64) {
				d[0] = float32(s)
				d[1] = float32(s - float64(d[0]))
			}
			return Case{Fast: func(t *kernels.Team) { split(got, kernels.SumSquares(t, x)) }, Ref: func() { split(want, ref.SumSquares(x)) }}
		}},
	}
}

func (f optimCase) problem(n int) Problem {
	return Problem{
		Name:  fmt.Sprintf("optim/%s/%d", f.name, n),
		Bytes: 4 * float64(f.streams*n),
		Build: func(m *Mem) Case { return f.build(m, n) },
	}
}

func optimFamily() Family {
	return Family{
		Name: "optim",
		Op:   kernels.OpGrad,
		List: func() []Problem {
			var ps []Problem
			for _, f := range optimCases() {
				for _, n := range append(mapSizes, ref.SquaresBlock, 3*ref.SquaresBlock+61) {
					ps = append(ps, f.problem(n))
				}
				p := f.problem(1 << 23)
				p.Bench = true
				ps = append(ps, p)
			}
			return ps
		},
		Random: func(r *rand.Rand) Problem {
			fs := optimCases()
			return fs[r.IntN(len(fs))].problem(r.IntN(300))
		},
	}
}
