package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// Winograd is a 3x3 or 5x5 convolution by Winograd's minimal filtering (Lavin, Gray: Fast algorithms for convolutional neural networks,
// CVPR 2016) planned for one shape. It does not change, and may be shared.
//
// The output is cut into tiles of m x m. The n·n elements (n = m+2 or m+4) of the transformed inputs of some tiles make n·n matrices of tiles by channels;
// each is multiplied with a matrix of transformed weights by the tiles of GEMM, and the products are transformed to outputs.
type Winograd struct {
	shape            Conv2D
	m, n             int
	oh, ow           int
	ty, tx           int     // tiles down and across
	inRows, inCols   []int64 // byte offsets of the n input rows and columns of each tile; far if outside
	outRows, outCols []int64 // of its m output rows and columns
	zero             []float32
	taps             []int
}

// NewWinograd plans a convolution, with the tile that WinogradTile gives, or the largest. Windows are 3x3 or 5x5, and stride and groups
// are 1: it panics on other shapes.
func NewWinograd(s Conv2D) *Winograd {
	m := WinogradTile(s)
	if m == 0 {
		m = 4
		if s.KH == 5 {
			m = 2
		}
	}
	return NewWinogradTile(s, m)
}

// NewWinogradTile plans a convolution with tiles of m x m: 2 or, for 3x3 windows, 4.
func NewWinogradTile(s Conv2D, m int) *Winograd {
	checkConv("Winograd", &s)
	switch {
	case !winogradShape(&s):
		panic("kernels: Winograd: window must be 3x3 or 5x5, stride and groups 1")
	case m != 2 && (m != 4 || s.KH == 5):
		panic("kernels: Winograd: tile must be 2, or 4 for 3x3 windows")
	}
	w := &Winograd{shape: s, m: m, n: m + s.KH - 1, oh: s.OH(), ow: s.OW()}
	rows, cols := winogradStarts(w.oh, m, s.DH), winogradStarts(w.ow, m, s.DW)
	w.ty, w.tx = len(rows), len(cols)
	w.inRows = winogradOffsets(rows, w.n, s.DH, s.PT, s.H, 4*s.W*s.C)
	w.inCols = winogradOffsets(cols, w.n, s.DW, s.PL, s.W, 4*s.C)
	w.outRows = winogradOffsets(rows, m, s.DH, 0, w.oh, 4*w.ow*s.O)
	w.outCols = winogradOffsets(cols, m, s.DW, 0, w.ow, 4*s.O)
	w.zero = zeros(s.C)
	w.taps = count(s.KH * s.KW)
	return w
}

func winogradShape(s *Conv2D) bool {
	return (s.KH == 3 || s.KH == 5) && s.KW == s.KH && s.SH == 1 && s.SW == 1 && s.Groups == 1
}

// winogradStarts returns the first output row, or column, of each tile of m, of n outputs in all. With a dilation a tile has every second (third, ...) row: the rows
// between belong to tiles of their own.
func winogradStarts(n, m, dilation int) []int {
	var starts []int
	for first := range min(n, dilation) {
		for at := first; at < n; at += m * dilation {
			starts = append(starts, at)
		}
	}
	return starts
}

// winogradTiles is how many tiles there are.
func winogradTiles(n, m, dilation int64) int64 {
	each, more := n/dilation, n%dilation // outputs of a phase, and phases that have one more
	return more*((each+m)/m) + (dilation-more)*((each+m-1)/m)
}

// winogradOffsets returns the byte offsets of k rows or columns from each start on, pad before it, or far.
func winogradOffsets(starts []int, k, dilation, pad, size, bytes int) []int64 {
	t := make([]int64, 0, len(starts)*k)
	for _, at := range starts {
		t = append(t, offsets(1, k, 1, dilation, pad-at, size, bytes)...)
	}
	return t
}

// WinogradSuits says whether Winograd is faster than Conv for a shape. Pictures of a batch are convolved as one picture alone: N has no part in it.
func WinogradSuits(s Conv2D) bool { return WinogradTile(s) != 0 }

