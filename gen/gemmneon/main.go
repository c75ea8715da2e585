// Command gemmneon writes the GEMM tiles for arm64: asm/gemm_neon_arm64.s, and asm/gemm8_neon_arm64.s for 8-bit integers.
//
// A tile of Rows x 16 outputs stays in registers while k runs. Rows of A are read through a table of offsets, one
// entry for each row and kernel position, so that a dense GEMM and a convolution without im2col are the same code
// (Dukhan: The indirect convolution algorithm, 2019). Four floats of each row of A are loaded at a time and multiplied by lane.
package main

import (
	"fmt"
	"log"

	"github.com/ocellus-vision/ocellus/gen/gemmargs"
	"github.com/ocellus-vision/ocellus/gen/neon"
)

// maxRows rows of four accumulators, a register of A for each row and two registers of B are all 32 registers. Of the tiles that fit
// it loads least: 22 registers for 96 multiply-adds, where 4x16 loads 20 for 64 and 8x8 16 for 64.
const maxRows = 6

func main() {
	f := neon.NewFile("gen/gemmneon", "asm")
	f.Const("GemmRowsNEON", maxRows, "GemmRowsNEON is the largest Rows of GemmTileF32NEON.")
	fn := begin(f, "GemmTileF32NEON", maxRows,
		fmt.Sprintf("GemmTileF32NEON computes Tiles tiles of up to %d rows and 16 columns; see GemmArgs.", maxRows))
	emit(fn, maxRows, newTile)
	if err := f.WriteFiles("../asm", "gemm_neon"); err != nil {
		log.Fatal(err)
	}
	if err := integers().WriteFiles("../asm", "gemm8_neon"); err != nil {
		log.Fatal(err)
	}
}

// begin starts the function of tiles of up to so many rows: it loads what they keep in registers.
func begin(f *neon.File, name string, rows int, doc string) *neon.Func {
	fn := f.Func(name, "(args *GemmArgs)", doc)
	// The link register is at 0(RSP); the scratch tile begins at the next multiple of 16.
	fn.Frame(8 + 64*rows)
	fn.LoadArg("args", args)
	for _, l := range []struct {
		field string
		r     neon.R
	}{
		{"A", a}, {"Offs", offs}, {"C", c}, {"Res", res}, {"Tiles", tiles}, {"Cols", cols}, {"Zero", zero}, {"LDC", ldc}, {"LDR", ldr},
		{"OffStride", offStride}, {"K", depth},
	} {
		load(fn, l.field, l.r)
	}
	return fn
}

// emit writes the tiles of up to so many rows, and goes to that of Rows.
func emit(fn *neon.Func, rows int, newTile func(fn *neon.Func, rows int) *tile) {
	load(fn, "Rows", tmp)
	for r := rows; r > 1; r-- {
		fn.T("CMP $%d, %v", r, tmp)
		fn.T("BEQ rows%d", r)
	}
	for r := 1; r <= rows; r++ {
		newTile(fn, r).emit()
	}
}

// The integer registers of all tiles.
const (
	args      = neon.R0
	a         = neon.R1
	offs      = neon.R2 // of the tile
	c         = neon.R3
	res       = neon.R4 // 0 for none
	tiles     = neon.R5 // left
	cols      = neon.R6
	ptrB      = neon.R7
	k         = neon.R8 // left, of the step
	steps     = neon.R9 // left
	stepOffs  = neon.R10
	zero      = neon.R11
	ldc       = neon.R19
	ldr       = neon.R20
	offStride = neon.R21
	depth     = neon.R22
	tmp       = neon.R23
	ptr       = neon.R24 // rows of a tile in C, in Res or in the scratch tile
	ld        = neon.R25
)

// rowPtr are the running pointers into the rows of A. Outside the loop over steps they are free.
var rowPtr = [maxRows]neon.R{neon.R12, neon.R13, neon.R14, neon.R15, neon.R16, neon.R17}

func load(fn *neon.Func, field string, r neon.R) {
	fn.T("MOVD %d(%v), %v", gemmargs.Args.Offset(field), args, r)
}

