package layer

import (
	"math"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Softmax computes y = exp(x-max)/Σ exp(x-max) along Axis, or its logarithm (Log). With Flatten, the rule before opset 13,
// the dimensions from Axis on count as one.
type Softmax struct {
	Axis         int
	Log, Flatten bool
}

func (s *Softmax) Kind() string {
	if s.Log {
		return "LogSoftmax"
	}
	return "Softmax"
}

// InPlace allows y to lie where x was.
func (s *Softmax) InPlace() {}

func (s *Softmax) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32, tensor.Float64); err != nil {
		return nil, err
	}
	if n := len(in[0].Shape); !(s.Flatten && s.Axis == n) {
		if _, err := axisOf(s.Axis, n); err != nil {
			return nil, err
		}
	}
	return same(in)
}

func (s *Softmax) Forward(e *Env, in, out []*tensor.Tensor) error {
	shape := in[0].Shape()
	a := s.Axis
	if a < 0 {
		a += len(shape)
	}
	n, inner := sizeOf(shape[a:]), 1
	if !s.Flatten {
		n, inner = shape[a], sizeOf(shape[a+1:])
	}
	if in[0].DType() == tensor.Float64 {
		softmaxRows(s.Log, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]), n, inner)
		return nil
	}
	softmaxRows(s.Log, out[0].Float32s(), in[0].Float32s(), n, inner)
	return nil
}

// softmaxRows sums in eight lanes, as all sums across lanes do.
func softmaxRows[T float32 | float64](log bool, y, x []T, n, inner int) {
	if len(x) == 0 {
		return
	}
	for r := range len(x) / n {
		base := r/inner*n*inner + r%inner
		top := T(math.Inf(-1))
		for k := range n {
			top = maxOf(top, x[base+k*inner])
		}
		var lane [8]T
		for k := range n {
			i := base + k*inner
			v := x[i] - top
			ex := T(math.Exp(float64(v)))
			lane[k&7] += ex
			if log {
				y[i] = v
			} else {
				y[i] = ex
			}
		}
		sum := join8(&lane)
		if log {
			sum = T(math.Log(float64(sum)))
		}
		for k := range n {
			i := base + k*inner
			if log {
				y[i] -= sum
			} else {
				y[i] /= sum
			}
		}
	}
}

func join8[T float32 | float64](l *[8]T) T {
	a, b := l[0]+l[4], l[2]+l[6]
	c, d := l[1]+l[5], l[3]+l[7]
	e, f := a+b, c+d
	return e + f
}
