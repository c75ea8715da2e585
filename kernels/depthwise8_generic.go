//go:build purego || !(amd64 || arm64)

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// hasDepthwise8 says whether there are tiles of depthwise convolution of 8-bit integers.
func hasDepthwise8(ISA) bool { return false }

func depthwise8Quads(ISA, *asm.Depthwise8Args) {}

func depthwise8Tile(ISA, int, int, *asm.Depthwise8Args) {}
