package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// message writes protobuf messages by hand: what the tests read was not written by our own writer.
type message []byte

func (m *message) text(field protowire.Number, s string) *message {
	*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), s)
	return m
}

func (m *message) int(field protowire.Number, v int) *message {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
	return m
}

func (m *message) add(field protowire.Number, sub *message) *message {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), *sub)
	return m
}

func msg() *message { return new(message) }

// weights is a TensorProto of float32.
func weights(name string, shape []int, values ...float32) *message {
	t := msg().int(2, 1).text(8, name)
	for _, n := range shape {
		t.int(1, n)
	}
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return t.text(9, string(raw))
}

// port is a ValueInfoProto; dimensions are numbers or names.
func port(name string, dtype int, shape ...any) *message {
	dims := msg()
	for _, d := range shape {
		switch d := d.(type) {
		case int:
			dims.add(1, msg().int(1, d))
		case string:
			dims.add(1, msg().text(2, d))
		}
	}
	return msg().text(1, name).add(2, msg().add(1, msg().int(1, dtype).add(2, dims)))
}

// node is a NodeProto.
func node(op, name string, in, out []string, attrs ...*message) *message {
	n := msg().text(3, name).text(4, op)
	for _, s := range in {
		n.text(1, s)
	}
	for _, s := range out {
		n.text(2, s)
	}
	for _, a := range attrs {
		n.add(5, a)
	}
	return n
}

