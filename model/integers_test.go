package model_test

import (
	"context"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// bytes is a constant of random 8-bit integers from lo to hi.
func (b *net) bytes(signed bool, lo, hi int, shape ...int) *model.Value {
	d := tensor.Uint8
	if signed {
		d = tensor.Int8
	}
	t := tensor.New(d, shape...)
	for i := range t.Raw() {
		t.Raw()[i] = byte(lo + b.rng.IntN(hi-lo+1))
	}
	return model.Const(b.name("c"), t)
}

func (b *net) int32s(lo, hi int, n int) *model.Value {
	t := tensor.New(tensor.Int32, n)
	for i := range tensor.Data[int32](t) {
		tensor.Data[int32](t)[i] = int32(lo + b.rng.IntN(hi-lo+1))
	}
	return model.Const(b.name("c"), t)
}

func one(v float32) *model.Value { return model.Const("scale", tensor.Scalar(v)) }

func zero8(signed bool, v int) *model.Value {
	if signed {
		return model.Const("zero", tensor.Scalar(int8(v)))
	}
	return model.Const("zero", tensor.Scalar(uint8(v)))
}

// qconv is a QLinearConv of unsigned data with zero point 110, whose outputs fill the range. Its weights are int8 less their zero points.
func (b *net) qconv(x *model.Value, in, out, k, groups int, perChannel, bias bool) *model.Value {
	cg := in / groups
	ws, wz, w := one(0.01), zero8(true, 0), b.bytes(true, -128, 127, out, cg, k, k)
	if perChannel {
		ws, wz, w = b.weights(0.005, 0.02, out), b.bytes(true, -3, 3, out), b.bytes(true, -125, 124, out, cg, k, k)
	}
	v := []*model.Value{x, one(0.02), zero8(false, 110), w, ws, wz, one(float32(cg*k*k) * 0.01), zero8(false, 120)}
	if bias {
		v = append(v, b.int32s(-5000, 5000, out))
	}
	return b.Add(b.name("qconv"), &layer.QLinearConv{Conv: layer.Conv{Window: pads(k / 2), Groups: groups}}, v...)
}

// integerNets have products of integers, so many of which should run on the kernels of 8-bit integers, and in float32.
var integerNets = map[string]struct {
	f            func(b *net, x *model.Value) *model.Value
	bytes, float int
}{
	"chain": {func(b *net, x *model.Value) *model.Value {
		y := b.qconv(x, 6, 24, 3, 1, true, true)
		y = b.qconv(y, 24, 24, 3, 24, false, true) // depthwise
		return b.qconv(y, 24, 7, 1, 1, true, false)
	}, 3, 0},
	"wide depthwise": {func(b *net, x *model.Value) *model.Value { return b.qconv(x, 6, 6, 7, 6, true, true) }, 0, 1},
	"large sums": {func(b *net, x *model.Value) *model.Value {
		return b.qconv(b.qconv(x, 6, 200, 1, 1, true, true), 200, 5, 5, 1, true, true)
	}, 2, 0},
	"large bias": {func(b *net, x *model.Value) *model.Value {
		v := []*model.Value{x, one(0.02), zero8(false, 110), b.bytes(true, -128, 127, 4, 6, 3, 3), one(0.01), zero8(true, 0), one(800), zero8(true, -125), b.int32s(1<<24, 1<<30, 4)}
		return b.Add("qconv", &layer.QLinearConv{Conv: layer.Conv{Window: pads(1), Groups: 1}}, v...)
	}, 1, 0},
	"groups": {func(b *net, x *model.Value) *model.Value {
		return b.qconv(b.qconv(x, 6, 24, 1, 1, false, false), 24, 9, 3, 3, true, true)
	}, 2, 0},
	"narrow groups": {func(b *net, x *model.Value) *model.Value { return b.qconv(x, 6, 4, 3, 2, true, true) }, 0, 1},
	"signed": {func(b *net, x *model.Value) *model.Value {
		y := b.Add("to float", &layer.Dequantize{Axis: 1}, x, one(0.01), zero8(false, 110))
		y = b.Add("signed", &layer.Quantize{Axis: 1}, y, one(0.012), zero8(true, -20))
		return b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(1), Groups: 1}}, y, b.bytes(false, 1, 255, 8, 6, 3, 3), zero8(true, -20), zero8(false, 128))
	}, 1, 0},
	"zero point that is computed": {func(b *net, x *model.Value) *model.Value {
		y := b.Add("to float", &layer.Dequantize{Axis: 1}, x, one(0.01), zero8(false, 110))
		d := &model.Node{Name: "dynamic", Op: &layer.DynamicQuantize{}, In: []*model.Value{y}, Out: []*model.Value{{Name: "bytes"}, {Name: "scale"}, {Name: "zero"}}}
		b.Nodes = append(b.Nodes, d)
		sums := b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(1), Groups: 1}}, d.Out[0], b.bytes(true, -128, 127, 8, 6, 3, 3), d.Out[2])
		flat := b.Add("flat", &layer.Reshape{}, d.Out[0], ints(2, -1))
		products := b.Add("products", &layer.MatMulInteger{}, flat, b.bytes(true, -128, 127, 6*13*11, 3), d.Out[2])
		return b.Add("all", &layer.Concat{Axis: 1}, b.Add("list", &layer.Reshape{}, sums, ints(2, -1)), products)
	}, 2, 0},
	"weights beyond int8": {func(b *net, x *model.Value) *model.Value {
		return b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(2), Groups: 2}}, x, b.bytes(false, 0, 255, 8, 3, 5, 5), zero8(false, 110), b.bytes(false, 100, 150, 8))
	}, 0, 1},
	"weights beyond int8, as floats": {func(b *net, x *model.Value) *model.Value {
		y := b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(1), Groups: 1}}, x, b.bytes(false, 0, 255, 8, 6, 3, 3))
		return b.unary(layer.Relu, b.Add("float", &layer.Cast{To: tensor.Float32}, y))
	}, 0, 1},
	"weights beyond int8, large sums": {func(b *net, x *model.Value) *model.Value {
		y := b.qconv(x, 6, 120, 1, 1, false, false)
		return b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(2), Groups: 1}}, y, b.bytes(false, 120, 140, 3, 120, 5, 5), zero8(false, 3))
	}, 1, 0},
	"sums as floats": {func(b *net, x *model.Value) *model.Value {
		y := b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(1), Groups: 1}}, x, b.bytes(true, -128, 127, 8, 6, 3, 3))
		return b.unary(layer.Relu, b.Add("float", &layer.Cast{To: tensor.Float32}, y))
	}, 1, 0},
	"shuffled channels": {func(b *net, x *model.Value) *model.Value {
		shuffled := func(y *model.Value, c int) *model.Value {
			y = b.Add(b.name("five"), &layer.Reshape{}, y, ints(2, 2, int64(c/2), 13, 11))
			y = b.Add(b.name("turned"), &layer.Transpose{Perm: []int{0, 2, 1, 3, 4}}, y)
			return b.Add(b.name("four"), &layer.Reshape{}, y, ints(2, int64(c), 13, 11))
		}
		y := b.qconv(x, 6, 10, 1, 1, true, true)
		y = shuffled(b.Add("concat", &layer.Concat{Axis: 1}, y, b.qconv(y, 10, 10, 3, 1, true, true)), 20)
		left := b.Add("left", &layer.Slice{}, y, ints(0), ints(10), ints(1))
		right := b.Add("right", &layer.Slice{}, y, ints(10), ints(20), ints(1))
		y = shuffled(b.qconv(b.Add("again", &layer.Concat{Axis: 1}, left, b.qconv(right, 10, 12, 1, 1, true, true)), 22, 22, 1, 1, true, false), 22)
		return b.Add("some", &layer.Slice{}, b.qconv(y, 22, 9, 1, 1, true, false), ints(2), ints(9), ints(1))
	}, 5, 0},
	"pooling": {func(b *net, x *model.Value) *model.Value {
		y := b.qconv(x, 6, 9, 3, 1, true, true)
		for i, w := range []layer.Window{
			{Kernel: []int{3, 3}, Strides: []int{2, 2}, Pads: []int{1, 1, 1, 1}}, {Kernel: []int{2, 3}, Dilations: []int{1, 2}, Pads: []int{1, 0, 0, 2}},
			{Kernel: []int{2, 2}, Strides: []int{2, 3}, Ceil: true}, {Kernel: []int{1, 1}},
		} {
			if i == 1 { // from here on int8
				y = b.quantise(b.real(y, as{0.02, 100, false}), as{0.03, -5, true})
			}
			y = b.Add(b.name("pool"), &layer.MaxPool{Window: w}, y)
		}
		return y
	}, 1, 0},
	"products": {func(b *net, x *model.Value) *model.Value {
		y := b.Add("flat", &layer.Reshape{}, x, ints(2, -1))
		y = b.Add("q", &layer.QLinearMatMul{}, y, one(0.02), zero8(false, 110), b.bytes(true, -119, 118, 6*13*11, 30), b.weights(0.005, 0.02, 30), b.bytes(true, -9, 9, 30),
			one(8), zero8(true, 10))
		return b.Add("sums", &layer.MatMulInteger{}, y, b.bytes(true, -128, 127, 30, 5), zero8(true, -100))
	}, 2, 0},
	"products of weights beyond int8": {func(b *net, x *model.Value) *model.Value {
		y := b.Add("flat", &layer.Reshape{}, x, ints(2, -1))
		y = b.Add("q", &layer.QLinearMatMul{}, y, one(0.02), zero8(false, 110), b.bytes(true, -128, 127, 6*13*11, 30), b.weights(0.005, 0.02, 30), b.bytes(true, -9, 9, 30),
			one(8), zero8(true, 10))
		return b.Add("sums", &layer.MatMulInteger{}, y, b.bytes(false, 0, 255, 30, 5), zero8(true, -100))
	}, 0, 2},
}

