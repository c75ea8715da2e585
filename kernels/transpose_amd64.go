//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

func transposeTile(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	switch {
	case use[OpTranspose] < AVX2:
		transposeGo(dst, ldd, src, lds, rows, cols)
	case cols == 2 && lds == 2 && rows >= 8:
		asm.Split2F32AVX2(&dst[0], &dst[ldd], &src[0], rows)
	case rows == 2 && ldd == 2 && cols >= 8:
		asm.Join2F32AVX2(&dst[0], &src[0], &src[lds], cols)
	case cols == 3 && lds == 3 && rows >= 8:
		asm.Split3F32AVX2(&dst[0], ldd, &src[0], rows)
	case rows == 3 && ldd == 3 && cols >= 8:
		asm.Join3F32AVX2(&dst[0], &src[0], lds, cols)
	case rows < 8 || cols < 8:
		transposeGo(dst, ldd, src, lds, rows, cols)
	case use[OpTranspose] == AVX512 && rows >= 16 && cols >= 16:
		inBlocks(rows, cols, 16, 16, ldd, lds, func(i, j, n, dstStep, srcStep int) {
			asm.Transpose16x16F32AVX512(&dst[j*ldd+i], ldd, dstStep, &src[i*lds+j], lds, srcStep, n)
		})
	default:
		inBlocks(rows, cols, 8, 8, ldd, lds, func(i, j, n, dstStep, srcStep int) {
			asm.Transpose8x8F32AVX2(&dst[j*ldd+i], ldd, dstStep, &src[i*lds+j], lds, srcStep, n)
		})
	}
}

func join2Tile(dst, a, b []float32) {
	if use[OpTranspose] == Generic {
		join2Go(dst, a, b)
		return
	}
	asm.Join2F32AVX2(&dst[0], &a[0], &b[0], len(a))
}

func split2Tile(a, b, src []float32) {
	if use[OpTranspose] == Generic {
		split2Go(a, b, src)
		return
	}
	asm.Split2F32AVX2(&a[0], &b[0], &src[0], len(a))
}
