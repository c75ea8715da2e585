package main

import "github.com/ocellus-vision/ocellus/gen/vec"

type (
	prog = vec.Prog
	v    = vec.V
)

func unary(name, formula string, f func(p *prog, x v) v, param ...string) vec.Kernel {
	return vec.Kernel{Name: "Map" + name, Doc: "computes dst[i] = " + formula + " for i < n.", In: []string{"x"}, Param: param,
		Map: func(p *prog, in, _ []v) v { return f(p, in[0]) }}
}

// kernel is a map of the sources and parameters in.
func kernel(name, formula string, in, param []string, f func(p *prog, in, param []v) v) vec.Kernel {
	return vec.Kernel{Name: "Map" + name, Doc: "computes dst[i] = " + formula + " for i < n.", In: in, Param: param, Map: f}
}

var (
	x    = []string{"x"}
	ab   = []string{"a", "b"}
	s    = []string{"s"}
	none []string
)

// maps returns the element-wise functions. ref.F is the function F of kernels/ref.
func maps() []vec.Kernel {
	ks := []vec.Kernel{
		unary("Exp", "ref.Exp(x[i])", exp),
		unary("Log", "ref.Log(x[i])", log),
		unary("Tanh", "ref.Tanh(x[i])", tanh),
		unary("Sigmoid", "ref.Sigmoid(x[i])", sigmoid),
		unary("SiLU", "ref.SiLU(x[i])", silu),
		unary("GELU", "ref.GELU(x[i])", gelu),
		unary("GELUTanh", "ref.GELUTanh(x[i])", geluTanh),
		unary("Erf", "ref.Erf(x[i])", erf),
		unary("Softplus", "ref.Softplus(x[i])", softplus),
		unary("HardSwish", "ref.HardSwish(x[i])", hardSwish),
		unary("Step", "ref.Step(x[i])", step),
		unary("Sqrt", "√x[i]", func(p *prog, x v) v { return p.Sqrt(x) }),
		unary("Abs", "|x[i]|", abs),
		unary("Neg", "-x[i]", neg),
		unary("ReLU", "0 > x[i] ? 0 : x[i]", relu),
		kernel("LeakyReLU", "x[i] > 0 ? x[i] : alpha·x[i]", x, []string{"alpha"}, func(p *prog, in, a []v) v { return leaky(p, in[0], a[0]) }),
		kernel("Clip", "ref.Clip(x[i], lo, hi)", x, []string{"lo", "hi"}, func(p *prog, in, a []v) v { return clip(p, in[0], a[0], a[1]) }),
		kernel("ELU", "ref.ELU(x[i], alphaGamma, gamma)", x, []string{"alphaGamma", "gamma"}, func(p *prog, in, a []v) v { return elu(p, in[0], a[0], a[1]) }),
		kernel("HardSigmoid", "ref.HardSigmoid(x[i], alpha, beta)", x, []string{"alpha", "beta"}, func(p *prog, in, a []v) v { return hardSigmoid(p, in[0], a[0], a[1]) }),
		kernel("PReLU", "x[i] > 0 ? x[i] : slope[i]·x[i]", []string{"x", "slope"}, none, func(p *prog, in, _ []v) v { return leaky(p, in[0], in[1]) }),
	}
	for _, b := range []struct {
		name, formula, scalar, swapped string
		f                              func(p *prog, a, b v) v
	}{
		{"Add", "a[i] + b[i]", "x[i] + s", "", (*prog).Add},
		{"Sub", "a[i] - b[i]", "x[i] - s", "s - x[i]", (*prog).Sub},
		{"Mul", "a[i] · b[i]", "x[i] · s", "", (*prog).Mul},
		{"Div", "a[i] / b[i]", "x[i] / s", "s / x[i]", (*prog).Div},
		{"Min", "a[i] < b[i] ? a[i] : b[i]", "", "s < x[i] ? s : x[i]", (*prog).Min},
		{"Max", "a[i] > b[i] ? a[i] : b[i]", "", "s > x[i] ? s : x[i]", (*prog).Max},
	} {
		ks = append(ks, kernel(b.name, b.formula, ab, none, func(p *prog, in, _ []v) v { return b.f(p, in[0], in[1]) }))
		if b.scalar != "" {
			ks = append(ks, kernel(b.name+"Scalar", b.scalar, x, s, func(p *prog, in, s []v) v { return b.f(p, in[0], s[0]) }))
		}
		if b.swapped != "" {
			ks = append(ks, kernel("Scalar"+b.name, b.swapped, x, s, func(p *prog, in, s []v) v { return b.f(p, s[0], in[0]) }))
		}
	}
	scaleShift := func(p *prog, in []v) v { return p.FMA(in[0], in[1], in[2]) }
	xss := []string{"x", "scale", "shift"}
	return append(ks,
		kernel("ScaleShiftClip", "ref.Clip(fma(x[i], scale[i], shift[i]), lo, hi)", xss, []string{"lo", "hi"},
			func(p *prog, in, a []v) v { return clip(p, scaleShift(p, in), a[0], a[1]) }),
		kernel("ScaleShiftLeaky", "ref.LeakyReLU(fma(x[i], scale[i], shift[i]), alpha)", xss, []string{"alpha"},
			func(p *prog, in, a []v) v { return leaky(p, scaleShift(p, in), a[0]) }),
		// Parts of softmax and of the norms.
		kernel("ExpSub", "ref.Exp(x[i] - m)", x, []string{"m"}, func(p *prog, in, a []v) v { return exp(p, p.Sub(in[0], a[0])) }),
		kernel("SubSub", "(x[i] - m) - l", x, []string{"m", "l"}, func(p *prog, in, a []v) v { return p.Sub(p.Sub(in[0], a[0]), a[1]) }),
		kernel("Normalize", "fma((x[i]-mean)·inv, gain[i], bias[i])", []string{"x", "gain", "bias"}, []string{"mean", "inv"},
			func(p *prog, in, a []v) v { return p.FMA(p.Mul(p.Sub(in[0], a[0]), a[1]), in[1], in[2]) }),
		kernel("AddSquare", "fma(x[i], x[i], a[i])", []string{"a", "x"}, none, func(p *prog, in, _ []v) v { return p.FMA(in[1], in[1], in[0]) }),
		kernel("LRN75", "x[i] / (√t·√√t), t = fma(alpha, sq[i], k),", []string{"x", "sq"}, []string{"alpha", "k"}, func(p *prog, in, a []v) v {
			r := p.Sqrt(p.FMA(a[0], in[1], a[1]))
			return p.Div(in[0], p.Mul(r, p.Sqrt(r)))
		}),
		kernel("LRN", "x[i] · ref.Exp(power·ref.Log(t)), t = fma(alpha, sq[i], k),", []string{"x", "sq"}, []string{"alpha", "k", "power"}, func(p *prog, in, a []v) v {
			return p.Mul(in[0], exp(p, p.Mul(a[2], log(p, p.FMA(a[0], in[1], a[1])))))
		}),
	)
}

