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
	if err := isType(in, 0, tensor.Float32); err != nil {
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

func (l *LCN) Forward(e *Env, in, out []*tensor.Tensor) error {
	s := in[0].Shape()
	n, c, h, w := s[0], s[1], s[2], s[3]
	area := h * w
	if n*c*area == 0 {
		return nil
	}
	g := ref.Gaussian(l.Size, l.Sigma)
	b := blur{g: g, across: ref.GaussianScale(w, g, c), down: ref.GaussianScale(h, g, 1), rows: e.Floats(area)}
	sums, local := e.Floats(area), e.Floats(area)
	totals := e.Floats(h)
	for img := range n {
		x, y := in[0].Float32s()[img*c*area:(img+1)*c*area], out[0].Float32s()[img*c*area:(img+1)*c*area]
		for i := range sums {
			var lane [8]float32
			for q := range c {
				lane[q&7] += x[q*area+i]
			}
			sums[i] = ref.Join8(&lane)
		}
		b.run(local, sums)
		for i, v := range x {
			y[i] = v - local[i%area]
		}
		for i := range sums {
			var lane [8]float32
			for q := range c {
				lane[q&7] = ref.FMA32(y[q*area+i], y[q*area+i], lane[q&7])
			}
			sums[i] = ref.Join8(&lane)
		}
		b.run(local, sums)
		for i, v := range local {
			local[i] = ref.Sqrt(v)
		}
		for r := range totals {
			totals[r] = ref.Sum8(local[r*w : (r+1)*w])
		}
		mean := ref.Sum8(totals) / float32(area)
		for i, d := range local {
			local[i] = ref.Max(l.Floor, ref.Max(mean, d))
		}
		for i := range y {
			y[i] /= local[i%area]
		}
	}
	return nil
}

// blur smooths maps [H,W] along x and then along y.
type blur struct {
	g            []float32 // the window along one axis
	across, down []float32 // what its sum is multiplied by, at each column and at each row
	rows         []float32 // [H,W], the map half done
}

func (b *blur) run(dst, src []float32) {
	h, w, pad := len(b.down), len(b.across), len(b.g)/2
	for i := range dst {
		var acc float32
		for q, g := range b.g {
			if p := i%w + q - pad; p >= 0 && p < w {
				acc = ref.FMA32(src[i-i%w+p], g, acc)
			}
		}
		b.rows[i] = acc * b.across[i%w]
	}
	for i := range dst {
		var acc float32
		for q, g := range b.g {
			if p := i/w + q - pad; p >= 0 && p < h {
				acc = ref.FMA32(b.rows[p*w+i%w], g, acc)
			}
		}
		dst[i] = acc * b.down[i/w]
	}
}
