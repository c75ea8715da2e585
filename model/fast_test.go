package model_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// net builds small networks for tests, with constants drawn from a seed.
type net struct {
	*model.Graph
	rng *rand.Rand
	n   int
}

func newNet(seed uint64) *net {
	return &net{Graph: &model.Graph{Name: "test"}, rng: rand.New(rand.NewPCG(seed, 3))}
}

func (b *net) name(op string) string {
	b.n++
	return fmt.Sprintf("%s%d", op, b.n)
}

// weights is a constant with elements in lo to hi.
func (b *net) weights(lo, hi float32, shape ...int) *model.Value {
	t := tensor.New(tensor.Float32, shape...)
	for i := range t.Float32s() {
		t.Float32s()[i] = lo + float32((hi-lo)*b.rng.Float32())
	}
	return model.Const(b.name("c"), t)
}

func ints(v ...int64) *model.Value { return model.Const("ints", tensor.Of(v, len(v))) }

func (b *net) conv(x *model.Value, in, out, k int, w layer.Window, groups int) *model.Value {
	s := float32(1 / math.Sqrt(float64(in*k*k/groups)))
	return b.Add(b.name("conv"), &layer.Conv{Window: w, Groups: groups}, x, b.weights(-s, s, out, in/groups, k, k), b.weights(-1, 1, out))
}

func (b *net) bn(x *model.Value, c int) *model.Value {
	return b.Add(b.name("bn"), &layer.BatchNorm{Epsilon: 1e-5}, x, b.weights(0.5, 2, c), b.weights(-1, 1, c), b.weights(-1, 1, c), b.weights(0.5, 2, c))
}

func (b *net) unary(fn layer.Fn, x *model.Value) *model.Value {
	return b.Add(b.name(string(fn)), &layer.Unary{Fn: fn, Alpha: 0.1, Beta: 0.5}, x)
}

func (b *net) binary(fn layer.Fn, x, y *model.Value) *model.Value {
	return b.Add(b.name(string(fn)), &layer.Binary{Fn: fn}, x, y)
}

func (b *net) split(x *model.Value, axis int) (p, q *model.Value) {
	p, q = &model.Value{Name: b.name("p")}, &model.Value{Name: b.name("q")}
	b.Nodes = append(b.Nodes, &model.Node{Name: b.name("split"), Op: &layer.Split{Axis: axis, Parts: 2}, In: []*model.Value{x}, Out: []*model.Value{p, q}})
	return p, q
}

func (b *net) number(v float32) *model.Value { return model.Const(b.name("s"), tensor.Scalar(v)) }

// norm is a layer norm along an axis of c elements, as exporters write it, with gain and bias of so many axes.
func (b *net) norm(x *model.Value, axis int64, c, gainRank, biasRank int) *model.Value {
	mean := func(v *model.Value) *model.Value {
		return b.Add(b.name("mean"), &layer.Reduce{Fn: layer.ReduceMean, KeepDims: true}, v, ints(axis))
	}
	row := func(lo, hi float32, rank int) *model.Value {
		shape := slices.Repeat([]int{1}, rank)
		if shape[rank-1] = c; axis == 1 {
			shape[rank-1], shape[rank-3] = 1, c
		}
		return b.weights(lo, hi, shape...)
	}
	d := b.binary(layer.Sub, x, mean(x))
	squares := b.binary(layer.Mul, d, d)
	if gainRank == 1 {
		squares = b.binary(layer.Pow, b.binary(layer.Sub, x, mean(x)), b.number(2))
	}
	y := b.binary(layer.Div, d, b.unary(layer.Sqrt, b.binary(layer.Add, mean(squares), b.number(0.1))))
	return b.binary(layer.Add, b.binary(layer.Mul, y, row(0.5, 1, gainRank)), row(-1, 1, biasRank))
}

// gelu is GELU as exporters write it.
func (b *net) gelu(x *model.Value) *model.Value {
	e := b.binary(layer.Add, b.unary(layer.Erf, b.binary(layer.Div, x, b.number(math.Sqrt2))), b.number(1))
	return b.binary(layer.Mul, b.binary(layer.Mul, x, e), b.number(0.5))
}

// hardSwish is x·clip(x+3, 0, hi)/by.
func (b *net) hardSwish(x *model.Value, hi, by float32) *model.Value {
	c := b.Add(b.name("clip"), &layer.Clip{}, b.binary(layer.Add, x, b.number(3)), b.number(0), b.number(hi))
	return b.binary(layer.Div, b.binary(layer.Mul, x, c), b.number(by))
}

// up is a transposed convolution with square windows.
func (b *net) up(x *model.Value, in, out, k int, c *layer.ConvTranspose) *model.Value {
	s := float32(1 / math.Sqrt(float64(in*k*k/c.Groups)))
	return b.Add(b.name("up"), c, x, b.weights(-s, s, in, out/c.Groups, k, k), b.weights(-1, 1, out))
}

func pads(n int) layer.Window { return layer.Window{Pads: []int{n, n, n, n}} }

