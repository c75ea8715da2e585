package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// repeat reads a Loop.
func repeat(c *call) layer.Op {
	for len(c.in) < 2 {
		c.in = append(c.in, nil)
	}
	carried := len(c.in) - 2
	if slices.Contains(c.in[2:], nil) {
		c.fail("a carried value is left out")
		return nil
	}
	l := c.body(func(l *loop, inputs []*model.Value) { l.body.Inputs = inputs })
	if c.err != nil {
		return nil
	}
	if n := len(l.body.Inputs) - len(l.taken); n != 2+carried {
		c.fail("%d inputs, its body has %d", len(c.in), n)
		return nil
	}
	return c.loop(l, carried)
}

// loop makes the node a Loop. The body's outputs are those of a Loop's body.
func (c *call) loop(l *loop, carried int) layer.Op {
	if n := len(l.body.Outputs) - 1; n < carried || len(c.out) > n {
		c.fail("%d values are carried and there are %d outputs; its body gives %d", carried, len(c.out), n)
		return nil
	}
	c.in = append(c.in, l.taken...)
	return &model.Loop{Body: l.body, Carried: carried}
}

// turn returns the inputs of a body that a Loop gives it: the number of the turn, and true.
func (c *call) turn() (number, always *model.Value) {
	return &model.Value{Name: c.label() + ":turn", DType: tensor.Int64, Shape: []model.Dim{}}, &model.Value{Name: c.label() + ":always", DType: tensor.Bool, Shape: []model.Dim{}}
}

// scan reads a Scan as a Loop over the positions along its inputs' axes.
func scan(c *call) layer.Op {
	if c.version < 9 {
		c.fail("Scan of opset %d is not supported", c.version)
		return nil
	}
	scanned := c.int("num_scan_inputs", 0)
	carried := len(c.in) - scanned
	if scanned < 1 || carried < 0 || slices.Contains(c.in, nil) {
		c.fail("%d inputs, %d of them to be scanned", len(c.in), scanned)
		return nil
	}
	over := c.in[carried:]
	axes, backward := c.each("scan_input_axes", scanned), c.each("scan_input_directions", scanned)
	if c.err != nil {
		return nil
	}
	end := axes[0] + 1
	if end == 0 {
		end = math.MaxInt32
	}
	turns := c.emit("turns", &layer.Shape{Start: axes[0], End: end}, over[0])
	var last *model.Value
	if slices.Contains(backward, 1) {
		last = c.emit("last", &layer.Binary{Fn: layer.Sub}, turns, c.constant("one", tensor.Of([]int64{1})))
		last = c.emit("last number", &layer.Squeeze{}, last)
	}
	l := c.body(func(l *loop, inputs []*model.Value) {
		if len(inputs) != carried+scanned {
			c.fail("%d inputs, its body has %d", len(c.in), len(inputs))
			return
		}
		turn, always := c.turn()
		l.body.Inputs = append([]*model.Value{turn, always}, inputs[:carried]...)
		fromEnd := turn
		if last != nil {
			fromEnd = c.emit("from the end", &layer.Binary{Fn: layer.Sub}, l.take(last), turn)
		}
		for i, x := range over {
			at := turn
			if backward[i] != 0 {
				at = fromEnd
			}
			v := inputs[carried+i]
			l.body.Nodes = append(l.body.Nodes, &model.Node{Name: v.Name, Op: &layer.Gather{Axis: axes[i]}, In: []*model.Value{l.take(x), at}, Out: []*model.Value{v}})
		}
	})
	if c.err != nil {
		return nil
	}
	n := len(l.body.Outputs) - carried
	if n < 0 {
		c.fail("its body has %d outputs, %d values are carried", len(l.body.Outputs), carried)
		return nil
	}
	outAxes, outBackward := c.each("scan_output_axes", n), c.each("scan_output_directions", n)
	for i := range n {
		if c.err == nil && carried+i < len(c.out) && c.out[carried+i] != nil {
			c.stacked(carried+i, outAxes[i], outBackward[i] != 0, l.body.Outputs[carried+i])
		}
	}
	if c.err != nil {
		return nil
	}
	l.body.Outputs = append([]*model.Value{l.body.Inputs[1]}, l.body.Outputs...)
	c.in = append([]*model.Value{turns, nil}, c.in[:carried]...)
	return c.loop(l, carried)
}

// each returns a list of n attributes, zeros where it is not there.
func (c *call) each(name string, n int) []int {
	v := c.ints(name)
	if v == nil {
		return make([]int, n)
	}
	if len(v) != n {
		c.fail("attribute %q has %d entries, not %d", name, len(v), n)
	}
	return v
}

