//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// hasDepthwise8 says whether there are tiles of depthwise convolution of 8-bit integers.
func hasDepthwise8(isa ISA) bool { return isa&^(dot|plain) != Generic }

// depthwise8Quads writes a block's input rows as quads, or as pixels for tiles that take these.
func depthwise8Quads(isa ISA, a *asm.Depthwise8Args) {
	if isa&plain != 0 {
		asm.Depthwise8PixelsNEON(a)
	} else {
		asm.Depthwise8QuadsNEON(a)
	}
}

// depthwise8Tile computes a block from them.
func depthwise8Tile(isa ISA, kw, sw int, a *asm.Depthwise8Args) {
	window := [2]int{kw, sw}
	if isa&plain != 0 {
		switch window {
		case [2]int{3, 1}:
			asm.Depthwise8K3S1x8I8NEON(a)
		case [2]int{3, 2}:
			asm.Depthwise8K3S2x8I8NEON(a)
		case [2]int{5, 1}:
			asm.Depthwise8K5S1x8I8NEON(a)
		default:
			asm.Depthwise8K5S2x8I8NEON(a)
		}
		return
	}
	switch window {
	case [2]int{3, 1}:
		asm.Depthwise8K3S1x8I8DotNEON(a)
	case [2]int{3, 2}:
		asm.Depthwise8K3S2x8I8DotNEON(a)
	case [2]int{5, 1}:
		asm.Depthwise8K5S1x8I8DotNEON(a)
	default:
		asm.Depthwise8K5S2x8I8DotNEON(a)
	}
}
