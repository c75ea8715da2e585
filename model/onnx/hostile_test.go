package onnx

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// file assembles a model file: nodes, constants, inputs and outputs as encoded messages.
type file struct {
	nodes, constants, inputs, outputs, functions [][]byte
	opset                                        int64
}

func (f file) bytes() []byte {
	var g, m message
	g.bytes(1, nil, f.nodes...)
	g.bytes(5, nil, f.constants...)
	g.bytes(11, nil, f.inputs...)
	g.bytes(12, nil, f.outputs...)
	m.int(1, 8)
	m.bytes(7, g)
	v := f.opset
	if v == 0 {
		v = 17
	}
	m.bytes(8, opset("", v))
	m.bytes(8, opset("f", 1))
	m.bytes(25, nil, f.functions...)
	return m
}

func list(s ...string) []string { return s }

func floatInput(name string, dims ...int) []byte {
	return valueInfo(name, tensor.Float32, model.Fixed(dims...))
}

func output(name string) []byte { return valueInfo(name, tensor.Float32, nil) }

func int64Const(name string, v ...int64) []byte {
	return tensorProto(name, tensor.Of(v, len(v)))
}

// claims is a TensorProto that says to have these dimensions and holds only a few bytes.
func claims(name string, d tensor.DType, raw []byte, dims ...int64) []byte {
	var m message
	for _, n := range dims {
		m.int(1, n)
	}
	m.int(2, int64(d))
	m.text(8, name)
	m.bytes(9, raw)
	return m
}

// laughs is a function that calls the next one ten times.
func laughs(i int) []byte {
	var m message
	m.text(1, fmt.Sprintf("f%d", i))
	m.text(4, "x")
	m.text(5, "y")
	in := "x"
	for k := range 10 {
		out := fmt.Sprintf("t%d", k)
		if k == 9 {
			out = "y"
		}
		m.bytes(7, nodeMessage(fmt.Sprintf("f%d", i+1), "f", fmt.Sprintf("n%d", k), list(in), list(out)))
		in = out
	}
	m.bytes(9, opset("", 17))
	m.bytes(9, opset("f", 1))
	m.text(10, "f")
	return m
}

func one(op string, in []string, attrs ...[]byte) [][]byte {
	return [][]byte{nodeMessage(op, "", "bad", in, list("y"), attrs...)}
}

