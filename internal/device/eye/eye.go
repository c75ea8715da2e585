// Package eye looks at frames of cameras on behalf of the tests in the emulated device: it recognises the test pattern, and runs a small network
// whose result is the same bits on every machine.
package eye

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Network returns an ONNX file: a convolution of the whole picture, and the mean of each of its 8 channels.
func Network() ([]byte, error) {
	r := rand.New(rand.NewPCG(3, 5))
	weights := make([]float32, 8*3*3*3)
	for i := range weights {
		weights[i] = float32(r.NormFloat64()) / 5
	}
	g := &model.Graph{}
	x := g.Input("picture", tensor.Float32, model.Fixed(1, 3, 48, 64)...)
	conv := &layer.Conv{Window: layer.Window{Kernel: []int{3, 3}, Strides: []int{2, 2}, Pads: []int{1, 1, 1, 1}, Dilations: []int{1, 1}}, Groups: 1}
	y := g.Add("convolution", conv, x, model.Const("weights", tensor.Of(weights, 8, 3, 3, 3)))
	y = g.Add("relu", &layer.Unary{Fn: layer.Relu}, y)
	g.Output(g.Add("means", &layer.GlobalPool{Fn: layer.GlobalAveragePool}, y))
	return onnx.Write(g)
}

// Eye runs a network on frames.
type Eye struct{ net *picture.Net }

// New returns an Eye for an ONNX file.
func New(file []byte) (*Eye, error) {
	g, err := onnx.Read(file)
	if err != nil {
		return nil, err
	}
	p, err := model.Compile(g, model.Options{Threads: 1, ChannelsLast: true})
	if err != nil {
		return nil, err
	}
	net, err := picture.New(p, card.Input{Mean: []float64{127.5}, Std: []float64{127.5}})
	return &Eye{net}, err
}

// Look returns a digest of the network's outputs.
func (e *Eye) Look(ctx context.Context, f *camera.Frame) (string, error) {
	pic, err := Picture(f)
	if err != nil {
		return "", err
	}
	if err := e.net.Run(ctx, pic); err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, out := range e.net.Outputs() {
		for _, v := range tensor.Data[float32](out) {
			if math.IsNaN(float64(v)) {
				return "", fmt.Errorf("the network gives NaN")
			}
			binary.Write(sum, binary.LittleEndian, v)
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

// Picture returns a frame's pixels as kernels take them.
func Picture(f *camera.Frame) (kernels.Picture, error) {
	pic := kernels.Picture{W: f.Width, H: f.Height, Pix: f.Data, Stride: f.Stride, Colour: kernels.Colour(f.Colour)}
	switch f.Format {
	case camera.Grey:
		pic.Format = kernels.Grey
	case camera.RGB:
		pic.Format = kernels.RGB
	case camera.YUYV:
		pic.Format = kernels.YUYV
	case camera.NV12:
		pic.Format = kernels.NV12
		pic.UV, pic.UVStride = f.Data[f.Stride*f.Height:], f.Stride
		pic.Pix = f.Data[:f.Stride*f.Height]
	case camera.JPEG:
		m, err := jpeg.Decode(bytes.NewReader(f.Data))
		if err != nil {
			return pic, err
		}
		y, ok := m.(*image.YCbCr)
		if !ok {
			return pic, fmt.Errorf("a JPEG in %T", m)
		}
		pic.Format, pic.Stride = kernels.RGB, 3*pic.W
		pic.Pix = make([]byte, 0, pic.Stride*pic.H)
		for py := range pic.H {
			for px := range pic.W {
				c := y.YCbCrAt(px, py)
				r, g, b := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
				pic.Pix = append(pic.Pix, r, g, b)
			}
		}
	default:
		return pic, fmt.Errorf("a frame in %v", f.Format)
	}
	return pic, nil
}

// bars are the colours of vertical bars at 75 % from left to right: white, yellow, cyan, green, magenta, red, blue, black.
var bars = [8][3]int{{191, 191, 191}, {191, 191, 0}, {0, 191, 191}, {0, 191, 0}, {191, 0, 191}, {191, 0, 0}, {0, 0, 191}, {0, 0, 0}}

// tolerance is how far the colour of a bar may be off: one step of luma and of each chroma, as the driver rounds them, weighs at most
// 1.164 + 2.017 in blue by ITU-R BT.601, and the result is rounded by a half.
const tolerance = 1.164 + 2.017 + 0.5

// Bars says what differs from the 75 % colour bars of vivid's test pattern in the lower part of a frame.
func Bars(f *camera.Frame) error { return BarsWithin(f, tolerance) }

// BarsWithin is Bars of a frame whose colours may be off by more, such as one that was compressed.
func BarsWithin(f *camera.Frame, tolerance float64) error {
	src, err := Picture(f)
	if err != nil {
		return err
	}
	spec := kernels.ResizeSpec{Format: src.Format, Colour: src.Colour, SrcW: src.W, SrcH: src.H, W: src.W, H: src.H, Order: kernels.RGB}
	rgb := make([]uint8, 3*src.W*src.H)
	kernels.NewResize(spec).RunBytes(kernels.NewTeam(1), rgb, src)
	for i, want := range bars {
		x, y := src.W*(2*i+1)/16, src.H*7/8
		got := rgb[3*(y*src.W+x):][:3]
		if f.Format == camera.Grey { // vivid draws the luma of BT.709, from 0 to 255
			l := int(math.Round(0.2126*float64(want[0]) + 0.7152*float64(want[1]) + 0.0722*float64(want[2])))
			want = [3]int{l, l, l}
		}
		for c := range want {
			if d := math.Abs(float64(int(got[c]) - want[c])); d > tolerance {
				return fmt.Errorf("bar %d of %v at %d,%d is %v, want %v", i, f.Format, x, y, got, want)
			}
		}
	}
	return nil
}
