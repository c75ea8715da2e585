package classify

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// fixed compiles a network that answers the same to every picture.
func fixed(t *testing.T, channels int, x ...*tensor.Tensor) *model.Program {
	t.Helper()
	g := &model.Graph{}
	g.Input("image", tensor.Float32, model.Fixed(1, channels, 8, 8)...)
	for _, v := range x {
		g.Output(model.Const("scores", v))
	}
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var dot = kernels.Picture{Format: kernels.RGB, W: 1, H: 1, Stride: 3, Pix: make([]uint8, 3)}

func TestClassify(t *testing.T) {
	ln := func(x float64) float32 { return float32(math.Log(x)) }
	yes, no := true, false
	for _, c := range []struct {
		name   string
		scores []float32
		logits *bool
		want   []Class
	}{
		// e^ln x over the sum: 2/8, 1/8, 5/8.
		{"logits", []float32{ln(2), ln(1), ln(5)}, nil, []Class{{2, "c", 0.625}, {0, "a", 0.25}}},
		{"probabilities", []float32{0.25, 0.5, 0.25}, nil, []Class{{1, "b", 0.5}, {0, "a", 0.25}}},
		{"logits that look like probabilities", []float32{0, 1, 0}, &yes, []Class{{1, "b", math.E / (math.E + 2)}, {0, "a", 1 / (math.E + 2)}}},
		{"scores as they are", []float32{3, -1, 2}, &no, []Class{{0, "a", 3}, {2, "c", 2}}},
	} {
		n, err := New(fixed(t, 3, tensor.Of(c.scores, 1, 3, 1, 1)), card.Card{Labels: []string{"a", "b", "c"}, Logits: c.logits})
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.Classify(context.Background(), dot, 2)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		same := func(a, b Class) bool {
			return a.Class == b.Class && a.Label == b.Label && math.Abs(a.Score-b.Score) < 1e-6
		}
		if !slices.EqualFunc(got, c.want, same) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	one := tensor.Of([]float32{1, 2}, 1, 2)
	n, err := New(fixed(t, 3, one), card.Card{})
	if err != nil || n.Card().Input.Fit != "crop" || n.Card().Input.Order != "rgb" || n.Classes() != 2 {
		t.Errorf("%+v, %v", n.Card(), err)
	}
	n, err = New(fixed(t, 1, one), card.Card{})
	if err != nil || n.Card().Input.Fit != "stretch" || n.Card().Input.Order != "grey" {
		t.Errorf("%+v, %v", n.Card(), err)
	}
}

func TestRefuses(t *testing.T) {
	for want, out := range map[string][]*tensor.Tensor{
		`output "scores" is [1 2 2]`:  {tensor.New(tensor.Float32, 1, 2, 2)},
		`output "scores" is [1]`:      {tensor.New(tensor.Float32, 1)},
		"has 2 outputs":               {tensor.New(tensor.Float32, 1, 3), tensor.New(tensor.Float32, 1, 3)},
		"the score of class 1 is NaN": {tensor.Of([]float32{0, float32(math.NaN())}, 1, 2)},
	} {
		n, err := New(fixed(t, 3, out...), card.Card{})
		if err == nil {
			_, err = n.Classify(context.Background(), dot, 1)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestTop(t *testing.T) {
	v := []float32{3, 1, 3, 2}
	for k, want := range map[int][]int{0: {}, -1: {}, 1: {0}, 3: {0, 2, 3}, 9: {0, 2, 3, 1}} {
		if got := Top(v, k); !slices.Equal(got, want) {
			t.Errorf("top %d: %v, want %v", k, got, want)
		}
	}
}