// hostile are files that must be refused, with what the error must mention.
func hostile() map[string]struct {
	b    []byte
	says string
} {
	type h = struct {
		b    []byte
		says string
	}
	x := [][]byte{floatInput("x", 1, 4, 8, 8)}
	y := [][]byte{output("y")}
	huge := int64(1) << 40
	deep := file{inputs: x, outputs: y, nodes: [][]byte{nodeMessage("f0", "f", "bad", list("x"), list("y"))}}
	for i := range 30 {
		deep.functions = append(deep.functions, laughs(i))
	}
	self := laughs(0)
	self = []byte(strings.ReplaceAll(string(self), "f1", "f0"))
	cases := map[string]h{
		"cycle": {file{inputs: x, outputs: y, nodes: [][]byte{
			nodeMessage("Add", "", "first", list("x", "b"), list("a")), nodeMessage("Relu", "", "second", list("a"), list("b")),
			nodeMessage("Relu", "", "third", list("a"), list("y"))}}.bytes(), `"`},
		"self":                 {file{inputs: x, outputs: y, nodes: one("Add", list("x", "y"))}.bytes(), `"bad"`},
		"two sources":          {file{inputs: x, outputs: y, nodes: append(one("Relu", list("x")), one("Abs", list("x"))...)}.bytes(), `"bad"`},
		"missing initializer":  {file{inputs: x, outputs: y, nodes: one("Conv", list("x", "w"))}.bytes(), `"bad"`},
		"missing output":       {file{inputs: x, outputs: [][]byte{output("z")}, nodes: one("Relu", list("x"))}.bytes(), `"z"`},
		"function calls self":  {file{inputs: x, outputs: y, nodes: [][]byte{nodeMessage("f0", "f", "bad", list("x"), list("y"))}, functions: [][]byte{self}}.bytes(), `"bad"`},
		"functions multiply":   {deep.bytes(), `"bad"`},
		"huge initializer":     {file{inputs: x, outputs: y, constants: [][]byte{claims("w", tensor.Float32, []byte{1, 2, 3, 4}, huge, huge)}, nodes: one("Mul", list("x", "w"))}.bytes(), `"w"`},
		"overflowing dims":     {file{inputs: x, outputs: y, constants: [][]byte{claims("w", tensor.Float32, nil, 1<<32, 1<<32)}, nodes: one("Mul", list("x", "w"))}.bytes(), `"w"`},
		"negative dim":         {file{inputs: x, outputs: y, constants: [][]byte{claims("w", tensor.Float32, nil, -4)}, nodes: one("Mul", list("x", "w"))}.bytes(), `"w"`},
		"short initializer":    {file{inputs: x, outputs: y, constants: [][]byte{claims("w", tensor.Float32, make([]byte, 12), 4)}, nodes: one("Mul", list("x", "w"))}.bytes(), `"w"`},
		"type of no tensor":    {file{inputs: x, outputs: y, constants: [][]byte{claims("w", 99, make([]byte, 4), 1)}, nodes: one("Mul", list("x", "w"))}.bytes(), `"w"`},
		"huge input":           {file{inputs: [][]byte{floatInput("x", 1<<20, 1<<20, 1<<10)}, outputs: y, nodes: one("Relu", list("x"))}.bytes(), `"x"`},
		"huge ConstantOfShape": {file{inputs: x, outputs: y, constants: [][]byte{int64Const("s", 1<<20, 1<<20)}, nodes: one("ConstantOfShape", list("s"))}.bytes(), `"bad"`},
		"huge Expand":          {file{inputs: x, outputs: y, constants: [][]byte{int64Const("s", huge, 4, 8, 8)}, nodes: one("Expand", list("x", "s"))}.bytes(), `"bad"`},
		"huge Tile":            {file{inputs: x, outputs: y, constants: [][]byte{int64Const("s", huge, huge, 1, 1)}, nodes: one("Tile", list("x", "s"))}.bytes(), `"bad"`},
		"huge Pad":             {file{inputs: x, outputs: y, constants: [][]byte{int64Const("s", 0, 0, huge, huge, 0, 0, 0, 0)}, nodes: one("Pad", list("x", "s"))}.bytes(), `"bad"`},
		"huge Resize": {file{inputs: x, outputs: y, constants: [][]byte{tensorProto("s", tensor.Of([]float32{1, 1, 1e9, 1e9}))},
			nodes: one("Resize", list("x", "", "s"))}.bytes(), `"bad"`},
		"huge Range": {file{inputs: x, outputs: y, constants: [][]byte{tensorProto("a", tensor.Scalar(int64(0))), tensorProto("b", tensor.Scalar(int64(math.MaxInt64))),
			tensorProto("c", tensor.Scalar(int64(1)))}, nodes: one("Range", list("a", "b", "c"))}.bytes(), `"bad"`},
		"huge HannWindow": {file{inputs: x, outputs: y, constants: [][]byte{int64Const("n", 1<<31)}, nodes: one("HannWindow", list("n"), attrInt("output_datatype", 3))}.bytes(), `"bad"`},
		"huge DFT":        {file{inputs: x, outputs: y, constants: [][]byte{int64Const("n", 1<<30), tensorProto("z", tensor.New(tensor.Float32, 1, 1, 1))}, nodes: one("DFT", list("z", "n"))}.bytes(), `"bad"`},
		"huge OneHot": {file{inputs: x, outputs: y, constants: [][]byte{int64Const("i", 1), int64Const("d", 1<<39), tensorProto("v", tensor.Of([]float32{0, 1}))},
			nodes: one("OneHot", list("i", "d", "v"))}.bytes(), `"bad"`},
		"huge Conv pads": {file{inputs: x, outputs: y, constants: [][]byte{tensorProto("w", tensor.New(tensor.Float32, 4, 4, 1, 1))},
			nodes: one("Conv", list("x", "w"), attrInts("pads", []int{1 << 30, 1 << 30, 1 << 30, 1 << 30}))}.bytes(), `"bad"`},
		"Conv stride 0": {file{inputs: x, outputs: y, constants: [][]byte{tensorProto("w", tensor.New(tensor.Float32, 4, 4, 1, 1))},
			nodes: one("Conv", list("x", "w"), attrInts("strides", []int{0, 1}))}.bytes(), `"bad"`},
		"Conv groups": {file{inputs: x, outputs: y, constants: [][]byte{tensorProto("w", tensor.New(tensor.Float32, 4, 4, 1, 1))},
			nodes: one("Conv", list("x", "w"), attrInt("group", 3))}.bytes(), `"bad"`},
		"Conv of integers": {file{inputs: [][]byte{valueInfo("x", tensor.Int64, model.Fixed(1, 4, 8, 8))}, outputs: y,
			constants: [][]byte{tensorProto("w", tensor.New(tensor.Float32, 4, 4, 1, 1))}, nodes: one("Conv", list("x", "w"))}.bytes(), `"bad"`},
		"Reshape to less":     {file{inputs: x, outputs: y, constants: [][]byte{int64Const("s", 3, -1)}, nodes: one("Reshape", list("x", "s"))}.bytes(), `"bad"`},
		"Reshape overflow":    {file{inputs: x, outputs: y, constants: [][]byte{int64Const("s", huge, huge)}, nodes: one("Reshape", list("x", "s"))}.bytes(), `"bad"`},
		"Transpose twice":     {file{inputs: x, outputs: y, nodes: one("Transpose", list("x"), attrInts("perm", []int{0, 1, 1, 3}))}.bytes(), `"bad"`},
		"unknown attribute":   {file{inputs: x, outputs: y, nodes: one("Relu", list("x"), attrInt("colour", 3))}.bytes(), `"bad"`},
		"wrong attribute":     {file{inputs: x, outputs: y, nodes: one("LRN", list("x"), attrFloat("size", 3))}.bytes(), `"bad"`},
		"too few inputs":      {file{inputs: x, outputs: y, nodes: one("Conv", list("x"))}.bytes(), `"bad"`},
		"no input":            {file{inputs: x, outputs: y, nodes: one("Conv", nil)}.bytes(), `"bad"`},
		"gather out of range": {file{outputs: y, constants: [][]byte{int64Const("i", 7), tensorProto("v", tensor.Of([]float32{0, 1}))}, nodes: one("Gather", list("v", "i"))}.bytes(), `"bad"`},
		"external data":       {file{inputs: x, outputs: y, constants: [][]byte{external("w", "../secret", 0)}, nodes: one("Mul", list("x", "w"))}.bytes(), `"w"`},
		"opset of the future": {file{inputs: x, outputs: y, nodes: one("Relu", list("x")), opset: 9999}.bytes(), "9999"},
		"no graph":            {[]byte{8, 7}, "no graph"},
		"empty":               {nil, "no graph"},
		"text":                {[]byte("<html>not found</html>"), "no ONNX model"},
	}
	return cases
}

