package ref

import "math"

// Bytes says what 8-bit integers stand for: x - Zero, x being an int8 where Signed, else a uint8.
type Bytes struct {
	Signed bool
	Zero   int32
}

// Of returns what b stands for.
func (b Bytes) Of(x byte) int32 {
	if b.Signed {
		return int32(int8(x)) - b.Zero
	}
	return int32(x) - b.Zero
}

// Requant says how sums become 8-bit integers again.
type Requant struct {
	Scale  []float32 // one for all columns, or one for each
	Lo, Hi float32   // the scaled sum is clipped to them; whole numbers
	Zero   int32     // added to the rounded number
}

// Apply returns the low eight bits of round(clip(float32(sum)·Scale)) + Zero, ties to even, for column j.
func (q *Requant) Apply(sum int32, j int) byte {
	s := q.Scale[0]
	if len(q.Scale) > 1 {
		s = q.Scale[j]
	}
	return Narrow(Act{Kind: ActClip, Lo: q.Lo, Hi: q.Hi}.Apply(float32(float32(sum)*s)), q.Zero)
}

// Narrow returns the low eight bits of round(x) + zero, ties to even; 0 for a NaN. |x| is less than 2^31.
func Narrow(x float32, zero int32) byte {
	if x != x {
		return 0
	}
	return byte(int32(math.RoundToEven(float64(x))) + zero)
}

// Gemm8 computes dst[i,j] = bias[j] + Σ_p in.Of(a[i,p])·b[j,p] in int32, which wraps.
//
// a is [m,k] with row stride lda, b is [n,k], bias is [n] or nil (0), dst is [m,n].
func Gemm8(dst []int32, a []byte, lda int, in Bytes, b []int8, bias []int32, m, n, k int) {
	for i := range m {
		for j := range n {
			var acc int32
			if bias != nil {
				acc = bias[j]
			}
			for p := range k {
				acc += in.Of(a[i*lda+p]) * int32(b[j*k+p])
			}
			dst[i*n+j] = acc
		}
	}
}

// Convolve8 computes dst[n,y,x,o] = bias[o] + Σ_{i,j,c} in.Of(src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, g·C/G+c])·w[o,i,j,c] in int32, which wraps,
// g = o / (O/G). Positions outside src stand for 0.
//
// src is [N,H,W,C], w is [O,KH,KW,C/Groups], bias is [O] or nil, dst is [N,OH,OW,O].
func Convolve8(dst []int32, src []byte, in Bytes, w []int8, bias []int32, s *Conv2D) {
	oh, ow, cg, og := s.OH(), s.OW(), s.C/s.Groups, s.O/s.Groups
	for n := range s.N {
		for y := range oh {
			for x := range ow {
				for o := range s.O {
					var acc int32
					if bias != nil {
						acc = bias[o]
					}
					for i := range s.KH {
						for j := range s.KW {
							iy, ix := y*s.SH+i*s.DH-s.PT, x*s.SW+j*s.DW-s.PL
							if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
								continue
							}
							for c := range cg {
								acc += in.Of(src[((n*s.H+iy)*s.W+ix)*s.C+o/og*cg+c]) * int32(w[((o*s.KH+i)*s.KW+j)*cg+c])
							}
						}
					}
					dst[((n*oh+y)*ow+x)*s.O+o] = acc
				}
			}
		}
	}
}

// Depthwise8 computes dst[n,y,x,c] = bias[c] + Σ_{i,j} in.Of(src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c])·w[i,j,c] in int32, which wraps. Positions outside src
// stand for 0.
//
// src is [N,H,W,C], w is [KH,KW,C], bias is [C] or nil, dst is [N,OH,OW,C].
func Depthwise8(dst []int32, src []byte, in Bytes, w []int8, bias []int32, s *Conv2D) {
	oh, ow := s.OH(), s.OW()
	for n := range s.N {
		for y := range oh {
			for x := range ow {
				for c := range s.C {
					var acc int32
					if bias != nil {
						acc = bias[c]
					}
					for i := range s.KH {
						for j := range s.KW {
							iy, ix := y*s.SH+i*s.DH-s.PT, x*s.SW+j*s.DW-s.PL
							if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
								continue
							}
							acc += in.Of(src[((n*s.H+iy)*s.W+ix)*s.C+c]) * int32(w[(i*s.KW+j)*s.C+c])
						}
					}
					dst[((n*oh+y)*ow+x)*s.C+c] = acc
				}
			}
		}
	}
}
