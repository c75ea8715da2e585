package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/training"
	"github.com/ocellus-vision/ocellus/model/train"
)

func newTrain() *cobra.Command {
	var e engine
	var dir, out, checkpoint, curve, memory string
	cmd := &cobra.Command{
		Use:   "train RECIPE.yaml --data DIR -o M.onnx",
		Short: "Train a network from a recipe",
		Long: `Train builds the network that a recipe names, trains it on the data in DIR and
writes it. Recipe, data and seed determine every bit of it, on any CPU and with
any number of threads.

With --checkpoint, a run that was interrupted (Ctrl-C ends it after the step
under way) or killed goes on where its last checkpoint stands, and ends with the
same bits as one that was not.`,
		Example: `  ocellus train digits_convnet.yaml --data mnist -o digits.onnx
  ocellus train scene.yaml --data camvid -o scene.onnx --checkpoint run1 --curve scene.svg`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" || out == "" {
				return usageErrorf("--data and -o are needed: the folder of the examples, and the file to write")
			}
			most, err := parseBytes(memory)
			if err != nil {
				return usageErrorf("--memory %s: %v", memory, err)
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
			w := cmd.ErrOrStderr()
			size := job.Trainer.Size()
			fmt.Fprintf(w, "%s: %s parameters; a step of %d examples takes %s of working memory and %s multiply-accumulates\n", job.Recipe.Name,
				short(size.Params), job.Recipe.Batch, bytesText(size.ArenaBytes), short(size.MACs))
			ctx, cancel := interruptible(cmd)
			defer cancel()
			h, err := job.Run(ctx, checkpoint, reporter(w))
			if errors.Is(err, train.ErrStopped) && checkpoint != "" {
				return fmt.Errorf("%w; the same command goes on from there", err)
			}
			if err != nil {
				return err
			}
			if err := job.Write(out, h); err != nil {
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
	f.StringVar(&memory, "memory", "4GB", "most working `MEMORY` of a step")
	return cmd
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
