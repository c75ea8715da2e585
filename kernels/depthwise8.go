package kernels

import (
	"slices"
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// Depthwise8 is a depthwise convolution of 8-bit integers planned for one shape. It does not change, and may be shared.
type Depthwise8 struct {
	shape      Conv2D
	oh, ow     int
	patterns   int     // of weights, for a kernel row
	rows, cols []int64 // byte offsets of the padded picture's rows and columns; far where they lie outside
	pixel      int     // bytes of one as tiles read it
	quads      int     // of an input row,
	left       int     // of which so many may begin outside,
	inner      int     // and so many behind those are inside
	xRow       int     // bytes of its quads, and of what tiles read behind them
	band       int     // output rows of a tile
	words      int     // where in a worker's scratch memory the weights are in words,
	in, out    int     // and where are pixels of fewer than 16 channels
	worker     int     // bytes of that memory
}

const (
	quadBytes  = quad * laneBlock
	quadsTile  = 8        // output pixels that tiles compute together
	bandBytes  = 16 << 10 // of quads in the rows of a band, where these are not too few
	smallBand8 = 512      // outputs of a block of channels that are worth a tile
)

// Depthwise8Suits says whether Depthwise8 computes such convolutions: those with windows 3 or 5 columns wide, one or two from one to the next.
func Depthwise8Suits(s Conv2D) bool {
	return s.C == s.O && s.C == s.Groups && (s.KW == 3 || s.KW == 5) && (s.SW == 1 || s.SW == 2) && s.DW == 1
}

// NewDepthwise8 plans a depthwise convolution. It panics on an impossible shape, and one that does not suit.
func NewDepthwise8(s Conv2D) *Depthwise8 {
	checkConv("Depthwise8", &s)
	if !Depthwise8Suits(s) {
		panic("kernels: Depthwise8: shape does not suit")
	}
	d := &Depthwise8{shape: s, oh: s.OH(), ow: s.OW(), pixel: max(s.C, laneBlock)}
	for first := 0; first < quad; first += s.SW {
		d.patterns += quadsOf(first + s.KW)
	}
	columns := (d.ow-1)*s.SW + s.KW
	d.quads = quadsOf(columns)
	d.left = min(d.quads, quadsOf(s.PL))
	d.inner = max(0, min(d.quads, (s.PL+s.W)/quad)-d.left)
	d.xRow = quadBytes * quadsOf((d.ow+quadsTile-1)/quadsTile*quadsTile*s.SW+s.KW-s.SW)
	d.rows = offsets((d.oh-1)*s.SH+d.halo(), 1, 1, 1, s.PT, s.H, s.W*d.pixel)
	d.cols = offsets(quad*d.quads, 1, 1, 1, s.PL, s.W, d.pixel)
	d.band = min(d.oh, max((bandBytes/d.xRow-d.halo())/s.SH+1, (d.halo()+s.SH-1)/s.SH))
	inRows := d.inRows(d.band)
	d.words = inRows * d.xRow
	d.in = d.words + 2*quadBytes*s.KH*d.patterns
	d.out, d.worker = d.in, d.in
	if s.C < laneBlock {
		d.out += min(inRows, s.H) * s.W * laneBlock
		d.worker = d.out + (d.band*d.ow*laneBlock+quadBytes-1)/quadBytes*quadBytes
	}
	return d
}

// quadsOf returns how many quads so many pixels are.
func quadsOf(pixels int) int { return (pixels + quad - 1) / quad }

// halo returns how many input rows are under an output row.
func (d *Depthwise8) halo() int { return d.shape.DH*(d.shape.KH-1) + 1 }

// inRows returns how many input rows are under so many output rows.
func (d *Depthwise8) inRows(rows int) int { return (rows-1)*d.shape.SH + d.halo() }

// ScratchLen returns how many bytes of scratch memory Run needs on a team of so many threads.
func (d *Depthwise8) ScratchLen(threads int) int { return quadBytes - 1 + threads*d.worker }

// Depthwise8Weights are the weights of a depthwise convolution of 8-bit integers, packed. They do not change after packing, and may be shared.
type Depthwise8Weights struct {
	c, kh, kw, sw int
	// Blocks of 16 channels, in the order of asm.Depthwise8Args. If C is not a multiple of 16, another block holds the last 16 channels, or all.
	data  []int8
	scale []float32
	sum   []int32 // of each lane
	bias  []int32 // of each lane
	q     Requant
	// Whether no more than 256 results are left of what is clipped: so tiles have it.
	narrow bool
}

// Bytes returns the memory that the packed weights take.
func (w *Depthwise8Weights) Bytes() int { return len(w.data) + 4*(len(w.scale)+len(w.sum)+len(w.bias)) }

// Pack packs w, [KH,KW,C].
func (d *Depthwise8) Pack(w []int8) *Depthwise8Weights {
	s := &d.shape
	if len(w) < s.KH*s.KW*s.C {
		panic("kernels: Depthwise8.Pack: w too short")
	}
	lanes := (s.C + laneBlock - 1) / laneBlock * laneBlock
	p := &Depthwise8Weights{c: s.C, kh: s.KH, kw: s.KW, sw: s.SW, sum: make([]int32, lanes)}
	n := lanes * s.KH * d.patterns
	p.data = unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(aligned(n)))), n*quad)
	for at := range lanes {
		c := laneOf(at, s.C)
		if c >= s.C {
			break
		}
		to := p.data[at/laneBlock*quadBytes*s.KH*d.patterns+at%laneBlock*quad:]
		for i := range s.KH {
			for j := range s.KW {
				v := w[(i*s.KW+j)*s.C+c]
				p.sum[at] += int32(v)
				pattern := i * d.patterns
				for first := 0; first < quad; first += s.SW {
					to[(pattern+(first+j)/quad)*quadBytes+(first+j)%quad] = v
					pattern += quadsOf(first + s.KW)
				}
			}
		}
	}
	return p
}

