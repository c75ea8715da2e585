package layer

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Fn names an element-wise function.
type Fn string

const (
	Abs             Fn = "Abs"
	Neg             Fn = "Neg"
	Ceil            Fn = "Ceil"
	Floor           Fn = "Floor"
	Round           Fn = "Round" // to nearest, ties to even
	Sign            Fn = "Sign"
	Sqrt            Fn = "Sqrt"
	Reciprocal      Fn = "Reciprocal"
	Exp             Fn = "Exp"
	Log             Fn = "Log"
	Erf             Fn = "Erf"
	Sin             Fn = "Sin"
	Cos             Fn = "Cos"
	Tan             Fn = "Tan"
	Asin            Fn = "Asin"
	Acos            Fn = "Acos"
	Atan            Fn = "Atan"
	Sinh            Fn = "Sinh"
	Cosh            Fn = "Cosh"
	Asinh           Fn = "Asinh"
	Acosh           Fn = "Acosh"
	Atanh           Fn = "Atanh"
	Relu            Fn = "Relu"            // max(0, x)
	LeakyRelu       Fn = "LeakyRelu"       // x < 0 ? Alpha·x : x
	ThresholdedRelu Fn = "ThresholdedRelu" // x > Alpha ? x : 0
	Shrink          Fn = "Shrink"          // x < -Alpha ? x+Beta : x > Alpha ? x-Beta : 0
	Elu             Fn = "Elu"             // x < 0 ? Alpha·(eˣ-1) : x
	Selu            Fn = "Selu"            // Beta·(x > 0 ? x : Alpha·(eˣ-1))
	Celu            Fn = "Celu"            // max(0, x) + min(0, Alpha·(e^(x/Alpha)-1))
	Sigmoid         Fn = "Sigmoid"         // 1/(1+e⁻ˣ)
	HardSigmoid     Fn = "HardSigmoid"     // max(0, min(1, Alpha·x+Beta))
	HardSwish       Fn = "HardSwish"       // x·max(0, min(1, x/6+1/2))
	Tanh            Fn = "Tanh"
	Softplus        Fn = "Softplus" // log(1+eˣ)
	Softsign        Fn = "Softsign" // x/(1+|x|)
	Mish            Fn = "Mish"     // x·tanh(softplus(x))
	Gelu            Fn = "Gelu"     // x·Φ(x); with Alpha 1 its tanh approximation
	SiLU            Fn = "SiLU"     // x·sigmoid(x); ONNX writes it as two nodes
	Step            Fn = "Step"     // x > 0 ? 1 : 0, the perceptron's output (Rosenblatt 1958)
	BitwiseNot      Fn = "BitwiseNot"
)

// Unary computes y = Fn(x) for each element.
type Unary struct {
	Fn          Fn
	Alpha, Beta float32
}

func (u *Unary) Kind() string { return string(u.Fn) }

// InPlace allows y to lie where x was.
func (u *Unary) InPlace() {}

