package kernels_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

// lcnByDefinition is the formula of Jarrett et al. in float64, with one two-dimensional window scaled to what lies inside, and
// the least divisor.
func lcnByDefinition(src []float32, s *kernels.LCN2D) (y []float64, least float64) {
	weight := func(p, q int) float64 { return math.Exp(-float64(p*p+q*q) / (2 * float64(s.Sigma) * float64(s.Sigma))) }
	r := s.Size / 2
	mean := func(y, x int, f func(i int) float64) float64 {
		var sum, weights float64
		for p := max(-r, -y); p <= min(r, s.H-1-y); p++ {
			for q := max(-r, -x); q <= min(r, s.W-1-x); q++ {
				for c := range s.C {
					sum += weight(p, q) * f(((y+p)*s.W+x+q)*s.C+c)
					weights += weight(p, q)
				}
			}
		}
		return sum / weights
	}
	v := make([]float64, len(src))
	for i, f := range src {
		v[i] = float64(f)
		if s.Mode != kernels.LCNDivide {
			v[i] -= mean(i/s.C/s.W, i/s.C%s.W, func(i int) float64 { return float64(src[i]) })
		}
	}
	if s.Mode == kernels.LCNSubtract {
		return v, 1
	}
	dev := make([]float64, s.H*s.W)
	total := 0.0
	for i := range dev {
		dev[i] = math.Sqrt(mean(i/s.W, i%s.W, func(i int) float64 { return v[i] * v[i] }))
		total += dev[i]
	}
	y, least = make([]float64, len(src)), math.Inf(1)
	for i := range y {
		d := max(float64(s.Floor), total/float64(len(dev)), dev[i/s.C])
		y[i] = v[i] / d
		least = min(least, d)
	}
	return y, least
}

// TestLCNIsTheFormulaOfThePaper compares with the definition in float64.
//
// |src| ≤ 1, so a local mean is off by at most n·2⁻²⁴, n = C/8 + 2·Size + 10 roundings one after the other, and v by one rounding more. |v| ≤ 2:
// v² and its mean are off by 4(n+1)·2⁻²⁴ + n·4·2⁻²⁴. A root halves that and divides it by σ, and the quotient divides by σ again.
func TestLCNIsTheFormulaOfThePaper(t *testing.T) {
	onEveryISA(t, func(isa kernels.ISA) {
		for _, c := range []int{1, 3, 7, 17} {
			for mode := kernels.LCNBoth; mode <= kernels.LCNDivide; mode++ {
				s := kernels.LCN2D{N: 1, H: 11, W: 14, C: c, Size: 9, Sigma: 1.6, Floor: 0.1, Mode: mode}
				r := rand.New(rand.NewPCG(uint64(c), 9))
				src := make([]float32, s.H*s.W*c)
				for i := range src {
					src[i] = r.Float32()*2 - 1
				}
				l := kernels.NewLCN(s)
				dst := make([]float32, len(src))
				l.Run(nil, dst, src, make([]float32, l.ScratchLen()))
				n := float64(c)/8 + 2*9 + 10
				ulp := math.Ldexp(1, -24)
				bound := (n + 1) * ulp
				definition, least := lcnByDefinition(src, &s)
				if mode != kernels.LCNSubtract {
					bound = (bound + 2*(8*n+4)*ulp/2/least/least) / least
				}
				for i, want := range definition {
					if e := math.Abs(float64(dst[i]) - want); !(e <= bound) {
						t.Fatalf("%v, %d channels, mode %d: dst[%d] = %g, the formula gives %g; off by %g, allowed %g", isa, c, mode, i, dst[i], want, e, bound)
					}
				}
			}
		}
	})
}

// TestLCNOfAFlatPicture: no contrast anywhere, the border included.
func TestLCNOfAFlatPicture(t *testing.T) {
	onEveryISA(t, func(isa kernels.ISA) {
		for _, c := range []int{1, 3, 16} {
			s := kernels.LCN2D{N: 2, H: 20, W: 30, C: c, Size: 9, Sigma: 1.6, Floor: 1}
			src := make([]float32, s.N*s.H*s.W*c)
			for i := range src {
				src[i] = 0.75
			}
			l := kernels.NewLCN(s)
			dst := make([]float32, len(src))
			l.Run(nil, dst, src, make([]float32, l.ScratchLen()))
			for i, v := range dst {
				// A mean of equal values is off by the roundings of its two passes and scales.
				if bound := 0.75 * (float64(c)/8 + 2*9 + 10) * math.Ldexp(1, -24); math.Abs(float64(v)) > bound {
					t.Fatalf("%v, %d channels: dst[%d] = %g, want 0 within %g", isa, c, i, v, bound)
				}
			}
		}
	})
}

func TestLCNRefuses(t *testing.T) {
	good := kernels.LCN2D{N: 1, H: 4, W: 4, C: 2, Size: 3, Sigma: 1}
	for want, change := range map[string]func(s *kernels.LCN2D){
		"kernels: LCN: bad input shape":        func(s *kernels.LCN2D) { s.W = 0 },
		"kernels: LCN: window must be odd":     func(s *kernels.LCN2D) { s.Size = 4 },
		"kernels: LCN: sigma must be positive": func(s *kernels.LCN2D) { s.Sigma = 0 },
		"kernels: LCN: negative floor":         func(s *kernels.LCN2D) { s.Floor = -1 },
		"kernels: LCN: unknown mode":           func(s *kernels.LCN2D) { s.Mode = 3 },
	} {
		s := good
		change(&s)
		refuses(t, want, func() { kernels.NewLCN(s) })
	}
	l := kernels.NewLCN(good)
	x, scratch := make([]float32, 32), make([]float32, l.ScratchLen())
	refuses(t, "kernels: LCN.Run: src too short", func() { l.Run(nil, x, x[:31], scratch) })
	refuses(t, "kernels: LCN.Run: dst too short", func() { l.Run(nil, x[:31], x, scratch) })
	refuses(t, "kernels: LCN.Run: scratch too short", func() { l.Run(nil, x, x, scratch[1:]) })
	refuses(t, "kernels: LCN.Run: dst overlaps src", func() { l.Run(nil, x, x, scratch) })
	refuses(t, "kernels: LCN.Run: scratch overlaps dst or src", func() { l.Run(nil, x, scratch[1:33], scratch) })
}