// tile is the code for one number of rows.
type tile struct {
	*neon.Func
	rows  int
	acc   [][]neon.V // [row][quad of columns]
	rowA  []neon.V
	quadB []neon.V
	free  []neon.V // outside the loop over k, and none of acc

	begin    func()      // sets what the sums are kept in, from C or the bias in acc
	multiply func(n int) // adds the products of n (1 or 4) floats, or as many times four bytes, of every row of A with n rows of the panel
	end      func()      // makes the sums the results, in acc
}

// newTile returns a tile of float32.
func newTile(fn *neon.Func, rows int) *tile {
	t := laneTile(fn, rows)
	t.multiply = func(n int) {
		for q := range t.quadB {
			t.loadB(q, n)
		}
		t.loadA(n)
		t.byLane(n, t.FmlaLane)
	}
	t.end = func() {
		t.residual()
		t.activate()
	}
	return t
}

// laneTile returns a tile that multiplies by lane, with its registers.
func laneTile(fn *neon.Func, rows int) *tile {
	t := &tile{Func: fn, rows: rows, begin: func() {}}
	for range rows {
		t.acc = append(t.acc, fn.AllocN(4))
	}
	t.rowA = fn.AllocN(rows)
	t.quadB = fn.AllocN(min(8, (32-5*rows)&^1))
	t.free = append(append(t.free, t.quadB...), t.rowA...)
	return t
}

func (t *tile) label(name string) string { return fmt.Sprintf("%s%d", name, t.rows) }

func (t *tile) emit() {
	t.Label(t.label("rows"))
	t.start()
	t.begin()
	load(t.Func, "B", ptrB)
	load(t.Func, "Steps", steps)
	t.T("MOVD %v, %v", offs, stepOffs)
	t.T("CBZ %v, %s", steps, t.label("end"))
	t.Label(t.label("step"))
	for r := range t.rows {
		p := rowPtr[r]
		t.T("MOVW %d(%v), %v", 4*r, stepOffs, tmp)
		t.T("ADD %v<<2, %v, %v", tmp, a, p)
		t.T("CMP $0, %v", tmp)
		t.T("CSEL LT, %v, %v, %v", zero, p, p)
	}
	t.T("ADD %v, %v, %v", offStride, stepOffs, stepOffs)
	t.T("SUBS $4, %v, %v", depth, k)
	t.T("BLT %s", t.label("tail"))
	t.T("PCALIGN $16")
	t.Label(t.label("k4_"))
	t.multiply(4)
	t.T("SUBS $4, %v, %v", k, k)
	t.T("BGE %s", t.label("k4_"))
	t.Label(t.label("tail"))
	t.T("ADDS $4, %v, %v", k, k)
	t.T("BEQ %s", t.label("next"))
	t.Label(t.label("k1_"))
	t.multiply(1)
	t.T("SUBS $1, %v, %v", k, k)
	t.T("BNE %s", t.label("k1_"))
	t.Label(t.label("next"))
	t.T("SUBS $1, %v, %v", steps, steps)
	t.T("BNE %s", t.label("step"))
	t.Label(t.label("end"))
	t.end()
	t.store()
	load(t.Func, "AStep", tmp)
	t.T("ADD %v, %v, %v", tmp, a, a)
	load(t.Func, "OffStep", tmp)
	t.T("ADD %v, %v, %v", tmp, offs, offs)
	t.T("SUBS $1, %v, %v", tiles, tiles)
	t.T("BNE %s", t.label("rows"))
	t.Ret()
	for _, acc := range t.acc {
		t.Free(acc...)
	}
	t.Free(t.free...)
}

// loadB loads a quad of B, of the 4n at hand. They pass through quadB in turn; each is loaded as soon as its register is free, len(quadB)
// quads ahead of its use.
func (t *tile) loadB(q, n int) {
	if q < 4*n {
		t.LdrQ(t.quadB[q%len(t.quadB)], ptrB, 16*q)
	}
}

// loadA loads n floats, or as many times four bytes, of every row of A.
func (t *tile) loadA(n int) {
	for r := range t.rows {
		if n == 4 {
			t.LdrQP(t.rowA[r], rowPtr[r], 16)
		} else {
			t.LdrSP(t.rowA[r], rowPtr[r], 4)
		}
	}
}

