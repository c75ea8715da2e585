package kernels_test

import (
	"math"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

// TestGradientRefusals asserts that a caller's bug panics with the kernel's name before anything is written.
func TestGradientRefusals(t *testing.T) {
	buf := make([]float32, 80)
	x, y, z, short, odd := buf[:12], buf[12:24], buf[24:36], buf[36:47], buf[36:41]
	over, four, more := buf[1:13], buf[48:52], buf[52:56]
	pool := kernels.NewPool(kernels.PoolMax, kernels.Pool2D{N: 1, H: 2, W: 2, C: 3, KH: 2, KW: 2, SH: 1, SW: 1, DH: 1, DW: 1})
	lcn := kernels.NewLCN(kernels.LCN2D{N: 1, H: 2, W: 2, C: 3, Size: 3, Sigma: 1})
	room := make([]float32, lcn.GradScratchLen(1))
	resize := kernels.NewInterpolation(kernels.InterpolationShape{N: 1, H: 2, W: 2, C: 3})
	relu := kernels.Act{Kind: kernels.ActClip, Hi: 6}
	for name, call := range map[string]func(){
		"ReLUGrad: dst, dy and the function's argument or result differ in length": func() { kernels.ReLUGrad(x, y, short) },
		"SiLUGrad: dst overlaps a source":                                          func() { kernels.SiLUGrad(x, y, over) },
		"ActivateGrad: dst and dy differ in length":                                func() { kernels.ActivateGrad(x, short, y, kernels.Act{}) },
		"PReLUGrad: dst is not made of rows of row's length":                       func() { kernels.PReLUGrad(x, y, z, odd) },
		"PReLUGrad: dst and x differ in length":                                    func() { kernels.PReLUGrad(x, y, short, four) },
		"ChannelSum: the sources are not made of rows of dst's length":             func() { kernels.ChannelSum(nil, odd, x) },
		"ChannelDot: the sources differ in length":                                 func() { kernels.ChannelDot(nil, four, x, nil) },
		"PReLUSlopeGrad: dst overlaps a source":                                    func() { kernels.PReLUSlopeGrad(nil, x[:4], x, y) },
		"BatchNormStats: mean and variance differ in length":                       func() { kernels.BatchNormStats(nil, four, odd, x) },
		"BatchNormStats: src is not made of rows of mean's length":                 func() { kernels.BatchNormStats(nil, four, more, nil) },
		"BatchNormStats: mean, variance and src overlap":                           func() { kernels.BatchNormStats(nil, four, four, x) },
		"BatchNormGradSums: sum, dot and mean differ in length":                    func() { kernels.BatchNormGradSums(nil, four, more, x, y, nil, odd, kernels.Act{}) },
		"BatchNormGradSums: dy, x and y differ in length":                          func() { kernels.BatchNormGradSums(nil, four, more, x, y, nil, buf[56:60], relu) },
		"BatchNormGradSums: sum or dot overlaps another argument":                  func() { kernels.BatchNormGradSums(nil, four, four, x, y, nil, more, kernels.Act{}) },
		"BatchNormGradInput: dx overlaps another argument":                         func() { kernels.BatchNormGradInput(nil, x, over, y, nil, four, four, four, kernels.Act{}) },
		"BatchNormGradInput: a, b and k differ in length":                          func() { kernels.BatchNormGradInput(nil, x, y, z, nil, four, odd, four, kernels.Act{}) },
		"BatchNormGrad: the channels differ in length":                             func() { kernels.BatchNormGrad(nil, x, four, more, y, z, nil, kernels.Act{}, odd, odd, odd, 1) },
		"BatchNormGrad: dx and dy differ in length": func() {
			kernels.BatchNormGrad(nil, short, four, more, y, z, nil, kernels.Act{}, buf[56:60], buf[60:64], buf[64:68], 1)
		},
		"Pool.Grad: dx too short":                           func() { pool.Grad(nil, short, odd, y, z) },
		"Pool.Grad: dy too short":                           func() { pool.Grad(nil, x, nil, y, z) },
		"Pool.Grad: dx overlaps another argument":           func() { pool.Grad(nil, x, odd, over, z) },
		"LCN.Grad: scratch too short":                       func() { lcn.Grad(nil, x, y, z, short) },
		"LCN.Grad: dx or scratch overlaps another argument": func() { lcn.Grad(nil, x, over, z, room) },
		"SoftmaxGrad: dx is not made of rows of c elements": func() { kernels.SoftmaxGrad(x, y, z, 5) },
		"LogSoftmaxGrad: dx overlaps another argument":      func() { kernels.LogSoftmaxGrad(x, over, z, 4) },
		"LRNGrad: size is not positive":                     func() { kernels.LRNGrad(x, y, z, 4, 0, 1, 1, 1) },
		"LRNGrad: dx overlaps another argument":             func() { kernels.LRNGrad(x, x, z, 4, 5, 1, 1, 1) },
		"Interpolation.Run: dst too short":                  func() { resize.Run(nil, short, x) },
		"Interpolation.Run: dst overlaps src":               func() { resize.Run(nil, over, x) },
		"Interpolation: tap outside the picture": func() {
			kernels.NewInterpolation(kernels.InterpolationShape{N: 1, H: 1, W: 1, C: 1, Y: kernels.Taps{Index: [][]int{{1}}, Weight: [][]float32{{1}}}})
		},
		"SGDStep: w, v and g differ in length": func() { kernels.SGDStep(nil, x, y, short, kernels.SGD{}) },
		"SGDStep: w, v and g overlap":          func() { kernels.SGDStep(nil, x, y, over, kernels.SGD{}) },
		"AdamWStep: w, m, v and g overlap":     func() { kernels.AdamWStep(nil, x, y, z, z, kernels.AdamW{}) },
		"Lerp: dst overlaps src":               func() { kernels.Lerp(nil, x, x, 1) },
	} {
		func() {
			defer func() {
				if got := recover(); got != "kernels: "+name {
					t.Errorf("panic %v, want kernels: %s", got, name)
				}
				for i, v := range buf {
					if v != 0 {
						t.Fatalf("%s: element %d was written", strings.SplitN(name, ":", 2)[0], i)
					}
				}
			}()
			call()
		}()
	}
}

// TestNaNReachesTheWeights asserts that a NaN in a gradient is not lost on the way to the weights.
func TestNaNReachesTheWeights(t *testing.T) {
	onEveryISA(t, func(isa kernels.ISA) {
		w, v, g := make([]float32, 20), make([]float32, 20), make([]float32, 20)
		g[13] = float32(math.NaN())
		kernels.SGDStep(nil, w, v, g, kernels.SGD{Rate: 0.1, Momentum: 0.9, Scale: 1})
		if s := kernels.SumSquares(nil, g); s == s || w[13] == w[13] || w[12] != 0 {
			t.Errorf("%v: sum of squares %g, weights %v", isa, s, w[12:14])
		}
	})
}

// TestGradientsRefuse gives gradients of convolutions and their products wrong arguments and asserts that nothing is written.
func TestGradientsRefuse(t *testing.T) {
	buf := make([]float32, 300)
	g := kernels.NewConvGrad(kernels.Conv2D{N: 1, H: 2, W: 2, C: 3, O: 4, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1, Groups: 1})
	refuses(t, "kernels: ConvGrad.Bias: db too short", func() { g.Bias(nil, buf[:3], buf[16:32]) })

	const m, n, k = 2, 3, 1 << 15
	scratch := make([]float32, m*k+n*k)
	if kernels.GemmTNScratch(1, m, n, k) == 0 {
		t.Fatal("this product takes no scratch memory")
	}
	a, b := scratch[:m*k], scratch[m*k:][:n*k]
	for _, over := range [][]float32{a, b} {
		refuses(t, "kernels: GemmTN: scratch overlaps dst, a or b", func() { kernels.GemmTN(nil, buf, n, a, m, b, n, m, n, k, over) })
	}
	for i, v := range buf {
		if v != 0 {
			t.Fatalf("element %d was written before a panic", i)
		}
	}
}
