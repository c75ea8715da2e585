package ktest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

type winograd struct {
	s         kernels.Conv2D
	m         int // side of the tiles
	bias, res bool
	inPlace   bool // the residual is the output
	act       kernels.Act
}

func (c winograd) problem() Problem {
	s := c.s
	name := fmt.Sprintf("winograd/%dx%d tiles %s", c.m, c.m, ShapeName(s))
	switch {
	case c.inPlace:
		name += " in place"
	case c.res:
		name += " res"
	}
	in, out, taps := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.O, s.KH*s.KW
	return Problem{
		Name:  name + actName(c.act),
		Flops: 2 * float64(out) * float64(taps*s.C), // of the direct convolution
		Bytes: 4 * float64(in+out+s.O*taps*s.C),
		Build: func(m *Mem) Case {
			src, w := m.F32(in), m.F32(s.O*taps*s.C)
			var bias []float32
			if c.bias {
				bias = m.F32(s.O)
			}
			var got, want, res, refRes []float32
			if c.inPlace {
				got, want = m.InOut("dst", out)
				res, refRes = got, want
			} else {
				got, want = m.Out("dst", out)
				if c.res {
					res = m.F32(out)
					refRes = res
				}
			}
			p := kernels.NewWinogradTile(s, c.m)
			packed := p.Pack(w, bias)
			scratch := map[int][]float32{}
			for _, threads := range []int{1, 2, 3, 7} {
				scratch[threads] = m.F32(p.ScratchLen(threads))
			}
			return Case{
				Fast: func(t *kernels.Team) { p.Run(t, got, src, packed, res, c.act, scratch[t.Threads()]) },
				Ref:  func() { ref.Winograd(want, src, w, bias, refRes, &s, c.m, c.act) },
			}
		},
	}
}

func winogradFamily() Family {
	return Family{
		Name: "winograd", Op: kernels.OpWinograd,
		List: func() []Problem {
			var l []Problem
			i := 0
			add := func(s kernels.Conv2D, m int) {
				l = append(l, winograd{s, m, i%3 != 0, i%4 == 1, i%5 == 2, acts[i%4]}.problem())
				i++
			}
			for _, f := range [][2]int{{4, 3}, {2, 3}, {2, 5}} {
				m, k := f[0], f[1]
				for _, c := range []int{1, 3, 7, 8, 9, 15, 16, 17, 33} {
					s := square(k+i%9, c, 1+7*i%37, k, 1)
					s.N, s.W = 1+i%2, k+i%11
					switch i % 4 {
					case 1:
						s.PL, s.PB = 0, s.PB+1
					case 2:
						s.PT, s.PL, s.PB, s.PR = 0, 0, 0, 0
					case 3:
						s.PL, s.PT = 2, 3
					}
					add(s, m)
				}
				for o := 1; o <= 34; o++ {
					add(square(m+o%3, 3, o, k, 1), m)
				}
				for h := 1; h <= 13; h++ {
					s := square(h, 16, 16, k, 1)
					s.W = 14 - h
					add(s, m)
				}
				add(square(30, 16, 40, k, 1), m)
				add(square(9, 130, 130, k, 1), m)
				for d := 1; d <= 4; d++ { // dilations, some larger than the picture
					for _, more := range []int{0, 1, 5} {
						s := square(d*(k-1)+1+more, 5, 17, k, 1)
						s.DH, s.DW, s.N = d, 5-d, 1+more%2
						s.PT, s.PL, s.PB, s.PR = d*(k-1)/2, (5-d)*(k-1)/2, d*(k-1)/2, (5-d)*(k-1)-1
						add(s, m)
					}
				}
				wide := square(2, 4, 6, k, 1)
				wide.DH, wide.DW = 7, 9
				wide.PT, wide.PL, wide.PB, wide.PR = 7*(k-1), 9, 7, 9*(k-1)
				add(wide, m)
				none := square(4, 3, 3, k, 1)
				none.N = 0
				add(none, m)
			}
			for _, s := range winogradBench {
				m := kernels.WinogradTile(s)
				if m == 0 {
					m = 4
				}
				direct := conv{s, true, false, relu}.problem()
				direct.Name = "winograd/direct" + strings.TrimPrefix(direct.Name, "conv")
				for _, p := range []Problem{winograd{s, m, true, false, false, relu}.problem(), direct} {
					p.Bench = true
					l = append(l, p)
				}
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			s := kernels.Conv2D{
				N: 1 + r.IntN(2), H: 1 + r.IntN(14), W: 1 + r.IntN(20), C: 1 + r.IntN(40), O: 1 + r.IntN(50), KH: 3, KW: 3, SH: 1, SW: 1,
				DH: 1 + r.IntN(3), DW: 1 + r.IntN(3), PT: r.IntN(3), PL: r.IntN(3), PB: r.IntN(3), PR: r.IntN(3), Groups: 1,
			}
			m := 2 + 2*r.IntN(2)
			if r.IntN(3) == 0 {
				s.KH, s.KW, m = 5, 5, 2
			}
			s.PB += max(0, s.DH*(s.KH-1)+1-s.H-s.PT-s.PB)
			s.PR += max(0, s.DW*(s.KW-1)+1-s.W-s.PL-s.PR)
			inPlace := r.IntN(3) == 0
			return winograd{s, m, r.IntN(2) == 0, inPlace || r.IntN(2) == 0, inPlace, acts[r.IntN(4)]}.problem()
		},
	}
}

// winogradBench are layers of ResNet-18, ResNet-50, VGG-16 and AlexNet at 224x224, of a pedestrian detector at 640x480 and of a network that labels scenes; each is timed
// beside the direct convolution.
var winogradBench = []kernels.Conv2D{
	square(224, 64, 64, 3, 1), square(112, 64, 128, 3, 1), square(112, 128, 128, 3, 1), square(56, 128, 256, 3, 1), square(56, 256, 256, 3, 1),
	square(56, 64, 64, 3, 1), square(28, 128, 128, 3, 1), square(28, 256, 512, 3, 1), square(28, 512, 512, 3, 1), square(14, 256, 256, 3, 1),
	square(14, 512, 512, 3, 1), square(7, 512, 512, 3, 1), square(27, 64, 192, 5, 1),
	{N: 1, H: 240, W: 320, C: 16, O: 32, KH: 5, KW: 5, SH: 1, SW: 1, DH: 1, DW: 1, PT: 2, PL: 2, PB: 2, PR: 2, Groups: 1},
	{N: 1, H: 30, W: 40, C: 128, O: 128, KH: 3, KW: 3, SH: 1, SW: 1, DH: 2, DW: 2, PT: 2, PL: 2, PB: 2, PR: 2, Groups: 1},
}
