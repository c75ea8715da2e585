package face

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// squares is the sum of squared distances that Fit minimises.
func squares(s kernels.Similarity, from, to *Landmarks) float64 {
	var sum float64
	for i := range from {
		x, y := s.Map(from[i][0], from[i][1])
		sum += (x-to[i][0])*(x-to[i][0]) + (y-to[i][1])*(y-to[i][1])
	}
	return sum
}

func TestFitFindsWhatWasDone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		done := kernels.Similarity{A: r.NormFloat64(), B: r.NormFloat64(), X: 100 * r.NormFloat64(), Y: 100 * r.NormFloat64()}
		var to Landmarks
		for i, p := range template {
			to[i][0], to[i][1] = done.Map(p[0], p[1])
		}
		got, ok := kernels.FitSimilarity(template[:], to[:])
		if !ok || math.Abs(got.A-done.A)+math.Abs(got.B-done.B) > 1e-9 || math.Abs(got.X-done.X)+math.Abs(got.Y-done.Y) > 1e-7 {
			t.Fatalf("%+v, want %+v", got, done)
		}
		x, y := got.Inverse().Map(to[2][0], to[2][1])
		if math.Hypot(x-template[2][0], y-template[2][1]) > 1e-7 {
			t.Fatalf("the inverse takes the nose to %g, %g", x, y)
		}
	}
}

// TestFitIsLeast moves the solution a little in each direction: none is better.
func TestFitIsLeast(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		var from, to Landmarks
		for i := range from {
			from[i] = [2]float64{100 * r.Float64(), 100 * r.Float64()}
			to[i] = [2]float64{100 * r.Float64(), 100 * r.Float64()}
		}
		best, ok := kernels.FitSimilarity(from[:], to[:])
		if !ok {
			t.Fatal("no fit")
		}
		least := squares(best, &from, &to)
		const step = 1e-3
		for _, s := range []kernels.Similarity{
			{A: best.A + step, B: best.B, X: best.X, Y: best.Y}, {A: best.A - step, B: best.B, X: best.X, Y: best.Y},
			{A: best.A, B: best.B + step, X: best.X, Y: best.Y}, {A: best.A, B: best.B - step, X: best.X, Y: best.Y},
			{A: best.A, B: best.B, X: best.X + step, Y: best.Y}, {A: best.A, B: best.B, X: best.X - step, Y: best.Y},
			{A: best.A, B: best.B, X: best.X, Y: best.Y + step}, {A: best.A, B: best.B, X: best.X, Y: best.Y - step},
		} {
			if squares(s, &from, &to) <= least {
				t.Fatalf("%+v is better than %+v", s, best)
			}
		}
	}
}

func TestFitRefusesPoints(t *testing.T) {
	nan := math.NaN()
	for _, l := range []Landmarks{{}, {{5, 5}, {5, 5}, {5, 5}, {5, 5}, {5, 5}}, {{nan, 0}, {1, 1}}, {{math.Inf(1), 0}, {1, 1}}} {
		if _, ok := kernels.FitSimilarity(l[:], template[:]); ok {
			t.Errorf("%v: fits", l)
		}
	}
}

// ramp is a picture whose brightness at x, y is a·x + b·y + c at the middle of each pixel.
func ramp(w, h int, a, b, c float64) kernels.Picture {
	p := kernels.Picture{Format: kernels.Grey, W: w, H: h, Stride: w, Pix: make([]uint8, w*h)}
	for i := range p.Pix {
		p.Pix[i] = uint8(math.Round(a*(float64(i%w)+0.5) + b*(float64(i/w)+0.5) + c))
	}
	return p
}

// TestAlign cuts faces of several sizes and turns out of a ramp, on which the brightness of each place is known.
func TestAlign(t *testing.T) {
	pic := ramp(1200, 1000, 0.1, 0.05, 20)
	for _, c := range []struct{ w, h int }{{112, 112}, {96, 112}, {56, 64}} {
		a := newAligner(c.w, c.h, kernels.Grey)
		for _, s := range []kernels.Similarity{
			{A: 1, B: 0, X: 300, Y: 300}, {A: 0.3, B: 0.1, X: 500, Y: 400}, {A: 1.6, B: 0.7, X: 300, Y: 200}, {A: 2.2, B: -0.5, X: 500, Y: 400}, {A: 5, B: 1, X: 300, Y: 200}, {A: -1, B: 0.2, X: 600, Y: 600},
		} {
			var l Landmarks
			for i, p := range a.target {
				l[i][0], l[i][1] = s.Map(p[0], p[1])
			}
			chip, err := a.run(pic, &l)
			if err != nil {
				t.Fatal(err)
			}
			for y := range c.h {
				for x := range c.w {
					px, py := s.Map(float64(x)+0.5, float64(y)+0.5)
					want := 0.1*px + 0.05*py + 20
					// The picture and the result are rounded, by at most half each.
					if got := float64(chip.Pix[y*chip.Stride+x]); math.Abs(got-want) > 1.1 {
						t.Fatalf("%dx%d %+v: %g at %d, %d; want %g", c.w, c.h, s, got, x, y, want)
					}
				}
			}
		}
	}
}

