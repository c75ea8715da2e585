// Package model holds networks: a Graph of typed nodes, what Compile makes of it for given input sizes (a Program: steps in order and a
// memory plan), and Sessions that run a Program.
//
//	g, err := onnx.ReadFile("net.onnx")
//	prog, err := model.Compile(g, model.Options{Inputs: map[string][]int{"image": {1, 3, 224, 224}}})
//	s := prog.NewSession()
//	out := model.Tensors{}
//	err = s.Run(ctx, model.Tensors{"image": x}, out)
package model

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Tensors names tensors: the inputs or outputs of a network.
type Tensors map[string]*tensor.Tensor

// Dim is one dimension of a declared shape: a size or, where Size is negative, a size that is not known until Compile.
// Dimensions of one Name are equal.
type Dim struct {
	Size int
	Name string
}

// Fixed returns the dimensions of a known shape.
func Fixed(shape ...int) []Dim {
	d := make([]Dim, len(shape))
	for i, n := range shape {
		d[i].Size = n
	}
	return d
}

// Symbol is a dimension that Compile will know.
func Symbol(name string) Dim { return Dim{Size: -1, Name: name} }

// Value is an edge of the graph: an input, a constant, or an output of a node.
type Value struct {
	Name  string
	DType tensor.DType   // Invalid where only inference will tell
	Shape []Dim          // nil where only inference will tell
	Const *tensor.Tensor // the elements of a constant; nil otherwise
}

// Node is one operation. An entry of In or Out is nil where an optional value is left out.
type Node struct {
	Name string
	Op   layer.Op
	In   []*Value
	Out  []*Value
}

// Label names the node for messages: its name and operator, or its first output where it has no name.
func (n *Node) Label() string {
	name := n.Name
	if name == "" {
		for _, v := range n.Out {
			if v != nil {
				name = v.Name
				break
			}
		}
	}
	return fmt.Sprintf("node %q (%s)", name, n.Op.Kind())
}

// Graph is a network. Nodes may stand in any order that has no cycle.
type Graph struct {
	Name     string
	Doc      string
	Producer string
	Meta     map[string]string
	Inputs   []*Value
	Outputs  []*Value
	Nodes    []*Node
}

// Input adds an input.
func (g *Graph) Input(name string, d tensor.DType, shape ...Dim) *Value {
	v := &Value{Name: name, DType: d, Shape: shape}
	g.Inputs = append(g.Inputs, v)
	return v
}

// Const returns a constant.
func Const(name string, t *tensor.Tensor) *Value {
	return &Value{Name: name, DType: t.DType(), Shape: Fixed(t.Shape()...), Const: t}
}

// Add appends a node with one output, which bears the node's name, and returns the output.
func (g *Graph) Add(name string, op layer.Op, in ...*Value) *Value {
	v := &Value{Name: name}
	g.Nodes = append(g.Nodes, &Node{Name: name, Op: op, In: in, Out: []*Value{v}})
	return v
}

// Output declares values to be outputs.
func (g *Graph) Output(v ...*Value) { g.Outputs = append(g.Outputs, v...) }

// Constants returns the constants that nodes use, those of Loops' bodies too, each once, in order of first use.
func (g *Graph) Constants() []*Value {
	var out []*Value
	seen := map[*Value]bool{}
	note := func(v *Value) {
		if v != nil && v.Const != nil && !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	var all func(g *Graph)
	all = func(g *Graph) {
		for _, n := range g.Nodes {
			for _, v := range n.In {
				note(v)
			}
			if l, ok := n.Op.(*Loop); ok {
				all(l.Body)
			}
		}
		for _, v := range g.Outputs {
			note(v)
		}
	}
	all(g)
	return out
}

// Params counts the parameters: the elements of constants, but not those of int64 (shapes, axes, indices), booleans and texts.
func (g *Graph) Params() int64 { return params(g.Constants()...) }

// Sort returns the nodes in an order in which each comes after those it takes values from, the given order where it is one.
// The error names a node of a cycle, or one that takes a value that nothing gives.
func (g *Graph) Sort() ([]*Node, error) {
	maker := make(map[*Value]int, len(g.Nodes))
	given := make(map[*Value]bool, len(g.Inputs))
	for _, v := range g.Inputs {
		given[v] = true
	}
	for i, n := range g.Nodes {
		if n.Op == nil {
			return nil, fmt.Errorf("model: node %q has no operation", n.Name)
		}
		for _, v := range n.Out {
			if v == nil {
				continue
			}
			if _, twice := maker[v]; twice || v.Const != nil || given[v] {
				return nil, fmt.Errorf("model: %s: its output %q has another source already", n.Label(), v.Name)
			}
			maker[v] = i
		}
	}
	const (
		unseen = iota
		open
		done
	)
	state := make([]uint8, len(g.Nodes))
	order := make([]*Node, 0, len(g.Nodes))
	type frame struct{ node, input int }
	for root := range g.Nodes {
		if state[root] != unseen {
			continue
		}
		stack := []frame{{root, 0}}
		state[root] = open
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			n := g.Nodes[f.node]
			if f.input == len(n.In) {
				state[f.node] = done
				order = append(order, n)
				stack = stack[:len(stack)-1]
				continue
			}
			v := n.In[f.input]
			f.input++
			if v == nil || v.Const != nil || given[v] {
				continue
			}
			m, ok := maker[v]
			if !ok {
				return nil, fmt.Errorf("model: %s: nothing gives its input %q", n.Label(), v.Name)
			}
			switch state[m] {
			case open:
				return nil, fmt.Errorf("model: %s: its input %q depends on its own output", n.Label(), v.Name)
			case unseen:
				state[m] = open
				stack = append(stack, frame{m, 0})
			}
		}
	}
	for _, v := range g.Outputs {
		if _, ok := maker[v]; !ok && v.Const == nil && !given[v] {
			return nil, fmt.Errorf("model: nothing gives the output %q", v.Name)
		}
	}
	return order, nil
}
