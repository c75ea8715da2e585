package layer

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

func f32(shape []int, v ...float32) *tensor.Tensor  { return tensor.Of(v, shape...) }
func i64(v ...int64) *tensor.Tensor                 { return tensor.Of(v, len(v)) }
func i32(shape []int, v ...int32) *tensor.Tensor    { return tensor.Of(v, shape...) }
func u8(shape []int, v ...uint8) *tensor.Tensor     { return tensor.Of(v, shape...) }
func i8(shape []int, v ...int8) *tensor.Tensor      { return tensor.Of(v, shape...) }
func boolean(shape []int, v ...bool) *tensor.Tensor { return tensor.Of(v, shape...) }
func long(shape []int, v ...int64) *tensor.Tensor   { return tensor.Of(v, shape...) }
func d(n ...int) []int                              { return n }
func ts(t ...*tensor.Tensor) []*tensor.Tensor       { return t }
func count(from, to float32, n ...int) *tensor.Tensor { // from, from+1, ... to
	var v []float32
	for x := from; x <= to; x++ {
		v = append(v, x)
	}
	return tensor.Of(v, n...)
}

func repeated(v float32, n int) *tensor.Tensor { return tensor.Of(slices.Repeat([]float32{v}, n), n) }

var (
	inf = float32(math.Inf(1))
	nan = float32(math.NaN())
)

