package model

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// channels copies runs of channels at every position of images with channels last.
type channels struct {
	fastOp
	kind string
	size int   // bytes of an element: 1 or 4
	out  int   // channels of the output
	runs []run // of each input
	join bool  // two inputs are interleaved instead of laid one after the other
}

// run is some channels of an input of c channels.
type run struct{ from, n, c int }

func (o *channels) Kind() string { return o.kind }

func (o *channels) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := channelTasks.Get().(*channelTask)
	t.o, t.dst = o, out[0].Raw()
	t.src = t.src[:0]
	for _, x := range in {
		t.src = append(t.src, x.Raw())
	}
	t.rows = out[0].Len() / o.out
	t.piece = max(1, mapPiece/o.out)
	e.Team.Run(t, (t.rows+t.piece-1)/t.piece)
	clear(t.src)
	t.o, t.dst = nil, nil
	channelTasks.Put(t)
	return nil
}

type channelTask struct {
	o           *channels
	dst         []byte
	src         [][]byte
	rows, piece int
}

var channelTasks = sync.Pool{New: func() any { return new(channelTask) }}

func (t *channelTask) Tile(i, _ int) {
	o := t.o
	from, to := i*t.piece, min((i+1)*t.piece, t.rows)
	if o.join {
		a, b := o.runs[0], o.runs[1]
		for r := from; r < to; r++ {
			dst, x, y := t.dst[r*o.out*o.size:][:o.out*o.size], a.of(t.src[0], r, o.size), b.of(t.src[1], r, o.size)
			if o.size == 1 {
				joinBytes(dst, x, y)
			} else {
				kernels.Join2(tensor.Slice[float32](dst, o.out), tensor.Slice[float32](x, a.n), tensor.Slice[float32](y, b.n))
			}
		}
		return
	}
	at := 0
	for k, s := range o.runs {
		for r := from; r < to; r++ {
			copy(t.dst[(r*o.out+at)*o.size:], s.of(t.src[k], r, o.size))
		}
		at += s.n
	}
}

// of returns the run at the r-th position of src, whose elements have size bytes.
func (s *run) of(src []byte, r, size int) []byte { return src[(r*s.c+s.from)*size:][:s.n*size] }

// joinBytes writes a and b, of one length, in turns.
func joinBytes(dst, a, b []byte) {
	for len(a) >= 4 {
		binary.LittleEndian.PutUint64(dst, everyOther(binary.LittleEndian.Uint32(a))|everyOther(binary.LittleEndian.Uint32(b))<<8)
		dst, a, b = dst[8:], a[4:], b[4:]
	}
	for i, v := range a {
		dst[2*i], dst[2*i+1] = v, b[i]
	}
}

// everyOther puts a byte of zeros behind each byte.
func everyOther(x uint32) uint64 {
	y := uint64(x)
	y = (y | y<<16) & 0x0000ffff0000ffff
	return (y | y<<8) & 0x00ff00ff00ff00ff
}

// movable says whether channels moves elements of a type.
func movable(d tensor.DType) bool {
	return d == tensor.Float32 || d == tensor.Uint8 || d == tensor.Int8
}

// channelsOf is the number of channels of an image, and whether it has elements at all.
func channelsOf(v *val) (c int, ok bool) {
	s := v.shape()
	n, _ := tensor.Count(s)
	if len(s) < 3 || n == 0 {
		return 0, false
	}
	return s[1], true
}

// concat emits a concatenation of channels.
func (l *layouts) concat(o *op, axis int) bool {
	if axis != 1 && axis != 1-len(o.out[0].info.Shape) {
		return false
	}
	f := &channels{kind: "Concat", size: o.out[0].info.DType.Size()}
	in := make([]*val, len(o.in))
	for i, v := range o.in {
		c, ok := channelsOf(v)
		if !ok {
			return false
		}
		f.runs = append(f.runs, run{0, c, c})
		f.out += c
		in[i] = v
	}
	for i, v := range in {
		in[i] = l.nhwc(v)
	}
	l.emit(o.name, f, in, becomes(o.out[0]))
	return true
}

