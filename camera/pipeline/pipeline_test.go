package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/pipeline"
)

const ms = time.Millisecond

// TestAges runs a source four times as fast as inference for 10,000 results.
func TestAges(t *testing.T) {
	in(t, func(t *testing.T) {
		const inference, results = 20 * ms, 10000
		src := &ticks{every: 5 * ms}
		job, workers := task(t, "job", inference)
		p := pipeline.New(pipeline.Options{})
		enough := make(chan struct{})
		sink := &log{t: t}
		out := p.AddSink("log", 4, pipeline.SinkFunc(func(ctx context.Context, e *pipeline.Event) error {
			if len(sink.seqs) == results {
				return nil
			}
			if sink.Emit(ctx, e); len(sink.seqs) == results {
				close(enough)
			}
			return nil
		}))
		c := add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{job}, Outlets: []*pipeline.Outlet{out}})
		<-enough
		p.Close(t.Context())
		for i, age := range sink.ages {
			if age < inference || age >= 2*inference {
				t.Fatalf("result %d is %v old", i, age)
			}
		}
		if n := len(src.seen); n > 8 {
			t.Errorf("%d frames in memory", n)
		}
		if n := workers["door"].made; n > 4 {
			t.Errorf("%d results in memory", n)
		}
		s := c.Summary()
		if n := src.pool.Out(); n != 0 || s.Frames != s.Worked+s.Dropped || s.Worked < results || s.Dropped < 3*results-10 || s.Lost != 0 {
			t.Errorf("%d frames held; %+v", n, s)
		}
		if a := s.Ages; a.P50 < inference || a.P99 > 2*inference || a.Max > 2*inference || a.Count != s.Events {
			t.Errorf("ages %+v", a)
		}
	})
}

// TestSlowSink blocks one sink for 5 s: it loses events, and nothing else happens.
func TestSlowSink(t *testing.T) {
	in(t, func(t *testing.T) {
		src := &ticks{every: 10 * ms, n: 2000}
		job, _ := task(t, "job", 5*ms)
		p := pipeline.New(pipeline.Options{})
		quick := &log{t: t}
		slow := &log{t: t, stall: func(n int) time.Duration {
			if n == 100 {
				return 5 * time.Second
			}
			return 0
		}}
		a, b := p.AddSink("quick", 4, quick), p.AddSink("slow", 4, slow)
		c := add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{job}, Outlets: []*pipeline.Outlet{a, b}})
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Close(t.Context())
		if src.late != 0 {
			t.Errorf("capture waited %v", src.late)
		}
		if len(quick.seqs) != 2000 || slices.Max(quick.ages) != 5*ms {
			t.Errorf("the other sink got %d events, up to %v old", len(quick.seqs), slices.Max(quick.ages))
		}
		s := b.Summary()
		lost := 2000 - len(slow.seqs)
		if lost < 490 || lost > 500 || s.Dropped != uint64(lost) || s.Delivered != uint64(len(slow.seqs)) || a.Summary().Dropped != 0 {
			t.Errorf("%d events lost: %+v", lost, s)
		}
		// The newest four waited for it; then it is as fast as ever.
		if !slices.IsSorted(slow.seqs) || slow.seqs[100] != 100 || slow.seqs[101] < 590 || slow.seqs[len(slow.seqs)-1] != 1999 {
			t.Errorf("events %v ... after the 5 s", slow.seqs[98:110])
		}
		if n := src.pool.Out(); n != 0 || c.Summary().Dropped != 0 {
			t.Errorf("%d frames held; %+v", n, c.Summary())
		}
	})
}

