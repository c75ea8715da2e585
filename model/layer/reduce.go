package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// The reductions, by ONNX's names.
const (
	ReduceSum       Fn = "ReduceSum"
	ReduceMean      Fn = "ReduceMean"
	ReduceProd      Fn = "ReduceProd"
	ReduceMaximum   Fn = "ReduceMax"
	ReduceMinimum   Fn = "ReduceMin"
	ReduceL1        Fn = "ReduceL1"
	ReduceL2        Fn = "ReduceL2"
	ReduceLogSum    Fn = "ReduceLogSum"
	ReduceLogSumExp Fn = "ReduceLogSumExp"
	ReduceSumSquare Fn = "ReduceSumSquare"
)

// Reduce combines elements along the axes that input 1 lists; without it along all of them, or none if NoopIfEmpty is set.
// Elements are taken in row-major order. float32 sums are kept in float32, a mean divides at the end.
type Reduce struct {
	Fn          Fn
	KeepDims    bool
	NoopIfEmpty bool
}

func (r *Reduce) Kind() string { return string(r.Fn) }

// which marks the axes that are reduced.
func (r *Reduce) which(n int, axes []int) (on [tensor.MaxRank]bool, err error) {
	if len(axes) == 0 {
		for i := range n {
			on[i] = !r.NoopIfEmpty
		}
		return on, nil
	}
	axes, err = axesOf(axes, n)
	for _, a := range axes {
		on[a] = true
	}
	return on, err
}

func (r *Reduce) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 2); err != nil {
		return nil, err
	}
	types := []tensor.DType{tensor.Float32, tensor.Float64, tensor.Int32, tensor.Int64, tensor.Uint32, tensor.Uint64}
	if r.Fn == ReduceMaximum || r.Fn == ReduceMinimum {
		types = append(types, tensor.Int8, tensor.Uint8, tensor.Bool)
	}
	if err := isType(in, 0, types...); err != nil {
		return nil, err
	}
	var axes []int
	if opt(in, 1).Present() {
		var err error
		if axes, err = ints(in[1]); err != nil {
			return nil, err
		}
	}
	on, err := r.which(len(in[0].Shape), axes)
	if err != nil {
		return nil, err
	}
	shape := []int{}
	for i, d := range in[0].Shape {
		switch {
		case !on[i]:
			shape = append(shape, d)
		case r.KeepDims:
			shape = append(shape, 1)
		}
	}
	return one(in[0].DType, shape)
}

func (r *Reduce) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	x, d := t.Info(in[0]).Shape, make([]Ref, len(in))
	var axes []int
	if len(in) > 1 && in[1] != 0 {
		axes, _ = ints(t.Info(in[1]))
	}
	on, err := r.which(len(x), axes)
	if err != nil {
		return d
	}
	kept, count := slices.Clone(x), 1
	for i, n := range x {
		if on[i] {
			kept[i], count = 1, count*n
		}
	}
	dy := reshaped(t, dout[0], kept)
	switch r.Fn {
	case ReduceSum:
		d[0] = expanded(t, dy, x)
	case ReduceMean:
		d[0] = expanded(t, scaled(t, dy, 1/float64(max(1, count))), x)
	default:
		d[0] = t.Add(&ReduceGrad{r.Fn}, in[0], reshaped(t, out[0], kept), dy)
	}
	return d
}

// ReduceGrad computes dx of a Reduce other than a sum or a mean from x, y and dy, the last two with reduced dimensions kept. Equal greatest (or least) elements
// share the gradient evenly.
type ReduceGrad struct{ Fn Fn }

func (*ReduceGrad) Kind() string { return "ReduceGrad" }

func (g *ReduceGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if err := isShape(in, 2, in[1].Shape); err != nil {
		return nil, err
	}
	if s, err := Broadcast(in[0].Shape, in[1].Shape); err != nil || !slices.Equal(s, in[0].Shape) || len(in[1].Shape) != len(s) {
		return nil, fmt.Errorf("%s is not made from %s", in[1], in[0])
	}
	return same(in)
}

func (g *ReduceGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		reduceBack[float64](g.Fn, functions64, in, out[0])
	} else {
		reduceBack[float32](g.Fn, functions32, in, out[0])
	}
	return nil
}

