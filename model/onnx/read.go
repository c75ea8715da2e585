// Package onnx reads ONNX files into a model.Graph and writes one back.
//
// It reads opsets 1 to 26 of the standard operators, data in other files of the model's folder, and model-local functions, which it
// inlines. A file is bytes from outside: every size, offset, depth and cycle is checked before memory is taken, and an error names the node.
package onnx

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Domain is the domain of the operators that ONNX lacks: LCN, LocallyConnected and Step. The writer adds them to a file as functions made of
// standard operators.
const Domain = "ai.ocellus"

const (
	newestOpset = 26
	maxNodes    = 30000 // after inlining
	maxInputs   = 1 << 14
	maxOutputs  = 1 << 12
	maxDepth    = 24 // of functions that call functions
)

// ReadFile reads a model from a file. Data that it keeps in other files must be in the same folder or below it.
func ReadFile(path string) (*model.Graph, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("onnx: %s is no regular file", path)
	}
	b, err := lean(f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("onnx: this is no ONNX model, or a damaged one: %w", err)
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	dir := &folder{root: root, files: map[string]*os.File{ownFile: f}}
	defer dir.close()
	return read(b, dir)
}

// Read reads a model that is all in one piece. It keeps nothing of b.
func Read(b []byte) (*model.Graph, error) { return read(b, nil) }

// Unsupported is an operator that a model needs and that is not there.
type Unsupported struct {
	Domain, Op string
	Nodes      []string
}

// UnsupportedError lists all the operators that a model needs and that are not there.
type UnsupportedError struct{ Ops []Unsupported }

func (e *UnsupportedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "onnx: %d operators are not supported: ", len(e.Ops))
	if len(e.Ops) == 1 {
		b.Reset()
		b.WriteString("onnx: an operator is not supported: ")
	}
	for i, o := range e.Ops {
		if i > 0 {
			b.WriteString("; ")
		}
		if o.Domain != "" {
			b.WriteString(o.Domain + ".")
		}
		fmt.Fprintf(&b, "%s (", o.Op)
		const most = 8
		for k, n := range o.Nodes {
			if k == most {
				fmt.Fprintf(&b, " and %d more", len(o.Nodes)-most)
				break
			}
			if k > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%q", n)
		}
		b.WriteString(")")
	}
	return b.String()
}

// reader builds a graph from a file.
type reader struct {
	d           decoder
	dir         *folder
	g           *model.Graph
	functions   map[[3]string]*functionProto
	inlined     map[[3]string]bool // functions that have been called
	unsupported map[[2]string][]string
	nodes       int
	fresh       int
}

// scope is where names of values are looked up: the graph, one call of a function, or a branch or the body of a loop, which see what is around them.
type scope struct {
	values  map[string]*model.Value
	around  *scope // of a branch or body
	loop    *loop  // of a body
	opsets  map[string]int
	attrs   map[string]*attrProto // of the call; nil in the graph
	prefix  string                // of node and value names
	depth   int
	calling [][3]string
	again   bool // not the first call of a function: its constants have been there before
	budget  *decoder
}

// full is a name with the prefix. What has been written from a branch has it already.
func (s *scope) full(name string) string {
	if strings.HasPrefix(name, s.prefix) || s.budget.spend(len(s.prefix)+len(name)) != nil { // then reading fails
		return name
	}
	return s.prefix + name
}

// label names a node for messages: by its first output where it has no name.
func (s *scope) label(n *nodeProto) string {
	if n.name == "" && len(n.out) > 0 {
		return s.full(n.out[0])
	}
	return s.full(n.name)
}

// value returns the value of a name, which may be given by a node yet to come.
func (s *scope) value(name string) *model.Value {
	if name == "" {
		return nil
	}
	v := s.values[name]
	if v == nil && s.around != nil {
		v = s.around.value(name)
		if s.loop == nil || v == nil || v.Const != nil {
			return v
		}
		s.values[name] = s.loop.take(v)
		return s.values[name]
	}
	if v == nil {
		v = &model.Value{Name: s.full(name)}
		s.values[name] = v
	}
	if v == &missing {
		return nil
	}
	return v
}

