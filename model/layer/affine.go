package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// AffineGrid makes the grid of a GridSample out of affine maps (Jaderberg et al.: Spatial Transformer Networks, NIPS 2015): each position of an output
// of size [N,C,H,W] or [N,C,D,H,W], x first and from -1 to 1, becomes theta·(x, y, 1) or theta·(x, y, z, 1). Inputs: theta [N,2,3] or [N,3,4], size. The output is
// [N,H,W,2] or [N,D,H,W,3].
type AffineGrid struct {
	AlignCorners bool // as that of GridSample
}

func (*AffineGrid) Kind() string { return "AffineGrid" }

func (g *AffineGrid) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in[:1]); err != nil {
		return nil, err
	}
	size, err := ints(in[1])
	if err != nil {
		return nil, err
	}
	r := len(size) - 2
	if r != 2 && r != 3 || slices.Min(size) < 0 || !slices.Equal(in[0].Shape, []int{size[0], r, r + 1}) {
		return nil, fmt.Errorf("maps %s for a size of %v", in[0], size)
	}
	return one(in[0].DType, slices.Concat(size[:1], size[2:], []int{r}))
}

// coordinate is that of element i of n.
func (g *AffineGrid) coordinate(i, n int) float64 {
	switch {
	case !g.AlignCorners:
		return float64(2*i+1)/float64(n) - 1
	case n == 1:
		return 0
	}
	return float64(2*i)/float64(n-1) - 1
}

func (g *AffineGrid) Forward(e *Env, in, out []*tensor.Tensor) error {
	if out[0].Len() == 0 {
		return nil
	}
	if in[0].DType() == tensor.Float64 {
		affineGrid[float64](g, in[0], out[0])
	} else {
		affineGrid[float32](g, in[0], out[0])
	}
	return nil
}

func affineGrid[T real](g *AffineGrid, in, out *tensor.Tensor) {
	s := out.Shape()
	r := s[len(s)-1]
	theta, y, dims := tensor.Data[T](in), tensor.Data[T](out), s[1:len(s)-1]
	size := sizeOf(dims)
	for i := range s[0] * size {
		var p [3]float64
		for d, at := r-1, i; d >= 0; d-- {
			p[r-1-d] = g.coordinate(at%dims[d], dims[d])
			at /= dims[d]
		}
		for k := range r {
			row := theta[(i/size*r+k)*(r+1):]
			sum := float64(row[r])
			for j := range r {
				sum += float64(float64(row[j]) * p[j])
			}
			y[i*r+k] = T(sum)
		}
	}
}
