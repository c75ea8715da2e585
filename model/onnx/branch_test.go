package onnx

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

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

func float(name string, v ...float32) []byte { return tensorProto(name, tensor.Of(v, len(v))) }

// branching are files whose input x has two dimensions, and what they give for x = 1 2 3, as one row and as three.
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
