package ref

// LRN computes dst[i,c] = src[i,c] / (k + alpha/size·Σ src[i,j]²)^beta, the sum over size channels j = c-(size-1)/2 ... in order,
// for rows of c channels; channels outside count nothing.
//
// For beta 0.75 the power is √t·√√t, for any other Exp(-beta·Log(t)) multiplies src.
// (Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks, NIPS 2012, §3.3.)
func LRN(dst, src []float32, c, size int, alpha, beta, k float32) {
	alpha /= float32(size)
	for ; len(dst) > 0; dst, src = dst[c:], src[c:] {
		for o := range c {
			var s float32
			first := o - (size-1)/2
			for j := max(first, 0); j < min(first+size, c); j++ {
				s = FMA32(src[j], src[j], s)
			}
			t := FMA32(alpha, s, k)
			if beta == 0.75 {
				r := Sqrt(t)
				dst[o] = src[o] / float32(r*Sqrt(r))
			} else {
				dst[o] = float32(src[o] * Exp(float32(-beta*Log(t))))
			}
		}
	}
}
