package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

func amd64(isa string, lanes int) {
	ConstraintExpr("!purego")
	x86.Declare("DepthwiseGradArgs")
	name := fmt.Sprintf("DepthwiseGrad9x%dF32%s", lanes, isa)
	TEXT(name, NOSPLIT, "func(args *DepthwiseGradArgs)")
	Doc(fmt.Sprintf("%s computes %d channels of nine taps; see DepthwiseGradArgs.", name, lanes))
	Pragma("noescape")
	vec := func(i int) reg.VecPhysical {
		if lanes == 16 {
			return []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9}[i]
		}
		return []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9}[i]
	}
	offs := []reg.GPPhysical{reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13, reg.R14, reg.R15, reg.RBP}
	args, x, dy, n, rows, table := reg.RAX, reg.RSI, reg.RDI, reg.RCX, reg.RDX, reg.RBX
	field := func(name string) Mem { return Mem{Base: args, Disp: arguments.Offset(name)} }
	rowX := AllocLocal(8)
	Load(Param("args"), args)
	MOVQ(field("Offs"), table)
	for i, r := range offs {
		MOVQ(Mem{Base: table, Disp: 8 * i}, r)
		v := vec(i).AsX()
		VXORPS(v, v, v)
	}
	MOVQ(field("X"), x)
	MOVQ(field("Dy"), dy)
	MOVQ(field("Rows"), rows)
	Label("row")
	MOVQ(x, rowX)
	MOVQ(field("Cols"), n)
	Label("col")
	VMOVUPS(Mem{Base: dy}, vec(9))
	for i, r := range offs {
		VFMADD231PS(Mem{Base: x, Index: r, Scale: 1}, vec(9), vec(i))
	}
	ADDQ(field("DyPixel"), dy)
	ADDQ(field("XPixel"), x)
	DECQ(n)
	JNZ(LabelRef("col"))
	MOVQ(rowX, x)
	ADDQ(field("XRow"), x)
	DECQ(rows)
	JNZ(LabelRef("row"))
	MOVQ(field("W"), table)
	for i := range taps {
		VMOVUPS(vec(i), Mem{Base: table, Disp: 64 * i})
	}
	VZEROUPPER()
	RET()
}
