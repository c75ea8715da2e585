package still

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/webp"

	"github.com/ocellus-vision/ocellus/camera"
)

// The largest pictures that are read. A file says how large its picture is before it is decoded.
const (
	MaxBytes  = 256 << 20 // of a file
	MaxPixels = 1 << 26
	MaxSide   = 1 << 15
)

// Read reads a picture as Decode does. Of an animation it is the first frame.
func Read(path string) (*camera.Frame, error) {
	b, err := load(path)
	if err != nil {
		return nil, err
	}
	f, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// load returns the bytes of a file, MaxBytes+1 of a larger one.
func load(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxBytes+1))
}

// Decode decodes a JPEG, PNG, WebP, BMP or GIF into one frame of RGB with one hold, turned upright as its EXIF data say. What shows
// through is white. The frame's time and number are zero.
func Decode(b []byte) (*camera.Frame, error) {
	var f *camera.Frame
	_, err := decode(b, new(camera.Pool), func(p picture) error {
		f = p.frame
		return errEnough
	})
	if f == nil {
		return nil, err
	}
	return f, nil
}

var errEnough = errors.New("no more frames are wanted")

// picture is a frame, and of an animation how long it is shown.
type picture struct {
	frame *camera.Frame
	delay int // hundredths of a second; 0 for a picture that stands still
}

// decode hands the one picture of a file, or those of an animation, to yield, and returns how many they were. It stops at the first error.
func decode(b []byte, pool *camera.Pool, yield func(picture) error) (n int, err error) {
	if len(b) > MaxBytes {
		return 0, fmt.Errorf("larger than %d MiB", MaxBytes>>20)
	}
	exif := b
	b = plainWebP(b)
	c, format, err := image.DecodeConfig(bytes.NewReader(b))
	switch {
	case len(b) == 0:
		return 0, errors.New("empty file")
	case animatedWebP(b):
		return 0, errors.New("an animated WebP: only still ones are read here; make a GIF of it")
	case errors.Is(err, image.ErrFormat):
		return 0, errors.New("not a picture that is known here: JPEG, PNG, WebP, BMP or GIF")
	case err != nil:
		return 0, fmt.Errorf("broken picture: %w", err)
	case c.Width < 1 || c.Height < 1:
		return 0, fmt.Errorf("a picture of %dx%d pixels", c.Width, c.Height)
	case c.Width > MaxSide || c.Height > MaxSide || c.Width*c.Height > MaxPixels:
		return 0, fmt.Errorf("a picture of %dx%d pixels; at most %d million and %d on a side are read: make it smaller", c.Width, c.Height, MaxPixels/1000000, MaxSide)
	}
	if w, h := lossyWebP(b); format == "webp" && w > 0 && (w != c.Width || h != c.Height) {
		return 0, fmt.Errorf("broken picture: it says %dx%d pixels, and holds %dx%d", c.Width, c.Height, w, h)
	}
	if format == "gif" {
		return decodeGIF(b, pool, yield)
	}
	img, err := safely(format, func() (image.Image, error) {
		img, _, err := image.Decode(bytes.NewReader(b))
		return img, err
	})
	if err != nil {
		return 0, fmt.Errorf("broken picture: %w", err)
	}
	return 1, yield(picture{frame: pack(pool, img, orientation(format, exif))})
}

// animatedWebP says whether the header of a WebP promises an animation.
func animatedWebP(b []byte) bool {
	return len(b) > 20 && string(b[:4]) == "RIFF" && string(b[8:16]) == "WEBPVP8X" && b[20]&2 != 0
}

// plainWebP returns a lossless WebP without what surrounds its pixels, which the decoder refuses where they have alpha; any other file as it is.
func plainWebP(b []byte) []byte {
	if len(b) < 16 || string(b[:4]) != "RIFF" || string(b[8:16]) != "WEBPVP8X" {
		return b
	}
	pixels := webpChunk(b, "VP8L")
	if pixels == nil {
		return b
	}
	plain := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(12+len(pixels)+len(pixels)&1))
	plain = binary.LittleEndian.AppendUint32(append(plain, "WEBPVP8L"...), uint32(len(pixels)))
	return append(append(plain, pixels...), make([]byte, len(pixels)&1)...)
}

// lossyWebP returns the size in the head of a lossy WebP's key frame (RFC 6386, 9.1), which need not be the one that the file's head says.
func lossyWebP(b []byte) (w, h int) {
	key := webpChunk(b, "VP8 ")
	if len(key) < 10 {
		return 0, 0
	}
	return int(binary.LittleEndian.Uint16(key[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(key[8:]) & 0x3fff)
}

// safely calls a decoder; one that meets what it did not foresee shall not end the program.
func safely(format string, decode func() (image.Image, error)) (img image.Image, err error) {
	defer func() {
		if r := recover(); r != nil {
			img, err = nil, fmt.Errorf("the %s decoder failed: %v", format, r)
		}
	}()
	return decode()
}

// strip is how many rows are converted at a time.
const strip = 64

// pack returns an image as a frame of RGB on white that undoes one of the eight orientations of EXIF: 1 is upright, 2 to 4 are
// mirrored, upside down, and both, 5 to 8 lie on their side.
func pack(pool *camera.Pool, img image.Image, orientation int) *camera.Frame {
	r := img.Bounds()
	w, h := r.Dx(), r.Dy()
	f := pool.Get(3 * w * h)
	f.Width, f.Height = w, h
	if orientation > 4 {
		f.Width, f.Height = h, w
	}
	f.Stride = 3 * f.Width
	// Pixel (x, y) of the image begins at byte origin + x*right + y*down of the frame.
	origin, right, down := 0, 3, f.Stride
	if orientation > 4 {
		right, down = f.Stride, 3
	}
	switch orientation {
	case 2, 3, 7, 8:
		origin, right = origin+(w-1)*right, -right
	}
	switch orientation {
	case 3, 4, 6, 7:
		origin, down = origin+(h-1)*down, -down
	}
	op := draw.Over
	if o, ok := img.(interface{ Opaque() bool }); ok && o.Opaque() {
		op = draw.Src
	}
	rows := image.NewRGBA(image.Rect(0, 0, w, min(strip, h)))
	for y := 0; y < h; y += strip {
		n := min(strip, h-y)
		part := image.Rect(0, 0, w, n)
		if op == draw.Over {
			draw.Draw(rows, part, image.White, image.Point{}, draw.Src)
		}
		draw.Draw(rows, part, img, image.Pt(r.Min.X, r.Min.Y+y), op)
		for i := range n {
			at := origin + (y+i)*down
			for src := rows.Pix[i*rows.Stride:][:4*w]; len(src) >= 4; src = src[4:] {
				copy(f.Data[at:at+3], src)
				at += right
			}
		}
	}
	return f
}
