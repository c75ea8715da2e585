package data

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// crowd writes folders of pictures of 10x8 pixels, each of one colour: red is the number of the person, green that of the picture.
func crowd(t *testing.T, counts ...int) string {
	dir := t.TempDir()
	for p, n := range counts {
		folder := filepath.Join(dir, fmt.Sprintf("p%02d", p))
		if err := os.Mkdir(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			plain(t, filepath.Join(folder, fmt.Sprintf("%d.png", i)), 10, 8, color.NRGBA{uint8(p), uint8(i), 0, 255})
		}
	}
	return dir
}

// TestFaces reads pictures and labels, and asks that those who are left out are.
func TestFaces(t *testing.T) {
	dir := crowd(t, 2, 1, 3)
	names := filepath.Join(t.TempDir(), "out.txt")
	if err := os.WriteFile(names, []byte("p01\n\nnobody\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFaces(dir, FaceSpec{W: 4, H: 4, Without: names})
	if err != nil {
		t.Fatal(err)
	}
	if f.Len() != 5 || len(f.People) != 2 || f.People[1] != "p02" {
		t.Fatalf("%d pictures of %v", f.Len(), f.People)
	}
	dst := []*tensor.Tensor{tensor.New(tensor.Float32, 3, 4, 4), tensor.New(tensor.Int32)}
	if err := f.Read(4, nil, dst); err != nil {
		t.Fatal(err)
	}
	if pix := dst[0].Float32s(); tensor.Data[int32](dst[1])[0] != 1 || pix[0] != 2 || pix[16] != 2 || pix[15] != 2 {
		t.Errorf("label %d, pixels %v", tensor.Data[int32](dst[1])[0], pix)
	}
	for _, c := range []struct {
		dir  string
		spec FaceSpec
		say  string
	}{
		{crowd(t, 4), FaceSpec{W: 4, H: 4}, "1 people"},
		{dir, FaceSpec{W: 4, H: 4, Region: []float64{0.5, 0, 0.6, 1}}, "inside 0..1"},
		{dir, FaceSpec{W: 4, H: 4, Without: names + "x"}, "out.txtx"},
		{dir, FaceSpec{}, "0x0"},
	} {
		if _, err := OpenFaces(c.dir, c.spec); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%v; %q was expected", err, c.say)
		}
	}
}

// TestFaceRegion takes a part of a picture whose pixels tell where they were.
func TestFaceRegion(t *testing.T) {
	dir := street(t) // 8x4 pixels, red 10·x, green 20·y
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "a.png"), filepath.Join(dir, "a", "1.png")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "b"), 0o777); err != nil {
		t.Fatal(err)
	}
	plain(t, filepath.Join(dir, "b", "1.png"), 1, 1, color.Black)
	f, err := OpenFaces(dir, FaceSpec{W: 4, H: 2, Region: []float64{0.25, 0.5, 0.5, 0.5}})
	if err != nil {
		t.Fatal(err)
	}
	pix := read(t, f, nil)[0].Float32s()
	for y := range 2 {
		for x := range 4 {
			if r, g := pix[y*4+x], pix[8+y*4+x]; r != float32(10*(x+2)) || g != float32(20*(y+2)) {
				t.Errorf("pixel %d, %d is %g, %g", x, y, r, g)
			}
		}
	}
}

