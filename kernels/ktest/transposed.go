package ktest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

type transposed struct {
	s    kernels.Transposed2D
	bias bool
	act  kernels.Act
}

func (c transposed) problem() Problem {
	s := c.s
	name := fmt.Sprintf("transposed/%dx%dx%dx%d to %d, %dx%d/%dx%d", s.N, s.H, s.W, s.C, s.O, s.KH, s.KW, s.SH, s.SW)
	if s.PT|s.PL|s.PB|s.PR|s.AH|s.AW != 0 {
		name += fmt.Sprintf(" pad %d,%d,%d,%d add %d,%d", s.PT, s.PL, s.PB, s.PR, s.AH, s.AW)
	}
	if s.Groups > 1 {
		name += fmt.Sprintf(" groups %d", s.Groups)
	}
	in, out := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.O
	k := s.KH * s.KW * s.C / s.Groups
	return Problem{
		Name:  name + actName(c.act),
		Flops: 2 * float64(s.N*s.H*s.W) * float64(s.O*k),
		Bytes: 4 * float64(in+out+s.O*k),
		Build: func(m *Mem) Case {
			src, w := m.F32(in), m.F32(s.O*k)
			var bias []float32
			if c.bias {
				bias = m.F32(s.O)
			}
			got, want := m.Out("dst", out)
			p := kernels.NewConvTranspose(s)
			packed := p.Pack(w, bias)
			return Case{
				Fast: func(t *kernels.Team) { p.Run(t, got, src, packed, c.act) },
				Ref:  func() { ref.ConvTranspose(want, src, w, bias, &s, c.act) },
			}
		},
	}
}

// upsampling is a picture of side h and a square window with equal padding on all sides.
func upsampling(h, c, o, k, stride, pad, added int) kernels.Transposed2D {
	return kernels.Transposed2D{N: 1, H: h, W: h, C: c, O: o, KH: k, KW: k, SH: stride, SW: stride,
		PT: pad, PL: pad, PB: pad, PR: pad, AH: added, AW: added, Groups: 1}
}

func transposedFamily() Family {
	return Family{
		Name: "transposed", Op: kernels.OpGemm,
		List: func() []Problem {
			var l []Problem
			put := func(s kernels.Transposed2D) { l = append(l, transposed{s, len(l)%3 != 1, acts[len(l)%4]}.problem()) }
			// Window, stride, padding, added: those that networks have, windows smaller than the stride, padding beyond the window.
			for i, k := range [][4]int{{2, 2, 0, 0}, {3, 2, 1, 1}, {4, 2, 1, 0}, {3, 1, 1, 0}, {1, 1, 0, 0}, {1, 2, 0, 1}, {2, 3, 0, 0}, {5, 3, 2, 2}, {3, 2, 3, 5}} {
				for j, c := range []int{1, 3, 16, 17} {
					s := upsampling(3+(i+j)%4, c, 1+(7*i+11*j)%37, k[0], k[1], k[2], k[3])
					s.N, s.W = 1+(i+j)%2, 4+(5*i+3*j)%17
					put(s)
				}
			}
			uneven := upsampling(6, 7, 19, 4, 2, 1, 0)
			uneven.KW, uneven.SW, uneven.PT, uneven.PR, uneven.AW = 3, 1, 2, 0, 1
			put(uneven)
			for _, g := range []int{2, 3, 6} {
				s := upsampling(5, 6, 12, 3, 2, 1, 1)
				s.Groups = g
				put(s)
			}
			put(upsampling(1, 1, 1, 1, 1, 0, 0))
			put(upsampling(2, 1, 3, 2, 9, 0, 0))    // more phases than outputs in some
			put(upsampling(5, 200, 40, 4, 2, 1, 0)) // K of several blocks, several lines
			put(upsampling(2, 800, 20, 2, 2, 0, 0)) // several blocks in a step
			long := upsampling(1, 5, 9, 4, 2, 1, 0) // one dimension, lines in several pieces
			long.W, long.KH, long.SH, long.PT, long.PB = 1030, 1, 1, 0, 0
			put(long)
			for _, o := range []int{5, 25} { // several blocks of rows, or bands
				tall := upsampling(90, 12, o, 3, 2, 1, 1)
				tall.W = 21
				put(tall)
			}
			put(upsampling(70, 4, 2, 2, 3, 0, 1)) // rows without taps in every period
			none := upsampling(4, 3, 3, 3, 2, 1, 1)
			none.N = 0
			put(none)
			// U-Net's steps up, a generator of pictures of 64x64, heads of pose and segmentation networks, of FSRCNN and of DBNet.
			for _, s := range []kernels.Transposed2D{
				upsampling(28, 1024, 512, 2, 2, 0, 0), upsampling(112, 256, 128, 2, 2, 0, 0), upsampling(224, 128, 64, 2, 2, 0, 0), upsampling(8, 512, 256, 4, 2, 1, 0),
				upsampling(32, 128, 64, 4, 2, 1, 0), upsampling(32, 256, 256, 4, 2, 1, 0), upsampling(64, 64, 32, 3, 2, 1, 1), upsampling(112, 32, 3, 4, 2, 1, 0),
				upsampling(128, 56, 1, 9, 2, 4, 1), upsampling(160, 24, 1, 2, 2, 0, 0),
			} {
				p := transposed{s, true, relu}.problem()
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			for {
				s := kernels.Transposed2D{
					N: 1 + r.IntN(2), H: 1 + r.IntN(6), W: 1 + r.IntN(20), C: 1 + r.IntN(30), O: 1 + r.IntN(50), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5),
					SH: 1 + r.IntN(4), SW: 1 + r.IntN(4), PT: r.IntN(4), PL: r.IntN(4), PB: r.IntN(4), PR: r.IntN(4), AH: r.IntN(3), AW: r.IntN(3), Groups: 1,
				}
				if r.IntN(4) == 0 {
					s.Groups = 2
					s.C, s.O = s.C+s.C%2, s.O+s.O%2
				}
				if s.OH() > 0 && s.OW() > 0 {
					return transposed{s, r.IntN(2) == 0, acts[r.IntN(4)]}.problem()
				}
			}
		},
	}
}

