package kernels

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// Depthwise is a depthwise convolution planned for one shape: each channel is convolved with a window of its own. It is immutable
// and may be shared.
type Depthwise struct {
	shape      Conv2D
	oh, ow     int
	window     depthwiseWindow
	runWindow  depthwiseWindow // of tiles that go through the channels themselves, and what they compute one after the other
	downWindow depthwiseWindow // the same of tiles that go down the rows
	classes    []columnClass
	rows, cols []int64    // byte offsets of the input rows and columns under each output row and column; far if outside
	zero       []float32  // what the outside is read from
	wide       *Depthwise // the same with wideC channels, where there are fewer
	taps       []int
	gather     *gathered // nil where pixels are read where they lie
}

// columnClass is every DW-th output column from one on, under which lies every DW-th input column: within a class the columns of a window are
// neighbours.
type columnClass struct {
	dst, src  int // first columns
	ow, width int // output and input columns
	pl        int // of the class's columns of padding at the left
}

// gathered is how a block of channels is computed after its pixels were copied to lie one after the other. It serves pixels that are
// a multiple of conflict bytes apart: all of a block's share a few sets of every cache.
type gathered struct {
	rows, cols []int64 // as in Depthwise, for pixels of one block of channels
	perStep    int     // output rows computed at once
	direct     bool    // tiles that go through the channels do without
	runRows    []int64 // as in Depthwise, for pixels gatherPixel apart
	runStep    int     // as perStep
}

// crowded says whether pixels of C channels, a multiple of conflict bytes, have to be gathered even for tiles that go through the channels.
// These read lines of several rows at once, which share two sets of a first-level cache, or one. Up to twice as many as the sets hold were seen to do no
// harm where these hold twelve, as each is used up before the next comes.
func crowded(s *Conv2D) bool {
	if !roomy {
		return true
	}
	const ways, columns = 12, 7
	sets := 2
	if 4*s.C*s.DW%page == 0 {
		sets = 1
	}
	return s.KH*((columns-1)*s.SW+s.KW) > 2*ways*sets
}

const (
	conflict     = 2048
	page         = 4096
	gatherBlocks = 8                               // blocks of channels copied together: a run of some cache lines
	gatherPixel  = (gatherBlocks + 1) * pixelBytes // an odd number of cache lines
	gatherBytes  = 128 << 10                       // of scratch memory
)

// depthwiseWindow names the tiles of asm.
type depthwiseWindow uint8

const (
	windowAny depthwiseWindow = iota
	window3S1
	window3S2
	window5S1
	window5S2
	window7S1
	window3S1Down
	window3S2Down
)

const (
	far        = -1 << 60 // offset of what is outside; the sum of two is still negative
	laneBlock  = 16       // channels of a block of packed weights
	wideC      = 8
	pixelBytes = 4 * laneBlock
	zeroSpan   = 17             // input pixels under the widest tile of asm
	smallTaps  = 1 << 12        // taps of a block of channels that are worth a tile
	largeTaps  = 12 * smallTaps // and as many as it should have: some tens of microseconds
	downTaps   = 32 * smallTaps // and where it goes down the rows
	bandRows   = 28             // output rows of such a tile: more would touch more pages than prefetchers follow
	nearBytes  = 512 << 10      // of a picture and its outputs that are likely to be in the second-level cache
	splitRows  = 14             // and where blocks share cache lines, which have to wait for the next block; output and input rows
)

// zeroFloats is a run of zeros that all plans read.
var zeroFloats atomic.Pointer[[]float32]

// zeros returns a shared slice of at least n zeros.
func zeros(n int) []float32 {
	for {
		old := zeroFloats.Load()
		if old != nil && len(*old) >= n {
			return *old
		}
		z := aligned(max(n, 4096))
		if zeroFloats.CompareAndSwap(old, &z) {
			return z
		}
	}
}

