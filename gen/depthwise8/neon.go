package main

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

// The integer registers of the tiles on arm64, with the names of those on amd64.
const (
	nArgs = neon.R0 + iota
	nX
	nW
	nK
	nRow
	nDst
	nTo
	nPixel
	nLeft
	nXs
	nDsts
	nYs
	nXStep
	nHalf
	nTmp
	nStart
	nScale
)

func nLoad(fn *neon.Func, name string, r neon.R) {
	fn.T("MOVD %d(%v), %v", arguments.Offset(name), nArgs, r)
}

func arm64() error {
	f := neon.NewFile("gen/depthwise8", "asm")
	nQuads(f, "Depthwise8QuadsNEON", "Depthwise8QuadsNEON writes X; see Depthwise8Args.", true)
	nQuads(f, "Depthwise8PixelsNEON", "Depthwise8PixelsNEON writes X as pixels, [4*Quads][16], for tiles without dot products.", false)
	for _, t := range []nTarget{dotNEON, plainNEON} {
		for _, win := range windows {
			t.tile(f, win)
		}
	}
	return f.WriteFiles("../asm", "depthwise8_neon")
}

// nQuads emits a function that writes X.
func nQuads(f *neon.File, name, doc string, quads bool) {
	const (
		src = neon.R1 + iota
		outside
		rows
		cols
		dst
		xs
		inRows
		n
		from
		at
		pixel
		xRow
		tmp
	)
	fn := f.Func(name, "(args *Depthwise8Args)", doc)
	fn.LoadArg("args", nArgs)
	nLoad(fn, "Src", src)
	nLoad(fn, "Skip", tmp)
	fn.T("SUB %v, %v", tmp, src)
	nLoad(fn, "Outside", outside)
	nLoad(fn, "Rows", rows)
	nLoad(fn, "X", xs)
	nLoad(fn, "XRow", xRow)
	nLoad(fn, "InRows", inRows)
	nLoad(fn, "Pixel", pixel)
	nLoad(fn, "Flip", tmp)
	v, u, flip := fn.AllocN(4), fn.AllocN(4), fn.Alloc()
	fn.Dup(neon.B16, flip, tmp)

	// write emits a quad of pixels in v.
	write := func() {
		for _, v := range v {
			fn.Eor(v, v, flip)
		}
		if quads {
			fn.Zip1(neon.B16, u[0], v[0], v[1])
			fn.Zip2(neon.B16, u[1], v[0], v[1])
			fn.Zip1(neon.B16, u[2], v[2], v[3])
			fn.Zip2(neon.B16, u[3], v[2], v[3])
			for i := range 2 {
				fn.Zip1(neon.H8, v[2*i], u[i], u[2+i])
				fn.Zip2(neon.H8, v[2*i+1], u[i], u[2+i])
			}
		}
		fn.StpQP(v[0], v[1], dst, 32)
		fn.StpQP(v[2], v[3], dst, 32)
	}
	// edge emits n quads of pixels that may lie outside, and jumps to done where there are none.
	edge := func(label, done string) {
		fn.T("CBZ %v, %s", n, done)
		fn.Label(label)
		for i := range 4 {
			fn.T("MOVD.P 8(%v), %v", cols, at)
			fn.T("ADDS %v, %v, %v", from, at, at)
			fn.T("CSEL LT, %v, %v, %v", outside, at, at)
			fn.LdrQ(v[i], at, 0)
		}
		write()
		fn.T("SUBS $1, %v, %v", n, n)
		fn.T("BNE %s", label)
	}

	fn.Label("row")
	fn.T("MOVD.P 8(%v), %v", rows, from)
	nLoad(fn, "Cols", cols)
	fn.T("MOVD %v, %v", xs, dst)
	nLoad(fn, "Quads", n)
	fn.T("ADDS %v, %v, %v", src, from, from)
	fn.T("BLT rest")
	nLoad(fn, "Left", n)
	edge("left", "inner")
	fn.Label("inner")
	nLoad(fn, "Inner", n)
	fn.T("CBZ %v, right", n)
	fn.T("MOVD (%v), %v", cols, at)
	fn.T("ADD %v, %v", from, at)
	fn.T("ADD %v<<5, %v, %v", n, cols, cols)
	fn.Label("quad")
	for i := range 4 {
		fn.Ld1X(neon.B16, at, pixel, v[i])
	}
	write()
	fn.T("SUBS $1, %v, %v", n, n)
	fn.T("BNE quad")
	fn.Label("right")
	nLoad(fn, "Quads", n)
	nLoad(fn, "Left", tmp)
	fn.T("SUB %v, %v", tmp, n)
	nLoad(fn, "Inner", tmp)
	fn.T("SUB %v, %v", tmp, n)
	fn.Label("rest")
	edge("edge", "done")
	fn.Label("done")
	fn.T("ADD %v, %v", xRow, xs)
	fn.T("SUBS $1, %v, %v", inRows, inRows)
	fn.T("BNE row")
	fn.Ret()
}

