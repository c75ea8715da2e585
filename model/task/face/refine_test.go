package face

import (
	"context"
	"math"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// saying returns a network that gives the same numbers for every picture of 48x48.
func saying(t *testing.T, offsets []float32) *model.Program {
	t.Helper()
	return linear(t, offsets, tensor.New(tensor.Float32, len(offsets), 3*48*48))
}

// linear returns a network that gives bias + weight·picture for pictures of 48x48.
func linear(t *testing.T, offsets []float32, weight *tensor.Tensor) *model.Program {
	t.Helper()
	g := &model.Graph{}
	in := g.Input("image", tensor.Float32, model.Fixed(1, 3, 48, 48)...)
	flat := g.Add("flat", &layer.Flatten{Axis: 1}, in)
	bias := tensor.New(tensor.Float32, len(offsets))
	copy(bias.Float32s(), offsets)
	out := g.Add("say", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, flat, model.Const("weight", weight), model.Const("bias", bias))
	g.Output(out)
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRefine moves the landmarks of a face that is turned and scaled: what the network says is along the face and in distances between its eyes, and as it
// says the same of the mirror image, each landmark is half way to the opposite one's mirror image.
func TestRefine(t *testing.T) {
	turn, scale := 0.4, 2.5
	c, s := scale*math.Cos(turn), scale*math.Sin(turn)
	inPicture := func(x, y float64) [2]float64 { return [2]float64{c*x - s*y + 90, s*x + c*y + 30} }
	var at Landmarks
	places := Places(48, 48)
	for i, p := range places {
		at[i] = inPicture(p[0], p[1])
	}
	eyes := math.Hypot(places[1][0]-places[0][0], places[1][1]-places[0][1])
	offsets := []float32{0.5, 0, 0, 0.25, -0.5, 0.125, 5, 0, float32(math.NaN()), 0}
	r, err := newRefiner(saying(t, offsets), card.Card{})
	if err != nil {
		t.Fatal(err)
	}
	pic := kernels.Picture{Format: kernels.RGB, W: 320, H: 240, Stride: 960, Pix: make([]uint8, 320*240*3)}
	got := at
	if err := r.round(context.Background(), pic, &got); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		want := at[i]
		if i < 3 { // the others are too far, or no numbers
			o := []int{1, 0, 2}[i]
			x, y := places[i][0]+eyes*float64(offsets[2*i]), places[i][1]+eyes*float64(offsets[2*i+1])
			mx, my := 48-places[o][0]-eyes*float64(offsets[2*o]), places[o][1]+eyes*float64(offsets[2*o+1])
			want = inPicture((x+mx)/2, (y+my)/2)
		}
		if math.Hypot(got[i][0]-want[0], got[i][1]-want[1]) > 1e-4 {
			t.Errorf("landmark %d is at %v, not %v", i, got[i], want)
		}
	}
	point := Landmarks{{5, 5}, {5, 5}, {5, 5}, {5, 5}, {5, 5}}
	if got := point; r.run(context.Background(), pic, &got) != nil || got != point {
		t.Error("landmarks in one point are moved")
	}
	if _, err := newRefiner(saying(t, offsets[:8]), card.Card{}); err == nil {
		t.Error("a network of four landmarks refines five")
	}
}

// TestRefineMirrored has a network that moves all landmarks right and down by how much brighter the left half of the face is. In the mirror image the right half
// is: of the two answers the moves to the right agree, and those down cancel.
func TestRefineMirrored(t *testing.T) {
	weight := tensor.New(tensor.Float32, 10, 3*48*48)
	for i, w := 0, weight.Float32s(); i < len(w); i++ {
		w[i] = 3e-7
		if i%48 >= 24 {
			w[i] = -3e-7
		}
	}
	r, err := newRefiner(linear(t, make([]float32, 10), weight), card.Card{})
	if err != nil {
		t.Fatal(err)
	}
	pic := kernels.Picture{Format: kernels.RGB, W: 48, H: 48, Stride: 144, Pix: make([]uint8, 48*48*3)}
	for i := range pic.Pix {
		if i%144 < 72 {
			pic.Pix[i] = 200
		}
	}
	places := Places(48, 48)
	got := places
	if err := r.round(context.Background(), pic, &got); err != nil {
		t.Fatal(err)
	}
	first := got[2][0] - 24
	for i := range got {
		o := []int{1, 0, 2, 4, 3}[i]
		x, y := (places[i][0]+48-places[o][0])/2, (places[i][1]+places[o][1])/2
		right, down := got[i][0]-x, got[i][1]-y
		if math.Abs(right-first) > 1e-3 || first < 1 || math.Abs(down) > 1e-3 {
			t.Errorf("landmark %d went %.4f right and %.4f down, the nose %.4f right", i, right, down, first)
		}
	}
}

// TestRefineAgain has a network that says how far above row 128 the landmarks are by how dark the face is, and takes half of it: two rounds leave a quarter.
func TestRefineAgain(t *testing.T) {
	places := Places(48, 48)
	eyes := math.Hypot(places[1][0]-places[0][0], places[1][1]-places[0][1])
	weight, bias := tensor.New(tensor.Float32, 10, 3*48*48), make([]float32, 10)
	for i := 1; i < 10; i += 2 {
		bias[i] = float32(0.5 * 128 / eyes)
		for k := range 3 * 48 * 48 {
			weight.Float32s()[i*3*48*48+k] = float32(-0.5 / eyes / (3 * 48 * 48))
		}
	}
	r, err := newRefiner(linear(t, bias, weight), card.Card{})
	if err != nil {
		t.Fatal(err)
	}
	pic := kernels.Picture{Format: kernels.Grey, W: 100, H: 256, Stride: 100, Pix: make([]uint8, 100*256)}
	for i := range pic.Pix {
		pic.Pix[i] = uint8(i / 100)
	}
	at := func(y float64) (l Landmarks) { // the middle of the face in row y
		for i, p := range places {
			l[i] = [2]float64{p[0] + 26, p[1] + y - 23.5}
		}
		return l
	}
	got, want := at(88), at(118)
	if err := r.run(context.Background(), pic, &got); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if math.Hypot(got[i][0]-want[i][0], got[i][1]-want[i][1]) > 0.5 { // the template is not quite its own mirror image
			t.Errorf("landmark %d is at %v, not %v", i, got[i], want[i])
		}
	}
}
