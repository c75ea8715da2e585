package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// The optimisers.
type (
	SGD   = ref.SGD
	AdamW = ref.AdamW
)

// updateOp is a rule by which weights change.
type updateOp uint8

const (
	updateSGD updateOp = iota
	updateNesterov
	updateAdamW
	updateLerp
	updateSquares // sums of squares of g
)

// updateParams are the scalars of a rule: of SGD Scale, Decay, Momentum, -Rate; of AdamW the fields of ref.AdamWFactors.
type updateParams [8]float32

// update is weights being changed; its tiles are blocks of ref.SquaresBlock elements.
type update struct {
	op         updateOp
	w, m, v, g []float32
	p          updateParams
	sums       []float32
}

var updates = poolOf[update]()

func (k *update) run(t *Team, n int) {
	t.Run(k, (n+ref.SquaresBlock-1)/ref.SquaresBlock)
}

func (k *update) done() {
	*k = update{sums: k.sums}
	updates.Put(k)
}

// Tile updates a block of elements.
func (k *update) Tile(i, _ int) {
	at, end := i*ref.SquaresBlock, min((i+1)*ref.SquaresBlock, len(k.g))
	g := k.g[at:end]
	switch k.op {
	case updateSquares:
		var l eight
		dotLanes(&l, g, g)
		k.sums[i] = ref.Join8(&l)
	case updateLerp:
		mapRun(mapLerp, k.w[at:end], k.w[at:end], g, nil, mapParams{k.p[0]})
	case updateAdamW:
		updateCall(k.op, k.w[at:end], k.m[at:end], k.v[at:end], g, &k.p)
	default:
		updateCall(k.op, k.w[at:end], nil, k.v[at:end], g, &k.p)
	}
}

// SGDStep updates the weights w and their velocities v from the gradient g, all of one length and apart. It returns the bits of ref.SGD.Step.
func SGDStep(t *Team, w, v, g []float32, s SGD) {
	if len(v) != len(w) || len(g) != len(w) {
		panic("kernels: SGDStep: w, v and g differ in length")
	}
	if !disjoint(w, v) || !disjoint(w, g) || !disjoint(v, g) {
		panic("kernels: SGDStep: w, v and g overlap")
	}
	k := updates.Get().(*update)
	k.op, k.w, k.v, k.g = updateSGD, w, v, g
	k.p = updateParams{s.Scale, s.Decay, s.Momentum, -s.Rate}
	if s.Nesterov {
		k.op = updateNesterov
	}
	k.run(t, len(w))
	k.done()
}

// AdamWStep updates the weights w and the moments m and v from the gradient g, all of one length and apart. It returns the bits of ref.AdamW.Step.
func AdamWStep(t *Team, w, m, v, g []float32, s AdamW) {
	if len(m) != len(w) || len(v) != len(w) || len(g) != len(w) {
		panic("kernels: AdamWStep: w, m, v and g differ in length")
	}
	if !disjoint(w, m) || !disjoint(w, v) || !disjoint(w, g) || !disjoint(m, v) || !disjoint(m, g) || !disjoint(v, g) {
		panic("kernels: AdamWStep: w, m, v and g overlap")
	}
	k := updates.Get().(*update)
	f := s.Factors()
	k.op, k.w, k.m, k.v, k.g = updateAdamW, w, m, v, g
	k.p = updateParams{f.Scale, f.Take1, f.Keep2, f.Take2, f.Root, f.Eps, f.Rate, f.Keep}
	k.run(t, len(w))
	k.done()
}

// SumSquares returns Σ x² in the order of ref.SumSquares.
func SumSquares(t *Team, x []float32) float64 {
	k := updates.Get().(*update)
	n := (len(x) + ref.SquaresBlock - 1) / ref.SquaresBlock
	if cap(k.sums) < n {
		k.sums = make([]float32, n)
	}
	k.op, k.g, k.sums = updateSquares, x, k.sums[:n]
	k.run(t, len(x))
	var sum float64
	for _, s := range k.sums {
		sum += float64(s)
	}
	k.done()
	return sum
}

// Lerp computes dst[i] = dst[i] + (src[i] - dst[i])·a, product and sum rounded once: the moving average dst takes in the share a of src. dst and src
// have one length and do not overlap. It returns the bits of ref.Lerp.
func Lerp(t *Team, dst, src []float32, a float32) {
	if len(src) != len(dst) {
		panic("kernels: Lerp: dst and src differ in length")
	}
	if !disjoint(dst, src) {
		panic("kernels: Lerp: dst overlaps src")
	}
	k := updates.Get().(*update)
	k.op, k.w, k.g, k.p = updateLerp, dst, src, updateParams{a}
	k.run(t, len(dst))
	k.done()
}

// updateGeneric is a rule in plain Go.
func updateGeneric(op updateOp, w, m, v, g []float32, p *updateParams) {
	if op == updateAdamW {
		for i, d := range g {
			d = float32(d * p[0])
			m[i] = ref.FMA32(d-m[i], p[1], m[i])
			v[i] = ref.FMA32(float32(d*p[3]), d, float32(v[i]*p[2]))
			q := m[i] / ref.FMA32(ref.Sqrt(v[i]), p[4], p[5])
			w[i] = ref.FMA32(q, p[6], float32(w[i]*p[7]))
		}
		return
	}
	for i, d := range g {
		d = ref.FMA32(w[i], p[1], float32(d*p[0]))
		v[i] = ref.FMA32(v[i], p[2], d)
		if op == updateNesterov {
			d = ref.FMA32(v[i], p[2], d)
		} else {
			d = v[i]
		}
		w[i] = ref.FMA32(d, p[3], w[i])
	}
}
