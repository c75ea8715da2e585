package layer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// CrossEntropy is the negative log-likelihood of labels under a softmax over the classes, with its gradient. Inputs: logits x [N,C,...] and int32
// labels [N,...]; an input 2, [N,...] of x's type, weighs the examples. Outputs: the weighted mean over all labels that are not Ignore, a scalar, and its
// gradient with respect to x.
//
// Weights, [C] or nil, weigh the classes. Smoothing moves that part of the target evenly to all classes (Szegedy et al.: Rethinking the
// Inception architecture, CVPR 2016, section 7). A label outside 0..C-1 that is not Ignore is an error.
type CrossEntropy struct {
	Weights   []float32
	Smoothing float32
	Ignore    int32
	Last      bool // x has the channels last: [N,...,C]
}

func (*CrossEntropy) Kind() string { return "CrossEntropy" }

// classes returns the number of classes of logits and the shape that labels have.
func (c *CrossEntropy) classes(x []int) (int, []int) {
	if c.Last {
		return x[len(x)-1], x[:len(x)-1]
	}
	return x[1], append([]int{x[0]}, x[2:]...)
}

func (c *CrossEntropy) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32, tensor.Float64); err != nil {
		return nil, err
	}
	if err := rank(in, 0, 2, tensor.MaxRank); err != nil {
		return nil, err
	}
	n, shape := c.classes(in[0].Shape)
	for i, d := range []tensor.DType{tensor.Int32, in[0].DType} {
		if k := i + 1; k < len(in) && in[k].Present() && (in[k].DType != d || !slices.Equal(in[k].Shape, shape)) {
			return nil, fmt.Errorf("logits %s and input %d %s: it should be %s%s", in[0], k, in[k], d, tensor.FormatShape(shape))
		}
	}
	if c.Weights != nil && len(c.Weights) != n {
		return nil, fmt.Errorf("%d class weights for %d classes", len(c.Weights), n)
	}
	return []Info{{DType: in[0].DType}, {DType: in[0].DType, Shape: in[0].Shape}}, nil
}

// Backward passes the gradient on that Forward computed.
func (c *CrossEntropy) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	if dout[0] == 0 {
		return make([]Ref, len(in))
	}
	g := make([]Ref, len(in))
	if g[0] = out[1]; !isOne(t.Info(dout[0]).Value) {
		g[0] = t.Add(&Binary{Fn: Mul}, out[1], dout[0])
	}
	return g
}

// isOne says whether a value is known to be the number 1.
func isOne(t *tensor.Tensor) bool { return t != nil && t.Len() == 1 && t.Floats()[0] == 1 }

func (c *CrossEntropy) Forward(e *Env, in, out []*tensor.Tensor) error {
	n, _ := c.classes(in[0].Shape())
	labels := tensor.Data[int32](in[1])
	for i, l := range labels {
		if l != c.Ignore && (l < 0 || int(l) >= n) {
			return fmt.Errorf("label %d is %d; there are %d classes", i, l, n)
		}
	}
	if in[0].DType() == tensor.Float64 {
		var w []float64
		if x := optT(in, 2); x != nil {
			w = tensor.Data[float64](x)
		}
		loss := crossEntropy64(c, tensor.Data[float64](in[0]), labels, w, wanted[float64](e, out[1], in[0].Len()), n, c.inner(in[0].Shape()))
		wanted[float64](e, out[0], 1)[0] = loss
		return nil
	}
	t := taskOf[entropyTask](e)
	rows := len(labels)
	blocks := (rows + entropyRows - 1) / entropyRows
	*t = entropyTask{c: c, n: n, inner: c.inner(in[0].Shape()), x: in[0].Float32s(), labels: labels, dx: wanted[float32](e, out[1], in[0].Len()), sums: t.sums, scratch: e.Floats(e.Team.Threads() * n * 2)}
	if x := optT(in, 2); x != nil {
		t.w = x.Float32s()
	}
	t.total = c.total(labels, t.w)
	if cap(t.sums) < blocks {
		t.sums = make([]float64, blocks)
	}
	t.sums = t.sums[:blocks]
	e.Team.Run(t, blocks)
	sum := 0.0
	for _, s := range t.sums {
		sum += s
	}
	wanted[float32](e, out[0], 1)[0] = float32(sum)
	return nil
}

