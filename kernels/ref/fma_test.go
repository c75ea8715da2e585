package ref

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactFMA rounds the exact a·b+c to float32 through arbitrary precision: a product of two float32 has bits from 2^-298 to 2^255.
func exactFMA(a, b, c float32) float32 {
	x := new(big.Float).SetPrec(600).SetFloat64(float64(a))
	x.Mul(x, new(big.Float).SetFloat64(float64(b)))
	x.Add(x, new(big.Float).SetFloat64(float64(c)))
	if x.Sign() == 0 { // big.Float does not keep IEEE's sign rule of an exact zero sum
		return float32(float64(a)*float64(b)) + c
	}
	f, _ := x.Float32()
	return f
}

func TestFMA32(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	special := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 1 + 0x1p-23, 1 - 0x1p-24, 0x1p-149, -0x1p-149, 0x1p-126, 0x1p-127, 3 * 0x1p-149, 0x1.fffffep127, 0x1p-75, 0x1p-74, 0x1p24, 0x1p12 + 1}
	check := func(a, b, c float32) {
		t.Helper()
		got, want := FMA32(a, b, c), exactFMA(a, b, c)
		if math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("FMA32(%x, %x, %x) = %x, want %x", a, b, c, got, want)
		}
	}
	for _, a := range special {
		for _, b := range special {
			for _, c := range special {
				check(a, b, c)
			}
		}
	}
	finite := func() float32 {
		for {
			if f := math.Float32frombits(r.Uint32()); !math.IsInf(float64(f), 0) && f == f {
				return f
			}
		}
	}
	for range 100000 {
		a, b := finite(), finite()
		check(a, b, finite())
		// c near a·b, and short mantissas that put sums on midpoints.
		p := a * b
		if !math.IsInf(float64(p), 0) {
			check(a, b, -p)
		}
		m := float32(r.IntN(1<<13)) * 0x1p-10
		n := float32(r.IntN(1<<13)) * 0x1p-10
		check(m, n, float32(r.IntN(1<<24))*float32(math.Ldexp(1, r.IntN(8))))
		check(m*0x1p-70, n*0x1p-70, float32(r.IntN(64))*0x1p-149)
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, v := range []float32{FMA32(inf, 0, 1), FMA32(nan, 1, 1), FMA32(1, nan, 1), FMA32(1, 1, nan), FMA32(inf, 1, -inf)} {
		if v == v {
			t.Errorf("invalid operation gave %g, want NaN", v)
		}
	}
	if v := FMA32(0x1.fffffep127, 2, 0); v != inf {
		t.Errorf("overflow gave %g", v)
	}
}
