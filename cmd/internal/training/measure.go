package training

import (
	"context"
	"errors"
	"math"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/metric"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/task/segment"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// measure runs the network on the examples that are kept from training, by the kind of data.
func (j *Job) measure(ctx context.Context) (map[string]float64, error) {
	switch set := j.valid.(type) {
	case *data.Labels:
		return segmented(ctx, j.Graph, j.card, set, j.options.Threads)
	default:
		return classified(ctx, j.Graph, set, j.options.Threads)
	}
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

// estimate adds a figure and its interval.
func estimate(figures map[string]float64, name string, e metric.Estimate) {
	figures[name], figures[name+"_low"], figures[name+"_high"] = e.Value, e.Low, e.High
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
	figures := map[string]float64{"pictures": float64(set.Len())}
	estimate(figures, "miou", m.MIoU)
	estimate(figures, "pixel_accuracy", m.Accuracy)
	estimate(figures, "class_average", m.Average)
	for k, e := range m.IoU {
		figures["iou "+c.Label(k)] = e.Value
	}
	return figures, nil
}

// batch is how many examples are measured at a time.
const batch = 64

// classified is the error of a classifier, in percent of the examples.
func classified(ctx context.Context, g *model.Graph, set data.Set, threads int) (map[string]float64, error) {
	shapes, _ := Shapes(g, set.Fields(), batch)
	p, err := model.Compile(g, model.Options{Inputs: shapes, Threads: threads})
	if err != nil {
		return nil, err
	}
	s, wrong, in := p.NewSession(), 0, model.Tensors{}
	err = data.Walk(ctx, set, batch, func(feeds model.Tensors, first, count int) error {
		for name := range shapes {
			in[name] = feeds[name]
		}
		if err := s.Run(ctx, in, nil); err != nil {
			return err
		}
		labels := feeds["label"]
		if labels == nil || labels.DType() != tensor.Int32 {
			return errors.New("the examples have no label")
		}
		scores := s.Output(0).Float32s()
		n := len(scores) / batch
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