// nTarget is the instructions that differ. Half of a block's channels are computed at a time, those of an output pixel in two vectors.
type nTarget struct {
	name, doc string
	half      int // bytes from the quads or pixels of the lower channels to those of the upper
	multiply  func(fn *neon.Func, win window, outputs int)
}

// nAcc is one of the two vectors of sums of an output pixel. All registers from nFree on are for what multiplies and stores.
func nAcc(output, i int) neon.V { return neon.V(2*output + i) }

const nFree = neon.V16

var dotNEON = nTarget{"I8DotNEON", " It needs FEAT_DotProd.", 32, func(fn *neon.Func, win window, outputs int) {
	quads := win.quads(outputs)
	x := func(q int) neon.V { return nFree + neon.V(2*q) }
	for q := range quads {
		fn.LdpQ(x(q), x(q)+1, nRow, 64*q)
	}
	for i := range win.patterns() {
		weights := x(quads + i%(8-quads))
		fn.LdpQ(weights, weights+1, nW, 64*i)
		for _, p := range win.products(outputs) {
			if p.pattern == i {
				fn.Sdot(nAcc(p.output, 0), x(p.quad), weights)
				fn.Sdot(nAcc(p.output, 1), x(p.quad)+1, weights+1)
			}
		}
	}
}}

// plainNEON widens pixels and weights to 16 bits. Of the weights it takes the patterns of the first place of a window, which have all.
var plainNEON = nTarget{"I8NEON", " X has pixels, see Depthwise8PixelsNEON.", 8, func(fn *neon.Func, win window, outputs int) {
	const first, ahead = nFree + 8, 3
	fn.Ld4P(neon.B8, nW, nFree, nFree+1, nFree+2, nFree+3)
	if win.kw > 4 {
		fn.T("ADD $32, %v", nW)
		fn.Ld4(neon.B8, nW, nFree+4, nFree+5, nFree+6, nFree+7)
		fn.T("SUB $64, %v", nW)
	} else {
		fn.T("SUB $32, %v", nW)
	}
	inputs := (outputs-1)*win.sw + win.kw
	x := func(p int) neon.V { return first + neon.V(p%8) }
	for p := range ahead {
		fn.LdrD(x(p), nRow, 16*p)
	}
	for j := range win.kw {
		fn.Sxtl(neon.B8, nFree+neon.V(j), nFree+neon.V(j))
	}
	for p := range inputs {
		if p+ahead < inputs {
			fn.LdrD(x(p+ahead), nRow, 16*(p+ahead))
		}
		fn.Sxtl(neon.B8, x(p), x(p))
		for j := range win.kw {
			if o := p - j; o >= 0 && o%win.sw == 0 && o/win.sw < outputs {
				fn.Smlal(neon.H4, nAcc(o/win.sw, 0), x(p), nFree+neon.V(j))
				fn.Smlal(neon.H8, nAcc(o/win.sw, 1), x(p), nFree+neon.V(j))
			}
		}
	}
}}

