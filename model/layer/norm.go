package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// BatchNorm computes y = scale·(x-mean)/√(var+Epsilon) + bias per channel of x [N,C,...]
// (Ioffe, Szegedy: Batch Normalization, ICML 2015). Inputs: x, scale, bias, mean, var, the last four [C].
//
// With Training, mean and variance are the batch's own and two more outputs give the running ones:
// Momentum·old + (1-Momentum)·new.
type BatchNorm struct {
	Epsilon, Momentum float32
	Training          bool
}

func (*BatchNorm) Kind() string { return "BatchNormalization" }

// InPlace allows y to lie where x was.
func (*BatchNorm) InPlace() {}

func (b *BatchNorm) Infer(in []Info) ([]Info, error) {
	if err := want(in, 5, 5); err != nil {
		return nil, err
	}
	if err := perChannel(in, 5); err != nil {
		return nil, err
	}
	return []Info{{DType: in[0].DType, Shape: in[0].Shape}, {DType: in[0].DType, Shape: in[3].Shape}, {DType: in[0].DType, Shape: in[3].Shape}}, nil
}

// perChannel checks that input 0 is [N,C,...] and that the others before input n that are there have one number per channel.
func perChannel(in []Info, n int) error {
	if err := realType(in); err != nil {
		return err
	}
	if err := rank(in, 0, 2, tensor.MaxRank); err != nil {
		return err
	}
	for i, x := range in[1:n] {
		if x.Present() && (len(x.Shape) != 1 || x.Shape[0] != in[0].Shape[1]) {
			return fmt.Errorf("input %d is %s, input 0 is %s", i+1, x, in[0])
		}
	}
	return nil
}

// Factors returns the multiplier and the summand per channel that the layer amounts to, y = m·x + a, not yet rounded to float32.
func (b *BatchNorm) Factors(scale, bias, mean, variance []float32) (m, a []float64) {
	m, a = make([]float64, len(scale)), make([]float64, len(scale))
	for c := range scale {
		m[c], a[c] = b.factor(scale[c], bias[c], mean[c], variance[c])
	}
	return m, a
}

func (b *BatchNorm) factor(scale, bias, mean, variance float32) (m, a float64) {
	return affine(scale, bias, mean, variance, b.Epsilon)
}

// affine returns the multiplier and the summand of a normalisation, y = m·x + a.
func affine[T real](scale, bias, mean, variance T, epsilon float32) (m, a float64) {
	m = float64(scale) / math.Sqrt(float64(variance)+float64(epsilon))
	return m, float64(bias) - float64(float64(mean)*m)
}

func (b *BatchNorm) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		batchNorm[float64](e, b, in, out)
	} else {
		batchNorm[float32](e, b, in, out)
	}
	return nil
}

func batchNorm[T real](e *Env, b *BatchNorm, in, out []*tensor.Tensor) {
	x, y := tensor.Data[T](in[0]), tensor.Data[T](out[0])
	scale, bias := tensor.Data[T](in[1]), tensor.Data[T](in[2])
	var stat [2][]T
	for i := range stat {
		stat[i] = tensor.Data[T](in[3+i])
	}
	n, c, area := in[0].Dim(0), in[0].Dim(1), sizeOf(in[0].Shape()[2:])
	if b.Training {
		now := [2][]T{scratch[T](e, c), scratch[T](e, c)}
		batchMoments(now[0], now[1], x, n, area)
		for i, old := range stat {
			if t := optT(out, i+1); t != nil {
				for k, r := 0, tensor.Data[T](t); k < len(r); k++ {
					r[k] = T(old[k]*T(b.Momentum)) + T(now[i][k]*T(1-b.Momentum))
				}
			}
		}
		stat = now
	}
	applyNorm(y, x, scale, bias, stat[0], stat[1], n, area, b.Epsilon)
}

// batchMoments computes mean and variance of each channel of x [n,C,area] over images and positions; sums are kept in float64.
func batchMoments[T real](mean, variance, x []T, n, area int) {
	c := len(mean)
	for k := range c {
		var sum, sq float64
		for i := range n {
			for _, p := range x[(i*c+k)*area : (i*c+k+1)*area] {
				sum += float64(p)
			}
		}
		mu := sum / float64(n*area)
		for i := range n {
			for _, p := range x[(i*c+k)*area : (i*c+k+1)*area] {
				d := float64(p) - mu
				sq += float64(d * d)
			}
		}
		mean[k], variance[k] = T(mu), T(sq/float64(n*area))
	}
}

