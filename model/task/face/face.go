// Package face finds faces, judges whether they are fit to be recognised, and tells people apart.
//
//	det, err := face.NewDetector(program, card)
//	emb, err := face.NewEmbedder(program, card)
//	r := &face.Recogniser{Detector: det, Embedder: emb, Gallery: gallery, Threshold: 0.4, Gate: face.Live}
//	list, err := r.Identify(ctx, pic)
package face

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/picture"
)

// Landmarks are x, y in pixels of the picture: the eyes, the left one in the picture first, the tip of the nose, and the corners of the mouth,
// the left one in the picture first.
type Landmarks [5][2]float64

// Face is one face.
type Face struct {
	Box       [4]float64 `json:"box"` // x, y, width, height in pixels of the picture, inside it
	Score     float64    `json:"score"`
	Landmarks Landmarks  `json:"landmarks"`
	Quality   Quality    `json:"quality"`
}

// Detector finds faces. One goroutine uses a Detector at a time.
type Detector struct {
	net   *detect.Detector
	fine  *refiner // nil: landmarks are the Detector's own
	crop  aligner
	faces []Face
}

// NewDetector returns a Detector for a Program that gives five landmarks a face, such as YuNet or SCRFD.
func NewDetector(p *model.Program, c card.Card) (*Detector, error) {
	d, err := detect.New(p, c)
	if err != nil {
		return nil, err
	}
	if labels := d.Card().Labels; d.Classes() != 1 || labels[0] != "face" {
		return nil, fmt.Errorf("this is a detector of the family %s with %d classes, not one of faces", d.Family(), d.Classes())
	}
	return &Detector{net: d, crop: newAligner(112, 112, kernels.Grey)}, nil
}

// Refine makes a second network look at each face that is found, aligned by the landmarks of the first one, and say where the landmarks are. Its answer is one
// of ten numbers: how far right and down each landmark is of its place in an aligned face, in distances between the eyes.
func (d *Detector) Refine(p *model.Program, c card.Card) (err error) {
	d.fine, err = newRefiner(p, c)
	return err
}

// Card returns the card in force.
func (d *Detector) Card() card.Card { return d.net.Card() }

// Net returns the network under the Detector.
func (d *Detector) Net() *picture.Net { return d.net.Net() }

// Detect returns the faces in a picture, surest first. The slice is valid until the next call.
func (d *Detector) Detect(ctx context.Context, pic kernels.Picture) ([]Face, error) {
	found, err := d.net.Detect(ctx, pic)
	if err != nil {
		return nil, err
	}
	return d.describe(ctx, pic, found)
}

// portrait is Detect for a picture that is meant to show a face: where none is sure, the picture is looked at from farther away, as faces
// that fill it need, and of what is less sure one is taken that is at least half as sure and the only one.
func (d *Detector) portrait(ctx context.Context, pic kernels.Picture) ([]Face, error) {
	faces, err := d.Detect(ctx, pic)
	if err != nil || len(faces) > 0 {
		return faces, err
	}
	unsure, err := d.net.Again(*d.Card().Score / 2)
	if err != nil {
		return nil, err
	}
	var only []Face
	if len(unsure) == 1 {
		if faces, err = d.describe(ctx, pic, unsure); err != nil {
			return nil, err
		}
		only = slices.Clone(faces)
	}
	found, err := d.fromAfar(ctx, pic)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return only, nil
	}
	return d.describe(ctx, pic, found)
}

