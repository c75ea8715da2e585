package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// MaxPool returns the largest element of each window of [N,C,...]; padding never wins. The optional second output is each one's position
// in the flattened input, counted down columns first if ColumnMajor is set.
type MaxPool struct {
	Window
	ColumnMajor bool
}

func (*MaxPool) Kind() string { return "MaxPool" }

func (m *MaxPool) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32, tensor.Float64, tensor.Int8, tensor.Uint8); err != nil {
		return nil, err
	}
	s, err := m.over(in[0].Shape, m.Kernel)
	if err != nil {
		return nil, err
	}
	shape := s.shape(in[0].Shape[0], in[0].Shape[1], len(m.Kernel))
	if _, err := one(in[0].DType, shape); err != nil {
		return nil, err
	}
	return []Info{{DType: in[0].DType, Shape: shape}, {DType: tensor.Int64, Shape: shape}}, nil
}

func (m *MaxPool) Work(in, out []Info) int64 { return m.work(in, out) }

func (m *MaxPool) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := m.over(in[0].Shape(), m.Kernel)
	if err != nil {
		return err
	}
	var at []int64
	if t := optT(out, 1); t != nil {
		at = t.Int64s()
	}
	if out[0] == nil {
		out = []*tensor.Tensor{tensor.New(in[0].DType(), out[1].Shape()...)}
	}
	if at == nil && poolVolume(e, kernels.PoolMax, &m.Window, &s, false, in[0], out[0]) {
		return nil
	}
	switch in[0].DType() {
	case tensor.Float32:
		maxPool(e, m, &s, in[0].Float32s(), out[0].Float32s(), at, float32(math.Inf(-1)))
	case tensor.Float64:
		maxPool(e, m, &s, tensor.Data[float64](in[0]), tensor.Data[float64](out[0]), at, math.Inf(-1))
	case tensor.Int8:
		maxPool(e, m, &s, tensor.Data[int8](in[0]), tensor.Data[int8](out[0]), at, math.MinInt8)
	case tensor.Uint8:
		maxPool(e, m, &s, tensor.Data[uint8](in[0]), tensor.Data[uint8](out[0]), at, 0)
	}
	return nil
}

func (m *MaxPool) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&MaxPoolGrad{*m}, in[0], out[0], dout[0])}
}

// Plan plans the pooling of volumes.
func (m *MaxPool) Plan(in, out []Info) Op {
	if opt(out, 1).Present() {
		return nil
	}
	return planVolume(m, kernels.PoolMax, &m.Window, false, in, out)
}

func maxPool[T number](e *Env, m *MaxPool, s *span, x, y []T, at []int64, low T) {
	if at == nil && s.kernel[0] <= s.in[0] && s.kernel[1] <= s.in[1] && s.kernel[2] <= s.in[2] {
		t := taskOf[maxTask[T]](e)
		*t = maxTask[T]{*s, x, y, low}
		e.Team.Run(t, len(y)/max(1, s.out[1]*s.out[2]))
		return
	}
	s.windows(len(y)/max(1, s.out[0]*s.out[1]*s.out[2]), func(o, base int, lo, hi *[3]int) {
		best, where := low, -1
		for z := lo[0]; z < hi[0]; z += s.dilation[0] {
			for r := lo[1]; r < hi[1]; r += s.dilation[1] {
				row := base + (z*s.in[1]+r)*s.in[2]
				for c := lo[2]; c < hi[2]; c += s.dilation[2] {
					v := x[row+c]
					if v > best || where < 0 {
						where = row + c
					}
					best = maxOf(best, v)
				}
			}
		}
		y[o] = best
		if at != nil {
			if m.ColumnMajor && where >= 0 {
				p := where - base
				z, r, c := p/(s.in[1]*s.in[2]), p/s.in[2]%s.in[1], p%s.in[2]
				where = base + (c*s.in[1]+r)*s.in[0] + z
			}
			at[o] = int64(where)
		}
	})
}

// maxTask finds the largest elements of windows alone, without their positions. Its tiles are planes of the output.
type maxTask[T number] struct {
	s    span
	x, y []T
	low  T
}

