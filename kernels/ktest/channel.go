package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// channelCase is a kernel over the rows of [rows, C] matrices.
type channelCase struct {
	name    string
	streams int // matrices read or written
	build   func(m *Mem, rows, c int) Case
}

func channelCases() []channelCase {
	l := []channelCase{
		{"ChannelSum", 1, func(m *Mem, rows, c int) Case {
			src := m.F32(rows * c)
			got, want := m.Out("dst", c)
			return Case{Fast: func(t *kernels.Team) { kernels.ChannelSum(t, got, src) }, Ref: func() { ref.ChannelSum(want, src) }}
		}},
		{"ChannelDot", 2, func(m *Mem, rows, c int) Case {
			a, b := m.F32(rows*c), m.F32(rows*c)
			got, want := m.Out("dst", c)
			return Case{Fast: func(t *kernels.Team) { kernels.ChannelDot(t, got, a, b) }, Ref: func() { ref.ChannelDot(want, a, b) }}
		}},
		{"PReLUSlopeGrad", 2, func(m *Mem, rows, c int) Case {
			dy, x := m.F32(rows*c), m.F32(rows*c)
			got, want := m.Out("dslope", c)
			return Case{Fast: func(t *kernels.Team) { kernels.PReLUSlopeGrad(t, got, dy, x) }, Ref: func() { ref.PReLUSlopeGrad(want, dy, x) }}
		}},
		{"BatchNormStats", 1, func(m *Mem, rows, c int) Case {
			src := m.F32(rows * c)
			mean, wantMean := m.Out("mean", c)
			variance, wantVariance := m.Out("variance", c)
			return Case{Fast: func(t *kernels.Team) { kernels.BatchNormStats(t, mean, variance, src) }, Ref: func() { ref.BatchNormStats(wantMean, wantVariance, src) }}
		}},
	}
	for _, act := range []kernels.Act{acts[0], relu, relu6, leaky} {
		streams := 3
		if act.Kind == kernels.ActNone {
			streams = 2
		}
		l = append(l,
			channelCase{"BatchNormGradSums" + actName(act), streams, func(m *Mem, rows, c int) Case {
				dy, x, y, mean := m.F32(rows*c), m.F32(rows*c), actResult(m, rows*c, act), m.F32(c)
				sum, wantSum := m.Out("sum", c)
				dot, wantDot := m.Out("dot", c)
				return Case{
					Fast: func(t *kernels.Team) { kernels.BatchNormGradSums(t, sum, dot, dy, x, y, mean, act) },
					Ref:  func() { ref.BatchNormGradSums(wantSum, wantDot, dy, x, y, mean, act) },
				}
			}},
			channelCase{"BatchNormGradInput" + actName(act), streams + 1, func(m *Mem, rows, c int) Case {
				dy, x, y, a, b, k := m.F32(rows*c), m.F32(rows*c), actResult(m, rows*c, act), m.F32(c), m.F32(c), m.F32(c)
				got, want := m.Out("dx", rows*c)
				return Case{
					Fast: func(t *kernels.Team) { kernels.BatchNormGradInput(t, got, dy, x, y, a, b, k, act) },
					Ref:  func() { ref.BatchNormGradInput(want, dy, x, y, a, b, k, act) },
				}
			}},
			channelCase{"BatchNormGrad" + actName(act), streams + 1, func(m *Mem, rows, c int) Case {
				dy, x, y := m.F32(rows*c), m.F32(rows*c), actResult(m, rows*c, act)
				gain, mean, variance := m.F32(c), m.F32(c), m.F32s(c, 0.1, 2)
				dx, wantDx := m.Out("dx", rows*c)
				dgain, wantGain := m.Out("dgain", c)
				dbias, wantBias := m.Out("dbias", c)
				return Case{
					Fast: func(t *kernels.Team) {
						kernels.BatchNormGrad(t, dx, dgain, dbias, dy, x, y, act, gain, mean, variance, 1e-5)
					},
					Ref: func() { ref.BatchNormGrad(wantDx, wantGain, wantBias, dy, x, y, act, gain, mean, variance, 1e-5) },
				}
			}})
	}
	return l
}

// actResult returns n results of an activation, or nil for none.
func actResult(m *Mem, n int, act kernels.Act) []float32 {
	if act.Kind == kernels.ActNone {
		return nil
	}
	y := m.F32(n)
	for i, v := range y {
		y[i] = act.Apply(8 * v)
	}
	return y
}

func (f channelCase) problem(rows, c int) Problem {
	return Problem{
		Name:  fmt.Sprintf("channel/%s/%dx%d", f.name, rows, c),
		Bytes: 4 * float64(f.streams*rows*c),
		Build: func(m *Mem) Case { return f.build(m, rows, c) },
	}
}

func channelFamily() Family {
	return Family{
		Name: "channel",
		Op:   kernels.OpGrad,
		List: func() []Problem {
			var ps []Problem
			for _, f := range channelCases() {
				for _, s := range [][2]int{{1, 1}, {1, 7}, {2, 16}, {3, 5}, {67, 3}, {17, 33}, {130, 4}, {5, 64}, {9, 65}, {7, 97}, {3, 257}, {40, 130}, {2, 1030}} {
					ps = append(ps, f.problem(s[0], s[1]))
				}
				// More than one block of rows.
				ps = append(ps, f.problem(2*ref.ChannelBlock(20)+45, 20), f.problem(ref.ChannelBlock(300)+1, 300), f.problem(2*ref.ChannelBlock(9000)+3, 9000))
				for _, s := range [][2]int{{8 * 112 * 112, 64}, {8 * 112 * 112, 16}, {8 * 56 * 56, 144}, {8 * 7 * 7, 1280}, {64 * 28 * 28, 6}} {
					p := f.problem(s[0], s[1])
					p.Bench = true
					ps = append(ps, p)
				}
			}
			return ps
		},
		Random: func(r *rand.Rand) Problem {
			fs := channelCases()
			return fs[r.IntN(len(fs))].problem(1+r.IntN(80), 1+r.IntN(140))
		},
	}
}
