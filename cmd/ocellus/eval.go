package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/dataset"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/cmd/internal/view"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/digit"
	"github.com/ocellus-vision/ocellus/model/task/metric"
	"github.com/ocellus-vision/ocellus/model/task/pedestrian"
	"github.com/ocellus-vision/ocellus/model/task/scene"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// evaluation is the verb eval.
type evaluation struct {
	vision
	faces       faceNets
	data, pairs string
	list        string
	frames      string // pictures that faces are pasted on
	reference   string // network that says where faces are
	threshold   optional
	spent       *cost // on faces
	progress    *view.Progress
	done        int
}

// measures are what eval can measure.
var measures = map[string]func(*evaluation, context.Context) (figures, error){
	"pedestrians": (*evaluation).pedestrians, "scene": (*evaluation).scene, "digits": (*evaluation).digits,
	"face-detection": (*evaluation).faceDetection, "faces": (*evaluation).facePairs, "face-identification": (*evaluation).identify,
}

// serves says which tasks read a flag that not all do.
var serves = map[string][]string{
	"list":  {"pedestrians", "scene", "face-detection", "face-identification"},
	"pairs": {"faces"}, "frames": {"face-detection"}, "reference": {"face-detection"}, "threshold": {"face-identification"},
}

// wanted refuses flags that none of the tasks reads. serves says of each flag that not all read, which do.
func wanted(cmd *cobra.Command, serves map[string][]string, tasks ...string) error {
	for _, name := range slices.Sorted(maps.Keys(serves)) {
		if cmd.Flags().Changed(name) && !slices.ContainsFunc(serves[name], func(t string) bool { return slices.Contains(tasks, t) }) {
			return usageErrorf("--%s is of %s, not of %s", name, strings.Join(serves[name], ", "), strings.Join(tasks, ", "))
		}
	}
	return nil
}

// figures is what was measured.
type figures interface{ rows() []row }

// row is one figure with its name.
type row struct {
	name string
	metric.Estimate
}

func newEval() *cobra.Command {
	var e evaluation
	cmd := &cobra.Command{
		Use:   "eval TASK --data DATA",
		Short: "Measure a network on pictures with the truth about them",
		Long: `Eval prints the field's figures of a task, each with a 95 % interval (bootstrap over
pictures, or people) and the number of examples.

  pedestrians   AP50, AP (the mean from 0.5 to 0.95) and log-average miss rate. DATA is
                a folder with boxes.jsonl or of PASCAL VOC, or a JSON file of COCO's
  scene         mean IoU, pixel accuracy, class average; class 11 and above is void.
                DATA is a folder of NAME.jpg with label maps NAME_label.png
  faces         accuracy at a threshold chosen on other people's pairs, equal error rate,
                true accepts at 1 % and 0.1 % false accepts. DATA is a folder with one
                for each person, --pairs lists pairs as LFW does
  face-detection
                part of the faces that is found where portraits are pasted on --frames, 24
                to 200 pixels high; distance of the landmarks from the --reference's, in
                distances between the eyes; boxes on no face, a frame. DATA as of faces
  face-identification
                every other person of DATA, as of faces, is enrolled by half of the
                pictures: how many others of them are most like the right person, and also
                at or above the threshold; and how many of strangers are taken for somebody
  digits        error. DATA is a folder of MNIST's t10k files`,
		Example: `  ocellus eval pedestrians --data frames/
  ocellus eval face-detection --data lfw/ --list ids_val.txt --frames val/ --reference yunet.onnx
  ocellus eval faces --data lfw/ --pairs pairs.txt --detector yunet.onnx --embedder mobilefacenet.onnx`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || measures[args[0]] == nil {
				return usageErrorf("name one task: pedestrians, scene, face-detection, faces, face-identification or digits")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			end, err := e.begin()
			if err != nil {
				return err
			}
			defer end()
			if err := wanted(cmd, serves, args...); err != nil {
				return err
			}
			if e.data == "" {
				return usageErrorf("--data is missing: the pictures to measure on")
			}
			ctx, cancel := interruptible(cmd)
			defer cancel()
			if f, ok := cmd.ErrOrStderr().(*os.File); ok {
				if t, ok := view.Open(f); ok {
					e.progress = t.NewProgress(0)
				}
			}
			result, err := measures[args[0]](&e, ctx)
			e.progress.Close()
			if err != nil {
				return err
			}
			if e.asJSON {
				return writeJSON(cmd.OutOrStdout(), result)
			}
			return printFigures(cmd.OutOrStdout(), result)
		},
	}
	f := cmd.Flags()
	f.StringVar(&e.data, "data", "", "`FOLDER` (or file) of pictures with the truth about them")
	f.StringVar(&e.list, "list", "", "`FILE` that names the pictures to use, one a line; of face-detection and face-identification, people")
	f.StringVar(&e.pairs, "pairs", "", "`FILE` of pairs of faces (default pairs.txt in the folder)")
	f.StringVar(&e.frames, "frames", "", "of face-detection: `FOLDER` of pictures to paste faces on")
	f.StringVar(&e.reference, "reference", "", "of face-detection: `FILE` of a network that says where faces and landmarks are")
	f.Var(&e.threshold, "threshold", "of face-identification: least similarity (default the network's calibrated one)")
	f.BoolVar(&e.asJSON, "json", false, "print one JSON object")
	f.StringVar(&e.model, "model", "", "the network, an .onnx `FILE` (default the one in the program)")
	f.StringVar(&e.file, "card", "", "YAML `FILE` that describes the network (default the one beside it, M.yaml for M.onnx)")
	e.faces.netFlags(cmd)
	e.engine.flags(cmd)
	return cmd
}

