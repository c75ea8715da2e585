package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// The gradients of the element-wise functions compute dst[i] = dy[i]·f'(x[i]), from the result y = f(x) where that is enough, from x otherwise.
// All slices have one length; dst is the same slice as a source or does not overlap it. Each returns the bits of the function of that name in
// package ref. The gradient of Exp is Mul(dst, dy, y), that of Log Div(dst, dy, x).

func ReLUGrad(dst, dy, y []float32) { gradient("ReLUGrad", mapReLUGrad, dst, dy, y, mapParams{}) }
func SigmoidGrad(dst, dy, y []float32) {
	gradient("SigmoidGrad", mapSigmoidGrad, dst, dy, y, mapParams{})
}
func TanhGrad(dst, dy, y []float32) { gradient("TanhGrad", mapTanhGrad, dst, dy, y, mapParams{}) }
func SoftplusGrad(dst, dy, y []float32) {
	gradient("SoftplusGrad", mapSoftplusGrad, dst, dy, y, mapParams{})
}
func SqrtGrad(dst, dy, y []float32) { gradient("SqrtGrad", mapSqrtGrad, dst, dy, y, mapParams{}) }
func SiLUGrad(dst, dy, x []float32) { gradient("SiLUGrad", mapSiLUGrad, dst, dy, x, mapParams{}) }
func HardSwishGrad(dst, dy, x []float32) {
	gradient("HardSwishGrad", mapHardSwishGrad, dst, dy, x, mapParams{})
}
func GELUGrad(dst, dy, x []float32) { gradient("GELUGrad", mapGELUGrad, dst, dy, x, mapParams{}) }
func GELUTanhGrad(dst, dy, x []float32) {
	gradient("GELUTanhGrad", mapGELUTanhGrad, dst, dy, x, mapParams{})
}
func ErfGrad(dst, dy, x []float32) { gradient("ErfGrad", mapErfGrad, dst, dy, x, mapParams{}) }
func AbsGrad(dst, dy, x []float32) { gradient("AbsGrad", mapAbsGrad, dst, dy, x, mapParams{}) }

// ClipGrad computes dst[i] = lo < y[i] < hi ? dy[i] : 0. ReLU6 is 0 and 6.
func ClipGrad(dst, dy, y []float32, lo, hi float32) {
	gradient("ClipGrad", mapClipGrad, dst, dy, y, mapParams{lo, hi})
}

// LeakyReLUGrad computes dst[i] = x[i] > 0 ? dy[i] : alpha·dy[i]. For alpha of 0 or more the result may stand for x.
func LeakyReLUGrad(dst, dy, x []float32, alpha float32) {
	gradient("LeakyReLUGrad", mapLeakyReLUGrad, dst, dy, x, mapParams{alpha})
}

// ELUGrad computes dst[i] = y[i] > 0 ? dy[i] : dy[i]·(y[i] + alpha).
func ELUGrad(dst, dy, y []float32, alpha float32) {
	gradient("ELUGrad", mapELUGrad, dst, dy, y, mapParams{alpha, 1})
}

// SELUGrad computes dst[i] = y[i] > 0 ? dy[i]·gamma : dy[i]·(y[i] + alpha·gamma), alpha·gamma rounded first.
func SELUGrad(dst, dy, y []float32, alpha, gamma float32) {
	gradient("SELUGrad", mapELUGrad, dst, dy, y, mapParams{float32(alpha * gamma), gamma})
}

// HardSigmoidGrad computes dst[i] = 0 < y[i] < 1 ? alpha·dy[i] : 0.
func HardSigmoidGrad(dst, dy, y []float32, alpha float32) {
	gradient("HardSigmoidGrad", mapHardSigmoidGrad, dst, dy, y, mapParams{alpha})
}

// ActivateGrad computes dst[i] = act.ApplyGrad(dy[i], y[i]), y being the result of act.
func ActivateGrad(dst, dy, y []float32, act Act) {
	checkAct("ActivateGrad", act)
	switch act.Kind {
	case ActClip:
		gradient("ActivateGrad", mapClipGrad, dst, dy, y, mapParams{act.Lo, act.Hi})
	case ActLeaky:
		gradient("ActivateGrad", mapLeakyReLUGrad, dst, dy, y, mapParams{act.Alpha})
	default:
		if len(dy) != len(dst) {
			panic("kernels: ActivateGrad: dst and dy differ in length")
		}
		copy(dst, dy)
	}
}

