// Command camera writes the kernels that turn bytes of pictures into other bytes and into float32, and those between 8-bit integers
// and float32 (asm/camera_avx2_amd64.s, asm/camera_neon_arm64.s).
//
// Rows of bytes are walked in blocks; a ragged end is a last block that overlaps the one before it, so that no access leaves
// the row. Pixels of three float32 are read and written as vectors of four: the fourth lane of a store falls on the next
// pixel, which is written later, and the last pixel of a row is stored in two parts.
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
	isa := flag.String("isa", "", "avx2 or neon")
	flag.Parse()
	switch *isa {
	case "avx2":
		ConstraintExpr("!purego")
		lerpRows()
		sumRows()
		lerpCols3()
		lerpCols1()
		sumCols(3)
		sumCols(1)
		scale()
		bytes()
		swap()
		repeat()
		grey()
		yuv("YUYV", true)
		yuv("NV12", true)
		yuv("YUYV", false)
		yuv("NV12", false)
		warp()
		widen(false)
		widen(true)
		narrow()
		lookup()
		most(false)
		most(true)
		Generate()
	case "neon":
		if err := writeNEON(); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatalf("camera: unknown -isa %q", *isa)
	}
}

// The kernels of both instruction sets: name without suffix, signature, what it computes.
type kernel struct{ name, signature, doc string }

var kernels = map[string]kernel{
	"lerpRows": {"LerpRowsU8F32", "func(dst *float32, a, b *uint8, w float32, n int)",
		"%s computes dst[i] = fma(w, b[i]-a[i], a[i]) for i < n, n at least 32."},
	"sumRows": {"SumRowsU8F32", "func(dst, from *float32, rows *[]uint8, w *float32, k, n int)",
		"%s computes dst[i] = from[i] + Σ_j w[j]·rows[j][i] by fma, j < k ascending, for i < n, n at least 32; from may be nil for zeros and does not overlap dst."},
	"lerpCols3": {"LerpCols3F32", "func(dst, src *float32, off *int32, w *float32, n int, k *float32)",
		"%s computes dst[i,c] = fma(fma(w[i], b-a, a), k[c], k[4+c]) for i < n, c < 3, where a and b are three floats each at src + off[i] bytes. One float more is read; n is at least 1."},
	"lerpCols1": {"LerpCols1F32", "func(dst, src *float32, off *int32, w *float32, n int, k *float32)",
		"%s computes dst[i] = fma(fma(w[i], b-a, a), k[0], k[4]) for i < n, where a and b are one float each at src + off[i] bytes; n is at least 4."},
	"sumCols3": {"SumCols3F32", "func(dst, src *float32, off *int32, w *float32, taps, n int, k *float32)",
		"%s computes dst[i,c] = fma(s, k[c], k[4+c]) for i < n, c < 3, s = Σ_j w[i,j]·v[j,c] by fma, j < taps ascending, where v are 3·taps floats at src + off[i] bytes. One float more is read; n and taps are at least 1."},
	"sumCols1": {"SumCols1F32", "func(dst, src *float32, off *int32, w *float32, taps, n int, k *float32)",
		"%s computes dst[i] = fma(s, k[0], k[4]) for i < n, s = Σ_j w[i,j]·v[j] by fma, j < taps ascending, where v are taps floats at src + off[i] bytes; n and taps are at least 1."},
	"scale": {"ScaleU8F32", "func(dst *float32, src *uint8, k *float32, n int)",
		"%s computes dst[i] = fma(src[i], k[i mod 24], k[24 + i mod 24]) for i < n, n at least 24; k has a period that divides 24 and n."},
	"bytes": {"BytesF32U8", "func(dst *uint8, src *float32, n int)",
		"%s computes dst[i] = src[i] cut to 0..255 and rounded to even for i < n, n at least 32; a NaN gives 0."},
	"swap": {"SwapRGBU8", "func(dst, src *uint8, n int)",
		"%s exchanges the outer bytes of n pixels of three bytes, n at least 16."},
	"repeat": {"RepeatU8", "func(dst, src *uint8, n int)",
		"%s writes each of n bytes three times, n at least 16."},
	"grey": {"GreyRGBU8", "func(dst, src *uint8, k *int16, n int)",
		"%s computes dst[i] = (k[0]·src[3i] + k[1]·src[3i+1] + k[2]·src[3i+2] + 1<<14) >> 15 for i < n, n at least 16."},
	"YUYVtrue": {"YUYVToRGBU8", "func(dst, src *uint8, k *uint32, n int)",
		"%s converts n pixels, n even and at least 16, to three bytes each, (Y·k[3] + U·lo(k[c]) + V·hi(k[c]) + k[5]) >> 13 cut to 0..255 with U, V less 128; k[4] is k[3] << 16."},
	"NV12true": {"NV12ToRGBU8", "func(dst, src, uv *uint8, k *uint32, n int)",
		"%s is YUYVToRGBU8 for n luma bytes at src and n/2 pairs of chroma at uv."},
	"YUYVfalse": {"YUYVToGreyU8", "func(dst, src *uint8, k *uint32, n int)",
		"%s converts n pixels, n even and at least 16, to one byte each, (Y·k[3] + k[5]) >> 13 cut to 0..255; k[4] is k[3] << 16."},
	"NV12false": {"LumaToGreyU8", "func(dst, src *uint8, k *uint32, n int)",
		"%s is YUYVToGreyU8 for n luma bytes at src."},
	"warp": {"WarpRGBU8F32", "func(dst *float32, src *uint8, stride, skip, x, n int, at, k *float32)",
		"%s interpolates n pixels of three bytes, at (fma(at[1], x+i, at[0]), fma(at[3], x+i, at[2])) for i < n, and computes dst[i,c] = fma(v, k[c], k[4+c]). Rows are stride bytes apart, and src is skip bytes into them; two pixels and one byte more are read in two rows. n is at least 1."},
	"widenfalse": {"WidenU8F32", "func(dst *float32, src *uint8, zero int32, scale float32, n int)",
		"%s computes dst[i] = (src[i]-zero)·scale for i < n, n at least 32; zero is in -128..255."},
	"widentrue": {"WidenI8F32", "func(dst *float32, src *uint8, zero int32, scale float32, n int)",
		"%s is WidenU8F32 for bytes that have a sign."},
	"narrow": {"NarrowF32U8", "func(dst *uint8, src *float32, lo, hi float32, zero int32, n int)",
		"%s computes dst[i] = the low byte of src[i] cut to lo..hi and rounded to even, plus zero, for i < n, n at least 32; a NaN gives 0. lo and hi are whole numbers of at most 16384 in magnitude, zero is in 0..255."},
	"mostfalse": {"MaxU8", "func(dst, a, b *uint8, n int)",
		"%s computes dst[i] = max(a[i], b[i]) for i < n, n at least 32; dst may be a."},
	"mosttrue": {"MaxI8", "func(dst, a, b *uint8, n int)",
		"%s is MaxU8 for bytes that have a sign."},
	"lookup": {"LookupU8", "func(dst, src, table *uint8, n int)",
		"%s computes dst[i] = table[src[i]] for i < n, n at least 64; the table has 256 bytes."},
}

