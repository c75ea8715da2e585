package kernels

import "math"

// CheckResult is the outcome of the start-up comparison of one family of kernels with ref.
type CheckResult struct {
	Op     Op
	Tried  ISA  // what was compared
	Passed bool // false: the family runs on the next instruction set down
}

// checks holds a comparison with ref on a small vector for every family. Each returns whether all kernels of the family
// give ref's bits on the instruction set in use.
var checks = [NumOps]func() bool{
	OpLCN:       checkLCN,
	OpDepthwise: checkDepthwise,
	OpPool:      checkPool,
	OpGemm:      checkGemm,
	OpNorm:      checkNorms,
	OpMap:       checkMap,
	OpCamera:    checkCamera,
	OpTranspose: checkTranspose,
	OpWinograd:  checkWinograd,
	OpGrad:      checkGrad,
	OpGemm8:     checkGemm8,
}

// SelfTest returns the results of the comparison made at start: one per family, and more where a kernel was replaced.
func SelfTest() []CheckResult { return append([]CheckResult(nil), results...) }

// selfTest compares each family with ref, and lowers the instruction set of one that differs until it agrees.
func selfTest(checks []func() bool) []CheckResult {
	var out []CheckResult
	for op, check := range checks {
		if check == nil {
			continue
		}
		for use[op] != Generic {
			ok := runCheck(check)
			out = append(out, CheckResult{Op(op), use[op], ok})
			if ok {
				break
			}
			use[op] = below(use[op])
		}
		if use[op] == Generic {
			out = append(out, CheckResult{Op(op), Generic, true})
		}
	}
	return out
}

// runCheck runs a comparison; a panic counts as a difference.
func runCheck(check func() bool) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return check()
}

// checkReLU clips at one side, for which tiles have code of their own.
var checkReLU = Act{Kind: ActClip, Hi: float32(math.Inf(1))}

// checkRand is the numbers that self-tests run on: a fixed sequence in [-1, 1) (Marsaglia: Xorshift RNGs, 2003).
type checkRand uint32

func (r *checkRand) fill(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		*r ^= *r << 13
		*r ^= *r >> 17
		*r ^= *r << 5
		x[i] = float32(int32(*r)) * 0x1p-31
	}
	return x
}

// sameBits says whether two slices hold the same bits, NaN payloads apart.
func sameBits(a, b []float32) bool {
	for i, v := range a {
		if w := b[i]; math.Float32bits(v) != math.Float32bits(w) && (v == v || w == w) {
			return false
		}
	}
	return len(a) == len(b)
}