func reduceBack[T real](fn Fn, f *functions, in []*tensor.Tensor, out *tensor.Tensor) {
	x, y, dy, dx := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](in[2]), tensor.Data[T](out)
	if len(x) == 0 {
		return
	}
	w := walk(in[0].Shape(), broadcastStrides(in[1].Shape(), in[0].Shape()))
	n, step := w.dim[w.n-1], w.step[0][w.n-1]
	each := func(f func(i, o int)) {
		w.rows(func(at int, off [3]int) {
			for k := range n {
				f(at+k, off[0]+k*step)
			}
		})
	}
	var ties, zeros, others []float64 // of each output: equal extremes; factors that are 0; the product of those that are not
	switch fn {
	case ReduceMaximum, ReduceMinimum:
		ties = make([]float64, len(y))
		each(func(i, o int) {
			if x[i] == y[o] {
				ties[o]++
			}
		})
	case ReduceProd:
		zeros, others = make([]float64, len(y)), make([]float64, len(y))
		for i := range others {
			others[i] = 1
		}
		each(func(i, o int) {
			if x[i] == 0 {
				zeros[o]++
			} else {
				others[o] *= float64(x[i])
			}
		})
	}
	each(func(i, o int) {
		v, r, g := float64(x[i]), float64(y[o]), float64(dy[o])
		switch fn {
		case ReduceMaximum, ReduceMinimum:
			if v != r {
				g = 0
			} else {
				g /= ties[o]
			}
		case ReduceProd:
			switch {
			case zeros[o] == 0:
				g *= others[o] / v
			case zeros[o] == 1 && v == 0:
				g *= others[o]
			default:
				g = 0
			}
		case ReduceL1:
			g *= normSlope(v, 1, 1)
		case ReduceL2:
			g *= normSlope(v, r, 2)
		case ReduceSumSquare:
			g *= 2 * v
		case ReduceLogSum:
			g /= f.exp(r)
		case ReduceLogSumExp:
			g *= f.exp(v - r)
		}
		dx[i] = T(g)
	})
}

func (r *Reduce) Forward(e *Env, in, out []*tensor.Tensor) error {
	var axes []int
	if t := optT(in, 1); t != nil {
		axes, _ = t.Ints()
	}
	on, err := r.which(in[0].Rank(), axes)
	if err != nil {
		return err
	}
	r.along(e, on, in, out)
	return nil
}

// Plan works the axes out once.
func (r *Reduce) Plan(in, out []Info) Op {
	p := &reducePlan{Reduce: *r}
	var axes []int
	if x := opt(in, 1); x.Present() {
		var err error
		if axes, err = ints(x); err != nil {
			return nil
		}
	}
	var err error
	if p.on, err = r.which(len(in[0].Shape), axes); err != nil {
		return nil
	}
	return p
}

type reducePlan struct {
	Reduce
	on [tensor.MaxRank]bool
}

func (p *reducePlan) Forward(e *Env, in, out []*tensor.Tensor) error {
	p.along(e, p.on, in, out)
	return nil
}

func (r *Reduce) along(e *Env, on [tensor.MaxRank]bool, in, out []*tensor.Tensor) {
	switch in[0].DType() {
	case tensor.Float32:
		if in[0].Len() >= manyTerms*out[0].Len() {
			switch r.Fn {
			case ReduceSum, ReduceMean, ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum:
				r.widely(e, on, in[0], out[0])
				return
			}
		}
		reduceAny(r, on, in[0], out[0], in[0].Float32s(), out[0].Float32s())
	case tensor.Float64:
		reduceAny(r, on, in[0], out[0], tensor.Data[float64](in[0]), tensor.Data[float64](out[0]))
	case tensor.Int32:
		reduceAny(r, on, in[0], out[0], tensor.Data[int32](in[0]), tensor.Data[int32](out[0]))
	case tensor.Int64:
		reduceAny(r, on, in[0], out[0], tensor.Data[int64](in[0]), tensor.Data[int64](out[0]))
	case tensor.Uint32:
		reduceAny(r, on, in[0], out[0], tensor.Data[uint32](in[0]), tensor.Data[uint32](out[0]))
	case tensor.Uint64:
		reduceAny(r, on, in[0], out[0], tensor.Data[uint64](in[0]), tensor.Data[uint64](out[0]))
	case tensor.Int8:
		reduceAny(r, on, in[0], out[0], tensor.Data[int8](in[0]), tensor.Data[int8](out[0]))
	case tensor.Uint8, tensor.Bool:
		reduceAny(r, on, in[0], out[0], tensor.Bits[uint8](in[0]), tensor.Bits[uint8](out[0]))
	}
}

