package face

import (
	"context"
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// refiner says where landmarks are that are known roughly.
type refiner struct {
	net  *picture.Net
	crop aligner
	eyes float64 // the distance between the eyes in an aligned face, in pixels
}

func newRefiner(p *model.Program, c card.Card) (*refiner, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	w, h, err := picture.InputSize(p)
	if err != nil {
		return nil, err
	}
	n := 0
	if out := p.Outputs(); len(out) == 1 {
		n, _ = tensor.Count(out[0].Shape)
	}
	if n != 2*len(Landmarks{}) {
		return nil, fmt.Errorf("a network that refines landmarks has one output of %d numbers, x and y of each", 2*len(Landmarks{}))
	}
	net, err := picture.New(p, c.Input)
	if err != nil {
		return nil, err
	}
	t := Places(w, h)
	return &refiner{net, newAligner(w, h, kernels.RGB), math.Hypot(t[1][0]-t[0][0], t[1][1]-t[0][1])}, nil
}

// rounds is how often landmarks are refined: what the first round has moved is aligned better for the second.
const rounds = 2

// run moves landmarks to where the network sees them, in the aligned face and in its mirror image on average. What it says is no number, or farther than a
// face is wide, is left as it was.
func (r *refiner) run(ctx context.Context, pic kernels.Picture, l *Landmarks) error {
	for range rounds {
		if err := r.round(ctx, pic, l); err != nil {
			return err
		}
	}
	return nil
}

func (r *refiner) round(ctx context.Context, pic kernels.Picture, l *Landmarks) error {
	back, ok := r.crop.back(l)
	if !ok {
		return nil
	}
	chip, err := r.crop.run(pic, l)
	if err != nil {
		return err
	}
	seen, err := r.look(ctx, chip)
	if err != nil {
		return err
	}
	picture.Mirror(chip)
	again, err := r.look(ctx, chip)
	if err != nil {
		return err
	}
	again = again.mirrored(r.crop.w)
	for i, p := range seen {
		x, y := float64((p[0]+again[i][0])/2), float64((p[1]+again[i][1])/2)
		if math.IsNaN(x + y) {
			continue
		}
		l[i][0], l[i][1] = back.Map(x, y)
	}
	return nil
}

// look returns where the network sees the landmarks of an aligned face, in its pixels; no number where it says nothing of use.
func (r *refiner) look(ctx context.Context, chip kernels.Picture) (l Landmarks, err error) {
	if err := r.net.Run(ctx, chip); err != nil {
		return l, err
	}
	offsets, err := picture.Floats("landmarks", r.net.Outputs()[0])
	if err != nil {
		return l, err
	}
	for i, p := range r.crop.target {
		x, y := float64(offsets[2*i]), float64(offsets[2*i+1])
		if !(math.Abs(x) < farthest && math.Abs(y) < farthest) {
			x = math.NaN()
		}
		l[i] = [2]float64{p[0] + float64(x*r.eyes), p[1] + float64(y*r.eyes)}
	}
	return l, nil
}

// mirrored returns where the landmarks are in the mirror image of a picture of some width.
func (l Landmarks) mirrored(width int) Landmarks {
	for i := range l {
		l[i][0] = float64(width) - l[i][0]
	}
	l[0], l[1], l[3], l[4] = l[1], l[0], l[4], l[3]
	return l
}

// farthest is how far a landmark can be from its place in an aligned face, in distances between the eyes.
const farthest = 3
