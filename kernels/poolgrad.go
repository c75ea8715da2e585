package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/kernels/ref"
)

// poolGradArgs are some neighbouring output pixels whose windows have the same size. Steps are in bytes.
type poolGradArgs struct {
	dx, x, y, dy *float32
	channels     int
	kh, kw       int // positions of a window inside the picture
	row, col     int // from one position of a window to the next
	pixels       int
	step, out    int // from one pixel to the next, of dx and x, of y and dy
	count        float32
}

// poolGradTask is the gradient of a pooling being computed. Its tiles are pictures by groups of channels.
type poolGradTask struct {
	plan         *Pool
	groups       int
	dx, dy, x, y *float32
}

var poolGradTasks = poolOf[poolGradTask]()

// Grad computes the gradient dx of Run's src from dy, the gradient of its result y = dst; x is src. For PoolMax dy goes to the first position of a window whose
// value is y; PoolAvg reads neither x nor y, which may be nil. It returns the bits of ref.PoolGrad.
//
// x and dx are [N,H,W,C], y and dy are [N,OH,OW,C]; dx overlaps none.
func (p *Pool) Grad(t *Team, dx, dy, x, y []float32) {
	s := &p.shape
	in, out := s.N*s.H*s.W*s.C, s.N*p.oh*p.ow*s.C
	if p.kind == PoolAvg {
		x, y = dx, dy // not read
	}
	switch {
	case len(dx) < in:
		panic("kernels: Pool.Grad: dx too short")
	case len(x) < in:
		panic("kernels: Pool.Grad: x too short")
	case len(dy) < out:
		panic("kernels: Pool.Grad: dy too short")
	case len(y) < out:
		panic("kernels: Pool.Grad: y too short")
	case !disjoint(dx[:in], dy[:out]) || !disjoint(dx[:in], y[:out]) || p.kind != PoolAvg && !disjoint(dx[:in], x[:in]):
		panic("kernels: Pool.Grad: dx overlaps another argument")
	}
	if s.N == 0 {
		return
	}
	const tiles, vector = 8, 16 // worth sharing, channels that stay together
	groups := max(1, min(s.C/vector, (tiles+s.N-1)/s.N))
	k := poolGradTasks.Get().(*poolGradTask)
	*k = poolGradTask{p, groups, &dx[0], &dy[0], &x[0], &y[0]}
	t.Run(k, s.N*groups)
	*k = poolGradTask{}
	poolGradTasks.Put(k)
}

// Tile computes a group of channels of a picture. Rows of dx are cleared before the first window that holds them.
func (k *poolGradTask) Tile(i, _ int) {
	p, s := k.plan, &k.plan.shape
	n, g := i/k.groups, i%k.groups
	from, to := s.C*g/k.groups&^15, s.C*(g+1)/k.groups&^15
	if g == k.groups-1 {
		to = s.C
	}
	a := poolGradArgs{channels: to - from, row: 4 * s.DH * s.W * s.C, col: 4 * s.DW * s.C, step: 4 * s.SW * s.C, out: 4 * s.C}
	cleared := 0
	for y := range p.oh {
		r := &p.rows[y]
		if r.taps == 0 {
			continue
		}
		if last := r.at + (r.taps-1)*s.DH + 1; last > cleared {
			k.clear(n, cleared, last, from, to)
			cleared = last
		}
		for x := range p.runs {
			c := &p.runs[x]
			if c.taps == 0 {
				continue
			}
			a.kh, a.kw, a.count = r.taps, c.taps, float32(max(1, r.count*c.count))
			in, out := 4*(((n*s.H+r.at)*s.W+c.at)*s.C+from), 4*(((n*p.oh+y)*p.ow+c.first)*s.C+from)
			a.dx, a.x, a.y, a.dy = add(k.dx, in), add(k.x, in), add(k.y, out), add(k.dy, out)
			k.run(&a, c.n)
		}
	}
	k.clear(n, cleared, s.H, from, to)
}

// clear sets the channels from..to of rows first..last of picture n to 0.
func (k *poolGradTask) clear(n, first, last, from, to int) {
	s := &k.plan.shape
	dx := unsafe.Slice(k.dx, s.N*s.H*s.W*s.C)
	if to-from == s.C {
		clear(dx[(n*s.H+first)*s.W*s.C : (n*s.H+last)*s.W*s.C])
		return
	}
	for i := (n*s.H + first) * s.W; i < (n*s.H+last)*s.W; i++ {
		clear(dx[i*s.C+from : i*s.C+to])
	}
}

// run treats n output pixels, in calls of bounded work.
func (k *poolGradTask) run(a *poolGradArgs, n int) {
	work := a.kh * a.kw * ((a.channels + 3) / 4)
	if work > callTaps {
		poolGradGeneric(k.plan.kind, a, n) // a window of this size is rare, and plain Go can be interrupted
		return
	}
	per := callTaps / work
	dx, x, y, dy := a.dx, a.x, a.y, a.dy
	for i := 0; i < n; i += per {
		a.pixels = min(per, n-i)
		a.dx, a.x, a.y, a.dy = add(dx, i*a.step), add(x, i*a.step), add(y, i*a.out), add(dy, i*a.out)
		poolGradCall(k.plan.kind, a)
	}
}

// poolGradGeneric is the kernel in plain Go, for so many pixels.
func poolGradGeneric(kind PoolKind, a *poolGradArgs, pixels int) {
	at := func(p *float32, bytes int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes)) }
	for i := range pixels {
		for c := range a.channels {
			dy, y := *at(a.dy, i*a.out+4*c), *at(a.y, i*a.out+4*c)
			g := dy / a.count
			if kind == PoolL2 {
				g = 0
				if y > 0 {
					g = dy / y
				}
			}
		window:
			for j := range a.kh {
				for l := range a.kw {
					o := i*a.step + j*a.row + l*a.col + 4*c
					dx := at(a.dx, o)
					switch kind {
					case PoolMax:
						if x := *at(a.x, o); x == y || x != x && y != y {
							*dx += dy
							break window
						}
					case PoolAvg:
						*dx += g
					case PoolL2:
						*dx = ref.FMA32(g, *at(a.x, o), *dx)
					}
				}
			}
		}
	}
}
