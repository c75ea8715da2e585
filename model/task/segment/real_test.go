package segment_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/segment"
	"github.com/ocellus-vision/ocellus/model/task/tasktest"
)

// TestPortraits cuts people out of portraits of 150x150 with a network for that: nearly all of the face, around the middle, is to be in front, and
// in nearly all pictures something behind.
func TestPortraits(t *testing.T) {
	all, err := filepath.Glob(filepath.Join(tasktest.Shared(t, "data/faces/lfw"), "*", "*_0001.jpg"))
	if err != nil || len(all) < 1000 {
		t.Fatalf("%d pictures, %v", len(all), err)
	}
	g, err := onnx.ReadFile(filepath.Join(tasktest.Shared(t, "models/sinet"), "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	// Its authors divide by the deviation and then once more by 255.
	s, err := segment.New(p, card.Card{Input: card.Input{
		Order: "bgr", Mean: []float64{102.890434, 111.25247, 126.91212}, Std: []float64{62.93292 * 255, 62.82138 * 255, 66.355705 * 255},
	}})
	if err != nil {
		t.Fatal(err)
	}
	const pictures = 100
	front, faces, behind := 0, 0, 0
	for i := range pictures {
		pic := tasktest.Load(t, all[i*len(all)/pictures])
		if err := s.Segment(context.Background(), pic); err != nil {
			t.Fatal(err)
		}
		labels := make([]uint8, pic.W*pic.H)
		if err := s.Labels(labels); err != nil {
			t.Fatal(err)
		}
		for y := 55; y < 105; y++ {
			for x := 55; x < 95; x++ {
				front += int(labels[y*pic.W+x])
				faces++
			}
		}
		if shares := s.Shares(labels); shares[0].Label == "background" && shares[0].Share > 0.05 {
			behind++
		}
	}
	t.Logf("%.3f of the faces in front, something behind in %d of %d pictures", float64(front)/float64(faces), behind, pictures)
	if float64(front) < 0.95*float64(faces) || behind < 90 {
		t.Errorf("%.3f of the faces in front, something behind in %d of %d pictures", float64(front)/float64(faces), behind, pictures)
	}
}
