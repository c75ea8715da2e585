package ref

// Sums over the rows of a [rows, C] matrix, one for each channel, go in an order that the shape alone decides. The rows are cut into
// blocks of ChannelBlock(C). In a block row r belongs to part r mod ChannelParts(C): a part adds its rows in order from +0, and the
// parts are added in order. The sums of the blocks are added in order.

// ChannelParts returns how many rows of c channels are summed side by side: those that fill 64 floats.
func ChannelParts(c int) int { return max(1, 64/c) }

// ChannelBlock returns how many rows of c channels make a block: about 256 KB, a multiple of ChannelParts(c), and at least 8.
func ChannelBlock(c int) int {
	k := ChannelParts(c)
	return max(8, 1<<16/c/k*k)
}

// blockSum returns the sum of term(acc, i) over a block of rows of one channel; i is the element's index, acc the sum of its part so far.
func blockSum(first, rows, c, channel int, term func(acc float32, i int) float32) float32 {
	var total float32
	for part := range ChannelParts(c) {
		var acc float32
		for r := part; r < rows; r += ChannelParts(c) {
			acc = term(acc, (first+r)*c+channel)
		}
		if part == 0 {
			total = acc
		} else {
			total += acc
		}
	}
	return total
}

// channelSums computes dst[c] = Σ term over all rows of each channel.
func channelSums(dst []float32, rows int, term func(acc float32, i int) float32) {
	c := len(dst)
	for ch := range dst {
		dst[ch] = 0
		for first := 0; first < rows; first += ChannelBlock(c) {
			s := blockSum(first, min(ChannelBlock(c), rows-first), c, ch, term)
			if first == 0 {
				dst[ch] = s
			} else {
				dst[ch] += s
			}
		}
	}
}

// ChannelSum computes dst[c] = Σ src[i,c] over the rows of src, [rows, C].
func ChannelSum(dst, src []float32) {
	channelSums(dst, len(src)/len(dst), func(acc float32, i int) float32 { return acc + src[i] })
}

// ChannelDot computes dst[c] = Σ a[i,c]·b[i,c] over the rows of a and b, [rows, C].
func ChannelDot(dst, a, b []float32) {
	channelSums(dst, len(a)/len(dst), func(acc float32, i int) float32 { return FMA32(a[i], b[i], acc) })
}

// PReLUSlopeGrad computes dslope[c] = Σ (x[i,c] > 0 ? 0 : dy[i,c]·x[i,c]) over the rows of dy and x, [rows, C].
func PReLUSlopeGrad(dslope, dy, x []float32) {
	channelSums(dslope, len(dy)/len(dslope), func(acc float32, i int) float32 {
		if x[i] > 0 {
			return FMA32(dy[i], 0, acc)
		}
		return FMA32(dy[i], x[i], acc)
	})
}

// BatchNormStats computes the mean over the rows of each channel of src, [rows, C], and the mean square distance from it.
//
// Each block of rows has its own mean and its own sum of squared distances; the blocks are merged in order (Chan, Golub, LeVeque: Updating formulae and a
// pairwise algorithm for computing sample variances, Stanford STAN-CS-79-773, 1979): for na rows merged and nb new ones, w = nb/(na+nb) and
// d = meanB - mean, mean becomes mean + d·w and the sum of squares m2 + m2B + d²·na·w.
func BatchNormStats(mean, variance, src []float32) {
	c := len(mean)
	rows := len(src) / c
	for ch := range mean {
		var m, m2 float32
		for first := 0; first < rows; first += ChannelBlock(c) {
			n := min(ChannelBlock(c), rows-first)
			mb := blockSum(first, n, c, ch, func(acc float32, i int) float32 { return acc + src[i] }) / float32(n)
			m2b := blockSum(first, n, c, ch, func(acc float32, i int) float32 {
				d := src[i] - mb
				return FMA32(d, d, acc)
			})
			if first == 0 {
				m, m2 = mb, m2b
				continue
			}
			w := float32(n) / float32(first+n)
			d := mb - m
			m = FMA32(d, w, m)
			m2 = FMA32(float32(d*d), float32(float32(first)*w), m2+m2b)
		}
		mean[ch], variance[ch] = m, m2/float32(rows)
	}
}

// BatchNormGradSums computes, over the rows of dy and x, [rows, C],
//
//	sum[c] = Σ g[i,c]
//	dot[c] = Σ g[i,c]·(x[i,c] - mean[c])
//
// g being dy, or with an activation after the normalisation act.ApplyGrad(dy, y), y [rows, C] its result.
func BatchNormGradSums(sum, dot, dy, x, y, mean []float32, act Act) {
	rows := len(dy) / len(sum)
	channelSums(sum, rows, func(acc float32, i int) float32 { return acc + maskGrad(dy, y, i, act) })
	channelSums(dot, rows, func(acc float32, i int) float32 {
		return FMA32(maskGrad(dy, y, i, act), x[i]-mean[i%len(mean)], acc)
	})
}

func maskGrad(dy, y []float32, i int, act Act) float32 {
	if act.Kind == ActNone {
		return dy[i]
	}
	return act.ApplyGrad(dy[i], y[i])
}

// BatchNormGradInput computes dx[i,c] = g[i,c]·a[c] + (x[i,c]·b[c] + k[c]), each product and sum rounded once, with g as in BatchNormGradSums.
func BatchNormGradInput(dx, dy, x, y, a, b, k []float32, act Act) {
	for i := range dx {
		c := i % len(a)
		dx[i] = FMA32(maskGrad(dy, y, i, act), a[c], FMA32(x[i], b[c], k[c]))
	}
}

// BatchNormGrad computes the gradients of y = act(gain·(x - mean)/√(variance + eps) + bias), mean and variance being those of the
// batch, x and y [rows, C], everything else [C]. With inv = 1/√(variance + eps) and the sums of BatchNormGradSums
//
//	dbias = sum
//	dgain = dot·inv
//	dx    = gain·inv·(g - sum/rows - (x - mean)·inv²·dot/rows)
//
// (Ioffe, Szegedy: Batch normalization, ICML 2015, §3.)
func BatchNormGrad(dx, dgain, dbias, dy, x, y []float32, act Act, gain, mean, variance []float32, eps float32) {
	c := len(gain)
	BatchNormGradSums(dbias, dgain, dy, x, y, mean, act)
	a, b, k := make([]float32, c), make([]float32, c), make([]float32, c)
	for i := range gain {
		a[i], b[i], k[i], dgain[i] = BatchNormGradFactors(gain[i], mean[i], variance[i], eps, dbias[i], dgain[i], len(dx)/c)
	}
	BatchNormGradInput(dx, dy, x, y, a, b, k, act)
}

// BatchNormGradFactors returns the factors of BatchNormGradInput for one channel, and dgain.
func BatchNormGradFactors(gain, mean, variance, eps, sum, dot float32, rows int) (a, b, k, dgain float32) {
	inv := 1 / Sqrt(variance+eps)
	a = float32(gain * inv)
	b = Neg(float32(a * float32(float32(inv*inv)*float32(dot/float32(rows)))))
	k = FMA32(Neg(b), mean, Neg(float32(a*float32(sum/float32(rows)))))
	return a, b, k, float32(dot * inv)
}
