package detect

import (
	"strings"

	"github.com/ocellus-vision/ocellus/kernels"
)

// dfl decodes heads that give each side's distance as a distribution over bins: from the point of a cell, the distance to the left, top,
// right and bottom is stride·Σ k·softmax(bins)ₖ (Li et al., Generalized Focal Loss, NeurIPS 2020, §3.2).
type dfl struct {
	levels []dflLevel
	nc     int
	offset float32 // of a cell's point from its corner, in cells
	prob   [4 * bins]float32
}

type dflLevel struct {
	level
	scores, sides view
}

// bins is the number of bins of one side; distances reach 0 to bins-1 strides.
const bins = 8

// matchDFL matches a pair of outputs [N,classes] and [N,32] for each stride, in any order.
func matchDFL(s *signature, strides ...int) decoder {
	if len(s.out) != 2*len(strides) {
		return nil
	}
	d := &dfl{offset: 0.5}
	for _, stride := range strides {
		l := dflLevel{level: newLevel(s.w, s.h, stride), scores: view{out: -1}, sides: view{out: -1}}
		for i, shape := range s.out {
			if len(shape) != 2 || shape[0] != l.cells() || shape[1] < 1 {
				continue
			}
			v := view{out: i, pitch: shape[1]}
			named := strings.Contains(strings.ToLower(s.names[i]), "cls") || strings.Contains(strings.ToLower(s.names[i]), "score")
			switch sides := shape[1] == 4*bins; {
			case sides && l.sides.out < 0 && !named:
				l.sides = v
			case l.scores.out < 0:
				l.scores = v
			case sides && l.sides.out < 0:
				l.sides = v
			default:
				return nil
			}
		}
		if l.scores.out < 0 || l.sides.out < 0 || d.nc != 0 && d.nc != l.scores.pitch {
			return nil
		}
		d.nc = l.scores.pitch
		d.levels = append(d.levels, l)
	}
	return d
}

// matchNanoDetPlus matches one output of rows of classes and sides. Its cells' points are their corners.
func matchNanoDetPlus(s *signature) decoder {
	shape := s.single(2)
	levels, cells := s.levels(8, 16, 32, 64)
	if shape == nil || shape[0] != cells || shape[1] <= 4*bins {
		return nil
	}
	d := &dfl{nc: shape[1] - 4*bins}
	at := 0
	for _, l := range levels {
		d.levels = append(d.levels, dflLevel{l, view{0, at, shape[1]}, view{0, at + d.nc, shape[1]}})
		at += l.cells() * shape[1]
	}
	return d
}

func (d *dfl) classes() int { return d.nc }

func (d *dfl) decode(b *boxes) error {
	for _, l := range d.levels {
		s := float32(l.stride)
		for i := range l.cells() {
			top, class := best(l.scores.row(b, i, d.nc))
			score := b.prob(top)
			if class < 0 || !(score >= b.min) {
				continue
			}
			kernels.Softmax(d.prob[:], l.sides.row(b, i, 4*bins), bins)
			var side [4]float32
			for j := range side {
				var mean float32
				for k, p := range d.prob[j*bins : (j+1)*bins] {
					mean += float32(float32(k) * p)
				}
				side[j] = float32(mean * s)
			}
			x, y := float32((float32(i%l.w)+d.offset)*s), float32((float32(i/l.w)+d.offset)*s)
			b.add(score, class, x-side[0], y-side[1], x+side[2], y+side[3], 0)
		}
	}
	return nil
}
