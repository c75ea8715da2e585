package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// gemmTN is a product of m x n sums over k positions; pad is how much longer than needed the rows are.
type gemmTN struct {
	m, n, k, pad int
	scratch      bool
}

// threadCounts are the teams that tests run on.
var threadCounts = []int{1, 2, 3, 7}

func (g gemmTN) problem() Problem {
	return Problem{
		Name:  fmt.Sprintf("gemmtn/%dx%d over %d+%d", g.m, g.n, g.k, g.pad),
		Flops: 2 * float64(g.m) * float64(g.n) * float64(g.k),
		Bytes: 4 * float64(g.m*g.k+g.k*g.n+g.m*g.n),
		Build: func(m *Mem) Case {
			lda, ldb, ldd := g.m+g.pad, g.n+2*g.pad, g.n+g.pad
			length := func(rows, ld, cols int) int { return max(0, (rows-1)*ld+cols) }
			a, b := m.F32(length(g.k, lda, g.m)), m.F32(length(g.k, ldb, g.n))
			got, want := m.Out("dst", length(g.m, ldd, g.n))
			scratch := scratchFor(m, func(threads int) int {
				if !g.scratch {
					return 0
				}
				return kernels.GemmTNScratch(threads, g.m, g.n, g.k)
			})
			return Case{
				Fast: func(t *kernels.Team) {
					kernels.GemmTN(t, got, ldd, a, lda, b, ldb, g.m, g.n, g.k, scratch[t.Threads()])
				},
				Ref: func() { ref.GemmTN(want, ldd, a, lda, b, ldb, g.m, g.n, g.k) },
			}
		},
	}
}

// scratchFor returns scratch memory for each number of threads.
func scratchFor(m *Mem, length func(threads int) int) map[int][]float32 {
	s := map[int][]float32{}
	for _, n := range threadCounts {
		s[n] = m.F32(length(n))
	}
	return s
}

