package camera_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/camera"
)

// noisy returns a picture that a JPEG encoder finds every kind of code in.
func noisy(w, h int) image.Image {
	r := rand.New(rand.NewPCG(1, uint64(w*h)))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(x * 255 / w), uint8(r.IntN(256)), uint8(y * 255 / h), 255})
		}
	}
	return m
}

func encode(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withoutTables takes the DHT segments out, as cameras do.
func withoutTables(t testing.TB, b []byte) []byte {
	t.Helper()
	b = bytes.Clone(b)
	for i := 2; b[i+1] != 0xda; {
		if n := 2 + int(binary.BigEndian.Uint16(b[i+2:])); b[i+1] == 0xc4 {
			b = slices.Delete(b, i, i+n)
		} else {
			i += n
		}
	}
	return b
}

func TestAppendJPEG(t *testing.T) {
	whole := encode(t, noisy(67, 41))
	for _, c := range []struct {
		name     string
		src      []byte
		repaired bool
	}{
		{"whole", whole, false},
		{"padded", append(bytes.Clone(whole), make([]byte, 1000)...), false},
		{"no tables", withoutTables(t, whole), true},
	} {
		got, info, err := camera.AppendJPEG([]byte("before"), c.src)
		if err != nil || info != (camera.JPEGInfo{Width: 67, Height: 41, Repaired: c.repaired}) {
			t.Errorf("%s: %+v, %v", c.name, info, err)
			continue
		}
		got, ok := bytes.CutPrefix(got, []byte("before"))
		if !ok {
			t.Errorf("%s: what was in dst is gone", c.name)
		}
		want, _ := jpeg.Decode(bytes.NewReader(whole))
		m, err := jpeg.Decode(bytes.NewReader(got))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !bytes.Equal(m.(*image.YCbCr).Y, want.(*image.YCbCr).Y) || !bytes.Equal(m.(*image.YCbCr).Cr, want.(*image.YCbCr).Cr) {
			t.Errorf("%s: decoded to other pixels", c.name)
		}
	}
}

// TestHuffmanTables compares the inserted segment with the one that Go's encoder, which uses the tables of the specification, writes.
func TestHuffmanTables(t *testing.T) {
	whole := encode(t, noisy(16, 16))
	bare := withoutTables(t, whole)
	if len(whole)-len(bare) != camera.MaxJPEGGrowth {
		t.Fatalf("the encoder's tables take %d bytes, ours %d", len(whole)-len(bare), camera.MaxJPEGGrowth)
	}
	if _, err := jpeg.Decode(bytes.NewReader(bare)); err == nil {
		t.Fatal("a picture without tables was decoded: the test is void")
	}
	got, _, err := camera.AppendJPEG(nil, bare)
	if err != nil || !bytes.Equal(got, whole) {
		t.Errorf("repaired into %d bytes (%v), not the %d that the encoder wrote", len(got), err, len(whole))
	}
}

// TestAppendJPEGCut cuts a picture after each of its bytes.
func TestAppendJPEGCut(t *testing.T) {
	whole := encode(t, noisy(33, 17))
	for n := range len(whole) {
		if out, _, err := camera.AppendJPEG(nil, whole[:n]); err == nil || out != nil {
			t.Fatalf("%d of %d bytes: accepted", n, len(whole))
		} else if n > 2 && !errors.Is(err, camera.ErrJPEGCut) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestAppendJPEGDamaged(t *testing.T) {
	whole := encode(t, noisy(40, 40))
	half := whole[:len(whole)/2]
	for name, src := range map[string][]byte{
		"empty":                     nil,
		"no picture":                []byte("GIF89a"),
		"the next one runs into it": append(bytes.Clone(half), whole...),
		"no scan":                   {0xff, 0xd8, 0xff, 0xd9},
		"zeros":                     make([]byte, 500),
		"segment of length 1":       {0xff, 0xd8, 0xff, 0xe0, 0, 1, 0xff, 0xd9},
	} {
		if _, _, err := camera.AppendJPEG(nil, src); !errors.Is(err, camera.ErrJPEGDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAppendJPEGRestarts loses restart intervals of a picture of another encoder's.
func TestAppendJPEGRestarts(t *testing.T) {
	cjpeg, err := exec.LookPath("cjpeg")
	if err != nil {
		t.Skip("cjpeg is not installed (Debian: sudo apt install libjpeg-turbo-progs)")
	}
	m := noisy(160, 96).(*image.RGBA)
	ppm := []byte("P6\n160 96\n255\n")
	for i := 0; i < len(m.Pix); i += 4 {
		ppm = append(ppm, m.Pix[i:i+3]...)
	}
	cmd := exec.Command(cjpeg, "-restart", "3B")
	cmd.Stdin = bytes.NewReader(ppm)
	whole, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := camera.AppendJPEG(nil, whole)
	if err != nil || !bytes.Equal(got, whole) {
		t.Fatalf("whole: %v", err)
	}
	for i := 0; i+1 < len(whole); i++ {
		if whole[i] != 0xff || whole[i+1] < 0xd0 || whole[i+1] > 0xd7 {
			continue
		}
		next := i + 2 + bytes.IndexByte(whole[i+2:], 0xff)
		lost := append(bytes.Clone(whole[:i]), whole[next:]...)
		if _, _, err := camera.AppendJPEG(nil, lost); !errors.Is(err, camera.ErrJPEGDamaged) {
			t.Errorf("interval at byte %d lost: %v", i, err)
		}
	}
}

func FuzzAppendJPEG(f *testing.F) {
	whole := encode(f, noisy(24, 24))
	f.Add(whole)
	f.Add(withoutTables(f, whole))
	f.Add(whole[:len(whole)/2])
	f.Fuzz(func(t *testing.T, src []byte) {
		out, info, err := camera.AppendJPEG(nil, src)
		if err != nil {
			if out != nil {
				t.Fatal("an error and a picture")
			}
			return
		}
		if len(out) > len(src)+camera.MaxJPEGGrowth || !bytes.HasPrefix(out, []byte{0xff, 0xd8}) || !bytes.HasSuffix(out, []byte{0xff, 0xd9}) {
			t.Fatal("no picture")
		}
		again, info2, err := camera.AppendJPEG(nil, out)
		if err != nil || !bytes.Equal(again, out) || info2 != (camera.JPEGInfo{Width: info.Width, Height: info.Height}) {
			t.Fatalf("its own result becomes %d of %d bytes, %+v, %v", len(again), len(out), info2, err)
		}
		if c, err := jpeg.DecodeConfig(bytes.NewReader(out)); err == nil && (c.Width != info.Width || c.Height != info.Height) {
			t.Fatalf("%dx%d, Go's decoder says %dx%d", info.Width, info.Height, c.Width, c.Height)
		}
	})
}
