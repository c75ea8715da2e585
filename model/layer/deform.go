package layer

import (
	"fmt"
	"math"
	"slices"

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
	if err != nil || out[0].Len() == 0 {
		return err
	}
	if in[0].DType() == tensor.Float64 {
		deform[float64](e, c, s, in, out[0])
	} else {
		deform[float32](e, c, s, in, out[0])
	}
	return nil
}

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
