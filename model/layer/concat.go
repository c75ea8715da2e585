package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Concat joins its inputs along Axis.
type Concat struct{ Axis int }

func (*Concat) Kind() string { return "Concat" }

func (c *Concat) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1<<16); err != nil {
		return nil, err
	}
	a, err := axisOf(c.Axis, len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(in[0].Shape)
	for i, x := range in[1:] {
		if !x.Present() || x.DType != in[0].DType || len(x.Shape) != len(shape) {
			return nil, fmt.Errorf("input %d is %s, input 0 is %s", i+1, x, in[0])
		}
		for d := range shape {
			if d != a && x.Shape[d] != shape[d] {
				return nil, fmt.Errorf("input %d is %s, input 0 is %s", i+1, x, in[0])
			}
		}
		shape[a] += x.Shape[a]
	}
	return one(in[0].DType, shape)
}

func (c *Concat) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	a, err := axisOf(c.Axis, len(t.Info(out[0]).Shape))
	if err != nil {
		return make([]Ref, len(in))
	}
	sizes := make([]int, len(in))
	for i, r := range in {
		sizes[i] = t.Info(r).Shape[a]
	}
	return t.AddN(len(in), &Split{Axis: a, Parts: len(in)}, dout[0], vector(t, sizes...))
}

func (c *Concat) Forward(e *Env, in, out []*tensor.Tensor) error {
	a, _ := axisOf(c.Axis, out[0].Rank())
	if out[0].DType() == tensor.String {
		joinRows(out[0].Texts(), out[0], in, a, 1, (*tensor.Tensor).Texts)
		return nil
	}
	joinRows(out[0].Raw(), out[0], in, a, out[0].DType().Size(), (*tensor.Tensor).Raw)
	return nil
}

func joinRows[T any](dst []T, out *tensor.Tensor, in []*tensor.Tensor, axis, size int, data func(*tensor.Tensor) []T) {
	outer, row, at := sizeOf(out.Shape()[:axis]), sizeOf(out.Shape()[axis:])*size, 0
	for _, x := range in {
		src, n := data(x), sizeOf(x.Shape()[axis:])*size
		for o := range outer {
			copy(dst[o*row+at:o*row+at+n], src[o*n:])
		}
		at += n
	}
}

// Split cuts its input along Axis into Parts outputs: of the sizes that input 1 lists or, without it, equal ones,
// the last smaller where it does not come out even.
type Split struct{ Axis, Parts int }

func (*Split) Kind() string { return "Split" }

func (s *Split) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 2); err != nil {
		return nil, err
	}
	a, err := axisOf(s.Axis, len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	var sizes []int
	if opt(in, 1).Present() {
		if sizes, err = ints(in[1]); err != nil {
			return nil, err
		}
		if len(sizes) != s.Parts {
			return nil, fmt.Errorf("%d sizes for %d outputs", len(sizes), s.Parts)
		}
	} else {
		if s.Parts < 1 {
			return nil, fmt.Errorf("no outputs")
		}
		n := in[0].Shape[a]
		each := (n + s.Parts - 1) / s.Parts
		for range s.Parts {
			sizes = append(sizes, min(each, n))
			n -= min(each, n)
		}
	}
	total := 0
	out := make([]Info, len(sizes))
	for i, n := range sizes {
		if n < 0 || n > in[0].Shape[a]-total {
			return nil, fmt.Errorf("sizes %v do not split dimension %d of %s", sizes, a, in[0])
		}
		total += n
		shape := slices.Clone(in[0].Shape)
		shape[a] = n
		out[i] = Info{DType: in[0].DType, Shape: shape}
	}
	if total != in[0].Shape[a] {
		return nil, fmt.Errorf("sizes %v do not split dimension %d of %s", sizes, a, in[0])
	}
	return out, nil
}

func (s *Split) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	info := make([]Info, len(in))
	for i, r := range in {
		info[i] = t.Info(r)
	}
	cut, err := s.Infer(info)
	if err != nil {
		return d
	}
	parts := make([]Ref, len(cut))
	for i := range parts {
		if i < len(dout) && dout[i] != 0 {
			parts[i] = dout[i]
		} else {
			parts[i] = zeros(t, in[0], cut[i].Shape)
		}
	}
	d[0] = t.Add(&Concat{s.Axis}, parts...)
	return d
}

func (s *Split) Forward(e *Env, in, out []*tensor.Tensor) error {
	a, _ := axisOf(s.Axis, in[0].Rank())
	size := in[0].DType().Size()
	outer, row, at := sizeOf(in[0].Shape()[:a]), sizeOf(in[0].Shape()[a:])*size, 0
	var sizes []int64
	if t := optT(in, 1); t != nil {
		sizes = index(t)
	}
	each := (in[0].Dim(a) + s.Parts - 1) / max(s.Parts, 1)
	left := in[0].Dim(a)
	for i, y := range out {
		part := min(each, left)
		if sizes != nil {
			part = int(sizes[i])
		}
		left -= part
		n := part * sizeOf(in[0].Shape()[a+1:]) * size
		if y != nil {
			for o := range outer {
				copy(y.Raw()[o*n:(o+1)*n], in[0].Raw()[o*row+at:])
			}
		}
		at += n
	}
	return nil
}

// Slice cuts a box out of its input. Inputs: data, starts, ends, axes (default: the first ones), steps (default 1).
// Negative positions count from the end, positions beyond the ends are clamped, negative steps walk backwards.
type Slice struct{}

