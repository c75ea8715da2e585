//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

func transposeTile(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	switch {
	case use[OpTranspose] != NEON:
		transposeGo(dst, ldd, src, lds, rows, cols)
	case cols == 2 && lds == 2 && rows >= 4:
		asm.Split2F32NEON(&dst[0], &dst[ldd], &src[0], rows)
	case rows == 2 && ldd == 2 && cols >= 4:
		asm.Join2F32NEON(&dst[0], &src[0], &src[lds], cols)
	case cols == 3 && lds == 3 && rows >= 4:
		asm.Split3F32NEON(&dst[0], ldd, &src[0], rows)
	case rows == 3 && ldd == 3 && cols >= 4:
		asm.Join3F32NEON(&dst[0], &src[0], lds, cols)
	case rows < 8 || cols < 4:
		transposeGo(dst, ldd, src, lds, rows, cols)
	default:
		inBlocks(rows, cols, 8, 4, ldd, lds, func(i, j, n, dstStep, srcStep int) {
			asm.Transpose8x4F32NEON(&dst[j*ldd+i], ldd, dstStep, &src[i*lds+j], lds, srcStep, n)
		})
	}
}

func join2Tile(dst, a, b []float32) {
	if use[OpTranspose] != NEON {
		join2Go(dst, a, b)
		return
	}
	asm.Join2F32NEON(&dst[0], &a[0], &b[0], len(a))
}

func split2Tile(a, b, src []float32) {
	if use[OpTranspose] != NEON {
		split2Go(a, b, src)
		return
	}
	asm.Split2F32NEON(&a[0], &b[0], &src[0], len(a))
}
