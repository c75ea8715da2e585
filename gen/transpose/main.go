// Command transpose writes the kernels that exchange the axes of a float32 matrix
// (asm/transpose_avx2_amd64.s, asm/transpose_avx512_amd64.s, asm/transpose_neon_arm64.s).
package main

import (
	"flag"
	"fmt"
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	isa := flag.String("isa", "", "avx2, avx512 or neon")
	flag.Parse()
	switch *isa {
	case "avx2":
		ConstraintExpr("!purego")
		blocks()
		split3()
		join3()
		join2()
		split2()
		Generate()
	case "avx512":
		ConstraintExpr("!purego")
		blocks512()
		Generate()
	case "neon":
		if err := writeNEON(); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatalf("transpose: unknown -isa %q", *isa)
	}
}

const (
	blockSig  = "func(dst *float32, ldd, dstStep int, src *float32, lds, srcStep, n int)"
	blockDoc  = "%s transposes n blocks of %dx%d: dst[j·ldd+i] = src[i·lds+j]; each block lies dstStep and srcStep elements after the one before."
	splitSig  = "func(dst *float32, ldd int, src *float32, n int)"
	splitDoc  = "%s computes dst[c·ldd+i] = src[3i+c] for i < n, c < 3, n at least %d."
	join2Sig  = "func(dst, a, b *float32, n int)"
	join2Doc  = "%s computes dst[2i] = a[i], dst[2i+1] = b[i] for i < n, n at least %d."
	split2Sig = "func(a, b, src *float32, n int)"
	split2Doc = "%s computes a[i] = src[2i], b[i] = src[2i+1] for i < n, n at least %d."
	joinSig   = "func(dst, src *float32, lds, n int)"
	joinDoc   = "%s computes dst[3i+c] = src[c·lds+i] for i < n, c < 3, n at least %d."
)

func begin(name, sig, doc string, args ...any) {
	TEXT(name, NOSPLIT, sig)
	Pragma("noescape")
	Doc(fmt.Sprintf(doc, append([]any{name}, args...)...))
}

func end() {
	VZEROUPPER()
	RET()
}

func arg(name string) reg.Register { return Load(Param(name), GP64()) }

// elements loads a distance in elements as bytes.
func elements(name string) reg.Register {
	r := arg(name)
	SHLQ(U8(2), r)
	return r
}

// rows addresses eight rows at a distance of ld bytes.
type rows struct{ base, ld, ld3, base4 reg.Register }

func newRows(base, ld reg.Register) *rows {
	r := &rows{base, ld, GP64(), GP64()}
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, r.ld3)
	LEAQ(Mem{Base: base, Index: ld, Scale: 4}, r.base4)
	return r
}

func (r *rows) at(i, disp int) Mem {
	m := Mem{Base: r.base, Disp: disp}
	if i >= 4 {
		m.Base = r.base4
	}
	switch i % 4 {
	case 1, 2:
		m.Index, m.Scale = r.ld, uint8(i%4)
	case 3:
		m.Index, m.Scale = r.ld3, 1
	}
	return m
}

func (r *rows) advance(step reg.Register) {
	ADDQ(step, r.base)
	ADDQ(step, r.base4)
}

func blocks() {
	begin("Transpose8x8F32AVX2", blockSig, blockDoc, 8, 8)
	dst := newRows(arg("dst"), elements("ldd"))
	dstStep := elements("dstStep")
	src := newRows(arg("src"), elements("lds"))
	srcStep := elements("srcStep")
	n := arg("n")
	Label("block")
	for half := range 2 {
		// Four columns of rows i and i+4 side by side.
		var a, t [4]reg.VecVirtual
		for i := range a {
			x := XMM()
			a[i] = YMM()
			VMOVUPS(src.at(i, 16*half), x)
			VINSERTF128(U8(1), src.at(i+4, 16*half), x.AsY(), a[i])
		}
		for i := range t {
			t[i] = YMM()
			if i%2 == 0 {
				VUNPCKLPS(a[i+1], a[i], t[i])
			} else {
				VUNPCKHPS(a[i], a[i-1], t[i])
			}
		}
		for j := range 4 {
			v := YMM()
			VSHUFPS(U8([2]uint8{0x44, 0xee}[j%2]), t[2+j/2], t[j/2], v)
			VMOVUPS(v, dst.at(4*half+j, 0))
		}
	}
	src.advance(srcStep)
	dst.advance(dstStep)
	DECQ(n)
	JNZ(LabelRef("block"))
	end()
}