// Tile goes through a line tap by tap; each output still sees its window in row-major order.
func (t *maxTask[T]) Tile(i, _ int) {
	s := &t.s
	z0, size := i%s.out[0]*s.stride[0]-s.before[0], s.in[1]*s.in[2]
	x := t.x[i/s.out[0]*s.in[0]*size:]
	for oy := range s.out[1] {
		y := t.y[(i*s.out[1]+oy)*s.out[2]:][:s.out[2]]
		for p := range y {
			y[p] = t.low
		}
		for k := range s.taps() {
			z := z0 + k/(s.kernel[1]*s.kernel[2])*s.dilation[0]
			r := oy*s.stride[1] - s.before[1] + k/s.kernel[2]%s.kernel[1]*s.dilation[1]
			dx := k%s.kernel[2]*s.dilation[2] - s.before[2]
			lo, hi := s.valid(2, dx)
			if z < 0 || z >= s.in[0] || r < 0 || r >= s.in[1] || lo == hi {
				continue
			}
			from := x[z*size+r*s.in[2]+lo*s.stride[2]+dx:]
			for p, best := range y[lo:hi] {
				if v := from[p*s.stride[2]]; !(best > v) {
					y[lo+p] = v
				}
			}
		}
	}
}

// volume returns the plan of a pooling of float32 [N,C,D,H,W], or nil where the kernels have none.
func (w *Window) volume(kind kernels.PoolKind, s *span, countPad bool, x, y []int) *kernels.VolumePool {
	if len(x) != 5 || sizeOf(x) == 0 || sizeOf(y) == 0 || countPad && w.Ceil && s.dilation != [3]int{1, 1, 1} { // padded counts what lies behind the padding, too
		return nil
	}
	v := kernels.Pool3D{
		Pool2D: kernels.Pool2D{N: x[0], H: s.in[1], W: s.in[2], C: x[1], KH: s.kernel[1], KW: s.kernel[2], SH: s.stride[1], SW: s.stride[2],
			DH: s.dilation[1], DW: s.dilation[2], PT: s.before[1], PL: s.before[2], PB: s.after[1], PR: s.after[2], Ceil: w.Ceil, CountPad: countPad},
		D: s.in[0], KD: s.kernel[0], SD: s.stride[0], DD: s.dilation[0], PF: s.before[0], PK: s.after[0],
	}
	if s.out != [3]int{v.OD(), v.OH(), v.OW()} {
		return nil
	}
	return kernels.NewVolumePool(kind, v)
}

// poolVolume pools, where the kernels can.
func poolVolume(e *Env, kind kernels.PoolKind, w *Window, s *span, countPad bool, x, y *tensor.Tensor) bool {
	if x.DType() != tensor.Float32 {
		return false
	}
	p := w.volume(kind, s, countPad, x.Shape(), y.Shape())
	if p != nil {
		runVolume(e, p, x, y)
	}
	return p != nil
}

// runVolume pools with the channels last between permutations.
func runVolume(e *Env, p *kernels.VolumePool, x, y *tensor.Tensor) {
	from, to := e.Floats(x.Len()), e.Floats(y.Len())
	n, c := x.Dim(0), x.Dim(1)
	kernels.NCHWToNHWC(e.Team, from, x.Float32s(), n, c, x.Len()/(n*c))
	p.Run(e.Team, to, from)
	kernels.NHWCToNCHW(e.Team, y.Float32s(), to, n, y.Len()/(n*c), c)
}

// plannedVolume is a pooling of known sizes.
type plannedVolume struct {
	Op
	plan *kernels.VolumePool
}

func (p *plannedVolume) Forward(e *Env, in, out []*tensor.Tensor) error {
	runVolume(e, p.plan, in[0], out[0])
	return nil
}

func planVolume(op Op, kind kernels.PoolKind, w *Window, countPad bool, in, out []Info) Op {
	s, err := w.over(in[0].Shape, w.Kernel)
	if err != nil || in[0].DType != tensor.Float32 {
		return nil
	}
	if p := w.volume(kind, &s, countPad, in[0].Shape, out[0].Shape); p != nil {
		return &plannedVolume{op, p}
	}
	return nil
}

