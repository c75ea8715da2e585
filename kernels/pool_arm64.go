//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

func poolCall(isa ISA, kind PoolKind, a *asm.PoolArgs) {
	switch {
	case isa == NEON && kind == PoolMax:
		asm.PoolMax16F32NEON(a)
	case isa == NEON && kind == PoolAvg:
		asm.PoolAvg16F32NEON(a)
	case isa == NEON:
		asm.PoolNorm16F32NEON(a)
	default:
		poolGeneric(kind, a)
	}
}
