package camera

import (
	"context"
	"sync"
	"time"
)

// Fault is one or more faults of a source, reported together.
type Fault struct {
	Source string // its String
	Err    error  // the latest
	Count  int    // how many there were since the report before
}

// Faults passes faults on at most once a second: the first at once, those of the next second together at its end. Many goroutines may share it.
type Faults struct {
	Source string
	Report func(Fault) // called by one goroutine at a time, soon after Add and not within it; nil: faults are only counted

	mu      sync.Mutex // of the fields below; Report runs without it
	calls   sync.Mutex // of Report
	total   uint64
	err     error
	pending int
	timer   *time.Timer // to the next report; nil while none is due
	closed  bool
	quiet   time.Time // until when nothing is passed on
}

// Add counts a fault. It does not wait for Report.
func (f *Faults) Add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total++
	if f.Report == nil || f.closed {
		return
	}
	f.err = err
	f.pending++
	if f.timer == nil {
		f.timer = time.AfterFunc(time.Until(f.quiet), f.flush)
	}
}

// Total is how many faults were added.
func (f *Faults) Total() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}

// Close passes on what is left and waits for it. Faults that are added later are counted only.
func (f *Faults) Close() {
	f.mu.Lock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	f.mu.Unlock()
	f.flush()
}

func (f *Faults) flush() {
	f.calls.Lock()
	defer f.calls.Unlock()
	f.mu.Lock()
	fault := Fault{Source: f.Source, Err: f.err, Count: f.pending}
	f.pending, f.timer, f.err = 0, nil, nil
	f.quiet = time.Now().Add(time.Second)
	f.mu.Unlock()
	if fault.Count > 0 {
		f.Report(fault)
	}
}

type faultsKey struct{}

// WithFaults returns a context in which Warn adds to f.
func WithFaults(ctx context.Context, f *Faults) context.Context {
	return context.WithValue(ctx, faultsKey{}, f)
}

// Warn tells of a fault that the source goes on after: a picture that was cut short, a buffer that the driver flagged. ctx is that of Source.Run. A source
// may call it once a frame: who runs the source passes faults on once a second. Without someone who listens it does nothing.
func Warn(ctx context.Context, err error) {
	if f, ok := ctx.Value(faultsKey{}).(*Faults); ok {
		f.Add(err)
	}
}
