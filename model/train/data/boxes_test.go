package data

import (
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestAnnotations reads one street in three formats.
func TestAnnotations(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	lines := put("boxes.jsonl", `{"image": "a.jpg", "boxes": [{"label": "person", "box": [10, 20, 30, 40]}, {"label": "dog", "box": [0, 0, 5, 6], "ignore": true}]}
`)
	put("voc/a.xml", `<annotation><filename>a.jpg</filename>
<object><name>person</name><difficult>0</difficult><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object>
<object><name>dog</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></annotation>`)
	coco := put("instances.json", `{"images": [{"id": 7, "file_name": "a.jpg"}], "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
"annotations": [{"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 0}, {"image_id": 7, "category_id": 18, "bbox": [0, 0, 5, 6], "iscrowd": 1}]}`)
	want := []Annotated{{filepath.Join(dir, "a.jpg"), []Object{{"person", Box{10, 20, 30, 40}, false}, {"dog", Box{0, 0, 5, 6}, true}}}}
	for _, name := range []string{lines, filepath.Join(dir, "voc"), coco} {
		got, err := ReadAnnotations(name, dir)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, c := range []struct{ name, text, say string }{
		{"x.jsonl", "\n{\"image\": 3}\n", "x.jsonl:2"},
		{"x.jsonl", "{}\n", "it names no image"},
		{"x.jsonl", `{"image": "a.jpg", "boxes": [{"box": [1, 2, 0, 4]}]}`, "is no box"},
		{"x.jsonl", `{"image": "../a.jpg"}`, "lies outside"},
		{"x.jsonl", "\n", "no picture is annotated"},
		{"x.json", `{"images": [], "annotations": [{"image_id": 1}]}`, "annotation 0 is of image 1"},
		{"x.json", `{`, "x.json"},
		{"bad/x.xml", `<annotation></annotation>`, "names no picture"},
	} {
		name := put(c.name, c.text)
		if filepath.Ext(name) == ".xml" {
			name = filepath.Dir(name)
		}
		if _, err := ReadAnnotations(name, ""); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%q: %v; %q was expected", c.text, err, c.say)
		}
	}
}

// FuzzAnnotations asks that no bytes make the readers panic.
func FuzzAnnotations(f *testing.F) {
	for _, s := range []string{`{"image": "a", "boxes": [{"box": [1, 2, 3, 4]}]}`, `{"images": [{"id": 1}]}`, `<annotation><filename>a</filename></annotation>`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		for _, name := range []string{"a.jsonl", "a.json", "a.xml"} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
			where := filepath.Join(dir, name)
			if name == "a.xml" {
				where = dir
			}
			all, err := ReadAnnotations(where, "")
			if (err == nil) != (len(all) > 0) {
				t.Fatalf("%s: %v, %v", name, all, err)
			}
		}
	})
}

// plain writes a picture of one colour.
func plain(t *testing.T, name string, w, h int, c color.Color) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	write(t, name, img)
}

// TestBoxTargets reads a picture with two boxes as it stands: the peaks of the heat lie in the cells of their centres, and there the sides give the boxes back.
func TestBoxTargets(t *testing.T) {
	dir := t.TempDir()
	plain(t, filepath.Join(dir, "a.png"), 96, 64, color.NRGBA{10, 20, 30, 255})
	objects := []Object{{"person", Box{8, 8, 24, 48}, false}, {"person", Box{61, 20, 17, 40}, false}, {"person", Box{40, 0, 8, 64}, true}, {"dog", Box{80, 0, 16, 16}, false}}
	b, err := OpenBoxes([]Annotated{{filepath.Join(dir, "a.png"), objects}}, dir, BoxSpec{W: 96, H: 64, Stride: 8, Label: "person"})
	if err != nil {
		t.Fatal(err)
	}
	dst := read(t, b, nil)
	heat, sides, weight := dst[1].Float32s(), dst[2].Float32s(), dst[3].Float32s()
	var peaks []Box
	for y := range 8 {
		for x := range 12 {
			i := y*12 + x
			if heat[i] == 1 {
				cx, cy := float64(x)*8+4, float64(y)*8+4
				d := func(k int) float64 { return float64(sides[k*96+i]) }
				peaks = append(peaks, Box{cx - d(0), cy - d(1), d(0) + d(2), d(1) + d(3)})
				if weight[i] != 1 {
					t.Errorf("weight of a centre: %g", weight[i])
				}
			}
			if x == 5 && heat[i] > 0.9 {
				t.Errorf("cell %d, %d of what is to be ignored: %g", x, y, heat[i])
			}
			if x == 11 && y == 0 && heat[i] != 0 {
				t.Errorf("the dog is learnt: %g", heat[i])
			}
		}
	}
	if want := []Box{objects[0].Box, objects[1].Box}; !reflect.DeepEqual(peaks, want) {
		t.Errorf("centres give the boxes %v, not %v", peaks, want)
	}
	if heat[5] != -1 {
		t.Errorf("a cell of what is to be ignored: %g", heat[5])
	}
}

// TestBell compares the bell with the Gaussian that it stands for.
func TestBell(t *testing.T) {
	for q := 0.0; q < 20; q += 0.1 {
		if got, want := float64(bell(q)), math.Exp(-q/2); math.Abs(got-want) > 0.05 {
			t.Errorf("%g: %g, not %g", q, got, want)
		}
	}
}

