package main

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

const lanesNEON = 4

// The integer registers of all functions on arm64.
const (
	nArgs = neon.R0 + iota
	nRow
	nTmp
	nSrc
	nTable
	nW
	nDst
	nPixel
	nLeft
	nZero
	nXs
	nIx
	nRoom
	nRowTable
	nYs
	nFirst
	nCol
	nColTable
)

const (
	nCols = neon.R19 + iota
	nKW8
)

func nLoad(fn *neon.Func, name string, r neon.R) {
	fn.T("MOVD %d(%v), %v", arguments.Offset(name), nArgs, r)
}

func nStart(f *neon.File, name, doc string) *neon.Func {
	fn := f.Func(name, "(args *DepthwiseArgs)", doc)
	fn.LoadArg("args", nArgs)
	nLoad(fn, "Src", nSrc)
	nLoad(fn, "Skip", nTmp)
	fn.T("SUB %v, %v", nTmp, nSrc)
	nLoad(fn, "Dst", nDst)
	nLoad(fn, "Zero", nZero)
	nLoad(fn, "Pixel", nPixel)
	nLoad(fn, "Rows", nRowTable)
	nLoad(fn, "Ys", nYs)
	return fn
}

func arm64() error {
	f := neon.NewFile("gen/depthwise", "asm")
	for _, w := range windows {
		nWindow(f, w)
	}
	nAny(f)
	nMove(f)
	return f.WriteFiles("../asm", "depthwise_neon")
}

func nWindow(f *neon.File, win window) {
	fn := nStart(f, win.name("NEON"), win.doc(win.name("NEON"), lanesNEON))
	fn.T("MOVD %v, %v", nSrc, nFirst)
	// Bias and weights of 3x3 windows stay in registers.
	resident := win.kw == 3
	if resident {
		nLoad(fn, "W", nW)
		fn.LdrQ(nBias, nW, 0)
		for i := range win.kw * win.kw {
			fn.LdrQ(nWeights+neon.V(i), nW, (1+i)*tap)
		}
	}
	fn.Label("row")
	nLoad(fn, "OW", nXs)
	nLoad(fn, "PL", nIx)
	nLoad(fn, "Width", nRoom)
	fn.T("ADD %v, %v", nIx, nRoom)
	fn.T("NEG %v, %v", nIx, nIx)
	fn.T("MOVD %v, %v", nFirst, nSrc)
	nNext(fn, tiles)
	for _, p := range tiles {
		label := fmt.Sprintf("tile%d", p)
		if resident {
			acc := nAcc(p)
			fn.Label(label)
			for _, a := range acc {
				fn.Mov(a, nBias)
			}
			for i := range win.kw {
				fn.T("MOVD %d(%v), %v", 8*i, nRowTable, nRow)
				nRowOf(fn, win, acc, func(j int) neon.V { return nWeights + neon.V(win.kw*i+j) })
			}
		} else {
			acc := nBegin(fn, label, p)
			weights := neon.V(p + win.inputs(p))
			fn.Label(label + "row")
			fn.T("MOVD.P 8(%v), %v", nTable, nRow)
			nRowOf(fn, win, acc, func(j int) neon.V {
				wj := weights + neon.V(j%int(32-weights))
				fn.LdrQ(wj, nW, j*tap)
				return wj
			})
			fn.T("ADD $%d, %v", win.kw*tap, nW)
			fn.T("SUBS $1, %v, %v", nLeft, nLeft)
			fn.T("BNE %s", label+"row")
		}
		acc := nAcc(p)
		nStore(fn, label, acc)
		fn.T("MOVD $%d, %v", p*win.sw, nTmp)
		fn.T("MADD %v, %v, %v, %v", nTmp, nSrc, nPixel, nSrc)
		fn.T("ADD $%d, %v", p*win.sw, nIx)
		fn.T("SUB $%d, %v", p*win.sw, nRoom)
		fn.T("SUB $%d, %v", p, nXs)
		fn.T("B next")
	}
}

