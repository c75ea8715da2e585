package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// benchResult is what bench prints. Times are wall clock.
type benchResult struct {
	Model        string  `json:"model"`
	Threads      int     `json:"threads"`
	ISA          string  `json:"isa"`
	Precision    string  `json:"precision"`
	Input        []int   `json:"input"`    // of the first input
	LoadMS       float64 `json:"load_ms"`  // reading, compiling, making a session
	FirstMS      float64 `json:"first_ms"` // the first run
	MedianMS     float64 `json:"median_ms"`
	MinMS        float64 `json:"min_ms"`
	P95MS        float64 `json:"p95_ms"`
	GMAC         float64 `json:"gmac"`          // 10⁹ multiply-accumulates of one run
	ArenaBytes   int64   `json:"arena_bytes"`   // of working memory
	WeightsBytes int64   `json:"weights_bytes"` // of constants
	RSSBytes     int64   `json:"rss_bytes"`     // the most memory that the process ever held; 0 where the system does not tell
}

// warmUp is the number of runs before those that count. The first of them is timed on its own.
const warmUp = 3

func newBench() *cobra.Command {
	var (
		eng    engine
		inputs []string
		runs   int
		batch  int
		learn  bool
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "bench MODEL.onnx",
		Short: "Measure a network: load time, latency, memory",
		Long: `Bench loads a network, feeds it numbers that are the same in every run, and
measures. Load is the time to read the file, compile it and make a session; first is
the first run. Median, minimum and 95th percentile are of the runs after three that do
not count. Memory is the working memory of one session, the constants, and the most
that the process ever held.

With --train a run is a step of training: forward, cross-entropy, backward and an
update by SGD with momentum, for --batch examples. MODEL may then also be the name
of a network that ocellus builds, with new weights: ` + strings.Join(arch.Names(), ", ") + `.

Other programs on the machine disturb a measurement: compare minima, and runs made
in turns.`,
		Example: `  ocellus bench net.onnx --threads 1 --runs 50 --json
  ocellus bench net.onnx --input image=1,3,480,640
  ocellus bench resnet18 --train --batch 8`,
		Args: modelArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if runs < 1 {
				return usageErrorf("--runs %d: at least 1 is meant", runs)
			}
			end, err := eng.begin()
			if err != nil {
				return err
			}
			defer end()
			ctx, cancel := interruptible(cmd)
			defer cancel()

			start := time.Now()
			load := eng.loadRun
			if learn {
				load = eng.loadStep
			}
			l, err := load(args[0], inputs, batch)
			if err != nil {
				return err
			}
			took := time.Since(start)
			times := make([]time.Duration, warmUp+runs)
			for i := range times {
				start := time.Now()
				if err := l.run(ctx); err != nil {
					return err
				}
				times[i] = time.Since(start)
			}
			size := l.size()
			r := benchResult{
				Model: args[0], Threads: eng.team(), ISA: activeISA(), Precision: precision(l.prog), Input: []int{},
				LoadMS: ms(took), FirstMS: ms(times[0]), GMAC: float64(size.MACs) / 1e9,
				ArenaBytes: size.ArenaBytes, WeightsBytes: size.WeightBytes, RSSBytes: peakRSS(),
			}
			if ports := l.prog.Inputs(); len(ports) > 0 {
				r.Input = append(r.Input, ports[0].Shape...)
			}
			times = times[warmUp:]
			slices.Sort(times)
			r.MinMS, r.MedianMS, r.P95MS = ms(times[0]), ms(quantile(times, 0.5)), ms(quantile(times, 0.95))
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), r)
			}
			return r.table(cmd)
		},
	}
	eng.flags(cmd)
	cmd.Flags().StringArrayVar(&inputs, "input", nil, "shape of an input, as name=1,3,224,224, where the file leaves sizes open")
	cmd.Flags().IntVar(&runs, "runs", 50, "runs to measure")
	cmd.Flags().BoolVar(&learn, "train", false, "measure a step of training")
	cmd.Flags().IntVar(&batch, "batch", 8, "examples of a step of training")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// loaded is what bench times.
type loaded struct {
	prog *model.Program
	run  func(context.Context) error
	size func() model.Size
}

// loadRun prepares an inference.
func (e *engine) loadRun(name string, inputs []string, _ int) (*loaded, error) {
	g, err := readNet(name)
	if err != nil {
		return nil, err
	}
	shapes, err := inputShapes(g, inputs)
	if err != nil {
		return nil, err
	}
	prog, err := e.compile(g, shapes)
	if err != nil {
		return nil, err
	}
	in, err := madeUp(prog.Inputs())
	if err != nil {
		return nil, err
	}
	s := prog.NewSession()
	return &loaded{
		prog: prog,
		run:  func(ctx context.Context) error { return s.Run(ctx, in, nil) },
		size: func() model.Size {
			z := prog.Size()
			z.ArenaBytes += int64(s.ScratchBytes())
			return z
		},
	}, nil
}

