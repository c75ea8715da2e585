package onnx

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

const (
	writtenOpset = 17
	writtenIR    = 8
)

// WriteFile writes a graph to a file; see Write.
func WriteFile(path string, g *model.Graph) error {
	b, err := Write(g)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	return nil
}

// Write returns a graph as an ONNX file of opset 17. Layers that ONNX lacks become calls to functions, which are added. The error lists all the
// nodes that opset 17 cannot express.
func Write(g *model.Graph) ([]byte, error) {
	order, err := g.Sort()
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	w := &writer{names: map[*model.Value]string{}, used: map[string]bool{}, called: map[string]bool{}, functions: map[string]bool{}, optionals: map[*model.Value]bool{}}
	for _, v := range g.Inputs {
		w.fixed(v)
	}
	for _, v := range g.Outputs {
		w.fixed(v)
	}
	types := outputTypes(g)
	var outer []*model.Node
	outer, w.inside = split(g, order)
	for _, n := range outer {
		w.op(n)
	}
	for _, v := range g.Outputs {
		if v.Const != nil {
			w.name(v)
		}
	}
	if len(w.refused) > 0 {
		return nil, fmt.Errorf("onnx: opset %d cannot express %s", writtenOpset, strings.Join(w.refused, "; "))
	}
	var graph message
	graph.bytes(1, nil, w.nodes...)
	graph.text(2, orElse(g.Name, "graph"))
	graph.bytes(5, nil, w.constants...)
	graph.text(10, g.Doc)
	for _, v := range g.Inputs {
		graph.bytes(11, valueInfo(w.names[v], v.DType, v.Shape))
	}
	for _, v := range g.Outputs {
		d := v.DType
		if d == tensor.Invalid {
			d = types[v]
		}
		graph.bytes(12, valueInfo(w.names[v], d, v.Shape))
	}
	var m message
	m.int(1, writtenIR)
	m.text(2, "ocellus")
	m.text(6, g.Doc)
	m.bytes(7, graph)
	m.bytes(8, opset("", writtenOpset))
	if len(w.functions) > 0 {
		m.bytes(8, opset(Domain, 1))
	}
	for _, k := range slices.Sorted(maps.Keys(g.Meta)) {
		var e message
		e.text(1, k)
		e.text(2, g.Meta[k])
		m.bytes(14, e)
	}
	for _, f := range slices.Sorted(maps.Keys(w.functions)) {
		m.bytes(25, functionBodies[f]())
	}
	if len(m) > math.MaxInt32 {
		return nil, fmt.Errorf("onnx: the file would have %d bytes; 2 GiB is the most that the format allows", len(m))
	}
	return m, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// outputTypes finds the types of outputs that do not say theirs.
func outputTypes(g *model.Graph) map[*model.Value]tensor.DType {
	types := map[*model.Value]tensor.DType{}
	if !slices.ContainsFunc(g.Outputs, func(v *model.Value) bool { return v.DType == tensor.Invalid }) {
		return types
	}
	for i, d := range model.OutputTypes(g) {
		types[g.Outputs[i]] = d
	}
	return types
}

// message is a protocol buffer being written.
type message []byte

func (m *message) int(field protowire.Number, v int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) float(field protowire.Number, v float32) {
	*m = protowire.AppendFixed32(protowire.AppendTag(*m, field, protowire.Fixed32Type), math.Float32bits(v))
}

func (m *message) text(field protowire.Number, s string) {
	if s != "" {
		*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), s)
	}
}

// bytes appends b, if it is not nil, and all of more.
func (m *message) bytes(field protowire.Number, b []byte, more ...[]byte) {
	if b != nil {
		*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), b)
	}
	for _, b := range more {
		*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), b)
	}
}

func opset(domain string, version int64) []byte {
	var m message
	m.text(1, domain)
	m.int(2, version)
	return m
}

func valueInfo(name string, d tensor.DType, shape []model.Dim) []byte {
	var v message
	v.text(1, name)
	if t := typeProto(d, shape); t != nil {
		v.bytes(2, t)
	}
	return v
}

