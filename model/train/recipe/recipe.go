// Package recipe reads recipes: YAML files that name a network, data, losses, a schedule and a seed, and so determine the network that comes out.
package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Recipe is all that determines a training run, but for the data itself.
type Recipe struct {
	Name      string              `yaml:"name"`
	About     string              `yaml:"about"` // one sentence for people
	Net       string              `yaml:"net"`   // a network of model/zoo/arch, or an ONNX file beside the recipe
	Data      Data                `yaml:"data"`
	Loss      []train.LossSpec    `yaml:"loss"`
	Batch     int                 `yaml:"batch"`
	Epochs    int                 `yaml:"epochs"`
	PerEpoch  int                 `yaml:"steps_per_epoch"` // 0: so many that each example is seen once
	Every     int                 `yaml:"evaluate_every"`  // epochs; 0: only at the end
	Seed      uint64              `yaml:"seed"`
	Optimiser train.OptimiserSpec `yaml:"optimiser"`
	Schedule  train.Schedule      `yaml:"schedule"`
	Average   float64             `yaml:"average"` // of the weights, kept at each step
	From      string              `yaml:"from"`    // the first layer that is trained; those before it keep their weights
	Mine      Mine                `yaml:"mine"`    // of windows: where to look for more examples
	Whiten    *Whiten             `yaml:"whiten"`  // of faces: how vectors are made comparable once the network has been trained; without it they stay as they are
	Half      bool                `yaml:"half"`    // weights are written as float16
	Int8      bool                `yaml:"int8"`    // weights of convolutions and fully connected layers are written as int8, with a scale for each output
	Terms     string              `yaml:"terms"`   // of the data, for the network's metadata
	Card      map[string]any      `yaml:"card"`    // how a task feeds the network and reads its outputs, beyond what Data says; for its metadata
}

// Whiten says how linear maps are found, behind all outputs of a network, that make pictures of one person alike.
type Whiten struct {
	Shrink float64      `yaml:"shrink"` // 0 to 1: how far the covariance within people is moved to a multiple of the identity
	Parts  []WhitenPart `yaml:"parts"`  // that have a map each; their results, of one length each, stand side by side
}

// WhitenPart is numbers of a network's outputs that are mapped together.
type WhitenPart struct {
	Channels []int   `yaml:"channels"` // the first one and the end, of all outputs side by side; none stands for all
	Width    int     `yaml:"width"`    // numbers that are kept: the directions in which people differ most
	Weight   float64 `yaml:"weight"`   // how much the part counts beside others in the similarity of two faces; 0 stands for 1
}

// check says what is wrong, or nothing.
func (w *Whiten) check() string {
	if w == nil {
		return ""
	}
	if !(w.Shrink >= 0 && w.Shrink <= 1) {
		return "whiten: shrink is from 0 to 1"
	}
	if len(w.Parts) == 0 {
		return "whiten: it names no parts"
	}
	for _, p := range w.Parts {
		if c := p.Channels; len(c) != 0 && !(len(c) == 2 && c[0] >= 0 && c[0] < c[1]) {
			return fmt.Sprintf("whiten: the channels are %v, not the first one and the end", c)
		}
		if p.Width < 1 || !(p.Weight >= 0) {
			return "whiten: a part's width is above 0, its weight not below"
		}
	}
	return ""
}

// Mine says how examples are looked for that the network is wrong about: it is run as a detector over pictures in which all objects are known, and where it
// finds one that is none, it is shown that place from then on.
type Mine struct {
	Every    int     `yaml:"every"`    // epochs; 0: never
	Pictures int     `yaml:"pictures"` // how many are looked at each time, drawn by the seed
	Most     int     `yaml:"most"`     // places of one picture, the surest errors
	Score    float64 `yaml:"score"`    // from which on a place counts as found; 0: that of the family
}

