package train

import (
	"context"
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Config says what a Trainer trains.
type Config struct {
	Graph *model.Graph // its constants are the parameters, and change
	EmbedOptions
	// Loss adds the loss, a scalar, to the network; targets are inputs that it adds to the Tape. It may name other scalars to be
	// watched.
	Loss func(t *Tape, n *Network) (loss layer.Ref, watch map[string]layer.Ref, err error)
	Seed uint64 // of dropout
	Options
}

// Trainer computes the gradients of a loss for batches of one size, and changes a Graph's parameters by them.
type Trainer struct {
	net     *Network
	prog    *model.Program
	session *model.Session
	team    *kernels.Team
	feeds   model.Tensors
	grads   []*tensor.Tensor // of each parameter, valid until the next step
	watch   []string
	seed    uint64
	step    uint64

	segments int
}

// maxSegments bounds how often a step is cut in order to save memory.
const maxSegments = 64

// New returns a Trainer. Where a step would take more memory than MaxBytes, parts of the network are computed twice rather than kept.
func New(c Config) (*Trainer, error) {
	least := int64(math.MaxInt64)
	for segments := 1; segments <= maxSegments; segments *= 2 {
		r, need, err := build(c, segments)
		if err != nil || r != nil {
			return r, err
		}
		least = min(least, need)
	}
	return nil, fmt.Errorf("train: a step needs %d bytes of working memory at the least, more than the limit of %d; a smaller batch needs less", least, c.MaxBytes)
}

// build makes a Trainer, or says how much memory it would need where that is more than the limit.
func build(c Config, segments int) (*Trainer, int64, error) {
	t := NewTape()
	net, err := t.Embed(c.Graph, c.EmbedOptions)
	if err != nil {
		return nil, 0, err
	}
	if len(net.Params) == 0 {
		return nil, 0, fmt.Errorf("train: the network has no parameters to train")
	}
	loss, watch, err := c.Loss(t, net)
	if err == nil {
		err = t.Err()
	}
	if err != nil {
		return nil, 0, err
	}
	wrt := make([]layer.Ref, len(net.Params))
	for i, p := range net.Params {
		wrt[i] = p.ref
	}
	grads, err := differentiate(t, loss, wrt, segments)
	if err != nil {
		return nil, 0, err
	}
	r := &Trainer{net: net, seed: c.Seed, feeds: model.Tensors{}, team: kernels.NewTeam(c.Threads), segments: segments}
	t.Output(loss)
	for _, name := range sorted(watch) {
		r.watch = append(r.watch, name)
		t.Output(watch[name])
	}
	for _, s := range net.Statistics {
		t.Output(s.mean)
		t.Output(s.variance)
	}
	for i, g := range grads {
		if g == 0 {
			return nil, 0, fmt.Errorf("train: the loss does not depend on the parameter %q", net.Params[i].Name)
		}
		t.Output(g)
	}
	limit := c.MaxBytes
	c.MaxBytes = 0
	if r.prog, err = t.Compile(c.Options); err != nil {
		return nil, 0, err
	}
	if need := r.prog.Size().ArenaBytes; limit > 0 && need > limit {
		return nil, need, nil
	}
	r.session = r.prog.NewSession()
	for _, p := range net.Params {
		r.feeds[p.Name] = p.Value
	}
	for _, m := range net.masks {
		r.feeds[t.Name(m.ref)] = m.value
	}
	r.grads = make([]*tensor.Tensor, len(grads))
	for i := range grads {
		r.grads[i] = r.session.Output(r.firstGrad() + i)
	}
	return r, 0, nil
}

// Segments is into how many parts a step is cut to save memory: all but the last are computed twice.
func (r *Trainer) Segments() int { return r.segments }

func (r *Trainer) firstGrad() int { return 1 + len(r.watch) + 2*len(r.net.Statistics) }

// Params lists the parameters that are trained.
func (r *Trainer) Params() []*Param { return r.net.Params }

// Statistics lists the running statistics that change with each step.
func (r *Trainer) Statistics() []*Statistic { return r.net.Statistics }

// Size says what a step takes: its ArenaBytes are the peak of working memory, its Params those that are trained.
func (r *Trainer) Size() model.Size {
	z := r.prog.Size()
	z.ArenaBytes += int64(r.session.ScratchBytes())
	z.Params = 0
	for _, p := range r.net.Params {
		z.Params += int64(p.Value.Len())
	}
	return z
}

// Program is the compiled step: the network, its loss and its gradients.
func (r *Trainer) Program() *model.Program { return r.prog }

// Gradients runs the network and the loss on one batch and returns the loss. The gradients stay in the Trainer, for Update. Running statistics move
// a step towards the batch's. The error names the step where the loss is not a finite number; nothing has changed then.
func (r *Trainer) Gradients(ctx context.Context, feeds model.Tensors) (float32, error) {
	for name, t := range feeds {
		r.feeds[name] = t
	}
	for i, m := range r.net.masks {
		m.draw(r.seed, r.step, uint64(i))
	}
	if err := r.session.Run(ctx, r.feeds, nil); err != nil {
		return 0, fmt.Errorf("train: step %d: %w", r.step, err)
	}
	loss := r.session.Output(0).Float32s()[0]
	if f := float64(loss); math.IsNaN(f) || math.IsInf(f, 0) {
		return loss, fmt.Errorf("train: step %d: the loss is %g; a lower learning rate, gradient clipping or a warm-up may help", r.step, loss)
	}
	for i, s := range r.net.Statistics {
		s.move(r.session.Output(1+len(r.watch)+2*i).Float32s(), r.session.Output(2+len(r.watch)+2*i).Float32s())
	}
	return loss, nil
}

// Gradient returns the gradient of parameter i, of the last step.
func (r *Trainer) Gradient(i int) *tensor.Tensor { return r.grads[i] }

// Watched returns the scalars that the loss named, from the last step.
func (r *Trainer) Watched() map[string]float32 {
	out := make(map[string]float32, len(r.watch))
	for i, name := range r.watch {
		out[name] = r.session.Output(1 + i).Float32s()[0]
	}
	return out
}

// Update changes the parameters by the gradients of the last step.
func (r *Trainer) Update(o *Optimiser, rate float32) error {
	if err := o.Update(r.team, r.grads, rate); err != nil {
		return fmt.Errorf("train: step %d: %w", r.step, err)
	}
	r.step++
	return nil
}

// Tensors lists parameters and running statistics by name.
func (r *Trainer) Tensors() map[string]*tensor.Tensor {
	out := map[string]*tensor.Tensor{}
	for _, p := range r.net.Params {
		out[p.Name] = p.Value
	}
	for _, s := range r.net.Statistics {
		out[s.Name+".mean"], out[s.Name+".variance"] = s.Mean, s.Variance
	}
	return out
}

// StepNumber counts the updates.
func (r *Trainer) StepNumber() uint64 { return r.step }

// SetStepNumber continues the count of a run that was stopped.
func (r *Trainer) SetStepNumber(n uint64) { r.step = n }

// momentum is how far running statistics move towards a batch's.
const momentum = 0.1

// move brings running statistics nearer to those of a batch, whose variance is made unbiased.
func (s *Statistic) move(mean, variance []float32) {
	unbias := float32(1)
	if s.rows > 1 {
		unbias = float32(float64(s.rows) / float64(s.rows-1))
	}
	m, v := s.Mean.Float32s(), s.Variance.Float32s()
	for i := range m {
		m[i] = float32(m[i]*(1-momentum)) + float32(mean[i]*momentum)
		v[i] = float32(v[i]*(1-momentum)) + float32(float32(variance[i]*unbias)*momentum)
	}
}

// draw decides what is dropped in a step: a function of seed, step, layer and element alone.
func (m *mask) draw(seed, step, layer uint64) {
	keep := 1 / (1 - m.ratio)
	limit := uint64(float64(m.ratio) * (1 << 32))
	key := mix(seed ^ mix(step^mix(layer)))
	for i, d := 0, m.value.Float32s(); i < len(d); i++ {
		d[i] = 0
		if mix(key+uint64(i))>>32 >= limit {
			d[i] = keep
		}
	}
}

// mix is a step of SplitMix64.
func mix(x uint64) uint64 { return data.Mix(x + 0x9e3779b97f4a7c15) }
