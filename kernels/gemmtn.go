package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// Sums over positions have one operand for each position's outputs, the gradient, and one for its inputs, whose columns may come in parts: the
// taps of a window, each of which sees other pixels. Either operand gives the rows of the tiles, whichever fits them better: the products are the
// same. Tiles of one block of ref.GradBlock positions are computed from +0, then added up.

// tnProblem is a sum of products over positions: result[r][part·width+c] = Σ_p grad[p][r]·input[part][p][c], and the same for other groups.
type tnProblem struct {
	grad, input        *float32
	gradStep           int // bytes from position to position
	inputStep          int // bytes from position to position of a span
	outputs            int // floats of grad
	parts, width       int
	groups             int
	gradGroup, inGroup int // bytes from group to group
	window             *gradWindow
	positions          int
	dst                *float32 // [groups][outputs][parts·width] with rows ldd bytes apart, or, where swapped, [groups][parts·width][outputs]
	ldd, dstGroup      int      // bytes
	swap               bool     // the inputs give the rows
}

// gradWindow says which positions a part of the inputs has, and where; nil for all, one after the other.
type gradWindow struct {
	shape  Conv2D
	oh, ow int
	merged bool // parts are kernel rows, not taps
	w      int  // row length of the input in pixels
}

// tnWork is a worker's memory.
type tnWork struct {
	spans  []asm.GemmTNSpan
	ends   []int // of each part's spans
	ragged []asm.GemmTNSpan
	packed []float32
	tile   []float32
}

// tnWorkers returns memory for a team's workers; work is what there was.
func tnWorkers(work []tnWork, t *Team) []tnWork {
	for len(work) < t.Threads() {
		work = append(work, tnWork{})
	}
	return work
}

// tnTiles is the largest tile of an instruction set.
type tnTiles struct {
	isa          ISA
	height, wide int
}

func tnTilesInUse() tnTiles {
	isa := use[OpGemm]
	height, wide := gemmTNShape(isa)
	return tnTiles{isa, height, wide}
}

// next returns the height of the next tile where so many rows are left: the last ones share them.
func (k *tnTiles) next(rows int) int {
	tiles := (rows + k.height - 1) / k.height
	return (rows + tiles - 1) / tiles
}

// strip computes rows of a strip of columns.
func (k *tnTiles) strip(w *tnWork, x *asm.GemmTNArgs, c *float32, r0, r1 int) {
	y := *x
	if k.wide != x.Cols && !gemmTNMasks(k.isa) {
		w.pack(&y)
	}
	for r := r0; r < r1; r += y.Rows {
		y.Rows = k.next(r1 - r)
		y.A, y.C = add(x.A, 4*r), add(c, r*x.LDC)
		if y.Cols == x.Cols {
			gemmTNTile(k.isa, &y)
		} else {
			w.raggedTile(k.isa, &y, x.Cols)
		}
	}
}

// tnTask is a tnProblem being computed. A tile is some rows, columns and parts of all blocks of positions, or, where there are many blocks and few
// results, one block.
type tnTask struct {
	tnProblem
	tnTiles
	rows, strips  int // in a part: rows, and strips of columns
	perRow        int // rows of a task
	perStrip      int // strips of a task
	perPart       int // parts of a task
	nr, ns, np    int // tasks along rows, strips, parts
	blocks        int
	partial       []float32 // where blocks are tasks of their own: their results
	size          int       // floats of a partial result
	from          int       // first block of a wave
	adding        bool      // the task adds partial results
	work          []tnWork
	pieces, piece int // of the results, where they are added
}

var tnTasks = poolOf[tnTask]()

const (
	gradBlock    = ref.GradBlock
	tnSmall      = 1 << 16 // results that are few
	tnPiece      = 4096    // results that a task adds
	tnTaskRows   = 96
	tnTaskStrips = 64
)

// tnPartials returns how many partial results of that size are held for so many positions and threads, 0 if none.
func tnPartials(size, positions, threads int) int {
	blocks := (positions + gradBlock - 1) / gradBlock
	if size > tnSmall || blocks < 4*threads {
		return 0
	}
	return min(blocks, 8*threads)
}

// tnSwaps says whether to take the inputs for rows: where that leaves fewer lanes of the tiles without work.
func tnSwaps(outputs, parts, width int) bool {
	cost := func(rows, cols int) int {
		c := cols / 32 * 12
		switch r := cols % 32; {
		case r > 16:
			c += 12
		case r > 0:
			c += 7
		}
		return max(rows, 4) * c
	}
	return cost(width, outputs) < cost(outputs, width)
}

