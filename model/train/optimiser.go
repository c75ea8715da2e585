package train

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// OptimiserSpec says how parameters change by their gradients.
type OptimiserSpec struct {
	Kind     string  `yaml:"kind"`     // sgd, or adamw (Loshchilov, Hutter: Decoupled weight decay regularization, ICLR 2019)
	Momentum float64 `yaml:"momentum"` // of sgd
	Nesterov bool    `yaml:"nesterov"`
	Beta1    float64 `yaml:"beta1"` // of adamw; 0 stands for 0.9
	Beta2    float64 `yaml:"beta2"` // 0 stands for 0.999
	Decay    float64 `yaml:"decay"` // of weights; never of biases, nor of the scales and shifts of normalisation
	Clip     float64 `yaml:"clip"`  // the largest norm of all gradients together; 0 means any (Pascanu, Mikolov, Bengio, ICML 2013)
}

// Check says what is wrong with a specification.
func (s OptimiserSpec) Check() error {
	switch {
	case s.Kind != "sgd" && s.Kind != "adamw":
		return fmt.Errorf("optimiser: the kind is %q; it can be sgd or adamw", s.Kind)
	case s.Momentum < 0 || s.Momentum >= 1 || s.Beta1 < 0 || s.Beta1 >= 1 || s.Beta2 < 0 || s.Beta2 >= 1:
		return fmt.Errorf("optimiser: momentum, beta1 and beta2 are from 0 to below 1")
	case s.Decay < 0 || s.Clip < 0:
		return fmt.Errorf("optimiser: decay and clip are not negative")
	case s.Kind == "adamw" && (s.Momentum != 0 || s.Nesterov):
		return fmt.Errorf("optimiser: adamw has no momentum or nesterov; it has beta1 and beta2")
	case s.Kind == "sgd" && (s.Beta1 != 0 || s.Beta2 != 0):
		return fmt.Errorf("optimiser: sgd has no beta1 or beta2; it has momentum")
	}
	return nil
}

// Optimiser changes parameters by their gradients, and keeps what it must remember of earlier ones.
type Optimiser struct {
	spec    OptimiserSpec
	params  []*Param
	first   []*tensor.Tensor // velocity, or mean of the gradients
	second  []*tensor.Tensor // of adamw: mean of their squares
	updates uint64
	norm    float64
}

// NewOptimiser returns an Optimiser of parameters.
func NewOptimiser(s OptimiserSpec, params []*Param) (*Optimiser, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	o := &Optimiser{spec: s, params: params}
	if s.Kind == "adamw" {
		if s.Beta1 == 0 {
			o.spec.Beta1 = 0.9
		}
		if s.Beta2 == 0 {
			o.spec.Beta2 = 0.999
		}
	}
	for _, p := range params {
		o.first = append(o.first, tensor.New(tensor.Float32, p.Value.Shape()...))
		if s.Kind == "adamw" {
			o.second = append(o.second, tensor.New(tensor.Float32, p.Value.Shape()...))
		}
	}
	return o, nil
}

// Update makes one step by gradients, one for each parameter, at a learning rate. Its error, where a gradient is not finite, leaves
// everything as it was.
func (o *Optimiser) Update(t *kernels.Team, grads []*tensor.Tensor, rate float32) error {
	sum := 0.0
	for i, g := range grads {
		s := kernels.SumSquares(t, g.Float32s())
		if math.IsNaN(s) || math.IsInf(s, 0) {
			return fmt.Errorf("the gradient of %q is not finite; a lower learning rate, clipping or a warm-up may help", o.params[i].Name)
		}
		sum += s
	}
	o.norm = math.Sqrt(sum)
	scale := float32(1)
	if c := o.spec.Clip; c > 0 && o.norm > c {
		scale = float32(c / o.norm)
	}
	o.updates++
	for i, p := range o.params {
		decay := float32(0)
		if p.Decay {
			decay = float32(o.spec.Decay)
		}
		w, g, v := p.Value.Float32s(), grads[i].Float32s(), o.first[i].Float32s()
		if o.spec.Kind == "sgd" {
			kernels.SGDStep(t, w, v, g, kernels.SGD{Rate: rate, Momentum: float32(o.spec.Momentum), Decay: decay, Scale: scale, Nesterov: o.spec.Nesterov})
			continue
		}
		a := kernels.AdamW{Rate: rate, Beta1: float32(o.spec.Beta1), Beta2: float32(o.spec.Beta2), Eps: 1e-8, Decay: decay, Scale: scale,
			Correct1: float32(1 - power(o.spec.Beta1, o.updates)), Correct2: float32(1 - power(o.spec.Beta2, o.updates))}
		kernels.AdamWStep(t, w, v, o.second[i].Float32s(), g, a)
	}
	return nil
}

// power returns x to the n-th by squaring: the same bits on every CPU.
func power(x float64, n uint64) float64 {
	p := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			p *= x
		}
		x *= x
	}
	return p
}

// Norm is the norm of all gradients together at the last update, before clipping.
func (o *Optimiser) Norm() float64 { return o.norm }

// tensors lists what an Optimiser remembers by name, for a checkpoint.
func (o *Optimiser) tensors() map[string]*tensor.Tensor {
	out := map[string]*tensor.Tensor{}
	for i, p := range o.params {
		out["first/"+p.Name] = o.first[i]
		if o.second != nil {
			out["second/"+p.Name] = o.second[i]
		}
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
