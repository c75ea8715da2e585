package quant

import "math"

// Noise compares the outputs of two networks.
type Noise struct{ signal, noise float64 }

// Add compares numbers of one length with those that are wanted. Where one of two is not finite they count as the same or as different, by the magnitude of
// what is wanted, and at least by 1.
func (n *Noise) Add(want, got []float32) {
	if len(want) != len(got) {
		panic("quant: outputs of different lengths")
	}
	for i, w := range want {
		g := got[i]
		d, power := float64(g)-float64(w), float64(float64(w)*float64(w))
		if w-w != 0 {
			power = 1
		}
		if w-w != 0 || g-g != 0 {
			if d = max(1, math.Sqrt(power)); w == g || w != w && g != g {
				d = 0
			}
		}
		n.signal += power
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
