package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// unaryMap is a function of one source.
type unaryMap struct {
	name string
	fast func(dst, src []float32)
	ref  func(x float32) float32
	cost int // 0: bound by memory
}

func unaryMaps() []unaryMap {
	const a, b, s = 0.25, 1.75, -0.6
	type k = kernels.Act
	activate := func(act k) unaryMap {
		return unaryMap{"Activate" + actName(act), func(d, x []float32) { kernels.Activate(d, x, act) }, act.Apply, 0}
	}
	return []unaryMap{
		{"Exp", kernels.Exp, ref.Exp, 1},
		{"Log", kernels.Log, ref.Log, 1},
		{"Tanh", kernels.Tanh, ref.Tanh, 1},
		{"Sigmoid", kernels.Sigmoid, ref.Sigmoid, 1},
		{"SiLU", kernels.SiLU, ref.SiLU, 1},
		{"GELU", kernels.GELU, ref.GELU, 1},
		{"GELUTanh", kernels.GELUTanh, ref.GELUTanh, 1},
		{"Erf", kernels.Erf, ref.Erf, 1},
		{"Softplus", kernels.Softplus, ref.Softplus, 1},
		{"HardSwish", kernels.HardSwish, ref.HardSwish, 0},
		{"Step", kernels.Step, ref.Step, 0},
		{"Sqrt", kernels.Sqrt, ref.Sqrt, 0},
		{"Abs", kernels.Abs, ref.Abs, 0},
		{"Neg", kernels.Neg, ref.Neg, 0},
		{"ReLU", kernels.ReLU, ref.ReLU, 0},
		{"LeakyReLU", func(d, x []float32) { kernels.LeakyReLU(d, x, a) }, func(x float32) float32 { return ref.LeakyReLU(x, a) }, 0},
		{"Clip", func(d, x []float32) { kernels.Clip(d, x, s, a) }, func(x float32) float32 { return ref.Clip(x, s, a) }, 0},
		{"ELU", func(d, x []float32) { kernels.ELU(d, x, a) }, func(x float32) float32 { return ref.ELU(x, a, 1) }, 1},
		{"SELU", func(d, x []float32) { kernels.SELU(d, x, b, a) }, func(x float32) float32 { return ref.ELU(x, a*b, a) }, 1},
		{"HardSigmoid", func(d, x []float32) { kernels.HardSigmoid(d, x, a, b) }, func(x float32) float32 { return ref.HardSigmoid(x, a, b) }, 0},
		{"AddScalar", func(d, x []float32) { kernels.AddScalar(d, x, s) }, func(x float32) float32 { return x + s }, 0},
		{"SubScalar", func(d, x []float32) { kernels.SubScalar(d, x, s) }, func(x float32) float32 { return x - s }, 0},
		{"ScalarSub", func(d, x []float32) { kernels.ScalarSub(d, s, x) }, func(x float32) float32 { return s - x }, 0},
		{"MulScalar", func(d, x []float32) { kernels.MulScalar(d, x, s) }, func(x float32) float32 { return x * s }, 0},
		{"DivScalar", func(d, x []float32) { kernels.DivScalar(d, x, s) }, func(x float32) float32 { return x / float32(s) }, 0},
		{"ScalarDiv", func(d, x []float32) { kernels.ScalarDiv(d, s, x) }, func(x float32) float32 { return s / x }, 0},
		{"MinScalar", func(d, x []float32) { kernels.MinScalar(d, x, s) }, func(x float32) float32 { return ref.Min(s, x) }, 0},
		{"MaxScalar", func(d, x []float32) { kernels.MaxScalar(d, x, s) }, func(x float32) float32 { return ref.Max(s, x) }, 0},
		activate(acts[0]), activate(relu6), activate(leaky),
	}
}

func (f unaryMap) problem(n, offset int, inPlace bool) Problem {
	name := fmt.Sprintf("map/%s/%d", f.name, n)
	if offset > 0 {
		name += fmt.Sprintf(" at %d", offset)
	}
	if inPlace {
		name += " in place"
	}
	return Problem{
		Name:  name,
		Bytes: 8 * float64(n),
		Build: func(m *Mem) Case {
			src := m.F32(n + offset)[offset:]
			for i := 1; i < n; i += 2 {
				src[i] *= 60 // some arguments outside [-1, 1)
			}
			got, want := m.Out("dst", n+offset)
			got, want = got[offset:], want[offset:]
			from := src
			if inPlace {
				copy(got, src)
				from = got
			}
			return Case{
				Fast: func(*kernels.Team) { f.fast(got, from) },
				Move: moved(got, from),
				Ref: func() {
					for i, x := range src {
						want[i] = f.ref(x)
					}
				},
			}
		},
	}
}

// binaryMap is a function of two sources; rowFirst says that b is the first operand where it is a row.
type binaryMap struct {
	name     string
	fast     func(dst, a, b []float32)
	rowFast  func(dst, a, row []float32)
	rowFirst bool
	ref      func(a, b float32) float32
}

func binaryMaps() []binaryMap {
	swapped := func(f func(dst, row, a []float32)) func(dst, a, row []float32) {
		return func(dst, a, row []float32) { f(dst, row, a) }
	}
	return []binaryMap{
		{name: "Add", fast: kernels.Add, rowFast: kernels.AddRow, ref: ref.Add},
		{name: "Sub", fast: kernels.Sub, rowFast: kernels.SubRow, ref: ref.Sub},
		{name: "RowSub", rowFast: swapped(kernels.RowSub), rowFirst: true, ref: ref.Sub},
		{name: "Mul", fast: kernels.Mul, rowFast: kernels.MulRow, ref: ref.Mul},
		{name: "Div", fast: kernels.Div, rowFast: kernels.DivRow, ref: ref.Div},
		{name: "RowDiv", rowFast: swapped(kernels.RowDiv), rowFirst: true, ref: ref.Div},
		{name: "Min", fast: kernels.Min, rowFast: kernels.MinRow, rowFirst: true, ref: ref.Min},
		{name: "Max", fast: kernels.Max, rowFast: kernels.MaxRow, rowFirst: true, ref: ref.Max},
		{name: "PReLU", rowFast: kernels.PReLU, ref: ref.LeakyReLU},
	}
}

