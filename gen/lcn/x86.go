package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// target is a vector unit of amd64. AVX-512 takes masks from it, and vectors of 16 lanes where no sum runs over lanes.
type target struct {
	name  string
	lanes int
	vec   func(i int) reg.VecPhysical
	mask  Mem
}

var (
	avx2   = &target{name: "AVX2", lanes: 8, vec: func(i int) reg.VecPhysical { return x86.YMM[i] }}
	avx512 = &target{name: "AVX512", lanes: 16, vec: func(i int) reg.VecPhysical { return x86.ZMM[i] }}
)

// maskReg is the vector that holds the mask of a ragged end where there are no mask registers.
var maskReg = x86.YMM[9]

func amd64(t *target) {
	ConstraintExpr("!purego")
	if t == avx2 {
		t.mask = x86.TailMask("lcnmask")
	}
	t.blur()
	t.sum()
	t.sub()
	t.div()
	if t == avx2 {
		// Nothing is gained on these with masks or wider vectors.
		t.few(fewSub)
		t.few(fewDiv)
	}
	t.flatSub()
	t.flatDiv()
}

func (t *target) start(f function, lanes int) {
	name, doc := f.full(lanes, t.name)
	TEXT(name, NOSPLIT, "func"+f.signature)
	Doc(doc)
	Pragma("noescape")
}

func param(name string, r reg.Register) { Load(Param(name), r) }

// broadcast loads a float32 argument to all lanes.
func broadcast(name string, v reg.VecPhysical) {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(p.Addr, v)
}

func end() {
	VZEROUPPER()
	RET()
}

// ragged makes the mask of the n mod lanes last floats; n is in RCX and becomes their number.
func (t *target) ragged(lanes int) {
	ANDQ(Imm(uint64(lanes-1)), reg.RCX)
	if t == avx512 {
		MOVL(I32(-1), reg.R15L)
		SHLL(reg.CL, reg.R15L)
		NOTL(reg.R15L)
		KMOVW(reg.R15L, reg.K1)
		return
	}
	LEAQ(t.mask.Offset(32), reg.R15)
	MOVQ(reg.RCX, reg.R14)
	NEGQ(reg.R14)
	VMOVDQU(Mem{Base: reg.R15, Index: reg.R14, Scale: 4}, maskReg)
}

// load and store move a vector, or its first lanes only.
func (t *target) load(m Mem, v reg.VecPhysical, part bool) {
	switch {
	case !part:
		VMOVUPS(m, v)
	case t == avx512:
		VMOVUPS_Z(m, reg.K1, v)
	default:
		VMASKMOVPS(m, maskReg, v)
	}
}

func (t *target) store(v reg.VecPhysical, m Mem, part bool) {
	switch {
	case !part:
		VMOVUPS(v, m)
	case t == avx512:
		VMOVUPS(v, reg.K1, m)
	default:
		VMASKMOVPS(v, maskReg, m)
	}
}

// join adds the eight lanes of v in their fixed order: ((0+4)+(2+6))+((1+5)+(3+7)) in lane 0. It clobbers tmp.
func join(v, tmp reg.VecPhysical) {
	VEXTRACTF128(Imm(1), v, tmp.AsX())
	VADDPS(tmp.AsX(), v.AsX(), v.AsX())
	VMOVHLPS(v.AsX(), v.AsX(), tmp.AsX())
	VADDPS(tmp.AsX(), v.AsX(), v.AsX())
	VMOVSHDUP(v.AsX(), tmp.AsX())
	VADDSS(tmp.AsX(), v.AsX(), v.AsX())
}

