package layer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestDFT compares with the sums of the definition: lengths with all kinds of factors, cut and gone on with zeros, along every axis.
func TestDFT(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	var e Env
	for trial := range 400 {
		o := &DFT{Inverse: trial&1 != 0, Onesided: trial&2 != 0}
		shape := make([]int, r.IntN(3)+1)
		for i := range shape {
			shape[i] = r.IntN(3) + 1
		}
		a := r.IntN(len(shape))
		shape[a] = r.IntN(40) + 2
		parts := r.IntN(2) + 1
		if o.Onesided {
			parts = 1
			if o.Inverse {
				parts = 2
			}
		}
		x := tensor.New(tensor.Float64, append(slices.Clone(shape), parts)...)
		v := tensor.Data[float64](x)
		for i := range v {
			v[i] = r.Float64()*2 - 1
		}
		n := shape[a]
		if o.Inverse && o.Onesided {
			n = 2 * (n - 1)
		}
		in := ts(x, nil, tensor.Scalar(int64(a-trial/4%2*(len(shape)+1))))
		if trial%3 == 0 {
			n = r.IntN(60) + 1
			in[1] = tensor.Scalar(int32(n))
		}
		outer, inner := sizeOf(shape[:a]), sizeOf(shape[a+1:])
		long, last := n, 2
		switch {
		case o.Inverse && o.Onesided:
			last = 1
		case o.Onesided:
			long = n/2 + 1
		}
		out := slices.Concat(shape[:a], []int{long}, shape[a+1:], []int{last})
		var want []float64
		for b := range outer {
			for k := range long {
				for i := range inner {
					re, im := 0.0, 0.0
					for j := range n {
						from, turned := j, 1.0
						if o.Inverse && o.Onesided && j > n/2 {
							from, turned = n-j, -1
						}
						if from >= shape[a] {
							continue
						}
						p := ((b*shape[a]+from)*inner + i) * parts
						vre, vim := v[p], 0.0
						if parts == 2 {
							vim = turned * v[p+1]
						}
						sin, cos := math.Sincos(2 * math.Pi * float64(j*k%n) / float64(n))
						if !o.Inverse {
							sin = -sin
						}
						re, im = re+vre*cos-vim*sin, im+vre*sin+vim*cos
					}
					if o.Inverse {
						re, im = re/float64(n), im/float64(n)
					}
					want = append(want, re)
					if last == 2 {
						want = append(want, im)
					}
				}
			}
		}
		info, err := o.Infer(infosOf(in))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(info[0].Shape, out) {
			t.Fatalf("%+v of %v: %v, want %v", o, x, info[0], out)
		}
		y := tensor.New(tensor.Float64, out...)
		e.Reset()
		if err := o.Forward(&e, in, ts(y)); err != nil {
			t.Fatal(err)
		}
		for i, g := range tensor.Data[float64](y) {
			// At most 60 sums of products of at most 1, and roots of 1 a few roundings off.
			if !(math.Abs(g-want[i]) <= 60*8*0x1p-53) {
				t.Fatalf("%+v of %v along %d to %d: element %d is %g, want %g", o, x, a, n, i, g, want[i])
			}
		}
	}
}

// TestMelWeights: of 64 samples, 64 per second, up to 31 Hz, where mels are nearly even in hertz: corners at 0, 7.6, 15.3 and 23.1 Hz, times 65/64.
func TestMelWeights(t *testing.T) {
	in := ts(i64(2), i64(64), i64(64), f32(d(), 0), f32(d(), 31))
	o := &MelWeightMatrix{To: tensor.Float32}
	info, err := o.Infer(infosOf(in))
	if err != nil {
		t.Fatal(err)
	}
	y := tensor.New(info[0].DType, info[0].Shape...)
	var e Env
	if err := o.Forward(&e, in, ts(y)); err != nil {
		t.Fatal(err)
	}
	want := tensor.New(tensor.Float32, 33, 2)
	w := want.Float32s()
	for r := range 8 {
		w[r*2], w[(7+r)*2+1] = float32(r)/7, float32(r)/8
		w[(7+r)*2], w[(15+r)*2+1] = float32(8-r)/8, float32(8-r)/8
	}
	match(t, ts(y), ts(want))
}
