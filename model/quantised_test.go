package model_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// as says what 8-bit integers stand for.
type as struct {
	scale float32
	zero  int
	sign  bool
}

func (b *net) quantise(x *model.Value, q as) *model.Value {
	return b.Add(b.name("q"), &layer.Quantize{Axis: 1}, x, one(q.scale), zero8(q.sign, q.zero))
}

func (b *net) real(x *model.Value, q as) *model.Value {
	return b.Add(b.name("real"), &layer.Dequantize{Axis: 1}, x, one(q.scale), zero8(q.sign, q.zero))
}

// written is a convolution or product as a network of floats has it, and as the operators of integers do: y = f(x), quantised.
type written struct {
	weights, scales, bias *model.Value
	x, y                  as
}

func (b *net) weighed(x, y as, out int, shape ...int) written {
	return written{b.bytes(true, -127, 127, shape...), b.weights(0.005, 0.02, out), b.int32s(-5000, 5000, out), x, y}
}

// floats returns the inputs of an operator of float32, and integers those of one of integers.
func (b *net) floats(w written, x *model.Value, axis int) []*model.Value {
	unit := tensor.New(tensor.Float32, w.scales.Const.Len())
	for i, s := range w.scales.Const.Float32s() {
		unit.Float32s()[i] = float32(w.x.scale * s)
	}
	return []*model.Value{b.real(x, w.x), b.Add(b.name("w"), &layer.Dequantize{Axis: axis}, w.weights, w.scales),
		b.Add(b.name("b"), &layer.Dequantize{}, w.bias, model.Const(b.name("unit"), unit))}
}

func (b *net) integers(w written, x *model.Value) []*model.Value {
	return []*model.Value{x, one(w.x.scale), zero8(w.x.sign, w.x.zero), w.weights, w.scales, zero8(true, 0), one(w.y.scale), zero8(w.y.sign, w.y.zero), w.bias}
}

// TestQuantisedNetworks compiles networks of floats between QuantizeLinear and DequantizeLinear, and asks for the bytes that the plain operators of integers
// give, and for those that the plain operators of floats give but for one that was rounded the other way.
func TestQuantisedNetworks(t *testing.T) {
	in, mid, out := as{0.008, 110, false}, as{0.9, 100, false}, as{11, -7, true}
	clip := func(lo, hi float32) func(b *net, x *model.Value) *model.Value {
		return func(b *net, x *model.Value) *model.Value {
			return b.Add(b.name("clip"), &layer.Clip{}, x, one(lo), one(hi))
		}
	}
	relu := func(b *net, x *model.Value) *model.Value { return b.unary(layer.Relu, x) }
	same := func(_ *net, x *model.Value) *model.Value { return x }
	for _, c := range []struct {
		name  string
		act   func(b *net, x *model.Value) *model.Value
		least int // that the activation lets through, as integers of mid
		most  int
	}{{"plain", same, 0, 255}, {"clip to nothing", clip(float32(math.NaN()), float32(math.NaN())), 0, 255}, {"relu", relu, 100, 255}, {"clip", clip(-9, 36), 90, 140}} {
		t.Run(c.name, func(t *testing.T) {
			chain := func(floats bool) *model.Graph {
				return build(5, func(b *net, x *model.Value) *model.Value {
					first, deep, last := b.weighed(in, mid, 24, 24, 6, 3, 3), b.weighed(mid, mid, 24, 24, 1, 3, 3), b.weighed(mid, out, 7, 7, 24, 1, 1)
					x = b.quantise(x, in)
					conv := func(x *model.Value, w written, groups int, act func(b *net, x *model.Value) *model.Value) *model.Value {
						f := layer.Conv{Window: pads((w.weights.Const.Dim(2) - 1) / 2), Groups: groups}
						if floats {
							return b.quantise(act(b, b.Add(b.name("conv"), &f, b.floats(w, x, 0)...)), w.y)
						}
						y := b.Add(b.name("conv"), &layer.QLinearConv{Conv: f}, b.integers(w, x)...)
						if w.y != mid {
							return y
						}
						y = b.Add(b.name("wide"), &layer.Cast{To: tensor.Float32}, y)
						y = b.Add(b.name("clip"), &layer.Clip{}, y, one(float32(c.least)), one(float32(c.most)))
						return b.Add(b.name("narrow"), &layer.Cast{To: tensor.Uint8}, y)
					}
					return conv(conv(conv(x, first, 1, c.act), deep, 24, c.act), last, 1, same)
				})
			}
			steps := map[string]int{"Conv8": 3}
			if c.name == "clip to nothing" {
				steps["Conv8"] = 1 // kernels of bytes do not know such bounds
			}
			compare(t, chain, steps, 1)
		})
	}
	for _, turned := range []bool{false, true} {
		compare(t, func(floats bool) *model.Graph {
			return build(5, func(b *net, x *model.Value) *model.Value {
				k, n := 6*13*11, 9
				shape, axis := []int{k, n}, 1
				if turned {
					shape, axis = []int{n, k}, 0
				}
				w := b.weighed(in, as{0.3, 120, false}, n, shape...)
				y := b.Add("flat", &layer.Reshape{}, b.quantise(x, in), ints(2, -1))
				if floats {
					g := &layer.Gemm{Alpha: 1, Beta: 1, TransB: turned}
					return b.quantise(b.Add("gemm", g, b.floats(w, y, axis)...), w.y)
				}
				// As a convolution of a picture of one pixel: integers have no Gemm.
				f := w.weights.Const
				if !turned {
					f = tensor.New(tensor.Int8, n, k)
					for i, v := range tensor.Data[int8](w.weights.Const) {
						tensor.Data[int8](f)[i%n*k+i/n] = v
					}
				}
				w.weights = model.Const("turned", f.Reshape(n, k, 1, 1))
				y = b.Add("pixel", &layer.Reshape{}, y, ints(2, -1, 1, 1))
				y = b.Add("conv", &layer.QLinearConv{Conv: layer.Conv{Groups: 1}}, b.integers(w, y)...)
				return b.Add("row", &layer.Reshape{}, y, ints(2, -1))
			})
		}, map[string]int{"MatMul8": 1}, 1)
	}
}

