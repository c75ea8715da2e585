package model

import (
	"math"
	"slices"
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// quantised computes in 8-bit integers what a network writes as float32 between DequantizeLinear and QuantizeLinear: convolutions and products with
// quantised weights, whose sums come out exactly instead of rounded; what only moves numbers; functions of one number, by a table; and sums and products of two.
func (p *ir) quantised() {
	uses, place := p.uses(), map[*op]bool{}
	for _, o := range p.ops {
		place[o] = true
	}
	tables, become, again := functions{map[*val]byteFn{}, p.left}, map[*op][]*op{}, map[rescaling]*val{}
	for _, o := range p.ops {
		q, ok := quantOf(o)
		if !ok {
			continue
		}
		// before returns what computes a value that nothing else reads.
		before := func(v *val) *rewrite {
			if f := v.def; f != nil && uses[v] == 1 && place[f] && static(f) {
				return &rewrite{o: &op{name: f.name, op: f.op, in: f.in, out: o.out, macs: f.macs, params: f.params}, left: p.left}
			}
			return nil
		}
		r, act := before(o.in[0]), kernels.Act{}
		var inner *rewrite // what is before an activation
		if r != nil {
			if act, ok = activation(r.o); ok {
				inner = before(r.o.in[0])
			}
		}
		self := &rewrite{o: o, left: p.left}
		switch {
		case r != nil && (r.product(q) || r.move(q, again)):
			become[o] = r.ops
		case self.look(tables.fn(o.out[0], 12)):
			become[o] = self.ops
		case r != nil && r.pair(q, kernels.Act{}):
			become[o] = r.ops
		case inner != nil && inner.pair(q, act):
			become[o] = inner.ops
		}
	}
	if len(become) == 0 {
		return
	}
	var ops []*op
	for _, o := range p.ops {
		if b, ok := become[o]; ok {
			ops = append(ops, b...)
		} else {
			ops = append(ops, o)
		}
	}
	p.ops = ops
	p.prune() // what computed the same in float32
}

// linear8 is what the 8-bit integers of one tensor stand for: (x - zero)·scale.
type linear8 struct {
	scale float32
	zero  int32
	to    tensor.DType
}

// scaledBy reads constant scales and zero points of one number.
func scaledBy(d tensor.DType, in []*val) (s linear8, ok bool) {
	s.to = d
	if d != tensor.Uint8 && d != tensor.Int8 || len(in) < 2 {
		return s, false
	}
	s.scale, ok = in[1].scalar()
	if len(in) > 2 && in[2] != nil {
		if !in[2].constant() || in[2].info.Value.Len() != 1 {
			return s, false
		}
		s.zero = int32(in[2].info.Value.Floats()[0])
	}
	return s, ok && s.scale > 0 && s.scale <= math.MaxFloat32
}

// quantOf says what a QuantizeLinear of one scale makes.
func quantOf(o *op) (linear8, bool) {
	if _, ok := o.op.(*layer.Quantize); !ok || !static(o) {
		return linear8{}, false
	}
	return scaledBy(o.out[0].info.DType, o.in)
}

// bytesOf returns the 8-bit integers that a DequantizeLinear of one scale makes v of, or nil.
func bytesOf(v *val) (*val, linear8) {
	if v == nil || v.def == nil || v.constant() || !static(v.def) {
		return nil, linear8{}
	}
	if _, ok := v.def.op.(*layer.Dequantize); !ok {
		return nil, linear8{}
	}
	s, ok := scaledBy(v.def.in[0].info.DType, v.def.in)
	if !ok {
		return nil, linear8{}
	}
	return v.def.in[0], s
}

// dequantized returns the constant integers, scales and zero points of which v was made, or false. There is one scale, or one for each position of an axis.
func dequantized(v *val, axis int) (q, scale, zero *val, ok bool) {
	if v == nil || v.def == nil {
		return nil, nil, nil, false
	}
	d, ok := v.def.op.(*layer.Dequantize)
	if !ok || d.Block != 0 {
		return nil, nil, nil, false
	}
	q, scale = v.def.in[0], v.def.in[1]
	if len(v.def.in) > 2 {
		zero = v.def.in[2]
	}
	at := d.Axis
	if at < 0 {
		at += len(q.info.Shape)
	}
	s := scale.floats()
	return q, scale, zero, q.constant() && len(s) > 0 && (len(s) == 1 || at == axis && len(s) == q.info.Shape[axis])
}

// product emits a convolution or product of quantised x and weights, with what is quantised next, or returns false.
func (r *rewrite) product(to linear8) bool {
	f, ok := r.o.op.(*fused)
	if !ok || len(r.o.in) < 4 || r.o.in[3] != nil || f.act.Kind == kernels.ActLeaky || f.act.Lo != f.act.Lo || f.act.Hi != f.act.Hi {
		return false
	}
	x, from := bytesOf(r.o.in[0])
	if x == nil {
		return false
	}
	axis, turned := 0, true
	switch l := f.Op.(type) {
	case *layer.Conv:
	case *layer.Gemm:
		if l.TransA || l.Alpha != 1 || l.Beta != 1 && r.o.in[2] != nil {
			return false
		}
		turned = l.TransB
		axis = 1 - b2i(turned)
	case *layer.MatMul:
		axis, turned = 1, false
	default:
		return false
	}
	w, scale, wz, ok := dequantized(r.o.in[1], axis)
	if !ok {
		return false
	}
	bias, ok := r.sharesScale(r.o.in[2], from.scale, scale.floats())
	if !ok {
		return false
	}
	// Sums of floats do not wrap.
	most := int64(w.info.Value.Len()/max(1, w.info.Shape[axis])) * 255 * 128
	for _, b := range biases(bias) {
		if most+max(int64(b), -int64(b)) > math.MaxInt32 {
			return false
		}
	}
	if most > math.MaxInt32 {
		return false
	}
	number := func(f float32) *val { return constant(r.o.name+":scale", tensor.Scalar(f)) }
	q := r.requantize(number(from.scale), scale, number(to.scale), constant(r.o.name+":zero", tensor.Scalar(float32(to.zero))))
	if q == nil {
		return false
	}
	q.to = to.to
	if f.act.Kind == kernels.ActClip {
		q.least = float32(math.RoundToEven(float64(f.act.Lo / to.scale)))
		q.most = float32(math.RoundToEven(float64(f.act.Hi / to.scale)))
	}
	xz := constant(r.o.name+":zero", tensor.Scalar(uint8(from.zero)))
	if from.to == tensor.Int8 {
		xz = constant(r.o.name+":zero", tensor.Scalar(int8(from.zero)))
	}
	if l, ok := f.Op.(*layer.Conv); ok {
		return r.conv8(l, x, xz, w, wz, bias, q)
	}
	return r.matmul8(x, xz, w, wz, bias, q, turned)
}

// sharesScale returns a bias as the integers that it was made of, if their scales are those of the sums; nil stays nil.
func (r *rewrite) sharesScale(bias *val, x float32, w []float32) (*val, bool) {
	if bias == nil {
		return nil, true
	}
	b, scale, zero, ok := dequantized(bias, 0)
	if !ok || b.info.DType != tensor.Int32 || len(b.info.Shape) != 1 || zero != nil && (!zero.constant() || slices.Max(zero.info.Value.Floats()) != 0 || slices.Min(zero.info.Value.Floats()) != 0) {
		return nil, false
	}
	for i, s := range scale.floats() {
		if len(scale.floats()) < len(w) || s != float32(x*w[min(i, len(w)-1)]) {
			return nil, false
		}
	}
	return b, true
}

// rescaling is integers that stand for something, and for something else afterwards.
type rescaling struct {
	x        *val
	from, to linear8
}

// move emits what only moves numbers for 8-bit integers, or returns false. Where they are quantised in another way afterwards, they are so before.
func (r *rewrite) move(to linear8, again map[rescaling]*val) bool {
	n := 1 // inputs that are moved
	switch r.o.op.(type) {
	case *layer.Reshape, *layer.Transpose, *layer.Slice:
	case *layer.MaxPool: // takes the same number, whatever the scale
		if !onlyFirst(r.o) {
			return false
		}
	case *layer.Concat:
		n = len(r.o.in)
	default:
		return false
	}
	in, from := slices.Clone(r.o.in), make([]linear8, n)
	for i := range n {
		x, s := bytesOf(in[i])
		if x == nil {
			return false
		}
		in[i], from[i] = x, s
	}
	for i, s := range from {
		k := rescaling{in[i], s, to}
		if again[k] == nil {
			again[k] = in[i]
			if t := s.into(to); t != nil {
				again[k] = &val{name: in[i].name + ":scaled", known: true, info: layer.Info{DType: to.to, Shape: in[i].info.Shape}}
				r.emit("scaled", t, []*val{in[i]}, again[k])
			}
		}
		in[i] = again[k]
	}
	r.emit("", r.o.op, in, r.o.out[0])
	return true
}

// into returns the table from integers that stand for s to those that stand for t, or nil where it changes none.
func (s linear8) into(t linear8) *table8 {
	var table table8
	lo, hi := layer.Limits8(t.to)
	changes := s.to != t.to
	for i := range table.of {
		v := int32(i)
		if s.to == tensor.Int8 {
			v = int32(int8(i))
		}
		x := float32(v-s.zero) * s.scale
		y := math.RoundToEven(float64(x/t.scale)) + float64(t.zero)
		table.of[i] = byte(int32(min(max(y, float64(lo)), float64(hi))))
		changes = changes || table.of[i] != byte(i)
	}
	if !changes {
		return nil
	}
	return &table
}

// byteFn is a value that is an element-wise function of 8-bit integers: what each of the 256 becomes. A zero one is none.
type byteFn struct {
	of   *val
	d    tensor.DType // float32, or the type of 8-bit integers
	each *[256]float32
}

// functions finds values that are element-wise functions of 8-bit integers.
type functions struct {
	found map[*val]byteFn
	left  *left
}

// tableBytes is more than looking for a table takes.
const tableBytes = 16 << 10

// fn returns what v is a function of. deep bounds how far it looks back.
func (f functions) fn(v *val, deep int) byteFn {
	if b, ok := f.found[v]; ok {
		return b
	}
	var b byteFn
	if v.def != nil && deep > 0 && static(v.def) {
		b = f.result(v.def, deep-1)
	}
	if b.of == nil && (v.info.DType == tensor.Uint8 || v.info.DType == tensor.Int8) && v.known && !v.constant() {
		b = byteFn{v, v.info.DType, new([256]float32)}
		for i := range b.each {
			b.each[i] = float32(i)
			if b.d == tensor.Int8 {
				b.each[i] = float32(int8(i))
			}
		}
	}
	if b.of != nil || deep > 0 {
		f.found[v] = b
	}
	return b
}

// result computes an op for all 256 integers that its inputs are functions of.
func (f functions) result(o *op, deep int) (b byteFn) {
	switch o.op.(type) {
	case *layer.Quantize, *layer.Dequantize:
		if _, ok := scaledBy(tensor.Uint8, o.in); !ok { // of one scale
			return b
		}
	case *layer.Unary, *layer.Clip, *layer.Binary:
	default:
		return b
	}
	out := o.out[0].info
	if len(o.out) != 1 || out.DType.Size() > 4 || out.DType != tensor.Float32 && out.DType != tensor.Uint8 && out.DType != tensor.Int8 {
		return b
	}
	in := make([]*tensor.Tensor, len(o.in))
	for i, v := range o.in {
		switch {
		case v == nil:
		case v.constant():
			if in[i] = v.info.Value; in[i].Len() != 1 {
				return byteFn{}
			}
			in[i] = in[i].Reshape()
		default:
			x := f.fn(v, deep)
			if x.of == nil || b.of != nil && b.of != x.of || !slices.Equal(v.info.Shape, out.Shape) {
				return byteFn{}
			}
			b.of = x.of
			in[i] = tensor.New(x.d, 256)
			if err := tensor.Convert(in[i], tensor.Of(slices.Clone(x.each[:]), 256), true); err != nil {
				return byteFn{}
			}
		}
	}
	if b.of == nil || f.left.fold < tableBytes {
		return byteFn{}
	}
	f.left.fold -= tableBytes
	y := []*tensor.Tensor{tensor.New(out.DType, 256)}
	if err := o.op.Forward(&layer.Env{}, in, y); err != nil {
		return byteFn{}
	}
	b.d, b.each = out.DType, (*[256]float32)(y[0].Floats())
	return b
}

// look emits a table for what is a function of 8-bit integers, or returns false.
func (r *rewrite) look(b byteFn) bool {
	if b.of == nil || b.of == r.o.out[0] {
		return false
	}
	t := &table8{}
	for i, v := range b.each {
		t.of[i] = byte(int32(v))
	}
	r.emit("", t, []*val{b.of}, r.o.out[0])
	return true
}

// table8 looks 8-bit integers up in a table.
type table8 struct {
	fastOp
	of [256]byte
}

func (*table8) Kind() string { return "Table8" }

func (t *table8) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	task := tableTasks.Get().(*tableTask)
	task.dst, task.src, task.of = out[0].Raw(), in[0].Raw(), &t.of
	e.Team.Run(task, (len(task.dst)+mapPiece-1)/mapPiece)
	*task = tableTask{}
	tableTasks.Put(task)
	return nil
}

