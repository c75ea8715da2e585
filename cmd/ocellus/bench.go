package main

import (
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
	"github.com/ocellus-vision/ocellus/model/onnx"
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

Other programs on the machine disturb a measurement: compare minima, and runs made
in turns.`,
		Example: `  ocellus bench net.onnx --threads 1 --runs 50 --json
  ocellus bench net.onnx --input image=1,3,480,640`,
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
			g, err := onnx.ReadFile(args[0])
			if err != nil {
				return err
			}
			shapes, err := inputShapes(g, inputs)
			if err != nil {
				return err
			}
			prog, err := eng.compile(g, shapes)
			if err != nil {
				return err
			}
			session := prog.NewSession()
			load := time.Since(start)

			ports := prog.Inputs()
			in, err := madeUp(ports)
			if err != nil {
				return err
			}
			times := make([]time.Duration, warmUp+runs)
			for i := range times {
				start := time.Now()
				if err := session.Run(ctx, in, nil); err != nil {
					return err
				}
				times[i] = time.Since(start)
			}
			size := prog.Size()
			r := benchResult{
				Model: args[0], Threads: eng.team(), ISA: activeISA(), Precision: precision(prog), Input: []int{},
				LoadMS: ms(load), FirstMS: ms(times[0]), GMAC: float64(size.MACs) / 1e9,
				ArenaBytes: size.ArenaBytes + int64(session.ScratchBytes()), WeightsBytes: size.WeightBytes, RSSBytes: peakRSS(),
			}
			if len(ports) > 0 {
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
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
		case "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger":
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
