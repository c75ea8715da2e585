package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// DepthwiseGrad is the gradients of a depthwise convolution, planned for one shape. It does not change, and may be shared.
//
// The gradient of the input is a depthwise convolution with the window turned by half a turn where the stride is 1; else each of its phases,
// the inputs a stride apart, is one with some of the taps.
type DepthwiseGrad struct {
	shape   Conv2D
	oh, ow  int
	turned  []int
	flat    *Depthwise // nil where there are phases
	phases  []depthwisePhase
	zero    []float32
	band    int // rows of outputs whose sums are added to those of others
	bands   int
	blocks  int     // of 16 channels
	offs    []int64 // of the taps in a copy of some input rows, a multiple of DepthwiseGradTaps
	rowSize int     // floats of a row of the copy
	rows    int     // of the copy
	group   int     // blocks that a tile takes
}

// depthwisePhase is the inputs y0, y0+SH, ... by x0, x0+SW, ...
type depthwisePhase struct {
	y0, x0     int
	th, tw     int
	taps       []int
	rows, cols []int64 // byte offsets of output rows and columns under each of its inputs and taps
	n, m       int     // inputs down and across
}

// DepthwiseGradWeights are a depthwise convolution's weights, packed for the gradient of its input.
type DepthwiseGradWeights struct {
	flat   *DepthwiseWeights
	phases []*DepthwiseWeights
}

// Bytes returns the memory that the packed weights take.
func (w *DepthwiseGradWeights) Bytes() int {
	n := 0
	if w.flat != nil {
		n = w.flat.Bytes()
	}
	for _, p := range w.phases {
		n += p.Bytes()
	}
	return n
}

// NewDepthwiseGrad plans the gradients of NewDepthwise's convolution.
func NewDepthwiseGrad(s Conv2D) *DepthwiseGrad {
	forward := NewDepthwise(s)
	taps := s.KH * s.KW
	g := &DepthwiseGrad{shape: s, oh: forward.oh, ow: forward.ow, turned: countDown(taps), zero: zeros(laneBlock)}
	back := s
	back.H, back.W = g.oh, g.ow
	back.PT, back.PL = s.DH*(s.KH-1)-s.PT, s.DW*(s.KW-1)-s.PL
	back.PB, back.PR = s.DH*(s.KH-1)-s.PB, s.DW*(s.KW-1)-s.PR
	if s.SH > 1 || s.SW > 1 || min(back.PT, back.PL, back.PB, back.PR) < 0 {
		g.planPhases()
	} else {
		g.flat = NewDepthwise(back)
	}
	g.band = ref.DepthwiseGradBand(&s)
	g.bands = (g.oh + g.band - 1) / g.band
	g.blocks = (s.C + laneBlock - 1) / laneBlock
	g.rowSize = laneBlock * ((g.ow-1)*s.SW + s.DW*(s.KW-1) + 1)
	g.rows = (g.band-1)*s.SH + s.DH*(s.KH-1) + 1
	g.group = max(1, min(g.blocks, depthwiseGradCopy/(g.rows*g.rowSize+g.band*g.ow*laneBlock)))
	chunks := (taps + asm.DepthwiseGradTaps - 1) / asm.DepthwiseGradTaps
	g.offs = make([]int64, chunks*asm.DepthwiseGradTaps)
	for i := range s.KH {
		for j := range s.KW {
			g.offs[i*s.KW+j] = 4 * int64(i*s.DH*g.rowSize+j*s.DW*laneBlock)
		}
	}
	return g
}

func (g *DepthwiseGrad) planPhases() {
	s := &g.shape
	for y0 := range min(s.SH, s.H) {
		for x0 := range min(s.SW, s.W) {
			f := depthwisePhase{y0: y0, x0: x0, n: (s.H - y0 + s.SH - 1) / s.SH, m: (s.W - x0 + s.SW - 1) / s.SW}
			var i, j, si, sj, p, q, dp, dq int
			i, si, f.th, p, dp = phaseTaps(y0+s.PT, s.KH, s.SH, s.DH)
			j, sj, f.tw, q, dq = phaseTaps(x0+s.PL, s.KW, s.SW, s.DW)
			for u := f.th - 1; u >= 0; u-- {
				for v := f.tw - 1; v >= 0; v-- {
					f.taps = append(f.taps, (i+u*si)*s.KW+j+v*sj)
				}
			}
			f.rows = offsets(f.n, f.th, 1, dp, (f.th-1)*dp-p, g.oh, 4*g.ow*s.C)
			f.cols = offsets(f.m, f.tw, 1, dq, (f.tw-1)*dq-q, g.ow, 4*s.C)
			g.phases = append(g.phases, f)
		}
	}
}

