//go:build purego || !(amd64 || arm64)

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// depthwiseLanes returns how many channels a tile computes, and the instruction set whose tile that is.
func depthwiseLanes(_ ISA, channels int) (ISA, int) { return Generic, min(channels, laneBlock) }

// depthwiseRuns says whether the tile of a window goes through several blocks of channels itself.
func depthwiseRuns(ISA, depthwiseWindow) bool { return false }

// depthwiseDown says whether there are tiles that go down the rows.
func depthwiseDown(ISA) bool { return false }

func depthwiseTile(_ ISA, _ depthwiseWindow, a *asm.DepthwiseArgs, lanes int) {
	depthwiseTileGeneric(a, lanes)
}

func depthwiseMove(_ ISA, _, _ *float32, _, _, _, _, _, _ int) {}

// depthwiseGradLanes returns how many channels a tile of the gradient of weights computes, and the instruction set whose tile that is.
func depthwiseGradLanes(ISA) (ISA, int) { return Generic, laneBlock }

func depthwiseGradTile(_ ISA, a *asm.DepthwiseGradArgs) { depthwiseGradTileGeneric(a, laneBlock) }
