package onnx_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// evaluate compiles and runs a graph.
func evaluate(g *model.Graph, in model.Tensors) (model.Tensors, error) {
	shapes := map[string][]int{}
	for name, t := range in {
		shapes[name] = t.Shape()
	}
	p, err := model.Compile(g, model.Options{Inputs: shapes})
	if err != nil {
		return nil, err
	}
	out := model.Tensors{}
	err = p.NewSession().Run(context.Background(), in, out)
	return out, err
}

// agree runs two graphs and compares their outputs.
func agree(t *testing.T, g, h *model.Graph, in model.Tensors, rtol, atol float64) {
	t.Helper()
	want, err := evaluate(g, in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := evaluate(h, in)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		if err := differs(got[name], w, rtol, atol); err != nil {
			t.Errorf("output %q: %v", name, err)
		}
	}
}

// rewrite writes a graph and reads it again.
func rewrite(t *testing.T, g *model.Graph) *model.Graph {
	t.Helper()
	b, err := onnx.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	h, err := onnx.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// caseInputs reads the first data set of a conformance case.
func caseInputs(g *model.Graph, dir string) (model.Tensors, error) {
	in := model.Tensors{}
	for i, v := range g.Inputs {
		t, err := readTensor(filepath.Join(dir, "test_data_set_0", "input_"+string(rune('0'+i))+".pb"))
		if err != nil {
			return nil, err
		}
		if v.DType == tensor.BFloat16 && t.DType() == tensor.Uint16 {
			t = t.As(tensor.BFloat16)
		}
		in[v.Name] = t
	}
	return in, nil
}

// TestRewrittenCases writes every conformance case in opset 17, reads it again and compares the outputs' bits.
func TestRewrittenCases(t *testing.T) {
	dir := shared(t, "conformance/onnx-1.16")
	cases, err := filepath.Glob(filepath.Join(dir, "*", "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	same, refused := 0, map[string]int{}
	for _, path := range cases {
		name := filepath.Base(filepath.Dir(path))
		g, err := onnx.ReadFile(path)
		if err != nil {
			continue // TestConformance reports those.
		}
		in, err := caseInputs(g, filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		want, err := evaluate(g, in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b, err := onnx.Write(g)
		if err != nil {
			refused[g.Nodes[len(g.Nodes)-1].Op.Kind()]++
			continue
		}
		h, err := onnx.Read(b)
		if err != nil {
			t.Errorf("%s: written file: %v", name, err)
			continue
		}
		got, err := evaluate(h, in)
		if err != nil {
			t.Errorf("%s: written file: %v", name, err)
			continue
		}
		ok := true
		for out, w := range want {
			// What is written as several operators is rounded in between.
			if err := differs(got[out], w, 1e-6, 1e-7); err != nil {
				t.Errorf("%s: %q: %v", name, out, err)
				ok = false
			}
		}
		if ok {
			same++
		}
	}
	t.Logf("%d written and read; refused, by last operator: %v", same, refused)
	if same < 850 {
		t.Errorf("only %d cases could be written", same)
	}
}

// ownLayers is a network of what ONNX lacks: LCN, a locally connected layer, L2 pooling and perceptrons.
func ownLayers() (*model.Graph, model.Tensors) {
	g := &model.Graph{Name: "own", Meta: map[string]string{"parent": "none", "seed": "7"}}
	x := g.Input("x", tensor.Float32, model.Symbol("N"), model.Dim{Size: 2}, model.Dim{Size: 7}, model.Dim{Size: 9})
	lcn := g.Add("lcn", &layer.LCN{Size: 5, Sigma: 1.2, Floor: 1e-3}, x)
	local := g.Add("local", &layer.LocallyConnected{Window: layer.Window{Strides: []int{2, 1}, Pads: []int{1, 0, 1, 2}}},
		lcn, model.Const("w", fill(tensor.Float32, []int{4, 9, 3, 2, 3, 3}, -1, 1)), model.Const("b", fill(tensor.Float32, []int{3, 4, 9}, -1, 1)))
	l2 := g.Add("l2", &layer.LpPool{Window: layer.Window{Kernel: []int{2, 2}, Strides: []int{2, 2}}, P: 2}, local)
	lrn := g.Add("lrn", &layer.LRN{Size: 3, Alpha: 0.1, Beta: 0.75, Bias: 2}, l2)
	step := g.Add("step", &layer.Unary{Fn: layer.Step}, local)
	for _, v := range []*model.Value{lcn, local, lrn, step} {
		v.DType = tensor.Float32
	}
	g.Output(lcn, local, lrn, step)
	return g, model.Tensors{"x": fill(tensor.Float32, []int{3, 2, 7, 9}, -1, 2)}
}

func TestOwnLayersComeBack(t *testing.T) {
	g, in := ownLayers()
	h := rewrite(t, g)
	if !maps.Equal(h.Meta, g.Meta) {
		t.Errorf("metadata %v, want %v", h.Meta, g.Meta)
	}
	var kinds []string
	for _, n := range h.Nodes {
		kinds = append(kinds, n.Op.Kind())
	}
	for _, k := range []string{"LCN", "LocallyConnected", "LpPool", "LRN", "Step"} {
		if !slices.Contains(kinds, k) {
			t.Errorf("%s is missing among %v", k, kinds)
		}
	}
	agree(t, g, h, in, 0, 0)
}

// TestFunctionsSayTheSame runs the functions' bodies, as a runtime that does not know the domain does, and compares with the layers.
func TestFunctionsSayTheSame(t *testing.T) {
	g, in := ownLayers()
	b, err := onnx.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	foreign := bytes.ReplaceAll(b, []byte("ai.ocellus"), []byte("ai.someone"))
	h, err := onnx.Read(foreign)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range h.Nodes {
		if k := n.Op.Kind(); k == "LCN" || k == "LocallyConnected" || k == "Step" {
			t.Fatalf("%s was not inlined", n.Label())
		}
	}
	// Sums of at most 25 products in another order, with weights a few roundings off: 25·2⁻²⁴ of terms of size 1.
	agree(t, g, h, in, 1e-5, 2e-6)
}

// TestWriterInRuntime runs files of ours in ONNX Runtime, if OCELLUS_ORT is the folder of its node package.
func TestWriterInRuntime(t *testing.T) {
	ort := os.Getenv("OCELLUS_ORT")
	if ort == "" {
		t.Skip("OCELLUS_ORT is not set to the folder of onnxruntime-node")
	}
	script := filepath.Join(shared(t, "peers"), "ort_golden.js")
	check := func(name string, g *model.Graph, shape []int, lo, hi float64) {
		t.Helper()
		dir := t.TempDir()
		path := filepath.Join(dir, name+".onnx")
		if err := onnx.WriteFile(path, g); err != nil {
			t.Error(err)
			return
		}
		in := g.Inputs[0]
		spec := in.Name + "=" + strings.Trim(strings.Join(strings.Fields(tensor.FormatShape(shape)), "x"), "[]")
		spec += "," + strconv.FormatFloat(lo, 'g', -1, 64) + "," + strconv.FormatFloat(hi, 'g', -1, 64)
		cmd := exec.Command("node", script, path, dir, spec)
		cmd.Env = append(os.Environ(), "ORT="+ort)
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, msg)
			return
		}
		out, err := evaluate(g, model.Tensors{in.Name: fill(in.DType, shape, lo, hi)})
		if err != nil {
			t.Error(err)
			return
		}
		for i, v := range g.Outputs {
			b, err := os.ReadFile(filepath.Join(dir, "output_"+string(rune('0'+i))+".npy"))
			if err != nil {
				t.Error(err)
				continue
			}
			want, err := tensor.ReadNPY(b)
			if err != nil {
				t.Error(err)
				continue
			}
			diff, most := farthest(out[v.Name], want)
			if diff > modelTolerance*most+sigmoidFloor {
				t.Errorf("%s: output %q differs by %g; the largest element is %g", name, v.Name, diff, most)
			}
		}
	}
	g, in := ownLayers()
	check("own", g, in["x"].Shape(), -1, 2)
	for name, g := range onnx.Branching(t) {
		check(name+", a row", g, []int{1, 3}, 1, 3)
		check(name+", a column", g, []int{3, 1}, 1, 3)
	}
	for _, dir := range realFolders(t) {
		c, g, in, shapes := readCase(t, dir)
		if len(in) == 1 && len(c.Outputs) < 10 {
			check(filepath.Base(dir), g, shapes[g.Inputs[0].Name], c.Inputs[0].Lo, c.Inputs[0].Hi)
		}
	}
}

// TestRecurrentComesBack writes each cell with all its attributes.
func TestRecurrentComesBack(t *testing.T) {
	for _, r := range []*layer.Recurrent{
		{Cell: layer.CellRNN, Direction: "reverse", Activations: []layer.Unary{{Fn: layer.ScaledTanh, Alpha: 0.5, Beta: 3}}},
		{Cell: layer.CellGRU, Hidden: 2, Direction: "forward", LinearBeforeReset: true, Clip: 0.75, Activations: []layer.Unary{{Fn: layer.HardSigmoid, Alpha: 0.25, Beta: 0.625}, {Fn: layer.LeakyRelu, Alpha: 0.125}}},
		{Cell: layer.CellLSTM, Hidden: 2, Direction: "bidirectional", Coupled: true, BatchFirst: true, Activations: []layer.Unary{
			{Fn: layer.Sigmoid}, {Fn: layer.Elu, Alpha: 0.5}, {Fn: layer.Tanh}, {Fn: layer.Softsign}, {Fn: layer.Affine, Alpha: 0.25, Beta: 0.5}, {Fn: layer.ThresholdedRelu, Alpha: 0.1}}},
	} {
		gates, d := map[layer.Cell]int{layer.CellRNN: 1, layer.CellGRU: 3, layer.CellLSTM: 4}[r.Cell], 1
		if r.Direction == "bidirectional" {
			d = 2
		}
		g := &model.Graph{}
		x := g.Input("x", tensor.Float32, model.Fixed(3, 3, 2)...)
		g.Output(g.Add("y", r, x, model.Const("w", fill(tensor.Float32, []int{d, gates * 2, 2}, -1, 1)), model.Const("r", fill(tensor.Float32, []int{d, gates * 2, 2}, -1, 1))))
		h := rewrite(t, g)
		if got := h.Nodes[0].Op.(*layer.Recurrent); !reflect.DeepEqual(got, r) {
			t.Errorf("%+v came back as %+v", r, got)
		}
		agree(t, g, h, model.Tensors{"x": fill(tensor.Float32, []int{3, 3, 2}, -2, 2)}, 0, 0)
	}
}

// TestRewrittenLayers writes layers that no conformance case has.
func TestRewrittenLayers(t *testing.T) {
	at := func(v ...int64) *model.Value { return model.Const("at", tensor.Of(v, len(v))) }
	for _, c := range []struct {
		op    layer.Op
		more  []*model.Value
		shape []int
		rtol  float64
	}{
		{&layer.Hardmax{Axis: 1}, nil, []int{2, 3}, 0},
		{&layer.Hardmax{Axis: 1, Flatten: true}, nil, []int{2, 3, 2}, 0},
		{&layer.Softmax{Axis: 1, Flatten: true}, nil, []int{2, 3, 0}, 0},
		{&layer.Unary{Fn: layer.Shrink, Alpha: 0.25, Beta: 0.5}, nil, []int{7}, 0},
		{&layer.RMSNorm{Axis: 1, Epsilon: 0.125}, []*model.Value{model.Const("s", fill(tensor.Float32, []int{3, 2}, -1, 1))}, []int{2, 3, 2}, 0x1p-21},
		{&layer.MaxUnpool{Kernel: []int{2}, Strides: []int{2}}, []*model.Value{model.Const("p", tensor.Of([]int64{1, 2, 5}, 1, 1, 3))}, []int{1, 1, 3}, 0},
		{&layer.ReverseSequence{Batch: 1}, []*model.Value{at(2, 1, 0)}, []int{2, 3}, 0},
		{&layer.Det{}, nil, []int{2, 3, 3}, 0},
		{&layer.Unique{Axis: 1, Sorted: true}, nil, []int{2, 3}, 0},
		{&layer.Unique{Flat: true}, nil, []int{2, 3}, 0},
		{&layer.MaxRoiPool{Height: 2, Width: 3, Scale: 0.5}, []*model.Value{model.Const("r", fill(tensor.Float32, []int{3, 5}, 0, 0.9))}, []int{1, 2, 4, 4}, 0},
		{&layer.NLL{Reduction: "sum", Ignores: true, Ignore: 1}, []*model.Value{at(2, 1, 0)}, []int{3, 3}, 0},
		{&layer.NLL{Reduction: "none"}, []*model.Value{at(2, 1, 0)}, []int{3, 3}, 0},
		{&layer.DFT{Inverse: true}, []*model.Value{nil, at(0)}, []int{3, 2, 2}, 0},
		{&layer.DFT{Onesided: true}, []*model.Value{at(5)}, []int{3, 2, 1}, 0},
		{&layer.CosineWindow{Fn: layer.HammingWindow, To: tensor.Int8}, []*model.Value{at(5)}, nil, 0},
		{&layer.CosineWindow{Fn: layer.BlackmanWindow, Periodic: true, To: tensor.Float64}, []*model.Value{at(5)}, nil, 0},
		{&layer.MelWeightMatrix{To: tensor.Float64}, []*model.Value{at(3), at(64), at(64), model.Const("lo", tensor.Scalar(float32(1))), model.Const("hi", tensor.Scalar(float32(20)))}, nil, 0},
	} {
		g, in := &model.Graph{}, model.Tensors{}
		if c.shape != nil {
			c.more = append([]*model.Value{g.Input("x", tensor.Float32, model.Fixed(c.shape...)...)}, c.more...)
			in["x"] = fill(tensor.Float32, c.shape, -1, 1)
		}
		g.Output(g.Add("y", c.op, c.more...))
		agree(t, g, rewrite(t, g), in, c.rtol, 0)
	}
}

func TestWriteRefusesByName(t *testing.T) {
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Fixed(1, 1, 4, 4)...)
	y := g.Add("crop", &layer.CenterCropPad{}, x, model.Const("size", tensor.Of([]int64{1, 1, 2, 2})))
	z := g.Add("grow", &layer.Resize{Mode: "linear", Coordinates: "half_pixel_symmetric", Nearest: "floor"}, y, nil, model.Const("s", tensor.Of([]float32{1, 1, 2, 2})))
	g.Output(z)
	_, err := onnx.Write(g)
	if err == nil || !strings.Contains(err.Error(), `"crop"`) || !strings.Contains(err.Error(), `"grow"`) {
		t.Errorf("got %v, want both nodes named", err)
	}
}

func TestUnsupportedAllAtOnce(t *testing.T) {
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Fixed(2)...)
	g.Output(g.Add("b", &layer.Unary{Fn: "Frobnicate"}, g.Add("a", &layer.Unary{Fn: "Unheard"}, x)))
	b, err := onnx.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	_, err = onnx.Read(b)
	var u *onnx.UnsupportedError
	if !errors.As(err, &u) || len(u.Ops) != 2 || u.Ops[0].Op != "Frobnicate" || u.Ops[0].Nodes[0] != "b" || u.Ops[1].Op != "Unheard" || u.Ops[1].Nodes[0] != "a" {
		t.Errorf("got %v", err)
	}
}

// TestNodeNamesAreUnique writes nodes that bear one name.
func TestNodeNamesAreUnique(t *testing.T) {
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Fixed(2)...)
	y := g.Add("y", &layer.Unary{Fn: layer.Neg}, g.Add("t", &layer.Unary{Fn: layer.Abs}, x))
	g.Output(y)
	g.Nodes[0].Name = "y"
	b, err := onnx.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	if g, err = onnx.Read(b); err != nil {
		t.Fatal(err)
	}
	if a, b := g.Nodes[0].Name, g.Nodes[1].Name; a != "y" || b != "y_2" {
		t.Errorf("%q and %q", a, b)
	}
}
