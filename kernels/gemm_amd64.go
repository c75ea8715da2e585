//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// gemmShape returns the rows and panels of the largest tile.
func gemmShape(isa ISA) (rows, panels int) {
	switch isa {
	case AVX512:
		return 12, 2
	case AVX512 | dot:
		return 12, 2
	case AVX2, AVX2 | dot:
		return 6, 1
	}
	return 4, 1
}

// streamRows returns the rows of the largest tile that prefetches the weights to come; even says whether rows of A lie evenly.
func streamRows(isa ISA, even bool) int {
	if isa == AVX512 && !even {
		return 11
	}
	rows, _ := gemmShape(isa)
	return rows
}

// denseSteps says whether the tiles for rows that lie evenly take several steps.
func denseSteps(isa ISA) bool { return isa == AVX512 }

// narrowRows returns the rows of the largest tile of so few columns, if it is higher than others, or 0. lda is GemmArgs.LDA.
func narrowRows(isa ISA, cols, lda int) int {
	switch {
	case isa == AVX2 && cols <= panel/2:
		return 12
	case isa == AVX512 && cols <= panel && lda%(2*4*aliased) != 0: // so many rows would evict one another from the first-level cache
		return 24
	}
	return 0
}

func gemmTile(isa ISA, args *asm.GemmArgs) {
	switch isa {
	case AVX512:
		switch {
		case args.LDA != 0 && args.Rows == 12 && args.Cols > panel+panel/2:
			asm.GemmDense12x32F32AVX512(args)
		case args.LDA == 0 || args.Rows != 24:
			asm.Gemm12x32F32AVX512(args)
		case spreads: // shuffles take the multiply-adds' time where they have no units of their own
			asm.GemmDenseSpread24x16F32AVX512(args)
		default:
			asm.GemmDense24x16F32AVX512(args)
		}
	case AVX2:
		asm.Gemm6x16F32AVX2(args)
	case AVX512 | dot:
		asm.Gemm12x32I8AVX512VNNI(args)
	case AVX2 | dot:
		asm.Gemm6x16I8AVXVNNI(args)
	case AVX2 | dot | plain:
		asm.Gemm4x16I8AVX2(args)
	default:
		gemmTileGeneric(isa, args)
	}
}
