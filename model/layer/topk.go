package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TopK returns the K largest (or smallest) elements along Axis and their positions; K is input 1. Equal ones keep their order.
// The result is sorted whether Sorted asks for it or not.
type TopK struct {
	Axis            int
	Largest, Sorted bool
}

func (*TopK) Kind() string { return "TopK" }

func (t *TopK) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := isType(in, 0, numeric...); err != nil {
		return nil, err
	}
	k, err := ints(in[1])
	if err != nil {
		return nil, err
	}
	a, err := axisOf(t.Axis, len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	if len(k) != 1 || k[0] < 0 || k[0] > in[0].Shape[a] {
		return nil, fmt.Errorf("the %v largest of %s along dimension %d", k, in[0], a)
	}
	shape := slices.Clone(in[0].Shape)
	shape[a] = k[0]
	return []Info{{DType: in[0].DType, Shape: shape}, {DType: tensor.Int64, Shape: shape}}, nil
}

func (t *TopK) Backward(tape Tape, in, out, dout []Ref, want []bool) []Ref {
	if len(out) < 2 || out[1] == 0 {
		return []Ref{refuse(tape, "the gradient of a TopK goes through its positions, which are not computed"), 0}
	}
	scatter := &ScatterElements{Axis: t.Axis, Reduction: ReduceAdd}
	return []Ref{tape.Add(scatter, zeros(tape, in[0], tape.Info(in[0]).Shape), out[1], dout[0]), 0}
}

func (t *TopK) Forward(e *Env, in, out []*tensor.Tensor) error {
	y, at := optT(out, 0), optT(out, 1)
	switch in[0].DType() {
	case tensor.Float32:
		topAny[float32](t, e, in[0], y, at)
	case tensor.Float64:
		topAny[float64](t, e, in[0], y, at)
	case tensor.Int8:
		topAny[int8](t, e, in[0], y, at)
	case tensor.Int16:
		topAny[int16](t, e, in[0], y, at)
	case tensor.Int32:
		topAny[int32](t, e, in[0], y, at)
	case tensor.Int64:
		topAny[int64](t, e, in[0], y, at)
	case tensor.Uint8:
		topAny[uint8](t, e, in[0], y, at)
	case tensor.Uint16:
		topAny[uint16](t, e, in[0], y, at)
	case tensor.Uint32:
		topAny[uint32](t, e, in[0], y, at)
	case tensor.Uint64:
		topAny[uint64](t, e, in[0], y, at)
	}
	return nil
}

// topAny takes columns along the axis out of x, some neighbours at once, and ranks each; a single element is found without.
func topAny[T interface {
	number
	tensor.Elem
}](t *TopK, e *Env, in, y, at *tensor.Tensor) {
	a, _ := axisOf(t.Axis, in.Rank())
	n, inner, k := in.Dim(a), sizeOf(in.Shape()[a+1:]), 0
	x := tensor.Data[T](in)
	var values []T
	var places []int64
	if y != nil {
		values, k = tensor.Data[T](y), y.Dim(a)
	}
	if at != nil {
		places, k = at.Int64s(), at.Dim(a)
	}
	if k == 0 || len(x) == 0 {
		return
	}
	put := func(o int, v T, i int64) {
		if values != nil {
			values[o] = v
		}
		if places != nil {
			places[o] = i
		}
	}
	const side = 32
	order := scratch[int64](e, max(n, columns))
	best := scratch[T](e, columns)
	var turned []T
	if inner > 1 {
		turned = scratch[T](e, n*min(side, inner))
	}
	for r := range len(x) / (n * inner) {
		block, to := x[r*n*inner:(r+1)*n*inner], r*k*inner
		for c := 0; c < inner; {
			if k == 1 && inner > 1 {
				m := min(columns, inner-c)
				if nan := extremes(block[c:], inner, t.Largest, best[:m], order); !nan {
					for j, v := range best[:m] {
						put(to+c+j, v, order[j])
					}
					c += m
					continue
				}
			}
			m := min(side, inner-c)
			column := block
			if inner > 1 {
				for i := range n {
					for j, v := range block[i*inner+c:][:m] {
						turned[j*n+i] = v
					}
				}
				column = turned
			}
			for j := range m {
				v := column[j*n : (j+1)*n]
				leaders(order[:n], v, k, t.Largest)
				for i, p := range order[:k] {
					put(to+i*inner+c+j, v[p], p)
				}
			}
			c += m
		}
	}
}

// leaders puts the positions of the k largest (or smallest) elements of v, in this order, first into order, which has a place for each element.
// It keeps the best so far in a heap whose root is the last of them. With a NaN the order is what a stable sort makes of comparisons that are all false.
func leaders[T number](order []int64, v []T, k int, largest bool) {
	for i := range order {
		order[i] = int64(i)
	}
	if hasNaN(v) {
		stable(order, v, largest)
		return
	}
	h := order[:k]
	for i := k/2 - 1; i >= 0; i-- {
		sift(h, v, i, largest, true)
	}
	for i, x := range v[k:] {
		if w := v[h[0]]; largest && x > w || !largest && x < w {
			h[0] = int64(k + i)
			sift(h, v, 0, largest, true)
		}
	}
	for end := k - 1; end > 0; end-- {
		h[0], h[end] = h[end], h[0]
		sift(h[:end], v, 0, largest, true)
	}
}

// sift moves position h[i] down in the heap h to where it belongs; the root precedes all others or, with last, follows them.
func sift[T number](h []int64, v []T, i int, largest, last bool) {
	p := h[i]
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && precedes(v, h[c+1], h[c], largest) != last {
			c++
		}
		if precedes(v, p, h[c], largest) != last {
			break
		}
		h[i], i = h[c], c
	}
	h[i] = p
}

// precedes says whether element i comes before element j: equal ones keep their order.
func precedes[T number](v []T, i, j int64, largest bool) bool {
	if v[i] == v[j] {
		return i < j
	}
	return (v[i] > v[j]) == largest
}

// stable sorts positions by their elements; equal ones keep their order.
func stable[T number](order []int64, v []T, largest bool) {
	slices.SortStableFunc(order, func(i, j int64) int {
		if largest && v[i] > v[j] || !largest && v[i] < v[j] {
			return -1
		}
		return 0
	})
}

func hasNaN[T number](v []T) bool {
	for _, x := range v {
		if x != x {
			return true
		}
	}
	return false
}
