package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Resize changes the size of dimensions by interpolation. Inputs: x, roi (for "tf_crop_and_resize"), scales or sizes: one entry per axis of Axes,
// or of all. The names of modes are ONNX's.
//
// Axes are resized one after the other, the outermost first. Interpolated sums go from the first source element to the last in float32.
type Resize struct {
	Mode        string // "nearest", "linear", "cubic"
	Coordinates string // "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"
	Nearest     string // "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"; or "ceil_where_smaller", which is "floor" along axes that grow
	CubicA      float32
	Exclude     bool // weights outside the input count as 0, the others are scaled to sum to 1
	Antialias   bool // when shrinking, widen the filter to the output's pixel
	Outside     float32
	Axes        []int
	Keep        string // "stretch", "not_larger", "not_smaller": how sizes keep the aspect ratio
}

func (*Resize) Kind() string { return "Resize" }

// resizeAxis is the resizing of one dimension.
type resizeAxis struct {
	axis, n, m int
	scale      float64
	roi        [2]float64
}

// Taps says which source elements make each output element of an axis: element i is Σ_k Weight[i][k]·x[Index[i][k]]; no taps at all stand for the value outside.
type Taps struct {
	Index  [][]int
	Weight [][]float32
}

func (r *Resize) axes(in []Info) ([]resizeAxis, []int, error) {
	shape := slices.Clone(in[0].Shape)
	axes := r.Axes
	if axes == nil {
		for i := range shape {
			axes = append(axes, i)
		}
	}
	axes, err := axesOf(axes, len(shape))
	if err != nil {
		return nil, nil, err
	}
	out := make([]resizeAxis, len(axes))
	for i, a := range axes {
		out[i] = resizeAxis{axis: a, n: shape[a], roi: [2]float64{0, 1}}
	}
	scales, sizes := opt(in, 2), opt(in, 3)
	if scales.Present() && len(scales.Shape) == 1 && scales.Shape[0] == 0 {
		scales = Info{}
	}
	switch {
	case sizes.Present():
		v, err := ints(sizes)
		if err != nil {
			return nil, nil, err
		}
		if len(v) != len(axes) {
			return nil, nil, fmt.Errorf("%d sizes for %d axes", len(v), len(axes))
		}
		common := math.NaN()
		for i, a := range axes {
			if v[i] < 0 || v[i] > 1<<31-1 || shape[a] == 0 {
				return nil, nil, fmt.Errorf("size %d for dimension %d of %s", v[i], a, in[0])
			}
			s := float64(v[i]) / float64(shape[a])
			out[i].m, out[i].scale = v[i], s
			if common != common || r.Keep == "not_larger" && s < common || r.Keep == "not_smaller" && s > common {
				common = s
			}
		}
		if r.Keep == "not_larger" || r.Keep == "not_smaller" {
			for i := range out {
				out[i].scale = common
				out[i].m = int(math.Floor(float64(common*float64(out[i].n)) + 0.5))
			}
		}
	case scales.Present():
		v, err := floats(scales)
		if err != nil {
			return nil, nil, err
		}
		if len(v) != len(axes) {
			return nil, nil, fmt.Errorf("%d scales for %d axes", len(v), len(axes))
		}
		for i, a := range axes {
			m := math.Floor(float64(float32(shape[a]) * v[i])) // rounded to float32, as ONNX's shape inference has it
			if !(v[i] > 0) || m > math.MaxInt32 {
				return nil, nil, fmt.Errorf("scale %g for dimension %d of %s", v[i], a, in[0])
			}
			out[i].m, out[i].scale = int(m), float64(v[i])
		}
	default:
		return nil, nil, fmt.Errorf("neither scales nor sizes")
	}
	if r.Coordinates == "tf_crop_and_resize" {
		roi := opt(in, 1)
		if !roi.Present() {
			return nil, nil, fmt.Errorf("no region")
		}
		v, err := floats(roi)
		if err != nil {
			return nil, nil, err
		}
		if len(v) != 2*len(axes) {
			return nil, nil, fmt.Errorf("a region of %d numbers for %d axes", len(v), len(axes))
		}
		for i := range out {
			out[i].roi = [2]float64{float64(v[i]), float64(v[len(axes)+i])}
		}
	}
	for _, a := range out {
		shape[a.axis] = a.m
		if a.n == 0 && a.m > 0 {
			return nil, nil, fmt.Errorf("nothing to resize in %s", in[0])
		}
	}
	slices.SortFunc(out, func(a, b resizeAxis) int { return a.axis - b.axis })
	return out, shape, nil
}

