package main

import (
	"fmt"
	"strings"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

// writeNEON writes asm/transpose_neon_arm64.s and its stub.
func writeNEON() error {
	f := neon.NewFile("gen/transpose", "asm")
	blocksNEON(f)
	split3NEON(f)
	join3NEON(f)
	join2NEON(f)
	split2NEON(f)
	return f.WriteFiles("../asm", "transpose_neon")
}

func beginNEON(f *neon.File, name, sig, doc string, args ...any) *neon.Func {
	return f.Func(name, strings.TrimPrefix(sig, "func"), fmt.Sprintf(doc, append([]any{name}, args...)...))
}

func argNEON(fn *neon.Func, name string) neon.R {
	r := fn.AllocR()
	fn.LoadArg(name, r)
	return r
}

// elementsNEON loads a distance in elements as bytes.
func elementsNEON(fn *neon.Func, name string) neon.R {
	r := argNEON(fn, name)
	fn.T("LSL $2, %v, %v", r, r)
	return r
}

func blocksNEON(f *neon.File) {
	fn := beginNEON(f, "Transpose8x4F32NEON", blockSig, blockDoc, 8, 4)
	dst, ldd, dstStep := argNEON(fn, "dst"), elementsNEON(fn, "ldd"), elementsNEON(fn, "dstStep")
	src, lds, srcStep := argNEON(fn, "src"), elementsNEON(fn, "lds"), elementsNEON(fn, "srcStep")
	n, p := argNEON(fn, "n"), fn.AllocR()
	a, t := fn.AllocN(8), fn.AllocN(8)
	fn.Label("block")
	fn.T("MOVD %v, %v", src, p)
	for _, v := range a {
		fn.Ld1X(neon.B16, p, lds, v)
	}
	for h := 0; h < 8; h += 4 {
		fn.Zip1(neon.S4, t[h], a[h], a[h+2])     // columns 0 and 1 of rows 0 and 2
		fn.Zip2(neon.S4, t[h+1], a[h], a[h+2])   // columns 2 and 3
		fn.Zip1(neon.S4, t[h+2], a[h+1], a[h+3]) // the same of rows 1 and 3
		fn.Zip2(neon.S4, t[h+3], a[h+1], a[h+3])
		for j := range 4 {
			if j%2 == 0 {
				fn.Zip1(neon.S4, a[h+j], t[h+j/2], t[h+2+j/2])
			} else {
				fn.Zip2(neon.S4, a[h+j], t[h+j/2], t[h+2+j/2])
			}
		}
	}
	fn.T("MOVD %v, %v", dst, p)
	for j := range 4 {
		fn.StpQ(a[j], a[4+j], p, 0)
		fn.T("ADD %v, %v, %v", ldd, p, p)
	}
	fn.T("ADD %v, %v, %v", srcStep, src, src)
	fn.T("ADD %v, %v, %v", dstStep, dst, dst)
	fn.T("SUBS $1, %v, %v", n, n)
	fn.T("BNE block")
	fn.Ret()
}

// foursNEON emits a loop over i = 0, 4, 8, ... and a last overlapping i = n-4.
func foursNEON(fn *neon.Func, n neon.R, body func(i neon.R)) {
	i := fn.AllocR()
	fn.T("MOVD ZR, %v", i)
	fn.T("SUB $4, %v, %v", n, n)
	fn.Label("loop")
	body(i)
	fn.T("CMP %v, %v", n, i)
	fn.T("BGE done")
	fn.T("ADD $4, %v, %v", i, i)
	fn.T("CMP %v, %v", n, i)
	fn.T("BLE loop")
	fn.T("MOVD %v, %v", n, i)
	fn.T("B loop")
	fn.Label("done")
}

// pixelNEON computes base + 12·i.
func pixelNEON(fn *neon.Func, base, i, p neon.R) {
	fn.T("ADD %v<<1, %v, %v", i, i, p)
	fn.T("ADD %v<<2, %v, %v", p, base, p)
}

func split3NEON(f *neon.File) {
	fn := beginNEON(f, "Split3F32NEON", splitSig, splitDoc, 4)
	dst, ldd, src, n := argNEON(fn, "dst"), elementsNEON(fn, "ldd"), argNEON(fn, "src"), argNEON(fn, "n")
	p := fn.AllocR()
	v := fn.AllocN(3)
	foursNEON(fn, n, func(i neon.R) {
		pixelNEON(fn, src, i, p)
		fn.Ld3(neon.S4, p, v[0], v[1], v[2])
		fn.T("ADD %v<<2, %v, %v", i, dst, p)
		for _, v := range v {
			fn.St1X(neon.S4, p, ldd, v)
		}
	})
	fn.Ret()
}

func join3NEON(f *neon.File) {
	fn := beginNEON(f, "Join3F32NEON", joinSig, joinDoc, 4)
	dst, src, lds, n := argNEON(fn, "dst"), argNEON(fn, "src"), elementsNEON(fn, "lds"), argNEON(fn, "n")
	p := fn.AllocR()
	v := fn.AllocN(3)
	foursNEON(fn, n, func(i neon.R) {
		fn.T("ADD %v<<2, %v, %v", i, src, p)
		for _, v := range v {
			fn.Ld1X(neon.S4, p, lds, v)
		}
		pixelNEON(fn, dst, i, p)
		fn.St3(neon.S4, p, v[0], v[1], v[2])
	})
	fn.Ret()
}

func join2NEON(f *neon.File) {
	fn := beginNEON(f, "Join2F32NEON", join2Sig, join2Doc, 4)
	dst, a, b, n := argNEON(fn, "dst"), argNEON(fn, "a"), argNEON(fn, "b"), argNEON(fn, "n")
	p := fn.AllocR()
	v := fn.AllocN(2)
	foursNEON(fn, n, func(i neon.R) {
		fn.T("ADD %v<<2, %v, %v", i, a, p)
		fn.Ld1(neon.S4, p, v[0])
		fn.T("ADD %v<<2, %v, %v", i, b, p)
		fn.Ld1(neon.S4, p, v[1])
		fn.T("ADD %v<<3, %v, %v", i, dst, p)
		fn.St2(neon.S4, p, v[0], v[1])
	})
	fn.Ret()
}

func split2NEON(f *neon.File) {
	fn := beginNEON(f, "Split2F32NEON", split2Sig, split2Doc, 4)
	a, b, src, n := argNEON(fn, "a"), argNEON(fn, "b"), argNEON(fn, "src"), argNEON(fn, "n")
	p := fn.AllocR()
	v := fn.AllocN(2)
	foursNEON(fn, n, func(i neon.R) {
		fn.T("ADD %v<<3, %v, %v", i, src, p)
		fn.Ld2(neon.S4, p, v[0], v[1])
		fn.T("ADD %v<<2, %v, %v", i, a, p)
		fn.St1(neon.S4, p, v[0])
		fn.T("ADD %v<<2, %v, %v", i, b, p)
		fn.St1(neon.S4, p, v[1])
	})
	fn.Ret()
}
