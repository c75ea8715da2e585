package layer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestRoiAlignBits compares with each sample of each channel computed by itself, with channels side by side and not.
func TestRoiAlignBits(t *testing.T) {
	for i, c := range []struct {
		x    []int
		n    int
		roi  RoiAlign
		size float32
	}{
		{d(2, 5, 9, 11), 40, RoiAlign{Height: 3, Width: 4, Samples: 2, Scale: 0.5}, 30},
		{d(2, 5, 9, 11), 40, RoiAlign{Height: 3, Width: 4, Samples: 2, Scale: 0.5, Max: true}, 30},
		{d(1, 3, 31, 29), 1, RoiAlign{Height: 2, Width: 1, Samples: 3, Scale: 1, HalfPixel: true}, 40},
		{d(1, 3, 31, 29), 2, RoiAlign{Height: 2, Width: 1, Samples: 1, Scale: 1, HalfPixel: true, Max: true}, 40},
		{d(3, 8, 7, 6), 20, RoiAlign{Height: 4, Width: 3, Scale: 1}, 9},
		{d(3, 8, 7, 6), 20, RoiAlign{Height: 4, Width: 3, Scale: 1, HalfPixel: true, Max: true}, 9},
		{d(1, 1, 1, 1), 9, RoiAlign{Height: 2, Width: 2, Samples: 2, Scale: 1}, 2},
		{d(1, 0, 1, 1), 9, RoiAlign{Height: 2, Width: 2, Samples: 2, Scale: 1}, 2},
		{d(1, 2, 3, 3), 0, RoiAlign{Height: 2, Width: 2, Samples: 2, Scale: 1}, 2},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(i), 3))
			images := make([]int64, c.n)
			for k := range images {
				images[k] = int64(r.IntN(2*c.x[0]) - c.x[0])
			}
			in := ts(noise(r, 2, []float32{0, inf, nan, -1e-40}, c.x...), noise(r, c.size, []float32{0, -1, c.size}, c.n, 4), i64(images...))
			want := outputOf(t, &c.roi, in)
			plainRoiAlign(&c.roi, in, want)
			everywhere(t, &c.roi, in, want)
		})
	}
	one := &RoiAlign{Height: 1, Width: 1, Scale: 1}
	for _, v := range []float32{nan, inf, 1e9, 99} {
		in := ts(f32(d(1, 1, 1, 1), 1), f32(d(1, 4), 0, 0, v, 1), i64(0))
		if err := one.Forward(new(Env), in, ts(outputOf(t, one, in))); err == nil {
			t.Errorf("a region to %v was taken", v)
		}
	}
}

func plainRoiAlign(r *RoiAlign, in []*tensor.Tensor, out *tensor.Tensor) {
	x, y, s := in[0].Float32s(), out.Float32s(), in[0].Shape()
	h, w := s[2], s[3]
	for i := range y {
		px, py, c, k := i%r.Width, i/r.Width%r.Height, i/(r.Width*r.Height)%s[1], i/(r.Width*r.Height*s[1])
		img, _ := position(in[2].Int64s()[k], s[0])
		var b [4]float32
		for j := range b {
			b[j] = float32(in[1].Float32s()[k*4+j] * r.Scale)
			if r.HalfPixel {
				b[j] -= 0.5
			}
		}
		rw, rh := b[2]-b[0], b[3]-b[1]
		if !r.HalfPixel {
			rw, rh = max(1, rw), max(1, rh)
		}
		bw, bh := rw/float32(r.Width), rh/float32(r.Height)
		gw, gh := r.Samples, r.Samples
		if r.Samples == 0 {
			gw, gh = int(math.Ceil(float64(bw))), int(math.Ceil(float64(bh)))
		}
		var sum float32
		top := -inf
		for iy := range gh {
			for ix := range gw {
				v, t := bilinear(x[(img*s[1]+c)*h*w:], h, w, b[1]+float32(float32(py)*bh)+(float32(iy)+0.5)*bh/float32(gh),
					b[0]+float32(float32(px)*bw)+(float32(ix)+0.5)*bw/float32(gw))
				sum += v
				top = maxOf(top, t)
			}
		}
		switch {
		case !r.Max:
			y[i] = sum / float32(max(1, gw*gh))
		case gw > 0 && gh > 0:
			y[i] = top
		}
	}
}

// bilinear returns the interpolated value at (y, x) and the largest of its four weighted corners; 0 outside.
func bilinear(p []float32, h, w int, y, x float32) (v, top float32) {
	if !(y >= -1 && y <= float32(h) && x >= -1 && x <= float32(w)) {
		return 0, 0
	}
	y, x = max(0, y), max(0, x)
	y0, x0 := min(int(y), h-1), min(int(x), w-1)
	y1, x1 := min(y0+1, h-1), min(x0+1, w-1)
	ly, lx := y-float32(y0), x-float32(x0)
	if y0 == h-1 {
		ly = 0
	}
	if x0 == w-1 {
		lx = 0
	}
	hy, hx := 1-ly, 1-lx
	a, b := float32(float32(hy*hx)*p[y0*w+x0]), float32(float32(hy*lx)*p[y0*w+x1])
	c, d := float32(float32(ly*hx)*p[y1*w+x0]), float32(float32(ly*lx)*p[y1*w+x1])
	return a + b + c + d, maxOf(maxOf(a, b), maxOf(c, d))
}
