package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// BatchNormTrain is BatchNorm as it trains: y = scale·(x-mean)/√(var+Epsilon) + bias with mean and variance of each channel of x [N,C,...] over
// the batch. Inputs: x, scale [C], bias [C]. Outputs: y, mean [C], variance [C], the latter Σ (x-mean)²/count; sums are kept in float64.
type BatchNormTrain struct{ Epsilon float32 }

func (*BatchNormTrain) Kind() string { return "BatchNormTrain" }

func (*BatchNormTrain) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := perChannel(in, 3); err != nil {
		return nil, err
	}
	stat := Info{DType: in[0].DType, Shape: in[1].Shape}
	return []Info{{DType: in[0].DType, Shape: in[0].Shape}, stat, stat}, nil
}

func (b *BatchNormTrain) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		batchNormTrain[float64](e, b, in, out)
	} else {
		batchNormTrain[float32](e, b, in, out)
	}
	return nil
}

func batchNormTrain[T real](e *Env, b *BatchNormTrain, in, out []*tensor.Tensor) {
	x := tensor.Data[T](in[0])
	n, c, area := in[0].Dim(0), in[0].Dim(1), sizeOf(in[0].Shape()[2:])
	var stat [2][]T
	for i := range stat {
		if t := optT(out, i+1); t != nil {
			stat[i] = tensor.Data[T](t)
		} else {
			stat[i] = scratch[T](e, c)
		}
	}
	batchMoments(stat[0], stat[1], x, n, area)
	if out[0] != nil {
		applyNorm(tensor.Data[T](out[0]), x, tensor.Data[T](in[1]), tensor.Data[T](in[2]), stat[0], stat[1], n, area, b.Epsilon)
	}
}

func (b *BatchNormTrain) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	x, d := in[0], make([]Ref, 3)
	if len(out) < 3 || out[1] == 0 || out[2] == 0 {
		out = t.AddN(3, b, in...) // the statistics were not asked for
	}
	if dout[0] != 0 {
		d = t.AddN(3, &BatchNormTrainGrad{b.Epsilon}, x, in[1], out[1], out[2], dout[0])
	}
	if !want[0] {
		return d
	}
	// What mean and variance bring beyond y: 1/count and 2·(x-mean)/count.
	shape := t.Info(x).Shape
	wide := make([]int, len(shape)-1)
	for i := range wide {
		wide[i] = 1
	}
	wide[0] = shape[1]
	count := float64(sizeOf(shape)) / float64(max(1, shape[1]))
	extra := func(r Ref) {
		if d[0] != 0 {
			r = add(t, d[0], r)
		}
		d[0] = r
	}
	if len(dout) > 1 && dout[1] != 0 {
		extra(expanded(t, reshaped(t, scaled(t, dout[1], 1/count), wide), shape))
	}
	if len(dout) > 2 && dout[2] != 0 {
		extra(mul(t, t.Add(&Binary{Sub}, x, reshaped(t, out[1], wide)), reshaped(t, scaled(t, dout[2], 2/count), wide)))
	}
	return d
}

// BatchNormTrainGrad computes the gradients of BatchNormTrain. Inputs: x, scale, mean, variance, dy. Outputs: dx, dscale = Σ dy·x̂ and dbias = Σ dy, with
// x̂ = (x-mean)/√(variance+Epsilon) and dx = scale/√(variance+Epsilon)·(dy - (dbias + x̂·dscale)/count). Sums are kept in float64.
type BatchNormTrainGrad struct{ Epsilon float32 }

func (*BatchNormTrainGrad) Kind() string { return "BatchNormTrainGrad" }

func (*BatchNormTrainGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 5, 5); err != nil {
		return nil, err
	}
	return batchNormGradInfer(in)
}

func batchNormGradInfer(in []Info) ([]Info, error) {
	if err := isShape(in, 0, in[4].Shape); in[0].Present() && err != nil {
		return nil, err
	}
	// dy stands for x, which may be left out.
	if err := perChannel([]Info{in[4], in[1], in[2], in[3], in[0]}, 4); err != nil {
		return nil, err
	}
	stat := Info{DType: in[4].DType, Shape: in[1].Shape}
	return []Info{{DType: in[4].DType, Shape: in[4].Shape}, stat, stat}, nil
}

func (b *BatchNormTrainGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	batchNormBack(in, out, b.Epsilon, true)
	return nil
}

// BatchNormGrad computes the gradients of BatchNorm with given statistics. Inputs: x, scale, mean, variance, dy; outputs: dx = dy·scale/√(variance+Epsilon),
// dscale = Σ dy·(x-mean)/√(variance+Epsilon) and dbias = Σ dy. x may be left out where dscale is not used; it is 0 then. Sums are kept in float64.
type BatchNormGrad struct{ Epsilon float32 }

