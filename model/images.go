package model

import (
	"math"
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// groupNorm normalises groups of channels of each image [N,...,C], so many channels each, by their own mean and variance (Wu, He: Group normalization, ECCV 2018);
// groups of one are instance normalisation.
type groupNorm struct {
	fastOp
	kind       string
	n, c, each int
	gain, bias []float32 // [C]
	eps        float32
}

func (o *groupNorm) Kind() string      { return o.kind }
func (o *groupNorm) scratch(_ int) int { return 2 * o.c }

func (o *groupNorm) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	x, y := in[0].Float32s(), out[0].Float32s()
	scale, shift := e.Floats(o.c), e.Floats(o.c)
	size := len(x) / o.n
	for i := range o.n {
		src := x[i*size:][:size]
		kernels.BatchNormStats(e.Team, shift, scale, src)
		for g := 0; g < o.c; g += o.each {
			mean, variance := joined(shift[g:g+o.each], scale[g:g+o.each])
			inv := 1 / float32(math.Sqrt(float64(variance+o.eps)))
			for k := g; k < g+o.each; k++ {
				scale[k] = float32(o.gain[k] * inv)
				shift[k] = o.bias[k] - float32(mean*scale[k])
			}
		}
		t := normTasks.Get().(*normTask)
		t.scale, t.shift = scale, shift
		t.run(e, y[i*size:][:size], src, o.c, kernels.Act{})
	}
	return nil
}

// joined returns the mean and variance of all of some channels, from their own.
func joined(means, variances []float32) (mean, variance float32) {
	n := float32(len(means))
	for _, m := range means {
		mean += m
	}
	mean /= n
	for i, m := range means {
		variance += variances[i] + float32((m-mean)*(m-mean))
	}
	return mean, variance / n
}

// groupNorm emits the fast form of a normalisation of groups of each channels, whose gain and bias are constants of a number for every wide channels.
func (l *layouts) groupNorm(o *op, each, wide int, eps float32) bool {
	s := o.in[0].shape()
	if n, _ := tensor.Count(s); len(s) < 3 || n == 0 {
		return false
	}
	spread := func(v *val) []float32 {
		f := v.floats()
		if len(f)*wide != s[1] {
			return nil
		}
		y := make([]float32, s[1])
		for i := range y {
			y[i] = f[i/wide]
		}
		return y
	}
	f := &groupNorm{kind: o.op.Kind(), n: s[0], c: s[1], each: each, gain: spread(o.in[1]), bias: spread(o.in[2]), eps: eps}
	if f.gain == nil || f.bias == nil {
		return false
	}
	n := l.emit(o.name, f, []*val{l.nhwc(o.in[0])}, becomes(o.out[0]))
	n.params = o.params
	return true
}

// rowMean is the mean of each row of c numbers.
type rowMean struct {
	fastOp
	c int
}

func (*rowMean) Kind() string { return "ReduceMean" }

func (m *rowMean) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := rowMeanTasks.Get().(*rowMeanTask)
	*t = rowMeanTask{m.c, max(1, mapPiece/m.c), in[0].Float32s(), out[0].Float32s()}
	e.Team.Run(t, (len(t.dst)+t.piece-1)/t.piece)
	*t = rowMeanTask{}
	rowMeanTasks.Put(t)
	return nil
}

type rowMeanTask struct {
	c, piece int // rows of a piece
	src, dst []float32
}

var rowMeanTasks = sync.Pool{New: func() any { return new(rowMeanTask) }}

func (t *rowMeanTask) Tile(i, _ int) {
	n := float32(t.c)
	for r := i * t.piece; r < min((i+1)*t.piece, len(t.dst)); r++ {
		t.dst[r] = kernels.Sum(t.src[r*t.c:][:t.c]) / n
	}
}

// rowMeans emits means along the last axis, or along the channels of an image that has them last.
func (l *layouts) rowMeans(o *op, r *layer.Reduce) bool {
	x := o.in[0]
	s := x.shape()
	if r.Fn != layer.ReduceMean || !x.filled() || len(s) == 0 || len(o.in) < 2 || o.in[1] == nil || !o.in[1].constant() {
		return false
	}
	axes, ok := o.in[1].info.Value.Ints()
	if !ok || len(axes) != 1 {
		return false
	}
	axis := axes[0]
	if axis < 0 {
		axis += len(s)
	}
	switch {
	case x.layout == NHWC && axis == 1:
		if r.KeepDims {
			becomes(o.out[0])
		}
	case axis == len(s)-1:
		x = l.nchw(x)
	default:
		return false
	}
	l.emit(o.name, &rowMean{c: s[axis]}, []*val{x}, o.out[0])
	return true
}

// unfold writes blocks of b x b pixels that lie in the channels of images [N,H,W,C] to where they belong.
type unfold struct {
	fastOp
	b, w, c      int  // w columns of the input, c channels of the output
	columnsFirst bool // channels are split as [C,b,b], else as [b,b,C]
}

func (*unfold) Kind() string { return "DepthToSpace" }

func (u *unfold) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := unfoldTasks.Get().(*unfoldTask)
	t.u, t.src, t.dst = u, in[0].Float32s(), out[0].Float32s()
	e.Team.Run(t, len(t.src)/(u.w*u.c*u.b*u.b))
	*t = unfoldTask{}
	unfoldTasks.Put(t)
	return nil
}

type unfoldTask struct {
	u        *unfold
	src, dst []float32
}

var unfoldTasks = sync.Pool{New: func() any { return new(unfoldTask) }}

// Tile does a row of the input.
func (t *unfoldTask) Tile(y, _ int) {
	u := t.u
	run := u.b * u.c // of an output row, from one input pixel
	src, dst := t.src[y*u.w*run*u.b:][:u.w*run*u.b], t.dst[y*u.w*run*u.b:]
	for i := range u.b {
		row := dst[i*u.w*run:][:u.w*run]
		for x := range u.w {
			to, from := row[x*run:][:run], src[x*run*u.b:][:run*u.b]
			if !u.columnsFirst {
				copy(to, from[i*run:])
				continue
			}
			for j := range u.b {
				for k := range u.c {
					to[j*u.c+k] = from[(k*u.b+i)*u.b+j]
				}
			}
		}
	}
}

// unfold emits a DepthToSpace's fast form.
func (l *layouts) unfold(o *op, d *layer.DepthToSpace) bool {
	s := o.in[0].shape()
	if n, _ := tensor.Count(s); len(s) != 4 || n == 0 {
		return false
	}
	u := &unfold{b: d.B, w: s[3], c: s[1] / (d.B * d.B), columnsFirst: d.ColumnsFirst && s[1] > d.B*d.B}
	l.emit(o.name, u, []*val{l.nhwc(o.in[0])}, becomes(o.out[0]))
	return true
}
