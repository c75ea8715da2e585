//go:build purego || !(amd64 || arm64)

package kernels

import "github.com/ocellus-vision/ocellus/asm"

func poolCall(_ ISA, kind PoolKind, a *asm.PoolArgs) { poolGeneric(kind, a) }
