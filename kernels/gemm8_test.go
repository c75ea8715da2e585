package kernels_test

import (
	"hash/fnv"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ktest"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// TestTilesWithoutDotProducts runs the lists of products of 8-bit integers on the tiles for CPUs without instructions for them.
func TestTilesWithoutDotProducts(t *testing.T) {
	defer kernels.WithoutDotProducts()()
	runLists(t, func(f ktest.Family) bool { return f.Op == kernels.OpGemm8 })
}

// TestTilesOfOtherCPUs runs lists as CPUs run them that differ in what WithTraits says.
func TestTilesOfOtherCPUs(t *testing.T) {
	for _, has := range []bool{false, true} {
		restore := kernels.WithTraits(has)
		if runtime.GOARCH == "amd64" { // others have the same tiles for either
			runLists(t, func(f ktest.Family) bool { return f.Name == "gemm" || f.Name == "depthwise" })
		}
		// Rows a large power of two apart.
		for i, c := range [][4]int{{29, 300, 1024, 1024}, {29, 70, 700, 1024}, {25, 16, 40, 2048}, {5, 257, 1021, 1024}, {700, 260, 33, 1024}} {
			m, n, k, lda := c[0], c[1], c[2], c[3]
			mem := ktest.NewMem(uint64(i), ktest.Plain)
			a, b, bias := mem.F32((m-1)*lda+k), mem.F32(k*n), mem.F32(n)
			got, want := mem.Out("dst", m*n)
			ref.Gemm(want, n, a, lda, b, n, bias, nil, 0, m, n, k, kernels.Act{})
			packed := kernels.PackB(b, n, k, n, bias)
			onEveryISA(t, func(isa kernels.ISA) {
				for _, threads := range []int{1, 3} {
					clear(got)
					kernels.Gemm(kernels.NewTeam(threads), got, n, a, lda, m, packed, nil, 0, kernels.Act{})
					if d := mem.Diff(); d != "" {
						t.Errorf("%v: %v, %d threads: %s", isa, c, threads, d)
					}
				}
			})
			mem.Release()
		}
		restore()
	}
}

// runLists runs the problems of families on every instruction set but plain Go, one thread and several.
func runLists(t *testing.T, wanted func(f ktest.Family) bool) {
	teams := []*kernels.Team{nil, kernels.NewTeam(3)}
	for _, f := range ktest.Families() {
		if !wanted(f) {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			onEveryISA(t, func(isa kernels.ISA) {
				if kernels.Active(f.Op) != isa {
					t.Fatalf("the self-test replaced %v by %v", isa, kernels.Active(f.Op))
				}
			})
			for i, p := range f.List() {
				if p.Bench {
					continue
				}
				h := fnv.New64a()
				h.Write([]byte(p.Name))
				solved := ktest.Solve(p, h.Sum64(), ktest.Plain)
				onEveryISA(t, func(isa kernels.ISA) {
					if isa == kernels.Generic { // it has one tile
						return
					}
					if d := solved.Check(teams[i%2]); d != "" {
						t.Errorf("%v: %s: %s", isa, p.Name, d)
					}
				})
				solved.Release()
			}
		})
	}
}

// TestGemm8OfExtremes multiplies the largest numbers, whose products two by two are too much for 16 bits.
func TestGemm8OfExtremes(t *testing.T) {
	const m, n = 3, 17
	same := func(what string) {
		for _, k := range []int{4, 8, 16, 23, 36} {
			for _, v := range []byte{0, 0x7f, 0x80, 0xff} {
				for _, w := range []int8{-128, 127} {
					for _, in := range []kernels.Bytes{{}, {Signed: true}} {
						a, b := slices.Repeat([]byte{v}, m*k), slices.Repeat([]int8{w}, n*k)
						got, want := make([]int32, m*n), make([]int32, m*n)
						ref.Gemm8(want, a, k, in, b, nil, m, n, k)
						p := kernels.Pack8(b, k, n)
						onEveryISA(t, func(isa kernels.ISA) {
							if kernels.Gemm8Sums(nil, got, a, k, m, in, p); !slices.Equal(got, want) {
								t.Errorf("%v%s: %d products of %#x, signed %v, by %d: %d, want %d", isa, what, k, v, in.Signed, w, got[0], want[0])
							}
						})
					}
				}
			}
		}
	}
	same("")
	defer kernels.WithoutDotProducts()()
	same(" without dot products")
}