func standard(domain string) bool { return domain == "" || domain == "ai.onnx" }

func opsetMap(ids []opsetID) (map[string]int, error) {
	m := map[string]int{}
	for _, o := range ids {
		d := o.domain
		if standard(d) {
			d = ""
		}
		if o.version < 1 || o.version > 1<<20 {
			return nil, fmt.Errorf("opset version %d of domain %q", o.version, o.domain)
		}
		if was, ok := m[d]; ok && was != int(o.version) {
			return nil, fmt.Errorf("opset versions %d and %d of domain %q", was, o.version, o.domain)
		}
		m[d] = int(o.version)
	}
	return m, nil
}

func read(b []byte, dir *folder) (*model.Graph, error) {
	r := &reader{dir: dir, g: &model.Graph{}, functions: map[[3]string]*functionProto{}, inlined: map[[3]string]bool{}, unsupported: map[[2]string][]string{}}
	r.d.left = 24 << 20
	m, err := r.d.model(b)
	if err != nil {
		return nil, fmt.Errorf("onnx: this is no ONNX model, or a damaged one: %w", err)
	}
	if m.graph == nil {
		return nil, errors.New("onnx: this is no ONNX model: it has no graph")
	}
	r.g.Producer, r.g.Doc = m.producer, m.doc
	if len(m.meta) > 0 {
		r.g.Meta = map[string]string{}
		for _, e := range m.meta {
			r.g.Meta[e.key] = e.value
		}
	}
	s := &scope{values: map[string]*model.Value{}, budget: &r.d}
	if s.opsets, err = opsetMap(m.opsets); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if v, ok := s.opsets[""]; ok && v > newestOpset {
		return nil, fmt.Errorf("onnx: the model uses opset %d; the newest that is known here is %d", v, newestOpset)
	} else if !ok {
		// Files of IR version 1 and 2 do not say; they mean the first one.
		s.opsets[""] = 1
	}
	for _, raw := range m.functions {
		f, err := r.d.function(raw)
		if err != nil {
			return nil, fmt.Errorf("onnx: %w", err)
		}
		key := functionKey(f.domain, f.name, f.overload)
		if r.functions[key] != nil {
			return nil, fmt.Errorf("onnx: function %q is there twice", f.name)
		}
		r.functions[key] = &f
	}
	err = r.graph(m.graph, s)
	if err == nil {
		err = r.d.spend(0) // names may have been too long
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if len(r.unsupported) > 0 {
		e := &UnsupportedError{}
		for k, nodes := range r.unsupported {
			e.Ops = append(e.Ops, Unsupported{Domain: k[0], Op: k[1], Nodes: nodes})
		}
		slices.SortFunc(e.Ops, func(a, b Unsupported) int {
			return strings.Compare(a.Domain+"."+a.Op, b.Domain+"."+b.Op)
		})
		return nil, e
	}
	order, err := r.g.Sort()
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", errors.New(strings.TrimPrefix(err.Error(), "model: ")))
	}
	r.g.Nodes = order
	return r.g, nil
}

func functionKey(domain, name, overload string) [3]string {
	if standard(domain) {
		domain = ""
	}
	return [3]string{domain, name, overload}
}

