package sinks

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
)

// plain is a picture of one colour with a white square.
func plain(w, h int, c color.RGBA, x int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.SetRGBA(i%w, i/w, c)
		if i%w >= x && i%w < x+4 && i/w < 4 {
			img.SetRGBA(i%w, i/w, color.RGBA{255, 255, 255, 255})
		}
	}
	return img
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestGIF reads what was written with another decoder: colours, sizes and times.
func TestGIF(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gif")
	o, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	colours := []color.RGBA{{200, 10, 30, 255}, {0, 0, 255, 255}, {17, 99, 4, 255}}
	at := []time.Duration{0, 100 * time.Millisecond, 350 * time.Millisecond}
	for i, c := range colours {
		if err := o.Write("", uint64(i), start.Add(at[i]), plain(300, 200, c, 10*i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gif.DecodeAll(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Image) != 3 || g.Config.Width != 300 || g.Config.Height != 200 || g.LoopCount != 0 {
		t.Fatalf("%d frames of %dx%d, loops %d", len(g.Image), g.Config.Width, g.Config.Height, g.LoopCount)
	}
	for i, want := range []int{10, 25, 25} { // hundredths; the last one as long as the one before
		if g.Delay[i] != want {
			t.Errorf("frame %d shows for %d hundredths, want %d", i, g.Delay[i], want)
		}
		if c := color.RGBAModel.Convert(g.Image[i].At(290, 190)); c != colours[i] {
			t.Errorf("frame %d: %v, want %v", i, c, colours[i])
		}
		if c := color.RGBAModel.Convert(g.Image[i].At(10*i+1, 1)); c != (color.RGBA{255, 255, 255, 255}) {
			t.Errorf("frame %d: the square is %v", i, c)
		}
	}
	if s := o.String(); s != path {
		t.Errorf("wrote %q", s)
	}
}

// TestGIFOfManyColours writes all combinations of 32 shades: no colour may be further from its own than a fixed palette of 6x6x6 would have it, on average.
func TestGIFOfManyColours(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 256, 128))
	for i := range 256 * 128 {
		img.SetRGBA(i%256, i/256, color.RGBA{uint8(i>>10) << 3, uint8(i>>5&31) << 3, uint8(i&31) << 3, 255})
	}
	var c cutter
	p := c.paletted(img, nil)
	if len(p.Palette) != 256 {
		t.Errorf("%d colours", len(p.Palette))
	}
	var sum, fixed float64
	for i := range 256 * 128 {
		a := img.RGBAAt(i%256, i/256)
		r, g, b, _ := p.At(i%256, i/256).RGBA()
		for _, d := range [3][2]int{{int(a.R), int(r >> 8)}, {int(a.G), int(g >> 8)}, {int(a.B), int(b >> 8)}} {
			sum += float64((d[0] - d[1]) * (d[0] - d[1]))
			near := (d[0] + 25) / 51 * 51
			fixed += float64((d[0] - near) * (d[0] - near))
		}
	}
	if sum > fixed {
		t.Errorf("squared error %g, with 216 fixed colours %g", sum, fixed)
	}
}

func TestClipRefusesAnotherSize(t *testing.T) {
	o, err := Open(filepath.Join(t.TempDir(), "a.gif"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Write("", 0, start, plain(30, 20, color.RGBA{}, 0)); err != nil {
		t.Fatal(err)
	}
	if err := o.Write("", 1, start, plain(31, 20, color.RGBA{}, 0)); !errors.Is(err, errSize) {
		t.Errorf("%v", err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

func TestEmptyClipIsNoFile(t *testing.T) {
	for _, name := range []string{"a.gif", "a.mp4", "a.png"} {
		path := filepath.Join(t.TempDir(), name)
		o, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil || o.String() != "" {
			t.Errorf("%s: %v, wrote %q", name, err, o)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is a file: %v", name, err)
		}
	}
}

func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	c := color.RGBA{1, 2, 3, 255}
	write := func(path string, o Options, names ...string) *Output {
		t.Helper()
		out, err := Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			if err := out.Write(name, uint64(i), start, plain(20+i, 10, c, 0)); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	width := func(path string) int {
		t.Helper()
		p, err := pictures.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		return p.W
	}
	// Of files: by their names, twice the same name told apart.
	o := write(filepath.Join(dir, "new"), Options{Stills: true, Total: 3}, "x/a.jpg", "y/a.jpg", "b.webp")
	for name, want := range map[string]int{"a.jpg": 20, "a_2.jpg": 21, "b.png": 22} {
		if w := width(filepath.Join(dir, "new", name)); w != want {
			t.Errorf("%s is %d wide, want %d", name, w, want)
		}
	}
	if s := o.String(); s != "3 pictures in "+filepath.Join(dir, "new") {
		t.Errorf("%q", s)
	}
	// Of a clip: every frame in a folder, the last one in a picture.
	write(filepath.Join(dir, "clip")+"/", Options{}, "", "")
	if w := width(filepath.Join(dir, "clip", "frame_000001.jpg")); w != 21 {
		t.Errorf("the second frame is %d wide", w)
	}
	write(filepath.Join(dir, "last.png"), Options{}, "", "", "")
	if w := width(filepath.Join(dir, "last.png")); w != 22 {
		t.Errorf("the last frame is %d wide", w)
	}
	var none *Output
	if err := errors.Join(none.Write("", 0, start, nil), none.Close()); err != nil || none.String() != "" {
		t.Errorf("no output: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		path string
		o    Options
		want string
	}{
		{"a.png", Options{Stills: true, Total: 2}, "need a folder"}, {"a.bmp", Options{}, "pictures are written as"},
		{"a.jpg", Options{Only: ".png"}, "written as .png"}, {"a.gif", Options{Only: ".png"}, "written as .png"},
		{"-", Options{}, "standard output"}, {"-", Options{Only: ".png"}, "standard output"},
	} {
		var usage *UsageError
		if _, err := Open(c.path, c.o); !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.path, err)
		}
	}
}

// TestInputsAreSpared names files that the run reads as OUTPUT: themselves, through links, and by the folder in which they lie.
func TestInputsAreSpared(t *testing.T) {
	dir := t.TempDir()
	var inputs []string
	for _, name := range []string{"a.png", "a.bmp", "clip.gif", "clip.mp4", "frame_000001.jpg", "soft.gif", "hard.mp4"} {
		path := filepath.Join(dir, name)
		var err error
		switch name {
		case "soft.gif":
			err = os.Symlink("clip.gif", path)
		case "hard.mp4":
			err = os.Link(filepath.Join(dir, "clip.mp4"), path)
		default:
			err = os.WriteFile(path, []byte(name), 0o666)
			inputs = append(inputs, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	img := plain(5, 5, color.RGBA{}, 0)
	files := NewFiles(append(inputs, "rtsp://camera/1"))
	for _, name := range []string{"a.png", "clip.gif", "clip.mp4", "soft.gif", "hard.mp4"} {
		if _, err := Open(filepath.Join(dir, name), Options{Files: files}); err == nil || !strings.Contains(err.Error(), "over a file that this run reads") {
			t.Errorf("%s: %v", name, err)
		}
	}
	stills, err := Open(dir, Options{Stills: true, Total: 5, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	if err := stills.Write(filepath.Join(dir, "a.bmp"), 0, start, img); err == nil || stills.String() != "" {
		t.Errorf("the result of a.bmp: %v, wrote %q", err, stills)
	}
	frames, err := Open(dir, Options{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	if err := frames.Write("", 1, start, img); err == nil || frames.String() != "" {
		t.Errorf("frame 1: %v, wrote %q", err, frames)
	}
	if err := frames.Write("", 2, start, img); err != nil || frames.String() != "1 picture in "+dir {
		t.Errorf("frame 2: %v, wrote %q", err, frames)
	}
	for _, path := range inputs {
		if b, err := os.ReadFile(path); err != nil || string(b) != filepath.Base(path) {
			t.Errorf("%s holds %q, %v", path, b, err)
		}
	}
}

// TestResultsAreKeptApart opens two OUTPUTs of a run that lie together.
func TestResultsAreKeptApart(t *testing.T) {
	dir := t.TempDir()
	out, link := filepath.Join(dir, "out"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(out, 0o777), os.Symlink("out", link)); err != nil {
		t.Fatal(err)
	}
	files := new(Files)
	open := func(path string, stills bool) *Output {
		t.Helper()
		o, err := Open(path, Options{Stills: stills, Total: 1, Files: files})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	one, other, frames := open(out, true), open(link, true), open(out, false)
	open(filepath.Join(link, "b.png"), true)
	open(filepath.Join(link, "frame_000001.jpg"), false)
	for _, c := range []struct {
		o            *Output
		source, want string
	}{
		{one, "x/a.jpg", "out/a.png"}, {other, "x/a.jpg", "link/a_2.png"}, {one, "y/a.jpg", "out/a_3.png"}, {other, "b.jpg", "link/b_2.png"},
		{frames, "frame_000002.png", "out/frame_000002.png"},
	} {
		if path, err := c.o.Path(c.source, ".png"); err != nil || path != filepath.Join(dir, c.want) {
			t.Errorf("%s: %s, %v; want %s", c.source, path, err, c.want)
		}
	}
	if path, err := frames.Path("frame_000001", ".jpg"); err != nil || path != filepath.Join(out, "frame_000001_2.jpg") {
		t.Errorf("%s, %v", path, err)
	}
	var usage *UsageError
	if _, err := Open(filepath.Join(out, "b.png"), Options{Files: files}); !errors.As(err, &usage) || !strings.Contains(err.Error(), "two kinds of results") {
		t.Errorf("a file for two OUTPUTs: %v", err)
	}
}

// TestFailureIsNoFile writes where no folder is.
func TestFailureIsNoFile(t *testing.T) {
	for _, name := range []string{"a.gif", "a.mp4", "a.png", "folder"} {
		dir := filepath.Join(t.TempDir(), "none")
		o, err := Open(filepath.Join(dir, name), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(o.Write("", 0, start, plain(5, 5, color.RGBA{}, 0)), o.Close()); err == nil || o.String() != "" {
			t.Errorf("%s: %v, wrote %q", name, err, o)
		}
	}
}