func (t *target) blur() {
	t.start(blur, t.lanes)
	dst, src, step, g, k, scale, n := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8
	scaleStep, root, at, w, left := reg.R9, reg.R10, reg.R11, reg.R12, reg.R13
	for _, a := range []struct {
		name string
		r    reg.GPPhysical
	}{{"dst", dst}, {"src", src}, {"step", step}, {"taps", g}, {"k", k}, {"scale", scale}, {"scaleStep", scaleStep}, {"root", root}, {"n", n}} {
		param(a.name, a.r)
	}
	flat := t.vec(8)
	VBROADCASTSS(Mem{Base: scale}, flat)
	for _, chunk := range []struct {
		label string
		n     int
	}{{"wide", 4}, {"narrow", 1}} {
		acc, wv, tmp := make([]reg.VecPhysical, chunk.n), t.vec(4), t.vec(5)
		Label(chunk.label)
		CMPQ(n, Imm(uint64(chunk.n*t.lanes)))
		JLT(LabelRef(chunk.label + "end"))
		for i := range acc {
			acc[i] = t.vec(i)
			VXORPS(acc[i].AsX(), acc[i].AsX(), acc[i].AsX())
		}
		MOVQ(src, at)
		MOVQ(g, w)
		MOVQ(k, left)
		Label(chunk.label + "tap")
		VBROADCASTSS(Mem{Base: w}, wv)
		for i, a := range acc {
			VFMADD231PS(Mem{Base: at, Disp: 4 * t.lanes * i}, wv, a)
		}
		ADDQ(step, at)
		ADDQ(Imm(4), w)
		DECQ(left)
		JNZ(LabelRef(chunk.label + "tap"))
		TESTQ(scaleStep, scaleStep)
		JEQ(LabelRef(chunk.label + "flat"))
		for i, a := range acc {
			VMOVUPS(Mem{Base: scale, Disp: 4 * t.lanes * i}, tmp)
			VMULPS(tmp, a, a)
		}
		ADDQ(I32(int32(4*t.lanes*chunk.n)), scale)
		JMP(LabelRef(chunk.label + "root"))
		Label(chunk.label + "flat")
		for _, a := range acc {
			VMULPS(flat, a, a)
		}
		Label(chunk.label + "root")
		TESTQ(root, root)
		JEQ(LabelRef(chunk.label + "store"))
		for _, a := range acc {
			VSQRTPS(a, a)
		}
		Label(chunk.label + "store")
		for i, a := range acc {
			VMOVUPS(a, Mem{Base: dst, Disp: 4 * t.lanes * i})
		}
		ADDQ(I32(int32(4*t.lanes*chunk.n)), dst)
		ADDQ(I32(int32(4*t.lanes*chunk.n)), src)
		SUBQ(Imm(uint64(chunk.n*t.lanes)), n)
		JMP(LabelRef(chunk.label))
		Label(chunk.label + "end")
	}
	end()
}

// pixels emits the loop over pixels and channels, eight at a time and then what is left.
func (t *target) pixels(before func(), body func(part bool), after func(), moving ...reg.GPPhysical) {
	pixels, left := reg.R8, reg.R9
	param("pixels", pixels)
	param("channels", reg.RCX)
	t.ragged(8)
	Label("pixel")
	before()
	param("channels", left)
	SUBQ(Imm(8), left)
	JLT(LabelRef("tail"))
	Label("whole")
	body(false)
	for _, r := range moving {
		ADDQ(Imm(32), r)
	}
	SUBQ(Imm(8), left)
	JGE(LabelRef("whole"))
	Label("tail")
	TESTQ(reg.RCX, reg.RCX)
	JEQ(LabelRef("next"))
	body(true)
	for _, r := range moving {
		LEAQ(Mem{Base: r, Index: reg.RCX, Scale: 4}, r)
	}
	Label("next")
	after()
	DECQ(pixels)
	JNZ(LabelRef("pixel"))
	end()
}

func (t *target) sum() {
	t.start(sum, 8)
	dst, src, square := reg.RAX, reg.RBX, reg.R10
	param("dst", dst)
	param("src", src)
	param("square", square)
	acc, x := x86.YMM[0], x86.YMM[1]
	t.pixels(func() {
		VXORPS(acc.AsX(), acc.AsX(), acc.AsX())
	}, func(part bool) {
		label := map[bool]string{false: "whole", true: "tail"}[part]
		t.load(Mem{Base: src}, x, part)
		TESTQ(square, square)
		JNE(LabelRef(label + "square"))
		VADDPS(x, acc, acc)
		JMP(LabelRef(label + "done"))
		Label(label + "square")
		VFMADD231PS(x, x, acc)
		Label(label + "done")
	}, func() {
		join(acc, x)
		VMOVSS(acc.AsX(), Mem{Base: dst})
		ADDQ(Imm(4), dst)
	}, src)
}

func (t *target) sub() {
	t.start(sub, 8)
	dst, squares, src, mean := reg.RAX, reg.RBX, reg.RDX, reg.RSI
	param("dst", dst)
	param("squares", squares)
	param("src", src)
	param("mean", mean)
	acc, x, m := x86.YMM[0], x86.YMM[1], x86.YMM[2]
	t.pixels(func() {
		VXORPS(acc.AsX(), acc.AsX(), acc.AsX())
		VBROADCASTSS(Mem{Base: mean}, m)
		ADDQ(Imm(4), mean)
	}, func(part bool) {
		t.load(Mem{Base: src}, x, part)
		if part && t == avx512 {
			VSUBPS_Z(m, x, reg.K1, x)
		} else {
			VSUBPS(m, x, x)
			if part {
				VANDPS(maskReg, x, x)
			}
		}
		VFMADD231PS(x, x, acc)
		t.store(x, Mem{Base: dst}, part)
	}, func() {
		join(acc, x)
		VMOVSS(acc.AsX(), Mem{Base: squares})
		ADDQ(Imm(4), squares)
	}, src, dst)
}

// divisor leaves floor > d ? floor : d in d, d = mean > d ? mean : d.
func divisor(d, mean, floor reg.VecPhysical) {
	// It returns its second source unless the first is greater: a NaN stays.
	VMAXPS(d, mean, d)
	VMAXPS(d, floor, d)
}

