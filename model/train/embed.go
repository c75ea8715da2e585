package train

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Param is a parameter that training changes.
type Param struct {
	Name  string
	Value *tensor.Tensor // float32; the Graph's constant holds the same storage
	Decay bool           // whether weight decay applies: not to biases, nor to the scales and shifts of normalisation
	ref   layer.Ref
}

// Statistic is the running mean and variance of a batch normalisation, [C] each.
type Statistic struct {
	Name           string
	Mean, Variance *tensor.Tensor // the Graph's constants
	rows           int            // positions that one batch gives each channel
	mean, variance layer.Ref
}

// mask is the input of a dropout: 0 where an element is dropped, 1/(1-ratio) elsewhere.
type mask struct {
	ref   layer.Ref
	value *tensor.Tensor
	ratio float32
}

// Network is a Graph as it lies on a Tape, in training.
type Network struct {
	Inputs     map[string]layer.Ref
	Outputs    map[string]layer.Ref
	Params     []*Param
	Statistics []*Statistic
	masks      []mask
}

// EmbedOptions says how a Graph is put on a Tape.
type EmbedOptions struct {
	// Inputs gives every input of the Graph its shape, batch included.
	Inputs map[string][]int
	// Train says whether a node's parameters are trained; nil means all. The others are constants, and batch normalisation there keeps its
	// running statistics.
	Train func(*model.Node) bool
	// Frozen keeps running statistics everywhere: for batches too small, or too unlike the data, to estimate them.
	Frozen bool
}

// Embed adds a Graph to the Tape as training sees it: trained parameters are inputs, batch normalisation uses the batch's statistics, dropout drops.
func (t *Tape) Embed(g *model.Graph, o EmbedOptions) (*Network, error) {
	nodes, err := g.Sort()
	if err != nil {
		return nil, err
	}
	n := &Network{Inputs: map[string]layer.Ref{}, Outputs: map[string]layer.Ref{}}
	e := &embedding{tape: t, net: n, refs: map[*model.Value]layer.Ref{}, params: map[*model.Value]*Param{}, makers: map[*model.Value]*model.Node{}}
	for _, v := range g.Inputs {
		shape, ok := o.Inputs[v.Name]
		if !ok {
			return nil, fmt.Errorf("train: input %q has no shape", v.Name)
		}
		if err := fits(v, shape); err != nil {
			return nil, err
		}
		e.refs[v] = t.Input(v.Name, v.DType, shape...)
		n.Inputs[v.Name] = e.refs[v]
	}
	for _, node := range nodes {
		for _, v := range node.Out {
			e.makers[v] = node
		}
		if err := e.node(node, o); err != nil {
			return nil, err
		}
	}
	for _, v := range g.Outputs {
		r, err := e.value(v)
		if err != nil {
			return nil, err
		}
		n.Outputs[v.Name] = r
	}
	return n, t.err
}

// fits says whether an input may have a shape.
func fits(v *model.Value, shape []int) error {
	bad := v.Shape != nil && len(v.Shape) != len(shape)
	for i, d := range v.Shape {
		bad = bad || d.Size >= 0 && i < len(shape) && d.Size != shape[i]
	}
	if bad {
		return fmt.Errorf("train: input %q cannot have the shape %s", v.Name, tensor.FormatShape(shape))
	}
	return nil
}

// embedding is the state of Embed.
type embedding struct {
	tape   *Tape
	net    *Network
	refs   map[*model.Value]layer.Ref
	params map[*model.Value]*Param
	makers map[*model.Value]*model.Node
}

// value returns the Ref of a value; a constant that is no parameter becomes one on the Tape.
func (e *embedding) value(v *model.Value) (layer.Ref, error) {
	if v == nil {
		return 0, nil
	}
	if r, ok := e.refs[v]; ok {
		return r, nil
	}
	if v.Const == nil {
		return 0, fmt.Errorf("train: nothing gives the value %q", v.Name)
	}
	if err := widen(v); err != nil {
		return 0, err
	}
	e.refs[v] = e.tape.constant(v.Name, v.Const)
	return e.refs[v], nil
}

// widen makes a constant of 16-bit floats one of float32.
func widen(v *model.Value) error {
	if d := v.Const.DType(); d != tensor.Float16 && d != tensor.BFloat16 {
		return nil
	}
	w := tensor.New(tensor.Float32, v.Const.Shape()...)
	if err := tensor.Convert(w, v.Const, true); err != nil {
		return fmt.Errorf("train: constant %q: %w", v.Name, err)
	}
	v.Const, v.DType = w, tensor.Float32
	return nil
}

