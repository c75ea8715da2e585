package onnx

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// branch is a graph as an attribute.
func branch(name string, nodes, constants [][]byte, outputs ...string) []byte {
	var g message
	g.bytes(1, nil, nodes...)
	g.bytes(5, nil, constants...)
	for _, s := range outputs {
		g.bytes(12, output(s))
	}
	a := attribute(name, kindGraph)
	a.bytes(6, g)
	return a
}

// choice is an If, whose branches are nodes that each give "r".
func choice(condition, out string, yes, no [][]byte, constants ...[]byte) []byte {
	return nodeMessage("If", "", out, list(condition), list(out), branch("then_branch", yes, constants, "r"), branch("else_branch", no, constants, "r"))
}

// body is what a loop repeats.
func body(nodes, constants, inputs [][]byte, outputs ...string) []byte {
	var g message
	g.bytes(1, nil, nodes...)
	g.bytes(5, nil, constants...)
	g.bytes(11, nil, inputs...)
	for _, s := range outputs {
		g.bytes(12, valueInfo(s, tensor.Invalid, nil))
	}
	a := attribute("body", kindGraph)
	a.bytes(6, g)
	return a
}

// turn are the inputs of a Loop's body that carries some values: i, c and those.
func turn(carried ...string) [][]byte {
	in := [][]byte{valueInfo("i", tensor.Int64, model.Fixed()), valueInfo("c", tensor.Bool, model.Fixed())}
	for _, s := range carried {
		in = append(in, output(s))
	}
	return in
}

// The types of a tensor of float32 and of a list of them.
var (
	tensorType   = typeProto(tensor.Float32, nil)
	sequenceType = typeOf(4, tensorType)
)

// typeOf is a sequence (4) or an optional (9) of a type.
func typeOf(kind protowire.Number, elem []byte) []byte {
	var of, typ message
	of.bytes(1, elem)
	typ.bytes(kind, of)
	return typ
}

func kindInput(name string, kind protowire.Number, elem []byte) []byte {
	var v message
	v.text(1, name)
	v.bytes(2, typeOf(kind, elem))
	return v
}

// sequenceInput is a list of tensors of float32.
func sequenceInput(name string) []byte { return kindInput(name, 4, tensorType) }

// typed is an attribute that is a type.
func typed(name string, typ []byte) []byte {
	a := attribute(name, kindType)
	a.bytes(14, typ)
	return a
}

// largest gives m, the largest element of x as an int64: how often only running tells.
var largest = [][]byte{nodeMessage("ReduceMax", "", "", list("x"), list("mf"), attrInt("keepdims", 0)), nodeMessage("Cast", "", "", list("mf"), list("m"), attrInt("to", 7))}

func float(name string, v ...float32) []byte { return tensorProto(name, tensor.Of(v, len(v))) }

// height gives h, the first dimension of x.
var height = [][]byte{nodeMessage("Shape", "", "", list("x"), list("s")), nodeMessage("Gather", "", "", list("s", "zero"), list("h"))}

func add(a, b, out string) []byte { return nodeMessage("Add", "", "", list(a, b), list(out)) }

