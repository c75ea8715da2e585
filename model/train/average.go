package train

import (
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Average is a moving average of parameters and running statistics: what is evaluated and kept, while training goes on with the last ones
// (Polyak, Juditsky: Acceleration of stochastic approximation by averaging, 1992).
type Average struct {
	decay      float32
	updates    int
	names      []string
	live, mean []*tensor.Tensor
	team       *kernels.Team
}

// NewAverage begins an average of what a Trainer changes, which keeps decay of itself at each update: less at first, so that the
// weights that it began with are soon forgotten.
func NewAverage(r *Trainer, decay float32) *Average {
	a := &Average{decay: decay, team: r.team}
	all := r.Tensors()
	a.names = sorted(all)
	for _, name := range a.names {
		a.live = append(a.live, all[name])
		a.mean = append(a.mean, all[name].Clone())
	}
	return a
}

// Update moves the average towards the present values.
func (a *Average) Update() {
	a.updates++
	keep := min(a.decay, float32(1+a.updates)/float32(10+a.updates))
	for i, m := range a.mean {
		kernels.Lerp(a.team, m.Float32s(), a.live[i].Float32s(), 1-keep)
	}
}

// Swap exchanges the average and the present values: once to evaluate or save the average, again to go on.
func (a *Average) Swap() {
	for i, m := range a.mean {
		x, y := m.Float32s(), a.live[i].Float32s()
		for k := range x {
			x[k], y[k] = y[k], x[k]
		}
	}
}

// tensors lists the averages by name, for a checkpoint.
func (a *Average) tensors() map[string]*tensor.Tensor {
	out := map[string]*tensor.Tensor{}
	for i, name := range a.names {
		out["average/"+name] = a.mean[i]
	}
	return out
}
