package ref

// Points of F(4x4,3x3) and F(2x2,5x5): 0, ±a, ±b and infinity. All powers and products below are exact in float32.
const (
	wa, wb   = 5. / 8, 3. / 2
	wa2, wb2 = wa * wa, wb * wb
	wa3, wb3 = wa2 * wa, wb2 * wb
	wab      = wa2 * wb2
	wsum     = wa2 + wb2
)

// Winograd computes the convolution of Convolve for windows of r x r without stride and groups, by Winograd's minimal filtering
// F(m x m, r x r) (Lavin, Gray: Fast algorithms for convolutional neural networks, CVPR 2016): r 3 and m 2 or 4, or r 5 and m 2. It rounds
// differently from Convolve.
//
// The output is cut into tiles of m x m from its first row and column on; each depends on n x n inputs, n = m+r-1. With a dilation d a tile has every d-th row (column), from
// each of the first d on. For every tile:
//   - v[c] = WinogradInput of the inputs of channel c. Positions outside src count as +0.
//   - p[o][i] = Σ v[c][i]·u[o,c][i] by FMA32 from +0, c ascending, for each of the n·n elements i, where u[o,c] = WinogradWeights of w[o,:,:,c]
//   - y[o] = WinogradOutput of p[o]; dst = act((y + bias[o]) + res); the bias counts as +0 where it is nil, the residual is left out where it is nil.
//
// Positions of a tile beyond the output are not stored. An Inf or NaN in src may make NaN of every output of the tiles that read it.
//
// Transforms with n = 6 take the points 0, ±5/8, ±3/2 and infinity: of the pairs of few bits they have the least error, near half of that of ±1, ±2
// (Barabasz, Anderson, Soodhalter, Gregg: Error analysis and improving the accuracy of Winograd convolution for deep neural networks,
// ACM TOMS 2020). With n = 4 they take 0, ±1 and infinity.
//
// src is [N,H,W,C], w is [O,r,r,C], bias is [O] or nil, dst and res are [N,OH,OW,O]; res may be nil.
func Winograd(dst, src, w, bias, res []float32, s *Conv2D, m int, act Act) {
	r := s.KH
	n, oh, ow := m+r-1, s.OH(), s.OW()
	u := make([]float32, s.O*s.C*n*n)
	g := make([]float32, r*r)
	for o := range s.O {
		for c := range s.C {
			for t := range g {
				g[t] = w[(o*r*r+t)*s.C+c]
			}
			WinogradWeights(u[(o*s.C+c)*n*n:], g, m, r)
		}
	}
	d, v := make([]float32, n*n), make([]float32, s.C*n*n)
	p, out := make([]float32, n*n), make([]float32, m*m)
	for b := range s.N {
		for ty := 0; ty < oh; ty = nextTile(ty, oh, m, s.DH) {
			for tx := 0; tx < ow; tx = nextTile(tx, ow, m, s.DW) {
				for c := range s.C {
					for i := range n {
						for j := range n {
							y, x := ty+i*s.DH-s.PT, tx+j*s.DW-s.PL
							d[i*n+j] = 0
							if y >= 0 && y < s.H && x >= 0 && x < s.W {
								d[i*n+j] = src[((b*s.H+y)*s.W+x)*s.C+c]
							}
						}
					}
					WinogradInput(v[c*n*n:], d, n)
				}
				for o := range s.O {
					clear(p)
					for c := range s.C {
						for i := range p {
							p[i] = FMA32(v[c*n*n+i], u[(o*s.C+c)*n*n+i], p[i])
						}
					}
					WinogradOutput(out, p, m, n)
					var add float32
					if bias != nil {
						add = bias[o]
					}
					for i := range m {
						for j := range m {
							oy, ox := ty+i*s.DH, tx+j*s.DW
							if oy >= oh || ox >= ow {
								continue
							}
							at := ((b*oh+oy)*ow+ox)*s.O + o
							y := out[i*m+j] + add
							if res != nil {
								y += res[at]
							}
							dst[at] = act.Apply(y)
						}
					}
				}
			}
		}
	}
}

// nextTile returns the first row of the tile after the one from at on: of the same rows modulo the dilation, or the first of the next. Behind the last it is n or more.
func nextTile(at, n, m, dilation int) int {
	if next := at + m*dilation; next < n {
		return next
	}
	if first := at%dilation + 1; first < dilation {
		return first
	}
	return n
}

// WinogradInput computes v = Bᵀ·d·B, both [n][n]: each column of d is transformed, then each row of the result, one step
// after the other in the order written in winogradInput6 and winogradInput4.
func WinogradInput(v, d []float32, n int) {
	var x [6]float32
	for j := range n {
		for i := range n {
			x[i] = d[i*n+j]
		}
		winogradInput(&x, n)
		for i := range n {
			v[i*n+j] = x[i]
		}
	}
	for i := range n {
		copy(x[:], v[i*n:][:n])
		winogradInput(&x, n)
		copy(v[i*n:][:n], x[:])
	}
}

func winogradInput(d *[6]float32, n int) {
	if n == 4 {
		winogradInput4(d)
	} else {
		winogradInput6(d)
	}
}

