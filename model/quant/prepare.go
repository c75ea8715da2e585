package quant

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// network is a graph under change, with what is known of it. Its nodes are copies; values are shared with the graph that it was made of.
type network struct {
	model.Graph
	consts map[*model.Value]*tensor.Tensor // what is constant though it is computed
	maker  map[*model.Value]*model.Node
	uses   map[*model.Value]int // how often a value is read; an output of the network counts as a reading
}

// prepare copies a graph in order, works out what is constant and folds what follows a convolution channel by channel into its weights.
func prepare(g *model.Graph) (*network, error) {
	order, err := g.Sort()
	if err != nil {
		return nil, err
	}
	net := &network{Graph: *g}
	net.Nodes = nil
	for _, n := range order {
		switch n.Op.(type) {
		case *layer.Quantize, *layer.DynamicQuantize, *layer.QLinearConv, *layer.QLinearMatMul, *layer.ConvInteger, *layer.MatMulInteger:
			return nil, fmt.Errorf("%s: the network computes in 8-bit integers already: start from the one of float32 that it was made of", n.Label())
		case *layer.If, *model.Sequence:
			return nil, fmt.Errorf("%s: networks with branches and sequences cannot be quantised; 'ocellus inspect' shows where they are", n.Label())
		}
		c := *n
		c.In = append([]*model.Value{}, n.In...)
		c.Out = append([]*model.Value{}, n.Out...)
		net.Nodes = append(net.Nodes, &c)
	}
	net.Inputs, net.Outputs = append([]*model.Value{}, g.Inputs...), append([]*model.Value{}, g.Outputs...)
	if err := net.constants(); err != nil {
		return nil, err
	}
	net.simplify()
	net.count()
	net.fold()
	return net, nil
}

// count finds makers and uses.
func (net *network) count() {
	net.maker, net.uses = map[*model.Value]*model.Node{}, map[*model.Value]int{}
	for _, n := range net.Nodes {
		for _, v := range n.In {
			if v != nil {
				net.uses[v]++
			}
		}
		for _, v := range n.Out {
			if v != nil {
				net.maker[v] = n
			}
		}
	}
	for _, v := range net.Outputs {
		net.uses[v]++
	}
}

// constants computes what depends on constants alone, by operations that files put before weights: types, quantised and turned weights.
func (net *network) constants() error {
	known := map[*model.Value]bool{}
	c := &model.Graph{}
	for _, n := range net.Nodes {
		switch n.Op.(type) {
		case *layer.Cast, *layer.Dequantize, *layer.Identity, *layer.Reshape, *layer.Transpose, *layer.Squeeze, *layer.Unsqueeze, *layer.Flatten,
			*layer.Unary, *layer.Binary:
		default:
			continue
		}
		constant := len(n.Out) == 1 && n.Out[0] != nil
		for _, v := range n.In {
			constant = constant && (v == nil || v.Const != nil || known[v])
		}
		if constant {
			known[n.Out[0]] = true
			c.Nodes = append(c.Nodes, n)
			c.Output(n.Out[0])
		}
	}
	net.consts = map[*model.Value]*tensor.Tensor{}
	if len(c.Outputs) == 0 {
		return nil
	}
	prog, err := model.Compile(c, model.Options{Threads: 1})
	if err != nil {
		return err
	}
	s := prog.NewSession()
	if err := s.Run(context.Background(), nil, nil); err != nil {
		return err
	}
	for i, v := range c.Outputs {
		net.consts[v] = s.Output(i).Clone()
	}
	return nil
}

// constant returns the elements of a constant, or nil.
func (net *network) constant(v *model.Value) *tensor.Tensor {
	switch {
	case v == nil:
		return nil
	case v.Const != nil:
		return v.Const
	}
	return net.consts[v]
}

// floats returns the elements of a constant of float32, or nil.
func (net *network) floats(v *model.Value) []float32 {
	if t := net.constant(v); t != nil && t.DType() == tensor.Float32 {
		return t.Float32s()
	}
	return nil
}

// only returns the one node that reads v, where there is no other, and no output is v; or nil.
func (net *network) only(v *model.Value) *model.Node {
	if net.uses[v] != 1 {
		return nil
	}
	for _, n := range net.Nodes {
		for _, x := range n.In {
			if x == v {
				return n
			}
		}
	}
	return nil
}

// drop takes nodes out.
func (net *network) drop(gone map[*model.Node]bool) {
	kept := net.Nodes[:0]
	for _, n := range net.Nodes {
		if !gone[n] {
			kept = append(kept, n)
		}
	}
	net.Nodes = kept
}