var (
	unary64 = map[Fn]func(u *Unary, x float64) float64{
		Sqrt:       func(_ *Unary, x float64) float64 { return math.Sqrt(x) },
		Reciprocal: func(_ *Unary, x float64) float64 { return 1 / x },
		Exp:        func(_ *Unary, x float64) float64 { return math.Exp(x) },
		Log:        func(_ *Unary, x float64) float64 { return math.Log(x) },
		Erf:        func(_ *Unary, x float64) float64 { return math.Erf(x) },
		Sin:        func(_ *Unary, x float64) float64 { return math.Sin(x) },
		Cos:        func(_ *Unary, x float64) float64 { return math.Cos(x) },
		Tan:        func(_ *Unary, x float64) float64 { return math.Tan(x) },
		Asin:       func(_ *Unary, x float64) float64 { return math.Asin(x) },
		Acos:       func(_ *Unary, x float64) float64 { return math.Acos(x) },
		Atan:       func(_ *Unary, x float64) float64 { return math.Atan(x) },
		Sinh:       func(_ *Unary, x float64) float64 { return math.Sinh(x) },
		Cosh:       func(_ *Unary, x float64) float64 { return math.Cosh(x) },
		Asinh:      func(_ *Unary, x float64) float64 { return math.Asinh(x) },
		Acosh:      func(_ *Unary, x float64) float64 { return math.Acosh(x) },
		Atanh:      func(_ *Unary, x float64) float64 { return math.Atanh(x) },
		ThresholdedRelu: func(u *Unary, x float64) float64 {
			if x > float64(u.Alpha) {
				return x
			}
			return x * 0
		},
		Shrink: func(u *Unary, x float64) float64 { return shrink(x, float64(u.Alpha), float64(u.Beta)) },
		Elu: func(u *Unary, x float64) float64 {
			if x < 0 {
				return float64(u.Alpha) * math.Expm1(x)
			}
			return x
		},
		Selu: func(u *Unary, x float64) float64 {
			if x > 0 {
				return float64(u.Beta) * x
			}
			return float64(u.Beta) * (float64(u.Alpha) * math.Expm1(x))
		},
		Celu: func(u *Unary, x float64) float64 {
			a := float64(u.Alpha)
			return max(0, x) + min(0, a*math.Expm1(x/a))
		},
		Sigmoid: func(_ *Unary, x float64) float64 { return 1 / (1 + math.Exp(-x)) },
		HardSigmoid: func(u *Unary, x float64) float64 {
			return max(0, min(1, float64(float64(u.Alpha)*x)+float64(u.Beta)))
		},
		HardSwish: func(_ *Unary, x float64) float64 { return x * max(0, min(1, float64(x/6)+0.5)) },
		Tanh:      func(_ *Unary, x float64) float64 { return math.Tanh(x) },
		Softplus:  func(_ *Unary, x float64) float64 { return softplus(x) },
		Softsign:  func(_ *Unary, x float64) float64 { return x / (1 + math.Abs(x)) },
		Mish:      func(_ *Unary, x float64) float64 { return x * math.Tanh(softplus(x)) },
		Gelu: func(u *Unary, x float64) float64 {
			if u.Alpha == 1 {
				const c = 0.7978845608028654 // √(2/π)
				return 0.5 * x * (1 + math.Tanh(c*(x+float64(0.044715*x*x*x))))
			}
			return 0.5 * x * (1 + math.Erf(x/math.Sqrt2))
		},
		SiLU: func(_ *Unary, x float64) float64 { return x / (1 + math.Exp(-x)) },
	}

	// The float32 ones that are exact or that the arithmetic contract defines; y may be x. Those that cost less than a call per element have a loop of their own.
	unary32 = map[Fn]func(u *Unary, y, x []float32){
		Abs: each(func(_ *Unary, x float32) float32 { return ref.Abs(x) }),
		Neg: each(func(_ *Unary, x float32) float32 { return -x }),
		Ceil: func(_ *Unary, y, x []float32) {
			for i, v := range x {
				y[i] = float32(math.Ceil(float64(v)))
			}
		},
		Floor: func(_ *Unary, y, x []float32) {
			for i, v := range x {
				y[i] = float32(math.Floor(float64(v)))
			}
		},
		Round: func(_ *Unary, y, x []float32) {
			for i, v := range x {
				y[i] = float32(math.RoundToEven(float64(v)))
			}
		},
		Sqrt: each(func(_ *Unary, x float32) float32 { return ref.Sqrt(x) }),
		Reciprocal: func(_ *Unary, y, x []float32) {
			for i, v := range x {
				y[i] = 1 / v
			}
		},
		Exp:       each(func(_ *Unary, x float32) float32 { return ref.Exp(x) }),
		Log:       each(func(_ *Unary, x float32) float32 { return ref.Log(x) }),
		Erf:       each(func(_ *Unary, x float32) float32 { return ref.Erf(x) }),
		Relu:      each(func(_ *Unary, x float32) float32 { return ref.ReLU(x) }),
		LeakyRelu: each(func(u *Unary, x float32) float32 { return ref.LeakyReLU(x, u.Alpha) }),
		ThresholdedRelu: func(u *Unary, y, x []float32) {
			alpha, gate := u.Alpha, [2]float32{0, 1}
			for i, v := range x {
				over := 0
				if v > alpha {
					over = 1
				}
				y[i] = v * gate[over]
			}
		},
		Shrink: each(func(u *Unary, x float32) float32 { return shrink(x, u.Alpha, u.Beta) }),
		Elu:    each(func(u *Unary, x float32) float32 { return ref.ELU(x, u.Alpha, 1) }),
		Selu:   each(func(u *Unary, x float32) float32 { return ref.ELU(x, float32(u.Alpha*u.Beta), u.Beta) }),
		Celu: each(func(u *Unary, x float32) float32 {
			if x > 0 {
				return x
			}
			return u.Alpha * ref.ELU(x/u.Alpha, 1, 1)
		}),
		Sigmoid:     each(func(_ *Unary, x float32) float32 { return ref.Sigmoid(x) }),
		HardSigmoid: each(func(u *Unary, x float32) float32 { return ref.HardSigmoid(x, u.Alpha, u.Beta) }),
		HardSwish:   each(func(_ *Unary, x float32) float32 { return ref.HardSwish(x) }),
		Tanh:        each(func(_ *Unary, x float32) float32 { return ref.Tanh(x) }),
		Softplus:    each(func(_ *Unary, x float32) float32 { return ref.Softplus(x) }),
		Softsign: func(_ *Unary, y, x []float32) {
			for i, v := range x {
				y[i] = v / (1 + ref.Abs(v))
			}
		},
		Mish: each(func(_ *Unary, x float32) float32 { return x * ref.Tanh(ref.Softplus(x)) }),
		Gelu: each(func(u *Unary, x float32) float32 {
			if u.Alpha == 1 {
				return ref.GELUTanh(x)
			}
			return ref.GELU(x)
		}),
		SiLU: each(func(_ *Unary, x float32) float32 { return ref.SiLU(x) }),
		Step: each(func(_ *Unary, x float32) float32 { return ref.Step(x) }),
	}
)

