package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
)

// TestEvalPedestrians measures a network that finds the same in every picture: right in two of three, with nothing else of people.
func TestEvalPedestrians(t *testing.T) {
	net, dir := people(t, network(t, finder)), t.TempDir()
	var lines strings.Builder
	for i, box := range []string{"[0, 0, 16, 16]", "[0, 0, 16, 16]", "[40, 0, 16, 16]"} {
		twoHalves(t, filepath.Join(dir, fmt.Sprintf("%d.png", i)))
		fmt.Fprintf(&lines, "{\"image\": \"%d.png\", \"boxes\": [{\"label\": \"person\", \"box\": %s}]}\n", i, box)
	}
	if err := os.WriteFile(filepath.Join(dir, "boxes.jsonl"), []byte(lines.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	var r struct {
		AP50            struct{ Value, Low, High float64 }
		Boxes, Pictures int
	}
	status, stdout, stderr := call("eval", "pedestrians", "--data", dir, "--model", net, "--json")
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 {
		t.Fatalf("status %d, %v, %q", status, err, stderr)
	}
	// All three detections have one score: precision 2/3 at recall 2/3.
	if math.Abs(r.AP50.Value-4.0/9) > 1e-9 || r.Boxes != 3 || r.Pictures != 3 || r.AP50.Low > r.AP50.Value {
		t.Errorf("%+v", r)
	}
	list := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(list, []byte("0\n1.png\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	status, stdout, _ = call("eval", "pedestrians", "--data", dir, "--model", net, "--list", list)
	if status != 0 || !strings.HasPrefix(stdout, "AP50             1.0000  [1.0000, 1.0000]  n = 2\n") {
		t.Errorf("status %d, %q", status, stdout)
	}
}

func TestEvalScene(t *testing.T) {
	// The greatest channel is the class: 0 on the left, 1 on the right; a third of what is true is void.
	net := network(t, func(g *model.Graph, in *model.Value) *model.Value { return g.Add("output", &layer.Identity{}, in) })
	if err := os.WriteFile(strings.TrimSuffix(net, ".onnx")+".yaml", []byte("input: {mean: [0], std: [1]}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	twoHalves(t, filepath.Join(dir, "a.png"))
	truth := image.NewGray(image.Rect(0, 0, 64, 32))
	for i := range truth.Pix {
		truth.Pix[i] = []uint8{0, 1, 1, 11}[i%64/16] // the second quarter is taken for class 0
	}
	f, err := os.Create(filepath.Join(dir, "a_label.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, truth); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := call("eval", "scene", "--data", dir, "--model", net)
	// Pixels 2/3; classes 1 and 1/2; IoU 16/32 and 16/32.
	for name, want := range map[string]string{"mean IoU": "0.5000", "pixel accuracy": "0.6667", "class average": "0.7500", "IoU building": "0.5000", "IoU pole": "-"} {
		if status != 0 || !strings.Contains(stdout, fmt.Sprintf("%-16s %s ", name, want)) {
			t.Errorf("%s %s: status %d, %q, %q", name, want, status, stdout, stderr)
		}
	}
}

func TestEvalRefuses(t *testing.T) {
	dir := t.TempDir()
	for args, want := range map[string]string{
		"eval": "name one task", "eval jump --data x": "name one task", "eval scene": "--data is missing", "eval faces --data " + dir: "pairs.txt",
		"eval digits --data " + dir: "t10k", "eval pedestrians --data " + dir: "boxes.jsonl", "eval scene --data " + dir: "no pictures",
	} {
		if status, _, stderr := call(strings.Fields(args)...); status == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %q", args, status, stderr)
		}
	}
}
