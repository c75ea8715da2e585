package layer

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// broadcasts are shapes that broadcast: equal ones, a scalar on either side, rows, columns, channels, nothing.
var broadcasts = [][2][]int{
	{d(1), d(1)}, {d(), d()}, {d(7), d()}, {d(), d(9)}, {d(2500), d(1)}, {d(1), d(2500)}, {d(3, 37), d(3, 37)}, {d(5, 16), d(16)}, {d(5, 1), d(16)}, {d(5, 4), d(5, 1)},
	{d(2, 3, 40, 30), d(3, 1, 1)}, {d(3, 1, 1), d(2, 3, 40, 30)}, {d(2, 1, 5), d(1, 4, 1)}, {d(0, 4), d(4)}, {d(4, 1), d(1, 0)}, {d(1, 1, 1), d(1, 1)},
}

// picked calls f with each element of what two shapes broadcast to: where it is, and where it comes from in both.
func picked(shape, a, b []int, f func(at, i, j int)) {
	sa, sb, s := broadcastStrides(a, shape), broadcastStrides(b, shape), rowMajor(shape)
	for at := range sizeOf(shape) {
		i, j := 0, 0
		for d, n := range shape {
			p := at / s[d] % n
			i, j = i+p*sa[d], j+p*sb[d]
		}
		f(at, i, j)
	}
}

// binaryIs compares a Binary with its definition for one pair of elements.
func binaryIs[T, R tensor.Elem](t *testing.T, e *Env, fn Fn, x, y *tensor.Tensor, f func(a, b T) R) {
	t.Helper()
	a, b := tensor.Data[T](x), tensor.Data[T](y)
	shape, err := Broadcast(x.Shape(), y.Shape())
	if err != nil {
		t.Fatal(err)
	}
	dtype := tensor.Of(make([]R, 1), 1).DType()
	z := tensor.New(dtype, shape...)
	picked(shape, x.Shape(), y.Shape(), func(at, i, j int) { tensor.Data[R](z)[at] = f(a[i], b[j]) })
	sameBits(t, e, &Binary{fn}, ts(x, y), ts(z))
}

func comparesAs[T number](t *testing.T, e *Env, x, y *tensor.Tensor) {
	t.Helper()
	binaryIs(t, e, Equal, x, y, func(a, b T) bool { return a == b })
	binaryIs(t, e, Less, x, y, func(a, b T) bool { return a < b })
	binaryIs(t, e, LessOrEqual, x, y, func(a, b T) bool { return a <= b })
	binaryIs(t, e, Greater, x, y, func(a, b T) bool { return a > b })
	binaryIs(t, e, GreaterOrEqual, x, y, func(a, b T) bool { return a >= b })
}

func calculatesAs[T interface {
	number
	tensor.Elem
}](t *testing.T, e *Env, x, y *tensor.Tensor) {
	t.Helper()
	binaryIs(t, e, Add, x, y, func(a, b T) T { return a + b })
	binaryIs(t, e, Sub, x, y, func(a, b T) T { return a - b })
	binaryIs(t, e, Mul, x, y, func(a, b T) T { return a * b })
	nan := func(f func(a, b T) T) func(a, b T) T {
		return func(a, b T) T {
			if a != a {
				return a
			}
			return f(a, b)
		}
	}
	binaryIs(t, e, Max, x, y, nan(maxOf[T]))
	binaryIs(t, e, Min, x, y, nan(minOf[T]))
}

func TestBinaryIsItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	var e Env
	for _, p := range broadcasts {
		x, y := awkward(r, true, p[0]...), awkward(r, true, p[1]...)
		comparesAs[float32](t, &e, x, y)
		calculatesAs[float32](t, &e, x, y)
		binaryIs(t, &e, Div, x, y, func(a, b float32) float32 { return a / b })
		x, y = whole(r, tensor.Float64, p[0]...), whole(r, tensor.Float64, p[1]...)
		comparesAs[float64](t, &e, x, y)
		calculatesAs[float64](t, &e, x, y)
		x, y = whole(r, tensor.Int32, p[0]...), whole(r, tensor.Int32, p[1]...)
		comparesAs[int32](t, &e, x, y)
		calculatesAs[int32](t, &e, x, y)
		x, y = whole(r, tensor.Uint8, p[0]...), whole(r, tensor.Uint8, p[1]...)
		comparesAs[uint8](t, &e, x, y)
		calculatesAs[uint8](t, &e, x, y)
		for i, v := range tensor.Data[uint8](y) {
			tensor.Data[uint8](y)[i] = max(1, v)
		}
		binaryIs(t, &e, Div, x, y, func(a, b uint8) uint8 { return a / b })
		x, y = whole(r, tensor.Bool, p[0]...), whole(r, tensor.Bool, p[1]...)
		for i := range tensor.Data[bool](x) {
			tensor.Data[bool](x)[i] = r.IntN(2) == 0
		}
		for i := range tensor.Data[bool](y) {
			tensor.Data[bool](y)[i] = r.IntN(2) == 0
		}
		binaryIs(t, &e, And, x, y, func(a, b bool) bool { return a && b })
		binaryIs(t, &e, Or, x, y, func(a, b bool) bool { return a || b })
		binaryIs(t, &e, Xor, x, y, func(a, b bool) bool { return a != b })
		binaryIs(t, &e, Equal, x, y, func(a, b bool) bool { return a == b })
		not := tensor.New(tensor.Bool, p[0]...)
		for i, v := range tensor.Data[bool](x) {
			tensor.Data[bool](not)[i] = !v
		}
		sameBits(t, &e, &Not{}, ts(x), ts(not))
	}
}

func TestCheapFunctionsAreTheirDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	x := awkward(r, true, 1001)
	for i, v := range x.Float32s() {
		if i%3 == 0 {
			x.Float32s()[i] = float32(math.Round(float64(v)*8) / 4)
		}
	}
	var e Env
	for fn, f := range map[Fn]func(x float32) float32{
		Ceil:       func(x float32) float32 { return float32(math.Ceil(float64(x))) },
		Floor:      func(x float32) float32 { return float32(math.Floor(float64(x))) },
		Round:      func(x float32) float32 { return float32(math.RoundToEven(float64(x))) },
		Reciprocal: func(x float32) float32 { return 1 / x },
		Softsign:   func(x float32) float32 { return x / (1 + ref.Abs(x)) },
		ThresholdedRelu: func(x float32) float32 {
			if x > 0.25 {
				return x
			}
			return x * 0
		},
	} {
		y := tensor.New(tensor.Float32, 1001)
		for i, v := range x.Float32s() {
			y.Float32s()[i] = f(v)
		}
		sameBits(t, &e, &Unary{Fn: fn, Alpha: 0.25}, ts(x), ts(y))
	}
	for how := range 4 {
		op := &IsInf{Positive: how&1 != 0, Negative: how&2 != 0}
		isInf, isNaN := tensor.New(tensor.Bool, 1001), tensor.New(tensor.Bool, 1001)
		for i, v := range x.Float32s() {
			tensor.Data[bool](isInf)[i] = op.Positive && math.IsInf(float64(v), 1) || op.Negative && math.IsInf(float64(v), -1)
			tensor.Data[bool](isNaN)[i] = math.IsNaN(float64(v))
		}
		wide := tensor.New(tensor.Float64, 1001)
		if err := tensor.Convert(wide, x, false); err != nil {
			t.Fatal(err)
		}
		for _, x := range ts(x, wide) {
			sameBits(t, &e, op, ts(x), ts(isInf))
			sameBits(t, &e, &IsNaN{}, ts(x), ts(isNaN))
		}
	}
}

func TestElementwiseAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	f, ch := awkward(r, true, 2, 8, 5, 5), awkward(r, true, 8, 1, 1)
	n, m, b := whole(r, tensor.Int32, 2, 8, 5, 5), whole(r, tensor.Int32, 1), whole(r, tensor.Bool, 2, 8, 5, 5)
	fs, ns, bs := tensor.New(tensor.Float32, 2, 8, 5, 5), tensor.New(tensor.Int32, 2, 8, 5, 5), tensor.New(tensor.Bool, 2, 8, 5, 5)
	for _, c := range []struct {
		op      Op
		in, out []*tensor.Tensor
	}{
		{&Binary{Add}, ts(f, ch), ts(fs)}, {&Binary{Max}, ts(f, f), ts(fs)}, {&Binary{Less}, ts(f, ch), ts(bs)}, {&Binary{GreaterOrEqual}, ts(ch, f), ts(bs)},
		{&Binary{Mul}, ts(n, m), ts(ns)}, {&Binary{Equal}, ts(n, n), ts(bs)}, {&Binary{And}, ts(b, b), ts(bs)}, {&Not{}, ts(b), ts(bs)}, {&IsNaN{}, ts(f), ts(bs)},
		{&Unary{Fn: Floor}, ts(f), ts(fs)}, {&Unary{Fn: ThresholdedRelu}, ts(f), ts(fs)},
	} {
		var e Env
		if k := testing.AllocsPerRun(20, func() {
			e.Reset()
			if err := c.op.Forward(&e, c.in, c.out); err != nil {
				t.Fatal(err)
			}
		}); k != 0 {
			t.Errorf("%s: %v allocations", c.op.Kind(), k)
		}
	}
}