// external is a TensorProto of four floats in another file.
func external(name, path string, offset int) []byte {
	m := message(claims(name, tensor.Float32, nil, 4))
	for _, kv := range [][2]string{{"location", path}, {"offset", fmt.Sprint(offset)}, {"length", "16"}} {
		var e message
		e.text(1, kv[0])
		e.text(2, kv[1])
		m.bytes(13, e)
	}
	m.int(14, 1)
	return m
}

// load reads and compiles; what it takes beyond the file is returned.
func load(b []byte) (taken uint64, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	g, err := Read(b)
	if err == nil {
		_, err = model.Compile(g, model.Options{})
	}
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, err
}

func TestHostileFiles(t *testing.T) {
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			taken, err := load(c.b)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error does not mention %s: %v", c.says, err)
			}
			if taken > 64<<20 {
				t.Errorf("%d bytes taken for a file of %d", taken, len(c.b))
			}
		})
	}
}

// TestOperatorsWithoutTheirInputs reads every operator of every few opsets with fewer and more inputs and outputs than it has, and with inputs of all
// kinds of shapes, and runs what compiles. What cannot be is an error that names the node.
func TestOperatorsWithoutTheirInputs(t *testing.T) {
	read, refused := 0, 0
	try := func(op, domain string, version int64, x []int, in, out []string, attrs ...[]byte) {
		f := file{inputs: [][]byte{floatInput("x", x...), valueInfo("i", tensor.Int64, model.Fixed(2)), valueInfo("b", tensor.Bool, model.Fixed())}, outputs: [][]byte{output("y")},
			nodes: [][]byte{nodeMessage(op, domain, "bad", in, out, attrs...)}, opset: version}
		g, err := Read(f.bytes())
		for _, plain := range []bool{true, false} {
			var p *model.Program
			if err == nil {
				p, err = model.Compile(g, model.Options{MaxBytes: 1 << 24, Plain: plain})
			}
			if err != nil {
				break
			}
			in := model.Tensors{"i": tensor.Of([]int64{1, 0}, 2), "b": tensor.New(tensor.Bool), "x": tensor.New(tensor.Float32, x...)}
			for i := range in["x"].Float32s() {
				in["x"].Float32s()[i] = float32(i%5) - 2
			}
			read++
			err = p.NewSession().Run(context.Background(), in, nil)
		}
		if err == nil {
			return
		}
		if refused++; !strings.Contains(err.Error(), `"bad`) && !strings.Contains(err.Error(), `"y"`) {
			t.Errorf("%s of opset %d, %q of %v to %q: %v", op, version, in, x, out, err)
		}
	}
	for domain, table := range map[string]map[string]builder{"": operators, Domain: own, "com.microsoft": microsoft} {
		for op := range table {
			for _, in := range [][]string{nil, {""}, {"x"}, {"", "x"}, {"i", ""}, {"x", "x"}, {"x", "i"}, {"x", "", "x"}, {"b", "x", "i"}, {"x", "x", "x", "x"}, {"x", "i", "i", "i", "i", "i", "i", "i", "i"}} {
				for _, version := range []int64{1, 6, 8, 10, 12, 17, 20, newestOpset} {
					for _, out := range [][]string{{"y"}, {"", "y"}, {"y", "z", "z2", "z3"}} {
						try(op, domain, version, []int{1, 2, 4, 4}, in, out)
						try(op, domain, version, []int{1, 2, 4, 4}, in, out, attrInts("kernel_shape", []int{2, 2}))
						try(op, domain, version, []int{2, 2, 3}, in, out, attrInt("axis", 0))
					}
				}
				for _, x := range [][]int{{}, {3}, {0}, {2, 3}, {2, 0, 3}, {0, 2, 4, 4}, {1, 2, 0, 4}, {1, 2, 3, 3, 3}, {1, 1, 1, 1, 1, 1}} {
					try(op, domain, 17, x, in, []string{"y"})
				}
			}
		}
	}
	// These need a number of heads before they look at anything else.
	for _, o := range []struct {
		op, domain string
		attrs      [][]byte
	}{
		{"Attention", "", [][]byte{attrInt("q_num_heads", 2), attrInt("kv_num_heads", 1), attrInt("is_causal", 1)}},
		{"RotaryEmbedding", "", [][]byte{attrInt("num_heads", 2), attrInt("rotary_embedding_dim", 2)}},
		{"Attention", "com.microsoft", [][]byte{attrInt("num_heads", 2), attrInt("unidirectional", 1)}},
		{"MultiHeadAttention", "com.microsoft", [][]byte{attrInt("num_heads", 2)}},
		{"FusedMatMul", "com.microsoft", [][]byte{attrInt("transA", 1), attrInt("transB", 1)}},
		{"NhwcMaxPool", "com.microsoft", [][]byte{attrInts("kernel_shape", make([]int, tensor.MaxRank))}},
	} {
		for _, x := range [][]int{{}, {2}, {0, 4}, {4, 4}, {1, 4, 4}, {2, 0, 4}, {0, 2, 3, 4}, {1, 2, 4, 4}, {1, 2, 4, 4, 1}} {
			for _, in := range [][]string{{"x"}, {"x", "x", "x"}, {"x", "x", "x", "x"}, {"x", "x", "x", "b"}, {"x", "x", "x", "", "i"}, {"x", "x", "x", "", "x", "x"}, {"x", "x", "x", "x", "x", "x", "x", "x"},
				{"x", "x", "x", "", "", "", "i"}, {"x", "i", "x", "x"}, {"i", "x", "i", "b"}} {
				for _, out := range [][]string{{"y"}, {"", "y"}, {"y", "z", "z2", "z3"}, {"y", "z", "z2", "z3", "z4"}} {
					try(o.op, o.domain, newestOpset, x, in, out, o.attrs...)
				}
			}
		}
	}
	if read < 1000 || refused < 10000 {
		t.Errorf("%d were read and %d refused", read, refused)
	}
}

