package kernels

import (
	"sync/atomic"

	"github.com/ocellus-vision/ocellus/asm"
)

// planes is a convolution of few output channels in a group, transposed or not, planned for one shape. Vectors of channels would be mostly empty; so
// the rows of the input that a row of the output sees are turned to planes, one for each channel, and vectors hold neighbouring positions. It does not change,
// and may be shared.
type planes struct {
	n, h, w, c, o  int
	groups, window int // window: its taps
	oh, ow         int
	apart          int // input columns that lie so many apart are neighbours in a turned row
	line           int // floats of a channel there, for each of the first columns
	margin         int // of them before the first column
	rows           int // turned rows that are held: from the first to the last that outputs in work see
	step           int // input rows from one period of output rows to the next
	phases         [][]planarPhase
	wide           int // outputs of a row of a phase that are computed: whole vectors
	weights        int // packed floats
	serial         uint64
}

// planarPhase is outputs of a row that see the input alike: every so many-th column. The rows of a period have phases of their own.
type planarPhase struct {
	n       int // outputs
	top     int // input row of the first tap, for the first period
	taps    []planarTap
	weights int // where the packed weights of its taps begin, [Groups][taps][C/Groups][O/Groups]
}

// planarTap is a tap of the window, its input row under the phase's top, and where the columns under a row of outputs begin in a turned row.
type planarTap struct{ tap, row, at int }

// planarWide is the unit of outputs in a row.
const planarWide = 16

// planarSuits says whether planes are faster for so many outputs in a group, in rows of so many, and taps that share a turned row of so many floats.
func planarSuits(outputs, groups, columns, taps int, rows float64) bool {
	most := 6
	if use[OpGemm] == AVX512 {
		if most = 12; groups > 1 {
			most = 8
		}
	}
	const (
		fewest  = 4
		largest = 1 << 18
	)
	return outputs <= most && taps >= fewest && columns >= planarWide-4 && rows <= largest
}

// planarSerials numbers plans, so that a worker knows whose zeros its memory has.
var planarSerials atomic.Uint64

// PlanarSuits says whether NewPlanar's form of a convolution is the faster one.
func PlanarSuits(s Conv2D) bool {
	if s.Groups == 1 && s.C < 4 && (s.O > 3 || s.SW > 1) { // Conv reads all inputs of a kernel row as one run
		return false
	}
	rows := float64(s.DH*(s.KH-1)+1) * float64(s.C) * float64(s.W+s.PL+s.PR)
	return s.SW <= 2 && planarSuits(s.O/s.Groups, s.Groups, s.OW(), s.KH*s.KW, rows)
}

// newPlanes plans a convolution.
func newPlanes(s Conv2D) *planes {
	p := &planes{n: s.N, h: s.H, w: s.W, c: s.C, o: s.O, groups: s.Groups, window: s.KH * s.KW, oh: s.OH(), ow: s.OW(), apart: s.SW, step: s.SH}
	f := planarPhase{n: p.ow, top: -s.PT}
	for i := range s.KH {
		for j := range s.KW {
			f.taps = append(f.taps, planarTap{i*s.KW + j, i * s.DH, j*s.DW - s.PL})
		}
	}
	p.phases = [][]planarPhase{{f}}
	p.plan()
	return p
}

// newTransposedPlanes plans a transposed convolution, with dilations of at least 1.
func newTransposedPlanes(s Transposed2D) *planes {
	p := &planes{n: s.N, h: s.H, w: s.W, c: s.C, o: s.O, groups: s.Groups, window: s.KH * s.KW, oh: s.OH(), ow: s.OW(), apart: 1, step: 1}
	p.phases = make([][]planarPhase, min(s.SH, p.oh))
	for _, f := range phasesOf(&s) {
		q := planarPhase{n: f.cols, top: f.p - (f.th-1)*f.dp}
		for i, tap := range f.taps {
			q.taps = append(q.taps, planarTap{tap, i / f.tw * f.dp, f.q - (f.tw-1-i%f.tw)*f.dq})
		}
		p.phases[f.y0] = append(p.phases[f.y0], q)
	}
	p.plan()
	return p
}

