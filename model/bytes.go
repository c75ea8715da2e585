package model

import (
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// bytesOp is what products of 8-bit integers have in common: inputs x and, where it is no constant, its zero point.
type bytesOp struct {
	fastOp
	in   kernels.Bytes
	sums bool // the output is int32, not bytes
}

// of returns what the bytes of x stand for.
func (b *bytesOp) of(in []*tensor.Tensor) kernels.Bytes {
	of := b.in
	if len(in) > 1 {
		if of.Signed {
			of.Zero = int32(tensor.Data[int8](in[1])[0])
		} else {
			of.Zero = int32(tensor.Data[uint8](in[1])[0])
		}
	}
	return of
}

// conv8 is a convolution of 8-bit integers, channels last.
type conv8 struct {
	bytesOp
	plan    *kernels.Conv8
	weights *kernels.Weights8
}

func (*conv8) Kind() string     { return "Conv8" }
func (c *conv8) packed() packed { return c.weights }

func (c *conv8) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	if c.sums {
		c.plan.RunSums(e.Team, tensor.Data[int32](out[0]), in[0].Raw(), c.of(in), c.weights)
	} else {
		c.plan.Run(e.Team, out[0].Raw(), in[0].Raw(), c.of(in), c.weights)
	}
	return nil
}

// deep8 is a depthwise convolution of 8-bit integers, channels last.
type deep8 struct {
	bytesOp
	plan    *kernels.Depthwise8
	weights *kernels.Depthwise8Weights
}

func (*deep8) Kind() string              { return "Conv8" }
func (c *deep8) packed() packed          { return c.weights }
func (c *deep8) scratch(threads int) int { return (c.plan.ScratchLen(threads) + 3) / 4 }

func (c *deep8) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	c.plan.Run(e.Team, out[0].Raw(), in[0].Raw(), c.of(in), c.weights, e.Bytes(c.plan.ScratchLen(e.Team.Threads())))
	return nil
}

// dense8 is a product of 8-bit integers with constant weights.
type dense8 struct {
	bytesOp
	m int
	b *kernels.Packed8
}

func (*dense8) Kind() string     { return "MatMul8" }
func (d *dense8) packed() packed { return d.b }

func (d *dense8) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	if d.sums {
		kernels.Gemm8Sums(e.Team, tensor.Data[int32](out[0]), in[0].Raw(), d.b.K, d.m, d.of(in), d.b)
	} else {
		kernels.Gemm8(e.Team, out[0].Raw(), in[0].Raw(), d.b.K, d.m, d.of(in), d.b)
	}
	return nil
}

// bytes returns what the products of x have in common, and the op's inputs; ok is false where x's zero point is not one number.
func (r *rewrite) bytes(x, zero *val, q *requantize) (b bytesOp, in []*val, ok bool) {
	b = bytesOp{in: kernels.Bytes{Signed: x.info.DType == tensor.Int8}, sums: q == nil}
	in = []*val{x}
	if !b.in.Signed && x.info.DType != tensor.Uint8 {
		return b, nil, false
	}
	if zero != nil {
		if n, _ := tensor.Count(zero.info.Shape); n != 1 {
			return b, nil, false
		}
		if zero.constant() {
			b.in.Zero = int32(zero.info.Value.Floats()[0])
		} else {
			in = append(in, zero)
		}
	}
	return b, in, true
}

// mostDeep is the most products in a sum that the kernels of 8-bit integers are given: their tiles compute whole sums, and may not be interrupted.
const mostDeep = 1 << 15

// int8s returns constant weights less their zero points as weights does, or nil where one is no int8 then.
func int8s(w, zero *val, n, inner int) []int8 {
	f := weights(w, zero, n, inner)
	y := make([]int8, len(f))
	for i, v := range f {
		if y[i] = int8(v); float32(y[i]) != v {
			return nil
		}
	}
	return y
}

// packed8 returns constant weights as int8, packed, which all ops that share them share; ok is false where they may not be packed, or are no int8. n outputs
// have inner weights each in a row; a group packs to so many bytes.
func packed8[T any](l *left, k packing, n, inner, bytes int, pack func(w []int8) T) (packed T, ok bool) {
	if v, there := l.packs[k]; there {
		packed, ok = v.(T) // nil where they are no int8
		return packed, ok && l.spend(8*n)
	}
	if !k.w.constant() || l.paid[k.w] && l.again < bytes {
		return packed, false
	}
	w := int8s(k.w, k.bias, n, inner)
	if len(w) == 0 {
		l.packs[k] = nil
		return packed, false
	}
	if l.paid[k.w] && !l.spend(bytes) {
		return packed, false
	}
	l.paid[k.w] = true
	packed = pack(w)
	l.packs[k] = packed
	return packed, true
}

