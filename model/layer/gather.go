package layer

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// index returns the elements of an integer tensor as int64, without copying where they are.
func index(t *tensor.Tensor) []int64 {
	if t.DType() == tensor.Int64 {
		return t.Int64s()
	}
	u := tensor.New(tensor.Int64, t.Shape()...)
	_ = tensor.Convert(u, t, false)
	return u.Int64s()
}

// position makes a possibly negative index positive.
func position(i int64, n int) (int, error) {
	p := i
	if p < 0 {
		p += int64(n)
	}
	if p < 0 || p >= int64(n) {
		return 0, fmt.Errorf("index %d is out of range for %d elements", i, n)
	}
	return int(p), nil
}

// copyBlock copies n elements from src at s to dst at d.
func copyBlock(dst *tensor.Tensor, d int, src *tensor.Tensor, s, n int) {
	if src.DType() == tensor.String {
		copy(dst.Texts()[d:d+n], src.Texts()[s:])
		return
	}
	z := src.DType().Size()
	copy(dst.Raw()[d*z:(d+n)*z], src.Raw()[s*z:])
}

// Gather takes slices of input 0 along Axis: the ones that input 1 lists, whose shape replaces that dimension.
type Gather struct{ Axis int }

func (*Gather) Kind() string { return "Gather" }

func (g *Gather) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := isType(in, 1, tensor.Int32, tensor.Int64); err != nil {
		return nil, err
	}
	a, err := axisOf(g.Axis, len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	shape := slices.Concat(in[0].Shape[:a], in[1].Shape, in[0].Shape[a+1:])
	return one(in[0].DType, shape)
}

func (g *Gather) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&GatherGrad{g.Axis, t.Info(in[0]).Shape}, in[1], dout[0]), 0}
}

// GatherGrad computes dx, of Shape, of a Gather: Σ dy of the times that each slice was taken, in order. Inputs: indices, dy.
type GatherGrad struct {
	Axis  int
	Shape []int
}

func (*GatherGrad) Kind() string { return "GatherGrad" }

func (g *GatherGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in[1:]); err != nil {
		return nil, err
	}
	y, err := (&Gather{g.Axis}).Infer([]Info{{DType: in[1].DType, Shape: g.Shape}, in[0]})
	if err != nil {
		return nil, err
	}
	if err := isShape(in, 1, y[0].Shape); err != nil {
		return nil, err
	}
	return one(in[1].DType, g.Shape)
}

func (g *GatherGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	a, _ := axisOf(g.Axis, len(g.Shape))
	outer, n, inner := sizeOf(g.Shape[:a]), g.Shape[a], sizeOf(g.Shape[a+1:])
	clear(out[0].Raw())
	idx := index(in[0])
	for k, i := range idx {
		p, err := position(i, n)
		if err != nil {
			return err
		}
		for o := range outer {
			blend(ReduceAdd, out[0], (o*n+p)*inner, in[1], (o*len(idx)+k)*inner, inner)
		}
	}
	return nil
}

func (g *Gather) Forward(e *Env, in, out []*tensor.Tensor) error {
	s := in[0].Shape()
	a, _ := axisOf(g.Axis, len(s))
	outer, n, inner := sizeOf(s[:a]), s[a], sizeOf(s[a+1:])
	idx := index(in[1])
	for k, i := range idx {
		p, err := position(i, n)
		if err != nil {
			return err
		}
		for o := range outer {
			copyBlock(out[0], (o*len(idx)+k)*inner, in[0], (o*n+p)*inner, inner)
		}
	}
	return nil
}

// GatherElements computes y[i,j,...] = x[i,idx[i,j,...],...], the index standing in dimension Axis.
type GatherElements struct{ Axis int }

func (*GatherElements) Kind() string { return "GatherElements" }

func (g *GatherElements) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := isType(in, 1, tensor.Int32, tensor.Int64); err != nil {
		return nil, err
	}
	if err := elementIndex(in[0], in[1], g.Axis); err != nil {
		return nil, err
	}
	return one(in[0].DType, in[1].Shape)
}

