package metric

import (
	"math"
	"slices"
)

// Probe is a picture of someone who was compared with the people of a gallery.
type Probe struct {
	Person     string
	Known      bool   // whether that is one of the gallery's
	Best       string // the most similar of the gallery's people
	Similarity float64
}

// Identification says how well people are named.
type Identification struct {
	Rank1       Estimate `json:"rank1"`        // part of the probes of known people whose most similar one is right
	Identified  Estimate `json:"identified"`   // and at or above the threshold
	FalseAccept Estimate `json:"false_accept"` // part of the probes of strangers that is taken for someone
	Threshold   float64  `json:"threshold"`
}

// Identify measures probes at a threshold. Intervals are over people, N is the number of probes.
func Identify(probes []Probe, threshold float64) Identification {
	right := func(p Probe) bool { return p.Best == p.Person }
	accepted := func(p Probe) bool { return p.Similarity >= threshold }
	return Identification{
		Rank1:       part(probes, true, right),
		Identified:  part(probes, true, func(p Probe) bool { return right(p) && accepted(p) }),
		FalseAccept: part(probes, false, accepted),
		Threshold:   threshold,
	}
}

// part estimates which part of the probes of known people, or of strangers, is so.
func part(probes []Probe, known bool, so func(Probe) bool) Estimate {
	type count struct{ so, all int }
	people := map[string]*count{}
	var order []string
	n := 0
	for _, p := range probes {
		if p.Known != known {
			continue
		}
		c := people[p.Person]
		if c == nil {
			c = &count{}
			people[p.Person] = c
			order = append(order, p.Person)
		}
		n++
		c.all++
		if so(p) {
			c.so++
		}
	}
	if n == 0 {
		return Estimate{math.NaN(), math.NaN(), math.NaN(), 0}
	}
	slices.Sort(order)
	e := Bootstrap(len(order), func(times []int) float64 {
		var k, all float64
		for i, name := range order {
			k += float64(times[i] * people[name].so)
			all += float64(times[i] * people[name].all)
		}
		return k / all
	})
	e.N = n
	return e
}
