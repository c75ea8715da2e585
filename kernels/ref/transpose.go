package ref

// Transpose computes dst[j,i] = src[i,j] for i < rows, j < cols.
//
// src is [rows,cols] with row stride lds, dst is [cols,rows] with row stride ldd.
func Transpose(dst []float32, ldd int, src []float32, lds int, rows, cols int) {
	for i := range rows {
		for j := range cols {
			dst[j*ldd+i] = src[i*lds+j]
		}
	}
}

// Join2 computes dst[2i] = a[i], dst[2i+1] = b[i].
func Join2(dst, a, b []float32) {
	for i := range a {
		dst[2*i], dst[2*i+1] = a[i], b[i]
	}
}

// Split2 computes a[i] = src[2i], b[i] = src[2i+1].
func Split2(a, b, src []float32) {
	for i := range a {
		a[i], b[i] = src[2*i], src[2*i+1]
	}
}
