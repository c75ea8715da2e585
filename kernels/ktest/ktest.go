// Package ktest holds the one list of problems that drives the tests, the fuzzing and the benchmarks of kernels, on every
// instruction set and for every backend: each problem fills its buffers from a seed, runs the kernel, and knows ref's answer.
package ktest

import (
	"hash"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
)

// Problem is one call of one kernel.
type Problem struct {
	Name  string  // family/shape/variant
	Bench bool    // worth timing; other problems are for correctness only
	Flops float64 // of one run, 0 where that is not the measure
	Bytes float64 // that one run must read and write at least once
	// Build allocates the problem's buffers from m and returns how to run the kernel and ref on them.
	Build func(m *Mem) Case
}

// Case is a built problem. Fast runs the kernel through dispatch; Ref runs the plain definition on outputs of its own. Move, which few have, reads Fast's
// inputs and writes its outputs once, and computes nothing.
type Case struct {
	Fast func(t *kernels.Team)
	Ref  func()
	Move func()
}

// Family is the part of the list that belongs to one kernel.
type Family struct {
	Name string
	Op   kernels.Op
	// List returns the fixed problems: sizes 0, 1, tile-1, tile, tile+1, a prime; every option; the shapes worth timing.
	List func() []Problem
	// Random returns a small problem drawn from r, for fuzzing.
	Random func(r *rand.Rand) Problem
}

// Families returns every kernel's part of the list.
func Families() []Family {
	return []Family{
		gemmFamily(), convFamily(), localFamily(), depthwiseFamily(), poolFamily(), lcnFamily(),
		mapFamily(), normFamily(), cameraFamily(), transposeFamily(), winogradFamily(), transposedFamily(), depthwiseTransposedFamily(), planarFamily(),
		gemmTNFamily(), convGradFamily(), transposedRepackFamily(), depthwiseGradFamily(), localGradFamily(),
		gradMapFamily(), channelFamily(), optimFamily(), poolGradFamily(), normGradFamily(), lcnGradFamily(), interpolateFamily(),
		volumePoolFamily(), volumeDepthwiseFamily(), gemm8Family(), conv8Family(), bytes8Family(), depthwise8Family(),
	}
}

// Solved is a problem that ref has solved, unless it is Unsolved.
type Solved struct {
	problem  Problem
	m        *Mem
	unsolved bool
}

// Solve fills a problem's buffers from a seed and has ref solve it.
func Solve(p Problem, seed uint64, fill Fill) *Solved {
	s := Unsolved(p, seed, fill)
	s.unsolved = false
	s.problem.Build(s.m).Ref()
	return s
}

// Unsolved is Solve without ref, for what is compared in another way: Check runs the kernel and returns "".
func Unsolved(p Problem, seed uint64, fill Fill) *Solved {
	return &Solved{problem: p, m: NewMem(seed, fill), unsolved: true}
}

// Check builds the problem and runs its kernel, both on the instruction set in use, and returns what differs from ref, or "".
func (s *Solved) Check(t *kernels.Team) string {
	s.m.Rewind()
	s.problem.Build(s.m).Fast(t)
	if s.unsolved {
		return ""
	}
	return s.m.Diff()
}

// Hash feeds what the kernel of the last Check wrote to h, every NaN as the same one.
func (s *Solved) Hash(h hash.Hash) { s.m.Hash(h) }

// Release frees the problem's buffers.
func (s *Solved) Release() { s.m.Release() }
