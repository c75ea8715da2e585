// Command gemm writes the GEMM tiles for amd64 (asm/gemm_avx2_amd64.s, asm/gemm_avx512_amd64.s) and the argument struct
// that all tiles share (asm/gemm_args.go).
//
// A tile of Rows x 16 (AVX2) or Rows x 32 (AVX-512) outputs stays in registers while k runs. Rows of A are read through a
// table of offsets, one entry for each row and kernel position, so that a dense GEMM and a convolution without
// im2col are the same code (Dukhan: The indirect convolution algorithm, 2019). B comes in packed panels of 16 columns.
package main

import (
	"flag"
	"fmt"
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/gemmargs"
	"github.com/ocellus-vision/ocellus/gen/x86"
)

var isa = flag.String("isa", "", "avx2, avx512, or args for the Go struct that they share")

func main() {
	flag.Parse()
	switch *isa {
	case "args":
		if err := gemmargs.Args.WriteFile("../asm/gemm_args.go"); err != nil {
			log.Fatal("gemm: ", err)
		}
		return
	case "avx2":
		generate(&avx2{})
	case "avx512":
		generate(&avx512{})
	default:
		log.Fatalf("gemm: unknown -isa %q", *isa)
	}
	Generate()
}

// The general registers, all in use inside the loop: a pointer for each row of A (to the end of its K floats), the running
// pointer into B, the running index k - K, and the distance between panels.
var (
	rowPtr = []reg.GPPhysical{reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13}
	ptrB   = reg.R14
	idx    = reg.R15
	stride = reg.RBP
)

// target is an instruction set: how wide a panel is in vectors, and the instructions that differ.
type target interface {
	name() string
	shape() (rows, panels int) // largest tile
	vectors(panels int) int    // accumulators per row
	acc(rows, panels, r, v int) reg.VecPhysical
	masks(cols reg.GPPhysical, panels int)
	load(m Mem, v reg.VecPhysical, panels, i int, ragged bool)
	store(v reg.VecPhysical, m Mem, panels, i int, ragged bool)
	addMem(m Mem, v reg.VecPhysical, panels, i int, ragged bool)
	inner(rows, panels int)
	ahead(rows int) reg.GPPhysical // a register for the address to prefetch, if one is free in tiles of that height
	clip(rows, panels int, args reg.GPPhysical)
	leaky(rows, panels int, args reg.GPPhysical)
	raggedCopies() bool       // whether a ragged edge needs code of its own
	edge(args reg.GPPhysical) // prepares that code's loads and stores; may use RDX and R8
	data()
}

func field(base reg.Register, name string) Mem {
	return Mem{Base: base, Disp: gemmargs.Args.Offset(name)}
}

// locals of the frame.
type frame struct{ a, offs, c, res, tiles, steps, stepOffs Mem }