// pieces returns the runs of channels that an operation gives its outputs, where that is all it does.
func pieces(o *op) []run {
	if len(o.in) == 0 || o.in[0] == nil || !movable(o.in[0].info.DType) {
		return nil
	}
	c, ok := channelsOf(o.in[0])
	rank := len(o.in[0].info.Shape)
	if !ok {
		return nil
	}
	switch f := o.op.(type) {
	case *layer.Split:
		if f.Axis != 1 && f.Axis != 1-rank {
			return nil
		}
		var runs []run
		at := 0
		for _, v := range o.out {
			if v == nil {
				return nil
			}
			n := v.info.Shape[1]
			runs = append(runs, run{at, n, c})
			at += n
		}
		return runs
	case *layer.Slice:
		for _, v := range o.in[1:] {
			if v != nil && !v.constant() {
				return nil
			}
		}
		get := func(i int) []int {
			if i < len(o.in) && o.in[i] != nil {
				v, _ := o.in[i].info.Value.Ints()
				return v
			}
			return nil
		}
		start, axes, steps := get(1), get(3), get(4)
		if len(start) != 1 || len(axes) != 1 || axes[0] != 1 && axes[0] != 1-rank || steps != nil && steps[0] != 1 {
			return nil
		}
		from := start[0]
		if from < 0 {
			from += c
		}
		from = min(max(from, 0), c)
		return []run{{from, o.out[0].info.Shape[1], c}}
	}
	return nil
}

// cut emits pieces of the channels of an image.
func (l *layouts) cut(o *op) bool {
	runs := pieces(o)
	if runs == nil {
		return false
	}
	if slices.ContainsFunc(runs, func(r run) bool { return r.n == 0 }) {
		return false
	}
	x := l.nhwc(o.in[0])
	for i, v := range o.out {
		l.emit(o.name, &channels{kind: o.op.Kind(), size: x.info.DType.Size(), out: runs[i].n, runs: runs[i : i+1]}, []*val{x}, becomes(v))
	}
	return true
}

// shuffle recognises a channel shuffle (Zhang, Zhou, Lin, Sun: ShuffleNet, CVPR 2018): [N,C,H,W] seen as [N,G,C/G,H,W], its group axes exchanged,
// and seen as [N,C,H,W] again. Two groups that were concatenated for it are interleaved from where they lie, and halves that are all anybody reads
// of the result are written as such.
func (l *layouts) shuffle(o *op) bool {
	x, mid := o.in[0], o.out[0]
	if x.layout != NHWC || len(mid.info.Shape) != 5 || l.uses[mid] != 1 || !movable(x.info.DType) {
		return false
	}
	s, five := x.shape(), mid.info.Shape
	if n, _ := tensor.Count(s); len(s) != 4 || n == 0 || five[0] != s[0] || five[1]*five[2] != s[1] || five[3] != s[2] || five[4] != s[3] {
		return false
	}
	t := l.reader(mid)
	if t == nil {
		return false
	}
	if tr, ok := t.op.(*layer.Transpose); !ok || !slices.Equal(tr.Perm, []int{0, 2, 1, 3, 4}) || l.uses[t.out[0]] != 1 {
		return false
	}
	back := l.reader(t.out[0])
	if back == nil {
		return false
	}
	if _, ok := back.op.(*layer.Reshape); !ok || !slices.Equal(back.out[0].info.Shape, s) {
		return false
	}
	if five[1] != 2 {
		return false
	}
	half := s[1] / 2
	in, runs := []*val{x, x}, []run{{0, half, s[1]}, {half, half, s[1]}}
	if c, ok := x.def.op.(*channels); ok && c.kind == "Concat" && len(c.runs) == 2 && c.runs[0].n == half && l.uses[x] == 1 {
		in = x.def.in
		runs = []run{{0, half, half}, {0, half, half}}
		l.ops = slices.DeleteFunc(l.ops, func(o *op) bool { return o == x.def })
	}
	l.skip[t], l.skip[back] = true, true
	y := back.out[0]
	emit := func(name string, from, n int, out *val) {
		a, b := runs[0], runs[1]
		a.from, b.from, a.n, b.n = a.from+from, b.from+from, n, n
		l.emit(name, &channels{kind: "ChannelShuffle", size: x.info.DType.Size(), out: 2 * n, runs: []run{a, b}, join: true}, in, becomes(out))
	}
	if half%2 == 0 {
		if halves := l.halves(y); halves != nil {
			emit(o.name, 0, half/2, halves[0])
			emit(o.name, half/2, half/2, halves[1])
			return true
		}
	}
	emit(o.name, 0, half, y)
	return true
}

