package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// gradMap is the gradient of an element-wise function.
type gradMap struct {
	name string
	fast func(dst, dy, z []float32)
	ref  func(dy, z float32) float32
	cost int // 0: bound by memory
}

func gradMaps() []gradMap {
	const a, b, s = 0.25, 1.75, -0.6
	type k = kernels.Act
	activate := func(act k) gradMap {
		return gradMap{"ActivateGrad" + actName(act), func(d, g, y []float32) { kernels.ActivateGrad(d, g, y, act) }, act.ApplyGrad, 0}
	}
	return []gradMap{
		{"ReLUGrad", kernels.ReLUGrad, ref.ReLUGrad, 0},
		{"SigmoidGrad", kernels.SigmoidGrad, ref.SigmoidGrad, 0},
		{"TanhGrad", kernels.TanhGrad, ref.TanhGrad, 0},
		{"SoftplusGrad", kernels.SoftplusGrad, ref.SoftplusGrad, 1},
		{"SqrtGrad", kernels.SqrtGrad, ref.SqrtGrad, 0},
		{"SiLUGrad", kernels.SiLUGrad, ref.SiLUGrad, 1},
		{"HardSwishGrad", kernels.HardSwishGrad, ref.HardSwishGrad, 0},
		{"GELUGrad", kernels.GELUGrad, ref.GELUGrad, 1},
		{"GELUTanhGrad", kernels.GELUTanhGrad, ref.GELUTanhGrad, 1},
		{"ErfGrad", kernels.ErfGrad, ref.ErfGrad, 1},
		{"AbsGrad", kernels.AbsGrad, ref.AbsGrad, 0},
		{"ClipGrad", func(d, g, y []float32) { kernels.ClipGrad(d, g, y, s, a) }, func(g, y float32) float32 { return ref.ClipGrad(g, y, s, a) }, 0},
		{"LeakyReLUGrad", func(d, g, y []float32) { kernels.LeakyReLUGrad(d, g, y, a) }, func(g, y float32) float32 { return ref.LeakyReLUGrad(g, y, a) }, 0},
		{"ELUGrad", func(d, g, y []float32) { kernels.ELUGrad(d, g, y, a) }, func(g, y float32) float32 { return ref.ELUGrad(g, y, a, 1) }, 0},
		{"SELUGrad", func(d, g, y []float32) { kernels.SELUGrad(d, g, y, b, a) }, func(g, y float32) float32 { return ref.ELUGrad(g, y, a*b, a) }, 0},
		{"HardSigmoidGrad", func(d, g, y []float32) { kernels.HardSigmoidGrad(d, g, y, a) }, func(g, y float32) float32 { return ref.HardSigmoidGrad(g, y, a) }, 0},
		activate(acts[0]), activate(relu6), activate(leaky),
	}
}

func (f gradMap) problem(n, offset int, inPlace bool) Problem {
	name := fmt.Sprintf("mapgrad/%s/%d", f.name, n)
	if offset > 0 {
		name += fmt.Sprintf(" at %d", offset)
	}
	if inPlace {
		name += " in place"
	}
	return Problem{
		Name:  name,
		Bytes: 12 * float64(n),
		Build: func(m *Mem) Case {
			dy, z := m.F32(n + offset)[offset:], m.F32(n + offset)[offset:]
			for i := 1; i < n; i += 2 {
				z[i] *= 6 // some arguments outside [-1, 1)
			}
			got, want := m.Out("dst", n+offset)
			got, want = got[offset:], want[offset:]
			from := dy
			if inPlace {
				copy(got, dy)
				from = got
			}
			return Case{
				Fast: func(*kernels.Team) { f.fast(got, from, z) },
				Ref: func() {
					for i, g := range dy {
						want[i] = f.ref(g, z[i])
					}
				},
			}
		},
	}
}

func preluGrad(rows, c int) Problem {
	return Problem{
		Name:  fmt.Sprintf("mapgrad/PReLUGrad/%dx%d", rows, c),
		Bytes: 12 * float64(rows*c),
		Build: func(m *Mem) Case {
			dy, x, slope := m.F32(rows*c), m.F32(rows*c), m.F32(c)
			got, want := m.Out("dx", rows*c)
			return Case{
				Fast: func(*kernels.Team) { kernels.PReLUGrad(got, dy, x, slope) },
				Ref: func() {
					for i, g := range dy {
						want[i] = ref.LeakyReLUGrad(g, x[i], slope[i%c])
					}
				},
			}
		},
	}
}

func gradMapFamily() Family {
	return Family{
		Name: "mapgrad",
		Op:   kernels.OpMap,
		List: func() []Problem {
			var ps []Problem
			for _, f := range gradMaps() {
				for i, n := range mapSizes {
					ps = append(ps, f.problem(n, i%3, false))
				}
				ps = append(ps, f.problem(77, 1, true), f.problem(8192+37, 0, false))
				if f.cost > 0 || f.name == "ReLUGrad" {
					n := 1 << 23
					if f.cost > 0 {
						n = 1 << 14
					}
					p := f.problem(n, 0, false)
					p.Bench = true
					ps = append(ps, p)
				}
			}
			for _, s := range rowShapes {
				ps = append(ps, preluGrad(s[0], s[1]))
			}
			return ps
		},
		Random: func(r *rand.Rand) Problem {
			fs := gradMaps()
			if i := r.IntN(len(fs) + 1); i < len(fs) {
				return fs[i].problem(r.IntN(200), r.IntN(8), r.IntN(2) == 0)
			}
			return preluGrad(r.IntN(40), 1+r.IntN(70))
		},
	}
}