// WinogradTile returns the side of the tiles with which Winograd is fastest for a shape, or 0 where Conv is as fast.
//
// An algorithm multiplies matrices of rows by C by O: one of OH·OW rows for each position of the window, or n·n of a row for each tile. Reading a matrix of weights from memory takes
// the time of some rows; transforming a tile takes that of multiplying with some more channels.
func WinogradTile(s Conv2D) int {
	const (
		reading      = 20
		transforming = 9
		least        = 8 // channels
	)
	if !winogradShape(&s) || s.C < least || s.O < least || s.OH() < 1 || s.OW() < 1 {
		return 0
	}
	oh, ow, c, o := int64(s.OH()), int64(s.OW()), int64(s.C), int64(s.O)
	taps := int64(s.KH * s.KW)
	best, m := taps*(oh*ow+reading)*c*o*9/10, 0
	for _, t := range []int64{4, 2} {
		if t == 4 && s.KH == 5 {
			continue
		}
		tiles := winogradTiles(oh, t, int64(s.DH)) * winogradTiles(ow, t, int64(s.DW))
		n := t + int64(s.KH) - 1
		if cost := n * n * (tiles*(c*o+transforming*(c+o)) + reading*c*o); cost < best {
			best, m = cost, int(t)
		}
	}
	return m
}

// Shape returns what the convolution was planned for.
func (w *Winograd) Shape() Conv2D { return w.shape }

// TileSize returns the side of the output's tiles, 2 or 4.
func (w *Winograd) TileSize() int { return w.m }

// WinogradWeights are a convolution's transformed weights and its bias, packed: [n·n][⌈O/16⌉][C][16], and [⌈O/16⌉·16].
type WinogradWeights struct {
	m, r, c, o int
	data       []float32
	bias       []float32
}

// Bytes returns the memory that the packed weights take.
func (p *WinogradWeights) Bytes() int { return 4 * (len(p.data) + len(p.bias)) }

// Pack transforms and packs w, [O,KH,KW,C], and bias, [O] or nil.
func (w *Winograd) Pack(weights, bias []float32) *WinogradWeights {
	s := &w.shape
	if len(weights) < s.O*s.KH*s.KW*s.C {
		panic("kernels: Winograd.Pack: w too short")
	}
	if bias != nil && len(bias) < s.O {
		panic("kernels: Winograd.Pack: bias too short")
	}
	p := w.weights()
	w.Repack(nil, p, weights, bias, OrderNHWC)
	return p
}

// weights returns memory for packed weights.
func (w *Winograd) weights() *WinogradWeights {
	s := &w.shape
	panels := (s.O + panel - 1) / panel
	return &WinogradWeights{m: w.m, r: s.KH, c: s.C, o: s.O, data: aligned(w.n * w.n * panels * s.C * panel), bias: aligned(panels * panel)}
}

// winogradLayout says how the work of a shape is cut and where its intermediate results lie, in floats.
type winogradLayout struct {
	fused          bool // each worker takes blocks of tiles through all steps; else all workers take each step together
	tiles          int  // of a block
	blocks         int
	rowV, rowM     int // from tile to tile
	planeV, planeM int // from plane to plane
	matrices       int // of both, n·n planes each
	worker         int // memory of a worker
}

const (
	winogradOwn    = 1 << 20 // bytes of matrices that a worker keeps in its second-level cache
	winogradShared = 8 << 20 // bytes of matrices that workers share
	winogradReread = 4 << 20 // bytes of weights that may be read again for every block
	winogradRows   = 24      // tiles of a block that make use of the weights read for it
)

// layout depends on the shape and the number of threads alone.
func (w *Winograd) layout(threads int) winogradLayout {
	s := &w.shape
	var l winogradLayout
	total := s.N * w.ty * w.tx
	panels := (s.O + panel - 1) / panel
	planes := w.n * w.n
	tile := 4 * planes * (s.C + s.O)
	l.fused = 4*planes*s.C*s.O <= winogradReread && total >= winogradRows*threads
	if l.fused {
		l.tiles = max(winogradRows, winogradOwn/tile)
		l.blocks = (total + l.tiles - 1) / l.tiles
		l.blocks = (l.blocks + threads - 1) / threads * threads
	} else {
		l.tiles = max(2*winogradRows, winogradShared/tile)
		l.blocks = (total + l.tiles - 1) / l.tiles
	}
	l.tiles = (total + l.blocks - 1) / l.blocks
	l.rowV, l.planeV = stagger((s.C+15)/16, l.tiles)
	l.rowM, l.planeM = stagger(panels, l.tiles)
	l.matrices = planes * (l.planeV + l.planeM)
	l.worker = asm.WinogradWork/4 + panels*panel + 2*winogradEdge
	return l
}

