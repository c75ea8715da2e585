package train_test

import (
	"context"
	"testing"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train"
)

// square is x², whose gradient is 2·x·dy.
type square struct{}

func (square) Kind() string                                { return "Square" }
func (square) Infer(in []layer.Info) ([]layer.Info, error) { return in[:1], nil }
func (square) Forward(_ *layer.Env, in, out []*tensor.Tensor) error {
	for i, v := range in[0].Float32s() {
		out[0].Float32s()[i] = v * v
	}
	return nil
}

func (square) Backward(t layer.Tape, in, out, dout []layer.Ref, want []bool) []layer.Ref {
	two := t.Const(tensor.Scalar(float32(2)))
	return []layer.Ref{t.Add(&layer.Binary{Fn: layer.Mul}, t.Add(&layer.Binary{Fn: layer.Mul}, two, in[0]), dout[0])}
}

func TestDifferentiate(t *testing.T) {
	tape := train.NewTape()
	x := tape.Input("x", tensor.Float32)
	y := tape.Add(square{}, x)
	z := tape.Add(square{}, y) // x⁴
	d, err := train.Differentiate(tape, z, x)
	if err != nil {
		t.Fatal(err)
	}
	got := evaluate(t, tape, map[string]*tensor.Tensor{"x": tensor.Scalar(float32(3))}, d[0])
	if g := got.Float32s()[0]; g != 4*27 {
		t.Errorf("the gradient of x⁴ at 3 is %g, not 108", g)
	}
}

// evaluate runs a tape's graph and returns a value.
func evaluate(t *testing.T, tape *train.Tape, in map[string]*tensor.Tensor, r layer.Ref) *tensor.Tensor {
	t.Helper()
	tape.Output(r)
	p, err := tape.Compile(train.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	if err := s.Run(context.Background(), in, nil); err != nil {
		t.Fatal(err)
	}
	return s.Output(0)
}