// blocks512 joins four rows of four columns in a vector, as blocks does two, so that whole cache lines are written.
func blocks512() {
	begin("Transpose16x16F32AVX512", blockSig, blockDoc, 16, 16)
	dst, ldd := newRows(arg("dst"), elements("ldd")), GP64()
	dstStep := elements("dstStep")
	src, lds := newRows(arg("src"), elements("lds")), GP64()
	srcStep := elements("srcStep")
	n := arg("n")
	MOVQ(src.ld, lds)
	SHLQ(U8(3), lds)
	MOVQ(dst.ld, ldd)
	SHLQ(U8(3), ldd)
	Label("block")
	for quarter := range 4 {
		var a, t [4]reg.VecVirtual
		for i := range a {
			a[i] = ZMM()
			VBROADCASTF32X4(src.at(i, 16*quarter), a[i])
			VINSERTF32X4(U8(1), src.at(i+4, 16*quarter), a[i], a[i])
		}
		ADDQ(lds, src.base)
		ADDQ(lds, src.base4)
		for i := range a {
			VINSERTF32X4(U8(2), src.at(i, 16*quarter), a[i], a[i])
			VINSERTF32X4(U8(3), src.at(i+4, 16*quarter), a[i], a[i])
		}
		SUBQ(lds, src.base)
		SUBQ(lds, src.base4)
		for i := range t {
			t[i] = ZMM()
			if i%2 == 0 {
				VUNPCKLPS(a[i+1], a[i], t[i])
			} else {
				VUNPCKHPS(a[i], a[i-1], t[i])
			}
		}
		for j := range 4 {
			v := ZMM()
			VSHUFPS(U8([2]uint8{0x44, 0xee}[j%2]), t[2+j/2], t[j/2], v)
			VMOVUPS(v, dst.at(4*(quarter%2)+j, 0))
		}
		switch quarter {
		case 1:
			ADDQ(ldd, dst.base)
			ADDQ(ldd, dst.base4)
		case 3:
			SUBQ(ldd, dst.base)
			SUBQ(ldd, dst.base4)
		}
	}
	src.advance(srcStep)
	dst.advance(dstStep)
	DECQ(n)
	JNZ(LabelRef("block"))
	end()
}

// eights emits a loop over i = 0, 8, 16, ... and a last overlapping i = n-8.
func eights(n reg.Register, body func(i reg.Register)) {
	i := GP64()
	XORQ(i, i)
	SUBQ(U8(8), n)
	Label("loop")
	body(i)
	CMPQ(i, n)
	JGE(LabelRef("done"))
	ADDQ(U8(8), i)
	CMPQ(i, n)
	JLE(LabelRef("loop"))
	MOVQ(n, i)
	JMP(LabelRef("loop"))
	Label("done")
}

// shuffle takes two lanes of a, then two of b, in each half.
func shuffle(a, b reg.VecVirtual, a0, a1, b0, b1 uint8) reg.VecVirtual {
	v := YMM()
	VSHUFPS(U8(a0|a1<<2|b0<<4|b1<<6), b, a, v)
	return v
}

// Three channels a, b, c of pixels 0..3 lie in three vectors as a0 b0 c0 a1, b1 c1 a2 b2, c2 a3 b3 c3; the upper halves hold 4..7.

func split3() {
	begin("Split3F32AVX2", splitSig, splitDoc, 8)
	dst, ldd, src, n := arg("dst"), elements("ldd"), arg("src"), arg("n")
	i3 := GP64()
	plane2 := GP64()
	LEAQ(Mem{Base: dst, Index: ldd, Scale: 2}, plane2)
	ADDQ(dst, ldd)
	eights(n, func(i reg.Register) {
		LEAQ(Mem{Base: i, Index: i, Scale: 2}, i3)
		var m [3]reg.VecVirtual
		for j := range m {
			x := XMM()
			m[j] = YMM()
			VMOVUPS(Mem{Base: src, Index: i3, Scale: 4, Disp: 16 * j}, x)
			VINSERTF128(U8(1), Mem{Base: src, Index: i3, Scale: 4, Disp: 48 + 16*j}, x.AsY(), m[j])
		}
		ab := shuffle(m[1], m[2], 2, 3, 1, 2) // a2 b2 a3 b3
		bc := shuffle(m[0], m[1], 1, 2, 0, 1) // b0 c0 b1 c1
		VMOVUPS(shuffle(m[0], ab, 0, 3, 0, 2), Mem{Base: dst, Index: i, Scale: 4})
		VMOVUPS(shuffle(bc, ab, 0, 2, 1, 3), Mem{Base: ldd, Index: i, Scale: 4})
		VMOVUPS(shuffle(bc, m[2], 1, 3, 0, 3), Mem{Base: plane2, Index: i, Scale: 4})
	})
	end()
}

