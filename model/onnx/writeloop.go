package onnx

import (
	"maps"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// loop writes a Loop. What its body takes from around it has the name that it has there.
func (w *writer) loop(l *model.Loop) {
	n, outer := w.node, w.nodes
	order, err := l.Body.Sort()
	if err != nil {
		w.cannot(err.Error())
		return
	}
	own := 2 + l.Carried
	for i, v := range n.In[2:own] {
		if w.optionals[v] {
			w.optionals[l.Body.Inputs[2+i]] = true
			if i < len(n.Out) {
				w.optionals[n.Out[i]] = n.Out[i] != nil
			}
		}
	}
	for i, v := range l.Body.Inputs {
		if i < own {
			w.name(v)
		} else {
			w.names[v] = w.name(n.In[i])
		}
	}
	nodes, in := split(l.Body, order)
	maps.Copy(w.inside, in)
	w.nodes = nil
	made := map[*model.Value]bool{} // values that may be the body's outputs as they are
	for _, m := range nodes {
		w.op(m)
		for _, v := range m.Out {
			made[v] = true
		}
	}
	w.node = n
	var results [][]byte
	for i, v := range l.Body.Outputs {
		name, d := w.name(v), v.DType
		if !made[v] {
			name = w.step("Identity", []string{name})
		}
		made[v] = false
		if i == 0 {
			d = tensor.Bool
		}
		results = append(results, valueInfo(name, d, nil))
	}
	var b message
	b.bytes(1, nil, w.nodes...)
	b.text(2, w.unique(n.Name+":body"))
	for i, v := range l.Body.Inputs[:own] {
		d, shape := v.DType, []model.Dim(nil)
		if i < 2 {
			d, shape = [2]tensor.DType{tensor.Int64, tensor.Bool}[i], v.Shape
		}
		b.bytes(11, valueInfo(w.name(v), d, shape))
	}
	b.bytes(12, nil, results...)
	a := attribute("body", kindGraph)
	a.bytes(6, b)
	w.nodes = outer
	// ONNX Runtime does not take outputs that are left out.
	out := w.outputs()
	for len(out) < len(results)-1 {
		out = append(out, "")
	}
	for i, name := range out {
		if name == "" {
			out[i] = w.unique(n.Name + ":unused")
		}
	}
	w.nodes = append(w.nodes, nodeMessage("Loop", "", n.Name, w.inputs()[:own], out, a))
}

func (w *writer) sequence(s *model.Sequence) {
	var attrs [][]byte
	n := w.node
	switch s.Fn {
	case model.Optional:
		if len(n.In) == 0 {
			t := typeProto(s.DType, nil)
			if s.List {
				var elem, list message
				elem.bytes(1, t)
				list.bytes(4, elem)
				t = list
			}
			a := attribute("type", kindType)
			a.bytes(14, t)
			attrs = append(attrs, a)
		}
		for _, v := range n.Out {
			w.optionals[v] = v != nil
		}
	case model.OptionalGetElement, model.OptionalHasElement:
		if len(n.In) == 0 || !w.optionals[n.In[0]] {
			w.cannot("an input that may be no optional came with opset 18")
		}
	case model.SequenceAt:
		if s.Any {
			w.cannot("SequenceMap with inputs of which it is not known whether they are sequences")
		}
	case model.SequenceEmpty:
		attrs = append(attrs, attrInt("dtype", int(s.DType)))
	case model.SplitToSequence:
		attrs = append(attrs, attrInt("axis", s.Axis), attrFlag("keepdims", !s.Drop))
	case model.ConcatFromSequence:
		attrs = append(attrs, attrInt("axis", s.Axis), attrFlag("new_axis", s.New))
	}
	w.put(string(s.Fn), attrs...)
}
