package layer

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// ConvInputGrad computes dx of a Conv from dy and w: dx[n,c,p·stride + k·dilation - pad] += dy[n,o,p]·w[o,c,k], dx being of Shape.
// The sum goes over k in row-major order and within it over o, as ConvTranspose's does.
type ConvInputGrad struct {
	Conv  Conv
	Shape []int
}

func (*ConvInputGrad) Kind() string { return "ConvInputGrad" }

// turned is the convolution's span with input and output exchanged.
func (g *ConvInputGrad) turned(w []int) (span, error) {
	s, err := g.Conv.over(g.Shape, w)
	s.in, s.out = s.out, s.in
	return s, err
}

func (g *ConvInputGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s, err := g.turned(in[1].Shape)
	if err != nil {
		return nil, err
	}
	dy := span{out: s.in}
	if err := isShape(in, 0, dy.shape(g.Shape[0], in[1].Shape[0], len(g.Shape)-2)); err != nil {
		return nil, err
	}
	return one(in[0].DType, g.Shape)
}

func (g *ConvInputGrad) MACs(in, _ []Info) int64 {
	return int64(sizeOf(in[0].Shape)) * int64(sizeOf(in[1].Shape[1:]))
}

func (g *ConvInputGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := g.turned(in[1].Shape())
	if err != nil {
		return err
	}
	deconvolve(e, s, g.Conv.Groups, in, out[0])
	return nil
}

// ConvWeightGrad computes dw of a Conv from x and dy: dw[o,c,k] = Σ_{n,p} dy[n,o,p]·x[n, g·C/G+c, p·stride + k·dilation - pad], dw being of
// Shape [O,C/G,...]. The sum is kept in float64, images and positions in order.
type ConvWeightGrad struct {
	Conv  Conv
	Shape []int
}

func (*ConvWeightGrad) Kind() string { return "ConvWeightGrad" }

func (g *ConvWeightGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s, err := g.Conv.over(in[0].Shape, g.Shape)
	if err != nil {
		return nil, err
	}
	if err := isShape(in, 1, s.shape(in[0].Shape[0], g.Shape[0], len(g.Shape)-2)); err != nil {
		return nil, err
	}
	return one(in[0].DType, g.Shape)
}

func (g *ConvWeightGrad) MACs(in, _ []Info) int64 {
	return int64(sizeOf(in[1].Shape)) * int64(sizeOf(g.Shape[1:]))
}

func (g *ConvWeightGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := g.Conv.over(in[0].Shape(), g.Shape)
	if err != nil {
		return err
	}
	if in[0].DType() == tensor.Float64 {
		convWeights[float64](e, g, s, in, out[0])
	} else {
		convWeights[float32](e, g, s, in, out[0])
	}
	return nil
}

func convWeights[T real](e *Env, g *ConvWeightGrad, s span, in []*tensor.Tensor, out *tensor.Tensor) {
	t := taskOf[convWeightTask[T]](e)
	*t = convWeightTask[T]{s: s, n: in[0].Dim(0), c: in[0].Dim(1), o: in[1].Dim(1), cg: g.Shape[1], groups: g.Conv.Groups,
		x: tensor.Data[T](in[0]), dy: tensor.Data[T](in[1]), dw: tensor.Data[T](out)}
	e.Team.Run(t, g.Shape[0]*g.Shape[1])
}

// convWeightTask computes the window of one output and one input channel per tile.
type convWeightTask[T real] struct {
	s                   span
	n, c, o, cg, groups int
	x, dy, dw           []T
}

func (t *convWeightTask[T]) Tile(i, _ int) {
	s := &t.s
	o := i / t.cg
	c := o/(t.o/t.groups)*t.cg + i%t.cg
	size, area, taps := s.in[0]*s.in[1]*s.in[2], s.out[0]*s.out[1]*s.out[2], s.taps()
	for k := range taps {
		dz := k/(s.kernel[1]*s.kernel[2])*s.dilation[0] - s.before[0]
		dy := k/s.kernel[2]%s.kernel[1]*s.dilation[1] - s.before[1]
		dx := k%s.kernel[2]*s.dilation[2] - s.before[2]
		z0, z1 := s.valid(0, dz)
		y0, y1 := s.valid(1, dy)
		x0, x1 := s.valid(2, dx)
		sum := 0.0
		for n := range t.n {
			x, g := t.x[(n*t.c+c)*size:(n*t.c+c+1)*size], t.dy[(n*t.o+o)*area:(n*t.o+o+1)*area]
			for oz := z0; oz < z1; oz++ {
				for oy := y0; oy < y1; oy++ {
					row := ((oz*s.stride[0]+dz)*s.in[1]+oy*s.stride[1]+dy)*s.in[2] + dx
					at := (oz*s.out[1] + oy) * s.out[2]
					for ox := x0; ox < x1; ox++ {
						sum += float64(float64(g[at+ox]) * float64(x[row+ox*s.stride[2]]))
					}
				}
			}
		}
		t.dw[i*taps+k] = T(sum)
	}
}