// simplify removes operations that copy.
func (net *network) simplify() {
	outputs, same, gone := map[*model.Value]bool{}, map[*model.Value]*model.Value{}, map[*model.Node]bool{}
	for _, v := range net.Outputs {
		outputs[v] = true
	}
	for _, n := range net.Nodes {
		for i, v := range n.In {
			if s := same[v]; s != nil {
				n.In[i] = s
			}
		}
		switch n.Op.(type) {
		case *layer.Identity, *layer.Dropout:
			if onlyFirst(n) && !outputs[n.Out[0]] {
				same[n.Out[0]], gone[n] = n.In[0], true
				if t := net.consts[n.Out[0]]; t != nil {
					net.consts[n.In[0]] = t
				}
			}
		}
	}
	net.drop(gone)
}

func onlyFirst(n *model.Node) bool {
	for i, v := range n.Out {
		if (v != nil) != (i == 0) {
			return false
		}
	}
	return len(n.Out) > 0
}

// fold takes batch normalisations (Ioffe, Szegedy 2015), and multiplications and additions of constants for each channel, into the convolutions before them.
func (net *network) fold() {
	gone := map[*model.Node]bool{}
	for _, n := range net.Nodes {
		for at := 0; at < len(n.In) && at < 2 && onlyFirst(n); at++ {
			conv := net.maker[n.In[at]]
			if conv == nil || net.uses[n.In[at]] != 1 {
				continue
			}
			c, ok := conv.Op.(*layer.Conv)
			if !ok {
				continue
			}
			w := net.floats(conv.In[1])
			var bias []float32
			if len(conv.In) > 2 && conv.In[2] != nil {
				if bias = net.floats(conv.In[2]); bias == nil {
					continue
				}
			}
			if len(w) == 0 {
				continue
			}
			t := net.constant(conv.In[1])
			o := t.Dim(0)
			scale, shift := net.affine(n, at, o, t.Rank())
			if scale == nil {
				continue
			}
			folded, b := tensor.New(tensor.Float32, t.Shape()...), make([]float32, o)
			copy(b, bias)
			for i, v := range w {
				folded.Float32s()[i] = float32(float64(v) * scale[i/(len(w)/o)])
			}
			for i := range b {
				b[i] = float32(float64(float64(b[i])*scale[i]) + shift[i])
			}
			name := conv.Out[0].Name
			conv.Op = &layer.Conv{Window: c.Window, Groups: c.Groups}
			conv.In = []*model.Value{conv.In[0], model.Const(name+":weights", folded), model.Const(name+":bias", tensor.Of(b, o))}
			conv.Out = []*model.Value{n.Out[0]}
			net.maker[n.Out[0]] = conv
			gone[n] = true
			break
		}
	}
	net.drop(gone)
	net.count()
}

// affine returns scale and shift per channel where a node is y = x·scale + shift of its input number at, of this rank, with constants; else nil.
func (net *network) affine(n *model.Node, at, channels, rank int) (scale, shift []float64) {
	switch l := n.Op.(type) {
	case *layer.BatchNorm:
		if at != 0 || l.Training || len(n.In) != 5 {
			return nil, nil
		}
		var p [4][]float32
		for i := range p {
			if p[i] = net.floats(n.In[1+i]); len(p[i]) != channels {
				return nil, nil
			}
		}
		return l.Factors(p[0], p[1], p[2], p[3])
	case *layer.Binary:
		f := net.floats(n.In[1-at])
		if len(f) != 1 && len(f) != channels || channels == 1 && len(f) == 0 {
			return nil, nil
		}
		shape := net.constant(n.In[1-at]).Shape()
		image := make([]int, rank)
		for i := range image {
			image[i] = math.MaxInt
		}
		image[1] = channels
		if len(shape) > rank || len(f) > 1 && !layer.ByChannel(shape, image) {
			return nil, nil
		}
		scale, shift = make([]float64, channels), make([]float64, channels)
		for i := range scale {
			v := float64(f[i%len(f)])
			scale[i] = 1
			switch {
			case l.Fn == layer.Add:
				shift[i] = v
			case l.Fn == layer.Mul:
				scale[i] = v
			case l.Fn == layer.Sub && at == 0:
				shift[i] = -v
			case l.Fn == layer.Sub:
				scale[i], shift[i] = -1, v
			case l.Fn == layer.Div && at == 0:
				scale[i] = 1 / v
			default:
				return nil, nil
			}
			if s := scale[i] + shift[i]; s-s != 0 {
				return nil, nil
			}
		}
		return scale, shift
	}
	return nil, nil
}

var errNothing = errors.New("there is nothing to quantise: the network has no Conv, Gemm or MatMul with constant weights of float32")
