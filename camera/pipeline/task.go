package pipeline

import (
	"context"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// Task is what frames are worked into. One Task may serve many cameras. Of numbers 0 stands for the default.
type Task struct {
	Name     string
	Open     func(camera string) (Runner, error) // called once for each camera
	Parallel int                                 // how many of its Runners may run at once; 1

	Rate     float64 // runs a second for each camera at most; 0: every frame
	MinRate  float64 // runs a second for each camera, or as many as frames come, below which the device cannot keep up; 1
	Sizes    []int   // sides in pixels of the inputs that Run may be asked for, largest first; nil: one that cannot change
	Priority int     // when the device cannot keep up, tasks of the lowest are paused first; those of the highest never are
}

// Runner works the frames of one camera: in their order, one at a time. What it remembers from frame to frame, such as tracks, belongs to that camera. One that
// is an io.Closer is closed when the camera is removed.
type Runner interface {
	// New returns a result for Run to fill. Results come back to Run when all sinks are through with them.
	New() any
	// Run replaces what is in result by what f shows. size is an index into the Task's Sizes. f is only read, and not after Run returns.
	Run(ctx context.Context, f *camera.Frame, size int, result any) error
}

// lane is one task for one camera.
type lane struct {
	camera *Camera
	task   *Task
	runner Runner
	index  int // in the camera's tasks
	faults *camera.Faults

	ready, running, paused bool
	due                    time.Time // of capture, from which on a frame is run
	virtual, weight        float64   // seconds of work per weight so far; its share of the workers' time
	size                   int
	free                   []any // results to be used again

	runs, errors uint64
	spent        time.Duration
	costs        []float64 // seconds a run, of each size, smoothed; 0: never run
	before       float64   // the cost when the controller last looked
}

// offer tells the lane of a new frame in the mailbox. p.mu is held.
func (l *lane) offer(f *camera.Frame) {
	p := l.camera.p
	if l.ready || !p.o.Lossless && f.Time.Before(l.due) {
		return
	}
	l.ready = true
	if !l.running {
		l.virtual = max(l.virtual, p.virtual)
	}
}

// work runs the lane on the frame in the mailbox. p.mu is held, but not while the task runs.
func (l *lane) work() {
	c, p := l.camera, l.camera.p
	f := c.slot
	f.Retain()
	c.taken = true
	p.virtual = l.virtual
	p.busy[l.task]++
	l.ready, l.running = false, true
	size, value := l.size, l.value()
	decode := c.in.Decode != nil && !c.decoded
	c.decoding = decode
	p.mu.Unlock()

	if decode {
		f = c.decode(f, l)
	}
	var r Result
	if f != nil {
		start := time.Now()
		err := l.runner.Run(c.ctx, f, size, value)
		r = Result{Task: l.task.Name, Value: value, Err: err, Size: size, Took: time.Since(start)}
		if err != nil && c.ctx.Err() == nil {
			l.faults.Add(err)
		}
	}

	p.mu.Lock()
	if f == nil {
		l.free = append(l.free, value)
	} else {
		l.count(&r)
		l.advance(f)
		c.deliver(l, f, r)
		f.Release()
	}
	l.running = false
	p.busy[l.task]--
	p.work.Broadcast()
	p.room.Broadcast()
}

// value returns a result to be filled.
func (l *lane) value() any {
	if n := len(l.free); n > 0 {
		v := l.free[n-1]
		l.free = l.free[:n-1]
		return v
	}
	return l.runner.New()
}

// count adds a run to the lane's figures.
func (l *lane) count(r *Result) {
	l.runs++
	l.spent += r.Took
	if r.Err != nil {
		l.errors++
	}
	cost := max(r.Took.Seconds(), 1e-6)
	l.virtual += cost / l.weight
	if old := l.costs[r.Size]; old > 0 {
		// The other sizes are not run now: they change as this one does.
		l.scale(1 + float64((cost/old-1)/8))
	} else {
		l.costs[r.Size] = cost
	}
}

func (l *lane) scale(by float64) {
	for i := range l.costs {
		l.costs[i] *= by
	}
}

// advance sets from when on the next frame is due: a period after this one was, so that the mean rate is the task's whatever that of the camera.
func (l *lane) advance(f *camera.Frame) {
	if l.task.Rate <= 0 {
		return
	}
	period := time.Duration(float64(time.Second) / l.task.Rate)
	if l.due = l.due.Add(period); l.due.Before(f.Time) {
		l.due = f.Time.Add(period)
	}
}
