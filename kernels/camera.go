package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// Pictures, and what becomes of them, in the words that the kernels share with their definitions.
type (
	Picture = ref.Picture
	Format  = ref.Format
	Colour  = ref.Colour
	Rect    = ref.Rect
	Fit     = ref.Fit
	Affine  = ref.Affine
)

// Layouts of pictures. A destination is RGB, BGR or Grey.
const (
	RGB  = ref.RGB
	BGR  = ref.BGR
	Grey = ref.Grey
	YUYV = ref.YUYV
	NV12 = ref.NV12
)

// Standards of YUYV and NV12.
const (
	BT601     = ref.BT601
	BT601Full = ref.BT601Full
	BT709     = ref.BT709
	BT709Full = ref.BT709Full
)

// How a destination is filled.
const (
	Stretch   = ref.Stretch
	Letterbox = ref.Letterbox
)

// fault says what is wrong with a picture that should be of the given layout and size, or "".
func fault(p *Picture, f Format, c Colour, w, h int) string {
	if p.Format != f || p.W != w || p.H != h || f >= YUYV && p.Colour != c {
		return "src differs from the plan"
	}
	pix, uv := p.RowBytes()
	short := func(b []uint8, rows, stride, row int) bool {
		return stride < row || int64(len(b)) < int64(rows-1)*int64(stride)+int64(row) || rows > 1 && stride > len(b)
	}
	if short(p.Pix, h, p.Stride, pix) {
		return "src.Pix too short"
	}
	if uv > 0 && short(p.UV, (h+1)/2, p.UVStride, uv) {
		return "src.UV too short"
	}
	return ""
}

// unpacker turns rows of a picture into bytes in the order that is asked for.
type unpacker struct {
	order Format
	plain bool // the picture's rows are in that order already
	yuv   [6]uint32
	grey  [4]int16
}

func newUnpacker(f Format, c Colour, order Format) unpacker {
	u := unpacker{order: order, plain: f == order || f == NV12 && order == Grey && (c == BT601Full || c == BT709Full)}
	k := c.YUV()
	for i := range 3 {
		j := i
		if order == BGR {
			j = 2 - i
		}
		u.yuv[i] = uint32(uint16(k.C[j][0])) | uint32(uint16(k.C[j][1]))<<16
	}
	u.yuv[3], u.yuv[4], u.yuv[5] = uint32(k.Y), uint32(k.Y)<<16, uint32(k.K)
	u.grey = [4]int16{ref.GreyR, ref.GreyG, ref.GreyB, 0}
	if f == BGR {
		u.grey[0], u.grey[2] = u.grey[2], u.grey[0]
	}
	return u
}

// view returns the bytes of the pixels x0 <= x < x1 of row y, where the picture is plain.
func (u *unpacker) view(p *Picture, y, x0, x1 int) []uint8 {
	c := u.order.Channels()
	return p.Pix[y*p.Stride+c*x0 : y*p.Stride+c*x1 : y*p.Stride+c*x1]
}

// row writes the pixels x0 <= x < x1 of row y to dst in the wanted order; x0 is even. It returns the bytes of ref's Picture.Row.
func (u *unpacker) row(dst []uint8, p *Picture, y, x0, x1 int) {
	n := x1 - x0
	switch {
	case u.plain:
		copy(dst, u.view(p, y, x0, x1))
	case p.Format == Grey:
		repeatRow(dst[:3*n], p.Pix[y*p.Stride+x0:][:n])
	case p.Format < Grey && u.order == Grey:
		greyRow(dst[:n], p.Pix[y*p.Stride+3*x0:][:3*n], &u.grey)
	case p.Format < Grey:
		swapRow(dst[:3*n], p.Pix[y*p.Stride+3*x0:][:3*n])
	case p.Format == YUYV:
		src := p.Pix[y*p.Stride+2*x0:][:(n+1)/2*4]
		if u.order == Grey {
			yuyvGreyRow(dst[:n], src, &u.yuv)
		} else {
			yuyvRow(dst[:3*n], src, &u.yuv)
		}
	default:
		luma := p.Pix[y*p.Stride+x0:][:n]
		if u.order == Grey {
			lumaRow(dst[:n], luma, &u.yuv)
		} else {
			nv12Row(dst[:3*n], luma, p.UV[y/2*p.UVStride+x0:][:(n+1)/2*2], &u.yuv)
		}
	}
}

