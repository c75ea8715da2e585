package layer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// noise fills a tensor with numbers of one scale, and puts others among them.
func noise(r *rand.Rand, scale float32, others []float32, shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.Float32, shape...)
	for i := range t.Float32s() {
		t.Float32s()[i] = (r.Float32()*2 - 1) * scale
		if len(others) > 0 && r.IntN(8) == 0 {
			t.Float32s()[i] = others[r.IntN(len(others))]
		}
	}
	return t
}

// everywhere computes an op, as it is and planned, on every instruction set and with several numbers of threads, and compares bits; payloads of NaN do not count.
func everywhere(t *testing.T, op Op, in []*tensor.Tensor, want *tensor.Tensor) {
	t.Helper()
	ops := []Op{op}
	if p, ok := op.(Planner); ok {
		info, err := op.Infer(infosOf(in))
		if err != nil {
			t.Fatal(err)
		}
		if q := p.Plan(infosOf(in), info); q != nil {
			ops = append(ops, q)
		}
	}
	for _, isa := range kernels.Available() {
		restore, err := kernels.Force(isa)
		if err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2, 5} {
			e := Env{Team: kernels.NewTeam(threads)}
			for i, op := range ops {
				got := tensor.New(tensor.Float32, want.Shape()...)
				for k := range got.Float32s() {
					got.Float32s()[k] = 77
				}
				e.Reset()
				if err := op.Forward(&e, in, ts(got)); err != nil {
					t.Fatal(err)
				}
				for k, w := range want.Float32s() {
					if g := got.Float32s()[k]; math.Float32bits(g) != math.Float32bits(w) && !(g != g && w != w) {
						t.Errorf("%v, %d threads, form %d: element %d is %v, not %v", isa, threads, i, k, g, w)
						break
					}
				}
			}
		}
		restore()
	}
}

func outputOf(t *testing.T, op Op, in []*tensor.Tensor) *tensor.Tensor {
	t.Helper()
	info, err := op.Infer(infosOf(in))
	if err != nil {
		t.Fatal(err)
	}
	return tensor.New(tensor.Float32, info[0].Shape...)
}

// TestConvOfVolumes compares with the plain form, of some sizes that need several tiles.
func TestConvOfVolumes(t *testing.T) {
	for i, c := range []struct {
		conv Conv
		x, w []int
	}{
		{Conv{Groups: 1}, d(1, 1, 1, 1, 1), d(1, 1, 1, 1, 1)},
		{Conv{Groups: 1, Window: Window{Pads: d(1, 1, 1, 1, 1, 1)}}, d(2, 16, 5, 9, 11), d(17, 16, 3, 3, 3)},
		{Conv{Groups: 1, Window: Window{Pads: d(0, 4, 5, 2, 0, 6), Strides: d(2, 1, 3)}}, d(1, 3, 5, 7, 6), d(5, 3, 2, 3, 4)},
		{Conv{Groups: 3, Window: Window{Pads: d(2, 2, 2, 2, 2, 2), Strides: d(1, 2, 1)}}, d(1, 6, 4, 8, 9), d(9, 2, 3, 3, 3)},
		{Conv{Groups: 2, Window: Window{Pads: d(2, 0, 3, 1, 1, 3), Dilations: d(2, 1, 3)}}, d(2, 4, 6, 5, 8), d(2, 2, 3, 2, 3)},
		{Conv{Groups: 1, Window: Window{Pads: d(3, 3, 3, 3, 3, 3), Dilations: d(1, 1, 2)}}, d(1, 2, 2, 1, 3), d(3, 2, 1, 2, 3)},
		{Conv{Groups: 7, Window: Window{Pads: d(1, 1, 1, 1, 1, 1)}}, d(1, 7, 5, 6, 7), d(14, 1, 2, 3, 3)},
		{Conv{Groups: 7, Window: Window{AutoPad: PadSameLower}}, d(1, 7, 5, 6, 7), d(7, 1, 2, 3, 3)},
		{Conv{Groups: 33, Window: Window{AutoPad: PadSameUpper, Strides: d(2, 1, 2)}}, d(2, 33, 4, 6, 7), d(33, 1, 3, 3, 2)},
		{Conv{Groups: 3, Window: Window{Pads: d(2, 0, 3, 1, 1, 3), Dilations: d(2, 1, 3)}}, d(2, 3, 6, 5, 8), d(3, 1, 3, 2, 3)},
		{Conv{Groups: 2, Window: Window{Pads: d(1, 0, 9, 1, 0, 9)}}, d(1, 2, 0, 3, 2), d(2, 1, 2, 2, 2)},
		{Conv{Groups: 1, Window: Window{Pads: d(1, 0, 9, 1, 0, 9)}}, d(1, 2, 0, 3, 2), d(3, 2, 2, 2, 2)},
		{Conv{Groups: 1}, d(0, 2, 3, 3, 3), d(3, 2, 2, 2, 2)},
		{Conv{Groups: 2}, d(1, 2, 3, 3, 3), d(0, 1, 2, 2, 2)},
	} {
		for _, bias := range []bool{false, true} {
			t.Run(fmt.Sprint(i, bias), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				in := ts(noise(r, 2, []float32{0, float32(math.Copysign(0, -1)), 1e-40}, c.x...), noise(r, 1, []float32{0}, c.w...))
				if bias {
					in = append(in, noise(r, 3, nil, c.w[0]))
				}
				want := outputOf(t, &c.conv, in)
				s, err := c.conv.over(c.x, c.w)
				if err != nil {
					t.Fatal(err)
				}
				convolve(new(Env), s, c.conv.Groups, in, want, fmaRow)
				everywhere(t, &c.conv, in, want)
			})
		}
	}
}

