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
