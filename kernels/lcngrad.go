package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// lcnGradTask is a gradient being computed. Its tiles are pictures, each with the scratch memory of its worker.
type lcnGradTask struct {
	plan        *LCN
	isa         ISA
	dx, dy, src []float32
	scratch     []float32
}

var lcnGradTasks = poolOf[lcnGradTask]()

// GradScratchLen returns how many floats of scratch memory Grad needs with a Team of so many threads.
func (l *LCN) GradScratchLen(threads int) int {
	s := &l.shape
	return threads * (s.H*(l.padded+3*l.wide+1) + l.wide + s.H*s.W*s.C)
}

// Grad computes the gradient dx of Run's src from dy, the gradient of its result. It returns the bits of ref.LCNGrad.
//
// src, dy and dx are [N,H,W,C], scratch has GradScratchLen(t.Threads()) floats; dx is dy, or does not overlap it; nothing else overlaps.
func (l *LCN) Grad(t *Team, dx, dy, src, scratch []float32) {
	s := &l.shape
	size := s.N * s.H * s.W * s.C
	switch {
	case len(src) < size:
		panic("kernels: LCN.Grad: src too short")
	case len(dy) < size:
		panic("kernels: LCN.Grad: dy too short")
	case len(dx) < size:
		panic("kernels: LCN.Grad: dx too short")
	case len(scratch) < l.GradScratchLen(t.Threads()):
		panic("kernels: LCN.Grad: scratch too short")
	}
	dx, dy, src, scratch = dx[:size], dy[:size], src[:size], scratch[:l.GradScratchLen(t.Threads())]
	if !apart(dx, dy) || !disjoint(dx, src) || !outputApart(scratch, dx, dy, src, nil) {
		panic("kernels: LCN.Grad: dx or scratch overlaps another argument")
	}
	k := lcnGradTasks.Get().(*lcnGradTask)
	*k = lcnGradTask{l, use[OpLCN], dx, dy, src, scratch}
	t.Run(k, s.N)
	*k = lcnGradTask{}
	lcnGradTasks.Put(k)
}

// Tile computes the gradient of picture n.
func (k *lcnGradTask) Tile(n, worker int) {
	l, s := k.plan, &k.plan.shape
	size := s.H * s.W * s.C
	per := l.GradScratchLen(1)
	scratch := k.scratch[worker*per : (worker+1)*per]
	take := func(n int) []float32 {
		x := scratch[:n]
		scratch = scratch[n:]
		return x
	}
	p := lcnTask{plan: l, isa: k.isa, src: k.src[n*size : (n+1)*size]}
	p.sums, p.a, p.b, p.totals = take(s.H*l.padded), take(s.H*l.wide), take(s.H*l.wide), take(s.H)
	e, ones := take(s.H*l.wide), take(l.wide)
	v := take(size)
	for i := range ones {
		ones[i] = 1
	}
	dx, dy := k.dx[n*size:(n+1)*size], k.dy[n*size:(n+1)*size]
	// The forward pass, one tile after another: v, and σ in p.a.
	p.dst = v
	p.forward(s.Mode)
	if s.Mode == LCNSubtract {
		copy(dx, dy)
	} else {
		if s.Mode == LCNDivide {
			copy(v, p.src)
		}
		p.mean = ref.Sum8(p.totals) / float32(s.H*s.W)
		p.divisorGrad(e, dy, v)
		p.transposedBlur(e, ones)
		for y := range s.H {
			for x := range s.W {
				i := (y*s.W + x) * s.C
				d := ref.Max(s.Floor, ref.Max(p.mean, p.a[y*l.wide+x]))
				scaledQuotient(dx[i:i+s.C], dy[i:i+s.C], v[i:i+s.C], d, e[y*l.wide+x])
			}
		}
	}
	if s.Mode == LCNDivide {
		return
	}
	for y := range s.H {
		lcnSum(k.isa, &e[y*l.wide], &dx[y*s.W*s.C], s.W, s.C, 0)
		clear(e[y*l.wide+s.W : (y+1)*l.wide])
	}
	p.transposedBlur(e, ones)
	for y := range s.H {
		row := dx[y*s.W*s.C : (y+1)*s.W*s.C]
		p.subtract(&row[0], &p.sums[0], &row[0], &e[y*l.wide])
	}
}

