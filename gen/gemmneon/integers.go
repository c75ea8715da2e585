package main

import (
	"fmt"
	"strings"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

// flip is GemmArgs.Flip, and in tiles of pairs its complement in the upper 32 bits.
const flip = neon.R26

// pairRows rows of eight accumulators leave registers for products that wait, without which CPUs that execute in order would wait for them.
const pairRows = 2

// integers returns the file of tiles of 8-bit integers.
func integers() *neon.File {
	f := neon.NewFile("gen/gemmneon", "asm")
	f.Const("GemmDotRowsNEON", maxRows, "GemmDotRowsNEON is the largest Rows of GemmDotTileI8NEON.")
	f.Const("GemmDotPlainRowsNEON", pairRows, "GemmDotPlainRowsNEON is the largest Rows of GemmDotPlainTileI8NEON.")
	fn := begin(f, "GemmDotTileI8NEON", maxRows,
		fmt.Sprintf("GemmDotTileI8NEON computes Tiles tiles of 8-bit integers, of up to %d rows and 16 columns; see GemmArgs. It needs FEAT_DotProd.", maxRows))
	load(fn, "Flip", flip)
	emit(fn, maxRows, newDotTile)
	fn = begin(f, "GemmDotPlainTileI8NEON", pairRows,
		fmt.Sprintf("GemmDotPlainTileI8NEON is GemmDotTileI8NEON of up to %d rows for CPUs without FEAT_DotProd.", pairRows))
	fn.Frame(oddOffset - 8 + 64)
	load(fn, "Flip", flip)
	fn.T("MVNW %v, %v", flip, tmp)
	fn.T("ORR %v<<32, %v, %v", tmp, flip, flip)
	odd(fn)
	emit(fn, pairRows, newPairTile)
	return f
}

// newDotTile returns the tile of float32 with four bytes in the place of each float of A and B, and their dot product in that of the product.
func newDotTile(fn *neon.Func, rows int) *tile {
	t := laneTile(fn, rows)
	t.multiply = func(n int) {
		last := len(t.quadB) - 1
		t.loadA(n)
		for q := range last {
			t.loadB(q, n)
		}
		t.flipA(neon.S4, t.quadB[last])
		t.loadB(last, n)
		t.byLane(n, t.SdotLane)
	}
	t.end = t.requantise
	return t
}

// flipA applies flip, taken as lanes of a, to the bytes of A.
func (t *tile) flipA(a neon.Arr, tmp neon.V) {
	t.Dup(a, tmp, flip)
	for _, v := range t.rowA {
		t.Eor(v, v, tmp)
	}
}

// newPairTile returns a tile for CPUs without dot products. SMULL multiplies eight bytes, SMLSL takes off eight products of the next step along K, and SADALP adds
// neighbours to 32 bits: a column's sum is in two lanes until the end. These are three instructions for 16 products, where a Cortex-A53, which executes one at a
// time, would need four if each product went to 32 bits by itself or as 16 bits by lane; and of a Cortex-A72's two pipes, two are for the one that multiplies.
//
// Two products of -128 by -128 are too much for 16 bits. Therefore the bytes y of A in every second step are ^y = -1-y, and x·a - ^y·b is at most
// 128·128 + 127·128 away from 0. It is x·a + y·b and one b too many, which is taken off the sums where they start; see odd.
func newPairTile(fn *neon.Func, rows int) *tile {
	t := &tile{Func: fn, rows: rows}
	var pairs [][]neon.V // [row][pair of columns]
	for range rows {
		p := fn.AllocN(8)
		pairs = append(pairs, p)
		t.acc = append(t.acc, p[:4])
		t.free = append(t.free, p[4:]...)
	}
	t.rowA = fn.AllocN(rows)
	t.quadB = fn.AllocN(4)
	four := [2][]neon.V{fn.AllocN(rows), fn.AllocN(rows)} // four bytes of a row of A in every lane, of both of two steps along K
	products := fn.AllocN(6)
	for _, v := range [][]neon.V{t.rowA, t.quadB, four[0], four[1], products} {
		t.free = append(t.free, v...)
	}

	t.begin = func() {
		x := t.quadB
		t.LdpQ(x[0], x[1], neon.RSP, oddOffset)
		t.LdpQ(x[2], x[3], neon.RSP, oddOffset+32)
		zero := products[0]
		t.Movi(neon.S4, zero, 0)
		for r, acc := range t.acc {
			for j := 3; j >= 0; j-- {
				t.Sub(neon.S4, acc[j], acc[j], x[j])
				t.Zip2(neon.S4, pairs[r][2*j+1], acc[j], zero)
				t.Zip1(neon.S4, pairs[r][2*j], acc[j], zero)
			}
		}
	}
	t.multiply = func(n int) {
		two := n == 4                  // steps along K at a time
		loadB := func(i, second int) { // for the four columns i of those that are left
			if k := i/4*2 + second; k < n {
				t.LdrQ(t.quadB[i%2*2+second], ptrB, 16*(4*k+i%4))
			}
		}
		spread := func(k int) {
			if k < n {
				for r, v := range t.rowA {
					t.DupLane(neon.S4, four[k%2][r], v, k)
				}
			}
		}
		t.loadA(n)
		for i := range 2 {
			loadB(i, 0)
			loadB(i, 1)
		}
		t.flipA(neon.D2, products[0])
		spread(0)
		spread(1)
		// Unit u is of eight bytes of B, half of one register, and a row. Each of its instructions waits for that before it.
		perQuad := 2 * rows
		units := (n + 1) / 2 * 4 * perQuad
		product := func(u int) neon.V { return products[u%len(products)] }
		multiply := func(u, second int, do func(a neon.Arr, d, n, m neon.V)) {
			i, r, half := u/perQuad, u%perQuad/2, u%2
			do(neon.B8+neon.Arr(half), product(u), t.quadB[i%2*2+second], four[second][r])
			if (u+1)%perQuad == 0 {
				loadB(i+2, second)
				if i%4 == 3 {
					spread(i/4*2 + 2 + second)
				}
			}
		}
		for slot := range units + len(products) {
			if u := slot - len(products); u >= 0 {
				t.Sadalp(neon.H8, pairs[u%perQuad/2][u/perQuad%4*2+u%2], product(u))
			}
			if u := slot - len(products)/2; two && u >= 0 && u < units {
				multiply(u, 1, t.Smlsl)
			}
			if slot < units {
				multiply(slot, 0, t.Smull)
			}
		}
		t.T("ADD $%d, %v, %v", 64*n, ptrB, ptrB)
	}
	t.end = func() {
		for r, acc := range t.acc {
			for j, v := range acc {
				t.Addp(neon.S4, v, pairs[r][2*j], pairs[r][2*j+1])
			}
		}
		t.requantise()
	}
	return t
}

// oddOffset is where in the frame the sums of odd are, behind the scratch tile.
const oddOffset = 16 + 64*pairRows

// odd adds up, for each column, the weights of the second steps of all pairs.
func odd(fn *neon.Func) {
	sums, x, y := fn.AllocN(4), fn.AllocN(4), fn.AllocN(4)
	for _, v := range sums {
		fn.Movi(neon.S4, v, 0)
	}
	load(fn, "B", ptrB)
	load(fn, "Steps", steps)
	fn.T("CBZ %v, odd", steps)
	fn.Label("oddStep")
	fn.T("SUBS $4, %v, %v", depth, k)
	fn.T("BLT oddTail")
	fn.T("PCALIGN $16")
	fn.Label("oddK4")
	for j := range 4 {
		fn.LdrQ(x[j], ptrB, 64+16*j)
		fn.LdrQ(y[j], ptrB, 3*64+16*j)
	}
	for j := range 4 {
		fn.Saddlp(neon.B16, x[j], x[j])
	}
	for j := range 4 {
		fn.Sadalp(neon.B16, x[j], y[j])
	}
	for j := range 4 {
		fn.Sadalp(neon.H8, sums[j], x[j])
	}
	fn.T("ADD $%d, %v, %v", 4*64, ptrB, ptrB)
	fn.T("SUBS $4, %v, %v", k, k)
	fn.T("BGE oddK4")
	fn.Label("oddTail")
	fn.T("ADD $4, %v, %v", k, k)
	fn.T("ADD %v<<6, %v, %v", k, ptrB, ptrB)
	fn.T("SUBS $1, %v, %v", steps, steps)
	fn.T("BNE oddStep")
	fn.Label("odd")
	fn.StpQ(sums[0], sums[1], neon.RSP, oddOffset)
	fn.StpQ(sums[2], sums[3], neon.RSP, oddOffset+32)
	for _, v := range [][]neon.V{sums, x, y} {
		fn.Free(v...)
	}
}

// requantise stores bytes where Act asks for them, and goes on behind store.
func (t *tile) requantise() {
	load(t.Func, "Act", tmp)
	t.T("CBZ %v, %s", tmp, t.label("store"))
	scale := t.free[:4]
	load(t.Func, "Scale", ptr)
	t.LdpQ(scale[0], scale[1], ptr, 0)
	t.LdpQ(scale[2], scale[3], ptr, 32)
	t.all(func(y neon.V, _ int) { t.Scvtf(y, y) })
	t.all(func(y neon.V, i int) { t.Fmul(y, y, scale[i%4]) })
	t.clip()
	point := t.free[0]
	t.broadcast("Point", point)
	t.all(func(y neon.V, _ int) { t.Fcvtns(y, y) })
	t.all(func(y neon.V, _ int) { t.Add(neon.S4, y, y, point) })
	for _, acc := range t.acc {
		t.Uzp1(neon.H8, acc[0], acc[0], acc[1])
		t.Uzp1(neon.H8, acc[2], acc[2], acc[3])
		t.Uzp1(neon.B16, acc[0], acc[0], acc[2])
	}
	t.T("CMP $16, %v", cols)
	t.T("BNE %s", t.label("raggedBytes"))
	for _, acc := range t.acc {
		t.StrQ(acc[0], c, 0)
		t.T("ADD %v, %v, %v", ldc, c, c)
	}
	t.T("B %s", t.label("stored"))
	t.Label(t.label("raggedBytes"))
	t.scratch(ptr)
	for r, acc := range t.acc {
		t.StrQ(acc[0], ptr, 16*r)
	}
	t.T("MOVD $16, %v", ld)
	t.copyRows("bytes", ptr, ld, c, ldc, t.copyBytes)
	t.T("B %s", t.label("stored"))
}

// copyBytes is copyRows' move of bytes.
func (t *tile) copyBytes(n int, src, dst neon.R) {
	mov := map[int]string{8: "MOVD", 4: "MOVWU", 2: "MOVHU", 1: "MOVBU"}[n]
	t.T("%s.P %d(%v), %v", mov, n, src, tmp)
	t.T("%s.P %v, %d(%v)", strings.TrimSuffix(mov, "U"), tmp, n, dst)
}
