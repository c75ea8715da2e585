package arch_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// TestPedestrianWindow holds the classifier of windows to its bounds: half a million bytes in half precision, two logits of a window of 64x128.
func TestPedestrianWindow(t *testing.T) {
	p, err := model.Compile(arch.PedestrianWindow(1), model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if in, out := p.Inputs()[0].Shape, p.Outputs()[0].Shape; !slices.Equal(in, []int{1, 3, 128, 64}) || !slices.Equal(out, []int{1, 2}) {
		t.Errorf("%v becomes %v", in, out)
	}
	if n := p.Size().Params; 2*n > 500e3 {
		t.Errorf("%d parameters", n)
	}
}

// TestLectureNets looks at what the other shapes of the lecture give.
func TestLectureNets(t *testing.T) {
	for _, c := range []struct {
		name      string
		in, out   []int
		most      int64 // parameters
		mostMACs  int64
		leastMACs int64
	}{
		{"scene_multiscale", []int{1, 3, 352, 480}, []int{1, 11, 88, 120}, 1e6, 2.5e9, 1e9},
		{"face_local", []int{1, 3, 72, 56}, []int{1, 128}, 2e6, 20e6, 5e6},
	} {
		p, err := model.Compile(arch.Nets[c.name](1), model.Options{Threads: 1, Inputs: map[string][]int{"image": c.in}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Outputs()[0].Shape; !slices.Equal(got, c.out) {
			t.Errorf("%s gives %v", c.name, got)
		}
		if z := p.Size(); z.Params > c.most || z.MACs > c.mostMACs || z.MACs < c.leastMACs {
			t.Errorf("%s has %d parameters and does %d multiply-accumulates", c.name, z.Params, z.MACs)
		}
	}
}

// TestHOG compares the histograms that the network computes with those that are worked out pixel by pixel.
func TestHOG(t *testing.T) {
	const w, h = 40, 32
	b := arch.NewBuilder("hog", 1)
	b.Output("blocks", b.HOG(b.Input("image", 3, h, w)))
	p, err := model.Compile(b.Graph, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	x := tensor.New(tensor.Float32, 1, 3, h, w)
	pix := func(c, y, x0 int) float64 {
		y, x0 = min(max(y, 0), h-1), min(max(x0, 0), w-1)
		return math.Sqrt(float64(x.Float32s()[(c*h+y)*w+x0]))
	}
	for i := range x.Float32s() {
		y, x0 := i/w%h, i%w
		x.Float32s()[i] = float32(0.5 + 0.25*math.Sin(float64(x0)*0.7+float64(y)*0.3*float64(i/(w*h))) + 0.2*math.Cos(float64(y*y)*0.05))
	}
	s := p.NewSession()
	if err := s.Run(context.Background(), model.Tensors{"image": x}, nil); err != nil {
		t.Fatal(err)
	}
	got := s.Output(0)
	if !slices.Equal(got.Shape(), []int{1, 36, h/8 - 1, w/8 - 1}) {
		t.Fatalf("blocks of shape %v", got.Shape())
	}
	worst := 0.0
	for by := range h/8 - 1 {
		for bx := range w/8 - 1 {
			var block [36]float64
			for dy := range 16 {
				for dx := range 16 {
					y, x0 := 8*by+dy, 8*bx+dx
					var gx, gy, most float64
					for c := range 3 {
						u, v := pix(c, y, x0+1)-pix(c, y, x0-1), pix(c, y+1, x0)-pix(c, y-1, x0)
						if u*u+v*v > most {
							gx, gy, most = u, v, u*u+v*v
						}
					}
					angle := math.Mod(math.Atan2(gy, gx)+2*math.Pi, math.Pi) * 9 / math.Pi // 0..9; bin k of the network has its middle at 5+k
					weight := math.Sqrt(most) * math.Exp(-(math.Pow(float64(dx)-7.5, 2)+math.Pow(float64(dy)-7.5, 2)-0.5)/128)
					for cell := range 4 {
						share := max(0, 1-math.Abs(float64(dx)-3.5-8*float64(cell%2))/8) * max(0, 1-math.Abs(float64(dy)-3.5-8*float64(cell/2))/8)
						for k := range 9 {
							far := math.Abs(angle - math.Mod(float64(5+k), 9))
							block[4*k+cell] += share * weight * max(0, 1-min(far, 9-far))
						}
					}
				}
			}
			unit := func() {
				sum := 1e-2
				for _, v := range block {
					sum += v * v
				}
				for i := range block {
					block[i] /= math.Sqrt(sum)
				}
			}
			unit()
			for i, v := range block {
				block[i] = min(v, 0.2)
			}
			unit()
			for i, want := range block {
				v := float64(got.Float32s()[(i*(h/8-1)+by)*(w/8-1)+bx])
				worst = max(worst, math.Abs(v-want))
			}
		}
	}
	if worst > 1e-4 {
		t.Errorf("histograms differ by %g", worst)
	}
}
