package arch

import (
	"math"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// FaceEmbed makes vectors of an aligned face of 84x108 pixels. The first layers are thought out and not learnt: how strong the gradient is in each of eight
// directions, and which of the four neighbours of a pixel are no darker than it. What is learnt are 192 numbers, "embedding", in two parts that learn apart: of
// the pixels at two thirds of their resolution, four stages of a convolution that halves the picture and a residual block; and of the gradients, three such stages.
// Beside them stand numbers that nothing is learnt of: 2016 "gradients", each direction in each cell of 6x6 pixels, by comparison with the cells about it
// (after Dalal, Triggs: Histograms of oriented gradients for human detection, CVPR 2005); and 1008 "patterns", the root of the share of each of the 16
// patterns of neighbours in each cell of 12x12 (after Ahonen, Hadid, Pietikäinen: Face description with local binary patterns, PAMI 2006).
func FaceEmbed(seed uint64) *model.Graph {
	b := NewBuilder("face_embed", seed)
	image := b.Input("image", 3, 108, 84)
	grey := b.grey(image)
	votes := b.gradients(grey, 8)
	fine := b.AvgPool(votes, 3, 3, 0)
	cells := b.contrast(b.AvgPool(fine, 2, 2, 0), 3)
	shares := b.unary(layer.Sqrt, b.AvgPool(b.patterns(grey), 12, 12, 0))
	fine = b.contrast(fine, 5)

	unit := func(x *model.Value, s ConvSpec) *model.Value {
		s.K, s.NoBias = 3, true
		return b.BatchNorm(b.Conv(x, s))
	}
	stages := func(x *model.Value, out ...int) *model.Value {
		for _, c := range out {
			x = b.PReLU(unit(x, ConvSpec{Out: c, Stride: 2}))
			y := b.PReLU(unit(x, ConvSpec{Out: c}))
			x = b.PReLU(b.Sum(unit(y, ConvSpec{Out: c}), x))
		}
		return x
	}
	pixels := stages(b.scaled(image, 2.0/3), 16, 48, 96, 112)
	grain := b.PReLU(unit(fine, ConvSpec{Out: 32}))
	grain = stages(grain, 64, 80, 80)
	b.Gain(1)
	b.Output("embedding", b.Concat(b.BatchNorm(b.Dense(b.Dropout(pixels, 0.4), 96)), b.BatchNorm(b.Dense(b.Dropout(grain, 0.4), 96))))
	b.Output("gradients", b.Add(&layer.Flatten{Axis: 1}, cells))
	b.Output("patterns", b.Add(&layer.Flatten{Axis: 1}, shares))
	return b.Graph
}

// grey returns the square root of the grey of a picture, (x-127.5)/64 of values up to 255, from 0 to 1, with one pixel more on each side: [N,1,H+2,W+2].
func (b *Builder) grey(x *model.Value) *model.Value {
	x = b.fixed("grey", []float32{0.299 * 64 / 255, 0.587 * 64 / 255, 0.114 * 64 / 255}, 1, 1, 1, 3, 1, 1)(x)
	x = b.unary(layer.Sqrt, b.ReLU(b.binary(layer.Add, x, b.number(0.5))))
	return b.Add(&layer.Pad{Mode: layer.PadEdge}, x, model.Const("grey.pads", tensor.Of([]int64{0, 0, 1, 1, 0, 0, 1, 1})))
}

// gradients returns how strong the gradient of grey is in each of n directions, [N,n,H,W], by the differences between neighbours. Each gradient counts for the
// directions that are less than a turn/n off its own, the more the nearer.
func (b *Builder) gradients(grey *model.Value, n int) *model.Value {
	g := b.fixed("gradient", []float32{
		0, 0, 0, -1, 0, 1, 0, 0, 0,
		0, -1, 0, 0, 0, 0, 0, 1, 0}, 1, 1, 2, 1, 3, 3)(grey)
	length := b.unary(layer.Sqrt, b.sum(b.binary(layer.Mul, g, g)))
	// A gradient of length 1 gives the direction of its own 1 and the next ones 0.
	var w []float32
	least := math.Cos(2 * math.Pi / float64(n))
	for k := range n {
		sin, cos := math.Sincos(2 * math.Pi * float64(k) / float64(n))
		for _, v := range []float64{cos, sin, -least} {
			w = append(w, float32(v/(1-least)))
		}
	}
	return b.ReLU(b.fixed("directions", w, 1, 1, n, 3, 1, 1)(b.Concat(g, length)))
}

// patterns returns 1 for the pattern that the four neighbours of a pixel make and 0 for the 15 others, [N,16,H,W]: a perceptron for each neighbour says whether it
// is darker, and one for each pattern whether all four say what they should.
func (b *Builder) patterns(grey *model.Value) *model.Value {
	around := b.fixed("neighbours", []float32{
		0, -1, 0, 0, 1, 0, 0, 0, 0,
		0, 0, 0, 0, 1, -1, 0, 0, 0,
		0, 0, 0, 0, 1, 0, 0, -1, 0,
		0, 0, 0, -1, 1, 0, 0, 0, 0}, 1, 1, 4, 1, 3, 3)(grey)
	darker := b.unary(layer.Step, around)
	var w, bias []float32
	for p := range 16 {
		sum := float32(1)
		for k := range 4 {
			bit := float32(p >> k & 1)
			w = append(w, 2*bit-1)
			sum -= bit
		}
		bias = append(bias, sum)
	}
	x := b.fixed("patterns", w, 1, 1, 16, 4, 1, 1)(darker)
	return b.ReLU(b.binary(layer.Add, x, model.Const("patterns.bias", tensor.Of(bias, 1, 16, 1, 1))))
}

// contrast returns maps divided by the root of 9 times the mean square about each place, in k x k places, and cut off at 0.3.
func (b *Builder) contrast(x *model.Value, k int) *model.Value {
	about := b.AvgPool(b.sum(b.binary(layer.Mul, x, x)), k, 1, k/2)
	about = b.unary(layer.Sqrt, b.binary(layer.Add, b.binary(layer.Mul, about, b.number(9)), b.number(1e-3)))
	return b.Add(&layer.Variadic{Fn: layer.Min}, b.binary(layer.Div, x, about), b.number(0.3))
}
