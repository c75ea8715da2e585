package kernels_test

import (
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// TestTransposedScatters compares ref's sums over inputs with the other way to see a transposed convolution: every input adds its multiple of
// the window to the output. On small whole numbers both are exact.
func TestTransposedScatters(t *testing.T) {
	for _, s := range []kernels.Transposed2D{
		{N: 2, H: 3, W: 4, C: 2, O: 3, KH: 3, KW: 4, SH: 2, SW: 2, PT: 1, PL: 1, PB: 1, PR: 1, AH: 1, Groups: 1},
		{N: 1, H: 4, W: 2, C: 4, O: 6, KH: 2, KW: 5, SH: 3, SW: 1, PT: 0, PL: 2, PB: 1, PR: 0, AW: 3, Groups: 2},
	} {
		oh, ow, cg, og := s.OH(), s.OW(), s.C/s.Groups, s.O/s.Groups
		src, w := make([]float32, s.N*s.H*s.W*s.C), make([]float32, s.O*s.KH*s.KW*cg)
		for i := range src {
			src[i] = float32(i*7%11 - 5)
		}
		for i := range w {
			w[i] = float32(i*5%13 - 6)
		}
		got, want := make([]float32, s.N*oh*ow*s.O), make([]float32, s.N*oh*ow*s.O)
		for p := range s.N * s.H * s.W {
			n, iy, ix := p/(s.H*s.W), p/s.W%s.H, p%s.W
			for i := range w {
				o, ky, kx, c := i/(s.KH*s.KW*cg), i/(s.KW*cg)%s.KH, i/cg%s.KW, i%cg
				y, x := iy*s.SH+ky-s.PT, ix*s.SW+kx-s.PL
				if y >= 0 && y < oh && x >= 0 && x < ow {
					want[((n*oh+y)*ow+x)*s.O+o] += float32(src[p*s.C+o/og*cg+c] * w[i])
				}
			}
		}
		ref.ConvTranspose(got, src, w, nil, &s, kernels.Act{})
		for i, v := range want {
			if got[i] != v {
				t.Fatalf("%+v: dst[%d] = %g, want %g", s, i, got[i], v)
			}
		}
	}
}

func TestConvTransposeRefuses(t *testing.T) {
	good := kernels.Transposed2D{N: 1, H: 4, W: 4, C: 4, O: 4, KH: 2, KW: 2, SH: 2, SW: 2, Groups: 1}
	for want, change := range map[string]func(s *kernels.Transposed2D){
		"bad shape":                         func(s *kernels.Transposed2D) { s.AH = -1 },
		"groups do not divide the channels": func(s *kernels.Transposed2D) { s.Groups = 3 },
		"no output is left":                 func(s *kernels.Transposed2D) { s.PL, s.PR = 4, 4 },
		"shape too large":                   func(s *kernels.Transposed2D) { s.H, s.W = 1<<15, 1<<15 },
	} {
		s := good
		change(&s)
		refuses(t, "kernels: ConvTranspose: "+want, func() { kernels.NewConvTranspose(s) })
	}
	buf := make([]float32, 1000)
	c := kernels.NewConvTranspose(good)
	w := c.Pack(make([]float32, 64), nil)
	src, dst := buf[:64], buf[100:356]
	run := func(dst, src []float32, w *kernels.TransposedWeights) func() {
		return func() { c.Run(nil, dst, src, w, kernels.Act{}) }
	}
	grouped := good
	grouped.Groups = 2
	refuses(t, "kernels: ConvTranspose.Pack: w too short", func() { c.Pack(make([]float32, 63), nil) })
	refuses(t, "kernels: ConvTranspose.Pack: bias too short", func() { c.Pack(make([]float32, 64), make([]float32, 3)) })
	refuses(t, "kernels: ConvTranspose.Run: src too short", run(dst, src[1:], w))
	refuses(t, "kernels: ConvTranspose.Run: dst too short", run(dst[1:], src, w))
	refuses(t, "kernels: ConvTranspose.Run: dst overlaps src", run(buf[63:], src, w))
	refuses(t, "kernels: ConvTranspose.Run: weights packed for another shape", run(dst, src, kernels.NewConvTranspose(grouped).Pack(make([]float32, 32), nil)))
	for i, v := range buf {
		if v != 0 {
			t.Fatalf("element %d was written before a panic", i)
		}
	}
}
