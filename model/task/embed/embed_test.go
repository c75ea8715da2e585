package embed

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// vector runs a network that answers v to every picture.
func vector(t *testing.T, v ...float32) ([]float32, error) {
	t.Helper()
	g := &model.Graph{}
	g.Input("image", tensor.Float32, model.Fixed(1, 3, 8, 8)...)
	g.Output(model.Const("vector", tensor.Of(v, 1, len(v), 1, 1)))
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(p, card.Card{})
	if err != nil {
		return nil, err
	}
	got := make([]float32, e.Size())
	return got, e.Embed(context.Background(), got, kernels.Picture{Format: kernels.Grey, W: 1, H: 1, Stride: 1, Pix: []uint8{1}})
}

func TestEmbed(t *testing.T) {
	a, err := vector(t, 3, 0, -4)
	if err != nil || a[0] != 0.6 || a[1] != 0 || a[2] != -0.8 {
		t.Errorf("(3, 0, -4) over 5 is %v, %v", a, err)
	}
	// Large numbers: their squares do not fit float32.
	b, err := vector(t, 0, 3e30, 4e30)
	if err != nil || math.Abs(float64(b[1])-0.6) > 1e-6 || math.Abs(float64(b[2])-0.8) > 1e-6 {
		t.Errorf("%v, %v", b, err)
	}
	if got := Similarity(a, b); math.Abs(got+0.64) > 1e-7 {
		t.Errorf("similarity %g, want -0.64", got)
	}
	if got := Similarity(a, a); got > 1 || got < 1-1e-6 {
		t.Errorf("similarity with itself %g", got)
	}
}

func TestRefuses(t *testing.T) {
	for want, v := range map[string][]float32{
		`output "vector" is [1 1 1 1]`: {1},
		"length zero":                  {0, 0},
		"what is no number":            {1, float32(math.NaN())},
		`output "vector": a vector`:    {1, float32(math.Inf(1))},
	} {
		if _, err := vector(t, v...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
