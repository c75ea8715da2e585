package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Loop computes a graph again and again, as ONNX's operator of that name does. Its inputs are the most turns, one int64, and whether there is a
// first turn, one bool, either of which may be left out; Carried values; and what the body takes from around it.
//
// The body's inputs are the number of the turn, true, the carried values and what it takes from around it; its outputs are whether there is another
// turn, the carried values for it, and slices. The Loop's outputs are the carried values after the last turn and each of the slices, stacked along a new
// first dimension.
//
// Compile replaces a Loop whose turns it can count by what they compute, up to some number of nodes. Any other runs its body as a Program, which is compiled
// for the types and shapes of what it takes; the last few are kept.
type Loop struct {
	Body    *Graph
	Carried int
}

func (*Loop) Kind() string { return "Loop" }

// Infer and Forward are those of the form that Compile makes.
func (*Loop) Infer([]layer.Info) ([]layer.Info, error) { return nil, layer.ErrUnknown }

func (*Loop) Forward(*layer.Env, []*tensor.Tensor, []*tensor.Tensor) error {
	return errors.New("a Loop runs only in a compiled network")
}

// slices returns the number of outputs that are stacked.
func (l *Loop) slices() int { return len(l.Body.Outputs) - 1 - l.Carried }

// check says what is wrong with the inputs, as far as they are known.
func (l *Loop) check(o *op) error {
	if len(l.Body.Inputs) < 2+l.Carried || l.slices() < 0 || len(o.in) != len(l.Body.Inputs) || len(o.out) > l.Carried+l.slices() {
		return fmt.Errorf("%d inputs and %d outputs; its body has %d and %d, %d of them carried", len(o.in), len(o.out), len(l.Body.Inputs), len(l.Body.Outputs), l.Carried)
	}
	for i, d := range [2]tensor.DType{tensor.Int64, tensor.Bool} {
		if v := o.in[i]; v != nil && v.known {
			if n, ok := tensor.Count(v.info.Shape); !ok || n != 1 || v.info.DType != d {
				return fmt.Errorf("input %d is %s, not one %v", i, v.info, d)
			}
		}
	}
	for i, v := range o.in[2:] {
		if v == nil {
			return fmt.Errorf("input %d is missing", 2+i)
		}
	}
	return nil
}

// counted returns the most turns and whether there is a first, and false where only running tells.
func (l *Loop) counted(o *op) (most int64, first, ok bool) {
	most, first = math.MaxInt64, true
	if v := o.in[0]; v != nil {
		if !v.constant() {
			return 0, false, false
		}
		most = v.info.Value.Int64s()[0]
	}
	if v := o.in[1]; v != nil {
		if !v.constant() {
			return 0, false, false
		}
		first = tensor.Data[bool](v.info.Value)[0]
	}
	return most, first, true
}

// turnInputs returns the body's inputs of its own: the number of the turn, and true.
func (l *Loop) turnInputs(turn int64) [2]*tensor.Tensor {
	t := [2]*tensor.Tensor{tensor.Scalar(turn), tensor.Scalar(true)}
	for i := range t {
		if len(l.Body.Inputs[i].Shape) == 1 {
			t[i] = t[i].Reshape(1)
		}
	}
	return t
}

// cost is what a turn adds to a network: its nodes, those with many inputs, long names or large constants several times.
func (l *Loop) cost() int {
	n := 1
	for _, m := range l.Body.Nodes {
		n += 1 + len(m.Name)/256
		for _, v := range m.Out {
			if n++; v != nil {
				n += len(v.Name) / 256
			}
		}
		for _, v := range m.In {
			if n++; v != nil && v.Const != nil {
				n += len(v.Const.Raw()) / 4096
			}
		}
		if inner, ok := m.Op.(*Loop); ok {
			n += inner.cost()
		}
	}
	return n
}