// TestLossless has tasks slower than the source and a sink slower than both: all is done, in order.
func TestLossless(t *testing.T) {
	for _, workers := range []int{1, 3} {
		in(t, func(t *testing.T) {
			src := &ticks{n: 300}
			one, _ := task(t, "one", 3*ms)
			two, _ := task(t, "two", 7*ms)
			two.Rate = 1
			p := pipeline.New(pipeline.Options{Lossless: true, Workers: workers})
			sink := &log{t: t, stall: func(n int) time.Duration { return time.Duration(n%3) * 10 * ms }}
			var names []string
			out := p.AddSink("log", 2, pipeline.SinkFunc(func(ctx context.Context, e *pipeline.Event) error {
				for _, r := range e.Results {
					names = append(names, r.Task)
				}
				return sink.Emit(ctx, e)
			}))
			c := add(t, p, pipeline.Input{Name: "clip", Source: src, Tasks: []*pipeline.Task{one, two}, Outlets: []*pipeline.Outlet{out}})
			if err := p.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.Close(t.Context())
			if len(sink.seqs) != 300 || len(names) != 600 {
				t.Fatalf("%d events, %d results", len(sink.seqs), len(names))
			}
			for i, seq := range sink.seqs {
				if seq != uint64(i) || names[2*i] != "one" || names[2*i+1] != "two" {
					t.Fatalf("event %d: frame %d, tasks %v", i, seq, names[2*i:2*i+2])
				}
			}
			s := c.Summary()
			if s.Worked != 300 || s.Dropped+s.Skipped+s.Still != 0 || s.Events != 300 || out.Summary().Dropped != 0 || src.pool.Out() != 0 || !s.Ended {
				t.Errorf("%+v; %d frames held", s, src.pool.Out())
			}
			if n := len(src.seen); n > 8 {
				t.Errorf("%d frames in memory", n)
			}
		})
	}
}

// TestFair shares one worker among eight cameras with tasks of very different cost: each gets the same time.
func TestFair(t *testing.T) {
	in(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Options{})
		costs := []time.Duration{5 * ms, 20 * ms, 80 * ms}
		var tasks []*pipeline.Task
		for _, cost := range costs {
			job, _ := task(t, cost.String(), cost)
			job.MinRate = 0.01
			tasks = append(tasks, job)
		}
		for i := range 8 {
			add(t, p, pipeline.Input{Name: fmt.Sprint(i), Source: &ticks{every: time.Duration(20+i) * ms}, Tasks: tasks})
		}
		const length = 120 * time.Second
		pass(length)
		share := length / time.Duration(8*len(costs))
		for _, c := range p.Summary().Cameras {
			for i, task := range c.Tasks {
				// The second of two lanes waits for at most one run of every other, and the first second has its own weights.
				if got := time.Duration(task.Runs) * costs[i]; got < share-time.Second || got > share+time.Second {
					t.Errorf("camera %s, task %s: %v of work, not %v", c.Name, task.Task, got, share)
				}
			}
		}
		p.Close(t.Context())
	})
}

// TestIdleGainsNothing has a camera that gave no frames for a minute: it has no claim to the time that the other had meanwhile.
func TestIdleGainsNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Options{})
		job, _ := task(t, "job", 20*ms)
		busy := add(t, p, pipeline.Input{Name: "busy", Source: &ticks{every: 10 * ms}, Tasks: []*pipeline.Task{job}})
		idle := add(t, p, pipeline.Input{Name: "idle", Source: &ticks{pace: func(i int) time.Duration {
			if i == 0 {
				return time.Minute
			}
			return 10 * ms
		}}, Tasks: []*pipeline.Task{job}})
		pass(time.Minute)
		before := [2]uint64{busy.Summary().Tasks[0].Runs, idle.Summary().Tasks[0].Runs}
		pass(10 * time.Second)
		for i, c := range []*pipeline.Camera{busy, idle} {
			if n := c.Summary().Tasks[0].Runs - before[i]; n < 220 || n > 280 {
				t.Errorf("camera %d: %d of 500 runs", i, n)
			}
		}
		p.Close(t.Context())
	})
}

