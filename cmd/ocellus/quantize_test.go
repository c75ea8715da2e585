package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// drawings writes n pictures of figures before a wall.
func drawings(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 64, 128))
		for y := range 128 {
			for x := range 64 {
				c := color.RGBA{uint8(120 + x + 3*i), uint8(90 + y/2), 140, 255}
				if dx, dy := x-32-i%5, y-64; dx*dx*9+dy*dy < 50*50 {
					c = color.RGBA{uint8(40 * (i % 4)), uint8(30 + 2*y/3), uint8(200 - 20*(i%7)), 255}
				}
				img.SetRGBA(x, y, c)
			}
		}
		path := filepath.Join(dir, fmt.Sprint(i%2), fmt.Sprintf("%02d.png", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := pictures.Write(path, img); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestQuantize quantises a network of the program, twice to the same bytes, and looks at a picture with it.
func TestQuantize(t *testing.T) {
	dir, out := drawings(t, 12), t.TempDir()
	small, again := filepath.Join(out, "a.onnx"), filepath.Join(out, "b.onnx")
	mask, err := os.ReadFile(filepath.Join(dir, "0", "00.png"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "0", "00_mask.png"), mask, 0o644) // no picture to calibrate on
	}
	if err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := call("quantize", zoo.PedestrianWindow, "--data", dir, "-o", small, "--json", "--threads", "1")
	if status != 0 {
		t.Fatal(stderr)
	}
	var r quantized
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.Calibrated != 6 || r.Measured != 6 || r.Products == 0 || len(r.Left) != 0 || len(r.Outputs) != 1 || r.Agree == nil || r.File != small || r.After >= r.Before {
		t.Errorf("%s", stdout)
	}
	// Figures are nothing that the network knows: less is asked of it than that it tells the same, and that the noise is below the signal.
	if snr := r.Outputs[0].SNR; snr == nil || *snr < 0 || *r.Agree < 5 {
		t.Errorf("%s", stdout)
	}
	if status, stdout, stderr = call("quantize", zoo.PedestrianWindow, "--data", filepath.Join(dir, "0"), "--data", filepath.Join(dir, "1", "*.png"), "-o", again, "--threads", "2"); status != 0 {
		t.Fatal(stderr)
	}
	for _, want := range []string{"logits", " dB", "first class", "of 6", "calibrated on", again} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in\n%s", want, stdout)
		}
	}
	a, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(again); err != nil || !bytes.Equal(a, b) {
		t.Errorf("the same pictures give another file: %v", err)
	}
	g, err := onnx.Read(a)
	if err != nil {
		t.Fatal(err)
	}
	own, err := zoo.Default(zoo.PedestrianWindow)
	if err != nil {
		t.Fatal(err)
	}
	before, err := onnx.Read(own)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ocellus.data_terms", card.MetaKey} {
		if before.Meta[key] == "" || g.Meta[key] != before.Meta[key] {
			t.Errorf("%s is %q, and was %q", key, g.Meta[key], before.Meta[key])
		}
	}
	if !strings.Contains(g.Meta["ocellus.quantised"], `"calibrated_on":6`) || g.Meta["ocellus.metrics"] != "" {
		t.Errorf("the metadata say %v", g.Meta)
	}
	if status, stdout, stderr := call("classify", "--model", small, filepath.Join(dir, "0", "00.png")); status != 0 || !strings.Contains(stdout, "person") {
		t.Errorf("it is used as %s%s", stdout, stderr)
	}
	if status, stdout, stderr := call("bench", small, "--runs", "1", "--json"); status != 0 || !strings.Contains(stdout, `"precision":"int8"`) {
		t.Errorf("%s%s", stdout, stderr)
	}
	if status, _, stderr := call("quantize", small, "--data", dir, "-o", again); status != statusFailed || !strings.Contains(stderr, "already") {
		t.Errorf("a network of 8-bit integers: %d, %s", status, stderr)
	}
	if status, stdout, _ := call("quantize", zoo.PedestrianWindow, "--data", dir, "-o", again, "--images", "4"); status != 0 || !strings.Contains(stdout, "measured on 2 others") {
		t.Errorf("of four pictures: %d, %s", status, stdout)
	}
}

