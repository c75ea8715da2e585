package model

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// fastOp is what the fast forms of operations have in common: shapes are settled before there is one.
type fastOp struct{}

func (fastOp) Infer(in []layer.Info) ([]layer.Info, error) { return nil, layer.ErrUnknown }

// view shows its input under another shape.
type view struct{ fastOp }

func (*view) Kind() string { return "View" }
func (*view) Alias()       {}

func (*view) Forward(_ *layer.Env, in, out []*tensor.Tensor) error {
	copy(out[0].Raw(), in[0].Raw())
	return nil
}

// relayout changes the axis order of images.
type relayout struct {
	fastOp
	to         Layout
	n, c, area int
	size       int // bytes of an element
}

func (r *relayout) Kind() string { return "To" + r.to.String() }

func (r *relayout) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	switch {
	case r.size != 4:
		r.plain(in[0].Raw(), out[0].Raw())
	case r.to == NHWC:
		kernels.NCHWToNHWC(e.Team, words(out[0]), words(in[0]), r.n, r.c, r.area)
	default:
		kernels.NHWCToNCHW(e.Team, words(out[0]), words(in[0]), r.n, r.area, r.c)
	}
	return nil
}

// words returns the elements of a tensor of four-byte elements as if they were floats.
func words(t *tensor.Tensor) []float32 { return tensor.Slice[float32](t.Raw(), t.Len()) }

// plain moves elements that are not four bytes long.
func (r *relayout) plain(src, dst []byte) {
	rows, cols := r.c, r.area
	if r.to == NCHW {
		rows, cols = r.area, r.c
	}
	for n := range r.n {
		if r.size == 1 {
			turnBytes(dst[n*rows*cols:][:rows*cols], src[n*rows*cols:][:rows*cols], rows, cols)
			continue
		}
		for i := range rows {
			for j := range cols {
				at := (n*rows*cols + j*rows + i) * r.size
				from := (n*rows*cols + i*cols + j) * r.size
				copy(dst[at:at+r.size], src[from:from+r.size])
			}
		}
	}
}

// turnBytes transposes a matrix of bytes, blocks of eight rows and columns in words: pairs of bytes, of two and of four change places.
func turnBytes(dst, src []byte, rows, cols int) {
	const block = 8
	for i := 0; i < rows; i += block {
		for j := 0; j < cols; j += block {
			if i+block > rows || j+block > cols {
				for y := i; y < min(i+block, rows); y++ {
					for x := j; x < min(j+block, cols); x++ {
						dst[x*rows+y] = src[y*cols+x]
					}
				}
				continue
			}
			var w [block]uint64
			for y := range w {
				w[y] = binary.LittleEndian.Uint64(src[(i+y)*cols+j:])
			}
			for _, s := range [...]struct {
				apart int
				mask  uint64
			}{{1, 0x00ff00ff00ff00ff}, {2, 0x0000ffff0000ffff}, {4, 0x00000000ffffffff}} {
				for y := range w {
					if y&s.apart == 0 {
						bits := 8 * s.apart
						t := (w[y]>>bits ^ w[y+s.apart]) & s.mask
						w[y] ^= t << bits
						w[y+s.apart] ^= t
					}
				}
			}
			for x := range w {
				binary.LittleEndian.PutUint64(dst[(j+x)*rows+i:], w[x])
			}
		}
	}
}

// conv is a convolution with bias, residual and activation: inputs x and, where there is one, the residual, channels last.
type conv struct {
	fastOp
	kind    string
	act     kernels.Act
	direct  *kernels.Conv
	weights *kernels.Weights
	deep    *kernels.Depthwise
	each    *kernels.DepthwiseWeights
	quick   *kernels.Winograd
	turned  *kernels.WinogradWeights
	planar  *kernels.Planar
	narrow  *kernels.PlanarWeights
}

