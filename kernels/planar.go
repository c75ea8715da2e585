package kernels

import (
	"sync/atomic"

	"github.com/ocellus-vision/ocellus/asm"
)

// Planar is a convolution of few output channels in a group, planned for one shape. Vectors of channels would be mostly empty; so the rows of
// the input that a row of the output sees are turned to planes, one for each channel, and vectors hold neighbouring positions. It does not change, and may be shared.
type Planar struct {
	shape  Conv2D
	oh, ow int
	wide   int // outputs of a row that are computed: whole vectors
	line   int // floats of a channel in a turned row, where the input columns a stride apart are neighbours
	margin int // of them before the first column
	taps   []planarTap
	window int // input rows from the first to the last that an output sees
	serial uint64
}

// planarTap is where the columns under a row of outputs begin.
type planarTap struct{ row, offset int }

// planarWide is the unit of outputs in a row.
const planarWide = 16

// PlanarSuits says whether this form of a convolution is the faster one.
func PlanarSuits(s Conv2D) bool {
	most := 6
	if use[OpGemm] == AVX512 {
		if most = 12; s.Groups > 1 {
			most = 8
		}
	}
	if s.Groups == 1 && s.C < 4 { // all inputs of a kernel row are one run, see Conv
		if most = 3; s.SW > 1 {
			return false
		}
	}
	const (
		fewest  = 4       // taps that share a turned row
		largest = 1 << 18 // floats of the turned rows
	)
	return s.O/s.Groups <= most && s.KH*s.KW >= fewest && s.SW <= 2 && s.OW() >= planarWide-4 &&
		float64(s.DH*(s.KH-1)+1)*float64(s.C)*float64(s.W+s.PL+s.PR) <= largest
}

// planarSerials numbers plans, so that a worker knows whose zeros its memory has.
var planarSerials atomic.Uint64

// NewPlanar plans a convolution. It panics on an impossible shape.
func NewPlanar(s Conv2D) *Planar {
	checkConv("Planar", &s)
	p := &Planar{shape: s, oh: s.OH(), ow: s.OW(), window: s.DH*(s.KH-1) + 1, serial: planarSerials.Add(1)}
	p.wide = (p.ow + planarWide - 1) / planarWide * planarWide
	p.margin = (s.PL + s.SW - 1) / s.SW
	// A multiple of a cache line, but an odd one: the lines of one column do not share a set of the cache.
	p.line = ((s.DW*(s.KW-1)+s.SW-1)/s.SW + p.margin + p.wide + planarWide - 1) / planarWide * planarWide
	p.line = max(p.line, (p.margin+(s.W+s.SW-1)/s.SW+planarWide-1)/planarWide*planarWide) | planarWide
	for i := range s.KH {
		for j := range s.KW {
			x := j*s.DW - s.PL + p.margin*s.SW
			p.taps = append(p.taps, planarTap{i * s.DH, x%s.SW*s.C*p.line + x/s.SW})
		}
	}
	return p
}

// Shape returns what the convolution was planned for.
func (p *Planar) Shape() Conv2D { return p.shape }

// PlanarWeights are a planar convolution's weights and bias, packed.
type PlanarWeights struct {
	o, k int
	data []float32 // [Groups][KH·KW][C/Groups][O/Groups]
	bias []float32 // [O]
}

// Bytes returns the memory that the packed weights take.
func (w *PlanarWeights) Bytes() int { return 4 * (len(w.data) + len(w.bias)) }

// Pack packs w, [O,KH,KW,C/Groups], and bias, [O] or nil.
func (p *Planar) Pack(w, bias []float32) *PlanarWeights {
	s := &p.shape
	og, k := s.O/s.Groups, s.KH*s.KW*s.C/s.Groups
	if len(w) < s.O*k {
		panic("kernels: Planar.Pack: w too short")
	}
	if bias != nil && len(bias) < s.O {
		panic("kernels: Planar.Pack: bias too short")
	}
	packed := &PlanarWeights{s.O, k, aligned(s.O * k), make([]float32, s.O)}
	copy(packed.bias, bias)
	for g := range s.Groups {
		transposeTile(packed.data[g*og*k:], og, w[g*og*k:], k, og, k)
	}
	return packed
}

// planarTask is a planar convolution being computed. Its tiles are pictures by bands of output rows.
type planarTask struct {
	plan          *Planar
	w             *PlanarWeights
	dst, src, res []float32
	act           Act
	bands         int
	perBand       int // output rows
	work          []planarWork
}

var planarTasks = poolOf[planarTask]()

// planarWork is a worker's memory: turned rows, one more of zeros, and a row of outputs.
type planarWork struct {
	serial uint64 // of the plan whose margins are zeros
	data   []float32
	spans  []asm.GemmTNSpan
}

