package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// blocks says which scale belongs to which element: all elements share one, those of one position along an axis do,
// or those of Block neighbours along it.
type blocks struct {
	n, inner, block int // scale of element i: i/inner%n, in block form that divided by block, beside the outer and inner position
	mode            int // 0 one, 1 per axis, 2 blocked
	parts           int // blocks along the axis
}

// blocking resolves axis and block size for data and scales of these shapes.
func blocking(x, scale []int, axis, block int) (b blocks, err error) {
	if sizeOf(scale) == 1 && block == 0 {
		return b, nil
	}
	a, err := axisOf(axis, len(x))
	if err != nil {
		return b, err
	}
	b.n, b.inner = x[a], sizeOf(x[a+1:])
	if block == 0 {
		if len(scale) != 1 || scale[0] != x[a] {
			return b, fmt.Errorf("scale %s for dimension %d of %s", tensor.FormatShape(scale), a, tensor.FormatShape(x))
		}
		b.mode = 1
		return b, nil
	}
	if block < 1 || len(scale) != len(x) {
		return b, fmt.Errorf("scale %s in blocks of %d for %s", tensor.FormatShape(scale), block, tensor.FormatShape(x))
	}
	b.mode, b.block, b.parts = 2, block, scale[a]
	for i := range x {
		want := x[i]
		if i == a {
			want = (x[i]-1)/block + 1
		}
		if scale[i] != want {
			return b, fmt.Errorf("scale %s in blocks of %d for %s", tensor.FormatShape(scale), block, tensor.FormatShape(x))
		}
	}
	return b, nil
}

// run says that n elements from the i-th on have scales from the k-th on, which are step apart: 0 or 1.
func (b *blocks) run(i int) (k, n, step int) {
	if b.mode == 0 {
		return 0, math.MaxInt, 0
	}
	at, within := i/b.inner%b.n, i%b.inner
	k = at
	if b.mode == 2 {
		k = (i/(b.inner*b.n)*b.parts+at/b.block)*b.inner + within
	}
	switch {
	case b.mode == 1 && b.inner == 1:
		return k, b.n - at, 1
	case b.mode == 1:
		return k, b.inner - within, 0
	case b.inner == 1:
		return k, min(b.n-at, b.block-at%b.block), 0
	}
	return k, b.inner - within, 1
}

// varies says whether neighbours have scales of their own.
func (b *blocks) varies() bool { return b.mode == 1 && b.inner == 1 || b.mode == 2 && b.inner > 1 }

// limits returns the least and greatest number of an integer type that quantisation uses.
func limits(d tensor.DType) (lo, hi float32, ok bool) {
	switch d {
	case tensor.Int8:
		return -128, 127, true
	case tensor.Uint8:
		return 0, 255, true
	case tensor.Int16:
		return -32768, 32767, true
	case tensor.Uint16:
		return 0, 65535, true
	case tensor.Int4:
		return -8, 7, true
	case tensor.Uint4:
		return 0, 15, true
	}
	return 0, 0, false
}

// Limits8 returns the least and greatest Int8 or Uint8.
func Limits8(d tensor.DType) (lo, hi float32) {
	lo, hi, _ = limits(d)
	return lo, hi
}

func float8(d tensor.DType) bool {
	return d == tensor.Float8E4M3 || d == tensor.Float8E4M3UZ || d == tensor.Float8E5M2 || d == tensor.Float8E5M2UZ
}

// integers returns integers of up to 32 bits as int32, in scratch memory.
func (e *Env) integers(t *tensor.Tensor) []int32 {
	y := e.Int32s(t.Len())
	switch t.DType() {
	case tensor.Int8, tensor.Int4:
		widenInts(y, tensor.Data[int8](t))
	case tensor.Uint8, tensor.Uint4:
		widenInts(y, tensor.Data[uint8](t))
	case tensor.Int16:
		widenInts(y, tensor.Data[int16](t))
	case tensor.Uint16:
		widenInts(y, tensor.Data[uint16](t))
	case tensor.Int32:
		copy(y, tensor.Data[int32](t))
	}
	return y
}

