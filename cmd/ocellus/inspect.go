package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/ocellus/internal/netpic"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
)

func newInspect() *cobra.Command {
	var (
		eng      engine
		inputs   []string
		measure  bool
		runs     int
		dot, svg string
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "inspect MODEL.onnx",
		Short: "Show a network: layers, shapes, parameters, work, memory, unsupported operators",
		Long: `Inspect shows what a file says of itself and what it is compiled to: every layer
with the shape of its output (in the axis order of ONNX), its parameters and its
multiply-accumulates (MACs), and the memory that the network takes. Layers that are
computed as one stand in one row (Conv+Relu), those that depend on no input are computed
beforehand and have none; ToNHWC and ToNCHW change the axis order in memory. A line
beside the numbers joins layers that go over the picture together, some rows at a time:
what passes between them is not written to memory.

Where operators are not supported it lists all of them with their nodes, and the exit
status is 1.

With --run it measures each layer: the median of some runs on numbers that are the
same every time. GFLOP/s counts two operations per multiply-accumulate.`,
		Example: `  ocellus inspect net.onnx --run --threads 1
  ocellus inspect net.onnx --input image=1,3,480,640 --svg net.svg`,
		Args: modelArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if runs < 1 {
				return usageErrorf("--runs %d: at least 1 is meant", runs)
			}
			if err := claim(args, dot, svg); err != nil {
				return err
			}
			end, err := eng.begin()
			if err != nil {
				return err
			}
			defer end()
			ctx, cancel := interruptible(cmd)
			defer cancel()
			r := &inspection{Model: args[0], Threads: eng.team(), ISA: activeISA()}
			failed := r.examine(ctx, &eng, inputs, measure, runs)
			if r.header == nil {
				return failed
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), r)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), r.text())
			}
			if failed != nil {
				return failed
			}
			if err == nil && dot != "" {
				err = writeFile(dot, r.picture().WriteDOT)
			}
			if err == nil && svg != "" {
				err = writeFile(svg, r.picture().WriteSVG)
			}
			return err
		},
	}
	eng.flags(cmd)
	cmd.Flags().StringArrayVar(&inputs, "input", nil, "shape of an input, as name=1,3,224,224, where the file leaves sizes open")
	cmd.Flags().BoolVar(&measure, "run", false, "measure the time of each layer")
	cmd.Flags().IntVar(&runs, "runs", 10, "runs to measure, with --run")
	cmd.Flags().StringVar(&dot, "dot", "", "write the compiled network to this file, for Graphviz")
	cmd.Flags().StringVar(&svg, "svg", "", "draw the compiled network to this file, as SVG")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// writeFile makes a file of what write writes.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close() // the first error is the one that matters
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Close()
}

// inspection is what inspect finds.
type inspection struct {
	Model           string            `json:"model"`
	Graph           string            `json:"graph"`
	Producer        string            `json:"producer"`
	ProducerVersion string            `json:"producer_version"`
	IRVersion       int               `json:"ir_version"`
	Opset           map[string]int    `json:"opset"`
	Metadata        map[string]string `json:"metadata"`
	Inputs          []portInfo        `json:"inputs"`
	Outputs         []portInfo        `json:"outputs"`
	Threads         int               `json:"threads"`
	ISA             string            `json:"isa"`
	Layers          []layerInfo       `json:"layers"`
	Totals          *totals           `json:"totals"`      // null where the network could not be compiled
	Unsupported     []operator        `json:"unsupported"` // operators

	header *onnx.Header
	wires  []model.Wire
}

// portInfo is an input or output of the network.
type portInfo struct {
	Name     string `json:"name"`
	DType    string `json:"dtype"`
	Declared string `json:"declared"` // the shape in the file, open sizes by name
	Shape    []int  `json:"shape"`    // null where only running tells
}

// layerInfo is one step of the compiled network.
type layerInfo struct {
	Name    string   `json:"name"`
	Op      string   `json:"op"`
	Outputs [][]int  `json:"outputs"` // shapes in the axis order of ONNX; null where only running tells
	Params  int64    `json:"params"`
	MACs    int64    `json:"macs"`
	Stripes int      `json:"stripes,omitempty"` // the same number for layers that go over the picture together
	MS      *float64 `json:"ms,omitempty"`      // with --run
	GFLOPS  *float64 `json:"gflops,omitempty"`
	Share   *float64 `json:"share,omitempty"` // of the time of all layers
}

// totals sums the network up.
type totals struct {
	Layers       int      `json:"layers"`
	Params       int64    `json:"params"` // those of the file, each once
	MACs         int64    `json:"macs"`
	WeightsBytes int64    `json:"weights_bytes"` // of constants as compiled, shared by all sessions
	ArenaBytes   int64    `json:"arena_bytes"`   // of working memory, for each session
	ScratchBytes int64    `json:"scratch_bytes"` // beside the arena, as far as runs have shown
	MS           *float64 `json:"ms,omitempty"`  // of all layers, with --run
}