func (r *reader) graph(raw []byte, s *scope) error {
	g, err := r.d.graph(raw)
	if err != nil {
		return fmt.Errorf("damaged graph: %w", err)
	}
	r.g.Name = g.name
	if r.g.Doc == "" {
		r.g.Doc = g.doc
	}
	if err := r.initializers(&g, s); err != nil {
		return err
	}
	for i, in := range g.inputs {
		// Before IR version 4 initializers had to be listed as inputs too.
		if v := s.values[in.name]; v != nil && v.Const != nil {
			continue
		}
		if in.name == "" || s.values[in.name] != nil {
			return fmt.Errorf("input %d: the name %q is empty or there twice", i, in.name)
		}
		v := s.value(in.name)
		if err := declare(v, &in); err != nil {
			return fmt.Errorf("input %q: %w", in.name, err)
		}
		if in.kind != "" {
			k := [2]string{"", in.kind}
			r.unsupported[k] = append(r.unsupported[k], in.name)
			continue
		}
		if v.DType == tensor.Invalid {
			return fmt.Errorf("input %q is no tensor, or does not say of what type", in.name)
		}
		r.g.Inputs = append(r.g.Inputs, v)
	}
	if err := r.addNodes(g.nodes, s); err != nil {
		return err
	}
	for i, out := range g.outputs {
		if out.name == "" {
			return fmt.Errorf("output %d has no name", i)
		}
		v := s.value(out.name)
		if slices.Contains(r.g.Outputs, v) {
			return fmt.Errorf("output %q is there twice", out.name)
		}
		if v.Const == nil && !slices.Contains(r.g.Inputs, v) {
			if err := declare(v, &out); err != nil {
				return fmt.Errorf("output %q: %w", out.name, err)
			}
		}
		if out.kind != "" {
			k := [2]string{"", out.kind}
			r.unsupported[k] = append(r.unsupported[k], out.name)
		}
		if len(r.g.Outputs) >= maxOutputs {
			return fmt.Errorf("more than %d outputs", len(r.g.Outputs))
		}
		r.g.Outputs = append(r.g.Outputs, v)
	}
	return nil
}

// initializers adds a graph's constants to its scope.
func (r *reader) initializers(g *graphProto, s *scope) error {
	if g.sparse {
		return errors.New("sparse initializers are not supported")
	}
	for i, raw := range g.initializers {
		name, t, err := r.tensor(raw, s)
		if err != nil {
			return fmt.Errorf("initializer %d, %q: %w", i, name, err)
		}
		if name == "" || s.values[name] != nil {
			return fmt.Errorf("initializer %d: the name %q is empty or there twice", i, name)
		}
		s.values[name] = model.Const(s.full(name), t)
	}
	return nil
}

// tensor reads a constant in a scope.
func (r *reader) tensor(raw []byte, s *scope) (string, *tensor.Tensor, error) {
	if s.again {
		if err := r.d.spend(len(raw)); err != nil {
			return "", nil, err
		}
	}
	return r.d.tensor(raw, r.dir)
}

// inner is a graph that is an attribute of a node in s, and the scope in it, where names begin with prefix.
func (r *reader) inner(raw []byte, prefix string, s *scope) (*graphProto, *scope, error) {
	if s.depth >= maxDepth {
		return nil, nil, fmt.Errorf("graphs within graphs go more than %d deep", maxDepth)
	}
	g, err := r.d.graph(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("damaged graph: %w", err)
	}
	in := &scope{values: map[string]*model.Value{}, around: s, opsets: s.opsets, attrs: s.attrs, prefix: prefix, depth: s.depth + 1, calling: s.calling,
		again: s.again, budget: s.budget}
	if err := r.d.spend(len(prefix)); err != nil {
		return nil, nil, err
	}
	return &g, in, r.initializers(&g, in)
}

// branch adds the nodes of a graph that is an attribute of a node in s, and returns its outputs. Names in it begin with prefix.
func (r *reader) branch(raw []byte, prefix string, s *scope) ([]*model.Value, error) {
	g, in, err := r.inner(raw, prefix, s)
	if err != nil {
		return nil, err
	}
	if len(g.inputs) > 0 {
		return nil, errors.New("a branch has no inputs")
	}
	return r.within(g, in)
}

// within adds the nodes of a graph in another, and returns its outputs.
func (r *reader) within(g *graphProto, in *scope) ([]*model.Value, error) {
	for i := range g.nodes {
		for _, out := range g.nodes[i].out {
			if out != "" && in.values[out] == nil {
				in.values[out] = &model.Value{Name: in.full(out)}
			}
		}
	}
	if err := r.addNodes(g.nodes, in); err != nil {
		return nil, err
	}
	values := make([]*model.Value, len(g.outputs))
	for i, out := range g.outputs {
		if values[i] = in.value(out.name); values[i] == nil {
			return nil, fmt.Errorf("output %d has no name, or is left out", i)
		}
	}
	return values, nil
}