// winogradEdge is the size of a tile of 16 channels.
const winogradEdge = 4 * 4 * panel

// stagger returns the floats from row to row, and from plane to plane, of matrices whose rows take some cache lines of 16 floats: such
// that neither rows nor planes fall into few sets of a cache.
func stagger(lines, rows int) (row, plane int) {
	if lines%8 == 0 {
		lines++
	}
	return 16 * lines, 16 * (rows*lines | 1)
}

// ScratchLen returns how many floats of scratch memory Run needs on that many threads.
func (w *Winograd) ScratchLen(threads int) int {
	if w.shape.N == 0 {
		return 0
	}
	l := w.layout(threads)
	n := 15 + threads*l.worker + l.matrices
	if l.fused {
		n += (threads - 1) * l.matrices
	}
	return n
}

// winogradTask is a convolution being computed.
type winogradTask struct {
	winogradLayout
	plan     *Winograd
	isa      ISA
	weights  *WinogradWeights
	in, out  asm.WinogradArgs       // but for the tiles
	image    struct{ src, dst int } // bytes of a picture
	scratch  []float32
	threads  int
	dense    [maxRows]int32
	phase    int // step that all workers are in, where they are not fused
	chunk    int // tiles of a work item
	groups   int // of panels, for the products
	from, to int // tiles of the block
}

var winogradTasks = poolOf[winogradTask]()

// Run computes dst[n,y,x,o] = act(bias[o] + Σ src[n, y+i·DH-PT, x+j·DW-PL, c]·w[o,i,j,c] + res[n,y,x,o]) by Winograd's algorithm. It returns the
// bits of ref.Winograd, which rounds differently from ref.Convolve.
//
// src is [N,H,W,C], dst and res are [N,OH,OW,O]; res may be nil, or dst itself; scratch has ScratchLen(t.Threads()) floats. dst, src and
// scratch do not overlap.
func (w *Winograd) Run(t *Team, dst, src []float32, p *WinogradWeights, res []float32, act Act, scratch []float32) {
	s := &w.shape
	pixels := w.oh * w.ow
	if len(src) < s.N*s.H*s.W*s.C {
		panic("kernels: Winograd.Run: src too short")
	}
	if len(dst) < s.N*pixels*s.O {
		panic("kernels: Winograd.Run: dst too short")
	}
	if res != nil && len(res) < s.N*pixels*s.O {
		panic("kernels: Winograd.Run: res too short")
	}
	checkAct("Winograd.Run", act)
	if p.m != w.m || p.r != s.KH || p.c != s.C || p.o != s.O {
		panic("kernels: Winograd.Run: weights packed for another shape")
	}
	if len(scratch) < w.ScratchLen(t.Threads()) {
		panic("kernels: Winograd.Run: scratch too short")
	}
	image, in := dst[:s.N*pixels*s.O], src[:s.N*s.H*s.W*s.C]
	if !disjoint(image, in) {
		panic("kernels: Winograd.Run: dst overlaps src")
	}
	if res != nil && !apart(image, res[:len(image)]) {
		panic("kernels: Winograd.Run: dst overlaps res")
	}
	if used := scratch[:w.ScratchLen(t.Threads())]; !disjoint(used, image) || !disjoint(used, in) || res != nil && !disjoint(used, res[:len(image)]) {
		panic("kernels: Winograd.Run: scratch overlaps dst, src or res")
	}
	if s.N == 0 {
		return
	}
	k := winogradTasks.Get().(*winogradTask)
	k.winogradLayout = w.layout(t.Threads())
	k.plan, k.weights, k.isa, k.threads = w, p, use[OpWinograd], t.Threads()
	k.scratch = scratch[int(-uintptr(unsafe.Pointer(&scratch[0]))&63)/4:]
	k.in = asm.WinogradArgs{Image: &src[0], Outside: &w.zero[0], Plane: 4 * k.planeV, Row: 4 * k.rowV}
	k.out = asm.WinogradArgs{
		Image: &dst[0], Plane: 4 * k.planeM, Row: 4 * k.rowM, Res: ptr(res), Bias: &p.bias[0],
		Act: int(act.Kind), Lo: act.Lo, Hi: act.Hi, Alpha: act.Alpha,
	}
	k.image.src, k.image.dst = 4*s.H*s.W*s.C, 4*pixels*s.O
	for r := range k.dense {
		k.dense[r] = int32(r * k.rowV)
	}
	if k.fused {
		t.Run(k, k.blocks)
	} else {
		k.together(t)
	}
	*k = winogradTask{}
	winogradTasks.Put(k)
}

