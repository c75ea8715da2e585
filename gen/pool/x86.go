package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// target is a vector unit of amd64: accumulators 0 to 3, scratch, and what finishing needs.
type target struct {
	name                     string
	lanes                    int
	vec                      []reg.VecPhysical
	tmp, start, count, masks reg.VecPhysical
}

var avx2 = target{"AVX2", 8, x86.YMM[:4], reg.Y4, reg.Y5, reg.Y6, reg.Y7}

var avx512 = target{"AVX512", 16, x86.ZMM[:4], reg.Z4, reg.Z5, reg.Z6, reg.Z7}

var (
	args     = reg.RAX
	src      = reg.RBX // window
	dst      = reg.RCX // its output
	pixels   = reg.RDX // left
	channels = reg.RSI // left
	chunk    = reg.RDI // src at the chunk's channels
	out      = reg.R8
	row      = reg.R9
	at       = reg.R10
	rows     = reg.R11 // left
	cols     = reg.R12 // left
	rowStep  = reg.R13
	colStep  = reg.R14
	tmp      = reg.R15
)

func field(name string) Mem { return Mem{Base: args, Disp: arguments.Offset(name)} }

func amd64(t target) {
	ConstraintExpr("!purego")
	x86.Declare("PoolArgs")
	var mask Mem
	if t.lanes == 8 {
		mask = x86.TailMask("poolmask")
	}
	for _, k := range kinds {
		t.function(k, mask)
	}
}

func (t target) function(k kind, mask Mem) {
	name, doc := k.function(t.lanes, t.name)
	TEXT(name, NOSPLIT, "func(args *PoolArgs)")
	Doc(doc)
	Pragma("noescape")
	Load(Param("args"), args)
	MOVQ(field("Dst"), dst)
	MOVQ(field("Src"), src)
	MOVQ(field("Pixels"), pixels)
	MOVQ(field("Row"), rowStep)
	MOVQ(field("Col"), colStep)
	VBROADCASTSS(field("Count"), t.count)
	if k.name == "Max" {
		MOVL(U32(math.Float32bits(float32(math.Inf(-1)))), tmp.As32())
		VMOVD(tmp.As32(), t.start.AsX())
		VBROADCASTSS(t.start.AsX(), t.start)
	} else {
		VXORPS(t.start.AsX(), t.start.AsX(), t.start.AsX())
	}
	// The mask of what is left after the last whole vector.
	if t.lanes == 16 {
		MOVQ(field("Channels"), reg.RCX)
		ANDQ(Imm(15), reg.RCX)
		MOVL(I32(-1), tmp.As32())
		SHLL(reg.CL, tmp.As32())
		NOTL(tmp.As32())
		KMOVW(tmp.As32(), reg.K1)
		MOVQ(field("Dst"), dst)
	} else {
		MOVQ(field("Channels"), tmp)
		ANDQ(Imm(7), tmp)
		NEGQ(tmp)
		LEAQ(mask.Offset(32), at)
		VMOVDQU(Mem{Base: at, Index: tmp, Scale: 4}, t.masks)
	}
	Label("pixel")
	MOVQ(src, chunk)
	MOVQ(dst, out)
	MOVQ(field("Channels"), channels)
	for _, n := range vectors {
		label := fmt.Sprintf("chunk%d", n)
		Label(label)
		CMPQ(channels, Imm(uint64(n*t.lanes)))
		JLT(LabelRef(label + "none"))
		t.chunk(k, label, n, false)
		SUBQ(Imm(uint64(n*t.lanes)), channels)
		step := I32(int32(4 * n * t.lanes))
		ADDQ(step, chunk)
		ADDQ(step, out)
		JMP(LabelRef(label))
		Label(label + "none")
	}
	TESTQ(channels, channels)
	JEQ(LabelRef("next"))
	t.chunk(k, "tail", 1, true)
	Label("next")
	ADDQ(field("Step"), src)
	ADDQ(field("Out"), dst)
	DECQ(pixels)
	JNZ(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}

// chunk emits n vectors of one output pixel; ragged ones are masked.
func (t target) chunk(k kind, label string, n int, ragged bool) {
	vec := t.vec[:n]
	mem := func(base reg.Register, i int) Mem { return Mem{Base: base, Disp: 4 * t.lanes * i} }
	load := func(m Mem, v reg.VecPhysical) {
		switch {
		case !ragged:
			VMOVUPS(m, v)
		case t.lanes == 16:
			VMOVUPS_Z(m, reg.K1, v)
		default:
			VMASKMOVPS(m, t.masks, v)
		}
	}
	for _, v := range vec {
		VMOVAPS(t.start, v)
	}
	CMPQ(field("Load"), Imm(0))
	JEQ(LabelRef(label + "window"))
	for i, v := range vec {
		load(mem(out, i), v)
	}
	Label(label + "window")
	position := func(col int) {
		for i, v := range vec {
			m := mem(at, i)
			if col > 0 {
				m.Index, m.Scale = colStep, uint8(col)
			}
			var x Op = m
			if ragged || k.name == "Norm" {
				load(m, t.tmp)
				x = t.tmp
			}
			switch k.name {
			case "Max":
				// It returns its second source, x, unless the first is greater.
				VMAXPS(x, v, v)
			case "Avg":
				VADDPS(x, v, v)
			default:
				VFMADD231PS(x, t.tmp, v)
			}
		}
	}
	MOVQ(field("KH"), rows)
	if !ragged {
		// Most windows are 3x3: without loops more of them are under way at once.
		MOVQ(field("KW"), cols)
		CMPQ(rows, Imm(3))
		JNE(LabelRef(label + "any"))
		CMPQ(cols, Imm(3))
		JNE(LabelRef(label + "any"))
		MOVQ(chunk, at)
		for i := range 3 {
			if i > 0 {
				ADDQ(rowStep, at)
			}
			for j := range 3 {
				position(j)
			}
		}
		JMP(LabelRef(label + "finish"))
		Label(label + "any")
	}
	MOVQ(chunk, row)
	TESTQ(rows, rows)
	JEQ(LabelRef(label + "finish"))
	Label(label + "row")
	MOVQ(row, at)
	MOVQ(field("KW"), cols)
	Label(label + "col")
	position(0)
	ADDQ(colStep, at)
	DECQ(cols)
	JNZ(LabelRef(label + "col"))
	ADDQ(rowStep, row)
	DECQ(rows)
	JNZ(LabelRef(label + "row"))
	Label(label + "finish")
	if k.name != "Max" {
		CMPQ(field("Part"), Imm(0))
		JNE(LabelRef(label + "store"))
		for _, v := range vec {
			if k.name == "Avg" {
				VDIVPS(t.count, v, v)
			} else {
				VSQRTPS(v, v)
			}
		}
		Label(label + "store")
	}
	for i, v := range vec {
		switch {
		case !ragged:
			VMOVUPS(v, mem(out, i))
		case t.lanes == 16:
			VMOVUPS(v, reg.K1, mem(out, i))
		default:
			VMASKMOVPS(v, t.masks, mem(out, i))
		}
	}
}
