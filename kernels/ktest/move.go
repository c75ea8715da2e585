package ktest

// moved returns a function that moves what a kernel at least has to move: it reads in and writes out once, block by block, through the caches that their last
// user left. Its time is a bound of the kernel's.
func moved(out []float32, in ...[]float32) func() {
	const block = 2048 // floats, which a first-level cache keeps
	sink := make([]float32, block)
	return func() {
		rest := out
		next := func() []float32 {
			if len(rest) == 0 {
				return sink
			}
			to := rest[:min(block, len(rest))]
			rest = rest[len(to):]
			return to
		}
		for _, x := range in {
			for len(x) > 0 {
				x = x[copy(next(), x):]
			}
		}
		for len(rest) > 0 {
			copy(next(), sink)
		}
	}
}
