//go:build !purego

package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
)

// columnCall adds rows to the sums s and, where the operation makes two, t. Rows are len(s) floats long and stride floats apart.
func columnCall(op columnOp, s, t, a, b, d, row []float32, stride, rows int, p mapParams) {
	ps, pt, pr, n := unsafe.SliceData(s), unsafe.SliceData(t), unsafe.SliceData(row), len(s)
	pa, pb, pd := unsafe.SliceData(a), unsafe.SliceData(b), unsafe.SliceData(d)
	switch use[OpGrad] {
	case AVX512:
		columnAVX512(op, ps, pt, pa, pb, pd, pr, n, stride, rows, p)
	case AVX2:
		columnAVX2(op, ps, pt, pa, pb, pd, pr, n, stride, rows, p)
	default:
		columnGeneric(op, s, t, a, b, d, row, stride, rows, p)
	}
}

func columnAVX512(op columnOp, ps, pt, pa, pb, pd, pr *float32, n, stride, rows int, p mapParams) {
	switch op {
	case columnSum:
		asm.ColumnSumAVX512(ps, pa, n, stride, rows)
	case columnDot:
		asm.ColumnDotAVX512(ps, pa, pb, n, stride, rows)
	case columnSquareDiff:
		asm.ColumnSquareDiffAVX512(ps, pa, pr, n, stride, rows)
	case columnPReLU:
		asm.ColumnPReLUAVX512(ps, pa, pb, n, stride, rows)
	case columnGrad:
		asm.ColumnGradAVX512(ps, pt, pa, pb, pr, n, stride, rows)
	case columnGradClip:
		asm.ColumnGradClipAVX512(ps, pt, pa, pb, pd, pr, n, stride, rows, p[0], p[1])
	case columnGradLeaky:
		asm.ColumnGradLeakyAVX512(ps, pt, pa, pb, pd, pr, n, stride, rows, p[0])
	}
}

func columnAVX2(op columnOp, ps, pt, pa, pb, pd, pr *float32, n, stride, rows int, p mapParams) {
	switch op {
	case columnSum:
		asm.ColumnSumAVX2(ps, pa, n, stride, rows)
	case columnDot:
		asm.ColumnDotAVX2(ps, pa, pb, n, stride, rows)
	case columnSquareDiff:
		asm.ColumnSquareDiffAVX2(ps, pa, pr, n, stride, rows)
	case columnPReLU:
		asm.ColumnPReLUAVX2(ps, pa, pb, n, stride, rows)
	case columnGrad:
		asm.ColumnGradAVX2(ps, pt, pa, pb, pr, n, stride, rows)
	case columnGradClip:
		asm.ColumnGradClipAVX2(ps, pt, pa, pb, pd, pr, n, stride, rows, p[0], p[1])
	case columnGradLeaky:
		asm.ColumnGradLeakyAVX2(ps, pt, pa, pb, pd, pr, n, stride, rows, p[0])
	}
}

// batchNormCall computes dx from factors that are given for each element.
func batchNormCall(act Act, dx, dy, x, y, a, b, k []float32) {
	n := len(dx)
	pdx, pdy, px, py := unsafe.SliceData(dx), unsafe.SliceData(dy), unsafe.SliceData(x), unsafe.SliceData(y)
	pa, pb, pk := unsafe.SliceData(a), unsafe.SliceData(b), unsafe.SliceData(k)
	switch isa := use[OpGrad]; {
	case isa == Generic:
		batchNormGeneric(act, dx, dy, x, y, a, b, k)
	case isa == AVX512 && act.Kind == ActClip:
		asm.BatchNormGradClipAVX512(pdx, pdy, px, py, pa, pb, pk, n, act.Lo, act.Hi)
	case isa == AVX512 && act.Kind == ActLeaky:
		asm.BatchNormGradLeakyAVX512(pdx, pdy, px, py, pa, pb, pk, n, act.Alpha)
	case isa == AVX512:
		asm.BatchNormGradAVX512(pdx, pdy, px, pa, pb, pk, n)
	case act.Kind == ActClip:
		asm.BatchNormGradClipAVX2(pdx, pdy, px, py, pa, pb, pk, n, act.Lo, act.Hi)
	case act.Kind == ActLeaky:
		asm.BatchNormGradLeakyAVX2(pdx, pdy, px, py, pa, pb, pk, n, act.Alpha)
	default:
		asm.BatchNormGradAVX2(pdx, pdy, px, pa, pb, pk, n)
	}
}

// updateCall updates weights.
func updateCall(op updateOp, w, m, v, g []float32, p *updateParams) {
	n := len(w)
	pw, pm, pv, pg := unsafe.SliceData(w), unsafe.SliceData(m), unsafe.SliceData(v), unsafe.SliceData(g)
	switch isa := use[OpGrad]; {
	case isa == Generic:
		updateGeneric(op, w, m, v, g, p)
	case isa == AVX512 && op == updateSGD:
		asm.SGDAVX512(pw, pv, pg, n, p[0], p[1], p[2], p[3])
	case isa == AVX512 && op == updateNesterov:
		asm.NesterovAVX512(pw, pv, pg, n, p[0], p[1], p[2], p[3])
	case isa == AVX512:
		asm.AdamWAVX512(pw, pm, pv, pg, n, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7])
	case op == updateSGD:
		asm.SGDAVX2(pw, pv, pg, n, p[0], p[1], p[2], p[3])
	case op == updateNesterov:
		asm.NesterovAVX2(pw, pv, pg, n, p[0], p[1], p[2], p[3])
	default:
		asm.AdamWAVX2(pw, pm, pv, pg, n, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7])
	}
}

// poolGradCall carries the gradients of some output pixels back.
func poolGradCall(kind PoolKind, a *poolGradArgs) {
	skip, back := a.row-a.kw*a.col, a.kh*a.row
	switch isa := use[OpGrad]; {
	case isa == Generic:
		poolGradGeneric(kind, a, a.pixels)
	case isa == AVX512 && kind == PoolMax:
		asm.PoolMaxGradAVX512(a.dx, a.x, a.y, a.dy, a.channels, a.kh, a.kw, a.col, skip, back, a.pixels, a.step, a.out)
	case isa == AVX512 && kind == PoolAvg:
		asm.PoolAvgGradAVX512(a.dx, a.dy, a.channels, a.kh, a.kw, a.col, skip, back, a.pixels, a.step, a.out, a.count)
	case isa == AVX512:
		asm.PoolL2GradAVX512(a.dx, a.x, a.y, a.dy, a.channels, a.kh, a.kw, a.col, skip, back, a.pixels, a.step, a.out)
	case kind == PoolMax:
		asm.PoolMaxGradAVX2(a.dx, a.x, a.y, a.dy, a.channels, a.kh, a.kw, a.col, skip, back, a.pixels, a.step, a.out)
	case kind == PoolAvg:
		asm.PoolAvgGradAVX2(a.dx, a.dy, a.channels, a.kh, a.kw, a.col, skip, back, a.pixels, a.step, a.out, a.count)
	default:
		asm.PoolL2GradAVX2(a.dx, a.x, a.y, a.dy, a.channels, a.kh, a.kw, a.col, skip, back, a.pixels, a.step, a.out)
	}
}
