package ref

// SoftmaxGrad computes dx[i,c] = (dy[i,c] - Dot8(dy row i, y row i))·y[i,c] for rows of c elements, y being the result of Softmax.
func SoftmaxGrad(dx, dy, y []float32, c int) {
	for ; len(dx) > 0; dx, dy, y = dx[c:], dy[c:], y[c:] {
		s := Dot8(dy[:c], y[:c])
		for j := range c {
			dx[j] = float32(float32(dy[j]-s) * y[j])
		}
	}
}

// LogSoftmaxGrad computes dx[i,c] = dy[i,c] - Exp(y[i,c])·Sum8(dy row i), product and sum rounded once, for rows of c elements, y being the result of LogSoftmax.
func LogSoftmaxGrad(dx, dy, y []float32, c int) {
	for ; len(dx) > 0; dx, dy, y = dx[c:], dy[c:], y[c:] {
		s := Neg(Sum8(dy[:c]))
		for j := range c {
			dx[j] = FMA32(Exp(y[j]), s, dy[j])
		}
	}
}

// LRNGrad computes the gradient of LRN for rows of c channels: with t[j] = k + alpha/size·Σ x² over the window of j, q[j] = dy[j]·t[j]^-beta and
// u[j] = x[j]·q[j]/t[j],
//
//	dx[c] = q[c] - 2·alpha/size·beta·x[c]·Σ u[j]
//
// over the channels j whose windows hold c, in order from +0; the last product and difference are rounded once.
func LRNGrad(dx, dy, x []float32, c, size int, alpha, beta, k float32) {
	alpha /= float32(size)
	factor := -2 * float32(alpha*beta)
	q, u := make([]float32, c), make([]float32, c)
	for ; len(dx) > 0; dx, dy, x = dx[c:], dy[c:], x[c:] {
		for o := range c {
			var s float32
			first := o - (size-1)/2
			for j := max(first, 0); j < min(first+size, c); j++ {
				s = FMA32(x[j], x[j], s)
			}
			t := FMA32(alpha, s, k)
			if beta == 0.75 {
				r := Sqrt(t)
				q[o] = dy[o] / float32(r*Sqrt(r))
			} else {
				q[o] = float32(dy[o] * Exp(float32(-beta*Log(t))))
			}
			u[o] = float32(x[o]*q[o]) / t
		}
		for o := range c {
			var s float32
			last := o + (size-1)/2
			for j := max(last-size+1, 0); j <= min(last, c-1); j++ {
				s += u[j]
			}
			dx[o] = FMA32(float32(x[o]*s), factor, q[o])
		}
	}
}
