package training

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"github.com/ocellus-vision/ocellus/cmd/internal/dataset"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/task/metric"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/task/segment"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// measure runs the network on the examples that are kept from training, by the kind of data.
func (j *Job) measure(ctx context.Context) (map[string]float64, error) {
	switch set := j.valid.(type) {
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

// detector is the network as it finds objects, from a score on.
func detector(g *model.Graph, c card.Card, score float64, threads int) (*detect.Detector, error) {
	g, c, err := nets.Detector(g, c)
	if err != nil {
		return nil, err
	}
	p, err := compile(g, c, threads)
	if err != nil {
		return nil, err
	}
	c.Score = score
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

// verified measures pairs of faces as package face compares them, aligned by their marks; where a picture has none, by the part that was learnt from.
func (j *Job) verified(ctx context.Context) (map[string]float64, error) {
	valid := j.Recipe.Data.Valid
	pairs, err := dataset.ReadPairs(filepath.Join(j.dir, valid.Pairs), filepath.Join(j.dir, valid.Pictures))
	if err != nil {
		return nil, err
	}
	c := j.card
	p, err := compile(j.Graph, c, j.options.Threads)
	if err != nil {
		return nil, err
	}
	aligned, err := face.NewEmbedder(p, c)
	if err != nil {
		return nil, err
	}
	c.Input.Region = j.Recipe.Data.Region
	e, err := embed.New(p, c)
	if err != nil {
		return nil, err
	}
	set := j.valid.(*data.Faces)
	known := map[string][]float32{}
	vector := func(file string) ([]float32, error) {
		if v := known[file]; v != nil {
			return v, nil
		}
		pic, err := data.ReadPicture(file)
		if err != nil {
			return nil, err
		}
		marks, err := set.Central(file)
		if err != nil {
			return nil, err
		}
		v := make([]float32, e.Size())
		if marks != nil {
			err = aligned.Embed(ctx, v, rgb(pic), (*face.Landmarks)(&marks.Marks))
		} else {
			err = e.Embed(ctx, v, rgb(pic))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		known[file] = v
		return v, nil
	}
	var all []metric.Pair
	for _, pair := range pairs {
		a, err := vector(pair.FileA)
		if err != nil {
			return nil, err
		}
		b, err := vector(pair.FileB)
		if err != nil {
			return nil, err
		}
		all = append(all, metric.Pair{A: pair.A, B: pair.B, Same: pair.A == pair.B, Similarity: embed.Similarity(a, b)})
	}
	v := metric.Verify(all)
	return map[string]float64{"accuracy": v.Accuracy.Value, "accuracy_low": v.Accuracy.Low, "accuracy_high": v.Accuracy.High, "eer": v.EER.Value,
		"tar_far_1": v.TAR1.Value}, nil
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
