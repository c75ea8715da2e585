package ref

import "math"

// LCNMode says which halves of local contrast normalisation are done.
type LCNMode int

const (
	LCNBoth     LCNMode = iota // subtract the local mean, then divide by the local deviation
	LCNSubtract                // only subtract
	LCNDivide                  // only divide
)

// LCN2D is the shape of a local contrast normalisation over [N,H,W,C].
type LCN2D struct {
	N, H, W, C int
	Size       int     // side of the window, odd
	Sigma      float32 // standard deviation of the Gaussian, in pixels
	Floor      float32 // least divisor; above 0 it makes a flat picture come out as 0 and not as 0/0
	Mode       LCNMode
}

// Gaussian returns size weights proportional to exp(-q²/(2·sigma²)), q counted from the middle, that add up to 1.
func Gaussian(size int, sigma float32) []float32 {
	g := make([]float64, size)
	sum := 0.0
	for i := range g {
		q := float64(i) - float64(size-1)/2
		d := float64(sigma) * float64(sigma)
		g[i] = expNegative(float64(q*q) / float64(2*d))
		sum += g[i]
	}
	w := make([]float32, size)
	for i := range w {
		w[i] = float32(g[i] / sum)
	}
	return w
}

// expNegative returns exp(-a) for a ≥ 0, the same bits on every machine, which math.Exp does not promise.
func expNegative(a float64) float64 {
	if a > 700 {
		return 0
	}
	a = float64(a / 1024)
	// Taylor's series in Horner's form; a is below 0.7.
	e := 1.0
	for n := 18; n > 0; n-- {
		e = float64(1 - float64(float64(a/float64(n))*e))
	}
	for range 10 {
		e = float64(e * e)
	}
	return e
}

// GaussianScale returns 1/(times·Σ g) for each of n positions, the sum going over the weights that lie inside.
func GaussianScale(n int, g []float32, times int) []float32 {
	s := make([]float32, n)
	for x := range s {
		sum := 0.0
		for q, w := range g {
			if p := x + q - len(g)/2; p >= 0 && p < n {
				sum += float64(w)
			}
		}
		s[x] = float32(1 / float64(sum*float64(times)))
	}
	return s
}

// LCN normalises the contrast around each position (Jarrett, Kavukcuoglu, Ranzato, LeCun: What is the best multi-stage architecture
// for object recognition?, ICCV 2009, §2.2):
//
//	v[y,x,c] = src[y,x,c] - Σ_{p,q,k} w_pq·src[y+p,x+q,k]
//	σ[y,x]   = √(Σ_{p,q,k} w_pq·v[y+p,x+q,k]²)
//	dst      = v / Max(Floor, Max(mean, σ)), mean being the mean of σ over the picture
//
// w is a Gaussian window over positions, the same for all channels, with Σ_{p,q,k} w_pq = 1. The paper does not say what happens at the
// edge of the picture. Here the weights that lie inside are scaled to add up to 1 again, so that a flat picture has v = 0
// everywhere; zeros around the picture would draw a frame into it.
//
// The order of operations: sums over channels by Sum8 (squares by Dot8); then along x, Σ_q FMA32 from +0, q ascending, times
// GaussianScale(W, g, C); then the same along y times GaussianScale(H, g, 1). The mean is Sum8 over rows of Sum8 over columns, divided by H·W.
//
// src and dst are [N,H,W,C].
func LCN(dst, src []float32, s *LCN2D) {
	g := Gaussian(s.Size, s.Sigma)
	across, down := GaussianScale(s.W, g, s.C), GaussianScale(s.H, g, 1)
	size := s.H * s.W * s.C
	sums := make([]float32, s.H*s.W)
	for n := 0; n < s.N; n++ {
		v := dst[n*size : (n+1)*size]
		copy(v, src[n*size:])
		if s.Mode != LCNDivide {
			for p := range sums {
				sums[p] = Sum8(v[p*s.C : (p+1)*s.C])
			}
			mean := blur(sums, g, across, down)
			for i := range v {
				v[i] -= mean[i/s.C]
			}
		}
		if s.Mode == LCNSubtract {
			continue
		}
		dev := make([]float32, s.H*s.W)
		mean := lcnDeviations(dev, v, s)
		for i := range v {
			v[i] /= Max(s.Floor, Max(mean, dev[i/s.C]))
		}
	}
}

// lcnDeviations computes σ at each position of one picture, and returns its mean.
func lcnDeviations(dev, v []float32, s *LCN2D) (mean float32) {
	g := Gaussian(s.Size, s.Sigma)
	for p := range dev {
		x := v[p*s.C : (p+1)*s.C]
		dev[p] = Dot8(x, x)
	}
	copy(dev, blur(dev, g, GaussianScale(s.W, g, s.C), GaussianScale(s.H, g, 1)))
	for p, d := range dev {
		dev[p] = float32(math.Sqrt(float64(d)))
	}
	return pictureSum(dev, s) / float32(s.H*s.W)
}

// blur returns the weighted sums of m around each position, along x and then along y.
func blur(m, g, across, down []float32) []float32 {
	w, h := len(across), len(down)
	rows, out := make([]float32, len(m)), make([]float32, len(m))
	for y := range h {
		for x := range w {
			var acc float32
			for q, weight := range g {
				if p := x + q - len(g)/2; p >= 0 && p < w {
					acc = FMA32(m[y*w+p], weight, acc)
				}
			}
			rows[y*w+x] = acc * across[x]
		}
	}
	for y := range h {
		for x := range w {
			var acc float32
			for q, weight := range g {
				if p := y + q - len(g)/2; p >= 0 && p < h {
					acc = FMA32(rows[p*w+x], weight, acc)
				}
			}
			out[y*w+x] = acc * down[y]
		}
	}
	return out
}
