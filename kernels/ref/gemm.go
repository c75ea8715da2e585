package ref

// Gemm computes dst[i,j] = act(bias[j] + Σ_p a[i,p]·b[p,j] + res[i,j]), p ascending.
//
// a is [m,k] with row stride lda, b is [k,n] with row stride ldb, dst and res are [m,n] with row strides ldd and ldr.
// bias is [n] or nil (+0), res is nil for none.
func Gemm(dst []float32, ldd int, a []float32, lda int, b []float32, ldb int, bias, res []float32, ldr int, m, n, k int, act Act) {
	for i := 0; i < m; i++ {
		for j := 0; j < n; j++ {
			var acc float32
			if bias != nil {
				acc = bias[j]
			}
			for p := 0; p < k; p++ {
				acc = FMA32(a[i*lda+p], b[p*ldb+j], acc)
			}
			if res != nil {
				acc += res[i*ldr+j]
			}
			dst[i*ldd+j] = act.Apply(acc)
		}
	}
}