func begin(key string) {
	k := kernels[key]
	name := k.name + "AVX2"
	TEXT(name, NOSPLIT, k.signature)
	Pragma("noescape")
	Doc(fmt.Sprintf(k.doc, name))
}

func end() {
	VZEROUPPER()
	RET()
}

func arg(name string) reg.Register { return Load(Param(name), GP64()) }

func at(base reg.Register, index reg.Register, scale uint8, disp int) Mem {
	return Mem{Base: base, Index: index, Scale: scale, Disp: disp}
}

// blocks emits a loop over i = 0, step, 2·step, ... and a last overlapping i = n-step; n is at least step and is overwritten.
func blocks(n reg.Register, step int, body func(i reg.Register)) {
	i := GP64()
	XORQ(i, i)
	SUBQ(U32(step), n)
	Label("loop")
	body(i)
	CMPQ(i, n)
	JGE(LabelRef("done"))
	ADDQ(U32(step), i)
	CMPQ(i, n)
	JLE(LabelRef("loop"))
	MOVQ(n, i)
	JMP(LabelRef("loop"))
	Label("done")
}

func broadcastParam(name string) reg.VecVirtual {
	p, err := Param(name).Resolve()
	if err != nil {
		log.Fatal(err)
	}
	v := YMM()
	VBROADCASTSS(p.Addr, v)
	return v
}

