package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/camera/still"
	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/cmd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/cmd/ocellus/internal/tensorfile"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/quant"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/classify"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/task/segment"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// quantizing holds the flags of quantize.
type quantizing struct {
	engine
	out, file, size, task string
	data                  []string
	most                  int
	asJSON                bool
}

// quantized is the result of quantize.
type quantized struct {
	File        string         `json:"file"`
	Fed         string         `json:"fed_as,omitempty"` // how pictures were fed: as a verb does, or "card"
	Calibrated  int            `json:"calibrated"`       // examples
	Measured    int            `json:"measured"`
	Products    int            `json:"products"`       // convolutions and matrix products of 8-bit integers
	Left        map[string]int `json:"left,omitempty"` // those that stayed float32, by operator
	Activations int            `json:"activations"`    // scales of activations
	Outputs     []outputNoise  `json:"outputs"`
	Agree       *int           `json:"agree,omitempty"` // of a classifier: pictures measured on which the first class is the same
	Before      int64          `json:"bytes_before"`
	After       int64          `json:"bytes_after"`
}

// outputNoise says how near an output is to that of the network of float32.
type outputNoise struct {
	Name string   `json:"name"`
	SNR  *float64 `json:"snr_db,omitempty"` // decibels; none where both are the same, or of other shapes
	Same bool     `json:"same,omitempty"`   // the outputs are equal
}

func newQuantize() *cobra.Command {
	q := &quantizing{}
	cmd := &cobra.Command{
		Use:   "quantize MODEL.onnx --data DIR -o M.int8.onnx",
		Short: "Make a network of 8-bit integers of one of float32, without training",
		Long: `Quantize writes a network that computes in 8-bit integers, in the form that ONNX's
runtimes know (QDQ): mostly faster, 'ocellus bench' tells, with weights of a quarter of
the size. What it has no 8-bit form for stays float32, as do inputs and outputs; an output
that comes straight out of a convolution or product has 256 different numbers.

--data is a folder of pictures such as the network will see, with those in folders
below it (but for masks and label maps, NAME_mask.png and NAME_label.png beside a
picture), a pattern or a file; repeat it for more. Every second one, in order of
their names, calibrates: the ranges of numbers inside the network are found on them.
The others measure: the table says how far the outputs are from those of the network
of float32, as a ratio of signal to noise, and of a classifier on how many pictures
its first class is the same. A hundred pictures or two are enough.

MODEL.onnx may also be the name of one of 'ocellus models', or of a network in the
program:
` + breakLines(strings.Join(zoo.Names, ", "), 78) + `.
Pictures are fed as classify, detect, segment or embed feeds them to it: as the card
of the network says (docs/detect.md), which the new file takes over. To networks that
take no pictures go .npy files of the input's shape.`,
		Example: `  ocellus quantize net.onnx --data photos/ -o net.int8.onnx
  ocellus quantize pedestrian --data 'street/*.jpg' -o pedestrian.int8.onnx
  ocellus pedestrians --model pedestrian.int8.onnx street.jpg`,
		Args: modelArg,
		RunE: func(cmd *cobra.Command, args []string) error { return q.run(cmd, args[0]) },
	}
	q.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&q.data, "data", nil, "`DIR`, pattern or file of pictures, or of .npy files; may be repeated")
	f.StringVarP(&q.out, "out", "o", "", "`FILE` to write the network to")
	f.IntVar(&q.most, "images", 0, "use only `N` of the pictures, evenly spread; 0 means all")
	f.StringVar(&q.file, "card", "", "YAML `FILE` that describes the network (default the one beside it, M.yaml for M.onnx)")
	f.StringVar(&q.size, "size", "", "`SIZE` of the input where the network leaves it open, as 640x480")
	f.StringVar(&q.task, "task", "", "what the network is for, where it does not show: "+strings.Join(ways, ", "))
	f.BoolVar(&q.asJSON, "json", false, "print one JSON object")
	return cmd
}

// ways are the verbs that feed pictures to a network.
var ways = []string{"classify", "detect", "segment", "embed"}

// original is the network to quantise.
type original struct {
	name   string
	path   string // "" for one in the program
	graph  *model.Graph
	card   card.Card
	bytes  int64
	digest string
}

