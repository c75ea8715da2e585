package kernels

import (
	"slices"
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// What 8-bit integers stand for, and how sums of them become such again.
type (
	Bytes   = ref.Bytes
	Requant = ref.Requant
)

// quad is how many 8-bit integers along K lie side by side: as many as one instruction multiplies and adds up.
const quad = 4

// actBytes is the Act of tiles that requantise.
const actBytes = 3

// The tiles of 8-bit integers are named as those of float32, with dot added, and with plain where the CPU has no instructions for dot products.
const (
	dot   ISA = 0x10
	plain ISA = 0x20
)

// dotTiles returns whose tiles multiply 8-bit integers.
func dotTiles() ISA {
	isa := use[OpGemm8]
	if isa == Generic || dotProducts[isa] {
		return isa | dot
	}
	if isa == AVX512 { // the first CPUs with it
		isa = AVX2
		if dotProducts[isa] {
			return isa | dot
		}
	}
	return isa | dot | plain
}

// signed says whether tiles take the bytes of A as signed.
func (i ISA) signed() bool { return i&^(dot|plain) == NEON }

// takes returns what tiles XOR bytes with that stand for in, and the zero point of what comes out.
func (i ISA) takes(in Bytes) (flips byte, zero int32) {
	switch signed := i.signed(); {
	case signed == in.Signed:
		return 0, in.Zero
	case signed:
		return flip, in.Zero - flip
	}
	return flip, in.Zero + flip
}

// Packed8 is the right operand of a product of 8-bit integers, in the order that the tiles read: panels of 16 columns, [⌈N/16⌉][⌈K/4⌉][16][4], padded with
// zeros; with its bias, and what becomes of the sums. It does not change after packing, and may be shared.
type Packed8 struct {
	K, N  int
	run   int // of K that are padded to quads each: an input position's, for a convolution
	quads int // along K
	data  []int8
	sum   []int32   // of each column
	bias  []int32   // of each column, or nil
	scale []float32 // padded to whole panels; nil: there are sums only
	q     Requant
}

// Bytes returns the memory that the packed weights take.
func (p *Packed8) Bytes() int { return len(p.data) + 4*(len(p.sum)+len(p.bias)+len(p.scale)) }

// flip is what makes bytes unsigned, or signed, where they are not: the zero point moves with them.
const flip = 0x80

// Pack8 packs the transpose of b, [N,K], a fully connected layer's weights.
func Pack8(b []int8, k, n int) *Packed8 {
	if k < 0 || n < 0 {
		panic("kernels: Pack8: bad k or n")
	}
	if !holds(len(b), n, k, k) {
		panic("kernels: Pack8: b too short")
	}
	return pack8(b, k, max(1, k), (max(1, k)+quad-1)/quad*quad, n)
}

// pack8 packs n rows of k numbers, runs of them being padded to wide ones.
func pack8(b []int8, k, run, wide, n int) *Packed8 {
	panels := (n + panel - 1) / panel
	p := &Packed8{K: k, N: n, run: run, quads: k / run * wide / quad, sum: make([]int32, n)}
	p.data = unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(aligned(panels*panel*p.quads)))), panels*panel*p.quads*quad)
	for j := range n {
		row := b[j*k : (j+1)*k]
		to := p.data[min(j/panel*panel*p.quads*quad+j%panel*quad, len(p.data)):]
		for i, at := 0, 0; i < k; i, at = i+run, at+wide {
			for c, v := range row[i : i+run] {
				p.sum[j] += int32(v)
				to[(at+c)/quad*panel*quad+(at+c)%quad] = v
			}
		}
	}
	return p
}

