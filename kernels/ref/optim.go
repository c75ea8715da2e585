package ref

// SGD is one step of stochastic gradient descent with momentum.
type SGD struct {
	Rate, Momentum float32
	Decay          float32 // of the weights: Decay·w is added to the gradient
	Scale          float32 // of the gradient, before all else: below 1 where its norm is clipped
	Nesterov       bool
}

// Step updates the weights w and their velocities v from the gradient g, all of one length, as PyTorch's SGD does:
//
//	g = g·Scale + w·Decay
//	v = v·Momentum + g
//	w = w - Rate·v, with Nesterov w - Rate·(g + v·Momentum)
//
// (Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning, ICML 2013.)
func (s SGD) Step(w, v, g []float32) {
	for i := range w {
		d := FMA32(w[i], s.Decay, float32(g[i]*s.Scale))
		v[i] = FMA32(v[i], s.Momentum, d)
		if s.Nesterov {
			d = FMA32(v[i], s.Momentum, d)
		} else {
			d = v[i]
		}
		w[i] = FMA32(d, -s.Rate, w[i])
	}
}

// AdamW is one step of Adam with decoupled weight decay. (Loshchilov, Hutter: Decoupled weight decay regularization, ICLR 2019.)
type AdamW struct {
	Rate, Beta1, Beta2, Eps float32
	Decay                   float32
	Scale                   float32 // of the gradient, before all else
	Correct1, Correct2      float32 // the bias corrections 1 - Beta1^t and 1 - Beta2^t of step t = 1, 2, ...
}

// AdamWFactors are the numbers that an AdamW step multiplies with.
type AdamWFactors struct{ Scale, Take1, Keep2, Take2, Root, Eps, Rate, Keep float32 }

// Factors returns 1-Beta1, Beta2, 1-Beta2, 1/√Correct2, -Rate/Correct1 and 1 - Rate·Decay beside Scale and Eps.
func (s AdamW) Factors() AdamWFactors {
	return AdamWFactors{
		Scale: s.Scale, Take1: 1 - s.Beta1, Keep2: s.Beta2, Take2: 1 - s.Beta2, Root: 1 / Sqrt(s.Correct2), Eps: s.Eps,
		Rate: -s.Rate / s.Correct1, Keep: 1 - float32(s.Rate*s.Decay),
	}
}

// Step updates the weights w and the moments m and v from the gradient g, all of one length, as PyTorch's AdamW does:
//
//	g = g·Scale
//	m = m + (g - m)·(1 - Beta1)
//	v = v·Beta2 + g²·(1 - Beta2)
//	w = w·(1 - Rate·Decay) - Rate/Correct1·m/(√v/√Correct2 + Eps)
func (s AdamW) Step(w, m, v, g []float32) {
	f := s.Factors()
	for i := range w {
		d := float32(g[i] * f.Scale)
		m[i] = FMA32(d-m[i], f.Take1, m[i])
		v[i] = FMA32(float32(d*f.Take2), d, float32(v[i]*f.Keep2))
		q := m[i] / FMA32(Sqrt(v[i]), f.Root, f.Eps)
		w[i] = FMA32(q, f.Rate, float32(w[i]*f.Keep))
	}
}

// SquaresBlock is how many elements SumSquares takes at a time.
const SquaresBlock = 1 << 14

// SumSquares returns Σ x²: Dot8 over blocks of SquaresBlock elements, the blocks added in order in float64.
func SumSquares(x []float32) float64 {
	var sum float64
	for len(x) > 0 {
		b := x[:min(SquaresBlock, len(x))]
		sum += float64(Dot8(b, b))
		x = x[len(b):]
	}
	return sum
}

// Lerp computes dst[i] = dst[i] + (src[i] - dst[i])·a, product and sum rounded once: a moving average.
func Lerp(dst, src []float32, a float32) {
	for i, s := range src {
		dst[i] = FMA32(s-dst[i], a, dst[i])
	}
}
