package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Cell is what a recurrent layer does in one step.
type Cell string

const (
	CellRNN  Cell = "RNN"  // h' = f(gate)
	CellGRU  Cell = "GRU"  // gates z r h: h' = (1-z)∘h + z∘before (Cho et al., EMNLP 2014)
	CellLSTM Cell = "LSTM" // gates i o f c: cell' = f∘cell + i∘c, h' = o∘h(cell') (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000)
)

// gates returns the number of gates, and of activations in one direction: one for all gates but the last, one for that, and one for the cell.
func (c Cell) gates() (gates, activations int) {
	switch c {
	case CellLSTM:
		return 4, 3
	case CellGRU:
		return 3, 2
	}
	return 1, 1
}

// Activations that only gates have.
const (
	Affine     Fn = "Affine"     // Alpha·x + Beta
	ScaledTanh Fn = "ScaledTanh" // Alpha·tanh(Beta·x)
)

// Recurrent runs a cell along a sequence, forwards, backwards or both ways (D is 2, then). A gate is x·Wᵀ + h·Rᵀ and both biases.
//
// Inputs: x [T,N,I], weights W [D,G·H,I] and R [D,G·H,H] for G gates; then, each of which may be left out, biases [D,2·G·H] (W's, then R's), the sequences'
// lengths [N] (int32; T), the first h [D,N,H] and the first cell [D,N,H] (0), and peepholes [D,3·H] from the cell to i, o and f.
// Outputs: every h [T,D,N,H], 0 behind a sequence's end, the last h [D,N,H], and the last cell [D,N,H].
type Recurrent struct {
	Cell              Cell
	Hidden            int    // H; 0: what the weights say
	Direction         string // "forward", "reverse", "bidirectional"
	Activations       []Unary
	Clip              float32 // bounds what the gates' activations get; 0: no bound
	Coupled           bool    // f is 1-i
	LinearBeforeReset bool    // r∘(h·Rᵀ+bias) instead of (r∘h)·Rᵀ+bias
	BatchFirst        bool    // x [N,T,I], outputs [N,T,D,H] and [N,D,H], first ones [N,D,H]
}

func (r *Recurrent) Kind() string { return string(r.Cell) }

// directions is D.
func (r *Recurrent) directions() int {
	if r.Direction == "bidirectional" {
		return 2
	}
	return 1
}

// sizes of a Recurrent's input.
type sequence struct{ steps, batch, in, hidden int }

func (r *Recurrent) sequence(x, w []int) sequence {
	gates, _ := r.Cell.gates()
	s := sequence{x[0], x[1], x[2], w[1] / gates}
	if r.BatchFirst {
		s.steps, s.batch = s.batch, s.steps
	}
	return s
}

func (r *Recurrent) Infer(in []Info) ([]Info, error) {
	most := 6
	if r.Cell == CellLSTM {
		most = 8
	}
	if err := want(in, 3, most); err != nil {
		return nil, err
	}
	for _, i := range []int{0, 1, 2, 3, 5, 6, 7} {
		if err := isType(in, i, tensor.Float32); err != nil {
			return nil, err
		}
	}
	if err := isType(in, 4, tensor.Int32); err != nil {
		return nil, err
	}
	for i := range 3 {
		if err := rank(in, i, 3, 3); err != nil {
			return nil, err
		}
	}
	gates, activations := r.Cell.gates()
	d := r.directions()
	if !slices.Contains([]string{"forward", "reverse", "bidirectional"}, r.Direction) {
		return nil, fmt.Errorf("direction %q", r.Direction)
	}
	if len(r.Activations) != d*activations {
		return nil, fmt.Errorf("%d activations, %d are needed", len(r.Activations), d*activations)
	}
	for _, a := range r.Activations {
		if unary32[a.Fn] == nil && a.Fn != Affine && a.Fn != ScaledTanh {
			return nil, fmt.Errorf("activation %q", a.Fn)
		}
	}
	s := r.sequence(in[0].Shape, in[1].Shape)
	if s.in < 1 || s.hidden < 1 || in[1].Shape[1] != gates*s.hidden || r.Hidden != 0 && r.Hidden != s.hidden {
		return nil, fmt.Errorf("x %s and weights %s for %d gates of hidden size %d", in[0], in[1], gates, r.Hidden)
	}
	state := []int{d, s.batch, s.hidden}
	if r.BatchFirst {
		state = []int{s.batch, d, s.hidden}
	}
	for i, shape := range [][]int{
		1: {d, gates * s.hidden, s.in}, 2: {d, gates * s.hidden, s.hidden}, 3: {d, 2 * gates * s.hidden}, 4: {s.batch}, 5: state, 6: state, 7: {d, 3 * s.hidden},
	} {
		if v := opt(in, i); shape != nil && v.Present() && !slices.Equal(v.Shape, shape) {
			return nil, fmt.Errorf("input %d is %s, not %s", i, v, tensor.FormatShape(shape))
		}
	}
	all := []int{s.steps, d, s.batch, s.hidden}
	if r.BatchFirst {
		all = []int{s.batch, s.steps, d, s.hidden}
	}
	if _, ok := tensor.Count(all); !ok {
		return nil, fmt.Errorf("the output would have the impossible shape %s", tensor.FormatShape(all))
	}
	out := []Info{{DType: tensor.Float32, Shape: all}, {DType: tensor.Float32, Shape: state}}
	if r.Cell == CellLSTM {
		out = append(out, out[1])
	}
	return out, nil
}

