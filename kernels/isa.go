// Package kernels does arithmetic on slices: GEMM, convolution, pooling, normalisation, element-wise functions and camera kernels, and what
// back-propagation and the optimisers need.
//
// Every kernel returns the bits of its plain definition in kernels/ref, on every instruction set and with any number of
// threads. Which instruction set runs is decided once, at start, from cpuid; OCELLUS_ISA may lower it
// (generic, avx2, avx512, neon). Each dispatched kernel is compared with ref at start, and one that differs is
// replaced by the next one down (see SelfTest).
package kernels

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// ISA is a family of vector instructions that a kernel may be written for, worst first.
type ISA uint8

const (
	Generic ISA = iota // plain Go
	NEON               // arm64 Advanced SIMD
	AVX2               // AVX2 and FMA
	AVX512             // AVX-512 F, BW, DQ, VL
	numISA
)

var isaNames = [numISA]string{"generic", "neon", "avx2", "avx512"}

func (i ISA) String() string { return isaNames[i] }

// ParseISA returns the instruction set of that name.
func ParseISA(name string) (ISA, error) {
	if i := slices.Index(isaNames[:], strings.ToLower(name)); i >= 0 {
		return ISA(i), nil
	}
	return Generic, fmt.Errorf("kernels: unknown instruction set %q; known: %s", name, strings.Join(isaNames[:], ", "))
}

// Op names a family of kernels that is dispatched, tested and replaced as one.
type Op uint8

const (
	OpGemm      Op = iota // GEMM, indirect convolution, GEMV, locally connected
	OpDepthwise           // depthwise convolution
	OpPool                // max, average, L2 and global pooling
	OpNorm                // LRN, softmax, L2 norm, argmax and other sums over lanes
	OpLCN                 // local contrast normalisation
	OpMap                 // element-wise functions
	OpCamera              // camera formats, resize, warp, 8-bit integers to and from float32
	OpTranspose           // NHWC <-> NCHW
	OpWinograd            // transforms of Winograd convolution, whose products are GEMM
	OpGrad                // sums over rows, optimisers, gradients of pooling
	OpGemm8               // GEMM, convolution and depthwise convolution of 8-bit integers
	NumOps
)

var opNames = [NumOps]string{"gemm", "depthwise", "pool", "norm", "lcn", "map", "camera", "transpose", "winograd", "grad", "gemm8"}

func (o Op) String() string { return opNames[o] }

var (
	available []ISA         // what this CPU runs, Generic first
	ceiling   ISA           // the best of them that OCELLUS_ISA allows
	warning   string        // what was wrong with OCELLUS_ISA
	use       [NumOps]ISA   // what each family runs on
	chosen    [NumOps]ISA   // what use was after the self-test
	results   []CheckResult // of the self-test

	dotProducts [numISA]bool // whether this CPU adds up products of 8-bit integers to 32 bits with them
	spreads     bool         // whether this CPU has units for shuffles beside those for multiply-adds
	strides     = true       // whether it is quick to read lines an even number of them apart, as many as lie under tiles with a step
	roomy       = true       // whether a set of its first-level cache holds twelve lines, or eight
	evicts      = true       // whether a tile's rows evict one another from its first-level cache where they lie a large power of two apart
)

func init() {
	available = append([]ISA{Generic}, detect()...)
	ceiling = available[len(available)-1]
	if name := os.Getenv("OCELLUS_ISA"); name != "" {
		isa, err := ParseISA(name)
		switch {
		case err != nil:
			warning = "OCELLUS_ISA: " + err.Error()
		case !slices.Contains(available, isa):
			warning = fmt.Sprintf("OCELLUS_ISA=%s: this CPU runs %v; using %s", isa, available, ceiling)
		default:
			ceiling = isa
		}
	}
	for op := range use {
		use[op] = ceiling
	}
	results = selfTest(checks[:])
	chosen = use
}

// Available returns the instruction sets that this CPU and this build can run, plain Go first.
func Available() []ISA { return slices.Clone(available) }

// Active returns the instruction set that a family of kernels runs on.
func Active(op Op) ISA { return use[op] }

// Best returns the instruction set that was chosen at start, before any kernel was replaced.
func Best() ISA { return ceiling }

// Warning says what was wrong with OCELLUS_ISA, or is empty.
func Warning() string { return warning }

// Force makes every family run on isa, or on what the self-test left of it where that is lower, and returns a function that
// undoes it. It must not be called while kernels run. Errors: isa is not available here.
func Force(isa ISA) (restore func(), err error) {
	if !slices.Contains(available, isa) {
		return nil, fmt.Errorf("kernels: %s is not available here; available: %v", isa, available)
	}
	old := use
	for op := range use {
		use[op] = min(isa, chosen[op])
	}
	return func() { use = old }, nil
}

// below returns the next instruction set down from isa that this CPU runs.
func below(isa ISA) ISA {
	next := Generic
	for _, a := range available {
		if a < isa {
			next = a
		}
	}
	return next
}
