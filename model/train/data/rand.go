package data

// Rand draws numbers that depend on nothing but its seed: the same on every CPU (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
// OOPSLA 2014).
type Rand struct{ state uint64 }

// NewRand returns a generator for a seed and what it is drawn for: two lists that differ give independent numbers.
func NewRand(seed uint64, of ...uint64) *Rand {
	r := &Rand{}
	r.Reset(seed, of...)
	return r
}

// Reset makes r the generator that NewRand returns.
func (r *Rand) Reset(seed uint64, of ...uint64) {
	r.state = seed
	for _, v := range of {
		r.state = Mix(r.state ^ Mix(v))
	}
}

// Mix maps numbers one to one to numbers that look random: the finaliser of SplitMix64.
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Uint64 returns 64 random bits.
func (r *Rand) Uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return Mix(r.state)
}

// Float returns a number in [0,1), a multiple of 2⁻⁵³.
func (r *Rand) Float() float64 { return float64(float64(r.Uint64()>>11) * (1.0 / (1 << 53))) }

// Between returns a number from lo to hi.
func (r *Rand) Between(lo, hi float64) float64 { return lo + float64((hi-lo)*r.Float()) }

// Intn returns a number in 0..n-1; n is positive and below 2³².
func (r *Rand) Intn(n int) int { return int(r.Uint64() >> 32 * uint64(n) >> 32) }

// Chance is true with a probability.
func (r *Rand) Chance(p float64) bool { return r.Float() < p }

// Bell returns a number with mean 0 and variance 1 whose distribution is nearly normal: the sum of twelve uniform ones.
func (r *Rand) Bell() float64 {
	sum := -6.0
	for range 12 {
		sum += r.Float()
	}
	return sum
}

// Shuffle returns the numbers 0..n-1 in a random order.
func (r *Rand) Shuffle(n int) []int {
	p := make([]int, n)
	for i := range p {
		j := r.Intn(i + 1)
		p[i], p[j] = p[j], i
	}
	return p
}