func (r *Recurrent) MACs(in, out []Info) int64 {
	s := r.sequence(in[0].Shape, in[1].Shape)
	gates, _ := r.Cell.gates()
	return product(s.steps, s.batch, r.directions(), gates*s.hidden, s.in+s.hidden)
}

// recurrentWeights are one direction's: of x with the biases, and of h, a GRU's last gate apart.
type recurrentWeights struct{ x, h, last *kernels.Packed }

func (r *Recurrent) pack(direction int, w, re, b []float32, s sequence) recurrentWeights {
	gates, _ := r.Cell.gates()
	n, h := gates*s.hidden, s.hidden
	w, re = w[direction*n*s.in:][:n*s.in], re[direction*n*h:][:n*h]
	bias := make([]float32, n)
	var lastBias []float32
	if b != nil {
		b = b[direction*2*n:][:2*n]
		copy(bias, b)
		rest := n
		if r.Cell == CellGRU && r.LinearBeforeReset {
			rest = 2 * h
			lastBias = b[n+rest:]
		}
		for i, v := range b[n : n+rest] {
			bias[i] += v
		}
	}
	p := recurrentWeights{x: kernels.PackBT(w, s.in, s.in, n, bias)}
	if r.Cell == CellGRU {
		p.last = kernels.PackBT(re[2*h*h:], h, h, h, lastBias)
		n = 2 * h
	}
	p.h = kernels.PackBT(re, h, h, n, nil)
	return p
}

// packAll packs all directions' weights.
func (r *Recurrent) packAll(w, re, b *tensor.Tensor, s sequence) []recurrentWeights {
	var bias []float32
	if b != nil {
		bias = b.Float32s()
	}
	all := make([]recurrentWeights, r.directions())
	for d := range all {
		all[d] = r.pack(d, w.Float32s(), re.Float32s(), bias, s)
	}
	return all
}

func (r *Recurrent) Forward(e *Env, in, out []*tensor.Tensor) error {
	s := r.sequence(in[0].Shape(), in[1].Shape())
	return r.run(e, r.packAll(in[1], in[2], optT(in, 3), s), s, in, out)
}

// Plan packs constant weights once.
func (r *Recurrent) Plan(in, out []Info) Op {
	if !known(in, 1, 2, 3) {
		return nil
	}
	return &packedRecurrent{*r, r.packAll(in[1].Value, in[2].Value, opt(in, 3).Value, r.sequence(in[0].Shape, in[1].Shape))}
}

// packedRecurrent is a Recurrent of known weights.
type packedRecurrent struct {
	Recurrent
	weights []recurrentWeights
}

func (r *packedRecurrent) Forward(e *Env, in, out []*tensor.Tensor) error {
	return r.run(e, r.weights, r.sequence(in[0].Shape(), in[1].Shape()), in, out)
}

// pass is one direction of a Recurrent being computed.
type pass struct {
	*Recurrent
	sequence
	direction, gates int
	back             bool
	act              []Unary
	w                recurrentWeights
	x, peep, y       []float32 // y: every h, or nil
	lengths          []int32
	h, cell, reset   []float32     // [N,H]
	gate, ahead      []float32     // [N,G·H]; some steps of what x gives
	whole            *kernels.Team // which may be stopped
}

// passes are the directions of a Recurrent. Where there are threads for both, each gets one.
type passes [2]pass

func (p *passes) Tile(i, _ int) { p[i].walk(nil) }