func (q *quantizing) run(cmd *cobra.Command, word string) error {
	switch {
	case len(q.data) == 0:
		return usageErrorf("--data DIR is missing: pictures such as the network will see")
	case q.out == "":
		return usageErrorf("-o FILE is missing: where the new network goes")
	case q.most < 0 || q.most == 1:
		return usageErrorf("--images %d: at least 2 are meant, one to calibrate and one to measure; 0 means all", q.most)
	case q.task != "" && !slices.Contains(ways, q.task):
		return usageErrorf("--task %s: one of %s is meant", q.task, strings.Join(ways, ", "))
	}
	if q.size != "" {
		if _, _, err := card.ParseSize(q.size); err != nil {
			return usageErrorf("--size: %v", err)
		}
	}
	end, err := q.begin()
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := interruptible(cmd)
	defer cancel()
	if err := checkOutput(q.out); err != nil {
		return err
	}
	net, err := q.read(word)
	if err != nil {
		return err
	}
	files, err := exampleFiles(q.data)
	if err != nil {
		return err
	}
	read := append(slices.Clone(files), q.file)
	if net.path != "" {
		read = append(read, net.path, cards.Name(net.path))
	}
	if err := claim(read, q.out); err != nil {
		return err
	}
	if beside, err := cards.Beside(q.out); err != nil || !reflect.DeepEqual(beside, card.Card{}) {
		return fmt.Errorf("the card %s would go before what is written into %s: name another file with -o", cards.Name(q.out), q.out)
	}
	if q.most > 0 {
		files = spreadOut(files, q.most)
	}
	if len(files) < 2 {
		return fmt.Errorf("%s: %s; at least 2 are needed, one to calibrate and one to measure, and some hundred are better", strings.Join(q.data, ", "), plural(int64(len(files)), "file"))
	}
	r, b, err := q.quantize(ctx, net, files)
	if err != nil {
		return fmt.Errorf("%s: %w", net.name, err)
	}
	if err := train.WriteFile(q.out, func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
		return err
	}
	if q.asJSON {
		return writeJSON(cmd.OutOrStdout(), r)
	}
	return r.print(cmd.OutOrStdout())
}

// read reads a network by file or name, with its card.
func (q *quantizing) read(word string) (*original, error) {
	path, err := models.Resolve(word)
	if err != nil {
		return nil, err
	}
	n := &original{name: word, path: path}
	var side card.Card
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && slices.Contains(zoo.Names, word) {
		b, err := zoo.Default(word)
		if err != nil {
			return nil, err
		}
		n.path, n.bytes = "", int64(len(b))
		sum := sha256.Sum256(b)
		n.digest = hex.EncodeToString(sum[:])
		if n.graph, err = onnx.Read(b); err != nil {
			return nil, err
		}
	} else {
		if n.graph, err = onnx.ReadFile(path); err != nil {
			return nil, err
		}
		if n.bytes, n.digest, err = sizeAndDigest(path); err != nil {
			return nil, err
		}
		if side, err = cards.Beside(path); err != nil {
			return nil, err
		}
	}
	if q.file != "" {
		if side, err = cards.Read(q.file); err != nil {
			return nil, err
		}
	}
	meta, err := card.FromMeta(n.graph.Meta)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", word, err)
	}
	n.card = card.Card{Input: card.Input{Size: q.size}}.Over(side).Over(meta)
	return n, nil
}

func sizeAndDigest(path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return n, hex.EncodeToString(h.Sum(nil)), err
}

