package main

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

// The registers on arm64.
const (
	nArgs = neon.R0 + iota
	nSrc
	nDst
	nPixels
	nChannels
	nChunk
	nOut
	nRow
	nAt
	nRows
	nCols
	nRowStep
	nColStep
	nTmp
	nStep
	nOutStep

	vTmp   = neon.V16
	vMask  = neon.V24
	vStart = neon.V30
	vCount = neon.V31
)

func nLoad(fn *neon.Func, name string, r neon.R) {
	fn.T("MOVD %d(%v), %v", arguments.Offset(name), nArgs, r)
}

func arm64() error {
	f := neon.NewFile("gen/pool", "asm")
	for _, k := range kinds {
		name, doc := k.function(4, "NEON")
		fn := f.Func(name, "(args *PoolArgs)", doc)
		fn.LoadArg("args", nArgs)
		nLoad(fn, "Dst", nDst)
		nLoad(fn, "Src", nSrc)
		nLoad(fn, "Pixels", nPixels)
		nLoad(fn, "Row", nRowStep)
		nLoad(fn, "Col", nColStep)
		nLoad(fn, "Step", nStep)
		nLoad(fn, "Out", nOutStep)
		fn.T("ADD $%d, %v, %v", arguments.Offset("Count"), nArgs, nTmp)
		fn.Ld1r(neon.S4, vCount, nTmp)
		if k.name == "Max" {
			fn.ConstF(vStart, float32(math.Inf(-1)), nTmp)
		} else {
			fn.Movi(neon.S4, vStart, 0)
		}
		fn.Label("pixel")
		fn.T("MOVD %v, %v", nSrc, nChunk)
		fn.T("MOVD %v, %v", nDst, nOut)
		nLoad(fn, "Channels", nChannels)
		for _, floats := range []int{4 * vectors[0], 4, 1} {
			label := fmt.Sprintf("chunk%d", floats)
			fn.Label(label)
			fn.T("CMP $%d, %v", floats, nChannels)
			fn.T("BLT %s", label+"none")
			nEmit(fn, k, label, floats)
			fn.T("SUB $%d, %v", floats, nChannels)
			fn.T("ADD $%d, %v", 4*floats, nChunk)
			fn.T("ADD $%d, %v", 4*floats, nOut)
			fn.T("B %s", label)
			fn.Label(label + "none")
		}
		fn.T("ADD %v, %v", nStep, nSrc)
		fn.T("ADD %v, %v", nOutStep, nDst)
		fn.T("SUBS $1, %v, %v", nPixels, nPixels)
		fn.T("BNE pixel")
		fn.Ret()
	}
	return f.WriteFiles("../asm", "pool_neon")
}

// nEmit emits a chunk of one output pixel: some vectors, or one float in lane 0.
func nEmit(fn *neon.Func, k kind, label string, floats int) {
	vec := make([]neon.V, (floats+3)/4)
	x := make([]neon.V, len(vec))
	for i := range vec {
		vec[i], x[i] = neon.V(i), vTmp+neon.V(i)
	}
	load := func(base neon.R, vs []neon.V) {
		if floats == 1 {
			fn.LdrS(vs[0], base, 0)
		} else {
			fn.Ld1(neon.S4, base, vs...)
		}
	}
	for _, v := range vec {
		fn.Mov(v, vStart)
	}
	nLoad(fn, "Load", nTmp)
	fn.T("CBZ %v, %s", nTmp, label+"window")
	load(nOut, vec)
	fn.Label(label + "window")
	fn.T("MOVD %v, %v", nChunk, nRow)
	nLoad(fn, "KH", nRows)
	fn.T("CBZ %v, %s", nRows, label+"finish")
	fn.Label(label + "row")
	fn.T("MOVD %v, %v", nRow, nAt)
	nLoad(fn, "KW", nCols)
	fn.Label(label + "col")
	load(nAt, x)
	fn.T("ADD %v, %v", nColStep, nAt)
	for i, v := range vec {
		switch k.name {
		case "Max":
			m := vMask + neon.V(i)
			fn.Fcmgt(m, v, x[i])
			fn.Bif(v, x[i], m)
		case "Avg":
			fn.Fadd(v, v, x[i])
		default:
			fn.Fmla(v, x[i], x[i])
		}
	}
	fn.T("SUBS $1, %v, %v", nCols, nCols)
	fn.T("BNE %s", label+"col")
	fn.T("ADD %v, %v", nRowStep, nRow)
	fn.T("SUBS $1, %v, %v", nRows, nRows)
	fn.T("BNE %s", label+"row")
	fn.Label(label + "finish")
	if k.name != "Max" {
		nLoad(fn, "Part", nTmp)
		fn.T("CBNZ %v, %s", nTmp, label+"store")
		for _, v := range vec {
			if k.name == "Avg" {
				fn.Fdiv(v, v, vCount)
			} else {
				fn.Fsqrt(v, v)
			}
		}
		fn.Label(label + "store")
	}
	if floats == 1 {
		fn.StrS(vec[0], nOut, 0)
	} else {
		fn.St1(neon.S4, nOut, vec...)
	}
}