// plan arranges the turned rows. Taps come with columns of the input, which become places there.
func (p *planes) plan() {
	p.serial = planarSerials.Add(1)
	least, most := 0, 0
	for _, row := range p.phases {
		for i := range row {
			f := &row[i]
			p.wide = max(p.wide, (f.n+planarWide-1)/planarWide*planarWide)
			f.weights = p.weights
			p.weights += len(f.taps) * p.c / p.groups * p.o
			for _, t := range f.taps {
				least, most = min(least, t.at), max(most, t.at)
			}
		}
	}
	p.margin = (p.apart - 1 - least) / p.apart
	// A multiple of a cache line, but an odd one: the lines of one column do not share a set of the cache.
	end := p.margin + max((most+p.apart-1)/p.apart+p.wide, (p.w+p.apart-1)/p.apart)
	p.line = (end+planarWide-1)/planarWide*planarWide | planarWide
	for _, row := range p.phases {
		for _, f := range row {
			for i := range f.taps {
				x := f.taps[i].at + p.margin*p.apart
				f.taps[i].at = x%p.apart*p.c*p.line + x/p.apart
			}
		}
	}
	have := 0
	for y := range p.oh {
		if first, end := p.sees(y); end > first {
			have = max(have, end)
			p.rows = max(p.rows, have-first)
		}
	}
}

// sees returns the input rows that a row of outputs sees, from the first to before the last; they may lie outside the picture. A row without taps sees none.
func (p *planes) sees(y int) (first, end int) {
	period := len(p.phases)
	for _, f := range p.phases[y%period] {
		if n := len(f.taps); n > 0 { // phases of a row have the same rows, or none
			first = y/period*p.step + f.top
			end = first + f.taps[n-1].row + 1
		}
	}
	return first, end
}

// planarWeights are packed weights and bias.
type planarWeights struct {
	data []float32 // of the phases
	bias []float32 // [O]
}

func (w *planarWeights) bytes() int { return 4 * (len(w.data) + len(w.bias)) }

// memory returns memory for packed weights.
func (p *planes) memory() *planarWeights {
	return &planarWeights{aligned(p.weights), make([]float32, p.o)}
}

// pack packs filters and bias, [O] or nil. at says where in w is the weight of the first output and input of a group and the first tap, and how far
// it is to the next group, output, tap and input.
func (p *planes) pack(to *planarWeights, w, bias []float32, group, output, tap, input int) {
	clear(to.bias)
	copy(to.bias, bias)
	og, cg := p.o/p.groups, p.c/p.groups
	for _, row := range p.phases {
		for _, f := range row {
			dst := to.data[f.weights:]
			for g := range p.groups {
				for _, t := range f.taps {
					for c := range cg {
						from := g*group + t.tap*tap + c*input
						for o := range dst[:og] {
							dst[o] = w[from+o*output]
						}
						dst = dst[og:]
					}
				}
			}
		}
	}
}

// fits says whether the weights are packed for this shape.
func (p *planes) fits(w *planarWeights) bool {
	return w != nil && len(w.data) == p.weights && len(w.bias) == p.o
}

// planarTask is a convolution by planes being computed. Its tiles are pictures by bands of output rows.
type planarTask struct {
	plan          *planes
	w             *planarWeights
	dst, src, res []float32
	act           Act
	bands         int
	perBand       int // output rows
	work          []planarWork
}

var planarTasks = poolOf[planarTask]()

// planarWork is a worker's memory.
type planarWork struct {
	serial uint64    // of the plan whose margins are zeros
	data   []float32 // turned rows, one more of zeros, and a row of outputs twice
	spans  []asm.GemmTNSpan
}

