package training

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// whiten ends a network that embeds faces: its vectors for a picture and for the picture mirrored are averaged, the mean of all people is taken off,
// the differences between pictures of one person become equally large in all directions, and the vector gets the length 1 (Hatch, Kajarekar,
// Stolcke: Within-class covariance normalization, Interspeech 2006). shrink, 0..1, moves the covariance towards a multiple of the identity.
func (j *Job) whiten(ctx context.Context, shrink float64) error {
	set, ok := j.learn.(*data.Faces)
	if !ok {
		return errors.New("only networks that learn of faces can be whitened")
	}
	flat, n, err := vectors(ctx, mirrored(j.Graph, nil, nil), set, j.options.Threads)
	if err != nil {
		return err
	}
	mean, within := scatter(flat, n, set)
	trace := 0.0
	for i := range n {
		trace += within[i*n+i] / float64(n)
	}
	for i := range within {
		within[i] *= 1 - shrink
	}
	for i := range n {
		within[i*n+i] += float64(shrink * trace)
	}
	inverse, err := inverseCholesky(within, n)
	if err != nil {
		return err
	}
	w, b := tensor.New(tensor.Float32, n, n), tensor.New(tensor.Float32, n)
	scale := math.Sqrt(trace) // so that numbers stay of the size that they had
	for i := range n {
		sum := 0.0
		for k := range n {
			w.Float32s()[i*n+k] = float32(scale * inverse[i*n+k])
			sum += float64(scale * inverse[i*n+k] * mean[k])
		}
		b.Float32s()[i] = float32(-sum)
	}
	j.Graph = mirrored(j.Graph, w, b)
	return nil
}

// vectors returns the outputs of a network for all examples of a set, each n numbers.
func vectors(ctx context.Context, g *model.Graph, set data.Set, threads int) (all []float32, n int, err error) {
	err = walk(ctx, g, set, threads, func(_ model.Tensors, out []float32, count int) error {
		n = len(out) / count
		all = append(all, out...)
		return nil
	})
	return all, n, err
}

// scatter returns the mean of vectors over people, and the covariance [n,n] of what pictures differ from the mean of their person by.
func scatter(flat []float32, n int, set *data.Faces) (mean, within []float64) {
	mean, within = make([]float64, n), make([]float64, n*n)
	means, count := make([]float64, len(set.People)*n), make([]int, len(set.People))
	for i := range set.Len() {
		p := set.Person(i)
		count[p]++
		for k, v := range flat[i*n:][:n] {
			means[p*n+k] += float64(v)
		}
	}
	for p, c := range count {
		for k := range n {
			means[p*n+k] /= float64(c)
			mean[k] += means[p*n+k] / float64(len(count))
		}
	}
	d, freedom := make([]float64, n), 0
	for _, c := range count {
		freedom += c - 1
	}
	for i := range set.Len() {
		p := set.Person(i)
		if count[p] < 2 {
			continue
		}
		for k, v := range flat[i*n:][:n] {
			d[k] = float64(v) - means[p*n+k]
		}
		for a := range n {
			for b := range n {
				within[a*n+b] += float64(d[a]*d[b]) / float64(max(1, freedom))
			}
		}
	}
	return mean, within
}

// inverseCholesky returns the lower triangular X with X·a·Xᵀ = 1, for a positive definite a [n,n].
func inverseCholesky(a []float64, n int) ([]float64, error) {
	l := slices.Clone(a)
	for i := range n {
		for k := range i + 1 {
			sum := l[i*n+k]
			for m := range k {
				sum -= float64(l[i*n+m] * l[k*n+m])
			}
			if k < i {
				l[i*n+k] = sum / l[k*n+k]
				continue
			}
			if !(sum > 0) {
				return nil, fmt.Errorf("the covariance within people is not positive definite; shrink it more with whiten")
			}
			l[i*n+i] = math.Sqrt(sum)
		}
	}
	x := make([]float64, n*n)
	for c := range n {
		for i := c; i < n; i++ {
			sum := 0.0
			if i == c {
				sum = 1
			}
			for m := c; m < i; m++ {
				sum -= float64(l[i*n+m] * x[m*n+c])
			}
			x[i*n+c] = sum / l[i*n+i]
		}
	}
	return x, nil
}

// mirrored returns a network of one picture that averages the vectors of the picture and of the picture mirrored; with weights [n,n] and a bias [n] it
// maps the average by these and gives it the length 1.
func mirrored(g *model.Graph, weights, bias *tensor.Tensor) *model.Graph {
	m := *g
	m.Nodes, m.Outputs = nil, nil
	in := g.Inputs[0]
	index := func(name string, v int64) *model.Value { return model.Const("mirror."+name, tensor.Of([]int64{v})) }
	flipped := m.Add("mirror", &layer.Slice{}, in, index("start", -1), index("end", math.MinInt64), index("axis", 3), index("step", -1))
	both := m.Add("mirror.both", &layer.Concat{Axis: 0}, in, flipped)
	for _, n := range g.Nodes {
		c := *n
		c.In = slices.Clone(n.In)
		for i, v := range c.In {
			if v == in {
				c.In[i] = both
			}
		}
		m.Nodes = append(m.Nodes, &c)
	}
	was := g.Outputs[0]
	size := was.Shape[1].Size
	x := m.Add("mirror.split", &layer.Reshape{}, was, model.Const("mirror.shape", tensor.Of([]int64{2, -1, int64(size)})))
	x = m.Add("mirror.mean", &layer.Reduce{Fn: layer.ReduceMean}, x, index("pair", 0))
	if weights != nil {
		x = m.Add("whiten", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, x, model.Const("whiten.weight", weights), model.Const("whiten.bias", bias))
		x = m.Add("unit", &layer.LpNorm{Axis: 1, P: 2}, x)
	}
	x.Name, x.DType, x.Shape = "vector", was.DType, was.Shape
	m.Output(x)
	return &m
}
