package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// PadMode says what a Pad puts around its input.
type PadMode string

const (
	PadConstant PadMode = "constant"
	PadReflect  PadMode = "reflect" // mirrored, the edge itself once
	PadEdge     PadMode = "edge"
	PadWrap     PadMode = "wrap" // periodic
)

// Pad adds elements before and after each dimension, or takes them away where the count is negative.
// Inputs: data, pads (all befores, then all afters), value (default 0; for "constant"), axes (default: all).
type Pad struct{ Mode PadMode }

func (*Pad) Kind() string { return "Pad" }

// amounts returns what is added before and after each dimension.
func (*Pad) amounts(rank int, pads, axes []int) (before, after []int, err error) {
	if axes == nil {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	if len(pads) != 2*len(axes) {
		return nil, nil, fmt.Errorf("%d pads for %d axes", len(pads), len(axes))
	}
	if axes, err = axesOf(axes, rank); err != nil {
		return nil, nil, err
	}
	before, after = make([]int, rank), make([]int, rank)
	for i, a := range axes {
		before[a], after[a] = pads[i], pads[len(axes)+i]
	}
	return before, after, nil
}

// Constant returns how many elements a padding with known inputs adds before and after each dimension, and their value.
func (p *Pad) Constant(in []Info) (before, after []int, value float32, ok bool) {
	pads, err := ints(in[1])
	if err != nil {
		return nil, nil, 0, false
	}
	var axes []int
	if a := opt(in, 3); a.Present() {
		if axes, err = ints(a); err != nil {
			return nil, nil, 0, false
		}
	}
	if v := opt(in, 2); v.Present() {
		f, err := floats(v)
		if err != nil || len(f) != 1 {
			return nil, nil, 0, false
		}
		value = f[0]
	}
	before, after, err = p.amounts(len(in[0].Shape), pads, axes)
	return before, after, value, err == nil
}

func (p *Pad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 4); err != nil {
		return nil, err
	}
	pads, err := ints(in[1])
	if err != nil {
		return nil, err
	}
	var axes []int
	if opt(in, 3).Present() {
		if axes, err = ints(in[3]); err != nil {
			return nil, err
		}
	}
	if v := opt(in, 2); v.Present() && (v.DType != in[0].DType || sizeOf(v.Shape) != 1) {
		return nil, fmt.Errorf("the value is %s where one %v is expected", v, in[0].DType)
	}
	if in[0].DType == tensor.String {
		return nil, fmt.Errorf("strings cannot be padded")
	}
	before, after, err := p.amounts(len(in[0].Shape), pads, axes)
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(in[0].Shape)
	for i, d := range shape {
		const most = 1 << 29
		if before[i] < -most || after[i] < -most || before[i] > most || after[i] > most {
			return nil, fmt.Errorf("pads of %d and %d", before[i], after[i])
		}
		n := d + before[i] + after[i]
		if n < 0 {
			return nil, fmt.Errorf("pads of %d and %d take more than dimension %d of %s has", before[i], after[i], i, in[0])
		}
		switch {
		case p.Mode == PadConstant || n == 0 || before[i] <= 0 && after[i] <= 0:
		case p.Mode != PadReflect && p.Mode != PadEdge && p.Mode != PadWrap:
			return nil, fmt.Errorf("unknown mode %q", string(p.Mode))
		case d == 0:
			return nil, fmt.Errorf("nothing to repeat in dimension %d of %s", i, in[0])
		}
		shape[i] = n
	}
	return one(in[0].DType, shape)
}

// from returns which element of a dimension of size n stands at position i, which may lie outside; -1 for the constant.
func (p *Pad) from(i, n int) int {
	if i >= 0 && i < n {
		return i
	}
	switch p.Mode {
	case PadEdge:
		return min(max(i, 0), n-1)
	case PadReflect:
		if n == 1 {
			return 0
		}
		i %= 2 * (n - 1)
		if i < 0 {
			i += 2 * (n - 1)
		}
		return min(i, 2*(n-1)-i)
	case PadWrap:
		if i %= n; i < 0 {
			i += n
		}
		return i
	}
	return -1
}

