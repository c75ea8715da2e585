//go:build purego || !(amd64 || arm64)

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// gemmShape returns the rows and panels of the largest tile.
func gemmShape(ISA) (rows, panels int) { return 4, 1 }

func gemmTile(_ ISA, args *asm.GemmArgs) { gemmTileGeneric(args) }
