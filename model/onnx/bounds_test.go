package onnx

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// swollen are small files that would become large networks.
func swollen() map[string][]byte {
	x, y := [][]byte{floatInput("x", 2)}, [][]byte{output("y")}
	c := valueInfo("c", tensor.Bool, model.Fixed())
	many := func(n int, name string) []string {
		s := make([]string, n)
		for i := range s {
			s[i] = fmt.Sprint(name, i)
		}
		return s
	}
	same := func(n int, name string) []string { return strings.Split(strings.Repeat(name+" ", n-1)+name, " ") }
	long := strings.Repeat("n", 100000)
	loop := func(turns int64, constants [][]byte, nodes ...[]byte) file {
		return file{inputs: x, outputs: y, nodes: [][]byte{nodeMessage("Loop", "", "", list("turns", "", "x"), list("y"), body(nodes, nil, turn("a"), "c", "b"))},
			constants: append(constants, int64Const("turns", turns))}
	}
	named := func(op string, in []string, attrs ...[]byte) [][]byte {
		return [][]byte{nodeMessage(op, "", long, in, list("y"), attrs...)}
	}
	calls := func(f []byte, n int) file {
		nodes := [][]byte{nodeMessage("Identity", "", "", list("x"), list("t0"))}
		for i := range n {
			nodes = append(nodes, nodeMessage("f", "f", "", list(fmt.Sprint("t", i)), list(fmt.Sprint("t", i+1))))
		}
		return file{inputs: x, outputs: y, nodes: append(nodes, nodeMessage("Identity", "", "", list(fmt.Sprint("t", n)), list("y"))), functions: [][]byte{f}}
	}
	function := func(nodes ...[]byte) []byte {
		var m message
		m.text(1, "f")
		m.text(4, "x")
		m.text(5, "y")
		m.bytes(7, nil, nodes...)
		m.bytes(9, opset("", 17))
		m.text(10, "f")
		return m
	}
	square := tensorProto("w", tensor.New(tensor.Float32, 256, 256))
	files := map[string]file{}

	chain := file{inputs: append(x, c), outputs: y, nodes: [][]byte{nodeMessage("Neg", "", "", list("x"), list("y0"))}}
	for i := range 4000 {
		chain.nodes = append(chain.nodes, nodeMessage("If", "", "", list("c"), list(fmt.Sprint("y", i+1)), branch("then_branch", nil, nil, fmt.Sprint("y", i)), branch("else_branch", nil, nil, "x")))
	}
	chain.nodes = append(chain.nodes, nodeMessage("Neg", "", "", list("y4000"), list("y")))
	files["Ifs within Ifs"] = chain

	split := file{inputs: x, outputs: y, nodes: [][]byte{nodeMessage("ConstantOfShape", "", "", list("n"), list("sizes"), attrTensor("value", tensor.Of([]int64{0}))), nodeMessage("Neg", "", "", list("x"), list("y"))},
		constants: [][]byte{int64Const("n", 1000000)}}
	for i := range 4 {
		split.nodes = append(split.nodes, nodeMessage("SplitToSequence", "", "", list("x", "sizes"), list(fmt.Sprint("l", i))))
	}
	files["a sequence of nothings"] = split

	joined := file{inputs: [][]byte{floatInput("x", 30000)}, outputs: y, nodes: [][]byte{nodeMessage("SplitToSequence", "", "", list("x", "part"), list("l")), nodeMessage("Neg", "", "", list("x"), list("y"))},
		constants: [][]byte{tensorProto("part", tensor.Scalar(int64(10)))}}
	for i := range 200 {
		joined.nodes = append(joined.nodes, nodeMessage("ConcatFromSequence", "", "", list("l"), list(fmt.Sprint("y", i)), attrInt("axis", 0), attrInt("new_axis", 1)))
	}
	files["a sequence joined often"] = joined

	files["turns of many inputs"] = loop(900, nil, nodeMessage("Sum", "", "", append(same(16000, "x"), "a"), list("b")))
	files["turns of long names"] = loop(900, nil, add("a", "a", long), nodeMessage("Neg", "", "", list(long), list("b")))
	// x is a row here, and each turn would pack the weights anew.
	turns := loop(300, [][]byte{square}, nodeMessage("MatMul", "", "", list("a", "w"), list("b")))
	turns.inputs = [][]byte{floatInput("x", 4, 256)}
	files["turns of weights"] = turns

	files["a body of a long name"] = file{inputs: x, outputs: y, constants: [][]byte{int64Const("two", 2)},
		nodes: named("Loop", list("two", "", "x"), body([][]byte{nodeMessage("Split", "", "", list("a"), many(4000, "o")), add("a", "a", "b")}, nil, turn("a"), "c", "b"))}
	var scalars [][]byte
	for _, name := range many(4000, "s") {
		scalars = append(scalars, float(name, 1))
	}
	files["constants of a long name"] = file{inputs: x, outputs: y, constants: [][]byte{int64Const("two", 2)},
		nodes: named("Loop", list("two", "", "x"), body([][]byte{add("a", "a", "b")}, scalars, turn("a"), "c", "b"))}
	files["a branch of a long name"] = file{inputs: append(x, c), outputs: y, nodes: named("If", list("c"),
		branch("then_branch", [][]byte{nodeMessage("Split", "", "", list("x"), many(4000, "o")), nodeMessage("Neg", "", "", list("x"), list("r"))}, nil, "r"),
		branch("else_branch", [][]byte{nodeMessage("Abs", "", "", list("x"), list("r"))}, nil, "r"))}

	files["calls of many inputs"] = calls(function(nodeMessage("Sum", "", "", same(16000, "x"), list("y"))), 1000)
	files["calls with constants"] = calls(function(nodeMessage("Constant", "", "", nil, list("k"), attrTensor("value", tensor.New(tensor.Float32, 1<<16))),
		nodeMessage("Slice", "", "", list("k", "z", "e"), list("s")), nodeMessage("Constant", "", "", nil, list("z"), attrTensor("value", tensor.Of([]int64{0}))),
		nodeMessage("Constant", "", "", nil, list("e"), attrTensor("value", tensor.Of([]int64{2}))), add("x", "s", "y")), 500)

	shared := file{inputs: [][]byte{floatInput("x", 4, 256)}, outputs: y, constants: [][]byte{square}}
	images := file{inputs: [][]byte{floatInput("x", 1, 256, 2, 2)}, outputs: y, constants: [][]byte{tensorProto("w", tensor.New(tensor.Float32, 256, 256, 1, 1))}}
	for i, name := range append(many(600, "t"), "y") {
		from := "x"
		if i > 0 {
			from = fmt.Sprint("t", i-1)
		}
		shared.nodes = append(shared.nodes, nodeMessage("MatMul", "", "", list(from, "w"), list(name)))
		images.nodes = append(images.nodes, nodeMessage("Conv", "", "", list(from, "w"), list(name)))
	}
	files["products with the same weights"] = shared
	files["convolutions with the same weights"] = images

	// 64 KB of weights for 16384 groups of one output, which pack to a hundred times as much.
	one, zero, none := float("s", 1), tensorProto("z", tensor.Scalar(uint8(0))), tensorProto("n", tensor.Scalar(int8(0)))
	groups := file{inputs: [][]byte{valueInfo("x", tensor.Uint8, model.Fixed(1, 65536, 1, 1))}, constants: [][]byte{one, zero, none, tensorProto("w", tensor.New(tensor.Int8, 16384, 4, 1, 1))}}
	rows := file{inputs: [][]byte{valueInfo("x", tensor.Uint8, model.Fixed(4, 256))}, constants: [][]byte{one, zero, none, tensorProto("w", tensor.New(tensor.Int8, 256, 256))}}
	for _, name := range many(97, "t") {
		groups.outputs, rows.outputs = append(groups.outputs, output(name)), append(rows.outputs, output(name))
		groups.nodes = append(groups.nodes, nodeMessage("QLinearConv", "", "", list("x", "s", "z", "w", "s", "n", "s", "z"), list(name), attrInt("group", 16384)))
		rows.nodes = append(rows.nodes, nodeMessage("QLinearMatMul", "", "", list("x", "s", "z", "w", "s", "n", "s", "z"), list(name)))
	}
	files["groups of bytes with the same weights"] = groups
	files["products of bytes with the same weights"] = rows

	bytes := map[string][]byte{}
	for name, f := range files {
		bytes[name] = f.bytes()
	}
	return bytes
}

