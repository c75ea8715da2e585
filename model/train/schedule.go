package train

import (
	"fmt"
	"math"
)

// Schedule says how the learning rate changes over the steps of a run.
type Schedule struct {
	Rate   float64 `yaml:"rate"`   // the highest rate
	Warmup int     `yaml:"warmup"` // steps in which the rate rises to it in even steps
	Shape  string  `yaml:"shape"`  // constant; cosine: down to End·Rate (Loshchilov, Hutter: SGDR, ICLR 2017); step: times Factor at each of Drops
	End    float64 `yaml:"end"`
	Drops  []int   `yaml:"drops"`  // epochs
	Factor float64 `yaml:"factor"` // 0 stands for 0.1
}

// Check says what is wrong with a schedule.
func (s Schedule) Check() error {
	switch {
	case !(s.Rate > 0):
		return fmt.Errorf("schedule: the rate is %g, not positive", s.Rate)
	case s.Warmup < 0:
		return fmt.Errorf("schedule: warmup is %d steps", s.Warmup)
	case s.Shape != "" && s.Shape != "constant" && s.Shape != "cosine" && s.Shape != "step":
		return fmt.Errorf("schedule: the shape is %q; it can be constant, cosine or step", s.Shape)
	case s.Shape == "step" && len(s.Drops) == 0:
		return fmt.Errorf("schedule: the shape is step; name the epochs in drops")
	case s.End < 0 || s.End > 1:
		return fmt.Errorf("schedule: end is %g, not from 0 to 1", s.End)
	}
	return nil
}

// At returns the rate of a step, of total steps with perEpoch of them in an epoch.
func (s Schedule) At(step, total, perEpoch int) float32 {
	rate := s.Rate
	if step < s.Warmup {
		return float32(float64(rate*float64(step+1)) / float64(s.Warmup))
	}
	switch s.Shape {
	case "cosine":
		done := float64(step-s.Warmup) / float64(max(1, total-s.Warmup))
		rate = float64(rate * (s.End + float64((1-s.End)*halfCosine(done))))
	case "step":
		for _, epoch := range s.Drops {
			if f := s.Factor; step >= epoch*perEpoch {
				if f == 0 {
					f = 0.1
				}
				rate *= f
			}
		}
	}
	return float32(rate)
}

// halfCosine returns (1+cos(π·x))/2 for x in [0,1], with the same bits on every CPU: sin²(π(1-x)/2) by its Taylor series.
func halfCosine(x float64) float64 {
	a := math.Pi / 2 * (1 - x)
	a2 := float64(a * a)
	term, sum := a, a
	for k := 3.0; k < 24; k += 2 {
		term = -float64(term*a2) / float64(k*(k-1))
		sum += term
	}
	return sum * sum
}
