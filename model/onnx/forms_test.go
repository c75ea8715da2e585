package onnx

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// answer runs a file whose inputs all have fixed shapes.
func answer(t *testing.T, b []byte, in model.Tensors) model.Tensors {
	t.Helper()
	out, err := attempt(b, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// attempt is answer for a file that may be refused.
func attempt(b []byte, in model.Tensors) (model.Tensors, error) {
	g, err := Read(b)
	if err != nil {
		return nil, err
	}
	p, err := model.Compile(g, model.Options{})
	if err != nil {
		return nil, err
	}
	out := model.Tensors{}
	return out, p.NewSession().Run(context.Background(), in, out)
}

// TestEveryOpsetsForm reads operators as older and newer opsets write them. x is 1 2 3 / 4 5 6.
func TestEveryOpsetsForm(t *testing.T) {
	fl := func(name string, shape []int, v ...float32) []byte { return tensorProto(name, tensor.Of(v, shape...)) }
	ints := func(v ...int) []int { return v }
	floats := func(name string, v ...float32) []byte {
		m := attribute(name, kindFloats)
		for _, x := range v {
			m = protowire.AppendFixed32(protowire.AppendTag(m, 7, protowire.Fixed32Type), math.Float32bits(x))
		}
		return m
	}
	type form struct {
		name      string
		opset     int64
		nodes     [][]byte
		constants [][]byte
		want      []float32
	}
	for _, c := range []form{
		{"squeeze, axes as attribute", 11, append(one("Squeeze", list("u"), attrInts("axes", ints(0))), nodeMessage("Unsqueeze", "", "u", list("x"), list("u"), attrInts("axes", ints(0)))),
			nil, []float32{1, 2, 3, 4, 5, 6}},
		{"sum over an attribute's axes", 11, one("ReduceSum", list("x"), attrInts("axes", ints(0)), attrInt("keepdims", 0)), nil, []float32{5, 7, 9}},
		{"sum over an input's axes", 13, one("ReduceSum", list("x", "a")), [][]byte{int64Const("a", 1)}, []float32{6, 15}},
		{"mean over an attribute's axes", 13, one("ReduceMean", list("x"), attrInts("axes", ints(1))), nil, []float32{2, 5}},
		{"mean over an input's axes", 18, one("ReduceMean", list("x", "a")), [][]byte{int64Const("a", 1)}, []float32{2, 5}},
		{"clip, bounds as attributes", 6, one("Clip", list("x"), attrFloat("min", 2), attrFloat("max", 5)), nil, []float32{2, 2, 3, 4, 5, 5}},
		{"clip, bounds as inputs", 13, one("Clip", list("x", "", "hi")), [][]byte{fl("hi", nil, 3)}, []float32{1, 2, 3, 3, 3, 3}},
		{"slice, attributes", 9, one("Slice", list("x"), attrInts("starts", ints(1)), attrInts("ends", ints(9)), attrInts("axes", ints(1))), nil, []float32{2, 3, 5, 6}},
		{"slice, inputs", 10, one("Slice", list("x", "s", "e", "a")), [][]byte{int64Const("s", 1), int64Const("e", 9), int64Const("a", 1)}, []float32{2, 3, 5, 6}},
		{"pad, attributes", 2, one("Pad", list("x"), attrInts("pads", ints(0, 1, 0, 0)), attrFloat("value", 9)), nil, []float32{9, 1, 2, 3, 9, 4, 5, 6}},
		{"pad, the first name", 1, one("Pad", list("x"), attrInts("paddings", ints(0, 1, 0, 0))), nil, []float32{0, 1, 2, 3, 0, 4, 5, 6}},
		{"pad, axes", 18, one("Pad", list("x", "p", "", "a")), [][]byte{int64Const("p", 1, 0), int64Const("a", 1)}, []float32{0, 1, 2, 3, 0, 4, 5, 6}},
		{"reshape, attribute", 1, one("Reshape", list("x"), attrInts("shape", ints(3, 2))), nil, []float32{1, 2, 3, 4, 5, 6}},
		{"split, attribute", 11, [][]byte{nodeMessage("Split", "", "bad", list("x"), list("", "y"), attrInt("axis", 1), attrInts("split", ints(1, 2)))}, nil, []float32{2, 3, 5, 6}},
		{"split, number of outputs", 18, [][]byte{nodeMessage("Split", "", "bad", list("x"), list("", "y"), attrInt("axis", 1), attrInt("num_outputs", 2))}, nil, []float32{3, 6}},
		{"top k, attribute", 9, one("TopK", list("x"), attrInt("k", 1)), nil, []float32{3, 6}},
		{"softmax over joined dimensions", 11, one("Softmax", list("z"), attrInt("axis", 0)), [][]byte{fl("z", ints(2, 2), 1, 1, 1, 1)}, []float32{.25, .25, .25, .25}},
		{"softmax over one", 13, one("Softmax", list("z"), attrInt("axis", 0)), [][]byte{fl("z", ints(2, 2), 1, 1, 1, 1)}, []float32{.5, .5, .5, .5}},
		{"hardmax over joined dimensions", 11, one("Hardmax", list("x"), attrInt("axis", 0)), nil, []float32{0, 0, 0, 0, 0, 1}},
		{"hardmax over the last", 13, one("Hardmax", list("x")), nil, []float32{0, 0, 1, 0, 0, 1}},
		{"shrink", 9, one("Shrink", list("x"), attrFloat("lambd", 2), attrFloat("bias", 1)), nil, []float32{0, 0, 2, 3, 4, 5}},
		{"rms norm", 23, one("RMSNormalization", list("z", "s"), attrInt("axis", 0), attrFloat("epsilon", 0)), [][]byte{fl("z", ints(2), 1, 7), fl("s", ints(1), 5)}, []float32{1, 7}},
		{"unpool", 9, one("MaxUnpool", list("z", "p"), attrInts("kernel_shape", ints(2)), attrInts("strides", ints(2))),
			[][]byte{fl("z", ints(1, 1, 2), 8, 9), tensorProto("p", tensor.Of([]int64{1, 2}, 1, 1, 2))}, []float32{0, 8, 9, 0}},
		{"unpool to a shape", 22, one("MaxUnpool", list("z", "p", "s"), attrInts("kernel_shape", ints(2)), attrInts("pads", ints(0, 1))),
			[][]byte{fl("z", ints(1, 1, 2), 8, 9), tensorProto("p", tensor.Of([]int64{1, 0}, 1, 1, 2)), int64Const("s", 1, 1, 3)}, []float32{9, 8, 0}},
		{"deformable conv", 19, one("DeformConv", list("z", "w", "o", "", "m"), attrInts("kernel_shape", ints(1, 1)), attrInts("pads", ints(0, 0, 0, 1)), attrInt("offset_group", 2)),
			[][]byte{fl("z", ints(1, 2, 1, 1), 8, 4), fl("w", ints(1, 2, 1, 1), 1, 1),
				fl("o", ints(1, 4, 1, 2), 0, 0, 0, -0.5, 0, 0, 0, -1), fl("m", ints(1, 2, 1, 2), 1, 1, 2, 0.5)}, []float32{16, 6}},
		{"columns to an image", 18, one("Col2Im", list("z", "s", "b"), attrInts("strides", ints(2)), attrInts("dilations", ints(1)), attrInts("pads", ints(1, 0))),
			[][]byte{fl("z", ints(1, 2, 2), 1, 2, 3, 4), int64Const("s", 3), int64Const("b", 2)}, []float32{3, 2, 4}},
		{"reverse", 10, one("ReverseSequence", list("x", "s")), [][]byte{int64Const("s", 1, 2, 1)}, []float32{1, 5, 3, 4, 2, 6}},
		{"reverse, batch first", 10, one("ReverseSequence", list("x", "s"), attrInt("batch_axis", 0), attrInt("time_axis", 1)), [][]byte{int64Const("s", 3, 2)}, []float32{3, 2, 1, 5, 4, 6}},
		{"unique columns", 11, one("Unique", list("z"), attrInt("axis", 1), attrInt("sorted", 0)), [][]byte{fl("z", ints(1, 4), 3, 1, 3, 2)}, []float32{3, 1, 2}},
		{"unique", 11, one("Unique", list("z")), [][]byte{fl("z", ints(2, 2), 3, 1, 3, 2)}, []float32{1, 2, 3}},
		{"regions", 1, one("MaxRoiPool", list("z", "r"), attrInts("pooled_shape", ints(1, 2)), attrFloat("spatial_scale", 0.5)),
			[][]byte{fl("z", ints(1, 1, 2, 2), 1, 2, 4, 3), fl("r", ints(1, 5), 0, 0, 0, 2, 2)}, []float32{4, 3}},
		{"scattered into a cache", 24, one("TensorScatter", list("x", "z", "p"), attrInt("axis", 1), attrText("mode", "circular")), [][]byte{fl("z", ints(2, 2), 10, 20, 30, 40), int64Const("p", 2, 0)},
			[]float32{20, 2, 10, 30, 40, 6}},
		{"likelihood", 13, one("NegativeLogLikelihoodLoss", list("x", "l", "z")), [][]byte{int64Const("l", 2, 0), fl("z", ints(3), 1, 1, 3)}, []float32{-13. / 4}},
		{"likelihoods but for some", 13, one("NegativeLogLikelihoodLoss", list("x", "l"), attrText("reduction", "none"), attrInt("ignore_index", -5)), [][]byte{int64Const("l", -5, 0)}, []float32{0, -4}},
		{"hann", 17, one("HannWindow", list("n")), [][]byte{tensorProto("n", tensor.Scalar(int64(4)))}, []float32{0, 0.5, 1, 0.5}},
		{"hann, symmetric", 17, append([][]byte{nodeMessage("HannWindow", "", "w", list("n"), list("w"), attrInt("periodic", 0), attrInt("output_datatype", 11))}, one("Cast", list("w"), attrInt("to", 1))...),
			[][]byte{tensorProto("n", tensor.Scalar(int64(3)))}, []float32{0, 1, 0}},
		{"blackman in 16 bits", 17, append([][]byte{nodeMessage("BlackmanWindow", "", "w", list("n"), list("w"), attrInt("output_datatype", 10))}, one("Cast", list("w"), attrInt("to", 1))...),
			[][]byte{tensorProto("n", tensor.Scalar(int64(2)))}, []float32{0, 1}},
		{"fourier, axis as attribute", 17, one("DFT", list("z", "n"), attrInt("onesided", 1)), [][]byte{fl("z", ints(1, 2, 1), 1, 2), tensorProto("n", tensor.Scalar(int64(4)))}, []float32{3, 0, 1, -2, -1, 0}},
		{"fourier, axis as input", 20, one("DFT", list("z", "", "a"), attrInt("inverse", 1)), [][]byte{fl("z", ints(2, 2, 1), 1, 2, 3, 6), tensorProto("a", tensor.Scalar(int64(0)))}, []float32{2, 0, 4, 0, -1, 0, -2, 0}},
		{"fourier, the usual axis", 20, one("DFT", list("z")), [][]byte{fl("z", ints(1, 2, 2, 1), 1, 2, 3, 6)}, []float32{3, 0, -1, 0, 9, 0, -3, 0}},
		{"compress", 9, one("Compress", list("x", "c")), [][]byte{tensorProto("c", tensor.Of([]bool{true, false, false, true}, 4))}, []float32{1, 4}},
		{"compress along an axis", 11, one("Compress", list("x", "c"), attrInt("axis", -1)), [][]byte{tensorProto("c", tensor.Of([]bool{false, true}, 2))}, []float32{2, 5}},
		{"determinant", 11, one("Det", list("z")), [][]byte{fl("z", ints(2, 2), 1, 2, 3, 4)}, []float32{-2}},
		{"affine grid", 20, one("AffineGrid", list("z", "s"), attrInt("align_corners", 1)), [][]byte{fl("z", ints(1, 2, 3), 1, 0, 5, 0, 1, 0), int64Const("s", 1, 1, 2, 2)},
			[]float32{4, -1, 6, -1, 4, 1, 6, 1}},
		{"upsample, attribute", 7, one("Upsample", list("x"), floats("scales", 1, 2)), nil, []float32{1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6}},
		{"upsample, input", 9, one("Upsample", list("x", "s")), [][]byte{fl("s", ints(2), 1, 2)}, []float32{1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6}},
		{"resize of opset 10", 10, one("Resize", list("x", "s")), [][]byte{fl("s", ints(2), 1, 2)}, []float32{1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6}},
		{"resize of opset 10, shrinking", 10, one("Resize", list("z", "s")), [][]byte{fl("z", ints(4), 1, 2, 3, 4), fl("s", ints(1), 0.75)}, []float32{1, 3, 4}},
		{"resize of opset 10, both ways", 10, one("Resize", list("z", "s")), [][]byte{fl("z", ints(2, 4), 0, 1, 2, 3, 4, 5, 6, 7), fl("s", ints(2), 2, 0.5)}, []float32{0, 2, 0, 2, 4, 6, 4, 6}},
		{"resize to sizes", 13, one("Resize", list("x", "", "", "n"), attrText("coordinate_transformation_mode", "asymmetric"), attrText("nearest_mode", "floor")),
			[][]byte{int64Const("n", 4, 3)}, []float32{1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6}},
		{"addition aligned by an axis", 6, one("Add", list("x", "b"), attrInt("broadcast", 1), attrInt("axis", 0)), [][]byte{fl("b", ints(2), 10, 20)}, []float32{11, 12, 13, 24, 25, 26}},
		{"addition", 7, one("Add", list("x", "b")), [][]byte{fl("b", ints(3), 10, 20, 30)}, []float32{11, 22, 33, 14, 25, 36}},
		{"dropout", 6, one("Dropout", list("x"), attrInt("is_test", 1), attrFloat("ratio", 0.3)), nil, []float32{1, 2, 3, 4, 5, 6}},
		{"cast by name", 5, one("Cast", list("i"), attrText("to", "FLOAT")), [][]byte{int64Const("i", 7, 8)}, []float32{7, 8}},
		{"constants of all kinds", 13, append([][]byte{nodeMessage("Constant", "", "c", nil, list("c"), attrFloat("value_float", 10)),
			nodeMessage("Constant", "", "d", nil, list("d"), floats("value_floats", 1, 2, 3)), nodeMessage("Add", "", "e", list("x", "c"), list("e"))}, one("Mul", list("e", "d"))...),
			nil, []float32{11, 24, 39, 14, 30, 48}},
		// The usual activations of an RNN are tanh; a name may be in small letters, and only those that take a number get one.
		{"rnn, usual activations", 14, one("RNN", list("x0", "w", "r"), attrInt("hidden_size", 1)), [][]byte{fl("x0", ints(1, 1, 1), 0), fl("w", ints(1, 1, 1), 5), fl("r", ints(1, 1, 1), 7)}, []float32{0}},
		{"lstm, numbers of activations", 14, one("LSTM", list("x0", "w", "r", "b"), attrInt("hidden_size", 1), func() []byte {
			a := attribute("activations", kindStrings)
			for _, s := range []string{"affine", "Relu", "LeakyRelu"} {
				a.bytes(9, []byte(s))
			}
			return a
		}(), floats("activation_alpha", 2, 0.5), floats("activation_beta", 1)),
			// Gates are 2·(0 + bias) + 1: i 3, o 5; the candidate 4: cell 12 · f's nothing = 12; leaky: 12.
			[][]byte{fl("x0", ints(1, 1, 1), 0), fl("w", ints(1, 4, 1), 0, 0, 0, 0), fl("r", ints(1, 4, 1), 0, 0, 0, 0), fl("b", ints(1, 8), 1, 2, 0, 4, 0, 0, 0, 0)}, []float32{60}},
		{"gelu", 20, one("Gelu", list("z")), [][]byte{fl("z", ints(1), 0)}, []float32{0}},
		{"quantised there and back in blocks", 21, append([][]byte{nodeMessage("QuantizeLinear", "", "q", list("x", "s", "o"), list("q"), attrInt("axis", 1), attrInt("block_size", 2))},
			one("DequantizeLinear", list("q", "s", "o"), attrInt("axis", 1), attrInt("block_size", 2))...),
			[][]byte{fl("s", ints(2, 2), 1, 2, 1, 4), tensorProto("o", tensor.Of([]int8{0, 0, 0, 0}, 2, 2))}, []float32{1, 2, 4, 4, 5, 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := file{inputs: [][]byte{floatInput("x", 2, 3)}, outputs: [][]byte{output("y")}, nodes: c.nodes, constants: c.constants, opset: c.opset}
			out := answer(t, f.bytes(), model.Tensors{"x": tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)})
			if got := out["y"].Float32s(); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestSoftmaxCrossEntropyLoss: of logits 0 0 and 0 ln 3, with labels 0 and 1: probabilities ½ and ¾.
func TestSoftmaxCrossEntropyLoss(t *testing.T) {
	f := file{inputs: [][]byte{floatInput("x", 2, 2)}, outputs: [][]byte{output("y"), output("logs")}, constants: [][]byte{int64Const("l", 0, 1)},
		nodes: [][]byte{nodeMessage("SoftmaxCrossEntropyLoss", "", "n", list("x", "l"), list("y", "logs"))}}
	out := answer(t, f.bytes(), model.Tensors{"x": tensor.Of([]float32{0, 0, 0, float32(math.Log(3))}, 2, 2)})
	got := append(slices.Clone(out["logs"].Float32s()), out["y"].Float32s()...)
	for i, p := range []float64{0.5, 0.5, 0.25, 0.75, math.Sqrt(1 / (0.5 * 0.75))} {
		if !(math.Abs(float64(got[i])-math.Log(p)) <= 8*0x1p-24) {
			t.Errorf("got %v; number %d is not the logarithm of %g", got, i, p)
		}
	}
}

// TestFunctions inlines functions that call functions, with attributes passed on, by default and by reference.
func TestFunctions(t *testing.T) {
	leaky := func(m *message, name string, nodes ...[]byte) {
		m.text(1, name)
		m.text(4, "a")
		m.text(4, "b")
		m.text(5, "c")
		m.bytes(7, nil, nodes...)
		m.bytes(9, opset("", 17))
		m.bytes(9, opset("f", 1))
		m.text(10, "f")
	}
	ref := func(name, from string) []byte {
		m := attribute(name, kindFloat)
		m.text(21, from)
		return m
	}
	var inner, outer message
	leaky(&inner, "inner", nodeMessage("LeakyRelu", "", "n", list("a"), list("t"), ref("alpha", "slope")), nodeMessage("Identity", "", "n", list("t"), list("c")))
	inner.bytes(11, attrFloat("slope", 0.5))
	leaky(&outer, "outer", nodeMessage("inner", "f", "first", list("a"), list("t"), ref("slope", "s")), nodeMessage("inner", "f", "second", list("t"), list("c")))
	outer.text(6, "s")
	f := file{inputs: [][]byte{floatInput("x", 2)}, outputs: [][]byte{output("y")}, functions: [][]byte{inner, outer},
		nodes: [][]byte{nodeMessage("outer", "f", "call", list("x"), list("y"), attrFloat("s", 0.25))}}
	out := answer(t, f.bytes(), model.Tensors{"x": tensor.Of([]float32{-8, 8})})
	if got := out["y"].Float32s(); !slices.Equal(got, []float32{-1, 8}) {
		t.Errorf("got %v, want -8 · ¼ · ½ and 8", got)
	}
	g, err := Read(f.bytes())
	if err != nil {
		t.Fatal(err)
	}
	if name := g.Nodes[0].Name; name != "call/first/n" {
		t.Errorf("the inlined node is called %q", name)
	}
	f.nodes = [][]byte{nodeMessage("outer", "f", "call", list("x"), list("y"), attrFloat("colour", 1))}
	if _, err := Read(f.bytes()); err == nil || !strings.Contains(err.Error(), `"call"`) || !strings.Contains(err.Error(), `"colour"`) {
		t.Errorf("got %v", err)
	}
}

// TestTensorFields reads tensors whose elements are in the typed fields instead of raw bytes.
func TestTensorFields(t *testing.T) {
	head := func(d tensor.DType, n int64) message {
		var m message
		m.int(1, n)
		m.int(2, int64(d))
		return m
	}
	packed := func(v ...int64) []byte {
		var b []byte
		for _, x := range v {
			b = protowire.AppendVarint(b, uint64(x))
		}
		return b
	}
	check := func(name string, m message, want *tensor.Tensor) {
		t.Helper()
		_, got, err := ReadTensor(m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if got.DType() != want.DType() || !slices.Equal(got.Raw(), want.Raw()) || !slices.Equal(got.Shape(), want.Shape()) {
			t.Errorf("%s: %v % x, want % x", name, got, got.Raw(), want.Raw())
		}
	}
	m := head(tensor.Int8, 3)
	m.bytes(5, packed(1, -1, -128))
	check("int8", m, tensor.Of([]int8{1, -1, -128}))
	m = head(tensor.Int64, 3)
	m.bytes(7, packed(1, -1))
	m.int(7, 1<<40)
	check("int64, partly packed", m, tensor.Of([]int64{1, -1, 1 << 40}))
	m = head(tensor.Float16, 2)
	m.bytes(5, packed(0x3c00, 0xc000))
	check("float16", m, tensor.Of([]uint16{0x3c00, 0xc000}).As(tensor.Float16))
	m = head(tensor.Uint64, 1)
	m.bytes(11, packed(-1))
	check("uint64", m, tensor.Of([]uint64{math.MaxUint64}))
	m = head(tensor.Bool, 2)
	m.bytes(5, packed(7, 0))
	check("bool", m, tensor.Of([]bool{true, false}))
	m = head(tensor.Float32, 2)
	m = protowire.AppendFixed32(protowire.AppendTag(m, 4, protowire.Fixed32Type), math.Float32bits(1.5))
	m = protowire.AppendFixed32(protowire.AppendTag(m, 4, protowire.Fixed32Type), math.Float32bits(-2))
	check("float32, not packed", m, tensor.Of([]float32{1.5, -2}))
	m = head(tensor.Int4, 3)
	m.bytes(9, []byte{0xf1, 0x08})
	check("int4", m, tensor.Of([]int8{1, -1, -8}).As(tensor.Int4))
}

func TestMetadataAndSymbols(t *testing.T) {
	g := &model.Graph{Name: "net", Doc: "what it is", Meta: map[string]string{"labels": "a,b", "empty": ""}}
	x := g.Input("x", tensor.Float32, model.Symbol("N"), model.Dim{Size: 2})
	g.Output(x)
	b, err := Write(g)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.Name != g.Name || h.Doc != g.Doc || h.Producer != "ocellus" || h.Meta["labels"] != "a,b" || len(h.Meta) != 2 {
		t.Errorf("read %+v", h)
	}
	if s := h.Inputs[0].Shape; s[0] != model.Symbol("N") || s[1].Size != 2 {
		t.Errorf("shape %v", s)
	}
}

// TestRuntimeOperators reads what ONNX Runtime's quantiser writes. q is x = 1 2 3 / 4 5 6 as uint8.
func TestRuntimeOperators(t *testing.T) {
	ms := func(op string, in []string, attrs ...[]byte) []byte {
		return nodeMessage(op, "com.microsoft", op, in, list("r"), attrs...)
	}
	constants := [][]byte{
		tensorProto("one", tensor.Scalar(float32(1))), tensorProto("two", tensor.Scalar(float32(2))), tensorProto("half", tensor.Scalar(float32(0.5))),
		tensorProto("0", tensor.Scalar(uint8(0))), tensorProto("1", tensor.Scalar(uint8(1))),
		tensorProto("b", tensor.Of([]uint8{1, 0, 0, 0, 1, 0}, 2, 3)), tensorProto("bias", tensor.Of([]int32{10, 20})),
		tensorProto("w", tensor.Of([]float32{-1, 1}, 2, 1, 1)),
	}
	quantise := nodeMessage("QuantizeLinear", "", "q", list("x", "one", "0"), list("q"))
	for _, c := range []struct {
		name string
		node []byte
		back []string // scale and zero point of the result; nil where it is float
		want []float32
	}{
		{"add", ms("QLinearAdd", list("q", "one", "0", "q", "one", "0", "two", "1")), list("two", "1"), []float32{2, 4, 6, 8, 10, 12}},
		{"mul", ms("QLinearMul", list("q", "one", "0", "q", "one", "0", "one", "0")), list("one", "0"), []float32{1, 4, 9, 16, 25, 36}},
		{"leaky", ms("QLinearLeakyRelu", list("q", "one", "1", "half", "0")), list("half", "0"), []float32{0, 1, 2, 3, 4, 5}},
		{"concat", ms("QLinearConcat", list("half", "0", "q", "one", "0", "q", "two", "0"), attrInt("axis", 1)), list("half", "0"), []float32{1, 2, 3, 2, 4, 6, 4, 5, 6, 8, 10, 12}},
		// Columns 0 and 1 of x, with bias in units of 1·½, scaled by ½.
		{"gemm", ms("QGemm", list("q", "one", "0", "b", "half", "0", "bias"), attrInt("transB", 1)), nil, []float32{5.5, 11, 7, 12.5}},
		{"gemm, quantised", ms("QGemm", list("q", "one", "0", "b", "two", "0", "", "two", "1"), attrInt("transB", 1)), list("two", "1"), []float32{2, 4, 8, 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			nodes := [][]byte{quantise, c.node}
			if c.back != nil {
				nodes = append(nodes, nodeMessage("DequantizeLinear", "", "d", list("r", c.back[0], c.back[1]), list("y")))
			} else {
				nodes = append(nodes, nodeMessage("Identity", "", "d", list("r"), list("y")))
			}
			f := file{inputs: [][]byte{floatInput("x", 2, 3)}, outputs: [][]byte{output("y")}, nodes: nodes, constants: constants}
			out := answer(t, f.bytes(), model.Tensors{"x": tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)})
			if got := out["y"].Float32s(); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	f := file{inputs: [][]byte{floatInput("x", 1, 1, 3)}, outputs: [][]byte{output("r")}, constants: append(constants, tensorProto("z", tensor.Of([]float32{0.5}, 1, 1, 1))),
		nodes: [][]byte{ms("FusedConv", list("x", "w", "", "z"), attrText("activation", "Relu"))}}
	out := answer(t, f.bytes(), model.Tensors{"x": tensor.Of([]float32{-1, 0, 2}, 1, 1, 3)})
	if got := out["r"].Float32s(); !slices.Equal(got, []float32{1.5, 0.5, 0, 0, 0.5, 2.5}) {
		t.Errorf("fused convolution: %v", got)
	}
}

// TestQGemmBias has a bias of each shape that fits a product of two rows and two columns, with a scale for each column.
func TestQGemmBias(t *testing.T) {
	for _, c := range []struct {
		shape []int
		want  []float32
	}{{[]int{2}, []float32{1 + 1, (2 + 2) * 2, 3 + 1, (4 + 2) * 2}}, {[]int{1, 2}, []float32{2, 8, 4, 12}}, {[]int{2, 2}, []float32{1 + 1, (2 + 2) * 2, 3 + 3, (4 + 4) * 2}},
		{[]int{1}, []float32{2, 6, 4, 10}}, {nil, []float32{2, 6, 4, 10}}} {
		n, _ := tensor.Count(c.shape)
		bias := tensor.New(tensor.Int32, c.shape...)
		for i := range n {
			tensor.Data[int32](bias)[i] = int32(i + 1)
		}
		f := file{inputs: [][]byte{valueInfo("x", tensor.Uint8, model.Fixed(2, 3))}, outputs: [][]byte{valueInfo("y", tensor.Uint8, nil)},
			constants: [][]byte{float("one", 1), tensorProto("z", tensor.Scalar(uint8(0))), tensorProto("w", tensor.Of([]int8{1, 2, 3, 4, 5, 6}, 3, 2)), tensorProto("s", tensor.Of([]float32{1, 2}, 2)),
				tensorProto("n", tensor.Of([]int8{0, 0}, 2)), tensorProto("b", bias)},
			nodes: [][]byte{nodeMessage("QGemm", "com.microsoft", "", list("x", "one", "z", "w", "s", "n", "b", "one", "z"), list("y"))}}
		out, err := attempt(f.bytes(), model.Tensors{"x": tensor.Of([]uint8{1, 0, 0, 0, 1, 0}, 2, 3)})
		if err != nil {
			t.Errorf("bias %v: %v", c.shape, err)
			continue
		}
		if got := out["y"].Floats(); !slices.Equal(got, c.want) {
			t.Errorf("bias %v: %v, want %v", c.shape, got, c.want)
		}
	}
}
