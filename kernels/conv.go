package kernels

import (
	"github.com/ocellus-vision/ocellus/asm"
)

// Conv is a convolution planned for one shape: the tables of row pointers that let it run as a GEMM without copying
// patches (Dukhan: The indirect convolution algorithm, 2019). It does not change, and may be shared.
type Conv struct {
	shape  Conv2D
	oh, ow int
	taps   []int
	steps  int // entries of a table per output position
	k      int // contiguous floats per step
	merged bool
	copied bool // blocks copy the input rows that they reach, see padding
	w      int  // row length in pixels of what the tables index: W, or with horizontal padding written out
	blocks []convBlock
	zero   []float32
	even   []gemmLine // of the highest block, where blocks may copy rows outside the picture, too, and all rows of outputs are alike; nil where they do not
}

// convBlock is some whole rows of output positions.
type convBlock struct {
	row, rows int // first output position, and how many
	first, in int // first input row, from which the table counts, and how many the windows reach
	above     int // rows that they reach above the picture, and
	reach     int // in all
	stride    int // entries from one step to the next
	table     []int32
}

// mergeChannels is the most channels at which the positions of a kernel row are read as one run, as runs of so few floats are too short for the loop over
// them; copyChannels is the most where this takes a copy that there would not be otherwise, for the padding at the sides.
const (
	mergeChannels = 16
	copyChannels  = 7
)

// NewConv plans a convolution. Depthwise ones (C == O == Groups) have a kernel of their own. It panics on an impossible shape.
func NewConv(s Conv2D) *Conv { return newConv(s, false) }

// newConv plans a convolution. Its blocks copy input rows where copied says so, and where rows are read with padding.
func newConv(s Conv2D, copied bool) *Conv {
	checkConv("Conv", &s)
	c := &Conv{shape: s, oh: s.OH(), ow: s.OW(), w: s.W, taps: count(s.KH * s.KW), copied: copied}
	cg := s.C / s.Groups
	c.steps, c.k = s.KH*s.KW, cg
	if s.Groups == 1 && s.KW > 1 && s.DW == 1 && s.C <= mergeChannels && (s.C <= copyChannels || copied || s.PL+s.PR == 0) {
		c.merged = true
		c.steps, c.k = s.KH, s.KW*s.C
		c.w = s.W + s.PL + s.PR
		c.copied = copied || c.w > s.W
	}
	c.zero = make([]float32, c.k)
	if c.dense() {
		return c
	}
	c.tables()
	if c.copied && !copied && c.ow >= evenOutputs && c.steps*c.k <= evenSum && s.DH*(s.KH-1) < s.H {
		offs := make([]int32, c.steps*maxRows) // of neighbouring outputs of a row
		for i := range offs {
			offs[i] = int32(i/maxRows*s.DH*c.row() + i%maxRows*s.SW*s.C)
		}
		for y := range c.blocks[0].rows / c.ow {
			c.even = append(c.even, gemmLine{a: 4 * y * s.SH * c.row(), c: 4 * y * c.ow * s.O, offs: &offs[0], rows: c.ow})
		}
	}
	return c
}

// stepA is GemmArgs.StepA of even rows.
func (c *Conv) stepA() int { return 4 * (c.shape.DH*c.row() - c.k) }

const (
	evenOutputs = 128  // of a row, whose last tile does not matter then
	evenSum     = 1024 // products, whose sums stay in registers
)

// dense says whether the rows of A are simply the pixels.
func (c *Conv) dense() bool {
	s := &c.shape
	return s.KH == 1 && s.KW == 1 && s.SH == 1 && s.SW == 1 && s.PT|s.PL|s.PB|s.PR == 0 && c.oh == s.H && c.ow == s.W
}

// Shape returns what the convolution was planned for.
func (c *Conv) Shape() Conv2D { return c.shape }

// row returns the floats from one input row to the next as the tables count.
func (c *Conv) row() int { return c.w * c.shape.C }

const (
	copyFloats   = 1 << 16 // copied floats that leave room for others in the second-level cache
	tableEntries = 1 << 18 // of a block's table, if one row has not more
)