// fromAfar returns what the network finds in a picture that it sees at half the size that fits, with nothing around it.
func (d *Detector) fromAfar(ctx context.Context, pic kernels.Picture) ([]detect.Detection, error) {
	w, h := d.net.Net().Size()
	s := kernels.ResizeSpec{Format: pic.Format, Colour: pic.Colour, Order: kernels.RGB, SrcW: pic.W, SrcH: pic.H, W: (w + 1) / 2, H: (h + 1) / 2,
		Crop: kernels.Rect{W: float64(pic.W), H: float64(pic.H)}, Fit: kernels.Letterbox, Area: true, Scale: [3]float32{1, 1, 1}, Pad: [3]float32{around, around, around}}
	small := kernels.Picture{Format: kernels.RGB, W: s.W, H: s.H, Stride: 3 * s.W, Pix: make([]uint8, 3*s.W*s.H)}
	r := kernels.NewResize(s)
	r.RunBytes(nil, small.Pix, pic)
	frame := kernels.Picture{Format: kernels.RGB, W: w, H: h, Stride: 3 * w, Pix: bytes.Repeat([]uint8{around}, 3*w*h)}
	x, y := (w-s.W)/2, (h-s.H)/2
	for row := range s.H {
		copy(frame.Pix[(y+row)*frame.Stride+3*x:], small.Pix[row*small.Stride:][:small.Stride])
	}
	found, err := d.net.Detect(ctx, frame)
	if err != nil {
		return nil, err
	}
	place := func(px, py float64) (float64, float64) { return r.ToSource(px-float64(x), py-float64(y)) }
	kept := found[:0]
	for _, f := range found {
		x0, y0 := place(f.Box[0], f.Box[1])
		x1, y1 := place(f.Box[0]+f.Box[2], f.Box[1]+f.Box[3])
		x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, float64(pic.W)), min(y1, float64(pic.H))
		if !(x1 > x0 && y1 > y0) {
			continue // something that is seen in what lies around
		}
		f.Box = [4]float64{x0, y0, x1 - x0, y1 - y0}
		for k, p := range f.Landmarks {
			px, py := place(p[0], p[1])
			f.Landmarks[k] = [2]float64{px, py}
		}
		kept = append(kept, f)
	}
	return kept, nil
}

// around is the grey of what lies around a picture that is seen from afar.
const around = 127

// describe turns detections into faces.
func (d *Detector) describe(ctx context.Context, pic kernels.Picture, found []detect.Detection) ([]Face, error) {
	d.faces = d.faces[:0]
	for i := range found {
		f := Face{Box: found[i].Box, Score: found[i].Score}
		if len(found[i].Landmarks) != len(f.Landmarks) {
			return nil, fmt.Errorf("this detector of the family %s gives %d landmarks; faces are aligned by five, as YuNet and SCRFD give",
				d.net.Family(), len(found[i].Landmarks))
		}
		copy(f.Landmarks[:], found[i].Landmarks)
		if d.fine != nil {
			if err := d.fine.run(ctx, pic, &f.Landmarks); err != nil {
				return nil, err
			}
		}
		f.Quality = d.crop.judge(pic, &f.Landmarks)
		d.faces = append(d.faces, f)
	}
	return d.faces, nil
}

// Embedder turns faces into vectors. One goroutine uses an Embedder at a time.
type Embedder struct {
	net  *embed.Embedder
	crop aligner
}

// NewEmbedder returns an Embedder for a Program with the answer of one vector.
func NewEmbedder(p *model.Program, c card.Card) (*Embedder, error) {
	net, err := embed.New(p, c)
	if err != nil {
		return nil, err
	}
	w, h, err := picture.InputSize(p)
	if err != nil {
		return nil, err
	}
	return &Embedder{net, newAligner(w, h, kernels.RGB)}, nil
}

// Card returns the card in force.
func (e *Embedder) Card() card.Card { return e.net.Card() }

// Size returns the number of elements of a vector.
func (e *Embedder) Size() int { return e.net.Size() }

// Embed writes the vector of a face, of length 1, to dst, which has Size elements.
func (e *Embedder) Embed(ctx context.Context, dst []float32, pic kernels.Picture, l *Landmarks) error {
	chip, err := e.crop.run(pic, l)
	if err != nil {
		return err
	}
	return e.net.Embed(ctx, dst, chip)
}

// Chip returns the face as the network sees it. It is valid until the next call.
func (e *Embedder) Chip(pic kernels.Picture, l *Landmarks) (kernels.Picture, error) {
	return e.crop.run(pic, l)
}

// Recogniser says who people are. One goroutine uses a Recogniser at a time.
type Recogniser struct {
	Detector  *Detector
	Embedder  *Embedder
	Gallery   *Gallery
	Threshold float64 // least similarity of pictures of one person
	// Where Threshold is that of a Calibration, more is asked for the more people are known: a stranger is compared with all of them.
	Calibration *Calibration
	Gate        Gate // what faces must be like to be compared

	vector []float32
	list   []Identity
}

