package data

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // one of the formats that pictures come in
	_ "image/png"  // likewise
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxPixels bounds the pictures that are read.
const maxPixels = 64 << 20

// Pixels is a picture, or a map of labels: rows of W pixels of C bytes.
type Pixels struct {
	W, H, C int
	Pix     []byte
}

// open decodes a picture file.
func open(name string) (image.Image, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(bufio.NewReader(f))
	if err == nil && (c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height) {
		err = fmt.Errorf("%dx%d pixels are too many", c.Width, c.Height)
	}
	if err == nil {
		_, err = f.Seek(0, 0)
	}
	var img image.Image
	if err == nil {
		img, _, err = image.Decode(bufio.NewReader(f))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: it cannot be read as a JPEG or PNG picture: %w", name, err)
	}
	return img, nil
}

// pictureSize reads how large a picture is.
func pictureSize(name string) (w, h int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(bufio.NewReader(f))
	if err != nil {
		return 0, 0, fmt.Errorf("%s: it cannot be read as a JPEG or PNG picture: %w", name, err)
	}
	return c.Width, c.Height, nil
}

// ReadPicture reads a JPEG or PNG picture as red, green and blue.
func ReadPicture(name string) (Pixels, error) {
	img, err := open(name)
	if err != nil {
		return Pixels{}, err
	}
	b := img.Bounds()
	p := Pixels{b.Dx(), b.Dy(), 3, make([]byte, 3*b.Dx()*b.Dy())}
	if y, ok := img.(*image.YCbCr); ok {
		for i, at := b.Min.Y, 0; i < b.Max.Y; i++ {
			for j := b.Min.X; j < b.Max.X; j, at = j+1, at+3 {
				c := y.COffset(j, i)
				p.Pix[at], p.Pix[at+1], p.Pix[at+2] = color.YCbCrToRGB(y.Y[y.YOffset(j, i)], y.Cb[c], y.Cr[c])
			}
		}
		return p, nil
	}
	rgba := image.NewNRGBA(b)
	draw.Draw(rgba, b, img, b.Min, draw.Src)
	for i := range p.W * p.H {
		copy(p.Pix[3*i:3*i+3], rgba.Pix[4*i:])
	}
	return p, nil
}

// ReadLabels reads a map of labels from a picture of grey levels or palette indices: one byte a pixel.
func ReadLabels(name string) (Pixels, error) {
	img, err := open(name)
	if err != nil {
		return Pixels{}, err
	}
	var pix []byte
	var stride int
	switch m := img.(type) {
	case *image.Gray:
		pix, stride = m.Pix, m.Stride
	case *image.Paletted:
		pix, stride = m.Pix, m.Stride
	default:
		return Pixels{}, fmt.Errorf("%s: a map of labels is a picture of 8-bit grey levels or of palette indices", name)
	}
	b := img.Bounds()
	p := Pixels{b.Dx(), b.Dy(), 1, make([]byte, 0, b.Dx()*b.Dy())}
	for y := range p.H {
		p.Pix = append(p.Pix, pix[y*stride:][:p.W]...)
	}
	return p, nil
}

var errNoPictures = errors.New("there are no pictures in it")

// pictureFiles lists the pictures in a folder whose names do not end in any of the suffixes, sorted.
func pictureFiles(dir string, without ...string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		base := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name()))
		if e.IsDir() || !slices.Contains([]string{".jpg", ".jpeg", ".png"}, ext) ||
			slices.ContainsFunc(without, func(s string) bool { return strings.HasSuffix(base, s) }) {
			continue
		}
		files = append(files, filepath.Join(dir, e.Name()))
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, errNoPictures)
	}
	return files, nil
}

// stem is a file's name without its extension.
func stem(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }
