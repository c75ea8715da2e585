package ktest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"unsafe"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// quantised is what products of 8-bit integers have in common.
type quantised struct {
	in     kernels.Bytes
	each   bool // a scale for each column
	signed bool // results
	relu   bool
	bias   bool
}

func randomQuantised(r *rand.Rand) quantised {
	q := quantised{kernels.Bytes{Signed: r.IntN(2) == 0}, r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(3) == 0, r.IntN(2) == 0}
	q.in.Zero = int32(r.IntN(256))
	if q.in.Signed {
		q.in.Zero -= 128
	}
	return q
}

func (q quantised) String() string {
	s := fmt.Sprintf(" zero %d", q.in.Zero)
	for _, o := range []struct {
		on bool
		s  string
	}{{q.in.Signed, " signed"}, {q.each, " scales"}, {q.signed, " to signed"}, {q.relu, " relu"}, {q.bias, " bias"}} {
		if o.on {
			s += o.s
		}
	}
	return s
}

// weights returns n of the whole range, a third of them at its ends.
func (q quantised) weights(m *Mem, n int) []int8 {
	b := m.U8(n)
	for i, v := range b {
		switch v % 6 {
		case 0:
			b[i] = 0x80
		case 1:
			b[i] = 0x7f
		}
	}
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// biases returns n of them, or nil.
func (q quantised) biases(m *Mem, n int) []int32 {
	if !q.bias {
		return nil
	}
	b := make([]int32, n)
	for i, v := range m.F32s(n, -30000, 30000) {
		b[i] = int32(v)
		if i%7 == 6 {
			b[i] = math.MaxInt32 - int32(i) // sums wrap
		}
	}
	return b
}

// requant makes sums of k products fill the range and overstep it.
func (q quantised) requant(m *Mem, n, k int) *kernels.Requant {
	if !q.each {
		n = 1
	}
	most := float32(0.03 / math.Sqrt(float64(k+1)))
	r := &kernels.Requant{Scale: m.F32s(n, most/4, most), Zero: 3, Lo: -3, Hi: 255 - 3}
	if q.signed {
		r.Zero, r.Lo, r.Hi = -10, -128+10, 127+10
	}
	if q.relu {
		r.Lo = 0
	}
	return r
}

// problem returns the case of sums and bytes.
func (q quantised) problem(m *Mem, n, out, k int, fast func(w []int8, bias []int32, r *kernels.Requant, sums []int32, bytes []byte) func(t *kernels.Team), solve func(w []int8, bias, sums []int32)) Case {
	w, bias, r := q.weights(m, n*k), q.biases(m, n), q.requant(m, n, k)
	sums, wantSums := m.OutI32("sums", out)
	bytes, wantBytes := m.OutU8("bytes", out)
	return Case{
		Fast: fast(w, bias, r, sums, bytes),
		Ref: func() {
			solve(w, bias, wantSums)
			for i, v := range wantSums {
				wantBytes[i] = r.Apply(v, i%n)
			}
		},
	}
}

// gemm8 is a product of m x n x k; pad is how much longer than needed the rows are.
type gemm8 struct {
	quantised
	m, n, k, pad int
	bytesOnly    bool // no sums: for timing
}

func (g gemm8) problem() Problem {
	return Problem{
		Name:  fmt.Sprintf("gemm8/%dx%dx%d+%d%v", g.m, g.n, g.k, g.pad, g.quantised),
		Flops: 2 * float64(g.m) * float64(g.n) * float64(g.k),
		Bytes: float64(g.m*g.k + g.k*g.n + g.m*g.n),
		Build: func(m *Mem) Case {
			lda := g.k + g.pad
			a := m.U8(max(0, (g.m-1)*lda+g.k))
			return g.quantised.problem(m, g.n, g.m*g.n, g.k, func(w []int8, bias []int32, r *kernels.Requant, sums []int32, bytes []byte) func(t *kernels.Team) {
				p := kernels.Pack8(w, g.k, g.n).With(bias, r)
				return func(t *kernels.Team) {
					kernels.Gemm8(t, bytes, a, lda, g.m, g.in, p)
					if !g.bytesOnly {
						kernels.Gemm8Sums(t, sums, a, lda, g.m, g.in, p)
					}
				}
			}, func(w []int8, bias, sums []int32) { ref.Gemm8(sums, a, lda, g.in, w, bias, g.m, g.n, g.k) })
		},
	}
}

func gemm8Family() Family {
	return Family{
		Name: "gemm8", Op: kernels.OpGemm8,
		List: func() []Problem {
			r := rand.New(rand.NewPCG(1, 8))
			var l []Problem
			i := 0
			for _, m := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 16, 23, 25} {
				for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 53} {
					k := []int{0, 1, 3, 4, 5, 8, 16, 19, 64}[i%9]
					l = append(l, gemm8{randomQuantised(r), m, n, k, []int{0, 0, 4, 3}[i%4], false}.problem())
					i++
				}
			}
			for _, k := range []int{2044, 3071, 3072, 3073, 4400} { // edges of the blocks along K
				l = append(l, gemm8{randomQuantised(r), 13, 35, k, 1, false}.problem())
			}
			for _, s := range [][3]int{{256, 256, 256}, {512, 512, 512}, {12544, 16, 32}, {12544, 96, 16}, {3136, 24, 96}, {3136, 144, 24}, {3136, 64, 64}, {784, 192, 32}, {196, 384, 64}, {196, 576, 96}, {49, 320, 960}, {1, 1000, 1280}} {
				p := gemm8{quantised{in: kernels.Bytes{Zero: 114}, each: true, bias: true}, s[0], s[1], s[2], 0, true}.problem()
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			return gemm8{randomQuantised(r), r.IntN(60), r.IntN(70), r.IntN(160), r.IntN(6), false}.problem()
		},
	}
}

