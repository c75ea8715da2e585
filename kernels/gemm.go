package kernels

import (
	"sync"
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/internal/pages"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// Shapes and options that kernels share with their definitions.
type (
	Act     = ref.Act
	ActKind = ref.ActKind
	Conv2D  = ref.Conv2D
)

// Activations that a kernel can apply as it stores.
const (
	ActNone  = ref.ActNone
	ActClip  = ref.ActClip
	ActLeaky = ref.ActLeaky
)

// panel is the number of columns of B that are packed side by side.
const panel = 16

// Packed is the right operand of a GEMM with its bias, in the order that the tiles read: panels of 16 columns, [⌈N/16⌉][K][16],
// padded with zeros. It does not change after packing, and may be shared.
type Packed struct {
	K, N int
	data []float32
	bias []float32 // padded to whole panels; nil: +0
}

// Bytes returns the memory that the packed weights take.
func (p *Packed) Bytes() int { return 4 * (len(p.data) + len(p.bias)) }

// aligned returns n zeros whose first lies on a 64-byte boundary.
func aligned(n int) []float32 {
	b := make([]float32, n+15)
	pages.Advise(bytesOf(b))
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b)))&63) / 4
	return b[skip : skip+n : skip+n]
}

func newPacked(k, n int, bias []float32) *Packed {
	panels := (n + panel - 1) / panel
	p := &Packed{K: k, N: n, data: aligned(panels * k * panel)}
	if bias != nil {
		p.bias = aligned(panels * panel)
		copy(p.bias, bias[:n])
	}
	return p
}

// emptyPacked returns memory for k by n weights.
func emptyPacked(k, n int, bias bool) *Packed {
	p := newPacked(k, n, nil)
	if bias {
		p.bias = aligned(wholePanels(n))
	}
	return p
}

// wholePanels returns the columns of the panels that hold n.
func wholePanels(n int) int { return (n + panel - 1) / panel * panel }

// PackB packs b, [K,N] with row stride ldb, and bias, [N] or nil.
func PackB(b []float32, ldb, k, n int, bias []float32) *Packed {
	if k < 0 || n < 0 || ldb < n {
		panic("kernels: PackB: bad k, n or ldb")
	}
	if !holds(len(b), k, ldb, n) {
		panic("kernels: PackB: b too short")
	}
	if bias != nil && len(bias) < n {
		panic("kernels: PackB: bias too short")
	}
	p := newPacked(k, n, bias)
	if k == 0 {
		return p
	}
	for j := 0; j < n; j += panel {
		w := min(panel, n-j)
		for i := range k {
			copy(p.data[(j*k + i*panel):][:w], b[i*ldb+j:])
		}
	}
	return p
}

// PackBT packs the transpose of b, [N,K] with row stride ldb (a fully connected or convolutional layer's weights), and
// bias, [N] or nil.
func PackBT(b []float32, ldb, k, n int, bias []float32) *Packed {
	if k < 0 || n < 0 || ldb < k {
		panic("kernels: PackBT: bad k, n or ldb")
	}
	if !holds(len(b), n, ldb, k) {
		panic("kernels: PackBT: b too short")
	}
	if bias != nil && len(bias) < n {
		panic("kernels: PackBT: bias too short")
	}
	p := newPacked(k, n, bias)
	if k == 0 {
		return p
	}
	for j := 0; j < n; j += panel {
		transposeTile(p.data[j*k:][:k*panel], panel, b[j*ldb:], ldb, min(panel, n-j), k)
	}
	return p
}

// PackBTInPlace is PackBT of contiguous rows (ldb is k) that leaves the packed weights where b was, if n is a multiple of 16; otherwise, and for
// the bias, it takes new memory. b must not be used afterwards.
func PackBTInPlace(b []float32, k, n int, bias []float32) *Packed {
	if n%panel != 0 || k == 0 {
		return PackBT(b, k, k, n, bias)
	}
	if k < 0 || n < 0 {
		panic("kernels: PackBTInPlace: bad k or n")
	}
	if !holds(len(b), n, k, k) {
		panic("kernels: PackBTInPlace: b too short")
	}
	if bias != nil && len(bias) < n {
		panic("kernels: PackBTInPlace: bias too short")
	}
	p := newPacked(0, n, bias)
	p.K, p.data = k, b[:n*k:n*k]
	rows := make([]float32, panel*k)
	for j := 0; j < n; j += panel {
		copy(rows, b[j*k:])
		transposeTile(b[j*k:][:panel*k], panel, rows, k, panel, k)
	}
	return p
}