// With returns the same weights with a bias, [N] or nil, and what becomes of the sums, or nil where they stay. Weights take their memory once.
func (p *Packed8) With(bias []int32, q *Requant) *Packed8 {
	checkRequant("Packed8.With", p.N, bias, q)
	w := *p
	w.bias, w.scale, w.q = slices.Clone(bias[:min(p.N, len(bias))]), nil, Requant{}
	if q != nil {
		w.q, w.scale = *q, aligned(wholePanels(p.N))
		w.q.Scale = nil
		for j := range p.N {
			w.scale[j] = q.Scale[min(j, len(q.Scale)-1)]
		}
	}
	return &w
}

func checkRequant(name string, n int, bias []int32, q *Requant) {
	if bias != nil && len(bias) < n {
		panic("kernels: " + name + ": bias too short")
	}
	if q == nil {
		return
	}
	if len(q.Scale) != 1 && len(q.Scale) < n {
		panic("kernels: " + name + ": scale too short")
	}
	for _, s := range q.Scale {
		if s-s != 0 {
			panic("kernels: " + name + ": scale not finite")
		}
	}
	if !clips(q.Lo, q.Hi) {
		panic("kernels: " + name + ": bad lo or hi")
	}
}

// fits says whether a zero point is a number of its type.
func fits(in Bytes) bool {
	if in.Signed {
		return in.Zero == int32(int8(in.Zero))
	}
	return in.Zero == int32(uint8(in.Zero))
}

// dots fills in what 8-bit integers add to the arguments: A's bytes stand for in.
func (g *gemmTask) dots(p *Packed8, in Bytes) {
	x := &g.args
	flips, zero := g.tiles.takes(in)
	x.Flip = int(uint32(flips) * 0x01010101) // an int of 32 bits holds it as another number
	n := wholePanels(p.N)
	g.start = slices.Grow(g.start[:0], n)[:n]
	for j, sum := range p.sum {
		g.start[j] = -zero * sum
	}
	for j, v := range p.bias {
		g.start[j] += v
	}
	x.B, x.Bias = (*float32)(unsafe.Pointer(unsafe.SliceData(p.data))), (*float32)(unsafe.Pointer(&g.start[0]))
	if g.size == 1 {
		x.Act, x.Scale, x.Lo, x.Hi, x.Point = actBytes, ptr(p.scale), p.q.Lo, p.q.Hi, int(p.q.Zero)
	}
}

// Gemm8 computes dst[i,j] = q(bias[j] + Σ_p in.Of(a[i,p])·b[j,p]) with the bias and q of Packed8.With. It returns the bytes of ref.Gemm8 and Requant.Apply.
//
// a is [m, b.K] with row stride lda, dst is [m, b.N]; they do not overlap.
func Gemm8(t *Team, dst, a []byte, lda, m int, in Bytes, b *Packed8) {
	if b.scale == nil && b.N > 0 {
		panic("kernels: Gemm8: weights without a scale")
	}
	gemm8(t, dst, 1, b.N, a, lda, m, in, b)
}

// Gemm8Sums is Gemm8 that leaves the sums, in int32, which wrap. It returns those of ref.Gemm8.
func Gemm8Sums(t *Team, dst []int32, a []byte, lda, m int, in Bytes, b *Packed8) {
	gemm8(t, dst, 4, b.N, a, lda, m, in, b)
}

