package arch_test

import (
	"math"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// TestSizes compares parameters and multiply-accumulates with those that the papers, or the reference implementations beside them, state.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name   string
		params int64 // millions, to the digit that is known
		unit   int64
		macs   int64 // millions; 0 where nobody states them
	}{
		{"alexnet", 61, 1e6, 0},      // 60.97 million (Krizhevsky et al. 2012: "60 million")
		{"resnet18", 117, 1e5, 1814}, // 11.7 million, 1.8 GFLOPs (He et al. 2016)
		{"mobilenet_v2", 35, 1e5, 0}, // 3.5 million: 3.4 in the paper's rounding
		{"digits_perceptron", 7850, 1, 0},
		{"digits_relu", 266610, 1, 0}, // 300-100-10 (LeCun et al. 1998)
	} {
		g := arch.Nets[c.name](1)
		p, err := model.Compile(g, model.Options{Threads: 1})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		size := p.Size()
		if got := (size.Params + c.unit/2) / c.unit; got != c.params {
			t.Errorf("%s has %d parameters", c.name, size.Params)
		}
		if got := (size.MACs + 500000) / 1000000; c.macs != 0 && got != c.macs {
			t.Errorf("%s has %d million multiply-accumulates", c.name, got)
		}
	}
	if !slices.Contains(arch.Names(), "alexnet") {
		t.Error("alexnet is not listed")
	}
}

// TestSeed builds a network twice.
func TestSeed(t *testing.T) {
	weights := func(seed uint64) []float32 { return arch.DigitsReLU(seed).Constants()[0].Const.Float32s() }
	if !slices.Equal(weights(1), weights(1)) {
		t.Error("one seed draws two sets of weights")
	}
	if slices.Equal(weights(1), weights(2)) {
		t.Error("two seeds draw the same weights")
	}
}

// TestSceneSize asks that the parser of scenes keeps its bounds: a million parameters, and 1.5·10⁹ multiply-accumulates for a picture of 480x360, which
// it sees at 480x352.
func TestSceneSize(t *testing.T) {
	p, err := model.Compile(arch.SceneParser(1), model.Options{Threads: 1, Inputs: map[string][]int{"image": {1, 3, 352, 480}}})
	if err != nil {
		t.Fatal(err)
	}
	if z := p.Size(); z.Params > 1e6 || z.MACs > 1_500_000_000 {
		t.Errorf("%d parameters, %d multiply-accumulates at 480x352", z.Params, z.MACs)
	}
	if got := p.Outputs()[0].Shape; !slices.Equal(got, []int{1, 11, 176, 240}) {
		t.Errorf("scores of shape %v", got)
	}
}

// TestPedestrianSize asks that the detector of people keeps its bounds: a million parameters, and 0.6·10⁹ multiply-accumulates for a picture of 480x360,
// which it sees at 480x352.
func TestPedestrianSize(t *testing.T) {
	p, err := model.Compile(arch.PedestrianDetector(1), model.Options{Threads: 1, Inputs: map[string][]int{"image": {1, 3, 352, 480}}})
	if err != nil {
		t.Fatal(err)
	}
	if z := p.Size(); z.Params > 1e6 || z.MACs > 600_000_000 {
		t.Errorf("%d parameters, %d multiply-accumulates at 480x352", z.Params, z.MACs)
	}
	if got := p.Outputs()[0].Shape; !slices.Equal(got, []int{1, 5, 44, 60}) {
		t.Errorf("cells of shape %v", got)
	}
}

