package model

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// products makes matrix products of Einsums that are some, and of products with a vector.
func (p *ir) products() {
	var ops []*op
	for _, o := range p.ops {
		ops = withProducts(ops, o)
	}
	p.ops = ops
}

// withProducts appends an operation, or what computes it by matrix products.
func withProducts(ops []*op, o *op) []*op {
	floats := static(o) && len(o.in) > 1
	for _, v := range o.in {
		floats = floats && v != nil && v.info.DType == tensor.Float32
	}
	e := product{o, ops}
	switch f := o.op.(type) {
	case *layer.Einsum:
		switch {
		case floats && len(o.in) == 2:
			e.einsum(f)
		case floats:
			e.pairs(f)
		}
	case *layer.MatMul:
		if floats {
			e.vectors()
		}
	}
	return append(e.ops, o)
}

// product is an operation that is rewritten; what reads it reads the last of those that it becomes.
type product struct {
	*op
	ops []*op
}

// become makes the operation one on a product f of a and b, of a shape.
func (e *product) become(f layer.Op, shape []int, a, b *val, last func(y *val) (layer.Op, []*val)) {
	y := e.emit("product", f, shape, a, b)
	y.def.macs, y.def.work, y.def.params = e.macs, e.work, e.params
	e.op.op, e.in = last(y)
	e.macs, e.work, e.params = 0, 0, 0
}

// pairs makes an Einsum of many values several of two.
func (e *product) pairs(s *layer.Einsum) {
	shapes := make([][]int, len(e.in))
	for i, v := range e.in {
		shapes[i] = v.info.Shape
	}
	pairs, left := s.Pairs(shapes), slices.Clone(e.in)
	for i, p := range pairs {
		f, in := &layer.Einsum{Equation: p.Equation}, []*val{left[p.A], left[p.B]}
		macs := f.MACs([]layer.Info{in[0].info, in[1].info}, nil)
		left = slices.Delete(slices.Delete(left, p.B, p.B+1), p.A, p.A+1)
		if i == len(pairs)-1 {
			e.op.op, e.in, e.macs, e.work = f, in, macs, macs
			e.einsum(f)
			return
		}
		y := e.emit(fmt.Sprint("pair", i), f, p.Shape, in...)
		y.def.macs, y.def.work = macs, macs
		e.ops = withProducts(e.ops[:len(e.ops)-1], y.def)
		left = append(left, y)
	}
}

// einsum brings axes that are rows, columns or summed over together, in the order of the equation.
func (e *product) einsum(s *layer.Einsum) {
	x, w := e.in[0], e.in[1]
	m := s.Product(x.info.Shape, w.info.Shape)
	if m == nil {
		return
	}
	turned := func(y *val) (layer.Op, []*val) { return &layer.Transpose{Perm: m.Out}, []*val{y} }
	if m.Rows+m.Inner+m.Columns == 0 { // element by element
		a, b := e.turned(x, m.A), e.turned(w, m.B)
		e.become(&layer.Binary{Fn: layer.Mul}, a.info.Shape, a, b, turned)
		return
	}
	a, b := e.operand(x, m.A, m.Batch, m.Rows), e.operand(w, m.B, m.Batch, m.Inner)
	batch := a.info.Shape[:m.Batch]
	matrix := slices.Concat(batch, []int{a.info.Shape[m.Batch], b.info.Shape[m.Batch+1]})
	apart := slices.Concat(batch, take(x, m.A[m.Batch:][:m.Rows]), take(w, m.B[m.Batch+m.Inner:]))
	e.become(&layer.MatMul{}, matrix, a, b, func(y *val) (layer.Op, []*val) { return turned(e.shaped(y, apart)) })
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
	e.become(&layer.MatMul{}, shape, a, b, func(y *val) (layer.Op, []*val) { return e.reshape(y, e.out[0].info.Shape) })
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
	return e.shaped(e.turned(v, perm), matrix)
}

// turned permutes the axes of v.
func (e *product) turned(v *val, perm []int) *val {
	if slices.IsSorted(perm) {
		return v
	}
	turn, moved := &layer.Transpose{Perm: perm}, take(v, perm)
	if v.constant() {
		t := tensor.New(tensor.Float32, moved...)
		if err := turn.Forward(new(layer.Env), []*tensor.Tensor{v.info.Value}, []*tensor.Tensor{t}); err == nil {
			return constant(v.name, t)
		}
	}
	return e.emit("turned", turn, moved, v)
}
