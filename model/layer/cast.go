package layer

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Cast converts elements to another type; see tensor.Convert.
type Cast struct {
	To       tensor.DType
	Saturate bool // for the 8-bit floats
}

func (*Cast) Kind() string { return "Cast" }

func (c *Cast) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if !c.To.Valid() {
		return nil, fmt.Errorf("cannot convert to %v", c.To)
	}
	return one(c.To, in[0].Shape)
}

func (*Cast) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&Cast{To: t.Info(in[0]).DType}, dout[0])}
}

func (c *Cast) Forward(e *Env, in, out []*tensor.Tensor) error {
	return tensor.Convert(out[0], in[0], c.Saturate)
}

// CastLike converts elements of input 0 to the type of input 1.
type CastLike struct{ Saturate bool }

func (*CastLike) Kind() string { return "CastLike" }

func (c *CastLike) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	out, err := one(in[1].DType, in[0].Shape)
	if v := in[0].Value; err == nil && v != nil && v.Len() == 1 {
		// One number is known, whatever it is like.
		out[0].Value = tensor.New(in[1].DType, in[0].Shape...)
		return out, tensor.Convert(out[0].Value, v, c.Saturate)
	}
	return out, err
}

func (*CastLike) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&Cast{To: t.Info(in[0]).DType}, dout[0]), 0}
}

func (c *CastLike) Forward(e *Env, in, out []*tensor.Tensor) error {
	return tensor.Convert(out[0], in[0], c.Saturate)
}
