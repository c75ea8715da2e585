// Package pictures reads still pictures from files, upright and as bytes that kernels take, and writes them.
package pictures

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/webp"

	"github.com/ocellus-vision/ocellus/kernels"
)

// The largest pictures that are read. A file says how large its picture is before it is decoded.
const (
	MaxBytes  = 256 << 20 // of a file
	MaxPixels = 1 << 26
	MaxSide   = 1 << 15
)

// extensions are those of the files that a folder is searched for.
var extensions = []string{".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}

// List returns the files that an argument names: a picture, the pictures in a folder, or those that a pattern such as "frames/*.png"
// matches; in order of their names.
func List(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		entries, err := os.ReadDir(arg)
		if err != nil {
			return nil, err
		}
		var list []string
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && slices.Contains(extensions, strings.ToLower(filepath.Ext(e.Name()))) {
				list = append(list, filepath.Join(arg, e.Name()))
			}
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%s: no pictures in this folder (%s)", arg, strings.Join(extensions, " "))
		}
		return list, nil
	case err == nil:
		return []string{arg}, nil
	case errors.Is(err, os.ErrNotExist) && strings.ContainsAny(arg, "*?["):
		list, err := filepath.Glob(arg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%s: no file matches", arg)
		}
		return list, nil
	}
	return nil, err
}

// Read reads a picture. Of an animation it is the first frame.
func Read(path string) (kernels.Picture, error) {
	f, err := os.Open(path)
	if err != nil {
		return kernels.Picture{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return kernels.Picture{}, err
	}
	p, err := Decode(b)
	if err != nil {
		return kernels.Picture{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// Decode decodes a JPEG, PNG, WebP, BMP or GIF into RGB, turned upright as its EXIF data say. What shows through is white.
func Decode(b []byte) (p kernels.Picture, err error) {
	if len(b) > MaxBytes {
		return p, fmt.Errorf("larger than %d MiB", MaxBytes>>20)
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(b))
	switch {
	case len(b) == 0:
		return p, errors.New("empty file")
	case errors.Is(err, image.ErrFormat):
		return p, errors.New("not a picture that is known here: JPEG, PNG, WebP, BMP or GIF")
	case err != nil:
		return p, fmt.Errorf("broken picture: %w", err)
	case c.Width < 1 || c.Height < 1:
		return p, fmt.Errorf("a picture of %dx%d pixels", c.Width, c.Height)
	case c.Width > MaxSide || c.Height > MaxSide || c.Width*c.Height > MaxPixels:
		return p, fmt.Errorf("a picture of %dx%d pixels; at most %d million and %d on a side are read: make it smaller", c.Width, c.Height, MaxPixels/1000000, MaxSide)
	}
	// A decoder that meets what it did not foresee shall not end the program.
	defer func() {
		if r := recover(); r != nil {
			p, err = kernels.Picture{}, fmt.Errorf("broken picture: the %s decoder failed: %v", format, r)
		}
	}()
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return p, fmt.Errorf("broken picture: %w", err)
	}
	if r := img.Bounds(); r.Dx() != c.Width || r.Dy() != c.Height {
		whole := image.NewRGBA(image.Rect(0, 0, c.Width, c.Height)) // the first frame of an animation may cover a part
		draw.Draw(whole, r, img, r.Min, draw.Src)
		img = whole
	}
	return upright(pack(img), orientation(format, b)), nil
}

// strip is how many rows are converted at a time.
const strip = 64

// pack returns an image as RGB on white.
func pack(img image.Image) kernels.Picture {
	r := img.Bounds()
	p := empty(r.Dx(), r.Dy())
	op := draw.Over
	if o, ok := img.(interface{ Opaque() bool }); ok && o.Opaque() {
		op = draw.Src
	}
	rows := image.NewRGBA(image.Rect(0, 0, p.W, min(strip, p.H)))
	white := image.NewUniform(color.White)
	for y := 0; y < p.H; y += strip {
		n := min(strip, p.H-y)
		part := image.Rect(0, 0, p.W, n)
		if op == draw.Over {
			draw.Draw(rows, part, white, image.Point{}, draw.Src)
		}
		draw.Draw(rows, part, img, image.Pt(r.Min.X, r.Min.Y+y), op)
		dst := p.Pix[y*p.Stride : (y+n)*p.Stride]
		for i := range n * p.W {
			s := rows.Pix[4*i : 4*i+3]
			dst[3*i], dst[3*i+1], dst[3*i+2] = s[0], s[1], s[2]
		}
	}
	return p
}

func empty(w, h int) kernels.Picture {
	return kernels.Picture{Format: kernels.RGB, W: w, H: h, Stride: 3 * w, Pix: make([]uint8, 3*w*h)}
}

// upright undoes one of the eight orientations of EXIF: 1 is upright, 2 to 4 are mirrored, upside down, and both, 5 to 8 lie on their side.
func upright(p kernels.Picture, o int) kernels.Picture {
	if o < 2 || o > 8 {
		return p
	}
	w, h := p.W, p.H
	if o > 4 {
		w, h = h, w
	}
	q := empty(w, h)
	for y := range p.H {
		for x := range p.W {
			u, v := x, y
			switch o {
			case 2:
				u = p.W - 1 - x
			case 3:
				u, v = p.W-1-x, p.H-1-y
			case 4:
				v = p.H - 1 - y
			case 5:
				u, v = y, x
			case 6:
				u, v = p.H-1-y, x
			case 7:
				u, v = p.H-1-y, p.W-1-x
			case 8:
				u, v = y, p.W-1-x
			}
			copy(q.Pix[v*q.Stride+3*u:][:3], p.Pix[y*p.Stride+3*x:][:3])
		}
	}
	return q
}

// RGBA returns a picture as an image to draw on.
func RGBA(p kernels.Picture) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	for y := range p.H {
		src := p.Pix[y*p.Stride:]
		dst := img.Pix[y*img.Stride:]
		for x := range p.W {
			dst[4*x], dst[4*x+1], dst[4*x+2], dst[4*x+3] = src[3*x], src[3*x+1], src[3*x+2], 255
		}
	}
	return img
}

// Writable says whether Write knows the format that a file name asks for.
func Writable(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png", ".jpg", ".jpeg":
		return true
	}
	return false
}

// Write writes a picture as PNG or JPEG, as the name of the file asks. A file that could not be written whole is removed.
func Write(path string, img image.Image) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			os.Remove(path)
		}
	}()
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png":
		return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(f, img)
	case ".jpg", ".jpeg":
		return jpeg.Encode(f, img, &jpeg.Options{Quality: 92})
	}
	return fmt.Errorf("%s: pictures are written as .png or .jpg", path)
}
