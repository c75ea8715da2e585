package face

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/metric"
)

// Calibration is a threshold and what was measured at it.
type Calibration struct {
	Threshold    float64   `json:"threshold"`     // least similarity of pictures of one person
	Target       float64   `json:"target"`        // false accept rate that was asked for
	Confidence   float64   `json:"confidence"`    // of the interval
	FalseAccepts int       `json:"false_accepts"` // pairs of different people at or above the threshold
	Pairs        int       `json:"pairs"`         // pairs of different people
	Low          float64   `json:"low"`           // the false accept rate lies between Low and High
	High         float64   `json:"high"`
	Accepted     int       `json:"accepted"` // pairs of one person at or above the threshold
	Genuine      int       `json:"genuine"`  // pairs of one person
	People       int       `json:"people"`
	Pictures     int       `json:"pictures"`
	Steps        []Step    `json:"steps,omitempty"` // thresholds of lower false accept rates, each half the one before
	Made         time.Time `json:"made,omitzero"`
}

// Step is the threshold at which a false accept rate is at most Rate, shown as Calibrate shows it.
type Step struct {
	Rate      float64 `json:"rate"`
	Threshold float64 `json:"threshold"`
}

// TooFewError says that so many pairs cannot show a false accept rate.
type TooFewError struct {
	Target        float64
	Pairs, Needed int
	Least         float64 // the rate that these pairs can show
}

func (e *TooFewError) Error() string {
	return fmt.Sprintf("%d pairs of different people cannot show a false accept rate of %.3g %%: even without a single false accept that takes %d; "+
		"give pictures of more people (%d make as many pairs), or ask for %.2g %%",
		e.Pairs, 100*e.Target, e.Needed, peopleFor(e.Needed), 100*e.Least)
}

// peopleFor returns how many people make n pairs.
func peopleFor(n int) int { return int(math.Ceil((1 + math.Sqrt(1+float64(8*float64(n)))) / 2)) }

// confidence is that of the intervals.
const confidence = 0.95

// Calibrate returns the least threshold at which the false accept rate is at most target: the upper end of the Clopper-Pearson interval is, not only
// the share of the pairs. As the threshold lies between the (k+1)-th and the k-th greatest similarity, that end is the quantile of the
// rate itself, although the threshold was chosen on the same pairs. It fails with a TooFewError where there are not enough pairs to show
// that rate even without a false accept.
//
// same holds similarities of pairs of pictures of one person, other those of different people.
func Calibrate(same, other []float64, target float64) (Calibration, error) {
	if !(target > 0 && target < 1) {
		return Calibration{}, fmt.Errorf("a false accept rate of %g: a number between 0 and 1 is meant, such as 0.001", target)
	}
	if len(other) == 0 {
		return Calibration{}, errors.New("there are no pairs of different people")
	}
	n := len(other)
	sorted := slices.Sorted(slices.Values(other))
	threshold, ok := reach(sorted, target)
	if !ok {
		tail := math.Log((1 - confidence) / 2)
		return Calibration{}, &TooFewError{
			Target: target, Pairs: n, Needed: int(math.Ceil(tail / math.Log1p(-target))), Least: -math.Expm1(tail / float64(n)),
		}
	}
	c := Measure(same, other, threshold)
	c.Target = target
	for rate := float64(target / 2); ; rate /= 2 {
		lower, ok := reach(sorted, rate)
		if !ok {
			return c, nil
		}
		c.Steps = append(c.Steps, Step{rate, lower})
	}
}

// reach returns the least threshold at which these similarities, sorted, show a false accept rate of at most target; false where they are too few for that.
func reach(sorted []float64, target float64) (threshold float64, ok bool) {
	n := len(sorted)
	allowed := -1 // the most false accepts
	for step := n; step > 0; step /= 2 {
		for k := allowed + step; k < n; k += step {
			if _, high := metric.ClopperPearson(k, n, confidence); high > target {
				break
			}
			allowed = k
		}
	}
	if allowed < 0 {
		return 0, false
	}
	next := sorted[n-1-allowed] // the greatest similarity that must stay below
	threshold = math.Floor(float64(next*1e4)+1) / 1e4
	if !(threshold > next) {
		threshold = math.Nextafter(next, math.Inf(1))
	}
	return threshold, true
}

