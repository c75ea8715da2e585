package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// The general registers of a dense tile, beside ptrB, idx (the steps to come) and stride: every eighth row of A, the multiples of LDA that with
// 2, 4 and 6 of them lead to the rows between, and what to prefetch.
var (
	denseRow   = []reg.GPPhysical{reg.RBX, reg.RCX, reg.RDX}
	denseRows  = x86.Multiples{By1: reg.R8, By3: reg.R9, By5: reg.R10, By7: reg.R11}
	denseAhead = reg.R12
)

// denseA is where row r of A is, so many steps along K from the pointers.
func denseA(r, step int) Mem {
	m := denseRows.From(denseRow[r/8], r%8)
	m.Disp = 4 * step
	return m
}

// denseTurn is the steps along K of a turn of a dense tile's loop.
const denseTurn = 4

// longSum is the K from which on a dense tile asks for its outputs before it sums.
const longSum = 1024

// denseTiles emits the tiles of full height for rows that lie evenly. They need no table, and a few registers reach more rows than those of the
// other tiles do.
func (t avx512) denseTiles() {
	wide, high := shape{12, 2, false}, shape{24, 1, false}
	TEXT("GemmDense12x32F32AVX512", NOSPLIT, "func(args *GemmArgs)")
	Doc("GemmDense12x32F32AVX512 computes Tiles tiles of 12 rows and 17 to 32 columns, or of 24 rows and up to 16; LDA is not 0. See GemmArgs.")
	Pragma("noescape")
	f := newFrame()
	args, cols, tail := reg.RAX, reg.RCX, reg.RDX
	MOVQ(field(args, "LDA"), denseRows.By1)
	denseRows.Make()
	MOVQ(field(args, "K"), idx)
	XORL(tail.As32(), tail.As32())
	jumpIfWhole(f, args, idx, t.tail(wide), "whole")
	MOVL(U32(t.tail(wide)), tail.As32())
	SUBQ(tail, idx)
	Label("whole")
	MOVQ(tail, f.tail)
	MOVQ(idx, f.k)
	MOVQ(field(args, "Cols"), cols)
	CMPQ(cols, Imm(16))
	JLE(LabelRef("high"))
	t.masks(cols, wide)
	t.denseTile(f, wide, "tile12x32")
	Label("high")
	t.masks(cols, high)
	t.denseTile(f, high, "tile24x16")
}

// denseTile emits the loop over tiles of one shape.
func (t avx512) denseTile(f *frame, s shape, label string) {
	args := reg.RAX
	Label(label)
	start(t, f, s, false, label)
	if s.panels > 1 {
		// Stores to lines that come from far hold up those behind them. Short sums have no time for these loads.
		c, ldc := reg.RBX, reg.RCX
		CMPQ(field(args, "K"), U32(longSum))
		JLT(LabelRef(label + "short"))
		MOVQ(f.c, c)
		MOVQ(field(args, "LDC"), ldc)
		eachRow(t, s, c, ldc, func(m Mem, _, _ int) { PREFETCHT0(m) })
		Label(label + "short")
	}
	MOVQ(field(args, "B"), ptrB)
	if s.panels > 1 {
		MOVQ(field(args, "BPanel"), stride)
		MOVQ(field(args, "Ahead"), denseAhead)
		ADDQ(ptrB, denseAhead)
	}
	MOVQ(f.a, denseRow[0])
	bases := denseRow[:(s.rows+7)/8]
	for i := 1; i < len(bases); i++ {
		LEAQ(Mem{Base: bases[i-1], Index: denseRows.By1, Scale: 8}, bases[i])
	}
	// steps emits some steps along K.
	steps := func(n int) {
		if s.panels == 1 && n == denseTurn {
			t.fourSteps(s, denseA)
		} else {
			for step := range n {
				t.products(s, step, func(r int) Mem { return denseA(r, step) })
				if s.panels > 1 {
					PREFETCHT1(Mem{Base: denseAhead, Disp: 64 * step})
					PREFETCHT1(Mem{Base: denseAhead, Index: stride, Scale: 1, Disp: 64 * step})
				}
			}
		}
		for _, b := range bases {
			ADDQ(Imm(uint64(4*n)), b)
		}
		ADDQ(I32(int32(64*n)), ptrB)
		if s.panels > 1 {
			ADDQ(I32(int32(64*n)), denseAhead)
		}
	}
	MOVQ(f.k, idx)
	SUBQ(Imm(denseTurn), idx)
	JL(LabelRef(label + "rest"))
	Label(label + "ks")
	steps(denseTurn)
	SUBQ(Imm(denseTurn), idx)
	JGE(LabelRef(label + "ks"))
	Label(label + "rest")
	ADDQ(Imm(denseTurn), idx)
	JZ(LabelRef(label + "summed"))
	Label(label + "k")
	steps(1)
	DECQ(idx)
	JNZ(LabelRef(label + "k"))
	Label(label + "summed")
	CMPQ(f.tail, Imm(0))
	JEQ(LabelRef(label + "end"))
	t.finish(f, s, denseA, label)
	end(t, f, s, false, label)
	Label(label + "next")
	MOVQ(field(args, "AStep"), reg.RDX)
	ADDQ(reg.RDX, f.a)
	DECQ(f.tiles)
	JNZ(LabelRef(label))
	VZEROUPPER()
	RET()
}
