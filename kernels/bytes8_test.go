package kernels_test

import (
	"math"
	"testing"
	"unsafe"

	"github.com/ocellus-vision/ocellus/kernels"
)

// TestBytes8Refuses gives wrong arguments and asserts that nothing is written.
func TestBytes8Refuses(t *testing.T) {
	f, b := make([]float32, 40), make([]byte, 40)
	for i := range f {
		f[i], b[i] = 5, 9
	}
	over := unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), 160)
	nan := float32(math.NaN())
	widen := func(dst []float32, src []byte, zero int32) func() {
		return func() { kernels.Widen8(dst, src, kernels.Bytes{Zero: zero}, 1) }
	}
	narrow := func(dst []byte, src []float32, lo, hi float32) func() {
		return func() { kernels.Narrow8(dst, src, lo, hi, 0) }
	}
	refuses(t, "kernels: Widen8: dst and src differ in length", widen(f, b[1:], 0))
	refuses(t, "kernels: Widen8: bad zero point", widen(f, b, 256))
	refuses(t, "kernels: Widen8: bad zero point", widen(f, b, -129))
	refuses(t, "kernels: Widen8: dst overlaps src", widen(f, over[120:], 0))
	refuses(t, "kernels: Narrow8: dst and src differ in length", narrow(b[1:], f, 0, 1))
	for _, c := range [][2]float32{{1, 0}, {0, 0.5}, {-0.5, 0}, {nan, 0}, {0, nan}, {0, 16385}, {-16385, 0}, {float32(math.Inf(-1)), 0}} {
		refuses(t, "kernels: Narrow8: bad lo or hi", narrow(b, f, c[0], c[1]))
	}
	refuses(t, "kernels: Narrow8: dst overlaps src", narrow(over[:40], f, 0, 1))
	refuses(t, "kernels: Lookup8: dst and src differ in length", func() { kernels.Lookup8(b[1:], b, new([256]byte)) })
	refuses(t, "kernels: Lookup8: dst overlaps src", func() { kernels.Lookup8(b[1:], b[:39], new([256]byte)) })
	refuses(t, "kernels: Max8: dst, a and b differ in length", func() { kernels.Max8(b[1:], b[1:], over[:40], false) })
	refuses(t, "kernels: Max8: dst overlaps a or b", func() { kernels.Max8(b[1:], b[:39], over[:39], false) })
	refuses(t, "kernels: Max8: dst overlaps a or b", func() { kernels.Max8(b, over[:40], b, false) })
	for i := range f {
		if f[i] != 5 || b[i] != 9 {
			t.Fatalf("element %d was written before a panic", i)
		}
	}
}
