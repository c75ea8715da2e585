package model

import (
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// pool is a pooling of an image with channels last.
type pool struct {
	fastOp
	kind string
	how  kernels.PoolKind
	plan *kernels.Pool
}

func newPool(kind string, how kernels.PoolKind, s kernels.Pool2D) *pool {
	return &pool{kind: kind, how: how, plan: kernels.NewPool(how, s)}
}

func (p *pool) Kind() string { return p.kind }

// rows is that of byRows. What an average whose last window is not all there divides by depends on where the picture ends.
func (p *pool) rows([]int) (r rowWindow, ok bool) {
	s := p.plan.Shape()
	r = rowWindow{pictures: s.N, in: s.H, out: s.OH(), k: s.DH*(s.KH-1) + 1, step: s.SH, pad: s.PT, unit: 1}
	return r, p.how == kernels.PoolMax || !s.Ceil
}

func (p *pool) cut(h, top, bottom int) layer.Op {
	s := p.plan.Shape()
	s.N, s.H, s.PT, s.PB = 1, h, top, bottom
	return newPool(p.kind, p.how, s)
}

func (p *pool) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	p.plan.Run(e.Team, out[0].Float32s(), in[0].Float32s())
	return nil
}

// pool emits a pooling's fast form.
func (l *layouts) pool(o *op, w layer.Window, kind kernels.PoolKind, countPad bool) bool {
	s, ok := pooling(o, &w, countPad)
	if !ok || countPad && w.Ceil && max(s.DH, s.DW) > 1 { // the layer counts what lies behind the padding, too
		return false
	}
	l.emitPool(o, kind, s)
	return true
}

// pooling returns the shape of a pooling of two dimensions or one.
func pooling(o *op, w *layer.Window, countPad bool) (s kernels.Pool2D, ok bool) {
	c, out, ok := window2(w, o.in[0].shape(), w.Kernel)
	s = kernels.Pool2D{N: c.N, H: c.H, W: c.W, C: c.C, KH: c.KH, KW: c.KW, SH: c.SH, SW: c.SW, DH: c.DH, DW: c.DW,
		PT: c.PT, PL: c.PL, PB: c.PB, PR: c.PR, Ceil: w.Ceil, CountPad: countPad}
	return s, ok && s.OH() == out[0] && s.OW() == out[1]
}

// pool8 is a maximum pooling of 8-bit integers with channels last.
type pool8 struct {
	fastOp
	s      kernels.Pool2D
	signed bool
}

// pool8 emits the fast form of a maximum pooling of 8-bit integers.
func (l *layouts) pool8(o *op, w *layer.Window) bool {
	s, ok := pooling(o, w, false)
	if !ok || !o.in[0].filled() {
		return false
	}
	p := &pool8{s: s, signed: o.out[0].info.DType == tensor.Int8}
	l.emit(o.name, p, []*val{l.nhwc(o.in[0])}, becomes(o.out[0]))
	return true
}

func (*pool8) Kind() string { return "MaxPool" }

// row is the bytes of input columns under a row of outputs.
func (p *pool8) row() int { return p.s.C * ((p.s.OW()-1)*p.s.SW + (p.s.KW-1)*p.s.DW + 1) }

func (p *pool8) scratch(threads int) int { return threads * (2*p.row() + 3) / 4 }

func (p *pool8) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := pool8Tasks.Get().(*pool8Task)
	*t = pool8Task{p: p, dst: out[0].Raw(), src: in[0].Raw(), scratch: e.Bytes(2 * e.Team.Threads() * p.row())}
	t.rows = max(1, mapPiece/(p.s.OW()*p.s.C))
	e.Team.Run(t, (p.s.N*p.s.OH()+t.rows-1)/t.rows)
	*t = pool8Task{}
	pool8Tasks.Put(t)
	return nil
}

type pool8Task struct {
	p                 *pool8
	dst, src, scratch []byte
	rows              int // of outputs in a tile
}

var pool8Tasks = sync.Pool{New: func() any { return new(pool8Task) }}

