package ref

import "math"

// Rect is a rectangle in pixels; pixel (0,0) covers 0..1 by 0..1.
type Rect struct{ X, Y, W, H float64 }

// Fit says how a source of one aspect ratio fills a destination of another.
type Fit int

const (
	Stretch   Fit = iota // each axis by itself
	Letterbox            // keep the aspect ratio, centre, fill the rest with Pad
)

// Resize says how a picture becomes a tensor.
type Resize struct {
	Format       Format // of the source
	Colour       Colour
	SrcW, SrcH   int
	Crop         Rect // the part of the source to take, in its pixels; the zero Rect takes all. Beyond the border the outermost pixels repeat.
	W, H         int  // of the destination
	Fit          Fit
	Pad          [3]float32 // what Letterbox fills with, in the destination's channel order, before Scale and Shift
	Area         bool       // average over a shrinking axis instead of interpolating
	Order        Format     // channels of the destination: RGB, BGR or Grey
	Scale, Shift [3]float32 // y = FMA32(v, Scale[c], Shift[c]), v in 0..255, in the destination's channel order; Scale of all zeros means ones
}

// Source returns the rectangle of the source that the picture is made of.
func (r *Resize) Source() Rect {
	if r.Crop == (Rect{}) {
		return Rect{0, 0, float64(r.SrcW), float64(r.SrcH)}
	}
	return r.Crop
}

// Inner returns the rectangle of the destination that the picture fills: all of it, unless letterboxed.
func (r *Resize) Inner() (x, y, w, h int) {
	if r.Fit != Letterbox {
		return 0, 0, r.W, r.H
	}
	s := r.Source()
	w, h = r.W, r.H
	if a, b := s.W*float64(r.H), s.H*float64(r.W); a > b { // wider than the destination
		h = max(1, int(math.Round(b/s.W)))
	} else {
		w = max(1, int(math.Round(a/s.H)))
	}
	return (r.W - w) / 2, (r.H - h) / 2, w, h
}

// Factors returns Scale and Shift with the default filled in.
func (r *Resize) Factors() (scale, shift [3]float32) { return factors(r.Scale, r.Shift) }

func factors(scale, shift [3]float32) (_, _ [3]float32) {
	if scale == ([3]float32{}) {
		scale = [3]float32{1, 1, 1}
	}
	return scale, shift
}

// Axis says which source positions make output position i along one axis.
//
// With Taps 0 it interpolates: FMA32(Weights[i], b-a, a) with a at First[i] and b at min(First[i]+1, n-1).
// Otherwise it is Σ_k Weights[i·Taps+k]·v[First[i]+k], from +0, k ascending, by FMA32; all positions are inside the source.
type Axis struct {
	Taps    int
	First   []int32
	Weights []float32
}

// NewAxis returns the positions of m outputs that share the length pixels from start on, of a source of n pixels.
//
// Interpolation takes output i at its centre, start + (i+½)·length/m - ½, moved inside the source.
// Area, on an axis that shrinks, weighs each source pixel by its share of the output's pixel.
func NewAxis(n int, start, length float64, m int, area bool) Axis {
	if area && length > float64(m) {
		return areaAxis(n, start, length, m)
	}
	a := Axis{First: make([]int32, m), Weights: make([]float32, m)}
	for i := range a.First {
		s := start + float64((float64(i)+0.5)*length)/float64(m) - 0.5
		s = math.Min(math.Max(s, 0), float64(n-1))
		f := math.Floor(s)
		w := float32(s - f)
		if w == 1 { // rounded up: the neighbour itself
			f, w = f+1, 0
		}
		a.First[i], a.Weights[i] = int32(f), w
	}
	return a
}

// sliver is the share of a source pixel below which an output leaves it out.
const sliver = 0x1p-30

func areaAxis(n int, start, length float64, m int) Axis {
	edge := func(i int) float64 { return start + float64(float64(i)*length)/float64(m) }
	inside := func(p float64) int { return int(math.Min(math.Max(p, 0), float64(n-1))) }
	// first and last return the source pixels that output i covers by more than a sliver.
	span := func(i int) (first, last int) {
		return inside(math.Floor(edge(i) + sliver)), inside(math.Ceil(edge(i+1)-sliver) - 1)
	}
	a := Axis{First: make([]int32, m)}
	for i := range a.First {
		first, last := span(i)
		a.Taps = max(a.Taps, last-first+1)
	}
	a.Weights = make([]float32, m*a.Taps)
	for i := range a.First {
		first, last := span(i)
		f := min(first, n-a.Taps)
		a.First[i] = int32(f)
		lo, hi := edge(i), edge(i+1)
		for p := first; p <= last; p++ {
			// The outermost pixels also stand for what lies beyond the border.
			l, h := math.Max(lo, float64(p)), math.Min(hi, float64(p+1))
			if p == first {
				l = lo
			}
			if p == last {
				h = hi
			}
			a.Weights[i*a.Taps+p-f] = float32((h - l) / (hi - lo))
		}
	}
	return a
}

// at returns output i along the axis from the source positions v(0..n-1).
func (a *Axis) at(i, n int, v func(int) float32) float32 {
	f := int(a.First[i])
	if a.Taps == 0 {
		p, q := v(f), v(min(f+1, n-1))
		return FMA32(a.Weights[i], q-p, p)
	}
	var acc float32
	for k := range a.Taps {
		acc = FMA32(a.Weights[i*a.Taps+k], v(f+k), acc)
	}
	return acc
}

// pixels calls put for every float of the destination, [H,W,C], before it is stored.
func (r *Resize) pixels(p *Picture, put func(i int, y float32)) {
	s, c := r.Source(), r.Order.Channels()
	ox, oy, w, h := r.Inner()
	cols := NewAxis(r.SrcW, s.X, s.W, w, r.Area)
	rows := NewAxis(r.SrcH, s.Y, s.H, h, r.Area)
	scale, shift := r.Factors()
	for y := range r.H {
		for x := range r.W {
			for k := range c {
				v := r.Pad[k]
				if x >= ox && x < ox+w && y >= oy && y < oy+h {
					v = cols.at(x-ox, r.SrcW, func(sx int) float32 {
						return rows.at(y-oy, r.SrcH, func(sy int) float32 {
							return float32(p.At(sx, sy, r.Order)[k])
						})
					})
				}
				put((y*r.W+x)*c+k, FMA32(v, scale[k], shift[k]))
			}
		}
	}
}

// Float computes dst[y,x,c] = FMA32(v, Scale[c], Shift[c]), where v is the source resampled, rows of it first and then columns.
//
// dst is [H,W,C].
func (r *Resize) Float(dst []float32, p *Picture) {
	r.pixels(p, func(i int, y float32) { dst[i] = y })
}

// Bytes is Float with each result cut to 0..255 and rounded by Byte.
func (r *Resize) Bytes(dst []uint8, p *Picture) {
	r.pixels(p, func(i int, y float32) { dst[i] = Byte(y) })
}
