package cards

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

const whole = `# A person detector.
head: yolox
labels: [person]
input:
  size: 192x192
  order: bgr
  fit: letterbox
  pad: [114]
  mean: [0, 0, 0]
  std: [1, 1, 1]
  resample: area
  region: [0, 0.1, 1, 0.9]
score: 0.4
iou: 0.5
max: 20
logits: false
units: pixels
anchors:
  variance: [0.1, 0.2]
  maps:
    - stride: 8
      sizes: [[10, 10], [16, 24.5]]
`

func TestParse(t *testing.T) {
	c, err := Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if c.Head != "yolox" || !slices.Equal(c.Labels, []string{"person"}) || c.Input.Size != "192x192" || c.Input.Order != "bgr" || c.Input.Fit != "letterbox" ||
		!slices.Equal(c.Input.Pad, []float64{114}) || len(c.Input.Mean) != 3 || len(c.Input.Std) != 3 || c.Input.Resample != "area" || len(c.Input.Region) != 4 ||
		*c.Score != 0.4 || *c.IoU != 0.5 || c.Max != 20 || c.Logits == nil || *c.Logits || c.Units != "pixels" ||
		c.Anchors.Maps[0].Stride != 8 || c.Anchors.Maps[0].Sizes[1] != [2]float64{16, 24.5} || c.Anchors.Variance[1] != 0.2 {
		t.Errorf("%+v", c)
	}
	if c, err = Parse([]byte("score: 0\niou: 0\n")); err != nil || c.Score == nil || *c.Score != 0 || c.IoU == nil || *c.IoU != 0 {
		t.Errorf("a score and an overlap of 0: %+v, %v", c, err)
	}
	if c, err = Parse(nil); err != nil || c.Head != "" {
		t.Errorf("an empty file: %+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"head: yolox\nscroe: 0.4\n":   `unknown field "scroe"`,
		"input:\n  order: [rgb]\n":    "order: [rgb]", // the line itself
		"head: yolox\nhead: yolov5\n": "already defined",
		"score: 4\n":                  "score: 4 is not in 0..1",
		"input:\n  fit: fill\n":       `"fill" is none of stretch`,
		"score: high\n":               "score: high",
		"{":                           "",
		"anchors:\n  maps:\n    - sizes: [[1, 2, 3]]\n": "",
		"a: &a [*a]\n": "",
		"labels: &l [x]\ninput: {pad: *l}\nunits: [*l]\n": "",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := Parse(b); err == nil && c.Check() != nil {
			t.Errorf("a card that is wrong: %v", c.Check())
		}
	})
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if c, err := Beside(filepath.Join(dir, "net.onnx")); err != nil || c.Head != "" {
		t.Errorf("no card: %+v, %v", c, err)
	}
	path := write("net.yaml", "head: ssd\n")
	if c, err := Beside(filepath.Join(dir, "net.onnx")); err != nil || c.Head != "ssd" {
		t.Errorf("%+v, %v", c, err)
	}
	write("net.yaml", "hed: ssd\n")
	if _, err := Beside(filepath.Join(dir, "net.onnx")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a wrong card: %v", err)
	}
	if _, err := Read(filepath.Join(dir, "none.yaml")); err == nil {
		t.Error("a card that is not there")
	}
	if _, err := Read(write("large.yaml", strings.Repeat("#", maxBytes+1))); err == nil {
		t.Error("a card of a megabyte")
	}
	if l, err := ReadLabels(write("names.txt", "Cat\ndog\n")); err != nil || !slices.Equal(l, []string{"cat", "dog"}) {
		t.Errorf("%q, %v", l, err)
	}
	if _, err := ReadLabels(write("empty.txt", "\n")); err == nil {
		t.Error("no labels")
	}
}

// TestBesideRecipe puts recipes and what is like one in the place of a card.
func TestBesideRecipe(t *testing.T) {
	dir := t.TempDir()
	net := filepath.Join(dir, "net.onnx")
	for text, want := range map[string]string{
		"name: n\nnet: scene\nloss: [{kind: focal}]\ncard: {head: ssd}\n": "",
		"name: n\nnet: scene\n": "unknown field",
		"net: scene\nloss: [":   "net.yaml",
		"head: ssd\nhed: a\n":   `unknown field "hed"`,
	} {
		if err := os.WriteFile(Name(net), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		c, err := Beside(net)
		if c.Head != "" || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; it should say %q", text, c, err, want)
		}
	}
	recipes, err := filepath.Glob("../../../model/zoo/recipes/*.yaml")
	if err != nil || len(recipes) == 0 {
		t.Fatalf("%d recipes, %v", len(recipes), err)
	}
	for _, r := range recipes {
		if _, err := Beside(r); err != nil {
			t.Errorf("%s is not taken for a recipe: %v", r, err)
		}
	}
}

// TestReadModel reads a network alone and with a card beside it.
func TestReadModel(t *testing.T) {
	b := arch.NewBuilder("net", 1)
	b.Graph.Meta = map[string]string{card.MetaKey: `{"score": 0.5, "input": {"mean": [0], "std": [255]}}`, "more": "stays"}
	b.Output("out", b.Dense(b.Input("image", 1, 4, 4), 2))
	net := filepath.Join(t.TempDir(), "net.onnx")
	if err := onnx.WriteFile(net, b.Graph); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(net)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ReadModel(net); err != nil || !bytes.Equal(got, want) {
		t.Errorf("alone it is read as %d bytes, not as its %d; %v", len(got), len(want), err)
	}
	if err := os.WriteFile(Name(net), []byte("labels: [a, b]\ninput: {mean: [127.5], std: [127.5]}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	got, err := ReadModel(net)
	if err != nil {
		t.Fatal(err)
	}
	g, err := onnx.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	c, err := card.FromMeta(g.Meta)
	if err != nil || *c.Score != 0.5 || !slices.Equal(c.Labels, []string{"a", "b"}) || c.Input.Mean[0] != 127.5 || c.Input.Std[0] != 127.5 || g.Meta["more"] != "stays" {
		t.Errorf("it carries %v, %v", g.Meta, err)
	}
	old, err := onnx.Read(want)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(g.Constants(), old.Constants(), func(a, b *model.Value) bool { return bytes.Equal(a.Const.Raw(), b.Const.Raw()) }) {
		t.Error("its weights are others")
	}
	// A file that was read is not read again.
	f, err := ReadFile(net)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(Name(net))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append(slices.Clone(want), text...))
	if err := errors.Join(os.Remove(net), os.Remove(Name(net))); err != nil {
		t.Fatal(err)
	}
	if digest, err := f.Sum(); err != nil || digest != hex.EncodeToString(sum[:]) {
		t.Errorf("its sum is %s, not %x; %v", digest, sum, err)
	}
	if again, err := f.Model(); err != nil || !bytes.Equal(again, got) || !bytes.Equal(f.Bytes, want) {
		t.Errorf("read once it is another model: %v", err)
	}
	if err := os.WriteFile(net, want, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(Name(net), []byte("lables: [a, b]\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadModel(net); err == nil || !strings.Contains(err.Error(), "lables") {
		t.Errorf("with a wrong card: %v", err)
	}
}
