package tensor

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// value returns what a binary floating-point number of e exponent and m mantissa bits stands for, from IEEE 754's definition.
func value(code uint32, e, m int) float64 {
	bias := 1<<(e-1) - 1
	sign := 1.0
	if code>>(e+m) == 1 {
		sign = -1
	}
	exp, man := int(code>>m)&(1<<e-1), float64(code&(1<<m-1))
	if exp == 0 {
		return sign * math.Ldexp(man, 1-bias-m)
	}
	return sign * math.Ldexp(man+math.Ldexp(1, m), exp-bias-m)
}

func TestHalfIsWhatItStandsFor(t *testing.T) {
	for c := range uint32(1 << 16) {
		f := HalfToFloat(uint16(c))
		if c>>10&31 == 31 {
			if man := c & 0x3ff; man == 0 && !math.IsInf(float64(f), 0) || man != 0 && f == f {
				t.Fatalf("%04x is %g", c, f)
			}
			continue
		}
		if float64(f) != value(c, 5, 10) {
			t.Fatalf("%04x is %g, want %g", c, f, value(c, 5, 10))
		}
		if back := FloatToHalf(f); uint32(back) != c {
			t.Fatalf("%04x came back as %04x", c, back)
		}
	}
}

// TestHalfRounds checks, around every float16, the numbers just beside and on the middle between it and the next.
func TestHalfRounds(t *testing.T) {
	for c := range uint32(0x7c00) {
		lo := value(c, 5, 10)
		hi := value(c+1, 5, 10)
		if c+1 == 0x7c00 {
			hi = 65536 // as if there were no infinity
		}
		mid := float32((lo + hi) / 2) // exact: one bit more than float16 has
		even := c + c&1
		for _, p := range []struct {
			f    float32
			want uint32
		}{{math.Nextafter32(mid, 0), c}, {mid, even}, {math.Nextafter32(mid, math.MaxFloat32), c + 1}} {
			if got := FloatToHalf(p.f); uint32(got) != p.want {
				t.Fatalf("%g became %04x, want %04x", p.f, got, p.want)
			}
			if got := FloatToHalf(-p.f); uint32(got) != p.want|0x8000 {
				t.Fatalf("%g became %04x, want %04x", -p.f, got, p.want|0x8000)
			}
		}
	}
	for _, f := range []float32{65520, 1e10, float32(math.Inf(1))} {
		if FloatToHalf(f) != 0x7c00 {
			t.Errorf("%g did not overflow", f)
		}
	}
	if h := HalfToFloat(FloatToHalf(float32(math.NaN()))); h == h {
		t.Error("NaN was lost")
	}
}

func TestBFloat(t *testing.T) {
	for _, c := range []struct {
		f    float32
		want uint16
	}{{1, 0x3f80}, {1 + 0x1p-8, 0x3f80}, {1 + 0x3p-8, 0x3f82}, {1 + 0x1.8p-8, 0x3f81}, {-0x1p-133, 0x8001}, {math.MaxFloat32, 0x7f80}} {
		if got := FloatToBFloat(c.f); got != c.want {
			t.Errorf("%g became %04x, want %04x", c.f, got, c.want)
		}
	}
	if v := BFloatToFloat(FloatToBFloat(float32(math.NaN()))); v == v {
		t.Error("NaN was lost")
	}
}