// newConv plans a convolution and packs its weights, [O,C/G,KH,KW]; ok is false where they may not be packed again.
func (l *layouts) newConv(s kernels.Conv2D, weights, biases *val, f *fused) (c *conv, ok bool) {
	c = &conv{kind: f.kind, act: f.act}
	w, bias, taps, cg := weights.floats(), biases.floats(), s.KH*s.KW, s.C/s.Groups
	if depthwiseShape(s) {
		if !l.left.pay(weights) {
			return nil, false
		}
		t := make([]float32, len(w)) // [KH,KW,C]
		for o := range s.C {
			for i := range taps {
				t[i*s.C+o] = w[o*taps+i]
			}
		}
		c.deep = kernels.NewDepthwise(s)
		c.each = c.deep.Pack(t, bias)
		return c, true
	}
	ours := l.consume && l.uses[weights] == 1
	turned := func() []float32 { return filters(w, s.O, cg, taps, ours) }
	switch {
	case !f.exact && kernels.WinogradSuits(s):
		c.quick = kernels.NewWinograd(s)
		c.turned, ok = once(l.left, packing{weights, biases, c.quick.TileSize(), 1}, func() *kernels.WinogradWeights { return c.quick.Pack(turned(), bias) })
	case kernels.PlanarSuits(s):
		if ok = l.left.pay(weights); ok {
			c.planar = kernels.NewPlanar(s)
			c.narrow = c.planar.Pack(turned(), bias)
		}
	default:
		c.direct = kernels.NewConv(s)
		c.weights, ok = once(l.left, packing{weights, biases, packDirect, s.Groups}, func() *kernels.Weights {
			if ours || taps > 1 && cg > 1 {
				return c.direct.PackInPlace(turned(), bias)
			}
			return c.direct.Pack(turned(), bias)
		})
	}
	return c, ok
}

// filters turns n filters from [C,KH,KW] to [KH,KW,C]. With ours, w is not needed afterwards.
func filters(w []float32, n, channels, taps int, ours bool) []float32 {
	if taps == 1 || channels == 1 {
		return w
	}
	t := w
	if !ours {
		t = make([]float32, len(w))
	}
	filter := make([]float32, channels*taps)
	for i := range n {
		copy(filter, w[i*len(filter):])
		kernels.NCHWToNHWC(nil, t[i*len(filter):][:len(filter)], filter, 1, channels, taps)
	}
	return t
}

func (c *conv) Kind() string { return c.kind }

// packed is weights in the form that a kernel takes; several operations may share them.
type packed interface{ Bytes() int }

func (c *conv) packed() packed {
	switch {
	case c.deep != nil:
		return c.each
	case c.quick != nil:
		return c.turned
	case c.planar != nil:
		return c.narrow
	}
	return c.weights
}

func (c *conv) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	if c.deep != nil {
		c.deep.Run(e.Team, out[0].Float32s(), in[0].Float32s(), c.each, c.act)
		return nil
	}
	var res []float32
	if len(in) > 1 {
		res = in[1].Float32s()
	}
	x, y := in[0].Float32s(), out[0].Float32s()
	switch {
	case c.quick != nil:
		c.quick.Run(e.Team, y, x, c.turned, res, c.act, e.Floats(c.scratch(e.Team.Threads())))
	case c.planar != nil:
		c.planar.Run(e.Team, y, x, c.narrow, res, c.act)
	default:
		c.direct.Run(e.Team, y, x, c.weights, res, c.act)
	}
	return nil
}

// scratch returns how many floats of scratch memory Forward asks for.
func (c *conv) scratch(threads int) int {
	if c.quick == nil {
		return 0
	}
	return c.quick.ScratchLen(threads)
}

// rows is that of byRows. What Planar computes is small.
func (c *conv) rows([]int) (r rowWindow, ok bool) {
	switch {
	case c.deep != nil:
		return convRows(c.deep.Shape()), true
	case c.quick != nil:
		r = convRows(c.quick.Shape())
		r.unit = c.quick.TileSize() * c.quick.Shape().DH
		return r, true
	case c.direct != nil:
		return convRows(c.direct.Shape()), true
	}
	return r, false
}

