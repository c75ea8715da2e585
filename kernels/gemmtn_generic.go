//go:build purego || !(amd64 || arm64)

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// gemmTNShape returns the rows and columns of the largest tile.
func gemmTNShape(ISA) (rows, cols int) { return 4, 16 }

// gemmTNMasks says whether tiles of any number of columns exist.
func gemmTNMasks(ISA) bool { return true }

func gemmTNTile(_ ISA, args *asm.GemmTNArgs) { gemmTNTileGeneric(args) }
