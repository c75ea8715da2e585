package ktest

import (
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"math/rand/v2"
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
type Mem struct {
	rng     *rand.Rand
	fill    Fill
	bufs    []guarded
	pairs   []pair
	relaxed bool
}

type pair struct {
	name      string
	got, want any
}

// NewMem returns an empty Mem whose buffers are filled from the seed.
func NewMem(seed uint64, fill Fill) *Mem {
	return &Mem{rng: rand.New(rand.NewPCG(seed, 0x6f63656c6c7573)), fill: fill}
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

// F32 returns n float32 of the case's kind.
func (m *Mem) F32(n int) []float32 {
	b := alloc[float32](m, n)
	for i := range b {
		b[i] = m.Value()
	}
	return b
}

// F32s returns n float32 in [lo, hi), whatever the case's kind.
func (m *Mem) F32s(n int, lo, hi float32) []float32 {
	b := alloc[float32](m, n)
	for i := range b {
		b[i] = lo + float32((hi-lo)*m.rng.Float32())
	}
	return b
}

// U8 returns n random bytes.
func (m *Mem) U8(n int) []uint8 {
	b := alloc[uint8](m, n)
	for i := range b {
		b[i] = uint8(m.rng.Uint32())
	}
	return b
}

// I32 returns a guarded copy of v.
func (m *Mem) I32(v []int32) []int32 {
	b := alloc[int32](m, len(v))
	copy(b, v)
	return b
}

// Out returns an output of n float32 for the kernel and one for ref, both holding the same junk.
func (m *Mem) Out(name string, n int) (got, want []float32) {
	got, want = alloc[float32](m, n), make([]float32, n)
	for i := range got {
		got[i] = m.rng.Float32()
		want[i] = got[i]
	}
	m.pairs = append(m.pairs, pair{name, got, want})
	return got, want
}

// InOut is Out with contents of the case's kind, for kernels that update in place.
func (m *Mem) InOut(name string, n int) (got, want []float32) {
	got, want = m.Out(name, n)
	for i := range got {
		got[i] = m.Value()
		want[i] = got[i]
	}
	return got, want
}

// OutU8 is Out for bytes.
func (m *Mem) OutU8(name string, n int) (got, want []uint8) {
	got, want = m.U8(n), make([]uint8, n)
	copy(want, got)
	m.pairs = append(m.pairs, pair{name, got, want})
	return got, want
}

// Diff compares every output with ref's and the canaries with what they were, and says what is wrong, or "".
func (m *Mem) Diff() string {
	for _, p := range m.pairs {
		switch got := p.got.(type) {
		case []float32:
			for i, w := range p.want.([]float32) {
				if g := got[i]; !SameBits(g, w) {
					return fmt.Sprintf("%s[%d] = %x (%#08x), ref has %x (%#08x)", p.name, i, g, math.Float32bits(g), w, math.Float32bits(w))
				}
			}
		case []uint8:
			for i, w := range p.want.([]uint8) {
				if got[i] != w {
					return fmt.Sprintf("%s[%d] = %d, ref has %d", p.name, i, got[i], w)
				}
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

// Hash feeds what the kernel wrote to h, every NaN as the same one.
func (m *Mem) Hash(h hash.Hash) {
	for _, p := range m.pairs {
		switch got := p.got.(type) {
		case []float32:
			for _, v := range got {
				u := math.Float32bits(v)
				if v != v {
					u = 0x7fc00000
				}
				h.Write(binary.LittleEndian.AppendUint32(nil, u))
			}
		case []uint8:
			h.Write(got)
		}
	}
}

// SameBits says whether a and b are the same float32: the same bits, or both NaN.
func SameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// Release frees the buffers; slices handed out must not be used after it.
func (m *Mem) Release() {
	for i := range m.bufs {
		m.bufs[i].free()
	}
	m.bufs, m.pairs = nil, nil
}
