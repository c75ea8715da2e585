package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// Factors of the transform of weights, as in kernels/ref.
const (
	wa, wb   = 5. / 8, 3. / 2
	wa2, wb2 = wa * wa, wb * wb
)

var weightFactors = []float64{
	0.5, 1 / (wa2 * wb2), wa, wa2, wa2 * wa, wa2 * wa2, wb, wb2, wb2 * wb, wb2 * wb2, 1 / (2 * wa2 * (wa2 - wb2)), 1 / (2 * wb2 * (wb2 - wa2)),
}

// Places of the factors.
const (
	fHalf = iota
	fInv
	fA
	fA2
	fA3
	fA4
	fB
	fB2
	fB3
	fB4
	fNA
	fNB
)

// weights writes the transforms of weights for vectors of so many bytes: 16 outputs at a time, in float64, some after the others.
func weights(isa string, vector int) {
	table := GLOBL("winogradWeights", RODATA|NOPTR)
	for i, f := range weightFactors {
		for j := range vector / 8 {
			DATA(i*vector+8*j, U64(math.Float64bits(f)))
		}
	}
	for _, v := range []struct{ m, r int }{{4, 3}, {2, 3}, {2, 5}} {
		weightTransform{table, isa, vector, v.r, v.m + v.r - 1}.emit(v.m)
	}
}

type weightTransform struct {
	table  Mem
	isa    string
	vector int
	r, n   int
}

func (w weightTransform) reg(i int) reg.VecPhysical {
	if w.vector == 64 {
		return x86.ZMM[i]
	}
	return x86.YMM[i]
}

func (w weightTransform) half(v reg.VecPhysical) reg.Register {
	if w.vector == 64 {
		return v.AsY()
	}
	return v.AsX()
}

func (w weightTransform) factor(i int) Mem { return w.table.Offset(i * w.vector) }

func (w weightTransform) emit(m int) {
	name := fmt.Sprintf("WinogradWeights%dx%dof%d%s", m, m, w.n, w.isa)
	TEXT(name, 0, "func(dst *float32, plane int, src *float32, tap int, n int)")
	Doc(fmt.Sprintf("%s transforms n windows of %dx%d for each of 16 outputs: taps lie tap bytes apart in src, elements plane bytes apart in dst, windows 64.", name, w.r, w.r))
	Pragma("noescape")
	dst, plane, src, tap, n := reg.RDI, reg.RDX, reg.RSI, reg.R8, reg.RCX
	col, at, out := reg.R9, reg.R10, reg.R11
	Load(Param("dst"), dst)
	Load(Param("plane"), plane)
	Load(Param("src"), src)
	Load(Param("tap"), tap)
	Load(Param("n"), n)
	frame := AllocLocal(w.n * w.r * w.vector)
	lanes := w.vector / 8
	Label("window")
	for part := range 16 / lanes {
		MOVQ(src, col)
		for j := range w.r {
			MOVQ(col, at)
			for i := range w.r {
				VCVTPS2PD(Mem{Base: at, Disp: 4 * lanes * part}, w.reg(i))
				if i < w.r-1 {
					for range w.r {
						ADDQ(tap, at)
					}
				}
			}
			for i, y := range w.transform() {
				VMOVUPD(y, frame.Offset((i*w.r+j)*w.vector))
			}
			if j < w.r-1 {
				ADDQ(tap, col)
			}
		}
		MOVQ(dst, out)
		for i := range w.n {
			for j := range w.r {
				VMOVUPD(frame.Offset((i*w.r+j)*w.vector), w.reg(j))
			}
			for j, y := range w.transform() {
				w.narrow(y)
				VMOVUPS(w.half(y), Mem{Base: out, Disp: 4 * lanes * part})
				if i < w.n-1 || j < w.n-1 {
					ADDQ(plane, out)
				}
			}
		}
	}
	ADDQ(Imm(64), src)
	ADDQ(Imm(64), dst)
	DECQ(n)
	JNZ(LabelRef("window"))
	VZEROUPPER()
	RET()
}

func (w weightTransform) narrow(y reg.VecPhysical) {
	if w.vector == 64 {
		VCVTPD2PS(y, y.AsY())
	} else {
		VCVTPD2PSY(y, y.AsX())
	}
}

// transform computes the n elements of the r numbers in the first registers, each operation rounded.
func (w weightTransform) transform() []reg.VecPhysical {
	g := w.reg
	if w.n == 4 {
		even, odd, sum := g(3), g(4), g(5)
		VADDPD(g(2), g(0), even)
		VMULPD(w.factor(fHalf), even, even)
		VMULPD(w.factor(fHalf), g(1), odd)
		VADDPD(odd, even, sum)
		VSUBPD(odd, even, even)
		return []reg.VecPhysical{g(0), sum, even, g(2)}
	}
	tmp := g(15)
	// pair computes (even + odd)·f and (even - odd)·f, even = g0 + p2·g2 (+ p4·g4), odd = p·g1 (+ p3·g3).
	pair := func(even, odd reg.VecPhysical, p, f int) {
		VMULPD(w.factor(p+1), g(2), even)
		VADDPD(even, g(0), even)
		VMULPD(w.factor(p), g(1), odd)
		if w.r == 5 {
			VMULPD(w.factor(p+3), g(4), tmp)
			VADDPD(tmp, even, even)
			VMULPD(w.factor(p+2), g(3), tmp)
			VADDPD(tmp, odd, odd)
		}
		VADDPD(odd, even, tmp)
		VSUBPD(odd, even, odd)
		VMULPD(w.factor(f), tmp, even)
		VMULPD(w.factor(f), odd, odd)
	}
	pair(g(5), g(6), fA, fNA)
	pair(g(7), g(8), fB, fNB)
	VMULPD(w.factor(fInv), g(0), g(0))
	return []reg.VecPhysical{g(0), g(5), g(6), g(7), g(8), g(w.r - 1)}
}
