package model

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// flow is what a program under construction finds out about Ifs, Loops and sequences. An If whose condition is known becomes the values of the branch it
// chooses, and what the other branch does is nobody's business: often its shapes do not even fit.
type flow struct {
	chosen map[*val]*val   // what an output of an If or Loop is
	wrong  map[*val]error  // why a value cannot be computed
	lists  map[*val][]*val // what a sequence holds
}

// newFlow returns nil where a program has nothing of the kind.
func newFlow(p *ir) *flow {
	if !p.flows {
		return nil
	}
	return &flow{map[*val]*val{}, map[*val]error{}, map[*val][]*val{}}
}

// enter prepares an op whose inputs have been inferred, and says whether anything is left to do for it.
func (b *flow) enter(o *op) (more bool, err error) {
	if b == nil {
		return true, nil
	}
	for i, v := range o.in {
		if c := b.chosen[v]; c != nil {
			o.in[i] = c
		}
	}
	f, decides := o.op.(*layer.If)
	if decides && len(o.in) == 1+2*f.Outputs && len(o.out) <= f.Outputs && !slices.Contains(o.in, nil) {
		if c := o.in[0].info.Value; c != nil && c.DType() == tensor.Bool && c.Len() == 1 {
			from := f.Branch(c)
			for i, v := range o.out {
				b.chosen[v] = o.in[from+i]
			}
			return false, nil
		}
	}
	for _, v := range o.in {
		if err := b.wrong[v]; err != nil {
			if decides {
				return false, err // both branches will have to be computed
			}
			return false, b.fail(o, err)
		}
	}
	return true, nil
}

// tensors says which input is no tensor but a sequence.
func (b *flow) tensors(o *op) error {
	if b == nil || len(b.lists) == 0 {
		return nil
	}
	for i, v := range o.in {
		if _, ok := b.lists[v]; ok && v != nil {
			return fmt.Errorf("input %d is a sequence", i)
		}
	}
	return nil
}

// fail notes that an op cannot be computed. Where there is no flow, that is an error at once.
func (b *flow) fail(o *op, err error) error {
	if b == nil {
		return err
	}
	for _, v := range o.out {
		if v != nil {
			b.wrong[v] = err
		}
	}
	return nil
}

// value returns what a value is, or why it cannot be computed.
func (b *flow) value(v *val) (*val, error) {
	if c := b.chosen[v]; c != nil {
		v = c
	}
	return v, b.wrong[v]
}

// leave makes the program's outputs what was chosen.
func (b *flow) leave(p *ir) error {
	if b == nil {
		return nil
	}
	for i, v := range p.outputs {
		var err error
		if p.outputs[i], err = b.value(v); err != nil {
			return err
		}
		if _, ok := b.lists[p.outputs[i]]; ok {
			return fmt.Errorf("model: output %q is a sequence", v.name)
		}
	}
	return nil
}

// guard is a condition under which a step is computed.
type guard struct {
	condition int // in vals
	is        bool
}

// guards puts the ops that belong to one branch behind its condition, and returns those conditions, from the outermost in.
func (p *ir) guards() map[*op][]*layer.Place[*op] {
	if !p.flows {
		return nil
	}
	at := layer.Places(p.ops, p.outputs, func(o *op) (layer.Op, []*val, []*val) { return o.op, o.in, o.out })
	if len(at) == 0 {
		return nil
	}
	conditions := map[*op][]*layer.Place[*op]{}
	for o, in := range at {
		for ; in != nil; in = in.Around {
			conditions[o] = append(conditions[o], in)
		}
		slices.Reverse(conditions[o])
	}
	maker := map[*val]*op{}
	for _, o := range p.ops {
		for _, v := range o.out {
			maker[v] = o
		}
	}
	order := make([]*op, 0, len(p.ops))
	done := map[*op]bool{}
	var put func(o *op)
	put = func(o *op) {
		if o == nil || done[o] {
			return
		}
		done[o] = true
		for _, c := range conditions[o] {
			put(maker[c.Of.in[0]])
		}
		for _, v := range o.in {
			if v != nil {
				put(maker[v])
			}
		}
		order = append(order, o)
	}
	for _, o := range p.ops {
		put(o)
	}
	p.ops = order
	return conditions
}
