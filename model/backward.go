package model

import (
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// convInputGrad is the gradient of a convolution's input: inputs dy, channels last, and weights in ONNX's order.
type convInputGrad struct {
	fastOp
	plan   *kernels.ConvGrad
	packed *kernels.GradWeights
}

func (*convInputGrad) Kind() string { return "ConvInputGrad" }

func (g *convInputGrad) session() layer.Op {
	s := g.plan.Shape()
	return &convInputGrad{plan: g.plan, packed: g.plan.Pack(make([]float32, s.O*s.KH*s.KW*s.C/s.Groups), kernels.OrderONNX)}
}

func (g *convInputGrad) scratch(threads int) int { return g.plan.ScratchLen(threads) }

func (g *convInputGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	g.plan.Repack(e.Team, g.packed, in[1].Float32s(), kernels.OrderONNX)
	g.plan.Input(e.Team, out[0].Float32s(), in[0].Float32s(), g.packed, e.Floats(g.scratch(e.Team.Threads())))
	return nil
}

// convWeightGrad is the gradient of a convolution's weights, in ONNX's order: inputs x and dy, channels last.
type convWeightGrad struct {
	fastOp
	plan *kernels.ConvGrad
}

func (*convWeightGrad) Kind() string { return "ConvWeightGrad" }

func (g *convWeightGrad) scratch(threads int) int { return g.plan.ScratchLen(threads) }

func (g *convWeightGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	g.plan.Weight(e.Team, out[0].Float32s(), in[1].Float32s(), in[0].Float32s(), kernels.OrderONNX, e.Floats(g.scratch(e.Team.Threads())))
	return nil
}

// deepInputGrad and deepWeightGrad are the same of a depthwise convolution.
type deepInputGrad struct {
	fastOp
	plan   *kernels.DepthwiseGrad
	packed *kernels.DepthwiseGradWeights
}

func (*deepInputGrad) Kind() string { return "ConvInputGrad" }

func (g *deepInputGrad) session() layer.Op {
	s := g.plan.Shape()
	return &deepInputGrad{plan: g.plan, packed: g.plan.Pack(make([]float32, s.C*s.KH*s.KW), kernels.OrderONNX)}
}

func (g *deepInputGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	g.plan.Repack(g.packed, in[1].Float32s(), kernels.OrderONNX)
	g.plan.Input(e.Team, out[0].Float32s(), in[0].Float32s(), g.packed)
	return nil
}

type deepWeightGrad struct {
	fastOp
	plan *kernels.DepthwiseGrad
}

func (*deepWeightGrad) Kind() string        { return "ConvWeightGrad" }
func (g *deepWeightGrad) scratch(_ int) int { return g.plan.ScratchLen() }

func (g *deepWeightGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	g.plan.Weight(e.Team, out[0].Float32s(), in[1].Float32s(), in[0].Float32s(), kernels.OrderONNX, e.Floats(g.plan.ScratchLen()))
	return nil
}

// localInputGrad is the gradient of a locally connected layer's input: inputs dy, channels last, and weights [OH,OW,O,C,KH,KW].
type localInputGrad struct {
	fastOp
	plan *kernels.LocalGrad
}

func (*localInputGrad) Kind() string { return "LocalInputGrad" }

func (g *localInputGrad) scratch(_ int) int {
	s := g.plan.Shape()
	return max(g.plan.ScratchLen(), s.OH()*s.OW()*s.O*s.KH*s.KW*s.C)
}

func (g *localInputGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	s := g.plan.Shape()
	w := e.Floats(in[1].Len())
	kernels.NCHWToNHWC(e.Team, w, in[1].Float32s(), s.OH()*s.OW()*s.O, s.C, s.KH*s.KW)
	g.plan.Input(e.Team, out[0].Float32s(), in[0].Float32s(), w, e.Floats(g.plan.ScratchLen()))
	return nil
}

// localWeightGrad is the gradient of its weights, in ONNX's order: inputs x and dy, channels last.
type localWeightGrad struct {
	fastOp
	plan *kernels.LocalGrad
}

func (*localWeightGrad) Kind() string { return "LocalWeightGrad" }

func (g *localWeightGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	s := g.plan.Shape()
	dw := e.Floats(out[0].Len())
	g.plan.Weight(e.Team, dw, in[1].Float32s(), in[0].Float32s())
	kernels.NHWCToNCHW(e.Team, out[0].Float32s(), dw, s.OH()*s.OW()*s.O, s.KH*s.KW, s.C)
	return nil
}

// localShape returns a locally connected layer's shape as kernels have it; ok is false where they have none for it.
func localShape(c *layer.LocallyConnected, x, w []int) (s kernels.Conv2D, ok bool) {
	s, out, ok := window2(&c.Window, x, w[4:])
	s.O = w[2]
	return s, ok && s.O > 0 && s.OH() == out[0] && s.OW() == out[1]
}

// normGrad is the gradient of normTrain with what follows it: inputs x, scale, mean, variance, dy and, with an activation, y.
type normGrad struct {
	fastOp
	epsilon float32
	act     kernels.Act
}

func (*normGrad) Kind() string { return "BatchNormTrainGrad" }

func (g *normGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	x, c := in[0].Float32s(), in[1].Len()
	dx, dgain, dbias := given(e, out, 0, len(x)), given(e, out, 1, c), given(e, out, 2, c)
	kernels.BatchNormGrad(e.Team, dx, dgain, dbias, in[4].Float32s(), x, optional(in, 5), g.act, in[1].Float32s(), in[2].Float32s(), in[3].Float32s(), g.epsilon)
	return nil
}

// frozenNormGrad is the gradient of a batch normalisation whose mean and variance are given: inputs x or nil, scale, mean, variance, dy.
type frozenNormGrad struct {
	fastOp
	epsilon float64
}

func (*frozenNormGrad) Kind() string { return "BatchNormGrad" }

func (g *frozenNormGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	dy, c := in[4].Float32s(), in[1].Len()
	gain, mean, variance := in[1].Float32s(), in[2].Float32s(), in[3].Float32s()
	inverse := e.Floats(c)
	for i, v := range variance {
		inverse[i] = float32(1 / math.Sqrt(float64(v)+g.epsilon))
	}
	dbias, dgain := given(e, out, 2, c), optional(out, 1)
	kernels.ChannelSum(e.Team, dbias, dy)
	if dgain != nil {
		kernels.ChannelDot(e.Team, dgain, dy, in[0].Float32s())
		for i := range dgain {
			dgain[i] = float32((dgain[i] - float32(dbias[i]*mean[i])) * inverse[i])
		}
	}
	if dx := optional(out, 0); dx != nil {
		t := normTasks.Get().(*normTask)
		t.scale, t.shift = e.Floats(c), e.Floats(c)
		for i := range t.scale {
			t.scale[i], t.shift[i] = float32(gain[i]*inverse[i]), 0
		}
		t.run(e, dx, dy, c, kernels.Act{})
	}
	return nil
}

// poolGrad is the gradient of a pooling: inputs dy and, where the kind needs them, x and y, channels last.
type poolGrad struct {
	fastOp
	kind string
	plan *kernels.Pool
}

func (p *poolGrad) Kind() string { return p.kind }

func (p *poolGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	p.plan.Grad(e.Team, out[0].Float32s(), in[0].Float32s(), optional(in, 1), optional(in, 2))
	return nil
}

// channelSum sums [rows,C] to [C].
type channelSum struct{ fastOp }

func (channelSum) Kind() string { return "ReduceSum" }

func (channelSum) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	kernels.ChannelSum(e.Team, out[0].Float32s(), in[0].Float32s())
	return nil
}

