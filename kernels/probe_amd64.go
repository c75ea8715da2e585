//go:build !purego

package kernels

import (
	"slices"

	"github.com/ocellus-vision/ocellus/asm"
)

// probeFMA runs n turns of isa's multiply-add loop and returns the number of multiply-adds.
func probeFMA(isa ISA, n int) int {
	x := float32(0.5)
	switch {
	case !slices.Contains(available, isa):
		return 0
	case isa == AVX512:
		asm.ProbeFMAAVX512(&x, n)
		return 12 * 16 * n
	case isa == AVX2:
		asm.ProbeFMAAVX2(&x, n)
		return 12 * 8 * n
	}
	return probeFMAGeneric(n)
}

// probeRead reads src, whose length is a multiple of 16.
func probeRead(src []uint64) uint64 {
	if ceiling >= AVX2 {
		asm.ProbeReadAVX2(&src[0], len(src)/16)
		return 0
	}
	return probeReadGeneric(src)
}
