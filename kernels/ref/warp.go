package ref

import "math"

// Affine maps a destination position (x, y) to the source position (M[0]·x + M[1]·y + M[2], M[3]·x + M[4]·y + M[5]).
// Whole numbers are the centres of pixels.
type Affine [6]float64

// Row returns the source position of destination (0, y) and the step along x, in the float32 that Warp computes with.
func (m *Affine) Row(y int) (x0, dx, y0, dy float32) {
	return float32(float64(m[1]*float64(y)) + m[2]), float32(m[0]), float32(float64(m[4]*float64(y)) + m[5]), float32(m[3])
}

// Warp says how a picture is resampled along an affine map.
type Warp struct {
	Format       Format // of the source
	Colour       Colour
	SrcW, SrcH   int
	W, H         int        // of the destination
	Border       [3]float32 // what lies outside the source, in the destination's channel order, before Scale and Shift
	Order        Format     // channels of the destination: RGB, BGR or Grey
	Scale, Shift [3]float32 // as in Resize
}

// Factors returns Scale and Shift with the default filled in.
func (w *Warp) Factors() (scale, shift [3]float32) { return factors(w.Scale, w.Shift) }

// Coord returns the pixel below and left of s on an axis of n pixels, and how far s is beyond it. Positions more than a pixel outside
// the source are moved to where everything is border; so is a NaN.
func Coord(s float32, n int) (i int, f float32) {
	s = Min(Max(s, -2), float32(n)+1)
	l := float32(math.Floor(float64(s)))
	return int(l), float32(s - l)
}

// Blend interpolates between four neighbours: along x, then along y.
func Blend(a, b, c, d, fx, fy float32) float32 {
	top := FMA32(fx, b-a, a)
	bottom := FMA32(fx, d-c, c)
	return FMA32(fy, bottom-top, top)
}

func (w *Warp) pixels(p *Picture, m *Affine, put func(i int, y float32)) {
	c := w.Order.Channels()
	scale, shift := w.Factors()
	for y := range w.H {
		x0, dx, y0, dy := m.Row(y)
		for x := range w.W {
			sx, fx := Coord(FMA32(dx, float32(x), x0), w.SrcW)
			sy, fy := Coord(FMA32(dy, float32(x), y0), w.SrcH)
			for k := range c {
				at := func(x, y int) float32 {
					if x < 0 || x >= w.SrcW || y < 0 || y >= w.SrcH {
						return w.Border[k]
					}
					return float32(p.At(x, y, w.Order)[k])
				}
				v := Blend(at(sx, sy), at(sx+1, sy), at(sx, sy+1), at(sx+1, sy+1), fx, fy)
				put((y*w.W+x)*c+k, FMA32(v, scale[k], shift[k]))
			}
		}
	}
}

// Float computes dst[y,x,c] = FMA32(v, Scale[c], Shift[c]), where v is the source at m(x, y), interpolated between four pixels.
//
// dst is [H,W,C].
func (w *Warp) Float(dst []float32, p *Picture, m *Affine) {
	w.pixels(p, m, func(i int, y float32) { dst[i] = y })
}

// Bytes is Float with each result cut to 0..255 and rounded by Byte.
func (w *Warp) Bytes(dst []uint8, p *Picture, m *Affine) {
	w.pixels(p, m, func(i int, y float32) { dst[i] = Byte(y) })
}