func elementIndex(data, idx Info, axis int) error {
	a, err := axisOf(axis, len(data.Shape))
	if err != nil {
		return err
	}
	if len(idx.Shape) != len(data.Shape) {
		return fmt.Errorf("indices %s for %s", idx, data)
	}
	for d := range idx.Shape {
		if d != a && idx.Shape[d] > data.Shape[d] {
			return fmt.Errorf("indices %s for %s", idx, data)
		}
	}
	return nil
}

// elements calls f with each index's position in the index tensor and the offset that it names in data.
func elements(data, idx *tensor.Tensor, axis int, f func(i, off int)) error {
	a, _ := axisOf(axis, data.Rank())
	st := rowMajor(data.Shape())
	var pos [tensor.MaxRank]int
	for i, v := range index(idx) {
		p, err := position(v, data.Dim(a))
		if err != nil {
			return err
		}
		off := p * st[a]
		for d := range idx.Rank() {
			if d != a {
				off += pos[d] * st[d]
			}
		}
		f(i, off)
		for d := idx.Rank() - 1; d >= 0; d-- {
			if pos[d]++; pos[d] < idx.Dim(d) {
				break
			}
			pos[d] = 0
		}
	}
	return nil
}

func (g *GatherElements) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	scatter := &ScatterElements{Axis: g.Axis, Reduction: ReduceAdd}
	return []Ref{t.Add(scatter, zeros(t, in[0], t.Info(in[0]).Shape), in[1], dout[0]), 0}
}

func (g *GatherElements) Forward(e *Env, in, out []*tensor.Tensor) error {
	return elements(in[0], in[1], g.Axis, func(i, off int) { copyBlock(out[0], i, in[0], off, 1) })
}

// GatherND takes the slices of input 0 that the rows of input 1's last dimension name, after BatchDims common dimensions.
type GatherND struct{ BatchDims int }

func (*GatherND) Kind() string { return "GatherND" }

func (g *GatherND) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := isType(in, 1, tensor.Int64, tensor.Int32); err != nil {
		return nil, err
	}
	x, idx, b := in[0].Shape, in[1].Shape, g.BatchDims
	if len(x) == 0 || len(idx) == 0 || b < 0 || b >= len(idx) || b >= len(x) || idx[len(idx)-1] > len(x)-b || !slices.Equal(x[:b], idx[:b]) {
		return nil, fmt.Errorf("indices %s for %s", in[1], in[0])
	}
	return one(in[0].DType, slices.Concat(idx[:len(idx)-1], x[b+idx[len(idx)-1]:]))
}

func (g *GatherND) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	if g.BatchDims > 0 {
		return []Ref{refuse(t, "the gradient of GatherND with batch dimensions is not known"), 0}
	}
	return []Ref{t.Add(&ScatterND{Reduction: ReduceAdd}, zeros(t, in[0], t.Info(in[0]).Shape), in[1], dout[0]), 0}
}

func (g *GatherND) Forward(e *Env, in, out []*tensor.Tensor) error {
	x, idx := in[0], in[1]
	st := rowMajor(x.Shape())
	k := idx.Dim(-1)
	inner := sizeOf(x.Shape()[g.BatchDims+k:])
	batch := sizeOf(x.Shape()[:g.BatchDims])
	per := sizeOf(idx.Shape()[g.BatchDims : idx.Rank()-1])
	size := sizeOf(x.Shape()[g.BatchDims:])
	v := index(idx)
	for b := range batch {
		for r := range per {
			row := b*per + r
			off := b * size
			for j := range k {
				p, err := position(v[row*k+j], x.Dim(g.BatchDims+j))
				if err != nil {
					return err
				}
				off += p * st[g.BatchDims+j]
			}
			copyBlock(out[0], row*inner, x, off, inner)
		}
	}
	return nil
}

// Reduction says how a scatter combines what is there with what comes.
type Reduction string

const (
	ReduceNone Reduction = "none"
	ReduceAdd  Reduction = "add"
	ReduceMul  Reduction = "mul"
	ReduceMax  Reduction = "max"
	ReduceMin  Reduction = "min"
)