func lerpRows() {
	begin("lerpRows")
	dst, a, b := arg("dst"), arg("a"), arg("b")
	w := broadcastParam("w")
	n := arg("n")
	blocks(n, 32, func(i reg.Register) {
		for j := 0; j < 32; j += 8 {
			p, q := YMM(), YMM()
			VPMOVZXBD(at(a, i, 1, j), p)
			VPMOVZXBD(at(b, i, 1, j), q)
			VPSUBD(p, q, q)
			VCVTDQ2PS(p, p)
			VCVTDQ2PS(q, q)
			VFMADD213PS(p, w, q)
			VMOVUPS(q, at(dst, i, 4, 4*j))
		}
	})
	end()
}

func sumRows() {
	begin("sumRows")
	dst, from, rows, w, k, n := arg("dst"), arg("from"), arg("rows"), arg("w"), arg("k"), arg("n")
	blocks(n, 32, func(i reg.Register) {
		acc := []reg.VecVirtual{YMM(), YMM(), YMM(), YMM()}
		TESTQ(from, from)
		JZ(LabelRef("fresh"))
		for j := range acc {
			VMOVUPS(at(from, i, 4, 32*j), acc[j])
		}
		JMP(LabelRef("add"))
		Label("fresh")
		for j := range acc {
			VXORPS(acc[j], acc[j], acc[j])
		}
		Label("add")
		r, f, row := GP64(), GP64(), GP64()
		MOVQ(rows, r)
		XORQ(f, f)
		Label("row")
		MOVQ(Mem{Base: r}, row)
		wv := YMM()
		VBROADCASTSS(at(w, f, 4, 0), wv)
		for j := range acc {
			v := YMM()
			VPMOVZXBD(at(row, i, 1, 8*j), v)
			VCVTDQ2PS(v, v)
			VFMADD231PS(v, wv, acc[j])
		}
		ADDQ(U8(24), r)
		INCQ(f)
		CMPQ(f, k)
		JLT(LabelRef("row"))
		for j := range acc {
			VMOVUPS(acc[j], at(dst, i, 4, 32*j))
		}
	})
	end()
}

// store3 writes the three low lanes of v.
func store3(v reg.VecVirtual, m Mem) {
	VMOVLPS(v, m)
	VEXTRACTPS(U8(2), v, m.Offset(8))
}

func lerpCols3() {
	begin("lerpCols3")
	dst, src, off, w, n, k := arg("dst"), arg("src"), arg("off"), arg("w"), arg("n"), arg("k")
	scale, shift := XMM(), XMM()
	VMOVUPS(Mem{Base: k}, scale)
	VMOVUPS(Mem{Base: k, Disp: 16}, shift)
	i := GP64()
	XORQ(i, i)
	pixel := func(j int) reg.VecVirtual {
		o := GP64()
		MOVLQSX(at(off, i, 4, 4*j), o)
		a, b, wv := XMM(), XMM(), XMM()
		VMOVUPS(at(src, o, 1, 0), a)
		VMOVUPS(at(src, o, 1, 12), b)
		VBROADCASTSS(at(w, i, 4, 4*j), wv)
		VSUBPS(a, b, b)
		VFMADD213PS(a, wv, b)
		VFMADD213PS(shift, scale, b)
		return b
	}
	const unroll = 4
	rest := GP64()
	Label("loop")
	LEAQ(Mem{Base: i, Disp: unroll}, rest)
	CMPQ(rest, n)
	JGE(LabelRef("single")) // the last pixel is left for store3
	for j := range unroll {
		VMOVUPS(pixel(j), Mem{Base: dst, Disp: 12 * j})
	}
	ADDQ(U8(12*unroll), dst)
	ADDQ(U8(unroll), i)
	JMP(LabelRef("loop"))
	Label("single")
	DECQ(n)
	Label("next")
	CMPQ(i, n)
	JGE(LabelRef("last"))
	VMOVUPS(pixel(0), Mem{Base: dst})
	ADDQ(U8(12), dst)
	INCQ(i)
	JMP(LabelRef("next"))
	Label("last")
	store3(pixel(0), Mem{Base: dst})
	end()
}

