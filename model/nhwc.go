package model

import (
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// toNHWC gives images the layout [N,H,W,C] (and [N,L,C] in one dimension) wherever an operation has a fast form in it, and replaces those
// operations by their fast forms. Other operations keep ONNX's axis order; values change layout between the two.
func (p *ir) toNHWC(consume bool) {
	l := &layouts{left: p.left, consume: consume, twin: map[*val]*val{}, skip: map[*op]bool{}, uses: p.uses()}
	for i, o := range p.ops {
		l.rest = p.ops[i+1:]
		if l.skip[o] {
			continue
		}
		if g, ok := o.op.(*layer.GlobalPoolGrad); ok && l.globalPoolGrad(o, g) || static(o) && l.lower(o) {
			continue
		}
		for i, v := range o.in {
			o.in[i] = l.nchw(v)
		}
		l.ops = append(l.ops, o)
	}
	for i, v := range p.outputs {
		p.outputs[i] = l.nchw(v)
	}
	p.ops = l.ops
}

// takeNHWC gives inputs that are only ever turned to [N,H,W,C] that layout; see Options.ChannelsLast.
func (p *ir) takeNHWC() {
	e, uses := p.edit(), p.uses()
	for _, o := range p.ops {
		r, ok := o.op.(*relayout)
		if !ok || r.to != NHWC || !slices.Contains(p.inputs, o.in[0]) || uses[o.in[0]] != 1 || len(o.in[0].info.Shape) != 4 {
			continue
		}
		x := o.in[0]
		x.info.Shape, x.layout = o.out[0].info.Shape, NHWC
		e.replace[o.out[0]] = x
		e.drop[o] = true
	}
	e.apply()
}

// static says whether all types and shapes around an operation are known.
func static(o *op) bool {
	for _, v := range slices.Concat(o.in, o.out) {
		if v != nil && !v.known {
			return false
		}
	}
	return len(o.in) > 0 && o.in[0] != nil && len(o.out) > 0 && o.out[0] != nil
}

// layouts is the state of toNHWC: the new program, and for values that exist in both layouts the other one.
type layouts struct {
	ops  []*op
	rest []*op // not yet seen
	skip map[*op]bool
	twin map[*val]*val
	uses map[*val]int

	left    *left
	consume bool // the memory of constants may be used
}

func (l *layouts) emit(name string, f layer.Op, in []*val, out ...*val) *op {
	o := &op{name: name, op: f, in: in, out: out}
	for _, v := range out {
		if v != nil {
			v.def = o
		}
	}
	l.ops = append(l.ops, o)
	return o
}

// last returns the shape with channels last.
func last(s []int) []int {
	if len(s) < 3 {
		return s
	}
	return append(append([]int{s[0]}, s[2:]...), s[1])
}

// first returns the shape with channels second.
func first(s []int) []int {
	n := len(s) - 1
	return append([]int{s[0], s[n]}, s[1:n]...)
}

// shape returns a value's shape in ONNX's order, whatever its layout.
func (v *val) shape() []int {
	if v.layout == NHWC {
		return first(v.info.Shape)
	}
	return v.info.Shape
}

// nhwc returns v with channels last.
func (l *layouts) nhwc(v *val) *val {
	if v.layout == NHWC {
		return v
	}
	return l.other(v, NHWC, last(v.info.Shape))
}

// nchw returns v in ONNX's order.
func (l *layouts) nchw(v *val) *val {
	if v == nil || v.layout == NCHW {
		return v
	}
	return l.other(v, NCHW, first(v.info.Shape))
}

func (l *layouts) other(v *val, layout Layout, shape []int) *val {
	if t := l.twin[v]; t != nil {
		return t
	}
	w := &val{name: v.name, known: true, layout: layout, info: layer.Info{DType: v.info.DType, Shape: shape}}
	s := v.shape()
	n, c, area := s[0], s[1], 1
	for _, d := range s[2:] {
		area *= d
	}
	if c == 1 || area == 1 {
		l.emit(v.name, &view{}, []*val{v}, w)
	} else {
		l.emit(v.name, &relayout{to: layout, n: n, c: c, area: area, size: v.info.DType.Size()}, []*val{v}, w)
	}
	l.twin[v], l.twin[w] = w, v
	return w
}

// becomes makes out, described in ONNX's order so far, a value with channels last.
func becomes(out *val) *val {
	out.info.Shape = last(out.info.Shape)
	out.layout = NHWC
	return out
}

// images says whether an operation reads an image that has channels last already.
func images(o *op) bool {
	for _, v := range o.in {
		if v != nil && v.layout == NHWC {
			return true
		}
	}
	return false
}

// lower emits the fast form of an operation, if it has one here.
func (l *layouts) lower(o *op) bool {
	f32 := o.in[0].info.DType == tensor.Float32 && o.out[0].info.DType == tensor.Float32
	switch f := o.op.(type) {
	case *fused:
		if !o.in[1].constant() || o.in[2] != nil && !o.in[2].constant() {
			return l.lowerLive(o, f)
		}
		switch inner := f.Op.(type) {
		case *layer.Conv:
			return l.conv(o, f, inner)
		case *layer.ConvTranspose:
			return l.convTranspose(o, f, inner)
		case *layer.Gemm:
			return l.gemm(o, f, inner)
		case *layer.LocallyConnected:
			return l.local(o, f, inner)
		case *layer.MatMul:
			return l.matmul(o, f)
		}
	case *conv8, *deep8:
		o.in[0] = l.nhwc(o.in[0])
		becomes(o.out[0])
		l.ops = append(l.ops, o)
		return true
	case *pair8:
		if f.row == 0 && !images(o) {
			return false
		}
		l.elementwise(o, 2)
		return true
	case *layer.Quantize: // floats change layout sooner than bytes
		if r := l.reader(o.out[0]); r != nil && len(o.out[0].info.Shape) >= 3 {
			switch r.op.(type) {
			case *conv8, *deep8:
				return l.quantize(o, f)
			}
		}
	case *layer.LCN:
		return f32 && l.lcn(o, f)
	case *layer.MatMul:
		if f32 && weighs(o) {
			return l.matmul(o, &fused{Op: f, kind: "MatMul"})
		}
		return f32 && l.liveMatmul(o)
	case *layer.MaxPool:
		if d := o.out[0].info.DType; onlyFirst(o) && (d == tensor.Uint8 || d == tensor.Int8) {
			return l.pool8(o, &f.Window)
		}
		return f32 && onlyFirst(o) && l.pool(o, f.Window, kernels.PoolMax, false)
	case *layer.AveragePool:
		return f32 && l.pool(o, f.Window, kernels.PoolAvg, f.CountPad)
	case *layer.LpPool:
		return f32 && f.P == 2 && l.pool(o, f.Window, kernels.PoolL2, false)
	case *layer.GlobalPool:
		return f32 && l.globalPool(o, f)
	case *layer.Reduce:
		return f32 && (l.reduce(o, f) || l.channelSums(o, f) || l.rowMeans(o, f))
	case *layer.Transpose:
		return l.transpose(o, f)
	case *layer.Resize:
		return f32 && l.resize(o, o.in[0].shape(), f.Mode == "nearest", f.Planar, false)
	case *layer.ResizeGrad:
		return f32 && l.resize(o, f.Shape, f.Resize.Mode == "nearest", f.Planar, true)
	case *layer.Reshape:
		return l.shuffle(o) || l.deal(o) || l.regroup(o)
	case *layer.InstanceNorm:
		return f32 && l.groupNorm(o, 1, 1, float32(f.Epsilon))
	case *layer.GroupNorm:
		each := o.in[0].shape()[1] / f.Groups
		wide := 1
		if f.PerGroup {
			wide = each
		}
		return f32 && l.groupNorm(o, each, wide, f.Epsilon)
	case *layer.DepthToSpace:
		return f32 && l.unfold(o, f)
	}
	if f32 && l.lowerGrad(o) {
		return true
	}
	if f32 && (l.elementwiseFast(o) || l.squeeze(o)) {
		return true
	}
	if f32 && l.alongRows(o) {
		return true
	}
	if n, ok := o.op.(*layer.LRN); ok && f32 {
		c := o.in[0].shape()[1]
		run := func(dst, a, _ []float32) { kernels.LRN(dst, a, c, n.Size, n.Alpha, n.Beta, n.Bias) }
		l.emit(o.name, &mapped{kind: "LRN", unit: c, run: run}, []*val{l.nhwc(o.in[0])}, becomes(o.out[0]))
		return true
	}
	if !images(o) || !sameRank(o) {
		return false
	}
	rank := len(o.out[0].info.Shape)
	switch f := o.op.(type) {
	case *layer.Unary, *layer.Clip, *layer.Cast, *table8:
		l.elementwise(o, 1)
	case *layer.Quantize:
		return l.quantize(o, f)
	case *layer.Dequantize:
		return l.scaled(o, f.Axis, f.Block, func(axis int) layer.Op { return &layer.Dequantize{Axis: axis} })
	case *requantize:
		f.n, f.inner = o.out[0].info.Shape[1], 1
		l.elementwise(o, 1)
	case *layer.Binary, *layer.Variadic, *layer.Where:
		return l.broadcast(o)
	case *layer.Concat:
		if movable(o.out[0].info.DType) && l.concat(o, f.Axis) {
			return true
		}
		for i, v := range o.in {
			o.in[i] = l.nhwc(v)
		}
		becomes(o.out[0])
		o.op = &layer.Concat{Axis: lastAxis(f.Axis, rank)}
		l.ops = append(l.ops, o)
	case *layer.Split:
		if l.cut(o) {
			return true
		}
		o.in[0] = l.nhwc(o.in[0])
		for _, v := range o.out {
			if v != nil {
				becomes(v)
			}
		}
		o.op = &layer.Split{Axis: lastAxis(f.Axis, rank), Parts: f.Parts}
		l.ops = append(l.ops, o)
	case *layer.Slice:
		return l.cut(o) || l.slice(o)
	case *layer.Pad:
		return l.pad(o, f)
	default:
		return false
	}
	return true
}

// sameRank says whether the outputs, and every input that has more than one element and is no constant, have the rank of an image.
func sameRank(o *op) bool {
	n := len(o.out[0].info.Shape)
	for _, v := range o.out {
		if v != nil && len(v.info.Shape) != n {
			return false
		}
	}
	return n >= 3
}

// lastAxis translates an axis of ONNX's order to channels last.
func lastAxis(axis, rank int) int {
	if axis < 0 {
		axis += rank
	}
	switch axis {
	case 0:
		return 0
	case 1:
		return rank - 1
	}
	return axis - 1
}

// quantize moves a quantisation to channels last, if it may.
func (l *layouts) quantize(o *op, f *layer.Quantize) bool {
	return l.scaled(o, f.Axis, f.Block, func(axis int) layer.Op { return &layer.Quantize{Axis: axis, Saturate: f.Saturate, To: f.To} })
}

// scaled moves an operation with a scale, or one for each channel, to channels last.
func (l *layouts) scaled(o *op, axis, block int, moved func(axis int) layer.Op) bool {
	n, _ := tensor.Count(o.in[1].info.Shape)
	rank := len(o.out[0].info.Shape)
	if block != 0 || n != 1 && axis != 1 && axis != 1-rank {
		return false
	}
	for i, v := range o.in[1:] {
		o.in[1+i] = l.nchw(v)
	}
	o.op = moved(rank - 1)
	l.elementwise(o, 1)
	return true
}

// elementwise moves an operation whose first n inputs are images, and to which layout does not matter, to channels last.
func (l *layouts) elementwise(o *op, n int) {
	for i := range n {
		o.in[i] = l.nhwc(o.in[i])
	}
	for _, v := range o.out {
		if v != nil {
			becomes(v)
		}
	}
	l.ops = append(l.ops, o)
}

// broadcast moves an element-wise operation of several inputs to channels last.
func (l *layouts) broadcast(o *op) bool {
	rank := len(o.out[0].info.Shape)
	in := slices.Clone(o.in)
	for _, v := range in {
		if n, _ := tensor.Count(v.info.Shape); len(v.info.Shape) != rank && !v.constant() && n != 1 {
			return false
		}
	}
	for i, v := range in {
		if n, _ := tensor.Count(v.info.Shape); n == 1 && v.layout == NCHW {
			continue
		}
		if v.constant() {
			t := v.info.Value
			shape := append(slices.Repeat([]int{1}, rank-len(t.Shape())), t.Shape()...)
			perm := last(countUp(rank))
			to := tensor.New(t.DType(), last(shape)...)
			if err := (&layer.Transpose{Perm: perm}).Forward(nil, []*tensor.Tensor{t.Reshape(shape...)}, []*tensor.Tensor{to}); err != nil {
				return false
			}
			in[i] = constant(v.name, to)
			continue
		}
		in[i] = l.nhwc(v)
	}
	o.in = in
	becomes(o.out[0])
	l.ops = append(l.ops, o)
	return true
}

func countUp(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// alongRows emits the operations that work on each row of numbers along an axis, in place: softmaxes, their gradients, and norms.
func (l *layouts) alongRows(o *op) bool {
	if o.out[0] == nil || o.out[0].info.DType != tensor.Float32 {
		return false
	}
	switch f := o.op.(type) {
	case *layer.Softmax:
		run := kernels.Softmax
		if f.Log {
			run = kernels.LogSoftmax
		}
		return l.row(o, 1, f.Axis, f.Flatten, func(dst, a, _ []float32, c int) { run(dst, a, c) })
	case *layer.SoftmaxGrad: // inputs y and dy
		run := kernels.SoftmaxGrad
		if f.Softmax.Log {
			run = kernels.LogSoftmaxGrad
		}
		return l.row(o, 2, f.Softmax.Axis, f.Softmax.Flatten, func(dx, y, dy []float32, c int) { run(dx, dy, y, c) })
	case *layer.LpNorm:
		return f.P == 2 && l.row(o, 1, f.Axis, false, func(dst, a, _ []float32, c int) { kernels.L2Normalize(dst, a, c) })
	case *layer.LayerNorm:
		return l.layerNorm(o, f)
	}
	return false
}

// row emits an operation on each row of c numbers along an axis of the first inputs, all of one shape: along the channels of images, or along the last axis of
// anything else, with flat along all axes from that one on.
func (l *layouts) row(o *op, inputs, axis int, flat bool, run func(dst, a, b []float32, c int)) bool {
	shape := o.in[0].shape()
	if axis < 0 {
		axis += len(shape)
	}
	if !o.in[0].filled() || axis < 0 || axis >= len(shape) {
		return false
	}
	c, arranged := shape[axis], l.nchw
	switch {
	case flat:
		c, _ = tensor.Count(shape[axis:])
	case axis == len(shape)-1:
	case axis == 1:
		arranged = l.nhwc
		becomes(o.out[0])
	default:
		return l.rowBetween(o, inputs, axis, run)
	}
	var in []*val
	for _, v := range o.in[:inputs] {
		in = append(in, arranged(v))
	}
	l.emit(o.name, &inPlace{mapped{kind: o.op.Kind(), unit: c, run: func(dst, a, b []float32) { run(dst, a, b, c) }}}, in, o.out[0])
	return true
}

// rowBetween is row for an axis with others on both sides: what lies before it counts as images and what follows as their positions.
func (l *layouts) rowBetween(o *op, inputs, axis int, run func(dst, a, b []float32, c int)) bool {
	shape := o.in[0].shape()
	c := shape[axis]
	before, _ := tensor.Count(shape[:axis])
	after, _ := tensor.Count(shape[axis+1:])
	seen := func(v *val, shape ...int) *val {
		return &val{name: v.name + ":rows", known: true, info: layer.Info{DType: tensor.Float32, Shape: shape}}
	}
	var in []*val
	for _, v := range o.in[:inputs] {
		w := seen(v, before, c, after)
		l.emit(o.name+":rows", &view{}, []*val{l.nchw(v)}, w)
		in = append(in, l.nhwc(w))
	}
	y := becomes(seen(o.out[0], before, c, after))
	l.emit(o.name, &inPlace{mapped{kind: o.op.Kind(), unit: c, run: func(dst, a, b []float32) { run(dst, a, b, c) }}}, in, y)
	l.emit(o.name+":rows", &view{}, []*val{l.nchw(y)}, o.out[0])
	return true
}

// layerNorm emits a LayerNorm whose gain and bias are constants, of one number for each place in a row.
func (l *layouts) layerNorm(o *op, n *layer.LayerNorm) bool {
	shape := o.in[0].shape()
	axis := n.Axis
	if axis < 0 {
		axis += len(shape)
	}
	if axis < 0 || axis >= len(shape) || slices.ContainsFunc(o.out[1:], func(v *val) bool { return v != nil }) {
		return false
	}
	numbers := func(v *val) []float32 {
		if !v.constant() {
			return nil
		}
		s := v.info.Shape
		for len(s) > len(shape)-axis && s[0] == 1 {
			s = s[1:]
		}
		if !slices.Equal(s, shape[axis:]) {
			return nil
		}
		return v.info.Value.Float32s()
	}
	gain := numbers(o.in[1])
	bias := make([]float32, len(gain))
	if len(o.in) > 2 && o.in[2] != nil {
		bias = numbers(o.in[2])
	}
	if len(gain) == 0 || len(bias) == 0 {
		return false
	}
	return l.row(o, 1, axis, true, func(dst, a, _ []float32, _ int) { kernels.LayerNorm(dst, a, gain, bias, n.Epsilon) })
}

// slice moves a Slice with known bounds to channels last.
func (l *layouts) slice(o *op) bool {
	rank := len(o.out[0].info.Shape)
	for _, v := range o.in[1:] {
		if v != nil && !v.constant() {
			return false
		}
	}
	var axes []int
	if len(o.in) > 3 && o.in[3] != nil {
		axes, _ = o.in[3].info.Value.Ints()
	} else {
		axes = countUp(o.in[1].info.Shape[0])
	}
	moved := make([]int64, len(axes))
	for i, a := range axes {
		moved[i] = int64(lastAxis(a, rank))
	}
	for len(o.in) < 4 {
		o.in = append(o.in, nil)
	}
	o.in[3] = constant(o.name+":axes", tensor.Of(moved, len(moved)))
	o.in[0] = l.nhwc(o.in[0])
	becomes(o.out[0])
	l.ops = append(l.ops, o)
	return true
}

// pad moves a Pad of known amounts to channels last.
func (l *layouts) pad(o *op, f *layer.Pad) bool {
	before, after, _, ok := f.Constant(o.infos())
	if !ok || len(o.in) > 2 && o.in[2] != nil && !o.in[2].constant() {
		return false
	}
	var pads []int64
	for _, n := range append(last(before), last(after)...) {
		pads = append(pads, int64(n))
	}
	in := []*val{l.nhwc(o.in[0]), constant(o.name+":pads", tensor.Of(pads, len(pads))), nil}
	if len(o.in) > 2 {
		in[2] = o.in[2]
	}
	l.emit(o.name, &layer.Pad{Mode: f.Mode}, in, becomes(o.out[0]))
	return true
}

// transpose turns a permutation that only moves the channels to the end, or back from there, into a change of view.
func (l *layouts) transpose(o *op, t *layer.Transpose) bool {
	x, rank := o.in[0], len(o.out[0].info.Shape)
	if len(t.Perm) != rank {
		return false
	}
	switch {
	case slices.IsSorted(t.Perm) && x.layout == NCHW: // a number, too
		l.emit(o.name, &view{}, []*val{x}, o.out[0])
	case rank < 3:
		return l.permute(o, t.Perm)
	case x.layout == NHWC && slices.Equal(t.Perm, last(countUp(rank))):
		l.emit(o.name, &view{}, []*val{x}, o.out[0])
	case x.layout == NCHW && slices.Equal(t.Perm, first(countUp(rank))) && x.info.DType == tensor.Float32:
		l.emit(o.name, &view{}, []*val{x}, becomes(o.out[0]))
	case slices.Equal(t.Perm, last(countUp(rank))):
		l.emit(o.name, &view{}, []*val{l.nhwc(x)}, o.out[0])
	default:
		return l.permute(o, t.Perm)
	}
	return true
}

// permute emits another permutation of axes.
func (l *layouts) permute(o *op, perm []int) bool {
	x := o.in[0]
	if !x.filled() || x.info.DType.Size() != 4 || x.info.DType == tensor.String || slices.Min(perm) < 0 {
		return false
	}
	if f := newPermuted(x.shape(), perm); f != nil {
		l.emit(o.name, f, []*val{l.nchw(x)}, o.out[0])
		return true
	}
	return false
}

// regroup turns a Reshape that leaves an image's pictures and channels alone into a change of view.
func (l *layouts) regroup(o *op) bool {
	x, z := o.in[0], o.out[0].info.Shape
	s := x.shape()
	if x.layout != NHWC || len(z) < 3 || z[0] != s[0] || z[1] != s[1] {
		return false
	}
	l.emit(o.name, &view{}, []*val{x}, becomes(o.out[0]))
	return true
}

// window2 returns a window over an image as kernels have it; ok is false for three dimensions.
func window2(w *layer.Window, shape, kernel []int) (s kernels.Conv2D, out [2]int, ok bool) {
	dims, err := w.Resolve(shape, kernel)
	if err != nil || len(dims) > 2 || shape[0] == 0 || shape[1] == 0 {
		return s, out, false
	}
	if len(dims) == 1 {
		dims = []layer.Spatial{{In: 1, Out: 1, Kernel: 1, Stride: 1, Dilation: 1}, dims[0]}
	}
	h, v := dims[0], dims[1]
	s = kernels.Conv2D{N: shape[0], H: h.In, W: v.In, C: shape[1], KH: h.Kernel, KW: v.Kernel, SH: h.Stride, SW: v.Stride, DH: h.Dilation, DW: v.Dilation,
		PT: h.Before, PB: h.After, PL: v.Before, PR: v.After, Groups: 1}
	if h.In < 1 || v.In < 1 || h.Out < 1 || v.Out < 1 || h.In*(v.In+v.Before+v.After)*shape[1] > 1<<30 {
		return s, out, false
	}
	return s, [2]int{h.Out, v.Out}, true
}

// conv emits a convolution's fast form.
func (l *layouts) conv(o *op, f *fused, c *layer.Conv) bool {
	x, w := o.in[0], o.in[1]
	if o.in[2] != nil && o.in[2].floats() == nil {
		return l.unfuse(o, f)
	}
	shape, out, ok := window2(&c.Window, x.shape(), w.info.Shape[2:])
	if !ok {
		return l.unfuse(o, f)
	}
	shape.O, shape.Groups = w.info.Shape[0], max(1, c.Groups)
	if shape.OH() != out[0] || shape.OW() != out[1] {
		return l.unfuse(o, f)
	}
	fast, ok := l.newConv(shape, w, o.in[2], f)
	if !ok {
		return l.unfuse(o, f)
	}
	in := []*val{l.nhwc(x)}
	if o.in[3] != nil {
		in = append(in, l.nhwc(o.in[3]))
	}
	n := l.emit(o.name, fast, in, becomes(o.out[0]))
	n.macs, n.params = o.macs, o.params
	return true
}

// local emits a locally connected layer's fast form.
func (l *layouts) local(o *op, f *fused, c *layer.LocallyConnected) bool {
	x, w, b := o.in[0], o.in[1], o.in[2]
	shape, out, ok := window2(&c.Window, x.shape(), w.info.Shape[4:])
	if !ok || w.info.Shape[2] == 0 || b != nil && b.floats() == nil {
		return l.unfuse(o, f)
	}
	shape.O = w.info.Shape[2]
	positions := out[0] * out[1]
	if shape.OH() != out[0] || shape.OW() != out[1] || !l.left.pay(w) {
		return l.unfuse(o, f)
	}
	var bias []float32 // [OH,OW,O]
	if b != nil {
		bias = make([]float32, len(b.floats()))
		kernels.NCHWToNHWC(nil, bias, b.floats(), 1, shape.O, positions)
	}
	fast := &local{kind: f.kind, act: f.act, plan: kernels.NewLocal(shape)}
	fast.weights = fast.plan.Pack(filters(w.floats(), positions*shape.O, shape.C, shape.KH*shape.KW, l.consume && l.uses[w] == 1), bias)
	n := l.emit(o.name, fast, []*val{l.nhwc(x)}, becomes(o.out[0]))
	n.macs, n.params = o.macs, o.params
	return true
}

// lcn emits a local contrast normalisation's fast form.
func (l *layouts) lcn(o *op, f *layer.LCN) bool {
	plan := lcnPlan(o, f)
	if plan == nil {
		return false
	}
	n := l.emit(o.name, &lcn{plan: plan}, []*val{l.nhwc(o.in[0])}, becomes(o.out[0]))
	n.macs, n.params = o.macs, o.params
	return true
}

// lcnPlan plans a local contrast normalisation of an op's first input; it returns nil where the kernel has no form for it.
func lcnPlan(o *op, f *layer.LCN) *kernels.LCN {
	s := o.in[0].shape()
	count, _ := tensor.Count(s)
	if count == 0 || o.out[0].info.DType != tensor.Float32 {
		return nil
	}
	plan := kernels.NewLCN(kernels.LCN2D{N: s[0], H: s[2], W: s[3], C: s[1], Size: f.Size, Sigma: f.Sigma, Floor: f.Floor})
	// The maps of a tall picture of few columns are mostly padding.
	if plan.ScratchLen() > max(1<<22, 4*count) {
		return nil
	}
	return plan
}

// Transposed convolutions beyond these have no fast form: entries of its tables, and stride, since each phase has weights of its own.
const (
	maxOffsets = 1 << 24
	maxStride  = 64
)

// convTranspose emits a transposed convolution's fast form.
func (l *layouts) convTranspose(o *op, f *fused, c *layer.ConvTranspose) bool {
	x, w := o.in[0], o.in[1]
	shape := x.shape()
	dims, err := c.Resolve(shape, w.info.Shape)
	if err != nil || len(dims) > 2 || w.floats() == nil || o.in[2] != nil && o.in[2].floats() == nil {
		return l.unfuse(o, f)
	}
	if len(dims) == 1 {
		dims = []layer.Spatial{{In: 1, Out: 1, Kernel: 1, Stride: 1, Dilation: 1}, dims[0]}
	}
	h, v := dims[0], dims[1]
	for _, d := range dims {
		if d.In < 1 || d.Out < 1 || d.Stride > maxStride || d.Dilation != 1 && d.Kernel != 1 {
			return l.unfuse(o, f)
		}
	}
	added := func(d layer.Spatial) int { return d.Out - (d.Stride*(d.In-1) + d.Kernel - d.Before - d.After) }
	s := kernels.Transposed2D{N: shape[0], H: h.In, W: v.In, C: shape[1], O: w.info.Shape[1] * c.Groups, KH: h.Kernel, KW: v.Kernel, SH: h.Stride, SW: v.Stride,
		PT: h.Before, PB: h.After, PL: v.Before, PR: v.After, AH: added(h), AW: added(v), Groups: c.Groups}
	patterns := float64(min(h.Out/h.Stride, 2*h.Kernel/h.Stride) + 2)
	if s.N < 1 || s.C < 1 || s.O < 1 || s.AH < 0 || s.AW < 0 || s.H*s.W*s.C > 1<<30 ||
		patterns*float64(h.Kernel)*float64(v.Kernel)*float64(v.Out/v.Stride+1) > maxOffsets || !l.left.pay(w) {
		return l.unfuse(o, f)
	}
	n := l.emit(o.name, newTransposed(s, w.floats(), o.in[2].floats(), f), []*val{l.nhwc(x)}, becomes(o.out[0]))
	n.macs, n.params = o.macs, o.params
	return true
}

// unfuse emits a layer that has no fast form, and what was fused into it, as separate plain operations.
func (l *layouts) unfuse(o *op, f *fused) bool {
	out := o.out[0]
	y := out
	mid := func(suffix string) *val {
		return &val{name: out.name + suffix, known: true, info: layer.Info{DType: out.info.DType, Shape: out.info.Shape}}
	}
	res := l.nchw(o.in[3])
	acts := f.act.Kind != kernels.ActNone
	if acts || res != nil {
		y = mid(":sum")
	}
	in := []*val{l.nchw(o.in[0]), l.nchw(o.in[1])}
	if o.in[2] != nil {
		in = append(in, l.nchw(o.in[2]))
	}
	n := l.emit(o.name, f.Op, in, y)
	n.macs, n.params = o.macs, o.params
	if res != nil {
		z := out
		if acts {
			z = mid(":residual")
		}
		l.emit(o.name, &layer.Binary{Fn: layer.Add}, []*val{y, res}, z)
		y = z
	}
	if acts {
		l.emit(o.name, &activate{f.act}, []*val{y}, out)
	}
	return true
}

// gemm emits a fully connected layer's fast form: x [M,K] times constant weights.
func (l *layouts) gemm(o *op, f *fused, g *layer.Gemm) bool {
	x, w := o.in[0], o.in[1]
	m, n := o.out[0].info.Shape[0], o.out[0].info.Shape[1]
	k := x.shape()[1]
	var bias []float32
	if c := o.in[2]; c != nil {
		b := c.floats()
		s := c.info.Shape
		if b == nil || len(b) != n && len(b) != 1 || len(s) == 2 && s[0] != 1 || len(s) > 2 {
			return l.unfuse(o, f)
		}
		bias = make([]float32, n)
		for i := range bias {
			bias[i] = g.Beta * b[i*b2i(len(b) > 1)]
		}
	}
	if g.TransA || w.floats() == nil || k == 0 || n == 0 || m == 0 {
		return l.unfuse(o, f)
	}
	way := packing{w, o.in[2], packDense, 1}
	if g.TransB {
		way.way = packTurned
	}
	pack := func() *kernels.Packed {
		weights, ours := w.floats(), l.consume && l.uses[w] == 1
		if g.Alpha != 1 {
			weights, ours = slices.Clone(weights), true
			for i := range weights {
				weights[i] *= g.Alpha
			}
		}
		switch {
		case g.TransB && ours:
			return kernels.PackBTInPlace(weights, k, n, bias)
		case g.TransB:
			return kernels.PackBT(weights, k, k, n, bias)
		}
		return kernels.PackB(weights, n, k, n, bias)
	}
	fast, ok := &dense{kind: f.kind, m: m, act: f.act}, true
	if g.Alpha == 1 && (g.Beta == 1 || bias == nil) {
		fast.b, ok = once(l.left, way, pack)
	} else if ok = l.left.pay(w); ok {
		fast.b = pack()
	}
	if !ok {
		return l.unfuse(o, f)
	}
	e := l.emit(o.name, fast, []*val{l.nchw(x), l.nchw(o.in[3])}, o.out[0])
	e.macs, e.params = o.macs, o.params
	return true
}

// matmul emits the product of a matrix, or a batch of them, and constant weights.
func (l *layouts) matmul(o *op, f *fused) bool {
	x, w := o.in[0], o.in[1]
	k, n := w.info.Shape[0], w.info.Shape[1]
	count, _ := tensor.Count(x.info.Shape)
	var bias *val
	if len(o.in) > 2 {
		bias = o.in[2]
	}
	b, ok := once(l.left, packing{w, bias, packDense, 1}, func() *kernels.Packed { return kernels.PackB(w.floats(), n, k, n, bias.floats()) })
	if !ok {
		return len(o.in) > 2 && l.unfuse(o, f)
	}
	in := []*val{l.nchw(x)}
	if len(o.in) > 2 {
		in = append(in, l.nchw(o.in[3]))
	}
	e := l.emit(o.name, &dense{kind: f.kind, m: count / k, b: b, act: f.act}, in, o.out[0])
	e.macs, e.params = o.macs, o.params
	return true
}