// file writes a model of opset 13 with this graph and returns its path.
func file(t *testing.T, graph *message) string {
	t.Helper()
	m := msg().int(1, 8).text(2, "by hand").text(3, "1.0").add(7, graph).add(8, msg().int(2, 13)).add(14, msg().text(1, "author").text(2, "somebody"))
	path := filepath.Join(t.TempDir(), "net.onnx")
	if err := os.WriteFile(path, *m, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// small is a network of one convolution, Relu and Flatten: x [batch,1,3,3] -> y/0 [batch,8]. The first filter takes a pixel less the one to its
// lower right, plus 5, the second adds four pixels, less 16.
func small(t *testing.T) string {
	return file(t, msg().text(2, "small").
		add(11, port("x", 1, "batch", 1, 3, 3)).
		add(5, weights("w", []int{2, 1, 2, 2}, 1, 0, 0, -1, 1, 1, 1, 1)).
		add(5, weights("b", []int{2}, 5, -16)).
		add(1, node("Conv", "conv", []string{"x", "w", "b"}, []string{"c"})).
		add(1, node("Relu", "relu", []string{"c"}, []string{"r"})).
		add(1, node("Flatten", "flat", []string{"r"}, []string{"y/0"})).
		add(12, port("y/0", 1, "batch", 8)))
}

// smallInput and smallOutput are what small makes of the numbers 1 to 9, computed by hand.
var (
	smallInput  = []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}
	smallOutput = []float32{1, 1, 1, 1, 0, 0, 8, 12}
)

// npy writes an .npy file and returns its path.
func npy(t *testing.T, name string, x *tensor.Tensor) string {
	t.Helper()
	var b bytes.Buffer
	if err := tensor.WriteNPY(&b, x); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// readBack reads an .npy file.
func readBack(t *testing.T, path string) *tensor.Tensor {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x, err := tensor.ReadNPY(b)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestInfer(t *testing.T) {
	net, dir := small(t), filepath.Join(t.TempDir(), "new", "out")
	x := npy(t, "x.npy", tensor.Of(smallInput, 1, 1, 3, 3))
	for _, isa := range kernels.Available() {
		for _, input := range []string{x, "x=" + x} {
			status, out, errOut := call("infer", net, "--input", input, "--output-dir", dir, "--threads", "2", "--isa", isa.String())
			if status != 0 || errOut != "" || !hasFields(out, "y/0", "float32", "1×8", filepath.Join(dir, "y_0.npy")) {
				t.Fatalf("status %d, stdout %q, stderr %q", status, out, errOut)
			}
			y := readBack(t, filepath.Join(dir, "y_0.npy"))
			if y.String() != "float32[1 8]" || !slices.Equal(y.Float32s(), smallOutput) {
				t.Errorf("%s: %v %v, want %v", isa, y, y.Float32s(), smallOutput)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

// TestInferBatch binds an open size to that of the file, which is a TensorProto here.
func TestInferBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pb")
	x := weights("any", []int{2, 1, 3, 3}, slices.Concat(smallInput, make([]float32, 9))...)
	if err := os.WriteFile(path, *x, 0o666); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	status, out, errOut := call("infer", small(t), "--input", path, "--output-dir", dir, "--json")
	var report struct{ Outputs []outputFile }
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != 0 {
		t.Fatalf("status %d, %v: %q %q", status, err, out, errOut)
	}
	want := outputFile{"y/0", "float32", []int{2, 8}, filepath.Join(dir, "y_0.npy")}
	if len(report.Outputs) != 1 || report.Outputs[0].File != want.File || !slices.Equal(report.Outputs[0].Shape, want.Shape) || report.Outputs[0].Name != want.Name {
		t.Errorf("%+v, want %+v", report.Outputs, want)
	}
	y := readBack(t, want.File)
	if want := slices.Concat(smallOutput, []float32{5, 5, 5, 5, 0, 0, 0, 0}); !slices.Equal(y.Float32s(), want) {
		t.Errorf("%v, want %v", y.Float32s(), want)
	}
}

// TestInferTypes passes tensors of every type through a network that does nothing, and the types that NumPy lacks in the type that carries them.
func TestInferTypes(t *testing.T) {
	for _, d := range []tensor.DType{tensor.Float32, tensor.Float64, tensor.Float16, tensor.BFloat16, tensor.Float8E4M3, tensor.Float8E5M2, tensor.Int4, tensor.Uint4,
		tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64, tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64, tensor.Bool} {
		x := tensor.New(tensor.Float32, 2)
		copy(x.Float32s(), []float32{1, 0})
		carried := d
		if c, ok := carrier[d]; ok {
			carried = c
		}
		in := tensor.New(carried, 2)
		if err := tensor.Convert(in, x, false); err != nil {
			t.Fatal(err)
		}
		net := file(t, msg().add(11, port("x", int(d), 2)).add(1, node("Identity", "", []string{"x"}, []string{"y"})).add(12, port("y", int(d), 2)))
		dir := t.TempDir()
		status, _, errOut := call("infer", net, "--input", npy(t, "x.npy", in), "--output-dir", dir)
		if status != 0 {
			t.Errorf("%v: status %d: %s", d, status, errOut)
			continue
		}
		if y := readBack(t, filepath.Join(dir, "y.npy")); y.String() != in.String() || !bytes.Equal(y.Raw(), in.Raw()) {
			t.Errorf("%v: %v %x, want %v %x", d, y, y.Raw(), in, in.Raw())
		}
	}
}

func TestInferRefuses(t *testing.T) {
	net := small(t)
	two := file(t, msg().add(11, port("a", 1, 1)).add(11, port("b", 1, 1)).add(1, node("Add", "", []string{"a", "b"}, []string{"y"})).add(12, port("y", 1, 1)))
	good := npy(t, "x.npy", tensor.Of(smallInput, 1, 1, 3, 3))
	text := filepath.Join(t.TempDir(), "notes.txt")
	short := filepath.Join(t.TempDir(), "short.npy")
	occupied := filepath.Join(t.TempDir(), "occupied")
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string][]byte{text: []byte("no tensor"), short: whole[:len(whole)-4], occupied: nil} {
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{}, 2, "name the model"},
		{[]string{net, net}, 2, "one model at a time"},
		{[]string{net}, 2, "--output-dir DIR is missing"},
		{[]string{net, "--output-dir", dir}, 2, "no file for input x (float32 batch×1×3×3): add --input x=FILE"},
		{[]string{net, "--output-dir", dir, "--input", "z=" + good}, 2, `there is no input "z"; the input is x (float32 batch×1×3×3)`},
		{[]string{two, "--output-dir", dir, "--input", good}, 2, "write name=" + good},
		{[]string{two, "--output-dir", dir, "--input", "a=" + npy(t, "a.npy", tensor.Of([]float32{1}))}, 2, "no file for input b"},
		{[]string{net, "--output-dir", dir, "--input", good, "--input", good}, 2, "twice"},
		{[]string{net, "--output-dir", dir, "--input", good, "--threads", "-1"}, 2, "--threads -1"},
		{[]string{net, "--output-dir", dir, "--input", good, "--isa", "mmx"}, 2, `unknown instruction set "mmx"`},
		{[]string{"nothing.onnx", "--output-dir", dir, "--input", good}, 1, "nothing.onnx: no such file"},
		{[]string{text, "--output-dir", dir, "--input", good}, 1, "no ONNX model"},
		{[]string{net, "--output-dir", dir, "--input", "nothing.npy"}, 1, `input "x": open nothing.npy: no such file`},
		{[]string{net, "--output-dir", dir, "--input", dir}, 1, "a folder"},
		{[]string{net, "--output-dir", dir, "--input", text}, 1, "neither .npy nor a TensorProto"},
		{[]string{net, "--output-dir", dir, "--input", short}, 1, "cut short: float32[1 1 3 3] takes 36 bytes, there are 32"},
		{[]string{net, "--output-dir", dir, "--input", occupied}, 1, "the file is empty"},
		{[]string{net, "--output-dir", dir, "--input", npy(t, "x.npy", tensor.Of(smallInput, 9))}, 1, "the file holds 9, the network takes batch×1×3×3"},
		{[]string{net, "--output-dir", dir, "--input", npy(t, "x.npy", tensor.Of(make([]float64, 9), 1, 1, 3, 3))}, 1, `save it with numpy's astype("float32")`},
		{[]string{net, "--output-dir", occupied, "--input", good}, 1, "not a directory"},
	} {
		status, out, errOut := call(append([]string{"infer"}, c.args...)...)
		if status != c.status || !strings.Contains(errOut, c.want) || out != "" {
			t.Errorf("%q: status %d, stdout %q, stderr %q; want %d, %q", c.args, status, out, errOut, c.status, c.want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("refused runs left %v, %v", entries, err)
	}
}

// TestResultsSpareInputs names files that infer and inspect read as the places of their results.
func TestResultsSpareInputs(t *testing.T) {
	net, dir := small(t), t.TempDir()
	input := filepath.Join(dir, "y_0.npy") // as the output is called
	if err := os.Rename(npy(t, "x.npy", tensor.Of(smallInput, 1, 1, 3, 3)), input); err != nil {
		t.Fatal(err)
	}
	before := map[string][]byte{net: must(os.ReadFile(net)), input: must(os.ReadFile(input))}
	drawn := filepath.Join(dir, "net.svg")
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{1, "over a file that this run reads", []string{"infer", net, "--input", input, "--output-dir", dir}},
		{1, "over a file that this run reads", []string{"inspect", net, "--dot", net}},
		{1, "over a file that this run reads", []string{"inspect", net, "--svg", net}},
		{2, "two kinds of results", []string{"inspect", net, "--svg", drawn, "--dot", drawn}},
	} {
		if status, out, errOut := call(c.args...); status != c.status || out != "" || !strings.Contains(errOut, c.want) {
			t.Errorf("%q: status %d, %q, %q", c.args, status, out, errOut)
		}
	}
	for path, b := range before {
		if !bytes.Equal(must(os.ReadFile(path)), b) {
			t.Errorf("%s is another file now", path)
		}
	}
	if status, _, errOut := call("infer", net, "--input", input, "--output-dir", filepath.Join(dir, "new")); status != 0 {
		t.Error(errOut)
	}
}

// benchKeys are the keys that other programs rely on, in order.
var benchKeys = []string{"model", "threads", "isa", "precision", "input", "load_ms", "first_ms", "median_ms", "min_ms", "p95_ms", "gmac", "arena_bytes", "weights_bytes", "rss_bytes"}

// TestBenchPrecision has a product of 8-bit integers and none.
func TestBenchPrecision(t *testing.T) {
	for d, want := range map[tensor.DType]string{tensor.Uint8: "int8", tensor.Float32: "fp32"} {
		g := &model.Graph{}
		x := g.Input("x", d, model.Fixed(2, 3)...)
		if d == tensor.Uint8 {
			g.Output(g.Add("y", &layer.MatMulInteger{}, x, model.Const("w", tensor.Of([]int8{1, 2, 3}, 3, 1))))
		} else {
			g.Output(g.Add("y", &layer.MatMul{}, x, model.Const("w", tensor.Of([]float32{1, 2, 3}, 3, 1))))
		}
		p, err := model.Compile(g, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := precision(p); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestBenchJSON(t *testing.T) {
	net := small(t)
	status, out, errOut := call("bench", net, "--threads", "1", "--runs", "3", "--json", "--isa", "generic", "--input", "x=2,1,3,3")
	if status != 0 || errOut != "" || strings.Count(out, "\n") != 1 {
		t.Fatalf("status %d, stdout %q, stderr %q", status, out, errOut)
	}
	d := json.NewDecoder(strings.NewReader(out))
	var keys []string
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch v := token.(type) {
		case json.Delim:
			depth += map[json.Delim]int{'{': 1, '[': 1, '}': -1, ']': -1}[v]
		case string:
			if depth == 1 && (len(keys) == 0 || len(keys) > 0 && slices.Contains(benchKeys, v)) {
				keys = append(keys, v)
			}
		}
	}
	if !slices.Equal(keys, benchKeys) {
		t.Errorf("keys %q, want %q", keys, benchKeys)
	}
	var r benchResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	// Two pictures of 2×2 places with 2 filters of 4 weights.
	if r.Model != net || r.Threads != 1 || r.ISA != "generic" || r.Precision != "fp32" || !slices.Equal(r.Input, []int{2, 1, 3, 3}) || r.GMAC != 64e-9 {
		t.Errorf("%+v", r)
	}
	if r.LoadMS <= 0 || r.FirstMS <= 0 || r.MinMS <= 0 || r.MinMS > r.MedianMS || r.MedianMS > r.P95MS || r.WeightsBytes < 40 {
		t.Errorf("%+v", r)
	}
	if runtime.GOOS == "linux" && r.RSSBytes < 1<<20 {
		t.Errorf("%d bytes of memory", r.RSSBytes)
	}
}

func TestBenchTable(t *testing.T) {
	status, out, errOut := call("bench", small(t), "--runs", "1")
	for _, want := range []string{"load ", "first run ", "median ", "minimum ", "95th percentile ", "working memory ", "weights ", kernels.Best().String()} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if status != 0 || errOut != "" || t.Failed() {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, errOut)
	}
}

func TestBenchRefuses(t *testing.T) {
	net := small(t)
	open := file(t, msg().add(11, port("x", 1, "n", 3, "h", "w")).add(1, node("Relu", "", []string{"x"}, []string{"y"})).add(12, port("y", 1, "n", 3, "h", "w")))
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{net, "--runs", "0"}, 2, "--runs 0"},
		{[]string{net, "--input", "1,2"}, 1, `input "x" has 4 dimensions`},
		{[]string{net, "--input", "1,1,three,3"}, 2, `"three" is no size; write a shape as 1,3,224,224`},
		{[]string{open}, 2, "the file leaves sizes of input x open (float32 n×3×h×w): give them, like --input x=1,3,224,224"},
		{[]string{"nothing.onnx"}, 1, "nothing.onnx"},
	} {
		status, out, errOut := call(append([]string{"bench"}, c.args...)...)
		if status != c.status || !strings.Contains(errOut, c.want) || out != "" {
			t.Errorf("%q: status %d, stdout %q, stderr %q; want %d, %q", c.args, status, out, errOut, c.status, c.want)
		}
	}
}

// TestMadeUp holds the first elements against numbers computed by hand: 2654435761 >> 8 = 10368889, and 2·2654435761 - 2³² = 1013904226.
func TestMadeUp(t *testing.T) {
	in, err := madeUp([]model.Port{{Name: "f", DType: tensor.Float32, Shape: []int{3}}, {Name: "u", DType: tensor.Uint8, Shape: []int{3}}, {Name: "i", DType: tensor.Int64, Shape: []int{3}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := in["f"].Float32s(), []float32{-1, 10368889.0/(1<<23) - 1, 3960563.0/(1<<23) - 1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := tensor.Data[uint8](in["u"]), []uint8{0, 158, 60}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := in["i"].Int64s(), []int64{0, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := madeUp([]model.Port{{Name: "s", DType: tensor.String, Shape: []int{1}}}); err == nil {
		t.Error("strings were made up")
	}
}

func TestInspect(t *testing.T) {
	status, out, errOut := call("inspect", small(t), "--run", "--runs", "2", "--threads", "1", "--json")
	var r inspection
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || status != 0 || errOut != "" {
		t.Fatalf("status %d, %v: %q %q", status, err, out, errOut)
	}
	if r.Producer != "by hand" || r.ProducerVersion != "1.0" || r.IRVersion != 8 || r.Opset["ai.onnx"] != 13 || r.Metadata["author"] != "somebody" || r.Graph != "small" {
		t.Errorf("%+v", r)
	}
	// By hand: 2 filters of 4 weights and 2 biases; 4 places of 2 filters of 4 weights.
	if r.Totals.Params != 10 || r.Totals.MACs != 32 || r.Totals.Layers != len(r.Layers) || *r.Totals.MS <= 0 {
		t.Errorf("%+v", r.Totals)
	}
	if in := r.Inputs[0]; in.Name != "x" || in.Declared != "batch×1×3×3" || !slices.Equal(in.Shape, []int{1, 1, 3, 3}) {
		t.Errorf("%+v", in)
	}
	if y := r.Outputs[0]; y.Name != "y/0" || y.DType != "float32" || !slices.Equal(y.Shape, []int{1, 8}) {
		t.Errorf("%+v", y)
	}
	share := 0.0
	var conv *layerInfo
	for i, l := range r.Layers {
		share += *l.Share
		if strings.HasPrefix(l.Op, "Conv") {
			conv = &r.Layers[i]
		}
	}
	if conv == nil || conv.MACs != 32 || conv.Params != 10 || !slices.Equal(conv.Outputs[0], []int{1, 2, 2, 2}) {
		t.Errorf("%+v", conv)
	}
	if math.Abs(share-1) > 1e-9 {
		t.Errorf("shares add up to %g", share)
	}
}

func TestInspectText(t *testing.T) {
	long := strings.Repeat("a/very/long/prefix/", 10)
	graph := msg().text(2, "deep").add(11, port("x", 1, 1, 1, 5, 5))
	graph.add(5, weights("w", []int{1, 1, 1, 1}, 2))
	from := "x"
	for i := range 12 {
		to := long + string(rune('a'+i))
		graph.add(1, node("Conv", to, []string{from, "w"}, []string{to}))
		from = to
	}
	net := file(t, graph.add(12, port(from, 1, 1, 1, 5, 5)))
	status, out, errOut := call("inspect", net, "--run", "--runs", "1")
	if status != 0 || errOut != "" {
		t.Fatalf("status %d: %s", status, errOut)
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > textWidth && strings.Contains(line, "Conv") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	for _, want := range []string{"ai.onnx 13 (IR version 8)", "by hand 1.0", "author: somebody", "x float32 1×1×5×5", "300 multiply-accumulates, 1 parameter in 1", "weights ", "working memory "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// TestInspectStripes joins the layers that go over the picture together.
func TestInspectStripes(t *testing.T) {
	graph := msg().text(2, "wide").add(11, port("x", 1, 1, 3, 200, 200)).add(5, weights("w", []int{16, 3, 1, 1}, slices.Repeat([]float32{1}, 48)...))
	graph.add(1, node("Conv", "first", []string{"x", "w"}, []string{"a"}))
	for i, name := range []string{"a", "b", "c"} {
		graph.add(1, node("Relu", "", []string{name}, []string{name + "r"}))
		graph.add(1, node("Sigmoid", "then"+name, []string{name + "r"}, []string{string("bcy"[i])}))
	}
	net := file(t, graph.add(12, port("y", 1, 1, 16, 200, 200)))
	status, out, errOut := call("inspect", net, "--threads", "1", "--json")
	var r inspection
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 {
		t.Fatalf("status %d, %v: %s", status, err, errOut)
	}
	var got []string
	for i, l := range r.Layers {
		got = append(got, fmt.Sprint(l.Op, l.Stripes, r.marks()[i]))
	}
	if want := []string{"ToNHWC0 ", "Conv+Relu1┌", "Sigmoid1│", "Relu1│", "Sigmoid1│", "Relu1│", "Sigmoid1└", "ToNCHW0 "}; !slices.Equal(got, want) {
		t.Errorf("layers %q, want %q", got, want)
	}
	if status, out, _ = call("inspect", net, "--threads", "1", "--run", "--runs", "1"); status != 0 || !strings.Contains(out, "\n2┌") || !strings.Contains(out, "\n7└") {
		t.Errorf("status %d: %s", status, out)
	}
}

func TestInspectUnsupported(t *testing.T) {
	net := file(t, msg().add(11, port("x", 1, 1)).
		add(1, node("Frobnicate", "first", []string{"x"}, []string{"a"})).
		add(1, node("Relu", "", []string{"a"}, []string{"b"})).
		add(1, node("Frobnicate", "second", []string{"b"}, []string{"c"})).
		add(1, node("Xyzzy", "", []string{"c"}, []string{"y"}).text(7, "com.example")).
		add(12, port("y", 1, 1)))
	status, out, errOut := call("inspect", net)
	if status != 1 || !strings.Contains(errOut, "2 operators are not supported") {
		t.Errorf("status %d: %s", status, errOut)
	}
	for _, want := range []string{"Frobnicate", "2 nodes: first, second", "com.example.Xyzzy", "1 node: y", "ai.onnx 13"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	status, out, _ = call("inspect", net, "--json")
	var r inspection
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 1 || len(r.Unsupported) != 2 || r.Totals != nil {
		t.Errorf("status %d, %v: %s", status, err, out)
	}
}

// TestInspectOpenSizes shows what is known before it asks for the rest.
func TestInspectOpenSizes(t *testing.T) {
	net := file(t, msg().add(11, port("x", 1, "n", 3, "h", "w")).add(1, node("Relu", "", []string{"x"}, []string{"y"})).add(12, port("y", 1, "n", 3, "h", "w")))
	status, out, errOut := call("inspect", net)
	if status != 2 || !strings.Contains(out, "x float32 n×3×h×w") || !strings.Contains(errOut, "--input x=1,3,224,224") {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, errOut)
	}
	if status, out, _ = call("inspect", net, "--input", "1x3x4x5"); status != 0 || !strings.Contains(out, "(here 1×3×4×5)") {
		t.Errorf("status %d, stdout %q", status, out)
	}
}

func TestInspectPictures(t *testing.T) {
	svg, dot := filepath.Join(t.TempDir(), "net.svg"), filepath.Join(t.TempDir(), "net.dot")
	if status, _, errOut := call("inspect", small(t), "--svg", svg, "--dot", dot); status != 0 {
		t.Fatalf("status %d: %s", status, errOut)
	}
	b, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	texts := ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.CharData); ok {
			texts += string(s) + "\n"
		}
	}
	b, err = os.ReadFile(dot)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Conv", "1×2×2×2", "input", "output", "y/0"} {
		if !strings.Contains(texts, want) || !strings.Contains(string(b), want) {
			t.Errorf("%q is missing in\n%s\n%s", want, texts, b)
		}
	}
	if status, _, errOut := call("inspect", small(t), "--svg", filepath.Join(dot, "net.svg")); status != 1 || errOut == "" {
		t.Errorf("an impossible place for the picture: status %d, %q", status, errOut)
	}
}

func TestUnits(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1.00K", 12345: "12.3K", 999499: "999K", 999999: "1.00M", 25557032: "25.6M", 1814073344: "1.81G"} {
		if got := short(n); got != want {
			t.Errorf("short(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.00 KB", 1 << 20: "1.00 MB", 102146352: "97.4 MB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
}