// stacked makes output i what slices give along another axis or from the end. slice is one of them.
func (c *call) stacked(i, axis int, backward bool, slice *model.Value) {
	turned := func(what string, op layer.Op, in ...*model.Value) {
		out := c.out[i]
		c.out[i] = &model.Value{Name: out.Name + ":" + what}
		c.g.Nodes = append(c.g.Nodes, &model.Node{Name: out.Name, Op: op, In: append([]*model.Value{c.out[i]}, in...), Out: []*model.Value{out}})
	}
	if axis != 0 {
		if slice.Shape == nil {
			c.fail("scan_output_axes is not 0, and output %d of the body does not say how many dimensions it has", i)
			return
		}
		rank := len(slice.Shape) + 1
		at := axis
		if at < 0 {
			at += rank
		}
		if at < 0 || at >= rank {
			c.fail("scan_output_axes has the entry %d; output %d has %d dimensions", axis, i, rank)
			return
		}
		perm := make([]int, 0, rank)
		for d := 1; d < rank; d++ {
			perm = append(perm, d)
		}
		turned("stacked", &layer.Transpose{Perm: slices.Insert(perm, at, 0)})
	}
	if backward {
		one := func(what string, v int64) *model.Value {
			return c.constant(what, tensor.Of([]int64{v}))
		}
		turned("backward", &layer.Slice{}, one("start", -1), one("end", math.MinInt64), one("axis", 0), one("step", -1))
	}
}

// sequence reads an operator on sequences that has no attributes.
func sequence(fn model.SequenceFn) builder {
	return func(*call) layer.Op { return &model.Sequence{Fn: fn} }
}

// optional reads an Optional, which says of what type it is where it has no input.
func optional(c *call) layer.Op {
	s := &model.Sequence{Fn: model.Optional}
	a := c.attr("type", kindType)
	if a == nil {
		if len(c.in) == 0 {
			c.fail("neither an input nor a type")
		}
		return s
	}
	var v valueProto
	err := c.d.typ(a.g, &v)
	if s.List = err == nil && v.kind == sequenceKind; s.List {
		v = valueProto{}
		err = fields(a.g, func(list field) error {
			if list.num != 4 {
				return nil
			}
			return fields(list.b, func(elem field) error {
				if elem.num != 1 {
					return nil
				}
				return c.d.typ(elem.b, &v)
			})
		})
	}
	if err != nil || v.kind != "" || v.dtype < 1 || v.dtype > 255 || !tensor.DType(v.dtype).Valid() {
		c.fail("its type is not supported")
		return s
	}
	s.DType = tensor.DType(v.dtype)
	return s
}

// sequenceMap reads a SequenceMap as a Loop over the positions in its first input.
func sequenceMap(c *call) layer.Op {
	if !c.arity(max(1, len(c.in))) {
		return nil
	}
	turn, always := c.turn()
	lists := make([]*model.Value, len(c.out))
	l := c.body(func(l *loop, inputs []*model.Value) {
		if len(inputs) != len(c.in) {
			c.fail("%d inputs, its body has %d", len(c.in), len(inputs))
			return
		}
		l.body.Inputs = []*model.Value{turn, always}
		for i := range lists {
			lists[i] = &model.Value{Name: c.name(fmt.Sprintf("list:%d", i))}
			l.body.Inputs = append(l.body.Inputs, lists[i])
		}
		for i, x := range c.in {
			l.body.Nodes = append(l.body.Nodes, &model.Node{Name: inputs[i].Name, Op: &model.Sequence{Fn: model.SequenceAt, Any: i > 0}, In: []*model.Value{l.take(x), turn}, Out: inputs[i : i+1]})
		}
	})
	if c.err != nil {
		return nil
	}
	if n := len(l.body.Outputs); n != len(lists) {
		c.fail("%d outputs, its body has %d", len(lists), n)
		return nil
	}
	in := []*model.Value{c.emit("length", &model.Sequence{Fn: model.SequenceLength}, c.in[0]), nil}
	for i, v := range l.body.Outputs {
		d := v.DType
		if d == tensor.Invalid {
			d = tensor.Float32
		}
		in = append(in, c.emit(fmt.Sprintf("empty:%d", i), &model.Sequence{Fn: model.SequenceEmpty, DType: d}))
		longer := &model.Value{Name: lists[i].Name + ":longer"}
		l.body.Nodes = append(l.body.Nodes, &model.Node{Name: longer.Name, Op: &model.Sequence{Fn: model.SequenceInsert}, In: []*model.Value{lists[i], v}, Out: []*model.Value{longer}})
		l.body.Outputs[i] = longer
	}
	l.body.Outputs = append([]*model.Value{always}, l.body.Outputs...)
	c.in = in
	return c.loop(l, len(lists))
}