// Gemm computes dst[i,j] = act(bias[j] + Σ_p a[i,p]·b[p,j] + res[i,j]), p ascending. It returns the bits of ref.Gemm.
//
// a is [m, b.K] with row stride lda, dst and res are [m, b.N] with row strides ldd and ldr; res may be nil, or dst itself. Otherwise no
// element of dst is one of a or res; they may be columns of one matrix.
func Gemm(t *Team, dst []float32, ldd int, a []float32, lda, m int, b *Packed, res []float32, ldr int, act Act) {
	if m <= 0 || b.N == 0 {
		if m < 0 {
			panic("kernels: Gemm: bad m")
		}
		return
	}
	if lda < b.K || !holds(len(a), m, lda, b.K) {
		panic("kernels: Gemm: a too short")
	}
	if ldd < b.N || !holds(len(dst), m, ldd, b.N) {
		panic("kernels: Gemm: dst too short")
	}
	if res != nil && (ldr < b.N || !holds(len(res), m, ldr, b.N)) {
		panic("kernels: Gemm: res too short")
	}
	if lda > (1<<31-1)/(maxRows-1) {
		panic("kernels: Gemm: lda too large")
	}
	checkAct("Gemm", act)
	out := dst[:(m-1)*ldd+b.N]
	if !rowsApart(out, ldd, b.N, a[:(m-1)*lda+b.K], lda, b.K) {
		panic("kernels: Gemm: dst overlaps a")
	}
	if res != nil && !(&res[0] == &out[0] && ldr == ldd) && !rowsApart(out, ldd, b.N, res[:(m-1)*ldr+b.N], ldr, b.N) {
		panic("kernels: Gemm: dst overlaps res")
	}
	g := gemmTasks.Get().(*gemmTask)
	for r := range g.dense {
		g.dense[r] = int32(r * lda)
	}
	k, steps := b.K, 1
	if k == 0 {
		steps = 0
	}
	zero := unsafe.Pointer(&g.dense) // never read: no offset is negative
	g.args = asm.GemmArgs{
		A: ptr(a), Offs: &g.dense[0], Zero: (*float32)(zero), B: ptr(b.data), Bias: ptr(b.bias), C: ptr(dst), Res: ptr(res),
		LDC: 4 * ldd, LDR: 4 * ldr, K: k, Steps: steps, LDA: 4 * lda * steps,
	}
	g.setAct(act)
	g.n, g.packedK = b.N, b.K
	g.rowBytes, g.used = 4*lda, 4*k
	g.tiles, g.size = use[OpGemm], 4
	g.m, g.plan = m, nil
	g.split(t, blockRows(m, b.K, longBlock(t, m)))
	g.copies = m > 1 && aliases(use[OpGemm], lda, b.N)
	g.runBlocks(t, 1)
	g.free()
}

// aliased is a row length in floats at whose multiples the rows of a tile fall into so few sets of the first-level cache that they
// evict one another, or at those of twice as much where the cache is larger.
const aliased = 512

// aliases says whether rows of A are copied, with another length, before they are used: they evict one another, and n columns make up for it.
func aliases(isa ISA, lda, n int) bool {
	if isa == AVX512 {
		return evicts && lda%(2*aliased) == 0 && n >= 256
	}
	return evicts && lda%aliased == 0 && n >= 64
}

