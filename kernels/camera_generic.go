//go:build purego || !(amd64 || arm64)

package kernels

func lerpRow(dst []float32, a, b []uint8, w float32) { lerpRowGo(dst, a, b, w) }

func sumRow(dst, from []float32, rows [][]uint8, w []float32) { sumRowGo(dst, from, rows, w) }

func lerpCols(dst, src []float32, off []int32, w []float32, c int, k *[8]float32) {
	lerpColsGo(dst, src, off, w, c, k)
}

func sumCols(dst, src []float32, off []int32, w []float32, taps, c int, k *[8]float32) {
	sumColsGo(dst, src, off, w, taps, c, k)
}

func scaleRow(dst []float32, src []uint8, k *[48]float32) { scaleRowGo(dst, src, k) }
func byteRow(dst []uint8, src []float32)                  { byteRowGo(dst, src) }
func swapRow(dst, src []uint8)                            { swapRowGo(dst, src) }
func repeatRow(dst, src []uint8)                          { repeatRowGo(dst, src) }
func greyRow(dst, src []uint8, k *[4]int16)               { greyRowGo(dst, src, k) }
func yuyvRow(dst, src []uint8, k *[6]uint32)              { yuyvRowGo(dst, src, k) }
func nv12Row(dst, luma, uv []uint8, k *[6]uint32)         { nv12RowGo(dst, luma, uv, k) }
func yuyvGreyRow(dst, src []uint8, k *[6]uint32)          { yuyvGreyRowGo(dst, src, k) }
func lumaRow(dst, luma []uint8, k *[6]uint32)             { lumaRowGo(dst, luma, k) }

func warpRow(dst []float32, src []uint8, stride, skip, x, c int, at *[4]float32, k *[8]float32) {
	warpRowGo(dst, src, stride, skip, x, c, at, k)
}

func widenRow(dst []float32, src []byte, in Bytes, scale float32) { widenRowGo(dst, src, in, scale) }

func narrowRow(dst []byte, src []float32, lo, hi float32, zero int32) {
	narrowRowGo(dst, src, lo, hi, zero)
}

func lookupRow(dst, src []byte, table *[256]byte) { lookupRowGo(dst, src, table) }

func maxRow(dst, a, b []byte, signed bool) { maxRowGo(dst, a, b, signed) }
