package layer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestQuantisesEachElement compares with one element after the other, whose scale is looked up: one for all, by position along an axis, in blocks.
func TestQuantisesEachElement(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, c := range []struct {
		x, scale    []int
		axis, block int
	}{
		{d(3, 41), d(), 1, 0}, {d(7), d(7), 0, 0}, {d(40, 3), d(3), 1, 0}, {d(300, 100), d(100), -1, 0}, {d(5, 1100), d(1100), 1, 0}, {d(2, 6, 5, 7), d(6), 1, 0},
		{d(3, 2, 90, 100), d(2), 1, 0}, {d(9, 1200), d(9), 0, 0}, {d(2, 7, 5), d(2, 4, 5), 1, 2}, {d(4, 70), d(4, 3), 1, 31}, {d(10, 40), d(4, 40), 0, 3}, {d(0, 4), d(4), 1, 0},
	} {
		n := sizeOf(c.scale)
		x, scale := noise(r, 300, []float32{0, 1.5, 2.5, -0.5, inf, -inf, nan, 1e30, -1e30}, c.x...), tensor.New(tensor.Float32, c.scale...)
		for i := range scale.Float32s() {
			scale.Float32s()[i] = 0.5 + r.Float32()
		}
		axis := max(c.axis, c.axis+len(c.x)) % len(c.x)
		of := func(i int) int { // the scale of element i
			if n == 1 {
				return 0
			}
			k, step := 0, 1
			for a := len(c.x) - 1; a >= 0; a-- {
				at := i % c.x[a]
				i /= c.x[a]
				switch {
				case c.block == 0 && a == axis:
					return at
				case c.block == 0:
					continue
				case a == axis:
					at /= c.block
				}
				k += at * step
				step *= c.scale[a]
			}
			return k
		}
		for to, l := range map[tensor.DType][2]float64{tensor.Int8: {-128, 127}, tensor.Uint8: {0, 255}, tensor.Int16: {-32768, 32767}, tensor.Uint16: {0, 65535}, tensor.Int4: {-8, 7}, tensor.Uint4: {0, 15}} {
			zeros := make([]float64, n)
			zero := tensor.New(tensor.Float64, c.scale...)
			for i := range zeros {
				zeros[i] = l[0] + float64(r.IntN(int(l[1]-l[0])+1))
				tensor.Data[float64](zero)[i] = zeros[i]
			}
			z := tensor.New(to, c.scale...)
			if err := tensor.Convert(z, zero, false); err != nil {
				t.Fatal(err)
			}
			for _, in := range [][]*tensor.Tensor{ts(x, scale, z), ts(x, scale)} {
				y, back := tensor.New(to, c.x...), tensor.New(tensor.Float32, c.x...)
				wide := make([]float64, x.Len())
				for i, v := range x.Float32s() {
					k := of(i)
					zero := 0.0
					if len(in) > 2 {
						zero = zeros[k]
					}
					q := math.RoundToEven(float64(v/scale.Float32s()[k])) + zero
					if q != q {
						q = 0
					}
					wide[i] = min(max(q, l[0]), l[1])
					back.Float32s()[i] = float32(wide[i]-zero) * scale.Float32s()[k]
				}
				if err := tensor.Convert(y, tensor.Of(wide, c.x...), false); err != nil {
					t.Fatal(err)
				}
				t.Run(fmt.Sprint(c, to, len(in)), func(t *testing.T) {
					for _, isa := range kernels.Available() {
						restore, err := kernels.Force(isa)
						if err != nil {
							t.Fatal(err)
						}
						for _, threads := range []int{1, 3} {
							e := Env{Team: kernels.NewTeam(threads)}
							sameBits(t, &e, &Quantize{Axis: c.axis, Block: c.block, To: to}, in, ts(y))
							sameBits(t, &e, &Dequantize{Axis: c.axis, Block: c.block}, append(ts(y), in[1:]...), ts(back))
						}
						restore()
					}
				})
			}
		}
	}
}
