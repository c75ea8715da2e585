//go:build purego || !(amd64 || arm64)

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// gemmShape returns the rows and panels of the largest tile.
func gemmShape(ISA) (rows, panels int) { return 4, 1 }

// streamRows returns the rows of the largest tile that prefetches the weights to come; even says whether rows of A lie evenly.
func streamRows(isa ISA, _ bool) int {
	rows, _ := gemmShape(isa)
	return rows
}

// denseSteps says whether the tiles for rows that lie evenly take several steps.
func denseSteps(ISA) bool { return false }

// narrowRows returns the rows of the largest tile of so few columns, if it is higher than others, or 0. lda is GemmArgs.LDA.
func narrowRows(ISA, int, int) int { return 0 }

func gemmTile(isa ISA, args *asm.GemmArgs) { gemmTileGeneric(isa, args) }
