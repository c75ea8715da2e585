package pipeline_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/pipeline"
)

// ticks is a source of grey frames at an even rate, whose bytes all are the low byte of Seq.
type ticks struct {
	pool          camera.Pool
	every         time.Duration             // 0: as fast as the sink takes them
	pace          func(i int) time.Duration // in the place of every
	draw          func(f *camera.Frame)
	n             int   // frames before the end; 0: until ctx ends
	end           error // what Run returns then
	width, height int

	mu   sync.Mutex
	seen map[*camera.Frame]bool // the frames that the pool gave
	late time.Duration          // the longest that the sink took
}

func (s *ticks) String() string { return "ticks" }

func (s *ticks) Run(ctx context.Context, sink camera.Sink) error {
	s.seen = map[*camera.Frame]bool{}
	for i := 0; s.n == 0 || i < s.n; i++ {
		if ctx.Err() != nil {
			return nil
		}
		f := s.pool.Get(max(s.width, 1) * max(s.height, 1))
		f.Seq, f.Time, f.Width, f.Height, f.Stride, f.Format = uint64(i), time.Now(), max(s.width, 1), max(s.height, 1), max(s.width, 1), camera.Grey
		for j := range f.Data {
			f.Data[j] = byte(i)
		}
		if s.draw != nil {
			s.draw(f)
		}
		s.mu.Lock()
		s.seen[f] = true
		s.mu.Unlock()
		before := time.Now()
		sink(f)
		s.late = max(s.late, time.Since(before))
		every := s.every
		if s.pace != nil {
			every = s.pace(i)
		}
		if every > 0 {
			time.Sleep(every)
		}
	}
	if s.end == nil {
		return io.EOF
	}
	return s.end
}

// found is what a worker makes of a frame.
type found struct {
	seq  uint64
	grey byte
	size int
}

// worker is a Runner that takes a time and reads the frame's Seq.
type worker struct {
	t      *testing.T
	cost   func(size int) time.Duration
	fail   func(seq uint64) error
	made   int // results
	last   int64
	busy   bool
	closed bool
}

func (w *worker) New() any { w.made++; return new(found) }

func (w *worker) Run(ctx context.Context, f *camera.Frame, size int, result any) error {
	if w.busy || int64(f.Seq) <= w.last {
		w.t.Errorf("frame %d after %d, at once: %v", f.Seq, w.last, w.busy)
	}
	w.busy, w.last = true, int64(f.Seq)
	seq := f.Seq
	if w.cost != nil {
		time.Sleep(w.cost(size))
	}
	if f.Seq != seq || f.Data[0] != byte(seq) {
		w.t.Errorf("frame %d changed while a task read it", seq)
	}
	*result.(*found) = found{f.Seq, f.Data[0], size}
	w.busy = false
	if w.fail != nil {
		return w.fail(seq)
	}
	return nil
}

func (w *worker) Close() error { w.closed = true; return nil }

// task makes workers of one cost.
func task(t *testing.T, name string, cost time.Duration) (*pipeline.Task, map[string]*worker) {
	workers := map[string]*worker{}
	return &pipeline.Task{Name: name, Open: func(camera string) (pipeline.Runner, error) {
		w := &worker{t: t, last: -1, cost: func(int) time.Duration { return cost }}
		workers[camera] = w
		return w, nil
	}}, workers
}

// log is a sink that keeps what it saw of events.
type log struct {
	t     *testing.T
	seqs  []uint64
	ages  []time.Duration
	stall func(n int) time.Duration // before the n-th event is through
}

func (l *log) Emit(ctx context.Context, e *pipeline.Event) error {
	if l.stall != nil {
		time.Sleep(l.stall(len(l.seqs)))
	}
	for _, r := range e.Results {
		if v := r.Value.(*found); r.Err == nil && (v.seq != e.Frame.Seq || v.grey != e.Frame.Data[0]) {
			l.t.Errorf("result %+v with frame %d", v, e.Frame.Seq)
		}
	}
	l.seqs = append(l.seqs, e.Frame.Seq)
	l.ages = append(l.ages, e.Age)
	return nil
}

// in runs a test with a clock of its own, which goes on only when all wait.
func in(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func add(t *testing.T, p *pipeline.Pipeline, in pipeline.Input) *pipeline.Camera {
	t.Helper()
	c, err := p.Add(in)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