// typeProto is the type of a tensor, or nil where nothing is known of it.
func typeProto(d tensor.DType, shape []model.Dim) []byte {
	var typ, t message
	if d != tensor.Invalid {
		t.int(1, int64(d))
	}
	if shape != nil {
		s := message{}
		for _, d := range shape {
			dim := message{}
			switch {
			case d.Size >= 0:
				dim.int(1, int64(d.Size))
			case d.Name != "":
				dim.text(2, d.Name)
			}
			s.bytes(1, dim)
		}
		t.bytes(2, s)
	}
	if t != nil {
		typ.bytes(1, t)
	}
	return typ
}

func tensorProto(name string, t *tensor.Tensor) []byte {
	var m message
	for _, d := range t.Shape() {
		m.int(1, int64(d))
	}
	m.int(2, int64(t.DType()))
	m.text(8, name)
	if t.DType() == tensor.String {
		for _, s := range t.Texts() {
			m.bytes(6, []byte(s))
		}
		return m
	}
	raw := t.Raw()
	if raw == nil {
		raw = []byte{}
	}
	m.bytes(9, raw)
	return m
}

// WriteTensor returns a tensor as a TensorProto, the form in which ONNX's test cases keep inputs and outputs (.pb).
func WriteTensor(name string, t *tensor.Tensor) []byte { return tensorProto(name, t) }

// The attributes of a node, each as an AttributeProto.

func attribute(name string, kind int64) message {
	var m message
	m.text(1, name)
	m.int(20, kind)
	return m
}

func attrInt(name string, v int) []byte {
	m := attribute(name, kindInt)
	m.int(3, int64(v))
	return m
}

func attrFlag(name string, v bool) []byte {
	if v {
		return attrInt(name, 1)
	}
	return attrInt(name, 0)
}

func attrFloat(name string, v float32) []byte {
	m := attribute(name, kindFloat)
	m.float(2, v)
	return m
}

func attrText(name, v string) []byte {
	m := attribute(name, kindString)
	m.bytes(4, []byte(v))
	return m
}

func attrInts(name string, v []int) []byte {
	m := attribute(name, kindInts)
	for _, n := range v {
		m.int(8, int64(n))
	}
	return m
}

func attrFloats(name string, v []float32) []byte {
	m := attribute(name, kindFloats)
	for _, x := range v {
		m.float(7, x)
	}
	return m
}

func attrTensor(name string, t *tensor.Tensor) []byte {
	m := attribute(name, kindTensor)
	m.bytes(5, tensorProto("", t))
	return m
}

// attrRef is an attribute of a node in a function that takes the value of the function's attribute of.
func attrRef(name, of string, kind int64) []byte {
	m := attribute(name, kind)
	m.text(21, of)
	return m
}