// NewDepthwise plans a depthwise convolution; O and Groups must equal C.
func NewDepthwise(s Conv2D) *Depthwise {
	checkWindow("Depthwise", &s)
	if s.O != s.C || s.Groups != s.C {
		panic("kernels: Depthwise: output channels and groups must equal input channels")
	}
	if !addressable(s.KH, s.KW, s.C) {
		panic("kernels: Depthwise: shape too large")
	}
	d := &Depthwise{shape: s, oh: s.OH(), ow: s.OW(), taps: count(s.KH * s.KW)}
	d.rows = offsets(d.oh, s.KH, s.SH, s.DH, s.PT, s.H, 4*s.W*s.C)
	d.cols = offsets(d.ow, s.KW, s.SW, s.DW, s.PL, s.W, 4*s.C)
	d.zero = zeros(zeroSpan * max(s.C, laneBlock))
	if w := windows[[2]int{s.KW, s.SW}]; w != windowAny && s.KH == s.KW {
		d.classes = columnClasses(&s, d.ow)
		switch {
		case d.classes == nil:
		case s.DW == 1:
			d.window, d.runWindow = w, w
		default:
			d.runWindow = w
			d.zero = zeros(zeroSpan * s.DW * max(s.C, laneBlock))
		}
	}
	if 4*s.C%conflict == 0 && d.oh*d.ow > 1 {
		g := &gathered{
			rows: offsets(d.oh, s.KH, s.SH, s.DH, s.PT, s.H, pixelBytes*s.W), cols: offsets(d.ow, s.KW, s.SW, s.DW, s.PL, s.W, pixelBytes),
			direct: !crowded(&s),
		}
		step, reach := min(s.SH, s.H), min(s.DH*(s.KH-1)+1, s.H) // rows
		row, halo := gatherBlocks*pixelBytes*(step*s.W+d.ow), gatherBlocks*pixelBytes*s.W*reach
		g.perStep = max(1, min(d.oh, (gatherBytes-halo)/row))
		halo = gatherPixel * s.W * reach
		g.runRows = offsets(d.oh, s.KH, s.SH, s.DH, s.PT, s.H, gatherPixel*s.W)
		g.runStep = max(1, min(d.oh, (gatherBytes-halo)/(gatherPixel*step*s.W)))
		d.gather = g
	} else if s.SH == s.SW {
		d.downWindow = downWindows[d.runWindow]
	}
	if s.C < wideC {
		s.N, s.C, s.O, s.Groups = 1, wideC, wideC, wideC
		d.wide = NewDepthwise(s)
	}
	return d
}

// Conv3D is the shape of a convolution of volumes.
type Conv3D = ref.Conv3D

// NewVolumeDepthwise plans a depthwise convolution of volumes, which returns the bits of ref.VolumeDepthwise. Its src is [N,D,H,W,C], its dst [N,OD,OH,OW,C], and
// its weights are [KD,KH,KW,C]: it goes through the rows of all planes as if they were a picture's, whose window is KD·KH rows high.
func NewVolumeDepthwise(s Conv3D) *Depthwise {
	checkWindow("VolumeDepthwise", &s.Conv2D)
	deep := s.Deep()
	checkWindow("VolumeDepthwise", &deep)
	checkVolume("VolumeDepthwise", s.N, s.C, s.D, s.H, s.W, deep.OH(), s.OH(), s.OW())
	if !addressable(s.KD, s.KH, s.KW, s.C) {
		panic("kernels: VolumeDepthwise: shape too large")
	}
	if s.O != s.C || s.Groups != s.C {
		panic("kernels: VolumeDepthwise: output channels and groups must equal input channels")
	}
	d := &Depthwise{shape: s.Conv2D, oh: deep.OH() * s.OH(), ow: s.OW(), taps: count(s.KD * s.KH * s.KW)}
	d.shape.H, d.shape.KH = s.D*s.H, s.KD*s.KH
	d.cols = offsets(d.ow, s.KW, s.SW, s.DW, s.PL, s.W, 4*s.C)
	planes := offsets(deep.OH(), s.KD, s.SD, s.DD, s.PF, s.D, 4*s.H*s.W*s.C)
	rows := offsets(s.OH(), s.KH, s.SH, s.DH, s.PT, s.H, 4*s.W*s.C)
	for z := range deep.OH() {
		for y := range s.OH() {
			for _, plane := range planes[z*s.KD:][:s.KD] {
				for _, row := range rows[y*s.KH:][:s.KH] {
					d.rows = append(d.rows, max(far, plane+row))
				}
			}
		}
	}
	d.zero = zeros(zeroSpan * max(s.C, laneBlock))
	if s.C < wideC {
		s.N, s.C, s.O, s.Groups = 1, wideC, wideC, wideC
		d.wide = NewVolumeDepthwise(s)
	}
	return d
}

