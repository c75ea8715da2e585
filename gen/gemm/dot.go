package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// integers is a target whose tiles multiply 8-bit integers, four of which take the place of a float.
type integers interface {
	target
	prepare(args reg.GPPhysical)               // before the loops: broadcasts Flip
	requantise(args reg.GPPhysical, s shape)   // makes bytes of the accumulators, in as many bits as they have; may use RBX and RDX
	storeBytes(f *frame, s shape, ragged bool) // stores them, with C in RBX and LDC in RCX, and leaves C of the next tile in RBX
}

// avx512dot is avx512 with VPDPBUSD.
type avx512dot struct{ avx512 }

func (avx512dot) name() string    { return "I8AVX512VNNI" }
func (avx512dot) shapes() []shape { return []shape{{12, 2, false}, {12, 1, false}} }
func (avx512dot) tail(shape) int  { return 0 }

func (avx512dot) prepare(args reg.GPPhysical) { VPBROADCASTD(field(args, "Flip"), zmm[6]) }

func (t avx512dot) inner(s shape, step int) {
	for p := range s.panels {
		m := Mem{Base: ptrB, Disp: 64 * step}
		if p == 1 {
			m.Index, m.Scale = stride, 1
		}
		VMOVUPS(m, zmm[p])
	}
	for p := 0; s.panels > 1 && p < s.panels; p++ {
		m := Mem{Base: ptrB, Disp: 512 + 64*step}
		if p == 1 {
			m.Index, m.Scale = stride, 1
		}
		PREFETCHT0(m)
	}
	for r := range s.rows {
		y := zmm[2+r%4]
		VPBROADCASTD(Mem{Base: rowPtr[r], Index: idx, Scale: 4, Disp: 4 * step}, y)
		VPXORD(zmm[6], y, y)
		for p := range s.panels {
			VPDPBUSD(zmm[p], y, t.acc(s, r, p))
		}
	}
}

func (t avx512dot) requantise(args reg.GPPhysical, s shape) {
	lo, hi, point := zmm[2], zmm[3], zmm[4]
	MOVQ(field(args, "Scale"), reg.RBX)
	for p := range s.panels {
		VMOVUPS(Mem{Base: reg.RBX, Disp: 64 * p}, zmm[p])
	}
	VBROADCASTSS(field(args, "Lo"), lo)
	VBROADCASTSS(field(args, "Hi"), hi)
	VPBROADCASTD(field(args, "Point"), point)
	for r := range s.rows {
		for p := range s.panels {
			y := t.acc(s, r, p)
			VCVTDQ2PS(y, y)
			VMULPS(zmm[p], y, y)
			x86.Floor(y, lo)
			x86.Ceiling(y, hi)
			VCVTPS2DQ(y, y)
			VPADDD(point, y, y)
		}
	}
}

func (t avx512dot) storeBytes(_ *frame, s shape, _ bool) {
	for r := range s.rows {
		for p := range s.panels {
			m := Mem{Base: reg.RBX, Disp: 16 * p}
			if p == s.panels-1 {
				VPMOVDB(t.acc(s, r, p), reg.K1, m)
			} else {
				VPMOVDB(t.acc(s, r, p), m)
			}
		}
		ADDQ(reg.RCX, reg.RBX)
	}
}

// avx2dot is avx2 with the VPDPBUSD of AVX-VNNI.
type avx2dot struct{ *avx2 }

func (avx2dot) name() string    { return "I8AVXVNNI" }
func (avx2dot) doc() string     { return "" }
func (avx2dot) shapes() []shape { return []shape{{6, 1, false}} }

func (avx2dot) prepare(args reg.GPPhysical) { VPBROADCASTD(field(args, "Flip"), ymm[3]) }

func (t avx2dot) inner(s shape, step int) {
	for v := range t.vectors(s) {
		VMOVUPS(Mem{Base: ptrB, Disp: 64*step + 32*v}, ymm[v])
	}
	for r := range s.rows {
		VPBROADCASTD(Mem{Base: rowPtr[r], Index: idx, Scale: 4, Disp: 4 * step}, ymm[2])
		VPXOR(ymm[3], ymm[2], ymm[2])
		for v := range t.vectors(s) {
			x86.VPDPBUSD(v, 2, t.first+r*t.vectors(s)+v)
		}
	}
}

