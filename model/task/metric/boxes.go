package metric

import (
	"cmp"
	"math"
	"slices"
)

// Box is x, y, width, height in pixels.
type Box = [4]float64

// Found is a detection.
type Found struct {
	Box   Box
	Score float64
}

// Picture is what is in one picture and what was found in it.
type Picture struct {
	Found  []Found
	Truth  []Box
	Ignore []Box // regions that count neither way: crowds, people that are hardly seen
}

// IoU is the area that two boxes share as a part of that which they cover together.
func IoU(a, b Box) float64 {
	w := min(a[0]+a[2], b[0]+b[2]) - max(a[0], b[0])
	h := min(a[1]+a[3], b[1]+b[3]) - max(a[1], b[1])
	if !(w > 0 && h > 0) {
		return 0
	}
	shared := float64(w * h)
	return shared / (float64(a[2]*a[3]) + float64(b[2]*b[3]) - shared)
}

// Detection says how well boxes were found.
type Detection struct {
	AP50     Estimate `json:"ap50"`      // average precision at an IoU of 0.5
	AP       Estimate `json:"ap"`        // mean of those at 0.5, 0.55, ... 0.95 (COCO)
	MissRate Estimate `json:"miss_rate"` // log-average miss rate at an IoU of 0.5
	Boxes    int      `json:"boxes"`     // in the truth
	Pictures int      `json:"pictures"`
}

// Detect measures detections. Intervals are over pictures, N is their number.
func Detect(pictures []Picture) Detection {
	var grades [10]*graded
	for i := range grades {
		grades[i] = grade(pictures, 0.5+float64(float64(i)*0.05))
	}
	d := Detection{Pictures: len(pictures)}
	for _, p := range pictures {
		d.Boxes += len(p.Truth)
	}
	d.AP50 = Bootstrap(len(pictures), grades[0].averagePrecision)
	d.MissRate = Bootstrap(len(pictures), grades[0].missRate)
	d.AP = Bootstrap(len(pictures), func(times []int) float64 {
		var sum float64
		for _, g := range grades {
			sum += g.averagePrecision(times)
		}
		return sum / float64(len(grades))
	})
	return d
}

// graded is detections at one IoU, the surest first, right or wrong.
type graded struct {
	hits  []hit
	truth []int // boxes of each picture
	curve []point
}

type hit struct {
	score   float64
	picture int
	right   bool
}

// point of a precision-recall curve.
type point struct{ precision, recall float64 }

// grade says which detections are right: those that overlap a true box by at least iou that no surer one of their picture has taken, the one
// that they overlap most. One that overlaps none counts neither way where it lies in a region to be ignored: where that region covers iou of it.
func grade(pictures []Picture, iou float64) *graded {
	g := &graded{}
	for i, p := range pictures {
		g.truth = append(g.truth, len(p.Truth))
		taken := make([]bool, len(p.Truth))
		found := slices.Clone(p.Found)
		slices.SortStableFunc(found, func(a, b Found) int { return cmp.Compare(b.Score, a.Score) })
		for _, f := range found {
			at, most := -1, iou
			for j, b := range p.Truth {
				if o := IoU(f.Box, b); !taken[j] && o >= most {
					at, most = j, o
				}
			}
			if at >= 0 {
				taken[at] = true
			} else if slices.ContainsFunc(p.Ignore, func(r Box) bool { return covered(f.Box, r) >= iou }) {
				continue
			}
			g.hits = append(g.hits, hit{f.Score, i, at >= 0})
		}
	}
	slices.SortStableFunc(g.hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	return g
}

// covered returns which part of a box lies in a region.
func covered(b, region Box) float64 {
	w := min(b[0]+b[2], region[0]+region[2]) - max(b[0], region[0])
	h := min(b[1]+b[3], region[1]+region[3]) - max(b[1], region[1])
	if !(w > 0 && h > 0) {
		return 0
	}
	return w * h / (b[2] * b[3])
}

// positives returns how many true boxes there are in a sample of pictures.
func (g *graded) positives(times []int) float64 {
	n := 0
	for i, boxes := range g.truth {
		n += boxes * times[i]
	}
	return float64(n)
}

// averagePrecision returns the area under the curve of precision over recall, precision made monotonic (Everingham et al., The PASCAL Visual Object
// Classes Challenge: A Retrospective, IJCV 2015).
func (g *graded) averagePrecision(times []int) float64 {
	all := g.positives(times)
	if all == 0 {
		return math.NaN()
	}
	g.curve = g.curve[:0]
	var right, seen float64
	for i, h := range g.hits {
		n := float64(times[h.picture])
		seen += n
		if h.right {
			right += n
		}
		if seen > 0 && (i+1 == len(g.hits) || g.hits[i+1].score != h.score) {
			g.curve = append(g.curve, point{right / seen, right / all})
		}
	}
	var area, best float64
	for i := len(g.curve) - 1; i >= 0; i-- {
		best = max(best, g.curve[i].precision)
		from := 0.0
		if i > 0 {
			from = g.curve[i-1].recall
		}
		area += float64(best * (g.curve[i].recall - from))
	}
	return area
}

// missRate returns the log-average miss rate: the geometric mean of the miss rates at nine numbers of false positives a picture, evenly spaced in logarithm
// from 0.01 to 1 (Dollár, Wojek, Schiele, Perona, Pedestrian Detection: An Evaluation of the State of the Art, PAMI 2012, §3.1). At each the
// rate is that of the most detections with no more false positives; where even the surest is one, all are missed.
func (g *graded) missRate(times []int) float64 {
	all, pictures := g.positives(times), 0
	for _, n := range times {
		pictures += n
	}
	if all == 0 || pictures == 0 {
		return math.NaN()
	}
	var rates [9]float64
	for i := range rates {
		rates[i] = 1
	}
	var right, wrong float64
	for i, h := range g.hits {
		if n := float64(times[h.picture]); h.right {
			right += n
		} else {
			wrong += n
		}
		if i+1 < len(g.hits) && g.hits[i+1].score == h.score {
			continue
		}
		for j := range rates {
			if wrong/float64(pictures) <= math.Pow(10, -2+float64(float64(j)/4)) {
				rates[j] = 1 - right/all
			}
		}
	}
	var sum float64
	for _, r := range rates {
		sum += math.Log(max(r, 1e-10))
	}
	return math.Exp(sum / float64(len(rates)))
}
