package layer

import (
	"errors"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Ref names a value of the graph that a Tape builds. The zero Ref is none: an input that is left out, a gradient that is 0 everywhere.
type Ref int

// Tape is a graph under construction whose values all have known types and shapes.
//
// Add never fails: an operation that refuses its inputs is a fault of the caller, which the Tape keeps and reports when the graph is done.
type Tape interface {
	// Add appends an operation and returns its first output.
	Add(op Op, in ...Ref) Ref
	// AddN appends an operation and returns its first n outputs.
	AddN(n int, op Op, in ...Ref) []Ref
	// Const adds a constant.
	Const(t *tensor.Tensor) Ref
	// Info returns a value's type and shape, and its elements where it is a constant. It is the zero Info for the zero Ref.
	Info(r Ref) Info
}

// Differentiable is an Op that knows its gradient.
//
// Backward adds to t what computes the gradients of a scalar with respect to those inputs for which want is set, given those with respect
// to the outputs; 0 in dout stands for an output that the scalar does not depend on. It returns one gradient per input, of the input's type and shape, 0
// where the gradient is not wanted or 0 everywhere. in and out are what Forward reads and writes: what Backward does not use of them need
// not be kept.
type Differentiable interface {
	Op
	Backward(t Tape, in, out, dout []Ref, want []bool) []Ref
}

// The helpers below write gradients as operations on a Tape.

// vector adds an Int64 constant of a few numbers.
func vector(t Tape, v ...int) Ref { return t.Const(dims(v)) }

// scalarOf adds the constant v of the type of like.
func scalarOf(t Tape, like Ref, v float64) Ref {
	if t.Info(like).DType == tensor.Float64 {
		return t.Const(tensor.Scalar(v))
	}
	return t.Const(tensor.Scalar(float32(v)))
}

func add(t Tape, a, b Ref) Ref { return t.Add(&Binary{Add}, a, b) }
func mul(t Tape, a, b Ref) Ref { return t.Add(&Binary{Mul}, a, b) }
func div(t Tape, a, b Ref) Ref { return t.Add(&Binary{Div}, a, b) }
func neg(t Tape, a Ref) Ref    { return t.Add(&Unary{Fn: Neg}, a) }

// scaled returns v·a.
func scaled(t Tape, a Ref, v float64) Ref {
	if v == 1 {
		return a
	}
	return mul(t, a, scalarOf(t, a, v))
}

// reshaped gives a value a shape.
func reshaped(t Tape, a Ref, shape []int) Ref {
	if slices.Equal(t.Info(a).Shape, shape) {
		return a
	}
	return t.Add(&Reshape{AllowZero: true}, a, vector(t, shape...))
}

// expanded broadcasts a value to a shape.
func expanded(t Tape, a Ref, shape []int) Ref {
	if slices.Equal(t.Info(a).Shape, shape) {
		return a
	}
	return t.Add(&Expand{}, a, vector(t, shape...))
}

// zeros returns a value of zeros, of the type of like.
func zeros(t Tape, like Ref, shape []int) Ref { return expanded(t, scalarOf(t, like, 0), shape) }

// sumOver sums over axes; without any it returns its input.
func sumOver(t Tape, a Ref, keep bool, axes ...int) Ref {
	if len(axes) == 0 {
		return a
	}
	return t.Add(&Reduce{Fn: ReduceSum, KeepDims: keep}, a, vector(t, axes...))
}

// channelSum sums [N,C,...] to [C].
func channelSum(t Tape, a Ref) Ref {
	axes := []int{0}
	for i := 2; i < len(t.Info(a).Shape); i++ {
		axes = append(axes, i)
	}
	return sumOver(t, a, false, axes...)
}

// summedTo undoes broadcasting: it sums what one element of shape was repeated to.
func summedTo(t Tape, a Ref, shape []int) Ref {
	if a == 0 {
		return 0
	}
	s := t.Info(a).Shape
	var axes []int
	for i, d := range s {
		if k := i - len(s) + len(shape); k < 0 || shape[k] == 1 && d != 1 {
			axes = append(axes, i)
		}
	}
	return reshaped(t, sumOver(t, a, true, axes...), shape)
}

// refusal is an Op that no inputs suit: how a Backward says that it does not know a case.
type refusal string

func (refusal) Kind() string                   { return "Gradient" }
func (r refusal) Infer([]Info) ([]Info, error) { return nil, errors.New(string(r)) }
func (r refusal) Forward(*Env, []*tensor.Tensor, []*tensor.Tensor) error {
	return errors.New(string(r))
}

// refuse makes the tape fail with a reason.
func refuse(t Tape, why string) Ref { return t.Add(refusal(why)) }
