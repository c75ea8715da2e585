package still

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// folder holds a picture, a clip of three frames, a broken file and another picture.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	three := clip(t, []*image.Paletted{block(0, "1111"), block(0, "2222"), block(0, "3333")}, []int{4, 5, 6}, nil)
	for name, b := range map[string][]byte{"a.png": encode(t, quarters(), "png"), "b.gif": three, "c.jpg": []byte("no JPEG"), "d.bmp": encode(t, quarters(), "bmp")} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSource(t *testing.T) {
	dir := folder(t)
	var broken []string
	s, err := Open(dir, Options{Rate: 4, Broken: func(path string, err error) { broken = append(broken, filepath.Base(path)) }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // Run may be called again
		broken = nil
		var got []string
		var first time.Time
		err = s.Run(context.Background(), func(f *camera.Frame) {
			if f.Seq == 0 {
				first = f.Time
			}
			got = append(got, fmt.Sprint(f.Seq, " ", filepath.Base(s.Name(f.Seq)), " ", f.Time.Sub(first).Milliseconds(), " ", f.Width))
			f.Release()
		})
		want := []string{"0 a.png 0 32", "1 b.gif 250 4", "2 b.gif 290 4", "3 b.gif 340 4", "4 d.bmp 400 32"}
		if err != io.EOF || !slices.Equal(got, want) || !slices.Equal(broken, []string{"c.jpg"}) {
			t.Errorf("%q, %v, broken %q; want %q", got, err, broken, want)
		}
		if name := filepath.Base(s.Name(0)); name != "a.png" {
			t.Errorf("frame 0 came from %s", name)
		}
	}
	if n := s.pool.Out(); n != 0 {
		t.Errorf("%d frames are held", n)
	}
}

func TestSourceStops(t *testing.T) {
	dir := folder(t)
	n := 0
	count := func(f *camera.Frame) { n++; f.Release() }
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), count); err == nil || err == io.EOF || n != 4 {
		t.Errorf("at a broken file: %d frames, %v", n, err)
	}

	// A loop goes on until its context ends.
	if s, err = Open(filepath.Join(dir, "b.gif"), Options{Loop: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n = 0
	err = s.Run(ctx, func(f *camera.Frame) {
		if f.Seq != uint64(n) {
			t.Errorf("frame %d is number %d", n, f.Seq)
		}
		if count(f); n == 10 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || n != 10 {
		t.Errorf("loop: %d frames, %v", n, err)
	}
	if err := s.Run(ctx, count); !errors.Is(err, context.Canceled) || n != 10 {
		t.Errorf("a context that has ended: %d frames, %v", n, err)
	}

	// A loop over nothing that can be read would never end.
	s, err = Open(filepath.Join(dir, "c.jpg"), Options{Loop: true, Broken: func(string, error) {}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), count); err == nil || n != 10 {
		t.Errorf("a loop over broken files: %v", err)
	}
	for _, rate := range []float64{-1, 1e-9, 1e9} {
		if _, err := Open(dir, Options{Rate: rate}); err == nil {
			t.Errorf("a rate of %g is taken", rate)
		}
	}
	if _, err := Open(filepath.Join(dir, "none.png"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestSourceRealTime asks that no frame comes before its time, and that waiting for one ends with the context.
func TestSourceRealTime(t *testing.T) {
	dir := folder(t)
	s, err := Open(filepath.Join(dir, "b.gif"), Options{RealTime: true})
	if err != nil {
		t.Fatal(err)
	}
	begun, n := time.Now(), 0
	err = s.Run(context.Background(), func(f *camera.Frame) {
		if early := time.Until(f.Time); early > 0 {
			t.Errorf("frame %d is %v early", f.Seq, early)
		}
		n++
		f.Release()
	})
	if took := time.Since(begun); err != io.EOF || n != 3 || took < 90*time.Millisecond {
		t.Errorf("%d frames in %v, %v", n, took, err)
	}
	if s, err = Open(filepath.Join(dir, "[ad].*"), Options{RealTime: true, Rate: 0.001}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = s.Run(ctx, func(f *camera.Frame) {
		f.Release()
		time.AfterFunc(10*time.Millisecond, cancel)
	})
	if !errors.Is(err, context.Canceled) || s.pool.Out() != 0 {
		t.Errorf("%v, %d frames held", err, s.pool.Out())
	}
}
