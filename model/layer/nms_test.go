package layer

import (
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// suppressed is NonMaxSuppression by its definition, for boxes of one image and scores of one class.
func suppressed(op *NonMaxSuppression, boxes, scores []float32, most int, iou float32, least *float32) (kept []int64) {
	corners := func(b []float32) [4]float32 {
		if op.Center {
			h, w := float32(b[3]/2), float32(b[2]/2)
			return [4]float32{b[1] - h, b[0] - w, b[1] + h, b[0] + w}
		}
		return [4]float32{minOf(b[0], b[2]), minOf(b[1], b[3]), maxOf(b[0], b[2]), maxOf(b[1], b[3])}
	}
	overlap := func(i, j int) float32 {
		a, b := corners(boxes[i*4:]), corners(boxes[j*4:])
		h, w := minOf(a[2], b[2])-maxOf(a[0], b[0]), minOf(a[3], b[3])-maxOf(a[1], b[1])
		if h <= 0 || w <= 0 {
			return 0
		}
		inter := float32(h * w)
		union := float32((a[2]-a[0])*(a[3]-a[1])) + float32((b[2]-b[0])*(b[3]-b[1])) - inter
		if union <= 0 {
			return 0
		}
		return inter / union
	}
	var order []int
	for i, v := range scores {
		if least == nil || v > *least {
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return scores[order[i]] > scores[order[j]] })
	for _, i := range order {
		if len(kept) < most && !slices.ContainsFunc(kept, func(k int64) bool { return overlap(i, int(k)) > iou }) {
			kept = append(kept, int64(i))
		}
	}
	return kept
}

func TestNMSIsItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	var e Env
	for trial := range 400 {
		n, classes, most := r.IntN(80), 1+r.IntN(3), r.IntN(30)
		op := &NonMaxSuppression{Center: trial&1 == 0}
		boxes, scores := tensor.New(tensor.Float32, 2, n, 4), awkward(r, trial&2 == 0, 2, classes, n)
		for i := range boxes.Float32s() {
			boxes.Float32s()[i] = float32(r.IntN(12)) + r.Float32()*float32(r.IntN(2))
		}
		if trial&4 == 0 && n > 0 {
			boxes = awkward(r, true, 2, n, 4)
		}
		iou := float32(r.IntN(5)-1) / 4
		in := ts(boxes, scores, i64(int64(most)), f32(d(1), iou))
		var least *float32
		if trial&8 == 0 {
			least = &[]float32{-0.5}[0]
			in = append(in, f32(d(1), *least))
		}
		var want []int64
		for img := range 2 {
			for c := range classes {
				for _, i := range suppressed(op, boxes.Float32s()[img*n*4:(img+1)*n*4], scores.Float32s()[(img*classes+c)*n:][:n], most, iou, least) {
					want = append(want, int64(img), int64(c), i)
				}
			}
		}
		e.Reset()
		got, err := op.Run(&e, in)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got[0].Int64s(), want) {
			t.Fatalf("trial %d: %v, want %v", trial, got[0].Int64s(), want)
		}
	}
}

func TestNonZeroOfAllRanks(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	var e Env
	for _, shape := range [][]int{{}, {1}, {0}, {3, 0}, {50}, {7, 9}, {3, 1, 40}, {2, 3, 4, 5}} {
		for _, dtype := range []tensor.DType{tensor.Bool, tensor.Float32, tensor.Int8, tensor.Int64} {
			for _, share := range []int{1, 2, 10} {
				x := tensor.New(dtype, shape...)
				v := make([]float32, x.Len())
				for i := range v {
					if r.IntN(share) == 0 {
						v[i] = 1
					}
				}
				if err := tensor.Convert(x, tensor.Of(v, len(v)), false); len(v) > 0 && err != nil {
					t.Fatal(err)
				}
				rows := make([][]int64, len(shape))
				count := 0
				for i := range v {
					if v[i] != 0 {
						count++
						for d, s := range rowMajor(shape) {
							if d < len(shape) {
								rows[d] = append(rows[d], int64(i/s%shape[d]))
							}
						}
					}
				}
				e.Reset()
				got, err := (&NonZero{}).Run(&e, ts(x))
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got[0].Shape(), []int{len(shape), count}) || !slices.Equal(got[0].Int64s(), slices.Concat(rows...)) {
					t.Fatalf("%v%v: %v, want %v", dtype, shape, got[0], rows)
				}
			}
		}
	}
}
