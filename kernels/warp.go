package kernels

import (
	"sync/atomic"

	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// WarpSpec says how a picture is resampled along an affine map.
type WarpSpec = ref.Warp

// A Warp resamples pictures of one layout and size along affine maps, into tensors [H,W,C]. It does not change and may be used from
// many goroutines.
type Warp struct {
	spec    ref.Warp
	unpack  unpacker
	c       int
	factors [8]float32
	border  [3]float32 // after Scale and Shift
	band    int
	idle    atomic.Pointer[warpTask]
}

// maxArea bounds a source, so that offsets fit 32 bits.
const maxArea = 1 << 29

// NewWarp plans a warp.
func NewWarp(spec WarpSpec) *Warp {
	switch {
	case !cameraFormats(spec.Format, spec.Colour, spec.Order):
		panic("kernels: NewWarp: bad Format, Colour or Order")
	case spec.SrcW < 1 || spec.SrcH < 1 || spec.SrcW > maxSide || spec.SrcH > maxSide || spec.SrcW*spec.SrcH > maxArea:
		panic("kernels: NewWarp: bad SrcW or SrcH")
	case spec.W < 1 || spec.H < 1 || spec.W > maxSide || spec.H > maxSide:
		panic("kernels: NewWarp: bad W or H")
	case !finite(spec.Border[:]...):
		panic("kernels: NewWarp: bad Border")
	}
	w := &Warp{spec: spec, unpack: newUnpacker(spec.Format, spec.Colour, spec.Order), c: spec.Order.Channels()}
	scale, shift := spec.Factors()
	w.factors, _ = newFactors(scale, shift, w.c)
	for i := range w.border {
		w.border[i] = ref.FMA32(spec.Border[i], scale[i], shift[i])
	}
	w.band = min(max(1, 1<<13/(spec.W*w.c)), spec.H)
	return w
}

// Spec returns what was planned.
func (w *Warp) Spec() WarpSpec { return w.spec }

// Run computes dst[y,x,c] = FMA32(v, Scale[c], Shift[c]), where v is src at m(x, y), interpolated. It returns the bits of ref's Warp.Float.
//
// dst is [H,W,C]. Where m is not finite there is border.
func (w *Warp) Run(t *Team, dst []float32, src Picture, m Affine) {
	if len(dst) < w.spec.H*w.spec.W*w.c {
		panic("kernels: Warp.Run: dst too short")
	}
	w.check(&src)
	w.run(t, dst, nil, &src, &m)
}

// RunBytes is Run with each result cut to 0..255 and rounded, halves to even. It returns the bytes of ref's Warp.Bytes.
func (w *Warp) RunBytes(t *Team, dst []uint8, src Picture, m Affine) {
	if len(dst) < w.spec.H*w.spec.W*w.c {
		panic("kernels: Warp.RunBytes: dst too short")
	}
	w.check(&src)
	if d := dst[:w.spec.H*w.spec.W*w.c]; !disjoint(d, src.Pix) || !disjoint(d, src.UV) {
		panic("kernels: Warp.RunBytes: dst overlaps src")
	}
	w.run(t, nil, dst, &src, &m)
}

func (w *Warp) check(src *Picture) {
	if f := fault(src, w.spec.Format, w.spec.Colour, w.spec.SrcW, w.spec.SrcH); f != "" {
		panic("kernels: Warp: " + f)
	}
	if w.unpack.plain && src.Stride > 1<<30/src.H {
		panic("kernels: Warp: src.Stride too large")
	}
}

// warpTask is one Run: first, unless the source is plain, bands of the source are unpacked, then bands of the destination are made.
type warpTask struct {
	*Warp
	f32            []float32
	u8             []uint8
	src            Picture
	m              Affine
	unpacking      bool
	bytes          []uint8 // the part of the source in use, in the destination's order
	pix            []uint8 // the same, or the picture itself
	stride         int
	x0, y0, x1, y1 int // that part
	out            [][]float32
}

// unpackBand is the number of source rows that are unpacked as one tile.
const unpackBand = 16

func (w *Warp) run(t *Team, dst []float32, bytes []uint8, src *Picture, m *Affine) {
	k := w.idle.Swap(nil)
	if k == nil {
		k = &warpTask{Warp: w}
	}
	for len(k.out) < t.Threads() {
		k.out = append(k.out, make([]float32, w.spec.W*w.c))
	}
	k.f32, k.u8, k.src, k.m = dst, bytes, *src, *m
	if w.unpack.plain {
		k.x0, k.y0, k.x1, k.y1 = 0, 0, w.spec.SrcW, w.spec.SrcH
		k.pix, k.stride = src.Pix, src.Stride
	} else {
		k.region()
		k.stride = (k.x1 - k.x0) * w.c
		if n := k.stride * (k.y1 - k.y0); len(k.bytes) < n {
			k.bytes = make([]uint8, n)
		}
		k.pix = k.bytes
		k.unpacking = true
		t.Run(k, (k.y1-k.y0+unpackBand-1)/unpackBand)
		k.unpacking = false
	}
	t.Run(k, (w.spec.H+w.band-1)/w.band)
	k.f32, k.u8, k.pix, k.src = nil, nil, nil, Picture{}
	w.idle.Store(k)
}

// region sets the part of the source that the map reaches. Positions are monotonic along both axes, so the corners bound it.
func (k *warpTask) region() {
	k.x0, k.y0, k.x1, k.y1 = k.spec.SrcW, k.spec.SrcH, 0, 0
	for _, y := range [2]int{0, k.spec.H - 1} {
		bx, dx, by, dy := k.m.Row(y)
		for _, x := range [2]int{0, k.spec.W - 1} {
			sx, _ := ref.Coord(ref.FMA32(dx, float32(x), bx), k.spec.SrcW)
			sy, _ := ref.Coord(ref.FMA32(dy, float32(x), by), k.spec.SrcH)
			k.x0, k.x1 = min(k.x0, sx), max(k.x1, sx+2)
			k.y0, k.y1 = min(k.y0, sy), max(k.y1, sy+2)
		}
	}
	k.x0, k.x1 = max(k.x0, 0)&^1, min(k.x1, k.spec.SrcW)
	k.y0, k.y1 = max(k.y0, 0), min(k.y1, k.spec.SrcH)
	if !finite(float32(k.m[0]), float32(k.m[1]), float32(k.m[2]), float32(k.m[3]), float32(k.m[4]), float32(k.m[5])) {
		k.x0, k.y0, k.x1, k.y1 = 0, 0, k.spec.SrcW, k.spec.SrcH
	}
	if k.x0 >= k.x1 || k.y0 >= k.y1 {
		k.x0, k.y0, k.x1, k.y1 = 0, 0, 0, 0
	}
}

// Tile unpacks a band of the source or makes a band of the destination.
func (k *warpTask) Tile(i, worker int) {
	if k.unpacking {
		for y := k.y0 + i*unpackBand; y < min(k.y0+(i+1)*unpackBand, k.y1); y++ {
			k.unpack.row(k.bytes[(y-k.y0)*k.stride:][:k.stride], &k.src, y, k.x0, k.x1)
		}
		return
	}
	n := k.spec.W * k.c
	for y := i * k.band; y < min((i+1)*k.band, k.spec.H); y++ {
		if k.f32 != nil {
			k.row(k.f32[y*n:(y+1)*n], y)
			continue
		}
		out := k.out[worker]
		k.row(out, y)
		byteRow(k.u8[y*n:(y+1)*n], out)
	}
}

// row makes row y of the destination: pixels whose neighbours are all inside by warpRow, the others one by one.
func (k *warpTask) row(dst []float32, y int) {
	bx, dx, by, dy := k.m.Row(y)
	// The kernel reads one byte past the second pixel: the last column is left out.
	from, to := crossing(bx, dx, float32(k.x0), float32(k.x1-2), k.spec.W)
	f, t := crossing(by, dy, float32(k.y0), float32(k.y1-1), k.spec.W)
	from, to = max(from, f), min(to, t)
	if from >= to {
		from, to = k.spec.W, k.spec.W
	}
	for x := range from {
		k.pixel(dst[x*k.c:][:k.c], x, bx, dx, by, dy)
	}
	if from < to {
		at := [4]float32{bx, dx, by, dy}
		warpRow(dst[from*k.c:to*k.c], k.pix, k.stride, k.y0*k.stride+k.x0*k.c, from, k.c, &at, &k.factors)
	}
	for x := to; x < k.spec.W; x++ {
		k.pixel(dst[x*k.c:][:k.c], x, bx, dx, by, dy)
	}
}

// crossing returns the first and one past the last of x = 0..n-1 with lo <= FMA32(d, x, b) < hi, which is monotonic in x.
func crossing(b, d, lo, hi float32, n int) (from, to int) {
	// first returns the first x at which the position has passed edge.
	first := func(edge float32, rising bool) int {
		i, j := 0, n
		for i < j {
			x := (i + j) / 2
			if s := ref.FMA32(d, float32(x), b); rising && s >= edge || !rising && s < edge {
				j = x
			} else {
				i = x + 1
			}
		}
		return i
	}
	if d >= 0 {
		return first(lo, true), first(hi, true)
	}
	return first(hi, false), first(lo, false)
}

// pixel makes one pixel of which any neighbour may be outside the source.
func (k *warpTask) pixel(dst []float32, x int, bx, dx, by, dy float32) {
	sx, fx := ref.Coord(ref.FMA32(dx, float32(x), bx), k.spec.SrcW)
	sy, fy := ref.Coord(ref.FMA32(dy, float32(x), by), k.spec.SrcH)
	if sx < -1 || sx >= k.spec.SrcW || sy < -1 || sy >= k.spec.SrcH {
		copy(dst, k.border[:])
		return
	}
	at := func(x, y, c int) float32 {
		if x < 0 || x >= k.spec.SrcW || y < 0 || y >= k.spec.SrcH {
			return k.spec.Border[c]
		}
		return float32(k.pix[(y-k.y0)*k.stride+(x-k.x0)*k.c+c])
	}
	for c := range dst {
		v := ref.Blend(at(sx, sy, c), at(sx+1, sy, c), at(sx, sy+1, c), at(sx+1, sy+1, c), fx, fy)
		dst[c] = ref.FMA32(v, k.factors[c], k.factors[4+c])
	}
}