// operator is one that is not supported.
type operator struct {
	Op    string   `json:"op"`
	Nodes []string `json:"nodes"`
}

// examine fills in what can be found. Its error says why the rest could not.
func (r *inspection) examine(ctx context.Context, eng *engine, inputs []string, measure bool, runs int) error {
	var err error
	if r.Model, err = models.Resolve(r.Model); err != nil {
		return err
	}
	if r.header, err = onnx.ReadHeader(r.Model); err != nil {
		return err
	}
	r.Producer, r.ProducerVersion, r.IRVersion = r.header.Producer, r.header.ProducerVersion, r.header.IRVersion
	r.Opset, r.Metadata = r.header.Opsets, r.header.Meta
	r.Inputs, r.Outputs, r.Layers, r.Unsupported = []portInfo{}, []portInfo{}, []layerInfo{}, []operator{}
	g, err := onnx.ReadFile(r.Model)
	var missing *onnx.UnsupportedError
	if errors.As(err, &missing) {
		for _, o := range missing.Ops {
			name := o.Op
			if o.Domain != "" {
				name = o.Domain + "." + name
			}
			r.Unsupported = append(r.Unsupported, operator{name, o.Nodes})
		}
		if len(r.Unsupported) == 1 {
			return errors.New("1 operator is not supported")
		}
		return fmt.Errorf("%d operators are not supported", len(r.Unsupported))
	}
	if err != nil {
		r.header = nil // the file is damaged: what it says of itself helps nobody
		return err
	}
	r.Graph = g.Name
	for _, v := range g.Inputs {
		r.Inputs = append(r.Inputs, portInfo{Name: v.Name, DType: v.DType.String(), Declared: dims(v.Shape)})
	}
	for _, v := range g.Outputs {
		r.Outputs = append(r.Outputs, portInfo{Name: v.Name, DType: v.DType.String(), Declared: dims(v.Shape)})
	}
	shapes, err := inputShapes(g, inputs)
	if err != nil {
		return err
	}
	prog, err := eng.compile(g, shapes)
	if err != nil {
		return err
	}
	r.describe(prog)
	if !measure {
		return nil
	}
	return r.measure(ctx, prog, runs)
}

// describe lists the steps of a program.
func (r *inspection) describe(prog *model.Program) {
	for i, p := range prog.Inputs() {
		r.Inputs[i].Shape = append([]int{}, p.Shape...)
	}
	for i, p := range prog.Outputs() {
		r.Outputs[i].DType = p.DType.String()
		if p.Shape != nil {
			r.Outputs[i].Shape = append([]int{}, p.Shape...)
		}
	}
	for _, s := range prog.Steps() {
		r.Layers = append(r.Layers, layerInfo{Name: s.Name, Op: s.Op, Params: s.Params, MACs: s.MACs, Stripes: s.Stripes, Outputs: [][]int{}})
	}
	r.wires = prog.Wires()
	for _, w := range r.wires {
		if w.From >= 0 {
			var shape []int
			if w.Info.Present() {
				shape = append([]int{}, w.Shape()...)
			}
			l := &r.Layers[w.From]
			l.Outputs = append(l.Outputs, shape)
		}
	}
	z := prog.Size()
	r.Totals = &totals{Layers: len(r.Layers), Params: z.Params, MACs: z.MACs, WeightsBytes: z.WeightBytes, ArenaBytes: z.ArenaBytes}
}

// measure times each step: the median of some runs.
func (r *inspection) measure(ctx context.Context, prog *model.Program, runs int) error {
	in, err := madeUp(prog.Inputs())
	if err != nil {
		return err
	}
	s := prog.NewSession()
	for range 2 {
		if err := s.Run(ctx, in, nil); err != nil {
			return err
		}
	}
	all := make([][]time.Duration, len(r.Layers))
	once := make([]time.Duration, len(r.Layers))
	for range runs {
		clear(once)
		if err := s.Time(ctx, in, nil, once); err != nil {
			return err
		}
		for i, d := range once {
			all[i] = append(all[i], d)
		}
	}
	total := 0.0
	for i := range r.Layers {
		slices.Sort(all[i])
		t := ms(quantile(all[i], 0.5))
		r.Layers[i].MS = &t
		total += t
	}
	for i := range r.Layers {
		l := &r.Layers[i]
		speed, share := 0.0, 0.0
		if *l.MS > 0 {
			speed, share = gflops(l.MACs, *l.MS), *l.MS/total
		}
		l.GFLOPS, l.Share = &speed, &share
	}
	r.Totals.MS, r.Totals.ScratchBytes = &total, int64(s.ScratchBytes())
	return nil
}

// gflops is the speed of a number of multiply-accumulates in so many milliseconds, two operations each.
func gflops(macs int64, ms float64) float64 { return 2 * float64(macs) / ms / 1e6 }

