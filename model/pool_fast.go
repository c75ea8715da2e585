package model

import (
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// pool is a pooling of an image with channels last.
type pool struct {
	fastOp
	kind string
	plan *kernels.Pool
}

func (p *pool) Kind() string { return p.kind }

func (p *pool) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	p.plan.Run(e.Team, out[0].Float32s(), in[0].Float32s())
	return nil
}

// pool emits a pooling's fast form.
func (l *layouts) pool(o *op, w layer.Window, kind kernels.PoolKind, countPad bool) bool {
	x := o.in[0]
	c, out, ok := window2(&w, x.shape(), w.Kernel)
	if !ok {
		return false
	}
	s := kernels.Pool2D{N: c.N, H: c.H, W: c.W, C: c.C, KH: c.KH, KW: c.KW, SH: c.SH, SW: c.SW, DH: c.DH, DW: c.DW,
		PT: c.PT, PL: c.PL, PB: c.PB, PR: c.PR, Ceil: w.Ceil, CountPad: countPad}
	if s.OH() != out[0] || s.OW() != out[1] || countPad && w.Ceil && max(s.DH, s.DW) > 1 { // the layer counts what lies behind the padding, too
		return false
	}
	l.emitPool(o, kind, s)
	return true
}

func (l *layouts) emitPool(o *op, kind kernels.PoolKind, s kernels.Pool2D) {
	l.emit(o.name, &pool{kind: o.op.Kind(), plan: kernels.NewPool(kind, s)}, []*val{l.nhwc(o.in[0])}, becomes(o.out[0]))
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
	l.emit(o.name, &pool{kind: o.op.Kind(), plan: kernels.NewPool(kernels.PoolAvg, s)}, []*val{x}, mid)
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
