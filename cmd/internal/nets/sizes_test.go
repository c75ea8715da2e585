package nets_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// write writes a network that halves the sides of a picture, for inputs of the given shape.
func write(t *testing.T, shape ...model.Dim) string {
	t.Helper()
	g := &model.Graph{Name: "half"}
	in := g.Input("image", tensor.Float32, shape...)
	pool := &layer.MaxPool{Window: layer.Window{Kernel: []int{2, 2}, Strides: []int{2, 2}, Pads: []int{0, 0, 0, 0}, Dilations: []int{1, 1}}}
	g.Output(g.Add("half", pool, in))
	path := filepath.Join(t.TempDir(), "half.onnx")
	if err := onnx.WriteFile(path, g); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSmaller(t *testing.T) {
	open := write(t, model.Dim{Size: 1}, model.Dim{Size: 3}, model.Dim{Size: -1, Name: "H"}, model.Dim{Size: -1, Name: "W"})
	given := write(t, model.Fixed(1, 3, 352, 480)...)
	wide := write(t, model.Dim{Size: 1}, model.Dim{Size: 3}, model.Dim{Size: 64}, model.Dim{Size: -1, Name: "W"})
	for _, c := range []struct {
		name string
		r    nets.Request
		want [][2]int
	}{
		{"open", nets.Request{File: open, Width: 480, Height: 352, Smaller: true}, [][2]int{{480, 352}, {352, 256}, {256, 192}}},
		{"not asked for", nets.Request{File: open, Width: 480, Height: 352}, [][2]int{{480, 352}}},
		{"small", nets.Request{File: open, Width: 64, Height: 64, Smaller: true}, [][2]int{{64, 64}, {32, 32}}},
		{"smallest", nets.Request{File: open, Width: 32, Height: 32, Smaller: true}, [][2]int{{32, 32}}},
		{"the user's size", nets.Request{File: open, Card: card.Card{Input: card.Input{Size: "480x352"}}, Smaller: true}, [][2]int{{480, 352}}},
		{"fixed", nets.Request{File: given, Width: 640, Height: 640, Smaller: true}, [][2]int{{480, 352}}},
		{"half fixed", nets.Request{File: wide, Width: 480, Height: 352, Smaller: true}, [][2]int{{480, 64}}},
	} {
		n, err := nets.Load(c.r)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got [][2]int
		for _, p := range n.Programs() {
			got = append(got, nets.Size(p))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
