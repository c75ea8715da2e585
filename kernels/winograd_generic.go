//go:build purego || !(amd64 || arm64)

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// winogradLanes returns how many channels a transform computes at a time, and the instruction set whose transform that is.
func winogradLanes(ISA, int) (ISA, int) { return Generic, 1 }

func winogradInput(_ ISA, n int, a *asm.WinogradArgs) { winogradInputGeneric(n, a) }

func winogradOutput(_ ISA, m, n int, a *asm.WinogradArgs) { winogradOutputGeneric(m, n, a) }

func winogradWeights(_ ISA, m, r int, dst []float32, plane int, src []float32, n int) {
	winogradWeightsGeneric(m, r, dst, plane, src, n)
}
