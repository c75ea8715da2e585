package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// WindowFn names a window function: ONNX's operator of that name.
type WindowFn string

const (
	BlackmanWindow WindowFn = "BlackmanWindow"
	HammingWindow  WindowFn = "HammingWindow"
	HannWindow     WindowFn = "HannWindow"
)

const (
	maxSamples = 1 << 24 // of windows and transforms, which are computed in float64
	maxMel     = 1 << 22 // elements of a MelWeightMatrix
)

// CosineWindow returns a window of as many elements as input 0 says: a0 - a1·cos(2πi/n) + a2·cos(4πi/n), where n is their number or, unless Periodic, one less.
// Integers are cut off.
type CosineWindow struct {
	Fn       WindowFn
	Periodic bool
	To       tensor.DType
}

func (c *CosineWindow) Kind() string { return string(c.Fn) }

// oneInt returns the only element of an integer input, which is at least least.
func oneInt(in []Info, i, least int) (int, error) {
	v, err := ints(in[i])
	if err != nil {
		return 0, err
	}
	if len(v) != 1 || v[0] < least || v[0] > math.MaxInt32 {
		return 0, fmt.Errorf("input %d is %v", i, v)
	}
	return v[0], nil
}

func (c *CosineWindow) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Int32, tensor.Int64); err != nil {
		return nil, err
	}
	if err := isType([]Info{{DType: c.To}}, 0, numeric...); err != nil || c.To == tensor.Invalid {
		return nil, fmt.Errorf("windows of %v are not supported", c.To)
	}
	n, err := oneInt(in, 0, 0)
	if err != nil {
		return nil, err
	}
	if n > maxSamples {
		return nil, fmt.Errorf("a window of %d elements", n)
	}
	return one(c.To, []int{n})
}

func (c *CosineWindow) Forward(e *Env, in, out []*tensor.Tensor) error {
	a := map[WindowFn][3]float64{BlackmanWindow: {0.42, 0.5, 0.08}, HammingWindow: {25. / 46, 21. / 46, 0}, HannWindow: {0.5, 0.5, 0}}[c.Fn]
	n := float64(out[0].Len())
	if !c.Periodic {
		n--
	}
	return converted(e, out[0], func(i int) float64 {
		t := 2 * math.Pi * float64(i) / n
		return a[0] + float64(a[2]*math.Cos(float64(2*t))) - float64(a[1]*math.Cos(t)) // in this order: 0 and 1 come out as such
	})
}

// converted makes y what f gives for each position, cut off where y's elements are integers.
func converted(e *Env, y *tensor.Tensor, f func(i int) float64) error {
	const block = 1024
	n, size := y.Len(), y.DType().Size()
	v := scratch[float64](e, min(n, block))
	for from := 0; from < n; from += block {
		m := min(block, n-from)
		for i := range m {
			v[i] = f(from + i)
		}
		part, err := tensor.Wrap(y.DType(), y.Raw()[from*size:(from+m)*size], m)
		if err != nil {
			return err
		}
		if err := tensor.Convert(part, tensor.Of(v[:m]), false); err != nil {
			return err
		}
	}
	return nil
}

// DFT is the discrete Fourier transform of x [...,1 or 2] (a real part and an imaginary one) along an axis: y[k] = Σ x[j]·exp(-2πi·jk/n). Inputs: x, the length n (x is cut, or goes
// on with zeros; by default as long as it is), and the axis (default -2). The output's last dimension is 2. Onesided keeps the first n/2 + 1 elements. Inverse conjugates
// the factors and divides by n; with Onesided x holds the first n/2 + 1 elements of what has a real transform, whose last dimension is 1.
// It takes prime factors of n apart (Cooley and Tukey: An Algorithm for the Machine Calculation of Complex Fourier Series, Math. Comp. 19, 1965) and computes in float64.
type DFT struct{ Inverse, Onesided bool }

func (*DFT) Kind() string { return "DFT" }

// plan returns the axis and the length.
func (t *DFT) plan(in []Info) (a, n int, err error) {
	s := in[0].Shape
	if !known(in, 1, 2) {
		return 0, 0, ErrUnknown
	}
	a = -2
	if opt(in, 2).Present() {
		if a, err = oneInt(in, 2, math.MinInt32); err != nil {
			return 0, 0, err
		}
	}
	if a, err = axisOf(a, len(s)); err != nil {
		return 0, 0, err
	}
	if a == len(s)-1 {
		return 0, 0, fmt.Errorf("the axis %d of %s holds real and imaginary parts", a, in[0])
	}
	n = s[a]
	if t.Inverse && t.Onesided {
		n = 2 * (n - 1)
	}
	if opt(in, 1).Present() {
		if n, err = oneInt(in, 1, 1); err != nil {
			return 0, 0, err
		}
	}
	if n < 1 || n > maxSamples {
		return 0, 0, fmt.Errorf("a transform of %d elements of %s", n, in[0])
	}
	return a, n, nil
}