func (r *Resize) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 4); err != nil {
		return nil, err
	}
	switch r.Mode {
	case "nearest":
		if in[0].DType == tensor.String || r.Coordinates == "tf_crop_and_resize" && realType(in[:1]) != nil {
			return nil, fmt.Errorf("%v cannot be resized in this mode", in[0].DType)
		}
	case "linear", "cubic":
		if err := realType(in[:1]); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("unknown mode %q", r.Mode)
	}
	switch r.Coordinates {
	case "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize":
	default:
		return nil, fmt.Errorf("unknown coordinate_transformation_mode %q", r.Coordinates)
	}
	switch r.Nearest {
	case "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "ceil_where_smaller":
	default:
		return nil, fmt.Errorf("unknown nearest_mode %q", r.Nearest)
	}
	_, shape, err := r.axes(in)
	if err != nil {
		return nil, err
	}
	return one(in[0].DType, shape)
}

// source returns where output i lies in the input, in elements, and whether that is inside it.
func (r *Resize) source(a *resizeAxis, i int) (x float64, inside bool) {
	o, n, whole := float64(i), float64(a.n), float64(a.scale*float64(a.n))
	switch r.Coordinates {
	case "align_corners":
		if whole == 1 {
			return 0, true
		}
		return o * (n - 1) / (whole - 1), true
	case "asymmetric":
		return o / a.scale, true
	case "tf_crop_and_resize":
		x = (a.roi[1] - a.roi[0]) * (n - 1) / 2
		if whole != 1 {
			x = o * (a.roi[1] - a.roi[0]) * (n - 1) / (whole - 1)
		}
		x += float64(a.roi[0] * (n - 1))
		return x, x >= 0 && x <= n-1
	case "pytorch_half_pixel":
		if whole == 1 {
			return 0, true
		}
	case "half_pixel_symmetric":
		adjust := float64(a.m) / whole
		return float64(n/2*(1-adjust)) + (o+0.5)/a.scale - 0.5, true
	case "tf_half_pixel_for_nn":
		if a.scale == 1 {
			return o, true
		}
		return (o + 0.5) / a.scale, true
	}
	return (o+0.5)/a.scale - 0.5, true
}

