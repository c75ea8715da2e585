package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Det returns the determinants of the square matrices x [...,M,M], by Gaussian elimination with partial pivoting in float64.
type Det struct{}

func (*Det) Kind() string { return "Det" }

func (*Det) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if n := len(s); n < 2 || s[n-1] != s[n-2] {
		return nil, fmt.Errorf("input %s is no square matrix", in[0])
	}
	return one(in[0].DType, append([]int{}, s[:len(s)-2]...))
}

func (*Det) Work(in, out []Info) int64 {
	s := in[0].Shape
	return product(sizeOf(s), s[len(s)-1])
}

func (*Det) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		determinants(e, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]), in[0].Dim(-1))
	} else {
		determinants(e, out[0].Float32s(), in[0].Float32s(), in[0].Dim(-1))
	}
	return nil
}

func determinants[T real](e *Env, y, x []T, n int) {
	if len(y) == 0 {
		return
	}
	a := scratch[float64](e, n*n)
	for i := range y {
		for k, v := range x[i*n*n : (i+1)*n*n] {
			a[k] = float64(v)
		}
		y[i] = T(determinant(a, n))
	}
}

// determinant returns that of a [n,n], which it overwrites.
func determinant(a []float64, n int) float64 {
	det := 1.0
	for c := range n {
		top, most := c, -1.0
		for r := c; r < n; r++ {
			if v := math.Abs(a[r*n+c]); v > most || v != v {
				top, most = r, v
			}
		}
		if top != c {
			det = -det
			for k := c; k < n; k++ {
				a[top*n+k], a[c*n+k] = a[c*n+k], a[top*n+k]
			}
		}
		pivot := a[c*n+c]
		det *= pivot
		if pivot == 0 {
			continue
		}
		for r := c + 1; r < n; r++ {
			f := a[r*n+c] / pivot
			for k := c + 1; k < n; k++ {
				a[r*n+k] -= float64(f * a[c*n+k])
			}
		}
	}
	return det
}
