package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// MaxPoolGrad computes dx of a MaxPool from x, y and dy: each window's dy goes to the first of its greatest elements in row-major order, or to the first
// NaN where y is one. It returns the bits of ref.PoolGrad.
type MaxPoolGrad struct{ MaxPool MaxPool }

func (*MaxPoolGrad) Kind() string { return "MaxPoolGrad" }

func (g *MaxPoolGrad) Infer(in []Info) ([]Info, error) { return pooledInfer(in, &g.MaxPool.Window) }

// pooledInfer is the rule of gradients that take x, y and dy of a pooling.
func pooledInfer(in []Info, w *Window) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s, err := w.over(in[0].Shape, w.Kernel)
	if err != nil {
		return nil, err
	}
	for i := range 2 {
		if err := isShape(in, i+1, s.shape(in[0].Shape[0], in[0].Shape[1], len(w.Kernel))); err != nil {
			return nil, err
		}
	}
	return same(in)
}

func (g *MaxPoolGrad) Work(in, out []Info) int64 { return g.MaxPool.work(in, in[1:]) }

func (g *MaxPoolGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := g.MaxPool.over(in[0].Shape(), g.MaxPool.Kernel)
	if err != nil {
		return err
	}
	if in[0].DType() == tensor.Float64 {
		maxPoolBack[float64](&s, in, out[0])
	} else {
		maxPoolBack[float32](&s, in, out[0])
	}
	return nil
}

func maxPoolBack[T real](s *span, in []*tensor.Tensor, out *tensor.Tensor) {
	x, y, dy, dx := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](in[2]), tensor.Data[T](out)
	clear(dx)
	s.windows(in[0].Dim(0)*in[0].Dim(1), func(o, base int, lo, hi *[3]int) {
		for z := lo[0]; z < hi[0]; z += s.dilation[0] {
			for r := lo[1]; r < hi[1]; r += s.dilation[1] {
				row := base + (z*s.in[1]+r)*s.in[2]
				for c := lo[2]; c < hi[2]; c += s.dilation[2] {
					if v := x[row+c]; v == y[o] || v != v && y[o] != y[o] {
						dx[row+c] += dy[o]
						return
					}
				}
			}
		}
	})
}

// AveragePoolGrad computes dx, of Shape, of an AveragePool from dy: each window's dy is spread evenly over its elements. It returns the bits of ref.PoolGrad.
type AveragePoolGrad struct {
	AveragePool AveragePool
	Shape       []int
}

func (*AveragePoolGrad) Kind() string { return "AveragePoolGrad" }

func (g *AveragePoolGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	w := &g.AveragePool.Window
	s, err := w.over(g.Shape, w.Kernel)
	if err != nil {
		return nil, err
	}
	if err := isShape(in, 0, s.shape(g.Shape[0], g.Shape[1], len(w.Kernel))); err != nil {
		return nil, err
	}
	return one(in[0].DType, g.Shape)
}

func (g *AveragePoolGrad) Work(in, out []Info) int64 { return g.AveragePool.work(out, in) }

func (g *AveragePoolGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := g.AveragePool.over(g.Shape, g.AveragePool.Kernel)
	if err != nil {
		return err
	}
	if in[0].DType() == tensor.Float64 {
		averagePoolBack(g, &s, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]))
	} else {
		averagePoolBack(g, &s, out[0].Float32s(), in[0].Float32s())
	}
	return nil
}

func averagePoolBack[T real](g *AveragePoolGrad, s *span, dx, dy []T) {
	clear(dx)
	s.windows(g.Shape[0]*g.Shape[1], func(o, base int, lo, hi *[3]int) {
		n := 1
		for d := range 3 {
			n *= max(0, (hi[d]-lo[d]+s.dilation[d]-1)/s.dilation[d])
		}
		if g.AveragePool.CountPad {
			n = s.padded(o)
		}
		v := dy[o] / T(n)
		for z := lo[0]; z < hi[0]; z += s.dilation[0] {
			for r := lo[1]; r < hi[1]; r += s.dilation[1] {
				row := base + (z*s.in[1]+r)*s.in[2]
				for c := lo[2]; c < hi[2]; c += s.dilation[2] {
					dx[row+c] += v
				}
			}
		}
	})
}

// LpPoolGrad computes dx of an LpPool from x, y and dy: Σ dy·sign(x)·(|x|/y)^(P-1) over the windows of each element, 0 where y is.
// For P = 2 it returns the bits of ref.PoolGrad.
type LpPoolGrad struct{ LpPool LpPool }

func (*LpPoolGrad) Kind() string { return "LpPoolGrad" }

