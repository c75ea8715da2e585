package kernels

import (
	"sync/atomic"

	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// ResizeSpec says how a picture becomes a tensor.
type ResizeSpec = ref.Resize

// A Resize turns pictures of one layout and size into tensors [H,W,C] of another. It does not change and may be used from many goroutines.
type Resize struct {
	spec         ref.Resize
	unpack       unpacker
	c            int // channels
	ox, oy, w, h int // what the picture fills of the destination
	cols, rows   ref.Axis
	x0, x1       int     // columns of the source that are used
	off          []int32 // of each output in a row of blended floats, in bytes
	straight     bool    // outputs of a row are neighbours in the source
	identity     bool    // Scale is 1 and Shift 0
	factors      [8]float32
	pattern      [48]float32 // of whole rows: Scale, Shift repeated eight times
	padF32       [3]float32
	padU8        [3]uint8
	slots        int // rows of unpacked bytes that a worker keeps
	band         int // rows of the destination in a tile
	idle         atomic.Pointer[resizeTask]
}

// chunk is the most source rows that are averaged in one call.
const chunk = 8

// finite says whether all numbers are.
func finite(v ...float32) bool {
	for _, f := range v {
		if f-f != 0 {
			return false
		}
	}
	return true
}

func cameraFormats(f Format, c Colour, order Format) bool {
	return f >= RGB && f <= NV12 && c.Valid() && order >= RGB && order <= Grey
}

// maxSide bounds the sides of pictures, so that positions are exact in float32 and offsets fit 32 bits.
const maxSide = 1 << 15

// newFactors returns scales and shifts as vectors of four, and as a pattern of 24 each.
func newFactors(scale, shift [3]float32, c int) (k [8]float32, pattern [48]float32) {
	for i := range 4 {
		k[i], k[4+i] = scale[i%c], shift[i%c]
	}
	for i := range 24 {
		pattern[i], pattern[24+i] = scale[i%c], shift[i%c]
	}
	return k, pattern
}

// NewResize plans a resize.
func NewResize(spec ResizeSpec) *Resize {
	s := spec.Source()
	switch {
	case !cameraFormats(spec.Format, spec.Colour, spec.Order):
		panic("kernels: NewResize: bad Format, Colour or Order")
	case spec.SrcW < 1 || spec.SrcH < 1 || spec.SrcW > maxSide || spec.SrcH > maxSide:
		panic("kernels: NewResize: bad SrcW or SrcH")
	case spec.W < 1 || spec.H < 1 || spec.W > maxSide || spec.H > maxSide:
		panic("kernels: NewResize: bad W or H")
	case !(s.W > 0 && s.H > 0 && s.W <= maxSide && s.H <= maxSide) || !(s.X > -maxSide && s.X < maxSide && s.Y > -maxSide && s.Y < maxSide):
		panic("kernels: NewResize: bad Crop")
	case spec.Fit != Stretch && spec.Fit != Letterbox:
		panic("kernels: NewResize: bad Fit")
	}
	c := spec.Order.Channels()
	r := &Resize{spec: spec, unpack: newUnpacker(spec.Format, spec.Colour, spec.Order), c: c}
	r.ox, r.oy, r.w, r.h = spec.Inner()
	r.cols = ref.NewAxis(spec.SrcW, s.X, s.W, r.w, spec.Area)
	r.rows = ref.NewAxis(spec.SrcH, s.Y, s.H, r.h, spec.Area)
	scale, shift := spec.Factors()
	r.identity = scale == [3]float32{1, 1, 1} && shift == [3]float32{}
	r.factors, r.pattern = newFactors(scale, shift, c)
	for i := range r.padF32 {
		r.padF32[i] = ref.FMA32(spec.Pad[i], scale[i], shift[i])
		r.padU8[i] = ref.Byte(r.padF32[i])
	}
	first, last := r.cols.First[0], r.cols.First[r.w-1]
	r.x0, r.x1 = int(first)&^1, min(int(last)+max(2, r.cols.Taps), spec.SrcW)
	r.off = make([]int32, r.w)
	r.straight = r.cols.Taps == 0
	for i, f := range r.cols.First {
		r.off[i] = 4 * int32(c) * (f - int32(r.x0))
		r.straight = r.straight && f == first+int32(i) && r.cols.Weights[i] == 0
	}
	r.slots = min(max(2, r.rows.Taps+1), chunk+1)
	r.band = min(max(1, 1<<15/(spec.W*c)), spec.H)
	return r
}

// Spec returns what was planned.
func (r *Resize) Spec() ResizeSpec { return r.spec }

// ToSource maps a position in the destination, where pixel (0,0) covers 0..1 by 0..1, to the source: boxes go back this way.
func (r *Resize) ToSource(x, y float64) (float64, float64) {
	s := r.spec.Source()
	return s.X + (x-float64(r.ox))*s.W/float64(r.w), s.Y + (y-float64(r.oy))*s.H/float64(r.h)
}

// Run computes dst[y,x,c] = FMA32(v, Scale[c], Shift[c]), where v is src resampled. It returns the bits of ref's Resize.Float.
//
// dst is [H,W,C].
func (r *Resize) Run(t *Team, dst []float32, src Picture) {
	if len(dst) < r.spec.H*r.spec.W*r.c {
		panic("kernels: Resize.Run: dst too short")
	}
	r.check(&src)
	r.run(t, dst, nil, &src)
}

// RunBytes is Run with each result cut to 0..255 and rounded, halves to even. It returns the bytes of ref's Resize.Bytes.
func (r *Resize) RunBytes(t *Team, dst []uint8, src Picture) {
	if len(dst) < r.spec.H*r.spec.W*r.c {
		panic("kernels: Resize.RunBytes: dst too short")
	}
	r.check(&src)
	if d := dst[:r.spec.H*r.spec.W*r.c]; !disjoint(d, src.Pix) || !disjoint(d, src.UV) {
		panic("kernels: Resize.RunBytes: dst overlaps src")
	}
	r.run(t, nil, dst, &src)
}

func (r *Resize) check(src *Picture) {
	if f := fault(src, r.spec.Format, r.spec.Colour, r.spec.SrcW, r.spec.SrcH); f != "" {
		panic("kernels: Resize: " + f)
	}
}

// resizeTask is one Run. Tiles are bands of rows of the destination.
type resizeTask struct {
	*Resize
	f32     []float32 // one of the two is the destination
	u8      []uint8
	src     Picture
	workers []resizeWorker
}

// resizeWorker is what one worker needs to make rows.
type resizeWorker struct {
	bytes [][]uint8 // unpacked rows of the source
	held  []int     // which rows those are
	rows  [chunk][]uint8
	blend []float32 // a row of the source's columns, blended from its rows
	part  []float32 // the same while rows are still being added
	out   []float32 // a row before it becomes bytes
}

func (r *Resize) run(t *Team, dst []float32, bytes []uint8, src *Picture) {
	k := r.idle.Swap(nil)
	if k == nil {
		k = &resizeTask{Resize: r}
	}
	for len(k.workers) < t.Threads() {
		n := (r.x1 - r.x0) * r.c
		w := resizeWorker{held: make([]int, r.slots), blend: make([]float32, n+2*r.c+4), out: make([]float32, r.w*r.c)}
		if r.rows.Taps > chunk {
			w.part = make([]float32, len(w.blend))
		}
		if !r.unpack.plain {
			w.bytes = make([][]uint8, r.slots)
			for i := range w.bytes {
				w.bytes[i] = make([]uint8, n)
			}
		}
		k.workers = append(k.workers, w)
	}
	k.f32, k.u8, k.src = dst, bytes, *src
	t.Run(k, (r.spec.H+r.band-1)/r.band)
	k.f32, k.u8, k.src = nil, nil, Picture{}
	for i := range k.workers {
		clear(k.workers[i].rows[:])
	}
	r.idle.Store(k)
}

// Tile makes a band of rows.
func (k *resizeTask) Tile(i, worker int) {
	w := &k.workers[worker]
	for s := range w.held {
		w.held[s] = -1
	}
	n := k.spec.W * k.c
	for y := i * k.band; y < min((i+1)*k.band, k.spec.H); y++ {
		if k.f32 != nil {
			k.rowF32(w, k.f32[y*n:(y+1)*n], y-k.oy)
		} else {
			k.rowU8(w, k.u8[y*n:(y+1)*n], y-k.oy)
		}
	}
}

func fill[T any](dst []T, pad []T) {
	for i := range dst {
		dst[i] = pad[i%len(pad)]
	}
}

func (k *resizeTask) rowF32(w *resizeWorker, dst []float32, y int) {
	if y < 0 || y >= k.h {
		fill(dst, k.padF32[:k.c])
		return
	}
	a, b := k.ox*k.c, (k.ox+k.w)*k.c
	fill(dst[:a], k.padF32[:k.c])
	fill(dst[b:], k.padF32[:k.c])
	k.inner(w, dst[a:b], y)
}

func (k *resizeTask) rowU8(w *resizeWorker, dst []uint8, y int) {
	if y < 0 || y >= k.h {
		fill(dst, k.padU8[:k.c])
		return
	}
	a, b := k.ox*k.c, (k.ox+k.w)*k.c
	fill(dst[:a], k.padU8[:k.c])
	fill(dst[b:], k.padU8[:k.c])
	if k.straight && k.identity && k.rows.Taps == 0 && k.rows.Weights[y] == 0 {
		x := int(k.cols.First[0])
		if x&1 == 0 {
			k.unpack.row(dst[a:b], &k.src, int(k.rows.First[y]), x, x+k.w)
			return
		}
		copy(dst[a:b], k.row(w, int(k.rows.First[y]))[(x-k.x0)*k.c:])
		return
	}
	k.inner(w, w.out, y)
	byteRow(dst[a:b], w.out)
}

// inner makes the w pixels of row y that come from the source.
func (k *resizeTask) inner(w *resizeWorker, dst []float32, y int) {
	n := (k.x1 - k.x0) * k.c
	first := int(k.rows.First[y])
	if k.rows.Taps == 0 {
		f := k.rows.Weights[y]
		a := k.row(w, first)
		if f == 0 && k.straight {
			scaleRow(dst, a[int(k.cols.First[0])*k.c-k.x0*k.c:][:len(dst)], &k.pattern)
			return
		}
		b := a
		if f != 0 {
			b = k.row(w, first+1)
		}
		lerpRow(w.blend[:n], a, b, f)
	} else {
		weights := k.rows.Weights[y*k.rows.Taps:][:k.rows.Taps]
		for j := 0; j < len(weights); j += chunk {
			m := min(chunk, len(weights)-j)
			for i := range m {
				w.rows[i] = k.row(w, first+j+i)
			}
			if j == 0 {
				sumRow(w.blend[:n], nil, w.rows[:m], weights)
				continue
			}
			w.blend, w.part = w.part, w.blend
			sumRow(w.blend[:n], w.part[:n], w.rows[:m], weights[j:])
		}
	}
	if k.cols.Taps == 0 {
		lerpCols(dst, w.blend, k.off, k.cols.Weights, k.c, &k.factors)
	} else {
		sumCols(dst, w.blend, k.off, k.cols.Weights, k.cols.Taps, k.c, &k.factors)
	}
}

// row returns the bytes of the columns in use of source row y. They stay until slots other rows have been asked for.
func (k *resizeTask) row(w *resizeWorker, y int) []uint8 {
	if k.unpack.plain {
		return k.unpack.view(&k.src, y, k.x0, k.x1)
	}
	s := y % k.slots
	if w.held[s] != y {
		k.unpack.row(w.bytes[s], &k.src, y, k.x0, k.x1)
		w.held[s] = y
	}
	return w.bytes[s]
}
