package ktest

import (
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
)

// planar is a convolution by planes of its input's rows.
type planar conv

func (c planar) problem() Problem {
	return conv(c).of("planar", func(_ *Mem, w, bias []float32) func(t *kernels.Team, dst, src, res []float32) {
		p := kernels.NewPlanar(c.s)
		packed := p.Pack(w, bias)
		return func(t *kernels.Team, dst, src, res []float32) { p.Run(t, dst, src, packed, res, c.act) }
	})
}

func planarFamily() Family {
	return Family{
		Name: "planar", Op: kernels.OpGemm,
		List: func() []Problem {
			var l []Problem
			i := 0
			for _, c := range []int{1, 3, 8, 17} {
				for _, o := range []int{1, 2, 3, 5, 13} {
					for _, k := range []int{2, 3, 5} {
						s := square(5+i%9, c, o, k, 1+i%3)
						s.N, s.W = 1+i%2, 5+i%37
						uneven(&s, i)
						l = append(l, planar{s, i%3 != 0, i%4 == 1, acts[i%4]}.problem())
						i++
					}
				}
			}
			for _, g := range []int{2, 3, 5} {
				s := square(9, 4*g, 3*g, 3, 1+g%2)
				s.Groups = g
				l = append(l, planar{s, true, g == 2, relu}.problem())
			}
			tall := square(70, 5, 3, 3, 1) // several bands of rows
			tall.W = 19
			l = append(l, planar{tall, true, true, leaky}.problem())
			none := square(4, 3, 3, 3, 1)
			none.N = 0
			l = append(l, planar{none, true, false, relu}.problem())
			// What networks end with that draw a picture, a mask or a depth; grouped layers of ResNeXt; channels multiplied (Xception).
			for _, s := range []kernels.Conv2D{
				square(128, 32, 3, 3, 1), square(128, 64, 1, 3, 1), square(256, 32, 3, 9, 1), square(160, 64, 2, 3, 1), square(64, 64, 4, 3, 1),
				grouped(56, 128, 128, 32, 1), grouped(56, 256, 256, 32, 2), grouped(28, 256, 256, 32, 1), grouped(56, 64, 128, 64, 1), grouped(56, 64, 64, 32, 1),
			} {
				p := planar{s, true, false, relu}.problem()
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			s := randomShape(r)
			s.O = 1 + r.IntN(14)
			if r.IntN(3) == 0 {
				s.Groups = 1 + r.IntN(4)
				s.C, s.O = s.Groups*(1+r.IntN(6)), s.Groups*(1+r.IntN(6))
			}
			return planar{s, r.IntN(2) == 0, r.IntN(2) == 0, acts[r.IntN(4)]}.problem()
		},
	}
}

// grouped is a 3x3 convolution in groups.
func grouped(h, c, o, groups, stride int) kernels.Conv2D {
	s := square(h, c, o, 3, stride)
	s.Groups = groups
	return s
}
