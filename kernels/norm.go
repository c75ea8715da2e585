package kernels

import (
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// eight is eight partial sums.
type eight = [8]float32

// addLanes adds x to the partial sums, lane i&7 taking x[i].
func addLanes(l *eight, x []float32) {
	n := len(x) &^ 7
	for i := 0; i < n; i += mapChunk {
		lanesSum(l, x[i:min(i+mapChunk, n)])
	}
	for i, v := range x[n:] {
		l[i] += v
	}
}

func dotLanes(l *eight, x, y []float32) {
	n := len(x) &^ 7
	for i := 0; i < n; i += mapChunk {
		j := min(i+mapChunk, n)
		lanesDot(l, x[i:j], y[i:j])
	}
	for i, v := range x[n:] {
		l[i] = ref.FMA32(v, y[n+i], l[i])
	}
}

func squareDiffLanes(l *eight, x []float32, m float32) {
	n := len(x) &^ 7
	for i := 0; i < n; i += mapChunk {
		lanesSquareDiff(l, x[i:min(i+mapChunk, n)], m)
	}
	for i, v := range x[n:] {
		d := v - m
		l[i] = ref.FMA32(d, d, l[i])
	}
}

// Sum returns the sum of x in the order of ref.Sum8.
func Sum(x []float32) float32 {
	var l eight
	addLanes(&l, x)
	return ref.Join8(&l)
}

// Dot returns Σ x·y in the order of ref.Dot8.
func Dot(x, y []float32) float32 {
	if len(x) != len(y) {
		panic("kernels: Dot: x and y differ in length")
	}
	var l eight
	dotLanes(&l, x, y)
	return ref.Join8(&l)
}

// MaxElement returns the bits of ref.MaxElement: the greatest element of x; a NaN if there is one; -Inf for no elements.
func MaxElement(x []float32) float32 {
	var s maxLanes
	s.start()
	return s.of(x)
}

// maxLanes is eight greatest elements, and eight lanes for a NaN.
type maxLanes [16]float32

func (s *maxLanes) start() {
	for i := range 8 {
		s[i] = -posInf
	}
}

// of returns the greatest element.
func (s *maxLanes) of(x []float32) float32 {
	n := len(x) &^ 7
	for i := 0; i < n; i += mapChunk {
		lanesMax((*[16]float32)(s), x[i:min(i+mapChunk, n)])
	}
	// The built-in max keeps a NaN and takes no branch.
	m := max(max(max(s[0], s[4]), max(s[2], s[6])), max(max(s[1], s[5]), max(s[3], s[7])))
	m += (s[8] + s[12]) + (s[10] + s[14]) + ((s[9] + s[13]) + (s[11] + s[15]))
	for _, v := range x[n:] {
		m = max(m, v)
	}
	return m + 0
}

// maxElements computes the greatest elements of n rows of c.
func maxElements(of *[sideRows]float32, n int, x []float32, c int) {
	var s [sideRows]maxLanes
	for i := range n {
		s[i].start()
	}
	for i := range n {
		of[i] = s[i].of(x[i*c:][:c])
	}
}

// ArgMax returns the index of the first of the greatest elements of x, or of the first NaN if there is one.
func ArgMax(x []float32) int {
	if len(x) == 0 {
		panic("kernels: ArgMax: x is empty")
	}
	if len(x) < 16 || len(x) > math.MaxInt32 {
		return ref.ArgMax(x)
	}
	// Eight each: greatest, lanes for a NaN, their indices, indices of the next block.
	var s [32]float32
	for i := range 8 {
		s[i] = -posInf
		s[16+i] = math.Float32frombits(uint32(i))
		s[24+i] = s[16+i]
	}
	n := len(x) &^ 7
	for i := 0; i < n; i += mapChunk {
		lanesArgMax(&s, x[i:min(i+mapChunk, n)])
	}
	best, at := -posInf, 0
	for i := range 8 {
		if s[8+i] != s[8+i] {
			return ref.ArgMax(x)
		}
		if j := int(math.Float32bits(s[16+i])); s[i] > best || s[i] == best && j < at {
			best, at = s[i], j
		}
	}
	for i, v := range x[n:] {
		if v != v {
			return n + i
		}
		if v > best {
			best, at = v, n+i
		}
	}
	return at
}

func checkNorm(name string, dst, src []float32, c int) {
	if len(src) != len(dst) {
		panic("kernels: " + name + ": dst and src differ in length")
	}
	if c <= 0 || len(dst)%c != 0 {
		panic("kernels: " + name + ": dst is not made of rows of c elements")
	}
	if !apart(dst, src) {
		panic("kernels: " + name + ": dst overlaps src")
	}
}

// L2Normalize returns the bits of ref.L2Normalize: each row of c elements divided by its length, or 0 where that is 0. dst may be src.
func L2Normalize(dst, src []float32, c int) {
	checkNorm("L2Normalize", dst, src, c)
	for ; len(dst) > 0; dst, src = dst[c:], src[c:] {
		x := src[:c]
		if length := ref.Sqrt(Dot(x, x)); length != 0 {
			mapRun(mapDivScalar, dst[:c], x, nil, nil, mapParams{length})
		} else {
			clear(dst[:c])
		}
	}
}

// MeanVar returns the bits of ref.MeanVar: the mean of x and the mean square distance from it.
func MeanVar(x []float32) (mean, variance float32) {
	n := float32(len(x))
	mean = Sum(x) / n
	var l eight
	squareDiffLanes(&l, x, mean)
	return mean, ref.Join8(&l) / n
}

// LayerNorm returns the bits of ref.LayerNorm: each row of len(gain) elements less its mean, over its standard deviation, times gain plus bias.
// dst may be src.
func LayerNorm(dst, src, gain, bias []float32, eps float32) {
	checkNorm("LayerNorm", dst, src, len(gain))
	if len(bias) != len(gain) {
		panic("kernels: LayerNorm: gain and bias differ in length")
	}
	if !disjoint(dst, gain) || !disjoint(dst, bias) {
		panic("kernels: LayerNorm: dst overlaps gain or bias")
	}
	c := len(gain)
	if besides(len(dst), c) {
		layerNormBeside(dst, src, gain, bias, eps)
		return
	}
	for len(dst) > 0 {
		n := sideBySide(len(dst), c)
		var sum, square [sideRows]eight
		var mean [sideRows]float32
		for i := range n {
			addLanes(&sum[i], src[i*c:][:c])
		}
		for i := range n {
			mean[i] = ref.Join8(&sum[i]) / float32(c)
			squareDiffLanes(&square[i], src[i*c:][:c], mean[i])
		}
		for i := range n {
			variance := ref.Join8(&square[i]) / float32(c)
			mapRun(mapNormalize, dst[i*c:][:c], src[i*c:][:c], gain, bias, mapParams{mean[i], 1 / ref.Sqrt(variance+eps)})
		}
		dst, src = dst[n*c:], src[n*c:]
	}
}

// layerNormBeside is LayerNorm of short rows, whose sums are made in vectors that hold one element of each of several rows.
func layerNormBeside(dst, src, gain, bias []float32, eps float32) {
	c := len(gain)
	scratch := besideScratches.Get().(*besideScratch)
	most := min(besideMost, len(scratch.data)/(c+10)&^15)
	for len(dst) > 0 {
		n := min(most, len(dst)/c)
		x, sums, mean, inverse := scratch.data[:c*n], scratch.data[c*n:][:8*n], scratch.data[(c+8)*n:][:n], scratch.data[(c+9)*n:][:n]
		transposeTile(x, n, src[:c*n], c, n, c)
		// Means, and then mean square distances from them.
		for pass, op := range [...]columnOp{columnSum, columnSquareDiff} {
			clear(sums)
			var lane [8][]float32
			for j := range min(c, 8) {
				lane[j] = sums[j*n:][:n]
				columnCall(op, lane[j], nil, x[j*n:], nil, nil, mean, 8*n, (c-j+7)/8, mapParams{})
			}
			joinBeside(&lane, sums, n, c)
			mapRun(mapDivScalar, [...][]float32{mean, inverse}[pass], lane[0], nil, nil, mapParams{float32(c)})
		}
		mapRun(mapAddScalar, inverse, inverse, nil, nil, mapParams{eps})
		mapRun(mapSqrt, inverse, inverse, nil, nil, mapParams{})
		mapRun(mapScalarDiv, inverse, inverse, nil, nil, mapParams{1})
		for i := range n {
			mapRun(mapNormalize, dst[i*c:][:c], src[i*c:][:c], gain, bias, mapParams{mean[i], inverse[i]})
		}
		dst, src = dst[c*n:], src[c*n:]
	}
	besideScratches.Put(scratch)
}

// The plain forms of the sums over lanes, for len(x) a multiple of 8.

func plainLanesSum(l *eight, x []float32) {
	for i, v := range x {
		l[i&7] += v
	}
}

func plainLanesDot(l *eight, x, y []float32) {
	for i, v := range x {
		l[i&7] = ref.FMA32(v, y[i], l[i&7])
	}
}

func plainLanesSquareDiff(l *eight, x []float32, m float32) {
	for i, v := range x {
		d := v - m
		l[i&7] = ref.FMA32(d, d, l[i&7])
	}
}

func plainLanesMax(s *[16]float32, x []float32) {
	for i, v := range x {
		s[i&7] = ref.Max(v, s[i&7])
		if v != v {
			s[8+i&7] = v
		}
	}
}

func plainLanesArgMax(s *[32]float32, x []float32) {
	for i, v := range x {
		l := i & 7
		if v > s[l] {
			s[l], s[16+l] = v, s[24+l]
		}
		if v != v {
			s[8+l] = v
		}
		s[24+l] = math.Float32frombits(math.Float32bits(s[24+l]) + 8)
	}
}

// checkNorms compares every sum over lanes with plain Go on a small vector.
func checkNorms() bool {
	var x, y [24]float32
	for i := range x {
		x[i] = float32(float32(i*7%24)*0.3) - 2
		y[i] = float32(float32(i*5%24)*0.7) - 3
	}
	for range 2 {
		var a, b eight
		lanesSum(&a, x[:])
		plainLanesSum(&b, x[:])
		lanesDot(&a, x[:], y[:])
		plainLanesDot(&b, x[:], y[:])
		lanesSquareDiff(&a, y[:], 0.3)
		plainLanesSquareDiff(&b, y[:], 0.3)
		var m, n [16]float32
		lanesMax(&m, x[:])
		plainLanesMax(&n, x[:])
		var p, q [32]float32
		lanesArgMax(&p, x[:])
		plainLanesArgMax(&q, x[:])
		if !sameBits(a[:], b[:]) || !sameBits(m[:], n[:]) || !sameBits(p[:], q[:]) {
			return false
		}
		x[9], x[20] = quietNaN, -posInf
	}
	return true
}