func TestAlignOutsideIsBlack(t *testing.T) {
	pic := ramp(112, 112, 0, 0, 200)
	a := newAligner(112, 112, kernels.Grey)
	l := template
	for i := range l {
		l[i][0] -= 56
	}
	chip, err := a.run(pic, &l)
	if err != nil {
		t.Fatal(err)
	}
	if chip.Pix[50*112+20] != 0 || chip.Pix[50*112+90] != 200 {
		t.Errorf("%d left of the picture, %d in it", chip.Pix[50*112+20], chip.Pix[50*112+90])
	}
	if q := a.judge(pic, &l); q.Inside != 0.5 {
		t.Errorf("%g inside, want half", q.Inside)
	}
}

func TestPose(t *testing.T) {
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }
	straight := Landmarks{{0, 0}, {10, 0}, {5, 10 * straight}, {2, 10}, {8, 10}}
	if turn, nod := pose(&straight); !near(turn, 0) || !near(nod, 0) {
		t.Errorf("from the front: %g, %g", turn, nod)
	}
	right := straight
	right[2][0] += 3 // 3 of 10 pixels between the eyes
	if turn, nod := pose(&right); !near(turn, 0.3) || !near(nod, 0) {
		t.Errorf("nose to the right: %g, %g", turn, nod)
	}
	down := straight
	down[2][1] += 2
	if turn, nod := pose(&down); !near(turn, 0) || !near(nod, 0.2) {
		t.Errorf("nose down: %g, %g", turn, nod)
	}
	// A head that leans is no other face.
	lean := kernels.Similarity{A: 0.6, B: 0.8, X: 3, Y: 4}
	for i, p := range right {
		right[i][0], right[i][1] = lean.Map(p[0], p[1])
	}
	if turn, nod := pose(&right); !near(turn, 0.3) || !near(nod, 0) {
		t.Errorf("leaning, nose to the right: %g, %g", turn, nod)
	}
}

// TestFocus compares with a wave along x: its Laplacian is 2 - 2·cos ω times itself, so the energy in variances is the square of that.
func TestFocus(t *testing.T) {
	for _, period := range []float64{4, 8, 14} {
		omega := 2 * math.Pi / period
		p := kernels.Picture{Format: kernels.Grey, W: 112, H: 112, Stride: 112, Pix: make([]uint8, 112*112)}
		for i := range p.Pix {
			p.Pix[i] = uint8(math.Round(128 + 100*math.Sin(omega*float64(i%112))))
		}
		sharpness, contrast := focus(p)
		want := math.Pow(2-2*math.Cos(omega), 2)
		// Rounding adds 1/12 to the variance of 5000, and its Laplacian, 20/12.
		if math.Abs(sharpness-want) > 0.01*want+20.0/12/5000 || math.Abs(contrast-100/math.Sqrt2) > 0.5 {
			t.Errorf("period %g: sharpness %g, want %g; contrast %g", period, sharpness, want, contrast)
		}
	}
	flat := kernels.Picture{Format: kernels.Grey, W: 112, H: 112, Stride: 112, Pix: make([]uint8, 112*112)}
	if sharpness, contrast := focus(flat); sharpness != 0 || contrast != 0 {
		t.Errorf("a flat picture: %g, %g", sharpness, contrast)
	}
}

func TestGate(t *testing.T) {
	good := Quality{Eyes: 60, Sharpness: 0.1, Contrast: 50, Inside: 1}
	if why := Enrolling.Refuse(&Face{Quality: good}); why != "" {
		t.Error(why)
	}
	for want, spoil := range map[string]func(*Quality){
		"small": func(q *Quality) { q.Eyes = 5 }, "cut off": func(q *Quality) { q.Inside = 0.5 }, "turned": func(q *Quality) { q.Turn = -0.6 },
		"up or down": func(q *Quality) { q.Nod = 0.6 }, "flat": func(q *Quality) { q.Contrast = 2 }, "blurred": func(q *Quality) { q.Sharpness = 1e-5 },
		"too small": func(q *Quality) { q.Eyes = math.NaN() },
	} {
		q := good
		spoil(&q)
		for _, g := range []Gate{Enrolling, Live} {
			if why := g.Refuse(&Face{Quality: q}); !contains(why, want) {
				t.Errorf("%s: %q", want, why)
			}
		}
		if why := new(Gate).Refuse(&Face{Quality: q}); why != "" && want != "too small" {
			t.Errorf("the zero Gate: %s", why)
		}
	}
}