func (r *Recurrent) run(e *Env, w []recurrentWeights, s sequence, in, out []*tensor.Tensor) error {
	both := taskOf[passes](e)
	gates, activations := r.Cell.gates()
	shared := pass{Recurrent: r, sequence: s, gates: gates, x: in[0].Float32s(), whole: e.Team}
	if l := optT(in, 4); l != nil {
		shared.lengths = tensor.Data[int32](l)
		for n, v := range shared.lengths {
			if v < 0 || int(v) > s.steps {
				return fmt.Errorf("sequence %d of %d has %d steps of %d", n, s.batch, v, s.steps)
			}
		}
	}
	if t := optT(out, 0); t != nil {
		shared.y = t.Float32s()
		if shared.lengths != nil {
			clear(shared.y)
		}
	}
	const most = 1 << 18 // floats
	state, row := s.batch*s.hidden, s.batch*gates*s.hidden
	for d := range w {
		p := &both[d]
		*p = shared
		p.direction, p.w, p.act = d, w[d], r.Activations[d*activations:][:activations]
		p.back = r.Direction == "reverse" || d == 1
		p.h, p.cell, p.reset = e.Floats(state), e.Floats(state), e.Floats(state)
		p.gate, p.ahead = e.Floats(row), e.Floats(row*min(max(1, s.steps), max(1, most/max(1, row))))
		if t := optT(in, 7); t != nil {
			p.peep = t.Float32s()[d*3*s.hidden:][:3*s.hidden]
		}
		p.load(p.h, optT(in, 5))
		p.load(p.cell, optT(in, 6))
	}
	if len(w) == 2 && e.Team.Threads() > 1 {
		e.Team.Run(both, 2)
	} else {
		for d := range w {
			both[d].walk(e.Team)
		}
	}
	for d := range w {
		p := &both[d]
		p.store(optT(out, 1), p.h)
		if r.Cell == CellLSTM {
			p.store(optT(out, 2), p.cell)
		}
	}
	*both = passes{}
	return nil
}

// state returns where sequence n's part of a first or last state is.
func (p *pass) state(n int) int {
	if p.BatchFirst {
		return (n*p.directions() + p.direction) * p.hidden
	}
	return (p.direction*p.batch + n) * p.hidden
}

func (p *pass) load(dst []float32, t *tensor.Tensor) {
	if t == nil {
		clear(dst)
		return
	}
	for n := range p.batch {
		copy(dst[n*p.hidden:][:p.hidden], t.Float32s()[p.state(n):])
	}
}

func (p *pass) store(t *tensor.Tensor, src []float32) {
	if t == nil {
		return
	}
	for n := range p.batch {
		copy(t.Float32s()[p.state(n):][:p.hidden], src[n*p.hidden:])
	}
}

// length returns the steps of sequence n.
func (p *pass) length(n int) int {
	if p.lengths != nil {
		return int(p.lengths[n])
	}
	return p.steps
}

// walk goes along the sequences. What x gives is computed for as many steps at once as ahead holds.
func (p *pass) walk(t *kernels.Team) {
	if p.batch == 0 {
		return
	}
	row := p.batch * p.gates * p.hidden
	most := len(p.ahead) / row
	for from := 0; from < p.steps && !p.whole.Stopped(); from += most {
		to := min(p.steps, from+most)
		p.feed(t, from, to)
		for s := from; s < to && !p.whole.Stopped(); s++ {
			k := s - from
			if p.back {
				k = to - 1 - s
			}
			p.step(t, p.ahead[k*row:][:row], s)
			if p.y == nil {
				continue
			}
			for n := range p.batch {
				if l := p.length(n); s < l {
					at := s
					if p.back {
						at = l - 1 - s
					}
					if p.BatchFirst {
						at = (n*p.steps+at)*p.directions() + p.direction
					} else {
						at = (at*p.directions()+p.direction)*p.batch + n
					}
					copy(p.y[at*p.hidden:][:p.hidden], p.h[n*p.hidden:])
				}
			}
		}
	}
}

// feed computes what x gives for steps from..to of each sequence; a backward pass takes them from the end, but they are stored in the order of time.
func (p *pass) feed(t *kernels.Team, from, to int) {
	g := p.gates * p.hidden
	if p.lengths == nil && !p.BatchFirst {
		first := from
		if p.back {
			first = p.steps - to
		}
		kernels.Gemm(t, p.ahead, g, p.x[first*p.batch*p.in:], p.in, (to-from)*p.batch, p.w.x, nil, 0, kernels.Act{})
		return
	}
	pixel, next := p.batch*p.in, p.in // floats from one step to the next, and from one sequence to the next
	if p.BatchFirst {
		pixel, next = p.in, p.steps*p.in
	}
	for n := range p.batch {
		first, end := from, min(to, p.length(n))
		skip := 0
		if p.back {
			first, end = p.length(n)-to, p.length(n)-from
			skip = max(0, -first)
			first = max(0, first)
		}
		if first < end {
			kernels.Gemm(t, p.ahead[(skip*p.batch+n)*g:], p.batch*g, p.x[first*pixel+n*next:], pixel, end-first, p.w.x, nil, 0, kernels.Act{})
		}
	}
}

