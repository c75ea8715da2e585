package layer

import "github.com/ocellus-vision/ocellus/model/tensor"

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
