package ref

// Depthwise computes dst[n,y,x,c] = act(bias[c] + Σ_{i,j} src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c]·w[i,j,c]), i, j ascending.
// Positions outside src count as +0 and take part in the sum.
//
// src is [N,H,W,C], w is [KH,KW,C], bias is [C] or nil, dst is [N,OH,OW,C]; O and Groups equal C.
func Depthwise(dst, src, w, bias []float32, s *Conv2D, act Act) {
	VolumeDepthwise(dst, src, w, bias, &Conv3D{Conv2D: *s, D: 1, KD: 1, SD: 1, DD: 1}, act)
}

// Conv3D is the shape of a convolution over [N,D,H,W,C]: Conv2D's of each plane, and along the planes' axis D a window of KD, stride, dilation, and
// padding in front and behind.
type Conv3D struct {
	Conv2D
	D, KD, SD, DD, PF, PK int
}

// Deep returns what happens along D as the rows of a convolution of a column.
func (s *Conv3D) Deep() Conv2D {
	return Conv2D{H: s.D, KH: s.KD, SH: s.SD, DH: s.DD, PT: s.PF, PB: s.PK, W: 1, C: 1, KW: 1, SW: 1, DW: 1}
}

// VolumeDepthwise is Depthwise with windows of three dimensions, whose positions are taken plane by plane.
// src is [N,D,H,W,C], w is [KD,KH,KW,C], bias is [C] or nil, dst is [N,OD,OH,OW,C]; O and Groups equal C.
func VolumeDepthwise(dst, src, w, bias []float32, s *Conv3D, act Act) {
	deep := s.Deep()
	od, oh, ow := deep.OH(), s.OH(), s.OW()
	for o := range dst[:s.N*od*oh*ow*s.C] {
		c, x, y, z, n := o%s.C, o/s.C%ow, o/s.C/ow%oh, o/s.C/ow/oh%od, o/s.C/ow/oh/od
		var acc float32
		if bias != nil {
			acc = bias[c]
		}
		for k := range s.KD * s.KH * s.KW {
			iz, iy, ix := z*s.SD+k/(s.KH*s.KW)*s.DD-s.PF, y*s.SH+k/s.KW%s.KH*s.DH-s.PT, x*s.SW+k%s.KW*s.DW-s.PL
			var v float32
			if iz >= 0 && iz < s.D && iy >= 0 && iy < s.H && ix >= 0 && ix < s.W {
				v = src[(((n*s.D+iz)*s.H+iy)*s.W+ix)*s.C+c]
			}
			acc = FMA32(v, w[k*s.C+c], acc)
		}
		dst[o] = act.Apply(acc)
	}
}