// exampleFiles lists what --data names, in order of the names, each once: pictures, or .npy files.
func exampleFiles(args []string) ([]string, error) {
	var list []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			found, err := still.List(arg)
			if err != nil {
				return nil, fmt.Errorf("--data %s: %w", arg, err)
			}
			list = append(list, found...)
			continue
		}
		before := len(list)
		if arg, err = filepath.EvalSymlinks(arg); err != nil { // what WalkDir does not follow
			return nil, fmt.Errorf("--data: %w", err)
		}
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(d.Name(), ".") && path != arg:
				if d.IsDir() {
					return fs.SkipDir
				}
			case !d.IsDir() && (isNPY(path) || slices.Contains(still.Extensions, strings.ToLower(filepath.Ext(path)))):
				list = append(list, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(list) == before {
			return nil, fmt.Errorf("--data %s: neither pictures (%s) nor .npy files in this folder", arg, strings.Join(still.Extensions, " "))
		}
	}
	slices.Sort(list)
	list = withoutTruths(once(list))
	for _, path := range list {
		if isNPY(path) != isNPY(list[0]) {
			return nil, fmt.Errorf("--data: both pictures and .npy files (%s, %s); give one kind", list[0], path)
		}
	}
	return list, nil
}

// once leaves out files that are there already, under another name too.
func once(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(path string) bool {
		real := path
		if p, err := filepath.EvalSymlinks(path); err == nil {
			real = p
		}
		if p, err := filepath.Abs(real); err == nil {
			real = p
		}
		again := seen[real]
		seen[real] = true
		return again
	})
}

// withoutTruths leaves out what examples for training have beside pictures: NAME_mask.png and NAME_label.png beside NAME.jpg.
func withoutTruths(list []string) []string {
	stem := func(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }
	have := map[string]bool{}
	for _, path := range list {
		have[stem(path)] = true
	}
	return slices.DeleteFunc(list, func(path string) bool {
		for _, end := range []string{"_mask.png", "_label.png"} {
			if name, ok := strings.CutSuffix(path, end); ok && have[name] {
				return true
			}
		}
		return false
	})
}

func isNPY(path string) bool { return strings.EqualFold(filepath.Ext(path), ".npy") }