// deal emits what deals the channels of an image out to two: those with even numbers, and those with odd ones. Networks write it as [N,C,H,W] seen as
// [N·C/2,2,H·W], its first axes exchanged, and two Gathers from [2,N,C/2,H,W].
func (l *layouts) deal(o *op) bool {
	x, mid := o.in[0], o.out[0]
	s := x.shape()
	if x.layout != NHWC || x.info.DType != tensor.Float32 || len(s) != 4 || s[1]%2 != 0 || l.uses[mid] != 1 ||
		!slices.Equal(mid.info.Shape, []int{s[0] * s[1] / 2, 2, s[2] * s[3]}) {
		return false
	}
	t := l.reader(mid)
	if t == nil {
		return false
	}
	if tr, ok := t.op.(*layer.Transpose); !ok || !slices.Equal(tr.Perm, []int{1, 0, 2}) || l.uses[t.out[0]] != 1 {
		return false
	}
	pair := l.reader(t.out[0])
	half := []int{s[0], s[1] / 2, s[2], s[3]}
	if pair == nil || !slices.Equal(pair.out[0].info.Shape, append([]int{2}, half...)) || l.uses[pair.out[0]] != 2 {
		return false
	}
	if _, ok := pair.op.(*layer.Reshape); !ok {
		return false
	}
	out := make([]*val, 2)
	var takes []*op
	for _, r := range l.rest {
		if !slices.Contains(r.in, pair.out[0]) {
			continue
		}
		g, ok := r.op.(*layer.Gather)
		if !ok || g.Axis != 0 || r.in[0] != pair.out[0] || !r.in[1].constant() || !slices.Equal(r.out[0].info.Shape, half) {
			return false
		}
		at, ok := r.in[1].info.Value.Ints()
		if !ok || len(at) != 1 || at[0] < 0 || at[0] > 1 || out[at[0]] != nil {
			return false
		}
		out[at[0]] = r.out[0]
		takes = append(takes, r)
	}
	if len(takes) != 2 {
		return false
	}
	for _, r := range append(takes, t, pair) {
		l.skip[r] = true
	}
	l.emit(o.name, &dealt{}, []*val{x}, becomes(out[0]), becomes(out[1]))
	return true
}

// dealt copies every other number to the first output and the rest to the second.
type dealt struct{ fastOp }

func (*dealt) Kind() string { return "Deal" }

func (*dealt) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	t := dealtTasks.Get().(*dealtTask)
	t.src, t.even, t.odd = in[0].Float32s(), out[0].Float32s(), out[1].Float32s()
	e.Team.Run(t, (len(t.even)+mapPiece-1)/mapPiece)
	*t = dealtTask{}
	dealtTasks.Put(t)
	return nil
}

type dealtTask struct{ src, even, odd []float32 }

var dealtTasks = sync.Pool{New: func() any { return new(dealtTask) }}

func (t *dealtTask) Tile(i, _ int) {
	from, to := i*mapPiece, min((i+1)*mapPiece, len(t.even))
	kernels.Split2(t.even[from:to], t.odd[from:to], t.src[2*from:2*to])
}

// reader returns the first operation to come that reads v as its first input.
func (l *layouts) reader(v *val) *op {
	for _, o := range l.rest {
		if len(o.in) > 0 && o.in[0] == v && !l.skip[o] {
			return o
		}
	}
	return nil
}

// halves returns the two halves of v's channels, where nothing else of it is read, and leaves out the operations that cut them.
func (l *layouts) halves(v *val) []*val {
	out := make([]*val, 2)
	var cuts []*op
	half := v.info.Shape[1] / 2
	for _, o := range l.rest {
		if !slices.Contains(o.in, v) || l.skip[o] {
			continue
		}
		runs := pieces(o)
		if runs == nil {
			return nil
		}
		for i, r := range runs {
			if r.n != half || r.from%half != 0 || out[r.from/half] != nil {
				return nil
			}
			out[r.from/half] = o.out[i]
		}
		cuts = append(cuts, o)
	}
	if out[0] == nil || out[1] == nil || len(cuts) != l.uses[v] {
		return nil
	}
	for _, o := range cuts {
		l.skip[o] = true
	}
	return out
}
