package layer

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Conv computes y[n,o,p] = b[o] + Σ_{k,c} x[n, g·C/G+c, p·stride + k·dilation - pad]·w[o,c,k] over one to three spatial dimensions,
// with g = o/(O/G). Inputs: x [N,C,...], w [O,C/G,...] and, optionally, b [O]. The sum goes over k in row-major order and within it over c,
// as arithmetic.md's rule 3 says; positions outside x count as 0.
type Conv struct {
	Window // Kernel may be empty: w's shape tells
	Groups int
}

func (*Conv) Kind() string { return "Conv" }

// over resolves the convolution for inputs of these shapes.
func (c *Conv) over(x, w []int) (span, error) {
	if len(x) < 3 || len(x) > 5 || len(w) != len(x) {
		return span{}, fmt.Errorf("input %s and weights %s, where both need 3 to 5 dimensions", tensor.FormatShape(x), tensor.FormatShape(w))
	}
	if len(c.Kernel) != 0 {
		if len(c.Kernel) != len(w)-2 {
			return span{}, fmt.Errorf("kernel_shape %v, weights %s", c.Kernel, tensor.FormatShape(w))
		}
		for i, k := range c.Kernel {
			if k != w[i+2] {
				return span{}, fmt.Errorf("kernel_shape %v, weights %s", c.Kernel, tensor.FormatShape(w))
			}
		}
	}
	if g := c.Groups; g < 1 || w[1] < 1 || x[1] != w[1]*g || w[0]%g != 0 {
		return span{}, fmt.Errorf("input %s and weights %s in %d groups", tensor.FormatShape(x), tensor.FormatShape(w), g)
	}
	return c.Window.over(x, w[2:])
}

func (c *Conv) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s, err := c.over(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil, err
	}
	if b := opt(in, 2); b.Present() && (len(b.Shape) != 1 || b.Shape[0] != in[1].Shape[0]) {
		return nil, fmt.Errorf("bias %s for weights %s", b, in[1])
	}
	return one(in[0].DType, s.shape(in[0].Shape[0], in[1].Shape[0], len(in[0].Shape)-2))
}

func (c *Conv) MACs(in, out []Info) int64 {
	return int64(sizeOf(out[0].Shape)) * int64(sizeOf(in[1].Shape[1:]))
}

func (c *Conv) Forward(e *Env, in, out []*tensor.Tensor) error {
	x, w := in[0], in[1]
	s, err := c.over(x.Shape(), w.Shape())
	if err != nil {
		return err
	}
	switch {
	case x.DType() == tensor.Float64:
		convolve(e, s, c.Groups, in, out[0], addRow[float64])
	case c.volume(x.Shape(), w.Shape(), out[0].Shape()):
		c.pack(s, x.Dim(0), w, optT(in, 2)).run(e, x, out[0])
	default:
		convolve(e, s, c.Groups, in, out[0], fmaRow)
	}
	return nil
}

// volume says whether a Conv of float32 is one that is packed.
func (c *Conv) volume(x, w, y []int) bool {
	return len(x) == 5 && sizeOf(y) > 0 && (!c.depthwise(w) || sizeOf(x) > 0 && !c.Ceil)
}

func (c *Conv) depthwise(w []int) bool { return w[1] == 1 && w[0] == c.Groups }

// Plan packs constant weights of three dimensions once. It plans a Conv of float32 alone: other layers embed it.
func (c *Conv) Plan(in, out []Info) Op {
	if in[0].DType != tensor.Float32 || !c.volume(in[0].Shape, in[1].Shape, out[0].Shape) || !known(in, 1, 2) {
		return nil
	}
	s, err := c.over(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil
	}
	return c.pack(s, in[0].Shape[0], in[1].Value, opt(in, 2).Value)
}

// volumeConv is a Conv of volumes of float32 with weights that are packed: by columns or, if it is depthwise, by a kernel for that.
type volumeConv struct {
	Conv
	span    span
	columns []*kernels.Packed
	each    *kernels.Depthwise // nil where it is by columns
	weights *kernels.DepthwiseWeights
}

