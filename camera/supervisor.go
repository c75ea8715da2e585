package camera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// State is what a Supervisor is about.
type State uint8

const (
	Stopped State = iota // Run has not begun, or has returned
	Opening              // the source runs and has given no frame yet
	Running              // frames come
	Frozen               // none came for too long: the source has been told to stop and has not yet
	Waiting              // until the source is run again
)

var states = [...]string{Stopped: "stopped", Opening: "opening", Running: "running", Frozen: "frozen", Waiting: "waiting"}

func (s State) String() string {
	if int(s) < len(states) {
		return states[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// MarshalText returns the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Status is what a Supervisor tells of its source.
type Status struct {
	State    State
	Since    time.Time // when State began
	Frames   uint64    // given since Run began
	Restarts uint64    // how often the source was run again
	Faults   uint64    // times that it failed, froze or called Warn
	Err      error     // why it stopped last; nil while it never has
	ErrTime  time.Time // when that was
}

// ErrFrozen is the fault of a source that gave no frame for too long.
var ErrFrozen = errors.New("no frame came in time")

// Supervisor is a Source that runs another one again whenever it fails or freezes, later and later while it brings no frames. Its fields are set
// before Run and not changed afterwards; of times and numbers 0 stands for the default.
type Supervisor struct {
	Source Source

	Open    time.Duration // for the first frame to come; 20 s
	Freeze  time.Duration // from one frame to the next; 10 s
	MinWait time.Duration // before the source is run again, twice as long each time; 500 ms
	MaxWait time.Duration // 10 s. A run that gave frames for that long makes the next wait MinWait again
	Tries   int           // runs without any frame so far, after which Run returns the last one's error; 0, or once a frame has come: Run tries for ever

	Report func(Fault) // as in Faults

	running atomic.Bool
	frames  atomic.Uint64
	faults  atomic.Pointer[Faults]
	mu      sync.Mutex
	status  Status
}

// String is the source's.
func (s *Supervisor) String() string { return s.Source.String() }

// Status may be called at any time.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	status.Frames = s.frames.Load()
	if f := s.faults.Load(); f != nil {
		status.Faults = f.Total()
	}
	return status
}

// Run runs the source until ctx ends (nil), the source ends (io.EOF) or Tries is reached (its last error). Seq goes on where the run before ended. A sink that
// does not return counts as no freeze. Run returns after the source has; it panics when it is running already.
func (s *Supervisor) Run(ctx context.Context, sink Sink) error {
	if !s.running.CompareAndSwap(false, true) {
		panic("camera: Supervisor: Run while running")
	}
	defer s.running.Store(false)
	faults := &Faults{Source: s.Source.String(), Report: s.Report}
	defer faults.Close()
	s.begin(faults)
	defer s.set(Stopped)

	ctx = WithFaults(ctx, faults)
	longest := or(s.MaxWait, 10*time.Second)
	shortest := min(or(s.MinWait, 500*time.Millisecond), longest)
	wait, tries, seq := shortest, 0, uint64(0)
	for {
		r := run{supervisor: s, sink: sink, base: seq}
		err := r.run(ctx)
		seq = r.next
		switch {
		case err == io.EOF:
			return io.EOF
		case ctx.Err() != nil:
			return nil
		case err == nil:
			err = errors.New("the source stopped without being told to")
		}
		faults.Add(err)
		s.failed(err)
		if tries++; s.Tries > 0 && tries >= s.Tries && s.frames.Load() == 0 {
			return err
		}
		if r.healthy >= longest {
			wait = shortest
		}
		s.set(Waiting)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait/2 + rand.N(wait/2+1)):
		}
		wait = min(2*wait, longest)
		s.mu.Lock()
		s.status.Restarts++
		s.mu.Unlock()
	}
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func (s *Supervisor) begin(faults *Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames.Store(0)
	s.faults.Store(faults)
	s.status = Status{}
}

func (s *Supervisor) set(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.State, s.status.Since = state, time.Now()
}

// opened makes Opening Running.
func (s *Supervisor) opened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.State == Opening {
		s.status.State, s.status.Since = Running, time.Now()
	}
}

func (s *Supervisor) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Err, s.status.ErrTime = err, time.Now()
}

// run is one run of a Supervisor's source.
type run struct {
	supervisor *Supervisor
	sink       Sink
	base, next uint64        // Seq of the first frame if the source counts from 0, and of the frame after the last
	steps      atomic.Uint64 // calls of the sink that began or ended: odd within one
	healthy    time.Duration // from the first frame to the end
}

func (r *run) run(ctx context.Context) error {
	s := r.supervisor
	s.set(Opening)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := make(chan error, 1)
	go func() { watch <- r.watch(ctx, cancel) }()
	r.next = r.base
	var first time.Time
	err := s.Source.Run(ctx, func(f *Frame) {
		if r.steps.Add(1) == 1 {
			first = time.Now()
			s.opened()
		}
		s.frames.Add(1)
		f.Seq += r.base
		r.next = f.Seq + 1
		r.sink(f)
		r.steps.Add(1)
	})
	cancel()
	if !first.IsZero() {
		r.healthy = time.Since(first)
	}
	frozen := <-watch
	switch {
	case frozen == nil || err == io.EOF:
		return err
	case err == nil || errors.Is(err, context.Canceled):
		return frozen
	}
	return fmt.Errorf("%w; then %v", frozen, err)
}

// watch cancels the run and returns an error when frames are late. It looks eight times in the time that a frame may take, so that frames need no clock.
func (r *run) watch(ctx context.Context, cancel context.CancelFunc) error {
	s := r.supervisor
	limits := [...]time.Duration{or(s.Open, 20*time.Second), or(s.Freeze, 10*time.Second)}
	look := max(min(limits[0], limits[1])/8, 1)
	tick := time.NewTicker(look)
	defer tick.Stop()
	var last uint64
	var idle time.Duration
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		idle += look
		if now := r.steps.Load(); now != last || now%2 == 1 {
			last, idle = now, 0
		}
		if limit := limits[min(last, 1)]; idle >= limit {
			s.set(Frozen)
			cancel()
			return fmt.Errorf("%w: %v long", ErrFrozen, limit)
		}
	}
}
