//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// winogradLanes returns how many channels a transform computes at a time, and the instruction set whose transform that is.
func winogradLanes(isa ISA, channels int) (ISA, int) {
	switch {
	case isa == AVX512 && channels >= 16:
		return AVX512, 16
	case isa >= AVX2 && channels >= 8:
		return AVX2, 8
	}
	return Generic, 1
}

func winogradInput(isa ISA, n int, a *asm.WinogradArgs) {
	switch {
	case isa == AVX512 && n == 6:
		asm.WinogradInput6x6F32AVX512(a)
	case isa == AVX512:
		asm.WinogradInput4x4F32AVX512(a)
	case isa == AVX2 && n == 6:
		asm.WinogradInput6x6F32AVX2(a)
	case isa == AVX2:
		asm.WinogradInput4x4F32AVX2(a)
	default:
		winogradInputGeneric(n, a)
	}
}

func winogradOutput(isa ISA, m, n int, a *asm.WinogradArgs) {
	switch {
	case isa == AVX512 && m == 4:
		asm.WinogradOutput4x4of6F32AVX512(a)
	case isa == AVX512 && n == 6:
		asm.WinogradOutput2x2of6F32AVX512(a)
	case isa == AVX512:
		asm.WinogradOutput2x2of4F32AVX512(a)
	case isa == AVX2 && m == 4:
		asm.WinogradOutput4x4of6F32AVX2(a)
	case isa == AVX2 && n == 6:
		asm.WinogradOutput2x2of6F32AVX2(a)
	case isa == AVX2:
		asm.WinogradOutput2x2of4F32AVX2(a)
	default:
		winogradOutputGeneric(m, n, a)
	}
}

func winogradWeights(isa ISA, m, r int, dst []float32, plane int, src []float32, n int) {
	to, from, tap := &dst[0], &src[0], 4*panel*n
	switch {
	case isa == AVX512 && m == 4:
		asm.WinogradWeights4x4of6AVX512(to, 4*plane, from, tap, n)
	case isa == AVX512 && r == 5:
		asm.WinogradWeights2x2of6AVX512(to, 4*plane, from, tap, n)
	case isa == AVX512:
		asm.WinogradWeights2x2of4AVX512(to, 4*plane, from, tap, n)
	case isa == AVX2 && m == 4:
		asm.WinogradWeights4x4of6AVX2(to, 4*plane, from, tap, n)
	case isa == AVX2 && r == 5:
		asm.WinogradWeights2x2of6AVX2(to, 4*plane, from, tap, n)
	case isa == AVX2:
		asm.WinogradWeights2x2of4AVX2(to, 4*plane, from, tap, n)
	default:
		winogradWeightsGeneric(m, r, dst, plane, src, n)
	}
}