// TestManySmallThings fills a file with as many tiny nodes, names and dimensions as fit: memory must stay bounded.
func TestManySmallThings(t *testing.T) {
	fills := map[string]func(m *message, i int){
		"nodes":        func(m *message, i int) { m.bytes(1, []byte{}) },
		"named nodes":  func(m *message, i int) { m.bytes(1, nodeMessage("Relu", "", "", list("x"), list(fmt.Sprint(i)))) },
		"inputs":       func(m *message, i int) { m.bytes(11, valueInfo(fmt.Sprint(i), tensor.Float32, model.Fixed(1))) },
		"initializers": func(m *message, i int) { m.bytes(5, tensorProto(fmt.Sprint(i), tensor.Of([]float32{1}))) },
		"outputs":      func(m *message, i int) { m.bytes(12, []byte{}) },
	}
	for name, f := range fills {
		t.Run(name, func(t *testing.T) {
			var g, m message
			for i := range 300000 {
				f(&g, i)
			}
			m.bytes(7, g)
			m.bytes(8, opset("", 17))
			taken, err := load(m)
			if err == nil {
				t.Error("accepted")
			}
			if taken > 64<<20 {
				t.Errorf("%d bytes taken for a file of %d: %v", taken, len(m), err)
			}
		})
	}
	t.Run("operators that are taken apart", func(t *testing.T) {
		f := file{inputs: [][]byte{floatInput("x", 1, 2, 2)}, outputs: [][]byte{output("0")}}
		for i := range 5000 {
			f.nodes = append(f.nodes, nodeMessage("MultiHeadAttention", "com.microsoft", "", list("x", "x", "x"), list(fmt.Sprint(i)), attrInt("num_heads", 1)))
		}
		if taken, err := load(f.bytes()); err == nil || !strings.Contains(err.Error(), "nodes") || taken > 64<<20 {
			t.Errorf("%d bytes taken: %v", taken, err)
		}
	})
	t.Run("strings in a node", func(t *testing.T) {
		var n message
		for range 5 << 20 {
			n = protowire.AppendString(protowire.AppendTag(n, 1, protowire.BytesType), "")
		}
		taken, err := load(file{nodes: [][]byte{n}}.bytes())
		if err == nil || taken > 64<<20 {
			t.Errorf("%d bytes taken for a file of %d: %v", taken, len(n), err)
		}
	})
}

