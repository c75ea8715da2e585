package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// ConvGrad is the gradients of a convolution, planned for one shape. It does not change, and may be shared. Gradients of depthwise convolutions have
// a kernel of their own, DepthwiseGrad.
//
// The gradient of the input is a convolution of the outputs' gradient with the window turned by half a turn: with stride 1 by Winograd's algorithm or
// directly, as the shape suggests, otherwise a transposed one.
type ConvGrad struct {
	weightGrad
	conv       *Conv
	winograd   *Winograd
	transposed *ConvTranspose
	turned     []int // taps, last first
}

// GradWeights are a convolution's weights, packed for the gradient of its input.
type GradWeights struct {
	conv       *Weights
	winograd   *WinogradWeights
	transposed *TransposedWeights
}

// Bytes returns the memory that the packed weights take.
func (w *GradWeights) Bytes() int {
	switch {
	case w.winograd != nil:
		return w.winograd.Bytes()
	case w.conv != nil:
		return w.conv.Bytes()
	}
	return w.transposed.Bytes()
}

// NewConvGrad plans the gradients of NewConv's convolution. It panics on an impossible shape.
func NewConvGrad(s Conv2D) *ConvGrad {
	checkConv("ConvGrad", &s)
	oh, ow := s.OH(), s.OW()
	g := &ConvGrad{weightGrad: newWeightGrad(s)}
	back := s
	back.H, back.W, back.C, back.O = oh, ow, s.O, s.C
	back.PT, back.PL = s.DH*(s.KH-1)-s.PT, s.DW*(s.KW-1)-s.PL
	back.PB, back.PR = s.DH*(s.KH-1)-s.PB, s.DW*(s.KW-1)-s.PR
	switch {
	case s.SH > 1 || s.SW > 1 || min(back.PT, back.PL, back.PB, back.PR) < 0:
		g.transposed = newGemmTranspose(transposeOf(&s))
	case WinogradSuits(back):
		g.winograd = NewWinograd(back)
	default:
		g.conv = NewConv(back)
	}
	g.turned = countDown(s.KH * s.KW)
	return g
}

// transposeOf returns the transpose of a convolution, which takes its outputs and gives its inputs.
func transposeOf(s *Conv2D) Transposed2D {
	t := Transposed2D{
		N: s.N, H: s.OH(), W: s.OW(), C: s.O, O: s.C, KH: s.KH, KW: s.KW, SH: s.SH, SW: s.SW, DH: s.DH, DW: s.DW,
		PT: s.PT, PL: s.PL, PB: s.PB, PR: s.PR, Groups: s.Groups,
	}
	t.AH, t.AW = s.H-t.OH(), s.W-t.OW()
	return t
}

// Shape returns the shape of the convolution.
func (g *ConvGrad) Shape() Conv2D { return g.shape }

// InputTile returns the side of the tiles by which Input is computed with Winograd's algorithm, or 0 if it is not.
func (g *ConvGrad) InputTile() int {
	if g.winograd == nil {
		return 0
	}
	return g.winograd.m
}

// Pack packs the convolution's weights in any order for Input.
func (g *ConvGrad) Pack(w []float32, order Order) *GradWeights {
	p := &GradWeights{}
	switch {
	case g.winograd != nil:
		p.winograd = g.winograd.weights()
	case g.conv != nil:
		p.conv = g.conv.weights(false)
	default:
		p.transposed = g.transposed.weights(false)
	}
	g.Repack(nil, p, w, order)
	return p
}

// Repack packs other weights, in any order, where Pack packed some. It does not allocate.
func (g *ConvGrad) Repack(t *Team, p *GradWeights, w []float32, order Order) {
	s := &g.shape
	cg, og, taps := s.C/s.Groups, s.O/s.Groups, s.KH*s.KW
	if len(w) < s.O*taps*cg {
		panic("kernels: ConvGrad.Repack: w too short")
	}
	g.check("ConvGrad.Repack", p)
	if g.winograd != nil {
		g.winograd.repack(t, p.winograd, convFilters(w, g.turned, taps, cg, order).turned(og))
		return
	}
	for i := range s.Groups {
		f := convFilters(w[i*og*taps*cg:], g.turned, taps, cg, order).turned(og)
		if g.conv != nil {
			p.conv.groups[i].repack(t, f, nil)
			continue
		}
		for j, b := range p.transposed.groups[i] {
			f.taps = g.transposed.phases[j].taps
			b.repack(t, f, nil)
		}
	}
}

// check panics unless the weights are packed for this shape.
func (g *ConvGrad) check(name string, p *GradWeights) {
	s := &g.shape
	ok := false
	switch {
	case g.winograd != nil:
		w := p.winograd
		ok = w != nil && w.m == g.winograd.m && w.r == s.KH && w.c == s.O && w.o == s.C
	case g.conv != nil:
		w := p.conv
		ok = w != nil && len(w.groups) == s.Groups && w.groups[0].K == s.KH*s.KW*s.O/s.Groups && w.groups[0].N == s.C/s.Groups
	case p.transposed != nil:
		g.transposed.check(name, p.transposed)
		ok = true
	}
	if !ok {
		panic("kernels: " + name + ": weights packed for another shape")
	}
}