type conv8 struct {
	quantised
	s         kernels.Conv2D
	bytesOnly bool
}

func (c conv8) problem() Problem {
	s := c.s
	in, out := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.O
	k := s.KH * s.KW * s.C / s.Groups
	return Problem{
		Name:  "conv8/" + ShapeName(s) + c.quantised.String(),
		Flops: 2 * float64(out) * float64(k),
		Bytes: float64(in + out + s.O*k),
		Build: func(m *Mem) Case {
			src := m.U8(in)
			return c.quantised.problem(m, s.O, out, k, func(w []int8, bias []int32, r *kernels.Requant, sums []int32, bytes []byte) func(t *kernels.Team) {
				p := kernels.NewConv8(s)
				packed := p.Pack(w).With(bias, r)
				return func(t *kernels.Team) {
					p.Run(t, bytes, src, c.in, packed)
					if !c.bytesOnly {
						p.RunSums(t, sums, src, c.in, packed)
					}
				}
			}, func(w []int8, bias, sums []int32) { ref.Convolve8(sums, src, c.in, w, bias, &s) })
		},
	}
}

func conv8Family() Family {
	return Family{
		Name: "conv8", Op: kernels.OpGemm8,
		List: func() []Problem {
			r := rand.New(rand.NewPCG(2, 8))
			var l []Problem
			i := 0
			for _, c := range []int{1, 3, 4, 6, 16, 33, 64, 68} {
				for _, k := range []int{1, 3, 5} {
					for _, stride := range []int{1, 2} {
						s := square(5+i%7, c, 1+7*i%37, k, stride)
						s.N, s.W = 1+i%2, 5+i%17
						uneven(&s, i)
						l = append(l, conv8{randomQuantised(r), s, false}.problem())
						i++
					}
				}
			}
			for _, g := range []int{2, 3} {
				s := square(7, 8*g, 5*g, 3, 1)
				s.Groups = g
				l = append(l, conv8{randomQuantised(r), s, false}.problem())
				s = square(7, 4*g, 17*g, 1, 1)
				s.Groups = g
				l = append(l, conv8{randomQuantised(r), s, false}.problem())
			}
			none := square(4, 3, 3, 3, 1)
			none.N = 0
			l = append(l, conv8{randomQuantised(r), none, false}.problem())
			for _, s := range []kernels.Conv2D{
				square(224, 3, 64, 7, 2), square(56, 64, 64, 3, 1), square(28, 128, 128, 3, 1), square(14, 256, 256, 3, 1), square(7, 512, 512, 3, 1), square(224, 3, 32, 3, 2),
			} {
				p := conv8{quantised{in: kernels.Bytes{Zero: 114}, each: true, bias: true}, s, true}.problem()
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			s := randomShape(r)
			if r.IntN(4) == 0 {
				s.Groups = 2
				s.C, s.O = 8*(1+s.C/8), s.O+s.O%2
			}
			return conv8{randomQuantised(r), s, false}.problem()
		},
	}
}
