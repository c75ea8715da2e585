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

// avx512 computes 12 rows of one or two panels: 24 accumulators, two registers of B, the rest for broadcasts. Where the second panel is
// half empty, one register holds that of two rows.
type avx512 struct{}

func (avx512) name() string              { return "AVX512" }
func (avx512) doc() string               { return "" }
func (avx512) shapes() []shape           { return []shape{{12, 2, false}, {12, 2, true}, {12, 1, false}} }
func (avx512) bytes() int                { return 64 }
func (avx512) vectors(s shape) int       { return s.panels }
func (avx512) raggedCopies() bool        { return false }
func (avx512) edge(reg.GPPhysical)       {}
func (avx512) data()                     {}
func (avx512) vec(i int) reg.VecPhysical { return zmm[i] }

func (avx512) acc(s shape, r, v int) reg.VecPhysical {
	if s.half && v == 1 {
		return zmm[8+s.rows+r/2]
	}
	if s.half {
		return zmm[8+r]
	}
	return zmm[8+r*s.panels+v]
}

// shared says whether the accumulator of a row and the next is one register, and whether the row is its upper half.
func (avx512) shared(s shape, r, v int) (is, upper bool) {
	is = s.half && v == s.panels-1
	return is, is && r%2 == 1
}

// masks leaves the valid columns of the last panel in K1, and the upper half of a register in K2.
func (avx512) masks(cols reg.GPPhysical, s shape) {
	n := reg.RCX // Cols; shifts count in CL
	if s.panels > 1 {
		SUBQ(Imm(uint64(16*(s.panels-1))), n)
	}
	MOVQ(I32(-1), reg.RBX)
	SHLQ(reg.CL, reg.RBX)
	NOTQ(reg.RBX)
	KMOVW(reg.EBX, reg.K1)
	if s.half {
		MOVL(U32(0xff00), reg.EBX)
		KMOVW(reg.EBX, reg.K2)
	}
}

func (t avx512) bias(m Mem, y reg.VecPhysical, s shape, v int) {
	if shared, _ := t.shared(s, 0, v); shared {
		VBROADCASTF32X8(m, y)
	} else {
		VMOVUPS(m, y)
	}
}

func (t avx512) load(m Mem, s shape, r, v int, _ bool) { t.loadTo(m, t.acc(s, r, v), s, r, v) }

func (t avx512) loadTo(m Mem, y reg.VecPhysical, s shape, r, v int) {
	shared, upper := t.shared(s, r, v)
	switch {
	case upper:
		VMOVUPS_Z(m, reg.K1, zmm[7].AsY())
		VINSERTF32X8(Imm(1), zmm[7].AsY(), y, y)
	case shared:
		VMOVUPS_Z(m, reg.K1, y.AsY())
	case v == s.panels-1:
		VMOVUPS_Z(m, reg.K1, y)
	default:
		VMOVUPS(m, y)
	}
}

func (t avx512) store(m Mem, s shape, r, v int, _ bool) {
	y := t.acc(s, r, v)
	shared, upper := t.shared(s, r, v)
	switch {
	case upper:
		VEXTRACTF32X8(Imm(1), y, zmm[7].AsY())
		VMOVUPS(zmm[7].AsY(), reg.K1, m)
	case shared:
		VMOVUPS(y.AsY(), reg.K1, m)
	case v == s.panels-1:
		VMOVUPS(y, reg.K1, m)
	default:
		VMOVUPS(y, m)
	}
}

func (t avx512) addMem(m Mem, s shape, r, v int, _ bool) {
	t.loadTo(m, zmm[v], s, r, v)
	if shared, upper := t.shared(s, r, v); !shared || upper || r == s.rows-1 {
		VADDPS(zmm[v], t.acc(s, r, v), t.acc(s, r, v))
	}
}

func (t avx512) loadB(s shape, i int) {
	for p := range s.panels {
		m := Mem{Base: ptrB, Disp: 64 * i}
		if p == 1 {
			m.Index, m.Scale = stride, 1
		}
		t.bias(m, zmm[s.panels*i+p], s, p)
	}
}

func (avx512) unroll() int { return 1 }
func (avx512) dense() bool { return false }

func (t avx512) inner(s shape, _ int) {
	t.loadB(s, 0)
	// One panel has as many loads as there is time for.
	for p := 0; s.panels > 1 && p < s.panels; p++ {
		m := Mem{Base: ptrB, Disp: 512}
		if p == 1 {
			m.Index, m.Scale = stride, 1
		}
		PREFETCHT0(m)
	}
	for r := range s.rows {
		a := zmm[2+r%4]
		VBROADCASTSS(Mem{Base: rowPtr[r], Index: idx, Scale: 4}, a)
		for p := range s.panels {
			shared, upper := t.shared(s, r, p)
			switch y := t.acc(s, r, p); {
			case upper:
				both := zmm[6+r/2%2]
				VBLENDMPS(a, zmm[2+(r-1)%4], reg.K2, both)
				VFMADD231PS(zmm[p], both, y)
			case shared && r < s.rows-1:
			default:
				VFMADD231PS(zmm[p], a, y)
			}
		}
	}
}

// tail is as many products as there are registers for their B.
func (avx512) tail(s shape) int {
	if s == (shape{12, 2, false}) {
		return 3
	}
	return 0
}

func (t avx512) finish(s shape, r int, c reg.Register, limits []reg.VecPhysical) {
	for i := range t.tail(s) {
		for p := range s.panels {
			VFMADD231PS_BCST(Mem{Base: rowPtr[r], Disp: 4 * i}, zmm[s.panels*i+p], t.acc(s, r, p))
		}
	}
	for p := range s.panels {
		if limits != nil {
			clip(t.acc(s, r, p), limits[0], limits[1])
		}
		t.store(Mem{Base: c, Disp: 64 * p}, s, r, p, false)
	}
}

func (avx512) leaky(y reg.VecPhysical) {
	VMULPS(zmm[0], y, zmm[2])
	VCMPPS(Imm(0x1e), zmm[1], y, reg.K3) // y > 0, quiet
	VMOVAPS(y, reg.K3, zmm[2])
	VMOVAPS(zmm[2], y)
}

func (avx512) ahead(s shape) reg.GPPhysical {
	if s.rows < len(rowPtr) {
		return rowPtr[len(rowPtr)-1]
	}
	return nil
}