// run computes the problem. partial is memory for partial results, a multiple of the size of the results.
func (k *tnTask) run(t *Team, partial []float32) {
	k.tnTiles = tnTilesInUse()
	k.rows, k.strips = k.outputs, (k.width+k.wide-1)/k.wide
	if k.swap {
		k.rows, k.strips = k.width, (k.outputs+k.wide-1)/k.wide
	}
	k.blocks = (k.positions + gradBlock - 1) / gradBlock
	k.work = tnWorkers(k.work, t)
	k.size = k.groups * k.outputs * k.parts * k.width
	k.perRow, k.perStrip, k.perPart = k.rows, k.strips, k.parts
	k.nr, k.ns, k.np = 1, 1, 1
	if len(partial) >= 2*k.size {
		k.partial = partial
		wave := len(partial) / k.size
		k.pieces = (k.size + tnPiece - 1) / tnPiece
		for k.from = 0; k.from < k.blocks; k.from += wave {
			n := min(wave, k.blocks-k.from)
			k.adding = false
			t.Run(k, n*k.groups)
			k.adding, k.piece = true, n
			t.Run(k, k.pieces)
		}
	} else {
		k.split(t.Threads())
		t.Run(k, k.groups*k.nr*k.ns*k.np)
	}
	work := k.work
	*k = tnTask{work: work}
	tnTasks.Put(k)
}

// split cuts the results into tasks.
func (k *tnTask) split(threads int) {
	k.perRow = min(k.rows, (tnTaskRows+k.height-1)/k.height*k.height)
	k.perStrip = min(k.strips, tnTaskStrips)
	if k.parts > 1 {
		k.perStrip = 1
	}
	want := 1
	if threads > 1 {
		want = 6 * threads
	}
	for {
		k.nr, k.ns, k.np = (k.rows+k.perRow-1)/k.perRow, (k.strips+k.perStrip-1)/k.perStrip, (k.parts+k.perPart-1)/k.perPart
		switch {
		case k.groups*k.nr*k.ns*k.np >= want:
			return
		case k.perStrip > 1:
			k.perStrip = (k.perStrip + 1) / 2
		case k.perRow > 2*k.height:
			k.perRow = (k.perRow/2 + k.height - 1) / k.height * k.height
		case k.perPart > 1:
			k.perPart = (k.perPart + 1) / 2
		case k.perRow > k.height:
			k.perRow = k.height
		default:
			return
		}
	}
}

// Tile computes one task.
func (k *tnTask) Tile(i, worker int) {
	w := &k.work[worker]
	switch {
	case k.adding:
		k.add(i)
	case k.partial != nil:
		g := i % k.groups
		i /= k.groups
		to := &k.partial[i*k.size]
		k.block(w, k.from+i, g, add(to, 4*g*k.outputs*k.parts*k.width), 4*k.columns(), 0, k.rows, 0, k.strips, 0, k.parts, false)
	default:
		r := i % k.nr * k.perRow
		i /= k.nr
		p := i % k.np * k.perPart
		i /= k.np
		s := i % k.ns * k.perStrip
		g := i / k.ns
		for b := range k.blocks {
			k.block(w, b, g, add(k.dst, g*k.dstGroup), k.ldd, r, min(k.rows, r+k.perRow), s, min(k.strips, s+k.perStrip), p, min(k.parts, p+k.perPart), b > 0)
		}
	}
}

// columns returns the floats of a row of results.
func (k *tnTask) columns() int {
	if k.swap {
		return k.outputs
	}
	return k.parts * k.width
}

// add adds a piece of the partial results of a wave, in order.
func (k *tnTask) add(i int) {
	cols := k.columns()
	for at, end := i*tnPiece, min(k.size, (i+1)*tnPiece); at < end; {
		row, col := at/cols, at%cols
		n := min(cols-col, end-at)
		per := k.size / k.groups / cols
		dst := unsafe.Slice(add(k.dst, row/per*k.dstGroup+row%per*k.ldd+4*col), n)
		for b := range k.piece {
			part := k.partial[b*k.size+at:][:n]
			if k.from+b == 0 {
				copy(dst, part)
			} else {
				mapRun(mapAdd, dst, dst, part, nil, mapParams{})
			}
		}
		at += n
	}
}

