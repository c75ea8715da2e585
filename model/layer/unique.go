package layer

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Unique returns the slices of x along Axis or, with Flat, the elements of x, each once: ascending (slices by their first elements that differ, NaNs last) or,
// unless Sorted, in the order in which they come. The other outputs are the position of each one's first, the position in output 0 of each slice of x,
// and how often each one is there.
type Unique struct {
	Axis         int
	Flat, Sorted bool
}

func (*Unique) Kind() string { return "Unique" }

// shape returns how many slices there are, and how x [outer,n,inner] lies around them.
func (u *Unique) shape(x []int) (outer, n, inner int, err error) {
	if u.Flat {
		return 1, sizeOf(x), 1, nil
	}
	a, err := axisOf(u.Axis, len(x))
	if err != nil {
		return 0, 0, 0, err
	}
	return sizeOf(x[:a]), x[a], sizeOf(x[a+1:]), nil
}

func (u *Unique) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, append([]tensor.DType{tensor.Bool, tensor.String}, numeric...)...); err != nil {
		return nil, err
	}
	outer, n, inner, err := u.shape(in[0].Shape)
	if err != nil {
		return nil, err
	}
	if outer*inner == 0 && n > 1<<20 {
		return nil, fmt.Errorf("%d slices of %s without elements", n, in[0])
	}
	return nil, ErrUnknown
}

func (u *Unique) Work(in, out []Info) int64 {
	outer, n, inner, _ := u.shape(in[0].Shape)
	return product(outer, inner, n, bits.Len(uint(n))+1)
}

func (*Unique) Forward(e *Env, in, out []*tensor.Tensor) error { panic("layer: Unique: use Run") }

func (u *Unique) Run(e *Env, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	if _, err := u.Infer(infosOf(in)); err != ErrUnknown {
		return nil, err
	}
	switch x := in[0]; x.DType() {
	case tensor.Bool:
		return unique(u, e, x, tensor.Bits[uint8](x)), nil
	case tensor.String:
		return unique(u, e, x, x.Texts()), nil
	case tensor.Float32:
		return unique(u, e, x, x.Float32s()), nil
	case tensor.Float64:
		return unique(u, e, x, tensor.Data[float64](x)), nil
	case tensor.Int8:
		return unique(u, e, x, tensor.Data[int8](x)), nil
	case tensor.Int16:
		return unique(u, e, x, tensor.Data[int16](x)), nil
	case tensor.Int32:
		return unique(u, e, x, tensor.Data[int32](x)), nil
	case tensor.Int64:
		return unique(u, e, x, x.Int64s()), nil
	case tensor.Uint8:
		return unique(u, e, x, tensor.Data[uint8](x)), nil
	case tensor.Uint16:
		return unique(u, e, x, tensor.Data[uint16](x)), nil
	case tensor.Uint32:
		return unique(u, e, x, tensor.Data[uint32](x)), nil
	default:
		return unique(u, e, x, tensor.Data[uint64](x)), nil
	}
}

func unique[T cmp.Ordered](u *Unique, e *Env, in *tensor.Tensor, x []T) []*tensor.Tensor {
	outer, n, inner, _ := u.shape(in.Shape())
	compare := func(i, j int64) int {
		for o := range outer {
			a, b := (o*n+int(i))*inner, (o*n+int(j))*inner
			for k := range inner {
				if c := ascending(x[a+k], x[b+k]); c != 0 {
					return c
				}
			}
		}
		return 0
	}
	order := scratch[int64](e, n)
	for i := range order {
		order[i] = int64(i)
	}
	slices.SortFunc(order, func(i, j int64) int {
		if c := compare(i, j); c != 0 {
			return c
		}
		return cmp.Compare(i, j)
	})
	// A run of equal slices begins with the first of them.
	of := tensor.New(tensor.Int64, n)
	inverse, m := of.Int64s(), 0
	for k, i := range order {
		if k == 0 || compare(order[k-1], i) != 0 {
			order[m] = i
			m++
		}
		inverse[i] = int64(m - 1)
	}
	first, counts := slices.Clone(order[:m]), make([]int64, m)
	if !u.Sorted {
		slices.Sort(first)
		rank := order[m:] // of each run among the first positions
		if len(rank) < m {
			rank = make([]int64, m)
		}
		for k, i := range first {
			rank[inverse[i]] = int64(k)
		}
		for i, r := range inverse {
			inverse[i] = rank[r]
		}
	}
	for _, r := range inverse {
		counts[r]++
	}
	shape := []int{m}
	if !u.Flat {
		a, _ := axisOf(u.Axis, in.Rank())
		shape = slices.Clone(in.Shape())
		shape[a] = m
	}
	y := tensor.New(in.DType(), shape...)
	for o := range outer {
		for k, i := range first {
			copyBlock(y, (o*m+k)*inner, in, (o*n+int(i))*inner, inner)
		}
	}
	return []*tensor.Tensor{y, tensor.Of(first, m), of, tensor.Of(counts, m)}
}

// ascending is cmp.Compare with NaNs behind everything else.
func ascending[T cmp.Ordered](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return -cmp.Compare(a, b)
}
