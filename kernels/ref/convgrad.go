package ref

// GradBlock is how many positions a sum over positions and batch takes in one go: sums of products over positions p start from +0 every GradBlock
// positions, and the sums of these blocks are added in order, the first one to nothing.
const GradBlock = 1024

// blockedSum is a sum over positions in blocks.
type blockedSum struct {
	total, acc float32
	blocks     int
}

// close adds the sum of a block.
func (b *blockedSum) close() {
	if b.blocks == 0 {
		b.total = b.acc
	} else {
		b.total += b.acc
	}
	b.acc = 0
	b.blocks++
}

// gradSum returns the sum of n terms, each of which step adds to what it is given.
func gradSum(n int, step func(p int, acc float32) float32) float32 {
	var s blockedSum
	for p := range n {
		s.acc = step(p, s.acc)
		if (p+1)%GradBlock == 0 || p == n-1 {
			s.close()
		}
	}
	return s.total
}

// GemmTN computes dst[i,j] = Σ_k a[k,i]·b[k,j], k ascending in blocks of GradBlock.
//
// a is [k,m] with row stride lda, b is [k,n] with row stride ldb, dst is [m,n] with row stride ldd.
func GemmTN(dst []float32, ldd int, a []float32, lda int, b []float32, ldb int, m, n, k int) {
	for i := range m {
		for j := range n {
			dst[i*ldd+j] = gradSum(k, func(p int, acc float32) float32 { return FMA32(a[p*lda+i], b[p*ldb+j], acc) })
		}
	}
}

// ConvGradMerges says whether ConvGradWeight counts columns outside src as +0. Elsewhere it leaves them out, as it does all rows outside.
func ConvGradMerges(s *Conv2D) bool {
	return s.Groups == 1 && s.KW > 1 && s.DW == 1 && s.C <= 16
}

// ConvGradWeight computes the gradient of a convolution's weights: dw[o,i,j,c] = Σ_{n,y,x} dy[n,y,x,o]·src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, g·C/G+c],
// g = o / (O/G); n, y, x ascending in blocks of GradBlock positions. Positions outside src are left out of the sum; but see ConvGradMerges.
//
// dy is [N,OH,OW,O], src is [N,H,W,C], dw is [O,KH,KW,C/Groups].
func ConvGradWeight(dw, dy, src []float32, s *Conv2D) {
	oh, ow, cg, og := s.OH(), s.OW(), s.C/s.Groups, s.O/s.Groups
	merges := ConvGradMerges(s)
	for o := range s.O {
		for i := range s.KH {
			for j := range s.KW {
				for c := range cg {
					dw[((o*s.KH+i)*s.KW+j)*cg+c] = gradSum(s.N*oh*ow, func(p int, acc float32) float32 {
						n, y, x := p/(oh*ow), p/ow%oh, p%ow
						iy, ix := y*s.SH+i*s.DH-s.PT, x*s.SW+j*s.DW-s.PL
						if iy < 0 || iy >= s.H {
							return acc
						}
						var v float32
						if ix >= 0 && ix < s.W {
							v = src[((n*s.H+iy)*s.W+ix)*s.C+o/og*cg+c]
						} else if !merges {
							return acc
						}
						return FMA32(dy[p*s.O+o], v, acc)
					})
				}
			}
		}
	}
}

// ConvGradBias computes the gradient of a bias, db[o] = Σ_p dy[p,o] by float32 additions, p ascending in blocks of GradBlock. dy is [P,O].
func ConvGradBias(db, dy []float32, positions int) {
	o := len(db)
	for j := range db {
		db[j] = gradSum(positions, func(p int, acc float32) float32 { return acc + dy[p*o+j] })
	}
}

// ConvGradInput computes the gradient of a convolution's input: dx[n,h,w,c] = Σ dy[n,y,x,o]·w[o,i,j,c] over all y, x (which may lie outside) with
// y·SH + i·DH = h + PT and x·SW + j·DW = w + PL, and over the output channels o of c's group.
//
// The sum goes through i descending, then j descending, then o ascending. Positions outside dy count as +0 and take part in it. Where no tap
// fits, dx is +0.
//
// dy is [N,OH,OW,O], w is [O,KH,KW,C/Groups], dx is [N,H,W,C].
func ConvGradInput(dx, dy, w []float32, s *Conv2D) {
	oh, ow, cg, og := s.OH(), s.OW(), s.C/s.Groups, s.O/s.Groups
	for n := range s.N {
		for h := range s.H {
			for x := range s.W {
				for c := range s.C {
					g := c / cg
					var acc float32
					for i := s.KH - 1; i >= 0; i-- {
						for j := s.KW - 1; j >= 0; j-- {
							y, q := h+s.PT-i*s.DH, x+s.PL-j*s.DW
							if y%s.SH != 0 || q%s.SW != 0 {
								continue
							}
							y, q = y/s.SH, q/s.SW
							inside := y >= 0 && y < oh && q >= 0 && q < ow
							for o := g * og; o < (g+1)*og; o++ {
								var v float32
								if inside {
									v = dy[((n*oh+y)*ow+q)*s.O+o]
								}
								acc = FMA32(v, w[((o*s.KH+i)*s.KW+j)*cg+c%cg], acc)
							}
						}
					}
					dx[((n*s.H+h)*s.W+x)*s.C+c] = acc
				}
			}
		}
	}
}

