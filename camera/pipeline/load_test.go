package pipeline_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ocellus-vision/ocellus/camera/pipeline"
)

// sized returns a task whose cost depends on the input size and may be changed.
func sized(t *testing.T, name string, sizes []int, cost func(size int) time.Duration) *pipeline.Task {
	return &pipeline.Task{Name: name, Sizes: sizes, Open: func(string) (pipeline.Runner, error) {
		return &worker{t: t, last: -1, cost: cost}, nil
	}}
}

// pass lets the pipeline run for some time and come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// steps collects what Degraded is told.
type steps struct {
	start time.Time
	all   []pipeline.Load
	at    []time.Duration
}

func (s *steps) add(l pipeline.Load) {
	s.all, s.at = append(s.all, l), append(s.at, time.Since(s.start))
}

func (s *steps) steps() (n []int) {
	for _, l := range s.all {
		n = append(n, l.Step)
	}
	return n
}

// TestInputsShrink asks for more than there is at full size and less than there is at the next; then the device becomes faster.
func TestInputsShrink(t *testing.T) {
	in(t, func(t *testing.T) {
		var full atomic.Int64
		full.Store(int64(100 * ms))
		said := &steps{start: time.Now()}
		p := pipeline.New(pipeline.Options{Degraded: said.add})
		job := sized(t, "job", []int{640, 320, 160}, func(size int) time.Duration { return time.Duration(full.Load()) >> (2 * size) })
		job.MinRate = 15
		c := add(t, p, pipeline.Input{Name: "door", Source: &ticks{pace: func(int) time.Duration { return time.Second / 30 }}, Tasks: []*pipeline.Task{job}})
		pass(60 * time.Second)
		if got := said.steps(); !slices.Equal(got, []int{1, 2}) {
			t.Fatalf("steps %v at %v", got, said.at)
		}
		if said.at[0] < 3*time.Second || said.at[1] > 10*time.Second {
			t.Errorf("steps at %v", said.at)
		}
		l := p.Summary().Load
		if l.Size != 1 || len(l.Paused) != 0 || l.Demand < 2.9 || l.Demand > 3.1 {
			t.Errorf("%+v", l)
		}
		before := c.Summary()
		pass(10 * time.Second)
		if after := c.Summary(); after.Tasks[0].Size != 1 || after.Tasks[0].Runs-before.Tasks[0].Runs < 299 || after.Dropped != before.Dropped {
			t.Errorf("%+v, ten seconds before %+v", after, before)
		}

		full.Store(int64(24 * ms)) // 72 % of the time at full size
		pass(30 * time.Second)
		if got := said.steps(); !slices.Equal(got, []int{1, 2, 1, 0}) {
			t.Errorf("steps %v at %v", got, said.at)
		}
		if s := c.Summary(); s.Tasks[0].Size != 0 {
			t.Errorf("%+v", s)
		}
		p.Close(t.Context())
	})
}