// reduceWalk returns the walk over the input that goes through the output, with a step of 0 in reduced dimensions, and how many elements each output has.
func reduceWalk(on [tensor.MaxRank]bool, in *tensor.Tensor) (w strided, count int) {
	var steps [tensor.MaxRank]int
	p, count := 1, 1
	for i := in.Rank() - 1; i >= 0; i-- {
		if on[i] {
			count *= in.Dim(i)
			continue
		}
		steps[i] = p
		p *= in.Dim(i)
	}
	return walk(in.Shape(), steps), count
}

// manyTerms is the length of a sum from which on it is made in float64: the last numbers would be lost in the sum of the others.
const manyTerms = 1 << 12

// widely sums float32 in float64.
func (r *Reduce) widely(e *Env, on [tensor.MaxRank]bool, in, out *tensor.Tensor) {
	x, y := in.Float32s(), out.Float32s()
	sums := tensor.Slice[float64](e.Bytes(8*len(y)), len(y))
	clear(sums)
	w, count := reduceWalk(on, in)
	if len(x) > 0 {
		n, step := w.dim[w.n-1], w.step[0][w.n-1]
		w.rows(func(at int, off [3]int) {
			run, to := x[at:at+n], sums[off[0]:]
			switch {
			case step == 0:
				to[0] += sumRun[float64](r.Fn, run)
			case r.Fn == ReduceL1:
				for i, v := range run {
					to[i] += magnitude(float64(v))
				}
			case r.Fn == ReduceL2 || r.Fn == ReduceSumSquare:
				for i, v := range run {
					to[i] += float64(float64(v) * float64(v))
				}
			default:
				for i, v := range run {
					to[i] += float64(v)
				}
			}
		})
	}
	for i, v := range sums {
		switch r.Fn {
		case ReduceMean:
			v /= float64(count)
		case ReduceL2:
			v = math.Sqrt(v)
		case ReduceLogSum:
			v = math.Log(v)
		}
		y[i] = float32(v)
	}
}

func reduceAny[T number](r *Reduce, on [tensor.MaxRank]bool, in, out *tensor.Tensor, x, y []T) {
	var init T
	switch r.Fn {
	case ReduceProd:
		init = 1
	case ReduceMaximum:
		init = lowest[T](in.DType())
	case ReduceMinimum:
		init = highest[T](in.DType())
	}
	for i := range y {
		y[i] = init
	}
	w, count := reduceWalk(on, in)
	if len(x) > 0 {
		n, step := w.dim[w.n-1], w.step[0][w.n-1]
		var top []T
		var buf [512]float32
		if r.Fn == ReduceLogSumExp {
			// The maximum is taken out first, so that exp cannot overflow.
			top = make([]T, len(y))
			for i := range top {
				top[i] = lowest[T](in.DType())
			}
			w.rows(func(at int, off [3]int) {
				o := off[0]
				for _, v := range x[at : at+n] {
					top[o] = maxOf(top[o], v)
					o += step
				}
			})
			for i, v := range top {
				if math.IsInf(float64(v), 0) {
					top[i] = 0
				}
			}
		}
		w.rows(func(at int, off [3]int) {
			run, to := x[at:at+n], y[off[0]:]
			switch {
			case r.Fn == ReduceLogSumExp:
				for i, v := range run {
					to[i*step] += T(math.Exp(float64(v - top[off[0]+i*step])))
				}
			case step == 0:
				to[0] = foldRun(r.Fn, to[0], run, buf[:])
			default:
				foldRow(r.Fn, to[:n], run)
			}
		})
		for i := range top {
			y[i] = T(math.Log(float64(y[i]))) + top[i]
		}
		if top != nil {
			return
		}
	}
	for i, v := range y {
		switch r.Fn {
		case ReduceMean:
			if isFloat[T]() || count > 0 {
				y[i] = v / T(count)
			}
		case ReduceL2:
			y[i] = T(math.Sqrt(float64(v)))
		case ReduceLogSum, ReduceLogSumExp:
			y[i] = T(math.Log(float64(v)))
		}
	}
}

// foldRun puts all of x into y. Sums of floats have eight parts, whose numbers take turns.
func foldRun[T number](fn Fn, y T, x []T, buf []float32) T {
	if f, ok := any(x).([]float32); ok && len(x) >= 16 && (fn == ReduceMaximum || fn == ReduceMinimum) {
		return T(extremeOf(float32(y), f, fn == ReduceMinimum, buf))
	}
	switch fn {
	case ReduceProd:
		for _, v := range x {
			y *= v
		}
	case ReduceMaximum:
		for _, v := range x {
			y = maxOf(y, v)
		}
	case ReduceMinimum:
		for _, v := range x {
			y = minOf(y, v)
		}
	default:
		y += sumRun[T](fn, x)
	}
	return y
}

