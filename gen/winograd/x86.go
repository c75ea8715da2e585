package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// target is a vector unit of amd64, and the machine of its transforms.
type target struct {
	name  string
	lanes int
	vec   []reg.VecPhysical
}

var avx2 = target{"AVX2", 8, x86.YMM}

var avx512 = target{"AVX512", 16, x86.ZMM}

// The constants stay in the first registers.
func (t target) mov(d, s int)               { VMOVAPS(t.vec[s], t.vec[d]) }
func (t target) add(d, a, b int)            { VADDPS(t.vec[b], t.vec[a], t.vec[d]) }
func (t target) sub(d, a, b int)            { VSUBPS(t.vec[b], t.vec[a], t.vec[d]) }
func (t target) mul(d int, c factor, a int) { VMULPS(t.vec[c], t.vec[a], t.vec[d]) }
func (t target) fma(d int, c factor, a int) { VFMADD231PS(t.vec[c], t.vec[a], t.vec[d]) }
func (t target) fnma(d int, c factor, a int) {
	VFNMADD231PS(t.vec[c], t.vec[a], t.vec[d])
}

// The general registers of all functions.
var (
	tmp    = reg.RAX
	tmp2   = reg.RBX
	idx    = reg.RCX // bytes of channels done
	cursor = reg.RDX // into the planes
	planes = reg.RSI // of the tile
	args   = reg.RDI
	step   = reg.R8 // from one plane to the next that is used, and multiples
	step3  = reg.R9
	step5  = reg.R10
	plane  = reg.R11
	rows   = reg.R12
	cols   = reg.R13
	chans  = reg.R14
	work   = reg.R15
	tiles  = reg.RBP
)

func field(name string) Mem { return Mem{Base: args, Disp: arguments.Offset(name)} }

func amd64(t target) {
	x86.Declare("WinogradArgs")
	in, out := constants("winogradInput", inputFactors), constants("winogradOutput", outputFactors)
	for _, v := range inputs {
		t.input(v, in)
	}
	for _, v := range variants {
		t.output(v, out)
	}
}

func constants(name string, c [factors]float32) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i, f := range c {
		DATA(4*i, U32(math.Float32bits(f)))
	}
	return m
}

// start begins a function: registers that all have, and the constants.
func (t target) start(name, doc string, v variant, consts Mem) *pool {
	TEXT(name, NOSPLIT, "func(args *WinogradArgs)")
	Doc(doc)
	Pragma("noescape")
	Load(Param("args"), args)
	for _, l := range []struct {
		name string
		r    reg.GPPhysical
	}{{"Planes", planes}, {"Plane", plane}, {"Rows", rows}, {"Cols", cols}, {"Tiles", tiles}, {"Chans", chans}, {"Work", work}} {
		MOVQ(field(l.name), l.r)
	}
	if v.n == 4 {
		return newPool(0, len(t.vec))
	}
	for i := range factors {
		VBROADCASTSS(consts.Offset(4*int(i)), t.vec[i])
	}
	return newPool(int(factors), len(t.vec))
}

// steps leaves the distance of the planes that are used together, and its multiples.
func steps() {
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, step3)
	LEAQ(Mem{Base: step, Index: step, Scale: 4}, step5)
}

// from is the address of plane i from the cursor.
func from(i int) Mem {
	m := Mem{Base: cursor}
	switch i {
	case 1, 2, 4:
		m.Index, m.Scale = step, uint8(i)
	case 3:
		m.Index, m.Scale = step3, 1
	case 5:
		m.Index, m.Scale = step5, 1
	}
	return m
}

// addresses writes those of k x k pixels to the working memory.
func addresses(image, outside reg.GPPhysical, k, at int) {
	SUBQ(image, outside)
	for i := range k {
		for j := range k {
			MOVQ(Mem{Base: rows, Disp: 8 * i}, tmp)
			ADDQ(Mem{Base: cols, Disp: 8 * j}, tmp)
			CMOVQLT(outside, tmp)
			ADDQ(image, tmp)
			MOVQ(tmp, Mem{Base: work, Disp: at + 8*(i*k+j)})
		}
	}
}

func (t target) spill(n int) (spill, fill func(v, i, j int)) {
	at := func(i, j int) Mem { return Mem{Base: work, Disp: workSpill + 4*t.lanes*(i*n+j)} }
	return func(v, i, j int) { VMOVUPS(t.vec[v], at(i, j)) }, func(v, i, j int) { VMOVUPS(at(i, j), t.vec[v]) }
}