// Shape returns the shape of the convolution.
func (g *DepthwiseGrad) Shape() Conv2D { return g.shape }

// Pack packs the convolution's weights in any order for Input.
func (g *DepthwiseGrad) Pack(w []float32, order Order) *DepthwiseGradWeights {
	p := &DepthwiseGradWeights{}
	if g.flat != nil {
		p.flat = newDepthwiseWeights(g.shape.C, len(g.turned))
	}
	for _, f := range g.phases {
		p.phases = append(p.phases, newDepthwiseWeights(g.shape.C, len(f.taps)))
	}
	g.Repack(p, w, order)
	return p
}

// Repack packs other weights, in any order, where Pack packed some. It does not allocate.
func (g *DepthwiseGrad) Repack(p *DepthwiseGradWeights, w []float32, order Order) {
	all := len(g.turned)
	if len(w) < g.shape.C*all {
		panic("kernels: DepthwiseGrad.Repack: w too short")
	}
	g.check("DepthwiseGrad.Repack", p)
	if g.flat != nil {
		p.flat.pack(w, nil, order, g.turned, all)
	}
	for i, f := range g.phases {
		p.phases[i].pack(w, nil, order, f.taps, all)
	}
}

// check panics unless the weights are packed for this shape.
func (g *DepthwiseGrad) check(name string, p *DepthwiseGradWeights) {
	ok := (p.flat != nil) == (g.flat != nil) && len(p.phases) == len(g.phases)
	if ok && g.flat != nil {
		ok = p.flat.c == g.shape.C && p.flat.taps == len(g.turned)
	}
	for i, f := range g.phases {
		ok = ok && p.phases[i].c == g.shape.C && p.phases[i].taps == len(f.taps)
	}
	if !ok {
		panic("kernels: " + name + ": weights packed for another shape")
	}
}

// ScratchLen returns how many floats of scratch memory Weight needs.
func (g *DepthwiseGrad) ScratchLen() int { return g.shape.N * g.bands * g.blocks * g.partial() }

// partial returns the floats of a part of the sums of a block of channels.
func (g *DepthwiseGrad) partial() int { return len(g.offs) * laneBlock }

// depthwiseGradTask computes a gradient. Its tiles are pieces of the input's gradient; parts of the sums of blocks of channels; or, with adding, blocks
// of channels of the weights' gradient.
type depthwiseGradTask struct {
	plan    *DepthwiseGrad
	isa     ISA
	lanes   int
	dst, dy *float32
	src     *float32
	w       *DepthwiseGradWeights
	parts   []float32
	adding  bool
	order   Order
	groups  int // of blocks of channels
	copies  [][]float32
}

var depthwiseGradTasks = poolOf[depthwiseGradTask]()

func (k *depthwiseGradTask) free() {
	*k = depthwiseGradTask{copies: k.copies}
	depthwiseGradTasks.Put(k)
}

// Input computes dx[n,h,w,c] = Σ dy[n,y,x,c]·w[i,j,c] over y·SH + i·DH = h + PT, x·SW + j·DW = w + PL. It returns the bits of ref.DepthwiseGradInput.
//
// dy is [N,OH,OW,C], dx is [N,H,W,C]; they do not overlap.
func (g *DepthwiseGrad) Input(t *Team, dx, dy []float32, w *DepthwiseGradWeights) {
	s := &g.shape
	in, out := s.N*s.H*s.W*s.C, s.N*g.oh*g.ow*s.C
	switch {
	case len(dx) < in:
		panic("kernels: DepthwiseGrad.Input: dx too short")
	case len(dy) < out:
		panic("kernels: DepthwiseGrad.Input: dy too short")
	case !disjoint(dx[:in], dy[:out]):
		panic("kernels: DepthwiseGrad.Input: dx overlaps dy")
	}
	g.check("DepthwiseGrad.Input", w)
	if s.N == 0 {
		return
	}
	if g.flat != nil {
		g.flat.Run(t, dx, dy, w.flat, Act{})
		return
	}
	k := depthwiseGradTasks.Get().(*depthwiseGradTask)
	k.plan, k.dst, k.dy, k.w = g, &dx[0], &dy[0], w
	if k.isa, k.lanes = depthwiseLanes(use[OpDepthwise], s.C); k.lanes > s.C {
		k.isa, k.lanes = Generic, s.C
	}
	t.Run(k, s.N*s.H)
	k.free()
}

