package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/x86"
)

func field(name string) Mem { return Mem{Base: args, Disp: arguments.Offset(name)} }

// The general registers of the tiles.
var (
	args  = reg.RAX
	x     = reg.RBX // first quad of the first kernel row under a tile
	w     = reg.RCX // weights of the kernel row
	k     = reg.RDX // kernel rows left
	row   = reg.RSI // first quad of the kernel row
	dst   = reg.RDI // first output of a tile
	to    = reg.R8  // next output
	pixel = reg.R9
	left  = reg.R10 // output columns
	xs    = reg.R11 // x of the output row
	dsts  = reg.R12 // dst of the output row
	ys    = reg.R13 // output rows left
	xStep = reg.R14
	half  = reg.R15 // 0, or 32 for the upper eight channels
)

// target is the instructions that differ.
type target interface {
	name() string
	halves() bool                            // whether a vector holds half of a block's channels
	step(win window) int                     // bytes of the weights of a kernel row
	prepare(win window)                      // at the start of a function
	begin(outputs int)                       // makes the accumulators start from Start
	multiply(win window, outputs int)        // adds the products of a kernel row
	store(outputs int, ends func(valid int)) // makes bytes of the sums, and stores them from to on; ends goes behind each pixel
}

func begin(name, doc string) {
	x86.Declare("Depthwise8Args")
	TEXT(name, NOSPLIT, "func(args *Depthwise8Args)")
	Doc(doc)
	Pragma("noescape")
	Load(Param("args"), args)
}