type tableTask struct {
	dst, src []byte
	of       *[256]byte
}

var tableTasks = sync.Pool{New: func() any { return new(tableTask) }}

func (t *tableTask) Tile(i, _ int) {
	from, to := i*mapPiece, min((i+1)*mapPiece, len(t.dst))
	kernels.Lookup8(t.dst[from:to], t.src[from:to], t.of)
}

// pair emits an operation of two values of 8-bit integers, or returns false.
func (r *rewrite) pair(to linear8, act kernels.Act) bool {
	f, ok := r.o.op.(*layer.Binary)
	if !ok || len(r.o.in) != 2 || spreadOps[f.Fn] == nil {
		return false
	}
	p := &pair8{fn: f.Fn, to: to, act: act}
	shape := r.o.out[0].info.Shape
	var in []*val
	for i, v := range r.o.in {
		x, from := bytesOf(v)
		if x == nil {
			return false
		}
		p.from[i] = from
		in = append(in, x)
	}
	if !slices.Equal(in[0].info.Shape, shape) && (f.Fn == layer.Add || f.Fn == layer.Mul) {
		in[0], in[1], p.from[0], p.from[1] = in[1], in[0], p.from[1], p.from[0]
	}
	if !slices.Equal(in[0].info.Shape, shape) {
		return false
	}
	if s := in[1].info.Shape; !slices.Equal(s, shape) {
		n, _ := tensor.Count(s)
		if len(shape) < 3 || len(s) != len(shape) || shape[0] != 1 || s[1] != shape[1] || n != shape[1] {
			return false
		}
		p.row = n
	}
	r.emit("", p, in, r.o.out[0])
	return true
}

