package scene

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// seen compiles a network of n classes with an input of 4x4 that answers to any picture: class 5 on the left, class 3 on the right.
func seen(t *testing.T, n int) *model.Program {
	t.Helper()
	v := make([]float32, n*16)
	for i := range 16 {
		class := 5
		if i%4 == 3 {
			class = 3
		}
		v[class*16+i] = 1
	}
	g := &model.Graph{}
	g.Input("image", tensor.Float32, model.Fixed(1, 3, 4, 4)...)
	g.Output(model.Const("map", tensor.Of(v, 1, n, 4, 4)))
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse(t *testing.T) {
	pic := kernels.Picture{Format: kernels.Grey, W: 4, H: 2, Stride: 4, Pix: make([]uint8, 8)}
	for _, c := range []struct {
		classes int
		labels  []string
		want    [2]string
	}{
		{11, nil, [2]string{"tree", "road"}}, {12, nil, [2]string{"tree", "road"}}, {10, nil, [2]string{"class_5", "class_3"}},
		{11, []string{"a", "b", "c", "d", "e", "f"}, [2]string{"f", "d"}},
	} {
		p, err := New(seen(t, c.classes), card.Card{Labels: c.labels})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second reuses memory
			r, err := p.Parse(context.Background(), pic)
			if err != nil {
				t.Fatal(err)
			}
			want := []Share{{Class: 5, Label: c.want[0], Share: 0.75}, {Class: 3, Label: c.want[1], Share: 0.25}}
			if r.Width != 4 || r.Height != 2 || !slices.Equal(r.Labels, []uint8{5, 5, 5, 3, 5, 5, 5, 3}) || !slices.Equal(r.Shares, want) {
				t.Errorf("%d classes: %+v, want %v", c.classes, r, want)
			}
		}
	}
}

// seenAs returns what people with a kind of colour blindness see of linear red, green and blue: Viénot, Brettel, Mollon, Digital video colourmaps for
// checking the legibility of displays by dichromats, Color Research and Application 1999, for red and green.
var seenAs = map[string][9]float64{
	"normal":       {1, 0, 0, 0, 1, 0, 0, 0, 1},
	"protanopia":   {0.11238, 0.88762, 0, 0.11238, 0.88762, 0, 0.00401, -0.00401, 1},
	"deuteranopia": {0.29275, 0.70725, 0, 0.29275, 0.70725, 0, -0.02234, 0.02234, 1},
}

// TestColoursDiffer asks that any two classes differ by at least 10 units of CIE Lab, several times what is just noticed, for any of them.
func TestColoursDiffer(t *testing.T) {
	for kind, m := range seenAs {
		for i, a := range CamVid {
			for _, b := range CamVid[:i] {
				p, q := lab(a.Colour, m), lab(b.Colour, m)
				if d := math.Sqrt((p[0]-q[0])*(p[0]-q[0]) + (p[1]-q[1])*(p[1]-q[1]) + (p[2]-q[2])*(p[2]-q[2])); d < 10 {
					t.Errorf("%s: %s and %s differ by %.1f", kind, a.Label, b.Label, d)
				}
			}
		}
	}
}

// lab converts sRGB, seen through m, to CIE Lab under D65.
func lab(c [3]uint8, m [9]float64) [3]float64 {
	var lin, see [3]float64
	for i, v := range c {
		x := float64(v) / 255
		if lin[i] = x / 12.92; x > 0.04045 {
			lin[i] = math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	for i := range 3 {
		see[i] = min(max(m[3*i]*lin[0]+m[3*i+1]*lin[1]+m[3*i+2]*lin[2], 0), 1)
	}
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	x := f((0.4124*see[0] + 0.3576*see[1] + 0.1805*see[2]) / 0.9505)
	y := f(0.2126*see[0] + 0.7152*see[1] + 0.0722*see[2])
	z := f((0.0193*see[0] + 0.1192*see[1] + 0.9505*see[2]) / 1.089)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

func TestColours(t *testing.T) {
	if got := Colours([]string{"road", "void"}); !slices.Equal(got, [][3]uint8{CamVid[3].Colour, {}}) {
		t.Errorf("%v", got)
	}
	if got := Colours([]string{"road", "boat"}); got != nil {
		t.Errorf("%v", got)
	}
}