// cubic is the cubic convolution kernel (Keys 1981).
func (r *Resize) cubic(x float64) float64 {
	a := float64(r.CubicA)
	switch x = math.Abs(x); {
	case x <= 1:
		return float64((float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return float64((float64((float64(a*x)-float64(5*a))*x)+float64(8*a))*x) - float64(4*a)
	}
	return 0
}

// maxFilter bounds the elements that one output is made of.
const maxFilter = 1 << 20

// taps returns the elements that output i is made of; nil where it lies outside.
func (r *Resize) taps(a *resizeAxis, i int) (index []int, weight []float32) {
	x, inside := r.source(a, i)
	if !inside || x != x || math.Abs(x) > 1<<30 {
		return nil, nil
	}
	if r.Mode == "nearest" {
		switch r.Nearest {
		case "round_prefer_floor":
			x = math.Ceil(x - 0.5)
		case "round_prefer_ceil":
			x = math.Floor(x + 0.5)
		case "floor":
			x = math.Floor(x)
		case "ceil":
			x = math.Ceil(x)
		case "ceil_where_smaller":
			if a.scale < 1 {
				x = math.Ceil(x)
			} else {
				x = math.Floor(x)
			}
		}
		return []int{min(max(int(x), 0), a.n-1)}, []float32{1}
	}
	reach, shrink := 1.0, 1.0
	if r.Mode == "cubic" {
		reach = 2
	}
	if r.Antialias && a.scale < 1 {
		shrink = max(a.scale, 2*reach/maxFilter)
	}
	left := math.Ceil(x) - 1 // the element strictly before x
	from := int(left) + int(math.Floor(-reach/shrink)) + 1
	to := int(left) + int(-math.Floor(-reach/shrink)) // inclusive
	var w []float64
	sum, inner := 0.0, 0.0
	for k := from; k <= to; k++ {
		d := (float64(k) - x) * shrink
		v := max(0, 1-math.Abs(d))
		if r.Mode == "cubic" {
			v = r.cubic(d)
		}
		w = append(w, v)
		sum += v
		if k >= 0 && k < a.n {
			inner += v
		}
	}
	if r.Exclude {
		sum = inner
	} else if !r.Antialias {
		sum = 1
	}
	for k, v := range w {
		p := from + k
		if v == 0 || r.Exclude && (p < 0 || p >= a.n) {
			continue
		}
		p = min(max(p, 0), a.n-1)
		if m := len(index); m > 0 && index[m-1] == p {
			weight[m-1] += float32(v / sum)
			continue
		}
		index, weight = append(index, p), append(weight, float32(v/sum))
	}
	return index, weight
}

func (r *Resize) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	d[0] = t.Add(&ResizeGrad{*r, t.Info(in[0]).Shape}, append([]Ref{dout[0]}, in[1:]...)...)
	return d
}

// ResizeGrad computes dx, of Shape, of a Resize from dy: what each element brought to the outputs, axes taken in the reverse order. Inputs: dy, then those
// of Resize from roi on.
type ResizeGrad struct {
	Resize Resize
	Shape  []int
}

func (*ResizeGrad) Kind() string { return "ResizeGrad" }

// resized is what the Resize was given.
func (g *ResizeGrad) resized(in []Info) []Info {
	return append([]Info{{DType: in[0].DType, Shape: g.Shape}}, in[1:]...)
}

func (g *ResizeGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 4); err != nil {
		return nil, err
	}
	if err := realType(in[:1]); err != nil {
		return nil, err
	}
	y, err := g.Resize.Infer(g.resized(in))
	if err != nil {
		return nil, err
	}
	if err := isShape(in, 0, y[0].Shape); err != nil {
		return nil, err
	}
	return one(in[0].DType, g.Shape)
}

func (g *ResizeGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	p, err := g.Resize.plan(g.resized(infosOf(in)))
	if err != nil {
		return err
	}
	return (&resizeBack{*g, p}).Forward(e, in, out)
}

// Plan works the taps out once.
func (g *ResizeGrad) Plan(in, out []Info) Op {
	p, err := g.Resize.plan(g.resized(in))
	if err != nil {
		return nil
	}
	return &resizeBack{*g, p}
}

// resizeBack is a ResizeGrad of a known shape.
type resizeBack struct {
	ResizeGrad
	plan *resizePlan
}

func (b *resizeBack) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		backPasses(e, b.plan, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]))
	} else {
		backPasses(e, b.plan, out[0].Float32s(), in[0].Float32s())
	}
	return nil
}

func backPasses[T real](e *Env, p *resizePlan, dx, dy []T) {
	clear(dx)
	if len(dx) == 0 || len(dy) == 0 {
		return
	}
	for i := len(p.passes) - 1; i >= 0; i-- {
		q := &p.passes[i]
		to := dx
		if i > 0 {
			to = scratch[T](e, q.outer*q.n*q.inner)
			clear(to)
		}
		for o := range q.outer {
			for i := range q.m {
				row := dy[(o*q.m+i)*q.inner : (o*q.m+i+1)*q.inner]
				for k, at := range q.taps.Index[i] {
					w := T(q.taps.Weight[i][k])
					sum := to[(o*q.n+at)*q.inner : (o*q.n+at+1)*q.inner]
					for j, v := range row {
						sum[j] = fma(v, w, sum[j])
					}
				}
			}
		}
		dy = to
	}
	if len(p.passes) == 0 {
		copy(dx, dy)
	}
}

func (r *Resize) Forward(e *Env, in, out []*tensor.Tensor) error {
	p, err := r.plan(infosOf(in))
	if err != nil {
		return err
	}
	return p.Forward(e, in, out)
}

// Plan works the taps out once.
func (r *Resize) Plan(in, out []Info) Op {
	if p, err := r.plan(in); err == nil {
		return p
	}
	return nil
}

// resizePlan is a Resize of a known shape: one pass after the other, each along one axis.
type resizePlan struct {
	Resize
	passes []resizePass
}

