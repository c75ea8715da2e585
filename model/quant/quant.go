// Package quant makes networks of 8-bit integers of networks of float32, without training them again.
//
//	c, err := quant.New(g, model.Options{})
//	for _, x := range pictures {
//		err = c.Observe(ctx, model.Tensors{"image": x})
//	}
//	small, report, err := c.Quantize(ctx)
//
// What comes out is a network as ONNX writes it with QuantizeLinear and DequantizeLinear (QDQ), which every runtime computes: activations are uint8 with a
// scale and a zero point each, weights int8 with a scale for each output, biases int32 in units of the product of both (Jacob et al., Quantization and
// Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018, §2). Inputs and outputs of the network stay as they are.
//
// The ranges of the activations are found on what the network computes of examples. The same graph and examples give the same network, on every machine and
// with any number of threads.
package quant

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Calibrator observes what numbers a network computes. One goroutine uses a Calibrator at a time.
type Calibrator struct {
	plan     *plan
	opt      model.Options
	session  *model.Session
	observed []*model.Value // the first outputs of session; those of the network follow
	counts   []histogram
	kept     []example
}

// example is an example that was observed, with the outputs of the network.
type example struct {
	in  model.Tensors
	out []*tensor.Tensor
}

// To try ranges on, so many examples are kept, the first ones, as long as their outputs take no more than so many bytes.
const (
	keeps     = 8
	keepBytes = 256 << 20
)

// Report says what was quantised.
type Report struct {
	Products    int            // convolutions and matrix products of 8-bit integers
	Activations int            // scales of activations
	Left        map[string]int // products that stayed, by operator
	Power       int            // of the errors whose sum the ranges make least; 0: they are those of all numbers
}

// New prepares a network for calibration. The graph stays as it is.
func New(g *model.Graph, opt model.Options) (*Calibrator, error) {
	net, err := prepare(g)
	if err != nil {
		return nil, fmt.Errorf("quant: %w", err)
	}
	opt.Consume = false
	c := &Calibrator{plan: newPlan(net), opt: opt}
	if len(c.plan.products) == 0 {
		return nil, fmt.Errorf("quant: %w", errNothing)
	}
	watch := net.Graph
	watch.Outputs = nil
	for _, v := range c.plan.quantise {
		if !c.plan.moved[v] {
			watch.Outputs = append(watch.Outputs, v)
		}
	}
	c.observed, c.counts = watch.Outputs, make([]histogram, len(watch.Outputs))
	watch.Outputs = slices.Concat(watch.Outputs, net.Graph.Outputs)
	prog, err := model.Compile(&watch, opt)
	if err != nil {
		return nil, err
	}
	c.session = prog.NewSession()
	return c, nil
}

// Observe runs the network on an example.
func (c *Calibrator) Observe(ctx context.Context, in model.Tensors) error {
	if err := c.session.Run(ctx, in, nil); err != nil {
		return err
	}
	for i, v := range c.observed {
		t := c.session.Output(i)
		if t.DType() != tensor.Float32 {
			return fmt.Errorf("quant: %q holds %v, not float32", v.Name, t.DType())
		}
		if err := c.counts[i].add(t.Float32s()); err != nil {
			return fmt.Errorf("quant: %q: %w", v.Name, err)
		}
	}
	size := 0
	for i := range c.plan.Outputs {
		size += len(c.session.Output(len(c.observed) + i).Raw())
	}
	if len(c.kept) == 0 || len(c.kept) < keeps && size*(len(c.kept)+1) <= keepBytes {
		e := example{in: model.Tensors{}}
		for name, t := range in {
			e.in[name] = t.Clone()
		}
		for i := range c.plan.Outputs {
			e.out = append(e.out, c.session.Output(len(c.observed)+i).Clone())
		}
		c.kept = append(c.kept, e)
	}
	return nil
}