// TestQuantisedElements does the same with element-wise operations and moves, whose bytes are those of the plain operators of floats.
func TestQuantisedElements(t *testing.T) {
	in, other := as{0.008, 110, false}, as{0.02, -3, true}
	table := func(fn layer.Fn) func(b *net, x *model.Value) *model.Value {
		return func(b *net, x *model.Value) *model.Value {
			return b.quantise(b.unary(fn, b.real(b.quantise(x, in), in)), other)
		}
	}
	pair := func(fn layer.Fn, act bool) func(b *net, x *model.Value) *model.Value {
		return func(b *net, x *model.Value) *model.Value {
			y := b.Add("y", &layer.Binary{Fn: layer.Mul}, x, b.weights(-1, 1, 2, 6, 13, 11))
			z := b.Add("z", &layer.Binary{Fn: fn}, b.real(b.quantise(x, in), in), b.real(b.quantise(y, other), other))
			if act {
				z = b.unary(layer.LeakyRelu, z)
			}
			return b.quantise(z, as{0.011, 70, false})
		}
	}
	for _, c := range []struct {
		name  string
		f     func(b *net, x *model.Value) *model.Value
		steps map[string]int
	}{
		{"sigmoid", table(layer.Sigmoid), map[string]int{"Table8": 1}},
		{"hard swish in two steps", func(b *net, x *model.Value) *model.Value {
			q := b.quantise(x, in)
			gate := b.quantise(b.Add("gate", &layer.Unary{Fn: layer.HardSigmoid, Alpha: 1. / 6, Beta: 0.5}, b.real(q, in)), other)
			return b.quantise(b.Add("mul", &layer.Binary{Fn: layer.Mul}, b.real(q, in), b.real(gate, other)), as{0.007, 20, false})
		}, map[string]int{"Table8": 1}},
		{"another scale", func(b *net, x *model.Value) *model.Value {
			return b.quantise(b.real(b.quantise(x, in), in), other)
		}, map[string]int{"Table8": 1}},
		{"sum", pair(layer.Add, false), map[string]int{"Add8": 1}},
		{"difference", pair(layer.Sub, false), map[string]int{"Sub8": 1}},
		{"product and activation", pair(layer.Mul, true), map[string]int{"Mul8": 1}},
		{"moves", func(b *net, x *model.Value) *model.Value {
			q := b.real(b.quantise(x, in), in)
			q = b.real(b.quantise(b.Add("turn", &layer.Transpose{Perm: []int{0, 2, 1, 3}}, q), in), in)
			q = b.real(b.quantise(b.Add("flat", &layer.Reshape{}, q, ints(2, 13, -1)), in), in)
			return b.quantise(b.Add("twice", &layer.Concat{Axis: 1}, q, q), in)
		}, map[string]int{"DequantizeLinear": 0, "Transpose": 1, "Concat": 1}},
		{"pooling", func(b *net, x *model.Value) *model.Value {
			y := b.Add("pool", &layer.MaxPool{Window: layer.Window{Kernel: []int{3, 2}, Strides: []int{2, 1}, Pads: []int{1, 1, 1, 0}}}, b.real(b.quantise(x, in), in))
			return b.quantise(y, other)
		}, map[string]int{"DequantizeLinear": 0, "Table8": 1, "MaxPool": 1}},
		{"a move to another scale", func(b *net, x *model.Value) *model.Value {
			return b.quantise(b.Add("turn", &layer.Transpose{Perm: []int{0, 3, 2, 1}}, b.real(b.quantise(x, in), in)), other)
		}, map[string]int{"DequantizeLinear": 0, "Table8": 1}},
		{"a concatenation of several scales", func(b *net, x *model.Value) *model.Value {
			q := b.quantise(x, in)
			return b.quantise(b.Add("all", &layer.Concat{Axis: 1}, b.real(q, in), b.real(b.quantise(b.unary(layer.Sigmoid, b.real(q, in)), other), other)), as{0.01, 100, false})
		}, map[string]int{"DequantizeLinear": 0, "Table8": 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			compare(t, func(bool) *model.Graph { return build(5, c.f) }, c.steps, 0)
		})
	}
	// Gates for each channel come in pictures of one.
	t.Run("gate", func(t *testing.T) {
		compare(t, func(bool) *model.Graph {
			return build(5, func(b *net, x *model.Value) *model.Value {
				q := b.quantise(b.Add("first", &layer.Slice{}, x, ints(0), ints(1), ints(0)), in)
				mean := b.Add("mean", &layer.GlobalPool{Fn: layer.GlobalAveragePool}, b.real(q, in))
				gate := b.quantise(b.unary(layer.Sigmoid, mean), other)
				return b.quantise(b.Add("mul", &layer.Binary{Fn: layer.Mul}, b.real(gate, other), b.real(q, in)), in)
			})
		}, map[string]int{"Mul8": 1}, 0)
	})
}

