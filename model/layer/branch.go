package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// If gives the outputs of one of two branches. Input 0 is the condition, one bool; then come what the branch for true gives and what the
// one for false gives, Outputs values each. The branches' nodes stand in the graph like all others; Places says which they are.
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
	if len(in) != n {
		return nil, fmt.Errorf("%d inputs, not %d", len(in), n)
	}
	if c, ok := tensor.Count(in[0].Shape); !ok || c != 1 || in[0].DType != tensor.Bool {
		return nil, fmt.Errorf("the condition is %s, not one bool", in[0])
	}
	if c := in[0].Value; c != nil {
		taken := in[f.Branch(c):][:f.Outputs:f.Outputs]
		return taken, want(taken, f.Outputs, f.Outputs)
	}
	if err := want(in, n, n); err != nil {
		return nil, err
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

// Place is a branch of an If that nodes lie in; nil is outside of all branches.
type Place[N comparable] struct {
	Around *Place[N]
	Of     N    // the If
	Second bool // the branch for false
	depth  int
}

// meet returns the innermost place that both lie in.
func (p *Place[N]) meet(q *Place[N]) *Place[N] {
	for p != q {
		if p == nil || q == nil {
			return nil
		}
		if p.depth >= q.depth {
			p = p.Around
		} else {
			q = q.Around
		}
	}
	return p
}

// Places finds the nodes of branches: each is as far inside as all that use what it gives. nodes are in order, look tells of one what it does, takes and
// gives, and the zero V stands for what is left out.
func Places[N, V comparable](nodes []N, outputs []V, look func(N) (op Op, in, out []V)) map[N]*Place[N] {
	users := map[V][]*Place[N]{}
	for _, v := range outputs {
		users[v] = []*Place[N]{nil}
	}
	of := map[N]*Place[N]{}
	var none V
	for _, n := range slices.Backward(nodes) {
		op, in, out := look(n)
		var at *Place[N]
		first := true
		for _, v := range out {
			if v == none {
				continue
			}
			for _, p := range users[v] {
				if first {
					at, first = p, false
				} else {
					at = at.meet(p)
				}
			}
		}
		if at != nil {
			of[n] = at
		}
		f, decides := op.(*If)
		var inner [2]*Place[N]
		for i := range inner {
			inner[i] = &Place[N]{Around: at, Of: n, Second: i == 1, depth: 1}
			if at != nil {
				inner[i].depth = at.depth + 1
			}
		}
		for i, v := range in {
			switch {
			case v == none:
			case decides && i > 0:
				users[v] = append(users[v], inner[(i-1)/f.Outputs])
			default:
				users[v] = append(users[v], at)
			}
		}
	}
	return of
}
