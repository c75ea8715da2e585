package metric

import (
	"cmp"
	"math"
	"slices"
)

// Pair is two pictures of faces, whose they are, and how similar a network finds them.
type Pair struct {
	A, B       string // people
	Same       bool
	Similarity float64
}

// Verification says how well pairs of one person and of two are told apart.
type Verification struct {
	Accuracy  Estimate `json:"accuracy"`    // at a threshold chosen on pairs of other people
	EER       Estimate `json:"eer"`         // error rate where as many are wrongly accepted as wrongly refused
	TAR1      Estimate `json:"tar_far_1"`   // part of the pairs of one person that is accepted where 1 % of the others is
	TAR01     Estimate `json:"tar_far_0.1"` // likewise 0.1 %
	Threshold float64  `json:"threshold"`   // the most accurate one on all pairs
	Same      int      `json:"same"`
	Different int      `json:"different"`
	People    int      `json:"people"`
}

// folds is how many parts people are dealt into for Accuracy, as in LFW (Huang et al., Labeled Faces in the Wild, 2007).
const folds = 10

// Verify measures pairs. For Accuracy each tenth of the people is sorted at the threshold that is best on the pairs without any of them; a similarity that
// is no number is less than every threshold. Intervals are over people: a pair counts as often as its people were both drawn.
func Verify(pairs []Pair) Verification {
	v := newVerifier(pairs)
	n := len(v.people)
	out := Verification{
		Accuracy: v.estimate(n, v.accuracy), EER: v.estimate(n, v.eer),
		TAR1:   v.estimate(n, func(w []int) float64 { return v.tar(w, 0.01) }),
		TAR01:  v.estimate(n, func(w []int) float64 { return v.tar(w, 0.001) }),
		People: n,
	}
	all := slices.Repeat([]int{1}, len(v.pairs))
	out.Threshold, _ = v.best(all, -1)
	for _, p := range v.pairs {
		if p.Same {
			out.Same++
		} else {
			out.Different++
		}
	}
	return out
}

// verifier holds pairs with the greatest similarity first.
type verifier struct {
	pairs  []Pair
	who    [][2]int // people of each pair
	people []string
	weight []int
}

func newVerifier(pairs []Pair) *verifier {
	v := &verifier{pairs: slices.Clone(pairs), weight: make([]int, len(pairs))}
	for i := range v.pairs {
		if math.IsNaN(v.pairs[i].Similarity) {
			v.pairs[i].Similarity = math.Inf(-1)
		}
		v.people = append(v.people, v.pairs[i].A, v.pairs[i].B)
	}
	slices.SortStableFunc(v.pairs, func(a, b Pair) int { return cmp.Compare(b.Similarity, a.Similarity) })
	slices.Sort(v.people)
	v.people = slices.Compact(v.people)
	for _, p := range v.pairs {
		a, _ := slices.BinarySearch(v.people, p.A)
		b, _ := slices.BinarySearch(v.people, p.B)
		v.who = append(v.who, [2]int{a, b})
	}
	return v
}

// estimate bootstraps a figure of weighted pairs over people. Its N is the number of pairs.
func (v *verifier) estimate(people int, figure func(weight []int) float64) Estimate {
	e := Bootstrap(people, func(times []int) float64 {
		for i, w := range v.who {
			v.weight[i] = times[w[0]]
			if w[0] != w[1] {
				v.weight[i] *= times[w[1]]
			}
		}
		return figure(v.weight)
	})
	e.N = len(v.pairs)
	return e
}

// in says whether someone of pair i is in a fold.
func (v *verifier) in(i, fold int) bool {
	return v.who[i][0]%folds == fold || v.who[i][1]%folds == fold
}

// best returns the threshold that sorts most of the pairs outside a fold rightly, half-way between two similarities, and whether there is one.
func (v *verifier) best(weight []int, fold int) (float64, bool) {
	score, top, at, last := 0, math.MinInt, math.Inf(1), math.Inf(1)
	for i := 0; i < len(v.pairs); {
		s := v.pairs[i].Similarity
		if score > top {
			top, at = score, between(last, s)
		}
		for ; i < len(v.pairs) && v.pairs[i].Similarity == s; i++ {
			if fold >= 0 && v.in(i, fold) {
				continue
			}
			last = s
			if v.pairs[i].Same {
				score += weight[i]
			} else {
				score -= weight[i]
			}
		}
	}
	if score > top {
		at = last
	}
	return at, !math.IsInf(last, 1)
}

// between returns a threshold that accepts high and refuses low.
func between(high, low float64) float64 {
	if m := high + float64((low-high)/2); m > low && m <= high {
		return m
	}
	return high
}

func (v *verifier) accuracy(weight []int) float64 {
	var right, all float64
	for fold := range folds {
		threshold, ok := v.best(weight, fold)
		if !ok {
			continue
		}
		for i, p := range v.pairs {
			if v.who[i][0]%folds != fold {
				continue
			}
			all += float64(weight[i])
			if p.Similarity >= threshold == p.Same {
				right += float64(weight[i])
			}
		}
	}
	return right / all
}

// totals returns the weight of the pairs of one person and of two.
func (v *verifier) totals(weight []int) (same, other float64) {
	for i, p := range v.pairs {
		if p.Same {
			same += float64(weight[i])
		} else {
			other += float64(weight[i])
		}
	}
	return same, other
}

// rates calls do with the accepted parts of pairs of one person and of two, threshold by threshold downwards, until it returns false.
func (v *verifier) rates(weight []int, do func(tar, far float64) bool) {
	same, other := v.totals(weight)
	var s, o float64
	for i := 0; i < len(v.pairs); {
		for at := v.pairs[i].Similarity; i < len(v.pairs) && v.pairs[i].Similarity == at; i++ {
			if v.pairs[i].Same {
				s += float64(weight[i])
			} else {
				o += float64(weight[i])
			}
		}
		if !do(s/same, o/other) {
			return
		}
	}
}

// eer is where the line of the rates crosses that of equal errors; NaN without pairs of both kinds.
func (v *verifier) eer(weight []int) float64 {
	lastTAR, lastFAR, eer := 0.0, 0.0, math.NaN()
	if same, other := v.totals(weight); same == 0 || other == 0 {
		return eer
	}
	v.rates(weight, func(tar, far float64) bool {
		if far < 1-tar {
			lastTAR, lastFAR = tar, far
			return true
		}
		// FAR grows from lastFAR to far and FRR falls from 1-lastTAR to 1-tar.
		gap, change := (1-lastTAR)-lastFAR, (far-lastFAR)+(tar-lastTAR)
		eer = lastFAR
		if change > 0 {
			eer += float64(gap / change * (far - lastFAR))
		}
		return false
	})
	return eer
}

func (v *verifier) tar(weight []int, most float64) float64 {
	best := 0.0
	if same, other := v.totals(weight); same == 0 || other == 0 {
		return math.NaN()
	}
	v.rates(weight, func(tar, far float64) bool {
		if far <= most {
			best = tar
		}
		return far <= most
	})
	return best
}