// TestPairs asks that a batch holds pairs of different people, other pictures where there are others, that it depends on seed and step alone, and that people
// are drawn by the square root of the number of their pictures.
func TestPairs(t *testing.T) {
	counts := []int{1, 4, 9, 1, 1, 16, 1, 1, 1, 1, 4, 4}
	f, err := OpenFaces(crowd(t, counts...), FaceSpec{W: 1, H: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, drawn, steps := f.Sampler(), make([]float64, len(counts)), 20000
	for step := range uint64(steps) {
		index, again := make([]int, 2), make([]int, 2)
		s.Batch(3, step, index)
		f.Sampler().Batch(3, step, again)
		a, b := f.labels[index[0]], f.labels[index[1]]
		if a != b || index[0] == index[1] && counts[a] > 1 || index[0] != again[0] || index[1] != again[1] {
			t.Fatalf("step %d: pictures %v of people %d and %d; again %v", step, index, a, b, again)
		}
		drawn[a]++
	}
	sum := 0.0
	for _, n := range counts {
		sum += math.Sqrt(float64(n))
	}
	for p, n := range counts {
		want := math.Sqrt(float64(n)) / sum
		// Six standard deviations of a count of independent draws.
		if got := drawn[p] / float64(steps); math.Abs(got-want) > 6*math.Sqrt(want*(1-want)/float64(steps)) {
			t.Errorf("person %d with %d pictures: drawn in %.4f of the batches, not %.4f", p, n, got, want)
		}
	}
	index, seen := make([]int, 2*len(counts)), map[int]int{}
	s.Batch(1, 2, index)
	for _, i := range index {
		seen[f.labels[i]]++
	}
	for p := range counts {
		if seen[p] != 2 {
			t.Errorf("a batch with room for all has person %d %d times", p, seen[p])
		}
	}
}

// TestSingles draws people with one picture by a weight of their own.
func TestSingles(t *testing.T) {
	counts := []int{1, 1, 1, 1, 4}
	f, err := OpenFaces(crowd(t, counts...), FaceSpec{W: 1, H: 1, Singles: 0.25})
	if err != nil {
		t.Fatal(err)
	}
	s, alone, steps := f.Sampler(), 0.0, 20000
	for step := range uint64(steps) {
		index := make([]int, 2)
		if s.Batch(3, step, index); index[0] == index[1] {
			alone++
		}
	}
	// Four of a quarter beside one of √4: a third. Six standard deviations of a count of independent draws.
	if got := alone / float64(steps); math.Abs(got-1.0/3) > 6*math.Sqrt(2.0/9/float64(steps)) {
		t.Errorf("one picture makes %.4f of the pairs", got)
	}
}

// TestFaceShrinks asks that a picture which is halved is averaged and not sampled.
func TestFaceShrinks(t *testing.T) {
	c, src := canvas{w: 2, h: 2, pix: make([]float32, 12)}, Pixels{4, 4, 3, make([]byte, 48)}
	for i := range src.Pix {
		src.Pix[i] = byte(i/3%4 + 10*(i/12) + 60*(i%3)) // column + 10 rows + 60 planes
	}
	c.drawFine(Affine{XX: 2, YY: 2}, &src, 2)
	for i, v := range c.pix {
		if want := float32(0.5 + float64(2*(i%2)) + 10*(0.5+float64(2*(i/2%2))) + float64(60*(i/4))); v != want {
			t.Errorf("element %d is %g, not %g", i, v, want)
		}
	}
}

// TestFaceMarks cuts faces out by their landmarks from pictures whose colours tell where they were: what is read lies where the marks say, also where a pixel
// is the mean of several places, and of two faces the one in the middle is taken.
func TestFaceMarks(t *testing.T) {
	dir := t.TempDir()
	const w, h = 120, 110
	pic := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			pic.Set(x, y, color.NRGBA{uint8(2 * x), uint8(2 * y), 0, 255})
		}
	}
	places := [][2]float64{{8, 10}, {22, 10}, {15, 18}, {9, 26}, {21, 27}}
	marks := map[string][]Face{}
	turns := map[string]kernels.Similarity{
		"a": {A: 1.2, B: 0.3, X: 40, Y: 20}, "b": {A: 1.9, B: -0.4, X: 20, Y: 30}, "c": {A: 1, B: 0, X: 45, Y: 40},
	}
	for name, s := range turns {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "1.png"), pic)
		var f Face
		for i, p := range places {
			f.Marks[i][0], f.Marks[i][1] = s.Map(p[0], p[1])
		}
		x, y := s.Map(15, 18)
		f.Box = Box{x - 10, y - 10, 20, 20}
		marks[name+"/1.png"] = []Face{f}
	}
	marks["c/1.png"] = append([]Face{{Box: Box{0, 0, 20, 20}, Marks: [5][2]float64{{1, 1}, {9, 1}, {5, 5}, {2, 8}, {8, 8}}}}, marks["c/1.png"]...)
	f, err := OpenFaces(dir, FaceSpec{W: 30, H: 36, Marks: marks, Root: dir, Places: places})
	if err != nil {
		t.Fatal(err)
	}
	dst := []*tensor.Tensor{tensor.New(tensor.Float32, 3, 36, 30), tensor.New(tensor.Int32)}
	for i, name := range []string{"a", "b", "c"} {
		if err := f.Read(i, nil, dst); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for y := range 36 {
			for x := range 30 {
				u, v := turns[name].Map(float64(x)+0.5, float64(y)+0.5)
				if u < 2 || v < 2 || u > w-2 || v > h-2 {
					continue
				}
				seen++
				red, green := float64(dst[0].Float32s()[y*30+x]), float64(dst[0].Float32s()[36*30+y*30+x])
				if math.Abs(red-2*(u-0.5)) > 1e-2 || math.Abs(green-2*(v-0.5)) > 1e-2 {
					t.Fatalf("%s: pixel %d, %d is of %.3f, %.3f; %.3f, %.3f was expected", name, x, y, red/2+0.5, green/2+0.5, u, v)
				}
			}
		}
		if seen < 900 {
			t.Errorf("%s: %d pixels lie in the picture", name, seen)
		}
	}
	if _, err := OpenFaces(dir, FaceSpec{W: 30, H: 36, Marks: marks, Root: dir, Places: places[:4]}); err == nil {
		t.Error("four places were taken for five landmarks")
	}
}
