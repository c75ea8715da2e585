package quant

import (
	"context"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// product is a convolution or matrix product that is to be computed in 8-bit integers.
type product struct {
	node    *model.Node
	weights *tensor.Tensor
	axis    int // of the outputs in weights
	bias    []float32
	added   *model.Node // adds the bias, where the product has no place for one
	at      int         // the bias among the inputs of added
	y       *model.Value
}

// plan says which values become 8-bit integers.
type plan struct {
	*network
	products map[*model.Node]*product
	quantise []*model.Value // in order
	in       map[*model.Value]bool
	group    map[*model.Value]*model.Value // leads to the value whose range a value shares
	moved    map[*model.Value]bool         // holds only numbers that others of its group hold
	roots    map[*model.Value]*model.Value // see root
	biased   map[*model.Node]int           // nodes that add the bias of a product: which input it is
}

func newPlan(net *network) *plan {
	p := &plan{network: net, products: map[*model.Node]*product{}, in: map[*model.Value]bool{}, group: map[*model.Value]*model.Value{},
		moved: map[*model.Value]bool{}, biased: map[*model.Node]int{}, roots: map[*model.Value]*model.Value{}}
	p.findRoots()
	for _, n := range p.Nodes {
		if m := p.product(n); m != nil {
			p.products[n] = m
			if m.added != nil {
				p.biased[m.added] = m.at
			}
		}
	}
	wanted := p.wanted()
	for _, n := range p.Nodes {
		if m := p.products[n]; m != nil {
			p.put(n.In[0])
			p.put(m.y)
			continue
		}
		if !onlyFirst(n) || !wanted[n.Out[0]] || len(n.In) < 2 || p.anyConstant(n) {
			continue
		}
		switch l := n.Op.(type) {
		case *layer.Concat:
			for _, v := range n.In {
				p.put(v)
				p.share(n.Out[0], v)
			}
			p.put(n.Out[0])
			p.moved[n.Out[0]] = true
		case *layer.Binary:
			if (l.Fn == layer.Add || l.Fn == layer.Sub || l.Fn == layer.Mul) && p.root(n.In[0]) != p.root(n.In[1]) && !p.normalises(n.In[0], n.In[1]) {
				p.put(n.In[0])
				p.put(n.In[1])
				p.put(p.activated(n.Out[0]))
			}
		}
	}
	for _, n := range p.Nodes {
		if !moves(n) || !p.in[n.In[0]] {
			continue
		}
		for _, y := range n.Out {
			if y != nil && wanted[y] {
				p.put(y)
				p.share(n.In[0], y)
				p.moved[y] = true
			}
		}
	}
	return p
}

// normalises says whether one of two values is a statistic of the other, as in x - mean(x): normalisations stay whole, in float32.
func (p *plan) normalises(a, b *model.Value) bool {
	return p.statistic(a, b, 9) || p.statistic(b, a, 9)
}

// statistic says whether v is computed from x by a mean or sum and element-wise functions.
func (p *plan) statistic(x, v *model.Value, deep int) bool {
	n := p.maker[v]
	if n == nil || deep == 0 || v == x {
		return false
	}
	switch n.Op.(type) {
	case *layer.Reduce, *layer.GlobalPool:
		return p.leads(x, n.In[0], deep)
	case *layer.Unary, *layer.Clip, *layer.Binary:
		return slices.ContainsFunc(n.In, func(w *model.Value) bool { return w != nil && p.statistic(x, w, deep-1) })
	}
	return false
}

// leads says whether v is x, or computed from it by what normalisations are made of.
func (p *plan) leads(x, v *model.Value, deep int) bool {
	if v == x {
		return true
	}
	n := p.maker[v]
	if n == nil || deep == 0 {
		return false
	}
	switch n.Op.(type) {
	case *layer.Reduce, *layer.GlobalPool, *layer.Unary, *layer.Clip, *layer.Binary:
		return slices.ContainsFunc(n.In, func(w *model.Value) bool { return w != nil && p.leads(x, w, deep-1) })
	}
	return false
}

func (p *plan) put(v *model.Value) {
	if !p.in[v] {
		p.in[v] = true
		p.quantise = append(p.quantise, v)
	}
}

// leader returns the value that stands for all that share a range.
func (p *plan) leader(v *model.Value) *model.Value {
	for p.group[v] != nil {
		v = p.group[v]
	}
	return v
}

// share gives two values one range.
func (p *plan) share(a, b *model.Value) {
	if a, b = p.leader(a), p.leader(b); a != b {
		p.group[b] = a
	}
}

func (p *plan) anyConstant(n *model.Node) bool {
	for _, v := range n.In {
		if v == nil || p.constant(v) != nil {
			return true
		}
	}
	return false
}

// product says how a node is one, or returns nil.
func (p *plan) product(n *model.Node) *product {
	if len(n.In) < 2 || n.In[0] == nil || p.constant(n.In[0]) != nil || len(p.floats(n.In[1])) == 0 || !onlyFirst(n) {
		return nil
	}
	m := &product{node: n, weights: p.constant(n.In[1]), y: n.Out[0]}
	biased := len(n.In) > 2 && n.In[2] != nil
	switch l := n.Op.(type) {
	case *layer.Conv:
		if m.weights.Rank() < 3 {
			return nil
		}
	case *layer.Gemm:
		if l.TransA || l.Alpha != 1 || biased && l.Beta != 1 || m.weights.Rank() != 2 {
			return nil
		}
		if !l.TransB {
			m.axis = 1
		}
	case *layer.MatMul:
		if m.weights.Rank() != 2 {
			return nil
		}
		m.axis = 1
		if a := p.only(m.y); a != nil && onlyFirst(a) && len(a.In) == 2 {
			if b, ok := a.Op.(*layer.Binary); ok && b.Fn == layer.Add {
				if a.In[0] == m.y {
					m.at = 1
				}
				if t := p.constant(a.In[m.at]); t != nil && t.Rank() == 1 && t.DType() == tensor.Float32 && t.Len() == m.weights.Dim(1) {
					m.bias, m.added, m.y = t.Float32s(), a, a.Out[0]
				}
			}
		}
	default:
		return nil
	}
	if biased {
		if m.bias = p.floats(n.In[2]); len(m.bias) != m.weights.Dim(m.axis) {
			return nil
		}
		if s := p.constant(n.In[2]).Shape(); len(s) > 0 && s[len(s)-1] != len(m.bias) {
			return nil // one for each row
		}
	}
	for _, v := range m.bias {
		if v-v != 0 {
			return nil
		}
	}
	for _, v := range m.weights.Float32s() {
		if v-v != 0 {
			return nil
		}
	}
	m.y = p.activated(m.y)
	return m
}

// activated returns what an activation that alone reads v makes of it, where kernels apply it as they store; else v.
func (p *plan) activated(v *model.Value) *model.Value {
	n := p.only(v)
	if n == nil || !onlyFirst(n) || n.In[0] != v {
		return v
	}
	switch l := n.Op.(type) {
	case *layer.Unary:
		if l.Fn == layer.Relu {
			return n.Out[0]
		}
	case *layer.Clip:
		for _, bound := range n.In[1:] {
			if bound != nil && len(p.floats(bound)) != 1 {
				return v
			}
		}
		return n.Out[0]
	}
	return v
}

// wanted finds the values that lead to a product, through operations that may be computed in 8-bit integers or keep to the range of what they read.
func (p *plan) wanted() map[*model.Value]bool {
	want := map[*model.Value]bool{}
	for i := len(p.Nodes) - 1; i >= 0; i-- {
		n := p.Nodes[i]
		if p.products[n] != nil {
			want[n.In[0]] = true
			continue
		}
		leads := false
		for _, v := range n.Out {
			leads = leads || want[v]
		}
		if !leads {
			continue
		}
		read := 1 // inputs that are numbers of the network, and not what shapes are made of
		switch n.Op.(type) {
		case *layer.Concat, *layer.Binary:
			read = len(n.In)
		case *layer.Unary, *layer.Clip, *layer.Reshape, *layer.Flatten, *layer.Squeeze, *layer.Unsqueeze, *layer.Transpose, *layer.Slice, *layer.Split,
			*layer.MaxPool, *layer.AveragePool, *layer.GlobalPool, *layer.Reduce, *layer.Resize, *layer.Pad, *layer.DepthToSpace, *layer.SpaceToDepth:
		default:
			continue
		}
		for _, v := range n.In[:min(read, len(n.In))] {
			if v != nil && p.constant(v) == nil {
				want[v] = true
			}
		}
	}
	return want
}

// moves says whether a node gives numbers of its first input, and no others.
func moves(n *model.Node) bool {
	switch n.Op.(type) {
	case *layer.MaxPool:
		return onlyFirst(n)
	case *layer.Reshape, *layer.Flatten, *layer.Squeeze, *layer.Unsqueeze, *layer.Transpose, *layer.Slice, *layer.Split, *layer.DepthToSpace, *layer.SpaceToDepth:
		return true
	}
	return false
}

// root returns the value that v is a function of, element by element.
func (p *plan) root(v *model.Value) *model.Value {
	if r := p.roots[v]; r != nil {
		return r
	}
	return v
}

// findRoots fills roots.
func (p *plan) findRoots() {
	one := func(v *model.Value) bool { t := p.constant(v); return t != nil && t.Len() == 1 }
	for _, n := range p.Nodes {
		if !onlyFirst(n) {
			continue
		}
		var of *model.Value
		switch n.Op.(type) {
		case *layer.Unary, *layer.Clip:
			if !slices.ContainsFunc(n.In[1:], func(v *model.Value) bool { return v != nil && p.constant(v) == nil }) {
				of = n.In[0]
			}
		case *layer.Binary:
			a, b := n.In[0], n.In[1]
			switch {
			case one(b):
				of = a
			case one(a) || p.root(a) == p.root(b):
				of = b
			}
		}
		if of != nil && p.constant(of) == nil {
			p.roots[n.Out[0]] = p.root(of)
		}
	}
}

// curve returns the function through which alone the network reads v, element by element, such as its sigmoid linear unit, in the middles of h's bins; or nil.
func (p *plan) curve(v *model.Value, h *histogram) (curve, error) {
	if h.reach == 0 || p.group[v] != nil || slices.ContainsFunc(p.quantise, func(w *model.Value) bool { return p.group[w] == v }) {
		return nil, nil
	}
	g, inside := &model.Graph{}, map[*model.Value]bool{v: true}
	in := &model.Value{Name: "v", DType: tensor.Float32, Shape: model.Fixed(2 * binsASide)}
	var ends []*model.Value // that others read
	end := func(v *model.Value) {
		if inside[v] && !slices.Contains(ends, v) {
			ends = append(ends, v)
		}
	}
	for _, n := range p.Nodes {
		if len(n.Out) == 1 && n.Out[0] != v && p.root(n.Out[0]) == v {
			m := &model.Node{Name: n.Name, Op: n.Op, In: slices.Clone(n.In), Out: n.Out}
			for i, x := range m.In {
				if x == v {
					m.In[i] = in
				}
				if t := p.consts[x]; t != nil {
					m.In[i] = model.Const(x.Name, t)
				}
			}
			g.Nodes, inside[n.Out[0]] = append(g.Nodes, m), true
			continue
		}
		for _, x := range n.In {
			end(x)
		}
	}
	for _, x := range p.Outputs {
		end(x)
	}
	if len(ends) != 1 || ends[0] == v {
		return nil, nil
	}
	g.Inputs, g.Outputs = []*model.Value{in}, ends
	prog, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	x := tensor.New(tensor.Float32, 2*binsASide)
	for i := range x.Float32s() {
		x.Float32s()[i] = float32(h.middle(i))
	}
	s := prog.NewSession()
	if err := s.Run(context.Background(), model.Tensors{"v": x}, nil); err != nil {
		return nil, err
	}
	y := s.Output(0)
	if y.DType() != tensor.Float32 || y.Len() != x.Len() || slices.ContainsFunc(y.Float32s(), func(v float32) bool { return v-v != 0 }) {
		return nil, nil
	}
	return slices.Clone(y.Float32s()), nil
}
