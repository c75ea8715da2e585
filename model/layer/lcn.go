package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// LCN is local contrast normalisation (Jarrett, Kavukcuoglu, Ranzato, LeCun: What is the best multi-stage architecture for object
// recognition?, ICCV 2009, §2.1): from x [N,C,H,W] it takes away the local mean over all channels,
// v = x - mean_c(x)∗w, and divides by the local deviation, y = v/max(mean(σ), σ) with σ = √(mean_c(v²)∗w), mean(σ) being that image's.
//
// w is input 1, the window [1,1,K,K] with K odd, whose elements sum to 1; see GaussianWindow. Positions outside x count as 0.
// Where max(mean(σ), σ) is 0 the image is constant, and y is 0.
type LCN struct{}

func (*LCN) Kind() string { return "LCN" }

// GaussianWindow returns a window for LCN: K x K weights of a Gaussian of standard deviation sigma in pixels that sum to 1.
func GaussianWindow(k int, sigma float64) *tensor.Tensor {
	w := make([]float32, k*k)
	sum := 0.0
	at := func(i int) float64 {
		y, x := float64(i/k-k/2), float64(i%k-k/2)
		return math.Exp(-(float64(y*y) + float64(x*x)) / (2 * sigma * sigma))
	}
	for i := range w {
		sum += at(i)
	}
	for i := range w {
		w[i] = float32(at(i) / sum)
	}
	return tensor.Of(w, 1, 1, k, k)
}

func (*LCN) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	for i := range in {
		if err := isType(in, i, tensor.Float32); err != nil {
			return nil, err
		}
	}
	if err := rank(in, 0, 4, 4); err != nil {
		return nil, err
	}
	w := in[1].Shape
	if len(w) != 4 || w[0] != 1 || w[1] != 1 || w[2] != w[3] || w[2]%2 != 1 {
		return nil, fmt.Errorf("the window is %s, not [1 1 K K] with K odd", in[1])
	}
	return same(in)
}

func (*LCN) MACs(in, out []Info) int64 {
	s := in[0].Shape
	return 2 * int64(s[0]*s[2]) * int64(s[3]) * int64(sizeOf(in[1].Shape))
}

func (*LCN) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, k := in[0].Shape(), in[1].Dim(2)
	n, c, area := s[0], s[1], s[2]*s[3]
	x, y, w := in[0].Float32s(), out[0].Float32s(), in[1].Float32s()
	mean, blur := e.Floats(area), e.Floats(area)
	if n*c*area == 0 {
		return nil
	}
	for img := range n {
		x, y := x[img*c*area:(img+1)*c*area], y[img*c*area:(img+1)*c*area]
		for i := range mean {
			var lane [8]float32
			for q := range c {
				lane[q&7] += x[q*area+i]
			}
			mean[i] = ref.Join8(&lane) / float32(c)
		}
		smooth(blur, mean, w, s[2], s[3], k)
		for i, v := range x {
			y[i] = v - blur[i%area]
		}
		for i := range mean {
			var lane [8]float32
			for q := range c {
				lane[q&7] = ref.FMA32(y[q*area+i], y[q*area+i], lane[q&7])
			}
			mean[i] = ref.Join8(&lane) / float32(c)
		}
		smooth(blur, mean, w, s[2], s[3], k)
		var lane [8]float32
		for i, v := range blur {
			blur[i] = ref.Sqrt(v)
			lane[i&7] += blur[i]
		}
		floor := ref.Join8(&lane) / float32(area)
		for i := range blur {
			blur[i] = maxOf(floor, blur[i])
		}
		for i, v := range y {
			if d := blur[i%area]; d != 0 {
				y[i] = v / d
			} else {
				y[i] = 0
			}
		}
	}
	return nil
}

// smooth computes dst[y,x] = Σ src[y+i-K/2, x+j-K/2]·w[i,j] for an image of h rows.
func smooth(dst, src, w []float32, h, width, k int) {
	for y := range h {
		for x := range width {
			var acc float32
			for i := range k {
				for j := range k {
					if p, q := y+i-k/2, x+j-k/2; p >= 0 && p < h && q >= 0 && q < width {
						acc = ref.FMA32(src[p*width+q], w[i*k+j], acc)
					}
				}
			}
			dst[y*width+x] = acc
		}
	}
}
