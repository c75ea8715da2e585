package training

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/ocellus-vision/ocellus/cmd/internal/dataset"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/task/metric"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// embedding returns what gives the vectors of the validation people's pictures, as package face makes them: aligned by their marks; where a picture has none,
// of the part that was learnt from.
func (j *Job) embedding(ctx context.Context) (func(file string) ([]float32, error), error) {
	c, g := j.card, *j.Graph
	g.Outputs = g.Outputs[:1] // before they are joined, those that are learnt
	p, err := compile(&g, c, j.options.Threads)
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
	return func(file string) ([]float32, error) {
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
	}, nil
}

// pairs reads the pairs that faces are measured by.
func (j *Job) pairs() ([]dataset.Pair, error) {
	valid := j.Recipe.Data.Valid
	return dataset.ReadPairs(filepath.Join(j.dir, valid.Pairs), filepath.Join(j.dir, valid.Pictures))
}

// verified measures pairs of faces.
func (j *Job) verified(ctx context.Context) (map[string]float64, error) {
	pairs, err := j.pairs()
	if err != nil {
		return nil, err
	}
	vector, err := j.embedding(ctx)
	if err != nil {
		return nil, err
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

// acceptable is the false accept rate of the threshold that a network of faces is written with.
const acceptable = 0.01

// calibration returns, as text for a network's metadata, the threshold at which the false accept rate among the people of the pairs is acceptable; nothing
// where they are too few to show that.
func (j *Job) calibration(ctx context.Context) (string, error) {
	pairs, err := j.pairs()
	if err != nil {
		return "", err
	}
	vector, err := j.embedding(ctx)
	if err != nil {
		return "", err
	}
	named := map[string]bool{}
	for _, p := range pairs {
		named[p.A], named[p.B] = true, true
	}
	set, pictures := j.valid.(*data.Faces), 0
	var people [][]face.Vector
	for i, name := range set.People {
		if !named[name] {
			continue
		}
		var vectors []face.Vector
		for _, file := range set.Pictures(i) {
			v, err := vector(file)
			if err != nil {
				return "", err
			}
			vectors = append(vectors, v)
		}
		people, pictures = append(people, vectors), pictures+len(vectors)
	}
	same, other := face.Pairs(people)
	c, err := face.Calibrate(same, other, acceptable)
	if _, few := err.(*face.TooFewError); few {
		return "", nil
	} else if err != nil {
		return "", err
	}
	c.People, c.Pictures = len(people), pictures
	b, err := json.Marshal(c)
	return string(b), err
}
