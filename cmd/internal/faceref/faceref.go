// Package faceref asks a network that exists where faces and their landmarks are, so that others can learn from it or be compared with it.
package faceref

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/metric"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Reference is a detector of faces with five landmarks, such as YuNet. It sees a picture at several sizes, and mirrored: the mean of its answers is steadier
// than any of them. One goroutine uses a Reference at a time.
type Reference struct{ nets []*detect.Detector }

// faint is the least score of one answer, least that of a face: the mean of the answers' scores, 0 where one has none.
const (
	faint = 0.3
	least = 0.1
)

// Open reads a network. sides are those of the squares in which it sees pictures, where it leaves that open.
func Open(file string, threads int, sides ...int) (*Reference, error) {
	g, err := onnx.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(g.Inputs) != 1 {
		return nil, fmt.Errorf("%s: a network of one input is meant; it has %d", file, len(g.Inputs))
	}
	r := &Reference{}
	var last []int
	for _, side := range sides {
		shape, err := picture.Shape(g.Inputs[0].Shape, side, side)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if slices.Equal(shape, last) {
			continue
		}
		last = shape
		p, err := model.Compile(g, model.Options{Inputs: map[string][]int{g.Inputs[0].Name: shape}, Threads: threads, ChannelsLast: true})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		d, err := detect.New(p, card.Card{Score: new(faint)})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		r.nets = append(r.nets, d)
	}
	return r, nil
}

// answer is a face in one of the answers.
type answer struct {
	of int
	data.Face
}

// Look returns the faces in a picture: those that are sure (data.Sure), nearest to the middle first, and then the others.
func (r *Reference) Look(ctx context.Context, pic kernels.Picture) ([]data.Face, error) {
	var all []answer
	for i, d := range r.nets {
		for k, p := range []kernels.Picture{pic, mirrored(pic)} {
			found, err := d.Detect(ctx, p)
			if err != nil {
				return nil, err
			}
			for _, x := range found {
				if len(x.Landmarks) != len(data.Face{}.Marks) {
					return nil, errors.New("the reference gives no five landmarks, as YuNet does")
				}
				a := answer{2*i + k, data.Face{Score: x.Score, Box: x.Box}}
				copy(a.Marks[:], x.Landmarks)
				if k == 1 {
					a.Face = a.Mirrored(pic.W)
				}
				all = append(all, a)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b answer) int { return cmp.Compare(b.Score, a.Score) })
	faces := gather(all, 2*len(r.nets))
	off := func(f data.Face) float64 {
		d := math.Hypot(f.Box[0]+f.Box[2]/2-float64(pic.W)/2, f.Box[1]+f.Box[3]/2-float64(pic.H)/2)
		if f.Score < data.Sure {
			d += float64(pic.W + pic.H)
		}
		return d
	}
	slices.SortStableFunc(faces, func(a, b data.Face) int { return cmp.Compare(off(a), off(b)) })
	return faces, nil
}

// gather makes one face of those that lie on one another in different answers.
func gather(all []answer, answers int) []data.Face {
	var groups [][]answer
next:
	for _, a := range all {
		for i, g := range groups {
			if metric.IoU(g[0].Box, a.Box) > 0.4 {
				if !slices.ContainsFunc(g, func(o answer) bool { return o.of == a.of }) {
					groups[i] = append(g, a)
				}
				continue next
			}
		}
		groups = append(groups, []answer{a})
	}
	var faces []data.Face
	for _, g := range groups {
		var mean data.Face
		n := float64(len(g))
		for _, a := range g {
			mean.Score += a.Score / float64(answers)
			for i, v := range a.Box {
				mean.Box[i] += v / n
			}
			for i, m := range a.Marks {
				mean.Marks[i][0] += m[0] / n
				mean.Marks[i][1] += m[1] / n
			}
		}
		if mean.Score >= least {
			faces = append(faces, mean)
		}
	}
	return faces
}

// mirrored returns a picture with left and right exchanged.
func mirrored(p kernels.Picture) kernels.Picture {
	p.Pix = slices.Clone(p.Pix)
	picture.Mirror(p)
	return p
}
