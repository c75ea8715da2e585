package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// UnaryGrad computes dx = Fn'(x)·dy of a Unary for each element. Inputs: x or, with FromOutput, y = Fn(x); and dy. At a kink it takes
// PyTorch's side: the derivatives of Relu and Abs at 0 are 0.
type UnaryGrad struct {
	Unary      Unary
	FromOutput bool
}

func (*UnaryGrad) Kind() string { return "UnaryGrad" }

// InPlace allows dx to lie where x or y was.
func (*UnaryGrad) InPlace() {}

// functions are what derivatives are made of, for one type of elements.
type functions struct{ exp, sigmoid, tanh, softplus func(x float64) float64 }

// through32 is a function of package ref, which returns the same bits on every machine.
func through32(f func(x float32) float32) func(x float64) float64 {
	return func(x float64) float64 { return float64(f(float32(x))) }
}

var (
	functions32 = &functions{through32(ref.Exp), through32(ref.Sigmoid), through32(ref.Tanh), through32(ref.Softplus)}
	functions64 = &functions{math.Exp, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, math.Tanh, softplus}
)

// derivative is Fn' at v, which is y or x.
type derivative func(u *Unary, f *functions, v float64) float64

// slope is Alpha on the negative side and 1 on the positive one.
func slope(u *Unary, _ *functions, v float64) float64 {
	if v > 0 {
		return 1
	}
	return float64(u.Alpha)
}

// fromOutput are the derivatives that y is enough for; Elu, Selu and those with a slope need an Alpha of at least 0 for that.
var fromOutput = map[Fn]derivative{
	Sqrt:       func(_ *Unary, _ *functions, y float64) float64 { return 0.5 / y },
	Reciprocal: func(_ *Unary, _ *functions, y float64) float64 { return -float64(y * y) },
	Exp:        func(_ *Unary, _ *functions, y float64) float64 { return y },
	Tan:        func(_ *Unary, _ *functions, y float64) float64 { return 1 + float64(y*y) },
	Relu: func(_ *Unary, _ *functions, y float64) float64 {
		if y > 0 {
			return 1
		}
		return 0
	},
	LeakyRelu: slope,
	ThresholdedRelu: func(u *Unary, _ *functions, y float64) float64 {
		if y > float64(u.Alpha) {
			return 1
		}
		return 0
	},
	Elu: func(u *Unary, _ *functions, y float64) float64 {
		if y > 0 {
			return 1
		}
		return y + float64(u.Alpha)
	},
	Selu: func(u *Unary, _ *functions, y float64) float64 {
		if y > 0 {
			return float64(u.Beta)
		}
		return y + float64(float64(u.Alpha)*float64(u.Beta))
	},
	Celu: func(u *Unary, _ *functions, y float64) float64 {
		if y > 0 {
			return 1
		}
		return y/float64(u.Alpha) + 1
	},
	Sigmoid:  func(_ *Unary, _ *functions, y float64) float64 { return y * (1 - y) },
	Softplus: func(_ *Unary, _ *functions, y float64) float64 { return -math.Expm1(-y) },
	Tanh:     func(_ *Unary, _ *functions, y float64) float64 { return 1 - float64(y*y) },
	HardSigmoid: func(u *Unary, _ *functions, y float64) float64 {
		if y > 0 && y < 1 {
			return float64(u.Alpha)
		}
		return 0
	},
	Softsign: func(_ *Unary, _ *functions, y float64) float64 { return (1 - math.Abs(y)) * (1 - math.Abs(y)) },
}

