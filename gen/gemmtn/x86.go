package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// target is an instruction set and its largest tile: 32 columns in two masked registers where it is wide, else 16 in two.
type target struct {
	name string
	rows int
	wide bool
}

func field(name string) Mem { return Mem{Base: reg.RAX, Disp: arguments.Offset(name)} }

// The general registers inside the loops; AX keeps the arguments.
var (
	ptrA, ptrB   = reg.RSI, reg.RDI
	lda, ldb     = reg.R8, reg.R9
	spans, count = reg.R10, reg.R11
	n            = reg.RCX
	baseA, baseB = reg.R12, reg.R13
	ptrC, ldc    = reg.RBX, reg.RDX
)

func (t target) vector(i int) reg.VecPhysical {
	if t.wide {
		return x86.ZMM[i]
	}
	return x86.YMM[i]
}

func (t target) bytes() int {
	if t.wide {
		return 64
	}
	return 32
}

// acc returns an accumulator. Registers 0 and 1 hold B, those between the broadcasts of A.
func (t target) acc(vectors, r, v int) reg.VecPhysical {
	if t.wide {
		return x86.ZMM[8+r*vectors+v]
	}
	return x86.YMM[4+2*r+v]
}

func (t target) load(m Mem, v reg.VecPhysical, last bool) {
	if t.wide && last {
		VMOVUPS_Z(m, reg.K1, v)
	} else {
		VMOVUPS(m, v)
	}
}

func (t target) store(v reg.VecPhysical, m Mem, last bool) {
	if t.wide && last {
		VMOVUPS(v, reg.K1, m)
	} else {
		VMOVUPS(v, m)
	}
}

func amd64(t target) {
	ConstraintExpr("!purego")
	x86.Declare("GemmTNArgs")
	cols := 16
	if t.wide {
		cols = 32
	}
	name := fmt.Sprintf("GemmTN%dx%dF32%s", t.rows, cols, t.name)
	TEXT(name, NOSPLIT, "func(args *GemmTNArgs)")
	Doc(fmt.Sprintf("%s computes a tile of up to %d rows and %d columns; see GemmTNArgs.", name, t.rows, cols))
	Pragma("noescape")
	Load(Param("args"), reg.RAX)
	for _, f := range []struct {
		name string
		r    reg.GPPhysical
	}{{"A", baseA}, {"B", baseB}, {"C", ptrC}, {"LDC", ldc}, {"Spans", spans}, {"Count", count}, {"LDA", lda}, {"LDB", ldb}, {"Rows", reg.RSI}, {"Cols", reg.RCX}} {
		MOVQ(field(f.name), f.r)
	}
	type variant struct {
		rows, vectors int
		label         string
	}
	var variants []variant
	jump := func(vectors int) {
		if t.wide {
			// The mask of the valid columns of the last vector.
			if vectors == 2 {
				SUBQ(Imm(16), reg.RCX)
			}
			MOVQ(I32(-1), reg.RDI)
			SHLQ(reg.CL, reg.RDI)
			NOTQ(reg.RDI)
			KMOVW(reg.EDI, reg.K1)
		}
		for r := t.rows; r >= 1; r-- {
			v := variant{r, vectors, fmt.Sprintf("tile%dx%d", r, vectors*t.bytes()/4)}
			if r > 1 {
				CMPQ(reg.RSI, U8(r))
				JEQ(LabelRef(v.label))
			} else {
				JMP(LabelRef(v.label))
			}
			variants = append(variants, v)
		}
	}
	if t.wide {
		CMPQ(reg.RCX, U8(16))
		JLE(LabelRef("narrow"))
		jump(2)
		Label("narrow")
		jump(1)
	} else {
		jump(2)
	}
	for _, v := range variants {
		t.tile(v.rows, v.vectors, v.label)
	}
	Label("done")
	VZEROUPPER()
	RET()
}

func (t target) tile(rows, vectors int, label string) {
	each := func(do func(acc reg.VecPhysical, m Mem, last bool)) {
		MOVQ(field("C"), ptrC)
		for r := range rows {
			for v := range vectors {
				do(t.acc(vectors, r, v), Mem{Base: ptrC, Disp: t.bytes() * v}, v == vectors-1)
			}
			if r < rows-1 {
				ADDQ(ldc, ptrC)
			}
		}
	}
	Label(label)
	CMPQ(field("Load"), Imm(0))
	JEQ(LabelRef(label + "zero"))
	each(func(acc reg.VecPhysical, m Mem, last bool) { t.load(m, acc, last) })
	JMP(LabelRef(label + "start"))
	Label(label + "zero")
	for r := range rows {
		for v := range vectors {
			x := t.acc(vectors, r, v).AsX()
			VXORPS(x, x, x)
		}
	}
	Label(label + "start")
	TESTQ(count, count)
	JEQ(LabelRef(label + "end"))
	Label(label + "span")
	MOVQ(Mem{Base: spans}, ptrA)
	MOVQ(Mem{Base: spans, Disp: 8}, ptrB)
	MOVQ(Mem{Base: spans, Disp: 16}, n)
	ADDQ(baseA, ptrA)
	ADDQ(baseB, ptrB)
	ADDQ(Imm(24), spans)
	Label(label + "position")
	for v := range vectors {
		t.load(Mem{Base: ptrB, Disp: t.bytes() * v}, t.vector(v), v == vectors-1)
	}
	free := 2
	if t.wide {
		free = 6
	}
	if vectors == 2 {
		// The columns of the next strip, which lie far apart in memory.
		for line := range t.bytes() / 32 {
			PREFETCHT1(Mem{Base: ptrB, Disp: 2*t.bytes() + 64*line})
		}
	}
	for r := range rows {
		a := t.vector(2 + r%free)
		VBROADCASTSS(Mem{Base: ptrA, Disp: 4 * r}, a)
		for v := range vectors {
			VFMADD231PS(t.vector(v), a, t.acc(vectors, r, v))
		}
	}
	ADDQ(lda, ptrA)
	ADDQ(ldb, ptrB)
	DECQ(n)
	JNZ(LabelRef(label + "position"))
	DECQ(count)
	JNZ(LabelRef(label + "span"))
	Label(label + "end")
	CMPQ(field("Add"), Imm(0))
	JEQ(LabelRef(label + "store"))
	each(func(acc reg.VecPhysical, m Mem, last bool) {
		if t.wide && last {
			t.load(m, t.vector(0), true)
			VADDPS(acc, t.vector(0), acc)
		} else {
			VADDPS(m, acc, acc)
		}
	})
	Label(label + "store")
	each(func(acc reg.VecPhysical, m Mem, last bool) { t.store(acc, m, last) })
	JMP(LabelRef("done"))
}