func lerpCols1() {
	begin("lerpCols1")
	dst, src, off, w, n, k := arg("dst"), arg("src"), arg("off"), arg("w"), arg("n"), arg("k")
	scale, shift := XMM(), XMM()
	VBROADCASTSS(Mem{Base: k}, scale)
	VBROADCASTSS(Mem{Base: k, Disp: 16}, shift)
	blocks(n, 4, func(i reg.Register) {
		var o [4]reg.GPVirtual
		for j := range o {
			o[j] = GP64()
			MOVLQSX(at(off, i, 4, 4*j), o[j])
		}
		p, q, a, b := XMM(), XMM(), XMM(), XMM()
		VMOVSD(at(src, o[0], 1, 0), p)
		VMOVHPS(at(src, o[1], 1, 0), p, p)
		VMOVSD(at(src, o[2], 1, 0), q)
		VMOVHPS(at(src, o[3], 1, 0), q, q)
		VSHUFPS(U8(0x88), q, p, a)
		VSHUFPS(U8(0xdd), q, p, b)
		VSUBPS(a, b, b)
		VFMADD132PS(at(w, i, 4, 0), a, b)
		VFMADD213PS(shift, scale, b)
		VMOVUPS(b, at(dst, i, 4, 0))
	})
	end()
}

func sumCols(channels int) {
	begin(fmt.Sprintf("sumCols%d", channels))
	dst, src, off, w, taps, n, k := arg("dst"), arg("src"), arg("off"), arg("w"), arg("taps"), arg("n"), arg("k")
	scale, shift := XMM(), XMM()
	VMOVUPS(Mem{Base: k}, scale)
	VMOVUPS(Mem{Base: k, Disp: 16}, shift)
	p, t, acc, wv := GP64(), GP64(), XMM(), XMM()
	Label("pixel")
	MOVLQSX(Mem{Base: off}, p)
	ADDQ(src, p)
	VXORPS(acc, acc, acc)
	MOVQ(taps, t)
	Label("tap")
	if channels == 3 {
		VBROADCASTSS(Mem{Base: w}, wv)
		VFMADD231PS(Mem{Base: p}, wv, acc)
	} else {
		VMOVSS(Mem{Base: w}, wv)
		VFMADD231SS(Mem{Base: p}, wv, acc)
	}
	ADDQ(U8(4*channels), p)
	ADDQ(U8(4), w)
	DECQ(t)
	JNZ(LabelRef("tap"))
	VFMADD213PS(shift, scale, acc)
	ADDQ(U8(4), off)
	DECQ(n)
	if channels == 1 {
		VMOVSS(acc, Mem{Base: dst})
		ADDQ(U8(4), dst)
		TESTQ(n, n)
		JNZ(LabelRef("pixel"))
	} else {
		JZ(LabelRef("last"))
		VMOVUPS(acc, Mem{Base: dst})
		ADDQ(U8(12), dst)
		JMP(LabelRef("pixel"))
		Label("last")
		store3(acc, Mem{Base: dst})
	}
	end()
}

func scale() {
	begin("scale")
	dst, src, k, n := arg("dst"), arg("src"), arg("k"), arg("n")
	var scale, shift [3]reg.VecVirtual
	for j := range scale {
		scale[j], shift[j] = YMM(), YMM()
		VMOVUPS(Mem{Base: k, Disp: 32 * j}, scale[j])
		VMOVUPS(Mem{Base: k, Disp: 96 + 32*j}, shift[j])
	}
	blocks(n, 24, func(i reg.Register) {
		for j := range scale {
			v := YMM()
			VPMOVZXBD(at(src, i, 1, 8*j), v)
			VCVTDQ2PS(v, v)
			VFMADD213PS(shift[j], scale[j], v)
			VMOVUPS(v, at(dst, i, 4, 32*j))
		}
	})
	end()
}

func bytes() {
	limit := GLOBL("limit255", RODATA|NOPTR)
	DATA(0, F32(255))
	shared.packed = GLOBL("packed", RODATA|NOPTR)
	for i, v := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*i, U32(v))
	}
	begin("bytes")
	dst, src, n := arg("dst"), arg("src"), arg("n")
	top, zero, perm := YMM(), YMM(), YMM()
	VBROADCASTSS(limit, top)
	VXORPS(zero, zero, zero)
	VMOVDQU(shared.packed, perm)
	blocks(n, 32, func(i reg.Register) {
		var v [4]reg.VecVirtual
		for j := range v {
			v[j] = YMM()
			VMOVUPS(at(src, i, 4, 32*j), v[j])
			VMAXPS(zero, v[j], v[j]) // a NaN gives the second operand, zero
			VMINPS(top, v[j], v[j])
			VCVTPS2DQ(v[j], v[j])
		}
		VPACKSSDW(v[1], v[0], v[0])
		VPACKSSDW(v[3], v[2], v[2])
		VPACKUSWB(v[2], v[0], v[0])
		VPERMD(v[0], perm, v[0])
		VMOVDQU(v[0], at(dst, i, 1, 0))
	})
	end()
}

// table makes a 16-byte shuffle: byte i of the result is byte f(i), or 0 where f(i) is outside 0..15.
func table(name string, f func(i int) int) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 16 {
		b := f(i)
		if b < 0 || b > 15 {
			b = 0x80
		}
		DATA(i, U8(b))
	}
	return m
}

// spread emits dst[i] = OR over the sources s of src[s][f(s, i)]: three vectors of 48 bytes from len(src) vectors.
func spread(name string, src []reg.VecVirtual, masks [][]reg.VecVirtual) []reg.VecVirtual {
	var out []reg.VecVirtual
	for _, row := range masks {
		var sum reg.VecVirtual
		for s, m := range row {
			if m == nil {
				continue
			}
			v := XMM()
			VPSHUFB(m, src[s], v)
			if sum == nil {
				sum = v
			} else {
				VPOR(v, sum, sum)
			}
		}
		out = append(out, sum)
	}
	return out
}

// spreadMasks loads the tables of spread: byte i of the 48 comes from byte f(i) of the concatenated sources.
func spreadMasks(name string, sources int, f func(i int) int) [][]reg.VecVirtual {
	masks := make([][]reg.VecVirtual, 3)
	for o := range masks {
		masks[o] = make([]reg.VecVirtual, sources)
		for s := range masks[o] {
			used := false
			m := table(fmt.Sprintf("%s%d%d", name, o, s), func(i int) int {
				b := f(16*o+i) - 16*s
				used = used || b >= 0 && b < 16
				return b
			})
			if used {
				masks[o][s] = XMM()
				VMOVDQU(m, masks[o][s])
			}
		}
	}
	return masks
}

func triple(i reg.Register) reg.Register {
	t := GP64()
	LEAQ(at(i, i, 2, 0), t)
	return t
}

func swap() {
	begin("swap")
	dst, src, n := arg("dst"), arg("src"), arg("n")
	masks := spreadMasks("swap", 3, func(i int) int { return i + 2 - 2*(i%3) })
	blocks(n, 16, func(i reg.Register) {
		t := triple(i)
		in := []reg.VecVirtual{XMM(), XMM(), XMM()}
		for j, v := range in {
			VMOVDQU(at(src, t, 1, 16*j), v)
		}
		for j, v := range spread("swap", in, masks) {
			VMOVDQU(v, at(dst, t, 1, 16*j))
		}
	})
	end()
}

func repeat() {
	begin("repeat")
	dst, src, n := arg("dst"), arg("src"), arg("n")
	masks := spreadMasks("repeat", 1, func(i int) int { return i / 3 })
	blocks(n, 16, func(i reg.Register) {
		t := triple(i)
		v := XMM()
		VMOVDQU(at(src, i, 1, 0), v)
		for j, v := range spread("repeat", []reg.VecVirtual{v}, masks) {
			VMOVDQU(v, at(dst, t, 1, 16*j))
		}
	})
	end()
}

func grey() {
	// From 12 bytes of four pixels: words (first, second) and (third, 0). late is for bytes 4..15 of a vector.
	pick := func(name string, first int, late int) Mem {
		m := GLOBL(name, RODATA|NOPTR)
		for lane := range 2 {
			skip := late * lane
			for i := range 16 {
				b := 0x80
				switch {
				case i%4 == 0:
					b = i/4*3 + first + skip
				case i%4 == 2 && first == 0:
					b = i/4*3 + 1 + skip
				}
				DATA(16*lane+i, U8(b))
			}
		}
		return m
	}
	pairA, restA := pick("greyPairA", 0, 0), pick("greyRestA", 2, 0)
	pairB, restB := pick("greyPairB", 0, 4), pick("greyRestB", 2, 4)
	half := GLOBL("half15", RODATA|NOPTR)
	DATA(0, U32(1<<14))
	begin("grey")
	dst, src, k, n := arg("dst"), arg("src"), arg("k"), arg("n")
	var masks [4]reg.VecVirtual
	for i, m := range []Mem{pairA, restA, pairB, restB} {
		masks[i] = YMM()
		VMOVDQU(m, masks[i])
	}
	round, kPair, kRest := YMM(), YMM(), YMM()
	VPBROADCASTD(half, round)
	VPBROADCASTD(Mem{Base: k}, kPair)
	VPBROADCASTD(Mem{Base: k, Disp: 4}, kRest)
	blocks(n, 16, func(i reg.Register) {
		t := triple(i)
		var sums [2]reg.VecVirtual
		// Pixels 0..3 and 8..11, then 4..7 and 12..15; the last four end their vector, to stay inside the row.
		for h, disp := range [2][2]int{{0, 24}, {12, 32}} {
			x, v, u := XMM(), YMM(), YMM()
			VMOVDQU(at(src, t, 1, disp[0]), x)
			VINSERTI128(U8(1), at(src, t, 1, disp[1]), x.AsY(), v)
			VPSHUFB(masks[2*h+1], v, u)
			VPSHUFB(masks[2*h], v, v)
			VPMADDWD(kPair, v, v)
			VPMADDWD(kRest, u, u)
			VPADDD(u, v, v)
			VPADDD(round, v, v)
			VPSRLD(U8(15), v, v)
			sums[h] = v
		}
		VPACKUSDW(sums[1], sums[0], sums[0])
		VPACKUSWB(sums[0], sums[0], sums[0])
		VPERMQ(U8(0x08), sums[0], sums[0])
		VMOVDQU(sums[0].AsX(), at(dst, i, 1, 0))
	})
	end()
}