// loop is the body of a Loop being read. What it takes from around it become further inputs.
type loop struct {
	body  *model.Graph
	taken []*model.Value // from around it
}

// take makes a value around the body an input of it.
func (l *loop) take(v *model.Value) *model.Value {
	in := &model.Value{Name: v.Name, DType: v.DType, Shape: v.Shape}
	l.taken, l.body.Inputs = append(l.taken, v), append(l.body.Inputs, in)
	return in
}

// body reads a graph that is an attribute of a node in s as the body of a Loop. start may add nodes and inputs to it before its own.
func (r *reader) body(raw []byte, prefix string, s *scope, start func(l *loop, inputs []*model.Value)) (*loop, error) {
	g, in, err := r.inner(raw, prefix, s)
	if err != nil {
		return nil, err
	}
	l := &loop{body: &model.Graph{Name: g.name}}
	in.loop = l
	outer := r.g
	r.g = l.body
	defer func() { r.g = outer }()
	inputs := make([]*model.Value, len(g.inputs))
	for i, p := range g.inputs {
		if p.name == "" || in.values[p.name] != nil {
			return nil, fmt.Errorf("input %d: the name %q is empty or there twice", i, p.name)
		}
		if p.kind != "" && p.kind != sequenceKind && p.kind != optionalKind {
			k := [2]string{"", p.kind}
			r.unsupported[k] = append(r.unsupported[k], in.full(p.name))
		}
		v := &model.Value{Name: in.full(p.name)}
		if err := declare(v, &p); err != nil {
			return nil, fmt.Errorf("input %q: %w", p.name, err)
		}
		inputs[i], in.values[p.name] = v, v
	}
	start(l, inputs)
	if l.body.Outputs, err = r.within(g, in); err != nil {
		return nil, err
	}
	for i, v := range l.body.Outputs {
		if v.Const == nil && !slices.Contains(l.body.Inputs, v) {
			if err := declare(v, &g.outputs[i]); err != nil {
				return nil, fmt.Errorf("output %q: %w", v.Name, err)
			}
		}
	}
	return l, nil
}

// declare notes what a file says of an input or output.
func declare(v *model.Value, p *valueProto) error {
	if !p.tensor {
		return nil
	}
	if p.dtype != 0 {
		if p.dtype < 0 || p.dtype > 255 || !tensor.DType(p.dtype).Valid() {
			return fmt.Errorf("element type %d is not supported", p.dtype)
		}
		v.DType = tensor.DType(p.dtype)
	}
	if !p.ranked {
		return nil
	}
	if len(p.dims) > tensor.MaxRank {
		return fmt.Errorf("%d dimensions, at most %d are supported", len(p.dims), tensor.MaxRank)
	}
	v.Shape = make([]model.Dim, len(p.dims))
	for i, d := range p.dims {
		if d.size < -1 || int64(int(d.size)) != d.size {
			return fmt.Errorf("dimension %d is %d", i, d.size)
		}
		v.Shape[i] = model.Dim{Size: int(d.size), Name: d.param}
		if d.param != "" {
			v.Shape[i].Size = -1
		}
	}
	return nil
}

// addNodes adds nodes to the graph.
func (r *reader) addNodes(nodes []nodeProto, s *scope) error {
	for i := range nodes {
		n := &nodes[i]
		if err := r.node(n, s); err != nil {
			return fmt.Errorf("node %q (%s): %w", s.label(n), n.op, err)
		}
	}
	return nil
}

