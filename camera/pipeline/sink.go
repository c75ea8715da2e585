package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// Result is what one task made of one frame.
type Result struct {
	Task  string
	Value any           // what the Runner's New made and its Run filled; undefined where Err is set
	Err   error         // why the task could not work on the frame
	Size  int           // the input size that was used: an index into the task's Sizes
	Took  time.Duration // of the Runner's Run
}

// Event is one frame with the results that were worked out on it: of one task in a live pipeline, of all tasks in their order in a lossless one, of none where
// the scene was still or the camera has no tasks. Who gets it reads it only, until Emit returns or, after Retain, until Release.
type Event struct {
	Camera  string
	Frame   *camera.Frame
	Results []Result
	Still   bool          // the gate let no task see the frame
	Err     error         // why the frame could not be decoded
	Age     time.Duration // from capture to now: when the event was handed to the sinks

	from  *Camera
	lanes []*lane // of Results
	uses  atomic.Int32
}

// Retain makes room for one more Release.
func (e *Event) Retain() { e.uses.Add(1) }

// Release gives up one hold on the event. After the last one its memory is used again.
func (e *Event) Release() {
	switch n := e.uses.Add(-1); {
	case n < 0:
		panic("pipeline: Event: released more often than retained")
	case n == 0:
		e.from.p.mu.Lock()
		defer e.from.p.mu.Unlock()
		e.from.recycle(e)
	}
}

// Sink is where events go: one at a time, in order.
type Sink interface {
	// Emit may take its time: events queue up, and of a live pipeline's the oldest are dropped. It returns soon after ctx ends. An error is reported; in
	// a lossless pipeline it ends all.
	Emit(ctx context.Context, e *Event) error
}

// SinkFunc is a Sink that is one function.
type SinkFunc func(ctx context.Context, e *Event) error

// Emit calls the function.
func (f SinkFunc) Emit(ctx context.Context, e *Event) error { return f(ctx, e) }

// Outlet is a Sink with the queue before it.
type Outlet struct {
	name   string
	sink   Sink
	p      *Pipeline
	faults *camera.Faults
	ages   Histogram
	done   chan struct{}

	mu                         sync.Mutex
	change                     sync.Cond // an event came or went, or closed was set
	ring                       []*Event
	first, queued              int
	closed                     bool
	delivered, dropped, failed uint64
}

func newOutlet(p *Pipeline, name string, depth int, sink Sink) *Outlet {
	o := &Outlet{name: name, sink: sink, p: p, ring: make([]*Event, depth), done: make(chan struct{}),
		faults: &camera.Faults{Source: name, Report: p.report}}
	o.change.L = &o.mu
	go o.run(p.ctx)
	return o
}

// push takes over one hold on e. It waits for room in a lossless pipeline only.
func (o *Outlet) push(e *Event) {
	o.mu.Lock()
	for o.p.o.Lossless && o.queued == len(o.ring) && !o.closed {
		o.change.Wait()
	}
	var old *Event
	switch {
	case o.closed:
		old = e
		o.dropped++
	case o.queued == len(o.ring):
		old = o.pop()
		o.dropped++
		fallthrough
	default:
		o.ring[(o.first+o.queued)%len(o.ring)] = e
		o.queued++
		o.change.Broadcast()
	}
	o.mu.Unlock()
	if old != nil {
		old.Release()
	}
}

// pop takes the oldest event.
func (o *Outlet) pop() *Event {
	e := o.ring[o.first]
	o.ring[o.first] = nil
	o.first = (o.first + 1) % len(o.ring)
	o.queued--
	return e
}

// run emits events until the outlet is closed and empty, or ctx ends.
func (o *Outlet) run(ctx context.Context) {
	defer close(o.done)
	defer o.faults.Close()
	for {
		o.mu.Lock()
		for o.queued == 0 && !o.closed {
			o.change.Wait()
		}
		if o.queued == 0 {
			o.mu.Unlock()
			return
		}
		e := o.pop()
		drop := ctx.Err() != nil
		if drop {
			o.dropped++
		}
		o.change.Broadcast()
		o.mu.Unlock()
		if !drop {
			o.emit(ctx, e)
		}
		e.Release()
	}
}

func (o *Outlet) emit(ctx context.Context, e *Event) {
	err := o.sink.Emit(ctx, e)
	o.ages.Add(time.Since(e.Frame.Time))
	o.mu.Lock()
	if err == nil {
		o.delivered++
	} else {
		o.failed++
	}
	o.mu.Unlock()
	if err != nil {
		o.faults.Add(err)
		if o.p.o.Lossless {
			o.p.fail(err)
		}
	}
}

// close lets the outlet end after what is queued, and takes no more.
func (o *Outlet) close() {
	o.mu.Lock()
	o.closed = true
	o.change.Broadcast()
	o.mu.Unlock()
}

// SinkSummary is what came out of one sink.
type SinkSummary struct {
	Name      string
	Delivered uint64
	Dropped   uint64 // because the sink was slow
	Failed    uint64 // Emit returned an error
	Queued    int    // now
	Ages      Ages   // from capture to the end of Emit
}

// Summary may be called at any time.
func (o *Outlet) Summary() SinkSummary {
	o.mu.Lock()
	defer o.mu.Unlock()
	return SinkSummary{o.name, o.delivered, o.dropped, o.failed, o.queued, o.ages.Snapshot()}
}