// nets are networks that meet every fast form and the changes of layout between them; x is [2,6,13,11].
var nets = map[string]func(b *net, x *model.Value) *model.Value{
	"8-bit integers": func(b *net, x *model.Value) *model.Value {
		q := as{0.9, 120, false}
		y := b.qconv(b.quantise(x, as{0.008, 110, false}), 6, 24, 3, 1, true, true)
		z := b.qconv(y, 24, 24, 3, 24, false, true)
		return b.real(b.quantise(b.Add("sum", &layer.Binary{Fn: layer.Add}, b.real(y, q), b.real(z, q)), q), q)
	},
	"conv-bn-relu": func(b *net, x *model.Value) *model.Value {
		return b.unary(layer.Relu, b.bn(b.conv(x, 6, 20, 3, pads(1), 1), 20))
	},
	"residual": func(b *net, x *model.Value) *model.Value {
		y := b.unary(layer.Relu, b.conv(x, 6, 16, 3, pads(1), 1))
		z := b.bn(b.conv(b.unary(layer.LeakyRelu, b.conv(y, 16, 16, 3, pads(1), 1)), 16, 16, 1, layer.Window{}, 1), 16)
		return b.unary(layer.Relu, b.binary(layer.Add, z, y))
	},
	"winograd": func(b *net, x *model.Value) *model.Value {
		y := b.unary(layer.Relu, b.conv(x, 6, 32, 1, layer.Window{}, 1))
		z := b.unary(layer.Relu, b.conv(y, 32, 40, 3, pads(1), 1))
		return b.unary(layer.LeakyRelu, b.binary(layer.Add, y, b.conv(z, 40, 32, 3, pads(1), 1)))
	},
	"two convolutions added": func(b *net, x *model.Value) *model.Value {
		y := b.binary(layer.Add, b.conv(x, 6, 16, 3, layer.Window{Strides: []int{2, 2}}, 1), b.conv(x, 6, 16, 3, layer.Window{Strides: []int{2, 2}}, 1))
		return b.Add("clip", &layer.Clip{}, y, model.Const("lo", tensor.Scalar[float32](-0.3)), model.Const("hi", tensor.Scalar[float32](0.4)))
	},
	"read twice": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 8, 1, layer.Window{}, 1)
		return b.binary(layer.Add, b.unary(layer.Relu, y), b.binary(layer.Mul, y, y))
	},
	"mobile": func(b *net, x *model.Value) *model.Value {
		y := b.unary(layer.HardSwish, b.conv(x, 6, 24, 1, layer.Window{}, 1))
		y = b.Add("clip", &layer.Clip{}, b.conv(y, 24, 24, 3, layer.Window{Strides: []int{2, 1}, Pads: []int{1, 1, 1, 1}}, 24),
			model.Const("lo", tensor.Scalar[float32](0)), model.Const("hi", tensor.Scalar[float32](6)))
		s := b.Add("pool", &layer.GlobalPool{Fn: layer.GlobalAveragePool}, y)
		s = b.unary(layer.HardSigmoid, b.conv(b.unary(layer.Relu, b.conv(s, 24, 4, 1, layer.Window{}, 1)), 4, 24, 1, layer.Window{}, 1))
		return b.conv(b.binary(layer.Mul, s, y), 24, 10, 1, layer.Window{}, 1)
	},
	"zeros between weights": func(b *net, x *model.Value) *model.Value {
		thin := func(c, k, across, down int) *model.Value {
			t := tensor.New(tensor.Float32, c, 1, k, k)
			for i := range t.Float32s() {
				if i%k%across == 0 && i/k%k%down == 0 {
					t.Float32s()[i] = b.rng.Float32() - 0.5
				}
			}
			return model.Const(b.name("c"), t)
		}
		y := b.conv(x, 6, 24, 1, layer.Window{}, 1)
		y = b.Add(b.name("conv"), &layer.Conv{Window: pads(2), Groups: 24}, y, thin(24, 5, 2, 2), b.weights(-1, 1, 24))
		y = b.Add(b.name("conv"), &layer.Conv{Window: layer.Window{AutoPad: layer.PadSameUpper}, Groups: 24}, y, thin(24, 9, 4, 2))
		y = b.Add(b.name("conv"), &layer.Conv{Window: pads(3), Groups: 24}, y, thin(24, 7, 1, 3), b.weights(-1, 1, 24))
		return b.unary(layer.Relu, y)
	},
	"mish and squares": func(b *net, x *model.Value) *model.Value {
		y := b.binary(layer.Pow, b.unary(layer.Mish, b.conv(x, 6, 9, 1, layer.Window{}, 1)), model.Const("two", tensor.Scalar[float32](2)))
		y = b.binary(layer.Sub, y, b.binary(layer.Pow, model.Const("two", tensor.Scalar[float32](2)), y))
		y = b.binary(layer.Pow, b.binary(layer.Pow, b.unary(layer.Abs, y), b.number(0.5)), b.number(3))
		return b.binary(layer.Pow, b.binary(layer.Pow, b.binary(layer.Add, y, b.number(1)), b.number(-1)), b.number(0.3))
	},
	"einsums": func(b *net, x *model.Value) *model.Value {
		e := func(equation string, x, y *model.Value) *model.Value {
			return b.Add(b.name("einsum"), &layer.Einsum{Equation: equation}, x, y)
		}
		y := e("nchw,cd->ndhw", x, b.weights(-0.3, 0.3, 6, 5))
		y = e("kw, nchw -> nchk", b.weights(-0.3, 0.3, 9, 11), y)
		at := b.Add(b.name("softmax"), &layer.Softmax{Axis: -1}, e("nchw,ncvw->nhv", y, y))
		y = e("nhv,ncvw->cnwh", at, y)
		z := e("cnwh,nhw->cn", y, b.weights(-1, 1, 2, 13, 9))
		y = e("...ij,...jk->...ik", e("...ij, jk... -> ...ik", y, b.weights(-0.3, 0.3, 13, 4, 5, 2)), b.weights(-0.5, 0.5, 5, 2, 4, 13))
		return b.binary(layer.Add, e("cnwh,nw->nch", y, b.weights(-1, 1, 2, 9)), e("cn,d->ncd", z, b.weights(-1, 1, 13)))
	},
	"einsums of many": func(b *net, x *model.Value) *model.Value {
		e := func(equation string, x ...*model.Value) *model.Value {
			return b.Add(b.name("einsum"), &layer.Einsum{Equation: equation}, x...)
		}
		y := e("nchw, cd, nchw -> ndhw", x, b.weights(-0.3, 0.3, 6, 5), x)
		y = e("ndhw,we,nd->nhe", y, b.weights(-0.3, 0.3, 11, 7), b.weights(-1, 1, 2, 5))
		return e("nhe,n,hj,e->jen", y, b.weights(-1, 1, 2), b.weights(-0.3, 0.3, 13, 3), b.weights(-1, 1, 7))
	},
	"products with vectors": func(b *net, x *model.Value) *model.Value {
		y := b.Add(b.name("matmul"), &layer.MatMul{}, x, b.weights(-0.5, 0.5, 11)) // [2,6,13]
		y = b.Add(b.name("matmul"), &layer.MatMul{}, b.weights(-0.5, 0.5, 6), y)   // [2,13]
		z := b.Add(b.name("matmul"), &layer.MatMul{}, y, b.Add(b.name("row"), &layer.Reshape{}, b.Add(b.name("first"), &layer.Gather{}, y, ints(0)), ints(13)))
		trace := b.Add(b.name("trace"), &layer.Einsum{Equation: "ab,ba->"}, y, b.weights(-1, 1, 13, 2))
		trace = b.Add(b.name("as it is"), &layer.Transpose{}, b.Add(b.name("as it is"), &layer.Transpose{Perm: []int{}}, trace))
		z = b.binary(layer.Mul, z, trace)
		return b.binary(layer.Add, b.Add(b.name("matmul"), &layer.MatMul{}, z, y), b.Add(b.name("dot"), &layer.MatMul{}, z, z))
	},
	// What reads a line of text: columns of features, from which two layers go both ways.
	"columns both ways": func(b *net, x *model.Value) *model.Value {
		y := b.unary(layer.Relu, b.conv(x, 6, 12, 3, pads(1), 1))
		y = b.Add(b.name("mean"), &layer.Reduce{Fn: layer.ReduceMean}, y, ints(2))
		y = b.Add(b.name("columns"), &layer.Transpose{Perm: []int{2, 0, 1}}, y)
		for i, r := range []layer.Recurrent{
			{Cell: layer.CellLSTM, Activations: []layer.Unary{{Fn: layer.Sigmoid}, {Fn: layer.Tanh}, {Fn: layer.Tanh}}},
			{Cell: layer.CellGRU, Activations: []layer.Unary{{Fn: layer.Sigmoid}, {Fn: layer.Tanh}}},
		} {
			in, gates := 12+6*i, 4-i
			r.Direction, r.Activations = "bidirectional", slices.Concat(r.Activations, r.Activations)
			y = b.Add(b.name("r"), &r, y, b.weights(-0.5, 0.5, 2, gates*9, in), b.weights(-0.3, 0.3, 2, gates*9, 9), b.weights(-1, 1, 2, 2*gates*9))
			y = b.Add(b.name("reshape"), &layer.Reshape{}, b.Add(b.name("turn"), &layer.Transpose{Perm: []int{0, 2, 1, 3}}, y), ints(0, 0, -1))
		}
		return b.Add(b.name("softmax"), &layer.Softmax{Axis: -1}, b.Add(b.name("matmul"), &layer.MatMul{}, y, b.weights(-1, 1, 18, 7)))
	},
	"instance norm": func(b *net, x *model.Value) *model.Value {
		y := b.Add("norm", &layer.InstanceNorm{Epsilon: 1e-3}, b.conv(x, 6, 9, 3, pads(1), 1), b.weights(0.5, 1, 9), b.weights(-1, 1, 9))
		return b.conv(b.unary(layer.Relu, y), 9, 4, 1, layer.Window{}, 1)
	},
	"group norm": func(b *net, x *model.Value) *model.Value {
		y := b.Add("norm", &layer.GroupNorm{Groups: 3, Epsilon: 1e-3}, b.conv(x, 6, 12, 3, pads(1), 1), b.weights(0.5, 1, 12), b.weights(-1, 1, 12))
		y = b.Add("norm", &layer.GroupNorm{Groups: 2, Epsilon: 1e-3, PerGroup: true}, y, b.weights(0.5, 1, 2), b.weights(-1, 1, 2))
		return b.conv(b.unary(layer.Relu, y), 12, 4, 1, layer.Window{}, 1)
	},
	"means of rows": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 9, 1, layer.Window{}, 1)
		a := b.Add("channels", &layer.Reduce{Fn: layer.ReduceMean, KeepDims: true}, y, ints(1))
		c := b.Add("columns", &layer.Reduce{Fn: layer.ReduceMean, KeepDims: true}, y, ints(-1))
		flat := b.Add("flat", &layer.Reduce{Fn: layer.ReduceMean}, y, ints(1))
		flat = b.Add("flatter", &layer.Reduce{Fn: layer.ReduceMean}, flat, ints(2))
		y = b.binary(layer.Sub, b.binary(layer.Mul, y, a), c)
		return b.binary(layer.Add, y, b.Add("up", &layer.Reshape{}, flat, ints(2, 1, 13, 1)))
	},
	"depth to space": func(b *net, x *model.Value) *model.Value {
		y := b.Add("wide", &layer.DepthToSpace{B: 2}, b.conv(x, 6, 12, 1, layer.Window{}, 1))
		y = b.Add("wider", &layer.DepthToSpace{B: 3, ColumnsFirst: true}, b.conv(y, 3, 18, 1, layer.Window{}, 1))
		return b.Add("widest", &layer.DepthToSpace{B: 2, ColumnsFirst: true}, b.conv(y, 2, 4, 1, layer.Window{}, 1))
	},
	"softmax in the middle": func(b *net, x *model.Value) *model.Value {
		return b.Add("log", &layer.Softmax{Axis: 2, Log: true}, b.Add("p", &layer.Softmax{Axis: -2}, b.conv(x, 6, 9, 1, layer.Window{}, 1)))
	},
	"products": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 8, 1, layer.Window{}, 1) // [2,8,13,11]
		turned := b.Add("turn", &layer.Transpose{Perm: []int{0, 1, 3, 2}}, y)
		scores := b.Add("scores", &layer.Softmax{Axis: -1}, b.Add("qk", &layer.MatMul{}, y, turned)) // [2,8,13,13]
		z := b.Add("v", &layer.MatMul{}, scores, b.conv(x, 6, 1, 1, layer.Window{}, 1))              // one matrix for eight
		return b.Add("w", &layer.MatMul{}, b.weights(-0.3, 0.3, 1, 8, 5, 13), z)                     // a constant with a batch, at the left
	},
	"deal": func(b *net, x *model.Value) *model.Value {
		y := b.Add(b.name("pairs"), &layer.Reshape{}, b.conv(x, 6, 8, 1, layer.Window{}, 1), ints(-1, 2, 13*11))
		y = b.Add(b.name("turn"), &layer.Transpose{Perm: []int{1, 0, 2}}, y)
		y = b.Add(b.name("halves"), &layer.Reshape{}, y, ints(2, -1, 4, 13, 11))
		odd := b.Add(b.name("take"), &layer.Gather{}, y, model.Const("one", tensor.Scalar[int64](1)))
		even := b.Add(b.name("take"), &layer.Gather{}, y, model.Const("zero", tensor.Scalar[int64](0)))
		return b.binary(layer.Sub, odd, b.unary(layer.Relu, even))
	},
	"deal read otherwise": func(b *net, x *model.Value) *model.Value {
		y := b.Add(b.name("pairs"), &layer.Reshape{}, b.conv(x, 6, 8, 1, layer.Window{}, 1), ints(-1, 2, 13*11))
		y = b.Add(b.name("turn"), &layer.Transpose{Perm: []int{1, 0, 2}}, y)
		y = b.Add(b.name("halves"), &layer.Reshape{}, y, ints(2, -1, 4, 13, 11))
		odd := b.Add(b.name("take"), &layer.Gather{}, y, model.Const("one", tensor.Scalar[int64](1)))
		return b.binary(layer.Sub, odd, b.Add(b.name("sum"), &layer.Reduce{Fn: layer.ReduceSum}, y, ints(0)))
	},
	"pads": func(b *net, x *model.Value) *model.Value {
		pad := func(y *model.Value, mode layer.PadMode, n ...int64) *model.Value {
			return b.Add(b.name("pad"), &layer.Pad{Mode: mode}, y, ints(n...))
		}
		y := pad(b.conv(x, 6, 7, 1, layer.Window{}, 1), layer.PadConstant, 0, 0, 0, 0, 0, 2, 0, 0) // channels
		y = pad(b.unary(layer.Relu, y), layer.PadEdge, 0, 1, 2, 0, 0, 0, 1, 3)
		y = pad(y, layer.PadReflect, 0, 0, 1, -2, 0, 0, 2, 2)
		y = b.Add("pad", &layer.Pad{Mode: layer.PadConstant}, y, ints(1, -1, 2, 1), model.Const("v", tensor.Scalar[float32](3)), ints(-3, 3))
		return b.unary(layer.Abs, y)
	},
	"softmax between transposes": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 7, 1, layer.Window{}, 1)
		for _, s := range []struct {
			there, back []int
			op          layer.Softmax
		}{
			{[]int{0, 3, 2, 1}, []int{0, 3, 2, 1}, layer.Softmax{Axis: 3, Flatten: true}},
			{[]int{0, 2, 3, 1}, []int{0, 3, 1, 2}, layer.Softmax{Axis: -1, Log: true}},
			{[]int{3, 2, 0, 1}, []int{2, 3, 1, 0}, layer.Softmax{Axis: 3}},
		} {
			y = b.Add(b.name("there"), &layer.Transpose{Perm: s.there}, y)
			y = b.Add(b.name("softmax"), &s.op, y)
			y = b.Add(b.name("back"), &layer.Transpose{Perm: s.back}, y)
		}
		return y
	},
	"softmax between other transposes": func(b *net, x *model.Value) *model.Value {
		turn := func(y *model.Value, perm ...int) *model.Value {
			return b.Add(b.name("turn"), &layer.Transpose{Perm: perm}, y)
		}
		softmax := func(y *model.Value, s layer.Softmax) *model.Value { return b.Add(b.name("softmax"), &s, y) }
		y := turn(b.conv(x, 6, 7, 1, layer.Window{}, 1), 0, 3, 2, 1)
		z := turn(softmax(turn(y, 0, 2, 3, 1), layer.Softmax{Axis: 3}), 0, 2, 3, 1) // does not lead back
		z = turn(softmax(turn(z, 0, 3, 2, 1), layer.Softmax{Axis: 2, Flatten: true}), 0, 3, 2, 1)
		p := softmax(turn(z, 0, 3, 2, 1), layer.Softmax{Axis: 3}) // read twice
		return b.binary(layer.Add, turn(p, 0, 3, 2, 1), turn(p, 0, 3, 2, 1))
	},
	"extrema": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 8, 1, layer.Window{}, 1)
		most := b.Add(b.name("max"), &layer.Variadic{Fn: layer.Max}, y, b.conv(x, 6, 8, 1, layer.Window{}, 1))
		least := b.Add(b.name("min"), &layer.Variadic{Fn: layer.Min}, b.weights(-1, 1, 8, 1, 1), most)
		most = b.Add(b.name("max"), &layer.Variadic{Fn: layer.Max}, least, model.Const("low", tensor.Scalar[float32](-0.4)))
		return b.Add(b.name("min"), &layer.Variadic{Fn: layer.Min}, b.Add(b.name("max"), &layer.Variadic{Fn: layer.Max}, most, b.weights(-1, 0, 8, 1, 1)), model.Const("high", tensor.Scalar[float32](0.3)))
	},
	"selu": func(b *net, x *model.Value) *model.Value {
		return b.Add("selu", &layer.Unary{Fn: layer.Selu, Alpha: 1.67326, Beta: 1.0507}, b.conv(x, 6, 8, 1, layer.Window{}, 1))
	},
	"groups and dilation": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 9, 3, layer.Window{Dilations: []int{2, 1}, Pads: []int{2, 0, 1, 1}}, 3)
		return b.conv(y, 9, 5, 2, layer.Window{AutoPad: layer.PadSameLower, Strides: []int{2, 2}}, 1)
	},
	"pad": func(b *net, x *model.Value) *model.Value {
		p := b.Add("pad", &layer.Pad{Mode: layer.PadConstant}, x, ints(0, 0, 1, 0, 0, 0, 2, 1))
		return b.conv(p, 6, 7, 3, layer.Window{Pads: []int{0, 1, 0, 0}}, 1)
	},
	"pools": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 17, 1, layer.Window{}, 1)
		w := layer.Window{Kernel: []int{3, 2}, Strides: []int{2, 2}, Pads: []int{1, 0, 1, 1}, Ceil: true}
		m := b.Add("max", &layer.MaxPool{Window: w}, y)
		a := b.Add("avg", &layer.AveragePool{Window: w, CountPad: true}, y)
		c := b.Add("avg2", &layer.AveragePool{Window: w}, y)
		l := b.Add("lp", &layer.LpPool{Window: layer.Window{Kernel: []int{3, 2}, Strides: []int{2, 2}, Pads: []int{1, 0, 1, 1}, Ceil: true}, P: 2}, y)
		return b.Add("cat", &layer.Concat{Axis: 1}, m, a, c, l)
	},
	"shuffle": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 12, 1, layer.Window{}, 1)
		p, q := b.split(y, 1)
		z := b.Add("cat", &layer.Concat{Axis: 1}, b.unary(layer.Relu, b.conv(p, 6, 6, 3, pads(1), 6)), q)
		z = b.Add("five", &layer.Reshape{}, z, ints(2, 2, 6, 13, 11))
		z = b.Add("swap", &layer.Transpose{Perm: []int{0, 2, 1, 3, 4}}, z)
		z = b.Add("four", &layer.Reshape{}, z, ints(2, 12, 13, 11))
		s := b.Add("slice", &layer.Slice{}, z, ints(1), ints(11), ints(1))
		return b.conv(s, 10, 4, 1, layer.Window{}, 1)
	},
	"silu and constants": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 8, 3, pads(1), 1)
		y = b.binary(layer.Mul, y, b.unary(layer.Sigmoid, y))
		y = b.binary(layer.Div, b.binary(layer.Sub, b.weights(1, 2, 8, 1, 1), y), model.Const("s", tensor.Scalar[float32](0.7)))
		y = b.binary(layer.PRelu, y, b.weights(0, 1, 8, 1, 1))
		return b.binary(layer.Add, y, b.weights(-1, 1, 1, 8, 13, 1))
	},
	"folded affine": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 8, 3, pads(1), 1)
		y = b.binary(layer.Sub, b.weights(-1, 1, 8, 1, 1), b.binary(layer.Mul, y, b.weights(0.5, 2, 1, 8, 1, 1)))
		return b.binary(layer.Add, y, model.Const("s", tensor.Scalar[float32](0.25)))
	},
	"head": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 10, 3, pads(1), 1)
		y = b.Add("last", &layer.Transpose{Perm: []int{0, 2, 3, 1}}, y)
		y = b.Add("rows", &layer.Reshape{}, y, ints(2, -1, 5))
		return b.Add("soft", &layer.Softmax{Axis: -1}, y)
	},
	"scene": func(b *net, x *model.Value) *model.Value {
		y := b.bn(x, 6)
		return b.Add("soft", &layer.Softmax{Axis: 1, Log: true}, b.conv(y, 6, 5, 1, layer.Window{}, 1))
	},
	"transposed": func(b *net, x *model.Value) *model.Value {
		two := []int{2, 2}
		y := b.unary(layer.Relu, b.bn(b.up(x, 6, 18, 2, &layer.ConvTranspose{Window: layer.Window{Strides: two}, Groups: 1}), 18))
		w := pads(1)
		w.Strides = two
		y = b.unary(layer.LeakyRelu, b.up(y, 18, 8, 3, &layer.ConvTranspose{Window: w, Groups: 2, OutPads: []int{1, 0}}))
		y = b.binary(layer.Mul, b.up(y, 8, 4, 3, &layer.ConvTranspose{Window: pads(1), Groups: 2}), b.weights(0.5, 1, 4, 1, 1))
		return b.up(y, 4, 3, 1, &layer.ConvTranspose{Window: layer.Window{Strides: []int{1, 2}}, Groups: 1, OutputShape: []int{54, 101}})
	},
	"transposed in one dimension": func(b *net, x *model.Value) *model.Value {
		y := b.Add("flat", &layer.Reshape{}, x, ints(2, 6, 143))
		c := &layer.ConvTranspose{Window: layer.Window{Strides: []int{2}, AutoPad: layer.PadSameUpper}, Groups: 1}
		y = b.unary(layer.Relu, b.Add("up", c, y, b.weights(-0.3, 0.3, 6, 5, 4)))
		d := &layer.ConvTranspose{Window: layer.Window{Dilations: []int{2}}, Groups: 1}
		return b.unary(layer.Relu, b.Add("wide", d, y, b.weights(-0.3, 0.3, 5, 4, 3)))
	},
	"computed bias": func(b *net, x *model.Value) *model.Value {
		m := b.Add("mean", &layer.Reduce{Fn: layer.ReduceMean}, x, ints(0, 2, 3))
		y := b.unary(layer.Relu, b.Add("conv", &layer.Conv{Groups: 1}, x, b.weights(-0.3, 0.3, 6, 6, 1, 1), m))
		return b.unary(layer.LeakyRelu, b.Add("up", &layer.ConvTranspose{Groups: 1}, y, b.weights(-0.3, 0.3, 6, 6, 2, 2), m))
	},
	"dilated means": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 4, 1, layer.Window{}, 1)
		w := layer.Window{Kernel: []int{3, 2}, Strides: []int{3, 3}, Dilations: []int{2, 3}, Pads: []int{1, 0, 1, 1}, Ceil: true}
		return b.binary(layer.Add, b.Add("padded", &layer.AveragePool{Window: w, CountPad: true}, y), b.Add("inside", &layer.AveragePool{Window: w}, y))
	},
	"live bias and a residual": func(b *net, x *model.Value) *model.Value {
		flat := b.Add("flat", &layer.Reshape{}, x, ints(2, 858))
		bias := b.Add("bias", &layer.Reduce{Fn: layer.ReduceMean}, b.Add("rows", &layer.Slice{}, flat, ints(0), ints(9), ints(1)), ints(0))
		y := b.Add("fc", &layer.Gemm{Alpha: 1, Beta: 1}, flat, b.weights(-0.05, 0.05, 858, 9), bias)
		y = b.unary(layer.Relu, b.binary(layer.Add, y, b.Add("res", &layer.Slice{}, flat, ints(20), ints(29), ints(1))))
		return b.binary(layer.Add, b.Add("fixed", &layer.Gemm{Alpha: 1, Beta: 1}, y, b.weights(-0.3, 0.3, 9, 9), b.weights(-1, 1, 9)), y)
	},
	"odd halves": func(b *net, x *model.Value) *model.Value {
		z := b.Add("five", &layer.Reshape{}, b.conv(x, 6, 10, 1, layer.Window{}, 1), ints(2, 2, 5, 13, 11))
		z = b.Add("four", &layer.Reshape{}, b.Add("swap", &layer.Transpose{Perm: []int{0, 2, 1, 3, 4}}, z), ints(2, 10, 13, 11))
		p, q := b.split(z, 1)
		return b.binary(layer.Sub, b.conv(p, 5, 4, 1, layer.Window{}, 1), b.conv(q, 5, 4, 1, layer.Window{}, 1))
	},
	"crop before a convolution": func(b *net, x *model.Value) *model.Value {
		p := b.Add("crop", &layer.Pad{Mode: layer.PadConstant}, x, ints(0, 0, -1, 0, 0, 0, 0, -2))
		return b.conv(p, 6, 7, 3, pads(2), 1)
	},
	"softmax between nested transposes": func(b *net, x *model.Value) *model.Value {
		turn := func(v *model.Value, perm ...int) *model.Value {
			return b.Add(b.name("turn"), &layer.Transpose{Perm: perm}, v)
		}
		inner := turn(turn(b.conv(x, 6, 6, 1, layer.Window{}, 1), 0, 2, 3, 1), 0, 1, 3, 2)
		y := turn(turn(b.Add("soft", &layer.Softmax{Axis: -1}, inner), 0, 1, 3, 2), 0, 3, 1, 2)
		return b.binary(layer.Add, y, turn(b.unary(layer.Relu, inner), 0, 2, 1, 3))
	},
	"a part of nothing": func(b *net, x *model.Value) *model.Value {
		parts := []*model.Value{{Name: "two"}, {Name: "one"}, {Name: "none"}}
		b.Nodes = append(b.Nodes, &model.Node{Name: "split", Op: &layer.Split{Axis: 1, Parts: 3}, In: []*model.Value{b.conv(x, 6, 3, 1, layer.Window{}, 1), ints(2, 1, 0)}, Out: parts})
		return b.Add("cat", &layer.Concat{Axis: 1}, b.unary(layer.Relu, parts[1]), parts[0], parts[2])
	},
	"resize of channels": func(b *net, x *model.Value) *model.Value {
		y := b.Add("line", &layer.Reshape{}, b.conv(x, 6, 1, 1, layer.Window{}, 1), ints(2, 1, 1, 143))
		return b.Add("resize", &layer.Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"}, y, nil, model.Const("scales", tensor.Of([]float32{1, 2, 1, 1}, 4)))
	},
	"transformer": func(b *net, x *model.Value) *model.Value {
		lin := func(x *model.Value, in, out int, bias ...int) *model.Value {
			return b.binary(layer.Add, b.weights(-1, 1, append(bias, out)...), b.Add(b.name("mm"), &layer.MatMul{}, x, b.weights(-0.3, 0.3, in, out)))
		}
		y := b.Add("tokens", &layer.Reshape{}, b.conv(x, 6, 12, 1, layer.Window{}, 1), ints(2, 12, 143))
		y = b.Add("turned", &layer.Transpose{Perm: []int{0, 2, 1}}, y) // [2,143,12]
		z := b.Add("qkv", &layer.Reshape{}, lin(b.norm(y, -1, 12, 1, 1), 12, 36), ints(2, 143, 3, 2, 6))
		z = b.Add("heads", &layer.Transpose{Perm: []int{2, 0, 3, 1, 4}}, z) // [3,2,2,143,6]
		part := func(i int64) *model.Value {
			return b.Add(b.name("part"), &layer.Gather{}, z, model.Const("i", tensor.Scalar(i)))
		}
		scores := b.Add("scores", &layer.MatMul{}, part(0), b.Add("k", &layer.Transpose{Perm: []int{0, 1, 3, 2}}, part(1)))
		z = b.Add("seen", &layer.MatMul{}, b.Add("soft", &layer.Softmax{Axis: -1}, b.binary(layer.Mul, scores, b.number(0.4))), part(2))
		z = b.Add("joined", &layer.Reshape{}, b.Add("side", &layer.Transpose{Perm: []int{0, 2, 1, 3}}, z), ints(2, 143, 12))
		y = b.binary(layer.Add, y, lin(z, 12, 12, 1))
		y = b.binary(layer.Add, lin(b.gelu(lin(b.norm(y, 2, 12, 1, 1), 12, 20)), 20, 12), y)
		y = b.Add("back", &layer.Transpose{Perm: []int{0, 2, 1}}, y)
		return b.unary(layer.Relu, b.conv(b.Add("image", &layer.Reshape{}, y, ints(2, 12, 13, 11)), 12, 4, 3, pads(1), 1))
	},
	"norm of channels": func(b *net, x *model.Value) *model.Value {
		y := b.norm(b.conv(x, 6, 10, 1, layer.Window{}, 1), 1, 10, 3, 4)
		return b.norm(b.conv(y, 10, 3, 1, layer.Window{}, 1), 1, 3, 4, 3)
	},
	"activations in pieces": func(b *net, x *model.Value) *model.Value {
		y := b.gelu(b.conv(x, 6, 9, 1, layer.Window{}, 1))
		e := b.unary(layer.Erf, b.binary(layer.Mul, b.number(0.70710677), y))
		y = b.binary(layer.Mul, b.binary(layer.Mul, b.number(0.5), y), b.binary(layer.Add, b.number(1), e))
		cube := b.binary(layer.Mul, b.number(0.044715), b.binary(layer.Pow, y, b.number(3)))
		th := b.unary(layer.Tanh, b.binary(layer.Mul, b.binary(layer.Add, y, cube), b.number(0.7978846)))
		y = b.binary(layer.Mul, y, b.binary(layer.Mul, b.binary(layer.Add, th, b.number(1)), b.number(0.5)))
		return b.binary(layer.Add, b.hardSwish(y, 6, 6), b.hardSwish(b.unary(layer.Neg, y), 6, 6))
	},
	"pieces of something else": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 9, 1, layer.Window{}, 1)
		erf := func(v *model.Value, add float32) *model.Value {
			return b.binary(layer.Add, b.unary(layer.Erf, b.binary(layer.Div, v, b.number(1.4142135))), b.number(add))
		}
		half := func(v, gate *model.Value) *model.Value {
			return b.binary(layer.Mul, b.binary(layer.Mul, v, gate), b.number(0.5))
		}
		y = b.binary(layer.Add, half(y, erf(b.unary(layer.Neg, y), 1)), b.binary(layer.Add, half(y, erf(y, 2)), b.hardSwish(y, 5, 6)))
		mean := func(v *model.Value, axis int64) *model.Value {
			return b.Add(b.name("mean"), &layer.Reduce{Fn: layer.ReduceMean, KeepDims: true}, v, ints(axis))
		}
		over := func(d, sq *model.Value, axis int64) *model.Value {
			return b.binary(layer.Div, d, b.unary(layer.Sqrt, b.binary(layer.Add, mean(b.binary(layer.Mul, sq, sq), axis), b.number(0.5))))
		}
		rows, channels := b.binary(layer.Sub, y, mean(y, 3)), b.binary(layer.Sub, y, mean(y, 1))
		y = b.binary(layer.Add, over(rows, channels, 3), over(rows, rows, 1))
		y = b.binary(layer.Add, y, over(channels, b.binary(layer.Sub, mean(y, 1), y), 1))
		return b.binary(layer.Add, y, over(b.binary(layer.Sub, y, mean(y, 2)), b.binary(layer.Sub, y, mean(y, 2)), 2))
	},
	"pieces read elsewhere": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 9, 1, layer.Window{}, 1)
		e := b.unary(layer.Erf, b.binary(layer.Div, y, b.number(1.4142135)))
		g := b.binary(layer.Mul, b.binary(layer.Mul, y, b.binary(layer.Add, e, b.number(1))), b.number(0.5))
		m := b.Add("mean", &layer.Reduce{Fn: layer.ReduceMean, KeepDims: true}, g, ints(-1))
		d := b.binary(layer.Sub, g, m)
		v := b.Add("var", &layer.Reduce{Fn: layer.ReduceMean, KeepDims: true}, b.binary(layer.Pow, d, b.number(2)), ints(-1))
		n := b.binary(layer.Div, d, b.unary(layer.Sqrt, b.binary(layer.Add, v, b.number(0.5))))
		n = b.binary(layer.Add, b.binary(layer.Mul, n, b.weights(0.5, 1, 11)), b.binary(layer.Mul, n, b.weights(0.5, 1, 11)))
		return b.binary(layer.Add, b.binary(layer.Add, n, m), b.binary(layer.Add, e, b.binary(layer.Mul, v, d)))
	},
	"spread": func(b *net, x *model.Value) *model.Value {
		y := b.Add("tokens", &layer.Reshape{}, b.conv(x, 6, 12, 1, layer.Window{}, 1), ints(2, 3, 4, 143))
		mean := func(v *model.Value, keep bool, axes ...int64) *model.Value {
			return b.Add(b.name("mean"), &layer.Reduce{Fn: layer.ReduceMean, KeepDims: keep}, v, ints(axes...))
		}
		for i, fn := range []layer.Fn{layer.Add, layer.Sub, layer.Mul, layer.Div} {
			shift := func(v *model.Value) *model.Value { return b.binary(layer.Add, v, b.number(4)) }
			for j, v := range []*model.Value{
				mean(y, true, 3), mean(y, true, 2), mean(y, true, 1), mean(y, true, 1, 2), mean(y, true, 0, 2), mean(y, false, 0, 1), mean(y, false, 0, 1, 2), mean(y, false, 0, 1, 2, 3),
				mean(y, true, 1, 3), b.weights(-1, 1, 2, 3, 4, 143), b.weights(-1, 1, 143), b.weights(-1, 1, 4, 1), b.weights(-1, 1, 3, 1, 143),
			} {
				v = shift(v)
				if (i+j)%2 == 0 {
					y, v = v, shift(y)
				} else {
					y = shift(y)
				}
				y = b.unary(layer.Tanh, b.binary(fn, y, v))
			}
		}
		column, row := b.Add("column", &layer.Reshape{}, mean(y, true, 0, 1, 3), ints(4, 1)), b.Add("row", &layer.Reshape{}, mean(y, true, 0, 1, 2), ints(1, 143))
		return b.binary(layer.Sub, b.binary(layer.Mul, column, row), b.binary(layer.Div, row, b.binary(layer.Add, column, b.number(2))))
	},
	"permutations": func(b *net, x *model.Value) *model.Value {
		y := b.Add("blocks", &layer.Reshape{}, b.conv(x, 6, 24, 1, layer.Window{}, 1), ints(2, 2, 3, 4, 13, 11))
		for _, perm := range [][]int{{0, 1, 2, 3, 5, 4}, {5, 4, 3, 2, 1, 0}, {1, 0, 2, 3, 4, 5}, {0, 2, 1, 4, 3, 5}, {3, 4, 5, 0, 1, 2}, {0, 1, 5, 2, 3, 4}, {0, 4, 2, 3, 1, 5}, {4, 5, 0, 3, 2, 1}} {
			y = b.unary(layer.Neg, b.Add(b.name("turned"), &layer.Transpose{Perm: perm}, y))
		}
		y = b.Add("pairs", &layer.Reshape{}, y, ints(143, 1, 4, 6, 1, 2))
		y = b.Add("pairwise", &layer.Transpose{Perm: []int{3, 4, 0, 2, 1, 5}}, y)
		y = b.Add("small", &layer.Reshape{}, b.Add("ones", &layer.Transpose{Perm: []int{1, 0, 4, 2, 3, 5}}, y), ints(1144, 2, 3))
		return b.Add("flat", &layer.Reshape{}, b.Add("tiny", &layer.Transpose{Perm: []int{0, 2, 1}}, y), ints(2, -1))
	},
	"depthwise transposed": func(b *net, x *model.Value) *model.Value {
		w := pads(1)
		w.Strides = []int{2, 2}
		y := b.unary(layer.Relu, b.up(b.conv(x, 6, 20, 1, layer.Window{}, 1), 20, 20, 4, &layer.ConvTranspose{Window: w, Groups: 20}))
		return b.up(y, 20, 20, 2, &layer.ConvTranspose{Window: layer.Window{Strides: []int{3, 1}}, Groups: 20, OutPads: []int{1, 0}})
	},
	"classifier": func(b *net, x *model.Value) *model.Value {
		y := b.Add("lrn", &layer.LRN{Size: 5, Alpha: 1e-2, Beta: 0.75, Bias: 1}, b.unary(layer.Relu, b.conv(x, 6, 8, 3, layer.Window{}, 1)))
		y = b.Add("flat", &layer.Flatten{Axis: 1}, y)
		y = b.unary(layer.Relu, b.Add("fc", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, y, b.weights(-0.05, 0.05, 12, 8*11*9), b.weights(-1, 1, 12)))
		y = b.Add("fc2", &layer.MatMul{}, y, b.weights(-1, 1, 12, 4))
		return b.Add("fc3", &layer.Gemm{Alpha: 0.5, Beta: 2}, y, b.weights(-1, 1, 4, 3), b.weights(-1, 1, 1, 3))
	},
	// A stage of Jarrett et al. 2009, pooled before it is normalised.
	"lcn": func(b *net, x *model.Value) *model.Value {
		y := b.unary(layer.Relu, b.conv(x, 6, 13, 3, pads(1), 1))
		y = b.Add("pool", &layer.MaxPool{Window: layer.Window{Kernel: []int{2, 2}, Strides: []int{2, 1}}}, y)
		return b.Add("lcn", &layer.LCN{Size: 5, Sigma: 1.2, Floor: lcnFloor}, y)
	},
	"locally connected": func(b *net, x *model.Value) *model.Value {
		w := layer.Window{Strides: []int{2, 1}, Pads: []int{1, 0, 1, 2}}
		y := b.unary(layer.Relu, b.Add("local", &layer.LocallyConnected{Window: w}, x, b.weights(-0.2, 0.2, 7, 11, 17, 6, 3, 3), b.weights(-1, 1, 17, 7, 11)))
		y = b.Add("pointwise", &layer.LocallyConnected{}, y, b.weights(-0.2, 0.2, 7, 11, 3, 17, 1, 1))
		return b.unary(layer.LeakyRelu, y)
	},
	"mean": func(b *net, x *model.Value) *model.Value {
		y := b.conv(x, 6, 8, 1, layer.Window{}, 1)
		return b.Add("mean", &layer.Reduce{Fn: layer.ReduceMean}, y, ints(2, 3))
	},
}