// slopeGrad is the gradient of a PReLU's slopes: inputs x and dy, channels last.
type slopeGrad struct{ fastOp }

func (slopeGrad) Kind() string { return "PReluSlopeGrad" }

func (slopeGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	kernels.PReLUSlopeGrad(e.Team, out[0].Float32s(), in[1].Float32s(), in[0].Float32s())
	return nil
}

// lowerGrad emits the fast form of an operation of back-propagation, if it has one.
func (l *layouts) lowerGrad(o *op) bool {
	if o.out[0] != nil && o.out[0].info.DType != tensor.Float32 {
		return false
	}
	switch g := o.op.(type) {
	case *layer.ConvInputGrad:
		s, ok := convShape(&g.Conv, g.Shape, o.in[1].info.Shape, o.in[0].shape())
		if !ok {
			return false
		}
		var f layer.Op
		if depthwiseShape(s) {
			f = &deepInputGrad{plan: kernels.NewDepthwiseGrad(s)}
		} else {
			f = &convInputGrad{plan: kernels.NewConvGrad(s)}
		}
		l.emit(o.name, f, []*val{l.nhwc(o.in[0]), l.nchw(o.in[1])}, becomes(o.out[0])).macs = o.macs
	case *layer.ConvWeightGrad:
		s, ok := convShape(&g.Conv, o.in[0].shape(), g.Shape, o.in[1].shape())
		if !ok {
			return false
		}
		var f layer.Op
		if depthwiseShape(s) {
			f = &deepWeightGrad{plan: kernels.NewDepthwiseGrad(s)}
		} else {
			f = &convWeightGrad{plan: kernels.NewConvGrad(s)}
		}
		l.emit(o.name, f, []*val{l.nhwc(o.in[0]), l.nhwc(o.in[1])}, o.out[0]).macs = o.macs
	case *layer.LocalInputGrad:
		s, ok := localShape(&g.Local, g.Shape, o.in[1].info.Shape)
		if !ok {
			return false
		}
		l.emit(o.name, &localInputGrad{plan: kernels.NewLocalGrad(s)}, []*val{l.nhwc(o.in[0]), l.nchw(o.in[1])}, becomes(o.out[0])).macs = o.macs
	case *layer.LocalWeightGrad:
		s, ok := localShape(&g.Local, o.in[0].shape(), g.Shape)
		if !ok {
			return false
		}
		l.emit(o.name, &localWeightGrad{plan: kernels.NewLocalGrad(s)}, []*val{l.nhwc(o.in[0]), l.nhwc(o.in[1])}, o.out[0]).macs = o.macs
	case *layer.BatchNormTrain:
		return l.normTrain(o, g.Epsilon, kernels.Act{})
	case *normTrainAct:
		return l.normTrain(o, g.Epsilon, g.act)
	case *layer.BatchNormTrainGrad:
		return l.normGrad(o, g.Epsilon, kernels.Act{})
	case *normGradAct:
		return l.normGrad(o, g.Epsilon, g.act)
	case *layer.BatchNormGrad:
		return l.frozenNormGrad(o, g.Epsilon)
	case *layer.MaxPoolGrad:
		return l.poolGrad(o, kernels.PoolMax, &g.MaxPool.Window, false, o.in[0], o.in[1], o.in[2])
	case *layer.LpPoolGrad:
		return g.LpPool.P == 2 && l.poolGrad(o, kernels.PoolL2, &g.LpPool.Window, false, o.in[0], o.in[1], o.in[2])
	case *layer.AveragePoolGrad:
		return l.poolGrad(o, kernels.PoolAvg, &g.AveragePool.Window, g.AveragePool.CountPad, nil, nil, o.in[0])
	case *layer.UnaryGrad:
		return l.unaryGrad(o, g)
	case *layer.BinaryGrad:
		return l.preluGrad(o, g)
	case *layer.PReluSlopeGrad:
		if !o.in[0].filled() {
			return false
		}
		l.emit(o.name, slopeGrad{}, []*val{l.channelsLast(o.in[0]), l.channelsLast(o.in[1])}, o.out[0])
	case *layer.LCNGrad:
		return l.lcnGrad(o, g)
	case *layer.LRNGrad:
		c := o.in[0].shape()[1]
		return l.rows(o, c, func(dx, x, dy []float32) {
			kernels.LRNGrad(dx, dy, x, c, g.LRN.Size, g.LRN.Alpha, g.LRN.Beta, g.LRN.Bias)
		})
	case *layer.CrossEntropy:
		return l.crossEntropy(o, g)
	case *layer.ClipGrad:
		a, ok := clipBounds(o, 2)
		return ok && l.pairwise(o, func(dx, y, dy []float32) { kernels.ActivateGrad(dx, dy, y, a) })
	default:
		return false
	}
	return true
}

