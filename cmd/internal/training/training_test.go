package training

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// paint writes a picture of w x h pixels.
func paint(t *testing.T, name string, w, h int, at func(x, y int) color.Color) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	grey := image.NewGray(img.Rect)
	for y := range h {
		for x := range w {
			img.Set(x, y, at(x, y))
			grey.Set(x, y, at(x, y))
		}
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var pic image.Image = img
	if strings.HasSuffix(name, "_label.png") {
		pic = grey
	}
	if err := png.Encode(f, pic); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

var (
	red  = color.NRGBA{220, 20, 20, 255}
	blue = color.NRGBA{20, 20, 220, 255}
)

// kind is a kind of data that can be made up: red is to be told from blue.
type kind struct {
	name   string
	data   func(t *testing.T, dir string)
	net    func(b *arch.Builder, x *model.Value)
	recipe string
	figure string
	least  float64
}

var kinds = []kind{
	{
		name: "labels",
		data: func(t *testing.T, dir string) {
			for i := range 6 {
				left := func(x, _ int) bool { return x < 4+2*i }
				paint(t, filepath.Join(dir, fmt.Sprintf("%d.png", i)), 16, 16, func(x, y int) color.Color {
					if left(x, y) {
						return red
					}
					return blue
				})
				paint(t, filepath.Join(dir, fmt.Sprintf("%d_label.png", i)), 16, 16, func(x, y int) color.Color {
					if left(x, y) {
						return color.Gray{0}
					}
					return color.Gray{1}
				})
			}
		},
		net: func(b *arch.Builder, x *model.Value) { b.Output("scores", b.Conv(x, arch.ConvSpec{Out: 2})) },
		recipe: `
data: {kind: labels, train: {pictures: .}, valid: {pictures: .}, classes: 2, void: 9, size: 8x8, normal: {mean: [127.5], std: [64]}, augment: {flip: true}}
card: {input: {size: 16x16}, logits: true, labels: [red, blue]}
loss: [{kind: cross_entropy, ignore: 9}]
`,
		figure: "miou", least: 0.95,
	},
	{
		name: "boxes",
		data: func(t *testing.T, dir string) {
			var lines strings.Builder
			for i := range 4 {
				x0, y0 := 8+4*i, 16-4*i
				paint(t, filepath.Join(dir, fmt.Sprintf("%d.png", i)), 64, 64, func(x, y int) color.Color {
					if x >= x0 && x < x0+16 && y >= y0 && y < y0+24 {
						return red
					}
					return blue
				})
				fmt.Fprintf(&lines, `{"image": "%d.png", "boxes": [{"label": "person", "box": [%d, %d, 16, 24]}]}`+"\n", i, x0, y0)
			}
			put(t, filepath.Join(dir, "boxes.jsonl"), lines.String())
		},
		net: func(b *arch.Builder, x *model.Value) {
			for range 3 {
				x = b.ConvBN(x, arch.ConvSpec{Out: 16, K: 3, Stride: 2})
			}
			b.Output("cells", b.Conv(b.ConvBN(x, arch.ConvSpec{Out: 16, K: 3}), arch.ConvSpec{Out: 5}))
		},
		recipe: `
data: {kind: boxes, train: {boxes: boxes.jsonl}, valid: {boxes: boxes.jsonl, match: ["3.png"]}, size: 64x64, stride: 8, label: person, normal: {mean: [127.5], std: [64]}}
card: {head: centre, labels: [person], input: {size: 64x64, fit: letterbox}, logits: true, score: 0.3}
loss:
  - {kind: focal, target: heat, channels: [0, 1]}
  - {kind: giou, target: sides, mask: weight, channels: [1, 5], stride: 8}
`,
		figure: "ap50", least: 0.95,
	},
	{
		name: "faces",
		data: func(t *testing.T, dir string) {
			for p := range 4 {
				for i := range 3 {
					paint(t, filepath.Join(dir, fmt.Sprintf("p%d", p), fmt.Sprintf("p%d_%04d.jpg", p, i)), 8, 8, func(x, y int) color.Color {
						return color.NRGBA{uint8(60 * p), uint8(250 - 60*p), uint8(20 * i), 255}
					})
				}
			}
			put(t, filepath.Join(dir, "out.txt"), "p3\n")
			put(t, filepath.Join(dir, "pairs.txt"), "p0\t0\t1\np1\t1\t2\np2\t0\t2\np0\t0\tp1\t1\np1\t1\tp2\t2\np2\t0\tp0\t2\n")
		},
		net: func(b *arch.Builder, x *model.Value) { b.Output("embedding", b.Dense(x, 4)) },
		recipe: `
data: {kind: faces, train: {pictures: ., without: out.txt}, valid: {pictures: ., pairs: pairs.txt}, size: 8x8, normal: {mean: [127.5], std: [64]}}
card: {input: {size: 8x8}}
loss: [{kind: contrastive}]
`,
		figure: "tar_far_1", least: 0.99,
	},
}

// TestKinds trains a small network of each kind of data and writes it; the file carries the card, the terms and the figures.
func TestKinds(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			dir := t.TempDir()
			k.data(t, dir)
			b := arch.NewBuilder(k.name, 1)
			size := map[string]int{"labels": 8, "boxes": 64, "faces": 8}[k.name]
			k.net(b, b.OpenInput("image", 3, size, size))
			if err := onnx.WriteFile(filepath.Join(dir, "net.onnx"), b.Graph); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "recipe.yaml")
			put(t, file, `name: red
about: Tells red from blue.
net: net.onnx
terms: made up
batch: 2
steps_per_epoch: 200
epochs: 1
seed: 1
optimiser: {kind: adamw}
schedule: {rate: 0.02, shape: cosine}`+k.recipe)
			j, err := Prepare(file, dir, train.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			h, err := j.Run(context.Background(), "", nil)
			if err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(dir, "out.onnx")
			if err := j.Write(context.Background(), out, h); err != nil {
				t.Fatal(err)
			}
			g, err := onnx.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			var figures map[string]float64
			if err := json.Unmarshal([]byte(g.Meta["ocellus.metrics"]), &figures); err != nil {
				t.Fatal(err)
			}
			if !(figures[k.figure] >= k.least) {
				t.Errorf("%v", figures)
			}
			c, err := card.FromMeta(g.Meta)
			if err != nil || c.Input.Std[0] != 64 || c.Input.Order != "rgb" {
				t.Errorf("card %+v, %v", c, err)
			}
			if c, ok := g.Meta[face.MetaKey]; ok {
				t.Errorf("three people give the calibration %s", c)
			}
			if g.Meta["ocellus.data_terms"] != "made up" {
				t.Errorf("terms %q", g.Meta["ocellus.data_terms"])
			}
		})
	}
}