// forward does the phases of Run up to the deviations.
func (k *lcnTask) forward(mode LCNMode) {
	switch mode {
	case LCNBoth:
		k.whole(lcnMeans)
		k.whole(lcnSubtract)
		k.whole(lcnDeviations)
	case LCNDivide:
		k.whole(lcnSquares)
		k.whole(lcnDeviations)
	}
}

// whole does a phase for all rows.
func (k *lcnTask) whole(phase lcnPhase) {
	k.phase = phase
	for i := range k.plan.bands {
		k.Tile(i, 0)
	}
}

// divisorGrad computes t of ref.LCNGrad into e, [H][wide].
func (k *lcnTask) divisorGrad(e, dy, v []float32) {
	l, s := k.plan, &k.plan.shape
	toMean := k.b
	for y := range s.H {
		row := e[y*l.wide : (y+1)*l.wide]
		clear(row)
		m := toMean[y*l.wide : y*l.wide+s.W]
		for x := range s.W {
			i := (y*s.W + x) * s.C
			dev := k.a[y*l.wide+x]
			inner := ref.Max(k.mean, dev)
			d := ref.Max(s.Floor, inner)
			g := ref.Neg(rowDot(dy[i:i+s.C], v[i:i+s.C]) / float32(d*d))
			m[x] = 0
			switch {
			case s.Floor > inner:
				g = 0
			case k.mean > dev:
				m[x], g = g, 0
			}
			row[x] = g
		}
		lcnSum(k.isa, &k.totals[y], &m[0], 1, s.W, 0)
	}
	share := ref.Sum8(k.totals) / float32(s.H*s.W)
	for y := range s.H {
		for x, dev := range k.a[y*l.wide : y*l.wide+s.W] {
			t := &e[y*l.wide+x]
			if dev > 0 {
				*t = float32(*t+share) / dev
			} else {
				*t = 0
			}
		}
	}
}

// transposedBlur carries the map e, [H][wide], back through the blur along y and along x.
func (k *lcnTask) transposedBlur(e, ones []float32) {
	l, s := k.plan, &k.plan.shape
	for y := range s.H {
		row := e[y*l.wide : (y+1)*l.wide]
		mapRun(mapMulScalar, row, row, nil, nil, mapParams{l.down[y]})
	}
	for y := range s.H {
		from, to := max(0, l.pad-y), min(len(l.g), s.H+l.pad-y)
		sums := k.sums[y*l.padded : (y+1)*l.padded]
		lcnBlur(k.isa, &sums[l.pad], &e[(y-l.pad+from)*l.wide], 4*l.wide, &l.g[from], to-from, &l.across[0], 1, 0, l.wide)
	}
	for y := range s.H {
		sums := k.sums[y*l.padded : (y+1)*l.padded]
		clear(sums[:l.pad])
		clear(sums[l.pad+s.W:])
		lcnBlur(k.isa, &e[y*l.wide], &sums[0], 4, &l.g[0], len(l.g), &ones[0], 1, 0, l.wide)
	}
}

// rowDot is Dot8; short rows are not worth a call.
func rowDot(x, y []float32) float32 {
	if len(x) < 2*sumLanes {
		return ref.Dot8(x, y)
	}
	var l eight
	dotLanes(&l, x, y)
	return ref.Join8(&l)
}

// scaledQuotient computes dst = v·t + dy/d, the product and the sum rounded once.
func scaledQuotient(dst, dy, v []float32, d, t float32) {
	if len(dst) < sumLanes {
		for i, g := range dy {
			dst[i] = ref.FMA32(v[i], t, g/d)
		}
		return
	}
	mapRun(mapDivAddScaled, dst, dy, v, nil, mapParams{t, d})
}