// nodeMessage encodes a node.
func nodeMessage(op, domain, name string, in, out []string, attrs ...[]byte) []byte {
	var m message
	// A left-out input is an empty string, which must be written where another follows.
	for len(in) > 0 && in[len(in)-1] == "" {
		in = in[:len(in)-1]
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	for _, s := range in {
		m.bytes(1, []byte(s))
	}
	for _, s := range out {
		m.bytes(2, []byte(s))
	}
	m.text(3, name)
	m.text(4, op)
	m.bytes(5, nil, attrs...)
	m.text(7, domain)
	return m
}

// writer collects the nodes and constants of a graph.
type writer struct {
	names     map[*model.Value]string
	used      map[string]bool
	called    map[string]bool // names of nodes, of which some runtimes want no two alike
	nodes     [][]byte
	constants [][]byte
	functions map[string]bool
	optionals map[*model.Value]bool // values known to be such
	refused   []string
	inside    inside
	node      *model.Node // being written
}

// fixed names an input or output, which keeps its name.
func (w *writer) fixed(v *model.Value) {
	if w.names[v] == "" {
		w.names[v] = v.Name
		w.used[v.Name] = true
		if v.Const != nil {
			w.constants = append(w.constants, tensorProto(v.Name, v.Const))
		}
	}
}

// unique returns a name that nothing else has.
func (w *writer) unique(name string) string {
	name = orElse(name, "value")
	base := name
	for i := 2; w.used[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	w.used[name] = true
	return name
}

// name returns a value's name in the file; a constant is written with its first use.
func (w *writer) name(v *model.Value) string {
	if v == nil {
		return ""
	}
	s, ok := w.names[v]
	if !ok {
		s = w.unique(v.Name)
		w.names[v] = s
		if v.Const != nil {
			w.tensor(s, v.Const)
		}
	}
	return s
}

func (w *writer) tensor(name string, t *tensor.Tensor) {
	switch t.DType() {
	case tensor.Float8E4M3, tensor.Float8E4M3UZ, tensor.Float8E5M2, tensor.Float8E5M2UZ, tensor.Int4, tensor.Uint4:
		w.refuse("the constant %q of type %v", name, t.DType())
	}
	w.constants = append(w.constants, tensorProto(name, t))
}

// constant adds a constant of the writer's own.
func (w *writer) constant(what string, t *tensor.Tensor) string {
	s := w.unique(w.node.Name + ":" + what)
	w.tensor(s, t)
	return s
}

func (w *writer) int64s(what string, v ...int64) string {
	return w.constant(what, tensor.Of(slices.Clone(v), len(v)))
}

func (w *writer) refuse(format string, args ...any) {
	w.refused = append(w.refused, fmt.Sprintf(format, args...))
}

// cannot refuses the node being written.
func (w *writer) cannot(why string) {
	w.refuse("%s: %s", w.node.Label(), why)
}

// put writes the node as one operator.
func (w *writer) put(op string, attrs ...[]byte) { w.putIn(op, "", w.inputs(), attrs...) }

func (w *writer) putIn(op, domain string, in []string, attrs ...[]byte) {
	w.nodes = append(w.nodes, nodeMessage(op, domain, w.nodeName(w.node.Name), in, w.outputs(), attrs...))
}

// nodeName returns a node's name, or another where it is taken; "" stays.
func (w *writer) nodeName(name string) string {
	base := name
	for i := 2; name != "" && w.called[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	w.called[name] = true
	return name
}

// step writes a node of the writer's own and returns its output.
func (w *writer) step(op string, in []string, attrs ...[]byte) string {
	s := w.unique(w.node.Name + ":" + strings.ToLower(op))
	w.nodes = append(w.nodes, nodeMessage(op, "", w.nodeName(s), in, []string{s}, attrs...))
	return s
}

func (w *writer) inputs() []string {
	s := make([]string, len(w.node.In))
	for i, v := range w.node.In {
		s[i] = w.name(v)
	}
	return s
}

func (w *writer) outputs() []string {
	s := make([]string, len(w.node.Out))
	for i, v := range w.node.Out {
		s[i] = w.name(v)
	}
	return s
}

// constInts returns the elements of input i where it is a constant.
func (w *writer) constInts(i int) ([]int, bool) {
	if i >= len(w.node.In) || w.node.In[i] == nil {
		return nil, true
	}
	if t := w.node.In[i].Const; t != nil {
		return t.Ints()
	}
	return nil, false
}

// window returns the attributes of convolutions and poolings.
func window(win *layer.Window, ceil bool) [][]byte {
	var a [][]byte
	for _, l := range []struct {
		name string
		v    []int
	}{{"kernel_shape", win.Kernel}, {"strides", win.Strides}, {"dilations", win.Dilations}, {"pads", win.Pads}} {
		if len(l.v) > 0 && !(l.name == "pads" && win.AutoPad != "" && win.AutoPad != layer.PadExplicit) {
			a = append(a, attrInts(l.name, l.v))
		}
	}
	if win.AutoPad != "" && win.AutoPad != layer.PadExplicit {
		a = append(a, attrText("auto_pad", string(win.AutoPad)))
	}
	if ceil && win.Ceil {
		a = append(a, attrInt("ceil_mode", 1))
	}
	return a
}

func dilated(w *layer.Window) bool {
	return slices.ContainsFunc(w.Dilations, func(d int) bool { return d != 1 })
}
