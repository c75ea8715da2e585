package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// twoHalves writes a picture of 64x32 whose left half is red and whose right half is green.
func twoHalves(t *testing.T, path string) string {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 64, 32))
	for y := range 32 {
		for x := range 64 {
			img.Set(x, y, []color.RGBA{{200, 0, 0, 255}, {0, 200, 0, 255}}[x/32])
		}
	}
	if err := pictures.Write(path, img); err != nil {
		t.Fatal(err)
	}
	return path
}

// network writes a network with an input of 32x32 pixels 0..255 and the output that build makes of it.
func network(t *testing.T, build func(g *model.Graph, in *model.Value) *model.Value) string {
	t.Helper()
	g := &model.Graph{Name: "test", Meta: map[string]string{}}
	in := g.Input("image", tensor.Float32, model.Fixed(1, 3, 32, 32)...)
	g.Output(build(g, in))
	path := filepath.Join(t.TempDir(), "net.onnx")
	if err := onnx.WriteFile(path, g); err != nil {
		t.Fatal(err)
	}
	return path
}

// means is a network that gives the mean of each channel, [1,3].
func means(g *model.Graph, in *model.Value) *model.Value {
	axes := model.Const("axes", tensor.Of([]int64{2, 3}, 2))
	return g.Add("mean", &layer.Reduce{Fn: layer.ReduceMean}, in, axes)
}

// finder is a network that answers to any picture as a YOLOv5 does that sees two things in the input: one of class 1 at 8..24 x 12..20, less
// surely one of class 0 at 0..8 x 8..16.
func finder(g *model.Graph, in *model.Value) *model.Value {
	v := make([]float32, 63*7)
	copy(v, []float32{4, 12, 8, 8, 0.8, 1, 0})
	copy(v[70:], []float32{16, 16, 16, 8, 1, 0, 0.9})
	axes := model.Const("axes", tensor.Of([]int64{1, 2, 3}, 3))
	mean := g.Add("mean", &layer.Reduce{Fn: layer.ReduceMean}, in, axes)
	none := g.Add("none", &layer.Binary{Fn: layer.Mul}, mean, model.Const("zero", tensor.Of([]float32{0}, 1)))
	return g.Add("output", &layer.Binary{Fn: layer.Add}, model.Const("answer", tensor.Of(v, 1, 63, 7)), none)
}

