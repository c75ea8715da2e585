package kernels_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ktest"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// winogradMatrices returns A, B and G of F(m x m, size x size) from its finite points (Lavin, Gray 2016, §4; Blahut: Fast algorithms for signal
// processing, 2010): column k of A holds the powers of point k, row k of G those over the product of its distances from the other points, and
// column k of B the polynomial with the other points as roots. The last point is infinity.
func winogradMatrices(m, size int, points []float64) (a, b, g [][]float64) {
	n := m + size - 1
	matrix := func(rows, cols int) [][]float64 {
		x := make([][]float64, rows)
		for i := range x {
			x[i] = make([]float64, cols)
		}
		return x
	}
	a, b, g = matrix(n, m), matrix(n, n), matrix(n, size)
	for k := range n {
		poly := []float64{1}
		distance := 1.
		for j, p := range points {
			if j == k {
				continue
			}
			next := make([]float64, len(poly)+1)
			for i, c := range poly {
				next[i] -= p * c
				next[i+1] += c
			}
			poly = next
			if k < len(points) {
				distance *= points[k] - p
			}
		}
		for i, c := range poly {
			b[i][k] = c
		}
		if k == n-1 {
			a[k][m-1], g[k][size-1] = 1, 1
			continue
		}
		for i := range m {
			a[k][i] = math.Pow(points[k], float64(i))
		}
		for i := range size {
			g[k][i] = math.Pow(points[k], float64(i)) / distance
		}
	}
	return a, b, g
}

// TestWinogradError compares with the direct convolution in float64: every output within the bound that the roundings allow, and the largest
// error under 1e-4 of the largest output.
//
// With u = 2⁻²⁴, an output is off by at most ((1+u)^k - 1)·|Aᵀ|·(Σ_c |G||g||Gᵀ| ⊙ |Bᵀ||d||B|)·|A|, k the roundings that a term passes: one of the weight,
// C of the sum, at most three of each pass of the input transform and four of each of the output transform (Higham: Accuracy and stability of
// numerical algorithms, 2002, §3.1).
func TestWinogradError(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := []struct {
		name string
		draw func() float32
	}{
		{"uniform", func() float32 { return r.Float32()*2 - 1 }},
		{"relu", func() float32 { return max(0, float32(r.NormFloat64())) }},
	}
	for _, f := range [][2]int{{4, 3}, {2, 3}, {2, 5}} {
		m, size := f[0], f[1]
		n, taps, pad := m+size-1, size*size, size/2
		points := []float64{0, 5. / 8, -5. / 8, 3. / 2, -3. / 2}
		if n == 4 {
			points = []float64{0, 1, -1}
		}
		a, b, g := winogradMatrices(m, size, points)
		for _, c := range []int{3, 64, 512} {
			if c > 64 && testing.Short() {
				continue
			}
			for _, kind := range kinds {
				s := kernels.Conv2D{N: 1, H: 12, W: 12, C: c, O: 16, KH: size, KW: size, SH: 1, SW: 1, DH: 1, DW: 1, PT: pad, PL: pad, PB: pad, PR: pad, Groups: 1}
				src, w := make([]float32, 12*12*c), make([]float32, 16*taps*c)
				for i := range src {
					src[i] = kind.draw()
				}
				for i := range w {
					w[i] = r.Float32()*2 - 1
				}
				dst := make([]float32, 12*12*16)
				p := kernels.NewWinogradTile(s, m)
				p.Run(nil, dst, src, p.Pack(w, nil), nil, kernels.Act{}, make([]float32, p.ScratchLen(1)))

				at := func(y, x, k int) float64 {
					if y < 0 || y >= 12 || x < 0 || x >= 12 {
						return 0
					}
					return float64(src[(y*12+x)*c+k])
				}
				// Sums of magnitudes of the weights' and inputs' transforms.
				product := func(l [][]float64, x func(i, j int) float64, size int, i, j int) float64 {
					var sum float64
					for p := range size {
						for q := range size {
							sum += math.Abs(l[i][p] * x(p, q) * l[j][q])
						}
					}
					return sum
				}
				bt := make([][]float64, n)
				for i := range bt {
					for j := range n {
						bt[i] = append(bt[i], b[j][i])
					}
				}
				roundings := float64(1 + c + 2*3 + 2*4)
				gamma := math.Expm1(roundings * math.Log1p(0x1p-24))
				var worst, largest, used float64
				for o := range 16 {
					if o%4 > 0 && c > 64 {
						continue // a sample of the channels suffices
					}
					u := make([]float64, c*n*n)
					for k := range c {
						for i := range n * n {
							u[k*n*n+i] = product(g, func(p, q int) float64 { return float64(w[(o*taps+p*size+q)*c+k]) }, size, i/n, i%n)
						}
					}
					for ty := 0; ty < 12; ty += m {
						for tx := 0; tx < 12; tx += m {
							magnitudes := make([]float64, n*n)
							for k := range c {
								for i := range n * n {
									magnitudes[i] += u[k*n*n+i] * product(bt, func(p, q int) float64 { return at(ty+p-pad, tx+q-pad, k) }, n, i/n, i%n)
								}
							}
							for y := range m {
								for x := range m {
									var bound, want float64
									for i, v := range magnitudes {
										bound += math.Abs(a[i/n][y]*a[i%n][x]) * v
									}
									for k := range c {
										for i := range taps {
											want += at(ty+y+i/size-pad, tx+x+i%size-pad, k) * float64(w[(o*taps+i)*c+k])
										}
									}
									e := math.Abs(float64(dst[((ty+y)*12+tx+x)*16+o]) - want)
									if bound *= gamma; e > bound {
										t.Fatalf("F(%d,%d), C %d, %s: output %d,%d,%d is off by %g, more than %g", m, size, c, kind.name, ty+y, tx+x, o, e, bound)
									}
									worst, largest, used = max(worst, e), max(largest, math.Abs(want)), max(used, e/bound)
								}
							}
						}
					}
				}
				t.Logf("F(%d,%d), C %3d, %-7s: largest error %.1e of the largest output, %.1e of its bound", m, size, c, kind.name, worst/largest, used)
				if worst > 1e-4*largest {
					t.Errorf("F(%d,%d), C %d, %s: error %g of the largest output", m, size, c, kind.name, worst/largest)
				}
			}
		}
	}
}

