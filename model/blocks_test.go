package model_test

import (
	"context"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// blocks are parts of networks as PyTorch exports them, with an input of their own shape.
var blocks = []struct {
	name  string
	shape []int
	build func(b *net, x *model.Value) *model.Value
}{
	{"vision transformer", []int{1, 197, 192}, func(b *net, x *model.Value) *model.Value {
		x = b.binary(layer.Add, x, b.linear(b.attention(b.norm(x, -1, 192, 1, 1), 1, 197, 192, 3), 192, 192))
		return b.binary(layer.Add, x, b.linear(b.gelu(b.linear(b.norm(x, -1, 192, 1, 1), 192, 768)), 768, 192))
	}},
	// Attention over patches of 2x2, between changes of shape (Mehta, Rastegari: MobileViT, ICLR 2022).
	{"mobile transformer", []int{1, 144, 32, 32}, func(b *net, x *model.Value) *model.Value {
		y := b.reshape(b.turn(b.reshape(x, 144*16, 2, 16, 2), 0, 2, 1, 3), 1, 144, 256, 4)
		y = b.reshape(b.turn(y, 0, 3, 2, 1), 4, 256, 144)
		y = b.binary(layer.Add, y, b.linear(b.attention(b.norm(y, -1, 144, 1, 1), 4, 256, 144, 4), 144, 144))
		h := b.linear(b.norm(y, -1, 144, 1, 1), 144, 288)
		y = b.binary(layer.Add, y, b.linear(b.binary(layer.Mul, h, b.unary(layer.Sigmoid, h)), 288, 144))
		y = b.turn(b.reshape(b.norm(y, -1, 144, 1, 1), 1, 4, 256, 144), 0, 3, 2, 1)
		return b.reshape(b.turn(b.reshape(y, 144*16, 16, 2, 2), 0, 2, 1, 3), 1, 144, 32, 32)
	}},
	// A depthwise convolution among fully connected layers (Xie et al.: SegFormer, NeurIPS 2021).
	{"mixing feed-forward", []int{1, 32, 64, 64}, func(b *net, x *model.Value) *model.Value {
		y := b.turn(b.reshape(x, 1, 32, 4096), 0, 2, 1)
		h := b.reshape(b.turn(b.linear(b.norm(y, -1, 32, 1, 1), 32, 128), 0, 2, 1), 1, 128, 64, 64)
		h = b.turn(b.reshape(b.conv(h, 128, 128, 3, pads(1), 128), 1, 128, 4096), 0, 2, 1)
		y = b.binary(layer.Add, y, b.linear(b.gelu(h), 128, 32))
		return b.reshape(b.turn(b.norm(y, -1, 32, 1, 1), 0, 2, 1), 1, 32, 64, 64)
	}},
	// Chen et al.: Simple baselines for image restoration (NAFNet), ECCV 2022.
	{"restoration", []int{1, 32, 128, 128}, func(b *net, x *model.Value) *model.Value {
		gate := func(v *model.Value) *model.Value {
			p, q := b.split(v, 1)
			return b.binary(layer.Mul, p, q)
		}
		point := func(v *model.Value, in, out int) *model.Value { return b.conv(v, in, out, 1, layer.Window{}, 1) }
		y := gate(b.conv(point(b.norm(x, 1, 32, 4, 4), 32, 64), 64, 64, 3, pads(1), 64))
		y = b.binary(layer.Mul, y, point(b.Add("pool", &layer.GlobalPool{Fn: layer.GlobalAveragePool}, y), 32, 32))
		x = b.binary(layer.Add, x, b.binary(layer.Mul, point(y, 32, 32), b.weights(-1, 1, 1, 32, 1, 1)))
		y = point(gate(point(b.norm(x, 1, 32, 4, 4), 32, 64)), 32, 32)
		x = b.binary(layer.Add, x, b.binary(layer.Mul, y, b.weights(-1, 1, 1, 32, 1, 1)))
		return b.conv(x, 32, 3, 3, pads(1), 1)
	}},
	// Dong, Loy, Tang: Accelerating the super-resolution convolutional neural network (FSRCNN), ECCV 2016.
	{"super-resolution", []int{1, 1, 128, 128}, func(b *net, x *model.Value) *model.Value {
		prelu := func(v *model.Value, c int) *model.Value { return b.binary(layer.PRelu, v, b.weights(0, 1, c, 1, 1)) }
		y := prelu(b.conv(prelu(b.conv(x, 1, 56, 5, pads(2), 1), 56), 56, 12, 1, layer.Window{}, 1), 12)
		for range 4 {
			y = prelu(b.conv(y, 12, 12, 3, pads(1), 1), 12)
		}
		w := pads(4)
		w.Strides = []int{2, 2}
		return b.up(prelu(b.conv(y, 12, 56, 1, layer.Window{}, 1), 56), 56, 1, 9, &layer.ConvTranspose{Window: w, Groups: 1, OutPads: []int{1, 1}})
	}},
	// Xie, Girshick, Dollár, Tu, He: Aggregated residual transformations (ResNeXt), CVPR 2017.
	{"grouped residual", []int{1, 256, 56, 56}, func(b *net, x *model.Value) *model.Value {
		y := b.unary(layer.Relu, b.conv(x, 256, 128, 1, layer.Window{}, 1))
		y = b.unary(layer.Relu, b.conv(y, 128, 128, 3, pads(1), 32))
		return b.unary(layer.Relu, b.binary(layer.Add, x, b.conv(y, 128, 256, 1, layer.Window{}, 1)))
	}},
}

func (b *net) reshape(x *model.Value, shape ...int64) *model.Value {
	return b.Add(b.name("reshape"), &layer.Reshape{}, x, ints(shape...))
}

func (b *net) turn(x *model.Value, perm ...int) *model.Value {
	return b.Add(b.name("turn"), &layer.Transpose{Perm: perm}, x)
}

func (b *net) linear(x *model.Value, in, out int) *model.Value {
	return b.binary(layer.Add, b.Add(b.name("mm"), &layer.MatMul{}, x, b.weights(-0.1, 0.1, in, out)), b.weights(-1, 1, out))
}

// attention is self-attention among n tokens of c numbers, in several heads.
func (b *net) attention(x *model.Value, batch, n, c, heads int64) *model.Value {
	z := b.turn(b.reshape(b.linear(x, int(c), int(3*c)), batch, n, 3, heads, c/heads), 2, 0, 3, 1, 4)
	part := func(i int64) *model.Value {
		return b.Add(b.name("part"), &layer.Gather{}, z, model.Const("i", tensor.Scalar(i)))
	}
	scores := b.binary(layer.Mul, b.Add(b.name("qk"), &layer.MatMul{}, part(0), b.turn(part(1), 0, 1, 3, 2)), b.number(0.125))
	seen := b.Add(b.name("seen"), &layer.MatMul{}, b.Add(b.name("soft"), &layer.Softmax{Axis: -1}, scores), part(2))
	return b.reshape(b.turn(seen, 0, 2, 1, 3), batch, n, c)
}

// BenchmarkBlocks runs blocks on one thread.
func BenchmarkBlocks(b *testing.B) {
	for _, c := range blocks {
		b.Run(c.name, func(b *testing.B) {
			n := newNet(3)
			x := n.Input("x", tensor.Float32, model.Fixed(c.shape...)...)
			y := c.build(n, x)
			n.Output(y)
			p, err := model.Compile(n.Graph, model.Options{Threads: 1})
			if err != nil {
				b.Fatal(err)
			}
			in := tensor.New(tensor.Float32, c.shape...)
			for i := range in.Float32s() {
				in.Float32s()[i] = float32(n.rng.Float32()*2) - 1
			}
			s, out := p.NewSession(), model.Tensors{}
			for b.Loop() {
				if err := s.Run(context.Background(), model.Tensors{"x": in}, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