// Run computes what Conv.Run does: dst[n,y,x,o] = act(bias[o] + Σ src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c]·w[o,i,j,c] + res[n,y,x,o]). It returns the bits of
// ref.Convolve.
//
// src is [N,H,W,C], dst and res are [N,OH,OW,O]; res may be nil, or dst itself. dst and src do not overlap.
func (p *Planar) Run(t *Team, dst, src []float32, w *PlanarWeights, res []float32, act Act) {
	s := &p.shape
	in, out := s.N*s.H*s.W*s.C, s.N*p.oh*p.ow*s.O
	if len(src) < in {
		panic("kernels: Planar.Run: src too short")
	}
	if len(dst) < out {
		panic("kernels: Planar.Run: dst too short")
	}
	if res != nil && len(res) < out {
		panic("kernels: Planar.Run: res too short")
	}
	if w.o != s.O || w.k != s.KH*s.KW*s.C/s.Groups {
		panic("kernels: Planar.Run: weights packed for another shape")
	}
	if !disjoint(dst[:out], src[:in]) {
		panic("kernels: Planar.Run: dst overlaps src")
	}
	if res != nil && !apart(dst[:out], res[:out]) {
		panic("kernels: Planar.Run: dst overlaps res")
	}
	if s.N == 0 {
		return
	}
	k := planarTasks.Get().(*planarTask)
	for len(k.work) < t.Threads() {
		k.work = append(k.work, planarWork{})
	}
	*k = planarTask{plan: p, w: w, dst: dst[:out], src: src[:in], res: res, act: act, work: k.work}
	// Each band turns some rows that the one before turned, too: bands are high, but enough for the threads.
	k.bands = max(1, p.oh/(8*p.window))
	if n := t.Threads(); n > 1 {
		k.bands = max(k.bands, min((4*n+s.N-1)/s.N, p.oh/(2*p.window)))
	}
	k.perBand = (p.oh + k.bands - 1) / k.bands
	k.bands = (p.oh + k.perBand - 1) / k.perBand
	t.Run(k, s.N*k.bands)
	*k = planarTask{work: k.work}
	planarTasks.Put(k)
}

// Tile computes a band of rows.
func (k *planarTask) Tile(i, worker int) {
	p, s := k.plan, &k.plan.shape
	n, y := i/k.bands, i%k.bands*k.perBand
	row := s.SW * s.C * p.line
	w := &k.work[worker]
	outputs := (p.window + 1) * row
	if size := outputs + 2*s.O*p.wide; len(w.data) < size {
		w.data, w.serial = aligned(size), 0
	}
	if w.serial != p.serial {
		clear(w.data[:outputs])
		w.serial = p.serial
	}
	have := 0 // rows before this one have been turned
	for end := min(p.oh, y+k.perBand); y < end; y++ {
		top := y*s.SH - s.PT
		w.spans = w.spans[:0]
		for have = max(have, top); have < min(s.H, top+p.window); have++ {
			k.turn(w.data[have%p.window*row:][:row], n, have)
		}
		for j, tap := range p.taps {
			at := p.window // zeros
			if iy := top + tap.row; iy >= 0 && iy < s.H {
				at = iy % p.window
			}
			w.spans = append(w.spans, asm.GemmTNSpan{A: 4 * j * s.C / s.Groups * s.O / s.Groups, B: 4 * (at*row + tap.offset), N: s.C / s.Groups})
		}
		out, turned := w.data[outputs:][:s.O*p.wide], w.data[outputs+s.O*p.wide:]
		k.sum(w, out)
		k.finish(out, turned, n*p.oh+y)
	}
}

// turn writes a row of a picture as planes.
func (k *planarTask) turn(dst []float32, picture, y int) {
	p, s := k.plan, &k.plan.shape
	src := k.src[(picture*s.H+y)*s.W*s.C:][:s.W*s.C]
	for phase := range min(s.SW, s.W) {
		transposeTile(dst[phase*s.C*p.line+p.margin:], p.line, src[phase*s.C:], s.SW*s.C, (s.W-phase+s.SW-1)/s.SW, s.C)
	}
}

// sum computes a row of outputs, [O][wide].
func (k *planarTask) sum(w *planarWork, out []float32) {
	p, s := k.plan, &k.plan.shape
	og, cg := s.O/s.Groups, s.C/s.Groups
	for o, b := range k.w.bias {
		line := out[o*p.wide:][:p.wide]
		for x := range line {
			line[x] = b
		}
	}
	tiles := tnTilesInUse()
	x := asm.GemmTNArgs{Spans: &w.spans[0], Count: len(w.spans), LDA: 4 * og, LDB: 4 * p.line, LDC: 4 * p.wide, Load: 1}
	for col := 0; col < p.wide; col += x.Cols {
		x.Cols = min(tiles.wide, p.wide-col)
		for g := range s.Groups {
			a := &k.w.data[g*og*k.w.k]
			for o := 0; o < og; o += x.Rows {
				x.Rows = tiles.next(og - o)
				x.A, x.B, x.C = add(a, 4*o), &w.data[g*cg*p.line+col], &out[(g*og+o)*p.wide+col]
				gemmTNTile(tiles.isa, &x)
			}
		}
	}
}

// finish writes a row of outputs to its place; turned is memory for it.
func (k *planarTask) finish(out, turned []float32, row int) {
	p, s := k.plan, &k.plan.shape
	n := p.ow * s.O
	dst := k.dst[row*n:][:n]
	switch {
	case k.res != nil:
		transposeTile(turned, s.O, out, p.wide, s.O, p.ow)
		mapRun(mapAdd, dst, turned[:n], k.res[row*n:][:n], nil, mapParams{})
	case s.O == 1:
		copy(dst, out)
	default:
		transposeTile(dst, s.O, out, p.wide, s.O, p.ow)
	}
	if k.act.Kind != ActNone {
		Activate(dst, dst, k.act)
	}
}
