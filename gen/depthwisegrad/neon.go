package main

import "github.com/ocellus-vision/ocellus/gen/neon"

func arm64() error {
	f := neon.NewFile("gen/depthwisegrad", "asm")
	fn := f.Func("DepthwiseGrad9x8F32NEON", "(args *DepthwiseGradArgs)",
		"DepthwiseGrad9x8F32NEON computes 8 channels of nine taps; see DepthwiseGradArgs.")
	const (
		args, x, dy, n, rows, table = neon.R0, neon.R1, neon.R2, neon.R3, neon.R4, neon.R5
		dyPixel, xPixel, xRow, rowX = neon.R6, neon.R7, neon.R8, neon.R9
		cols, at                    = neon.R10, neon.R11
	)
	offs := [taps]neon.R{neon.R12, neon.R13, neon.R14, neon.R15, neon.R16, neon.R17, neon.R19, neon.R20, neon.R21}
	acc := fn.AllocN(2 * taps)
	g, v := fn.AllocN(2), fn.AllocN(8)
	fn.LoadArg("args", args)
	for _, l := range []struct {
		field string
		r     neon.R
	}{{"Offs", table}, {"X", x}, {"Dy", dy}, {"Rows", rows}, {"Cols", cols}, {"DyPixel", dyPixel}, {"XPixel", xPixel}, {"XRow", xRow}} {
		fn.T("MOVD %d(%v), %v", arguments.Offset(l.field), args, l.r)
	}
	for i, r := range offs {
		fn.T("MOVD %d(%v), %v", 8*i, table, r)
	}
	for _, a := range acc {
		fn.Movi(neon.S4, a, 0)
	}
	fn.Label("row")
	fn.T("MOVD %v, %v", x, rowX)
	fn.T("MOVD %v, %v", cols, n)
	fn.Label("col")
	fn.LdpQ(g[0], g[1], dy, 0)
	for i, r := range offs {
		p := v[i%4*2:]
		fn.T("ADD %v, %v, %v", r, x, at)
		fn.LdpQ(p[0], p[1], at, 0)
		fn.Fmla(acc[2*i], p[0], g[0])
		fn.Fmla(acc[2*i+1], p[1], g[1])
	}
	fn.T("ADD %v, %v, %v", dyPixel, dy, dy)
	fn.T("ADD %v, %v, %v", xPixel, x, x)
	fn.T("SUBS $1, %v, %v", n, n)
	fn.T("BNE col")
	fn.T("ADD %v, %v, %v", xRow, rowX, x)
	fn.T("SUBS $1, %v, %v", rows, rows)
	fn.T("BNE row")
	fn.T("MOVD %d(%v), %v", arguments.Offset("W"), args, table)
	for i := range taps {
		fn.StpQ(acc[2*i], acc[2*i+1], table, 64*i)
	}
	fn.Ret()
	return f.WriteFiles("../asm", "depthwisegrad_neon")
}
