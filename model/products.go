package model

import (
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// products makes matrix products of Einsums that are some, and of products with a vector.
func (p *ir) products() {
	var ops []*op
	for _, o := range p.ops {
		if static(o) && len(o.in) == 2 && o.in[1] != nil && o.in[0].info.DType == tensor.Float32 && o.in[1].info.DType == tensor.Float32 {
			e := product{o, ops}
			switch f := o.op.(type) {
			case *layer.Einsum:
				e.einsum(f)
			case *layer.MatMul:
				e.vectors()
			}
			ops = e.ops
		}
		ops = append(ops, o)
	}
	p.ops = ops
}

// product is an operation that is rewritten; what reads it reads the last of those that it becomes.
type product struct {
	*op
	ops []*op
}

// become makes the operation one on the matrix product of a and b, of a shape.
func (e *product) become(shape []int, a, b *val, last func(y *val) (layer.Op, []*val)) {
	y := e.emit("product", &layer.MatMul{}, shape, a, b)
	y.def.macs, y.def.work, y.def.params = e.macs, e.work, e.params
	e.op.op, e.in = last(y)
	e.macs, e.work, e.params = 0, 0, 0
}

// einsum brings axes that are rows, columns or summed over together, in the order of the equation.
func (e *product) einsum(s *layer.Einsum) {
	x, w := e.in[0], e.in[1]
	m := s.Product(x.info.Shape, w.info.Shape)
	if m == nil {
		return
	}
	a, b := e.operand(x, m.A, m.Batch, m.Rows), e.operand(w, m.B, m.Batch, m.Inner)
	batch := a.info.Shape[:m.Batch]
	matrix := slices.Concat(batch, []int{a.info.Shape[m.Batch], b.info.Shape[m.Batch+1]})
	apart := slices.Concat(batch, take(x, m.A[m.Batch:][:m.Rows]), take(w, m.B[m.Batch+m.Inner:]))
	e.become(matrix, a, b, func(y *val) (layer.Op, []*val) { return &layer.Transpose{Perm: m.Out}, []*val{e.shaped(y, apart)} })
}

// vectors makes a row of a vector at the left, and a column of one at the right.
func (e *product) vectors() {
	a, b, shape := e.in[0], e.in[1], slices.Clone(e.out[0].info.Shape)
	left, right := len(a.info.Shape) == 1, len(b.info.Shape) == 1
	if !left && !right {
		return
	}
	if right {
		b = e.shaped(b, []int{b.info.Shape[0], 1})
		shape = append(shape, 1)
	}
	if left {
		a = e.shaped(a, []int{1, a.info.Shape[0]})
		shape = slices.Insert(shape, len(shape)-1, 1)
	}
	e.become(shape, a, b, func(y *val) (layer.Op, []*val) { return e.reshape(y, e.out[0].info.Shape) })
}

func (e *product) emit(what string, f layer.Op, shape []int, in ...*val) *val {
	v := &val{name: e.out[0].name + ":" + what, known: true, info: layer.Info{DType: tensor.Float32, Shape: shape}}
	v.def = &op{name: e.name + ":" + what, op: f, in: in, out: []*val{v}}
	e.ops = append(e.ops, v.def)
	return v
}

// take returns the sizes of axes of v.
func take(v *val, axes []int) []int {
	s := make([]int, len(axes))
	for i, a := range axes {
		s[i] = v.info.Shape[a]
	}
	return s
}

// reshape is the operation that gives v a shape.
func (e *product) reshape(v *val, shape []int) (layer.Op, []*val) {
	to := tensor.New(tensor.Int64, len(shape))
	for i, n := range shape {
		to.Int64s()[i] = int64(n)
	}
	return &layer.Reshape{AllowZero: true}, []*val{v, constant(e.name+":shape", to)}
}

// shaped gives v a shape.
func (e *product) shaped(v *val, shape []int) *val {
	if slices.Equal(shape, v.info.Shape) {
		return v
	}
	if t := v.info.Value; t != nil {
		return constant(v.name, t.Reshape(shape...))
	}
	f, in := e.reshape(v, shape)
	return e.emit("shaped", f, shape, in...)
}

// operand permutes the axes of v and joins those behind the first batch ones to two, the first of so many.
func (e *product) operand(v *val, perm []int, batch, first int) *val {
	size := func(axes []int) int {
		n := 1
		for _, a := range axes {
			n *= v.info.Shape[a]
		}
		return n
	}
	matrix := slices.Concat(take(v, perm[:batch]), []int{size(perm[batch:][:first]), size(perm[batch+first:])})
	if slices.IsSorted(perm) {
		return e.shaped(v, matrix)
	}
	turn, moved := &layer.Transpose{Perm: perm}, take(v, perm)
	if v.constant() {
		t := tensor.New(tensor.Float32, moved...)
		if err := turn.Forward(new(layer.Env), []*tensor.Tensor{v.info.Value}, []*tensor.Tensor{t}); err == nil {
			return e.shaped(constant(v.name, t), matrix)
		}
	}
	return e.shaped(e.emit("turned", turn, moved, v), matrix)
}