// blend writes n elements of src at s into dst at d by a reduction.
func blend(r Reduction, dst *tensor.Tensor, d int, src *tensor.Tensor, s, n int) {
	if r == ReduceNone || r == "" {
		copyBlock(dst, d, src, s, n)
		return
	}
	switch dst.DType() {
	case tensor.Float32:
		blendAny[float32](r, dst, d, src, s, n)
	case tensor.Float64:
		blendAny[float64](r, dst, d, src, s, n)
	case tensor.Int32:
		blendAny[int32](r, dst, d, src, s, n)
	case tensor.Int64:
		blendAny[int64](r, dst, d, src, s, n)
	case tensor.Int8:
		blendAny[int8](r, dst, d, src, s, n)
	case tensor.Uint8:
		blendAny[uint8](r, dst, d, src, s, n)
	}
}

func blendAny[T interface {
	number
	tensor.Elem
}](r Reduction, dst *tensor.Tensor, d int, src *tensor.Tensor, s, n int) {
	y, x := tensor.Data[T](dst)[d:d+n], tensor.Data[T](src)[s:s+n]
	for i, v := range x {
		switch r {
		case ReduceAdd:
			y[i] += v
		case ReduceMul:
			y[i] *= v
		case ReduceMax:
			y[i] = max(y[i], v)
		case ReduceMin:
			y[i] = min(y[i], v)
		}
	}
}

func checkReduction(r Reduction, in []Info) error {
	switch r {
	case ReduceNone, "":
		return nil
	case ReduceAdd, ReduceMul, ReduceMax, ReduceMin:
		return isType(in, 0, tensor.Float32, tensor.Float64, tensor.Int32, tensor.Int64, tensor.Int8, tensor.Uint8)
	}
	return fmt.Errorf("unknown reduction %q", string(r))
}

// ScatterElements copies input 0 and writes each element of input 2 at the place that input 1 names along Axis.
type ScatterElements struct {
	Axis      int
	Reduction Reduction
}

func (*ScatterElements) Kind() string { return "ScatterElements" }

func (s *ScatterElements) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 1, tensor.Int32, tensor.Int64); err != nil {
		return nil, err
	}
	if err := checkReduction(s.Reduction, in); err != nil {
		return nil, err
	}
	if err := elementIndex(in[0], in[1], s.Axis); err != nil {
		return nil, err
	}
	if in[2].DType != in[0].DType || !slices.Equal(in[1].Shape, in[2].Shape) {
		return nil, fmt.Errorf("indices %s, updates %s", in[1], in[2])
	}
	return same(in)
}

func (s *ScatterElements) Forward(e *Env, in, out []*tensor.Tensor) error {
	copyUnlessShared(out[0], in[0])
	return elements(in[0], in[1], s.Axis, func(i, off int) { blend(s.Reduction, out[0], off, in[2], i, 1) })
}

// ScatterND copies input 0 and writes slices of input 2 where the rows of input 1's last dimension say.
type ScatterND struct{ Reduction Reduction }

func (*ScatterND) Kind() string { return "ScatterND" }

func (s *ScatterND) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 1, tensor.Int64, tensor.Int32); err != nil {
		return nil, err
	}
	if err := checkReduction(s.Reduction, in); err != nil {
		return nil, err
	}
	x, idx := in[0].Shape, in[1].Shape
	if len(idx) == 0 || idx[len(idx)-1] > len(x) ||
		!slices.Equal(in[2].Shape, slices.Concat(idx[:len(idx)-1], x[idx[len(idx)-1]:])) || in[2].DType != in[0].DType {
		return nil, fmt.Errorf("data %s, indices %s, updates %s", in[0], in[1], in[2])
	}
	return same(in)
}