// run computes n pictures, at least one, of slices that are long enough; res may be nil.
func (p *planes) run(t *Team, dst, src []float32, w *planarWeights, res []float32, act Act) {
	k := planarTasks.Get().(*planarTask)
	for len(k.work) < t.Threads() {
		k.work = append(k.work, planarWork{})
	}
	*k = planarTask{plan: p, w: w, dst: dst, src: src, res: res, act: act, work: k.work}
	// Each band turns some rows that the one before turned, too: bands are high, but enough for the threads.
	high := max(1, (p.rows+p.step-1)/p.step) * len(p.phases)
	k.bands = max(1, p.oh/(8*high))
	if n := t.Threads(); n > 1 {
		k.bands = max(k.bands, min((4*n+p.n-1)/p.n, p.oh/(2*high)))
	}
	k.perBand = (p.oh + k.bands - 1) / k.bands
	k.bands = (p.oh + k.perBand - 1) / k.perBand
	t.Run(k, p.n*k.bands)
	*k = planarTask{work: k.work}
	planarTasks.Put(k)
}

// Tile computes a band of rows.
func (k *planarTask) Tile(i, worker int) {
	p := k.plan
	n, y := i/k.bands, i%k.bands*k.perBand
	row := p.apart * p.c * p.line
	w := &k.work[worker]
	outputs := (p.rows + 1) * row
	if size := outputs + 2*p.o*p.wide; len(w.data) < size {
		w.data, w.serial = aligned(size), 0
	}
	if w.serial != p.serial {
		clear(w.data[:outputs])
		w.serial = p.serial
	}
	out, turned := w.data[outputs:][:p.o*p.wide], w.data[outputs+p.o*p.wide:]
	end := min(p.oh, y+k.perBand)
	have := p.h // rows before this one have been turned, or are not needed: to begin with, those before the first that the band sees
	for y := y; y < end; y++ {
		if first, last := p.sees(y); last > first {
			have = min(have, max(first, 0))
		}
	}
	for ; y < end; y++ {
		first, last := p.sees(y)
		if len(p.phases) == 1 { // where rows take turns, a later one may see rows before first
			have = max(have, first)
		}
		for ; have < min(p.h, last); have++ {
			k.turn(w.data[have%p.rows*row:][:row], n, have)
		}
		period := len(p.phases)
		for x := range p.phases[y%period] {
			f := &p.phases[y%period][x]
			w.spans = w.spans[:0]
			for j, t := range f.taps {
				at := p.rows // zeros
				if iy := y/period*p.step + f.top + t.row; iy >= 0 && iy < p.h {
					at = iy % p.rows
				}
				w.spans = append(w.spans, asm.GemmTNSpan{A: 4 * j * (p.c / p.groups) * (p.o / p.groups), B: 4 * (at*row + t.at), N: p.c / p.groups})
			}
			k.sum(w, f, out)
			k.finish(out, turned, ((n*p.oh+y)*p.ow+x)*p.o, f.n, len(p.phases[y%period]))
		}
	}
}

// turn writes a row of a picture as planes.
func (k *planarTask) turn(dst []float32, picture, y int) {
	p := k.plan
	src := k.src[(picture*p.h+y)*p.w*p.c:][:p.w*p.c]
	for x := range min(p.apart, p.w) {
		transposeTile(dst[x*p.c*p.line+p.margin:], p.line, src[x*p.c:], p.apart*p.c, (p.w-x+p.apart-1)/p.apart, p.c)
	}
}

// sum computes a row of a phase's outputs, [O][wide].
func (k *planarTask) sum(w *planarWork, f *planarPhase, out []float32) {
	p := k.plan
	og, cg := p.o/p.groups, p.c/p.groups
	for o, b := range k.w.bias {
		line := out[o*p.wide:][:p.wide]
		for x := range line {
			line[x] = b
		}
	}
	if len(f.taps) == 0 {
		return
	}
	tiles := tnTilesInUse()
	x := asm.GemmTNArgs{Spans: &w.spans[0], Count: len(w.spans), LDA: 4 * og, LDB: 4 * p.line, LDC: 4 * p.wide, Load: 1}
	for g := range p.groups {
		a := &k.w.data[f.weights+g*len(f.taps)*cg*og]
		for o := 0; o < og; o += x.Rows {
			x.Rows = tiles.next(og - o)
			for col := 0; col < f.n; col += x.Cols {
				x.Cols = gemmTNColumns(tiles.isa, x.Rows, p.wide-col)
				x.A, x.B, x.C = add(a, 4*o), &w.data[g*cg*p.line+col], &out[(g*og+o)*p.wide+col]
				gemmTNTile(tiles.isa, &x)
			}
		}
	}
}