// copyRows copies the m rows of A of a block to the worker's scratch, if they are not there, and returns where, and the bytes from row to row.
func (g *gemmTask) copyRows(worker, block, m int, a *float32) (*float32, int) {
	k := g.args.K
	ld := (k+15)/16*16 + 16
	buf, there := g.room(worker, block, m*ld)
	if there {
		return &buf[0], 4 * ld
	}
	from, to := (*byte)(unsafe.Pointer(a)), (*byte)(unsafe.Pointer(&buf[0]))
	for r := range m {
		copy(unsafe.Slice(add(to, 4*r*ld), g.used), unsafe.Slice(add(from, r*g.rowBytes), g.used))
	}
	return &buf[0], 4 * ld
}

// blockCopy is a worker's copy of a block.
type blockCopy struct {
	floats []float32
	of     int // the block and its picture, or -1
}

// room returns n floats of the worker's scratch for a copy of a block, and whether it holds that: one block after the other is multiplied with all groups of panels.
func (g *gemmTask) room(worker, block, n int) (buf []float32, there bool) {
	c := &g.scratch[worker]
	there = c.of == block
	c.of = block
	if len(c.floats) < n {
		c.floats = aligned(n)
	}
	return c.floats[:n], there
}

// ptr returns the address of a slice's first element, or nil.
func ptr[T any](s []T) *T { return unsafe.SliceData(s) }

// add moves a pointer by a number of bytes; nil stays nil.
func add[T any](p *T, bytes int) *T {
	if p == nil {
		return nil
	}
	return (*T)(unsafe.Add(unsafe.Pointer(p), bytes))
}

const maxRows = 16 // no tile that reads Offs is higher

// gemmTask is a GEMM or convolution being computed. Its tiles are blocks of rows by groups of panels.
type gemmTask struct {
	args     asm.GemmArgs // of the whole problem: first row, first column
	dense    [maxRows]int32
	m, n     int
	packedK  int // rows of the packed weights
	block    int // rows of a block
	longer   int // blocks at the beginning that have one row more
	blocks   int
	groups   int                    // groups of panels
	width    int                    // panels in a group
	rowBytes int                    // from one row of A to the next, for dense A
	used     int                    // bytes of them that are a row's
	plan     *Conv                  // nil for dense A
	copies   bool                   // dense A is copied block by block, see copyRows
	padding  padding                // what blocks of a plan that copies copy
	scratch  []blockCopy            // of each worker
	tiles    ISA                    // whose tiles compute it, see dotTiles
	size     int                    // bytes of a result
	start    []int32                // what sums of 8-bit integers start from
	outside  []byte                 // 8-bit integers that stand for 0
	image    struct{ dst, res int } // bytes from one picture to the next
}

var gemmTasks = poolOf[gemmTask]()

// poolOf returns a pool of *T.
func poolOf[T any]() *sync.Pool { return &sync.Pool{New: func() any { return new(T) }} }

// free drops the references that the task holds, and gives it back.
func (g *gemmTask) free() {
	g.args, g.plan, g.copies, g.padding = asm.GemmArgs{}, nil, false, padding{}
	gemmTasks.Put(g)
}

func (g *gemmTask) setAct(a Act) {
	g.args.Act, g.args.Lo, g.args.Hi, g.args.Alpha = int(a.Kind), a.Lo, a.Hi, a.Alpha
}

// blockRows returns how many rows to treat at once, at most about so many: as many as keep their part of A in the second-level cache, which others
// may use too, but enough to use each part of B several times. CPUs with AVX-512 have 1 MB of it and more.
func blockRows(m, k, most int) int {
	isa := use[OpGemm]
	floats := 1 << 15
	if isa == AVX512 {
		floats = 1 << 17
	}
	rows, _ := gemmShape(isa)
	rows = max(rows, narrowRows(isa, 1, 4))
	b := min(m, most, max(4*rows, floats/max(1, k)))
	return (b + rows - 1) / rows * rows
}

