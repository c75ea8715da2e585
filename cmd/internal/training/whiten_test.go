package training

import (
	"math"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

func TestInverseCholesky(t *testing.T) {
	r := data.NewRand(4)
	const n = 9
	var vectors [][]float64
	for range 20 {
		v := make([]float64, n)
		for i := range v {
			v[i] = r.Bell()
		}
		vectors = append(vectors, v)
	}
	a := covariance(nil, vectors, n)
	x, err := inverseCholesky(a)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for k := range n {
			sum := 0.0
			for p := range n {
				for q := range n {
					sum += x[i][p] * a[p][q] * x[k][q]
				}
			}
			want := 0.0
			if i == k {
				want = 1
			}
			if math.Abs(sum-want) > 1e-9 {
				t.Errorf("element %d, %d of X·a·Xᵀ is %g", i, k, sum)
			}
		}
	}
	if _, err := inverseCholesky([][]float64{{1, 2}, {2, 1}}); err == nil {
		t.Error("an indefinite matrix is inverted")
	}
}

// TestMirrored compares a picture with its mirror image, of which the network must think the same, and with the network before.
func TestMirrored(t *testing.T) {
	g := arch.FaceEmbed(1)
	g.Outputs = g.Outputs[:1]
	dim := g.Outputs[0].Shape[1].Size
	id, zero := tensor.New(tensor.Float32, dim, dim), tensor.New(tensor.Float32, dim)
	for i := range dim {
		id.Float32s()[i*(dim+1)] = 1
	}
	x, y := tensor.New(tensor.Float32, 1, 3, 108, 84), tensor.New(tensor.Float32, 1, 3, 108, 84)
	r := data.NewRand(5)
	for i, d := 0, x.Float32s(); i < len(d); i++ {
		d[i] = float32(r.Bell())
		y.Float32s()[i/84*84+83-i%84] = d[i]
	}
	run := func(g *model.Graph, x *tensor.Tensor) []float32 {
		p, err := model.Compile(g, model.Options{Threads: 1, Inputs: map[string][]int{"image": x.Shape()}})
		if err != nil {
			t.Fatal(err)
		}
		s := p.NewSession()
		if err := s.Run(t.Context(), model.Tensors{"image": x}, nil); err != nil {
			t.Fatal(err)
		}
		return s.Output(0).Float32s()
	}
	m := mirrored(g, []partMap{{to: dim, weights: id, bias: zero, length: 1}})
	a, b, left, right := run(m, x), run(m, y), run(g, x), run(g, y)
	mean, length := make([]float32, dim), 0.0
	for i := range mean {
		mean[i] = (left[i] + right[i]) / 2
		length += float64(a[i]) * float64(a[i])
	}
	for _, v := range [][]float32{left, right, mean} {
		if err := embed.Normalize(v); err != nil {
			t.Fatal(err)
		}
	}
	if embed.Similarity(left, right) > 0.999 {
		t.Fatal("the network itself does not tell a picture from its mirror image")
	}
	if math.Abs(length-1) > 1e-5 {
		t.Errorf("the square of the length is %g", length)
	}
	if c := embed.Similarity(a, b); c < 0.99999 {
		t.Errorf("a picture and its mirror image have the cosine %g", c)
	}
	if c := embed.Similarity(a, mean); c < 0.99999 {
		t.Errorf("the cosine with the mean of both is %g", c)
	}
	// Two parts, the second one turned round, that have a length each.
	const first = 60
	square := func(n int, v float32) *tensor.Tensor {
		w := tensor.New(tensor.Float32, n, n)
		for i := range n {
			w.Float32s()[i*(n+1)] = v
		}
		return w
	}
	none := func(n int) *tensor.Tensor { return tensor.New(tensor.Float32, n) }
	a = run(mirrored(g, []partMap{
		{to: first, weights: square(first, 3), bias: none(first), length: 0.6},
		{from: first, to: dim, weights: square(dim-first, -2), bias: none(dim - first), length: 0.8}}), x)
	if len(a) != dim {
		t.Fatalf("parts of %d numbers are %d", dim, len(a))
	}
	for i, part := range [][]float32{mean[:first], mean[first:]} {
		if err := embed.Normalize(part); err != nil {
			t.Fatal(err)
		}
		for k, v := range part {
			want := []float32{0.6, -0.8}[i] * v
			if got := a[i*first+k]; math.Abs(float64(got-want)) > 1e-6 {
				t.Fatalf("number %d of part %d is %g, not %g", k, i, got, want)
			}
		}
	}
}