// lcnFloor is the least divisor of the networks' contrast normalisations.
const lcnFloor = 1

func testInput(seed uint64) *tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 4))
	t := tensor.New(tensor.Float32, 2, 6, 13, 11)
	for i := range t.Float32s() {
		t.Float32s()[i] = float32(r.Float32()*2) - 1
	}
	return t
}

func build(seed uint64, f func(*net, *model.Value) *model.Value) *model.Graph {
	b := newNet(seed)
	x := b.Input("x", tensor.Float32, model.Fixed(2, 6, 13, 11)...)
	y := f(b, x)
	y.Name = "y"
	b.Output(y)
	return b.Graph
}

func run(t *testing.T, g *model.Graph, opt model.Options, x *tensor.Tensor) *tensor.Tensor {
	t.Helper()
	p, err := model.Compile(g, opt)
	if err != nil {
		t.Fatal(err)
	}
	out := model.Tensors{}
	if err := p.NewSession().Run(context.Background(), model.Tensors{"x": x}, out); err != nil {
		t.Fatal(err)
	}
	return out["y"]
}

// TestFastFormsAgreeWithPlainLayers compares each network with its layers' own forward passes, in every number of threads. Folding and other
// orders of summation move results by a few roundings of the sums' terms, which are of the order of 1.
//
// A contrast normalisation y = v/d of what is off by e has v off by 2e, and d too, as a root mean square is; so y is off by
// 2e(1+|y|)/lcnFloor, and by half of that again for the roundings of its own sums, which have fewer terms.
func TestFastFormsAgreeWithPlainLayers(t *testing.T) {
	for name, f := range nets {
		t.Run(name, func(t *testing.T) {
			x := testInput(7)
			want := run(t, build(5, f), model.Options{Plain: true}, x)
			one := run(t, build(5, f), model.Options{Threads: 1}, x)
			if !slices.Equal(one.Shape(), want.Shape()) {
				t.Fatalf("shape %v, want %v", one.Shape(), want.Shape())
			}
			for i, w := range want.Float32s() {
				// 60 is the most terms in any sum of these networks; each is under 4.
				bound := 60 * 4 * 0x1p-24
				if name == "lcn" {
					bound *= 3 * (1 + math.Abs(float64(w))) / lcnFloor
				}
				if g := one.Float32s()[i]; math.Abs(float64(g-w)) > bound {
					t.Fatalf("y[%d] = %g, plain layers give %g", i, g, w)
				}
			}
			if got := run(t, build(5, f), model.Options{Threads: 1, Consume: true}, x); !slices.Equal(got.Raw(), one.Raw()) {
				t.Error("consuming the graph gives other bits")
			}
			for _, threads := range []int{2, 3, 7} {
				if got := run(t, build(5, f), model.Options{Threads: threads}, x); !slices.Equal(got.Raw(), one.Raw()) {
					t.Errorf("%d threads give other bits than one", threads)
				}
			}
		})
	}
}

