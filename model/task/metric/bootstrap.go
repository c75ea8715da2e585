package metric

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
)

// Estimate is a figure, the 95 % interval around it, and the number of examples that it was measured on.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	N     int     `json:"n"`
}

// rounds is how often a bootstrap draws.
const rounds = 1000

// Bootstrap returns the figure of a sample of n units, such as pictures or people, with the interval from the 2.5th to the 97.5th percentile of the
// figure of 1000 samples of n units drawn from it with replacement (Efron, Bootstrap Methods: Another Look at the Jackknife, Annals of
// Statistics 1979). figure is given how often each unit is in the sample; draws for which it is no number are left out. The draws are the
// same in every call.
func Bootstrap(n int, figure func(times []int) float64) Estimate {
	times := make([]int, n)
	for i := range times {
		times[i] = 1
	}
	e := Estimate{Value: figure(times), N: n}
	e.Low, e.High = e.Value, e.Value
	if n < 2 {
		return e
	}
	r := rand.New(rand.NewPCG(20, 26))
	values := make([]float64, 0, rounds)
	for range rounds {
		clear(times)
		for range n {
			times[r.IntN(n)]++
		}
		if v := figure(times); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) > 0 {
		slices.Sort(values)
		e.Low, e.High = quantile(values, 0.025), quantile(values, 0.975)
	}
	return e
}

// quantile returns the q-quantile of sorted numbers, between two where it falls between them.
func quantile(sorted []float64, q float64) float64 {
	at := float64(q * float64(len(sorted)-1))
	i := int(at)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + float64((at-float64(i))*(sorted[j]-sorted[i]))
}

// MarshalJSON implements json.Marshaler. What could not be measured is null.
func (e Estimate) MarshalJSON() ([]byte, error) {
	number := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Value *float64 `json:"value"`
		Low   *float64 `json:"low"`
		High  *float64 `json:"high"`
		N     int      `json:"n"`
	}{number(e.Value), number(e.Low), number(e.High), e.N})
}

// Errors returns the part of right and wrong answers that is wrong, with an interval over them.
func Errors(wrong []bool) Estimate {
	return Bootstrap(len(wrong), func(times []int) float64 {
		n, all := 0, 0
		for i, k := range times {
			all += k
			if wrong[i] {
				n += k
			}
		}
		return float64(n) / float64(all)
	})
}