func TestIntegersComeOutExactly(t *testing.T) {
	for name, n := range integerNets {
		t.Run(name, func(t *testing.T) {
			graph := func() *model.Graph {
				return build(5, func(b *net, x *model.Value) *model.Value {
					return n.f(b, b.Add("quantise", &layer.Quantize{Axis: 1}, x, one(0.008), zero8(false, 110)))
				})
			}
			x := testInput(7)
			want := run(t, graph(), model.Options{Plain: true}, x)
			for _, threads := range []int{1, 3} {
				if got := run(t, graph(), model.Options{Threads: threads}, x); !slices.Equal(got.Raw(), want.Raw()) || got.DType() != want.DType() {
					t.Errorf("%d threads: other numbers than the plain layers give", threads)
				}
			}
			if spread := spread(want.Raw()); spread < 4 {
				t.Errorf("the results have %d different bytes, and show nothing", spread)
			}
			p, err := model.Compile(graph(), model.Options{})
			if err != nil {
				t.Fatal(err)
			}
			bytes, float, shuffles := 0, 0, 0
			for _, s := range p.Steps() {
				switch s.Op {
				case "ChannelShuffle":
					shuffles++
				case "Conv8", "MatMul8":
					bytes++
				case "Conv", "MatMul":
					float++
				}
			}
			if name == "shuffled channels" && shuffles != 3 { // halves are two
				t.Errorf("%d channel shuffles: %v", shuffles, p.Steps())
			}
			if bytes != n.bytes || float != n.float {
				t.Errorf("%d products of 8-bit integers, %d in float32, want %d and %d: %v", bytes, float, n.bytes, n.float, p.Steps())
			}
		})
	}
}

