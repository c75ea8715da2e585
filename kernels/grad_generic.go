//go:build purego || !(amd64 || arm64)

package kernels

// columnCall adds rows to the sums s and, where the operation makes two, t. Rows are len(s) floats long and stride floats apart.
func columnCall(op columnOp, s, t, a, b, d, row []float32, stride, rows int, p mapParams) {
	columnGeneric(op, s, t, a, b, d, row, stride, rows, p)
}

// batchNormCall computes dx from factors that are given for each element.
func batchNormCall(act Act, dx, dy, x, y, a, b, k []float32) {
	batchNormGeneric(act, dx, dy, x, y, a, b, k)
}

// updateCall updates weights.
func updateCall(op updateOp, w, m, v, g []float32, p *updateParams) { updateGeneric(op, w, m, v, g, p) }

// poolGradCall carries the gradients of some output pixels back.
func poolGradCall(kind PoolKind, a *poolGradArgs) { poolGradGeneric(kind, a, a.pixels) }