// Data says what examples are made of.
type Data struct {
	Kind    string     `yaml:"kind"`
	Train   data.Files `yaml:"train"`
	Valid   data.Files `yaml:"valid"`
	Classes int        `yaml:"classes"`
	Only    []string   `yaml:"only"` // of digits: the classes that are used; none stands for all
	// Of pictures:
	Size    string       `yaml:"size"`   // WIDTHxHEIGHT that is trained on
	View    string       `yaml:"view"`   // likewise, at which a detector sees a picture whole; of which Size is cut
	Stride  int          `yaml:"stride"` // of labels: one for each block of so many pixels across and down
	Void    int          `yaml:"void"`   // the label that does not count
	Normal  data.Normal  `yaml:"normal"`
	Label   string       `yaml:"label"` // of the boxes that are found
	Least   float64      `yaml:"least"` // pixels: the height below which a box is not learnt
	Compose data.Compose `yaml:"compose"`
	Object  data.Box     `yaml:"object"`  // of windows: x, y, width, height of an object in them
	Share   float64      `yaml:"share"`   // of windows: the part of the examples that shows an object
	Region  []float64    `yaml:"region"`  // of faces: x, y, width, height of the part that is taken, in shares of the picture
	Singles float64      `yaml:"singles"` // of faces: the weight at which a person with one picture is drawn, where others have the root of their number; 0 stands for 1
	Marks   string       `yaml:"marks"`   // of landmarks, and of faces that are aligned: the file of faces, beside the recipe
	Coarse  float64      `yaml:"coarse"`  // of alignments: the least share of the size's pixels a side that a face is seen with
	Places  [][2]float64 `yaml:"places"`  // of faces with marks: x and y of the landmarks in the picture that is learnt from, in pixels
	Paste   data.Paste   `yaml:"paste"`   // of landmarks
	Memory  int64        `yaml:"memory"`  // MiB of decoded pictures that are kept; 0 stands for 1024
	Augment data.Augment `yaml:"augment"`

	beside string // the recipe's folder
}

// Read reads a recipe from a file. The error shows the line.
func Read(name string) (*Recipe, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.Data.beside = filepath.Dir(name)
	return r, nil
}

// Parse reads a recipe.
func Parse(b []byte) (r *Recipe, err error) {
	defer func() {
		if p := recover(); p != nil { // of the YAML parser, on tags that it does not know
			r, err = nil, fmt.Errorf("no YAML: %v", p)
		}
	}()
	r = &Recipe{}
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(r); err != nil {
		return nil, errors.New(strings.TrimRight(yaml.FormatError(err, false, true), "\n"))
	}
	return r, r.check()
}

func (r *Recipe) check() error {
	white := r.Whiten.check()
	for _, c := range []struct {
		ok  bool
		say string
	}{
		{r.Name != "", "it has no name"},
		{r.Net != "", "it names no net"},
		{r.Batch > 0, fmt.Sprintf("batch is %d", r.Batch)},
		{r.Epochs > 0, fmt.Sprintf("epochs is %d", r.Epochs)},
		{r.Data.Singles >= 0, fmt.Sprintf("data: singles is %g", r.Data.Singles)},
		{white == "", white},
		{!r.Half || !r.Int8, "weights are written as float16 or as int8, not both"},
		{r.PerEpoch >= 0, fmt.Sprintf("steps_per_epoch is %d", r.PerEpoch)},
		{r.Every >= 0, fmt.Sprintf("evaluate_every is %d", r.Every)},
		{r.Mine == Mine{} || r.Data.Kind == "windows" && min(r.Mine.Every, r.Mine.Pictures, r.Mine.Most) > 0,
			"mine: of windows, every, pictures and most are numbers above 0"},
		{r.Data.Kind != "windows" || r.Data.Share > 0 && r.Data.Share < 1, fmt.Sprintf("data: share is %g, not between 0 and 1", r.Data.Share)},
		{len(r.Loss) > 0, "it has no loss"},
		{r.Average >= 0 && r.Average < 1, fmt.Sprintf("average is %g, not from 0 to below 1", r.Average)},
		{sets[r.Data.Kind] != nil, fmt.Sprintf("data: the kind is %q; it can be %s", r.Data.Kind, strings.Join(slices.Sorted(maps.Keys(sets)), ", "))},
	} {
		if !c.ok {
			return errors.New(c.say)
		}
	}
	for _, l := range r.Loss {
		if err := l.Check(); err != nil {
			return err
		}
	}
	return errors.Join(r.Optimiser.Check(), r.Schedule.Check())
}