func (f binaryMap) problem(n int, inPlace bool) Problem {
	name := fmt.Sprintf("map/%s/%d", f.name, n)
	if inPlace {
		name += " in place"
	}
	return Problem{
		Name:  name,
		Bytes: 12 * float64(n),
		Build: func(m *Mem) Case {
			a, b := m.F32(n), m.F32(n)
			got, want := m.Out("dst", n)
			from := b
			if inPlace {
				copy(got, b)
				from = got
			}
			return Case{
				Fast: func(*kernels.Team) { f.fast(got, a, from) },
				Move: moved(got, a, from),
				Ref: func() {
					for i := range want {
						want[i] = f.ref(a[i], b[i])
					}
				},
			}
		},
	}
}

func (f binaryMap) rows(rows, c int) Problem {
	return Problem{
		Name:  fmt.Sprintf("map/%s/%dx%d", f.name, rows, c),
		Bytes: 8*float64(rows*c) + 4*float64(c),
		Build: func(m *Mem) Case {
			a, row := m.F32(rows*c), m.F32(c)
			got, want := m.Out("dst", rows*c)
			return Case{
				Fast: func(*kernels.Team) { f.rowFast(got, a, row) },
				Ref: func() {
					ref.Rows(want, a, row, func(x, r float32) float32 {
						if f.rowFirst {
							x, r = r, x
						}
						return f.ref(x, r)
					})
				},
			}
		},
	}
}

func scaleShift(rows, c int, act kernels.Act) Problem {
	return Problem{
		Name:  fmt.Sprintf("map/ScaleShift%s/%dx%d", actName(act), rows, c),
		Bytes: 8*float64(rows*c) + 8*float64(c),
		Build: func(m *Mem) Case {
			src, scale, shift := m.F32(rows*c), m.F32(c), m.F32(c)
			got, want := m.Out("dst", rows*c)
			return Case{
				Fast: func(*kernels.Team) { kernels.ScaleShift(got, src, scale, shift, act) },
				Ref:  func() { ref.ScaleShift(want, src, scale, shift, act) },
			}
		},
	}
}

// mapSizes stand around the edges of a vector of 4, 8 and 16 lanes and of rounds of four.
var mapSizes = []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 97, 127}

var rowShapes = [][2]int{{0, 3}, {1, 1}, {1, 7}, {2, 16}, {3, 5}, {17, 3}, {5, 33}, {130, 4}, {2, 257}, {3, 600}, {5500, 3}, {9, 2049}}

func mapFamily() Family {
	return Family{
		Name: "map",
		Op:   kernels.OpMap,
		List: func() []Problem {
			var ps []Problem
			for _, f := range unaryMaps() {
				for i, n := range mapSizes {
					ps = append(ps, f.problem(n, i%3, false))
				}
				ps = append(ps, f.problem(77, 1, true), f.problem(8192+37, 0, false))
				p := f.problem(1<<23, 0, false)
				if f.cost > 0 {
					p = f.problem(1<<14, 0, false)
				}
				p.Bench = f.cost > 0 || f.name == "ReLU" || f.name == "HardSwish" || f.name == "Sqrt"
				if p.Bench {
					ps = append(ps, p)
				}
			}
			for _, f := range binaryMaps() {
				if f.fast != nil {
					for _, n := range mapSizes {
						ps = append(ps, f.problem(n, false))
					}
					ps = append(ps, f.problem(77, true), f.problem(8192+37, false))
				}
				if f.rowFast != nil {
					for _, s := range rowShapes {
						ps = append(ps, f.rows(s[0], s[1]))
					}
				}
				if f.name == "Add" || f.name == "Div" || f.name == "Max" {
					p := f.problem(1<<23, false)
					p.Bench = true
					ps = append(ps, p)
				}
				if f.name == "Mul" || f.name == "PReLU" {
					for _, s := range [][2]int{{1 << 20, 3}, {1 << 17, 64}} {
						p := f.rows(s[0], s[1])
						p.Bench = true
						ps = append(ps, p)
					}
				}
			}
			for _, act := range acts {
				for _, s := range rowShapes {
					ps = append(ps, scaleShift(s[0], s[1], act))
				}
			}
			p := scaleShift(1<<17, 64, relu)
			p.Bench = true
			return append(ps, p)
		},
		Random: func(r *rand.Rand) Problem {
			us, bs := unaryMaps(), binaryMaps()
			switch i := r.IntN(len(us) + len(bs) + 2); {
			case i < len(us):
				return us[i].problem(r.IntN(200), r.IntN(8), r.IntN(2) == 0)
			case i < len(us)+len(bs):
				f := bs[i-len(us)]
				if f.fast != nil && (f.rowFast == nil || r.IntN(2) == 0) {
					return f.problem(r.IntN(200), r.IntN(2) == 0)
				}
				return f.rows(r.IntN(40), 1+r.IntN(70))
			}
			return scaleShift(r.IntN(40), 1+r.IntN(70), acts[r.IntN(len(acts))])
		},
	}
}
