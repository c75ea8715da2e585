//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// winogradLanes returns how many channels a transform computes at a time, and the instruction set whose transform that is.
func winogradLanes(isa ISA, channels int) (ISA, int) {
	if isa == NEON && channels >= 4 {
		return NEON, 4
	}
	return Generic, 1
}

func winogradInput(isa ISA, n int, a *asm.WinogradArgs) {
	switch {
	case isa == NEON && n == 6:
		asm.WinogradInput6x6F32NEON(a)
	case isa == NEON:
		asm.WinogradInput4x4F32NEON(a)
	default:
		winogradInputGeneric(n, a)
	}
}

func winogradOutput(isa ISA, m, n int, a *asm.WinogradArgs) {
	switch {
	case isa == NEON && m == 4:
		asm.WinogradOutput4x4of6F32NEON(a)
	case isa == NEON && n == 6:
		asm.WinogradOutput2x2of6F32NEON(a)
	case isa == NEON:
		asm.WinogradOutput2x2of4F32NEON(a)
	default:
		winogradOutputGeneric(m, n, a)
	}
}

func winogradWeights(_ ISA, m, r int, dst []float32, plane int, src []float32, n int) {
	winogradWeightsGeneric(m, r, dst, plane, src, n)
}
