package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// ReverseSequence reverses the first lens[b] elements along the dimension of time, 0 or 1, of each b in the other of the two. Inputs: x, lens.
type ReverseSequence struct{ Batch, Time int }

func (*ReverseSequence) Kind() string { return "ReverseSequence" }

func (r *ReverseSequence) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 2, tensor.MaxRank); err != nil {
		return nil, err
	}
	if r.Batch+r.Time != 1 || r.Batch*r.Time != 0 {
		return nil, fmt.Errorf("batch_axis %d and time_axis %d, which must be 0 and 1", r.Batch, r.Time)
	}
	if l := in[1]; l.DType != tensor.Int64 || !slices.Equal(l.Shape, in[0].Shape[r.Batch:r.Batch+1]) {
		return nil, fmt.Errorf("lengths %s for %s", l, in[0])
	}
	return same(in)
}

// Backward reverses once more.
func (r *ReverseSequence) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(r, dout[0], in[1]), 0}
}

func (r *ReverseSequence) Forward(e *Env, in, out []*tensor.Tensor) error {
	s := in[0].Shape()
	long, inner, lens := s[r.Time], sizeOf(s[2:]), in[1].Int64s()
	step := rowMajor(s)
	for b, n := range lens {
		if n < 0 || n > int64(long) {
			return fmt.Errorf("length %d of sequence %d is out of range for %d elements", n, b, long)
		}
		if inner == 0 {
			continue
		}
		for i := range long {
			from := i
			if i < int(n) {
				from = int(n) - 1 - i
			}
			copyBlock(out[0], b*step[r.Batch]+i*step[r.Time], in[0], b*step[r.Batch]+from*step[r.Time], inner)
		}
	}
	return nil
}