// TestConvOfVolumesPads adds what lies outside as zeros: an infinite weight there makes a NaN.
func TestConvOfVolumesPads(t *testing.T) {
	in := ts(f32(d(1, 1, 1, 1, 2), 1, 1), f32(d(2, 1, 1, 1, 2), inf, 1, 1, 1))
	everywhere(t, &Conv{Groups: 1, Window: Window{Pads: d(0, 0, 1, 0, 0, 0)}}, in, f32(d(1, 2, 1, 1, 2), nan, inf, 1, 2))
	in = ts(f32(d(1, 2, 1, 1, 2), 1, 1, 1, 2), in[1])
	everywhere(t, &Conv{Groups: 2, Window: Window{Pads: d(0, 0, 1, 0, 0, 0)}}, in, f32(d(1, 2, 1, 1, 2), nan, inf, 1, 3))
}

// TestDeformConvBits compares with the plain form.
func TestDeformConvBits(t *testing.T) {
	for i, c := range []struct {
		conv DeformConv
		x, w []int
	}{
		{DeformConv{Groups: 1, OffsetGroups: 1}, d(1, 1, 1, 1), d(1, 1, 1, 1)},
		{DeformConv{Groups: 1, OffsetGroups: 1, Window: Window{Pads: d(1, 1, 1, 1)}}, d(2, 64, 9, 11), d(17, 64, 3, 3)},
		{DeformConv{Groups: 3, OffsetGroups: 2, Window: Window{Pads: d(0, 4, 2, 1), Strides: d(2, 3)}}, d(1, 6, 9, 8), d(9, 2, 2, 3)},
		{DeformConv{Groups: 2, OffsetGroups: 4, Window: Window{Pads: d(3, 3, 3, 3), Dilations: d(2, 3)}}, d(2, 4, 6, 7), d(2, 2, 3, 2)},
		{DeformConv{Groups: 1, OffsetGroups: 3, Window: Window{Pads: d(2, 0, 2, 0)}}, d(1, 3, 70, 31), d(4, 3, 5, 1)},
		{DeformConv{Groups: 1, OffsetGroups: 1, Window: Window{Pads: d(1, 1, 1, 1)}}, d(1, 2, 0, 3), d(4, 2, 2, 1)},
		{DeformConv{Groups: 1, OffsetGroups: 1}, d(0, 2, 3, 3), d(4, 2, 2, 2)},
		{DeformConv{Groups: 2, OffsetGroups: 1}, d(1, 2, 3, 3), d(0, 1, 2, 2)},
	} {
		for form := range 4 {
			t.Run(fmt.Sprint(i, form), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(i), 2))
				s, err := c.conv.conv().over(c.x, c.w)
				if err != nil {
					t.Fatal(err)
				}
				points := c.conv.OffsetGroups * s.taps()
				minus := float32(math.Copysign(0, -1))
				x := noise(r, 2, []float32{0, minus, 1e-40}, c.x...)
				if n := x.Len(); n > 0 && form > 1 {
					x.Float32s()[r.IntN(n)] = inf
					x.Float32s()[r.IntN(n)] = nan
				}
				in := ts(x, noise(r, 1, []float32{0}, c.w...), noise(r, 3, []float32{0, 1, -1, -2.5, 1e10, -1e10, inf, -inf, nan}, c.x[0], 2*points, s.out[1], s.out[2]), nil, nil)
				if form&1 != 0 {
					in[3] = noise(r, 3, []float32{minus}, c.w[0])
					in[4] = noise(r, 1, []float32{0, minus}, c.x[0], points, s.out[1], s.out[2])
				}
				want := outputOf(t, &c.conv, in)
				if want.Len() > 0 {
					deform[float32](new(Env), &c.conv, s, in, want)
				}
				everywhere(t, &c.conv, in, want)
			})
		}
	}
}

