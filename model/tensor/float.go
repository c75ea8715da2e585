package tensor

import "math"

// HalfToFloat returns the float32 that the IEEE binary16 number h stands for; exact.
func HalfToFloat(h uint16) float32 {
	sign, exp, man := uint32(h&0x8000)<<16, uint32(h>>10&31), uint32(h&0x3ff)
	switch exp {
	case 0:
		return math.Float32frombits(sign | math.Float32bits(float32(man)*0x1p-24))
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}

// FloatToHalf rounds f to IEEE binary16, to nearest even; what is too large becomes infinite.
func FloatToHalf(f float32) uint16 {
	u := math.Float32bits(f)
	sign, a := uint16(u>>16&0x8000), u&0x7fffffff
	switch {
	case a > 0x7f800000:
		return sign | 0x7e00
	case a >= 0x477ff000: // 65520 and above
		return sign | 0x7c00
	case a < 0x38800000: // below the smallest normal, 2^-14
		// Adding 1/2 leaves the value in units of 2^-24 in the low bits, rounded to nearest even.
		r := float32(math.Float32frombits(a) + 0.5)
		return sign | uint16(math.Float32bits(r)-0x3f000000)
	}
	a += 0xfff + a>>13&1
	return sign | uint16((a-0x38000000)>>13)
}

// BFloatToFloat returns the float32 whose upper half is b.
func BFloatToFloat(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// FloatToBFloat rounds f to bfloat16, to nearest even.
func FloatToBFloat(f float32) uint16 {
	u := math.Float32bits(f)
	if f != f {
		return uint16(u>>16) | 0x40
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// The functions of slices below are those of numbers, written out for what is not zero, tiny, infinite or a NaN.

// floatsToHalf is FloatToHalf of each.
func floatsToHalf(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, v := range src {
		u := math.Float32bits(v)
		a := u & 0x7fffffff
		if a-0x38800000 < 0x477ff000-0x38800000 {
			dst[i] = uint16(u>>16&0x8000) | uint16((a-0x38000000+0xfff+a>>13&1)>>13)
		} else {
			dst[i] = FloatToHalf(v)
		}
	}
}

// halfToFloats is HalfToFloat of each.
func halfToFloats(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, v := range src {
		h := uint32(v)
		if a := h & 0x7fff; a-0x400 < 0x7c00-0x400 {
			dst[i] = math.Float32frombits(h&0x8000<<16 | a<<13 + 112<<23)
		} else {
			dst[i] = HalfToFloat(v)
		}
	}
}

// float8 describes an 8-bit floating-point format (Micikevicius et al.: FP8 Formats for Deep Learning, 2022;
// the "FNUZ" forms: Noune et al.: 8-bit Numerical Formats for Deep Neural Networks, 2022).
type float8 struct {
	man  uint  // bits of mantissa
	bias int   // of the exponent
	max  uint8 // code of the largest finite number
	nan  uint8 // code that overflow becomes when it does not saturate
	uz   bool  // 0x80 is the only NaN
	inf  bool  // max+1 is infinity
}

var float8s = map[DType]float8{
	Float8E4M3:   {man: 3, bias: 7, max: 0x7e, nan: 0x7f},
	Float8E4M3UZ: {man: 3, bias: 8, max: 0x7f, nan: 0x80, uz: true},
	Float8E5M2:   {man: 2, bias: 15, max: 0x7b, nan: 0x7c, inf: true},
	Float8E5M2UZ: {man: 2, bias: 16, max: 0x7f, nan: 0x80, uz: true},
}

// value returns what the code c, below 0x80, stands for if every code were a finite number.
func (f float8) value(c uint8) float64 {
	exp, man := int(c>>f.man), float64(c&(1<<f.man-1))
	if exp == 0 {
		return math.Ldexp(man, 1-f.bias-int(f.man))
	}
	return math.Ldexp(man+float64(int(1)<<f.man), exp-f.bias-int(f.man))
}

// Float8ToFloat returns the float32 that a code of the 8-bit format d stands for; exact.
func Float8ToFloat(d DType, c uint8) float32 {
	f := float8s[d]
	if f.uz && c == 0x80 {
		return float32(math.NaN())
	}
	v, a := float32(0), c&0x7f
	switch {
	case a <= f.max:
		v = float32(f.value(a))
	case f.inf && a == f.max+1:
		v = float32(math.Inf(1))
	default:
		return float32(math.NaN())
	}
	if c >= 0x80 {
		v = -v
	}
	return v
}

// FloatToFloat8 rounds v to the 8-bit format d, to nearest even. What is too large becomes the largest finite number
// if saturate is set, else infinity or, where the format has none, NaN.
func FloatToFloat8(d DType, v float32, saturate bool) uint8 {
	f := float8s[d]
	sign := uint8(0)
	if math.Signbit(float64(v)) {
		sign = 0x80
	}
	if v != v {
		if f.uz {
			return 0x80
		}
		return sign | 0x7f
	}
	a := math.Abs(float64(v))
	// The first code whose value is above a, among the finite ones and the one after them.
	lo, hi := 0, int(f.max)+1
	for lo < hi {
		m := (lo + hi) / 2
		if f.value8(m) > a {
			hi = m
		} else {
			lo = m + 1
		}
	}
	c := lo - 1
	if c <= int(f.max) {
		below, above := a-f.value8(c), f.value8(c+1)-a
		if above < below || above == below && c&1 == 1 {
			c++
		}
	}
	if c > int(f.max) {
		if saturate {
			return sign | f.max
		}
		if f.uz {
			return f.nan
		}
		return sign | f.nan
	}
	if c == 0 && f.uz {
		return 0
	}
	return sign | uint8(c)
}

// value8 is value, continued by one code beyond 0x7f.
func (f float8) value8(c int) float64 {
	if c > 0x7f {
		return 2*f.value(0x7f) - f.value(0x7e)
	}
	return f.value(uint8(c))
}
