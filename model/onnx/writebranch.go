package onnx

import (
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
)

// inside are the nodes of branches, in order.
type inside map[*model.Node]*[2][]*model.Node

// split returns the nodes of the outermost graph and those of each branch. Other runtimes compute only the branch that is taken.
func split(g *model.Graph, order []*model.Node) (outer []*model.Node, in inside) {
	at := layer.Places(order, g.Outputs, func(n *model.Node) (layer.Op, []*model.Value, []*model.Value) { return n.Op, n.In, n.Out })
	in = inside{}
	for _, n := range order {
		p := at[n]
		if p == nil {
			outer = append(outer, n)
			continue
		}
		if in[p.Of] == nil {
			in[p.Of] = &[2][]*model.Node{}
		}
		if p.Second {
			in[p.Of][1] = append(in[p.Of][1], n)
		} else {
			in[p.Of][0] = append(in[p.Of][0], n)
		}
	}
	return outer, in
}

// branches writes an If, with what only its branches use inside them.
func (w *writer) branches(f *layer.If) {
	n, outer := w.node, w.nodes
	var attrs [][]byte
	for k, name := range []string{"then_branch", "else_branch"} {
		w.nodes = nil
		own := map[*model.Value]bool{} // values that may be the branch's outputs as they are
		if in := w.inside[n]; in != nil {
			for _, m := range in[k] {
				w.op(m)
				for _, v := range m.Out {
					own[v] = true
				}
			}
		}
		w.node = n
		var results [][]byte
		for _, v := range n.In[1+k*f.Outputs:][:f.Outputs] {
			name := w.name(v)
			if !own[v] {
				name = w.step("Identity", []string{name})
			}
			own[v] = false
			results = append(results, valueInfo(name, v.DType, nil))
		}
		var b message
		b.bytes(1, nil, w.nodes...)
		b.text(2, w.unique(n.Name+":"+name))
		b.bytes(12, nil, results...)
		a := attribute(name, kindGraph)
		a.bytes(6, b)
		attrs = append(attrs, a)
	}
	w.nodes = outer
	w.putIn("If", "", []string{w.name(n.In[0])}, attrs...)
}
