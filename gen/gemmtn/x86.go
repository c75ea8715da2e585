package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// target is an instruction set and its highest tile: 32 columns in two masked registers where it is wide, else 16 in two.
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
	return x86.YMM[4+r*vectors+v]
}

// variant is a tile. Few rows are given more than two vectors of columns, all whole: sums wait for one another where fewer than eight are in work.
type variant struct{ rows, vectors int }

// long are the variants of more than two vectors.
var long = []variant{{1, 8}, {1, 4}, {2, 4}, {3, 4}}

func (t target) label(v variant) string {
	return fmt.Sprintf("tile%dx%d", v.rows, v.vectors*t.bytes()/4)
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
	Doc(fmt.Sprintf("%s computes a tile of up to %d rows and %d columns, or of %d, and with one row %d, where there are up to three rows; see GemmTNArgs.",
		name, t.rows, cols, t.bytes(), 2*t.bytes()))
	Pragma("noescape")
	Load(Param("args"), reg.RAX)
	for _, f := range []struct {
		name string
		r    reg.GPPhysical
	}{{"A", baseA}, {"B", baseB}, {"C", ptrC}, {"LDC", ldc}, {"Spans", spans}, {"Count", count}, {"LDA", lda}, {"LDB", ldb}, {"Rows", reg.RSI}, {"Cols", reg.RCX}} {
		MOVQ(field(f.name), f.r)
	}
	CMPQ(reg.RCX, U8(cols))
	JG(LabelRef("long"))
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
			v := variant{r, vectors}
			if r > 1 {
				CMPQ(reg.RSI, U8(r))
				JEQ(LabelRef(t.label(v)))
			} else {
				JMP(LabelRef(t.label(v)))
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
	Label("long")
	for i, v := range long {
		switch {
		case i == 0: // the only one as long
			CMPQ(reg.RCX, U8(v.vectors/2*t.bytes()/4))
			JG(LabelRef(t.label(v)))
		case i < len(long)-1:
			CMPQ(reg.RSI, U8(v.rows))
			JEQ(LabelRef(t.label(v)))
		default:
			JMP(LabelRef(t.label(v)))
		}
	}
	for _, v := range append(variants, long...) {
		t.tile(v)
	}
	Label("done")
	VZEROUPPER()
	RET()
}

func (t target) tile(v variant) {
	rows, vectors, label := v.rows, v.vectors, t.label(v)
	masked := func(v int) bool { return vectors <= 2 && v == vectors-1 }
	each := func(do func(acc reg.VecPhysical, m Mem, last bool)) {
		MOVQ(field("C"), ptrC)
		for r := range rows {
			for v := range vectors {
				do(t.acc(vectors, r, v), Mem{Base: ptrC, Disp: t.bytes() * v}, masked(v))
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
	if vectors > 2 {
		t.longProducts(v)
	} else {
		t.products(v)
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

// products adds those of a position.
func (t target) products(v variant) {
	for i := range v.vectors {
		t.load(Mem{Base: ptrB, Disp: t.bytes() * i}, t.vector(i), i == v.vectors-1)
	}
	free := 2
	if t.wide {
		free = 6
	}
	if v.vectors == 2 {
		// The columns of the next strip, which lie far apart in memory.
		for line := range t.bytes() / 32 {
			PREFETCHT1(Mem{Base: ptrB, Disp: 2*t.bytes() + 64*line})
		}
	}
	for r := range v.rows {
		a := t.vector(2 + r%free)
		VBROADCASTSS(Mem{Base: ptrA, Disp: 4 * r}, a)
		for i := range v.vectors {
			VFMADD231PS(t.vector(i), a, t.acc(v.vectors, r, i))
		}
	}
}

// longProducts does what products does, with the broadcasts of A in registers.
func (t target) longProducts(v variant) {
	for r := range v.rows {
		VBROADCASTSS(Mem{Base: ptrA, Disp: 4 * r}, t.vector(1+r))
	}
	for i := range v.vectors {
		b := Op(Mem{Base: ptrB, Disp: t.bytes() * i})
		if v.rows > 1 {
			VMOVUPS(b, t.vector(0))
			b = t.vector(0)
		}
		for r := range v.rows {
			VFMADD231PS(b, t.vector(1+r), t.acc(v.vectors, r, i))
		}
	}
}
