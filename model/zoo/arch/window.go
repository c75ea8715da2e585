package arch

import (
	"math"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Whole adds a fully connected layer over maps as a convolution that covers them: [N,out,1,1], and an answer for each place where maps are larger.
func (b *Builder) Whole(x *model.Value, out int) *model.Value {
	s := b.shape[x]
	name := b.name("dense")
	w := layer.Window{Kernel: []int{s[2], s[3]}}
	return b.add(name, &layer.Conv{Window: w, Groups: 1}, x, b.weights(name+".weight", s[1]*s[2]*s[3], out, s[1], s[2], s[3]), filled(name+".bias", out, 0))
}

// PedestrianWindow says whether a window of 64x128 pixels shows a person of 96 in its middle: two stages of convolution, ReLU, pooling and LCN, of which
// the first one is seen by the classifier too, at less resolution (Sermanet, Kavukcuoglu, Chintala, LeCun: Pedestrian detection with unsupervised multi-stage
// feature learning, CVPR 2013, section 3.2). Logits of background and person.
func PedestrianWindow(seed uint64) *model.Graph {
	b := NewBuilder("pedestrian_window", seed)
	x := b.Input("image", 3, 128, 64)
	first := b.LCN(b.MaxPool(b.ReLU(b.Conv(x, ConvSpec{Out: 16, K: 5, Valid: true})), 2, 2, 0), 9, 2.25, 0.1)
	second := b.LCN(b.MaxPool(b.ReLU(b.Conv(first, ConvSpec{Out: 32, K: 5, Valid: true})), 4, 4, 0), 5, 1.25, 0.1)
	x = b.Dropout(b.ReLU(b.Sum(b.Whole(second, 48), b.Whole(b.MaxPool(first, 4, 4, 0), 48))), 0.3)
	b.Gain(1)
	b.Output("logits", b.Add(&layer.Flatten{Axis: 1}, b.Conv(x, ConvSpec{Out: 2})))
	return b.Graph
}

// HOGSVM is the engineered counterpart: histograms of oriented gradients of a window of 64x128 pixels and a linear classifier, whose weights alone are
// learnt. Its score is above 0 for a person (Dalal, Triggs: Histograms of oriented gradients for human detection, CVPR 2005).
func HOGSVM(seed uint64) *model.Graph {
	b := NewBuilder("hog_svm", seed)
	x := b.HOG(b.Input("image", 3, 128, 64))
	b.Gain(0)
	b.Output("score", b.Add(&layer.Flatten{Axis: 1}, b.Whole(x, 1)))
	return b.Graph
}

// HOG adds histograms of oriented gradients, of pictures [N,3,H,W] from 0 up: [N,36,H/8-1,W/8-1], for each block of 16x16 pixels, 8 apart, four histograms
// of nine orientations (Dalal, Triggs 2005, sections 4 to 6.4). It is a network like another, whose weights were thought out and not learnt:
// square root; differences of neighbours, of the colour that differs most; votes by the length of the gradient for the two
// orientations next to its own, a turn by 180° being none; sums over cells of 8x8 pixels, each vote shared out between the cells next to
// it and weighed by a Gaussian about the middle of the block; blocks scaled to the length 1, cut off at 0.2, and scaled again.
func (b *Builder) HOG(x *model.Value) *model.Value {
	const bins, cut = 9, 0.2
	x = b.Add(&layer.Pad{Mode: layer.PadEdge}, b.unary(layer.Sqrt, x), model.Const("hog.pads", tensor.Of([]int64{0, 0, 1, 1, 0, 0, 1, 1})))
	var across, down []float32
	for range 3 {
		across = append(across, 0, 0, 0, -1, 0, 1, 0, 0, 0)
		down = append(down, 0, -1, 0, 0, 0, 0, 0, 1, 0)
	}
	gx, gy := b.fixed("hog.across", across, 3, 1, 3, 1, 3, 3)(x), b.fixed("hog.down", down, 3, 1, 3, 1, 3, 3)(x)
	squares := b.binary(layer.Add, b.binary(layer.Mul, gx, gx), b.binary(layer.Mul, gy, gy))
	most := b.Add(&layer.Reduce{Fn: layer.ReduceMaximum, KeepDims: true}, squares, b.alongChannels())
	which := b.binary(layer.GreaterOrEqual, squares, most)
	zero := b.number(0)
	pick := func(g *model.Value) *model.Value { return b.sum(b.Add(&layer.Where{}, which, g, zero)) }
	gx, gy = pick(gx), pick(gy)
	tiny := b.number(1e-6)
	flat := b.binary(layer.Less, b.unary(layer.Abs, gx), tiny)
	// The angle in bins, from -4.5 to 4.5; the middle of bin k is k-4.
	angle := b.binary(layer.Mul, b.unary(layer.Atan, b.binary(layer.Div, gy, b.Add(&layer.Where{}, flat, tiny, gx))), b.number(float32(bins/math.Pi)))
	middles := make([]float32, bins)
	for k := range middles {
		middles[k] = float32(k) - (bins-1)/2
	}
	far := b.unary(layer.Abs, b.binary(layer.Sub, angle, model.Const("hog.middles", tensor.Of(middles, 1, bins, 1, 1))))
	far = b.Add(&layer.Variadic{Fn: layer.Min}, far, b.binary(layer.Sub, b.number(bins), far))
	votes := b.binary(layer.Mul, b.ReLU(b.binary(layer.Sub, b.number(1), far)), b.unary(layer.Sqrt, most))

	x = b.fixed("hog.cells", cells(bins), bins, 8, 4*bins, 1, 16, 16)(votes)
	unit := func(x *model.Value) *model.Value {
		return b.binary(layer.Div, x, b.unary(layer.Sqrt, b.binary(layer.Add, b.sum(b.binary(layer.Mul, x, x)), b.number(1e-2))))
	}
	return unit(b.Add(&layer.Variadic{Fn: layer.Min}, unit(x), b.number(cut)))
}

// number returns a constant.
func (b *Builder) number(v float32) *model.Value {
	return model.Const(b.name("number"), tensor.Scalar(v))
}

func (b *Builder) binary(fn layer.Fn, x, y *model.Value) *model.Value {
	return b.Add(&layer.Binary{Fn: fn}, x, y)
}

func (b *Builder) unary(fn layer.Fn, x *model.Value) *model.Value {
	return b.Add(&layer.Unary{Fn: fn}, x)
}

func (b *Builder) alongChannels() *model.Value {
	return model.Const(b.name("axis"), tensor.Of([]int64{1}))
}

// sum returns the sums over channels.
func (b *Builder) sum(x *model.Value) *model.Value {
	return b.Add(&layer.Reduce{Fn: layer.ReduceSum, KeepDims: true}, x, b.alongChannels())
}

// fixed returns a convolution, without padding, whose weights of a shape [out,in,h,w] were thought out.
func (b *Builder) fixed(name string, w []float32, groups, stride int, shape ...int) func(*model.Value) *model.Value {
	return func(x *model.Value) *model.Value {
		k := layer.Window{Kernel: shape[2:], Strides: []int{stride, stride}}
		return b.add(name, &layer.Conv{Window: k, Groups: groups}, x, model.Const(name+".weight", tensor.Of(w, shape...)))
	}
}

// cells are the weights by which pixels of a block of two by two cells of 8x8 count in each of them, the same for each of n orientations: [4n,1,16,16].
func cells(n int) []float32 {
	// A Gaussian of deviation 8 at 0.5, 1.5, ... 7.5, as multiples of the first, by the ratio of each to the one before: exp(-1/64) to the power 1, 2, ...
	const step = 0.984496437005408
	var bell [8]float64
	ratio := 1.0
	bell[0] = 1
	for i := 1; i < len(bell); i++ {
		ratio = float64(ratio * step)
		bell[i] = float64(bell[i-1] * ratio)
	}
	along := func(at, cell int) float64 {
		far := max(at, 15-at) - 8 // pixels from the middle of the block
		share := 1 - float64(math.Abs(float64(at)-float64(8*cell)-3.5)/8)
		return float64(max(0, share) * bell[far])
	}
	var w []float32
	for range n {
		for c := range 4 {
			for y := range 16 {
				for x := range 16 {
					w = append(w, float32(along(y, c/2)*along(x, c%2)))
				}
			}
		}
	}
	return w
}
