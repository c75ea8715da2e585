package draw

import (
	"image"
	"image/color"
	"math"
	"testing"
)

// lab returns CIE L*a*b* of linear sRGB under D65 (IEC 61966-2-1, CIE 15).
func lab(r, g, b float64) [3]float64 {
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4124*r + 0.3576*g + 0.1805*b) / 0.95047)
	y := f(0.2126*r + 0.7152*g + 0.0722*b)
	z := f((0.0193*r + 0.1192*g + 0.9505*b) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// seen returns how a colour looks: to everyone, or to people who lack one kind of cone (Machado, Oliveira, Fernandes, A Physiologically-based
// Model for Simulation of Color Vision Deficiency, IEEE TVCG 2009, table 1, severity 1).
func seen(c color.RGBA, m *[9]float64) [3]float64 {
	linear := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	r, g, b := linear(c.R), linear(c.G), linear(c.B)
	clip := func(v float64) float64 { return math.Min(math.Max(v, 0), 1) }
	return lab(clip(m[0]*r+m[1]*g+m[2]*b), clip(m[3]*r+m[4]*g+m[5]*b), clip(m[6]*r+m[7]*g+m[8]*b))
}

func TestColoursDiffer(t *testing.T) {
	for name, m := range map[string]*[9]float64{
		"everyone":     {1, 0, 0, 0, 1, 0, 0, 0, 1},
		"protanopia":   {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
		"deuteranopia": {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881},
	} {
		for i := range 8 {
			for j := range i {
				a, b := seen(Colour(i), m), seen(Colour(j), m)
				// A difference of 2.3 in CIE 1976 is just noticeable (Mahy et al., 1994); five times that is plain.
				if d := math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2])); d < 11.5 {
					t.Errorf("%s: the colours of classes %d and %d differ by %.1f", name, i, j, d)
				}
			}
		}
	}
	all := map[color.RGBA]int{}
	for i := range 24 {
		if j, ok := all[Colour(i)]; ok {
			t.Errorf("classes %d and %d have one colour", i, j)
		}
		all[Colour(i)] = i
	}
}

// TestInk asks for a contrast of at least 4.5 between text and ground (WCAG 2, 1.4.3), for every class.
func TestInk(t *testing.T) {
	luminance := func(c color.RGBA) float64 {
		return math.Pow((seen(c, &[9]float64{1, 0, 0, 0, 1, 0, 0, 0, 1})[0]+16)/116, 3) // of L* above 8
	}
	for i := range 24 {
		l := luminance(Colour(i))
		contrast := (l + 0.05) / 0.05
		if ink(Colour(i)).R == 255 {
			contrast = 1.05 / (l + 0.05)
		}
		if contrast < 4.5 {
			t.Errorf("class %d: text on its colour has a contrast of %.2f", i, contrast)
		}
	}
}

func grey(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = 128
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	return img
}

func TestBoxes(t *testing.T) {
	img := grey(400, 300)
	On(img).Boxes([]Box{{Rect: [4]float64{100, 100, 200, 150}, Class: 2, Text: "dog 0.93", Points: [][2]float64{{200, 180}}}})
	for _, at := range []image.Point{{100, 170}, {299, 170}, {200, 100}, {200, 249}, {200, 180}} {
		if c := img.RGBAAt(at.X, at.Y); c != Colour(2) {
			t.Errorf("at %v: %v, want %v", at, c, Colour(2))
		}
	}
	if c := img.RGBAAt(150, 200); c != (color.RGBA{128, 128, 128, 255}) {
		t.Errorf("inside: %v", c)
	}
	// The tag stands on the box, its ground in the class's colour, with text in ink.
	inks := 0
	for y := 75; y < 98; y++ {
		for x := 100; x < 160; x++ {
			if img.RGBAAt(x, y).G < Colour(2).G/2 { // green under black letters
				inks++
			}
		}
	}
	if inks < 50 || img.RGBAAt(101, 97) != Colour(2) {
		t.Errorf("%d pixels of text, ground %v", inks, img.RGBAAt(101, 97))
	}
}

func TestTrail(t *testing.T) {
	img := grey(200, 100)
	On(img).Boxes([]Box{{Rect: [4]float64{150, 10, 20, 40}, Class: 4, Trail: [][2]float64{{20, 80}, {100, 80}, {160, 50}}}})
	for _, at := range []image.Point{{30, 80}, {90, 80}, {130, 65}} {
		if c := img.RGBAAt(at.X, at.Y); c != Colour(4) {
			t.Errorf("at %v: %v, want %v", at, c, Colour(4))
		}
	}
}

