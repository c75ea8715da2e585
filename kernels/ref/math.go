package ref

import "math"

// The functions below are the definition of exp, log and what is made of them: one polynomial each, in this order of operations
// on every instruction set. docs/math.md says where the coefficients come from and how far each function is from the real one.
// Errors are in ulp of the exact result, the largest over all 2³² inputs.

// Coefficients, lowest power first.
var (
	expCoef = [...]float32{0x1.fffffep-02, 0x1.5554aap-03, 0x1.555796p-05, 0x1.122be2p-07, 0x1.6ad014p-10}
	logCoef = [...]float32{0x1.555554p-02, -0x1.000228p-02, 0x1.99a036p-03, -0x1.547226p-03, 0x1.22d5dcp-03, -0x1.0d81b6p-03, 0x1.0577a4p-03, -0x1.390ffp-04}
	// log(1+e)/e on [0, 1].
	log1pCoef = [...]float32{0x1p+00, -0x1.ffffd2p-02, 0x1.554ddp-02, -0x1.ff23e6p-03, 0x1.934b54p-03, -0x1.3a435ep-03, 0x1.b4ae08p-04, -0x1.d6b08cp-05, 0x1.4917cep-06, -0x1.af49cep-09}
	// log(erfc(a))/a + erfcLead on [0, 4].
	erfCoef = [...]float32{0x1.d0e248p-25, -0x1.45f2fap-01, -0x1.a4fa4ep-04, 0x1.39cd14p-06, 0x1.50ca86p-13, -0x1.b50654p-10, 0x1.4bc87cp-11, -0x1.ed56f6p-14, 0x1.3672f8p-17}
)

const (
	log2e    = 0x1.715476p+00
	ln2Hi    = 0x1.62e4p-01 // 16 bits: its product with |n| < 256 is exact
	ln2Lo    = 0x1.7f7d1cp-20
	erfcLead = 0x1.20dd76p+00 // 2/√π
	magic    = 0x1.8p23       // adding it rounds to a whole number, which stands in the low bits
	signBit  = 1 << 31
)

// horner returns Σ c[k]·x^k.
func horner(x float32, c []float32) float32 {
	y := c[len(c)-1]
	for k := len(c) - 2; k >= 0; k-- {
		y = FMA32(y, x, c[k])
	}
	return y
}

// poly returns Σ c[k]·x^k as E(x²) + x·O(x²), by Horner's rule each: two short chains are faster than a long one.
func poly(x float32, c []float32) float32 {
	x2 := float32(x * x)
	var y [2]float32
	for i := range y {
		k := len(c) - 1
		if k&1 != i {
			k--
		}
		y[i] = c[k]
		for k -= 2; k >= 0; k -= 2 {
			y[i] = FMA32(y[i], x2, c[k])
		}
	}
	return FMA32(y[1], x, y[0])
}

// expReduce returns r and whole n with x = n·ln2 + r, |r| <= ln2/2 and a rounding, for |x| < 2¹⁵; t is n + magic.
func expReduce(x float32) (r, t float32) {
	t = FMA32(x, log2e, magic)
	n := t - magic
	r = FMA32(n, -ln2Hi, x)
	return FMA32(n, -ln2Lo, r), t
}

// expPoly returns e^r, expm1Poly e^r - 1.
func expPoly(r float32) float32 {
	return FMA32(FMA32(horner(r, expCoef[:]), r, 1), r, 1)
}

func expm1Poly(r float32) float32 {
	return FMA32(float32(r*r), horner(r, expCoef[:]), r)
}

// power returns 2^n·unit for n in the low bits of t and both 2^n·unit and unit normal powers of two.
func power(t, unit float32) float32 {
	return math.Float32frombits(math.Float32bits(t)<<23 + math.Float32bits(unit))
}

// scale2 returns x·2^n, rounded once: it multiplies by 2^⌊n/2⌋ first.
func scale2(x, t float32) float32 {
	b := math.Float32bits(t)
	h := b >> 1
	lo := math.Float32frombits(h<<23 + math.Float32bits(1))
	hi := math.Float32frombits((b-h)<<23 + math.Float32bits(1))
	x = float32(x * lo)
	return float32(x * hi)
}

// Abs clears the sign, Neg turns it.
func Abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ signBit) }
func Neg(x float32) float32 { return math.Float32frombits(math.Float32bits(x) ^ signBit) }

// copySign returns |x| with the sign of s.
func copySign(x, s float32) float32 {
	return math.Float32frombits(math.Float32bits(x)&^signBit | math.Float32bits(s)&signBit)
}

// Exp returns e^x, denormal results included.
func Exp(x float32) float32 {
	x = Min(89, Max(-104, x))
	r, t := expReduce(x)
	return scale2(expPoly(r), t)
}

// expm1 returns e^x - 1 for -20 <= x <= 20.
func expm1(x float32) float32 {
	r, t := expReduce(x)
	s := power(t, 1)
	return FMA32(s, expm1Poly(r), float32(s-1))
}