func (c *volumeConv) Forward(e *Env, in, out []*tensor.Tensor) error {
	c.run(e, in[0], out[0])
	return nil
}

func (c *Conv) pack(s span, n int, w, b *tensor.Tensor) *volumeConv {
	shape, v := w.Shape(), &volumeConv{Conv: *c, span: s}
	o, each, taps := shape[0], shape[1], s.taps()
	turned := make([]float32, w.Len())
	if !c.depthwise(shape) {
		kernels.NCHWToNHWC(nil, turned, w.Float32s(), o, each, taps) // [O,taps,C/G]
		v.columns = packGroups(turned, floatsOf(b), c.Groups, o, each*taps)
		return v
	}
	kernels.Transpose(nil, turned, o, w.Float32s(), taps, o, taps) // [taps,C]
	v.each = kernels.NewVolumeDepthwise(kernels.Conv3D{
		Conv2D: kernels.Conv2D{N: n, H: s.in[1], W: s.in[2], C: o, O: o, Groups: o, KH: s.kernel[1], KW: s.kernel[2], SH: s.stride[1], SW: s.stride[2],
			DH: s.dilation[1], DW: s.dilation[2], PT: s.before[1], PL: s.before[2], PB: s.after[1], PR: s.after[2]},
		D: s.in[0], KD: s.kernel[0], SD: s.stride[0], DD: s.dilation[0], PF: s.before[0], PK: s.after[0],
	})
	v.weights = v.each.Pack(turned, floatsOf(b))
	return v
}

// run computes y, which is not empty.
func (c *volumeConv) run(e *Env, x, y *tensor.Tensor) {
	n, channels, groups := x.Dim(0), x.Dim(1), c.Groups
	if c.each != nil {
		groups = 1
	}
	moved := e.Floats(x.Len())
	kernels.NCHWToNHWC(e.Team, moved, x.Float32s(), n*groups, channels/groups, x.Len()/(n*channels))
	if c.each == nil {
		t := taskOf[window](e)
		*t = window{s: c.span, groups: groups, c: channels, x: moved}
		byColumns(e, t, c.columns, y)
		return
	}
	sums := e.Floats(y.Len())
	c.each.Run(e.Team, sums, moved, c.weights, kernels.Act{})
	kernels.NHWCToNCHW(e.Team, y.Float32s(), sums, n, y.Len()/(n*channels), channels)
}

// window sees [N,G,D,H,W,C/G] through a span's windows: rows are [G,taps,C/G].
type window struct {
	s         span
	groups, c int
	x         []float32
}

func (t *window) see(rows []float32, n, from, to int) {
	s := &t.s
	across, run := s.kernel[2], t.c/t.groups // taps in a line of the window, and floats of a group at one
	line := across * run
	for p := from; p < to; p++ {
		z0 := p/(s.out[1]*s.out[2])*s.stride[0] - s.before[0]
		y0 := p/s.out[2]%s.out[1]*s.stride[1] - s.before[1]
		x0 := p%s.out[2]*s.stride[2] - s.before[2]
		lo, hi := min(max(0, -x0), across), max(0, min(across, s.in[2]-x0))
		for g := range t.groups {
			for i := range s.kernel[0] {
				z := z0 + i*s.dilation[0]
				plane := ((n*t.groups+g)*s.in[0] + z) * s.in[1]
				for j := range s.kernel[1] {
					y, dst := y0+j*s.dilation[1], rows[:line]
					rows = rows[line:]
					at := (plane+y)*s.in[2] + x0
					switch {
					case z < 0 || z >= s.in[0] || y < 0 || y >= s.in[1] || s.dilation[2] == 1 && lo >= hi:
						clear(dst)
					case s.dilation[2] == 1: // elements that lie side by side, taken together
						if hi-lo < across {
							clear(dst[:lo*run])
							clear(dst[hi*run:])
						}
						copy(dst[lo*run:hi*run], t.x[(at+lo)*run:])
					default:
						for k := range across {
							if x := x0 + k*s.dilation[2]; x >= 0 && x < s.in[2] {
								copy(dst[k*run:][:run], t.x[(at+k*s.dilation[2])*run:])
							} else {
								clear(dst[k*run:][:run])
							}
						}
					}
				}
			}
		}
	}
}