// windows calls f for each output: its offset, the offset of its channel in the input, and the part of its window that lies inside the
// input; steps within it are dilations.
func (s *span) windows(planes int, f func(o, base int, lo, hi *[3]int)) {
	size, o := s.in[0]*s.in[1]*s.in[2], 0
	var lo, hi [3]int
	clip := func(d, p int) {
		from := p*s.stride[d] - s.before[d]
		hi[d] = min(s.in[d], from+s.extent(d))
		if from < 0 {
			from += (-from + s.dilation[d] - 1) / s.dilation[d] * s.dilation[d]
		}
		lo[d] = from
	}
	for p := range planes {
		for z := range s.out[0] {
			clip(0, z)
			for y := range s.out[1] {
				clip(1, y)
				for x := range s.out[2] {
					clip(2, x)
					f(o, p*size, &lo, &hi)
					o++
				}
			}
		}
	}
}

// AveragePool returns the mean of each window of [N,C,...]. It divides by the number of elements inside the input
// or, with CountPad, inside the padded input; a dilated window then counts whole, as in ONNX's reference. Elements are added in row-major order.
type AveragePool struct {
	Window
	CountPad bool
}

func (*AveragePool) Kind() string { return "AveragePool" }

func (a *AveragePool) Infer(in []Info) ([]Info, error) { return poolInfer(in, &a.Window) }

func poolInfer(in []Info, w *Window) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	s, err := w.over(in[0].Shape, w.Kernel)
	if err != nil {
		return nil, err
	}
	return one(in[0].DType, s.shape(in[0].Shape[0], in[0].Shape[1], len(w.Kernel)))
}

func (a *AveragePool) Work(in, out []Info) int64 { return a.work(in, out) }

func (a *AveragePool) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := a.over(in[0].Shape(), a.Kernel)
	if err != nil {
		return err
	}
	if poolVolume(e, kernels.PoolAvg, &a.Window, &s, a.CountPad, in[0], out[0]) {
		return nil
	}
	if in[0].DType() == tensor.Float64 {
		averagePool(a, &s, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]))
	} else {
		averagePool(a, &s, out[0].Float32s(), in[0].Float32s())
	}
	return nil
}

func (a *AveragePool) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&AveragePoolGrad{*a, t.Info(in[0]).Shape}, dout[0])}
}

// Plan plans the pooling of volumes.
func (a *AveragePool) Plan(in, out []Info) Op {
	return planVolume(a, kernels.PoolAvg, &a.Window, a.CountPad, in, out)
}

func averagePool[T real](a *AveragePool, s *span, y, x []T) {
	s.windows(len(y)/max(1, s.out[0]*s.out[1]*s.out[2]), func(o, base int, lo, hi *[3]int) {
		var sum T
		n := 0
		for z := lo[0]; z < hi[0]; z += s.dilation[0] {
			for r := lo[1]; r < hi[1]; r += s.dilation[1] {
				row := base + (z*s.in[1]+r)*s.in[2]
				for c := lo[2]; c < hi[2]; c += s.dilation[2] {
					sum += x[row+c]
					n++
				}
			}
		}
		if a.CountPad {
			n = s.padded(o)
		}
		if n == 0 { // a dilated window may see padding alone
			n = 1
		}
		y[o] = sum / T(n)
	})
}

// padded counts the elements of output o's window that lie in the input or its padding, or all of a dilated one's, as ONNX's conformance tests have it.
func (s *span) padded(o int) int {
	if s.dilation != [3]int{1, 1, 1} {
		return s.taps()
	}
	n := 1
	for d := 2; d >= 0; d-- {
		from := o%s.out[d]*s.stride[d] - s.before[d]
		o /= s.out[d]
		n *= min(from+s.kernel[d], s.in[d]+s.after[d]) - from
	}
	return n
}

// LpPool returns (Σ |x|ᴾ)^(1/P) of each window of [N,C,...]; P = 2 is L2 pooling.
type LpPool struct {
	Window
	P int
}

func (*LpPool) Kind() string { return "LpPool" }

func (l *LpPool) Infer(in []Info) ([]Info, error) {
	if l.P < 1 {
		return nil, fmt.Errorf("p is %d", l.P)
	}
	return poolInfer(in, &l.Window)
}

func (l *LpPool) Work(in, out []Info) int64 { return l.work(in, out) }

