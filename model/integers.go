package model

import (
	"math"
	"slices"
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// exactInts is the greatest magnitude up to which float32 holds every integer.
const exactInts = 1 << 24

// integers computes products of 8-bit integers by the kernels for them, see bytes.go. What these have no form for, depthwise convolutions of unusual windows
// and weights that are no int8 without their zero points, is computed in float32, where the weights show that no sum can leave the integers that float32 holds: every order of
// adding gives the same then.
func (p *ir) integers() {
	var ops []*op
	e := p.edit()
	sums := map[*val]*val{} // in float32, of integers
	for _, o := range p.ops {
		r := rewrite{o: o, sums: sums, left: p.left}
		if static(o) && r.run() {
			ops = append(ops, r.ops...)
			continue
		}
		if c, ok := o.op.(*layer.Cast); ok && c.To == tensor.Float32 && sums[o.in[0]] != nil {
			e.replace[o.out[0]] = sums[o.in[0]]
			e.drop[o] = true
		}
		ops = append(ops, o)
	}
	p.ops = ops
	e.apply()
}

// rewrite is a product of integers that becomes one of other kernels.
type rewrite struct {
	o    *op
	ops  []*op
	sums map[*val]*val
	left *left
}

func (r *rewrite) run() bool {
	in := func(i int) *val {
		if i < len(r.o.in) {
			return r.o.in[i]
		}
		return nil
	}
	switch f := r.o.op.(type) {
	case *layer.ConvInteger:
		return r.conv8(&f.Conv, in(0), in(2), in(1), in(3), nil, nil) || r.widened(r.conv(&f.Conv, in(0), in(2), in(1), in(3), nil))
	case *layer.QLinearConv:
		q := r.requantize(in(1), in(4), in(6), in(7))
		return q != nil && (r.conv8(&f.Conv, in(0), in(2), in(3), in(5), in(8), q) || r.narrowed(q, r.conv(&f.Conv, in(0), in(2), in(3), in(5), in(8)), 1))
	case *layer.MatMulInteger:
		return r.matmul8(in(0), in(2), in(1), in(3), nil, nil, false) || r.widened(r.matmul(in(0), in(2), in(1), in(3)))
	case *layer.QLinearMatMul:
		q := r.requantize(in(1), in(4), in(6), in(7))
		return q != nil && (r.matmul8(in(0), in(2), in(3), in(5), nil, q, false) || r.narrowed(q, r.matmul(in(0), in(2), in(3), in(5)), len(r.o.out[0].info.Shape)-1))
	}
	return false
}

func (r *rewrite) emit(what string, f layer.Op, in []*val, out *val) *op {
	name := r.o.name
	if what != "" {
		name += ":" + what
	}
	o := &op{name: name, op: f, in: in, out: []*val{out}}
	out.def = o
	r.ops = append(r.ops, o)
	return o
}

func (r *rewrite) value(what string, d tensor.DType, shape []int) *val {
	return &val{name: r.o.out[0].name + ":" + what, known: true, info: layer.Info{DType: d, Shape: slices.Clone(shape)}}
}

// shifted emits x less its zero point in float32.
func (r *rewrite) shifted(x, zero *val) *val {
	one := constant(r.o.name+":one", tensor.Scalar[float32](1))
	in := []*val{x, one}
	if zero != nil {
		in = append(in, zero)
	}
	y := r.value("x", tensor.Float32, x.info.Shape)
	r.emit("x", &layer.Dequantize{Axis: 1}, in, y)
	return y
}

// widened makes the integers that are wanted of sums in float32; it returns false where there are none.
func (r *rewrite) widened(sums *val) bool {
	if sums == nil {
		return false
	}
	r.sums[r.o.out[0]] = sums
	r.emit("", &layer.Cast{To: tensor.Int32}, []*val{sums}, r.o.out[0])
	return true
}

// narrowed makes 8-bit integers of sums in float32, whose channels lie along an axis; it returns false where there are none.
func (r *rewrite) narrowed(q *requantize, sums *val, axis int) bool {
	if sums == nil {
		return false
	}
	s := sums.info.Shape
	q.n = s[axis]
	q.inner, _ = tensor.Count(s[axis+1:])
	r.emit("", q, []*val{sums}, r.o.out[0])
	return true
}

// reach is the greatest magnitude of x less its zero point, which is one number.
func reach(x, zero *val) (float64, bool) {
	lo, hi := 0.0, 255.0
	if x.info.DType == tensor.Int8 {
		lo, hi = -128, 127
	} else if x.info.DType != tensor.Uint8 {
		return 0, false
	}
	if zero == nil {
		return max(-lo, hi), true
	}
	if n, _ := tensor.Count(zero.info.Shape); n != 1 {
		return 0, false
	}
	if !zero.constant() {
		return 255, true
	}
	z := float64(zero.info.Value.Floats()[0])
	return max(z-lo, hi-z), true
}

// weights returns constant weights less their zero points, of which there is one or one for every n-th run of inner elements.
func weights(w, zero *val, n, inner int) []float32 {
	if !w.constant() || w.info.DType != tensor.Int8 && w.info.DType != tensor.Uint8 || zero != nil && !zero.constant() {
		return nil
	}
	y := w.info.Value.Floats()
	if inner == 0 || zero == nil {
		return y
	}
	z := zero.info.Value.Floats()
	if len(z) != 1 && len(z) != n {
		return nil
	}
	for i := range y {
		y[i] -= z[i/inner%n%len(z)]
	}
	return y
}

// wide is constant 8-bit weights in float32, less their zero points.
type wide struct {
	w    *val
	sums []float64 // of the magnitudes for each output
}

// wide returns weights that all ops that share them share, or nil. n outputs have inner weights each in a row.
func (r *rewrite) wide(way int, w, zero *val, n, inner int) *wide {
	k := packing{w, zero, way, 0}
	if v, ok := r.left.packs[k]; ok {
		return v.(*wide)
	}
	var y *wide
	if f := weights(w, zero, n, inner); len(f) > 0 {
		y = &wide{constant(w.name+":float", tensor.Of(f, w.info.Shape...)), make([]float64, n)}
		for i, v := range f {
			y.sums[i/inner%n] += math.Abs(float64(v))
		}
	}
	r.left.packs[k] = y
	return y
}

// conv emits a convolution in float32, or returns nil where its sums might not be exact.
func (r *rewrite) conv(c *layer.Conv, x, xz, w, wz, bias *val) *val {
	most, ok := reach(x, xz)
	ws := w.info.Shape
	if !ok || len(ws) < 3 || bias != nil && !bias.constant() {
		return nil
	}
	each, _ := tensor.Count(ws[1:])
	f := r.wide(packWideConv, w, wz, ws[0], each)
	if f == nil {
		return nil
	}
	in := []*val{nil, f.w, nil, nil}
	add := biases(bias)
	for i, sum := range f.sums {
		sum = float64(sum * most)
		if add != nil {
			sum += math.Abs(float64(add[i]))
		}
		if sum > exactInts {
			return nil
		}
	}
	if bias != nil {
		in[2] = constant(bias.name+":float", tensor.Of(bias.info.Value.Floats(), ws[0]))
	}
	in[0] = r.shifted(x, xz)
	y := r.value("sums", tensor.Float32, r.o.out[0].info.Shape)
	n := r.emit("", &fused{Op: &layer.Conv{Window: c.Window, Groups: c.Groups}, kind: "Conv", exact: true}, in, y)
	n.macs, n.params = r.o.macs, r.o.params
	return y
}

// matmul emits a product with constant weights [K,N], or returns nil.
func (r *rewrite) matmul(x, xz, w, wz *val) *val {
	most, ok := reach(x, xz)
	if !ok || len(w.info.Shape) != 2 || len(x.info.Shape) < 2 {
		return nil
	}
	f := r.wide(packWideDense, w, wz, w.info.Shape[1], 1)
	if f == nil || slices.Max(f.sums) > exactInts/most {
		return nil
	}
	y := r.value("sums", tensor.Float32, r.o.out[0].info.Shape)
	o := r.emit("", &layer.MatMul{}, []*val{r.shifted(x, xz), f.w}, y)
	o.macs, o.params = r.o.macs, r.o.params
	return y
}

// requantize returns what makes 8-bit integers of sums, or nil where its numbers are not all constant, or not finite.
func (r *rewrite) requantize(xs, ws, ys, yz *val) *requantize {
	a, ok := xs.scalar()
	c, okc := ys.scalar()
	b := ws.floats()
	if !ok || !okc || len(b) == 0 || !yz.constant() || yz.info.Value.Len() != 1 {
		return nil
	}
	inf := float32(math.Inf(1))
	q := &requantize{to: r.o.out[0].info.DType, zero: yz.info.Value.Floats()[0], scale: make([]float32, len(b)), least: -inf, most: inf}
	for i, v := range b {
		q.scale[i] = float32(a*v) / c
		if math.IsNaN(float64(q.scale[i])) || math.IsInf(float64(q.scale[i]), 0) {
			return nil
		}
	}
	return q
}

// requantize computes y = saturate(round(x·scale) + zero), ties to even, x being integers as float32.
type requantize struct {
	fastOp
	to       tensor.DType
	zero     float32
	scale    []float32 // one, or one for every n-th run of inner elements
	n, inner int

	least, most float32 // the rounded number is clipped to them before zero is added; see kernel
}

func (*requantize) Kind() string { return "Requantize" }

func (q *requantize) scratch(threads int) int { return threads * q.width() }

// width is how many numbers are computed at a time.
func (q *requantize) width() int { return max(1024, q.n) }

func (q *requantize) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := requantizeTasks.Get().(*requantizeTask)
	t.q, t.dst, t.src = q, out[0].Raw(), in[0].Float32s()
	// A tile is whole rows of n channels, or whole channels of a picture.
	run := q.n
	if q.inner > 1 {
		run = q.inner
	}
	t.scratch, t.piece = e.Floats(q.scratch(e.Team.Threads())), max(1, mapPiece/run)*run
	e.Team.Run(t, (len(t.dst)+t.piece-1)/t.piece)
	*t = requantizeTask{}
	requantizeTasks.Put(t)
	return nil
}

