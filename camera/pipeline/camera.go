package pipeline

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// Input is a camera to be added. Only Name and Source must be set.
type Input struct {
	Name    string
	Source  camera.Source // run once: give a *camera.Supervisor where it is to be run again
	Tasks   []*Task       // without any, frames go to the sinks as they are
	Outlets []*Outlet
	Gate    *Gate // of this camera alone; nil: all frames are worked on
	Still   bool  // the frames of a still scene go to the sinks too; in a lossless pipeline they do anyway

	// Decode makes of a frame one that the tasks can read: of JPEG, pixels. It is called once for a frame that a task takes, and returns f with one more hold or
	// another frame, whose Seq, Time and Truth become f's. Of JPEG, Gate looks at what it returns. nil: the tasks read frames as they come.
	Decode func(ctx context.Context, f *camera.Frame) (*camera.Frame, error)
}

// Camera is one camera of a Pipeline.
type Camera struct {
	in     Input
	p      *Pipeline
	ctx    context.Context
	cancel context.CancelFunc
	begun  time.Time
	done   chan struct{}
	err    error // after done
	faults *camera.Faults
	lanes  []*lane
	ages   Histogram
	gating sync.Mutex // of the gate: frames as they come and what Decode makes of others

	// The following belong to p.mu.
	slot                    *camera.Frame // the mailbox
	wanted, taken           bool          // of the frame in it: a task is to run on it, a task has begun
	decoded, decoding       bool          // it has been through Decode, it is in it
	joint                   *Event        // a lossless pipeline's event of the frame in the mailbox
	pending                 int           // results that joint lacks
	events                  []*Event      // to be used again
	frames, lost, last      uint64        // frames that came; those that the source dropped; Seq of the last
	worked, dropped         uint64
	skipped, still, emitted uint64
	counted                 uint64  // frames that were not still when the controller last looked
	offered                 float64 // such frames a second, smoothed
	ended                   time.Time
}

// Done is closed when the camera has ended: its source and all work on its frames.
func (c *Camera) Done() <-chan struct{} { return c.done }

// Err is why the source failed, after Done: nil when it came to its end or was told to stop.
func (c *Camera) Err() error { return c.err }

// run runs the source, waits for the tasks and tidies up.
func (c *Camera) run() {
	defer close(c.done)
	stop := context.AfterFunc(c.ctx, func() {
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		c.p.room.Broadcast()
	})
	defer stop()
	err := c.in.Source.Run(c.ctx, c.put)
	c.p.mu.Lock()
	for c.busy() {
		c.p.room.Wait()
	}
	if err != io.EOF && c.ctx.Err() == nil {
		c.err = err
	}
	c.ended = time.Now()
	c.empty()
	c.p.mu.Unlock()
	c.cancel()
	c.closeLanes()
	c.faults.Close()
}

// busy says whether a task is running or about to. p.mu is held.
func (c *Camera) busy() bool {
	for _, l := range c.lanes {
		if l.running || l.ready && !l.paused && c.slot != nil && c.ctx.Err() == nil {
			return true
		}
	}
	return false
}

func (c *Camera) closeLanes() {
	for _, l := range c.lanes {
		if r, ok := l.runner.(io.Closer); ok {
			if err := r.Close(); err != nil {
				l.faults.Add(err)
			}
		}
		l.faults.Close()
	}
}

// put is the source's sink: the way into the mailbox.
func (c *Camera) put(f *camera.Frame) {
	if f.Time.IsZero() {
		f.Time = time.Now()
	}
	moving := c.packed(f) || c.moving(f)
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.o.Lossless && c.slot != nil && c.ctx.Err() == nil {
		p.room.Wait()
	}
	if p.o.Lossless && c.ctx.Err() != nil {
		f.Release()
		return
	}
	c.arrived(f)
	switch {
	case len(c.lanes) == 0:
		c.emit(c.event(f))
		f.Release()
	case !moving:
		c.still++
		if c.in.Still || p.o.Lossless {
			e := c.event(f)
			e.Still = true
			c.emit(e)
		}
		f.Release()
	default:
		c.post(f)
	}
}

// packed says whether the gate can look at f only after Decode.
func (c *Camera) packed(f *camera.Frame) bool { return f.Format == camera.JPEG && c.in.Decode != nil }

// moving says whether the gate lets f pass.
func (c *Camera) moving(f *camera.Frame) bool {
	if c.in.Gate == nil {
		return true
	}
	c.gating.Lock()
	defer c.gating.Unlock()
	return c.in.Gate.Moving(f)
}

// arrived counts a frame.
func (c *Camera) arrived(f *camera.Frame) {
	if c.frames > 0 && f.Seq > c.last {
		c.lost += f.Seq - c.last - 1
	}
	c.last = f.Seq
	c.frames++
}

// post puts f in the mailbox in the place of what is there, and wakes the workers.
func (c *Camera) post(f *camera.Frame) {
	c.empty()
	c.slot = f
	for _, l := range c.lanes {
		l.offer(f)
		c.wanted = c.wanted || l.ready && !l.paused
	}
	if c.p.o.Lossless {
		c.joint, c.pending = c.event(f), len(c.lanes)
		for _, l := range c.lanes {
			c.joint.add(l, Result{Task: l.task.Name})
		}
	}
	c.p.work.Broadcast()
}