// applyNorm computes y = scale·(x-mean)/√(variance+epsilon) + bias for each channel of x [n,C,area].
func applyNorm[T real](y, x, scale, bias, mean, variance []T, n, area int, epsilon float32) {
	c := len(scale)
	for k := range c {
		f, a := affine(scale[k], bias[k], mean[k], variance[k], epsilon)
		for i := range n {
			row := y[(i*c+k)*area : (i*c+k+1)*area]
			for j, v := range x[(i*c+k)*area : (i*c+k+1)*area] {
				row[j] = fma(v, T(f), T(a))
			}
		}
	}
}

// Backward passes gradients through the statistics of the batch if they are used, and to frozen ones if they are wanted.
func (b *BatchNorm) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	x, scale, dy := in[0], in[1], dout[0]
	if b.Training {
		d := make([]Ref, 3)
		// The running statistics are (1-Momentum) parts of the batch's.
		of := []Ref{dy, 0, 0}
		for i := 1; i < len(dout); i++ {
			if dout[i] != 0 {
				of[i] = scaled(t, dout[i], float64(1-b.Momentum))
			}
		}
		if want[0] || want[1] || want[2] {
			d = (&BatchNormTrain{b.Epsilon}).Backward(t, in[:3], nil, of, want[:3])
		}
		d = append(d, 0, 0)
		for i := 1; i < len(dout); i++ {
			if dout[i] != 0 && want[2+i] {
				d[2+i] = scaled(t, dout[i], float64(b.Momentum))
			}
		}
		return d
	}
	if !(want[1] || want[4]) {
		x = 0
	}
	d := append(t.AddN(3, &BatchNormGrad{b.Epsilon}, x, scale, in[3], in[4], dy), 0, 0)
	if !(want[3] || want[4]) {
		return d
	}
	spread := add(t, in[4], scalarOf(t, scale, float64(b.Epsilon)))
	if want[3] { // -scale/√(var+ε)·Σ dy
		d[3] = neg(t, mul(t, d[2], div(t, scale, t.Add(&Unary{Fn: Sqrt}, spread))))
	}
	if want[4] { // -scale/(2·(var+ε))·dscale
		d[4] = scaled(t, mul(t, d[1], div(t, scale, spread)), -0.5)
	}
	return d
}

// InstanceNorm computes y = scale·(x-mean)/√(var+Epsilon) + bias with mean and variance of each channel of each image
// (Ulyanov et al.: Instance Normalization, 2016). Inputs: x [N,C,...], scale [C], bias [C].
type InstanceNorm struct{ Epsilon float32 }

func (*InstanceNorm) Kind() string { return "InstanceNormalization" }

func (*InstanceNorm) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 3, tensor.MaxRank); err != nil {
		return nil, err
	}
	if err := perChannel(in, 3); err != nil {
		return nil, err
	}
	return same(in)
}

func (o *InstanceNorm) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		instanceNorm[float64](o, in, out[0])
	} else {
		instanceNorm[float32](o, in, out[0])
	}
	return nil
}

func instanceNorm[T real](o *InstanceNorm, in []*tensor.Tensor, out *tensor.Tensor) {
	x, y, scale, bias := tensor.Data[T](in[0]), tensor.Data[T](out), tensor.Data[T](in[1]), tensor.Data[T](in[2])
	n := sizeOf(in[0].Shape()[2:])
	for p := 0; n > 0 && p < len(x)/n; p++ {
		c := p % in[0].Dim(1)
		plane := x[p*n : (p+1)*n]
		mean, variance := inOrder(plane)
		inv := 1 / root(variance+T(o.Epsilon))
		for i, v := range plane {
			y[p*n+i] = fma(T((v-mean)*inv), scale[c], bias[c])
		}
	}
}

// Backward normalises anew: x̂ is not kept.
func (o *InstanceNorm) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	s := t.Info(in[0]).Shape
	return rowNormBack(t, in, dout[0], want, sizeOf(s[2:]), o.Epsilon, channelShape(s, 1))
}

// channelShape is the shape in which numbers for parts of the channels, so many each, broadcast to [N,C,...] seen as [N,parts,each,...].
func channelShape(s []int, each int) []int {
	out := make([]int, len(s)-1)
	for i := range out {
		out[i] = 1
	}
	out[0] = s[1] / each
	return out
}