// depthwiseTransposedFamily is transposed convolutions that give each channel a window of its own, with weights packed once and packed anew.
func depthwiseTransposedFamily() Family {
	some := func(r *rand.Rand) kernels.Transposed2D {
		for {
			s := kernels.Transposed2D{
				N: 1 + r.IntN(2), H: 1 + r.IntN(6), W: 1 + r.IntN(20), C: 1 + r.IntN(50), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5),
				SH: 1 + r.IntN(4), SW: 1 + r.IntN(4), DH: r.IntN(3), DW: r.IntN(3),
				PT: r.IntN(4), PL: r.IntN(4), PB: r.IntN(4), PR: r.IntN(4), AH: r.IntN(3), AW: r.IntN(3),
			}
			s.O, s.Groups = s.C, s.C
			if s.OH() > 0 && s.OW() > 0 {
				return s
			}
		}
	}
	named := func(s kernels.Transposed2D, i int) Problem {
		p := transposed{s, i%3 != 1, acts[i/2%4]}.problem()
		if i%2 == 1 {
			p = transposedRepack{s, kernels.Order(i / 2 % 2)}.problem()
		}
		_, rest, _ := strings.Cut(p.Name, "/")
		p.Name = "depthwisetransposed/" + rest
		return p
	}
	return Family{
		Name: "depthwisetransposed", Op: kernels.OpDepthwise,
		List: func() []Problem {
			var l []Problem
			for i, k := range [][4]int{{2, 2, 0, 0}, {3, 2, 1, 1}, {4, 2, 1, 0}, {3, 1, 1, 0}, {1, 1, 0, 0}, {1, 2, 0, 1}, {2, 3, 0, 0}, {5, 3, 2, 2}, {3, 2, 3, 5}, {16, 8, 4, 0}} {
				for j, c := range []int{1, 3, 4, 8, 13, 16, 17, 32, 70} {
					s := upsampling(3+(i+j)%4, c, c, k[0], k[1], k[2], k[3])
					s.N, s.W, s.Groups = 1+(i+j)%2, 4+(5*i+3*j)%17, c
					if j%4 == 3 {
						s.DH, s.DW = 1+i%3, 1+j%2
					}
					l = append(l, named(s, i+j))
				}
			}
			tall := upsampling(90, 12, 12, 3, 2, 1, 1) // several bands of rows
			tall.W, tall.Groups = 21, 12
			l = append(l, named(tall, 0))
			// Steps up of segmentation and keypoint networks: 64 channels, and FCN's 21 classes.
			for _, s := range []kernels.Transposed2D{upsampling(80, 64, 64, 4, 2, 1, 0), upsampling(64, 21, 21, 4, 2, 1, 0), upsampling(64, 3, 3, 4, 2, 1, 0), upsampling(32, 21, 21, 16, 8, 4, 0), upsampling(56, 128, 128, 2, 2, 0, 0)} {
				s.Groups = s.C
				p := named(s, 0)
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem { return named(some(r), r.IntN(24)) },
	}
}
