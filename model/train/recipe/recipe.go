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
	Terms     string              `yaml:"terms"`   // of the data, for the network's metadata
}

// Data says what examples are made of.
type Data struct {
	Kind    string     `yaml:"kind"`
	Train   data.Files `yaml:"train"`
	Valid   data.Files `yaml:"valid"`
	Classes int        `yaml:"classes"`
	Augment data.Warp  `yaml:"augment"`
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
	return r, nil
}

// Parse reads a recipe.
func Parse(b []byte) (*Recipe, error) {
	r := &Recipe{}
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(r); err != nil {
		return nil, errors.New(strings.TrimRight(yaml.FormatError(err, false, true), "\n"))
	}
	return r, r.check()
}

func (r *Recipe) check() error {
	for _, c := range []struct {
		ok  bool
		say string
	}{
		{r.Name != "", "it has no name"},
		{r.Net != "", "it names no net"},
		{r.Batch > 0, fmt.Sprintf("batch is %d", r.Batch)},
		{r.Epochs > 0, fmt.Sprintf("epochs is %d", r.Epochs)},
		{r.PerEpoch >= 0, fmt.Sprintf("steps_per_epoch is %d", r.PerEpoch)},
		{r.Every >= 0, fmt.Sprintf("evaluate_every is %d", r.Every)},
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
	"digits": digits,
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
	l.Warp = d.Augment
	v, err := open(d.Valid)
	return l, v, err
}