// pair8 is an element-wise operation of two values of 8-bit integers, computed in float32 and quantised again.
type pair8 struct {
	fastOp
	fn   layer.Fn
	from [2]linear8
	act  kernels.Act
	to   linear8
	row  int // channels, last, where the second value is one row of them; else 0
}

func (p *pair8) Kind() string { return string(p.fn) + "8" }

// pairPiece is how many elements are computed in float32 at a time, apart from whole rows.
const pairPiece = 1 << 11

func (p *pair8) piece() int {
	if p.row > 0 {
		return max(1, pairPiece/p.row) * p.row
	}
	return pairPiece
}

func (p *pair8) scratch(threads int) int { return 2 * threads * p.piece() }

func (p *pair8) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := pairTasks.Get().(*pairTask)
	t.p, t.dst, t.a, t.b = p, out[0].Raw(), in[0].Raw(), in[1].Raw()
	t.scratch = e.Floats(p.scratch(e.Team.Threads()))
	t.tile = max(1, mapPiece/p.piece()) * p.piece()
	e.Team.Run(t, (len(t.dst)+t.tile-1)/t.tile)
	*t = pairTask{}
	pairTasks.Put(t)
	return nil
}

type pairTask struct {
	p         *pair8
	dst, a, b []byte
	scratch   []float32 // of each worker
	tile      int
}