// quads emits the function that writes them.
func quads() {
	begin("Depthwise8QuadsAVX2", "Depthwise8QuadsAVX2 writes X; see Depthwise8Args.")
	src, outside, rows, cols := reg.RBX, reg.RCX, reg.RDX, reg.RSI
	dst, xs, inRows, n, from := reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11
	at := []reg.GPPhysical{reg.R12, reg.R13, reg.R14, reg.R15}
	v := func(i int) reg.VecPhysical { return x86.YMM[i].AsX().(reg.VecPhysical) }
	flip := v(15)
	MOVQ(field("Src"), src)
	SUBQ(field("Skip"), src)
	for _, f := range []struct {
		name string
		r    reg.GPPhysical
	}{{"Outside", outside}, {"Rows", rows}, {"X", xs}, {"InRows", inRows}} {
		MOVQ(field(f.name), f.r)
	}
	VPBROADCASTB(field("Flip"), flip)

	// write emits one quad of pixels from such places.
	write := func(from func(i int) Mem) {
		for i := range 4 {
			VPXOR(from(i), flip, v(i))
		}
		VPUNPCKLBW(v(1), v(0), v(4))
		VPUNPCKHBW(v(1), v(0), v(5))
		VPUNPCKLBW(v(3), v(2), v(6))
		VPUNPCKHBW(v(3), v(2), v(7))
		for i := range 2 {
			VPUNPCKLWD(v(6+i), v(4+i), v(2*i))
			VPUNPCKHWD(v(6+i), v(4+i), v(2*i+1))
		}
		for i := range 4 {
			VMOVDQU(v(i), Mem{Base: dst, Disp: 16 * i})
		}
		ADDQ(Imm(64), dst)
	}
	// edge emits n quads of pixels that may lie outside, and jumps to done behind them.
	edge := func(label, done string) {
		TESTQ(n, n)
		JEQ(LabelRef(done))
		Label(label)
		write(func(i int) Mem {
			MOVQ(Mem{Base: cols, Disp: 8 * i}, at[i])
			ADDQ(from, at[i])
			CMOVQLT(outside, at[i])
			return Mem{Base: at[i]}
		})
		ADDQ(Imm(32), cols)
		DECQ(n)
		JNZ(LabelRef(label))
	}

	Label("row")
	MOVQ(Mem{Base: rows}, from)
	MOVQ(field("Cols"), cols)
	MOVQ(xs, dst)
	MOVQ(field("Quads"), n)
	ADDQ(src, from)
	JLT(LabelRef("rest"))
	MOVQ(field("Left"), n)
	edge("left", "inner")
	Label("inner")
	MOVQ(field("Inner"), n)
	TESTQ(n, n)
	JEQ(LabelRef("right"))
	p, s1, s3 := at[0], at[1], at[2]
	MOVQ(Mem{Base: cols}, p)
	ADDQ(from, p)
	MOVQ(n, s1)
	SHLQ(Imm(5), s1)
	ADDQ(s1, cols)
	MOVQ(field("Pixel"), s1)
	LEAQ(Mem{Base: s1, Index: s1, Scale: 2}, s3)
	Label("quad")
	write(func(i int) Mem {
		switch i {
		case 0:
			return Mem{Base: p}
		case 3:
			return Mem{Base: p, Index: s3, Scale: 1}
		}
		return Mem{Base: p, Index: s1, Scale: uint8(i)}
	})
	LEAQ(Mem{Base: p, Index: s1, Scale: 4}, p)
	DECQ(n)
	JNZ(LabelRef("quad"))
	Label("right")
	MOVQ(field("Quads"), n)
	SUBQ(field("Left"), n)
	SUBQ(field("Inner"), n)
	Label("rest")
	edge("edge", "done")
	Label("done")
	ADDQ(Imm(8), rows)
	ADDQ(field("XRow"), xs)
	DECQ(inRows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

func amd64(t target) {
	for _, win := range windows {
		tile(t, win)
	}
}

func tile(t target, win window) {
	name := win.name(t.name())
	begin(name, win.doc(name))
	for _, f := range []struct {
		name string
		r    reg.GPPhysical
	}{{"X", xs}, {"Dst", dsts}, {"Ys", ys}, {"DstPixel", pixel}, {"XStep", xStep}} {
		MOVQ(field(f.name), f.r)
	}
	t.prepare(win)
	if t.halves() {
		XORL(half.As32(), half.As32())
	}

	Label("row")
	MOVQ(xs, x)
	MOVQ(dsts, dst)
	MOVQ(field("OW"), left)
	Label("next")
	for i, n := range tiles {
		label := fmt.Sprintf("tile%d", n)
		if i+1 < len(tiles) {
			CMPQ(left, Imm(uint64(tiles[i+1])))
			JLE(LabelRef(fmt.Sprintf("tile%d", tiles[i+1])))
		}
		Label(label)
		t.begin(n)
		MOVQ(x, row)
		MOVQ(field("W"), w)
		MOVQ(dst, to)
		if t.step(win) > 64*len(win.patterns()) {
			MOVQ(field("Words"), w)
		}
		if t.halves() {
			ADDQ(half, row)
			ADDQ(half, w)
			MOVQ(half, k)
			SHRQ(Imm(2), k)
			ADDQ(k, to)
		}
		MOVQ(field("KH"), k)
		Label(label + "k")
		t.multiply(win, n)
		ADDQ(xStep, row)
		ADDQ(I32(int32(t.step(win))), w)
		DECQ(k)
		JNZ(LabelRef(label + "k"))
		least := 1
		if i+1 < len(tiles) {
			least = tiles[i+1] + 1
		}
		t.store(n, func(valid int) {
			if valid >= least && valid < n {
				CMPQ(left, Imm(uint64(valid)))
				JEQ(LabelRef(label + "stored"))
			}
			if valid < n {
				ADDQ(pixel, to)
			}
		})
		Label(label + "stored")
		if t.halves() {
			XORQ(Imm(32), half)
			JNZ(LabelRef(label))
		}
		if i+1 < len(tiles) {
			SUBQ(Imm(uint64(n)), left)
			JLE(LabelRef("end"))
			ADDQ(I32(int32(16*n*win.sw)), x)
			LEAQ(Mem{Base: dst, Index: pixel, Scale: uint8(n)}, dst)
			JMP(LabelRef("next"))
		}
	}
	Label("end")
	ADDQ(field("YStep"), xs)
	ADDQ(field("DstRow"), dsts)
	DECQ(ys)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// avx512dot keeps everything but sums, quads and the weights of a kernel row in the last registers.
type avx512dot struct{}

var zmm, ymm = x86.ZMM, x86.YMM

func (avx512dot) name() string      { return "I8AVX512VNNI" }
func (avx512dot) halves() bool      { return false }
func (avx512dot) step(w window) int { return 64 * len(w.patterns()) }

func (avx512dot) prepare(window) {
	MOVQ(field("Start"), x)
	VMOVDQU32(Mem{Base: x}, zmm[27])
	MOVQ(field("Scale"), x)
	VMOVUPS(Mem{Base: x}, zmm[28])
	VBROADCASTSS(field("Lo"), zmm[29])
	VBROADCASTSS(field("Hi"), zmm[30])
	VPBROADCASTD(field("Zero"), zmm[31])
}

func (avx512dot) begin(outputs int) {
	for o := range outputs {
		VMOVDQA32(zmm[27], zmm[o])
	}
}

func (avx512dot) multiply(win window, outputs int) {
	patterns := len(win.patterns())
	for i := range patterns {
		VMOVDQU32(Mem{Base: w, Disp: 64 * i}, zmm[26-i])
	}
	loaded := 0
	for _, p := range win.products(outputs) {
		for ; loaded <= p.quad; loaded++ {
			VMOVDQU32(Mem{Base: row, Disp: 64 * loaded}, zmm[8+loaded])
		}
		VPDPBUSD(zmm[26-p.pattern], zmm[8+p.quad], zmm[p.output])
	}
}

func (avx512dot) store(outputs int, ends func(int)) {
	for o, y := range zmm[:outputs] {
		VCVTDQ2PS(y, y)
		VMULPS(zmm[28], y, y)
		VMAXPS(zmm[29], y, y)
		VMINPS(zmm[30], y, y)
		VCVTPS2DQ(y, y)
		VPADDD(zmm[31], y, y)
		VPMOVDB(y, Mem{Base: to})
		ends(o + 1)
	}
}

// avx2dot is for AVX-VNNI.
type avx2dot struct {
	order Mem // what brings the halves of four pixels together after packing
}

func newAVX2dot() avx2dot {
	order := GLOBL("depthwise8Order", RODATA|NOPTR)
	for i, v := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*i, U32(v))
	}
	return avx2dot{order}
}

func (avx2dot) name() string      { return "I8AVXVNNI" }
func (avx2dot) halves() bool      { return true }
func (avx2dot) step(w window) int { return 64 * len(w.patterns()) }
func (avx2dot) prepare(window)    {}

func (avx2dot) begin(outputs int) {
	MOVQ(field("Start"), to)
	VMOVDQU(Mem{Base: to, Index: half, Scale: 1}, ymm[0])
	for o := 1; o < outputs; o++ {
		VMOVDQA(ymm[0], ymm[o])
	}
}

func (avx2dot) multiply(win window, outputs int) {
	quads := win.quads(outputs)
	for q := range quads {
		VMOVDQU(Mem{Base: row, Disp: 64 * q}, ymm[8+q])
	}
	for i := range win.patterns() {
		weights := 8 + quads + i%(8-quads)
		VMOVDQU(Mem{Base: w, Disp: 64 * i}, ymm[weights])
		for _, p := range win.products(outputs) {
			if p.pattern == i {
				x86.VPDPBUSD(weights, 8+p.quad, p.output)
			}
		}
	}
}

// store clips by packing to the range of int8, to whose lower end Shift brings that of the results.
func (t avx2dot) store(outputs int, ends func(int)) {
	scale, hi, shift, point, order, upper := ymm[8], ymm[9], ymm[10], ymm[11], ymm[12], ymm[13].AsX()
	MOVQ(field("Scale"), k)
	VMOVUPS(Mem{Base: k, Index: half, Scale: 1}, scale)
	VBROADCASTSS(field("Hi"), hi)
	VPBROADCASTW(field("Shift"), shift)
	VPBROADCASTB(field("Point"), point)
	VMOVDQU(t.order, order)
	for o := 0; o < outputs; o += 4 {
		y := ymm[o : o+4]
		for _, y := range y {
			VCVTDQ2PS(y, y)
			VMULPS(scale, y, y)
			VMINPS(hi, y, y) // what is too large for int32 would become negative
			VCVTPS2DQ(y, y)
		}
		for i := 0; i < 4; i += 2 {
			VPACKSSDW(y[i+1], y[i], y[i])
			VPADDSW(shift, y[i], y[i])
		}
		VPACKSSWB(y[2], y[0], y[0])
		VPADDB(point, y[0], y[0])
		VPERMD(y[0], order, y[0])
		for i, v := range []reg.Register{y[0].AsX(), upper} {
			if i == 1 {
				VEXTRACTI128(Imm(1), y[0], upper)
			}
			VMOVQ(v, Mem{Base: to})
			ends(o + 2*i + 1)
			VMOVHPS(v, Mem{Base: to})
			ends(o + 2*i + 2)
		}
	}
}

// avx2plain is for CPUs without AVX-VNNI: quads and weights widen to words, those at even places apart from those at odd ones.
type avx2plain struct{ avx2dot }

func (avx2plain) name() string      { return "I8AVX2" }
func (avx2plain) step(w window) int { return 128 * len(w.patterns()) }

// prepare widens the weights: a pattern becomes [2][16][2].
func (avx2plain) prepare(win window) {
	n, from := left, w
	IMUL3Q(Imm(uint64(len(win.patterns()))), field("KH"), n)
	MOVQ(field("W"), from)
	MOVQ(field("Words"), to)
	Label("widen")
	for h := range 2 {
		odd, even := ymm[2*h], ymm[2*h+1]
		VMOVDQU(Mem{Base: from, Disp: 32 * h}, odd)
		VPSLLW(Imm(8), odd, even)
		VPSRAW(Imm(8), even, even)
		VPSRAW(Imm(8), odd, odd)
		VMOVDQU(even, Mem{Base: to, Disp: 32 * h})
		VMOVDQU(odd, Mem{Base: to, Disp: 64 + 32*h})
	}
	ADDQ(Imm(64), from)
	SUBQ(I8(-128), to)
	DECQ(n)
	JNZ(LabelRef("widen"))
}

func (avx2plain) multiply(win window, outputs int) {
	low := ymm[15]
	VPCMPEQD(low, low, low)
	VPSRLW(Imm(8), low, low)
	loaded, n := -1, 0
	for _, p := range win.products(outputs) {
		even, odd := ymm[8+p.quad%2*2], ymm[9+p.quad%2*2]
		if p.quad > loaded {
			loaded = p.quad
			VMOVDQU(Mem{Base: row, Disp: 64 * p.quad}, odd)
			VPAND(low, odd, even)
			VPSRLW(Imm(8), odd, odd)
		}
		for i, words := range []reg.VecPhysical{even, odd} {
			if win.meets(win.patterns()[p.pattern], i, i+2) {
				y := ymm[12+n%3]
				n++
				VPMADDWD(Mem{Base: w, Disp: 128*p.pattern + 64*i}, words, y)
				VPADDD(y, ymm[p.output], ymm[p.output])
			}
		}
	}
}
