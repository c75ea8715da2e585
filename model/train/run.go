package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Run trains a network for a number of epochs.
type Run struct {
	ID        string // of network, data, recipe and seed: a checkpoint continues only the run that it is of
	Trainer   *Trainer
	Set       data.Set
	Sampler   data.Sampler // nil: every example once an epoch
	Batch     int
	PerEpoch  int // steps; 0: as many as make every example appear once
	Epochs    int
	Seed      uint64
	Schedule  Schedule
	Optimiser OptimiserSpec
	Average   float64 // what the moving average of the weights keeps at each step; 0: none is made
	// Evaluate measures the network as it stands, at the end of every Every epochs (0: only at the end). With an average, that is what stands.
	Evaluate func(context.Context) (map[string]float64, error)
	Every    int
	// Mine adds examples to Set, which is then a data.Mining, with the network as Evaluate sees it, at the end of every MineEvery epochs but the last.
	Mine       func(context.Context) error
	MineEvery  int
	Checkpoint string // file; empty: none
	Progress   func(Progress)
}

// Progress is where a run stands.
type Progress struct {
	Step, Steps int
	PerEpoch    int
	Loss        float64 // mean of the last steps
	Rate        float32
	Norm        float64       // of the gradients
	Examples    float64       // a second
	Left        time.Duration // estimated
	Metrics     map[string]float64
}

// History is what a run went through.
type History struct {
	Run     string
	Step    int
	Losses  []Point
	Metrics []Measure
	Mined   []data.Place
	Updates uint64  // of the optimiser
	Mean    int     // updates of the average
	Seconds float64 // spent in training, evaluation not counted
	Sum     float64 // of the losses since the last point
	Count   int
}

// Point is the mean loss of the steps up to Step.
type Point struct {
	Step int
	Loss float64
}

// Measure is what Evaluate found after a step.
type Measure struct {
	Step   int
	Values map[string]float64
}

// Numbers returns the figures that JSON can hold: neither NaN nor infinite.
func Numbers(values map[string]float64) map[string]float64 {
	m := map[string]float64{}
	for k, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			m[k] = v
		}
	}
	return m
}

// ErrStopped says that a run was stopped by its context, after a whole step; its checkpoint is written.
var ErrStopped = errors.New("train: stopped")

// points is how many losses a History has at the most.
const points = 500

// saveEvery is the longest time between two checkpoints.
const saveEvery = 5 * time.Minute

// Do trains from the checkpoint, or from the start where there is none. When ctx ends, Do ends after the step under way, writes the checkpoint and returns
// ErrStopped; a measurement that was cut off is made when the run goes on. At the end the Graph holds the averaged weights, if there are any.
func (r *Run) Do(ctx context.Context) (*History, error) {
	per := r.PerEpoch
	if per == 0 {
		per = max(1, r.Set.Len()/r.Batch)
	}
	total := per * r.Epochs
	sampler := r.Sampler
	if sampler == nil {
		sampler = &data.Epochs{N: r.Set.Len()}
	}
	if err := r.Schedule.Check(); err != nil {
		return nil, err
	}
	opt, err := NewOptimiser(r.Optimiser, r.Trainer.Params())
	if err != nil {
		return nil, err
	}
	var avg *Average
	if r.Average > 0 {
		avg = NewAverage(r.Trainer, float32(r.Average))
	}
	h := &History{Run: r.ID}
	save, err := r.resume(h, opt, avg)
	if err != nil {
		return nil, err
	}
	loader := data.NewLoader(r.Set, sampler, r.Batch, r.Seed, uint64(h.Step), true)
	defer func() { loader.Close() }()
	interval := max(1, total/points)
	due := func() bool {
		n := len(h.Metrics)
		return r.Evaluate != nil && h.Step > 0 && (h.Step == total || r.Every > 0 && h.Step%(per*r.Every) == 0) && (n == 0 || h.Metrics[n-1].Step != h.Step)
	}
	if due() {
		if _, err := r.evaluate(ctx, h, avg); err != nil {
			return h, err
		}
		if err := save(); err != nil {
			return h, err
		}
	}
	saved, mark, markStep := time.Now(), time.Now(), h.Step
	for h.Step < total {
		if ctx.Err() != nil {
			if err := save(); err != nil {
				return h, err
			}
			return h, fmt.Errorf("%w after step %d of %d", ErrStopped, h.Step, total)
		}
		begin := time.Now()
		feeds, err := loader.Next(context.WithoutCancel(ctx))
		if err != nil {
			return h, err
		}
		loss, err := r.Trainer.Gradients(context.WithoutCancel(ctx), feeds)
		if err != nil {
			return h, err
		}
		rate := r.Schedule.At(h.Step, total, per)
		if err := r.Trainer.Update(opt, rate); err != nil {
			return h, err
		}
		if avg != nil {
			avg.Update()
		}
		h.Step++
		h.Sum += float64(loss)
		h.Count++
		h.Seconds += time.Since(begin).Seconds()
		p := Progress{Step: h.Step, Steps: total, PerEpoch: per, Loss: h.Sum / float64(h.Count), Rate: rate, Norm: opt.Norm()}
		if h.Step%interval == 0 || h.Step == total {
			h.Losses = append(h.Losses, Point{h.Step, h.Sum / float64(h.Count)})
			h.Sum, h.Count = 0, 0
		}
		if due() {
			if p.Metrics, err = r.evaluate(ctx, h, avg); err != nil {
				return h, err
			}
		}
		if r.Progress != nil {
			if d := time.Since(mark); d > 0 {
				p.Examples = float64((h.Step-markStep)*r.Batch) / d.Seconds()
				p.Left = time.Duration(float64(d) / float64(h.Step-markStep) * float64(total-h.Step))
			}
			r.Progress(p)
		}
		if time.Since(mark) > time.Minute {
			mark, markStep = time.Now(), h.Step-1
		}
		if r.MineEvery > 0 && h.Step%(per*r.MineEvery) == 0 && h.Step < total {
			loader.Close()
			if err := r.mine(ctx, h, avg); err != nil {
				return h, err
			}
			loader = data.NewLoader(r.Set, sampler, r.Batch, r.Seed, uint64(h.Step), true)
		}
		if h.Step == total || h.Step%per == 0 || time.Since(saved) > saveEvery {
			if err := save(); err != nil {
				return h, err
			}
			saved = time.Now()
		}
	}
	if due() {
		return h, fmt.Errorf("%w after the last step, before the network was measured", ErrStopped)
	}
	if avg != nil {
		avg.Swap()
	}
	return h, nil
}

