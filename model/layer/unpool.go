package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// MaxUnpool undoes a MaxPool of the same window: it returns zeros with each element of x [N,C,...] at the position that the pooling took it from
// (Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014, §2.1). Where positions come twice the last element stays.
//
// Inputs: x; the positions, a MaxPool's second output, in the flattened output [N,C,(D-1)·stride-pads+kernel,...]; and, optionally, a larger shape, whose rest
// is zeros after that output.
type MaxUnpool struct{ Kernel, Strides, Pads []int }

func (*MaxUnpool) Kind() string { return "MaxUnpool" }

// pooled is the shape that was pooled to one of shape x.
func (m *MaxUnpool) pooled(x []int) ([]int, error) {
	w := Window{Strides: m.Strides, Pads: m.Pads}
	s, err := w.base(x, m.Kernel)
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(x)
	for i := range m.Kernel {
		d := 3 - len(m.Kernel) + i
		n := int64(s.in[d]-1)*int64(s.stride[d]) + int64(s.kernel[d]-s.before[d]-s.after[d])
		if n < 0 || n >= maxExtent {
			return nil, fmt.Errorf("dimension %d of %s would become %d", i+2, tensor.FormatShape(x), n)
		}
		shape[i+2] = int(n)
	}
	return shape, nil
}

func (m *MaxUnpool) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if err := realType(in[:1]); err != nil {
		return nil, err
	}
	if in[1].DType != tensor.Int64 || !slices.Equal(in[0].Shape, in[1].Shape) {
		return nil, fmt.Errorf("positions %s for %s", in[1], in[0])
	}
	shape, err := m.pooled(in[0].Shape)
	if err != nil {
		return nil, err
	}
	if !opt(in, 2).Present() {
		return one(in[0].DType, shape)
	}
	given, err := ints(in[2])
	if err != nil {
		return nil, err
	}
	if _, err := one(in[0].DType, shape); err != nil {
		return nil, err
	}
	if len(given) != len(shape) {
		return nil, fmt.Errorf("output_shape %v for %s", given, in[0])
	}
	for i, n := range given {
		if n < shape[i] {
			return nil, fmt.Errorf("output_shape %v is smaller than %s", given, tensor.FormatShape(shape))
		}
	}
	return one(in[0].DType, given)
}

func (m *MaxUnpool) Forward(e *Env, in, out []*tensor.Tensor) error {
	shape, err := m.pooled(in[0].Shape())
	if err != nil {
		return err
	}
	clear(out[0].Raw())
	n, st := int64(sizeOf(shape)), rowMajor(out[0].Shape())
	larger := !slices.Equal(shape, out[0].Shape())
	for i, p := range in[1].Int64s() {
		if p < 0 || p >= n {
			return fmt.Errorf("position %d is out of range for %d elements", p, n)
		}
		at := int(p)
		if larger {
			at = 0
			for d := len(shape) - 1; d >= 0; d-- {
				at += int(p) % shape[d] * st[d]
				p /= int64(shape[d])
			}
		}
		copyBlock(out[0], at, in[0], i, 1)
	}
	return nil
}
