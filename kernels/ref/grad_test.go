package ref

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The gradients are held against finite differences, in float64, of the functions written down again.

// differences returns d/dx Σ dy·f(x) by central differences.
func differences(f func(x []float64) []float64, x, dy []float32) []float64 {
	const h = 0x1p-17 // the error is h² times a third derivative, and 2^-53/h
	at := make([]float64, len(x))
	for i, v := range x {
		at[i] = float64(v)
	}
	loss := func() (l float64) {
		for i, y := range f(at) {
			l += float64(dy[i]) * y
		}
		return l
	}
	d := make([]float64, len(x))
	for i, v := range at {
		at[i] = v + h
		up := loss()
		at[i] = v - h
		d[i] = (up - loss()) / (2 * h)
		at[i] = v
	}
	return d
}

// agree asserts that got is want within k rounding errors of scale, and the error of differences.
func agree(t *testing.T, what string, got []float32, want []float64, scale, k float64) {
	t.Helper()
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w); !(d <= (k*0x1p-24+0x1p-30)*scale) {
			t.Errorf("%s: element %d = %g, want %g", what, i, got[i], w)
			return
		}
	}
}

func TestActivationGradients(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for _, f := range []struct {
		name    string
		forward func(x float64) float64
		grad    func(dy, x, y float32) float32
		k       float64 // rounding errors of a result in [-2, 2] before the factor dy
	}{
		{"ReLU", func(x float64) float64 { return max(x, 0) }, func(dy, _, y float32) float32 { return ReLUGrad(dy, y) }, 0},
		{"Clip", func(x float64) float64 { return min(max(x, -1), 1.5) }, func(dy, _, y float32) float32 { return ClipGrad(dy, y, -1, 1.5) }, 0},
		{"LeakyReLU", func(x float64) float64 { return max(x, 0.125*x) }, func(dy, x, _ float32) float32 { return LeakyReLUGrad(dy, x, 0.125) }, 1},
		{"Sigmoid", sigmoid, func(dy, _, y float32) float32 { return SigmoidGrad(dy, y) }, 4},
		{"Tanh", math.Tanh, func(dy, _, y float32) float32 { return TanhGrad(dy, y) }, 6},
		{"ELU", func(x float64) float64 {
			if x > 0 {
				return x
			}
			return 0.75 * math.Expm1(x)
		}, func(dy, _, y float32) float32 { return ELUGrad(dy, y, 0.75, 1) }, 4},
		{"Softplus", func(x float64) float64 { return math.Log1p(math.Exp(x)) }, func(dy, _, y float32) float32 { return SoftplusGrad(dy, y) }, 4},
		{"HardSigmoid", func(x float64) float64 { return min(max(0.25*x+0.5, 0), 1) }, func(dy, _, y float32) float32 { return HardSigmoidGrad(dy, y, 0.25) }, 1},
		{"SiLU", func(x float64) float64 { return x * sigmoid(x) }, func(dy, x, _ float32) float32 { return SiLUGrad(dy, x) }, 8},
		{"HardSwish", func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) }, func(dy, x, _ float32) float32 { return HardSwishGrad(dy, x) }, 4},
		{"GELU", func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }, func(dy, x, _ float32) float32 { return GELUGrad(dy, x) }, 8},
		{"GELUTanh", func(x float64) float64 {
			return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		}, func(dy, x, _ float32) float32 { return GELUTanhGrad(dy, x) }, 24},
		{"Erf", math.Erf, func(dy, x, _ float32) float32 { return ErfGrad(dy, x) }, 8},
		{"Abs", math.Abs, func(dy, x, _ float32) float32 { return AbsGrad(dy, x) }, 0},
		{"Sqrt", func(x float64) float64 { return math.Sqrt(math.Abs(x)) }, func(dy, x, y float32) float32 {
			if x < 0 {
				return Neg(SqrtGrad(dy, y))
			}
			return SqrtGrad(dy, y)
		}, 4},
	} {
		for _, x := range random(7, 300) {
			x *= 2
			if math.Abs(float64(x)) < 0.01 {
				continue // near a kink differences say nothing
			}
			dy := []float32{-1.375}
			want := differences(func(x []float64) []float64 { return []float64{f.forward(x[0])} }, []float32{x}, dy)
			got := f.grad(dy[0], x, float32(f.forward(float64(x))))
			agree(t, f.name, []float32{got}, want, 1.375*max(1.5, math.Abs(want[0]/1.375)), f.k)
		}
	}
}