// tables makes the blocks of output rows, and a table for each pattern of rows outside the picture.
func (c *Conv) tables() {
	s := &c.shape
	type pattern struct{ rows, top, bottom, shift int }
	shared := map[pattern][]int32{}
	reach := s.DH*(s.KH-1) + 1
	per := max(1, blockRows(c.oh*c.ow, s.C*s.SH*s.SW, shortBlock)/c.ow)
	if c.copied {
		again := max(0, reach-s.SH)        // input rows that a block and the next one copy
		twice := (again + s.SH - 1) / s.SH // output rows of blocks that copy a row twice on average
		higher := max(twice, min(2*twice, (copyFloats/c.row()-again)/s.SH))
		per = max(per, min(higher, tableEntries/(c.steps*c.ow)))
	}
	per = min(per, c.oh)
	// Even blocks, so that threads get equal shares.
	per = (c.oh + (c.oh+per-1)/per - 1) / ((c.oh + per - 1) / per)
	for y := 0; y < c.oh; y += per {
		n := min(per, c.oh-y)
		top := y*s.SH - s.PT // input row of the block's first kernel row
		base := max(0, top)
		end := top + (n-1)*s.SH + reach
		// Blocks whose windows leave the picture alike share a table.
		low := max(0, end-s.H)
		p := pattern{n, base - top, low, 0}
		if base-top > 0 || low > 0 {
			p.shift = top // edges may cut differently: keep their own
		}
		b := convBlock{row: y * c.ow, rows: n * c.ow, first: min(base, s.H-1), in: max(0, min(end, s.H)-base), stride: n * c.ow, table: shared[p]}
		b.above, b.reach = min(end-top, base-top), end-top
		if b.table == nil {
			b.table = c.table(y, n, base)
			shared[p] = b.table
		}
		c.blocks = append(c.blocks, b)
	}
}

// table returns the offsets [steps][rows·OW] of the output rows from y on, counted from input row base.
func (c *Conv) table(y, rows, base int) []int32 {
	s := &c.shape
	n := rows * c.ow
	t := make([]int32, c.steps*n)
	step := 0
	for i := range s.KH {
		for j := range s.KW {
			if c.merged && j > 0 {
				break
			}
			for r := range rows {
				iy := (y+r)*s.SH - s.PT + i*s.DH
				for x := range c.ow {
					ix := x*s.SW - s.PL + j*s.DW
					if c.merged {
						ix = x * s.SW
					}
					o := int32(-1)
					if iy >= 0 && iy < s.H && ix >= 0 && (c.merged || ix < s.W) {
						o = int32(((iy-base)*c.w + ix) * s.C)
					}
					t[step*n+r*c.ow+x] = o
				}
			}
			step++
		}
	}
	return t
}

// Weights are a convolution's weights and bias, packed.
type Weights struct {
	groups []*Packed
}

// Bytes returns the memory that the packed weights take.
func (w *Weights) Bytes() int {
	n := 0
	for _, g := range w.groups {
		n += g.Bytes()
	}
	return n
}

// Pack packs w, [O,KH,KW,C/Groups], and bias, [O] or nil.
func (c *Conv) Pack(w, bias []float32) *Weights { return c.pack(w, bias, false) }

// PackInPlace is Pack that leaves the packed weights where w was, as far as PackBTInPlace can. w must not be used afterwards.
func (c *Conv) PackInPlace(w, bias []float32) *Weights { return c.pack(w, bias, true) }

func (c *Conv) pack(w, bias []float32, inPlace bool) *Weights {
	s := &c.shape
	k := s.KH * s.KW * s.C / s.Groups
	if len(w) < s.O*k {
		panic("kernels: Conv.Pack: w too short")
	}
	if bias != nil && len(bias) < s.O {
		panic("kernels: Conv.Pack: bias too short")
	}
	if !inPlace {
		p := c.weights(bias != nil)
		c.Repack(nil, p, w, bias, OrderNHWC)
		return p
	}
	og := s.O / s.Groups
	p := &Weights{}
	for g := range s.Groups {
		var b []float32
		if bias != nil {
			b = bias[g*og : (g+1)*og]
		}
		p.groups = append(p.groups, PackBTInPlace(w[g*og*k:(g+1)*og*k], k, og, b))
	}
	return p
}

// weights returns memory for packed weights.
func (c *Conv) weights(bias bool) *Weights {
	s := &c.shape
	p := &Weights{}
	for range s.Groups {
		p.groups = append(p.groups, emptyPacked(s.KH*s.KW*(s.C/s.Groups), s.O/s.Groups, bias))
	}
	return p
}

