package train

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// GradientTolerance is the greatest relative difference between a layer's Backward and finite differences that CheckGradients takes for rounding.
//
// The differences are of fourth order with steps of 10⁻³: they are off by about 10⁻¹²·|f⁗′|/30 and, by the rounding of
// the loss, by about 2⁻⁵³·|loss|/10⁻³: some 10⁻¹² each where gradient and loss are near 1. What is left is room for functions that bend more than they rise.
const GradientTolerance = 1e-8

// gradientStep is the step of the finite differences; four of them reach 2·gradientStep to either side.
const gradientStep = 1e-3

// leastScale keeps the rounding of derivatives that are 0 from counting: the others are near 1.
const leastScale = 1e-3

// GradientCheck is what the check of one layer with given attributes found.
type GradientCheck struct {
	Layer, Attributes string
	Derivatives       int     // how many were compared
	Difference        float64 // the greatest difference, in parts of the greatest derivative by the same input, but of leastScale at least
	Err               error   // why the gradient could not be computed
}

// OK reports whether Backward and the finite differences agree.
func (c GradientCheck) OK() bool { return c.Err == nil && c.Difference <= GradientTolerance }

// CheckGradients compares Backward of every layer, with several sets of attributes, with central finite differences in float64. The inputs are
// drawn from a fixed seed and lie away from kinks.
func CheckGradients() iter.Seq[GradientCheck] {
	return func(yield func(GradientCheck) bool) {
		for i := range gradientCases {
			if !yield(gradientCases[i].check()) {
				return
			}
		}
	}
}

// check compares the gradients of one case.
func (c *gradientCase) check() GradientCheck {
	in, vary := c.inputs()
	r := GradientCheck{Layer: c.op.Kind(), Attributes: c.attributes()}
	r.Difference, r.Derivatives, r.Err = CheckGradient(c.op, max(1, c.outputs), in, vary)
	return r
}

// CheckGradient compares Backward of an Op with finite differences. The scalar is a weighted sum of the elements of the first outputs of a
// floating-point type; the derivatives are those by the elements of the inputs for which vary is set, which are float64.
func CheckGradient(op layer.Op, outputs int, in []*tensor.Tensor, vary []bool) (difference float64, derivatives int, err error) {
	values := make([]*tensor.Tensor, len(in))
	for i, t := range in {
		if values[i] = t; vary[i] {
			values[i] = t.Clone()
		}
	}
	p, err := newProbe(op, outputs, values, vary, Options{Threads: 1, Plain: true})
	if err != nil {
		return 0, 0, err
	}
	grads, err := p.gradients()
	if err != nil {
		return 0, 0, err
	}
	for i, t := range values {
		if !vary[i] {
			continue
		}
		worst, scale := 0.0, leastScale
		x := tensor.Data[float64](t)
		for k := range x {
			want, err := p.slope(&x[k])
			if err != nil {
				return 0, 0, err
			}
			got := 0.0 // a gradient that is left out is 0
			if grads[i] != nil {
				got = tensor.Data[float64](grads[i])[k]
			}
			worst, scale = max(worst, math.Abs(got-want)), max(scale, math.Abs(want)) // either keeps a NaN
			derivatives++
		}
		difference = max(difference, worst/scale)
	}
	return difference, derivatives, nil
}

// probe is a scalar made of an Op's outputs, and its gradients.
type probe struct {
	loss, grad *model.Session
	in         model.Tensors
	at         []int // which output of grad is the gradient by input i; -1 for none
}

// newProbe compiles a scalar of the op's outputs and its gradients; the type of a varied input is its tensor's.
func newProbe(op layer.Op, outputs int, in []*tensor.Tensor, vary []bool, o Options) (*probe, error) {
	p := &probe{in: model.Tensors{}, at: make([]int, len(in))}
	build := func(gradients bool) (*model.Session, error) {
		t := NewTape()
		refs := make([]layer.Ref, len(in))
		var wrt []layer.Ref
		for i, x := range in {
			switch {
			case x == nil:
			case vary[i]:
				name := fmt.Sprint("x", i)
				refs[i], p.in[name] = t.Input(name, x.DType(), x.Shape()...), x
				wrt = append(wrt, refs[i])
			default:
				refs[i] = t.Const(x)
			}
		}
		info := make([]layer.Info, len(refs))
		for i, r := range refs {
			info[i] = t.Info(r)
		}
		all, err := op.Infer(info)
		if err != nil {
			return nil, err
		}
		if outputs > len(all) {
			return nil, fmt.Errorf("train: %s has %d outputs, not %d", op.Kind(), len(all), outputs)
		}
		loss := weighted(t, t.AddN(len(all), op, refs...)[:outputs])
		if !gradients {
			t.Output(loss)
		} else {
			d, err := Differentiate(t, loss, wrt...)
			if err != nil {
				return nil, err
			}
			n := 0
			for i := range in {
				p.at[i] = -1
				if !vary[i] {
					continue
				}
				if g := d[0]; g != 0 {
					t.Output(g)
					p.at[i], n = n, n+1
				}
				d = d[1:]
			}
		}
		prog, err := t.Compile(o)
		if err != nil {
			return nil, err
		}
		return prog.NewSession(), nil
	}
	var err error
	if p.grad, err = build(true); err == nil {
		p.loss, err = build(false)
	}
	return p, err
}