// TestSwollenFiles reads and compiles them: they are refused, or take no more than any small file may.
func TestSwollenFiles(t *testing.T) {
	for name, b := range swollen() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			g, err := Read(b)
			var p *model.Program
			if err == nil {
				p, err = model.Compile(g, model.Options{Threads: 1})
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			t.Logf("%d bytes: %d allocated, %d kept, %v", len(b), after.TotalAlloc-before.TotalAlloc, int64(after.HeapAlloc)-int64(before.HeapAlloc), err)
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
				t.Errorf("%d bytes taken for a file of %d", taken, len(b))
			}
			runtime.KeepAlive(p)
			runtime.KeepAlive(g)
		})
	}
}

// TestConditionsThatAreNone runs what only running finds out to be no condition.
func TestConditionsThatAreNone(t *testing.T) {
	same := [][]byte{nodeMessage("Identity", "", "", list("a"), list("b"))}
	loop := func(turns, first string, again string) []byte {
		return nodeMessage("Loop", "", "n", list(turns, first, "x"), list("y"), body(same, nil, turn("a"), again, "b"))
	}
	for name, node := range map[string][]byte{
		"turns of floats":      loop("some", "", "c"),
		"no number of turns":   loop("nothing", "", "c"),
		"floats for a first":   loop("", "some", "c"),
		"no first":             loop("", "none", "c"),
		"again a float":        loop("two", "", "k"),
		"again nothing":        loop("two", "", "empty"),
		"floats for an If":     choice("some", "y", [][]byte{nodeMessage("Exp", "", "", list("x"), list("r"))}, [][]byte{nodeMessage("Neg", "", "", list("x"), list("r"))}),
		"an If of nothing":     choice("none", "y", [][]byte{nodeMessage("Exp", "", "", list("x"), list("r"))}, [][]byte{nodeMessage("Neg", "", "", list("x"), list("r"))}),
		"an If without inside": choice("none", "y", nil, nil, float("r", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			f := file{inputs: [][]byte{floatInput("x", 2)}, outputs: [][]byte{output("y")}, nodes: [][]byte{
				nodeMessage("Greater", "", "", list("x", "zero"), list("up")), nodeMessage("Less", "", "", list("x", "zero"), list("down")),
				nodeMessage("Compress", "", "", list("x", "up"), list("some")), nodeMessage("Compress", "", "", list("x", "down"), list("few")),
				nodeMessage("Cast", "", "", list("few"), list("nothing"), attrInt("to", 7)), nodeMessage("Cast", "", "", list("few"), list("none"), attrInt("to", 9)), node},
				constants: [][]byte{int64Const("two", 2), float("k", 1), float("zero", 0), tensorProto("empty", tensor.New(tensor.Bool, 0))}}
			if _, err := attempt(f.bytes(), model.Tensors{"x": tensor.Of([]float32{1, 2})}); err == nil || !strings.Contains(err.Error(), "not one") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestStackedTexts: texts are stacked turn by turn where the turns are few, and refused where they are many.
func TestStackedTexts(t *testing.T) {
	for _, c := range []struct {
		turns int64
		want  string
	}{{2, ""}, {5000, "texts"}} {
		f := file{inputs: [][]byte{valueInfo("x", tensor.String, model.Fixed(2))}, outputs: [][]byte{valueInfo("y", tensor.String, nil)}, constants: [][]byte{int64Const("m", c.turns)},
			nodes: [][]byte{nodeMessage("Loop", "", "n", list("m", "", "x"), list("", "y"), body([][]byte{nodeMessage("Identity", "", "", list("a"), list("b")), nodeMessage("Identity", "", "", list("a"), list("e"))}, nil, turn("a"), "c", "b", "e"))}}
		out, err := attempt(f.bytes(), model.Tensors{"x": tensor.Strings([]string{"p", "q"}, 2)})
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d turns: got %v", c.turns, err)
			}
		} else if err != nil || strings.Join(out["y"].Texts(), "") != "pqpq" {
			t.Errorf("%d turns: got %v, %v", c.turns, out["y"], err)
		}
	}
}