func widenInts[T int8 | uint8 | int16 | uint16](y []int32, x []T) {
	for i, v := range x {
		y[i] = int32(v)
	}
}

// zeros returns zero points as int32; nil stands for 0.
func (e *Env) zeros(t *tensor.Tensor) []int32 {
	if t == nil || float8(t.DType()) {
		return nil
	}
	return e.integers(t)
}

// Quantize computes y = saturate(round(x/scale) + zero), ties to even. Inputs: x, scale, and optionally zero, whose type is the output's;
// without it the type is To, or Uint8. Scale and zero are one number, one per position along Axis, or one per Block positions along it.
type Quantize struct {
	Axis, Block int
	Saturate    bool // for the 8-bit floats
	To          tensor.DType
}

func (*Quantize) Kind() string { return "QuantizeLinear" }

func (q *Quantize) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32, tensor.Int32); err != nil {
		return nil, err
	}
	if err := isType(in, 1, tensor.Float32); err != nil {
		return nil, err
	}
	d := q.To
	if z := opt(in, 2); z.Present() {
		if d != tensor.Invalid && d != z.DType || !slices.Equal(z.Shape, in[1].Shape) && sizeOf(z.Shape) != sizeOf(in[1].Shape) {
			return nil, fmt.Errorf("scale %s, zero point %s", in[1], z)
		}
		d = z.DType
	}
	if d == tensor.Invalid {
		d = tensor.Uint8
	}
	if _, _, ok := limits(d); !ok && !float8(d) {
		return nil, fmt.Errorf("cannot quantise to %v", d)
	}
	if _, err := blocking(in[0].Shape, in[1].Shape, q.Axis, q.Block); err != nil {
		return nil, err
	}
	return one(d, in[0].Shape)
}

func (q *Quantize) Forward(e *Env, in, out []*tensor.Tensor) error {
	b, err := blocking(in[0].Shape(), in[1].Shape(), q.Axis, q.Block)
	if err != nil {
		return err
	}
	x, scale := in[0].Floats(), in[1].Float32s()
	if d := out[0].DType(); float8(d) {
		y := tensor.Data[uint8](out[0])
		for i, v := range x {
			k, _, _ := b.run(i)
			y[i] = tensor.FloatToFloat8(d, v/scale[k], q.Saturate)
		}
		return nil
	}
	zero := e.zeros(optT(in, 2))
	if zero == nil {
		zero = e.Int32s(len(scale))
		clear(zero)
	}
	switch d := out[0].DType(); d {
	case tensor.Int16:
		quantizeTo(tensor.Data[int16](out[0]), d, x, scale, zero, &b)
	case tensor.Uint16:
		quantizeTo(tensor.Data[uint16](out[0]), d, x, scale, zero, &b)
	default:
		quantize8(e, out[0], x, scale, zero, b)
	}
	return nil
}

const (
	quantizePiece = 1 << 14 // elements that one tile has
	quantizeRows  = 1 << 10 // elements that kernels run over at a time, where scales differ
	quantizeFew   = 16      // for fewer, calls of kernels would cost more than they save
)

// repeated returns scales and zero points for n elements. Where they are short rows it repeats them, and b follows, so that kernels run over many elements
// at a time.
func (b *blocks) repeated(e *Env, scale []float32, zero []int32, n int) ([]float32, []int32) {
	if b.mode != 1 || b.inner != 1 || min(n, quantizeRows) < 2*b.n || n == 0 {
		return scale, zero
	}
	b.n = min(n, quantizeRows) / b.n * b.n
	s, z := e.Floats(b.n), e.Int32s(b.n)
	repeat(s, scale)
	repeat(z, zero)
	return s, z
}

// repeat fills dst with copies of row.
func repeat[T any](dst, row []T) {
	for i := copy(dst, row); i < len(dst); i *= 2 {
		copy(dst[i:], dst[:i])
	}
}

// rounder, added to a float32 and taken away again, makes it whole, ties to even; what is too large for that stays far beyond what is quantised to.
const rounder = 3 << 22