// small is a network with most kinds of things that a file may hold.
func small() []byte {
	g := &model.Graph{Name: "small", Meta: map[string]string{"k": "v"}}
	x := g.Input("x", tensor.Float32, model.Symbol("N"), model.Dim{Size: 3}, model.Dim{Size: 9}, model.Dim{Size: 9})
	weights := func(name string, shape ...int) *model.Value {
		t := tensor.New(tensor.Float32, shape...)
		for i, f := 0, t.Float32s(); i < len(f); i++ {
			f[i] = float32(i%7-3) / 8
		}
		return model.Const(name, t)
	}
	c := g.Add("conv", &layer.Conv{Window: layer.Window{Pads: []int{1, 1, 1, 1}, Strides: []int{2, 2}}, Groups: 1}, x, weights("w", 8, 3, 3, 3), weights("b", 8))
	r := g.Add("relu", &layer.Unary{Fn: layer.Relu}, c)
	d := g.Add("depthwise", &layer.Conv{Window: layer.Window{Pads: []int{1, 1, 1, 1}}, Groups: 8}, r, weights("dw", 8, 1, 3, 3))
	a := g.Add("add", &layer.Binary{Fn: layer.Add}, d, r)
	p := g.Add("pool", &layer.MaxPool{Window: layer.Window{Kernel: []int{2, 2}, Strides: []int{2, 2}, Ceil: true}}, a)
	up := g.Add("up", &layer.Resize{Mode: "linear", Coordinates: "half_pixel", Nearest: "floor"}, p, nil, model.Const("scales", tensor.Of([]float32{1, 1, 2, 2})))
	s := g.Add("shape", &layer.Shape{Start: 0, End: 1}, up)
	cat := g.Add("cat", &layer.Concat{}, s, model.Const("rest", tensor.Of([]int64{-1})))
	flat := g.Add("flat", &layer.Reshape{}, up, cat)
	fc := g.Add("fc", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, flat, weights("fw", 5, 288), weights("fb", 5))
	soft := g.Add("soft", &layer.Softmax{Axis: -1}, fc)
	lcn := g.Add("lcn", &layer.LCN{Size: 3, Sigma: 1, Floor: 1}, x)
	g.Output(soft, lcn)
	soft.DType, lcn.DType = tensor.Float32, tensor.Float32
	b, err := Write(g)
	if err != nil {
		panic(err)
	}
	return b
}

