package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// CrossEntropy is the negative log-likelihood of labels under the softmax of logits, with class weights and label smoothing.
type CrossEntropy = ref.CrossEntropy

func checkNormGrad(name string, dx, dy, z []float32, c int) {
	if len(dy) != len(dx) || len(z) != len(dx) {
		panic("kernels: " + name + ": dx, dy and the function's argument or result differ in length")
	}
	if c <= 0 || len(dx)%c != 0 {
		panic("kernels: " + name + ": dx is not made of rows of c elements")
	}
	if !apart(dx, dy) || !apart(dx, z) {
		panic("kernels: " + name + ": dx overlaps another argument")
	}
}

// SoftmaxGrad returns the bits of ref.SoftmaxGrad: the gradient of Softmax from its result y, by rows of c elements. dx may be dy or y.
func SoftmaxGrad(dx, dy, y []float32, c int) {
	checkNormGrad("SoftmaxGrad", dx, dy, y, c)
	for ; len(dx) > 0; dx, dy, y = dx[c:], dy[c:], y[c:] {
		mapRun(mapSubMul, dx[:c], dy[:c], y[:c], nil, mapParams{Dot(dy[:c], y[:c])})
	}
}

// LogSoftmaxGrad returns the bits of ref.LogSoftmaxGrad: the gradient of LogSoftmax from its result y, by rows of c elements. dx may be dy or y.
func LogSoftmaxGrad(dx, dy, y []float32, c int) {
	checkNormGrad("LogSoftmaxGrad", dx, dy, y, c)
	for ; len(dx) > 0; dx, dy, y = dx[c:], dy[c:], y[c:] {
		mapRun(mapAddScaledExp, dx[:c], dy[:c], y[:c], nil, mapParams{ref.Neg(Sum(dy[:c]))})
	}
}

// L2NormalizeGrad returns the bits of ref.L2NormalizeGrad: the gradient of L2Normalize at x, by rows of c elements. dx may be dy or x.
func L2NormalizeGrad(dx, dy, x []float32, c int, eps float32) {
	checkNormGrad("L2NormalizeGrad", dx, dy, x, c)
	for ; len(dx) > 0; dx, dy, x = dx[c:], dy[c:], x[c:] {
		s, l := ref.L2NormalizeGradFactors(Dot(x[:c], x[:c]), Dot(x[:c], dy[:c]), eps)
		mapRun(mapAddScaledDiv, dx[:c], dy[:c], x[:c], nil, mapParams{s, l})
	}
}

// LayerNormGrad returns the bits of ref.LayerNormGrad: the gradient of LayerNorm at x, by rows of len(gain) elements; those of gain and bias are added to
// dgain and dbias. dx may be dy or x.
func LayerNormGrad(dx, dgain, dbias, dy, x, gain []float32, eps float32) {
	c := len(gain)
	checkNormGrad("LayerNormGrad", dx, dy, x, c)
	if len(dgain) != c || len(dbias) != c {
		panic("kernels: LayerNormGrad: gain, dgain and dbias differ in length")
	}
	if !disjoint(dx, gain) || !outputApart(dgain, dx, dy, x, gain) || !outputApart(dbias, dx, dy, x, gain) || !disjoint(dgain, dbias) {
		panic("kernels: LayerNormGrad: dx, dgain or dbias overlaps another argument")
	}
	for ; len(dx) > 0; dx, dy, x = dx[c:], dy[c:], x[c:] {
		mean, variance := MeanVar(x[:c])
		inv := 1 / ref.Sqrt(variance+eps)
		a, b := layerNormSums(dy[:c], x[:c], gain, mean, inv)
		mapRun(mapAddNormalized, dgain, dgain, dy[:c], x[:c], mapParams{mean, inv})
		mapRun(mapAdd, dbias, dbias, dy[:c], nil, mapParams{})
		mapRun(mapLayerNormGrad, dx[:c], dy[:c], x[:c], gain, mapParams{mean, inv, a / float32(c), ref.Neg(b / float32(c))})
	}
}