type resizePass struct {
	axis, outer, n, m, inner int
	taps                     Taps
}

func (r *Resize) plan(in []Info) (*resizePlan, error) {
	axes, to, err := r.axes(in)
	if err != nil {
		return nil, err
	}
	p := &resizePlan{Resize: *r}
	if sizeOf(to) == 0 {
		return p, nil // one dimension may be 0 and another one huge
	}
	shape := slices.Clone(in[0].Shape)
	for _, a := range axes {
		var t Taps
		plain := a.n == a.m
		for i := range a.m {
			idx, w := r.taps(&a, i)
			t.Index, t.Weight = append(t.Index, idx), append(t.Weight, w)
			plain = plain && len(idx) == 1 && idx[0] == i && w[0] == 1
		}
		if !plain {
			p.passes = append(p.passes, resizePass{a.axis, sizeOf(shape[:a.axis]), a.n, a.m, sizeOf(shape[a.axis+1:]), t})
			shape[a.axis] = a.m
		}
	}
	return p, nil
}

// Planar returns how a Resize of an image [N,C,H,W] changes its rows and its columns; an axis that stays as it is has no taps. ok is false
// where it changes other axes, or has outputs that lie outside.
func (r *Resize) Planar(in []Info) (rows, columns Taps, ok bool) {
	p, err := r.plan(in)
	if err != nil || len(in[0].Shape) != 4 || sizeOf(in[0].Shape) == 0 {
		return rows, columns, false
	}
	for _, q := range p.passes {
		switch {
		case q.axis == 2:
			rows = q.taps
		case q.axis == 3:
			columns = q.taps
		default:
			return rows, columns, false
		}
		for _, index := range q.taps.Index {
			if len(index) == 0 {
				return rows, columns, false
			}
		}
	}
	return rows, columns, true
}

// Planar returns how the Resize changed its input, which dy is the gradient of.
func (g *ResizeGrad) Planar(in []Info) (rows, columns Taps, ok bool) {
	return g.Resize.Planar(g.resized(in))
}

func (p *resizePlan) Forward(e *Env, in, out []*tensor.Tensor) error {
	if out[0].Len() == 0 {
		return nil
	}
	if len(p.passes) == 0 {
		copyUnlessShared(out[0], in[0])
		return nil
	}
	size := out[0].DType().Size()
	src := in[0].Raw()
	for i := range p.passes {
		q := &p.passes[i]
		dst := out[0].Raw()
		if i < len(p.passes)-1 {
			dst = e.Bytes(q.outer * q.m * q.inner * size)
		}
		if p.Mode == "nearest" && p.Coordinates != "tf_crop_and_resize" {
			q.pick(dst, src, size)
		} else {
			if out[0].DType() == tensor.Float64 {
				blendPass(q, tensor.Slice[float64](dst, len(dst)/8), tensor.Slice[float64](src, len(src)/8), p.Outside)
			} else {
				blendPass(q, tensor.Slice[float32](dst, len(dst)/4), tensor.Slice[float32](src, len(src)/4), p.Outside)
			}
		}
		src = dst
	}
	return nil
}

// pick copies elements, of so many bytes each.
func (q *resizePass) pick(dst, src []byte, size int) {
	row := q.inner * size
	for o := range q.outer {
		for i := range q.m {
			p := 0
			if len(q.taps.Index[i]) > 0 {
				p = q.taps.Index[i][0]
			}
			to, from := (o*q.m+i)*row, (o*q.n+p)*row
			copy(dst[to:to+row], src[from:from+row])
		}
	}
}

// blendPass computes weighted sums of elements.
func blendPass[T real](q *resizePass, y, x []T, outside float32) {
	for o := range q.outer {
		for i := range q.m {
			row := y[(o*q.m+i)*q.inner : (o*q.m+i+1)*q.inner]
			if q.taps.Index[i] == nil {
				for j := range row {
					row[j] = T(outside)
				}
				continue
			}
			clear(row)
			for k, p := range q.taps.Index[i] {
				w := T(q.taps.Weight[i][k])
				for j, v := range x[(o*q.n+p)*q.inner : (o*q.n+p+1)*q.inner] {
					row[j] = fma(v, w, row[j])
				}
			}
		}
	}
}
