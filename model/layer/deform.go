package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// DeformConv is a convolution of images whose taps are moved (Dai et al.: Deformable Convolutional Networks, ICCV 2017) and weighted
// (Zhu et al.: Deformable ConvNets v2, CVPR 2019): y[n,o,p] = b[o] + Σ_{c,k} m[k,p]·x[n, g·C/G+c, p·stride + k·dilation - pad + offset[k,p]]·w[o,c,k]
// with g = o/(O/G). Positions between elements are interpolated bilinearly; elements outside x count as 0.
//
// Inputs: x [N,C,H,W], w [O,C/G,KH,KW], the offsets [N,D·KH·KW·2,OH,OW], y before x, and, optionally, b [O] and m [N,D·KH·KW,OH,OW]. Each of the D = OffsetGroups
// groups of channels of x has offsets and weights m of its own.
type DeformConv struct {
	Window       // Kernel may be empty: w's shape tells
	Groups       int
	OffsetGroups int
}

func (*DeformConv) Kind() string { return "DeformConv" }

func (c *DeformConv) conv() *Conv { return &Conv{Window: c.Window, Groups: c.Groups} }

func (c *DeformConv) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 5); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	x, w := in[0].Shape, in[1].Shape
	if len(x) != 4 || len(w) != 4 {
		return nil, fmt.Errorf("input %s and weights %s; deformable convolutions are supported of images alone, [N,C,H,W]", in[0], in[1])
	}
	s, err := c.conv().over(x, w)
	if err != nil {
		return nil, err
	}
	if d := c.OffsetGroups; d < 1 || x[1]%d != 0 {
		return nil, fmt.Errorf("%d channels in %d groups of offsets", x[1], d)
	}
	for i, per := range []int{2: 2, 4: 1} {
		if v := opt(in, i); per > 0 && v.Present() &&
			(len(v.Shape) != 4 || v.Shape[0] != x[0] || int64(v.Shape[1]) != product(per, c.OffsetGroups, w[2], w[3]) || !slices.Equal(v.Shape[2:], s.out[1:])) {
			return nil, fmt.Errorf("input %d is %s, for weights %s, %d groups of offsets and outputs of %dx%d", i, v, in[1], c.OffsetGroups, s.out[1], s.out[2])
		}
	}
	if b := opt(in, 3); b.Present() && (len(b.Shape) != 1 || b.Shape[0] != w[0]) {
		return nil, fmt.Errorf("bias %s for weights %s", b, in[1])
	}
	return one(in[0].DType, s.shape(x[0], w[0], 2))
}

func (c *DeformConv) MACs(in, out []Info) int64 { return c.conv().MACs(in, out) }

// Work counts four products for each sample too, which all of its group's outputs share.
func (c *DeformConv) Work(in, out []Info) int64 {
	w, y := in[1].Shape, out[0].Shape
	return product(y[0], y[2], y[3], w[1], w[2], w[3], w[0]+4*c.Groups)
}

func (c *DeformConv) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := c.conv().over(in[0].Shape(), in[1].Shape())
	switch {
	case err != nil || out[0].Len() == 0:
		return err
	case in[0].DType() == tensor.Float64:
		deform[float64](e, c, s, in, out[0])
	default:
		c.product(e, s, c.pack(in[1], optT(in, 3)), in, out)
	}
	return nil
}

// Plan packs constant weights once.
func (c *DeformConv) Plan(in, out []Info) Op {
	if in[0].DType != tensor.Float32 || !known(in, 1, 3) {
		return nil
	}
	s, err := c.conv().over(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil
	}
	return &packedDeform{*c, s, c.pack(in[1].Value, opt(in, 3).Value)}
}

// packedDeform is a DeformConv of known weights and sizes.
type packedDeform struct {
	DeformConv
	span    span
	weights []*kernels.Packed
}

func (c *packedDeform) Forward(e *Env, in, out []*tensor.Tensor) error {
	c.product(e, c.span, c.weights, in, out)
	return nil
}

func (c *DeformConv) pack(w, b *tensor.Tensor) []*kernels.Packed {
	return packGroups(w.Float32s(), floatsOf(b), c.Groups, w.Dim(0), sizeOf(w.Shape()[1:]))
}

// product returns the bits of deform.
func (c *DeformConv) product(e *Env, s span, weights []*kernels.Packed, in, out []*tensor.Tensor) {
	if out[0].Len() == 0 {
		return
	}
	t := taskOf[moved](e)
	*t = moved{s: s, shared: in[0].Dim(1) / c.OffsetGroups, c: in[0].Dim(1), offset: in[2].Float32s(), m: optData[float32](in, 4)}
	area := s.in[1] * s.in[2]
	x := e.Floats(in[0].Len() + t.c)
	t.x, t.none = x[:in[0].Len()], x[in[0].Len():]
	clear(t.none)
	kernels.NCHWToNHWC(e.Team, t.x, in[0].Float32s(), in[0].Dim(0), t.c, area)
	byColumns(e, t, weights, out[0])
}

// moved sees [N,H,W,C] through moved taps: rows are [C,KH·KW].
type moved struct {
	s         span
	shared, c int       // shared: channels with the same offsets
	x, none   []float32 // none: a position outside, zeros
	offset, m []float32
}