// ranges finds how each activation becomes uint8.
func (c *Calibrator) ranges(power int) (map[*model.Value]affine, error) {
	merged := map[*model.Value]*histogram{}
	for i, v := range c.observed {
		l := c.plan.leader(v)
		if merged[l] == nil {
			merged[l] = &histogram{}
		}
		merged[l].merge(&c.counts[i])
	}
	ranges := map[*model.Value]affine{}
	for l, h := range merged {
		f, err := c.plan.curve(l, h)
		if err != nil {
			return nil, err
		}
		ranges[l] = h.best(power, f)
	}
	return ranges, nil
}

// Quantize returns the network of 8-bit integers. Of ranges by several powers it takes those that leave the outputs of the first examples nearest to what they
// were (Nahshan et al., Loss Aware Post-training Quantization, arXiv:1911.07190, 2019, §4, without the last search): rounding is lost in sums of many numbers, a
// range too narrow is not, and how much of either a network bears is its own.
func (c *Calibrator) Quantize(ctx context.Context) (*model.Graph, Report, error) {
	if len(c.kept) == 0 {
		return nil, Report{}, errors.New("quant: no example was observed: the ranges of activations are those of examples")
	}
	var best *model.Graph
	var report Report
	least := math.Inf(1)
	for _, power := range []int{2, 3, 0} {
		ranges, err := c.ranges(power)
		if err != nil {
			return nil, Report{}, err
		}
		g := c.write(ranges)
		far, err := c.distance(ctx, g)
		if err != nil {
			return nil, Report{}, err
		}
		if best == nil || far < least {
			best, report.Power, least = g, power, far
		}
	}
	p := c.plan
	report.Products, report.Left = len(p.products), map[string]int{}
	for _, n := range p.Nodes {
		switch n.Op.(type) {
		case *layer.Conv, *layer.ConvTranspose, *layer.Gemm, *layer.MatMul, *layer.LocallyConnected, *layer.DeformConv:
			if p.products[n] == nil {
				report.Left[n.Op.Kind()]++
			}
		}
	}
	scales := map[*model.Value]bool{}
	for _, v := range c.observed {
		scales[p.leader(v)] = true
	}
	report.Activations = len(scales)
	return best, report, nil
}

// distance is how far a network's outputs are from those of the original on the examples that were kept: the share of noise in each, added up.
func (c *Calibrator) distance(ctx context.Context, g *model.Graph) (float64, error) {
	prog, err := model.Compile(g, c.opt)
	if err != nil {
		return 0, err
	}
	s, noise, sum := prog.NewSession(), make([]Noise, len(g.Outputs)), 0.0
	for _, e := range c.kept {
		if err := s.Run(ctx, e.in, nil); err != nil {
			return 0, err
		}
		for i, want := range e.out {
			got := s.Output(i)
			switch {
			case !slices.Equal(got.Shape(), want.Shape()): // other detections
				sum++
			case want.DType().IsFloat():
				noise[i].Add(want.Floats(), got.Floats())
			case want.DType() != tensor.String: // classes: the same or not
				g := got.Floats()
				for k, w := range want.Floats() {
					noise[i].signal++
					if g[k] != w {
						noise[i].noise++
					}
				}
			}
		}
	}
	for _, n := range noise {
		if n.noise > 0 {
			sum += n.noise / max(n.signal, math.SmallestNonzeroFloat64)
		}
	}
	return sum, nil
}

// write makes the network of 8-bit integers with these ranges.
func (c *Calibrator) write(ranges map[*model.Value]affine) *model.Graph {
	p := c.plan
	w := &writer{plan: p, ranges: ranges, become: map[*model.Value]*model.Value{}, weights: map[shared]*model.Value{}, biases: map[*model.Node]*model.Value{}}
	w.Graph = p.Graph
	w.Meta, w.Nodes = maps.Clone(p.Meta), nil
	raw := map[*model.Value]*model.Value{} // what becomes 8-bit integers, where the network itself makes it
	for _, v := range p.quantise {
		if p.maker[v] != nil {
			raw[v] = &model.Value{Name: v.Name + ":float", DType: tensor.Float32}
		} else {
			w.become[v] = &model.Value{Name: v.Name + ":dequantized", DType: tensor.Float32}
			w.bytes(v, v, w.become[v])
		}
	}
	for _, n := range p.Nodes {
		m := &model.Node{Name: n.Name, Op: n.Op, In: slices.Clone(n.In), Out: slices.Clone(n.Out)}
		for i, v := range m.In {
			if b := w.become[v]; b != nil {
				m.In[i] = b
			}
		}
		if q := p.products[n]; q != nil {
			w.product(m, q)
		}
		if b := w.biases[n]; b != nil {
			m.In[p.biased[n]] = b
		}
		for i, v := range m.Out {
			if raw[v] != nil {
				m.Out[i] = raw[v]
			}
		}
		w.Nodes = append(w.Nodes, m)
		for _, v := range n.Out {
			if raw[v] != nil {
				w.bytes(v, raw[v], v)
			}
		}
	}
	w.prune()
	return &w.Graph
}

