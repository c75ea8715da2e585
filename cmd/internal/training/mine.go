package training

import (
	"context"
	"errors"

	"github.com/ocellus-vision/ocellus/model/train/data"
)

// mine runs the network as a detector over some of the pictures in which all objects are known, and adds the places to the examples where it is surest of an
// object that is none (Dalal, Triggs: Histograms of oriented gradients for human detection, CVPR 2005, section 4).
func (j *Job) mine(ctx context.Context) error {
	set, ok := j.learn.(*data.Windows)
	if !ok {
		return errors.New("only of windows more examples can be found")
	}
	d, err := detector(j.Graph, j.card, j.Recipe.Mine.Score, j.options.Threads)
	if err != nil {
		return err
	}
	var places []data.Place
	for _, scene := range scenes(data.NewRand(j.Recipe.Seed, 0x6d696e65, uint64(len(set.Mined()))), set, j.Recipe.Mine.Pictures) {
		pic, err := set.Scene(scene)
		if err != nil {
			return err
		}
		found, err := d.Detect(ctx, rgb(pic))
		if err != nil {
			return err
		}
		left := j.Recipe.Mine.Most
		for _, f := range found {
			p := data.Place{Scene: scene, Box: f.Box}
			if left == 0 {
				break
			}
			empty, err := set.Empty(p)
			if err != nil {
				return err
			}
			if empty {
				places = append(places, p)
				left--
			}
		}
	}
	set.Mine(places)
	return nil
}

// scenes draws n of the pictures in which all objects are known: of annotated and of labelled ones half each, as far as there are so many.
func scenes(r *data.Rand, set *data.Windows, n int) []int {
	first := r.Shuffle(set.Annotated())
	others := r.Shuffle(set.Scenes() - len(first))
	for i := range others {
		others[i] += len(first)
	}
	k := min(len(first), max(n/2, n-len(others)))
	return append(first[:k:k], others[:min(len(others), n-k)]...)
}