// split splits dense A into blocks of at most so many rows. Threads get as many blocks each, if that moves less between CPUs than groups of columns would:
// of its own rows a thread has likely computed what led to them, and reads all weights; of its own columns it reads its weights only, and all rows, of
// which others have computed most. What another CPU has in its cache comes a few times as slowly as what all of them may keep.
func (g *gemmTask) split(t *Team, block int) {
	rows, _ := gemmShape(g.tiles)
	threads, k := t.Threads(), g.args.K
	g.block, g.longer = block, 0
	g.blocks = (g.m + block - 1) / block
	const slower = 4
	if threads > 1 && g.m >= rows*threads && k*g.n <= slower*g.m*(k+g.n) {
		g.blocks = (g.blocks + threads - 1) / threads * threads
		g.block, g.longer = g.m/g.blocks, g.m%g.blocks
	}
}

// begin returns the first row of a block of dense A.
func (g *gemmTask) begin(block int) int { return min(g.m, block*g.block+min(block, g.longer)) }

// shortBlock is the most rows of a block that leave the threads enough of them, and keep the results of short sums in the second-level cache.
const shortBlock = 504

// longBlock returns the most rows of a block of m evenly lying ones: a short sum notices what each block costs.
func longBlock(t *Team, m int) int {
	if use[OpGemm] != AVX512 {
		return shortBlock
	}
	if n := t.Threads(); n > 1 {
		return max(shortBlock, min(4*shortBlock, m/(4*n)))
	}
	return 4 * shortBlock
}

// blockK is the number of steps along K after which the running sums go back to memory, so that the panels in use stay in
// the first-level cache; on AVX-512, whose pairs of panels come from the second level as fast as they are used, in that.
func blockK(isa ISA) int {
	if isa == AVX512 {
		return 2048
	}
	return 768
}

// runBlocks splits the problem into tiles and runs them. pictures is the batch for convolutions.
func (g *gemmTask) runBlocks(t *Team, pictures int) {
	g.groups, g.width = panelGroups(t, g.n, g.blocks*pictures)
	for (g.copies || g.plan != nil && g.plan.copied) && len(g.scratch) < t.Threads() {
		g.scratch = append(g.scratch, blockCopy{})
	}
	for i := range g.scratch {
		g.scratch[i].of = -1
	}
	t.Run(g, pictures*g.blocks*g.groups)
}

// panelGroups says into how many groups of how many panels to split n columns where there are so many blocks of rows: enough tiles for the
// workers to even out, as few as keep a block of A in use.
func panelGroups(t *Team, n, blocks int) (groups, width int) {
	panels := (n + panel - 1) / panel
	_, per := gemmShape(use[OpGemm])
	units := (panels + per - 1) / per
	groups = 1
	if want := 4 * t.Threads(); t.Threads() > 1 && blocks < want {
		groups = min(units, (want+blocks-1)/blocks)
	}
	width = (units + groups - 1) / groups * per
	return (panels + width - 1) / width, width
}

// Tile computes one block of rows in one group of panels.
func (g *gemmTask) Tile(i, worker int) {
	group := i % g.groups
	i /= g.groups
	block, picture := i%g.blocks, i/g.blocks
	isa := g.tiles
	x := g.args
	even := g.plan != nil && g.plan.even != nil && x.Res == nil && denseSteps(isa)
	height, _ := gemmShape(isa)
	if g.packedK*g.n > streamed && !even {
		height = streamRows(isa, g.plan == nil)
	}

	m := 0
	rowsBefore := 0
	offs := x.Offs
	if g.plan == nil {
		rowsBefore = g.begin(block)
		m = g.begin(block+1) - rowsBefore
		x.A = add(x.A, rowsBefore*g.rowBytes)
		x.AStep = g.rowBytes * height
	} else {
		b := &g.plan.blocks[block]
		rowsBefore, m = b.row, b.rows
		offs = &b.table[0]
		x.OffStride, x.OffStep = 4*b.stride, 4*height
		first, row := picture*g.plan.shape.H+b.first, g.plan.row()
		above, reach := 0, b.in
		if even {
			above, reach = b.above, b.reach
			x.OffStride, x.OffStep = 4*maxRows, 0
			x.LDA, x.StepA = 4*g.plan.shape.SW*g.plan.shape.C, g.plan.stepA()
			x.AStep = height * x.LDA
		}
		if g.plan.copied {
			buf, there := g.room(worker, i, max(1, reach*row))
			if !there {
				g.padding.writeAll(bytesOf(buf), first, b.in, above, reach)
			}
			x.A = &buf[0]
		} else {
			x.A = add(x.A, 4*first*row)
		}
		x.C = add(x.C, picture*g.image.dst)
		x.Res = add(x.Res, picture*g.image.res)
	}
	x.C = add(x.C, rowsBefore*x.LDC)
	x.Res = add(x.Res, rowsBefore*x.LDR)
	first := group * g.width
	x.C = add(x.C, g.size*panel*first)
	x.Res = add(x.Res, 4*panel*first)
	x.Bias = add(x.Bias, 4*panel*first)
	x.Scale = add(x.Scale, 4*panel*first)
	x.BPanel = 4 * panel * g.packedK
	x.B = add(x.B, first*x.BPanel)
	columns := min(g.n, (first+g.width)*panel) - first*panel

	var table [maxRows]int32
	if g.copies {
		var ld int
		x.A, ld = g.copyRows(worker, i, m, x.A)
		x.AStep, x.LDA, offs = ld*height, ld, &table[0]
		for r := range table {
			table[r] = int32(r * ld / 4)
		}
	}
	lines := []gemmLine{{offs: offs, rows: m}}
	if even {
		lines = g.plan.even[:m/g.plan.ow]
	}
	gemmLines(isa, &x, columns, height, lines)
}

