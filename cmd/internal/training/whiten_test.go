package training

import (
	"math"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

func TestInverseCholesky(t *testing.T) {
	r := data.NewRand(4)
	const n = 9
	a := make([]float64, n*n)
	for range 20 {
		var v [n]float64
		for i := range v {
			v[i] = r.Bell()
		}
		for i := range v {
			for k := range v {
				a[i*n+k] += v[i] * v[k]
			}
		}
	}
	x, err := inverseCholesky(a, n)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for k := range n {
			sum := 0.0
			for p := range n {
				for q := range n {
					sum += x[i*n+p] * a[p*n+q] * x[k*n+q]
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
	if _, err := inverseCholesky([]float64{1, 2, 2, 1}, 2); err == nil {
		t.Error("an indefinite matrix is inverted")
	}
}

// TestMirrored compares a picture with its mirror image, of which the network must think the same, and with the network before.
func TestMirrored(t *testing.T) {
	g := arch.FaceEmbed(1)
	dim := g.Outputs[0].Shape[1].Size
	id, zero := tensor.New(tensor.Float32, dim, dim), tensor.New(tensor.Float32, dim)
	for i := range dim {
		id.Float32s()[i*(dim+1)] = 1
	}
	x, y := tensor.New(tensor.Float32, 1, 3, 72, 56), tensor.New(tensor.Float32, 1, 3, 72, 56)
	r := data.NewRand(5)
	for i, d := 0, x.Float32s(); i < len(d); i++ {
		d[i] = float32(r.Bell())
		y.Float32s()[i/56*56+55-i%56] = d[i]
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
	m := mirrored(g, id, zero)
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
}
