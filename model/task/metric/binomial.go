// Package metric measures how good results are, in the field's own figures, each with the number of examples and an interval.
package metric

import "math"

// ClopperPearson returns the exact interval of a proportion of which k of n were counted: with at least this confidence (0.95) the true one is
// inside, whatever it is (Clopper, Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial, Biometrika 1934).
func ClopperPearson(k, n int, confidence float64) (low, high float64) {
	if k < 0 || n < 1 || k > n || !(confidence > 0 && confidence < 1) {
		panic("metric: ClopperPearson: no such count")
	}
	tail := float64((1 - confidence) / 2)
	low, high = 0, 1
	if k > 0 {
		low = betaQuantile(tail, float64(k), float64(n-k+1))
	}
	if k < n {
		high = betaQuantile(1-tail, float64(k+1), float64(n-k))
	}
	return low, high
}

// betaQuantile returns x with I_x(a, b) = p.
func betaQuantile(p, a, b float64) float64 {
	low, high := 0.0, 1.0
	for range 2000 { // halving ends at neighbouring numbers, however small
		mid := low + float64((high-low)/2)
		if mid == low || mid == high {
			break
		}
		if regularBeta(mid, a, b) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// regularBeta returns the regularised incomplete beta function I_x(a, b) = B(x; a, b)/B(a, b), by its continued fraction (Abramowitz,
// Stegun, Handbook of Mathematical Functions, 26.5.8), evaluated from the front (Lentz, Applied Optics 1976).
func regularBeta(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2): // where the fraction converges slowly
		return 1 - regularBeta(1-x, b, a)
	}
	gamma := func(v float64) float64 { l, _ := math.Lgamma(v); return l }
	front := math.Exp(gamma(a+b) - gamma(a) - gamma(b) + float64(a*math.Log(x)) + float64(b*math.Log1p(-x)))
	const tiny = 1e-300
	apart := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	// I = front/a / (1 + d1/(1 + d2/(1 + ...))).
	c, d := 1.0, 1/apart(1-float64((a+b)*x/(a+1)))
	f := d
	for m := 1.0; m < 1e6; m++ {
		even := m * (b - m) * x / ((a + float64(2*m) - 1) * (a + float64(2*m)))
		d, c = 1/apart(1+float64(even*d)), apart(1+even/c)
		f *= c * d
		odd := -(a + m) * (a + b + m) * x / ((a + float64(2*m)) * (a + float64(2*m) + 1))
		d, c = 1/apart(1+float64(odd*d)), apart(1+odd/c)
		step := float64(c * d)
		f *= step
		if math.Abs(step-1) < 1e-15 {
			break
		}
	}
	return front * f / a
}
