package kernels

import (
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// checkRand is the numbers that self-tests run on: a fixed sequence in [-1, 1) (Marsaglia: Xorshift RNGs, 2003).
type checkRand uint32

func (r *checkRand) fill(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		*r ^= *r << 13
		*r ^= *r >> 17
		*r ^= *r << 5
		x[i] = float32(int32(*r)) * 0x1p-31
	}
	return x
}

// sameBits says whether two slices hold the same bits, NaN payloads apart.
func sameBits(a, b []float32) bool {
	for i, v := range a {
		if w := b[i]; math.Float32bits(v) != math.Float32bits(w) && (v == v || w == w) {
			return false
		}
	}
	return len(a) == len(b)
}

// checkGemm compares GEMM tiles of every height, ragged and full, with ref, and a convolution with padding.
func checkGemm() bool {
	r := checkRand(1)
	act := Act{Kind: ActClip, Lo: -0.5, Hi: 0.5}
	for m := 1; m <= maxRows; m++ {
		n, k := 13+5*m, 3+m%5
		a, b, bias, res := r.fill(m*k), r.fill(k*n), r.fill(n), r.fill(m*n)
		got, want := make([]float32, m*n), make([]float32, m*n)
		switch m % 3 {
		case 0:
			act.Kind = ActLeaky
			res = nil
		case 1:
			act.Kind = ActClip
		default:
			act.Kind = ActNone
			bias = nil
		}
		Gemm(nil, got, n, a, k, m, PackB(b, n, k, n, bias), res, n, act)
		ref.Gemm(want, n, a, k, b, n, bias, res, n, m, n, k, act)
		if !sameBits(got, want) {
			return false
		}
	}
	s := Conv2D{N: 1, H: 4, W: 5, C: 17, O: 19, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	src, w, bias := r.fill(4*5*17), r.fill(19*9*17), r.fill(19)
	got, want := make([]float32, 4*5*19), make([]float32, 4*5*19)
	c := NewConv(s)
	c.Run(nil, got, src, c.Pack(w, bias), nil, Act{}, nil)
	ref.Convolve(want, src, w, bias, nil, &s, Act{})
	return sameBits(got, want)
}