func (t nTarget) tile(f *neon.File, win window) {
	name := win.name(t.name)
	fn := f.Func(name, "(args *Depthwise8Args)", win.doc(name)+t.doc)
	fn.LoadArg("args", nArgs)
	nLoad(fn, "X", nXs)
	nLoad(fn, "Dst", nDsts)
	nLoad(fn, "Ys", nYs)
	nLoad(fn, "DstPixel", nPixel)
	nLoad(fn, "XStep", nXStep)
	nLoad(fn, "Start", nStart)
	nLoad(fn, "Scale", nScale)
	fn.T("MOVD $0, %v", nHalf)

	fn.Label("row")
	fn.T("MOVD %v, %v", nXs, nX)
	fn.T("MOVD %v, %v", nDsts, nDst)
	nLoad(fn, "OW", nLeft)
	fn.Label("next")
	for i, n := range tiles {
		label := fmt.Sprintf("tile%d", n)
		more := i+1 < len(tiles)
		least := 1
		if more {
			least = tiles[i+1] + 1
			fn.T("CMP $%d, %v", least, nLeft)
			fn.T("BLT tile%d", tiles[i+1])
		}
		fn.Label(label)
		fn.T("ADD %v, %v, %v", nHalf, nStart, nTmp)
		fn.LdpQ(nAcc(0, 0), nAcc(0, 1), nTmp, 0)
		for o := 1; o < n; o++ {
			fn.Mov(nAcc(o, 0), nAcc(0, 0))
			fn.Mov(nAcc(o, 1), nAcc(0, 1))
		}
		nLoad(fn, "W", nW)
		fn.T("ADD %v, %v", nHalf, nW)
		fn.T("ADD %v>>2, %v, %v", nHalf, nDst, nTo)
		if t.half == 32 {
			fn.T("ADD %v, %v, %v", nHalf, nX, nRow)
		} else {
			fn.T("ADD %v>>2, %v, %v", nHalf, nX, nRow)
		}
		nLoad(fn, "KH", nK)
		fn.Label(label + "k")
		t.multiply(fn, win, n)
		fn.T("ADD %v, %v", nXStep, nRow)
		fn.T("ADD $%d, %v", 64*len(win.patterns()), nW)
		fn.T("SUBS $1, %v, %v", nK, nK)
		fn.T("BNE %s", label+"k")
		nStore(fn, n, func(valid int) {
			if valid >= least && valid < n {
				fn.T("CMP $%d, %v", valid, nLeft)
				fn.T("BEQ %s", label+"stored")
			}
			if valid < n {
				fn.T("ADD %v, %v", nPixel, nTo)
			}
		})
		fn.Label(label + "stored")
		fn.T("EOR $32, %v", nHalf)
		fn.T("CBNZ %v, %s", nHalf, label)
		if more {
			fn.T("SUBS $%d, %v, %v", n, nLeft, nLeft)
			fn.T("BLE end")
			fn.T("ADD $%d, %v", 16*n*win.sw, nX)
			fn.T("ADD %v<<3, %v, %v", nPixel, nDst, nDst)
			fn.T("B next")
		}
	}
	fn.Label("end")
	nLoad(fn, "YStep", nTmp)
	fn.T("ADD %v, %v", nTmp, nXs)
	nLoad(fn, "DstRow", nTmp)
	fn.T("ADD %v, %v", nTmp, nDsts)
	fn.T("SUBS $1, %v, %v", nYs, nYs)
	fn.T("BNE row")
	fn.Ret()
}

// nStore makes bytes of the sums, and stores them from nTo on; ends goes behind each pixel. Numbers that int32 or int16 cannot hold are clipped to what these can.
func nStore(fn *neon.Func, outputs int, ends func(valid int)) {
	scale, lo, hi, point := nFree, nFree+2, nFree+3, nFree+4
	fn.T("ADD %v, %v, %v", nHalf, nScale, nTmp)
	fn.LdpQ(scale, scale+1, nTmp, 0)
	for _, c := range []struct {
		field string
		v     neon.V
	}{{"Lo", lo}, {"Hi", hi}} {
		fn.LdrS(c.v, nArgs, arguments.Offset(c.field))
		fn.Fcvtns(c.v, c.v)
		fn.DupLane(neon.H8, c.v, c.v, 0)
	}
	nLoad(fn, "Zero", nTmp)
	fn.Dup(neon.B16, point, nTmp)
	all := func(do func(y neon.V, i int)) {
		for o := range outputs {
			do(nAcc(o, 0), 0)
			do(nAcc(o, 1), 1)
		}
	}
	all(func(y neon.V, _ int) { fn.Scvtf(y, y) })
	all(func(y neon.V, i int) { fn.Fmul(y, y, scale+neon.V(i)) })
	all(func(y neon.V, _ int) { fn.Fcvtns(y, y) })
	all(func(y neon.V, i int) { fn.Sqxtn(neon.H4+neon.Arr(i), y-neon.V(i), y) })
	for o := range outputs {
		fn.Smax(neon.H8, nAcc(o, 0), nAcc(o, 0), lo)
	}
	for o := range outputs {
		fn.Smin(neon.H8, nAcc(o, 0), nAcc(o, 0), hi)
	}
	for o := 0; o < outputs; o += 2 {
		y := nAcc(o, 0)
		fn.Uzp1(neon.B16, y, y, nAcc(o+1, 0))
		fn.Add(neon.B16, y, y, point)
	}
	for o := 0; o < outputs; o += 2 {
		fn.StrD(nAcc(o, 0), nTo, 0)
		ends(o + 1)
		fn.St1Lane(neon.D2, nAcc(o, 0), 1, nTo)
		ends(o + 2)
	}
}
