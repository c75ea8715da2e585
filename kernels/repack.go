package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// Order says how the weights of a layer lie in memory, those of a convolution being [O,C/Groups,KH,KW] by meaning.
type Order uint8

const (
	// OrderNHWC is what Pack takes: [O,KH,KW,C/Groups] for convolutions and transposed ones, [KH,KW,C] for depthwise ones.
	OrderNHWC Order = iota
	// OrderONNX is what ONNX has: [O,C/Groups,KH,KW] for convolutions, [C,O/Groups,KH,KW] for transposed ones, [C,1,KH,KW] for depthwise ones.
	OrderONNX
)

// filters is weights seen as a matrix of taps by channels (its rows) and outputs (its columns), element [t,c][o] at
// w[o·column + taps[t]·tap + c·channel]. One of the three distances is 1.
type filters struct {
	w                    []float32
	taps                 []int // of the window, in the order of the rows
	channels             int
	column, tap, channel int
}

var oneTap = []int{0}

// convFilters returns a group's weights of a window of taps, [outputs,taps,channels] or [outputs,channels,taps] in memory.
func convFilters(w []float32, taps []int, all, channels int, order Order) filters {
	if order == OrderONNX && all > 1 {
		return filters{w, taps, channels, all * channels, 1, all}
	}
	return filters{w, taps, channels, all * channels, channels, 1}
}

// turned returns the weights with outputs and channels exchanged; there are that many outputs.
func (f filters) turned(outputs int) filters {
	f.column, f.channel, f.channels = f.channel, f.column, outputs
	return f
}

// part returns n channels from channel c on.
func (f filters) part(c, n int) filters {
	f.w, f.channels = f.w[c*f.channel:], n
	return f
}

const (
	packScratch = 8192 // floats
	packRows    = 512  // of scratch, where channels are taken together
)

// pack writes n ≤ 16 columns from the first on to dst, [taps·channels][16].
func (f *filters) pack(dst []float32, first, n int) {
	if len(f.taps) == 0 || f.channels == 0 {
		return
	}
	w := f.w[first*f.column:]
	switch {
	case f.channel == 1:
		for i, t := range f.taps {
			transposeTile(dst[i*f.channels*panel:], panel, w[t*f.tap:], f.column, n, f.channels)
		}
	case f.column == 1:
		for i, t := range f.taps {
			rows := w[t*f.tap:]
			for c := range f.channels {
				copy(dst[(i*f.channels+c)*panel:][:n], rows[c*f.channel:])
			}
		}
	default:
		f.packMixed(dst, w, n)
	}
}

// packMixed packs weights whose taps lie side by side: all taps of some channels become rows of scratch memory, which are then put in order.
func (f *filters) packMixed(dst, w []float32, n int) {
	all, most := f.column, 1
	if f.channel < f.column { // channels side by side, too
		all = f.channel
		most = max(1, packRows/all)
	}
	s := packBuffers.Get().(*depthwiseCopy)
	s.grow(most * all * panel)
	for c := 0; c < f.channels; c += most {
		m := min(most, f.channels-c)
		transposeTile(s.data, panel, w[c*f.channel:], f.column, n, m*all)
		for i, t := range f.taps {
			for k := range m {
				copy(dst[(i*f.channels+c+k)*panel:][:n], s.data[(k*all+t)*panel:])
			}
		}
	}
	packBuffers.Put(s)
}

var packBuffers = poolOf[depthwiseCopy]()

// repackTask packs weights. Its tiles are panels.
type repackTask struct {
	from filters
	dst  *Packed
}

var repackTasks = poolOf[repackTask]()

// repack packs the weights, and the bias if there is one, over what p holds.
func (p *Packed) repack(t *Team, f filters, bias []float32) {
	copy(p.bias, bias[:min(len(bias), p.N)])
	k := repackTasks.Get().(*repackTask)
	k.from, k.dst = f, p
	t.Run(k, (p.N+panel-1)/panel)
	*k = repackTask{}
	repackTasks.Put(k)
}

