package training

import (
	"context"
	"fmt"
	"image/color"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// TestWindows trains a small classifier of windows, red people on blue with red tables between them, and measures it as the detector that it becomes. It is
// shown what it takes for people.
func TestWindows(t *testing.T) {
	dir := t.TempDir()
	var lines strings.Builder
	for i := range 4 {
		x0, y0 := 10+9*i, 12+3*i
		paint(t, filepath.Join(dir, fmt.Sprintf("%d.png", i)), 120, 96, func(x, y int) color.Color {
			switch {
			case x >= x0 && x < x0+20 && y >= y0 && y < y0+48, x >= 75 && x < 115 && y >= 30 && y < 45:
				return red
			}
			return blue
		})
		fmt.Fprintf(&lines, `{"image": "%d.png", "boxes": [{"label": "person", "box": [%d, %d, 20, 48]}]}`+"\n", i, x0, y0)
	}
	put(t, filepath.Join(dir, "boxes.jsonl"), lines.String())
	b := arch.NewBuilder("windows", 1)
	x := b.MaxPool(b.ReLU(b.Conv(b.Input("image", 3, 32, 16), arch.ConvSpec{Out: 8, K: 3, Valid: true})), 2, 2, 0)
	b.Output("logits", b.Add(&layer.Flatten{Axis: 1}, b.Conv(b.ReLU(b.Whole(x, 16)), arch.ConvSpec{Out: 2})))
	if err := onnx.WriteFile(filepath.Join(dir, "net.onnx"), b.Graph); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "recipe.yaml")
	text := `name: windows
about: Tells people from tables.
net: net.onnx
from: conv1
data:
  {kind: windows, train: {boxes: boxes.jsonl}, valid: {boxes: boxes.jsonl, match: ["3.png"]}, size: 16x32, object: [3, 4, 10, 24], share: 0.4, label: person,
    normal: {mean: [127.5], std: [64]}, augment: {shift: 1, scale: 0.1}}
card: {labels: [background, person], logits: true, input: {size: 16x32, fit: stretch}, window: {object: [3, 4, 10, 24], picture: 120x96}, iou: 0.3}
mine: {every: 1, pictures: 3, most: 4, score: 0.2}
loss: [{kind: cross_entropy}]
batch: 6
steps_per_epoch: 80
epochs: 3
seed: 1
optimiser: {kind: adamw}
schedule: {rate: 0.005, shape: cosine}
`
	put(t, file, text)
	j, err := Prepare(file, dir, train.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	h, err := j.Run(context.Background(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Mined) == 0 {
		t.Error("in two rounds nothing was taken for a person that is none")
	}
	for _, p := range h.Mined {
		if p.Scene > 2 {
			t.Errorf("%v is of a picture that is not trained on", p)
		}
	}
	if m := h.Metrics[len(h.Metrics)-1].Values; !(m["ap50"] > 0.9) {
		t.Errorf("%v", m)
	}
	put(t, file, strings.Replace(text, "from: conv1", "from: conv9", 1))
	if _, err := Prepare(file, dir, train.Options{Threads: 1}); err == nil || !strings.Contains(err.Error(), `no layer "conv9"`) {
		t.Errorf("a layer that is not there: %v", err)
	}
}

// TestScenes draws pictures to look at.
func TestScenes(t *testing.T) {
	dir := t.TempDir()
	var frames []data.Annotated
	for i := range 5 {
		name := filepath.Join(dir, fmt.Sprintf("%d.png", i))
		paint(t, name, 40, 40, func(int, int) color.Color { return blue })
		paint(t, filepath.Join(dir, "back", fmt.Sprintf("%d.png", i)), 40, 40, func(int, int) color.Color { return blue })
		paint(t, filepath.Join(dir, "back", fmt.Sprintf("%d_label.png", i)), 40, 40, func(int, int) color.Color { return color.Gray{0} })
		frames = append(frames, data.Annotated{File: name, Objects: []data.Object{{Label: "person", Box: data.Box{4, 4, 10, 24}}}})
	}
	spec := data.WindowSpec{W: 16, H: 32, Object: data.Box{3, 4, 10, 24}, Label: "person", Share: 0.5}
	for _, c := range []struct {
		backgrounds           string
		n, annotated, labeled int
	}{{"back", 4, 2, 2}, {"back", 9, 4, 5}, {"back", 99, 5, 5}, {"", 4, 4, 0}, {"", 99, 5, 0}} {
		spec.Compose.Backgrounds = c.backgrounds
		set, err := data.OpenWindows(frames, dir, spec)
		if err != nil {
			t.Fatal(err)
		}
		seen, annotated := map[int]bool{}, 0
		for _, s := range scenes(data.NewRand(1), set, c.n) {
			if seen[s] || s < 0 || s >= set.Scenes() {
				t.Errorf("%+v: picture %d", c, s)
			}
			if seen[s] = true; s < set.Annotated() {
				annotated++
			}
		}
		if annotated != c.annotated || len(seen)-annotated != c.labeled {
			t.Errorf("%+v: %v", c, seen)
		}
	}
}
