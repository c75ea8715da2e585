package ref

// Depthwise computes dst[n,y,x,c] = act(bias[c] + Σ_{i,j} src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c]·w[i,j,c]), i, j ascending.
// Positions outside src count as +0 and take part in the sum.
//
// src is [N,H,W,C], w is [KH,KW,C], bias is [C] or nil, dst is [N,OH,OW,C]; O and Groups equal C.
func Depthwise(dst, src, w, bias []float32, s *Conv2D, act Act) {
	oh, ow := s.OH(), s.OW()
	for n := 0; n < s.N; n++ {
		for y := 0; y < oh; y++ {
			for x := 0; x < ow; x++ {
				for c := 0; c < s.C; c++ {
					var acc float32
					if bias != nil {
						acc = bias[c]
					}
					for i := 0; i < s.KH; i++ {
						for j := 0; j < s.KW; j++ {
							iy, ix := y*s.SH+i*s.DH-s.PT, x*s.SW+j*s.DW-s.PL
							var v float32
							if iy >= 0 && iy < s.H && ix >= 0 && ix < s.W {
								v = src[((n*s.H+iy)*s.W+ix)*s.C+c]
							}
							acc = FMA32(v, w[(i*s.KW+j)*s.C+c], acc)
						}
					}
					dst[((n*oh+y)*ow+x)*s.C+c] = act.Apply(acc)
				}
			}
		}
	}
}