// TestSumsOfQuantisedNetworksDoNotWrap has sums beyond 32 bits, which are those of floats.
func TestSumsOfQuantisedNetworksDoNotWrap(t *testing.T) {
	const k = 70000
	b := newNet(1)
	x := b.Input("x", tensor.Float32, model.Fixed(1, k)...)
	w := tensor.New(tensor.Int8, k, 1)
	for i := range w.Raw() {
		w.Raw()[i] = 127
	}
	weights := b.Add("w", &layer.Dequantize{Axis: 1}, model.Const("bytes", w), one(1))
	y := b.Add("y", &layer.MatMul{}, b.real(b.quantise(x, as{1, 0, false}), as{1, 0, false}), weights)
	b.Output(b.quantise(y, as{1e7, 0, false}))
	in := tensor.New(tensor.Float32, 1, k)
	for i := range in.Float32s() {
		in.Float32s()[i] = 255
	}
	p, err := model.Compile(b.Graph, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := model.Tensors{}
	if err := p.NewSession().Run(context.Background(), model.Tensors{"x": in}, out); err != nil {
		t.Fatal(err)
	}
	if len(out) != 1 {
		t.Fatalf("%d outputs", len(out))
	}
	for _, y := range out {
		if got := y.Raw()[0]; got != 227 { // 70000·127·255 / 1e7
			t.Errorf("%d, want 227", got)
		}
	}
}

// compare runs a network compiled, and asks for the bytes of the plain operators of integers, and for those of floats but for off.
func compare(t *testing.T, graph func(floats bool) *model.Graph, steps map[string]int, off int) {
	t.Helper()
	x := testInput(7)
	floats, want := run(t, graph(true), model.Options{Plain: true}, x), run(t, graph(false), model.Options{Plain: true}, x)
	for _, threads := range []int{1, 3} {
		got := run(t, graph(true), model.Options{Threads: threads}, x)
		if got.DType() != want.DType() || !slices.Equal(got.Shape(), want.Shape()) {
			t.Fatalf("%v%v, want %v%v", got.DType(), got.Shape(), want.DType(), want.Shape())
		}
		for i, v := range want.Floats() {
			if g, f := got.Floats()[i], floats.Floats()[i]; g != v || g-f > float32(off) || f-g > float32(off) {
				t.Fatalf("%d threads: element %d is %v, integers give %v, floats %v", threads, i, g, v, f)
			}
		}
	}
	if n := spread(want.Raw()); n < 9 {
		t.Errorf("the results have %d different bytes, and show nothing", n)
	}
	p, err := model.Compile(graph(true), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, s := range p.Steps() {
		found[s.Op]++
	}
	for op, n := range steps {
		if found[op] != n {
			t.Errorf("%d steps of %s, want %d: %v", found[op], op, n, found)
		}
	}
}
