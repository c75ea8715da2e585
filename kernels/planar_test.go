package kernels_test

import (
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

func TestPlanarRefuses(t *testing.T) {
	s := kernels.Conv2D{N: 1, H: 4, W: 4, C: 4, O: 2, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	bad := s
	bad.Groups = 3
	refuses(t, "kernels: Planar: groups do not divide the channels", func() { kernels.NewPlanar(bad) })
	buf := make([]float32, 1000)
	p := kernels.NewPlanar(s)
	w := p.Pack(make([]float32, 72), nil)
	src, dst, res := buf[:64], buf[100:132], buf[200:232]
	run := func(dst, src []float32, w *kernels.PlanarWeights, res []float32) func() {
		return func() { p.Run(nil, dst, src, w, res, kernels.Act{}) }
	}
	refuses(t, "kernels: Planar.Pack: w too short", func() { p.Pack(make([]float32, 71), nil) })
	refuses(t, "kernels: Planar.Pack: bias too short", func() { p.Pack(make([]float32, 72), make([]float32, 1)) })
	refuses(t, "kernels: Planar.Run: src too short", run(dst, src[1:], w, nil))
	refuses(t, "kernels: Planar.Run: dst too short", run(dst[1:], src, w, nil))
	refuses(t, "kernels: Planar.Run: res too short", run(dst, src, w, res[1:]))
	refuses(t, "kernels: Planar.Run: dst overlaps src", run(buf[63:], src, w, nil))
	refuses(t, "kernels: Planar.Run: dst overlaps res", run(dst, src, w, buf[101:]))
	one := s
	one.O = 1
	refuses(t, "kernels: Planar.Run: weights packed for another shape", run(dst, src, kernels.NewPlanar(one).Pack(make([]float32, 36), nil), nil))
	for i, v := range buf {
		if v != 0 {
			t.Fatalf("element %d was written before a panic", i)
		}
	}
	// A residual may lie where the outputs come.
	for i := range src {
		src[i] = float32(i%5) - 2
	}
	for i := range dst {
		dst[i], res[i] = float32(i), float32(i)
	}
	weights := make([]float32, 72)
	for i := range weights {
		weights[i] = float32(i%7) - 3
	}
	w = p.Pack(weights, nil)
	want := make([]float32, len(dst))
	p.Run(nil, want, src, w, res, kernels.Act{})
	p.Run(nil, dst, src, w, dst, kernels.Act{})
	for i, v := range want {
		if dst[i] != v {
			t.Fatalf("in place dst[%d] = %g, want %g", i, dst[i], v)
		}
	}
}
