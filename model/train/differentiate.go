package train

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Differentiate adds to a Tape what computes the gradients of loss, a scalar of float32 or float64, with respect to given values, by back-propagation
// (Rumelhart, Hinton, Williams: Learning representations by back-propagating errors, 1986). A gradient is 0 where the loss
// does not depend on the value.
func Differentiate(t *Tape, loss layer.Ref, wrt ...layer.Ref) ([]layer.Ref, error) {
	return differentiate(t, loss, wrt, 1)
}

// differentiate is Differentiate with what the network computes kept only at the ends of a number of segments, and computed again, segment by segment,
// when its gradient is due: more work for less memory (Chen, Xu, Zhang, Guestrin: Training deep nets with sublinear memory cost, 2016).
func differentiate(t *Tape, loss layer.Ref, wrt []layer.Ref, segments int) ([]layer.Ref, error) {
	if t.err != nil {
		return nil, t.err
	}
	if s := t.infos[loss]; len(s.Shape) != 0 || !s.DType.IsFloat() {
		return nil, fmt.Errorf("train: a loss is one number, not %s", s)
	}
	needs := t.dependents(wrt)
	if !needs[loss] {
		return make([]layer.Ref, len(wrt)), nil
	}
	scope := t.scope
	defer func() { t.scope = scope }()
	sums := make(map[layer.Ref]layer.Ref, len(t.nodes))
	sums[loss] = t.one(t.infos[loss].DType)
	starts := t.segments(segments)
	var again map[layer.Ref]layer.Ref // what was computed twice, of the segment under way
	for i := len(t.nodes) - 1; i >= 0; i-- {
		n := t.nodes[i]
		if k := len(starts) - 1; k >= 0 && i < starts[k] {
			from := 0
			if starts = starts[:k]; k > 0 {
				from = starts[k-1]
			}
			again = t.replay(from, i+1)
		}
		dout := make([]layer.Ref, len(n.out))
		live := false
		for k, r := range n.out {
			dout[k] = sums[r]
			live = live || dout[k] != 0 && needs[r]
		}
		if !live {
			continue
		}
		want, any := make([]bool, len(n.in)), false
		for k, r := range n.in {
			want[k] = needs[r]
			any = any || want[k]
		}
		if !any {
			continue
		}
		d, ok := n.op.(layer.Differentiable)
		if !ok {
			return nil, fmt.Errorf("train: node %q (%s): its gradient is not known; it cannot stand between a trained parameter and the loss", n.name, n.op.Kind())
		}
		t.scope = "grad:" + n.name + ":"
		din := d.Backward(t, renamed(n.in, again), renamed(n.out, again), dout, want)
		if t.err != nil {
			return nil, fmt.Errorf("%w, in the gradient of node %q (%s)", t.err, n.name, n.op.Kind())
		}
		for k, g := range din {
			if g == 0 || !want[k] {
				continue
			}
			if !same(t.infos[g], t.infos[n.in[k]]) {
				return nil, fmt.Errorf("train: node %q (%s): the gradient of input %d is %s, the input %s", n.name, n.op.Kind(), k, t.infos[g], t.infos[n.in[k]])
			}
			if s := sums[n.in[k]]; s != 0 {
				g = t.Add(&layer.Binary{Fn: layer.Add}, s, g)
			}
			sums[n.in[k]] = g
		}
	}
	out := make([]layer.Ref, len(wrt))
	for i, r := range wrt {
		out[i] = sums[r]
	}
	return out, t.err
}

// segments cuts the operations into n runs whose outputs take about as much memory, and returns where the second and later ones begin.
func (t *Tape) segments(n int) []int {
	size := func(o node) int {
		sum := 0
		for _, r := range o.out {
			k, _ := tensor.Count(t.infos[r].Shape)
			sum += k * t.infos[r].DType.Size()
		}
		return sum
	}
	total := 0
	for _, o := range t.nodes {
		total += size(o)
	}
	var starts []int
	sum := 0
	for i, o := range t.nodes {
		if sum += size(o); sum > total*(len(starts)+1)/n && i+1 < len(t.nodes) && len(starts)+1 < n {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// replay adds operations from..to-1 once more, and returns what their outputs are called there.
func (t *Tape) replay(from, to int) map[layer.Ref]layer.Ref {
	again := map[layer.Ref]layer.Ref{}
	for _, n := range t.nodes[from:to] {
		for k, r := range t.add(n.name+":again", len(n.out), n.op, renamed(n.in, again)) {
			again[n.out[k]] = r
		}
	}
	return again
}

// renamed returns what values are called now.
func renamed(refs []layer.Ref, names map[layer.Ref]layer.Ref) []layer.Ref {
	out := make([]layer.Ref, len(refs))
	for i, r := range refs {
		if out[i] = r; names[r] != 0 {
			out[i] = names[r]
		}
	}
	return out
}

// dependents marks the values that depend on others.
func (t *Tape) dependents(on []layer.Ref) []bool {
	needs := make([]bool, len(t.vals))
	for _, r := range on {
		needs[r] = true
	}
	for _, n := range t.nodes {
		for _, r := range n.in {
			if r == 0 || !needs[r] {
				continue
			}
			for _, o := range n.out {
				needs[o] = t.infos[o].DType.IsFloat()
			}
			break
		}
	}
	needs[0] = false
	return needs
}

// one returns the constant 1 of a floating-point type.
func (t *Tape) one(d tensor.DType) layer.Ref {
	if d == tensor.Float64 {
		return t.constant("one", tensor.Scalar(1.0))
	}
	return t.constant("one", tensor.Scalar(float32(1)))
}

func same(a, b layer.Info) bool {
	return a.DType == b.DType && tensor.FormatShape(a.Shape) == tensor.FormatShape(b.Shape)
}
