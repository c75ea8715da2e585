package layer

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Transpose reorders dimensions: dimension i of the output is dimension Perm[i] of the input. Without Perm it reverses them.
type Transpose struct{ Perm []int }

func (*Transpose) Kind() string { return "Transpose" }

func (t *Transpose) perm(rank int) ([]int, error) {
	if len(t.Perm) == 0 {
		p := make([]int, rank)
		for i := range p {
			p[i] = rank - 1 - i
		}
		return p, nil
	}
	if len(t.Perm) != rank {
		return nil, fmt.Errorf("a permutation of %d dimensions for %d", len(t.Perm), rank)
	}
	return axesOf(t.Perm, rank)
}

func (t *Transpose) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	p, err := t.perm(len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(p))
	for i, d := range p {
		shape[i] = in[0].Shape[d]
	}
	return one(in[0].DType, shape)
}

func (t *Transpose) Backward(tape Tape, in, out, dout []Ref, want []bool) []Ref {
	p, err := t.perm(len(tape.Info(in[0]).Shape))
	if err != nil {
		return []Ref{0}
	}
	inverse := make([]int, len(p))
	for i, d := range p {
		inverse[d] = i
	}
	return []Ref{tape.Add(&Transpose{inverse}, dout[0])}
}

func (t *Transpose) Forward(e *Env, in, out []*tensor.Tensor) error {
	rank := in[0].Rank()
	s := rowMajor(in[0].Shape())
	var steps [tensor.MaxRank]int
	for i := range rank {
		d := rank - 1 - i
		if len(t.Perm) > 0 {
			if d = t.Perm[i]; d < 0 {
				d += rank
			}
		}
		steps[i] = s[d]
	}
	w := walk(out[0].Shape(), steps)
	gatherTensor(out[0], in[0], &w, 0)
	return nil
}

// DepthToSpace moves channels into B x B blocks of pixels (Shi et al.: sub-pixel convolution, CVPR 2016).
// The channel is split as [B,B,C/B²], with ColumnsFirst ("CRD") as [C/B²,B,B]. The input is [N,C,H,W].
type DepthToSpace struct {
	B            int
	ColumnsFirst bool
}

func (*DepthToSpace) Kind() string { return "DepthToSpace" }

func (d *DepthToSpace) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 4, 4); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if d.B < 1 || d.B > 1<<12 || s[1]%(d.B*d.B) != 0 {
		return nil, fmt.Errorf("%s has no %dx%d blocks", in[0], d.B, d.B)
	}
	return one(in[0].DType, []int{s[0], s[1] / (d.B * d.B), s[2] * d.B, s[3] * d.B})
}

func (d *DepthToSpace) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	if !d.ColumnsFirst {
		return []Ref{t.Add(&SpaceToDepth{d.B}, dout[0])}
	}
	s, b := t.Info(in[0]).Shape, d.B
	g := reshaped(t, dout[0], []int{s[0], s[1] / (b * b), s[2], b, s[3], b})
	return []Ref{reshaped(t, t.Add(&Transpose{[]int{0, 1, 3, 5, 2, 4}}, g), s)}
}

func (d *DepthToSpace) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, b := in[0].Shape(), d.B
	c := s[1] / (b * b)
	st := rowMajor([]int{s[0], b, b, c, s[2], s[3]})
	steps := [tensor.MaxRank]int{st[0], st[3], st[4], st[1], st[5], st[2]}
	if d.ColumnsFirst {
		st = rowMajor([]int{s[0], c, b, b, s[2], s[3]})
		steps = [tensor.MaxRank]int{st[0], st[1], st[4], st[2], st[5], st[3]}
	}
	w := walk([]int{s[0], c, s[2], b, s[3], b}, steps)
	gatherTensor(out[0], in[0], &w, 0)
	return nil
}

// SpaceToDepth moves B x B blocks of pixels into channels, split as [B,B,C]. The input is [N,C,H,W].
type SpaceToDepth struct{ B int }

func (*SpaceToDepth) Kind() string { return "SpaceToDepth" }

func (d *SpaceToDepth) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 4, 4); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if d.B < 1 || d.B > 1<<12 || s[2]%d.B != 0 || s[3]%d.B != 0 {
		return nil, fmt.Errorf("%s does not split into %dx%d blocks", in[0], d.B, d.B)
	}
	return one(in[0].DType, []int{s[0], s[1] * d.B * d.B, s[2] / d.B, s[3] / d.B})
}

func (d *SpaceToDepth) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&DepthToSpace{B: d.B}, dout[0])}
}

func (d *SpaceToDepth) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, b := in[0].Shape(), d.B
	st := rowMajor([]int{s[0], s[1], s[2] / b, b, s[3] / b, b})
	w := walk([]int{s[0], b, b, s[1], s[2] / b, s[3] / b}, [tensor.MaxRank]int{st[0], st[3], st[5], st[1], st[2], st[4]})
	gatherTensor(out[0], in[0], &w, 0)
	return nil
}