// layerNormSums returns Σ dy·gain and Σ (dy·gain)·(x-mean)·inv across eight lanes.
func layerNormSums(dy, x, gain []float32, mean, inv float32) (a, b float32) {
	var s, t eight
	var g, h [patternLen]float32
	for i := 0; i < len(dy); i += patternLen {
		j := min(i+patternLen, len(dy))
		g, h := g[:j-i], h[:j-i]
		mapRun(mapMul, g, dy[i:j], gain[i:j], nil, mapParams{})
		mapRun(mapSubScalar, h, x[i:j], nil, nil, mapParams{mean})
		mapRun(mapMulScalar, h, h, nil, nil, mapParams{inv})
		addLanes(&s, g)
		dotLanes(&t, g, h)
	}
	return ref.Join8(&s), ref.Join8(&t)
}

// LRNGrad returns the bits of ref.LRNGrad: the gradient of LRN at x, for rows of c channels. dx overlaps no other argument.
func LRNGrad(dx, dy, x []float32, c, size int, alpha, beta, k float32) {
	checkNormGrad("LRNGrad", dx, dy, x, c)
	if size <= 0 {
		panic("kernels: LRNGrad: size is not positive")
	}
	if !disjoint(dx, dy) || !disjoint(dx, x) {
		panic("kernels: LRNGrad: dx overlaps another argument")
	}
	op, p := mapLRN75, mapParams{alpha / float32(size), k}
	if beta != 0.75 {
		op, p[2] = mapLRN, -beta
	}
	factor := mapParams{-2 * float32(p[0]*beta)}
	before := min((size-1)/2, c)
	after := min(size-1-(size-1)/2, c)
	for ; len(dx) > 0; dx, dy, x = dx[c:], dy[c:], x[c:] {
		for o := 0; o < c; o += lrnBlock {
			lrnGradBlock(dx[:c], dy[:c], x[:c], o, before, after, op, p, factor)
		}
	}
}

// lrnBlock is how many channels of dx are computed at a time.
const lrnBlock = 2 * patternLen

// lrnGradBlock computes dx[o:o+lrnBlock] of one row. The sums of u are shifted additions, windows of channels around the block included.
func lrnGradBlock(dx, dy, x []float32, o, before, after int, op mapOp, p, factor mapParams) {
	c := len(x)
	n := min(lrnBlock, c-o)
	dx = dx[o : o+n]
	clear(dx)
	// Channel j takes part in dx of the channels j-before .. j+after; its sum of squares goes over the same ones.
	var sq, u [patternLen]float32
	for first := max(0, o-after); first < min(c, o+n+before); first += patternLen {
		m := min(patternLen, min(c, o+n+before)-first)
		sq, u := sq[:m], u[:m]
		lrnSquares(sq, x, first, before, after)
		mapRun(op, u, dy[first:first+m], sq, nil, p)
		mapRun(mapLRNShare, u, x[first:first+m], u, sq, p)
		// dx of channel i takes in u of i+d, d ascending.
		for d := -after; d <= before; d++ {
			lo, hi := max(o, first-d), min(o+n, first+m-d)
			if lo < hi {
				mapRun(mapAdd, dx[lo-o:hi-o], dx[lo-o:hi-o], u[lo+d-first:hi+d-first], nil, mapParams{})
			}
		}
	}
	var q [patternLen]float32
	for i := 0; i < n; i += patternLen {
		m := min(patternLen, n-i)
		at := o + i
		lrnSquares(sq[:m], x, at, before, after)
		mapRun(op, q[:m], dy[at:at+m], sq[:m], nil, p)
		mapRun(mapAddScaledProduct, dx[i:i+m], q[:m], x[at:at+m], dx[i:i+m], factor)
	}
}

// lrnSquares computes the sums of squares of the channels first, first+1, ... of a row.
func lrnSquares(sums, x []float32, first, before, after int) {
	c := len(x)
	clear(sums)
	for d := max(-before, 1-c); d < min(after+1, c); d++ {
		lo, hi := max(0, -(first+d)), min(len(sums), c-(first+d))
		if lo < hi {
			mapRun(mapAddSquare, sums[lo:hi], sums[lo:hi], x[first+d+lo:first+d+hi], nil, mapParams{})
		}
	}
}

// crossEntropyTask is losses being computed; its tiles are blocks of rows.
type crossEntropyTask struct {
	e           *CrossEntropy
	loss, dx, x []float32
	labels      []int32
	scale       float32
	total       float32 // of the weights
	block       int     // rows
}

var crossEntropyTasks = poolOf[crossEntropyTask]()