// depthwiseShape says whether each channel has one filter of its own.
func depthwiseShape(s kernels.Conv2D) bool { return s.Groups == s.C && s.O == s.C && s.C > 1 }

// filled says whether a value has elements.
func (v *val) filled() bool {
	n, ok := tensor.Count(v.info.Shape)
	return ok && n > 0
}

// channelsLast returns v with channels last; a matrix has them last already.
func (l *layouts) channelsLast(v *val) *val {
	if len(v.info.Shape) == 2 {
		return l.nchw(v)
	}
	return l.nhwc(v)
}

// becomesLast is becomes for what may be a matrix.
func becomesLast(v *val) *val {
	if v != nil && len(v.info.Shape) > 2 {
		return becomes(v)
	}
	return v
}

func (l *layouts) normTrain(o *op, epsilon float32, act kernels.Act) bool {
	x := o.in[0]
	if !x.filled() {
		return false
	}
	n := &normTrain{epsilon: float64(epsilon), act: act, c: x.shape()[1]}
	o.in[0] = l.channelsLast(x)
	becomesLast(o.out[0])
	l.emit(o.name, n, o.in, o.out...)
	return true
}

// frozenNorm emits a batch normalisation whose numbers are not all constants.
func (l *layouts) frozenNorm(o *op, b *layer.BatchNorm) bool {
	x := o.in[0]
	if !x.filled() {
		return false
	}
	o.in[0] = l.channelsLast(x)
	l.emit(o.name, &normTrain{epsilon: float64(b.Epsilon), c: x.shape()[1], frozen: true}, o.in, becomesLast(o.out[0]))
	return true
}

