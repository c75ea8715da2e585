// Package layer holds the operations that networks are made of, one file per layer or family: what it computes, the rule that gives
// its outputs' types and shapes, and a forward pass that works on the axis order of ONNX (images are [N,C,H,W]).
//
// These forward passes are the plain ones: right for every shape, type and attribute. A compiled program replaces the hot
// ones by packages kernels' fast forms; what they compute is the same.
package layer

import (
	"errors"
	"fmt"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Info is what is known of a value before it is computed. The zero Info stands for an optional input that is left out.
type Info struct {
	DType tensor.DType
	Shape []int
	Value *tensor.Tensor // the elements, where they are known; else nil
}

// Present reports whether the value is there at all.
func (i Info) Present() bool { return i.DType != tensor.Invalid }

func (i Info) String() string {
	if !i.Present() {
		return "none"
	}
	return i.DType.String() + tensor.FormatShape(i.Shape)
}

// Op is one operation with its attributes.
//
// Infer checks the inputs and gives what is known of the outputs; its error is ErrUnknown, wrapped or not, where it needs the
// elements of an input that are not known yet. Forward computes the outputs, whose storage is there already;
// a left-out input or output is nil. Forward is given only what Infer has accepted and keeps none of its arguments. An Op is not changed
// by running it: one may serve many goroutines.
type Op interface {
	Kind() string
	Infer(in []Info) ([]Info, error)
	Forward(e *Env, in, out []*tensor.Tensor) error
}

// ErrUnknown says that an output's shape depends on elements that are not known yet.
var ErrUnknown = errors.New("the shape depends on values that are known only when the network runs")

// Dynamic is an Op whose outputs' shapes are a result of the computation. Its Infer returns ErrUnknown, its Forward is not used.
type Dynamic interface {
	Op
	Run(e *Env, in []*tensor.Tensor) ([]*tensor.Tensor, error)
}

// Aliaser is an Op whose first output has the elements of its first input in the same order, so that it may share the storage.
// Forward then has nothing to do.
type Aliaser interface {
	Op
	Alias()
}

// InPlacer is an Op whose first output may lie in the storage of its first input if both have one type and size.
type InPlacer interface {
	Op
	InPlace()
}

// Coster is an Op that can say how many multiply-accumulates it does.
type Coster interface {
	Op
	MACs(in, out []Info) int64
}

// Worker is an Op whose effort is not in proportion to the sizes of its inputs and outputs: about how many elements it looks at.
type Worker interface {
	Op
	Work(in, out []Info) int64
}

// product multiplies sizes, and stays at 2⁵⁶ where the product would be larger.
func product(n ...int) int64 {
	const most = 1 << 56
	p := int64(1)
	for _, v := range n {
		if v > 0 && p > most/int64(v) {
			return most
		}
		p *= int64(v)
	}
	return p
}

// Planner is an Op that can do part of its work once, when the inputs' types, shapes and constant elements are known: Plan returns an Op that
// computes the same for those, or nil where there is nothing to gain.
type Planner interface {
	Op
	Plan(in, out []Info) Op
}

// Env is what an operation runs in: the team that shares its work, and scratch memory. One goroutine uses an Env at a time.
type Env struct {
	Team  *kernels.Team
	slabs [][]byte
	used  int
	tasks []any
	pair  [2]*tensor.Tensor
}

// taskOf returns e's own T, which keeps what its last user left in it: a place for a task that costs no allocation per run.
func taskOf[T any](e *Env) *T {
	for _, t := range e.tasks {
		if p, ok := t.(*T); ok {
			return p
		}
	}
	p := new(T)
	e.tasks = append(e.tasks, p)
	return p
}

// Reset takes back the scratch memory that was handed out.
func (e *Env) Reset() { e.used = 0 }

// Floats returns n floats of scratch memory, not cleared, valid until Reset.
func (e *Env) Floats(n int) []float32 {
	return tensor.Slice[float32](e.Bytes(n*4), n)
}

// Int32s returns n int32 of scratch memory, not cleared, valid until Reset.
func (e *Env) Int32s(n int) []int32 {
	return tensor.Slice[int32](e.Bytes(n*4), n)
}

// Bytes returns n bytes of scratch memory, not cleared, valid until Reset.
func (e *Env) Bytes(n int) []byte {
	if e.used == len(e.slabs) {
		e.slabs = append(e.slabs, nil)
	}
	if cap(e.slabs[e.used]) < n {
		e.slabs[e.used] = tensor.Bytes(n)
	}
	e.used++
	return e.slabs[e.used-1][:n]
}

// ScratchBytes is the scratch memory that e holds.
func (e *Env) ScratchBytes() int {
	n := 0
	for _, s := range e.slabs {
		n += cap(s)
	}
	return n
}

// one returns a single output.
func one(d tensor.DType, shape []int) ([]Info, error) {
	if _, ok := tensor.Count(shape); !ok {
		return nil, fmt.Errorf("the output would have the impossible shape %s", tensor.FormatShape(shape))
	}
	return []Info{{DType: d, Shape: shape}}, nil
}

// want checks that there are between min and max inputs and that the first min are present.
func want(in []Info, least, most int) error {
	if len(in) < least || len(in) > most {
		if least == most {
			return fmt.Errorf("%d inputs, not %d", len(in), least)
		}
		return fmt.Errorf("%d inputs, not %d to %d", len(in), least, most)
	}
	for i := range least {
		if !in[i].Present() {
			return fmt.Errorf("input %d is missing", i)
		}
	}
	return nil
}

// opt returns input i, or the zero Info where there is none.
func opt(in []Info, i int) Info {
	if i < len(in) {
		return in[i]
	}
	return Info{}
}

// known says whether the elements of inputs are, as far as they are there at all.
func known(in []Info, inputs ...int) bool {
	for _, i := range inputs {
		if v := opt(in, i); v.Present() && v.Value == nil {
			return false
		}
	}
	return true
}

// optT returns tensor i, or nil where there is none.
func optT(in []*tensor.Tensor, i int) *tensor.Tensor {
	if i < len(in) {
		return in[i]
	}
	return nil
}

// isType checks the type of input i.
func isType(in []Info, i int, types ...tensor.DType) error {
	if i >= len(in) || !in[i].Present() {
		return nil
	}
	for _, t := range types {
		if in[i].DType == t {
			return nil
		}
	}
	return fmt.Errorf("input %d is %v, which is not supported here", i, in[i].DType)
}

// rank checks the number of dimensions of input i.
func rank(in []Info, i, least, most int) error {
	if r := len(in[i].Shape); r < least || r > most {
		return fmt.Errorf("input %d has %d dimensions: %s", i, r, in[i])
	}
	return nil
}

// ints returns the elements of an integer input.
func ints(i Info) ([]int, error) {
	if i.Value == nil {
		return nil, ErrUnknown
	}
	if i.Value.Len() > 1<<20 {
		return nil, fmt.Errorf("%d numbers where a few are expected", i.Value.Len())
	}
	v, ok := i.Value.Ints()
	if !ok {
		return nil, fmt.Errorf("integers are expected, not %v", i.DType)
	}
	return v, nil
}

// floats returns the elements of a numeric input.
func floats(i Info) ([]float32, error) {
	if i.Value == nil {
		return nil, ErrUnknown
	}
	if !i.DType.IsFloat() {
		return nil, fmt.Errorf("floats are expected, not %v", i.DType)
	}
	return i.Value.Floats(), nil
}

// axisOf makes a possibly negative axis positive.
func axisOf(axis, rank int) (int, error) {
	a := axis
	if a < 0 {
		a += rank
	}
	if a < 0 || a >= rank {
		return 0, fmt.Errorf("axis %d is out of range for %d dimensions", axis, rank)
	}
	return a, nil
}

// axesOf makes axes positive and refuses repeats.
func axesOf(axes []int, rank int) ([]int, error) {
	out := make([]int, len(axes))
	if len(axes) > rank {
		return nil, fmt.Errorf("%d axes for %d dimensions", len(axes), rank)
	}
	var seen [tensor.MaxRank]bool
	for i, a := range axes {
		p, err := axisOf(a, rank)
		if err != nil {
			return nil, err
		}
		if seen[p] {
			return nil, fmt.Errorf("axis %d appears twice", a)
		}
		seen[p] = true
		out[i] = p
	}
	return out, nil
}

// sizeOf is the product of dimensions.
func sizeOf(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// same is the rule of operations that keep their input's type and shape.
func same(in []Info) ([]Info, error) { return one(in[0].DType, in[0].Shape) }

var numeric = []tensor.DType{tensor.Float32, tensor.Float64, tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64,
	tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64}

// infosOf returns what tensors tell.
func infosOf(in []*tensor.Tensor) []Info {
	info := make([]Info, len(in))
	for i, t := range in {
		if t != nil {
			info[i] = Info{t.DType(), t.Shape(), t}
		}
	}
	return info
}
