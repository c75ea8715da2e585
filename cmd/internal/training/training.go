// Package training carries a recipe out: network, data, loop, measurements, and the ONNX file with its provenance.
package training

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/train/recipe"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// Job is a recipe, ready to run.
type Job struct {
	Recipe   *recipe.Recipe
	Graph    *model.Graph
	Trainer  *train.Trainer
	learn    data.Set
	valid    data.Set
	dir      string // of the data
	id       string
	hashes   map[string]string // of the data's files
	files    []string
	options  train.Options
	metadata map[string]string
	card     card.Card
}

// Prepare reads a recipe and its data, builds the network and plans the step.
func Prepare(file, dir string, o train.Options) (*Job, error) {
	r, err := recipe.Read(file)
	if err != nil {
		return nil, err
	}
	j := &Job{Recipe: r, dir: dir, options: o, files: []string{file}}
	if j.learn, j.valid, err = r.Open(dir); err != nil {
		return nil, err
	}
	j.files = slices.Concat(j.files, j.learn.Files(), j.valid.Files())
	if err := j.measurable(); err != nil {
		return nil, fmt.Errorf("%s: data: valid: %w", file, err)
	}
	if j.card, err = cardOf(r); err != nil {
		return nil, fmt.Errorf("%s: card: %w", file, err)
	}
	if build := arch.Nets[r.Net]; build != nil {
		j.Graph = build(r.Seed)
	} else if filepath.Ext(r.Net) == ".onnx" {
		base := filepath.Join(filepath.Dir(file), r.Net)
		if j.Graph, err = onnx.ReadFile(base); err != nil {
			return nil, err
		}
		j.files = append(j.files, base)
	} else {
		return nil, fmt.Errorf("%s: there is no net %q; there are %s, and files that end in .onnx", file, r.Net, strings.Join(arch.Names(), ", "))
	}
	if err := j.identify(file); err != nil {
		return nil, err
	}
	shapes, targets := Shapes(j.Graph, j.learn.Fields(), r.Batch)
	trained, err := upper(j.Graph, r.From)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	j.Trainer, err = train.New(train.Config{
		Graph: j.Graph, EmbedOptions: train.EmbedOptions{Inputs: shapes, Train: trained}, Loss: train.Loss(r.Loss, targets), Seed: r.Seed, Options: o,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return j, nil
}

// upper returns which layers are trained: from the named one on, in the order in which they run; nil, which stands for all, where it has no name.
func upper(g *model.Graph, from string) (func(*model.Node) bool, error) {
	if from == "" {
		return nil, nil
	}
	nodes, err := g.Sort()
	if err != nil {
		return nil, err
	}
	first := slices.IndexFunc(nodes, func(n *model.Node) bool { return n.Name == from })
	if first < 0 {
		return nil, fmt.Errorf("from: the network has no layer %q", from)
	}
	return func(n *model.Node) bool { return slices.Contains(nodes[first:], n) }, nil
}

// Shapes sorts the fields of examples into inputs of a network and targets of losses, for batches of n.
func Shapes(g *model.Graph, fields []data.Field, n int) (inputs map[string][]int, targets map[string]train.Target) {
	inputs, targets = map[string][]int{}, map[string]train.Target{}
	for _, f := range fields {
		shape := append([]int{n}, f.Shape...)
		if slices.ContainsFunc(g.Inputs, func(v *model.Value) bool { return v.Name == f.Name }) {
			inputs[f.Name] = shape
		} else {
			targets[f.Name] = train.Target{DType: f.DType, Shape: shape}
		}
	}
	return inputs, targets
}

// mostNamed is the most files of data whose digests are written one by one.
const mostNamed = 16

// Files returns what was read: the recipe, the network that it begins with where that is a file, and the files of the data.
func (j *Job) Files() []string { return j.files }

// identify hashes the recipe, the network's weights and the data.
func (j *Job) identify(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	all, files := sha256.New(), sha256.New()
	all.Write(text)
	for _, c := range j.Graph.Constants() {
		all.Write(c.Const.Raw())
	}
	j.hashes = map[string]string{}
	for _, name := range append(slices.Clone(j.learn.Files()), j.valid.Files()...) {
		h, err := hashFile(name)
		if err != nil {
			return err
		}
		j.hashes[filepath.Base(name)] = h
		io.WriteString(all, h)
		io.WriteString(files, h)
	}
	if n := len(j.learn.Files()) + len(j.valid.Files()); n > mostNamed {
		j.hashes = map[string]string{fmt.Sprintf("%d files, one after the other", n): hex.EncodeToString(files.Sum(nil))}
	}
	j.id = hex.EncodeToString(all.Sum(nil))
	sum := sha256.Sum256(text)
	hashes, _ := json.Marshal(j.hashes)
	j.metadata = map[string]string{
		"ocellus.recipe":        j.Recipe.Name,
		"ocellus.recipe_sha256": hex.EncodeToString(sum[:]),
		"ocellus.seed":          fmt.Sprint(j.Recipe.Seed),
		"ocellus.data_sha256":   string(hashes),
		"ocellus.data_terms":    j.Recipe.Terms,
	}
	return nil
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Run trains, from the checkpoint in a folder if there is one ("" keeps none).
func (j *Job) Run(ctx context.Context, checkpoint string, progress func(train.Progress)) (*train.History, error) {
	r := j.Recipe
	if checkpoint != "" {
		if err := os.MkdirAll(checkpoint, 0o777); err != nil {
			return nil, err
		}
		checkpoint = filepath.Join(checkpoint, r.Name+".npz")
		if err := train.CheckFile(checkpoint); err != nil {
			return nil, err
		}
	}
	run := &train.Run{
		ID: j.id, Trainer: j.Trainer, Set: j.learn, Batch: r.Batch, PerEpoch: r.PerEpoch, Epochs: r.Epochs, Seed: r.Seed, Schedule: r.Schedule,
		Optimiser: r.Optimiser, Average: r.Average, Every: r.Every, Checkpoint: checkpoint, Progress: progress,
		Evaluate: func(ctx context.Context) (map[string]float64, error) {
			return j.measure(ctx)
		},
	}
	if m := r.Mine; m.Every > 0 {
		run.MineEvery, run.Mine = m.Every, j.mine
	}
	if s, ok := j.learn.(data.Sampled); ok {
		run.Sampler = s.Sampler()
	}
	return run.Do(ctx)
}

// Write writes the network with its provenance and what was measured last; of a recipe that says half, after rounding.
func (j *Job) Write(ctx context.Context, name string, h *train.History) error {
	g := j.Graph
	if g.Meta == nil {
		g.Meta = map[string]string{}
	}
	for k, v := range j.metadata {
		if v != "" {
			g.Meta[k] = v
		}
	}
	if j.Recipe.Card != nil {
		b, err := json.Marshal(j.card)
		if err != nil {
			return err
		}
		g.Meta[card.MetaKey] = string(b)
	}
	g.Doc = j.Recipe.About
	if s := j.Recipe.Whiten; s != nil {
		if err := j.whiten(ctx, *s); err != nil {
			return err
		}
	}
	if j.Recipe.Half {
		half, err := halved(j.Graph)
		if err != nil {
			return err
		}
		j.Graph = half
	}
	if j.Recipe.Int8 {
		j.Graph = quantised(j.Graph)
	}
	g = j.Graph
	if j.Recipe.Half || j.Recipe.Int8 || j.Recipe.Whiten != nil {
		m, err := j.measure(ctx)
		if err != nil {
			return err
		}
		h.Metrics = append(h.Metrics, train.Measure{Step: h.Step, Values: train.Numbers(m)})
	}
	if n := len(h.Metrics); n > 0 {
		values, err := json.Marshal(h.Metrics[n-1].Values)
		if err != nil {
			return err
		}
		g.Meta["ocellus.metrics"] = string(values)
	}
	if _, ok := j.valid.(*data.Faces); ok {
		c, err := j.calibration(ctx)
		if err != nil {
			return err
		}
		if c != "" {
			g.Meta[face.MetaKey] = c
		}
	}
	b, err := onnx.Write(g)
	if err != nil {
		return err
	}
	return train.WriteFile(name, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// cardOf returns the card of a recipe's network: what the recipe says of it, and how its data are normalised.
func cardOf(r *recipe.Recipe) (card.Card, error) {
	text, err := json.Marshal(r.Card)
	if err != nil {
		return card.Card{}, err
	}
	var c card.Card
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return card.Card{}, err
	}
	// What is not given is said too: a task has other defaults.
	in := card.Input{Order: "rgb", Mean: r.Data.Normal.Mean, Std: r.Data.Normal.Std}
	c.Input = c.Input.Over(in.Over(card.Input{Mean: []float64{0}, Std: []float64{1}}))
	return c, c.Check()
}
