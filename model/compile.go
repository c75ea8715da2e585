package model

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Options says how Compile makes a Program.
type Options struct {
	// Inputs gives shapes to inputs by name. It may leave out inputs whose declared shape is fixed but for the first dimension,
	// which then is 1.
	Inputs map[string][]int
	// Threads is the most threads that a Session uses; 0 means one per CPU that Go may use now.
	Threads int
	// MaxBytes is the most memory that any one value and that the arena may take; 0 means 4 GiB.
	MaxBytes int64
	// Plain runs every layer's own forward pass, one by one in ONNX's axis order: slow, and the yardstick for everything else.
	Plain bool
	// Consume lets the Program take over the memory of the Graph's constants, which halves what compiling a large network needs. The Graph
	// must not be used afterwards.
	Consume bool
	// ChannelsLast lets the Program take images in the axis order in which it computes: an input that it would turn from [N,C,H,W] to [N,H,W,C] first, and needs
	// in no other way, then has the latter shape, and its Port says NHWC.
	ChannelsLast bool
}

// Port is an input or output of a Program. Shape is nil for an output whose shape only running tells.
type Port struct {
	Name   string
	DType  tensor.DType
	Shape  []int
	Layout Layout // of an input; see Options.ChannelsLast
}

// Program is a Graph compiled for given input sizes: steps in order, their constants and a memory plan. It does not change; any number of
// Sessions share it.
type Program struct {
	ins, outs []Port
	steps     []step
	vals      []slot
	guards    []guard
	chains    []*chain
	rings     int   // bytes that each thread needs for them
	inputs    []int // index in vals of each input
	outputs   []int // and of each output
	arena     int   // bytes
	params    int64 // of the graph
	threads   int
	limit     int64
	work      int64
}

// step is one operation. in and out index vals; -1 stands for a value left out.
type step struct {
	name    string
	op      layer.Op
	in, out []int
	guard   int    // the branch that it lies in, in guards; -1 for none
	dynamic bool   // shapes are found while running
	shared  bool   // the output's storage is the first input's: nothing to do
	chain   *chain // that the step is a member of, or nil
	macs    int64
	params  int64
}

// slot is where a value lies.
type slot struct {
	name   string
	info   layer.Info // Value is set for constants
	known  bool
	layout Layout
	root   int // the value whose storage this one shares; itself mostly
	off    int // in the arena, of a root that lies there; else -1
}

// Compile makes a Program of a Graph.
func Compile(g *Graph, opt Options) (*Program, error) {
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = 4 << 30
	}
	if opt.Threads <= 0 {
		opt.Threads = runtime.GOMAXPROCS(0) // one number for all that is compiled, whatever becomes of it
	}
	if int64(int(opt.MaxBytes)) != opt.MaxBytes {
		opt.MaxBytes = 1<<31 - 1
	}
	shapes, err := bindShapes(g, opt.Inputs)
	if err != nil {
		return nil, err
	}
	p, err := lower(g, shapes, opt)
	if err != nil {
		return nil, err
	}
	for _, v := range p.inputs {
		if n, ok := tensor.Count(v.info.Shape); !ok || int64(n) > opt.MaxBytes/int64(max(1, v.info.DType.Size())) {
			return nil, fmt.Errorf("model: input %q: %s is larger than the limit of %d bytes", v.name, v.info, opt.MaxBytes)
		}
	}
	return p.compile(g)
}

// compile makes a Program of what a graph was lowered to.
func (p *ir) compile(g *Graph) (*Program, error) {
	if err := p.infer(); err != nil {
		return nil, err
	}
	p.prune()
	var work int64
	for _, o := range p.ops {
		work = min(work+min(o.work, 1<<56), 1<<60)
	}
	if !p.opt.Plain {
		p.optimise(p.opt.Consume && !p.loops) // bodies of Loops may use the same constants
	}
	prog := p.program(g)
	prog.limit = p.opt.MaxBytes
	prog.work = work
	if need := prog.memory(); int64(need) > p.opt.MaxBytes {
		return nil, fmt.Errorf("model: the network needs %d bytes of working memory, more than the limit of %d", need, p.opt.MaxBytes)
	}
	return prog, nil
}

