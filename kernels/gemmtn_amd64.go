//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// gemmTNShape returns the rows and columns of the largest tile.
func gemmTNShape(isa ISA) (rows, cols int) {
	switch isa {
	case AVX512:
		return 12, 32
	case AVX2:
		return 6, 16
	}
	return 4, 16
}

// gemmTNColumns returns how many columns a tile of so many rows has at most where so many are left, a multiple of 16.
func gemmTNColumns(isa ISA, rows, left int) int {
	_, n := gemmTNShape(isa)
	switch {
	case isa < AVX2:
	case rows == 1 && left >= 4*n:
		n *= 4
	case rows <= 3 && left >= 2*n:
		n *= 2
	}
	return min(n, left)
}

// gemmTNMasks says whether tiles of any number of columns exist.
func gemmTNMasks(isa ISA) bool { return isa != AVX2 }

func gemmTNTile(isa ISA, args *asm.GemmTNArgs) {
	switch isa {
	case AVX512:
		asm.GemmTN12x32F32AVX512(args)
	case AVX2:
		asm.GemmTN6x16F32AVX2(args)
	default:
		gemmTNTileGeneric(args)
	}
}