func convRows(s kernels.Conv2D) rowWindow {
	return rowWindow{pictures: s.N, in: s.H, out: s.OH(), k: s.DH*(s.KH-1) + 1, step: s.SH, pad: s.PT, unit: 1}
}

func (c *conv) cut(h, top, bottom int) layer.Op {
	q := *c
	switch {
	case c.deep != nil:
		q.deep = kernels.NewDepthwise(cutConv(c.deep.Shape(), h, top, bottom))
	case c.quick != nil:
		q.quick = kernels.NewWinogradTile(cutConv(c.quick.Shape(), h, top, bottom), c.quick.TileSize())
	default:
		q.direct = kernels.NewConv(cutConv(c.direct.Shape(), h, top, bottom))
	}
	return &q
}

// cutConv returns the shape of a convolution of h rows of a picture.
func cutConv(s kernels.Conv2D, h, top, bottom int) kernels.Conv2D {
	s.N, s.H, s.PT, s.PB = 1, h, top, bottom
	return s
}

// local is a locally connected layer with bias and activation, channels last.
type local struct {
	fastOp
	kind    string
	act     kernels.Act
	plan    *kernels.Local
	weights *kernels.LocalWeights
}

func (c *local) Kind() string   { return c.kind }
func (c *local) packed() packed { return c.weights }

func (c *local) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	c.plan.Run(e.Team, out[0].Float32s(), in[0].Float32s(), c.weights, c.act)
	return nil
}

// lcn is a local contrast normalisation, channels last.
type lcn struct {
	fastOp
	plan *kernels.LCN
}

func (*lcn) Kind() string        { return "LCN" }
func (n *lcn) scratch(_ int) int { return n.plan.ScratchLen() }

func (n *lcn) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	n.plan.Run(e.Team, out[0].Float32s(), in[0].Float32s(), e.Floats(n.plan.ScratchLen()))
	return nil
}

// transposed is a transposed convolution with bias and activation: input x, channels last.
type transposed struct {
	fastOp
	kind    string
	act     kernels.Act
	plan    *kernels.ConvTranspose
	weights *kernels.TransposedWeights
}

// newTransposed plans a transposed convolution and packs its weights, w [C,O/G,KH,KW].
func newTransposed(s kernels.Transposed2D, w, bias []float32, f *fused) *transposed {
	t := &transposed{kind: f.kind, act: f.act, plan: kernels.NewConvTranspose(s)}
	taps, cg, og := s.KH*s.KW, s.C/s.Groups, s.O/s.Groups
	turned := make([]float32, len(w)) // [O,KH,KW,C/G]
	for o := range s.O {
		for c := range cg {
			from := ((o/og*cg+c)*og + o%og) * taps
			for i, v := range w[from : from+taps] {
				turned[(o*taps+i)*cg+c] = v
			}
		}
	}
	t.weights = t.plan.Pack(turned, bias)
	return t
}

func (t *transposed) Kind() string   { return t.kind }
func (t *transposed) packed() packed { return t.weights }

func (t *transposed) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t.plan.Run(e.Team, out[0].Float32s(), in[0].Float32s(), t.weights, t.act)
	return nil
}

// dense is a fully connected layer: inputs x [M,K], residual [M,N] or nil.
type dense struct {
	fastOp
	kind string
	m    int
	b    *kernels.Packed
	act  kernels.Act
}

func (d *dense) Kind() string   { return d.kind }
func (d *dense) packed() packed { return d.b }

func (d *dense) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	kernels.Gemm(e.Team, out[0].Float32s(), d.b.N, in[0].Float32s(), d.b.K, d.m, d.b, optional(in, 1), d.b.N, d.act)
	return nil
}

// mapped is an element-wise operation. run computes a piece of the output that starts and ends at multiples of unit.
type mapped struct {
	fastOp
	kind  string
	unit  int
	run   func(dst, a, b []float32)
	byRow func(dst, a, b, row []float32) // in place of run: the last input is a row of unit elements, whole for each piece
}

func (m *mapped) Kind() string { return m.kind }

