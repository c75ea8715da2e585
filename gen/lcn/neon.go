package main

import (
	"github.com/ocellus-vision/ocellus/gen/neon"
)

func arm64() error {
	f := neon.NewFile("gen/lcn", "asm")
	nBlur(f)
	nSum(f)
	nSub(f)
	nDiv(f)
	nFlat(f, flatSub)
	nFlat(f, flatDiv)
	return f.WriteFiles("../asm", "lcn_neon")
}

func nStart(f *neon.File, fn function, lanes int) *neon.Func {
	name, doc := fn.full(lanes, "NEON")
	return f.Func(name, fn.signature, doc)
}

func nBlur(f *neon.File) {
	fn := nStart(f, blur, 4)
	const (
		dst = neon.R0 + iota
		src
		step
		g
		k
		scale
		scaleStep
		root
		n
		at
		w
		left
		next
	)
	for _, a := range []struct {
		name string
		r    neon.R
	}{{"dst", dst}, {"src", src}, {"step", step}, {"taps", g}, {"k", k}, {"scale", scale}, {"scaleStep", scaleStep}, {"root", root}, {"n", n}} {
		fn.LoadArg(a.name, a.r)
	}
	acc, x, sc := []neon.V{0, 1, 2, 3}, []neon.V{4, 5, 6, 7}, []neon.V{16, 17, 18, 19}
	const wv = neon.V8
	for _, s := range sc {
		fn.Ld1r(neon.S4, s, scale)
	}
	fn.Label("chunk")
	for _, a := range acc {
		fn.Movi(neon.S4, a, 0)
	}
	fn.T("MOVD %v, %v", src, at)
	fn.T("MOVD %v, %v", g, w)
	fn.T("MOVD %v, %v", k, left)
	fn.Label("tap")
	fn.Ld1rP(neon.S4, wv, w)
	fn.Ld1X(neon.S4, at, step, x...)
	for i, a := range acc {
		fn.Fmla(a, x[i], wv)
	}
	fn.T("SUBS $1, %v, %v", left, left)
	fn.T("BNE tap")
	fn.T("CBZ %v, flat", scaleStep)
	fn.Ld1P(neon.S4, scale, sc...)
	fn.Label("flat")
	for i, a := range acc {
		fn.Fmul(a, a, sc[i])
	}
	fn.T("CBZ %v, store", root)
	for _, a := range acc {
		fn.Fsqrt(a, a)
	}
	fn.Label("store")
	fn.St1P(neon.S4, dst, acc...)
	fn.T("ADD $64, %v", src)
	fn.T("SUBS $16, %v, %v", n, n)
	fn.T("BGT chunk")
	fn.Ret()
}

// The registers of the functions over pixels.
const (
	nDst = neon.R0 + iota
	nSrc
	nAux // squares or deviations
	nMean
	nPixels
	nChannels
	nLeft
	nFlag

	vLow   = neon.V0 // lanes 0 to 3 of a sum
	vHigh  = neon.V1 // lanes 4 to 7
	vX     = neon.V2
	vY     = neon.V3
	vTmp   = neon.V4
	vMean  = neon.V5
	vFloor = neon.V6
	vD     = neon.V7
)

// nJoin adds the eight lanes in their fixed order: ((0+4)+(2+6))+((1+5)+(3+7)) in lane 0 of vLow.
func nJoin(fn *neon.Func) {
	fn.Fadd(vLow, vLow, vHigh)
	fn.Ext(vHigh, vLow, vLow, 8)
	fn.Fadd(vLow, vLow, vHigh)
	fn.Faddp(vLow, vLow, vLow)
}

// nPixel emits the loop over pixels and channels. body works on one vector, which one carries into the sum acc: it loads from src
// and stores to dst if the pixel is written.
func nPixel(fn *neon.Func, before func(), body func(x, acc neon.V, lanes int), after func(), writes bool) {
	fn.LoadArg("pixels", nPixels)
	fn.LoadArg("channels", nChannels)
	load := func(x neon.V, n int) {
		if n == 4 {
			fn.Ld1P(neon.S4, nSrc, x)
			return
		}
		fn.Movi(neon.S4, x, 0)
		for i := range n {
			fn.Ld1LaneP(neon.S4, x, i, nSrc)
		}
	}
	step := func(x, acc neon.V, n int) {
		load(x, n)
		body(x, acc, n)
		if !writes {
			return
		}
		if n == 4 {
			fn.St1P(neon.S4, nDst, x)
			return
		}
		for i := range n {
			fn.St1LaneP(neon.S4, x, i, nDst)
		}
	}
	fn.Label("pixel")
	before()
	fn.T("SUBS $8, %v, %v", nChannels, nLeft)
	fn.T("BLT tail")
	fn.Label("whole")
	step(vX, vLow, 4)
	step(vY, vHigh, 4)
	fn.T("SUBS $8, %v, %v", nLeft, nLeft)
	fn.T("BGE whole")
	fn.Label("tail")
	fn.T("ADDS $8, %v, %v", nLeft, nLeft)
	fn.T("BEQ next")
	fn.T("SUBS $4, %v, %v", nLeft, nLeft)
	fn.T("BLT low")
	step(vX, vLow, 4)
	for _, part := range []struct {
		label string
		acc   neon.V
	}{{"high", vHigh}, {"low", vLow}} {
		fn.Label(part.label)
		if part.acc == vLow {
			fn.T("ADD $4, %v", nLeft)
		}
		for n := 1; n <= 3; n++ {
			fn.T("CMP $%d, %v", n, nLeft)
			fn.T("BEQ %s%d", part.label, n)
		}
		fn.T("B next")
		for n := 1; n <= 3; n++ {
			fn.Label(part.label + string(rune('0'+n)))
			step(vX, part.acc, n)
			fn.T("B next")
		}
	}
	fn.Label("next")
	after()
	fn.T("SUBS $1, %v, %v", nPixels, nPixels)
	fn.T("BNE pixel")
	fn.Ret()
}