// TestWinogradBlocks runs shapes whose tiles make several blocks, of a worker's own or shared, with several numbers of threads.
func TestWinogradBlocks(t *testing.T) {
	for _, s := range []kernels.Conv2D{
		{N: 2, H: 30, W: 26, C: 40, O: 56},
		{N: 2, H: 17, W: 21, C: 8, O: 3650},
	} {
		if s.O > 1000 && testing.Short() {
			continue
		}
		s.KH, s.KW, s.SH, s.SW, s.DH, s.DW, s.Groups = 3, 3, 1, 1, 1, 1, 1
		s.PT, s.PL, s.PB, s.PR = 1, 1, 1, 1
		m := ktest.NewMem(1, ktest.Plain)
		src, w, bias := m.F32(s.N*s.H*s.W*s.C), m.F32(s.O*9*s.C), m.F32(s.O)
		got, want := m.Out("dst", s.N*s.H*s.W*s.O)
		act := kernels.Act{Kind: kernels.ActLeaky, Alpha: 0.1}
		ref.Winograd(want, src, w, bias, nil, &s, 4, act)
		p := kernels.NewWinogradTile(s, 4)
		packed := p.Pack(w, bias)
		for _, threads := range []int{1, 2, 3, 7} {
			clear(got)
			p.Run(kernels.NewTeam(threads), got, src, packed, nil, act, m.F32(p.ScratchLen(threads)))
			if d := m.Diff(); d != "" {
				t.Errorf("%s, %d threads: %s", ktest.ShapeName(s), threads, d)
			}
		}
		m.Release()
	}
}

