package model

import (
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// einsums makes matrix products of the Einsums that are: axes that are rows, columns or summed over come together, in the order of the equation.
func (p *ir) einsums() {
	var ops []*op
	for _, o := range p.ops {
		s, ok := o.op.(*layer.Einsum)
		var m *layer.MatrixProduct
		if ok && static(o) && o.in[0].info.DType == tensor.Float32 {
			m = s.Product()
		}
		if m == nil {
			ops = append(ops, o)
			continue
		}
		e := einsum{o, ops}
		a, b := e.operand(o.in[0], m.A, m.Batch, m.Rows), e.operand(o.in[1], m.B, m.Batch, m.Inner)
		batch, rows, columns := a.info.Shape[:m.Batch], take(o.in[0], m.A[m.Batch:][:m.Rows]), take(o.in[1], m.B[m.Batch+m.Inner:])
		matrix := slices.Concat(batch, []int{a.info.Shape[m.Batch], b.info.Shape[m.Batch+1]})
		y := e.emit("product", &layer.MatMul{}, matrix, a, b)
		y.def.macs, y.def.work, y.def.params = o.macs, o.work, o.params
		apart := slices.Concat(batch, rows, columns)
		y = e.shaped(y, apart)
		// What reads the Einsum reads the last operation.
		o.op, o.in = &layer.Transpose{Perm: m.Out}, []*val{y}
		o.macs, o.work, o.params = 0, 0, 0
		ops = append(e.ops, o)
	}
	p.ops = ops
}

// einsum is one that is rewritten.
type einsum struct {
	*op
	ops []*op
}

func (e *einsum) emit(what string, f layer.Op, shape []int, in ...*val) *val {
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

func (e *einsum) shaped(v *val, shape []int) *val {
	if slices.Equal(shape, v.info.Shape) {
		return v
	}
	to := tensor.New(tensor.Int64, len(shape))
	for i, n := range shape {
		to.Int64s()[i] = int64(n)
	}
	return e.emit("shaped", &layer.Reshape{AllowZero: true}, shape, v, constant(e.name+":shape", to))
}

// operand permutes the axes of v and joins those behind the first batch ones to two, the first of so many.
func (e *einsum) operand(v *val, perm []int, batch, first int) *val {
	size := func(axes []int) int {
		n := 1
		for _, a := range axes {
			n *= v.info.Shape[a]
		}
		return n
	}
	matrix := slices.Concat(take(v, perm[:batch]), []int{size(perm[batch:][:first]), size(perm[batch+first:])})
	turn, t := &layer.Transpose{Perm: perm}, v.info.Value
	if !slices.IsSorted(perm) {
		moved := take(v, perm)
		if t != nil {
			t = tensor.New(tensor.Float32, moved...)
			if err := turn.Forward(new(layer.Env), []*tensor.Tensor{v.info.Value}, []*tensor.Tensor{t}); err != nil {
				t = nil
			}
		}
		if t == nil {
			v = e.emit("turned", turn, moved, v)
		}
	}
	if t != nil {
		return constant(v.name, t.Reshape(matrix...))
	}
	return e.shaped(v, matrix)
}
