package layer

import (
	"fmt"

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
		return span{}, fmt.Errorf("input %s and weights %s", tensor.FormatShape(x), tensor.FormatShape(w))
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
	for i := range in {
		if err := isType(in, i, tensor.Float32); err != nil {
			return nil, err
		}
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
	t := taskOf[convTask[float32]](e)
	*t = convTask[float32]{s: s, groups: c.Groups, c: x.Dim(1), o: w.Dim(0), x: x.Float32s(), w: w.Float32s(), y: out[0].Float32s(), row: fmaRow}
	if b := optT(in, 2); b != nil {
		t.b = b.Float32s()
	}
	e.Team.Run(t, x.Dim(0)*w.Dim(0))
	return nil
}

// convTask computes one output channel of one image per tile.
type convTask[T float32 | int32] struct {
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

// intRow adds w·x[i·step] to y[i].
func intRow(y, x []int32, step int, w int32) {
	for i := range y {
		y[i] += x[i*step] * w
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
		return span{}, fmt.Errorf("input %s and weights %s", tensor.FormatShape(x), tensor.FormatShape(w))
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
			s.before[d] = total / 2
			if c.AutoPad == PadSameLower {
				s.before[d] = total - total/2
			}
			s.after[d] = total - s.before[d]
			s.out[d] = goal
			continue
		}
		if s.out[d] = full - s.before[d] - s.after[d]; s.out[d] < 0 || s.in[d] == 0 {
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
	for i := range in {
		if err := isType(in, i, tensor.Float32); err != nil {
			return nil, err
		}
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
	t := taskOf[deconvTask](e)
	*t = deconvTask{s: s, groups: c.Groups, c: x.Dim(1), o: out[0].Dim(1), x: x.Float32s(), w: w.Float32s(), y: out[0].Float32s()}
	if b := optT(in, 2); b != nil {
		t.b = b.Float32s()
	}
	e.Team.Run(t, x.Dim(0)*t.o)
	return nil
}

// deconvTask computes one output channel of one image per tile.
type deconvTask struct {
	s            span
	groups, c, o int
	x, w, b, y   []float32
}

func (t *deconvTask) Tile(i, _ int) {
	s := &t.s
	o, cg, og := i%t.o, t.c/t.groups, t.o/t.groups
	area := s.out[0] * s.out[1] * s.out[2]
	first := o / og * cg
	y := t.y[i*area : (i+1)*area]
	var bias float32
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
							dst[ox] = ref.FMA32(v, w, dst[ox])
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
	for i := range in {
		if err := isType(in, i, tensor.Float32); err != nil {
			return nil, err
		}
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
	x, w := in[0].Float32s(), in[1].Float32s()
	s, err := l.over(in[0].Shape(), in[1].Shape())
	if err != nil {
		return err
	}
	n, c, o := in[0].Dim(0), in[0].Dim(1), in[1].Dim(2)
	h, wd, taps := s.in[1], s.in[2], s.taps()
	y := out[0].Float32s()
	var b []float32
	if t := optT(in, 2); t != nil {
		b = t.Float32s()
	}
	area := s.out[1] * s.out[2]
	for i := range n * o * area {
		p, ch, img := i%area, i/area%o, i/area/o
		var acc float32
		if b != nil {
			acc = b[ch*area+p]
		}
		row := w[(p*o+ch)*c*taps:]
		for k := range taps {
			iy := p/s.out[2]*s.stride[1] + k/s.kernel[2]*s.dilation[1] - s.before[1]
			ix := p%s.out[2]*s.stride[2] + k%s.kernel[2]*s.dilation[2] - s.before[2]
			inside := iy >= 0 && iy < h && ix >= 0 && ix < wd
			for q := range c {
				var v float32
				if inside {
					v = x[((img*c+q)*h+iy)*wd+ix]
				}
				acc = ref.FMA32(v, row[q*taps+k], acc)
			}
		}
		y[i] = acc
	}
	return nil
}
