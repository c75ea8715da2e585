package model

import (
	"errors"
	"fmt"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Layout is the axis order of a value in memory, where it is an image.
type Layout uint8

const (
	NCHW Layout = iota // as ONNX has it; also everything that is no image
	NHWC
)

func (l Layout) String() string { return [...]string{"NCHW", "NHWC"}[l] }

// val is a value of the program under construction. Its Info describes what lies in memory: with layout NHWC the shape is [N,H,W,C].
type val struct {
	name   string
	info   layer.Info // Value is set for constants
	known  bool       // info holds type and shape; otherwise running tells
	layout Layout
	def    *op   // nil for inputs and constants
	params int64 // of a constant that was computed: the parameters that went into it
}

func (v *val) constant() bool { return v.info.Value != nil }

// op is an operation of the program under construction. Passes change, replace and remove ops.
type op struct {
	name    string
	op      layer.Op
	in, out []*val // nil where left out
	macs    int64
	work    int64 // at least macs; see layer.Worker
	params  int64 // constants among the inputs, before passes fold or pack them
}

func (o *op) label() string { return fmt.Sprintf("node %q (%s)", o.name, o.op.Kind()) }

// infos returns what is known of the inputs.
func (o *op) infos() []layer.Info {
	in := make([]layer.Info, len(o.in))
	for i, v := range o.in {
		if v != nil {
			in[i] = v.info
		}
	}
	return in
}

// ir is a program under construction: ops in order.
type ir struct {
	inputs, outputs []*val
	ops             []*op
	consts          map[*Value]*val // what the graph's constants have become
	left            *left
	loops           bool // there are Loops
	flows           bool // there are Loops, Ifs or sequences
	opt             Options
}

// left is what may still be spent on a network, the bodies of its Loops included.
type left struct {
	fold   int64 // bytes that constant folding may still make
	work   int64 // and what it may still look at
	unroll int   // what turns of Loops that are written out may cost, see Loop.cost
	bodies int   // and bodies that are compiled
	lists  int   // bytes for what sequences hold
	again  int   // bytes of weights that are packed more than once, and of what comes with them
	passes int   // that may be tried to find what goes in stripes

	paid  map[*val]bool   // weights that have been packed
	packs map[packing]any // what they have become
}

// packing is a way to pack weights.
type packing struct {
	w, bias *val
	way     int // the side of a tile of Winograd's; or one of those below
	groups  int
}

const (
	packDirect = -1 - iota
	packDense
	packTurned
	packConv8 // of 8-bit integers, whose zero points stand in place of a bias
	packDeep8
	packDense8
	packTurned8
	packWideConv // float32 of 8-bit integers, see wide
	packWideDense
)

// pay says whether weights may be packed: once, and again while that is little in all.
func (l *left) pay(w *val) bool {
	if !l.paid[w] {
		l.paid[w] = true
		return true
	}
	return l.spend(4 * w.info.Value.Len())
}

// spend says whether so many bytes may be packed beyond the first time, and notes it.
func (l *left) spend(bytes int) bool {
	if bytes > l.again {
		return false
	}
	l.again -= bytes
	return true
}

// once returns what weights have become by this packing, of which there is one for all ops that share them, and false where they may not be packed again.
func once[T any](l *left, k packing, pack func() T) (packed T, ok bool) {
	if v := l.packs[k]; v != nil {
		return v.(T), true
	}
	if !l.pay(k.w) {
		return packed, false
	}
	packed = pack()
	l.packs[k] = packed
	return packed, true
}

func newIR(opt Options) *ir {
	return &ir{consts: map[*Value]*val{}, opt: opt, left: &left{fold: 24 << 20, work: 1 << 31, unroll: 8000, bodies: 100000, lists: 16 << 20, again: 24 << 20, passes: 1 << 18,
		paid: map[*val]bool{}, packs: map[packing]any{}}}
}

// inner returns a program for the body of a Loop.
func (p *ir) inner() *ir {
	q := &ir{consts: p.consts, left: p.left, opt: p.opt}
	q.opt.Consume, q.opt.ChannelsLast = false, false
	return q
}

// half reports whether d is a 16-bit float: such values are computed in float32.
func half(d tensor.DType) bool { return d == tensor.Float16 || d == tensor.BFloat16 }

// lowering translates nodes of one graph. 16-bit floats become float32, with casts at the outermost graph's edge and where one asks for it.
type lowering struct {
	p      *ir
	vals   map[*Value]*val // computed in float32 where 16-bit
	halves map[*Value]*val // the 16-bit form, where there is one
}

func newLowering(p *ir) *lowering { return &lowering{p, map[*Value]*val{}, map[*Value]*val{}} }

// lower translates a graph for inputs of given shapes.
func lower(g *Graph, shapes map[string][]int, opt Options) (*ir, error) {
	nodes, err := g.Sort()
	if err != nil {
		return nil, err
	}
	p := newIR(opt)
	l := newLowering(p)
	for i, v := range g.Inputs {
		w := &val{name: v.Name, known: true, info: layer.Info{DType: v.DType, Shape: shapes[v.Name]}}
		if !v.DType.Valid() {
			return nil, fmt.Errorf("model: input %q has no type", v.Name)
		}
		if l.vals[v] != nil {
			return nil, fmt.Errorf("model: input %d, %q, is there twice", i, v.Name)
		}
		p.inputs = append(p.inputs, w)
		l.vals[v] = w
		if half(v.DType) {
			l.halves[v] = w
			l.vals[v] = l.cast(w, tensor.Float32, v.Name+":float32")
		}
	}
	if err := l.nodes(nodes, ""); err != nil {
		return nil, err
	}
	for _, v := range g.Outputs {
		w, err := l.get(v)
		if err != nil {
			return nil, fmt.Errorf("model: output: %w", err)
		}
		if half(v.DType) {
			if h := l.halves[v]; h != nil {
				w = h
			} else {
				w = l.cast(w, v.DType, v.Name)
			}
		}
		p.outputs = append(p.outputs, w)
	}
	return p, nil
}

// lowerBody appends the nodes of a graph in a graph, whose inputs are these values, and returns its outputs. Names end in suffix.
func (p *ir) lowerBody(g *Graph, inputs []*val, suffix string) ([]*val, error) {
	nodes, err := g.Sort()
	if err != nil {
		return nil, err
	}
	l := newLowering(p)
	for i, v := range g.Inputs {
		l.vals[v] = inputs[i]
	}
	if err := l.nodes(nodes, suffix); err != nil {
		return nil, err
	}
	outputs := make([]*val, len(g.Outputs))
	for i, v := range g.Outputs {
		if outputs[i], err = l.get(v); err != nil {
			return nil, fmt.Errorf("model: output: %w", err)
		}
	}
	return outputs, nil
}

// cast appends a cast of v.
func (l *lowering) cast(v *val, to tensor.DType, name string) *val {
	o := &op{name: name, op: &layer.Cast{To: to, Saturate: true}, in: []*val{v}}
	w := &val{name: name, def: o}
	o.out = []*val{w}
	l.p.ops = append(l.p.ops, o)
	return w
}

// get returns what a value has become.
func (l *lowering) get(v *Value) (*val, error) {
	if w := l.vals[v]; w != nil {
		return w, nil
	}
	if w := l.p.consts[v]; w != nil {
		return w, nil
	}
	if v.Const == nil {
		return nil, fmt.Errorf("nothing gives the value %q", v.Name)
	}
	t := v.Const
	room := 3
	if t.DType().Size() == 1 {
		room = 5 // quantised weights become float32
	}
	l.p.left.fold += int64(room * len(t.Raw()))
	if half(t.DType()) {
		t = tensor.New(tensor.Float32, t.Shape()...)
		if err := tensor.Convert(t, v.Const, true); err != nil {
			return nil, err
		}
	}
	w := constant(v.Name, t)
	l.p.consts[v] = w
	return w, nil
}

// nodes appends an op for each node. Names end in suffix.
func (l *lowering) nodes(nodes []*Node, suffix string) error {
	for _, n := range nodes {
		o := &op{name: n.Name, op: n.Op, in: make([]*val, len(n.In)), out: make([]*val, len(n.Out))}
		var err error
		for i, v := range n.In {
			if v == nil {
				continue
			}
			if o.in[i], err = l.get(v); err != nil {
				return fmt.Errorf("model: %s: %w", n.Label(), err)
			}
			o.params += params(v)
		}
		for i, v := range n.Out {
			if v == nil {
				continue
			}
			o.out[i] = &val{name: v.Name + suffix, def: o}
			l.vals[v] = o.out[i]
			if o.name == "" {
				o.name = v.Name
			}
		}
		o.name += suffix
		l.p.ops = append(l.p.ops, o)
		switch c := n.Op.(type) {
		case *layer.Cast:
			if half(c.To) && len(n.Out) == 1 && n.Out[0] != nil {
				l.halves[n.Out[0]] = o.out[0]
				l.vals[n.Out[0]] = l.cast(o.out[0], tensor.Float32, n.Out[0].Name+":float32"+suffix)
			}
		case *layer.ConstantOfShape:
			if c.Value != nil && half(c.Value.DType()) {
				o.op = &layer.ConstantOfShape{Value: tensor.Of(c.Value.Floats())}
			}
		case *layer.EyeLike:
			if half(c.DType) {
				o.op = &layer.EyeLike{DType: tensor.Float32, K: c.K}
			}
		case *layer.CosineWindow:
			if half(c.To) {
				o.op = &layer.CosineWindow{Fn: c.Fn, Periodic: c.Periodic, To: tensor.Float32}
			}
		case *layer.MelWeightMatrix:
			if half(c.To) {
				o.op = &layer.MelWeightMatrix{To: tensor.Float32}
			}
		case *Loop:
			l.p.loops, l.p.flows = true, true
		case *layer.If, *Sequence:
			l.p.flows = true
		}
	}
	return nil
}

// foldWork is the most effort that is spent on one operation at Compile.
const foldWork = 1 << 27

// foldElements is the most elements of an operation that is computed at Compile without knowing how large its results will be.
const foldElements = 1 << 19

// infer finds types and shapes, and replaces what does not depend on the inputs by constants.
func (p *ir) infer() error {
	b := newFlow(p)
	ops := p.ops
	p.ops = nil
	var env layer.Env
	kept, err := p.inferOps(ops, b, &env)
	if err != nil {
		return err
	}
	p.ops = kept
	return b.leave(p)
}

// inferOps is infer for some ops, and returns those that are needed.
func (p *ir) inferOps(ops []*op, b *flow, env *layer.Env) ([]*op, error) {
	kept := make([]*op, 0, len(ops))
	for _, o := range ops {
		more, err := b.enter(o)
		if err != nil {
			return nil, err
		}
		if !more {
			continue
		}
		become, ok, err := p.expand(o, b, env)
		if err == nil && !ok {
			var keep bool
			if keep, err = p.inferOp(o, env); keep {
				become = []*op{o}
			}
		}
		if err != nil {
			if err := b.fail(o, fmt.Errorf("model: %s: %w", o.label(), err)); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, become...)
	}
	return kept, nil
}

// expand returns what becomes of an op that only flow knows, and false for any other.
func (p *ir) expand(o *op, b *flow, env *layer.Env) (become []*op, ok bool, err error) {
	switch f := o.op.(type) {
	case *Sequence:
		become, err = p.sequence(o, f, b, env)
		return become, true, err
	case *Loop:
		if become, ok, err = p.unroll(o, f, b, env); ok || err != nil {
			return become, true, err
		}
		if err := b.tensors(o); err != nil {
			return nil, true, fmt.Errorf("%w, and only running tells how many turns there are", err)
		}
		return []*op{o}, true, p.loop(o, f)
	case *layer.Identity:
		if len(o.in) == 1 && len(o.out) == 1 && o.out[0] != nil && b.alias(o.out[0], o.in[0]) {
			return nil, true, nil
		}
	}
	return nil, false, b.tensors(o)
}

// may says whether constant folding may do some work, and notes it.
func (l *left) may(work int64) bool {
	if work > min(foldWork, l.work) {
		return false
	}
	l.work -= work
	return true
}

// inferOp finds the types and shapes of an op's outputs, or their elements; then the op itself need not be kept.
func (p *ir) inferOp(o *op, env *layer.Env) (keep bool, err error) {
	fold, known := true, true
	for _, v := range o.in {
		if v != nil {
			known = known && v.known
			fold = fold && v.constant()
			o.params += v.params
		}
	}
	if !known {
		return true, nil
	}
	in := o.infos()
	out, err := o.op.Infer(in)
	if errors.Is(err, layer.ErrUnknown) {
		w, hard := o.op.(layer.Worker)
		d, ok := o.op.(layer.Dynamic)
		return !ok || !fold || hard && !p.left.may(w.Work(in, nil)) || p.foldDynamic(o, d, env) != nil, nil
	}
	if err != nil {
		return false, err
	}
	if len(out) < len(o.out) {
		return false, fmt.Errorf("%d outputs, the operation has %d", len(o.out), len(out))
	}
	var size int64
	for i, v := range o.out {
		if v == nil {
			continue
		}
		n, ok := tensor.Count(out[i].Shape)
		if !ok || int64(n) > p.opt.MaxBytes/int64(max(1, out[i].DType.Size())) {
			return false, fmt.Errorf("its output %q, %s, is larger than the limit of %d bytes", v.name, out[i], p.opt.MaxBytes)
		}
		size += int64(n * max(16*b2i(out[i].DType == tensor.String), out[i].DType.Size()))
		v.info, v.known = out[i], true
	}
	if c, ok := o.op.(layer.Coster); ok {
		o.macs = c.MACs(in, out)
	}
	o.work = o.macs
	if w, ok := o.op.(layer.Worker); ok {
		o.work = max(o.work, w.Work(in, out))
	}
	done := true
	for _, v := range o.out {
		done = done && (v == nil || v.constant())
	}
	if done {
		return false, nil
	}
	if !fold || size > p.left.fold || !p.left.may(o.work) {
		for _, v := range o.out {
			if v != nil {
				v.info.Value = nil
			}
		}
		return true, nil
	}
	p.left.fold -= size
	return false, p.fold(o, env)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// values returns the elements of an op's constant inputs.
func (o *op) values() []*tensor.Tensor {
	in := make([]*tensor.Tensor, len(o.in))
	for i, v := range o.in {
		if v != nil {
			in[i] = v.info.Value
		}
	}
	return in
}

// fold computes an op whose inputs are constants.
func (p *ir) fold(o *op, env *layer.Env) error {
	out := make([]*tensor.Tensor, len(o.out))
	for i, v := range o.out {
		if v != nil {
			out[i] = tensor.New(v.info.DType, v.info.Shape...)
		}
	}
	env.Reset()
	if err := o.op.Forward(env, o.values(), out); err != nil {
		return err
	}
	for i, v := range o.out {
		if v != nil {
			v.info.Value, v.params = out[i], o.params
		}
	}
	return nil
}

func (p *ir) foldDynamic(o *op, d layer.Dynamic, env *layer.Env) error {
	n := 0
	for _, t := range o.values() {
		if t != nil {
			n += t.Len()
		}
	}
	if n > foldElements {
		return errors.New("not now")
	}
	env.Reset()
	out, err := d.Run(env, o.values())
	if err != nil || len(out) < len(o.out) {
		return errors.New("not now")
	}
	for i, v := range o.out {
		if v != nil {
			v.info, v.known = layer.Info{DType: out[i].DType(), Shape: out[i].Shape(), Value: out[i]}, true
		}
	}
	return nil
}

// prune removes ops whose outputs nobody uses, and outputs nobody uses of the others.
func (p *ir) prune() {
	used := map[*val]bool{}
	for _, v := range p.outputs {
		used[v] = true
	}
	var kept []*op
	for i := len(p.ops) - 1; i >= 0; i-- {
		o := p.ops[i]
		live := false
		for k, v := range o.out {
			if v != nil && !used[v] {
				o.out[k] = nil
			}
			live = live || o.out[k] != nil
		}
		if !live {
			continue
		}
		for _, v := range o.in {
			if v != nil {
				used[v] = true
			}
		}
		kept = append(kept, o)
	}
	for i, j := 0, len(kept)-1; i < j; i, j = i+1, j-1 {
		kept[i], kept[j] = kept[j], kept[i]
	}
	p.ops = kept
}
