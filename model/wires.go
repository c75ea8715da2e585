package model

import "github.com/ocellus-vision/ocellus/model/layer"

// Wire describes a value that passes between steps of a Program, for people and pictures. Constants are none.
type Wire struct {
	Name   string
	Info   layer.Info // as it lies in memory: with layout NHWC the shape is [N,H,W,C]; no shape where only running tells
	Layout Layout
	From   int   // the step that gives it; -1 for an input of the network
	To     []int // the steps that take it, each once, in order
	Output bool  // whether it is an output of the network
}

// Shape is the shape in the axis order of ONNX: an image is [N,C,H,W] in whatever order it lies in memory.
func (w Wire) Shape() []int {
	if s := w.Info.Shape; w.Layout == NHWC && len(s) >= 3 {
		last := len(s) - 1
		return append([]int{s[0], s[last]}, s[1:last]...)
	}
	return w.Info.Shape
}

// Wires lists the values that pass between steps: the network's inputs first, then in the order of the steps that give them.
func (p *Program) Wires() []Wire {
	var wires []Wire
	at := make(map[int]int, len(p.vals)) // index in wires of a value
	add := func(k, from int) {
		if _, ok := at[k]; k < 0 || ok || p.vals[k].info.Value != nil {
			return
		}
		at[k] = len(wires)
		wires = append(wires, Wire{Name: p.vals[k].name, Info: p.vals[k].info, Layout: p.vals[k].layout, From: from})
	}
	for _, k := range p.inputs {
		add(k, -1)
	}
	for i, s := range p.steps {
		for _, k := range s.in {
			if w, ok := at[k]; ok {
				if to := wires[w].To; len(to) == 0 || to[len(to)-1] != i {
					wires[w].To = append(to, i)
				}
			}
		}
		for _, k := range s.out {
			add(k, i)
		}
	}
	for _, k := range p.outputs {
		if w, ok := at[k]; ok {
			wires[w].Output = true
		}
	}
	return wires
}
