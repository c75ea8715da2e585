package main

import (
	"fmt"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// runs emits a function that computes several blocks of channels: tile by tile of columns, in it row by row, in that block by block. So
// memory is read in runs, and what one row of outputs shares with the next is still in the first cache.
//
// Where another program uses the core's other thread, it is the number of instructions that binds: an input that meets few outputs is
// an operand of theirs in memory, and whether a pixel lies outside the picture is settled before the channels.
func (t target) runs(win window) {
	k, edge := win.kw, win.edge()
	start(win.name(t.name), win.runsDoc(win.name(t.name), t.lanes), 0)
	inRows, ys, bytes := AllocLocal(8), AllocLocal(8), AllocLocal(8) // where the output row's input rows are; output rows left; bytes of the blocks
	edges := AllocLocal(8 * k * 2 * edge)                            // where the outermost inputs of each kernel row are read from

	rows := []reg.Register{reg.RAX, reg.RCX, reg.RDX, reg.R12, reg.R15}
	moving := rows[:min(k, len(rows))] // those that go along with dst
	var ends Mem
	if k > len(rows) {
		// More rows take turns in one register.
		rows, moving, ends = slices.Repeat(rows[:1], k), nil, AllocLocal(8*k)
	}
	args, c, step := tmp, left, reg.RBP
	// Where there is a register for it, inputs of the row that the next outputs have and these have not are fetched ahead.
	ahead, next := k == 3 && win.sw == 1 && len(t.vec) == 16, reg.R12
	if ahead {
		moving = append(slices.Clone(moving), next)
	}
	// The weights of a packed block's halves lie next to each other, those of the next behind all taps.
	vector := 4 * t.lanes
	block := (1 + k*k) * tap

	Load(Param("args"), args)
	at := newColumns(args)
	// From here on they are behind the blocks, to which a negative distance leads.
	MOVQ(field(args, "Blocks"), c)
	IMUL3Q(Imm(uint64(vector)), c, c)
	MOVQ(c, bytes)
	ADDQ(c, at.from)
	ADDQ(c, at.to)
	at.choose()

	for _, p := range tiles {
		label := fmt.Sprintf("tile%d", p)
		n := win.inputs(p)
		acc, weight, in := t.vec[:p], t.vec[p], t.vec[p+1:]
		Label(label)
		Load(Param("args"), args)
		MOVQ(field(args, "Rows"), w)
		MOVQ(w, inRows)
		MOVQ(field(args, "Ys"), w)
		MOVQ(w, ys)
		MOVQ(at.to, dst)

		Label(label + "row")
		MOVQ(inRows, w)
		MOVQ(at.from, c)
		Load(Param("args"), args)
		MOVQ(field(args, "Zero"), step)
		ADDQ(bytes, step)
		for i, r := range rows[:k] {
			MOVQ(Mem{Base: w, Disp: 8 * i}, r)
			TESTQ(r, r)
			LEAQ(Mem{Base: r, Index: c, Scale: 1}, r)
			CMOVQLT(step, r)
			if n > 8 {
				LEAQ(Mem{Base: r, Index: s1, Scale: 8}, row8)
			}
			for e := range 2 * edge {
				q := win.edgeInput(p, e)
				LEAQ(pixel(r, row8, q), tmp)
				if left, right := win.outside(p, q); left {
					CMPQ(at.ix, I8(int8(-q)))
					CMOVQLT(step, tmp)
				} else if right {
					CMPQ(at.room, I8(int8(q)))
					CMOVQLE(step, tmp)
				}
				MOVQ(tmp, edges.Offset(8*(2*edge*i+e)))
			}
			if moving == nil {
				MOVQ(r, ends.Offset(8*i))
			}
		}
		Load(Param("args"), args)
		if ahead {
			MOVQ(w, next)
		}
		ADDQ(field(args, "RowStep"), w)
		if ahead {
			// Below 0 there is nothing to fetch; of the last row of outputs it is what is there already.
			CMPQ(ys, Imm(1))
			CMOVQNE(w, next)
			MOVQ(Mem{Base: next, Disp: 8 * (k - 1)}, next)
			ADDQ(at.from, next)
			ADDQ(s1, next) // for the reach of multiples of a pixel
			ORQ(field(args, "Near"), next)
		}
		MOVQ(w, inRows)
		MOVQ(field(args, "W"), w)
		MOVQ(bytes, c)
		NEGQ(c)
		for _, r := range append([]reg.Register{dst}, moving...) {
			ADDQ(c, r)
		}
		if 2*vector == tap {
			MOVQ(U32(uint32(vector)), step)
		}

		Label(label + "block")
		VMOVUPS(Mem{Base: w}, weight)
		for _, a := range acc {
			VMOVAPS(weight, a)
		}
		for i, r := range rows[:k] {
			if moving == nil {
				MOVQ(ends.Offset(8*i), r)
				ADDQ(c, r)
			}
			if n-edge > 8 {
				LEAQ(Mem{Base: r, Index: s1, Scale: 8}, row8)
			}
			place := func(q int) Mem {
				for e := range 2 * edge {
					if win.edgeInput(p, e) == q {
						MOVQ(edges.Offset(8*(2*edge*i+e)), tmp)
						return Mem{Base: tmp, Index: c, Scale: 1}
					}
				}
				return pixel(r, row8, q)
			}
			t.kernelRow(win, i, acc, weight, in, place)
		}
		if ahead {
			TESTQ(next, next)
			JLT(LabelRef(label + "near"))
			for q := 2 * edge; q < n; q++ {
				PREFETCHT0(pixels.From(next, q-1))
			}
			Label(label + "near")
		}
		t.act(label, acc, t.vec[len(acc):])
		at.store(acc)
		for _, r := range append([]reg.Register{dst}, moving...) {
			ADDQ(Imm(uint64(vector)), r)
		}
		if 2*vector == tap {
			ADDQ(step, w)
			XORQ(I32(int32(vector^(block-vector))), step)
		} else {
			ADDQ(I32(int32(block)), w)
		}
		ADDQ(Imm(uint64(vector)), c)
		JNZ(LabelRef(label + "block"))

		ADDQ(at.dstRow, dst)
		DECQ(ys)
		JNZ(LabelRef(label + "row"))

		at.next(win, p)
	}
}

// kernelRow adds the products of a kernel row, one tap after the other. An input that meets more outputs than most is kept in a register
// where there is one.
func (t target) kernelRow(win window, i int, acc []reg.VecPhysical, weight reg.VecPhysical, free []reg.VecPhysical, place func(q int) Mem) {
	k, n := win.kw, win.inputs(len(acc))
	most := 2
	if win.sw > 1 || 4*t.lanes == tap {
		most = 1 // where every input meets few, or loads may cross cache lines, loads would bind
	}
	uses := make([]int, n)
	for x := range acc {
		for j := range k {
			uses[x*win.sw+j]++
		}
	}
	kept := make([]reg.Register, n)
	free = slices.Clone(free)
	for j := range k {
		VMOVUPS(Mem{Base: w, Disp: (1 + k*i + j) * tap}, weight)
		for x, a := range acc {
			q := x*win.sw + j
			if kept[q] == nil && uses[q] > most && len(free) > 0 {
				VMOVUPS(place(q), free[0])
				kept[q], free = free[0], free[1:]
			}
			if kept[q] == nil {
				VFMADD231PS(place(q), weight, a)
			} else {
				VFMADD231PS(kept[q], weight, a)
			}
			if uses[q]--; uses[q] == 0 && kept[q] != nil {
				free = append(free, kept[q].(reg.VecPhysical))
			}
		}
	}
}