// sets opens the data of each kind: what is trained on, and what is measured on.
var sets = map[string]func(d Data, dir string) (learn, valid data.Set, err error){
	"alignments": alignments,
	"boxes":      boxes,
	"digits":     digits,
	"faces":      faces,
	"labels":     labels,
	"landmarks":  landmarks,
	"windows":    windows,
}

// Open opens the data of a recipe, in a folder.
func (r *Recipe) Open(dir string) (learn, valid data.Set, err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, nil, err
	}
	learn, valid, err = sets[r.Data.Kind](r.Data, dir)
	if err == nil && learn.Len() < r.Batch {
		err = fmt.Errorf("%s: %d examples are fewer than a batch of %d", dir, learn.Len(), r.Batch)
	}
	return learn, valid, err
}

func digits(d Data, dir string) (learn, valid data.Set, err error) {
	open := func(f data.Files) (*data.Digits, error) {
		return data.OpenDigits(filepath.Join(dir, f.Images), filepath.Join(dir, f.Labels), d.Classes)
	}
	l, err := open(d.Train)
	if err != nil {
		return nil, nil, err
	}
	l.Warp = d.Augment.Warp
	v, err := open(d.Valid)
	if err != nil || len(d.Only) == 0 {
		return l, v, err
	}
	some, err := data.Select(l, d.Only, 0, 0)
	if err != nil {
		return nil, nil, err
	}
	valid, err = data.Select(v, d.Only, 0, 0)
	return some, valid, err
}

// parseSize reads "480x360".
func parseSize(s string) (w, h int, err error) {
	if n, err := fmt.Sscanf(s, "%dx%d", &w, &h); n != 2 || err != nil || fmt.Sprintf("%dx%d", w, h) != s || min(w, h) < 1 || max(w, h) > 1<<13 {
		return 0, 0, fmt.Errorf("data: the size is %q; write it as 480x360", s)
	}
	return w, h, nil
}

// memory is the bound of decoded pictures in bytes.
func (d *Data) memory() int64 {
	if d.Memory == 0 {
		return 1 << 30
	}
	return d.Memory << 20
}

func labels(d Data, dir string) (learn, valid data.Set, err error) {
	s := data.LabelSpec{Stride: max(1, d.Stride), Classes: d.Classes, Void: d.Void, Normal: d.Normal, Augment: d.Augment, Memory: d.memory()}
	if s.W, s.H, err = parseSize(d.Size); err != nil {
		return nil, nil, err
	}
	l, err := data.OpenLabels(filepath.Join(dir, d.Train.Pictures), s)
	if err != nil {
		return nil, nil, err
	}
	v, err := data.OpenLabels(filepath.Join(dir, d.Valid.Pictures), s)
	return l, v, err
}

func boxes(d Data, dir string) (learn, valid data.Set, err error) {
	s := data.BoxSpec{Stride: max(1, d.Stride), Label: d.Label, Least: d.Least, Normal: d.Normal, Augment: d.Augment, Compose: d.Compose, Memory: d.memory()}
	if s.W, s.H, err = parseSize(d.Size); err != nil {
		return nil, nil, err
	}
	if d.View != "" {
		if s.View[0], s.View[1], err = parseSize(d.View); err != nil {
			return nil, nil, err
		}
	}
	a, held, err := d.annotations(dir)
	if err != nil {
		return nil, nil, err
	}
	l, err := data.OpenBoxes(a, dir, s)
	if err != nil {
		return nil, nil, err
	}
	s.Compose = data.Compose{}
	v, err := data.OpenBoxes(held, dir, s)
	return l, v, err
}

// windows are trained on; what is measured is boxes in whole pictures.
func windows(d Data, dir string) (learn, valid data.Set, err error) {
	s := data.WindowSpec{Object: d.Object, Label: d.Label, Share: d.Share, Normal: d.Normal, Augment: d.Augment, Compose: d.Compose, Memory: d.memory()}
	if s.W, s.H, err = parseSize(d.Size); err != nil {
		return nil, nil, err
	}
	a, held, err := d.annotations(dir)
	if err != nil {
		return nil, nil, err
	}
	l, err := data.OpenWindows(a, dir, s)
	if err != nil {
		return nil, nil, err
	}
	v, err := data.OpenBoxes(held, dir, data.BoxSpec{W: s.W, H: s.H, Stride: 1, Label: d.Label, Memory: d.memory()})
	return l, v, err
}