// TestParallel counts how many runs of one task there are at once.
func TestParallel(t *testing.T) {
	for _, parallel := range []int{0, 1, 2} {
		in(t, func(t *testing.T) {
			var now, most atomic.Int32
			job := sized(t, "job", nil, func(int) time.Duration {
				most.Store(max(most.Load(), now.Add(1)))
				time.AfterFunc(10*ms, func() { now.Add(-1) })
				return 10*ms + 1
			})
			job.Parallel = parallel
			p := pipeline.New(pipeline.Options{Workers: 3})
			for i := range 3 {
				add(t, p, pipeline.Input{Name: fmt.Sprint(i), Source: &ticks{every: ms}, Tasks: []*pipeline.Task{job}})
			}
			pass(time.Second)
			p.Close(t.Context())
			if want := int32(max(parallel, 1)); most.Load() != want {
				t.Errorf("%d at once, not %d", most.Load(), want)
			}
		})
	}
}

// TestAddRemove adds and removes cameras while another runs below what the device can do: nothing of that one's is lost or late.
func TestAddRemove(t *testing.T) {
	in(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Options{Workers: 2})
		job, workers := task(t, "job", 10*ms)
		job.Parallel = 2
		sink := &log{t: t}
		out := p.AddSink("log", 4, sink)
		steady := &ticks{every: 50 * ms, n: 400}
		c := add(t, p, pipeline.Input{Name: "steady", Source: steady, Tasks: []*pipeline.Task{job}, Outlets: []*pipeline.Outlet{out}})
		for i := range 40 {
			name := fmt.Sprint(i)
			src := &ticks{every: 15 * ms}
			other := add(t, p, pipeline.Input{Name: name, Source: src, Tasks: []*pipeline.Task{job}})
			time.Sleep(333 * ms)
			p.Remove(other)
			if s := other.Summary(); !s.Ended || s.Worked == 0 || src.pool.Out() != 0 || !workers[name].closed || other.Err() != nil {
				t.Fatalf("%+v, %d frames held", s, src.pool.Out())
			}
		}
		<-c.Done()
		p.Close(t.Context())
		if len(sink.seqs) != 400 || slices.Max(sink.ages) > 20*ms {
			t.Errorf("%d events, up to %v old", len(sink.seqs), slices.Max(sink.ages))
		}
		if s := p.Summary(); len(s.Cameras) != 1 || s.Cameras[0].Name != "steady" || steady.pool.Out() != 0 {
			t.Errorf("%+v", s.Cameras)
		}
	})
}

// TestRate checks a task's Rate against a camera that is not a multiple of it.
func TestRate(t *testing.T) {
	in(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Options{})
		job, _ := task(t, "job", ms)
		job.Rate = 7
		c := add(t, p, pipeline.Input{Name: "door", Source: &ticks{every: 33 * ms}, Tasks: []*pipeline.Task{job}})
		time.Sleep(100 * time.Second)
		p.Close(t.Context())
		if s := c.Summary(); s.Tasks[0].Runs < 699 || s.Tasks[0].Runs > 701 || s.Dropped != 0 || s.Skipped+s.Worked != s.Frames {
			t.Errorf("%+v", s)
		}
	})
}