// Tile takes maxima down the columns of whole rows, then along these, and then leaves out columns between steps.
func (t *pool8Task) Tile(i, worker int) {
	s, n := &t.p.s, t.p.row()
	down, along := t.scratch[2*worker*n:][:n], t.scratch[(2*worker+1)*n:][:n]
	oh, ow, low := s.OH(), s.OW(), byte(0)
	if t.p.signed {
		low = 0x80
	}
	for r := i * t.rows; r < min((i+1)*t.rows, s.N*oh); r++ {
		down[0] = low
		for k := 1; k < n; k *= 2 {
			copy(down[k:], down[:k])
		}
		inside := down[min(n, s.PL*s.C):]
		inside = inside[:min(len(inside), s.W*s.C)]
		for k := range s.KH {
			if y := r%oh*s.SH - s.PT + k*s.DH; y >= 0 && y < s.H {
				kernels.Max8(inside, inside, t.src[(r/oh*s.H+y)*s.W*s.C:][:len(inside)], t.p.signed)
			}
		}
		most := down
		if s.KW > 1 {
			reach := n - (s.KW-1)*s.DW*s.C
			most = along[:reach]
			kernels.Max8(most, down[:reach], down[s.DW*s.C:][:reach], t.p.signed)
			for k := 2; k < s.KW; k++ {
				kernels.Max8(most, most, down[k*s.DW*s.C:][:reach], t.p.signed)
			}
		}
		dst := t.dst[r*ow*s.C:][:ow*s.C]
		if s.SW == 1 {
			copy(dst, most)
			continue
		}
		for x := range ow {
			copy(dst[x*s.C:][:s.C], most[x*s.SW*s.C:])
		}
	}
}

func (l *layouts) emitPool(o *op, kind kernels.PoolKind, s kernels.Pool2D) {
	l.emit(o.name, newPool(o.op.Kind(), kind, s), []*val{l.nhwc(o.in[0])}, becomes(o.out[0]))
}

// globalPool emits the fast form of a pooling over all positions.
func (l *layouts) globalPool(o *op, g *layer.GlobalPool) bool {
	s, ok := wholeImage(o.in[0])
	if !ok {
		return false
	}
	kind := kernels.PoolAvg
	switch {
	case g.Fn == layer.GlobalMaxPool:
		kind = kernels.PoolMax
	case g.Fn == layer.GlobalLpPool && g.P == 2:
		kind = kernels.PoolL2
	case g.Fn != layer.GlobalAveragePool:
		return false
	}
	l.emitPool(o, kind, s)
	return true
}

// wholeImage returns the pooling of an image [N,C,H,W] to one position.
func wholeImage(v *val) (s kernels.Pool2D, ok bool) {
	d := v.shape()
	if len(d) != 4 {
		return s, false
	}
	n, _ := tensor.Count(d)
	return kernels.GlobalPool(d[0], d[2], d[3], d[1]), n > 0 && n < 1<<28
}

// reduce emits a mean over all positions of an image that has channels last.
func (l *layouts) reduce(o *op, r *layer.Reduce) bool {
	x := o.in[0]
	s, ok := wholeImage(x)
	if !ok || x.layout != NHWC || r.Fn != layer.ReduceMean || len(o.in) < 2 || o.in[1] == nil || !o.in[1].constant() {
		return false
	}
	axes, _ := o.in[1].info.Value.Ints()
	var on [4]bool
	for _, a := range axes {
		on[(a+4)%4] = true
	}
	if on != [4]bool{2: true, 3: true} {
		return false
	}
	if r.KeepDims {
		l.emitPool(o, kernels.PoolAvg, s)
		return true
	}
	y := o.out[0]
	mid := &val{name: y.name + ":pooled", known: true, layout: NHWC, info: layer.Info{DType: tensor.Float32, Shape: []int{s.N, 1, 1, s.C}}}
	l.emit(o.name, newPool(o.op.Kind(), kernels.PoolAvg, s), []*val{x}, mid)
	l.emit(o.name, &view{}, []*val{mid}, y)
	return true
}

// interpolated is a resizing of an image, or its gradient, channels last.
type interpolated struct {
	fastOp
	kind string
	plan *kernels.Interpolation
}

func (r *interpolated) Kind() string { return r.kind }

func (r *interpolated) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	r.plan.Run(e.Team, out[0].Float32s(), in[0].Float32s())
	return nil
}

// resize emits the fast form of a resizing of an image along its rows and columns, or of the gradient of one; s is the shape of what was resized.
func (l *layouts) resize(o *op, s []int, nearest bool, planar func([]layer.Info) (rows, columns layer.Taps, ok bool), back bool) bool {
	if !o.in[0].filled() || !o.out[0].filled() {
		return false
	}
	in := o.infos()
	if o.in[0].layout == NHWC {
		in[0].Shape = first(in[0].Shape)
	}
	for _, v := range o.in[1:] {
		if v != nil && !v.constant() {
			return false
		}
	}
	rows, columns, ok := planar(in)
	if !ok || len(s) != 4 {
		return false
	}
	plan := kernels.NewInterpolation(kernels.InterpolationShape{N: s[0], H: s[2], W: s[3], C: s[1], Y: kernels.Taps(rows), X: kernels.Taps(columns), Copy: nearest})
	if back {
		plan = plan.Gradient()
	}
	l.emit(o.name, &interpolated{kind: o.op.Kind(), plan: plan}, []*val{l.nhwc(o.in[0])}, becomes(o.out[0]))
	return true
}