func convolve[T real](e *Env, s span, groups int, in []*tensor.Tensor, out *tensor.Tensor, row func(y, x []T, step int, w T)) {
	x, w := in[0], in[1]
	t := taskOf[convTask[T]](e)
	*t = convTask[T]{s: s, groups: groups, c: x.Dim(1), o: w.Dim(0), x: tensor.Data[T](x), w: tensor.Data[T](w), y: tensor.Data[T](out), row: row}
	if b := optT(in, 2); b != nil {
		t.b = tensor.Data[T](b)
	}
	e.Team.Run(t, x.Dim(0)*w.Dim(0))
}

func (c *Conv) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	if want[0] {
		d[0] = t.Add(&ConvInputGrad{*c, t.Info(in[0]).Shape}, dout[0], in[1])
	}
	if want[1] {
		d[1] = t.Add(&ConvWeightGrad{*c, t.Info(in[1]).Shape}, in[0], dout[0])
	}
	if len(in) > 2 && want[2] {
		d[2] = channelSum(t, dout[0])
	}
	return d
}

// convTask computes one output channel of one image per tile.
type convTask[T float32 | float64 | int32] struct {
	s            span
	groups, c, o int
	x, w, b, y   []T
	row          func(y, x []T, step int, w T)
}

func (t *convTask[T]) Tile(i, _ int) {
	s := &t.s
	o, cg := i%t.o, t.c/t.groups
	size, area := s.in[0]*s.in[1]*s.in[2], s.out[0]*s.out[1]*s.out[2]
	x := t.x[(i/t.o*t.c+o/(t.o/t.groups)*cg)*size:]
	y := t.y[i*area : (i+1)*area]
	var bias T
	if t.b != nil {
		bias = t.b[o]
	}
	for p := range y {
		y[p] = bias
	}
	taps := s.taps()
	w := t.w[o*cg*taps:]
	for k := range taps {
		dz := k/(s.kernel[1]*s.kernel[2])*s.dilation[0] - s.before[0]
		dy := k/s.kernel[2]%s.kernel[1]*s.dilation[1] - s.before[1]
		dx := k%s.kernel[2]*s.dilation[2] - s.before[2]
		x0, x1 := s.valid(2, dx)
		if x0 == x1 {
			continue
		}
		z0, z1 := s.valid(0, dz)
		y0, y1 := s.valid(1, dy)
		for oz := z0; oz < z1; oz++ {
			for oy := y0; oy < y1; oy++ {
				src := ((oz*s.stride[0]+dz)*s.in[1]+oy*s.stride[1]+dy)*s.in[2] + x0*s.stride[2] + dx
				dst := (oz*s.out[1]+oy)*s.out[2] + x0
				for c := range cg {
					t.row(y[dst:dst+x1-x0], x[c*size+src:], s.stride[2], w[c*taps+k])
				}
			}
		}
	}
}

// fmaRow adds w·x[i·step] to y[i], each with one rounding.
func fmaRow(y, x []float32, step int, w float32) {
	if step == 1 {
		x = x[:len(y)]
		for i, v := range x {
			y[i] = ref.FMA32(v, w, y[i])
		}
		return
	}
	for i := range y {
		y[i] = ref.FMA32(x[i*step], w, y[i])
	}
}

// addRow adds w·x[i·step] to y[i].
func addRow[T float64 | int32](y, x []T, step int, w T) {
	for i := range y {
		y[i] += T(x[i*step] * w)
	}
}

// ConvTranspose computes the transpose of Conv, also called deconvolution: y[n,o,p·stride + k·dilation - pad] += x[n,c,p]·w[c,o,k].
// Inputs: x [N,C,...], w [C,O/G,...] and, optionally, b [O].
type ConvTranspose struct {
	Window
	Groups      int
	OutPads     []int // added to the output's size
	OutputShape []int // the output's spatial size; Pads then follow from it
}

func (*ConvTranspose) Kind() string { return "ConvTranspose" }