func TestFailures(t *testing.T) {
	in(t, func(t *testing.T) {
		told := map[string]int{}
		p := pipeline.New(pipeline.Options{Report: func(f camera.Fault) { told[f.Source+": "+f.Err.Error()] += f.Count }})
		odd := &worker{t: t, last: -1, fail: func(seq uint64) error {
			if seq%2 == 1 {
				return errors.New("odd")
			}
			return nil
		}}
		job := &pipeline.Task{Name: "job", Open: func(string) (pipeline.Runner, error) { return odd, nil }}
		seen, failed := 0, 0
		out := p.AddSink("sink", 4, pipeline.SinkFunc(func(_ context.Context, e *pipeline.Event) error {
			seen++
			if e.Results[0].Err != nil {
				failed++
			}
			if e.Frame.Seq == 50 {
				return errors.New("disk full")
			}
			return nil
		}))
		src := &ticks{every: 10 * ms, n: 100, end: errors.New("unplugged")}
		c := add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{job}, Outlets: []*pipeline.Outlet{out}})
		if _, err := p.Add(pipeline.Input{Name: "door", Source: &ticks{}}); err == nil {
			t.Error("two cameras of one name")
		}
		bad := &pipeline.Task{Name: "bad", Open: func(string) (pipeline.Runner, error) { return nil, errors.New("no weights") }}
		if _, err := p.Add(pipeline.Input{Name: "yard", Source: &ticks{}, Tasks: []*pipeline.Task{bad}}); err == nil ||
			!strings.Contains(err.Error(), `"yard"`) || !strings.Contains(err.Error(), "bad") || !strings.Contains(err.Error(), "no weights") {
			t.Errorf("a task that does not open: %v", err)
		}
		if err := p.Wait(t.Context()); err == nil || !errors.Is(err, src.end) || c.Err() != src.end {
			t.Errorf("Wait: %v", err)
		}
		p.Close(t.Context())
		if seen != 100 || failed != 50 || !odd.closed {
			t.Errorf("%d events, %d of them failed", seen, failed)
		}
		if told["door/job: odd"] != 50 || told["sink: disk full"] != 1 || len(told) != 2 {
			t.Errorf("told %v", told)
		}
		if s := c.Summary(); s.Tasks[0].Errors != 50 || out.Summary().Failed != 1 || src.pool.Out() != 0 {
			t.Errorf("%+v %+v", s, out.Summary())
		}
		if _, err := p.Add(pipeline.Input{Name: "late", Source: &ticks{}}); err == nil {
			t.Error("a closed pipeline took a camera")
		}
	})
}

// TestLosslessFailure ends a clip when its output cannot be written.
func TestLosslessFailure(t *testing.T) {
	in(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Options{Lossless: true})
		job, _ := task(t, "job", ms)
		full := errors.New("disk full")
		out := p.AddSink("file", 4, pipeline.SinkFunc(func(_ context.Context, e *pipeline.Event) error {
			if e.Frame.Seq >= 10 {
				return full
			}
			return nil
		}))
		src := &ticks{n: 1000}
		c := add(t, p, pipeline.Input{Name: "clip", Source: src, Tasks: []*pipeline.Task{job}, Outlets: []*pipeline.Outlet{out}})
		if err := p.Wait(t.Context()); !errors.Is(err, full) {
			t.Errorf("Wait: %v", err)
		}
		p.Close(t.Context())
		if s := c.Summary(); s.Frames > 30 || src.pool.Out() != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestDecode counts what Decode is asked for: once a frame that is worked on, however many tasks read it.
func TestDecode(t *testing.T) {
	for _, lossless := range []bool{false, true} {
		in(t, func(t *testing.T) {
			var decoded camera.Pool
			calls := map[uint64]int{}
			one, _ := task(t, "one", 3*ms)
			two, _ := task(t, "two", 9*ms)
			p := pipeline.New(pipeline.Options{Workers: 3, Lossless: lossless})
			sink := &log{t: t}
			bad := 0
			out := p.AddSink("log", 8, pipeline.SinkFunc(func(ctx context.Context, e *pipeline.Event) error {
				if e.Err != nil {
					bad++
				} else if e.Frame.Format != camera.RGB {
					t.Errorf("frame %d is %v", e.Frame.Seq, e.Frame.Format)
				}
				return sink.Emit(ctx, e)
			}))
			src := &ticks{every: 10 * ms, n: 101}
			c := add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{one, two}, Outlets: []*pipeline.Outlet{out},
				Decode: func(_ context.Context, f *camera.Frame) (*camera.Frame, error) {
					calls[f.Seq]++
					time.Sleep(ms)
					if f.Seq%10 == 5 {
						return nil, errors.New("cut short")
					}
					g := decoded.Get(3)
					g.Format, g.Data[0] = camera.RGB, f.Data[0]
					return g, nil
				}})
			if err := p.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.Close(t.Context())
			for seq, n := range calls {
				if n != 1 {
					t.Errorf("frame %d decoded %d times", seq, n)
				}
			}
			if n := decoded.Out() + src.pool.Out(); n != 0 || c.Summary().Faults != 10 || len(calls) != 101 {
				t.Errorf("%d frames held, %d decoded, %+v", n, len(calls), c.Summary())
			}
			if lossless && (len(sink.seqs) != 101 || bad != 10 || !slices.IsSorted(sink.seqs)) {
				t.Errorf("%d events, %d bad", len(sink.seqs), bad)
			}
		})
	}
}

