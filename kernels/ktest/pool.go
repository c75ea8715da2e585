package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

func poolFamily() Family {
	return Family{Name: "pool", Op: kernels.OpPool, List: poolList, Random: poolRandom}
}

func volumePoolFamily() Family {
	return Family{Name: "volumepool", Op: kernels.OpPool, List: volumePoolList, Random: volumePoolRandom}
}

var poolNames = [...]string{"max", "avg", "l2"}

func poolProblem(kind kernels.PoolKind, s kernels.Pool2D) Problem {
	in, out := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.C
	c := kernels.Conv2D{N: s.N, H: s.H, W: s.W, C: s.C, KH: s.KH, KW: s.KW, SH: s.SH, SW: s.SW, DH: s.DH, DW: s.DW, PT: s.PT, PL: s.PL, PB: s.PB, PR: s.PR}
	name := "pool/" + poolNames[kind] + " " + windowName(&c)
	if s.Ceil {
		name += " ceil"
	}
	if s.CountPad {
		name += " countpad"
	}
	return Problem{
		Name:  name,
		Bytes: 4 * float64(in+out),
		Build: func(m *Mem) Case {
			src := m.F32(in)
			got, want := m.Out("dst", out)
			p := kernels.NewPool(kind, s)
			return Case{
				Fast: func(t *kernels.Team) { p.Run(t, got, src) },
				Ref:  func() { ref.Pool(want, src, kind, &s) },
				Move: moved(got, src),
			}
		},
	}
}

func volumePoolProblem(kind kernels.PoolKind, s kernels.Pool3D) Problem {
	in, out := s.D*s.N*s.H*s.W*s.C, s.N*s.OD()*s.OH()*s.OW()*s.C
	p := poolProblem(kind, s.Pool2D)
	p.Name = fmt.Sprintf("%s planes %d window %d stride %d dilation %d pad %d,%d", p.Name, s.D, s.KD, s.SD, s.DD, s.PF, s.PK)
	p.Bytes = 4 * float64(in+out)
	p.Build = func(m *Mem) Case {
		src := m.F32(in)
		got, want := m.Out("dst", out)
		plan := kernels.NewVolumePool(kind, s)
		return Case{
			Fast: func(t *kernels.Team) { plan.Run(t, got, src) },
			Ref:  func() { ref.PoolVolume(want, src, kind, &s) },
		}
	}
	return p
}

// squarePool is a pooling with the same window, stride and padding both ways.
func squarePool(n, h, w, c, k, stride, pad int) kernels.Pool2D {
	return kernels.Pool2D{N: n, H: h, W: w, C: c, KH: k, KW: k, SH: stride, SW: stride, DH: 1, DW: 1, PT: pad, PL: pad, PB: pad, PR: pad}
}

func poolList() []Problem {
	var l []Problem
	add := func(s kernels.Pool2D) {
		for kind := kernels.PoolMax; kind <= kernels.PoolL2; kind++ {
			l = append(l, poolProblem(kind, s))
		}
	}
	add(squarePool(0, 4, 4, 8, 2, 2, 0))
	for c := 1; c <= 67; c++ {
		add(squarePool(1, 3, 4, c, 2, 1, 1))
	}
	for k := 1; k <= 7; k++ {
		for stride := 1; stride <= 3; stride++ {
			for _, c := range []int{3, 16, 65} {
				s := squarePool(1, 9, 11, c, k, stride, k/2)
				add(s)
				s.Ceil = true
				add(s)
				s.CountPad = true
				add(s)
				s.N, s.Ceil, s.PT, s.PR = 2, false, 0, 0
				add(s)
				s.DH, s.DW, s.PB, s.PR = 2, 3, 6, 9
				add(s)
			}
		}
	}
	s := squarePool(1, 3, 2, 19, 2, 1, 4) // windows that miss the picture
	add(s)
	s.CountPad = true
	add(s)
	add(kernels.Pool2D{N: 1, H: 5, W: 9, C: 10, KH: 3, KW: 2, SH: 2, SW: 3, DH: 1, DW: 1, PT: 1, PL: 0, PB: 2, PR: 1, Ceil: true})
	for _, g := range [][4]int{{1, 1, 1, 5}, {2, 7, 7, 130}, {1, 5, 3, 64}, {1, 40, 30, 1030}, {1, 300, 350, 5}} {
		add(kernels.GlobalPool(g[0], g[1], g[2], g[3]))
	}
	add(squarePool(1, 31, 29, 65, 3, 2, 1))
	for _, b := range []struct {
		kind kernels.PoolKind
		s    kernels.Pool2D
	}{
		{kernels.PoolMax, squarePool(1, 112, 112, 64, 3, 2, 1)}, // ResNet
		{kernels.PoolMax, squarePool(1, 55, 55, 96, 3, 2, 0)},   // AlexNet
		{kernels.PoolMax, squarePool(1, 224, 224, 64, 2, 2, 0)}, // VGG
		{kernels.PoolMax, squarePool(1, 28, 28, 512, 2, 2, 0)},
		{kernels.PoolMax, squarePool(1, 640, 480, 16, 2, 2, 0)},
		{kernels.PoolMax, squarePool(8, 224, 224, 64, 2, 2, 0)}, // far larger than any cache
		{kernels.PoolAvg, squarePool(8, 224, 224, 64, 3, 2, 1)},
		{kernels.PoolL2, squarePool(8, 224, 224, 64, 3, 2, 1)},
		{kernels.PoolAvg, squarePool(1, 28, 28, 256, 3, 1, 1)},
		{kernels.PoolAvg, squarePool(1, 14, 14, 512, 2, 2, 0)},
		{kernels.PoolL2, squarePool(1, 112, 112, 64, 3, 2, 1)},
		{kernels.PoolAvg, kernels.GlobalPool(1, 7, 7, 1280)},
		{kernels.PoolAvg, kernels.GlobalPool(1, 112, 112, 16)},
		{kernels.PoolMax, kernels.GlobalPool(1, 7, 7, 512)},
	} {
		p := poolProblem(b.kind, b.s)
		p.Bench = true
		l = append(l, p)
	}
	return l
}

