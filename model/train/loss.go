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
	Channels  [2]int    `yaml:"channels"`  // of the output: from, and to before; zeros stand for all
	Mask      string    `yaml:"mask"`      // smooth_l1, iou and giou: the field that weighs each element, or box
	Power     float64   `yaml:"power"`     // focal: of the error that weighs a term; 0 stands for 2
	Near      float64   `yaml:"near"`      // focal: of 1-target that weighs what is nearly right; 0 stands for 4
	Beta      float64   `yaml:"beta"`      // smooth_l1: the difference at which it becomes linear; 0 stands for 1
	Stride    float64   `yaml:"stride"`    // iou and giou: the unit of distances, in pixels; 0 stands for 1
	Margin    float64   `yaml:"margin"`    // margin_softmax: an angle in radians, 0 stands for 0.5; triplet: a squared distance, 0 stands for 0.2
	Scale     float64   `yaml:"scale"`     // margin_softmax: of the cosines; 0 stands for 32
	Count     int       `yaml:"count"`     // margin_softmax: of the classes
	Heat      float64   `yaml:"heat"`      // contrastive: the temperature; 0 stands for 0.1
}

// term is what a loss is made of: outputs of the network, targets, and where it is given a mask.
type term struct {
	*Tape
	LossSpec
	net               *Network
	out, target, mask layer.Ref
}

// losses add a term to a Tape and return it, a scalar.
var losses = map[string]func(*term) layer.Ref{
	"binary_cross_entropy": binaryCrossEntropy,
	"contrastive":          contrastive,
	"cross_entropy":        crossEntropy,
	"euclidean":            euclidean,
	"focal":                focal,
	"giou":                 giou,
	"hinge":                hinge,
	"iou":                  iou,
	"margin_softmax":       marginSoftmax,
	"smooth_l1":            smoothL1,
	"triplet":              triplet,
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
	case s.Channels[0] < 0 || s.Channels[1] < s.Channels[0] || s.Channels[0] == s.Channels[1] && s.Channels[0] != 0:
		return fmt.Errorf("loss: channels are %v; they are from the first, and to before the second number", s.Channels)
	case min(s.Power, s.Near, s.Beta, s.Stride, s.Margin, s.Scale, s.Heat) < 0:
		return fmt.Errorf("loss: %s: power, near, beta, stride, margin, scale and heat are not negative", s.Kind)
	case s.Margin >= 1.5 && s.Kind == "margin_softmax":
		return fmt.Errorf("loss: margin_softmax: the margin is %g; it is an angle below 1.5", s.Margin)
	case s.Count < 2 && s.Kind == "margin_softmax":
		return fmt.Errorf("loss: margin_softmax: count is %d; it is the number of classes", s.Count)
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
			for _, name := range []string{name, s.Mask} {
				if _, ok := inputs[name]; ok || name == "" {
					continue
				}
				f, ok := targets[name]
				if !ok {
					return 0, nil, fmt.Errorf("loss: the examples have no %q; they have %s", name, strings.Join(sorted(targets), ", "))
				}
				inputs[name] = t.Input(name, f.DType, f.Shape...)
			}
			part := &term{Tape: t, LossSpec: s, net: n, out: out, target: inputs[name], mask: inputs[s.Mask]}
			if s.Channels != [2]int{} {
				part.out = part.channels(out, s.Channels[0], s.Channels[1])
			}
			term := losses[s.Kind](part)
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

// or returns v, or what its zero stands for.
func or(v, zero float64) float64 {
	if v == 0 {
		return zero
	}
	return v
}

// number adds a constant of the output's type.
func (t *term) number(v float64) layer.Ref {
	if t.Info(t.out).DType == tensor.Float64 {
		return t.Const(tensor.Scalar(v))
	}
	return t.Const(tensor.Scalar(float32(v)))
}

func (t *term) binary(fn layer.Fn, a, b layer.Ref) layer.Ref {
	return t.Add(&layer.Binary{Fn: fn}, a, b)
}

func (t *term) sum(a, b layer.Ref) layer.Ref             { return t.binary(layer.Add, a, b) }
func (t *term) minus(a, b layer.Ref) layer.Ref           { return t.binary(layer.Sub, a, b) }
func (t *term) times(a, b layer.Ref) layer.Ref           { return t.binary(layer.Mul, a, b) }
func (t *term) over(a, b layer.Ref) layer.Ref            { return t.binary(layer.Div, a, b) }
func (t *term) unary(fn layer.Fn, a layer.Ref) layer.Ref { return t.Add(&layer.Unary{Fn: fn}, a) }

// where is a where a condition holds, else b.
func (t *term) where(cond, a, b layer.Ref) layer.Ref { return t.Add(&layer.Where{}, cond, a, b) }

// reduce reduces over axes, which stay with size 1; over all, to a scalar, without any.
func (t *term) reduce(fn layer.Fn, a layer.Ref, axes ...int64) layer.Ref {
	if len(axes) == 0 {
		return t.Add(&layer.Reduce{Fn: fn}, a)
	}
	return t.Add(&layer.Reduce{Fn: fn, KeepDims: true}, a, t.Const(tensor.Of(axes)))
}

// channels returns channels from..to-1.
func (t *term) channels(a layer.Ref, from, to int) layer.Ref {
	one := func(v int) layer.Ref { return t.Const(tensor.Of([]int64{int64(v)})) }
	return t.Add(&layer.Slice{}, a, one(from), one(to), one(1))
}

// crossEntropy is the mean negative log-likelihood of int32 labels.
func crossEntropy(t *term) layer.Ref {
	op := &layer.CrossEntropy{Weights: t.Classes, Smoothing: float32(t.Smoothing), Ignore: -1}
	if t.Ignore != nil {
		op.Ignore = *t.Ignore
	}
	return t.AddN(2, op, t.out, t.target)[0]
}

// euclidean is half the squared distance between outputs and targets, as the mean over the batch. int32 labels stand for vectors that are
// 1 at the label and 0 elsewhere.
func euclidean(t *term) layer.Ref {
	shape, target := t.Info(t.out).Shape, t.target
	if t.Info(target).DType == tensor.Int32 && len(shape) > 1 {
		target = t.oneHot(shape[1])
	}
	d := t.minus(t.out, target)
	n := 1
	if len(shape) > 0 {
		n = max(1, shape[0])
	}
	return t.times(t.reduce(layer.ReduceSum, t.times(d, d)), t.number(0.5/float64(n)))
}

// hinge is the mean of max(0, 1-y·x) over outputs x, one for each label; y is 1 for label 1 and -1 for label 0 (Cortes, Vapnik: Support-vector networks, 1995).
func hinge(t *term) layer.Ref {
	flat := t.Const(tensor.Of([]int64{int64(t.Info(t.target).Shape[0])}))
	y := t.Add(&layer.Cast{To: t.Info(t.out).DType}, t.target)
	y = t.minus(t.times(y, t.number(2)), t.number(1))
	x := t.Add(&layer.Reshape{}, t.out, flat)
	return t.reduce(layer.ReduceMean, t.unary(layer.Relu, t.minus(t.number(1), t.times(y, x))))
}

// oneHot makes labels [N,...] vectors [N,n,...] that are 1 at the label.
func (t *term) oneHot(n int) layer.Ref {
	onOff := tensor.New(t.Info(t.out).DType, 2)
	if onOff.DType() == tensor.Float64 {
		tensor.Data[float64](onOff)[1] = 1
	} else {
		onOff.Float32s()[1] = 1
	}
	return t.Add(&layer.OneHot{Axis: 1}, t.target, t.Const(tensor.Scalar(int64(n))), t.Const(onOff))
}
