package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// Taps says of what the elements along an axis are made: element i is Σ_k Weight[i][k]·x[Index[i][k]].
type Taps = ref.Taps

// InterpolationShape is the resizing of float32 pictures [N,H,W,C] along H and then along W.
type InterpolationShape = ref.Interpolation

// Interpolation is a resizing of float32 pictures planned for one shape. It does not change, and may be shared.
type Interpolation struct {
	shape  InterpolationShape
	oh, ow int
	band   int  // output rows of a tile
	turned bool // a tile's rows are transposed for the resizing along W
}

// Few channels make short vectors. So some rows are transposed, and resized along W side by side.
const (
	turnedChannels = 128     // fewer
	turnedLen      = 64      // elements that have the same weights, at least
	turnedRows     = 16      // at least
	turnedFloats   = 1 << 16 // of a tile's rows before the resizing along W, at most
	turnedColumns  = 32      // output columns that are transposed back together
)

// NewInterpolation plans a resizing.
func NewInterpolation(s InterpolationShape) *Interpolation {
	if s.N < 0 || s.H < 1 || s.W < 1 || s.C < 1 {
		panic("kernels: Interpolation: bad input shape")
	}
	checkTaps(s.Y, s.H, s.Copy)
	checkTaps(s.X, s.W, s.Copy)
	p := &Interpolation{shape: s, oh: s.OH(), ow: s.OW()}
	if p.oh < 1 || p.ow < 1 {
		panic("kernels: Interpolation: no output is left")
	}
	if !addressable(s.N, s.H, s.W, s.C) || !addressable(s.N, p.oh, p.ow, s.C) {
		panic("kernels: Interpolation: shape too large")
	}
	p.band = max(1, min(p.oh, 1<<14/(p.ow*s.C)))
	if rows := max(turnedRows, (turnedLen/s.C+15)&^15); s.X.Index != nil && !s.Copy && s.C < turnedChannels && p.oh >= turnedRows && rows*s.W*s.C <= turnedFloats {
		p.turned, p.band = true, min(rows, p.oh)
	}
	return p
}

// scratch returns how many floats of scratch memory a worker needs.
func (p *Interpolation) scratch() int {
	row := p.shape.W * p.shape.C
	if p.turned {
		return p.band * (2*row + turnedColumns*p.shape.C)
	}
	return row
}

func checkTaps(t Taps, n int, one bool) {
	if len(t.Index) != len(t.Weight) {
		panic("kernels: Interpolation: Index and Weight differ in length")
	}
	for i, index := range t.Index {
		if len(index) != len(t.Weight[i]) || one && len(index) != 1 {
			panic("kernels: Interpolation: an element has not as many weights as taps, or not one where it is copied")
		}
		for _, p := range index {
			if p < 0 || p >= n {
				panic("kernels: Interpolation: tap outside the picture")
			}
		}
	}
}

// Shape returns what the resizing was planned for.
func (p *Interpolation) Shape() InterpolationShape { return p.shape }

// Gradient returns the resizing that carries the gradient of p's result back to its source.
func (p *Interpolation) Gradient() *Interpolation {
	s := &p.shape
	return NewInterpolation(InterpolationShape{N: s.N, H: p.oh, W: p.ow, C: s.C, Y: s.Y.Transpose(s.H), X: s.X.Transpose(s.W)})
}

// interpolationTask is a resizing being computed. Its tiles are bands of output rows of a picture; each worker has scratch memory of its own.
type interpolationTask struct {
	plan     *Interpolation
	dst, src []float32
	scratch  []float32
}

var interpolationTasks = poolOf[interpolationTask]()