func (t *target) div() {
	t.start(div, 8)
	dst, src, dev := reg.RAX, reg.RBX, reg.RDX
	param("dst", dst)
	param("src", src)
	param("dev", dev)
	x, d, mean, floor := x86.YMM[0], x86.YMM[1], x86.YMM[2], x86.YMM[3]
	broadcast("mean", mean)
	broadcast("floor", floor)
	last, step := x86.YMM[4], reg.R10
	param("channels", step)
	SHLQ(Imm(2), step)
	t.pixels(func() {
		VBROADCASTSS(Mem{Base: dev}, d)
		ADDQ(Imm(4), dev)
		divisor(d, mean, floor)
		// The last eight channels, before any of them is overwritten.
		VMOVUPS(Mem{Base: src, Index: step, Scale: 1, Disp: -32}, last)
	}, func(part bool) {
		if part {
			VDIVPS(d, last, last)
			VMOVUPS(last, Mem{Base: dst, Index: reg.RCX, Scale: 4, Disp: -32})
			return
		}
		VMOVUPS(Mem{Base: src}, x)
		VDIVPS(d, x, x)
		VMOVUPS(x, Mem{Base: dst})
	}, func() {}, src, dst)
}

// few emits the functions for less than eight channels: what belongs to eight pixels is spread over as many vectors as there are channels.
func (t *target) few(f function) {
	t.start(f, 8)
	dst, src, aux, order, groups, channels, at, left := reg.RAX, reg.RBX, reg.RDX, reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11
	param("dst", dst)
	param("src", src)
	param("order", order)
	param("groups", groups)
	param("channels", channels)
	x, d, mean, floor, spread := x86.YMM[0], x86.YMM[1], x86.YMM[2], x86.YMM[3], x86.YMM[4]
	if f.name == fewSub.name {
		param("mean", aux)
	} else {
		param("dev", aux)
		broadcast("mean", mean)
		broadcast("floor", floor)
	}
	Label("group")
	VMOVUPS(Mem{Base: aux}, d)
	ADDQ(Imm(32), aux)
	if f.name == fewDiv.name {
		divisor(d, mean, floor)
	}
	MOVQ(order, at)
	MOVQ(channels, left)
	Label("vector")
	VMOVDQU(Mem{Base: at}, spread)
	VPERMPS(d, spread, spread)
	VMOVUPS(Mem{Base: src}, x)
	if f.name == fewSub.name {
		VSUBPS(spread, x, x)
	} else {
		VDIVPS(spread, x, x)
	}
	VMOVUPS(x, Mem{Base: dst})
	for _, r := range []reg.GPPhysical{at, src, dst} {
		ADDQ(Imm(32), r)
	}
	DECQ(left)
	JNZ(LabelRef("vector"))
	DECQ(groups)
	JNZ(LabelRef("group"))
	end()
}

// flat emits the loop over n floats.
func (t *target) flat(body func(part bool), moving ...reg.GPPhysical) {
	n := reg.R8
	param("n", n)
	MOVQ(n, reg.RCX)
	t.ragged(t.lanes)
	SUBQ(Imm(uint64(t.lanes)), n)
	JLT(LabelRef("tail"))
	Label("whole")
	body(false)
	for _, r := range moving {
		ADDQ(Imm(uint64(4*t.lanes)), r)
	}
	SUBQ(Imm(uint64(t.lanes)), n)
	JGE(LabelRef("whole"))
	Label("tail")
	TESTQ(reg.RCX, reg.RCX)
	JEQ(LabelRef("end"))
	body(true)
	Label("end")
	end()
}

func (t *target) flatSub() {
	t.start(flatSub, t.lanes)
	dst, squares, src, mean := reg.RAX, reg.RBX, reg.RDX, reg.RSI
	param("dst", dst)
	param("squares", squares)
	param("src", src)
	param("mean", mean)
	x, m := t.vec(0), t.vec(1)
	t.flat(func(part bool) {
		t.load(Mem{Base: src}, x, part)
		t.load(Mem{Base: mean}, m, part)
		VSUBPS(m, x, x)
		t.store(x, Mem{Base: dst}, part)
		VMULPS(x, x, x)
		t.store(x, Mem{Base: squares}, part)
	}, dst, squares, src, mean)
}

func (t *target) flatDiv() {
	t.start(flatDiv, t.lanes)
	dst, src, dev := reg.RAX, reg.RBX, reg.RDX
	param("dst", dst)
	param("src", src)
	param("dev", dev)
	x, d, mean, floor := t.vec(0), t.vec(1), t.vec(2), t.vec(3)
	broadcast("mean", mean)
	broadcast("floor", floor)
	t.flat(func(part bool) {
		t.load(Mem{Base: src}, x, part)
		t.load(Mem{Base: dev}, d, part)
		divisor(d, mean, floor)
		VDIVPS(d, x, x)
		t.store(x, Mem{Base: dst}, part)
	}, dst, src, dev)
}