// TestActivationGradientsAtInfinity asserts the limits.
func TestActivationGradientsAtInfinity(t *testing.T) {
	for name, f := range map[string]func(dy, x float32) float32{"SiLU": SiLUGrad, "HardSwish": HardSwishGrad, "GELU": GELUGrad, "GELUTanh": GELUTanhGrad} {
		if lo, hi := f(3, -inf), f(3, inf); lo != 0 || hi != 3 {
			t.Errorf("%sGrad at -Inf, +Inf = %g, %g, want 0, 3", name, lo, hi)
		}
	}
	for name, f := range map[string]func(dy, x float32) float32{"Erf": ErfGrad, "Softplus": func(dy, x float32) float32 { return SoftplusGrad(dy, Softplus(x)) }} {
		if lo := f(3, -inf); lo != 0 {
			t.Errorf("%sGrad at -Inf = %g, want 0", name, lo)
		}
	}
}

func TestBatchNormGradient(t *testing.T) {
	const rows, c, eps = 37, 3, 0.01
	x, dy := random(1, rows*c), random(2, rows*c)
	gain, bias := []float32{0.5, -1.5, 2}, []float32{0.25, 1, -0.5}
	for _, act := range []Act{{}, {Kind: ActClip, Lo: 0, Hi: inf}, {Kind: ActLeaky, Alpha: 0.25}} {
		forward := func(x []float64) []float64 {
			y := make([]float64, len(x))
			for ch := range c {
				var m, v float64
				for i := ch; i < len(x); i += c {
					m += x[i] / rows
				}
				for i := ch; i < len(x); i += c {
					v += (x[i] - m) * (x[i] - m) / rows
				}
				for i := ch; i < len(x); i += c {
					y[i] = float64(gain[ch])*(x[i]-m)/math.Sqrt(v+eps) + float64(bias[ch])
					if act.Kind == ActClip {
						y[i] = max(0, y[i])
					} else if act.Kind == ActLeaky && y[i] < 0 {
						y[i] *= 0.25
					}
				}
			}
			return y
		}
		mean, variance := make([]float32, c), make([]float32, c)
		BatchNormStats(mean, variance, x)
		scale, shift := make([]float32, c), make([]float32, c)
		for i := range scale {
			scale[i] = gain[i] / Sqrt(variance[i]+eps)
			shift[i] = bias[i] - float32(mean[i]*scale[i])
		}
		y, dx := make([]float32, rows*c), make([]float32, rows*c)
		ScaleShift(y, x, scale, shift, act)
		dgain, dbias := make([]float32, c), make([]float32, c)
		BatchNormGrad(dx, dgain, dbias, dy, x, y, act, gain, mean, variance, eps)
		// A sum of 37 terms of up to 10 has 37 roundings; it counts for 1/37 of a result.
		agree(t, "dx", dx, differences(forward, x, dy), 10, 20)
		copyOf := append([]float32(nil), gain...)
		agree(t, "dgain", dgain, differences(func(g []float64) []float64 {
			for i := range g {
				gain[i] = float32(g[i]) // h is a power of two: exact
			}
			return forward(wide(x))
		}, copyOf, dy), 10*rows, rows)
		copy(gain, copyOf)
		copyOf = append(copyOf[:0], bias...)
		agree(t, "dbias", dbias, differences(func(b []float64) []float64 {
			for i := range b {
				bias[i] = float32(b[i])
			}
			return forward(wide(x))
		}, copyOf, dy), 10*rows, rows)
		copy(bias, copyOf)
	}
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// TestBatchNormStatsOfManyBlocks holds the merged statistics against float64 where the mean is far from 0, and blocks differ.
func TestBatchNormStatsOfManyBlocks(t *testing.T) {
	const c = 2
	rows := 3*ChannelBlock(c) + 1001
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, rows*c)
	for i := range x {
		x[i] = 300 + float32(i/len(x)) + float32(r.NormFloat64())*(1+float32(i)/float32(len(x)))
	}
	mean, variance := make([]float32, c), make([]float32, c)
	BatchNormStats(mean, variance, x)
	for ch := range c {
		var m, v float64
		for i := ch; i < len(x); i += c {
			m += float64(x[i]) / float64(rows)
		}
		for i := ch; i < len(x); i += c {
			v += (float64(x[i]) - m) * (float64(x[i]) - m) / float64(rows)
		}
		// 1024 additions in a row for each of 32 parts and 32 parts for a block; errors of random sign grow as their root.
		near(t, "mean", mean[ch], m, m, 64)
		near(t, "variance", variance[ch], v, v, 256)
	}
}