// bindShapes gives each input a shape without unknowns.
func bindShapes(g *Graph, given map[string][]int) (map[string][]int, error) {
	shapes, symbols := map[string][]int{}, map[string]int{}
	for name, s := range given {
		if !slices.ContainsFunc(g.Inputs, func(v *Value) bool { return v.Name == name }) {
			return nil, fmt.Errorf("model: there is no input %q; the inputs are %s", name, inputNames(g))
		}
		if _, ok := tensor.Count(s); !ok {
			return nil, fmt.Errorf("model: input %q cannot have the shape %s", name, tensor.FormatShape(s))
		}
	}
	for _, v := range g.Inputs {
		s, ok := given[v.Name]
		if !ok {
			continue
		}
		if v.Shape != nil && len(v.Shape) != len(s) {
			return nil, fmt.Errorf("model: input %q has %d dimensions, not %s", v.Name, len(v.Shape), tensor.FormatShape(s))
		}
		for i, d := range v.Shape {
			if d.Size >= 0 && d.Size != s[i] {
				return nil, fmt.Errorf("model: dimension %d of input %q is %d, not %d", i, v.Name, d.Size, s[i])
			}
			if d.Size < 0 && d.Name != "" {
				if was, ok := symbols[d.Name]; ok && was != s[i] {
					return nil, fmt.Errorf("model: dimension %q is %d and %d", d.Name, was, s[i])
				}
				symbols[d.Name] = s[i]
			}
		}
		shapes[v.Name] = slices.Clone(s)
	}
	for _, v := range g.Inputs {
		if shapes[v.Name] != nil {
			continue
		}
		if v.Shape == nil {
			return nil, fmt.Errorf("model: input %q declares no shape; give one", v.Name)
		}
		s := make([]int, len(v.Shape))
		for i, d := range v.Shape {
			bound, ok := symbols[d.Name]
			switch {
			case d.Size >= 0:
				s[i] = d.Size
			case ok && d.Name != "":
				s[i] = bound
			case i == 0:
				s[i] = 1
			default:
				name := d.Name
				if name == "" {
					name = "?"
				}
				return nil, fmt.Errorf("model: dimension %d (%q) of input %q is not fixed; give the input's shape", i, name, v.Name)
			}
		}
		if _, ok := tensor.Count(s); !ok {
			return nil, fmt.Errorf("model: input %q cannot have the shape %s", v.Name, tensor.FormatShape(s))
		}
		shapes[v.Name] = s
	}
	return shapes, nil
}

func inputNames(g *Graph) string {
	s := ""
	for i, v := range g.Inputs {
		if i > 0 {
			s += ", "
		}
		s += v.Name
	}
	return s
}

// program numbers the values, plans memory and writes the steps down.
func (p *ir) program(g *Graph) *Program {
	prog := &Program{params: params(g.Constants()...), threads: p.opt.Threads}
	number := map[*val]int{}
	add := func(v *val) int {
		if v == nil {
			return -1
		}
		i, ok := number[v]
		if !ok {
			i = len(prog.vals)
			number[v] = i
			prog.vals = append(prog.vals, slot{name: v.name, info: v.info, known: v.known, layout: v.layout, root: i, off: -1})
		}
		return i
	}
	for _, v := range p.inputs {
		prog.inputs = append(prog.inputs, add(v))
		prog.ins = append(prog.ins, Port{v.name, v.info.DType, v.info.Shape, v.layout})
	}
	places, numbers := p.guards(), map[*layer.Place[*op]]int{}
	for _, o := range p.ops {
		s := step{name: o.name, op: o.op, macs: o.macs, params: o.params}
		for _, v := range o.in {
			s.in = append(s.in, add(v))
			s.dynamic = s.dynamic || v != nil && !v.known
		}
		for _, v := range o.out {
			s.out = append(s.out, add(v))
			s.dynamic = s.dynamic || v != nil && !v.known
		}
		s.guard = prog.guard(places[o], numbers, add)
		if !s.dynamic {
			s.op = p.planned(o)
		}
		prog.steps = append(prog.steps, s)
	}
	for i, v := range p.outputs {
		prog.outputs = append(prog.outputs, add(v))
		port := Port{Name: g.Outputs[i].Name, DType: g.Outputs[i].DType}
		if v.known {
			port.DType, port.Shape = v.info.DType, v.info.Shape
		}
		prog.outs = append(prog.outs, port)
	}
	prog.inStripes(p.left)
	prog.plan()
	return prog
}

