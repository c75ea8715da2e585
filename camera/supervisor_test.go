package camera_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// script is a source whose runs are functions, one after the other; the last goes on.
type script struct {
	pool camera.Pool
	runs []func(ctx context.Context, give func(seq uint64)) error
	at   []time.Time // when each run began
}

func (s *script) String() string { return "script" }

func (s *script) Run(ctx context.Context, sink camera.Sink) error {
	n := min(len(s.at), len(s.runs)-1)
	s.at = append(s.at, time.Now())
	return s.runs[n](ctx, func(seq uint64) {
		f := s.pool.Get(1)
		f.Seq = seq
		sink(f)
	})
}

func release(f *camera.Frame) { f.Release() }

func idle(ctx context.Context, _ func(uint64)) error {
	<-ctx.Done()
	return ctx.Err()
}

// watched is a status without its times.
type watched struct {
	state            camera.State
	frames, restarts uint64
	err              error
}

func status(s *camera.Supervisor) watched {
	synctest.Wait()
	st := s.Status()
	return watched{st.State, st.Frames, st.Restarts, st.Err}
}

func TestSupervisorStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("unplugged")
		src := &script{runs: []func(context.Context, func(uint64)) error{
			func(ctx context.Context, give func(uint64)) error { // opens for 1 s, two frames, fails
				time.Sleep(time.Second)
				give(0)
				time.Sleep(time.Second)
				give(5)
				time.Sleep(time.Second)
				return broken
			},
			func(ctx context.Context, give func(uint64)) error { // one frame, freezes, takes 1 s to stop
				give(0)
				<-ctx.Done()
				time.Sleep(time.Second)
				return ctx.Err()
			},
			idle,
		}}
		var seqs []uint64
		s := &camera.Supervisor{Source: src, Freeze: 4 * time.Second, Open: 8 * time.Second, MinWait: time.Second, MaxWait: time.Minute}
		if got := s.Status(); got != (camera.Status{}) {
			t.Errorf("before Run: %+v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, func(f *camera.Frame) { seqs = append(seqs, f.Seq); f.Release() }) }()

		check := func(when string, want watched) {
			t.Helper()
			if got := status(s); got.state != want.state || got.frames != want.frames || got.restarts != want.restarts || !errors.Is(got.err, want.err) {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		check("at the start", watched{camera.Opening, 0, 0, nil})
		time.Sleep(1500 * time.Millisecond)
		check("after a frame", watched{camera.Running, 1, 0, nil})
		time.Sleep(1501 * time.Millisecond) // fails at 3 s; waits 0.5 to 1 s
		check("after it failed", watched{camera.Waiting, 2, 0, broken})
		if since := s.Status().Since; time.Since(since) != time.Millisecond {
			t.Errorf("waiting since %v ago", time.Since(since))
		}
		time.Sleep(time.Second)
		check("after the wait", watched{camera.Running, 3, 1, broken})
		time.Sleep(time.Until(src.at[1].Add(4750 * time.Millisecond)))
		check("without frames for 4.75 s", watched{camera.Frozen, 3, 1, broken})
		time.Sleep(time.Second)
		check("when the frozen run is over", watched{camera.Waiting, 3, 1, camera.ErrFrozen})
		time.Sleep(2 * time.Second)
		check("run again", watched{camera.Opening, 3, 2, camera.ErrFrozen})
		time.Sleep(time.Until(src.at[2].Add(8500 * time.Millisecond)))
		check("never opened", watched{camera.Waiting, 3, 2, camera.ErrFrozen})
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		check("at the end", watched{camera.Stopped, 3, 2, camera.ErrFrozen})
		if want := []uint64{0, 5, 6}; !slices.Equal(seqs, want) {
			t.Errorf("Seq %v, want %v", seqs, want)
		}
		if n := src.pool.Out(); n != 0 {
			t.Errorf("%d frames held", n)
		}
	})
}

// TestSupervisorWaits checks that waits double up to MaxWait, each shortened by at most half, and begin anew after a good run.
func TestSupervisorWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := func(context.Context, func(uint64)) error { return errors.New("busy") }
		src := &script{}
		for range 7 {
			src.runs = append(src.runs, broken)
		}
		src.runs = append(src.runs, func(ctx context.Context, give func(uint64)) error {
			for i := range uint64(9) {
				give(i)
				time.Sleep(time.Second)
			}
			return io.ErrUnexpectedEOF
		}, broken, idle)
		s := &camera.Supervisor{Source: src, MinWait: time.Second, MaxWait: 8 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if err := s.Run(ctx, release); err != nil {
			t.Fatal(err)
		}
		full := []time.Duration{1, 2, 4, 8, 8, 8, 8, 1, 2} // seconds
		whole := 0
		for i, w := range full {
			w *= time.Second
			got := src.at[i+1].Sub(src.at[i])
			if i == 7 {
				got -= 9 * time.Second
			}
			if got < w/2 || got > w {
				t.Errorf("wait %d: %v, want %v to %v", i, got, w/2, w)
			}
			if got == w {
				whole++
			}
		}
		if whole == len(full) {
			t.Error("no jitter")
		}
	})
}

func TestSupervisorEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clip := &script{runs: []func(context.Context, func(uint64)) error{func(_ context.Context, give func(uint64)) error {
			give(0)
			return io.EOF
		}}}
		s := &camera.Supervisor{Source: clip}
		if err := s.Run(t.Context(), release); err != io.EOF {
			t.Errorf("a clip ended with %v", err)
		}
		if st := s.Status(); st.Err != nil || st.Restarts != 0 || st.Frames != 1 || st.State != camera.Stopped {
			t.Errorf("after a clip: %+v", st)
		}

		// An EOF that another error wraps is a connection that broke.
		n := 0
		broken := &script{runs: []func(context.Context, func(uint64)) error{func(context.Context, func(uint64)) error {
			n++
			return fmt.Errorf("run %d: %w", n, io.EOF)
		}}}
		s = &camera.Supervisor{Source: broken, Tries: 3}
		if err := s.Run(t.Context(), release); err == nil || err.Error() != "run 3: EOF" {
			t.Errorf("after three tries: %v", err)
		}
	})
}

// TestSupervisorTries gives up a source that never gave anything, and none that once did.
func TestSupervisorTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := func(context.Context, func(uint64)) error { return errors.New("no") }
		gives := func(_ context.Context, give func(uint64)) error { give(0); return errors.New("cut") }
		never := &script{runs: []func(context.Context, func(uint64)) error{fails, fails, idle}}
		s := &camera.Supervisor{Source: never, Tries: 2}
		if err := s.Run(t.Context(), release); err == nil || len(never.at) != 2 {
			t.Errorf("gave up after %d runs with %v", len(never.at), err)
		}
		once := &script{runs: []func(context.Context, func(uint64)) error{fails, gives, fails, fails, fails, fails, gives, idle}}
		s = &camera.Supervisor{Source: once, Tries: 2}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := s.Run(ctx, release); err != nil || len(once.at) < 8 || s.Status().Frames != 2 {
			t.Errorf("%d runs, %d frames, %v", len(once.at), s.Status().Frames, err)
		}
	})
}

// TestSupervisorSlowSink checks that a sink that blocks does not pass for a frozen source.
func TestSupervisorSlowSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{runs: []func(context.Context, func(uint64)) error{func(ctx context.Context, give func(uint64)) error {
			give(0)
			give(1)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return io.EOF
		}}}
		s := &camera.Supervisor{Source: src, Freeze: time.Second}
		if err := s.Run(t.Context(), func(f *camera.Frame) { time.Sleep(time.Minute); f.Release() }); err != io.EOF || len(src.at) != 1 {
			t.Errorf("%d runs, %v", len(src.at), err)
		}
	})
}

// TestFaults checks that faults are told once a second with their number, and none is lost.
func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		type told struct {
			at    time.Duration
			count int
			err   string
		}
		var got []told
		src := &script{runs: []func(context.Context, func(uint64)) error{func(ctx context.Context, give func(uint64)) error {
			for i := range uint64(25) { // every 100 ms
				camera.Warn(ctx, fmt.Errorf("frame %d cut short", i))
				give(i)
				time.Sleep(100 * time.Millisecond)
			}
			return io.EOF
		}}}
		s := &camera.Supervisor{Source: src, Report: func(f camera.Fault) {
			got = append(got, told{time.Since(start).Round(time.Millisecond), f.Count, f.Err.Error()})
			if f.Source != "script" {
				t.Errorf("source %q", f.Source)
			}
		}}
		if err := s.Run(t.Context(), release); err != io.EOF {
			t.Fatal(err)
		}
		total := 0
		for i, g := range got {
			total += g.count
			if i > 0 && i < len(got)-1 && g.at-got[i-1].at < time.Second {
				t.Errorf("told twice within a second: %+v", got)
			}
		}
		if total != 25 || s.Status().Faults != 25 || len(got) != 4 || got[0] != (told{0, 1, "frame 0 cut short"}) || got[3].err != "frame 24 cut short" {
			t.Errorf("told %+v", got)
		}
		camera.Warn(t.Context(), errors.New("nobody listens"))
	})
}