// TestFusion counts the steps that are left: what is fused is not there on its own.
func TestFusion(t *testing.T) {
	for name, want := range map[string][]string{
		"conv-bn-relu":               {"ToNHWC", "Conv+Relu", "ToNCHW"},
		"residual":                   {"ToNHWC", "Conv+Relu", "Conv+LeakyRelu", "Conv+Add+Relu", "ToNCHW"},
		"folded affine":              {"ToNHWC", "Conv", "ToNCHW"},
		"pad":                        {"ToNHWC", "Conv", "ToNCHW"},
		"head":                       {"ToNHWC", "Conv", "View", "Reshape", "Softmax"},
		"instance norm":              {"ToNHWC", "Conv", "InstanceNormalization", "Relu", "Conv", "ToNCHW"},
		"group norm":                 {"ToNHWC", "Conv", "GroupNormalization", "GroupNormalization", "Relu", "Conv", "ToNCHW"},
		"depth to space":             {"ToNHWC", "Conv", "DepthToSpace", "Conv", "DepthToSpace", "Conv", "DepthToSpace", "View"},
		"products":                   {"ToNHWC", "Conv", "ToNCHW", "Transpose", "MatMul", "Softmax", "Conv", "View", "MatMul", "MatMul"},
		"deal":                       {"ToNHWC", "Conv", "Deal", "Relu", "Sub", "ToNCHW"},
		"pads":                       {"ToNHWC", "Conv", "Pad", "Relu", "Pad", "Pad", "Pad", "Abs", "ToNCHW"},
		"softmax between transposes": {"ToNHWC", "Conv", "Softmax", "LogSoftmax", "Softmax", "ToNCHW"},
		"transposed":                 {"ToNHWC", "ConvTranspose+Relu", "ConvTranspose+LeakyRelu", "ConvTranspose", "ConvTranspose", "ToNCHW"},
		"mean":                       {"ToNHWC", "Conv", "ReduceMean", "View"},
		"lcn":                        {"ToNHWC", "Conv+Relu", "MaxPool", "LCN", "ToNCHW"},
		"norm of channels":           {"ToNHWC", "Conv", "View", "LayerNormalization", "View", "Conv", "View", "LayerNormalization", "View", "ToNCHW"},
		"activations in pieces":      {"ToNHWC", "Conv", "Gelu", "Gelu", "Gelu", "HardSwish", "Neg", "HardSwish", "Add", "ToNCHW"},
		"depthwise transposed":       {"ToNHWC", "Conv", "ConvTranspose+Relu", "ConvTranspose", "ToNCHW"},
		"transformer": {
			"ToNHWC", "Conv", "View", "View", "LayerNormalization", "MatMul", "Reshape", "Transpose", "Gather", "Gather", "Transpose", "MatMul", "Mul", "Softmax", "Gather",
			"MatMul", "Transpose", "Reshape", "MatMul+Add", "LayerNormalization", "MatMul", "Gelu", "MatMul+Add", "View", "View", "Conv+Relu", "ToNCHW",
		},

		"locally connected": {"ToNHWC", "LocallyConnected+Relu", "LocallyConnected+LeakyRelu", "ToNCHW"},
	} {
		p, err := model.Compile(build(5, nets[name]), model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range p.Steps() {
			got = append(got, s.Op)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: steps %v, want %v", name, got, want)
		}
	}
}

// TestEinsumsAreProducts: all of that network are products of matrices.
func TestEinsumsAreProducts(t *testing.T) {
	p, err := model.Compile(build(5, nets["einsums"]), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	products := 0
	for _, s := range p.Steps() {
		switch s.Op {
		case "Einsum":
			t.Errorf("%s is left", s.Name)
		case "MatMul":
			products++
		}
	}
	if products != 9 {
		t.Errorf("%d products, want 9", products)
	}
}

// TestEinsumsOfPairs: no Einsum of that network is left with more than two values.
func TestEinsumsOfPairs(t *testing.T) {
	p, err := model.Compile(build(5, nets["einsums of many"]), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	products := 0
	for _, s := range p.Steps() {
		if s.Op == "Einsum" {
			t.Errorf("%s is left", s.Name)
		}
		if s.Op == "MatMul" {
			products++
		}
	}
	if products != 6 {
		t.Errorf("%d products, want 6", products)
	}
}

// TestLookalikes asks that nothing is taken for what it only resembles.
func TestLookalikes(t *testing.T) {
	p, err := model.Compile(build(5, nets["pieces of something else"]), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps() {
		if slices.Contains([]string{"Gelu", "HardSwish", "LayerNormalization"}, s.Op) {
			t.Errorf("%s became a %s", s.Name, s.Op)
		}
	}
}

// TestZerosBetweenWeightsCostNothing counts the products of windows of 5x5, 9x9 and 7x7 of which 9, 15 and 21 places hold weights.
func TestZerosBetweenWeightsCostNothing(t *testing.T) {
	p, err := model.Compile(build(5, nets["zeros between weights"]), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, s := range p.Steps() {
		if s.MACs > 0 {
			got = append(got, s.MACs)
		}
	}
	pixels := int64(2 * 13 * 11)
	if want := []int64{pixels * 6 * 24, pixels * 24 * 9, pixels * 24 * 15, pixels * 24 * 21}; !slices.Equal(got, want) {
		t.Errorf("products %v, want %v", got, want)
	}
}

// TestLayersOfUnknownShapeStayPlain: a fully connected layer whose rows are counted only when the network runs keeps its activation.
func TestLayersOfUnknownShapeStayPlain(t *testing.T) {
	b := newNet(1)
	x := b.Input("x", tensor.Float32, model.Fixed(4)...)
	at := b.Add("cast", &layer.Cast{To: tensor.Float32}, b.Add("where", &layer.NonZero{}, x))
	rows := b.Add("rows", &layer.Transpose{Perm: []int{1, 0}}, at)
	y := b.unary(layer.Relu, b.Add("fc", &layer.Gemm{Alpha: 1, Beta: 1}, rows, model.Const("w", tensor.Of([]float32{2, -1}, 1, 2)), model.Const("b", tensor.Of([]float32{1, 2}))))
	y.Name = "y"
	b.Output(y)
	got := run(t, b.Graph, model.Options{}, tensor.Of([]float32{0, 5, 0, 5}))
	if want := []float32{3, 1, 7, 0}; !slices.Equal(got.Shape(), []int{2, 2}) || !slices.Equal(got.Float32s(), want) {
		t.Errorf("got %v of %v, want %v", got.Float32s(), got.Shape(), want)
	}
}

// TestRowsHaveOneDefinition: plain layers that work on rows of numbers, and the kernels that take their place, give the same bits.
func TestRowsHaveOneDefinition(t *testing.T) {
	grad := func(s layer.Softmax) func(b *net, x *model.Value) *model.Value {
		return func(b *net, x *model.Value) *model.Value {
			return b.Add("grad", &layer.SoftmaxGrad{Softmax: s}, b.Add("soft", &s, x), b.unary(layer.Tanh, x))
		}
	}
	norm := func(axis int, gain, bias []int) func(b *net, x *model.Value) *model.Value {
		return func(b *net, x *model.Value) *model.Value {
			in := []*model.Value{x, b.weights(0.5, 2, gain...)}
			if bias != nil {
				in = append(in, b.weights(-1, 1, bias...))
			}
			return b.Add("norm", &layer.LayerNorm{Axis: axis, Epsilon: 1e-3}, in...)
		}
	}
	for name, f := range map[string]func(b *net, x *model.Value) *model.Value{
		"softmax of all but the first axis": func(b *net, x *model.Value) *model.Value {
			return b.Add("soft", &layer.Softmax{Axis: 1, Flatten: true}, x)
		},
		"gradient along the channels":  grad(layer.Softmax{Axis: 1}),
		"gradient along the last axis": grad(layer.Softmax{Axis: -1}),
		"gradient of logarithms":       grad(layer.Softmax{Axis: 1, Log: true}),
		"gradient along rows":          grad(layer.Softmax{Axis: 2}),
		"length of channels": func(b *net, x *model.Value) *model.Value {
			return b.Add("norm", &layer.LpNorm{Axis: 1, P: 2}, b.unary(layer.Relu, x))
		},
		"length along the last axis":        func(b *net, x *model.Value) *model.Value { return b.Add("norm", &layer.LpNorm{Axis: -1, P: 2}, x) },
		"sum along the last axis":           func(b *net, x *model.Value) *model.Value { return b.Add("norm", &layer.LpNorm{Axis: -1, P: 1}, x) },
		"norm of the last axis":             norm(-1, []int{11}, []int{1, 11}),
		"norm of two axes without bias":     norm(2, []int{13, 11}, nil),
		"norm with a gain for each channel": norm(-1, []int{6, 1, 1}, []int{11}),
		"norm with a gain for each row":     norm(2, []int{13, 1}, []int{13, 11}),
	} {
		g, x := build(1, f), testInput(3)
		clear(x.Float32s()[22:33]) // a row of zeros
		want := run(t, g, model.Options{Plain: true}, x)
		for _, threads := range []int{1, 3} {
			if got := run(t, g, model.Options{Threads: threads}, x); !slices.Equal(got.Shape(), want.Shape()) || !slices.Equal(got.Raw(), want.Raw()) {
				t.Errorf("%s, %d threads: the kernel gives other bits than the layer", name, threads)
			}
		}
	}
}

// TestContrastNormalisationHasOneDefinition: the plain layer and the kernel give the same bits, under windows narrower and wider than the
// picture; where the picture is flat that is 0.
func TestContrastNormalisationHasOneDefinition(t *testing.T) {
	for _, l := range []layer.LCN{{Size: 1, Sigma: 1}, {Size: 5, Sigma: 1.2}, {Size: 9, Sigma: 2, Floor: 0.25}, {Size: 31, Sigma: 4}} {
		g := build(1, func(b *net, x *model.Value) *model.Value { return b.Add("lcn", &l, x) })
		x := testInput(3)
		want := run(t, g, model.Options{Plain: true}, x)
		if got := run(t, g, model.Options{Threads: 2}, x); !slices.Equal(got.Raw(), want.Raw()) {
			t.Errorf("%+v: the kernel gives other bits than the layer", l)
		}
		l.Floor = 1
		for i := range x.Float32s() {
			x.Float32s()[i] = 0.75
		}
		for _, plain := range []bool{true, false} {
			for _, y := range run(t, g, model.Options{Plain: plain}, x).Float32s() {
				// A sum of 6 channels and two of Size products, each scaled by a rounded number: so many roundings of 0.75.
				if math.Abs(float64(y)) > float64(6+2*l.Size+4)*0.75*0x1p-24 {
					t.Fatalf("%+v: a flat picture becomes %g", l, y)
				}
			}
		}
	}
}

func TestRunDoesNotAllocate(t *testing.T) {
	if poolsLeak {
		t.Skip("the race detector makes pools drop what they hold")
	}
	runs := 50
	if testing.Short() {
		runs = 20
	}
	for name, f := range nets {
		if name == "dilated means" { // runs as a plain layer, which resolves its window each time
			continue
		}
		p, err := model.Compile(build(5, f), model.Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		s, in, out := p.NewSession(), model.Tensors{"x": testInput(1)}, model.Tensors{}
		ctx := context.Background()
		run := func() {
			if err := s.Run(ctx, in, out); err != nil {
				t.Fatal(err)
			}
		}
		run()
		if n := testing.AllocsPerRun(runs, run); n >= 1 {
			t.Errorf("%s: Run allocates %g times", name, n)
		}
	}
}

// TestSessionsShareAProgram runs eight Sessions of one Program at once.
func TestSessionsShareAProgram(t *testing.T) {
	for _, name := range []string{"mobile", "residual", "shuffle"} {
		p, err := model.Compile(build(5, nets[name]), model.Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		var want [8][]byte
		for i := range want {
			out := model.Tensors{}
			if err := p.NewSession().Run(context.Background(), model.Tensors{"x": testInput(uint64(i))}, out); err != nil {
				t.Fatal(err)
			}
			want[i] = slices.Clone(out["y"].Raw())
		}
		var wg sync.WaitGroup
		for i := range want {
			wg.Go(func() {
				s := p.NewSession()
				for range 20 {
					out := model.Tensors{}
					if err := s.Run(context.Background(), model.Tensors{"x": testInput(uint64(i))}, out); err != nil {
						t.Error(err)
						return
					}
					if !slices.Equal(out["y"].Raw(), want[i]) {
						t.Errorf("%s: session %d differs beside seven others", name, i)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestResizeHasOneDefinition compares the fast form of a resizing with the plain one, bit for bit.
func TestResizeHasOneDefinition(t *testing.T) {
	for _, r := range []layer.Resize{
		{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"},
		{Mode: "nearest", Coordinates: "half_pixel", Nearest: "round_prefer_floor"},
		{Mode: "linear", Coordinates: "half_pixel", Nearest: "floor"},
		{Mode: "linear", Coordinates: "align_corners", Nearest: "floor"},
		{Mode: "cubic", Coordinates: "half_pixel", Nearest: "floor", CubicA: -0.75},
	} {
		for _, size := range [][2]int64{{14, 18}, {7, 18}, {5, 4}, {21, 9}} {
			b := newNet(5)
			x := b.Input("x", tensor.Float32, model.Fixed(2, 12, 7, 9)...)
			y := b.Add("resize", &r, b.conv(x, 12, 12, 3, layer.Window{Pads: []int{1, 1, 1, 1}}, 1), nil, nil, ints(2, 12, size[0], size[1]))
			b.Output(b.conv(y, 12, 5, 1, layer.Window{}, 1))
			var out [2]*tensor.Tensor
			for i, plain := range []bool{true, false} {
				p, err := model.Compile(b.Graph, model.Options{Plain: plain, Threads: 2})
				if err != nil {
					t.Fatal(err)
				}
				if !plain && slices.ContainsFunc(p.Steps(), func(s model.StepInfo) bool { return s.Op == "ToNCHW" && s.Name == "conv1" }) {
					t.Errorf("%+v to %v has no fast form", r, size)
				}
				in := tensor.New(tensor.Float32, 2, 12, 7, 9)
				for k, d := 0, in.Float32s(); k < len(d); k++ {
					d[k] = float32(k*7919%1000)/500 - 1
				}
				s := p.NewSession()
				if err := s.Run(context.Background(), model.Tensors{"x": in}, nil); err != nil {
					t.Fatal(err)
				}
				out[i] = s.Output(0)
			}
			if !slices.Equal(tensor.Bits[uint32](out[0]), tensor.Bits[uint32](out[1])) {
				t.Errorf("%+v to %v: the fast form differs from the plain one", r, size)
			}
		}
	}
}

// TestSharedWeights: operations that share weights share what these are packed to, and where they would be packed too often, they are left as they are.
func TestSharedWeights(t *testing.T) {
	const c, layers = 64, 200
	w := tensor.New(tensor.Float32, c, c, 3, 3) // each layer moves channel i to 5·i+3
	for i := range c {
		w.Float32s()[(((5*i+3)%c)*c+i)*9+4] = 1
	}
	turned := tensor.New(tensor.Float32, c, c, 3, 3)
	for i := range c {
		turned.Float32s()[(i*c+(5*i+3)%c)*9+4] = 1
	}
	x := tensor.New(tensor.Float32, 1, c, 2, 3)
	for i := range x.Float32s() {
		x.Float32s()[i] = float32(i + 1)
	}
	want := slices.Clone(x.Float32s())
	for range layers {
		from := slices.Clone(want)
		for i := range c {
			copy(want[(5*i+3)%c*6:][:6], from[i*6:][:6])
		}
	}
	for _, op := range []struct {
		layer layer.Op
		w     *tensor.Tensor
		most  int64 // bytes of weights
	}{
		{&layer.Conv{Window: pads(1), Groups: 1}, w, 1 << 20},
		{&layer.ConvTranspose{Window: pads(1), Groups: 1}, turned, 28 << 20},
	} {
		n := newNet(1)
		y, weights := n.Input("x", tensor.Float32, model.Fixed(x.Shape()...)...), model.Const("w", op.w)
		for range layers {
			y = n.Add(n.name("y"), op.layer, y, weights)
		}
		n.Output(y)
		for _, consume := range []bool{false, true} {
			p, err := model.Compile(n.Graph, model.Options{Threads: 1, Consume: consume})
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Size().WeightBytes; got > op.most {
				t.Errorf("%s: %d bytes of weights", op.layer.Kind(), got)
			}
			s := p.NewSession()
			if err := s.Run(context.Background(), model.Tensors{"x": x}, nil); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.Output(0).Float32s(), want) {
				t.Errorf("%s: channels are not where they belong", op.layer.Kind())
			}
		}
	}
}