// planned returns the op with what shapes and constants determine worked out, or the op itself where that would take more memory than there is to spend.
func (p *ir) planned(o *op) layer.Op {
	q, ok := o.op.(layer.Planner)
	if !ok {
		return o.op
	}
	in, out := o.infos(), make([]layer.Info, len(o.out))
	for _, v := range o.in {
		if v != nil && v.constant() && v.info.Value.Len() >= 1024 && !p.left.pay(v) {
			return o.op
		}
	}
	cost := int64(0)
	for i, v := range o.out {
		if v != nil {
			out[i] = v.info
		}
	}
	for _, x := range [2][]layer.Info{in, out} {
		for _, v := range x {
			for _, d := range v.Shape {
				cost += 64 * int64(d)
			}
		}
	}
	if cost > p.left.fold {
		return o.op
	}
	if r := q.Plan(in, out); r != nil {
		p.left.fold -= cost
		return r
	}
	return o.op
}

// Inputs lists the inputs, in the graph's order.
func (p *Program) Inputs() []Port { return slices.Clone(p.ins) }

// Outputs lists the outputs, in the graph's order.
func (p *Program) Outputs() []Port { return slices.Clone(p.outs) }

// StepInfo describes one step of a Program for people.
type StepInfo struct {
	Name, Op string
	In, Out  []layer.Info // shapes of inputs that are not constants, and of outputs; no shape where only running tells
	Params   int64        // parameters among the inputs
	MACs     int64        // multiply-accumulates
	Stripes  int          // of steps that go over a picture together, row by row, a number from 1 on; 0 of others
}

// memory is the working memory of a Session in bytes: the arena, and behind it what each thread needs for stripes.
func (p *Program) memory() int { return p.arena + p.threads*p.rings }

// Steps describes the steps in the order in which they run.
func (p *Program) Steps() []StepInfo {
	out := make([]StepInfo, len(p.steps))
	for i, s := range p.steps {
		d := StepInfo{Name: s.name, Op: s.op.Kind(), Params: s.params, MACs: s.macs, Stripes: s.chain.order()}
		for _, k := range s.in {
			if k >= 0 && p.vals[k].info.Value == nil {
				d.In = append(d.In, p.vals[k].info)
			}
		}
		for _, k := range s.out {
			if k >= 0 {
				d.Out = append(d.Out, p.vals[k].info)
			}
		}
		out[i] = d
	}
	return out
}

// Size says what a Program takes.
type Size struct {
	Steps       int
	Params      int64 // the graph's parameters, each once, before any are folded
	MACs        int64 // multiply-accumulates of one run
	WeightBytes int64 // of constants, shared by all Sessions
	ArenaBytes  int64 // of working memory, for each Session
	Work        int64 // MACs, and elements that poolings and the like look at; large where a run takes long
}

// params counts the parameters among values: elements of constants, but not those of int64 (shapes, axes, indices), booleans and texts.
func params(values ...*Value) int64 {
	n := 0
	for _, v := range values {
		if v == nil || v.Const == nil {
			continue
		}
		switch v.Const.DType() {
		case tensor.Int64, tensor.Bool, tensor.String:
		default:
			n += v.Const.Len()
		}
	}
	return int64(n)
}

// Size sums the Program up.
func (p *Program) Size() Size {
	z := Size{Steps: len(p.steps), Params: p.params, ArenaBytes: int64(p.memory()), Work: p.work}
	seen := map[packed]bool{}
	for _, s := range p.steps {
		z.MACs += s.macs
		if f, ok := s.op.(interface{ packed() packed }); ok {
			if w := f.packed(); !seen[w] {
				seen[w] = true
				z.WeightBytes += int64(w.Bytes())
			}
		}
		if l, ok := s.op.(*loop); ok && l.prog != nil {
			body := l.prog.Size()
			z.WeightBytes += body.WeightBytes
			z.ArenaBytes += body.ArenaBytes
		}
	}
	for _, v := range p.vals {
		if t := v.info.Value; t != nil {
			z.WeightBytes += int64(len(t.Raw()))
		}
	}
	return z
}

// OutputTypes returns the types of a graph's outputs, Invalid where they cannot be found without knowing the inputs' shapes.
func OutputTypes(g *Graph) []tensor.DType {
	types := make([]tensor.DType, len(g.Outputs))
	shapes := map[string][]int{}
	for _, v := range g.Inputs {
		s := make([]int, len(v.Shape))
		for i, d := range v.Shape {
			s[i] = max(1, d.Size)
		}
		shapes[v.Name] = s
	}
	p, err := lower(g, shapes, Options{MaxBytes: 4 << 30})
	if err == nil {
		err = p.infer()
	}
	for i := range types {
		types[i] = g.Outputs[i].DType
		if err == nil && p.outputs[i].known {
			types[i] = p.outputs[i].info.DType
		}
	}
	return types
}