// branching are files with branches and loops, whose input x has two dimensions, and what they give for x = 1 2 3, as one row and as three.
var branching = []struct {
	name      string
	nodes     [][]byte
	constants [][]byte
	row, rows []float32
}{
	// As PyTorch writes a squeeze: where the first dimension is not 1, Squeeze would be an error.
	{"by shape", append([][]byte{
		nodeMessage("Shape", "", "", list("x"), list("s")), nodeMessage("Gather", "", "", list("s", "zero"), list("d")), nodeMessage("Equal", "", "", list("d", "1"), list("c")),
		choice("c", "t", [][]byte{nodeMessage("Squeeze", "", "", list("x", "zero"), list("r"))}, [][]byte{nodeMessage("Identity", "", "", list("x"), list("r"))}),
	}, nodeMessage("Mul", "", "", list("t", "k"), list("y"))),
		[][]byte{int64Const("zero", 0), int64Const("1", 1), float("k", 2)}, []float32{2, 4, 6}, []float32{2, 4, 6}},
	// k is another value inside; the branches' own nodes use x and b from around them, b before its node has come.
	{"names inside and around", [][]byte{
		choice("yes", "y", [][]byte{nodeMessage("Mul", "", "", list("b", "k"), list("r"))}, [][]byte{nodeMessage("Sub", "", "", list("x", "k"), list("r"))}, float("k", 10)),
		nodeMessage("Add", "", "", list("x", "k"), list("b")),
	}, [][]byte{float("k", 1), tensorProto("yes", tensor.Of([]bool{true}, 1))}, []float32{20, 30, 40}, []float32{20, 30, 40}},
	{"branches within branches", [][]byte{
		nodeMessage("Size", "", "", list("x"), list("n")), nodeMessage("Greater", "", "", list("n", "two"), list("c")),
		choice("c", "y", [][]byte{nodeMessage("Neg", "", "", list("x"), list("m")), choice("c", "r",
			[][]byte{nodeMessage("Add", "", "", list("m", "x"), list("z")), nodeMessage("Sub", "", "", list("z", "x"), list("r"))},
			[][]byte{nodeMessage("Reshape", "", "", list("m", "two"), list("r"))})},
			[][]byte{nodeMessage("Reshape", "", "", list("x", "two"), list("r"))}),
	}, [][]byte{int64Const("two", 2)}, []float32{-1, -2, -3}, []float32{-1, -2, -3}},
	// A branch without nodes: the input and the constant around it.
	{"as it is", [][]byte{
		nodeMessage("Shape", "", "", list("x"), list("s")), nodeMessage("Gather", "", "", list("s", "zero"), list("d")), nodeMessage("Equal", "", "", list("d", "1"), list("c")),
		nodeMessage("If", "", "n", list("c"), list("y"), branch("then_branch", nil, nil, "x"), branch("else_branch", nil, nil, "k")),
	}, [][]byte{int64Const("zero", 0), int64Const("1", 1), float("k", 7, 8)}, []float32{1, 2, 3}, []float32{7, 8}},
	// Whether the sum of the first column is over 3 only running tells: it is 1 in a row, 6 in three.
	{"by value", [][]byte{
		nodeMessage("ReduceSum", "", "", list("x", "zero"), list("s"), attrInt("keepdims", 0)), nodeMessage("Gather", "", "", list("s", "zero"), list("v")),
		nodeMessage("Greater", "", "", list("v", "k"), list("c")), nodeMessage("Exp", "", "", list("x"), list("e")),
		choice("c", "y", [][]byte{nodeMessage("Neg", "", "", list("x"), list("r"))}, [][]byte{nodeMessage("Log", "", "", list("e"), list("r"))}),
	}, [][]byte{int64Const("zero", 0), float("k", 3)}, []float32{1, 2, 3}, []float32{-1, -2, -3}},
	{"by value, of two shapes", append([][]byte{
		nodeMessage("ReduceSum", "", "", list("x", "zero"), list("s"), attrInt("keepdims", 0)), nodeMessage("Gather", "", "", list("s", "zero"), list("v")), nodeMessage("Greater", "", "", list("v", "k"), list("c")),
		choice("c", "t", [][]byte{nodeMessage("Neg", "", "", list("x"), list("r"))}, [][]byte{nodeMessage("Unsqueeze", "", "", list("v", "zero"), list("r"))}),
	}, nodeMessage("Add", "", "", list("t", "k"), list("y"))),
		[][]byte{int64Const("zero", 0), float("k", 3)}, []float32{4}, []float32{2, 1, 0}},
	// The branch that is not taken, and one in it, would look beyond the end.
	{"a branch that cannot be computed", append(slices.Clone(largest), nodeMessage("Reshape", "", "", list("x", "all"), list("v")), nodeMessage("Greater", "", "", list("mf", "k"), list("c")), choice("c", "y",
		[][]byte{nodeMessage("Gather", "", "", list("v", "m"), list("g")), choice("c", "r", [][]byte{nodeMessage("Mul", "", "", list("g", "x"), list("r"))}, [][]byte{nodeMessage("Gather", "", "", list("v", "m"), list("r"))})},
		[][]byte{nodeMessage("Neg", "", "", list("x"), list("r"))})),
		[][]byte{int64Const("all", -1), float("k", 3)}, []float32{-1, -2, -3}, []float32{-1, -2, -3}},
	// The first output of the If, which is 50, is not what the Clip leaves out.
	{"an output that is left out", [][]byte{nodeMessage("If", "", "", list("yes"), list("", "u"), branch("then_branch", nil, nil, "k", "x"), branch("else_branch", nil, nil, "k", "k")),
		nodeMessage("Clip", "", "", list("u", "", "big"), list("y"))},
		[][]byte{tensorProto("yes", tensor.Scalar(true)), tensorProto("k", tensor.Scalar(float32(50))), tensorProto("big", tensor.Scalar(float32(2)))}, []float32{1, 2, 2}, []float32{1, 2, 2}},
	// Running alone tells c; the Squeeze before it would be an error.
	{"a condition where nothing fits", append(slices.Clone(largest), nodeMessage("Greater", "", "", list("mf", "k"), list("c")), choice("no", "y",
		[][]byte{nodeMessage("Concat", "", "", list("x", "x"), list("xx"), attrInt("axis", 0)), nodeMessage("Squeeze", "", "", list("xx", "zero"), list("w")),
			choice("c", "r", [][]byte{nodeMessage("Exp", "", "", list("w"), list("r"))}, [][]byte{nodeMessage("Neg", "", "", list("w"), list("r"))})},
		[][]byte{nodeMessage("Neg", "", "", list("x"), list("r"))})),
		[][]byte{int64Const("zero", 0), float("k", 3), tensorProto("no", tensor.Scalar(false))}, []float32{-1, -2, -3}, []float32{-1, -2, -3}},

	{"turns by shape", append(slices.Clone(height), nodeMessage("Loop", "", "", list("h", "", "x"), list("y"),
		body([][]byte{add("a", "x", "b"), nodeMessage("Identity", "", "", list("c"), list("d"))}, nil, turn("a"), "d", "b"))),
		[][]byte{int64Const("zero", 0)}, []float32{2, 4, 6}, []float32{4, 8, 12}},
	{"turns by value", append(slices.Clone(largest), nodeMessage("Loop", "", "", list("m", "", "x"), list("y"),
		body([][]byte{add("a", "x", "b")}, nil, turn("a"), "c", "b"))),
		nil, []float32{4, 8, 12}, []float32{4, 8, 12}},
	// Doubled while the sum is below 20.
	{"until", [][]byte{nodeMessage("Loop", "", "", list("", "", "x"), list("y"),
		body([][]byte{add("a", "a", "b"), nodeMessage("ReduceSum", "", "", list("b"), list("s"), attrInt("keepdims", 0)), nodeMessage("Less", "", "", list("s", "k"), list("d"))}, nil, turn("a"), "d", "b"))},
		[][]byte{tensorProto("k", tensor.Scalar(float32(20)))}, []float32{4, 8, 12}, []float32{4, 8, 12}},
	{"turns stacked", [][]byte{nodeMessage("Loop", "", "", list("two", "yes"), list("y"),
		body([][]byte{nodeMessage("Cast", "", "", list("i"), list("f"), attrInt("to", 1)), nodeMessage("Mul", "", "", list("x", "f"), list("r"))}, nil, turn(), "c", "r"))},
		[][]byte{int64Const("two", 2), tensorProto("yes", tensor.Scalar(true))}, []float32{0, 0, 0, 1, 2, 3}, []float32{0, 0, 0, 1, 2, 3}},
	{"turns by value stacked", append(slices.Clone(largest), nodeMessage("Loop", "", "", list("m", "", "x"), list("", "y"),
		body([][]byte{add("a", "x", "b"), nodeMessage("ReduceMax", "", "", list("b"), list("r"), attrInt("keepdims", 0))}, nil, turn("a"), "c", "b", "r"))),
		nil, []float32{6, 9, 12}, []float32{6, 9, 12}},
	{"longer each turn", append(slices.Clone(largest), nodeMessage("Loop", "", "", list("m", "", "x"), list("y"),
		body([][]byte{nodeMessage("Concat", "", "", list("a", "x"), list("b"), attrInt("axis", 0))}, nil, turn("a"), "c", "b"))),
		nil, []float32{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}, []float32{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}},
	// More turns than are compiled one by one.
	{"many turns", [][]byte{nodeMessage("Loop", "", "", list("many", "", "x"), list("y"), body([][]byte{add("a", "k", "b")}, nil, turn("a"), "c", "b"))},
		[][]byte{int64Const("many", 3000), float("k", 1)}, []float32{3001, 3002, 3003}, []float32{3001, 3002, 3003}},
	{"many turns stacked", [][]byte{nodeMessage("Loop", "", "", list("many", "", "x"), list("", "r"), body([][]byte{add("a", "k", "b"), nodeMessage("Cast", "", "", list("i"), list("f"), attrInt("to", 1))},
		nil, turn("a"), "c", "b", "f")), nodeMessage("ReduceSum", "", "", list("r"), list("y"), attrInt("keepdims", 0))},
		[][]byte{int64Const("many", 3000), float("k", 1)}, []float32{3000 * 2999 / 2}, []float32{3000 * 2999 / 2}},
	{"no turn", [][]byte{nodeMessage("Loop", "", "", list("zero", "", "x"), list("y"), body([][]byte{add("a", "x", "b")}, nil, turn("a"), "c", "b"))},
		[][]byte{int64Const("zero", 0)}, []float32{1, 2, 3}, []float32{1, 2, 3}},
	// One turn, two turns, three: 10 is added six times.
	{"turns within turns", append(slices.Clone(largest), nodeMessage("Loop", "", "", list("m", "", "x"), list("y"), body([][]byte{
		nodeMessage("Add", "", "", list("i", "one"), list("n")), nodeMessage("Loop", "", "", list("n", "", "a"), list("b"), body([][]byte{add("e", "k", "f")}, nil, turn("e"), "c", "f")),
	}, nil, turn("a"), "c", "b"))), [][]byte{int64Const("one", 1), float("k", 10)}, []float32{61, 62, 63}, []float32{61, 62, 63}},
	{"a branch each turn", append(slices.Clone(largest), nodeMessage("Loop", "", "", list("m", "", "x"), list("y"), body([][]byte{
		nodeMessage("Equal", "", "", list("i", "one"), list("o")), choice("o", "b", [][]byte{add("a", "k", "r")}, [][]byte{nodeMessage("Neg", "", "", list("a"), list("r"))}),
	}, nil, turn("a"), "c", "b"))), [][]byte{int64Const("one", 1), float("k", 10)}, []float32{-9, -8, -7}, []float32{-9, -8, -7}},
	{"a list", [][]byte{nodeMessage("SplitToSequence", "", "", list("x"), list("l"), attrInt("axis", 1), attrInt("keepdims", 0)),
		nodeMessage("SequenceInsert", "", "", list("l", "k"), list("m")), nodeMessage("ConcatFromSequence", "", "", list("m"), list("y"), attrInt("axis", 0))},
		[][]byte{float("k", 10)}, []float32{1, 2, 3, 10}, []float32{1, 2, 3, 10}},
	{"a list cut short", [][]byte{nodeMessage("Neg", "", "", list("x"), list("n")), nodeMessage("SequenceConstruct", "", "", list("x", "n", "x"), list("l")),
		nodeMessage("SequenceErase", "", "", list("l", "two"), list("m")), nodeMessage("SequenceErase", "", "", list("m", "zero"), list("o")), nodeMessage("SequenceAt", "", "", list("o", "less"), list("p")),
		nodeMessage("SequenceLength", "", "", list("m"), list("q")), nodeMessage("Cast", "", "", list("q"), list("f"), attrInt("to", 1)), add("p", "f", "y")},
		[][]byte{tensorProto("zero", tensor.Scalar(int64(0))), tensorProto("two", tensor.Scalar(int64(2))), tensorProto("less", tensor.Scalar(int64(-1)))}, []float32{1, 0, -1}, []float32{1, 0, -1}},
	{"a list longer each turn", append(slices.Clone(height), nodeMessage("SequenceEmpty", "", "", nil, list("l")), nodeMessage("Loop", "", "", list("h", "", "l"), list("m"), body([][]byte{
		nodeMessage("Cast", "", "", list("i"), list("f"), attrInt("to", 1)), add("x", "f", "r"), nodeMessage("SequenceInsert", "", "", list("a", "r"), list("b")),
	}, nil, append(turn(), sequenceInput("a")), "c", "b")), nodeMessage("ConcatFromSequence", "", "", list("m"), list("y"), attrInt("axis", -1), attrInt("new_axis", 1))),
		[][]byte{int64Const("zero", 0)}, []float32{1, 2, 3}, []float32{1, 2, 3, 2, 3, 4, 3, 4, 5}},
	// Holding x, holding a list of x, holding nothing: x + x + (1 + 0)·10.
	{"optionals", [][]byte{nodeMessage("Optional", "", "", list("x"), list("o")), nodeMessage("OptionalGetElement", "", "", list("o"), list("p")),
		nodeMessage("SequenceConstruct", "", "", list("x"), list("l")), nodeMessage("Optional", "", "", list("l"), list("ol")), nodeMessage("OptionalGetElement", "", "", list("ol"), list("m")),
		nodeMessage("ConcatFromSequence", "", "", list("m"), list("q"), attrInt("axis", 0)), add("p", "q", "r"), nodeMessage("Optional", "", "", nil, list("none"), typed("type", sequenceType)),
		nodeMessage("OptionalHasElement", "", "", list("ol"), list("b")), nodeMessage("OptionalHasElement", "", "", list("none"), list("no")),
		nodeMessage("Where", "", "", list("b", "k", "zero"), list("s")), nodeMessage("Where", "", "", list("no", "k", "zero"), list("t")), add("s", "t", "u"), add("r", "u", "y")},
		[][]byte{float("k", 10), float("zero", 0)}, []float32{12, 14, 16}, []float32{12, 14, 16}},
	{"an optional taken along", append(slices.Clone(height), nodeMessage("Optional", "", "", nil, list("n"), typed("type", tensorType)), nodeMessage("Loop", "", "", list("h", "", "n"), list("m"), body([][]byte{
		nodeMessage("Optional", "", "", list("x"), list("b")),
	}, nil, append(turn(), kindInput("a", 9, tensorType)), "c", "b")), nodeMessage("Identity", "", "", list("m"), list("o")), nodeMessage("OptionalGetElement", "", "", list("o"), list("y"))),
		[][]byte{int64Const("zero", 0)}, []float32{1, 2, 3}, []float32{1, 2, 3}},
	{"each of a list", [][]byte{nodeMessage("SplitToSequence", "", "", list("x"), list("l"), attrInt("axis", 1)), nodeMessage("SequenceMap", "", "", list("l"), list("m", "n"),
		body([][]byte{nodeMessage("Neg", "", "", list("e"), list("f")), nodeMessage("Mul", "", "", list("e", "k"), list("g"))}, nil, [][]byte{output("e")}, "f", "g")),
		nodeMessage("ConcatFromSequence", "", "", list("m"), list("p"), attrInt("axis", 1)), nodeMessage("ConcatFromSequence", "", "", list("n"), list("q"), attrInt("axis", 1)), add("p", "q", "y")},
		[][]byte{float("k", 10)}, []float32{9, 18, 27}, []float32{9, 18, 27}},
	{"scanned", [][]byte{nodeMessage("Scan", "", "", list("k", "x"), list("", "y"), attrInt("num_scan_inputs", 1),
		body([][]byte{nodeMessage("ReduceSum", "", "", list("e"), list("t"), attrInt("keepdims", 0)), add("a", "t", "b"), nodeMessage("Identity", "", "", list("b"), list("r"))}, nil, [][]byte{output("a"), output("e")}, "b", "r"))},
		[][]byte{tensorProto("k", tensor.Scalar(float32(10)))}, []float32{16}, []float32{11, 13, 16}},
	{"scanned from the end", [][]byte{nodeMessage("Scan", "", "", list("k", "x"), list("", "y"), attrInt("num_scan_inputs", 1), attrInts("scan_input_axes", []int{-1}),
		attrInts("scan_input_directions", []int{1}), attrInts("scan_output_directions", []int{1}),
		body([][]byte{nodeMessage("ReduceSum", "", "", list("e"), list("t"), attrInt("keepdims", 0)), add("a", "t", "b"), nodeMessage("Identity", "", "", list("b"), list("r"))}, nil, [][]byte{output("a"), output("e")}, "b", "r"))},
		[][]byte{tensorProto("k", tensor.Scalar(float32(10)))}, []float32{16, 15, 13}, []float32{16}},
}