// TestWinogradTile asks for the choice at the layers of well-known networks, whatever the batch.
func TestWinogradTile(t *testing.T) {
	for _, c := range []struct{ side, in, out, want int }{
		{224, 3, 64, 0}, {224, 64, 64, 4}, {112, 128, 128, 4}, {56, 64, 64, 4}, {56, 256, 256, 4}, {28, 128, 128, 4}, {28, 512, 512, 4},
		{14, 256, 256, 2}, {14, 512, 512, 2}, {7, 512, 512, 0}, {1, 512, 512, 0}, {56, 1, 64, 0}, {56, 64, 1, 0},
	} {
		s := kernels.Conv2D{H: c.side, W: c.side, C: c.in, O: c.out, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
		for s.N = range 9 {
			if got := kernels.WinogradTile(s); got != c.want {
				t.Errorf("%s: tiles of %d, want %d", ktest.ShapeName(s), got, c.want)
			}
		}
		for name, change := range map[string]func(*kernels.Conv2D){
			"stride": func(s *kernels.Conv2D) { s.SW = 2 },
			"groups": func(s *kernels.Conv2D) { s.Groups = 2 }, "window": func(s *kernels.Conv2D) { s.KH = 5 },
		} {
			other := s
			change(&other)
			if kernels.WinogradSuits(other) {
				t.Errorf("%s: suits with another %s", ktest.ShapeName(other), name)
			}
		}
	}
}

// TestDilatedWinogradTile asks for the choice with dilations: each phase has its own tiles.
func TestDilatedWinogradTile(t *testing.T) {
	for _, c := range []struct{ h, w, dilation, want int }{{30, 40, 1, 4}, {30, 40, 2, 4}, {30, 40, 4, 4}, {12, 12, 6, 2}, {9, 9, 9, 0}} {
		s := kernels.Conv2D{N: 1, H: c.h, W: c.w, C: 128, O: 128, KH: 3, KW: 3, SH: 1, SW: 1, DH: c.dilation, DW: c.dilation,
			PT: c.dilation, PL: c.dilation, PB: c.dilation, PR: c.dilation, Groups: 1}
		if got := kernels.WinogradTile(s); got != c.want {
			t.Errorf("%s: tiles of %d, want %d", ktest.ShapeName(s), got, c.want)
		}
	}
}

// TestDilatedWinograd convolves small whole numbers by the definition of Winograd's algorithm and by sums. With tiles of 2 and windows of 3 both are exact; elsewhere they
// differ by roundings of sums of less than 4000.
func TestDilatedWinograd(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 6))
	for i := range 200 {
		s := kernels.Conv2D{N: 1 + i%2, H: 1 + r.IntN(17), W: 1 + r.IntN(17), C: 1 + r.IntN(3), O: 1 + r.IntN(3), KH: 3, KW: 3, SH: 1, SW: 1, DH: 1 + r.IntN(5), DW: 1 + r.IntN(5),
			PT: r.IntN(4), PL: r.IntN(4), Groups: 1}
		m, bound := 2+i%3/2*2, 0.0
		if i%3 == 1 {
			s.KH, s.KW = 5, 5
		}
		if i%3 > 0 {
			bound = 4000 * 20 * 0x1p-24
		}
		s.PB, s.PR = r.IntN(4)+max(0, s.DH*(s.KH-1)+1-s.H-s.PT), r.IntN(4)+max(0, s.DW*(s.KW-1)+1-s.W-s.PL)
		whole := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(r.IntN(13) - 6)
			}
			return x
		}
		src, w, bias := whole(s.N*s.H*s.W*s.C), whole(s.O*s.KH*s.KW*s.C), whole(s.O)
		got, want := make([]float32, s.N*s.OH()*s.OW()*s.O), make([]float32, s.N*s.OH()*s.OW()*s.O)
		ref.Winograd(got, src, w, bias, nil, &s, m, kernels.Act{})
		ref.Convolve(want, src, w, bias, nil, &s, kernels.Act{})
		for j, v := range want {
			if d := math.Abs(float64(got[j] - v)); !(d <= bound) {
				t.Fatalf("%+v, tiles of %d: dst[%d] = %g, want %g", s, m, j, got[j], v)
			}
		}
	}
}

// TestWinogradPanics gives wrong arguments.
func TestWinogradPanics(t *testing.T) {
	s := kernels.Conv2D{N: 1, H: 4, W: 4, C: 8, O: 8, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	p := kernels.NewWinogradTile(s, 4)
	x, w, scratch := make([]float32, 128), make([]float32, 8*9*8), make([]float32, p.ScratchLen(1))
	packed, big := p.Pack(w, nil), make([]float32, 200)
	strided := s
	strided.SW = 2
	for _, c := range []struct {
		want string
		call func()
	}{
		{"kernels: Winograd: window must be 3x3 or 5x5, stride and groups 1", func() { kernels.NewWinograd(strided) }},
		{"kernels: Winograd: tile must be 2, or 4 for 3x3 windows", func() { kernels.NewWinogradTile(s, 3) }},
		{"kernels: Winograd.Pack: w too short", func() { p.Pack(w[1:], nil) }},
		{"kernels: Winograd.Pack: bias too short", func() { p.Pack(w, x[:7]) }},
		{"kernels: Winograd.Run: src too short", func() { p.Run(nil, x, x[1:], packed, nil, kernels.Act{}, scratch) }},
		{"kernels: Winograd.Run: dst too short", func() { p.Run(nil, x[1:], x, packed, nil, kernels.Act{}, scratch) }},
		{"kernels: Winograd.Run: res too short", func() { p.Run(nil, x, x, packed, x[1:], kernels.Act{}, scratch) }},
		{"kernels: Winograd.Run: scratch too short", func() { p.Run(nil, x, x, packed, nil, kernels.Act{}, scratch[1:]) }},
		{"kernels: Winograd.Run: dst overlaps src", func() { p.Run(nil, x, x, packed, nil, kernels.Act{}, scratch) }},
		{"kernels: Winograd.Run: dst overlaps res", func() { p.Run(nil, big, x, packed, big[1:], kernels.Act{}, scratch) }},
		{"kernels: Winograd.Run: weights packed for another shape", func() {
			p.Run(nil, x, x, kernels.NewWinogradTile(s, 2).Pack(w, nil), nil, kernels.Act{}, scratch)
		}},
		{"kernels: Winograd.Run: scratch overlaps dst, src or res", func() { p.Run(nil, scratch, x, packed, nil, kernels.Act{}, scratch) }},
		{"kernels: Winograd.Run: scratch overlaps dst, src or res", func() { p.Run(nil, x, scratch, packed, nil, kernels.Act{}, scratch) }},
		{"kernels: Winograd.Run: scratch overlaps dst, src or res", func() { p.Run(nil, x, big, packed, scratch[len(scratch)-128:], kernels.Act{}, scratch) }},
	} {
		refuses(t, c.want, c.call)
	}
}
