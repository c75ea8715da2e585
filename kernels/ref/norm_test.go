package ref

import (
	"math"
	"math/rand/v2"
	"testing"
)

// random returns n numbers in [-3, 3).
func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 3))
	x := make([]float32, n)
	for i := range x {
		x[i] = 6*r.Float32() - 3
	}
	return x
}

// near asserts |got - want| <= k rounding errors of scale.
func near(t *testing.T, what string, got float32, want, scale, k float64) {
	t.Helper()
	if d := math.Abs(float64(got) - want); !(d <= k*0x1p-24*scale) {
		t.Errorf("%s = %g, want %g: off by %g", what, got, want, d)
	}
}

func TestSoftmaxAgainstFloat64(t *testing.T) {
	const rows, c = 3, 21
	x := random(1, rows*c)
	p, l := make([]float32, len(x)), make([]float32, len(x))
	Softmax(p, x, c)
	LogSoftmax(l, x, c)
	for i := range rows {
		var sum float64
		for _, v := range x[i*c : (i+1)*c] {
			sum += math.Exp(float64(v))
		}
		for j, v := range x[i*c : (i+1)*c] {
			want := math.Exp(float64(v)) / sum
			// x - max is off by one rounding of up to 6, which exp multiplies; exp by 1 ulp; the sum by c/8+3 roundings; the division by one.
			near(t, "Softmax", p[i*c+j], want, want, 6+2+c/8+3+1)
			near(t, "LogSoftmax", l[i*c+j], math.Log(want), 10, 5)
		}
	}
}

func TestSoftmaxOfExtremes(t *testing.T) {
	x := []float32{-inf, 1000, 1000, -1000}
	p := make([]float32, 4)
	Softmax(p, x, 4)
	for i, want := range []float32{0, 0.5, 0.5, 0} {
		if p[i] != want {
			t.Errorf("Softmax of %v = %v", x, p)
			break
		}
	}
	Softmax(p, []float32{1, nan, 0, 0}, 4)
	for _, v := range p {
		if v == v {
			t.Errorf("Softmax with a NaN = %v", p)
			break
		}
	}
}

func TestGreatest(t *testing.T) {
	for _, c := range []struct {
		x   []float32
		max float32
		at  int
	}{
		{[]float32{1}, 1, 0},
		{[]float32{1, 3, 2, 3}, 3, 1},
		{[]float32{neg, 0}, 0, 0},
		{[]float32{-inf, -inf}, -inf, 0},
		{[]float32{1, nan, 7, nan}, nan, 1},
		{[]float32{-2, -1, inf, inf}, inf, 2},
	} {
		if m := MaxElement(c.x); math.Float32bits(m) != math.Float32bits(c.max) && (m == m || c.max == c.max) {
			t.Errorf("MaxElement(%v) = %g", c.x, m)
		}
		if i := ArgMax(c.x); i != c.at {
			t.Errorf("ArgMax(%v) = %d, want %d", c.x, i, c.at)
		}
	}
	if m := MaxElement(nil); m != -inf {
		t.Errorf("MaxElement of nothing = %g", m)
	}
}

func TestNormsByHand(t *testing.T) {
	y := make([]float32, 4)
	L2Normalize(y, []float32{3, -4, 1e-30, 0}, 2) // the second length is 0, as its square is
	for i, want := range []float32{0.6, -0.8, 0, 0} {
		if y[i] != want {
			t.Errorf("L2Normalize = %v", y)
			break
		}
	}
	if m, v := MeanVar([]float32{1, 3, 5, 7}); m != 4 || v != 5 {
		t.Errorf("MeanVar = %g, %g; want 4, 5", m, v)
	}
	// Mean 4, variance 4, and with eps 12 a deviation of 4.
	LayerNorm(y, []float32{2, 6, 2, 6}, []float32{1, 1, 2, 4}, []float32{0, 1, 0, -1}, 12)
	for i, want := range []float32{-0.5, 1.5, -1, 1} {
		if y[i] != want {
			t.Errorf("LayerNorm = %v", y)
			break
		}
	}
	ScaleShift(y, []float32{1, 2, 3, -4}, []float32{2, -1}, []float32{1, 0}, Act{Kind: ActLeaky, Alpha: 0.5})
	for i, want := range []float32{3, -1, 7, 4} {
		if y[i] != want {
			t.Errorf("ScaleShift = %v", y)
			break
		}
	}
}

func TestLRNAgainstFloat64(t *testing.T) {
	const rows, c = 2, 13
	x := random(2, rows*c)
	for _, p := range []struct {
		size           int
		alpha, beta, k float32
	}{{5, 1e-4, 0.75, 2}, {4, 2, 0.75, 1}, {3, 1, 0.5, 1}, {1, 1, 1, 0.5}, {40, 1, 0.75, 1}} {
		y := make([]float32, len(x))
		LRN(y, x, c, p.size, p.alpha, p.beta, p.k)
		for i := range y {
			o := i % c
			var s float64
			for j := o - (p.size-1)/2; j <= o+p.size/2; j++ {
				if j >= 0 && j < c {
					v := float64(x[i-o+j])
					s += v * v
				}
			}
			want := float64(x[i]) * math.Pow(float64(p.k)+float64(p.alpha)/float64(p.size)*s, -float64(p.beta))
			// Up to c multiply-adds and a quotient, to the power beta <= 1; then exp of a logarithm below 5, 1 ulp each, and a product.
			near(t, "LRN", y[i], want, math.Abs(want), c+2+5*2+2+2)
		}
	}
}