// TestTagsKeepApart draws boxes whose texts would lie on one another.
func TestTagsKeepApart(t *testing.T) {
	c := On(grey(640, 480))
	c.Boxes([]Box{
		{Rect: [4]float64{100, 100, 80, 200}, Text: "person 0.93"}, {Rect: [4]float64{130, 100, 80, 200}, Text: "person 0.90"}, {Rect: [4]float64{110, 104, 60, 100}, Text: "person 0.50"},
		{Rect: [4]float64{0, 0, 50, 50}, Text: "in the corner"}, {Rect: [4]float64{620, 460, 20, 20}, Text: "in the other corner"},
	})
	for i, a := range c.taken {
		if !a.In(image.Rect(0, 0, 640, 480)) {
			t.Errorf("text %d at %v is not in the picture", i, a)
		}
		for j, b := range c.taken[:i] {
			if a.Overlaps(b) {
				t.Errorf("texts %d and %d: %v and %v", i, j, a, b)
			}
		}
	}
}

// TestAnything draws what lies outside, is empty or is no number, on pictures of any size.
func TestAnything(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	boxes := []Box{
		{Rect: [4]float64{nan, nan, nan, nan}, Text: "x", Points: [][2]float64{{nan, nan}, {inf, -inf}}, Trail: [][2]float64{{0, 0}, {nan, 1}, {inf, 1}, {1e9, 1}}},
		{Rect: [4]float64{-inf, -inf, inf, inf}, Text: "x", Class: -1}, {Rect: [4]float64{5, 5, 0, 0}, Text: "x", Class: 1 << 30},
		{Rect: [4]float64{-50, -50, 1e9, 1e9}, Text: "a text that is longer than the picture is wide, by far, whatever its size"},
	}
	for _, size := range []image.Point{{1, 1}, {1, 300}, {300, 1}, {40, 30}} {
		img := grey(size.X, size.Y)
		c := On(img)
		c.Boxes(boxes)
		c.Lines([]string{"a", "b"}, []int{0, 1})
		l := Layers{Labels: make([]uint8, size.X*size.Y), Colours: &Colours, Legend: []Legend{{0, "a long name for a class", false}, {255, "b", true}}, Boxes: boxes}
		l.Put(grey(size.X, size.Y))
	}
}

func TestLabels(t *testing.T) {
	labels := make([]uint8, 100*80)
	for i := range labels {
		if i%100 >= 50 {
			labels[i] = 3
		}
	}
	layers := Layers{Labels: labels, Colours: &Colours, Legend: []Legend{{3, "road 50 %", false}, {0, "background 50 %", true}}}
	got := layers.Put(grey(100, 80))
	if got.Rect.Dx() != 100 || got.Rect.Dy() <= 90 {
		t.Errorf("size %v: no room for a legend", got.Rect)
	}
	if c := got.RGBAAt(10, 10); c != (color.RGBA{128, 128, 128, 255}) {
		t.Errorf("what is clear became %v", c)
	}
	c, want := got.RGBAAt(90, 10), Colour(3)
	mean := func(a uint8) float64 { return 0.45*128 + 0.55*float64(a) }
	if math.Abs(float64(c.R)-mean(want.R)) > 1 || math.Abs(float64(c.G)-mean(want.G)) > 1 || math.Abs(float64(c.B)-mean(want.B)) > 1 {
		t.Errorf("class 3 became %v", c)
	}
	if c := got.RGBAAt(50, 40); c.R > 60 {
		t.Errorf("the border is %v", c)
	}
	swatches := 0
	for y := 80; y < got.Rect.Dy(); y++ {
		for x := range 100 {
			if got.RGBAAt(x, y) == want {
				swatches++
			}
		}
	}
	if swatches < 50 {
		t.Errorf("%d pixels of the legend have the colour of class 3", swatches)
	}
}

func TestMap(t *testing.T) {
	m := Map([]uint8{0, 7, 255, 1}, 2, 2, &Colours)
	if m.ColorIndexAt(1, 0) != 7 || m.ColorIndexAt(0, 1) != 255 || m.At(1, 0) != color.Color(Colour(7)) {
		t.Errorf("%v", m)
	}
}
