package layer

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// awkward returns numbers among which are many equal ones, both zeros, infinities and, if asked for, NaN.
func awkward(r *rand.Rand, nan bool, shape ...int) *tensor.Tensor {
	x := tensor.New(tensor.Float32, shape...)
	special := []float32{0, float32(math.Copysign(0, -1)), inf, -inf, 1, -1, float32(math.NaN())}
	if !nan {
		special = special[:6]
	}
	for i := range x.Float32s() {
		if x.Float32s()[i] = float32(r.NormFloat64()); r.IntN(4) == 0 {
			x.Float32s()[i] = special[r.IntN(len(special))]
		}
	}
	return x
}

// whole returns small numbers of a type; awkward ones where it has them.
func whole(r *rand.Rand, d tensor.DType, shape ...int) *tensor.Tensor {
	x := tensor.New(d, shape...)
	if err := tensor.Convert(x, awkward(r, d == tensor.Float64, shape...), true); err != nil {
		panic(err)
	}
	return x
}

// sameBits runs op and compares its outputs with those of want.
func sameBits(t *testing.T, e *Env, op Op, in, want []*tensor.Tensor) {
	t.Helper()
	info, err := op.Infer(infosOf(in))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]*tensor.Tensor, len(want))
	for i, w := range want {
		if w != nil {
			out[i] = tensor.New(info[i].DType, info[i].Shape...)
			for k := range out[i].Raw() {
				out[i].Raw()[k] = 0x55
			}
		}
	}
	e.Reset()
	if err := op.Forward(e, in, out); err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if w != nil && (!slices.Equal(out[i].Shape(), w.Shape()) || !slices.Equal(out[i].Raw(), w.Raw())) {
			t.Fatalf("%s %+v of %v: output %d is %v, want %v", op.Kind(), op, in, i, out[i], w)
		}
	}
}

// sorted is TopK by its definition: a stable sort of each column.
func sorted(op *TopK, x *tensor.Tensor, k int) (y, at *tensor.Tensor) {
	shape := slices.Clone(x.Shape())
	a, _ := axisOf(op.Axis, len(shape))
	n, inner := shape[a], sizeOf(shape[a+1:])
	shape[a] = k
	y, at = tensor.New(x.DType(), shape...), tensor.New(tensor.Int64, shape...)
	v := x.Floats()
	for r := range sizeOf(shape[:a]) {
		for c := range inner {
			idx := make([]int, n)
			for i := range idx {
				idx[i] = i
			}
			from := func(i int) int { return (r*n+i)*inner + c }
			sort.SliceStable(idx, func(i, j int) bool {
				p, q := v[from(idx[i])], v[from(idx[j])]
				return op.Largest && p > q || !op.Largest && p < q
			})
			for i, p := range idx[:k] {
				o := (r*k+i)*inner + c
				copyBlock(y, o, x, from(p), 1)
				at.Int64s()[o] = int64(p)
			}
		}
	}
	return y, at
}

func TestTopKIsAStableSort(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var e Env
	for _, shape := range [][]int{{1}, {7}, {300}, {2, 0, 3}, {0, 4}, {1, 5, 1}, {3, 40, 2}, {2, 21, 35}, {2, 6, 3, 2}, {1, 30, 600}, {25, 70}} {
		for axis := range shape {
			n := shape[axis]
			for _, k := range []int{0, 1, 2, n / 3, n - 1, n} {
				if k < 0 || k > n {
					continue
				}
				for _, largest := range []bool{true, false} {
					for _, x := range []*tensor.Tensor{awkward(r, false, shape...), awkward(r, true, shape...), whole(r, tensor.Int64, shape...),
						whole(r, tensor.Uint8, shape...), whole(r, tensor.Float64, shape...)} {
						op := &TopK{Axis: axis - len(shape), Largest: largest, Sorted: k%2 == 0}
						y, at := sorted(op, x, k)
						in := ts(x, i64(int64(k)))
						sameBits(t, &e, op, in, ts(y, at))
						sameBits(t, &e, op, in, ts(y, nil))
						sameBits(t, &e, op, in, ts(nil, at))
					}
				}
			}
		}
	}
}

func TestArgMaxOfAllAxes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var e Env
	for _, shape := range [][]int{{1}, {9}, {0, 4}, {3, 1, 5}, {4, 1, 700}, {2, 21, 35}, {2, 6, 3, 2}} {
		for axis, n := range shape {
			if n == 0 {
				continue
			}
			inner := sizeOf(shape[axis+1:])
			for how := range 4 {
				op := &ArgReduce{Max: how&1 == 0, Last: how&2 == 0, KeepDims: true, Axis: axis}
				for _, x := range []*tensor.Tensor{awkward(r, false, shape...), awkward(r, true, shape...), whole(r, tensor.Int8, shape...)} {
					s := slices.Clone(shape)
					s[axis] = 1
					want, v := tensor.New(tensor.Int64, s...), x.Floats()
					for i := range want.Int64s() {
						base := i/inner*n*inner + i%inner
						best, at := v[base], 0
						for k := 1; k < n; k++ {
							p := v[base+k*inner]
							if op.Max && p > best || !op.Max && p < best || op.Last && p == best {
								best, at = p, k
							}
						}
						want.Int64s()[i] = int64(at)
					}
					sameBits(t, &e, op, ts(x), ts(want))
				}
			}
		}
	}
}

func TestCumSumOfAllAxes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var e Env
	for _, shape := range [][]int{{1}, {9}, {0, 4}, {4, 0}, {3, 1, 5}, {2, 6, 3, 2}, {3, 40}} {
		for axis, n := range shape {
			inner := sizeOf(shape[axis+1:])
			for how := range 4 {
				op := &CumSum{Exclusive: how&1 == 0, Reverse: how&2 == 0}
				x := awkward(r, false, shape...)
				want, v := tensor.New(tensor.Float32, shape...), x.Float32s()
				for at := range v {
					k := at / inner % n
					var before []float32
					for j := range n {
						if p := v[at+(j-k)*inner]; !op.Reverse && j < k || op.Reverse && j > k || !op.Exclusive && j == k {
							before = append(before, p)
						}
					}
					if op.Reverse {
						slices.Reverse(before)
					}
					for _, p := range before {
						want.Float32s()[at] += p
					}
				}
				sameBits(t, &e, op, ts(x, tensor.Scalar(int64(axis))), ts(want))
			}
		}
	}
}

func TestTopKAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, k := range []int{1, 20} {
		x := awkward(r, true, 2, 50, 40)
		y, at := tensor.New(tensor.Float32, 2, k, 40), tensor.New(tensor.Int64, 2, k, 40)
		var e Env
		op, in, out := &TopK{Axis: 1, Largest: true}, ts(x, i64(int64(k))), ts(y, at)
		run := func() {
			e.Reset()
			if err := op.Forward(&e, in, out); err != nil {
				t.Fatal(err)
			}
		}
		if n := testing.AllocsPerRun(20, run); n != 0 {
			t.Errorf("the %d largest: %v allocations", k, n)
		}
	}
}
