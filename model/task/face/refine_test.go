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
	g := &model.Graph{}
	in := g.Input("image", tensor.Float32, model.Fixed(1, 3, 48, 48)...)
	flat := g.Add("flat", &layer.Flatten{Axis: 1}, in)
	bias := tensor.New(tensor.Float32, len(offsets))
	copy(bias.Float32s(), offsets)
	out := g.Add("say", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, flat, model.Const("weight", tensor.New(tensor.Float32, len(offsets), 3*48*48)), model.Const("bias", bias))
	g.Output(out)
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRefine moves the landmarks of a face that is turned and scaled: what the network says is along the face and in distances between its eyes.
func TestRefine(t *testing.T) {
	turn, scale := 0.4, 2.5
	c, s := scale*math.Cos(turn), scale*math.Sin(turn)
	var at Landmarks
	for i, p := range Places(48, 48) {
		at[i] = [2]float64{c*p[0] - s*p[1] + 90, s*p[0] + c*p[1] + 30}
	}
	eyes := math.Hypot(at[1][0]-at[0][0], at[1][1]-at[0][1])
	offsets := []float32{0.5, 0, 0, 0.25, -0.5, 0.125, 5, 0, float32(math.NaN()), 0}
	r, err := newRefiner(saying(t, offsets), card.Card{})
	if err != nil {
		t.Fatal(err)
	}
	pic := kernels.Picture{Format: kernels.RGB, W: 320, H: 240, Stride: 960, Pix: make([]uint8, 320*240*3)}
	got := at
	if err := r.run(context.Background(), pic, &got); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		want := at[i]
		if i < 3 { // the others are too far, or no numbers
			x, y := eyes*float64(offsets[2*i]), eyes*float64(offsets[2*i+1])
			want[0] += x*math.Cos(turn) - y*math.Sin(turn)
			want[1] += x*math.Sin(turn) + y*math.Cos(turn)
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
