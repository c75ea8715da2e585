package training

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/metric"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/task/segment"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// measure runs the network on the examples that are kept from training, by the kind of data.
func (j *Job) measure(ctx context.Context) (map[string]float64, error) {
	switch set := j.valid.(type) {
	case *data.Alignments:
		return aligned(ctx, j.Graph, set, j.options.Threads)
	case *data.Boxes:
		return detected(ctx, j.Graph, j.card, set, j.options.Threads)
	case *data.Faces:
		return j.verified(ctx)
	case *data.Landmarks:
		return marked(ctx, j.Graph, j.card, set, j.options.Threads)
	case *data.Labels:
		return segmented(ctx, j.Graph, j.card, set, j.options.Threads)
	default:
		return classified(ctx, j.Graph, set, j.options.Threads)
	}
}

// measurable says what is wrong where nothing can be measured on the examples that are kept from training.
func (j *Job) measurable() error {
	if j.valid.Len() == 0 {
		return errors.New("there are no examples to measure on")
	}
	switch set := j.valid.(type) {
	case *data.Boxes:
		if set.Wanted() == 0 {
			return fmt.Errorf("%d pictures, and no object %q in any of them: nothing can be measured; name pictures that have some", set.Len(), set.Label)
		}
	case *data.Faces:
		pairs, err := j.pairs()
		if err != nil {
			return fmt.Errorf("pairs: %w", err)
		}
		same := 0
		for _, p := range pairs {
			if p.A == p.B {
				same++
			}
		}
		if same == 0 || same == len(pairs) {
			return fmt.Errorf("pairs: %d of one person and %d of two: nothing can be measured; name a file that has both", same, len(pairs)-same)
		}
	case *data.Labels:
		for i := range set.Len() {
			_, truth, err := set.Picture(i)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(truth.Pix, func(v byte) bool { return int(v) < set.Classes }) {
				return nil
			}
		}
		return fmt.Errorf("%d pictures, and a label of the %d classes in none of them: nothing can be measured; name pictures that have some", set.Len(), set.Classes)
	}
	return nil
}

// compile prepares the network for a task that feeds it one picture.
func compile(g *model.Graph, c card.Card, threads int) (*model.Program, error) {
	shapes := map[string][]int{}
	for _, v := range g.Inputs {
		w, h := 0, 0
		if c.Input.Size != "" {
			var err error
			if w, h, err = card.ParseSize(c.Input.Size); err != nil {
				return nil, err
			}
		}
		shape, err := picture.Shape(v.Shape, w, h)
		if err != nil {
			return nil, err
		}
		shapes[v.Name] = shape
	}
	return model.Compile(g, model.Options{Inputs: shapes, Threads: threads})
}

// rgb is a picture as tasks take it.
func rgb(p data.Pixels) kernels.Picture {
	return kernels.Picture{Format: kernels.RGB, W: p.W, H: p.H, Stride: 3 * p.W, Pix: p.Pix}
}

// faint is the least score that counts in a curve of precision over recall.
const faint = 0.02

// detector is the network as it finds objects, from a score on; 0 stands for that of its family.
func detector(g *model.Graph, c card.Card, score float64, threads int) (*detect.Detector, error) {
	g, c, err := nets.Detector(g, c)
	if err != nil {
		return nil, err
	}
	p, err := compile(g, c, threads)
	if err != nil {
		return nil, err
	}
	c.Score = nil
	if score > 0 {
		c.Score = &score
	}
	return detect.New(p, c)
}

// detected measures boxes as package detect finds them in whole pictures.
func detected(ctx context.Context, g *model.Graph, c card.Card, set *data.Boxes, threads int) (map[string]float64, error) {
	d, err := detector(g, c, faint, threads)
	if err != nil {
		return nil, err
	}
	var all []metric.Picture
	for i := range set.Len() {
		pic, objects, err := set.Picture(i)
		if err != nil {
			return nil, err
		}
		found, err := d.Detect(ctx, rgb(pic))
		if err != nil {
			return nil, err
		}
		var one metric.Picture
		for _, f := range found {
			if f.Label == set.Label {
				one.Found = append(one.Found, metric.Found{Box: f.Box, Score: f.Score})
			}
		}
		for _, o := range objects {
			switch {
			case o.Label != set.Label:
			case o.Ignore:
				one.Ignore = append(one.Ignore, o.Box)
			default:
				one.Truth = append(one.Truth, o.Box)
			}
		}
		all = append(all, one)
	}
	m := metric.Detect(all)
	return map[string]float64{"ap50": m.AP50.Value, "ap50_low": m.AP50.Low, "ap50_high": m.AP50.High, "ap": m.AP.Value, "miss_rate": m.MissRate.Value}, nil
}

// segmented measures labels of pixels as package segment gives them for whole pictures.
func segmented(ctx context.Context, g *model.Graph, c card.Card, set *data.Labels, threads int) (map[string]float64, error) {
	p, err := compile(g, c, threads)
	if err != nil {
		return nil, err
	}
	s, err := segment.New(p, c)
	if err != nil {
		return nil, err
	}
	var all []*metric.Confusion
	for i := range set.Len() {
		pic, truth, err := set.Picture(i)
		if err != nil {
			return nil, err
		}
		if err := s.Segment(ctx, rgb(pic)); err != nil {
			return nil, err
		}
		given := make([]uint8, len(truth.Pix))
		if err := s.Labels(given); err != nil {
			return nil, err
		}
		one := metric.NewConfusion(set.Classes)
		one.Add(truth.Pix, given)
		all = append(all, one)
	}
	m := metric.Segment(all)
	return map[string]float64{"miou": m.MIoU.Value, "miou_low": m.MIoU.Low, "miou_high": m.MIoU.High, "pixel_accuracy": m.Accuracy.Value,
		"class_average": m.Average.Value}, nil
}

// batch is how many examples are measured at a time.
const batch = 64

// walk runs a network on all examples of a set: each gets what is fed for count examples, and what comes out, the same number of values for each.
func walk(ctx context.Context, g *model.Graph, set data.Set, threads int, each func(feeds model.Tensors, out []float32, count int) error) error {
	shapes, _ := Shapes(g, set.Fields(), batch)
	p, err := model.Compile(g, model.Options{Inputs: shapes, Threads: threads})
	if err != nil {
		return err
	}
	s, in := p.NewSession(), model.Tensors{}
	return data.Walk(ctx, set, batch, func(feeds model.Tensors, first, count int) error {
		for name := range shapes {
			in[name] = feeds[name]
		}
		if err := s.Run(ctx, in, nil); err != nil {
			return err
		}
		out := s.Output(0).Float32s()
		return each(feeds, out[:len(out)/batch*count], count)
	})
}

// classified is the error of a classifier, in percent of the examples.
func classified(ctx context.Context, g *model.Graph, set data.Set, threads int) (map[string]float64, error) {
	wrong := 0
	err := walk(ctx, g, set, threads, func(feeds model.Tensors, scores []float32, count int) error {
		labels := feeds["label"]
		if labels == nil || labels.DType() != tensor.Int32 {
			return errors.New("the examples have no label")
		}
		n := len(scores) / count
		for i, l := range tensor.Data[int32](labels)[:count] {
			best, at := float32(math.Inf(-1)), -1
			for k, v := range scores[i*n : (i+1)*n] {
				if v > best {
					best, at = v, k
				}
			}
			if at != int(l) {
				wrong++
			}
		}
		return nil
	})
	return map[string]float64{"error": 100 * float64(wrong) / float64(set.Len())}, err
}