func (*BatchNormGrad) Kind() string { return "BatchNormGrad" }

func (*BatchNormGrad) Infer(in []Info) ([]Info, error) {
	if len(in) == 5 && !in[0].Present() {
		if err := want(in[1:], 4, 4); err != nil {
			return nil, err
		}
	} else if err := want(in, 5, 5); err != nil {
		return nil, err
	}
	return batchNormGradInfer(in)
}

func (b *BatchNormGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	batchNormBack(in, out, b.Epsilon, false)
	return nil
}

func batchNormBack(in, out []*tensor.Tensor, epsilon float32, training bool) {
	if in[4].DType() == tensor.Float64 {
		batchNormBackAny[float64](in, out, epsilon, training)
	} else {
		batchNormBackAny[float32](in, out, epsilon, training)
	}
}

func batchNormBackAny[T real](in, out []*tensor.Tensor, epsilon float32, training bool) {
	x, scale, mean, variance, dy := optData[T](in, 0), tensor.Data[T](in[1]), tensor.Data[T](in[2]), tensor.Data[T](in[3]), tensor.Data[T](in[4])
	dx, dscale, dbias := optData[T](out, 0), optData[T](out, 1), optData[T](out, 2)
	n, c, area := in[4].Dim(0), in[4].Dim(1), sizeOf(in[4].Shape()[2:])
	count := float64(n * area)
	for k := range c {
		mu, inv := float64(mean[k]), 1/math.Sqrt(float64(variance[k])+float64(epsilon))
		var sum, dot float64
		for i := range n {
			at := (i*c + k) * area
			for j, g := range dy[at : at+area] {
				sum += float64(g)
				if x != nil {
					dot += float64(float64(g) * (float64(x[at+j]) - mu))
				}
			}
		}
		dot *= inv
		if dscale != nil {
			dscale[k] = T(dot)
		}
		if dbias != nil {
			dbias[k] = T(sum)
		}
		if dx == nil {
			continue
		}
		m := float64(scale[k]) * inv
		for i := range n {
			at := (i*c + k) * area
			for j, g := range dy[at : at+area] {
				v := float64(g)
				if training {
					v -= (sum + float64((float64(x[at+j])-mu)*inv*dot)) / count
				}
				dx[at+j] = T(m * v)
			}
		}
	}
}

// optData returns the elements of tensor i, or nil where there is none.
func optData[T tensor.Elem](t []*tensor.Tensor, i int) []T {
	if p := optT(t, i); p != nil {
		return tensor.Data[T](p)
	}
	return nil
}

// RowNorm computes x̂ = (x-mean)/√(var+Epsilon) with mean and variance over each Length consecutive elements: what LayerNorm, InstanceNorm and
// GroupNorm scale and shift.
type RowNorm struct {
	Length  int
	Epsilon float32
}

func (*RowNorm) Kind() string { return "RowNorm" }

func (r *RowNorm) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	return r.check(in)
}

func (r *RowNorm) check(in []Info) ([]Info, error) {
	if err := realType(in); err != nil {
		return nil, err
	}
	if n := sizeOf(in[0].Shape); n > 0 && (r.Length < 1 || n%r.Length != 0) {
		return nil, fmt.Errorf("rows of %d in %s", r.Length, in[0])
	}
	return same(in)
}

func (r *RowNorm) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		rowNorm[float64](r, in[0], out[0])
	} else {
		rowNorm[float32](r, in[0], out[0])
	}
	return nil
}

func (r *RowNorm) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&RowNormGrad{r.Length, r.Epsilon}, in[0], dout[0])}
}

func rowNorm[T real](r *RowNorm, in, out *tensor.Tensor) {
	x, y := tensor.Data[T](in), tensor.Data[T](out)
	for at := 0; at < len(x); at += r.Length {
		normalise(y[at:at+r.Length], x[at:at+r.Length], r.Epsilon)
	}
}

// RowNormGrad computes dx of a RowNorm from x and dx̂: (dx̂ - mean(dx̂) - x̂·mean(dx̂·x̂))/√(var+Epsilon) for each Length consecutive elements. Sums are
// kept in float64.
type RowNormGrad struct {
	Length  int
	Epsilon float32
}

func (*RowNormGrad) Kind() string { return "RowNormGrad" }

func (r *RowNormGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := isShape(in, 1, in[0].Shape); err != nil {
		return nil, err
	}
	return (&RowNorm{r.Length, r.Epsilon}).check(in)
}