// each makes a function of vectors from one of numbers.
func each(f func(u *Unary, x float32) float32) func(u *Unary, y, x []float32) {
	return func(u *Unary, y, x []float32) {
		for i, v := range x {
			y[i] = f(u, v)
		}
	}
}

func shrink[T real](x, lambda, bias T) T {
	switch {
	case x < -lambda:
		return x + bias
	case x > lambda:
		return x - bias
	}
	return 0
}

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// maxOf returns a > b ? a : b: a NaN in b is kept.
func maxOf[T number](a, b T) T {
	if a > b {
		return a
	}
	return b
}

// minOf returns a < b ? a : b: a NaN in b is kept.
func minOf[T number](a, b T) T {
	if a < b {
		return a
	}
	return b
}

type integer interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

type number interface{ integer | float32 | float64 }

// exact are the functions that are defined on integers too.
func (u *Unary) exact() bool {
	switch u.Fn {
	case Abs, Neg, Sign, Relu, BitwiseNot, Step, Shrink:
		return true
	}
	return false
}

func (u *Unary) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	d := in[0].DType
	switch {
	case u.Fn == BitwiseNot && !d.IsInt(),
		d != tensor.Float32 && d != tensor.Float64 && !(u.exact() && d.IsInt() && d != tensor.Int4 && d != tensor.Uint4):
		return nil, fmt.Errorf("input 0 is %v, which is not supported here", d)
	}
	if _, ok := unary64[u.Fn]; !ok && !u.exact() && unary32[u.Fn] == nil {
		return nil, fmt.Errorf("unknown function %q", string(u.Fn))
	}
	return same(in)
}

func (u *Unary) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	if u.Fn == Neg {
		return []Ref{neg(t, dout[0])}
	}
	g := &UnaryGrad{Unary: *u}
	from, ok := g.source()
	switch {
	case !ok:
		return []Ref{0} // flat wherever it has a derivative
	case from:
		g.FromOutput = true
		return []Ref{t.Add(g, out[0], dout[0])}
	}
	return []Ref{t.Add(g, in[0], dout[0])}
}

func (u *Unary) Forward(e *Env, in, out []*tensor.Tensor) error {
	switch in[0].DType() {
	case tensor.Float32:
		u.floats(out[0].Float32s(), in[0].Float32s())
	case tensor.Float64:
		u.doubles(tensor.Data[float64](out[0]), tensor.Data[float64](in[0]))
	case tensor.Int8:
		unaryInt[int8](u, out[0], in[0])
	case tensor.Int16:
		unaryInt[int16](u, out[0], in[0])
	case tensor.Int32:
		unaryInt[int32](u, out[0], in[0])
	case tensor.Int64:
		unaryInt[int64](u, out[0], in[0])
	case tensor.Uint8:
		unaryInt[uint8](u, out[0], in[0])
	case tensor.Uint16:
		unaryInt[uint16](u, out[0], in[0])
	case tensor.Uint32:
		unaryInt[uint32](u, out[0], in[0])
	case tensor.Uint64:
		unaryInt[uint64](u, out[0], in[0])
	}
	return nil
}

func (u *Unary) floats(y, x []float32) {
	switch u.Fn {
	case Relu:
		for i, v := range x {
			y[i] = maxOf(0, v)
		}
		return
	case Sign:
		signs(u.Fn, y, x)
		return
	}
	if f := unary32[u.Fn]; f != nil {
		f(u, y, x)
		return
	}
	f := unary64[u.Fn]
	for i, v := range x {
		y[i] = float32(f(u, float64(v)))
	}
}