// weighted returns the sum of the values' elements times fixed random weights.
func weighted(t *Tape, values []layer.Ref) layer.Ref {
	rng := rand.New(rand.NewPCG(7, 0))
	var sum layer.Ref
	for _, v := range values {
		info := t.Info(v)
		if !info.DType.IsFloat() {
			continue
		}
		w := tensor.New(tensor.Float64, info.Shape...)
		for i, d := 0, tensor.Data[float64](w); i < len(d); i++ {
			if d[i] = 0.5 + float64(rng.Float64()*1); rng.IntN(2) == 0 {
				d[i] = -d[i]
			}
		}
		typed := tensor.New(info.DType, info.Shape...)
		if err := tensor.Convert(typed, w, false); err != nil {
			continue // no type of networks that train
		}
		s := t.Add(&layer.Reduce{Fn: layer.ReduceSum}, t.Add(&layer.Binary{Fn: layer.Mul}, v, t.Const(typed)))
		if sum != 0 {
			s = t.Add(&layer.Binary{Fn: layer.Add}, sum, s)
		}
		sum = s
	}
	return sum
}

// gradients computes the gradient by each input.
func (p *probe) gradients() ([]*tensor.Tensor, error) {
	out := make([]*tensor.Tensor, len(p.at))
	err := p.grad.Run(context.Background(), p.in, nil)
	for i, k := range p.at {
		if k >= 0 && err == nil {
			out[i] = p.grad.Output(k)
		}
	}
	return out, err
}

// slope returns the derivative of the scalar by x, an element of an input.
func (p *probe) slope(x *float64) (float64, error) {
	was, sum := *x, 0.0
	defer func() { *x = was }()
	for _, s := range [4]struct{ at, weight float64 }{{-2, 1}, {-1, -8}, {1, 8}, {2, -1}} {
		*x = was + float64(s.at*gradientStep)
		if err := p.loss.Run(context.Background(), p.in, nil); err != nil {
			return 0, err
		}
		sum += float64(s.weight * tensor.Data[float64](p.loss.Output(0))[0])
	}
	return sum / (12 * gradientStep), nil
}

// gradientCase is a layer and inputs to check it with.
type gradientCase struct {
	op      layer.Op
	in      []operand
	outputs int       // how many the scalar is made of; 0 stands for 1
	avoid   []float64 // where the layer has kinks
}

// operand is an input of a gradientCase: numbers of a shape between low and high, a constant, or nothing.
type operand struct {
	shape     []int
	low, high float64
	constant  *tensor.Tensor
}

// inputs draws the varied inputs: numbers of one range are evenly spread over it and shuffled, so that no two are close.
func (c *gradientCase) inputs() (in []*tensor.Tensor, vary []bool) {
	rng := rand.New(rand.NewPCG(1, 0))
	in, vary = make([]*tensor.Tensor, len(c.in)), make([]bool, len(c.in))
	grid := map[[2]float64][]*float64{}
	for i, o := range c.in {
		if in[i] = o.constant; o.shape == nil {
			continue
		}
		in[i], vary[i] = tensor.New(tensor.Float64, o.shape...), true
		x := tensor.Data[float64](in[i])
		for k := range x {
			grid[[2]float64{o.low, o.high}] = append(grid[[2]float64{o.low, o.high}], &x[k])
		}
	}
	for _, o := range c.in {
		r := [2]float64{o.low, o.high}
		x := grid[r]
		for i, k := range rng.Perm(len(x)) {
			*x[k] = o.low + float64((o.high-o.low)*(float64(i)+0.3+float64(0.4*rng.Float64()))/float64(len(x)))
			for _, p := range c.avoid {
				if d := *x[k] - p; math.Abs(d) < 10*gradientStep {
					*x[k] = p + math.Copysign(10*gradientStep, d)
				}
			}
		}
		delete(grid, r)
	}
	return in, vary
}

// attributes describes the layer's fields that are not zero and the inputs' shapes.
func (c *gradientCase) attributes() string {
	var words []string
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		for i := range v.NumField() {
			f, t := v.Field(i), v.Type().Field(i)
			switch {
			case f.IsZero() || !t.IsExported() || t.Type == reflect.TypeFor[layer.Fn]():
			case t.Anonymous && f.Kind() == reflect.Struct:
				walk(f)
			default:
				words = append(words, fmt.Sprintf("%s=%v", t.Name, f))
			}
		}
	}
	if v := reflect.Indirect(reflect.ValueOf(c.op)); v.Kind() == reflect.Struct {
		walk(v)
	}
	for i, o := range c.in {
		if o.shape != nil {
			words = append(words, fmt.Sprintf("in%d%s", i, tensor.FormatShape(o.shape)))
		}
	}
	return strings.Join(words, " ")
}
