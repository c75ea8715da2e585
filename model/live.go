package model

import (
	"math"
	"slices"
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Layers whose weights are values, as in training, and so are packed in every run. What they pack belongs to the Session.

// liveConv is a convolution with activation: inputs x, weights in ONNX's order, bias or nil, residual or nil.
type liveConv struct {
	fastOp
	kind   string
	act    kernels.Act
	bias   bool
	direct *kernels.Conv
	deep   *kernels.Depthwise
	quick  *kernels.Winograd

	weights *kernels.Weights
	each    *kernels.DepthwiseWeights
	turned  *kernels.WinogradWeights
}

// newLiveConv plans a convolution; bias says whether it has one.
func newLiveConv(s kernels.Conv2D, f *fused, bias bool) *liveConv {
	c := &liveConv{kind: f.kind, act: f.act, bias: bias}
	switch {
	case depthwiseShape(s):
		c.deep = kernels.NewDepthwise(s)
	case kernels.WinogradSuits(s):
		c.quick = kernels.NewWinograd(s)
	default:
		c.direct = kernels.NewConv(s)
	}
	return c
}

func (c *liveConv) Kind() string { return c.kind }

func (c *liveConv) session() layer.Op {
	own := *c
	switch {
	case c.deep != nil:
		s := c.deep.Shape()
		own.each = c.deep.Pack(make([]float32, s.C*s.KH*s.KW), nil)
	case c.quick != nil:
		s := c.quick.Shape()
		own.turned = c.quick.Pack(make([]float32, s.O*s.KH*s.KW*s.C), nil)
	default:
		s := c.direct.Shape()
		own.weights = c.direct.Pack(make([]float32, s.O*s.KH*s.KW*s.C/s.Groups), zeros(c.bias, s.O))
	}
	return &own
}

// zeros returns n zeros if they are wanted, else nil.
func zeros(wanted bool, n int) []float32 {
	if !wanted {
		return nil
	}
	return make([]float32, n)
}

func (c *liveConv) scratch(threads int) int {
	if c.quick == nil {
		return 0
	}
	return c.quick.ScratchLen(threads)
}

func (c *liveConv) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	x, w, y := in[0].Float32s(), in[1].Float32s(), out[0].Float32s()
	bias, res := optional(in, 2), optional(in, 3)
	switch {
	case c.deep != nil:
		c.deep.Repack(c.each, w, bias, kernels.OrderONNX)
		c.deep.Run(e.Team, y, x, c.each, c.act)
	case c.quick != nil:
		c.quick.Repack(e.Team, c.turned, w, bias, kernels.OrderONNX)
		c.quick.Run(e.Team, y, x, c.turned, res, c.act, e.Floats(c.scratch(e.Team.Threads())))
	default:
		c.direct.Repack(e.Team, c.weights, w, bias, kernels.OrderONNX)
		c.direct.Run(e.Team, y, x, c.weights, res, c.act)
	}
	return nil
}

// optional returns the elements of an input that may be left out.
func optional(in []*tensor.Tensor, i int) []float32 {
	if i >= len(in) || in[i] == nil {
		return nil
	}
	return in[i].Float32s()
}

// given returns the elements of an output, or n floats of scratch memory where nobody wants it.
func given(e *layer.Env, out []*tensor.Tensor, i, n int) []float32 {
	if f := optional(out, i); f != nil {
		return f
	}
	return e.Floats(n)
}

// liveDense is a fully connected layer with activation: inputs x [M,K], weights [K,N] or with turned [N,K], and bias [N] or nil.
type liveDense struct {
	fastOp
	kind    string
	m, k, n int
	turned  bool
	bias    bool
	act     kernels.Act
	b       *kernels.Packed
}

func (d *liveDense) Kind() string { return d.kind }

func (d *liveDense) session() layer.Op {
	own := *d
	own.b = kernels.PackB(make([]float32, d.k*d.n), d.n, d.k, d.n, zeros(d.bias, d.n))
	return &own
}

func (d *liveDense) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	if d.turned {
		d.b.RepackT(e.Team, in[1].Float32s(), d.k, optional(in, 2))
	} else {
		d.b.Repack(e.Team, in[1].Float32s(), d.n, optional(in, 2))
	}
	kernels.Gemm(e.Team, out[0].Float32s(), d.n, in[0].Float32s(), d.k, d.m, d.b, nil, 0, d.act)
	return nil
}

// products are matrix products of a batch, neither operand constant: inputs [...,M,K] and [...,K,N].
type products struct {
	fastOp
	m, k, n int
	a, b    []int // of each product, in matrices from the first of the operand
	packed  *kernels.Packed
}

func (*products) Kind() string { return "MatMul" }

