package ref

// Broadcast over rows: a is [rows, C], row is [C].

// Rows computes dst[i,c] = f(a[i,c], row[c]).
func Rows(dst, a, row []float32, f func(a, row float32) float32) {
	for i := range dst {
		dst[i] = f(a[i], row[i%len(row)])
	}
}

// The binary operations. Max and Min are defined with Join8.
func Add(a, b float32) float32 { return a + b }
func Sub(a, b float32) float32 { return a - b }
func Mul(a, b float32) float32 { return a * b }
func Div(a, b float32) float32 { return a / b }

// ScaleShift computes dst[i,c] = act(src[i,c]·scale[c] + shift[c]), the product and the sum rounded once: batch normalisation at inference.
// (Ioffe, Szegedy: Batch normalization, ICML 2015.)
func ScaleShift(dst, src, scale, shift []float32, act Act) {
	for i, v := range src {
		c := i % len(scale)
		dst[i] = act.Apply(FMA32(v, scale[c], shift[c]))
	}
}
