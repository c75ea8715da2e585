//go:build purego || !(amd64 || arm64)

package kernels

func lcnBlur(_ ISA, dst, src *float32, step int, g *float32, k int, scale *float32, scaleStep, root, n int) {
	lcnBlurGeneric(dst, src, step, g, k, scale, scaleStep, root, n)
}

func lcnSum(_ ISA, dst, src *float32, pixels, channels, square int) {
	lcnSumGeneric(dst, src, pixels, channels, square)
}

func lcnSub(_ ISA, dst, squares, src, mean *float32, pixels, channels int) {
	lcnSubGeneric(dst, squares, src, mean, pixels, channels)
}

func lcnDiv(_ ISA, dst, src, dev *float32, mean, floor float32, pixels, channels int) {
	lcnDivGeneric(dst, src, dev, mean, floor, pixels, channels)
}

func lcnFlatSub(_ ISA, dst, squares, src, mean *float32, n int) {
	lcnSubGeneric(dst, squares, src, mean, n, 1)
}

func lcnFlatDiv(_ ISA, dst, src, dev *float32, mean, floor float32, n int) {
	lcnDivGeneric(dst, src, dev, mean, floor, n, 1)
}

// lcnHasFew says whether the kernels for less than eight channels are to be used.
func lcnHasFew(ISA) bool { return false }

func lcnFewSub(_, _, _ *float32, _ *int32, _, _ int) {}

func lcnFewDiv(_, _, _ *float32, _ *int32, _, _ float32, _, _ int) {}
