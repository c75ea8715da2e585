package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

func depthwiseFamily() Family {
	return Family{Name: "depthwise", Op: kernels.OpDepthwise, List: depthwiseList, Random: depthwiseRandom}
}

func volumeDepthwiseFamily() Family {
	return Family{Name: "volumedepthwise", Op: kernels.OpDepthwise, List: volumeDepthwiseList, Random: volumeDepthwiseRandom}
}

func windowName(s *kernels.Conv2D) string {
	name := fmt.Sprintf("%dx%dx%dx%d %dx%d", s.N, s.H, s.W, s.C, s.KH, s.KW)
	if s.SH*s.SW > 1 {
		name += fmt.Sprintf("/%dx%d", s.SH, s.SW)
	}
	if s.DH*s.DW > 1 {
		name += fmt.Sprintf("@%dx%d", s.DH, s.DW)
	}
	return name + fmt.Sprintf("+%d,%d,%d,%d", s.PT, s.PL, s.PB, s.PR)
}

func depthwiseProblem(s kernels.Conv2D, bias bool, act kernels.Act) Problem {
	s.O, s.Groups = s.C, s.C
	in, out, taps := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.C, s.KH*s.KW
	return Problem{
		Name:  "depthwise/" + windowName(&s) + actName(act),
		Flops: 2 * float64(out*taps),
		Bytes: 4 * float64(in+out+taps*s.C),
		Build: func(m *Mem) Case {
			src, w := m.F32(in), m.F32(taps*s.C)
			var b []float32
			if bias {
				b = m.F32(s.C)
			}
			// As far from src in its page as buffers of a network are apart.
			const apart = 80
			got, want := m.Out("dst", out+apart)
			got, want = got[apart:], want[apart:]
			d := kernels.NewDepthwise(s)
			p := d.Pack(w, b)
			return Case{
				Fast: func(t *kernels.Team) { d.Run(t, got, src, p, act) },
				Ref:  func() { ref.Depthwise(want, src, w, b, &s, act) },
				Move: moved(got, src, w),
			}
		},
	}
}

func volumeDepthwiseProblem(s kernels.Conv3D, bias bool, act kernels.Act) Problem {
	s.O, s.Groups = s.C, s.C
	deep := s.Deep()
	in, out, taps := s.N*s.D*s.H*s.W*s.C, s.N*deep.OH()*s.OH()*s.OW()*s.C, s.KD*s.KH*s.KW
	p := depthwiseProblem(s.Conv2D, bias, act)
	p.Name = fmt.Sprintf("volume%s planes %s", p.Name, windowName(&deep))
	p.Flops, p.Bytes = 2*float64(out*taps), 4*float64(in+out+taps*s.C)
	p.Build = func(m *Mem) Case {
		src, w := m.F32(in), m.F32(taps*s.C)
		var b []float32
		if bias {
			b = m.F32(s.C)
		}
		got, want := m.Out("dst", out)
		d := kernels.NewVolumeDepthwise(s)
		p := d.Pack(w, b)
		return Case{
			Fast: func(t *kernels.Team) { d.Run(t, got, src, p, act) },
			Ref:  func() { ref.VolumeDepthwise(want, src, w, b, &s, act) },
		}
	}
	return p
}

func volumeDepthwiseList() []Problem {
	var l []Problem
	add := func(s kernels.Conv3D) { l = append(l, volumeDepthwiseProblem(s, len(l)%3 > 0, acts[len(l)%len(acts)])) }
	add(kernels.Conv3D{Conv2D: squareWindow(0, 3, 3, 8, 3, 1, 1, 1), D: 3, KD: 3, SD: 1, DD: 1, PF: 1, PK: 1})
	for _, c := range []int{1, 7, 8, 16, 19, 37, 64, 512} {
		for _, d := range []kernels.Conv3D{{D: 1, KD: 1, SD: 1, DD: 1}, {D: 4, KD: 3, SD: 1, DD: 1, PF: 1, PK: 1}, {D: 5, KD: 2, SD: 2, DD: 1, PK: 1}, {D: 3, KD: 2, SD: 1, DD: 2, PF: 3, PK: 4}} {
			for i, plane := range []kernels.Conv2D{squareWindow(2, 4, 5, c, 3, 1, 1, 1), squareWindow(1, 3, 9, c, 2, 2, 1, 0), squareWindow(1, 5, 4, c, 2, 1, 3, 4)} {
				if d.Conv2D = plane; i < 2 || c < 64 {
					add(d)
				}
			}
		}
	}
	return l
}

