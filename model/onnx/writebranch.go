package onnx

import (
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
)

// place is a graph of the file that nodes are written to: a branch of an If, or the outermost graph, nil.
type place struct {
	around *place
	of     *model.Node // the If
	second bool
	depth  int
}

// meet returns the innermost place that both lie in.
func (p *place) meet(q *place) *place {
	for p != q {
		if p != nil && (q == nil || p.depth >= q.depth) {
			p = p.around
		} else {
			q = q.around
		}
	}
	return p
}

// places finds where nodes belong that are not in the outermost graph: as far inside as those that use them. Other runtimes compute only the branch that
// is taken.
func places(g *model.Graph, order []*model.Node) map[*model.Node]*place {
	users := map[*model.Value][]*place{}
	for _, v := range g.Outputs {
		users[v] = []*place{nil}
	}
	of := map[*model.Node]*place{}
	for _, n := range slices.Backward(order) {
		var at *place
		first := true
		for _, v := range n.Out {
			for _, p := range users[v] {
				if first {
					at, first = p, false
				} else {
					at = at.meet(p)
				}
			}
		}
		if at != nil {
			of[n] = at
		}
		f, decides := n.Op.(*layer.If)
		var inner [2]*place
		if decides {
			for i := range inner {
				inner[i] = &place{around: at, of: n, second: i == 1, depth: 1}
				if at != nil {
					inner[i].depth = at.depth + 1
				}
			}
		}
		for i, v := range n.In {
			switch {
			case v == nil || v.Const != nil:
			case decides && i > 0:
				users[v] = append(users[v], inner[(i-1)/f.Outputs])
			default:
				users[v] = append(users[v], at)
			}
		}
	}
	return of
}

// inside are the nodes of branches, in order.
type inside map[*model.Node]*[2][]*model.Node

// split returns the nodes of the outermost graph and those of each branch.
func split(g *model.Graph, order []*model.Node) (outer []*model.Node, in inside) {
	at := places(g, order)
	in = inside{}
	for _, n := range order {
		p := at[n]
		if p == nil {
			outer = append(outer, n)
			continue
		}
		if in[p.of] == nil {
			in[p.of] = &[2][]*model.Node{}
		}
		if p.second {
			in[p.of][1] = append(in[p.of][1], n)
		} else {
			in[p.of][0] = append(in[p.of][0], n)
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
