package kernels_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ktest"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// TestDepthwiseIsGroupedConvolution compares with a convolution whose groups are single channels.
func TestDepthwiseIsGroupedConvolution(t *testing.T) {
	onEveryISA(t, func(isa kernels.ISA) {
		for _, c := range []int{1, 5, 8, 23, 512} {
			for _, k := range [][2]int{{3, 1}, {3, 2}, {5, 1}, {5, 2}, {4, 3}} {
				s := kernels.Conv2D{
					N: 2, H: 9, W: 11, C: c, O: c, Groups: c, KH: k[0], KW: k[0], SH: k[1], SW: k[1], DH: 1, DW: 1,
					PT: 1, PL: 2, PB: 2, PR: 1,
				}
				r := rand.New(rand.NewPCG(uint64(c), uint64(k[0])))
				random := func(n int) []float32 {
					x := make([]float32, n)
					for i := range x {
						x[i] = r.Float32()*2 - 1
					}
					return x
				}
				src, w, bias := random(s.N*s.H*s.W*c), random(c*k[0]*k[0]), random(c)
				turned := make([]float32, len(w)) // [O,KH,KW,1]
				for i, v := range w {
					turned[i%c*k[0]*k[0]+i/c] = v
				}
				got := make([]float32, s.N*s.OH()*s.OW()*c)
				want := make([]float32, len(got))
				d := kernels.NewDepthwise(s)
				act := kernels.Act{Kind: kernels.ActLeaky, Alpha: 0.25}
				d.Run(nil, got, src, d.Pack(w, bias), act)
				ref.Convolve(want, src, turned, bias, nil, &s, act)
				for i := range want {
					if !ktest.SameBits(got[i], want[i]) {
						t.Fatalf("%v, %d channels, window %v: dst[%d] = %g, a grouped convolution has %g", isa, c, k, i, got[i], want[i])
					}
				}
			}
		}
	})
}

// TestDepthwisePaddingTakesPart looks for what only +0·w can do: an infinite weight outside the picture makes a NaN, and -0 becomes +0.
func TestDepthwisePaddingTakesPart(t *testing.T) {
	onEveryISA(t, func(isa kernels.ISA) {
		for _, c := range []int{3, 8, 16, 20, 512} {
			s := kernels.Conv2D{N: 1, H: 1, W: 2, C: c, O: c, Groups: c, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1}
			d := kernels.NewDepthwise(s)
			src, w, bias, dst := make([]float32, 2*c), make([]float32, 9*c), make([]float32, c), make([]float32, 2*c)
			for i := range bias {
				bias[i] = float32(math.Copysign(0, -1))
			}
			d.Run(nil, dst, src, d.Pack(w, bias), kernels.Act{})
			for i, v := range dst {
				if math.Float32bits(v) != 0 {
					t.Fatalf("%v, %d channels: dst[%d] = %g, want +0", isa, c, i, v)
				}
			}
			for i := range c {
				w[3*c+i] = float32(math.Inf(1)) // left of the middle
				src[i] = 1
			}
			d.Run(nil, dst, src, d.Pack(w, bias), kernels.Act{})
			for i := range c {
				if l, r := dst[i], dst[c+i]; l == l || !math.IsInf(float64(r), 1) {
					t.Fatalf("%v, %d channels: dst = %g, %g at channel %d; want NaN, +Inf", isa, c, l, r, i)
				}
			}
		}
	})
}

func TestDepthwiseRefuses(t *testing.T) {
	good := kernels.Conv2D{N: 1, H: 4, W: 4, C: 8, O: 8, Groups: 8, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1}
	for want, change := range map[string]func(s *kernels.Conv2D){
		"kernels: Depthwise: bad input shape":                                      func(s *kernels.Conv2D) { s.H = 0 },
		"kernels: Depthwise: output channels and groups must equal input channels": func(s *kernels.Conv2D) { s.O = 16 },
		"kernels: Depthwise: window, stride and dilation must be positive":         func(s *kernels.Conv2D) { s.SW = 0 },
		"kernels: Depthwise: negative padding":                                     func(s *kernels.Conv2D) { s.PL = -1 },
		"kernels: Depthwise: window larger than the padded input":                  func(s *kernels.Conv2D) { s.DH = 3 },
	} {
		s := good
		change(&s)
		refuses(t, want, func() { kernels.NewDepthwise(s) })
	}
	d := kernels.NewDepthwise(good)
	w := d.Pack(make([]float32, 72), nil)
	src, dst := make([]float32, 128), make([]float32, 128)
	refuses(t, "kernels: Depthwise.Pack: w too short", func() { d.Pack(make([]float32, 71), nil) })
	refuses(t, "kernels: Depthwise.Pack: bias too short", func() { d.Pack(make([]float32, 72), make([]float32, 7)) })
	refuses(t, "kernels: Depthwise.Run: src too short", func() { d.Run(nil, dst, src[:127], w, kernels.Act{}) })
	refuses(t, "kernels: Depthwise.Run: dst too short", func() { d.Run(nil, dst[:127], src, w, kernels.Act{}) })
	both := make([]float32, 200)
	refuses(t, "kernels: Depthwise.Run: dst overlaps src", func() { d.Run(nil, both[72:], both[:128], w, kernels.Act{}) })
	other := good
	other.KH = 1
	o := kernels.NewDepthwise(other)
	refuses(t, "kernels: Depthwise.Run: weights packed for another shape", func() { d.Run(nil, dst, src, o.Pack(make([]float32, 24), nil), kernels.Act{}) })
}