// TestFaceEmbed holds the network of faces to what a Raspberry Pi has room for: of two million parameters 0.6 are left for the map that follows.
func TestFaceEmbed(t *testing.T) {
	p, err := model.Compile(arch.FaceEmbed(1), model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if in := p.Inputs()[0].Shape; !slices.Equal(in, []int{1, 3, 108, 84}) {
		t.Errorf("the picture is %v", in)
	}
	for i, n := range []int{192, 2016, 1008} {
		if out := p.Outputs()[i].Shape; !slices.Equal(out, []int{1, n}) {
			t.Errorf("output %d is %v", i, out)
		}
	}
	if n := p.Size().Params; n > 1.4e6 {
		t.Errorf("%d parameters", n)
	}
}

// TestFaceDescriptors draws pictures whose gradients and patterns are known.
func TestFaceDescriptors(t *testing.T) {
	p, err := model.Compile(arch.FaceEmbed(1), model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, x := p.NewSession(), tensor.New(tensor.Float32, 1, 3, 108, 84)
	run := func(grey func(x, y int) float64) (gradients, patterns []float32) {
		for i, d := 0, x.Float32s(); i < len(d); i++ {
			d[i] = float32(255*grey(i%84, i/84%108)-127.5) / 64
		}
		if err := s.Run(t.Context(), model.Tensors{"image": x}, nil); err != nil {
			t.Fatal(err)
		}
		return s.Output(1).Float32s(), s.Output(2).Float32s()
	}
	// A slope whose root grows evenly: brighter to the right, down, or both at once.
	for direction, to := range [][2]float64{{1, 0}, {1, 1}, {0, 1}, {-1, 1}, {-1, 0}, {-1, -1}, {0, -1}, {1, -1}} {
		g, patterns := run(func(x, y int) float64 {
			root := 0.5 + 0.002*(to[0]*float64(x-42)+to[1]*float64(y-54))
			return root * root
		})
		// Of 18x14 cells one in the middle.
		for k := range 8 {
			v := g[(k*18+9)*14+7]
			if k == direction && v < 0.1 || k != direction && v > 1e-3 {
				t.Errorf("a slope towards %v has %g in direction %d", to, v, k)
			}
		}
		// Up, right, down, left: those are darker that the slope does not lead to; level ones are as dark and not darker, but for rounding.
		if to[0] == 0 || to[1] == 0 {
			continue
		}
		want := 0
		for k, side := range [][2]float64{{0, -1}, {1, 0}, {0, 1}, {-1, 0}} {
			if side[0]*to[0]+side[1]*to[1] < 0 {
				want |= 1 << k
			}
		}
		for k := range 16 {
			v := patterns[(k*9+4)*7+3]
			if wanted := map[bool]float32{true: 1}[k == want]; v != wanted {
				t.Errorf("a slope towards %v has a share of %g of pattern %d", to, v*v, k)
			}
		}
	}
	// A board of single pixels: half of them have four darker neighbours, half none.
	_, patterns := run(func(x, y int) float64 { return 0.25 + 0.5*float64((x+y)%2) })
	for k := range 16 {
		wanted := 0.0
		if k == 0 || k == 15 {
			wanted = math.Sqrt(0.5)
		}
		if v := float64(patterns[(k*9+4)*7+3]); math.Abs(v-wanted) > 1e-6 {
			t.Errorf("a board has a share of %g of pattern %d", v*v, k)
		}
	}
}

// TestFaceDetectorSize asks that the detector of faces keeps its bounds: 0.3 million parameters, and 0.25·10⁹ multiply-accumulates for a picture of 480x360,
// which it sees at 384x288.
func TestFaceDetectorSize(t *testing.T) {
	p, err := model.Compile(arch.FaceDetector(1), model.Options{Threads: 1, Inputs: map[string][]int{"image": {1, 3, 288, 384}}})
	if err != nil {
		t.Fatal(err)
	}
	if z := p.Size(); z.Params > 300_000 || z.MACs > 250_000_000 {
		t.Errorf("%d parameters, %d multiply-accumulates at 384x288", z.Params, z.MACs)
	}
	if got := p.Outputs()[0].Shape; !slices.Equal(got, []int{1, 15, 36, 48}) {
		t.Errorf("cells of shape %v", got)
	}
}
