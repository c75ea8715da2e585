package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// The general registers of a dense tile, beside ptrB, idx (the steps to come) and stride: every eighth row of A, the multiples of LDA that with
// 2, 4 and 6 of them lead to the rows between, and what to prefetch: of B, and the row of C up to the last, which lie LDC apart.
var (
	denseRow   = []reg.GPPhysical{reg.RBX, reg.RCX, reg.RDX}
	denseRows  = x86.Multiples{By1: reg.R8, By3: reg.R9, By5: reg.R10, By7: reg.R11}
	denseAhead = reg.R12

	denseC, denseLDC, denseLast = reg.R13, reg.RSI, reg.RDI
)

// denseA is where row r of A is, so many steps along K from the pointers.
func denseA(r, step int) Mem {
	m := denseRows.From(denseRow[r/8], r%8)
	m.Disp = 4 * step
	return m
}

// denseTurn is the steps along K of a turn of a dense tile's loop.
const denseTurn = quarter

// shortSum is the K up to which a dense tile prefetches the outputs of the next tile: its own come too late.
const shortSum = 128

// dense is a tile for rows that lie evenly. It needs no table, and a few registers reach more rows than those of the other tiles do.
type dense struct {
	shape
	spread bool   // loads half of A as vectors and spreads it by shuffles
	name   string // of the function
	doc    string
}

var denseTiles = []dense{
	{shape{12, 2, false}, false, "GemmDense12x32F32AVX512", "12 rows and 17 to 32 columns"},
	{shape{24, 1, false}, false, "GemmDense24x16F32AVX512", "24 rows and up to 16 columns"},
	{shape{24, 1, false}, true, "GemmDenseSpread24x16F32AVX512", "24 rows and up to 16 columns, for CPUs that shuffle beside their multiply-adds"},
}

// denseTile emits the function of a tile.
func (t avx512) denseTile(d dense) {
	TEXT(d.name, NOSPLIT, "func(args *GemmArgs)")
	Doc(d.name + " computes Tiles tiles of " + d.doc + "; LDA is not 0, and with several steps StepA says where they are. See GemmArgs.")
	Pragma("noescape")
	f := newFrame()
	args, cols, tail := reg.RAX, reg.RCX, reg.RDX
	MOVQ(field(args, "LDA"), denseRows.By1)
	denseRows.Make()
	MOVQ(field(args, "K"), idx)
	XORL(tail.As32(), tail.As32())
	jumpIfWhole(f, args, idx, t.tail(d.shape), "whole")
	MOVL(U32(t.tail(d.shape)), tail.As32())
	SUBQ(tail, idx)
	Label("whole")
	MOVQ(tail, f.tail)
	MOVQ(idx, f.k)
	MOVQ(field(args, "Cols"), cols)
	t.masks(cols, d.shape)
	t.denseLoop(f, d)
}

// denseLoop emits the loop over the tiles.
func (t avx512) denseLoop(f *frame, d dense) {
	const label = "tile"
	args, s := reg.RAX, d.shape
	Label(label)
	start(t, f, s, false, label)
	if !d.spread {
		MOVQ(f.c, denseC)
		MOVQ(field(args, "LDC"), denseLDC)
		IMUL3Q(Imm(uint64(s.rows-1)), denseLDC, denseLast)
		CMPQ(field(args, "K"), U32(shortSum))
		JGT(LabelRef(label + "own"))
		ADDQ(denseLast, denseC)
		ADDQ(denseLDC, denseC)
		Label(label + "own")
		ADDQ(denseC, denseLast)
	}
	MOVQ(field(args, "B"), ptrB)
	if s.panels > 1 {
		MOVQ(field(args, "BPanel"), stride)
		MOVQ(f.ahead, denseAhead)
		ADDQ(ptrB, denseAhead)
	}
	MOVQ(f.a, denseRow[0])
	bases := denseRow[:(s.rows+7)/8]
	for i := 1; i < len(bases); i++ {
		LEAQ(Mem{Base: bases[i-1], Index: denseRows.By1, Scale: 8}, bases[i])
	}
	// fetch prefetches, in a turn, a line of each of two panels for tiles to come and the outputs of some rows: stores to lines that come from far hold up
	// those behind them, and prefetches that come together wait for one another.
	fetch := func(step int) {
		if s.panels > 1 && step == denseTurn-1 {
			PREFETCHT1(Mem{Base: denseAhead})
			PREFETCHT1(Mem{Base: denseAhead, Index: stride, Scale: 1})
			ADDQ(Imm(64), denseAhead)
			return
		}
		for p := range s.panels {
			PREFETCHT0(Mem{Base: denseC, Disp: t.bytes() * p})
		}
		ADDQ(denseLDC, denseC)
		CMPQ(denseC, denseLast)
		CMOVQHI(denseLast, denseC)
	}
	// steps emits some steps along K.
	steps := func(n int) {
		if d.spread && n == denseTurn {
			t.fourSteps(s, denseA)
		} else {
			for step := range n {
				t.products(s, step, func(r int) Mem { return denseA(r, step) })
				if !d.spread && n == denseTurn {
					fetch(step)
				}
			}
		}
		for _, b := range bases {
			ADDQ(Imm(uint64(4*n)), b)
		}
		ADDQ(I32(int32(64*n)), ptrB)
	}
	MOVQ(field(args, "Steps"), idx)
	MOVQ(idx, f.steps)
	Label(label + "step")
	MOVQ(f.k, idx)
	CMPQ(f.steps, Imm(1))
	JLE(LabelRef(label + "sum"))
	MOVQ(field(args, "K"), idx)
	Label(label + "sum")
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
	DECQ(f.steps)
	JLE(LabelRef(label + "last"))
	MOVQ(field(args, "StepA"), idx)
	for _, b := range bases {
		ADDQ(idx, b)
	}
	JMP(LabelRef(label + "step"))
	Label(label + "last")
	CMPQ(f.tail, Imm(0))
	JEQ(LabelRef(label + "end"))
	t.finish(f, s, denseA, label)
	end(t, f, s, false, label)
	Label(label + "next")
	MOVQ(field(args, "AStep"), reg.RDX)
	ADDQ(reg.RDX, f.a)
	if s.panels > 1 {
		nextAhead(f, args, reg.RDX)
	}
	DECQ(f.tiles)
	JNZ(LabelRef(label))
	VZEROUPPER()
	RET()
}