// With returns the same weights with a bias, [C] or nil, and what becomes of the sums. Weights take their memory once.
func (w *Depthwise8Weights) With(bias []int32, q *Requant) *Depthwise8Weights {
	if q == nil {
		panic("kernels: Depthwise8Weights.With: no scale")
	}
	checkRequant("Depthwise8Weights.With", w.c, bias, q)
	p := *w
	p.q, p.scale, p.bias = *q, aligned(len(w.sum)), make([]int32, len(w.sum))
	p.q.Scale = nil
	p.narrow = float32(q.Hi-q.Lo) <= 255
	for at := range p.scale {
		c := laneOf(at, w.c)
		if c >= w.c {
			break
		}
		p.scale[at] = q.Scale[min(c, len(q.Scale)-1)]
		if bias != nil {
			p.bias[at] = bias[c]
		}
	}
	return &p
}

// laneOf returns the channel of a lane, of c channels.
func laneOf(lane, c int) int {
	return min(lane/laneBlock*laneBlock, max(0, c-laneBlock)) + lane%laneBlock
}

// channel returns the first channel of a block.
func (d *Depthwise8) channel(block int) int { return laneOf(block*laneBlock, d.shape.C) }

// depthwise8Task is such a convolution being computed. Its tiles are pictures by bands of rows by groups of blocks of channels.
type depthwise8Task struct {
	plan    *Depthwise8
	w       *Depthwise8Weights
	in      Bytes
	tiles   ISA // see dotTiles
	bands   int
	groups  int
	args    asm.Depthwise8Args
	src     []byte
	dst     []byte
	scratch []byte
	start   []int32 // what sums start from
	outside [laneBlock]byte
}

var depthwise8Tasks = poolOf[depthwise8Task]()

