package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/onnx"
)

// digitsFolder writes 64 pictures of 28x28, of which those of class k have row 2k+4 filled, and a recipe that learns them.
func digitsFolder(t *testing.T) (dir, recipe string) {
	t.Helper()
	dir = t.TempDir()
	const n = 64
	put := func(name string, dims []uint32, b []byte) {
		head := []byte{0, 0, 8, byte(len(dims))}
		for _, d := range dims {
			head = binary.BigEndian.AppendUint32(head, d)
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(head, b...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pixels, labels := make([]byte, n*28*28), make([]byte, n)
	for i := range n {
		labels[i] = byte(i % 10)
		row := pixels[(i*28+4+2*int(labels[i]))*28:][:28]
		for x := range row {
			row[x] = byte(200 + i%50)
		}
	}
	put("images", []uint32{n, 28, 28}, pixels)
	put("labels", []uint32{n}, labels)
	recipe = filepath.Join(dir, "recipe.yaml")
	text := `name: rows
about: Which row is filled.
net: digits_relu
data:
  kind: digits
  train: {images: images, labels: labels}
  valid: {images: images, labels: labels}
  classes: 10
terms: drawn for a test
loss: [{kind: cross_entropy}]
batch: 16
epochs: 15
seed: 1
optimiser: {kind: sgd, momentum: 0.9}
schedule: {rate: 0.05}
half: true
`
	if err := os.WriteFile(recipe, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, recipe
}

// TestTrain trains a network from a recipe, reads it again, and trains it once more in two parts.
func TestTrain(t *testing.T) {
	dir, recipe := digitsFolder(t)
	net, curve := filepath.Join(dir, "net.onnx"), filepath.Join(dir, "curve.svg")
	status, out, stderr := call("train", recipe, "--data", dir, "-o", net, "--curve", curve, "--checkpoint", filepath.Join(dir, "run"))
	if status != 0 || out != "error 0\n" {
		t.Fatalf("status %d, %q, %s", status, out, stderr)
	}
	for _, want := range []string{"rows: 267K parameters", "working memory", "trained in"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr does not say %q: %s", want, stderr)
		}
	}
	g, err := onnx.ReadFile(net)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"ocellus.recipe": "rows", "ocellus.seed": "1", "ocellus.data_terms": "drawn for a test", "ocellus.metrics": `{"error":0}`} {
		if g.Meta[key] != want {
			t.Errorf("metadata %s is %q, not %q", key, g.Meta[key], want)
		}
	}
	if svg, err := os.ReadFile(curve); err != nil || !strings.HasPrefix(string(svg), "<svg") || !strings.Contains(string(svg), "polyline") {
		t.Errorf("the curve: %v", err)
	}
	first, err := os.ReadFile(net)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := call("train", recipe, "--data", dir, "-o", net, "--threads", "1", "--isa", "generic"); status != 0 {
		t.Fatal(stderr)
	}
	if again, err := os.ReadFile(net); err != nil || !slices.Equal(again, first) {
		t.Errorf("plain Go on one thread writes another file than %s on all (%v)", activeISA(), err)
	}
}

func TestTrainRefusals(t *testing.T) {
	dir, recipe := digitsFolder(t)
	net, odd, blocked := filepath.Join(dir, "net.onnx"), filepath.Join(dir, "odd.onnx"), filepath.Join(dir, "blocked")
	if err := os.MkdirAll(filepath.Join(blocked, "rows.npz"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"odd.yaml": "colour: red\n", "no_images": "\x00\x00\x08\x03" + "\x00\x00\x00\x00" + "\x00\x00\x00\x1c" + "\x00\x00\x00\x1c",
		"no_labels": "\x00\x00\x08\x01" + "\x00\x00\x00\x00"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	spoil := func(old, new string) string {
		b, err := os.ReadFile(recipe)
		if err != nil {
			t.Fatal(err)
		}
		f := filepath.Join(t.TempDir(), "recipe.yaml")
		if err := os.WriteFile(f, []byte(strings.Replace(string(b), old, new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		return f
	}
	images := must(os.ReadFile(filepath.Join(dir, "images")))
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{statusUsage, "the recipe is missing", nil},
		{statusUsage, "--data and -o are needed", []string{recipe}},
		{statusUsage, "a size such as 512MB", []string{recipe, "--data", dir, "-o", net, "--memory", "much"}},
		{statusFailed, "a smaller batch needs less", []string{recipe, "--data", dir, "-o", net, "--memory", "100KB"}},
		{statusFailed, "nowhere", []string{recipe, "--data", filepath.Join(dir, "nowhere"), "-o", net}},
		{statusFailed, "seeds", []string{spoil("seed:", "seeds:"), "--data", dir, "-o", net}},
		{statusFailed, `no net "digits_gelu"`, []string{spoil("digits_relu", "digits_gelu"), "--data", dir, "-o", net}},
		{statusFailed, "label 9 is 9; there are 9 classes", []string{spoil("classes: 10", "classes: 9"), "--data", dir, "-o", net}},
		{statusFailed, "64 examples are fewer than a batch of 65", []string{spoil("batch: 16", "batch: 65"), "--data", dir, "-o", net}},
		{statusFailed, "the loss is", []string{spoil("rate: 0.05", "rate: 1e30"), "--data", dir, "-o", net}},
		{statusFailed, "no such file or directory; make the folder", []string{recipe, "--data", dir, "-o", filepath.Join(dir, "no", "net.onnx")}},
		{statusFailed, "is a folder; name a file", []string{recipe, "--data", dir, "-o", dir}},
		{statusFailed, "no such file or directory; make the folder", []string{recipe, "--data", dir, "-o", net, "--curve", filepath.Join(dir, "no", "curve.svg")}},
		{statusFailed, "is a folder; name a file", []string{recipe, "--data", dir, "-o", net, "--checkpoint", blocked}},
		{statusFailed, "over a file that this run reads", []string{recipe, "--data", dir, "-o", recipe}},
		{statusFailed, "over a file that this run reads", []string{recipe, "--data", dir, "-o", filepath.Join(dir, "images")}},
		{statusFailed, "over a file that this run reads", []string{recipe, "--data", dir, "-o", net, "--curve", filepath.Join(dir, "labels")}},
		{statusUsage, "two kinds of results", []string{recipe, "--data", dir, "-o", net, "--curve", net}},
		{statusFailed, "which is none; move that, or name another file with -o", []string{recipe, "--data", dir, "-o", odd}},
		{statusFailed, "data: valid: there are no examples to measure on",
			[]string{spoil("valid: {images: images, labels: labels}", "valid: {images: no_images, labels: no_labels}"), "--data", dir, "-o", net}},
	} {
		status, out, stderr := call(append([]string{"train"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.want) || out != "" || strings.Contains(stderr, "step 1/") {
			t.Errorf("%v: status %d, %q, %q; it should say %q", c.args, status, out, stderr, c.want)
		}
	}
	if _, err := os.Stat(net); err == nil || !slices.Equal(must(os.ReadFile(filepath.Join(dir, "images"))), images) {
		t.Error("a refused run wrote a network")
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "4096": 4096, "512MB": 512 << 20, "1.5 gb": 3 << 29, "2K": 2048, "1TB": 1 << 40} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1XB", "NaN", "9e99"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// TestTrainBesideRecipe writes a network beside its recipe, with which it shares its name, and reads it.
func TestTrainBesideRecipe(t *testing.T) {
	dir, recipe := digitsFolder(t)
	net := strings.TrimSuffix(recipe, ".yaml") + ".onnx"
	if status, _, stderr := call("train", recipe, "--data", dir, "-o", net); status != 0 {
		t.Fatal(stderr)
	}
	picture := filepath.Join(rowPictures(t, 4, 1), "3", "a.png")
	if status, out, stderr := call("classify", "--model", net, "--top", "1", "--json", picture); status != 0 || !strings.Contains(out, `"class":3`) {
		t.Errorf("status %d, %s%s", status, out, stderr)
	}
}
