package ref

// SoftmaxGrad computes dx[i,c] = (dy[i,c] - Dot8(dy row i, y row i))·y[i,c] for rows of c elements, y being the result of Softmax.
func SoftmaxGrad(dx, dy, y []float32, c int) {
	for ; len(dx) > 0; dx, dy, y = dx[c:], dy[c:], y[c:] {
		s := Dot8(dy[:c], y[:c])
		for j := range c {
			dx[j] = float32(float32(dy[j]-s) * y[j])
		}
	}
}

// LogSoftmaxGrad computes dx[i,c] = dy[i,c] - Exp(y[i,c])·Sum8(dy row i), product and sum rounded once, for rows of c elements, y being the result of LogSoftmax.
func LogSoftmaxGrad(dx, dy, y []float32, c int) {
	for ; len(dx) > 0; dx, dy, y = dx[c:], dy[c:], y[c:] {
		s := Neg(Sum8(dy[:c]))
		for j := range c {
			dx[j] = FMA32(Exp(y[j]), s, dy[j])
		}
	}
}

// L2NormalizeGrad computes the gradient of L2Normalize for rows of c elements: with l = √Dot8(x, x)
//
//	dx = (dy - x·(Dot8(x, dy)/l²))/l  where l > eps, the product and the difference rounded once
//	dx = dy/eps                       elsewhere
func L2NormalizeGrad(dx, dy, x []float32, c int, eps float32) {
	for ; len(dx) > 0; dx, dy, x = dx[c:], dy[c:], x[c:] {
		s, l := L2NormalizeGradFactors(Dot8(x[:c], x[:c]), Dot8(x[:c], dy[:c]), eps)
		for j := range c {
			dx[j] = FMA32(x[j], s, dy[j]) / l
		}
	}
}

// L2NormalizeGradFactors returns the factor of x and the divisor of a row.
func L2NormalizeGradFactors(square, dot, eps float32) (s, l float32) {
	l = Sqrt(square)
	if l > eps {
		return Neg(float32(dot/l) / l), l
	}
	return 0, Max(l, eps)
}

// LayerNormGrad computes the gradients of LayerNorm for rows of len(gain) elements, and adds those of gain and bias to dgain and dbias, rows in order. With
// h = (x - mean)·inv and the sums over the row across eight lanes, a = Σ dy·gain and b = Σ (dy·gain)·h,
//
//	dx = ((dy·gain - a/C) - h·(b/C))·inv
//	dgain += dy·h, dbias += dy
func LayerNormGrad(dx, dgain, dbias, dy, x, gain []float32, eps float32) {
	c := len(gain)
	for ; len(dx) > 0; dx, dy, x = dx[c:], dy[c:], x[c:] {
		mean, variance := MeanVar(x[:c])
		inv := 1 / Sqrt(variance+eps)
		var a, b [8]float32
		for j := range c {
			g, h := float32(dy[j]*gain[j]), float32((x[j]-mean)*inv)
			a[j&7] += g
			b[j&7] = FMA32(g, h, b[j&7])
			dgain[j] = FMA32(dy[j], h, dgain[j])
			dbias[j] += dy[j]
		}
		ma, mb := Join8(&a)/float32(c), Neg(Join8(&b)/float32(c))
		for j := range c {
			g, h := float32(dy[j]*gain[j]), float32((x[j]-mean)*inv)
			dx[j] = float32(FMA32(h, mb, g-ma) * inv)
		}
	}
}