// Branching returns the graphs of branching by name.
func Branching(t *testing.T) map[string]*model.Graph {
	graphs := map[string]*model.Graph{}
	for _, c := range branching {
		f := file{inputs: [][]byte{valueInfo("x", tensor.Float32, []model.Dim{model.Symbol("h"), model.Symbol("w")})}, outputs: [][]byte{output("y")}, nodes: c.nodes, constants: c.constants}
		g, err := Read(f.bytes())
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		graphs[c.name] = g
	}
	return graphs
}

func TestBranches(t *testing.T) {
	graphs := Branching(t)
	for _, c := range branching {
		t.Run(c.name, func(t *testing.T) {
			g := graphs[c.name]
			b, err := Write(g)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Read(b)
			if err != nil {
				t.Fatal(err)
			}
			// What a branch has to itself goes inside it, with another name; then names stay.
			files := [3][]byte{b}
			for i := range 2 {
				h, err := Read(files[i])
				if err != nil {
					t.Fatal(err)
				}
				if files[i+1], err = Write(h); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(files[1], files[2]) {
				t.Error("what is written again is another file")
			}
			for _, g := range []*model.Graph{g, again} {
				for _, q := range []struct {
					shape []int
					want  []float32
				}{{[]int{1, 3}, c.row}, {[]int{3, 1}, c.rows}} {
					for _, plain := range []bool{true, false} {
						p, err := model.Compile(g, model.Options{Inputs: map[string][]int{"x": q.shape}, Plain: plain})
						if err != nil {
							t.Fatalf("%v: %v", q.shape, err)
						}
						out := model.Tensors{}
						if err := p.NewSession().Run(context.Background(), model.Tensors{"x": tensor.Of([]float32{1, 2, 3}, q.shape...)}, out); err != nil {
							t.Fatalf("%v: %v", q.shape, err)
						}
						if got := out["y"].Float32s(); !slices.Equal(got, q.want) {
							t.Errorf("%v: got %v, want %v", q.shape, got, q.want)
						}
					}
				}
			}
		})
	}
}

// TestBranchesStayInside: what one branch alone uses is written inside it, for a runtime that computes but the branch taken.
func TestBranchesStayInside(t *testing.T) {
	c := branching[2]
	f := file{inputs: [][]byte{floatInput("x", 1, 3)}, outputs: [][]byte{output("y")}, nodes: c.nodes, constants: c.constants}
	g, err := Read(f.bytes())
	if err != nil {
		t.Fatal(err)
	}
	b, err := Write(g)
	if err != nil {
		t.Fatal(err)
	}
	var d decoder
	d.left = 1 << 20
	m, err := d.model(b)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := d.graph(m.graph)
	if err != nil {
		t.Fatal(err)
	}
	ops := func(nodes []nodeProto) string {
		var s []string
		for _, n := range nodes {
			s = append(s, n.op)
		}
		return strings.Join(s, " ")
	}
	if got := ops(outer.nodes); got != "Size Greater If" {
		t.Fatalf("outside are %s", got)
	}
	for i, want := range []string{"Neg If", "Reshape"} {
		inner, err := d.graph(outer.nodes[2].attrs[i].g)
		if err != nil {
			t.Fatal(err)
		}
		if got := ops(inner.nodes); got != want {
			t.Errorf("branch %d has %s, want %s", i, got, want)
		}
	}
}

func TestBranchesThatCannotBe(t *testing.T) {
	same := [][]byte{nodeMessage("Identity", "", "", list("x"), list("r"))}
	deep := same
	for range maxDepth + 1 {
		deep = [][]byte{choice("c", "r", deep, same)}
	}
	for _, c := range []struct {
		name string
		node []byte
		want string
	}{
		{"no branch", nodeMessage("If", "", "n", list("c"), list("y"), branch("then_branch", same, nil, "r")), "else_branch"},
		{"no condition", nodeMessage("If", "", "n", nil, list("y"), branch("then_branch", same, nil, "r"), branch("else_branch", same, nil, "r")), "0 inputs"},
		{"two outputs against one", nodeMessage("If", "", "n", list("c"), list("y"), branch("then_branch", same, nil, "r", "x"), branch("else_branch", same, nil, "r")), "2 and 1"},
		{"a condition of numbers", choice("x", "y", same, same), "condition"},
		{"types", choice("c", "y", same, [][]byte{nodeMessage("Shape", "", "", list("x"), list("r"))}), "other"},
		{"too deep", choice("c", "y", deep, same), "deep"},
		{"its own output", choice("c", "y", [][]byte{nodeMessage("Neg", "", "", list("y"), list("r"))}, same), "own output"},
		{"from the other branch", choice("c", "y", [][]byte{nodeMessage("Neg", "", "", list("x"), list("z")), nodeMessage("Neg", "", "", list("z"), list("r"))},
			[][]byte{nodeMessage("Neg", "", "", list("z"), list("r"))}), `"z"`},
		{"damaged", nodeMessage("If", "", "n", list("c"), list("y"), func() []byte { a := attribute("then_branch", kindGraph); a.bytes(6, []byte{10, 99}); return a }()), "damaged"},
		{"the branch that is taken does not fit", choice("yes", "y", [][]byte{nodeMessage("Squeeze", "", "wrong", list("x", "zero"), list("r"))}, same), `:then_branch/wrong"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := file{inputs: [][]byte{floatInput("x", 2), valueInfo("c", tensor.Bool, model.Fixed())}, outputs: [][]byte{output("y")}, nodes: [][]byte{c.node},
				constants: [][]byte{int64Const("zero", 0), tensorProto("yes", tensor.Scalar(true))}}
			g, err := Read(f.bytes())
			if err == nil {
				_, err = model.Compile(g, model.Options{})
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestLoopsThatCannotBe reads and compiles loops that cannot run.
func TestLoopsThatCannotBe(t *testing.T) {
	same := [][]byte{nodeMessage("Identity", "", "", list("a"), list("b"))}
	loop := func(in []string, attrs ...[]byte) []byte {
		return nodeMessage("Loop", "", "n", in, list("y"), attrs...)
	}
	deep := same
	for range maxDepth + 1 {
		deep = [][]byte{nodeMessage("Loop", "", "", list("two", "", "a"), list("b"), body(deep, nil, turn("a"), "c", "b"))}
	}
	insert := body([][]byte{nodeMessage("SequenceInsert", "", "", list("a", "x"), list("b"))}, nil, append(turn(), sequenceInput("a")), "c", "b")
	none := nodeMessage("Optional", "", "n", nil, list("y"), typed("type", tensorType))
	mapped := func(in []string, out ...string) []byte {
		return nodeMessage("SequenceMap", "", "n", in, out, body([][]byte{nodeMessage("Neg", "", "", list("e"), list("f"))}, nil, [][]byte{output("e")}, "f"))
	}
	for _, c := range []struct {
		name string
		node []byte
		want string
	}{
		{"no body", loop(list("two", "", "x")), "no body"},
		{"nothing carried in", loop(list("two"), body(same, nil, turn("a"), "c", "b")), "2 inputs, its body has 3"},
		{"left out", loop(list("two", "", "", "x"), body(same, nil, turn("z", "a"), "c", "b", "b")), "left out"},
		{"nothing carried out", loop(list("two", "", "x"), body(same, nil, turn("a"), "c")), "its body gives 0"},
		{"turns of a half", loop(list("k", "", "x"), body(same, nil, turn("a"), "c", "b")), "int64"},
		{"another type", loop(list("two", "", "x"), body([][]byte{nodeMessage("Shape", "", "", list("a"), list("b"))}, nil, turn("a"), "c", "b")), ""},
		{"another type, turn by turn", loop(list("m", "", "x"), body([][]byte{nodeMessage("Shape", "", "", list("a"), list("b"))}, nil, turn("a"), "c", "b")), "float32 before a turn and int64 after"},
		{"an optional", loop(list("two", "", "x"), body(same, nil, append(turn(), kindInput("a", 9, tensorType)), "c", "b")), ""},
		{"a map", loop(list("two", "", "x"), body(same, nil, append(turn(), kindInput("a", 5, tensorType)), "c", "b")), "map"},
		{"an optional of nothing", nodeMessage("Optional", "", "n", nil, list("y")), "neither an input nor a type"},
		{"an optional of maps", nodeMessage("Optional", "", "n", nil, list("y"), typed("type", typeOf(5, tensorType))), "type is not supported"},
		{"an optional of lists of lists", nodeMessage("Optional", "", "n", nil, list("y"), typed("type", typeOf(4, sequenceType))), "type is not supported"},
		{"a damaged type", nodeMessage("Optional", "", "n", nil, list("y"), typed("type", []byte{34, 9})), "type is not supported"},
		{"an empty optional for an output", none, "holds nothing"},
		{"an empty optional that is added", nodeMessage("Add", "", "n", list("x", "o"), list("y")), "input 1 is an optional that holds nothing"},
		{"an empty optional in a list", nodeMessage("SequenceInsert", "", "n", list("l", "o"), list("y")), "input 1 is an optional"},
		{"what nothing holds", nodeMessage("OptionalGetElement", "", "n", list("o"), list("y")), "holds nothing"},
		{"each of a tensor", mapped(list("x"), "y"), "no sequence"},
		{"each of nothing", mapped(nil, "y"), "needed"},
		{"each, with too many inputs", mapped(list("l", "x"), "y"), "its body has 1"},
		{"each, with too many outputs", mapped(list("l"), "y", "z"), "its body has 1"},
		{"a tensor for a sequence", loop(list("two", "", "x"), insert), "no sequence"},
		{"a sequence by turns that nothing counts", loop(list("m", "", "l"), insert), "only running"},
		{"a sequence for an output", loop(list("two", "", "l"), insert), "is a sequence"},
		{"a sequence that is added", nodeMessage("Add", "", "n", list("x", "l"), list("y")), "input 1 is a sequence"},
		{"a position beyond", nodeMessage("SequenceAt", "", "n", list("l", "zero"), list("y")), "no position [0]"},
		{"a position that running tells", nodeMessage("SequenceAt", "", "n", list("l", "m"), list("y")), "when the network runs"},
		{"nothing to join", nodeMessage("ConcatFromSequence", "", "n", list("l"), list("y"), attrInt("axis", 0)), "empty"},
		{"parts of nothing", nodeMessage("SplitToSequence", "", "n", list("x", "none"), list("y")), "parts of 0"},
		{"too deep", loop(list("two", "", "x"), body(deep, nil, turn("a"), "c", "b")), "deep"},
		{"an input twice", loop(list("two", "", "x"), body(same, nil, turn("c"), "c", "c")), "twice"},
		{"damaged", loop(list("two", "", "x"), func() []byte { a := attribute("body", kindGraph); a.bytes(6, []byte{10, 99}); return a }()), "damaged"},
		{"a turn that does not fit", loop(list("two", "", "x"), body([][]byte{nodeMessage("Squeeze", "", "wrong", list("a", "zero"), list("b"))}, nil, turn("a"), "c", "b")), `:body/wrong`},
		{"nothing to scan", nodeMessage("Scan", "", "n", list("x"), list("y"), attrInt("num_scan_inputs", 0), body(same, nil, [][]byte{output("a")}, "b")), "to be scanned"},
		{"an axis too many", nodeMessage("Scan", "", "n", list("x"), list("y"), attrInt("num_scan_inputs", 1), attrInts("scan_input_axes", []int{0, 1}), body(same, nil, [][]byte{output("a")}, "b")), "2 entries"},
		{"slices of a rank that nothing tells", nodeMessage("Scan", "", "n", list("x"), list("y"), attrInt("num_scan_inputs", 1), attrInts("scan_output_axes", []int{1}), body(same, nil, [][]byte{output("a")}, "b")), "dimensions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := file{inputs: [][]byte{floatInput("x", 2), valueInfo("m", tensor.Int64, model.Fixed())}, outputs: [][]byte{valueInfo("y", tensor.Invalid, nil)},
				nodes:     [][]byte{c.node, nodeMessage("SequenceEmpty", "", "", nil, list("l")), nodeMessage("Optional", "", "", nil, list("o"), typed("type", tensorType))},
				constants: [][]byte{int64Const("zero", 0), int64Const("two", 2), float("k", 0.5), tensorProto("none", tensor.Scalar(int64(0)))}}
			g, err := Read(f.bytes())
			if err == nil {
				_, err = model.Compile(g, model.Options{})
			}
			if c.want == "" {
				if err != nil {
					t.Errorf("got %v: turns that are counted may change what they carry", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestPortsThatAreNoTensors names all of them.
func TestPortsThatAreNoTensors(t *testing.T) {
	f := file{inputs: [][]byte{kindInput("o", 9, tensorType), floatInput("x", 2)}, outputs: [][]byte{sequenceInput("l")}, nodes: [][]byte{nodeMessage("SequenceConstruct", "", "", list("x"), list("l"))}}
	_, err := Read(f.bytes())
	var u *UnsupportedError
	if !errors.As(err, &u) || len(u.Ops) != 2 || u.Ops[0].Op != "optional" || u.Ops[0].Nodes[0] != "o" || u.Ops[1].Op != "sequence" || u.Ops[1].Nodes[0] != "l" {
		t.Errorf("got %v", err)
	}
}

// TestLoopForever: a loop without an end stops with its context, and what is within loops is not compiled over and over.
func TestLoopForever(t *testing.T) {
	nodes := [][]byte{add("a", "x", "b")}
	for range maxDepth - 1 {
		nodes = [][]byte{nodeMessage("Loop", "", "", list("many", "", "a"), list("b"), body(nodes, nil, turn("a"), "c", "b"))}
	}
	nodes = [][]byte{nodeMessage("Loop", "", "", list("", "", "x"), list("y"), body(nodes, nil, turn("a"), "c", "b"))}
	f := file{inputs: [][]byte{floatInput("x", 2)}, outputs: [][]byte{output("y")}, nodes: nodes, constants: [][]byte{int64Const("many", 3)}}
	g, err := Read(f.bytes())
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Compile(g, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w := p.Size().Work; w < 1<<40 {
		t.Errorf("it is said to look at %d elements", w)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := p.NewSession().Run(ctx, model.Tensors{"x": tensor.New(tensor.Float32, 2)}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestCountedTurns: what turns compute is there for all to see where they can be counted.
func TestCountedTurns(t *testing.T) {
	g := Branching(t)["turns by shape"]
	for shape, want := range map[[2]int]string{{1, 3}: "Add", {3, 1}: "Add Add Add"} {
		p, err := model.Compile(g, model.Options{Inputs: map[string][]int{"x": shape[:]}, Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		var ops []string
		for _, s := range p.Steps() {
			if s.Op != "Identity" {
				ops = append(ops, s.Op)
			}
		}
		if got := strings.Join(ops, " "); got != want {
			t.Errorf("%v: %s, want %s", shape, got, want)
		}
	}
}