func nSum(f *neon.File) {
	fn := nStart(f, sum, 8)
	fn.LoadArg("dst", nDst)
	fn.LoadArg("src", nSrc)
	fn.LoadArg("square", nFlag)
	labels := 0
	nPixel(fn, func() {
		fn.Movi(neon.S4, vLow, 0)
		fn.Movi(neon.S4, vHigh, 0)
	}, func(x, acc neon.V, _ int) {
		labels++
		square, done := "square"+string(rune('a'+labels)), "done"+string(rune('a'+labels))
		fn.T("CBNZ %v, %s", nFlag, square)
		fn.Fadd(acc, acc, x)
		fn.T("B %s", done)
		fn.Label(square)
		fn.Fmla(acc, x, x)
		fn.Label(done)
	}, func() {
		nJoin(fn)
		fn.St1LaneP(neon.S4, vLow, 0, nDst)
	}, false)
}

func nSub(f *neon.File) {
	fn := nStart(f, sub, 8)
	fn.LoadArg("dst", nDst)
	fn.LoadArg("squares", nAux)
	fn.LoadArg("src", nSrc)
	fn.LoadArg("mean", nMean)
	nPixel(fn, func() {
		fn.Movi(neon.S4, vLow, 0)
		fn.Movi(neon.S4, vHigh, 0)
		fn.Ld1rP(neon.S4, vMean, nMean)
	}, func(x, acc neon.V, lanes int) {
		fn.Fsub(x, x, vMean)
		if lanes == 4 {
			fn.Fmla(acc, x, x)
			return
		}
		// Lanes beyond the channels hold 0 - mean: they stay out of the sum.
		fn.Movi(neon.S4, vTmp, 0)
		for i := range lanes {
			fn.InsLane(neon.S4, vTmp, i, x, i)
		}
		fn.Fmla(acc, vTmp, vTmp)
	}, func() {
		nJoin(fn)
		fn.St1LaneP(neon.S4, vLow, 0, nAux)
	}, true)
}

// nBounds loads mean and floor to all lanes.
func nBounds(fn *neon.Func) {
	fn.LoadArgF("mean", vMean)
	fn.DupLane(neon.S4, vMean, vMean, 0)
	fn.LoadArgF("floor", vFloor)
	fn.DupLane(neon.S4, vFloor, vFloor, 0)
}

// nDivisor leaves floor > d ? floor : d in vD, d = mean > vD ? mean : vD.
func nDivisor(fn *neon.Func) {
	for _, least := range []neon.V{vMean, vFloor} {
		fn.Fcmgt(vTmp, least, vD)
		fn.Bit(vD, least, vTmp)
	}
}

func nDiv(f *neon.File) {
	fn := nStart(f, div, 8)
	fn.LoadArg("dst", nDst)
	fn.LoadArg("src", nSrc)
	fn.LoadArg("dev", nAux)
	nBounds(fn)
	nPixel(fn, func() {
		fn.Ld1rP(neon.S4, vD, nAux)
		nDivisor(fn)
	}, func(x, _ neon.V, _ int) {
		fn.Fdiv(x, x, vD)
	}, func() {}, true)
}

// nFlat emits the functions over rows of one channel: vectors, then single floats.
func nFlat(f *neon.File, which function) {
	fn := nStart(f, which, 4)
	fn.LoadArg("dst", nDst)
	fn.LoadArg("src", nSrc)
	if which.name == flatSub.name {
		fn.LoadArg("squares", nAux)
		fn.LoadArg("mean", nMean)
	} else {
		fn.LoadArg("dev", nAux)
		nBounds(fn)
	}
	fn.LoadArg("n", nLeft)
	for _, n := range []int{4, 1} {
		load := func(x neon.V, base neon.R) {
			if n == 4 {
				fn.Ld1P(neon.S4, base, x)
			} else {
				fn.LdrSP(x, base, 4)
			}
		}
		store := func(x neon.V, base neon.R) {
			if n == 4 {
				fn.St1P(neon.S4, base, x)
			} else {
				fn.StrSP(x, base, 4)
			}
		}
		label := map[int]string{4: "vector", 1: "single"}[n]
		fn.Label(label)
		fn.T("CMP $%d, %v", n, nLeft)
		fn.T("BLT %s", label+"end")
		load(vX, nSrc)
		if which.name == flatSub.name {
			load(vD, nMean)
			fn.Fsub(vX, vX, vD)
			store(vX, nDst)
			fn.Fmul(vX, vX, vX)
			store(vX, nAux)
		} else {
			load(vD, nAux)
			nDivisor(fn)
			fn.Fdiv(vX, vX, vD)
			store(vX, nDst)
		}
		fn.T("SUB $%d, %v", n, nLeft)
		fn.T("B %s", label)
		fn.Label(label + "end")
	}
	fn.Ret()
}