func gradient(name string, op mapOp, dst, dy, y []float32, p mapParams) {
	if len(dy) != len(dst) || len(y) != len(dst) {
		panic("kernels: " + name + ": dst, dy and the function's argument or result differ in length")
	}
	if !apart(dst, dy) || !apart(dst, y) {
		panic("kernels: " + name + ": dst overlaps a source")
	}
	mapRun(op, dst, dy, y, nil, p)
}

// PReLUGrad computes dx[i,c] = x[i,c] > 0 ? dy[i,c] : slope[c]·dy[i,c]; dx, dy and x are [rows, C], slope is [C].
func PReLUGrad(dx, dy, x, slope []float32) {
	checkRows("PReLUGrad", dx, dy, slope)
	if len(x) != len(dx) {
		panic("kernels: PReLUGrad: dst and x differ in length")
	}
	if !apart(dx, x) {
		panic("kernels: PReLUGrad: dst overlaps a source")
	}
	if len(slope) <= patternLen/2 {
		var buf [patternLen + lineLen]float32
		slope = repeat(buf[:], slope, len(dx)/len(slope))
		preluGrad(dx, dy, x, slope)
		return
	}
	preluGrad(dx, dy, x, slope)
}

func preluGrad(dx, dy, x, slope []float32) {
	for len(dx) > 0 {
		n := min(len(slope), len(dx))
		mapRun(mapPReLUGrad, dx[:n], dy[:n], x[:n], slope[:n], mapParams{})
		dx, dy, x = dx[n:], dy[n:], x[n:]
	}
}

// checkGrad compares the sums over rows, the optimisers and the gradients of batch normalisation and pooling with plain Go.
func checkGrad() bool {
	const width, rows = 37, 3
	r := checkRand(1)
	a, b, d, row := r.fill(width*rows), r.fill(width*rows), r.fill(width*rows), r.fill(width)
	b[5], d[7] = quietNaN, quietNaN
	p := mapParams{-0.5, 0.5}
	for op := columnSum; op < numColumnOps; op++ {
		s, t := r.fill(width), r.fill(width)
		wantS, wantT := append([]float32(nil), s...), append([]float32(nil), t...)
		columnCall(op, s, t, a, b, d, row, width, rows, p)
		columnGeneric(op, wantS, wantT, a, b, d, row, width, rows, p)
		if !sameBits(s, wantS) || !sameBits(t, wantT) {
			return false
		}
	}
	for _, act := range []Act{{}, {Kind: ActClip, Lo: -0.5, Hi: 0.5}, {Kind: ActLeaky, Alpha: 0.25}} {
		var got, want [width]float32
		batchNormCall(act, got[:], a[:width], b[:width], d[:width], row, a[width:2*width], b[width:2*width])
		batchNormGeneric(act, want[:], a[:width], b[:width], d[:width], row, a[width:2*width], b[width:2*width])
		if !sameBits(got[:], want[:]) {
			return false
		}
	}
	factors := updateParams{0.5, 0.1, 0.9, 0.2, 1.5, 1e-3, -0.1, 0.99}
	for _, op := range []updateOp{updateSGD, updateNesterov, updateAdamW} {
		var got, want [3][width]float32
		for i := range got {
			copy(got[i][:], r.fill(width))
		}
		want = got
		updateCall(op, got[0][:], got[1][:], got[2][:], a[:width], &factors)
		updateGeneric(op, want[0][:], want[1][:], want[2][:], a[:width], &factors)
		for i := range got {
			if !sameBits(got[i][:], want[i][:]) {
				return false
			}
		}
	}
	s := Pool2D{N: 1, H: 3, W: 4, C: width, KH: 2, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PR: 1}
	x := r.fill(s.H * s.W * s.C)
	x[30] = quietNaN
	for kind := PoolMax; kind <= PoolL2; kind++ {
		plan := NewPool(kind, s)
		y, dy := make([]float32, plan.oh*plan.ow*s.C), r.fill(plan.oh*plan.ow*s.C)
		ref.Pool(y, x, kind, &s)
		got, want := make([]float32, len(x)), make([]float32, len(x))
		plan.Grad(nil, got, dy, x, y)
		ref.PoolGrad(want, dy, x, y, kind, &s)
		if !sameBits(got, want) {
			return false
		}
	}
	return true
}
