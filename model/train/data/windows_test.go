package data

import (
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// block writes a picture of one colour with a box of another.
func block(t *testing.T, name string, w, h int, ground, c color.Color, box image.Rectangle) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			if img.Set(x, y, ground); image.Pt(x, y).In(box) {
				img.Set(x, y, c)
			}
		}
	}
	write(t, name, img)
}

// corner is a street of three parts: in one picture a red person on green, in windows a blue one on black, cut out a white one, and a labelled picture, grey
// with a yellow person.
func corner(t *testing.T) (string, []Annotated, WindowSpec) {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"with", "without", "cut", "back"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	red, green, blue := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 128, 0, 255}, color.NRGBA{0, 0, 255, 255}
	black, white, yellow, grey := color.NRGBA{0, 0, 0, 255}, color.NRGBA{255, 255, 255, 255}, color.NRGBA{255, 255, 0, 255}, color.NRGBA{100, 100, 100, 255}
	block(t, filepath.Join(dir, "frame.png"), 200, 160, green, red, image.Rect(60, 40, 100, 136))
	block(t, filepath.Join(dir, "with/a.png"), 32, 64, black, blue, image.Rect(6, 8, 26, 56))
	plain(t, filepath.Join(dir, "without/a.png"), 32, 64, color.NRGBA{0, 100, 100, 255})
	plain(t, filepath.Join(dir, "cut/a.png"), 20, 48, white)
	mask := image.NewGray(image.Rect(0, 0, 20, 48))
	for i := range mask.Pix {
		mask.Pix[i] = 255
	}
	write(t, filepath.Join(dir, "cut/a_mask.png"), mask)
	place := image.Rect(10, 10, 26, 50)
	block(t, filepath.Join(dir, "back/a.png"), 120, 90, grey, yellow, place)
	labels := image.NewGray(image.Rect(0, 0, 120, 90))
	for y := place.Min.Y; y < place.Max.Y; y++ {
		for x := place.Min.X; x < place.Max.X; x++ {
			labels.Pix[y*labels.Stride+x] = 9
		}
	}
	write(t, filepath.Join(dir, "back/a_label.png"), labels)
	return dir, []Annotated{{filepath.Join(dir, "frame.png"), []Object{{"person", Box{60, 40, 40, 96}, false}}}}, WindowSpec{
		W: 16, H: 32, Object: Box{3, 4, 10, 24}, Label: "person", Share: 0.5, Memory: 1 << 20,
		Compose: Compose{Cutouts: "cut", Backgrounds: "back", Hidden: []int{9}, With: "with", Window: Box{6, 8, 20, 48}, Without: "without"},
	}
}

// TestWindows looks at what windows show in their middle and at their rim.
func TestWindows(t *testing.T) {
	dir, frames, spec := corner(t)
	w, err := OpenWindows(frames, dir, spec)
	if err != nil {
		t.Fatal(err)
	}
	if w.Len() != 6 || w.Scenes() != 2 || len(w.Files()) != 7 {
		t.Errorf("%d examples, %d scenes, files %q", w.Len(), w.Scenes(), w.Files())
	}
	people := map[[3]float32]int{{255, 0, 0}: 0, {0, 0, 255}: 0, {255, 255, 255}: 0}
	with := 0
	const n = 300
	for i := range n {
		dst := read(t, w, NewRand(uint64(i)))
		pix, area := dst[0].Float32s(), 16*32
		at := func(x, y int) [3]float32 {
			return [3]float32{pix[y*16+x], pix[area+y*16+x], pix[2*area+y*16+x]}
		}
		middle := at(8, 16)
		if tensor.Data[int32](dst[1])[0] == 1 {
			with++
			for c := range people {
				if math.Abs(float64(c[0]-middle[0])) < 80 && math.Abs(float64(c[1]-middle[1])) < 80 && math.Abs(float64(c[2]-middle[2])) < 80 {
					people[c]++
				}
			}
			if rim := at(0, 16); slices.Max(rim[:]) > 150 && rim == middle {
				t.Errorf("example %d: the person of colour %v fills the window", i, middle)
			}
			continue
		}
		full := 0
		for y := 4; y < 28; y++ {
			for x := 3; x < 13; x++ {
				if c := at(x, y); c[0] > 230 && c[1] > 230 && c[2] < 20 {
					full++
				}
			}
		}
		if full > 24*10/20 { // by the labels it is a fiftieth at most, and they are coarser than the window
			t.Errorf("example %d shows nobody, and %d pixels of one", i, full)
		}
	}
	if with < n*4/10 || with > n*6/10 {
		t.Errorf("%d of %d examples show somebody", with, n)
	}
	for c, k := range people {
		if k < n/20 {
			t.Errorf("the person of colour %v is shown %d times", c, k)
		}
	}
}

// TestEmpty asks which places have no object.
func TestEmpty(t *testing.T) {
	dir, frames, spec := corner(t)
	w, err := OpenWindows(frames, dir, spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		Place
		empty bool
	}{
		{Place{0, Box{60, 40, 40, 96}}, false},
		{Place{0, Box{70, 60, 40, 96}}, false},
		{Place{0, Box{120, 40, 40, 96}}, true},
		{Place{0, Box{70, 60, 10, 24}}, true}, // a part of somebody
		{Place{1, Box{10, 10, 16, 40}}, false},
		{Place{1, Box{20, 10, 16, 40}}, false},
		{Place{1, Box{60, 10, 16, 40}}, true},
	} {
		if got, err := w.Empty(c.Place); err != nil || got != c.empty {
			t.Errorf("%v: %v, %v", c.Place, got, err)
		}
	}
}

// TestMined asks that half of the examples without an object show the places that were added.
func TestMined(t *testing.T) {
	dir, frames, spec := corner(t)
	spec.Compose.Without, spec.Compose.Backgrounds, spec.Share = "", "", 0.1
	w, err := OpenWindows(frames, dir, spec)
	if err != nil {
		t.Fatal(err)
	}
	w.Mine([]Place{{0, Box{75, 60, 5, 12}}}) // red all over
	red := 0
	for i := range 200 {
		dst := read(t, w, NewRand(uint64(i)))
		if p := dst[0].Float32s(); tensor.Data[int32](dst[1])[0] == 0 && p[0] > 250 && p[16*32-1] > 250 {
			red++
		}
	}
	if red < 60 || red > 130 || len(w.Mined()) != 1 {
		t.Errorf("%d of about 180 show it", red)
	}
}

func TestWindowFaults(t *testing.T) {
	dir, frames, spec := corner(t)
	for say, change := range map[string]func(*WindowSpec){
		"with the object at":  func(s *WindowSpec) { s.Object[2] = 14 },
		"no such file":        func(s *WindowSpec) { s.Compose.Without = "nowhere" },
		"there are no people": func(s *WindowSpec) { s.Label, s.Compose.With, s.Compose.Cutouts = "people", "", "" },
	} {
		s := spec
		change(&s)
		if _, err := OpenWindows(frames, dir, s); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%v; %q was expected", err, say)
		}
	}
}
