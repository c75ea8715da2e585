package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// DepthwiseGrad is the gradients of a depthwise convolution, planned for one shape. It does not change, and may be shared.
//
// The gradient of the input is a depthwise convolution with the window turned by half a turn where the stride is 1; else a transposed one.
type DepthwiseGrad struct {
	shape   Conv2D
	oh, ow  int
	turned  []int
	flat    *Depthwise           // this,
	back    *depthwiseTransposed // or this
	band    int                  // rows of outputs whose sums are added to those of others
	bands   int
	blocks  int     // of 16 channels
	offs    []int64 // of the taps in a copy of some input rows, a multiple of DepthwiseGradTaps
	rowSize int     // floats of a row of the copy
	rows    int     // of the copy
	group   int     // blocks that a tile takes
}

// DepthwiseGradWeights are a depthwise convolution's weights, packed for the gradient of its input.
type DepthwiseGradWeights struct {
	flat *DepthwiseWeights
	back []*DepthwiseWeights
}

// Bytes returns the memory that the packed weights take.
func (w *DepthwiseGradWeights) Bytes() int {
	n := 0
	if w.flat != nil {
		n = w.flat.Bytes()
	}
	for _, p := range w.back {
		n += p.Bytes()
	}
	return n
}

// NewDepthwiseGrad plans the gradients of NewDepthwise's convolution.
func NewDepthwiseGrad(s Conv2D) *DepthwiseGrad {
	forward := NewDepthwise(s)
	taps := s.KH * s.KW
	g := &DepthwiseGrad{shape: s, oh: forward.oh, ow: forward.ow, turned: countDown(taps)}
	back := s
	back.H, back.W = g.oh, g.ow
	back.PT, back.PL = s.DH*(s.KH-1)-s.PT, s.DW*(s.KW-1)-s.PL
	back.PB, back.PR = s.DH*(s.KH-1)-s.PB, s.DW*(s.KW-1)-s.PR
	if s.SH > 1 || s.SW > 1 || min(back.PT, back.PL, back.PB, back.PR) < 0 {
		g.back = newDepthwiseTransposed(transposeOf(&s))
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

// Shape returns the shape of the convolution.
func (g *DepthwiseGrad) Shape() Conv2D { return g.shape }

// Pack packs the convolution's weights in any order for Input.
func (g *DepthwiseGrad) Pack(w []float32, order Order) *DepthwiseGradWeights {
	p := &DepthwiseGradWeights{}
	if g.flat != nil {
		p.flat = newDepthwiseWeights(g.shape.C, len(g.turned))
	} else {
		p.back = g.back.weights()
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
	} else {
		g.back.repack(p.back, w, nil, order)
	}
}

// check panics unless the weights are packed for this shape.
func (g *DepthwiseGrad) check(name string, p *DepthwiseGradWeights) {
	var ok bool
	if g.flat != nil {
		ok = p.flat != nil && p.flat.c == g.shape.C && p.flat.taps == len(g.turned)
	} else {
		ok = p.flat == nil && g.back.fits(p.back)
	}
	if !ok {
		panic("kernels: " + name + ": weights packed for another shape")
	}
}

// ScratchLen returns how many floats of scratch memory Weight needs.
func (g *DepthwiseGrad) ScratchLen() int { return g.shape.N * g.bands * g.blocks * g.partial() }

// partial returns the floats of a part of the sums of a block of channels.
func (g *DepthwiseGrad) partial() int { return len(g.offs) * laneBlock }

// depthwiseGradTask computes the weights' gradient. Its tiles are parts of the sums of blocks of channels; or, with adding, blocks of channels.
type depthwiseGradTask struct {
	plan    *DepthwiseGrad
	isa     ISA
	lanes   int
	dst, dy *float32
	src     *float32
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
	} else {
		g.back.run(t, dx, dy, w.back, Act{})
	}
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
	if k.adding {
		k.add(i)
		return
	}
	size := g.rows*g.rowSize + g.band*g.ow*laneBlock
	if len(k.copies[worker]) < g.group*size {
		k.copies[worker] = aligned(g.group * size)
	}
	from := i % k.groups * g.group
	k.part(k.copies[worker], i/k.groups, from, min(g.group, g.blocks-from))
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
