package finetune

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// network is a classifier: a Graph of one input and one output of class scores.
type network struct {
	graph  *model.Graph
	order  []*model.Node // those that lead to logits
	logits *model.Value  // the output, before a softmax
	maker  map[*model.Value]*model.Node
	head   *model.Node // the last layer with weights
	input  []int       // shape of one example
}

// newNetwork looks at a Graph, whose Values and Nodes it keeps.
func newNetwork(g *model.Graph, input []int) (*network, error) {
	if len(g.Inputs) != 1 || len(g.Outputs) != 1 {
		return nil, fmt.Errorf("the network has %d inputs and %d outputs; a classifier has one of each", len(g.Inputs), len(g.Outputs))
	}
	if err := widen(g); err != nil {
		return nil, err
	}
	order, err := g.Sort()
	if err != nil {
		return nil, err
	}
	n := &network{graph: g, logits: g.Outputs[0], maker: map[*model.Value]*model.Node{}, input: input}
	for _, node := range order {
		for _, v := range node.Out {
			if v != nil {
				n.maker[v] = node
			}
		}
	}
	if last := n.maker[n.logits]; last != nil {
		if _, ok := last.Op.(*layer.Softmax); ok {
			n.logits = last.In[0]
		}
	}
	needed := ancestors(n.maker, n.logits)
	for _, node := range order {
		if needed[node] {
			n.order = append(n.order, node)
		}
	}
	for _, node := range slices.Backward(n.order) {
		if weighty(node) {
			n.head = node
			return n, nil
		}
	}
	return nil, fmt.Errorf("the network has no layer with weights")
}

// widen makes weights that are stored in 16 bits, with a Cast behind them, constants of float32.
func widen(g *model.Graph) error {
	var bad error
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *model.Node) bool {
		op, ok := n.Op.(*layer.Cast)
		if !ok || n.In[0] == nil || n.In[0].Const == nil || op.To != tensor.Float32 || !n.In[0].DType.IsFloat() {
			return false
		}
		wide := tensor.New(tensor.Float32, n.In[0].Const.Shape()...)
		if err := tensor.Convert(wide, n.In[0].Const, false); err != nil {
			bad = err
		}
		n.Out[0].DType = tensor.Float32
		replace(n.Out[0], wide)
		return true
	})
	return bad
}