// TestComposed composes pictures of red people on grey: wherever a box is said to be there is red, and where there is much red there is a box.
func TestComposed(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"cut", "back", "with", "without"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	red, grey := color.NRGBA{250, 0, 0, 255}, color.NRGBA{90, 90, 90, 255}
	plain(t, filepath.Join(dir, "a.png"), 96, 64, grey)
	plain(t, filepath.Join(dir, "cut/1.png"), 20, 60, red)
	plain(t, filepath.Join(dir, "cut/1_mask.png"), 20, 60, color.White)
	plain(t, filepath.Join(dir, "back/1.png"), 96, 64, grey)
	write(t, filepath.Join(dir, "back/1_label.png"), image.NewGray(image.Rect(0, 0, 96, 64)))
	plain(t, filepath.Join(dir, "without/1.png"), 32, 64, grey)
	with := image.NewNRGBA(image.Rect(0, 0, 32, 64))
	for y := range 64 {
		for x := range 32 {
			with.Set(x, y, grey)
			if x >= 8 && x < 24 && y >= 10 && y < 54 {
				with.Set(x, y, red)
			}
		}
	}
	write(t, filepath.Join(dir, "with/1.png"), with)
	b, err := OpenBoxes([]Annotated{{File: filepath.Join(dir, "a.png")}}, dir, BoxSpec{W: 192, H: 128, Stride: 8, Label: "person", Memory: 1 << 20,
		Augment: Augment{Warp: Warp{Scale: 0.3, Flip: true}},
		Compose: Compose{Cutouts: "cut", Backgrounds: "back", With: "with", Window: Box{8, 10, 16, 44}, Without: "without", Background: 0.4, Mosaic: 0.4, Most: 3}})
	if err != nil {
		t.Fatal(err)
	}
	centres := 0
	for seed := range uint64(60) {
		dst := read(t, b, NewRand(seed))
		if again := read(t, b, NewRand(seed)); string(again[0].Raw()) != string(dst[0].Raw()) || string(again[1].Raw()) != string(dst[1].Raw()) {
			t.Fatalf("seed %d: two readings differ", seed)
		}
		pix, heat := dst[0].Float32s(), dst[1].Float32s()
		isRed := func(x, y int) bool { return pix[y*192+x] > 2*pix[(128+y)*192+x]+40 }
		for y := range 16 {
			for x := range 24 {
				if heat[y*24+x] != 1 {
					continue
				}
				centres++
				// The middle of a box, where the centre of its cell is, is up to half a cell off.
				if !isRed(min(x*8+4, 191), min(y*8+4, 127)) && !isRed(x*8, y*8) && !isRed(x*8+7, y*8+7) {
					t.Errorf("seed %d: there is a box at cell %d, %d and no red", seed, x, y)
				}
			}
		}
	}
	if centres < 60 {
		t.Errorf("%d boxes in 60 pictures", centres)
	}
}

// TestInstances composes pictures of the people that masks show on annotated ones: a red one, and a blue one who is cut off by the picture's edge and never pasted.
func TestInstances(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.png")
	grey, red, blue := color.NRGBA{90, 90, 90, 255}, color.NRGBA{250, 0, 0, 255}, color.NRGBA{0, 0, 250, 255}
	pic, mask := image.NewNRGBA(image.Rect(0, 0, 120, 100)), image.NewGray(image.Rect(0, 0, 120, 100))
	for y := range 100 {
		for x := range 120 {
			pic.Set(x, y, grey)
			switch {
			case x >= 30 && x < 60 && y >= 10 && y < 90:
				pic.Set(x, y, red)
				mask.SetGray(x, y, color.Gray{Y: 1})
			case x >= 90 && y >= 10 && y < 90:
				pic.Set(x, y, blue)
				mask.SetGray(x, y, color.Gray{Y: 2})
			}
		}
	}
	write(t, name, pic)
	write(t, filepath.Join(dir, "a_mask.png"), mask)
	back := filepath.Join(dir, "without")
	if err := os.Mkdir(back, 0o777); err != nil {
		t.Fatal(err)
	}
	plain(t, filepath.Join(back, "1.png"), 32, 64, grey)
	// The blue one is no object of the annotations: all blue that is seen was pasted.
	b, err := OpenBoxes([]Annotated{{File: name}}, dir, BoxSpec{W: 192, H: 128, Stride: 8, Label: "person", Memory: 1 << 20,
		Compose: Compose{Without: "without", Mosaic: 1, Most: 3, Instances: 1}})
	if err != nil {
		t.Fatal(err)
	}
	pasted := 0
	for seed := range uint64(40) {
		dst := read(t, b, NewRand(seed))
		pix, heat := dst[0].Float32s(), dst[1].Float32s()
		for i := range 16 * 24 {
			if heat[i] == 1 {
				pasted++
			}
		}
		for i := range 128 * 192 {
			if r, b := pix[i], pix[2*128*192+i]; b > 2*r+40 {
				t.Fatalf("seed %d: someone who was cut off is pasted", seed)
			}
		}
	}
	if pasted < 20 {
		t.Errorf("%d people in 40 pictures", pasted)
	}
	if err := os.Remove(filepath.Join(dir, "a_mask.png")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBoxes([]Annotated{{File: name}}, dir, BoxSpec{W: 192, H: 128, Stride: 8, Label: "person", Compose: Compose{Instances: 1}}); err == nil {
		t.Error("a picture without a mask was taken")
	}
}