// wanted returns the elements of an output, or as many of scratch memory where it is left out.
func wanted[T real](e *Env, out *tensor.Tensor, n int) []T {
	if out == nil {
		return scratch[T](e, n)
	}
	return tensor.Data[T](out)
}

// inner is the number of elements from one class of an example to the next.
func (c *CrossEntropy) inner(x []int) int {
	if c.Last {
		return 1
	}
	return sizeOf(x[2:])
}

// weight of a label; 0 where it is ignored.
func (c *CrossEntropy) weight(l int32) float32 {
	switch {
	case l == c.Ignore:
		return 0
	case c.Weights != nil:
		return c.Weights[l]
	}
	return 1
}

// total is the sum of all weights.
func (c *CrossEntropy) total(labels []int32, w []float32) float64 {
	sum := 0.0
	for i, l := range labels {
		v := float64(c.weight(l))
		if w != nil {
			v *= float64(w[i])
		}
		sum += v
	}
	return sum
}

// entropyRows is how many labels one tile handles.
const entropyRows = 256

// entropyTask computes the loss and the gradient of a block of labels per tile.
type entropyTask struct {
	c        *CrossEntropy
	n, inner int
	x, w, dx []float32
	labels   []int32
	total    float64
	sums     []float64 // of each block
	scratch  []float32 // two rows for each worker
}

func (t *entropyTask) Tile(block, worker int) {
	logp, p := t.scratch[worker*2*t.n:][:t.n], t.scratch[(worker*2+1)*t.n:][:t.n]
	sum := 0.0
	for i := block * entropyRows; i < min((block+1)*entropyRows, len(t.labels)); i++ {
		l := t.labels[i]
		w := float64(t.c.weight(l))
		if t.w != nil {
			w *= float64(t.w[i])
		}
		base := i/t.inner*t.n*t.inner + i%t.inner
		if w == 0 {
			for k := range t.n {
				t.dx[base+k*t.inner] = 0
			}
			continue
		}
		w /= t.total
		if t.inner == 1 {
			kernels.LogSoftmax(logp, t.x[base:base+t.n], t.n)
		} else {
			for k := range t.n {
				p[k] = t.x[base+k*t.inner]
			}
			kernels.LogSoftmax(logp, p, t.n)
		}
		kernels.Exp(p, logp)
		even := float64(t.c.Smoothing) / float64(t.n)
		hit := 1 - float64(t.c.Smoothing)
		loss := float64(hit * float64(logp[l]))
		if even != 0 {
			all := 0.0
			for _, v := range logp {
				all += float64(v)
			}
			loss += float64(even * all)
		}
		sum -= float64(w * loss)
		scale, shift := float32(w), float32(w*even)
		for k, v := range p {
			d := float32(v*scale) - shift
			if k == int(l) {
				d -= float32(w * hit)
			}
			t.dx[base+k*t.inner] = d
		}
	}
	t.sums[block] = sum
}

// crossEntropy64 is the same for float64.
func crossEntropy64(c *CrossEntropy, x []float64, labels []int32, w, dx []float64, n, inner int) float64 {
	weight := func(i int) float64 {
		v := float64(c.weight(labels[i]))
		if w != nil {
			v *= w[i]
		}
		return v
	}
	total, loss := 0.0, 0.0
	for i := range labels {
		total += weight(i)
	}
	even, hit := float64(c.Smoothing)/float64(n), 1-float64(c.Smoothing)
	for i, l := range labels {
		base := i/inner*n*inner + i%inner
		v := weight(i) / total
		top, sum := math.Inf(-1), 0.0
		for k := range n {
			top = max(top, x[base+k*inner])
		}
		for k := range n {
			sum += math.Exp(x[base+k*inner] - top)
		}
		for k := range n {
			logp := x[base+k*inner] - top - math.Log(sum)
			goal := even
			if k == int(l) {
				goal += hit
			}
			if weight(i) == 0 {
				dx[base+k*inner] = 0
				continue
			}
			loss -= float64(v * goal * logp)
			dx[base+k*inner] = v * (math.Exp(logp) - goal)
		}
	}
	return loss
}