// conv8 emits a convolution by the kernels of 8-bit integers, or returns false. q says what becomes of the sums; nil leaves them.
func (r *rewrite) conv8(c *layer.Conv, x, xz, w, wz, bias *val, q *requantize) bool {
	b, in, ok := r.bytes(x, xz, q)
	ws := w.info.Shape
	if !ok || len(ws) < 3 || bias != nil && !bias.constant() || !x.filled() || !r.o.out[0].filled() {
		return false
	}
	s, out, ok := window2(&c.Window, x.shape(), ws[2:])
	if !ok {
		return false
	}
	s.O, s.Groups = ws[0], max(1, c.Groups)
	deep := depthwiseShape(s)
	if s.OH() != out[0] || s.OW() != out[1] || deep && (q == nil || !kernels.Depthwise8Suits(s)) || !deep && !kernels.Conv8Suits(s) {
		return false
	}
	taps, cg := s.KH*s.KW, s.C/s.Groups
	if taps*cg > mostDeep {
		return false
	}
	var fast layer.Op
	if deep {
		op := &deep8{bytesOp: b, plan: kernels.NewDepthwise8(s)}
		shared, ok := packed8(r.left, packing{w, wz, packDeep8, s.SW}, s.O, taps, 32*s.O*taps, func(f []int8) *kernels.Depthwise8Weights {
			turned := make([]int8, len(f)) // [KH,KW,C]
			for o := range s.C {
				for i := range taps {
					turned[i*s.C+o] = f[o*taps+i]
				}
			}
			return op.plan.Pack(turned)
		})
		if !ok {
			return false
		}
		op.weights = shared.With(biases(bias), q.kernel())
		fast = op
	} else {
		op := &conv8{bytesOp: b, plan: kernels.NewConv8(s)}
		size := s.Groups * (512 + (s.O/s.Groups+15)/16*16*taps*(cg+3))
		shared, ok := packed8(r.left, packing{w, wz, packConv8, s.Groups}, s.O, cg*taps, size, func(f []int8) *kernels.Weights8 {
			turned := make([]int8, len(f)) // [O,KH,KW,C/G]
			for o := range s.O {
				for i := range cg * taps {
					turned[o*cg*taps+i%taps*cg+i/taps] = f[o*cg*taps+i]
				}
			}
			return op.plan.Pack(turned)
		})
		if !ok || !r.left.spend(256*(s.Groups-1)) { // for each group
			return false
		}
		op.weights = shared.With(biases(bias), q.kernel())
		fast = op
	}
	n := r.emit("", fast, in, r.o.out[0])
	n.macs, n.params = r.o.macs, r.o.params
	return true
}

// matmul8 is conv8 for a product with weights [K,N], or [N,K] where they are turned.
func (r *rewrite) matmul8(x, xz, w, wz, bias *val, q *requantize, turned bool) bool {
	b, in, ok := r.bytes(x, xz, q)
	if !ok || len(w.info.Shape) != 2 || len(x.info.Shape) < 2 || bias != nil && !bias.constant() || !x.filled() || !r.o.out[0].filled() {
		return false
	}
	k, n := w.info.Shape[0], w.info.Shape[1]
	inner, way := 1, packDense8
	if turned {
		k, n, inner, way = n, k, n, packTurned8
	}
	if bias != nil && bias.info.Value.Len() != n || k > mostDeep {
		return false
	}
	shared, ok := packed8(r.left, packing{w, wz, way, 1}, n, inner, (n+15)/16*16*(k+3), func(f []int8) *kernels.Packed8 {
		if !turned {
			rows := make([]int8, len(f)) // [N,K]
			for j := range n {
				for i := range k {
					rows[j*k+i] = f[i*n+j]
				}
			}
			f = rows
		}
		return kernels.Pack8(f, k, n)
	})
	if !ok {
		return false
	}
	count, _ := tensor.Count(x.info.Shape)
	o := r.emit("", &dense8{bytesOp: b, m: count / k, b: shared.With(biases(bias), q.kernel())}, in, r.o.out[0])
	o.macs, o.params = r.o.macs, r.o.params
	return true
}

// biases returns the int32 of a constant, or nil.
func biases(v *val) []int32 {
	if v == nil {
		return nil
	}
	return tensor.Data[int32](v.info.Value)
}

// kernel returns q as the kernels of 8-bit integers take it.
func (q *requantize) kernel() *kernels.Requant {
	if q == nil {
		return nil
	}
	lo, hi := layer.Limits8(q.to)
	lo, hi = lo-q.zero, hi-q.zero
	least, most := max(lo, min(q.least, hi)), max(lo, min(q.most, hi))
	return &kernels.Requant{Scale: q.scale, Lo: min(least, most), Hi: most, Zero: int32(q.zero)}
}