func (g *LpPoolGrad) Infer(in []Info) ([]Info, error) { return pooledInfer(in, &g.LpPool.Window) }

func (g *LpPoolGrad) Work(in, out []Info) int64 { return g.LpPool.work(in, in[1:]) }

func (g *LpPoolGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := g.LpPool.over(in[0].Shape(), g.LpPool.Kernel)
	if err != nil {
		return err
	}
	if in[0].DType() == tensor.Float64 {
		lpPoolBack[float64](&s, g.LpPool.P, in, out[0])
	} else {
		lpPoolBack[float32](&s, g.LpPool.P, in, out[0])
	}
	return nil
}

func lpPoolBack[T real](s *span, p int, in []*tensor.Tensor, out *tensor.Tensor) {
	x, y, dy, dx := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](in[2]), tensor.Data[T](out)
	clear(dx)
	s.windows(in[0].Dim(0)*in[0].Dim(1), func(o, base int, lo, hi *[3]int) {
		var g T
		if y[o] > 0 {
			g = dy[o] / y[o]
		}
		for z := lo[0]; z < hi[0]; z += s.dilation[0] {
			for r := lo[1]; r < hi[1]; r += s.dilation[1] {
				row := base + (z*s.in[1]+r)*s.in[2]
				for c := lo[2]; c < hi[2]; c += s.dilation[2] {
					if p == 2 {
						dx[row+c] = fma(g, x[row+c], dx[row+c])
						continue
					}
					dx[row+c] += T(float64(dy[o]) * normSlope(float64(x[row+c]), float64(y[o]), p))
				}
			}
		}
	})
}

// normSlope is the derivative of norm = (Σ |x|ᴾ)^(1/P) by an x: sign(x)·(|x|/norm)^(P-1), 0 where the norm is.
func normSlope(x, norm float64, p int) float64 {
	if x == 0 || norm == 0 {
		return 0
	}
	v := 1.0
	for range p - 1 {
		v *= math.Abs(x) / norm
	}
	return math.Copysign(v, x)
}

// GlobalPoolGrad computes dx, of Shape, of a GlobalPool from x, y and dy; x and y are left out for GlobalAveragePool. The gradient of a maximum
// goes to the first of the greatest elements.
type GlobalPoolGrad struct {
	GlobalPool GlobalPool
	Shape      []int
}

func (*GlobalPoolGrad) Kind() string { return "GlobalPoolGrad" }

func (g *GlobalPoolGrad) Infer(in []Info) ([]Info, error) {
	if len(in) != 3 || !in[2].Present() {
		return nil, fmt.Errorf("the inputs are not x, y and dy")
	}
	if err := realType(in[2:]); err != nil {
		return nil, err
	}
	out, err := g.GlobalPool.Infer([]Info{{DType: in[2].DType, Shape: g.Shape}})
	if err != nil {
		return nil, err
	}
	if g.GlobalPool.Fn != GlobalAveragePool {
		if err := want(in, 3, 3); err != nil {
			return nil, err
		}
		if err := oneType(in); err != nil {
			return nil, err
		}
		for i, s := range [][]int{g.Shape, out[0].Shape} {
			if err := isShape(in, i, s); err != nil {
				return nil, err
			}
		}
	}
	if err := isShape(in, 2, out[0].Shape); err != nil {
		return nil, err
	}
	return one(in[2].DType, g.Shape)
}

func (g *GlobalPoolGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[2].DType() == tensor.Float64 {
		globalPoolBack[float64](&g.GlobalPool, in, out[0])
	} else {
		globalPoolBack[float32](&g.GlobalPool, in, out[0])
	}
	return nil
}

func globalPoolBack[T real](g *GlobalPool, in []*tensor.Tensor, out *tensor.Tensor) {
	x, y, dy, dx := optData[T](in, 0), optData[T](in, 1), tensor.Data[T](in[2]), tensor.Data[T](out)
	n := len(dx) / max(1, len(dy))
	for o, v := range dy {
		to := dx[o*n : (o+1)*n]
		switch g.Fn {
		case GlobalAveragePool:
			v /= T(n)
			for i := range to {
				to[i] = v
			}
		case GlobalMaxPool:
			clear(to)
			for i, p := range x[o*n : (o+1)*n] {
				if p == y[o] || p != p && y[o] != y[o] {
					to[i] = v
					break
				}
			}
		default:
			for i, p := range x[o*n : (o+1)*n] {
				to[i] = T(float64(v) * normSlope(float64(p), float64(y[o]), g.P))
			}
		}
	}
}