func (m *mapped) rows(x []int) (r rowWindow, ok bool) {
	return rowWindow{pictures: x[0], in: x[1], out: x[1], k: 1, step: 1, unit: 1}, m.byRow == nil && x[2]*x[3]%max(1, m.unit) == 0
}

func (m *mapped) cut(int, int, int) layer.Op { return m }

// inPlace is a mapped operation whose output may lie where its first input was.
type inPlace struct{ mapped }

func (*inPlace) InPlace() {}

func (m *mapped) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := mapTasks.Get().(*mapTask)
	t.m, t.dst, t.a = m, out[0].Float32s(), in[0].Float32s()
	if m.byRow != nil {
		last := len(in) - 1
		in, t.row = in[:last], in[last].Float32s()
	}
	if len(in) > 1 {
		t.b = in[1].Float32s()
	}
	unit := max(1, m.unit)
	t.piece = max(1, mapPiece/unit) * unit
	e.Team.Run(t, (len(t.dst)+t.piece-1)/t.piece)
	*t = mapTask{}
	mapTasks.Put(t)
	return nil
}

// mapPiece is about how many elements one tile of an element-wise operation has.
const mapPiece = 1 << 14

type mapTask struct {
	m              *mapped
	dst, a, b, row []float32
	piece          int
}

var mapTasks = sync.Pool{New: func() any { return new(mapTask) }}

func (t *mapTask) Tile(i, _ int) {
	from, to := i*t.piece, min((i+1)*t.piece, len(t.dst))
	b := t.b
	if b != nil {
		b = b[from:to]
	}
	if t.m.byRow != nil {
		t.m.byRow(t.dst[from:to], t.a[from:to], b, t.row)
		return
	}
	t.m.run(t.dst[from:to], t.a[from:to], b)
}

// unary returns the fast form of an element-wise function of float32, or nil.
func unary(u *layer.Unary) func(dst, a, _ []float32) {
	alpha, beta := u.Alpha, u.Beta
	simple := map[layer.Fn]func(dst, a []float32){
		layer.Relu: kernels.ReLU, layer.Exp: kernels.Exp, layer.Log: kernels.Log, layer.Tanh: kernels.Tanh, layer.Sigmoid: kernels.Sigmoid,
		layer.SiLU: kernels.SiLU, layer.Erf: kernels.Erf, layer.Softplus: kernels.Softplus, layer.HardSwish: kernels.HardSwish,
		layer.Step: kernels.Step, layer.Sqrt: kernels.Sqrt, layer.Abs: kernels.Abs, layer.Neg: kernels.Neg,
	}
	if f := simple[u.Fn]; f != nil {
		return func(dst, a, _ []float32) { f(dst, a) }
	}
	switch u.Fn {
	case layer.LeakyRelu:
		return func(dst, a, _ []float32) { kernels.LeakyReLU(dst, a, alpha) }
	case layer.Elu:
		return func(dst, a, _ []float32) { kernels.ELU(dst, a, alpha) }
	case layer.Selu:
		return func(dst, a, _ []float32) { kernels.SELU(dst, a, alpha, beta) }
	case layer.HardSigmoid:
		return func(dst, a, _ []float32) { kernels.HardSigmoid(dst, a, alpha, beta) }
	case layer.Gelu:
		if alpha == 1 {
			return func(dst, a, _ []float32) { kernels.GELUTanh(dst, a) }
		}
		return func(dst, a, _ []float32) { kernels.GELU(dst, a) }
	case layer.Mish:
		return mish
	}
	return nil
}

// mish computes dst = a·tanh(softplus(a)) (Misra: Mish, 2019).
func mish(dst, a, _ []float32) {
	var gate [1024]float32
	for len(dst) > 0 {
		n := min(len(dst), len(gate))
		g := gate[:n]
		kernels.Softplus(g, a[:n])
		kernels.Tanh(g, g)
		kernels.Mul(dst[:n], a[:n], g)
		dst, a = dst[n:], a[n:]
	}
}