// together takes block after block through the steps, each of which all workers share.
func (k *winogradTask) together(t *Team) {
	threads := t.Threads()
	units := (k.panels() + winogradUnit - 1) / winogradUnit
	planes := k.plan.n * k.plan.n
	k.groups = min(units, (4*threads+planes-1)/planes)
	total := k.plan.shape.N * k.plan.ty * k.plan.tx
	for b := range k.blocks {
		k.from, k.to = b*k.tiles, min((b+1)*k.tiles, total)
		k.chunk = max(1, (k.to-k.from)/(4*threads))
		chunks := (k.to - k.from + k.chunk - 1) / k.chunk
		for k.phase = range 3 {
			n := chunks
			if k.phase == 1 {
				n = planes * k.groups
			}
			t.Run(k, n)
		}
	}
}

// panels returns how many panels of output channels there are.
func (k *winogradTask) panels() int { return (k.plan.shape.O + panel - 1) / panel }

// winogradUnit is the number of panels that every GEMM tile divides.
const winogradUnit = 2

// Tile computes one work item.
func (k *winogradTask) Tile(i, worker int) {
	own, v, m := k.memory(worker)
	if k.fused {
		total := k.plan.shape.N * k.plan.ty * k.plan.tx
		from, to := i*k.tiles, min((i+1)*k.tiles, total)
		if from >= to {
			return
		}
		k.input(own, v, from, to)
		for e := range k.plan.n * k.plan.n {
			k.multiply(v, m, e, 0, k.panels(), to-from)
		}
		k.output(own, m, from, to)
		return
	}
	switch k.phase {
	case 0:
		from := k.from + i*k.chunk
		k.input(own, v[(from-k.from)*k.rowV:], from, min(from+k.chunk, k.to))
	case 1:
		e, g := i/k.groups, i%k.groups
		units := (k.panels() + winogradUnit - 1) / winogradUnit
		p, end := units*g/k.groups*winogradUnit, min(k.panels(), units*(g+1)/k.groups*winogradUnit)
		k.multiply(v, m, e, p, end-p, k.to-k.from)
	default:
		from := k.from + i*k.chunk
		k.output(own, m[(from-k.from)*k.rowM:], from, min(from+k.chunk, k.to))
	}
}

// memory returns a worker's own memory, and the matrices of transformed inputs and of products that it works on.
func (k *winogradTask) memory(worker int) (own, v, m []float32) {
	own = k.scratch[worker*k.worker:][:k.worker]
	matrices := k.scratch[k.threads*k.worker:]
	if k.fused {
		matrices = matrices[worker*k.matrices:]
	}
	cut := k.plan.n * k.plan.n * k.planeV
	return own, matrices[:cut], matrices[cut:k.matrices]
}

