package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Session runs a Program in memory of its own. One goroutine uses a Session at a time.
type Session struct {
	prog   *Program
	env    layer.Env
	arena  []byte
	vals   []*tensor.Tensor // by index of the Program's values; nil while a dynamic one is not computed
	ops    []layer.Op       // of each step
	args   []args           // of each step
	times  []time.Duration  // of each step; nil unless timing
	taken  []uint8          // of each guard; see isTaken
	chains []*chainRun      // of the Program's chains
	crew   []chainWorker    // for all chains, which run one after the other
	watch  watch
}

type args struct{ in, out []*tensor.Tensor }

// NewSession returns a Session with its memory allocated.
func (p *Program) NewSession() *Session {
	s := &Session{prog: p, arena: tensor.Bytes(p.memory()), vals: make([]*tensor.Tensor, len(p.vals)), args: make([]args, len(p.steps)),
		ops: make([]layer.Op, len(p.steps)), taken: make([]uint8, len(p.guards))}
	s.env.Team = kernels.NewTeam(p.threads)
	s.watch.team = s.env.Team
	for i, v := range p.vals {
		switch {
		case v.info.Value != nil:
			s.vals[i] = v.info.Value
		case !v.known:
		case v.info.DType == tensor.String:
			s.vals[i] = tensor.New(v.info.DType, v.info.Shape...)
		default:
			s.vals[i] = tensor.View(v.info.DType, v.info.Shape...)
			if off := p.vals[v.root].off; off >= 0 {
				n := p.bytes(i)
				s.vals[i].Bind(s.arena[off : off+n : off+n])
			}
		}
	}
	for i, v := range p.vals {
		if v.root != i && p.vals[v.root].off < 0 && p.vals[v.root].info.Value != nil {
			s.vals[i].Share(s.vals[v.root])
		}
	}
	for i, st := range p.steps {
		s.ops[i] = st.op
		if o, ok := st.op.(sessional); ok {
			s.ops[i] = o.session()
		}
		a := &s.args[i]
		a.in, a.out = make([]*tensor.Tensor, len(st.in)), make([]*tensor.Tensor, len(st.out))
		s.fill(a.in, st.in)
		s.fill(a.out, st.out)
	}
	if len(p.chains) > 0 {
		s.crew = make([]chainWorker, p.threads)
		for i := range s.crew {
			s.crew[i].rings = s.arena[p.arena+i*p.rings:][:p.rings]
		}
	}
	for _, c := range p.chains {
		s.chains = append(s.chains, newChainRun(c, s.crew, s.args))
	}
	s.warm()
	return s
}

// sessional is an operation that keeps something from one step of a run to the next: each Session has its own.
type sessional interface{ session() layer.Op }

// scratcher is an operation that knows how much scratch memory it will ask for, in floats.
type scratcher interface{ scratch(threads int) int }

// warm makes the system provide the memory of the Session, and the workers exist, so that the first run is as quick as others.
func (s *Session) warm() {
	most := 0
	for _, st := range s.prog.steps {
		if o, ok := st.op.(scratcher); ok && st.chain == nil {
			most = max(most, o.scratch(s.env.Team.Threads()))
		}
	}
	touch(s.arena)
	touch(s.env.Bytes(4 * most))
	s.env.Reset()
	most = 0
	for _, c := range s.prog.chains {
		most = max(most, c.scratch())
	}
	for i := range s.crew {
		touch(s.crew[i].env.Bytes(4 * most))
		s.crew[i].env.Reset()
	}
	s.env.Team.Begin()
	s.env.Team.End()
}

// touch writes to each page.
func touch(b []byte) {
	const page = 4096
	for i := 0; i < len(b); i += page {
		b[i] = 0
	}
}

func (s *Session) fill(t []*tensor.Tensor, index []int) {
	for i, k := range index {
		t[i] = nil
		if k >= 0 {
			t[i] = s.vals[k]
		}
	}
}

// Program returns what the Session runs.
func (s *Session) Program() *Program { return s.prog }

// Run computes the outputs of the network for inputs of the compiled types and shapes.
//
// It sets the entry of outputs for every output. Where that entry is a tensor of the output's type and shape already, the elements are copied into it; otherwise the
// entry becomes a tensor that belongs to the Session, valid until its next Run. outputs may be nil; see Output.
// Run ends early with ctx's error when ctx ends.
func (s *Session) Run(ctx context.Context, inputs, outputs Tensors) error {
	p := s.prog
	for i, port := range p.ins {
		t := inputs[port.Name]
		if t == nil {
			return fmt.Errorf("model: input %q is missing", port.Name)
		}
		if t.DType() != port.DType || !slices.Equal(t.Shape(), port.Shape) {
			return fmt.Errorf("model: input %q is %v, the program is compiled for %v%s", port.Name, t, port.DType, tensor.FormatShape(port.Shape))
		}
		s.vals[p.inputs[i]].Share(t)
	}
	s.shareInputs()
	if len(inputs) > len(p.ins) {
		for name := range inputs {
			if !slices.ContainsFunc(p.ins, func(q Port) bool { return q.Name == name }) {
				return fmt.Errorf("model: there is no input %q", name)
			}
		}
	}
	if err := s.watch.begin(ctx); err != nil {
		return err
	}
	s.env.Team.Begin()
	err := s.steps(ctx)
	s.env.Team.End()
	if err != nil {
		return err
	}
	if outputs == nil {
		return nil
	}
	for i, port := range p.outs {
		t := s.vals[p.outputs[i]]
		if o := outputs[port.Name]; o != nil && o != t && o.DType() == t.DType() && slices.Equal(o.Shape(), t.Shape()) {
			o.CopyFrom(t)
			continue
		}
		outputs[port.Name] = t
	}
	return nil
}

