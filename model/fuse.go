package model

import (
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// optimise rewrites the program for speed: what can be computed now is folded into weights, neighbours that can run as one are fused,
// and images change to NHWC, in which the fast kernels work.
//
// With consume, packed weights may be left where constants were.
func (p *ir) optimise(consume bool) {
	p.simplify()
	p.products()
	p.straighten()
	p.foldIntoConv()
	p.dropDenormals(consume)
	p.dilate()
	p.recognise()
	p.fuse()
	p.fuseTraining()
	p.quantised()
	p.integers()
	p.toNHWC(consume)
	if p.opt.ChannelsLast {
		p.takeNHWC()
	}
	p.spread()
	p.prune()
}

// uses counts how often each value is read; an output of the network counts as a reading.
func (p *ir) uses() map[*val]int {
	n := map[*val]int{}
	for _, o := range p.ops {
		for _, v := range o.in {
			if v != nil {
				n[v]++
			}
		}
	}
	for _, v := range p.outputs {
		n[v]++
	}
	return n
}

// edit rewrites readings of values and drops ops, all at once, so that passes may collect changes while they look.
type edit struct {
	p       *ir
	replace map[*val]*val
	drop    map[*op]bool
}

func (p *ir) edit() *edit { return &edit{p, map[*val]*val{}, map[*op]bool{}} }

func (e *edit) end(v *val) *val {
	for v != nil && e.replace[v] != nil {
		v = e.replace[v]
	}
	return v
}

// apply carries the changes out.
func (e *edit) apply() {
	for _, o := range e.p.ops {
		for i, v := range o.in {
			o.in[i] = e.end(v)
		}
	}
	for i, v := range e.p.outputs {
		e.p.outputs[i] = e.end(v)
	}
	e.p.ops = slices.DeleteFunc(e.p.ops, func(o *op) bool { return e.drop[o] })
}

// floats returns the elements of a float32 constant, or nil.
func (v *val) floats() []float32 {
	if v == nil || v.info.Value == nil || v.info.DType != tensor.Float32 {
		return nil
	}
	return v.info.Value.Float32s()
}

// scalar returns the value of a constant of one float32.
func (v *val) scalar() (float32, bool) {
	if f := v.floats(); len(f) == 1 {
		return f[0], true
	}
	return 0, false
}

func constant(name string, t *tensor.Tensor) *val {
	return &val{name: name, known: true, info: layer.Info{DType: t.DType(), Shape: t.Shape(), Value: t}}
}

// simplify removes operations that copy.
func (p *ir) simplify() {
	e := p.edit()
	for _, o := range p.ops {
		switch f := o.op.(type) {
		case *layer.Identity, *layer.Dropout:
			if len(o.out) > 1 && o.out[1] != nil || o.in[0].info.DType == tensor.String {
				continue
			}
			e.replace[o.out[0]] = o.in[0]
			e.drop[o] = true
		case *layer.Reshape:
			if x, y := o.in[0], o.out[0]; x.known && y.known && slices.Equal(x.info.Shape, y.info.Shape) {
				e.replace[y] = x
				e.drop[o] = true
			}
		case *layer.Pad:
			if !static(o) || o.out[0].info.DType != tensor.Float32 {
				continue
			}
			before, after, _, ok := f.Constant(o.infos())
			if ok && !slices.ContainsFunc(slices.Concat(before, after), func(n int) bool { return n != 0 }) {
				e.replace[o.out[0]] = o.in[0]
				e.drop[o] = true
			}
		}
	}
	e.apply()
}

// straighten computes a softmax along the axis that it is meant for, where a file exchanges axes before it and again behind it: until opset 13 ONNX had none
// along the channels alone.
func (p *ir) straighten() {
	uses := p.uses()
	e := p.edit()
	for _, o := range p.ops {
		back, ok := o.op.(*layer.Transpose)
		if !ok || o.in[0] == nil || o.in[0].def == nil || uses[o.in[0]] != 1 {
			continue
		}
		s := o.in[0].def
		f, ok := s.op.(*layer.Softmax)
		if !ok || s.in[0].def == nil || !s.in[0].known {
			continue
		}
		turned := s.in[0]
		there, ok := turned.def.op.(*layer.Transpose)
		rank := len(turned.info.Shape)
		if !ok || len(there.Perm) != rank || len(back.Perm) != rank {
			continue
		}
		axis := f.Axis
		if axis < 0 {
			axis += rank
		}
		if axis >= rank || f.Flatten && axis != rank-1 || slices.ContainsFunc(countUp(rank), func(i int) bool { return there.Perm[back.Perm[i]] != i }) {
			continue
		}
		s.op = &layer.Softmax{Axis: there.Perm[axis], Log: f.Log}
		x := turned.def.in[0]
		if uses[turned] == 1 {
			e.drop[turned.def] = true
		} else { // both are read where only one was
			uses[turned]--
			uses[x]++
		}
		s.in = []*val{x}
		s.out = o.out
		s.out[0].def = s
		e.drop[o] = true
	}
	e.apply()
}

// perChannel returns the elements of a constant that is the same at all positions of an image [N,C,H,W]: one for each channel, or one for all.
func perChannel(v *val, image []int) []float32 {
	f := v.floats()
	if len(f) == 1 {
		return f
	}
	if len(image) < 3 || !layer.ByChannel(v.info.Shape, image) {
		return nil
	}
	return f
}

// foldIntoConv folds what follows a convolution channel by channel into its weights (batch normalisation, Ioffe, Szegedy 2015, and
// multiplications and additions of constants), and zero padding before it into its own.
func (p *ir) foldIntoConv() {
	uses := p.uses()
	e := p.edit()
	for _, o := range p.ops {
		if c, ok := o.op.(*layer.Conv); ok {
			p.foldPad(e, uses, o, c)
			continue
		}
		x := o.in[0]
		if len(o.in) == 0 || x == nil {
			continue
		}
		at := 0
		conv := producer(e.end(x))
		if _, ok := o.op.(*layer.Binary); ok && (conv == nil || uses[x] != 1) && len(o.in) == 2 && o.in[1] != nil {
			at, x = 1, o.in[1]
			conv = producer(e.end(x))
		}
		if conv == nil || uses[x] != 1 || len(o.out) != 1 && !onlyFirst(o) {
			continue
		}
		w := conv.in[1].floats()
		if w == nil {
			continue
		}
		out, channel := weightChannels(conv)
		scale, shift := affine(o, at, out)
		if scale == nil {
			continue
		}
		bias := make([]float32, out)
		if len(conv.in) > 2 && conv.in[2] != nil {
			if b := conv.in[2].floats(); b != nil {
				copy(bias, b)
			} else {
				continue
			}
		}
		folded := tensor.New(tensor.Float32, conv.in[1].info.Shape...)
		f := folded.Float32s()
		for i := range w {
			f[i] = float32(float64(w[i]) * scale[channel(i)])
		}
		for i := range bias {
			bias[i] = float32(float64(float64(bias[i])*scale[i]) + shift[i])
		}
		conv.in = []*val{conv.in[0], constant(conv.in[1].name, folded), constant(conv.name+":bias", tensor.Of(bias, out))}
		conv.params += o.params
		e.replace[o.out[0]] = e.end(x)
		uses[e.end(x)] = uses[o.out[0]]
		e.drop[o] = true
	}
	e.apply()
}

// dilate turns windows between whose weights an exporter wrote zeros into smaller ones with a dilation: a zero adds nothing to a sum, unless
// it meets an infinity or a NaN.
func (p *ir) dilate() {
	for _, o := range p.ops {
		c, ok := o.op.(*layer.Conv)
		if !ok {
			continue
		}
		w := o.in[1].floats()
		if len(w) == 0 || !o.in[0].known {
			continue
		}
		resolved, err := c.Resolve(o.in[0].info.Shape, o.in[1].info.Shape[2:])
		if err != nil {
			continue
		}
		n, shape := len(resolved), slices.Clone(o.in[1].info.Shape)
		window := layer.Window{Kernel: shape[2:], Strides: make([]int, n), Dilations: make([]int, n), Pads: make([]int, 2*n)}
		smaller := false
		for i, s := range resolved {
			apart := tapsApart(w, shape, 2+i)
			w = everyTap(w, shape, 2+i, apart)
			smaller = smaller || apart > 1
			window.Strides[i], window.Dilations[i] = s.Stride, s.Dilation*apart
			window.Pads[i], window.Pads[n+i] = s.Before, s.After
		}
		if !smaller {
			continue
		}
		o.in[1] = constant(o.in[1].name, tensor.Of(w, shape...))
		conv := &layer.Conv{Window: window, Groups: c.Groups}
		o.op = conv
		o.macs = conv.MACs([]layer.Info{o.in[0].info, o.in[1].info}, []layer.Info{o.out[0].info})
		o.work = o.macs
	}
}

// tapsApart returns the largest number of which only every multiple is the place, along an axis, of weights that are not zero. It divides the
// size less one.
func tapsApart(w []float32, shape []int, axis int) int {
	inner, _ := tensor.Count(shape[axis+1:])
	k := shape[axis]
	for d := k - 1; d > 1; d-- {
		if (k-1)%d != 0 {
			continue
		}
		thin := true
		for i := 0; thin && i < len(w); i++ {
			thin = w[i] == 0 || i/inner%k%d == 0
		}
		if thin {
			return d
		}
	}
	return 1
}

// everyTap returns the weights at every multiple of apart along an axis, and changes shape to theirs.
func everyTap(w []float32, shape []int, axis, apart int) []float32 {
	if apart == 1 {
		return w
	}
	inner, _ := tensor.Count(shape[axis+1:])
	k := shape[axis]
	var kept []float32
	for i := 0; i < len(w); i += inner {
		if i/inner%k%apart == 0 {
			kept = append(kept, w[i:i+inner]...)
		}
	}
	shape[axis] = (k-1)/apart + 1
	return kept
}

// producer returns the convolution, transposed or not, with constant weights that makes v, or nil.
func producer(v *val) *op {
	if v == nil || v.def == nil {
		return nil
	}
	switch v.def.op.(type) {
	case *layer.Conv, *layer.ConvTranspose:
		if v.def.in[1].constant() && v.info.DType == tensor.Float32 {
			return v.def
		}
	}
	return nil
}

// weightChannels returns the number of output channels of a convolution, and to which of them each of its weights belongs.
func weightChannels(conv *op) (out int, channel func(weight int) int) {
	w := conv.in[1].info.Shape
	n, _ := tensor.Count(w)
	if t, ok := conv.op.(*layer.ConvTranspose); ok { // [C,O/G,...]
		og := w[1]
		taps, group := max(1, n/max(1, w[0]*og)), max(1, n/t.Groups)
		return og * t.Groups, func(i int) int { return i/group*og + i/taps%og }
	}
	per := max(1, n/max(1, w[0]))
	return w[0], func(i int) int { return i / per }
}

func onlyFirst(o *op) bool {
	for _, v := range o.out[1:] {
		if v != nil {
			return false
		}
	}
	return true
}

// affine returns scale and shift per channel where an operation on input number at is y = x·scale + shift with constants; else nil.
func affine(o *op, at, channels int) (scale, shift []float64) {
	scale, shift = make([]float64, channels), make([]float64, channels)
	pick := func(f []float32, i int) float64 {
		if len(f) == 1 {
			return float64(f[0])
		}
		return float64(f[i])
	}
	switch l := o.op.(type) {
	case *layer.BatchNorm:
		g, b, mean, variance := o.in[1].floats(), o.in[2].floats(), o.in[3].floats(), o.in[4].floats()
		if at != 0 || l.Training || len(g) != channels || len(b) != channels || len(mean) != channels || len(variance) != channels {
			return nil, nil
		}
		for i := range scale {
			scale[i] = float64(g[i]) / math.Sqrt(float64(variance[i])+float64(l.Epsilon))
			shift[i] = float64(b[i]) - float64(float64(mean[i])*scale[i])
		}
	case *layer.Binary:
		f := perChannel(o.in[1-at], o.out[0].info.Shape)
		if f == nil || !slices.Equal(o.in[at].info.Shape, o.out[0].info.Shape) {
			return nil, nil
		}
		for i := range scale {
			scale[i] = 1
			switch v := pick(f, i); l.Fn {
			case layer.Add:
				shift[i] = v
			case layer.Mul:
				scale[i] = v
			case layer.Sub:
				if shift[i] = -v; at == 1 {
					scale[i], shift[i] = -1, v
				}
			case layer.Div:
				if at == 1 {
					return nil, nil
				}
				scale[i] = 1 / v
			default:
				return nil, nil
			}
		}
	default:
		return nil, nil
	}
	return scale, shift
}

// foldPad takes a constant zero padding of the spatial dimensions into the convolution that reads it.
func (p *ir) foldPad(e *edit, uses map[*val]int, o *op, c *layer.Conv) {
	x := o.in[0]
	if x.def == nil || uses[x] != 1 {
		return
	}
	pad, ok := x.def.op.(*layer.Pad)
	if !ok || pad.Mode != layer.PadConstant {
		return
	}
	before, after, value, ok := pad.Constant(x.def.infos())
	if !ok || value != 0 {
		return
	}
	n := len(before) - 2
	if n < 1 || before[0]|after[0]|before[1]|after[1] != 0 {
		return
	}
	resolved, err := c.Resolve(x.info.Shape, o.in[1].info.Shape[2:])
	if err != nil {
		return
	}
	window := c.Window
	window.AutoPad = layer.PadExplicit
	window.Pads = make([]int, 2*n)
	for i, s := range resolved {
		if before[2+i] < 0 || after[2+i] < 0 { // what is cut off does not come back as zeros
			return
		}
		window.Pads[i], window.Pads[n+i] = s.Before+before[2+i], s.After+after[2+i]
	}
	o.op = &layer.Conv{Window: window, Groups: c.Groups}
	o.in[0] = x.def.in[0]
	e.drop[x.def] = true
}

// fused is a convolution, a locally or a fully connected layer, or a product with constant weights, with what follows it. Inputs: x, weights, bias or nil,
// residual or nil.
type fused struct {
	layer.Op // the layer itself: *layer.Conv, *layer.ConvTranspose, *layer.LocallyConnected, *layer.Gemm or *layer.MatMul
	act      kernels.Act
	kind     string
	exact    bool // numbers are integers, and no sum may be made of others
}

func (f *fused) Kind() string { return f.kind }

// activation returns the form in which kernels apply an operation as they store, if they can.
func activation(o *op) (kernels.Act, bool) {
	inf := float32(math.Inf(1))
	switch l := o.op.(type) {
	case *layer.Unary:
		switch l.Fn {
		case layer.Relu:
			return kernels.Act{Kind: kernels.ActClip, Hi: inf}, true
		case layer.LeakyRelu:
			return kernels.Act{Kind: kernels.ActLeaky, Alpha: l.Alpha}, true
		}
	case *layer.Clip:
		a := kernels.Act{Kind: kernels.ActClip, Lo: -inf, Hi: inf}
		for i, bound := range []*float32{&a.Lo, &a.Hi} {
			if i+1 < len(o.in) && o.in[i+1] != nil {
				v, ok := o.in[i+1].scalar()
				if !ok {
					return a, false
				}
				*bound = v
			}
		}
		return a, true
	}
	return kernels.Act{}, false
}

// fuse takes residual additions and activations into the convolutions and fully connected layers before them.
func (p *ir) fuse() {
	uses := p.uses()
	e := p.edit()
	for _, o := range p.ops {
		switch l := o.op.(type) {
		case *layer.Conv:
			if !static(o) || o.in[1] == nil || o.out[0].info.DType != tensor.Float32 {
				continue
			}
			o.op = &fused{Op: l, kind: "Conv"}
		case *layer.ConvTranspose:
			if !static(o) || o.in[1] == nil || o.out[0].info.DType != tensor.Float32 {
				continue
			}
			o.op = &fused{Op: l, kind: "ConvTranspose"}
		case *layer.Gemm:
			if !static(o) || o.in[1] == nil || o.out[0].info.DType != tensor.Float32 {
				continue
			}
			o.op = &fused{Op: l, kind: "Gemm"}
		case *layer.LocallyConnected:
			if !static(o) || o.in[1] == nil || o.out[0].info.DType != tensor.Float32 {
				continue
			}
			o.op = &fused{Op: l, kind: "LocallyConnected"}
		case *layer.MatMul:
			if !static(o) || !weighs(o) {
				continue
			}
			o.op = &fused{Op: l, kind: "MatMul"}
		default:
			p.fuseInto(e, uses, o)
			continue
		}
		for len(o.in) < 4 {
			o.in = append(o.in, nil)
		}
	}
	e.apply()
}

// weighs says whether a matrix product is one of a matrix, or a batch of them, and constant weights.
func weighs(o *op) bool {
	w := o.in[1]
	return w.floats() != nil && len(w.info.Shape) == 2 && len(o.in[0].info.Shape) >= 2 && w.info.Shape[0] > 0 && o.out[0].filled()
}

// fuseInto takes o into the fused operation whose output it reads, if it may.
func (p *ir) fuseInto(e *edit, uses map[*val]int, o *op) {
	if len(o.in) == 0 || len(o.out) != 1 {
		return
	}
	if a, ok := activation(o); ok {
		x := e.end(o.in[0])
		if x.def == nil || uses[x] != 1 {
			return
		}
		f, ok := x.def.op.(*fused)
		if !ok || f.act.Kind != kernels.ActNone {
			return
		}
		f.act = a
		f.kind += "+" + o.op.Kind()
		e.replace[o.out[0]] = x
		e.drop[o] = true
		uses[x] = uses[o.out[0]]
		return
	}
	b, ok := o.op.(*layer.Binary)
	if !ok || b.Fn != layer.Add || len(o.in) != 2 {
		return
	}
	// Of two convolutions that are added, the later one takes the other in.
	pick := -1
	for i := range 2 {
		x := e.end(o.in[i])
		if uses[x] == 1 && addsBias(x, o.in[1-i]) {
			x.def.in[2] = o.in[1-i]
			x.def.params += o.params
			e.replace[o.out[0]] = x
			e.drop[o] = true
			uses[x] = uses[o.out[0]]
			return
		}
		if x.def == nil || uses[x] != 1 || x == e.end(o.in[1-i]) {
			continue
		}
		f, ok := x.def.op.(*fused)
		if !ok || f.act.Kind != kernels.ActNone || x.def.in[3] != nil || !slices.Equal(o.in[1-i].info.Shape, x.info.Shape) || !f.takesResidual(x.def) {
			continue
		}
		if pick < 0 || slices.Index(p.ops, x.def) > slices.Index(p.ops, e.end(o.in[pick]).def) {
			pick = i
		}
	}
	if pick < 0 {
		return
	}
	x := e.end(o.in[pick])
	f := x.def.op.(*fused)
	f.kind += "+Add"
	// The convolution moves to the place of the addition, where the residual is there too: it becomes the addition's op.
	moved := x.def
	e.drop[moved] = true
	o.op, o.in = f, []*val{moved.in[0], moved.in[1], moved.in[2], o.in[1-pick]}
	o.macs, o.params = moved.macs, o.params+moved.params
}

// addsBias says whether b is a bias for the matrix product that makes x, which has none yet: a constant of one number for each column.
func addsBias(x, b *val) bool {
	if x.def == nil {
		return false
	}
	f, ok := x.def.op.(*fused)
	if !ok || f.act.Kind != kernels.ActNone || x.def.in[2] != nil || x.def.in[3] != nil || b.floats() == nil {
		return false
	}
	if _, ok := f.Op.(*layer.MatMul); !ok {
		return false
	}
	shape, n := x.info.Shape, len(b.floats())
	return n == shape[len(shape)-1] && len(b.info.Shape) >= 1 && len(b.info.Shape) <= len(shape) && b.info.Shape[len(b.info.Shape)-1] == n
}

// takesResidual says whether the layer's fast kernel adds a residual as it stores.
func (f *fused) takesResidual(o *op) bool {
	switch c := f.Op.(type) {
	case *layer.Conv:
		return !depthwise(c, o.in[0].info.Shape, o.in[1].info.Shape)
	case *layer.Gemm:
		return o.in[1].constant() && (o.in[2] == nil || o.in[2].constant())
	case *layer.MatMul:
		return true
	}
	return false
}

// depthwise says whether each channel has one filter of its own.
func depthwise(c *layer.Conv, x, w []int) bool {
	return len(x) >= 3 && max(1, c.Groups) == x[1] && w[0] == x[1] && x[1] > 1
}
