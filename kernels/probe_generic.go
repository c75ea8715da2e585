//go:build purego || !(amd64 || arm64)

package kernels

// probeFMA runs n turns of a multiply-add loop and returns the number of multiply-adds.
func probeFMA(isa ISA, n int) int {
	if isa != Generic {
		return 0
	}
	return probeFMAGeneric(n)
}

func probeRead(src []uint64) uint64 { return probeReadGeneric(src) }