// input transforms the inputs of some tiles; the first goes to the first row of v.
func (k *winogradTask) input(own, v []float32, from, to int) {
	w, s := k.plan, &k.plan.shape
	isa, lanes := winogradLanes(k.isa, s.C)
	x := k.in
	x.Work = &own[0]
	for first := from; from < to; from += x.Tiles {
		row, col := from/w.tx, from%w.tx
		x.Planes = &v[(from-first)*k.rowV]
		x.Image = add(k.in.Image, row/w.ty*k.image.src)
		x.Rows, x.Cols = &w.inRows[row%w.ty*w.n], &w.inCols[col*w.n]
		x.Tiles = min(to-from, w.tx-col)
		x.Chans = 4 * (s.C - s.C%lanes)
		winogradInput(isa, w.n, &x)
		if s.C%lanes != 0 {
			// The last block reaches back so that it ends with the channels.
			y := x
			back := 4 * (s.C - lanes)
			y.Image, y.Planes, y.Chans = add(x.Image, back), add(x.Planes, back), 4*lanes
			winogradInput(isa, w.n, &y)
		}
	}
}

// multiply computes some panels of one plane of the products.
func (k *winogradTask) multiply(v, m []float32, plane, first, panels, rows int) {
	c := k.plan.shape.C
	isa := use[OpGemm]
	height, per := gemmShape(isa)
	if len(k.weights.data) > streamed {
		height = streamRows(isa, true)
	}
	x := asm.GemmArgs{
		A: &v[plane*k.planeV], Offs: &k.dense[0], Zero: &k.plan.zero[0], B: &k.weights.data[(plane*k.panels()+first)*c*panel],
		BPanel: 4 * panel * c, C: &m[plane*k.planeM+first*panel], LDC: 4 * k.rowM, K: c, Steps: 1, AStep: 4 * k.rowV * height, LDA: 4 * k.rowV,
		Ahead: per * 4 * panel * c,
	}
	for done := 0; done < panels; done += per {
		y := x
		y.B, y.C, y.Cols = add(x.B, done*x.BPanel), add(x.C, 4*panel*done), panel*min(per, panels-done)
		rowStrips(isa, &y, rows, height)
	}
}

// output transforms the products of some tiles; the first of them are in the first row of m.
func (k *winogradTask) output(own, m []float32, from, to int) {
	w, n := k.plan, k.plan.shape.O
	isa, lanes := winogradLanes(k.isa, n)
	x := k.out
	x.Work = &own[0]
	x.Outside = &own[asm.WinogradWork/4]
	edge := own[k.worker-2*winogradEdge:]
	whole := n - n%lanes
	for first := from; from < to; from += x.Tiles {
		row, col := from/w.tx, from%w.tx
		x.Planes = &m[(from-first)*k.rowM]
		x.Tiles = min(to-from, w.tx-col)
		x.Rows, x.Cols = &w.outRows[row%w.ty*w.m], &w.outCols[col*w.m]
		picture := row / w.ty * k.image.dst
		x.Image, x.Res = add(k.out.Image, picture), add(k.out.Res, picture)
		x.Chans = 4 * whole
		winogradOutput(isa, w.m, w.n, &x)
		if whole < n {
			k.ragged(isa, &x, edge, row%w.ty, col, whole, n-whole, lanes)
		}
	}
}

// ragged transforms the last n channels of a row of tiles, fewer than the vector has lanes, through a tile of memory.
func (k *winogradTask) ragged(isa ISA, x *asm.WinogradArgs, edge []float32, row, col, from, n, lanes int) {
	w, m := k.plan, k.plan.m
	y := *x
	out, res := edge[:winogradEdge], edge[winogradEdge:2*winogradEdge]
	y.Image, y.Bias = &out[0], add(x.Bias, 4*from)
	y.Rows, y.Cols, y.Tiles, y.Chans = &edgeRows[m/4][0], &edgeCols[0], 1, 4*lanes
	for t := range x.Tiles {
		rows, cols := w.outRows[row*m:][:m], w.outCols[(col+t)*m:][:m]
		y.Planes = add(x.Planes, t*x.Row+4*from)
		if x.Res != nil {
			y.Res = &res[0]
			edgeCopy(rows, cols, func(tile, image int) {
				copy(res[tile:][:n], unsafe.Slice(add(x.Res, image+4*from), n))
			})
		}
		winogradOutput(isa, m, w.n, &y)
		edgeCopy(rows, cols, func(tile, image int) {
			copy(unsafe.Slice(add(x.Image, image+4*from), n), out[tile:][:n])
		})
	}
}

