package layer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestMaxPoolBits compares with what is found together with the positions.
func TestMaxPoolBits(t *testing.T) {
	for i, c := range []struct {
		pool MaxPool
		x    []int
	}{
		{MaxPool{Window: Window{Kernel: d(2, 2, 2), Strides: d(2, 2, 2)}}, d(2, 3, 6, 8, 10)},
		{MaxPool{Window: Window{Kernel: d(3, 2, 4), Strides: d(1, 3, 2), Pads: d(2, 1, 3, 0, 1, 2)}}, d(1, 5, 4, 7, 9)},
		{MaxPool{Window: Window{Kernel: d(2, 3, 2), Dilations: d(3, 2, 4), Pads: d(5, 4, 6, 5, 4, 6), Ceil: true, Strides: d(2, 2, 3)}}, d(1, 2, 5, 6, 7)},
		{MaxPool{Window: Window{Kernel: d(2, 2), Dilations: d(9, 9), Pads: d(5, 5, 5, 5)}}, d(1, 2, 3, 3)},
		{MaxPool{Window: Window{Kernel: d(5), Pads: d(7, 9), Strides: d(3)}}, d(2, 3, 11)},
		{MaxPool{Window: Window{Kernel: d(9), Pads: d(7, 9)}}, d(2, 3, 4)},
		{MaxPool{Window: Window{Kernel: d(2, 2, 2)}}, d(0, 3, 4, 4, 4)},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(i), 5))
			in := ts(noise(r, 2, []float32{0, float32(math.Copysign(0, -1)), inf, -inf, nan}, c.x...))
			want := outputOf(t, &c.pool, in)
			if err := c.pool.Forward(new(Env), in, ts(want, tensor.New(tensor.Int64, want.Shape()...))); err != nil {
				t.Fatal(err)
			}
			everywhere(t, &c.pool, in, want)
		})
	}
}

// TestPoolsOfVolumes compares averages, norms and maxima with windows that are gone through element by element.
func TestPoolsOfVolumes(t *testing.T) {
	for i, c := range []struct {
		w Window
		x []int
	}{
		{Window{Kernel: d(2, 2, 2), Strides: d(2, 2, 2)}, d(2, 3, 6, 8, 10)},
		{Window{Kernel: d(3, 3, 3), Pads: d(1, 1, 1, 1, 1, 1)}, d(1, 17, 5, 6, 7)},
		{Window{Kernel: d(1, 3, 2), AutoPad: PadSameLower, Strides: d(2, 1, 3)}, d(1, 4, 5, 6, 7)},
		{Window{Kernel: d(3, 2, 4), Strides: d(2, 3, 2), Pads: d(2, 1, 3, 0, 1, 2), Ceil: true}, d(1, 5, 4, 7, 9)},
		{Window{Kernel: d(2, 3, 2), Dilations: d(3, 2, 4), Pads: d(5, 4, 6, 5, 4, 6), Strides: d(2, 2, 3)}, d(1, 2, 5, 6, 7)},
		{Window{Kernel: d(2, 3, 2), Dilations: d(3, 2, 4), Pads: d(5, 4, 6, 5, 4, 6), Strides: d(2, 2, 3), Ceil: true}, d(1, 2, 5, 6, 7)},
		{Window{Kernel: d(2, 2, 2)}, d(0, 3, 4, 4, 4)},
	} {
		r := rand.New(rand.NewPCG(uint64(i), 6))
		in := ts(noise(r, 2, []float32{0, float32(math.Copysign(0, -1)), inf, nan}, c.x...))
		s, err := c.w.over(c.x, c.w.Kernel)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range []Op{&AveragePool{Window: c.w}, &AveragePool{Window: c.w, CountPad: true}, &LpPool{Window: c.w, P: 2}, &LpPool{Window: c.w, P: 1}, &MaxPool{Window: c.w}} {
			want := outputOf(t, op, in)
			for o := range want.Float32s() {
				sum, top, inside, padded := float32(0), -inf, 0, 0
				for k := range s.taps() {
					x, in0, in1 := o/(s.out[0]*s.out[1]*s.out[2]), true, true
					for d, p := range [3]int{o / (s.out[1] * s.out[2]) % s.out[0], o / s.out[2] % s.out[1], o % s.out[2]} {
						at := p*s.stride[d] - s.before[d] + [3]int{k / (s.kernel[1] * s.kernel[2]), k / s.kernel[2] % s.kernel[1], k % s.kernel[2]}[d]*s.dilation[d]
						in0, in1 = in0 && at >= 0 && at < s.in[d], in1 && at < s.in[d]+s.after[d]
						x = x*s.in[d] + at
					}
					if in1 || len(c.w.Dilations) > 0 {
						padded++
					}
					if !in0 {
						continue
					}
					inside++
					v := in[0].Float32s()[x]
					top = maxOf(top, v)
					switch p, isNorm := op.(*LpPool); {
					case !isNorm:
						sum += v
					case p.P == 1:
						sum += float32(math.Abs(float64(v)))
					default:
						sum = ref.FMA32(v, v, sum)
					}
				}
				y := &want.Float32s()[o]
				switch p := op.(type) {
				case *AveragePool:
					if p.CountPad {
						inside = padded
					}
					*y = sum / float32(max(1, inside))
				case *LpPool:
					*y = sum
					if p.P == 2 {
						*y = float32(math.Sqrt(float64(sum)))
					}
				default:
					*y = top
				}
			}
			everywhere(t, op, in, want)
			if m, ok := op.(*MaxPool); ok { // planned only where nothing asks for positions
				if q := m.Plan(infosOf(in), infosOf(ts(want))); q != nil {
					everywhere(t, q, in, want)
				} else if want.Len() > 0 {
					t.Errorf("%d: not planned", i)
				}
			}
		}
	}
}