// TestGemm8Refuses gives wrong arguments and asserts that nothing is written.
func TestGemm8Refuses(t *testing.T) {
	a, dst, sums := make([]byte, 12), make([]byte, 30), make([]int32, 30)
	w, q := make([]int8, 200), &kernels.Requant{Scale: []float32{1}, Hi: 255, Zero: 9}
	bare := kernels.Pack8(w[:40], 4, 10)
	p := bare.With(nil, q)
	s := kernels.Conv2D{N: 1, H: 3, W: 3, C: 4, O: 2, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	c := kernels.NewConv8(s)
	cbare := c.Pack(w[:72])
	cw := cbare.With(nil, q)
	src := make([]byte, 36)
	other := s
	other.C = 6
	taps := s // as many products and quads, in another order
	taps.KH, taps.KW, taps.C, taps.PB, taps.PR = 2, 2, 6, 0, 0
	halves := taps
	halves.KW, halves.C = 4, 3
	odd := s
	odd.C, odd.O, odd.Groups = 6, 2, 2
	for _, r := range []struct {
		want string
		call func()
	}{
		{"kernels: Pack8: bad k or n", func() { kernels.Pack8(w, -1, 10) }},
		{"kernels: Pack8: b too short", func() { kernels.Pack8(w[:39], 4, 10) }},
		{"kernels: Packed8.With: bias too short", func() { bare.With(sums[:9], q) }},
		{"kernels: Packed8.With: scale too short", func() { bare.With(nil, &kernels.Requant{Scale: make([]float32, 9)}) }},
		{"kernels: Packed8.With: scale not finite", func() { bare.With(nil, &kernels.Requant{Scale: []float32{float32(math.Inf(1))}}) }},
		{"kernels: Packed8.With: bad lo or hi", func() { bare.With(nil, &kernels.Requant{Scale: []float32{1}, Hi: 0.5}) }},
		{"kernels: Packed8.With: bad lo or hi", func() { bare.With(nil, &kernels.Requant{Scale: []float32{1}, Hi: float32(math.NaN())}) }},
		{"kernels: Gemm8: bad m", func() { kernels.Gemm8(nil, dst, a, 4, -1, kernels.Bytes{}, p) }},
		{"kernels: Gemm8: a too short", func() { kernels.Gemm8(nil, dst, a[:11], 4, 3, kernels.Bytes{}, p) }},
		{"kernels: Gemm8: a too short", func() { kernels.Gemm8(nil, dst, a, 3, 3, kernels.Bytes{}, p) }},
		{"kernels: Gemm8: dst too short", func() { kernels.Gemm8(nil, dst[:29], a, 4, 3, kernels.Bytes{}, p) }},
		{"kernels: Gemm8: dst too short", func() { kernels.Gemm8Sums(nil, sums[:29], a, 4, 3, kernels.Bytes{}, p) }},
		{"kernels: Gemm8: dst overlaps a", func() { kernels.Gemm8(nil, dst, dst[18:], 4, 3, kernels.Bytes{}, p) }},
		{"kernels: Gemm8: bad zero point", func() { kernels.Gemm8(nil, dst, a, 4, 3, kernels.Bytes{Zero: 256}, p) }},
		{"kernels: Gemm8: bad zero point", func() { kernels.Gemm8(nil, dst, a, 4, 3, kernels.Bytes{Signed: true, Zero: 128}, p) }},
		{"kernels: Gemm8: weights without a scale", func() { kernels.Gemm8(nil, dst, a, 4, 3, kernels.Bytes{}, bare) }},
		{"kernels: Conv8: channels of a group are no multiple of 4", func() { kernels.NewConv8(odd) }},
		{"kernels: Conv8: bad shape", func() { kernels.NewConv8(kernels.Conv2D{Groups: 1}) }},
		{"kernels: Conv8.Pack: w too short", func() { c.Pack(w[:71]) }},
		{"kernels: Weights8.With: bias too short", func() { cbare.With(sums[:1], q) }},
		{"kernels: Weights8.With: scale too short", func() { cbare.With(nil, &kernels.Requant{}) }},
		{"kernels: Conv8.Run: src too short", func() { c.Run(nil, dst, src[:35], kernels.Bytes{}, cw) }},
		{"kernels: Conv8.Run: dst too short", func() { c.Run(nil, dst[:17], src, kernels.Bytes{}, cw) }},
		{"kernels: Conv8.Run: dst too short", func() { c.RunSums(nil, sums[:17], src, kernels.Bytes{}, cw) }},
		{"kernels: Conv8.Run: dst overlaps src", func() { c.Run(nil, src, src, kernels.Bytes{}, cw) }},
		{"kernels: Conv8.Run: bad zero point", func() { c.Run(nil, dst, src, kernels.Bytes{Zero: -129}, cw) }},
		{"kernels: Conv8.Run: weights without a scale", func() { c.Run(nil, dst, src, kernels.Bytes{}, cbare) }},
		{"kernels: Conv8.Run: weights packed for another shape", func() {
			c.Run(nil, dst, src, kernels.Bytes{}, kernels.NewConv8(other).Pack(w[:108]).With(nil, q))
		}},
		{"kernels: Conv8.Run: weights packed for another shape", func() {
			kernels.NewConv8(taps).Run(nil, dst, make([]byte, 54), kernels.Bytes{}, kernels.NewConv8(halves).Pack(w[:48]).With(nil, q))
		}},
	} {
		refuses(t, r.want, r.call)
	}
	for i := range dst {
		if dst[i] != 0 || sums[i] != 0 {
			t.Fatalf("element %d was written before a panic", i)
		}
	}
}
