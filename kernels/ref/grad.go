package ref

// The gradients of the element-wise functions: each returns dy·f'(x), from the result y = f(x) where that is enough, from x otherwise.
// Where f has a kink they take PyTorch's side.

// ReLUGrad returns y > 0 ? dy : 0.
func ReLUGrad(dy, y float32) float32 {
	if y > 0 {
		return dy
	}
	return 0
}

// ClipGrad returns lo < y < hi ? dy : 0. ReLU6 is 0 and 6.
func ClipGrad(dy, y, lo, hi float32) float32 {
	if lo < y && y < hi {
		return dy
	}
	return 0
}

// LeakyReLUGrad returns x > 0 ? dy : alpha·dy. For alpha of 0 or more the result may stand for x.
func LeakyReLUGrad(dy, x, alpha float32) float32 {
	if x > 0 {
		return dy
	}
	return float32(dy * alpha)
}

// ApplyGrad returns the gradient of a.Apply from its result; Alpha is 0 or more.
func (a Act) ApplyGrad(dy, y float32) float32 {
	switch a.Kind {
	case ActClip:
		return ClipGrad(dy, y, a.Lo, a.Hi)
	case ActLeaky:
		return LeakyReLUGrad(dy, y, a.Alpha)
	}
	return dy
}

// SigmoidGrad returns dy·y·(1-y).
func SigmoidGrad(dy, y float32) float32 { return float32(dy * float32(y*float32(1-y))) }

// TanhGrad returns dy·(1-y²).
func TanhGrad(dy, y float32) float32 { return float32(dy * FMA32(Neg(y), y, 1)) }

// ELUGrad returns y > 0 ? dy·gamma : dy·(y + alphaGamma), y being ELU(x, alphaGamma, gamma).
func ELUGrad(dy, y, alphaGamma, gamma float32) float32 {
	if y > 0 {
		return float32(dy * gamma)
	}
	return float32(dy * float32(y+alphaGamma))
}

// SoftplusGrad returns dy·(1 - e^-y).
func SoftplusGrad(dy, y float32) float32 { return float32(dy * Neg(expm1(Max(-20, Neg(y))))) }

// SqrtGrad returns dy/(2y).
func SqrtGrad(dy, y float32) float32 { return float32(dy / float32(y+y)) }

// HardSigmoidGrad returns 0 < y < 1 ? alpha·dy : 0.
func HardSigmoidGrad(dy, y, alpha float32) float32 {
	if 0 < y && y < 1 {
		return float32(dy * alpha)
	}
	return 0
}

// SiLUGrad returns dy·s·(1 + x·(1-s)), s = Sigmoid(x).
func SiLUGrad(dy, x float32) float32 {
	c := Min(40, Max(-115, x))
	s := logistic(1, c)
	return float32(dy * float32(s*FMA32(c, float32(1-s), 1)))
}

// HardSwishGrad returns 0 for x < -3, dy for x > 3, dy·(x/3 + 1/2) between them.
func HardSwishGrad(dy, x float32) float32 {
	f := FMA32(x, 0x1.555556p-02, 0.5)
	if !(x <= 3) {
		f = 1
	}
	if x < -3 {
		f = 0
	}
	return float32(dy * f)
}

// GELUGrad returns dy·(Φ(x) + x·φ(x)), φ the density e^(-x²/2)/√2π and Φ its integral, x clipped to [-16, 16].
func GELUGrad(dy, x float32) float32 {
	c := Min(16, Max(-16, x))
	cdf := FMA32(Erf(float32(c*0x1.6a09e6p-01)), 0.5, 0.5)
	pdf := float32(Exp(float32(float32(c*-0.5)*c)) * 0x1.988454p-02)
	return float32(dy * FMA32(c, pdf, cdf))
}

// GELUTanhGrad returns dy·s·(1 + x·v'·(1-s)), s = Sigmoid(v), v = 2·√(2/π)·(x + 0.044715·x³), x clipped to [-16, 16].
func GELUTanhGrad(dy, x float32) float32 {
	const c1, c3, d3 = 0x1.988454p+00, 0x1.2444f2p-04, 0x1.b6676cp-03 // d3 is 3·c3
	c := Min(16, Max(-16, x))
	c2 := float32(c * c)
	s := Sigmoid(float32(c * FMA32(c2, c3, c1)))
	return float32(dy * float32(s*FMA32(float32(c*FMA32(c2, d3, c1)), float32(1-s), 1)))
}

// ErfGrad returns dy·2/√π·e^(-x²).
func ErfGrad(dy, x float32) float32 {
	return float32(dy * float32(Exp(float32(Neg(x)*x))*erfcLead))
}

// AbsGrad returns dy with the sign of x as its factor; 0 for x = 0.
func AbsGrad(dy, x float32) float32 {
	switch {
	case x > 0:
		return dy
	case x < 0:
		return Neg(dy)
	}
	return 0
}
