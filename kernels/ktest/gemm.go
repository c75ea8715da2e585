package ktest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

var (
	relu  = kernels.Act{Kind: kernels.ActClip, Hi: float32(math.Inf(1))}
	relu6 = kernels.Act{Kind: kernels.ActClip, Hi: 6}
	leaky = kernels.Act{Kind: kernels.ActLeaky, Alpha: 0.1}
	acts  = []kernels.Act{{}, relu, relu6, leaky}
)

func actName(a kernels.Act) string {
	switch {
	case a == relu:
		return " relu"
	case a.Kind == kernels.ActClip:
		return " clip"
	case a.Kind == kernels.ActLeaky:
		return " leaky"
	}
	return ""
}

// gemm is a GEMM of m x n x k; pad is how much longer than needed the rows are.
type gemm struct {
	m, n, k   int
	pad       int
	bias, res bool
	trans     bool // weights given as [n,k]
	act       kernels.Act
}

func (g gemm) problem() Problem {
	name := fmt.Sprintf("gemm/%dx%dx%d", g.m, g.n, g.k)
	for _, o := range []struct {
		on bool
		s  string
	}{{g.pad > 0, " strided"}, {g.bias, " bias"}, {g.res, " res"}, {g.trans, " transposed"}} {
		if o.on {
			name += o.s
		}
	}
	return Problem{
		Name:  name + actName(g.act),
		Flops: 2 * float64(g.m) * float64(g.n) * float64(g.k),
		Bytes: 4 * float64(g.m*g.k+g.k*g.n+g.m*g.n),
		Build: func(m *Mem) Case {
			lda, ldb, ldd, ldr := g.k+g.pad, g.n+g.pad, g.n+g.pad, g.n+2*g.pad
			length := func(rows, ld, cols int) int { return max(0, (rows-1)*ld+cols) }
			a := m.F32(length(g.m, lda, g.k))
			b := m.F32(length(g.k, ldb, g.n))
			var bias, res []float32
			if g.bias {
				bias = m.F32(g.n)
			}
			if g.res {
				res = m.F32(length(g.m, ldr, g.n))
			}
			got, want := m.Out("dst", length(g.m, ldd, g.n))
			var p *kernels.Packed
			if g.trans {
				bt := make([]float32, g.n*g.k)
				for i := range g.k {
					for j := range g.n {
						bt[j*g.k+i] = b[i*ldb+j]
					}
				}
				if g.pad == 0 {
					p = kernels.PackBTInPlace(bt, g.k, g.n, bias)
				} else {
					p = kernels.PackBT(bt, g.k, g.k, g.n, bias)
				}
			} else {
				p = kernels.PackB(b, ldb, g.k, g.n, bias)
			}
			return Case{
				Fast: func(t *kernels.Team) { kernels.Gemm(t, got, ldd, a, lda, g.m, p, res, ldr, g.act) },
				Ref:  func() { ref.Gemm(want, ldd, a, lda, b, ldb, bias, res, ldr, g.m, g.n, g.k, g.act) },
				Move: moved(got, a, b),
			}
		},
	}
}

func gemmFamily() Family {
	return Family{
		Name: "gemm", Op: kernels.OpGemm,
		List: func() []Problem {
			var l []Problem
			i := 0
			for _, m := range []int{0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 23, 29} {
				for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 33, 47, 53} {
					k := []int{0, 1, 2, 3, 5, 8, 19, 64}[i%8]
					l = append(l, gemm{m, n, k, i % 3, i%2 == 0, i%5 < 2, i%7 == 0, acts[i%4]}.problem())
					i++
				}
			}
			for _, m := range []int{24, 25, 28, 52} { // edges of the tile of 24 rows
				for _, n := range []int{1, 8, 15, 16, 17, 48} {
					l = append(l, gemm{m, n, []int{3, 4, 5, 8, 21}[i%5], i % 3, i%2 == 0, i%5 == 0, i%7 == 0, acts[i%4]}.problem())
					i++
				}
			}
			for _, k := range []int{511, 512, 513, 1100} { // edges of the blocks along K
				l = append(l, gemm{25, 35, k, 1, true, true, false, relu}.problem())
			}
			// 1x1 convolutions of MobileNetV2 at 224x224, the fully connected layers of AlexNet and MobileNetV2, and cubes.
			for _, s := range [][3]int{
				{256, 256, 256}, {384, 384, 384}, {512, 512, 512}, {768, 768, 768}, {1024, 1024, 1024},
				{12544, 16, 32}, {12544, 96, 16}, {3136, 24, 96}, {3136, 144, 24}, {784, 32, 144}, {784, 192, 32}, {196, 64, 192}, {196, 384, 64},
				{196, 96, 384}, {196, 576, 96}, {49, 160, 576}, {49, 960, 160}, {49, 320, 960}, {49, 1280, 320}, {1, 1000, 1280}, {1, 4096, 9216},
			} {
				p := gemm{m: s[0], n: s[1], k: s[2], bias: true, act: relu6}.problem()
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			return gemm{r.IntN(60), r.IntN(70), r.IntN(80), r.IntN(4), r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0, acts[r.IntN(4)]}.problem()
		},
	}
}
