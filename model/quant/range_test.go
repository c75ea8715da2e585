package quant

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// squared quantises numbers one by one and returns the sum of squared errors.
func squared(x []float32, scale float32, zero int) float64 {
	sum := 0.0
	for _, v := range x {
		q := math.RoundToEven(float64(v)/float64(scale)) + float64(zero)
		d := float64((min(255, max(0, q))-float64(zero))*float64(scale)) - float64(v)
		sum += float64(d * d)
	}
	return sum
}

// TestOutlier has one number far from all others: the range of all numbers has steps 25 times as wide as that of the others needs.
func TestOutlier(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 1<<20)
	for i := range x {
		x[i] = 2*rng.Float32() - 1
	}
	x[7] = 50
	var h histogram
	if err := h.add(x); err != nil {
		t.Fatal(err)
	}
	all, best := h.best(0, nil), h.best(2, nil)
	if wide := float32(51.0 / 255); math.Abs(float64(all.scale-wide)) > 1e-3 {
		t.Errorf("the range of all numbers has steps of %g, not %g", all.scale, wide)
	}
	a, b := squared(x, all.scale, all.zero), squared(x, best.scale, best.zero)
	// Uniform errors of steps of 51/255 and of at most 4/255 (a range of -1 to 3), and what is cut off of 50.
	const n = 1 << 20
	if most := float64(n)*4*4/255/255/12 + 49*49; b > most || a < 0.9*n*51*51/255/255/12 {
		t.Errorf("squared errors of %g, %g over all numbers; at most %g was expected", b, a, most)
	}
}

// TestCurve chooses a range for numbers of which the network reads a function alone that is flat below -10: what lies there needs no integers.
func TestCurve(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	x := make([]float32, 1<<16)
	for i := range x {
		x[i] = 54*rng.Float32() - 50
	}
	f := func(v float64) float64 { return v / (1 + math.Exp(-v)) }
	var h histogram
	if err := h.add(x); err != nil {
		t.Fatal(err)
	}
	c := make(curve, 2*binsASide)
	for i := range c {
		c[i] = float32(f(h.middle(i)))
	}
	lost := func(a affine) float64 {
		sum := 0.0
		for _, v := range x {
			q := min(255, max(0, math.RoundToEven(float64(v)/float64(a.scale))+float64(a.zero)))
			d := f((q-float64(a.zero))*float64(a.scale)) - f(float64(v))
			sum += float64(d * d)
		}
		return sum
	}
	plain, by := h.best(2, nil), h.best(2, c)
	// Steps go with the range, errors with the squares of steps: a range of 14 loses (14/54)² of what one of 54 does, and 1/4 is more than that.
	if a, b := lost(plain), lost(by); b > a/4 {
		t.Errorf("squared errors of %g with steps of %g, of %g with steps of %g", b, by.scale, a, plain.scale)
	}
	for _, v := range []float64{-49, -3.21, 0, 0.1, 3.9} {
		if got := c.at(v, h.reach); math.Abs(got-f(v)) > 1e-3 {
			t.Errorf("at %g the curve is %g, not %g", v, got, f(v))
		}
	}
}

// TestZero quantises 0 exactly, whatever the range.
func TestZero(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 2000 {
		lo, hi := -math.Exp(20*rng.Float64()-10), math.Exp(20*rng.Float64()-10)
		switch i % 4 {
		case 0:
			lo = 0
		case 1:
			hi = 0
		}
		a := over(lo, hi)
		if a.zero < 0 || a.zero > 255 || squared([]float32{0}, a.scale, a.zero) != 0 {
			t.Fatalf("%g to %g: 0 is %d, in steps of %g", lo, hi, a.zero, a.scale)
		}
		// All of the range is held, but for half a step at an end.
		step := float64(a.scale)
		if end := float64(float64(-a.zero) * step); math.Abs(end-lo) > 0.51*step {
			t.Errorf("%g to %g begins at %g, in steps of %g", lo, hi, end, step)
		}
	}
	if a := over(0, 0); a.scale != 1 || a.zero != 0 {
		t.Errorf("zeros alone are quantised as %v", a)
	}
}

// TestHistogram counts the same numbers in another order, and in parts.
func TestHistogram(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, 5000)
	for i := range x {
		x[i] = float32(math.Ldexp(rng.Float64()-0.4, rng.IntN(30)-15))
	}
	x[3], x[4] = 0, float32(math.Ldexp(1, 14)) // on an edge of bins
	var whole, turned, parts histogram
	back := slices.Clone(x)
	slices.Reverse(back)
	for _, err := range []error{whole.add(x), turned.add(back)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for part := range slices.Chunk(back, 700) {
		var h histogram
		if err := h.add(part); err != nil {
			t.Fatal(err)
		}
		parts.merge(&h)
	}
	for i, h := range []*histogram{&turned, &parts} {
		if !slices.Equal(h.below, whole.below) || !slices.Equal(h.above, whole.above) || h.min != whole.min || h.max != whole.max || h.zeros != whole.zeros || h.reach != whole.reach {
			t.Errorf("%d: another order counts otherwise", i)
		}
	}
	total := whole.zeros
	for i := range whole.below {
		total += whole.below[i] + whole.above[i]
	}
	if total != uint64(len(x)) || whole.min != float64(slices.Min(x)) || whole.max != float64(slices.Max(x)) {
		t.Errorf("%d numbers from %g to %g of %d from %g to %g", total, whole.min, whole.max, len(x), slices.Min(x), slices.Max(x))
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if err := whole.add([]float32{1, float32(v)}); err == nil {
			t.Errorf("%g was counted", v)
		}
	}
}

// TestWeights rounds weights whose outputs lie along the first and along the last axis.
func TestWeights(t *testing.T) {
	w := tensor.Of([]float32{1, -254, 0, 63.5, 0.9, 0}, 2, 3)
	for axis := range 2 {
		whole, scale := Weights(w, axis)
		for i, v := range w.Float32s() {
			k := []int{i / 3, i % 3}[axis]
			step := scale.Float32s()[k]
			if got := float32(float32(tensor.Data[int8](whole)[i]) * step); math.Abs(float64(got-v)) > float64(step/2) {
				t.Errorf("axis %d: %g is stored as %g, in steps of %g", axis, v, got, step)
			}
		}
	}
	// A bias of 2⁴⁰ steps of the greatest weight: the scale grows until it fits, and the bias is held to half of one of the new steps.
	bias := []float32{float32(math.Ldexp(1, 33)), 1}
	_, scale, coarser := fitted(w, 0, bias, 1.0/128)
	ints, by := biases(bias, scale.Float32s(), 1.0/128)
	for k, b := range bias {
		step := float64(by.Float32s()[k])
		if got := float64(tensor.Data[int32](ints)[k]) * step; math.Abs(got-float64(b)) > step/2 || !coarser {
			t.Errorf("a bias of %g is stored as %g, in steps of %g", b, got, step)
		}
	}
}