// ancestors returns the nodes that a value is computed by.
func ancestors(maker map[*model.Value]*model.Node, v *model.Value) map[*model.Node]bool {
	seen, todo := map[*model.Node]bool{}, []*model.Value{v}
	for len(todo) > 0 {
		n := maker[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if n != nil && !seen[n] {
			seen[n] = true
			todo = append(todo, n.In...)
		}
	}
	return seen
}

// weighty says whether a node is a layer with weights.
func weighty(n *model.Node) bool {
	switch n.Op.(type) {
	case *layer.Gemm, *layer.MatMul, *layer.Conv, *layer.ConvTranspose, *layer.LocallyConnected:
		return len(n.In) > 1 && n.In[1] != nil && n.In[1].Const != nil
	}
	return false
}

// layerName is how --from names a node.
func layerName(n *model.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return n.Out[0].Name
}

// find returns the place in order of the first trained layer; that of the head where the name is empty.
func (n *network) find(name string) (int, error) {
	var names []string
	for i, node := range n.order {
		if name == "" && node == n.head || name != "" && (node.Name == name || node.Out[0].Name == name) {
			return i, nil
		}
		if weighty(node) {
			names = append(names, layerName(node))
		}
	}
	return 0, fmt.Errorf("there is no layer %q on the way to the output; those with weights are %s", name, strings.Join(names, ", "))
}

// parts is a network cut in two: what is computed once for each example, and what is trained.
type parts struct {
	lower, upper *model.Graph
	fields       []tensorField // the lower part's outputs, of one example
	program      *model.Program
}

type tensorField struct {
	name  string
	shape []int
}

// split cuts a network below the node at from. Nodes that come later in the order belong to the upper part; so do those below whose outputs are
// no float32 per example, as of the shape arithmetic that some exporters leave.
func (n *network) split(from, batch int, o model.Options) (*parts, error) {
	upper := map[*model.Node]bool{}
	for _, node := range n.order[from:] {
		upper[node] = true
	}
	for {
		p, grew, err := n.divide(upper, batch, o)
		if err != nil || !grew {
			return p, err
		}
	}
}

// divide makes the two graphs, or moves nodes up whose outputs cannot be kept and says so.
func (n *network) divide(upper map[*model.Node]bool, batch int, o model.Options) (p *parts, grew bool, err error) {
	p = &parts{upper: &model.Graph{Name: n.graph.Name, Outputs: []*model.Value{n.logits}}}
	p.lower = &model.Graph{Name: n.graph.Name, Inputs: n.graph.Inputs}
	var cut []*model.Value
	for _, node := range n.order {
		if !upper[node] {
			continue
		}
		p.upper.Nodes = append(p.upper.Nodes, node)
		for _, v := range node.In {
			if v != nil && v.Const == nil && !upper[n.maker[v]] && !slices.Contains(cut, v) {
				cut = append(cut, v)
			}
		}
	}
	needed := map[*model.Node]bool{}
	for _, v := range cut {
		for node := range ancestors(n.maker, v) {
			needed[node] = true
		}
	}
	for _, node := range n.order {
		if needed[node] {
			p.lower.Nodes = append(p.lower.Nodes, node)
		}
	}
	p.lower.Outputs, p.upper.Inputs = cut, cut
	o.Inputs = map[string][]int{n.graph.Inputs[0].Name: append([]int{batch}, n.input...)}
	if p.program, err = model.Compile(p.lower, o); err != nil {
		return nil, false, err
	}
	for i, out := range p.program.Outputs() {
		if out.DType != tensor.Float32 || len(out.Shape) == 0 || out.Shape[0] != batch {
			made := n.maker[cut[i]]
			if made == nil {
				return nil, false, fmt.Errorf("the input %q is no float32 with the batch as its first dimension", out.Name)
			}
			upper[made], grew = true, true
			continue
		}
		cut[i].DType = tensor.Float32
		p.fields = append(p.fields, tensorField{cut[i].Name, out.Shape[1:]})
	}
	return p, grew, nil
}

// classes returns the number of classes, the second dimension of the logits.
func (n *network) classes(o model.Options) (int, error) {
	o.Inputs = map[string][]int{n.graph.Inputs[0].Name: append([]int{1}, n.input...)}
	p, err := model.Compile(n.graph, o)
	if err != nil {
		return 0, err
	}
	out := p.Outputs()[0]
	if len(out.Shape) != 2 || out.Shape[0] != 1 || out.Shape[1] < 1 || out.DType != tensor.Float32 {
		return 0, fmt.Errorf("output %q is %v %s; a classifier's is float32 [1 classes]", out.Name, out.DType, tensor.FormatShape(out.Shape))
	}
	return out.Shape[1], nil
}

// rows is the weights of a head seen as one row for each class.
type rows struct {
	value *model.Value
	outer int // elements before the class axis
	count int // classes
	inner int // elements after it
}

// rows finds the weights of the head, and its bias, which may be nil.
func (n *network) rows(classes int) (w rows, bias *model.Value, err error) {
	node := n.head
	value, axis := node.In[1], 0
	if len(node.In) > 2 {
		bias = node.In[2]
	}
	switch op := node.Op.(type) {
	case *layer.Gemm:
		if !op.TransB {
			axis = 1
		}
	case *layer.MatMul:
		axis = value.Const.Rank() - 1
		for _, next := range n.order {
			if b, ok := next.Op.(*layer.Binary); ok && b.Fn == layer.Add && slices.Contains(next.In, node.Out[0]) {
				bias = next.In[0]
				if bias == node.Out[0] {
					bias = next.In[1]
				}
			}
		}
	case *layer.Conv:
		if s := value.Const.Shape(); op.Groups > 1 || count(s[2:]) != 1 {
			return w, nil, fmt.Errorf("the head %q is a convolution that classes cannot be added to; one of 1x1 in one group can", layerName(node))
		}
	default:
		return w, nil, fmt.Errorf("the head %q is a %s, to which classes cannot be added", layerName(node), op.Kind())
	}
	s := value.Const.Shape()
	if s[axis] != classes || value.Const.DType() != tensor.Float32 {
		return w, nil, fmt.Errorf("the head %q has weights %v, and the network %d classes: classes cannot be added", layerName(node), value.Const, classes)
	}
	if bias != nil && (bias.Const == nil || bias.Const.Len() != classes) {
		bias = nil
	}
	return rows{value, count(s[:axis]), classes, count(s[axis+1:])}, bias, nil
}

func count(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// width is the number of elements of a row.
func (r *rows) width() int { return r.outer * r.inner }

// at returns the place of element k of a class's row.
func (r *rows) at(class, k int) int {
	return (k/r.inner*r.count+class)*r.inner + k%r.inner
}

// grow adds classes to the head. Their rows are starts scaled to the mean norm of the rows there (Qi, Brown, Lowe: Low-shot learning with
// imprinted weights, CVPR 2018); their bias is the mean of those there.
func (n *network) grow(classes int, starts [][]float64) error {
	w, bias, err := n.rows(classes)
	if err != nil {
		return err
	}
	old, all := w.value.Const, w.value.Const.Float32s()
	norm := 0.0
	for c := range classes {
		sum := 0.0
		for k := range w.width() {
			v := float64(all[w.at(c, k)])
			sum += float64(v * v)
		}
		norm += math.Sqrt(sum)
	}
	norm /= float64(classes)
	after := rows{w.value, w.outer, classes + len(starts), w.inner}
	shape := slices.Clone(old.Shape())
	for i, d := range shape {
		if count(shape[:i]) == w.outer && d == classes {
			shape[i] += len(starts)
			break
		}
	}
	grown := tensor.New(tensor.Float32, shape...)
	for c := range after.count {
		for k := range w.width() {
			if c < classes {
				grown.Float32s()[after.at(c, k)] = all[w.at(c, k)]
			} else {
				grown.Float32s()[after.at(c, k)] = float32(norm * starts[c-classes][k])
			}
		}
	}
	replace(w.value, grown)
	if bias != nil {
		b := bias.Const.Float32s()
		mean := 0.0
		for _, v := range b {
			mean += float64(v)
		}
		mean /= float64(len(b))
		longer := slices.Clone(b)
		for range starts {
			longer = append(longer, float32(mean))
		}
		shape := slices.Clone(bias.Const.Shape())
		shape[slices.Index(shape, classes)] += len(starts)
		replace(bias, tensor.Of(longer, shape...))
	}
	// Declared shapes from the head on name the old number of classes.
	later := n.order[slices.Index(n.order, n.head):]
	for _, node := range append(slices.Clone(later), n.maker[n.graph.Outputs[0]]) {
		for _, v := range node.Out {
			if v != nil {
				v.Shape = nil
			}
		}
	}
	n.graph.Outputs[0].Shape = []model.Dim{model.Symbol("N"), {Size: after.count}}
	return nil
}

func replace(v *model.Value, t *tensor.Tensor) {
	v.Const, v.Shape = t, model.Fixed(t.Shape()...)
}
