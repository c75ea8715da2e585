//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

func poolCall(isa ISA, kind PoolKind, a *asm.PoolArgs) {
	switch {
	case isa == AVX512 && kind == PoolMax:
		asm.PoolMax64F32AVX512(a)
	case isa == AVX512 && kind == PoolAvg:
		asm.PoolAvg64F32AVX512(a)
	case isa == AVX512:
		asm.PoolNorm64F32AVX512(a)
	case isa == AVX2 && kind == PoolMax:
		asm.PoolMax32F32AVX2(a)
	case isa == AVX2 && kind == PoolAvg:
		asm.PoolAvg32F32AVX2(a)
	case isa == AVX2:
		asm.PoolNorm32F32AVX2(a)
	default:
		poolGeneric(kind, a)
	}
}