// words makes a table of eight equal words.
func words(name string, v uint32) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(v))
	}
	return m
}

func yuv(format string, rgb bool) {
	name := fmt.Sprintf("%s%t", format, rgb)
	var tables [4]Mem
	if rgb && format == "YUYV" {
		// Bytes 0..15 and 16..23 of eight pixels from eight each of the first and second channel, and eight of the third twice.
		for i := range tables {
			m := GLOBL(fmt.Sprintf("interleave%d", i), RODATA|NOPTR)
			for lane := range 2 {
				for j := range 16 {
					o := 16*(i/2) + j
					b := 0x80
					if c, x := o%3, o/3; o < 24 {
						if i%2 == 0 && c < 2 {
							b = 8*c + x
						} else if i%2 == 1 && c == 2 {
							b = x
						}
					}
					DATA(16*lane+j, U8(b))
				}
			}
			tables[i] = m
		}
		low := words("lowByte", 0x00ff00ff)
		centre := words("centre128", 0x00800080)
		shared.interleave, shared.low, shared.centre = tables, low, centre
	}
	begin(name)
	dst, src := arg("dst"), arg("src")
	var uv reg.Register
	if rgb && format == "NV12" {
		uv = arg("uv")
	}
	k, n := arg("k"), arg("n")
	constant := func(i int) reg.VecVirtual {
		v := YMM()
		VPBROADCASTD(Mem{Base: k, Disp: 4 * i}, v)
		return v
	}
	kEven, kOdd, kAdd := constant(3), constant(4), constant(5)
	var kUV [3]reg.VecVirtual
	if rgb {
		for i := range kUV {
			kUV[i] = constant(i)
		}
	}
	blocks(n, 16, func(i reg.Register) {
		// Words Y0 Y1 and U V in each doubleword.
		y, c := YMM(), YMM()
		if format == "YUYV" {
			VMOVDQU(at(src, i, 2, 0), c)
			VPAND(shared.low, c, y)
			if rgb {
				VPSRLW(U8(8), c, c)
			}
		} else {
			VPMOVZXBW(at(src, i, 1, 0), y)
			if rgb {
				VPMOVZXBW(at(uv, i, 1, 0), c)
			}
		}
		even, odd := YMM(), YMM()
		VPMADDWD(kEven, y, even)
		VPADDD(kAdd, even, even)
		VPMADDWD(kOdd, y, odd)
		VPADDD(kAdd, odd, odd)
		// join makes of the two sums of each doubleword, shifted by 13, 16 words in the order of the pixels.
		join := func(e, o reg.VecVirtual) {
			VPSRAD(U8(13), e, e)
			VPSLLD(U8(3), o, o)
			VPBLENDW(U8(0xaa), o, e, e)
		}
		if !rgb {
			join(even, odd)
			VPACKUSWB(even, even, even)
			VPERMQ(U8(0x08), even, even)
			VMOVDQU(even.AsX(), at(dst, i, 1, 0))
			return
		}
		VPSUBW(shared.centre, c, c)
		var ch [3]reg.VecVirtual
		for j := range ch {
			ch[j] = YMM()
			o := YMM()
			VPMADDWD(kUV[j], c, ch[j])
			VPADDD(odd, ch[j], o)
			VPADDD(even, ch[j], ch[j])
			join(ch[j], o)
		}
		VPACKUSWB(ch[1], ch[0], ch[0])
		VPACKUSWB(ch[2], ch[2], ch[2])
		t := triple(i)
		var out [2]reg.VecVirtual
		for j := range out {
			out[j] = YMM()
			u := YMM()
			VPSHUFB(shared.interleave[2*j], ch[0], out[j])
			VPSHUFB(shared.interleave[2*j+1], ch[2], u)
			VPOR(u, out[j], out[j])
		}
		VMOVDQU(out[0].AsX(), at(dst, t, 1, 0))
		VMOVQ(out[1].AsX(), at(dst, t, 1, 16))
		VEXTRACTI128(U8(1), out[0], at(dst, t, 1, 24))
		VEXTRACTI128(U8(1), out[1], out[1].AsX())
		VMOVQ(out[1].AsX(), at(dst, t, 1, 40))
	})
	end()
}