func (t avx2dot) requantise(args reg.GPPhysical, s shape) {
	lo, hi, point, low := ymm[0], ymm[1], ymm[2], ymm[3]
	MOVQ(field(args, "Scale"), reg.RBX)
	VBROADCASTSS(field(args, "Lo"), lo)
	VBROADCASTSS(field(args, "Hi"), hi)
	VPBROADCASTD(field(args, "Point"), point)
	VPCMPEQD(low, low, low)
	VPSRLD(Imm(24), low, low)
	for r := range s.rows {
		for v := range t.vectors(s) {
			y := t.acc(s, r, v)
			VCVTDQ2PS(y, y)
			VMULPS(Mem{Base: reg.RBX, Disp: 32 * v}, y, y)
			x86.Floor(y, lo)
			x86.Ceiling(y, hi)
			VCVTPS2DQ(y, y)
			VPADDD(point, y, y)
			VPAND(low, y, y)
		}
		// Packing goes by halves of a register: their middle quarters change places.
		y := t.acc(s, r, 0)
		VPACKUSDW(t.acc(s, r, 1), y, y)
		VPERMQ(Imm(0xd8), y, y)
		VEXTRACTI128(Imm(1), y, t.acc(s, r, 1).AsX())
		VPACKUSWB(t.acc(s, r, 1).AsX(), y.AsX(), y.AsX())
	}
}

func (t avx2dot) storeBytes(f *frame, s shape, ragged bool) {
	if !ragged {
		for r := range s.rows {
			VMOVDQU(t.acc(s, r, 0).AsX(), Mem{Base: reg.RBX})
			ADDQ(reg.RCX, reg.RBX)
		}
		return
	}
	label := func(n string) string { return f.label + n }
	from, to, cols, row := reg.RSI, reg.RDI, reg.RDX, reg.R8
	Load(Param("args"), cols)
	MOVQ(field(cols, "Cols"), cols)
	for r := range s.rows {
		VMOVDQU(t.acc(s, r, 0).AsX(), f.bytes.Offset(16*r))
	}
	LEAQ(f.bytes, row)
	MOVL(U32(uint32(s.rows)), reg.R9L)
	Label(label("bytes"))
	MOVQ(row, from)
	MOVQ(reg.RBX, to)
	for _, c := range []struct {
		n  int
		do func()
	}{
		{8, func() { MOVQ(Mem{Base: from}, reg.R10); MOVQ(reg.R10, Mem{Base: to}) }},
		{4, func() { MOVL(Mem{Base: from}, reg.R10L); MOVL(reg.R10L, Mem{Base: to}) }},
		{2, func() { MOVW(Mem{Base: from}, reg.R10W); MOVW(reg.R10W, Mem{Base: to}) }},
		{1, func() { MOVB(Mem{Base: from}, reg.R10B); MOVB(reg.R10B, Mem{Base: to}) }},
	} {
		next := label("below" + string(rune('0'+c.n)))
		TESTQ(I32(int32(c.n)), cols)
		JEQ(LabelRef(next))
		c.do()
		ADDQ(Imm(uint64(c.n)), from)
		ADDQ(Imm(uint64(c.n)), to)
		Label(next)
	}
	ADDQ(Imm(16), row)
	ADDQ(reg.RCX, reg.RBX)
	DECQ(reg.R9)
	JNZ(LabelRef(label("bytes")))
}

// avx2plain is for CPUs without AVX-VNNI. Bytes widen to 16 bits, those at even places beside those at odd ones, so that a product of pairs fits the 32 bits
// of its column: the products of bytes that VPMADDUBSW adds up do not fit 16.
type avx2plain struct{ avx2dot }

func (avx2plain) name() string    { return "I8AVX2" }
func (avx2plain) shapes() []shape { return []shape{{4, 1, false}} }

func (avx2plain) prepare(args reg.GPPhysical) { VPBROADCASTD(field(args, "Flip"), ymm[7]) }

func (t avx2plain) inner(s shape, step int) {
	for v := range t.vectors(s) {
		even, odd := ymm[2*v], ymm[2*v+1]
		VMOVDQU(Mem{Base: ptrB, Disp: 64*step + 32*v}, odd)
		VPSLLW(Imm(8), odd, even)
		VPSRAW(Imm(8), even, even)
		VPSRAW(Imm(8), odd, odd)
	}
	odd, even, products := ymm[4], ymm[5], ymm[6]
	for r := range s.rows {
		VPBROADCASTD(Mem{Base: rowPtr[r], Index: idx, Scale: 4, Disp: 4 * step}, odd)
		VPXOR(ymm[7], odd, odd)
		VPAND(t.evens, odd, even)
		VPSRLW(Imm(8), odd, odd)
		for v := range t.vectors(s) {
			acc := t.acc(s, r, v)
			VPMADDWD(ymm[2*v], even, products)
			VPADDD(products, acc, acc)
			VPMADDWD(ymm[2*v+1], odd, products)
			VPADDD(products, acc, acc)
		}
	}
}