// TestTasksPause has two tasks of different priority that cannot both have their MinRate, then a camera that becomes slower, then a device that does.
func TestTasksPause(t *testing.T) {
	in(t, func(t *testing.T) {
		said := &steps{start: time.Now()}
		p := pipeline.New(pipeline.Options{Degraded: said.add})
		var slow, every atomic.Int64
		slow.Store(1)
		every.Store(int64(40 * ms))
		first := sized(t, "first", nil, func(int) time.Duration { return time.Duration(slow.Load()) * 40 * ms })
		second := sized(t, "second", nil, func(int) time.Duration { return time.Duration(slow.Load()) * 100 * ms })
		first.Priority, first.MinRate, second.MinRate = 1, 10, 10
		c := add(t, p, pipeline.Input{Name: "door", Source: &ticks{pace: func(int) time.Duration { return time.Duration(every.Load()) }}, Tasks: []*pipeline.Task{second, first}})
		pass(20 * time.Second)
		if l := p.Summary().Load; !slices.Equal(said.steps(), []int{1, 2}) || !slices.Equal(l.Paused, []string{"second"}) {
			t.Fatalf("steps %v, %+v", said.steps(), l)
		}
		before := c.Summary()
		pass(10 * time.Second)
		if s := c.Summary(); s.Tasks[0].Runs != before.Tasks[0].Runs || !s.Tasks[0].Paused || s.Tasks[1].Runs-before.Tasks[1].Runs < 240 {
			t.Errorf("%+v, ten seconds before %+v", s, before)
		}
		every.Store(int64(200 * ms)) // both at 5 a second: 70 % of the time
		pass(30 * time.Second)
		if !slices.Equal(said.steps(), []int{1, 2, 1, 0}) {
			t.Errorf("steps %v", said.steps())
		}
		slow.Store(2) // 140 %: too much for both
		pass(30 * time.Second)
		if !slices.Equal(said.steps(), []int{1, 2, 1, 0, 1, 2}) {
			t.Errorf("steps %v", said.steps())
		}
		slow.Store(1) // the first task's cost tells that the second's is less too
		pass(30 * time.Second)
		if !slices.Equal(said.steps(), []int{1, 2, 1, 0, 1, 2, 1, 0}) {
			t.Errorf("steps %v", said.steps())
		}
		p.Close(t.Context())
	})
}

// TestLoadIsSteady lets the demand be 0.9 and 1.1 of what there is in turn, and 0.7 for a short time: the pipeline steps back once.
func TestLoadIsSteady(t *testing.T) {
	in(t, func(t *testing.T) {
		said := &steps{start: time.Now()}
		p := pipeline.New(pipeline.Options{Degraded: said.add})
		n := 0
		job := sized(t, "job", []int{640, 320}, func(size int) time.Duration {
			n++
			switch {
			case n%300 < 125: // runs, some 5 s
				return 44 * ms
			case n%300 < 250:
				return 36 * ms
			default: // 2 s
				return 28 * ms
			}
		})
		add(t, p, pipeline.Input{Name: "door", Source: &ticks{every: 40 * ms}, Tasks: []*pipeline.Task{job}})
		pass(3 * time.Minute)
		p.Close(t.Context())
		if !slices.Equal(said.steps(), []int{1}) {
			t.Errorf("steps %v at %v", said.steps(), said.at)
		}
	})
}

// TestMinRate has one dear task beside ten cheap ones that would take all there is: it has its MinRate.
func TestMinRate(t *testing.T) {
	in(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Options{})
		cheap, _ := task(t, "cheap", 5*ms)
		dear, _ := task(t, "dear", 100*ms)
		dear.MinRate = 5
		for i := range 10 {
			add(t, p, pipeline.Input{Name: fmt.Sprint(i), Source: &ticks{every: 10 * ms}, Tasks: []*pipeline.Task{cheap}})
		}
		c := add(t, p, pipeline.Input{Name: "dear", Source: &ticks{every: 10 * ms}, Tasks: []*pipeline.Task{dear}})
		pass(10 * time.Second)
		before := c.Summary().Tasks[0].Runs
		pass(50 * time.Second)
		if n := c.Summary().Tasks[0].Runs - before; n < 245 {
			t.Errorf("%d runs in 50 s", n)
		}
		for _, s := range p.Summary().Cameras[:10] {
			if s.Tasks[0].Rate < 8 { // half of the time is theirs: 10 a second each
				t.Errorf("camera %s: %v runs a second", s.Name, s.Tasks[0].Rate)
			}
		}
		p.Close(t.Context())
	})
}

func TestLoadText(t *testing.T) {
	l := pipeline.Load{Demand: 2.5, Step: 3, Size: 1, Paused: []string{"scene"}}
	if got, want := l.String(), "the tasks ask for 250 % of the time there is: they run less often, on smaller inputs, without scene"; got != want {
		t.Errorf("%q", got)
	}
	if got := (pipeline.Load{}).String(); got != "tasks run as often as asked" {
		t.Errorf("%q", got)
	}
}