// byLane multiplies n lanes of every row of A by n rows of the panel, whose first quads are loaded.
func (t *tile) byLane(n int, multiply func(d, n, m neon.V, lane int)) {
	for q := range 4 * n {
		for r := range t.rows {
			multiply(t.acc[r][q%4], t.quadB[q%len(t.quadB)], t.rowA[r], q/4)
		}
		t.loadB(q+len(t.quadB), n)
	}
	t.T("ADD $%d, %v, %v", 64*n, ptrB, ptrB)
}

// start sets the accumulators to C, to the bias or to +0.
func (t *tile) start() {
	load(t.Func, "Load", tmp)
	t.T("CBZ %v, %s", tmp, t.label("bias"))
	t.source("start", c, ldc)
	for r, acc := range t.acc {
		t.LdpQ(acc[0], acc[1], ptr, 0)
		t.LdpQ(acc[2], acc[3], ptr, 32)
		t.nextRow(r)
	}
	t.T("B %s", t.label("ready"))
	t.Label(t.label("bias"))
	load(t.Func, "Bias", ptr)
	t.T("CBZ %v, %s", ptr, t.label("plain"))
	t.Ld1(neon.S4, ptr, t.acc[0]...)
	for _, acc := range t.acc[1:] {
		for v := range acc {
			t.Mov(acc[v], t.acc[0][v])
		}
	}
	t.T("B %s", t.label("ready"))
	t.Label(t.label("plain"))
	for _, acc := range t.acc {
		for _, v := range acc {
			t.Movi(neon.S4, v, 0)
		}
	}
	t.Label(t.label("ready"))
}

// residual adds Res, where there is one.
func (t *tile) residual() {
	t.T("CBZ %v, %s", res, t.label("act"))
	t.source("residual", res, ldr)
	x := t.free
	for r, acc := range t.acc {
		t.LdpQ(x[0], x[1], ptr, 0)
		t.LdpQ(x[2], x[3], ptr, 32)
		for v := range acc {
			t.Fadd(acc[v], acc[v], x[v])
		}
		t.nextRow(r)
	}
	t.T("MOVD $%d, %v", t.rows, tmp)
	t.T("MADD %v, %v, %v, %v", tmp, res, ldr, res)
}

// activate applies the activation by comparing and selecting, so that a NaN stays and -0 follows the formula.
func (t *tile) activate() {
	t.Label(t.label("act"))
	load(t.Func, "Act", tmp)
	t.T("CMP $1, %v", tmp)
	t.T("BLT %s", t.label("store"))
	t.T("BGT %s", t.label("leaky"))
	t.clip()
	t.T("B %s", t.label("store"))
	t.Label(t.label("leaky"))
	alpha, pairs := t.free[0], t.free[2:]
	t.broadcast("Alpha", alpha)
	t.all(func(y neon.V, i int) {
		n := len(pairs) / 2
		m, scaled := pairs[i%n], pairs[n+i%n]
		t.FcmgtZero(m, y)
		t.Fmul(scaled, y, alpha)
		t.Bif(y, scaled, m)
	})
}

// clip brings the results between Lo and Hi.
func (t *tile) clip() {
	lo, hi, masks := t.free[0], t.free[1], t.free[2:]
	t.broadcast("Lo", lo)
	t.broadcast("Hi", hi)
	t.all(func(y neon.V, i int) {
		m := masks[i%len(masks)]
		t.Fcmgt(m, lo, y)
		t.Bit(y, lo, m)
	})
	t.all(func(y neon.V, i int) {
		m := masks[i%len(masks)]
		t.Fcmgt(m, y, hi)
		t.Bit(y, hi, m)
	})
}

// all calls do with each accumulator and its number.
func (t *tile) all(do func(y neon.V, i int)) {
	for r, acc := range t.acc {
		for v, y := range acc {
			do(y, 4*r+v)
		}
	}
}