// rowNormBack returns the gradients of y = scale·x̂ + bias, x̂ being x normalised over each length consecutive elements; scale and bias broadcast to x in the shape param,
// or in their own where that is nil.
func rowNormBack(t Tape, in []Ref, dy Ref, want []bool, length int, epsilon float32, param []int) []Ref {
	d := make([]Ref, len(in))
	shaped := func(r Ref) Ref {
		if param == nil {
			return r
		}
		return reshaped(t, r, param)
	}
	summed := func(g, like Ref) Ref {
		s := t.Info(like).Shape
		if param == nil {
			return summedTo(t, g, s)
		}
		return reshaped(t, summedTo(t, g, param), s)
	}
	if want[0] {
		d[0] = t.Add(&RowNormGrad{length, epsilon}, in[0], mul(t, dy, shaped(in[1])))
	}
	if want[1] {
		d[1] = summed(mul(t, dy, t.Add(&RowNorm{length, epsilon}, in[0])), in[1])
	}
	if len(in) > 2 && want[2] {
		d[2] = summed(dy, in[2])
	}
	return d
}

// inOrder returns the mean of x and the mean square distance from it, elements taken in order.
func inOrder[T real](x []T) (mean, variance T) {
	n := T(len(x))
	for _, v := range x {
		mean += v
	}
	mean /= n
	for _, v := range x {
		variance = fma(v-mean, v-mean, variance)
	}
	return mean, variance / n
}

// normalise computes y = (x-mean)/√(var+eps), sums in eight lanes, and returns mean and 1/√(var+eps).
func normalise[T real](y, x []T, eps float32) (mean, inv T) {
	mean, variance := meanVar(x)
	inv = 1 / root(variance+T(eps))
	for i, v := range x {
		y[i] = (v - mean) * inv
	}
	return mean, inv
}

// meanVar returns the mean of x and the mean square distance from it, both sums in eight lanes.
func meanVar[T real](x []T) (mean, variance T) {
	n := T(len(x))
	mean = sum8(x) / n
	var l [8]T
	for i, v := range x {
		l[i&7] = fma(v-mean, v-mean, l[i&7])
	}
	return mean, join8(&l) / n
}

// LayerNorm computes y = scale·(x-mean)/√(var+Epsilon) + bias with mean and variance over the dimensions from Axis on
// (Ba et al.: Layer Normalization, 2016). Inputs: x, scale and, optionally, bias, which broadcast to x. Outputs: y and, optionally, mean and 1/√(var+Epsilon).
type LayerNorm struct {
	Axis    int
	Epsilon float32
}

func (*LayerNorm) Kind() string { return "LayerNormalization" }

func (l *LayerNorm) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	a, err := axisOf(l.Axis, len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	for i, x := range in {
		if !x.Present() {
			continue
		}
		if s, err := Broadcast(in[0].Shape, x.Shape); err != nil || sizeOf(s) != sizeOf(in[0].Shape) || len(s) != len(in[0].Shape) {
			return nil, fmt.Errorf("input %d is %s, input 0 is %s", i, x, in[0])
		}
	}
	stat := append([]int{}, in[0].Shape...)
	for i := a; i < len(stat); i++ {
		stat[i] = 1
	}
	s := Info{DType: in[0].DType, Shape: stat}
	return []Info{{DType: in[0].DType, Shape: in[0].Shape}, s, s}, nil
}

func (l *LayerNorm) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		layerNorm[float64](e, l, in, out)
	} else {
		layerNorm[float32](e, l, in, out)
	}
	return nil
}

func layerNorm[T real](e *Env, l *LayerNorm, in, out []*tensor.Tensor) {
	shape := in[0].Shape()
	a, _ := axisOf(l.Axis, len(shape))
	x, y := tensor.Data[T](in[0]), optData[T](out, 0)
	if y == nil {
		y = scratch[T](e, len(x)) // the statistics alone are wanted
	}
	n := sizeOf(shape[a:])
	for r := 0; n > 0 && r < len(x)/n; r++ {
		mean, inv := normalise(y[r*n:(r+1)*n], x[r*n:(r+1)*n], l.Epsilon)
		if t := optT(out, 1); t != nil {
			tensor.Data[T](t)[r] = mean
		}
		if t := optT(out, 2); t != nil {
			tensor.Data[T](t)[r] = inv
		}
	}
	if len(x) == 0 {
		return
	}
	gain := tensor.Data[T](in[1])
	shift, to := []T{0}, [tensor.MaxRank]int{}
	if b := optT(in, 2); b != nil {
		shift, to = tensor.Data[T](b), broadcastStrides(b.Shape(), shape)
	}
	w := walk(shape, broadcastStrides(in[1].Shape(), shape), to)
	k, sg, sb := w.dim[w.n-1], w.step[0][w.n-1], w.step[1][w.n-1]
	w.rows(func(at int, off [3]int) {
		for i, v := range y[at : at+k] {
			y[at+i] = fma(v, gain[off[0]+i*sg], shift[off[1]+i*sb])
		}
	})
}