// next ends the loop over channels and that over tiles of k columns.
func (t target) next(k int) {
	ADDQ(Imm(uint64(4*t.lanes)), idx)
	CMPQ(idx, chans)
	JLT(LabelRef("channels"))
	ADDQ(Imm(uint64(8*k)), cols)
	ADDQ(field("Row"), planes)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

func (t target) input(v variant, consts Mem) {
	n := v.n
	p := t.start(v.inputName(t.name), v.inputDoc(t.name, t.lanes), v, consts)
	MOVQ(plane, step)
	steps()
	Label("tile")
	MOVQ(field("Image"), cursor)
	MOVQ(field("Outside"), tmp2)
	addresses(cursor, tmp2, n, workPixels)
	XORL(idx.As32(), idx.As32())
	Label("channels")
	spill, fill := t.spill(n)
	first := true
	LEAQ(Mem{Base: planes, Index: idx, Scale: 1}, cursor)
	passes(p, n, n, v.kept(len(t.vec), int(factors), n), func(d []int) []int { return input(t, p, d) },
		func(d, i, j int) {
			MOVQ(Mem{Base: work, Disp: workPixels + 8*(i*n+j)}, tmp)
			VMOVUPS(Mem{Base: tmp, Index: idx, Scale: 1}, t.vec[d])
		}, spill, fill,
		func(i int, y []int) {
			if !first {
				// n planes on
				if n == 6 {
					LEAQ(Mem{Base: cursor, Index: step3, Scale: 2}, cursor)
				} else {
					LEAQ(Mem{Base: cursor, Index: step, Scale: 4}, cursor)
				}
			}
			first = false
			for j, r := range y {
				VMOVUPS(t.vec[r], from(j))
			}
			p.put(y...)
		})
	t.next(n)
}

func (t target) output(v variant, consts Mem) {
	n, m := v.n, v.m
	p := t.start(v.outputName(t.name), v.outputDoc(t.name, t.lanes), v, consts)
	IMUL3Q(Imm(uint64(n)), plane, step)
	steps()
	Label("tile")
	MOVQ(field("Image"), cursor)
	MOVQ(field("Outside"), tmp2)
	addresses(cursor, tmp2, m, workPixels)
	MOVQ(field("Res"), cursor)
	TESTQ(cursor, cursor)
	JEQ(LabelRef("plain"))
	MOVQ(field("Outside"), tmp2)
	addresses(cursor, tmp2, m, workRes)
	Label("plain")
	XORL(idx.As32(), idx.As32())
	Label("channels")
	LEAQ(Mem{Base: planes, Index: idx, Scale: 1}, cursor)
	spill, fill := t.spill(n)
	passes(p, n, m, v.kept(len(t.vec), int(factors), m), func(d []int) []int { return output(t, p, m, d) },
		func(d, i, j int) {
			if i == 0 && j > 0 {
				ADDQ(plane, cursor)
			}
			VMOVUPS(from(i), t.vec[d])
		}, spill, fill,
		func(i int, y []int) {
			t.finish(p, fmt.Sprintf("row%d", i), m, i, y)
		})
	t.next(m)
}

// finish adds bias and residual to a row of a tile, applies the activation and stores it.
func (t target) finish(p *pool, label string, m, i int, y []int) {
	bias := p.get()
	MOVQ(field("Bias"), tmp)
	VMOVUPS(Mem{Base: tmp, Index: idx, Scale: 1}, t.vec[bias])
	for _, r := range y {
		t.add(r, r, bias)
	}
	p.put(bias)
	CMPQ(field("Res"), Imm(0))
	JEQ(LabelRef(label + "act"))
	for j, r := range y {
		MOVQ(Mem{Base: work, Disp: workRes + 8*(i*m+j)}, tmp)
		VADDPS(Mem{Base: tmp, Index: idx, Scale: 1}, t.vec[r], t.vec[r])
	}
	Label(label + "act")
	CMPQ(field("Act"), Imm(1))
	JLT(LabelRef(label + "store"))
	JGT(LabelRef(label + "leaky"))
	lo, hi := p.get(), p.get()
	VBROADCASTSS(field("Lo"), t.vec[lo])
	VBROADCASTSS(field("Hi"), t.vec[hi])
	ys := make([]reg.VecPhysical, len(y))
	for j, r := range y {
		ys[j] = t.vec[r]
	}
	x86.Clip(ys, t.vec[lo], t.vec[hi], field("Hi"), label)
	Label(label + "leaky")
	alpha, zero, scaled := lo, hi, p.get()
	VBROADCASTSS(field("Alpha"), t.vec[alpha])
	VXORPS(t.vec[zero].AsX(), t.vec[zero].AsX(), t.vec[zero].AsX())
	for _, r := range y {
		VMULPS(t.vec[alpha], t.vec[r], t.vec[scaled])
		if t.lanes == 16 {
			VCMPPS(Imm(0x1e), t.vec[zero], t.vec[r], reg.K1) // y > 0, quiet
			VMOVAPS(t.vec[r], reg.K1, t.vec[scaled])
			VMOVAPS(t.vec[scaled], t.vec[r])
		} else {
			mask := p.get()
			VCMPPS(Imm(0x1e), t.vec[zero], t.vec[r], t.vec[mask])
			VBLENDVPS(t.vec[mask], t.vec[r], t.vec[scaled], t.vec[r])
			p.put(mask)
		}
	}
	p.put(lo, hi, scaled)
	Label(label + "store")
	for j, r := range y {
		MOVQ(Mem{Base: work, Disp: workPixels + 8*(i*m+j)}, tmp)
		VMOVUPS(t.vec[r], Mem{Base: tmp, Index: idx, Scale: 1})
	}
	p.put(y...)
}
