package model

import (
	"slices"
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// permuted reorders the axes of four-byte elements. At each of its places lies a matrix that is transposed, or a run of elements that is copied.
type permuted struct {
	fastOp
	odometer       // of output and input
	rows, cols int // of a matrix in the input; cols is the length of a run
	ldd, lds   int // from row to row in output and input
	copies     bool
}

func (*permuted) Kind() string { return "Transpose" }

// smallMatrix is so few elements that a call of a kernel does not pay for them.
const smallMatrix = 16

// newPermuted plans the permutation of the axes of a filled shape; nil where there is no fast form. With the identity it returns a view.
func newPermuted(shape, perm []int) layer.Op {
	// Axes of the output from the innermost on, without those of one element and joined where the input has them side by side, too.
	var dims, steps []int
	inputSteps := make([]int, len(shape))
	for i, n := len(shape)-1, 1; i >= 0; i-- {
		inputSteps[i] = n
		n *= shape[i]
	}
	for i := len(perm) - 1; i >= 0; i-- {
		d, step := shape[perm[i]], inputSteps[perm[i]]
		if k := len(dims) - 1; k >= 0 && step == steps[k]*dims[k] {
			dims[k] *= d
		} else if d > 1 {
			dims, steps = append(dims, d), append(steps, step)
		}
	}
	if len(dims) < 2 {
		return &view{}
	}
	outputSteps := make([]int, len(dims))
	for i, n := 0, 1; i < len(dims); i++ {
		outputSteps[i] = n
		n *= dims[i]
	}
	p := &permuted{rows: dims[0], lds: steps[0], cols: 1}
	inner := slices.Index(steps, 1)
	if p.copies = inner == 0; p.copies {
		p.rows, p.cols = dims[1], dims[0]
		p.ldd, p.lds, inner = outputSteps[1], steps[1], 1
	} else {
		p.cols, p.ldd = dims[inner], outputSteps[inner]
	}
	for i := 1; i < len(dims); i++ {
		if i != inner {
			p.dims = append(p.dims, dims[i])
			p.steps[0], p.steps[1] = append(p.steps[0], outputSteps[i]), append(p.steps[1], steps[i])
		}
	}
	if !p.copies && p.rows*p.cols < smallMatrix {
		return nil
	}
	return p
}

func (p *permuted) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	dst, src := words(out[0]), words(in[0])
	if places := p.places(); places > 1 || p.copies {
		t := permuteTasks.Get().(*permuteTask)
		t.p, t.dst, t.src, t.places = p, dst, src, places
		t.per = max(1, mapPiece/(p.rows*p.cols))
		e.Team.Run(t, (places+t.per-1)/t.per)
		*t = permuteTask{}
		permuteTasks.Put(t)
		return nil
	}
	kernels.Transpose(e.Team, dst, p.ldd, src, p.lds, p.rows, p.cols)
	return nil
}

type permuteTask struct {
	p           *permuted
	dst, src    []float32
	places, per int
}

var permuteTasks = sync.Pool{New: func() any { return new(permuteTask) }}

func (t *permuteTask) Tile(i, _ int) {
	p := t.p
	at := p.from(i * t.per)
	for range min(t.per, t.places-i*t.per) {
		dst, src := t.dst[at.off[0]:], t.src[at.off[1]:]
		switch {
		case !p.copies:
			kernels.Transpose(nil, dst, p.ldd, src, p.lds, p.rows, p.cols)
		case p.cols == 2:
			for r := range p.rows {
				d, s := dst[r*p.ldd:], src[r*p.lds:]
				d[0], d[1] = s[0], s[1]
			}
		default:
			for r := range p.rows {
				copy(dst[r*p.ldd:][:p.cols], src[r*p.lds:])
			}
		}
		p.next(&at)
	}
}