// spreadOut takes n of a list, evenly spread.
func spreadOut(list []string, n int) []string {
	if n >= len(list) {
		return list
	}
	out := make([]string, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}

// feeder makes inputs of a network of files. A tensor is valid until the next.
type feeder struct {
	shape   []int
	read    func(path string) (*tensor.Tensor, error)
	classes bool   // the network is a classifier
	as      string // see quantized.Fed
}

// quantize returns what quantize tells, and the file.
func (q *quantizing) quantize(ctx context.Context, net *original, files []string) (*quantized, []byte, error) {
	g := net.graph
	if len(g.Inputs) != 1 {
		return nil, nil, fmt.Errorf("the network has %d inputs; networks of one can be quantised here, others from Go by package model/quant", len(g.Inputs))
	}
	name := g.Inputs[0].Name
	if _, err := onnx.Write(g); err != nil { // sooner than after all the work
		return nil, nil, err
	}
	feed, float, err := q.feeder(net, files)
	if err != nil {
		return nil, nil, err
	}
	c, err := quant.New(g, model.Options{Inputs: map[string][]int{name: feed.shape}, Threads: q.threads})
	if err != nil {
		return nil, nil, err
	}
	r := &quantized{File: q.out, Before: net.bytes, Fed: feed.as}
	for i := 0; i < len(files); i += 2 {
		x, err := feed.read(files[i])
		if err != nil {
			return nil, nil, err
		}
		if err := c.Observe(ctx, model.Tensors{name: x}); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", files[i], err)
		}
		r.Calibrated++
	}
	small, report, err := c.Quantize(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.Products, r.Left, r.Activations = report.Products, report.Left, report.Activations
	if err := describe(small, net, r.Calibrated); err != nil {
		return nil, nil, err
	}
	b, err := onnx.Write(small)
	if err != nil {
		return nil, nil, err
	}
	r.After = int64(len(b))
	if small, err = onnx.Read(b); err != nil {
		return nil, nil, err
	}
	bytes, err := model.Compile(small, model.Options{Inputs: map[string][]int{name: feed.shape}, Threads: q.threads, Consume: true})
	if err != nil {
		return nil, nil, err
	}
	return r, b, r.measure(ctx, feed, float, bytes, files)
}

// describe puts into the metadata what the network's card says, and what the network was made of.
func describe(g *model.Graph, net *original, examples int) error {
	if g.Meta == nil {
		g.Meta = map[string]string{}
	}
	if !reflect.DeepEqual(net.card, card.Card{}) {
		text, err := json.Marshal(net.card)
		if err != nil {
			return err
		}
		g.Meta[card.MetaKey] = string(text)
	}
	// What was measured is the other network's.
	for key, parent := range map[string]string{"ocellus.metrics": "ocellus.parent_metrics", face.MetaKey: "ocellus.face.parent_calibration"} {
		if m, ok := g.Meta[key]; ok {
			g.Meta[parent] = m
			delete(g.Meta, key)
		}
	}
	g.Meta["ocellus.parent_sha256"] = net.digest
	text, err := json.Marshal(struct {
		Weights     string `json:"weights"`
		Activations string `json:"activations"`
		Examples    int    `json:"calibrated_on"`
	}{"int8", "uint8", examples})
	g.Meta["ocellus.quantised"] = string(text)
	return err
}

// feeder finds out how files become inputs, and compiles the network.
func (q *quantizing) feeder(net *original, files []string) (*feeder, *model.Program, error) {
	in, f := net.graph.Inputs[0], &feeder{}
	if isNPY(files[0]) {
		f.read = func(path string) (*tensor.Tensor, error) {
			t, err := tensorfile.Read(path)
			if err == nil {
				t, err = asDeclared(t, in)
			}
			if err == nil && f.shape != nil && !slices.Equal(t.Shape(), f.shape) {
				err = fmt.Errorf("%s, and %s has %s: give files of one shape", shapeText(t.Shape()), files[0], shapeText(f.shape))
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			return t, nil
		}
		first, err := f.read(files[0])
		if err != nil {
			return nil, nil, err
		}
		f.shape = slices.Clone(first.Shape())
		p, err := model.Compile(net.graph, model.Options{Inputs: map[string][]int{in.Name: f.shape}, Threads: q.threads})
		return f, p, err
	}
	size := cmp.Or(net.card.Input.Size, map[string]string{"classify": "224x224", "detect": "640x640", "segment": "512x512", "embed": "112x112"}[q.task])
	w, h := -1, -1
	if size != "" {
		var err error
		if w, h, err = card.ParseSize(size); err != nil {
			return nil, nil, err
		}
	}
	shape, err := picture.Shape(in.Shape, w, h)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; give .npy files of the input's shape with --data", err)
	}
	if slices.Min(shape) < 0 {
		return nil, nil, fmt.Errorf("it leaves the size of its input open (%s): give it with --size, as 640x480", declared(in))
	}
	f.shape = shape
	p, err := model.Compile(net.graph, model.Options{Inputs: map[string][]int{in.Name: shape}, Threads: q.threads})
	if err != nil {
		return nil, nil, err
	}
	if gotW, gotH, err := picture.InputSize(p); err == nil && net.card.Input.Size != "" && (gotW != w || gotH != h) {
		return nil, nil, fmt.Errorf("the network takes pictures of %dx%d, not %s", gotW, gotH, net.card.Input.Size)
	}
	how, err := q.how(p, net.card, f)
	if err != nil {
		return nil, nil, err
	}
	n, err := picture.New(p, how)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; give .npy files of the input's shape with --data", err)
	}
	f.read = func(path string) (*tensor.Tensor, error) {
		pic, err := pictures.Read(path)
		if err != nil {
			return nil, err
		}
		t, err := n.Input(pic)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return t, nil
	}
	return f, p, nil
}

