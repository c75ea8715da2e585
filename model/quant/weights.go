package quant

import (
	"math"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Weights rounds weights to int8 with a scale for each position of an axis, that of the outputs: to multiples of a 127th of the greatest magnitude there.
func Weights(w *tensor.Tensor, axis int) (whole, scale *tensor.Tensor) {
	scale = tensor.New(tensor.Float32, w.Dim(axis))
	most := scale.Float32s()
	o := outputs(w, axis)
	for i, v := range w.Float32s() {
		k := o(i)
		most[k] = max(most[k], v, -v)
	}
	for k, m := range most {
		if most[k] = m / 127; !(most[k] >= least) {
			most[k] = 1.0 / 127 // zeros, or as good as that
		}
	}
	return rounded(w, most, o), scale
}

// outputs says which position of an axis an element lies at.
func outputs(w *tensor.Tensor, axis int) func(i int) int {
	inner := 1
	for _, d := range w.Shape()[axis+1:] {
		inner *= d
	}
	n := w.Dim(axis)
	return func(i int) int { return i / inner % n }
}

func rounded(w *tensor.Tensor, scale []float32, o func(i int) int) *tensor.Tensor {
	whole := tensor.New(tensor.Int8, w.Shape()...)
	dst := tensor.Data[int8](whole)
	for i, v := range w.Float32s() {
		dst[i] = int8(min(127, max(-127, math.RoundToEven(float64(v)/float64(scale[o(i)])))))
	}
	return whole
}

// mostBias bounds biases as integers, so that sums have room beside them.
const mostBias = 1 << 30

// fitted is Weights whose scales are large enough for the bias, nil or one number for each output, as integers; x is the scale of the inputs.
// coarser says that this made scales larger.
func fitted(w *tensor.Tensor, axis int, bias []float32, x float32) (whole, scale *tensor.Tensor, coarser bool) {
	whole, scale = Weights(w, axis)
	s := scale.Float32s()
	for k, b := range bias {
		if need := math.Abs(float64(b)) / float64(x) / mostBias; need > float64(s[k]) {
			s[k], coarser = float32(need), true
		}
	}
	if coarser {
		whole = rounded(w, s, outputs(w, axis))
	}
	return whole, scale, coarser
}

// biases rounds a bias to multiples of the scales of weights and of inputs, multiplied as float32: the units of the sums.
func biases(bias, weights []float32, x float32) (ints, scale *tensor.Tensor) {
	ints, scale = tensor.New(tensor.Int32, len(bias)), tensor.New(tensor.Float32, len(bias))
	for k, b := range bias {
		by := float32(x * weights[k])
		scale.Float32s()[k] = by
		tensor.Data[int32](ints)[k] = int32(math.RoundToEven(float64(b) / float64(by)))
	}
	return ints, scale
}
