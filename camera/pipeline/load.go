package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Load is how far a pipeline has stepped back because the device cannot keep up. The steps are, in this order: tasks run less often than asked, down to their
// MinRate; inputs shrink, one of the tasks' Sizes at a time; tasks pause, those of the lowest Priority first.
type Load struct {
	Demand float64  // the worker time that all asked-for runs at full size would take, as a share of what there is
	Step   int      // 0: none
	Size   int      // how many Sizes smaller inputs are
	Paused []string // names of tasks
}

// String is a clause for people.
func (l Load) String() string {
	if l.Step == 0 {
		return "tasks run as often as asked"
	}
	s := fmt.Sprintf("the tasks ask for %.0f %% of the time there is: they run less often", 100*l.Demand)
	if l.Size > 0 {
		s += ", on smaller inputs"
	}
	if len(l.Paused) > 0 {
		s += ", without " + strings.Join(l.Paused, ", ")
	}
	return s
}

const (
	window     = time.Second // between looks of the controller
	slowAfter  = 3           // windows of too much demand before a step back
	quickAfter = 5           // windows in which the step before would do, before it is taken
	recovered  = 0.8         // demand that the step before may have then
)

// control is the controller's memory.
type control struct {
	Load
	slow, quick int // windows in a row
	looked      time.Time
}

// control looks at the load once a window until the pipeline ends.
func (p *Pipeline) control() {
	tick := time.NewTicker(window)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-tick.C:
			if load, changed := p.balance(now); changed {
				p.degraded(load)
			}
		}
	}
}

// balance measures, takes a step where one is due and sets the lanes' weights.
func (p *Pipeline) balance(now time.Time) (Load, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.measure(now)
	c := &p.load
	sizes, priorities := p.ladder()
	highest := 1 + max(sizes-1, 0) + max(len(priorities)-1, 0)
	before := c.Step
	c.Demand = p.demand(0, sizes, priorities)
	c.Step = min(c.Step, highest)
	if p.demand(c.Step, sizes, priorities) > 1 && c.Step < highest {
		c.slow++
	} else {
		c.slow = 0
	}
	if c.Step > 0 && p.demand(c.Step-1, sizes, priorities) < recovered {
		c.quick++
	} else {
		c.quick = 0
	}
	switch {
	case c.slow >= slowAfter:
		c.Step++
		c.slow, c.quick = 0, 0
	case c.quick >= quickAfter:
		c.Step--
		c.slow, c.quick = 0, 0
	}
	p.apply(sizes, priorities)
	load := c.Load
	load.Paused = slices.Clone(load.Paused)
	return load, c.Step != before
}

// lanes calls f for each lane of a camera that has not ended.
func (p *Pipeline) lanes(f func(*lane)) {
	for _, c := range p.cameras {
		if c.ended.IsZero() {
			for _, l := range c.lanes {
				f(l)
			}
		}
	}
}

// measure updates how many frames cameras offer a second, and the costs of tasks that are paused by how those of the others changed.
func (p *Pipeline) measure(now time.Time) {
	since := now.Sub(p.load.looked).Seconds()
	first := p.load.looked.IsZero() || since <= 0
	p.load.looked = now
	for _, c := range p.cameras {
		moving := c.frames - c.still
		if !first {
			// A frame that waits to be decoded counts as moving until the gate has looked at it.
			rate := max(0, float64(int64(moving-c.counted))) / since
			if c.offered > 0 {
				rate = c.offered + float64((rate-c.offered)/4)
			}
			c.offered = rate
		}
		c.counted = moving
	}
	var was, is float64
	p.lanes(func(l *lane) {
		if !l.paused && l.before > 0 {
			was, is = was+l.before, is+l.cost(l.size)
		}
	})
	p.lanes(func(l *lane) {
		if l.paused && was > 0 {
			l.scale(is / was)
		}
	})
}

// ladder returns how many input sizes there are and the priorities of tasks in rising order.
func (p *Pipeline) ladder() (sizes int, priorities []int) {
	p.lanes(func(l *lane) {
		sizes = max(sizes, len(l.task.Sizes))
		priorities = append(priorities, l.task.Priority)
	})
	slices.Sort(priorities)
	return sizes, slices.Compact(priorities)
}

// stage translates a step: the input size, and how many of the priorities are paused.
func stage(step, sizes int) (size, paused int) {
	size = min(max(step-1, 0), max(sizes-1, 0))
	return size, max(step-1-size, 0)
}

// demand returns what the lanes need in a step as a share of the workers' time: as often as asked in step 0, at MinRate in the others.
func (p *Pipeline) demand(step, sizes int, priorities []int) float64 {
	size, paused := stage(step, sizes)
	var sum float64
	p.lanes(func(l *lane) {
		if slices.Index(priorities, l.task.Priority) < paused {
			return
		}
		rate := l.asked()
		if step > 0 {
			rate = l.least()
		}
		sum += float64(rate * l.cost(size))
	})
	return sum / float64(p.o.Workers)
}

// asked returns the runs a second that the lane is asked for.
func (l *lane) asked() float64 {
	if l.task.Rate > 0 {
		return min(l.task.Rate, l.camera.offered)
	}
	return l.camera.offered
}

// least returns the runs a second without which the lane is of no use.
func (l *lane) least() float64 {
	return min(cmp.Or(l.task.MinRate, 1), l.asked())
}

// cost returns the seconds that a run takes at an input size. One that was never run is taken to cost what the nearest larger one did, by area.
func (l *lane) cost(size int) float64 {
	size = min(size, len(l.costs)-1)
	for i := size; i >= 0; i-- {
		if l.costs[i] > 0 {
			if i == size {
				return l.costs[i]
			}
			side := float64(l.task.Sizes[size]) / float64(l.task.Sizes[i])
			return l.costs[i] * side * side
		}
	}
	return 0
}

// apply sets lanes' sizes, pauses and weights. Each lane's share of the workers' time is what its MinRate needs, and beyond that the same for all.
func (p *Pipeline) apply(sizes int, priorities []int) {
	size, paused := stage(p.load.Step, sizes)
	p.load.Size, p.load.Paused = size, p.load.Paused[:0]
	p.lanes(func(l *lane) {
		l.size = min(size, len(l.costs)-1)
		pause := slices.Index(priorities, l.task.Priority) < paused
		if l.paused && !pause {
			l.virtual = max(l.virtual, p.virtual)
		}
		if l.paused = pause; pause {
			if !slices.Contains(p.load.Paused, l.task.Name) {
				p.load.Paused = append(p.load.Paused, l.task.Name)
			}
			return
		}
	})
	// The equal share that, with the needs above it, fills the time: found by halving.
	workers := float64(p.o.Workers)
	low, high := 0.0, workers
	for range 20 {
		share, sum := (low+high)/2, 0.0
		p.lanes(func(l *lane) {
			if !l.paused {
				sum += max(share, l.least()*l.cost(size))
			}
		})
		if sum > workers {
			high = share
		} else {
			low = share
		}
	}
	p.lanes(func(l *lane) {
		l.weight = max(low, l.least()*l.cost(size), 1e-3)
		l.before = l.cost(l.size)
	})
}