// fromInput are the other derivatives, and those of fromOutput whose Alpha is below 0.
var fromInput = map[Fn]derivative{
	Abs: func(_ *Unary, _ *functions, x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return 0
	},
	Log:   func(_ *Unary, _ *functions, x float64) float64 { return 1 / x },
	Erf:   func(_ *Unary, f *functions, x float64) float64 { return 2 / math.SqrtPi * f.exp(-float64(x*x)) },
	Sin:   func(_ *Unary, _ *functions, x float64) float64 { return math.Cos(x) },
	Cos:   func(_ *Unary, _ *functions, x float64) float64 { return -math.Sin(x) },
	Asin:  func(_ *Unary, _ *functions, x float64) float64 { return 1 / math.Sqrt(1-float64(x*x)) },
	Acos:  func(_ *Unary, _ *functions, x float64) float64 { return -1 / math.Sqrt(1-float64(x*x)) },
	Atan:  func(_ *Unary, _ *functions, x float64) float64 { return 1 / (1 + float64(x*x)) },
	Sinh:  func(_ *Unary, _ *functions, x float64) float64 { return math.Cosh(x) },
	Cosh:  func(_ *Unary, _ *functions, x float64) float64 { return math.Sinh(x) },
	Asinh: func(_ *Unary, _ *functions, x float64) float64 { return 1 / math.Sqrt(float64(x*x)+1) },
	Acosh: func(_ *Unary, _ *functions, x float64) float64 { return 1 / math.Sqrt(float64(x*x)-1) },
	Atanh: func(_ *Unary, _ *functions, x float64) float64 { return 1 / (1 - float64(x*x)) },

	LeakyRelu: slope,
	ThresholdedRelu: func(u *Unary, _ *functions, x float64) float64 {
		if x > float64(u.Alpha) {
			return 1
		}
		return 0
	},
	Shrink: func(u *Unary, _ *functions, x float64) float64 {
		if a := float64(u.Alpha); x < -a || x > a {
			return 1
		}
		return 0
	},
	Elu: func(u *Unary, f *functions, x float64) float64 {
		if x > 0 {
			return 1
		}
		return float64(u.Alpha) * f.exp(x)
	},
	Selu: func(u *Unary, f *functions, x float64) float64 {
		if x > 0 {
			return float64(u.Beta)
		}
		return float64(u.Beta) * float64(u.Alpha) * f.exp(x)
	},
	Celu: func(u *Unary, f *functions, x float64) float64 {
		if x > 0 {
			return 1
		}
		return f.exp(x / float64(u.Alpha))
	},
	HardSwish: func(_ *Unary, _ *functions, x float64) float64 {
		switch {
		case x < -3:
			return 0
		case x <= 3:
			return x/3 + 0.5
		}
		return 1
	},
	SiLU: func(_ *Unary, f *functions, x float64) float64 {
		s := f.sigmoid(x)
		return s * (1 + float64(x*(1-s)))
	},
	Mish: func(_ *Unary, f *functions, x float64) float64 {
		t := f.tanh(f.softplus(x))
		return t + float64(x*f.sigmoid(x)*(1-float64(t*t)))
	},
	Gelu: func(u *Unary, f *functions, x float64) float64 {
		if u.Alpha == 1 {
			const c, k = 0.7978845608028654, 0.044715 // √(2/π)
			t := f.tanh(c * (x + float64(k*x*x*x)))
			return float64(0.5*(1+t)) + float64(0.5*x*(1-float64(t*t))*c*(1+float64(3*k*x*x)))
		}
		const c = 0.3989422804014327 // 1/√(2π)
		return float64(0.5*(1+math.Erf(x/math.Sqrt2))) + float64(x*c*f.exp(-float64(0.5*x*x)))
	},
}

// gradients32 are the gradients that the arithmetic contract defines for float32, from y (output) or x.
var gradients32 = map[Fn]*struct {
	output bool
	grad   func(u *Unary, dy, v float32) float32
}{
	Sqrt:        {true, func(_ *Unary, dy, y float32) float32 { return ref.SqrtGrad(dy, y) }},
	Relu:        {true, func(_ *Unary, dy, y float32) float32 { return ref.ReLUGrad(dy, y) }},
	LeakyRelu:   {true, func(u *Unary, dy, y float32) float32 { return ref.LeakyReLUGrad(dy, y, u.Alpha) }},
	Elu:         {true, func(u *Unary, dy, y float32) float32 { return ref.ELUGrad(dy, y, u.Alpha, 1) }},
	Selu:        {true, func(u *Unary, dy, y float32) float32 { return ref.ELUGrad(dy, y, float32(u.Alpha*u.Beta), u.Beta) }},
	Sigmoid:     {true, func(_ *Unary, dy, y float32) float32 { return ref.SigmoidGrad(dy, y) }},
	HardSigmoid: {true, func(u *Unary, dy, y float32) float32 { return ref.HardSigmoidGrad(dy, y, u.Alpha) }},
	Tanh:        {true, func(_ *Unary, dy, y float32) float32 { return ref.TanhGrad(dy, y) }},
	Softplus:    {true, func(_ *Unary, dy, y float32) float32 { return ref.SoftplusGrad(dy, y) }},
	Abs:         {false, func(_ *Unary, dy, x float32) float32 { return ref.AbsGrad(dy, x) }},
	Erf:         {false, func(_ *Unary, dy, x float32) float32 { return ref.ErfGrad(dy, x) }},
	HardSwish:   {false, func(_ *Unary, dy, x float32) float32 { return ref.HardSwishGrad(dy, x) }},
	SiLU:        {false, func(_ *Unary, dy, x float32) float32 { return ref.SiLUGrad(dy, x) }},
	Gelu: {false, func(u *Unary, dy, x float32) float32 {
		if u.Alpha == 1 {
			return ref.GELUTanhGrad(dy, x)
		}
		return ref.GELUGrad(dy, x)
	}},
}

// source says whether the derivative comes from y, which is the better one to keep, and whether there is one at all.
func (g *UnaryGrad) source() (output, ok bool) {
	switch g.Unary.Fn {
	case LeakyRelu, ThresholdedRelu, Elu, Selu, Celu:
		if g.Unary.Alpha < 0 {
			return false, true
		}
	}
	if fromOutput[g.Unary.Fn] != nil {
		return true, true
	}
	return false, fromInput[g.Unary.Fn] != nil
}

func (g *UnaryGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if output, ok := g.source(); !ok || output != g.FromOutput {
		return nil, fmt.Errorf("no derivative of %s", g.Unary.Fn)
	}
	if err := isShape(in, 1, in[0].Shape); err != nil {
		return nil, err
	}
	return same(in)
}