// grads returns the element-wise functions of back-propagation, and of sums with a factor. For the gradients of ref that take x it is y here.
func grads() []vec.Kernel {
	two := func(name, formula string, f func(p *prog, in, a []v) v, param ...string) vec.Kernel {
		return kernel(name, formula, []string{"dy", "y"}, param, f)
	}
	return []vec.Kernel{
		two("ReLUGrad", "y[i] > 0 ? dy[i] : 0", func(p *prog, in, _ []v) v { return p.Select(p.Lt(p.Const(0), in[1]), in[0], p.Const(0)) }),
		two("ClipGrad", "lo < y[i] < hi ? dy[i] : 0", func(p *prog, in, a []v) v { return clipGrad(p, in[0], in[1], a[0], a[1]) }, "lo", "hi"),
		two("LeakyReLUGrad", "ref.LeakyReLUGrad(dy[i], y[i], alpha)", func(p *prog, in, a []v) v { return leakyGrad(p, in[0], in[1], a[0]) }, "alpha"),
		two("SigmoidGrad", "dy[i]·y[i]·(1-y[i])", func(p *prog, in, _ []v) v { return p.Mul(in[0], p.Mul(in[1], p.Sub(p.Const(1), in[1]))) }),
		two("TanhGrad", "dy[i]·(1-y[i]²)", func(p *prog, in, _ []v) v { return p.Mul(in[0], p.FMA(neg(p, in[1]), in[1], p.Const(1))) }),
		two("ELUGrad", "ref.ELUGrad(dy[i], y[i], alphaGamma, gamma)", func(p *prog, in, a []v) v { return eluGrad(p, in[0], in[1], a[0], a[1]) }, "alphaGamma", "gamma"),
		two("SoftplusGrad", "ref.SoftplusGrad(dy[i], y[i])", func(p *prog, in, _ []v) v { return softplusGrad(p, in[0], in[1]) }),
		two("SqrtGrad", "dy[i]/(y[i]+y[i])", func(p *prog, in, _ []v) v { return p.Div(in[0], p.Add(in[1], in[1])) }),
		two("HardSigmoidGrad", "ref.HardSigmoidGrad(dy[i], y[i], alpha)", func(p *prog, in, a []v) v { return hardSigmoidGrad(p, in[0], in[1], a[0]) }, "alpha"),
		two("SiLUGrad", "ref.SiLUGrad(dy[i], y[i])", func(p *prog, in, _ []v) v { return siluGrad(p, in[0], in[1]) }),
		two("HardSwishGrad", "ref.HardSwishGrad(dy[i], y[i])", func(p *prog, in, _ []v) v { return hardSwishGrad(p, in[0], in[1]) }),
		two("GELUGrad", "ref.GELUGrad(dy[i], y[i])", func(p *prog, in, _ []v) v { return geluGrad(p, in[0], in[1]) }),
		two("GELUTanhGrad", "ref.GELUTanhGrad(dy[i], y[i])", func(p *prog, in, _ []v) v { return geluTanhGrad(p, in[0], in[1]) }),
		two("ErfGrad", "ref.ErfGrad(dy[i], y[i])", func(p *prog, in, _ []v) v { return erfGrad(p, in[0], in[1]) }),
		two("AbsGrad", "ref.AbsGrad(dy[i], y[i])", func(p *prog, in, _ []v) v { return absGrad(p, in[0], in[1]) }),
		kernel("Blend", "fma(b[i], t, fma(a[i], s, 0))", ab, []string{"s", "t"}, func(p *prog, in, a []v) v { return p.FMA(in[1], a[1], p.FMA(in[0], a[0], p.Const(0))) }),
		two("AddScaled", "fma(y[i], s, dy[i])", func(p *prog, in, a []v) v { return p.FMA(in[1], a[0], in[0]) }, "s"),
		two("Lerp", "fma(y[i] - dy[i], s, dy[i])", func(p *prog, in, a []v) v { return p.FMA(p.Sub(in[1], in[0]), a[0], in[0]) }, "s"),
		two("SubMul", "(dy[i] - s)·y[i]", func(p *prog, in, a []v) v { return p.Mul(p.Sub(in[0], a[0]), in[1]) }, "s"),
		two("AddScaledExp", "fma(ref.Exp(y[i]), s, dy[i])", func(p *prog, in, a []v) v { return p.FMA(exp(p, in[1]), a[0], in[0]) }, "s"),
		two("DivAddScaled", "fma(y[i], s, dy[i] / d)", func(p *prog, in, a []v) v { return p.FMA(in[1], a[0], p.Div(in[0], a[1])) }, "s", "d"),
		kernel("PReLUGrad", "ref.LeakyReLUGrad(dy[i], x[i], slope[i])", []string{"dy", "x", "slope"}, none,
			func(p *prog, in, _ []v) v { return leakyGrad(p, in[0], in[1], in[2]) }),
		kernel("MergeSquares", "fma(d[i]·d[i], s, a[i]+b[i])", []string{"a", "b", "d"}, []string{"s"},
			func(p *prog, in, a []v) v { return p.FMA(p.Mul(in[2], in[2]), a[0], p.Add(in[0], in[1])) }),
		kernel("LRNShare", "(x[i]·q[i]) / fma(alpha, sq[i], k)", []string{"x", "q", "sq"}, []string{"alpha", "k"},
			func(p *prog, in, a []v) v { return p.Div(p.Mul(in[0], in[1]), p.FMA(a[0], in[2], a[1])) }),
		kernel("AddScaledProduct", "fma(x[i]·y[i], s, a[i])", []string{"a", "x", "y"}, []string{"s"},
			func(p *prog, in, a []v) v { return p.FMA(p.Mul(in[1], in[2]), a[0], in[0]) }),
	}
}