func (l *layouts) normGrad(o *op, epsilon float32, act kernels.Act) bool {
	if !o.in[0].filled() {
		return false
	}
	for _, i := range []int{0, 4, 5} {
		if i < len(o.in) {
			o.in[i] = l.channelsLast(o.in[i])
		}
	}
	becomesLast(o.out[0])
	l.emit(o.name, &normGrad{epsilon: epsilon, act: act}, o.in, o.out...)
	return true
}

func (l *layouts) frozenNormGrad(o *op, epsilon float32) bool {
	dy := o.in[4]
	if !dy.filled() || o.out[1] != nil && o.in[0] == nil {
		return false
	}
	if o.in[0] != nil {
		o.in[0] = l.channelsLast(o.in[0])
	}
	o.in[4] = l.channelsLast(dy)
	becomesLast(o.out[0])
	l.emit(o.name, &frozenNormGrad{epsilon: float64(epsilon)}, o.in, o.out...)
	return true
}

func (l *layouts) poolGrad(o *op, kind kernels.PoolKind, w *layer.Window, countPad bool, x, y, dy *val) bool {
	shape := o.out[0].info.Shape
	c, out, ok := window2(w, shape, w.Kernel)
	if !ok {
		return false
	}
	s := kernels.Pool2D{N: c.N, H: c.H, W: c.W, C: c.C, KH: c.KH, KW: c.KW, SH: c.SH, SW: c.SW, DH: c.DH, DW: c.DW,
		PT: c.PT, PL: c.PL, PB: c.PB, PR: c.PR, Ceil: w.Ceil, CountPad: countPad}
	if s.OH() != out[0] || s.OW() != out[1] {
		return false
	}
	l.emitPoolGrad(o, kind, s, x, y, dy)
	return true
}

func (l *layouts) emitPoolGrad(o *op, kind kernels.PoolKind, s kernels.Pool2D, x, y, dy *val) {
	in := []*val{l.nhwc(dy), nil, nil}
	if x != nil {
		in[1], in[2] = l.nhwc(x), l.nhwc(y)
	}
	l.emit(o.name, &poolGrad{kind: o.op.Kind(), plan: kernels.NewPool(kind, s)}, in, becomes(o.out[0]))
}

func (l *layouts) globalPoolGrad(o *op, g *layer.GlobalPoolGrad) bool {
	if o.out[0] == nil || !o.out[0].known || o.in[2] == nil || o.out[0].info.DType != tensor.Float32 {
		return false
	}
	s, ok := wholeImage(o.out[0])
	if !ok {
		return false
	}
	switch {
	case g.GlobalPool.Fn == layer.GlobalAveragePool:
		l.emitPoolGrad(o, kernels.PoolAvg, s, nil, nil, o.in[2])
	case g.GlobalPool.Fn == layer.GlobalMaxPool:
		l.emitPoolGrad(o, kernels.PoolMax, s, o.in[0], o.in[1], o.in[2])
	default:
		return false
	}
	return true
}