// TestNothingToMeasure prepares recipes whose held-out examples hold nothing that could be measured.
func TestNothingToMeasure(t *testing.T) {
	for _, k := range kinds {
		dir := t.TempDir()
		k.data(t, dir)
		want, recipe := "", k.recipe
		switch k.name {
		case "labels":
			want = "1 pictures, and a label of the 2 classes in none of them"
			recipe = strings.Replace(recipe, "valid: {pictures: .}", "valid: {pictures: void}", 1)
			paint(t, filepath.Join(dir, "void", "0.png"), 16, 16, func(int, int) color.Color { return red })
			paint(t, filepath.Join(dir, "void", "0_label.png"), 16, 16, func(int, int) color.Color { return color.Gray{9} })
		case "boxes":
			want = `1 pictures, and no object "person" in any of them`
			recipe = strings.Replace(recipe, "valid: {boxes: boxes.jsonl", "valid: {boxes: none.jsonl", 1)
			put(t, filepath.Join(dir, "none.jsonl"), `{"image": "3.png", "boxes": [{"label": "table", "box": [1, 1, 16, 24]}]}`)
		case "faces":
			want = "pairs: 0 of one person and 1 of two"
			put(t, filepath.Join(dir, "pairs.txt"), "p0\t0\tp1\t1\n")
		}
		file := filepath.Join(dir, "recipe.yaml")
		put(t, file, "name: red\nnet: nowhere.onnx\nbatch: 1\nepochs: 1\noptimiser: {kind: adamw}\nschedule: {rate: 0.02}\n"+recipe)
		if _, err := Prepare(file, dir, train.Options{Threads: 1}); err == nil || !strings.HasPrefix(err.Error(), file+": data: valid: "+want) {
			t.Errorf("%s: %v, which should say %q", k.name, err, want)
		}
	}
}
