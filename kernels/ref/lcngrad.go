package ref

// LCNGrad computes the gradient dx of LCN at src from dy, the gradient of its result.
//
// With v and σ as in LCN, d = Max(Floor, Max(mean, σ)) and the transposed window wᵀ
//
//	e[y,x] = -Σ_c dy·v/d²               the gradient of d, which is that of σ, of mean or of Floor
//	s      = e where d is σ, else 0, plus Σ e where d is mean, over H·W
//	h      = dy/d + v·Σ_{p,q} wᵀ_pq·t[y+p,x+q]   t = σ > 0 ? s/σ : 0
//	dx     = h - Σ_{p,q,k} wᵀ_pq·h[y+p,x+q,k]
//
// The order of operations: sums over channels by Dot8 and Sum8, over the picture as LCN's mean; wᵀ is a multiplication with GaussianScale(H, g, 1),
// then Σ_p FMA32 from +0 along y, times GaussianScale(W, g, C), then the same sum along x.
//
// src, dy and dx are [N,H,W,C].
func LCNGrad(dx, dy, src []float32, s *LCN2D) {
	g := Gaussian(s.Size, s.Sigma)
	across, down := GaussianScale(s.W, g, s.C), GaussianScale(s.H, g, 1)
	size, area := s.H*s.W*s.C, s.H*s.W
	sums, e, dev := make([]float32, area), make([]float32, area), make([]float32, area)
	v := make([]float32, size)
	for n := 0; n < s.N; n++ {
		x, dy, h := src[n*size:(n+1)*size], dy[n*size:(n+1)*size], dx[n*size:(n+1)*size]
		copy(v, x)
		if s.Mode != LCNDivide {
			one := *s
			one.N, one.Mode = 1, LCNSubtract
			LCN(v, x, &one)
		}
		copy(h, dy)
		if s.Mode != LCNSubtract {
			mean := lcnDeviations(dev, v, s)
			var toMean []float32
			for p := range e {
				d := Max(s.Floor, Max(mean, dev[p]))
				e[p] = Neg(Dot8(dy[p*s.C:(p+1)*s.C], v[p*s.C:(p+1)*s.C]) / float32(d*d))
				m := float32(0)
				switch {
				case s.Floor > Max(mean, dev[p]):
					e[p] = 0
				case mean > dev[p]:
					m, e[p] = e[p], 0
				}
				toMean = append(toMean, m)
			}
			share := pictureSum(toMean, s) / float32(area)
			for p := range e {
				t := float32(0)
				if dev[p] > 0 {
					t = float32(e[p]+share) / dev[p]
				}
				e[p] = t
			}
			t := transposedBlur(e, g, across, down)
			for i := range h {
				p := i / s.C
				h[i] = FMA32(v[i], t[p], dy[i]/Max(s.Floor, Max(mean, dev[p])))
			}
		}
		if s.Mode != LCNDivide {
			for p := range sums {
				sums[p] = Sum8(h[p*s.C : (p+1)*s.C])
			}
			mean := transposedBlur(sums, g, across, down)
			for i := range h {
				h[i] -= mean[i/s.C]
			}
		}
	}
}

// pictureSum returns Sum8 over rows of Sum8 over columns.
func pictureSum(m []float32, s *LCN2D) float32 {
	rows := make([]float32, s.H)
	for y := range rows {
		rows[y] = Sum8(m[y*s.W : (y+1)*s.W])
	}
	return Sum8(rows)
}

func transposedBlur(m, g, across, down []float32) []float32 {
	w, h := len(across), len(down)
	rows, out := make([]float32, len(m)), make([]float32, len(m))
	for y := range h {
		for x := range w {
			var acc float32
			for q, weight := range g {
				if p := y + q - len(g)/2; p >= 0 && p < h {
					acc = FMA32(float32(m[p*w+x]*down[p]), weight, acc)
				}
			}
			rows[y*w+x] = acc * across[x]
		}
	}
	for y := range h {
		for x := range w {
			var acc float32
			for q, weight := range g {
				if p := x + q - len(g)/2; p >= 0 && p < w {
					acc = FMA32(rows[y*w+p], weight, acc)
				}
			}
			out[y*w+x] = acc
		}
	}
	return out
}