// block computes the results of a block of positions in some rows, strips and parts.
func (k *tnTask) block(w *tnWork, block, g int, c *float32, ldc, r0, r1, s0, s1, p0, p1 int, adding bool) {
	from, to := block*gradBlock, min(k.positions, (block+1)*gradBlock)
	w.spans, w.ends = w.spans[:0], w.ends[:0]
	for p := p0; p < p1; p++ {
		w.spans = k.spans(w.spans, p, from, to)
		w.ends = append(w.ends, len(w.spans))
	}
	x := asm.GemmTNArgs{LDC: ldc}
	if adding {
		x.Add = 1
	}
	grad, input := add(k.grad, g*k.gradGroup), add(k.input, g*k.inGroup)
	part := func(p int) {
		first := 0
		if p > p0 {
			first = w.ends[p-p0-1]
		}
		x.Count = w.ends[p-p0] - first
		x.Spans = nil
		if x.Count > 0 {
			x.Spans = &w.spans[first]
		}
	}
	if k.swap {
		x.A, x.LDA, x.LDB = input, k.inputStep, k.gradStep
		for p := p0; p < p1; p++ {
			part(p)
			for s := s0; s < s1; s++ {
				x.B, x.Cols = add(grad, 4*k.wide*s), min(k.wide, k.outputs-k.wide*s)
				k.strip(w, &x, add(c, p*k.width*ldc+4*k.wide*s), r0, r1)
			}
		}
		return
	}
	x.A, x.LDA, x.LDB = grad, k.gradStep, k.inputStep
	for s := s0; s < s1; s++ {
		x.B, x.Cols = add(input, 4*k.wide*s), min(k.wide, k.width-k.wide*s)
		if p1-p0 == 1 || x.Cols < k.wide {
			for p := p0; p < p1; p++ {
				part(p)
				k.strip(w, &x, add(c, 4*(p*k.width+k.wide*s)), r0, r1)
			}
			continue
		}
		for r := r0; r < r1; {
			n := k.next(r1 - r)
			for p := p0; p < p1; p++ {
				part(p)
				k.strip(w, &x, add(c, 4*(p*k.width+k.wide*s)), r, r+n)
			}
			r += n
		}
	}
}

// pack copies the columns of B, fewer than a tile has, to rows of 16.
func (w *tnWork) pack(x *asm.GemmTNArgs) {
	w.ragged = w.ragged[:0]
	n := 0
	for _, s := range unsafe.Slice(x.Spans, x.Count) {
		w.ragged = append(w.ragged, asm.GemmTNSpan{A: s.A, B: 4 * panel * n, N: s.N})
		n += s.N
	}
	if len(w.packed) < n*panel {
		w.packed = aligned(max(n, gradBlock) * panel)
	}
	out := w.packed
	for _, s := range unsafe.Slice(x.Spans, x.Count) {
		for i := range s.N {
			copy(out[:panel], unsafe.Slice(add(x.B, s.B+i*x.LDB), x.Cols))
			out = out[panel:]
		}
	}
	x.Spans, x.Cols, x.LDB = ptr(w.ragged), panel, 4*panel
	if len(w.packed) > 0 {
		x.B = &w.packed[0]
	}
}

// raggedTile computes a tile of 16 columns and keeps the first of them.
func (w *tnWork) raggedTile(isa ISA, x *asm.GemmTNArgs, cols int) {
	if len(w.tile) == 0 {
		w.tile = aligned(maxRows * panel)
	}
	y := *x
	y.C, y.LDC = &w.tile[0], 4*panel
	if x.Load|x.Add != 0 {
		for r := range x.Rows {
			copy(w.tile[r*panel:], unsafe.Slice(add(x.C, r*x.LDC), cols))
		}
	}
	gemmTNTile(isa, &y)
	for r := range x.Rows {
		copy(unsafe.Slice(add(x.C, r*x.LDC), cols), w.tile[r*panel:])
	}
}