// pairwise emits an element-wise operation of the first two inputs, of one shape, in the layout of either.
func (l *layouts) pairwise(o *op, run func(dst, a, b []float32)) bool {
	a, b := o.in[0], o.in[1]
	if !slices.Equal(a.shape(), b.shape()) {
		return false
	}
	if a.layout != b.layout {
		a, b = l.nhwc(a), l.nhwc(b)
	}
	if a.layout == NHWC {
		becomes(o.out[0])
	}
	l.emit(o.name, &inPlace{mapped{kind: o.op.Kind(), run: run}}, []*val{a, b}, o.out[0])
	return true
}

// rows emits an operation of the first two inputs, of one shape, that works on rows of c channels.
func (l *layouts) rows(o *op, c int, run func(dst, a, b []float32)) bool {
	if !o.in[0].filled() {
		return false
	}
	in := []*val{l.channelsLast(o.in[0]), l.channelsLast(o.in[1])}
	l.emit(o.name, &mapped{kind: o.op.Kind(), unit: c, run: run}, in, becomesLast(o.out[0]))
	return true
}

// lcnGrad is the gradient of a local contrast normalisation: inputs x and dy, channels last.
type lcnGrad struct {
	fastOp
	plan *kernels.LCN
}

func (*lcnGrad) Kind() string              { return "LCNGrad" }
func (n *lcnGrad) scratch(threads int) int { return n.plan.GradScratchLen(threads) }

func (n *lcnGrad) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	n.plan.Grad(e.Team, out[0].Float32s(), in[1].Float32s(), in[0].Float32s(), e.Floats(n.scratch(e.Team.Threads())))
	return nil
}

func (l *layouts) lcnGrad(o *op, g *layer.LCNGrad) bool {
	plan := lcnPlan(o, &g.LCN)
	if plan == nil {
		return false
	}
	n := l.emit(o.name, &lcnGrad{plan: plan}, []*val{l.nhwc(o.in[0]), l.nhwc(o.in[1])}, becomes(o.out[0]))
	n.macs = o.macs
	return true
}

// crossEntropy moves a loss over pictures to channels last.
func (l *layouts) crossEntropy(o *op, c *layer.CrossEntropy) bool {
	if c.Last || len(o.in[0].info.Shape) < 3 {
		return false
	}
	moved := *c
	moved.Last = true
	o.in[0] = l.nhwc(o.in[0])
	if o.out[1] != nil {
		becomes(o.out[1])
	}
	l.emit(o.name, &moved, o.in, o.out...)
	return true
}

// unaryGrad emits the gradient of an element-wise function.
func (l *layouts) unaryGrad(o *op, g *layer.UnaryGrad) bool {
	alpha := g.Unary.Alpha
	simple := map[layer.Fn]func(dx, dy, v []float32){
		layer.Relu: kernels.ReLUGrad, layer.Sigmoid: kernels.SigmoidGrad, layer.Tanh: kernels.TanhGrad, layer.Softplus: kernels.SoftplusGrad,
		layer.Sqrt: kernels.SqrtGrad, layer.SiLU: kernels.SiLUGrad, layer.HardSwish: kernels.HardSwishGrad, layer.Abs: kernels.AbsGrad,
		layer.Erf: kernels.ErfGrad,
	}
	if f := simple[g.Unary.Fn]; f != nil {
		return l.pairwise(o, func(dx, v, dy []float32) { f(dx, dy, v) })
	}
	switch g.Unary.Fn {
	case layer.LeakyRelu:
		return l.pairwise(o, func(dx, v, dy []float32) { kernels.LeakyReLUGrad(dx, dy, v, alpha) })
	case layer.HardSigmoid:
		return l.pairwise(o, func(dx, v, dy []float32) { kernels.HardSigmoidGrad(dx, dy, v, alpha) })
	case layer.Elu:
		return l.pairwise(o, func(dx, v, dy []float32) { kernels.ELUGrad(dx, dy, v, alpha) })
	case layer.Selu:
		return l.pairwise(o, func(dx, v, dy []float32) { kernels.SELUGrad(dx, dy, v, alpha, g.Unary.Beta) })
	}
	return false
}