// cases are worked out by hand from the operators' definitions.
var cases = []struct {
	name    string
	op      Op
	in, out []*tensor.Tensor
}{
	{"relu", &Unary{Fn: Relu}, ts(f32(d(4), -1, 0, 2, nan)), ts(f32(d(4), 0, 0, 2, nan))},
	{"abs int8", &Unary{Fn: Abs}, ts(i8(d(3), -3, 0, 5)), ts(i8(d(3), 3, 0, 5))},
	{"round to even", &Unary{Fn: Round}, ts(f32(d(5), 0.5, 1.5, 2.5, -0.5, -1.5)), ts(f32(d(5), 0, 2, 2, 0, -2))},
	{"leaky", &Unary{Fn: LeakyRelu, Alpha: 0.25}, ts(f32(d(2), -4, 4)), ts(f32(d(2), -1, 4))},
	{"thresholded", &Unary{Fn: ThresholdedRelu, Alpha: 1}, ts(f32(d(3), 1, 1.5, -2)), ts(f32(d(3), 0, 1.5, 0))},
	{"shrink", &Unary{Fn: Shrink, Alpha: 1.5, Beta: 0.25}, ts(f32(d(6), -2, -1.5, 0, 1.5, 2, nan)), ts(f32(d(6), -1.75, 0, 0, 0, 1.75, 0))},
	{"shrink int8", &Unary{Fn: Shrink, Alpha: 1, Beta: 1.5}, ts(i8(d(4), -128, -2, 1, 3)), ts(i8(d(4), -126, 0, 0, 1))},
	{"shrink uint8", &Unary{Fn: Shrink, Alpha: 2, Beta: 1}, ts(u8(d(3), 0, 2, 255)), ts(u8(d(3), 0, 0, 254))},
	{"hard sigmoid", &Unary{Fn: HardSigmoid, Alpha: 0.25, Beta: 0.5}, ts(f32(d(3), -4, 1, 4)), ts(f32(d(3), 0, 0.75, 1))},
	{"hard swish", &Unary{Fn: HardSwish}, ts(f32(d(3), -3, 0, 3)), ts(f32(d(3), 0, 0, 3))},
	{"step", &Unary{Fn: Step}, ts(f32(d(3), -1, 0, 0.1)), ts(f32(d(3), 0, 0, 1))},
	{"sigmoid of 0", &Unary{Fn: Sigmoid}, ts(f32(d(1), 0)), ts(f32(d(1), 0.5))},
	{"exp of 0", &Unary{Fn: Exp}, ts(f32(d(2), 0, float32(math.Inf(-1)))), ts(f32(d(2), 1, 0))},
	{"not", &Not{}, ts(boolean(d(2), true, false)), ts(boolean(d(2), false, true))},
	{"isinf", &IsInf{Positive: true}, ts(f32(d(3), inf, -inf, 1)), ts(boolean(d(3), true, false, false))},
	{"isnan", &IsNaN{}, ts(f32(d(2), nan, 1)), ts(boolean(d(2), true, false))},

	{"add rows", &Binary{Add}, ts(count(1, 6, 2, 3), f32(d(3), 10, 20, 30)), ts(f32(d(2, 3), 11, 22, 33, 14, 25, 36))},
	{"sub both ways", &Binary{Sub}, ts(f32(d(2, 1), 1, 2), f32(d(1, 2), 10, 20)), ts(f32(d(2, 2), -9, -19, -8, -18))},
	{"div int towards zero", &Binary{Div}, ts(i64(-7, 7), i64(2, -2)), ts(i64(-3, -3))},
	{"mod", &Binary{Mod}, ts(i64(-7, 7, 6), i64(3, -3, 3)), ts(i64(2, -2, 0))},
	{"fmod", &Binary{FMod}, ts(f32(d(2), -7, 7), f32(d(2), 3, -3)), ts(f32(d(2), -1, 1))},
	{"pow", &Binary{Pow}, ts(f32(d(3), 2, 3, 4), i64(3, 2, -1)), ts(f32(d(3), 8, 9, 0.25))},
	{"cubes", &Binary{Pow}, ts(f32(d(5), -2, 3, 0x1p-60, inf, nan), f32(d(1), 3)), ts(f32(d(5), -8, 27, 0, inf, nan))},
	{"powers of a half", &Binary{Pow}, ts(f32(d(6), 4, 2, float32(math.Copysign(0, -1)), -inf, -1, inf), f32(d(1), 0.5)), ts(f32(d(6), 2, math.Sqrt2, 0, inf, nan, inf))},
	{"reciprocals", &Binary{Pow}, ts(f32(d(4), 4, -0.5, 3, -inf), f32(d(), -1)), ts(f32(d(4), 0.25, -2, 1./3, float32(math.Copysign(0, -1))))},
	{"prelu", &Binary{PRelu}, ts(f32(d(1, 2, 1), -2, -2), f32(d(2, 1), 0.5, 2)), ts(f32(d(1, 2, 1), -1, -4))},
	{"mean of many", &Reduce{Fn: ReduceMean}, ts(repeated(0.1, 1<<17), i64(0)), ts(tensor.Scalar(float32(0.1)))},
	{"sum of rows of many", &Reduce{Fn: ReduceSum}, ts(tensor.Of(repeated(0.1, 1<<18).Float32s(), 1<<17, 2), i64(0)), ts(f32(d(2), 0.1*(1<<17), 0.1*(1<<17)))},
	{"dilated windows in the padding alone", &AveragePool{Window: Window{Kernel: d(2), Dilations: d(3), Pads: d(2, 2)}}, ts(f32(d(1, 1, 1), 7)), ts(f32(d(1, 1, 2), 0, 0))},
	{"an output shape with odd padding", &ConvTranspose{Window: Window{Strides: d(2)}, Groups: 1, OutputShape: d(4)},
		ts(count(1, 2, 1, 1, 2), f32(d(1, 1, 3), 1, 10, 100)), ts(f32(d(1, 1, 4), 10, 102, 20, 200))},
	{"resize by what rounds to a whole size", &Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"},
		ts(count(1, 10, 10), nil, f32(d(1), 0.7)), ts(f32(d(7), 1, 2, 3, 5, 6, 8, 9))},
	{"half pixels leave other axes alone", &Resize{Mode: "nearest", Coordinates: "tf_half_pixel_for_nn", Nearest: "ceil"},
		ts(count(1, 4, 1, 2, 2), nil, f32(d(3), 1, 1, 2)), ts(f32(d(1, 2, 4), 2, 2, 2, 2, 4, 4, 4, 4))},
	{"dynamic quantisation of zeros", &DynamicQuantize{}, ts(f32(d(2), 0, 0)), ts(u8(d(2), 0, 0), tensor.Scalar(float32(1)), tensor.Scalar(uint8(0)))},

	{"less", &Binary{Less}, ts(f32(d(3), 1, 2, nan), f32(d(1), 2)), ts(boolean(d(3), true, false, false))},
	{"shift", &Binary{ShiftLeft}, ts(u8(d(2), 1, 200), u8(d(2), 3, 9)), ts(u8(d(2), 8, 0))},
	{"max of three", &Variadic{Max}, ts(f32(d(2), 1, 5), f32(d(1), 3), f32(d(2), 2, 9)), ts(f32(d(2), 3, 9))},
	{"mean", &Variadic{Mean}, ts(f32(d(2), 1, 5), f32(d(2), 3, 7)), ts(f32(d(2), 2, 6))},
	{"clip", &Clip{}, ts(f32(d(3), -5, 0.5, 5), tensor.Scalar(float32(-1)), tensor.Scalar(float32(1))), ts(f32(d(3), -1, 0.5, 1))},
	{"where", &Where{}, ts(boolean(d(2, 1), true, false), f32(d(2), 1, 2), f32(d(1), 9)), ts(f32(d(2, 2), 1, 2, 9, 9))},

	{"reshape", &Reshape{}, ts(count(1, 6, 2, 3), i64(0, -1, 1)), ts(count(1, 6, 2, 3, 1))},
	{"flatten", &Flatten{Axis: 2}, ts(count(1, 8, 2, 2, 2)), ts(count(1, 8, 4, 2))},
	{"squeeze", &Squeeze{}, ts(count(1, 2, 1, 2, 1)), ts(count(1, 2, 2))},
	{"unsqueeze", &Unsqueeze{}, ts(count(1, 2, 2), i64(-1, 0)), ts(count(1, 2, 1, 2, 1))},
	{"shape", &Shape{Start: 1, End: math.MaxInt32}, ts(count(1, 6, 1, 2, 3)), ts(i64(2, 3))},
	{"size", &Size{}, ts(count(1, 6, 2, 3)), ts(tensor.Scalar(int64(6)))},
	{"transpose", &Transpose{Perm: d(1, 0)}, ts(count(1, 6, 2, 3)), ts(f32(d(3, 2), 1, 4, 2, 5, 3, 6))},
	{"depth to space", &DepthToSpace{B: 2}, ts(count(0, 7, 1, 8, 1, 1)), ts(f32(d(1, 2, 2, 2), 0, 2, 4, 6, 1, 3, 5, 7))},
	{"depth to space, columns first", &DepthToSpace{B: 2, ColumnsFirst: true}, ts(count(0, 7, 1, 8, 1, 1)), ts(count(0, 7, 1, 2, 2, 2))},
	{"space to depth", &SpaceToDepth{B: 2}, ts(count(0, 7, 1, 2, 2, 2)), ts(f32(d(1, 8, 1, 1), 0, 4, 1, 5, 2, 6, 3, 7))},
	{"concat", &Concat{Axis: -1}, ts(count(1, 2, 2, 1), count(3, 6, 2, 2)), ts(f32(d(2, 3), 1, 3, 4, 2, 5, 6))},
	{"split", &Split{Axis: 1, Parts: 2}, ts(count(1, 6, 2, 3), i64(1, 2)), ts(f32(d(2, 1), 1, 4), f32(d(2, 2), 2, 3, 5, 6))},
	{"split unevenly", &Split{Parts: 2}, ts(count(1, 5, 5)), ts(count(1, 3, 3), count(4, 5, 2))},
	{"slice", &Slice{}, ts(count(0, 9, 10), i64(-3), i64(-100), i64(0), i64(-2)), ts(f32(d(4), 7, 5, 3, 1))},
	{"slice to the end", &Slice{}, ts(count(0, 5, 2, 3), i64(1), i64(math.MaxInt64), i64(1)), ts(f32(d(2, 2), 1, 2, 4, 5))},
	{"pad", &Pad{PadConstant}, ts(count(1, 4, 2, 2), i64(0, 1, 1, -1), tensor.Scalar(float32(9))), ts(f32(d(3, 2), 9, 1, 9, 3, 9, 9))},
	{"pad of the last", &Pad{PadConstant}, ts(count(1, 8, 2, 2, 2), i64(0, 0, 1, 0, 0, 0)), ts(f32(d(2, 2, 3), 0, 1, 2, 0, 3, 4, 0, 5, 6, 0, 7, 8))},
	{"pad between", &Pad{PadConstant}, ts(count(1, 8, 2, 2, 2), i64(0, 1, 0, 0, 0, 0)), ts(f32(d(2, 3, 2), 0, 0, 1, 2, 3, 4, 0, 0, 5, 6, 7, 8))},
	{"pad of the first", &Pad{PadConstant}, ts(count(1, 4, 1, 2, 2), i64(1, 0, 0, 1, 0, 0)), ts(f32(d(3, 2, 2), 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0))},
	{"pad of nothing", &Pad{PadConstant}, ts(count(1, 6, 2, 3), i64(0, 0, 0, 0)), ts(count(1, 6, 2, 3))},
	{"pad of a number", &Pad{PadConstant}, ts(tensor.Scalar(float32(7)), tensor.Of([]int64{}, 0)), ts(tensor.Scalar(float32(7)))},
	{"pad edge between", &Pad{PadEdge}, ts(count(1, 8, 2, 2, 2), i64(0, 1, 0, 0, 1, 0)), ts(f32(d(2, 4, 2), 1, 2, 1, 2, 3, 4, 3, 4, 5, 6, 5, 6, 7, 8, 7, 8))},
	{"pad reflect between", &Pad{PadReflect}, ts(count(1, 8, 2, 2, 2), i64(0, 1, 0, 1, 0, 0)), ts(f32(d(3, 3, 2), 3, 4, 1, 2, 3, 4, 7, 8, 5, 6, 7, 8, 3, 4, 1, 2, 3, 4))},
	{"pad reflect", &Pad{PadReflect}, ts(count(1, 3, 3), i64(2, 3)), ts(f32(d(8), 3, 2, 1, 2, 3, 2, 1, 2))},
	{"pad edge", &Pad{PadEdge}, ts(count(1, 2, 2), i64(1, 2)), ts(f32(d(5), 1, 1, 2, 2, 2))},
	{"pad wrap", &Pad{PadWrap}, ts(count(1, 3, 3), i64(2, 1)), ts(f32(d(6), 2, 3, 1, 2, 3, 1))},
	{"centre", &CenterCropPad{}, ts(count(1, 6, 2, 3), i64(4, 1)), ts(f32(d(4, 1), 0, 2, 5, 0))},
	{"expand", &Expand{}, ts(count(1, 2, 2, 1), i64(1, 3)), ts(f32(d(2, 3), 1, 1, 1, 2, 2, 2))},
	{"tile", &Tile{}, ts(count(1, 2, 1, 2), i64(2, 2)), ts(f32(d(2, 4), 1, 2, 1, 2, 1, 2, 1, 2))},
	{"fill", &ConstantOfShape{Value: tensor.Of([]float32{3})}, ts(i64(2, 1)), ts(f32(d(2, 1), 3, 3))},
	{"range", &Range{}, ts(tensor.Scalar(int64(5)), tensor.Scalar(int64(0)), tensor.Scalar(int64(-2))), ts(i64(5, 3, 1))},
	{"eye", &EyeLike{K: 1}, ts(count(1, 6, 2, 3)), ts(f32(d(2, 3), 0, 1, 0, 0, 0, 1))},
	{"upper", &Trilu{Upper: true}, ts(count(1, 4, 2, 2)), ts(f32(d(2, 2), 1, 2, 0, 4))},
	{"columns to an image", &Col2Im{}, ts(f32(d(1, 2, 2), 1, 2, 10, 20), i64(3), i64(2)), ts(f32(d(1, 1, 3), 1, 12, 20))},
	{"columns with padding", &Col2Im{Pads: d(0, 1, 0, 1)}, ts(i32(d(1, 2, 6), 1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60), i64(2, 2), i64(1, 2)), ts(i32(d(1, 1, 2, 2), 12, 23, 45, 56))},
	{"columns with gaps", &Col2Im{Strides: d(3), Dilations: d(2)}, ts(f32(d(1, 4, 2), 1, 2, 3, 4, 5, 6, 7, 8), i64(6), i64(2)), ts(f32(d(1, 2, 6), 1, 0, 3, 2, 0, 4, 5, 0, 7, 6, 0, 8))},
	{"reverse rows", &ReverseSequence{Batch: 0, Time: 1}, ts(count(1, 6, 2, 3), i64(2, 3)), ts(f32(d(2, 3), 2, 1, 3, 6, 5, 4))},
	{"reverse columns", &ReverseSequence{Batch: 1}, ts(count(1, 6, 2, 3), i64(1, 2, 0)), ts(f32(d(2, 3), 1, 5, 3, 4, 2, 6))},
	{"reverse nothing", &ReverseSequence{Batch: 1}, ts(f32(d(1<<30, 1, 0)), i64(1)), ts(f32(d(1<<30, 1, 0)))},
	{"gather", &Gather{Axis: 1}, ts(count(1, 6, 2, 3), i64(-1, 0)), ts(f32(d(2, 2), 3, 1, 6, 4))},
	{"gather elements", &GatherElements{Axis: 1}, ts(count(1, 4, 2, 2), long(d(2, 2), 0, 0, 1, 0)), ts(f32(d(2, 2), 1, 1, 4, 3))},
	{"gather nd", &GatherND{}, ts(count(1, 4, 2, 2), long(d(2, 2), 0, 1, 1, 0)), ts(f32(d(2), 2, 3))},
	{"scatter elements", &ScatterElements{Reduction: ReduceAdd}, ts(f32(d(3), 1, 1, 1), i64(2, 2), f32(d(2), 3, 4)), ts(f32(d(3), 1, 1, 8))},
	{"scatter nd", &ScatterND{}, ts(count(1, 4, 2, 2), long(d(1, 1), 1), f32(d(1, 2), 8, 9)), ts(f32(d(2, 2), 1, 2, 8, 9))},
	{"one hot", &OneHot{Axis: -1}, ts(i64(1, -1, 7), i64(3), f32(d(2), 0, 1)), ts(f32(d(3, 3), 0, 1, 0, 0, 0, 1, 0, 0, 0))},
	{"cast", &Cast{To: tensor.Int32}, ts(f32(d(3), 1.9, -1.9, 0)), ts(i32(d(3), 1, -1, 0))},

	{"reduce sum", &Reduce{Fn: ReduceSum, KeepDims: true}, ts(count(1, 6, 2, 3), i64(1)), ts(f32(d(2, 1), 6, 15))},
	{"reduce all", &Reduce{Fn: ReduceMaximum}, ts(count(1, 6, 2, 3)), ts(tensor.Scalar(float32(6)))},
	{"reduce mean", &Reduce{Fn: ReduceMean}, ts(count(1, 6, 2, 3), i64(0)), ts(f32(d(3), 2.5, 3.5, 4.5))},
	{"reduce l2", &Reduce{Fn: ReduceL2}, ts(f32(d(2), 3, 4), i64(0)), ts(tensor.Scalar(float32(5)))},
	{"reduce product", &Reduce{Fn: ReduceProd}, ts(count(1, 4, 4)), ts(tensor.Scalar(float32(24)))},
	{"argmax", &ArgReduce{Max: true, Axis: 1, Last: true}, ts(f32(d(2, 3), 1, 5, 5, 2, 1, 0)), ts(i64(2, 0))},
	{"top 2", &TopK{Axis: 0, Largest: true, Sorted: true}, ts(f32(d(4), 3, 9, 3, 1), i64(3)), ts(f32(d(3), 9, 3, 3), i64(1, 0, 2))},
	{"cumsum", &CumSum{Exclusive: true, Reverse: true}, ts(count(1, 3, 3), tensor.Scalar(int64(0))), ts(f32(d(3), 5, 3, 0))},
	{"softmax", &Softmax{Axis: 0}, ts(f32(d(2), 7, 7)), ts(f32(d(2), 0.5, 0.5))},
	{"softmax over joined dimensions", &Softmax{Axis: 1, Flatten: true}, ts(f32(d(1, 2, 2), 3, 3, 3, 3)), ts(f32(d(1, 2, 2), 0.25, 0.25, 0.25, 0.25))},

	{"hardmax", &Hardmax{Axis: 0}, ts(f32(d(2, 3), 1, 5, 2, 3, 5, -1)), ts(f32(d(2, 3), 0, 1, 1, 1, 0, 0))},
	{"hardmax over joined dimensions", &Hardmax{Axis: -2, Flatten: true}, ts(f32(d(2, 1, 2), 1, 5, -inf, -inf)), ts(f32(d(2, 1, 2), 0, 1, 1, 0))},
	{"hardmax of nothing", &Hardmax{Axis: -1}, ts(f32(d(2, 0))), ts(f32(d(2, 0)))},

	{"matmul", &MatMul{}, ts(count(1, 4, 2, 2), count(5, 8, 2, 2)), ts(f32(d(2, 2), 19, 22, 43, 50))},
	{"matmul vector", &MatMul{}, ts(count(1, 2, 2), count(1, 4, 2, 2)), ts(f32(d(2), 7, 10))},
	{"matmul batch", &MatMul{}, ts(count(1, 4, 2, 1, 2), count(1, 2, 2, 1)), ts(f32(d(2, 1, 1), 5, 11))},
	{"gemm", &Gemm{Alpha: 2, Beta: 3, TransA: true, TransB: true}, ts(count(1, 2, 2, 1), count(3, 4, 1, 2), f32(d(1), 1)), ts(f32(d(1, 1), 25))},
	{"determinants", &Det{}, ts(f32(d(4, 2, 2), 1, 2, 3, 4, 0, 1, 1, 0, 2, 4, 1, 2, 1, 1, nan, 1)), ts(f32(d(4), -2, -1, 0, nan))},
	{"no determinants", &Det{}, ts(f32(d(0, 1<<15, 1<<15))), ts(f32(d(0)))},
	{"determinant of nothing", &Det{}, ts(f32(d(0, 0))), ts(tensor.Scalar(float32(1)))},
	{"einsum", &Einsum{"ij,kj->ik"}, ts(count(1, 4, 2, 2), count(1, 2, 1, 2)), ts(f32(d(2, 1), 5, 11))},
	{"einsum trace", &Einsum{"ii"}, ts(count(1, 4, 2, 2)), ts(tensor.Scalar(float32(5)))},

	// h is x + 2h: 1 4 11 forwards, 3 8 17 backwards.
	{"rnn", &Recurrent{Cell: CellRNN, Direction: "bidirectional", Activations: []Unary{{Fn: Relu}, {Fn: Relu}}}, ts(count(1, 3, 3, 1, 1), f32(d(2, 1, 1), 1, 1), f32(d(2, 1, 1), 2, 2)),
		ts(f32(d(3, 2, 1, 1), 1, 17, 4, 8, 11, 3), f32(d(2, 1, 1), 11, 17))},
	// z is 1/4, r 1/2, and the candidate x + r·h: 3/4·4 = 3; 3/4·(8 + 3/2) + 3/4 = 7.875.
	{"gru", &Recurrent{Cell: CellGRU, Direction: "forward", Activations: []Unary{{Fn: Affine, Alpha: 1}, {Fn: Relu}}},
		ts(f32(d(2, 1, 1), 4, 8), f32(d(1, 3, 1), 0, 0, 1), f32(d(1, 3, 1), 0, 0, 1), f32(d(1, 6), 0.25, 0.5, 0, 0, 0, 0)), ts(f32(d(2, 1, 1, 1), 3, 7.875), f32(d(1, 1, 1), 7.875))},
	// i 1, o 1 + the new cell, f 1/2 + 2·cell: cell 2 + 2·4.5 = 11, h 12·11; one sequence of two, the other has ended.
	{"lstm", &Recurrent{Cell: CellLSTM, Direction: "forward", Activations: []Unary{{Fn: Relu}, {Fn: Relu}, {Fn: Relu}}},
		ts(f32(d(1, 2, 1), 2, 7), f32(d(1, 4, 1), 0, 0, 0, 1), f32(d(1, 4, 1), 0, 0, 0, 0), f32(d(1, 8), 1, 1, 0.5, 0, 0, 0, 0, 0), i32(d(2), 1, 0), nil, f32(d(1, 2, 1), 2, 5), f32(d(1, 3), 0, 1, 2)),
		ts(f32(d(1, 1, 2, 1), 132, 0), f32(d(1, 2, 1), 132, 0), f32(d(1, 2, 1), 11, 5))},

	{"conv", &Conv{Window: Window{Pads: d(1, 0, 0, 0)}, Groups: 1}, ts(count(1, 4, 1, 1, 2, 2), count(1, 2, 1, 1, 2, 1), f32(d(1), 10)),
		ts(f32(d(1, 1, 2, 2), 12, 14, 17, 20))},
	{"conv 1-d", &Conv{Window: Window{Strides: d(2), Dilations: d(2)}, Groups: 1}, ts(count(1, 7, 1, 1, 7), f32(d(1, 1, 2), 1, 10)), ts(f32(d(1, 1, 3), 31, 53, 75))},
	{"conv groups", &Conv{Groups: 2}, ts(count(1, 2, 1, 2, 1, 1), f32(d(2, 1, 1, 1), 3, 5)), ts(f32(d(1, 2, 1, 1), 3, 10))},
	{"conv same lower", &Conv{Window: Window{AutoPad: PadSameLower}, Groups: 1}, ts(count(1, 3, 1, 1, 3), f32(d(1, 1, 2), 1, 10)), ts(f32(d(1, 1, 3), 10, 21, 32))},
	{"conv transpose", &ConvTranspose{Window: Window{Strides: d(2)}, Groups: 1}, ts(count(1, 2, 1, 1, 2), f32(d(1, 1, 3), 1, 10, 100), f32(d(1), 5)),
		ts(f32(d(1, 1, 5), 6, 15, 107, 25, 205))},
	// (0, ½) lies between 1 and 2; (0, 1½) and (1½, 0) half outside; (1-1, 1) is 2.
	{"deformable conv", &DeformConv{Groups: 1, OffsetGroups: 1}, ts(count(1, 4, 1, 1, 2, 2), f32(d(1, 1, 1, 1), 2), f32(d(1, 2, 2, 2), 0, 0, 0.5, -1, 0.5, 0.5, 0, 0)),
		ts(f32(d(1, 1, 2, 2), 3, 2, 3, 4))},
	{"modulated deformable conv", &DeformConv{Groups: 1, OffsetGroups: 1}, ts(count(1, 4, 1, 1, 2, 2), f32(d(1, 1, 1, 1), 2),
		f32(d(1, 2, 2, 2), 0, 0, 0.5, -1, 0.5, 0.5, 0, 0), f32(d(1), 10), f32(d(1, 1, 2, 2), 1, 0, 2, 0.5)), ts(f32(d(1, 1, 2, 2), 13, 10, 16, 12))},
	{"deformable conv in groups", &DeformConv{Groups: 2, OffsetGroups: 2}, ts(f32(d(1, 2, 1, 1), 3, 5), f32(d(2, 1, 1, 1), 1, 1), f32(d(1, 4, 1, 1), 0, 0, 0, 0.5)),
		ts(f32(d(1, 2, 1, 1), 3, 2.5))},
	{"deformable conv far outside", &DeformConv{Window: Window{Kernel: d(1, 2)}, Groups: 1, OffsetGroups: 1}, ts(f32(d(1, 1, 1, 2), 3, 5), f32(d(1, 1, 1, 2), 1, 1),
		f32(d(1, 4, 1, 1), nan, 0, 0, -1)), ts(f32(d(1, 1, 1, 1), 3))},
	{"locally connected", &LocallyConnected{}, ts(count(1, 2, 1, 1, 1, 2), f32(d(1, 2, 1, 1, 1, 1), 3, 5), f32(d(1, 1, 2), 10, 20)), ts(f32(d(1, 1, 1, 2), 13, 30))},
	{"max pool", &MaxPool{Window: Window{Kernel: d(2, 2), Pads: d(0, 0, 1, 1), Strides: d(2, 2)}}, ts(count(1, 9, 1, 1, 3, 3)),
		ts(f32(d(1, 1, 2, 2), 5, 6, 8, 9), long(d(1, 1, 2, 2), 4, 5, 7, 8))},
	{"max pool of nothing but negatives", &MaxPool{Window: Window{Kernel: d(3), Pads: d(1, 1)}}, ts(f32(d(1, 1, 2), -5, -3)), ts(f32(d(1, 1, 2), -3, -3))},
	{"ceil drops a window in the padding", &MaxPool{Window: Window{Kernel: d(1), Strides: d(2), Ceil: true}}, ts(count(1, 2, 1, 1, 2)), ts(count(1, 1, 1, 1, 1))},
	{"unpool", &MaxUnpool{Kernel: d(2), Strides: d(2)}, ts(f32(d(1, 2, 2), 5, 6, 7, 8), long(d(1, 2, 2), 1, 2, 7, 7)), ts(f32(d(1, 2, 4), 0, 5, 6, 0, 0, 0, 0, 8))},
	{"unpool with padding", &MaxUnpool{Kernel: d(3), Pads: d(1, 1)}, ts(f32(d(1, 1, 2), 5, 6), long(d(1, 1, 2), 1, 0)), ts(f32(d(1, 1, 2), 6, 5))},
	{"unpool to a larger shape", &MaxUnpool{Kernel: d(1, 2)}, ts(f32(d(1, 1, 2, 1), 5, 6), long(d(1, 1, 2, 1), 1, 2), i64(1, 1, 3, 3)),
		ts(f32(d(1, 1, 3, 3), 0, 5, 0, 6, 0, 0, 0, 0, 0))},
	{"average", &AveragePool{Window: Window{Kernel: d(2), Pads: d(1, 1)}}, ts(count(2, 3, 1, 1, 2)), ts(f32(d(1, 1, 3), 2, 2.5, 3))},
	{"average with padding", &AveragePool{Window: Window{Kernel: d(2), Pads: d(1, 1)}, CountPad: true}, ts(count(2, 3, 1, 1, 2)), ts(f32(d(1, 1, 3), 1, 2.5, 1.5))},
	{"l2 pool", &LpPool{Window: Window{Kernel: d(2)}, P: 2}, ts(f32(d(1, 1, 2), 3, -4)), ts(f32(d(1, 1, 1), 5))},
	{"global average", &GlobalPool{Fn: GlobalAveragePool}, ts(count(1, 8, 1, 2, 2, 2)), ts(f32(d(1, 2, 1, 1), 2.5, 6.5))},
	{"global l1", &GlobalPool{Fn: GlobalLpPool, P: 1}, ts(f32(d(1, 1, 2), -3, 4)), ts(f32(d(1, 1, 1), 7))},

	{"batch norm", &BatchNorm{}, ts(count(1, 4, 1, 2, 2), f32(d(2), 2, 1), f32(d(2), 10, 0), f32(d(2), 1, 3), f32(d(2), 4, 1)),
		ts(f32(d(1, 2, 2), 10, 11, 0, 1), nil, nil)},
	{"instance norm", &InstanceNorm{}, ts(f32(d(1, 1, 4), 1, 1, 3, 3), f32(d(1), 2), f32(d(1), 5)), ts(f32(d(1, 1, 4), 3, 3, 7, 7))},
	{"layer norm", &LayerNorm{Axis: -1}, ts(f32(d(1, 4), 1, 1, 3, 3), f32(d(4), 1, 2, 1, 2)), ts(f32(d(1, 4), -1, -2, 1, 2), f32(d(1, 1), 2), f32(d(1, 1), 1))},
	// The roots of the mean squares of both rows are 5.
	{"rms norm", &RMSNorm{Axis: -1}, ts(f32(d(2, 2), 1, 7, -7, 1), f32(d(2), 5, 10)), ts(f32(d(2, 2), 1, 14, -7, 2))},
	{"rms norm of all", &RMSNorm{Axis: 0, Epsilon: 1}, ts(f32(d(2, 1), 0, 4), f32(d(2, 1), 1, 3)), ts(f32(d(2, 1), 0, 4))},
	{"group norm", &GroupNorm{Groups: 1}, ts(f32(d(1, 2, 2), 1, 1, 3, 3), f32(d(2), 1, 10), f32(d(2), 0, 1)), ts(f32(d(1, 2, 2), -1, -1, 11, 11))},
	{"lp norm", &LpNorm{Axis: 0, P: 2}, ts(f32(d(2), 3, 4)), ts(f32(d(2), 0.6, 0.8))},
	// The window of channel 0 holds both channels, that of channel 1 itself: 0/1^¾ and 1/1^¾.
	{"lrn", &LRN{Size: 2, Alpha: 2, Beta: 0.75, Bias: 0}, ts(f32(d(1, 2, 1, 1), 0, 1)), ts(f32(d(1, 2, 1, 1), 0, 1))},
	{"lcn of a flat picture", &LCN{Size: 1, Sigma: 1, Floor: 0.5}, ts(f32(d(1, 1, 1, 2), 7, 7)), ts(f32(d(1, 1, 1, 2), 0, 0))},
	// One position: mean 2, deviation 1, which is also its mean over positions.
	{"lcn", &LCN{Size: 5, Sigma: 1}, ts(f32(d(1, 2, 1, 1), 1, 3)), ts(f32(d(1, 2, 1, 1), -1, 1))},
	{"lcn below its floor", &LCN{Size: 1, Sigma: 1, Floor: 4}, ts(f32(d(1, 2, 1, 1), 1, 3)), ts(f32(d(1, 2, 1, 1), -0.25, 0.25))},
	{"dropout", &Dropout{}, ts(count(1, 2, 2)), ts(count(1, 2, 2), boolean(d(2), true, true))},

	{"nearest", &Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"}, ts(count(1, 2, 1, 2), nil, f32(d(2), 2, 1.5)),
		ts(f32(d(2, 3), 1, 1, 2, 1, 1, 2))},
	{"linear", &Resize{Mode: "linear", Coordinates: "half_pixel", Nearest: "floor"}, ts(f32(d(2), 0, 4), nil, nil, i64(4)), ts(f32(d(4), 0, 1, 3, 4))},
	{"linear, corners", &Resize{Mode: "linear", Coordinates: "align_corners", Nearest: "floor"}, ts(f32(d(2), 0, 4), nil, nil, i64(5)), ts(f32(d(5), 0, 1, 2, 3, 4))},
	// A triangle of half-width 4 about 1.5, the edges repeated: weights 1 3 5 7 7 5 3 1 (of 32) on 8 8 8 0 0 8 8 8.
	{"antialias", &Resize{Mode: "linear", Coordinates: "half_pixel", Nearest: "floor", Antialias: true}, ts(f32(d(4), 8, 0, 0, 8), nil, nil, i64(1)), ts(f32(d(1), 4.5))},
	{"grid", &GridSample{Mode: "linear", Padding: "zeros", AlignCorners: true}, ts(f32(d(1, 1, 1, 2), 2, 6), f32(d(1, 1, 2, 2), 0, 0, 1, 0)), ts(f32(d(1, 1, 1, 2), 4, 6))},
	{"grid outside", &GridSample{Mode: "nearest", Padding: "border"}, ts(f32(d(1, 1, 1, 2), 2, 6), f32(d(1, 1, 1, 2), 9, 0)), ts(f32(d(1, 1, 1, 1), 6))},
	{"affine grid", &AffineGrid{}, ts(f32(d(1, 2, 3), 1, 0, 0, 0, 1, 0), i64(1, 1, 1, 2)), ts(f32(d(1, 1, 2, 2), -0.5, 0, 0.5, 0))},
	{"affine grid to the corners", &AffineGrid{AlignCorners: true}, ts(f32(d(1, 2, 3), 2, 0, 1, 1, 1, 0), i64(1, 1, 1, 2)), ts(f32(d(1, 1, 2, 2), -1, -1, 3, 1))},
	{"affine grid of volumes", &AffineGrid{}, ts(f32(d(1, 3, 4), 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 5), i64(1, 7, 2, 1, 1)), ts(f32(d(1, 2, 1, 1, 3), -0.5, 0, 5, 0.5, 0, 5))},
	{"roi", &RoiAlign{Height: 1, Width: 1, Samples: 1, Scale: 1}, ts(count(0, 3, 1, 1, 2, 2), f32(d(1, 4), 0, 0, 1, 1), i64(0)), ts(f32(d(1, 1, 1, 1), 1.5))},
	{"nms", &NonMaxSuppression{}, ts(f32(d(1, 3, 4), 0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 5, 1, 6), f32(d(1, 1, 3), 0.5, 0.9, 0.1), i64(5), f32(d(1), 0.5)),
		ts(long(d(2, 3), 0, 0, 1, 0, 0, 2))},
	// Columns 1 to 3 in two bins share column 2; row 0 is both bins'. The second region is one pixel outside, the third rounds to all of the second image.
	{"max roi pool", &MaxRoiPool{Height: 2, Width: 2, Scale: 0.5}, ts(count(-8, 7, 2, 1, 2, 4), f32(d(3, 5), 0, 2, 0, 6, 0, 0, 8, 4, 8, 4, 1, -1, -0.5, 6, 2.9)),
		ts(f32(d(3, 1, 2, 2), -6, -5, -6, -5, 0, 0, 0, 0, 1, 3, 5, 7))},
	{"tensor scatter", &TensorScatter{Axis: 1}, ts(count(1, 6, 2, 3), f32(d(2, 2), 10, 20, 30, 40), i64(1, 0)), ts(f32(d(2, 3), 1, 10, 20, 30, 40, 6))},
	{"tensor scatter from the start", &TensorScatter{Axis: -2}, ts(count(1, 6, 1, 3, 2), f32(d(1, 1, 2), 10, 20)), ts(f32(d(1, 3, 2), 10, 20, 3, 4, 5, 6))},
	{"tensor scatter around the end", &TensorScatter{Axis: 2, Circular: true}, ts(count(1, 12, 2, 2, 3), f32(d(2, 2, 2), 10, 20, 30, 40, 50, 60, 70, 80), i64(2, 4)),
		ts(f32(d(2, 2, 3), 20, 2, 10, 40, 5, 30, 7, 50, 60, 10, 70, 80))},
	{"unique", &Unique{Flat: true, Sorted: true}, ts(f32(d(2, 3), 3, 1, 3, 2, 1, 3)), ts(f32(d(3), 1, 2, 3), i64(1, 3, 0), i64(2, 0, 2, 1, 0, 2), i64(2, 1, 3))},
	{"unique as they come", &Unique{Flat: true}, ts(f32(d(2, 3), 3, 1, 3, 2, 1, 3)), ts(f32(d(3), 3, 1, 2), i64(0, 1, 3), i64(0, 1, 0, 2, 1, 0), i64(3, 2, 1))},
	{"unique columns", &Unique{Axis: -1, Sorted: true}, ts(f32(d(2, 3), 2, 1, 2, 5, 9, 5)), ts(f32(d(2, 2), 1, 2, 9, 5), i64(1, 0), i64(1, 0, 1), i64(1, 2))},
	{"likelihood", &NLL{Reduction: "none"}, ts(count(1, 8, 2, 2, 2), long(d(2, 2), 0, 1, 1, 0), f32(d(2), 10, 1)), ts(f32(d(2, 2), -10, -4, -7, -60))},
	{"mean likelihood", &NLL{Reduction: "mean"}, ts(count(1, 4, 2, 2), i32(d(2), 1, 0), f32(d(2), 3, 1)), ts(tensor.Scalar(float32(-11. / 4)))},
	{"likelihood without what is ignored", &NLL{Reduction: "mean", Ignores: true, Ignore: -1}, ts(count(1, 6, 3, 2), i64(1, -1, 0)), ts(tensor.Scalar(float32(-3.5)))},
	{"sum of likelihoods", &NLL{Reduction: "sum", Ignores: true, Ignore: 1}, ts(count(1, 6, 3, 2), i64(1, 0, 0)), ts(tensor.Scalar(float32(-8)))},
	{"hann", &CosineWindow{Fn: HannWindow, Periodic: true, To: tensor.Float32}, ts(i64(4)), ts(f32(d(4), 0, 0.5, 1, 0.5))},
	{"hann, symmetric", &CosineWindow{Fn: HannWindow, To: tensor.Float32}, ts(i32(d(), 4)), ts(f32(d(4), 0, 0.75, 0.75, 0))},
	{"hamming", &CosineWindow{Fn: HammingWindow, Periodic: true, To: tensor.Float32}, ts(i64(2)), ts(f32(d(2), 4./46, 1))},
	{"blackman", &CosineWindow{Fn: BlackmanWindow, Periodic: true, To: tensor.Float32}, ts(i64(4)), ts(f32(d(4), 0, 0.34, 1, 0.34))},
	{"windows of integers", &CosineWindow{Fn: BlackmanWindow, Periodic: true, To: tensor.Int64}, ts(i64(8)), ts(i64(0, 0, 0, 0, 1, 0, 0, 0))},
	{"fourier", &DFT{}, ts(f32(d(4, 1), 1, 2, 3, 4)), ts(f32(d(4, 2), 10, 0, -2, 2, -2, 0, -2, -2))},
	{"half of fourier", &DFT{Onesided: true}, ts(f32(d(4, 1), 1, 2, 3, 4)), ts(f32(d(3, 2), 10, 0, -2, 2, -2, 0))},
	{"from half of fourier", &DFT{Onesided: true, Inverse: true}, ts(f32(d(3, 2), 10, 0, -2, 2, -2, 0)), ts(f32(d(4, 1), 1, 2, 3, 4))},
	{"non zero", &NonZero{}, ts(f32(d(2, 2), 0, 1, 2, 0)), ts(long(d(2, 2), 0, 1, 1, 0))},

	{"quantise", &Quantize{}, ts(f32(d(5), 1, 3, 5, -300, 300), tensor.Scalar(float32(2)), tensor.Scalar(uint8(10))), ts(u8(d(5), 10, 12, 12, 0, 160))},
	{"quantise extremes", &Quantize{}, ts(f32(d(8), nan, inf, -inf, 1, 3, -1, 1e30, -1e30), tensor.Scalar(float32(2)), tensor.Scalar(uint8(200))), ts(u8(d(8), 0, 255, 0, 200, 202, 200, 255, 0))},
	{"quantise extremes, signed", &Quantize{}, ts(f32(d(7), nan, inf, -inf, 1, 3, -1, 500), tensor.Scalar(float32(2)), tensor.Scalar(int8(-128))), ts(i8(d(7), 0, 127, -128, -128, -126, -128, 122))},
	{"quantise per axis", &Quantize{Axis: 0}, ts(f32(d(2), 8, 8), f32(d(2), 2, 4), i8(d(2), 0, 1)), ts(i8(d(2), 4, 3))},
	{"dequantise", &Dequantize{}, ts(u8(d(2), 10, 12), tensor.Scalar(float32(0.5)), tensor.Scalar(uint8(10))), ts(f32(d(2), 0, 1))},
	{"dequantise blocks", &Dequantize{Axis: 1, Block: 2}, ts(i8(d(1, 4), 1, 2, 3, 4), f32(d(1, 2), 1, 10)), ts(f32(d(1, 4), 1, 2, 30, 40))},
	{"dynamic", &DynamicQuantize{}, ts(f32(d(2), 0, 510)), ts(u8(d(2), 0, 255), tensor.Scalar(float32(2)), tensor.Scalar(uint8(0)))},
	{"conv integer", &ConvInteger{Conv{Groups: 1}}, ts(u8(d(1, 1, 1), 5), i8(d(1, 1, 1), -3), tensor.Scalar(uint8(2))), ts(i32(d(1, 1, 1), -9))},
	{"qlinear conv", &QLinearConv{Conv{Groups: 1}}, ts(u8(d(1, 1, 1), 5), tensor.Scalar(float32(0.5)), tensor.Scalar(uint8(2)), i8(d(1, 1, 1), 4),
		tensor.Scalar(float32(1)), tensor.Scalar(int8(0)), tensor.Scalar(float32(2)), tensor.Scalar(uint8(7)), i32(d(1), 4)), ts(u8(d(1, 1, 1), 11))},
	{"matmul integer", &MatMulInteger{}, ts(u8(d(1, 2), 3, 4), i8(d(2, 1), 1, -1)), ts(i32(d(1, 1), -1))},
	{"qlinear matmul saturates", &QLinearMatMul{}, ts(u8(d(1, 1), 200), tensor.Scalar(float32(1)), tensor.Scalar(uint8(0)), u8(d(1, 1), 200), tensor.Scalar(float32(1)),
		tensor.Scalar(uint8(0)), tensor.Scalar(float32(1)), tensor.Scalar(uint8(0))), ts(u8(d(1, 1), 255))},
}