func (k *repackTask) Tile(i, _ int) {
	p, first := k.dst, i*panel
	k.from.pack(p.data[first*p.K:][:p.K*panel], first, min(panel, p.N-first))
}

// checkBias panics unless there is a bias of n just where one was packed.
func checkBias(name string, bias []float32, n int, packed bool) {
	if (bias != nil) != packed {
		panic("kernels: " + name + ": bias given where none was packed, or the other way round")
	}
	if bias != nil && len(bias) < n {
		panic("kernels: " + name + ": bias too short")
	}
}

// Repack packs other values where PackB packed some: b, [K,N] with row stride ldb, and bias, [N], or nil if it was nil. It does not allocate.
func (p *Packed) Repack(t *Team, b []float32, ldb int, bias []float32) {
	if ldb < p.N {
		panic("kernels: Packed.Repack: bad ldb")
	}
	if !holds(len(b), p.K, ldb, p.N) {
		panic("kernels: Packed.Repack: b too short")
	}
	checkBias("Packed.Repack", bias, p.N, p.bias != nil)
	p.repack(t, filters{b, oneTap, p.K, 1, 0, ldb}, bias)
}

// RepackT packs other values where PackBT packed some: the transpose of b, [N,K] with row stride ldb, and bias, [N], or nil if it was nil.
// It does not allocate.
func (p *Packed) RepackT(t *Team, b []float32, ldb int, bias []float32) {
	if ldb < p.K {
		panic("kernels: Packed.RepackT: bad ldb")
	}
	if !holds(len(b), p.N, ldb, p.K) {
		panic("kernels: Packed.RepackT: b too short")
	}
	checkBias("Packed.RepackT", bias, p.N, p.bias != nil)
	p.repack(t, filters{b, oneTap, p.K, ldb, 0, 1}, bias)
}

// count returns 0, 1, ..., n-1.
func count(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// countDown returns n-1, ..., 1, 0.
func countDown(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = n - 1 - i
	}
	return s
}

// Repack packs other weights, in any order, where Pack packed some, and bias, [O], or nil if it was nil. It does not allocate.
func (c *Conv) Repack(t *Team, p *Weights, w, bias []float32, order Order) {
	s := &c.shape
	cg, og := s.C/s.Groups, s.O/s.Groups
	taps := s.KH * s.KW
	if len(p.groups) != s.Groups || p.groups[0].K != taps*cg || p.groups[0].N != og {
		panic("kernels: Conv.Repack: weights packed for another shape")
	}
	if len(w) < s.O*taps*cg {
		panic("kernels: Conv.Repack: w too short")
	}
	checkBias("Conv.Repack", bias, s.O, p.groups[0].bias != nil)
	for g, b := range p.groups {
		if bias != nil {
			b.repack(t, convFilters(w[g*og*taps*cg:], c.taps, taps, cg, order), bias[g*og:])
		} else {
			b.repack(t, convFilters(w[g*og*taps*cg:], c.taps, taps, cg, order), nil)
		}
	}
}

// winogradRepackTask transforms weights. Its tiles are panels.
type winogradRepackTask struct {
	from filters
	n    int // tile
	dst  *WinogradWeights
}

var winogradRepackTasks = poolOf[winogradRepackTask]()

// Repack transforms and packs other weights, in any order, where Pack packed some, and bias, [O] or nil for zeros. It does not allocate.
func (w *Winograd) Repack(t *Team, p *WinogradWeights, weights, bias []float32, order Order) {
	s := &w.shape
	w.check("Winograd.Repack", p, weights)
	if bias != nil && len(bias) < s.O {
		panic("kernels: Winograd.Repack: bias too short")
	}
	clear(p.bias)
	copy(p.bias, bias[:min(len(bias), s.O)])
	w.repack(t, p, convFilters(weights, w.taps, s.KH*s.KW, s.C, order))
}