// Backward normalises anew: x̂ is not kept.
func (l *LayerNorm) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	s := t.Info(in[0]).Shape
	a, err := axisOf(l.Axis, len(s))
	if err != nil {
		return make([]Ref, len(in))
	}
	for _, g := range dout[1:] {
		if g != 0 {
			return []Ref{refuse(t, "the statistics of a LayerNormalization have no gradient")}
		}
	}
	return rowNormBack(t, in, dout[0], want, sizeOf(s[a:]), l.Epsilon, nil)
}

// GroupNorm computes y = scale·(x-mean)/√(var+Epsilon) + bias with mean and variance over each of Groups groups of channels
// (Wu, He: Group Normalization, ECCV 2018). Inputs: x [N,C,...], scale, bias, both [C] or, with PerGroup, [Groups].
type GroupNorm struct {
	Groups   int
	Epsilon  float32
	PerGroup bool
}

func (*GroupNorm) Kind() string { return "GroupNormalization" }

func (g *GroupNorm) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 3, tensor.MaxRank); err != nil {
		return nil, err
	}
	c := in[0].Shape[1]
	if g.Groups < 1 || c%g.Groups != 0 {
		return nil, fmt.Errorf("%s in %d groups", in[0], g.Groups)
	}
	if g.PerGroup {
		c = g.Groups
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	for i, x := range in[1:] {
		if len(x.Shape) != 1 || x.Shape[0] != c {
			return nil, fmt.Errorf("input %d is %s, input 0 is %s in %d groups", i+1, x, in[0], g.Groups)
		}
	}
	return same(in)
}

func (g *GroupNorm) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		groupNorm[float64](g, in, out[0])
	} else {
		groupNorm[float32](g, in, out[0])
	}
	return nil
}

func groupNorm[T real](g *GroupNorm, in []*tensor.Tensor, out *tensor.Tensor) {
	x, y, scale, bias := tensor.Data[T](in[0]), tensor.Data[T](out), tensor.Data[T](in[1]), tensor.Data[T](in[2])
	c, area := in[0].Dim(1), sizeOf(in[0].Shape()[2:])
	n := c / g.Groups * area
	for r := 0; n > 0 && r < len(x)/n; r++ {
		normalise(y[r*n:(r+1)*n], x[r*n:(r+1)*n], g.Epsilon)
		for i := r * n; i < (r+1)*n; i++ {
			k := i / area % c
			if g.PerGroup {
				k = r % g.Groups
			}
			y[i] = fma(y[i], scale[k], bias[k])
		}
	}
}

// Backward normalises anew: x̂ is not kept.
func (g *GroupNorm) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	s := t.Info(in[0]).Shape
	each := s[1] / g.Groups
	n := each * sizeOf(s[2:])
	if !g.PerGroup {
		return rowNormBack(t, in, dout[0], want, n, g.Epsilon, channelShape(s, 1))
	}
	wide := []int{s[0], g.Groups, n}
	d := rowNormBack(t, []Ref{reshaped(t, in[0], wide), in[1], in[2]}, reshaped(t, dout[0], wide), want, n, g.Epsilon, []int{g.Groups, 1})
	if want[0] {
		d[0] = reshaped(t, d[0], s)
	}
	return d
}

// MeanVarianceNorm computes y = (x-mean)/√(var) with mean and variance along Axes.
type MeanVarianceNorm struct{ Axes []int }

func (*MeanVarianceNorm) Kind() string { return "MeanVarianceNormalization" }

func (m *MeanVarianceNorm) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32); err != nil {
		return nil, err
	}
	if _, err := axesOf(m.Axes, len(in[0].Shape)); err != nil {
		return nil, err
	}
	return same(in)
}

