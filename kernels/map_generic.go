//go:build purego || !(amd64 || arm64)

package kernels

// mapTile runs op on slices of one length; b and c are empty where op has fewer sources.
func mapTile(op mapOp, dst, a, b, c []float32, p mapParams) { mapPlain(op, dst, a, b, c, p) }