var pairTasks = sync.Pool{New: func() any { return new(pairTask) }}

func (t *pairTask) Tile(i, worker int) {
	p, piece := t.p, t.p.piece()
	x, y := t.scratch[2*worker*piece:][:piece], t.scratch[(2*worker+1)*piece:][:piece]
	lo, hi := layer.Limits8(p.to.to)
	zero := float32(p.to.zero)
	if p.row > 0 {
		p.from[1].widen(y[:p.row], t.b)
	}
	for from, end := i*t.tile, min((i+1)*t.tile, len(t.dst)); from < end; from += piece {
		n := min(piece, end-from)
		x := x[:n]
		p.from[0].widen(x, t.a[from:from+n])
		if p.row > 0 {
			spreadOps[p.fn].row(x, x, y[:p.row])
		} else {
			p.from[1].widen(y[:n], t.b[from:from+n])
			spreadOps[p.fn].pair(x, x, y[:n])
		}
		if p.act.Kind != kernels.ActNone {
			kernels.Activate(x, x, p.act)
		}
		kernels.DivScalar(x, x, p.to.scale)
		kernels.Narrow8(t.dst[from:from+n], x, lo-zero, hi-zero, p.to.zero)
	}
}

// widen computes what 8-bit integers stand for.
func (s linear8) widen(dst []float32, src []byte) {
	kernels.Widen8(dst, src, kernels.Bytes{Signed: s.to == tensor.Int8, Zero: s.zero}, s.scale)
}
