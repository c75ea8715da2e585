package data

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestAlignments draws a white point at each landmark: in the examples the points are where the offsets say, whatever is changed at random.
func TestAlignments(t *testing.T) {
	dir := t.TempDir()
	places := [][2]float64{{16, 20}, {32, 20}, {24, 30}, {18, 38}, {30, 38}}
	marks := map[string][]Face{}
	for p := range 2 {
		name := fmt.Sprintf("p%d", p)
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		face := Face{Score: 1, Box: Box{30, 20, 90, 110}, Marks: [5][2]float64{{50, 62}, {98, 58}, {74, 92}, {56, 114}, {92, 112}}}
		img := image.NewRGBA(image.Rect(0, 0, 150, 150))
		for i := range img.Pix {
			img.Pix[i] = 255
			if i%4 < 3 {
				img.Pix[i] = 20
			}
		}
		for i, m := range face.Marks {
			for y := range 150 {
				for x := range 150 {
					if math.Hypot(float64(x)+0.5-m[0], float64(y)+0.5-m[1]) < 5 {
						// Each landmark has a colour of its own.
						img.Set(x, y, color.RGBA{uint8(20 + 230*((i+1)&1)), uint8(20 + 230*((i+1)>>1&1)), uint8(20 + 230*((i+1)>>2&1)), 255})
					}
				}
			}
		}
		write(t, filepath.Join(dir, name, "a.png"), img)
		marks[name+"/a.png"] = []Face{face}
		write(t, filepath.Join(dir, name, "unknown.png"), img)
	}
	a, err := OpenAlignments(dir, FaceSpec{W: 48, H: 48, Marks: marks, Root: dir, Places: places,
		Augment: Augment{Warp: Warp{Turn: 12, Scale: 0.15, Shift: 3, Flip: true}}}, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	if a.Len() != 2 {
		t.Fatalf("%d examples of two faces whose landmarks are known", a.Len())
	}
	image, offsets := tensor.New(tensor.Float32, 3, 48, 48), tensor.New(tensor.Float32, 10)
	moved := 0.0
	for n := range 40 {
		var r *Rand
		if n > 1 {
			r = NewRand(uint64(n))
		}
		if err := a.Read(n%2, r, []*tensor.Tensor{image, offsets}); err != nil {
			t.Fatal(err)
		}
		o := offsets.Float32s()
		flipped := false
		for i, p := range places {
			x, y := p[0]+16*float64(o[2*i]), p[1]+16*float64(o[2*i+1])
			moved = max(moved, math.Hypot(x-p[0], y-p[1]))
			// What is brightest near the place that the offsets name, by its colour.
			u, v := int(x), int(y)
			if u < 0 || v < 0 || u >= 48 || v >= 48 {
				continue
			}
			code := 0
			for k := range 3 {
				if image.Float32s()[k*48*48+v*48+u] > 135 {
					code |= 1 << k
				}
			}
			want := i + 1
			if i == 0 {
				flipped = code == 2
			}
			if flipped {
				want = []int{2, 1, 3, 5, 4}[i]
			}
			if code != want {
				t.Errorf("example %d: at landmark %d (%.1f, %.1f) lies what landmark %d is", n, i+1, x, y, code)
			}
		}
	}
	if moved < 3 {
		t.Errorf("no landmark is more than %.1f pixels off its place", moved)
	}
	if _, err := OpenAlignments(dir, FaceSpec{W: 48, H: 48, Marks: map[string][]Face{}, Root: dir, Places: places}, 0.5); err == nil {
		t.Error("faces without landmarks are taken")
	}
	if _, err := OpenAlignments(dir, FaceSpec{W: 48, H: 48, Marks: marks, Root: dir, Places: places}, 0); err == nil {
		t.Error("faces are seen with no pixels")
	}
}
