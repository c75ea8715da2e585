package picture

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// echo compiles a network whose output is its input.
func echo(t *testing.T, d tensor.DType, shape ...int) *model.Program {
	t.Helper()
	g := &model.Graph{}
	in := g.Input("image", d, model.Fixed(shape...)...)
	g.Output(g.Add("same", &layer.Identity{}, in))
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sample is a picture of 4x2 whose red is 10x+y, green 50+10x+y and blue 100+10x+y.
func sample() kernels.Picture {
	p := kernels.Picture{Format: kernels.RGB, W: 4, H: 2, Stride: 12, Pix: make([]uint8, 24)}
	for y := range 2 {
		for x := range 4 {
			for c := range 3 {
				p.Pix[12*y+3*x+c] = uint8(50*c + 10*x + y)
			}
		}
	}
	return p
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name  string
		d     tensor.DType
		shape []int
		in    card.Input
		at    []int   // of one element
		want  float64 // of pixel (2, 1), unless said otherwise
	}{
		{"planes", tensor.Float32, []int{1, 3, 2, 4}, card.Input{}, []int{0, 1, 1, 2}, 71},
		{"pixels", tensor.Float32, []int{1, 2, 4, 3}, card.Input{}, []int{0, 1, 2, 1}, 71},
		{"blue first", tensor.Float32, []int{1, 3, 2, 4}, card.Input{Order: "bgr"}, []int{0, 0, 1, 2}, 121},
		{"normalised", tensor.Float32, []int{1, 3, 2, 4}, card.Input{Mean: []float64{1, 31, 1}, Std: []float64{1, 10, 1}}, []int{0, 1, 1, 2}, 4},
		{"normalised alike", tensor.Float32, []int{1, 3, 2, 4}, card.Input{Mean: []float64{1}, Std: []float64{10}}, []int{0, 1, 1, 2}, 7},
		{"bytes", tensor.Uint8, []int{1, 2, 4, 3}, card.Input{}, []int{0, 1, 2, 1}, 71},
		{"planes of bytes", tensor.Uint8, []int{1, 3, 2, 4}, card.Input{}, []int{0, 1, 1, 2}, 71},
		{"halves", tensor.Float16, []int{1, 3, 2, 4}, card.Input{}, []int{0, 1, 1, 2}, 71},
		{"pixels of halves", tensor.Float16, []int{1, 2, 4, 3}, card.Input{}, []int{0, 1, 2, 1}, 71},
		// The grey of (21, 71, 121) by BT.601: 0.299·21 + 0.587·71 + 0.114·121 = 61.75, a byte.
		{"grey", tensor.Float32, []int{1, 1, 2, 4}, card.Input{Order: "grey"}, []int{0, 0, 1, 2}, 62},
		// 4x2 in 4x4: two rows in the middle, row 2 is row 1 of the picture.
		{"letterbox", tensor.Float32, []int{1, 3, 4, 4}, card.Input{Fit: "letterbox", Pad: []float64{7}}, []int{0, 1, 2, 2}, 71},
		{"border", tensor.Float32, []int{1, 3, 4, 4}, card.Input{Fit: "letterbox", Pad: []float64{7, 8, 9}}, []int{0, 1, 3, 2}, 8},
		// The middle 2x2 of 4x2: column 1 is column 2 of the picture.
		{"crop", tensor.Float32, []int{1, 3, 2, 2}, card.Input{Fit: "crop"}, []int{0, 1, 1, 1}, 71},
		// The right half: column 0 is column 2.
		{"region", tensor.Float32, []int{1, 3, 2, 2}, card.Input{Region: []float64{0.5, 0, 0.5, 1}}, []int{0, 1, 1, 0}, 71},
		// Pairs of columns averaged: (70 + 71 + 80 + 81)/4 of columns 2 and 3.
		{"area", tensor.Float32, []int{1, 3, 1, 2}, card.Input{Resample: "area"}, []int{0, 1, 0, 1}, 75.5},
	} {
		n, err := New(echo(t, c.d, c.shape...), c.in)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := n.Run(context.Background(), sample()); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		v, err := Floats("same", n.Outputs()[0])
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		i := 0
		for axis, at := range c.at {
			i = i*c.shape[axis] + at
		}
		if math.Abs(float64(v[i])-c.want) > 1e-5 {
			t.Errorf("%s: %g, want %g", c.name, v[i], c.want)
		}
	}
}

func TestMap(t *testing.T) {
	for _, c := range []struct {
		in           card.Input
		shape        []int
		x, y, sx, sy float64 // a place in the input and in the picture
	}{
		{card.Input{}, []int{1, 3, 4, 4}, 1, 1, 1, 0.5},
		{card.Input{Fit: "letterbox"}, []int{1, 3, 4, 4}, 1, 2, 1, 1},
		{card.Input{Fit: "letterbox"}, []int{1, 3, 2, 8}, 3, 1, 1, 1}, // wide: two columns of border on either side
		{card.Input{Fit: "crop"}, []int{1, 3, 8, 8}, 4, 4, 2, 1},
		{card.Input{Region: []float64{0.5, 0, 0.5, 1}}, []int{1, 3, 4, 4}, 2, 2, 3, 1},
	} {
		n, err := New(echo(t, tensor.Float32, c.shape...), c.in)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Run(context.Background(), sample()); err != nil {
			t.Fatal(err)
		}
		m := n.Map()
		if x, y := m.ToSource(c.x, c.y); x != c.sx || y != c.sy {
			t.Errorf("%+v: (%g, %g) lies at (%g, %g), want (%g, %g)", c.in, c.x, c.y, x, y, c.sx, c.sy)
		}
		if x, y := m.FromSource(c.sx, c.sy); x != c.x || y != c.y {
			t.Errorf("%+v: (%g, %g) comes from (%g, %g), want (%g, %g)", c.in, c.sx, c.sy, x, y, c.x, c.y)
		}
	}
}

