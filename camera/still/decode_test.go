package still

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"

	"github.com/ocellus-vision/ocellus/camera"
)

// tiff makes EXIF data that hold an orientation.
func tiff(order binary.AppendByteOrder, mark string, orientation uint16) []byte {
	b := order.AppendUint16([]byte(mark), 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 0x010f) // another tag before
	b = order.AppendUint16(b, 2)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint32(b, 0)
	b = order.AppendUint16(b, 0x0112)
	b = order.AppendUint16(b, 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, orientation)
	b = order.AppendUint16(b, 0)
	return order.AppendUint32(b, 0)
}

// withEXIF puts EXIF data into a JPEG, after its first two bytes.
func withEXIF(b, exif []byte) []byte {
	seg := append([]byte("Exif\x00\x00"), exif...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(seg)+2))
	return slices.Concat(head, seg, b[2:])
}

// pngWithEXIF puts an eXIf chunk after a PNG's header.
func pngWithEXIF(b, exif []byte) []byte {
	chunk := append([]byte("eXIf"), exif...)
	out := slices.Concat(b[:33], binary.BigEndian.AppendUint32(nil, uint32(len(exif))), chunk)
	return slices.Concat(binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk)), b[33:])
}

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
func corners(p *camera.Frame) string {
	var s strings.Builder
	for _, at := range [][2]int{{1, 1}, {p.Width - 2, 1}, {1, p.Height - 2}, {p.Width - 2, p.Height - 2}} {
		c := p.Data[at[1]*p.Stride+3*at[0]:][:3]
		bit := func(v uint8) int { return int(v / 128) }
		s.WriteByte("kbgcrmyw"[bit(c[0])<<2|bit(c[1])<<1|bit(c[2])])
	}
	return s.String()
}

func encode(t *testing.T, img image.Image, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "jpeg":
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 95})
	case "png":
		err = png.Encode(&b, img)
	case "gif":
		err = gif.Encode(&b, img, nil)
	case "bmp":
		err = bmp.Encode(&b, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecode(t *testing.T) {
	for _, format := range []string{"jpeg", "png", "gif", "bmp"} {
		p, err := Decode(encode(t, quarters(), format))
		if err != nil {
			t.Errorf("%s: %v", format, err)
		} else if p.Width != 32 || p.Height != 16 || corners(p) != "rgbw" || p.Format != camera.RGB {
			t.Errorf("%s: %dx%d %s", format, p.Width, p.Height, corners(p))
		}
	}
	// One black pixel, lossless WebP.
	webp, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := Decode(webp); err != nil || p.Width != 1 || p.Height != 1 {
		t.Errorf("webp: %+v, %v", p, err)
	}
}

func TestOrientation(t *testing.T) {
	// The eight orientations of red, green / blue, white: EXIF names the side of the scene that row 0 and column 0 of the file lie at.
	// 2: top, right; 3: bottom, right; 4: bottom, left; 5: left, top; 6: right, top; 7: right, bottom; 8: left, bottom.
	want := []string{1: "rgbw", "grwb", "wbgr", "bwrg", "rbgw", "brwg", "wgbr", "gwrb"}
	base := encode(t, quarters(), "jpeg")
	for o := 1; o <= 8; o++ {
		for name, b := range map[string][]byte{
			"little": withEXIF(base, tiff(binary.LittleEndian, "II", uint16(o))),
			"big":    withEXIF(base, tiff(binary.BigEndian, "MM", uint16(o))),
			"png":    pngWithEXIF(encode(t, quarters(), "png"), tiff(binary.BigEndian, "MM", uint16(o))),
		} {
			p, err := Decode(b)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if corners(p) != want[o] || (p.Width == 32) != (o < 5) {
				t.Errorf("%s, orientation %d: %dx%d %s, want %s", name, o, p.Width, p.Height, corners(p), want[o])
			}
		}
	}
	riff := slices.Concat([]byte("RIFF\x00\x00\x00\x00WEBPVP8L\x01\x00\x00\x00x\x00EXIF"), binary.LittleEndian.AppendUint32(nil, 38), tiff(binary.LittleEndian, "II", 6))
	if o := orientation("webp", riff); o != 6 {
		t.Errorf("webp: orientation %d", o)
	}
	for _, o := range []uint16{0, 9, 1000} {
		if got := tiffOrientation(tiff(binary.LittleEndian, "II", o)); got != 1 {
			t.Errorf("orientation %d counts as %d", o, got)
		}
	}
}

// TestUpright compares each turned pixel with the place that EXIF names for it, over more rows than are converted at a time.
func TestUpright(t *testing.T) {
	const w, h = 5, 2*strip + 3
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(y), uint8(y >> 8), uint8(x), 255})
		}
	}
	for o := 1; o <= 8; o++ {
		p := pack(new(camera.Pool), img, o)
		for y := range h {
			for x := range w {
				at := [][2]int{{x, y}, {w - 1 - x, y}, {w - 1 - x, h - 1 - y}, {x, h - 1 - y}, {y, x}, {h - 1 - y, x}, {h - 1 - y, w - 1 - x}, {y, w - 1 - x}}[o-1]
				u, v := at[0], at[1]
				if got, want := [3]uint8(p.Data[v*p.Stride+3*u:]), [3]uint8{uint8(y), uint8(y >> 8), uint8(x)}; got != want {
					t.Fatalf("orientation %d: pixel (%d, %d) of %dx%d is %v, want %v", o, u, v, p.Width, p.Height, got, want)
				}
			}
		}
	}
}

