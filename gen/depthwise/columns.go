package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// columns are the locals by which functions of several blocks go from one tile of columns to the next.
type columns struct {
	left             Mem // columns
	ix, room         Mem // the tile's first input column, and the columns from it to the right edge
	from, to         Mem // the tile's first column of the input, and of the first output row
	dstPixel, dstRow Mem
}

// newColumns loads them, and the multiples of a pixel. It needs row and dst.
func newColumns(args reg.Register) *columns {
	local := func() Mem { return AllocLocal(8) }
	c := &columns{local(), local(), local(), local(), local(), local(), local()}
	for _, x := range []struct {
		field string
		local Mem
	}{{"OW", c.left}, {"Dst", c.to}, {"DstPixel", c.dstPixel}, {"DstRow", c.dstRow}} {
		MOVQ(field(args, x.field), row)
		MOVQ(row, x.local)
	}
	MOVQ(field(args, "Src"), row)
	SUBQ(field(args, "Skip"), row)
	MOVQ(row, c.from)
	MOVQ(field(args, "PL"), row)
	MOVQ(field(args, "Width"), dst)
	ADDQ(row, dst)
	MOVQ(dst, c.room)
	NEGQ(row)
	MOVQ(row, c.ix)
	MOVQ(field(args, "Pixel"), s1)
	pixels.Make()
	return c
}

// choose jumps to the code of the widest tile that there is room for, or returns.
func (c *columns) choose() {
	Label("next")
	for _, p := range tiles {
		CMPQ(c.left, Imm(uint64(p)))
		JGE(LabelRef(fmt.Sprintf("tile%d", p)))
	}
	VZEROUPPER()
	RET()
}

// next goes on to the next tile.
func (c *columns) next(win window, p int) {
	IMUL3Q(Imm(uint64(p)), c.dstPixel, tmp)
	ADDQ(tmp, c.to)
	by := map[int]reg.Register{1: s1, 3: s3, 7: s7}[p]
	for range win.sw {
		ADDQ(by, c.from)
	}
	ADDQ(Imm(uint64(p*win.sw)), c.ix)
	SUBQ(Imm(uint64(p*win.sw)), c.room)
	SUBQ(Imm(uint64(p)), c.left)
	JMP(LabelRef("next"))
}

// store writes a tile's outputs from dst on.
func (c *columns) store(acc []reg.VecPhysical) {
	VMOVUPS(acc[0], Mem{Base: dst})
	if len(acc) == 1 {
		return
	}
	MOVQ(c.dstPixel, tmp)
	VMOVUPS(acc[1], Mem{Base: dst, Index: tmp, Scale: 1})
	VMOVUPS(acc[2], Mem{Base: dst, Index: tmp, Scale: 2})
	if len(acc) == 3 {
		return
	}
	VMOVUPS(acc[4], Mem{Base: dst, Index: tmp, Scale: 4})
	LEAQ(Mem{Base: tmp, Index: tmp, Scale: 2}, row8)
	VMOVUPS(acc[3], Mem{Base: dst, Index: row8, Scale: 1})
	VMOVUPS(acc[6], Mem{Base: dst, Index: row8, Scale: 2})
	LEAQ(Mem{Base: tmp, Index: tmp, Scale: 4}, row8)
	VMOVUPS(acc[5], Mem{Base: dst, Index: row8, Scale: 1})
}
