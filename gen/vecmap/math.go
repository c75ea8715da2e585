package main

import (
	"math"

	"github.com/ocellus-vision/ocellus/gen/vec"
)

// The programs of kernels/ref/math.go, operation by operation; the reasons stand there.

var (
	expCoef   = []float32{0x1.fffffep-02, 0x1.5554aap-03, 0x1.555796p-05, 0x1.122be2p-07, 0x1.6ad014p-10}
	logCoef   = []float32{0x1.555554p-02, -0x1.000228p-02, 0x1.99a036p-03, -0x1.547226p-03, 0x1.22d5dcp-03, -0x1.0d81b6p-03, 0x1.0577a4p-03, -0x1.390ffp-04}
	log1pCoef = []float32{0x1p+00, -0x1.ffffd2p-02, 0x1.554ddp-02, -0x1.ff23e6p-03, 0x1.934b54p-03, -0x1.3a435ep-03, 0x1.b4ae08p-04, -0x1.d6b08cp-05, 0x1.4917cep-06, -0x1.af49cep-09}
	erfCoef   = []float32{0x1.d0e248p-25, -0x1.45f2fap-01, -0x1.a4fa4ep-04, 0x1.39cd14p-06, 0x1.50ca86p-13, -0x1.b50654p-10, 0x1.4bc87cp-11, -0x1.ed56f6p-14, 0x1.3672f8p-17}
)

const (
	log2e    = 0x1.715476p+00
	ln2Hi    = 0x1.62e4p-01
	ln2Lo    = 0x1.7f7d1cp-20
	erfcLead = 0x1.20dd76p+00
	signBit  = 1 << 31
)

var inf = float32(math.Inf(1))

func horner(p *prog, x v, c []float32) v {
	y := p.Const(c[len(c)-1])
	for k := len(c) - 2; k >= 0; k-- {
		y = p.FMA(y, x, p.Const(c[k]))
	}
	return y
}

func poly(p *prog, x v, c []float32) v {
	x2 := p.Mul(x, x)
	// The two chains are recorded side by side.
	k := len(c) - 1
	y := [2]v{}
	y[k&1], y[k&1^1] = p.Const(c[k]), p.Const(c[k-1])
	for k -= 2; k >= 0; k-- {
		y[k&1] = p.FMA(y[k&1], x2, p.Const(c[k]))
	}
	return p.FMA(y[1], x, y[0])
}

func expReduce(p *prog, x v) (r, n, t v) {
	t = p.FMA(x, p.Const(log2e), p.Const(vec.Magic))
	n = p.Sub(t, p.Const(vec.Magic))
	r = p.FMA(n, p.Const(-ln2Hi), x)
	return p.FMA(n, p.Const(-ln2Lo), r), n, t
}

func expPoly(p *prog, r v) v {
	return p.FMA(p.FMA(horner(p, r, expCoef), r, p.Const(1)), r, p.Const(1))
}

func expm1Poly(p *prog, r v) v { return p.FMA(p.Mul(r, r), horner(p, r, expCoef), r) }

func power(p *prog, t v, unit float32) v { return p.IAdd(p.Shl(t, 23), p.Const(unit)) }

func neg(p *prog, x v) v          { return p.Xor(x, p.Bits(signBit)) }
func abs(p *prog, x v) v          { return p.And(x, p.Bits(signBit-1)) }
func relu(p *prog, x v) v         { return p.Max(p.Const(0), x) }
func clip(p *prog, x, lo, hi v) v { return p.Min(hi, p.Max(lo, x)) }
func leaky(p *prog, x, alpha v) v { return p.Select(p.Lt(p.Const(0), x), x, p.Mul(x, alpha)) }

func copySign(p *prog, x, s v) v { return p.Or(abs(p, x), p.And(s, p.Bits(signBit))) }

func exp(p *prog, x v) v {
	r, n, t := expReduce(p, clip(p, x, p.Const(-104), p.Const(89)))
	return p.Scale2(expPoly(p, r), n, t)
}

func expm1(p *prog, x v) v {
	r, _, t := expReduce(p, x)
	s := power(p, t, 1)
	return p.FMA(s, expm1Poly(p, r), p.Sub(s, p.Const(1)))
}

func log(p *prog, x v) v {
	tiny := p.Lt(x, p.Const(0x1p-126))
	b := p.Select(tiny, p.Mul(x, p.Const(0x1p23)), x)
	e0 := p.Select(tiny, p.Const(-23), p.Const(0))
	k := p.Sar(p.ISub(b, p.Bits(0x3f3504f3)), 23)
	f := p.Sub(p.ISub(b, p.Shl(k, 23)), p.Const(1))
	e := p.Add(p.ToFloat(k), e0)
	f2 := p.Mul(f, f)
	y := p.Mul(p.Mul(f, f2), poly(p, f, logCoef))
	y = p.FMA(e, p.Const(ln2Lo), y)
	y = p.FMA(f2, p.Const(-0.5), y)
	y = p.FMA(e, p.Const(ln2Hi), p.Add(y, f))
	y = p.Select(p.Lt(x, p.Const(inf)), y, x)
	y = p.Select(p.Lt(x, p.Const(0)), p.Const(float32(math.NaN())), y)
	return p.Select(p.Eq(x, p.Const(0)), p.Const(-inf), y)
}

func tanh(p *prog, x v) v {
	a := abs(p, x)
	a2 := p.Add(a, a)
	a2 = p.Select(p.Lt(a, p.Const(0x1.6p-03)), neg(p, a2), a2)
	u := expm1(p, p.Min(p.Const(20), a2))
	return copySign(p, p.Div(u, p.Add(u, p.Const(2))), x)
}