// evaluate measures the average, or the weights where there is none. Where ctx ends before it does, nothing is measured.
func (r *Run) evaluate(ctx context.Context, h *History, avg *Average) (map[string]float64, error) {
	if avg != nil {
		avg.Swap()
		defer avg.Swap()
	}
	m, err := r.Evaluate(ctx)
	if ctx.Err() != nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("train: evaluation after step %d: %w", h.Step, err)
	}
	m = Numbers(m)
	h.Metrics = append(h.Metrics, Measure{h.Step, m})
	return m, nil
}

// mine looks for more examples with the average, or with the weights where there is none. What it began it ends: a run that continues is to find the same.
func (r *Run) mine(ctx context.Context, h *History, avg *Average) error {
	if avg != nil {
		avg.Swap()
		defer avg.Swap()
	}
	if err := r.Mine(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("train: looking for more examples after step %d: %w", h.Step, err)
	}
	h.Mined = r.Set.(data.Mining).Mined()
	return nil
}

// resume reads the checkpoint, if there is one, and returns what writes it.
func (r *Run) resume(h *History, opt *Optimiser, avg *Average) (save func() error, err error) {
	if r.Checkpoint == "" {
		return func() error { return nil }, nil
	}
	c := &Checkpoint{State: h, Tensors: r.Trainer.Tensors()}
	for name, t := range opt.tensors() {
		c.Tensors[name] = t
	}
	if avg != nil {
		for name, t := range avg.tensors() {
			c.Tensors[name] = t
		}
	}
	stored := &History{}
	load := Checkpoint{State: stored, Tensors: c.Tensors}
	switch err := load.Load(r.Checkpoint); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("train: the checkpoint cannot be continued: %w", err)
	case stored.Run != r.ID:
		return nil, fmt.Errorf("train: the checkpoint %s is of another recipe, network, seed or data; remove it, or name another", r.Checkpoint)
	default:
		*h = *stored
		opt.updates = h.Updates
		if avg != nil {
			avg.updates = h.Mean
		}
		r.Trainer.SetStepNumber(uint64(h.Step))
		if m, ok := r.Set.(data.Mining); ok {
			m.Mine(h.Mined)
		}
	}
	return func() error {
		h.Updates = opt.updates
		if avg != nil {
			h.Mean = avg.updates
		}
		if err := c.Save(r.Checkpoint); err != nil {
			return fmt.Errorf("train: the checkpoint could not be written, the last one stands: %w", err)
		}
		return nil
	}, nil
}