// TestDeformConvZeros adds a sample of -0 to a bias of -0: samples begin at +0.
func TestDeformConvZeros(t *testing.T) {
	minus := float32(math.Copysign(0, -1))
	in := ts(f32(d(1, 1, 2, 2), minus, minus, minus, minus), f32(d(1, 1, 1, 1), 1), tensor.New(tensor.Float32, 1, 2, 2, 2), f32(d(1), minus))
	everywhere(t, &DeformConv{Groups: 1, OffsetGroups: 1}, in, tensor.New(tensor.Float32, 1, 1, 2, 2))
}

// TestColumnsDoNotAllocate runs planned layers.
func TestColumnsDoNotAllocate(t *testing.T) {
	if poolsLeak {
		t.Skip("the race detector makes pools drop what they hold")
	}
	r := rand.New(rand.NewPCG(4, 4))
	x, offsets := noise(r, 1, nil, 1, 4, 9, 9), noise(r, 1, nil, 1, 18, 9, 9)
	for _, c := range []struct {
		op Op
		in []*tensor.Tensor
	}{
		{&Conv{Groups: 2, Window: Window{Pads: d(1, 1, 1, 1, 1, 1)}}, ts(noise(r, 1, nil, 1, 4, 5, 9, 9), noise(r, 1, nil, 4, 2, 3, 3, 3))},
		{&Conv{Groups: 4}, ts(noise(r, 1, nil, 1, 4, 5, 9, 9), noise(r, 1, nil, 4, 1, 3, 3, 3))},
		{&MaxPool{Window: Window{Kernel: d(2, 2, 2)}}, ts(noise(r, 1, nil, 1, 4, 5, 9, 9))},
		{&DeformConv{Groups: 1, OffsetGroups: 1, Window: Window{Pads: d(1, 1, 1, 1)}}, ts(x, noise(r, 1, nil, 4, 4, 3, 3), offsets)},
		{&RoiAlign{Height: 3, Width: 3, Samples: 2, Scale: 1}, ts(x, f32(d(2, 4), 0, 0, 5, 5, 1, 1, 8, 8), i64(0, 0))},
	} {
		op, out := c.op, ts(outputOf(t, c.op, c.in))
		if p, ok := op.(Planner); ok {
			op = p.Plan(infosOf(c.in), infosOf(out))
		}
		e := Env{Team: kernels.NewTeam(2)}
		n := testing.AllocsPerRun(50, func() {
			e.Reset()
			if err := op.Forward(&e, c.in, out); err != nil {
				t.Fatal(err)
			}
		})
		if n >= 1 {
			t.Errorf("%s: Forward allocates %g times", op.Kind(), n)
		}
	}
}
