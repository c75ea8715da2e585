//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// gemmShape returns the rows and panels of the largest tile.
func gemmShape(isa ISA) (rows, panels int) {
	switch isa {
	case NEON:
		return asm.GemmRowsNEON, 1
	case NEON | dot:
		return asm.GemmDotRowsNEON, 1
	case NEON | dot | plain:
		return asm.GemmDotPlainRowsNEON, 1
	}
	return 4, 1
}

// streamRows returns the rows of the largest tile that prefetches the weights to come; even says whether rows of A lie evenly.
func streamRows(isa ISA, _ bool) int {
	rows, _ := gemmShape(isa)
	return rows
}

// denseSteps says whether the tiles for rows that lie evenly take several steps.
func denseSteps(ISA) bool { return false }

// narrowRows returns the rows of the largest tile of so few columns, if it is higher than others, or 0. lda is GemmArgs.LDA.
func narrowRows(ISA, int, int) int { return 0 }

func gemmTile(isa ISA, args *asm.GemmArgs) {
	switch isa {
	case NEON:
		asm.GemmTileF32NEON(args)
	case NEON | dot:
		asm.GemmDotTileI8NEON(args)
	case NEON | dot | plain:
		asm.GemmDotPlainTileI8NEON(args)
	default:
		gemmTileGeneric(isa, args)
	}
}
