// Package card says what the shapes of a network do not: how a picture is fed to it and what its outputs mean.
//
// A Card comes from the metadata of an ONNX file (FromMeta), from a file beside it, and from the command line; Over lays one over another.
package card

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MetaKey is the key under which a model's metadata holds its Card, as one JSON object.
const MetaKey = "ocellus.card"

// Card describes a network. A field that is its zero value says nothing; a score or an overlap of 0 is one that points to 0.
type Card struct {
	Head    string   `json:"head,omitempty"`   // family of the outputs, such as "yolox"
	Labels  []string `json:"labels,omitempty"` // names of the classes, from class 0 on
	Input   Input    `json:"input,omitzero"`
	Score   *float64 `json:"score,omitempty"`  // least score of a detection
	IoU     *float64 `json:"iou,omitempty"`    // overlap above which the lesser of two boxes of a class goes
	Max     int      `json:"max,omitempty"`    // most detections in a picture
	Logits  *bool    `json:"logits,omitempty"` // whether scores come before softmax or sigmoid
	Units   string   `json:"units,omitempty"`  // of decoded boxes: "pixels" of the network's input, or "unit" for 0..1
	Anchors *Anchors `json:"anchors,omitempty"`
	Refine  string   `json:"refine,omitempty"` // name of the default network that looks again at each object that is found
	Window  *Window  `json:"window,omitempty"` // of a classifier of windows that can be moved over a picture
}

// Window says how a network that classifies windows becomes a detector: class 0 is the background.
type Window struct {
	Object  []float64 `json:"object"`           // x, y, width, height of an object in the input, in its pixels
	Picture string    `json:"picture"`          // "WIDTHxHEIGHT" of the picture that the window is moved over
	Octave  int       `json:"octave,omitempty"` // sizes of the picture from one to half of it; 0 stands for 4
}

// Input says how a picture becomes the network's input.
type Input struct {
	Size     string    `json:"size,omitempty"`     // "WIDTHxHEIGHT", where the network leaves it open
	Order    string    `json:"order,omitempty"`    // channels: "rgb", "bgr" or "grey"
	Fit      string    `json:"fit,omitempty"`      // "stretch", "letterbox" or "crop"
	Pad      []float64 `json:"pad,omitempty"`      // what a letterbox is filled with, 0..255: one number or one a channel
	Mean     []float64 `json:"mean,omitempty"`     // the network sees (v - mean) / std of v in 0..255: one number or one a channel
	Std      []float64 `json:"std,omitempty"`      // likewise
	Resample string    `json:"resample,omitempty"` // "bilinear" or "area"
	Region   []float64 `json:"region,omitempty"`   // x, y, width, height of the part to take, in shares of the picture
}

// Anchors lists the prior boxes of an SSD, feature map by feature map (Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016, §2.2).
type Anchors struct {
	Maps     []AnchorMap `json:"maps"`
	Variance []float64   `json:"variance,omitempty"` // of centre and size; 0.1, 0.2 where left out
}

// AnchorMap is the priors of one feature map: at each cell, one of each size in Sizes, each a width and height in input pixels.
type AnchorMap struct {
	Stride int          `json:"stride"`
	Sizes  [][2]float64 `json:"sizes"`
}

