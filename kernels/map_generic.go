//go:build purego || !(amd64 || arm64)

package kernels

import "unsafe"

// mapTile runs op on n elements; b and c are nil where op has fewer sources.
func mapTile(op mapOp, dst, a, b, c *float32, n int, p *mapParams) {
	mapPlain(op, unsafe.Slice(dst, n), sliceOf(a, n), sliceOf(b, n), sliceOf(c, n), *p)
}