// writer writes the network of 8-bit integers.
type writer struct {
	*plan
	model.Graph
	ranges  map[*model.Value]affine
	become  map[*model.Value]*model.Value // what is read in the place of an input of the network
	weights map[shared]*model.Value       // what weights have become
	biases  map[*model.Node]*model.Value  // what nodes that add the bias of a product add in its place
}

// shared are weights that several products may have, whose outputs lie along an axis.
type shared struct {
	weights *model.Value
	axis    int
}

// node appends a node with one output.
func (w *writer) node(op layer.Op, out *model.Value, in ...*model.Value) {
	w.Nodes = append(w.Nodes, &model.Node{Name: out.Name, Op: op, In: in, Out: []*model.Value{out}})
}

// bytes appends what makes uint8 of x, with the range of v, and y of those again.
func (w *writer) bytes(v, x, y *model.Value) {
	a := w.ranges[w.leader(v)]
	q := &model.Value{Name: v.Name + ":uint8", DType: tensor.Uint8}
	scale, zero := model.Const(v.Name+":scale", tensor.Scalar(a.scale)), model.Const(v.Name+":zero", tensor.Scalar(uint8(a.zero)))
	w.node(&layer.Quantize{Axis: 1}, q, x, scale, zero)
	w.node(&layer.Dequantize{Axis: 1}, y, q, scale, zero)
}

// product gives the copy of a product's node weights and a bias of integers.
func (w *writer) product(m *model.Node, p *product) {
	whole, scale, coarser := fitted(p.weights, p.axis, p.bias, w.ranges[w.leader(p.node.In[0])].scale)
	from := p.node.In[1]
	to := w.weights[shared{from, p.axis}]
	if to == nil || coarser {
		to = &model.Value{Name: from.Name + ":dequantized", DType: tensor.Float32}
		zero := tensor.New(tensor.Int8, scale.Len())
		w.node(&layer.Dequantize{Axis: p.axis}, to, model.Const(from.Name+":int8", whole), model.Const(from.Name+":scale", scale), model.Const(from.Name+":zero", zero))
		if !coarser {
			w.weights[shared{from, p.axis}] = to
		}
	}
	m.In[1] = to
	if p.bias == nil {
		return
	}
	name := p.node.Out[0].Name + ":bias"
	ints, by := biases(p.bias, scale.Float32s(), w.ranges[w.leader(p.node.In[0])].scale)
	b := &model.Value{Name: name + ":dequantized", DType: tensor.Float32}
	w.node(&layer.Dequantize{Axis: 0}, b, model.Const(name+":int32", ints), model.Const(name+":scale", by))
	if p.added == nil {
		m.In[2] = b
	} else {
		w.biases[p.added] = b
	}
}

// prune takes out what no output depends on.
func (w *writer) prune() {
	used := map[*model.Value]bool{}
	for _, v := range w.Graph.Outputs {
		used[v] = true
	}
	for i := len(w.Nodes) - 1; i >= 0; i-- {
		n := w.Nodes[i]
		if !slices.ContainsFunc(n.Out, func(v *model.Value) bool { return used[v] }) {
			w.Nodes[i] = nil
			continue
		}
		for _, v := range n.In {
			used[v] = true
		}
	}
	w.Nodes = slices.DeleteFunc(w.Nodes, func(n *model.Node) bool { return n == nil })
}