// quantizeTask is a quantisation to numbers of a byte each.
type quantizeTask struct {
	y        []byte
	x, scale []float32
	zero     []int32
	back     []float32 // rounder less each zero point; nil where neighbours share one
	to       tensor.DType
	b        blocks
}

// quantize8 quantises to a type whose numbers take a byte each.
func quantize8(e *Env, dst *tensor.Tensor, x, scale []float32, zero []int32, b blocks) {
	scale, zero = b.repeated(e, scale, zero, len(x))
	t := taskOf[quantizeTask](e)
	*t = quantizeTask{y: dst.Raw(), x: x, scale: scale, zero: zero, to: dst.DType(), b: b}
	if b.varies() {
		t.back = e.Floats(len(zero))
		for k, z := range zero {
			t.back[k] = rounder - float32(z)
		}
	}
	e.Team.Run(t, (len(x)+quantizePiece-1)/quantizePiece)
	*t = quantizeTask{}
}

func (t *quantizeTask) Tile(i, _ int) {
	from, to := i*quantizePiece, min((i+1)*quantizePiece, len(t.x))
	lo, hi, _ := limits(t.to)
	var buf [quantizeRows]float32
	for from < to {
		k, n, step := t.b.run(from)
		n = min(n, to-from, len(buf))
		x, y := t.x[from:from+n], t.y[from:from+n]
		switch q := buf[:n]; {
		case n < quantizeFew:
			if lo < 0 {
				quantizeRun(tensor.Slice[int8](y, n), t.to, x, t.scale[k:], t.zero[k:], step)
			} else {
				quantizeRun(y, t.to, x, t.scale[k:], t.zero[k:], step)
			}
		case step == 0:
			zero := float32(t.zero[k])
			kernels.DivScalar(q, x, t.scale[k])
			kernels.Narrow8(y, q, lo-zero, hi-zero, t.zero[k])
		default:
			kernels.Div(q, x, t.scale[k:k+n])
			kernels.AddScalar(q, q, rounder)
			kernels.Sub(q, q, t.back[k:k+n])
			kernels.Narrow8(y, q, lo, hi, 0)
		}
		from += n
	}
}

func quantizeTo[T int16 | uint16](y []T, d tensor.DType, x, scale []float32, zero []int32, b *blocks) {
	for i := 0; i < len(x); {
		k, n, step := b.run(i)
		n = min(n, len(x)-i)
		quantizeRun(y[i:i+n], d, x[i:i+n], scale[k:], zero[k:], step)
		i += n
	}
}

// quantizeRun quantises numbers whose scales are step apart.
func quantizeRun[T int8 | uint8 | int16 | uint16](y []T, d tensor.DType, x, scale []float32, zero []int32, step int) {
	lo, hi, _ := limits(d)
	for i, v := range x {
		r := float32(math.RoundToEven(float64(v/scale[i*step]))) + float32(zero[i*step])
		if r != r {
			r = 0
		}
		y[i] = T(minOf(hi, maxOf(lo, r)))
	}
}

// Dequantize computes y = (x-zero)·scale. Inputs: x, scale and optionally zero; blocks as in Quantize.
type Dequantize struct{ Axis, Block int }

func (*Dequantize) Kind() string { return "DequantizeLinear" }

func (q *Dequantize) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if _, _, ok := limits(in[0].DType); !ok && !float8(in[0].DType) && in[0].DType != tensor.Int32 {
		return nil, fmt.Errorf("input 0 is %v, which is not supported here", in[0].DType)
	}
	if err := isType(in, 1, tensor.Float32); err != nil {
		return nil, err
	}
	if z := opt(in, 2); z.Present() && (z.DType != in[0].DType || sizeOf(z.Shape) != sizeOf(in[1].Shape)) {
		return nil, fmt.Errorf("input %s, scale %s, zero point %s", in[0], in[1], z)
	}
	if _, err := blocking(in[0].Shape, in[1].Shape, q.Axis, q.Block); err != nil {
		return nil, err
	}
	return one(tensor.Float32, in[0].Shape)
}