// node adds one node, or what the function that it calls is made of.
func (r *reader) node(n *nodeProto, s *scope) error {
	if r.nodes++; r.nodes > maxNodes {
		return fmt.Errorf("the model has more than %d nodes", maxNodes)
	}
	if s.depth > 0 {
		if err := r.d.spend(64 * (len(n.in) + len(n.out))); err != nil {
			return err
		}
	}
	for _, name := range n.out {
		if v := s.values[name]; name != "" && v != nil && v.Const != nil {
			return fmt.Errorf("its output %q is a constant", name)
		}
	}
	key := functionKey(n.domain, n.op, n.overload)
	f := r.functions[key]
	c := &call{reader: r, scope: s, node: n}
	var build builder
	switch {
	case n.domain == Domain:
		build = own[n.op]
	case f == nil && standard(n.domain):
		build = operators[n.op]
	case f == nil && n.domain == "com.microsoft":
		build = microsoft[n.op]
	}
	if build == nil && f != nil {
		return r.inline(f, key, n, s)
	}
	if build == nil {
		k := [2]string{n.domain, n.op}
		if standard(n.domain) {
			k[0] = ""
		}
		r.unsupported[k] = append(r.unsupported[k], s.label(n))
		return nil
	}
	c.version = s.opsets[""]
	if c.version == 0 {
		return errors.New("no opset is imported for it")
	}
	for _, name := range n.in {
		c.in = append(c.in, s.value(name))
	}
	for _, name := range n.out {
		c.out = append(c.out, s.value(name))
	}
	for len(c.in) > 0 && c.in[len(c.in)-1] == nil {
		c.in = c.in[:len(c.in)-1]
	}
	op := build(c)
	if c.err == nil {
		c.unread()
	}
	if c.err != nil {
		return c.err
	}
	if op == nil {
		return nil
	}
	if len(c.out) == 0 {
		return errors.New("it has no outputs")
	}
	name := n.name
	if name != "" {
		name = s.full(name)
	}
	r.g.Nodes = append(r.g.Nodes, &model.Node{Name: name, Op: op, In: c.in, Out: c.out})
	return nil
}

// inline adds the nodes of a function, with the values of the call in place of its inputs and outputs.
func (r *reader) inline(f *functionProto, key [3]string, n *nodeProto, s *scope) error {
	if s.depth >= maxDepth || slices.Contains(s.calling, key) {
		return fmt.Errorf("function %q calls itself, or calls go more than %d deep", f.name, maxDepth)
	}
	if len(n.in) > len(f.in) || len(n.out) > len(f.out) {
		return fmt.Errorf("%d inputs and %d outputs, function %q has %d and %d", len(n.in), len(n.out), f.name, len(f.in), len(f.out))
	}
	r.fresh++
	name := n.name
	if name == "" {
		name = fmt.Sprintf("%s_%d", f.name, r.fresh)
	}
	in := &scope{values: map[string]*model.Value{}, attrs: map[string]*attrProto{}, prefix: s.prefix + name + "/",
		depth: s.depth + 1, calling: append(slices.Clone(s.calling), key), again: s.again || r.inlined[key], budget: s.budget}
	if err := r.d.spend(len(in.prefix)); err != nil {
		return err
	}
	r.inlined[key] = true
	var err error
	if in.opsets, err = opsetMap(f.opsets); err != nil {
		return err
	}
	for d, v := range s.opsets {
		if _, ok := in.opsets[d]; !ok {
			in.opsets[d] = v
		}
	}
	for i := range f.defaults {
		in.attrs[f.defaults[i].name] = &f.defaults[i]
	}
	for i := range n.attrs {
		a := &n.attrs[i]
		if a.ref != "" {
			if a = s.attrs[a.ref]; a == nil {
				continue
			}
		}
		if !slices.Contains(f.attrs, n.attrs[i].name) && in.attrs[n.attrs[i].name] == nil {
			return fmt.Errorf("function %q has no attribute %q", f.name, n.attrs[i].name)
		}
		in.attrs[n.attrs[i].name] = a
	}
	for i, name := range f.in {
		if name == "" || in.values[name] != nil {
			return fmt.Errorf("function %q: input %d has no name of its own", f.name, i)
		}
		if i < len(n.in) && n.in[i] != "" {
			in.values[name] = s.value(n.in[i])
		} else {
			in.values[name] = &missing
		}
	}
	// An output that is also an input of the function, or comes twice, needs a value of its own.
	type rename struct{ from, to *model.Value }
	var same []rename
	for i, name := range f.out {
		if i >= len(n.out) || n.out[i] == "" {
			continue
		}
		to := s.value(n.out[i])
		if v := in.values[name]; v != nil {
			same = append(same, rename{v, to})
			continue
		}
		in.values[name] = to
	}
	if err := r.addNodes(f.nodes, in); err != nil {
		return err
	}
	for _, p := range same {
		if p.from == &missing {
			return fmt.Errorf("function %q returns an input that is left out", f.name)
		}
		r.g.Nodes = append(r.g.Nodes, &model.Node{Name: p.to.Name, Op: &layer.Identity{}, In: []*model.Value{p.from}, Out: []*model.Value{p.to}})
	}
	return nil
}