// TestWithoutTasks passes frames on as they are.
func TestWithoutTasks(t *testing.T) {
	in(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Options{})
		sink := &log{t: t}
		out := p.AddSink("log", 4, sink)
		src := &ticks{every: ms, n: 50}
		add(t, p, pipeline.Input{Name: "door", Source: src, Outlets: []*pipeline.Outlet{out}})
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.RemoveSink(out)
		p.Close(t.Context())
		if len(sink.seqs) != 50 || src.pool.Out() != 0 {
			t.Errorf("%d events", len(sink.seqs))
		}
	})
}

// TestCloseInTime gives up on a sink that is not through in time and heeds its ctx.
func TestCloseInTime(t *testing.T) {
	in(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Options{})
		out := p.AddSink("hung", 4, pipeline.SinkFunc(func(ctx context.Context, e *pipeline.Event) error {
			<-ctx.Done()
			return ctx.Err()
		}))
		src := &ticks{every: 10 * ms}
		job, _ := task(t, "job", ms)
		add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{job}, Outlets: []*pipeline.Outlet{out}})
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		before := time.Now()
		p.Close(ctx)
		if d := time.Since(before); d != 2*time.Second {
			t.Errorf("closed after %v", d)
		}
		if s := out.Summary(); s.Failed != 1 || s.Dropped < 90 || s.Queued != 0 || src.pool.Out() != 0 {
			t.Errorf("%+v, %d frames held", s, src.pool.Out())
		}
	})
}

// TestRetain keeps an event: its frame and results stay what they were.
func TestRetain(t *testing.T) {
	in(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Options{})
		job, _ := task(t, "job", ms)
		var kept *pipeline.Event
		out := p.AddSink("log", 4, pipeline.SinkFunc(func(_ context.Context, e *pipeline.Event) error {
			if e.Frame.Seq == 7 {
				e.Retain()
				kept = e
			}
			return nil
		}))
		src := &ticks{every: 10 * ms, n: 300}
		add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{job}, Outlets: []*pipeline.Outlet{out}})
		p.Wait(t.Context())
		p.Close(t.Context())
		if v := kept.Results[0].Value.(*found); v.seq != 7 || v.grey != 7 || kept.Frame.Data[0] != 7 || src.pool.Out() != 1 {
			t.Errorf("kept %+v", v)
		}
		kept.Release()
		if src.pool.Out() != 0 {
			t.Error("the frame is still held")
		}
	})
}

// cycle is a source that gives one frame for each message.
type cycle struct {
	pool camera.Pool
	next chan struct{}
}

func (c *cycle) String() string { return "cycle" }

func (c *cycle) Run(ctx context.Context, sink camera.Sink) error {
	var seq uint64
	for range c.next {
		f := c.pool.Get(640 * 480)
		f.Seq, f.Time, f.Width, f.Height, f.Stride, f.Format = seq, time.Now(), 640, 480, 640, camera.Grey
		f.Data[0] = byte(seq)
		seq++
		sink(f)
	}
	return io.EOF
}

