package main

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

// neonRows is the height of the NEON tile: 24 accumulators, four registers of B and two of A.
const neonRows = 6

// The integer registers of all tiles.
const (
	nArgs  = neon.R0
	nA     = neon.R1
	nB     = neon.R2
	nC     = neon.R3
	nSpans = neon.R4
	nCount = neon.R5
	nLDA   = neon.R6
	nLDB   = neon.R7
	nLDC   = neon.R8
	nPtrA  = neon.R9
	nPtrB  = neon.R10
	nLeft  = neon.R11
	nTmp   = neon.R12
	nPtrC  = neon.R13
)

func arm64() error {
	f := neon.NewFile("gen/gemmtn", "asm")
	f.Const("GemmTNRowsNEON", neonRows, "GemmTNRowsNEON is the largest Rows of GemmTNTileF32NEON.")
	fn := f.Func("GemmTNTileF32NEON", "(args *GemmTNArgs)",
		fmt.Sprintf("GemmTNTileF32NEON computes a tile of up to %d rows and 16 columns; see GemmTNArgs.", neonRows))
	fn.LoadArg("args", nArgs)
	for _, l := range []struct {
		field string
		r     neon.R
	}{
		{"A", nA}, {"B", nB}, {"C", nC}, {"Spans", nSpans}, {"Count", nCount}, {"LDA", nLDA}, {"LDB", nLDB}, {"LDC", nLDC}, {"Rows", nTmp},
	} {
		fn.T("MOVD %d(%v), %v", arguments.Offset(l.field), nArgs, l.r)
	}
	for r := neonRows; r > 1; r-- {
		fn.T("CMP $%d, %v", r, nTmp)
		fn.T("BEQ rows%d", r)
	}
	for r := 1; r <= neonRows; r++ {
		neonTile(fn, r)
	}
	return f.WriteFiles("../asm", "gemmtn_neon")
}

func neonTile(fn *neon.Func, rows int) {
	label := func(name string) string { return fmt.Sprintf("%s%d", name, rows) }
	var acc [][]neon.V
	for range rows {
		acc = append(acc, fn.AllocN(4))
	}
	a, b := fn.AllocN(2), fn.AllocN(4)
	each := func(do func(acc []neon.V)) {
		fn.T("MOVD %v, %v", nC, nPtrC)
		for r := range rows {
			do(acc[r])
			if r < rows-1 {
				fn.T("ADD %v, %v, %v", nLDC, nPtrC, nPtrC)
			}
		}
	}
	fn.Label(label("rows"))
	fn.T("MOVD %d(%v), %v", arguments.Offset("Load"), nArgs, nTmp)
	fn.T("CBZ %v, %s", nTmp, label("zero"))
	each(func(acc []neon.V) {
		fn.LdpQ(acc[0], acc[1], nPtrC, 0)
		fn.LdpQ(acc[2], acc[3], nPtrC, 32)
	})
	fn.T("B %s", label("start"))
	fn.Label(label("zero"))
	for r := range rows {
		for _, v := range acc[r] {
			fn.Movi(neon.S4, v, 0)
		}
	}
	fn.Label(label("start"))
	fn.T("CBZ %v, %s", nCount, label("end"))
	fn.Label(label("span"))
	fn.T("MOVD 0(%v), %v", nSpans, nPtrA)
	fn.T("MOVD 8(%v), %v", nSpans, nPtrB)
	fn.T("MOVD 16(%v), %v", nSpans, nLeft)
	fn.T("ADD %v, %v, %v", nA, nPtrA, nPtrA)
	fn.T("ADD %v, %v, %v", nB, nPtrB, nPtrB)
	fn.T("ADD $24, %v, %v", nSpans, nSpans)
	fn.T("PCALIGN $16")
	fn.Label(label("position"))
	fn.LdpQ(b[0], b[1], nPtrB, 0)
	fn.LdpQ(b[2], b[3], nPtrB, 32)
	// Floats of A, as wide as may be read.
	lane := func(r int) (neon.V, int) { return a[r/4], r % 4 }
	for r := 0; r < rows; {
		switch {
		case rows-r >= 4:
			fn.LdrQ(a[r/4], nPtrA, 4*r)
			r += 4
		case rows-r >= 2 && r%4 == 0:
			fn.LdrD(a[r/4], nPtrA, 4*r)
			r += 2
		case r%4 == 0:
			fn.LdrS(a[r/4], nPtrA, 4*r)
			r++
		default:
			fn.T("ADD $%d, %v, %v", 4*r, nPtrA, nTmp)
			fn.Ld1Lane(neon.S4, a[r/4], r%4, nTmp)
			r++
		}
	}
	for r := range rows {
		v, l := lane(r)
		for q := range 4 {
			fn.FmlaLane(acc[r][q], b[q], v, l)
		}
	}
	fn.T("ADD %v, %v, %v", nLDA, nPtrA, nPtrA)
	fn.T("ADD %v, %v, %v", nLDB, nPtrB, nPtrB)
	fn.T("SUBS $1, %v, %v", nLeft, nLeft)
	fn.T("BNE %s", label("position"))
	fn.T("SUBS $1, %v, %v", nCount, nCount)
	fn.T("BNE %s", label("span"))
	fn.Label(label("end"))
	fn.T("MOVD %d(%v), %v", arguments.Offset("Add"), nArgs, nTmp)
	fn.T("CBZ %v, %s", nTmp, label("store"))
	each(func(acc []neon.V) {
		fn.LdpQ(b[0], b[1], nPtrC, 0)
		fn.LdpQ(b[2], b[3], nPtrC, 32)
		for q := range 4 {
			fn.Fadd(acc[q], b[q], acc[q])
		}
	})
	fn.Label(label("store"))
	each(func(acc []neon.V) {
		fn.StpQ(acc[0], acc[1], nPtrC, 0)
		fn.StpQ(acc[2], acc[3], nPtrC, 32)
	})
	fn.Ret()
	for _, v := range acc {
		fn.Free(v...)
	}
	fn.Free(a...)
	fn.Free(b...)
}