// how returns how the verb that is for a network feeds pictures to it.
func (q *quantizing) how(p *model.Program, c card.Card, f *feeder) (card.Input, error) {
	try := func(task string) (card.Input, error) {
		switch task {
		case "detect":
			d, err := detect.New(p, c)
			if err != nil {
				return card.Input{}, err
			}
			return d.Card().Input, nil
		case "segment":
			s, err := segment.New(p, c)
			if err != nil {
				return card.Input{}, err
			}
			return s.Card().Input, nil
		case "classify":
			s, err := classify.New(p, c)
			if err != nil {
				return card.Input{}, err
			}
			f.classes = true
			return s.Card().Input, nil
		}
		e, err := embed.New(p, c)
		if err != nil {
			return card.Input{}, err
		}
		return e.Card().Input, nil
	}
	if f.as = q.task; q.task != "" {
		return try(q.task)
	}
	// Any picture of several channels might be a segmentation: that it is one, or what its numbers are, has to be said.
	in := c.Input
	said := in.Order != "" || in.Mean != nil || in.Std != nil || in.Fit != ""
	order := []string{"detect"}
	if c.Labels != nil && vector(p.Outputs()[0].Shape) {
		order = append(order, "classify")
	}
	if c.Labels != nil || said {
		order = append(order, "segment")
	}
	if c.Labels != nil {
		order = append(order, "classify")
	}
	for _, task := range order {
		if in, err := try(task); err == nil {
			f.as = task
			return in, nil
		}
	}
	if f.as = "card"; said {
		return in, nil
	}
	return card.Input{}, fmt.Errorf("nothing says how pictures are fed to it: give --task %s, a card with --card, or .npy files with --data", strings.Join(ways, ", "))
}

// vector says whether all dimensions but one are 1.
func vector(shape []int) bool {
	n := 0
	for _, d := range shape {
		if d != 1 {
			n++
		}
	}
	return n <= 1
}

// measure compares two networks on every second file.
func (r *quantized) measure(ctx context.Context, feed *feeder, float, bytes *model.Program, files []string) error {
	a, b := float.NewSession(), bytes.NewSession()
	in, outs := float.Inputs()[0].Name, float.Outputs()
	noise, apart, same, agree := make([]quant.Noise, len(outs)), make([]bool, len(outs)), make([]bool, len(outs)), 0
	for i := range same {
		same[i] = true
	}
	for i := 1; i < len(files); i += 2 {
		x, err := feed.read(files[i])
		if err != nil {
			return err
		}
		for _, s := range []*model.Session{a, b} {
			if err := s.Run(ctx, model.Tensors{in: x}, nil); err != nil {
				return fmt.Errorf("%s: %w", files[i], err)
			}
		}
		for k := range outs {
			want, got := a.Output(k), b.Output(k)
			if want.DType() == tensor.String || !slices.Equal(want.Shape(), got.Shape()) {
				apart[k], same[k] = true, false
				continue
			}
			w, g := want.Floats(), got.Floats()
			noise[k].Add(w, g)
			same[k] = same[k] && slices.Equal(w, g)
			if feed.classes && slices.Equal(classify.Top(w, 1), classify.Top(g, 1)) {
				agree++
			}
		}
		r.Measured++
	}
	for k, o := range outs {
		n := outputNoise{Name: o.Name, Same: same[k]}
		if v := noise[k].Decibels(); !apart[k] && !math.IsInf(v, 0) && !math.IsNaN(v) {
			v = round(v, 2)
			n.SNR = &v
		}
		r.Outputs = append(r.Outputs, n)
	}
	if feed.classes {
		r.Agree = &agree
	}
	return nil
}

// print writes the table.
func (r *quantized) print(w io.Writer) error {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	row := func(head, format string, args ...any) { fmt.Fprintf(table, head+"\t"+format+"\n", args...) }
	row("OUTPUT", "SIGNAL TO NOISE")
	for _, o := range r.Outputs {
		switch {
		case o.Same:
			row(o.Name, "the same")
		case o.SNR == nil:
			row(o.Name, "not comparable")
		default:
			row(o.Name, "%.1f dB", *o.SNR)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	b.WriteString("\n")
	if r.Agree != nil {
		row("first class", "the same on %d of %d", *r.Agree, r.Measured)
	}
	left := ""
	for _, k := range slices.Sorted(maps.Keys(r.Left)) {
		left += fmt.Sprintf(", %d %s", r.Left[k], k)
	}
	if left != "" {
		left = "; left in float32: " + left[2:]
	}
	row("8-bit integers", "%s%s", plural(int64(r.Products), "product"), left)
	switch r.Fed {
	case "": // no pictures
	case "card":
		row("pictures fed", "as its card says")
	default:
		row("pictures fed", "as %s does", r.Fed)
	}
	row("calibrated on", "%d, measured on %d others", r.Calibrated, r.Measured)
	row("size", "%s, before %s", bytesText(r.After), bytesText(r.Before))
	row("written", "%s", r.File)
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
