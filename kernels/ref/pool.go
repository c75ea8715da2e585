package ref

import "math"

// PoolKind says how a window becomes one value.
type PoolKind int

const (
	PoolMax PoolKind = iota
	PoolAvg
	PoolL2
)

// Pool2D is the shape of a pooling over [N,H,W,C].
type Pool2D struct {
	N, H, W, C     int
	KH, KW         int  // window
	SH, SW         int  // stride
	DH, DW         int  // dilation
	PT, PL, PB, PR int  // padding: top, left, bottom, right
	Ceil           bool // a last window that the padded picture covers only in part counts too, if it begins before the padding at the end
	CountPad       bool // an average divides by the positions within the padded picture, not within the picture
}

// GlobalPool is the shape whose only window is the whole picture.
func GlobalPool(n, h, w, c int) Pool2D {
	return Pool2D{N: n, H: h, W: w, C: c, KH: h, KW: w, SH: 1, SW: 1, DH: 1, DW: 1}
}

// OH and OW return the output's height and width.
func (s *Pool2D) OH() int { return s.size(s.H, s.KH, s.SH, s.DH, s.PT, s.PB) }
func (s *Pool2D) OW() int { return s.size(s.W, s.KW, s.SW, s.DW, s.PL, s.PR) }

func (s *Pool2D) size(n, k, stride, dilation, before, after int) int {
	room := n + before + after - dilation*(k-1) - 1
	if !s.Ceil {
		return room/stride + 1
	}
	o := 1
	if room > 0 {
		o += (room-1)/stride + 1
	}
	if (o-1)*stride >= n+before {
		o--
	}
	return o
}

// Pool computes dst[n,y,x,c] from src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c] over the i, j of the window that lie in the picture, in order:
//
//	PoolMax: acc = Max(acc, v) from -Inf
//	PoolAvg: acc = acc + v from +0, then acc / count
//	PoolL2:  acc = FMA32(v, v, acc) from +0, then √acc
//
// count is the number of those positions, or of those within the padded picture; at least 1. A NaN is passed over by PoolMax
// unless nothing follows it.
//
// src is [N,H,W,C], dst is [N,OH,OW,C].
func Pool(dst, src []float32, kind PoolKind, s *Pool2D) {
	PoolVolume(dst, src, kind, &Pool3D{Pool2D: *s, D: 1, KD: 1, SD: 1, DD: 1})
}

// Pool3D is the shape of a pooling over [N,D,H,W,C]: Pool2D's of each plane, and along the planes' axis D a window of KD, stride, dilation, and padding in
// front and behind.
type Pool3D struct {
	Pool2D
	D, KD, SD, DD, PF, PK int
}

// OD returns the output's number of planes.
func (s *Pool3D) OD() int { return s.size(s.D, s.KD, s.SD, s.DD, s.PF, s.PK) }

// PoolVolume is Pool with windows of three dimensions, whose positions are taken plane by plane. src is [N,D,H,W,C], dst is [N,OD,OH,OW,C].
func PoolVolume(dst, src []float32, kind PoolKind, s *Pool3D) {
	od, oh, ow := s.OD(), s.OH(), s.OW()
	for o := range dst[:s.N*od*oh*ow*s.C] {
		c, x, y, z, n := o%s.C, o/s.C%ow, o/s.C/ow%oh, o/s.C/ow/oh%od, o/s.C/ow/oh/od
		var acc float32
		if kind == PoolMax {
			acc = float32(math.Inf(-1))
		}
		count := 0
		for k := range s.KD * s.KH * s.KW {
			iz, iy, ix := z*s.SD+k/(s.KH*s.KW)*s.DD-s.PF, y*s.SH+k/s.KW%s.KH*s.DH-s.PT, x*s.SW+k%s.KW*s.DW-s.PL
			inside := iz >= 0 && iz < s.D && iy >= 0 && iy < s.H && ix >= 0 && ix < s.W
			if inside || s.CountPad && iz < s.D+s.PK && iy < s.H+s.PB && ix < s.W+s.PR {
				count++
			}
			if !inside {
				continue
			}
			v := src[(((n*s.D+iz)*s.H+iy)*s.W+ix)*s.C+c]
			switch kind {
			case PoolMax:
				acc = Max(acc, v)
			case PoolAvg:
				acc += v
			case PoolL2:
				acc = FMA32(v, v, acc)
			}
		}
		switch kind {
		case PoolAvg:
			acc /= float32(max(count, 1))
		case PoolL2:
			acc = float32(math.Sqrt(float64(acc)))
		}
		dst[o] = acc
	}
}