// Run computes dst[n,y,x,c] = q(bias[c] + Σ in.Of(src[n, y·SH+i·DH-PT, x·SW+j-PL, c])·w[i,j,c]); what lies outside src stands for 0. It returns the bytes
// of ref.Depthwise8 and Requant.Apply.
//
// src is [N,H,W,C], dst is [N,OH,OW,C], scratch has ScratchLen bytes; they do not overlap.
func (d *Depthwise8) Run(t *Team, dst, src []byte, in Bytes, w *Depthwise8Weights, scratch []byte) {
	s := &d.shape
	need := d.ScratchLen(t.Threads())
	if len(src) < s.N*s.H*s.W*s.C {
		panic("kernels: Depthwise8.Run: src too short")
	}
	if len(dst) < s.N*d.oh*d.ow*s.C {
		panic("kernels: Depthwise8.Run: dst too short")
	}
	if w.c != s.C || w.kh != s.KH || w.kw != s.KW || w.sw != s.SW {
		panic("kernels: Depthwise8.Run: weights packed for another shape")
	}
	if w.scale == nil {
		panic("kernels: Depthwise8.Run: weights without a scale")
	}
	if !fits(in) {
		panic("kernels: Depthwise8.Run: bad zero point")
	}
	if len(scratch) < need {
		panic("kernels: Depthwise8.Run: scratch too short")
	}
	dst, src, scratch = dst[:s.N*d.oh*d.ow*s.C], src[:s.N*s.H*s.W*s.C], scratch[:need]
	if !disjoint(dst, src) || !disjoint(scratch, dst) || !disjoint(scratch, src) {
		panic("kernels: Depthwise8.Run: dst, src and scratch overlap")
	}
	if s.N == 0 {
		return
	}
	k := depthwise8Tasks.Get().(*depthwise8Task)
	k.plan, k.w, k.in, k.tiles, k.src, k.dst = d, w, in, dotTiles(), src, dst
	k.scratch = scratch[-uintptr(unsafe.Pointer(&scratch[0]))%quadBytes:]
	set(k.outside[:], byte(in.Zero))
	k.args = asm.Depthwise8Args{
		Outside: &k.outside[0], Cols: &d.cols[0], Quads: d.quads, Left: d.left, Inner: d.inner, Pixel: d.pixel, XRow: d.xRow,
		XStep: s.DH * d.xRow, YStep: s.SH * d.xRow, KH: s.KH, OW: d.ow, DstPixel: s.C, DstRow: d.ow * s.C, Lo: w.q.Lo, Hi: w.q.Hi, Zero: int(w.q.Zero),
	}
	if w.narrow {
		k.args.Shift = -128 - int(w.q.Lo)
		k.args.Point = k.args.Zero - k.args.Shift
	}
	flips, zero := k.tiles.takes(in)
	k.args.Flip = int(flips)
	k.start = slices.Grow(k.start[:0], len(w.sum))[:len(w.sum)]
	for i, sum := range w.sum {
		k.start[i] = w.bias[i] - zero*sum
	}
	k.bands = (d.oh + d.band - 1) / d.band
	k.groups = max(1, s.C/laneBlock/((smallBand8-1)/(d.band*d.ow)+1))
	t.Run(k, s.N*k.bands*k.groups)
	*k = depthwise8Task{start: k.start}
	depthwise8Tasks.Put(k)
}

// Tile computes a band of rows of a group of blocks of a picture.
func (k *depthwise8Task) Tile(i, worker int) {
	d, s := k.plan, &k.plan.shape
	n, i := i/(k.bands*k.groups), i%(k.bands*k.groups)
	g, band := i%k.groups, i/k.groups
	y := band * d.band
	rows := min(d.band, d.oh-y)
	// The last block shares channels with the one before: one worker computes both.
	from, to := s.C/laneBlock*g/k.groups, s.C/laneBlock*(g+1)/k.groups
	if g == k.groups-1 {
		to = len(k.w.sum) / laneBlock
	}
	if !hasDepthwise8(k.tiles) || !k.w.narrow {
		for b := from; b < to; b++ {
			k.plain(n, y, rows, b)
		}
		return
	}
	scratch := k.scratch[worker*d.worker:][:d.worker]
	src, dst := k.src[n*s.H*s.W*s.C:], k.dst[(n*d.oh+y)*d.ow*s.C:]
	a := k.args
	a.X, a.Words = &scratch[0], (*int16)(unsafe.Pointer(&scratch[d.words]))
	a.Rows, a.InRows, a.Ys = &d.rows[y*s.SH], d.inRows(rows), rows
	narrow := dst
	if s.C < laneBlock {
		first := min(s.H, max(0, y*s.SH-s.PT))
		last := max(first, min(s.H, y*s.SH-s.PT+a.InRows))
		widen(scratch[d.in:], src[first*s.W*s.C:last*s.W*s.C], laneBlock, s.C, s.C)
		src, dst = scratch[d.in:], scratch[d.out:]
		a.Skip, a.DstPixel, a.DstRow = first*s.W*laneBlock, laneBlock, d.ow*laneBlock
	}
	for b := from; b < to; b++ {
		c := d.channel(b)
		a.Src, a.Dst = &src[c], &dst[c]
		a.W, a.Start, a.Scale = &k.w.data[b*quadBytes*s.KH*d.patterns], &k.start[b*laneBlock], &k.w.scale[b*laneBlock]
		depthwise8Quads(k.tiles, &a)
		depthwise8Tile(k.tiles, s.KW, s.SW, &a)
	}
	if s.C < laneBlock {
		widen(narrow[:rows*d.ow*s.C], dst[:rows*d.ow*laneBlock], s.C, laneBlock, s.C)
	}
}

