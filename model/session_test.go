package model_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

func TestShapesAtCompile(t *testing.T) {
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Symbol("N"), model.Dim{Size: 3}, model.Symbol("H"), model.Symbol("W"))
	y := g.Input("y", tensor.Float32, model.Symbol("N"), model.Symbol("H"))
	g.Output(g.Add("flat", &layer.Flatten{Axis: 1}, x), g.Add("twice", &layer.Binary{Fn: layer.Add}, y, y))
	for _, c := range []struct {
		in   map[string][]int
		says string // what the error mentions; "" if it compiles
	}{
		{map[string][]int{"x": {2, 3, 4, 5}}, ""},
		{map[string][]int{"x": {2, 3, 4, 5}, "y": {2, 4}}, ""},
		{nil, `"H"`},
		{map[string][]int{"x": {2, 3, 4, 5}, "y": {1, 4}}, `"N"`},
		{map[string][]int{"x": {2, 4, 4, 5}}, `"x"`},
		{map[string][]int{"x": {2, 3, 4}}, `"x"`},
		{map[string][]int{"z": {2, 3, 4}}, `"z"`},
		{map[string][]int{"x": {2, 3, -4, 5}}, `"x"`},
	} {
		p, err := model.Compile(g, model.Options{Inputs: c.in})
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: %v, want mention of %s", c.in, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", c.in, err)
			continue
		}
		if got := p.Outputs()[0].Shape; !slices.Equal(got, []int{2, 60}) {
			t.Errorf("output %v", got)
		}
	}
	if p, err := model.Compile(g, model.Options{Inputs: map[string][]int{"y": {1, 7}}}); err == nil {
		t.Errorf("W is not known, yet it compiled: %v", p.Inputs())
	}
}

