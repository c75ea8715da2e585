package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// Softmax returns the bits of ref.Softmax: the softmax of each row of c elements. dst may be src.
func Softmax(dst, src []float32, c int) {
	checkNorm("Softmax", dst, src, c)
	if besides(len(dst), c) {
		softmaxBeside(dst, src, c, false)
		return
	}
	var of [sideRows]float32
	for len(dst) > 0 {
		n := sideBySide(len(dst), c)
		maxElements(&of, n, src, c)
		for i := range n {
			mapRun(mapExpSub, dst[i*c:][:c], src[i*c:][:c], nil, nil, mapParams{of[i]})
		}
		var l [sideRows]eight
		for i := range n {
			addLanes(&l[i], dst[i*c:][:c])
		}
		for i := range n {
			mapRun(mapDivScalar, dst[i*c:][:c], dst[i*c:][:c], nil, nil, mapParams{ref.Join8(&l[i])})
		}
		dst, src = dst[n*c:], src[n*c:]
	}
}

// sideRows is how many rows take each step of a sum together: a CPU computes the next row's while it waits for the last addition of this one.
const sideRows = 16

// sideBySide returns how many of the rows of c elements that are left to treat at once, so that they stay in the first-level cache.
func sideBySide(left, c int) int { return max(1, min(left/c, sideRows, 4096/c)) }

// LogSoftmax returns the bits of ref.LogSoftmax: the logarithm of the softmax of each row of c elements. dst may be src.
func LogSoftmax(dst, src []float32, c int) {
	checkNorm("LogSoftmax", dst, src, c)
	if besides(len(dst), c) {
		softmaxBeside(dst, src, c, true)
		return
	}
	var e [patternLen]float32
	for ; len(dst) > 0; dst, src = dst[c:], src[c:] {
		x := src[:c]
		m := MaxElement(x)
		var l eight
		for i := 0; i < c; i += patternLen {
			j := min(i+patternLen, c)
			mapRun(mapExpSub, e[:j-i], x[i:j], nil, nil, mapParams{m})
			addLanes(&l, e[:j-i])
		}
		mapRun(mapSubSub, dst[:c], x, nil, nil, mapParams{m, ref.Log(ref.Join8(&l))})
	}
}

// Many short rows are transposed, so that a vector holds one element of each of several rows.
const (
	besideRows = 16  // at least
	besideLen  = 64  // elements of a row at most
	besideMost = 256 // rows at a time
)

func besides(n, c int) bool { return c <= besideLen && n >= besideRows*c }

// joinBeside adds up lanes of n sums each in the order of ref.Join8, in the first of them; only so many of them hold any.
func joinBeside(lane *[8][]float32, sums []float32, n, lanes int) {
	for _, p := range [...][2]int{{0, 4}, {2, 6}, {0, 2}, {1, 5}, {3, 7}, {1, 3}, {0, 1}} {
		if j, i := p[0], p[1]; i < lanes {
			to := sums[j*n:][:n]
			mapRun(mapAdd, to, lane[j], lane[i], nil, mapParams{})
			lane[j] = to
		}
	}
}

// besideScratch holds rows transposed, and what is made of them.
type besideScratch struct{ data [8192]float32 }

var besideScratches = poolOf[besideScratch]()

// softmaxBeside computes the softmax of short rows, or its logarithm. Sums are those of ref.Sum8: lanes that there are no elements for would add +0 to numbers
// that are not negative. In the greatest element a NaN may be missed, but the sum of its row is a NaN then, and so is all of the result.
func softmaxBeside(dst, src []float32, c int, log bool) {
	scratch := besideScratches.Get().(*besideScratch)
	most := min(besideMost, len(scratch.data)/(2*c+9)&^15)
	for len(dst) > 0 {
		n := min(most, len(dst)/c)
		data := scratch.data[:]
		take := func(floats int) []float32 {
			x := data[:floats:floats]
			data = data[floats:]
			return x
		}
		x, e, top, sums := take(c*n), take(c*n), take(n), take(8*n)
		plane := func(x []float32, j int) []float32 { return x[j*n:][:n] }

		transposeTile(x, n, src[:c*n], c, n, c)
		copy(top, x)
		for j := 1; j < c; j++ {
			mapRun(mapMax, top, top, plane(x, j), nil, mapParams{})
		}
		mapRun(mapAddScalar, top, top, nil, nil, mapParams{}) // -0 becomes +0
		for j := range c {
			mapRun(mapSub, plane(x, j), plane(x, j), top, nil, mapParams{})
		}
		mapRun(mapExp, e, x, nil, nil, mapParams{})
		lane := [8][]float32{}
		for j := range min(c, 8) {
			lane[j] = plane(e, j)
			for i := j + 8; i < c; i += 8 {
				mapRun(mapAdd, plane(sums, j), lane[j], plane(e, i), nil, mapParams{})
				lane[j] = plane(sums, j)
			}
		}
		joinBeside(&lane, sums, n, c)
		if log {
			mapRun(mapLog, plane(sums, 0), lane[0], nil, nil, mapParams{})
			for j := range c {
				mapRun(mapSub, plane(e, j), plane(x, j), plane(sums, 0), nil, mapParams{})
			}
		} else {
			copy(plane(sums, 0), lane[0])
			for j := range c {
				mapRun(mapDiv, plane(e, j), plane(e, j), plane(sums, 0), nil, mapParams{})
			}
		}
		transposeTile(dst[:c*n], c, e, n, c, n)
		dst, src = dst[c*n:], src[c*n:]
	}
	besideScratches.Put(scratch)
}
