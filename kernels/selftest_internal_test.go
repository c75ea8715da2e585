package kernels

import "testing"

// TestSelfTestReplacesWrongKernel plants a comparison that fails on the best instruction set, as a wrong kernel would make it, and one
// that panics, and sees each family lowered to the next set that agrees.
func TestSelfTestReplacesWrongKernel(t *testing.T) {
	if len(available) < 2 {
		t.Skip("this machine has plain Go only: there is nothing to replace")
	}
	oldUse := use
	defer func() { use = oldUse }()
	best := available[len(available)-1]
	for op := range use {
		use[op] = best
	}
	planted := checks
	planted[OpGemm] = func() bool { return use[OpGemm] != best && checkGemm() }
	planted[OpPool] = func() bool {
		if use[OpPool] != Generic {
			panic("planted")
		}
		return true
	}
	res := selfTest(planted[:])
	if use[OpGemm] != below(best) {
		t.Errorf("gemm runs on %v, want %v", use[OpGemm], below(best))
	}
	if use[OpPool] != Generic {
		t.Errorf("pool runs on %v, want %v", use[OpPool], Generic)
	}
	var failed, passed bool
	for _, r := range res {
		if r.Op == OpGemm && r.Tried == best {
			failed = !r.Passed
		}
		if r.Op == OpGemm && r.Tried == below(best) {
			passed = r.Passed
		}
	}
	if !failed || !passed {
		t.Errorf("results do not say that gemm failed on %v and passed on %v: %v", best, below(best), res)
	}
}