// gemm8 computes results of size bytes, ldd of them from row to row.
func gemm8[T byte | int32](t *Team, dst []T, size, ldd int, a []byte, lda, m int, in Bytes, b *Packed8) {
	if m <= 0 || b.N == 0 {
		if m < 0 {
			panic("kernels: Gemm8: bad m")
		}
		return
	}
	if lda < b.K || !holds(len(a), m, lda, b.K) {
		panic("kernels: Gemm8: a too short")
	}
	if !holds(len(dst), m, ldd, b.N) {
		panic("kernels: Gemm8: dst too short")
	}
	if lda/quad > (1<<31-1)/(maxRows-1) {
		panic("kernels: Gemm8: lda too large")
	}
	if !fits(in) {
		panic("kernels: Gemm8: bad zero point")
	}
	if !disjoint(bytesOf(dst[:(m-1)*ldd+b.N]), a[:(m-1)*lda+b.K]) {
		panic("kernels: Gemm8: dst overlaps a")
	}
	g := gemmTasks.Get().(*gemmTask)
	g.tiles, g.size = dotTiles(), size
	steps := min(1, b.quads)
	g.copies = b.K%quad != 0 || lda%quad != 0 || m > 1 && aliases(use[OpGemm8], lda/quad, b.N)
	for r := range g.dense {
		g.dense[r] = int32(r * (lda / quad))
	}
	g.args = asm.GemmArgs{
		A: (*float32)(unsafe.Pointer(unsafe.SliceData(a))), Offs: &g.dense[0], Zero: (*float32)(unsafe.Pointer(&g.dense)), // Zero is never read
		C: (*float32)(unsafe.Pointer(unsafe.SliceData(dst))), LDC: size * ldd, K: b.quads, Steps: steps, LDA: lda * steps,
	}
	g.dots(b, in)
	g.rowBytes, g.used = lda, b.K
	g.n, g.packedK, g.m, g.plan = b.N, b.quads, m, nil
	g.split(t, blockRows(m, b.quads, shortBlock))
	g.runBlocks(t, 1)
	g.free()
}

// bytesOf returns the memory of a slice.
func bytesOf[T byte | int32 | float32](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}

// Conv8 is a convolution of 8-bit integers planned for one shape. It does not change, and may be shared.
type Conv8 struct {
	shape Conv2D
	plan  *Conv // its pixels are quads
}

// Conv8Suits says whether Conv8 computes such convolutions: those of one group, or whose groups have multiples of four channels.
func Conv8Suits(s Conv2D) bool { return s.Groups == 1 || s.Groups > 0 && s.C/s.Groups%quad == 0 }

// NewConv8 plans a convolution. It panics on an impossible shape, and one that does not suit.
func NewConv8(s Conv2D) *Conv8 {
	checkConv("Conv8", &s)
	if !Conv8Suits(s) {
		panic("kernels: Conv8: channels of a group are no multiple of 4")
	}
	q := s
	q.C = (s.C + quad - 1) / quad
	return &Conv8{s, newConv(q, s.C%quad != 0)}
}

// Weights8 are the weights of a convolution of 8-bit integers, packed.
type Weights8 struct {
	groups []*Packed8
}

// Bytes returns the memory that the packed weights take.
func (w *Weights8) Bytes() int {
	n := 0
	for _, g := range w.groups {
		n += g.Bytes()
	}
	return n
}

// Pack packs w, [O,KH,KW,C/Groups].
func (c *Conv8) Pack(w []int8) *Weights8 {
	s := &c.shape
	cg, og := s.C/s.Groups, s.O/s.Groups
	k := s.KH * s.KW * cg
	if len(w) < s.O*k {
		panic("kernels: Conv8.Pack: w too short")
	}
	p := &Weights8{}
	for g := range s.Groups {
		p.groups = append(p.groups, pack8(w[g*og*k:], k, cg, (cg+quad-1)/quad*quad, og))
	}
	return p
}

// With returns the same weights with a bias, [O] or nil, and what becomes of the sums, or nil where they stay. Weights take their memory once.
func (w *Weights8) With(bias []int32, q *Requant) *Weights8 {
	o := 0
	for _, g := range w.groups {
		o += g.N
	}
	checkRequant("Weights8.With", o, bias, q)
	p, at := &Weights8{}, 0
	for _, g := range w.groups {
		b, part := bias, q
		if bias != nil {
			b = bias[at:]
		}
		if q != nil && len(q.Scale) > 1 {
			of := *q
			of.Scale = q.Scale[at:]
			part = &of
		}
		p.groups = append(p.groups, g.With(b, part))
		at += g.N
	}
	return p
}