// extremeOf puts all of x into y, the greatest or the least of its numbers so far. Of zeros the last one counts, and a NaN where nothing follows it.
func extremeOf(y float32, x []float32, least bool, buf []float32) float32 {
	for len(x) > 0 {
		n := len(x)
		if least {
			n = min(n, len(buf))
		}
		part, m := x[:n], float32(0)
		x = x[n:]
		if least {
			kernels.Neg(buf[:n], part)
			m = -kernels.MaxElement(buf[:n])
		} else {
			m = kernels.MaxElement(part)
		}
		switch {
		case m != m:
			for _, v := range part {
				if least {
					y = minOf(y, v)
				} else {
					y = maxOf(y, v)
				}
			}
			continue
		case m == 0:
			for n--; part[n] != 0; n-- {
			}
			m = part[n]
		}
		if least {
			y = minOf(y, m)
		} else {
			y = maxOf(y, m)
		}
	}
	return y
}

// sumRun adds up x, its magnitudes or its squares.
func sumRun[S, T number](fn Fn, x []T) S {
	var s0, s1, s2, s3, s4, s5, s6, s7 S
	switch fn {
	case ReduceL1:
		for ; len(x) >= 8; x = x[8:] {
			s0 += magnitude(S(x[0]))
			s1 += magnitude(S(x[1]))
			s2 += magnitude(S(x[2]))
			s3 += magnitude(S(x[3]))
			s4 += magnitude(S(x[4]))
			s5 += magnitude(S(x[5]))
			s6 += magnitude(S(x[6]))
			s7 += magnitude(S(x[7]))
		}
		for _, v := range x {
			s0 += magnitude(S(v))
		}
	case ReduceL2, ReduceSumSquare:
		for ; len(x) >= 8; x = x[8:] {
			s0 += S(S(x[0]) * S(x[0]))
			s1 += S(S(x[1]) * S(x[1]))
			s2 += S(S(x[2]) * S(x[2]))
			s3 += S(S(x[3]) * S(x[3]))
			s4 += S(S(x[4]) * S(x[4]))
			s5 += S(S(x[5]) * S(x[5]))
			s6 += S(S(x[6]) * S(x[6]))
			s7 += S(S(x[7]) * S(x[7]))
		}
		for _, v := range x {
			s0 += S(S(v) * S(v))
		}
	default:
		for ; len(x) >= 8; x = x[8:] {
			s0 += S(x[0])
			s1 += S(x[1])
			s2 += S(x[2])
			s3 += S(x[3])
			s4 += S(x[4])
			s5 += S(x[5])
			s6 += S(x[6])
			s7 += S(x[7])
		}
		for _, v := range x {
			s0 += S(v)
		}
	}
	return (s0 + s1) + (s2 + s3) + ((s4 + s5) + (s6 + s7))
}

func magnitude[T number](v T) T {
	if v < 0 {
		return -v
	}
	return v
}

// foldRow puts each element of x into that of y.
func foldRow[T number](fn Fn, y, x []T) {
	f, float := any(y).([]float32)
	switch fn {
	case ReduceProd:
		for i, v := range x {
			y[i] *= v
		}
	case ReduceMaximum:
		if float {
			kernels.Max(f, f, any(x).([]float32))
			return
		}
		for i, v := range x {
			y[i] = maxOf(y[i], v)
		}
	case ReduceMinimum:
		if float {
			kernels.Min(f, f, any(x).([]float32))
			return
		}
		for i, v := range x {
			y[i] = minOf(y[i], v)
		}
	case ReduceL1:
		for i, v := range x {
			y[i] += magnitude(v)
		}
	case ReduceL2, ReduceSumSquare:
		for i, v := range x {
			y[i] += T(v * v)
		}
	default:
		if float {
			kernels.Add(f, f, any(x).([]float32))
			return
		}
		addTo(y, y, x)
	}
}

func isFloat[T number]() bool {
	var t T = 1
	return t/2 != 0
}