// node adds one node.
func (e *embedding) node(n *model.Node, o EmbedOptions) error {
	trained := o.Train == nil || o.Train(n)
	if trained {
		for _, k := range e.parameters(n) {
			if err := e.parameter(n.In[k.input], k.decay); err != nil {
				return err
			}
		}
	}
	in := make([]layer.Ref, len(n.In))
	for i, v := range n.In {
		var err error
		if in[i], err = e.value(v); err != nil {
			return err
		}
	}
	name := n.Name
	if name == "" {
		name = n.Out[0].Name
	}
	var out []layer.Ref
	switch op := n.Op.(type) {
	case *layer.BatchNorm:
		if trained && !o.Frozen {
			out = e.batchNorm(n, op, name, in)
			break
		}
		out = e.tape.add(name, 1, &layer.BatchNorm{Epsilon: op.Epsilon}, in)
	case *layer.Dropout:
		if trained && op.Ratio > 0 {
			out = e.dropout(op.Ratio, name, in[0])
			break
		}
		out = in[:1]
	default:
		out = e.tape.add(name, len(n.Out), n.Op, in)
	}
	for i, v := range n.Out {
		if v != nil && i < len(out) {
			e.refs[v] = out[i]
		}
	}
	return e.tape.err
}

// known is an input of a node that is a parameter.
type known struct {
	input int
	decay bool // whether weight decay applies
}

// parameters returns which inputs of a node are parameters: constants in the places where layers have them.
func (e *embedding) parameters(n *model.Node) []known {
	var p []known
	add := func(i int, decay bool) {
		if i < len(n.In) && n.In[i] != nil && n.In[i].Const != nil && n.In[i].Const.DType().IsFloat() {
			p = append(p, known{i, decay})
		}
	}
	switch op := n.Op.(type) {
	case *layer.Conv, *layer.ConvTranspose, *layer.LocallyConnected, *layer.Gemm:
		add(1, true)
		add(2, false)
	case *layer.MatMul:
		add(0, true)
		add(1, true)
	case *layer.BatchNorm, *layer.InstanceNorm, *layer.LayerNorm, *layer.GroupNorm:
		add(1, false)
		add(2, false)
	case *layer.Binary:
		switch {
		case op.Fn == layer.PRelu:
			add(1, false)
		case op.Fn == layer.Add: // the bias of a matrix product
			for i := range 2 {
				if maker := e.makers[n.In[1-i]]; maker != nil {
					if _, ok := maker.Op.(*layer.MatMul); ok {
						add(i, false)
					}
				}
			}
		}
	}
	return p
}

// parameter makes a constant a trained parameter.
func (e *embedding) parameter(v *model.Value, decay bool) error {
	if e.params[v] != nil || e.refs[v] != 0 {
		return nil
	}
	if err := widen(v); err != nil {
		return err
	}
	p := &Param{Name: v.Name, Value: v.Const, Decay: decay}
	p.ref = e.tape.Input(v.Name, tensor.Float32, v.Const.Shape()...)
	p.Name = e.tape.Name(p.ref)
	e.refs[v], e.params[v] = p.ref, p
	e.net.Params = append(e.net.Params, p)
	return nil
}

// batchNorm adds a batch normalisation that uses the statistics of the batch.
func (e *embedding) batchNorm(n *model.Node, op *layer.BatchNorm, name string, in []layer.Ref) []layer.Ref {
	out := e.tape.add(name, 3, &layer.BatchNormTrain{Epsilon: op.Epsilon}, in[:3])
	x := e.tape.Info(in[0]).Shape
	if len(x) < 2 {
		return out[:1]
	}
	rows := x[0]
	for _, d := range x[2:] {
		rows *= d
	}
	e.net.Statistics = append(e.net.Statistics, &Statistic{Name: name, Mean: n.In[3].Const, Variance: n.In[4].Const, rows: rows, mean: out[1], variance: out[2]})
	return out[:1]
}

// dropout multiplies by a mask that is drawn anew for each step.
func (e *embedding) dropout(ratio float32, name string, x layer.Ref) []layer.Ref {
	shape := e.tape.Info(x).Shape
	m := mask{ref: e.tape.Input("mask:"+name, tensor.Float32, shape...), value: tensor.New(tensor.Float32, shape...), ratio: ratio}
	e.net.masks = append(e.net.masks, m)
	return e.tape.add(name, 1, &layer.Binary{Fn: layer.Mul}, []layer.Ref{x, m.ref})
}
