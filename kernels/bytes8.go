package kernels

import (
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// Widen8 computes dst[i] = in.Of(src[i])·scale, rounded once; a scale of 1 gives the integers. It returns the bits of ref.Widen8.
//
// dst and src have one length and do not overlap; in.Zero is in -128..255.
func Widen8(dst []float32, src []byte, in Bytes, scale float32) {
	if len(src) != len(dst) {
		panic("kernels: Widen8: dst and src differ in length")
	}
	if in.Zero < -128 || in.Zero > 255 {
		panic("kernels: Widen8: bad zero point")
	}
	if !disjoint(bytesOf(dst), src) {
		panic("kernels: Widen8: dst overlaps src")
	}
	for len(dst) > 0 {
		n := min(mapChunk, len(dst))
		widenRow(dst[:n], src[:n], in, scale)
		dst, src = dst[n:], src[n:]
	}
}

// mostClip is the greatest magnitude of what Narrow8 clips to: with a byte added it fits in 16 bits.
const mostClip = 1 << 14

// Narrow8 computes dst[i] = the low byte of round(clip(src[i])) + zero, ties to even, clip being to lo..hi; a NaN gives 0. It returns the bytes of
// ref.Narrow8.
//
// dst and src have one length and do not overlap; lo and hi are whole numbers in -16384..16384.
func Narrow8(dst []byte, src []float32, lo, hi float32, zero int32) {
	if len(src) != len(dst) {
		panic("kernels: Narrow8: dst and src differ in length")
	}
	if !clips(lo, hi) {
		panic("kernels: Narrow8: bad lo or hi")
	}
	if !disjoint(dst, bytesOf(src)) {
		panic("kernels: Narrow8: dst overlaps src")
	}
	for len(dst) > 0 {
		n := min(mapChunk, len(dst))
		narrowRow(dst[:n], src[:n], lo, hi, zero&0xff)
		dst, src = dst[n:], src[n:]
	}
}

// clips says whether results may be clipped to lo..hi.
func clips(lo, hi float32) bool {
	return -mostClip <= lo && lo <= hi && hi <= mostClip && lo == float32(int32(lo)) && hi == float32(int32(hi))
}

func widenRowGo(dst []float32, src []byte, in Bytes, scale float32) {
	for i, v := range src {
		dst[i] = float32(in.Of(v)) * scale
	}
}

func narrowRowGo(dst []byte, src []float32, lo, hi float32, zero int32) {
	const magic = 3 << 22 // the last bits of numbers near it are an integer's
	dst = dst[:len(src)]
	for i, v := range src {
		if v == v {
			dst[i] = byte(math.Float32bits(ref.Clip(v, lo, hi)+magic) + uint32(zero))
		} else {
			dst[i] = 0
		}
	}
}

// Lookup8 computes dst[i] = table[src[i]].
//
// dst and src have one length and do not overlap.
func Lookup8(dst, src []byte, table *[256]byte) {
	if len(src) != len(dst) {
		panic("kernels: Lookup8: dst and src differ in length")
	}
	if !disjoint(dst, src) {
		panic("kernels: Lookup8: dst overlaps src")
	}
	for len(dst) > 0 {
		n := min(mapChunk, len(dst))
		lookupRow(dst[:n], src[:n], table)
		dst, src = dst[n:], src[n:]
	}
}

func lookupRowGo(dst, src []byte, table *[256]byte) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = table[v]
	}
}

// Max8 computes dst[i] = max(a[i], b[i]), of int8 where signed, else of uint8.
//
// dst, a and b have one length; dst may be a itself, and overlaps nothing else.
func Max8(dst, a, b []byte, signed bool) {
	if len(a) != len(dst) || len(b) != len(dst) {
		panic("kernels: Max8: dst, a and b differ in length")
	}
	if len(dst) == 0 {
		return
	}
	if !disjoint(dst, a) && &dst[0] != &a[0] || !disjoint(dst, b) {
		panic("kernels: Max8: dst overlaps a or b")
	}
	for len(dst) > 0 {
		n := min(mapChunk, len(dst))
		maxRow(dst[:n], a[:n], b[:n], signed)
		dst, a, b = dst[n:], a[n:], b[n:]
	}
}

func maxRowGo(dst, a, b []byte, signed bool) {
	a, b = a[:len(dst)], b[:len(dst)]
	if signed {
		for i := range dst {
			dst[i] = byte(max(int8(a[i]), int8(b[i])))
		}
		return
	}
	for i := range dst {
		dst[i] = max(a[i], b[i])
	}
}

// checkBytes8 compares the kernels of 8-bit integers and float32 with ref on a little more than two blocks, and all that a table may hold.
func checkBytes8() bool {
	const n = 77
	var b, want [n]byte
	var f [2][n]float32
	for i := range b {
		b[i] = byte(53 * i)
	}
	for _, signed := range [2]bool{false, true} {
		in := Bytes{Signed: signed, Zero: 97}
		Widen8(f[0][:], b[:], in, 0.37)
		if ref.Widen8(f[1][:], b[:], in, 0.37); f[0] != f[1] {
			return false
		}
	}
	for i := range f[0] {
		f[0][i] = (float32(i) - n/2) * 5.5
	}
	f[0][3], f[0][30], f[0][70] = posInf, -posInf, quietNaN
	Narrow8(b[:], f[0][:], -100, 127, 7)
	ref.Narrow8(want[:], f[0][:], -100, 127, 7)
	var every, table, found [256]byte
	for i := range every {
		every[i], table[i] = byte(i), byte(29*i+3)
	}
	Lookup8(found[:], every[:], &table)
	for _, signed := range [2]bool{false, true} {
		var most, mostWant [256]byte
		Max8(most[:], every[:], table[:], signed)
		if ref.Max8(mostWant[:], every[:], table[:], signed); most != mostWant {
			return false
		}
	}
	return b == want && found == table
}
