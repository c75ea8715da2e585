package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// copyUnlessShared finishes a Forward whose output may share its input's storage.
func copyUnlessShared(out, in *tensor.Tensor) {
	if in.DType() == tensor.String {
		copy(out.Texts(), in.Texts())
		return
	}
	a, b := out.Raw(), in.Raw()
	if len(a) > 0 && &a[0] != &b[0] {
		copy(a, b)
	}
}

// shapedBack is Backward of operations that keep their first input's elements.
func shapedBack(t Tape, in, dout []Ref) []Ref {
	d := make([]Ref, len(in))
	if dout[0] != 0 {
		d[0] = reshaped(t, dout[0], t.Info(in[0]).Shape)
	}
	return d
}

// Reshape gives input 0 the shape that input 1 lists. One entry may be -1: it takes what is left. A 0 copies the input's dimension
// unless AllowZero is set.
type Reshape struct{ AllowZero bool }

func (*Reshape) Kind() string { return "Reshape" }

// Alias marks the output as the input's storage.
func (*Reshape) Alias() {}

func (r *Reshape) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	to, err := ints(in[1])
	if err != nil {
		return nil, err
	}
	if len(to) > tensor.MaxRank {
		return nil, fmt.Errorf("%d dimensions, at most %d are supported", len(to), tensor.MaxRank)
	}
	shape, rest, free := slices.Clone(to), 1, -1
	for i, d := range shape {
		switch {
		case d == 0 && !r.AllowZero:
			if i >= len(in[0].Shape) {
				return nil, fmt.Errorf("entry %d of the shape copies a dimension that %s has not", i, in[0])
			}
			shape[i] = in[0].Shape[i]
		case d == -1:
			if free >= 0 {
				return nil, fmt.Errorf("two entries of the shape are -1")
			}
			free = i
			continue
		case d < -1:
			return nil, fmt.Errorf("entry %d of the shape is %d", i, d)
		}
		if shape[i] > 0 && rest > math.MaxInt/shape[i] {
			return nil, fmt.Errorf("cannot make %s of %s", tensor.FormatShape(to), in[0])
		}
		rest *= shape[i]
	}
	n := sizeOf(in[0].Shape)
	if free >= 0 {
		if rest == 0 || n%rest != 0 {
			return nil, fmt.Errorf("cannot make %s of %s", tensor.FormatShape(to), in[0])
		}
		shape[free] = n / rest
	} else if rest != n {
		return nil, fmt.Errorf("cannot make %s of %s", tensor.FormatShape(to), in[0])
	}
	return one(in[0].DType, shape)
}

func (*Reshape) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return shapedBack(t, in, dout)
}

func (*Reshape) Forward(e *Env, in, out []*tensor.Tensor) error {
	copyUnlessShared(out[0], in[0])
	return nil
}

// Flatten joins the dimensions before Axis and those from Axis on: the output is a matrix.
type Flatten struct{ Axis int }

func (*Flatten) Kind() string { return "Flatten" }

// Alias marks the output as the input's storage.
func (*Flatten) Alias() {}

func (f *Flatten) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	s, a := in[0].Shape, f.Axis
	if a < 0 {
		a += len(s)
	}
	if a < 0 || a > len(s) {
		return nil, fmt.Errorf("axis %d is out of range for %s", f.Axis, in[0])
	}
	return one(in[0].DType, []int{sizeOf(s[:a]), sizeOf(s[a:])})
}

func (*Flatten) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return shapedBack(t, in, dout)
}

func (*Flatten) Forward(e *Env, in, out []*tensor.Tensor) error {
	copyUnlessShared(out[0], in[0])
	return nil
}

// Squeeze drops dimensions of size 1: those that input 1 lists, or all of them.
type Squeeze struct{}

func (*Squeeze) Kind() string { return "Squeeze" }

// Alias marks the output as the input's storage.
func (*Squeeze) Alias() {}