func gemmTNFamily() Family {
	return Family{
		Name: "gemmtn", Op: kernels.OpGemm,
		List: func() []Problem {
			var l []Problem
			put := func(m, n, k int) {
				l = append(l, gemmTN{m, n, k, len(l) % 3, len(l)%2 == 0}.problem())
			}
			for m := 0; m <= 25; m++ {
				put(m, 5+7*m%40, 3+m)
			}
			for n := 0; n <= 66; n++ {
				put(1+5*n%29, n, 1+3*n%17)
			}
			for _, k := range []int{0, 1, 2, 1023, 1024, 1025, 2048, 5000} {
				put(13, 17, k)
				put(3, 33, k)
			}
			put(4, 19, 8*1024+5) // blocks for all threads, and more than a wave
			put(2, 3, 70*1024+1)
			put(120, 70, 1030)
			for _, s := range [][3]int{{512, 512, 512}, {4096, 9216, 32}, {1000, 1280, 8}, {64, 512, 64}} {
				p := gemmTN{m: s[0], n: s[1], k: s[2], scratch: true}.problem()
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			return gemmTN{r.IntN(40), r.IntN(80), r.IntN(3000), r.IntN(4), r.IntN(2) == 0}.problem()
		},
	}
}

// batch is a square picture in a batch of 8, the most usual in training.
func batch(h, c, o, k, stride int) kernels.Conv2D {
	s := square(h, c, o, k, stride)
	s.N = 8
	return s
}

// gradKind is one of the gradients of a layer.
type gradKind int

const (
	gradInput gradKind = iota
	gradWeight
	gradBias
	gradRepack // packing of other weights, forward and for the gradient of the input
)

var gradNames = [...]string{"dx", "dw", "db", "repack"}

type convGrad struct {
	s     kernels.Conv2D
	kind  gradKind
	order kernels.Order
}

func orderName(o kernels.Order) string {
	if o == kernels.OrderONNX {
		return " onnx"
	}
	return ""
}

// inOrder returns w, [O,T,C], in an order.
func inOrder(w []float32, order kernels.Order, o, taps, c int) []float32 {
	if order == kernels.OrderNHWC {
		return w
	}
	x := make([]float32, len(w))
	ref.ToONNX(x, w, o, taps, c)
	return x
}

func (c convGrad) problem() Problem {
	s := c.s
	in, out, taps, cg := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.O, s.KH*s.KW, s.C/s.Groups
	weights := s.O * taps * cg
	p := Problem{Name: fmt.Sprintf("convgrad/%s%s %s", gradNames[c.kind], orderName(c.order), ShapeName(s))}
	switch c.kind {
	case gradBias:
		p.Bytes = 4 * float64(out)
	case gradRepack:
		p.Bytes = 4 * float64(4*weights)
	default:
		p.Flops = 2 * float64(out) * float64(taps*cg)
		p.Bytes = 4 * float64(in+out+weights)
	}
	p.Build = func(m *Mem) Case {
		g := kernels.NewConvGrad(s)
		scratch := scratchFor(m, g.ScratchLen)
		dy := m.F32(out)
		switch c.kind {
		case gradInput:
			w := m.F32(weights)
			got, want := m.Out("dx", in)
			packed := g.Pack(inOrder(w, c.order, s.O, taps, cg), c.order)
			return Case{
				Fast: func(t *kernels.Team) { g.Input(t, got, dy, packed, scratch[t.Threads()]) },
				Ref:  func() { convGradInput(want, dy, w, s, g.InputTile()) },
			}
		case gradWeight:
			x := m.F32(in)
			got, want := m.Out("dw", weights)
			return Case{
				Fast: func(t *kernels.Team) { g.Weight(t, got, dy, x, c.order, scratch[t.Threads()]) },
				Ref: func() {
					w := make([]float32, weights)
					ref.ConvGradWeight(w, dy, x, &s)
					copy(want, inOrder(w, c.order, s.O, taps, cg))
				},
			}
		case gradBias:
			got, want := m.Out("db", s.O)
			return Case{
				Fast: func(t *kernels.Team) { g.Bias(t, got, dy) },
				Ref:  func() { ref.ConvGradBias(want, dy, s.N*s.OH()*s.OW()) },
			}
		}
		return repackCase(m, s, g, dy, weights, c.order)
	}
	return p
}

func convGradInput(dx, dy, w []float32, s kernels.Conv2D, tile int) {
	if tile == 0 {
		ref.ConvGradInput(dx, dy, w, &s)
		return
	}
	turned := make([]float32, len(w))
	ref.TurnWeights(turned, w, &s)
	back := s
	back.H, back.W, back.C, back.O = s.OH(), s.OW(), s.O, s.C
	back.PT, back.PL, back.PB, back.PR = s.KH-1-s.PT, s.KW-1-s.PL, s.KH-1-s.PB, s.KW-1-s.PR
	ref.Winograd(dx, dy, turned, nil, nil, &back, tile, kernels.Act{})
}

// repackCase packs other weights than there were before and convolves with them; forward and back, by Winograd's algorithm too where it can.
func repackCase(m *Mem, s kernels.Conv2D, g *kernels.ConvGrad, dy []float32, weights int, order kernels.Order) Case {
	taps, cg := s.KH*s.KW, s.C/s.Groups
	x, w, bias := m.F32(s.N*s.H*s.W*s.C), m.F32(weights), m.F32(s.O)
	given := m.F32(weights)
	copy(given, inOrder(w, order, s.O, taps, cg))
	old, oldBias := make([]float32, weights), make([]float32, s.O)
	c := kernels.NewConv(s)
	p, back := c.Pack(old, oldBias), g.Pack(old, order)
	dst, wantDst := m.Out("dst", len(dy))
	dx, wantDX := m.Out("dx", len(x))
	scratch := scratchFor(m, g.ScratchLen)
	var wino *kernels.Winograd
	var wp *kernels.WinogradWeights
	var wdst, wantW []float32
	var wscratch map[int][]float32
	if kernels.WinogradSuits(s) {
		wino = kernels.NewWinograd(s)
		wp = wino.Pack(old, nil)
		wdst, wantW = m.Out("winograd", len(dy))
		wscratch = scratchFor(m, wino.ScratchLen)
	}
	return Case{
		Fast: func(t *kernels.Team) {
			c.Repack(t, p, given, bias, order)
			g.Repack(t, back, given, order)
			if wino != nil {
				wino.Repack(t, wp, given, bias, order)
			}
			if m.relaxed {
				return // a benchmark times the packing alone
			}
			c.Run(t, dst, x, p, nil, kernels.Act{})
			g.Input(t, dx, dy, back, scratch[t.Threads()])
			if wino != nil {
				wino.Run(t, wdst, x, wp, nil, kernels.Act{}, wscratch[t.Threads()])
			}
		},
		Ref: func() {
			ref.Convolve(wantDst, x, w, bias, nil, &s, kernels.Act{})
			convGradInput(wantDX, dy, w, s, g.InputTile())
			if wino != nil {
				ref.Winograd(wantW, x, w, bias, nil, &s, wino.TileSize(), kernels.Act{})
			}
		},
	}
}

func convGradFamily() Family {
	return Family{
		Name: "convgrad", Op: kernels.OpGemm,
		List: func() []Problem {
			var l []Problem
			put := func(s kernels.Conv2D) {
				for _, k := range []gradKind{gradInput, gradWeight, gradRepack} {
					l = append(l, convGrad{s, k, kernels.Order(len(l) % 2)}.problem())
				}
			}
			i := 0
			for _, c := range []int{1, 3, 8, 15, 17, 33} {
				for _, k := range []int{1, 2, 3, 5} {
					for _, stride := range []int{1, 2, 3} {
						s := square(5+i%6, c, 1+7*i%37, k, stride)
						s.N, s.W = 1+i%2, 5+i%11
						switch i % 6 {
						case 1:
							s.PL, s.PB = 0, s.PB+1
						case 2:
							s.DH, s.DW = 2, 1
							s.PT++
						case 3:
							s.DW, s.PR, s.PL = 2, s.PR+2, s.PL+1
						case 4:
							s.PT, s.PL, s.PB, s.PR = 0, 0, 0, 0
						case 5:
							s.DH, s.DW = 3, 2
							s.PT, s.PB, s.PL, s.PR = 3, 4, 2, 3
						}
						put(s)
						i++
					}
				}
			}
			for _, g := range []int{2, 3} {
				for stride := 1; stride <= 2; stride++ {
					s := square(7, 6*g, 5*g, 3, stride)
					s.Groups = g
					put(s)
				}
			}
			for i, o := range []int{8, 5, 16} { // few inputs, rows of whole vectors
				s := square(9, 4, o, 3, 2)
				s.W, s.DH = 50, 1+i
				put(s)
				s.C, s.O, s.Groups = 16, 16, 16
				put(s)
			}
			beyond := square(4, 5, 18, 3, 1) // padding beyond the window
			beyond.PT, beyond.PR = 4, 5
			put(beyond)
			many := square(40, 3, 5, 3, 1) // positions of many blocks, few weights
			many.N = 16
			put(many)
			narrow := square(45, 5, 18, 1, 1)
			narrow.N = 9
			put(narrow)
			put(square(12, 70, 60, 3, 1))
			put(square(2, 200, 180, 3, 1))
			none := square(4, 3, 3, 3, 1)
			none.N = 0
			put(none)
			for _, s := range []kernels.Conv2D{square(5, 3, 40, 3, 2), many, narrow} {
				l = append(l, convGrad{s, gradBias, kernels.OrderNHWC}.problem())
			}
			// ResNet-18, MobileNetV2 and the first layers of both at 224x224.
			for _, s := range []kernels.Conv2D{
				batch(224, 3, 64, 7, 2), batch(56, 64, 64, 3, 1), batch(56, 64, 128, 3, 2), batch(28, 128, 128, 3, 1), batch(28, 128, 256, 3, 2),
				batch(14, 256, 256, 3, 1), batch(14, 256, 512, 3, 2), batch(7, 512, 512, 3, 1), batch(56, 64, 128, 1, 2),
				batch(224, 3, 32, 3, 2), batch(112, 32, 16, 1, 1), batch(112, 16, 96, 1, 1), batch(56, 96, 24, 1, 1), batch(56, 24, 144, 1, 1),
				batch(28, 144, 32, 1, 1), batch(28, 32, 192, 1, 1), batch(14, 192, 64, 1, 1), batch(14, 96, 576, 1, 1), batch(7, 960, 160, 1, 1),
				batch(7, 320, 1280, 1, 1),
			} {
				forward := conv{s, false, false, kernels.Act{}}.problem()
				forward.Name = "convgrad/y " + ShapeName(s)
				for _, p := range []Problem{
					forward, convGrad{s, gradInput, kernels.OrderNHWC}.problem(), convGrad{s, gradWeight, kernels.OrderNHWC}.problem(),
				} {
					p.Bench = true
					l = append(l, p)
				}
			}
			for _, p := range []Problem{
				convGrad{batch(56, 64, 64, 3, 1), gradBias, kernels.OrderNHWC}.problem(),
				convGrad{batch(7, 512, 512, 3, 1), gradRepack, kernels.OrderNHWC}.problem(),
				convGrad{batch(14, 256, 256, 3, 1), gradRepack, kernels.OrderNHWC}.problem(),
				convGrad{batch(7, 512, 512, 3, 1), gradRepack, kernels.OrderONNX}.problem(),
				convGrad{batch(7, 512, 512, 3, 1), gradWeight, kernels.OrderONNX}.problem(),
				convGrad{batch(7, 320, 1280, 1, 1), gradRepack, kernels.OrderNHWC}.problem(),
			} {
				p.Bench = true
				l = append(l, p)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			s := randomShape(r)
			if r.IntN(4) == 0 {
				s.Groups = 2
				s.C, s.O = s.C+s.C%2, s.O+s.O%2
			}
			return convGrad{s, gradKind(r.IntN(4)), kernels.Order(r.IntN(2))}.problem()
		},
	}
}

// transposedRepack is weights of a transposed convolution in an order, packed where others were.
type transposedRepack struct {
	s     kernels.Transposed2D
	order kernels.Order
}

// transposedOrder returns w, [O,T,C/Groups], in an order of a transposed convolution's weights.
func transposedOrder(w []float32, order kernels.Order, s *kernels.Transposed2D) []float32 {
	if order == kernels.OrderNHWC {
		return w
	}
	taps, cg, og := s.KH*s.KW, s.C/s.Groups, s.O/s.Groups
	x := make([]float32, len(w))
	for o := range s.O {
		for t := range taps {
			for c := range cg {
				x[((o/og*cg+c)*og+o%og)*taps+t] = w[(o*taps+t)*cg+c]
			}
		}
	}
	return x
}

func (c transposedRepack) problem() Problem {
	s := c.s
	in, out, weights := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.O, s.O*s.KH*s.KW*s.C/s.Groups
	p := transposed{s: s}.problem()
	p.Name = fmt.Sprintf("transposedrepack/%s%s dilated %dx%d", p.Name[len("transposed/"):], orderName(c.order), s.DH, s.DW)
	p.Build = func(m *Mem) Case {
		w, bias, x := m.F32(weights), m.F32(s.O), m.F32(in)
		given := transposedOrder(w, c.order, &s)
		f := kernels.NewConvTranspose(s)
		packed := f.Pack(make([]float32, weights), make([]float32, s.O))
		got, want := m.Out("dst", out)
		return Case{
			Fast: func(t *kernels.Team) {
				f.Repack(t, packed, given, bias, c.order)
				f.Run(t, got, x, packed, kernels.Act{})
			},
			Ref: func() { ref.ConvTranspose(want, x, w, bias, &s, kernels.Act{}) },
		}
	}
	return p
}

func transposedRepackFamily() Family {
	return Family{
		Name: "transposedrepack", Op: kernels.OpGemm,
		List: func() []Problem {
			var l []Problem
			put := func(s kernels.Transposed2D) {
				l = append(l, transposedRepack{s, kernels.Order(len(l) % 2)}.problem())
			}
			for i, k := range [][4]int{{2, 2, 0, 0}, {3, 2, 1, 1}, {4, 2, 1, 0}, {3, 1, 1, 0}, {1, 1, 0, 0}, {1, 2, 0, 1}, {2, 3, 0, 0}, {5, 3, 2, 2}, {3, 2, 3, 5}} {
				for j, c := range []int{1, 3, 16, 17} {
					s := upsampling(3+(i+j)%4, c, 1+(7*i+11*j)%37, k[0], k[1], k[2], k[3])
					s.N, s.W = 1+(i+j)%2, 4+(5*i+3*j)%17
					s.DH, s.DW = 1+i%3, 1+j%2
					put(s)
				}
			}
			for _, g := range []int{2, 3, 6} {
				s := upsampling(5, 6, 12, 3, 2, 1, 1)
				s.Groups = g
				put(s)
			}
			for i, d := range [][5]int{{2, 3, 2, 1, 2}, {3, 2, 3, 1, 0}, {3, 3, 2, 2, 1}, {2, 1, 3, 3, 0}, {4, 3, 4, 2, 3}} { // dilated, in rows of whole vectors
				s := upsampling(11, 5, 1+i, d[0], d[2], d[4], 0)
				s.W, s.DH, s.DW, s.SW = 40, d[1], 1+i%2, d[3]
				put(s)
			}
			return l
		},
		Random: func(r *rand.Rand) Problem {
			for {
				s := kernels.Transposed2D{
					N: 1 + r.IntN(2), H: 1 + r.IntN(12), W: 1 + r.IntN(50), C: 1 + r.IntN(20), O: 1 + r.IntN(1<<(1+r.IntN(6))), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5),
					SH: 1 + r.IntN(4), SW: 1 + r.IntN(4), DH: r.IntN(4), DW: r.IntN(3),
					PT: r.IntN(4), PL: r.IntN(4), PB: r.IntN(4), PR: r.IntN(4), AH: r.IntN(3), AW: r.IntN(3), Groups: 1,
				}
				if r.IntN(4) == 0 {
					s.Groups = 2
					s.C, s.O = s.C+s.C%2, s.O+s.O%2
				}
				if s.OH() > 0 && s.OW() > 0 {
					return transposedRepack{s, kernels.Order(r.IntN(2))}.problem()
				}
			}
		},
	}
}
