package ktest

import (
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"math/rand/v2"
	"slices"
	"unsafe"

	"github.com/ocellus-vision/ocellus/internal/pages"
)

// Fill says what values a buffer starts with.
type Fill int

const (
	Plain   Fill = iota // uniform in [-1, 1)
	Whole               // small whole numbers: sums and products are exact
	Special             // a quarter of them NaN, ±Inf, ±0, denormals, the largest finite
	Spread              // any sign and exponent, finite
)

// Mem hands out the buffers of one case. Each ends at an inaccessible page (where the system has such) and starts after a
// run of canaries, so that no access outside of it goes unnoticed. Release frees them.
//
// After Rewind it hands out the same buffers anew, for a case that is built again.
type Mem struct {
	seed    uint64
	src     *rand.PCG
	rng     *rand.Rand
	fill    Fill
	bufs    []guarded
	pairs   []pair
	filled  []contents // of the buffers in order
	next    int        // of filled
	wants   []any      // ref's answers, from before Rewind
	relaxed bool
}

type pair struct {
	name      string
	got, want any
}

// contents is what a buffer started with.
type contents struct {
	data  any
	after rand.PCG // the source of random numbers behind it
}

// stream is the second half of every case's seed.
const stream = 0x6f63656c6c7573

// NewMem returns an empty Mem whose buffers are filled from the seed.
func NewMem(seed uint64, fill Fill) *Mem {
	src := rand.NewPCG(seed, stream)
	return &Mem{seed: seed, src: src, rng: rand.New(src), fill: fill}
}

// ordinary returns memory as networks have it.
func ordinary[T float32 | int32 | uint8](n int) []T {
	b := make([]T, n)
	pages.Advise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b))), n*int(unsafe.Sizeof(*new(T)))))
	return b
}

// NewBenchMem is NewMem with ordinary, cache-line aligned buffers without guards, for benchmarks.
func NewBenchMem(seed uint64) *Mem {
	m := NewMem(seed, Plain)
	m.relaxed = true
	return m
}

// Rand returns the source of random numbers of this case.
func (m *Mem) Rand() *rand.Rand { return m.rng }

var specials = [...]float32{
	float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, float32(math.Copysign(0, -1)),
	0x1p-149, -0x1p-149, 0x1p-127, -0x1.8p-130, math.MaxFloat32, -math.MaxFloat32, 0x1p-126, 1, -1, 88.73, -87.34,
}

// Value returns one number of the case's kind.
func (m *Mem) Value() float32 {
	switch m.fill {
	case Whole:
		return float32(m.rng.IntN(17) - 8)
	case Special:
		if m.rng.IntN(4) == 0 {
			return specials[m.rng.IntN(len(specials))]
		}
	case Spread:
		for {
			if f := math.Float32frombits(m.rng.Uint32()); f-f == 0 {
				return f
			}
		}
	}
	return float32(m.rng.Float32()*2) - 1
}

// filled returns b with values, or, after Rewind, with those that it held then.
func filled[T float32 | int32 | uint8](m *Mem, b []T, value func() T) []T {
	if m.next < len(m.filled) {
		f := &m.filled[m.next]
		if copy(b, f.data.([]T)) != len(b) {
			panic("ktest: a problem is built in another way than before")
		}
		*m.src = f.after
	} else {
		for i := range b {
			b[i] = value()
		}
		if !m.relaxed {
			m.filled = append(m.filled, contents{slices.Clone(b), *m.src})
		}
	}
	m.next++
	return b
}

// F32 returns n float32 of the case's kind.
func (m *Mem) F32(n int) []float32 { return filled(m, alloc[float32](m, n), m.Value) }

// F32s returns n float32 in [lo, hi), whatever the case's kind.
func (m *Mem) F32s(n int, lo, hi float32) []float32 {
	return filled(m, alloc[float32](m, n), func() float32 { return lo + float32((hi-lo)*m.rng.Float32()) })
}

// U8 returns n random bytes.
func (m *Mem) U8(n int) []uint8 {
	return filled(m, alloc[uint8](m, n), func() uint8 { return uint8(m.rng.Uint32()) })
}

