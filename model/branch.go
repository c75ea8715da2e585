package model

import (
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// branches are the Ifs of a program under construction. One whose condition is known becomes the values of the branch it chooses, and what the other
// branch does is nobody's business: often its shapes do not even fit.
type branches struct {
	chosen map[*val]*val  // what an output of an If is
	wrong  map[*val]error // why a value cannot be computed
}

// newBranches returns nil where a program has no branches, nor Loops, whose bodies may have them.
func newBranches(p *ir) *branches {
	if !p.loops && !slices.ContainsFunc(p.ops, func(o *op) bool { _, ok := o.op.(*layer.If); return ok }) {
		return nil
	}
	return &branches{map[*val]*val{}, map[*val]error{}}
}

// enter prepares an op whose inputs have been inferred, and says whether anything is left to do for it.
func (b *branches) enter(o *op) (more bool, err error) {
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

// fail notes that an op cannot be computed. Where there are no branches, that is an error at once.
func (b *branches) fail(o *op, err error) error {
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
func (b *branches) value(v *val) (*val, error) {
	if c := b.chosen[v]; c != nil {
		v = c
	}
	return v, b.wrong[v]
}

// leave makes the program's outputs what was chosen.
func (b *branches) leave(p *ir) error {
	if b == nil {
		return nil
	}
	for i, v := range p.outputs {
		var err error
		if p.outputs[i], err = b.value(v); err != nil {
			return err
		}
	}
	return nil
}
