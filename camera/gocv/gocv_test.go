//go:build gocv

package gocv

import (
	"context"
	"errors"
	"image"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// blues is a picture of one colour: more blue from one to the next, and no green.
func blues(w, h, i int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{R: 100, B: uint8(20 * i), A: 255})
		}
	}
	return img
}

// write writes a clip of ten pictures of 64x48, ten of them a second.
func write(t *testing.T, path string) {
	t.Helper()
	w, err := Create(path, 64, 48, 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := w.Write(blues(64, 48, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write(blues(32, 48, 0)); err == nil {
		t.Error("a picture of another size is taken")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the clip is there before it is whole")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Close() != nil || w.Write(blues(64, 48, 0)) == nil {
		t.Error("a closed clip is written to, or cannot be closed again")
	}
}

func TestWrittenIsRead(t *testing.T) {
	for _, name := range []string{"a.avi", "a.mp4", "a.mkv"} {
		path := filepath.Join(t.TempDir(), name)
		write(t, path)
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			n := 0
			var first time.Time
			err = s.Run(context.Background(), func(f *camera.Frame) {
				if n == 0 {
					first = f.Time
				}
				// A codec may be off by a little.
				p := f.Data[20*f.Stride+3*20:]
				near := func(v uint8, want int) bool { return int(v) >= want-10 && int(v) <= want+10 }
				if f.Format != camera.BGR || f.Width != 64 || f.Height != 48 || !near(p[0], 20*n) || !near(p[1], 0) || !near(p[2], 100) {
					t.Errorf("%s: frame %d: %v %dx%d %v", name, n, f.Format, f.Width, f.Height, p[:3])
				}
				if at := f.Time.Sub(first).Round(time.Millisecond); f.Seq != uint64(n) || at != time.Duration(n)*100*time.Millisecond {
					t.Errorf("%s: frame %d: number %d at %v", name, n, f.Seq, at)
				}
				n++
				f.Release()
			})
			if err != io.EOF || n != 10 || s.(*source).pool.Out() != 0 {
				t.Errorf("%s: %d frames, %v", name, n, err)
			}
		}
	}
}

func TestFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.avi")
	write(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.avi")
	noise := filepath.Join(dir, "noise.avi")
	if err := errors.Join(os.WriteFile(cut, b[:len(b)/2], 0o666), os.WriteFile(noise, []byte("no clip"), 0o666)); err != nil {
		t.Fatal(err)
	}
	for input, want := range map[string]string{cut: "gocv:", noise: "gocv:", filepath.Join(dir, "none.avi"): "no such file", "65000": "gocv:65000"} {
		s, err := Open(input, Options{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = s.Run(context.Background(), func(f *camera.Frame) { n++; f.Release() })
		if err == nil || err == io.EOF || n == 10 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d frames, %v", input, n, err)
		}
		t.Logf("%s: %d frames, %v", filepath.Base(input), n, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Open(path, Options{RealTime: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(ctx, func(f *camera.Frame) { f.Release(); cancel() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, bad := range []string{"a.txt", "none/a.avi"} {
		if _, err := Create(filepath.Join(dir, bad), 64, 48, 10); err == nil {
			t.Errorf("%s is written", bad)
		}
	}
	if _, err := Open("0", Options{Width: -1}); err == nil {
		t.Error("a width of -1 is taken")
	}
}
