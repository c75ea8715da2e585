package model

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// SequenceFn is what a Sequence does: ONNX's operator of that name.
type SequenceFn string

const (
	SequenceConstruct  SequenceFn = "SequenceConstruct"  // the inputs, one after the other
	SequenceEmpty      SequenceFn = "SequenceEmpty"      // nothing
	SequenceInsert     SequenceFn = "SequenceInsert"     // input 0 with the tensor input 1 before position input 2, or behind the last
	SequenceErase      SequenceFn = "SequenceErase"      // input 0 without what is at position input 1, or without the last
	SequenceAt         SequenceFn = "SequenceAt"         // the tensor at position input 1
	SequenceLength     SequenceFn = "SequenceLength"     // how many there are, an int64
	SplitToSequence    SequenceFn = "SplitToSequence"    // input 0 cut along Axis into parts of the size or sizes of input 1, or of one
	ConcatFromSequence SequenceFn = "ConcatFromSequence" // all joined along Axis, a new one with New
	Optional           SequenceFn = "Optional"           // input 0, or nothing
	OptionalGetElement SequenceFn = "OptionalGetElement" // what input 0 holds
	OptionalHasElement SequenceFn = "OptionalHasElement" // whether input 0 holds anything, a bool
)

// Sequence makes or takes a list of tensors, or an optional, which holds a list, a tensor or nothing. Negative positions count from the end. Compile works them out: it
// has to find the positions, the sizes and the number of tensors. What holds something is the same as what it holds.
type Sequence struct {
	Fn    SequenceFn
	Axis  int
	New   bool         // ConcatFromSequence: along a new axis
	Drop  bool         // SplitToSequence without sizes: without the axis
	DType tensor.DType // SequenceEmpty, and Optional without an input
	List  bool         // Optional without an input: of a list
	Any   bool         // SequenceAt: input 0 may be a tensor, which is at every position
}

func (s *Sequence) Kind() string { return string(s.Fn) }

// Infer and Forward are not used: Compile leaves no Sequence.
func (*Sequence) Infer([]layer.Info) ([]layer.Info, error) { return nil, layer.ErrUnknown }

func (*Sequence) Forward(*layer.Env, []*tensor.Tensor, []*tensor.Tensor) error {
	return errors.New("a sequence is no tensor")
}

// list returns what a sequence holds.
func (b *flow) list(v *val) ([]*val, bool) {
	if b == nil || v == nil {
		return nil, false
	}
	list, ok := b.lists[v]
	return list, ok
}

// What a tensor of a list takes, in bytes: a place in the list, and an op with its output.
const (
	placeBytes = 8
	partBytes  = 2048
)

// hold pays for a list, and for tensors that it makes.
func (p *ir) hold(list, parts int) error {
	if p.left.lists -= min(placeBytes*list+partBytes*parts, 1<<30); p.left.lists < 0 {
		p.left.lists = 0
		return errors.New("the network's sequences hold too many tensors")
	}
	return nil
}