// try reads, compiles and, where it is small, runs a file; only a panic is a failure.
func try(b []byte) {
	g, err := Read(b)
	if err != nil {
		return
	}
	p, err := model.Compile(g, model.Options{MaxBytes: 1 << 22})
	if err != nil {
		return
	}
	if z := p.Size(); z.Work > 1<<20 || z.Steps > 100 {
		return
	}
	in := model.Tensors{}
	for _, port := range p.Inputs() {
		in[port.Name] = tensor.New(port.DType, port.Shape...)
	}
	_ = p.NewSession().Run(context.Background(), in, nil)
}

func TestDamagedFiles(t *testing.T) {
	b := small()
	if _, err := Read(b); err != nil {
		t.Fatal(err)
	}
	for n := range len(b) {
		if n > 600 && n%37 != 0 {
			continue
		}
		if _, err := Read(b[:n]); err == nil && n < len(b)/2 {
			t.Errorf("the first %d of %d bytes were accepted", n, len(b))
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		c := append([]byte{}, b...)
		for range 1 + rng.IntN(3) {
			c[rng.IntN(len(c))] ^= 1 << rng.IntN(8)
		}
		try(c)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(small())
	f.Add(file{inputs: [][]byte{floatInput("x", 1, 2, 3)}, outputs: [][]byte{output("y")}, constants: [][]byte{tensorProto("s", tensor.Scalar(float32(1))), tensorProto("z", tensor.Scalar(uint8(0)))},
		nodes: [][]byte{nodeMessage("QuantizeLinear", "", "q", list("x", "s", "z"), list("q")), nodeMessage("QLinearAdd", "com.microsoft", "a", list("q", "s", "z", "q", "s", "z", "s", "z"), list("a")),
			nodeMessage("QLinearConcat", "com.microsoft", "c", list("s", "z", "a", "s", "z", "q", "s", "z"), list("c"), attrInt("axis", 1)),
			nodeMessage("QLinearSigmoid", "com.microsoft", "g", list("c", "s", "z", "s", "z"), list("g")), nodeMessage("DequantizeLinear", "", "d", list("g", "s", "z"), list("y"))}}.bytes())
	for _, c := range hostile() {
		if len(c.b) < 1<<12 {
			f.Add(c.b)
		}
	}
	for _, c := range branching {
		f.Add(file{inputs: [][]byte{floatInput("x", 1, 3)}, outputs: [][]byte{output("y")}, nodes: c.nodes, constants: c.constants}.bytes())
	}
	weights := func(name string, shape ...int) []byte { return tensorProto(name, tensor.New(tensor.Float32, shape...)) }
	f.Add(file{inputs: [][]byte{floatInput("x", 2, 1, 3)}, outputs: [][]byte{output("y")}, constants: [][]byte{weights("w", 1, 8, 3), weights("r", 1, 8, 2), weights("b", 1, 16)},
		nodes: [][]byte{nodeMessage("LSTM", "", "l", list("x", "w", "r", "b"), list("h"), attrInt("hidden_size", 2)), nodeMessage("Einsum", "", "e", list("h", "h"), list("y"), attrText("equation", "abcd,abce->abde"))}}.bytes())
	const ms = "com.microsoft"
	f.Add(file{inputs: [][]byte{floatInput("x", 1, 2, 4)}, outputs: [][]byte{output("y")}, constants: [][]byte{weights("t", 2, 1), int64Const("p", 0), weights("w", 4, 12), weights("g", 4)}, opset: 24,
		nodes: [][]byte{nodeMessage("RotaryEmbedding", ms, "r", list("x", "p", "t", "t"), list("r")), nodeMessage("Attention", "", "a", list("r", "x", "x"), list("a", "k", "v", "q"), attrInt("q_num_heads", 2), attrInt("kv_num_heads", 2)),
			nodeMessage("SkipLayerNormalization", ms, "s", list("a", "x", "g"), list("s", "", "", "m")), nodeMessage("FusedMatMul", ms, "f", list("s", "m"), list("f"), attrInt("transB", 1), attrFloat("alpha", 2)),
			nodeMessage("Attention", ms, "h", list("s", "w", "", "", "", "f"), list("h"), attrInt("num_heads", 1), attrInt("unidirectional", 1)), nodeMessage("RotaryEmbedding", "", "o", list("h", "f", "f"), list("y"), attrInt("num_heads", 1), attrInt("interleaved", 1))}}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) { try(b) })
}

func TestExternalData(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "net")
	if err := os.Mkdir(inside, 0o777); err != nil {
		t.Fatal(err)
	}
	want := tensor.Of([]float32{1, 2, 3, 4})
	write := func(path string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(inside, "weights.bin"), append(make([]byte, 8), want.Raw()...))
	write(filepath.Join(dir, "secret"), want.Raw())
	if err := os.Symlink(filepath.Join(dir, "secret"), filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	read := func(location string, offset int) (*model.Graph, error) {
		path := filepath.Join(inside, "m.onnx")
		write(path, file{inputs: [][]byte{floatInput("x", 4)}, outputs: [][]byte{output("y")},
			constants: [][]byte{external("w", location, offset)}, nodes: one("Mul", list("x", "w"))}.bytes())
		return ReadFile(path)
	}
	g, err := read("weights.bin", 8)
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Constants()[0].Const.Float32s(); got[0] != 1 || got[3] != 4 {
		t.Errorf("read %v", got)
	}
	for _, c := range []struct {
		location string
		offset   int
	}{{"weights.bin", 9}, {"weights.bin", -1}, {"../secret", 0}, {filepath.Join(dir, "secret"), 0}, {"link", 0}, {".", 0}, {"absent", 0}} {
		if _, err := read(c.location, c.offset); err == nil || !strings.Contains(err.Error(), `"w"`) {
			t.Errorf("%q at %d: %v", c.location, c.offset, err)
		}
	}
}
