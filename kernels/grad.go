package kernels

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

// AddScaled computes dst[i] = a[i] + b[i]·s, rounded once, for slices of one length; dst is the same slice as a source or does not overlap it.
func AddScaled(dst, a, b []float32, s float32) {
	binary("AddScaled", mapAddScaled, dst, a, b, mapParams{s})
}
