package model

import (
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// instanceNorm normalises each channel of each image [N,...,C] by its own mean and variance (Ulyanov, Vedaldi, Lempitsky: Instance normalization, 2016).
type instanceNorm struct {
	fastOp
	n, c       int
	gain, bias []float32
	eps        float32
}

func (*instanceNorm) Kind() string        { return "InstanceNormalization" }
func (o *instanceNorm) scratch(_ int) int { return 2 * o.c }

func (o *instanceNorm) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	x, y := in[0].Float32s(), out[0].Float32s()
	scale, shift := e.Floats(o.c), e.Floats(o.c)
	size := len(x) / o.n
	for i := range o.n {
		t := instanceTasks.Get().(*instanceTask)
		*t = instanceTask{y[i*size:][:size], x[i*size:][:size], scale, shift, max(1, mapPiece/o.c) * o.c}
		kernels.BatchNormStats(e.Team, shift, scale, t.src)
		for k, mean := range shift {
			scale[k] = float32(o.gain[k] / ref.Sqrt(scale[k]+o.eps))
			shift[k] = ref.FMA32(-mean, scale[k], o.bias[k])
		}
		e.Team.Run(t, (size+t.piece-1)/t.piece)
		*t = instanceTask{}
		instanceTasks.Put(t)
	}
	return nil
}

type instanceTask struct {
	dst, src, scale, shift []float32
	piece                  int
}

var instanceTasks = sync.Pool{New: func() any { return new(instanceTask) }}

func (t *instanceTask) Tile(i, _ int) {
	from, to := i*t.piece, min((i+1)*t.piece, len(t.dst))
	kernels.ScaleShift(t.dst[from:to], t.src[from:to], t.scale, t.shift, kernels.Act{})
}

// instanceNorm emits an instance normalisation's fast form.
func (l *layouts) instanceNorm(o *op, f *layer.InstanceNorm) bool {
	s := o.in[0].shape()
	gain, bias := o.in[1].floats(), o.in[2].floats()
	if n, _ := tensor.Count(s); len(s) < 3 || n == 0 || len(gain) != s[1] || len(bias) != s[1] {
		return false
	}
	n := l.emit(o.name, &instanceNorm{n: s[0], c: s[1], gain: gain, bias: bias, eps: float32(f.Epsilon)}, []*val{l.nhwc(o.in[0])}, becomes(o.out[0]))
	n.params = o.params
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
