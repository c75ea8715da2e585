// Package detect finds objects in pictures with networks of the well-known families of detectors.
//
//	d, err := detect.New(program, card)
//	found, err := d.Detect(ctx, pic)
//
// Which family a network is of shows in the number, the names and the shapes of its outputs, or is named by the card; docs/detect.md says how.
package detect

import (
	"context"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/picture"
)

// Detection is one object.
type Detection struct {
	Box       [4]float64   `json:"box"` // x, y, width, height in pixels of the picture, inside it
	Score     float64      `json:"score"`
	Class     int          `json:"class"`
	Label     string       `json:"label"`
	Landmarks [][2]float64 `json:"landmarks,omitempty"` // x, y in pixels of the picture, which they may lie outside of
}

// Detector runs one network. One goroutine uses a Detector at a time.
type Detector struct {
	net    *picture.Net
	card   card.Card
	family string
	head   decoder
	boxes  boxes
	list   []Detection
	marks  [][2]float64
}

// New returns a Detector for a Program. What the card leaves open is the family's own.
func New(p *model.Program, c card.Card) (*Detector, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	w, h, err := picture.InputSize(p)
	if err != nil {
		return nil, err
	}
	f, head, err := recognise(p.Outputs(), &c, w, h)
	if err != nil {
		return nil, err
	}
	c = c.Over(f.card)
	if c.Labels == nil {
		c.Labels = defaultLabels(f, head.classes())
	}
	if n := head.classes(); n > 0 {
		if err := c.CheckLabels(n); err != nil {
			return nil, err
		}
	}
	c.Labels = slices.Clip(c.Labels)
	for i := len(c.Labels); i < head.classes(); i++ {
		c.Labels = append(c.Labels, c.Label(i))
	}
	net, err := picture.New(p, c.Input)
	if err != nil {
		return nil, err
	}
	d := &Detector{net: net, card: c, family: f.name, head: head}
	d.boxes.logits = c.Logits != nil && *c.Logits
	d.boxes.ports = p.Outputs()
	return d, nil
}

// Family names the family that the network was found to be of.
func (d *Detector) Family() string { return d.family }

// Card returns the card in force: the given one with the family's defaults. Its Score and IoU are not nil.
func (d *Detector) Card() card.Card { return d.card }

// Classes returns the number of classes; 0 where the network does not tell.
func (d *Detector) Classes() int { return d.head.classes() }

// Net returns the network under the Detector.
func (d *Detector) Net() *picture.Net { return d.net }

// Detect returns what is in a picture, best first. The slice and what it holds are valid until the next call.
func (d *Detector) Detect(ctx context.Context, pic kernels.Picture) ([]Detection, error) {
	if err := d.net.Run(ctx, pic); err != nil {
		return nil, err
	}
	return d.Again(*d.card.Score)
}

// Again returns what is in the picture of the last Detect from another score on.
func (d *Detector) Again(score float64) ([]Detection, error) {
	d.boxes.reset()
	d.boxes.min = float32(score)
	if err := d.boxes.take(d.net.Outputs()); err != nil {
		return nil, err
	}
	if err := d.head.decode(&d.boxes); err != nil {
		return nil, err
	}
	kept := d.boxes.suppress(float32(*d.card.IoU), d.card.Max)
	return d.place(kept), nil
}

// place moves boxes from the network's input to the picture. Those outside of it go.
func (d *Detector) place(kept []box) []Detection {
	m := d.net.Map()
	d.list, d.marks = d.list[:0], d.marks[:0]
	w, h := float64(m.W), float64(m.H)
	for i := range kept {
		b := &kept[i]
		x0, y0 := m.ToSource(float64(b.x0), float64(b.y0))
		x1, y1 := m.ToSource(float64(b.x1), float64(b.y1))
		x0, x1 = math.Max(x0, 0), math.Min(x1, w)
		y0, y1 = math.Max(y0, 0), math.Min(y1, h)
		if !(x1 > x0 && y1 > y0) {
			continue
		}
		first := len(d.marks)
		for j := 0; j < len(b.points); j += 2 {
			x, y := m.ToSource(float64(b.points[j]), float64(b.points[j+1]))
			d.marks = append(d.marks, [2]float64{x, y})
		}
		d.list = append(d.list, Detection{
			Box: [4]float64{x0, y0, x1 - x0, y1 - y0}, Score: float64(b.score), Class: b.class, Label: d.card.Label(b.class),
			Landmarks: d.marks[first:len(d.marks):len(d.marks)],
		})
	}
	return d.list
}
