package kernels_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

func TestDepthwise8Refuses(t *testing.T) {
	good := kernels.Conv2D{N: 1, H: 4, W: 4, C: 8, O: 8, Groups: 8, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1}
	for _, c := range []struct {
		want   string
		change func(s *kernels.Conv2D)
	}{
		{"kernels: Depthwise8: bad shape", func(s *kernels.Conv2D) { s.H = 0 }},
		{"kernels: Depthwise8: bad shape", func(s *kernels.Conv2D) { s.PL = -1 }},
		{"kernels: Depthwise8: window larger than the padded input", func(s *kernels.Conv2D) { s.DH = 3 }},
		{"kernels: Depthwise8: shape does not suit", func(s *kernels.Conv2D) { s.O = 16 }},
		{"kernels: Depthwise8: shape does not suit", func(s *kernels.Conv2D) { s.Groups = 4 }},
		{"kernels: Depthwise8: shape does not suit", func(s *kernels.Conv2D) { s.KW = 4 }},
		{"kernels: Depthwise8: shape does not suit", func(s *kernels.Conv2D) { s.SW = 3 }},
		{"kernels: Depthwise8: shape does not suit", func(s *kernels.Conv2D) { s.DW, s.PR = 2, 5 }},
	} {
		s := good
		c.change(&s)
		refuses(t, c.want, func() { kernels.NewDepthwise8(s) })
	}
	d := kernels.NewDepthwise8(good)
	weights, bias, q := make([]int8, 72), make([]int32, 8), &kernels.Requant{Scale: make([]float32, 8), Hi: 255}
	bare := d.Pack(weights)
	w := bare.With(bias, q)
	if w.Bytes() < 72 {
		t.Errorf("packed weights take %d bytes", w.Bytes())
	}
	refuses(t, "kernels: Depthwise8.Pack: w too short", func() { d.Pack(weights[:71]) })
	refuses(t, "kernels: Depthwise8Weights.With: bias too short", func() { bare.With(bias[:7], q) })
	refuses(t, "kernels: Depthwise8Weights.With: no scale", func() { bare.With(bias, nil) })
	for _, scale := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
		refuses(t, "kernels: Depthwise8Weights.With: scale not finite", func() { bare.With(bias, &kernels.Requant{Scale: []float32{float32(scale)}, Hi: 255}) })
	}
	for _, c := range [][2]float64{{math.NaN(), 3}, {0, math.NaN()}, {3, -3}, {0.5, 3}, {-1e5, 3}, {0, 3e9}} {
		q := &kernels.Requant{Scale: []float32{1}, Lo: float32(c[0]), Hi: float32(c[1])}
		refuses(t, "kernels: Depthwise8Weights.With: bad lo or hi", func() { bare.With(bias, q) })
	}
	refuses(t, "kernels: Depthwise8Weights.With: scale too short", func() { bare.With(bias, &kernels.Requant{Scale: make([]float32, 7)}) })
	other := good
	other.KH = 1
	wrong := kernels.NewDepthwise8(other).Pack(weights).With(bias, q)

	n := d.ScratchLen(1)
	buf := bytes.Repeat([]byte{7}, 256+n)
	src, dst, scratch := buf[:128], buf[128:256], buf[256:]
	in := kernels.Bytes{Zero: 3}
	for _, c := range []struct {
		want string
		call func()
	}{
		{"kernels: Depthwise8.Run: src too short", func() { d.Run(nil, dst, src[:127], in, w, scratch) }},
		{"kernels: Depthwise8.Run: dst too short", func() { d.Run(nil, dst[:127], src, in, w, scratch) }},
		{"kernels: Depthwise8.Run: scratch too short", func() { d.Run(nil, dst, src, in, w, scratch[1:]) }},
		{"kernels: Depthwise8.Run: scratch too short", func() { d.Run(kernels.NewTeam(2), dst, src, in, w, scratch) }},
		{"kernels: Depthwise8.Run: weights packed for another shape", func() { d.Run(nil, dst, src, in, wrong, scratch) }},
		{"kernels: Depthwise8.Run: bad zero point", func() { d.Run(nil, dst, src, kernels.Bytes{Zero: 256}, w, scratch) }},
		{"kernels: Depthwise8.Run: dst, src and scratch overlap", func() { d.Run(nil, buf[127:], src, in, w, scratch) }},
		{"kernels: Depthwise8.Run: dst, src and scratch overlap", func() { d.Run(nil, dst, src, in, w, buf[255:]) }},
		{"kernels: Depthwise8.Run: dst, src and scratch overlap", func() { d.Run(nil, dst, src, in, w, buf[127:]) }},
	} {
		refuses(t, c.want, c.call)
	}
	for i, v := range buf {
		if v != 7 {
			t.Fatalf("byte %d was written before a panic", i)
		}
	}
}

// TestDepthwise8Requantises has every kind of what becomes of the sums: bounds at the ends of bytes, inside and far outside, sums that scale to more than
// int32 holds, and those halfway between two results.
func TestDepthwise8Requantises(t *testing.T) {
	s := kernels.Conv2D{N: 1, H: 3, W: 19, C: 21, O: 21, Groups: 21, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1}
	d := kernels.NewDepthwise8(s)
	src, weights, bias := make([]byte, 3*19*21), make([]int8, 9*21), make([]int32, 21)
	for i := range src {
		src[i] = byte(i * i >> 3)
	}
	for i := range weights {
		weights[i] = int8(i * 37)
	}
	for i := range bias {
		bias[i] = []int32{0, 1, -1, math.MaxInt32, math.MinInt32}[i%5]
	}
	in := kernels.Bytes{Signed: true, Zero: -5}
	sums, want, got := make([]int32, len(src)), make([]byte, len(src)), make([]byte, len(src))
	ref.Depthwise8(sums, src, in, weights, bias, &s)
	for _, scale := range []float32{0, 0.5, -0.5, 0.0078125, 1, 3e4, math.MaxFloat32, -math.MaxFloat32} {
		for _, b := range [][3]float32{{0, 255, 0}, {-128, 127, 128}, {-128, 127, 0}, {-3, 252, 3}, {0, 40, 3}, {7, 7, -9}, {-16384, -16129, 0}, {16129, 16384, 5}, {-200, 200, 1}} {
			q := &kernels.Requant{Scale: []float32{scale}, Lo: b[0], Hi: b[1], Zero: int32(b[2])}
			for i, v := range sums {
				want[i] = q.Apply(v, 0)
			}
			w := d.Pack(weights).With(bias, q)
			onEveryISA(t, func(isa kernels.ISA) {
				run := func() {
					clear(got)
					d.Run(nil, got, src, in, w, make([]byte, d.ScratchLen(1)))
					for i := range want {
						if got[i] != want[i] {
							t.Fatalf("%v: a sum of %d scaled by %g, clipped to %g..%g, with zero point %g: %d, ref has %d", isa, sums[i], scale, b[0], b[1], b[2], got[i], want[i])
						}
					}
				}
				run()
				restore := kernels.WithoutDotProducts()
				run()
				restore()
			})
		}
	}
}