func TestPartsOfOutputs(t *testing.T) {
	j := &Job{Graph: arch.FaceEmbed(1)} // outputs of 192, 2016 and 1008 numbers
	for _, c := range []struct {
		from, to int
		want     []int
	}{{0, 3216, []int{192, 2016, 1008}}, {0, 96, []int{96}}, {192, 3216, []int{2016, 1008}}, {100, 2209, []int{92, 2016, 1}}} {
		if got := j.sizes(c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("%d to %d: %v, want %v", c.from, c.to, got, c.want)
		}
	}
	if got, want := columns([]float32{0, 1, 2, 3, 4, 5, 6, 7}, 4, 1, 3), []float32{1, 2, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("columns 1 and 2 are %v, want %v", got, want)
	}
}

// TestPrincipal looks for the greatest directions of a matrix that was made of known ones.
func TestPrincipal(t *testing.T) {
	const n, k = 24, 3
	r := data.NewRand(6)
	var basis [][]float64 // orthonormal
	for len(basis) < n {
		v := make([]float64, n)
		for i := range v {
			v[i] = r.Bell()
		}
		for _, u := range basis {
			along := dot(u, v)
			for i := range v {
				v[i] -= along * u[i]
			}
		}
		length := math.Sqrt(dot(v, v))
		for i := range v {
			v[i] /= length
		}
		basis = append(basis, v)
	}
	a := make([][]float64, n)
	for i := range a {
		a[i] = make([]float64, n)
		for m := range a[i] {
			for j, u := range basis {
				value := 1.0
				if j < k {
					value = float64(9 - j)
				}
				a[i][m] += value * u[i] * u[m]
			}
		}
	}
	q := principal(kernels.NewTeam(2), a, k)
	for i, v := range q {
		for m, w := range q {
			want := 0.0
			if i == m {
				want = 1
			}
			if got := dot(v, w); math.Abs(got-want) > 1e-9 {
				t.Errorf("the product of vectors %d and %d is %g", i, m, got)
			}
		}
		inside := 0.0
		for _, u := range basis[:k] {
			inside += dot(u, v) * dot(u, v)
		}
		if inside < 1-1e-9 {
			t.Errorf("vector %d lies outside the greatest directions by %g", i, 1-inside)
		}
	}
}

// TestDiscriminant maps people who differ in one direction of the second part, by less than their pictures do in another: behind the map two pictures of
// one person are nearer than those of two, and the covariance within people is the same in all directions.
func TestDiscriminant(t *testing.T) {
	const people, pictures, n = 40, 5, 6
	r := data.NewRand(7)
	var flat []float32
	var who []int
	for p := range people {
		place := r.Bell()
		for range pictures {
			v := make([]float64, n)
			for k := range v {
				v[k] = 3 + r.Bell()
			}
			v[1] *= 30                       // a long direction that says nothing
			v[4] = 0.1*place + 0.01*r.Bell() // a short one that tells people apart
			v[5] = 0.02*r.Bell() - 0.5*v[4]  // and one that goes with it
			who = append(who, p)
			for _, x := range v {
				flat = append(flat, float32(x))
			}
		}
	}
	w, b, err := discriminant(kernels.NewTeam(2), flat, []int{3, 3}, who, 0, 4)
	if err != nil {
		t.Fatal(err)
	}
	mapped := make([][]float64, people*pictures)
	for i := range mapped {
		for o := range 4 {
			sum := float64(b.Float32s()[o])
			for k := range n {
				sum += float64(w.Float32s()[o*n+k]) * float64(flat[i*n+k])
			}
			mapped[i] = append(mapped[i], sum)
		}
	}
	var off, means [][]float64
	for p := range people {
		mean := make([]float64, 4)
		for i := range pictures {
			for o, v := range mapped[p*pictures+i] {
				mean[o] += v / pictures
			}
		}
		means = append(means, mean)
		for i := range pictures {
			d := make([]float64, 4)
			for o := range d {
				d[o] = mapped[p*pictures+i][o] - mean[o]
			}
			off = append(off, d)
		}
	}
	within, between := covariance(nil, off, 4), covariance(nil, means, 4)
	within0, apart := within[0][0], 0.0
	for o := range 4 {
		apart += between[o][o]
		for q := range 4 {
			want := 0.0
			if o == q {
				want = within0
			}
			if math.Abs(within[o][q]-want) > 1e-3*within0 {
				t.Errorf("the covariance within people of %d and %d is %g, that of 0 and 0 %g", o, q, within[o][q], within0)
			}
		}
	}
	if apart < 50*within0 {
		t.Errorf("people are %g apart, their pictures %g", apart, within0)
	}
}