// unroll infers turn after turn and returns what is to be computed of them. It gives up where only running tells the number of turns, or where they are many.
func (p *ir) unroll(o *op, l *Loop, b *flow, env *layer.Env) (kept []*op, done bool, err error) {
	if err := l.check(o); err != nil {
		return nil, false, err
	}
	most, first, ok := l.counted(o)
	if !ok {
		return nil, false, nil
	}
	size := l.cost()
	if first && o.in[0] != nil && most > int64(p.left.unroll/size) {
		return nil, false, nil
	}
	stacked := make([][]*val, l.slices())
	carried, again := o.in[2:][:l.Carried], first
	for turn := int64(0); again && turn < most; turn++ {
		if p.left.unroll -= size; p.left.unroll < 0 {
			return nil, false, nil
		}
		suffix := fmt.Sprintf(":%d", turn)
		in := slices.Clone(o.in)
		for i, t := range l.turnInputs(turn) {
			in[i] = constant(l.Body.Inputs[i].Name+suffix, t)
		}
		copy(in[2:], carried)
		begin := len(p.ops)
		out, err := p.lowerBody(l.Body, in, suffix)
		ops := slices.Clone(p.ops[begin:])
		p.ops = p.ops[:begin]
		if err != nil {
			return nil, false, err
		}
		if ops, err = p.inferOps(ops, b, env); err != nil {
			return nil, false, err
		}
		for i, v := range out {
			if out[i], err = b.value(v); err != nil {
				return nil, false, err
			}
		}
		kept = append(kept, ops...)
		told := false
		if again, told = oneBool(out[0].info.Value); !told {
			return nil, false, nil
		}
		carried = out[1:][:l.Carried]
		for i := range stacked {
			stacked[i] = append(stacked[i], out[1+l.Carried+i])
		}
	}
	for i, v := range o.out {
		if v == nil || i < l.Carried {
			continue
		}
		n := len(stacked[i-l.Carried])
		if n == 0 {
			return nil, false, nil // the body has to be compiled to tell the slices' shape
		}
		if p.left.unroll -= n; p.left.unroll < 0 {
			return nil, false, nil
		}
	}
	for i, v := range o.out {
		switch {
		case v == nil:
		case i < l.Carried:
			b.chosen[v] = carried[i]
		default:
			ops, err := p.inferOps(join(v, stacked[i-l.Carried], 0, true), b, env)
			if err != nil {
				return nil, false, err
			}
			kept = append(kept, ops...)
		}
	}
	return kept, true, nil
}

// loop makes a Loop that unroll has given up one that runs, and finds the types and shapes of its outputs as far as they do not depend on its turns.
func (p *ir) loop(o *op, l *Loop) error {
	r := &loop{Loop: l, opt: p.opt, consts: make([]*tensor.Tensor, len(o.in)), stackShapes: make([]layer.Info, l.slices())}
	o.op = r
	o.work = 1 << 56
	o.params += params(l.Body.Constants()...)
	known := true
	infos := o.infos()
	for i, v := range o.in {
		if v == nil {
			continue
		}
		known = known && v.known
		o.params += v.params
		if i >= 2+l.Carried {
			r.consts[i] = v.info.Value
		}
	}
	for i, v := range l.Body.Outputs[1+l.Carried:] {
		d := v.DType
		if half(d) || d == tensor.Invalid {
			d = tensor.Float32
		}
		shape := make([]int, len(v.Shape))
		for k, n := range v.Shape {
			shape[k] = max(0, n.Size)
		}
		r.stackShapes[i] = layer.Info{DType: d, Shape: shape}
	}
	if !known {
		return nil
	}
	if p.left.bodies -= l.cost(); p.left.bodies < 0 {
		return nil // running compiles it
	}
	body, err := r.compile(p.inner(), infos)
	if err != nil {
		return nil // there may be no turn; if there is one, running says what is wrong
	}
	r.prog = body
	r.noTurn(body, r.stackShapes)
	same := true
	for i, port := range body.outs[1:] {
		if port.Shape == nil {
			same = false
		} else if i >= l.Carried {
			continue
		} else if in := infos[2+i]; port.DType != in.DType {
			return fmt.Errorf("carried value %d, %q, is %v before a turn and %v after it", i, l.Body.Inputs[2+i].Name, in.DType, port.DType)
		} else {
			same = same && slices.Equal(port.Shape, in.Shape)
		}
	}
	most, first, counted := l.counted(o)
	again, told := oneBool(body.vals[body.outputs[0]].info.Value)
	always := counted && first && told && again // all turns are made
	turns := max(0, most)
	if always {
		o.macs = satMul(body.Size().MACs, turns)
		o.work = satMul(body.Size().Work+int64(len(body.steps)), turns)
	}
	if !same {
		return nil
	}
	stacks := slices.ContainsFunc(o.out[min(l.Carried, len(o.out)):], func(v *val) bool { return v != nil })
	if counted && !first {
		turns = 0
	} else if stacks && !always {
		return nil
	}
	for i, v := range o.out {
		if v == nil {
			continue
		}
		if i < l.Carried {
			v.info, v.known = layer.Info{DType: infos[2+i].DType, Shape: infos[2+i].Shape}, true
			continue
		}
		s := r.stackShapes[i-l.Carried]
		if s.DType == tensor.String {
			return nil // running refuses to stack them
		}
		if turns > math.MaxInt32 {
			return fmt.Errorf("%d turns", turns)
		}
		shape := append([]int{int(turns)}, s.Shape...)
		n, ok := tensor.Count(shape)
		if !ok || int64(n) > p.opt.MaxBytes/int64(max(1, s.DType.Size())) {
			return fmt.Errorf("its output %q, %v%s, is larger than the limit of %d bytes", v.name, s.DType, tensor.FormatShape(shape), p.opt.MaxBytes)
		}
		v.info, v.known = layer.Info{DType: s.DType, Shape: shape}, true
	}
	return nil
}