// gemmLine is rows of A whose results lie evenly in C.
type gemmLine struct {
	a, c int    // bytes from the arguments' A and C to those of the first row
	offs *int32 // the rows' offsets
	rows int
}

// gemmLines computes lines of rows in all columns of x, in tiles of the given height. A residual needs a line at c = 0.
func gemmLines(isa ISA, x *asm.GemmArgs, columns, height int, lines []gemmLine) {
	_, per := gemmShape(isa)
	single := len(lines) == 1 && lines[0].rows == 1
	// Blocks along K: whole steps, or a part of one.
	k, steps, size := x.K, x.Steps, 4
	partK, partSteps := k, steps
	most := blockK(isa)
	if x.Act == actBytes {
		size = 1 // no sum goes back to memory
	} else if k >= most {
		parts := (k + most - 1) / most
		partK, partSteps = (k+parts-1)/parts, 1
	} else if k*steps > most {
		partSteps = max(1, most/k)
	}
	for col := 0; col < columns; col += per * panel {
		y := *x
		y.Bias, y.Scale = add(x.Bias, 4*col), add(x.Scale, 4*col)
		y.Cols = min(per*panel, columns-col)
		high := height
		if n := narrowRows(isa, y.Cols, y.LDA); n > 0 {
			high = n
			y.AStep, y.OffStep = x.AStep/height*high, x.OffStep/height*high
		}
		b := add(x.B, col/panel*x.BPanel)
		for s, done := 0, 0; ; {
			ns := min(partSteps, steps-s)
			for c := 0; ; {
				nk := min(partK, k-c)
				y.B = add(b, 4*panel*done)
				y.K, y.Steps = nk, ns
				y.Res, y.Act = nil, 0
				last := s+ns >= steps && c+nk >= k
				if last {
					y.Res, y.Act = add(x.Res, 4*col), x.Act
				}
				y.Ahead = 4 * panel * nk * ns
				if last {
					y.Ahead = per*x.BPanel - 4*panel*done
				}
				if single {
					y.Ahead = min(y.Ahead, nearAhead) // every weight is read once: memory sets the pace
				}
				for i := range lines {
					l := &lines[i]
					y.A, y.Offs, y.C = add(x.A, l.a+4*c), add(l.offs, s*x.OffStride), add(x.C, l.c+size*col)
					rowStrips(isa, &y, l.rows, high)
				}
				y.Load = 1
				done += nk * ns
				if c += nk; c >= k {
					break
				}
			}
			if s += ns; s >= steps {
				break
			}
		}
	}
}

// streamed is the number of weights from which on they come from beyond the second-level cache.
const streamed = 1 << 17

