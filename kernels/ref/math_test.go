package ref

import (
	"math"
	"testing"
)

var (
	inf = float32(math.Inf(1))
	nan = float32(math.NaN())
	neg = float32(math.Copysign(0, -1))
)

// TestMathAtTheEdges asserts limits, signs of zero, and results that are denormal.
func TestMathAtTheEdges(t *testing.T) {
	const tiny = 0x1p-149
	funcs := []struct {
		name string
		f    func(float32) float32
		at   [][2]float32 // argument, result
	}{
		{"Exp", Exp, [][2]float32{{inf, inf}, {-inf, 0}, {0, 1}, {neg, 1}, {tiny, 1}, {88.72283, 0x1.ffff08p127}, {88.7229, inf}, {3e38, inf},
			{-87.5, float32(math.Exp(-87.5))}, {-103.2789, tiny}, {-103.97, tiny}, {-103.9722, 0}, {-3e38, 0}}},
		{"Log", Log, [][2]float32{{inf, inf}, {0, -inf}, {neg, -inf}, {-1, nan}, {-tiny, nan}, {-inf, nan}, {1, 0}, {tiny, -103.27893}, {0x1p-126, -87.33655}, {math.MaxFloat32, 88.72284}}},
		{"Tanh", Tanh, [][2]float32{{inf, 1}, {-inf, -1}, {0, 0}, {neg, neg}, {tiny, tiny}, {-3 * tiny, -3 * tiny}, {10, 1}, {-3e38, -1}}},
		{"Sigmoid", Sigmoid, [][2]float32{{inf, 1}, {-inf, 0}, {0, 0.5}, {neg, 0.5}, {20, 1}, {3e38, 1}, {-103.2789, tiny}, {-104, 0}}},
		{"SiLU", SiLU, [][2]float32{{inf, inf}, {-inf, neg}, {0, 0}, {neg, neg}, {64, 64}, {math.MaxFloat32, math.MaxFloat32}, {-3e38, neg}}},
		{"GELU", GELU, [][2]float32{{inf, inf}, {-inf, 0}, {0, 0}, {10, 10}, {math.MaxFloat32, math.MaxFloat32}, {-20, 0}}},
		{"GELUTanh", GELUTanh, [][2]float32{{inf, inf}, {-inf, neg}, {0, 0}, {neg, neg}, {10, 10}, {math.MaxFloat32, math.MaxFloat32}, {-20, neg}}},
		{"Erf", Erf, [][2]float32{{inf, 1}, {-inf, -1}, {0, 0}, {neg, neg}, {4, 1}, {-3e38, -1}, {0x1p-140, 578 * tiny}}},
		{"Softplus", Softplus, [][2]float32{{inf, inf}, {-inf, 0}, {100, 100}, {0, math.Ln2}, {-103.2789, tiny}}},
		{"Step", Step, [][2]float32{{inf, 1}, {tiny, 1}, {0, 0}, {neg, 0}, {-tiny, 0}, {-inf, 0}}},
		{"ReLU", ReLU, [][2]float32{{inf, inf}, {-inf, 0}, {neg, neg}, {-tiny, 0}, {tiny, tiny}}},
		{"HardSwish", HardSwish, [][2]float32{{inf, inf}, {-inf, neg}, {-3, neg}, {3, 3}, {4, 4}, {0, 0}}},
		{"Sqrt", Sqrt, [][2]float32{{inf, inf}, {-1, nan}, {neg, neg}, {4, 2}, {2, math.Sqrt2}, {tiny, 0x1.6a09e6p-75}}},
		{"Abs", Abs, [][2]float32{{-inf, inf}, {neg, 0}, {-2, 2}}},
		{"Neg", Neg, [][2]float32{{-inf, inf}, {0, neg}, {2, -2}}},
		{"ELU", func(x float32) float32 { return ELU(x, 2, 1) }, [][2]float32{{inf, inf}, {-inf, -2}, {-100, -2}, {3, 3}, {0, 0}}},
		{"HardSigmoid", func(x float32) float32 { return HardSigmoid(x, 0.25, 0.5) }, [][2]float32{{inf, 1}, {-inf, 0}, {1, 0.75}, {-2, 0}, {2, 1}}},
		{"LeakyReLU", func(x float32) float32 { return LeakyReLU(x, 0.5) }, [][2]float32{{inf, inf}, {-inf, -inf}, {neg, neg}, {-tiny, neg}, {-3, -1.5}, {3, 3}}},
		{"Clip", func(x float32) float32 { return Clip(x, -1, 6) }, [][2]float32{{inf, 6}, {-inf, -1}, {neg, neg}, {-3, -1}, {3, 3}}},
	}
	for _, f := range funcs {
		if y := f.f(nan); y == y {
			t.Errorf("%s(NaN) = %g", f.name, y)
		}
		for _, p := range f.at {
			got, want := f.f(p[0]), p[1]
			if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
				t.Errorf("%s(%g) = %x (%g), want %x (%g)", f.name, p[0], got, got, want, want)
			}
		}
	}
}

// TestScale2 compares scaling by powers of two with math.Ldexp in float64, which rounds once when it is narrowed.
func TestScale2(t *testing.T) {
	for n := -252; n <= 254; n++ {
		for _, x := range []float32{1, 1.5, 0x1.fffffep0, -0x1.234568p-1} {
			got, want := scale2(x, float32(n)+magic), float32(math.Ldexp(float64(x), n))
			if math.Float32bits(got) != math.Float32bits(want) {
				t.Fatalf("scale2(%x, %d) = %x, want %x", x, n, got, want)
			}
		}
	}
}
