package data

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// blobs are the colours of landmarks in the portrait of these tests.
var blobs = [5]color.NRGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 0, 255}, {255, 0, 255, 255}}

// album writes data: a portrait of 90x90 of which each landmark is a blob of 11x11 on grey, black frames, a person with a face, and something else, and the
// file that says where faces are.
func album(t *testing.T) (dir, marks string) {
	t.Helper()
	dir = t.TempDir()
	for _, d := range []string{"people/Ada", "people/Bob", "frames", "cut", "without"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	grey := color.NRGBA{120, 120, 120, 255}
	at := [5][2]int{{30, 40}, {60, 40}, {45, 55}, {32, 70}, {58, 70}}
	portrait := image.NewNRGBA(image.Rect(0, 0, 90, 90))
	for y := range 90 {
		for x := range 90 {
			portrait.Set(x, y, grey)
			for i, p := range at {
				if x >= p[0]-5 && x <= p[0]+5 && y >= p[1]-5 && y <= p[1]+5 {
					portrait.Set(x, y, blobs[i])
				}
			}
		}
	}
	line := func(name string, score float64, scale float64) string {
		s := fmt.Sprintf("%s,%g", name, score)
		for _, v := range []float64{20, 25, 50, 60} {
			s += fmt.Sprintf(",%g", scale*v)
		}
		for _, p := range at {
			s += fmt.Sprintf(",%g,%g", scale*(float64(p[0])+0.5), scale*(float64(p[1])+0.5))
		}
		return s + "\n"
	}
	write(t, filepath.Join(dir, "people/Ada/1.png"), portrait)
	write(t, filepath.Join(dir, "people/Bob/1.png"), portrait)
	write(t, filepath.Join(dir, "people/Bob/2.png"), portrait)
	plain(t, filepath.Join(dir, "frames/1.png"), 160, 120, color.Black)
	plain(t, filepath.Join(dir, "frames/2.png"), 200, 100, color.Black)
	plain(t, filepath.Join(dir, "without/1.png"), 32, 64, color.Black)
	write(t, filepath.Join(dir, "cut/1.png"), portrait)
	plain(t, filepath.Join(dir, "cut/1_mask.png"), 90, 90, color.White)
	if err := os.WriteFile(filepath.Join(dir, "bob.txt"), []byte("Bob\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	marks = filepath.Join(dir, "faces.csv.gz")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprint(z, "picture,score,x,y,width,height,a,b,c,d,e,f,g,h,i,j\n", line("people/Ada/1.png", 0.9, 1), line("people/Bob/1.png", 0.9, 1),
		line("people/Bob/2.png", 0.3, 1), line("cut/1.png", 0.8, 1))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(marks, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir, marks
}

// blob says which landmark's colour a pixel of a picture has, however dark: -1 for none.
func blob(r, g, b float64) int {
	most := max(r, g, b, 1)
	for i, c := range blobs {
		far := func(v float64, w uint8) bool { return math.Abs(255*v/most-float64(w)) > 100 }
		if !far(r, c.R) && !far(g, c.G) && !far(b, c.B) {
			return i
		}
	}
	return -1
}

var someone = Files{Pictures: "people", Without: "bob.txt", Frames: []string{"frames"}}

// TestLandmarks composes pictures of one portrait, turned, scaled, exchanged left and right, and pasted: where a landmark is said to be, its colour is, and the
// left eye is the left one in the picture.
func TestLandmarks(t *testing.T) {
	dir, marks := album(t)
	l, err := OpenLandmarks(dir, marks, someone, Files{}, LandmarkSpec{W: 160, H: 128, Stride: 8, Least: 12, Memory: 1 << 20,
		Augment: Augment{Warp: Warp{Turn: 20, Scale: 0.4, Flip: true}},
		Paste:   Paste{Cutouts: "cut", Negatives: "without", Portrait: 0.3, Mosaic: 0.2, Heights: [2]float64{30, 120}, Most: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if l.Len() != 1 {
		t.Fatalf("%d portraits; those of people who are left out count", l.Len())
	}
	const w, h, area = 20, 16, 320
	seen, wrong, faces, exchanged, ignored := 0, 0, 0, 0, 0
	for seed := range uint64(150) {
		dst := read(t, l, NewRand(seed))
		for k, d := range read(t, l, NewRand(seed)) {
			if string(d.Raw()) != string(dst[k].Raw()) {
				t.Fatalf("seed %d: two readings differ", seed)
			}
		}
		pix, heat, sides, weight, marks, pull := dst[0].Float32s(), dst[1].Float32s(), dst[2].Float32s(), dst[3].Float32s(), dst[4].Float32s(), dst[5].Float32s()
		var sum float32
		centres := 0
		for i := range area {
			sum += weight[i]
			if heat[i] < 0 {
				ignored++
			}
			if heat[i] != 1 {
				continue
			}
			centres++
			x, y := float64(i%w)*8+4, float64(i/w)*8+4
			high := float64(sides[area+i] + sides[3*area+i])
			if p := float64(weight[i]) * 8 * 8 / high; p-float64(pull[i]) > 1e-5 || float64(pull[i])-p > 1e-5 {
				t.Errorf("seed %d: a face %g pixels high, weight %g: pull %g, not %g", seed, high, weight[i], pull[i], p)
			}
			var colours [5]int
			whole := true
			for k := range 5 {
				px, py := int(x+8*float64(marks[2*k*area+i])), int(y+8*float64(marks[(2*k+1)*area+i]))
				if px < 0 || py < 0 || px >= 160 || py >= 128 {
					whole = false
					continue
				}
				at := py*160 + px
				colours[k] = blob(float64(pix[at]), float64(pix[160*128+at]), float64(pix[2*160*128+at]))
			}
			if !whole {
				continue
			}
			faces++
			want := [5]int{0, 1, 2, 3, 4}
			if colours[0] == 1 {
				want = [5]int{1, 0, 2, 4, 3}
				exchanged++
			}
			for k := range want {
				seen++
				if colours[k] != want[k] {
					wrong++
				}
			}
			if marks[i] >= marks[2*area+i] || marks[6*area+i] >= marks[8*area+i] {
				t.Errorf("seed %d: the left eye or corner of the mouth is on the right", seed)
			}
		}
		// Faces that lie on one another share cells.
		if float64(sum) > float64(centres)+1e-4 {
			t.Errorf("seed %d: weights of %g for %d faces", seed, sum, centres)
		}
	}
	// What is pasted on a face may hide a landmark.
	if faces < 100 || exchanged < 30 || exchanged > faces-30 || wrong*20 > seen || ignored == 0 {
		t.Errorf("%d faces, %d of them exchanged; %d of %d landmarks are not where they are said to be; %d cells are ignored", faces, exchanged, wrong, seen, ignored)
	}
}

// TestLandmarkTargets reads a portrait as it stands: the centre gives the box and the landmarks back, and a face that is small, or not sure, is not learnt.
func TestLandmarkTargets(t *testing.T) {
	dir, marks := album(t)
	s := LandmarkSpec{W: 160, H: 128, Stride: 8, Least: 12, Paste: Paste{Heights: [2]float64{30, 60}}}
	l, err := OpenLandmarks(dir, marks, someone, Files{}, s)
	if err != nil {
		t.Fatal(err)
	}
	dst := read(t, l, nil)
	heat, sides, points := dst[1].Float32s(), dst[2].Float32s(), dst[4].Float32s()
	// The face's middle, (45, 55) in the portrait, is drawn in the middle, 0.8·128 pixels high: 128/75 times as large.
	const area, k = 320, 128.0 / 75
	at := 8*20 + 10
	if heat[at] != 1 {
		t.Fatalf("heat of the middle: %g", heat[at])
	}
	x, y := 84.0, 68.0
	for i, want := range []float64{x - (80 - 25*k), y - (64 - 30*k), 80 + 25*k - x, 64 + 30*k - y} {
		if got := float64(sides[i*area+at]); got-want > 1e-4 || want-got > 1e-4 {
			t.Errorf("side %d: %g, not %g", i, got, want)
		}
	}
	if got, want := float64(points[at])*8+x, 80+k*(30.5-45); got-want > 1e-4 || want-got > 1e-4 {
		t.Errorf("left eye at %g, not %g", got, want)
	}
	l.Least = 110
	if dst = read(t, l, nil); dst[1].Float32s()[at] != -1 || dst[3].Float32s()[at] != 0 {
		t.Errorf("too small a face: heat %g, weight %g", dst[1].Float32s()[at], dst[3].Float32s()[at])
	}
}

func TestLandmarkScenes(t *testing.T) {
	dir, marks := album(t)
	l, err := OpenLandmarks(dir, marks, Files{Pictures: "people", People: "bob.txt", Frames: []string{"frames"}}, Files{},
		LandmarkSpec{W: 160, H: 128, Stride: 8, Paste: Paste{Heights: [2]float64{30, 60}}})
	if err != nil {
		t.Fatal(err)
	}
	if l.Len() != 1 { // in Bob's other picture no face is sure
		t.Fatalf("%d portraits", l.Len())
	}
	least, most := 1e9, 0.0
	for k := range 40 {
		pic, faces, err := l.Scene(k, 24, 80)
		if err != nil {
			t.Fatal(err)
		}
		again, _, _ := l.Scene(k, 24, 80)
		if len(faces) != 1 || !bytes.Equal(pic.Pix, again.Pix) || pic.W != []int{160, 200}[k%2] {
			t.Fatalf("scene %d: %d faces, %d pixels wide", k, len(faces), pic.W)
		}
		height := faces[0].Box[3]
		least, most = min(least, height), max(most, height)
		for i, m := range faces[0].Marks {
			p := pic.Pix[3*(int(m[1])*pic.W+int(m[0])):]
			if c := blob(float64(p[0]), float64(p[1]), float64(p[2])); c != i {
				t.Errorf("scene %d: landmark %d has the colour of %d", k, i, c)
			}
		}
	}
	if least < 24 || least > 30 || most > 80 || most < 60 {
		t.Errorf("faces from %g to %g pixels", least, most)
	}
}

func TestLandmarkFiles(t *testing.T) {
	dir, marks := album(t)
	s := LandmarkSpec{W: 160, H: 128, Stride: 8, Paste: Paste{Heights: [2]float64{30, 60}}}
	l, err := OpenLandmarks(dir, marks, someone, Files{Frames: []string{"frames"}, Match: []string{"2*"}}, s)
	if err != nil || len(l.Frames()) != 1 || !strings.HasSuffix(l.Frames()[0].File, "1.png") {
		t.Errorf("frames that are held out: %v, %v", l, err)
	}
	for _, c := range []struct {
		say  string
		text string
		s    LandmarkSpec
		f    Files
	}{
		{"no cells of 7", "", LandmarkSpec{W: 160, H: 128, Stride: 7}, someone},
		{"heights are [0 0]", "", LandmarkSpec{W: 160, H: 128, Stride: 8}, someone},
		{"knows no face", "head\n", s, someone},
		{"no frames", "", s, Files{Pictures: "people"}},
		{"faces.csv: record on line 1: wrong number of fields", "p,1,2\nx,1\n", s, someone},
		{"faces.csv:2: \"x\" is no number", "h,,,,,,,,,,,,,,,\np,x,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n", s, someone},
		{"faces.csv:2: a box of 4 x -5", "h,,,,,,,,,,,,,,,\np,1,2,3,4,-5,6,7,8,9,10,11,12,13,14,15\n", s, someone},
		{"gone", "", s, Files{Pictures: "gone", Frames: []string{"frames"}}},
	} {
		name := marks
		if c.text != "" {
			if name = filepath.Join(dir, "faces.csv"); strings.HasPrefix(c.text, "head") {
				c.text = strings.Repeat("h,", 15) + "h\n"
			}
			if err := os.WriteFile(name, []byte(c.text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := OpenLandmarks(dir, name, c.f, Files{}, c.s); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%v; %q was expected", err, c.say)
		}
	}
}