// Backward of a constant Pad cuts off what was added.
func (p *Pad) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	info := make([]Info, len(in))
	for i, r := range in {
		info[i] = t.Info(r)
	}
	before, after, _, ok := p.Constant(append(info[:2:2], Info{}, opt(info, 3)))
	switch {
	case !ok:
		d[0] = refuse(t, "the gradient of a Pad whose amounts are not constant is not known")
		return d
	case p.Mode == PadConstant:
		cut := make([]int, 0, 2*len(before))
		for _, n := range slices.Concat(before, after) {
			cut = append(cut, -n)
		}
		d[0] = t.Add(&Pad{PadConstant}, dout[0], vector(t, cut...))
		if len(in) > 2 && want[2] { // all that is not x
			d[2] = reshaped(t, t.Add(&Binary{Sub}, t.Add(&Reduce{Fn: ReduceSum}, dout[0]), t.Add(&Reduce{Fn: ReduceSum}, d[0])), info[2].Shape)
		}
	default:
		d[0] = t.Add(&PadGrad{p.Mode, info[0].Shape}, dout[0], vector(t, slices.Concat(before, after)...))
	}
	return d
}

// PadGrad computes dx, of Shape, of a Pad that repeats elements: Σ dy of each element's copies, in row-major order. Inputs: dy, pads.
type PadGrad struct {
	Mode  PadMode
	Shape []int
}

func (*PadGrad) Kind() string { return "PadGrad" }

// padded is what the Pad was given.
func (g *PadGrad) padded(in []Info) []Info {
	return []Info{{DType: in[0].DType, Shape: g.Shape}, in[1]}
}

func (g *PadGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in[:1]); err != nil {
		return nil, err
	}
	y, err := (&Pad{g.Mode}).Infer(g.padded(in))
	if err != nil {
		return nil, err
	}
	if err := isShape(in, 0, y[0].Shape); err != nil {
		return nil, err
	}
	return one(in[0].DType, g.Shape)
}

func (g *PadGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	p := (&Pad{g.Mode}).plan(g.padded(infosOf(in)), in[0].Shape())
	if p == nil {
		return fmt.Errorf("pads do not fit")
	}
	if in[0].DType() == tensor.Float64 {
		padBack[float64](p, in[0], out[0])
	} else {
		padBack[float32](p, in[0], out[0])
	}
	return nil
}

func padBack[T real](p *padPlan, in, out *tensor.Tensor) {
	dy, dx, st := tensor.Data[T](in), tensor.Data[T](out), rowMajor(out.Shape())
	clear(dx)
	for i, v := range dy {
		at, rest := 0, i
		for d := in.Rank() - 1; d >= 0 && at >= 0; d-- {
			s := p.source[d][rest%in.Dim(d)]
			rest /= in.Dim(d)
			if at += s * st[d]; s < 0 {
				at = -1
			}
		}
		if at >= 0 {
			dx[at] += v
		}
	}
}

func (p *Pad) Forward(e *Env, in, out []*tensor.Tensor) error {
	if q := p.plan(infosOf(in), out[0].Shape()); q != nil {
		return q.Forward(e, in, out)
	}
	return fmt.Errorf("pads do not fit")
}

// Plan works the positions out once.
func (p *Pad) Plan(in, out []Info) Op {
	if q := p.plan(in, out[0].Shape); q != nil {
		return q
	}
	return nil
}

// padPlan is a Pad of a known shape: source says, for each dimension and output position, which input position stands there; -1 for the constant.
type padPlan struct {
	Pad
	source [][]int
	outer  []padDim // dimensions that are gone through, and
	runs   []padRun // what stands in each row of the others: dimensions that stay as they are count as one with a neighbour
	row    int      // elements of such a row
}

// padDim is a dimension of an output.
type padDim struct {
	n, stride int   // positions, and elements from one of the input to the next
	source    []int // as in padPlan; nil where all stay
}

// padRun is n neighbouring elements of a row, which come from neighbours, or are the constant where from is -1.
type padRun struct{ from, n int }

func (p *Pad) plan(in []Info, out []int) *padPlan {
	pads, err := ints(in[1])
	if err != nil {
		return nil
	}
	var axes []int
	if x := opt(in, 3); x.Present() {
		if axes, err = ints(x); err != nil {
			return nil
		}
	}
	before, _, err := p.amounts(len(in[0].Shape), pads, axes)
	if err != nil {
		return nil
	}
	q := &padPlan{Pad: *p}
	if n, _ := tensor.Count(out); n == 0 {
		return q
	}
	for d, n := range out {
		at := make([]int, n)
		for i := range at {
			at[i] = p.from(i-before[d], in[0].Shape[d])
		}
		q.source = append(q.source, at)
	}
	q.join(in[0].Shape)
	return q
}