// spans appends the positions from from to to that a part has.
func (k *tnTask) spans(list []asm.GemmTNSpan, part, from, to int) []asm.GemmTNSpan {
	put := func(a, b, n int) {
		if k.swap {
			a, b = b, a
		}
		list = append(list, asm.GemmTNSpan{A: a, B: b, N: n})
	}
	win := k.window
	if win == nil {
		put(from*k.gradStep, from*k.inputStep, to-from)
		return list
	}
	s := &win.shape
	i, j := part/s.KW, part%s.KW
	lo, hi := 0, win.ow
	if win.merged {
		i, j = part, 0
	} else {
		if left := s.PL - j*s.DW; left > 0 {
			lo = min((left+s.SW-1)/s.SW, win.ow)
		}
		hi = max(lo, min(win.ow, (s.W-1+s.PL-j*s.DW+s.SW)/s.SW))
		if s.W-1+s.PL-j*s.DW < 0 {
			hi = lo
		}
	}
	pixel := 4 * s.C
	lastA, lastB, lastN := 0, 0, 0 // the span that may still grow
	for row := from / win.ow; row*win.ow < to; row++ {
		n, y := row/win.oh, row%win.oh
		iy := y*s.SH + i*s.DH - s.PT
		if iy < 0 || iy >= s.H {
			continue
		}
		x0, x1 := max(lo, from-row*win.ow), min(hi, to-row*win.ow)
		if x0 >= x1 {
			continue
		}
		ix := x0 * s.SW
		if !win.merged {
			ix += j*s.DW - s.PL
		}
		a, b := (row*win.ow+x0)*k.gradStep, ((n*s.H+iy)*win.w+ix)*pixel
		if lastN > 0 && lastA+lastN*k.gradStep == a && lastB+lastN*k.inputStep == b {
			lastN += x1 - x0
			continue
		}
		if lastN > 0 {
			put(lastA, lastB, lastN)
		}
		lastA, lastB, lastN = a, b, x1-x0
	}
	if lastN > 0 {
		put(lastA, lastB, lastN)
	}
	return list
}

// GemmTN computes dst[i,j] = Σ_k a[k,i]·b[k,j], k ascending in blocks: the gradient of weights [m,n] from gradients of k outputs and the inputs to
// them. It returns the bits of ref.GemmTN.
//
// a is [k,m] with row stride lda, b is [k,n] with row stride ldb, dst is [m,n] with row stride ldd; scratch has GemmTNScratch floats, or none: then
// threads may wait for one another longer. Nothing overlaps.
func GemmTN(t *Team, dst []float32, ldd int, a []float32, lda int, b []float32, ldb int, m, n, k int, scratch []float32) {
	if m < 0 || n < 0 || k < 0 {
		panic("kernels: GemmTN: bad m, n or k")
	}
	if m == 0 || n == 0 {
		return
	}
	if ldd < n || !holds(len(dst), m, ldd, n) {
		panic("kernels: GemmTN: dst too short")
	}
	out := dst[:(m-1)*ldd+n]
	if k == 0 {
		for i := range m {
			clear(out[i*ldd:][:n])
		}
		return
	}
	if lda < m || !holds(len(a), k, lda, m) {
		panic("kernels: GemmTN: a too short")
	}
	if ldb < n || !holds(len(b), k, ldb, n) {
		panic("kernels: GemmTN: b too short")
	}
	if !disjoint(out, a[:(k-1)*lda+m]) || !disjoint(out, b[:(k-1)*ldb+n]) {
		panic("kernels: GemmTN: dst overlaps a or b")
	}
	need := GemmTNScratch(t.Threads(), m, n, k)
	if len(scratch) < need {
		scratch = nil
	} else {
		scratch = scratch[:need]
	}
	if !disjoint(scratch, out) || !disjoint(scratch, a[:(k-1)*lda+m]) || !disjoint(scratch, b[:(k-1)*ldb+n]) {
		panic("kernels: GemmTN: scratch overlaps dst, a or b")
	}
	task := tnTasks.Get().(*tnTask)
	task.tnProblem = tnProblem{
		grad: &a[0], input: &b[0], gradStep: 4 * lda, inputStep: 4 * ldb, outputs: m, parts: 1, width: n, groups: 1, positions: k,
		dst: &dst[0], ldd: 4 * ldd,
	}
	task.run(t, scratch)
}

// GemmTNScratch returns how many floats of scratch memory GemmTN makes use of.
func GemmTNScratch(threads, m, n, k int) int { return m * n * tnPartials(m*n, k, threads) }

// gemmTNTileGeneric is gemmTNTile in plain Go.
func gemmTNTileGeneric(x *asm.GemmTNArgs) {
	var sum [panel]float32
	for r := range x.Rows {
		c := unsafe.Slice(add(x.C, r*x.LDC), x.Cols)
		acc := sum[:x.Cols]
		clear(acc)
		if x.Load != 0 {
			copy(acc, c)
		}
		for _, s := range unsafe.Slice(x.Spans, x.Count) {
			for p := range s.N {
				a := *add(x.A, s.A+p*x.LDA+4*r)
				for j, b := range unsafe.Slice(add(x.B, s.B+p*x.LDB), x.Cols) {
					acc[j] = ref.FMA32(a, b, acc[j])
				}
			}
		}
		for j, v := range acc {
			if x.Add != 0 {
				v += c[j]
			}
			c[j] = v
		}
	}
}
