package arch

import (
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// OpenInput adds an input [N,C,H,W] of float32 with open batch, height and width, which Output leaves open too; layers are planned for one of h x w.
func (b *Builder) OpenInput(name string, c, h, w int) *model.Value {
	v := b.Input(name, c, h, w)
	v.Shape[2], v.Shape[3] = model.Symbol("H"), model.Symbol("W")
	b.open = true
	return v
}

// Up doubles height and width by repeating pixels.
func (b *Builder) Up(x *model.Value) *model.Value {
	return b.resized("up", x, 2, &layer.Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"})
}

// scaled returns maps of another height and width, interpolated linearly.
func (b *Builder) scaled(x *model.Value, scale float32) *model.Value {
	return b.resized("scaled", x, scale, &layer.Resize{Mode: "linear", Coordinates: "half_pixel", Nearest: "floor"})
}

func (b *Builder) resized(name string, x *model.Value, scale float32, op *layer.Resize) *model.Value {
	name = b.name(name)
	return b.add(name, op, x, nil, model.Const(name+".scales", tensor.Of([]float32{1, 1, scale, scale})))
}

// Residual adds two 3x3 convolutions and their input (He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016).
func (b *Builder) Residual(x *model.Value, dilation int) *model.Value {
	c := b.Channels(x)
	y := b.ConvBN(x, ConvSpec{Out: c, K: 3, Dilation: dilation})
	y = b.BatchNorm(b.Conv(y, ConvSpec{Out: c, K: 3, Dilation: dilation, NoBias: true}))
	return b.ReLU(b.Sum(y, x))
}

// SceneParser labels each pixel of a street with one of the eleven classes of CamVid: scores at half the size of a picture whose sides are multiples of 16.
// An encoder down to a sixteenth, the mean of all there as context, and a decoder that adds the finer features back step by step.
func SceneParser(seed uint64) *model.Graph {
	b := NewBuilder("scene", seed)
	x := b.OpenInput("image", 3, 352, 480)
	half := b.ConvBN(x, ConvSpec{Out: 16, K: 3, Stride: 2})
	quarter := b.Residual(b.ConvBN(half, ConvSpec{Out: 32, K: 3, Stride: 2}), 1)
	eighth := b.ConvBN(quarter, ConvSpec{Out: 64, K: 3, Stride: 2})
	for range 2 {
		eighth = b.Residual(eighth, 1)
	}
	x = b.ConvBN(eighth, ConvSpec{Out: 128, K: 3, Stride: 2})
	for _, dilation := range []int{2, 4} {
		x = b.Residual(x, dilation)
	}
	x = b.Sum(x, b.ReLU(b.Conv(b.GlobalAvg(x), ConvSpec{Out: 128})))
	for _, skip := range []*model.Value{eighth, quarter, half} {
		c := b.Channels(skip)
		x = b.BatchNorm(b.Conv(x, ConvSpec{Out: c, NoBias: true}))
		x = b.ReLU(b.Sum(b.Up(x), b.BatchNorm(b.Conv(skip, ConvSpec{Out: c, NoBias: true}))))
		x = b.ConvBN(x, ConvSpec{Out: c, K: 3})
	}
	b.Gain(1)
	b.Output("scores", b.Conv(x, ConvSpec{Out: 11}))
	return b.Graph
}
