package kernels

import "github.com/ocellus-vision/ocellus/asm"

// LocalGrad is the gradients of a locally connected layer, planned for one shape. It does not change, and may be shared. The weights are used as they
// are, [OH,OW,O,KH,KW,C], each once in a call.
type LocalGrad struct {
	shape  Conv2D
	oh, ow int
}

// NewLocalGrad plans the gradients of NewLocal's layer; Groups must be 1.
func NewLocalGrad(s Conv2D) *LocalGrad {
	checkConv("LocalGrad", &s)
	checkPositions("LocalGrad", &s)
	if s.Groups != 1 {
		panic("kernels: LocalGrad: groups must be 1")
	}
	return &LocalGrad{s, s.OH(), s.OW()}
}

// Shape returns what the layer was planned for.
func (g *LocalGrad) Shape() Conv2D { return g.shape }

// ScratchLen returns how many floats of scratch memory Input needs.
func (g *LocalGrad) ScratchLen() int { return g.shape.N * g.oh * g.ow * g.shape.O }

// localGradTask computes a gradient: of the weights with an output position for a tile, of the input with a pixel for a tile.
type localGradTask struct {
	tnTiles
	plan        *LocalGrad
	dst, dy, by *float32 // by is the layer's input, or its weights
	input       bool
	work        []tnWork
}

var localGradTasks = poolOf[localGradTask]()

func (g *LocalGrad) run(t *Team, dst, dy, by []float32, input bool, tiles int) {
	k := localGradTasks.Get().(*localGradTask)
	*k = localGradTask{tnTiles: tnTilesInUse(), plan: g, dst: &dst[0], dy: &dy[0], by: &by[0], input: input, work: tnWorkers(k.work, t)}
	t.Run(k, tiles)
	*k = localGradTask{work: k.work}
	localGradTasks.Put(k)
}

// Weight computes dw[y,x,o,i,j,c] = Σ_n dy[n,y,x,o]·src[n, y·SH+i·DH-PT, x·SW+j·DW-PL, c]. It returns the bits of ref.LocalGradWeight.
//
// dy is [N,OH,OW,O], src is [N,H,W,C], dw is [OH,OW,O,KH,KW,C] and overlaps neither.
func (g *LocalGrad) Weight(t *Team, dw, dy, src []float32) {
	s := &g.shape
	positions := g.oh * g.ow
	size := positions * s.O * s.KH * s.KW * s.C
	switch {
	case len(dw) < size:
		panic("kernels: LocalGrad.Weight: dw too short")
	case len(dy) < s.N*positions*s.O:
		panic("kernels: LocalGrad.Weight: dy too short")
	case len(src) < s.N*s.H*s.W*s.C:
		panic("kernels: LocalGrad.Weight: src too short")
	case !disjoint(dw[:size], dy[:s.N*positions*s.O]) || !disjoint(dw[:size], src[:s.N*s.H*s.W*s.C]):
		panic("kernels: LocalGrad.Weight: dw overlaps dy or src")
	}
	if s.N == 0 {
		clear(dw[:size])
		return
	}
	g.run(t, dw, dy, src, false, positions)
}

// Input computes dx[n,h,w,c] = Σ dy[n,y,x,o]·w[y,x,o,i,j,c] over y·SH + i·DH = h + PT, x·SW + j·DW = w + PL. It returns the bits of ref.LocalGradInput.
//
// dy is [N,OH,OW,O], w is [OH,OW,O,KH,KW,C], dx is [N,H,W,C], scratch has ScratchLen floats. dx and scratch overlap nothing.
func (g *LocalGrad) Input(t *Team, dx, dy, w, scratch []float32) {
	s := &g.shape
	row := g.oh * g.ow * s.O
	n, size := s.N*s.H*s.W*s.C, row*s.KH*s.KW*s.C
	switch {
	case len(dx) < n:
		panic("kernels: LocalGrad.Input: dx too short")
	case len(dy) < s.N*row:
		panic("kernels: LocalGrad.Input: dy too short")
	case len(w) < size:
		panic("kernels: LocalGrad.Input: w too short")
	case len(scratch) < s.N*row:
		panic("kernels: LocalGrad.Input: scratch too short")
	case !disjoint(dx[:n], dy[:s.N*row]) || !disjoint(dx[:n], w[:size]):
		panic("kernels: LocalGrad.Input: dx overlaps dy or w")
	}
	if used := scratch[:s.N*row]; !disjoint(used, dx[:n]) || !disjoint(used, dy[:s.N*row]) || !disjoint(used, w[:size]) {
		panic("kernels: LocalGrad.Input: scratch overlaps dx, dy or w")
	}
	if s.N == 0 {
		return
	}
	Transpose(t, scratch, s.N, dy, row, s.N, row)
	g.run(t, dx, scratch, w, true, s.H*s.W)
}