func printFigures(w io.Writer, f figures) error {
	var b strings.Builder
	for _, r := range f.rows() {
		if math.IsNaN(r.Value) {
			fmt.Fprintf(&b, "%-16s -       there is none in these data\n", r.name)
			continue
		}
		fmt.Fprintf(&b, "%-16s %.4f  [%.4f, %.4f]  n = %d\n", r.name, r.Value, r.Low, r.High, r.N)
	}
	if p, ok := f.(interface{ price() *cost }); ok {
		b.WriteString(p.price().String())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// step counts a picture and says whether to go on.
func (e *evaluation) step(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	e.done++
	e.progress.Step(e.done, "")
	return nil
}

// only returns the names in --list, which stand one a line; nil for all.
func (e *evaluation) only() ([]string, error) {
	if e.list == "" {
		return nil, nil
	}
	b, err := os.ReadFile(e.list)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for line := range strings.Lines(strings.TrimPrefix(string(b), "\ufeff")) {
		if line = strings.TrimSpace(line); line != "" {
			names = append(names, line)
		}
	}
	return names, nil
}

// among says whether a file is one of the names, with or without folder and extension.
func among(names []string, file string) bool {
	if names == nil {
		return true
	}
	base := filepath.Base(file)
	return slices.Contains(names, file) || slices.Contains(names, base) || slices.Contains(names, strings.TrimSuffix(base, filepath.Ext(base)))
}

type pedestrianFigures struct {
	metric.Detection
	Cost *cost `json:"cost"`
}

func (f pedestrianFigures) price() *cost { return f.Cost }

func (f pedestrianFigures) rows() []row {
	return []row{{"AP50", f.AP50}, {"AP", f.AP}, {"miss rate", f.MissRate}}
}

// leastScore is from which on detections count for the curves.
const leastScore = 0.01

func (e *evaluation) pedestrians(ctx context.Context) (figures, error) {
	names, err := e.only()
	if err != nil {
		return nil, err
	}
	all, err := dataset.ReadBoxes(e.data)
	if err != nil {
		return nil, err
	}
	e.standard, e.detect, e.card.Score = zoo.Pedestrian, true, new(leastScore)
	n, err := e.load(480, 360)
	if err != nil {
		return nil, err
	}
	d, err := pedestrian.New(n.Program, n.Card)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	var list []metric.Picture
	spent := newCost(e.team(), n)
	for _, b := range all {
		if !among(names, b.File) {
			continue
		}
		if err := e.step(ctx); err != nil {
			return nil, err
		}
		p := metric.Picture{Truth: b.Truth, Ignore: b.Ignore}
		pic, err := pictures.Read(b.File)
		if err != nil {
			return nil, named(b.File, err)
		}
		begin := time.Now()
		found, err := d.Detect(ctx, pic)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.File, err)
		}
		spent.since(begin)
		for _, x := range found {
			p.Found = append(p.Found, metric.Found{Box: x.Box, Score: x.Score})
		}
		list = append(list, p)
	}
	return pedestrianFigures{metric.Detect(list), spent}, e.some(len(list))
}

// some is an error where there was nothing to measure on.
func (e *evaluation) some(n int) error {
	if n == 0 {
		return fmt.Errorf("%s: no picture to measure on", e.data)
	}
	return nil
}

type sceneFigures struct {
	metric.Segmentation
	Cost   *cost `json:"cost"`
	labels []string
}

func (f sceneFigures) price() *cost { return f.Cost }

func (f sceneFigures) rows() []row {
	list := []row{{"mean IoU", f.MIoU}, {"pixel accuracy", f.Accuracy}, {"class average", f.Average}}
	for i, v := range f.IoU {
		list = append(list, row{"IoU " + f.labels[i], v})
	}
	return list
}

