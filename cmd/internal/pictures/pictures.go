// Package pictures reads still pictures from files, upright and as bytes that kernels take, and writes them.
package pictures

import (
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/ocellus-vision/ocellus/camera/still"
	"github.com/ocellus-vision/ocellus/kernels"
)

// Read reads a picture. Of an animation it is the first frame.
func Read(path string) (kernels.Picture, error) {
	f, err := still.Read(path)
	if err != nil {
		return kernels.Picture{}, err
	}
	return kernels.Picture{Format: kernels.RGB, W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Data}, nil
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