// shared holds the tables that several kernels use.
var shared struct {
	interleave  [4]Mem
	low, centre Mem
	packed      Mem // doublewords in the order of their elements, after three packings
}

func warp() {
	iota8 := GLOBL("iota8", RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(i))
	}
	begin("warp")
	dst, src, stride, x, n := arg("dst"), arg("src"), arg("stride"), arg("x"), arg("n")
	SUBQ(arg("skip"), src)
	coord, k := arg("at"), arg("k")
	local := AllocLocal(96) // eight offsets, eight distances along x, eight along y
	scale, shift := XMM(), XMM()
	VMOVUPS(Mem{Base: k}, scale)
	VMOVUPS(Mem{Base: k, Disp: 16}, shift)
	strides, xs := YMM(), YMM()
	VMOVD(stride.(reg.GP).As32(), strides.AsX())
	VPBROADCASTD(strides.AsX(), strides)
	VMOVD(x.(reg.GP).As32(), xs.AsX())
	VPBROADCASTD(xs.AsX(), xs)
	VPADDD(iota8, xs, xs)
	eight := YMM()
	VPCMPEQD(eight, eight, eight)
	VPSRLD(U8(31), eight, eight)
	VPSLLD(U8(3), eight, eight)

	j, o := GP64(), GP64()
	Label("eight")
	xf := YMM()
	VCVTDQ2PS(xs, xf)
	VPADDD(eight, xs, xs)
	var whole [2]reg.VecVirtual
	for a := range whole {
		start, step := YMM(), YMM()
		VBROADCASTSS(Mem{Base: coord, Disp: 8 * a}, start)
		VBROADCASTSS(Mem{Base: coord, Disp: 8*a + 4}, step)
		VFMADD213PS(start, xf, step)
		floor := YMM()
		VROUNDPS(U8(1), step, floor)
		VSUBPS(floor, step, step)
		VMOVUPS(step, local.Offset(32+32*a))
		VCVTTPS2DQ(floor, floor)
		whole[a] = floor
	}
	VPMULLD(strides, whole[1], whole[1])
	VPADDD(whole[0], whole[1], whole[1])
	VPADDD(whole[0], whole[0], whole[0])
	VPADDD(whole[0], whole[1], whole[1])
	VMOVDQU(whole[1], local)
	XORQ(j, j)

	pixel := func() reg.VecVirtual {
		loc := func(disp int) Mem { m := local.Offset(disp); m.Index, m.Scale = j, 4; return m }
		MOVLQSX(loc(0), o)
		ADDQ(src, o)
		var v [4]reg.VecVirtual
		for i := range v {
			v[i] = XMM()
			m := Mem{Base: o, Disp: 3 * (i % 2)}
			if i >= 2 {
				m.Index, m.Scale = stride, 1
			}
			VPMOVZXBD(m, v[i])
		}
		VPSUBD(v[0], v[1], v[1])
		VPSUBD(v[2], v[3], v[3])
		for i := range v {
			VCVTDQ2PS(v[i], v[i])
		}
		fx, fy := XMM(), XMM()
		VBROADCASTSS(loc(32), fx)
		VBROADCASTSS(loc(64), fy)
		VFMADD213PS(v[0], fx, v[1])
		VFMADD213PS(v[2], fx, v[3])
		VSUBPS(v[1], v[3], v[3])
		VFMADD213PS(v[1], fy, v[3])
		VFMADD213PS(shift, scale, v[3])
		return v[3]
	}
	Label("pixel")
	CMPQ(n, U8(1))
	JE(LabelRef("last"))
	VMOVUPS(pixel(), Mem{Base: dst})
	ADDQ(U8(12), dst)
	DECQ(n)
	INCQ(j)
	CMPQ(j, U8(8))
	JL(LabelRef("pixel"))
	JMP(LabelRef("eight"))
	Label("last")
	store3(pixel(), Mem{Base: dst})
	end()
}