func (l *LpPool) Forward(e *Env, in, out []*tensor.Tensor) error {
	s, err := l.over(in[0].Shape(), l.Kernel)
	if err != nil {
		return err
	}
	if l.P == 2 && poolVolume(e, kernels.PoolL2, &l.Window, &s, false, in[0], out[0]) {
		return nil
	}
	if in[0].DType() == tensor.Float64 {
		lpPool(l, &s, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]))
	} else {
		lpPool(l, &s, out[0].Float32s(), in[0].Float32s())
	}
	return nil
}

func (l *LpPool) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	return []Ref{t.Add(&LpPoolGrad{*l}, in[0], out[0], dout[0])}
}

// Plan plans the pooling of volumes.
func (l *LpPool) Plan(in, out []Info) Op {
	if l.P != 2 {
		return nil
	}
	return planVolume(l, kernels.PoolL2, &l.Window, false, in, out)
}

func lpPool[T real](l *LpPool, s *span, y, x []T) {
	s.windows(len(y)/max(1, s.out[0]*s.out[1]*s.out[2]), func(o, base int, lo, hi *[3]int) {
		var sum T
		for z := lo[0]; z < hi[0]; z += s.dilation[0] {
			for r := lo[1]; r < hi[1]; r += s.dilation[1] {
				row := base + (z*s.in[1]+r)*s.in[2]
				for c := lo[2]; c < hi[2]; c += s.dilation[2] {
					sum = addPower(sum, x[row+c], l.P)
				}
			}
		}
		y[o] = rootOf(sum, l.P)
	})
}

func addPower[T real](sum, v T, p int) T {
	switch p {
	case 1:
		return sum + T(math.Abs(float64(v)))
	case 2:
		return fma(v, v, sum)
	}
	return sum + T(math.Pow(math.Abs(float64(v)), float64(p)))
}

func rootOf[T real](sum T, p int) T {
	switch p {
	case 1:
		return sum
	case 2:
		return root(sum)
	}
	return T(math.Pow(float64(sum), 1/float64(p)))
}

// The poolings over all positions of a channel.
const (
	GlobalAveragePool Fn = "GlobalAveragePool"
	GlobalMaxPool     Fn = "GlobalMaxPool"
	GlobalLpPool      Fn = "GlobalLpPool"
)

// GlobalPool pools each channel of [N,C,...] to one element; positions are taken in row-major order. P is of GlobalLpPool.
type GlobalPool struct {
	Fn Fn
	P  int
}

func (g *GlobalPool) Kind() string { return string(g.Fn) }

func (g *GlobalPool) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 2, tensor.MaxRank); err != nil {
		return nil, err
	}
	if g.Fn == GlobalLpPool && g.P < 1 {
		return nil, fmt.Errorf("p is %d", g.P)
	}
	shape := append([]int{}, in[0].Shape...)
	for i := 2; i < len(shape); i++ {
		if shape[i] == 0 {
			return nil, fmt.Errorf("nothing to pool in %s", in[0])
		}
		shape[i] = 1
	}
	return one(in[0].DType, shape)
}

func (g *GlobalPool) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		globalPool(g, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]))
	} else {
		globalPool(g, out[0].Float32s(), in[0].Float32s())
	}
	return nil
}

func (g *GlobalPool) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	x, y := in[0], out[0]
	if g.Fn == GlobalAveragePool {
		x, y = 0, 0
	}
	return []Ref{t.Add(&GlobalPoolGrad{*g, t.Info(in[0]).Shape}, x, y, dout[0])}
}

func globalPool[T real](g *GlobalPool, y, x []T) {
	n := len(x) / max(1, len(y))
	for o := range y {
		plane := x[o*n : (o+1)*n]
		switch g.Fn {
		case GlobalAveragePool:
			var sum T
			for _, v := range plane {
				sum += v
			}
			y[o] = sum / T(n)
		case GlobalMaxPool:
			top := T(math.Inf(-1))
			for _, v := range plane {
				top = maxOf(top, v)
			}
			y[o] = top
		default:
			var sum T
			for _, v := range plane {
				sum = addPower(sum, v, g.P)
			}
			y[o] = rootOf(sum, g.P)
		}
	}
}