// oneByOne returns a function that sends a frame through a gate, two tasks and two sinks and waits until it is out.
func oneByOne(t testing.TB) func() {
	p := pipeline.New(pipeline.Options{Lossless: true, Workers: 2})
	src := &cycle{next: make(chan struct{})}
	out := make(chan struct{})
	var tasks []*pipeline.Task
	for _, name := range []string{"one", "two"} {
		tasks = append(tasks, &pipeline.Task{Name: name, Open: func(string) (pipeline.Runner, error) { return &worker{last: -1}, nil }})
	}
	var outlets []*pipeline.Outlet
	for range 2 {
		outlets = append(outlets, p.AddSink("sink", 4, pipeline.SinkFunc(func(_ context.Context, e *pipeline.Event) error {
			if len(e.Results) != 2 || e.Results[0].Value.(*found).seq != e.Frame.Seq {
				panic("wrong result")
			}
			out <- struct{}{}
			return nil
		})))
	}
	if _, err := p.Add(pipeline.Input{Name: "door", Source: src, Tasks: tasks, Outlets: outlets, Gate: &pipeline.Gate{Hold: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(src.next)
		p.Close(context.Background())
		if n := src.pool.Out(); n != 0 {
			t.Errorf("%d frames held", n)
		}
	})
	return func() {
		src.next <- struct{}{}
		<-out
		<-out
	}
}

func TestNoAllocations(t *testing.T) {
	frame := oneByOne(t)
	for range 100 {
		frame()
	}
	if n := testing.AllocsPerRun(1000, frame); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkFrame(b *testing.B) {
	frame := oneByOne(b)
	for range 100 {
		frame()
	}
	b.ReportAllocs()
	for b.Loop() {
		frame()
	}
}

// TestStress runs cameras, tasks, decoders, gates and sinks on the machine's own clock, while cameras come and go: all that was taken is given back.
func TestStress(t *testing.T) {
	p := pipeline.New(pipeline.Options{Workers: 4})
	var outlets []*pipeline.Outlet
	var kept []*pipeline.Event
	for i := range 3 {
		outlets = append(outlets, p.AddSink(fmt.Sprint(i), 1+i, pipeline.SinkFunc(func(_ context.Context, e *pipeline.Event) error {
			if i == 2 && len(kept) < 100 {
				e.Retain()
				kept = append(kept, e)
			}
			return nil
		})))
	}
	var decoded camera.Pool
	var sources []*ticks
	start := func(i int) *pipeline.Camera {
		src := &ticks{every: 200 * time.Microsecond, width: 16, height: 16, n: []int{0, 100}[i%2]}
		sources = append(sources, src)
		one, _ := task(t, "one", 0)
		two, _ := task(t, "two", 100*time.Microsecond)
		return add(t, p, pipeline.Input{Name: fmt.Sprint(i), Source: src, Tasks: []*pipeline.Task{one, two}, Outlets: outlets, Gate: &pipeline.Gate{},
			Decode: func(_ context.Context, f *camera.Frame) (*camera.Frame, error) {
				if f.Seq%3 == 0 {
					f.Retain()
					return f, nil
				}
				g := decoded.Get(1)
				g.Data[0] = f.Data[0]
				return g, nil
			}})
	}
	var running []*pipeline.Camera
	for i := range 30 {
		running = append(running, start(i))
		time.Sleep(5 * ms)
		p.Summary()
		if len(running) > 8 {
			p.Remove(running[0])
			running = running[1:]
		}
	}
	p.Close(t.Context())
	for _, e := range kept {
		e.Release()
	}
	held := decoded.Out()
	for _, src := range sources {
		held += src.pool.Out()
	}
	if held != 0 || len(kept) == 0 {
		t.Errorf("%d frames held, %d events kept", held, len(kept))
	}
	for _, c := range p.Summary().Cameras {
		if c.Frames != c.Worked+c.Dropped+c.Skipped+c.Still {
			t.Errorf("%+v", c)
		}
	}
}
