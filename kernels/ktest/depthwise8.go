package ktest

import (
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

type depthwise8 struct {
	quantised
	s kernels.Conv2D
}

func (d depthwise8) problem() Problem {
	s := d.s
	s.O, s.Groups = s.C, s.C
	in, out, taps := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.C, s.KH*s.KW
	return Problem{
		Name:  "depthwise8/" + windowName(&s) + d.quantised.String(),
		Flops: 2 * float64(out) * float64(taps),
		Bytes: float64(in + out + taps*s.C),
		Build: func(m *Mem) Case {
			src, w, bias, r := m.U8(in), d.weights(m, taps*s.C), d.biases(m, s.C), d.requant(m, s.C, taps)
			got, want := m.OutU8("dst", out)
			p := kernels.NewDepthwise8(s)
			packed := p.Pack(w).With(bias, r)
			scratch := map[int][]byte{}
			for _, n := range threadCounts {
				scratch[n] = m.U8(p.ScratchLen(n))
			}
			return Case{
				Fast: func(t *kernels.Team) { p.Run(t, got, src, d.in, packed, scratch[t.Threads()]) },
				Ref: func() {
					sums := make([]int32, out)
					ref.Depthwise8(sums, src, d.in, w, bias, &s)
					for i, v := range sums {
						want[i] = r.Apply(v, i%s.C)
					}
				},
			}
		},
	}
}

func depthwise8Family() Family {
	return Family{
		Name: "depthwise8", Op: kernels.OpGemm8,
		List: func() []Problem {
			r := rand.New(rand.NewPCG(3, 8))
			var l []Problem
			add := func(s kernels.Conv2D) { l = append(l, depthwise8{randomQuantised(r), s}.problem()) }
			add(squareWindow(0, 3, 3, 8, 3, 1, 1, 1))
			for _, c := range []int{1, 2, 7, 8, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 96} {
				add(squareWindow(1, 3, 5, c, 3, 1, 1, 1))
				add(squareWindow(2, 6, 10, c, 5, 2, 1, 2))
			}
			for _, k := range []int{3, 5} {
				for stride := 1; stride <= 2; stride++ {
					for w := 1; w <= 19; w++ { // output columns around the tiles
						s := squareWindow(1, 4, stride*(w-1)+1, []int{16, 21, 9}[w%3], k, stride, 1, k/2)
						if w%4 == 3 {
							s.W += 1 - w%2 // an even picture
						}
						add(s)
					}
					for _, p := range [][4]int{{0, 0, 1, 1}, {1, 0, 0, 0}, {0, 1, 1, 0}, {2, 2, 2, 2}, {3, 0, 1, 4}, {0, 9, 5, 1}, {7, 1, 8, 9}} {
						s := squareWindow(1, 6, 9, 19, k, stride, 1, 0)
						s.PT, s.PL, s.PB, s.PR = p[0], p[1], p[2], p[3]
						add(s)
					}
				}
			}
			// Rows by themselves: other heights of windows, steps and dilations.
			for i := range 12 {
				s := squareWindow(1+i%2, 7+i, 5+2*i, 16+3*i, 3+i%2*2, 1+i/2%2, 1, 2)
				s.KH, s.SH, s.DH = []int{1, 2, 3, 4, 7}[i%5], 1+i%3, 1+i%4
				s.PB += s.DH * s.KH
				add(s)
			}
			// Several bands.
			add(squareWindow(2, 41, 77, 18, 3, 1, 1, 1))
			add(squareWindow(1, 65, 90, 6, 5, 2, 1, 2))
			for _, b := range []struct{ size, c, k, stride int }{
				{112, 32, 3, 1}, {112, 96, 3, 2}, {56, 144, 3, 1}, {56, 144, 3, 2}, {28, 192, 3, 1}, {14, 384, 3, 1}, {14, 576, 3, 1}, {14, 576, 3, 2},
				{7, 960, 3, 1}, {28, 120, 5, 1}, {112, 8, 3, 1}, // MobileNetV2, V3, and V2 a quarter as wide
			} {
				p := depthwise8{quantised{in: kernels.Bytes{Zero: 114}, each: true, bias: true}, squareWindow(1, b.size, b.size, b.c, b.k, b.stride, 1, b.k/2)}.problem()
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			s := kernels.Conv2D{
				N: 1 + r.IntN(2), H: 1 + r.IntN(12), W: 1 + r.IntN(40), C: 1 + r.IntN(70), KH: 1 + r.IntN(6), KW: 3 + 2*r.IntN(2),
				SH: 1 + r.IntN(3), SW: 1 + r.IntN(2), DH: 1 + r.IntN(3), DW: 1, PT: r.IntN(6), PL: r.IntN(6), PB: r.IntN(6), PR: r.IntN(6),
			}
			s.PB += max(0, s.DH*(s.KH-1)+1-s.H-s.PT-s.PB)
			s.PR += max(0, s.KW-s.W-s.PL-s.PR)
			return depthwise8{randomQuantised(r), s}.problem()
		},
	}
}
