package kernels_test

import (
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ktest"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// TestGemmRefuses gives wrong arguments and asserts that nothing is written.
func TestGemmRefuses(t *testing.T) {
	buf := make([]float32, 200)
	a, dst, res := buf[:12], buf[20:50], buf[60:90] // [3,4], [3,10], [3,10]
	p := kernels.PackB(make([]float32, 40), 10, 4, 10, nil)
	gemm := func(dst []float32, ldd int, a []float32, lda int, res []float32, ldr int) func() {
		return func() { kernels.Gemm(nil, dst, ldd, a, lda, 3, p, res, ldr, kernels.Act{}) }
	}
	for _, c := range []struct {
		want string
		call func()
	}{
		{"kernels: PackB: bad k, n or ldb", func() { kernels.PackB(a, 9, 4, 10, nil) }},
		{"kernels: PackB: b too short", func() { kernels.PackB(buf[:39], 10, 4, 10, nil) }},
		{"kernels: PackB: bias too short", func() { kernels.PackB(buf[:40], 10, 4, 10, buf[:9]) }},
		{"kernels: PackBT: bad k, n or ldb", func() { kernels.PackBT(a, 3, 4, 10, nil) }},
		{"kernels: PackBT: b too short", func() { kernels.PackBT(buf[:39], 4, 4, 10, nil) }},
		{"kernels: PackBT: bias too short", func() { kernels.PackBT(buf[:40], 4, 4, 10, buf[:9]) }},
		{"kernels: PackBTInPlace: b too short", func() { kernels.PackBTInPlace(buf[:63], 4, 16, nil) }},
		{"kernels: PackBTInPlace: bias too short", func() { kernels.PackBTInPlace(buf[:64], 4, 16, buf[:15]) }},
		{"kernels: Gemm: bad m", func() { kernels.Gemm(nil, dst, 10, a, 4, -1, p, nil, 0, kernels.Act{}) }},
		{"kernels: Gemm: a too short", gemm(dst, 10, a[:11], 4, nil, 0)},
		{"kernels: Gemm: a too short", gemm(dst, 10, a, 3, nil, 0)},
		{"kernels: Gemm: dst too short", gemm(dst[:29], 10, a, 4, nil, 0)},
		{"kernels: Gemm: dst too short", gemm(dst, 9, a, 4, nil, 0)},
		{"kernels: Gemm: res too short", gemm(dst, 10, a, 4, res[:29], 10)},
		{"kernels: Gemm: res too short", gemm(dst, 10, a, 4, res, 9)},
		{"kernels: Gemm: dst overlaps a", gemm(dst, 10, buf[10:22], 4, nil, 0)},
		{"kernels: Gemm: dst overlaps a", gemm(buf[3:], 20, buf, 20, nil, 0)},
		{"kernels: Gemm: dst overlaps a", gemm(buf, 20, buf[17:], 20, nil, 0)}, // a ends in the next row
		{"kernels: Gemm: dst overlaps res", gemm(dst, 10, a, 4, buf[21:51], 10)},
		{"kernels: Gemm: dst overlaps res", gemm(buf[20:], 10, a, 4, buf[20:], 11)},
	} {
		refuses(t, c.want, c.call)
	}
	for i, v := range buf {
		if v != 0 {
			t.Fatalf("element %d was written before a panic", i)
		}
	}
}

// TestGemmTakesColumnsOfOneMatrix has a and dst side by side in the rows of a matrix, as a concatenation over channels leaves them.
func TestGemmTakesColumnsOfOneMatrix(t *testing.T) {
	p := kernels.PackB([]float32{1, 2, 3}, 3, 1, 3, nil)
	for _, c := range [][2]int{{0, 1}, {0, 4}, {6, 0}, {3, 0}} { // columns of a and dst
		at, dst := c[0], c[1]
		rows := make([]float32, 2*7)
		rows[at], rows[at+7] = 10, 20
		kernels.Gemm(nil, rows[dst:], 7, rows[at:], 7, 2, p, nil, 0, kernels.Act{})
		for j := range 3 {
			if rows[dst+j] != float32(10*(j+1)) || rows[dst+7+j] != float32(20*(j+1)) {
				t.Fatalf("a in column %d: %v", at, rows)
			}
		}
	}
}

func TestConvRefuses(t *testing.T) {
	good := kernels.Conv2D{N: 1, H: 4, W: 4, C: 4, O: 4, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	for want, change := range map[string]func(s *kernels.Conv2D){
		"bad shape":                           func(s *kernels.Conv2D) { s.SW = 0 },
		"groups do not divide the channels":   func(s *kernels.Conv2D) { s.Groups = 3 },
		"window larger than the padded input": func(s *kernels.Conv2D) { s.KH = 7 },
		"input too large":                     func(s *kernels.Conv2D) { s.H, s.W = 1<<15, 1<<15 },
	} {
		s := good
		change(&s)
		refuses(t, "kernels: Conv: "+want, func() { kernels.NewConv(s) })
		refuses(t, "kernels: Local: "+want, func() { kernels.NewLocal(s) })
		refuses(t, "kernels: Winograd: "+want, func() { kernels.NewWinograd(s) })
	}
	grouped := good
	grouped.Groups = 2
	refuses(t, "kernels: Local: groups must be 1", func() { kernels.NewLocal(grouped) })

	buf := make([]float32, 1000)
	c := kernels.NewConv(good)
	src, dst, scratch := buf[:64], buf[100:164], buf[200:200+c.ScratchLen()]
	w := c.Pack(make([]float32, 144), nil)
	run := func(dst, src, res, scratch []float32) func() {
		return func() { c.Run(nil, dst, src, w, res, kernels.Act{}, scratch) }
	}
	refuses(t, "kernels: Conv.Pack: w too short", func() { c.Pack(make([]float32, 143), nil) })
	refuses(t, "kernels: Conv.Pack: bias too short", func() { c.Pack(make([]float32, 144), make([]float32, 3)) })
	refuses(t, "kernels: Conv.Run: src too short", run(dst, src[1:], nil, scratch))
	refuses(t, "kernels: Conv.Run: dst too short", run(dst[1:], src, nil, scratch))
	refuses(t, "kernels: Conv.Run: res too short", run(dst, src, src[1:], scratch))
	refuses(t, "kernels: Conv.Run: scratch too short", run(dst, src, nil, scratch[1:]))
	refuses(t, "kernels: Conv.Run: dst overlaps src", run(buf[63:], src, nil, scratch))
	refuses(t, "kernels: Conv.Run: dst overlaps res", run(dst, src, buf[101:], scratch))
	refuses(t, "kernels: Conv.Run: scratch overlaps dst or src", run(dst, src, nil, buf[163:]))
	refuses(t, "kernels: Conv.Run: weights packed for another shape", func() {
		c.Run(nil, dst, src, kernels.NewConv(grouped).Pack(make([]float32, 72), nil), nil, kernels.Act{}, scratch)
	})

	l := kernels.NewLocal(good)
	lw := l.Pack(make([]float32, 16*144), nil)
	refuses(t, "kernels: Local.Pack: w too short", func() { l.Pack(make([]float32, 16*144-1), nil) })
	refuses(t, "kernels: Local.Pack: bias too short", func() { l.Pack(make([]float32, 16*144), make([]float32, 63)) })
	refuses(t, "kernels: Local.Run: src too short", func() { l.Run(nil, dst, src[1:], lw, kernels.Act{}) })
	refuses(t, "kernels: Local.Run: dst too short", func() { l.Run(nil, dst[1:], src, lw, kernels.Act{}) })
	refuses(t, "kernels: Local.Run: dst overlaps src", func() { l.Run(nil, buf[63:], src, lw, kernels.Act{}) })
	one := good
	one.KH, one.PT, one.PB = 1, 0, 0
	refuses(t, "kernels: Local.Run: weights packed for another shape", func() {
		l.Run(nil, dst, src, kernels.NewLocal(one).Pack(make([]float32, 16*48), nil), kernels.Act{})
	})
	for i, v := range buf {
		if v != 0 {
			t.Fatalf("element %d was written before a panic", i)
		}
	}
}

// TestGemmTilesOfEveryHeightAndWidth compares products that one or two tiles compute, with the ends that their sums may have, with ref.
func TestGemmTilesOfEveryHeightAndWidth(t *testing.T) {
	acts := []kernels.Act{{}, {Kind: kernels.ActClip, Lo: -0.5, Hi: 0.75}, {Kind: kernels.ActLeaky, Alpha: 0.1}}
	onEveryISA(t, func(isa kernels.ISA) {
		for m := 1; m <= 29; m++ {
			for n := 1; n <= 41; n++ {
				i := 41*m + n
				k, act := 1+i%7, acts[i%len(acts)]
				mem := ktest.NewMem(uint64(i), ktest.Spread)
				a, b, bias := mem.F32(m*k), mem.F32(k*n), mem.F32(n)
				var res []float32
				if i%4 == 0 {
					res = mem.F32(m * n)
				}
				got, want := mem.Out("dst", m*n)
				kernels.Gemm(nil, got, n, a, k, m, kernels.PackB(b, n, k, n, bias), res, n, act)
				ref.Gemm(want, n, a, k, b, n, bias, res, n, m, n, k, act)
				if d := mem.Diff(); d != "" {
					t.Errorf("%v: %dx%dx%d, act %d: %s", isa, m, n, k, act.Kind, d)
				}
				mem.Release()
			}
		}
	})
}
