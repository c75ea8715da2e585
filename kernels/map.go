package kernels

import (
	"math"
	"unsafe"

	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// mapOp is an element-wise function that has a kernel of its own.
type mapOp uint8

const (
	mapExp mapOp = iota
	mapLog
	mapTanh
	mapSigmoid
	mapSiLU
	mapGELU
	mapGELUTanh
	mapErf
	mapSoftplus
	mapHardSwish
	mapStep
	mapSqrt
	mapAbs
	mapNeg
	mapReLU
	mapLeakyReLU
	mapClip
	mapELU
	mapHardSigmoid
	mapAddScalar
	mapSubScalar
	mapScalarSub
	mapMulScalar
	mapDivScalar
	mapScalarDiv
	mapScalarMin
	mapScalarMax
	mapExpSub
	mapSubSub
	mapPReLU
	mapAdd
	mapSub
	mapMul
	mapDiv
	mapMin
	mapMax
	mapAddSquare
	mapLRN75
	mapLRN
	mapScaleShiftClip
	mapScaleShiftLeaky
	mapNormalize
	mapReLUGrad
	mapClipGrad
	mapLeakyReLUGrad
	mapSigmoidGrad
	mapTanhGrad
	mapELUGrad
	mapSoftplusGrad
	mapSqrtGrad
	mapHardSigmoidGrad
	mapSiLUGrad
	mapHardSwishGrad
	mapGELUGrad
	mapGELUTanhGrad
	mapErfGrad
	mapAbsGrad
	mapBlend
	mapAddScaled
	mapLerp
	mapSubMul
	mapAddScaledExp
	mapDivAddScaled
	mapPReLUGrad
	mapMergeSquares
	mapLRNShare
	mapAddScaledProduct
	numMapOps
)

// mapParams are the scalars of an element-wise function.
type mapParams [4]float32

var posInf, quietNaN = float32(math.Inf(1)), float32(math.NaN())

// mapChunk is how many elements one call of a kernel does: bounded work.
const mapChunk = 8192

// mapRun runs op on whole slices; b and c are nil where op has fewer sources.
func mapRun(op mapOp, dst, a, b, c []float32, p mapParams) {
	if n := len(dst); uint(n-1) < mapChunk {
		mapTile(op, ptr(dst), ptr(a), ptr(b), ptr(c), n, &p)
	} else {
		mapLong(op, dst, a, b, c, &p)
	}
}

// mapLong is mapRun for many elements.
func mapLong(op mapOp, dst, a, b, c []float32, p *mapParams) {
	for len(dst) > 0 {
		n := min(mapChunk, len(dst))
		mapTile(op, ptr(dst), ptr(a), ptr(b), ptr(c), n, p)
		dst, a, b, c = dst[n:], from(a, n), from(b, n), from(c, n)
	}
}

// sliceOf returns n elements from p on, or nil.
func sliceOf(p *float32, n int) []float32 {
	if p == nil {
		return nil
	}
	return unsafe.Slice(p, n)
}

// apart says whether a source may be read while dst is written: it has dst's place exactly, or shares nothing with it.
func apart(dst, src []float32) bool {
	if len(dst) == 0 || len(src) == 0 || &dst[0] == &src[0] && len(dst) == len(src) {
		return true
	}
	return disjoint(dst, src)
}

func disjoint[T any](x, y []T) bool {
	if len(x) == 0 || len(y) == 0 {
		return true
	}
	size := unsafe.Sizeof(x[0])
	px, py := uintptr(unsafe.Pointer(&x[0])), uintptr(unsafe.Pointer(&y[0]))
	return px+uintptr(len(x))*size <= py || py+uintptr(len(y))*size <= px
}

// rowsApart is disjoint for matrices of w columns whose rows are ld floats apart; they may lie side by side in the rows of a wider one.
func rowsApart(x []float32, ldx, wx int, y []float32, ldy, wy int) bool {
	if disjoint(x, y) {
		return true
	}
	if ldx != ldy {
		return false
	}
	d := (int(uintptr(unsafe.Pointer(&y[0]))-uintptr(unsafe.Pointer(&x[0]))) / 4) % ldx
	if d < 0 {
		d += ldx
	}
	return wx <= d && d+wy <= ldx
}

func unary(name string, op mapOp, dst, src []float32, p mapParams) {
	if len(src) != len(dst) {
		panic("kernels: " + name + ": dst and src differ in length")
	}
	if !apart(dst, src) {
		panic("kernels: " + name + ": dst overlaps src")
	}
	mapRun(op, dst, src, nil, nil, p)
}

func binary(name string, op mapOp, dst, a, b []float32, p mapParams) {
	if len(a) != len(dst) || len(b) != len(dst) {
		panic("kernels: " + name + ": dst, a and b differ in length")
	}
	if !apart(dst, a) || !apart(dst, b) {
		panic("kernels: " + name + ": dst overlaps a or b")
	}
	mapRun(op, dst, a, b, nil, p)
}

// A short row is repeated, so that kernels run over many elements at a time: to patternLen, or to longPattern where there is enough to do
// to be worth clearing and filling that much stack.
const (
	patternLen  = 512
	longPattern = 2048
)

// lineLen is the float32 in a cache line: buf of repeat has room for as many more, so that the copies can start at one.
const lineLen = 16

// repeat fills buf with whole copies of row, at most rows of them, and returns those: row itself where only one fits.
func repeat(buf, row []float32, rows int) []float32 {
	for uintptr(unsafe.Pointer(&buf[0]))%(4*lineLen) != 0 {
		buf = buf[1:]
	}
	k := min(len(buf)/len(row), rows)
	if k <= 1 {
		return row
	}
	if k >= lineLen {
		k &^= lineLen - 1 // the next rows start at a cache line too, if these do
	}
	n := k * len(row)
	for i := copy(buf[:n], row); i < n; i *= 2 {
		copy(buf[i:n], buf[:i])
	}
	return buf[:n]
}

func checkRows(name string, dst, src, row []float32) {
	if len(src) != len(dst) {
		panic("kernels: " + name + ": dst and src differ in length")
	}
	if len(row) == 0 || len(dst)%len(row) != 0 {
		panic("kernels: " + name + ": dst is not made of rows of row's length")
	}
	if !apart(dst, src) || !disjoint(dst, row) {
		panic("kernels: " + name + ": dst overlaps a source")
	}
}

// rows computes dst[i,c] = op(a[i,c], row[c]); swap exchanges the sources.
func rows(name string, op mapOp, dst, a, row []float32, swap bool, p mapParams) {
	checkRows(name, dst, a, row)
	switch n := len(dst) / len(row); {
	case len(dst) >= 8*longPattern && len(row) <= longPattern/2:
		var buf [longPattern + lineLen]float32
		rowsOf(op, dst, a, repeat(buf[:], row, n), swap, p)
	case len(row) <= patternLen/2:
		var buf [patternLen + lineLen]float32
		rowsOf(op, dst, a, repeat(buf[:], row, n), swap, p)
	default:
		rowsOf(op, dst, a, row, swap, p)
	}
}

func rowsOf(op mapOp, dst, a, row []float32, swap bool, p mapParams) {
	for len(dst) > 0 {
		n := min(len(row), len(dst))
		x, y := a[:n], row[:n]
		if swap {
			x, y = y, x
		}
		mapRun(op, dst[:n], x, y, nil, p)
		dst, a = dst[n:], a[n:]
	}
}

// The functions of one source compute dst[i] = f(src[i]). dst and src have one length; they are the same slice or do not overlap.
// Each returns the bits of the function of that name in package ref, where its definition and its largest error are.

func Exp(dst, src []float32)       { unary("Exp", mapExp, dst, src, mapParams{}) }
func Log(dst, src []float32)       { unary("Log", mapLog, dst, src, mapParams{}) }
func Tanh(dst, src []float32)      { unary("Tanh", mapTanh, dst, src, mapParams{}) }
func Sigmoid(dst, src []float32)   { unary("Sigmoid", mapSigmoid, dst, src, mapParams{}) }
func SiLU(dst, src []float32)      { unary("SiLU", mapSiLU, dst, src, mapParams{}) }
func GELU(dst, src []float32)      { unary("GELU", mapGELU, dst, src, mapParams{}) }
func GELUTanh(dst, src []float32)  { unary("GELUTanh", mapGELUTanh, dst, src, mapParams{}) }
func Erf(dst, src []float32)       { unary("Erf", mapErf, dst, src, mapParams{}) }
func Softplus(dst, src []float32)  { unary("Softplus", mapSoftplus, dst, src, mapParams{}) }
func HardSwish(dst, src []float32) { unary("HardSwish", mapHardSwish, dst, src, mapParams{}) }
func Step(dst, src []float32)      { unary("Step", mapStep, dst, src, mapParams{}) }
func Sqrt(dst, src []float32)      { unary("Sqrt", mapSqrt, dst, src, mapParams{}) }
func Abs(dst, src []float32)       { unary("Abs", mapAbs, dst, src, mapParams{}) }
func Neg(dst, src []float32)       { unary("Neg", mapNeg, dst, src, mapParams{}) }
func ReLU(dst, src []float32)      { unary("ReLU", mapReLU, dst, src, mapParams{}) }

// LeakyReLU computes dst[i] = src[i] > 0 ? src[i] : alpha·src[i].
func LeakyReLU(dst, src []float32, alpha float32) {
	unary("LeakyReLU", mapLeakyReLU, dst, src, mapParams{alpha})
}

// Clip computes dst[i] = ref.Clip(src[i], lo, hi). ReLU6 is Clip(0, 6).
func Clip(dst, src []float32, lo, hi float32) { unary("Clip", mapClip, dst, src, mapParams{lo, hi}) }

// ELU computes dst[i] = src[i] > 0 ? src[i] : alpha·(e^src[i] - 1).
func ELU(dst, src []float32, alpha float32) { unary("ELU", mapELU, dst, src, mapParams{alpha, 1}) }

// SELU computes dst[i] = gamma·(src[i] > 0 ? src[i] : alpha·(e^src[i] - 1)), alpha·gamma rounded first.
func SELU(dst, src []float32, alpha, gamma float32) {
	unary("SELU", mapELU, dst, src, mapParams{float32(alpha * gamma), gamma})
}

// HardSigmoid computes dst[i] = ref.HardSigmoid(src[i], alpha, beta).
func HardSigmoid(dst, src []float32, alpha, beta float32) {
	unary("HardSigmoid", mapHardSigmoid, dst, src, mapParams{alpha, beta})
}

// Activate computes dst[i] = act.Apply(src[i]).
func Activate(dst, src []float32, act Act) {
	checkAct("Activate", act)
	switch act.Kind {
	case ActClip:
		unary("Activate", mapClip, dst, src, mapParams{act.Lo, act.Hi})
	case ActLeaky:
		unary("Activate", mapLeakyReLU, dst, src, mapParams{act.Alpha})
	default:
		if len(src) != len(dst) {
			panic("kernels: Activate: dst and src differ in length")
		}
		copy(dst, src)
	}
}

// PReLU computes dst[i,c] = src[i,c] > 0 ? src[i,c] : slope[c]·src[i,c]; dst and src are [rows, C], slope is [C].
func PReLU(dst, src, slope []float32) { rows("PReLU", mapPReLU, dst, src, slope, false, mapParams{}) }

// The functions of two sources compute dst[i] = a[i] op b[i] for slices of one length. dst is the same slice as a source or does not overlap it.
// Min and Max compare and select as ref.Min and ref.Max do: Max(a, b) = a > b ? a : b.

func Add(dst, a, b []float32) { binary("Add", mapAdd, dst, a, b, mapParams{}) }
func Sub(dst, a, b []float32) { binary("Sub", mapSub, dst, a, b, mapParams{}) }
func Mul(dst, a, b []float32) { binary("Mul", mapMul, dst, a, b, mapParams{}) }
func Div(dst, a, b []float32) { binary("Div", mapDiv, dst, a, b, mapParams{}) }
func Min(dst, a, b []float32) { binary("Min", mapMin, dst, a, b, mapParams{}) }
func Max(dst, a, b []float32) { binary("Max", mapMax, dst, a, b, mapParams{}) }

// The functions of a slice and a scalar compute dst[i] from a[i] and s: a[i] + s, a[i] - s, s - a[i], a[i] · s, a[i] / s, s / a[i],
// ref.Min(s, a[i]), ref.Max(s, a[i]).

func AddScalar(dst, a []float32, s float32) { unary("AddScalar", mapAddScalar, dst, a, mapParams{s}) }
func SubScalar(dst, a []float32, s float32) { unary("SubScalar", mapSubScalar, dst, a, mapParams{s}) }
func ScalarSub(dst []float32, s float32, a []float32) {
	unary("ScalarSub", mapScalarSub, dst, a, mapParams{s})
}
func MulScalar(dst, a []float32, s float32) { unary("MulScalar", mapMulScalar, dst, a, mapParams{s}) }
func DivScalar(dst, a []float32, s float32) { unary("DivScalar", mapDivScalar, dst, a, mapParams{s}) }
func ScalarDiv(dst []float32, s float32, a []float32) {
	unary("ScalarDiv", mapScalarDiv, dst, a, mapParams{s})
}
func MinScalar(dst, a []float32, s float32) { unary("MinScalar", mapScalarMin, dst, a, mapParams{s}) }
func MaxScalar(dst, a []float32, s float32) { unary("MaxScalar", mapScalarMax, dst, a, mapParams{s}) }

// The functions with a row compute dst[i,c] from a[i,c] and row[c]; dst and a are [rows, C], row is [C] and does not overlap dst:
// a + row, a - row, row - a, a · row, a / row, row / a, ref.Min(row, a), ref.Max(row, a).

func AddRow(dst, a, row []float32) { rows("AddRow", mapAdd, dst, a, row, false, mapParams{}) }
func SubRow(dst, a, row []float32) { rows("SubRow", mapSub, dst, a, row, false, mapParams{}) }
func RowSub(dst, row, a []float32) { rows("RowSub", mapSub, dst, a, row, true, mapParams{}) }
func MulRow(dst, a, row []float32) { rows("MulRow", mapMul, dst, a, row, false, mapParams{}) }
func DivRow(dst, a, row []float32) { rows("DivRow", mapDiv, dst, a, row, false, mapParams{}) }
func RowDiv(dst, row, a []float32) { rows("RowDiv", mapDiv, dst, a, row, true, mapParams{}) }
func MinRow(dst, a, row []float32) { rows("MinRow", mapMin, dst, a, row, true, mapParams{}) }
func MaxRow(dst, a, row []float32) { rows("MaxRow", mapMax, dst, a, row, true, mapParams{}) }

// ScaleShift computes dst[i,c] = act.Apply(fma(src[i,c], scale[c], shift[c])); dst and src are [rows, C], scale and shift [C].
// It returns the bits of ref.ScaleShift.
func ScaleShift(dst, src, scale, shift []float32, act Act) {
	checkRows("ScaleShift", dst, src, scale)
	checkAct("ScaleShift", act)
	if len(shift) != len(scale) {
		panic("kernels: ScaleShift: scale and shift differ in length")
	}
	if !disjoint(dst, shift) {
		panic("kernels: ScaleShift: dst overlaps a source")
	}
	op, p := mapScaleShiftClip, mapParams{act.Lo, act.Hi}
	switch act.Kind {
	case ActLeaky:
		op, p = mapScaleShiftLeaky, mapParams{act.Alpha}
	case ActNone:
		p = mapParams{-posInf, posInf}
	}
	switch n := len(dst) / len(scale); {
	case len(dst) >= 8*longPattern && len(scale) <= longPattern/2:
		var buf [2][longPattern + lineLen]float32
		scaleShift(op, dst, src, repeat(buf[0][:], scale, n), repeat(buf[1][:], shift, n), p)
	case len(scale) <= patternLen/2:
		var buf [2][patternLen + lineLen]float32
		scaleShift(op, dst, src, repeat(buf[0][:], scale, n), repeat(buf[1][:], shift, n), p)
	default:
		scaleShift(op, dst, src, scale, shift, p)
	}
}

func scaleShift(op mapOp, dst, src, scale, shift []float32, p mapParams) {
	for len(dst) > 0 {
		n := min(len(scale), len(dst))
		mapRun(op, dst[:n], src[:n], scale[:n], shift[:n], p)
		dst, src = dst[n:], src[n:]
	}
}

// mapPlain is op in plain Go.
func mapPlain(op mapOp, dst, a, b, c []float32, p mapParams) {
	f, g := plain1[op], plain2[op]
	for i, x := range a {
		switch {
		case f != nil:
			dst[i] = f(x, p)
		case g != nil:
			dst[i] = g(x, b[i], p)
		default:
			dst[i] = plain3[op](x, b[i], c[i], p)
		}
	}
}

// The plain functions of one, two and three sources.
var (
	plain1 = [numMapOps]func(x float32, p mapParams) float32{
		mapExp:         func(x float32, _ mapParams) float32 { return ref.Exp(x) },
		mapLog:         func(x float32, _ mapParams) float32 { return ref.Log(x) },
		mapTanh:        func(x float32, _ mapParams) float32 { return ref.Tanh(x) },
		mapSigmoid:     func(x float32, _ mapParams) float32 { return ref.Sigmoid(x) },
		mapSiLU:        func(x float32, _ mapParams) float32 { return ref.SiLU(x) },
		mapGELU:        func(x float32, _ mapParams) float32 { return ref.GELU(x) },
		mapGELUTanh:    func(x float32, _ mapParams) float32 { return ref.GELUTanh(x) },
		mapErf:         func(x float32, _ mapParams) float32 { return ref.Erf(x) },
		mapSoftplus:    func(x float32, _ mapParams) float32 { return ref.Softplus(x) },
		mapHardSwish:   func(x float32, _ mapParams) float32 { return ref.HardSwish(x) },
		mapStep:        func(x float32, _ mapParams) float32 { return ref.Step(x) },
		mapSqrt:        func(x float32, _ mapParams) float32 { return ref.Sqrt(x) },
		mapAbs:         func(x float32, _ mapParams) float32 { return ref.Abs(x) },
		mapNeg:         func(x float32, _ mapParams) float32 { return ref.Neg(x) },
		mapReLU:        func(x float32, _ mapParams) float32 { return ref.ReLU(x) },
		mapLeakyReLU:   func(x float32, p mapParams) float32 { return ref.LeakyReLU(x, p[0]) },
		mapClip:        func(x float32, p mapParams) float32 { return ref.Clip(x, p[0], p[1]) },
		mapELU:         func(x float32, p mapParams) float32 { return ref.ELU(x, p[0], p[1]) },
		mapHardSigmoid: func(x float32, p mapParams) float32 { return ref.HardSigmoid(x, p[0], p[1]) },
		mapAddScalar:   func(x float32, p mapParams) float32 { return x + p[0] },
		mapSubScalar:   func(x float32, p mapParams) float32 { return x - p[0] },
		mapScalarSub:   func(x float32, p mapParams) float32 { return p[0] - x },
		mapMulScalar:   func(x float32, p mapParams) float32 { return x * p[0] },
		mapDivScalar:   func(x float32, p mapParams) float32 { return x / p[0] },
		mapScalarDiv:   func(x float32, p mapParams) float32 { return p[0] / x },
		mapScalarMin:   func(x float32, p mapParams) float32 { return ref.Min(p[0], x) },
		mapScalarMax:   func(x float32, p mapParams) float32 { return ref.Max(p[0], x) },
		mapExpSub:      func(x float32, p mapParams) float32 { return ref.Exp(x - p[0]) },
		mapSubSub:      func(x float32, p mapParams) float32 { return float32(x-p[0]) - p[1] },
	}
	plain2 = [numMapOps]func(a, b float32, p mapParams) float32{
		mapPReLU:     func(a, b float32, _ mapParams) float32 { return ref.LeakyReLU(a, b) },
		mapAdd:       func(a, b float32, _ mapParams) float32 { return a + b },
		mapSub:       func(a, b float32, _ mapParams) float32 { return a - b },
		mapMul:       func(a, b float32, _ mapParams) float32 { return a * b },
		mapDiv:       func(a, b float32, _ mapParams) float32 { return a / b },
		mapMin:       func(a, b float32, _ mapParams) float32 { return ref.Min(a, b) },
		mapMax:       func(a, b float32, _ mapParams) float32 { return ref.Max(a, b) },
		mapAddSquare: func(a, x float32, _ mapParams) float32 { return ref.FMA32(x, x, a) },
		mapLRN75: func(x, sq float32, p mapParams) float32 {
			r := ref.Sqrt(ref.FMA32(p[0], sq, p[1]))
			return x / float32(r*ref.Sqrt(r))
		},
		mapLRN: func(x, sq float32, p mapParams) float32 {
			return x * ref.Exp(float32(p[2]*ref.Log(ref.FMA32(p[0], sq, p[1]))))
		},
		mapReLUGrad:        func(a, b float32, _ mapParams) float32 { return ref.ReLUGrad(a, b) },
		mapClipGrad:        func(a, b float32, p mapParams) float32 { return ref.ClipGrad(a, b, p[0], p[1]) },
		mapLeakyReLUGrad:   func(a, b float32, p mapParams) float32 { return ref.LeakyReLUGrad(a, b, p[0]) },
		mapSigmoidGrad:     func(a, b float32, _ mapParams) float32 { return ref.SigmoidGrad(a, b) },
		mapTanhGrad:        func(a, b float32, _ mapParams) float32 { return ref.TanhGrad(a, b) },
		mapELUGrad:         func(a, b float32, p mapParams) float32 { return ref.ELUGrad(a, b, p[0], p[1]) },
		mapSoftplusGrad:    func(a, b float32, _ mapParams) float32 { return ref.SoftplusGrad(a, b) },
		mapSqrtGrad:        func(a, b float32, _ mapParams) float32 { return ref.SqrtGrad(a, b) },
		mapHardSigmoidGrad: func(a, b float32, p mapParams) float32 { return ref.HardSigmoidGrad(a, b, p[0]) },
		mapSiLUGrad:        func(a, b float32, _ mapParams) float32 { return ref.SiLUGrad(a, b) },
		mapHardSwishGrad:   func(a, b float32, _ mapParams) float32 { return ref.HardSwishGrad(a, b) },
		mapGELUGrad:        func(a, b float32, _ mapParams) float32 { return ref.GELUGrad(a, b) },
		mapGELUTanhGrad:    func(a, b float32, _ mapParams) float32 { return ref.GELUTanhGrad(a, b) },
		mapErfGrad:         func(a, b float32, _ mapParams) float32 { return ref.ErfGrad(a, b) },
		mapAbsGrad:         func(a, b float32, _ mapParams) float32 { return ref.AbsGrad(a, b) },
		mapBlend:           func(a, b float32, p mapParams) float32 { return ref.FMA32(b, p[1], ref.FMA32(a, p[0], 0)) },
		mapAddScaled:       func(a, b float32, p mapParams) float32 { return ref.FMA32(b, p[0], a) },
		mapLerp:            func(a, b float32, p mapParams) float32 { return ref.FMA32(b-a, p[0], a) },
		mapSubMul:          func(a, b float32, p mapParams) float32 { return float32(a-p[0]) * b },
		mapAddScaledExp:    func(a, b float32, p mapParams) float32 { return ref.FMA32(ref.Exp(b), p[0], a) },
		mapDivAddScaled:    func(a, b float32, p mapParams) float32 { return ref.FMA32(b, p[0], a/p[1]) },
	}
	plain3 = [numMapOps]func(x, b, c float32, p mapParams) float32{
		mapScaleShiftClip: func(x, scale, shift float32, p mapParams) float32 {
			return ref.Clip(ref.FMA32(x, scale, shift), p[0], p[1])
		},
		mapScaleShiftLeaky: func(x, scale, shift float32, p mapParams) float32 {
			return ref.LeakyReLU(ref.FMA32(x, scale, shift), p[0])
		},
		mapNormalize: func(x, gain, bias float32, p mapParams) float32 {
			return ref.FMA32(float32((x-p[0])*p[1]), gain, bias)
		},
		mapPReLUGrad: func(x, b, c float32, _ mapParams) float32 {
			return ref.LeakyReLUGrad(x, b, c)
		},
		mapMergeSquares: func(x, b, c float32, p mapParams) float32 {
			return ref.FMA32(float32(c*c), p[0], x+b)
		},
		mapLRNShare: func(x, b, c float32, p mapParams) float32 {
			return float32(x*b) / ref.FMA32(p[0], c, p[1])
		},
		mapAddScaledProduct: func(x, b, c float32, p mapParams) float32 {
			return ref.FMA32(float32(b*c), p[0], x)
		},
	}
)

// checkMap compares every element-wise kernel with plain Go on a small vector.
func checkMap() bool {
	const most = 77 // elements: more than the widest loops take at once, and a rest
	var src [3][most]float32
	var got, want [most]float32
	specials := [...]float32{0, ref.Neg(0), posInf, -posInf, quietNaN, 0x1p-149, -0x1p-130, 0x1.fffffep127, -88, 89, -104, 1}
	for k := range src {
		for i := range src[k] {
			src[k][i] = (float32(i*(7+k)%33) - 16) * 0.37
			if i%5 == 4 {
				src[k][i] = specials[(i/5+k*5)%len(specials)]
			}
		}
	}
	p := mapParams{-0.75, 1.5, 0.6, -0.3}
	for op := mapOp(0); op < numMapOps; op++ {
		mapTile(op, &got[0], &src[0][0], &src[1][0], &src[2][0], most, &p)
		mapPlain(op, want[:], src[0][:], src[1][:], src[2][:], p)
		if !sameBits(got[:], want[:]) {
			return false
		}
	}
	return true
}