// windows are those that have tiles of their own, by their side and step.
var windows = map[[2]int]depthwiseWindow{{3, 1}: window3S1, {3, 2}: window3S2, {5, 1}: window5S1, {5, 2}: window5S2, {7, 1}: window7S1}

// downWindows are the tiles that do the same going down the rows.
var downWindows = map[depthwiseWindow]depthwiseWindow{window3S1: window3S1Down, window3S2: window3S2Down}

// columnClasses cuts the columns into classes, one for each column of the dilation. It returns nil where a window leaves the picture by more
// columns than tiles allow, or a dilation comes with a step or is very large.
func columnClasses(s *Conv2D, ow int) []columnClass {
	const most = 1 << 18 // zeros
	if s.DW > 1 && (s.SW > 1 || s.DW > min(ow, s.W) || zeroSpan*s.DW*s.C > most) {
		return nil
	}
	var classes []columnClass
	for x := range s.DW {
		first := ((x-s.PL)%s.DW + s.DW) % s.DW
		c := columnClass{
			dst: x, src: first, ow: (ow - x + s.DW - 1) / s.DW, width: (s.W - first + s.DW - 1) / s.DW, pl: (first - x + s.PL) / s.DW,
		}
		if over := (c.ow-1)*s.SW + s.KW - c.pl - c.width; c.pl > s.KW/2 || over > s.KW/2 {
			return nil
		}
		classes = append(classes, c)
	}
	return classes
}

// split cuts the work of a picture into tiles that take some microseconds. It returns how many groups of channels and bands of rows there are. One thread takes groups of
// channels as long as the pieces of a pixel stay long, and bands then; several take bands first, so that each has rows of its own, of two rows and more.
//
// Tiles that go down the rows do so for bandRows or splitRows, and share a band's channels where there are threads that lack work. Elsewhere the input of a tile
// fits in a second-level cache, and where the picture does not, pixels stay whole: memory is read faster in order.
func (d *Depthwise) split(down bool, n, threads int) (groups, bands int) {
	s := &d.shape
	const cache = 256 << 10
	blocks := (s.C + laneBlock - 1) / laneBlock
	row := d.ow * s.KH * s.KW // taps of a block of channels
	taps := d.oh * row * blocks
	inputs := d.oh * s.SH * s.W * 4 * s.C // bytes
	whole := down || 4*s.C*(s.H*s.W+d.oh*d.ow) > 4*cache
	groups = 1
	if !whole {
		groups = max(1, min(taps/smallTaps, blocks/4))
	}
	bands = max(1, taps/groups/largeTaps, inputs/groups/cache)
	if down {
		rows := bandRows
		if s.C%laneBlock != 0 {
			rows = splitRows / s.SH
		}
		// Rows and columns a dilation apart share a call, which cannot be interrupted.
		dh, dw := min(s.DH, d.oh), min(s.DW, d.ow)
		rows = max(1, min(rows*dh, downTaps*dh*dw/row))
		bands = (d.oh + rows - 1) / rows
	}
	if threads > 1 {
		tiles := min(taps/smallTaps, (4*threads-1)/n+1)
		bands = max(bands, min(threads, tiles, d.oh/2))
		if whole {
			groups = max(1, min(tiles/bands, blocks/4))
			bands = max(bands, (tiles+groups-1)/groups)
		} else {
			groups = max(1, min(tiles/bands, groups))
		}
	}
	return groups, min(d.oh, bands)
}

