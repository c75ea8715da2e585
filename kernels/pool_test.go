package kernels_test

import (
	"math"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

// count returns 1, 2, ..., n.
func count(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i + 1)
	}
	return x
}

// TestPoolAgreesWithONNX takes its examples from the ONNX operator documentation (MaxPool, AveragePool, LpPool).
func TestPoolAgreesWithONNX(t *testing.T) {
	square := func(side, k, stride, dilation, pad int) kernels.Pool2D {
		return kernels.Pool2D{
			N: 1, H: side, W: side, C: 1, KH: k, KW: k, SH: stride, SW: stride, DH: dilation, DW: dilation, PT: pad, PL: pad, PB: pad, PR: pad,
		}
	}
	with := func(s kernels.Pool2D, ceil, countPad bool) kernels.Pool2D {
		s.Ceil, s.CountPad = ceil, countPad
		return s
	}
	for _, x := range []struct {
		name string
		kind kernels.PoolKind
		s    kernels.Pool2D
		want []float32
	}{
		{"maxpool_2d_ceil", kernels.PoolMax, with(square(4, 3, 2, 1, 0), true, false), []float32{11, 12, 15, 16}},
		{"maxpool_2d_dilations", kernels.PoolMax, square(4, 2, 1, 2, 0), []float32{11, 12, 15, 16}},
		{"maxpool_2d_precomputed_strides", kernels.PoolMax, square(5, 2, 2, 1, 0), []float32{7, 9, 17, 19}},
		{"maxpool_2d_precomputed_pads", kernels.PoolMax, square(5, 5, 1, 1, 2), []float32{
			13, 14, 15, 15, 15, 18, 19, 20, 20, 20, 23, 24, 25, 25, 25, 23, 24, 25, 25, 25, 23, 24, 25, 25, 25,
		}},
		{"averagepool_2d_ceil", kernels.PoolAvg, with(square(4, 3, 2, 1, 0), true, false), []float32{6, 7.5, 12, 13.5}},
		{"averagepool_2d_precomputed_strides", kernels.PoolAvg, square(5, 2, 2, 1, 0), []float32{4, 6, 14, 16}},
		{"averagepool_2d_precomputed_pads", kernels.PoolAvg, square(5, 5, 1, 1, 2), []float32{
			7, 7.5, 8, 8.5, 9, 9.5, 10, 10.5, 11, 11.5, 12, 12.5, 13, 13.5, 14, 14.5, 15, 15.5, 16, 16.5, 17, 17.5, 18, 18.5, 19,
		}},
		{"averagepool_2d_precomputed_pads_count_include_pad", kernels.PoolAvg, with(square(5, 5, 1, 1, 2), false, true), []float32{
			2.52, 3.6, 4.8, 4.08, 3.24, 4.56, 6.4, 8.4, 7.04, 5.52, 7.2, 10, 13, 10.8, 8.4, 6.96, 9.6, 12.4, 10.24, 7.92, 6.12, 8.4, 10.8, 8.88, 6.84,
		}},
		{"lppool_2d_dilations", kernels.PoolL2, square(4, 2, 1, 2, 0), []float32{14.560219778561036, 16.24807680927192, 21.633307652783937, 23.49468024894146}},
	} {
		onEveryISA(t, func(isa kernels.ISA) {
			p := kernels.NewPool(x.kind, x.s)
			got := make([]float32, x.s.OH()*x.s.OW())
			if len(got) != len(x.want) {
				t.Fatalf("%s: %d outputs, want %d", x.name, len(got), len(x.want))
			}
			p.Run(nil, got, count(x.s.H*x.s.W))
			for i, want := range x.want {
				// Sums of whole numbers are exact; one rounding follows.
				if got[i] != want {
					t.Errorf("%v: %s[%d] = %v, want %v", isa, x.name, i, got[i], want)
				}
			}
		})
	}
}

// TestPoolOfSpecialValues: NaN, signed zero and windows that miss the picture.
func TestPoolOfSpecialValues(t *testing.T) {
	nan, inf, negative := float32(math.NaN()), float32(math.Inf(1)), float32(math.Copysign(0, -1))
	for _, x := range []struct {
		kind    kernels.PoolKind
		in      [3]float32
		want    float32
		missing bool
	}{
		{kernels.PoolMax, [3]float32{1, nan, 0}, 0, false}, // NaN is passed over, and what came before it
		{kernels.PoolMax, [3]float32{1, 0, nan}, nan, false},
		{kernels.PoolMax, [3]float32{-inf, -inf, -inf}, -inf, false},
		{kernels.PoolMax, [3]float32{0, negative, negative}, negative, false}, // equal: the later one
		{kernels.PoolMax, [3]float32{negative, negative, 0}, 0, false},
		{kernels.PoolAvg, [3]float32{negative, negative, negative}, 0, false}, // from +0
		{kernels.PoolAvg, [3]float32{inf, -inf, 0}, nan, false},
		{kernels.PoolL2, [3]float32{-3, 0, 4}, 5, false},
		{kernels.PoolMax, [3]float32{}, -inf, true},
		{kernels.PoolAvg, [3]float32{inf, inf, inf}, 0, true},
		{kernels.PoolL2, [3]float32{inf, inf, inf}, 0, true},
	} {
		onEveryISA(t, func(isa kernels.ISA) {
			for _, c := range []int{1, 4, 19, 64} {
				s := kernels.GlobalPool(1, 1, 3, c)
				if x.missing {
					s.PL, s.PR, s.KW = 3, 0, 3 // the first window lies in the padding
				}
				p := kernels.NewPool(x.kind, s)
				src, dst := make([]float32, 3*c), make([]float32, s.OW()*c)
				for i := range src {
					src[i] = x.in[i/c]
				}
				p.Run(nil, dst, src)
				for i := range c {
					if g := dst[i]; math.Float32bits(g) != math.Float32bits(x.want) && (g == g || x.want == x.want) {
						t.Fatalf("%v: kind %d of %v, %d channels: %v, want %v", isa, x.kind, x.in, c, g, x.want)
					}
				}
			}
		})
	}
}

func TestPoolRefuses(t *testing.T) {
	good := kernels.Pool2D{N: 1, H: 4, W: 4, C: 2, KH: 2, KW: 2, SH: 2, SW: 2, DH: 1, DW: 1}
	for want, change := range map[string]func(s *kernels.Pool2D){
		"kernels: Pool: bad input shape":                              func(s *kernels.Pool2D) { s.C = 0 },
		"kernels: Pool: window, stride and dilation must be positive": func(s *kernels.Pool2D) { s.KW = 0 },
		"kernels: Pool: negative padding":                             func(s *kernels.Pool2D) { s.PB = -1 },
		"kernels: Pool: window larger than the padded input":          func(s *kernels.Pool2D) { s.KH = 5 },
	} {
		s := good
		change(&s)
		refuses(t, want, func() { kernels.NewPool(kernels.PoolMax, s) })
	}
	refuses(t, "kernels: Pool: unknown kind", func() { kernels.NewPool(3, good) })
	p := kernels.NewPool(kernels.PoolMax, good)
	refuses(t, "kernels: Pool.Run: src too short", func() { p.Run(nil, make([]float32, 8), make([]float32, 31)) })
	refuses(t, "kernels: Pool.Run: dst too short", func() { p.Run(nil, make([]float32, 7), make([]float32, 32)) })
	x := make([]float32, 40)
	refuses(t, "kernels: Pool.Run: dst overlaps src", func() { p.Run(nil, x[31:], x[:32]) })
}
