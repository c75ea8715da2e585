//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// depthwiseLanes returns how many channels a tile computes, and the instruction set whose tile that is.
func depthwiseLanes(isa ISA, channels int) (ISA, int) {
	switch {
	case isa == AVX512 && channels >= 16:
		return AVX512, 16
	case isa >= AVX2:
		return AVX2, 8
	}
	return Generic, min(channels, laneBlock)
}

// depthwiseRuns says whether the tile of a window goes through several blocks of channels itself.
func depthwiseRuns(isa ISA, window depthwiseWindow) bool { return isa >= AVX2 && window != windowAny }

// depthwiseDown says whether there are tiles that go down the rows.
func depthwiseDown(isa ISA) bool { return isa == AVX512 }

func depthwiseTile(isa ISA, window depthwiseWindow, a *asm.DepthwiseArgs, lanes int) {
	switch isa {
	case AVX512:
		switch window {
		case window3S1:
			asm.Depthwise3x3S1x7F32AVX512(a)
		case window3S2:
			asm.Depthwise3x3S2x7F32AVX512(a)
		case window5S1:
			asm.Depthwise5x5S1x7F32AVX512(a)
		case window5S2:
			asm.Depthwise5x5S2x7F32AVX512(a)
		case window7S1:
			asm.Depthwise7x7S1x7F32AVX512(a)
		case window3S1Down:
			asm.Depthwise3x3S1Downx7F32AVX512(a)
		case window3S2Down:
			asm.Depthwise3x3S2Downx7F32AVX512(a)
		default:
			asm.DepthwiseAnyx4F32AVX512(a)
		}
	case AVX2:
		switch window {
		case window3S1:
			asm.Depthwise3x3S1x7F32AVX2(a)
		case window3S2:
			asm.Depthwise3x3S2x7F32AVX2(a)
		case window5S1:
			asm.Depthwise5x5S1x7F32AVX2(a)
		case window5S2:
			asm.Depthwise5x5S2x7F32AVX2(a)
		case window7S1:
			asm.Depthwise7x7S1x7F32AVX2(a)
		default:
			asm.DepthwiseAnyx4F32AVX2(a)
		}
	default:
		depthwiseTileGeneric(a, lanes)
	}
}

// depthwiseMove copies blocks of 16 channels of pixels; plain Go does without.
func depthwiseMove(isa ISA, dst, src *float32, pixels, blocks, dstPixel, dstBlock, srcPixel, srcBlock int) {
	if isa == AVX512 {
		asm.DepthwiseMove16F32AVX512(dst, src, pixels, blocks, dstPixel, dstBlock, srcPixel, srcBlock)
	} else {
		asm.DepthwiseMove16F32AVX2(dst, src, pixels, blocks, dstPixel, dstBlock, srcPixel, srcBlock)
	}
}

// depthwiseGradLanes returns how many channels a tile of the gradient of weights computes, and the instruction set whose tile that is.
func depthwiseGradLanes(isa ISA) (ISA, int) {
	switch isa {
	case AVX512:
		return isa, 16
	case AVX2:
		return isa, 8
	}
	return Generic, laneBlock
}

func depthwiseGradTile(isa ISA, a *asm.DepthwiseGradArgs) {
	switch isa {
	case AVX512:
		asm.DepthwiseGrad9x16F32AVX512(a)
	case AVX2:
		asm.DepthwiseGrad9x8F32AVX2(a)
	default:
		depthwiseGradTileGeneric(a, laneBlock)
	}
}
