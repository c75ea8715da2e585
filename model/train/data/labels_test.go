package data

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// write writes a picture as PNG.
func write(t *testing.T, name string, img image.Image) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

// street writes a picture of 8x4 pixels, red 10·x, green 20·y, blue 7, and a map of labels x/2, row by row.
func street(t *testing.T) string {
	dir := t.TempDir()
	pic, labels := image.NewNRGBA(image.Rect(0, 0, 8, 4)), image.NewGray(image.Rect(0, 0, 8, 4))
	for y := range 4 {
		for x := range 8 {
			pic.Set(x, y, color.NRGBA{uint8(10 * x), uint8(20 * y), 7, 255})
			labels.Set(x, y, color.Gray{uint8(x / 2)})
		}
	}
	write(t, filepath.Join(dir, "a.png"), pic)
	write(t, filepath.Join(dir, "a_label.png"), labels)
	return dir
}

func read(t *testing.T, s Set, r *Rand) []*tensor.Tensor {
	t.Helper()
	var dst []*tensor.Tensor
	for _, f := range s.Fields() {
		dst = append(dst, tensor.New(f.DType, f.Shape...))
	}
	if err := s.Read(0, r, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

// TestLabels reads a picture whose every pixel is known: as it stands, its middle, more than there is of it, and turned round.
func TestLabels(t *testing.T) {
	dir := street(t)
	for _, c := range []struct {
		w, h, stride int
		flip         bool
	}{{8, 4, 1, false}, {4, 2, 1, false}, {12, 8, 1, false}, {8, 4, 2, false}, {8, 4, 1, true}, {8, 4, 2, true}} {
		l, err := OpenLabels(dir, LabelSpec{W: c.w, H: c.h, Stride: c.stride, Classes: 4, Void: 9, Normal: Normal{Mean: []float64{10}, Std: []float64{2}},
			Augment: Augment{Warp: Warp{Flip: c.flip}}})
		if err != nil {
			t.Fatal(err)
		}
		var r *Rand
		if c.flip { // a seed whose draw turns the picture round
			for seed := uint64(0); ; seed++ {
				if l.Augment.Draw(NewRand(seed)).XX < 0 {
					r = NewRand(seed)
					break
				}
			}
		}
		dst := read(t, l, r)
		pix, labels := dst[0].Float32s(), tensor.Data[int32](dst[1])
		for y := range c.h {
			for x := range c.w {
				u, v := x-(c.w-8)/2, y-(c.h-4)/2
				if c.flip {
					u = 7 - u
				}
				want, label := [3]float32{58.75, 58.75, 58.75}, int32(9)
				if u >= 0 && v >= 0 && u < 8 && v < 4 {
					want, label = [3]float32{(float32(10*u) - 10) / 2, (float32(20*v) - 10) / 2, -1.5}, int32(u/2)
				}
				for k := range 3 {
					if got := pix[(k*c.h+y)*c.w+x]; got != want[k] {
						t.Fatalf("%+v: channel %d of pixel %d,%d is %g, not %g", c, k, x, y, got, want[k])
					}
				}
				if got := labels[y/c.stride*(c.w/c.stride)+x/c.stride]; got != label {
					t.Fatalf("%+v: label of pixel %d,%d is %d, not %d", c, x, y, got, label)
				}
			}
		}
	}
}

// TestAugment asks that a changed picture depends on the generator alone, and stays a picture.
func TestAugment(t *testing.T) {
	l, err := OpenLabels(street(t), LabelSpec{W: 6, H: 6, Stride: 2, Classes: 4, Void: 9, Memory: 1 << 20, Augment: Augment{
		Warp: Warp{Turn: 10, Scale: 1, Shear: 0.1, Flip: true}, Brightness: 0.3, Contrast: 0.3, Saturation: 0.5, Tint: 0.1, Blur: 0.5, Noise: 9}})
	if err != nil {
		t.Fatal(err)
	}
	differ := 0
	for seed := range uint64(50) {
		a, b, c := read(t, l, NewRand(seed)), read(t, l, NewRand(seed)), read(t, l, NewRand(seed+1))
		for k := range a {
			if string(a[k].Raw()) != string(b[k].Raw()) {
				t.Fatalf("seed %d: two readings differ", seed)
			}
		}
		if string(a[0].Raw()) != string(c[0].Raw()) {
			differ++
		}
		for i, v := range a[0].Float32s() {
			if !(v >= 0 && v <= 255) {
				t.Fatalf("seed %d: element %d is %g", seed, i, v)
			}
		}
		for i, v := range tensor.Data[int32](a[1]) {
			if v != 9 && (v < 0 || v > 3) {
				t.Fatalf("seed %d: label %d is %d", seed, i, v)
			}
		}
	}
	if differ != 50 {
		t.Errorf("%d of 50 seeds gave another picture than the seed before", differ)
	}
}

// TestLabelFaults asks that what is wrong with files is said with their names.
func TestLabelFaults(t *testing.T) {
	spec := LabelSpec{W: 8, H: 4, Stride: 1, Classes: 4, Void: 9}
	for _, c := range []struct {
		say   string
		spoil func(dir string)
		spec  LabelSpec
	}{
		{"a_label.png: pixel 6, 0 has label 3; there are 3 classes", func(string) {}, LabelSpec{W: 8, H: 4, Stride: 1, Classes: 3, Void: 9}},
		{"a_label.png: 2x2 labels for 8x4 pixels", func(dir string) {
			write(t, filepath.Join(dir, "a_label.png"), image.NewGray(image.Rect(0, 0, 2, 2)))
		}, spec},
		{"a_label.png: a map of labels is", func(dir string) {
			write(t, filepath.Join(dir, "a_label.png"), image.NewNRGBA(image.Rect(0, 0, 8, 4)))
		}, spec},
		{"a.png: it cannot be read", func(dir string) { os.WriteFile(filepath.Join(dir, "a.png"), []byte("no picture"), 0o666) }, spec},
		{"a.png has no map of labels", func(dir string) { os.Remove(filepath.Join(dir, "a_label.png")) }, spec},
		{"there are no pictures", func(dir string) { os.Remove(filepath.Join(dir, "a.png")) }, spec},
		{"cannot have a label every 3", func(string) {}, LabelSpec{W: 8, H: 4, Stride: 3, Classes: 4}},
	} {
		dir := street(t)
		c.spoil(dir)
		l, err := OpenLabels(dir, c.spec)
		if err == nil {
			err = l.Read(0, nil, []*tensor.Tensor{tensor.New(tensor.Float32, 3, 4, 8), tensor.New(tensor.Int32, 4, 8)})
		}
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%v; %q was expected", err, c.say)
		}
	}
}

// TestMemo asks that what fits is read once, and what does not each time.
func TestMemo(t *testing.T) {
	m, reads := memo[int]{left: 10}, 0
	for range 3 {
		for i := range 3 {
			v, err := m.get(i, func() (int, int, error) { reads++; return i * i, 4, nil })
			if v != i*i || err != nil {
				t.Fatal(v, err)
			}
		}
	}
	if reads != 2+3 {
		t.Errorf("%d readings", reads)
	}
}
