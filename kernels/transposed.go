package kernels

import (
	"math"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// Transposed2D is the shape of a transposed convolution.
type Transposed2D = ref.Transposed2D

// ConvTranspose is a transposed convolution planned for one shape. The outputs that lie a stride apart from one another form a phase: each
// phase is a convolution of stride 1 with every SH-th row and SW-th column of the window (Shi et al.: Is the deconvolution layer the same as a convolutional
// layer?, 2016), and runs as a GEMM over tables of row pointers, which writes to its own places in dst; or, where each channel has a window of its
// own, as a depthwise one; or, where a group has few outputs, by planes of the input's rows. It does not change, and may be shared.
type ConvTranspose struct {
	shape  Transposed2D
	oh, ow int
	deep   *depthwiseTransposed // in place of all that follows,
	planar *planes              // and so is this
	phases []phase
	blocks []phaseBlock
	zero   []float32
}

// phase is the outputs y0, y0+SH, ... by x0, x0+SW, ...
type phase struct {
	y0, x0 int
	th, tw int   // taps down and across
	dp, dq int   // input rows and columns from one tap to the one before
	taps   []int // th·tw of the window, last first
	rows   int   // output rows
	cols   int   // outputs in a row
	p, q   int   // input row and column that the first tap meets at output y0, x0
}

func (f *phase) k(cg int) int { return f.th * f.tw * cg }

// phaseBlock is some outputs of a phase that are treated at once.
type phaseBlock struct {
	phase int
	lines []gemmLine
}

// lineCols is the most outputs of one row in a line.
const lineCols = 512

// NewConvTranspose plans a transposed convolution. It panics on an impossible shape.
func NewConvTranspose(s Transposed2D) *ConvTranspose {
	c := newConvTranspose(s)
	s = c.shape
	rows := float64(s.DH*(s.KH-1)/s.SH+1) * float64(s.C) * float64(s.W+s.DW*(s.KW-1))
	switch {
	case s.C == s.Groups && s.O == s.C && s.C >= wideC:
		c.deep = newDepthwiseTransposed(s)
	case planarSuits(s.O/s.Groups, s.Groups, (c.ow+s.SW-1)/s.SW, s.KH*s.KW, rows):
		c.planar = newTransposedPlanes(s)
	default:
		c.plan()
	}
	return c
}

// newGemmTranspose plans a transposed convolution as products of matrices.
func newGemmTranspose(s Transposed2D) *ConvTranspose {
	c := newConvTranspose(s)
	c.plan()
	return c
}

// newConvTranspose checks a shape.
func newConvTranspose(s Transposed2D) *ConvTranspose {
	s.DH, s.DW = max(s.DH, 1), max(s.DW, 1)
	if s.N < 0 || s.H < 1 || s.W < 1 || s.C < 1 || s.O < 1 || s.KH < 1 || s.KW < 1 || s.SH < 1 || s.SW < 1 ||
		s.PT < 0 || s.PL < 0 || s.PB < 0 || s.PR < 0 || s.AH < 0 || s.AW < 0 {
		panic("kernels: ConvTranspose: bad shape")
	}
	if s.Groups < 1 || s.C%s.Groups != 0 || s.O%s.Groups != 0 {
		panic("kernels: ConvTranspose: groups do not divide the channels")
	}
	if max(s.PT, s.PL, s.PB, s.PR, s.AH, s.AW) > mostSize || !within(2*mostSize, s.H, s.SH) || !within(2*mostSize, s.W, s.SW) ||
		!within(mostSize, s.KH, s.DH) || !within(mostSize, s.KW, s.DW) {
		panic("kernels: ConvTranspose: shape too large")
	}
	if s.OH() < 1 || s.OW() < 1 {
		panic("kernels: ConvTranspose: no output is left")
	}
	tables := atMost(math.MaxInt32, s.H, s.W, s.C) // hold a picture's offsets
	if !tables || !addressable(s.N, s.H, s.W, s.C) || !addressable(s.N, s.OH(), s.OW(), s.O) || !addressable(s.O, s.KH, s.KW, s.C/s.Groups) {
		panic("kernels: ConvTranspose: shape too large")
	}
	return &ConvTranspose{shape: s, oh: s.OH(), ow: s.OW(), zero: make([]float32, s.C/s.Groups)}
}

// plan makes the phases and their blocks.
func (c *ConvTranspose) plan() {
	c.phases = phasesOf(&c.shape)
	c.planBlocks()
}

// phasesOf returns a shape's phases, row by row.
func phasesOf(s *Transposed2D) []phase {
	var phases []phase
	oh, ow := s.OH(), s.OW()
	for y0 := range min(s.SH, oh) {
		for x0 := range min(s.SW, ow) {
			f := phase{y0: y0, x0: x0}
			var i, j, si, sj int
			i, si, f.th, f.p, f.dp = phaseTaps(y0+s.PT, s.KH, s.SH, s.DH)
			j, sj, f.tw, f.q, f.dq = phaseTaps(x0+s.PL, s.KW, s.SW, s.DW)
			if f.th == 0 || f.tw == 0 {
				f.th, f.tw = 0, 0
			}
			for u := f.th - 1; u >= 0; u-- {
				for v := f.tw - 1; v >= 0; v-- {
					f.taps = append(f.taps, (i+u*si)*s.KW+j+v*sj)
				}
			}
			f.rows, f.cols = (oh-y0+s.SH-1)/s.SH, (ow-x0+s.SW-1)/s.SW
			phases = append(phases, f)
		}
	}
	return phases
}

// phaseTaps returns the taps of a window of k, d apart, that meet inputs, s apart, at the output at: the first one, the step and the number; and the
// input that the first meets, and how many inputs the next lies before it.
func phaseTaps(at, k, s, d int) (first, step, n, input, back int) {
	if k == 1 {
		d = 1 // no step is taken
	}
	for first = 0; first < k; first++ {
		if (at-first*d)%s == 0 {
			break
		}
	}
	both := s // the greatest common divisor
	for rest := d; rest != 0; {
		both, rest = rest, both%rest
	}
	if step = s / both; first < k {
		n = (k-first-1)/step + 1
	}
	return first, step, n, (at - first*d) / s, d / both
}

// Shape returns what the transposed convolution was planned for.
func (c *ConvTranspose) Shape() Transposed2D { return c.shape }

// planBlocks makes the blocks, going down the picture with all phases side by side, and a table for each pattern of rows outside the picture.
func (c *ConvTranspose) planBlocks() {
	s := &c.shape
	type pattern struct{ phase, top, bottom int }
	shared := map[pattern][]int32{}
	rows, cols := c.phases[0].rows, c.phases[0].cols // no phase has more
	pieces := (cols + lineCols - 1) / lineCols
	width := (cols + pieces - 1) / pieces
	per := max(1, min(rows, blockRows(rows*width, s.C, 12)/width))
	chunks := (rows + per - 1) / per
	per = (rows + chunks - 1) / chunks
	for first := 0; first < rows; first += per {
		for i := range c.phases {
			f := &c.phases[i]
			for x := 0; x < f.cols; x += width {
				b := phaseBlock{phase: i}
				for r := first; r < min(first+per, f.rows); r++ {
					low := f.p + r - (f.th-1)*f.dp // first input row
					top := min(f.th, (max(0, -low)+f.dp-1)/f.dp)
					bottom := min(f.th-top, (max(0, low+(f.th-1)*f.dp-s.H+1)+f.dp-1)/f.dp)
					t := shared[pattern{i, top, bottom}]
					if t == nil {
						t = c.table(f, top, bottom)
						shared[pattern{i, top, bottom}] = t
					}
					base := 0
					if top+bottom < f.th {
						base = (low + top*f.dp) * s.W * s.C
					}
					b.lines = append(b.lines, gemmLine{
						a: 4 * base, c: 4 * ((f.y0+r*s.SH)*c.ow + f.x0 + x*s.SW) * s.O, offs: &t[x], rows: min(width, f.cols-x),
					})
				}
				if len(b.lines) > 0 {
					c.blocks = append(c.blocks, b)
				}
			}
		}
	}
}

// table returns the offsets [th·tw][cols] of one row of a phase's outputs, counted from the first input row inside, where top and bottom rows
// of its window are outside.
func (c *ConvTranspose) table(f *phase, top, bottom int) []int32 {
	s := &c.shape
	t := make([]int32, max(1, f.th*f.tw)*f.cols)
	for u := range f.th {
		for v := range f.tw {
			for x := range f.cols {
				q := f.q + x - (f.tw-1-v)*f.dq
				o := int32(-1)
				if u >= top && u < f.th-bottom && q >= 0 && q < s.W {
					o = int32(((u-top)*f.dp*s.W + q) * s.C)
				}
				t[(u*f.tw+v)*f.cols+x] = o
			}
		}
	}
	return t
}

// TransposedWeights are a transposed convolution's weights and bias, packed.
type TransposedWeights struct {
	groups [][]*Packed         // [Groups][phases]
	deep   []*DepthwiseWeights // [phases]
	planar *planarWeights
}

// Bytes returns the memory that the packed weights take.
func (w *TransposedWeights) Bytes() int {
	n := 0
	for _, g := range w.groups {
		for _, p := range g {
			n += p.Bytes()
		}
	}
	for _, p := range w.deep {
		n += p.Bytes()
	}
	if w.planar != nil {
		n += w.planar.bytes()
	}
	return n
}

// Pack packs w, [O,KH,KW,C/Groups], and bias, [O] or nil.
func (c *ConvTranspose) Pack(w, bias []float32) *TransposedWeights {
	s := &c.shape
	filter := s.KH * s.KW * s.C / s.Groups
	if len(w) < s.O*filter {
		panic("kernels: ConvTranspose.Pack: w too short")
	}
	if bias != nil && len(bias) < s.O {
		panic("kernels: ConvTranspose.Pack: bias too short")
	}
	p := c.weights(bias != nil)
	c.Repack(nil, p, w, bias, OrderNHWC)
	return p
}

// weights returns memory for packed weights.
func (c *ConvTranspose) weights(bias bool) *TransposedWeights {
	s := &c.shape
	if c.deep != nil {
		return &TransposedWeights{deep: c.deep.weights()}
	}
	if c.planar != nil {
		return &TransposedWeights{planar: c.planar.memory()}
	}
	p := &TransposedWeights{groups: make([][]*Packed, s.Groups)}
	for g := range s.Groups {
		for i := range c.phases {
			p.groups[g] = append(p.groups[g], emptyPacked(c.phases[i].k(s.C/s.Groups), s.O/s.Groups, bias))
		}
	}
	return p
}

// transposedTask is a transposed convolution's group being computed. Its tiles are blocks of a phase by groups of panels.
type transposedTask struct {
	args          asm.GemmArgs // of the first output and column
	plan          *ConvTranspose
	weights       []*Packed
	n             int // columns
	groups, width int // of panels
	src, dst      int // bytes from one picture to the next
}

var transposedTasks = poolOf[transposedTask]()

// Run computes dst[n,y,x,o] = act(bias[o] + Σ src[n,p,q,c]·w[o,i,j,c]) over p·SH+i = y+PT, q·SW+j = x+PL. It returns the bits of ref.ConvTranspose.
//
// src is [N,H,W,C], dst is [N,OH,OW,O]; they do not overlap.
func (c *ConvTranspose) Run(t *Team, dst, src []float32, w *TransposedWeights, act Act) {
	s := &c.shape
	og, cg := s.O/s.Groups, s.C/s.Groups
	if len(src) < s.N*s.H*s.W*s.C {
		panic("kernels: ConvTranspose.Run: src too short")
	}
	if len(dst) < s.N*c.oh*c.ow*s.O {
		panic("kernels: ConvTranspose.Run: dst too short")
	}
	checkAct("ConvTranspose.Run", act)
	c.check("ConvTranspose.Run", w)
	if !disjoint(dst[:s.N*c.oh*c.ow*s.O], src[:s.N*s.H*s.W*s.C]) {
		panic("kernels: ConvTranspose.Run: dst overlaps src")
	}
	if s.N == 0 {
		return
	}
	if c.deep != nil {
		c.deep.run(t, dst, src, w.deep, act)
		return
	}
	if c.planar != nil {
		c.planar.run(t, dst, src, w.planar, nil, act)
		return
	}
	task := transposedTasks.Get().(*transposedTask)
	task.plan, task.n, task.src, task.dst = c, og, 4*s.H*s.W*s.C, 4*c.oh*c.ow*s.O
	task.groups, task.width = panelGroups(t, og, len(c.blocks)*s.N)
	for g, part := range w.groups {
		task.weights = part
		task.args = asm.GemmArgs{
			A: &src[g*cg], Zero: &c.zero[0], C: &dst[g*og], LDC: 4 * s.O * s.SW, K: cg,
			Act: int(act.Kind), Lo: act.Lo, Hi: act.Hi, Alpha: act.Alpha,
		}
		t.Run(task, s.N*len(c.blocks)*task.groups)
	}
	*task = transposedTask{}
	transposedTasks.Put(task)
}

// Tile computes one block in one group of panels.
func (d *transposedTask) Tile(i, _ int) {
	group := i % d.groups
	i /= d.groups
	b := &d.plan.blocks[i%len(d.plan.blocks)]
	picture := i / len(d.plan.blocks)
	f, w := &d.plan.phases[b.phase], d.weights[b.phase]
	isa := use[OpGemm]
	height, _ := gemmShape(isa)
	if w.K*w.N > streamed {
		height = streamRows(isa, false)
	}
	x := d.args
	first := group * d.width
	x.A = add(x.A, picture*d.src)
	x.C = add(x.C, picture*d.dst+4*panel*first)
	x.BPanel = 4 * panel * w.K
	x.B, x.Bias = add(ptr(w.data), first*x.BPanel), add(ptr(w.bias), 4*panel*first)
	x.Steps, x.OffStride, x.OffStep = f.th*f.tw, 4*f.cols, 4*height
	gemmLines(isa, &x, min(d.n, (first+d.width)*panel)-first*panel, height, b.lines)
}
