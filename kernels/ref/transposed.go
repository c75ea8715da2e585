package ref

// Transposed2D is the shape of a two-dimensional transposed convolution over [N,H,W,C].
type Transposed2D struct {
	N, H, W, C     int // input
	O              int // output channels
	KH, KW         int // window
	SH, SW         int // stride
	DH, DW         int // dilation; 0 is 1
	PT, PL, PB, PR int // what is cut off the output: top, left, bottom, right
	AH, AW         int // what is added to it at the bottom and right: bias alone, or what PB and PR would have cut off
	Groups         int // C and O are divisible by it
}

// OH and OW return the output's height and width.
func (s *Transposed2D) OH() int { return s.SH*(s.H-1) + max(1, s.DH)*(s.KH-1) + 1 - s.PT - s.PB + s.AH }
func (s *Transposed2D) OW() int { return s.SW*(s.W-1) + max(1, s.DW)*(s.KW-1) + 1 - s.PL - s.PR + s.AW }

// ConvTranspose computes the transpose of a convolution (Zeiler, Krishnan, Taylor, Fergus: Deconvolutional networks, CVPR 2010; Dumoulin, Visin:
// A guide to convolution arithmetic for deep learning, 2016, §4): dst[n,y,x,o] = act(bias[o] + Σ src[n,p,q,g·C/G+c]·w[o,i,j,c]) over all
// taps (i, j) and all p, q, which may be negative, with p·SH + i·DH = y + PT and q·SW + j·DW = x + PL; g = o / (O/G).
//
// The sum goes through input rows p ascending (so i descending), then input columns q ascending, then c ascending. Positions outside
// src count as +0 and take part in it. Where no tap fits, dst is act(bias[o]).
//
// src is [N,H,W,C], w is [O,KH,KW,C/Groups], bias is [O] or nil, dst is [N,OH,OW,O].
func ConvTranspose(dst, src, w, bias []float32, s *Transposed2D, act Act) {
	oh, ow, cg, og := s.OH(), s.OW(), s.C/s.Groups, s.O/s.Groups
	dh, dw := max(1, s.DH), max(1, s.DW)
	for n := 0; n < s.N; n++ {
		for y := 0; y < oh; y++ {
			for x := 0; x < ow; x++ {
				for o := 0; o < s.O; o++ {
					var acc float32
					if bias != nil {
						acc = bias[o]
					}
					for i := s.KH - 1; i >= 0; i-- {
						if (y+s.PT-i*dh)%s.SH != 0 {
							continue
						}
						for j := s.KW - 1; j >= 0; j-- {
							if (x+s.PL-j*dw)%s.SW != 0 {
								continue
							}
							p, q := (y+s.PT-i*dh)/s.SH, (x+s.PL-j*dw)/s.SW
							inside := p >= 0 && p < s.H && q >= 0 && q < s.W
							for c := 0; c < cg; c++ {
								var v float32
								if inside {
									v = src[((n*s.H+p)*s.W+q)*s.C+o/og*cg+c]
								}
								acc = FMA32(v, w[((o*s.KH+i)*s.KW+j)*cg+c], acc)
							}
						}
					}
					dst[((n*oh+y)*ow+x)*s.O+o] = act.Apply(acc)
				}
			}
		}
	}
}