// over returns a span whose in and out are those of this layer.
func (c *ConvTranspose) over(x, w []int) (span, error) {
	if len(x) < 3 || len(x) > 5 || len(w) != len(x) {
		return span{}, fmt.Errorf("input %s and weights %s, where both need 3 to 5 dimensions", tensor.FormatShape(x), tensor.FormatShape(w))
	}
	n := len(x) - 2
	if g := c.Groups; g < 1 || x[1] != w[0] || w[1] < 1 || x[1]%g != 0 || len(c.Kernel) != 0 && len(c.Kernel) != n ||
		len(c.OutPads) != 0 && len(c.OutPads) != n || len(c.OutputShape) != 0 && len(c.OutputShape) != n {
		return span{}, fmt.Errorf("input %s and weights %s in %d groups, kernel_shape %v, output_padding %v, output_shape %v",
			tensor.FormatShape(x), tensor.FormatShape(w), g, c.Kernel, c.OutPads, c.OutputShape)
	}
	for i, k := range c.Kernel {
		if k != w[i+2] {
			return span{}, fmt.Errorf("kernel_shape %v, weights %s", c.Kernel, tensor.FormatShape(w))
		}
	}
	s, err := c.Window.base(x, w[2:])
	if err != nil {
		return s, err
	}
	for i := range n {
		d, extra, goal := 3-n+i, 0, -1
		if len(c.OutPads) > 0 {
			extra = c.OutPads[i]
		}
		if extra < 0 || extra >= maxExtent {
			return s, fmt.Errorf("output_padding %v", c.OutPads)
		}
		full := s.stride[d]*(s.in[d]-1) + extra + s.extent(d)
		switch {
		case len(c.OutputShape) > 0:
			goal = c.OutputShape[i]
		case c.AutoPad == PadSameUpper || c.AutoPad == PadSameLower:
			goal = s.in[d] * s.stride[d]
		}
		if goal >= 0 {
			total := full - goal
			if total < 0 {
				// The output is larger than what the input reaches: the rest is bias alone.
				total = 0
			}
			s.before[d] = total - total/2
			if c.AutoPad == PadSameUpper {
				s.before[d] = total / 2
			}
			s.after[d] = total - s.before[d]
			s.out[d] = goal
			continue
		}
		if s.in[d] == 0 {
			return s, fmt.Errorf("nothing in input %s", tensor.FormatShape(x))
		}
		if s.out[d] = full - s.before[d] - s.after[d]; s.out[d] < 0 {
			return s, fmt.Errorf("pads %v take more than the %d elements there are", c.Pads, full)
		}
	}
	return s, nil
}

// Resolve gives each spatial dimension's numbers for an input [N,C,spatial...] and weights [C,O/G,spatial...].
func (c *ConvTranspose) Resolve(x, w []int) ([]Spatial, error) {
	s, err := c.over(x, w)
	if err != nil {
		return nil, err
	}
	return s.spatial(len(x) - 2), nil
}

func (c *ConvTranspose) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s, err := c.over(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil, err
	}
	o := in[1].Shape[1]
	if o > maxExtent/c.Groups {
		return nil, fmt.Errorf("weights %s in %d groups", in[1], c.Groups)
	}
	o *= c.Groups
	if b := opt(in, 2); b.Present() && (len(b.Shape) != 1 || b.Shape[0] != o) {
		return nil, fmt.Errorf("bias %s for %d channels", b, o)
	}
	return one(in[0].DType, s.shape(in[0].Shape[0], o, len(in[0].Shape)-2))
}

func (c *ConvTranspose) MACs(in, out []Info) int64 {
	return int64(sizeOf(in[0].Shape)) * int64(sizeOf(in[1].Shape[1:]))
}

func (c *ConvTranspose) Forward(e *Env, in, out []*tensor.Tensor) error {
	x, w := in[0], in[1]
	s, err := c.over(x.Shape(), w.Shape())
	if err != nil {
		return err
	}
	deconvolve(e, s, c.Groups, in, out[0])
	return nil
}

