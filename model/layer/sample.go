package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// GridSample reads x [N,C,D...] at the positions of a grid [N,E...,r], whose r coordinates, innermost dimension first, run from -1 to 1
// over the input (Jaderberg et al.: Spatial Transformer Networks, NIPS 2015).
type GridSample struct {
	Mode         string // "nearest", "linear", "cubic"
	Padding      string // "zeros", "border", "reflection"
	AlignCorners bool   // -1 and 1 are the centres of the outermost elements, not their outer edges
}

func (*GridSample) Kind() string { return "GridSample" }

func (g *GridSample) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	for i := range in {
		if err := isType(in, i, tensor.Float32); err != nil {
			return nil, err
		}
	}
	if err := rank(in, 0, 3, 5); err != nil {
		return nil, err
	}
	x, s := in[0].Shape, in[1].Shape
	if len(s) != len(x) || s[0] != x[0] || s[len(s)-1] != len(x)-2 || slices.Contains(x[2:], 0) {
		return nil, fmt.Errorf("grid %s for input %s", in[1], in[0])
	}
	if !slices.Contains([]string{"nearest", "linear", "cubic"}, g.Mode) || !slices.Contains([]string{"zeros", "border", "reflection"}, g.Padding) {
		return nil, fmt.Errorf("mode %q, padding_mode %q", g.Mode, g.Padding)
	}
	return one(in[0].DType, slices.Concat(x[:2], s[1:len(s)-1]))
}

// reflect mirrors x at the ends of lo..hi until it lies between them.
func reflect(x, lo, hi float64) float64 {
	span := hi - lo
	if span <= 0 {
		return lo
	}
	d := math.Mod(math.Abs(x-lo), 2*span)
	if d > span {
		d = 2*span - d
	}
	return lo + d
}

// place makes an element index of one that may lie outside; -1 stands for 0.
func (g *GridSample) place(i float64, n int, lo, hi float64) int {
	if i >= 0 && i <= float64(n-1) {
		return int(i)
	}
	switch g.Padding {
	case "border":
		return int(min(max(i, 0), float64(n-1)))
	case "reflection":
		return min(max(int(reflect(i, lo, hi)), 0), n-1)
	}
	return -1
}

// taps returns, along one dimension of n elements, which elements make the value at coordinate v, and their weights.
func (g *GridSample) taps(v float32, n int, index *[4]int, weight *[4]float32) int {
	size := float64(n)
	lo, hi := -0.5, size-0.5
	x := float64((float64(v)+1)*size/2) - 0.5
	if g.AlignCorners {
		lo, hi = 0, size-1
		x = (float64(v) + 1) / 2 * (size - 1)
	}
	if x != x {
		x = -1
	}
	x = min(max(x, -1<<30), 1<<30)
	// A cubic's elements are placed one by one below.
	if g.Mode != "cubic" && (x < lo || x > hi) {
		switch g.Padding {
		case "border":
			x = min(max(x, 0), size-1)
		case "reflection":
			x = reflect(x, lo, hi)
		}
	}
	switch g.Mode {
	case "nearest":
		index[0], weight[0] = g.place(math.RoundToEven(x), n, lo, hi), 1
		return 1
	case "linear":
		f := math.Floor(x)
		index[0], index[1] = g.place(f, n, lo, hi), g.place(f+1, n, lo, hi)
		weight[0], weight[1] = float32(1-(x-f)), float32(x-f)
		return 2
	}
	f := math.Floor(x)
	k := Resize{CubicA: -0.75}
	for i := range 4 {
		p := f - 1 + float64(i)
		index[i], weight[i] = g.place(p, n, lo, hi), float32(k.cubic(x-p))
	}
	return 4
}

func (g *GridSample) Forward(e *Env, in, out []*tensor.Tensor) error {
	shape := in[0].Shape()
	t := taskOf[gridTask](e)
	*t = gridTask{g: g, r: len(shape) - 2, dim: [3]int{1, 1, 1}, channels: shape[1], points: sizeOf(out[0].Shape()[2:]),
		x: in[0].Float32s(), grid: in[1].Float32s(), y: out[0].Float32s()}
	copy(t.dim[3-t.r:], shape[2:]) // missing leading dimensions count as 1 element, read with weight 1
	t.pieces = (t.points + gridPiece - 1) / gridPiece
	if len(t.y) > 0 {
		e.Team.Run(t, shape[0]*t.pieces)
	}
	*t = gridTask{}
	return nil
}

// gridPiece is how many positions a tile has.
const gridPiece = 256