// TurnWeights writes w, [O,KH,KW,C], as the weights of the convolution that computes ConvGradInput where strides and groups are 1:
// dst[c,KH-1-i,KW-1-j,o] = w[o,i,j,c].
func TurnWeights(dst, w []float32, s *Conv2D) {
	taps := s.KH * s.KW
	for o := range s.O {
		for t := range taps {
			for c := range s.C {
				dst[(c*taps+taps-1-t)*s.O+o] = w[(o*taps+t)*s.C+c]
			}
		}
	}
}

// ToONNX writes w, [O,T,C] with T = KH·KW, in ONNX's order [O,C,T].
func ToONNX(dst, w []float32, o, taps, c int) {
	for i := range o {
		for t := range taps {
			for k := range c {
				dst[(i*c+k)*taps+t] = w[(i*taps+t)*c+k]
			}
		}
	}
}

// DepthwiseGradBand is how many output rows of a picture DepthwiseGradWeight takes in one go.
func DepthwiseGradBand(s *Conv2D) int { return max(1, min(s.OH(), GradBlock/2/s.OW())) }

// DepthwiseGradWeight computes the gradient of a depthwise convolution's weights: dw[i,j,c] = Σ_{n,y,x} dy[n,y,x,c]·src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c].
// Sums start from +0 for every DepthwiseGradBand rows of each picture; these parts are added in order, the first one to nothing. Positions outside src
// count as +0 and take part.
//
// dy is [N,OH,OW,C], src is [N,H,W,C], dw is [KH,KW,C].
func DepthwiseGradWeight(dw, dy, src []float32, s *Conv2D) {
	oh, ow, band := s.OH(), s.OW(), DepthwiseGradBand(s)
	for i := range s.KH {
		for j := range s.KW {
			for c := range s.C {
				var sum blockedSum
				for n := range s.N {
					for y := range oh {
						for x := range ow {
							iy, ix := y*s.SH+i*s.DH-s.PT, x*s.SW+j*s.DW-s.PL
							var v float32
							if iy >= 0 && iy < s.H && ix >= 0 && ix < s.W {
								v = src[((n*s.H+iy)*s.W+ix)*s.C+c]
							}
							sum.acc = FMA32(dy[((n*oh+y)*ow+x)*s.C+c], v, sum.acc)
						}
						if (y+1)%band == 0 || y == oh-1 {
							sum.close()
						}
					}
				}
				dw[(i*s.KW+j)*s.C+c] = sum.total
			}
		}
	}
}

// DepthwiseGradInput computes the gradient of a depthwise convolution's input as ConvGradInput does; w is [KH,KW,C].
func DepthwiseGradInput(dx, dy, w []float32, s *Conv2D) {
	taps := s.KH * s.KW
	turned := make([]float32, len(w))
	for t := range taps {
		for c := range s.C {
			turned[c*taps+t] = w[t*s.C+c]
		}
	}
	ConvGradInput(dx, dy, turned, s)
}

// LocalGradWeight computes the gradient of a locally connected layer's weights: dw[y,x,o,i,j,c] = Σ_n dy[n,y,x,o]·src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c],
// n ascending in blocks of GradBlock; +0 for positions outside src.
//
// dy is [N,OH,OW,O], src is [N,H,W,C], dw is [OH,OW,O,KH,KW,C].
func LocalGradWeight(dw, dy, src []float32, s *Conv2D) {
	oh, ow := s.OH(), s.OW()
	for pos := range oh * ow {
		for o := range s.O {
			for i := range s.KH {
				for j := range s.KW {
					iy, ix := pos/ow*s.SH+i*s.DH-s.PT, pos%ow*s.SW+j*s.DW-s.PL
					inside := iy >= 0 && iy < s.H && ix >= 0 && ix < s.W
					for c := range s.C {
						var v float32
						if inside {
							v = gradSum(s.N, func(n int, acc float32) float32 {
								return FMA32(dy[(n*oh*ow+pos)*s.O+o], src[((n*s.H+iy)*s.W+ix)*s.C+c], acc)
							})
						}
						dw[(((pos*s.O+o)*s.KH+i)*s.KW+j)*s.C+c] = v
					}
				}
			}
		}
	}
}

// LocalGradInput computes the gradient of a locally connected layer's input: dx[n,h,w,c] = Σ dy[n,y,x,o]·w[y,x,o,i,j,c] over all outputs y, x with
// y·SH + i·DH = h + PT and x·SW + j·DW = w + PL: y ascending, then x, then o.
//
// dy is [N,OH,OW,O], w is [OH,OW,O,KH,KW,C], dx is [N,H,W,C].
func LocalGradInput(dx, dy, w []float32, s *Conv2D) {
	oh, ow := s.OH(), s.OW()
	for n := range s.N {
		for h := range s.H {
			for q := range s.W {
				for c := range s.C {
					var acc float32
					for i := s.KH - 1; i >= 0; i-- {
						for j := s.KW - 1; j >= 0; j-- {
							y, x := h+s.PT-i*s.DH, q+s.PL-j*s.DW
							if y < 0 || x < 0 || y%s.SH != 0 || x%s.SW != 0 || y/s.SH >= oh || x/s.SW >= ow {
								continue
							}
							pos := y/s.SH*ow + x/s.SW
							for o := range s.O {
								acc = FMA32(dy[(n*oh*ow+pos)*s.O+o], w[(((pos*s.O+o)*s.KH+i)*s.KW+j)*s.C+c], acc)
							}
						}
					}
					dx[((n*s.H+h)*s.W+q)*s.C+c] = acc
				}
			}
		}
	}
}