func (q *Dequantize) Forward(e *Env, in, out []*tensor.Tensor) error {
	b, err := blocking(in[0].Shape(), in[1].Shape(), q.Axis, q.Block)
	if err != nil {
		return err
	}
	y, scale, zero := out[0].Float32s(), in[1].Float32s(), e.zeros(optT(in, 2))
	if float8(in[0].DType()) {
		for i, v := range in[0].Floats() {
			k, _, _ := b.run(i)
			y[i] = v * scale[k]
		}
		return nil
	}
	if zero == nil {
		zero = e.Int32s(len(scale))
		clear(zero)
	}
	switch in[0].DType() {
	case tensor.Int8, tensor.Uint8, tensor.Int4, tensor.Uint4:
		dequantize8(e, y, in[0], scale, zero, b)
		return nil
	}
	x := e.integers(in[0])
	for i := 0; i < len(x); {
		k, n, step := b.run(i)
		n = min(n, len(x)-i)
		if step == 0 {
			s, z, y := scale[k], zero[k], y[i:i+n]
			for j, v := range x[i : i+n] {
				y[j] = float32(v-z) * s
			}
		} else {
			for j, v := range x[i : i+n] {
				y[i+j] = float32(v-zero[k+j]) * scale[k+j]
			}
		}
		i += n
	}
	return nil
}

// dequantizeTask widens numbers of a byte each.
type dequantizeTask struct {
	y     []float32
	x     []byte
	in    kernels.Bytes
	scale []float32
	zero  []int32
	zeros []float32 // zero; nil where neighbours share one
	b     blocks
}

func dequantize8(e *Env, y []float32, x *tensor.Tensor, scale []float32, zero []int32, b blocks) {
	scale, zero = b.repeated(e, scale, zero, len(y))
	t := taskOf[dequantizeTask](e)
	lo, _, _ := limits(x.DType())
	*t = dequantizeTask{y: y, x: x.Raw(), in: kernels.Bytes{Signed: lo < 0}, scale: scale, zero: zero, b: b}
	if b.varies() {
		t.zeros = e.Floats(len(zero))
		for k, z := range zero {
			t.zeros[k] = float32(z)
		}
	}
	e.Team.Run(t, (len(y)+quantizePiece-1)/quantizePiece)
	*t = dequantizeTask{}
}

func (t *dequantizeTask) Tile(i, _ int) {
	from, to := i*quantizePiece, min((i+1)*quantizePiece, len(t.y))
	for from < to {
		k, n, step := t.b.run(from)
		n = min(n, to-from)
		if step == 0 {
			in := t.in
			in.Zero = t.zero[k]
			kernels.Widen8(t.y[from:from+n], t.x[from:from+n], in, t.scale[k])
		} else {
			n = min(n, quantizeRows)
			y := t.y[from : from+n]
			kernels.Widen8(y, t.x[from:from+n], t.in, 1)
			kernels.Sub(y, y, t.zeros[k:k+n])
			kernels.Mul(y, y, t.scale[k:k+n])
		}
		from += n
	}
}

// DynamicQuantize quantises x to Uint8 with the scale and zero point that its range, widened to hold 0, asks for. Outputs: y, scale, zero.
type DynamicQuantize struct{}

func (*DynamicQuantize) Kind() string { return "DynamicQuantizeLinear" }

func (*DynamicQuantize) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32); err != nil {
		return nil, err
	}
	return []Info{{DType: tensor.Uint8, Shape: in[0].Shape}, {DType: tensor.Float32, Shape: []int{}}, {DType: tensor.Uint8, Shape: []int{}}}, nil
}

