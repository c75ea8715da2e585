// Package tasktest finds and reads the networks and pictures that tests of tasks use and that are no part of the project.
package tasktest

import (
	"image"
	"image/draw"
	_ "image/jpeg" // the format of the pictures
	"os"
	"path/filepath"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

// Shared returns a folder of the networks and pictures, or skips the test. OCELLUS_SHARED names the folder that holds them all; without it, it is
// the one beside the project.
func Shared(t *testing.T, path string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("real networks on many pictures take a while")
	}
	base := os.Getenv("OCELLUS_SHARED")
	if base == "" {
		base = filepath.Join("..", "..", "..", "..", "shared") // from the folder of a task
	}
	dir := filepath.Join(base, path)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no %s: set OCELLUS_SHARED to the folder that holds it", dir)
	}
	return dir
}

// Load reads a picture as RGB.
func Load(t *testing.T, path string) kernels.Picture {
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
