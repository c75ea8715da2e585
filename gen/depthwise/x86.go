package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// target is a vector unit of amd64.
type target struct {
	name  string
	lanes int
	vec   []reg.VecPhysical
}

var avx2 = target{"AVX2", 8, x86.YMM}

var avx512 = target{"AVX512", 16, x86.ZMM}

// The general registers of all functions.
const tap = 64 // bytes from a tap's weights to the next

var (
	row   = reg.RAX // input row, at the tile's first column
	tmp   = reg.RBX
	src   = reg.RCX // tile's first column
	table = reg.RDX // of the kernel row
	w     = reg.RSI // of the kernel row
	dst   = reg.RDI
	s1    = reg.R8 // bytes of a pixel, and multiples
	s3    = reg.R9
	s5    = reg.R10
	s7    = reg.R11
	zero  = reg.R12
	left  = reg.R13 // kernel rows left
	row8  = reg.R14 // eight pixels from row
	xs    = reg.R15 // output columns left
)

func field(base reg.Register, name string) Mem { return Mem{Base: base, Disp: arguments.Offset(name)} }

func start(name, doc string, frame int) Mem {
	TEXT(name, NOSPLIT, "func(args *DepthwiseArgs)")
	Doc(doc)
	Pragma("noescape")
	return AllocLocal(frame)
}

func amd64(t target) {
	x86.Declare("DepthwiseArgs")
	for _, w := range windows {
		t.runs(w)
		if w.kw == 3 && len(t.vec) == 32 {
			t.down(w)
		}
	}
	t.any()
	t.move()
}