// loadStep prepares a step of training a classifier.
func (e *engine) loadStep(name string, inputs []string, batch int) (*loaded, error) {
	if batch < 1 {
		return nil, usageErrorf("--batch %d: at least 1 is meant", batch)
	}
	var g *model.Graph
	if build := arch.Nets[name]; build != nil {
		g = build(1)
	} else {
		var err error
		if g, err = readNet(name); err != nil {
			return nil, err
		}
	}
	shapes, err := inputShapes(g, inputs)
	if err != nil {
		return nil, err
	}
	for _, v := range g.Inputs {
		if shapes[v.Name] == nil {
			shapes[v.Name] = make([]int, len(v.Shape))
			for i, d := range v.Shape {
				shapes[v.Name][i] = d.Size
			}
			if len(v.Shape) > 0 {
				shapes[v.Name][0] = batch
			}
		}
	}
	label, err := labelShape(g, shapes)
	if err != nil {
		return nil, err
	}
	targets := map[string]train.Target{"label": {DType: tensor.Int32, Shape: label}}
	t, err := train.New(train.Config{
		Graph: g, EmbedOptions: train.EmbedOptions{Inputs: shapes}, Loss: train.Loss([]train.LossSpec{{Kind: "cross_entropy"}}, targets),
		Options: train.Options{Threads: e.team()},
	})
	if err != nil {
		return nil, err
	}
	o, err := train.NewOptimiser(train.OptimiserSpec{Kind: "sgd", Momentum: 0.9, Decay: 1e-4}, t.Params())
	if err != nil {
		return nil, err
	}
	given := map[string]bool{"label": true}
	for name := range shapes {
		given[name] = true
	}
	in, err := madeUp(slices.DeleteFunc(t.Program().Inputs(), func(p model.Port) bool { return !given[p.Name] }))
	if err != nil {
		return nil, err
	}
	for i, l := 0, tensor.Data[int32](in["label"]); i < len(l); i++ {
		l[i] = int32(i % 2)
	}
	return &loaded{
		prog: t.Program(),
		run: func(ctx context.Context) error {
			if _, err := t.Gradients(ctx, in); err != nil {
				return err
			}
			return t.Update(o, 1e-3)
		},
		size: t.Size,
	}, nil
}

// labelShape returns the shape of the labels that a network's first output is compared with: that without the classes.
func labelShape(g *model.Graph, inputs map[string][]int) ([]int, error) {
	p, err := model.Compile(g, model.Options{Inputs: inputs})
	if err != nil {
		return nil, err
	}
	out := p.Outputs()
	if len(out) == 0 || len(out[0].Shape) < 2 {
		return nil, fmt.Errorf("the first output is no scores of classes")
	}
	return slices.Delete(slices.Clone(out[0].Shape), 1, 2), nil
}

func (r *benchResult) table(cmd *cobra.Command) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
	row := func(head, format string, args ...any) { fmt.Fprintf(w, head+"\t"+format+"\n", args...) }
	row("model", "%s", r.Model)
	row("input", "%s", shapeText(r.Input))
	row("runs on", "%s, %s, %s", plural(int64(r.Threads), "thread"), r.ISA, r.Precision)
	row("load", "%s", msText(r.LoadMS))
	row("first run", "%s", msText(r.FirstMS))
	row("median", "%s", msText(r.MedianMS))
	row("minimum", "%s", msText(r.MinMS))
	row("95th percentile", "%s", msText(r.P95MS))
	row("work", "%s multiply-accumulates, %.1f GFLOP/s at the minimum", short(int64(r.GMAC*1e9+0.5)), 2*r.GMAC/r.MinMS*1e3)
	row("working memory", "%s", bytesText(r.ArenaBytes))
	row("weights", "%s", bytesText(r.WeightsBytes))
	if r.RSSBytes > 0 {
		row("process at most", "%s", bytesText(r.RSSBytes))
	}
	return w.Flush()
}

// precision names the numbers that the multiplications are done in.
func precision(p *model.Program) string {
	for _, s := range p.Steps() {
		switch s.Op {
		case "Conv8", "MatMul8", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger":
			return "int8"
		}
	}
	return "fp32"
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile returns the smallest of sorted times that a share q of them does not exceed; the lower middle one for an even number and q = ½.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// peakRSS is the most memory that the process ever held, in bytes; 0 where the system does not tell.
func peakRSS() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" && f[2] == "kB" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}