func poolRandom(r *rand.Rand) Problem {
	s := randomPool(r)
	return poolProblem(kernels.PoolKind(r.IntN(len(poolNames))), s)
}

func randomPool(r *rand.Rand) kernels.Pool2D {
	s := kernels.Pool2D{
		N: 1 + r.IntN(2), H: 1 + r.IntN(12), W: 1 + r.IntN(20), C: 1 + r.IntN(140), KH: 1 + r.IntN(7), KW: 1 + r.IntN(7),
		SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: 1 + r.IntN(2), DW: 1 + r.IntN(2),
		PT: r.IntN(4), PL: r.IntN(4), PB: r.IntN(4), PR: r.IntN(4), Ceil: r.IntN(2) == 0, CountPad: r.IntN(2) == 0,
	}
	s.PB += max(0, s.DH*(s.KH-1)+1-s.H-s.PT-s.PB)
	s.PR += max(0, s.DW*(s.KW-1)+1-s.W-s.PL-s.PR)
	return s
}

func volumePoolList() []Problem {
	var l []Problem
	add := func(s kernels.Pool3D) {
		for kind := kernels.PoolMax; kind <= kernels.PoolL2; kind++ {
			l = append(l, volumePoolProblem(kind, s))
		}
	}
	add(kernels.Pool3D{Pool2D: squarePool(0, 4, 4, 8, 2, 2, 0), D: 4, KD: 2, SD: 2, DD: 1})
	add(kernels.Pool3D{Pool2D: squarePool(1, 3, 2, 19, 2, 1, 4), D: 2, KD: 2, SD: 1, DD: 1, PF: 4, PK: 4}) // windows that miss the volume
	add(kernels.Pool3D{Pool2D: kernels.GlobalPool(1, 300, 350, 5), D: 3, KD: 3, SD: 1, DD: 1})
	for _, c := range []int{1, 16, 37, 65} {
		for _, d := range []kernels.Pool3D{{D: 1, KD: 1, SD: 1, DD: 1}, {D: 6, KD: 2, SD: 2, DD: 1}, {D: 5, KD: 3, SD: 1, DD: 1, PF: 1, PK: 1}, {D: 7, KD: 2, SD: 2, DD: 3, PF: 2, PK: 4}} {
			d.Pool2D = squarePool(2, 7, 8, c, 3, 2, 1)
			add(d)
			d.Ceil, d.CountPad, d.PR = true, true, 0
			add(d)
		}
	}
	return l
}

func volumePoolRandom(r *rand.Rand) Problem {
	s := randomPool(r)
	v := kernels.Pool3D{Pool2D: s, D: 1 + r.IntN(5), KD: 1 + r.IntN(3), SD: 1 + r.IntN(3), DD: 1 + r.IntN(2), PF: r.IntN(4), PK: r.IntN(4)}
	v.PK += max(0, v.DD*(v.KD-1)+1-v.D-v.PF-v.PK)
	return volumePoolProblem(kernels.PoolKind(r.IntN(len(poolNames))), v)
}
