package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// NLL is the negative log-likelihood of labels. Inputs: logarithms of probabilities x [N,C,...], labels [N,...], and weights of the classes [C] or none. Each label's loss is
// -x·weight, 0 where the label is Ignore. Reduction is "none", "sum" or "mean": Σ loss / Σ weight, without those that are ignored. A label outside 0..C-1 that
// is not Ignore is an error.
type NLL struct {
	Reduction string
	Ignore    int
	Ignores   bool // Ignore counts
}

func (*NLL) Kind() string { return "NegativeLogLikelihoodLoss" }

func (l *NLL) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 1, tensor.Int32, tensor.Int64); err != nil {
		return nil, err
	}
	if err := realType([]Info{in[0], opt(in, 2)}); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 2, tensor.MaxRank); err != nil {
		return nil, err
	}
	x := in[0].Shape
	shape := slices.Concat(x[:1], x[2:])
	if w := opt(in, 2); !slices.Equal(in[1].Shape, shape) || w.Present() && !slices.Equal(w.Shape, x[1:2]) {
		return nil, fmt.Errorf("input %s, labels %s, weights %s", in[0], in[1], w)
	}
	switch l.Reduction {
	case "none":
		return one(in[0].DType, shape)
	case "sum", "mean":
		return one(in[0].DType, []int{})
	}
	return nil, fmt.Errorf("unknown reduction %q", l.Reduction)
}

func (l *NLL) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		return likelihood[float64](l, in, out[0])
	}
	return likelihood[float32](l, in, out[0])
}

func likelihood[T real](l *NLL, in []*tensor.Tensor, out *tensor.Tensor) error {
	x, y := tensor.Data[T](in[0]), tensor.Data[T](out)
	var weights []T
	if w := optT(in, 2); w != nil {
		weights = tensor.Data[T](w)
	}
	n, inner := in[0].Dim(1), sizeOf(in[0].Shape()[2:])
	sum, total := 0.0, 0.0
	for i, v := range index(in[1]) {
		var loss, w T
		if !l.Ignores || v != int64(l.Ignore) {
			if v < 0 || v >= int64(n) {
				return fmt.Errorf("label %d is %d; there are %d classes", i, v, n)
			}
			w = 1
			if weights != nil {
				w = weights[v]
			}
			loss = T(-x[(i/inner*n+int(v))*inner+i%inner] * w)
		}
		if l.Reduction == "none" {
			y[i] = loss
		}
		sum, total = sum+float64(loss), total+float64(w)
	}
	switch l.Reduction {
	case "sum":
		y[0] = T(sum)
	case "mean":
		y[0] = T(sum / total)
	}
	return nil
}
