package metric

import (
	"math"
	"math/big"
	"testing"
)

// TestClopperPearsonSolvesItsEquations puts the bounds into the sums of binomial probabilities, exactly, that define them: at the upper bound k or
// fewer, at the lower one k or more, have half of what the confidence leaves.
func TestClopperPearsonSolvesItsEquations(t *testing.T) {
	for _, c := range []struct{ k, n int }{{0, 1}, {1, 1}, {0, 10}, {3, 10}, {10, 10}, {1, 1000}, {37, 1200}, {999, 1000}, {0, 5000}} {
		low, high := ClopperPearson(c.k, c.n, 0.95)
		if c.k == 0 && low != 0 || c.k == c.n && high != 1 || !(low <= float64(c.k)/float64(c.n) && float64(c.k)/float64(c.n) <= high) {
			t.Errorf("%d of %d: %g to %g", c.k, c.n, low, high)
		}
		if c.k < c.n {
			if p := atMost(c.k, c.n, high); math.Abs(p-0.025) > 1e-9 {
				t.Errorf("%d of %d: at most %d have probability %g at %g", c.k, c.n, c.k, p, high)
			}
		}
		if c.k > 0 {
			if p := 1 - atMost(c.k-1, c.n, low); math.Abs(p-0.025) > 1e-9 {
				t.Errorf("%d of %d: at least %d have probability %g at %g", c.k, c.n, c.k, p, low)
			}
		}
	}
}

// atMost sums binomial probabilities with numbers of 300 bits.
func atMost(k, n int, p float64) float64 {
	x := new(big.Float).SetPrec(300).SetFloat64(p)
	q := new(big.Float).SetPrec(300).Sub(big.NewFloat(1), x)
	term := new(big.Float).SetPrec(300).SetInt64(1) // n over i · p^i · q^(n-i), i = 0
	for range n {
		term.Mul(term, q)
	}
	sum := new(big.Float).SetPrec(300).Set(term)
	for i := 1; i <= k; i++ {
		term.Mul(term, x)
		term.Quo(term, q)
		term.Mul(term, new(big.Float).SetInt64(int64(n-i+1)))
		term.Quo(term, new(big.Float).SetInt64(int64(i)))
		sum.Add(sum, term)
	}
	v, _ := sum.Float64()
	return v
}

// TestClopperPearsonOfNone is the rule of three: of none in n, the upper bound is 1 - 0.025^(1/n). The logarithms of the factorials, around n·ln n, are
// rounded to 2⁻⁵³ of themselves, three of them; that is the relative error of the probability and, here, of the bound.
func TestClopperPearsonOfNone(t *testing.T) {
	for _, n := range []int{1, 30, 3000, 100000, 10000000} {
		_, high := ClopperPearson(0, n, 0.95)
		if want := -math.Expm1(math.Log(0.025) / float64(n)); math.Abs(high-want) > want*(1e-14+4*0x1p-53*float64(n)*math.Log(float64(n)+1)) {
			t.Errorf("0 of %d: %g, want %g", n, high, want)
		}
	}
}