func (*DynamicQuantize) Forward(e *Env, in, out []*tensor.Tensor) error {
	var lo, hi, scale float32
	x := in[0].Float32s()
	for _, v := range x {
		switch {
		case v < lo:
			lo = v
		case v > hi:
			hi = v
		case v != v:
			scale = v
		}
	}
	scale += (hi - lo) / 255 // a NaN stays one
	zero := float32(0)
	if scale == 0 {
		scale = 1 // zeros alone: any scale will do but 0
	} else {
		zero = minOf(255, maxOf(0, float32(math.RoundToEven(float64(-lo/scale)))))
	}
	if zero != zero {
		zero = 0
	}
	if t := optT(out, 1); t != nil {
		t.Float32s()[0] = scale
	}
	if t := optT(out, 2); t != nil {
		tensor.Data[uint8](t)[0] = uint8(zero)
	}
	if out[0] != nil {
		s, z := e.Floats(1), e.Int32s(1)
		s[0], z[0] = scale, int32(zero)
		quantize8(e, out[0], x, s, z, blocks{})
	}
	return nil
}

var bytesOnly = []tensor.DType{tensor.Uint8, tensor.Int8}

// zeroFits checks a zero point: of data's type, one number or one per position (of n).
func zeroFits(z, data Info, n int) error {
	if z.Present() && (z.DType != data.DType || sizeOf(z.Shape) != 1 && sizeOf(z.Shape) != n) {
		return fmt.Errorf("zero point %s for %s", z, data)
	}
	return nil
}

// shifted returns x - zero as int32; zero is one number or one per position along an axis with inner elements each.
func (e *Env) shifted(x *tensor.Tensor, zero *tensor.Tensor, n, inner int) []int32 {
	v, z := e.integers(x), e.zeros(zero)
	if z == nil {
		return v
	}
	for i := range v {
		k := 0
		if len(z) > 1 {
			k = i / inner % n
		}
		v[i] -= z[k]
	}
	return v
}

// ConvInteger is Conv on 8-bit integers, the zero points taken away first; the sums are int32 and wrap.
// Inputs: x, w and optionally their zero points; w's may be one per output channel.
type ConvInteger struct{ Conv }

func (*ConvInteger) Kind() string { return "ConvInteger" }

func (c *ConvInteger) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 4); err != nil {
		return nil, err
	}
	for i := range 2 {
		if err := isType(in, i, bytesOnly...); err != nil {
			return nil, err
		}
	}
	s, err := c.over(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil, err
	}
	if err := zeroFits(opt(in, 2), in[0], 1); err != nil {
		return nil, err
	}
	if err := zeroFits(opt(in, 3), in[1], in[1].Shape[0]); err != nil {
		return nil, err
	}
	return one(tensor.Int32, s.shape(in[0].Shape[0], in[1].Shape[0], len(in[0].Shape)-2))
}

func (c *ConvInteger) Forward(e *Env, in, out []*tensor.Tensor) error {
	c.sums(e, in[0], in[1], optT(in, 2), optT(in, 3), nil, tensor.Data[int32](out[0]))
	return nil
}

// sums writes the int32 convolution.
func (c *Conv) sums(e *Env, x, w, xz, wz *tensor.Tensor, bias, y []int32) {
	s, err := c.over(x.Shape(), w.Shape())
	if err != nil {
		panic("layer: integer convolution: shapes do not match")
	}
	o := w.Dim(0)
	t := taskOf[convTask[int32]](e)
	*t = convTask[int32]{s: s, groups: c.Groups, c: x.Dim(1), o: o, x: e.shifted(x, xz, 1, 1), w: e.shifted(w, wz, o, sizeOf(w.Shape()[1:])), b: bias, y: y, row: addRow[int32]}
	e.Team.Run(t, x.Dim(0)*o)
}

// QLinearConv is Conv on quantised numbers: y = saturate(round(Σ (x-xz)·(w-wz) + b)·xs·ws/ys) + yz).
// Inputs: x, xs, xz, w, ws, wz, ys, yz and optionally b (Int32); ws and wz may be one per output channel.
type QLinearConv struct{ Conv }

func (*QLinearConv) Kind() string { return "QLinearConv" }