func (m *MeanVarianceNorm) Forward(e *Env, in, out []*tensor.Tensor) error {
	x, shape := in[0], in[0].Shape()
	axes, _ := axesOf(m.Axes, len(shape))
	small := append([]int{}, shape...)
	v := make([]int64, len(axes))
	for i, a := range axes {
		small[a], v[i] = 1, int64(a)
	}
	mean, sq, ax := tensor.New(tensor.Float32, small...), tensor.New(tensor.Float32, small...), tensor.Of(v)
	avg := Reduce{Fn: ReduceMean, KeepDims: true}
	sub := Binary{Sub}
	if err := avg.Forward(e, []*tensor.Tensor{x, ax}, []*tensor.Tensor{mean}); err != nil {
		return err
	}
	if err := sub.Forward(e, []*tensor.Tensor{x, mean}, out); err != nil {
		return err
	}
	d := tensor.New(tensor.Float32, shape...)
	mul := Binary{Mul}
	if err := mul.Forward(e, []*tensor.Tensor{out[0], out[0]}, []*tensor.Tensor{d}); err != nil {
		return err
	}
	if err := avg.Forward(e, []*tensor.Tensor{d, ax}, []*tensor.Tensor{sq}); err != nil {
		return err
	}
	for i, f := 0, sq.Float32s(); i < len(f); i++ {
		f[i] = float32(math.Sqrt(float64(f[i]))) + 1e-9
	}
	div := Binary{Div}
	return div.Forward(e, []*tensor.Tensor{out[0], sq}, out)
}

// LpNorm divides x by (Σ |x|ᴾ)^(1/P) along Axis; P is 1 or 2.
type LpNorm struct{ Axis, P int }

func (*LpNorm) Kind() string { return "LpNormalization" }

func (l *LpNorm) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if l.P != 1 && l.P != 2 {
		return nil, fmt.Errorf("p is %d", l.P)
	}
	if _, err := axisOf(l.Axis, len(in[0].Shape)); err != nil {
		return nil, err
	}
	return same(in)
}

func (l *LpNorm) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&LpNormGrad{*l}, in[0], dout[0])}
}

func (l *LpNorm) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		lpNorm[float64](l, in, out)
	} else {
		lpNorm[float32](l, in, out)
	}
	return nil
}

func lpNorm[T real](l *LpNorm, in, out []*tensor.Tensor) {
	x, y := tensor.Data[T](in[0]), tensor.Data[T](out[0])
	a, _ := axisOf(l.Axis, in[0].Rank())
	n, inner := in[0].Dim(a), sizeOf(in[0].Shape()[a+1:])
	for r := 0; len(x) > 0 && r < len(x)/n; r++ {
		base := r/inner*n*inner + r%inner
		var lane [8]T
		for k := range n {
			lane[k&7] = addPower(lane[k&7], x[base+k*inner], l.P)
		}
		norm := rootOf(join8(&lane), l.P)
		for k := range n {
			y[base+k*inner] = 0
			if norm != 0 {
				y[base+k*inner] = x[base+k*inner] / norm
			}
		}
	}
}

// LRN computes y = x/(Bias + Alpha/Size·Σ x²)^Beta, the sum over the Size channels around each one of x [N,C,...]
// (Krizhevsky, Sutskever, Hinton: ImageNet Classification, NIPS 2012, §3.3).
type LRN struct {
	Size              int
	Alpha, Beta, Bias float32
}

func (*LRN) Kind() string { return "LRN" }

func (l *LRN) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 3, tensor.MaxRank); err != nil {
		return nil, err
	}
	if l.Size < 1 || l.Size > 1<<20 {
		return nil, fmt.Errorf("size is %d", l.Size)
	}
	return same(in)
}

func (l *LRN) Work(in, out []Info) int64 {
	return product(sizeOf(in[0].Shape), min(l.Size, in[0].Shape[1]))
}

func (l *LRN) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&LRNGrad{*l}, in[0], dout[0])}
}

func (l *LRN) Forward(e *Env, in, out []*tensor.Tensor) error {
	c, area := in[0].Dim(1), sizeOf(in[0].Shape()[2:])
	if in[0].DType() == tensor.Float64 {
		eachRow(e, c, area, out[0], in[0], in[0], l.row64)
	} else {
		eachRow(e, c, area, out[0], in[0], in[0], func(y, x, _ []float32) { ref.LRN(y, x, c, l.Size, l.Alpha, l.Beta, l.Bias) })
	}
	return nil
}

// base64 returns what the power is taken of, for each of a position's channels.
func (l *LRN) base64(d, x []float64) {
	for c := range d {
		first, sum := c-(l.Size-1)/2, 0.0
		for j := max(first, 0); j < min(first+l.Size, len(x)); j++ {
			sum += float64(x[j] * x[j])
		}
		d[c] = float64(l.Bias) + float64(float64(l.Alpha)/float64(l.Size)*sum)
	}
}

func (l *LRN) row64(y, x, _ []float64) {
	l.base64(y, x)
	for c, d := range y {
		y[c] = x[c] * math.Pow(d, -float64(l.Beta))
	}
}