func (*Squeeze) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 2); err != nil {
		return nil, err
	}
	s := in[0].Shape
	var drop [tensor.MaxRank]bool
	if opt(in, 1).Present() {
		axes, err := ints(in[1])
		if err != nil {
			return nil, err
		}
		if axes, err = axesOf(axes, len(s)); err != nil {
			return nil, err
		}
		for _, a := range axes {
			if s[a] != 1 {
				return nil, fmt.Errorf("dimension %d of %s is not 1", a, in[0])
			}
			drop[a] = true
		}
	} else {
		for i, d := range s {
			drop[i] = d == 1
		}
	}
	shape := []int{}
	for i, d := range s {
		if !drop[i] {
			shape = append(shape, d)
		}
	}
	return one(in[0].DType, shape)
}

func (*Squeeze) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return shapedBack(t, in, dout)
}

func (*Squeeze) Forward(e *Env, in, out []*tensor.Tensor) error {
	copyUnlessShared(out[0], in[0])
	return nil
}

// Unsqueeze inserts dimensions of size 1 where input 1 says, in terms of the output's dimensions.
type Unsqueeze struct{}

func (*Unsqueeze) Kind() string { return "Unsqueeze" }

// Alias marks the output as the input's storage.
func (*Unsqueeze) Alias() {}

func (*Unsqueeze) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	axes, err := ints(in[1])
	if err != nil {
		return nil, err
	}
	n := len(in[0].Shape) + len(axes)
	if n > tensor.MaxRank {
		return nil, fmt.Errorf("%d dimensions, at most %d are supported", n, tensor.MaxRank)
	}
	if axes, err = axesOf(axes, n); err != nil {
		return nil, err
	}
	shape := make([]int, n)
	for _, a := range axes {
		shape[a] = -1
	}
	j := 0
	for i := range shape {
		if shape[i] < 0 {
			shape[i] = 1
			continue
		}
		shape[i] = in[0].Shape[j]
		j++
	}
	return one(in[0].DType, shape)
}

func (*Unsqueeze) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return shapedBack(t, in, dout)
}

func (*Unsqueeze) Forward(e *Env, in, out []*tensor.Tensor) error {
	copyUnlessShared(out[0], in[0])
	return nil
}

// Identity returns its input.
type Identity struct{}

func (*Identity) Kind() string { return "Identity" }

// Alias marks the output as the input's storage.
func (*Identity) Alias() {}

func (*Identity) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	return []Info{in[0]}, nil
}

func (*Identity) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return shapedBack(t, in, dout)
}

func (*Identity) Forward(e *Env, in, out []*tensor.Tensor) error {
	copyUnlessShared(out[0], in[0])
	return nil
}

// Dropout returns its input, as networks do once they are trained; the optional second output is true everywhere.
// Inputs 1 and 2, the ratio and whether to train, do not matter (Srivastava et al.: Dropout, JMLR 2014).
type Dropout struct{ Ratio float32 }

func (*Dropout) Kind() string { return "Dropout" }

// Alias marks the first output as the input's storage.
func (*Dropout) Alias() {}

func (*Dropout) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 3); err != nil {
		return nil, err
	}
	return []Info{{DType: in[0].DType, Shape: in[0].Shape}, {DType: tensor.Bool, Shape: in[0].Shape}}, nil
}

func (*Dropout) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return shapedBack(t, in, dout)
}

func (*Dropout) Forward(e *Env, in, out []*tensor.Tensor) error {
	if out[0] != nil {
		copyUnlessShared(out[0], in[0])
	}
	if m := optT(out, 1); m != nil {
		for i, b := 0, tensor.Data[bool](m); i < len(b); i++ {
			b[i] = true
		}
	}
	return nil
}

// RandomDropout is Dropout with an input that asks for training: where input 2 is true, each element is dropped with the probability
// that is input 1 (default 1/2) and the others are scaled by 1/(1-ratio). Element i is kept if the i-th number of NumPy's generator for Seed, in [0,1), is at least the ratio.
type RandomDropout struct{ Seed uint32 }

func (*RandomDropout) Kind() string { return "Dropout" }

