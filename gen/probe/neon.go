package main

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

// chainsNEON is chains for arm64: the widest cores have four units of latency four.
const chainsNEON = 16

// writeNEON writes asm/probe_neon_arm64.s and its stub.
func writeNEON() error {
	f := neon.NewFile("gen/probe", "asm")
	fmaNEON(f)
	readNEON(f)
	return f.WriteFiles("../asm", "probe_neon")
}

func fmaNEON(f *neon.File) {
	fn := f.Func("ProbeFMANEON", "(x *float32, n int)",
		fmt.Sprintf("ProbeFMANEON runs n turns of %d independent multiply-adds of 4 float32: acc = acc + *x·*x.", chainsNEON))
	src, n, x := fn.AllocR(), fn.AllocR(), fn.Alloc()
	fn.LoadArg("x", src)
	fn.LoadArg("n", n)
	fn.Ld1r(neon.S4, x, src)
	acc := make([]neon.V, chainsNEON)
	for i := range acc {
		acc[i] = fn.Alloc()
		fn.Movi(neon.S4, acc[i], 0)
	}
	fn.T("CBZ %v, done", n)
	fn.Label("loop")
	for _, a := range acc {
		fn.Fmla(a, x, x)
	}
	fn.T("SUBS $1, %v, %v", n, n)
	fn.T("BNE loop")
	fn.Label("done")
	fn.Ret()
}

func readNEON(f *neon.File) {
	fn := f.Func("ProbeReadNEON", "(src *uint64, n int)",
		fmt.Sprintf("ProbeReadNEON loads n blocks of %d bytes from src on.", block))
	src, n := fn.AllocR(), fn.AllocR()
	fn.LoadArg("src", src)
	fn.LoadArg("n", n)
	fn.T("CBZ %v, done", n)
	v := []neon.V{fn.Alloc(), fn.Alloc(), fn.Alloc(), fn.Alloc()}
	fn.Label("loop")
	for range block / 64 {
		fn.Ld1P(neon.B16, src, v...)
	}
	fn.T("SUBS $1, %v, %v", n, n)
	fn.T("BNE loop")
	fn.Label("done")
	fn.Ret()
}