// Run computes dst, [N,OH,OW,C], from src, [N,H,W,C]; they do not overlap. It returns the bits of ref.Interpolate.
func (p *Interpolation) Run(t *Team, dst, src []float32) {
	s := &p.shape
	in, out := s.N*s.H*s.W*s.C, s.N*p.oh*p.ow*s.C
	if len(src) < in {
		panic("kernels: Interpolation.Run: src too short")
	}
	if len(dst) < out {
		panic("kernels: Interpolation.Run: dst too short")
	}
	if !disjoint(dst[:out], src[:in]) {
		panic("kernels: Interpolation.Run: dst overlaps src")
	}
	k := interpolationTasks.Get().(*interpolationTask)
	k.plan, k.dst, k.src = p, dst[:out], src[:in]
	if need := t.Threads() * p.scratch(); cap(k.scratch) < need {
		k.scratch = make([]float32, need)
	}
	k.scratch = k.scratch[:cap(k.scratch)]
	t.Run(k, s.N*((p.oh+p.band-1)/p.band))
	*k = interpolationTask{scratch: k.scratch}
	interpolationTasks.Put(k)
}

// Tile computes a band of output rows.
func (k *interpolationTask) Tile(i, worker int) {
	p, s := k.plan, &k.plan.shape
	bands := (p.oh + p.band - 1) / p.band
	n, row, wide := i/bands, s.W*s.C, p.ow*s.C
	scratch := k.scratch[worker*p.scratch() : (worker+1)*p.scratch()]
	src, dst := k.src[n*s.H*row:(n+1)*s.H*row], k.dst[n*p.oh*wide:(n+1)*p.oh*wide]
	from, to := i%bands*p.band, min((i%bands+1)*p.band, p.oh)
	if p.turned {
		p.turn(dst, src, from, to, scratch)
		return
	}
	for y := from; y < to; y++ {
		out := dst[y*wide : (y+1)*wide]
		if s.X.Index == nil {
			if line := p.line(out, src, y); &line[0] != &out[0] {
				copy(out, line)
			}
			continue
		}
		line := p.line(scratch, src, y)
		for x, index := range s.X.Index {
			at := out[x*s.C : (x+1)*s.C]
			if s.Copy {
				copy(at, line[index[0]*s.C:])
			} else {
				blend(at, line, s.C, index, s.X.Weight[x])
			}
		}
	}
}

// line returns output row y before the resizing along W, which is in src or is computed into scratch.
func (p *Interpolation) line(scratch, src []float32, y int) []float32 {
	s := &p.shape
	row := s.W * s.C
	switch {
	case s.Y.Index == nil:
		return src[y*row : (y+1)*row]
	case s.Copy:
		return src[s.Y.Index[y][0]*row:][:row]
	}
	blend(scratch[:row], src, row, s.Y.Index[y], s.Y.Weight[y])
	return scratch[:row]
}

// turn computes output rows from before to of a picture, transposed.
func (p *Interpolation) turn(dst, src []float32, from, to int, scratch []float32) {
	s := &p.shape
	n, row, wide := to-from, s.W*s.C, p.ow*s.C
	rows, turned, out := scratch[:n*row], scratch[n*row:2*n*row], scratch[2*n*row:]
	if s.Y.Index == nil {
		rows = src[from*row : to*row]
	} else {
		for y := range n {
			p.line(rows[y*row:], src, from+y)
		}
	}
	transposeTile(turned, n, rows, row, n, row)
	for x := 0; x < p.ow; x += turnedColumns {
		columns := min(turnedColumns, p.ow-x)
		for i := range columns {
			blend(out[i*s.C*n:(i+1)*s.C*n], turned, s.C*n, s.X.Index[x+i], s.X.Weight[x+i])
		}
		transposeTile(dst[from*wide+x*s.C:], wide, out, n, columns*s.C, n)
	}
}

// blend computes dst = Σ_k weight[k]·src[index[k]·step:], k ascending, from +0.
func blend(dst, src []float32, step int, index []int, weight []float32) {
	n := len(dst)
	at := func(k int) []float32 { return src[index[k]*step:][:n] }
	if n < 8 {
		for i := range dst {
			var acc float32
			for k, p := range index {
				acc = ref.FMA32(src[p*step+i], weight[k], acc)
			}
			dst[i] = acc
		}
		return
	}
	k := 0
	if len(index) >= 2 {
		mapRun(mapBlend, dst, at(0), at(1), nil, mapParams{weight[0], weight[1]})
		k = 2
	} else {
		clear(dst)
	}
	for ; k < len(index); k++ {
		mapRun(mapAddScaled, dst, dst, at(k), nil, mapParams{weight[k]})
	}
}
