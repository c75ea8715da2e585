package layer

import (
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// columnTask computes a convolution of float32 as a product: what the taps see at some output positions makes rows of a matrix, which is
// multiplied by the weights (Chellapilla, Puri, Simard: High Performance Convolutional Neural Networks for Document Processing, IWFHR 2006).
// Its tiles are those positions.
type columnTask struct {
	from    seer
	weights []*kernels.Packed // of each group: [K,O/G] and the bias
	area, o int               // output positions and channels of an image
	row     int               // floats that the taps of all groups see: G·K
	chunk   int               // positions in a tile
	y       []float32         // [N,O,area]
	seen    []float32         // [worker,chunk,G,K]
	sums    []float32         // [worker,chunk,O]
}

// seer writes what the taps see at positions from..to of image n: rows [G,K].
type seer interface {
	see(rows []float32, n, from, to int)
}

// packGroups packs the weights [O,K] of each group, and the bias [O] or nil.
func packGroups(w, b []float32, groups, o, k int) []*kernels.Packed {
	if o == 0 {
		return nil
	}
	p, each := make([]*kernels.Packed, groups), o/groups
	for g := range p {
		var bias []float32
		if b != nil {
			bias = b[g*each:]
		}
		p[g] = kernels.PackBT(w[g*each*k:], k, k, each, bias)
	}
	return p
}

// byColumns computes out, which is not empty.
func byColumns(e *Env, from seer, weights []*kernels.Packed, out *tensor.Tensor) {
	// Floats of what a tile sees: so many stay in the second-level cache; more only where a product of fewer rows would be slow, up to most.
	const near, most = 1 << 15, 1 << 22
	t := taskOf[columnTask](e)
	n, o := out.Dim(0), out.Dim(1)
	*t = columnTask{from: from, weights: weights, area: out.Len() / (n * o), o: o, row: len(weights) * weights[0].K, y: out.Float32s()}
	widest := max(t.row, o)
	t.chunk = min(t.area, max(1, min(64, most/widest), near/widest))
	t.seen, t.sums = e.Floats(e.Team.Threads()*t.chunk*t.row), e.Floats(e.Team.Threads()*t.chunk*o)
	e.Team.Run(t, n*((t.area+t.chunk-1)/t.chunk))
}

func (t *columnTask) Tile(i, worker int) {
	chunks := (t.area + t.chunk - 1) / t.chunk
	n, from := i/chunks, i%chunks*t.chunk
	to := min(t.area, from+t.chunk)
	rows, sums := t.seen[worker*t.chunk*t.row:][:(to-from)*t.row], t.sums[worker*t.chunk*t.o:][:(to-from)*t.o]
	t.from.see(rows, n, from, to)
	for g, w := range t.weights {
		kernels.Gemm(nil, sums[g*w.N:], t.o, rows[g*w.K:], t.row, to-from, w, nil, 0, kernels.Act{})
	}
	kernels.Transpose(nil, t.y[n*t.o*t.area+from:], t.area, sums, t.o, to-from, t.o)
}

// floatsOf returns the elements of a tensor, or nil where there is none.
func floatsOf(t *tensor.Tensor) []float32 {
	if t == nil {
		return nil
	}
	return t.Float32s()
}