// Run computes dst[n,y,x,o] = q(bias[o] + Σ in.Of(src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c])·w[o,i,j,c]); what lies outside src stands for 0. It returns the
// bytes of ref.Convolve8 and Requant.Apply.
//
// src is [N,H,W,C], dst is [N,OH,OW,O]; they do not overlap.
func (c *Conv8) Run(t *Team, dst, src []byte, in Bytes, w *Weights8) {
	if len(w.groups) > 0 && w.groups[0].scale == nil {
		panic("kernels: Conv8.Run: weights without a scale")
	}
	conv8(c, t, dst, 1, src, in, w)
}

// RunSums is Run that leaves the sums, in int32, which wrap. It returns those of ref.Convolve8.
func (c *Conv8) RunSums(t *Team, dst []int32, src []byte, in Bytes, w *Weights8) {
	conv8(c, t, dst, 4, src, in, w)
}

func conv8[T byte | int32](c *Conv8, t *Team, dst []T, size int, src []byte, in Bytes, w *Weights8) {
	s := &c.shape
	og, cg := s.O/s.Groups, s.C/s.Groups
	pixels := c.plan.oh * c.plan.ow
	if len(src) < s.N*s.H*s.W*s.C {
		panic("kernels: Conv8.Run: src too short")
	}
	if len(dst) < s.N*pixels*s.O {
		panic("kernels: Conv8.Run: dst too short")
	}
	if len(w.groups) != s.Groups || w.groups[0].K != s.KH*s.KW*cg || w.groups[0].run != cg || w.groups[0].N != og {
		panic("kernels: Conv8.Run: weights packed for another shape")
	}
	if !fits(in) {
		panic("kernels: Conv8.Run: bad zero point")
	}
	dst, src = dst[:s.N*pixels*s.O], src[:s.N*s.H*s.W*s.C]
	if !disjoint(bytesOf(dst), src) {
		panic("kernels: Conv8.Run: dst overlaps src")
	}
	if s.N == 0 {
		return
	}
	if c.plan.dense() {
		for g, b := range w.groups {
			gemm8(t, dst[g*og:], size, s.O, src[g*cg:], s.C, s.N*pixels, in, b)
		}
		return
	}
	for g, b := range w.groups {
		task := gemmTasks.Get().(*gemmTask)
		task.tiles, task.size = dotTiles(), size
		task.outside = slices.Grow(task.outside[:0], quad*c.plan.k)[:quad*c.plan.k]
		set(task.outside, byte(in.Zero))
		task.args = asm.GemmArgs{
			A: (*float32)(unsafe.Pointer(&src[g*cg])), Zero: (*float32)(unsafe.Pointer(&task.outside[0])), C: (*float32)(unsafe.Pointer(&dst[g*og])),
			LDC: size * s.O, K: c.plan.k, Steps: c.plan.steps,
		}
		task.dots(b, in)
		task.n, task.packedK = b.N, b.quads
		task.plan, task.blocks = c.plan, len(c.plan.blocks)
		if c.plan.copied {
			task.padding = padding{src: src, c: s.C, wide: quad * c.plan.shape.C, w: s.W, outside: byte(in.Zero)}
			if c.plan.merged {
				task.padding.left, task.padding.right = s.PL, s.PR
			}
		}
		task.image.dst = size * pixels * s.O
		task.runBlocks(t, s.N)
		task.free()
	}
}

