// Package classify says what a picture shows, with networks that score classes.
package classify

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Class is one class and its probability.
type Class struct {
	Class int     `json:"class"`
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// Classifier runs one network. One goroutine uses a Classifier at a time.
type Classifier struct {
	net  *picture.Net
	card card.Card
	out  model.Port
	n    int
	prob []float32
	list []Class
}

// defaults are those of networks trained on ImageNet: seven eighths of the middle of the picture, normalised by the mean and the deviation of
// its channels.
var defaults = card.Input{
	Order: "rgb", Fit: "crop", Region: []float64{0.0625, 0.0625, 0.875, 0.875},
	Mean: []float64{123.675, 116.28, 103.53}, Std: []float64{58.395, 57.12, 57.375},
}

// grey are the defaults for networks of one channel: all of the picture, 0..1.
var grey = card.Input{Order: "grey", Fit: "stretch", Std: []float64{255}}

// New returns a Classifier for a Program of one output, [1,classes] with perhaps more dimensions of 1.
func New(p *model.Program, c card.Card) (*Classifier, error) {
	under := defaults
	if picture.Grey(p) {
		under = grey
	}
	c.Input = c.Input.Over(under)
	net, err := picture.New(p, c.Input)
	if err != nil {
		return nil, err
	}
	outs := p.Outputs()
	if len(outs) != 1 {
		return nil, fmt.Errorf("the network has %d outputs; a classifier has one", len(outs))
	}
	o := outs[0]
	n, most := 1, 0
	for _, d := range o.Shape {
		n *= d
		most = max(most, d)
	}
	if o.Shape == nil || n < 2 || n != most {
		return nil, fmt.Errorf("output %q is %s; a classifier's is [1 classes]", o.Name, tensor.FormatShape(o.Shape))
	}
	if err := c.CheckLabels(n); err != nil {
		return nil, err
	}
	return &Classifier{net: net, card: c, out: o, n: n, prob: make([]float32, n)}, nil
}

// Card returns the card in force.
func (c *Classifier) Card() card.Card { return c.card }

// Classes returns the number of classes.
func (c *Classifier) Classes() int { return c.n }

// Classify returns the k most probable classes, most probable first. The slice is valid until the next call.
func (c *Classifier) Classify(ctx context.Context, pic kernels.Picture, k int) ([]Class, error) {
	if err := c.net.Run(ctx, pic); err != nil {
		return nil, err
	}
	v, err := picture.Floats(c.out.Name, c.net.Outputs()[0])
	if err != nil {
		return nil, err
	}
	if err := Probabilities(c.prob, v, c.card.Logits); err != nil {
		return nil, fmt.Errorf("output %q: %w", c.out.Name, err)
	}
	c.list = c.list[:0]
	for _, i := range Top(c.prob, k) {
		c.list = append(c.list, Class{i, c.card.Label(i), float64(c.prob[i])})
	}
	return c.list, nil
}

// Probabilities writes the softmax of v to dst, or v itself where it holds probabilities: where logits says so, or, where that is nil, where
// no number is negative and all add up to one.
func Probabilities(dst, v []float32, logits *bool) error {
	if len(dst) != len(v) {
		return fmt.Errorf("%d scores, not %d", len(v), len(dst))
	}
	for i, x := range v {
		if x-x != 0 {
			return fmt.Errorf("the score of class %d is %g", i, x)
		}
	}
	var soft bool
	if logits != nil {
		soft = *logits
	} else {
		soft = slices.Min(v) < 0 || math.Abs(float64(kernels.Sum(v))-1) > 1e-3
	}
	if soft {
		kernels.Softmax(dst, v, len(v))
	} else {
		copy(dst, v)
	}
	return nil
}

// Top returns the places of the k greatest numbers, greatest first; of equal ones the first.
func Top(v []float32, k int) []int {
	at := make([]int, len(v))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(v[b], v[a]) })
	return at[:max(0, min(k, len(at)))]
}
