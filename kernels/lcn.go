package kernels

import (
	"math"
	"unsafe"

	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// The shape of local contrast normalisation, and which halves of it are done.
type (
	LCN2D   = ref.LCN2D
	LCNMode = ref.LCNMode
)

const (
	LCNBoth     = ref.LCNBoth
	LCNSubtract = ref.LCNSubtract
	LCNDivide   = ref.LCNDivide
)

// LCN is a local contrast normalisation planned for one shape. It is immutable and may be shared.
type LCN struct {
	shape        LCN2D
	g            []float32 // the window along one axis
	across, down []float32 // its scale at each column, with zeros to the end of a row of a map; at each row
	order        []int32   // pixel of each of the floats of eight pixels, where there are fewer channels than lanes
	pad          int       // what the window reaches beyond its middle
	wide         int       // floats of a row of a map, a multiple of 16
	padded       int       // floats of a row with pad zeros before and after
	rows, bands  int       // rows of a tile, tiles of a picture
}

// NewLCN plans a local contrast normalisation.
func NewLCN(s LCN2D) *LCN {
	switch {
	case s.N < 0 || s.H < 1 || s.W < 1 || s.C < 1:
		panic("kernels: LCN: bad input shape")
	case max(s.H, s.W, s.C, s.Size) > mostSize || !addressable(s.N, s.H, s.W, s.C):
		panic("kernels: LCN: shape too large")
	case s.Size < 1 || s.Size%2 == 0:
		panic("kernels: LCN: window must be odd")
	case !(s.Sigma > 0) || s.Sigma > math.MaxFloat32:
		panic("kernels: LCN: sigma must be positive")
	case s.Floor < 0 || s.Floor != s.Floor:
		panic("kernels: LCN: negative floor")
	case s.Mode < LCNBoth || s.Mode > LCNDivide:
		panic("kernels: LCN: unknown mode")
	}
	l := &LCN{shape: s, g: ref.Gaussian(s.Size, s.Sigma), pad: s.Size / 2, wide: (s.W + 15) &^ 15}
	l.padded = (l.wide + 2*l.pad + 15) &^ 15
	l.across = aligned(l.wide)
	copy(l.across, ref.GaussianScale(s.W, l.g, s.C))
	l.down = ref.GaussianScale(s.H, l.g, 1)
	if s.C < sumLanes {
		for i := range sumLanes * s.C {
			l.order = append(l.order, int32(i/s.C))
		}
	}
	const tile = 1 << 14 // floats of the picture that are worth a tile
	l.rows = max(1, min(s.H, tile/(s.W*s.C)))
	l.bands = (s.H + l.rows - 1) / l.rows
	return l
}

// sumLanes is how many partial sums the contract keeps across channels.
const sumLanes = 8

// Shape returns what the normalisation was planned for.
func (l *LCN) Shape() LCN2D { return l.shape }

// ScratchLen returns how many floats of scratch memory Run needs: the most that an int holds where they cannot be addressed.
func (l *LCN) ScratchLen() int {
	row := l.padded + 2*l.wide + 1
	if !addressable(l.shape.H, row) {
		return math.MaxInt
	}
	return l.shape.H * row
}

// lcnTask is a picture being normalised. Its tiles are bands of rows.
type lcnTask struct {
	plan     *LCN
	isa      ISA
	phase    lcnPhase
	src, dst []float32 // the picture
	sums     []float32 // [H][padded] sums over channels, with zeros at both ends
	a, b     []float32 // [H][wide] maps
	totals   []float32 // [H] sums of σ
	mean     float32
}

type lcnPhase uint8

const (
	lcnMeans      lcnPhase = iota // a = sums of src, blurred along x
	lcnSubtract                   // dst = src - a blurred along y; b = sums of squares of dst, blurred along x
	lcnSquares                    // b = sums of squares of src, blurred along x
	lcnDeviations                 // a = √(b blurred along y); totals
	lcnDivide                     // dst = dst or src, divided
)

var lcnTasks = poolOf[lcnTask]()

// Run normalises the contrast of src around each position: dst = v / max(Floor, mean σ, σ), v = src - local mean, σ = √(local mean of v²).
// It returns the bits of ref.LCN.
//
// src and dst are [N,H,W,C], scratch has ScratchLen floats; they do not overlap.
func (l *LCN) Run(t *Team, dst, src, scratch []float32) {
	s := &l.shape
	size := s.H * s.W * s.C
	if len(src) < s.N*size {
		panic("kernels: LCN.Run: src too short")
	}
	if len(dst) < s.N*size {
		panic("kernels: LCN.Run: dst too short")
	}
	if len(scratch) < l.ScratchLen() {
		panic("kernels: LCN.Run: scratch too short")
	}
	scratch = scratch[:l.ScratchLen()]
	if !disjoint(dst[:s.N*size], src[:s.N*size]) {
		panic("kernels: LCN.Run: dst overlaps src")
	}
	if !disjoint(scratch, dst[:s.N*size]) || !disjoint(scratch, src[:s.N*size]) {
		panic("kernels: LCN.Run: scratch overlaps dst or src")
	}
	k := lcnTasks.Get().(*lcnTask)
	*k = lcnTask{plan: l, isa: use[OpLCN]}
	k.sums, scratch = scratch[:s.H*l.padded], scratch[s.H*l.padded:]
	k.a, scratch = scratch[:s.H*l.wide], scratch[s.H*l.wide:]
	k.b, scratch = scratch[:s.H*l.wide], scratch[s.H*l.wide:]
	k.totals = scratch[:s.H]
	for n := range s.N {
		k.src, k.dst = src[n*size:(n+1)*size], dst[n*size:(n+1)*size]
		if s.Mode == LCNDivide {
			k.run(t, lcnSquares)
		} else {
			k.run(t, lcnMeans)
			k.run(t, lcnSubtract)
		}
		if s.Mode != LCNSubtract {
			k.run(t, lcnDeviations)
			k.mean = ref.Sum8(k.totals) / float32(s.H*s.W)
			k.run(t, lcnDivide)
		}
	}
	*k = lcnTask{}
	lcnTasks.Put(k)
}

func (k *lcnTask) run(t *Team, phase lcnPhase) {
	k.phase = phase
	t.Run(k, k.plan.bands)
}

// Tile does one band's part of the phase.
func (k *lcnTask) Tile(i, _ int) {
	l, s := k.plan, &k.plan.shape
	row := s.W * s.C
	for y := i * l.rows; y < min((i+1)*l.rows, s.H); y++ {
		src, dst := &k.src[y*row], &k.dst[y*row]
		a, b := &k.a[y*l.wide], &k.b[y*l.wide]
		sums := k.sums[y*l.padded : (y+1)*l.padded]
		middle := &sums[l.pad]
		switch k.phase {
		case lcnMeans:
			if s.C == 1 {
				copy(sums[l.pad:l.pad+s.W], k.src[y*row:])
			} else {
				lcnSum(k.isa, middle, src, s.W, s.C, 0)
			}
			k.blurAcross(a, sums)
		case lcnSubtract:
			k.blurDown(b, k.a, y, 0)
			k.subtract(dst, middle, src, b)
			if s.Mode == LCNBoth {
				k.blurAcross(b, sums)
			}
		case lcnSquares:
			lcnSum(k.isa, middle, src, s.W, s.C, 1)
			k.blurAcross(b, sums)
		case lcnDeviations:
			k.blurDown(a, k.b, y, 1)
			lcnSum(k.isa, &k.totals[y], a, 1, s.W, 0)
		case lcnDivide:
			from := src
			if s.Mode == LCNBoth {
				from = dst
			}
			k.divide(dst, from, a)
		}
	}
}

// subtract computes a row of dst = src - mean, and the sums of its squares.
func (k *lcnTask) subtract(dst, squares, src, mean *float32) {
	s := &k.plan.shape
	switch {
	case s.C == 1:
		lcnFlatSub(k.isa, dst, squares, src, mean, s.W)
	case s.C < sumLanes && lcnHasFew(k.isa):
		n := s.W &^ (sumLanes - 1)
		if n > 0 {
			lcnFewSub(dst, src, mean, &k.plan.order[0], n/sumLanes, s.C)
		}
		if n < s.W {
			lcnSubGeneric(add(dst, 4*n*s.C), add(squares, 4*n), add(src, 4*n*s.C), add(mean, 4*n), s.W-n, s.C)
		}
		lcnSum(k.isa, squares, dst, s.W, s.C, 1)
	default:
		lcnSub(k.isa, dst, squares, src, mean, s.W, s.C)
	}
}

// divide computes a row of dst = src / Max(Floor, Max(mean, dev)).
func (k *lcnTask) divide(dst, src, dev *float32) {
	s := &k.plan.shape
	switch {
	case s.C == 1:
		lcnFlatDiv(k.isa, dst, src, dev, k.mean, s.Floor, s.W)
	case s.C < sumLanes && lcnHasFew(k.isa):
		n := s.W &^ (sumLanes - 1)
		if n > 0 {
			lcnFewDiv(dst, src, dev, &k.plan.order[0], k.mean, s.Floor, n/sumLanes, s.C)
		}
		if n < s.W {
			lcnDivGeneric(add(dst, 4*n*s.C), add(src, 4*n*s.C), add(dev, 4*n), k.mean, s.Floor, s.W-n, s.C)
		}
	default:
		lcnDiv(k.isa, dst, src, dev, k.mean, s.Floor, s.W, s.C)
	}
}

// blurAcross blurs a row of sums along x.
func (k *lcnTask) blurAcross(dst *float32, sums []float32) {
	l := k.plan
	clear(sums[:l.pad])
	clear(sums[l.pad+l.shape.W:])
	lcnBlur(k.isa, dst, &sums[0], 4, &l.g[0], len(l.g), &l.across[0], 1, 0, l.wide)
}

// blurDown blurs row y of a map along y; root is 1 for the square root of that.
func (k *lcnTask) blurDown(dst *float32, m []float32, y, root int) {
	l := k.plan
	from, to := max(0, l.pad-y), min(len(l.g), l.shape.H+l.pad-y)
	lcnBlur(k.isa, dst, &m[(y-l.pad+from)*l.wide], 4*l.wide, &l.g[from], to-from, &l.down[y], 0, root, l.wide)
}

// The kernels in plain Go; package asm says what they compute.

func lcnBlurGeneric(dst, src *float32, step int, g *float32, k int, scale *float32, scaleStep, root, n int) {
	out, taps := unsafe.Slice(dst, n), unsafe.Slice(g, k)
	clear(out)
	for q, w := range taps {
		for i, v := range unsafe.Slice(add(src, q*step), n) {
			out[i] = ref.FMA32(v, w, out[i])
		}
	}
	for i, v := range out {
		v *= *add(scale, 4*scaleStep*i)
		if root != 0 {
			v = float32(math.Sqrt(float64(v)))
		}
		out[i] = v
	}
}

func lcnSumGeneric(dst, src *float32, pixels, channels, square int) {
	for p := range unsafe.Slice(dst, pixels) {
		x := unsafe.Slice(add(src, 4*p*channels), channels)
		if square != 0 {
			*add(dst, 4*p) = ref.Dot8(x, x)
		} else {
			*add(dst, 4*p) = ref.Sum8(x)
		}
	}
}

func lcnSubGeneric(dst, squares, src, mean *float32, pixels, channels int) {
	for p, m := range unsafe.Slice(mean, pixels) {
		v := unsafe.Slice(add(dst, 4*p*channels), channels)
		for c, x := range unsafe.Slice(add(src, 4*p*channels), channels) {
			v[c] = x - m
		}
		*add(squares, 4*p) = ref.Dot8(v, v)
	}
}

func lcnDivGeneric(dst, src, dev *float32, mean, floor float32, pixels, channels int) {
	for p, d := range unsafe.Slice(dev, pixels) {
		d = ref.Max(floor, ref.Max(mean, d))
		v := unsafe.Slice(add(dst, 4*p*channels), channels)
		for c, x := range unsafe.Slice(add(src, 4*p*channels), channels) {
			v[c] = x / d
		}
	}
}

// checkLCN compares the kernels with ref.
func checkLCN() bool {
	r := checkRand(1)
	for _, c := range []int{1, 3, 21} {
		for mode := LCNBoth; mode <= LCNDivide; mode++ {
			s := LCN2D{N: 1, H: 3, W: 9, C: c, Size: 5, Sigma: 1.5, Mode: mode}
			l := NewLCN(s)
			src := r.fill(s.H * s.W * c)
			got, want := make([]float32, len(src)), make([]float32, len(src))
			l.Run(nil, got, src, make([]float32, l.ScratchLen()))
			ref.LCN(want, src, &s)
			if !sameBits(got, want) {
				return false
			}
		}
	}
	return true
}