func (*RandomDropout) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 3); err != nil {
		return nil, err
	}
	r, t := opt(in, 1), opt(in, 2)
	if err := isType(in, 0, tensor.Float32); err != nil {
		return nil, err
	}
	if r.Present() && (r.DType != tensor.Float32 || sizeOf(r.Shape) != 1) || !t.Present() || t.DType != tensor.Bool || sizeOf(t.Shape) != 1 {
		return nil, fmt.Errorf("ratio %s, training mode %s", r, t)
	}
	return []Info{{DType: in[0].DType, Shape: in[0].Shape}, {DType: tensor.Bool, Shape: in[0].Shape}}, nil
}

func (d *RandomDropout) Forward(e *Env, in, out []*tensor.Tensor) error {
	ratio := float32(0.5)
	if r := optT(in, 1); r != nil {
		ratio = r.Float32s()[0]
	}
	if !tensor.Data[bool](in[2])[0] || ratio == 0 {
		return (*Dropout)(nil).Forward(e, in, out)
	}
	if !(ratio > 0 && ratio < 1) {
		return fmt.Errorf("the ratio is %g", ratio)
	}
	rng := newTwister(d.Seed)
	for i, v := range in[0].Float32s() {
		keep := rng.float() >= float64(ratio)
		if m := optT(out, 1); m != nil {
			tensor.Data[bool](m)[i] = keep
		}
		if out[0] == nil {
			continue
		}
		y := out[0].Float32s()
		if y[i] = 0; keep {
			y[i] = v / (1 - ratio)
		}
	}
	return nil
}

// twister is the Mersenne Twister MT19937 (Matsumoto, Nishimura 1998).
type twister struct {
	state [624]uint32
	next  int
}

func newTwister(seed uint32) *twister {
	t := &twister{next: 624}
	t.state[0] = seed
	for i := 1; i < len(t.state); i++ {
		p := t.state[i-1]
		t.state[i] = 1812433253*(p^p>>30) + uint32(i)
	}
	return t
}

func (t *twister) word() uint32 {
	if t.next == len(t.state) {
		for i := range t.state {
			y := t.state[i]&0x80000000 | t.state[(i+1)%624]&0x7fffffff
			t.state[i] = t.state[(i+397)%624] ^ y>>1 ^ y&1*0x9908b0df
		}
		t.next = 0
	}
	y := t.state[t.next]
	t.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// float returns a number in [0,1) of 53 bits.
func (t *twister) float() float64 {
	a, b := t.word()>>5, t.word()>>6
	return (float64(float64(a)*(1<<26)) + float64(b)) / (1 << 53)
}

// Shape returns the dimensions Start to End (exclusive) of its input; both may count from the end.
type Shape struct{ Start, End int }

func (*Shape) Kind() string { return "Shape" }

func (s *Shape) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	v := dims(s.of(in[0].Shape))
	return []Info{{DType: tensor.Int64, Shape: v.Shape(), Value: v}}, nil
}

func (s *Shape) of(shape []int) []int {
	clamp := func(i int) int {
		if i < 0 {
			i += len(shape)
		}
		return min(max(i, 0), len(shape))
	}
	a, b := clamp(s.Start), clamp(s.End)
	return shape[a:max(a, b)]
}

func (s *Shape) Forward(e *Env, in, out []*tensor.Tensor) error {
	for i, d := range s.of(in[0].Shape()) {
		out[0].Int64s()[i] = int64(d)
	}
	return nil
}

// dims returns a shape as an Int64 vector.
func dims(shape []int) *tensor.Tensor {
	v := tensor.New(tensor.Int64, len(shape))
	for i, d := range shape {
		v.Int64s()[i] = int64(d)
	}
	return v
}

// Size returns the number of elements of its input.
type Size struct{}

func (*Size) Kind() string { return "Size" }

func (*Size) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	v := tensor.Scalar(int64(sizeOf(in[0].Shape)))
	return []Info{{DType: tensor.Int64, Shape: v.Shape(), Value: v}}, nil
}

func (*Size) Forward(e *Env, in, out []*tensor.Tensor) error {
	out[0].Int64s()[0] = int64(in[0].Len())
	return nil
}
