//go:build !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// detect returns the vector instruction sets of this CPU that the operating system has switched on, worst first.
func detect() []ISA {
	var isas []ISA
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		isas = append(isas, AVX2)
		if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL) {
			isas = append(isas, AVX512)
		}
	}
	dotProducts[AVX2] = cpuid.CPU.Supports(cpuid.AVXVNNI)
	dotProducts[AVX512] = cpuid.CPU.Supports(cpuid.AVX512VNNI)
	intel := cpuid.CPU.VendorID == cpuid.Intel
	spreads, strides = !intel, !intel
	roomy = cpuid.CPU.Cache.L1D >= 48<<10
	evicts = !intel || !roomy // twelve ways keep what their tiles read
	return isas
}