func (d *products) session() layer.Op {
	own := *d
	own.packed = kernels.PackB(make([]float32, d.k*d.n), d.n, d.k, d.n, nil)
	return &own
}

func (d *products) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	a, b, y := in[0].Float32s(), in[1].Float32s(), out[0].Float32s()
	for i := range d.a {
		if i == 0 || d.b[i] != d.b[i-1] {
			d.packed.Repack(e.Team, b[d.b[i]*d.k*d.n:], d.n, nil)
		}
		kernels.Gemm(e.Team, y[i*d.m*d.n:], d.n, a[d.a[i]*d.m*d.k:], d.k, d.m, d.packed, nil, 0, kernels.Act{})
	}
	return nil
}

// liveMatmul emits the fast form of a product of two matrices, or of a batch of them, that are no constants.
func (l *layouts) liveMatmul(o *op) bool {
	a, b := o.in[0].shape(), o.in[1].shape()
	if len(a) < 2 || len(b) < 2 || o.in[1].info.DType != tensor.Float32 {
		return false
	}
	as, bs := a[:len(a)-2], b[:len(b)-2]
	batch, err := layer.Broadcast(as, bs)
	count, _ := tensor.Count(o.out[0].info.Shape)
	d := &products{m: a[len(a)-2], k: a[len(a)-1], n: b[len(b)-1]}
	if err != nil || count == 0 || d.k == 0 {
		return false
	}
	// of returns which matrix of an operand the i-th product reads.
	of := func(i int, own []int) int {
		at, step := 0, 1
		for j := 1; j <= len(batch); j++ {
			dim := batch[len(batch)-j]
			if j <= len(own) {
				if own[len(own)-j] > 1 {
					at += i % dim * step
				}
				step *= own[len(own)-j]
			}
			i /= dim
		}
		return at
	}
	products, _ := tensor.Count(batch)
	if products > 64 && d.m*d.k*d.n < 256 {
		return false // packing takes longer
	}
	for i := range products {
		d.a, d.b = append(d.a, of(i, as)), append(d.b, of(i, bs))
	}
	n := l.emit(o.name, d, []*val{l.nchw(o.in[0]), l.nchw(o.in[1])}, o.out[0])
	n.macs, n.params = o.macs, o.params
	return true
}

// rowsProduct is aᵀ·b for a [P,M] and b [P,N]: the gradient of a fully connected layer's weights.
type rowsProduct struct {
	fastOp
	p, m, n int
}

func (*rowsProduct) Kind() string { return "Gemm" }

func (r *rowsProduct) scratch(threads int) int { return kernels.GemmTNScratch(threads, r.m, r.n, r.p) }

func (r *rowsProduct) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	kernels.GemmTN(e.Team, out[0].Float32s(), r.n, in[0].Float32s(), r.m, in[1].Float32s(), r.n, r.m, r.n, r.p, e.Floats(r.scratch(e.Team.Threads())))
	return nil
}

// liveLocal is a locally connected layer with activation: inputs x, weights [OH,OW,O,C,KH,KW], bias [O,OH,OW] or nil.
type liveLocal struct {
	fastOp
	kind    string
	act     kernels.Act
	plan    *kernels.Local
	shape   kernels.Conv2D
	bias    bool
	weights *kernels.LocalWeights
	w, b    []float32 // channels last
}

func (c *liveLocal) Kind() string { return c.kind }

func (c *liveLocal) positions() int { return c.shape.OH() * c.shape.OW() }

func (c *liveLocal) session() layer.Op {
	own, s := *c, &c.shape
	own.w = make([]float32, c.positions()*s.O*s.KH*s.KW*s.C)
	own.b = zeros(c.bias, c.positions()*s.O)
	own.weights = c.plan.Pack(own.w, own.b)
	return &own
}

func (c *liveLocal) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	s := &c.shape
	kernels.NCHWToNHWC(e.Team, c.w, in[1].Float32s(), c.positions()*s.O, s.C, s.KH*s.KW)
	if c.bias {
		kernels.NCHWToNHWC(e.Team, c.b, in[2].Float32s(), 1, s.O, c.positions())
	}
	c.plan.Repack(e.Team, c.weights, c.w, c.b)
	c.plan.Run(e.Team, out[0].Float32s(), in[0].Float32s(), c.weights, c.act)
	return nil
}

