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
	case NEON:
		columnNEON(op, ps, pt, pa, pb, pd, pr, n, stride, rows, p)
	default:
		columnGeneric(op, s, t, a, b, d, row, stride, rows, p)
	}
}

func columnNEON(op columnOp, ps, pt, pa, pb, pd, pr *float32, n, stride, rows int, p mapParams) {
	switch op {
	case columnSum:
		asm.ColumnSumNEON(ps, pa, n, stride, rows)
	case columnDot:
		asm.ColumnDotNEON(ps, pa, pb, n, stride, rows)
	case columnSquareDiff:
		asm.ColumnSquareDiffNEON(ps, pa, pr, n, stride, rows)
	case columnPReLU:
		asm.ColumnPReLUNEON(ps, pa, pb, n, stride, rows)
	case columnGrad:
		asm.ColumnGradNEON(ps, pt, pa, pb, pr, n, stride, rows)
	case columnGradClip:
		asm.ColumnGradClipNEON(ps, pt, pa, pb, pd, pr, n, stride, rows, p[0], p[1])
	case columnGradLeaky:
		asm.ColumnGradLeakyNEON(ps, pt, pa, pb, pd, pr, n, stride, rows, p[0])
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
	case act.Kind == ActClip:
		asm.BatchNormGradClipNEON(pdx, pdy, px, py, pa, pb, pk, n, act.Lo, act.Hi)
	case act.Kind == ActLeaky:
		asm.BatchNormGradLeakyNEON(pdx, pdy, px, py, pa, pb, pk, n, act.Alpha)
	default:
		asm.BatchNormGradNEON(pdx, pdy, px, pa, pb, pk, n)
	}
}

// updateCall updates weights.
func updateCall(op updateOp, w, m, v, g []float32, p *updateParams) {
	n := len(w)
	pw, pm, pv, pg := unsafe.SliceData(w), unsafe.SliceData(m), unsafe.SliceData(v), unsafe.SliceData(g)
	switch isa := use[OpGrad]; {
	case isa == Generic:
		updateGeneric(op, w, m, v, g, p)
	case op == updateSGD:
		asm.SGDNEON(pw, pv, pg, n, p[0], p[1], p[2], p[3])
	case op == updateNesterov:
		asm.NesterovNEON(pw, pv, pg, n, p[0], p[1], p[2], p[3])
	default:
		asm.AdamWNEON(pw, pm, pv, pg, n, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7])
	}
}

// poolGradCall carries the gradients of some output pixels back.
func poolGradCall(kind PoolKind, a *poolGradArgs) {
	skip, back := a.row-a.kw*a.col, a.kh*a.row
	switch isa := use[OpGrad]; {
	case isa == Generic:
		poolGradGeneric(kind, a, a.pixels)
	case kind == PoolMax:
		asm.PoolMaxGradNEON(a.dx, a.x, a.y, a.dy, a.channels, a.kh, a.kw, a.col, skip, back, a.pixels, a.step, a.out)
	case kind == PoolAvg:
		asm.PoolAvgGradNEON(a.dx, a.dy, a.channels, a.kh, a.kw, a.col, skip, back, a.pixels, a.step, a.out, a.count)
	default:
		asm.PoolL2GradNEON(a.dx, a.x, a.y, a.dy, a.channels, a.kh, a.kw, a.col, skip, back, a.pixels, a.step, a.out)
	}
}
