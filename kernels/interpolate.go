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
	band   int // output rows of a tile
}

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
	p.band = max(1, min(p.oh, 1<<14/(p.ow*s.C)))
	return p
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

// interpolationTask is a resizing being computed. Its tiles are bands of output rows of a picture; each worker has a row of scratch memory.
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
	if need := t.Threads() * s.W * s.C; cap(k.scratch) < need {
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
	scratch := k.scratch[worker*row : (worker+1)*row]
	src := k.src[n*s.H*row : (n+1)*s.H*row]
	for y := i % bands * p.band; y < min((i%bands+1)*p.band, p.oh); y++ {
		dst := k.dst[(n*p.oh+y)*wide : (n*p.oh+y+1)*wide]
		var line []float32
		switch {
		case s.Y.Index == nil:
			line = src[y*row : (y+1)*row]
		case s.Copy:
			line = src[s.Y.Index[y][0]*row:][:row]
		case s.X.Index == nil:
			blend(dst, src, row, s.Y.Index[y], s.Y.Weight[y])
			continue
		default:
			blend(scratch, src, row, s.Y.Index[y], s.Y.Weight[y])
			line = scratch
		}
		if s.X.Index == nil {
			copy(dst, line)
			continue
		}
		for x, index := range s.X.Index {
			to := dst[x*s.C : (x+1)*s.C]
			if s.Copy {
				copy(to, line[index[0]*s.C:])
			} else {
				blend(to, line, s.C, index, s.X.Weight[x])
			}
		}
	}
}

// blend computes dst = Σ_k weight[k]·src[index[k]·len(dst):], k ascending, from +0.
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