// finish writes n outputs to their places, from an element of dst on and so many pixels apart; turned is memory for them.
func (k *planarTask) finish(out, turned []float32, at, n, apart int) {
	p := k.plan
	if k.res == nil {
		Activate(out, out, k.act)
		k.toPixels(k.dst[at:], out, n, apart)
		return
	}
	k.toPixels(turned, out, n, 1)
	dst := k.dst[at:][:n*p.o]
	mapRun(mapAdd, dst, turned[:len(dst)], k.res[at:][:len(dst)], nil, mapParams{})
	Activate(dst, dst, k.act)
}

// toPixels turns n outputs from planes to pixels.
func (k *planarTask) toPixels(dst, out []float32, n, apart int) {
	if o := k.plan.o; o == 1 && apart == 1 {
		copy(dst, out[:n])
	} else {
		transposeTile(dst, apart*o, out, k.plan.wide, o, n)
	}
}

// Planar is a convolution of few output channels in a group, planned for one shape. Where Conv has vectors of output channels, it has vectors of
// positions. It does not change, and may be shared.
type Planar struct {
	shape Conv2D
	*planes
}

// NewPlanar plans a convolution. It panics on an impossible shape.
func NewPlanar(s Conv2D) *Planar {
	checkConv("Planar", &s)
	return &Planar{s, newPlanes(s)}
}

// Shape returns what the convolution was planned for.
func (p *Planar) Shape() Conv2D { return p.shape }

// PlanarWeights are a planar convolution's weights and bias, packed.
type PlanarWeights struct{ planarWeights }

// Bytes returns the memory that the packed weights take.
func (w *PlanarWeights) Bytes() int { return w.bytes() }

// Pack packs w, [O,KH,KW,C/Groups], and bias, [O] or nil.
func (p *Planar) Pack(w, bias []float32) *PlanarWeights {
	s := &p.shape
	cg := s.C / s.Groups
	filter := p.window * cg
	if len(w) < s.O*filter {
		panic("kernels: Planar.Pack: w too short")
	}
	if bias != nil && len(bias) < s.O {
		panic("kernels: Planar.Pack: bias too short")
	}
	packed := &PlanarWeights{*p.memory()}
	p.pack(&packed.planarWeights, w, bias, s.O/s.Groups*filter, filter, cg, 1)
	return packed
}

// Run computes what Conv.Run does: dst[n,y,x,o] = act(bias[o] + Σ src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c]·w[o,i,j,c] + res[n,y,x,o]). It returns the bits of
// ref.Convolve.
//
// src is [N,H,W,C], dst and res are [N,OH,OW,O]; res may be nil, or dst itself. dst and src do not overlap.
func (p *Planar) Run(t *Team, dst, src []float32, w *PlanarWeights, res []float32, act Act) {
	in, out := p.n*p.h*p.w*p.c, p.n*p.oh*p.ow*p.o
	if len(src) < in {
		panic("kernels: Planar.Run: src too short")
	}
	if len(dst) < out {
		panic("kernels: Planar.Run: dst too short")
	}
	if res != nil && len(res) < out {
		panic("kernels: Planar.Run: res too short")
	}
	checkAct("Planar.Run", act)
	if !p.fits(&w.planarWeights) {
		panic("kernels: Planar.Run: weights packed for another shape")
	}
	if !disjoint(dst[:out], src[:in]) {
		panic("kernels: Planar.Run: dst overlaps src")
	}
	if res != nil && !apart(dst[:out], res[:out]) {
		panic("kernels: Planar.Run: dst overlaps res")
	}
	if p.n > 0 {
		p.run(t, dst[:out], src[:in], &w.planarWeights, res, act)
	}
}
