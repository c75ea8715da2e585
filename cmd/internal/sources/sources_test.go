package sources

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/gocv"
)

// kindOf says what a source is, a supervised one by what it supervises.
func kindOf(s camera.Source) string {
	if v, ok := s.(*camera.Supervisor); ok {
		return "again " + fmt.Sprintf("%T", v.Source)
	}
	return fmt.Sprintf("%T", s)
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"a.png", "b.PNG", "c.jpeg"} {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	for _, name := range []string{"clip.gif", "clip.mjpg", "clip.y4m", "clip.mp4", "clip[1].mp4", "why?.y4m", "[*].gif", "synth:odd.png"} {
		if err := os.WriteFile(name, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	_, err := exec.LookPath("ffmpeg")
	ffmpeg := err == nil
	for _, c := range []struct {
		arg, kind    string
		live, stills bool
		total        int
	}{
		{"a.png", "*still.Source", false, true, 1},
		{".", "*still.Source", false, true, 6},
		{"?.*", "*still.Source", false, true, 3},
		{"clip*.gif", "*still.Source", false, false, 0},
		{"[*].gif", "*still.Source", false, false, 0},
		{"why?.y4m", "*mjpeg.Stream", false, false, 0},
		{"clip[1].mp4", "*ffmpeg.Source", false, false, 0},
		{"synth:odd.png", "*still.Source", false, true, 1},
		{"clip.gif", "*still.Source", false, false, 0},
		{"clip.mjpg", "*mjpeg.Stream", false, false, 0},
		{"clip.y4m", "*mjpeg.Stream", false, false, 0},
		{"-", "*mjpeg.Stream", false, false, 0},
		{"/dev/video0", "again *v4l2.Source", true, false, 0},
		{"v4l2:/dev/video1?size=640x480&fps=15", "again *v4l2.Source", true, false, 0},
		{"http://user:secret@camera/stream.mjpg", "again *mjpeg.HTTP", true, false, 0},
		{"https://camera/video?x=1", "again *mjpeg.HTTP", true, false, 0},
		{"synth:street?frames=9", "*synth.Source", true, false, 9},
		{"synth:portrait?pace=free", "*synth.Source", false, false, 0},
		{"clip.mp4", "*ffmpeg.Source", false, false, 0},
		{"ffmpeg:a.png", "*ffmpeg.Source", false, false, 0},
		{"http://camera/live.m3u8", "*ffmpeg.Source", false, false, 0},
		{"rtsp://user:secret@camera/1", "again *ffmpeg.Source", true, false, 0},
		{"ffmpeg:rtsp://camera/1", "again *ffmpeg.Source", true, false, 0},
	} {
		in, err := Open(c.arg, Options{})
		if strings.Contains(c.kind, "ffmpeg") && !ffmpeg {
			if err == nil || !strings.Contains(err.Error(), "ffmpeg") {
				t.Errorf("%s: %v", c.arg, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.arg, err)
			continue
		}
		if kind := kindOf(in.Source); kind != c.kind || in.Live != c.live || in.Stills != c.stills || in.Total != c.total {
			t.Errorf("%s: %s live %v stills %v total %d; want %+v", c.arg, kind, in.Live, in.Stills, in.Total, c)
		}
		if s := in.Source.String(); strings.Contains(s, "secret") {
			t.Errorf("%s: shows a password: %s", c.arg, s)
		}
	}
}

// TestFiles asks which files an INPUT reads.
func TestFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"a.png", "b.gif", "c.y4m", "d.mp4"} {
		if err := os.WriteFile(name, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for arg, want := range map[string]string{
		"a.png": "a.png", ".": "a.png b.gif", "[ab].*": "a.png b.gif", "b.gif": "b.gif", "c.y4m": "c.y4m", "d.mp4": "d.mp4", "ffmpeg:d.mp4": "d.mp4",
		"ffmpeg:file:d.mp4": "d.mp4", "synth:street": "",
	} {
		in, err := Open(arg, Options{})
		if err != nil {
			if _, missing := exec.LookPath("ffmpeg"); missing == nil || !strings.Contains(arg, "d.mp4") {
				t.Errorf("%s: %v", arg, err)
			}
			continue
		}
		if got := strings.Join(in.Files, " "); got != want {
			t.Errorf("%s: %q, want %q", arg, got, want)
		}
	}
}

// TestBrokenClip asks that a GIF which is broken, or cut off after some frames, ends with an error.
func TestBrokenClip(t *testing.T) {
	t.Chdir(t.TempDir())
	var b bytes.Buffer
	img := image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.White, color.Black})
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{img, img, img}, Delay: []int{5, 5, 5}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		bytes  []byte
		frames int
		want   string
	}{
		{b.Bytes(), 3, "EOF"}, {b.Bytes()[:b.Len()-10], 2, "a.gif: broken picture: frame 3: the file is cut off"}, {nil, 0, "a.gif: empty file"},
		{[]byte("none"), 0, "a.gif: not a picture"},
	} {
		if err := os.WriteFile("a.gif", c.bytes, 0o666); err != nil {
			t.Fatal(err)
		}
		in, err := Open("a.gif", Options{Broken: func(path string, err error) { t.Errorf("it goes on after %v", err) }})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = in.Source.Run(t.Context(), func(f *camera.Frame) { n++; f.Release() })
		if n != c.frames || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d bytes: %d frames, %v; want %d, %s", len(c.bytes), n, err, c.frames, c.want)
		}
	}
}

// TestOpenCV asks a program without OpenCV how to build it.
func TestOpenCV(t *testing.T) {
	for _, arg := range []string{"gocv:0", "gocv:clip.avi"} {
		in, err := Open(arg, Options{})
		switch {
		case !gocv.Built && (err == nil || !strings.Contains(err.Error(), "gocv")):
			t.Errorf("%s: %v", arg, err)
		case gocv.Built && (err != nil || in.Live != (arg == "gocv:0")):
			t.Errorf("%s: %+v, %v", arg, in, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	for arg, want := range map[string]string{
		"": "empty", "none.jpg": "none.jpg", "none.mp4": "none.mp4", "none/": "none", "*.png": "no file matches", "nothing:1": "INPUT is",
		"v4l2:/dev/video0?size=x": "size", "synth:moon": "moon", "none.y4m": "none.y4m",
	} {
		if _, err := Open(arg, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", arg, err)
		}
	}
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "no pictures") {
		t.Errorf("an empty folder: %v", err)
	}
}
