package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

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