// LRNGrad computes the gradient of LRN for rows of c channels: with t[j] = k + alpha/size·Σ x² over the window of j, q[j] = dy[j]·t[j]^-beta and
// u[j] = x[j]·q[j]/t[j],
//
//	dx[c] = q[c] - 2·alpha/size·beta·x[c]·Σ u[j]
//
// over the channels j whose windows hold c, in order from +0; the last product and difference are rounded once.
func LRNGrad(dx, dy, x []float32, c, size int, alpha, beta, k float32) {
	alpha /= float32(size)
	factor := -2 * float32(alpha*beta)
	q, u := make([]float32, c), make([]float32, c)
	for ; len(dx) > 0; dx, dy, x = dx[c:], dy[c:], x[c:] {
		for o := range c {
			var s float32
			first := o - (size-1)/2
			for j := max(first, 0); j < min(first+size, c); j++ {
				s = FMA32(x[j], x[j], s)
			}
			t := FMA32(alpha, s, k)
			if beta == 0.75 {
				r := Sqrt(t)
				q[o] = dy[o] / float32(r*Sqrt(r))
			} else {
				q[o] = float32(dy[o] * Exp(float32(-beta*Log(t))))
			}
			u[o] = float32(x[o]*q[o]) / t
		}
		for o := range c {
			var s float32
			last := o + (size-1)/2
			for j := max(last-size+1, 0); j <= min(last, c-1); j++ {
				s += u[j]
			}
			dx[o] = FMA32(float32(x[o]*s), factor, q[o])
		}
	}
}

// CrossEntropy is the negative log-likelihood of labels under the softmax of logits.
type CrossEntropy struct {
	Classes   int
	Weight    []float32 // of each class, or nil: 1
	Smoothing float32   // the share of the target that is spread over all classes
	Ignore    int32     // rows with this label count nothing
}

// Total returns the sum of the weights.
func (e *CrossEntropy) Total() float32 {
	if e.Weight == nil {
		return float32(e.Classes)
	}
	return Sum8(e.Weight)
}

// Factors returns the factors of a label: one of -log p of its own class, and one that is multiplied with Weight for all classes, and their sum over the classes
// whose weights are total together.
func (e *CrossEntropy) Factors(label int32, total float32) (own, each, sum float32) {
	w := float32(1)
	if e.Weight != nil {
		w = e.Weight[label]
	}
	own = float32(float32(1-e.Smoothing) * w)
	each = e.Smoothing / float32(e.Classes)
	return own, each, float32(own + float32(each*total))
}

// Run computes for each row of Classes logits with the label l, p being the row's softmax, and the factors of l,
//
//	loss[i] = own·(-log p[l]) + each·Σ Weight[c]·(-log p[c])
//	dx[i,c] = scale·(sum·p[c] - own·(c = l) - each·Weight[c])
//
// as PyTorch's cross_entropy does before its reduction (Szegedy et al.: Rethinking the Inception architecture, CVPR 2016, §7). Ignored rows have loss and gradient 0.
//
// The order of operations: m = MaxElement, e = Exp(x - m), s = Sum8(e), n = Log(s); loss = own·(n - (x[l] - m)), plus each times the sum by Sum8 or Dot8
// of (x - m) - n; dx = e·(scale·sum/s), then FMA32(Weight, -scale·each, dx), then the label's own less scale·own.
func (e *CrossEntropy) Run(loss, dx, x []float32, labels []int32, scale float32) {
	c := e.Classes
	buf, logp := make([]float32, c), make([]float32, c)
	total := e.Total()
	for i, l := range labels {
		x, dx := x[i*c:(i+1)*c], dx[i*c:(i+1)*c]
		if l == e.Ignore {
			loss[i] = 0
			clear(dx)
			continue
		}
		own, each, sum := e.Factors(l, total)
		m := MaxElement(x)
		for j, v := range x {
			buf[j] = Exp(v - m)
		}
		s := Sum8(buf)
		n := Log(s)
		for j, v := range x {
			logp[j] = float32(v-m) - n
		}
		loss[i] = float32(own * float32(n-float32(x[l]-m)))
		if e.Smoothing != 0 {
			all := Sum8(logp)
			if e.Weight != nil {
				all = Dot8(logp, e.Weight)
			}
			loss[i] = FMA32(all, -each, loss[i])
		}
		f := float32(scale*sum) / s
		for j, v := range buf {
			dx[j] = float32(v * f)
		}
		if e.Smoothing != 0 {
			f := -float32(scale * each)
			for j := range dx {
				w := float32(1)
				if e.Weight != nil {
					w = e.Weight[j]
				}
				dx[j] = FMA32(w, f, dx[j])
			}
		}
		dx[l] -= float32(scale * own)
	}
}