// offsets returns the byte offset of the input position under each output position and tap, or far: [n][k].
func offsets(n, k, stride, dilation, pad, size, bytes int) []int64 {
	t := make([]int64, 0, n*k)
	for o := range n {
		for i := range k {
			p := o*stride + i*dilation - pad
			if p < 0 || p >= size {
				t = append(t, far)
			} else {
				t = append(t, int64(p)*int64(bytes))
			}
		}
	}
	return t
}

// Shape returns what the convolution was planned for.
func (d *Depthwise) Shape() Conv2D { return d.shape }

// DepthwiseWeights are a depthwise convolution's weights and bias, packed.
type DepthwiseWeights struct {
	c, taps int
	// Blocks of [1+taps][16]: bias, then weights. If C is not a multiple of 16 another block holds the last 16 channels (or all).
	data []float32
}

// Bytes returns the memory that the packed weights take.
func (p *DepthwiseWeights) Bytes() int { return 4 * len(p.data) }

// Pack packs w, [KH,KW,C], and bias, [C] or nil.
func (d *Depthwise) Pack(w, bias []float32) *DepthwiseWeights {
	s := &d.shape
	taps := s.KH * s.KW
	if len(w) < taps*s.C {
		panic("kernels: Depthwise.Pack: w too short")
	}
	if bias != nil && len(bias) < s.C {
		panic("kernels: Depthwise.Pack: bias too short")
	}
	p := newDepthwiseWeights(s.C, taps)
	p.pack(w, bias, OrderNHWC, d.taps, taps)
	return p
}

// newDepthwiseWeights returns memory for packed weights.
func newDepthwiseWeights(c, taps int) *DepthwiseWeights {
	return &DepthwiseWeights{c, taps, aligned((c + laneBlock - 1) / laneBlock * (1 + taps) * laneBlock)}
}

// from returns the weights of channels c to c+lanes, [1+taps][16]. Lanes divides 16, and c is a multiple of it or C-lanes.
func (p *DepthwiseWeights) from(c, lanes int) *float32 {
	block, lane := c/laneBlock, c%laneBlock
	if c+lanes > p.c/laneBlock*laneBlock {
		block, lane = (p.c-1)/laneBlock, c-max(0, p.c-laneBlock)
	}
	return &p.data[block*(1+p.taps)*laneBlock+lane]
}

// depthwiseTask is a depthwise convolution being computed. Its tiles are pictures by bands of rows by groups of channels.
type depthwiseTask struct {
	plan     *Depthwise
	isa      ISA
	lanes    int
	down     bool // tiles go down the rows
	groups   int  // of channels
	bands    int  // of output rows
	w        *DepthwiseWeights
	args     asm.DepthwiseArgs
	src, dst int // bytes of a picture
	scratch  []float32
}

var depthwiseTasks = poolOf[depthwiseTask]()

// Run computes dst[n,y,x,c] = act(bias[c] + Σ src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c]·w[i,j,c]). It returns the bits of ref.Depthwise.
//
// src is [N,H,W,C], dst is [N,OH,OW,C]; they do not overlap.
func (d *Depthwise) Run(t *Team, dst, src []float32, w *DepthwiseWeights, act Act) {
	s := &d.shape
	if len(src) < s.N*s.H*s.W*s.C {
		panic("kernels: Depthwise.Run: src too short")
	}
	if len(dst) < s.N*d.oh*d.ow*s.C {
		panic("kernels: Depthwise.Run: dst too short")
	}
	checkAct("Depthwise.Run", act)
	if w.c != s.C || w.taps != s.KH*s.KW {
		panic("kernels: Depthwise.Run: weights packed for another shape")
	}
	if !disjoint(dst[:s.N*d.oh*d.ow*s.C], src[:s.N*s.H*s.W*s.C]) {
		panic("kernels: Depthwise.Run: dst overlaps src")
	}
	if s.N == 0 {
		return
	}
	isa, lanes := depthwiseLanes(use[OpDepthwise], s.C)
	task := depthwiseTasks.Get().(*depthwiseTask)
	task.plan, task.isa, task.lanes, task.w = d, isa, lanes, w
	task.src, task.dst = 4*s.H*s.W*s.C, 4*d.oh*d.ow*s.C
	task.args = asm.DepthwiseArgs{
		Dst: &dst[0], Src: &src[0], Zero: &d.zero[0], Rows: &d.rows[0], Cols: &d.cols[0],
		KH: s.KH, KW: s.KW, OW: d.ow, Width: s.W, PL: s.PL, Pixel: 4 * s.C, DstPixel: 4 * s.C, DstRow: 4 * s.C * d.ow, RowStep: 8 * s.KH,
		Act: int(act.Kind), Lo: act.Lo, Hi: act.Hi, Alpha: act.Alpha,
	}
	if lanes > s.C {
		task.runWide(t)
	} else {
		task.run(t, s.N)
	}
	scratch := task.scratch
	*task = depthwiseTask{scratch: scratch}
	depthwiseTasks.Put(task)
}

