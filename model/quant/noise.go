package quant

import "math"

// Noise compares the outputs of two networks.
type Noise struct{ signal, noise float64 }

// Add compares numbers of one length with those that are wanted.
func (n *Noise) Add(want, got []float32) {
	if len(want) != len(got) {
		panic("quant: outputs of different lengths")
	}
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		n.signal += float64(float64(w) * float64(w))
		n.noise += float64(d * d)
	}
}

// Decibels returns ten times the decimal logarithm of the sum of squares of what is wanted over that of the differences: infinite where there is none.
func (n *Noise) Decibels() float64 {
	if n.noise == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(n.signal/n.noise)
}
