//go:build purego || !(amd64 || arm64)

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// gemmTNShape returns the rows and columns of the largest tile.
func gemmTNShape(ISA) (rows, cols int) { return 4, 16 }

// gemmTNColumns returns how many columns a tile of so many rows has at most where so many are left, a multiple of 16.
func gemmTNColumns(_ ISA, _, left int) int { return min(16, left) }

// gemmTNMasks says whether tiles of any number of columns exist.
func gemmTNMasks(ISA) bool { return true }

func gemmTNTile(_ ISA, args *asm.GemmTNArgs) { gemmTNTileGeneric(args) }
