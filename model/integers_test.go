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

// qconv is a QLinearConv of unsigned data with zero point 110, whose outputs fill the range.
func (b *net) qconv(x *model.Value, in, out, k, groups int, perChannel, bias bool) *model.Value {
	cg := in / groups
	ws, wz := one(0.01), zero8(true, 0)
	if perChannel {
		ws, wz = b.weights(0.005, 0.02, out), b.bytes(true, -3, 3, out)
	}
	v := []*model.Value{x, one(0.02), zero8(false, 110), b.bytes(true, -128, 127, out, cg, k, k), ws, wz, one(float32(cg*k*k) * 0.01), zero8(false, 120)}
	if bias {
		v = append(v, b.int32s(-5000, 5000, out))
	}
	return b.Add(b.name("qconv"), &layer.QLinearConv{Conv: layer.Conv{Window: pads(k / 2), Groups: groups}}, v...)
}

// integerNets have a product of integers each, and how many the program should compute in float32, by its steps of kind Conv and MatMul.
var integerNets = map[string]struct {
	f    func(b *net, x *model.Value) *model.Value
	fast int
}{
	"chain": {func(b *net, x *model.Value) *model.Value {
		y := b.qconv(x, 6, 24, 3, 1, true, true)
		y = b.qconv(y, 24, 24, 3, 24, false, true)
		return b.qconv(y, 24, 7, 1, 1, true, false)
	}, 3},
	"in parts": {func(b *net, x *model.Value) *model.Value {
		return b.qconv(b.qconv(x, 6, 200, 1, 1, true, true), 200, 5, 5, 1, true, true)
	}, 4},
	"bias beyond float32": {func(b *net, x *model.Value) *model.Value {
		v := []*model.Value{x, one(0.02), zero8(false, 110), b.bytes(true, -128, 127, 4, 6, 3, 3), one(0.01), zero8(true, 0), one(800), zero8(true, -125), b.int32s(1<<24, 1<<30, 4)}
		return b.Add("qconv", &layer.QLinearConv{Conv: layer.Conv{Window: pads(1), Groups: 1}}, v...)
	}, 0},
	"sums as integers": {func(b *net, x *model.Value) *model.Value {
		return b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(2), Groups: 2}}, x, b.bytes(false, 0, 255, 8, 3, 5, 5), zero8(false, 110), b.bytes(false, 100, 150, 8))
	}, 1},
	"sums as integers in parts": {func(b *net, x *model.Value) *model.Value {
		y := b.qconv(x, 6, 120, 1, 1, false, false)
		return b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(2), Groups: 1}}, y, b.bytes(false, 120, 140, 3, 120, 5, 5), zero8(false, 3))
	}, 1 + 6},
	"sums as floats": {func(b *net, x *model.Value) *model.Value {
		y := b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(1), Groups: 1}}, x, b.bytes(true, -128, 127, 8, 6, 3, 3))
		return b.unary(layer.Relu, b.Add("float", &layer.Cast{To: tensor.Float32}, y))
	}, 1},
	"products": {func(b *net, x *model.Value) *model.Value {
		y := b.Add("flat", &layer.Reshape{}, x, ints(2, -1))
		y = b.Add("q", &layer.QLinearMatMul{}, y, one(0.02), zero8(false, 110), b.bytes(true, -128, 127, 6*13*11, 30), b.weights(0.005, 0.02, 30), b.bytes(true, -9, 9, 30),
			one(8), zero8(true, 10))
		return b.Add("sums", &layer.MatMulInteger{}, y, b.bytes(true, -128, 127, 30, 5), zero8(true, -100))
	}, 2},
	"products beyond float32": {func(b *net, x *model.Value) *model.Value {
		y := b.Add("flat", &layer.Reshape{}, x, ints(2, -1))
		return b.Add("sums", &layer.MatMulInteger{}, y, b.bytes(true, 100, 127, 6*13*11, 5))
	}, 0},
	"groups beyond float32": {func(b *net, x *model.Value) *model.Value {
		y := b.qconv(x, 6, 100, 1, 1, false, false)
		return b.Add("sums", &layer.ConvInteger{Conv: layer.Conv{Window: pads(2), Groups: 2}}, y, b.bytes(true, 100, 127, 4, 50, 5, 5))
	}, 1},
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
			fast := 0
			for _, s := range p.Steps() {
				switch s.Op {
				case "Conv", "MatMul":
					fast++
				}
			}
			if fast != n.fast {
				t.Errorf("%d products in float32, want %d: %v", fast, n.fast, p.Steps())
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

// BenchmarkIntegers times nine QLinearConv on 64x56x56, 3x3, depthwise 3x3 and 1x1 three times: computed in float32, and by the plain loops of integers.
func BenchmarkIntegers(b *testing.B) {
	for name, plain := range map[string]bool{"float32": false, "plain": true} {
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