// ScratchLen returns how many floats of scratch memory Input and Weight need at most, on that many threads.
func (g *ConvGrad) ScratchLen(threads int) int {
	return max(g.inputScratch(threads), g.scratchLen(threads))
}

func (g *ConvGrad) inputScratch(threads int) int {
	if g.winograd == nil {
		return 0
	}
	return g.winograd.ScratchLen(threads)
}

// Input computes dx[n,h,w,c] = Σ dy[n,y,x,o]·w[o,i,j,c] over y·SH + i·DH = h + PT, x·SW + j·DW = w + PL and the outputs o of c's group. It returns the bits
// of ref.ConvGradInput, or where InputTile is not 0 those of ref.Winograd with ref.TurnWeights.
//
// dy is [N,OH,OW,O], dx is [N,H,W,C], scratch has ScratchLen(t.Threads()) floats. dx, dy and scratch do not overlap.
func (g *ConvGrad) Input(t *Team, dx, dy []float32, w *GradWeights, scratch []float32) {
	s := &g.shape
	if len(dy) < s.N*g.oh*g.ow*s.O {
		panic("kernels: ConvGrad.Input: dy too short")
	}
	if len(dx) < s.N*s.H*s.W*s.C {
		panic("kernels: ConvGrad.Input: dx too short")
	}
	if len(scratch) < g.inputScratch(t.Threads()) {
		panic("kernels: ConvGrad.Input: scratch too short")
	}
	if !disjoint(dx[:s.N*s.H*s.W*s.C], dy[:s.N*g.oh*g.ow*s.O]) {
		panic("kernels: ConvGrad.Input: dx overlaps dy")
	}
	g.check("ConvGrad.Input", w)
	switch {
	case g.winograd != nil:
		g.winograd.Run(t, dx, dy, w.winograd, nil, Act{}, scratch)
	case g.conv != nil:
		g.conv.Run(t, dx, dy, w.conv, nil, Act{})
	default:
		g.transposed.Run(t, dx, dy, w.transposed, Act{})
	}
}

// Weight computes dw[o,i,j,c] = Σ_{n,y,x} dy[n,y,x,o]·src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c] and writes it in the order asked for. It returns the bits of
// ref.ConvGradWeight.
//
// dy is [N,OH,OW,O], src is [N,H,W,C], scratch has ScratchLen(t.Threads()) floats. dw overlaps nothing, nor does scratch.
func (g *ConvGrad) Weight(t *Team, dw, dy, src []float32, order Order, scratch []float32) {
	g.run("ConvGrad.Weight", t, dw, dy, src, order, scratch)
}

// Bias computes db[o] = Σ dy[n,y,x,o]. It returns the bits of ref.ConvGradBias. dy is [N,OH,OW,O]; db is [O] and does not overlap it.
func (g *ConvGrad) Bias(t *Team, db, dy []float32) {
	s := &g.shape
	if len(db) < s.O {
		panic("kernels: ConvGrad.Bias: db too short")
	}
	BiasGrad(t, db[:s.O], dy, s.N*g.oh*g.ow)
}

var one = [1]float32{1}

// BiasGrad computes db[o] = Σ_p dy[p,o] for positions p in order, in blocks. It returns the bits of ref.ConvGradBias. dy is [positions,len(db)].
func BiasGrad(t *Team, db, dy []float32, positions int) {
	o := len(db)
	if positions < 0 || !holds(len(dy), positions, o, o) {
		panic("kernels: BiasGrad: dy too short")
	}
	if o == 0 || positions == 0 {
		clear(db)
		return
	}
	if !disjoint(db, dy[:positions*o]) {
		panic("kernels: BiasGrad: db overlaps dy")
	}
	task := tnTasks.Get().(*tnTask)
	task.tnProblem = tnProblem{
		grad: &one[0], input: &dy[0], inputStep: 4 * o, outputs: 1, parts: 1, width: o, groups: 1, positions: positions, dst: &db[0], ldd: 4 * o,
	}
	b := packBuffers.Get().(*depthwiseCopy)
	n := o * tnPartials(o, positions, t.Threads())
	b.grow(n)
	task.run(t, b.data[:n])
	packBuffers.Put(b)
}

// weightGrad is the gradient of a convolution's weights.
type weightGrad struct {
	gradWindow
	swap bool
}

// newWeightGrad plans the gradient of the weights of a convolution.
func newWeightGrad(s Conv2D) weightGrad {
	g := weightGrad{gradWindow: gradWindow{shape: s, oh: s.OH(), ow: s.OW(), w: s.W}}
	if ref.ConvGradMerges(&s) {
		g.merged = true
		g.w = s.W + s.PL + s.PR
	}
	parts, width := g.parts()
	g.swap = tnSwaps(s.O/s.Groups, parts, width)
	return g
}

