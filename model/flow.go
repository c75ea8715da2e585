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
	none   map[*val]bool   // optionals that hold nothing
}

// newFlow returns nil where a program has nothing of the kind.
func newFlow(p *ir) *flow {
	if !p.flows {
		return nil
	}
	return &flow{map[*val]*val{}, map[*val]error{}, map[*val][]*val{}, map[*val]bool{}}
}

// enter prepares an op whose inputs have been inferred, and says whether anything is left to do for it.
func (b *flow) enter(o *op) (more bool, err error) {
	if b == nil {
		return true, nil
	}
	for i, v := range o.in {
		if c := b.chosen[v]; c != nil && v != nil {
			o.in[i] = c
		}
	}
	f, decides := o.op.(*layer.If)
	if decides && len(o.in) == 1+2*f.Outputs && len(o.out) <= f.Outputs && !slices.Contains(o.in, nil) {
		if _, told := oneBool(o.in[0].info.Value); told {
			from := f.Branch(o.in[0].info.Value)
			for i, v := range o.out {
				if v != nil {
					b.chosen[v] = o.in[from+i]
				}
			}
			return false, nil
		}
	}
	for _, v := range o.in {
		if err := b.wrong[v]; err != nil {
			return false, b.fail(o, err)
		}
	}
	return true, nil
}

// kind says what a value is that is no tensor.
func (b *flow) kind(v *val) string {
	if _, ok := b.list(v); ok {
		return "a sequence"
	}
	if b != nil && b.none[v] {
		return "an optional that holds nothing"
	}
	return ""
}

// alias makes out what v is, if that is no tensor.
func (b *flow) alias(out, v *val) bool {
	if b.kind(v) == "" {
		return false
	}
	if list, ok := b.lists[v]; ok {
		b.lists[out] = list
	} else {
		b.none[out] = true
	}
	return true
}

// tensors says which input is no tensor.
func (b *flow) tensors(o *op) error {
	for i, v := range o.in {
		if k := b.kind(v); k != "" {
			return fmt.Errorf("input %d is %s", i, k)
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
		if k := b.kind(p.outputs[i]); k != "" {
			return fmt.Errorf("model: output %q is %s", v.name, k)
		}
	}
	return nil
}

// oneBool returns the element of a tensor of one bool; ok is false for any other, and for none.
func oneBool(t *tensor.Tensor) (v, ok bool) {
	if t == nil || t.DType() != tensor.Bool || t.Len() != 1 {
		return false, false
	}
	return tensor.Data[bool](t)[0], true
}

// guard is a branch of an If whose steps are computed only if it is taken, and those around it are.
type guard struct {
	around    int // in guards; -1 for none
	condition int // in vals
	is        bool
}

// mostGuarded is the most Ifs of a program whose branches are told apart.
const mostGuarded = 2000

// guards puts the ops that belong to one branch behind its condition, and returns where they are.
func (p *ir) guards() map[*op]*layer.Place[*op] {
	if !p.flows {
		return nil
	}
	ifs := 0
	for _, o := range p.ops {
		if _, ok := o.op.(*layer.If); ok {
			ifs++
		}
	}
	if ifs == 0 || ifs > mostGuarded {
		return nil
	}
	at := layer.Places(p.ops, p.outputs, func(o *op) (layer.Op, []*val, []*val) { return o.op, o.in, o.out })
	maker := map[*val]*op{}
	for _, o := range p.ops {
		for _, v := range o.out {
			maker[v] = o
		}
	}
	order := make([]*op, 0, len(p.ops))
	done, entered := map[*op]bool{}, map[*layer.Place[*op]]bool{nil: true}
	var put func(o *op)
	var enter func(in *layer.Place[*op])
	enter = func(in *layer.Place[*op]) {
		if !entered[in] {
			entered[in] = true
			enter(in.Around)
			put(maker[in.Of.in[0]])
		}
	}
	put = func(o *op) {
		if o == nil || done[o] {
			return
		}
		done[o] = true
		enter(at[o])
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
	return at
}

// guard returns the number of a place among the guards, -1 for that outside of all.
func (p *Program) guard(in *layer.Place[*op], numbers map[*layer.Place[*op]]int, add func(v *val) int) int {
	if in == nil {
		return -1
	}
	n, ok := numbers[in]
	if !ok {
		around := p.guard(in.Around, numbers, add)
		n = len(p.guards)
		p.guards = append(p.guards, guard{around, add(in.Of.in[0]), !in.Second})
		numbers[in] = n
	}
	return n
}

// isTaken says whether a guard's branch is, and those around it are. s.taken keeps what it has said in this run: 0 nothing, 1 no, 2 yes.
func (s *Session) isTaken(n int) (bool, error) {
	if n < 0 {
		return true, nil
	}
	if s.taken[n] == 0 {
		g := &s.prog.guards[n]
		yes, err := s.isTaken(g.around)
		if err != nil {
			return false, err
		}
		if yes {
			is, ok := oneBool(s.vals[g.condition])
			if !ok {
				return false, fmt.Errorf("the condition is %v, not one bool", s.vals[g.condition])
			}
			yes = is == g.is
		}
		s.taken[n] = 1 + uint8(b2i(yes))
	}
	return s.taken[n] == 2, nil
}