func (e *evaluation) scene(ctx context.Context) (figures, error) {
	names, err := e.only()
	if err != nil {
		return nil, err
	}
	all, err := dataset.ReadLabelled(e.data)
	if err != nil {
		return nil, err
	}
	e.standard = zoo.Scene
	n, err := e.load(480, 360)
	if err != nil {
		return nil, err
	}
	p, err := scene.New(n.Program, n.Card)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	f := sceneFigures{Cost: newCost(e.team(), n)}
	for _, c := range scene.CamVid {
		f.labels = append(f.labels, c.Label)
	}
	var list []*metric.Confusion
	for _, x := range all {
		if !among(names, x.File) {
			continue
		}
		if err := e.step(ctx); err != nil {
			return nil, err
		}
		pic, err := pictures.Read(x.File)
		if err != nil {
			return nil, named(x.File, err)
		}
		truth, err := dataset.ReadMap(x.Labels, pic.W, pic.H)
		if err != nil {
			return nil, err
		}
		begin := time.Now()
		seen, err := p.Parse(ctx, pic)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.File, err)
		}
		f.Cost.since(begin)
		c := metric.NewConfusion(len(scene.CamVid))
		c.Add(truth, seen.Labels)
		list = append(list, c)
	}
	if err := e.some(len(list)); err != nil {
		return nil, err
	}
	f.Segmentation = metric.Segment(list)
	return f, nil
}

type faceFigures struct {
	metric.Verification
	Missed int   `json:"missed"` // pictures without a face that was found
	Cost   *cost `json:"cost"`
}

func (f faceFigures) price() *cost { return f.Cost }

func (f faceFigures) rows() []row {
	return []row{{"accuracy", f.Accuracy}, {"equal error", f.EER}, {"TAR at FAR 1 %", f.TAR1}, {"TAR at FAR 0.1 %", f.TAR01}}
}

func (e *evaluation) facePairs(ctx context.Context) (figures, error) {
	file := e.pairs
	if file == "" {
		file = filepath.Join(e.data, "pairs.txt")
	}
	all, err := dataset.ReadPairs(file, e.data)
	if err != nil {
		return nil, err
	}
	r, _, err := e.loadFaces()
	if err != nil {
		return nil, err
	}
	out := faceFigures{}
	vectors := map[string][]float32{}
	vector := func(path string) ([]float32, error) {
		if v, ok := vectors[path]; ok {
			return v, nil
		}
		if err := e.step(ctx); err != nil {
			return nil, err
		}
		v, err := e.vector(ctx, r, path)
		switch {
		case err != nil:
			return nil, err
		case v == nil:
			out.Missed++
		}
		vectors[path] = v
		return v, nil
	}
	var list []metric.Pair
	for _, p := range all {
		a, err := vector(p.FileA)
		if err != nil {
			return nil, err
		}
		b, err := vector(p.FileB)
		if err != nil {
			return nil, err
		}
		m := metric.Pair{A: p.A, B: p.B, Same: p.A == p.B, Similarity: -1} // a face that was not found is like nobody's
		if a != nil && b != nil {
			m.Similarity = similarity(a, b)
		}
		list = append(list, m)
	}
	out.Verification, out.Cost = metric.Verify(list), e.spent
	return out, nil
}

type digitFigures struct {
	Error metric.Estimate `json:"error"`
}

func (f digitFigures) rows() []row { return []row{{"error", f.Error}} }

func (e *evaluation) digits(ctx context.Context) (figures, error) {
	shape, pixels, err := data.ReadIdx(filepath.Join(e.data, "t10k-images-idx3-ubyte.gz"))
	if err != nil {
		return nil, err
	}
	labelShape, labels, err := data.ReadIdx(filepath.Join(e.data, "t10k-labels-idx1-ubyte.gz"))
	if err != nil {
		return nil, err
	}
	if len(shape) != 3 || len(labelShape) != 1 || shape[0] != labelShape[0] {
		return nil, fmt.Errorf("%s: as many pictures as labels are meant; there are %v and %v", e.data, shape, labelShape)
	}
	e.standard = zoo.Digit
	n, err := e.load(28, 28)
	if err != nil {
		return nil, err
	}
	d, err := digit.New(n.Program, n.Card)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	wrong := make([]bool, shape[0])
	w, h := shape[2], shape[1]
	for i := range wrong {
		if err := e.step(ctx); err != nil {
			return nil, err
		}
		got, err := d.Read(ctx, kernels.Picture{Format: kernels.Grey, W: w, H: h, Stride: w, Pix: pixels[i*w*h:][:w*h]})
		if err != nil {
			return nil, fmt.Errorf("digit %d: %w", i, err)
		}
		wrong[i] = got.Value != int(labels[i])
	}
	return digitFigures{metric.Errors(wrong)}, e.some(len(wrong))
}
