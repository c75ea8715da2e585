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

// whiten ends a network that embeds faces. For all its outputs, side by side, what it makes of a picture and of the picture mirrored is averaged, and of each
// part of these numbers the mean of all people is taken off. Then the differences between pictures of one person become equally large in all directions (Hatch,
// Kajarekar, Stolcke: Within-class covariance normalization, Interspeech 2006), the directions in which people differ most are kept (Fisher: The use of multiple
// measurements in taxonomic problems, 1936), and the part gets its length. The similarity of two faces is so the mean of the parts' by their weights.
func (j *Job) whiten(ctx context.Context, o recipe.Whiten) error {
	set, ok := j.learn.(*data.Faces)
	if !ok {
		return errors.New("only networks that learn of faces can be whitened")
	}
	twice := &again{set, j.Recipe.Seed}
	flat, n, err := vectors(ctx, mirrored(j.Graph, nil), twice, j.options.Threads)
	if err != nil {
		return err
	}
	who := make([]int, twice.Len())
	for i := range who {
		who[i] = set.Person(i % set.Len())
	}
	total := 0.0
	for _, p := range o.Parts {
		total += share(p)
	}
	var maps []partMap
	for _, p := range o.Parts {
		m := partMap{to: n, length: math.Sqrt(share(p) / total)}
		if len(p.Channels) > 0 {
			m.from, m.to = p.Channels[0], p.Channels[1]
		}
		if m.to > n || p.Width > m.to-m.from {
			return fmt.Errorf("whiten: the network's outputs are %d numbers; of %d to %d, %d cannot be kept", n, m.from, m.to, p.Width)
		}
		if m.weights, m.bias, err = discriminant(kernels.NewTeam(j.options.Threads), columns(flat, n, m.from, m.to), j.sizes(m.from, m.to), who, o.Shrink, p.Width); err != nil {
			return err
		}
		maps = append(maps, m)
	}
	j.Graph = mirrored(j.Graph, maps)
	return nil
}

// share is how much a part counts beside others.
func share(p recipe.WhitenPart) float64 {
	if p.Weight == 0 {
		return 1
	}
	return p.Weight
}

// partMap is how numbers from one on to an end, of all outputs side by side, become a part of the vector: by weights [m,to-from] and a bias [m], and then of a length.
type partMap struct {
	from, to      int
	weights, bias *tensor.Tensor
	length        float64
}

// columns returns those from one on to an end of a matrix with n columns.
func columns(flat []float32, n, from, to int) []float32 {
	var part []float32
	for ; len(flat) > 0; flat = flat[n:] {
		part = append(part, flat[from:to]...)
	}
	return part
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

// sizes returns how many numbers each output has of those from one on to an end, of all outputs side by side.
func (j *Job) sizes(from, to int) []int {
	var sizes []int
	at := 0
	for _, v := range j.Graph.Outputs {
		n := v.Shape[1].Size
		if size := min(to, at+n) - max(from, at); size > 0 {
			sizes = append(sizes, size)
		}
		at += n
	}
	return sizes
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

// discriminant returns the map of a part, weights [width,n] and bias [width], for vectors [pictures,n], each of the person whose number
// who says. Vectors are made of numbers of several outputs, of these sizes, which are brought to one length, on average, first.
func discriminant(t *kernels.Team, flat []float32, sizes, who []int, shrink float64, width int) (weights, bias *tensor.Tensor, err error) {
	n := 0
	for _, size := range sizes {
		n += size
	}
	centred, means, mean := people(flat, n, who)
	scale := equalised(centred, sizes)
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
			row[k] *= 1 - shrink
		}
		row[i] += float64(shrink * trace)
	}
	inverse, err := inverseCholesky(within)
	if err != nil {
		return nil, nil, err
	}
	q := principal(t, covariance(t, dots(t, means, inverse), n), width)
	across := make([][]float64, n) // the columns of inverse
	for i := range across {
		across[i] = make([]float64, n)
		for k := range n {
			across[i][k] = inverse[k][i]
		}
	}
	w, b := tensor.New(tensor.Float32, width, n), tensor.New(tensor.Float32, width)
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

// equalised returns a factor for each element that makes the numbers of all outputs, of these sizes, as long as one another, in the root of the mean square over vectors.
func equalised(vectors [][]float64, sizes []int) (scale []float64) {
	from := 0
	for _, size := range sizes {
		sum := 0.0
		for _, v := range vectors {
			sum += dot(v[from:from+size], v[from:from+size])
		}
		for range size {
			scale = append(scale, math.Sqrt(float64(len(vectors))/max(sum, math.SmallestNonzeroFloat32)))
		}
		from += size
	}
	return scale
}

// mirrored returns a network of one picture that averages the outputs, side by side, for the picture and for the picture mirrored; with maps it maps parts of the
// average and gives them their lengths.
func mirrored(g *model.Graph, maps []partMap) *model.Graph {
	m := *g
	m.Nodes, m.Outputs = nil, nil
	in := g.Inputs[0]
	index := func(name string, v int64) *model.Value { return model.Const(name, tensor.Of([]int64{v})) }
	flipped := m.Add("mirror", &layer.Slice{}, in, index("mirror.start", -1), index("mirror.end", math.MinInt64), index("mirror.axis", 3), index("mirror.step", -1))
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
	x = m.Add("mirror.mean", &layer.Reduce{Fn: layer.ReduceMean}, x, index("mirror.pair", 0))
	if maps != nil {
		size = 0
		var parts []*model.Value
		for i, p := range maps {
			name := func(s string) string {
				if len(maps) > 1 {
					s += fmt.Sprint(i + 1)
				}
				return s
			}
			y := x
			if len(maps) > 1 {
				part := name("part")
				y = m.Add(part, &layer.Slice{}, x, index(part+".start", int64(p.from)), index(part+".end", int64(p.to)), index(part+".axis", 1))
			}
			white := name("whiten")
			y = m.Add(white, &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, y, model.Const(white+".weight", p.weights), model.Const(white+".bias", p.bias))
			y = m.Add(name("unit"), &layer.LpNorm{Axis: 1, P: 2}, y)
			if p.length != 1 {
				y = m.Add(name("length"), &layer.Binary{Fn: layer.Mul}, y, model.Const(name("length")+".root", tensor.Scalar(float32(p.length))))
			}
			parts, size = append(parts, y), size+p.bias.Len()
		}
		if x = parts[0]; len(parts) > 1 {
			x = m.Add("parts", &layer.Concat{Axis: 1}, parts...)
		}
	}
	x.Name, x.DType, x.Shape = "vector", tensor.Float32, slices.Clone(outs[0].Shape)
	x.Shape[1] = model.Dim{Size: size}
	m.Output(x)
	return &m
}