// preluGrad emits the gradient of what a PReLU is given, for slopes by channel.
func (l *layouts) preluGrad(o *op, g *layer.BinaryGrad) bool {
	x, slope, dy := o.in[0], o.in[1], o.in[2]
	if g.Fn != layer.PRelu || g.Of != 0 || !x.filled() || !slices.Equal(x.shape(), dy.shape()) || !layer.ByChannel(slope.shape(), x.shape()) {
		return false
	}
	run := func(dx, x, dy, row []float32) { kernels.PReLUGrad(dx, dy, x, row) }
	l.emit(o.name, &mapped{kind: o.op.Kind(), unit: x.shape()[1], byRow: run}, []*val{l.channelsLast(x), l.channelsLast(dy), slope}, becomesLast(o.out[0]))
	return true
}

// clipBounds returns the clip whose constant bounds are the inputs from at on.
func clipBounds(o *op, at int) (kernels.Act, bool) {
	clip := &op{op: &layer.Clip{}, in: append([]*val{nil}, o.in[min(at, len(o.in)):]...)}
	return activation(clip)
}

// channelSums emits the sum of an image [N,C,...], or of a matrix [N,C], over all but its channels.
func (l *layouts) channelSums(o *op, r *layer.Reduce) bool {
	x := o.in[0]
	shape := x.shape()
	if r.Fn != layer.ReduceSum || r.KeepDims || len(shape) < 2 || len(o.in) < 2 || o.in[1] == nil || !o.in[1].constant() || !x.filled() {
		return false
	}
	axes, _ := o.in[1].info.Value.Ints()
	axes = slices.Clone(axes)
	for i := range axes {
		if axes[i] < 0 {
			axes[i] += len(shape)
		}
	}
	slices.Sort(axes)
	if !slices.Equal(axes, append([]int{0}, countUp(len(shape))[2:]...)) {
		return false
	}
	l.emit(o.name, channelSum{}, []*val{l.channelsLast(x)}, o.out[0])
	return true
}

// normTrainAct and normGradAct are a batch normalisation in training and its gradient with the activation that follows it.
type normTrainAct struct {
	*layer.BatchNormTrain
	act kernels.Act
}

type normGradAct struct {
	*layer.BatchNormTrainGrad
	act kernels.Act
}

// fuseTraining takes activations into the batch normalisations before them, forward and backward.
func (p *ir) fuseTraining() {
	uses := p.uses()
	e := p.edit()
	for _, o := range p.ops {
		if n, ok := o.op.(*layer.BatchNormTrainGrad); ok {
			dy := o.in[4]
			if dy.def == nil || uses[dy] != 1 || o.out[0] == nil || o.out[0].info.DType != tensor.Float32 {
				continue
			}
			a, ok := gradientOf(dy.def)
			if !ok {
				continue
			}
			o.op = &normGradAct{n, a}
			o.in = append(slices.Clone(o.in[:4]), dy.def.in[1], dy.def.in[0])
			e.drop[dy.def] = true
			continue
		}
		if len(o.in) == 0 || o.in[0] == nil || o.in[0].def == nil || uses[o.in[0]] != 1 || e.drop[o] {
			continue
		}
		n, ok := o.in[0].def.op.(*layer.BatchNormTrain)
		if !ok || o.in[0] != o.in[0].def.out[0] || o.in[0].info.DType != tensor.Float32 {
			continue
		}
		if a, ok := activation(o); ok {
			o.in[0].def.op = &normTrainAct{n, a}
			e.replace[o.out[0]] = o.in[0]
			e.drop[o] = true
		}
	}
	e.apply()
}

// gradientOf returns the activation whose gradient an operation computes from the output and dy.
func gradientOf(o *op) (kernels.Act, bool) {
	switch g := o.op.(type) {
	case *layer.UnaryGrad:
		if g.FromOutput {
			return activation(&op{op: &g.Unary})
		}
	case *layer.ClipGrad:
		return clipBounds(o, 2)
	}
	return kernels.Act{}, false
}
