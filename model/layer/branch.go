package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// If gives the outputs of one of two branches. Input 0 is the condition, one bool; then come what the branch for true gives and what the
// one for false gives, Outputs values each. The branches' nodes stand in the graph like all others: where only running tells the condition, both are computed.
type If struct{ Outputs int }

func (*If) Kind() string { return "If" }

// Branch returns where, among the inputs, the values are that a condition chooses.
func (f *If) Branch(condition *tensor.Tensor) int {
	if tensor.Data[bool](condition)[0] {
		return 1
	}
	return 1 + f.Outputs
}

func (f *If) Infer(in []Info) ([]Info, error) {
	n := 1 + 2*f.Outputs
	if err := want(in, n, n); err != nil {
		return nil, err
	}
	if c, ok := tensor.Count(in[0].Shape); !ok || c != 1 || in[0].DType != tensor.Bool {
		return nil, fmt.Errorf("the condition is %s, not one bool", in[0])
	}
	if c := in[0].Value; c != nil {
		return in[f.Branch(c):][:f.Outputs:f.Outputs], nil
	}
	out := make([]Info, f.Outputs)
	for i := range out {
		yes, no := in[1+i], in[1+f.Outputs+i]
		if yes.DType != no.DType {
			return nil, fmt.Errorf("output %d is %s in one branch, %s in the other", i, yes, no)
		}
		if !slices.Equal(yes.Shape, no.Shape) {
			return nil, ErrUnknown
		}
		out[i] = Info{DType: yes.DType, Shape: yes.Shape}
	}
	return out, nil
}

func (f *If) Forward(e *Env, in, out []*tensor.Tensor) error {
	from := f.Branch(in[0])
	for i, t := range out {
		if t != nil {
			t.CopyFrom(in[from+i])
		}
	}
	return nil
}