// nBias and nWeights hold the bias and nine weights where they stay in registers.
const (
	nWeights = neon.V22
	nBias    = neon.V31
)

// nAcc are the accumulators of a tile; its inputs follow them.
func nAcc(p int) []neon.V {
	acc := make([]neon.V, p)
	for i := range acc {
		acc[i] = neon.V(i)
	}
	return acc
}

// nRowOf emits one kernel row of a tile; nRow is the offset of the input row, weight gives the weight of a column.
func nRowOf(fn *neon.Func, win window, acc []neon.V, weight func(j int) neon.V) {
	p := len(acc)
	in := neon.V(p)
	fn.T("ADD %v, %v, %v", nSrc, nRow, nTmp)
	fn.T("CMP $0, %v", nRow)
	fn.T("CSEL LT, %v, %v, %v", nZero, nTmp, nRow)
	loaded := 0
	for j := range win.kw {
		wj := weight(j)
		for i, a := range acc {
			q := i*win.sw + j
			for ; loaded <= q; loaded++ {
				v := in + neon.V(loaded)
				l, r := win.outside(p, loaded)
				if !l && !r {
					fn.Ld1X(neon.S4, nRow, nPixel, v)
					continue
				}
				if l {
					fn.T("CMP $%d, %v", -loaded, nIx)
					fn.T("CSEL LT, %v, %v, %v", nZero, nRow, nTmp)
				} else {
					fn.T("CMP $%d, %v", loaded, nRoom)
					fn.T("CSEL LE, %v, %v, %v", nZero, nRow, nTmp)
				}
				fn.Ld1(neon.S4, nTmp, v)
				fn.T("ADD %v, %v", nPixel, nRow)
			}
			fn.Fmla(a, in+neon.V(q), wj)
		}
	}
}

// nNext emits the choice of the next tile of the row, and the way to the next row or out.
func nNext(fn *neon.Func, tiles []int) {
	fn.Label("next")
	for _, p := range tiles {
		fn.T("CMP $%d, %v", p, nXs)
		fn.T("BGE tile%d", p)
	}
	nLoad(fn, "KH", nTmp)
	fn.T("ADD %v<<3, %v", nTmp, nRowTable)
	fn.T("SUBS $1, %v, %v", nYs, nYs)
	fn.T("BNE row")
	fn.Ret()
}

// nBegin starts a tile: its accumulators hold the bias.
func nBegin(fn *neon.Func, label string, p int) []neon.V {
	fn.Label(label)
	acc := nAcc(p)
	nLoad(fn, "W", nW)
	nLoad(fn, "KH", nLeft)
	fn.T("MOVD %v, %v", nRowTable, nTable)
	fn.LdrQ(acc[0], nW, 0)
	fn.T("ADD $%d, %v", tap, nW)
	for _, a := range acc[1:] {
		fn.Mov(a, acc[0])
	}
	return acc
}

// nStore applies the activation and stores a tile.
func nStore(fn *neon.Func, label string, acc []neon.V) {
	a := neon.V(len(acc))
	b, c := a+1, a+2
	nLoad(fn, "Act", nTmp)
	fn.T("CMP $1, %v", nTmp)
	fn.T("BLT %s", label+"store")
	fn.T("BGT %s", label+"leaky")
	fn.T("ADD $%d, %v, %v", arguments.Offset("Lo"), nArgs, nTmp)
	fn.Ld1r(neon.S4, a, nTmp)
	fn.T("ADD $%d, %v, %v", arguments.Offset("Hi"), nArgs, nTmp)
	fn.Ld1r(neon.S4, b, nTmp)
	for _, y := range acc {
		fn.Fcmgt(c, a, y)
		fn.Bit(y, a, c)
		fn.Fcmgt(c, y, b)
		fn.Bit(y, b, c)
	}
	fn.T("B %s", label+"store")
	fn.Label(label + "leaky")
	fn.T("ADD $%d, %v, %v", arguments.Offset("Alpha"), nArgs, nTmp)
	fn.Ld1r(neon.S4, a, nTmp)
	for _, y := range acc {
		fn.Fmul(b, a, y)
		fn.FcmgtZero(c, y)
		fn.Bif(y, b, c)
	}
	fn.Label(label + "store")
	for _, y := range acc {
		fn.St1X(neon.S4, nDst, nPixel, y)
	}
}