func widen(signed bool) {
	begin(fmt.Sprintf("widen%t", signed))
	dst, src := arg("dst"), arg("src")
	zero, scale := broadcastParam("zero"), broadcastParam("scale")
	n := arg("n")
	blocks(n, 32, func(i reg.Register) {
		for j := 0; j < 32; j += 8 {
			v := YMM()
			if signed {
				VPMOVSXBD(at(src, i, 1, j), v)
			} else {
				VPMOVZXBD(at(src, i, 1, j), v)
			}
			VPSUBD(zero, v, v)
			VCVTDQ2PS(v, v)
			VMULPS(scale, v, v)
			VMOVUPS(v, at(dst, i, 4, 4*j))
		}
	})
	end()
}

func narrow() {
	begin("narrow")
	dst, src := arg("dst"), arg("src")
	lo, hi, zero := broadcastParam("lo"), broadcastParam("hi"), broadcastParam("zero")
	n := arg("n")
	low, perm := YMM(), YMM()
	VPCMPEQD(low, low, low)
	VPSRLW(U8(8), low, low)
	VMOVDQU(shared.packed, perm)
	blocks(n, 32, func(i reg.Register) {
		var v [4]reg.VecVirtual
		for j := range v {
			v[j] = YMM()
			// A NaN stays one, converts to -1<<31, and packs to -1<<15, whose low byte is 0, whatever was added.
			VMAXPS(at(src, i, 4, 32*j), lo, v[j])
			VMINPS(v[j], hi, v[j])
			VCVTPS2DQ(v[j], v[j])
			VPADDD(zero, v[j], v[j])
		}
		VPACKSSDW(v[1], v[0], v[0])
		VPACKSSDW(v[3], v[2], v[2])
		VPAND(low, v[0], v[0])
		VPAND(low, v[2], v[2])
		VPACKUSWB(v[2], v[0], v[0])
		VPERMD(v[0], perm, v[0])
		VMOVDQU(v[0], at(dst, i, 1, 0))
	})
	end()
}

// lookup goes through the table by rows of 16 bytes, of which a shuffle takes any: bytes of other rows have their highest bit set, and give 0.
func lookup() {
	begin("lookup")
	dst, src, table := arg("dst"), arg("src"), arg("table")
	repeated := func(v uint32) reg.VecVirtual {
		r, y := GP32(), YMM()
		MOVL(U32(v), r)
		VMOVD(r, y.AsX())
		VPBROADCASTD(y.AsX(), y)
		return y
	}
	row, others := repeated(0x10101010), repeated(0x70707070)
	n := arg("n")
	blocks(n, 64, func(i reg.Register) {
		var x, y [2]reg.VecVirtual
		for k := range x {
			x[k], y[k] = YMM(), YMM()
			VMOVDQU(at(src, i, 1, 32*k), x[k])
			VPXOR(y[k], y[k], y[k])
		}
		for j := range 16 {
			bytes, index := YMM(), YMM()
			VBROADCASTI128(Mem{Base: table, Disp: 16 * j}, bytes)
			for k := range x {
				VPADDUSB(others, x[k], index)
				VPSHUFB(index, bytes, index)
				VPOR(index, y[k], y[k])
				VPSUBB(row, x[k], x[k])
			}
		}
		for k := range y {
			VMOVDQU(y[k], at(dst, i, 1, 32*k))
		}
	})
	end()
}

// most may write over what it reads: the last block overlaps the one before, and what it takes from there is at least as large as it was.
func most(signed bool) {
	begin(fmt.Sprintf("most%t", signed))
	dst, a, b, n := arg("dst"), arg("a"), arg("b"), arg("n")
	blocks(n, 32, func(i reg.Register) {
		v := YMM()
		VMOVDQU(at(a, i, 1, 0), v)
		if signed {
			VPMAXSB(at(b, i, 1, 0), v, v)
		} else {
			VPMAXUB(at(b, i, 1, 0), v, v)
		}
		VMOVDQU(v, at(dst, i, 1, 0))
	})
	end()
}