func (u *Unary) doubles(y, x []float64) {
	f := unary64[u.Fn]
	switch u.Fn {
	case Sign, Step:
		signs(u.Fn, y, x)
		return
	case Abs:
		f = func(_ *Unary, x float64) float64 { return math.Abs(x) }
	case Neg:
		f = func(_ *Unary, x float64) float64 { return -x }
	case Ceil:
		f = func(_ *Unary, x float64) float64 { return math.Ceil(x) }
	case Floor:
		f = func(_ *Unary, x float64) float64 { return math.Floor(x) }
	case Round:
		f = func(_ *Unary, x float64) float64 { return math.RoundToEven(x) }
	case Relu:
		f = func(_ *Unary, x float64) float64 { return maxOf(0, x) }
	case LeakyRelu:
		f = func(u *Unary, x float64) float64 {
			if x > 0 {
				return x
			}
			return float64(u.Alpha) * x
		}
	}
	for i, v := range x {
		y[i] = f(u, v)
	}
}

// signs computes Sign and Step; a NaN stays a NaN.
func signs[T number](fn Fn, y, x []T) {
	for i, v := range x {
		switch {
		case v > 0:
			y[i] = 1
		case v < 0 && fn == Sign:
			var one T = 1
			y[i] = -one
		case v == v:
			y[i] = 0
		default:
			y[i] = v
		}
	}
}

func unaryInt[T integer](u *Unary, dst, src *tensor.Tensor) {
	y, x := tensor.Data[T](dst), tensor.Data[T](src)
	switch u.Fn {
	case Sign, Step:
		signs(u.Fn, y, x)
	case Abs:
		for i, v := range x {
			if v < 0 {
				v = -v
			}
			y[i] = v
		}
	case Neg:
		for i, v := range x {
			y[i] = -v
		}
	case Relu:
		for i, v := range x {
			y[i] = max(0, v)
		}
	case Shrink: // what is added may be a fraction
		for i, v := range x {
			y[i] = T(tensor.Trunc(shrink(float64(v), float64(u.Alpha), float64(u.Beta))))
		}
	case BitwiseNot:
		for i, v := range x {
			y[i] = ^v
		}
	}
}

// Not computes y = !x.
type Not struct{}

func (*Not) Kind() string { return "Not" }

// InPlace allows y to lie where x was.
func (*Not) InPlace() {}

func (*Not) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Bool); err != nil {
		return nil, err
	}
	return same(in)
}

func (*Not) Forward(e *Env, in, out []*tensor.Tensor) error {
	y, x := tensor.Bits[uint8](out[0]), tensor.Bits[uint8](in[0])
	for len(y) >= 8 && len(x) >= 8 {
		binary.LittleEndian.PutUint64(y, binary.LittleEndian.Uint64(x)^0x0101010101010101)
		y, x = y[8:], x[8:]
	}
	for i, v := range x {
		y[i] = v ^ 1
	}
	return nil
}

// IsNaN computes y = (x is not a number).
type IsNaN struct{}

func (*IsNaN) Kind() string { return "IsNaN" }

func (*IsNaN) Infer(in []Info) ([]Info, error) { return floatTest(in) }

func (*IsNaN) Forward(e *Env, in, out []*tensor.Tensor) error {
	y := tensor.Data[bool](out[0])
	if in[0].DType() == tensor.Float64 {
		areNaN(y, tensor.Data[float64](in[0]))
	} else {
		areNaN(y, in[0].Float32s())
	}
	return nil
}

func areNaN[T real](y []bool, x []T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = v != v
	}
}

// IsInf computes y = (x is infinite, of a sign that is asked for).
type IsInf struct{ Positive, Negative bool }

func (*IsInf) Kind() string { return "IsInf" }

func (*IsInf) Infer(in []Info) ([]Info, error) { return floatTest(in) }

func (o *IsInf) Forward(e *Env, in, out []*tensor.Tensor) error {
	y := tensor.Data[bool](out[0])
	if in[0].DType() == tensor.Float64 {
		areInf(o, y, tensor.Data[float64](in[0]))
	} else {
		areInf(o, y, in[0].Float32s())
	}
	return nil
}

func areInf[T real](o *IsInf, y []bool, x []T) {
	high, low := T(math.NaN()), T(math.NaN()) // which nothing equals
	if o.Positive {
		high = T(math.Inf(1))
	}
	if o.Negative {
		low = T(math.Inf(-1))
	}
	y = y[:len(x)]
	for i, v := range x {
		y[i] = v == high || v == low
	}
}

func floatTest(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32, tensor.Float64); err != nil {
		return nil, err
	}
	return one(tensor.Bool, in[0].Shape)
}
