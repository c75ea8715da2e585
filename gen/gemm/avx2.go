package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var ymm = []reg.VecPhysical{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
}

// avx2 computes 6 rows of one panel: 12 accumulators, two registers of B, two for broadcasts.
type avx2 struct{ window Mem }

func (*avx2) name() string           { return "AVX2" }
func (*avx2) shape() (int, int)      { return 6, 1 }
func (*avx2) vectors(panels int) int { return 2 * panels }
func (*avx2) raggedCopies() bool     { return true }

// data declares a window over which a load slides to make the mask of the first Cols of 16 columns.
func (t *avx2) data() {
	t.window = GLOBL("gemmMask", RODATA|NOPTR)
	for i := range 32 {
		v := U32(0)
		if i < 16 {
			v = 0xffffffff
		}
		DATA(4*i, v)
	}
}

func (t *avx2) edge(args reg.GPPhysical) {
	MOVQ(field(args, "Cols"), reg.RDX)
	NEGQ(reg.RDX)
	LEAQ(t.window, reg.R8)
	for i := range 2 {
		VMOVUPS(Mem{Base: reg.R8, Index: reg.RDX, Scale: 4, Disp: 64 + 32*i}, t.mask(i))
	}
}

func (*avx2) masks(reg.GPPhysical, int) {}

func (*avx2) acc(rows, panels, r, v int) reg.VecPhysical { return ymm[4+2*r+v] }

// mask loads the mask of the valid columns of half a panel into Y2 or Y3.
func (*avx2) mask(i int) reg.VecPhysical { return ymm[2+i] }

func (t *avx2) load(m Mem, v reg.VecPhysical, _, i int, ragged bool) {
	if ragged {
		VMASKMOVPS(m, t.mask(i), v)
	} else {
		VMOVUPS(m, v)
	}
}

func (t *avx2) store(v reg.VecPhysical, m Mem, _, i int, ragged bool) {
	if ragged {
		VMASKMOVPS(v, t.mask(i), m)
	} else {
		VMOVUPS(v, m)
	}
}

func (t *avx2) addMem(m Mem, v reg.VecPhysical, panels, i int, ragged bool) {
	if ragged {
		t.load(m, ymm[0], panels, i, true)
		VADDPS(ymm[0], v, v)
	} else {
		VADDPS(m, v, v)
	}
}

func (t *avx2) inner(rows, panels int) {
	VMOVUPS(Mem{Base: ptrB}, ymm[0])
	VMOVUPS(Mem{Base: ptrB, Disp: 32}, ymm[1])
	for r := range rows {
		a := ymm[2+r%2]
		VBROADCASTSS(Mem{Base: rowPtr[r], Index: idx, Scale: 4}, a)
		VFMADD231PS(ymm[0], a, t.acc(rows, panels, r, 0))
		VFMADD231PS(ymm[1], a, t.acc(rows, panels, r, 1))
	}
}

func (t *avx2) clip(rows, panels int, args reg.GPPhysical) {
	lo, hi := ymm[0], ymm[1]
	VBROADCASTSS(field(args, "Lo"), lo)
	VBROADCASTSS(field(args, "Hi"), hi)
	for r := range rows {
		for v := range 2 {
			y := t.acc(rows, panels, r, v)
			// Both return their second source unless the first is greater (less): a NaN in y stays.
			VMAXPS(y, lo, y)
			VMINPS(y, hi, y)
		}
	}
}

func (t *avx2) leaky(rows, panels int, args reg.GPPhysical) {
	alpha, zero, scaled := ymm[0], ymm[1], ymm[2]
	VBROADCASTSS(field(args, "Alpha"), alpha)
	VXORPS(zero, zero, zero)
	for r := range rows {
		for v := range 2 {
			y := t.acc(rows, panels, r, v)
			VMULPS(alpha, y, scaled)
			VCMPPS(Imm(0x1e), zero, y, ymm[3]) // y > 0, quiet
			VBLENDVPS(ymm[3], y, scaled, y)
		}
	}
}

func (*avx2) ahead(rows int) reg.GPPhysical {
	if rows < len(rowPtr) {
		return rowPtr[len(rowPtr)-1]
	}
	return nil
}
