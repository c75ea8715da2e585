package kernels_test

import (
	"flag"
	"math"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

var exhaustive = flag.Bool("ocellus.exhaustive", false, "measure the error of exp, log, ... over all 2^32 inputs, not over a sample of them")

// mathFuncs are the functions with the bounds of docs/math.md: no result is further than ulp from the exact one.
var mathFuncs = []struct {
	name string
	fast func(dst, src []float32)
	real func(x float64) float64
	ulp  float64
	// unit returns the number whose ulp counts; nil: the exact result's.
	unit func(x, y float64) float64
}{
	{"Exp", kernels.Exp, math.Exp, 0.91, nil},
	{"Log", kernels.Log, math.Log, 0.87, nil},
	{"Tanh", kernels.Tanh, math.Tanh, 2.36, nil},
	{"Sigmoid", kernels.Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 2.49, nil},
	{"SiLU", kernels.SiLU, func(x float64) float64 {
		if math.IsInf(x, -1) {
			return 0
		}
		return x / (1 + math.Exp(-x))
	}, 2.4, nil},
	{"Erf", kernels.Erf, math.Erf, 1.8, nil},
	{"GELU", kernels.GELU, func(x float64) float64 {
		if math.IsInf(x, -1) {
			return 0
		}
		return x / 2 * math.Erfc(-x/math.Sqrt2)
	}, 1.74, halfOfX},
	{"GELUTanh", kernels.GELUTanh, func(x float64) float64 {
		u := math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)
		if x < -100 {
			return 0
		}
		return x / (1 + math.Exp(-2*u))
	}, 1.99, halfOfX},
	{"Softplus", kernels.Softplus, func(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, 2.09, nil},
	{"ELU", func(d, s []float32) { kernels.ELU(d, s, 1) }, func(x float64) float64 {
		if x > 0 {
			return x
		}
		return math.Expm1(x)
	}, 0.96, nil},
}

// halfOfX is the unit of the GELUs, whose results fall far below x/2 for negative x.
func halfOfX(x, y float64) float64 { return math.Max(math.Abs(x/2), math.Abs(y)) }

// ulpOf returns the distance between float32 numbers around |y|.
func ulpOf(y float64) float64 {
	_, e := math.Frexp(y)
	return math.Ldexp(1, max(e-24, -149))
}

// TestMathULP compares the functions with float64 and holds them to their bounds: over a million of all float32 numbers (fewer with
// -short), or over all of them with -ocellus.exhaustive.
func TestMathULP(t *testing.T) {
	const block = 4096
	var src, dst [block]float32
	step := uint64(4099)
	switch {
	case *exhaustive:
		step = 1
	case testing.Short():
		step = 65537
	}
	for _, f := range mathFuncs {
		worst, worstAt := 0.0, float32(0)
		for first := uint64(0); first < 1<<32; first += block * step {
			for i := range src {
				src[i] = math.Float32frombits(uint32(first + uint64(i)*step))
			}
			f.fast(dst[:], src[:])
			for i, x := range src {
				want, got := f.real(float64(x)), float64(dst[i])
				switch {
				case want != want || got != got:
					if want == want || got == got {
						t.Fatalf("%s(%x) = %x, want %g", f.name, x, got, want)
					}
					continue
				case math.Abs(want) >= 0x1.ffffffp127 || math.IsInf(got, 0):
					if !(math.IsInf(got, 0) && math.Abs(want) > 0x1.fffffep127 && got*want > 0) {
						t.Fatalf("%s(%x) = %x, want %g", f.name, x, got, want)
					}
					continue
				}
				y := want
				if f.unit != nil {
					y = f.unit(float64(x), want)
				}
				if e := math.Abs(got-want) / ulpOf(y); e > worst {
					worst, worstAt = e, x
				}
			}
		}
		t.Logf("%-9s %.3f ulp at %x = %g", f.name, worst, worstAt, worstAt)
		if worst > f.ulp {
			t.Errorf("%s: %.3f ulp at %x, more than %g", f.name, worst, worstAt, f.ulp)
		}
	}
}