// gridTask is a GridSample being computed. A tile is some positions of a picture, in all channels.
type gridTask struct {
	g                        *GridSample
	r                        int // dimensions
	dim                      [3]int
	channels, points, pieces int
	x, grid, y               []float32
}

func (t *gridTask) Tile(i, _ int) {
	n, from := i/t.pieces, i%t.pieces*gridPiece
	var r gridReads
	r.weight[0][0], r.weight[1][0] = 1, 1
	for p := from; p < min(from+gridPiece, t.points); p++ {
		t.point(n, p, &r)
	}
}

// gridReads are the elements that make a value: along each dimension, and in all.
type gridReads struct {
	index  [3][4]int
	weight [3][4]float32
	off    [64]int
	w      [64]float32
}

// point computes one position: first what is read where, then all channels.
func (t *gridTask) point(n, p int, r *gridReads) {
	count := [3]int{1, 1, 1}
	for d := range t.r {
		k := 3 - t.r + d
		count[k] = t.g.taps(t.grid[(n*t.points+p)*t.r+t.r-1-d], t.dim[k], &r.index[k], &r.weight[k])
	}
	taps := 0
	for a := range count[0] {
		for b := range count[1] {
			for c := range count[2] {
				if i, j, k := r.index[0][a], r.index[1][b], r.index[2][c]; i >= 0 && j >= 0 && k >= 0 {
					r.off[taps], r.w[taps] = (i*t.dim[1]+j)*t.dim[2]+k, float32(float32(r.weight[0][a]*r.weight[1][b])*r.weight[2][c])
					taps++
				}
			}
		}
	}
	size := t.dim[0] * t.dim[1] * t.dim[2]
	for c := range t.channels {
		plane := t.x[(n*t.channels+c)*size:][:size]
		var sum float32
		for k, o := range r.off[:taps] {
			sum += float32(r.w[k] * plane[o])
		}
		t.y[(n*t.channels+c)*t.points+p] = sum
	}
}

// RoiAlign pools regions of x [N,C,H,W] to Height x Width by bilinear samples (He et al.: Mask R-CNN, ICCV 2017, §3).
// Inputs: x, regions [R,4] (x1, y1, x2, y2), and each one's image [R].
type RoiAlign struct {
	Max           bool // the largest weighted corner of all samples instead of their mean
	HalfPixel     bool // positions are shifted by half a pixel
	Height, Width int
	Samples       int // per side of a bin; 0: as many as its size in pixels
	Scale         float32
}

func (*RoiAlign) Kind() string { return "RoiAlign" }

func (r *RoiAlign) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if in[0].DType != tensor.Float32 || in[1].DType != tensor.Float32 || in[2].DType != tensor.Int64 ||
		len(in[0].Shape) != 4 || len(in[1].Shape) != 2 || in[1].Shape[1] != 4 || len(in[2].Shape) != 1 || in[2].Shape[0] != in[1].Shape[0] {
		return nil, fmt.Errorf("input %s, regions %s, images %s", in[0], in[1], in[2])
	}
	if r.Height < 1 || r.Width < 1 || r.Samples < 0 || r.Samples > 1<<12 || r.Height > 1<<20 || r.Width > 1<<20 || in[0].Shape[2] == 0 || in[0].Shape[3] == 0 {
		return nil, fmt.Errorf("output %dx%d, sampling_ratio %d from %s", r.Height, r.Width, r.Samples, in[0])
	}
	return one(tensor.Float32, []int{in[1].Shape[0], in[0].Shape[1], r.Height, r.Width})
}

func (r *RoiAlign) Work(in, out []Info) int64 {
	if r.Samples > 0 {
		return product(sizeOf(out[0].Shape), r.Samples, r.Samples)
	}
	return product(sizeOf(out[0].Shape), 2*in[0].Shape[2]+2, 2*in[0].Shape[3]+2)
}

func (r *RoiAlign) Forward(e *Env, in, out []*tensor.Tensor) error {
	s := in[0].Shape()
	t := taskOf[roiTask](e)
	*t = roiTask{r: r, n: s[0], h: s[2], w: s[3], c: s[1], x: in[0].Float32s(), y: out[0].Float32s(), regions: in[1].Float32s(), images: in[2].Int64s()}
	for k := range t.images {
		if _, err := position(t.images[k], s[0]); err != nil {
			return err
		}
		if _, err := t.region(k); err != nil {
			return err
		}
	}
	if len(t.y) == 0 {
		return nil
	}
	t.pixel, t.channel = 1, t.h*t.w
	if product(out[0].Len(), max(1, r.Samples), max(1, r.Samples)) > int64(len(t.x)) { // worth laying channels side by side
		x := e.Floats(len(t.x))
		kernels.NCHWToNHWC(e.Team, x, t.x, s[0], t.c, t.h*t.w)
		t.x, t.pixel, t.channel = x, t.c, 1
	}
	t.sums = e.Floats(e.Team.Threads() * t.c)
	e.Team.Run(t, len(t.images))
	return nil
}

