package training

import (
	"context"
	"math"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/metric"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Heights in pixels of the faces of scenes, and how many scenes there are at the most.
const (
	lowest, highest = 24, 200
	mostScenes      = 600
)

// marked measures faces as package detect finds them in scenes of portraits pasted on frames, and what it mistakes for faces in these frames as they stand.
func marked(ctx context.Context, g *model.Graph, c card.Card, set *data.Landmarks, threads int) (map[string]float64, error) {
	p, err := compile(g, c, threads)
	if err != nil {
		return nil, err
	}
	d, err := detect.New(p, c)
	if err != nil {
		return nil, err
	}
	var scenes []metric.FaceScene
	// Portraits of one person lie side by side: a stride meets more people.
	for n := range min(set.Len(), mostScenes) {
		pic, faces, err := set.Scene(n*set.Len()/min(set.Len(), mostScenes), lowest, highest)
		if err != nil {
			return nil, err
		}
		found, err := d.Detect(ctx, rgb(pic))
		if err != nil {
			return nil, err
		}
		s := metric.FaceScene{Truth: metric.MarkedFace{Box: faces[0].Box, Marks: faces[0].Marks}}
		for _, f := range found {
			m := metric.MarkedFace{Box: f.Box}
			copy(m.Marks[:], f.Landmarks)
			s.Found = append(s.Found, m)
		}
		scenes = append(scenes, s)
	}
	var mistaken []int
	for _, f := range set.Frames() {
		pic, err := set.Open(f)
		if err != nil {
			return nil, err
		}
		n, err := falseFaces(ctx, d, rgb(pic), f.Faces)
		if err != nil {
			return nil, err
		}
		mistaken = append(mistaken, n)
	}
	m := metric.Faces(scenes, mistaken)
	return map[string]float64{"found": m.Found.Value, "found_low": m.Found.Low, "found_high": m.Found.High, "found_small": m.Small.Value,
		"landmark_error": m.Landmarks.Value, "false_a_picture": m.False.Value}, nil
}

// falseFaces counts what is found in a picture where no face may be.
func falseFaces(ctx context.Context, d *detect.Detector, pic kernels.Picture, faces []data.Face) (n int, err error) {
	found, err := d.Detect(ctx, pic)
	for _, f := range found {
		on := false
		for _, o := range faces {
			on = on || metric.IoU(f.Box, o.Box) > 0.2
		}
		if !on {
			n++
		}
	}
	return n, err
}

// aligned is how far from where a network says the landmarks of aligned faces are, in distances between the eyes, on average; and how far they were from where
// they were put.
func aligned(ctx context.Context, g *model.Graph, set *data.Alignments, threads int) (map[string]float64, error) {
	var off, before float64
	err := walk(ctx, g, set, threads, func(feeds model.Tensors, said []float32, _ int) error {
		truth := feeds["offsets"].Float32s()
		for i := 0; i < len(said); i += 2 {
			x, y := float64(truth[i]), float64(truth[i+1])
			before += math.Hypot(x, y)
			off += math.Hypot(float64(said[i])-x, float64(said[i+1])-y)
		}
		return nil
	})
	n := float64(5 * set.Len())
	return map[string]float64{"landmark_error": off / n, "landmark_error_before": before / n}, err
}
