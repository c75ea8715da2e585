package still

import (
	"context"
	"image"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// gradient is a picture of all hues, on which a square has moved to x.
func gradient(w, h, x int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for v := range h {
		for u := range w {
			img.SetRGBA(u, v, color.RGBA{uint8(255 * u / w), uint8(255 * v / h), uint8(255 - 255*u/w), 255})
			if u >= x && u < x+10 && v >= 10 && v < 20 {
				img.SetRGBA(u, v, color.RGBA{255, 255, 255, 255})
			}
		}
	}
	return img
}

func TestGIFWriter(t *testing.T) {
	const w, h, rate = 160, 90, 15
	path := filepath.Join(t.TempDir(), "a.gif")
	g, err := CreateGIF(path, rate)
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int64{}
	for i := range 6 {
		if err := g.Write(gradient(w, h, 10*min(i, 4))); err != nil {
			t.Fatal(err)
		}
		g.w.Flush()
		if info, err := g.f.Stat(); err == nil {
			sizes = append(sizes, info.Size())
		}
	}
	if err := g.Write(gradient(w+1, h, 0)); err == nil {
		t.Error("a picture of another size is taken")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before it is whole")
	}
	for range 2 {
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if g.Write(gradient(w, h, 0)) == nil {
		t.Error("a closed GIF is written to")
	}
	// A frame writes only what moved, and one without change next to nothing.
	if first, second, last := sizes[0], sizes[1]-sizes[0], sizes[5]-sizes[4]; second*4 > first || last > 400 {
		t.Errorf("the frames end at bytes %d", sizes)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var began time.Time
	err = s.Run(context.Background(), func(f *camera.Frame) {
		if n == 0 {
			began = f.Time
		}
		// Steps of a hundredth of a second add up to the rate.
		if at, want := f.Time.Sub(began).Seconds(), float64(n)/rate; math.Abs(at-want) > 0.0051 {
			t.Errorf("frame %d is shown at %v, want %v", n, at, want)
		}
		want := gradient(w, h, 10*min(n, 4))
		sum := 0.0
		for i := range w * h {
			for c := range 3 {
				d := float64(f.Data[3*i+c]) - float64(want.Pix[4*i+c])
				sum += d * d
			}
		}
		// 255 colours for a plane of the cube leave cells of about 16 levels on a side: an error of 16/√12 in two channels, and the dithering's 2.3.
		if rms := math.Sqrt(sum / (3 * w * h)); rms > 16/math.Sqrt(12)+2.3 {
			t.Errorf("frame %d is off by %.1f levels", n, rms)
		}
		n++
		f.Release()
	})
	if err != io.EOF || n != 6 {
		t.Errorf("%d frames, %v", n, err)
	}
}

// TestGIFWriterFewColours asks for the very colours where there are few.
func TestGIFWriterFewColours(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gif")
	g, err := CreateGIF(path, 10)
	if err == nil {
		err = g.Write(quarters())
	}
	if err == nil {
		err = g.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if f, err := Read(path); err != nil || corners(f) != "rgbw" || [3]uint8(f.Data) != [3]uint8{255, 0, 0} {
		t.Errorf("%v, %v", f.Data[:3], err)
	}
	for _, rate := range []float64{0, math.NaN(), -1} {
		if _, err := CreateGIF(path, rate); err == nil {
			t.Errorf("a rate of %g is taken", rate)
		}
	}
	if _, err := CreateGIF(filepath.Join(t.TempDir(), "none", "a.gif"), 10); err == nil {
		t.Error("a folder that is not there is written to")
	}
	old := filepath.Join(t.TempDir(), "old.gif")
	if err := os.WriteFile(old, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if g, err = CreateGIF(old, 10); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err == nil {
		t.Error("a GIF without pictures is written")
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
		t.Errorf("the GIF before: %q, %v", b, err)
	}
}

func BenchmarkGIFWriter(b *testing.B) {
	g, err := CreateGIF(filepath.Join(b.TempDir(), "a.gif"), 25)
	if err != nil {
		b.Fatal(err)
	}
	pictures := []*image.RGBA{gradient(640, 480, 0), gradient(640, 480, 100)}
	i := 0
	for b.Loop() {
		if err := g.Write(pictures[i&1]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
