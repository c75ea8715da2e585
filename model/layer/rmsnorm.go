package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// RMSNorm computes y = scale·x/√(mean(x²)+Epsilon) with the mean over the dimensions from Axis on
// (Zhang, Sennrich: Root Mean Square Layer Normalization, NeurIPS 2019). Inputs: x and scale, which broadcasts to x. The sum is kept in float64.
type RMSNorm struct {
	Axis    int
	Epsilon float32
}

func (*RMSNorm) Kind() string { return "RMSNormalization" }

func (r *RMSNorm) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if _, err := axisOf(r.Axis, len(in[0].Shape)); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if s, err := Broadcast(in[0].Shape, in[1].Shape); err != nil || sizeOf(s) != sizeOf(in[0].Shape) || len(s) != len(in[0].Shape) {
		return nil, fmt.Errorf("scale %s for %s", in[1], in[0])
	}
	return same(in)
}

func (r *RMSNorm) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		rmsNorm[float64](r, in, out[0])
	} else {
		rmsNorm[float32](r, in, out[0])
	}
	return nil
}

func rmsNorm[T real](r *RMSNorm, in []*tensor.Tensor, out *tensor.Tensor) {
	shape := in[0].Shape()
	a, _ := axisOf(r.Axis, len(shape))
	x, y, n := tensor.Data[T](in[0]), tensor.Data[T](out), sizeOf(shape[a:])
	if len(x) == 0 {
		return
	}
	for at := 0; at < len(x); at += n {
		var sum float64
		for _, v := range x[at : at+n] {
			sum += float64(float64(v) * float64(v))
		}
		rms := T(math.Sqrt(sum/float64(n) + float64(r.Epsilon)))
		for i, v := range x[at : at+n] {
			y[at+i] = v / rms
		}
	}
	gain := tensor.Data[T](in[1])
	w := walk(shape, broadcastStrides(in[1].Shape(), shape))
	k, step := w.dim[w.n-1], w.step[0][w.n-1]
	w.rows(func(at int, off [3]int) {
		for i := range k {
			y[at+i] *= gain[off[0]+i*step]
		}
	})
}

// Backward normalises anew: with x̂ = x/rms and g = scale·dy, dx = (g - x̂·mean(g·x̂))/rms.
func (r *RMSNorm) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	s, d := t.Info(in[0]).Shape, make([]Ref, 2)
	a, err := axisOf(r.Axis, len(s))
	if err != nil {
		return d
	}
	var axes []int
	for i := a; i < len(s); i++ {
		axes = append(axes, i)
	}
	mean := func(v Ref) Ref { return scaled(t, sumOver(t, v, true, axes...), 1/float64(max(1, sizeOf(s[a:])))) }
	x := in[0]
	rms := t.Add(&Unary{Fn: Sqrt}, add(t, mean(mul(t, x, x)), scalarOf(t, x, float64(r.Epsilon))))
	unit := div(t, x, rms)
	if want[0] {
		g := mul(t, dout[0], in[1])
		d[0] = div(t, add(t, g, neg(t, mul(t, unit, mean(mul(t, g, unit))))), rms)
	}
	if want[1] {
		d[1] = summedTo(t, mul(t, dout[0], unit), t.Info(in[1]).Shape)
	}
	return d
}