func TestChannelSums(t *testing.T) {
	// Whole numbers: every order of addition is exact.
	for _, c := range []int{1, 3, 64, 65, 9000} {
		rows := ChannelBlock(c) + 5
		a, b := make([]float32, rows*c), make([]float32, rows*c)
		for i := range a {
			a[i], b[i] = float32(i%7-3), float32(i%5-2)
		}
		sum, dot, slope := make([]float32, c), make([]float32, c), make([]float32, c)
		ChannelSum(sum, a)
		ChannelDot(dot, a, b)
		PReLUSlopeGrad(slope, a, b)
		for ch := range c {
			var s, d, p float32
			for i := ch; i < len(a); i += c {
				s += a[i]
				d += a[i] * b[i]
				p += a[i] * min(b[i], 0)
			}
			if sum[ch] != s || dot[ch] != d || slope[ch] != p {
				t.Fatalf("%d channels: channel %d: sum %g, dot %g, slope %g, want %g, %g, %g", c, ch, sum[ch], dot[ch], slope[ch], s, d, p)
			}
		}
	}
}

func TestPoolGradient(t *testing.T) {
	for kind := PoolMax; kind <= PoolL2; kind++ {
		for _, s := range []Pool2D{
			{N: 2, H: 5, W: 6, C: 2, KH: 3, KW: 2, SH: 2, SW: 1, DH: 1, DW: 2, PT: 1, PL: 1, PB: 1, PR: 0},
			{N: 1, H: 6, W: 5, C: 1, KH: 2, KW: 2, SH: 2, SW: 2, DH: 1, DW: 1, Ceil: true, CountPad: true, PR: 1},
		} {
			x := random(3, s.N*s.H*s.W*s.C)
			out := s.N * s.OH() * s.OW() * s.C
			y, dy, dx := make([]float32, out), random(4, out), make([]float32, len(x))
			Pool(y, x, kind, &s)
			PoolGrad(dx, dy, x, y, kind, &s)
			want := differences(func(x []float64) []float64 { return pool64(x, kind, &s) }, x, dy)
			agree(t, "pool", dx, want, 3*float64(s.KH*s.KW), 4)
		}
	}
}

// pool64 is pooling in float64.
func pool64(x []float64, kind PoolKind, s *Pool2D) []float64 {
	var out []float64
	for n := range s.N {
		for oy := range s.OH() {
			for ox := range s.OW() {
				for c := range s.C {
					m, sum, square, inside, padded := math.Inf(-1), 0.0, 0.0, 0.0, 0.0
					for i := range s.KH * s.KW {
						y, x0 := oy*s.SH-s.PT+i/s.KW*s.DH, ox*s.SW-s.PL+i%s.KW*s.DW
						if y < s.H+s.PB && x0 < s.W+s.PR {
							padded++
						}
						if y < 0 || y >= s.H || x0 < 0 || x0 >= s.W {
							continue
						}
						v := x[((n*s.H+y)*s.W+x0)*s.C+c]
						m, sum, square = max(m, v), sum+v, square+v*v
						inside++
					}
					if s.CountPad {
						inside = padded
					}
					out = append(out, []float64{m, sum / inside, math.Sqrt(square)}[kind])
				}
			}
		}
	}
	return out
}

// TestMaxPoolGradientOfTies asserts that the first of equal positions takes the gradient, and the first NaN where the result is one.
func TestMaxPoolGradientOfTies(t *testing.T) {
	s := Pool2D{N: 1, H: 1, W: 4, C: 1, KH: 1, KW: 2, SH: 1, SW: 2, DH: 1, DW: 1}
	x := []float32{2, 2, 1, nan}
	y, dx := make([]float32, 2), make([]float32, 4)
	Pool(y, x, PoolMax, &s)
	PoolGrad(dx, []float32{5, 7}, x, y, PoolMax, &s)
	for i, want := range []float32{5, 0, 0, 7} {
		if dx[i] != want {
			t.Fatalf("gradient %v", dx)
		}
	}
}

func TestNormGradients(t *testing.T) {
	const rows, c = 3, 11
	x, dy := random(5, rows*c), random(6, rows*c)
	byRows := func(f func(x, y []float64)) func(x []float64) []float64 {
		return func(x []float64) []float64 {
			y := make([]float64, len(x))
			for i := 0; i < len(x); i += c {
				f(x[i:i+c], y[i:i+c])
			}
			return y
		}
	}
	softmax := func(x, y []float64) {
		sum := 0.0
		for _, v := range x {
			sum += math.Exp(v)
		}
		for i, v := range x {
			y[i] = math.Exp(v) / sum
		}
	}
	y, dx := make([]float32, len(x)), make([]float32, len(x))
	Softmax(y, x, c)
	SoftmaxGrad(dx, dy, y, c)
	agree(t, "Softmax", dx, differences(byRows(softmax), x, dy), 6, 20)
	LogSoftmax(y, x, c)
	LogSoftmaxGrad(dx, dy, y, c)
	agree(t, "LogSoftmax", dx, differences(byRows(func(x, y []float64) {
		softmax(x, y)
		for i := range y {
			y[i] = math.Log(y[i])
		}
	}), x, dy), 33, 20)
	for _, beta := range []float64{0.75, 0.6} {
		const size, alpha, k = 4, 0.5, 1.25
		LRNGrad(dx, dy, x, c, size, alpha, float32(beta), k)
		agree(t, "LRN", dx, differences(byRows(func(x, y []float64) {
			for i := range x {
				s := 0.0
				for j := max(0, i-1); j < min(c, i+3); j++ {
					s += x[j] * x[j]
				}
				y[i] = x[i] / math.Pow(k+alpha/size*s, float64(float32(beta)))
			}
		}), x, dy), 12, 30)
	}
}