// missing stands for an input that a call of a function leaves out.
var missing model.Value

// call is a node on its way to becoming a layer.Op: its attributes, and its inputs and outputs, which a builder may change.
type call struct {
	*reader
	scope   *scope
	node    *nodeProto
	version int
	in, out []*model.Value
	read    []string
	known   string // the label, once it has been asked for
	err     error
}

// builder makes the operation of a node, or nil where it needs none.
type builder func(c *call) layer.Op

func (c *call) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// attr returns an attribute of one of the kinds, or nil where it is not there.
func (c *call) attr(name string, kinds ...int64) *attrProto {
	c.read = append(c.read, name)
	for i := range c.node.attrs {
		a := &c.node.attrs[i]
		if a.name != name {
			continue
		}
		if a.ref != "" {
			if a = c.scope.attrs[a.ref]; a == nil {
				return nil
			}
		}
		if !slices.Contains(kinds, a.kind) {
			c.fail("attribute %q has the wrong type", name)
			return nil
		}
		return a
	}
	return nil
}

// unread refuses attributes that the builder did not ask for: what is not understood cannot be left out.
func (c *call) unread() {
	for i := range c.node.attrs {
		a := &c.node.attrs[i]
		if !slices.Contains(c.read, a.name) && a.name != "consumed_inputs" {
			c.fail("attribute %q is not known in opset %d", a.name, c.version)
		}
	}
}

func (c *call) int(name string, def int) int {
	if a := c.attr(name, kindInt); a != nil {
		if int64(int(a.i)) != a.i || a.i > 1<<40 || a.i < -1<<40 {
			// Only Shape's end is ever meant to be that large.
			if a.i > 0 {
				return 1 << 30
			}
			c.fail("attribute %q is %d", name, a.i)
		}
		return int(a.i)
	}
	return def
}

func (c *call) flag(name string, def bool) bool {
	d := 0
	if def {
		d = 1
	}
	return c.int(name, d) != 0
}

func (c *call) float(name string, def float32) float32 {
	if a := c.attr(name, kindFloat); a != nil {
		return a.f
	}
	return def
}

func (c *call) text(name, def string) string {
	if a := c.attr(name, kindString); a != nil {
		return string(a.s)
	}
	return def
}

// floats returns a list of numbers, nil where it is not there.
func (c *call) floats(name string) []float32 {
	if a := c.attr(name, kindFloats); a != nil {
		return a.floats
	}
	return nil
}

// ints returns a list of integers, nil where it is not there.
func (c *call) ints(name string) []int {
	a := c.attr(name, kindInts)
	if a == nil {
		return nil
	}
	if len(a.ints) > 1<<16 {
		c.fail("attribute %q has %d entries", name, len(a.ints))
		return nil
	}
	out := make([]int, len(a.ints))
	for i, v := range a.ints {
		if int64(int(v)) != v {
			c.fail("attribute %q has the entry %d", name, v)
		}
		out[i] = int(v)
	}
	return out
}

