//go:build !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// detect returns the vector instruction sets of this CPU.
func detect() []ISA {
	dotProducts[NEON] = cpuid.CPU.Supports(cpuid.ASIMDDP)
	if cpuid.CPU.Supports(cpuid.ASIMD) {
		return []ISA{NEON}
	}
	return nil
}