// Run computes dst[n,y,x,o] = act(bias[o] + Σ src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c]·w[o,i,j,c] + res[n,y,x,o]). It returns the bits of
// ref.Convolve.
//
// src is [N,H,W,C], dst and res are [N,OH,OW,O]; res may be nil, or dst itself. dst and src do not overlap.
func (c *Conv) Run(t *Team, dst, src []float32, w *Weights, res []float32, act Act) {
	s := &c.shape
	og, cg := s.O/s.Groups, s.C/s.Groups
	pixels := c.oh * c.ow
	if len(src) < s.N*s.H*s.W*s.C {
		panic("kernels: Conv.Run: src too short")
	}
	if len(dst) < s.N*pixels*s.O {
		panic("kernels: Conv.Run: dst too short")
	}
	if res != nil && len(res) < s.N*pixels*s.O {
		panic("kernels: Conv.Run: res too short")
	}
	checkAct("Conv.Run", act)
	if len(w.groups) != s.Groups || w.groups[0].K != s.KH*s.KW*cg || w.groups[0].N != og {
		panic("kernels: Conv.Run: weights packed for another shape")
	}
	out, in := dst[:s.N*pixels*s.O], src[:s.N*s.H*s.W*s.C]
	if !disjoint(out, in) {
		panic("kernels: Conv.Run: dst overlaps src")
	}
	if res != nil && !apart(out, res[:len(out)]) {
		panic("kernels: Conv.Run: dst overlaps res")
	}
	if s.N == 0 {
		return
	}
	if c.dense() {
		for g, b := range w.groups {
			var r []float32
			if res != nil {
				r = res[g*og:]
			}
			Gemm(t, dst[g*og:], s.O, src[g*cg:], s.C, s.N*pixels, b, r, s.O, act)
		}
		return
	}
	for g, b := range w.groups {
		task := gemmTasks.Get().(*gemmTask)
		var r *float32
		if res != nil {
			r = &res[g*og]
		}
		task.args = asm.GemmArgs{
			A: &src[g*cg], Zero: &c.zero[0], B: ptr(b.data), Bias: ptr(b.bias), C: &dst[g*og], Res: r,
			LDC: 4 * s.O, LDR: 4 * s.O, K: c.k, Steps: c.steps,
		}
		task.setAct(act)
		task.n, task.packedK = b.N, b.K
		task.plan, task.blocks = c, len(c.blocks)
		if c.copied {
			task.padding = newPadding(in, s)
		}
		task.image.dst, task.image.res = 4*pixels*s.O, 4*pixels*s.O
		task.tiles, task.size = use[OpGemm], 4
		task.runBlocks(t, s.N)
		task.free()
	}
}

// padding writes rows of pictures anew, with what lies outside at both ends, and pixels as wide as tiles read them.
type padding struct {
	src         []byte
	c, wide     int // bytes of a pixel in src, and as it is written
	w           int // pixels of a row in src
	left, right int // pixels outside
	outside     byte
}

// newPadding returns the padding of src, [N,H,W,C], to [N,H,PL+W+PR,C] with zeros in the new columns.
func newPadding(src []float32, s *Conv2D) padding {
	return padding{src: bytesOf(src), c: 4 * s.C, wide: 4 * s.C, w: s.W, left: s.PL, right: s.PR}
}

// row returns the bytes of a row as it is written.
func (p *padding) row() int { return (p.left + p.w + p.right) * p.wide }

// write writes n rows of those of all pictures, from first on.
func (p *padding) write(dst []byte, first, n int) {
	row := p.row()
	for r := range n {
		d, src := dst[r*row:][:row], p.src[(first+r)*p.w*p.c:][:p.w*p.c]
		set(d[:p.left*p.wide], p.outside)
		set(d[(p.left+p.w)*p.wide:], p.outside)
		d = d[p.left*p.wide:][:p.w*p.wide]
		if p.c == p.wide {
			copy(d, src)
		} else {
			widen(d, src, p.wide, p.c, p.c)
		}
	}
}

// writeAll writes reach rows, of which the first above and those behind the n of a picture from first on lie outside.
func (p *padding) writeAll(dst []byte, first, n, above, reach int) {
	row := p.row()
	set(dst[:above*row], p.outside)
	p.write(dst[above*row:], first, n)
	set(dst[(above+n)*row:reach*row], p.outside)
}