// norms returns the sums over lanes: each updates eight lanes, lane l taking the elements l, l+8, l+16, ...
func norms() []vec.Kernel {
	reduce := func(name, doc string, in, param []string, states int, f func(p *prog, in, param, state []v) []v) vec.Kernel {
		return vec.Kernel{Name: "Lanes" + name, Doc: doc, In: in, Param: param, State: states, Reduce: f}
	}
	// nan is n, or a NaN of x.
	nan := func(p *prog, x, n v) v { return p.Select(p.Eq(x, x), n, x) }
	return []vec.Kernel{
		reduce("Sum", "adds x to eight lanes of state: state[l] += x[i], i = l, l+8, ...; n is a multiple of 8.", x, none, 1,
			func(p *prog, in, _, state []v) []v { return []v{p.Add(state[0], in[0])} }),
		reduce("Dot", "computes state[l] = fma(a[i], b[i], state[l]), i = l, l+8, ...; n is a multiple of 8.", ab, none, 1,
			func(p *prog, in, _, state []v) []v { return []v{p.FMA(in[0], in[1], state[0])} }),
		reduce("SquareDiff", "computes state[l] = fma(d, d, state[l]), d = x[i] - m, i = l, l+8, ...; n is a multiple of 8.", x, []string{"m"}, 1,
			func(p *prog, in, a, state []v) []v {
				d := p.Sub(in[0], a[0])
				return []v{p.FMA(d, d, state[0])}
			}),
		reduce("Max", "computes state[l] = x[i] > state[l] ? x[i] : state[l], i = l, l+8, ..., and puts any NaN of x into\nstate[8+l]; n is a multiple of 8.", x, none, 2,
			func(p *prog, in, _, state []v) []v { return []v{p.Max(in[0], state[0]), nan(p, in[0], state[1])} }),
		reduce("ArgMax", "computes as LanesMax does, and keeps in state[16+l] the integer in state[24+l] for the first of the\ngreatest, which grows by 8 for each block; n is a multiple of 8.", x, none, 4,
			func(p *prog, in, _, state []v) []v {
				more := p.Lt(state[0], in[0])
				return []v{p.Select(more, in[0], state[0]), nan(p, in[0], state[1]), p.Select(more, state[3], state[2]), p.IAdd(state[3], p.Bits(8))}
			}),
	}
}