// empty releases the frame in the mailbox and counts what became of it.
func (c *Camera) empty() {
	switch {
	case c.slot == nil:
		return
	case c.taken:
		c.worked++
	case c.wanted:
		c.dropped++
	default:
		c.skipped++
	}
	if c.joint != nil {
		c.recycle(c.joint)
		c.joint = nil
	}
	c.slot.Release()
	c.slot, c.wanted, c.taken, c.decoded = nil, false, false, false
}

// decode takes over a hold on f and returns one on what Decode made of it for l; nil where that failed, or where the gate holds it back.
func (c *Camera) decode(f *camera.Frame, l *lane) *camera.Frame {
	g, err := c.in.Decode(c.ctx, f)
	if err == nil && g != f {
		g.Seq, g.Time, g.Truth = f.Seq, f.Time, f.Truth
	}
	moving := err != nil || !c.packed(f) || c.moving(g)
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	defer f.Release()
	c.decoding = false
	p.work.Broadcast()
	if err != nil {
		c.undecoded(f, err)
		return nil
	}
	if !moving {
		c.rest(f, g, l)
		g.Release()
		return nil
	}
	if c.slot == f {
		g.Retain()
		c.slot, c.decoded = g, true
		if c.joint != nil {
			g.Retain()
			c.joint.Frame.Release()
			c.joint.Frame = g
		}
		f.Release()
	}
	return g
}

// rest lets no lane see f, of which Decode made g for l. Lanes that are due stay so, all of them together, and the next frame is decoded when the lane with the
// shortest period would want one: the first that the gate lets pass is for them all.
func (c *Camera) rest(f, g *camera.Frame, l *lane) {
	next := f.Time.Add(c.shortest())
	l.due = next
	for _, other := range c.lanes {
		if c.slot == f {
			other.ready = false
		}
		if other.due.Before(next) {
			other.due = next
		}
	}
	if c.in.Still || c.p.o.Lossless {
		e := c.event(g)
		e.Still = true
		c.emit(e)
	}
	if c.slot == f {
		c.empty()
	}
	// A lane had begun on it.
	c.worked--
	c.still++
}

// shortest is the shortest period of the lanes that are not paused; 0 where one takes every frame.
func (c *Camera) shortest() time.Duration {
	rate := 0.0
	for _, l := range c.lanes {
		switch {
		case l.paused:
		case l.task.Rate <= 0:
			return 0
		default:
			rate = max(rate, l.task.Rate)
		}
	}
	if rate == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / rate)
}

// undecoded tells of a frame that no task can read.
func (c *Camera) undecoded(f *camera.Frame, err error) {
	if c.ctx.Err() == nil {
		c.faults.Add(err)
	}
	if c.slot != f {
		return
	}
	c.taken = false
	for _, l := range c.lanes {
		l.ready = false
	}
	if c.joint == nil {
		return
	}
	e := c.event(f)
	e.Err = err
	c.emit(e)
	c.empty()
	c.p.room.Broadcast()
}

// deliver hands what a lane made of f to the sinks; in a lossless pipeline when all of the camera's lanes have.
func (c *Camera) deliver(l *lane, f *camera.Frame, r Result) {
	if !c.p.o.Lossless {
		e := c.event(f)
		e.add(l, r)
		c.emit(e)
		return
	}
	c.joint.Results[l.index] = r
	if c.pending--; c.pending > 0 {
		return
	}
	e := c.joint
	c.joint = nil
	c.emit(e)
	c.empty()
}

// event returns an event of f without results, with one hold. p.mu is held.
func (c *Camera) event(f *camera.Frame) *Event {
	var e *Event
	if n := len(c.events); n > 0 {
		e, c.events = c.events[n-1], c.events[:n-1]
	} else {
		e = &Event{from: c, Camera: c.in.Name}
	}
	f.Retain()
	e.Frame = f
	e.uses.Store(1)
	return e
}

func (e *Event) add(l *lane, r Result) {
	e.Results, e.lanes = append(e.Results, r), append(e.lanes, l)
}

// emit takes over the hold on e and gives one to each outlet. It lets go of p.mu meanwhile. What was made while the camera was told to stop is dropped.
func (c *Camera) emit(e *Event) {
	p := c.p
	stopped := c.ctx.Err() != nil
	if !stopped {
		c.emitted++
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	if !stopped {
		e.Age = time.Since(e.Frame.Time)
		c.ages.Add(e.Age)
		for _, o := range c.in.Outlets {
			e.Retain()
			o.push(e)
		}
	}
	e.Release()
}

// recycle takes back an event that all are through with. p.mu is held.
func (c *Camera) recycle(e *Event) {
	e.Frame.Release()
	for i, l := range e.lanes {
		if v := e.Results[i].Value; v != nil {
			l.free = append(l.free, v)
		}
	}
	clear(e.Results)
	e.Results, e.lanes = e.Results[:0], e.lanes[:0]
	e.Frame, e.Still, e.Err, e.Age = nil, false, nil, 0
	c.events = append(c.events, e)
}
