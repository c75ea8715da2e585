package quant_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/quant"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// net builds networks with random weights.
type net struct {
	model.Graph
	rng *rand.Rand
	n   int
}

func newNet(shape ...int) (*net, *model.Value) {
	b := &net{rng: rand.New(rand.NewPCG(7, 8))}
	return b, b.Input("x", tensor.Float32, model.Fixed(shape...)...)
}

func (b *net) name(what string) string {
	b.n++
	return fmt.Sprintf("%s%d", what, b.n)
}

// uniform returns numbers from lo to hi.
func (b *net) uniform(lo, hi float64, shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.Float32, shape...)
	for i := range t.Float32s() {
		t.Float32s()[i] = float32(lo + float64(b.rng.Float64()*(hi-lo)))
	}
	return t
}

func (b *net) constant(lo, hi float64, shape ...int) *model.Value {
	return model.Const(b.name("c"), b.uniform(lo, hi, shape...))
}

func (b *net) add(op layer.Op, in ...*model.Value) *model.Value {
	return b.Add(b.name(strings.ToLower(op.Kind())), op, in...)
}

func (b *net) conv(x *model.Value, in, out, k, groups int) *model.Value {
	r := 1.7 / math.Sqrt(float64(in/groups*k*k))
	p := k / 2
	return b.add(&layer.Conv{Window: layer.Window{Pads: []int{p, p, p, p}}, Groups: groups}, x, b.constant(-r, r, out, in/groups, k, k), b.constant(-0.5, 0.5, out))
}

func (b *net) relu(x *model.Value) *model.Value { return b.add(&layer.Unary{Fn: layer.Relu}, x) }

func run(t *testing.T, g *model.Graph, x *tensor.Tensor, opt model.Options) []float32 {
	t.Helper()
	p, err := model.Compile(g, opt)
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	if err := s.Run(context.Background(), model.Tensors{"x": x}, nil); err != nil {
		t.Fatal(err)
	}
	return s.Output(0).Clone().Floats()
}

