package layer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestMaxPoolBits compares with what is found together with the positions.
func TestMaxPoolBits(t *testing.T) {
	for i, c := range []struct {
		pool MaxPool
		x    []int
	}{
		{MaxPool{Window: Window{Kernel: d(2, 2, 2), Strides: d(2, 2, 2)}}, d(2, 3, 6, 8, 10)},
		{MaxPool{Window: Window{Kernel: d(3, 2, 4), Strides: d(1, 3, 2), Pads: d(2, 1, 3, 0, 1, 2)}}, d(1, 5, 4, 7, 9)},
		{MaxPool{Window: Window{Kernel: d(2, 3, 2), Dilations: d(3, 2, 4), Pads: d(5, 4, 6, 5, 4, 6), Ceil: true, Strides: d(2, 2, 3)}}, d(1, 2, 5, 6, 7)},
		{MaxPool{Window: Window{Kernel: d(2, 2), Dilations: d(9, 9), Pads: d(5, 5, 5, 5)}}, d(1, 2, 3, 3)},
		{MaxPool{Window: Window{Kernel: d(5), Pads: d(7, 9), Strides: d(3)}}, d(2, 3, 11)},
		{MaxPool{Window: Window{Kernel: d(9), Pads: d(7, 9)}}, d(2, 3, 4)},
		{MaxPool{Window: Window{Kernel: d(2, 2, 2)}}, d(0, 3, 4, 4, 4)},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(i), 5))
			in := ts(noise(r, 2, []float32{0, float32(math.Copysign(0, -1)), inf, -inf, nan}, c.x...))
			want := outputOf(t, &c.pool, in)
			if err := c.pool.Forward(new(Env), in, ts(want, tensor.New(tensor.Int64, want.Shape()...))); err != nil {
				t.Fatal(err)
			}
			everywhere(t, &c.pool, in, want)
		})
	}
}