func TestLayers(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var e Env
			if dyn, ok := c.op.(Dynamic); ok {
				if _, err := c.op.Infer(infosOf(c.in)); !errors.Is(err, ErrUnknown) {
					t.Fatalf("Infer: %v", err)
				}
				out, err := dyn.Run(&e, c.in)
				if err != nil {
					t.Fatal(err)
				}
				match(t, out, c.out)
				return
			}
			info, err := c.op.Infer(infosOf(c.in))
			if err != nil {
				t.Fatal(err)
			}
			ops := []Op{c.op}
			if p, ok := c.op.(Planner); ok {
				q := p.Plan(infosOf(c.in), info)
				switch {
				case q == nil && (strings.Contains(c.op.Kind(), "Conv") || strings.Contains(c.op.Kind(), "Pool")): // planned in three dimensions alone
				case q == nil || q.Kind() != c.op.Kind():
					t.Fatalf("planned as %v", q)
				default:
					ops = append(ops, q)
				}
			}
			for _, op := range ops {
				out := make([]*tensor.Tensor, len(c.out))
				for i, w := range c.out {
					if w == nil {
						continue
					}
					out[i] = tensor.New(info[i].DType, info[i].Shape...)
					// Storage is not cleared: what was there must not show.
					for k := range out[i].Raw() {
						out[i].Raw()[k] = 0x55
					}
				}
				e.Reset()
				if err := op.Forward(&e, c.in, out); err != nil {
					t.Fatal(err)
				}
				match(t, out, c.out)
			}
		})
	}
}

