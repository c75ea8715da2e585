package kernels

import (
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// transposeSide is the side of the square that one tile transposes: source and destination stay in the first-level cache.
const transposeSide = 64

// transposeTask is a batch of equal transposes. Tiles are pieces of each.
type transposeTask struct {
	dst, src   []float32
	ldd, lds   int
	rows, cols int
	batch      int // floats between one matrix and the next
	tall, long int // rows and columns of a tile
	high, wide int // tiles in each matrix
}

var transposeTasks = poolOf[transposeTask]()

// Transpose computes dst[j,i] = src[i,j] for i < rows, j < cols. It returns the bits of ref.Transpose.
//
// src is [rows,cols] with row stride lds, dst is [cols,rows] with row stride ldd; they do not overlap.
func Transpose(t *Team, dst []float32, ldd int, src []float32, lds int, rows, cols int) {
	if rows < 0 || cols < 0 {
		panic("kernels: Transpose: bad rows or cols")
	}
	if rows == 0 || cols == 0 {
		return
	}
	if lds < cols || !holds(len(src), rows, lds, cols) {
		panic("kernels: Transpose: src too short")
	}
	if ldd < rows || !holds(len(dst), cols, ldd, rows) {
		panic("kernels: Transpose: dst too short")
	}
	transpose("Transpose", t, dst[:(cols-1)*ldd+rows], ldd, src[:(rows-1)*lds+cols], lds, rows, cols, 1, 0)
}

// NHWCToNCHW computes dst[n,c,p] = src[n,p,c]: n pictures of p = H·W positions and c channels, contiguous, not overlapping.
func NHWCToNCHW(t *Team, dst, src []float32, n, p, c int) {
	if n < 0 || p < 0 || c < 0 {
		panic("kernels: NHWCToNCHW: bad n, p or c")
	}
	if !addressable(n, p, c) || len(src) < n*p*c {
		panic("kernels: NHWCToNCHW: src too short")
	}
	if len(dst) < n*p*c {
		panic("kernels: NHWCToNCHW: dst too short")
	}
	transpose("NHWCToNCHW", t, dst[:n*p*c], p, src[:n*p*c], c, p, c, n, p*c)
}

// NCHWToNHWC computes dst[n,p,c] = src[n,c,p]: n pictures of c channels and p = H·W positions, contiguous, not overlapping.
func NCHWToNHWC(t *Team, dst, src []float32, n, c, p int) {
	if n < 0 || p < 0 || c < 0 {
		panic("kernels: NCHWToNHWC: bad n, c or p")
	}
	if !addressable(n, p, c) || len(src) < n*p*c {
		panic("kernels: NCHWToNHWC: src too short")
	}
	if len(dst) < n*p*c {
		panic("kernels: NCHWToNHWC: dst too short")
	}
	transpose("NCHWToNHWC", t, dst[:n*p*c], c, src[:n*p*c], p, c, p, n, p*c)
}

func transpose(name string, t *Team, dst []float32, ldd int, src []float32, lds, rows, cols, n, batch int) {
	if len(dst) == 0 {
		return
	}
	if !disjoint(dst, src) {
		panic("kernels: " + name + ": dst overlaps src")
	}
	k := transposeTasks.Get().(*transposeTask)
	// The last tile of an axis takes what is left over, so that it holds whole blocks.
	// Long rows of dst are written in longer runs. A narrow matrix is cut into longer pieces of the same size.
	tall, long := transposeSide, transposeSide
	if ldd >= lds {
		tall, long = 2*tall, long/2
	}
	tall, long = tall*max(1, long/cols), long*max(1, tall/rows)
	*k = transposeTask{dst, src, ldd, lds, rows, cols, batch, tall, long, max(1, rows/tall), max(1, cols/long)}
	t.Run(k, n*k.high*k.wide)
	k.dst, k.src = nil, nil
	transposeTasks.Put(k)
}

// Tile transposes one piece.
func (k *transposeTask) Tile(i, _ int) {
	x := i % k.wide
	i /= k.wide
	y, n := i%k.high, i/k.high
	r0, r1, c0, c1 := y*k.tall, (y+1)*k.tall, x*k.long, (x+1)*k.long
	if y == k.high-1 {
		r1 = k.rows
	}
	if x == k.wide-1 {
		c1 = k.cols
	}
	dst, src := k.dst[n*k.batch+c0*k.ldd+r0:], k.src[n*k.batch+r0*k.lds+c0:]
	transposeTile(dst, k.ldd, src, k.lds, r1-r0, c1-c0)
}

func transposeGo(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	for j := range cols {
		d := dst[j*ldd:][:rows]
		for i := range d {
			d[i] = src[i*lds+j]
		}
	}
}

// inBlocks calls block for pieces that cover rows x cols in blocks of high x wide; the last of an axis overlaps the one before where
// the axis is no multiple. A piece of n blocks, dstStep and srcStep floats apart, runs along the axis that is contiguous in the matrix with
// the longer rows.
func inBlocks(rows, cols, high, wide, ldd, lds int, block func(i, j, n, dstStep, srcStep int)) {
	if ldd >= lds {
		for j := 0; j < cols; j += wide {
			j := min(j, cols-wide)
			block(0, j, rows/high, high, high*lds)
			if rows%high != 0 {
				block(rows-high, j, 1, 0, 0)
			}
		}
		return
	}
	for i := 0; i < rows; i += high {
		i := min(i, rows-high)
		block(i, 0, cols/wide, wide*ldd, wide)
		if cols%wide != 0 {
			block(i, cols-wide, 1, 0, 0)
		}
	}
}

// checkTranspose compares the kernels of the family with ref.
func checkTranspose() bool {
	var src, dst, want [27 * 19]float32
	for i := range src {
		src[i] = float32(i)
	}
	for _, s := range [...][2]int{{27, 19}, {19, 27}, {27, 9}, {9, 27}, {27, 3}, {3, 27}, {27, 2}, {2, 27}} {
		Transpose(nil, dst[:], s[0], src[:], s[1], s[0], s[1])
		ref.Transpose(want[:], s[0], src[:], s[1], s[0], s[1])
		if dst != want {
			return false
		}
	}
	return true
}

// Join2 computes dst[2i] = a[i], dst[2i+1] = b[i], as a channel shuffle of two groups does at each position. It returns the bits of
// ref.Join2. dst has twice the length of a and b, and overlaps neither.
func Join2(dst, a, b []float32) {
	if len(a) != len(b) {
		panic("kernels: Join2: a and b differ in length")
	}
	if len(dst) != 2*len(a) {
		panic("kernels: Join2: dst is not twice as long")
	}
	if !disjoint(dst, a) || !disjoint(dst, b) {
		panic("kernels: Join2: dst overlaps a or b")
	}
	for len(a) > mapChunk {
		join2Tile(dst[:2*mapChunk], a[:mapChunk], b[:mapChunk])
		dst, a, b = dst[2*mapChunk:], a[mapChunk:], b[mapChunk:]
	}
	if len(a) < 8 {
		join2Go(dst, a, b)
		return
	}
	join2Tile(dst, a, b)
}

func join2Go(dst, a, b []float32) {
	for i, v := range a {
		dst[2*i], dst[2*i+1] = v, b[i]
	}
}

// Split2 computes a[i] = src[2i], b[i] = src[2i+1], the reverse of Join2. It returns the bits of ref.Split2. Src has twice the length of a and b, and
// overlaps neither; nor do they overlap.
func Split2(a, b, src []float32) {
	if len(a) != len(b) {
		panic("kernels: Split2: a and b differ in length")
	}
	if len(src) != 2*len(a) {
		panic("kernels: Split2: src is not twice as long")
	}
	if !disjoint(src, a) || !disjoint(src, b) || !disjoint(a, b) {
		panic("kernels: Split2: a, b or src overlap")
	}
	for len(a) > mapChunk {
		split2Tile(a[:mapChunk], b[:mapChunk], src[:2*mapChunk])
		a, b, src = a[mapChunk:], b[mapChunk:], src[2*mapChunk:]
	}
	if len(a) < 8 {
		split2Go(a, b, src)
		return
	}
	split2Tile(a, b, src)
}

func split2Go(a, b, src []float32) {
	for i := range a {
		a[i], b[i] = src[2*i], src[2*i+1]
	}
}