func generate(t target) {
	ConstraintExpr("!purego")
	x86.Declare("GemmArgs")
	t.data()
	maxRows, maxPanels := t.shape()
	name := fmt.Sprintf("Gemm%dx%dF32%s", maxRows, 16*maxPanels, t.name())
	TEXT(name, NOSPLIT, "func(args *GemmArgs)")
	Doc(fmt.Sprintf("%s computes Tiles tiles of up to %d rows and %d columns; see GemmArgs.", name, maxRows, 16*maxPanels))
	Pragma("noescape")
	l := AllocLocal(56)
	f := &frame{l, l.Offset(8), l.Offset(16), l.Offset(24), l.Offset(32), l.Offset(40), l.Offset(48)}
	args := reg.RAX
	Load(Param("args"), args)
	for _, c := range []struct {
		field string
		local Mem
	}{{"A", f.a}, {"Offs", f.offs}, {"C", f.c}, {"Res", f.res}, {"Tiles", f.tiles}} {
		MOVQ(field(args, c.field), reg.RBX)
		MOVQ(reg.RBX, c.local)
	}
	MOVQ(field(args, "Cols"), reg.RCX)
	MOVQ(field(args, "Rows"), reg.RDX)
	type variant struct {
		rows, panels int
		ragged       bool
		label        string
	}
	var variants []variant
	// jump emits the choice of the number of rows for one number of panels.
	jump := func(panels int, ragged bool) {
		for r := maxRows; r >= 1; r-- {
			v := variant{r, panels, ragged, fmt.Sprintf("tile%dx%d", r, panels*16)}
			if ragged {
				v.label += "ragged"
			}
			if r > 1 {
				CMPQ(reg.RDX, U8(r))
				JEQ(LabelRef(v.label))
			} else {
				JMP(LabelRef(v.label))
			}
			variants = append(variants, v)
		}
	}
	for p := maxPanels; p >= 1; p-- {
		next := fmt.Sprintf("panels%d", p-1)
		if p > 1 {
			CMPQ(reg.RCX, U8(16*(p-1)))
			JLE(LabelRef(next))
		}
		t.masks(reg.RCX, p)
		if t.raggedCopies() {
			CMPQ(reg.RCX, U8(16*p))
			JNE(LabelRef(fmt.Sprintf("ragged%d", p)))
			jump(p, false)
			Label(fmt.Sprintf("ragged%d", p))
		}
		jump(p, t.raggedCopies())
		if p > 1 {
			Label(next)
		}
	}
	for _, v := range variants {
		tile(t, f, v.rows, v.panels, v.ragged, v.label)
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// tile emits the loop over tiles of one shape.
func tile(t target, f *frame, rows, panels int, ragged bool, label string) {
	nv := t.vectors(panels)
	args, ptr, ld := reg.RAX, reg.RBX, reg.RCX
	each := func(do func(r, v int, m Mem)) {
		for r := 0; r < rows; r++ {
			for v := 0; v < nv; v++ {
				do(r, v, Mem{Base: ptr, Disp: 64 * panels / nv * v})
			}
			if r < rows-1 {
				ADDQ(ld, ptr)
			}
		}
	}
	Label(label)
	Load(Param("args"), args)
	// The accumulators start from C, from the bias, or from +0.
	CMPQ(field(args, "Load"), Imm(0))
	JEQ(LabelRef(label + "bias"))
	if ragged {
		t.edge(args)
	}
	MOVQ(f.c, ptr)
	MOVQ(field(args, "LDC"), ld)
	each(func(r, v int, m Mem) { t.load(m, t.acc(rows, panels, r, v), panels, v, ragged) })
	JMP(LabelRef(label + "start"))
	Label(label + "bias")
	MOVQ(field(args, "Bias"), ptr)
	TESTQ(ptr, ptr)
	JEQ(LabelRef(label + "zero"))
	for r := 0; r < rows; r++ {
		for v := 0; v < nv; v++ {
			if r == 0 {
				VMOVUPS(Mem{Base: ptr, Disp: 64 * panels / nv * v}, t.acc(rows, panels, 0, v))
			} else {
				VMOVAPS(t.acc(rows, panels, 0, v), t.acc(rows, panels, r, v))
			}
		}
	}
	JMP(LabelRef(label + "start"))
	Label(label + "zero")
	for r := 0; r < rows; r++ {
		for v := 0; v < nv; v++ {
			a := t.acc(rows, panels, r, v)
			VXORPS(a.AsX(), a.AsX(), a.AsX())
		}
	}

	Label(label + "start")
	MOVQ(field(args, "B"), ptrB)
	MOVQ(field(args, "Steps"), reg.RBX)
	MOVQ(f.offs, reg.RCX)
	MOVQ(reg.RCX, f.stepOffs)
	TESTQ(reg.RBX, reg.RBX)
	JEQ(LabelRef(label + "end"))
	Label(label + "step")
	MOVQ(reg.RBX, f.steps)
	// Row pointers point K floats on, so that one negative index serves all of them.
	base, zeros, table := stride, idx, rowPtr[11] // the table's register is the last row's
	Load(Param("args"), args)
	MOVQ(field(args, "K"), reg.RBX)
	MOVQ(f.a, base)
	LEAQ(Mem{Base: base, Index: reg.RBX, Scale: 4}, base)
	MOVQ(field(args, "Zero"), zeros)
	LEAQ(Mem{Base: zeros, Index: reg.RBX, Scale: 4}, zeros)
	MOVQ(f.stepOffs, table)
	for r := range rows {
		MOVLQSX(Mem{Base: table, Disp: 4 * r}, rowPtr[r])
		TESTQ(rowPtr[r], rowPtr[r])
		LEAQ(Mem{Base: base, Index: rowPtr[r], Scale: 4}, rowPtr[r])
		CMOVQLT(zeros, rowPtr[r])
	}
	Load(Param("args"), stride)
	ahead := t.ahead(rows)
	if ahead != nil {
		MOVQ(field(stride, "Ahead"), ahead)
		ADDQ(ptrB, ahead)
	}
	MOVQ(field(stride, "K"), idx)
	MOVQ(field(stride, "BPanel"), stride)
	NEGQ(idx)
	Label(label + "k")
	t.inner(rows, panels)
	if ahead != nil {
		for p := range panels {
			m := Mem{Base: ahead}
			if p == 1 {
				m.Index, m.Scale = stride, 1
			}
			PREFETCHT1(m)
		}
		ADDQ(Imm(64), ahead)
	}
	ADDQ(Imm(64), ptrB)
	INCQ(idx)
	JNZ(LabelRef(label + "k"))
	Load(Param("args"), reg.RAX)
	MOVQ(field(reg.RAX, "OffStride"), reg.RBX)
	ADDQ(reg.RBX, f.stepOffs)
	MOVQ(f.steps, reg.RBX)
	DECQ(reg.RBX)
	JNZ(LabelRef(label + "step"))

	Label(label + "end")
	Load(Param("args"), args)
	MOVQ(f.res, ptr)
	TESTQ(ptr, ptr)
	JEQ(LabelRef(label + "act"))
	if ragged {
		t.edge(args)
	}
	MOVQ(field(args, "LDR"), ld)
	each(func(r, v int, m Mem) { t.addMem(m, t.acc(rows, panels, r, v), panels, v, ragged) })
	ADDQ(ld, ptr)
	MOVQ(ptr, f.res)
	Label(label + "act")
	MOVQ(field(args, "Act"), reg.RDX)
	CMPQ(reg.RDX, Imm(1))
	JLT(LabelRef(label + "store"))
	JGT(LabelRef(label + "leaky"))
	t.clip(rows, panels, args)
	JMP(LabelRef(label + "store"))
	Label(label + "leaky")
	t.leaky(rows, panels, args)
	Label(label + "store")
	if ragged {
		t.edge(args)
	}
	MOVQ(f.c, ptr)
	MOVQ(field(args, "LDC"), ld)
	each(func(r, v int, m Mem) { t.store(t.acc(rows, panels, r, v), m, panels, v, ragged) })
	ADDQ(ld, ptr)
	MOVQ(ptr, f.c)
	MOVQ(field(args, "AStep"), reg.RDX)
	ADDQ(reg.RDX, f.a)
	MOVQ(field(args, "OffStep"), reg.RDX)
	ADDQ(reg.RDX, f.offs)
	DECQ(f.tiles)
	JNZ(LabelRef(label))
	JMP(LabelRef("done"))
}