// satMul multiplies, and stays at 2⁵⁶ where the product would be larger.
func satMul(a, b int64) int64 {
	const most = 1 << 56
	if a > 0 && b > most/a {
		return most
	}
	return a * b
}

// loop is a Loop in a Program.
type loop struct {
	*Loop
	opt         Options
	consts      []*tensor.Tensor // the inputs from around the body that are constants
	stackShapes []layer.Info     // of slices, as far as known: what outputs are without a turn
	prog        *Program         // of the body for the shapes that the carried values have first; nil where only running tells them
}

// compile makes a Program of the body for these inputs of the Loop, in p.
func (l *loop) compile(p *ir, in []layer.Info) (*Program, error) {
	vals := make([]*val, len(in))
	own := l.turnInputs(0)
	for i, v := range in {
		if i == 0 {
			v = layer.Info{DType: own[0].DType(), Shape: own[0].Shape()}
		}
		vals[i] = &val{name: l.Body.Inputs[i].Name, known: true, info: layer.Info{DType: v.DType, Shape: v.Shape}}
		switch t := l.consts[i]; {
		case i == 1:
			vals[i] = constant(vals[i].name, own[1])
		case t != nil:
			vals[i].info.Value = t
		default:
			p.inputs = append(p.inputs, vals[i])
		}
	}
	var err error
	if p.outputs, err = p.lowerBody(l.Body, vals, ""); err != nil {
		return nil, err
	}
	return p.compile(l.Body)
}

// noTurn sets what slices are as far as the body's Program knows it.
func (l *loop) noTurn(body *Program, slices []layer.Info) {
	for i, port := range body.outs[1+l.Carried:] {
		if port.Shape != nil {
			slices[i] = layer.Info{DType: port.DType, Shape: port.Shape}
		}
	}
}

func (l *loop) session() layer.Op { return &loopRun{loop: l} }

// loopRun is a loop in a Session.
type loopRun struct {
	*loop
	bodies  []*Session // of the shapes met last, the latest first
	turn    *tensor.Tensor
	in      []*tensor.Tensor
	carried [2][]*tensor.Tensor // of a turn and of the next
}

// keptBodies is how many Sessions of the body a loopRun keeps.
const keptBodies = 4

// body returns a Session for the inputs.
func (r *loopRun) body(e *layer.Env, in []*tensor.Tensor) (*Session, error) {
	for i, s := range r.bodies {
		if r.fits(s.prog, in) {
			copy(r.bodies[1:i+1], r.bodies[:i])
			r.bodies[0] = s
			return s, nil
		}
	}
	prog := r.prog
	if prog == nil || !r.fits(prog, in) {
		infos := make([]layer.Info, len(in))
		for i, t := range in {
			if t != nil {
				infos[i] = layer.Info{DType: t.DType(), Shape: slices.Clone(t.Shape())}
			}
		}
		var err error
		if prog, err = r.compile(newIR(r.opt).inner(), infos); err != nil {
			return nil, err
		}
	}
	s := prog.NewSession()
	s.env.Team = e.Team
	if len(r.bodies) == keptBodies {
		r.bodies = r.bodies[:keptBodies-1]
	}
	r.bodies = slices.Insert(r.bodies, 0, s)
	return s, nil
}

// live calls do for each input of the body's Program with the input of the Loop that it is.
func (r *loopRun) live(in []*tensor.Tensor, do func(port int, t *tensor.Tensor)) {
	port := 0
	for i, t := range in {
		if i == 1 || r.consts[i] != nil {
			continue
		}
		do(port, t)
		port++
	}
}

func (r *loopRun) fits(p *Program, in []*tensor.Tensor) bool {
	ok := true
	r.live(in, func(port int, t *tensor.Tensor) {
		ok = ok && (port == 0 || t.DType() == p.ins[port].DType && slices.Equal(t.Shape(), p.ins[port].Shape))
	})
	return ok
}