// nearAhead is how many bytes ahead a single row prefetches.
const nearAhead = 8 << 10

// sharing is how many tiles of full height share what is to be prefetched, one line of so many each: quarter of gen/gemm.
const sharing = 4

// callSteps bounds the rows times the steps along K of one call of a tile: some tens of microseconds.
const callSteps = 1 << 15

// rowStrips computes m rows of one strip of panels. Where the rows do not divide by the tile's height, the last two tiles
// share them, since a tile of one or two rows waits for its own sums.
func rowStrips(isa ISA, x *asm.GemmArgs, m, height int) {
	if height > maxRows {
		// This tile has no lower ones: what it leaves is for those of other widths.
		rows := m / height * height
		if rest := m - rows; rest > 0 {
			if rest < 4 && rows > 0 {
				rows -= height
			}
			lower, _ := gemmShape(isa)
			y := *x
			y.A, y.C, y.Res = add(x.A, rows*x.LDA), add(x.C, rows*x.LDC), add(x.Res, rows*x.LDR)
			y.AStep = lower * x.LDA
			rowStrips(isa, &y, m-rows, lower)
		}
		m = rows
	}
	full, rest := m/height, m%height
	tail := rest
	if rest > 0 && rest < 4 && full > 0 {
		full--
		tail = (height + rest + 1) / 2
		rest = height + rest - tail
	} else {
		rest = 0
	}
	// One call is bounded work: Go cannot interrupt it.
	most := callSteps
	if isa&plain != 0 {
		most /= 4 // these take some instructions for each four products
	}
	most = max(1, most/max(1, height*x.K*x.Steps))
	for row := 0; row < m; {
		y := *x
		switch {
		case full > 0:
			y.Rows, y.Tiles = height, min(full, most)
			full -= y.Tiles
			if x.Ahead != 0 {
				y.Ahead += row / height % sharing * 4 * panel / sharing * x.K
			}
		case tail > 0:
			y.Rows, y.Tiles, tail = tail, 1, 0
		default:
			y.Rows, y.Tiles = rest, 1
		}
		y.A = add(x.A, row*(x.AStep/height))
		y.Offs = add(x.Offs, row*(x.OffStep/height))
		y.C, y.Res = add(x.C, row*x.LDC), add(x.Res, row*x.LDR)
		gemmTile(isa, &y)
		row += y.Rows * y.Tiles
	}
}

// gemmTileGeneric is gemmTile in plain Go.
func gemmTileGeneric(isa ISA, x *asm.GemmArgs) {
	if isa&dot != 0 {
		dotTileGeneric(isa, x)
		return
	}
	act := Act{Kind: ActKind(x.Act), Lo: x.Lo, Hi: x.Hi, Alpha: x.Alpha}
	var acc [panel]float32
	for tile := range x.Tiles {
		a, offs := add(x.A, tile*x.AStep), add(x.Offs, tile*x.OffStep)
		c, res := add(x.C, tile*x.Rows*x.LDC), add(x.Res, tile*x.Rows*x.LDR)
		for r := range x.Rows {
			out := unsafe.Slice(add(c, r*x.LDC), x.Cols)
			switch {
			case x.Load != 0:
				copy(acc[:], out)
			case x.Bias != nil:
				copy(acc[:], unsafe.Slice(x.Bias, panel))
			default:
				acc = [panel]float32{}
			}
			for s := range x.Steps {
				row := x.Zero
				if o := *add(offs, s*x.OffStride+4*r); o >= 0 {
					row = add(a, 4*int(o))
				}
				b := unsafe.Slice(add(x.B, 4*panel*s*x.K), panel*x.K)
				for i, v := range unsafe.Slice(row, x.K) {
					w := (*[panel]float32)(b[i*panel:])
					for j := range acc {
						acc[j] = ref.FMA32(v, w[j], acc[j])
					}
				}
			}
			for j := range out {
				v := acc[j]
				if res != nil {
					v += *add(res, r*x.LDR+4*j)
				}
				out[j] = act.Apply(v)
			}
		}
	}
}
