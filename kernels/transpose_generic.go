//go:build purego || !(amd64 || arm64)

package kernels

func transposeTile(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	transposeGo(dst, ldd, src, lds, rows, cols)
}

func join2Tile(dst, a, b []float32) { join2Go(dst, a, b) }

func split2Tile(a, b, src []float32) { split2Go(a, b, src) }
