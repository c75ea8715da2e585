package metric

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func pair(i int, same bool, s float64) Pair {
	p := Pair{A: fmt.Sprintf("a%03d", i), B: fmt.Sprintf("b%03d", i), Same: same, Similarity: s}
	if same {
		p.B = p.A
	}
	return p
}

func TestVerify(t *testing.T) {
	// Same 0.5, 0.51, ... 1.49, different 0, 0.01, ... 0.99: above 0.75, ¼ of the others and ¾ of the same.
	var pairs []Pair
	for i := range 100 {
		pairs = append(pairs, pair(2*i, true, 0.505+float64(i)/100), pair(2*i+1, false, float64(i)/100))
	}
	v := Verify(pairs)
	if math.Abs(v.EER.Value-0.25) > 0.01 {
		t.Errorf("EER %g, want 0.25", v.EER.Value)
	}
	// One of the others is above 0.985: the same from 0.985 on are 0.985, 0.995, 1.005, ...: 52 of 100. None above 0.99: from 0.995 on 51.
	if v.TAR1.Value != 0.52 || v.TAR01.Value != 0.51 {
		t.Errorf("TAR %g and %g, want 0.52 and 0.51", v.TAR1.Value, v.TAR01.Value)
	}
	if v.Same != 100 || v.Different != 100 || v.People != 300 || v.Accuracy.N != 200 {
		t.Errorf("%+v", v)
	}
}

// TestVerifyOneKind has pairs of one person only, or of two only: no threshold trades one error for the other.
func TestVerifyOneKind(t *testing.T) {
	for _, same := range []bool{true, false} {
		var pairs []Pair
		for i := range 20 {
			pairs = append(pairs, pair(i, same, float64(i)/20))
		}
		if v := Verify(pairs); !math.IsNaN(v.EER.Value) || !math.IsNaN(v.TAR1.Value) {
			t.Errorf("same %v: EER %g, TAR %g", same, v.EER.Value, v.TAR1.Value)
		}
	}
}

func TestAccuracy(t *testing.T) {
	// 1 of 10 pairs of one person and 1 of 20 of two look like the others.
	var pairs []Pair
	for i := range 400 {
		same, odd := i%2 == 0, i%20 == 0 || i%40 == 1
		pairs = append(pairs, pair(i, same, map[bool]float64{true: 0.9, false: 0.1}[same != odd]))
	}
	v := Verify(pairs)
	if v.Accuracy.Value != 0.925 || v.Threshold != 0.5 {
		t.Errorf("accuracy %+v at %g", v.Accuracy, v.Threshold)
	}
	// The variance of how often a pair is drawn is 1 for one person, 3 for two: 2 on average.
	half := 1.96 * math.Sqrt(2*0.925*0.075/400)
	if math.Abs(v.Accuracy.High-v.Accuracy.Low-2*half) > 0.3*half {
		t.Errorf("%+v, want ±%g", v.Accuracy, half)
	}
}

func TestVerifyPerfectAndHopeless(t *testing.T) {
	var good, bad []Pair
	for i := range 40 {
		good = append(good, pair(i, i%2 == 0, []float64{0.9, 0.1}[i%2]))
		bad = append(bad, pair(i, i%2 == 0, math.NaN()))
	}
	v := Verify(good)
	if v.Accuracy.Value != 1 || v.Accuracy.Low != 1 || v.EER.Value != 0 || v.TAR01.Value != 1 || v.Threshold != 0.5 {
		t.Errorf("%+v", v)
	}
	if v = Verify(bad); v.TAR1.Value != 0 || v.EER.Value != 0.5 {
		t.Errorf("all the same: %+v", v)
	}
	if v = Verify(nil); v.Same != 0 || !math.IsNaN(v.Accuracy.Value) {
		t.Errorf("nothing: %+v", v)
	}
}

// TestAccuracyIsOfOthers gives each tenth of the people a level of similarity of its own: a threshold that were chosen on the same pairs would
// do better than one chosen on others.
func TestAccuracyIsOfOthers(t *testing.T) {
	var pairs []Pair
	for i := range 400 {
		level := 0.0
		if i%10 == 3 { // the people of one fold
			level = 10
		}
		name := fmt.Sprintf("p%03d", i)
		pairs = append(pairs, Pair{name, name, true, level + 1}, Pair{name, name + "x", false, level})
	}
	// By order p000, p000x, p001, ... the place of p_i is 2i: people of one fold are those with equal i mod 5. The fold of 10's shares it with
	// others, whose threshold is right for all but the pairs at 10: those of different people are accepted.
	v := Verify(pairs)
	if want := 1 - 40.0/800; v.Accuracy.Value != want {
		t.Errorf("%g, want %g", v.Accuracy.Value, want)
	}
}

// TestBootstrap compares with the interval that the binomial distribution gives, within the error of 1000 draws.
func TestBootstrap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const n = 400
	hit := make([]bool, n)
	for i := range hit {
		hit[i] = r.Float64() < 0.3
	}
	e := Bootstrap(n, func(times []int) float64 {
		var k float64
		for i, m := range times {
			if hit[i] {
				k += float64(m)
			}
		}
		return k / n
	})
	half := 1.96 * math.Sqrt(e.Value*(1-e.Value)/n)
	if math.Abs(e.Low-(e.Value-half)) > 0.15*half || math.Abs(e.High-(e.Value+half)) > 0.15*half || e.N != n {
		t.Errorf("%+v, want ±%g", e, half)
	}
}