// run computes n pictures.
func (k *depthwiseTask) run(t *Team, n int) {
	d := k.plan
	k.down = d.downWindow != windowAny && depthwiseDown(k.isa) && (strides || d.shape.SH == 1 || d.shape.C%(2*laneBlock) != 0)
	k.groups, k.bands = d.split(k.down, n, t.Threads())
	if s := &d.shape; 4*s.C*(s.H*s.W+d.oh*d.ow) < nearBytes || 4*s.C%(conflict/2) == 0 {
		k.args.Near = math.MinInt // lines fetched ahead would evict what is in use
	}
	t.Run(k, n*k.bands*k.groups)
}

// Tile computes a band of rows of a group of channels of a picture.
func (k *depthwiseTask) Tile(i, _ int) {
	d := k.plan
	n, i := i/(k.bands*k.groups), i%(k.bands*k.groups)
	g, band := i%k.groups, i/k.groups
	blocks := (d.shape.C + k.lanes - 1) / k.lanes
	y := d.oh * band / k.bands
	a := k.args
	a.Src = add(a.Src, n*k.src)
	a.Dst = add(a.Dst, n*k.dst+y*d.ow*a.Pixel)
	a.Ys = d.oh*(band+1)/k.bands - y
	if depthwiseRuns(k.isa, d.runWindow) && (d.gather == nil || d.gather.direct) {
		k.runs(&a, y, d.shape.C/laneBlock*g/k.groups, d.shape.C/laneBlock*(g+1)/k.groups, g == k.groups-1)
		return
	}
	if d.gather != nil && k.isa != Generic {
		blocks = d.shape.C / laneBlock
		for b, to := blocks*g/k.groups, blocks*(g+1)/k.groups; b < to; b += gatherBlocks {
			if depthwiseRuns(k.isa, d.window) {
				k.gatheredRuns(&a, y, b, min(gatherBlocks, to-b))
			} else {
				k.gathered(&a, y, b, min(gatherBlocks, to-b))
			}
		}
		return
	}
	k.rows(&a, y, blocks*g/k.groups, blocks*(g+1)/k.groups)
}

// rows computes a.Ys output rows from row y on of some blocks of channels. The last block reaches back so that it ends with the channels.
func (k *depthwiseTask) rows(a *asm.DepthwiseArgs, y, from, to int) {
	d := k.plan
	a.Rows = &d.rows[y*d.shape.KH]
	if d.window != windowAny && k.isa != Generic {
		a.Skip += d.shape.PL * a.Pixel
	}
	src, dst := a.Src, a.Dst
	for b := from; b < to; b++ {
		c := min(b*k.lanes, d.shape.C-k.lanes)
		a.Src, a.Dst, a.W = add(src, 4*c), add(dst, 4*c), k.w.from(c, k.lanes)
		depthwiseTile(k.isa, d.window, a, k.lanes)
	}
}

