package model_test

import (
	"math"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestDenormalWeightsAreZero compares a network some of whose weights are denormal with one that has zeros in their place.
func TestDenormalWeightsAreZero(t *testing.T) {
	faint := []float32{0x1p-149, -0x1.8p-127, 0x1.fffffcp-127, -0x1p-140}
	network := func(faint []float32) (*model.Graph, [][]float32) {
		var weights [][]float32
		g := build(5, func(b *net, x *model.Value) *model.Value {
			put := func(v *model.Value) *model.Value {
				f := v.Const.Float32s()
				for i := 0; i < len(f); i += 3 {
					f[i] = faint[i/3%len(faint)]
				}
				weights = append(weights, f)
				return v
			}
			y := b.Add("conv", &layer.Conv{Window: pads(1), Groups: 1}, x, put(b.weights(-1, 1, 8, 6, 3, 3)), put(b.weights(-1, 1, 8)))
			y = b.Add("slope", &layer.Binary{Fn: layer.PRelu}, y, put(b.weights(-1, 1, 8, 1, 1)))
			y = b.Add("up", &layer.ConvTranspose{Groups: 1}, y, put(b.weights(-1, 1, 8, 4, 2, 2)))
			y = b.unary(layer.Relu, b.bn(y, 4))
			y = b.Add("flat", &layer.Reshape{}, y, ints(2, -1))
			y = b.Add("product", &layer.MatMul{}, y, put(b.weights(-1, 1, 4*14*12, 5)))
			return b.Add("dense", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, y, put(b.weights(-1, 1, 7, 5)), put(b.weights(-1, 1, 7)))
		})
		return g, weights
	}
	zeros, _ := network(make([]float32, 4))
	want := run(t, zeros, model.Options{}, testInput(7))
	for _, consume := range []bool{false, true} {
		g, weights := network(faint)
		if got := run(t, g, model.Options{Consume: consume}, testInput(7)); !slices.Equal(got.Float32s(), want.Float32s()) {
			t.Errorf("consume %v: %v, with zeros %v", consume, got.Float32s(), want.Float32s())
		}
		for i, w := range weights {
			if !consume && w[0] != faint[0] {
				t.Errorf("weights %d of the graph have changed", i)
			}
		}
	}
	// A variance is no factor of a sum.
	norm := func(plain bool) float32 {
		return run(t, build(5, func(b *net, x *model.Value) *model.Value {
			faint := b.weights(0x1p-130, 0x1p-130, 6)
			return b.Add("norm", &layer.BatchNorm{}, x, b.weights(0.5, 2, 6), b.weights(-1, 1, 6), b.weights(-1, 1, 6), faint)
		}), model.Options{Plain: plain}, testInput(7)).Float32s()[0]
	}
	if got, want := float64(norm(false)), float64(norm(true)); !(math.Abs(got-want) < 1e-5*math.Abs(want)) {
		t.Errorf("with a faint variance %g, plain layers give %g", got, want)
	}
	// The smallest normal numbers count.
	normal := func(w float32) *tensor.Tensor {
		return run(t, build(5, func(b *net, x *model.Value) *model.Value {
			f := b.weights(0, 0, 8, 6, 1, 1)
			for i := range f.Const.Float32s() {
				f.Const.Float32s()[i] = w
			}
			return b.Add("conv", &layer.Conv{Groups: 1}, x, f)
		}), model.Options{}, testInput(7))
	}
	if y := normal(0x1p-126).Float32s(); !slices.ContainsFunc(y, func(v float32) bool { return v != 0 }) {
		t.Error("weights of 2^-126 add nothing")
	}
	if y := normal(math.Float32frombits(0x7fffff)).Float32s(); slices.ContainsFunc(y, func(v float32) bool { return v != 0 }) {
		t.Error("weights below 2^-126 add something")
	}
}
