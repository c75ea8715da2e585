package mjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/ocellus-vision/ocellus/camera"
)

// drawn returns a JPEG of noise, so that its scan holds stuffed 0xff bytes, that differs from seed to seed.
func drawn(t testing.TB, seed int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 32, 24))
	x := uint32(seed + 1)
	for i := range img.Pix {
		x = x*1664525 + 1013904223
		img.Pix[i] = byte(x >> 24)
	}
	img.SetGray(0, 0, color.Gray{byte(seed)})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b.Bytes(), []byte{0xff, 0}) {
		t.Fatal("the scan holds no stuffed byte")
	}
	return b.Bytes()
}

// withThumbnail puts another JPEG into a segment of b, after its first marker.
func withThumbnail(b, thumbnail []byte) []byte {
	n := len(thumbnail) + 2
	return slices.Concat(b[:2], []byte{0xff, 0xe1, byte(n >> 8), byte(n)}, thumbnail, b[2:])
}

func TestCutter(t *testing.T) {
	a, b, c := drawn(t, 1), withThumbnail(drawn(t, 2), drawn(t, 3)), drawn(t, 4)
	filled := slices.Concat(a[:2], []byte{0xff, 0xff}, a[2:]) // fill bytes before a marker
	for name, in := range map[string]struct {
		stream []byte
		want   [][]byte
		broken int
		end    error
	}{
		"pictures on end":          {slices.Concat(a, b, c), [][]byte{a, b, c}, 0, io.EOF},
		"padding between":          {slices.Concat(a, make([]byte, 99), b, []byte{0xff, 0xff, 0}, c, []byte("\r\n")), [][]byte{a, b, c}, 0, io.EOF},
		"half a marker at the end": {slices.Concat(a, []byte{0xff}), [][]byte{a}, 0, io.EOF},
		"fill bytes":               {filled, [][]byte{a}, 0, io.EOF},
		"one is cut short":         {slices.Concat(a[:len(a)-200], b, c), [][]byte{b, c}, 1, io.EOF},
		"one lacks its end":        {slices.Concat(a[:len(a)-2], []byte("\r\n--x\r\n\r\n"), b), [][]byte{b}, 1, io.EOF},
		"a wrong marker":           {slices.Concat([]byte{0xff, soi, 0xff, 0x02, 0, 0}, b), [][]byte{b}, 1, io.EOF},
		"a wrong length":           {slices.Concat([]byte{0xff, soi, 0xff, 0xe0, 0, 1}, b), [][]byte{b}, 1, io.EOF},
		"cut off":                  {slices.Concat(a, b[:len(b)-10]), [][]byte{a}, 0, io.ErrUnexpectedEOF},
		"cut off in a segment":     {slices.Concat(a, b[:50]), [][]byte{a}, 0, io.ErrUnexpectedEOF},
		"nothing":                  {nil, nil, 0, io.EOF},
	} {
		for _, r := range []io.Reader{bytes.NewReader(in.stream), iotest.OneByteReader(bytes.NewReader(in.stream))} {
			var pool camera.Pool
			cut, broken := newCutter(r), 0
			var got [][]byte
			var err error
			for {
				var f *camera.Frame
				if f, err = cut.frame(&pool, 0, func(error) { broken++ }); err != nil {
					break
				}
				if f.Format != camera.JPEG || f.Time.IsZero() || f.Stride != 0 {
					t.Errorf("%s: %v %v", name, f.Format, f.Time)
				}
				got = append(got, slices.Clone(f.Data))
				f.Release()
			}
			if !slices.EqualFunc(got, in.want, bytes.Equal) || broken != in.broken || !errors.Is(err, in.end) || pool.Out() != 0 {
				t.Errorf("%s: %d pictures, %d broken, %v, %d held; want %d, %d, %v", name, len(got), broken, err, pool.Out(), len(in.want), in.broken, in.end)
			}
		}
	}
}

// endless gives the same byte for ever.
type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

func TestCutterIsBounded(t *testing.T) {
	for _, e := range []endless{0, 0xff} {
		if _, _, err := newCutter(e).next(nil); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("an endless stream of %#x: %v", byte(e), err)
		}
	}
	head := drawn(t, 1)
	got, _, err := newCutter(io.MultiReader(bytes.NewReader(head[:len(head)-2]), endless(0))).next(nil)
	if err != errBroken || len(got) > MaxPicture {
		t.Errorf("an endless scan: %d bytes, %v", len(got), err)
	}
}

func FuzzCutter(f *testing.F) {
	a, b := drawn(f, 1), drawn(f, 2)
	f.Add(slices.Concat([]byte("--x\r\nContent-Type: image/jpeg\r\n\r\n"), a, []byte("\r\n--x\r\n"), withThumbnail(b, a)))
	f.Add(slices.Concat(a[:100], b))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var pool camera.Pool
		cut := newCutter(bytes.NewReader(stream))
		total := 0
		for {
			p, err := cut.frame(&pool, 0, func(error) {})
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				break
			}
			total += len(p.Data)
			if !bytes.HasPrefix(p.Data, []byte{0xff, soi, 0xff}) || !bytes.HasSuffix(p.Data, []byte{0xff, eoi}) {
				t.Fatalf("%x", p.Data)
			}
			p.Release()
		}
		if total > len(stream) || pool.Out() != 0 {
			t.Errorf("%d bytes of %d, %d frames held", total, len(stream), pool.Out())
		}
	})
}

func BenchmarkCutter(b *testing.B) {
	one := drawn(b, 1)
	for len(one) < 100<<10 { // the size of a picture of 1280x720
		one = slices.Concat(one[:len(one)-2], one[len(one)/2:])
	}
	var pool camera.Pool
	r := bytes.NewReader(one)
	c := newCutter(r)
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	for b.Loop() {
		r.Seek(0, io.SeekStart)
		f, err := c.frame(&pool, len(one), func(error) {})
		if err != nil {
			b.Fatal(err)
		}
		f.Release()
	}
}
