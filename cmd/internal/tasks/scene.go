package tasks

import (
	"context"
	"fmt"
	"image/color"
	"slices"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/scene"
	"github.com/ocellus-vision/ocellus/model/task/segment"
)

// Scene gives each pixel of a street a class.
func Scene(n *nets.Net) *Task {
	return areas("scene", n, scene.New)
}

// Segment gives each pixel a class with a network of any classes.
func Segment(n *nets.Net) *Task {
	return areas("segment", n, func(p *model.Program, c card.Card) (*scene.Parser, error) {
		net, err := segment.New(p, c)
		return scene.Of(net), err
	})
}

func areas(name string, n *nets.Net, open func(*model.Program, card.Card) (*scene.Parser, error)) *Task {
	parsers := &shared[[]*scene.Parser]{open: func() ([]*scene.Parser, error) { return each(n, open) }}
	return &Task{Name: name, Priority: 1, Sizes: sizes(n), Open: func(bool) (Worker, error) {
		all, err := parsers.get()
		if err != nil {
			return nil, err
		}
		labels := all[0].Card().Labels
		return &parser{name, parsers, palette(labels), labels}, nil
	}}
}

// palette returns the colours of classes: those of a street where all are of one.
func palette(labels []string) *draw.Palette {
	p := draw.Colours
	for i, c := range scene.Colours(labels) {
		p[i] = color.RGBA{c[0], c[1], c[2], 255}
	}
	return &p
}

type parser struct {
	name    string
	parsers *shared[[]*scene.Parser] // by input size
	colours *draw.Palette
	labels  []string
}

// Areas is the Result of Scene and Segment.
type Areas struct {
	Width, Height int
	Labels        []uint8 // class of each pixel, row by row
	Shares        []scene.Share
	Map           string // file of the label map, where one was written
	parser        *parser
}

func (p *parser) New() Result { return &Areas{parser: p} }

func (p *parser) Look(ctx context.Context, pic kernels.Picture, _ time.Time, size int, result Result) error {
	p.parsers.mu.Lock()
	defer p.parsers.mu.Unlock()
	r := result.(*Areas)
	seen, err := p.parsers.nets[size].Parse(ctx, pic)
	if err != nil {
		return err
	}
	r.Width, r.Height, r.Map = seen.Width, seen.Height, ""
	r.Labels, r.Shares = append(r.Labels[:0], seen.Labels...), append(r.Shares[:0], seen.Shares...)
	return nil
}

// Colours returns the colours of the classes.
func (r *Areas) Colours() *draw.Palette { return r.parser.colours }

// Draw implements Result. Of a clip the legend names all classes in their order, of a picture those that are there with their shares.
func (r *Areas) Draw(l *draw.Layers, steady bool) {
	l.Labels, l.Colours = r.Labels, r.parser.colours
	if steady && len(r.parser.labels) > 0 {
		for i, label := range r.parser.labels {
			l.Legend = append(l.Legend, draw.Legend{Class: i, Text: label, Clear: scene.Hidden(label)})
		}
		return
	}
	for _, s := range r.Shares {
		l.Legend = append(l.Legend, draw.Legend{Class: s.Class, Text: fmt.Sprintf("%s %.0f %%", s.Label, 100*s.Share), Clear: scene.Hidden(s.Label)})
	}
}

// Fields implements Result.
func (r *Areas) Fields(o *Object) {
	list := slices.Clone(r.Shares)
	for i := range list {
		list[i].Share = round(list[i].Share, 5)
	}
	key := "classes"
	if r.parser.name == "scene" {
		key = "scene"
	}
	o.Add(key, list)
	if r.Map != "" {
		o.Add("map", r.Map)
	}
}

// Line implements Result.
func (r *Areas) Line() string {
	var parts []string
	for i, s := range r.Shares {
		if i == 3 {
			break
		}
		parts = append(parts, fmt.Sprintf("%s %.0f %%", s.Label, 100*s.Share))
	}
	return strings.Join(parts, " ")
}

// Rows implements Result.
func (r *Areas) Rows(b *strings.Builder) {
	for _, s := range r.Shares {
		fmt.Fprintf(b, "  %6.2f %%  %s\n", 100*s.Share, s.Label)
	}
}
