//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

func lcnBlur(isa ISA, dst, src *float32, step int, g *float32, k int, scale *float32, scaleStep, root, n int) {
	switch isa {
	case AVX512:
		asm.LCNBlur16F32AVX512(dst, src, step, g, k, scale, scaleStep, root, n)
	case AVX2:
		asm.LCNBlur8F32AVX2(dst, src, step, g, k, scale, scaleStep, root, n)
	default:
		lcnBlurGeneric(dst, src, step, g, k, scale, scaleStep, root, n)
	}
}

func lcnSum(isa ISA, dst, src *float32, pixels, channels, square int) {
	switch isa {
	case AVX512:
		asm.LCNSum8F32AVX512(dst, src, pixels, channels, square)
	case AVX2:
		asm.LCNSum8F32AVX2(dst, src, pixels, channels, square)
	default:
		lcnSumGeneric(dst, src, pixels, channels, square)
	}
}

func lcnSub(isa ISA, dst, squares, src, mean *float32, pixels, channels int) {
	switch isa {
	case AVX512:
		asm.LCNSub8F32AVX512(dst, squares, src, mean, pixels, channels)
	case AVX2:
		asm.LCNSub8F32AVX2(dst, squares, src, mean, pixels, channels)
	default:
		lcnSubGeneric(dst, squares, src, mean, pixels, channels)
	}
}

func lcnDiv(isa ISA, dst, src, dev *float32, mean, floor float32, pixels, channels int) {
	switch isa {
	case AVX512:
		asm.LCNDiv8F32AVX512(dst, src, dev, mean, floor, pixels, channels)
	case AVX2:
		asm.LCNDiv8F32AVX2(dst, src, dev, mean, floor, pixels, channels)
	default:
		lcnDivGeneric(dst, src, dev, mean, floor, pixels, channels)
	}
}

func lcnFlatSub(isa ISA, dst, squares, src, mean *float32, n int) {
	switch isa {
	case AVX512:
		asm.LCNFlatSub16F32AVX512(dst, squares, src, mean, n)
	case AVX2:
		asm.LCNFlatSub8F32AVX2(dst, squares, src, mean, n)
	default:
		lcnSubGeneric(dst, squares, src, mean, n, 1)
	}
}

func lcnFlatDiv(isa ISA, dst, src, dev *float32, mean, floor float32, n int) {
	switch isa {
	case AVX512:
		asm.LCNFlatDiv16F32AVX512(dst, src, dev, mean, floor, n)
	case AVX2:
		asm.LCNFlatDiv8F32AVX2(dst, src, dev, mean, floor, n)
	default:
		lcnDivGeneric(dst, src, dev, mean, floor, n, 1)
	}
}

// lcnHasFew says whether the kernels for less than eight channels are to be used.
func lcnHasFew(isa ISA) bool { return isa >= AVX2 }

func lcnFewSub(dst, src, mean *float32, order *int32, groups, channels int) {
	asm.LCNFewSub8F32AVX2(dst, src, mean, order, groups, channels)
}

func lcnFewDiv(dst, src, dev *float32, order *int32, mean, floor float32, groups, channels int) {
	asm.LCNFewDiv8F32AVX2(dst, src, dev, order, mean, floor, groups, channels)
}