// join works out outer and runs.
func (p *padPlan) join(shape []int) {
	stays := func(d int) bool {
		for i, s := range p.source[d] {
			if s != i {
				return false
			}
		}
		return len(p.source[d]) == shape[d]
	}
	d, width := len(shape)-1, 1 // elements that count as one
	for d > 0 && stays(d) {
		width *= shape[d]
		d--
	}
	if d < 0 {
		p.row, p.runs = 1, []padRun{{0, 1}}
		return
	}
	for _, s := range p.source[d] {
		last := len(p.runs) - 1
		switch {
		case last >= 0 && s < 0 && p.runs[last].from < 0, last >= 0 && s >= 0 && p.runs[last].from >= 0 && p.runs[last].from+p.runs[last].n == s*width:
			p.runs[last].n += width
		default:
			p.runs = append(p.runs, padRun{max(s*width, -1), width})
		}
	}
	p.row = len(p.source[d]) * width
	width *= shape[d]
	for d--; d >= 0; d-- {
		dim := padDim{len(p.source[d]), width, p.source[d]}
		if stays(d) {
			dim.source = nil
			if n := len(p.outer); n > 0 && p.outer[n-1].source == nil {
				p.outer[n-1].n *= dim.n
				width *= shape[d]
				continue
			}
		}
		p.outer = append(p.outer, dim)
		width *= shape[d]
	}
	slices.Reverse(p.outer)
}

func (p *padPlan) Forward(e *Env, in, out []*tensor.Tensor) error {
	if out[0].Len() == 0 {
		return nil
	}
	fill := optT(in, 2)
	switch out[0].DType().Size() {
	case 1:
		padAny[uint8](p, in[0], fill, out[0])
	case 2:
		padAny[uint16](p, in[0], fill, out[0])
	case 4:
		padAny[uint32](p, in[0], fill, out[0])
	case 8:
		padAny[uint64](p, in[0], fill, out[0])
	}
	return nil
}

func padAny[W uint8 | uint16 | uint32 | uint64](p *padPlan, in, value, out *tensor.Tensor) {
	src, dst := tensor.Bits[W](in), tensor.Bits[W](out)
	var fill W
	if value != nil {
		fill = tensor.Bits[W](value)[0]
	}
	set := func(x []W) {
		for i := range x {
			x[i] = fill
		}
	}
	var at [tensor.MaxRank]int
	for ; len(dst) > 0; dst = dst[p.row:] {
		base := 0
		for d, o := range p.outer {
			s := at[d]
			if o.source != nil {
				s = o.source[s]
			}
			if s < 0 {
				base = -1
				break
			}
			base += s * o.stride
		}
		if row := dst[:p.row]; base < 0 {
			set(row)
		} else {
			for _, r := range p.runs {
				if r.from < 0 {
					set(row[:r.n])
				} else {
					copy(row[:r.n], src[base+r.from:])
				}
				row = row[r.n:]
			}
		}
		for d := len(p.outer) - 1; d >= 0; d-- {
			if at[d]++; at[d] < p.outer[d].n {
				break
			}
			at[d] = 0
		}
	}
}

// CenterCropPad crops or zero-pads dimensions about their centre to the sizes that input 1 lists, those of Axes or all.
type CenterCropPad struct{ Axes []int }

func (*CenterCropPad) Kind() string { return "CenterCropPad" }

func (c *CenterCropPad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	to, err := ints(in[1])
	if err != nil {
		return nil, err
	}
	axes := c.Axes
	if axes == nil {
		for i := range in[0].Shape {
			axes = append(axes, i)
		}
	}
	if axes, err = axesOf(axes, len(in[0].Shape)); err != nil {
		return nil, err
	}
	if len(axes) != len(to) {
		return nil, fmt.Errorf("%d sizes for %d axes", len(to), len(axes))
	}
	if in[0].DType == tensor.String {
		return nil, fmt.Errorf("strings cannot be padded")
	}
	shape := slices.Clone(in[0].Shape)
	for i, a := range axes {
		shape[a] = to[i]
	}
	return one(in[0].DType, shape)
}

func (c *CenterCropPad) Forward(e *Env, in, out []*tensor.Tensor) error {
	pads := make([]int64, 2*in[0].Rank())
	n := in[0].Rank()
	for i, d := range in[0].Shape() {
		o := out[0].Dim(i)
		if o >= d {
			pads[i] = int64((o - d) / 2)
			pads[n+i] = int64(o-d) - pads[i]
		} else {
			pads[i] = -int64((d - o) / 2)
			pads[n+i] = int64(o-d) - pads[i]
		}
	}
	p := Pad{PadConstant}
	return p.Forward(e, []*tensor.Tensor{in[0], tensor.Of(pads)}, out)
}