// TestQuantizeArrays calibrates on arrays.
func TestQuantizeArrays(t *testing.T) {
	dir := t.TempDir()
	g := digitNet(t)
	in := g.Inputs[0]
	var shape []int
	for _, d := range in.Shape {
		shape = append(shape, max(1, d.Size))
	}
	net := filepath.Join(dir, "net.onnx")
	if err := onnx.WriteFile(net, g); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o777); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		x := tensor.New(tensor.Float32, shape...)
		for k := range x.Float32s() {
			x.Float32s()[k] = float32((k*7+i*13)%29) / 29
		}
		var b bytes.Buffer
		if err := tensor.WriteNPY(&b, x); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, fmt.Sprintf("%d.npy", i)), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out.onnx")
	if status, stdout, stderr := call("quantize", net, "--data", data, "-o", out); status != 0 || !strings.Contains(stdout, "calibrated on    2, measured on 2 others") {
		t.Errorf("%d, %s%s", status, stdout, stderr)
	}
}

// TestQuantizeRefuses names what is wrong before anything is written.
func TestQuantizeRefuses(t *testing.T) {
	dir, out := drawings(t, 2), filepath.Join(t.TempDir(), "out.onnx")
	one, picture := filepath.Join(dir, "0"), filepath.Join(dir, "0", "00.png")
	plain := filepath.Join(t.TempDir(), "plain.onnx")
	g := digitNet(t)
	g.Meta = nil
	if err := onnx.WriteFile(plain, g); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{zoo.Digit, "-o", out}, statusUsage, "--data"},
		{[]string{zoo.Digit, "--data", dir}, statusUsage, "-o FILE"},
		{[]string{zoo.Digit, "--data", dir, "-o", out, "--images", "1"}, statusUsage, "at least 2"},
		{[]string{zoo.Digit, "--data", dir, "-o", out, "--task", "guess"}, statusUsage, "classify"},
		{[]string{zoo.Digit, "--data", dir, "-o", out, "--size", "big"}, statusUsage, "640x480"},
		{[]string{zoo.Digit, "--data", dir, "-o", out, "--size", "32x32"}, statusFailed, "28x28"},
		{[]string{zoo.Digit, "--data", one, "-o", out}, statusFailed, "at least 2 are needed"},
		{[]string{zoo.Digit, "--data", empty, "-o", out}, statusFailed, "neither pictures"},
		{[]string{zoo.Digit, "--data", filepath.Join(empty, "none"), "-o", out}, statusFailed, "none"},
		{[]string{zoo.Digit, "--data", dir, "-o", picture}, statusFailed, picture},
		{[]string{plain, "--data", dir, "-o", plain}, statusFailed, plain},
		{[]string{plain, "--data", dir, "-o", out}, statusFailed, "--task"},
		{[]string{filepath.Join(empty, "no.onnx"), "--data", dir, "-o", out}, statusFailed, "no.onnx"},
		{[]string{zoo.Digit, "--data", dir, "-o", filepath.Join(empty, "no", "out.onnx")}, statusFailed, "make the folder"},
	} {
		status, _, stderr := call(append([]string{"quantize"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: %d, %s", c.args, status, stderr)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
}

// digitNet reads the program's network for digits.
func digitNet(t *testing.T) *model.Graph {
	t.Helper()
	b, err := zoo.Default(zoo.Digit)
	if err != nil {
		t.Fatal(err)
	}
	g, err := onnx.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestQuantizeAsks: what makes pictures of pictures might be a segmentation, and how such a network is fed has to be said.
func TestQuantizeAsks(t *testing.T) {
	g := &model.Graph{}
	x := g.Input("x", tensor.Float32, model.Fixed(1, 3, 16, 16)...)
	w := tensor.New(tensor.Float32, 3, 3, 1, 1)
	for i := range w.Float32s() {
		w.Float32s()[i] = float32(i%4) - 1
	}
	g.Output(g.Add("y", &layer.Conv{Groups: 1}, x, model.Const("w", w)))
	b, err := onnx.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	net, out := filepath.Join(dir, "net.onnx"), filepath.Join(dir, "small.onnx")
	if err := os.WriteFile(net, b, 0o644); err != nil {
		t.Fatal(err)
	}
	data := drawings(t, 4)
	if status, _, stderr := call("quantize", net, "--data", data, "-o", out); status != 1 || !strings.Contains(stderr, "nothing says how pictures are fed") {
		t.Errorf("status %d, %s", status, stderr)
	}
	// The same pictures under another name are no others.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(data, link); err != nil {
		t.Skipf("this disk has no symbolic links: %v", err)
	}
	status, stdout, stderr := call("quantize", net, "--data", data, "--data", link, "-o", out, "--task", "segment")
	if status != 0 || !strings.Contains(stdout, "as segment does") || !strings.Contains(stdout, "2, measured on 2 others") {
		t.Errorf("status %d, %s%s", status, stdout, stderr)
	}
}
