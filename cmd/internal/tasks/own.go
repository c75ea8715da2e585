package tasks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/classify"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/digit"
	"github.com/ocellus-vision/ocellus/model/task/embed"
)

// wrap puts the name of a network before an error.
func wrap(n *nets.Net, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	return nil
}

// Detect finds objects of a network's classes.
func Detect(n *nets.Net) *Task {
	return &Task{Name: "detect", Priority: 2, Sizes: sizes(n), Open: func(bool) (Worker, error) {
		all, err := each(n, detect.New)
		return &detector{all}, err
	}}
}

type detector struct{ nets []*detect.Detector } // by input size

// Objects is the Result of Detect.
type Objects struct {
	Head string
	List []detect.Detection
}

func (d *detector) New() Result { return &Objects{Head: d.nets[0].Family()} }

func (d *detector) Look(ctx context.Context, pic kernels.Picture, _ time.Time, size int, result Result) error {
	r := result.(*Objects)
	found, err := d.nets[size].Detect(ctx, pic)
	r.List = append(r.List[:0], found...)
	for i := range r.List {
		r.List[i].Landmarks = slices.Clone(r.List[i].Landmarks)
	}
	return err
}

// Draw implements Result.
func (r *Objects) Draw(l *draw.Layers, _ bool) {
	for _, f := range r.List {
		l.Boxes = append(l.Boxes, draw.Box{Rect: f.Box, Class: f.Class, Text: fmt.Sprintf("%s %.2f", f.Label, f.Score), Points: f.Landmarks})
	}
}

// Fields implements Result.
func (r *Objects) Fields(o *Object) {
	list := make([]detect.Detection, len(r.List))
	for i, d := range r.List {
		d.Box, d.Score, d.Landmarks = roundBox(d.Box), round(d.Score, 5), slices.Clone(d.Landmarks)
		for j, p := range d.Landmarks {
			d.Landmarks[j] = [2]float64{round(p[0], 2), round(p[1], 2)}
		}
		list[i] = d
	}
	o.Add("head", r.Head)
	o.Add("detections", list)
}

// Line implements Result.
func (r *Objects) Line() string { return fmt.Sprintf("%d found", len(r.List)) }

// Rows implements Result.
func (r *Objects) Rows(b *strings.Builder) {
	if len(r.List) > 0 {
		fmt.Fprintf(b, "  %-16s %6s %8s %8s %8s %8s\n", "LABEL", "SCORE", "X", "Y", "WIDTH", "HEIGHT")
	}
	for _, f := range r.List {
		fmt.Fprintf(b, "  %-16s %6.3f %8.1f %8.1f %8.1f %8.1f\n", f.Label, f.Score, f.Box[0], f.Box[1], f.Box[2], f.Box[3])
	}
}

// Classify says what pictures show: the top most probable classes.
func Classify(n *nets.Net, top int) *Task {
	return &Task{Name: "classify", Open: func(bool) (Worker, error) {
		c, err := classify.New(n.Program, n.Card)
		return &classifier{c, top}, wrap(n, err)
	}}
}

type classifier struct {
	net *classify.Classifier
	top int
}

// Classes is the Result of Classify.
type Classes struct{ List []classify.Class }

func (*classifier) New() Result { return &Classes{} }

func (c *classifier) Look(ctx context.Context, pic kernels.Picture, _ time.Time, _ int, result Result) error {
	list, err := c.net.Classify(ctx, pic, c.top)
	r := result.(*Classes)
	r.List = append(r.List[:0], list...)
	return err
}

// Draw implements Result.
func (r *Classes) Draw(l *draw.Layers, _ bool) {
	for _, c := range r.List {
		l.Lines, l.Classes = append(l.Lines, fmt.Sprintf("%s %.2f", c.Label, c.Score)), append(l.Classes, c.Class)
	}
}

// Fields implements Result.
func (r *Classes) Fields(o *Object) {
	list := slices.Clone(r.List)
	for i := range list {
		list[i].Score = round(list[i].Score, 5)
	}
	o.Add("classes", list)
}

// Line implements Result.
func (r *Classes) Line() string {
	if len(r.List) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %.2f", r.List[0].Label, r.List[0].Score)
}

// Rows implements Result.
func (r *Classes) Rows(b *strings.Builder) {
	for _, c := range r.List {
		fmt.Fprintf(b, "  %6.3f  %s\n", c.Score, c.Label)
	}
}

// Digit reads the one digit in a picture.
func Digit(n *nets.Net) *Task {
	return &Task{Name: "digit", Open: func(bool) (Worker, error) {
		d, err := digit.New(n.Program, n.Card)
		return &reader{d}, wrap(n, err)
	}}
}

type reader struct{ net *digit.Reader }

// Read is the Result of Digit.
type Read struct{ digit.Digit }

func (*reader) New() Result { return &Read{} }

func (d *reader) Look(ctx context.Context, pic kernels.Picture, _ time.Time, _ int, result Result) (err error) {
	result.(*Read).Digit, err = d.net.Read(ctx, pic)
	return err
}

// Draw implements Result.
func (r *Read) Draw(l *draw.Layers, _ bool) {
	l.Lines, l.Classes = append(l.Lines, r.Line()), append(l.Classes, r.Value)
}

// Fields implements Result.
func (r *Read) Fields(o *Object) {
	o.Add("digit", digit.Digit{Value: r.Value, Score: round(r.Score, 5)})
}

// Line implements Result.
func (r *Read) Line() string { return fmt.Sprintf("%d %.2f", r.Value, r.Score) }

// Rows implements Result.
func (r *Read) Rows(*strings.Builder) {}

// Embed turns pictures into vectors.
func Embed(n *nets.Net) *Task {
	return &Task{Name: "embed", Open: func(bool) (Worker, error) {
		e, err := embed.New(n.Program, n.Card)
		return &embedder{e}, wrap(n, err)
	}}
}

type embedder struct{ net *embed.Embedder }

// Vector is the Result of Embed.
type Vector struct{ V []float32 }

func (e *embedder) New() Result { return &Vector{make([]float32, e.net.Size())} }

func (e *embedder) Look(ctx context.Context, pic kernels.Picture, _ time.Time, _ int, result Result) error {
	return e.net.Embed(ctx, result.(*Vector).V, pic)
}

// Draw implements Result: nothing can be seen of a vector.
func (*Vector) Draw(*draw.Layers, bool) {}

// Fields implements Result.
func (r *Vector) Fields(o *Object) { o.Add("vector", r.V) }

// Line implements Result: how the vector begins.
func (r *Vector) Line() string {
	var b strings.Builder
	for _, x := range r.V[:min(len(r.V), 4)] {
		fmt.Fprintf(&b, "%+.4f ", x)
	}
	fmt.Fprintf(&b, "... (%d)", len(r.V))
	return b.String()
}

// Rows implements Result.
func (*Vector) Rows(*strings.Builder) {}