// lowest is the identity of max: -Inf or the smallest integer.
func lowest[T number](d tensor.DType) T {
	switch d {
	case tensor.Float32, tensor.Float64:
		return T(math.Inf(-1))
	case tensor.Int8:
		v := int64(math.MinInt8)
		return T(v)
	case tensor.Int32:
		v := int64(math.MinInt32)
		return T(v)
	case tensor.Int64:
		v := int64(math.MinInt64)
		return T(v)
	}
	return 0
}

// highest is the identity of min: +Inf or the largest integer.
func highest[T number](d tensor.DType) T {
	switch d {
	case tensor.Float32, tensor.Float64:
		return T(math.Inf(1))
	case tensor.Int8:
		v := int64(math.MaxInt8)
		return T(v)
	case tensor.Int32:
		v := int64(math.MaxInt32)
		return T(v)
	case tensor.Int64:
		v := int64(math.MaxInt64)
		return T(v)
	case tensor.Bool:
		return 1
	case tensor.Uint8:
		v := uint64(math.MaxUint8)
		return T(v)
	case tensor.Uint32:
		v := uint64(math.MaxUint32)
		return T(v)
	}
	v := uint64(math.MaxUint64)
	return T(v)
}

// ArgReduce returns the position of the largest (Max) or smallest element along Axis; of equals the first, or the Last.
type ArgReduce struct {
	Max, KeepDims, Last bool
	Axis                int
}

func (a *ArgReduce) Kind() string {
	if a.Max {
		return "ArgMax"
	}
	return "ArgMin"
}

func (a *ArgReduce) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, numeric...); err != nil {
		return nil, err
	}
	ax, err := axisOf(a.Axis, len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	if in[0].Shape[ax] == 0 {
		return nil, fmt.Errorf("nothing along dimension %d of %s", ax, in[0])
	}
	shape := slices.Clone(in[0].Shape)
	if a.KeepDims {
		shape[ax] = 1
	} else {
		shape = slices.Delete(shape, ax, ax+1)
	}
	return one(tensor.Int64, shape)
}

func (a *ArgReduce) Forward(e *Env, in, out []*tensor.Tensor) error {
	ax, _ := axisOf(a.Axis, in[0].Rank())
	switch in[0].DType() {
	case tensor.Float32:
		argAny[float32](a, e, in[0], out[0], ax)
	case tensor.Float64:
		argAny[float64](a, e, in[0], out[0], ax)
	case tensor.Int8:
		argAny[int8](a, e, in[0], out[0], ax)
	case tensor.Int16:
		argAny[int16](a, e, in[0], out[0], ax)
	case tensor.Int32:
		argAny[int32](a, e, in[0], out[0], ax)
	case tensor.Int64:
		argAny[int64](a, e, in[0], out[0], ax)
	case tensor.Uint8:
		argAny[uint8](a, e, in[0], out[0], ax)
	case tensor.Uint16:
		argAny[uint16](a, e, in[0], out[0], ax)
	case tensor.Uint32:
		argAny[uint32](a, e, in[0], out[0], ax)
	case tensor.Uint64:
		argAny[uint64](a, e, in[0], out[0], ax)
	}
	return nil
}

func argAny[T interface {
	number
	tensor.Elem
}](a *ArgReduce, e *Env, in, out *tensor.Tensor, axis int) {
	x, y := tensor.Data[T](in), out.Int64s()
	n, inner := in.Dim(axis), sizeOf(in.Shape()[axis+1:])
	switch {
	case len(x) == 0:
	case a.Last:
		for i := range y {
			base := i/inner*n*inner + i%inner
			best, at := x[base], 0
			for k := 1; k < n; k++ {
				v := x[base+k*inner]
				if a.Max && v > best || !a.Max && v < best || v == best {
					best, at = v, k
				}
			}
			y[i] = int64(at)
		}
	case inner == 1:
		for i := range y {
			row := x[i*n : (i+1)*n]
			if f, ok := any(row).([]float32); ok && a.Max {
				if at := kernels.ArgMax(f); f[at] == f[at] {
					y[i] = int64(at)
					continue
				}
			}
			y[i] = int64(extreme(row, a.Max))
		}
	default:
		best := scratch[T](e, min(inner, columns))
		for r := 0; r < len(x); r += n * inner {
			for c := 0; c < inner; c += columns {
				m := min(columns, inner-c)
				extremes(x[r+c:r+n*inner], inner, a.Max, best[:m], y[r/n+c:])
			}
		}
	}
}