func (t *tile) broadcast(field string, v neon.V) {
	t.T("ADD $%d, %v, %v", gemmargs.Args.Offset(field), args, tmp)
	t.Ld1r(neon.S4, v, tmp)
}

// store writes the tile to C and advances c by its rows.
func (t *tile) store() {
	t.Label(t.label("store"))
	t.T("CMP $16, %v", cols)
	t.T("BNE %s", t.label("ragged"))
	for _, acc := range t.acc {
		t.StpQ(acc[0], acc[1], c, 0)
		t.StpQ(acc[2], acc[3], c, 32)
		t.T("ADD %v, %v, %v", ldc, c, c)
	}
	t.T("B %s", t.label("stored"))
	t.Label(t.label("ragged"))
	t.scratch(ptr)
	for r, acc := range t.acc {
		t.StpQ(acc[0], acc[1], ptr, 64*r)
		t.StpQ(acc[2], acc[3], ptr, 64*r+32)
	}
	t.T("MOVD $64, %v", ld)
	t.copyRows("out", ptr, ld, c, ldc, t.copyFloats)
	t.Label(t.label("stored"))
}

// source sets ptr to rows of 16 floats, ld bytes apart, that begin with the cols floats of the rows at src, ldSrc bytes apart: to
// src where cols is 16, else to a copy in the scratch tile, for nothing may be read beyond them.
func (t *tile) source(name string, src, ldSrc neon.R) {
	t.T("MOVD %v, %v", src, ptr)
	t.T("MOVD %v, %v", ldSrc, ld)
	t.T("CMP $16, %v", cols)
	t.T("BEQ %s", t.label(name+"Whole"))
	from := rowPtr[4]
	t.T("MOVD %v, %v", src, from)
	t.scratch(ptr)
	t.T("MOVD $64, %v", ld)
	t.copyRows(name, from, ldSrc, ptr, ld, t.copyFloats)
	t.scratch(ptr)
	t.Label(t.label(name + "Whole"))
}

// scratch sets r to the scratch tile.
func (t *tile) scratch(r neon.R) { t.T("ADD $16, RSP, %v", r) }

// nextRow advances ptr, but not beyond the last row.
func (t *tile) nextRow(r int) {
	if r < t.rows-1 {
		t.T("ADD %v, %v, %v", ld, ptr, ptr)
	}
}

// copyRows copies cols < 16 columns of each row and leaves both pointers behind the last row. move copies n of them (8, 4, 2 or, at last, 1) from
// src to dst and advances both. It uses the registers of free and rowPtr[:3].
func (t *tile) copyRows(name string, src, ldSrc, dst, ldDst neon.R, move func(n int, src, dst neon.R)) {
	left, s, d := rowPtr[0], rowPtr[1], rowPtr[2]
	label := func(n int) string { return t.label(fmt.Sprintf("%sCopy%d_", name, n)) }
	t.T("MOVD $%d, %v", t.rows, left)
	t.Label(label(0))
	t.T("MOVD %v, %v", src, s)
	t.T("MOVD %v, %v", dst, d)
	for bit := 3; bit >= 0; bit-- {
		n := 1 << bit
		after := label(n / 2)
		if n == 1 {
			after = label(9)
		}
		t.T("TBZ $%d, %v, %s", bit, cols, after)
		move(n, s, d)
		t.Label(after)
	}
	t.T("ADD %v, %v, %v", ldSrc, src, src)
	t.T("ADD %v, %v, %v", ldDst, dst, dst)
	t.T("SUBS $1, %v, %v", left, left)
	t.T("BNE %s", label(0))
}

// copyFloats is copyRows' move of float32 and int32.
func (t *tile) copyFloats(n int, src, dst neon.R) {
	x, y := t.free[0], t.free[1]
	switch n {
	case 8:
		t.LdpQP(x, y, src, 32)
		t.StpQP(x, y, dst, 32)
	case 4:
		t.LdrQP(x, src, 16)
		t.StrQP(x, dst, 16)
	case 2:
		t.LdrDP(x, src, 8)
		t.StrDP(x, dst, 8)
	case 1:
		t.LdrS(x, src, 0)
		t.StrS(x, dst, 0)
	}
}