func TestLCNGradient(t *testing.T) {
	for _, s := range []LCN2D{
		{N: 2, H: 5, W: 6, C: 2, Size: 3, Sigma: 1, Floor: 1e-3},
		{N: 1, H: 6, W: 5, C: 1, Size: 5, Sigma: 1.5, Floor: 1.6},
		{N: 1, H: 4, W: 7, C: 3, Size: 3, Sigma: 0.8},
	} {
		for s.Mode = LCNBoth; s.Mode <= LCNDivide; s.Mode++ {
			n := s.N * s.H * s.W * s.C
			x, dy, dx := random(10, n), random(11, n), make([]float32, n)
			LCNGrad(dx, dy, x, &s)
			want := differences(func(x []float64) []float64 { return lcn64(x, &s) }, x, dy)
			// Quotients by deviations of 1 and more; sums of Size² terms, twice.
			agree(t, "LCN", dx, want, 12, 60)
		}
	}
}

// lcn64 is local contrast normalisation in float64, the window taken in two dimensions at once.
func lcn64(src []float64, s *LCN2D) []float64 {
	weight := func(q int) float64 {
		d := float64(q) / float64(s.Sigma)
		return math.Exp(-d * d / 2)
	}
	local := func(x []float64, f func(v float64) float64) []float64 {
		out := make([]float64, s.H*s.W)
		for i := range out {
			var sum, total float64
			for p := range s.Size * s.Size {
				dy, dx := p/s.Size-s.Size/2, p%s.Size-s.Size/2
				y, x0 := i/s.W+dy, i%s.W+dx
				if y < 0 || y >= s.H || x0 < 0 || x0 >= s.W {
					continue
				}
				w := weight(dy) * weight(dx)
				for c := range s.C {
					sum += w * f(x[(y*s.W+x0)*s.C+c])
					total += w
				}
			}
			out[i] = sum / total
		}
		return out
	}
	var all []float64
	for n := range s.N {
		v := append([]float64(nil), src[n*s.H*s.W*s.C:(n+1)*s.H*s.W*s.C]...)
		if s.Mode != LCNDivide {
			m := local(v, func(v float64) float64 { return v })
			for i := range v {
				v[i] -= m[i/s.C]
			}
		}
		if s.Mode != LCNSubtract {
			dev := local(v, func(v float64) float64 { return v * v })
			mean := 0.0
			for i := range dev {
				dev[i] = math.Sqrt(dev[i])
				mean += dev[i] / float64(len(dev))
			}
			for i := range v {
				v[i] /= max(float64(s.Floor), mean, dev[i/s.C])
			}
		}
		all = append(all, v...)
	}
	return all
}

func TestInterpolationGradient(t *testing.T) {
	s := Interpolation{N: 2, H: 3, W: 2, C: 2,
		Y: Taps{[][]int{{0}, {0, 1}, {1, 2}, {2}}, [][]float32{{1}, {0.25, 0.75}, {0.5, 0.5}, {1}}},
		X: Taps{[][]int{{0, 1}, {1}, {0}}, [][]float32{{0.75, 0.25}, {1}, {0.5}}},
	}
	in, out := s.N*s.H*s.W*s.C, s.N*s.OH()*s.OW()*s.C
	x, y, dy, dx := random(12, in), make([]float32, out), random(13, out), make([]float32, in)
	Interpolate(y, x, &s)
	back := Interpolation{N: s.N, H: s.OH(), W: s.OW(), C: s.C, Y: s.Y.Transpose(s.H), X: s.X.Transpose(s.W)}
	Interpolate(dx, dy, &back)
	forward := func(x []float64) []float64 {
		var y []float64
		for i := range out {
			c, ox, oy, n := i%s.C, i/s.C%s.OW(), i/s.C/s.OW()%s.OH(), i/s.C/s.OW()/s.OH()
			v := 0.0
			for j, p := range s.Y.Index[oy] {
				for k, q := range s.X.Index[ox] {
					v += float64(s.Y.Weight[oy][j]) * float64(s.X.Weight[ox][k]) * x[((n*s.H+p)*s.W+q)*s.C+c]
				}
			}
			y = append(y, v)
		}
		return y
	}
	agree(t, "Interpolate", y, forward(wide(x)), 3, 4)
	agree(t, "its gradient", dx, differences(forward, x, dy), 9, 8)
}