// elementwiseFast emits the fast form of an element-wise operation on float32 values of one layout, if there is one.
func (l *layouts) elementwiseFast(o *op) bool {
	x, y := o.in[0], o.out[0]
	emit := func(m *inPlace, in ...*val) bool {
		m.kind = o.op.Kind()
		if in[0].layout == NHWC {
			becomes(y)
		}
		n := l.emit(o.name, m, in, y)
		n.params = o.params
		return true
	}
	switch f := o.op.(type) {
	case *layer.Unary:
		if run := unary(f); run != nil {
			return emit(&inPlace{mapped{run: run}}, x)
		}
	case *layer.Clip:
		if a, ok := activation(o); ok {
			return emit(&inPlace{mapped{run: func(dst, a0, _ []float32) { kernels.Activate(dst, a0, a) }}}, x)
		}
	case *layer.Binary:
		return l.binaryFast(o, f, emit)
	case *layer.Variadic:
		return len(o.in) == 2 && l.binaryFast(o, &layer.Binary{Fn: f.Fn}, emit)
	case *layer.BatchNorm:
		if !onlyFirst(o) || f.Training || len(x.shape()) < 2 {
			return false
		}
		c := x.shape()[1]
		scale, shift := affine(o, 0, c)
		if scale == nil {
			return l.frozenNorm(o, f)
		}
		a, b := make([]float32, c), make([]float32, c)
		for i := range a {
			a[i], b[i] = float32(scale[i]), float32(shift[i])
		}
		normalOnly(a)
		normalOnly(b)
		if len(x.shape()) > 2 {
			x = l.nhwc(x)
		}
		return emit(&inPlace{mapped{unit: c, run: func(dst, src, _ []float32) { kernels.ScaleShift(dst, src, a, b, kernels.Act{}) }}}, x)
	}
	return false
}

// binaryFast emits sums, products and the like of two values of one shape, or of a value and a constant.
func (l *layouts) binaryFast(o *op, f *layer.Binary, emit func(*inPlace, ...*val) bool) bool {
	a, b := o.in[0], o.in[1]
	shape := o.out[0].info.Shape
	op := spreadOps[f.Fn]
	if op != nil && !a.constant() && !b.constant() && slices.Equal(a.shape(), shape) && slices.Equal(b.shape(), shape) {
		if a.layout != b.layout {
			a, b = l.nhwc(a), l.nhwc(b)
		}
		return emit(&inPlace{mapped{run: op.pair}}, a, b)
	}
	if f.Fn == layer.PRelu && !b.constant() && slices.Equal(a.shape(), shape) && layer.ByChannel(b.shape(), shape) {
		run := func(dst, a, _, row []float32) { kernels.PReLU(dst, a, row) }
		return emit(&inPlace{mapped{unit: shape[1], byRow: run}}, l.channelsLast(a), b)
	}
	if a.constant() == b.constant() {
		return false
	}
	x, c, swapped := a, b, false
	if a.constant() {
		x, c, swapped = b, a, true
	}
	if !slices.Equal(x.shape(), shape) {
		return false
	}
	extremum := f.Fn == layer.Max || f.Fn == layer.Min
	if s, ok := c.scalar(); ok {
		var run func(dst, a, _ []float32)
		switch {
		case op != nil && swapped:
			run = func(dst, a, _ []float32) { op.left(dst, s, a) }
		case op != nil:
			run = func(dst, a, _ []float32) { op.right(dst, a, s) }
		case extremum && s != s: // kernels keep the NaNs of what varies, and of that alone
			return false
		case f.Fn == layer.Max:
			run = func(dst, a, _ []float32) { kernels.MaxScalar(dst, a, s) }
		case f.Fn == layer.Min:
			run = func(dst, a, _ []float32) { kernels.MinScalar(dst, a, s) }
		case f.Fn == layer.PRelu && !swapped:
			run = func(dst, a, _ []float32) { kernels.LeakyReLU(dst, a, s) }
		case f.Fn == layer.Pow && !swapped && s == 2:
			run = func(dst, a, _ []float32) { kernels.Mul(dst, a, a) }
		case f.Fn == layer.Pow && !swapped:
			power := layer.Power(s)
			run = func(dst, a, _ []float32) {
				for i, v := range a {
					dst[i] = power(v)
				}
			}
		default:
			return false
		}
		return emit(&inPlace{mapped{run: run}}, x)
	}
	row := perChannel(c, shape)
	if row == nil {
		return false
	}
	var run func(dst, a, _ []float32)
	if extremum && slices.ContainsFunc(row, func(v float32) bool { return v != v }) {
		return false
	}
	switch {
	case op != nil && swapped:
		run = func(dst, a, _ []float32) { op.under(dst, row, a) }
	case op != nil:
		run = func(dst, a, _ []float32) { op.row(dst, a, row) }
	case f.Fn == layer.Max:
		run = func(dst, a, _ []float32) { kernels.MaxRow(dst, a, row) }
	case f.Fn == layer.Min:
		run = func(dst, a, _ []float32) { kernels.MinRow(dst, a, row) }
	case f.Fn == layer.PRelu && !swapped:
		run = func(dst, a, _ []float32) { kernels.PReLU(dst, a, row) }
	default:
		return false
	}
	return emit(&inPlace{mapped{unit: len(row), run: run}}, l.nhwc(x))
}

