package nets

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/classify"
	"github.com/ocellus-vision/ocellus/model/task/pedestrian"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// TestWindow loads one file as the classifier of windows that it is, and as a detector.
func TestWindow(t *testing.T) {
	g := arch.PedestrianWindow(1)
	g.Meta = map[string]string{card.MetaKey: `{"labels": ["background", "person"], "logits": true, "score": 0.4, "iou": 0.3,
		"input": {"size": "64x128", "fit": "stretch", "mean": [127.5], "std": [64]}, "window": {"object": [12, 16, 40, 96], "picture": "160x192", "octave": 2}}`}
	file := filepath.Join(t.TempDir(), "window.onnx")
	if err := onnx.WriteFile(file, g); err != nil {
		t.Fatal(err)
	}
	alone, err := Load(Request{File: file, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := classify.New(alone.Program, alone.Card); err != nil || c.Classes() != 2 {
		t.Errorf("as a classifier: %v", err)
	}
	moved, err := Load(Request{File: file, Threads: 1, Detect: true})
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	want := card.Card{Head: "ssd", Labels: []string{"person"}, Units: "pixels", Logits: &yes, Score: new(0.4), IoU: new(0.3),
		Input: card.Input{Size: "160x192", Fit: "letterbox", Pad: []float64{127.5}, Mean: []float64{127.5}, Std: []float64{64}}}
	if !reflect.DeepEqual(moved.Card, want) {
		t.Errorf("as a detector it has the card %+v", moved.Card)
	}
	if _, err := pedestrian.New(moved.Program, moved.Card); err != nil {
		t.Errorf("as a detector: %v", err)
	}
	_, bare, err := Detector(arch.PedestrianWindow(1), card.Card{Window: alone.Card.Window})
	if err != nil || !reflect.DeepEqual(bare.Input, card.Input{Size: "160x192", Fit: "letterbox", Pad: []float64{0}, Mean: []float64{0}, Std: []float64{1}}) {
		t.Errorf("pictures that are fed as they are: %+v, %v", bare.Input, err)
	}
	if moved.Params != alone.Params || moved.Params != g.Params() {
		t.Errorf("%d parameters, moved over pictures %d", alone.Params, moved.Params)
	}
	small := card.Card{Window: &card.Window{Object: []float64{12, 16, 40, 96}, Picture: "20x20"}}
	if _, err := Load(Request{File: file, Threads: 1, Detect: true, Card: small}); err == nil || !strings.Contains(err.Error(), "larger than a picture of 20x20") {
		t.Errorf("pictures smaller than a person: %v", err)
	}
}