func (s *ScatterND) Forward(e *Env, in, out []*tensor.Tensor) error {
	copyUnlessShared(out[0], in[0])
	st, k := rowMajor(in[0].Shape()), in[1].Dim(-1)
	inner := sizeOf(in[0].Shape()[k:])
	v := index(in[1])
	rows := sizeOf(in[1].Shape()[:in[1].Rank()-1])
	for r := range rows {
		off := 0
		for j := range k {
			p, err := position(v[r*k+j], in[0].Dim(j))
			if err != nil {
				return err
			}
			off += p * st[j]
		}
		blend(s.Reduction, out[0], off, in[2], r*inner, inner)
	}
	return nil
}

// OneHot returns input 2's second element where the index along Axis equals input 0's, its first elsewhere; input 1 is how many classes.
type OneHot struct{ Axis int }

func (*OneHot) Kind() string { return "OneHot" }

func (o *OneHot) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 0, numeric...); err != nil {
		return nil, err
	}
	if in[1].Value == nil {
		return nil, ErrUnknown
	}
	depth := tensor.New(tensor.Int64, in[1].Shape...)
	if err := tensor.Convert(depth, in[1].Value, false); err != nil {
		return nil, err
	}
	a, err := axisOf(o.Axis, len(in[0].Shape)+1)
	if err != nil {
		return nil, err
	}
	if depth.Len() != 1 || depth.Int64s()[0] < 1 || depth.Int64s()[0] > math.MaxInt32 || sizeOf(in[2].Shape) != 2 || in[2].DType == tensor.String {
		return nil, fmt.Errorf("depth %s, values %s", in[1], in[2])
	}
	return one(in[2].DType, slices.Insert(slices.Clone(in[0].Shape), a, int(depth.Int64s()[0])))
}

func (o *OneHot) Forward(e *Env, in, out []*tensor.Tensor) error {
	a, _ := axisOf(o.Axis, out[0].Rank())
	depth, inner := out[0].Dim(a), sizeOf(out[0].Shape()[a+1:])
	for i := range out[0].Len() {
		copyBlock(out[0], i, in[2], 0, 1)
	}
	for i, v := range index(in[0]) {
		if v < 0 {
			v += int64(depth)
		}
		if v >= 0 && v < int64(depth) {
			copyBlock(out[0], (i/inner*depth+int(v))*inner+i%inner, in[2], 1, 1)
		}
	}
	return nil
}

// NonZero returns the positions of the elements that are not zero: [rank, count], in row-major order.
type NonZero struct{}

func (*NonZero) Kind() string { return "NonZero" }

func (*NonZero) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, append([]tensor.DType{tensor.Bool}, numeric...)...); err != nil {
		return nil, err
	}
	return nil, ErrUnknown
}

func (*NonZero) Forward(e *Env, in, out []*tensor.Tensor) error { panic("layer: NonZero: use Run") }

func (*NonZero) Run(e *Env, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	b := in[0]
	if b.DType() != tensor.Bool {
		b = tensor.New(tensor.Bool, in[0].Shape()...)
		if err := tensor.Convert(b, in[0], false); err != nil {
			return nil, err
		}
	}
	at := truths(tensor.Data[bool](b), tensor.Bits[uint8](b), scratch[int64](e, b.Len()))
	count := len(at)
	n := in[0].Rank()
	y := tensor.New(tensor.Int64, n, count)
	for d := n - 1; d >= 0; d-- { // what is left of each position is a row of the axes before
		size, row := int64(in[0].Dim(d)), y.Int64s()[d*count:]
		for i, p := range at {
			at[i] = p / size
			row[i] = p - at[i]*size
		}
	}
	return []*tensor.Tensor{y}, nil
}

// truths puts into at the positions of the true elements of x, of which raw are the bytes; eight that are all false are passed over at once.
func truths(x []bool, raw []uint8, at []int64) []int64 {
	n := 0
	for i := 0; i < len(x); i += 8 {
		next := x[i:min(i+8, len(x))]
		if len(next) == 8 && binary.LittleEndian.Uint64(raw[i:]) == 0 {
			continue
		}
		for k, v := range next {
			at[n] = int64(i + k) // to stay only where v is true
			if v {
				n++
			}
		}
	}
	return at[:n]
}
