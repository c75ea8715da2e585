package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/cmd/internal/examples"
	"github.com/ocellus-vision/ocellus/cmd/internal/version"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/train/finetune"
)

// tuning holds the flags of finetune.
type tuning struct {
	engine
	model, out, store        string
	data, replay, test, only string
	most, rollback           int
	memory                   string
	asJSON                   bool
	config                   finetune.Config
}

// tuned is the result of finetune.
type tuned struct {
	Published bool   `json:"published"`
	File      string `json:"file,omitempty"`
	finetune.Report
}

func newFinetune() *cobra.Command {
	t := &tuning{}
	cmd := &cobra.Command{
		Use:   "finetune --model M.onnx --data DIR -o M2.onnx | --store DIR [--model M.onnx] --data DIR | --store DIR --rollback N",
		Short: "Teach a classifier more, and publish it only if it is shown to be better",
		Long: `Finetune trains the top of a classifier on pictures in folders, one for each class
(DIR/CLASS/*.png), or on idx files as MNIST's. Folders of classes that the network
lacks are added to it.

A fifth of the examples is never trained on: the network is measured on them before
and after. It is published if it gains there, with 95 % confidence, and loses no more
than --margin on the examples of old classes; else the exit status is 1. Examples of
old classes, from --replay and those kept with the model, are trained on beside the
new ones, so that they are not forgotten.

In a --store every model that was published keeps its number, and --rollback puts any
of them in force again. Data, seed and flags determine every bit of a model.`,
		Example: `  ocellus finetune --model pets.onnx --data corrections/ -o pets2.onnx
  ocellus finetune --store models/ --model pets.onnx --data new/ --replay old/
  ocellus finetune --store models/ --rollback 1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (t.out == "") == (t.store == "") {
				return usageErrorf("one of -o FILE and --store DIR is needed: where the new network goes")
			}
			if cmd.Flags().Changed("rollback") {
				return t.back(cmd.OutOrStdout())
			}
			return t.run(cmd)
		},
	}
	t.flags(cmd)
	f, c := cmd.Flags(), &t.config
	f.StringVar(&t.model, "model", "", "the network, an .onnx `FILE`; with a store that has one, it is left out")
	f.StringVarP(&t.out, "out", "o", "", "`FILE` to write the new network to")
	f.StringVar(&t.store, "store", "", "`DIR` of numbered networks")
	f.IntVar(&t.rollback, "rollback", 0, "put network `N` of the store in force")
	f.StringVar(&t.data, "data", "", "`DIR` of the examples")
	f.StringVar(&t.replay, "replay", "", "`DIR` of examples of the network's classes, against forgetting")
	f.StringVar(&t.test, "test", "", "`DIR` of examples that are only measured, before and after")
	f.StringVar(&t.only, "only", "", "`CLASSES` of the data to use, as 8,9")
	f.IntVar(&t.most, "most", 0, "most examples of each class of the data to use, drawn by the seed; 0 means all")
	f.StringVar(&c.From, "from", "", "first trained `LAYER` (default the last with weights)")
	f.BoolVar(&c.Statistics, "batch-statistics", false, "trained batch normalisations use the statistics of the batch")
	f.IntVar(&c.Epochs, "epochs", 20, "how often all examples are gone through")
	f.IntVar(&c.Batch, "batch", 32, "examples in a step")
	f.Float64Var(&c.Rate, "rate", 0.01, "highest learning rate")
	f.Uint64Var(&c.Seed, "seed", 1, "what all that is drawn at random depends on")
	f.Float64Var(&c.Margin, "margin", 1, "most that old classes may lose, in percent of the examples")
	f.Float64Var(&c.Least, "least", 80, "percent of new classes that must be recognised, as far as held-back examples tell")
	f.IntVar(&c.Keep, "keep", 200, fmt.Sprintf("most examples of each class to keep with the network, %d or more", finetune.Fewest))
	f.StringVar(&t.memory, "memory", "512MB", "`MEMORY` for features; more go to a file")
	f.BoolVar(&t.asJSON, "json", false, "print one JSON object")
	return cmd
}

// back puts an earlier network in force.
func (t *tuning) back(w io.Writer) error {
	if t.store == "" {
		return usageErrorf("--rollback needs --store DIR")
	}
	if _, err := os.Stat(t.store); err != nil {
		return fmt.Errorf("there is no store to go back in; --store names the folder of one: %w", err)
	}
	s, err := finetune.OpenStore(t.store)
	if err != nil {
		return err
	}
	if _, err := onnx.ReadFile(s.Model(t.rollback)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := s.Rollback(t.rollback); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s is in force\n", s.Model(t.rollback))
	return nil
}

// besides is the file of what is kept with a network that is in no store.
func besides(model string) string {
	return strings.TrimSuffix(model, filepath.Ext(model)) + ".replay.zip"
}

// begun opens the store; where none is there yet, it takes a network to begin one.
func (t *tuning) begun() (*finetune.Store, error) {
	if _, err := os.Stat(t.store); err != nil && t.model == "" {
		return nil, fmt.Errorf("there is no store; name one, or begin it with the network of --model M.onnx: %w", err)
	}
	s, err := finetune.OpenStore(t.store)
	if err != nil {
		return nil, err
	}
	return s, train.CheckFile(s.Model(1))
}

// parent finds the network to start from, and what is kept with it. A store without one begins with that of --model, which takes the card beside it along.
func (t *tuning) parent(s *finetune.Store) error {
	examples, read := "", os.ReadFile
	if s != nil {
		n, err := s.Current()
		if err != nil {
			return err
		}
		switch {
		case n > 0 && t.model != "":
			return usageErrorf("%s has a network already, %s; leave --model out", t.store, s.Model(n))
		case n > 0:
			t.model, examples = s.Model(n), s.Kept(n)
		default:
			read = cards.ReadModel
		}
	}
	if t.model == "" {
		return usageErrorf("--model M.onnx is missing: the network to start from")
	}
	if examples == "" {
		examples = besides(t.model)
	}
	c := &t.config
	var err error
	if c.Model, err = read(t.model); err != nil {
		return err
	}
	if c.Kept, err = finetune.ReadKept(examples); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (t *tuning) run(cmd *cobra.Command) error {
	c := &t.config
	if t.data == "" {
		return usageErrorf("--data DIR is missing: the examples")
	}
	if c.Epochs < 1 || c.Batch < 1 || c.Batch > 1<<16 || !(c.Rate > 0) || t.most < 0 {
		return usageErrorf("--epochs, --batch and --rate are positive, --most is not negative")
	}
	if c.Keep < finetune.Fewest {
		return usageErrorf("--keep %d: keep %d of each class or more, so that some can be learnt from and some held back", c.Keep, finetune.Fewest)
	}
	var err error
	if c.CacheBytes, err = parseBytes(t.memory); err != nil {
		return usageErrorf("--memory %s: %v", t.memory, err)
	}
	end, err := t.begin()
	if err != nil {
		return err
	}
	defer end()
	var s *finetune.Store
	if t.store != "" {
		s, err = t.begun()
	} else if err = checkOutput(t.out); err == nil {
		c.Check, err = t.overridden, train.CheckFile(besides(t.out))
	}
	if err != nil {
		return err
	}
	if err := t.parent(s); err != nil {
		return err
	}
	if err := t.examples(); err != nil {
		return err
	}
	if s == nil {
		if err := claim(t.files(), t.out, besides(t.out)); err != nil {
			return err
		}
	}
	ctx, cancel := interruptible(cmd)
	defer cancel()
	c.Threads, c.Progress = t.team(), reporter(cmd.ErrOrStderr())
	c.Metadata = map[string]string{"ocellus.version": version.Get().String()}
	r, err := finetune.Run(ctx, *c)
	if err != nil {
		return fmt.Errorf("%s: %w", t.model, err)
	}
	result := tuned{Report: r.Report}
	if len(r.Report.Refused) == 0 {
		if result.File, err = t.publish(s, r); err != nil {
			return err
		}
		result.Published = true
	}
	if t.asJSON {
		err = writeJSON(cmd.OutOrStdout(), result)
	} else {
		err = result.print(cmd.OutOrStdout())
	}
	if err == nil && !result.Published {
		err = fmt.Errorf("not published: %s", strings.Join(r.Report.Refused, "; "))
	}
	return err
}

// overridden says whether a card beside the file to write would be in force instead of the one that is published.
func (t *tuning) overridden(published card.Card) error {
	side, err := cards.Beside(t.out)
	if err != nil {
		return err
	}
	got, what := side.Over(published), "input or outputs"
	if reflect.DeepEqual(got, published) {
		return nil
	}
	if !slices.Equal(got.Labels, published.Labels) {
		what = "labels"
	}
	return fmt.Errorf("%s would go before what is written into %s, and says something else of the %s: name another file with -o", cards.Name(t.out), t.out, what)
}

// publish writes the network and what is kept with it, and returns its file.
func (t *tuning) publish(s *finetune.Store, r *finetune.Result) (string, error) {
	if s == nil {
		if err := train.WriteFile(besides(t.out), r.Kept.Write); err != nil {
			return "", err
		}
		return t.out, train.WriteFile(t.out, func(w io.Writer) error { _, err := w.Write(r.Model); return err })
	}
	if n, err := s.Current(); err != nil {
		return "", err
	} else if n == 0 {
		first := t.config.Kept
		if first == nil {
			first = &finetune.Kept{Shape: r.Kept.Shape}
		}
		if _, err := s.Publish(t.config.Model, first); err != nil {
			return "", err
		}
	}
	n, err := s.Publish(r.Model, r.Kept)
	return s.Model(n), err
}

// print writes the table of before and after.
func (r *tuned) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "recognised\texamples\tbefore\tafter\tdifference\t95 %\t")
	row := func(g finetune.Group) {
		d := g.Difference
		fmt.Fprintf(table, "%s\t%d\t%.2f %%\t%.2f %%\t%+.2f\t%+.2f to %+.2f\t\n", g.Name, g.N, g.Before, g.After, d.Value, d.Low, d.High)
	}
	for _, g := range r.Groups {
		row(g)
	}
	for _, g := range r.ByClass {
		g.Name = "class " + g.Name
		row(g)
	}
	for _, g := range []*finetune.Group{r.Test, r.TestOld} {
		if g != nil {
			row(*g)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.Published {
		fmt.Fprintf(w, "trained from %s on, on %d examples; published as %s\n", r.From, r.Trained, r.File)
	}
	return nil
}

// examples opens all data in the form that the network takes.
func (t *tuning) examples() error {
	c := &t.config
	g, err := onnx.Read(c.Model)
	if err != nil {
		return fmt.Errorf("%s: %w", t.model, err)
	}
	side, err := cards.Beside(t.model)
	if err != nil {
		return err
	}
	meta, err := card.FromMeta(g.Meta)
	if err != nil {
		return fmt.Errorf("%s: %w", t.model, err)
	}
	c.Card = side.Over(meta)
	from, err := examples.Feeder(g, c.Card)
	if err != nil {
		return fmt.Errorf("%s: %w", t.model, err)
	}
	if c.Data, err = openExamples(t.data, from, "train"); err != nil {
		return err
	}
	var only []string
	if t.only != "" {
		only = strings.Split(t.only, ",")
	}
	if c.Data, err = data.Select(c.Data, only, t.most, c.Seed); err != nil {
		return fmt.Errorf("%s: %w", t.data, err)
	}
	if t.replay != "" {
		if c.Old, err = openExamples(t.replay, from, "train"); err != nil {
			return err
		}
		if c.Old, err = data.Select(c.Old, nil, c.Keep, c.Seed); err != nil {
			return err
		}
	}
	if t.test != "" {
		c.Test, err = openExamples(t.test, from, "t10k")
	}
	return err
}

// files are those that are read.
func (t *tuning) files() []string {
	files := []string{t.model, cards.Name(t.model), besides(t.model)}
	for _, set := range []data.Labelled{t.config.Data, t.config.Old, t.config.Test} {
		if set != nil {
			files = append(files, set.Files()...)
		}
	}
	return files
}

// openExamples opens a folder of folders, or of the idx files PART-images-idx3-ubyte and PART-labels-idx1-ubyte, perhaps compressed.
func openExamples(dir string, from data.Pictures, part string) (data.Labelled, error) {
	for _, end := range []string{"", ".gz"} {
		images, labels := filepath.Join(dir, part+"-images-idx3-ubyte"+end), filepath.Join(dir, part+"-labels-idx1-ubyte"+end)
		if _, err := os.Stat(images); err != nil {
			continue
		}
		const digits = 10
		d, err := data.OpenDigits(images, labels, digits)
		if err != nil {
			return nil, err
		}
		if got := d.Fields()[0].Shape; !slices.Equal(got, from.Shape) {
			return nil, fmt.Errorf("%s: pictures are %s; the network takes %s", images, tensor.FormatShape(got), tensor.FormatShape(from.Shape))
		}
		return d, nil
	}
	return data.OpenFolders(dir, from)
}