type requantizeTask struct {
	q       *requantize
	dst     []byte
	src     []float32
	scratch []float32 // of each worker
	piece   int
}

var requantizeTasks = sync.Pool{New: func() any { return new(requantizeTask) }}

func (t *requantizeTask) Tile(i, worker int) {
	q := t.q
	buf := t.scratch[worker*q.width():][:q.width()]
	from, to := i*t.piece, min((i+1)*t.piece, len(t.dst))
	switch {
	case len(q.scale) == 1:
		t.run(from, to, q.scale, buf)
	case q.inner == 1:
		t.run(from, to, q.scale, buf[:len(buf)/q.n*q.n])
	default:
		for ; from < to; from += q.inner {
			k := from / q.inner % q.n
			t.run(from, from+q.inner, q.scale[k:k+1], buf)
		}
	}
}

// run computes elements from before to; scale is one number or one for each channel of a row, of which buf holds a whole number.
func (t *requantizeTask) run(from, to int, scale, buf []float32) {
	q := t.q
	lo, hi := layer.Limits8(q.to)
	for ; from < to; from += len(buf) {
		y := buf[:min(len(buf), to-from)]
		x := t.src[from:][:len(y)]
		if len(scale) == 1 {
			kernels.MulScalar(y, x, scale[0])
		} else {
			kernels.MulRow(y, x, scale)
		}
		kernels.Narrow8(t.dst[from:from+len(y)], y, lo-q.zero, hi-q.zero, int32(q.zero))
	}
}