// Unknown is the name of a face that is nobody's in the Gallery.
const Unknown = "unknown"

// Identity is a face and whose it is.
type Identity struct {
	Face
	Name       string  `json:"name"`                 // Unknown for a stranger
	Similarity float64 `json:"similarity,omitempty"` // to the most similar person, whether or not it is that one
	Reason     string  `json:"reason,omitempty"`     // why the face was not compared
}

// Identify finds the faces in a picture and says whose they are: the most similar person's, where the similarity reaches the threshold. The slice is
// valid until the next call.
func (r *Recogniser) Identify(ctx context.Context, pic kernels.Picture) ([]Identity, error) {
	faces, err := r.Detector.Detect(ctx, pic)
	if err != nil {
		return nil, err
	}
	r.list = r.list[:0]
	least := r.among()
	for i := range faces {
		id := Identity{Face: faces[i], Name: Unknown}
		if id.Reason = r.Gate.Refuse(&faces[i]); id.Reason == "" {
			r.vector = slices.Grow(r.vector[:0], r.Embedder.Size())[:r.Embedder.Size()]
			if err := r.Embedder.Embed(ctx, r.vector, pic, &faces[i].Landmarks); err != nil {
				return nil, err
			}
			name, similarity := r.Gallery.Nearest(r.vector)
			if id.Similarity = similarity; name != "" && similarity >= least {
				id.Name = name
			}
		}
		r.list = append(r.list, id)
	}
	return r.list, nil
}

// among is the least similarity to one of the people who are known.
func (r *Recogniser) among() float64 {
	if r.Calibration == nil {
		return r.Threshold
	}
	return max(r.Threshold, r.Calibration.Among(len(r.Gallery.People)))
}

// ErrNoFace says that a picture shows no face.
var ErrNoFace = errors.New("no face was found")

// Portrait returns the face of a picture that is meant to show one, and its vector. Of several the one is taken that is at least twice as
// large as the others.
func (r *Recogniser) Portrait(ctx context.Context, pic kernels.Picture) (Face, []float32, error) {
	faces, err := r.Detector.portrait(ctx, pic)
	if err != nil {
		return Face{}, nil, err
	}
	if len(faces) == 0 {
		return Face{}, nil, ErrNoFace
	}
	area := func(f *Face) float64 { return f.Box[2] * f.Box[3] }
	byArea := slices.Clone(faces)
	slices.SortStableFunc(byArea, func(a, b Face) int { return cmp.Compare(area(&b), area(&a)) })
	f := byArea[0]
	if len(byArea) > 1 && area(&byArea[1]) > area(&f)/2 {
		return f, nil, fmt.Errorf("%d faces of like size were found: cut the picture so that it shows one person", len(faces))
	}
	return r.vectorOf(ctx, pic, f)
}

// Central is Portrait for a picture whose middle shows the face that is meant, as in LFW.
func (r *Recogniser) Central(ctx context.Context, pic kernels.Picture) (Face, []float32, error) {
	faces, err := r.Detector.portrait(ctx, pic)
	if err != nil {
		return Face{}, nil, err
	}
	if len(faces) == 0 {
		return Face{}, nil, ErrNoFace
	}
	off := func(f Face) float64 {
		return math.Hypot(f.Box[0]+float64(f.Box[2]/2)-float64(float64(pic.W)/2), f.Box[1]+float64(f.Box[3]/2)-float64(float64(pic.H)/2))
	}
	f := slices.MinFunc(faces, func(a, b Face) int { return cmp.Compare(off(a), off(b)) })
	return r.vectorOf(ctx, pic, f)
}

// vectorOf returns the vector of a face that passes the gate.
func (r *Recogniser) vectorOf(ctx context.Context, pic kernels.Picture, f Face) (Face, []float32, error) {
	if why := r.Gate.Refuse(&f); why != "" {
		return f, nil, errors.New(why)
	}
	v := make([]float32, r.Embedder.Size())
	if err := r.Embedder.Embed(ctx, v, pic, &f.Landmarks); err != nil {
		return f, nil, err
	}
	return f, v, nil
}
