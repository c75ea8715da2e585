package kernels

import (
	"math"
	"time"
)

// probeTurns is how many turns of a multiply-add loop run between two looks at the clock: a few microseconds.
const probeTurns = 10000

// FMAPeak returns the highest rate of float32 multiply-adds that the calling goroutine's core was seen to reach on isa, in
// GFLOP/s (a multiply-add counts two), or 0 where isa is not available. It takes about 50 ms. On Generic it is the rate of plain Go
// code that multiplies and adds.
func FMAPeak(isa ISA) float64 {
	const limit = 50 * time.Millisecond
	best := 0.0
	for start := time.Now(); time.Since(start) < limit || best == 0; {
		t := time.Now()
		n := probeFMA(isa, probeTurns)
		if n == 0 {
			return 0
		}
		best = max(best, 2*float64(n)/float64(max(1, time.Since(t).Nanoseconds())))
	}
	return best
}

// Bandwidth returns the highest rates at which t's threads were seen to read a buffer of size bytes and to copy one half of it to the
// other, in GB/s; a byte copied counts twice, once read and once written. A size of four times the last cache measures memory.
func Bandwidth(t *Team, size int) (read, copied float64) {
	const passes = 5
	p := &probeMem{buf: make([]uint64, max(1, size/probeTile)*probeTile/8)}
	for i := range p.buf {
		p.buf[i] = uint64(i)
	}
	t.Begin()
	defer t.End()
	for range passes {
		p.copying = false
		read = max(read, p.rate(t, len(p.buf)))
		p.copying = true
		copied = max(copied, p.rate(t, len(p.buf)))
	}
	return read, copied
}

// probeTile is how many bytes one tile of probeMem reads.
const probeTile = 1 << 18

// probeMem is a Task that reads its buffer, or copies its first half to its second.
type probeMem struct {
	buf     []uint64
	copying bool
	sink    [64]uint64
}

// rate runs the task once over all of the buffer and returns bytes per nanosecond.
func (p *probeMem) rate(t *Team, words int) float64 {
	start := time.Now()
	t.Run(p, words*8/probeTile)
	return float64(words*8) / float64(max(1, time.Since(start).Nanoseconds()))
}

// Tile implements Task.
func (p *probeMem) Tile(i, worker int) {
	const words = probeTile / 8
	if p.copying {
		half := len(p.buf) / 2
		i *= words / 2
		copy(p.buf[half+i:half+i+words/2], p.buf[i:i+words/2])
		return
	}
	p.sink[worker%len(p.sink)] ^= probeRead(p.buf[i*words : (i+1)*words])
}

// probeFMAGeneric runs n turns of eight independent multiply-adds and returns their number.
func probeFMAGeneric(n int) int {
	const x = 0.5
	var a, b, c, d, e, f, g, h float32
	for range n {
		a = float32(a*x) + x
		b = float32(b*x) + x
		c = float32(c*x) + x
		d = float32(d*x) + x
		e = float32(e*x) + x
		f = float32(f*x) + x
		g = float32(g*x) + x
		h = float32(h*x) + x
	}
	if a+b+c+d+e+f+g+h == float32(math.Inf(1)) {
		return 0
	}
	return 8 * n
}

// probeReadGeneric reads src, whose length is a multiple of four.
func probeReadGeneric(src []uint64) uint64 {
	var a, b, c, d uint64
	for len(src) >= 4 {
		a ^= src[0]
		b ^= src[1]
		c ^= src[2]
		d ^= src[3]
		src = src[4:]
	}
	return a ^ b ^ c ^ d
}