// annotations reads the annotated pictures to train on, and those to measure on. Of one set, none is in both.
func (d *Data) annotations(dir string) (learn, valid []data.Annotated, err error) {
	open := func(f data.Files, without []string) ([]data.Annotated, error) {
		images := f.Images
		if images != "" {
			images = filepath.Join(dir, images)
		}
		all, err := data.ReadAnnotations(filepath.Join(dir, f.Boxes), images)
		return slices.DeleteFunc(all, func(a data.Annotated) bool {
			return len(f.Match) > 0 && !matches(f.Match, a.File) || matches(without, a.File)
		}), err
	}
	var held []string
	if d.Train.Boxes == d.Valid.Boxes {
		held = d.Valid.Match
	}
	if learn, err = open(d.Train, held); err != nil {
		return nil, nil, err
	}
	valid, err = open(d.Valid, nil)
	return learn, valid, err
}

// matches says whether a file's name matches one of the patterns.
func matches(patterns []string, file string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := filepath.Match(p, filepath.Base(file))
		return ok && err == nil
	})
}

func faces(d Data, dir string) (learn, valid data.Set, err error) {
	if d.Valid.Pairs == "" {
		return nil, nil, errors.New("data: valid: pairs, a file of pairs as LFW's, is needed to measure faces")
	}
	return d.people(dir, func(folder string, s data.FaceSpec) (data.Set, error) { return data.OpenFaces(folder, s) })
}

// alignments are faces whose landmarks are known.
func alignments(d Data, dir string) (learn, valid data.Set, err error) {
	if d.Marks == "" {
		return nil, nil, errors.New("data: marks, a file of faces with landmarks, is needed to learn where they are")
	}
	return d.people(dir, func(folder string, s data.FaceSpec) (data.Set, error) {
		return data.OpenAlignments(folder, s, d.Coarse)
	})
}

// people opens folders of faces, to train on and to measure on.
func (d *Data) people(dir string, open func(folder string, s data.FaceSpec) (data.Set, error)) (learn, valid data.Set, err error) {
	s := data.FaceSpec{Region: d.Region, Singles: d.Singles, Normal: d.Normal, Augment: d.Augment, Memory: d.memory()}
	if s.W, s.H, err = parseSize(d.Size); err != nil {
		return nil, nil, err
	}
	if d.Marks != "" {
		if s.Marks, err = data.ReadFaces(filepath.Join(d.beside, d.Marks)); err != nil {
			return nil, nil, err
		}
		s.Root, s.Places = dir, d.Places
	}
	below := func(name string) string {
		if name != "" {
			name = filepath.Join(dir, name)
		}
		return name
	}
	of := func(f data.Files) (data.Set, error) {
		s.Without, s.Only = below(f.Without), below(f.People)
		return open(below(f.Pictures), s)
	}
	if learn, err = of(d.Train); err != nil {
		return nil, nil, err
	}
	valid, err = of(d.Valid)
	return learn, valid, err
}

func landmarks(d Data, dir string) (learn, valid data.Set, err error) {
	s := data.LandmarkSpec{Stride: max(1, d.Stride), Least: d.Least, Normal: d.Normal, Augment: d.Augment, Paste: d.Paste, Memory: d.memory()}
	if s.W, s.H, err = parseSize(d.Size); err != nil {
		return nil, nil, err
	}
	open := func(f, held data.Files) (*data.Landmarks, error) {
		return data.OpenLandmarks(dir, filepath.Join(d.beside, d.Marks), f, held, s)
	}
	l, err := open(d.Train, d.Valid)
	if err != nil {
		return nil, nil, err
	}
	s.Paste.Cutouts, s.Paste.Negatives, s.Paste.Mosaic = "", "", 0
	v, err := open(d.Valid, data.Files{})
	return l, v, err
}
