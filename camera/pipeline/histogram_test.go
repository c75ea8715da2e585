package pipeline

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestBuckets checks that the buckets follow each other without gap and that each duration is within its own.
func TestBuckets(t *testing.T) {
	for i := range buckets {
		if low, high := floor(i), floor(i+1)-1; bucket(low) != i || bucket(high) != i || high < low || i >= 2*perOctave && (high-low+1)*perOctave > low {
			t.Errorf("bucket %d: %d to %d µs, counted in %d and %d", i, low, high, bucket(low), bucket(high))
		}
	}
	if bucket(1<<63) != buckets-1 {
		t.Error("what is too long is not in the last bucket")
	}
}

func TestQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 10, 1000} {
		var h Histogram
		var all []time.Duration
		for range n {
			d := time.Duration(rng.ExpFloat64() * float64(30*time.Millisecond)).Truncate(time.Microsecond)
			h.Add(d)
			all = append(all, d)
		}
		slices.Sort(all)
		a := h.Snapshot()
		for _, q := range []float64{0, 0.5, 0.95, 0.99, 1} {
			exact := all[min(int(q*float64(n)), n-1)]
			if got := a.Quantile(q); got < exact || got > exact+exact/8+time.Microsecond {
				t.Errorf("of %d, quantile %v: %v, exactly %v", n, q, got, exact)
			}
		}
		var sum time.Duration
		below := uint64(0)
		for _, d := range all {
			sum += d
			if d < 16384*time.Microsecond {
				below++
			}
		}
		if a.Max != all[n-1] || a.Count != uint64(n) || a.Sum() != sum || a.Below(16384*time.Microsecond) != below ||
			a.P50 != a.Quantile(0.5) || a.P95 != a.Quantile(0.95) || a.P99 != a.Quantile(0.99) || a.Mean != (sum/time.Duration(n)).Truncate(time.Microsecond) {
			t.Errorf("of %d: %+v", n, a)
		}
	}
	var none, odd Histogram
	if a := none.Snapshot(); a.P99 != 0 || a.Count != 0 {
		t.Errorf("of nothing: %+v", a)
	}
	odd.Add(-time.Second)
	odd.Add(1000 * time.Hour)
	if a := odd.Snapshot(); a.Count != 2 || a.Quantile(0) != time.Microsecond || a.Max != 1000*time.Hour {
		t.Errorf("%+v", a)
	}
}
