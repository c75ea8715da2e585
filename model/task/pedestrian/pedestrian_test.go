package pedestrian

import (
	"context"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// found compiles a network with an input of 32x32 that answers to any picture as a decoded YOLO of two classes does: one object of class 0 and a surer one
// of class 1.
func found(t *testing.T, classes int) *model.Program {
	t.Helper()
	n := 5 + classes
	v := make([]float32, 63*n)
	copy(v, []float32{4, 12, 8, 8, 0.8, 1})
	copy(v[n:], []float32{16, 16, 16, 8, 0.9})
	v[n+4+classes] = 1
	g := &model.Graph{}
	g.Input("image", tensor.Float32, model.Fixed(1, 3, 32, 32)...)
	g.Output(model.Const("out", tensor.Of(v, 1, 63, n)))
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDetect(t *testing.T) {
	pic := kernels.Picture{Format: kernels.RGB, W: 64, H: 64, Stride: 192, Pix: make([]uint8, 64*192)}
	for _, c := range []struct {
		labels  []string
		classes int
		want    [][4]float64 // in a picture twice as large as the input
	}{
		{[]string{"person", "car"}, 2, [][4]float64{{0, 16, 16, 16}}},
		{[]string{"car", "pedestrian"}, 2, [][4]float64{{16, 24, 32, 16}}},
		{[]string{"person", "pedestrian"}, 2, [][4]float64{{16, 24, 32, 16}}},
		{[]string{"people"}, 1, [][4]float64{{16, 24, 32, 16}, {0, 16, 16, 16}}},
		{nil, 1, [][4]float64{{16, 24, 32, 16}, {0, 16, 16, 16}}},
	} {
		d, err := New(found(t, c.classes), card.Card{Labels: c.labels})
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Detect(context.Background(), pic)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(c.want) {
			t.Fatalf("%v: %v, want %v", c.labels, got, c.want)
		}
		for i, p := range got {
			if p.Box != c.want[i] {
				t.Errorf("%v: %v, want %v", c.labels, got, c.want)
			}
		}
	}
}

func TestNewAsksForPeople(t *testing.T) {
	for _, c := range []struct {
		labels  []string
		classes int
		want    string
	}{
		{[]string{"cat", "dog"}, 2, "cat, dog"}, {nil, 2, "class_0"}, {[]string{"cat"}, 1, "cat"},
	} {
		if _, err := New(found(t, c.classes), card.Card{Labels: c.labels}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.labels, err)
		}
	}
}