func spread(b []byte) int {
	var seen [256]bool
	n := 0
	for _, v := range b {
		if !seen[v] {
			seen[v] = true
			n++
		}
	}
	return n
}

// BenchmarkIntegers times nine QLinearConv on 64x56x56, 3x3, depthwise 3x3 and 1x1 three times: by the kernels, and by the plain loops of integers.
func BenchmarkIntegers(b *testing.B) {
	for name, plain := range map[string]bool{"kernels": false, "plain": true} {
		b.Run(name, func(b *testing.B) {
			n := newNet(1)
			y := n.Input("x", tensor.Float32, model.Fixed(1, 64, 56, 56)...)
			y = n.Add("quantise", &layer.Quantize{Axis: 1}, y, one(0.008), zero8(false, 110))
			for range 3 {
				y = n.qconv(n.qconv(n.qconv(y, 64, 64, 3, 1, true, true), 64, 64, 3, 64, true, true), 64, 64, 1, 1, true, true)
			}
			n.Output(y)
			p, err := model.Compile(n.Graph, model.Options{Threads: 1, Plain: plain})
			if err != nil {
				b.Fatal(err)
			}
			s, in := p.NewSession(), model.Tensors{"x": n.weights(-1, 1, 1, 64, 56, 56).Const}
			for b.Loop() {
				if err := s.Run(context.Background(), in, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
