package ffmpeg

import (
	"context"
	"image"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/camera"
)

// flat returns a picture of one colour, a part of a larger one if asked.
func flat(w, h int, c color.Color, part bool) *image.RGBA {
	r := image.Rect(0, 0, w, h)
	if part {
		r = image.Rect(-3, -2, w+5, h+1)
	}
	img := image.NewRGBA(r)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if image.Pt(x, y).In(image.Rect(0, 0, w, h)) {
				img.Set(x, y, c)
			}
		}
	}
	return img.SubImage(image.Rect(0, 0, w, h)).(*image.RGBA)
}

// TestWriter writes grey pictures, brighter from one to the next, and reads them again.
func TestWriter(t *testing.T) {
	need(t)
	dir := t.TempDir()
	for _, name := range []string{"a.mp4", "b.MKV", "100%.webm", "c.mov", "d.avi"} {
		path := filepath.Join(dir, name)
		w, err := Create(path, 33, 24, 12.5)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("%s is there before it is whole", name)
			}
			if err := w.Write(flat(33, 24, color.Gray{uint8(20 * i)}, i%2 == 1)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := w.Write(flat(32, 24, color.Black, false)); err == nil {
			t.Errorf("%s: a picture of another size is taken", name)
		}
		for range 2 {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Write(flat(33, 24, color.Black, false)); err == nil {
			t.Errorf("%s: a closed clip is written to", name)
		}
		n := 0
		err = open(t, path, Options{}).Run(context.Background(), func(f *camera.Frame) {
			// Luma of limited range; a codec may be off by a little.
			if got, want := float64(f.Data[5*f.Stride+5]), 16+float64(20*n)*219/255; f.Width != 34 || f.Height != 24 || got < want-4 || got > want+4 {
				t.Errorf("%s: frame %d: %dx%d, luma %g, want %g", name, n, f.Width, f.Height, got, want)
			}
			n++
			f.Release()
		})
		if err != io.EOF || n != 10 {
			t.Errorf("%s: %d frames, %v", name, n, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestWriterFails(t *testing.T) {
	need(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "none", "a.mp4")
	w, err := Create(path, 16, 16, 25)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = w.Write(flat(16, 16, color.Black, false))
	}
	if !strings.Contains(err.Error(), "No such file or directory") || w.Close() != err {
		t.Errorf("a folder that is not there: %v; Close: %v", err, w.Close())
	}
	for _, c := range []struct {
		name string
		w, h int
		rate float64
	}{{"a.txt", 16, 16, 25}, {"a.mp4", 0, 16, 25}, {"a.mp4", 1 << 20, 16, 25}, {"a.mp4", 16, 16, 0}} {
		if _, err := Create(filepath.Join(dir, c.name), c.w, c.h, c.rate); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	// What was there before stays until the clip is whole, and after one that fails.
	old := filepath.Join(dir, "old.mp4")
	if err := os.WriteFile(old, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if w, err = Create(old, 16, 16, 25); err != nil {
		t.Fatal(err)
	}
	w.child.kill(false)
	<-w.child.done
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("ffmpeg was killed: %v", err)
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
		t.Errorf("the clip before: %q, %v", b, err)
	}
}
