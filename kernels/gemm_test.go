package kernels_test

import (
	"runtime"
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
		"shape too large":                     func(s *kernels.Conv2D) { s.H, s.W = 1<<15, 1<<15 },
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
	src, dst := buf[:64], buf[100:164]
	w := c.Pack(make([]float32, 144), nil)
	run := func(dst, src, res []float32) func() {
		return func() { c.Run(nil, dst, src, w, res, kernels.Act{}) }
	}
	refuses(t, "kernels: Conv.Pack: w too short", func() { c.Pack(make([]float32, 143), nil) })
	refuses(t, "kernels: Conv.Pack: bias too short", func() { c.Pack(make([]float32, 144), make([]float32, 3)) })
	refuses(t, "kernels: Conv.Run: src too short", run(dst, src[1:], nil))
	refuses(t, "kernels: Conv.Run: dst too short", run(dst[1:], src, nil))
	refuses(t, "kernels: Conv.Run: res too short", run(dst, src, src[1:]))
	refuses(t, "kernels: Conv.Run: dst overlaps src", run(buf[63:], src, nil))
	refuses(t, "kernels: Conv.Run: dst overlaps res", run(dst, src, buf[101:]))
	refuses(t, "kernels: Conv.Run: weights packed for another shape", func() {
		c.Run(nil, dst, src, kernels.NewConv(grouped).Pack(make([]float32, 72), nil), nil, kernels.Act{})
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

// TestLocalRefusesWeightsOfFewerPositions has weights of the same outputs and sums as the layer's, for one position less.
func TestLocalRefusesWeightsOfFewerPositions(t *testing.T) {
	s := kernels.Conv2D{N: 1, H: 4, W: 4, C: 1, O: 1, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1, Groups: 1}
	fewer := s
	fewer.H = 3
	l, w := kernels.NewLocal(s), kernels.NewLocal(fewer).Pack(make([]float32, 12), nil)
	dst := make([]float32, 16)
	refuses(t, "kernels: Local.Run: weights packed for another shape", func() { l.Run(nil, dst, make([]float32, 16), w, kernels.Act{}) })
	refuses(t, "kernels: Local.Repack: weights packed for another shape", func() { l.Repack(nil, w, make([]float32, 16), nil) })
}

// TestConvBlocks runs convolutions that copy input rows in several blocks, some of them all padding, with several numbers of threads.
func TestConvBlocks(t *testing.T) {
	for _, s := range []kernels.Conv2D{
		{N: 2, H: 40, W: 200, C: 3, O: 9, KH: 5, KW: 5, SH: 1, SW: 1, DH: 1, PT: 2, PL: 2, PB: 2, PR: 2},
		{N: 2, H: 41, W: 211, C: 5, O: 40, KH: 3, KW: 3, SH: 2, SW: 2, DH: 1, PT: 1, PL: 0, PB: 2, PR: 1},
		{N: 1, H: 60, W: 300, C: 1, O: 17, KH: 3, KW: 2, SH: 1, SW: 1, DH: 7, PT: 7, PL: 1, PB: 6, PR: 0},
		{N: 2, H: 30, W: 250, C: 3, O: 4, KH: 2, KW: 3, SH: 3, SW: 1, DH: 2, PT: 45, PL: 4, PB: 50, PR: 5},
		{N: 1, H: 9, W: 4200, C: 7, O: 2, KH: 3, KW: 3, SH: 1, SW: 2, DH: 1, PT: 1, PL: 1, PB: 1, PR: 1},
		{N: 1, H: 30, W: 150, C: 6, O: 20, KH: 4, KW: 1, SH: 1, SW: 1, DH: 2, PT: 3, PL: 0, PB: 3, PR: 2},
		{N: 1, H: 3, W: 300, C: 7, O: 100, KH: 1, KW: 3, SH: 1, SW: 1, DH: 1, PT: 0, PL: 1, PB: 1, PR: 1},  // few blocks, several groups of panels
		{N: 1, H: 1, W: 300, C: 17, O: 16, KH: 1, KW: 3, SH: 1, SW: 1, DH: 1, PT: 0, PL: 0, PB: 90, PR: 0}, // blocks in padding alone
	} {
		s.DW, s.Groups = 1, 1
		in, out, k := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.O, s.KH*s.KW*s.C
		m := ktest.NewMem(1, ktest.Plain)
		src, w, bias := m.F32(in), m.F32(s.O*k), m.F32(s.O)
		got, want := m.Out("dst", out)
		ref.Convolve(want, src, w, bias, nil, &s, kernels.Act{})
		src8, w8, of := m.U8(in), make([]int8, s.O*k), kernels.Bytes{Zero: 114}
		for i := range w8 {
			w8[i] = int8(m.Rand().IntN(256))
		}
		got8, want8 := m.OutI32("sums", out)
		ref.Convolve8(want8, src8, of, w8, nil, &s)
		for _, has := range []bool{false, true} {
			if !has && runtime.GOARCH != "amd64" {
				continue // others have the same tiles for either
			}
			restore := kernels.WithTraits(has)
			onEveryISA(t, func(isa kernels.ISA) {
				c, c8 := kernels.NewConv(s), kernels.NewConv8(s)
				packed, packed8 := c.Pack(w, bias), c8.Pack(w8)
				for _, threads := range []int{1, 3} {
					team := kernels.NewTeam(threads)
					clear(got)
					clear(got8)
					c.Run(team, got, src, packed, nil, kernels.Act{})
					c8.RunSums(team, got8, src8, of, packed8)
					if d := m.Diff(); d != "" {
						t.Errorf("%v, traits %v: %s, %d threads: %s", isa, has, ktest.ShapeName(s), threads, d)
					}
				}
			})
			restore()
		}
		m.Release()
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
