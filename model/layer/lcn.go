package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// LCN is local contrast normalisation of x [N,C,H,W], as ref.LCN defines it for [N,H,W,C]: it takes away the local mean over all
// channels and divides by the local deviation, or by its mean over the picture or by Floor, whichever is the largest.
// Near the border the window's weights that lie inside are scaled to sum to 1. It has no inputs but x and returns the bits of ref.LCN.
type LCN struct {
	Size  int     // side of the Gaussian window, odd
	Sigma float32 // its standard deviation in pixels
	Floor float32 // least divisor; above 0 it makes a flat picture come out as 0 and not as 0/0
}

// maxLCN is the widest window. It bounds what a plan takes.
const maxLCN = 1023

func (*LCN) Kind() string { return "LCN" }

func (l *LCN) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 4, 4); err != nil {
		return nil, err
	}
	switch {
	case l.Size < 1 || l.Size > maxLCN || l.Size%2 == 0:
		return nil, fmt.Errorf("the window's size is %d, not odd and from 1 to %d", l.Size, maxLCN)
	case !(l.Sigma > 0) || l.Sigma > math.MaxFloat32:
		return nil, fmt.Errorf("sigma is %g, not positive", l.Sigma)
	case !(l.Floor >= 0):
		return nil, fmt.Errorf("the floor is %g, less than 0", l.Floor)
	}
	return same(in)
}

func (l *LCN) MACs(in, _ []Info) int64 {
	s := in[0].Shape
	return 4 * int64(s[0]*s[2]) * int64(s[3]) * int64(l.Size)
}

func (l *LCN) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&LCNGrad{*l}, in[0], dout[0])}
}

func (l *LCN) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].Len() == 0 {
		return nil
	}
	if in[0].DType() == tensor.Float64 {
		contrast[float64](e, l, in[0], out[0])
	} else {
		contrast[float32](e, l, in[0], out[0])
	}
	return nil
}

func contrast[T real](e *Env, l *LCN, in, out *tensor.Tensor) {
	s := in.Shape()
	n, c, h, w := s[0], s[1], s[2], s[3]
	area := h * w
	b := newBlur[T](e, l, s)
	sums, local := scratch[T](e, area), scratch[T](e, area)
	totals := scratch[T](e, h)
	for img := range n {
		x, y := tensor.Data[T](in)[img*c*area:(img+1)*c*area], tensor.Data[T](out)[img*c*area:(img+1)*c*area]
		for i := range sums {
			var lane [8]T
			for q := range c {
				lane[q&7] += x[q*area+i]
			}
			sums[i] = join8(&lane)
		}
		b.run(local, sums)
		for i, v := range x {
			y[i] = v - local[i%area]
		}
		for i := range sums {
			var lane [8]T
			for q := range c {
				lane[q&7] = fma(y[q*area+i], y[q*area+i], lane[q&7])
			}
			sums[i] = join8(&lane)
		}
		b.run(local, sums)
		for i, v := range local {
			local[i] = root(v)
		}
		mean := pictureMean(totals, local)
		for i, d := range local {
			local[i] = maxOf(T(l.Floor), maxOf(mean, d))
		}
		for i := range y {
			y[i] /= local[i%area]
		}
	}
}

// pictureMean returns the mean of a map, summed by rows, whose sums totals holds.
func pictureMean[T real](totals, m []T) T {
	w := len(m) / len(totals)
	for r := range totals {
		totals[r] = sum8(m[r*w : (r+1)*w])
	}
	return sum8(totals) / T(len(m))
}

// blur smooths maps [H,W] along x and then along y.
type blur[T real] struct {
	g            []T // the window along one axis
	across, down []T // what its sum is multiplied by, at each column and at each row
	rows         []T // [H,W], the map half done
}

// newBlur returns the local mean over all channels of pictures [N,C,H,W].
func newBlur[T real](e *Env, l *LCN, s []int) *blur[T] {
	g := ref.Gaussian(l.Size, l.Sigma)
	return &blur[T]{widened[T](g), widened[T](ref.GaussianScale(s[3], g, s[1])), widened[T](ref.GaussianScale(s[2], g, 1)), scratch[T](e, s[2]*s[3])}
}

// widened converts numbers to T.
func widened[T real](v []float32) []T {
	w := make([]T, len(v))
	for i, x := range v {
		w[i] = T(x)
	}
	return w
}

func (b *blur[T]) run(dst, src []T) {
	b.along(b.rows, src, true)
	for i := range b.rows {
		b.rows[i] *= b.across[i%len(b.across)]
	}
	b.along(dst, b.rows, false)
	for i := range dst {
		dst[i] *= b.down[i/len(b.across)]
	}
}