// I32 returns a guarded copy of v.
func (m *Mem) I32(v []int32) []int32 {
	b := alloc[int32](m, len(v))
	copy(b, v)
	return b
}

// Out returns an output of n float32 for the kernel and one for ref, both holding the same junk.
func (m *Mem) Out(name string, n int) (got, want []float32) {
	return pairOf(m, name, filled(m, alloc[float32](m, n), m.rng.Float32))
}

// pairOf makes an output for ref of one for the kernel.
func pairOf[T float32 | int32 | uint8](m *Mem, name string, got []T) (_, want []T) {
	want = slices.Clone(got)
	m.pairs = append(m.pairs, pair{name, got, want})
	return got, want
}

// InOut is Out with contents of the case's kind, for kernels that update in place.
func (m *Mem) InOut(name string, n int) (got, want []float32) {
	return pairOf(m, name, filled(m, filled(m, alloc[float32](m, n), m.rng.Float32), m.Value))
}

// OutU8 is Out for bytes.
func (m *Mem) OutU8(name string, n int) (got, want []uint8) {
	return pairOf(m, name, m.U8(n))
}

// OutI32 is Out for integers.
func (m *Mem) OutI32(name string, n int) (got, want []int32) {
	return pairOf(m, name, filled(m, alloc[int32](m, n), func() int32 { return int32(m.rng.Uint32()) }))
}

// Rewind takes the buffers back. They are handed out again in the same order, with what they first held, and Diff compares with the answers that ref gave
// before.
func (m *Mem) Rewind() {
	if m.wants == nil {
		for _, p := range m.pairs {
			m.wants = append(m.wants, p.want)
		}
	}
	m.free()
	m.next = 0
	m.src.Seed(m.seed, stream)
}

// Diff compares every output with ref's and the canaries with what they were, and says what is wrong, or "".
func (m *Mem) Diff() string {
	for i, p := range m.pairs {
		want := p.want
		if m.wants != nil {
			want = m.wants[i]
		}
		switch got := p.got.(type) {
		case []float32:
			for i, w := range want.([]float32) {
				if g := got[i]; !SameBits(g, w) {
					return fmt.Sprintf("%s[%d] = %x (%#08x), ref has %x (%#08x)", p.name, i, g, math.Float32bits(g), w, math.Float32bits(w))
				}
			}
		case []uint8:
			if d := differing(p.name, got, want.([]uint8)); d != "" {
				return d
			}
		case []int32:
			if d := differing(p.name, got, want.([]int32)); d != "" {
				return d
			}
		}
	}
	for i := range m.bufs {
		if !m.bufs[i].intact() {
			return fmt.Sprintf("wrote before the start of buffer %d", i)
		}
	}
	return ""
}

func differing[T uint8 | int32](name string, got, want []T) string {
	for i, w := range want {
		if got[i] != w {
			return fmt.Sprintf("%s[%d] = %d, ref has %d", name, i, got[i], w)
		}
	}
	return ""
}

// Hash feeds what the kernel wrote to h, every NaN as the same one.
func (m *Mem) Hash(h hash.Hash) {
	var b []byte
	for _, p := range m.pairs {
		switch got := p.got.(type) {
		case []float32:
			for _, v := range got {
				u := math.Float32bits(v)
				if v != v {
					u = 0x7fc00000
				}
				b = binary.LittleEndian.AppendUint32(b, u)
			}
		case []int32:
			for _, v := range got {
				b = binary.LittleEndian.AppendUint32(b, uint32(v))
			}
		case []uint8:
			b = append(b, got...)
		}
	}
	h.Write(b)
}

// SameBits says whether a and b are the same float32: the same bits, or both NaN.
func SameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// Release frees the buffers; slices handed out must not be used after it.
func (m *Mem) Release() {
	m.free()
	m.filled, m.wants = nil, nil
}

func (m *Mem) free() {
	for i := range m.bufs {
		m.bufs[i].free()
	}
	m.bufs, m.pairs = m.bufs[:0], m.pairs[:0]
}