func (c *QLinearConv) Infer(in []Info) ([]Info, error) {
	if err := want(in, 8, 9); err != nil {
		return nil, err
	}
	for _, i := range []int{0, 3, 7} {
		if err := isType(in, i, bytesOnly...); err != nil {
			return nil, err
		}
	}
	for _, i := range []int{1, 4, 6} {
		if err := isType(in, i, tensor.Float32); err != nil {
			return nil, err
		}
	}
	s, err := c.over(in[0].Shape, in[3].Shape)
	if err != nil {
		return nil, err
	}
	o := in[3].Shape[0]
	if err := zeroFits(in[2], in[0], 1); err != nil {
		return nil, err
	}
	if err := zeroFits(in[5], in[3], o); err != nil {
		return nil, err
	}
	if n := sizeOf(in[4].Shape); sizeOf(in[1].Shape) != 1 || sizeOf(in[6].Shape) != 1 || sizeOf(in[7].Shape) != 1 || n != 1 && n != o {
		return nil, fmt.Errorf("scales %s, %s and %s", in[1], in[4], in[6])
	}
	if b := opt(in, 8); b.Present() && (b.DType != tensor.Int32 || len(b.Shape) != 1 || b.Shape[0] != o) {
		return nil, fmt.Errorf("bias %s for %d channels", b, o)
	}
	return one(in[7].DType, s.shape(in[0].Shape[0], o, len(in[0].Shape)-2))
}

func (c *QLinearConv) MACs(in, out []Info) int64 {
	return int64(sizeOf(out[0].Shape)) * int64(sizeOf(in[3].Shape[1:]))
}

func (c *QLinearConv) Forward(e *Env, in, out []*tensor.Tensor) error {
	var bias []int32
	if b := optT(in, 8); b != nil {
		bias = tensor.Data[int32](b)
	}
	acc := e.Int32s(out[0].Len())
	c.sums(e, in[0], in[3], in[2], in[5], bias, acc)
	o := in[3].Dim(0)
	requantize(out[0], acc, in[1].Float32s()[0], in[4].Float32s(), in[6].Float32s()[0], e.zeros(in[7])[0], o, sizeOf(out[0].Shape()[2:]))
	return nil
}

// requantize writes saturate(round(acc·a·b/c) + zero), b being one number or one per position along an axis of n positions of inner elements.
func requantize(dst *tensor.Tensor, acc []int32, a float32, b []float32, c float32, zero int32, n, inner int) {
	lo, hi, _ := limits(dst.DType())
	y := dst.Raw()
	for i, v := range acc {
		k := 0
		if len(b) > 1 {
			k = i / inner % n
		}
		m := float32(a*b[k]) / c
		r := float32(math.RoundToEven(float64(float32(float32(v)*m)))) + float32(zero)
		if r != r {
			r = 0
		}
		y[i] = byte(int32(minOf(hi, maxOf(lo, r))))
	}
}

// MatMulInteger is MatMul on 8-bit integers, the zero points taken away first; the sums are int32. Inputs: a, b and optionally their zero points,
// one number or one per row of a and per column of b.
type MatMulInteger struct{}

func (*MatMulInteger) Kind() string { return "MatMulInteger" }

func (*MatMulInteger) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 4); err != nil {
		return nil, err
	}
	p, err := intProduct(in[0], in[1], opt(in, 2), opt(in, 3))
	if err != nil {
		return nil, err
	}
	return one(tensor.Int32, p.out)
}

func intProduct(a, b, az, bz Info) (matPlan, error) {
	for _, x := range []Info{a, b} {
		if !slices.Contains(bytesOnly, x.DType) {
			return matPlan{}, fmt.Errorf("%s where 8-bit integers are expected", x)
		}
	}
	p, err := planMatMul(a.Shape, b.Shape)
	if err != nil {
		return p, err
	}
	if err := zeroFits(az, a, p.m); err != nil {
		return p, err
	}
	return p, zeroFits(bz, b, p.n)
}

func (*MatMulInteger) MACs(in, out []Info) int64 { return (*MatMul)(nil).MACs(in, out) }

