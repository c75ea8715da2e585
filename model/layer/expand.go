package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Expand broadcasts input 0 to the shape that input 1 lists.
type Expand struct{}

func (*Expand) Kind() string { return "Expand" }

func (*Expand) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	to, err := ints(in[1])
	if err != nil {
		return nil, err
	}
	shape, err := Broadcast(in[0].Shape, to)
	if err != nil {
		return nil, err
	}
	return one(in[0].DType, shape)
}

func (*Expand) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{summedTo(t, dout[0], t.Info(in[0]).Shape), 0}
}

func (*Expand) Forward(e *Env, in, out []*tensor.Tensor) error {
	w := walk(out[0].Shape(), broadcastStrides(in[0].Shape(), out[0].Shape()))
	gatherTensor(out[0], in[0], &w, 0)
	return nil
}

// Tile repeats input 0 along each dimension as often as input 1 says.
type Tile struct{}

func (*Tile) Kind() string { return "Tile" }

func (*Tile) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	rep, err := ints(in[1])
	if err != nil {
		return nil, err
	}
	if len(rep) != len(in[0].Shape) || len(rep)*2 > tensor.MaxRank {
		return nil, fmt.Errorf("%d repeats for %s", len(rep), in[0])
	}
	shape := slices.Clone(in[0].Shape)
	for i, r := range rep {
		if r < 0 || r > 0 && shape[i] > math.MaxInt/r {
			return nil, fmt.Errorf("repeats %v of %s", rep, in[0])
		}
		shape[i] *= r
	}
	return one(in[0].DType, shape)
}

func (*Tile) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	shape := t.Info(in[0]).Shape
	var wide, axes []int // each dimension as repeats and size
	for i, d := range t.Info(out[0]).Shape {
		wide, axes = append(wide, d/max(1, shape[i]), shape[i]), append(axes, 2*i)
	}
	return []Ref{reshaped(t, sumOver(t, reshaped(t, dout[0], wide), false, axes...), shape), 0}
}

func (*Tile) Forward(e *Env, in, out []*tensor.Tensor) error {
	is := in[0].Shape()
	st := rowMajor(is)
	var shape, steps [tensor.MaxRank]int
	for i, d := range is {
		shape[2*i+1], steps[2*i+1] = d, st[i]
		if d > 0 {
			shape[2*i] = out[0].Dim(i) / d
		}
	}
	w := walk(shape[:2*len(is)], steps)
	gatherTensor(out[0], in[0], &w, 0)
	return nil
}

// ConstantOfShape fills the shape that input 0 lists with one element.
type ConstantOfShape struct{ Value *tensor.Tensor }

func (*ConstantOfShape) Kind() string { return "ConstantOfShape" }

func (c *ConstantOfShape) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	shape, err := ints(in[0])
	if err != nil {
		return nil, err
	}
	if c.Value == nil || c.Value.Len() != 1 {
		return nil, fmt.Errorf("the value must be one element")
	}
	return one(c.Value.DType(), shape)
}

func (c *ConstantOfShape) Forward(e *Env, in, out []*tensor.Tensor) error {
	w := walk(out[0].Shape(), [tensor.MaxRank]int{})
	gatherTensor(out[0], c.Value, &w, 0)
	return nil
}

// Range returns start, start+delta, ... up to but without limit; the three are scalar inputs.
type Range struct{}

func (*Range) Kind() string { return "Range" }

func (*Range) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32, tensor.Float64, tensor.Int16, tensor.Int32, tensor.Int64); err != nil {
		return nil, err
	}
	var v [3]float64
	for i, x := range in {
		if x.DType != in[0].DType || sizeOf(x.Shape) != 1 {
			return nil, fmt.Errorf("input %d is %s", i, x)
		}
		if x.Value == nil {
			return nil, ErrUnknown
		}
		f := tensor.New(tensor.Float64, x.Shape...)
		if err := tensor.Convert(f, x.Value, false); err != nil {
			return nil, err
		}
		v[i] = tensor.Data[float64](f)[0]
	}
	n := math.Ceil((v[1] - v[0]) / v[2])
	if v[2] == 0 || n != n || n > math.MaxInt32 {
		return nil, fmt.Errorf("from %g to %g in steps of %g", v[0], v[1], v[2])
	}
	return one(in[0].DType, []int{max(0, int(n))})
}

func (*Range) Forward(e *Env, in, out []*tensor.Tensor) error {
	switch in[0].DType() {
	case tensor.Float32:
		ramp[float32](in, out[0])
	case tensor.Float64:
		ramp[float64](in, out[0])
	case tensor.Int16:
		ramp[int16](in, out[0])
	case tensor.Int32:
		ramp[int32](in, out[0])
	case tensor.Int64:
		ramp[int64](in, out[0])
	}
	return nil
}

func ramp[T float32 | float64 | int16 | int32 | int64](in []*tensor.Tensor, out *tensor.Tensor) {
	y, start, delta := tensor.Data[T](out), tensor.Data[T](in[0])[0], tensor.Data[T](in[2])[0]
	for i := range y {
		y[i] = start + T(T(i)*delta)
	}
}

// EyeLike returns a matrix of input 0's shape with ones on the K-th diagonal; DType Invalid keeps the input's type.
type EyeLike struct {
	DType tensor.DType
	K     int
}

func (*EyeLike) Kind() string { return "EyeLike" }

func (o *EyeLike) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 2, 2); err != nil {
		return nil, err
	}
	d := o.DType
	if d == tensor.Invalid {
		d = in[0].DType
	}
	if d == tensor.String || !d.Valid() {
		return nil, fmt.Errorf("type %v is not supported here", d)
	}
	return one(d, in[0].Shape)
}

func (o *EyeLike) Forward(e *Env, in, out []*tensor.Tensor) error {
	rows, cols := out[0].Dim(0), out[0].Dim(1)
	eye := make([]uint8, rows*cols)
	for r := range rows {
		if c := r + o.K; c >= 0 && c < cols {
			eye[r*cols+c] = 1
		}
	}
	return tensor.Convert(out[0], tensor.Of(eye), false)
}

// Trilu keeps the upper or lower triangle of matrices [...,H,W] and zeroes the rest; the diagonal is input 1 (default 0).
type Trilu struct{ Upper bool }

func (*Trilu) Kind() string { return "Trilu" }

func (*Trilu) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 2); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 2, tensor.MaxRank); err != nil {
		return nil, err
	}
	if k := opt(in, 1); k.Present() && (k.DType != tensor.Int64 || sizeOf(k.Shape) != 1) || in[0].DType == tensor.String {
		return nil, fmt.Errorf("inputs %s and %s", in[0], k)
	}
	return same(in)
}

func (t *Trilu) Forward(e *Env, in, out []*tensor.Tensor) error {
	var k int64
	if d := optT(in, 1); d != nil {
		k = d.Int64s()[0]
	}
	rows, cols, size := int64(in[0].Dim(-2)), int64(in[0].Dim(-1)), int64(in[0].DType().Size())
	k = min(max(k, -rows), cols)
	x, y := in[0].Raw(), out[0].Raw()
	clear(y)
	for r := int64(0); (r+1)*cols*size <= int64(len(x)) && cols > 0; r++ {
		from, to := int64(0), cols
		if d := min(max(r%rows+k, 0), cols); t.Upper {
			from = d
		} else {
			to = min(max(r%rows+k+1, 0), cols)
		}
		copy(y[(r*cols+from)*size:(r*cols+to)*size], x[(r*cols+from)*size:])
	}
	return nil
}
