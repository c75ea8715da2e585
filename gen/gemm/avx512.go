package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

// avx512 computes 12 rows of one or two panels: 24 accumulators, two registers of B, the rest for broadcasts.
type avx512 struct{}

func (avx512) name() string           { return "AVX512" }
func (avx512) shape() (int, int)      { return 12, 2 }
func (avx512) vectors(panels int) int { return panels }
func (avx512) raggedCopies() bool     { return false }
func (avx512) edge(reg.GPPhysical)    {}
func (avx512) data()                  {}

func (avx512) acc(rows, panels, r, v int) reg.VecPhysical { return zmm[8+r*panels+v] }

// masks leaves the valid columns of the last panel in K1.
func (avx512) masks(cols reg.GPPhysical, panels int) {
	n := reg.RCX // Cols; shifts count in CL
	if panels > 1 {
		SUBQ(Imm(uint64(16*(panels-1))), n)
	}
	MOVQ(I32(-1), reg.RBX)
	SHLQ(reg.CL, reg.RBX)
	NOTQ(reg.RBX)
	KMOVW(reg.EBX, reg.K1)
}

func (avx512) load(m Mem, v reg.VecPhysical, panels, i int, _ bool) {
	if i == panels-1 {
		VMOVUPS_Z(m, reg.K1, v)
	} else {
		VMOVUPS(m, v)
	}
}

func (avx512) store(v reg.VecPhysical, m Mem, panels, i int, _ bool) {
	if i == panels-1 {
		VMOVUPS(v, reg.K1, m)
	} else {
		VMOVUPS(v, m)
	}
}

func (t avx512) addMem(m Mem, v reg.VecPhysical, panels, i int, ragged bool) {
	t.load(m, zmm[0], panels, i, ragged)
	VADDPS(zmm[0], v, v)
}

func (t avx512) inner(rows, panels int) {
	for p := range panels {
		m := Mem{Base: ptrB}
		if p == 1 {
			m.Index, m.Scale = stride, 1
		}
		VMOVUPS(m, zmm[p])
		m.Disp = 512
		PREFETCHT0(m)
	}
	for r := range rows {
		a := zmm[2+r%6]
		VBROADCASTSS(Mem{Base: rowPtr[r], Index: idx, Scale: 4}, a)
		for p := range panels {
			VFMADD231PS(zmm[p], a, t.acc(rows, panels, r, p))
		}
	}
}

func (t avx512) clip(rows, panels int, args reg.GPPhysical) {
	lo, hi := zmm[0], zmm[1]
	VBROADCASTSS(field(args, "Lo"), lo)
	VBROADCASTSS(field(args, "Hi"), hi)
	for r := range rows {
		for p := range panels {
			y := t.acc(rows, panels, r, p)
			// Both return their second source unless the first is greater (less): a NaN in y stays.
			VMAXPS(y, lo, y)
			VMINPS(y, hi, y)
		}
	}
}

func (t avx512) leaky(rows, panels int, args reg.GPPhysical) {
	alpha, zero, scaled := zmm[0], zmm[1], zmm[2]
	VBROADCASTSS(field(args, "Alpha"), alpha)
	VXORPS(zero.AsX(), zero.AsX(), zero.AsX())
	for r := range rows {
		for p := range panels {
			y := t.acc(rows, panels, r, p)
			VMULPS(alpha, y, scaled)
			VCMPPS(Imm(0x1e), zero, y, reg.K2) // y > 0, quiet
			VMOVAPS(y, reg.K2, scaled)
			VMOVAPS(scaled, y)
		}
	}
}

func (avx512) ahead(rows int) reg.GPPhysical {
	if rows < len(rowPtr) {
		return rowPtr[len(rowPtr)-1]
	}
	return nil
}