// Log returns the natural logarithm; -Inf for ±0, NaN for x < 0.
func Log(x float32) float32 {
	// x = 2^e·m, √½ <= m < √2; denormals are scaled up first.
	s, e0 := x, float32(0)
	if x < 0x1p-126 {
		s, e0 = float32(x*0x1p23), -23
	}
	b := int32(math.Float32bits(s))
	k := (b - 0x3f3504f3) >> 23
	m := math.Float32frombits(uint32(b - k<<23))
	e := float32(float32(k) + e0)
	f := m - 1
	f2 := float32(f * f)
	y := float32(float32(f*f2) * poly(f, logCoef[:]))
	y = FMA32(e, ln2Lo, y)
	y = FMA32(f2, -0.5, y)
	y = FMA32(e, ln2Hi, float32(y+f))
	switch {
	case x < 0:
		return float32(math.NaN())
	case x == 0:
		return float32(math.Inf(-1))
	case x < float32(math.Inf(1)):
		return y
	}
	return x
}

// Tanh returns the hyperbolic tangent: u/(u+2) with u = e^2|x| - 1; for small x, where that is less exact, -u/(u+2) with u = e^-2|x| - 1.
func Tanh(x float32) float32 {
	a := Abs(x)
	a2 := float32(a + a)
	if a < 0x1.6p-03 {
		a2 = Neg(a2)
	}
	u := expm1(Min(20, a2))
	return copySign(float32(u/float32(u+2)), x)
}

// logistic returns num/(1+e^-x), -115 <= x <= 40, with denormal results right. It works with 2^-64·(1+e^-x): num/2^-64 must not overflow.
func logistic(num, x float32) float32 {
	const unit = 0x1p-64
	r, t := expReduce(Neg(x))
	d := FMA32(expPoly(r), power(t, unit), unit)
	q := float32(num / d)
	return float32(q * unit)
}

// Sigmoid returns 1/(1+e^-x).
func Sigmoid(x float32) float32 { return logistic(1, Min(40, Max(-115, x))) }

// SiLU returns x/(1+e^-x), -0 for -Inf. (Elfwing, Uchibe, Doya: Sigmoid-weighted linear units, Neural Networks 2018; also called Swish.)
func SiLU(x float32) float32 {
	c := Min(40, Max(-115, x))
	y := logistic(c, c)
	if x < 32 {
		return y
	}
	return x
}

// GELUTanh returns x/(1+e^-2u), u = √(2/π)·(x + 0.044715·x³): the tanh form of GELU.
// (Hendrycks, Gimpel: Gaussian error linear units, 2016, §2.)
func GELUTanh(x float32) float32 {
	const c1, c3 = 0x1.988454p+00, 0x1.2444f2p-04 // 2·√(2/π), and that times 0.044715
	c := Max(-16, x)
	v := float32(c * FMA32(float32(c*c), c3, c1))
	y := logistic(c, Min(40, Max(-115, v)))
	if x < 6 {
		return y
	}
	return x
}

// Erf returns the error function: 1 - e^log(erfc|x|), the exponent a polynomial.
func Erf(x float32) float32 {
	a := Min(4, Abs(x))
	y := float32(a * poly(a, erfCoef[:]))
	return copySign(expm1(FMA32(a, -erfcLead, y)), x)
}

// GELU returns x·Φ(x) = x/2·(1 + erf(x/√2)), +0 for -Inf.
func GELU(x float32) float32 {
	c := Max(-16, x)
	h := float32(c * 0.5)
	return FMA32(h, Erf(float32(c*0x1.6a09e6p-01)), h)
}

// Softplus returns log(1+e^x) = max(x, 0) + log(1+e^-|x|).
func Softplus(x float32) float32 {
	e := Max(-104, Neg(Abs(x)))
	r, t := expReduce(e)
	e = scale2(expPoly(r), t)
	return FMA32(e, horner(e, log1pCoef[:]), Max(0, x))
}

// ELU returns gamma·x for x > 0, else alphaGamma·(e^x - 1). (Clevert, Unterthiner, Hochreiter: ELU, ICLR 2016;
// Klambauer et al.: Self-normalizing neural networks, NIPS 2017, for gamma other than 1.)
func ELU(x, alphaGamma, gamma float32) float32 {
	e := expm1(Max(-20, x))
	if x > 0 {
		return float32(x * gamma)
	}
	return float32(e * alphaGamma)
}

// HardSigmoid returns alpha·x + beta, rounded once, clipped to [0, 1].
func HardSigmoid(x, alpha, beta float32) float32 { return Max(0, Min(1, FMA32(x, alpha, beta))) }

// HardSwish returns x·HardSigmoid(x, 1/6, 1/2), -0 for -Inf. (Howard et al.: Searching for MobileNetV3, ICCV 2019, §5.2.)
func HardSwish(x float32) float32 {
	c := Max(-3, x)
	return float32(c * HardSigmoid(c, 0x1.555556p-03, 0.5))
}

// Step returns 1 for x > 0, else 0, and a NaN for NaN: the binary step of the perceptron.
// (Rosenblatt: The perceptron, Psychological Review 1958.)
func Step(x float32) float32 {
	switch {
	case x > 0:
		return 1
	case x == x:
		return 0
	}
	return x
}

// Sqrt returns the correctly rounded square root.
func Sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// ReLU returns 0 > x ? 0 : x: a NaN stays, and so does -0.
func ReLU(x float32) float32 { return Max(0, x) }

// LeakyReLU returns x > 0 ? x : alpha·x. With alpha by channel it is PReLU.
// (He, Zhang, Ren, Sun: Delving deep into rectifiers, ICCV 2015, §2.1.)
func LeakyReLU(x, alpha float32) float32 {
	if x > 0 {
		return x
	}
	return float32(x * alpha)
}

// Clip returns Min(hi, Max(lo, x)). A NaN stays a NaN.
func Clip(x, lo, hi float32) float32 { return Min(hi, Max(lo, x)) }