// The loops that an instruction set may replace, in plain Go.

func lerpRowGo(dst []float32, a, b []uint8, w float32) {
	for i := range dst {
		p := float32(a[i])
		dst[i] = ref.FMA32(w, float32(b[i])-p, p)
	}
}

// sumRowGo adds to from, or to zeros where that is nil; from does not overlap dst.
func sumRowGo(dst, from []float32, rows [][]uint8, w []float32) {
	if from == nil {
		clear(dst)
	} else {
		copy(dst, from)
	}
	for j, row := range rows {
		f := w[j]
		for i := range dst {
			dst[i] = ref.FMA32(f, float32(row[i]), dst[i])
		}
	}
}

// lerpColsGo and sumColsGo read src at byte offsets off; factors are four scales and four shifts.
func lerpColsGo(dst, src []float32, off []int32, w []float32, c int, k *[8]float32) {
	for i, o := range off {
		p := src[o/4:][:2*c]
		for j := range c {
			v := ref.FMA32(w[i], p[c+j]-p[j], p[j])
			dst[i*c+j] = ref.FMA32(v, k[j], k[4+j])
		}
	}
}

func sumColsGo(dst, src []float32, off []int32, w []float32, taps, c int, k *[8]float32) {
	for i, o := range off {
		p := src[o/4:][:taps*c]
		f := w[i*taps:][:taps]
		for j := range c {
			var acc float32
			for t, f := range f {
				acc = ref.FMA32(f, p[t*c+j], acc)
			}
			dst[i*c+j] = ref.FMA32(acc, k[j], k[4+j])
		}
	}
}

// scaleRowGo uses factors with a period that divides 24.
func scaleRowGo(dst []float32, src []uint8, k *[48]float32) {
	j := 0
	for i, v := range src {
		dst[i] = ref.FMA32(float32(v), k[j], k[24+j])
		if j++; j == 24 {
			j = 0
		}
	}
}

func byteRowGo(dst []uint8, src []float32) {
	for i, v := range src {
		dst[i] = ref.Byte(v)
	}
}

func swapRowGo(dst, src []uint8) {
	for i := 0; i+2 < len(src); i += 3 {
		dst[i], dst[i+1], dst[i+2] = src[i+2], src[i+1], src[i]
	}
}

func repeatRowGo(dst, src []uint8) {
	for i, v := range src {
		dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
	}
}

func greyRowGo(dst, src []uint8, k *[4]int16) {
	for i := range dst {
		p := src[3*i:][:3]
		dst[i] = uint8((int32(k[0])*int32(p[0]) + int32(k[1])*int32(p[1]) + int32(k[2])*int32(p[2]) + 1<<14) >> 15)
	}
}

func yuvPixel(dst []uint8, y, u, v uint8, k *[6]uint32) {
	l := int32(k[3])*int32(y) + int32(k[5])
	for c := range 3 {
		t := l + int32(int16(k[c]))*(int32(u)-128) + int32(int16(k[c]>>16))*(int32(v)-128)
		dst[c] = uint8(min(max(t>>13, 0), 255))
	}
}

func greyPixel(y uint8, k *[6]uint32) uint8 {
	return uint8(min(max((int32(k[3])*int32(y)+int32(k[5]))>>13, 0), 255))
}

func yuyvRowGo(dst, src []uint8, k *[6]uint32) {
	for i := range len(dst) / 3 {
		p := src[i/2*4:][:4]
		yuvPixel(dst[3*i:][:3], p[i%2*2], p[1], p[3], k)
	}
}

