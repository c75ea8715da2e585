// Package teachtest draws what tests teach with: a network that knows nothing, and pictures of two kinds.
package teachtest

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// Network is a classifier of windows of 16x32 with random weights.
func Network(t testing.TB) []byte {
	t.Helper()
	return NetworkOf(t, 5)
}

// NetworkOf is one with the weights of a seed.
func NetworkOf(t testing.TB, seed uint64) []byte {
	t.Helper()
	b := arch.NewBuilder("window", seed)
	x := b.MaxPool(b.ReLU(b.Conv(b.Input("image", 3, 32, 16), arch.ConvSpec{Out: 8, K: 3})), 2, 2, 0)
	x = b.MaxPool(b.ReLU(b.Conv(x, arch.ConvSpec{Out: 8, K: 3})), 4, 4, 0)
	b.Gain(1)
	b.Output("logits", b.Dense(x, 2))
	yes := true
	c := card.Card{Labels: []string{"background", "person"}, Logits: &yes, Input: card.Input{Order: "rgb", Fit: "stretch", Region: []float64{0, 0, 1, 1}, Mean: []float64{0}, Std: []float64{255}},
		Window: &card.Window{Object: []float64{4, 4, 8, 24}, Picture: "320x240"}}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	b.Graph.Meta = map[string]string{card.MetaKey: string(text)}
	out, err := onnx.Write(b.Graph)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Draw returns a picture with somebody in a box, or with something that lies there.
func Draw(r *rand.Rand, person bool) (kernels.Picture, [4]float64) {
	const w, h = 96, 96
	p := kernels.Picture{Format: kernels.RGB, W: w, H: h, Stride: 3 * w, Pix: make([]uint8, 3*w*h)}
	// What is behind differs from place to place: eight by eight fields of any brightness.
	var fields [64]int
	for i := range fields {
		fields[i] = r.IntN(110)
	}
	for i := range p.Pix {
		p.Pix[i] = uint8(fields[i/3/w/12*8+i/3%w/12] + r.IntN(20))
	}
	cx, cy := 48+r.Float64()*6-3, 48+r.Float64()*6-3
	rx, ry := 8+r.Float64()*2, 22+r.Float64()*4
	if !person {
		rx, ry = 18+r.Float64()*4, 5+r.Float64()*2
	}
	colour := [3]int{150 + r.IntN(90), 150 + r.IntN(90), 150 + r.IntN(90)}
	for y := range h {
		for x := range w {
			if math.Pow((float64(x)-cx)/rx, 2)+math.Pow((float64(y)-cy)/ry, 2) < 1 {
				for c := range 3 {
					p.Pix[3*(y*w+x)+c] = uint8(colour[c] + r.IntN(15))
				}
			}
		}
	}
	return p, [4]float64{cx - 10, cy - 26, 20, 52}
}
