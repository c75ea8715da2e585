package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

// target is a vector unit of amd64.
type target struct {
	name  string
	lanes int
	vec   []reg.VecPhysical
}

var avx2 = target{"AVX2", 8, x86.YMM}

var avx512 = target{"AVX512", 16, x86.ZMM}

// The general registers of all functions.
const tap = 64 // bytes from a tap's weights to the next

var (
	row   = reg.RAX // input row, at the tile's first column
	tmp   = reg.RBX
	src   = reg.RCX // tile's first column
	table = reg.RDX // of the kernel row
	w     = reg.RSI // of the kernel row
	dst   = reg.RDI
	s1    = reg.R8 // bytes of a pixel, and multiples
	s3    = reg.R9
	s5    = reg.R10
	s7    = reg.R11
	zero  = reg.R12
	left  = reg.R13 // kernel rows left
	row8  = reg.R14 // eight pixels from row
	xs    = reg.R15 // output columns left
)

func field(base reg.Register, name string) Mem { return Mem{Base: base, Disp: arguments.Offset(name)} }

func start(name, doc string, frame int) Mem {
	TEXT(name, NOSPLIT, "func(args *DepthwiseArgs)")
	Doc(doc)
	Pragma("noescape")
	return AllocLocal(frame)
}

func amd64(t target) {
	x86.Declare("DepthwiseArgs")
	for _, w := range windows {
		switch {
		case len(t.vec) == 16:
			t.runs(w)
		case w.kw == 3:
			t.resident(w)
		default:
			t.window(w)
		}
	}
	t.any()
	t.move()
}

