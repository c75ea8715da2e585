package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

// avx512 computes 12 rows of one or two panels: 24 accumulators, two registers of B, the rest for broadcasts. Where the second panel is
// half empty, one register holds that of two rows.
type avx512 struct{}

func (avx512) name() string              { return "F32AVX512" }
func (avx512) doc() string               { return "" }
func (avx512) shapes() []shape           { return []shape{{12, 2, false}, {12, 2, true}, {12, 1, false}} }
func (avx512) bytes() int                { return 64 }
func (avx512) vectors(s shape) int       { return s.panels }
func (avx512) raggedCopies() bool        { return false }
func (avx512) edge(reg.GPPhysical)       {}
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

// unroll is 4 in the highest tiles that prefetch, which share that.
func (avx512) unroll(s shape) int {
	if s.panels > 1 && s.rows == len(rowPtr)-1 {
		return quarter
	}
	return 1
}

func (avx512) dense() bool { return false }

func (t avx512) inner(s shape, step int) {
	t.products(s, step, func(r int) Mem { return Mem{Base: rowPtr[r], Index: idx, Scale: 4, Disp: 4 * step} })
}

// products is inner for rows of A at given places.
func (t avx512) products(s shape, step int, a func(r int) Mem) {
	for p := range s.panels {
		m := Mem{Base: ptrB, Disp: 64 * step}
		if p == 1 {
			m.Index, m.Scale = stride, 1
		}
		t.bias(m, zmm[p], s, p)
	}
	// One panel has as many loads as there is time for.
	for p := 0; s.panels > 1 && p < s.panels; p++ {
		m := Mem{Base: ptrB, Disp: 512 + 64*step}
		if p == 1 {
			m.Index, m.Scale = stride, 1
		}
		PREFETCHT0(m)
	}
	for r := range s.rows {
		if s.panels == 1 {
			VFMADD231PS_BCST(a(r), zmm[0], t.acc(s, r, 0))
			continue
		}
		y := zmm[2+r%4]
		VBROADCASTSS(a(r), y)
		for p := range s.panels {
			shared, upper := t.shared(s, r, p)
			switch acc := t.acc(s, r, p); {
			case upper:
				both := zmm[6+r/2%2]
				VBLENDMPS(y, zmm[2+(r-1)%4], reg.K2, both)
				VFMADD231PS(zmm[p], both, acc)
			case shared && r < s.rows-1:
			default:
				VFMADD231PS(zmm[p], y, acc)
			}
		}
	}
}

// fourSteps is four times products for one panel, which has one more load than multiply-adds. Half the rows load four floats at once and
// spread them by shuffles, which have units of their own.
func (t avx512) fourSteps(s shape, a func(r, step int) Mem) {
	for i := range 4 {
		VMOVUPS(Mem{Base: ptrB, Disp: 64 * i}, zmm[i])
	}
	floats, one := zmm[4], zmm[5]
	for r := 0; r < s.rows; r += 2 {
		VBROADCASTF32X4(a(r+1, 0), floats)
		for i := range 4 {
			VFMADD231PS_BCST(a(r, i), zmm[i], t.acc(s, r, 0))
			VPERMILPS(Imm(uint64(0x55*i)), floats, one)
			VFMADD231PS(zmm[i], one, t.acc(s, r+1, 0))
		}
	}
}

// tail is as many products as have registers for the B of one panel, and give the clipping and storing of a panel the time it takes.
func (avx512) tail(s shape) int {
	if !s.half && s.rows*s.panels == 24 {
		return 4
	}
	return 0
}

// finish goes through the rows panel by panel. A store has to wait for its sum, and many at once hold up the next tile's sums; here each has
// the sums of other rows beside it.
func (t avx512) finish(f *frame, s shape, a func(r, i int) Mem, label string) {
	c, ldc := stride, idx // once stride has led to the second panel
	lo, hi := zmm[6], zmm[7]
	loadB := func() {
		for i := range t.tail(s) {
			VMOVUPS(Mem{Base: ptrB, Disp: 64 * i}, zmm[i])
		}
	}
	loadB()
	if s.panels > 1 {
		ADDQ(stride, ptrB)
	}
	Load(Param("args"), c)
	MOVQ(field(c, "LDC"), ldc)
	CMPQ(field(c, "Act"), Imm(0))
	JEQ(LabelRef(label + "plain"))
	VBROADCASTSS(field(c, "Lo"), lo)
	VBROADCASTSS(field(c, "Hi"), hi)
	x86.Unbounded(field(c, "Hi"), label+"floor")
	for _, act := range []string{"clip", "floor", "plain"} {
		Label(label + act)
		for p := range s.panels {
			if p > 0 {
				loadB()
			}
			MOVQ(f.c, c)
			for r := range s.rows {
				y := t.acc(s, r, p)
				for i := range t.tail(s) {
					VFMADD231PS_BCST(a(r, i), zmm[i], y)
				}
				if act != "plain" {
					x86.Floor(y, lo)
				}
				if act == "clip" {
					x86.Ceiling(y, hi)
				}
				t.store(Mem{Base: c, Disp: 64 * p}, s, r, p, false)
				ADDQ(ldc, c)
			}
		}
		MOVQ(c, f.c)
		Load(Param("args"), reg.RAX)
		JMP(LabelRef(label + "next"))
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
