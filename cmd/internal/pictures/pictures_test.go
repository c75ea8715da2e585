package pictures

import (
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

// quarters is a picture of 32x16 whose quarters are, from the upper left on, red, green, blue and white.
func quarters() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 32, 16))
	for y := range 16 {
		for x := range 32 {
			img.Set(x, y, []color.RGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 255, 255}}[y/8*2+x/16])
		}
	}
	return img
}

// corners names the colours in the corners of a picture: upper left, upper right, lower left, lower right.
func corners(p kernels.Picture) string {
	var s strings.Builder
	for _, at := range [][2]int{{1, 1}, {p.W - 2, 1}, {1, p.H - 2}, {p.W - 2, p.H - 2}} {
		c := p.Pix[at[1]*p.Stride+3*at[0]:][:3]
		bit := func(v uint8) int { return int(v / 128) }
		s.WriteByte("kbgcrmyw"[bit(c[0])<<2|bit(c[1])<<1|bit(c[2])])
	}
	return s.String()
}

func TestReadWrite(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.png", "a.JPG"} {
		path := filepath.Join(dir, name)
		if err := Write(path, quarters()); err != nil {
			t.Fatal(err)
		}
		p, err := Read(path)
		if err != nil || corners(p) != "rgbw" {
			t.Errorf("%s: %v", name, err)
		}
		if img := RGBA(p); img.RGBAAt(31, 0).G < 250 {
			t.Errorf("%s: %v", name, img.RGBAAt(31, 0))
		}
	}
	path := filepath.Join(dir, "a.tiff")
	if err := Write(path, quarters()); err == nil || Writable(path) {
		t.Error("wrote a .tiff")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file that could not be written is left behind")
	}
	if _, err := Read(filepath.Join(dir, "none.png")); err == nil {
		t.Error("read what is not there")
	}
}