// spots returns a detector for pictures of 96x64 that sees bright squares of 8x8 as faces, where the eight about it are dark: the box is four times as large, four
// landmarks 4 pixels off the middle and one in it.
func spots(t *testing.T) *Detector {
	t.Helper()
	g := &model.Graph{}
	in := g.Input("image", tensor.Float32, model.Fixed(1, 3, 64, 96)...)
	mean := tensor.New(tensor.Float32, 1, 3, 8, 8)
	for i := range mean.Float32s() {
		mean.Float32s()[i] = 1. / (3 * 64 * 255)
	}
	around := tensor.New(tensor.Float32, 15, 1, 3, 3)
	for i := range 9 {
		around.Float32s()[i] = -1
	}
	around.Float32s()[4] = 1
	bias := tensor.Of([]float32{0, math.Ln2, math.Ln2, math.Ln2, math.Ln2, -0.5, -0.5, 0.5, -0.5, 0, 0, -0.5, 0.5, 0.5, 0.5}, 15)
	cells := g.Add("cells", &layer.Conv{Window: layer.Window{Strides: []int{8, 8}}, Groups: 1}, in, model.Const("mean", mean))
	g.Output(g.Add("faces", &layer.Conv{Window: layer.Window{Pads: []int{1, 1, 1, 1}}, Groups: 1}, cells, model.Const("around", around), model.Const("bias", bias)))
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDetector(p, card.Card{Head: "centre", Labels: []string{"face"}, Score: new(0.5), IoU: new(0.5), Input: card.Input{Fit: "letterbox"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPortraitFromAfar shows a detector of squares of one size pictures of 192x128, in which such squares are twice as large, with squares that are larger, dimmer,
// and two at once.
func TestPortraitFromAfar(t *testing.T) {
	d := spots(t)
	square := func(pix []uint8, x, y, side int, v uint8) {
		for r := y; r < y+side; r++ {
			for i := 3 * (r*192 + x); i < 3*(r*192+x+side); i++ {
				pix[i] = v
			}
		}
	}
	for _, c := range []struct {
		name string
		draw func(pix []uint8)
		want []Landmarks
	}{
		{"nothing", func([]uint8) {}, nil},
		{"a square that fits", func(pix []uint8) { square(pix, 96, 64, 16, 255) },
			[]Landmarks{{{96, 64}, {112, 64}, {104, 72}, {96, 80}, {112, 80}}}},
		{"one twice as large", func(pix []uint8) { square(pix, 96, 64, 32, 255) },
			[]Landmarks{{{96, 64}, {128, 64}, {112, 80}, {96, 96}, {128, 96}}}},
		{"one near the edge, whose box reaches beyond it", func(pix []uint8) { square(pix, 32, 32, 32, 255) },
			[]Landmarks{{{32, 32}, {64, 32}, {48, 48}, {32, 64}, {64, 64}}}},
		{"a dim one", func(pix []uint8) { square(pix, 96, 64, 16, 100) },
			[]Landmarks{{{96, 64}, {112, 64}, {104, 72}, {96, 80}, {112, 80}}}},
		{"a dim one and a large one", func(pix []uint8) { square(pix, 32, 32, 16, 100); square(pix, 96, 64, 32, 255) },
			[]Landmarks{{{96, 64}, {128, 64}, {112, 80}, {96, 96}, {128, 96}}}},
		{"two dim ones", func(pix []uint8) { square(pix, 32, 32, 16, 100); square(pix, 96, 64, 16, 100) }, nil},
	} {
		pic := kernels.Picture{Format: kernels.RGB, W: 192, H: 128, Stride: 3 * 192, Pix: make([]uint8, 192*128*3)}
		c.draw(pic.Pix)
		faces, err := d.portrait(context.Background(), pic)
		if err != nil {
			t.Fatal(err)
		}
		if len(faces) != len(c.want) {
			t.Errorf("%s: %d faces, not %d", c.name, len(faces), len(c.want))
			continue
		}
		for i, f := range faces {
			l := c.want[i]
			half := 2 * (l[1][0] - l[0][0])
			x0, y0 := max(l[2][0]-half, 0), max(l[2][1]-half, 0)
			box := [4]float64{x0, y0, min(l[2][0]+half, 192) - x0, min(l[2][1]+half, 128) - y0}
			off := 0.0
			for k := range box {
				off = max(off, math.Abs(f.Box[k]-box[k]))
			}
			if f.Landmarks != l || off > 1e-4 {
				t.Errorf("%s: %v in %v, not %v in %v", c.name, f.Landmarks, f.Box, l, box)
			}
		}
	}
}