// sequence works a Sequence out and returns the ops that are needed for it.
func (p *ir) sequence(o *op, s *Sequence, b *flow, env *layer.Env) ([]*op, error) {
	if len(o.out) != 1 || o.out[0] == nil {
		return nil, errors.New("it has one output")
	}
	out := o.out[0]
	// known returns the integers of input i.
	known := func(i int) ([]int, error) {
		if !o.in[i].constant() {
			return nil, fmt.Errorf("input %d is known only when the network runs", i)
		}
		v, ok := o.in[i].info.Value.Ints()
		if !ok {
			return nil, fmt.Errorf("input %d is %s", i, o.in[i].info)
		}
		return v, nil
	}
	given := func(i int) bool { return i < len(o.in) && o.in[i] != nil }
	// position returns input i as a position below n, and otherwise where it is left out.
	position := func(i, n, otherwise int) (int, error) {
		if !given(i) {
			return otherwise, nil
		}
		v, err := known(i)
		if err != nil {
			return 0, err
		}
		if len(v) != 1 || v[0] < -n || v[0] >= n {
			return 0, fmt.Errorf("there is no position %v; the sequence holds %d tensors", v, len(b.lists[o.in[0]]))
		}
		if v[0] < 0 {
			v[0] += n
		}
		return v[0], nil
	}
	set := func(list []*val) ([]*op, error) {
		b.lists[out] = list
		return nil, p.hold(len(list), 0)
	}
	least := map[SequenceFn]int{SequenceEmpty: 0, SequenceInsert: 2, SequenceAt: 2, Optional: 0, OptionalHasElement: 0}
	n, ok := least[s.Fn]
	if !ok {
		n = 1
	}
	if len(o.in) < n || slices.Contains(o.in[:n], nil) {
		return nil, fmt.Errorf("%d inputs", len(o.in))
	}
	var list []*val
	switch s.Fn {
	case SequenceConstruct, SplitToSequence:
		if err := b.tensors(o); err != nil {
			return nil, err
		}
	case SequenceEmpty, Optional, OptionalGetElement, OptionalHasElement:
	default:
		if list, ok = b.list(o.in[0]); !ok && s.Any && b.kind(o.in[0]) == "" {
			b.chosen[out] = o.in[0]
			return nil, nil
		} else if !ok {
			return nil, errors.New("input 0 is no sequence")
		}
		if given(1) && b.kind(o.in[1]) != "" {
			return nil, fmt.Errorf("input 1 is %s", b.kind(o.in[1]))
		}
	}
	switch s.Fn {
	case SequenceConstruct:
		if slices.Contains(o.in, nil) {
			return nil, errors.New("an input is missing")
		}
		return set(slices.Clone(o.in))
	case SequenceEmpty:
		return set(nil)
	case SequenceInsert:
		at, err := position(2, len(list)+1, len(list))
		if err != nil {
			return nil, err
		}
		if given(2) && o.in[2].info.Value.Len() == 1 {
			// The last position is behind the last tensor, but negative ones count from that.
			if v, _ := known(2); v[0] < 0 {
				at--
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("there is no such position; the sequence holds %d tensors", len(list))
		}
		return set(slices.Insert(slices.Clone(list), at, o.in[1]))
	case SequenceErase:
		at, err := position(1, len(list), len(list)-1)
		if err != nil {
			return nil, err
		}
		if at < 0 {
			return nil, errors.New("the sequence is empty")
		}
		return set(slices.Delete(slices.Clone(list), at, at+1))
	case SequenceAt:
		at, err := position(1, len(list), 0)
		if err != nil {
			return nil, err
		}
		b.chosen[out] = list[at]
		return nil, nil
	case SequenceLength:
		b.chosen[out] = constant(out.name, tensor.Scalar(int64(len(list))))
		return nil, nil
	case ConcatFromSequence:
		if len(list) == 0 {
			return nil, errors.New("the sequence is empty")
		}
		if err := p.hold(len(list), len(list)*b2i(s.New)); err != nil {
			return nil, err
		}
		return p.inferOps(join(out, list, s.Axis, s.New), b, env)
	case SplitToSequence:
		ops, parts, err := p.split(o, s, given(1), known)
		if err != nil {
			return nil, err
		}
		if _, err := set(parts); err != nil {
			return nil, err
		}
		return p.inferOps(ops, b, env)
	case Optional, OptionalGetElement:
		switch {
		case !given(0):
			b.none[out] = true
		case s.Fn == OptionalGetElement && b.none[o.in[0]]:
			return nil, errors.New("the optional holds nothing")
		case !b.alias(out, o.in[0]):
			b.chosen[out] = o.in[0]
		}
		return nil, nil
	case OptionalHasElement:
		b.chosen[out] = constant(out.name, tensor.Scalar(given(0) && !b.none[o.in[0]]))
		return nil, nil
	}
	return nil, fmt.Errorf("there is no %q", s.Fn)
}

// split returns the ops that cut a tensor, and the parts.
func (p *ir) split(o *op, s *Sequence, sized bool, known func(i int) ([]int, error)) ([]*op, []*val, error) {
	x := o.in[0]
	if !x.known {
		return nil, nil, errors.New("only running tells how many parts there are")
	}
	axis := s.Axis
	if axis < 0 {
		axis += len(x.info.Shape)
	}
	if axis < 0 || axis >= len(x.info.Shape) {
		return nil, nil, fmt.Errorf("axis %d is out of range for %s", s.Axis, x.info)
	}
	whole, each := x.info.Shape[axis], 1
	var sizes []int64
	if sized {
		if n, _ := tensor.Count(o.in[1].info.Shape); n > p.left.lists/partBytes {
			return nil, nil, fmt.Errorf("%d parts are too many", n)
		}
		v, err := known(1)
		if err != nil {
			return nil, nil, err
		}
		if len(o.in[1].info.Shape) == 0 {
			if each = v[0]; each < 1 {
				return nil, nil, fmt.Errorf("parts of %d", each)
			}
		} else {
			each = 0
			for _, n := range v {
				sizes = append(sizes, int64(n))
			}
		}
	}
	if each > 0 {
		if n := (whole + each - 1) / each; n > p.left.lists/partBytes {
			return nil, nil, fmt.Errorf("%d parts are too many", n)
		}
		for left := whole; left > 0; left -= each {
			sizes = append(sizes, int64(min(each, left)))
		}
	}
	if len(sizes) == 0 {
		return nil, nil, nil
	}
	if err := p.hold(0, len(sizes)*(1+b2i(s.Drop))); err != nil {
		return nil, nil, err
	}
	cut := &op{name: o.name, op: &layer.Split{Axis: axis, Parts: len(sizes)}, in: []*val{x, constant(o.name+":sizes", tensor.Of(sizes))}}
	ops, parts := []*op{cut}, make([]*val, len(sizes))
	for i := range parts {
		parts[i] = &val{name: fmt.Sprintf("%s:%d", o.out[0].name, i), def: cut}
		cut.out = append(cut.out, parts[i])
	}
	if !s.Drop || sized {
		return ops, parts, nil
	}
	at := constant(o.name+":axis", tensor.Of([]int64{int64(axis)}))
	for i, v := range parts {
		name := v.name + ":dropped"
		drop := &op{name: name, op: &layer.Squeeze{}, in: []*val{v, at}}
		parts[i] = &val{name: name, def: drop}
		drop.out = []*val{parts[i]}
		ops = append(ops, drop)
	}
	return ops, parts, nil
}

// join returns the ops that make dst of parts along an axis, or along a new one.
func join(dst *val, parts []*val, axis int, along bool) []*op {
	var ops []*op
	all := &op{name: dst.name, op: &layer.Concat{Axis: axis}, in: slices.Clone(parts), out: []*val{dst}}
	dst.def = all
	if along {
		at := constant(dst.name+":axis", tensor.Of([]int64{int64(axis)}))
		for i, v := range parts {
			o := &op{name: fmt.Sprintf("%s:%d", dst.name, i), op: &layer.Unsqueeze{}, in: []*val{v, at}}
			all.in[i] = &val{name: o.name, def: o}
			o.out = []*val{all.in[i]}
			ops = append(ops, o)
		}
	}
	return append(ops, all)
}
