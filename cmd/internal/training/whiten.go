package training

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/train/recipe"
)

// whiten ends a network that embeds faces. For all its outputs, side by side, what it makes of a picture and of the picture mirrored is averaged, and the mean of
// all people is taken off. Then the differences between pictures of one person become equally large in all directions (Hatch, Kajarekar, Stolcke:
// Within-class covariance normalization, Interspeech 2006), the directions in which people differ most are kept (Fisher: The use of multiple
// measurements in taxonomic problems, 1936), and the vector gets the length 1.
func (j *Job) whiten(ctx context.Context, o recipe.Whiten) error {
	set, ok := j.learn.(*data.Faces)
	if !ok {
		return errors.New("only networks that learn of faces can be whitened")
	}
	twice := &again{set, j.Recipe.Seed}
	flat, n, err := vectors(ctx, mirrored(j.Graph, nil, nil), twice, j.options.Threads)
	if err != nil {
		return err
	}
	if o.Width > n {
		return fmt.Errorf("whiten: the network's outputs are %d numbers, of which %d cannot be kept", n, o.Width)
	}
	if len(o.Weights) > 0 && len(o.Weights) != len(j.Graph.Outputs) {
		return fmt.Errorf("whiten: there are %d weights for %d outputs", len(o.Weights), len(j.Graph.Outputs))
	}
	who := make([]int, twice.Len())
	for i := range who {
		who[i] = set.Person(i % set.Len())
	}
	weights, bias, err := discriminant(kernels.NewTeam(j.options.Threads), flat, j.parts(), who, o)
	if err != nil {
		return err
	}
	j.Graph = mirrored(j.Graph, weights, bias)
	return nil
}

// again is pictures of faces as they stand, and after them all of them once more, changed as in training: so little as landmarks are off, faces are to stay alike.
type again struct {
	*data.Faces
	seed uint64
}

func (a *again) Len() int { return 2 * a.Faces.Len() }

func (a *again) Read(i int, _ *data.Rand, dst []*tensor.Tensor) error {
	n := a.Faces.Len()
	if i < n {
		return a.Faces.Read(i, nil, dst)
	}
	return a.Faces.Read(i-n, data.NewRand(a.seed, uint64(i)), dst)
}

// parts returns how many numbers each output has.
func (j *Job) parts() []int {
	var parts []int
	for _, v := range j.Graph.Outputs {
		parts = append(parts, v.Shape[1].Size)
	}
	return parts
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

// discriminant returns the map of whiten, weights [Width,n] and bias [Width], for vectors [pictures,n], each of the person whose number
// who says. Vectors are made of parts, which are brought to one length, on average, first.
func discriminant(t *kernels.Team, flat []float32, parts, who []int, o recipe.Whiten) (weights, bias *tensor.Tensor, err error) {
	n := 0
	for _, p := range parts {
		n += p
	}
	centred, means, mean := people(flat, n, who)
	scale := equalised(centred, parts, o.Weights)
	for _, rows := range [][][]float64{centred, means} {
		for _, row := range rows {
			for k := range row {
				row[k] *= scale[k]
			}
		}
	}
	for i, v := range centred { // pictures less the mean of their person
		for k, m := range means[who[i]] {
			v[k] -= m
		}
	}
	within := covariance(t, centred, n)
	trace := 0.0
	for i, row := range within {
		trace += row[i] / float64(n)
	}
	for i, row := range within {
		for k := range row {
			row[k] *= 1 - o.Shrink
		}
		row[i] += float64(o.Shrink * trace)
	}
	inverse, err := inverseCholesky(within)
	if err != nil {
		return nil, nil, err
	}
	q := principal(t, covariance(t, dots(t, means, inverse), n), o.Width)
	across := make([][]float64, n) // the columns of inverse
	for i := range across {
		across[i] = make([]float64, n)
		for k := range n {
			across[i][k] = inverse[k][i]
		}
	}
	w, b := tensor.New(tensor.Float32, o.Width, n), tensor.New(tensor.Float32, o.Width)
	for i, row := range dots(t, q, across) {
		sum := 0.0
		for k, v := range row {
			v *= float64(scale[k] * math.Sqrt(trace)) // so that numbers stay of the size that they had
			w.Float32s()[i*n+k] = float32(v)
			sum += float64(v * mean[k])
		}
		b.Float32s()[i] = float32(-sum)
	}
	return w, b, nil
}

// people returns vectors and the means of people less the mean over people, and that mean.
func people(flat []float32, n int, who []int) (centred, means [][]float64, mean []float64) {
	count := make([]int, slices.Max(who)+1)
	for _, p := range who {
		count[p]++
	}
	centred, means, mean = make([][]float64, len(who)), make([][]float64, len(count)), make([]float64, n)
	for p := range means {
		means[p] = make([]float64, n)
	}
	for i, p := range who {
		centred[i] = make([]float64, n)
		for k, v := range flat[i*n:][:n] {
			centred[i][k] = float64(v)
			means[p][k] += float64(v) / float64(count[p])
		}
	}
	for k := range mean {
		for _, m := range means {
			mean[k] += m[k] / float64(len(means))
		}
	}
	for _, rows := range [][][]float64{centred, means} {
		for _, row := range rows {
			for k := range row {
				row[k] -= mean[k]
			}
		}
	}
	return centred, means, mean
}

// equalised returns a factor for each element that makes all parts as long as one another, in the root of the mean square over vectors, or as long as their weights.
func equalised(vectors [][]float64, parts []int, weights []float64) (scale []float64) {
	from := 0
	for i, size := range parts {
		weight := 1.0
		if len(weights) > 0 {
			weight = weights[i]
		}
		sum := 0.0
		for _, v := range vectors {
			sum += dot(v[from:from+size], v[from:from+size])
		}
		for range size {
			scale = append(scale, weight*math.Sqrt(float64(len(vectors))/max(sum, math.SmallestNonzeroFloat32)))
		}
		from += size
	}
	return scale
}

// mirrored returns a network of one picture that averages the outputs, side by side, for the picture and for the picture mirrored; with weights [m,n] and a
// bias [m] it maps the average by these and gives it the length 1.
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
	outs, size := slices.Clone(g.Outputs), 0
	for _, v := range outs {
		size += v.Shape[1].Size
	}
	x := outs[0]
	if len(outs) > 1 {
		x = m.Add("mirror.outputs", &layer.Concat{Axis: 1}, outs...)
	}
	x = m.Add("mirror.split", &layer.Reshape{}, x, model.Const("mirror.shape", tensor.Of([]int64{2, -1, int64(size)})))
	x = m.Add("mirror.mean", &layer.Reduce{Fn: layer.ReduceMean}, x, index("pair", 0))
	if weights != nil {
		x = m.Add("whiten", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, x, model.Const("whiten.weight", weights), model.Const("whiten.bias", bias))
		x = m.Add("unit", &layer.LpNorm{Axis: 1, P: 2}, x)
		size = bias.Len()
	}
	x.Name, x.DType, x.Shape = "vector", tensor.Float32, slices.Clone(outs[0].Shape)
	x.Shape[1] = model.Dim{Size: size}
	m.Output(x)
	return &m
}
