// Package pipeline moves frames from cameras through tasks to sinks, and never lets the slower hold up the faster.
//
// Each camera has a mailbox of one frame, in which a newer frame takes the place of an older one that no task has begun. A fixed number of workers,
// shared by all cameras and tasks, take frames from the mailboxes; what a task made of a frame goes to queues, one for each sink, that drop their oldest
// event when full. So a result is never much older than the work on it took, and memory does not grow, whatever the rates. A lossless pipeline,
// for clips and folders, waits instead of dropping.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// Options are those of a Pipeline. 0 and nil stand for the default.
type Options struct {
	Workers  int                // frames that are worked on at once; 1, because a network spreads over the processor's cores by itself
	Lossless bool               // every task sees every frame, in order; cameras wait for tasks, tasks for sinks; a Task's Rate and degradation do not apply
	Report   func(camera.Fault) // faults of tasks ("camera/task"), decoders and sinks, at most once a second each; nil: they are only counted
	Degraded func(Load)         // each time that the pipeline steps back because the device cannot keep up, or recovers. It and Report are called one at a time
}

// Pipeline runs tasks on the frames of cameras. Its methods may be called from many goroutines.
type Pipeline struct {
	o       Options
	ctx     context.Context // of tasks and sinks; ends when Close has waited for long enough
	cancel  context.CancelFunc
	begun   time.Time
	threads sync.WaitGroup // workers and the controller
	telling sync.Mutex     // of calls of Report and Degraded

	mu      sync.Mutex // of all below and of the cameras' and lanes' fields; held for short only
	work    sync.Cond  // a lane may be ready, or closed was set
	room    sync.Cond  // a lane has finished, or a camera was told to stop
	cameras []*Camera
	outlets []*Outlet
	busy    map[*Task]int // how many frames each task is working on
	virtual float64       // the virtual time of the lane that was picked last: seconds of work per weight
	load    control
	closed  bool
	err     error // of a lossless pipeline's sink
}

// New starts a pipeline without cameras. Close ends it.
func New(o Options) *Pipeline {
	p := &Pipeline{o: o, busy: map[*Task]int{}, begun: time.Now()}
	p.o.Workers = max(o.Workers, 1)
	p.work.L, p.room.L = &p.mu, &p.mu
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for range p.o.Workers {
		p.threads.Go(p.worker)
	}
	if !o.Lossless {
		p.threads.Go(p.control)
	}
	return p
}

// AddSink puts a queue of depth events (at least 1) before a sink. Cameras that name the outlet fill it. Close empties it.
func (p *Pipeline) AddSink(name string, depth int, sink Sink) *Outlet {
	o := newOutlet(p, name, max(depth, 1), sink)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outlets = append(p.outlets, o)
	return o
}

// RemoveSink closes an outlet that no camera names any more and waits until what is queued is out.
func (p *Pipeline) RemoveSink(o *Outlet) {
	p.mu.Lock()
	p.outlets = slices.DeleteFunc(p.outlets, func(x *Outlet) bool { return x == o })
	p.mu.Unlock()
	o.close()
	<-o.done
}

// Add opens the tasks of a camera and starts it. The others go on undisturbed.
func (p *Pipeline) Add(in Input) (*Camera, error) {
	if in.Source == nil {
		panic("pipeline: Add: no source")
	}
	c := &Camera{in: in, p: p, done: make(chan struct{}), begun: time.Now(), faults: &camera.Faults{Source: in.Name, Report: p.report}}
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	for i, t := range in.Tasks {
		r, err := t.Open(in.Name)
		if err != nil {
			c.closeLanes()
			c.cancel()
			return nil, fmt.Errorf("camera %q: task %s: %w", in.Name, t.Name, err)
		}
		c.lanes = append(c.lanes, &lane{camera: c, task: t, runner: r, index: i, weight: 1, costs: make([]float64, max(len(t.Sizes), 1)),
			faults: &camera.Faults{Source: in.Name + "/" + t.Name, Report: p.report}})
	}
	if err := p.admit(c); err != nil {
		c.closeLanes()
		c.cancel()
		return nil, err
	}
	go c.run()
	return c, nil
}

func (p *Pipeline) admit(c *Camera) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("the pipeline is closed")
	}
	for _, other := range p.cameras {
		if other.in.Name == c.in.Name {
			return fmt.Errorf("there is a camera %q already", c.in.Name)
		}
	}
	for _, l := range c.lanes {
		l.virtual = p.virtual
	}
	p.cameras = append(p.cameras, c)
	return nil
}

// Remove stops a camera, waits until its source and its tasks are through and forgets it. Events that wait in queues still go out.
func (p *Pipeline) Remove(c *Camera) {
	c.cancel()
	<-c.done
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cameras = slices.DeleteFunc(p.cameras, func(x *Camera) bool { return x == c })
}

// Wait waits until all cameras have ended or ctx has. It returns the errors of those that have, and of a lossless pipeline's sink.
func (p *Pipeline) Wait(ctx context.Context) error {
	p.mu.Lock()
	cameras := slices.Clone(p.cameras)
	p.mu.Unlock()
	var errs []error
	for _, c := range cameras {
		select {
		case <-c.done:
			if c.err != nil {
				errs = append(errs, fmt.Errorf("camera %q: %w", c.in.Name, c.err))
			}
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		errs = append(errs, p.err)
	}
	return errors.Join(errs...)
}

// Close stops all cameras, empties the sinks' queues and ends the workers. When ctx ends before, what is still queued is dropped and sinks are told to stop.
// A closed pipeline still has its Summary.
func (p *Pipeline) Close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	cameras, outlets := slices.Clone(p.cameras), slices.Clone(p.outlets)
	p.mu.Unlock()
	stop := context.AfterFunc(ctx, p.cancel)
	defer stop()
	for _, c := range cameras {
		c.cancel()
	}
	for _, c := range cameras {
		<-c.done
	}
	for _, o := range outlets {
		o.close()
	}
	for _, o := range outlets {
		<-o.done
	}
	p.cancel()
	p.mu.Lock()
	p.work.Broadcast()
	p.mu.Unlock()
	p.threads.Wait()
}

// fail ends a lossless pipeline whose sink failed.
func (p *Pipeline) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	for _, c := range p.cameras {
		c.cancel()
	}
}

func (p *Pipeline) report(f camera.Fault) {
	if p.o.Report != nil {
		p.telling.Lock()
		defer p.telling.Unlock()
		p.o.Report(f)
	}
}

func (p *Pipeline) degraded(l Load) {
	if p.o.Degraded != nil {
		p.telling.Lock()
		defer p.telling.Unlock()
		p.o.Degraded(l)
	}
}

// worker runs ready lanes, one at a time, until the pipeline has ended.
func (p *Pipeline) worker() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		l := p.next()
		switch {
		case l != nil:
			l.work()
		case p.ctx.Err() != nil:
			return
		default:
			p.work.Wait()
		}
	}
}

// next returns the ready lane that has had the least work for its weight, or nil. Lanes that want more than there is so get worker time in proportion to their
// weights, whatever a run costs: start-time fair queueing, Goyal, Vin and Cheng, SIGCOMM 1996. p.mu is held.
func (p *Pipeline) next() *lane {
	var best *lane
	for _, c := range p.cameras {
		if c.slot == nil || c.decoding {
			continue
		}
		for _, l := range c.lanes {
			if l.ready && !l.running && !l.paused && p.busy[l.task] < max(l.task.Parallel, 1) && (best == nil || l.virtual < best.virtual) {
				best = l
			}
		}
	}
	return best
}
