package model_test

import (
	"context"
	"slices"
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

// operators are single ones that stand around networks' convolutions: behind detectors' heads, in attention, in what reads text.
var operators = []struct {
	name  string
	shape []int
	build func(b *net, x *model.Value) *model.Value
}{
	{"TopK 300 of 8400", []int{1, 8400}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.TopK{Axis: -1, Largest: true, Sorted: true}, x, ints(300))
	}},
	{"TopK 1 of 80, 8400 columns", []int{1, 80, 8400}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.TopK{Axis: 1, Largest: true, Sorted: true}, x, ints(1))
	}},
	{"ArgMax of 80, 8400 rows", []int{8400, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.ArgReduce{Max: true, Axis: 1}, x)
	}},
	{"ReduceMax of 80, 8400 rows", []int{8400, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Reduce{Fn: layer.ReduceMaximum}, x, ints(1))
	}},
	{"ReduceMax of 80, 8400 columns", []int{80, 8400}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Reduce{Fn: layer.ReduceMaximum}, x, ints(0))
	}},
	{"ReduceSum of 64x80x80", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Reduce{Fn: layer.ReduceSum}, x, ints(0, 1, 2, 3))
	}},
	{"CumSum of 64, 6400 columns", []int{64, 6400}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.CumSum{}, x, ints(0))
	}},
	{"NonMaxSuppression of 2000", []int{1, 1, 2000}, func(b *net, x *model.Value) *model.Value {
		boxes := tensor.New(tensor.Float32, 1, 2000, 4)
		for i := range 2000 {
			at := boxes.Float32s()[4*i:]
			at[0], at[1] = 600*b.rng.Float32(), 600*b.rng.Float32()
			at[2], at[3] = at[0]+20+float32(40*b.rng.Float32()), at[1]+20+float32(40*b.rng.Float32())
		}
		return b.Add("y", &layer.NonMaxSuppression{}, model.Const("boxes", boxes), x, ints(100), b.number(0.5), b.number(0.1))
	}},
	{"Greater of 64x80x80", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.binary(layer.Greater, x, b.number(0.5))
	}},
	{"Floor of 64x80x80", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value { return b.unary(layer.Floor, x) }},
	{"DynamicQuantizeLinear of 64x80x80", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.DynamicQuantize{}, x)
	}},
	{"Einsum hid,hjd->hij, 8x200x32", []int{8, 200, 32}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Einsum{Equation: "hid,hjd->hij"}, x, x)
	}},
	{"MatMul of 512 by 512x1000", []int{512}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.MatMul{}, x, b.weights(-1, 1, 512, 1000))
	}},
	{"GridSample of 64x80x80", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.GridSample{Mode: "linear", Padding: "zeros"}, x, b.weights(-1, 1, 1, 80, 80, 2))
	}},
	{"RoiAlign of 100 regions, 64x7x7", []int{1, 64, 50, 50}, func(b *net, x *model.Value) *model.Value {
		boxes := tensor.New(tensor.Float32, 100, 4)
		for i := range boxes.Float32s() {
			boxes.Float32s()[i] = 20*b.rng.Float32() + float32(i%4/2*25)
		}
		return b.Add("y", &layer.RoiAlign{Height: 7, Width: 7, Samples: 2, Scale: 1}, x, model.Const("boxes", boxes), model.Const("of", tensor.New(tensor.Int64, 100)))
	}},
	{"DeformConv 3x3 of 64x40x40", []int{1, 64, 40, 40}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.DeformConv{Window: pads(1), Groups: 1, OffsetGroups: 1}, x, b.weights(-1, 1, 64, 64, 3, 3), b.weights(-1, 1, 1, 18, 40, 40))
	}},
	{"Conv 3x3x3 of 16x8x40x40", []int{1, 16, 8, 40, 40}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Conv{Window: layer.Window{Pads: []int{1, 1, 1, 1, 1, 1}}, Groups: 1}, x, b.weights(-1, 1, 16, 16, 3, 3, 3))
	}},
	{"QuantizeLinear of 64x80x80 by channel", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Quantize{Axis: 1}, x, b.weights(0.01, 0.02, 64), model.Const("zero", tensor.New(tensor.Int8, 64)))
	}},
	{"DequantizeLinear of 64x80x80 by channel", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		bytes := b.Add("bytes", &layer.Cast{To: tensor.Int8}, x)
		return b.Add("y", &layer.Dequantize{Axis: 1}, bytes, b.weights(0.01, 0.02, 64))
	}},
	{"Cast of 64x80x80 to float16", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Cast{To: tensor.Float16}, x)
	}},
	{"Cast of 64x80x80 to int8", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Cast{To: tensor.Int8}, x)
	}},
	{"Cast of 64x80x80 to bfloat16", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Cast{To: tensor.BFloat16}, x)
	}},
	{"MaxPool 2x2x2 of 16x16x40x40", []int{1, 16, 16, 40, 40}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.MaxPool{Window: layer.Window{Kernel: []int{2, 2, 2}, Strides: []int{2, 2, 2}}}, x)
	}},
	{"MaxPool 3x3x3 of 16x16x40x40", []int{1, 16, 16, 40, 40}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.MaxPool{Window: layer.Window{Kernel: []int{3, 3, 3}, Pads: []int{1, 1, 1, 1, 1, 1}}}, x)
	}},
	{"AveragePool 2x2x2 of 16x16x40x40", []int{1, 16, 16, 40, 40}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.AveragePool{Window: layer.Window{Kernel: []int{2, 2, 2}, Strides: []int{2, 2, 2}}}, x)
	}},
	{"AveragePool 3x3x3 of 16x16x40x40", []int{1, 16, 16, 40, 40}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.AveragePool{Window: layer.Window{Kernel: []int{3, 3, 3}, Pads: []int{1, 1, 1, 1, 1, 1}}}, x)
	}},
	{"ReduceMean of 256, 400 rows", []int{400, 256}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Reduce{Fn: layer.ReduceMean}, x, ints(1))
	}},
	{"ReduceMin of 64x80x80", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Reduce{Fn: layer.ReduceMinimum}, x)
	}},
	{"Conv 3x3x3 of 16x8x40x40, depthwise", []int{1, 16, 8, 40, 40}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Conv{Window: layer.Window{Pads: []int{1, 1, 1, 1, 1, 1}}, Groups: 16}, x, b.weights(-1, 1, 16, 1, 3, 3, 3))
	}},
	{"Conv 3x3x3 of 16x8x40x40, 4 groups", []int{1, 16, 8, 40, 40}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Conv{Window: layer.Window{Pads: []int{1, 1, 1, 1, 1, 1}}, Groups: 4}, x, b.weights(-1, 1, 16, 4, 3, 3, 3))
	}},
	{"Einsum bi,ij,bj->b, 64x64", []int{64, 64}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Einsum{Equation: "bi,ij,bj->b"}, x, b.weights(-1, 1, 64, 64), x)
	}},
	{"Einsum nchw,nchw->nchw, 64x80x80", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value {
		return b.Add("y", &layer.Einsum{Equation: "nchw,nchw->nchw"}, x, x)
	}},
	{"Cos of 64x80x80", []int{1, 64, 80, 80}, func(b *net, x *model.Value) *model.Value { return b.unary(layer.Cos, x) }},
	{"Loop of 3000 turns of a Tanh of 16x16", []int{16, 16}, func(b *net, x *model.Value) *model.Value {
		body := newNet(4)
		body.Input("turn", tensor.Int64)
		again, y := body.Input("again", tensor.Bool), body.Input("y", tensor.Float32)
		body.Output(again, body.unary(layer.Tanh, y))
		return b.Add("y", &model.Loop{Body: body.Graph, Carried: 1}, model.Const("turns", tensor.Scalar(int64(3000))), nil, x)
	}},
	{"LSTM both ways, 32 steps of 512", []int{32, 1, 512}, func(b *net, x *model.Value) *model.Value {
		a := []layer.Unary{{Fn: layer.Sigmoid}, {Fn: layer.Tanh}, {Fn: layer.Tanh}}
		return b.Add("y", &layer.Recurrent{Cell: layer.CellLSTM, Direction: "bidirectional", Activations: slices.Concat(a, a)}, x,
			b.weights(-0.1, 0.1, 2, 1024, 512), b.weights(-0.1, 0.1, 2, 1024, 256), b.weights(-1, 1, 2, 2048))
	}},
}

// BenchmarkBlocks runs blocks on one thread, BenchmarkOperators operators.
func BenchmarkBlocks(b *testing.B) {
	for _, c := range blocks {
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.shape, c.build) })
	}
}

func BenchmarkOperators(b *testing.B) {
	for _, c := range operators {
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.shape, c.build) })
	}
}

func benchmark(b *testing.B, shape []int, build func(b *net, x *model.Value) *model.Value) {
	n := newNet(3)
	x := n.Input("x", tensor.Float32, model.Fixed(shape...)...)
	n.Output(build(n, x))
	p, err := model.Compile(n.Graph, model.Options{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	in := tensor.New(tensor.Float32, shape...)
	for i := range in.Float32s() {
		in.Float32s()[i] = float32(n.rng.Float32()*2) - 1
	}
	s, out := p.NewSession(), model.Tensors{}
	for b.Loop() {
		if err := s.Run(context.Background(), model.Tensors{"x": in}, out); err != nil {
			b.Fatal(err)
		}
	}
}
