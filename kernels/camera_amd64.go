//go:build !purego

package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
)

// The assembly works on whole blocks and lets the last one overlap the one before; rows shorter than a block are left to Go.

func lerpRow(dst []float32, a, b []uint8, w float32) {
	if n := len(dst); n >= 32 && use[OpCamera] >= AVX2 {
		asm.LerpRowsU8F32AVX2(&dst[0], &a[:n][0], &b[:n][0], w, n)
		return
	}
	lerpRowGo(dst, a, b, w)
}

func sumRow(dst, from []float32, rows [][]uint8, w []float32) {
	if n := len(dst); n >= 32 && use[OpCamera] >= AVX2 {
		asm.SumRowsU8F32AVX2(&dst[0], unsafe.SliceData(from), &rows[0], &w[:len(rows)][0], len(rows), n)
		return
	}
	sumRowGo(dst, from, rows, w)
}

func lerpCols(dst, src []float32, off []int32, w []float32, c int, k *[8]float32) {
	n := len(off)
	switch {
	case use[OpCamera] >= AVX2 && c == 3:
		asm.LerpCols3F32AVX2(&dst[:3*n][0], &src[0], &off[0], &w[:n][0], n, &k[0])
	case use[OpCamera] >= AVX2 && n >= 4:
		asm.LerpCols1F32AVX2(&dst[:n][0], &src[0], &off[0], &w[:n][0], n, &k[0])
	default:
		lerpColsGo(dst, src, off, w, c, k)
	}
}

func sumCols(dst, src []float32, off []int32, w []float32, taps, c int, k *[8]float32) {
	n := len(off)
	switch {
	case use[OpCamera] >= AVX2 && c == 3:
		asm.SumCols3F32AVX2(&dst[:3*n][0], &src[0], &off[0], &w[:n*taps][0], taps, n, &k[0])
	case use[OpCamera] >= AVX2:
		asm.SumCols1F32AVX2(&dst[:n][0], &src[0], &off[0], &w[:n*taps][0], taps, n, &k[0])
	default:
		sumColsGo(dst, src, off, w, taps, c, k)
	}
}

func scaleRow(dst []float32, src []uint8, k *[48]float32) {
	if n := len(src); n >= 24 && use[OpCamera] >= AVX2 {
		asm.ScaleU8F32AVX2(&dst[:n][0], &src[0], &k[0], n)
		return
	}
	scaleRowGo(dst, src, k)
}

func byteRow(dst []uint8, src []float32) {
	if n := len(src); n >= 32 && use[OpCamera] >= AVX2 {
		asm.BytesF32U8AVX2(&dst[:n][0], &src[0], n)
		return
	}
	byteRowGo(dst, src)
}

func swapRow(dst, src []uint8) {
	if n := len(src) / 3; n >= 16 && use[OpCamera] >= AVX2 {
		asm.SwapRGBU8AVX2(&dst[:3*n][0], &src[0], n)
		return
	}
	swapRowGo(dst, src)
}

func repeatRow(dst, src []uint8) {
	if n := len(src); n >= 16 && use[OpCamera] >= AVX2 {
		asm.RepeatU8AVX2(&dst[:3*n][0], &src[0], n)
		return
	}
	repeatRowGo(dst, src)
}

func greyRow(dst, src []uint8, k *[4]int16) {
	if n := len(dst); n >= 16 && use[OpCamera] >= AVX2 {
		asm.GreyRGBU8AVX2(&dst[0], &src[:3*n][0], &k[0], n)
		return
	}
	greyRowGo(dst, src, k)
}

// A pair of an odd row is finished in Go.

func yuyvRow(dst, src []uint8, k *[6]uint32) {
	n := len(dst) / 3 &^ 1
	if n >= 16 && use[OpCamera] >= AVX2 {
		asm.YUYVToRGBU8AVX2(&dst[0], &src[:2*n][0], &k[0], n)
		dst, src = dst[3*n:], src[2*n:]
	}
	yuyvRowGo(dst, src, k)
}

func nv12Row(dst, luma, uv []uint8, k *[6]uint32) {
	n := len(luma) &^ 1
	if n >= 16 && use[OpCamera] >= AVX2 {
		asm.NV12ToRGBU8AVX2(&dst[:3*n][0], &luma[0], &uv[:n][0], &k[0], n)
		dst, luma, uv = dst[3*n:], luma[n:], uv[n:]
	}
	nv12RowGo(dst, luma, uv, k)
}

func yuyvGreyRow(dst, src []uint8, k *[6]uint32) {
	n := len(dst) &^ 1
	if n >= 16 && use[OpCamera] >= AVX2 {
		asm.YUYVToGreyU8AVX2(&dst[0], &src[:2*n][0], &k[0], n)
		dst, src = dst[n:], src[2*n:]
	}
	yuyvGreyRowGo(dst, src, k)
}

func lumaRow(dst, luma []uint8, k *[6]uint32) {
	if n := len(luma); n >= 16 && use[OpCamera] >= AVX2 {
		asm.LumaToGreyU8AVX2(&dst[:n][0], &luma[0], &k[0], n)
		return
	}
	lumaRowGo(dst, luma, k)
}

func warpRow(dst []float32, src []uint8, stride, skip, x, c int, at *[4]float32, k *[8]float32) {
	if n := len(dst) / 3; c == 3 && n > 0 && use[OpCamera] >= AVX2 {
		asm.WarpRGBU8F32AVX2(&dst[0], &src[0], stride, skip, x, n, &at[0], &k[0])
		return
	}
	warpRowGo(dst, src, stride, skip, x, c, at, k)
}

func widenRow(dst []float32, src []byte, in Bytes, scale float32) {
	switch n := len(src); {
	case n < 32 || use[OpCamera] < AVX2:
		widenRowGo(dst, src, in, scale)
	case in.Signed:
		asm.WidenI8F32AVX2(&dst[:n][0], &src[0], in.Zero, scale, n)
	default:
		asm.WidenU8F32AVX2(&dst[:n][0], &src[0], in.Zero, scale, n)
	}
}

func narrowRow(dst []byte, src []float32, lo, hi float32, zero int32) {
	if n := len(src); n >= 32 && use[OpCamera] >= AVX2 {
		asm.NarrowF32U8AVX2(&dst[:n][0], &src[0], lo, hi, zero, n)
		return
	}
	narrowRowGo(dst, src, lo, hi, zero)
}

func lookupRow(dst, src []byte, table *[256]byte) {
	if n := len(src); n >= 64 && use[OpCamera] >= AVX2 {
		asm.LookupU8AVX2(&dst[:n][0], &src[0], &table[0], n)
		return
	}
	lookupRowGo(dst, src, table)
}

func maxRow(dst, a, b []byte, signed bool) {
	switch n := len(dst); {
	case n < 32 || use[OpCamera] < AVX2:
		maxRowGo(dst, a, b, signed)
	case signed:
		asm.MaxI8AVX2(&dst[0], &a[0], &b[0], n)
	default:
		asm.MaxU8AVX2(&dst[0], &a[0], &b[0], n)
	}
}