func (*MatMulInteger) Forward(e *Env, in, out []*tensor.Tensor) error {
	p, err := planMatMul(in[0].Shape(), in[1].Shape())
	if err != nil {
		return err
	}
	p.sums(e, in[0], in[1], optT(in, 2), optT(in, 3), tensor.Data[int32](out[0]))
	return nil
}

// Plan works the shapes out once.
func (*MatMulInteger) Plan(in, out []Info) Op {
	p, err := planMatMul(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil
	}
	return &matMulIntegerPlan{p: p}
}

type matMulIntegerPlan struct {
	MatMulInteger
	p matPlan
}

func (m *matMulIntegerPlan) Forward(e *Env, in, out []*tensor.Tensor) error {
	m.p.sums(e, in[0], in[1], optT(in, 2), optT(in, 3), tensor.Data[int32](out[0]))
	return nil
}

// sums writes the int32 product.
func (p *matPlan) sums(e *Env, a, b, az, bz *tensor.Tensor, y []int32) {
	multiply(e, p, y, e.shifted(a, az, p.m, p.k), e.shifted(b, bz, p.n, 1), func(a, b, c int32) int32 { return a*b + c })
}

// QLinearMatMul is MatMul on quantised numbers. Inputs: a, as, az, b, bs, bz, ys, yz; as and az may be one per row, bs and bz one per column.
type QLinearMatMul struct{}

func (*QLinearMatMul) Kind() string { return "QLinearMatMul" }

func (*QLinearMatMul) Infer(in []Info) ([]Info, error) {
	if err := want(in, 8, 8); err != nil {
		return nil, err
	}
	p, err := intProduct(in[0], in[3], in[2], in[5])
	if err != nil {
		return nil, err
	}
	for _, i := range []int{1, 4, 6} {
		if err := isType(in, i, tensor.Float32); err != nil {
			return nil, err
		}
	}
	if err := isType(in, 7, bytesOnly...); err != nil {
		return nil, err
	}
	a, b := sizeOf(in[1].Shape), sizeOf(in[4].Shape)
	if a != 1 && a != p.m || b != 1 && b != p.n || sizeOf(in[6].Shape) != 1 || sizeOf(in[7].Shape) != 1 {
		return nil, fmt.Errorf("scales %s, %s and %s", in[1], in[4], in[6])
	}
	return one(in[7].DType, p.out)
}

func (*QLinearMatMul) MACs(in, out []Info) int64 { return (*MatMul)(nil).MACs(in, out) }

func (*QLinearMatMul) Forward(e *Env, in, out []*tensor.Tensor) error {
	p, err := planMatMul(in[0].Shape(), in[3].Shape())
	if err != nil {
		return err
	}
	p.quantized(e, in, out[0])
	return nil
}

// Plan works the shapes out once.
func (*QLinearMatMul) Plan(in, out []Info) Op {
	p, err := planMatMul(in[0].Shape, in[3].Shape)
	if err != nil {
		return nil
	}
	return &qLinearMatMulPlan{p: p}
}

type qLinearMatMulPlan struct {
	QLinearMatMul
	p matPlan
}

func (m *qLinearMatMulPlan) Forward(e *Env, in, out []*tensor.Tensor) error {
	m.p.quantized(e, in, out[0])
	return nil
}

func (p *matPlan) quantized(e *Env, in []*tensor.Tensor, out *tensor.Tensor) {
	acc := e.Int32s(out.Len())
	p.sums(e, in[0], in[3], in[2], in[5], acc)
	as, bs, c, zero := in[1].Float32s(), in[4].Float32s(), in[6].Float32s()[0], e.zeros(in[7])[0]
	lo, hi, _ := limits(out.DType())
	y := out.Raw()
	for i, v := range acc {
		a, b := as[0], bs[0]
		if len(as) > 1 {
			a = as[i/p.n%p.m]
		}
		if len(bs) > 1 {
			b = bs[i%p.n]
		}
		m := float32(a*b) / c
		r := float32(math.RoundToEven(float64(float32(float32(v)*m)))) + float32(zero)
		if r != r {
			r = 0
		}
		y[i] = byte(int32(minOf(hi, maxOf(lo, r))))
	}
}
