package ref

// Conv2D is the shape of a two-dimensional convolution or pooling over [N,H,W,C].
type Conv2D struct {
	N, H, W, C     int // input
	O              int // output channels
	KH, KW         int // window
	SH, SW         int // stride
	DH, DW         int // dilation
	PT, PL, PB, PR int // padding: top, left, bottom, right
	Groups         int // C and O are divisible by it
}

// OH and OW return the output's height and width (floor).
func (s *Conv2D) OH() int { return (s.H+s.PT+s.PB-s.DH*(s.KH-1)-1)/s.SH + 1 }
func (s *Conv2D) OW() int { return (s.W+s.PL+s.PR-s.DW*(s.KW-1)-1)/s.SW + 1 }

// Convolve computes dst[n,y,x,o] = act(bias[o] + Σ_{i,j,c} src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, g·C/G+c]·w[o,i,j,c] + res[n,y,x,o]),
// i, j, c ascending, g = o / (O/G). Positions outside src count as +0 and take part in the sum.
//
// src is [N,H,W,C], w is [O,KH,KW,C/Groups], bias is [O] or nil, dst and res are [N,OH,OW,O]; res may be nil.
func Convolve(dst, src, w, bias, res []float32, s *Conv2D, act Act) {
	oh, ow, cg, og := s.OH(), s.OW(), s.C/s.Groups, s.O/s.Groups
	for n := 0; n < s.N; n++ {
		for y := 0; y < oh; y++ {
			for x := 0; x < ow; x++ {
				for o := 0; o < s.O; o++ {
					var acc float32
					if bias != nil {
						acc = bias[o]
					}
					for i := 0; i < s.KH; i++ {
						for j := 0; j < s.KW; j++ {
							iy, ix := y*s.SH+i*s.DH-s.PT, x*s.SW+j*s.DW-s.PL
							inside := iy >= 0 && iy < s.H && ix >= 0 && ix < s.W
							for c := 0; c < cg; c++ {
								var v float32
								if inside {
									v = src[((n*s.H+iy)*s.W+ix)*s.C+o/og*cg+c]
								}
								acc = FMA32(v, w[((o*s.KH+i)*s.KW+j)*cg+c], acc)
							}
						}
					}
					p := ((n*oh+y)*ow+x)*s.O + o
					if res != nil {
						acc += res[p]
					}
					dst[p] = act.Apply(acc)
				}
			}
		}
	}
}

// LocallyConnected computes dst[n,y,x,o] as Convolve does, but with weights of its own at each output position:
// w is [OH,OW,O,KH,KW,C] and bias [OH,OW,O] or nil. Groups must be 1.
// (LeCun 1989; Taigman, Yang, Ranzato, Wolf: DeepFace, CVPR 2014, §3.)
func LocallyConnected(dst, src, w, bias []float32, s *Conv2D, act Act) {
	oh, ow := s.OH(), s.OW()
	for n := 0; n < s.N; n++ {
		for y := 0; y < oh; y++ {
			for x := 0; x < ow; x++ {
				for o := 0; o < s.O; o++ {
					pos := (y*ow+x)*s.O + o
					var acc float32
					if bias != nil {
						acc = bias[pos]
					}
					for i := 0; i < s.KH; i++ {
						for j := 0; j < s.KW; j++ {
							iy, ix := y*s.SH+i*s.DH-s.PT, x*s.SW+j*s.DW-s.PL
							inside := iy >= 0 && iy < s.H && ix >= 0 && ix < s.W
							for c := 0; c < s.C; c++ {
								var v float32
								if inside {
									v = src[((n*s.H+iy)*s.W+ix)*s.C+c]
								}
								acc = FMA32(v, w[((pos*s.KH+i)*s.KW+j)*s.C+c], acc)
							}
						}
					}
					dst[n*oh*ow*s.O+pos] = act.Apply(acc)
				}
			}
		}
	}
}