func nAny(f *neon.File) {
	name := fmt.Sprintf("DepthwiseAnyx%dF32NEON", anyTile)
	fn := nStart(f, name, anyDoc(name, lanesNEON))
	fn.T("SUB %v, %v", nSrc, nZero)
	nLoad(fn, "KW", nKW8)
	fn.T("LSL $3, %v, %v", nKW8, nKW8)
	fn.Label("row")
	nLoad(fn, "OW", nXs)
	nLoad(fn, "Cols", nColTable)
	nNext(fn, []int{anyTile, 1})
	for _, p := range []int{anyTile, 1} {
		label := fmt.Sprintf("tile%d", p)
		acc := nBegin(fn, label, p)
		wv, v := neon.V(p), neon.V(p+1)
		fn.Label(label + "row")
		fn.T("MOVD.P 8(%v), %v", nTable, nRow)
		fn.T("MOVD %v, %v", nColTable, nFirst)
		nLoad(fn, "KW", nCols)
		fn.Label(label + "col")
		fn.LdrQ(wv, nW, 0)
		fn.T("ADD $%d, %v", tap, nW)
		fn.T("MOVD %v, %v", nFirst, nCol)
		for i, a := range acc {
			fn.T("MOVD (%v), %v", nCol, nTmp)
			if i < p-1 {
				fn.T("ADD %v, %v", nKW8, nCol)
			}
			fn.T("ADDS %v, %v, %v", nRow, nTmp, nTmp)
			fn.T("CSEL LT, %v, %v, %v", nZero, nTmp, nTmp)
			fn.T("ADD %v, %v", nSrc, nTmp)
			fn.Ld1(neon.S4, nTmp, v+neon.V(i))
			fn.Fmla(a, v+neon.V(i), wv)
		}
		fn.T("ADD $8, %v", nFirst)
		fn.T("SUBS $1, %v, %v", nCols, nCols)
		fn.T("BNE %s", label+"col")
		fn.T("SUBS $1, %v, %v", nLeft, nLeft)
		fn.T("BNE %s", label+"row")
		nStore(fn, label, acc)
		fn.T("MOVD $%d, %v", p, nTmp)
		fn.T("MADD %v, %v, %v, %v", nTmp, nColTable, nKW8, nColTable)
		fn.T("SUB $%d, %v", p, nXs)
		fn.T("B next")
	}
}

func nMove(f *neon.File) {
	name, doc := moveName("NEON")
	fn := f.Func(name, moveSignature, doc)
	const (
		dst = neon.R0 + iota
		src
		pixels
		blocks
		dstPixel
		dstBlock
		srcPixel
		srcBlock
		to
		from
		left
	)
	for _, a := range []struct {
		name string
		r    neon.R
	}{
		{"dst", dst}, {"src", src}, {"pixels", pixels}, {"blocks", blocks},
		{"dstPixel", dstPixel}, {"dstBlock", dstBlock}, {"srcPixel", srcPixel}, {"srcBlock", srcBlock},
	} {
		fn.LoadArg(a.name, a.r)
	}
	block := []neon.V{0, 1, 2, 3}
	fn.Label("pixel")
	fn.T("MOVD %v, %v", dst, to)
	fn.T("MOVD %v, %v", src, from)
	fn.T("MOVD %v, %v", blocks, left)
	fn.Label("block")
	fn.Ld1X(neon.S4, from, srcBlock, block...)
	fn.St1X(neon.S4, to, dstBlock, block...)
	fn.T("SUBS $1, %v, %v", left, left)
	fn.T("BNE block")
	fn.T("ADD %v, %v", srcPixel, src)
	fn.T("ADD %v, %v", dstPixel, dst)
	fn.T("SUBS $1, %v, %v", pixels, pixels)
	fn.T("BNE pixel")
	fn.Ret()
}