// transposed applies the transposed map.
func (b *blur[T]) transposed(dst, src []T) {
	for i, v := range src {
		dst[i] = v * b.down[i/len(b.across)]
	}
	b.along(b.rows, dst, false)
	for i := range b.rows {
		b.rows[i] *= b.across[i%len(b.across)]
	}
	b.along(dst, b.rows, true)
}

// along sums over the window along x or along y.
func (b *blur[T]) along(dst, src []T, x bool) {
	h, w, pad := len(b.down), len(b.across), len(b.g)/2
	n, step := h, w
	if x {
		n, step = w, 1
	}
	for i := range dst {
		at := i / step % n
		var acc T
		for q, g := range b.g {
			if p := at + q - pad; p >= 0 && p < n {
				acc = fma(src[i+(p-at)*step], g, acc)
			}
		}
		dst[i] = acc
	}
}

// LCNGrad computes dx of an LCN from x and dy. It returns the bits of ref.LCNGrad.
type LCNGrad struct{ LCN LCN }

func (*LCNGrad) Kind() string { return "LCNGrad" }

func (g *LCNGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := oneType(in); err != nil {
		return nil, err
	}
	if err := isShape(in, 1, in[0].Shape); err != nil {
		return nil, err
	}
	return g.LCN.Infer(in[:1])
}

func (g *LCNGrad) MACs(in, out []Info) int64 { return 2 * g.LCN.MACs(in, out) }

func (g *LCNGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].Len() == 0 {
		return nil
	}
	if in[0].DType() == tensor.Float64 {
		g.LCN.back64(e, in, out[0])
	} else {
		g.LCN.back32(e, in, out[0])
	}
	return nil
}

// back32 turns the pictures to channels last and back.
func (l *LCN) back32(e *Env, in []*tensor.Tensor, out *tensor.Tensor) {
	s := in[0].Shape()
	n, c, area := s[0], s[1], s[2]*s[3]
	x, dy, dx := e.Floats(n*c*area), e.Floats(n*c*area), e.Floats(n*c*area)
	for i := range x {
		at := i/(c*area)*c*area + i%c*area + i/c%area
		x[i], dy[i] = in[0].Float32s()[at], in[1].Float32s()[at]
	}
	ref.LCNGrad(dx, dy, x, &ref.LCN2D{N: n, H: s[2], W: s[3], C: c, Size: l.Size, Sigma: l.Sigma, Floor: l.Floor})
	for i, v := range dx {
		out.Float32s()[i/(c*area)*c*area+i%c*area+i/c%area] = v
	}
}

// back64 goes back through y = v/D, D = max(Floor, mean, σ), σ² = blur(Σ v²), v = x - blur(Σ x).
func (l *LCN) back64(e *Env, in []*tensor.Tensor, out *tensor.Tensor) {
	s := in[0].Shape()
	n, c, h, area := s[0], s[1], s[2], s[2]*s[3]
	b := newBlur[float64](e, l, s)
	sums, dev, back := scratch[float64](e, area), scratch[float64](e, area), scratch[float64](e, area)
	v, dv, totals := scratch[float64](e, c*area), scratch[float64](e, c*area), scratch[float64](e, h)
	for img := range n {
		from, to := img*c*area, (img+1)*c*area
		x, dy, dx := tensor.Data[float64](in[0])[from:to], tensor.Data[float64](in[1])[from:to], tensor.Data[float64](out)[from:to]
		clear(sums)
		for i, p := range x {
			sums[i%area] += p
		}
		b.run(dev, sums)
		clear(sums)
		for i, p := range x {
			v[i] = p - dev[i%area]
			sums[i%area] += float64(v[i] * v[i])
		}
		b.run(dev, sums)
		for i, p := range dev {
			dev[i] = math.Sqrt(p)
		}
		mean, floor := pictureMean(totals, dev), float64(l.Floor)
		// sums becomes the gradient by D.
		clear(sums)
		for i, g := range dy {
			d := max(floor, mean, dev[i%area])
			dv[i] = g / d
			sums[i%area] -= dv[i] * v[i] / d
		}
		all := 0.0 // by the mean
		for i, g := range sums {
			if mean > floor && mean > dev[i] {
				all += g
			}
		}
		for i, d := range dev {
			g := all / float64(area)
			if d >= mean && d > floor {
				g += sums[i]
			}
			if sums[i] = 0; d > 0 { // by σ²
				sums[i] = g / (2 * d)
			}
		}
		b.transposed(back, sums)
		clear(sums)
		for i := range dv {
			dv[i] += float64(2 * v[i] * back[i%area])
			sums[i%area] -= dv[i]
		}
		b.transposed(back, sums)
		for i, g := range dv {
			dx[i] = g + back[i%area]
		}
	}
}