// TestFloat8 checks the extreme codes of the published formats, and that every code comes back.
func TestFloat8(t *testing.T) {
	for _, c := range []struct {
		d             DType
		largest, tiny float32
	}{{Float8E4M3, 448, 0x1p-9}, {Float8E4M3UZ, 240, 0x1p-10}, {Float8E5M2, 57344, 0x1p-16}, {Float8E5M2UZ, 57344, 0x1p-17}} {
		top, low := float32(0), float32(math.Inf(1))
		for code := range 256 {
			v := Float8ToFloat(c.d, uint8(code))
			if v != v || math.IsInf(float64(v), 0) {
				continue
			}
			top = max(top, v)
			if v > 0 {
				low = min(low, v)
			}
			if back := FloatToFloat8(c.d, v, true); back != uint8(code) {
				t.Errorf("%v: code %02x, %g, came back as %02x", c.d, code, v, back)
			}
		}
		if top != c.largest || low != c.tiny {
			t.Errorf("%v reaches from %g to %g, want %g to %g", c.d, low, top, c.tiny, c.largest)
		}
		if got := Float8ToFloat(c.d, FloatToFloat8(c.d, 1e9, true)); got != c.largest {
			t.Errorf("%v: saturated to %g", c.d, got)
		}
		if got := Float8ToFloat(c.d, FloatToFloat8(c.d, -1e9, false)); !(got != got || math.IsInf(float64(got), -1)) {
			t.Errorf("%v: without saturation -1e9 became %g", c.d, got)
		}
		if got := FloatToFloat8(c.d, float32(math.NaN()), true); Float8ToFloat(c.d, got) == Float8ToFloat(c.d, got) {
			t.Errorf("%v: NaN became %02x", c.d, got)
		}
		// The middle between 1 and the next number goes to 1, whose code is even.
		next := Float8ToFloat(c.d, FloatToFloat8(c.d, 1, true)+1)
		if got := Float8ToFloat(c.d, FloatToFloat8(c.d, (1+next)/2, true)); got != 1 {
			t.Errorf("%v: a tie went to %g", c.d, got)
		}
	}
}

func TestConvert(t *testing.T) {
	inf := math.Inf(1)
	for name, c := range map[string]struct{ from, want *Tensor }{
		"float to int":    {Of([]float32{1.9, -1.9, 0}), Of([]int32{1, -1, 0})},
		"beyond int64":    {Of([]float64{inf, -inf, math.NaN()}), Of([]int64{math.MaxInt64, math.MinInt64, 0})},
		"float to uint64": {Of([]float64{0x1p63, 3}), Of([]uint64{1 << 63, 3})},
		"int wraps":       {Of([]int32{300, -1}), Of([]uint8{44, 255})},
		"to bool":         {Of([]float32{0, 0.1, -2}), Of([]bool{false, true, true})},
		"from bool":       {Of([]bool{true, false}), Of([]float32{1, 0})},
		"text to float":   {Strings([]string{" 1.5", "-INF"}, 2), Of([]float32{1.5, float32(-inf)})},
		"float to text":   {Of([]float32{0.1, float32(inf)}), Strings([]string{"0.1", "INF"}, 2)},
		"int to half":     {Of([]int64{1, 2}), Of([]uint16{0x3c00, 0x4000}).As(Float16)},
		"half to double":  {Of([]uint16{0x3c00, 0xc000}).As(Float16), Of([]float64{1, -2})},
		"to 4 bits":       {Of([]float32{1.5, -9, 9}), Of([]int8{2, -8, 7}).As(Int4)},
	} {
		got := New(c.want.DType(), c.want.Shape()...)
		if err := Convert(got, c.from, true); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(got.Raw(), c.want.Raw()) || !slices.Equal(got.str, c.want.str) {
			t.Errorf("%s: % x %q, want % x %q", name, got.Raw(), got.str, c.want.Raw(), c.want.str)
		}
	}
	if err := Convert(New(Float32, 1), Strings([]string{"blue"}, 1), false); err == nil {
		t.Error("\"blue\" became a number")
	}
}

func TestCount(t *testing.T) {
	for _, c := range []struct {
		shape []int
		n     int
		ok    bool
	}{{nil, 1, true}, {[]int{2, 3}, 6, true}, {[]int{0, 5}, 0, true}, {[]int{0, math.MaxInt}, 0, false}, {[]int{-1}, 0, false}, {[]int{math.MaxInt, 2}, 0, false}, {make([]int, MaxRank+1), 0, false}} {
		if n, ok := Count(c.shape); n != c.n || ok != c.ok {
			t.Errorf("%v: %d %v", c.shape, n, ok)
		}
	}
}