// set fills b with v.
func set(b []byte, v byte) {
	if v == 0 {
		clear(b)
		return
	}
	if len(b) == 0 {
		return
	}
	b[0] = v
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// padTask pads whole pictures.
type padTask struct {
	padding
	dst []byte
}

var padTasks = poolOf[padTask]()

// padColumns copies src, [N,H,W,C], to dst, [N,H,PL+W+PR,C], with zeros in the new columns.
func padColumns(t *Team, dst, src []float32, s *Conv2D) {
	p := padTasks.Get().(*padTask)
	*p = padTask{newPadding(src, s), bytesOf(dst)}
	rows := s.N * s.H
	t.Run(p, (rows+padRows-1)/padRows)
	*p = padTask{}
	padTasks.Put(p)
}

const padRows = 32

func (p *padTask) Tile(i, _ int) {
	row, first := p.row(), i*padRows
	p.write(p.dst[first*row:], first, min(padRows, len(p.dst)/row-first))
}

// Local is a locally connected layer planned for one shape.
type Local struct {
	conv *Conv
}

// LocalWeights are the packed weights of a locally connected layer: one matrix for each output position.
type LocalWeights struct {
	k, n int
	data []float32 // [positions][⌈O/16⌉][K][16]
	bias []float32 // [positions][⌈O/16⌉·16] or nil
}

// Bytes returns the memory that the packed weights take.
func (w *LocalWeights) Bytes() int { return 4 * (len(w.data) + len(w.bias)) }

// suit says whether weights were packed for such a layer.
func (w *LocalWeights) suit(c *Conv) bool {
	wide := wholePanels(c.shape.O)
	return w.k == c.steps*c.k && w.n == c.shape.O && len(w.data) == c.oh*c.ow*w.k*wide
}

// NewLocal plans a locally connected layer; Groups must be 1.
func NewLocal(s Conv2D) *Local {
	checkConv("Local", &s)
	checkPositions("Local", &s)
	if s.Groups != 1 {
		panic("kernels: Local: groups must be 1")
	}
	c := &Conv{shape: s, oh: s.OH(), ow: s.OW(), w: s.W, steps: s.KH * s.KW, k: s.C, zero: make([]float32, s.C)}
	c.blocks = []convBlock{{rows: c.oh * c.ow, stride: c.oh * c.ow, table: c.table(0, c.oh, 0)}}
	return &Local{c}
}

// Pack packs w, [OH,OW,O,KH,KW,C], and bias, [OH,OW,O] or nil.
func (l *Local) Pack(w, bias []float32) *LocalWeights {
	s, c := &l.conv.shape, l.conv
	positions, k := c.oh*c.ow, s.KH*s.KW*s.C
	if len(w) < positions*s.O*k {
		panic("kernels: Local.Pack: w too short")
	}
	if bias != nil && len(bias) < positions*s.O {
		panic("kernels: Local.Pack: bias too short")
	}
	wide := wholePanels(s.O)
	p := &LocalWeights{k: k, n: s.O, data: aligned(positions * wide * k)}
	if bias != nil {
		p.bias = aligned(positions * wide)
	}
	for pos := range positions {
		copy(p.data[pos*wide*k:], PackBT(w[pos*s.O*k:], k, k, s.O, nil).data)
		if bias != nil {
			copy(p.bias[pos*wide:], bias[pos*s.O:][:s.O])
		}
	}
	return p
}

// localTask computes output positions, one tile each.
type localTask struct {
	c    *Conv
	w    *LocalWeights
	args asm.GemmArgs
}

var localTasks = poolOf[localTask]()

// Run computes dst[n,y,x,o] = act(bias[y,x,o] + Σ src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c]·w[y,x,o,i,j,c]). It returns the bits of
// ref.LocallyConnected.
//
// src is [N,H,W,C], dst is [N,OH,OW,O]; they do not overlap.
func (l *Local) Run(t *Team, dst, src []float32, w *LocalWeights, act Act) {
	c, s := l.conv, &l.conv.shape
	positions := c.oh * c.ow
	if len(src) < s.N*s.H*s.W*s.C {
		panic("kernels: Local.Run: src too short")
	}
	if len(dst) < s.N*positions*s.O {
		panic("kernels: Local.Run: dst too short")
	}
	checkAct("Local.Run", act)
	if !w.suit(c) {
		panic("kernels: Local.Run: weights packed for another shape")
	}
	if !disjoint(dst[:s.N*positions*s.O], src[:s.N*s.H*s.W*s.C]) {
		panic("kernels: Local.Run: dst overlaps src")
	}
	if s.N == 0 {
		return
	}
	task := localTasks.Get().(*localTask)
	task.c, task.w = c, w
	task.args = asm.GemmArgs{
		A: &src[0], Zero: &c.zero[0], B: &w.data[0], Bias: ptr(w.bias), C: &dst[0],
		LDC: 4 * positions * s.O, K: c.k, Steps: c.steps, OffStride: 4 * positions,
		Act: int(act.Kind), Lo: act.Lo, Hi: act.Hi, Alpha: act.Alpha,
	}
	t.Run(task, positions)
	*task = localTask{}
	localTasks.Put(task)
}

// Tile computes one output position of every picture: its weights are read once.
func (l *localTask) Tile(pos, _ int) {
	s := &l.c.shape
	isa := use[OpGemm]
	_, per := gemmShape(isa)
	wide := wholePanels(s.O)
	for n := range s.N {
		for col := 0; col < s.O; col += per * panel {
			x := l.args
			x.A = add(x.A, 4*n*s.H*s.W*s.C)
			x.C = add(x.C, 4*((n*l.c.oh*l.c.ow+pos)*s.O+col))
			x.B = add(x.B, 4*(pos*wide+col)*l.w.k)
			x.Bias = add(x.Bias, 4*(pos*wide+col))
			x.BPanel = 4 * panel * l.w.k
			x.Offs = &l.c.blocks[0].table[pos]
			x.Cols = min(per*panel, s.O-col)
			x.Rows, x.Tiles = 1, 1
			gemmTile(isa, &x)
		}
	}
}