// TestShapeArithmeticDisappears checks that what exporters compute of Shape is gone from the program.
func TestShapeArithmeticDisappears(t *testing.T) {
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Symbol("N"), model.Dim{Size: 2}, model.Dim{Size: 3})
	n := g.Add("n", &layer.Gather{}, g.Add("shape", &layer.Shape{End: math.MaxInt32}, x), model.Const("zero", tensor.Of([]int64{0})))
	to := g.Add("to", &layer.Concat{}, n, model.Const("rest", tensor.Of([]int64{-1})))
	g.Output(g.Add("relu", &layer.Unary{Fn: layer.Relu}, g.Add("flat", &layer.Reshape{}, x, to)))
	p, err := model.Compile(g, model.Options{Inputs: map[string][]int{"x": {4, 2, 3}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps() {
		if s.Op == "Shape" || s.Op == "Gather" || s.Op == "Concat" {
			t.Errorf("%s is still there", s.Name)
		}
	}
	if got := p.Outputs()[0].Shape; !slices.Equal(got, []int{4, 6}) {
		t.Errorf("output %v", got)
	}
}

// runGraph compiles and runs a graph.
func runGraph(t *testing.T, g *model.Graph, in model.Tensors, o model.Options) model.Tensors {
	t.Helper()
	o.Inputs = map[string][]int{}
	for name, x := range in {
		o.Inputs[name] = x.Shape()
	}
	p, err := model.Compile(g, o)
	if err != nil {
		t.Fatal(err)
	}
	out := model.Tensors{}
	if err := p.NewSession().Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestShapesThatRunningTells lets NonZero and NonMaxSuppression decide the shapes of what follows.
func TestShapesThatRunningTells(t *testing.T) {
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Symbol("N"))
	at := g.Add("at", &layer.NonZero{}, x)
	flat := g.Add("flat", &layer.Reshape{}, at, model.Const("all", tensor.Of([]int64{-1})))
	picked := g.Add("picked", &layer.Gather{}, x, flat)
	g.Output(g.Add("twice", &layer.Binary{Fn: layer.Mul}, picked, model.Const("two", tensor.Scalar(float32(2)))), g.Add("count", &layer.Size{}, picked))
	p, err := model.Compile(g, model.Options{Inputs: map[string][]int{"x": {5}}})
	if err != nil {
		t.Fatal(err)
	}
	if p.Outputs()[0].Shape != nil {
		t.Errorf("the shape %v is claimed to be known", p.Outputs()[0].Shape)
	}
	s := p.NewSession()
	for _, c := range []struct{ in, out []float32 }{{[]float32{0, 3, 0, 4, 5}, []float32{6, 8, 10}}, {[]float32{0, 0, 0, 0, 0}, nil}, {[]float32{1, 0, 0, 0, 0}, []float32{2}}} {
		out := model.Tensors{}
		if err := s.Run(context.Background(), model.Tensors{"x": tensor.Of(c.in)}, out); err != nil {
			t.Fatal(err)
		}
		if got := out["twice"].Float32s(); !slices.Equal(got, c.out) {
			t.Errorf("%v: %v, want %v", c.in, got, c.out)
		}
		if n := out["count"].Int64s()[0]; int(n) != len(c.out) {
			t.Errorf("%v: counted %d", c.in, n)
		}
	}
}

// TestHalf runs a float16 network: computed in float32, float16 at the edges.
func TestHalf(t *testing.T) {
	halves := func(v ...float32) *tensor.Tensor {
		h := tensor.New(tensor.Float16, len(v))
		if err := tensor.Convert(h, tensor.Of(v), false); err != nil {
			t.Fatal(err)
		}
		return h
	}
	g := &model.Graph{}
	x := g.Input("x", tensor.Float16, model.Fixed(2)...)
	// 2048+1 is no float16; the sum must come through all the same.
	sum := g.Add("sum", &layer.Binary{Fn: layer.Add}, x, model.Const("one", halves(1, 1)))
	back := g.Add("back", &layer.Binary{Fn: layer.Sub}, sum, model.Const("large", halves(2048, 2048)))
	back.DType = tensor.Float16
	rounded := g.Add("rounded", &layer.Cast{To: tensor.Float16}, sum)
	rounded.DType = tensor.Float16
	wide := g.Add("wide", &layer.Cast{To: tensor.Float32}, rounded)
	g.Output(back, rounded, wide)
	out := runGraph(t, g, model.Tensors{"x": halves(2048, 3)}, model.Options{})
	if got := out["back"]; got.DType() != tensor.Float16 || got.Floats()[0] != 1 {
		t.Errorf("back is %v %v", got, got.Floats())
	}
	if got := out["rounded"]; got.DType() != tensor.Float16 || got.Floats()[0] != 2048 {
		t.Errorf("rounded is %v %v", got, got.Floats())
	}
	if got := out["wide"]; got.DType() != tensor.Float32 || got.Floats()[0] != 2048 || got.Floats()[1] != 4 {
		t.Errorf("wide is %v %v", got, got.Floats())
	}
}

// TestOutputsThatAreNoResults hands inputs and constants through, also reshaped.
func TestOutputsThatAreNoResults(t *testing.T) {
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Fixed(2, 3)...)
	c := model.Const("c", tensor.Of([]float32{7}))
	g.Output(x, c, g.Add("flat", &layer.Flatten{}, x), g.Add("same", &layer.Identity{}, c), g.Add("relu", &layer.Unary{Fn: layer.Relu}, x))
	in := tensor.Of([]float32{-1, 2, -3, 4, -5, 6}, 2, 3)
	keep := in.Clone()
	out := runGraph(t, g, model.Tensors{"x": in}, model.Options{})
	if !bytes.Equal(in.Raw(), keep.Raw()) {
		t.Fatal("the input was written to")
	}
	for name, want := range map[string][]float32{"x": {-1, 2, -3, 4, -5, 6}, "c": {7}, "flat": {-1, 2, -3, 4, -5, 6}, "same": {7}, "relu": {0, 2, 0, 4, 0, 6}} {
		if got := out[name]; got == nil || !slices.Equal(got.Float32s(), want) {
			t.Errorf("%s is %v", name, got)
		}
	}
}

func TestRunChecksItsInputs(t *testing.T) {
	g := &model.Graph{}
	g.Output(g.Add("y", &layer.Unary{Fn: layer.Abs}, g.Input("x", tensor.Float32, model.Fixed(2)...)))
	p, err := model.Compile(g, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	ok := tensor.New(tensor.Float32, 2)
	for name, in := range map[string]model.Tensors{
		"nothing": {}, "other shape": {"x": tensor.New(tensor.Float32, 3)}, "other type": {"x": tensor.New(tensor.Int32, 2)}, "one more": {"x": ok, "z": ok},
	} {
		if err := s.Run(context.Background(), in, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	mine := tensor.New(tensor.Float32, 2)
	out := model.Tensors{"y": mine}
	if err := s.Run(context.Background(), model.Tensors{"x": tensor.Of([]float32{-3, 4})}, out); err != nil {
		t.Fatal(err)
	}
	if out["y"] != mine || mine.Float32s()[0] != 3 {
		t.Errorf("the caller's tensor was not filled: %v", mine.Float32s())
	}
}

func TestEndedContext(t *testing.T) {
	g := &model.Graph{}
	g.Output(g.Add("y", &layer.Unary{Fn: layer.Abs}, g.Input("x", tensor.Float32, model.Fixed(2)...)))
	p, err := model.Compile(g, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, in := p.NewSession(), model.Tensors{"x": tensor.New(tensor.Float32, 2)}
	ctx, stop := context.WithCancel(context.Background())
	if err := s.Run(ctx, in, nil); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := s.Run(ctx, in, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// The session lives on under another context.
	if err := s.Run(context.Background(), in, nil); err != nil {
		t.Error(err)
	}
	ctx, stop = context.WithCancel(context.Background())
	defer stop()
	if err := s.Run(ctx, in, nil); err != nil {
		t.Error(err)
	}
}

// TestErrorsInTheMiddleOfARun gives an index that only running shows to be out of range.
func TestErrorsInTheMiddleOfARun(t *testing.T) {
	g := &model.Graph{}
	x, i := g.Input("x", tensor.Float32, model.Fixed(2)...), g.Input("i", tensor.Int64, model.Fixed(1)...)
	g.Output(g.Add("pick", &layer.Gather{}, x, i))
	p, err := model.Compile(g, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = p.NewSession().Run(context.Background(), model.Tensors{"x": tensor.New(tensor.Float32, 2), "i": tensor.Of([]int64{5})}, nil)
	if err == nil || !strings.Contains(err.Error(), `"pick"`) {
		t.Errorf("got %v", err)
	}
}

func TestGraphsThatCannotBe(t *testing.T) {
	relu := &layer.Unary{Fn: layer.Relu}
	loose := &model.Value{Name: "loose"}
	for name, build := range map[string]func(g *model.Graph, x *model.Value){
		"nothing gives it": func(g *model.Graph, x *model.Value) { g.Output(g.Add("bad", relu, loose)) },
		"no such output":   func(g *model.Graph, x *model.Value) { g.Output(loose) },
		"itself": func(g *model.Graph, x *model.Value) {
			y := g.Add("bad", &layer.Binary{Fn: layer.Add}, x, nil)
			g.Nodes[0].In[1] = y
			g.Output(y)
		},
		"two sources": func(g *model.Graph, x *model.Value) {
			y := g.Add("a", relu, x)
			g.Nodes = append(g.Nodes, &model.Node{Name: "bad", Op: relu, In: []*model.Value{x}, Out: []*model.Value{y}})
			g.Output(y)
		},
		"no operation": func(g *model.Graph, x *model.Value) { g.Output(g.Add("bad", nil, x)) },
	} {
		g := &model.Graph{}
		build(g, g.Input("x", tensor.Float32, model.Fixed(2)...))
		if _, err := model.Compile(g, model.Options{}); err == nil || !strings.Contains(err.Error(), "bad") && !strings.Contains(err.Error(), "loose") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Any order without a cycle is good.
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Fixed(2)...)
	g.Output(g.Add("c", relu, g.Add("b", relu, g.Add("a", relu, x))))
	slices.Reverse(g.Nodes)
	if _, err := model.Compile(g, model.Options{}); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Symbol("N"))
	g.Output(g.Add("big", &layer.Expand{}, x, model.Const("to", tensor.Of([]int64{1000, 1000}))))
	if _, err := model.Compile(g, model.Options{MaxBytes: 1 << 20, Inputs: map[string][]int{"x": {1000}}}); err == nil || !strings.Contains(err.Error(), `"big"`) {
		t.Errorf("got %v", err)
	}
	if _, err := model.Compile(g, model.Options{Inputs: map[string][]int{"x": {1000}}}); err != nil {
		t.Error(err)
	}
}

// TestChannelsLast gives networks that take it their input with channels last, and asks for the same bits.
func TestChannelsLast(t *testing.T) {
	taken := 0
	for name, f := range nets {
		x := testInput(7)
		want := run(t, build(5, f), model.Options{}, x)
		p, err := model.Compile(build(5, f), model.Options{ChannelsLast: true})
		if err != nil {
			t.Fatal(err)
		}
		in, port := x, p.Inputs()[0]
		if port.Layout == model.NHWC {
			taken++
			n, c, h, w := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
			in = tensor.New(tensor.Float32, n, h, w, c)
			for i := range in.Float32s() {
				in.Float32s()[i] = x.Float32s()[(i/(h*w*c)*c+i%c)*h*w+i/c%(h*w)]
			}
			for _, s := range p.Steps() {
				if s.Op == "ToNHWC" && s.Name == "x" {
					t.Errorf("%s: the input is turned", name)
				}
			}
		}
		if !slices.Equal(port.Shape, in.Shape()) {
			t.Fatalf("%s: input %v, want %v", name, port.Shape, in.Shape())
		}
		out := model.Tensors{}
		if err := p.NewSession().Run(context.Background(), model.Tensors{"x": in}, out); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out["y"].Raw(), want.Raw()) {
			t.Errorf("%s: other bits", name)
		}
	}
	if taken < 20 || taken == len(nets) {
		t.Errorf("%d of %d networks take channels last", taken, len(nets))
	}
}

// TestChannelsLastOfLoops: a Loop binds its values to the inputs of its body as they are.
func TestChannelsLastOfLoops(t *testing.T) {
	for _, side := range []int{8, 5} { // where channels are as many as rows and columns, and where not
		graph := func() *model.Graph {
			body := newNet(3)
			body.Input("i", tensor.Int64)
			going := body.Input("going", tensor.Bool)
			carried := body.Input("carried", tensor.Float32, model.Fixed(1, 8, side, side)...)
			body.Output(body.Add("again", &layer.Identity{}, going), body.unary(layer.Tanh, body.conv(carried, 8, 8, 3, pads(1), 1)))
			b := newNet(4)
			x, n := b.Input("x", tensor.Float32, model.Fixed(1, 8, side, side)...), b.Input("n", tensor.Int64, model.Fixed(1)...)
			b.Output(b.Add("y", &model.Loop{Body: body.Graph, Carried: 1}, n, nil, x))
			return b.Graph
		}
		x := tensor.New(tensor.Float32, 1, 8, side, side)
		for i := range x.Float32s() {
			x.Float32s()[i] = float32(i%17) - 8
		}
		var want []float32
		for _, option := range []bool{false, true} {
			p, err := model.Compile(graph(), model.Options{ChannelsLast: option})
			if err != nil {
				t.Fatal(err)
			}
			out := model.Tensors{}
			if err := p.NewSession().Run(context.Background(), model.Tensors{"x": x, "n": tensor.Of([]int64{5}, 1)}, out); err != nil {
				t.Fatal(err)
			}
			if got := out[p.Outputs()[0].Name].Float32s(); option && !slices.Equal(got, want) {
				t.Errorf("side %d: other bits", side)
			} else {
				want = slices.Clone(got)
			}
		}
	}
}