func (w *Winograd) check(name string, p *WinogradWeights, weights []float32) {
	s := &w.shape
	if p.m != w.m || p.r != s.KH || p.c != s.C || p.o != s.O {
		panic("kernels: " + name + ": weights packed for another shape")
	}
	if len(weights) < s.O*s.KH*s.KW*s.C {
		panic("kernels: " + name + ": w too short")
	}
}

func (w *Winograd) repack(t *Team, p *WinogradWeights, f filters) {
	k := winogradRepackTasks.Get().(*winogradRepackTask)
	k.from, k.n, k.dst = f, w.n, p
	t.Run(k, (p.o+panel-1)/panel)
	*k = winogradRepackTask{}
	winogradRepackTasks.Put(k)
}

func (k *winogradRepackTask) Tile(i, _ int) {
	p, first := k.dst, i*panel
	n := min(panel, p.o-first)
	taps := p.r * p.r
	plane := (p.o + panel - 1) / panel * p.c * panel
	most := packScratch / (taps * panel)
	s := packBuffers.Get().(*depthwiseCopy)
	s.grow(packScratch)
	if n < panel {
		clear(s.data[:packScratch])
	}
	for c := 0; c < p.c; c += most {
		m := min(most, p.c-c)
		f := k.from.part(c, m)
		f.pack(s.data, first, n)
		winogradWeights(use[OpWinograd], p.m, p.r, p.data[first*p.c+c*panel:], plane, s.data, m)
	}
	packBuffers.Put(s)
}

// winogradWeightsGeneric computes the elements of n transformed windows of 16 outputs: rows of 16 of dst, plane floats from element to element, from
// rows of src, [taps][n][16]. It is winogradWeights in plain Go.
func winogradWeightsGeneric(m, r int, dst []float32, plane int, src []float32, n int) {
	var g [25]float32
	var u [36]float32
	side := m + r - 1
	for c := range n {
		for o := range panel {
			for t := range r * r {
				g[t] = src[(t*n+c)*panel+o]
			}
			ref.WinogradWeights(u[:], g[:], m, r)
			for e := range side * side {
				dst[e*plane+c*panel+o] = u[e]
			}
		}
	}
}

// Repack packs other weights, in any order, where Pack packed some, and bias, [C] or nil for zeros. It does not allocate.
func (d *Depthwise) Repack(p *DepthwiseWeights, w, bias []float32, order Order) {
	s := &d.shape
	taps := s.KH * s.KW
	if p.c != s.C || p.taps != taps {
		panic("kernels: Depthwise.Repack: weights packed for another shape")
	}
	if len(w) < taps*s.C {
		panic("kernels: Depthwise.Repack: w too short")
	}
	if bias != nil && len(bias) < s.C {
		panic("kernels: Depthwise.Repack: bias too short")
	}
	p.pack(w, bias, order, d.taps, taps)
}

// pack writes all blocks from some of all taps of a window.
func (p *DepthwiseWeights) pack(w, bias []float32, order Order, taps []int, all int) {
	tap, channel := p.c, 1
	if order == OrderONNX {
		tap, channel = 1, all
	}
	for b := range (p.c + laneBlock - 1) / laneBlock {
		c := max(0, min(b*laneBlock, p.c-laneBlock))
		n := min(laneBlock, p.c-c)
		out := p.data[b*(1+p.taps)*laneBlock:]
		clear(out[:n])
		if bias != nil {
			copy(out[:n], bias[c:])
		}
		for i, t := range taps {
			row, from := out[(1+i)*laneBlock:][:n], w[t*tap+c*channel:]
			if channel == 1 {
				copy(row, from)
				continue
			}
			for l := range row {
				row[l] = from[l*channel]
			}
		}
	}
}

// localRepackTask packs the weights of a locally connected layer. Its tiles are positions.
type localRepackTask struct {
	dst     *LocalWeights
	w, bias []float32
}

var localRepackTasks = poolOf[localRepackTask]()