func nv12RowGo(dst, luma, uv []uint8, k *[6]uint32) {
	for i, y := range luma {
		p := uv[i/2*2:][:2]
		yuvPixel(dst[3*i:][:3], y, p[0], p[1], k)
	}
}

func yuyvGreyRowGo(dst, src []uint8, k *[6]uint32) {
	for i := range dst {
		dst[i] = greyPixel(src[2*i], k)
	}
}

func lumaRowGo(dst, luma []uint8, k *[6]uint32) {
	for i, y := range luma {
		dst[i] = greyPixel(y, k)
	}
}

// warpRowGo interpolates len(dst)/c pixels, from destination column x on. src starts skip bytes into the source whose rows are stride
// bytes apart; it holds all four neighbours of each pixel.
func warpRowGo(dst []float32, src []uint8, stride, skip, x, c int, at *[4]float32, k *[8]float32) {
	for i := range len(dst) / c {
		sx, fx := ref.Coord(ref.FMA32(at[1], float32(x+i), at[0]), 1<<24)
		sy, fy := ref.Coord(ref.FMA32(at[3], float32(x+i), at[2]), 1<<24)
		p := src[sy*stride+sx*c-skip:]
		q := p[stride:]
		for j := range c {
			v := ref.Blend(float32(p[j]), float32(p[c+j]), float32(q[j]), float32(q[c+j]), fx, fy)
			dst[i*c+j] = ref.FMA32(v, k[j], k[4+j])
		}
	}
}

// checkCamera compares every kernel of the family with ref on rows that are a little wider than a block.
func checkCamera() bool {
	const w, h = 37, 3
	var bytes [4 * w * h]uint8
	for i := range bytes {
		bytes[i] = uint8(i*i>>2 + 89*i)
	}
	var u8 [2][3 * w]uint8
	for f := RGB; f <= NV12; f++ {
		p := Picture{Format: f, W: w, H: 1, Pix: bytes[:], UV: bytes[w:], UVStride: w + 1}
		p.Stride, _ = p.RowBytes()
		for _, order := range [2]Format{RGB, Grey} {
			u := newUnpacker(f, p.Colour, order)
			u.row(u8[0][:], &p, 0, 0, w)
			if p.Row(u8[1][:], order, 0, 0, w); u8[0] != u8[1] {
				return false
			}
		}
	}
	var f32 [2][3 * w]float32
	scale, shift := [3]float32{0.017, -3, 0.3}, [3]float32{-2.1, 0.7, 1e-3}
	for i, s := range [...]ResizeSpec{
		{W: w, H: 1, Crop: Rect{X: 0, Y: 1, W: w, H: 1}}, {W: 13, H: 2}, {W: 13, H: 2, Area: true}, {W: 13, H: 2}, {W: 9, H: 2, Order: Grey}, {W: 9, H: 2, Area: true, Order: Grey},
	} {
		s.Format, s.SrcW, s.SrcH = s.Order, w, h
		p := Picture{Format: s.Format, W: w, H: h, Pix: bytes[:], Stride: 3 * w}
		if i == 3 {
			NewResize(s).RunBytes(nil, u8[0][:], p)
			s.Bytes(u8[1][:], &p)
			continue
		}
		s.Scale, s.Shift = scale, shift
		NewResize(s).Run(nil, f32[0][:], p)
		if s.Float(f32[1][:], &p); f32[0] != f32[1] {
			return false
		}
	}
	p := Picture{W: w, H: h, Pix: bytes[:], Stride: 3 * w}
	s := WarpSpec{SrcW: w, SrcH: h, W: 11, H: 1, Scale: scale, Shift: shift}
	m := Affine{0.9, 0.02, 0.1, 0.03, 0.8, 0.2}
	NewWarp(s).Run(nil, f32[0][:], p, m)
	s.Float(f32[1][:], &p, &m)
	return u8[0] == u8[1] && f32[0] == f32[1] && checkBytes8()
}
