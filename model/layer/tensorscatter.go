package layer

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TensorScatter copies a cache (input 0) and writes an update (input 1), which is shorter along Axis, into it: that of example b from position input 2 [N] on, 0 by default.
// Circular goes on at the beginning where the end is reached; otherwise that is an error.
type TensorScatter struct {
	Axis     int
	Circular bool
}

func (*TensorScatter) Kind() string { return "TensorScatter" }

func (s *TensorScatter) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 2, tensor.Int32, tensor.Int64); err != nil {
		return nil, err
	}
	x, u := in[0].Shape, in[1].Shape
	a, err := axisOf(s.Axis, len(x))
	if err != nil {
		return nil, err
	}
	if a == 0 {
		return nil, fmt.Errorf("axis %d of %s is the batch", s.Axis, in[0])
	}
	fits := in[1].DType == in[0].DType && len(u) == len(x)
	for d := 0; fits && d < len(x); d++ {
		fits = u[d] == x[d] || d == a && u[d] < x[d]
	}
	if at := opt(in, 2); !fits || at.Present() && (len(at.Shape) != 1 || at.Shape[0] != x[0]) {
		return nil, fmt.Errorf("cache %s, update %s, positions %s", in[0], in[1], at)
	}
	return same(in)
}

func (s *TensorScatter) Forward(e *Env, in, out []*tensor.Tensor) error {
	copyUnlessShared(out[0], in[0])
	if in[1].Len() == 0 {
		return nil
	}
	x := in[0].Shape()
	a, _ := axisOf(s.Axis, len(x))
	n, m, inner := x[a], in[1].Dim(a), sizeOf(x[a+1:])
	rows := sizeOf(x[1:a]) // of an example
	at := make([]int64, x[0])
	if t := optT(in, 2); t != nil {
		at = index(t)
	}
	for b, p := range at {
		if p < 0 || !s.Circular && p > int64(n-m) {
			return fmt.Errorf("%d positions from %d on in a cache of %d", m, p, n)
		}
		from := int(p % int64(n))
		head := min(m, n-from)
		for r := b * rows; r < (b+1)*rows; r++ {
			copyBlock(out[0], (r*n+from)*inner, in[1], r*m*inner, head*inner)
			copyBlock(out[0], r*n*inner, in[1], (r*m+head)*inner, (m-head)*inner)
		}
	}
	return nil
}
