package ref

// Widen8 computes dst[i] = in.Of(src[i])·scale, rounded once.
func Widen8(dst []float32, src []byte, in Bytes, scale float32) {
	for i, v := range src {
		dst[i] = float32(in.Of(v)) * scale
	}
}

// Narrow8 computes dst[i] = Narrow(Clip(src[i], lo, hi), zero).
func Narrow8(dst []byte, src []float32, lo, hi float32, zero int32) {
	for i, v := range src {
		dst[i] = Narrow(Clip(v, lo, hi), zero)
	}
}

// Lookup8 computes dst[i] = table[src[i]].
func Lookup8(dst, src []byte, table *[256]byte) {
	for i, v := range src {
		dst[i] = table[v]
	}
}

// Max8 computes dst[i] = max(a[i], b[i]), of int8 where signed, else of uint8.
func Max8(dst, a, b []byte, signed bool) {
	in := Bytes{Signed: signed}
	for i, v := range a {
		if dst[i] = v; in.Of(b[i]) > in.Of(v) {
			dst[i] = b[i]
		}
	}
}
