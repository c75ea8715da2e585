package segment

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// labels runs a network that answers the same to every picture, with an input of 8x4, on a picture of w x h.
func labels(t *testing.T, x *tensor.Tensor, c card.Card, w, h int) ([]uint8, []Share, error) {
	t.Helper()
	g := &model.Graph{}
	g.Input("image", tensor.Float32, model.Fixed(1, 3, 4, 8)...)
	g.Output(model.Const("map", x))
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(p, c)
	if err != nil {
		return nil, nil, err
	}
	pic := kernels.Picture{Format: kernels.Grey, W: w, H: h, Stride: w, Pix: make([]uint8, w*h)}
	if err := s.Segment(context.Background(), pic); err != nil {
		t.Fatal(err)
	}
	dst := make([]uint8, w*h)
	if err := s.Labels(dst); err != nil {
		return nil, nil, err
	}
	return dst, s.Shares(dst), nil
}

func TestLabels(t *testing.T) {
	nan := float32(math.NaN())
	no := true
	for _, c := range []struct {
		name string
		x    *tensor.Tensor
		card card.Card
		w, h int
		want []uint8
	}{
		{"planes", tensor.Of([]float32{1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 3}, 1, 3, 2, 2), card.Card{}, 2, 2, []uint8{0, 1, 2, 2}},
		{"pixels", tensor.Of([]float32{1, 0, 0, 2, 3, 0, 0, 4, 5, 0, 0, 6, 7, 0, 0, 8, 0, 9}, 1, 3, 3, 2), card.Card{}, 3, 3, []uint8{0, 1, 0, 1, 0, 1, 0, 1, 1}},
		{"the first of equal ones", tensor.Of([]float32{5, 1, 5, 1}, 1, 2, 1, 2), card.Card{}, 2, 1, []uint8{0, 0}},
		{"what is no number loses", tensor.Of([]float32{nan, 1, 0, nan}, 1, 2, 1, 2), card.Card{}, 2, 1, []uint8{1, 0}},
		{"foreground", tensor.Of([]float32{0.4, 0.6}, 1, 1, 1, 2), card.Card{}, 2, 1, []uint8{0, 1}},
		{"foreground before the sigmoid", tensor.Of([]float32{-0.4, 0.4}, 1, 1, 1, 2), card.Card{Logits: &no}, 2, 1, []uint8{0, 1}},
		{"classes", tensor.Of([]int64{7, 255, 0, 1}, 1, 2, 2), card.Card{}, 2, 2, []uint8{7, 255, 0, 1}},
		{"classes and a channel", tensor.Of([]int32{7, 3}, 1, 1, 1, 2), card.Card{}, 4, 1, []uint8{7, 7, 3, 3}},
		// Scores 4-x and x at x = 0 and 4, on 4 pixels: the scores of the middle two are at 1/4 and 3/4 of the way: 3:1 and 1:3.
		{"between scores", tensor.Of([]float32{4, 0, 0, 4}, 1, 2, 1, 2), card.Card{}, 4, 1, []uint8{0, 0, 1, 1}},
		// Scores 6-x against 0 at the left end, 6 against 0 and 0 against 18: class 1 wins from x = 1/4 on.
		{"an uneven border", tensor.Of([]float32{6, 0, 0, 18}, 1, 2, 1, 2), card.Card{}, 8, 1, []uint8{0, 0, 0, 1, 1, 1, 1, 1}},
		// A picture of 4x4 fills columns 2 to 5 of 8x4. Of an output of 4x2 it sees the two middle columns.
		{"letterbox", tensor.Of([]int64{9, 1, 2, 9, 9, 3, 4, 9}, 1, 2, 4), card.Card{Input: card.Input{Fit: "letterbox"}}, 4, 4,
			[]uint8{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}},
	} {
		got, _, err := labels(t, c.x, c.card, c.w, c.h)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestShares(t *testing.T) {
	_, got, err := labels(t, tensor.Of([]float32{0.9, 0.9, 0.9, 0.1}, 1, 1, 2, 2), card.Card{}, 2, 2)
	if want := []Share{{0, "background", 0.25}, {1, "foreground", 0.75}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for want, x := range map[string]*tensor.Tensor{
		`output "map" is float32[1 10]`: tensor.New(tensor.Float32, 1, 10),
		"[2 3 4 4]":                     tensor.New(tensor.Float32, 2, 3, 4, 4),
		"[1 300 4 400]":                 tensor.New(tensor.Float32, 1, 300, 4, 400),
		`output "map" holds class 256`:  tensor.Of([]int64{256}, 1, 1, 1),
		`output "map" holds class -1`:   tensor.Of([]int64{-1}, 1, 1, 1),
		"scores that are no numbers":    tensor.Of([]float32{nan, nan}, 1, 2, 1, 1),
	} {
		if _, _, err := labels(t, x, card.Card{}, 2, 2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
