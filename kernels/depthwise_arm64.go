//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// depthwiseLanes returns how many channels a tile computes, and the instruction set whose tile that is.
func depthwiseLanes(isa ISA, channels int) (ISA, int) {
	if isa == NEON {
		return NEON, 4
	}
	return Generic, min(channels, laneBlock)
}

// depthwiseRuns says whether the tile of a window goes through several blocks of channels itself.
func depthwiseRuns(ISA, depthwiseWindow) bool { return false }

// depthwiseDown says whether there are tiles that go down the rows.
func depthwiseDown(ISA) bool { return false }

func depthwiseTile(isa ISA, window depthwiseWindow, a *asm.DepthwiseArgs, lanes int) {
	if isa != NEON {
		depthwiseTileGeneric(a, lanes)
		return
	}
	switch window {
	case window3S1:
		asm.Depthwise3x3S1x7F32NEON(a)
	case window3S2:
		asm.Depthwise3x3S2x7F32NEON(a)
	case window5S1:
		asm.Depthwise5x5S1x7F32NEON(a)
	case window5S2:
		asm.Depthwise5x5S2x7F32NEON(a)
	case window7S1:
		asm.Depthwise7x7S1x7F32NEON(a)
	default:
		asm.DepthwiseAnyx4F32NEON(a)
	}
}

// depthwiseMove copies blocks of 16 channels of pixels; plain Go does without.
func depthwiseMove(_ ISA, dst, src *float32, pixels, blocks, dstPixel, dstBlock, srcPixel, srcBlock int) {
	asm.DepthwiseMove16F32NEON(dst, src, pixels, blocks, dstPixel, dstBlock, srcPixel, srcBlock)
}

// depthwiseGradLanes returns how many channels a tile of the gradient of weights computes, and the instruction set whose tile that is.
func depthwiseGradLanes(isa ISA) (ISA, int) {
	if isa == NEON {
		return isa, 8
	}
	return Generic, laneBlock
}

func depthwiseGradTile(isa ISA, a *asm.DepthwiseGradArgs) {
	if isa == NEON {
		asm.DepthwiseGrad9x8F32NEON(a)
	} else {
		depthwiseGradTileGeneric(a, laneBlock)
	}
}