func TestForeign(t *testing.T) {
	for _, c := range foreign {
		b, err := base64.StdEncoding.DecodeString(c.base64)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := Decode(b); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if corners(p) != c.want {
			t.Errorf("%s: %s, want %s", c.name, corners(p), c.want)
		}
	}
}

func TestKinds(t *testing.T) {
	r := image.Rect(0, 0, 4, 4)
	fill := func(img interface {
		image.Image
		Set(x, y int, c color.Color)
	}, c color.Color) image.Image {
		for y := range 4 {
			for x := range 4 {
				img.Set(x, y, c)
			}
		}
		return img
	}
	for _, c := range []struct {
		name string
		img  image.Image
		want [3]uint8
	}{
		{"grey", fill(image.NewGray(r), color.Gray{100}), [3]uint8{100, 100, 100}},
		{"16 bits", fill(image.NewRGBA64(r), color.RGBA64{0x1234, 0x5678, 0x9abc, 0xffff}), [3]uint8{0x12, 0x56, 0x9a}},
		{"grey of 16 bits", fill(image.NewGray16(r), color.Gray16{0x8040}), [3]uint8{0x80, 0x80, 0x80}},
		{"clear", fill(image.NewNRGBA(r), color.NRGBA{10, 20, 30, 0}), [3]uint8{255, 255, 255}},
		// Half of black on white.
		{"half clear", fill(image.NewNRGBA(r), color.NRGBA{0, 0, 0, 128}), [3]uint8{127, 127, 127}},
		{"palette", fill(image.NewPaletted(r, color.Palette{color.Black, color.RGBA{9, 8, 7, 255}}), color.RGBA{9, 8, 7, 255}), [3]uint8{9, 8, 7}},
	} {
		p, err := Decode(encode(t, c.img, "png"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if [3]uint8(p.Data) != c.want {
			t.Errorf("%s: %v", c.name, p.Data[:3])
		}
	}
	part := image.NewPaletted(image.Rect(2, 1, 4, 3), color.Palette{color.RGBA{9, 8, 7, 255}})
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{part}, Delay: []int{0}, Config: image.Config{Width: 6, Height: 5}}); err != nil {
		t.Fatal(err)
	}
	if p, err := Decode(b.Bytes()); err != nil || p.Width != 6 || p.Height != 5 || [3]uint8(p.Data[p.Stride+6:]) != [3]uint8{9, 8, 7} || [3]uint8(p.Data) != [3]uint8{255, 255, 255} {
		t.Errorf("the part of a frame: %+v, %v", p, err)
	}
}

