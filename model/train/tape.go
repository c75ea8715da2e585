// Package train trains networks: it differentiates a Graph, which gives another Graph that computes the gradients of a loss, and changes
// the parameters by them.
package train

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Tape builds a Graph whose values all have known types and shapes. The zero Ref is none.
type Tape struct {
	graph *model.Graph
	vals  []*model.Value // by Ref; the first is nil
	infos []layer.Info
	nodes []node
	names map[string]int
	err   error // the first fault
	scope string
}

// node is one operation of a Tape.
type node struct {
	op      layer.Op
	in, out []layer.Ref
	name    string
}

// NewTape returns an empty Tape.
func NewTape() *Tape {
	return &Tape{graph: &model.Graph{}, vals: make([]*model.Value, 1), infos: make([]layer.Info, 1), names: map[string]int{}}
}

// Err is the first fault of what was added, or nil.
func (t *Tape) Err() error { return t.err }

// unique returns a name that no value bears yet.
func (t *Tape) unique(name string) string {
	t.names[name]++
	if n := t.names[name]; n > 1 {
		return t.unique(fmt.Sprintf("%s:%d", name, n))
	}
	return name
}

func (t *Tape) value(v *model.Value, info layer.Info) layer.Ref {
	t.vals = append(t.vals, v)
	t.infos = append(t.infos, info)
	return layer.Ref(len(t.vals) - 1)
}

// Input adds an input of the graph.
func (t *Tape) Input(name string, d tensor.DType, shape ...int) layer.Ref {
	v := t.graph.Input(t.unique(name), d, model.Fixed(shape...)...)
	return t.value(v, layer.Info{DType: d, Shape: shape})
}

// Output makes a value an output of the graph.
func (t *Tape) Output(r layer.Ref) { t.graph.Output(t.vals[r]) }

// Name returns the name of a value.
func (t *Tape) Name(r layer.Ref) string { return t.vals[r].Name }

func (t *Tape) Const(x *tensor.Tensor) layer.Ref { return t.constant("constant", x) }

func (t *Tape) constant(name string, x *tensor.Tensor) layer.Ref {
	return t.value(model.Const(t.unique(name), x), layer.Info{DType: x.DType(), Shape: x.Shape(), Value: x})
}

func (t *Tape) Info(r layer.Ref) layer.Info { return t.infos[r] }

func (t *Tape) Add(op layer.Op, in ...layer.Ref) layer.Ref { return t.AddN(1, op, in...)[0] }

func (t *Tape) AddN(n int, op layer.Op, in ...layer.Ref) []layer.Ref {
	return t.add(t.scope+op.Kind(), n, op, in)
}

// add appends an operation under a name.
func (t *Tape) add(name string, n int, op layer.Op, in []layer.Ref) []layer.Ref {
	name = t.unique(name)
	infos := make([]layer.Info, len(in))
	args := make([]*model.Value, len(in))
	for i, r := range in {
		infos[i], args[i] = t.infos[r], t.vals[r]
	}
	out, err := op.Infer(infos)
	if err == nil && len(out) < n {
		err = fmt.Errorf("it has %d outputs, not %d", len(out), n)
	}
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("train: node %q (%s): %w", name, op.Kind(), err)
	}
	if err != nil {
		return make([]layer.Ref, n)
	}
	if folded := t.fold(name, op, infos, out[:n]); folded != nil {
		return folded
	}
	refs, vals := make([]layer.Ref, n), make([]*model.Value, n)
	for i := range refs {
		vals[i] = &model.Value{Name: name}
		if i > 0 {
			vals[i].Name = t.unique(fmt.Sprintf("%s.%d", name, i))
		}
		info := out[i]
		info.Value = nil
		refs[i] = t.value(vals[i], info)
	}
	t.graph.Nodes = append(t.graph.Nodes, &model.Node{Name: name, Op: op, In: args, Out: vals})
	t.nodes = append(t.nodes, node{op, in, refs, name})
	return refs
}

// fold returns constants where an operation's outputs are known already: by their shapes alone, or because all inputs are constants.
func (t *Tape) fold(name string, op layer.Op, in, out []layer.Info) []layer.Ref {
	known, constants := true, len(in) > 0
	for _, o := range out {
		known = known && o.Value != nil
	}
	for _, i := range in {
		constants = constants && (!i.Present() || i.Value != nil)
	}
	if !known && !constants {
		return nil
	}
	values, made := make([]*tensor.Tensor, len(in)), make([]*tensor.Tensor, len(out))
	for i := range in {
		values[i] = in[i].Value
	}
	for i := range out {
		if made[i] = out[i].Value; made[i] == nil {
			made[i] = tensor.New(out[i].DType, out[i].Shape...)
		}
	}
	if !known {
		if op.Forward(new(layer.Env), values, made) != nil {
			return nil
		}
	}
	refs := make([]layer.Ref, len(out))
	for i := range out {
		refs[i] = t.constant(name, made[i])
	}
	return refs
}

// Options says how a Tape's Graph is compiled.
type Options struct {
	Threads  int   // 0 means one per CPU
	MaxBytes int64 // of working memory; 0 means 4 GiB
	Plain    bool  // every operation in its plain form
}

// Compile makes a Program of what was added. The Tape must not be added to afterwards.
func (t *Tape) Compile(o Options) (*model.Program, error) {
	if t.err != nil {
		return nil, t.err
	}
	return model.Compile(t.graph, model.Options{Threads: o.Threads, MaxBytes: o.MaxBytes, Plain: o.Plain})
}
