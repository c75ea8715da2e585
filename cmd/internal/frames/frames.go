// Package frames makes pictures for the kernels of a camera's frames, and images for people.
package frames

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/kernels"
)

// MaxPixels is the largest compressed frame that is decoded.
const MaxPixels = 1 << 26

// Picture returns a frame as a picture over the same memory. The frame must not be compressed.
func Picture(f *camera.Frame) (kernels.Picture, error) {
	p := kernels.Picture{W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Data}
	switch f.Colour {
	case camera.BT601:
		p.Colour = kernels.BT601
	case camera.BT601Full:
		p.Colour = kernels.BT601Full
	case camera.BT709:
		p.Colour = kernels.BT709
	case camera.BT709Full:
		p.Colour = kernels.BT709Full
	}
	row, rows := 0, f.Height
	switch f.Format {
	case camera.RGB:
		p.Format, row = kernels.RGB, 3*f.Width
	case camera.BGR:
		p.Format, row = kernels.BGR, 3*f.Width
	case camera.Grey:
		p.Format, row = kernels.Grey, f.Width
	case camera.YUYV:
		p.Format, row = kernels.YUYV, (f.Width+1)/2*4
	case camera.NV12:
		p.Format, row = kernels.NV12, (f.Width+1)/2*2
		rows += (f.Height + 1) / 2
	default:
		return p, fmt.Errorf("a frame in the format %v holds no pixels", f.Format)
	}
	if f.Width < 1 || f.Height < 1 || f.Stride < row || len(f.Data) < (rows-1)*f.Stride+row {
		return p, fmt.Errorf("a broken frame: %d bytes for %dx%d pixels of %v", len(f.Data), f.Width, f.Height, f.Format)
	}
	if f.Format == camera.NV12 {
		p.Pix, p.UV, p.UVStride = f.Data[:f.Height*f.Stride], f.Data[f.Height*f.Stride:], f.Stride
	}
	return p, nil
}

// Decoder decompresses frames. One goroutine uses a Decoder at a time.
type Decoder struct{ pool camera.Pool }

// Decode returns a frame with pixels: f itself with one more hold, or what the JPEG in it shows.
func (d *Decoder) Decode(_ context.Context, f *camera.Frame) (*camera.Frame, error) {
	if f.Format != camera.JPEG {
		f.Retain()
		return f, nil
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(f.Data))
	if err != nil {
		return nil, fmt.Errorf("a broken JPEG frame: %w", err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > MaxPixels/c.Height {
		return nil, fmt.Errorf("a JPEG frame of %dx%d pixels is too large", c.Width, c.Height)
	}
	img, err := jpeg.Decode(bytes.NewReader(f.Data))
	if err != nil {
		return nil, fmt.Errorf("a broken JPEG frame: %w", err)
	}
	var g *camera.Frame
	switch img := img.(type) {
	case *image.Gray:
		g = d.get(camera.Grey, c.Width, c.Height, c.Width, c.Height)
		for y := range c.Height {
			copy(g.Data[y*g.Stride:], img.Pix[y*img.Stride:][:c.Width])
		}
	case *image.YCbCr:
		g = d.planes(img, c.Width, c.Height)
	default:
		return nil, errors.New("a JPEG frame in colours for print: only grey and YCbCr are read from cameras")
	}
	return g, nil
}

// get returns a frame of the pool.
func (d *Decoder) get(format camera.Format, w, h, stride, rows int) *camera.Frame {
	g := d.pool.Get(stride * rows)
	g.Format, g.Colour, g.Width, g.Height, g.Stride = format, camera.BT601Full, w, h, stride
	return g
}

// planes interleaves the colours of a decoded JPEG: halved both ways as NV12, along rows as YUYV, others as RGB.
func (d *Decoder) planes(img *image.YCbCr, w, h int) *camera.Frame {
	even := (w + 1) / 2 * 2
	switch img.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		g := d.get(camera.NV12, w, h, even, h+(h+1)/2)
		for y := range h {
			copy(g.Data[y*even:][:even], img.Y[y*img.YStride:][:w])
		}
		for y := range (h + 1) / 2 {
			row := g.Data[(h+y)*even:][:even]
			cb, cr := img.Cb[y*img.CStride:], img.Cr[y*img.CStride:]
			for x := range even / 2 {
				row[2*x], row[2*x+1] = cb[x], cr[x]
			}
		}
		return g
	case image.YCbCrSubsampleRatio422:
		g := d.get(camera.YUYV, w, h, 2*even, h)
		for y := range h {
			row := g.Data[y*2*even:][:2*even]
			luma := img.Y[y*img.YStride:][:w]
			cb, cr := img.Cb[y*img.CStride:], img.Cr[y*img.CStride:]
			for x := range even / 2 {
				row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = luma[2*x], cb[x], luma[min(2*x+1, w-1)], cr[x]
			}
		}
		return g
	}
	g := d.get(camera.RGB, w, h, 3*w, h)
	for y := range h {
		row := g.Data[y*3*w:][:3*w]
		for x := range w {
			c := img.YCbCrAt(x+img.Rect.Min.X, y+img.Rect.Min.Y)
			row[3*x], row[3*x+1], row[3*x+2] = color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
		}
	}
	return g
}

// Painter turns pictures of one layout and size after the other into images. One goroutine uses a Painter at a time.
type Painter struct {
	plan  *kernels.Resize
	spec  kernels.ResizeSpec
	bytes []uint8
}

// RGBA returns a picture as an image of its own.
func (p *Painter) RGBA(pic kernels.Picture) *image.RGBA {
	return p.Scaled(pic, pic.W, pic.H)
}

// Scaled returns a picture as an image of w x h.
func (p *Painter) Scaled(pic kernels.Picture, w, h int) *image.RGBA {
	s := kernels.ResizeSpec{Format: pic.Format, Colour: pic.Colour, SrcW: pic.W, SrcH: pic.H, W: w, H: h, Order: kernels.RGB, Area: true}
	s.Crop = kernels.Rect{W: float64(pic.W), H: float64(pic.H)}
	if p.plan == nil || p.spec != s {
		p.spec = s
		p.plan = kernels.NewResize(s)
		p.bytes = make([]uint8, 3*w*h)
	}
	p.plan.RunBytes(nil, p.bytes, pic)
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Pix[4*i], img.Pix[4*i+1], img.Pix[4*i+2], img.Pix[4*i+3] = p.bytes[3*i], p.bytes[3*i+1], p.bytes[3*i+2], 255
	}
	return img
}