// widen copies n bytes of every pixel. What is behind them in dst may become anything.
func widen(dst, src []byte, dstPixel, srcPixel, n int) {
	pixels, done := len(src)/srcPixel, 0
	switch {
	case n == 8: // the only such number that networks have
		for x := range pixels {
			*(*[8]byte)(dst[x*dstPixel:]) = [8]byte(src[x*srcPixel:])
		}
		return
	case n == srcPixel && dstPixel == quad && len(src) >= quad:
		// Whole quads, as long as the pixels behind have enough bytes; what pixels leave meets weights of 0.
		done = (len(src)-quad)/n + 1
		to, from := &dst[:done*quad][0], &src[0]
		for x := range done {
			*(*[quad]byte)(unsafe.Pointer(add(to, quad*x))) = *(*[quad]byte)(unsafe.Pointer(add(from, n*x)))
		}
	}
	for x := done; x < pixels; x++ {
		copy(dst[x*dstPixel:][:n], src[x*srcPixel:][:n])
	}
}

// plain computes rows of one block in plain Go.
func (k *depthwise8Task) plain(n, y, rows, block int) {
	d, s := k.plan, &k.plan.shape
	c, lanes := d.channel(block), min(s.C, laneBlock)
	weights := k.w.data[block*quadBytes*s.KH*d.patterns:]
	q := k.w.q
	q.Scale = k.w.scale[block*laneBlock:][:laneBlock]
	var acc [laneBlock]int32
	for y := y; y < y+rows; y, rows = y+1, rows-1 {
		for x := range d.ow {
			copy(acc[:], k.w.bias[block*laneBlock:])
			for i := range s.KH {
				iy := y*s.SH + i*s.DH - s.PT
				if iy < 0 || iy >= s.H {
					continue
				}
				for j := range s.KW {
					ix := x*s.SW + j - s.PL
					if ix < 0 || ix >= s.W {
						continue
					}
					w := weights[(i*d.patterns+j/quad)*quadBytes+j%quad:]
					for l, v := range k.src[((n*s.H+iy)*s.W+ix)*s.C+c:][:lanes] {
						acc[l] += k.in.Of(v) * int32(w[quad*l])
					}
				}
			}
			for l := range lanes {
				k.dst[((n*d.oh+y)*d.ow+x)*s.C+c+l] = q.Apply(acc[l], l)
			}
		}
	}
}

// checkDepthwise8 compares all windows, and pixels of few and many channels, with ref.
func checkDepthwise8() bool {
	r := checkRand(1)
	for i, c := range []int{40, 5, 16, 24} {
		s := Conv2D{
			N: 1, H: 6, W: 21, C: c, O: c, Groups: c, KH: 3, KW: 3 + i/2*2, SH: 1 + i%2, SW: 1 + i%2, DH: 1, DW: 1, PT: 1, PL: 1 + i/2, PB: 1, PR: 1,
		}
		in := Bytes{Signed: i == 1, Zero: int32(20 * i)}
		src, w, bias := checkInts[byte](&r, s.H*s.W*c, 128), checkInts[int8](&r, s.KH*s.KW*c, 128), checkInts[int32](&r, c, 1000)
		q := Requant{Scale: r.fill(c), Lo: -100, Hi: 120, Zero: 7}
		for i := range q.Scale {
			q.Scale[i] = float32(q.Scale[i] * 0.02)
		}
		d := NewDepthwise8(s)
		sums, got := make([]int32, d.oh*d.ow*c), make([]byte, d.oh*d.ow*c)
		ref.Depthwise8(sums, src, in, w, bias, &s)
		d.Run(nil, got, src, in, d.Pack(w).With(bias, &q), make([]byte, d.ScratchLen(1)))
		for j, v := range sums {
			if got[j] != q.Apply(v, j%c) {
				return false
			}
		}
	}
	return true
}
