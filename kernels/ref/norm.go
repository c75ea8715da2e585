package ref

import "math"

// MaxElement returns the greatest element; a NaN if there is one; -Inf for no elements. A zero comes back as +0.
func MaxElement(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v != v {
			return v
		}
		if v > m {
			m = v
		}
	}
	return m + 0
}

// ArgMax returns the index of the first of the greatest elements, or of the first NaN if there is one. x is not empty.
func ArgMax(x []float32) int {
	best := 0
	for i, v := range x {
		if v != v {
			return i
		}
		if v > x[best] {
			best = i
		}
	}
	return best
}

// Softmax computes dst[i,c] = e/Σe, e = Exp(src[i,c] - max of row i), for rows of c elements. Sums are Sum8.
func Softmax(dst, src []float32, c int) {
	for ; len(dst) > 0; dst, src = dst[c:], src[c:] {
		m := MaxElement(src[:c])
		for j, v := range src[:c] {
			dst[j] = Exp(v - m)
		}
		s := Sum8(dst[:c])
		for j, e := range dst[:c] {
			dst[j] = e / s
		}
	}
}

// LogSoftmax computes dst[i,c] = (src[i,c] - m) - Log(Σ Exp(src[i,·] - m)), m the max of row i. Sums are Sum8.
func LogSoftmax(dst, src []float32, c int) {
	e := make([]float32, c)
	for ; len(dst) > 0; dst, src = dst[c:], src[c:] {
		m := MaxElement(src[:c])
		for j, v := range src[:c] {
			e[j] = Exp(v - m)
		}
		l := Log(Sum8(e))
		for j, v := range src[:c] {
			dst[j] = float32(v-m) - l
		}
	}
}

// L2Normalize computes dst[i,c] = src[i,c] / √Dot8(row i, row i), and 0 where that root is 0.
func L2Normalize(dst, src []float32, c int) {
	for ; len(dst) > 0; dst, src = dst[c:], src[c:] {
		length := Sqrt(Dot8(src[:c], src[:c]))
		for j, v := range src[:c] {
			dst[j] = 0
			if length != 0 {
				dst[j] = v / length
			}
		}
	}
}

// MeanVar returns the mean of x and the mean square distance from it, both sums across eight lanes.
func MeanVar(x []float32) (mean, variance float32) {
	n := float32(len(x))
	mean = Sum8(x) / n
	var l [8]float32
	for i, v := range x {
		d := v - mean
		l[i&7] = FMA32(d, d, l[i&7])
	}
	return mean, Join8(&l) / n
}

// LayerNorm computes dst[i,c] = (src[i,c] - mean)·inv·gain[c] + bias[c] for rows of len(gain) elements, inv = 1/√(variance + eps),
// the last product and sum rounded once. (Ba, Kiros, Hinton: Layer normalization, 2016.)
func LayerNorm(dst, src, gain, bias []float32, eps float32) {
	c := len(gain)
	for ; len(dst) > 0; dst, src = dst[c:], src[c:] {
		mean, variance := MeanVar(src[:c])
		inv := 1 / Sqrt(variance+eps)
		for j, v := range src[:c] {
			dst[j] = FMA32(float32((v-mean)*inv), gain[j], bias[j])
		}
	}
}