// Weight computes dw[i,j,c] = Σ_{n,y,x} dy[n,y,x,c]·src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c] and writes it in the order asked for. It returns the bits of
// ref.DepthwiseGradWeight.
//
// dy is [N,OH,OW,C], src is [N,H,W,C], scratch has ScratchLen floats. dw overlaps nothing, nor does scratch.
func (g *DepthwiseGrad) Weight(t *Team, dw, dy, src []float32, order Order, scratch []float32) {
	s := &g.shape
	in, out, size := s.N*s.H*s.W*s.C, s.N*g.oh*g.ow*s.C, s.KH*s.KW*s.C
	switch {
	case len(dw) < size:
		panic("kernels: DepthwiseGrad.Weight: dw too short")
	case len(dy) < out:
		panic("kernels: DepthwiseGrad.Weight: dy too short")
	case len(src) < in:
		panic("kernels: DepthwiseGrad.Weight: src too short")
	case len(scratch) < g.ScratchLen():
		panic("kernels: DepthwiseGrad.Weight: scratch too short")
	case !disjoint(dw[:size], dy[:out]) || !disjoint(dw[:size], src[:in]):
		panic("kernels: DepthwiseGrad.Weight: dw overlaps dy or src")
	}
	used := scratch[:g.ScratchLen()]
	if !disjoint(used, dw[:size]) || !disjoint(used, dy[:out]) || !disjoint(used, src[:in]) {
		panic("kernels: DepthwiseGrad.Weight: scratch overlaps dw, dy or src")
	}
	if s.N == 0 {
		clear(dw[:size])
		return
	}
	k := depthwiseGradTasks.Get().(*depthwiseGradTask)
	k.plan, k.dst, k.dy, k.src, k.parts, k.order = g, &dw[0], &dy[0], &src[0], used, order
	k.isa, k.lanes = depthwiseGradLanes(use[OpDepthwise])
	for len(k.copies) < t.Threads() {
		k.copies = append(k.copies, nil)
	}
	k.groups = (g.blocks + g.group - 1) / g.group
	t.Run(k, s.N*g.bands*k.groups)
	k.adding = true
	t.Run(k, g.blocks)
	k.free()
}

// depthwiseGradCopy is how many floats of inputs and gradients are copied together, so that pixels are read in long runs.
const depthwiseGradCopy = 1 << 17

func (k *depthwiseGradTask) Tile(i, worker int) {
	g := k.plan
	switch {
	case k.w != nil:
		k.row(i)
	case k.adding:
		k.add(i)
	default:
		size := g.rows*g.rowSize + g.band*g.ow*laneBlock
		if len(k.copies[worker]) < g.group*size {
			k.copies[worker] = aligned(g.group * size)
		}
		from := i % k.groups * g.group
		k.part(k.copies[worker], i/k.groups, from, min(g.group, g.blocks-from))
	}
}

// row computes a row of the input's gradient, phase by phase.
func (k *depthwiseGradTask) row(i int) {
	g, s := k.plan, &k.plan.shape
	n, h := i/s.H, i%s.H
	pixel := 4 * s.C
	for p := range g.phases {
		f := &g.phases[p]
		if f.y0 != h%s.SH {
			continue
		}
		dst := add(k.dst, ((n*s.H+h)*s.W+f.x0)*pixel)
		if len(f.taps) == 0 {
			for x := range f.m {
				clear(unsafe.Slice(add(dst, x*s.SW*pixel), s.C))
			}
			continue
		}
		a := asm.DepthwiseArgs{
			Zero: &g.zero[0], Rows: &f.rows[h/s.SH*f.th], Cols: &f.cols[0], KH: f.th, KW: f.tw, Ys: 1, OW: f.m, Width: g.ow, Pixel: s.SW * pixel,
		}
		src, w := add(k.dy, n*g.oh*g.ow*pixel), k.w.phases[p]
		for c := 0; c < s.C; c += k.lanes {
			c := min(c, s.C-k.lanes)
			a.Src, a.Dst, a.W = add(src, 4*c), add(dst, 4*c), w.from(c, k.lanes)
			depthwiseTile(k.isa, windowAny, &a, k.lanes)
		}
	}
}

