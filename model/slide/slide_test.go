package slide_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/slide"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// windows is a small classifier of windows of 16x24 pixels, with neighbours 4 apart. The pooling leaves two pixels out.
func windows() *model.Graph {
	b := arch.NewBuilder("windows", 3)
	x := b.MaxPool(b.ReLU(b.Conv(b.Input("image", 3, 24, 16), arch.ConvSpec{Out: 4, K: 3, Valid: true})), 4, 4, 0)
	x = b.ReLU(b.Whole(x, 5))
	b.Output("logits", b.Add(&layer.Flatten{Axis: 1}, b.Conv(x, arch.ConvSpec{Out: 2})))
	return b.Graph
}

// run returns the outputs of a network for one input.
func run(t *testing.T, g *model.Graph, x *tensor.Tensor) []*tensor.Tensor {
	t.Helper()
	p, err := model.Compile(g, model.Options{Threads: 1, Inputs: map[string][]int{"image": x.Shape()}})
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	if err := s.Run(context.Background(), model.Tensors{"image": x}, nil); err != nil {
		t.Fatal(err)
	}
	var out []*tensor.Tensor
	for i := range p.Outputs() {
		out = append(out, s.Output(i))
	}
	return out
}

// TestWindows compares the scores of places at the first size with those that the classifier gives for the windows cut out, and looks where their boxes lie.
func TestWindows(t *testing.T) {
	const w, h = 42, 36
	g, err := slide.Over(windows(), slide.Spec{Width: w, Height: h, Box: [4]float64{4, 6, 8, 12}, Octave: 2})
	if err != nil {
		t.Fatal(err)
	}
	x, r := tensor.New(tensor.Float32, 1, 3, h, w), data.NewRand(5)
	for i := range x.Float32s() {
		x.Float32s()[i] = float32(r.Between(-1, 1))
	}
	out := run(t, g, x)
	scores, boxes := out[0], out[1]
	n := scores.Shape()[1]
	if boxes.Shape()[1] != n || scores.Shape()[2] != 2 {
		t.Fatalf("scores %v for boxes %v", scores.Shape(), boxes.Shape())
	}
	inside, widest := 0, 0.0
	for i := range n {
		b := boxes.Float32s()[4*i : 4*i+4]
		widest = max(widest, float64(b[2]-b[0]))
		if b[2]-b[0] != 8 {
			continue // of a smaller size
		}
		x0, y0 := int(b[0])-4, int(b[1])-6
		if x0 < 0 || y0 < 0 || x0+16 > w || y0+24 > h {
			continue // beyond the edge
		}
		inside++
		cut := tensor.New(tensor.Float32, 1, 3, 24, 16)
		for c := range 3 {
			for y := range 24 {
				copy(cut.Float32s()[(c*24+y)*16:][:16], x.Float32s()[(c*h+y0+y)*w+x0:])
			}
		}
		for k, want := range run(t, windows(), cut)[0].Float32s() {
			if got := scores.Float32s()[2*i+k]; math.Abs(float64(got-want)) > 1e-5 {
				t.Errorf("the window at %d, %d has the score %g, alone %g", x0, y0, got, want)
			}
		}
	}
	if inside < 15 {
		t.Errorf("%d windows lie inside the picture", inside)
	}
	// The largest object is that of the smallest picture that has room for it.
	if widest < 16 || widest > 30 {
		t.Errorf("the widest object is %g pixels wide", widest)
	}
}

// TestPair asks for two scores of a network of one.
func TestPair(t *testing.T) {
	b := arch.NewBuilder("one", 1)
	b.Output("score", b.Add(&layer.Flatten{Axis: 1}, b.Whole(b.MaxPool(b.Input("image", 3, 16, 8), 4, 4, 0), 1)))
	g, err := slide.Over(b.Graph, slide.Spec{Width: 20, Height: 24, Box: [4]float64{2, 2, 4, 12}, Octave: 1})
	if err != nil {
		t.Fatal(err)
	}
	x := tensor.New(tensor.Float32, 1, 3, 24, 20)
	for i := range x.Float32s() {
		x.Float32s()[i] = float32(i%7) - 3
	}
	scores := run(t, g, x)[0]
	some := false
	for i, v := range scores.Float32s() {
		if i%2 == 0 && v != 0 {
			t.Fatalf("the background of window %d has the score %g", i/2, v)
		}
		some = some || v != 0
	}
	if !some || scores.Shape()[2] != 2 {
		t.Errorf("scores %v", scores)
	}
}

// TestRefusals asks for errors that say what is wrong.
func TestRefusals(t *testing.T) {
	good := slide.Spec{Width: 42, Height: 36, Box: [4]float64{4, 6, 8, 12}, Octave: 2}
	change := func(f func(*slide.Spec)) slide.Spec {
		s := good
		f(&s)
		return s
	}
	for _, c := range []struct {
		net  *model.Graph
		spec slide.Spec
		say  string
	}{
		{windows(), change(func(s *slide.Spec) { s.Octave = 0 }), "0 sizes an octave"},
		{windows(), change(func(s *slide.Spec) { s.Box[2] = 13 }), "lies in the window"},
		{windows(), change(func(s *slide.Spec) { s.Width = 4 }), "larger than a picture"},
		{arch.PedestrianDetector(1), good, "has no size"},
		{arch.DigitsConvNet(1), good, "last layer with weights is a convolution"},
	} {
		if _, err := slide.Over(c.net, c.spec); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, which should say %q", c.net.Name, err, c.say)
		}
	}
}