// lowerLive emits the fast form of a layer whose weights or bias are no constants.
func (l *layouts) lowerLive(o *op, f *fused) bool {
	x, w := o.in[0], o.in[1]
	bias := o.in[2]
	switch c := f.Op.(type) {
	case *layer.Conv:
		s, ok := convShape(c, x.shape(), w.info.Shape, o.out[0].info.Shape)
		if !ok {
			return l.unfuse(o, f)
		}
		in := []*val{l.nhwc(x), l.nchw(w), l.nchw(bias), o.in[3]}
		if o.in[3] != nil {
			in[3] = l.nhwc(o.in[3])
		}
		n := l.emit(o.name, newLiveConv(s, f, bias != nil), in, becomes(o.out[0]))
		n.macs, n.params = o.macs, o.params
		return true
	case *layer.Gemm:
		m, n := o.out[0].info.Shape[0], o.out[0].info.Shape[1]
		p := o.in[0].info.Shape[b2i(!c.TransA)]
		if m*n*p == 0 || c.Alpha != 1 {
			return l.unfuse(o, f)
		}
		if c.TransA && !c.TransB && bias == nil && f.act.Kind == kernels.ActNone {
			l.emit(o.name, &rowsProduct{p: p, m: m, n: n}, []*val{l.nchw(x), l.nchw(w)}, o.out[0]).macs = o.macs
			return true
		}
		if c.TransA || bias != nil && (c.Beta != 1 || !slices.Equal(bias.info.Shape, []int{n}) && !slices.Equal(bias.info.Shape, []int{1, n})) {
			return l.unfuse(o, f)
		}
		d := &liveDense{kind: f.kind, m: m, k: p, n: n, turned: c.TransB, bias: bias != nil, act: f.act}
		e := l.emit(o.name, d, []*val{l.nchw(x), l.nchw(w), l.nchw(bias)}, o.out[0])
		e.macs, e.params = o.macs, o.params
		return true
	case *layer.LocallyConnected:
		s, ok := localShape(c, x.shape(), w.info.Shape)
		if !ok {
			return l.unfuse(o, f)
		}
		op := &liveLocal{kind: f.kind, act: f.act, plan: kernels.NewLocal(s), shape: s, bias: bias != nil}
		n := l.emit(o.name, op, []*val{l.nhwc(x), l.nchw(w), l.nchw(bias)}, becomes(o.out[0]))
		n.macs, n.params = o.macs, o.params
		return true
	}
	return l.unfuse(o, f)
}

// convShape returns a convolution's shape as kernels have it; ok is false where they have none for it.
func convShape(c *layer.Conv, x, w, y []int) (s kernels.Conv2D, ok bool) {
	s, out, ok := window2(&c.Window, x, w[2:])
	if !ok {
		return s, false
	}
	s.O, s.Groups = w[0], max(1, c.Groups)
	return s, s.OH() == out[0] && s.OW() == out[1] && y[0] > 0
}

// normTrain is batch normalisation with activation: inputs x, channels last, scale and bias; outputs y, mean and variance of the batch. Where it is
// frozen, mean and variance are inputs 3 and 4, and there is one output.
type normTrain struct {
	fastOp
	epsilon float64
	act     kernels.Act
	c       int
	frozen  bool
}

func (n *normTrain) Kind() string {
	if n.frozen {
		return "BatchNormalization"
	}
	return "BatchNormTrain"
}

func (n *normTrain) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := normTasks.Get().(*normTask)
	x := in[0].Float32s()
	var mean, variance []float32
	if n.frozen {
		mean, variance = in[3].Float32s(), in[4].Float32s()
	} else {
		mean, variance = given(e, out, 1, n.c), given(e, out, 2, n.c)
		kernels.BatchNormStats(e.Team, mean, variance, x)
	}
	gain, bias := in[1].Float32s(), in[2].Float32s()
	t.scale, t.shift = e.Floats(n.c), e.Floats(n.c)
	for i := range n.c {
		f := float64(gain[i]) / math.Sqrt(float64(variance[i])+n.epsilon)
		t.scale[i] = float32(f)
		t.shift[i] = float32(float64(bias[i]) - float64(float64(mean[i])*f))
	}
	t.run(e, out[0].Float32s(), x, n.c, n.act)
	return nil
}

type normTask struct {
	x, y, scale, shift []float32
	act                kernels.Act
	piece              int
}

var normTasks = sync.Pool{New: func() any { return new(normTask) }}

// run computes y = act(x·scale + shift) for rows of c channels, and gives the task back.
func (t *normTask) run(e *layer.Env, y, x []float32, c int, act kernels.Act) {
	t.x, t.y, t.act = x, y, act
	t.piece = max(1, mapPiece/c) * c
	e.Team.Run(t, (len(x)+t.piece-1)/t.piece)
	*t = normTask{}
	normTasks.Put(t)
}

func (t *normTask) Tile(i, _ int) {
	from, to := i*t.piece, min((i+1)*t.piece, len(t.x))
	kernels.ScaleShift(t.y[from:to], t.x[from:to], t.scale, t.shift, t.act)
}