// roiTask pools one region per tile.
type roiTask struct {
	r              *RoiAlign
	n, h, w, c     int
	pixel, channel int // elements of x from one to the next
	x, y, regions  []float32
	images         []int64
	sums           []float32 // [worker,c]
}

// region is where the samples of a region lie.
type region struct {
	top, left, high, wide float32 // of the first bin
	rows, cols            int     // samples in a bin
}

// region resolves one.
func (t *roiTask) region(k int) (g region, err error) {
	r := t.r
	var b [4]float32
	for i, v := range t.regions[k*4 : k*4+4] {
		b[i] = float32(v * r.Scale)
		if r.HalfPixel {
			b[i] -= 0.5
		}
		if !(ref.Abs(b[i]) < 1<<24) {
			return g, fmt.Errorf("region %d is %v", k, t.regions[k*4:k*4+4])
		}
	}
	rw, rh := b[2]-b[0], b[3]-b[1]
	if !r.HalfPixel {
		rw, rh = maxOf(1, rw), maxOf(1, rh)
	}
	g = region{b[1], b[0], rh / float32(r.Height), rw / float32(r.Width), r.Samples, r.Samples}
	if r.Samples == 0 {
		g.rows, g.cols = int(math.Ceil(float64(g.high))), int(math.Ceil(float64(g.wide)))
		// A bin that is twice as large as the input is no region of it.
		if g.cols > 2*t.w+2 || g.rows > 2*t.h+2 {
			return g, fmt.Errorf("region %d is %v, too large to sample", k, t.regions[k*4:k*4+4])
		}
	}
	return g, nil
}

func (t *roiTask) Tile(k, worker int) {
	r := t.r
	g, _ := t.region(k)
	img, _ := position(t.images[k], t.n)
	x, sums := t.x[img*t.c*t.h*t.w:][:t.c*t.h*t.w], t.sums[worker*t.c:][:t.c]
	first := float32(0)
	if r.Max && g.rows > 0 && g.cols > 0 {
		first = float32(math.Inf(-1))
	}
	for bin := range r.Height * r.Width {
		for c := range sums {
			sums[c] = first
		}
		for iy := range g.rows {
			for ix := range g.cols {
				t.sample(sums, x, g.top+float32(float32(bin/r.Width)*g.high)+(float32(iy)+0.5)*g.high/float32(g.rows),
					g.left+float32(float32(bin%r.Width)*g.wide)+(float32(ix)+0.5)*g.wide/float32(g.cols))
			}
		}
		y := t.y[k*t.c*r.Height*r.Width+bin:]
		for c, v := range sums {
			if !r.Max {
				v /= float32(max(1, g.rows*g.cols))
			}
			y[c*r.Height*r.Width] = v
		}
	}
}

// sample adds the interpolated values at (y, x) to all channels' sums or, where Max is set, lets their largest weighted corners compete; outside, all are 0.
func (t *roiTask) sample(sums, p []float32, y, x float32) {
	h, w := t.h, t.w
	if !(y >= -1 && y <= float32(h) && x >= -1 && x <= float32(w)) {
		if t.r.Max {
			for c, v := range sums {
				sums[c] = maxOf(v, 0)
			}
		}
		return
	}
	y, x = maxOf(0, y), maxOf(0, x)
	y0, x0 := min(int(y), h-1), min(int(x), w-1)
	y1, x1 := min(y0+1, h-1), min(x0+1, w-1)
	ly, lx := y-float32(y0), x-float32(x0)
	if y0 == h-1 {
		ly = 0
	}
	if x0 == w-1 {
		lx = 0
	}
	hy, hx := 1-ly, 1-lx
	wa, wb, wc, wd := float32(hy*hx), float32(hy*lx), float32(ly*hx), float32(ly*lx)
	pa, pb, pc, pd := p[(y0*w+x0)*t.pixel:], p[(y0*w+x1)*t.pixel:], p[(y1*w+x0)*t.pixel:], p[(y1*w+x1)*t.pixel:]
	for c, v := range sums {
		i := c * t.channel
		a, b, d, e := float32(wa*pa[i]), float32(wb*pb[i]), float32(wc*pc[i]), float32(wd*pd[i])
		if t.r.Max {
			sums[c] = maxOf(v, maxOf(maxOf(a, b), maxOf(d, e)))
		} else {
			sums[c] = v + (a + b + d + e)
		}
	}
}