func (r *RowNormGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		rowNormBackAny[float64](r, in, out[0])
	} else {
		rowNormBackAny[float32](r, in, out[0])
	}
	return nil
}

func rowNormBackAny[T real](r *RowNormGrad, in []*tensor.Tensor, out *tensor.Tensor) {
	n := float64(r.Length)
	for at := 0; at < in[0].Len(); at += r.Length {
		x, g, dx := tensor.Data[T](in[0])[at:at+r.Length], tensor.Data[T](in[1])[at:at+r.Length], tensor.Data[T](out)[at:at+r.Length]
		var mean, square, sum, dot float64
		for i, v := range x {
			mean += float64(v)
			sum += float64(g[i])
		}
		mean /= n
		for i, v := range x {
			d := float64(v) - mean
			square += float64(d * d)
			dot += float64(d * float64(g[i]))
		}
		inv := 1 / math.Sqrt(square/n+float64(r.Epsilon))
		dot *= inv * inv
		for i, v := range x {
			dx[i] = T((float64(g[i]) - (sum+float64((float64(v)-mean)*dot))/n) * inv)
		}
	}
}

// LpNormGrad computes dx of an LpNorm from x and dy: (dy - Σ dy·y · slope)/norm along Axis, slope being the derivative of the norm; 0 where the norm is 0.
// Sums are kept in float64.
type LpNormGrad struct{ LpNorm LpNorm }

func (*LpNormGrad) Kind() string { return "LpNormGrad" }

func (g *LpNormGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := oneType(in); err != nil {
		return nil, err
	}
	if err := isShape(in, 1, in[0].Shape); err != nil {
		return nil, err
	}
	return g.LpNorm.Infer(in[:1])
}

func (g *LpNormGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	a, _ := axisOf(g.LpNorm.Axis, in[0].Rank())
	n, inner := in[0].Dim(a), sizeOf(in[0].Shape()[a+1:])
	if in[0].DType() == tensor.Float64 {
		eachRow(e, n, inner, out[0], in[1], in[0], func(dx, dy, x []float64) { lpNormBack(g.LpNorm.P, dx, dy, x) })
	} else {
		eachRow(e, n, inner, out[0], in[1], in[0], func(dx, dy, x []float32) { lpNormBack(g.LpNorm.P, dx, dy, x) })
	}
	return nil
}

func lpNormBack[T real](p int, dx, dy, x []T) {
	var norm, dot float64
	for i, v := range x {
		norm = addPower(norm, float64(v), p)
		dot += float64(float64(dy[i]) * float64(v))
	}
	norm = rootOf(norm, p)
	for i, v := range x {
		dx[i] = 0
		if norm != 0 {
			dx[i] = T((float64(dy[i]) - float64(dot/norm*normSlope(float64(v), norm, p))) / norm)
		}
	}
}

// LRNGrad computes dx of an LRN from x and dy. It returns the bits of ref.LRNGrad.
type LRNGrad struct{ LRN LRN }

func (*LRNGrad) Kind() string { return "LRNGrad" }

func (g *LRNGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := oneType(in); err != nil {
		return nil, err
	}
	if err := isShape(in, 1, in[0].Shape); err != nil {
		return nil, err
	}
	return g.LRN.Infer(in[:1])
}

func (g *LRNGrad) Work(in, out []Info) int64 { return 2 * g.LRN.Work(in, out) }

func (g *LRNGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	l, c, area := &g.LRN, in[0].Dim(1), sizeOf(in[0].Shape()[2:])
	if in[0].DType() == tensor.Float64 {
		eachRow(e, c, area, out[0], in[1], in[0], l.back64)
	} else {
		eachRow(e, c, area, out[0], in[1], in[0], func(dx, dy, x []float32) { ref.LRNGrad(dx, dy, x, c, l.Size, l.Alpha, l.Beta, l.Bias) })
	}
	return nil
}

// back64 is the gradient of one position.
func (l *LRN) back64(dx, dy, x []float64) {
	d, q := make([]float64, len(x)), make([]float64, len(x))
	l.base64(d, x)
	for k, v := range d {
		// y = x·d^-Beta depends on its own x, and through d = Bias + Alpha/Size·Σ x² on all of its window.
		dx[k] = dy[k] * math.Pow(v, -float64(l.Beta))
		q[k] = dx[k] * x[k] / v
	}
	for k, v := range x {
		last, sum := k+(l.Size-1)/2, 0.0
		for j := max(last-l.Size+1, 0); j < min(last+1, len(x)); j++ {
			sum += q[j]
		}
		dx[k] -= float64(2 * float64(l.Alpha) * float64(l.Beta) / float64(l.Size) * v * sum)
	}
}