// match allows two units in the last place, for what is rounded on the way.
func match(t *testing.T, got, want []*tensor.Tensor) {
	t.Helper()
	for i, w := range want {
		if w == nil {
			continue
		}
		g := got[i]
		if g.DType() != w.DType() || !slices.Equal(g.Shape(), w.Shape()) {
			t.Fatalf("output %d is %v, want %v", i, g, w)
		}
		if w.DType() != tensor.Float32 {
			if !slices.Equal(g.Raw(), w.Raw()) {
				t.Errorf("output %d is % x, want % x", i, g.Raw(), w.Raw())
			}
			continue
		}
		for k, v := range w.Float32s() {
			x := g.Float32s()[k]
			if d := math.Abs(float64(x - v)); x != v && !(d <= 0x1p-22*math.Abs(float64(v))) && !(x != x && v != v) {
				t.Errorf("output %d: %v, want %v", i, g.Float32s(), w.Float32s())
				break
			}
		}
	}
}

func TestShapesThatCannotBe(t *testing.T) {
	x := func(n ...int) Info { return Info{DType: tensor.Float32, Shape: n} }
	known := func(v ...int64) Info { return Info{tensor.Int64, d(len(v)), i64(v...)} }
	for name, c := range map[string]struct {
		op Op
		in []Info
	}{
		"broadcast":         {&Binary{Add}, []Info{x(2), x(3)}},
		"types":             {&Binary{Add}, []Info{x(2), {DType: tensor.Int64, Shape: d(2)}}},
		"conv channels":     {&Conv{Groups: 1}, []Info{x(1, 3, 4, 4), x(8, 4, 1, 1)}},
		"conv window":       {&Conv{Groups: 1}, []Info{x(1, 3, 2, 2), x(8, 3, 3, 3)}},
		"conv bias":         {&Conv{Groups: 1}, []Info{x(1, 3, 4, 4), x(8, 3, 1, 1), x(7)}},
		"matmul":            {&MatMul{}, []Info{x(2, 3), x(4, 2)}},
		"concat":            {&Concat{Axis: 1}, []Info{x(1, 2), x(2, 2)}},
		"concat axis":       {&Concat{Axis: 2}, []Info{x(1, 2), x(1, 2)}},
		"split sizes":       {&Split{Parts: 2}, []Info{x(5), known(2, 2)}},
		"slice step 0":      {&Slice{}, []Info{x(5), known(0), known(1), known(0), known(0)}},
		"transpose":         {&Transpose{Perm: d(0, 0)}, []Info{x(2, 2)}},
		"gemm":              {&Gemm{Alpha: 1}, []Info{x(2, 3), x(2, 3)}},
		"top k":             {&TopK{}, []Info{x(5), known(6)}},
		"norm":              {&BatchNorm{}, []Info{x(1, 3, 2), x(3), x(3), x(3), x(2)}},
		"recurrent x":       {&Recurrent{Cell: CellRNN, Direction: "forward", Activations: usual(CellRNN, 1)}, []Info{x(3, 1, 2), x(1, 4, 3), x(1, 4, 4)}},
		"recurrent gates":   {&Recurrent{Cell: CellLSTM, Direction: "forward", Activations: usual(CellLSTM, 1)}, []Info{x(3, 1, 2), x(1, 7, 2), x(1, 7, 1)}},
		"no hidden size":    {&Recurrent{Cell: CellGRU, Direction: "forward", Activations: usual(CellGRU, 1)}, []Info{x(3, 1, 2), x(1, 0, 2), x(1, 0, 0)}},
		"hidden size":       {&Recurrent{Cell: CellRNN, Hidden: 5, Direction: "forward", Activations: usual(CellRNN, 1)}, []Info{x(3, 1, 2), x(1, 4, 2), x(1, 4, 4)}},
		"one way of two":    {&Recurrent{Cell: CellRNN, Direction: "bidirectional", Activations: usual(CellRNN, 2)}, []Info{x(3, 1, 2), x(1, 4, 2), x(1, 4, 4)}},
		"activations":       {&Recurrent{Cell: CellLSTM, Direction: "forward", Activations: usual(CellRNN, 1)}, []Info{x(3, 1, 2), x(1, 4, 2), x(1, 4, 1)}},
		"first h":           {&Recurrent{Cell: CellRNN, Direction: "forward", Activations: usual(CellRNN, 1)}, []Info{x(3, 1, 2), x(1, 4, 2), x(1, 4, 4), {}, {}, x(1, 2, 4)}},
		"lengths of floats": {&Recurrent{Cell: CellRNN, Direction: "forward", Activations: usual(CellRNN, 1)}, []Info{x(3, 1, 2), x(1, 4, 2), x(1, 4, 4), {}, x(1)}},
		"pool":              {&MaxPool{}, []Info{x(1, 3, 2, 2)}},
		"nothing":           {&Conv{Groups: 1}, nil},
		"einsum labels":     {&Einsum{"ij,jk->iz"}, []Info{x(2, 2), x(2, 2)}},
		"resize to what":    {&Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"}, []Info{x(2, 2)}},
		"local positions":   {&LocallyConnected{}, []Info{x(1, 1, 4, 4), x(3, 3, 1, 1, 1, 1)}},
		"even lcn window":   {&LCN{Size: 2, Sigma: 1}, []Info{x(1, 1, 4, 4)}},
		"huge lcn window":   {&LCN{Size: 1<<20 + 1, Sigma: 1}, []Info{x(1, 1, 4, 4)}},
		"lcn sigma":         {&LCN{Size: 3}, []Info{x(1, 1, 4, 4)}},
		"lcn floor":         {&LCN{Size: 3, Sigma: 1, Floor: -1}, []Info{x(1, 1, 4, 4)}},
		"depth to space":    {&DepthToSpace{B: 3}, []Info{x(1, 4, 2, 2)}},
		"quantised scales":  {&Quantize{Axis: 1}, []Info{x(1, 4), x(3)}},
		"rms axis":          {&RMSNorm{Axis: 2}, []Info{x(2, 3), x(3)}},
		"rms scale":         {&RMSNorm{Axis: -1}, []Info{x(2, 3), x(2, 2, 3)}},
		"unpool positions":  {&MaxUnpool{Kernel: d(2)}, []Info{x(1, 1, 2), {DType: tensor.Int64, Shape: d(1, 1, 3)}}},
		"unpool padding":    {&MaxUnpool{Kernel: d(2), Pads: d(2, 2)}, []Info{x(1, 1, 2), {DType: tensor.Int64, Shape: d(1, 1, 2)}}},
		"unpool strides":    {&MaxUnpool{Kernel: d(2), Strides: d(1 << 27)}, []Info{x(1, 1, 9), {DType: tensor.Int64, Shape: d(1, 1, 9)}}},
		"unpool to less":    {&MaxUnpool{Kernel: d(2)}, []Info{x(1, 1, 2), {DType: tensor.Int64, Shape: d(1, 1, 2)}, known(1, 1, 2)}},
		"unpool to more":    {&MaxUnpool{Kernel: d(2)}, []Info{x(1, 1, 2), {DType: tensor.Int64, Shape: d(1, 1, 2)}, known(1<<31, 1<<31, 3)}},
		"deform volumes":    {&DeformConv{Groups: 1, OffsetGroups: 1}, []Info{x(1, 1, 2, 2, 2), x(1, 1, 1, 1, 1), x(1, 3, 2, 2, 2)}},
		"deform offsets":    {&DeformConv{Groups: 1, OffsetGroups: 1}, []Info{x(1, 1, 2, 2), x(1, 1, 1, 1), x(1, 2, 2, 1)}},
		"deform mask":       {&DeformConv{Groups: 1, OffsetGroups: 1}, []Info{x(1, 1, 2, 2), x(1, 1, 1, 1), x(1, 2, 2, 2), {}, x(1, 2, 2, 2)}},
		"deform groups":     {&DeformConv{Groups: 1, OffsetGroups: 2}, []Info{x(1, 3, 2, 2), x(1, 3, 1, 1), x(1, 4, 2, 2)}},
		"deform no groups":  {&DeformConv{Groups: 1}, []Info{x(1, 1, 2, 2), x(1, 1, 1, 1), x(1, 0, 2, 2)}},
		"columns":           {&Col2Im{}, []Info{x(1, 3, 2), known(3), known(2)}},
		"columns' blocks":   {&Col2Im{}, []Info{x(1, 2, 2), known(3), known(0)}},
		"huge blocks":       {&Col2Im{}, []Info{x(0, 0, 1), known(1<<62, 1<<62), known(1<<62, 1<<62)}},
		"columns' image":    {&Col2Im{}, []Info{x(1, 2, 1), known(1), known(2)}},
		"many columns":      {&Col2Im{Pads: d(1<<27, 1<<27, 1<<27, 1<<27, 1<<27, 1<<27)}, []Info{x(0, 1, 0), known(0, 0, 0), known(1, 1, 1)}},
		"sequences":         {&ReverseSequence{Batch: 1}, []Info{x(2, 3), known(1, 2)}},
		"sequences' axes":   {&ReverseSequence{Batch: 2, Time: -1}, []Info{x(2, 3, 2), known(1, 2)}},
		"not square":        {&Det{}, []Info{x(2, 3)}},
		"affine maps":       {&AffineGrid{}, []Info{x(1, 2, 3), known(1, 1, 2, 2, 2)}},
		"affine size":       {&AffineGrid{}, []Info{x(1, 2, 3), known(1, 1, 1<<62, 1<<62)}},
		"unique axis":       {&Unique{Axis: 2}, []Info{x(2, 3)}},
		"unique of nothing": {&Unique{}, []Info{x(1<<30, 0)}},
		"regions":           {&MaxRoiPool{Height: 1, Width: 1, Scale: 1}, []Info{x(1, 1, 4, 4), x(2, 4)}},
		"huge pools":        {&MaxRoiPool{Height: 1 << 30, Width: 1, Scale: 1}, []Info{x(1, 1, 4, 4), x(0, 5)}},
		"long update":       {&TensorScatter{Axis: 1}, []Info{x(2, 3), x(2, 4)}},
		"scattered batch":   {&TensorScatter{}, []Info{x(2, 3), x(2, 3)}},
		"scatter positions": {&TensorScatter{Axis: 1}, []Info{x(2, 3), x(2, 3), known(0)}},
		"labels":            {&NLL{Reduction: "sum"}, []Info{x(2, 3), known(1)}},
		"class weights":     {&NLL{Reduction: "sum"}, []Info{x(2, 3), known(1, 1), x(2)}},
		"likelihood":        {&NLL{Reduction: "most"}, []Info{x(2, 3), known(1, 1)}},
		"huge window":       {&CosineWindow{Fn: HannWindow, To: tensor.Float32}, []Info{known(1 << 25)}},
		"no window":         {&CosineWindow{Fn: HannWindow, To: tensor.Float32}, []Info{known(-1)}},
		"window of texts":   {&CosineWindow{Fn: HannWindow, To: tensor.String}, []Info{known(1)}},
		"transform parts":   {&DFT{}, []Info{x(1, 4, 3)}},
		"transform axis":    {&DFT{}, []Info{x(1, 4, 1), {}, known(-1)}},
		"huge transform":    {&DFT{}, []Info{x(1, 4, 1), known(1 << 40)}},
		"no transform":      {&DFT{}, []Info{x(1, 0, 1)}},
		"half of complex":   {&DFT{Onesided: true}, []Info{x(1, 4, 2)}},
		"mel edges":         {&MelWeightMatrix{To: tensor.Float32}, []Info{known(2), known(8), known(8), {tensor.Float32, d(1), f32(d(1), 0)}, {tensor.Float32, d(1), f32(d(1), 5)}}},
		"huge mel":          {&MelWeightMatrix{To: tensor.Float32}, []Info{known(1 << 30), known(1 << 30), known(8), {tensor.Float32, d(1), f32(d(1), 0)}, {tensor.Float32, d(1), f32(d(1), 1)}}},
		"negative size":     {&AffineGrid{}, []Info{x(1, 2, 3), known(1, 1, -1, 2)}},
	} {
		if out, err := c.op.Infer(c.in); err == nil {
			t.Errorf("%s: accepted as %v", name, out)
		}
	}
}

func TestInferWaitsForValues(t *testing.T) {
	shape := Info{DType: tensor.Int64, Shape: d(2)}
	x := Info{DType: tensor.Float32, Shape: d(2, 2)}
	for _, c := range []struct {
		op Op
		in []Info
	}{
		{&Reshape{}, []Info{x, shape}}, {&Expand{}, []Info{x, shape}}, {&Tile{}, []Info{x, shape}},
		{&ConstantOfShape{Value: tensor.Of([]float32{0})}, []Info{shape}}, {&Slice{}, []Info{x, shape, shape}},
		{&TopK{}, []Info{x, {DType: tensor.Int64, Shape: d(1)}}}, {&NonZero{}, []Info{x}},
		{&Unique{}, []Info{x}}, {&CosineWindow{Fn: HannWindow, To: tensor.Float32}, []Info{{DType: tensor.Int64}}}, {&DFT{}, []Info{x, {DType: tensor.Int64}}},
		{&Col2Im{}, []Info{x, shape, shape}}, {&AffineGrid{}, []Info{x, shape}},
		{&MaxUnpool{Kernel: d(2)}, []Info{{DType: tensor.Float32, Shape: d(1, 1, 2)}, {DType: tensor.Int64, Shape: d(1, 1, 2)}, shape}},
	} {
		if _, err := c.op.Infer(c.in); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", c.op.Kind(), err)
		}
	}
}