// picture draws the compiled network.
func (r *inspection) picture() *netpic.Picture {
	p := &netpic.Picture{Title: filepath.Base(r.Model)}
	p.Note = fmt.Sprintf("%s parameters, %s MACs, %s", short(r.Totals.Params), short(r.Totals.MACs), plural(int64(r.Totals.Layers), "layer"))
	if r.Totals.MS != nil {
		p.Note += fmt.Sprintf(", %s on %s (%s)", msText(*r.Totals.MS), plural(int64(r.Threads), "thread"), r.ISA)
	}
	for _, l := range r.Layers {
		b := netpic.Box{Kind: kindOf(l.Op), Title: l.Op, Name: l.Name, Note: outputsText(l.Outputs)}
		b.Tip = fmt.Sprintf("%s\n%s\noutput %s\n%s parameters, %s MACs", l.Op, l.Name, b.Note, short(l.Params), short(l.MACs))
		if l.MS != nil {
			b.Share = *l.Share
			b.Tip += fmt.Sprintf("\n%s, %.1f GFLOP/s", msText(*l.MS), *l.GFLOPS)
		}
		p.Boxes = append(p.Boxes, b)
	}
	port := func(title string, w model.Wire) int {
		p.Boxes = append(p.Boxes, netpic.Box{Kind: netpic.Port, Title: title, Name: w.Name, Note: wireText(w), Tip: title + " " + w.Name + " " + w.Info.DType.String()})
		return len(p.Boxes) - 1
	}
	for _, w := range r.wires {
		from, note := w.From, w.Name+" "+wireText(w)
		if from < 0 {
			from = port("input", w)
		}
		for _, to := range w.To {
			p.Arrows = append(p.Arrows, netpic.Arrow{From: from, To: to, Note: note})
		}
		if w.Output {
			p.Arrows = append(p.Arrows, netpic.Arrow{From: from, To: port("output", w), Note: note})
		}
	}
	return p
}

func wireText(w model.Wire) string {
	if !w.Info.Present() {
		return "?"
	}
	return shapeText(w.Shape())
}

// outputsText writes the shape of the first output, and how many there are where there are more.
func outputsText(shapes [][]int) string {
	s := "?"
	if len(shapes) > 0 && shapes[0] != nil {
		s = shapeText(shapes[0])
	}
	if len(shapes) > 1 {
		s += fmt.Sprintf(" (of %d)", len(shapes))
	}
	return s
}

// kindsOf lists the operators of each kind; a fused one is of the kind of its first part.
var kindsOf = map[netpic.Kind]string{
	netpic.Conv:  "Conv ConvTranspose DeformConv LocallyConnected Conv8 QLinearConv ConvInteger",
	netpic.Dense: "Gemm MatMul MatMul8 QLinearMatMul MatMulInteger Einsum Det RNN GRU LSTM",
	netpic.Norm:  "BatchNormalization InstanceNormalization LayerNormalization GroupNormalization RMSNormalization LpNormalization MeanVarianceNormalization LRN LCN Softmax LogSoftmax Hardmax",
	netpic.Act: "Activation Relu LeakyRelu PRelu ThresholdedRelu Shrink Elu Celu Selu Gelu Mish SiLU Sigmoid HardSigmoid HardSwish Softplus Softsign Tanh Clip Step Erf Exp Log Sqrt Abs Neg " +
		"Reciprocal Floor Ceil Round Sign Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Not IsNaN IsInf",
	netpic.Pool: "MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum " +
		"ReduceLogSumExp ReduceSumSquare ArgMax ArgMin TopK CumSum MaxUnpool MaxRoiPool RoiAlign",
	netpic.Arith: "Add Sub Mul Div Add8 Sub8 Mul8 Div8 Pow Mod FMod Max Min Sum Mean And Or Xor Where Equal Less LessOrEqual Greater GreaterOrEqual BitShift BitwiseAnd BitwiseOr BitwiseXor",
	netpic.Move: "Concat Split Slice Pad Reshape Transpose Flatten Squeeze Unsqueeze Expand Tile Gather GatherElements GatherND ScatterElements ScatterND Shape Size Identity Dropout Cast " +
		"View ToNHWC ToNCHW DepthToSpace SpaceToDepth ChannelShuffle Resize Upsample Col2Im ReverseSequence Compress AffineGrid GridSample Range Constant ConstantOfShape",
	netpic.Quant: "QuantizeLinear DequantizeLinear DynamicQuantizeLinear Requantize Table8",
}

var kindByOp = func() map[string]netpic.Kind {
	m := map[string]netpic.Kind{}
	for kind, list := range kindsOf {
		for _, op := range strings.Fields(list) {
			m[op] = kind
		}
	}
	return m
}()

func kindOf(op string) netpic.Kind {
	op, _, _ = strings.Cut(op, "+")
	if k, ok := kindByOp[op]; ok {
		return k
	}
	return netpic.Other
}