// Backward turns the layer round: the convolution with its window reads dy where the layer wrote y.
func (c *ConvTranspose) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	x, w := t.Info(in[0]).Shape, t.Info(in[1]).Shape
	s, err := c.over(x, w)
	if err != nil {
		return d
	}
	dy, n := dout[0], len(x)-2
	conv := Conv{Window: Window{Kernel: w[2:], Strides: s.stride[3-n:], Dilations: s.dilation[3-n:], Pads: make([]int, 2*n)}, Groups: c.Groups}
	crop, crops := make([]int, 2*len(x)), false
	for i := range n {
		k := 3 - n + i
		conv.Pads[i] = s.before[k]
		// What lies behind the last window's end is bias alone.
		after := s.stride[k]*(s.in[k]-1) + s.extent(k) - s.before[k] - s.out[k]
		conv.Pads[n+i] = max(0, after)
		crop[len(x)+2+i] = min(0, after)
		crops = crops || after < 0
	}
	if (want[0] || want[1]) && crops {
		dy = t.Add(&Pad{PadConstant}, dy, t.Const(dims(crop)))
	}
	if want[0] {
		d[0] = t.Add(&conv, dy, in[1])
	}
	if want[1] {
		d[1] = t.Add(&ConvWeightGrad{conv, w}, dy, in[0])
	}
	if len(in) > 2 && want[2] {
		d[2] = channelSum(t, dout[0])
	}
	return d
}

// deconvolve spreads in[0] over out through the windows of s, whose in and out are those of in[0] and out.
func deconvolve(e *Env, s span, groups int, in []*tensor.Tensor, out *tensor.Tensor) {
	if out.DType() == tensor.Float64 {
		deconvolveAny[float64](e, s, groups, in, out)
	} else {
		deconvolveAny[float32](e, s, groups, in, out)
	}
}

func deconvolveAny[T real](e *Env, s span, groups int, in []*tensor.Tensor, out *tensor.Tensor) {
	x, w := in[0], in[1]
	t := taskOf[deconvTask[T]](e)
	*t = deconvTask[T]{s: s, groups: groups, c: x.Dim(1), o: out.Dim(1), x: tensor.Data[T](x), w: tensor.Data[T](w), y: tensor.Data[T](out)}
	if b := optT(in, 2); b != nil {
		t.b = tensor.Data[T](b)
	}
	e.Team.Run(t, x.Dim(0)*t.o)
}

// deconvTask computes one output channel of one image per tile.
type deconvTask[T real] struct {
	s            span
	groups, c, o int
	x, w, b, y   []T
}

func (t *deconvTask[T]) Tile(i, _ int) {
	s := &t.s
	o, cg, og := i%t.o, t.c/t.groups, t.o/t.groups
	area := s.out[0] * s.out[1] * s.out[2]
	first := o / og * cg
	y := t.y[i*area : (i+1)*area]
	var bias T
	if t.b != nil {
		bias = t.b[o]
	}
	for p := range y {
		y[p] = bias
	}
	taps := s.taps()
	for k := range taps {
		dz := k/(s.kernel[1]*s.kernel[2])*s.dilation[0] - s.before[0]
		dy := k/s.kernel[2]%s.kernel[1]*s.dilation[1] - s.before[1]
		dx := k%s.kernel[2]*s.dilation[2] - s.before[2]
		for iz := range s.in[0] {
			oz := iz*s.stride[0] + dz
			if oz < 0 || oz >= s.out[0] {
				continue
			}
			for iy := range s.in[1] {
				oy := iy*s.stride[1] + dy
				if oy < 0 || oy >= s.out[1] {
					continue
				}
				dst := y[(oz*s.out[1]+oy)*s.out[2] : (oz*s.out[1]+oy+1)*s.out[2]]
				for c := range cg {
					w := t.w[((first+c)*og+o%og)*taps+k]
					at := (((i/t.o*t.c+first+c)*s.in[0]+iz)*s.in[1] + iy) * s.in[2]
					src := t.x[at : at+s.in[2]]
					for ix, v := range src {
						if ox := ix*s.stride[2] + dx; ox >= 0 && ox < s.out[2] {
							dst[ox] = fma(v, w, dst[ox])
						}
					}
				}
			}
		}
	}
}