func (c *call) has(name string) bool {
	return slices.ContainsFunc(c.node.attrs, func(a attrProto) bool { return a.name == name })
}

// dtype returns an attribute that is an element type.
func (c *call) dtype(name string, def tensor.DType) tensor.DType {
	n := c.int(name, int(def))
	if n < 1 || n > 255 || !tensor.DType(n).Valid() {
		c.fail("element type %d is not supported", n)
		return def
	}
	return tensor.DType(n)
}

// tensorAttr returns a tensor attribute, nil where it is not there.
func (c *call) tensorAttr(name string) *tensor.Tensor {
	a := c.attr(name, kindTensor)
	if a == nil {
		return nil
	}
	_, t, err := c.tensor(a.t, c.scope)
	if err != nil {
		c.fail("attribute %q: %w", name, err)
		return nil
	}
	return t
}

// branch adds the nodes of a graph attribute, and returns its outputs.
func (c *call) branch(name string) []*model.Value {
	a := c.attr(name, kindGraph)
	if a == nil {
		c.fail("there is no %s", name)
		return nil
	}
	out, err := c.reader.branch(a.g, c.label()+":"+name+"/", c.scope)
	if err != nil {
		c.fail("%s: %w", name, err)
	}
	return out
}

// body reads the attribute of that name as the body of a Loop; see reader.body.
func (c *call) body(start func(l *loop, inputs []*model.Value)) *loop {
	a := c.attr("body", kindGraph)
	if a == nil {
		c.fail("there is no body")
		return nil
	}
	l, err := c.reader.body(a.g, c.label()+":body/", c.scope, start)
	if err != nil {
		c.fail("body: %w", err)
	}
	return l
}

// constant returns a new constant beside the node.
func (c *call) constant(what string, t *tensor.Tensor) *model.Value {
	return model.Const(c.name(what), t)
}

func (c *call) label() string {
	if c.known == "" {
		c.known = c.scope.label(c.node)
	}
	return c.known
}

// name is the name of something that the node is made of.
func (c *call) name(what string) string {
	label := c.label()
	if err := c.d.spend(len(label) + len(what)); err != nil {
		c.fail("%w", err)
		return what
	}
	return label + ":" + what
}

// input sets input i, with those before it left out if they are not there.
func (c *call) input(i int, v *model.Value) {
	for len(c.in) <= i {
		c.in = append(c.in, nil)
	}
	c.in[i] = v
}

// intsInput makes input i of an attribute, as later opsets have it.
func (c *call) intsInput(i int, name string) {
	v := c.ints(name)
	if v == nil {
		return
	}
	t := tensor.New(tensor.Int64, len(v))
	for k, n := range v {
		t.Int64s()[k] = int64(n)
	}
	if i < len(c.in) && c.in[i] != nil {
		c.fail("attribute %q beside an input of that meaning", name)
	}
	c.input(i, c.constant(name, t))
}

// emit adds a node of its own before this one and returns its output.
func (c *call) emit(what string, op layer.Op, in ...*model.Value) *model.Value {
	if c.nodes++; c.nodes > maxNodes {
		c.fail("the model has more than %d nodes", maxNodes)
	}
	v := &model.Value{Name: c.name(what)}
	c.g.Nodes = append(c.g.Nodes, &model.Node{Name: v.Name, Op: op, In: in, Out: []*model.Value{v}})
	return v
}

// several is emit of a node with n outputs.
func (c *call) several(what string, n int, op layer.Op, in ...*model.Value) []*model.Value {
	out := []*model.Value{c.emit(what, op, in...)}
	for i := 1; i < n; i++ {
		out = append(out, &model.Value{Name: c.name(fmt.Sprintf("%s:%d", what, i))})
	}
	c.g.Nodes[len(c.g.Nodes)-1].Out = out
	return out
}

// Operators lists the standard operators that are supported, sorted.
func Operators() []string { return slices.Sorted(maps.Keys(operators)) }