// run makes the turns, and returns the inputs with the carried values after the last in place of those before the first. What each turn slices off goes
// to slice.
func (r *loopRun) run(e *layer.Env, given []*tensor.Tensor, slice func(turn int64, i int, t *tensor.Tensor) error) (in []*tensor.Tensor, turns int64, err error) {
	r.in = append(r.in[:0], given...)
	in = r.in
	most, again := int64(math.MaxInt64), true
	if t := in[0]; t != nil {
		if t.DType() != tensor.Int64 || t.Len() != 1 {
			return nil, 0, fmt.Errorf("the most turns are %v, not one int64", t)
		}
		most = t.Int64s()[0]
	}
	if t := in[1]; t != nil {
		told := false
		if again, told = oneBool(t); !told {
			return nil, 0, fmt.Errorf("whether there is a turn is %v, not one bool", t)
		}
	}
	if r.turn == nil {
		r.turn = r.turnInputs(0)[0]
		for i := range r.carried {
			r.carried[i] = make([]*tensor.Tensor, r.Carried)
		}
	}
	in[0] = r.turn
	for ; again && turns < most; turns++ {
		s, err := r.body(e, in)
		if err != nil {
			return nil, turns, fmt.Errorf("turn %d: %w", turns, err)
		}
		r.turn.Int64s()[0] = turns
		r.live(in, func(port int, t *tensor.Tensor) { s.vals[s.prog.inputs[port]].Share(t) })
		s.shareInputs()
		if err := s.steps(context.Background()); err != nil {
			return nil, turns, fmt.Errorf("turn %d: %w", turns, err)
		}
		if e.Team.Stopped() {
			return in, turns, nil // whoever stopped it knows
		}
		told := false
		if again, told = oneBool(s.Output(0)); !told {
			return nil, turns, fmt.Errorf("turn %d: whether there is another is %v, not one bool", turns, s.Output(0))
		}
		for i, next := range r.carried[turns%2] {
			t := s.Output(1 + i)
			if t.DType() != in[2+i].DType() {
				return nil, turns, fmt.Errorf("turn %d: carried value %d, %q, is %v before it and %v after it", turns, i, r.Body.Inputs[2+i].Name, in[2+i].DType(), t.DType())
			}
			if next == nil || !slices.Equal(next.Shape(), t.Shape()) || next.DType() != t.DType() {
				next = tensor.New(t.DType(), t.Shape()...)
				r.carried[turns%2][i] = next
			}
			next.CopyFrom(t)
		}
		for i := range r.slices() {
			if err := slice(turns, i, s.Output(1+r.Carried+i)); err != nil {
				return nil, turns, fmt.Errorf("turn %d: %w", turns, err)
			}
		}
		copy(in[2:], r.carried[turns%2])
	}
	return in, turns, nil
}

// Forward runs a loop whose outputs' shapes were known at Compile.
func (r *loopRun) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	in, _, err := r.run(e, in, func(turn int64, i int, t *tensor.Tensor) error {
		if i += r.Carried; i < len(out) && out[i] != nil {
			dst := out[i].Raw()
			copy(dst[int(turn)*len(t.Raw()):], t.Raw())
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range min(r.Carried, len(out)) {
		if out[i] != nil {
			out[i].CopyFrom(in[2+i])
		}
	}
	return nil
}

// Run runs any loop.
func (r *loopRun) Run(e *layer.Env, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	stacked := make([][]byte, r.slices())
	shapes := slices.Clone(r.stackShapes)
	in, turns, err := r.run(e, in, func(turn int64, i int, t *tensor.Tensor) error {
		s := &shapes[i]
		if turn == 0 {
			*s = layer.Info{DType: t.DType(), Shape: slices.Clone(t.Shape())}
		}
		if t.DType() != s.DType || !slices.Equal(t.Shape(), s.Shape) {
			return fmt.Errorf("output %d is %v; it was %v before", r.Carried+i, t, *s)
		}
		if t.DType() == tensor.String {
			return fmt.Errorf("output %d: texts cannot be stacked", r.Carried+i)
		}
		if int64(len(stacked[i])) > r.opt.MaxBytes-int64(len(t.Raw())) {
			return fmt.Errorf("output %d is larger than the limit of %d bytes", r.Carried+i, r.opt.MaxBytes)
		}
		stacked[i] = append(stacked[i], t.Raw()...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if turns == 0 && len(stacked) > 0 && r.prog == nil {
		if s, err := r.body(e, in); err == nil {
			r.noTurn(s.prog, shapes)
		}
	}
	out := make([]*tensor.Tensor, r.Carried+r.slices())
	for i := range out {
		if i < r.Carried {
			out[i] = in[2+i].Clone()
			continue
		}
		s := shapes[i-r.Carried]
		shape := append([]int{int(turns)}, s.Shape...)
		if n, ok := tensor.Count(shape); !ok || n*s.DType.Size() != len(stacked[i-r.Carried]) {
			return nil, fmt.Errorf("output %d cannot be %v%s", i, s.DType, tensor.FormatShape(shape))
		}
		out[i] = tensor.New(s.DType, shape...)
		copy(out[i].Raw(), stacked[i-r.Carried])
	}
	return out, nil
}
