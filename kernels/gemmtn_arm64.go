//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// gemmTNShape returns the rows and columns of the largest tile.
func gemmTNShape(isa ISA) (rows, cols int) {
	if isa == NEON {
		return asm.GemmTNRowsNEON, 16
	}
	return 4, 16
}

// gemmTNColumns returns how many columns a tile of so many rows has at most where so many are left, a multiple of 16.
func gemmTNColumns(_ ISA, _, left int) int { return min(16, left) }

// gemmTNMasks says whether tiles of any number of columns exist.
func gemmTNMasks(isa ISA) bool { return isa == Generic }

func gemmTNTile(isa ISA, args *asm.GemmTNArgs) {
	if isa == NEON {
		asm.GemmTNTileF32NEON(args)
	} else {
		gemmTNTileGeneric(args)
	}
}