func (*Slice) Kind() string { return "Slice" }

// box returns, for each dimension of shape, where the slice starts, its step and how many elements it takes.
func (*Slice) box(shape []int, starts, ends, axes, steps []int) (from, step, count []int, err error) {
	n := len(shape)
	from, step, count = make([]int, n), make([]int, n), slices.Clone(shape)
	for i := range step {
		step[i] = 1
	}
	if axes == nil {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		return nil, nil, nil, fmt.Errorf("%d starts, %d ends, %d axes, %d steps", len(starts), len(ends), len(axes), len(steps))
	}
	if axes, err = axesOf(axes, n); err != nil {
		return nil, nil, nil, err
	}
	for i, a := range axes {
		d, s := shape[a], 1
		if steps != nil {
			s = steps[i]
		}
		b, e := starts[i], ends[i]
		if b < 0 {
			b += d
		}
		if e < 0 {
			e += d
		}
		switch {
		case s > 0:
			b, e = min(max(b, 0), d), min(max(e, 0), d)
			count[a] = max(0, (e-b-1)/s+1)
			if e <= b {
				count[a] = 0
			}
		case s < 0:
			b, e = min(max(b, -1), d-1), min(max(e, -1), d-1)
			count[a] = 0
			if b > e {
				// The quotient of (b-e-1)/-s, written so that -s cannot overflow.
				count[a] = -((b - e - 1) / s) + 1
			}
		default:
			return nil, nil, nil, fmt.Errorf("a step of 0")
		}
		from[a], step[a] = b, s
	}
	return from, step, count, nil
}

func (s *Slice) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 5); err != nil {
		return nil, err
	}
	var v [4][]int
	for i := range v {
		if !opt(in, i+1).Present() {
			continue
		}
		var err error
		if v[i], err = bounds(in[i+1]); err != nil {
			return nil, err
		}
		if v[i] == nil {
			v[i] = []int{}
		}
	}
	_, _, count, err := s.box(in[0].Shape, v[0], v[1], v[2], v[3])
	if err != nil {
		return nil, err
	}
	return one(in[0].DType, count)
}

func (s *Slice) Forward(e *Env, in, out []*tensor.Tensor) error {
	m, err := s.move(infosOf(in))
	if err != nil {
		return err
	}
	gatherTensor(out[0], in[0], &m.walk, m.base)
	return nil
}

func (s *Slice) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	d[0] = t.Add(&SliceGrad{t.Info(in[0]).Shape}, append([]Ref{dout[0]}, in[1:]...)...)
	return d
}

// SliceGrad puts dy where a Slice of Shape took y from, and 0 elsewhere. Inputs: dy, then those of Slice from starts on.
type SliceGrad struct{ Shape []int }

func (*SliceGrad) Kind() string { return "SliceGrad" }

func (g *SliceGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 5); err != nil {
		return nil, err
	}
	if err := realType(in[:1]); err != nil {
		return nil, err
	}
	y, err := (&Slice{}).Infer(g.sliced(in))
	if err != nil {
		return nil, err
	}
	if err := isShape(in, 0, y[0].Shape); err != nil {
		return nil, err
	}
	return one(in[0].DType, g.Shape)
}

// sliced is what the Slice was given.
func (g *SliceGrad) sliced(in []Info) []Info {
	return append([]Info{{DType: in[0].DType, Shape: g.Shape}}, in[1:]...)
}

func (g *SliceGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	m, err := (&Slice{}).move(g.sliced(infosOf(in)))
	if err != nil {
		return err
	}
	clear(out[0].Raw())
	if in[0].Len() == 0 {
		return nil
	}
	if in[0].DType() == tensor.Float64 {
		scatter(tensor.Data[float64](out[0]), tensor.Data[float64](in[0]), &m.walk, m.base)
	} else {
		scatter(out[0].Float32s(), in[0].Float32s(), &m.walk, m.base)
	}
	return nil
}

// bounds returns positions, those beyond what an int holds cut to it: files write the greatest int64 for "to the end".
func bounds(x Info) ([]int, error) {
	if x.Value == nil || x.DType != tensor.Int64 || x.Value.Len() > 1<<10 {
		return ints(x)
	}
	v := make([]int, x.Value.Len())
	for i, p := range x.Value.Int64s() {
		v[i] = int(min(max(p, math.MinInt), math.MaxInt))
	}
	return v, nil
}

// move resolves the slice for given inputs.
func (s *Slice) move(in []Info) (*move, error) {
	var v [4][]int
	for i := range v {
		if x := opt(in, i+1); x.Present() {
			var err error
			if v[i], err = bounds(x); err != nil {
				return nil, err
			}
		}
	}
	from, step, count, err := s.box(in[0].Shape, v[0], v[1], v[2], v[3])
	if err != nil {
		return nil, err
	}
	st, base := rowMajor(in[0].Shape), 0
	for d := range count {
		base += from[d] * st[d]
		st[d] *= step[d]
	}
	return &move{Op: s, walk: walk(count, st), base: base}, nil
}

// Plan works the box out once.
func (s *Slice) Plan(in, out []Info) Op {
	if m, err := s.move(in); err == nil {
		return m
	}
	return nil
}

// move is an Op that comes to reading its input with other strides.
type move struct {
	Op
	walk strided
	base int
}

func (m *move) Forward(e *Env, in, out []*tensor.Tensor) error {
	gatherTensor(out[0], in[0], &m.walk, m.base)
	return nil
}