func TestDetect(t *testing.T) {
	net, dir := network(t, finder), t.TempDir()
	pic, out := twoHalves(t, filepath.Join(dir, "a.png")), filepath.Join(dir, "out.png")
	status, stdout, stderr := call("detect", "--model", net, pic, out, "--json")
	if status != 0 || stderr != "" || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("status %d, %q, %q", status, stdout, stderr)
	}
	var r struct {
		File          string
		Width, Height int
		Head          string
		Detections    []struct {
			Box   [4]float64
			Score float64
			Class int
			Label string
		}
	}
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	// 64x32 fills the rows 8 to 24 of the input: x·2, (y-8)·2.
	if r.File != pic || r.Width != 64 || r.Height != 32 || r.Head != "yolov5" || len(r.Detections) != 2 {
		t.Fatalf("%+v", r)
	}
	if f := r.Detections[0]; f.Box != [4]float64{16, 8, 32, 16} || f.Score != 0.9 || f.Class != 1 || f.Label != "class_1" {
		t.Errorf("%+v", f)
	}
	if f := r.Detections[1]; f.Box != [4]float64{0, 0, 16, 16} || f.Score != 0.8 || f.Class != 0 {
		t.Errorf("%+v", f)
	}
	drawn, err := pictures.Read(out)
	if err != nil || drawn.W != 64 || drawn.H != 32 {
		t.Fatalf("%dx%d, %v", drawn.W, drawn.H, err)
	}
	blue := 0 // pixels in the colour of class 1
	for i := 0; i < len(drawn.Pix); i += 3 {
		if [3]uint8(drawn.Pix[i:]) == [3]uint8{86, 180, 233} {
			blue++
		}
	}
	if blue < 50 {
		t.Errorf("%d pixels of the frame and the ground of the text", blue)
	}

	labels := filepath.Join(dir, "labels.txt")
	if err := os.WriteFile(labels, []byte("Cat\nGuide Dog\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	status, stdout, _ = call("detect", "--model", net, "--labels", labels, "--score", "0.85", "--fit", "stretch", pic)
	if status != 0 || !hasFields(stdout, "guide_dog", "0.900", "16.0", "12.0", "32.0", "8.0") || strings.Contains(stdout, "cat") {
		t.Errorf("status %d\n%s", status, stdout)
	}
}

// TestDetectFromZero gives a score and an overlap of 0 by the card and by flags: they are not taken for the family's 0.25 and 0.45.
func TestDetectFromZero(t *testing.T) {
	net := network(t, func(g *model.Graph, in *model.Value) *model.Value { // sees two things of class 1 that overlap by 0.14, one of them faintly
		v := make([]float32, 63*7)
		copy(v, []float32{8, 16, 8, 8, 0.9, 0, 1})
		copy(v[70:], []float32{14, 16, 8, 8, 0.1, 0, 1})
		axes := model.Const("axes", tensor.Of([]int64{1, 2, 3}, 3))
		mean := g.Add("mean", &layer.Reduce{Fn: layer.ReduceMean}, in, axes)
		none := g.Add("none", &layer.Binary{Fn: layer.Mul}, mean, model.Const("zero", tensor.Of([]float32{0}, 1)))
		return g.Add("output", &layer.Binary{Fn: layer.Add}, model.Const("answer", tensor.Of(v, 1, 63, 7)), none)
	})
	pic := twoHalves(t, filepath.Join(t.TempDir(), "a.png"))
	for _, c := range []struct {
		card, flags string
		want        int
	}{
		{"{}", "", 1}, {"score: 0", "", 2}, {"{score: 0, iou: 0}", "", 1}, {"score: 0", "--score 0.5", 1}, {"score: 0.5", "--score 0", 2},
		{"{}", "--score 0", 2}, {"iou: 0.3", "--score 0 --iou 0", 1},
	} {
		if err := os.WriteFile(strings.TrimSuffix(net, ".onnx")+".yaml", []byte(c.card+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := call(append([]string{"detect", "--model", net, "--json", pic}, strings.Fields(c.flags)...)...)
		if got := strings.Count(stdout, `"box"`); status != 0 || got != c.want {
			t.Errorf("%s %s: %d found, want %d: status %d, %s", c.card, c.flags, got, c.want, status, stderr)
		}
	}
}

func TestDetectFolder(t *testing.T) {
	net, dir, out := network(t, finder), t.TempDir(), filepath.Join(t.TempDir(), "new", "folder")
	twoHalves(t, filepath.Join(dir, "a.jpg"))
	twoHalves(t, filepath.Join(dir, "b.png"))
	if err := os.WriteFile(filepath.Join(dir, "broken.png"), []byte("\x89PNG\r\n\x1a\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := call("detect", "--model", net, dir, out, "--json")
	if status != 1 || strings.Count(stdout, "\n") != 2 || !strings.Contains(stderr, "broken.png") || !strings.Contains(stderr, "1 of 3 pictures failed") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	for _, name := range []string{"a.jpg", "b.png"} {
		if _, err := pictures.Read(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	status, stdout, _ = call("detect", "--model", net, filepath.Join(dir, "?.*"), "--json")
	if status != 0 || strings.Count(stdout, "\n") != 2 {
		t.Errorf("a pattern: status %d, %q", status, stdout)
	}
}

func TestClassify(t *testing.T) {
	net, dir := network(t, means), t.TempDir()
	pic := twoHalves(t, filepath.Join(dir, "a.png"))
	card := filepath.Join(dir, "card.yaml")
	// Of the left three quarters two thirds are red: means 133.3, 66.7 and 0, in units of 100 their softmax is e^1.333, e^0.667 and 1 over the sum.
	if err := os.WriteFile(card, []byte("labels: [red, green, blue]\ninput: {region: [0, 0, 0.75, 1], fit: stretch, mean: [0], std: [100], resample: area}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := call("classify", "--model", net, "--card", card, "--top", "2", "--json", pic, filepath.Join(dir, "out.jpg"))
	var r struct {
		File    string
		Classes []struct {
			Class int
			Label string
			Score float64
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 {
		t.Fatalf("status %d, %v, %q", status, err, stderr)
	}
	sum := math.Exp(4.0/3) + math.Exp(2.0/3) + 1
	if len(r.Classes) != 2 || r.Classes[0].Label != "red" || math.Abs(r.Classes[0].Score-math.Exp(4.0/3)/sum) > 0.01 || r.Classes[1].Label != "green" || r.Classes[1].Class != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := pictures.Read(filepath.Join(dir, "out.jpg")); err != nil {
		t.Error(err)
	}
	// A card beside the network is found.
	if err := os.WriteFile(strings.TrimSuffix(net, ".onnx")+".yaml", []byte("labels: [rot, gruen, blau]\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if status, stdout, _ := call("classify", "--model", net, "--region", "0.5,0,0.5,1", "--fit", "stretch", pic); status != 0 || !strings.Contains(strings.Split(stdout, "\n")[1], "gruen") {
		t.Errorf("status %d, %q", status, stdout)
	}
}

func TestSegment(t *testing.T) {
	// The greatest channel is the class.
	net := network(t, func(g *model.Graph, in *model.Value) *model.Value { return g.Add("output", &layer.Identity{}, in) })
	dir := t.TempDir()
	pic, mapped := twoHalves(t, filepath.Join(dir, "a.png")), filepath.Join(dir, "map.png")
	status, stdout, stderr := call("segment", "--model", net, "--mean", "0", "--std", "1", pic, filepath.Join(dir, "out.png"), "--map", mapped, "--json")
	var r struct {
		File, Map     string
		Width, Height int
		Classes       []struct {
			Class int
			Label string
			Share float64
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 {
		t.Fatalf("status %d, %v, %q", status, err, stderr)
	}
	if r.Map != mapped || len(r.Classes) != 2 || r.Classes[0].Share != 0.5 || r.Classes[1].Class != 1 {
		t.Errorf("%+v", r)
	}
	b, err := os.ReadFile(mapped)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := img.(*image.Paletted)
	if !ok || p.Rect != image.Rect(0, 0, 64, 32) || p.ColorIndexAt(10, 10) != 0 || p.ColorIndexAt(50, 10) != 1 {
		t.Errorf("the label map is a %T of %v", img, img.Bounds())
	}
	if out, err := pictures.Read(filepath.Join(dir, "out.png")); err != nil || out.H <= 32 {
		t.Errorf("%d rows, %v: no legend", out.H, err)
	}
}

func TestEmbed(t *testing.T) {
	net, dir := network(t, means), t.TempDir()
	a := twoHalves(t, filepath.Join(dir, "a.png"))
	b := filepath.Join(dir, "b.png")
	blue := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for i := range blue.Pix {
		blue.Pix[i] = [4]uint8{0, 0, 255, 255}[i%4]
	}
	if err := pictures.Write(b, blue); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--model", net, "--mean", "0", "--std", "1", "--fit", "stretch"}
	status, stdout, _ := call(append([]string{"embed", a, b}, flags...)...)
	if status != 0 || !strings.HasPrefix(stdout, "similarity 0.0000") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("status %d, %q", status, stdout)
	}
	npy := filepath.Join(dir, "v.npy")
	status, stdout, _ = call(append([]string{"embed", a, a, b, "--json", "--npy", npy}, flags...)...)
	var r struct {
		File   string
		Vector []float64
	}
	if err := json.Unmarshal([]byte(strings.Split(stdout, "\n")[0]), &r); err != nil || status != 0 || strings.Count(stdout, "\n") != 3 {
		t.Fatalf("status %d, %v, %q", status, err, stdout)
	}
	// Red and green alike: (1, 1, 0)/√2.
	for i, want := range []float64{math.Sqrt2 / 2, math.Sqrt2 / 2, 0} {
		if math.Abs(r.Vector[i]-want) > 1e-6 {
			t.Errorf("%v", r.Vector)
		}
	}
	x := readBack(t, npy)
	if s := x.Shape(); len(s) != 2 || s[0] != 3 || s[1] != 3 || x.Float32s()[8] != 1 {
		t.Errorf("%v: %v", x, x.Float32s())
	}
}

// TestBadPictures gives each verb pictures that are odd or none.
func TestBadPictures(t *testing.T) {
	nets := map[string]string{
		"detect": network(t, finder), "classify": network(t, means), "embed": network(t, means),
		"segment": network(t, func(g *model.Graph, in *model.Value) *model.Value { return g.Add("output", &layer.Identity{}, in) }),
	}
	dir := t.TempDir()
	write := func(name string, img image.Image) {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("pixel.png", image.NewGray(image.Rect(0, 0, 1, 1)))
	write("clear.png", image.NewNRGBA64(image.Rect(0, 0, 3, 500)))
	write("wide.png", image.NewPaletted(image.Rect(0, 0, 5000, 1), color.Palette{color.White}))
	if err := os.WriteFile(filepath.Join(dir, "empty.png"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for verb, net := range nets {
		for _, name := range []string{"pixel.png", "clear.png", "wide.png"} {
			args := []string{verb, "--model", net, filepath.Join(dir, name)}
			if verb == "embed" {
				args = append(args, "--mean", "-1") // black has a direction then
			} else {
				args = append(args, filepath.Join(t.TempDir(), "out.png"))
			}
			if status, _, stderr := call(args...); status != 0 {
				t.Errorf("%s %s: status %d, %q", verb, name, status, stderr)
			}
		}
		if status, _, stderr := call(verb, "--model", net, filepath.Join(dir, "empty.png")); status != 1 || !strings.Contains(stderr, "empty.png: empty file") {
			t.Errorf("%s: an empty file: status %d, %q", verb, status, stderr)
		}
	}
}

// TestEmbedSparesInput names files that are read as the place of the vectors: nothing is written.
func TestEmbedSparesInput(t *testing.T) {
	net, dir := network(t, means), t.TempDir()
	pic := twoHalves(t, filepath.Join(dir, "a.png"))
	other := twoHalves(t, filepath.Join(dir, "b.png"))
	link := filepath.Join(dir, "link.npy")
	if err := os.Symlink(pic, link); err != nil {
		t.Fatal(err)
	}
	before := map[string][]byte{}
	for _, path := range []string{net, pic, other} {
		before[path] = must(os.ReadFile(path))
	}
	for _, args := range [][]string{{pic, "--npy", pic}, {other, pic, "--npy", pic}, {dir, "--npy", other}, {pic, "--npy", link}, {pic, "--npy", net}} {
		status, stdout, stderr := call(append([]string{"embed", "--model", net}, args...)...)
		if status != 1 || stdout != "" || !strings.Contains(stderr, "over a file that this run reads") {
			t.Errorf("%q: status %d, %q, %q", args, status, stdout, stderr)
		}
	}
	for path, b := range before {
		if !bytes.Equal(must(os.ReadFile(path)), b) {
			t.Errorf("%s is another file now", path)
		}
	}
	if status, _, stderr := call("embed", "--model", net, pic, "--npy", filepath.Join(dir, "v.npy")); status != 0 {
		t.Error(stderr)
	}
}

func TestVisionRefuses(t *testing.T) {
	net, dir := network(t, finder), t.TempDir()
	pic := twoHalves(t, filepath.Join(dir, "a.png"))
	twoHalves(t, filepath.Join(dir, "b.png"))
	card := filepath.Join(dir, "card.yaml")
	if err := os.WriteFile(card, []byte("head: yolov5\ninput:\n  ordr: rgb\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	names := filepath.Join(dir, "names.txt")
	if err := os.WriteFile(names, []byte("background\ncat\ndog\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		stderr string
	}{
		{"detect", 2, "name a picture, a folder, a clip or a camera"},
		{"detect A", 2, "--model M.onnx is missing"},
		{"detect --model N A B C", 2, `"C" is too much`},
		{"detect --model none.onnx A", 1, "none.onnx"},
		{"detect --model N none.png", 1, "none.png"},
		{"detect --model N nothing:1", 1, `nothing is known here by the name "nothing"`},
		{"detect --model N --order gbr A", 2, `--order: "gbr" is none of rgb, bgr, grey`},
		{"detect --model N --score 2 A", 2, "it must be from 0 to 1"},
		{"detect --model N --std 0 A", 2, "--std"},
		{"detect --model N --head yunet A", 1, `head yunet has cls, obj`},
		{"detect --model N --size 64x64 A", 1, "takes pictures of 32x32, not 64x64"},
		{"detect --model N --card CARD A", 1, `unknown field "ordr"`},
		{"detect --model N A out.bmp", 2, "pictures are written as .png or .jpg"},
		{"detect --model N DIR out.png", 2, "2 pictures need a folder"},
		{"detect --model N A A", 1, "would be written over a file that this run reads"},
		{"detect --model N DIR DIR", 1, "2 of 2 pictures failed"},
		{"detect --model N --labels NAMES A", 1, "3 labels for 2 classes"},
		{"classify --model N --top 0 A", 2, "--top 0"},
		{"classify --model N A", 1, `output "output" is [1 63 7]`},
		{"segment --model N A", 1, `output "output" is float32[1 63 7]`},
		{"segment --model N --map m.jpg A", 2, "it is written as .png"},
		{"embed --model N", 2, "name a picture"},
	} {
		args := strings.Fields(c.args)
		for i, a := range args {
			switch a {
			case "A":
				args[i] = pic
			case "N":
				args[i] = net
			case "DIR":
				args[i] = dir
			case "CARD":
				args[i] = card
			case "NAMES":
				args[i] = names
			}
		}
		status, _, stderr := call(args...)
		if status != c.status || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: status %d, %q; want %d, %q", c.args, status, stderr, c.status, c.stderr)
		}
	}
}