// LocallyConnected is a convolution whose weights differ from one output position to the next
// (LeCun 1989; Taigman et al.: DeepFace, CVPR 2014): y[n,o,p] = b[o,p] + Σ_{k,c} x[n, c, p·stride + k·dilation - pad]·w[p,o,c,k].
// Inputs: x [N,C,H,W], w [OH,OW,O,C,KH,KW] and, optionally, b [O,OH,OW].
type LocallyConnected struct{ Window }

func (*LocallyConnected) Kind() string { return "LocallyConnected" }

func (l *LocallyConnected) over(x, w []int) (span, error) {
	if len(x) != 4 || len(w) != 6 || w[3] != x[1] {
		return span{}, fmt.Errorf("input %s and weights %s", tensor.FormatShape(x), tensor.FormatShape(w))
	}
	s, err := l.Window.over(x, w[4:])
	if err == nil && (s.out[1] != w[0] || s.out[2] != w[1]) {
		err = fmt.Errorf("weights for %dx%d positions, there are %dx%d", w[0], w[1], s.out[1], s.out[2])
	}
	return s, err
}

func (l *LocallyConnected) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s, err := l.over(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil, err
	}
	shape := s.shape(in[0].Shape[0], in[1].Shape[2], 2)
	if b := opt(in, 2); b.Present() && (len(b.Shape) != 3 || b.Shape[0] != shape[1] || b.Shape[1] != shape[2] || b.Shape[2] != shape[3]) {
		return nil, fmt.Errorf("bias %s for an output %s", b, tensor.FormatShape(shape))
	}
	return one(in[0].DType, shape)
}

func (l *LocallyConnected) MACs(in, out []Info) int64 {
	return int64(in[0].Shape[0]) * int64(sizeOf(in[1].Shape))
}

func (l *LocallyConnected) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := l.over(in[0].Shape(), in[1].Shape())
	if err != nil {
		return err
	}
	if in[0].DType() == tensor.Float64 {
		connect[float64](&s, in, out[0])
	} else {
		connect[float32](&s, in, out[0])
	}
	return nil
}

func connect[T real](s *span, in []*tensor.Tensor, out *tensor.Tensor) {
	x, w, y := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	n, c, o := in[0].Dim(0), in[0].Dim(1), in[1].Dim(2)
	h, wd, taps := s.in[1], s.in[2], s.taps()
	var b []T
	if t := optT(in, 2); t != nil {
		b = tensor.Data[T](t)
	}
	area := s.out[1] * s.out[2]
	for i := range n * o * area {
		p, ch, img := i%area, i/area%o, i/area/o
		var acc T
		if b != nil {
			acc = b[ch*area+p]
		}
		row := w[(p*o+ch)*c*taps:]
		for k := range taps {
			iy, ix, inside := s.tap(p, k)
			for q := range c {
				var v T
				if inside {
					v = x[((img*c+q)*h+iy)*wd+ix]
				}
				acc = fma(v, row[q*taps+k], acc)
			}
		}
		y[i] = acc
	}
}

// tap returns where in the input, over two dimensions, element k of output p's window lies, and whether that is inside.
func (s *span) tap(p, k int) (y, x int, inside bool) {
	y = p/s.out[2]*s.stride[1] + k/s.kernel[2]*s.dilation[1] - s.before[1]
	x = p%s.out[2]*s.stride[2] + k%s.kernel[2]*s.dilation[2] - s.before[2]
	return y, x, y >= 0 && y < s.in[1] && x >= 0 && x < s.in[2]
}

func (l *LocallyConnected) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	if want[0] {
		d[0] = t.Add(&LocalInputGrad{*l, t.Info(in[0]).Shape}, dout[0], in[1])
	}
	if want[1] {
		d[1] = t.Add(&LocalWeightGrad{*l, t.Info(in[1]).Shape}, in[0], dout[0])
	}
	if len(in) > 2 && want[2] {
		d[2] = sumOver(t, dout[0], false, 0)
	}
	return d
}