// SoftmaxCrossEntropy computes for each row of e.Classes logits of x the loss of its label and the gradient dx of scale times it: the bits of ref.CrossEntropy.Run. dx may be x.
// The labels are from 0 to Classes-1, or e.Ignore. x and dx are [rows, Classes], labels and loss [rows].
func SoftmaxCrossEntropy(t *Team, loss, dx, x []float32, labels []int32, e *CrossEntropy, scale float32) {
	c := e.Classes
	switch {
	case c < 1:
		panic("kernels: SoftmaxCrossEntropy: Classes is not positive")
	case e.Weight != nil && len(e.Weight) != c:
		panic("kernels: SoftmaxCrossEntropy: Weight has not one element for each class")
	case len(x) != c*len(labels) || len(dx) != len(x) || len(loss) != len(labels):
		panic("kernels: SoftmaxCrossEntropy: loss, dx, x and labels differ in rows")
	case !apart(dx, x) || !disjoint(dx, loss) || !disjoint(x, loss) || !disjoint(dx, e.Weight) || !disjoint(loss, e.Weight):
		panic("kernels: SoftmaxCrossEntropy: loss or dx overlaps another argument")
	}
	for _, l := range labels {
		if (l < 0 || int(l) >= c) && l != e.Ignore {
			panic("kernels: SoftmaxCrossEntropy: label out of range")
		}
	}
	k := crossEntropyTasks.Get().(*crossEntropyTask)
	*k = crossEntropyTask{e, loss, dx, x, labels, scale, e.Total(), max(1, 1<<13/c)}
	t.Run(k, (len(labels)+k.block-1)/k.block)
	*k = crossEntropyTask{}
	crossEntropyTasks.Put(k)
}

// Tile computes a block of rows.
func (k *crossEntropyTask) Tile(i, _ int) {
	e, c := k.e, k.e.Classes
	for i, end := i*k.block, min((i+1)*k.block, len(k.labels)); i < end; i++ {
		l := k.labels[i]
		dx, x := k.dx[i*c:(i+1)*c], k.x[i*c:(i+1)*c]
		if l == e.Ignore {
			k.loss[i] = 0
			clear(dx)
			continue
		}
		own, each, sum := e.Factors(l, k.total)
		m := MaxElement(x)
		at := x[l] - m
		var s, all float32
		if e.Smoothing == 0 {
			s = k.exp(dx, x, m)
		} else {
			s, all = k.smooth(dx, x, m)
		}
		n := ref.Log(s)
		loss := float32(own * float32(n-at))
		if e.Smoothing != 0 {
			loss = ref.FMA32(all, -each, loss)
		}
		k.loss[i] = loss
		mapRun(mapMulScalar, dx, dx, nil, nil, mapParams{float32(k.scale*sum) / s})
		if e.Smoothing != 0 {
			f := -float32(k.scale * each)
			if e.Weight != nil {
				mapRun(mapAddScaled, dx, dx, e.Weight, nil, mapParams{f})
			} else {
				mapRun(mapAddScalar, dx, dx, nil, nil, mapParams{f})
			}
		}
		dx[l] -= float32(k.scale * own)
	}
}

// exp computes dst = Exp(x - m) and returns its sum.
func (k *crossEntropyTask) exp(dst, x []float32, m float32) float32 {
	mapRun(mapExpSub, dst, x, nil, nil, mapParams{m})
	return Sum(dst)
}

// smooth is exp that returns Σ log p too, weighted.
func (k *crossEntropyTask) smooth(dst, x []float32, m float32) (s, all float32) {
	var e [patternLen]float32
	var l eight
	for i := 0; i < len(x); i += patternLen {
		j := min(i+patternLen, len(x))
		mapRun(mapExpSub, e[:j-i], x[i:j], nil, nil, mapParams{m})
		addLanes(&l, e[:j-i])
	}
	s = ref.Join8(&l)
	n := ref.Log(s)
	l = eight{}
	for i := 0; i < len(x); i += patternLen {
		j := min(i+patternLen, len(x))
		mapRun(mapSubSub, e[:j-i], x[i:j], nil, nil, mapParams{m, n})
		if k.e.Weight != nil {
			dotLanes(&l, e[:j-i], k.e.Weight[i:j])
		} else {
			addLanes(&l, e[:j-i])
		}
	}
	mapRun(mapExpSub, dst, x, nil, nil, mapParams{m})
	return s, ref.Join8(&l)
}