// shareInputs makes the values that are views of inputs those of the inputs that have been set.
func (s *Session) shareInputs() {
	p := s.prog
	for i := range p.vals {
		if r := p.vals[i].root; r != i && p.vals[r].off < 0 && p.vals[r].info.Value == nil {
			s.vals[i].Share(s.vals[r])
		}
	}
}

func (s *Session) steps(ctx context.Context) error {
	clear(s.taken)
	for i := range s.prog.steps {
		st, a := &s.prog.steps[i], &s.args[i]
		if st.runs(i) != i {
			continue
		}
		var begin time.Time
		if s.times != nil {
			begin = time.Now()
		}
		taken, err := s.isTaken(st.guard)
		if taken && !st.shared {
			s.env.Reset()
			switch {
			case st.chain != nil:
				err = s.chains[st.chain.number-1].run(&s.env, s.times)
			case st.dynamic:
				err = s.dynamic(st, s.ops[i], a)
			default:
				err = s.ops[i].Forward(&s.env, a.in, a.out)
			}
		}
		if err != nil {
			return fmt.Errorf("model: node %q (%s): %w", st.name, st.op.Kind(), err)
		}
		if s.times != nil && st.chain == nil {
			s.times[i] += time.Since(begin)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// dynamic runs a step whose shapes are known only now.
func (s *Session) dynamic(st *step, op layer.Op, a *args) error {
	s.fill(a.in, st.in)
	if d, ok := op.(layer.Dynamic); ok {
		out, err := d.Run(&s.env, a.in)
		if err != nil {
			return err
		}
		return s.set(st, out)
	}
	in := make([]layer.Info, len(a.in))
	for i, t := range a.in {
		if t != nil {
			in[i] = layer.Info{DType: t.DType(), Shape: t.Shape(), Value: t}
		}
	}
	infos, err := op.Infer(in)
	if err != nil {
		return err
	}
	out := make([]*tensor.Tensor, len(infos))
	for i, v := range infos {
		if i >= len(st.out) || st.out[i] < 0 {
			continue
		}
		n, ok := tensor.Count(v.Shape)
		if !ok || int64(n) > s.prog.limit/int64(max(1, v.DType.Size())) {
			return fmt.Errorf("output %d, %v, is larger than the limit of %d bytes", i, v, s.prog.limit)
		}
		out[i] = tensor.New(v.DType, v.Shape...)
	}
	if len(out) < len(st.out) {
		return errors.New("too few outputs")
	}
	if err := op.Forward(&s.env, a.in, out[:len(st.out)]); err != nil {
		return err
	}
	return s.set(st, out)
}

func (s *Session) set(st *step, out []*tensor.Tensor) error {
	for i, k := range st.out {
		if k < 0 {
			continue
		}
		if i >= len(out) || out[i] == nil {
			return fmt.Errorf("output %d was not computed", i)
		}
		if s.prog.vals[k].known {
			s.vals[k].CopyFrom(out[i])
			continue
		}
		s.vals[k] = out[i]
	}
	return nil
}

// Output returns an output of the last Run by its position; it belongs to the Session and is valid until the next Run.
func (s *Session) Output(i int) *tensor.Tensor { return s.vals[s.prog.outputs[i]] }

// ScratchBytes is the memory beside the arena that steps have asked for so far.
func (s *Session) ScratchBytes() int {
	n := s.env.ScratchBytes()
	for i := range s.crew {
		n += s.crew[i].env.ScratchBytes()
	}
	return n
}

// Time runs the network as Run does and adds what each step took to times, which has one entry per step of the Program.
func (s *Session) Time(ctx context.Context, inputs, outputs Tensors, times []time.Duration) error {
	if len(times) != len(s.prog.steps) {
		panic("model: Time: one duration per step is needed")
	}
	s.times = times
	defer func() { s.times = nil }()
	return s.Run(ctx, inputs, outputs)
}

// watch stops a team when a context ends. It stays registered with the context of the last run, so that runs with one context allocate nothing.
type watch struct {
	team *kernels.Team
	mu   sync.Mutex
	ctx  context.Context
	turn int
	off  func() bool
}

// begin prepares for a run under ctx.
func (w *watch) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.ctx == ctx {
		return nil
	}
	if w.off != nil {
		w.off()
		w.off = nil
	}
	w.mu.Lock()
	w.turn++
	turn := w.turn
	w.team.Resume()
	w.mu.Unlock()
	w.ctx = ctx
	if ctx.Done() != nil {
		w.off = context.AfterFunc(ctx, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.turn == turn {
				w.team.Stop()
			}
		})
	}
	return nil
}