// Check says what is wrong with a card, naming the field.
func (c *Card) Check() error {
	for _, f := range []struct {
		name, v string
		words   []string
	}{
		{"input.order", c.Input.Order, []string{"rgb", "bgr", "grey"}},
		{"input.fit", c.Input.Fit, []string{"stretch", "letterbox", "crop"}},
		{"input.resample", c.Input.Resample, []string{"bilinear", "area"}},
		{"units", c.Units, []string{"pixels", "unit"}},
	} {
		if f.v != "" && !slices.Contains(f.words, f.v) {
			return fmt.Errorf("%s: %q is none of %s", f.name, f.v, strings.Join(f.words, ", "))
		}
	}
	if c.Input.Size != "" {
		if _, _, err := ParseSize(c.Input.Size); err != nil {
			return fmt.Errorf("input.size: %w", err)
		}
	}
	for _, f := range []struct {
		name string
		v    []float64
	}{{"pad", c.Input.Pad}, {"mean", c.Input.Mean}, {"std", c.Input.Std}} {
		if len(f.v) != 0 && len(f.v) != 1 && len(f.v) != 3 {
			return fmt.Errorf("input.%s: %d numbers; give one, or one for each of three channels", f.name, len(f.v))
		}
		for _, v := range f.v {
			if !(math.Abs(v) <= 1e6) || f.name == "std" && !(v > 1e-6) {
				return fmt.Errorf("input.%s: %g is out of range", f.name, v)
			}
		}
	}
	if r := c.Input.Region; len(r) != 0 {
		if len(r) != 4 {
			return fmt.Errorf("input.region: %d numbers; give x, y, width, height in shares of the picture", len(r))
		}
		if !(r[0] >= 0 && r[1] >= 0 && r[2] > 0 && r[3] > 0 && r[0]+r[2] <= 1+1e-9 && r[1]+r[3] <= 1+1e-9) {
			return fmt.Errorf("input.region: %v is not inside 0..1", r)
		}
	}
	for _, f := range []struct {
		name string
		v    *float64
	}{{"score", c.Score}, {"iou", c.IoU}} {
		if f.v != nil && !(*f.v >= 0 && *f.v <= 1) {
			return fmt.Errorf("%s: %g is not in 0..1", f.name, *f.v)
		}
	}
	if c.Max < 0 {
		return fmt.Errorf("max: %d is negative", c.Max)
	}
	if err := c.Window.check(); err != nil {
		return err
	}
	return c.Anchors.check()
}

func (w *Window) check() error {
	if w == nil {
		return nil
	}
	if o := w.Object; len(o) != 4 || !(o[0] >= 0 && o[1] >= 0 && o[2] >= 1 && o[3] >= 1 && o[0]+o[2] <= maxSide && o[1]+o[3] <= maxSide) {
		return fmt.Errorf("window.object: %v is no x, y, width, height in pixels of the input", w.Object)
	}
	if _, _, err := ParseSize(w.Picture); err != nil {
		return fmt.Errorf("window.picture: %w", err)
	}
	if w.Octave < 0 || w.Octave > 16 {
		return fmt.Errorf("window.octave: %d is not from 1 to 16", w.Octave)
	}
	return nil
}

// maxPriors bounds the sizes of one feature map.
const maxPriors = 64

func (a *Anchors) check() error {
	if a == nil {
		return nil
	}
	if len(a.Maps) == 0 || len(a.Maps) > 16 {
		return fmt.Errorf("anchors.maps: %d of them; give 1 to 16", len(a.Maps))
	}
	for i, m := range a.Maps {
		if m.Stride < 1 || m.Stride > 4096 {
			return fmt.Errorf("anchors.maps[%d].stride: %d is out of range", i, m.Stride)
		}
		if len(m.Sizes) == 0 || len(m.Sizes) > maxPriors {
			return fmt.Errorf("anchors.maps[%d].sizes: %d of them; give 1 to %d", i, len(m.Sizes), maxPriors)
		}
		for _, s := range m.Sizes {
			if !(s[0] > 0 && s[0] < 1e6 && s[1] > 0 && s[1] < 1e6) {
				return fmt.Errorf("anchors.maps[%d].sizes: %v is out of range", i, s)
			}
		}
	}
	if len(a.Variance) != 0 && len(a.Variance) != 2 {
		return errors.New("anchors.variance: give two numbers, for centre and size")
	}
	return nil
}

// maxSide is the largest side of a network's input.
const maxSide = 1 << 13

// ParseSize reads "WIDTHxHEIGHT".
func ParseSize(s string) (w, h int, err error) {
	a, b, ok := strings.Cut(s, "x")
	if ok {
		var errW, errH error
		w, errW = strconv.Atoi(a)
		h, errH = strconv.Atoi(b)
		ok = errW == nil && errH == nil
	}
	if !ok {
		return 0, 0, fmt.Errorf("%q is no size; write 640x480", s)
	}
	if w < 1 || h < 1 || w > maxSide || h > maxSide {
		return 0, 0, fmt.Errorf("%q: sides are 1 to %d", s, maxSide)
	}
	return w, h, nil
}

// Over returns c with what it leaves open taken from under.
func (c Card) Over(under Card) Card {
	c.Head = or(c.Head, under.Head)
	if c.Labels == nil {
		c.Labels = under.Labels
	}
	c.Input = c.Input.Over(under.Input)
	c.Score, c.IoU, c.Max = or(c.Score, under.Score), or(c.IoU, under.IoU), or(c.Max, under.Max)
	c.Logits, c.Units, c.Anchors = or(c.Logits, under.Logits), or(c.Units, under.Units), or(c.Anchors, under.Anchors)
	c.Refine, c.Window = or(c.Refine, under.Refine), or(c.Window, under.Window)
	return c
}