// runs does what rows does for blocks of laneBlock channels, with a tile that goes through the channels itself, and for the channels
// that fill no block if rest is set.
func (k *depthwiseTask) runs(a *asm.DepthwiseArgs, y, from, to int, rest bool) {
	d, s := k.plan, &k.plan.shape
	pixel, row, src, dst, ys := a.Pixel, a.DstRow, a.Src, a.Dst, a.Ys
	window, limit := d.runWindow, largeTaps
	if k.down {
		window, limit = d.downWindow, downTaps
	}
	a.Pixel, a.DstPixel, a.DstRow, a.RowStep = s.DW*pixel, s.DW*pixel, s.DH*row, s.DH*a.RowStep
	run := func(c, blocks int) {
		a.W, a.Blocks = k.w.from(c, k.lanes), blocks
		// Rows, like columns, a dilation apart: they share the rows under them.
		for r := range min(s.DH, ys) {
			a.Rows, a.Ys = &d.rows[(y+r)*s.KH], (ys-r+s.DH-1)/s.DH
			for i := range d.classes {
				l := &d.classes[i]
				a.Src, a.Dst = add(src, l.src*pixel+4*c), add(dst, r*row+l.dst*pixel+4*c)
				a.OW, a.Width, a.PL, a.Skip = l.ow, l.width, l.pl, l.pl*a.Pixel
				depthwiseTile(k.isa, window, a, k.lanes)
			}
		}
	}
	// A call cannot be interrupted.
	most := max(1, limit/(ys*d.ow*len(d.taps)))
	for b := from; b < to; b += most {
		run(b*laneBlock, min(most, to-b)*laneBlock/k.lanes)
	}
	if rest {
		for c := d.shape.C / laneBlock * laneBlock; c < d.shape.C; c += k.lanes {
			run(min(c, d.shape.C-k.lanes), 1)
		}
	}
}

// under returns the input rows under some output rows, from the first to before the last.
func (d *Depthwise) under(y, rows int) (first, last int) {
	s := &d.shape
	first = min(max(0, y*s.SH-s.PT), s.H)
	return first, max(first, min(s.H, (y+rows-1)*s.SH-s.PT+s.DH*(s.KH-1)+1))
}

// gathered computes a.Ys output rows from row y on of some blocks of laneBlock channels, through copies of their pixels.
func (k *depthwiseTask) gathered(whole *asm.DepthwiseArgs, y, block, blocks int) {
	d, s, g := k.plan, &k.plan.shape, k.plan.gather
	top := y
	scratch := depthwiseScratch.Get().(*depthwiseCopy)
	in, out := pixelBytes*s.W, pixelBytes*d.ow // bytes of a row
	most := min(s.H, (g.perStep-1)*s.SH+s.DH*(s.KH-1)+1)
	// A load waits for an earlier store whose address has the same low 12 bits: the outputs lie where these bits differ most from
	// those of the inputs that are read meanwhile.
	gap := (page + in/2 + 4*pixelBytes - blocks*most*in%page) % page
	scratch.grow((blocks*(most*in+g.perStep*out) + gap) / 4)
	src := &scratch.data[0]
	dst := add(src, blocks*most*in+gap)
	a := *whole
	a.Pixel, a.Cols = pixelBytes, &g.cols[0]
	for end := y + whole.Ys; y < end; y += a.Ys {
		a.Ys = min(g.perStep, end-y)
		first, last := d.under(y, a.Ys)
		if last > first {
			depthwiseMove(k.isa, src, add(whole.Src, first*s.W*whole.Pixel+block*pixelBytes), (last-first)*s.W, blocks,
				pixelBytes, most*in, whole.Pixel, pixelBytes)
		}
		a.Rows = &g.rows[y*s.KH]
		a.Skip = first * in
		if d.window != windowAny {
			a.Skip += s.PL * pixelBytes
		}
		for b := range blocks {
			for lane := 0; lane < laneBlock; lane += k.lanes {
				a.Src, a.Dst = add(src, b*most*in+4*lane), add(dst, b*g.perStep*out+4*lane)
				a.W = k.w.from((block+b)*laneBlock+lane, k.lanes)
				depthwiseTile(k.isa, d.window, &a, k.lanes)
			}
		}
		depthwiseMove(k.isa, add(whole.Dst, (y-top)*d.ow*whole.Pixel+block*pixelBytes), dst, a.Ys*d.ow, blocks, whole.Pixel, pixelBytes, pixelBytes, g.perStep*out)
	}
	depthwiseScratch.Put(scratch)
}