// quantise calibrates on random examples, and returns them too.
func (b *net) quantise(t *testing.T, threads int, lo, hi float64) (*model.Graph, quant.Report, []*tensor.Tensor) {
	t.Helper()
	c, err := quant.New(&b.Graph, model.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	rng := *b.rng
	b.rng = rand.New(rand.NewPCG(9, 10))
	defer func() { b.rng = &rng }()
	var examples []*tensor.Tensor
	for range 6 {
		var shape []int
		for _, d := range b.Inputs[0].Shape {
			shape = append(shape, d.Size)
		}
		x := b.uniform(lo, hi, shape...)
		examples = append(examples, x)
		if err := c.Observe(context.Background(), model.Tensors{"x": x}); err != nil {
			t.Fatal(err)
		}
	}
	g, r, err := c.Quantize(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return g, r, examples
}

func kinds(t *testing.T, g *model.Graph) map[string]int {
	t.Helper()
	p, err := model.Compile(g, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, s := range p.Steps() {
		n[s.Op]++
	}
	return n
}

// reread writes a network and reads it again.
func reread(t *testing.T, g *model.Graph) *model.Graph {
	t.Helper()
	b, err := onnx.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	if g, err = onnx.Read(b); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestNoise quantises one convolution of uniform numbers. Each number, each weight and each output is off by an error that is uniform over one step: of
// variances a twelfth of the steps' squares, which add up over the products.
func TestNoise(t *testing.T) {
	b, x := newNet(1, 8, 12, 12)
	b.Output(b.conv(x, 8, 16, 3, 1))
	g, r, examples := b.quantise(t, 1, -1, 1)
	if r.Products != 1 || r.Activations != 2 || len(r.Left) != 0 {
		t.Errorf("%+v", r)
	}
	g = reread(t, g)
	if k := kinds(t, g); k["Conv8"] != 1 {
		t.Errorf("it runs as %v", k)
	}
	var n quant.Noise
	var signal, most float64
	for _, x := range examples {
		want := run(t, &b.Graph, x, model.Options{Plain: true})
		n.Add(want, run(t, g, x, model.Options{}))
		for _, v := range want {
			signal += float64(float64(v) * float64(v) / float64(len(want)*len(examples)))
			most = max(most, math.Abs(float64(v)))
		}
	}
	w := b.Nodes[0].In[1].Const.Float32s()
	var energy float64 // of the weights of one output
	for _, v := range w {
		energy += float64(float64(v) * float64(v) / 16)
	}
	step := 1.7 / math.Sqrt(72) / 127 // at most, of weights
	noise := (2.0/255)*(2.0/255)/12*energy + step*step/12*72/3 + (2*most/255)*(2*most/255)/12
	if got, want := n.Decibels(), 10*math.Log10(signal/noise)-1; got < want {
		t.Errorf("signal to noise is %.1f dB, expected %.1f", got, want)
	}
}

// small is a network with a bit of everything.
func small() *net {
	b, x := newNet(1, 3, 16, 16)
	y := b.conv(x, 3, 16, 3, 1)
	y = b.add(&layer.BatchNorm{Epsilon: 1e-5}, y, b.constant(0.5, 1.5, 16), b.constant(-0.3, 0.3, 16), b.constant(-0.2, 0.2, 16), b.constant(0.1, 0.5, 16))
	y = b.relu(y)
	same := y
	y = b.add(&layer.Unary{Fn: layer.HardSwish}, b.conv(y, 16, 16, 3, 16))
	y = b.conv(y, 16, 16, 1, 1)
	y = b.relu(b.add(&layer.Binary{Fn: layer.Add}, y, same))
	y = b.add(&layer.MaxPool{Window: layer.Window{Kernel: []int{2, 2}, Strides: []int{2, 2}}}, y)
	z := b.conv(y, 16, 8, 1, 1)
	z = b.add(&layer.Binary{Fn: layer.Mul}, z, b.add(&layer.Unary{Fn: layer.Sigmoid}, z)) // SiLU
	y = b.add(&layer.Concat{Axis: 1}, y, z)
	y = b.relu(b.conv(y, 24, 20, 3, 1))
	y = b.add(&layer.GlobalPool{Fn: layer.GlobalAveragePool}, y)
	y = b.add(&layer.Flatten{Axis: 1}, y)
	y = b.add(&layer.MatMul{}, y, b.constant(-0.4, 0.4, 20, 12))
	y = b.relu(b.add(&layer.Binary{Fn: layer.Add}, b.constant(-0.1, 0.1, 12), y))
	y = b.add(&layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, y, b.constant(-0.4, 0.4, 10, 12), b.constant(-0.1, 0.1, 10))
	y = b.add(&layer.Softmax{Axis: 1}, y)
	b.Output(y)
	return b
}

// TestSmall quantises a network, whose file is the same with any number of threads, and whose numbers are those of the plain layers.
func TestSmall(t *testing.T) {
	b := small()
	nodes := len(b.Nodes)
	g, r, examples := b.quantise(t, 1, -1, 1)
	if r.Products != 7 || len(r.Left) != 0 || len(b.Nodes) != nodes {
		t.Errorf("%+v, %d nodes were %d", r, len(b.Nodes), nodes)
	}
	again, _, _ := small().quantise(t, 3, -1, 1)
	one, err := onnx.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	three, err := onnx.Write(again)
	if err != nil || !bytes.Equal(one, three) {
		t.Errorf("with three threads the file is another: %v", err)
	}
	g = reread(t, g)
	k := kinds(t, g)
	if k["Conv8"] != 5 || k["MatMul8"] != 2 || k["Add8"] != 1 || k["Table8"] != 2 || k["Softmax"] != 1 || k["BatchNormalization"] != 0 {
		t.Errorf("it runs as %v", k)
	}
	// The scores are 0.1 on average, and what eight layers of errors of a 255th each make of them is small beside it.
	var n, plain quant.Noise
	for _, x := range examples {
		want := run(t, &b.Graph, x, model.Options{Plain: true})
		n.Add(want, run(t, g, x, model.Options{}))
		plain.Add(want, run(t, g, x, model.Options{Plain: true}))
	}
	if fast, slow := n.Decibels(), plain.Decibels(); fast < 20*math.Log10(255.0/8) || math.Abs(fast-slow) > 3 {
		t.Errorf("signal to noise is %.1f dB, by the plain layers %.1f", fast, slow)
	}
}

// TestShared gives all that goes into a concatenation one scale.
func TestShared(t *testing.T) {
	b, x := newNet(1, 4, 8, 8)
	y := b.add(&layer.Concat{Axis: 1}, b.conv(x, 4, 4, 1, 1), b.add(&layer.Binary{Fn: layer.Mul}, b.conv(x, 4, 4, 1, 1), b.constant(9, 9)))
	b.Output(b.conv(y, 8, 4, 1, 1))
	g, r, _ := b.quantise(t, 1, -1, 1)
	if r.Activations != 3 {
		t.Errorf("%d scales: one of the input, one of the concatenation, one of the output were expected", r.Activations)
	}
	if k := kinds(t, g); k["Conv8"] != 3 || k["Concat"] != 1 || k["QuantizeLinear"] != 1 || k["DequantizeLinear"] != 1 {
		t.Errorf("it runs as %v", k)
	}
}

// TestFold folds what follows a convolution into its weights: nothing of it is left, and the numbers are off by the errors of 8 bits alone.
func TestFold(t *testing.T) {
	b, x := newNet(1, 4, 6, 6)
	y := b.conv(x, 4, 8, 3, 1)
	y = b.add(&layer.Identity{}, y)
	y = b.add(&layer.BatchNorm{Epsilon: 1e-3}, y, b.constant(-2, 2, 8), b.constant(-1, 1, 8), b.constant(-1, 1, 8), b.constant(0.1, 2, 8))
	y = b.add(&layer.Binary{Fn: layer.Mul}, b.constant(0.5, 2, 8, 1, 1), y)
	y = b.add(&layer.Binary{Fn: layer.Sub}, y, b.constant(-1, 1, 1, 8, 1, 1))
	y = b.add(&layer.Binary{Fn: layer.Sub}, b.constant(1, 1), y)
	b.Output(y)
	g, _, examples := b.quantise(t, 1, -1, 1)
	ops := map[string]int{}
	for _, n := range g.Nodes {
		ops[n.Op.Kind()]++
	}
	if len(ops) != 3 || ops["Conv"] != 1 {
		t.Errorf("the network is made of %v", ops)
	}
	var n quant.Noise
	for _, x := range examples {
		n.Add(run(t, &b.Graph, x, model.Options{Plain: true}), run(t, g, x, model.Options{}))
	}
	if n.Decibels() < 20*math.Log10(127.0/3) { // a 127th, three times
		t.Errorf("signal to noise is %.1f dB", n.Decibels())
	}
}

// TestLeft quantises a network that holds what there is no form in 8 bits for.
func TestLeft(t *testing.T) {
	b, x := newNet(1, 4, 8, 8)
	y := b.relu(b.conv(x, 4, 6, 3, 1))
	y = b.add(&layer.ConvTranspose{Window: layer.Window{Kernel: []int{2, 2}, Strides: []int{2, 2}}, Groups: 1}, y, b.constant(-1, 1, 6, 5, 2, 2))
	y = b.add(&layer.Gemm{Alpha: 2, Beta: 1, TransB: true}, b.add(&layer.Flatten{Axis: 1}, y), b.constant(-0.1, 0.1, 3, 5*16*16))
	b.Output(b.add(&layer.Softmax{Axis: 1}, y))
	g, r, _ := b.quantise(t, 1, -1, 1)
	if r.Products != 1 || r.Left["ConvTranspose"] != 1 || r.Left["Gemm"] != 1 || len(r.Left) != 2 {
		t.Errorf("%+v", r)
	}
	for _, n := range g.Nodes {
		switch n.Op.(type) {
		case *layer.ConvTranspose, *layer.Gemm:
			if n.In[1].Const == nil || n.In[1].Const.DType() != tensor.Float32 {
				t.Errorf("%s has other weights", n.Label())
			}
		}
	}
	if out := g.Outputs[0].Name; out != b.Outputs[0].Name || g.Inputs[0].DType != tensor.Float32 {
		t.Errorf("from %v to %q", g.Inputs[0].DType, out)
	}
}

// TestWeightsBehind quantises weights that a file holds in other types.
func TestWeightsBehind(t *testing.T) {
	b, x := newNet(1, 4, 8, 8)
	y := b.conv(x, 4, 6, 3, 1)
	w := b.Nodes[0].In[1].Const
	half := tensor.New(tensor.Float16, w.Shape()...)
	if err := tensor.Convert(half, w, true); err != nil {
		t.Fatal(err)
	}
	b.Nodes[0].In[1] = b.add(&layer.Cast{To: tensor.Float32}, model.Const("half", half))
	v := b.uniform(-1, 1, 5, 6, 1, 1)
	whole, scale := quant.Weights(v, 0)
	b.Output(b.add(&layer.Conv{Groups: 1}, y, b.add(&layer.Dequantize{Axis: 0}, model.Const("whole", whole), model.Const("scale", scale))))
	g, r, _ := b.quantise(t, 1, -1, 1)
	if k := kinds(t, g); r.Products != 2 || k["Conv8"] != 2 {
		t.Errorf("%+v runs as %v", r, k)
	}
	for _, c := range g.Constants() {
		if c.DType == tensor.Float16 || c.Const.Len() == v.Len() && c.DType == tensor.Int8 && !slices.Equal(tensor.Data[int8](c.Const), tensor.Data[int8](whole)) {
			t.Errorf("%q holds %v", c.Name, c.Const)
		}
	}
}

// TestRefused names networks and examples that cannot be quantised.
func TestRefused(t *testing.T) {
	plain, x := newNet(1, 4, 8, 8)
	plain.Output(plain.relu(x))
	done := small()
	g8, _, _ := done.quantise(t, 1, -1, 1)
	for _, c := range []struct {
		g    *model.Graph
		want string
	}{{&plain.Graph, "nothing to quantise"}, {g8, "already"}} {
		if _, err := quant.New(c.g, model.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, expected %q", err, c.want)
		}
	}
	c, err := quant.New(&small().Graph, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Quantize(context.Background()); err == nil || !strings.Contains(err.Error(), "example") {
		t.Errorf("without examples: %v", err)
	}
	bad := tensor.New(tensor.Float32, 1, 3, 16, 16)
	bad.Float32s()[5] = float32(math.NaN())
	if err := c.Observe(context.Background(), model.Tensors{"x": bad}); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("an example with NaN: %v", err)
	}
}

// TestNodeNames writes files in which no two nodes bear one name, as ONNX Runtime asks of them.
func TestNodeNames(t *testing.T) {
	two, x := newNet(1, 12) // weights that are read along both axes
	w := two.constant(-1, 1, 12, 12)
	two.Output(two.add(&layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, two.relu(two.add(&layer.Gemm{Alpha: 1, Beta: 1}, x, w)), w))
	for _, b := range []*net{small(), two} {
		for _, n := range b.Nodes {
			n.Name = n.Out[0].Name
		}
		g, _, _ := b.quantise(t, 1, -1, 1)
		seen := map[string]bool{}
		for _, n := range reread(t, g).Nodes {
			if n.Name == "" || seen[n.Name] {
				t.Errorf("a second node is named %q", n.Name)
			}
			seen[n.Name] = true
		}
	}
}

// TestPowerOfOtherOutputs has an output that decides which ranges are taken, and others beside that hold infinite numbers or classes.
func TestPowerOfOtherOutputs(t *testing.T) {
	for _, what := range []string{"alone", "infinite", "class"} {
		b, x := newNet(1, 1, 256, 256)
		y := b.add(&layer.Conv{Groups: 1}, x, model.Const("w", tensor.Of([]float32{1, 0.5}, 2, 1, 1, 1)), model.Const("b", tensor.Of([]float32{0, -1}, 2)))
		z := b.add(&layer.GlobalPool{Fn: layer.GlobalMaxPool}, b.relu(y))
		b.Output(z)
		switch what {
		case "infinite":
			b.Output(b.add(&layer.Unary{Fn: layer.Log}, b.add(&layer.Unary{Fn: layer.Relu}, x)))
		case "class":
			b.Output(b.add(&layer.ArgReduce{Max: true, Axis: 1}, z))
		}
		c, err := quant.New(&b.Graph, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			u := b.uniform(-1, 1, 1, 1, 256, 256)
			u.Float32s()[77] = 5 // alone reaches the output, and the least squared error cuts it off
			if err := c.Observe(context.Background(), model.Tensors{"x": u}); err != nil {
				t.Fatal(err)
			}
		}
		if _, r, err := c.Quantize(context.Background()); err != nil || r.Power == 2 {
			t.Errorf("%s: power %d, %v", what, r.Power, err)
		}
	}
}

// TestOddNetworks quantises what is easily taken for something else, and asks that the network is still that.
func TestOddNetworks(t *testing.T) {
	for name, f := range map[string]func() *net{
		"a bias for each row": func() *net {
			b, x := newNet(4, 4)
			b.Output(b.add(&layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, b.relu(b.add(&layer.MatMul{}, x, b.constant(-1, 1, 4, 4))), b.constant(-1, 1, 4, 4),
				model.Const("c", tensor.Of([]float32{-30, 10, 20, 50}, 4, 1))))
			return b
		},
		"a bound that is computed": func() *net {
			b, x := newNet(1, 4, 8, 8)
			y := b.conv(x, 4, 4, 1, 1)
			most := b.add(&layer.Gather{Axis: 1}, b.add(&layer.GlobalPool{Fn: layer.GlobalMaxPool}, x), model.Const("i", tensor.Scalar(int64(0))))
			most = b.add(&layer.Reshape{}, most, model.Const("s", tensor.New(tensor.Int64, 0)))
			b.Output(b.conv(b.add(&layer.Unary{Fn: layer.Sigmoid}, b.add(&layer.Clip{}, y, nil, most)), 4, 4, 1, 1))
			return b
		},
	} {
		b := f()
		g, _, examples := b.quantise(t, 1, -1, 1)
		var n quant.Noise
		for _, x := range examples {
			n.Add(run(t, &b.Graph, x, model.Options{Plain: true}), run(t, g, x, model.Options{}))
		}
		if n.Decibels() < 20 {
			t.Errorf("%s: %.1f dB", name, n.Decibels())
		}
	}
}

// TestNormalisations: one that is written out stays whole.
func TestNormalisations(t *testing.T) {
	b, x := newNet(2, 8, 16)
	y := b.add(&layer.MatMul{}, x, b.constant(-1, 1, 16, 16))
	mean := func(v *model.Value) *model.Value {
		return b.add(&layer.Reduce{Fn: layer.ReduceMean, KeepDims: true}, v, model.Const(b.name("axes"), tensor.Of([]int64{-1})))
	}
	d := b.add(&layer.Binary{Fn: layer.Sub}, y, mean(y))
	power := b.add(&layer.Binary{Fn: layer.Add}, mean(b.add(&layer.Binary{Fn: layer.Mul}, d, d)), model.Const("e", tensor.Scalar(float32(1e-5))))
	y = b.add(&layer.Binary{Fn: layer.Div}, d, b.add(&layer.Unary{Fn: layer.Sqrt}, power))
	y = b.add(&layer.Binary{Fn: layer.Add}, b.add(&layer.Binary{Fn: layer.Mul}, y, b.constant(0.5, 1.5, 16)), b.constant(-1, 1, 16))
	b.Output(b.add(&layer.MatMul{}, y, b.constant(-1, 1, 16, 16)))
	if k := kinds(t, &b.Graph); k["LayerNormalization"] != 1 {
		t.Fatalf("%v", k)
	}
	g, _, _ := b.quantise(t, 1, -1, 1)
	if k := kinds(t, g); k["LayerNormalization"] != 1 || k["MatMul8"] != 2 || k["Sub8"] != 0 {
		t.Errorf("%v", k)
	}
}
