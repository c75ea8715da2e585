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
	if err := os.Rename(filepath.Join(dir, "1.png"), filepath.Join(dir, "in the street.png")); err != nil {
		t.Fatal(err)
	}
	named := strings.Replace(lines.String(), "1.png", "in the street.png", 1)
	if err := os.WriteFile(filepath.Join(dir, "boxes.jsonl"), []byte(named), 0o666); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(list, []byte("\ufeff0\r\n\nin the street.png\n"), 0o666); err != nil {
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

// TestEvalFaces measures YuNet, whose own answers on the portraits are the reference, and how it and MobileFaceNet name people, half of whom are enrolled.
func TestEvalFaces(t *testing.T) {
	shared := sharedFiles(t, "models/yunet_n_dynamic/model.onnx", "models/mobilefacenet/model.onnx", "data/faces/lfw", "data/scene/val")
	dir := t.TempDir()
	list := filepath.Join(dir, "people.txt")
	people := []string{"Serena_Williams", "Luis_Horna", "Vojislav_Kostunica", "Tom_Hanks"}
	if err := os.WriteFile(list, []byte(strings.Join(people, "\n")), 0o666); err != nil {
		t.Fatal(err)
	}
	pictures := 0
	for _, name := range people {
		files, err := filepath.Glob(filepath.Join(shared[2], name, "*.jpg"))
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %d pictures, %v", name, len(files), err)
		}
		pictures += len(files)
	}
	frames := filepath.Join(dir, "frames")
	if err := os.Mkdir(frames, 0o777); err != nil {
		t.Fatal(err)
	}
	streets, err := filepath.Glob(filepath.Join(shared[3], "*.jpg"))
	if err != nil || len(streets) < 2 {
		t.Fatalf("%d streets, %v", len(streets), err)
	}
	for i, street := range streets[:2] {
		b, err := os.ReadFile(street)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(frames, fmt.Sprintf("%d.jpg", i)), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	type estimate struct {
		Value, Low, High float64
		N                int
	}
	var d struct {
		Found    estimate
		Landmark estimate `json:"landmark_error"`
		False    estimate `json:"false_positives"`
	}
	maps := filepath.Join(dir, "maps")
	if err := os.Mkdir(maps, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(frames, "0.jpg"), filepath.Join(maps, "0_label.jpg")); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := call("eval", "face-detection", "--data", shared[2], "--list", list, "--frames", maps, "--reference", shared[0], "--detector", shared[0])
	if status != 1 || !strings.Contains(stderr, "no picture to paste faces on") {
		t.Errorf("only label maps: status %d, %q", status, stderr)
	}
	status, stdout, stderr := call("eval", "face-detection", "--data", shared[2], "--list", list, "--frames", frames, "--reference", shared[0], "--detector", shared[0], "--json")
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || status != 0 {
		t.Fatalf("status %d, %v, %q", status, err, stderr)
	}
	if d.Found.N != pictures || d.Found.Value < 0.9 || d.Landmark.Value <= 0 || d.Landmark.Value > 0.15 || d.False.N != 2 || d.False.Value > 1 {
		t.Errorf("%d pictures: %+v", pictures, d)
	}
	var id struct {
		Rank1, Identified estimate
		FalseAccept       estimate `json:"false_accept"`
		People            int
	}
	args := []string{"eval", "face-identification", "--data", shared[2], "--list", list, "--detector", shared[0], "--embedder", shared[1]}
	if status, _, stderr := call(args...); status != 2 || !strings.Contains(stderr, "give --threshold") {
		t.Errorf("without a threshold: status %d, %q", status, stderr)
	}
	status, stdout, stderr = call(append(args, "--threshold", "0.4", "--json")...)
	if err := json.Unmarshal([]byte(stdout), &id); err != nil || status != 0 {
		t.Fatalf("status %d, %v, %q", status, err, stderr)
	}
	if id.People != 2 || id.Rank1.Value < 0.9 || id.Identified.Value < 0.7 || id.Identified.Value > id.Rank1.Value || id.FalseAccept.Value > 0.1 || id.FalseAccept.N < 2 {
		t.Errorf("%+v", id)
	}
}

func TestEvalRefuses(t *testing.T) {
	dir := t.TempDir()
	for args, want := range map[string]string{
		"eval": "name one task", "eval jump --data x": "name one task", "eval scene": "--data is missing", "eval faces --data " + dir: "pairs.txt",
		"eval face-detection --data " + dir: "--frames and --reference are needed", "eval face-identification --data " + dir: "a folder with pictures for each person",
		"eval digits --data " + dir: "t10k", "eval pedestrians --data " + dir: "boxes.jsonl", "eval scene --data " + dir: "no pictures",
		"eval digits --data x --list nofile": "--list is of", "eval scene --data x --threshold 0": "--threshold is of face-identification, not of scene",
	} {
		if status, _, stderr := call(strings.Fields(args)...); status == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %q", args, status, stderr)
		}
	}
}

// TestNumbersOfZero gives flags a 0, which is a number where any has a meaning and refused where it would say nothing.
func TestNumbersOfZero(t *testing.T) {
	for args, want := range map[string]string{"detect --score 1.5 a.jpg": "it must be from 0 to 1", "detect --iou -1 a.jpg": "it must be from 0 to 1",
		"pedestrians --score NaN a.jpg": "it must be from 0 to 1", "detect --max 0 a.jpg": "it must be above 0"} {
		if status, _, stderr := call(strings.Fields(args)...); status != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %q", args, status, stderr)
		}
	}
	shared := sharedFiles(t, "models/yunet_n_dynamic/model.onnx", "models/mobilefacenet/model.onnx", "data/faces/lfw")
	a, b := filepath.Join(shared[2], "Serena_Williams", "Serena_Williams_0001.jpg"), filepath.Join(shared[2], "Luis_Horna", "Luis_Horna_0001.jpg")
	for threshold, want := range map[string]bool{"0.9": false, "0": true, "-1": true} {
		var v struct{ Same bool }
		status, stdout, stderr := call("face", "verify", a, b, "--threshold", threshold, "--json", "--store", filepath.Join(t.TempDir(), "f.json"),
			"--detector", shared[0], "--embedder", shared[1])
		if err := json.Unmarshal([]byte(stdout), &v); err != nil || v.Same != want || (status == 0) != want {
			t.Errorf("--threshold %s: status %d, %s%q, %v", threshold, status, stdout, stderr, err)
		}
	}
}
