package layer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestUnique compares with slices that are looked for one by one.
func TestUnique(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	var e Env
	types := append([]tensor.DType{tensor.Bool, tensor.String}, numeric...)
	for trial := range 600 {
		shape := make([]int, r.IntN(4)+1)
		for i := range shape {
			shape[i] = r.IntN(5)
		}
		u := &Unique{Axis: r.IntN(len(shape)), Flat: trial%3 == 0, Sorted: trial%2 == 0}
		dtype := types[r.IntN(len(types))]
		x := tensor.New(dtype, shape...)
		v := make([]float32, x.Len()) // one digit each, so that their texts are ordered as they are
		for i := range v {
			v[i] = float32(r.IntN(2 + trial%4))
			if dtype == tensor.Bool {
				v[i] = min(v[i], 1)
			}
			if dtype == tensor.String {
				x.Texts()[i] = fmt.Sprint(v[i])
			}
		}
		if dtype != tensor.String && len(v) > 0 {
			if err := tensor.Convert(x, tensor.Of(v), false); err != nil {
				t.Fatal(err)
			}
		}
		n, st := len(v), rowMajor(shape)
		if !u.Flat {
			n = shape[u.Axis]
		}
		all := make([][]float32, n)
		for i, v := range v {
			k := i
			if !u.Flat {
				k = i / st[u.Axis] % n
			}
			all[k] = append(all[k], v)
		}
		var first []int64
		for i := range all {
			if !slices.ContainsFunc(first, func(k int64) bool { return slices.Equal(all[k], all[i]) }) {
				first = append(first, int64(i))
			}
		}
		if u.Sorted {
			slices.SortFunc(first, func(i, j int64) int { return slices.Compare(all[i], all[j]) })
		}
		counts, inverse := make([]int64, len(first)), make([]int64, n)
		for i := range all {
			p := slices.IndexFunc(first, func(k int64) bool { return slices.Equal(all[k], all[i]) })
			counts[p]++
			inverse[i] = int64(p)
		}
		want, axis := x, 0
		if u.Flat {
			want = x.Reshape(n)
		} else {
			axis = u.Axis
		}
		gather := &Gather{Axis: axis}
		at := tensor.Of(first, len(first))
		info, err := gather.Infer(infosOf(ts(want, at)))
		if err != nil {
			t.Fatal(err)
		}
		y := tensor.New(dtype, info[0].Shape...)
		if err := gather.Forward(&e, ts(want, at), ts(y)); err != nil {
			t.Fatal(err)
		}
		e.Reset()
		got, err := u.Run(&e, ts(x))
		if err != nil {
			t.Fatal(err)
		}
		match(t, got, ts(y, at, tensor.Of(inverse, n), tensor.Of(counts, len(first))))
		if dtype == tensor.String && !slices.Equal(got[0].Texts(), y.Texts()) {
			t.Errorf("got %q, want %q", got[0].Texts(), y.Texts())
		}
		if t.Failed() {
			t.Fatalf("%+v of %v %v", u, x, v)
		}
	}
}

// TestUniqueOfNaNs: they are one value, behind all others; so are both zeros, as the one that comes first.
func TestUniqueOfNaNs(t *testing.T) {
	var e Env
	got, err := (&Unique{Flat: true, Sorted: true}).Run(&e, ts(f32(d(6), nan, 0, inf, -nan, float32(math.Copysign(0, -1)), -inf)))
	if err != nil {
		t.Fatal(err)
	}
	match(t, got, ts(f32(d(4), -inf, 0, inf, nan), i64(5, 1, 2, 0), i64(3, 1, 2, 3, 1, 0), i64(1, 2, 1, 2)))
}
