package pipeline

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram counts durations in fixed buckets: 8 to each doubling of the duration, from 1 µs to 19 minutes. The zero value is ready for use; many
// goroutines may share it.
type Histogram struct {
	counts [buckets]atomic.Uint64
	sum    atomic.Uint64 // µs
	most   atomic.Uint64 // µs
}

const (
	perOctave = 8
	octaves   = 27 // above 8 µs
	buckets   = perOctave * (octaves + 1)
)

// Add counts d. Less than nothing counts as nothing.
func (h *Histogram) Add(d time.Duration) {
	us := uint64(max(d, 0) / time.Microsecond)
	h.counts[bucket(us)].Add(1)
	h.sum.Add(us)
	for {
		most := h.most.Load()
		if us <= most || h.most.CompareAndSwap(most, us) {
			return
		}
	}
}

// bucket returns where a number of µs is counted: below 16 each by itself, above by its 4 highest bits.
func bucket(us uint64) int {
	if us < 2*perOctave {
		return int(us)
	}
	shift := bits.Len64(us) - 4
	return min(perOctave*shift+int(us>>shift), buckets-1)
}

// floor returns the least µs that bucket i counts.
func floor(i int) uint64 {
	if i < 2*perOctave {
		return uint64(i)
	}
	return uint64(i%perOctave+perOctave) << (i/perOctave - 1)
}

// Ages is what a Histogram held at one time.
type Ages struct {
	Count                 uint64
	Mean, Max             time.Duration
	P50, P95, P99         time.Duration // quantiles, at most an eighth above the true ones
	counts                [buckets]uint64
	sumMicros, mostMicros uint64
}

// Snapshot returns what h holds. Durations that are being added meanwhile may be in it or not.
func (h *Histogram) Snapshot() Ages {
	var a Ages
	a.add(h)
	return a
}

// add counts what h holds into a.
func (a *Ages) add(h *Histogram) {
	for i := range h.counts {
		n := h.counts[i].Load()
		a.counts[i] += n
		a.Count += n
	}
	a.sumMicros += h.sum.Load()
	a.mostMicros = max(a.mostMicros, h.most.Load())
	a.Max = time.Duration(a.mostMicros) * time.Microsecond
	if a.Count > 0 {
		a.Mean = time.Duration(a.sumMicros/a.Count) * time.Microsecond
	}
	a.P50, a.P95, a.P99 = a.Quantile(0.5), a.Quantile(0.95), a.Quantile(0.99)
}

// Quantile returns a duration that a share q of the counted ones does not exceed: the end of the bucket in which the one of that rank is, and at most Max.
// Of nothing it is 0.
func (a *Ages) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(a.Count))
	var below uint64
	for i, n := range a.counts {
		if below += n; below > rank || below == a.Count && n > 0 {
			return min(time.Duration(floor(i+1))*time.Microsecond, a.Max)
		}
	}
	return 0
}

// Below returns how many durations were less than a limit: of the buckets below it, so that limits of 2ⁿ µs are exact. Metrics are made of it.
func (a *Ages) Below(limit time.Duration) uint64 {
	var n uint64
	for i := range bucket(uint64(max(limit, 0) / time.Microsecond)) {
		n += a.counts[i]
	}
	return n
}

// Sum is that of the durations.
func (a *Ages) Sum() time.Duration { return time.Duration(a.sumMicros) * time.Microsecond }