// gatheredRuns does what gathered does, with tiles that go through the channels and write where the outputs belong.
func (k *depthwiseTask) gatheredRuns(whole *asm.DepthwiseArgs, y, block, blocks int) {
	d, s, g := k.plan, &k.plan.shape, k.plan.gather
	scratch := depthwiseScratch.Get().(*depthwiseCopy)
	in := gatherPixel * s.W // bytes of a row
	most := min(s.H, (g.runStep-1)*s.SH+s.DH*(s.KH-1)+1)
	scratch.grow(most * in / 4)
	a := *whole
	a.Src, a.Pixel, a.W, a.Blocks = &scratch.data[0], gatherPixel, k.w.from(block*laneBlock, k.lanes), blocks*laneBlock/k.lanes
	top := y
	for end := y + whole.Ys; y < end; y += a.Ys {
		a.Ys = min(g.runStep, end-y)
		first, last := d.under(y, a.Ys)
		if last > first {
			depthwiseMove(k.isa, a.Src, add(whole.Src, first*s.W*whole.Pixel+block*pixelBytes), (last-first)*s.W, blocks,
				gatherPixel, pixelBytes, whole.Pixel, pixelBytes)
		}
		a.Rows = &g.runRows[y*s.KH]
		a.Skip = first*in + s.PL*gatherPixel
		a.Dst = add(whole.Dst, (y-top)*a.DstRow+block*pixelBytes)
		depthwiseTile(k.isa, d.window, &a, k.lanes)
	}
	depthwiseScratch.Put(scratch)
}

// depthwiseCopy is scratch memory for gathered pixels.
type depthwiseCopy struct{ data []float32 }

func (c *depthwiseCopy) grow(n int) {
	if len(c.data) < n {
		c.data = aligned(n)
	}
}

var depthwiseScratch = poolOf[depthwiseCopy]()

// runWide computes a picture with fewer channels than a vector has lanes: pictures one after the other are spread to wideC channels.
func (k *depthwiseTask) runWide(t *Team) {
	narrow := k.plan
	s, d := &narrow.shape, narrow.wide
	in, out := s.H*s.W*wideC, d.oh*d.ow*wideC
	if len(k.scratch) < in+out {
		k.scratch = aligned(in + out)
	}
	src, dst := k.scratch[:in:in], k.scratch[in:in+out]
	from, to := unsafe.Slice(k.args.Src, s.N*s.H*s.W*s.C), unsafe.Slice(k.args.Dst, s.N*d.oh*d.ow*s.C)
	k.plan = d
	k.args.Src, k.args.Dst, k.args.Rows, k.args.Cols, k.args.Pixel = &src[0], &dst[0], &d.rows[0], &d.cols[0], 4*wideC
	k.args.DstPixel, k.args.DstRow = 4*wideC, 4*wideC*d.ow
	for n := range s.N {
		spread(src, from[n*s.H*s.W*s.C:], s.H*s.W, wideC, s.C)
		k.run(t, 1)
		spread(to[n*d.oh*d.ow*s.C:], dst, d.oh*d.ow, s.C, wideC)
	}
}

// spread copies n pixels of from channels to pixels of to channels; those that both have.
func spread(dst, src []float32, n, to, from int) {
	c := min(to, from)
	for p := range n {
		d, s := dst[p*to:][:c], src[p*from:][:c]
		for i := range d {
			d[i] = s[i]
		}
	}
}