func join3() {
	begin("Join3F32AVX2", joinSig, joinDoc, 8)
	dst, src, lds, n := arg("dst"), arg("src"), elements("lds"), arg("n")
	i3 := GP64()
	eights(n, func(i reg.Register) {
		LEAQ(Mem{Base: i, Index: i, Scale: 2}, i3)
		a, b, c := YMM(), YMM(), YMM()
		p := GP64()
		LEAQ(Mem{Base: src, Index: i, Scale: 4}, p)
		VMOVUPS(Mem{Base: p}, a)
		VMOVUPS(Mem{Base: p, Index: lds, Scale: 1}, b)
		VMOVUPS(Mem{Base: p, Index: lds, Scale: 2}, c)
		ab := shuffle(a, b, 0, 2, 0, 2) // a0 a2 b0 b2
		bc := shuffle(b, c, 1, 3, 1, 3) // b1 b3 c1 c3
		ca := shuffle(c, a, 0, 2, 1, 3) // c0 c2 a1 a3
		m := [3]reg.VecVirtual{shuffle(ab, ca, 0, 2, 0, 2), shuffle(bc, ab, 0, 2, 1, 3), shuffle(ca, bc, 1, 3, 1, 3)}
		for j, v := range m {
			VMOVUPS(v.AsX(), Mem{Base: dst, Index: i3, Scale: 4, Disp: 16 * j})
			VEXTRACTF128(U8(1), v, Mem{Base: dst, Index: i3, Scale: 4, Disp: 48 + 16*j})
		}
	})
	end()
}

func join2() {
	begin("Join2F32AVX2", join2Sig, join2Doc, 8)
	dst, a, b, n := arg("dst"), arg("a"), arg("b"), arg("n")
	eights(n, func(i reg.Register) {
		x, y, lo, hi, out := YMM(), YMM(), YMM(), YMM(), YMM()
		VMOVUPS(Mem{Base: a, Index: i, Scale: 4}, x)
		VMOVUPS(Mem{Base: b, Index: i, Scale: 4}, y)
		VUNPCKLPS(y, x, lo) // x0 y0 x1 y1, x4 y4 x5 y5
		VUNPCKHPS(y, x, hi) // x2 y2 x3 y3, x6 y6 x7 y7
		VPERM2F128(U8(0x20), hi, lo, out)
		VMOVUPS(out, Mem{Base: dst, Index: i, Scale: 8})
		VPERM2F128(U8(0x31), hi, lo, out)
		VMOVUPS(out, Mem{Base: dst, Index: i, Scale: 8, Disp: 32})
	})
	end()
}

func split2() {
	begin("Split2F32AVX2", split2Sig, split2Doc, 8)
	a, b, src, n := arg("a"), arg("b"), arg("src"), arg("n")
	eights(n, func(i reg.Register) {
		x, y, even, odd := YMM(), YMM(), YMM(), YMM()
		VMOVUPS(Mem{Base: src, Index: i, Scale: 8}, x)
		VMOVUPS(Mem{Base: src, Index: i, Scale: 8, Disp: 32}, y)
		VPERMPD(U8(0xd8), shuffle(x, y, 0, 2, 0, 2), even) // x0 x2 y0 y2, x4 x6 y4 y6: the middle pairs exchanged
		VMOVUPS(even, Mem{Base: a, Index: i, Scale: 4})
		VPERMPD(U8(0xd8), shuffle(x, y, 1, 3, 1, 3), odd)
		VMOVUPS(odd, Mem{Base: b, Index: i, Scale: 4})
	})
	end()
}
