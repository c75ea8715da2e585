// Package ref defines every kernel as a plain loop over slices.
//
// It is the specification: a fast kernel is right when it returns the same bits
// (the payload of a NaN apart). Nothing here is tuned. Every intermediate result is rounded to
// float32 explicitly, so that a compiler may neither fuse nor widen it.
//
// Layout is NHWC: [N,H,W,C] with channels contiguous.
package ref

import "math"

// FMA32 returns a·b+c rounded once to float32 (IEEE 754 fusedMultiplyAdd, round to nearest even).
//
// The product of two float32 is exact in float64. Their sum with c is not; narrowing it again
// could round twice. That goes wrong only where the float64 sum lies on the midpoint of two float32
// without being exactly there, so only those sums take the slow path.
func FMA32(a, b, c float32) float32 {
	p := float64(float64(a) * float64(b)) // the conversion keeps the sum below from being fused
	s := p + float64(c)
	u := math.Float64bits(s)
	// Away from a midpoint (low 29 bits 1000…0) and from the denormals of float32 one narrowing is right.
	if u&(1<<29-1) != 1<<28 && u>>52&0x7ff > 1023-126 {
		return float32(s)
	}
	return fmaOdd(p, float64(c), s)
}

// fmaOdd narrows p+c, whose float64 rounding is s, through rounding to odd
// (Boldo, Melquiond: Emulation of FMA and correctly rounded sums, IEEE Trans. Computers 2008).
func fmaOdd(p, c, s float64) float32 {
	if math.IsInf(s, 0) || s != s {
		return float32(s)
	}
	// TwoSum (Knuth): s+e = p+c exactly. Conversions keep the compiler from fusing.
	t := float64(s - p)
	e := float64(p-float64(s-t)) + float64(c-t)
	u := math.Float64bits(s)
	if e != 0 && u&1 == 0 {
		// s was rounded to an even neighbour; the odd one lies on the side of e.
		if (e > 0) == (s > 0) {
			u++
		} else {
			u--
		}
	}
	return float32(math.Float64frombits(u))
}

// Sum8 returns Σ x in the contract's order for sums across lanes: eight partial sums,
// lane i adding x[i], x[i+8], x[i+16], ... from +0, joined as ((0+4)+(2+6))+((1+5)+(3+7)).
func Sum8(x []float32) float32 {
	var l [8]float32
	for i, v := range x {
		l[i&7] += v
	}
	return Join8(&l)
}

// Dot8 returns Σ x·y with FMA32 per lane, lanes as in Sum8.
func Dot8(x, y []float32) float32 {
	var l [8]float32
	for i, v := range x {
		l[i&7] = FMA32(v, y[i], l[i&7])
	}
	return Join8(&l)
}

// Join8 adds the eight partial sums of Sum8 in their fixed order.
func Join8(l *[8]float32) float32 {
	a, b := l[0]+l[4], l[2]+l[6]
	c, d := l[1]+l[5], l[3]+l[7]
	e, f := a+b, c+d
	return e + f
}

// Max returns a > b ? a : b. A NaN in b is kept, one in a is not; Max(+0,-0) is -0.
func Max(a, b float32) float32 {
	if a > b {
		return a
	}
	return b
}

// Min returns a < b ? a : b. A NaN in b is kept, one in a is not.
func Min(a, b float32) float32 {
	if a < b {
		return a
	}
	return b
}
