package frames

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"testing"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/kernels"
)

func TestPicture(t *testing.T) {
	data := make([]byte, 4096)
	for _, c := range []struct {
		format       camera.Format
		w, h, stride int
		bytes        int // the least
		want         kernels.Format
	}{
		{camera.RGB, 5, 3, 15, 45, kernels.RGB}, {camera.BGR, 5, 3, 16, 47, kernels.BGR}, {camera.Grey, 7, 2, 8, 15, kernels.Grey},
		{camera.YUYV, 5, 3, 12, 36, kernels.YUYV}, {camera.NV12, 5, 3, 6, 30, kernels.NV12}, {camera.NV12, 4, 4, 6, 34, kernels.NV12},
	} {
		f := &camera.Frame{Format: c.format, Width: c.w, Height: c.h, Stride: c.stride, Data: data[:c.bytes], Colour: camera.BT709}
		p, err := Picture(f)
		if err != nil || p.Format != c.want || p.W != c.w || p.H != c.h || p.Colour != kernels.BT709 {
			t.Errorf("%v: %+v, %v", c.format, p, err)
		}
		new(Painter).RGBA(p) // reads all of it
		if f.Data = data[:c.bytes-1]; f.Data != nil {
			if _, err := Picture(f); err == nil {
				t.Errorf("%v: a byte less is enough", c.format)
			}
		}
	}
	for _, f := range []*camera.Frame{{Format: camera.JPEG, Width: 1, Height: 1, Data: data}, {Format: camera.RGB, Data: data}, {Format: camera.Grey, Width: 9, Height: 1, Stride: 8, Data: data}} {
		if _, err := Picture(f); err == nil {
			t.Errorf("%v %dx%d is taken for a picture", f.Format, f.Width, f.Height)
		}
	}
}

// shades is a picture of smooth colours.
func shades(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.SetRGBA(i%w, i/w, color.RGBA{uint8(60 + 2*(i%w)), uint8(200 - 2*(i/w)), uint8(90 + i%w + i/w), 255})
	}
	return img
}

// ycbcr samples a picture's colours as seldom as a JPEG of this kind.
func ycbcr(img *image.RGBA, ratio image.YCbCrSubsampleRatio) *image.YCbCr {
	out := image.NewYCbCr(img.Rect, ratio)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			c := img.RGBAAt(x, y)
			l, cb, cr := color.RGBToYCbCr(c.R, c.G, c.B)
			out.Y[out.YOffset(x, y)], out.Cb[out.COffset(x, y)], out.Cr[out.COffset(x, y)] = l, cb, cr
		}
	}
	return out
}

// TestPlanes turns each kind of sampling into a frame and that into colours: they are those of the standard library's own conversion, but for
// rounding and for where samples of colour are taken to lie: neighbours differ by at most 4.
func TestPlanes(t *testing.T) {
	for _, size := range []image.Point{{40, 30}, {41, 31}, {1, 1}} {
		want := shades(size.X, size.Y)
		for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio440} {
			f := new(Decoder).planes(ycbcr(want, ratio), size.X, size.Y)
			p, err := Picture(f)
			if err != nil {
				t.Fatal(err)
			}
			got := new(Painter).RGBA(p)
			for i := range got.Pix {
				if d := math.Abs(float64(got.Pix[i]) - float64(want.Pix[i])); d > 8 {
					t.Fatalf("%v %v: byte %d is %d, want %d", size, ratio, i, got.Pix[i], want.Pix[i])
				}
			}
			f.Release()
		}
	}
}

func TestDecode(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, shades(64, 48), &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	d := new(Decoder)
	g, err := d.Decode(context.Background(), &camera.Frame{Format: camera.JPEG, Data: b.Bytes()})
	if err != nil || g.Format != camera.NV12 || g.Width != 64 || g.Height != 48 || g.Colour != camera.BT601Full {
		t.Fatalf("%+v, %v", g, err)
	}
	b.Reset()
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 9, 7)), nil); err != nil {
		t.Fatal(err)
	}
	if g, err = d.Decode(context.Background(), &camera.Frame{Format: camera.JPEG, Data: b.Bytes()}); err != nil || g.Format != camera.Grey || g.Width != 9 {
		t.Errorf("%+v, %v", g, err)
	}
	for _, data := range [][]byte{nil, []byte("no picture"), b.Bytes()[:b.Len()/2]} {
		if _, err := d.Decode(context.Background(), &camera.Frame{Format: camera.JPEG, Data: data}); err == nil {
			t.Errorf("%d bytes are a picture", len(data))
		}
	}
	f := new(camera.Pool).Get(3)
	f.Format, f.Width, f.Height, f.Stride = camera.RGB, 1, 1, 3
	if g, err := d.Decode(context.Background(), f); g != f || err != nil {
		t.Errorf("%v, %v: not the frame itself", g, err)
	}
	f.Release()
	f.Release() // panics where Decode did not retain it
}

func TestScaled(t *testing.T) {
	var p Painter
	for _, w := range []int{8, 4, 8} {
		pic := kernels.Picture{Format: kernels.Grey, W: 8, H: 8, Stride: 8, Pix: make([]uint8, 64)}
		for i := range pic.Pix {
			pic.Pix[i] = uint8(i % 8 / 4 * 100)
		}
		img := p.Scaled(pic, w, 4)
		if img.Rect.Dx() != w || img.RGBAAt(0, 3) != (color.RGBA{A: 255}) || img.RGBAAt(w-1, 0) != (color.RGBA{100, 100, 100, 255}) {
			t.Errorf("%v: %v and %v", img.Rect, img.RGBAAt(0, 3), img.RGBAAt(w-1, 0))
		}
	}
}