// dotTileGeneric is gemmTile for 8-bit integers in plain Go.
func dotTileGeneric(isa ISA, x *asm.GemmArgs) {
	in := Bytes{Signed: isa.signed()}
	scale := [panel]float32{}
	if x.Act == actBytes {
		copy(scale[:], unsafe.Slice(x.Scale, panel))
	}
	q := Requant{Scale: scale[:], Lo: x.Lo, Hi: x.Hi, Zero: int32(x.Point)}
	var acc [panel]int32
	for tile := range x.Tiles {
		a, offs := (*byte)(unsafe.Pointer(add(x.A, tile*x.AStep))), add(x.Offs, tile*x.OffStep)
		c := add(x.C, tile*x.Rows*x.LDC)
		for r := range x.Rows {
			out := unsafe.Pointer(add(c, r*x.LDC))
			if x.Load != 0 {
				copy(acc[:], unsafe.Slice((*int32)(out), x.Cols))
			} else {
				copy(acc[:], unsafe.Slice((*int32)(unsafe.Pointer(x.Bias)), panel))
			}
			for s := range x.Steps {
				row := (*byte)(unsafe.Pointer(x.Zero))
				if o := *add(offs, s*x.OffStride+4*r); o >= 0 {
					row = add(a, 4*int(o))
				}
				b := unsafe.Slice((*int8)(unsafe.Pointer(add(x.B, 4*panel*s*x.K))), panel*quad*x.K)
				for i, v := range unsafe.Slice(row, quad*x.K) {
					n := in.Of(v ^ byte(x.Flip))
					w := b[i/quad*panel*quad+i%quad:]
					for j := range acc {
						acc[j] += n * int32(w[quad*j])
					}
				}
			}
			if x.Act != actBytes {
				copy(unsafe.Slice((*int32)(out), x.Cols), acc[:])
				continue
			}
			to := unsafe.Slice((*byte)(out), x.Cols)
			for j := range to {
				to[j] = q.Apply(acc[j], j)
			}
		}
	}
}

// checkInts returns n of the numbers that self-tests run on, less than most.
func checkInts[T byte | int8 | int32](r *checkRand, n int, most float32) []T {
	x := make([]T, n)
	for i, v := range r.fill(n) {
		x[i] = T(int32(float32(v * most)))
	}
	return x
}

// requantAgrees says whether sums and bytes are what ref has.
func requantAgrees(q *Requant, want, sums []int32, bytes []byte, n int) bool {
	for i, v := range want {
		if sums[i] != v || bytes[i] != q.Apply(v, i%n) {
			return false
		}
	}
	return true
}

// checkGemm8 compares tiles of every height, ragged and full, a convolution with padding and depthwise ones with ref.
func checkGemm8() bool {
	r := checkRand(1)
	requant := Requant{Lo: -100, Hi: 120, Zero: 7}
	for m := 1; m <= maxRows; m++ {
		n, k := 33+5*m, 3+m%9
		in := Bytes{Signed: m%2 == 0, Zero: int32(5 * m)}
		a, b, bias := checkInts[byte](&r, m*k, 128), checkInts[int8](&r, n*k, 128), checkInts[int32](&r, n, 1000)
		requant.Scale = []float32{0.004}
		p := Pack8(b, k, n).With(bias, &requant)
		want, got, bytes := make([]int32, m*n), make([]int32, m*n), make([]byte, m*n)
		ref.Gemm8(want, a, k, in, b, bias, m, n, k)
		Gemm8Sums(nil, got, a, k, m, in, p)
		Gemm8(nil, bytes, a, k, m, in, p)
		if !requantAgrees(&requant, want, got, bytes, n) {
			return false
		}
	}
	s := Conv2D{N: 1, H: 4, W: 5, C: 36, O: 40, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	in := Bytes{Zero: 130}
	src, w := checkInts[byte](&r, 4*5*36, 128), checkInts[int8](&r, 40*9*36, 128)
	requant.Scale = r.fill(40)
	want, got, bytes := make([]int32, 4*5*40), make([]int32, 4*5*40), make([]byte, 4*5*40)
	c := NewConv8(s)
	p := c.Pack(w).With(nil, &requant)
	ref.Convolve8(want, src, in, w, nil, &s)
	c.RunSums(nil, got, src, in, p)
	c.Run(nil, bytes, src, in, p)
	return requantAgrees(&requant, want, got, bytes, 40) && checkDepthwise8()
}
