package nets

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/slide"
	"github.com/ocellus-vision/ocellus/model/task/card"
)

// octave is how many sizes of a picture a window is moved over, from one to half of it, where a card does not say.
const octave = 4

// Detector returns what finds objects with a network: the network itself, or, of a classifier of windows (its card has a Window), one that moves the window
// over pictures, with a card of its own.
func Detector(g *model.Graph, c card.Card) (*model.Graph, card.Card, error) {
	if c.Window == nil {
		return g, c, nil
	}
	if err := c.Check(); err != nil {
		return nil, c, err
	}
	s := slide.Spec{Box: [4]float64(c.Window.Object), Octave: c.Window.Octave}
	if s.Octave == 0 {
		s.Octave = octave
	}
	var err error
	if s.Width, s.Height, err = card.ParseSize(c.Window.Picture); err != nil {
		return nil, c, fmt.Errorf("window.picture: %w", err)
	}
	over, err := slide.Over(g, s)
	if err != nil {
		return nil, c, err
	}
	// The rest of a letterbox has the colour that becomes 0.
	in := c.Input.Over(card.Input{Mean: []float64{0}, Std: []float64{1}})
	in.Size, in.Fit, in.Pad, in.Region = c.Window.Picture, "letterbox", in.Mean, nil
	yes := true
	d := card.Card{Head: "ssd", Units: "pixels", Logits: &yes, Input: in, Score: c.Score, IoU: c.IoU, Max: c.Max}
	if len(c.Labels) > 1 {
		d.Labels = slices.Clone(c.Labels[1:]) // without the background
	}
	return over, d, nil
}