func (t target) move() {
	name, doc := moveName(t.name)
	TEXT(name, NOSPLIT, "func"+moveSignature)
	Doc(doc)
	Pragma("noescape")
	dst, src, pixels, blocks := reg.RAX, reg.RBX, reg.RCX, reg.RDX
	dstPixel, dstBlock, srcPixel, srcBlock := reg.RSI, reg.RDI, reg.R8, reg.R9
	to, from, left := reg.R10, reg.R11, reg.R12
	for _, a := range []struct {
		name string
		r    reg.GPPhysical
	}{
		{"dst", dst}, {"src", src}, {"pixels", pixels}, {"blocks", blocks},
		{"dstPixel", dstPixel}, {"dstBlock", dstBlock}, {"srcPixel", srcPixel}, {"srcBlock", srcBlock},
	} {
		Load(Param(a.name), a.r)
	}
	Label("pixel")
	MOVQ(dst, to)
	MOVQ(src, from)
	MOVQ(blocks, left)
	Label("block")
	for i := range 16 / t.lanes {
		VMOVUPS(Mem{Base: from, Disp: 4 * t.lanes * i}, t.vec[i])
		VMOVUPS(t.vec[i], Mem{Base: to, Disp: 4 * t.lanes * i})
	}
	ADDQ(srcBlock, from)
	ADDQ(dstBlock, to)
	DECQ(left)
	JNZ(LabelRef("block"))
	ADDQ(srcPixel, src)
	ADDQ(dstPixel, dst)
	DECQ(pixels)
	JNZ(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}

// pixels lead to the pixels of a tile.
var pixels = x86.Multiples{By1: s1, By3: s3, By5: s5, By7: s7}

// pixel is the address of pixel q from base, or from base8 for the eighth and beyond.
func pixel(base, base8 reg.Register, q int) Mem {
	if q >= 8 {
		return pixels.From(base8, q-8)
	}
	return pixels.From(base, q)
}

// act applies the activation to the accumulators, with the help of four more registers, or two of AVX-512.
func (t target) act(label string, acc, free []reg.VecPhysical) {
	a, b := free[0], free[1]
	args := tmp
	Load(Param("args"), args)
	CMPQ(field(args, "Act"), Imm(1))
	JLT(LabelRef(label + "store"))
	JGT(LabelRef(label + "leaky"))
	VBROADCASTSS(field(args, "Lo"), a)
	VBROADCASTSS(field(args, "Hi"), b)
	x86.Clip(acc, a, b, field(args, "Hi"), label)
	Label(label + "leaky")
	VBROADCASTSS(field(args, "Alpha"), a)
	VXORPS(b.AsX(), b.AsX(), b.AsX())
	for _, y := range acc {
		if t.lanes == 16 {
			VCMPPS(Imm(0x1a), b, y, reg.K3) // not y > 0, quiet
			VMULPS(a, y, reg.K3, y)
		} else {
			c, d := free[2], free[3]
			VMULPS(a, y, c)
			VCMPPS(Imm(0x1e), b, y, d) // y > 0, quiet
			VBLENDVPS(d, y, c, y)
		}
	}
	Label(label + "store")
}

// any emits the function for windows without code of their own: the place of every input is the sum of a row and a column from tables.
func (t target) any() {
	name := fmt.Sprintf("DepthwiseAnyx%dF32%s", anyTile, t.name)
	l := start(name, anyDoc(name, t.lanes), 24)
	rowTable, ys, colTable := l, l.Offset(8), l.Offset(16)
	kw8, kw24, far, col, cols := s3, s5, zero, row8, s7
	args := tmp
	Load(Param("args"), args)
	MOVQ(field(args, "Src"), src)
	SUBQ(field(args, "Skip"), src)
	MOVQ(field(args, "Dst"), dst)
	MOVQ(field(args, "Zero"), far)
	SUBQ(src, far)
	MOVQ(field(args, "Pixel"), s1)
	MOVQ(field(args, "KW"), kw8)
	SHLQ(Imm(3), kw8)
	LEAQ(Mem{Base: kw8, Index: kw8, Scale: 2}, kw24)
	MOVQ(field(args, "Rows"), table)
	MOVQ(table, rowTable)
	MOVQ(field(args, "Ys"), left)
	MOVQ(left, ys)

	Label("row")
	Load(Param("args"), args)
	MOVQ(field(args, "OW"), xs)
	MOVQ(field(args, "Cols"), col)
	MOVQ(col, colTable)
	Label("next")
	for _, p := range []int{anyTile, 1} {
		CMPQ(xs, Imm(uint64(p)))
		JGE(LabelRef(fmt.Sprintf("tile%d", p)))
	}
	Load(Param("args"), args)
	MOVQ(field(args, "KH"), left)
	SHLQ(Imm(3), left)
	ADDQ(left, rowTable)
	DECQ(ys)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()

	for _, p := range []int{anyTile, 1} {
		label := fmt.Sprintf("tile%d", p)
		Label(label)
		acc, wv := t.vec[:p], t.vec[p]
		Load(Param("args"), args)
		MOVQ(field(args, "W"), w)
		MOVQ(field(args, "KH"), left)
		MOVQ(rowTable, table)
		VMOVUPS(Mem{Base: w}, acc[0])
		ADDQ(Imm(tap), w)
		for _, a := range acc[1:] {
			VMOVAPS(acc[0], a)
		}
		Label(label + "row")
		MOVQ(colTable, col)
		MOVQ(kw8, cols)
		SHRQ(Imm(3), cols)
		Label(label + "col")
		VMOVUPS(Mem{Base: w}, wv)
		ADDQ(Imm(tap), w)
		for i, a := range acc {
			m := Mem{Base: col}
			switch i {
			case 1, 2:
				m.Index, m.Scale = kw8, uint8(i)
			case 3:
				m.Index, m.Scale = kw24, 1
			}
			at := []reg.GPPhysical{row, tmp}[i%2]
			MOVQ(m, at)
			ADDQ(Mem{Base: table}, at)
			CMOVQLT(far, at)
			VFMADD231PS(Mem{Base: src, Index: at, Scale: 1}, wv, a)
		}
		ADDQ(Imm(8), col)
		DECQ(cols)
		JNZ(LabelRef(label + "col"))
		ADDQ(Imm(8), table)
		DECQ(left)
		JNZ(LabelRef(label + "row"))

		t.act(label, acc, t.vec[len(acc):])
		for i, a := range acc {
			if i < 3 {
				VMOVUPS(a, pixel(dst, nil, i))
			} else {
				LEAQ(Mem{Base: dst, Index: s1, Scale: 2}, row)
				VMOVUPS(a, Mem{Base: row, Index: s1, Scale: 1})
			}
		}
		MOVQ(kw8, col)
		if p == anyTile {
			SHLQ(Imm(2), col)
			LEAQ(Mem{Base: dst, Index: s1, Scale: 4}, dst)
		} else {
			ADDQ(s1, dst)
		}
		ADDQ(col, colTable)
		SUBQ(Imm(uint64(p)), xs)
		JMP(LabelRef("next"))
	}
}
