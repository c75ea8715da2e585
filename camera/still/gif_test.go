package still

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ocellus-vision/ocellus/camera"
)

// palette of the drawn clips: what shows through, red, green, blue.
var palette = color.Palette{color.Transparent, color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255}}

// block is one row of pixels at x, whose colours are digits of the palette.
func block(x int, digits string) *image.Paletted {
	p := image.NewPaletted(image.Rect(x, 0, x+len(digits), 1), palette)
	for i := range digits {
		p.Pix[i] = digits[i] - '0'
	}
	return p
}

func clip(t *testing.T, frames []*image.Paletted, delays []int, disposal []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: frames, Delay: delays, Disposal: disposal, Config: image.Config{Width: 4, Height: 1, ColorModel: palette}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// row names the colours of a frame of 4x1 pixels.
func row(f *camera.Frame) string {
	var s []byte
	for x := range f.Width {
		switch [3]uint8(f.Data[3*x:]) {
		case [3]uint8{255, 0, 0}:
			s = append(s, 'r')
		case [3]uint8{0, 255, 0}:
			s = append(s, 'g')
		case [3]uint8{0, 0, 255}:
			s = append(s, 'b')
		case [3]uint8{255, 255, 255}:
			s = append(s, '.')
		default:
			s = append(s, '?')
		}
	}
	return string(s)
}

func TestGIF(t *testing.T) {
	b := clip(t, []*image.Paletted{block(0, "1111"), block(1, "22"), block(2, "33"), block(0, "20"), block(3, "1"), block(0, "0")},
		[]int{7, 0, 1, 2, 300, 5},
		[]byte{gif.DisposalNone, gif.DisposalPrevious, gif.DisposalBackground, gif.DisposalNone, 0, 0})
	want := []string{"rrrr 7", "rggr 10", "rrbb 10", "gr.. 2", "gr.r 300", "gr.r 5"}
	var pool camera.Pool
	var got []string
	collect := func(p picture) error {
		got = append(got, fmt.Sprint(row(p.frame), " ", p.delay))
		p.frame.Release()
		return nil
	}
	if n, err := decode(b, &pool, collect); err != nil || n != len(want) || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d frames %q, %v; want %q", n, got, err, want)
	}
	// Wherever the file is cut off, whole frames are handed out and the end is reported.
	for cut := range b {
		got = nil
		n, err := decode(b[:cut], &pool, collect)
		if err == nil {
			t.Fatalf("cut off at byte %d of %d: no error", cut, len(b))
		}
		if n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut off at byte %d: %v", cut, err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want[:n]) && n != 1 { // a single frame has no timing
			t.Errorf("cut off at byte %d: %q", cut, got)
		}
	}
	if pool.Out() != 0 {
		t.Errorf("%d frames are held", pool.Out())
	}
}

// TestGIFBesideFFmpeg compares every pixel of real clips with what ffmpeg makes of them.
func TestGIFBesideFFmpeg(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed (Debian: sudo apt install ffmpeg)")
	}
	clips, _ := filepath.Glob(filepath.Join(os.Getenv("OCELLUS_SHARED"), "data/clips/*.gif"))
	if len(clips) == 0 {
		clips, _ = filepath.Glob("../../../shared/data/clips/*.gif")
	}
	if len(clips) == 0 {
		t.Skip("no clips: OCELLUS_SHARED names the folder that data/clips lies in")
	}
	if testing.Short() {
		clips = clips[:1]
	}
	for _, path := range clips {
		cmd := exec.Command(ffmpeg, "-v", "error", "-i", path, "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := load(path)
		if err != nil {
			t.Fatal(err)
		}
		var pool camera.Pool
		var want []byte
		n, err := decode(b, &pool, func(p picture) error {
			defer p.frame.Release()
			want = append(want[:0], p.frame.Data...)
			if _, err := io.ReadFull(out, want); err != nil {
				return fmt.Errorf("ffmpeg has fewer frames: %w", err)
			}
			if !bytes.Equal(want, p.frame.Data) {
				return errors.New("not the pixels of ffmpeg")
			}
			return nil
		})
		if rest, _ := io.Copy(io.Discard, out); err != nil || n == 0 || rest > 0 {
			t.Errorf("%s: frame %d: %v; ffmpeg has %d bytes more", filepath.Base(path), n, err, rest)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: ffmpeg: %v", path, err)
		}
		t.Logf("%s: %d frames", filepath.Base(path), n)
	}
}

func FuzzGIF(f *testing.F) {
	var t testing.T
	f.Add(clip(&t, []*image.Paletted{block(0, "1111"), block(1, "22"), block(2, "33")}, []int{1, 2, 3}, []byte{1, 2, 3}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 10 || string(b[:3]) != "GIF" || int(b[7])|int(b[9]) > 0 {
			return
		}
		var pool camera.Pool
		n, handed := 0, 0
		n, err := decode(b, &pool, func(p picture) error {
			handed++
			if len(p.frame.Data) != 3*p.frame.Width*p.frame.Height || p.delay < 0 || p.delay == 1 {
				t.Errorf("%dx%d, %d bytes, delay %d", p.frame.Width, p.frame.Height, len(p.frame.Data), p.delay)
			}
			p.frame.Release()
			return nil
		})
		if n != handed || (n == 0 && err == nil) || pool.Out() != 0 {
			t.Errorf("%d frames, %d handed out, %d held, %v", n, handed, pool.Out(), err)
		}
	})
}
