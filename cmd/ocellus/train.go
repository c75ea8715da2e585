package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/cmd/internal/training"
	"github.com/ocellus-vision/ocellus/model/train"
)

func newTrain() *cobra.Command {
	var e engine
	var dir, out, checkpoint, curve, memory string
	var check bool
	cmd := &cobra.Command{
		Use:   "train RECIPE.yaml --data DIR -o M.onnx | train --check-gradients",
		Short: "Train a network from a recipe",
		Long: `Train builds the network that a recipe names, trains it on the data in DIR and
writes it. Recipe, data and seed determine every bit of it, on any CPU and with
any number of threads.

With --checkpoint, a run that was interrupted (Ctrl-C ends it after the step
under way) or killed goes on where its last checkpoint stands, and ends with the
same bits as one that was not.

A step that would take more than --memory keeps less of what the network computed
and computes it again when it is needed: slower, the same bits.

With --check-gradients it trains nothing, but compares the gradient of every layer
with finite differences in float64.`,
		Example: `  ocellus train digits_convnet.yaml --data mnist -o digits.onnx
  ocellus train scene.yaml --data camvid -o scene.onnx --checkpoint run1 --curve scene.svg
  ocellus train --check-gradients`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if check {
				return checkGradients(cmd.OutOrStdout())
			}
			if len(args) == 0 {
				return usageErrorf("the recipe is missing: a YAML file")
			}
			if dir == "" || out == "" {
				return usageErrorf("--data and -o are needed: the folder of the examples, and the file to write")
			}
			most, err := parseBytes(memory)
			if err != nil {
				return usageErrorf("--memory %s: %v", memory, err)
			}
			if err := checkOutput(out); err != nil {
				return err
			}
			if curve != "" {
				if err := train.CheckFile(curve); err != nil {
					return err
				}
			}
			end, err := e.begin()
			if err != nil {
				return err
			}
			defer end()
			job, err := training.Prepare(args[0], dir, train.Options{Threads: e.team(), MaxBytes: most})
			if err != nil {
				return err
			}
			if err := claim(job.Files(), out, curve); err != nil {
				return err
			}
			w := cmd.ErrOrStderr()
			size := job.Trainer.Size()
			fmt.Fprintf(w, "%s: %s parameters; a step of %d examples takes %s of working memory and %s multiply-accumulates\n", job.Recipe.Name,
				short(size.Params), job.Recipe.Batch, bytesText(size.ArenaBytes), short(size.MACs))
			if n := job.Trainer.Segments(); n > 1 {
				fmt.Fprintf(w, "--memory %s: the network is cut into %d parts, of which all but the last are computed twice\n", memory, n)
			}
			ctx, cancel := interruptible(cmd)
			defer cancel()
			h, err := job.Run(ctx, checkpoint, reporter(w))
			if err == nil {
				err = job.Write(ctx, out, h)
			}
			if checkpoint != "" && (errors.Is(err, train.ErrStopped) || errors.Is(err, context.Canceled)) {
				return fmt.Errorf("%w; the same command goes on from there", err)
			}
			if err != nil {
				return err
			}
			if curve != "" {
				title := job.Recipe.Name
				if err := train.WriteFile(curve, func(w io.Writer) error { return h.SVG(w, title) }); err != nil {
					return err
				}
			}
			for _, m := range h.Metrics[max(0, len(h.Metrics)-1):] {
				fmt.Fprintln(cmd.OutOrStdout(), metrics(m.Values))
			}
			fmt.Fprintf(w, "%s: trained in %s\n", out, time.Duration(h.Seconds*float64(time.Second)).Round(time.Second))
			return nil
		},
	}
	e.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&dir, "data", "", "`DIR` of the examples")
	f.StringVarP(&out, "out", "o", "", "`FILE` to write the network to")
	f.StringVar(&checkpoint, "checkpoint", "", "`DIR` to keep the state of the run in, and to continue from")
	f.StringVar(&curve, "curve", "", "SVG `FILE` to draw loss and measurements in")
	f.BoolVar(&check, "check-gradients", false, "compare the gradient of every layer with finite differences")
	f.StringVar(&memory, "memory", "4GB", "most working `MEMORY` of a step")
	return cmd
}

// checkOutput says whether a network can be written to a file, and be read there: beside a YAML file that is no card it could not.
func checkOutput(out string) error {
	if err := train.CheckFile(out); err != nil {
		return err
	}
	if _, err := cards.Beside(out); err != nil {
		return fmt.Errorf("a network in %s would be read with the card beside it, which is none; move that, or name another file with -o: %w", out, err)
	}
	return nil
}

// checkGradients prints how far the gradient of each layer is from finite differences.
func checkGradients(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "layer\tattributes\tderivatives\tlargest relative difference")
	bad := 0
	for c := range train.CheckGradients() {
		say := fmt.Sprintf("%.1e", c.Difference)
		if c.Err != nil {
			say = c.Err.Error()
		}
		if !c.OK() {
			bad++
			say += "  WRONG"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", c.Layer, c.Attributes, c.Derivatives, say)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d gradients differ by more than %g", bad, train.GradientTolerance)
	}
	return nil
}

// metrics writes measurements in one line.
func metrics(m map[string]float64) string {
	var s []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s = append(s, fmt.Sprintf("%s %.4g", name, m[name]))
	}
	return strings.Join(s, "  ")
}

// reporter returns what prints progress: a line that changes on a terminal, elsewhere one a minute and one for each measurement.
func reporter(w io.Writer) func(train.Progress) {
	f, ok := w.(*os.File)
	live := false
	if ok {
		info, err := f.Stat()
		live = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	every, last := time.Minute, time.Now()
	if live {
		every, last = 200*time.Millisecond, time.Time{}
	}
	return func(p train.Progress) {
		done := p.Step == p.Steps
		if p.Metrics == nil && !done && time.Since(last) < every {
			return
		}
		last = time.Now()
		line := fmt.Sprintf("epoch %d/%d  step %d/%d  loss %.4f  rate %.4g  %.0f examples/s  %s left", (p.Step-1)/p.PerEpoch+1, p.Steps/p.PerEpoch, p.Step, p.Steps,
			p.Loss, p.Rate, p.Examples, p.Left.Round(time.Second))
		switch {
		case p.Metrics != nil:
			line += "  " + metrics(p.Metrics) + "\n"
		case done || !live:
			line += "\n"
		}
		if live {
			const bar = 20
			full := p.Step * bar / p.Steps
			line = "\r\x1b[K" + strings.Repeat("█", full) + strings.Repeat("░", bar-full) + " " + line
		}
		io.WriteString(w, line)
	}
}