// bounded applies an activation to what a gate got.
func (p *pass) bounded(a *Unary, x []float32) {
	if p.Clip > 0 {
		kernels.Clip(x, x, -p.Clip, p.Clip)
	}
	activate(a, x)
}

// activate applies an activation in place.
func activate(a *Unary, x []float32) {
	switch a.Fn {
	case Sigmoid:
		kernels.Sigmoid(x, x)
	case Tanh:
		kernels.Tanh(x, x)
	case Relu:
		kernels.ReLU(x, x)
	case Affine:
		for i, v := range x {
			x[i] = float32(a.Alpha*v) + a.Beta
		}
	case ScaledTanh:
		kernels.MulScalar(x, x, a.Beta)
		kernels.Tanh(x, x)
		kernels.MulScalar(x, x, a.Alpha)
	default:
		unary32[a.Fn](a, x, x)
	}
}

// step makes of h and cell those of the next step, for the sequences that are as long; ahead is what x gives.
func (p *pass) step(t *kernels.Team, ahead []float32, s int) {
	g, hidden := p.gates*p.hidden, p.hidden
	kernels.Gemm(t, p.gate, g, p.h, hidden, p.batch, p.w.h, ahead, g, kernels.Act{})
	if p.Cell == CellGRU {
		for n := range p.batch {
			gates := p.gate[n*g:][:2*hidden]
			p.bounded(&p.act[0], gates)
			if !p.LinearBeforeReset {
				for i, r := range gates[hidden:] {
					p.reset[n*hidden+i] = r * p.h[n*hidden+i]
				}
			}
		}
		from, res, ldr := p.reset, ahead[2*hidden:], g
		if p.LinearBeforeReset {
			from, res, ldr = p.h, nil, 0
		}
		kernels.Gemm(t, p.gate[2*hidden:], g, from, hidden, p.batch, p.w.last, res, ldr, kernels.Act{})
	}
	for n := range p.batch {
		if s >= p.length(n) {
			continue
		}
		gates, h := p.gate[n*g:][:g], p.h[n*hidden:][:hidden]
		switch p.Cell {
		case CellLSTM:
			p.lstm(gates, h, p.cell[n*hidden:][:hidden])
		case CellGRU:
			p.gru(gates, ahead[n*g+2*hidden:], h)
		default:
			p.bounded(&p.act[0], gates)
			copy(h, gates)
		}
	}
}

// gru finishes a step of one sequence: h is what it was before, and becomes the next.
func (p *pass) gru(gates, ahead, h []float32) {
	z, r, c := gates[:len(h)], gates[len(h):2*len(h)], gates[2*len(h):]
	if p.LinearBeforeReset {
		for i := range c {
			c[i] = float32(r[i]*c[i]) + ahead[i]
		}
	}
	p.bounded(&p.act[1], c)
	for i := range h {
		h[i] = float32((1-z[i])*c[i]) + float32(z[i]*h[i])
	}
}

// lstm finishes a step of one sequence: cell is what it was before, and becomes the next, as does h.
func (p *pass) lstm(gates, h, cell []float32) {
	n := len(h)
	in, out, forget, c := gates[:n], gates[n:2*n], gates[2*n:3*n], gates[3*n:]
	peep := func(gate, weights []float32) {
		for i := range gate {
			gate[i] += float32(weights[i] * cell[i])
		}
	}
	if p.peep != nil {
		peep(in, p.peep[:n])
		peep(forget, p.peep[2*n:])
	}
	p.bounded(&p.act[0], in)
	if p.Coupled {
		for i := range forget {
			forget[i] = 1 - in[i]
		}
	} else {
		p.bounded(&p.act[0], forget)
	}
	p.bounded(&p.act[1], c)
	for i := range cell {
		cell[i] = float32(forget[i]*cell[i]) + float32(in[i]*c[i])
	}
	if p.peep != nil {
		peep(out, p.peep[n:2*n])
	}
	p.bounded(&p.act[0], out)
	copy(h, cell)
	activate(&p.act[2], h)
	for i := range h {
		h[i] *= out[i]
	}
}
