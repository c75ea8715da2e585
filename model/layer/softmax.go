package layer

import (
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
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

func (s *Softmax) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&SoftmaxGrad{*s}, out[0], dout[0])}
}

// rows returns the number of elements that one softmax goes over, and how far apart they are.
func (s *Softmax) rows(shape []int) (n, inner int) {
	a := s.Axis
	if a < 0 {
		a += len(shape)
	}
	if s.Flatten {
		return sizeOf(shape[a:]), 1
	}
	return shape[a], sizeOf(shape[a+1:])
}

// SoftmaxGrad computes dx of a Softmax from y and dy: y·(dy - Σ dy·y) or, for the logarithm, dy - exp(y)·Σ dy. Sums are kept in float64.
type SoftmaxGrad struct{ Softmax Softmax }

func (*SoftmaxGrad) Kind() string { return "SoftmaxGrad" }

func (g *SoftmaxGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := oneType(in); err != nil {
		return nil, err
	}
	if err := isShape(in, 1, in[0].Shape); err != nil {
		return nil, err
	}
	return g.Softmax.Infer(in[:1])
}

func (g *SoftmaxGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		softmaxBack[float64](&g.Softmax, functions64, in, out[0])
	} else {
		softmaxBack[float32](&g.Softmax, functions32, in, out[0])
	}
	return nil
}

func softmaxBack[T real](s *Softmax, f *functions, in []*tensor.Tensor, out *tensor.Tensor) {
	y, dy, dx := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	if len(y) == 0 {
		return
	}
	n, inner := s.rows(in[0].Shape())
	for r := range len(y) / n {
		base, sum := r/inner*n*inner+r%inner, 0.0
		for i := base; i < base+n*inner; i += inner {
			if s.Log {
				sum += float64(dy[i])
			} else {
				sum += float64(float64(dy[i]) * float64(y[i]))
			}
		}
		for i := base; i < base+n*inner; i += inner {
			if s.Log {
				dx[i] = T(float64(dy[i]) - float64(f.exp(float64(y[i]))*sum))
			} else {
				dx[i] = T(float64(y[i]) * (float64(dy[i]) - sum))
			}
		}
	}
}

func (s *Softmax) Forward(e *Env, in, out []*tensor.Tensor) error {
	n, inner := s.rows(in[0].Shape())
	if in[0].DType() == tensor.Float64 {
		softmax64(s.Log, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]), n, inner)
		return nil
	}
	f := ref.Softmax
	if s.Log {
		f = ref.LogSoftmax
	}
	x, y := in[0].Float32s(), out[0].Float32s()
	if len(x) == 0 {
		return nil
	}
	if inner == 1 {
		f(y, x, n)
		return nil
	}
	from, to := e.Floats(n), e.Floats(n)
	for r := range len(x) / n {
		base := r/inner*n*inner + r%inner
		for k := range from {
			from[k] = x[base+k*inner]
		}
		f(to, from, n)
		for k, v := range to {
			y[base+k*inner] = v
		}
	}
	return nil
}

func softmax64(log bool, y, x []float64, n, inner int) {
	if len(x) == 0 {
		return
	}
	for r := range len(x) / n {
		base := r/inner*n*inner + r%inner
		top, sum := math.Inf(-1), 0.0
		for k := range n {
			top = max(top, x[base+k*inner])
		}
		for k := range n {
			sum += math.Exp(x[base+k*inner] - top)
		}
		for k := range n {
			i := base + k*inner
			if log {
				y[i] = x[i] - top - math.Log(sum)
			} else {
				y[i] = math.Exp(x[i]-top) / sum
			}
		}
	}
}
