package ktest

// sink takes what moved reads and has no output for.
var sink [2048]float32 // which a first-level cache keeps

// moved returns a function that moves what a kernel at least has to move: it reads in and writes out once, block by block, through the caches that their last
// user left. Its time is a bound of the kernel's. One runs at a time.
func moved(out []float32, in ...[]float32) func() {
	return func() {
		rest := out
		for _, x := range in {
			for len(x) > 0 {
				to := sink[:]
				if len(rest) > 0 {
					to = rest[:min(len(sink), len(rest))]
				}
				n := copy(to, x)
				x, rest = x[n:], rest[min(n, len(rest)):]
			}
		}
		for len(rest) > 0 {
			rest = rest[copy(rest, sink[:]):]
		}
	}
}