// Among returns the threshold for telling which of n people somebody is: that of the first step at which a stranger is taken for one of them at the rate
// that was asked for at most, although each comparison may go wrong; the last step where none is low enough.
func (c *Calibration) Among(n int) float64 { return c.among(n).Threshold }

// among is the step of Among.
func (c *Calibration) among(n int) Step {
	at := Step{c.High, c.Threshold}
	for _, s := range c.Steps {
		if n <= 1 || strangers(at.Rate, n) <= c.Target {
			break
		}
		at = s
	}
	return at
}

// strangers is the chance that one of n comparisons goes wrong, each at a rate.
func strangers(rate float64, n int) float64 { return -math.Expm1(float64(n) * math.Log1p(-rate)) }

// Measure returns what a threshold does on pairs.
func Measure(same, other []float64, threshold float64) Calibration {
	above := func(v []float64) (n int) {
		for _, s := range v {
			if s >= threshold {
				n++
			}
		}
		return n
	}
	c := Calibration{Threshold: threshold, Confidence: confidence, Pairs: len(other), Genuine: len(same)}
	c.FalseAccepts, c.Accepted = above(other), above(same)
	c.Low, c.High = 0, 1
	if c.Pairs > 0 {
		c.Low, c.High = metric.ClopperPearson(c.FalseAccepts, c.Pairs, confidence)
	}
	return c
}

// Pairs returns the similarities of pairs of pictures: all of one person, and one pair for any two people, so that those with many pictures do not
// count more. Which pictures stand for two people depends on their places alone.
func Pairs(people [][]Vector) (same, other []float64) {
	for i, p := range people {
		for j := range p {
			for k := range j {
				same = append(same, embed.Similarity(p[j], p[k]))
			}
		}
		for j, q := range people[:i] {
			if len(p) > 0 && len(q) > 0 {
				other = append(other, embed.Similarity(p[j%len(p)], q[i%len(q)]))
			}
		}
	}
	return same, other
}

// Strangers returns the most that the false accept rate can be for a stranger who is compared with n people at the threshold Among them: each comparison may
// go wrong.
func (c *Calibration) Strangers(n int) float64 { return strangers(c.among(n).Rate, n) }

// Check says whether a Calibration that was stored can be one.
func (c *Calibration) Check() error {
	if !(c.Threshold >= -1 && c.Threshold <= 1.001) || c.Pairs < 1 || c.FalseAccepts < 0 || c.FalseAccepts > c.Pairs ||
		!(c.Low >= 0 && c.Low <= c.High && c.High <= 1) || c.Accepted < 0 || c.Accepted > c.Genuine {
		return errors.New("the calibration holds impossible numbers: calibrate again")
	}
	last := Step{c.High, c.Threshold}
	for _, s := range c.Steps {
		if !(s.Rate > 0 && s.Rate <= 1 && s.Threshold >= last.Threshold && s.Threshold <= 1.001) {
			return errors.New("the calibration holds steps that do not rise: calibrate again")
		}
		last = s
	}
	return nil
}

// MetaKey is the key under which the metadata of a network that embeds faces holds its Calibration, as a JSON object.
const MetaKey = "ocellus.face.calibration"

// FromMeta returns the Calibration in a network's metadata; nil where there is none.
func FromMeta(meta map[string]string) (*Calibration, error) {
	text, ok := meta[MetaKey]
	if !ok {
		return nil, nil
	}
	c := new(Calibration)
	err := json.Unmarshal([]byte(text), c)
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("metadata %q: %w", MetaKey, err)
	}
	return c, nil
}