func (t *DFT) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 3); err != nil {
		return nil, err
	}
	if err := realType(in[:1]); err != nil {
		return nil, err
	}
	for i := 1; i < 3; i++ {
		if err := isType(in, i, tensor.Int32, tensor.Int64); err != nil {
			return nil, err
		}
	}
	s := in[0].Shape
	if r := len(s); r < 2 || s[r-1] != 1 && s[r-1] != 2 {
		return nil, fmt.Errorf("input %s has no last dimension of 1 or 2", in[0])
	}
	if t.Onesided && (s[len(s)-1] == 2) != t.Inverse {
		return nil, fmt.Errorf("half of the transform of %s, which is not that of a real signal", in[0])
	}
	a, n, err := t.plan(in)
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(s)
	shape[a], shape[len(s)-1] = n, 2
	switch {
	case t.Onesided && t.Inverse:
		shape[len(s)-1] = 1
	case t.Onesided:
		shape[a] = n/2 + 1
	}
	return one(in[0].DType, shape)
}

func (t *DFT) Work(in, out []Info) int64 {
	s := in[0].Shape
	a, n, err := t.plan(in)
	if err != nil {
		return 0
	}
	sum := 1
	for _, p := range primes(n) {
		sum += p
	}
	return product(sizeOf(s[:a]), sizeOf(s[a+1:]), n, 4*sum)
}

func (t *DFT) Forward(e *Env, in, out []*tensor.Tensor) error {
	a, n, err := t.plan(infosOf(in))
	if err != nil || out[0].Len() == 0 {
		return err
	}
	if in[0].DType() == tensor.Float64 {
		fourier(t, e, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]), in[0].Shape(), out[0].Shape(), a, n)
	} else {
		fourier(t, e, out[0].Float32s(), in[0].Float32s(), in[0].Shape(), out[0].Shape(), a, n)
	}
	return nil
}

func fourier[T real](t *DFT, e *Env, y, x []T, from, to []int, a, n int) {
	last := len(from) - 1
	inner, parts, have := sizeOf(from[a+1:last]), from[last], min(n, from[a])
	f := &roots{primes: primes(n), re: scratch[float64](e, n), im: scratch[float64](e, n)}
	sign, scale := -1.0, 1.0
	if t.Inverse {
		sign, scale = 1, float64(n)
	}
	for k := range n {
		angle := 2 * math.Pi * float64(k) / float64(n)
		f.re[k], f.im[k] = math.Cos(angle), float64(sign*math.Sin(angle))
		switch 4 * k { // quarters have no rounding
		case n, 3 * n:
			f.re[k] = 0
		case 2 * n:
			f.im[k] = 0
		}
	}
	most := 1
	if len(f.primes) > 0 {
		most = f.primes[len(f.primes)-1]
	}
	f.tre, f.tim = scratch[float64](e, most), scratch[float64](e, most)
	xre, xim, yre, yim := scratch[float64](e, n), scratch[float64](e, n), scratch[float64](e, n), scratch[float64](e, n)
	if t.Inverse && t.Onesided {
		have = min(have, n/2+1)
	}
	for o := range sizeOf(from[:a]) {
		for i := range inner {
			clear(xre)
			clear(xim)
			for k := range have {
				p := ((o*from[a]+k)*inner + i) * parts
				xre[k] = float64(x[p])
				if parts == 2 {
					xim[k] = float64(x[p+1])
				}
				if t.Inverse && t.Onesided && k > 0 && k < n-k {
					xre[n-k], xim[n-k] = xre[k], -xim[k]
				}
			}
			f.transform(yre, yim, xre, xim, n, 1, f.primes)
			for k := range to[a] {
				p := ((o*to[a]+k)*inner + i) * to[last]
				y[p] = T(yre[k] / scale)
				if to[last] == 2 {
					y[p+1] = T(yim[k] / scale)
				}
			}
		}
	}
}

// primes returns n's prime factors, ascending.
func primes(n int) (p []int) {
	for f := 2; n > 1; f++ {
		if f > n/f {
			f = n
		}
		for ; n%f == 0; n /= f {
			p = append(p, f)
		}
	}
	return p
}