// Bias computes db[y,x,o] = Σ_n dy[n,y,x,o]. It returns the bits of ref.ConvGradBias. dy is [N,OH,OW,O]; db is [OH,OW,O] and does not overlap it.
func (g *LocalGrad) Bias(t *Team, db, dy []float32) {
	n := g.oh * g.ow * g.shape.O
	if len(db) < n {
		panic("kernels: LocalGrad.Bias: db too short")
	}
	BiasGrad(t, db[:n], dy, g.shape.N)
}

// Tile computes one tile.
func (k *localGradTask) Tile(i, worker int) {
	if k.input {
		k.pixel(&k.work[worker], i)
	} else {
		k.position(&k.work[worker], i)
	}
}

// columns computes n columns of some rows, strip by strip, from x.B and c on.
func (k *localGradTask) columns(w *tnWork, x *asm.GemmTNArgs, c *float32, rows, n int) {
	y := *x
	for col := 0; col < n; col += k.wide {
		y.B, y.Cols = add(x.B, 4*col), min(k.wide, n-col)
		k.strip(w, &y, add(c, 4*col), 0, rows)
	}
}

// position computes the gradient of the weights of one output position.
func (k *localGradTask) position(w *tnWork, pos int) {
	g, s := k.plan, &k.plan.shape
	y, x := pos/g.ow*s.SH-s.PT, pos%g.ow*s.SW-s.PL
	row := s.KH * s.KW * s.C
	args := asm.GemmTNArgs{
		A: add(k.dy, 4*pos*s.O), LDA: 4 * g.oh * g.ow * s.O, LDB: 4 * s.H * s.W * s.C, LDC: 4 * row,
	}
	run := 1 // taps whose pixels lie side by side
	if s.DW == 1 {
		run = s.KW
	}
	for i := range s.KH {
		for j := 0; j < s.KW; j += run {
			iy, ix := y+i*s.DH, x+j*s.DW
			first, last := max(0, -ix), min(run, s.W-ix) // taps inside
			if iy < 0 || iy >= s.H || first >= last {
				first, last = run, run
			}
			dst := add(k.dst, 4*(pos*s.O*row+(i*s.KW+j)*s.C))
			args.Count = 0
			args.Add = 0
			k.columns(w, &args, dst, s.O, first*s.C)
			k.columns(w, &args, add(dst, 4*last*s.C), s.O, (run-last)*s.C)
			args.B = add(k.by, 4*((iy*s.W+ix+first)*s.C))
			for from := 0; from < s.N && first < last; from += gradBlock {
				w.spans = append(w.spans[:0], asm.GemmTNSpan{A: from * args.LDA, B: from * args.LDB, N: min(gradBlock, s.N-from)})
				args.Spans, args.Count, args.Add = &w.spans[0], 1, min(from, 1)
				k.columns(w, &args, add(dst, 4*first*s.C), s.O, (last-first)*s.C)
			}
		}
	}
}

// pixel computes the gradient of one pixel in all pictures.
func (k *localGradTask) pixel(w *tnWork, pixel int) {
	g, s := k.plan, &k.plan.shape
	taps := s.KH * s.KW
	w.spans = w.spans[:0]
	for i := s.KH - 1; i >= 0; i-- {
		for j := s.KW - 1; j >= 0; j-- {
			y, x := pixel/s.W+s.PT-i*s.DH, pixel%s.W+s.PL-j*s.DW
			if y < 0 || x < 0 || y%s.SH != 0 || x%s.SW != 0 || y/s.SH >= g.oh || x/s.SW >= g.ow {
				continue
			}
			first := (y/s.SH*g.ow + x/s.SW) * s.O
			w.spans = append(w.spans, asm.GemmTNSpan{A: 4 * first * s.N, B: 4 * (first*taps + i*s.KW + j) * s.C, N: s.O})
		}
	}
	args := asm.GemmTNArgs{
		A: k.dy, B: k.by, Count: len(w.spans), LDA: 4 * s.N, LDB: 4 * taps * s.C, LDC: 4 * s.H * s.W * s.C,
	}
	if len(w.spans) > 0 {
		args.Spans = &w.spans[0]
	}
	k.columns(w, &args, add(k.dst, 4*pixel*s.C), s.N, s.C)
}
