package layer

import "github.com/ocellus-vision/ocellus/model/tensor"

// strided describes the walk over an output of some shape, row-major, beside up to three inputs that are read with strides of
// their own (0 where an input is repeated). Dimensions that can be walked as one are joined.
type strided struct {
	n    int // dimensions
	k    int // inputs
	dim  [tensor.MaxRank]int
	step [3][tensor.MaxRank]int
}

// rowMajor returns the strides, in elements, of a contiguous tensor.
func rowMajor(shape []int) (s [tensor.MaxRank]int) {
	p := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = p
		p *= shape[i]
	}
	return s
}

// walk joins what can be joined of a walk over shape, where steps[i] are the strides of input i.
func walk(shape []int, steps ...[tensor.MaxRank]int) (w strided) {
	w.k = len(steps)
	for d := range shape {
		if shape[d] == 1 {
			continue
		}
		if w.n > 0 {
			joins := true
			for i := range steps {
				joins = joins && w.step[i][w.n-1] == steps[i][d]*shape[d]
			}
			if joins {
				w.dim[w.n-1] *= shape[d]
				for i := range steps {
					w.step[i][w.n-1] = steps[i][d]
				}
				continue
			}
		}
		w.dim[w.n] = shape[d]
		for i := range steps {
			w.step[i][w.n] = steps[i][d]
		}
		w.n++
	}
	if w.n == 0 {
		w.dim[0], w.n = 1, 1
	}
	return w
}

// broadcastStrides returns the strides with which an input of shape in is read for an output of shape out (NumPy's broadcasting).
func broadcastStrides(in, out []int) (s [tensor.MaxRank]int) {
	p := 1
	for i, o := len(in)-1, len(out)-1; i >= 0; i, o = i-1, o-1 {
		if in[i] != 1 {
			s[o] = p
		}
		p *= in[i]
	}
	return s
}

// rows calls f for each innermost row: at is the offset in the output, off those in the inputs. The row has dim[n-1] elements with the steps of dimension n-1.
func (w *strided) rows(f func(at int, off [3]int)) {
	rowLen := w.dim[w.n-1]
	rows := 1
	for _, d := range w.dim[:w.n-1] {
		rows *= d
	}
	if rowLen == 0 {
		return
	}
	var idx [tensor.MaxRank]int
	var off [3]int
	for r := range rows {
		f(r*rowLen, off)
		for d := w.n - 2; d >= 0; d-- {
			idx[d]++
			for i := range w.k {
				off[i] += w.step[i][d]
			}
			if idx[d] < w.dim[d] {
				break
			}
			for i := range w.k {
				off[i] -= w.step[i][d] * w.dim[d]
			}
			idx[d] = 0
		}
	}
}

// gather copies src, read with strides from offset base, into the contiguous dst of the walk's shape.
func gather[T any](dst, src []T, w *strided, base int) {
	n, step := w.dim[w.n-1], w.step[0][w.n-1]
	w.rows(func(at int, off [3]int) {
		o := base + off[0]
		d := dst[at : at+n]
		switch step {
		case 1:
			copy(d, src[o:o+n])
		case 0:
			v := src[o]
			for i := range d {
				d[i] = v
			}
		default:
			for i := range d {
				d[i] = src[o]
				o += step
			}
		}
	})
}

// scatter is the reverse of gather: it adds the contiguous src of the walk's shape to dst, reached with strides from offset base.
func scatter[T real](dst, src []T, w *strided, base int) {
	n, step := w.dim[w.n-1], w.step[0][w.n-1]
	w.rows(func(at int, off [3]int) {
		o := base + off[0]
		for _, v := range src[at : at+n] {
			dst[o] += v
			o += step
		}
	})
}

// gatherTensor is gather for any type.
func gatherTensor(dst, src *tensor.Tensor, w *strided, base int) {
	if dst.Len() == 0 {
		return
	}
	if src.DType() == tensor.String {
		gather(dst.Texts(), src.Texts(), w, base)
		return
	}
	switch src.DType().Size() {
	case 1:
		gather(tensor.Bits[uint8](dst), tensor.Bits[uint8](src), w, base)
	case 2:
		gather(tensor.Bits[uint16](dst), tensor.Bits[uint16](src), w, base)
	case 4:
		gather(tensor.Bits[uint32](dst), tensor.Bits[uint32](src), w, base)
	case 8:
		gather(tensor.Bits[uint64](dst), tensor.Bits[uint64](src), w, base)
	}
}
