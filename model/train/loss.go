package train

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// LossSpec says what is minimised: one term, or a weighted sum of several.
type LossSpec struct {
	Kind      string    `yaml:"kind"`      // see Losses
	Output    string    `yaml:"output"`    // of the network; may be left out where there is one
	Target    string    `yaml:"target"`    // the field of the examples to compare with; "label" where left out
	Weight    float64   `yaml:"weight"`    // of the term; 0 stands for 1
	Classes   []float32 `yaml:"classes"`   // cross_entropy: a weight for each class
	Smoothing float64   `yaml:"smoothing"` // cross_entropy
	Ignore    *int32    `yaml:"ignore"`    // cross_entropy: the label that does not count
}

// lossFunc adds a term to a Tape and returns it, a scalar.
type lossFunc func(t *Tape, s LossSpec, out, target layer.Ref) layer.Ref

var losses = map[string]lossFunc{
	"cross_entropy": crossEntropy,
	"euclidean":     euclidean,
}

// Losses lists the kinds of loss.
func Losses() []string { return slices.Sorted(maps.Keys(losses)) }

// Check says what is wrong with a specification.
func (s LossSpec) Check() error {
	switch {
	case losses[s.Kind] == nil:
		return fmt.Errorf("loss: the kind is %q; it can be %s", s.Kind, strings.Join(Losses(), ", "))
	case s.Weight < 0:
		return fmt.Errorf("loss: the weight is %g", s.Weight)
	case s.Smoothing < 0 || s.Smoothing >= 1:
		return fmt.Errorf("loss: smoothing is %g, not from 0 to below 1", s.Smoothing)
	}
	return nil
}

// Target is a field of the examples that a loss reads.
type Target struct {
	DType tensor.DType
	Shape []int // of a batch
}

// Loss returns what Config wants: the sum of terms over targets, each of which becomes an input.
func Loss(terms []LossSpec, targets map[string]Target) func(*Tape, *Network) (layer.Ref, map[string]layer.Ref, error) {
	return func(t *Tape, n *Network) (layer.Ref, map[string]layer.Ref, error) {
		var sum layer.Ref
		inputs, watch := map[string]layer.Ref{}, map[string]layer.Ref{}
		for i, s := range terms {
			if err := s.Check(); err != nil {
				return 0, nil, err
			}
			out, err := n.output(s.Output)
			if err != nil {
				return 0, nil, err
			}
			name := s.Target
			if name == "" {
				name = "label"
			}
			if _, ok := inputs[name]; !ok {
				f, ok := targets[name]
				if !ok {
					return 0, nil, fmt.Errorf("loss: the examples have no %q; they have %s", name, strings.Join(sorted(targets), ", "))
				}
				inputs[name] = t.Input(name, f.DType, f.Shape...)
			}
			term := losses[s.Kind](t, s, out, inputs[name])
			if t.Err() != nil {
				return 0, nil, fmt.Errorf("loss: %s of output %q and %q: %w", s.Kind, s.Output, name, t.Err())
			}
			if len(terms) > 1 {
				watch[fmt.Sprintf("%d_%s", i, s.Kind)] = term
			}
			if s.Weight != 0 && s.Weight != 1 {
				term = t.Add(&layer.Binary{Fn: layer.Mul}, term, t.Const(tensor.Scalar(float32(s.Weight))))
			}
			if sum != 0 {
				term = t.Add(&layer.Binary{Fn: layer.Add}, sum, term)
			}
			sum = term
		}
		if sum == 0 {
			return 0, nil, fmt.Errorf("loss: there is no term")
		}
		return sum, watch, nil
	}
}

// output returns an output of the network by name; the only one where the name is empty.
func (n *Network) output(name string) (layer.Ref, error) {
	if name == "" && len(n.Outputs) == 1 {
		for _, r := range n.Outputs {
			return r, nil
		}
	}
	if r, ok := n.Outputs[name]; ok {
		return r, nil
	}
	return 0, fmt.Errorf("loss: the network has no output %q; it has %s", name, strings.Join(sorted(n.Outputs), ", "))
}

// crossEntropy is the mean negative log-likelihood of int32 labels.
func crossEntropy(t *Tape, s LossSpec, out, target layer.Ref) layer.Ref {
	op := &layer.CrossEntropy{Weights: s.Classes, Smoothing: float32(s.Smoothing), Ignore: -1}
	if s.Ignore != nil {
		op.Ignore = *s.Ignore
	}
	return t.AddN(2, op, out, target)[0]
}

// euclidean is half the squared distance between outputs and targets, as the mean over the batch. int32 labels stand for vectors that are
// 1 at the label and 0 elsewhere.
func euclidean(t *Tape, _ LossSpec, out, target layer.Ref) layer.Ref {
	shape := t.Info(out).Shape
	if t.Info(target).DType == tensor.Int32 && len(shape) > 1 {
		onOff := t.Const(tensor.Of([]float32{0, 1}))
		target = t.Add(&layer.OneHot{Axis: 1}, target, t.Const(tensor.Scalar(int64(shape[1]))), onOff)
	}
	d := t.Add(&layer.Binary{Fn: layer.Sub}, out, target)
	sum := t.Add(&layer.Reduce{Fn: layer.ReduceSum}, t.Add(&layer.Binary{Fn: layer.Mul}, d, d))
	n := 1
	if len(shape) > 0 {
		n = max(1, shape[0])
	}
	return t.Add(&layer.Binary{Fn: layer.Mul}, sum, t.Const(tensor.Scalar(0.5/float32(n))))
}