// scaled multiplies each picture's channels by numbers of their own, as squeeze-and-excitation does (Hu, Shen, Sun, CVPR 2018): inputs x
// [N,positions,C] and s [N,C].
type scaled struct {
	fastOp
	n, c int
}

func (*scaled) Kind() string { return "Mul" }
func (*scaled) InPlace()     {}

func (s *scaled) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := scaleTasks.Get().(*scaleTask)
	t.c, t.dst, t.x, t.s = s.c, out[0].Float32s(), in[0].Float32s(), in[1].Float32s()
	t.picture = len(t.dst) / s.n
	t.piece = max(1, mapPiece/s.c) * s.c
	t.per = (t.picture + t.piece - 1) / t.piece
	e.Team.Run(t, s.n*t.per)
	*t = scaleTask{}
	scaleTasks.Put(t)
	return nil
}

type scaleTask struct {
	dst, x, s              []float32
	c, picture, piece, per int
}

var scaleTasks = sync.Pool{New: func() any { return new(scaleTask) }}

func (t *scaleTask) Tile(i, _ int) {
	n, from := i/t.per, i%t.per*t.piece
	to := min(from+t.piece, t.picture)
	from, to = n*t.picture+from, n*t.picture+to
	kernels.MulRow(t.dst[from:to], t.x[from:to], t.s[n*t.c:(n+1)*t.c])
}

// squeeze emits a product of an image and one number for each channel and picture.
func (l *layouts) squeeze(o *op) bool {
	b, ok := o.op.(*layer.Binary)
	if !ok || b.Fn != layer.Mul || o.in[0].constant() || o.in[1].constant() {
		return false
	}
	shape := o.out[0].info.Shape
	for i := range 2 {
		x, s := o.in[i], o.in[1-i]
		if len(shape) != 4 || !slices.Equal(x.shape(), shape) || !slices.Equal(s.shape(), []int{shape[0], shape[1], 1, 1}) || shape[2]*shape[3] == 1 {
			continue
		}
		if shape[0]*shape[1] == 0 {
			return false
		}
		l.emit(o.name, &scaled{n: shape[0], c: shape[1]}, []*val{l.nhwc(x), l.nhwc(s)}, becomes(o.out[0]))
		return true
	}
	return false
}

// activate applies an activation that was fused into a layer without a fast form.
type activate struct{ act kernels.Act }

func (*activate) Kind() string                                  { return "Activation" }
func (*activate) InPlace()                                      {}
func (a *activate) Infer(in []layer.Info) ([]layer.Info, error) { return in[:1], nil }

func (a *activate) Forward(_ *layer.Env, in, out []*tensor.Tensor) error {
	kernels.Activate(out[0].Float32s(), in[0].Float32s(), a.act)
	return nil
}