func TestStorage(t *testing.T) {
	a := New(Float32, 2, 3)
	if uintptr(unsafe.Pointer(&a.Raw()[0]))%Align != 0 {
		t.Error("not aligned")
	}
	a.Float32s()[5] = 7
	if b := a.Reshape(3, 2); b.Float32s()[5] != 7 || &b.Raw()[0] != &a.Raw()[0] {
		t.Error("Reshape does not share storage")
	}
	if b := a.Clone(); b.Float32s()[5] != 7 || &b.Raw()[0] == &a.Raw()[0] {
		t.Error("Clone shares storage")
	}
	if _, err := Wrap(Float32, make([]byte, 7), 2); err == nil {
		t.Error("7 bytes were accepted for two floats")
	}
	odd, err := Wrap(Int32, Bytes(16)[1:5], 1)
	if err != nil || odd.Len() != 1 {
		t.Error(err)
	}
	if s := a.String(); s != "float32[2 3]" {
		t.Errorf("described as %q", s)
	}
	for name, f := range map[string]func(){
		"wrong type":  func() { a.Int64s() },
		"wrong shape": func() { a.Reshape(4) },
		"wrong size":  func() { a.CopyFrom(New(Float32, 5)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestTypesHaveNames(t *testing.T) {
	for d := range DType(255) {
		if !d.Valid() {
			continue
		}
		if p, ok := ParseDType(d.String()); !ok || p != d {
			t.Errorf("%v is parsed as %v", d, p)
		}
	}
}

// TestConvertsHalves converts slices of what lies at and beside every float16, and of bits drawn at random, as one number at a time.
func TestConvertsHalves(t *testing.T) {
	var floats []float32
	halves := make([]uint16, 1<<16)
	r := rand.New(rand.NewPCG(1, 2))
	for c := range halves {
		halves[c] = uint16(c)
		f := HalfToFloat(uint16(c))
		next := (f + HalfToFloat(uint16(c)+1)) / 2
		floats = append(floats, f, next, math.Nextafter32(next, 0), math.Nextafter32(next, f), math.Nextafter32(next, 1e30), math.Float32frombits(r.Uint32()))
	}
	narrow, wide := New(Float16, len(floats)), New(Float32, len(halves))
	if err := errors.Join(Convert(narrow, Of(floats), false), Convert(wide, Of(halves).As(Float16), false)); err != nil {
		t.Fatal(err)
	}
	for i, f := range floats {
		if got := Data[uint16](narrow)[i]; got != FloatToHalf(f) {
			t.Fatalf("%g became %04x, want %04x", f, got, FloatToHalf(f))
		}
	}
	for i, h := range halves {
		if got := wide.Float32s()[i]; math.Float32bits(got) != math.Float32bits(HalfToFloat(h)) {
			t.Fatalf("%04x became %g, want %g", h, got, HalfToFloat(h))
		}
	}
}

// TestConvertsToIntegers converts numbers around the bounds of the integers as one at a time.
func TestConvertsToIntegers(t *testing.T) {
	var floats []float32
	for _, v := range []float32{0, 0.75, 1.5, 127, 128, 255, 256, 32768, 65536, 0x1p31, 0x1p32, 0x1p63, 0x1p64, float32(math.Inf(1)), float32(math.NaN())} {
		floats = append(floats, v, -v, math.Nextafter32(v, 0), -math.Nextafter32(v, 0), math.Nextafter32(v, 1e30), -math.Nextafter32(v, 1e30))
	}
	for _, to := range []DType{Int8, Uint8, Int16, Uint16, Int32, Uint32, Int64} {
		got, want, wide := New(to, len(floats)), New(to, len(floats)), New(Int64, len(floats))
		for i, f := range floats {
			wide.Int64s()[i] = Trunc(float64(f))
		}
		if err := errors.Join(Convert(got, Of(floats), false), Convert(want, wide, false)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Raw(), want.Raw()) {
			t.Errorf("%v: % x, want % x", to, got.Raw(), want.Raw())
		}
	}
}
