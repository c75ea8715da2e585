package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var ymm = []reg.VecPhysical{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
}

// avx2 computes 6 rows of one panel, or 12 of half of one: 12 accumulators, two registers of B, two for broadcasts.
type avx2 struct {
	first         int // accumulator
	window, evens Mem
}

func (*avx2) name() string                { return "F32AVX2" }
func (*avx2) doc() string                 { return ", or 12 and 8" }
func (*avx2) shapes() []shape             { return []shape{{6, 1, false}, {12, 1, true}} }
func (*avx2) bytes() int                  { return 32 }
func (*avx2) vectors(s shape) int         { return s.columns() / 8 }
func (*avx2) raggedCopies() bool          { return true }
func (*avx2) vec(i int) reg.VecPhysical   { return ymm[i] }
func (*avx2) tail(shape) int              { return 0 }
func (*avx2) masks(reg.GPPhysical, shape) {}

func (*avx2) finish(*frame, shape, func(r, i int) Mem, string) {}

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

// mask8 declares the mask of every other byte.
func (t *avx2) mask8() {
	t.evens = GLOBL("gemmEvenBytes", RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(0x00ff00ff))
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

func (t *avx2) acc(s shape, r, v int) reg.VecPhysical { return ymm[t.first+r*t.vectors(s)+v] }

// mask loads the mask of the valid columns of half a panel into Y2 or Y3.
func (*avx2) mask(i int) reg.VecPhysical { return ymm[2+i] }

func (*avx2) bias(m Mem, y reg.VecPhysical, _ shape, _ int) { VMOVUPS(m, y) }

func (t *avx2) load(m Mem, s shape, r, v int, ragged bool) {
	if ragged {
		VMASKMOVPS(m, t.mask(v), t.acc(s, r, v))
	} else {
		VMOVUPS(m, t.acc(s, r, v))
	}
}

func (t *avx2) store(m Mem, s shape, r, v int, ragged bool) {
	if ragged {
		VMASKMOVPS(t.acc(s, r, v), t.mask(v), m)
	} else {
		VMOVUPS(t.acc(s, r, v), m)
	}
}

func (t *avx2) addMem(m Mem, s shape, r, v int, ragged bool) {
	y := t.acc(s, r, v)
	if ragged {
		VMASKMOVPS(m, t.mask(v), ymm[0])
		VADDPS(ymm[0], y, y)
	} else {
		VADDPS(m, y, y)
	}
}

func (t *avx2) inner(s shape, step int) {
	for v := range t.vectors(s) {
		VMOVUPS(Mem{Base: ptrB, Disp: 64*step + 32*v}, ymm[v])
	}
	for r := range s.rows {
		a := ymm[2+r%2]
		VBROADCASTSS(Mem{Base: rowPtr[r], Index: idx, Scale: 4, Disp: 4 * step}, a)
		for v := range t.vectors(s) {
			VFMADD231PS(ymm[v], a, t.acc(s, r, v))
		}
	}
}

// unroll is 4: twelve multiply-adds take eight loads, and with the loop's own instructions after every step a core whose other thread is
// busy has no room for them.
func (*avx2) unroll(shape) int { return 4 }

func (*avx2) dense() bool { return true }

func (*avx2) leaky(y reg.VecPhysical) {
	VMULPS(ymm[0], y, ymm[2])
	VCMPPS(Imm(0x1e), ymm[1], y, ymm[3]) // y > 0, quiet
	VBLENDVPS(ymm[3], y, ymm[2], y)
}

func (*avx2) ahead(s shape) reg.GPPhysical {
	if s.rows < len(rowPtr) {
		return rowPtr[len(rowPtr)-1]
	}
	return nil
}