// roots are the n-th roots of 1, with room for as many as the largest prime factor of n.
type roots struct {
	primes           []int
	re, im, tre, tim []float64
}

// transform puts the transform of the n elements x[0], x[stride], ... into y.
func (f *roots) transform(yre, yim, xre, xim []float64, n, stride int, primes []int) {
	if n == 1 {
		yre[0], yim[0] = xre[0], xim[0]
		return
	}
	p, m := primes[0], n/primes[0]
	for q := range p {
		f.transform(yre[q*m:], yim[q*m:], xre[q*stride:], xim[q*stride:], m, stride*p, primes[1:])
	}
	for k := range m {
		for r := range p {
			sre, sim, at := 0.0, 0.0, 0
			for q := range p {
				wre, wim, vre, vim := f.re[at*stride], f.im[at*stride], yre[q*m+k], yim[q*m+k]
				sre += float64(wre*vre) - float64(wim*vim)
				sim += float64(wre*vim) + float64(wim*vre)
				if at += k + r*m; at >= n {
					at -= n
				}
			}
			f.tre[r], f.tim[r] = sre, sim
		}
		for r := range p {
			yre[r*m+k], yim[r*m+k] = f.tre[r], f.tim[r]
		}
	}
}

// MelWeightMatrix returns [n/2+1,B] weights that turn the spectrum of n samples into B mel bands: triangles whose corners lie evenly on the mel scale. Inputs: B, n, the samples per
// second, and the lowest and highest frequency in hertz.
type MelWeightMatrix struct{ To tensor.DType }

func (*MelWeightMatrix) Kind() string { return "MelWeightMatrix" }

// corners returns how many bands there are, and in which row each triangle begins, peaks and ends.
func (m *MelWeightMatrix) corners(in []Info) (rows, bands int, corner func(i int) int, err error) {
	var n, rate int
	for i, v := range []*int{&bands, &n, &rate} {
		if *v, err = oneInt(in, i, 1); err != nil {
			return
		}
	}
	var edge [2]float64
	for i := range edge {
		v, err := floats(in[3+i])
		if err != nil {
			return 0, 0, nil, err
		}
		if len(v) != 1 {
			return 0, 0, nil, fmt.Errorf("input %d is %s", 3+i, in[3+i])
		}
		edge[i] = float64(v[0])
	}
	rows = n/2 + 1
	row := func(hertz float64) float64 { return math.Floor(float64(float64(n+1)*hertz) / float64(rate)) }
	if !(edge[0] >= 0 && edge[0] <= edge[1] && row(edge[1]) < float64(rows)) {
		return 0, 0, nil, fmt.Errorf("from %g to %g Hz of %d samples, %d per second", edge[0], edge[1], n, rate)
	}
	mel := func(hertz float64) float64 { return float64(2595 * math.Log10(1+hertz/700)) }
	low := mel(edge[0])
	step := (mel(edge[1]) - low) / float64(bands+2)
	return rows, bands, func(i int) int {
		return min(rows-1, int(row(700*(math.Pow(10, (low+float64(step*float64(i)))/2595)-1))))
	}, nil
}

func (m *MelWeightMatrix) Infer(in []Info) ([]Info, error) {
	if err := want(in, 5, 5); err != nil {
		return nil, err
	}
	if err := isType([]Info{{DType: m.To}}, 0, numeric...); err != nil || m.To == tensor.Invalid {
		return nil, fmt.Errorf("weights of %v are not supported", m.To)
	}
	rows, bands, _, err := m.corners(in)
	if err != nil {
		return nil, err
	}
	if product(rows, bands) > maxMel {
		return nil, fmt.Errorf("%d bands of %d rows", bands, rows)
	}
	return one(m.To, []int{rows, bands})
}

func (m *MelWeightMatrix) Forward(e *Env, in, out []*tensor.Tensor) error {
	_, bands, corner, err := m.corners(infosOf(in))
	if err != nil {
		return err
	}
	at := e.Int32s(bands + 2)
	for i := range at {
		at[i] = int32(corner(i))
	}
	return converted(e, out[0], func(i int) float64 {
		r, from, peak, to := int32(i/bands), at[i%bands], at[i%bands+1], at[i%bands+2]
		switch {
		case r == peak:
			return 1
		case r > peak && r < to:
			return float64(to-r) / float64(to-peak)
		case r >= from && r < peak:
			return float64(r-from) / float64(peak-from)
		}
		return 0
	})
}
