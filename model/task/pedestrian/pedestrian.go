// Package pedestrian finds people in pictures, with any detector of package detect that knows them.
package pedestrian

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/picture"
)

// Person is one person.
type Person struct {
	Box   [4]float64 `json:"box"` // x, y, width, height in pixels of the picture, inside it
	Score float64    `json:"score"`
}

// Detector finds people. One goroutine uses a Detector at a time.
type Detector struct {
	net    *detect.Detector
	class  int
	people []Person
}

// names are the labels that stand for people, the narrowest first.
var names = []string{"pedestrian", "person", "people"}

// New returns a Detector for a Program. Of several classes the network's card names one pedestrian, person or people; a single class without
// a name is taken for people.
func New(p *model.Program, c card.Card) (*Detector, error) {
	d, err := detect.New(p, c)
	if err != nil {
		return nil, err
	}
	labels := d.Card().Labels
	for _, name := range names {
		if class := slices.Index(labels, name); class >= 0 {
			return &Detector{net: d, class: class}, nil
		}
	}
	if d.Classes() == 1 && c.Labels == nil && labels[0] == (&card.Card{}).Label(0) {
		return &Detector{net: d, class: 0}, nil
	}
	return nil, fmt.Errorf("none of the classes of this network is called %s: it knows %s", strings.Join(names, ", "), glance(labels))
}

// glance names the first labels.
func glance(labels []string) string {
	if len(labels) == 0 {
		return "no names; give them as labels"
	}
	if len(labels) > 5 {
		return strings.Join(labels[:5], ", ") + fmt.Sprintf(" and %d more", len(labels)-5)
	}
	return strings.Join(labels, ", ")
}

// Card returns the card in force.
func (d *Detector) Card() card.Card { return d.net.Card() }

// Net returns the network under the Detector.
func (d *Detector) Net() *picture.Net { return d.net.Net() }

// Detect returns the people in a picture, surest first. The slice is valid until the next call.
func (d *Detector) Detect(ctx context.Context, pic kernels.Picture) ([]Person, error) {
	found, err := d.net.Detect(ctx, pic)
	if err != nil {
		return nil, err
	}
	d.people = d.people[:0]
	for i := range found {
		if found[i].Class == d.class {
			d.people = append(d.people, Person{found[i].Box, found[i].Score})
		}
	}
	return d.people, nil
}