// depthwiseTileGeneric is the tile in plain Go, for any window and at most 16 channels.
func depthwiseTileGeneric(a *asm.DepthwiseArgs, lanes int) {
	at := func(p *float32, bytes int) []float32 {
		return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(p), bytes)), lanes)
	}
	rows := unsafe.Slice(a.Rows, a.Ys*a.KH)
	cols := unsafe.Slice(a.Cols, a.OW*a.KW)
	act := Act{Kind: ActKind(a.Act), Lo: a.Lo, Hi: a.Hi, Alpha: a.Alpha}
	zero := at(a.Zero, 0)
	for y := range a.Ys {
		for x := range a.OW {
			var sum [laneBlock]float32
			acc := sum[:lanes]
			copy(acc, at(a.W, 0))
			w := a.W
			for _, row := range rows[y*a.KH : (y+1)*a.KH] {
				for _, col := range cols[x*a.KW : (x+1)*a.KW] {
					v := zero
					if row+col >= 0 {
						v = at(a.Src, int(row+col)-a.Skip)
					}
					w = add(w, 4*laneBlock)
					for c, w := range at(w, 0) {
						acc[c] = ref.FMA32(v[c], w, acc[c])
					}
				}
			}
			dst := at(a.Dst, (y*a.OW+x)*a.Pixel)
			for c := range dst {
				dst[c] = act.Apply(acc[c])
			}
		}
	}
}

// checkDepthwise compares the depthwise tiles, and those of the gradient of the weights, with ref.
func checkDepthwise() bool {
	r := checkRand(1)
	for i, s := range []Conv2D{
		{KH: 3, KW: 3, SH: 1, SW: 1, DW: 1, PL: 1, PR: 1, C: 19, W: 11},
		{KH: 3, KW: 3, SH: 2, SW: 1, DW: 1, PL: 1, PR: 1, C: 16, W: 11},
		{KH: 3, KW: 3, SH: 2, SW: 2, DW: 1, PL: 1, PR: 1, C: 16, W: 22},
		{KH: 3, KW: 3, SH: 1, SW: 2, DW: 1, PL: 1, PR: 1, C: 16, W: 22},
		{KH: 5, KW: 5, SH: 1, SW: 1, DW: 1, PL: 2, PR: 2, C: 24, W: 11},
		{KH: 5, KW: 5, SH: 2, SW: 2, DW: 1, PL: 2, PR: 1, C: 17, W: 22},
		{KH: 7, KW: 7, SH: 1, SW: 1, DW: 1, PL: 3, PR: 3, C: 17, W: 11},
		{KH: 2, KW: 4, SH: 1, SW: 1, DW: 2, PL: 3, PR: 3, C: 17, W: 6},
		// Fewer channels than the widest vectors have lanes.
		{KH: 3, KW: 3, SH: 1, SW: 1, DW: 1, PL: 1, PR: 1, C: 3, W: 4},
		{KH: 3, KW: 3, SH: 2, SW: 2, DW: 1, PL: 1, PR: 1, C: 8, W: 22},
		{KH: 5, KW: 5, SH: 1, SW: 1, DW: 1, PL: 2, PR: 2, C: 8, W: 11},
		{KH: 5, KW: 5, SH: 2, SW: 2, DW: 1, PL: 2, PR: 1, C: 8, W: 22},
		{KH: 7, KW: 7, SH: 1, SW: 1, DW: 1, PL: 3, PR: 3, C: 8, W: 11},
		{KH: 2, KW: 4, SH: 1, SW: 1, DW: 2, PL: 3, PR: 3, C: 9, W: 6},
	} {
		s.N, s.H, s.DH, s.PT, s.PB, s.O, s.Groups = 1, 7, 1, 1, 1, s.C, s.C
		if s.KH > 3 {
			s.H = 5
		}
		d := NewDepthwise(s)
		src, w, bias := r.fill(s.H*s.W*s.C), r.fill(s.KH*s.KW*s.C), r.fill(s.C)
		got, want := make([]float32, d.oh*d.ow*s.C), make([]float32, d.oh*d.ow*s.C)
		act := Act{Kind: ActClip, Lo: -0.5, Hi: 1}
		if i%2 == 0 {
			act = checkReLU
		}
		d.Run(nil, got, src, d.Pack(w, bias), act)
		ref.Depthwise(want, src, w, bias, &s, act)
		if !sameBits(got, want) {
			return false
		}
		g := NewDepthwiseGrad(s)
		gw, ww := make([]float32, len(w)), make([]float32, len(w))
		g.Weight(nil, gw, got, src, OrderNHWC, make([]float32, g.ScratchLen()))
		ref.DepthwiseGradWeight(ww, got, src, &s)
		if !sameBits(gw, ww) {
			return false
		}
	}
	return true
}
