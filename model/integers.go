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

// mostParts is how many parts of the input channels a convolution of integers is computed in at most, so that its sums stay exact.
const mostParts = 16

// integers computes products of 8-bit integers in float32, where their weights show that no sum can leave the integers that float32 holds: every order
// of adding gives the same then, and the kernels of float32 are the fastest there are. Convolutions that have larger sums are computed in parts of their
// input channels, which are added as integers.
func (p *ir) integers() {
	var ops []*op
	e := p.edit()
	sums := map[*val]*val{} // in float32, of integers
	for _, o := range p.ops {
		r := rewrite{o: o, sums: sums}
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

// rewrite is a product of integers that becomes one of float32.
type rewrite struct {
	o    *op
	ops  []*op
	sums map[*val]*val
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
		parts := r.conv(&f.Conv, in(0), in(2), in(1), in(3), nil)
		return parts != nil && r.widened(parts)
	case *layer.QLinearConv:
		q := r.requantize(in(1), in(4), in(6), in(7))
		if q == nil {
			return false
		}
		parts := r.conv(&f.Conv, in(0), in(2), in(3), in(5), in(8))
		if parts == nil {
			return false
		}
		s := parts[0].info.Shape
		q.n = s[1]
		q.inner, _ = tensor.Count(s[2:])
		r.emit("", q, parts, r.o.out[0])
		return true
	case *layer.MatMulInteger:
		y := r.matmul(in(0), in(2), in(1), in(3))
		return y != nil && r.widened([]*val{y})
	case *layer.QLinearMatMul:
		q := r.requantize(in(1), in(4), in(6), in(7))
		if q == nil {
			return false
		}
		y := r.matmul(in(0), in(2), in(3), in(5))
		if y == nil {
			return false
		}
		s := y.info.Shape
		q.n, q.inner = s[len(s)-1], 1
		r.emit("", q, []*val{y}, r.o.out[0])
		return true
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

// widened makes the integers that are wanted of sums in float32.
func (r *rewrite) widened(parts []*val) bool {
	out := r.o.out[0]
	if len(parts) == 1 {
		r.sums[out] = parts[0]
		r.emit("", &layer.Cast{To: tensor.Int32}, parts, out)
		return true
	}
	var y *val
	for i, v := range parts {
		w := r.value("part", tensor.Int32, v.info.Shape)
		r.emit("", &layer.Cast{To: tensor.Int32}, []*val{v}, w)
		if i == 0 {
			y = w
			continue
		}
		z := out
		if i+1 < len(parts) {
			z = r.value("sum", tensor.Int32, v.info.Shape)
		}
		r.emit("", &layer.Binary{Fn: layer.Add}, []*val{y, w}, z)
		y = z
	}
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

// conv emits a convolution, in parts of the input channels where it has to be. It returns nil where that cannot be.
func (r *rewrite) conv(c *layer.Conv, x, xz, w, wz, bias *val) []*val {
	most, ok := reach(x, xz)
	ws := w.info.Shape
	if !ok || len(ws) < 3 || bias != nil && !bias.constant() {
		return nil
	}
	o, cg := ws[0], ws[1]
	taps, _ := tensor.Count(ws[2:])
	f := weights(w, wz, o, cg*taps)
	if len(f) == 0 {
		return nil
	}
	add := make([]float64, o)
	if bias != nil {
		for i, b := range tensor.Data[int32](bias.info.Value) {
			add[i] = math.Abs(float64(b))
		}
	}
	// fits says whether the sums over channels from before to stay exact.
	fits := func(from, to int) bool {
		for i := range o {
			sum := 0.0
			for _, v := range f[(i*cg+from)*taps : (i*cg+to)*taps] {
				sum += math.Abs(float64(v))
			}
			if from == 0 {
				sum += add[i] / most
			}
			if sum > exactInts/most {
				return false
			}
		}
		return true
	}
	each := cg // channels of a part
	split := func() bool {
		for from := 0; from < cg; from += each {
			if !fits(from, min(from+each, cg)) {
				return false
			}
		}
		return true
	}
	for parts := 1; !split(); each = (cg + parts - 1) / parts {
		if parts++; parts > min(mostParts, cg) || c.Groups > 1 {
			return nil
		}
	}
	whole := r.shifted(x, xz)
	var out []*val
	for from := 0; from < cg; from += each {
		to := min(from+each, cg)
		part, pw := whole, f
		if each < cg {
			shape := slices.Clone(whole.info.Shape)
			shape[1] = to - from
			part = r.value("channels", tensor.Float32, shape)
			list := func(what string, v int) *val { return constant(r.o.name+":"+what, tensor.Of([]int64{int64(v)}, 1)) }
			r.emit("channels", &layer.Slice{}, []*val{whole, list("from", from), list("to", to), list("axis", 1)}, part)
			pw = nil
			for i := range o {
				pw = append(pw, f[(i*cg+from)*taps:(i*cg+to)*taps]...)
			}
		}
		shape := slices.Clone(ws)
		shape[1] = to - from
		in := []*val{part, constant(w.name+":float", tensor.Of(pw, shape...)), nil, nil}
		if bias != nil && from == 0 {
			in[2] = constant(bias.name+":float", tensor.Of(bias.info.Value.Floats(), o))
		}
		y := r.value("sums", tensor.Float32, r.o.out[0].info.Shape)
		n := r.emit("", &fused{Op: &layer.Conv{Window: c.Window, Groups: c.Groups}, kind: "Conv", exact: true}, in, y)
		n.macs = r.o.macs / int64(cg) * int64(to-from)
		if from == 0 {
			n.params = r.o.params
		}
		out = append(out, y)
	}
	return out
}

// matmul emits a product with constant weights [K,N], or returns nil.
func (r *rewrite) matmul(x, xz, w, wz *val) *val {
	most, ok := reach(x, xz)
	if !ok || len(w.info.Shape) != 2 || len(x.info.Shape) < 2 {
		return nil
	}
	n := w.info.Shape[1]
	f := weights(w, wz, n, 1)
	if len(f) == 0 {
		return nil
	}
	sums := make([]float64, n)
	for i, v := range f {
		sums[i%n] += math.Abs(float64(v))
	}
	if slices.Max(sums) > exactInts/most {
		return nil
	}
	y := r.value("sums", tensor.Float32, r.o.out[0].info.Shape)
	o := r.emit("", &layer.MatMul{}, []*val{r.shifted(x, xz), constant(w.name+":float", tensor.Of(f, w.info.Shape...))}, y)
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
	q := &requantize{to: r.o.out[0].info.DType, zero: yz.info.Value.Floats()[0], scale: make([]float32, len(b)), none: make([]float32, len(b))}
	for i, v := range b {
		q.scale[i] = float32(a*v) / c
		if math.IsNaN(float64(q.scale[i])) || math.IsInf(float64(q.scale[i]), 0) {
			return nil
		}
	}
	return q
}

// requantize computes y = saturate(round(s·scale) + zero), ties to even, s being the sum of the inputs: integers as float32.
type requantize struct {
	fastOp
	to       tensor.DType
	zero     float32
	scale    []float32 // one, or one for every n-th run of inner elements
	none     []float32 // as many zeros
	n, inner int
}

func (*requantize) Kind() string { return "Requantize" }

func (q *requantize) scratch(threads int) int { return threads * q.width() }

// width is how many numbers are computed at a time.
func (q *requantize) width() int { return max(1024, q.n) }

func (q *requantize) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := requantizeTasks.Get().(*requantizeTask)
	t.q, t.dst, t.src = q, out[0].Raw(), t.src[:0]
	for _, x := range in {
		t.src = append(t.src, x.Float32s())
	}
	// A tile is whole rows of n channels, or whole channels of a picture.
	run := q.n
	if q.inner > 1 {
		run = q.inner
	}
	t.scratch, t.piece = e.Floats(q.scratch(e.Team.Threads())), max(1, mapPiece/run)*run
	e.Team.Run(t, (len(t.dst)+t.piece-1)/t.piece)
	clear(t.src)
	t.q, t.dst, t.scratch = nil, nil, nil
	requantizeTasks.Put(t)
	return nil
}

type requantizeTask struct {
	q       *requantize
	dst     []byte
	src     [][]float32
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
	within := layer.Within8(q.to, q.zero)
	for ; from < to; from += len(buf) {
		y := buf[:min(len(buf), to-from)]
		x := t.src[0][from:][:len(y)]
		if len(t.src) > 1 {
			for i := range y {
				var s int32
				for _, p := range t.src {
					s += int32(p[from+i])
				}
				y[i] = float32(s)
			}
			x = y
		}
		if len(scale) == 1 {
			kernels.MulScalar(y, x, scale[0])
			kernels.Activate(y, y, within)
		} else {
			kernels.ScaleShift(y, x, scale, q.none, within)
		}
		layer.Round8(t.dst[from:], y, q.zero)
	}
}