// LocalInputGrad computes dx of a LocallyConnected layer from dy and w; dx is of Shape. Sums are kept in float64.
type LocalInputGrad struct {
	Local LocallyConnected
	Shape []int
}

func (*LocalInputGrad) Kind() string { return "LocalInputGrad" }

func (g *LocalInputGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s, err := g.Local.over(g.Shape, in[1].Shape)
	if err != nil {
		return nil, err
	}
	if err := isShape(in, 0, s.shape(g.Shape[0], in[1].Shape[2], 2)); err != nil {
		return nil, err
	}
	return one(in[0].DType, g.Shape)
}

func (g *LocalInputGrad) MACs(in, _ []Info) int64 {
	return int64(g.Shape[0]) * int64(sizeOf(in[1].Shape))
}

func (g *LocalInputGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := g.Local.over(g.Shape, in[1].Shape())
	if err != nil {
		return err
	}
	if in[0].DType() == tensor.Float64 {
		localInput[float64](&s, in, out[0])
	} else {
		localInput[float32](&s, in, out[0])
	}
	return nil
}

func localInput[T real](s *span, in []*tensor.Tensor, out *tensor.Tensor) {
	dy, w, dx := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	n, c, o := out.Dim(0), out.Dim(1), in[1].Dim(2)
	size, area, taps := s.in[1]*s.in[2], s.out[1]*s.out[2], s.taps()
	sum := make([]float64, size)
	for i := range n * c {
		img, q := i/c, i%c
		clear(sum)
		for p := range area {
			for k := range taps {
				y, x, inside := s.tap(p, k)
				if !inside {
					continue
				}
				at := y*s.in[2] + x
				for ch := range o {
					sum[at] += float64(float64(dy[(img*o+ch)*area+p]) * float64(w[((p*o+ch)*c+q)*taps+k]))
				}
			}
		}
		for j, v := range sum {
			dx[i*size+j] = T(v)
		}
	}
}

// LocalWeightGrad computes dw of a LocallyConnected layer from x and dy; dw is of Shape [OH,OW,O,C,KH,KW]. Sums over images are kept in float64.
type LocalWeightGrad struct {
	Local LocallyConnected
	Shape []int
}

func (*LocalWeightGrad) Kind() string { return "LocalWeightGrad" }

func (g *LocalWeightGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s, err := g.Local.over(in[0].Shape, g.Shape)
	if err != nil {
		return nil, err
	}
	if err := isShape(in, 1, s.shape(in[0].Shape[0], g.Shape[2], 2)); err != nil {
		return nil, err
	}
	return one(in[0].DType, g.Shape)
}

func (g *LocalWeightGrad) MACs(in, _ []Info) int64 {
	return int64(in[0].Shape[0]) * int64(sizeOf(g.Shape))
}

func (g *LocalWeightGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := g.Local.over(in[0].Shape(), g.Shape)
	if err != nil {
		return err
	}
	if in[0].DType() == tensor.Float64 {
		localWeights[float64](&s, in, out[0])
	} else {
		localWeights[float32](&s, in, out[0])
	}
	return nil
}

func localWeights[T real](s *span, in []*tensor.Tensor, out *tensor.Tensor) {
	x, dy, dw := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	n, c, o := in[0].Dim(0), in[0].Dim(1), in[1].Dim(1)
	size, area, taps := s.in[1]*s.in[2], s.out[1]*s.out[2], s.taps()
	for i := range dw {
		k, q, ch, p := i%taps, i/taps%c, i/taps/c%o, i/taps/c/o
		iy, ix, inside := s.tap(p, k)
		sum := 0.0
		for img := 0; img < n && inside; img++ {
			sum += float64(float64(dy[(img*o+ch)*area+p]) * float64(x[(img*c+q)*size+iy*s.in[2]+ix]))
		}
		dw[i] = T(sum)
	}
}

// isShape checks the shape of input i.
func isShape(in []Info, i int, shape []int) error {
	if tensor.FormatShape(in[i].Shape) != tensor.FormatShape(shape) {
		return fmt.Errorf("input %d is %s where %s is expected", i, in[i], tensor.FormatShape(shape))
	}
	return nil
}