func (g *UnaryGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		unaryBack[float64](g, functions64, in, out[0])
	} else {
		unaryBack[float32](g, functions32, in, out[0])
	}
	return nil
}

func unaryBack[T real](g *UnaryGrad, f *functions, in []*tensor.Tensor, out *tensor.Tensor) {
	v, dy, dx := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	if f := gradients32[g.Unary.Fn]; f != nil && single[T]() && (f.output == g.FromOutput) {
		for i, x := range v {
			dx[i] = T(f.grad(&g.Unary, float32(dy[i]), float32(x)))
		}
		return
	}
	d := fromInput[g.Unary.Fn]
	if g.FromOutput {
		d = fromOutput[g.Unary.Fn]
	}
	for i, x := range v {
		dx[i] = T(d(&g.Unary, f, float64(x)) * float64(dy[i]))
	}
}

// BinaryGrad computes the gradient of a Binary by its input Of, 0 or 1, in the shape that the inputs broadcast to. Inputs: a, b, dy. Where two are equal, Max
// and Min give each half.
type BinaryGrad struct {
	Fn Fn
	Of int
}

func (*BinaryGrad) Kind() string { return "BinaryGrad" }

// pairs are the derivatives of y = Fn(a, b) by a and by b.
var pairs = map[Fn][2]func(a, b float64) float64{
	Pow: {
		func(a, b float64) float64 {
			if b == 0 {
				return 0
			}
			return b * math.Pow(a, b-1)
		},
		func(a, b float64) float64 {
			if a == 0 && b >= 0 {
				return 0
			}
			return math.Pow(a, b) * math.Log(a)
		},
	},
	Max:   {func(a, b float64) float64 { return share(a, b) }, func(a, b float64) float64 { return share(b, a) }},
	Min:   {func(a, b float64) float64 { return share(b, a) }, func(a, b float64) float64 { return share(a, b) }},
	PRelu: {preluSlope, func(a, _ float64) float64 { return a - max(a, 0) }},
}

func preluSlope(a, b float64) float64 {
	if a > 0 {
		return 1
	}
	return b
}

// share is 1 for the greater, 1/2 for one of two equals, and else 0.
func share(a, b float64) float64 {
	switch {
	case a > b:
		return 1
	case a == b:
		return 0.5
	}
	return 0
}

func (g *BinaryGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	shape, err := Broadcast(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil, err
	}
	if _, ok := pairs[g.Fn]; !ok || g.Of != 0 && g.Of != 1 {
		return nil, fmt.Errorf("no derivative of %s", g.Fn)
	}
	if err := isShape(in, 2, shape); err != nil {
		return nil, err
	}
	return one(in[0].DType, shape)
}

func (g *BinaryGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	if out[0].Len() == 0 {
		return nil
	}
	if in[0].DType() == tensor.Float64 {
		binaryBack[float64](g, in, out[0])
	} else {
		binaryBack[float32](g, in, out[0])
	}
	return nil
}

func binaryBack[T real](g *BinaryGrad, in []*tensor.Tensor, out *tensor.Tensor) {
	a, b, dy, dx := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](in[2]), tensor.Data[T](out)
	f := pairs[g.Fn][g.Of]
	w := walk(out.Shape(), broadcastStrides(in[0].Shape(), out.Shape()), broadcastStrides(in[1].Shape(), out.Shape()))
	n, sa, sb := w.dim[w.n-1], w.step[0][w.n-1], w.step[1][w.n-1]
	w.rows(func(at int, off [3]int) {
		i, j := off[0], off[1]
		for k := at; k < at+n; k++ {
			dx[k] = T(f(float64(a[i]), float64(b[j])) * float64(dy[k]))
			i, j = i+sa, j+sb
		}
	})
}

// PReluSlopeGrad computes the gradient [C] of slopes by channel: Σ x·dy over the positions of x [N,C,...] that are not above 0. Inputs: x, dy.
type PReluSlopeGrad struct{}

func (*PReluSlopeGrad) Kind() string { return "PReluSlopeGrad" }

func (*PReluSlopeGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if len(in[0].Shape) < 2 {
		return nil, fmt.Errorf("input 0 is %s, which has no channels", in[0])
	}
	if err := isShape(in, 1, in[0].Shape); err != nil {
		return nil, err
	}
	return one(in[0].DType, in[0].Shape[1:2])
}

func (*PReluSlopeGrad) Forward(_ *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		slopeBack[float64](in, out[0])
	} else {
		slopeBack[float32](in, out[0])
	}
	return nil
}

func slopeBack[T real](in []*tensor.Tensor, out *tensor.Tensor) {
	x, dy, slope := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	size := sizeOf(in[0].Shape()[2:])
	for c := range slope {
		sum := 0.0
		for n := range in[0].Dim(0) {
			from := (n*len(slope) + c) * size
			for i, v := range x[from : from+size] {
				if !(v > 0) {
					sum += float64(float64(v) * float64(dy[from+i]))
				}
			}
		}
		slope[c] = T(sum)
	}
}