// parts returns the parts of the inputs and their width.
func (g *weightGrad) parts() (parts, width int) {
	s := &g.shape
	if g.merged {
		return s.KH, s.KW * s.C
	}
	return s.KH * s.KW, s.C / s.Groups
}

// padded returns the floats of the inputs with padding at both ends of the rows, 0 if they are used as they are.
func (g *weightGrad) padded() int {
	if g.w == g.shape.W {
		return 0
	}
	return g.shape.N * g.shape.H * g.w * g.shape.C
}

// size returns the number of weights.
func (g *weightGrad) size() int {
	return g.shape.O * g.shape.KH * g.shape.KW * (g.shape.C / g.shape.Groups)
}

// final says whether the sums are computed where they belong in the end.
func (g *weightGrad) final(order Order) bool {
	return !g.swap && (order == OrderNHWC || g.shape.KH*g.shape.KW == 1)
}

func (g *weightGrad) scratchLen(threads int) int {
	s := &g.shape
	n := g.padded() + g.size()*tnPartials(g.size(), s.N*g.oh*g.ow, threads)
	if !g.final(OrderNHWC) || !g.final(OrderONNX) {
		n += g.size()
	}
	return n
}

func (g *weightGrad) run(name string, t *Team, dw, dy, src []float32, order Order, scratch []float32) {
	s := &g.shape
	positions, size := s.N*g.oh*g.ow, g.size()
	cg, og, taps := s.C/s.Groups, s.O/s.Groups, s.KH*s.KW
	if len(src) < s.N*s.H*s.W*s.C {
		panic("kernels: " + name + ": src too short")
	}
	if len(dy) < positions*s.O {
		panic("kernels: " + name + ": dy too short")
	}
	if len(dw) < size {
		panic("kernels: " + name + ": dw too short")
	}
	if len(scratch) < g.scratchLen(t.Threads()) {
		panic("kernels: " + name + ": scratch too short")
	}
	dw, dy, src, scratch = dw[:size], dy[:positions*s.O], src[:s.N*s.H*s.W*s.C], scratch[:g.scratchLen(t.Threads())]
	if !disjoint(dw, dy) || !disjoint(dw, src) {
		panic("kernels: " + name + ": dw overlaps dy or src")
	}
	if !disjoint(scratch, dw) || !disjoint(scratch, dy) || !disjoint(scratch, src) {
		panic("kernels: " + name + ": scratch overlaps dw, dy or src")
	}
	if positions == 0 {
		clear(dw)
		return
	}
	if n := g.padded(); n > 0 {
		padColumns(t, scratch[:n], src, s)
		src, scratch = scratch[:n], scratch[n:]
	}
	sums := dw
	if !g.final(order) {
		sums, scratch = scratch[:size], scratch[size:]
	}
	task := tnTasks.Get().(*tnTask)
	parts, width := g.parts()
	task.tnProblem = tnProblem{
		grad: &dy[0], input: &src[0], gradStep: 4 * s.O, inputStep: 4 * s.SW * s.C, outputs: og, parts: parts, width: width,
		groups: s.Groups, gradGroup: 4 * og, inGroup: 4 * cg, window: &g.gradWindow, positions: positions,
		dst: &sums[0], ldd: 4 * taps * cg, dstGroup: 4 * og * taps * cg, swap: g.swap,
	}
	if g.swap {
		task.ldd = 4 * og
	}
	task.run(t, scratch[:size*tnPartials(size, positions, t.Threads())])
	if !g.final(order) {
		k := orderTasks.Get().(*orderTask)
		*k = orderTask{dw, sums, g, order}
		t.Run(k, s.Groups*((og+panel-1)/panel))
		*k = orderTask{}
		orderTasks.Put(k)
	}
}

// orderTask puts sums in order. Its tiles are 16 outputs of a group.
type orderTask struct {
	dst, src []float32
	grad     *weightGrad
	order    Order
}

var orderTasks = poolOf[orderTask]()

func (k *orderTask) Tile(i, _ int) {
	g, s := k.grad, &k.grad.shape
	cg, og, taps := s.C/s.Groups, s.O/s.Groups, s.KH*s.KW
	row := taps * cg
	per := (og + panel - 1) / panel
	group, first := i/per, i%per*panel
	n := min(panel, og-first)
	dst, src := k.dst[group*og*row:][:og*row], k.src[group*og*row:][:og*row]
	switch {
	case !g.swap:
		for o := first; o < first+n; o++ {
			transposeTile(dst[o*row:], taps, src[o*row:], cg, taps, cg)
		}
	case k.order == OrderNHWC || taps == 1:
		transposeTile(dst[first*row:], row, src[first:], og, row, n)
	default:
		b := packBuffers.Get().(*depthwiseCopy)
		b.grow(panel * row)
		transposeTile(b.data, row, src[first:], og, row, n)
		for o := range n {
			transposeTile(dst[(first+o)*row:], taps, b.data[o*row:], cg, taps, cg)
		}
		packBuffers.Put(b)
	}
}
