package kernels

import (
	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// checkGemm compares GEMM tiles of every height and width, those of GemmTN, and convolutions and a transposed one with padding.
func checkGemm() bool {
	r := checkRand(1)
	if !checkGemmTiles(&r) {
		return false
	}
	act := Act{Kind: ActClip, Lo: -0.5, Hi: 0.5}
	for m := 1; m <= maxRows; m++ {
		n, k := 13+5*m, 3+m%5
		a, b, bias, res := r.fill(m*k), r.fill(k*n), r.fill(n), r.fill(m*n)
		got, want := make([]float32, m*n), make([]float32, m*n)
		switch m % 3 {
		case 0:
			act.Kind = ActLeaky
			res = nil
		case 1:
			act.Kind = ActClip
		default:
			act.Kind = ActNone
			bias = nil
		}
		Gemm(nil, got, n, a, k, m, PackB(b, n, k, n, bias), res, n, act)
		ref.Gemm(want, n, a, k, b, n, bias, res, n, m, n, k, act)
		if !sameBits(got, want) {
			return false
		}
		GemmTN(nil, got, n, a, m, b, n, m, n, k, nil)
		ref.GemmTN(want, n, a, m, b, n, m, n, k)
		if !sameBits(got, want) {
			return false
		}
	}
	// Highest tiles of evenly lying rows, without a residual.
	for _, s := range [][3]int{{12, 32, 10}, {29, 15, 9}} {
		m, n, k := s[0], s[1], s[2]
		a, b, bias := r.fill(m*k), r.fill(k*n), r.fill(n)
		got, want := make([]float32, m*n), make([]float32, m*n)
		for _, act := range []Act{{Kind: ActClip, Lo: -0.5, Hi: 0.5}, checkReLU} {
			Gemm(nil, got, n, a, k, m, PackB(b, n, k, n, bias), nil, 0, act)
			ref.Gemm(want, n, a, k, b, n, bias, nil, 0, m, n, k, act)
			if !sameBits(got, want) {
				return false
			}
		}
	}
	s := Conv2D{N: 1, H: 4, W: 5, C: 17, O: 19, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	src, w, bias := r.fill(4*5*17), r.fill(19*9*17), r.fill(19)
	got, want := make([]float32, 4*5*19), make([]float32, 4*5*19)
	c := NewConv(s)
	c.Run(nil, got, src, c.Pack(w, bias), nil, checkReLU)
	ref.Convolve(want, src, w, bias, nil, &s, checkReLU)
	if !sameBits(got, want) {
		return false
	}
	// Rows of outputs that lie evenly, in several steps.
	for _, o := range []int{9, 25} {
		s := Conv2D{N: 1, H: 2, W: evenOutputs, C: 2, O: o, KH: 2, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PL: 1, PR: 1, Groups: 1}
		src, w, bias := r.fill(s.H*s.W*s.C), r.fill(s.O*s.KH*s.KW*s.C), r.fill(s.O)
		got, want := make([]float32, s.W*s.O), make([]float32, s.W*s.O)
		c := NewConv(s)
		c.Run(nil, got, src, c.Pack(w, bias), nil, act)
		ref.Convolve(want, src, w, bias, nil, &s, act)
		if !sameBits(got, want) {
			return false
		}
	}
	up := Transposed2D{N: 1, H: 2, W: 5, C: 5, O: 17, KH: 3, KW: 3, SH: 2, SW: 2, PT: 1, PL: 1, PB: 1, PR: 1, AH: 1, AW: 1, Groups: 1}
	got, want = make([]float32, 4*10*17), make([]float32, 4*10*17)
	t := NewConvTranspose(up)
	t.Run(nil, got, src, t.Pack(w, bias), act)
	ref.ConvTranspose(want, src, w, bias, &up, act)
	return sameBits(got, want)
}

// checkGemmTiles compares tiles of every height and width, full and ragged, with the plain one, which checkGemm compares with ref: rows that a
// table gives and rows that lie evenly, each way to start and to end.
func checkGemmTiles(r *checkRand) bool {
	const k, most = 5, 24 // floats of a step; rows
	isa := use[OpGemm]
	high, panels := gemmShape(isa)
	wide := panels * panel
	a, b, bias, start := r.fill(most*k), r.fill(2*k*wide), r.fill(wide), r.fill(most*wide)
	got, want, zero := make([]float32, most*wide), make([]float32, most*wide), make([]float32, k)
	var even, anywhere [2 * most]int32
	for i := range even {
		even[i] = int32(i * k)
		if anywhere[i] = int32(i * 7 % most * k); i%5 == 4 {
			anywhere[i] = -1
		}
	}
	for i, v := range []struct {
		steps, lda, load int
		bias, res        *float32
		act              Act
	}{
		{steps: 1, bias: &bias[0], act: checkReLU},
		{steps: 2, res: &start[0]},
		{steps: 1, load: 1, res: &start[0], act: Act{Kind: ActLeaky, Alpha: 0.25}},
		{steps: 1, lda: 4 * k, bias: &bias[0], act: Act{Kind: ActClip, Lo: -0.5, Hi: 0.5}},
		{steps: 1, lda: 4 * k, act: checkReLU},
		{steps: 1},
	} {
		for cols := panel / 2; cols <= wide; cols += panel / 2 {
			narrow := narrowRows(isa, cols, v.lda)
			for rows := 1; rows <= max(high, narrow); rows++ {
				if high < rows && rows < narrow && narrow > maxRows {
					continue // a tile without lower ones
				}
				x := asm.GemmArgs{
					A: &a[0], Offs: &anywhere[0], Zero: &zero[0], B: &b[0], BPanel: 4 * panel * k * v.steps, Bias: v.bias, Res: v.res,
					LDC: 4 * wide, LDR: 4 * wide, LDA: v.lda, K: k, Steps: v.steps, OffStride: 4 * most, AStep: v.lda * rows, OffStep: 4 * rows,
					Rows: rows, Cols: cols - (rows+i)%2*3, Tiles: 1 + rows%2, Load: v.load,
					Act: int(v.act.Kind), Lo: v.act.Lo, Hi: v.act.Hi, Alpha: v.act.Alpha,
				}
				if v.lda != 0 {
					x.Offs, x.OffStep = &even[0], 0
				}
				copy(got, start)
				copy(want, start)
				y := x
				x.C = &got[0]
				gemmTile(isa, &x)
				for col := 0; col < x.Cols; col += panel {
					z := y
					z.B, z.Bias, z.C, z.Res = add(y.B, col/panel*y.BPanel), add(y.Bias, 4*col), &want[col], add(y.Res, 4*col)
					z.Cols = min(panel, x.Cols-col)
					gemmTileGeneric(Generic, &z)
				}
				if !sameBits(got, want) {
					return false
				}
			}
		}
	}
	return true
}