// extreme returns the position of the first of the largest (or smallest) elements of x.
func extreme[T number](x []T, largest bool) (at int) {
	best := x[0]
	if largest {
		for i, v := range x {
			if v > best {
				best, at = v, i
			}
		}
		return at
	}
	for i, v := range x {
		if v < best {
			best, at = v, i
		}
	}
	return at
}

// columns is how many neighbouring columns are looked at together where an axis that is not the last is searched.
const columns = 256

// extremes finds the largest (or smallest) elements of the first len(best) columns of x, whose rows have step elements, and the rows where each first appears.
// Where it returns true a NaN is in a column with other elements; it has won only where it is the first.
func extremes[T number](x []T, step int, largest bool, best []T, at []int64) (nan bool) {
	at = at[:len(best)]
	copy(best, x)
	clear(at)
	for k := 1; k*step < len(x); k++ {
		row := x[k*step:][:len(best)]
		if largest {
			for i, v := range row {
				if v <= best[i] {
					continue
				}
				if v > best[i] {
					best[i], at[i] = v, int64(k)
				} else {
					nan = true
				}
			}
			continue
		}
		for i, v := range row {
			if v >= best[i] {
				continue
			}
			if v < best[i] {
				best[i], at[i] = v, int64(k)
			} else {
				nan = true
			}
		}
	}
	return nan
}

// CumSum returns running sums along the axis that input 1 names: Exclusive ones leave out the element itself, Reverse ones run from the end.
type CumSum struct{ Exclusive, Reverse bool }

func (*CumSum) Kind() string { return "CumSum" }

func (*CumSum) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32, tensor.Float64, tensor.Int32, tensor.Int64, tensor.Uint32, tensor.Uint64); err != nil {
		return nil, err
	}
	axis, err := ints(in[1])
	if err != nil && err != ErrUnknown {
		return nil, err
	}
	if err == nil {
		if len(axis) != 1 {
			return nil, fmt.Errorf("the axis is %s", in[1])
		}
		if _, err := axisOf(axis[0], len(in[0].Shape)); err != nil {
			return nil, err
		}
	}
	return same(in)
}

func (c *CumSum) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&CumSum{Exclusive: c.Exclusive, Reverse: !c.Reverse}, dout[0], in[1]), 0}
}

func (c *CumSum) Forward(e *Env, in, out []*tensor.Tensor) error {
	v, ok := in[1].Ints()
	if !ok || len(v) != 1 {
		return fmt.Errorf("the axis is %v", in[1])
	}
	a, err := axisOf(v[0], in[0].Rank())
	if err != nil {
		return err
	}
	switch in[0].DType() {
	case tensor.Float32:
		cumAny[float32](c, in[0], out[0], a)
	case tensor.Float64:
		cumAny[float64](c, in[0], out[0], a)
	case tensor.Int32:
		cumAny[int32](c, in[0], out[0], a)
	case tensor.Int64:
		cumAny[int64](c, in[0], out[0], a)
	case tensor.Uint32:
		cumAny[uint32](c, in[0], out[0], a)
	case tensor.Uint64:
		cumAny[uint64](c, in[0], out[0], a)
	}
	return nil
}

func cumAny[T interface {
	number
	tensor.Elem
}](c *CumSum, in, out *tensor.Tensor, axis int) {
	x, y := tensor.Data[T](in), tensor.Data[T](out)
	n, inner := in.Dim(axis), sizeOf(in.Shape()[axis+1:])
	if len(x) == 0 {
		return
	}
	for r := 0; r < len(x); r += n * inner {
		at, step := r, inner
		if c.Reverse {
			at, step = r+(n-1)*inner, -inner
		}
		if inner == 1 {
			var sum T
			for range n {
				v := x[at]
				if c.Exclusive {
					y[at] = sum
					sum += v
				} else {
					sum += v
					y[at] = sum
				}
				at += step
			}
			continue
		}
		for k := range n {
			to, from := y[at:at+inner], x[at:at+inner]
			if c.Exclusive && k > 0 {
				from = x[at-step:][:inner]
			}
			switch {
			case k > 0:
				addTo(to, y[at-step:][:inner], from)
			case c.Exclusive:
				clear(to)
			default: // 0+x, which is not x where that is -0
				clear(to)
				addTo(to, to, from)
			}
			at += step
		}
	}
}

// addTo computes z = a + b; z may be a.
func addTo[T number](z, a, b []T) {
	a, b = a[:len(z)], b[:len(z)]
	for i := range z {
		z[i] = a[i] + b[i]
	}
}