func logistic(p *prog, num, x v) v {
	const unit = 0x1p-64
	r, _, t := expReduce(p, neg(p, x))
	d := p.FMA(expPoly(p, r), power(p, t, unit), p.Const(unit))
	return p.Mul(p.Div(num, d), p.Const(unit))
}

func sigmoid(p *prog, x v) v {
	return logistic(p, p.Const(1), clip(p, x, p.Const(-115), p.Const(40)))
}

func silu(p *prog, x v) v {
	c := clip(p, x, p.Const(-115), p.Const(40))
	return p.Select(p.Lt(x, p.Const(32)), logistic(p, c, c), x)
}

func geluTanh(p *prog, x v) v {
	c := p.Max(p.Const(-16), x)
	u := p.Mul(c, p.FMA(p.Mul(c, c), p.Const(0x1.2444f2p-04), p.Const(0x1.988454p+00)))
	y := logistic(p, c, clip(p, u, p.Const(-115), p.Const(40)))
	return p.Select(p.Lt(x, p.Const(6)), y, x)
}

func erf(p *prog, x v) v {
	a := p.Min(p.Const(4), abs(p, x))
	y := p.Mul(a, poly(p, a, erfCoef))
	return copySign(p, expm1(p, p.FMA(a, p.Const(-erfcLead), y)), x)
}

func gelu(p *prog, x v) v {
	c := p.Max(p.Const(-16), x)
	h := p.Mul(c, p.Const(0.5))
	return p.FMA(h, erf(p, p.Mul(c, p.Const(0x1.6a09e6p-01))), h)
}

func softplus(p *prog, x v) v {
	e := p.Max(p.Const(-104), p.Or(x, p.Bits(signBit)))
	r, n, t := expReduce(p, e)
	e = p.Scale2(expPoly(p, r), n, t)
	return p.FMA(e, horner(p, e, log1pCoef), relu(p, x))
}

func elu(p *prog, x, alphaGamma, gamma v) v {
	e := expm1(p, p.Max(p.Const(-20), x))
	return p.Select(p.Lt(p.Const(0), x), p.Mul(x, gamma), p.Mul(e, alphaGamma))
}

func hardSigmoid(p *prog, x, alpha, beta v) v {
	return p.Max(p.Const(0), p.Min(p.Const(1), p.FMA(x, alpha, beta)))
}

func hardSwish(p *prog, x v) v {
	c := p.Max(p.Const(-3), x)
	return p.Mul(c, hardSigmoid(p, c, p.Const(0x1.555556p-03), p.Const(0.5)))
}

func step(p *prog, x v) v {
	return p.Select(p.Lt(p.Const(0), x), p.Const(1), p.Select(p.Eq(x, x), p.Const(0), x))
}

// The programs of kernels/ref/grad.go.

func clipGrad(p *prog, dy, y, lo, hi v) v {
	return p.Select(p.Lt(lo, y), p.Select(p.Lt(y, hi), dy, p.Const(0)), p.Const(0))
}

func leakyGrad(p *prog, dy, x, alpha v) v { return p.Select(p.Lt(p.Const(0), x), dy, p.Mul(dy, alpha)) }

func eluGrad(p *prog, dy, y, alphaGamma, gamma v) v {
	return p.Mul(dy, p.Select(p.Lt(p.Const(0), y), gamma, p.Add(y, alphaGamma)))
}

func hardSigmoidGrad(p *prog, dy, y, alpha v) v {
	return clipGrad(p, p.Mul(dy, alpha), y, p.Const(0), p.Const(1))
}

func softplusGrad(p *prog, dy, y v) v {
	return p.Mul(dy, neg(p, expm1(p, p.Max(p.Const(-20), neg(p, y)))))
}

func siluGrad(p *prog, dy, x v) v {
	c := clip(p, x, p.Const(-115), p.Const(40))
	s := logistic(p, p.Const(1), c)
	return p.Mul(dy, p.Mul(s, p.FMA(c, p.Sub(p.Const(1), s), p.Const(1))))
}

func hardSwishGrad(p *prog, dy, x v) v {
	f := p.FMA(x, p.Const(0x1.555556p-02), p.Const(0.5))
	f = p.Select(p.Le(x, p.Const(3)), f, p.Const(1))
	return p.Mul(dy, p.Select(p.Lt(x, p.Const(-3)), p.Const(0), f))
}

func geluGrad(p *prog, dy, x v) v {
	c := clip(p, x, p.Const(-16), p.Const(16))
	cdf := p.FMA(erf(p, p.Mul(c, p.Const(0x1.6a09e6p-01))), p.Const(0.5), p.Const(0.5))
	pdf := p.Mul(exp(p, p.Mul(p.Mul(c, p.Const(-0.5)), c)), p.Const(0x1.988454p-02))
	return p.Mul(dy, p.FMA(c, pdf, cdf))
}

func geluTanhGrad(p *prog, dy, x v) v {
	c := clip(p, x, p.Const(-16), p.Const(16))
	c2 := p.Mul(c, c)
	s := sigmoid(p, p.Mul(c, p.FMA(c2, p.Const(0x1.2444f2p-04), p.Const(0x1.988454p+00))))
	t := p.Mul(c, p.FMA(c2, p.Const(0x1.b6676cp-03), p.Const(0x1.988454p+00)))
	return p.Mul(dy, p.Mul(s, p.FMA(t, p.Sub(p.Const(1), s), p.Const(1))))
}

func erfGrad(p *prog, dy, x v) v {
	return p.Mul(dy, p.Mul(exp(p, p.Mul(neg(p, x), x)), p.Const(erfcLead)))
}

func absGrad(p *prog, dy, x v) v {
	return p.Select(p.Lt(p.Const(0), x), dy, p.Select(p.Lt(x, p.Const(0)), neg(p, dy), p.Const(0)))
}
