//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

func lcnBlur(isa ISA, dst, src *float32, step int, g *float32, k int, scale *float32, scaleStep, root, n int) {
	if isa == NEON {
		asm.LCNBlur4F32NEON(dst, src, step, g, k, scale, scaleStep, root, n)
	} else {
		lcnBlurGeneric(dst, src, step, g, k, scale, scaleStep, root, n)
	}
}

func lcnSum(isa ISA, dst, src *float32, pixels, channels, square int) {
	if isa == NEON {
		asm.LCNSum8F32NEON(dst, src, pixels, channels, square)
	} else {
		lcnSumGeneric(dst, src, pixels, channels, square)
	}
}

func lcnSub(isa ISA, dst, squares, src, mean *float32, pixels, channels int) {
	if isa == NEON {
		asm.LCNSub8F32NEON(dst, squares, src, mean, pixels, channels)
	} else {
		lcnSubGeneric(dst, squares, src, mean, pixels, channels)
	}
}

func lcnDiv(isa ISA, dst, src, dev *float32, mean, floor float32, pixels, channels int) {
	if isa == NEON {
		asm.LCNDiv8F32NEON(dst, src, dev, mean, floor, pixels, channels)
	} else {
		lcnDivGeneric(dst, src, dev, mean, floor, pixels, channels)
	}
}

func lcnFlatSub(isa ISA, dst, squares, src, mean *float32, n int) {
	if isa == NEON {
		asm.LCNFlatSub4F32NEON(dst, squares, src, mean, n)
	} else {
		lcnSubGeneric(dst, squares, src, mean, n, 1)
	}
}

func lcnFlatDiv(isa ISA, dst, src, dev *float32, mean, floor float32, n int) {
	if isa == NEON {
		asm.LCNFlatDiv4F32NEON(dst, src, dev, mean, floor, n)
	} else {
		lcnDivGeneric(dst, src, dev, mean, floor, n, 1)
	}
}

// lcnHasFew says whether the kernels for less than eight channels are to be used.
func lcnHasFew(ISA) bool { return false }

func lcnFewSub(_, _, _ *float32, _ *int32, _, _ int) {}

func lcnFewDiv(_, _, _ *float32, _ *int32, _, _ float32, _, _ int) {}
