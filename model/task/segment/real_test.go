package segment_test

import (
	"context"
	"image"
	"image/draw"
	_ "image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/segment"
)

// shared returns a folder of the networks and pictures that are no part of the project, or skips the test.
func shared(t *testing.T, path string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("real networks on many pictures take a while")
	}
	base := os.Getenv("OCELLUS_SHARED")
	if base == "" {
		base = filepath.Join("..", "..", "..", "..", "shared")
	}
	dir := filepath.Join(base, path)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no %s: set OCELLUS_SHARED to the folder that holds it", dir)
	}
	return dir
}

func load(t *testing.T, path string) kernels.Picture {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	rgba := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(rgba, rgba.Rect, img, img.Bounds().Min, draw.Src)
	p := kernels.Picture{Format: kernels.RGB, W: w, H: h, Stride: 3 * w, Pix: make([]uint8, 3*w*h)}
	for i := range w * h {
		copy(p.Pix[3*i:], rgba.Pix[4*i:4*i+3])
	}
	return p
}

// TestPortraits cuts people out of portraits of 150x150 with a network for that: nearly all of the face, around the middle, is to be in front, and
// in nearly all pictures something behind.
func TestPortraits(t *testing.T) {
	all, err := filepath.Glob(filepath.Join(shared(t, "data/faces/lfw"), "*", "*_0001.jpg"))
	if err != nil || len(all) < 1000 {
		t.Fatalf("%d pictures, %v", len(all), err)
	}
	g, err := onnx.ReadFile(filepath.Join(shared(t, "models/sinet"), "model.onnx"))
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
		pic := load(t, all[i*len(all)/pictures])
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
