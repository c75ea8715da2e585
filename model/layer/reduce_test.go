package layer

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestReductions compares reductions along all sets of axes with sums of the elements, one by one, in float64.
func TestReductions(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, shape := range [][]int{{1}, {7}, {8}, {67}, {5, 9}, {3, 16}, {2, 3, 17}, {4, 1, 33}, {3, 2, 4, 5}, {2, 9000}, {9000, 2}} {
		whole, float := tensor.New(tensor.Int32, shape...), tensor.New(tensor.Float32, shape...)
		for i := range float.Float32s() {
			v := int32(r.IntN(7) - 3)
			tensor.Data[int32](whole)[i], float.Float32s()[i] = v, float32(v)+r.Float32()
		}
		for set := range 1 << len(shape) {
			axes := []int64{}
			for a := range shape {
				if set>>a&1 == 1 {
					axes = append(axes, int64(a))
				}
			}
			for _, fn := range []Fn{ReduceSum, ReduceMean, ReduceProd, ReduceMaximum, ReduceMinimum, ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp, ReduceSumSquare} {
				for _, x := range []*tensor.Tensor{float, whole} {
					if x == whole && (fn == ReduceMean || fn == ReduceL2 || fn == ReduceLogSum || fn == ReduceLogSumExp) || fn == ReduceProd && x.Len() > 200 {
						continue
					}
					in := ts(x, tensor.Of(axes, len(axes)))
					op := &Reduce{Fn: fn, KeepDims: true, NoopIfEmpty: true}
					info, err := op.Infer(infosOf(in))
					if err != nil {
						t.Fatal(err)
					}
					out := tensor.New(info[0].DType, info[0].Shape...)
					if err := op.Forward(new(Env), in, ts(out)); err != nil {
						t.Fatal(err)
					}
					reducedTo(t, fn, x, out)
				}
			}
		}
	}
}

// reducedTo compares with elements looked up one by one. y has x's rank, and 1 in the dimensions that are gone.
func reducedTo(t *testing.T, fn Fn, x, y *tensor.Tensor) {
	t.Helper()
	terms := make([][]float64, y.Len())
	for i, v := range x.Floats() {
		o, rest, step := 0, i, 1
		for d := x.Rank() - 1; d >= 0; d-- {
			if y.Dim(d) > 1 {
				o += rest % x.Dim(d) * step
				step *= y.Dim(d)
			}
			rest /= x.Dim(d)
		}
		terms[o] = append(terms[o], float64(v))
	}
	for o, list := range terms {
		sum, size, product, top, least := 0.0, 0.0, 1.0, math.Inf(-1), math.Inf(1)
		for _, v := range list {
			switch fn {
			case ReduceL1:
				sum += math.Abs(v)
			case ReduceL2, ReduceSumSquare:
				sum += v * v
			case ReduceLogSumExp:
				sum += math.Exp(v)
			default:
				sum += v
			}
			size += math.Abs(v) + v*v
			product *= v
			top, least = max(top, v), min(least, v)
		}
		want := sum
		switch fn {
		case ReduceMean:
			want /= float64(len(list))
			size /= float64(len(list))
		case ReduceProd:
			want, size = product, math.Abs(product)
		case ReduceMaximum:
			want, size = top, 0
		case ReduceMinimum:
			want, size = least, 0
		case ReduceL2:
			want = math.Sqrt(sum)
		case ReduceLogSum:
			if sum < 1 {
				continue // the logarithm of what cancels says nothing
			}
			want = math.Log(sum)
			size /= sum
		case ReduceLogSumExp:
			want, size = math.Log(sum), 8
		}
		var got float64
		if y.DType() == tensor.Int32 {
			got, size = float64(tensor.Data[int32](y)[o]), 0
		} else {
			got = float64(y.Float32s()[o])
		}
		// One rounding for each term.
		if math.Abs(got-want) > float64(len(list)+2)*0x1p-24*size {
			t.Fatalf("%s of %s to %s: element %d is %g, want %g", fn, x, y, o, got, want)
		}
	}
}

// TestExtremesOfRuns compares bits with what is found one element after the other, among them NaN and zeros of both signs.
func TestExtremesOfRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	minus := float32(math.Copysign(0, -1))
	for _, n := range []int{1, 7, 15, 16, 17, 80, 511, 512, 513, 1500} {
		for form := range 5 {
			x := awkward(r, form == 0, 9, n)
			for i := range x.Float32s() {
				v := &x.Float32s()[i]
				switch {
				case form == 2: // zeros are the greatest
					*v = min(*v, []float32{0, minus}[r.IntN(2)])
				case form == 3: // and the least
					*v = max(*v, []float32{0, minus}[r.IntN(2)])
				case form == 4 && r.IntN(2*n) == 0:
					*v = nan
				}
			}
			for fn, f := range map[Fn]func(a, b float32) bool{ReduceMaximum: func(a, b float32) bool { return a > b }, ReduceMinimum: func(a, b float32) bool { return a < b }} {
				want := tensor.New(tensor.Float32, 9)
				for i := range 9 {
					y := -inf
					if fn == ReduceMinimum {
						y = inf
					}
					for _, v := range x.Float32s()[i*n:][:n] {
						if !f(y, v) {
							y = v
						}
					}
					want.Float32s()[i] = y
				}
				everywhere(t, &Reduce{Fn: fn}, ts(x, i64(1)), want)
			}
		}
	}
}
