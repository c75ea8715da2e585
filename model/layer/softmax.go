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

// SoftmaxGrad computes dx of a Softmax from y and dy: y·(dy - Σ dy·y) or, for the logarithm, dy - exp(y)·Σ dy. It returns the bits of
// ref.SoftmaxGrad and ref.LogSoftmaxGrad.
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
	n, inner := g.Softmax.rows(in[0].Shape())
	switch {
	case in[0].DType() == tensor.Float64:
		eachRow(e, n, inner, out[0], in[1], in[0], g.Softmax.back64)
	case g.Softmax.Log:
		eachRow(e, n, inner, out[0], in[1], in[0], func(dx, dy, y []float32) { ref.LogSoftmaxGrad(dx, dy, y, n) })
	default:
		eachRow(e, n, inner, out[0], in[1], in[0], func(dx, dy, y []float32) { ref.SoftmaxGrad(dx, dy, y, n) })
	}
	return nil
}

// back64 is the gradient of one row.
func (s *Softmax) back64(dx, dy, y []float64) {
	sum := 0.0
	for i, g := range dy {
		if !s.Log {
			g *= y[i]
		}
		sum += g
	}
	for i, g := range dy {
		if s.Log {
			dx[i] = g - float64(math.Exp(y[i])*sum)
		} else {
			dx[i] = y[i] * (g - sum)
		}
	}
}

// eachRow calls f with the rows of tensors of one shape, each n elements that lie inner apart.
func eachRow[T real](e *Env, n, inner int, out, in, other *tensor.Tensor, f func(dst, a, b []T)) {
	y, x, z := tensor.Data[T](out), tensor.Data[T](in), tensor.Data[T](other)
	if len(y) == 0 {
		return
	}
	dst, a, b := scratch[T](e, n), scratch[T](e, n), scratch[T](e, n)
	for r := range len(y) / n {
		base := r/inner*n*inner + r%inner
		for k := range n {
			a[k], b[k] = x[base+k*inner], z[base+k*inner]
		}
		f(dst, a, b)
		for k, v := range dst {
			y[base+k*inner] = v
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

// Hardmax returns 1 at the largest element along Axis, the first of equals, and 0 elsewhere; Flatten is that of Softmax.
type Hardmax struct {
	Axis    int
	Flatten bool
}

func (*Hardmax) Kind() string { return "Hardmax" }

func (h *Hardmax) Infer(in []Info) ([]Info, error) {
	return (&Softmax{Axis: h.Axis, Flatten: h.Flatten}).Infer(in)
}

func (h *Hardmax) Forward(e *Env, in, out []*tensor.Tensor) error {
	n, inner := (&Softmax{Axis: h.Axis, Flatten: h.Flatten}).rows(in[0].Shape())
	if in[0].DType() == tensor.Float64 {
		hardmax(tensor.Data[float64](out[0]), tensor.Data[float64](in[0]), n, inner)
	} else {
		hardmax(out[0].Float32s(), in[0].Float32s(), n, inner)
	}
	return nil
}

func hardmax[T real](y, x []T, n, inner int) {
	clear(y)
	for r := range len(y) / max(1, n) {
		base := r/inner*n*inner + r%inner
		top := base
		for k := 1; k < n; k++ {
			if i := base + k*inner; x[i] > x[top] {
				top = i
			}
		}
		y[top] = 1
	}
}
