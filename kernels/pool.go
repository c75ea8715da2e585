package kernels

import (
	"math"
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// The shapes and kinds of pooling.
type (
	Pool2D   = ref.Pool2D
	Pool3D   = ref.Pool3D
	PoolKind = ref.PoolKind
)

const (
	PoolMax = ref.PoolMax
	PoolAvg = ref.PoolAvg
	PoolL2  = ref.PoolL2
)

// GlobalPool is the shape whose only window is the whole picture.
func GlobalPool(n, h, w, c int) Pool2D { return ref.GlobalPool(n, h, w, c) }

// Pool is a pooling planned for one shape. It is immutable and may be shared.
type Pool struct {
	kind          PoolKind
	shape         Pool2D
	oh, ow        int
	rows          []poolRun // one for each output row
	runs          []poolRun // of output columns
	bands, groups int       // of output rows, of channels
}

// poolRun is some neighbouring output rows, columns or planes whose windows are cut alike by the picture's edge.
type poolRun struct {
	first, n int // output positions
	at       int // first input position
	taps     int // positions of a window inside the picture
	count    int // what they contribute to an average's divisor
}

// NewPool plans a pooling.
func NewPool(kind PoolKind, s Pool2D) *Pool {
	if kind < PoolMax || kind > PoolL2 {
		panic("kernels: Pool: unknown kind")
	}
	checkWindow("Pool", &Conv2D{
		N: s.N, H: s.H, W: s.W, C: s.C, KH: s.KH, KW: s.KW, SH: s.SH, SW: s.SW, DH: s.DH, DW: s.DW, PT: s.PT, PL: s.PL, PB: s.PB, PR: s.PR,
	})
	p := &Pool{kind: kind, shape: s, oh: s.OH(), ow: s.OW()}
	p.rows = poolRuns(p.oh, s.KH, s.SH, s.DH, s.PT, s.H, s.PB, s.CountPad, false)
	p.runs = poolRuns(p.ow, s.KW, s.SW, s.DW, s.PL, s.W, s.PR, s.CountPad, true)
	const small = 1 << 13 // vectors of 16 that are worth a tile
	work := s.KH * s.KW * ((s.C + 15) / 16) * p.ow * p.oh
	p.bands = max(1, min(p.oh, work/small))
	if p.bands < 4 {
		p.groups = min(work/small/p.bands, s.C/64)
	}
	p.groups = max(1, p.groups)
	return p
}

// poolRuns cuts n output positions along one axis into runs; if they may not be joined, each is one of its own.
func poolRuns(n, k, stride, dilation, pad, size, padEnd int, countPad, join bool) []poolRun {
	var runs []poolRun
	joined := false // whether the last run's windows begin inside the picture
	for o := range n {
		start := o*stride - pad
		var before, taps, padded int
		for i := range k {
			switch p := start + i*dilation; {
			case p < 0:
				before++
			case p < size:
				taps++
			case p < size+padEnd:
				padded++
			}
		}
		r := poolRun{o, 1, start + before*dilation, taps, taps}
		if countPad {
			r.count += before + padded
		}
		if taps == 0 {
			r.at = 0
		}
		if last := len(runs) - 1; join && before == 0 && taps > 0 && joined && runs[last].taps == taps && runs[last].count == r.count {
			runs[last].n++
			continue
		}
		runs = append(runs, r)
		joined = before == 0 && taps > 0
	}
	return runs
}

// Shape returns what the pooling was planned for.
func (p *Pool) Shape() Pool2D { return p.shape }

// VolumePool is a pooling of volumes planned for one shape. It is immutable and may be shared.
type VolumePool struct {
	plane  *Pool
	planes []poolRun // one for each output plane
	shape  Pool3D
}

// NewVolumePool plans a pooling of volumes.
func NewVolumePool(kind PoolKind, s Pool3D) *VolumePool {
	checkWindow("VolumePool", &Conv2D{
		N: s.N, H: s.D, W: s.W, C: s.C, KH: s.KD, KW: s.KW, SH: s.SD, SW: s.SW, DH: s.DD, DW: s.DW, PT: s.PF, PL: s.PL, PB: s.PK, PR: s.PR,
	})
	plane := NewPool(kind, s.Pool2D)
	checkVolume("VolumePool", s.N, s.C, s.D, s.H, s.W, s.OD(), plane.oh, plane.ow)
	return &VolumePool{plane, poolRuns(s.OD(), s.KD, s.SD, s.DD, s.PF, s.D, s.PK, s.CountPad, false), s}
}

// Run computes dst[n,z,y,x,c] as Pool.Run does, from windows of three dimensions. It returns the bits of ref.PoolVolume.
//
// src is [N,D,H,W,C], dst is [N,OD,OH,OW,C]; they do not overlap.
func (p *VolumePool) Run(t *Team, dst, src []float32) {
	p.plane.over(t, dst, src, p.planes, p.shape.D, p.shape.DD)
}

// flat is the planes of a picture: one.
var flat = []poolRun{{n: 1, taps: 1, count: 1}}

// poolTask is a pooling being computed. Its tiles are output planes by bands of rows by groups of channels.
type poolTask struct {
	plan     *Pool
	planes   []poolRun
	depth    int // input planes
	dilation int // of planes
	isa      ISA
	dst, src *float32
}

var poolTasks = poolOf[poolTask]()

// Run computes dst[n,y,x,c], the maximum, the average or the square root of the sum of squares over the window at src[n,y·SH-PT,x·SW-PL,c].
// It returns the bits of ref.Pool.
//
// src is [N,H,W,C], dst is [N,OH,OW,C]; they do not overlap.
func (p *Pool) Run(t *Team, dst, src []float32) { p.over(t, dst, src, flat, 1, 1) }

// over computes output planes from depth input planes.
func (p *Pool) over(t *Team, dst, src []float32, planes []poolRun, depth, dilation int) {
	s := &p.shape
	in, out := s.N*depth*s.H*s.W*s.C, s.N*len(planes)*p.oh*p.ow*s.C
	if len(src) < in {
		panic("kernels: Pool.Run: src too short")
	}
	if len(dst) < out {
		panic("kernels: Pool.Run: dst too short")
	}
	if !disjoint(dst[:out], src[:in]) {
		panic("kernels: Pool.Run: dst overlaps src")
	}
	if s.N == 0 {
		return
	}
	task := poolTasks.Get().(*poolTask)
	*task = poolTask{p, planes, depth, dilation, use[OpPool], &dst[0], &src[0]}
	t.Run(task, s.N*len(planes)*p.bands*p.groups)
	*task = poolTask{}
	poolTasks.Put(task)
}

// callTaps bounds a call of a kernel to some tens of microseconds: vectors of four channels times positions.
const callTaps = 1 << 16

// Tile computes a band of rows of a group of channels of an output plane.
func (k *poolTask) Tile(i, _ int) {
	p, s := k.plan, &k.plan.shape
	o, i := i/(p.bands*p.groups), i%(p.bands*p.groups)
	plane := &k.planes[o%len(k.planes)]
	first := o/len(k.planes)*k.depth + plane.at
	g, band := i%p.groups, i/p.groups
	from, to := s.C*g/p.groups, s.C*(g+1)/p.groups
	if p.groups > 1 {
		from, to = from&^15, to&^15
		if g == p.groups-1 {
			to = s.C
		}
	}
	a := asm.PoolArgs{
		Channels: to - from, Row: 4 * s.DH * s.W * s.C, Col: 4 * s.DW * s.C, Step: 4 * s.SW * s.C, Out: 4 * s.C,
	}
	for y := p.oh * band / p.bands; y < p.oh*(band+1)/p.bands; y++ {
		r := &p.rows[y]
		for x := range p.runs {
			c := &p.runs[x]
			a.KH, a.KW = r.taps, c.taps
			if plane.taps == 0 || r.taps == 0 || c.taps == 0 {
				a.KH, a.KW = 0, 1
			}
			a.Count = float32(max(1, plane.count*r.count*c.count))
			a.Dst = add(k.dst, 4*(((o*p.oh+y)*p.ow+c.first)*s.C+from))
			for z, last := 0, max(0, plane.taps-1); z <= last; z++ {
				a.Src = add(k.src, 4*((((first+z*k.dilation)*s.H+r.at)*s.W+c.at)*s.C+from))
				a.Load, a.Part = min(z, 1), min(last-z, 1)
				k.run(&a, c.n)
			}
		}
	}
}

// run computes n output pixels, in calls of bounded work.
func (k *poolTask) run(a *asm.PoolArgs, n int) {
	chunks := (a.Channels + 3) / 4
	if rows := callTaps / (a.KW * chunks); a.KH > max(1, rows) {
		k.parts(a, n, max(1, rows))
		return
	}
	per := max(1, callTaps/(max(1, a.KH)*a.KW*chunks))
	src, dst := a.Src, a.Dst
	for x := 0; x < n; x += per {
		a.Pixels = min(per, n-x)
		a.Src, a.Dst = add(src, x*a.Step), add(dst, x*a.Out)
		poolCall(k.isa, k.plan.kind, a)
	}
}

// parts computes output pixels whose windows are taken some rows at a time.
func (k *poolTask) parts(whole *asm.PoolArgs, n, rows int) {
	a := *whole
	a.Pixels = 1
	for x := range n {
		a.Dst = add(whole.Dst, x*a.Out)
		for i := 0; i < whole.KH; i += rows {
			a.Src = add(whole.Src, x*a.Step+i*a.Row)
			a.KH = min(rows, whole.KH-i)
			a.Load, a.Part = whole.Load, whole.Part
			if i > 0 {
				a.Load = 1
			}
			if i+rows < whole.KH {
				a.Part = 1
			}
			poolCall(k.isa, k.plan.kind, &a)
		}
	}
}

// poolGeneric is the kernel in plain Go.
func poolGeneric(kind PoolKind, a *asm.PoolArgs) {
	at := func(p *float32, bytes int) []float32 {
		return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(p), bytes)), a.Channels)
	}
	for x := range a.Pixels {
		dst := at(a.Dst, x*a.Out)
		if a.Load == 0 {
			var start float32
			if kind == PoolMax {
				start = float32(math.Inf(-1))
			}
			for c := range dst {
				dst[c] = start
			}
		}
		for i := range a.KH {
			for j := range a.KW {
				src := at(a.Src, x*a.Step+i*a.Row+j*a.Col)
				switch kind {
				case PoolMax:
					for c, v := range src {
						dst[c] = ref.Max(dst[c], v)
					}
				case PoolAvg:
					for c, v := range src {
						dst[c] += v
					}
				case PoolL2:
					for c, v := range src {
						dst[c] = ref.FMA32(v, v, dst[c])
					}
				}
			}
		}
		if a.Part != 0 {
			continue
		}
		switch kind {
		case PoolAvg:
			for c := range dst {
				dst[c] /= a.Count
			}
		case PoolL2:
			for c, v := range dst {
				dst[c] = float32(math.Sqrt(float64(v)))
			}
		}
	}
}

// checkPool compares the pooling kernels with ref.
func checkPool() bool {
	r := checkRand(1)
	for kind := PoolMax; kind <= PoolL2; kind++ {
		for _, c := range []int{3, 93} {
			s := Pool2D{N: 1, H: 4, W: 5, C: c, KH: 3, KW: 2, SH: 2, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1}
			p := NewPool(kind, s)
			src := r.fill(s.H * s.W * c)
			got, want := make([]float32, p.oh*p.ow*c), make([]float32, p.oh*p.ow*c)
			p.Run(nil, got, src)
			ref.Pool(want, src, kind, &s)
			if !sameBits(got, want) {
				return false
			}
		}
	}
	return true
}
