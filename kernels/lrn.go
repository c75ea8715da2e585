package kernels

// LRN returns the bits of ref.LRN: local response normalisation over size channels, for rows of c channels. dst and src do not overlap.
func LRN(dst, src []float32, c, size int, alpha, beta, k float32) {
	checkNorm("LRN", dst, src, c)
	if size <= 0 {
		panic("kernels: LRN: size is not positive")
	}
	if !disjoint(dst, src) {
		panic("kernels: LRN: dst overlaps src")
	}
	op, p := mapLRN75, mapParams{alpha / float32(size), k}
	if beta != 0.75 {
		op, p[2] = mapLRN, -beta
	}
	var sums [patternLen]float32
	for ; len(dst) > 0; dst, src = dst[c:], src[c:] {
		for o := 0; o < c; o += patternLen {
			n := min(patternLen, c-o)
			s := sums[:n]
			clear(s)
			// s[i] adds the square of channel o+i+d, d ascending; channels outside the row add nothing.
			for d := max(-(size-1)/2, 1-c); d < min(size-(size-1)/2, c); d++ {
				lo, hi := max(0, -(o+d)), min(n, c-(o+d))
				if lo < hi {
					mapRun(mapAddSquare, s[lo:hi], s[lo:hi], src[o+d+lo:o+d+hi], nil, mapParams{})
				}
			}
			mapRun(op, dst[o:o+n], src[o:o+n], s, nil, p)
		}
	}
}