// winogradInput4 has the rows (1 0 -1 0), (0 1 1 0), (0 -1 1 0), (0 1 0 -1).
func winogradInput4(d *[6]float32) {
	*d = [6]float32{d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]}
}

// winogradInput6 has the rows (a²b² 0 -a²-b² 0 1 0), (0 -ab² -b² a 1 0), (0 ab² -b² -a 1 0), (0 -a²b -a² b 1 0), (0 a²b -a² -b 1 0),
// (0 a²b² 0 -a²-b² 0 1).
func winogradInput6(d *[6]float32) {
	even, odd := FMA32(-wb2, d[2], d[4]), FMA32(-wb2, d[1], d[3])
	even2, odd2 := FMA32(-wa2, d[2], d[4]), FMA32(-wa2, d[1], d[3])
	*d = [6]float32{
		FMA32(wab, d[0], FMA32(-wsum, d[2], d[4])),
		FMA32(wa, odd, even),
		FMA32(-wa, odd, even),
		FMA32(wb, odd2, even2),
		FMA32(-wb, odd2, even2),
		FMA32(wab, d[1], FMA32(-wsum, d[3], d[5])),
	}
}

// WinogradOutput computes y = Aᵀ·p·A, p [n][n] and y [m][m]: each column of p is transformed, then each row of the result.
func WinogradOutput(y, p []float32, m, n int) {
	var t [4][6]float32
	var x [6]float32
	for j := range n {
		for i := range n {
			x[i] = p[i*n+j]
		}
		winogradOutput(&x, m, n)
		for i := range m {
			t[i][j] = x[i]
		}
	}
	for i := range m {
		winogradOutput(&t[i], m, n)
		copy(y[i*m:][:m], t[i][:])
	}
}

func winogradOutput(p *[6]float32, m, n int) {
	switch {
	case n == 4:
		winogradOutput2(p)
	case m == 2:
		winogradOutput2of6(p)
	default:
		winogradOutput4(p)
	}
}

// winogradOutput2 has the rows (1 1 1 0), (0 1 -1 -1).
func winogradOutput2(p *[6]float32) {
	sum, diff := p[1]+p[2], p[1]-p[2]
	p[0], p[1] = p[0]+sum, diff-p[3]
}

// winogradOutput2of6 has the rows (1 1 1 1 1 0), (0 a -a b -b 1).
func winogradOutput2of6(p *[6]float32) {
	sum, diff := p[1]+p[2], p[1]-p[2]
	sum2, diff2 := p[3]+p[4], p[3]-p[4]
	all := sum + sum2
	p[0], p[1] = p[0]+all, FMA32(wb, diff2, FMA32(wa, diff, p[5]))
}

// winogradOutput4 has the rows (1 1 1 1 1 0), (0 a -a b -b 0), (0 a² a² b² b² 0), (0 a³ -a³ b³ -b³ 1).
func winogradOutput4(p *[6]float32) {
	sum, diff := p[1]+p[2], p[1]-p[2]
	sum2, diff2 := p[3]+p[4], p[3]-p[4]
	all := sum + sum2
	p[0], p[1], p[2], p[3] = p[0]+all,
		FMA32(wb, diff2, float32(wa*diff)),
		FMA32(wb2, sum2, float32(wa2*sum)),
		FMA32(wb3, diff2, FMA32(wa3, diff, p[5]))
}

// WinogradWeights computes u = G·g·Gᵀ, g [r][r] and u [n][n], n = m+r-1, in float64, and rounds each element of u once. The columns of g
// come first.
func WinogradWeights(u, g []float32, m, r int) {
	n := m + r - 1
	var t [6][5]float64
	for j := range r {
		var c [5]float64
		for i := range r {
			c[i] = float64(g[i*r+j])
		}
		x := winogradWeights(&c, n, r)
		for i := range n {
			t[i][j] = x[i]
		}
	}
	for i := range n {
		x := winogradWeights(&t[i], n, r)
		for j := range n {
			u[i*n+j] = float32(x[j])
		}
	}
}

// winogradWeights has, for each finite point x, the row (1 x x² ...)/Π(x-x') with the product over the other finite points, and
// (0 ... 0 1). Unused elements of g are 0.
func winogradWeights(g *[5]float64, n, r int) [6]float64 {
	if n == 4 {
		even, odd := float64(0.5*(g[0]+g[2])), float64(0.5*g[1])
		return [6]float64{g[0], even + odd, even - odd, g[2]}
	}
	const na, nb = 1 / (2 * wa2 * (wa2 - wb2)), 1 / (2 * wb2 * (wb2 - wa2))
	even, odd := g[0]+float64(wa2*g[2]), float64(wa*g[1])
	even2, odd2 := g[0]+float64(wb2*g[2]), float64(wb*g[1])
	if r == 5 {
		even, odd = even+float64(wa2*wa2*g[4]), odd+float64(wa3*g[3])
		even2, odd2 = even2+float64(wb2*wb2*g[4]), odd2+float64(wb3*g[3])
	}
	return [6]float64{
		float64(g[0] * (1 / wab)),
		float64((even + odd) * na), float64((even - odd) * na),
		float64((even2 + odd2) * nb), float64((even2 - odd2) * nb),
		g[r-1],
	}
}
