package model

import (
	"slices"
	"time"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Convolutions and poolings that follow one another go over a picture together, a stripe of rows at a time, where what passes between them is large: each stripe is
// computed from rows that still lie in a cache, and only the last result is written to memory (Alwani, Chen, Ferdman, Milder: Fused-layer CNN accelerators,
// MICRO 2016). Every output is the sum that it would be otherwise, so its bits are the same. Networks of 8-bit integers, whose values take a quarter of the
// room, were not seen to gain.

// byRows is an operation with channels last, a row of whose output needs few rows of its first input. Other inputs have the output's shape.
type byRows interface {
	layer.Op
	rows(x []int) (r rowWindow, ok bool) // for an input [N,H,W,C]; ok is false where the operation wants the whole picture
	// cut returns the operation for h rows of a picture, with so many rows of padding above and below.
	cut(h, top, bottom int) layer.Op
}

// rowWindow is what an operation reads along H.
type rowWindow struct {
	pictures     int
	in, out      int // rows of a picture
	k, step, pad int // rows from the first to the last under a window, stride, padding above
	unit         int // outputs come so many rows at a time
}

// under returns the rows of the input that rows of the output need, and the padding beside them.
func (r rowWindow) under(from, to int) (in0, in1, top, bottom int) {
	in0, in1 = from*r.step-r.pad, (to-1)*r.step-r.pad+r.k
	return max(0, in0), min(r.in, in1), max(0, -in0), max(0, in1-r.in)
}

// stripeSizes decides what goes in stripes.
type stripeSizes struct {
	value   int     // bytes per picture from which on it pays not to write a value to memory
	kept    int     // most bytes of the rows between the layers, unless the lowest stripe has more
	weights int     // most bytes of a layer's weights, which each stripe reads again
	rows    int     // fewest rows of the result for each thread
	again   float64 // most of the work that may be done twice, where the rows of two segments meet; double that if a thread has one
}

var stripeSize = stripeSizes{value: 512 << 10, kept: 256 << 10, weights: 256 << 10, rows: 8, again: 0.06}

const (
	longestChain = 16
	mostSegments = 4  // for each thread
	mostParts    = 32 // of a level
	highest      = 64 // rows of a window
	mostThreads  = 1 << 10
)

// chain is steps that go in stripes.
type chain struct {
	number   int   // from 1 on
	steps    []int // the members, in order; the chain runs in place of the last
	levels   []level
	pictures int
	rings    []int    // where the rows that a level reads lie in a worker's memory, in bytes; of the first, nowhere
	bytes    int      // of a worker's memory
	segments [][]pass // of a picture, for threads to share
}

// level is a member of a chain.
type level struct {
	rowWindow
	op            byRows
	macs          int64
	rowIn, rowOut int // bytes
	parts         []part
}

// part is a level's operation for so many rows.
type part struct {
	op                   layer.Op // for a chain that is used
	in, out, top, bottom int      // rows
}

// pass is one call of a part. Places are in bytes: in a ring, or from the start of a picture.
type pass struct {
	level, part int
	src, dst    int
	res         int // of other inputs
	from, keep  int // where rows of the output that are still needed lie; they move to their ring's start first
}

// order is the chain's number, or 0 where there is none.
func (c *chain) order() int {
	if c == nil {
		return 0
	}
	return c.number
}

// inStripes finds chains among the steps.
func (p *Program) inStripes(left *left) {
	if p.threads > mostThreads {
		return
	}
	readers := make([][]int, len(p.vals)) // steps
	for i, s := range p.steps {
		for _, k := range s.in {
			if k >= 0 {
				readers[k] = append(readers[k], i)
			}
		}
	}
	final := make([]bool, len(p.vals))
	for _, k := range p.outputs {
		final[k] = true
	}
	for i := range p.steps {
		if p.steps[i].chain != nil || !p.cuttable(i) {
			continue
		}
		members := []int{i}
		for at := i; len(members) < longestChain; {
			k := p.steps[at].out[0]
			if final[k] || len(readers[k]) != 1 {
				break
			}
			next := readers[k][0]
			if !p.cuttable(next) || p.steps[next].in[0] != k || p.steps[next].guard != p.steps[i].guard ||
				p.bytes(k) < stripeSize.value*max(1, p.vals[k].info.Shape[0]) {
				break
			}
			members = append(members, next)
			at = next
		}
		// What cannot go in stripes as a whole may without its end.
		for ; len(members) > 1 && left.passes > 0; members = members[:len(members)-1] {
			if c := p.newChain(members, left); c != nil {
				for _, m := range members {
					p.steps[m].chain = c
				}
				p.chains = append(p.chains, c)
				c.number = len(p.chains)
				p.rings = max(p.rings, c.bytes)
				break
			}
		}
	}
}

// runs is the step in whose place step i runs, itself mostly.
func (s *step) runs(i int) int {
	if s.chain == nil {
		return i
	}
	return s.chain.steps[len(s.chain.steps)-1]
}

// cuttable says whether a step may be a member of a chain.
func (p *Program) cuttable(i int) bool {
	s := &p.steps[i]
	op, ok := s.op.(byRows)
	if !ok || s.dynamic || len(s.out) != 1 || s.out[0] < 0 || len(s.in) == 0 || s.in[0] < 0 {
		return false
	}
	x, y := p.vals[s.in[0]].info.Shape, p.vals[s.out[0]].info
	if p.vals[s.in[0]].layout != NHWC || p.vals[s.out[0]].layout != NHWC || len(x) != 4 || len(y.Shape) != 4 {
		return false
	}
	if r, ok := op.rows(x); !ok || x[0] == 0 || r.pictures != x[0] || r.in != x[1] || r.out != y.Shape[1] || r.k > highest {
		return false
	}
	if f, ok := s.op.(interface{ packed() packed }); ok && f.packed().Bytes() > stripeSize.weights {
		return false
	}
	for j, k := range s.in {
		if j > 0 && (k < 0 || p.vals[k].info.DType != y.DType || !slices.Equal(p.vals[k].info.Shape, y.Shape)) {
			return false
		}
	}
	return true
}

// newChain makes a chain of steps, or returns nil where that would not pay.
func (p *Program) newChain(members []int, left *left) *chain {
	c := &chain{steps: members}
	saved := 0
	for j, m := range members {
		s := &p.steps[m]
		op := s.op.(byRows)
		x, y := s.in[0], s.out[0]
		r, _ := op.rows(p.vals[x].info.Shape)
		c.levels = append(c.levels, level{rowWindow: r, op: op, macs: s.macs, rowIn: p.bytes(x) / (r.pictures * r.in), rowOut: p.bytes(y) / (r.pictures * r.out)})
		c.pictures = r.pictures
		if j < len(members)-1 {
			saved += p.bytes(y)
		}
	}
	if !c.share(p.threads, left) {
		return nil
	}
	for j := range c.levels {
		l := &c.levels[j]
		for k := range l.parts {
			q := &l.parts[k]
			q.op = l.op.cut(q.in, q.top, q.bottom)
		}
	}
	// The rings so far hold their sizes.
	for i := 1; i < len(c.rings); i++ {
		n := slotBytes(c.rings[i])
		c.rings[i] = c.bytes
		c.bytes += n
	}
	if c.bytes*p.threads > saved {
		return nil
	}
	return c
}

// share cuts the picture into segments, or returns false where that does not pay. The more of them each thread has, the better they even out, and the more is
// computed twice.
func (c *chain) share(threads int, left *left) bool {
	last := &c.levels[len(c.levels)-1]
	for each := min(mostSegments, last.out/(stripeSize.rows*threads)); each > 0; each-- {
		if threads == 1 {
			each = 1
		}
		segment := (last.out + each*threads - 1) / (each * threads)
		segment = (segment + last.unit - 1) / last.unit * last.unit
		stripe := c.stripe(segment)
		left.passes -= len(c.levels) * each * threads * ((segment + stripe - 1) / stripe)
		if left.passes < 0 {
			return false
		}
		c.segments, c.rings = nil, nil
		for j := range c.levels {
			c.levels[j].parts = nil
		}
		for y := 0; y < last.out; y += segment {
			if !c.cut(y, min(y+segment, last.out), stripe) {
				return false
			}
		}
		if again := c.again(); again <= stripeSize.again || each == 1 && again <= 2*stripeSize.again {
			return true
		}
	}
	return false
}

// again is the share of the work that is done twice.
func (c *chain) again() float64 {
	rows := make([]int, len(c.levels))
	for _, s := range c.segments {
		for _, q := range s {
			rows[q.level] += c.levels[q.level].parts[q.part].out
		}
	}
	done, once := 0.0, 0.0
	for j := range c.levels {
		l := &c.levels[j]
		cost := float64(l.macs)/float64(l.pictures*l.out) + float64(l.rowOut)
		done, once = done+float64(cost*float64(rows[j])), once+float64(cost*float64(l.out))
	}
	return done/once - 1
}

// stripe returns how many rows of the result to compute at once.
func (c *chain) stripe(segment int) int {
	unit := c.levels[len(c.levels)-1].unit
	kept := func(rows int) int {
		bytes := 0
		for j := len(c.levels) - 1; j > 0; j-- {
			l := &c.levels[j]
			rows = min(l.in, (rows-1)*l.step+l.k+c.levels[j-1].unit-1)
			bytes += rows * l.rowIn
		}
		return bytes
	}
	rows := unit
	for rows < segment && kept(rows+unit) <= stripeSize.kept {
		rows += unit
	}
	stripes := (segment + rows - 1) / rows
	rows = (segment + stripes - 1) / stripes
	return (rows + unit - 1) / unit * unit
}

// cut adds the segment of rows y0 to y1 of the result, or returns false where a window lies in the padding alone, or where too many parts differ.
func (c *chain) cut(y0, y1, stripe int) bool {
	n := len(c.levels)
	if c.rings == nil {
		c.rings = make([]int, n)
	}
	// Of what level j reads, rows lo[j] to hi[j] are there. The result is the last.
	lo, hi, end := make([]int, n+1), make([]int, n+1), make([]int, n+1)
	hi[n] = y0
	for j := n - 1; j > 0; j-- {
		unit := c.levels[j-1].unit
		in0, _, _, _ := c.levels[j].under(hi[j+1], hi[j+1]+1)
		hi[j] = in0 / unit * unit
		lo[j] = hi[j]
	}
	var passes []pass
	for y := y0; y < y1; y += stripe {
		end[n] = min(y+stripe, y1)
		for j := n - 1; j > 0; j-- {
			unit := c.levels[j-1].unit
			_, in1, _, _ := c.levels[j].under(hi[j+1], end[j+1])
			end[j] = max(hi[j], min((in1+unit-1)/unit*unit, c.levels[j].in))
		}
		for j := range c.levels {
			l := &c.levels[j]
			from, to := hi[j+1], end[j+1]
			if from == to {
				continue
			}
			in0, in1, top, bottom := l.under(from, to)
			if in1 <= in0 {
				return false
			}
			part, ok := l.part(in1-in0, to-from, top, bottom)
			if !ok {
				return false
			}
			q := pass{level: j, part: part, src: (in0 - lo[j]) * l.rowIn, dst: from * l.rowOut, res: from * l.rowOut}
			if j+1 < n {
				needed, _, _, _ := c.levels[j+1].under(hi[j+2], hi[j+2]+1)
				if needed = min(needed, from); needed > lo[j+1] {
					q.from, q.keep = (needed-lo[j+1])*l.rowOut, (from-needed)*l.rowOut
					lo[j+1] = needed
				}
				q.dst = (from - lo[j+1]) * l.rowOut
				c.rings[j+1] = max(c.rings[j+1], (to-lo[j+1])*l.rowOut)
			}
			hi[j+1] = to
			passes = append(passes, q)
		}
	}
	c.segments = append(c.segments, passes)
	return true
}

// part returns the index of the level's operation for rows of that kind; ok is false where there are too many.
func (l *level) part(in, out, top, bottom int) (index int, ok bool) {
	q := part{in: in, out: out, top: top, bottom: bottom}
	if i := slices.Index(l.parts, q); i >= 0 {
		return i, true
	}
	l.parts = append(l.parts, q)
	return len(l.parts) - 1, len(l.parts) <= mostParts
}

// scratch returns how many floats of scratch memory a worker will ask for.
func (c *chain) scratch() int {
	most := 0
	for i := range c.levels {
		for _, q := range c.levels[i].parts {
			if o, ok := q.op.(scratcher); ok {
				most = max(most, o.scratch(1))
			}
		}
	}
	return most
}

// chainRun is a chain in a Session.
type chainRun struct {
	*chain
	crew   []chainWorker
	parts  [][][]args // of each worker, by level
	team   *kernels.Team
	timing bool
	at     []*args // of the members
}

// chainWorker is what a thread has for itself.
type chainWorker struct {
	env   layer.Env
	rings []byte
	times [longestChain]time.Duration
	err   error
}

// newChainRun returns a chain for a Session; all are the arguments of the Session's steps.
func newChainRun(c *chain, crew []chainWorker, all []args) *chainRun {
	r := &chainRun{chain: c, crew: crew}
	for _, m := range c.steps {
		r.at = append(r.at, &all[m])
	}
	for range crew {
		var levels [][]args
		for j := range c.levels {
			l := &c.levels[j]
			parts := make([]args, len(l.parts))
			for k, q := range l.parts {
				x, y := r.at[j].in[0], r.at[j].out[0]
				parts[k].in = []*tensor.Tensor{stripeOf(x, q.in)}
				parts[k].out = []*tensor.Tensor{stripeOf(y, q.out)}
				for range r.at[j].in[1:] {
					parts[k].in = append(parts[k].in, stripeOf(y, q.out))
				}
			}
			levels = append(levels, parts)
		}
		r.parts = append(r.parts, levels)
	}
	return r
}

// stripeOf returns a tensor for some rows of a picture.
func stripeOf(t *tensor.Tensor, rows int) *tensor.Tensor {
	s := slices.Clone(t.Shape())
	s[0], s[1] = 1, rows
	return tensor.View(t.DType(), s...)
}

// run computes the chain's result, and adds to times, if they are not nil, what each member took.
func (r *chainRun) run(e *layer.Env, times []time.Duration) error {
	for i := range r.crew {
		r.crew[i].err = nil
		clear(r.crew[i].times[:])
	}
	r.team, r.timing = e.Team, times != nil
	tiles := r.pictures * len(r.segments)
	e.Team.Run(r, tiles)
	var err error
	for i := range r.crew {
		w := &r.crew[i]
		if err == nil {
			err = w.err
		}
		for j, m := range r.steps {
			if times != nil {
				times[m] += w.times[j] / time.Duration(min(tiles, len(r.crew)))
			}
		}
	}
	return err
}

// Tile computes a segment of a picture.
func (r *chainRun) Tile(i, worker int) {
	w := &r.crew[worker]
	picture, segment := i/len(r.segments), r.segments[i%len(r.segments)]
	last := len(r.levels) - 1
	for k := range segment {
		q := &segment[k]
		if r.team.Stopped() {
			return
		}
		var begin time.Time
		if r.timing {
			begin = time.Now()
		}
		l := &r.levels[q.level]
		p := &l.parts[q.part]
		a := &r.parts[worker][q.level][q.part]
		var src, dst []byte
		if q.level == 0 {
			src = r.at[0].in[0].Raw()[picture*l.in*l.rowIn:]
		} else {
			src = w.rings[r.rings[q.level]:]
		}
		if q.level == last {
			dst = r.at[last].out[0].Raw()[picture*l.out*l.rowOut:]
		} else {
			dst = w.rings[r.rings[q.level+1]:]
			copy(dst[:q.keep], dst[q.from:])
		}
		a.in[0].Bind(src[q.src:][:p.in*l.rowIn])
		a.out[0].Bind(dst[q.dst:][:p.out*l.rowOut])
		for j, x := range r.at[q.level].in[1:] {
			a.in[1+j].Bind(x.Raw()[picture*l.out*l.rowOut+q.res:][:p.out*l.rowOut])
		}
		w.env.Reset()
		if err := p.op.Forward(&w.env, a.in, a.out); err != nil {
			w.err = err
			return
		}
		if r.timing {
			w.times[q.level] += time.Since(begin)
		}
	}
}
