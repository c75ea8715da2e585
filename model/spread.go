package model

import (
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// spread is a sum, a product or the like of two values of which each is repeated along some axes. Blocks of the output, in which an input either goes on
// evenly or stays the same, are computed one after the other.
type spread struct {
	fastOp
	odometer // of the inputs' blocks
	kind     string
	n        int // elements of a block
	f        *spreadOp
	once     [2]bool // a block reads one element of this input
}

// spreadOp is a function of two values; of a value and a row for each row of it, and the other way round; of a value and a number, and the other way round.
type spreadOp struct {
	pair, row, under func(dst, a, b []float32)
	right            func(dst, a []float32, b float32)
	left             func(dst []float32, a float32, b []float32)
}

// commutes is a function that does not care for the order.
func commutes(pair, row func(dst, a, b []float32), right func(dst, a []float32, b float32)) *spreadOp {
	return &spreadOp{
		pair: pair, row: row, under: func(dst, a, b []float32) { row(dst, b, a) },
		right: right, left: func(dst []float32, a float32, b []float32) { right(dst, b, a) },
	}
}

var spreadOps = map[layer.Fn]*spreadOp{
	layer.Add: commutes(kernels.Add, kernels.AddRow, kernels.AddScalar),
	layer.Sub: {kernels.Sub, kernels.SubRow, kernels.RowSub, kernels.SubScalar, kernels.ScalarSub},
	layer.Mul: commutes(kernels.Mul, kernels.MulRow, kernels.MulScalar),
	layer.Div: {kernels.Div, kernels.DivRow, kernels.RowDiv, kernels.DivScalar, kernels.ScalarDiv},
}

// spreadLeast is the fewest elements of a block for which a call of a kernel pays.
const spreadLeast = 8

// joinAxes returns the axes of z from the innermost on, without those of one element and joined where both inputs go on evenly, and the steps of the inputs
// along each.
func joinAxes(x, y, z []int) (dims []int, steps [2][]int) {
	next := [2]int{1, 1}
	for i := 1; i <= len(z); i++ {
		d := z[len(z)-i]
		var step [2]int
		for j, s := range [2][]int{x, y} {
			if i <= len(s) && s[len(s)-i] > 1 {
				step[j] = next[j]
				next[j] *= d
			}
		}
		if k := len(dims) - 1; k >= 0 && step[0] == steps[0][k]*dims[k] && step[1] == steps[1][k]*dims[k] {
			dims[k] *= d
		} else if d > 1 {
			dims = append(dims, d)
			steps[0], steps[1] = append(steps[0], step[0]), append(steps[1], step[1])
		}
	}
	return dims, steps
}

// spreadFast returns the fast form of an operation on float32 inputs of known shapes, as they lie in memory, and the inputs in its order; or nil.
func spreadFast(fn layer.Fn, in []*val, z []int) (layer.Op, []*val) {
	f := spreadOps[fn]
	count, _ := tensor.Count(z)
	if f == nil || count == 0 {
		return nil, nil
	}
	dims, steps := joinAxes(in[0].info.Shape, in[1].info.Shape, z)
	if len(dims) == 0 {
		return nil, nil
	}
	swapped := []*val{in[1], in[0]}
	single := func(unit int, rows func(dst, a, b, row []float32)) layer.Op {
		return &inPlace{mapped{kind: string(fn), unit: unit, byRow: rows}}
	}
	n := dims[0]
	switch at := [2]int{steps[0][0], steps[1][0]}; {
	case len(dims) == 1 && at == [2]int{1, 1}:
		return &inPlace{mapped{kind: string(fn), run: f.pair}}, in
	case len(dims) == 1 && at[0] == 1:
		return single(1, func(dst, a, _, b []float32) { f.right(dst, a, b[0]) }), in
	case len(dims) == 1:
		return single(1, func(dst, b, _, a []float32) { f.left(dst, a[0], b) }), swapped
	case len(dims) == 2 && at == [2]int{1, 1} && steps[1][1] == 0:
		return single(n, func(dst, a, _, b []float32) { f.row(dst, a, b) }), in
	case len(dims) == 2 && at == [2]int{1, 1} && steps[0][1] == 0:
		return single(n, func(dst, b, _, a []float32) { f.under(dst, a, b) }), swapped
	case n < spreadLeast:
		return nil, nil
	default:
		return &spread{fastOp{}, odometer{dims[1:], [2][]int{steps[0][1:], steps[1][1:]}}, string(fn), n, f, [2]bool{at[0] == 0, at[1] == 0}}, in
	}
}

func (s *spread) Kind() string { return s.kind }
func (*spread) InPlace()       {}

func (s *spread) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := spreadTasks.Get().(*spreadTask)
	t.s, t.dst, t.a, t.b = s, out[0].Float32s(), in[0].Float32s(), in[1].Float32s()
	t.blocks = len(t.dst) / s.n
	t.per = max(1, mapPiece/s.n)
	e.Team.Run(t, (t.blocks+t.per-1)/t.per)
	*t = spreadTask{}
	spreadTasks.Put(t)
	return nil
}

type spreadTask struct {
	s           *spread
	dst, a, b   []float32
	blocks, per int
}

var spreadTasks = sync.Pool{New: func() any { return new(spreadTask) }}

func (t *spreadTask) Tile(i, _ int) {
	s := t.s
	r := s.from(i * t.per)
	for block := i * t.per; block < min((i+1)*t.per, t.blocks); block++ {
		dst, a, b := t.dst[block*s.n:][:s.n], t.a[r.off[0]:], t.b[r.off[1]:]
		switch {
		case s.once[0]:
			s.f.left(dst, a[0], b[:s.n])
		case s.once[1]:
			s.f.right(dst, a[:s.n], b[0])
		default:
			s.f.pair(dst, a[:s.n], b[:s.n])
		}
		s.next(&r)
	}
}

// spread puts fast forms in place of operations on two values of different shapes that have none so far.
func (p *ir) spread() {
	for _, o := range p.ops {
		b, ok := o.op.(*layer.Binary)
		if !ok || !static(o) || len(o.in) != 2 || o.in[1] == nil || o.in[0].info.DType != tensor.Float32 || o.out[0].info.DType != tensor.Float32 {
			continue
		}
		if f, in := spreadFast(b.Fn, o.in, o.out[0].info.Shape); f != nil {
			o.op, o.in = f, in
		}
	}
}
