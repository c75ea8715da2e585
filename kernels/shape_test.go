package kernels_test

import (
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

// TestSizesThatWrapAreRefused has shapes whose number of elements an int cannot hold, so that products of their sizes are small, zero or negative.
func TestSizesThatWrapAreRefused(t *testing.T) {
	const half = 1 << (bits.UintSize / 2)    // squared it wraps to 0
	const rows = 1<<(bits.UintSize-2) + 1    // so many rows of 4 begin at multiples of 4 up to one that wraps to 0
	const seventh = (1<<bits.UintSize)/7 + 1 // 7 of them wrap to a small number
	buf := make([]float32, 256)
	a, b, dst := buf[:16], buf[64:80], buf[128:144]
	ints, bytes, out := make([]int8, 64), make([]byte, 64), make([]byte, 64)
	conv := kernels.Conv2D{N: 1, H: 4, W: 4, C: 4, O: 4, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	with := func(change func(s *kernels.Conv2D)) kernels.Conv2D {
		s := conv
		change(&s)
		return s
	}
	many := with(func(s *kernels.Conv2D) { s.N = half * (half / 128) }) // 64 elements each, 4 bytes an element
	deep := with(func(s *kernels.Conv2D) { s.N, s.C, s.O, s.Groups = half, half/16, half/16, half/16 })
	far := with(func(s *kernels.Conv2D) { s.DH, s.KH = math.MaxInt/2, 5 })
	pool := func(s kernels.Conv2D) kernels.Pool2D {
		return kernels.Pool2D{N: s.N, H: s.H, W: s.W, C: s.C, KH: s.KH, KW: s.KW, SH: 1, SW: 1, DH: s.DH, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1}
	}
	up := kernels.Transposed2D{N: 1, H: 4, W: 4, C: 4, O: 4, KH: 3, KW: 3, SH: 1, SW: 1, Groups: 1}
	high, lots := up, up
	high.SH, high.H = half/2, half/2
	lots.N = many.N
	packed := kernels.PackB(b, 4, 4, 4, nil)
	bytePacked := kernels.Pack8(ints[:16], 4, 4).With(nil, &kernels.Requant{Scale: []float32{1}, Hi: 255})
	none := kernels.Act{}
	for _, c := range []struct {
		want string
		call func()
	}{
		{"PackB: b too short", func() { kernels.PackB(b, 4, rows, 4, nil) }},
		{"PackBT: b too short", func() { kernels.PackBT(b, 4, 4, rows, nil) }},
		{"PackBTInPlace: b too short", func() { kernels.PackBTInPlace(b, 16, half*(half/16), nil) }},
		{"Pack8: b too short", func() { kernels.Pack8(ints, half, half) }},
		{"Gemm: a too short", func() { kernels.Gemm(nil, dst, 4, a, 4, rows, packed, nil, 0, none) }},
		{"Gemm: dst too short", func() { kernels.Gemm(nil, dst, rows-1, a, 4, 4, packed, nil, 0, none) }},
		{"Gemm: res too short", func() { kernels.Gemm(nil, dst, 4, a, 4, 4, packed, buf[200:], rows-1, none) }},
		{"Gemm8: a too short", func() { kernels.Gemm8(nil, out, bytes, 4, rows, kernels.Bytes{}, bytePacked) }},
		{"GemmTN: dst too short", func() { kernels.GemmTN(nil, dst, 4, a, 4, b, 4, rows, 4, 1, nil) }},
		{"GemmTN: a too short", func() { kernels.GemmTN(nil, dst, 4, a, 4, b, 4, 4, 4, rows, nil) }},
		{"BiasGrad: dy too short", func() { kernels.BiasGrad(nil, dst[:7], a, seventh) }},
		{"Transpose: src too short", func() { kernels.Transpose(nil, dst, 4, a, 4, rows, 4) }},
		{"Transpose: dst too short", func() { kernels.Transpose(nil, dst, rows-1, a, 4, 2, 4) }},
		{"NHWCToNCHW: src too short", func() { kernels.NHWCToNCHW(nil, dst, a, half, half, 1) }},
		{"NCHWToNHWC: src too short", func() { kernels.NCHWToNHWC(nil, dst, a, half, 1, half) }},
		{"Conv: shape too large", func() { kernels.NewConv(many) }},
		{"Conv: window larger than the padded input", func() { kernels.NewConv(far) }},
		{"Local: shape too large", func() {
			kernels.NewLocal(with(func(s *kernels.Conv2D) { s.H, s.W, s.C, s.O = 256, 256, 1<<13, half/2 }))
		}},
		{"Winograd: shape too large", func() { kernels.NewWinograd(many) }},
		{"Planar: shape too large", func() { kernels.NewPlanar(many) }},
		{"Conv8: shape too large", func() { kernels.NewConv8(many) }},
		{"ConvGrad: shape too large", func() { kernels.NewConvGrad(many) }},
		{"LocalGrad: shape too large", func() { kernels.NewLocalGrad(many) }},
		{"Depthwise: shape too large", func() { kernels.NewDepthwise(deep) }},
		{"Depthwise8: shape too large", func() { kernels.NewDepthwise8(deep) }},
		{"Pool: shape too large", func() { kernels.NewPool(kernels.PoolMax, pool(many)) }},
		{"Pool: window larger than the padded input", func() { kernels.NewPool(kernels.PoolAvg, pool(far)) }},
		{"VolumePool: shape too large", func() {
			s := kernels.Pool3D{Pool2D: pool(conv), D: 1 << 20, KD: 1, SD: 1, DD: 1}
			s.C = half >> 5
			s.N = half >> 5
			kernels.NewVolumePool(kernels.PoolMax, s)
		}},
		{"VolumeDepthwise: shape too large", func() {
			s := kernels.Conv3D{Conv2D: conv, D: 1 << 20, KD: 1, SD: 1, DD: 1}
			s.N, s.C, s.O, s.Groups = half>>5, half>>5, half>>5, half>>5
			kernels.NewVolumeDepthwise(s)
		}},
		{"LCN: shape too large", func() { kernels.NewLCN(kernels.LCN2D{N: many.N, H: 4, W: 4, C: 4, Size: 3, Sigma: 1}) }},
		{"Interpolation: shape too large", func() { kernels.NewInterpolation(kernels.InterpolationShape{N: many.N, H: 4, W: 4, C: 4}) }},
		{"ConvTranspose: shape too large", func() { kernels.NewConvTranspose(high) }},
		{"ConvTranspose: shape too large", func() { kernels.NewConvTranspose(lots) }},
	} {
		refuses(t, "kernels: "+c.want, c.call)
	}
	for i, v := range buf {
		if v != 0 {
			t.Fatalf("element %d was written before a panic", i)
		}
	}
}

// TestUnknownActivationIsRefused has kinds beyond those there are, one of which means bytes to tiles.
func TestUnknownActivationIsRefused(t *testing.T) {
	s := kernels.Conv2D{N: 1, H: 4, W: 4, C: 4, O: 4, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	deep := s
	deep.Groups = 4
	up := kernels.Transposed2D{N: 1, H: 4, W: 4, C: 4, O: 4, KH: 1, KW: 1, SH: 1, SW: 1, Groups: 1}
	x, y, w := make([]float32, 64), make([]float32, 64), make([]float32, 16*4*36)
	conv, local, depthwise, winograd, planar, transposed := kernels.NewConv(s), kernels.NewLocal(s), kernels.NewDepthwise(deep), kernels.NewWinograd(s), kernels.NewPlanar(s), kernels.NewConvTranspose(up)
	for _, kind := range []kernels.ActKind{-1, 3} {
		act := kernels.Act{Kind: kind}
		for name, call := range map[string]func(){
			"Gemm":          func() { kernels.Gemm(nil, y, 4, x, 4, 4, kernels.PackB(w, 4, 4, 4, nil), nil, 0, act) },
			"Conv.Run":      func() { conv.Run(nil, y, x, conv.Pack(w, nil), nil, act) },
			"Local.Run":     func() { local.Run(nil, y, x, local.Pack(w, nil), act) },
			"Depthwise.Run": func() { depthwise.Run(nil, y, x, depthwise.Pack(w, nil), act) },
			"Winograd.Run": func() {
				winograd.Run(nil, y, x, winograd.Pack(w, nil), nil, act, make([]float32, winograd.ScratchLen(1)))
			},
			"Planar.Run":        func() { planar.Run(nil, y, x, planar.Pack(w, nil), nil, act) },
			"ConvTranspose.Run": func() { transposed.Run(nil, y, x, transposed.Pack(w, nil), act) },
			"Activate":          func() { kernels.Activate(y, x, act) },
			"ActivateGrad":      func() { kernels.ActivateGrad(y, x, x, act) },
			"ScaleShift":        func() { kernels.ScaleShift(y, x, w[:4], w[4:8], act) },
			"BatchNormGradSums": func() { kernels.BatchNormGradSums(nil, y[:4], y[4:8], x, x, x, w[:4], act) },
		} {
			refuses(t, "kernels: "+name+": unknown activation", call)
		}
	}
	for i, v := range y {
		if v != 0 {
			t.Fatalf("element %d was written before a panic", i)
		}
	}
}

// TestStepsThatLeadNowhereMayBeHuge has one output, and one tap, so that no stride and no dilation is taken.
func TestStepsThatLeadNowhereMayBeHuge(t *testing.T) {
	const far = math.MaxInt / 2
	conv := kernels.Conv2D{N: 1, H: 2, W: 3, C: 2, O: 2, KH: 1, KW: 1, SH: far, SW: far, DH: far, DW: far, Groups: 1}
	deep, up := conv, kernels.Transposed2D{N: 1, H: 1, W: 1, C: 2, O: 2, KH: 1, KW: 1, SH: far, SW: far, DH: far, DW: far, Groups: 1}
	deep.Groups = 2
	src, w := []float32{3, 5, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100}, []float32{2, 1, 1, 10}
	got := make([]float32, 2)
	check := func(name string, a, b float32) {
		t.Helper()
		if got[0] != a || got[1] != b {
			t.Errorf("%s: %v, want %g and %g", name, got, a, b)
		}
		clear(got)
	}
	onEveryISA(t, func(kernels.ISA) {
		c := kernels.NewConv(conv)
		c.Run(nil, got, src, c.Pack(w, nil), nil, kernels.Act{})
		check("Conv", 11, 53)
		d := kernels.NewDepthwise(deep)
		d.Run(nil, got, src, d.Pack(w, nil), kernels.Act{})
		check("Depthwise", 6, 5)
		p := kernels.NewPool(kernels.PoolMax, kernels.Pool2D{N: 1, H: 2, W: 3, C: 2, KH: 1, KW: 1, SH: far, SW: far, DH: far, DW: far})
		p.Run(nil, got, src)
		check("Pool", 3, 5)
		u := kernels.NewConvTranspose(up)
		u.Run(nil, got, src, u.Pack(w, nil), kernels.Act{})
		check("ConvTranspose", 11, 53)
	})
}

// TestUnusualShapesArePlanned has shapes whose tensors are small: windows of poolings that are mostly padding, many groups, few channels, and strides and dilations
// that lead nowhere.
func TestUnusualShapesArePlanned(t *testing.T) {
	const far = math.MaxInt
	const big = 1 << (bits.UintSize/2 - 8) // squared, times the channels, it is more than can be addressed
	pool := kernels.Pool2D{N: 1, H: 1, W: 1, C: 1 << 14, KH: big, KW: big, SH: big, SW: big, DH: 1, DW: 1, PT: big / 2, PL: big / 2, PB: big / 2, PR: big / 2}
	volume := kernels.Pool3D{Pool2D: pool, D: 1, KD: 1, SD: 1, DD: 1}
	kernels.NewVolumePool(kernels.PoolMax, volume)
	groups := kernels.Conv2D{N: 1, H: 7, W: 7, C: 8192, O: 8192, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 2048}
	kernels.NewConv(groups).Pack(make([]float32, 8192*9*4), nil)
	few := kernels.Conv2D{N: 60, H: 1024, W: 1024, C: 2, O: 2, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 2}
	kernels.NewDepthwise(few)
	kernels.NewDepthwise(kernels.Conv2D{N: 1, H: 3, W: 3, C: 512, O: 512, KH: 1, KW: 1, SH: far, SW: 1, DH: far, DW: far, PT: 2, PB: 1, Groups: 512})
	kernels.NewDepthwiseGrad(kernels.Conv2D{N: 1, H: 2, W: 2, C: 8, O: 8, KH: 1, KW: 1, SH: far - 1, SW: far - 1, DH: 1, DW: 1, Groups: 8})
	ceil := kernels.Pool2D{N: 1, H: 4, W: 4, C: 1, KH: 2, KW: 2, SH: far, SW: far, DH: 1, DW: 1, Ceil: true}
	if oh, ow := ceil.OH(), ceil.OW(); oh != 1 || ow != 1 {
		t.Errorf("a pooling with one window has %dx%d outputs", oh, ow)
	}
	for _, s := range []kernels.Transposed2D{
		{N: 1, H: 2, W: 1, C: 1, O: 1, KH: 1, KW: 1, SH: 2, SW: 1, DH: far, DW: far, AH: 1, Groups: 1},
		{N: 1, H: 2, W: 1, C: 1, O: 1, KH: 1, KW: 1, SH: 3, SW: 1, DH: far/2 + 1, DW: 1, Groups: 1},
	} {
		up := kernels.NewConvTranspose(s)
		got, want := make([]float32, s.OH()), make([]float32, s.OH())
		up.Run(nil, got, []float32{3, 5}, up.Pack([]float32{2}, nil), kernels.Act{})
		want[0], want[s.SH] = 6, 10
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", s, got, want)
		}
	}
	l := kernels.NewLCN(kernels.LCN2D{N: 1, H: 250000, W: 1, C: 1, Size: 1023, Sigma: 1})
	if n := l.ScratchLen(); n < 250000*1023 {
		t.Errorf("a normalisation takes %d floats of scratch", n)
	}
}