func (t target) move() {
	name, doc := moveName(t.name)
	TEXT(name, NOSPLIT, "func"+moveSignature)
	Doc(doc)
	Pragma("noescape")
	dst, src, pixels, blocks := reg.RAX, reg.RBX, reg.RCX, reg.RDX
	dstPixel, dstBlock, srcPixel, srcBlock := reg.RSI, reg.RDI, reg.R8, reg.R9
	to, from, left := reg.R10, reg.R11, reg.R12
	for _, a := range []struct {
		name string
		r    reg.GPPhysical
	}{
		{"dst", dst}, {"src", src}, {"pixels", pixels}, {"blocks", blocks},
		{"dstPixel", dstPixel}, {"dstBlock", dstBlock}, {"srcPixel", srcPixel}, {"srcBlock", srcBlock},
	} {
		Load(Param(a.name), a.r)
	}
	Label("pixel")
	MOVQ(dst, to)
	MOVQ(src, from)
	MOVQ(blocks, left)
	Label("block")
	for i := range 16 / t.lanes {
		VMOVUPS(Mem{Base: from, Disp: 4 * t.lanes * i}, t.vec[i])
		VMOVUPS(t.vec[i], Mem{Base: to, Disp: 4 * t.lanes * i})
	}
	ADDQ(srcBlock, from)
	ADDQ(dstBlock, to)
	DECQ(left)
	JNZ(LabelRef("block"))
	ADDQ(srcPixel, src)
	ADDQ(dstPixel, dst)
	DECQ(pixels)
	JNZ(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}

// multiples makes s3, s5 and s7 of s1.
func multiples() {
	LEAQ(Mem{Base: s1, Index: s1, Scale: 2}, s3)
	LEAQ(Mem{Base: s1, Index: s1, Scale: 4}, s5)
	LEAQ(Mem{Base: s3, Index: s1, Scale: 4}, s7)
}

// pixel is the address of pixel q from base, or from base8 for the eighth and beyond.
func pixel(base, base8 reg.Register, q int) Mem {
	m := Mem{Base: base}
	if q >= 8 {
		m.Base = base8
		q -= 8
	}
	switch q {
	case 0:
	case 1, 2, 4, 8:
		m.Index, m.Scale = s1, uint8(q)
	case 3, 6:
		m.Index, m.Scale = s3, uint8(q/3)
	case 5:
		m.Index, m.Scale = s5, 1
	case 7:
		m.Index, m.Scale = s7, 1
	default:
		panic("depthwise: pixel too far")
	}
	return m
}

// resident emits a function for 3x3 windows that keeps bias and weights in registers.
func (t target) resident(win window) {
	l := start(win.name(t.name), win.doc(win.name(t.name), t.lanes), 24)
	rowTable, ys, first := l, l.Offset(8), l.Offset(16)
	args, ix, room, leftOff, rightOff := tmp, w, left, tmp, reg.RBP
	bias := t.vec[31]
	weights := t.vec[22:31]
	Load(Param("args"), args)
	MOVQ(field(args, "Src"), src)
	SUBQ(field(args, "Skip"), src)
	MOVQ(src, first)
	MOVQ(field(args, "Dst"), dst)
	MOVQ(field(args, "Zero"), zero)
	MOVQ(field(args, "Pixel"), s1)
	multiples()
	MOVQ(field(args, "Rows"), table)
	MOVQ(table, rowTable)
	MOVQ(field(args, "Ys"), row)
	MOVQ(row, ys)
	MOVQ(field(args, "W"), row)
	VMOVUPS(Mem{Base: row}, bias)
	for i, v := range weights {
		VMOVUPS(Mem{Base: row, Disp: (1 + i) * tap}, v)
	}
	MOVQ(rowTable, table)

	Label("row")
	Load(Param("args"), args)
	MOVQ(field(args, "OW"), xs)
	MOVQ(field(args, "PL"), ix)
	MOVQ(field(args, "Width"), room)
	ADDQ(ix, room)
	NEGQ(ix)
	MOVQ(first, src)
	Label("next")
	for _, p := range tiles {
		CMPQ(xs, Imm(uint64(p)))
		JGE(LabelRef(fmt.Sprintf("tile%d", p)))
	}
	ADDQ(Imm(uint64(8*win.kw)), table)
	DECQ(ys)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()

	for _, p := range tiles {
		label := fmt.Sprintf("tile%d", p)
		Label(label)
		acc, in := t.vec[:p], t.vec[p:p+win.inputs(p)]
		// An input outside is masked, and its address moved to the pixel inside: a masked load from a page that is not there is slow.
		last := len(in) - 1
		LEAQ(Mem{Base: room, Disp: -1 - last}, tmp)
		SARQ(Imm(63), tmp)
		KMOVW(tmp.As32(), reg.K2)
		KNOTW(reg.K2, reg.K2)
		ANDQ(s1, tmp)
		odd, shift := last, 0
		for odd%2 == 0 {
			odd, shift = odd/2, shift+1
		}
		MOVQ(map[int]reg.Register{1: s1, 3: s3, 7: s7}[odd], rightOff)
		SHLQ(Imm(uint64(shift)), rightOff)
		SUBQ(tmp, rightOff)
		MOVQ(ix, leftOff)
		SARQ(Imm(63), leftOff)
		KMOVW(leftOff.As32(), reg.K1)
		KNOTW(reg.K1, reg.K1)
		ANDQ(s1, leftOff)
		for _, a := range acc {
			VMOVAPS(bias, a)
		}
		for i := range win.kw {
			MOVQ(Mem{Base: table, Disp: 8 * i}, row)
			TESTQ(row, row)
			LEAQ(Mem{Base: row, Index: src, Scale: 1}, row)
			CMOVQLT(zero, row)
			if win.inputs(p) > 8 {
				LEAQ(Mem{Base: row, Index: s1, Scale: 8}, row8)
			}
			loaded := 0
			for j := range win.kw {
				for x, a := range acc {
					q := x*win.sw + j
					for ; loaded <= q; loaded++ {
						switch loaded {
						case 0:
							VMOVUPS_Z(Mem{Base: row, Index: leftOff, Scale: 1}, reg.K1, in[0])
						case last:
							VMOVUPS_Z(Mem{Base: row, Index: rightOff, Scale: 1}, reg.K2, in[last])
						default:
							VMOVUPS(pixel(row, row8, loaded), in[loaded])
						}
					}
					VFMADD231PS(weights[win.kw*i+j], in[q], a)
				}
			}
		}
		t.act(label, acc)
		t.advance(win, p, acc)
		ADDQ(Imm(uint64(p*win.sw)), ix)
		SUBQ(Imm(uint64(p*win.sw)), room)
		SUBQ(Imm(uint64(p)), xs)
		JMP(LabelRef("next"))
	}
}

// advance stores a tile and moves on to the next one's inputs and outputs.
func (t target) advance(win window, p int, acc []reg.VecPhysical) {
	for i, a := range acc {
		VMOVUPS(a, pixel(dst, nil, i))
	}
	step := map[int]reg.Register{1: s1, 3: s3, 7: s7}[p]
	ADDQ(step, dst)
	LEAQ(Mem{Base: src, Index: step, Scale: uint8(win.sw)}, src)
}

func (t target) window(win window) {
	l := start(win.name(t.name), win.doc(win.name(t.name), t.lanes), 40)
	rowTable, ys, ix, room, first := l, l.Offset(8), l.Offset(16), l.Offset(24), l.Offset(32)
	args := tmp
	Load(Param("args"), args)
	MOVQ(field(args, "Src"), src)
	SUBQ(field(args, "Skip"), src)
	MOVQ(src, first)
	MOVQ(field(args, "Dst"), dst)
	MOVQ(field(args, "Zero"), zero)
	MOVQ(field(args, "Pixel"), s1)
	multiples()
	MOVQ(field(args, "Rows"), table)
	MOVQ(table, rowTable)
	MOVQ(field(args, "Ys"), left)
	MOVQ(left, ys)

	Label("row")
	Load(Param("args"), args)
	MOVQ(field(args, "OW"), xs)
	MOVQ(field(args, "PL"), row)
	MOVQ(field(args, "Width"), left)
	ADDQ(row, left)
	MOVQ(left, room)
	NEGQ(row)
	MOVQ(row, ix)
	MOVQ(first, src)
	Label("next")
	for _, p := range tiles {
		CMPQ(xs, Imm(uint64(p)))
		JGE(LabelRef(fmt.Sprintf("tile%d", p)))
	}
	Load(Param("args"), args)
	MOVQ(field(args, "KH"), row)
	SHLQ(Imm(3), row)
	ADDQ(row, rowTable)
	DECQ(ys)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()

	for _, p := range tiles {
		label := fmt.Sprintf("tile%d", p)
		Label(label)
		acc := t.vec[:p]
		Load(Param("args"), args)
		MOVQ(field(args, "W"), w)
		MOVQ(field(args, "KH"), left)
		MOVQ(rowTable, table)
		VMOVUPS(Mem{Base: w}, acc[0])
		ADDQ(Imm(tap), w)
		for _, a := range acc[1:] {
			VMOVAPS(acc[0], a)
		}
		Label(label + "row")
		MOVQ(Mem{Base: table}, row)
		ADDQ(Imm(8), table)
		TESTQ(row, row)
		LEAQ(Mem{Base: row, Index: src, Scale: 1}, row)
		CMOVQLT(zero, row)
		if win.inputs(p) > 8 {
			LEAQ(Mem{Base: row, Index: s1, Scale: 8}, row8)
		}
		load := func(q int, v reg.VecPhysical) {
			m := pixel(row, row8, q)
			l, r := win.outside(p, q)
			if l || r {
				LEAQ(m, tmp)
				if l {
					CMPQ(ix, I8(int8(-q)))
					CMOVQLT(zero, tmp)
				}
				if r {
					CMPQ(room, I8(int8(q)))
					CMOVQLE(zero, tmp)
				}
				m = Mem{Base: tmp}
			}
			VMOVUPS(m, v)
		}
		t.byTap(win, p, acc, t.vec[p:], load)
		ADDQ(I32(int32(win.kw*tap)), w)
		DECQ(left)
		JNZ(LabelRef(label + "row"))

		t.act(label, acc)
		t.advance(win, p, acc)
		ADDQ(Imm(uint64(p*win.sw)), ix)
		SUBQ(Imm(uint64(p*win.sw)), room)
		SUBQ(Imm(uint64(p)), xs)
		JMP(LabelRef("next"))
	}
}

// byTap multiplies one weight after the other with all pixels of the tile; every input has a register.
func (t target) byTap(win window, p int, acc, rest []reg.VecPhysical, load func(int, reg.VecPhysical)) {
	n := win.inputs(p)
	in, weights := rest[:n], rest[n:]
	loaded := 0
	for j := range win.kw {
		wj := weights[j%len(weights)]
		VMOVUPS(Mem{Base: w, Disp: j * tap}, wj)
		for i, a := range acc {
			q := i*win.sw + j
			for ; loaded <= q; loaded++ {
				load(loaded, in[loaded])
			}
			VFMADD231PS(wj, in[q], a)
		}
	}
}

// act applies the activation to the accumulators.
func (t target) act(label string, acc []reg.VecPhysical) {
	a, b, c := t.vec[len(acc)], t.vec[len(acc)+1], t.vec[len(acc)+2]
	args := tmp
	Load(Param("args"), args)
	CMPQ(field(args, "Act"), Imm(1))
	JLT(LabelRef(label + "store"))
	JGT(LabelRef(label + "leaky"))
	VBROADCASTSS(field(args, "Lo"), a)
	VBROADCASTSS(field(args, "Hi"), b)
	for _, y := range acc {
		// Both return their second source unless the first is greater (less): a NaN in y stays.
		VMAXPS(y, a, y)
		VMINPS(y, b, y)
	}
	JMP(LabelRef(label + "store"))
	Label(label + "leaky")
	VBROADCASTSS(field(args, "Alpha"), a)
	VXORPS(b.AsX(), b.AsX(), b.AsX())
	for _, y := range acc {
		VMULPS(a, y, c)
		if t.lanes == 16 {
			VCMPPS(Imm(0x1e), b, y, reg.K1) // y > 0, quiet
			VMOVAPS(y, reg.K1, c)
			VMOVAPS(c, y)
		} else {
			d := t.vec[len(acc)+3]
			VCMPPS(Imm(0x1e), b, y, d)
			VBLENDVPS(d, y, c, y)
		}
	}
	Label(label + "store")
}

// any emits the function for windows without code of their own: the place of every input is the sum of a row and a column from tables.
func (t target) any() {
	name := fmt.Sprintf("DepthwiseAnyx%dF32%s", anyTile, t.name)
	l := start(name, anyDoc(name, t.lanes), 24)
	rowTable, ys, colTable := l, l.Offset(8), l.Offset(16)
	kw8, kw24, far, col, cols := s3, s5, zero, row8, s7
	args := tmp
	Load(Param("args"), args)
	MOVQ(field(args, "Src"), src)
	SUBQ(field(args, "Skip"), src)
	MOVQ(field(args, "Dst"), dst)
	MOVQ(field(args, "Zero"), far)
	SUBQ(src, far)
	MOVQ(field(args, "Pixel"), s1)
	MOVQ(field(args, "KW"), kw8)
	SHLQ(Imm(3), kw8)
	LEAQ(Mem{Base: kw8, Index: kw8, Scale: 2}, kw24)
	MOVQ(field(args, "Rows"), table)
	MOVQ(table, rowTable)
	MOVQ(field(args, "Ys"), left)
	MOVQ(left, ys)

	Label("row")
	Load(Param("args"), args)
	MOVQ(field(args, "OW"), xs)
	MOVQ(field(args, "Cols"), col)
	MOVQ(col, colTable)
	Label("next")
	for _, p := range []int{anyTile, 1} {
		CMPQ(xs, Imm(uint64(p)))
		JGE(LabelRef(fmt.Sprintf("tile%d", p)))
	}
	Load(Param("args"), args)
	MOVQ(field(args, "KH"), left)
	SHLQ(Imm(3), left)
	ADDQ(left, rowTable)
	DECQ(ys)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()

	for _, p := range []int{anyTile, 1} {
		label := fmt.Sprintf("tile%d", p)
		Label(label)
		acc, wv := t.vec[:p], t.vec[p]
		Load(Param("args"), args)
		MOVQ(field(args, "W"), w)
		MOVQ(field(args, "KH"), left)
		MOVQ(rowTable, table)
		VMOVUPS(Mem{Base: w}, acc[0])
		ADDQ(Imm(tap), w)
		for _, a := range acc[1:] {
			VMOVAPS(acc[0], a)
		}
		Label(label + "row")
		MOVQ(colTable, col)
		MOVQ(kw8, cols)
		SHRQ(Imm(3), cols)
		Label(label + "col")
		VMOVUPS(Mem{Base: w}, wv)
		ADDQ(Imm(tap), w)
		for i, a := range acc {
			m := Mem{Base: col}
			switch i {
			case 1, 2:
				m.Index, m.Scale = kw8, uint8(i)
			case 3:
				m.Index, m.Scale = kw24, 1
			}
			at := []reg.GPPhysical{row, tmp}[i%2]
			MOVQ(m, at)
			ADDQ(Mem{Base: table}, at)
			CMOVQLT(far, at)
			VFMADD231PS(Mem{Base: src, Index: at, Scale: 1}, wv, a)
		}
		ADDQ(Imm(8), col)
		DECQ(cols)
		JNZ(LabelRef(label + "col"))
		ADDQ(Imm(8), table)
		DECQ(left)
		JNZ(LabelRef(label + "row"))

		t.act(label, acc)
		for i, a := range acc {
			if i < 3 {
				VMOVUPS(a, pixel(dst, nil, i))
			} else {
				LEAQ(Mem{Base: dst, Index: s1, Scale: 2}, row)
				VMOVUPS(a, Mem{Base: row, Index: s1, Scale: 1})
			}
		}
		MOVQ(kw8, col)
		if p == anyTile {
			SHLQ(Imm(2), col)
			LEAQ(Mem{Base: dst, Index: s1, Scale: 4}, dst)
		} else {
			ADDQ(s1, dst)
		}
		ADDQ(col, colTable)
		SUBQ(Imm(uint64(p)), xs)
		JMP(LabelRef("next"))
	}
}