// Offsets of the pixels of a tile of memory.
var (
	edgeRows = [2][4]int64{{0, 2 * 4 * panel}, {0, 4 * 4 * panel, 8 * 4 * panel, 12 * 4 * panel}}
	edgeCols = [4]int64{0, 4 * panel, 2 * 4 * panel, 3 * 4 * panel}
)

// edgeCopy calls do for each pixel of a tile that lies in the picture, with its place in a tile of memory in floats and in the picture in bytes.
func edgeCopy(rows, cols []int64, do func(tile, image int)) {
	for i, r := range rows {
		for j, c := range cols {
			if r >= 0 && c >= 0 {
				do((i*len(cols)+j)*panel, int(r+c))
			}
		}
	}
}

// winogradInputGeneric is the input transform in plain Go.
func winogradInputGeneric(n int, a *asm.WinogradArgs) {
	rows, cols := unsafe.Slice(a.Rows, n), unsafe.Slice(a.Cols, a.Tiles*n)
	var d, v [36]float32
	for t := range a.Tiles {
		for c := 0; c < a.Chans; c += 4 {
			for i, r := range rows {
				for j, x := range cols[t*n:][:n] {
					d[i*n+j] = 0
					if r+x >= 0 {
						d[i*n+j] = *add(a.Image, int(r+x)+c)
					}
				}
			}
			ref.WinogradInput(v[:], d[:], n)
			for i, x := range v[:n*n] {
				*add(a.Planes, t*a.Row+i*a.Plane+c) = x
			}
		}
	}
}

// winogradOutputGeneric is the output transform in plain Go.
func winogradOutputGeneric(m, n int, a *asm.WinogradArgs) {
	rows, cols := unsafe.Slice(a.Rows, m), unsafe.Slice(a.Cols, a.Tiles*m)
	act := Act{Kind: ActKind(a.Act), Lo: a.Lo, Hi: a.Hi, Alpha: a.Alpha}
	var p, y [36]float32
	for t := range a.Tiles {
		for c := 0; c < a.Chans; c += 4 {
			for i := range n * n {
				p[i] = *add(a.Planes, t*a.Row+i*a.Plane+c)
			}
			ref.WinogradOutput(y[:], p[:], m, n)
			bias := *add(a.Bias, c)
			for i, r := range rows {
				for j, x := range cols[t*m:][:m] {
					if r+x < 0 {
						continue
					}
					at := int(r+x) + c
					v := y[i*m+j] + bias
					if a.Res != nil {
						v += *add(a.Res, at)
					}
					*add(a.Image, at) = act.Apply(v)
				}
			}
		}
	}
}

// checkWinograd compares convolutions by all transforms with ref, of more and of fewer channels than the widest vectors have lanes.
func checkWinograd() bool {
	r := checkRand(1)
	for _, c := range []int{17, 9} {
		for i, m := range []int{4, 2, 2} {
			k := 3 + i/2*2
			s := Conv2D{N: 1, H: 4 - i, W: 3 + i, C: c, O: c, KH: k, KW: k, SH: 1, SW: 1, DH: 1, DW: 1, PT: k / 2, PL: k / 2, PB: k / 2, PR: k / 2, Groups: 1}
			w := NewWinogradTile(s, m)
			out := w.oh * w.ow * s.O
			src, weights, bias, res := r.fill(s.H*s.W*s.C), r.fill(s.O*k*k*s.C), r.fill(s.O), r.fill(out)
			got, want := make([]float32, out), make([]float32, out)
			act := Act{Kind: ActKind(i), Lo: -0.5, Hi: 0.5, Alpha: 0.1}
			if i == 0 {
				res = nil
			}
			w.Run(nil, got, src, w.Pack(weights, bias), res, act, make([]float32, w.ScratchLen(1)))
			ref.Winograd(want, src, weights, bias, res, &s, m, act)
			if !sameBits(got, want) {
				return false
			}
		}
	}
	return true
}
