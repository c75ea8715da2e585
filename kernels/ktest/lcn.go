package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

func lcnFamily() Family {
	return Family{Name: "lcn", Op: kernels.OpLCN, List: lcnList, Random: lcnRandom}
}

var lcnModes = [...]string{"", " subtract", " divide"}

func lcnProblem(s kernels.LCN2D) Problem {
	n := s.N * s.H * s.W * s.C
	return Problem{
		Name:  fmt.Sprintf("lcn/%dx%dx%dx%d %dx%d%s", s.N, s.H, s.W, s.C, s.Size, s.Size, lcnModes[s.Mode]),
		Bytes: 8 * float64(n),
		Build: func(m *Mem) Case {
			src := m.F32(n)
			got, want := m.Out("dst", n)
			l := kernels.NewLCN(s)
			scratch := m.F32(l.ScratchLen())
			return Case{
				Fast: func(t *kernels.Team) { l.Run(t, got, src, scratch) },
				Ref:  func() { ref.LCN(want, src, &s) },
			}
		},
	}
}

func lcnList() []Problem {
	var l []Problem
	add := func(s kernels.LCN2D) {
		for s.Mode = kernels.LCNBoth; s.Mode <= kernels.LCNDivide; s.Mode++ {
			l = append(l, lcnProblem(s))
		}
	}
	add(kernels.LCN2D{N: 0, H: 3, W: 3, C: 2, Size: 3, Sigma: 1})
	add(kernels.LCN2D{N: 1, H: 1, W: 1, C: 1, Size: 1, Sigma: 1})
	add(kernels.LCN2D{N: 1, H: 2, W: 1, C: 1, Size: 9, Sigma: 2, Floor: 0.5})
	for c := 1; c <= 35; c++ {
		add(kernels.LCN2D{N: 1, H: 3, W: 4 + c%3, C: c, Size: 3, Sigma: 1, Floor: 1e-4})
	}
	for w := 1; w <= 67; w++ {
		add(kernels.LCN2D{N: 1, H: 2 + w%7, W: w, C: 1 + 2*(w%2), Size: 1 + 2*(w%5), Sigma: 1.6})
	}
	add(kernels.LCN2D{N: 2, H: 19, W: 150, C: 3, Size: 9, Sigma: 1.6, Floor: 1e-4})
	add(kernels.LCN2D{N: 1, H: 31, W: 37, C: 67, Size: 7, Sigma: 1.2})
	add(kernels.LCN2D{N: 1, H: 12, W: 12, C: 130, Size: 13, Sigma: 3})
	for _, b := range []kernels.LCN2D{
		{N: 1, H: 480, W: 640, C: 1, Size: 9, Sigma: 1.6, Floor: 1e-4},
		{N: 1, H: 480, W: 640, C: 3, Size: 9, Sigma: 1.6, Floor: 1e-4},
		{N: 1, H: 143, W: 143, C: 64, Size: 9, Sigma: 1.6, Floor: 1e-4}, // Jarrett et al., Caltech-101, first stage
		{N: 1, H: 1080, W: 1920, C: 3, Size: 9, Sigma: 1.6, Floor: 1e-4},
	} {
		p := lcnProblem(b)
		p.Bench = true
		l = append(l, p)
	}
	return l
}

func lcnRandom(r *rand.Rand) Problem {
	return lcnProblem(kernels.LCN2D{
		N: 1 + r.IntN(2), H: 1 + r.IntN(20), W: 1 + r.IntN(40), C: 1 + r.IntN(40), Size: 1 + 2*r.IntN(5),
		Sigma: 0.3 + 3*r.Float32(), Floor: r.Float32() * float32(r.IntN(2)), Mode: kernels.LCNMode(r.IntN(3)),
	})
}