func volumeDepthwiseRandom(r *rand.Rand) Problem {
	k, stride, dilation, pad := 1+r.IntN(4), 1+r.IntN(2), 1+r.IntN(2), r.IntN(4)
	s := kernels.Conv3D{Conv2D: squareWindow(1+r.IntN(2), 1+r.IntN(6), 1+r.IntN(12), 1+r.IntN(70), k, stride, dilation, pad+dilation*k),
		D: 1 + r.IntN(4), KD: 1 + r.IntN(3), SD: 1 + r.IntN(2), DD: 1 + r.IntN(2), PF: r.IntN(3)}
	s.PK = s.DD * s.KD
	return volumeDepthwiseProblem(s, r.IntN(2) == 0, acts[r.IntN(len(acts))])
}

// squareWindow is a shape with the same window, stride, dilation and padding both ways.
func squareWindow(n, h, w, c, k, stride, dilation, pad int) kernels.Conv2D {
	return kernels.Conv2D{N: n, H: h, W: w, C: c, KH: k, KW: k, SH: stride, SW: stride, DH: dilation, DW: dilation, PT: pad, PL: pad, PB: pad, PR: pad}
}

func depthwiseList() []Problem {
	var l []Problem
	add := func(s kernels.Conv2D) { l = append(l, depthwiseProblem(s, len(l)%3 > 0, acts[len(l)%len(acts)])) }
	add(squareWindow(0, 3, 3, 8, 3, 1, 1, 1))
	for c := 1; c <= 67; c++ {
		add(squareWindow(1, 3, 5, c, 3, 1, 1, 1))
	}
	// Every width of tiles, with windows that leave the picture on both sides.
	for _, k := range []int{3, 5, 7} {
		for stride := 1; stride <= 2; stride++ {
			for w := 1; w <= 31; w++ {
				add(squareWindow(1, 4, w, []int{8, 16, 21}[w%3], k, stride, 1, k/2))
			}
		}
	}
	// Dilations that divide the columns into classes of equal and of different lengths, and such that one has none.
	for _, k := range []int{3, 5, 7} {
		for dilation := 2; dilation <= 5; dilation++ {
			for _, w := range []int{3, 8, 17, 33} {
				if s := squareWindow(1, 9, w, 24, k, 1, dilation, dilation*(k/2)); w > 8 || dilation < 4 {
					add(s)
					s.PL, s.PR = s.PL-1, s.PR+1
					add(s)
				}
			}
		}
	}
	for k := 1; k <= 7; k++ {
		for _, c := range []int{2, 4, 13, 16, 33} {
			add(squareWindow(2, 8, 9, c, k, 1, 1, k/2))
			add(squareWindow(1, 9, 10, c, k, 2, 1, 0))
			add(squareWindow(1, 15, 13, c, k, 1, 2, k-1))
			add(squareWindow(1, 11, 12, c, k, 3, 1, k))
		}
	}
	for _, p := range [][4]int{{0, 0, 1, 1}, {1, 0, 0, 0}, {0, 1, 1, 0}, {2, 2, 2, 2}, {3, 0, 1, 4}, {0, 3, 5, 1}} {
		for _, k := range []int{3, 5, 7} {
			for stride := 1; stride <= 2; stride++ {
				s := squareWindow(1, 6, 9, 19, k, stride, 1, 0)
				s.PT, s.PL, s.PB, s.PR = p[0], p[1], p[2], p[3]
				add(s)
			}
		}
	}
	add(kernels.Conv2D{N: 1, H: 9, W: 11, C: 24, KH: 2, KW: 3, SH: 3, SW: 1, DH: 2, DW: 1, PT: 1, PL: 1, PB: 2, PR: 1})
	add(kernels.Conv2D{N: 1, H: 9, W: 12, C: 24, KH: 7, KW: 5, SH: 1, SW: 2, DH: 1, DW: 1, PT: 3, PL: 2, PB: 3, PR: 2})
	add(squareWindow(3, 14, 14, 72, 3, 1, 1, 1))
	add(squareWindow(1, 28, 28, 40, 3, 2, 1, 1))
	add(squareWindow(1, 41, 37, 129, 3, 1, 1, 1))
	// Pixels a multiple of 2048 bytes apart.
	for _, k := range []int{3, 4, 5, 7} {
		for stride := 1; stride <= 2; stride++ {
			add(squareWindow(2, 5, 7, 512, k, stride, 1, k/2))
			add(squareWindow(1, 5, 9, 512, k, stride, 2, k))
		}
	}
	add(squareWindow(1, 17, 13, 512, 3, 1, 1, 1))
	add(squareWindow(1, 13, 11, 1024, 3, 2, 1, 0))
	bench := func(s kernels.Conv2D) {
		p := depthwiseProblem(s, true, relu6)
		p.Bench = true
		l = append(l, p)
	}
	for _, b := range []struct {
		size, c, k, stride int
	}{
		{112, 32, 3, 1}, {112, 64, 3, 2}, {56, 128, 3, 1}, {28, 256, 3, 1}, {14, 512, 3, 1}, {14, 512, 3, 2}, {7, 1024, 3, 1}, // MobileNetV1
		{112, 96, 3, 2}, {56, 144, 3, 1}, {56, 144, 3, 2}, {28, 192, 3, 1}, {14, 384, 3, 1}, {14, 576, 3, 1}, {7, 960, 3, 1}, // V2
		{112, 16, 3, 2}, {28, 72, 5, 2}, {28, 120, 5, 1}, {14, 240, 5, 1}, {14, 288, 5, 2}, {7, 576, 5, 1}, {7, 960, 5, 1}, // V3
		{56, 24, 3, 2}, {28, 58, 3, 1}, {28, 116, 3, 2}, {14, 116, 3, 1}, {14, 232, 3, 2}, {7, 232, 3, 1}, // ShuffleNetV2
		{56, 64, 3, 1}, {28, 128, 3, 1}, {14, 256, 3, 1}, {7, 512, 7, 1}, // MobileFaceNet
		{56, 96, 7, 1}, // ConvNeXt
	} {
		pad := b.k / 2
		if b.k == b.size {
			pad = 0
		}
		bench(squareWindow(1, b.size, b.size, b.c, b.k, b.stride, 1, pad))
	}
	// DeepLab
	bench(squareWindow(1, 65, 65, 192, 3, 1, 2, 2))
	bench(squareWindow(1, 65, 65, 480, 3, 1, 4, 4))
	return l
}

func depthwiseRandom(r *rand.Rand) Problem {
	s := kernels.Conv2D{
		N: 1 + r.IntN(2), H: 1 + r.IntN(12), W: 1 + r.IntN(24), C: 1 + r.IntN(70), KH: 1 + r.IntN(5), KW: 1 + r.IntN(7),
		SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: 1 + r.IntN(2), DW: 1 + r.IntN(2),
		PT: r.IntN(4), PL: r.IntN(4), PB: r.IntN(4), PR: r.IntN(4),
	}
	if r.IntN(2) == 0 {
		// Windows that have tiles of their own.
		s.KW, s.SW, s.DW = 3+2*r.IntN(3), 1+r.IntN(2), 1
		if s.KH = s.KW; s.SW == 1 {
			s.DW += r.IntN(4)
		}
		s.PL, s.PR = r.IntN(s.DW*(s.KW/2)+1), r.IntN(s.DW*(s.KW/2)+1)
	}
	s.PB += max(0, s.DH*(s.KH-1)+1-s.H-s.PT-s.PB)
	s.PR += max(0, s.DW*(s.KW-1)+1-s.W-s.PL-s.PR)
	return depthwiseProblem(s, r.IntN(2) == 0, acts[r.IntN(len(acts))])
}