// Repack packs other weights where Pack packed some: w, [OH,OW,O,KH,KW,C], and bias, [OH,OW,O], or nil if it was nil. It does not allocate.
func (l *Local) Repack(t *Team, p *LocalWeights, w, bias []float32) {
	c := l.conv
	positions := c.oh * c.ow
	if !p.suit(c) {
		panic("kernels: Local.Repack: weights packed for another shape")
	}
	if len(w) < positions*p.n*p.k {
		panic("kernels: Local.Repack: w too short")
	}
	checkBias("Local.Repack", bias, positions*p.n, p.bias != nil)
	k := localRepackTasks.Get().(*localRepackTask)
	*k = localRepackTask{p, w, bias}
	t.Run(k, positions)
	*k = localRepackTask{}
	localRepackTasks.Put(k)
}

func (l *localRepackTask) Tile(pos, _ int) {
	p := l.dst
	wide := wholePanels(p.n)
	f := filters{l.w[pos*p.n*p.k:], oneTap, p.k, p.k, 0, 1}
	for j := 0; j < p.n; j += panel {
		f.pack(p.data[(pos*wide+j)*p.k:], j, min(panel, p.n-j))
	}
	if l.bias != nil {
		copy(p.bias[pos*wide:], l.bias[pos*p.n:][:p.n])
	}
}

// transposedFilters returns a group's weights of a transposed convolution, all taps by inputs and outputs of the group.
func transposedFilters(w []float32, s *Transposed2D, order Order) filters {
	cg, og, all := s.C/s.Groups, s.O/s.Groups, s.KH*s.KW
	switch {
	case order == OrderNHWC:
		return filters{w, nil, cg, all * cg, cg, 1}
	case all == 1:
		return filters{w, nil, cg, 1, 0, og}
	}
	return filters{w, nil, cg, all, 1, og * all}
}

// Repack packs other weights, in any order, where Pack packed some, and bias, [O], or nil if it was nil. It does not allocate.
func (c *ConvTranspose) Repack(t *Team, p *TransposedWeights, w, bias []float32, order Order) {
	s := &c.shape
	og, filter := s.O/s.Groups, s.KH*s.KW*(s.C/s.Groups)
	c.check("ConvTranspose.Repack", p)
	if len(w) < s.O*filter {
		panic("kernels: ConvTranspose.Repack: w too short")
	}
	if c.deep != nil || c.planar != nil {
		checkBias("ConvTranspose.Repack", bias, s.O, bias != nil) // they come with room for one
		cg, taps := s.C/s.Groups, s.KH*s.KW
		switch {
		case c.deep != nil:
			c.deep.repack(p.deep, w, bias, OrderONNX) // both orders are [C,KH,KW]
		case order == OrderNHWC:
			c.planar.pack(p.planar, w, bias, og*filter, filter, cg, 1)
		default:
			c.planar.pack(p.planar, w, bias, cg*og*taps, taps, 1, og*taps)
		}
		return
	}
	checkBias("ConvTranspose.Repack", bias, s.O, p.groups[0][0].bias != nil)
	for g, phases := range p.groups {
		f := transposedFilters(w[g*og*filter:], s, order)
		for i, b := range phases {
			f.taps = c.phases[i].taps
			if bias != nil {
				b.repack(t, f, bias[g*og:])
			} else {
				b.repack(t, f, nil)
			}
		}
	}
}

// check panics unless the weights are packed for this shape.
func (c *ConvTranspose) check(name string, p *TransposedWeights) {
	s := &c.shape
	if c.deep != nil || c.planar != nil {
		if c.deep != nil && !c.deep.fits(p.deep) || c.planar != nil && !c.planar.fits(p.planar) {
			panic("kernels: " + name + ": weights packed for another shape")
		}
		return
	}
	if len(p.groups) != s.Groups || len(p.groups[0]) != len(c.phases) {
		panic("kernels: " + name + ": weights packed for another shape")
	}
	for i, b := range p.groups[0] {
		if b.N != s.O/s.Groups || b.K != c.phases[i].k(s.C/s.Groups) {
			panic("kernels: " + name + ": weights packed for another shape")
		}
	}
}