// TestChannelsLast feeds networks that take pictures as they come, and asks for the outputs of those that want planes.
func TestChannelsLast(t *testing.T) {
	for _, shape := range [][]int{{1, 3, 2, 4}, {1, 3, 5, 3}, {1, 3, 3, 3}, {1, 1, 2, 4}} {
		var want []float32
		for _, option := range []bool{false, true} {
			g := &model.Graph{}
			w := tensor.New(tensor.Float32, 16, shape[1], 2, 2)
			for i := range w.Float32s() {
				w.Float32s()[i] = float32(i%7) - 3
			}
			conv := &layer.Conv{Groups: 1}
			g.Output(g.Add("y", conv, g.Input("image", tensor.Float32, model.Fixed(shape...)...), model.Const("w", w)))
			p, err := model.Compile(g, model.Options{Threads: 1, ChannelsLast: option})
			if err != nil {
				t.Fatal(err)
			}
			if (p.Inputs()[0].Layout == model.NHWC) != (option && shape[1] > 1) { // of one channel both orders are the same
				t.Errorf("%v: the input is %v", shape, p.Inputs()[0])
			}
			n, err := New(p, card.Input{Mean: []float64{1, 2, 3}})
			if err != nil {
				t.Fatal(err)
			}
			if w, h := n.Size(); w != shape[3] || h != shape[2] {
				t.Errorf("%v: the picture is %dx%d", shape, w, h)
			}
			if err := n.Run(context.Background(), sample()); err != nil {
				t.Fatal(err)
			}
			got := n.Outputs()[0].Float32s()
			if option && !slices.Equal(got, want) {
				t.Errorf("%v: %v, want %v", shape, got, want)
			}
			want = slices.Clone(got)
		}
	}
}

// TestSizesChange feeds pictures of several sizes and layouts in turn.
func TestSizesChange(t *testing.T) {
	n, err := New(echo(t, tensor.Float32, 1, 3, 2, 4), card.Input{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	one := kernels.Picture{Format: kernels.Grey, W: 1, H: 1, Stride: 1, Pix: []uint8{200}}
	for range 2 {
		if err := n.Run(ctx, one); err != nil {
			t.Fatal(err)
		}
		for _, v := range n.Outputs()[0].Float32s() {
			if v != 200 {
				t.Fatalf("a pixel of 200 gives %g", v)
			}
		}
		if err := n.Run(ctx, sample()); err != nil {
			t.Fatal(err)
		}
		if v := n.Outputs()[0].Float32s()[8+4+2]; v != 71 {
			t.Errorf("%g, want 71", v)
		}
	}
	for _, size := range [][2]int{{0, 1}, {1, 0}, {1 << 16, 1}} {
		if err := n.Run(ctx, kernels.Picture{W: size[0], H: size[1]}); err == nil {
			t.Errorf("a picture of %v", size)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		d     tensor.DType
		shape []int
		in    card.Input
		want  string
	}{
		{tensor.Float32, []int{1, 100}, card.Input{}, `input "image" is [1 100]`},
		{tensor.Float32, []int{2, 3, 4, 4}, card.Input{}, "[2 3 4 4]"},
		{tensor.Float32, []int{1, 4, 4, 4}, card.Input{}, "[1 4 4 4]"},
		{tensor.Int64, []int{1, 3, 4, 4}, card.Input{}, "holds int64"},
		{tensor.Float32, []int{1, 3, 4, 4}, card.Input{Order: "grey"}, "order is grey"},
		{tensor.Float32, []int{1, 3, 4, 4}, card.Input{Std: []float64{0}}, "input.std"},
	} {
		if _, err := New(echo(t, c.d, c.shape...), c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.shape, err)
		}
	}
}

func TestShape(t *testing.T) {
	n := model.Symbol("n")
	for _, c := range []struct {
		dims []model.Dim
		want []int
	}{
		{model.Fixed(1, 3, 10, 20), []int{1, 3, 10, 20}},
		{[]model.Dim{n, {Size: 3}, model.Symbol("h"), model.Symbol("w")}, []int{1, 3, 48, 64}},
		{[]model.Dim{n, model.Symbol("h"), model.Symbol("w"), {Size: 3}}, []int{1, 48, 64, 3}},
		{[]model.Dim{n, n, n, n}, []int{1, 3, 48, 64}},
		{model.Fixed(1, 3), nil},
	} {
		got, err := Shape(c.dims, 64, 48)
		if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%v: %v, %v", c.dims, got, err)
		}
	}
}

// TestMirror exchanges pixels, not bytes, leaves what lies between rows, and keeps the middle of an odd row.
func TestMirror(t *testing.T) {
	for _, c := range []struct {
		p    kernels.Picture
		want []uint8
	}{
		{kernels.Picture{Format: kernels.RGB, W: 3, H: 2, Stride: 10, Pix: []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 77, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
			[]uint8{7, 8, 9, 4, 5, 6, 1, 2, 3, 77, 17, 18, 19, 14, 15, 16, 11, 12, 13}},
		{kernels.Picture{Format: kernels.Grey, W: 2, H: 1, Stride: 2, Pix: []uint8{1, 2}}, []uint8{2, 1}},
		{kernels.Picture{Format: kernels.BGR, W: 1, H: 1, Stride: 3, Pix: []uint8{1, 2, 3}}, []uint8{1, 2, 3}},
	} {
		if Mirror(c.p); !slices.Equal(c.p.Pix, c.want) {
			t.Errorf("%v of %d x %d: %v, not %v", c.p.Format, c.p.W, c.p.H, c.p.Pix, c.want)
		}
	}
}