// part computes one part of the sums of n blocks of channels.
func (k *depthwiseGradTask) part(buf []float32, band, block, n int) {
	g, s := k.plan, &k.plan.shape
	picture, y := band/g.bands, band%g.bands*g.band
	ys := min(g.band, g.oh-y)
	inputs, outputs := g.rows*g.rowSize, g.band*g.ow*laneBlock // floats of a block
	x, dy := buf[:n*inputs], buf[n*inputs:]
	k.copyRows(x, picture, y*s.SH-s.PT, (ys-1)*s.SH+s.DH*(s.KH-1)+1, block, n)
	k.copyPixels(dy, outputs, add(k.dy, 4*(picture*g.oh+y)*g.ow*s.C), ys*g.ow, block, n)
	a := asm.DepthwiseGradArgs{
		Rows: ys, Cols: g.ow, DyPixel: 4 * laneBlock, XPixel: 4 * laneBlock * s.SW, XRow: 4 * g.rowSize * s.SH,
	}
	lanes := min(laneBlock, s.C)
	for b := range n {
		dw := &k.parts[(band*g.blocks+block+b)*g.partial()]
		for t := 0; t < len(g.offs); t += asm.DepthwiseGradTaps {
			a.Offs = &g.offs[t]
			for l := 0; l < lanes; l += k.lanes {
				a.Dy, a.X, a.W = &dy[b*outputs+l], &x[b*inputs+l], add(dw, 4*(t*laneBlock+l))
				if l+k.lanes > lanes {
					depthwiseGradTileGeneric(&a, lanes-l)
				} else {
					depthwiseGradTile(k.isa, &a)
				}
			}
		}
	}
}

// copyRows copies rows of some blocks of channels of the input, from row y on, with padding.
func (k *depthwiseGradTask) copyRows(dst []float32, picture, y, rows, block, n int) {
	g, s := k.plan, &k.plan.shape
	size := g.rows * g.rowSize
	width := g.rowSize / laneBlock
	left, right := min(s.PL, width), min(width, s.PL+s.W)
	for i := range rows {
		outside := y+i < 0 || y+i >= s.H || left >= right
		for b := range n {
			row := dst[b*size+i*g.rowSize:][:g.rowSize]
			if outside {
				clear(row)
				continue
			}
			clear(row[:left*laneBlock])
			clear(row[right*laneBlock:])
		}
		if !outside {
			k.copyPixels(dst[i*g.rowSize+left*laneBlock:], size, add(k.src, 4*(picture*s.H+y+i)*s.W*s.C), right-left, block, n)
		}
	}
}

// copyPixels copies n blocks of channels of pixels, each to a place of its own.
func (k *depthwiseGradTask) copyPixels(dst []float32, size int, src *float32, pixels, block, n int) {
	c := k.plan.shape.C
	whole := max(0, min(n, c/laneBlock-block))
	if k.isa != Generic && whole > 0 {
		depthwiseMove(k.isa, &dst[0], add(src, 4*laneBlock*block), pixels, whole, 4*laneBlock, 4*size, 4*c, 4*laneBlock)
	} else {
		whole = 0
	}
	lanes := min(laneBlock, c)
	for b := whole; b < n; b++ {
		from := add(src, 4*max(0, min((block+b)*laneBlock, c-laneBlock)))
		to := dst[b*size:]
		if k.isa != Generic && lanes == laneBlock {
			depthwiseMove(k.isa, &to[0], from, pixels, 1, 4*laneBlock, 0, 4*c, 0)
			continue
		}
		for p := range pixels {
			copy(to[p*laneBlock:][:lanes], unsafe.Slice(add(from, 4*p*c), lanes))
		}
	}
}

// add adds the parts of a block of channels.
func (k *depthwiseGradTask) add(block int) {
	g, s := k.plan, &k.plan.shape
	size := g.partial()
	sum := k.parts[block*size:][:size]
	for b := 1; b < s.N*g.bands; b++ {
		mapRun(mapAdd, sum, sum, k.parts[(b*g.blocks+block)*size:][:size], nil, mapParams{})
	}
	c := max(0, min(block*laneBlock, s.C-laneBlock))
	taps := s.KH * s.KW
	first := block*laneBlock - c // lanes that the block before has, too
	for t := range taps {
		for l := first; l < min(laneBlock, s.C); l++ {
			at := t*s.C + c + l
			if k.order == OrderONNX {
				at = (c+l)*taps + t
			}
			*add(k.dst, 4*at) = sum[t*laneBlock+l]
		}
	}
}

// depthwiseGradTileGeneric is the tile in plain Go, for at most 16 channels.
func depthwiseGradTileGeneric(a *asm.DepthwiseGradArgs, lanes int) {
	for t, off := range unsafe.Slice(a.Offs, asm.DepthwiseGradTaps) {
		var sum [laneBlock]float32
		acc := sum[:lanes]
		dy := a.Dy
		for y := range a.Rows {
			x := add(a.X, y*a.XRow+int(off))
			for range a.Cols {
				in := unsafe.Slice(x, lanes)
				for l, d := range unsafe.Slice(dy, lanes) {
					acc[l] = ref.FMA32(d, in[l], acc[l])
				}
				dy, x = add(dy, a.DyPixel), add(x, a.XPixel)
			}
		}
		copy(unsafe.Slice(add(a.W, 4*laneBlock*t), lanes), acc)
	}
}
