//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// hasDepthwise8 says whether there are tiles of depthwise convolution of 8-bit integers.
func hasDepthwise8(isa ISA) bool { return isa&^(dot|plain) != Generic }

// depthwise8Quads writes a block's input rows as quads.
func depthwise8Quads(_ ISA, a *asm.Depthwise8Args) { asm.Depthwise8QuadsAVX2(a) }

// depthwise8Tile computes a block from its quads.
func depthwise8Tile(isa ISA, kw, sw int, a *asm.Depthwise8Args) {
	window := [2]int{kw, sw}
	switch isa {
	case AVX512 | dot:
		switch window {
		case [2]int{3, 1}:
			asm.Depthwise8K3S1x8I8AVX512VNNI(a)
		case [2]int{3, 2}:
			asm.Depthwise8K3S2x8I8AVX512VNNI(a)
		case [2]int{5, 1}:
			asm.Depthwise8K5S1x8I8AVX512VNNI(a)
		default:
			asm.Depthwise8K5S2x8I8AVX512VNNI(a)
		}
	case AVX2 | dot:
		switch window {
		case [2]int{3, 1}:
			asm.Depthwise8K3S1x8I8AVXVNNI(a)
		case [2]int{3, 2}:
			asm.Depthwise8K3S2x8I8AVXVNNI(a)
		case [2]int{5, 1}:
			asm.Depthwise8K5S1x8I8AVXVNNI(a)
		default:
			asm.Depthwise8K5S2x8I8AVXVNNI(a)
		}
	default:
		switch window {
		case [2]int{3, 1}:
			asm.Depthwise8K3S1x8I8AVX2(a)
		case [2]int{3, 2}:
			asm.Depthwise8K3S2x8I8AVX2(a)
		case [2]int{5, 1}:
			asm.Depthwise8K5S1x8I8AVX2(a)
		default:
			asm.Depthwise8K5S2x8I8AVX2(a)
		}
	}
}
