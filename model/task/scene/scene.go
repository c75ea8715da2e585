// Package scene says what each part of a street is: road, building, sky and so on, with any network of package segment.
package scene

import (
	"cmp"
	"context"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/segment"
)

// Class is a class of a street: its name and the red, green and blue that it is drawn in.
type Class struct {
	Label  string
	Colour [3]uint8
}

// CamVid are the classes of CamVid in the order of SegNet's tutorial (Brostow, Fauqueur, Cipolla, Semantic object classes in video, Pattern
// Recognition Letters 2009). The colours of neighbours in a street differ in lightness too, so that people with any colour vision
// tell them apart; eight of them are those of Okabe and Ito.
var CamVid = []Class{
	{"sky", [3]uint8{86, 180, 233}},
	{"building", [3]uint8{204, 121, 167}},
	{"pole", [3]uint8{0, 0, 0}},
	{"road", [3]uint8{110, 110, 120}},
	{"pavement", [3]uint8{230, 159, 0}},
	{"tree", [3]uint8{0, 158, 115}},
	{"sign", [3]uint8{255, 255, 255}},
	{"fence", [3]uint8{122, 80, 30}},
	{"car", [3]uint8{0, 114, 178}},
	{"pedestrian", [3]uint8{240, 228, 66}},
	{"bicyclist", [3]uint8{213, 94, 0}},
}

// void is what the annotators of CamVid left out; a network may have it as a twelfth class.
const void = "void"

// Share is a class and the part of the picture that it takes.
type Share = segment.Share

// Result is what a picture shows.
type Result struct {
	Width, Height int
	Labels        []uint8 // class of each pixel, row by row
	Shares        []Share // of the classes that are there, the greatest first
}

// Parser labels pictures. One goroutine uses a Parser at a time.
type Parser struct {
	net    *segment.Segmenter
	result Result
}

// New returns a Parser for a Program. A network of 11 or 12 classes without names has those of CamVid, with void last.
func New(p *model.Program, c card.Card) (*Parser, error) {
	net, err := segment.New(p, c)
	if err != nil {
		return nil, err
	}
	if n := net.Classes(); c.Labels == nil && (n == len(CamVid) || n == len(CamVid)+1) {
		for _, k := range CamVid {
			c.Labels = append(c.Labels, k.Label)
		}
		if n > len(CamVid) {
			c.Labels = append(c.Labels, void)
		}
		if net, err = segment.New(p, c); err != nil {
			return nil, err
		}
	}
	return Of(net), nil
}

// Of returns a Parser over a Segmenter of any classes.
func Of(net *segment.Segmenter) *Parser { return &Parser{net: net} }

// Card returns the card in force.
func (p *Parser) Card() card.Card { return p.net.Card() }

// Classes returns the number of classes; 256 where the network gives classes and not their scores.
func (p *Parser) Classes() int { return p.net.Classes() }

// Parse labels a picture. The result's slices are valid until the next call.
func (p *Parser) Parse(ctx context.Context, pic kernels.Picture) (Result, error) {
	if err := p.net.Segment(ctx, pic); err != nil {
		return Result{}, err
	}
	r := &p.result
	r.Width, r.Height = pic.W, pic.H
	r.Labels = slices.Grow(r.Labels[:0], pic.W*pic.H)[:pic.W*pic.H]
	if err := p.net.Labels(r.Labels); err != nil {
		return Result{}, err
	}
	r.Shares = p.net.Shares(r.Labels)
	slices.SortStableFunc(r.Shares, func(a, b Share) int { return cmp.Compare(b.Share, a.Share) })
	return *r, nil
}

// Colours returns the colours of a network's classes where all its labels are CamVid's, else nil.
func Colours(labels []string) [][3]uint8 {
	var all [][3]uint8
	for _, label := range labels {
		i := slices.IndexFunc(CamVid, func(c Class) bool { return c.Label == label })
		switch {
		case i >= 0:
			all = append(all, CamVid[i].Colour)
		case Hidden(label):
			all = append(all, [3]uint8{})
		default:
			return nil
		}
	}
	return all
}

// Hidden says whether the pixels of a class are shown as they are: those of no interest.
func Hidden(label string) bool { return label == "background" || label == void }