func (t *moved) see(rows []float32, n, from, to int) {
	s := &t.s
	taps, area, sets := s.taps(), s.out[1]*s.out[2], t.c/t.shared
	var at [4][]float32
	for p := from; p < to; p++ {
		row := rows[(p-from)*t.c*taps:][:t.c*taps]
		for i := range sets * taps {
			set, k := i/taps, i%taps
			o := n*sets*taps + i
			y := float32(p/s.out[2]*s.stride[1]-s.before[1]+k/s.kernel[2]*s.dilation[1]) + t.offset[2*o*area+p]
			x := float32(p%s.out[2]*s.stride[2]-s.before[2]+k%s.kernel[2]*s.dilation[2]) + t.offset[(2*o+1)*area+p]
			mask := float32(1)
			if t.m != nil {
				mask = t.m[o*area+p]
			}
			weight := t.corners(&at, n, set*t.shared, y, x)
			a, b, c, d := at[0], at[1][:len(at[0])], at[2][:len(at[0])], at[3][:len(at[0])]
			for j := range a {
				sum := 0 + float32(weight[0]*a[j]) // 0 makes +0 of -0
				sum += float32(weight[1] * b[j])
				sum += float32(weight[2] * c[j])
				sum += float32(weight[3] * d[j])
				row[(set*t.shared+j)*taps+k] = float32(sum * mask)
			}
		}
	}
}

// corners finds the four elements around (y, x) of the shared channels from the first on, and their weights, as sampled does.
func (t *moved) corners(at *[4][]float32, n, first int, y, x float32) (weight [4]float32) {
	h, w := t.s.in[1], t.s.in[2]
	for i := range at {
		at[i] = t.none[:t.shared]
	}
	if !(y > -1 && y < float32(h) && x > -1 && x < float32(w)) {
		return weight
	}
	y0, x0 := int(math.Floor(float64(y))), int(math.Floor(float64(x)))
	ly, lx := y-float32(y0), x-float32(x0)
	for i := range at {
		if r, c := y0+i/2, x0+i%2; r >= 0 && r < h && c >= 0 && c < w {
			at[i] = t.x[((n*h+r)*w+c)*t.c+first:][:t.shared]
		}
	}
	return [4]float32{float32((1 - ly) * (1 - lx)), float32((1 - ly) * lx), float32(ly * (1 - lx)), float32(ly * lx)}
}

// deform is the plain form: every sample by itself.
func deform[T real](e *Env, c *DeformConv, s span, in []*tensor.Tensor, out *tensor.Tensor) {
	t := taskOf[deformTask[T]](e)
	*t = deformTask[T]{s: s, groups: c.Groups, shared: in[0].Dim(1) / c.OffsetGroups, c: in[0].Dim(1), o: in[1].Dim(0),
		x: tensor.Data[T](in[0]), w: tensor.Data[T](in[1]), offset: tensor.Data[T](in[2]), b: optData[T](in, 3), m: optData[T](in, 4), y: tensor.Data[T](out)}
	t.samples = scratch[T](e, e.Team.Threads()*t.c*s.taps())
	e.Team.Run(t, out.Dim(0)*s.out[1])
}

// deformTask computes all channels of one output row per tile.
type deformTask[T real] struct {
	s                    span
	groups, shared, c, o int // shared: channels with the same offsets
	x, w, offset, b, m   []T
	y, samples           []T // samples: [worker,c,tap]
}

func (t *deformTask[T]) Tile(i, worker int) {
	s := &t.s
	n, oy := i/s.out[1], i%s.out[1]
	h, wide, taps, area := s.in[1], s.in[2], s.taps(), s.out[1]*s.out[2]
	cols, sets := t.samples[worker*t.c*taps:(worker+1)*t.c*taps], t.c/t.shared
	each, inputs := t.o/t.groups, t.c/t.groups*taps
	for ox := range s.out[2] {
		p := oy*s.out[2] + ox
		for k := range sets * taps {
			g, k := k/taps, k%taps
			at := (n*sets+g)*taps + k
			y := T(oy*s.stride[1]-s.before[1]+k/s.kernel[2]*s.dilation[1]) + t.offset[2*at*area+p]
			x := T(ox*s.stride[2]-s.before[2]+k%s.kernel[2]*s.dilation[2]) + t.offset[(2*at+1)*area+p]
			var mask T = 1
			if t.m != nil {
				mask = t.m[at*area+p]
			}
			for c := g * t.shared; c < (g+1)*t.shared; c++ {
				cols[c*taps+k] = sampled(t.x[(n*t.c+c)*h*wide:], h, wide, y, x) * mask
			}
		}
		for o := range t.o {
			var sum T
			if t.b != nil {
				sum = t.b[o]
			}
			for k, v := range cols[o/each*inputs : (o/each+1)*inputs] {
				sum = fma(v, t.w[o*inputs+k], sum)
			}
			t.y[(n*t.o+o)*area+p] = sum
		}
	}
}

// sampled returns the bilinearly interpolated value of an image at (y, x), with zeros around it.
func sampled[T real](p []T, h, w int, y, x T) T {
	if !(y > -1 && y < T(h) && x > -1 && x < T(w)) {
		return 0
	}
	y0, x0 := int(math.Floor(float64(y))), int(math.Floor(float64(x)))
	ly, lx := y-T(y0), x-T(x0)
	var sum T
	for i, a := range [2]T{1 - ly, ly} {
		for j, b := range [2]T{1 - lx, lx} {
			if r, c := y0+i, x0+j; r >= 0 && r < h && c >= 0 && c < w {
				sum += T(T(a*b) * p[r*w+c])
			}
		}
	}
	return sum
}
