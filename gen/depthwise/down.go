package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// down emits a function for a 3x3 window that computes several blocks of channels: tile by tile of columns, in it block by block, and in
// that down the rows. Every input row is loaded once, for all rows of outputs whose windows it is under; they are in work together. So the loads
// are few, and a vector that is not aligned costs little.
//
// It is for vectors of a cache line: nothing else of the line is needed soon.
func (t target) down(win window) {
	start(win.downName(t.name), win.runsDoc(win.downName(t.name), t.lanes)+" Its strides along rows and columns are the same, and so are Pixel and DstPixel.", 0)
	local := func() Mem { return AllocLocal(8) }
	rows, rowStep, ys := local(), local(), local()
	blocks, top := local(), local() // blocks left; the block's first output

	args, leftOff, rightOff := tmp, reg.R15, reg.RBP
	sets := (win.kw + win.sw - 1) / win.sw // rows of outputs in work
	weights := t.vec[len(t.vec)-win.kw*win.kw:]

	Load(Param("args"), args)
	at := newColumns(args)
	for _, c := range []struct {
		field string
		local Mem
	}{{"Rows", rows}, {"RowStep", rowStep}, {"Ys", ys}} {
		MOVQ(field(args, c.field), row)
		MOVQ(row, c.local)
	}
	MOVQ(field(args, "Zero"), zero)
	at.choose()

	for _, p := range tiles {
		label := fmt.Sprintf("tile%d", p)
		last := win.inputs(p) - 1
		acc := func(set int) []reg.VecPhysical { return t.vec[p*set:][:p] }
		free := t.vec[p*sets : len(t.vec)-len(weights)]

		Label(label)
		// An input outside is masked, and its address moved to the pixel inside: a masked load from a page that is not there is slow.
		MOVQ(at.room, tmp)
		SUBQ(Imm(uint64(1+last)), tmp)
		SARQ(Imm(63), tmp)
		KMOVW(tmp.As32(), reg.K2)
		KNOTW(reg.K2, reg.K2)
		ANDQ(s1, tmp)
		IMUL3Q(Imm(uint64(last)), s1, rightOff)
		SUBQ(tmp, rightOff)
		MOVQ(at.ix, leftOff)
		SARQ(Imm(63), leftOff)
		KMOVW(leftOff.As32(), reg.K1)
		KNOTW(reg.K1, reg.K1)
		ANDQ(s1, leftOff)
		Load(Param("args"), args)
		MOVQ(field(args, "W"), w)
		MOVQ(field(args, "Blocks"), tmp)
		MOVQ(tmp, blocks)
		MOVQ(at.from, src)
		MOVQ(at.to, dst)
		MOVQ(dst, top)

		Label(label + "block")
		for i, v := range weights {
			VMOVUPS(Mem{Base: w, Disp: (1 + i) * tap}, v)
		}
		MOVQ(rows, table)
		MOVQ(ys, left)

		// address leaves that of kernel row i of the first row of outputs in work, or of the one after it, in r.
		address := func(i int, next bool, r reg.Register) {
			m := Mem{Base: table, Disp: 8 * i}
			if next {
				MOVQ(rowStep, r)
				m.Index, m.Scale = r, 1
			}
			MOVQ(m, r)
			ADDQ(src, r)
			CMOVQLT(zero, r)
		}
		// prefetch fetches input q of the row that tmp leads to, inside the picture or not, and the q-th of the outputs to be stored. Where these channels
		// of a pixel span two lines, those before have fetched the first of the input; that of the output may be gone, and a store waits for both. With a
		// step there are more lines than cache that can wait for them.
		prefetch := func(q int) {
			if win.sw == 1 && q < p {
				PREFETCHT0(pixels.From(dst, q))
				PREFETCHT0(pixels.From(dst, q).Offset(tap - 1))
			}
			if win.sw == 1 || 0 < q && q < min(last, 8) {
				PREFETCHT0(pixels.From(tmp, q).Offset(tap - 1))
			}
		}
		// multiply adds the products of that kernel row, and those of the same inputs in the other rows of outputs.
		multiply := func(i, outputs int) {
			address(i, false, row)
			if last > 8 {
				LEAQ(Mem{Base: row, Index: s1, Scale: 8}, row8)
			}
			ahead := outputs == sets && i >= win.kw-win.sw // the row is under the next outputs, and not under these
			if ahead {
				address(i, true, tmp)
			}
			if o := i / win.sw; i%win.sw == 0 && o < outputs {
				VMOVUPS(Mem{Base: w}, acc(o)[0])
				for _, a := range acc(o)[1:] {
					VMOVAPS(acc(o)[0], a)
				}
			}
			for q := range last + 1 {
				if ahead {
					prefetch(q)
				}
				in := free[q%len(free)]
				switch q {
				case 0:
					VMOVUPS_Z(Mem{Base: row, Index: leftOff, Scale: 1}, reg.K1, in)
				case last:
					VMOVUPS_Z(Mem{Base: row, Index: rightOff, Scale: 1}, reg.K2, in)
				default:
					VMOVUPS(pixel(row, row8, q), in)
				}
				for o := 0; o < outputs && o*win.sw <= i; o++ {
					for j := range win.kw {
						if x := q - j; x >= 0 && x%win.sw == 0 && x/win.sw < p {
							VFMADD231PS(weights[win.kw*(i-o*win.sw)+j], in, acc(o)[x/win.sw])
						}
					}
				}
			}
		}
		// finish computes what is missing of a row of outputs, with so many left, and makes the next row the first in work.
		finish := func(outputs int) {
			for i := win.kw - win.sw; i < win.kw; i++ {
				multiply(i, outputs)
			}
			t.act(fmt.Sprintf("%sleft%d", label, outputs), acc(0), free)
			for x, a := range acc(0) {
				VMOVUPS(a, pixels.From(dst, x))
			}
			ADDQ(at.dstRow, dst)
			ADDQ(rowStep, table)
			for o := range outputs - 1 {
				for x, a := range acc(o + 1) {
					VMOVAPS(a, acc(o)[x])
				}
			}
		}
		for i := range win.kw - win.sw {
			multiply(i, sets)
		}
		for n := 1; n < sets; n++ {
			CMPQ(left, Imm(uint64(n)))
			JEQ(LabelRef(fmt.Sprintf("%send%d", label, n)))
		}
		Label(label + "row")
		finish(sets)
		DECQ(left)
		CMPQ(left, Imm(uint64(sets-1)))
		JNE(LabelRef(label + "row"))
		for n := sets - 1; n > 0; n-- {
			Label(fmt.Sprintf("%send%d", label, n))
			finish(n)
		}
		ADDQ(I32(int32((1+len(weights))*tap)), w)
		ADDQ(I8(int8(4*t.lanes)), src)
		MOVQ(top, dst)
		ADDQ(I8(int8(4*t.lanes)), dst)
		MOVQ(dst, top)
		DECQ(blocks)
		JNZ(LabelRef(label + "block"))

		at.next(win, p)
	}
}