// Over returns in with what it leaves open taken from under. Pad, Mean and Std that come from under are turned round where in has red and
// blue the other way.
func (in Input) Over(under Input) Input {
	swap := in.Order != "" && under.Order != "" && in.Order != under.Order
	take := func(a, b []float64) []float64 {
		switch {
		case a != nil:
			return a
		case swap && len(b) == 3:
			return []float64{b[2], b[1], b[0]}
		}
		return b
	}
	in.Pad, in.Mean, in.Std = take(in.Pad, under.Pad), take(in.Mean, under.Mean), take(in.Std, under.Std)
	in.Size, in.Order, in.Fit = or(in.Size, under.Size), or(in.Order, under.Order), or(in.Fit, under.Fit)
	in.Resample = or(in.Resample, under.Resample)
	if in.Region == nil {
		in.Region = under.Region
	}
	return in
}

func or[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}

// CheckLabels says whether there are more labels than classes: they would be taken for the wrong ones.
func (c *Card) CheckLabels(classes int) error {
	if len(c.Labels) > classes {
		return fmt.Errorf("%d labels for %d classes; the first label is that of class 0", len(c.Labels), classes)
	}
	return nil
}

// Label returns the name of a class: its label, or "class_7".
func (c *Card) Label(class int) string {
	if class >= 0 && class < len(c.Labels) {
		return c.Labels[class]
	}
	return "class_" + strconv.Itoa(class)
}

// FromMeta returns the card in a model's metadata: the one under MetaKey, over what the exporters of the YOLO family leave there.
func FromMeta(meta map[string]string) (Card, error) {
	var c Card
	if text, ok := meta[MetaKey]; ok {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		err := d.Decode(&c)
		if err == nil {
			if _, more := d.Token(); more != io.EOF {
				err = errors.New("more than one object")
			}
		}
		if err == nil {
			err = c.Check()
		}
		if err != nil {
			return Card{}, fmt.Errorf("metadata %q: %w", MetaKey, err)
		}
	}
	if c.Labels == nil {
		c.Labels = names(meta["names"])
	}
	return c, nil
}

// names reads labels as Python writes a dictionary or a list of strings: {0: 'person', 1: 'dining table'}. It returns nil for anything
// else, and where the keys are not 0, 1, 2, ...
func names(s string) []string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '{' && s[0] != '[' {
		return nil
	}
	dict := s[0] == '{'
	var list []string
	for s = strings.TrimSpace(s[1:]); s != "" && s[0] != '}' && s[0] != ']'; {
		if dict {
			key, rest, ok := strings.Cut(s, ":")
			if n, err := strconv.Atoi(strings.TrimSpace(key)); !ok || err != nil || n != len(list) {
				return nil
			}
			s = strings.TrimSpace(rest)
		}
		if s == "" || s[0] != '\'' && s[0] != '"' {
			return nil
		}
		var name strings.Builder
		i := 1
		for ; i < len(s) && s[i] != s[0]; i++ {
			if s[i] == '\\' && i+1 < len(s) {
				i++
			}
			name.WriteByte(s[i])
		}
		if i >= len(s) {
			return nil
		}
		list = append(list, Tidy(name.String()))
		s = strings.TrimSpace(s[i+1:])
		s = strings.TrimSpace(strings.TrimPrefix(s, ","))
	}
	return list
}

// Tidy returns a label as results name it: lower case, underscores for spaces.
func Tidy(label string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(label)), " ", "_")
}

// ParseLabels reads one label a line. Blank lines at the end are left out; a line inside that is blank leaves its class unnamed.
func ParseLabels(text string) []string {
	text = strings.TrimPrefix(text, "\ufeff") // of some editors
	text = strings.TrimRight(strings.ReplaceAll(text, "\r", ""), "\n \t")
	if text == "" {
		return nil
	}
	list := strings.Split(text, "\n")
	for i, l := range list {
		if list[i] = Tidy(l); list[i] == "" {
			list[i] = "class_" + strconv.Itoa(i)
		}
	}
	return list
}