func TestRefuses(t *testing.T) {
	whole := encode(t, quarters(), "png")
	huge := func(w, h uint32) []byte { // a PNG that says it is large
		b := slices.Clone(whole)
		binary.BigEndian.PutUint32(b[16:], w)
		binary.BigEndian.PutUint32(b[20:], h)
		binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
		return b
	}
	lossy, err := base64.StdEncoding.DecodeString(foreign[2].base64)
	if err != nil {
		t.Fatal(err)
	}
	// A WebP whose head promises 1x1 pixels and alpha, and whose key frame says 16383x16383.
	lie := []byte("RIFF\x00\x01\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00ALPH\x02\x00\x00\x00\x00\x80")
	lie = append(lie, lossy[12:]...)
	copy(lie[len(lie)-len(lossy)+12+14:], "\xff\x3f\xff\x3f")
	for want, b := range map[string][]byte{
		"it says 1x1 pixels, and holds 16383x16383": lie,
		"empty file":                   {},
		"not a picture":                []byte("GIF is not what this is"),
		"broken picture":               whole[:len(whole)-30],
		"a picture of 60000x2":         huge(60000, 2),
		"a picture of 20000x20000":     huge(20000, 20000),
		"a picture of 32768x32768":     huge(1<<15, 1<<15),
		"broken picture: png: invalid": huge(0, 5),
		"an animated WebP":             []byte("RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x1f\x00\x00\x0f\x00\x00"),
		"picture of 50000x50000":       []byte("GIF89a\x50\xc3\x50\xc3\x00\x00\x00,"),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := Decode(b)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: %d bytes allocated", want, used)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v; want %q", p, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var t testing.T
	f.Add(withEXIF(encode(&t, quarters(), "jpeg"), tiff(binary.LittleEndian, "II", 6)))
	f.Add(pngWithEXIF(encode(&t, quarters(), "png"), tiff(binary.BigEndian, "MM", 3)))
	f.Add(encode(&t, quarters(), "gif"))
	f.Add(encode(&t, quarters(), "bmp"))
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00/\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00EXIF\x04\x00\x00\x00II*\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, _, err := image.DecodeConfig(bytes.NewReader(b)); err == nil && c.Width*c.Height > 1<<20 {
			return // what is refused for its size is tested apart; this is about broken files
		}
		p, err := Decode(b)
		if err == nil && (p.Width < 1 || p.Height < 1 || len(p.Data) != 3*p.Width*p.Height) {
			t.Errorf("%dx%d, %d bytes", p.Width, p.Height, len(p.Data))
		}
		for _, format := range []string{"jpeg", "png", "webp"} {
			if o := orientation(format, b); o < 1 || o > 8 {
				t.Errorf("%s: orientation %d", format, o)
			}
		}
	})
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.JPG", "a.png", "notes.txt", ".hidden.png", "[1].png"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.png"), 0o777); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "folder.png")
	for arg, want := range map[string][]string{
		dir:                               {"[1].png", "a.png", "b.JPG"},
		filepath.Join(dir, "a.png"):       {"a.png"},
		filepath.Join(dir, "[1].png"):     {"[1].png"}, // a file by that name, not a pattern
		filepath.Join(dir, "?.*"):         {"a.png", "b.JPG"},
		filepath.Join(dir, "notes.txt"):   {"notes.txt"},
		filepath.Join(dir, "none.png"):    nil,
		filepath.Join(dir, "none*.png"):   nil,
		filepath.Join(dir, "[none.png"):   nil,
		empty:                             nil,
		filepath.Join(dir, "a.png", "no"): nil,
	} {
		got, err := List(arg)
		for i := range got {
			got[i] = filepath.Base(got[i])
		}
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%s: %q, %v, want %q", arg, got, err, want)
		}
	}
}
