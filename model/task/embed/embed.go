// Package embed turns pictures into vectors that lie near one another where the pictures show the like.
package embed

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Embedder runs one network. One goroutine uses an Embedder at a time.
type Embedder struct {
	net  *picture.Net
	card card.Card
	out  model.Port
	n    int
}

// defaults are those of networks for faces: -1..1.
var defaults = card.Input{Order: "rgb", Fit: "crop", Mean: []float64{127.5}, Std: []float64{127.5}}

// New returns an Embedder for a Program of one output, whose elements are the vector.
func New(p *model.Program, c card.Card) (*Embedder, error) {
	c.Input = c.Input.Over(defaults)
	if picture.Grey(p) {
		c.Input.Order = "grey"
	}
	net, err := picture.New(p, c.Input)
	if err != nil {
		return nil, err
	}
	outs := p.Outputs()
	if len(outs) != 1 {
		return nil, fmt.Errorf("the network has %d outputs; one that embeds has one", len(outs))
	}
	o := outs[0]
	n := 1
	for _, d := range o.Shape {
		n *= d
	}
	if o.Shape == nil || n < 2 || n > 1<<16 {
		return nil, fmt.Errorf("output %q is %s; a vector has 2 to %d elements", o.Name, tensor.FormatShape(o.Shape), 1<<16)
	}
	return &Embedder{net, c, o, n}, nil
}

// Card returns the card in force.
func (e *Embedder) Card() card.Card { return e.card }

// Size returns the number of elements of a vector.
func (e *Embedder) Size() int { return e.n }

// Embed writes the vector of a picture, of length 1, to dst, which has Size elements.
func (e *Embedder) Embed(ctx context.Context, dst []float32, pic kernels.Picture) error {
	if err := e.net.Run(ctx, pic); err != nil {
		return err
	}
	v, err := picture.Floats(e.out.Name, e.net.Outputs()[0])
	if err != nil {
		return err
	}
	if len(v) != len(dst) {
		return fmt.Errorf("output %q has %d elements, not %d", e.out.Name, len(v), len(dst))
	}
	copy(dst, v)
	if err := Normalize(dst); err != nil {
		return fmt.Errorf("output %q: %w", e.out.Name, err)
	}
	return nil
}

// Normalize divides v by its length.
func Normalize(v []float32) error {
	var sum float64
	for _, x := range v {
		sum += float64(float64(x) * float64(x))
	}
	length := math.Sqrt(sum)
	if !(length > 0 && length <= math.MaxFloat32) {
		return errors.New("a vector of length zero, or that holds what is no number")
	}
	for i, x := range v {
		v[i] = float32(float64(x) / length)
	}
	return nil
}

// Similarity returns the cosine of the angle between vectors of length 1: 1 for the same, 0 for nothing in common.
func Similarity(a, b []float32) float64 {
	var sum float64
	for i, x := range a {
		sum += float64(float64(x) * float64(b[i]))
	}
	return math.Min(math.Max(sum, -1), 1)
}
