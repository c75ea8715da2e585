package quant

import (
	"fmt"
	"math"
)

// binsASide is how many bins a histogram has on either side of zero, a power of two.
const binsASide = 1 << 12

// histogram counts numbers by size: bin i of a side holds those from i to i+1 shares of reach. It does not depend on the order in which numbers come.
type histogram struct {
	reach    float64 // a power of two above all that was counted; 0 before the first number that is not 0
	below    []uint64
	above    []uint64
	min, max float64 // of what was counted, and 0
	zeros    uint64
}

// add counts numbers. The error says that one is not finite.
func (h *histogram) add(x []float32) error {
	for _, v := range x {
		f := float64(v)
		if f == 0 {
			h.zeros++
			continue
		}
		size := math.Abs(f)
		if !(size < h.reach) {
			if size-size != 0 {
				return fmt.Errorf("a number in it is %g", f)
			}
			h.widen(size)
		}
		h.min, h.max = min(h.min, f), max(h.max, f)
		at := int(float64(size / h.reach * binsASide))
		if f < 0 {
			h.below[at]++
		} else {
			h.above[at]++
		}
	}
	return nil
}

// widen makes reach greater than size; bins become one with their neighbours.
func (h *histogram) widen(size float64) {
	if h.below == nil {
		h.below, h.above = make([]uint64, binsASide), make([]uint64, binsASide)
		_, exp := math.Frexp(size)
		h.reach = math.Ldexp(1, exp)
		return
	}
	for size >= h.reach {
		h.reach *= 2
		for _, side := range [][]uint64{h.below, h.above} {
			for i := range binsASide / 2 {
				side[i] = side[2*i] + side[2*i+1]
			}
			clear(side[binsASide/2:])
		}
	}
}

// merge adds what another histogram has counted.
func (h *histogram) merge(o *histogram) {
	h.zeros += o.zeros
	if o.below == nil {
		return
	}
	if h.below == nil {
		h.below, h.above, h.reach = make([]uint64, binsASide), make([]uint64, binsASide), o.reach
	} else if o.reach > h.reach {
		h.widen(o.reach / 2)
	}
	h.min, h.max = min(h.min, o.min), max(h.max, o.max)
	apart := int(h.reach / o.reach)
	for i := range binsASide {
		h.below[i/apart] += o.below[i]
		h.above[i/apart] += o.above[i]
	}
}

// affine is how numbers become uint8: round(x/scale) + zero. The number 0 becomes zero, and that 0 again.
type affine struct {
	scale float32
	zero  int
}

// least is the smallest scale: products of two are normal float32 still, and their reciprocals finite.
const least = 0x1p-60

// over spreads the 256 integers from lo to hi, which hold 0 between them.
func over(lo, hi float64) affine {
	a := affine{scale: float32((hi - lo) / 255)}
	if !(a.scale >= least) {
		return affine{scale: 1}
	}
	a.zero = int(min(255, max(0, math.RoundToEven(-lo/float64(a.scale)))))
	return a
}

// bin is a number, what a function makes of it, and how often it was seen.
type bin struct{ at, is, count float64 }

// curve is a function: its values in the middles of all bins, from the lowest on.
type curve []float32

// middle returns the middle of bin i of all, from the lowest on.
func (h *histogram) middle(i int) float64 {
	return float64((float64(i-binsASide) + 0.5) * (h.reach / binsASide))
}

// at returns the function between the middles of bins, along straight lines.
func (c curve) at(x, reach float64) float64 {
	p := min(2*binsASide-1, max(0, float64(x/reach*binsASide)+(binsASide-0.5)))
	i := min(int(p), 2*binsASide-2)
	a, b := float64(c[i]), float64(c[i+1])
	return a + float64((p-float64(i))*(b-a))
}

// bins lists those that are not empty.
func (h *histogram) bins(f curve) []bin {
	var list []bin
	for i := range 2 * len(h.below) {
		n := uint64(0)
		if i < binsASide {
			n = h.below[binsASide-1-i]
		} else {
			n = h.above[i-binsASide]
		}
		if n > 0 {
			b := bin{at: h.middle(i), count: float64(n)}
			if b.is = b.at; f != nil {
				b.is = float64(f[i])
			}
			list = append(list, b)
		}
	}
	return list
}

// cost is the sum of what quantising changes of the function, to this power: 2 or 3.
func (a affine) cost(list []bin, f curve, reach float64, power int) float64 {
	scale, lo, hi := float64(a.scale), float64(-a.zero), float64(255-a.zero)
	var become [256]float64
	for i := range become {
		if become[i] = float64(float64(i-a.zero) * scale); f != nil {
			become[i] = f.at(become[i], reach)
		}
	}
	by, sum := 1/scale, 0.0
	for _, b := range list {
		q := min(hi, max(lo, math.RoundToEven(float64(b.at*by))))
		d := become[int(q)+a.zero] - b.is
		e := float64(d * d)
		if power == 3 {
			e = float64(e * math.Abs(d))
		}
		sum += float64(e * b.count)
	}
	return sum
}

const (
	finer = 0.9170040432046712 // eight of them are a half
	ends  = 64                 // how many ends of a range are tried: the last is 1/256 of the first
)

// best returns the range that loses least: of ranges within that of all numbers, the one whose error has the smallest sum of this power over the histogram:
// with 2 the mean squared error (Nagel et al., A White Paper on Neural Network Quantization, arXiv:2106.08295, 2021, §3.1). Each end is moved towards zero in
// turn, twice. With power 0 it is the range of all numbers. Where f is not nil, the error is that of f of the numbers, all that the network asks of them.
func (h *histogram) best(power int, f curve) affine {
	lo, hi := h.min, h.max
	a := over(lo, hi)
	if power == 0 {
		return a
	}
	list := h.bins(f)
	cost := a.cost(list, f, h.reach, power)
	for range 2 {
		for _, end := range []struct {
			at   *float64
			from float64
		}{{&hi, h.max}, {&lo, h.min}} {
			kept := *end.at
			for v, i := end.from, 0; i < ends && end.from != 0; i++ {
				*end.at = v
				if b := over(lo, hi); b.scale > least {
					if c := b.cost(list, f, h.reach, power); c < cost {
						a, cost, kept = b, c, v
					}
				}
				v = float64(v * finer)
			}
			*end.at = kept
		}
	}
	return a
}
