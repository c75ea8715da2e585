package pipeline

import "time"

// Summary is what a pipeline has done so far.
type Summary struct {
	Elapsed time.Duration
	Cameras []CameraSummary
	Sinks   []SinkSummary
	Load    Load
	Ages    Ages // of all events, from capture to the sinks' queues
}

// CameraSummary is what became of one camera's frames: Frames = Worked + Dropped + Skipped + Still, and those on their way.
type CameraSummary struct {
	Name    string
	Frames  uint64  // that came from the source
	Lost    uint64  // that the source itself dropped, by gaps in Seq
	Worked  uint64  // that a task ran on
	Dropped uint64  // that a newer one replaced before a task was free for them
	Skipped uint64  // that no task was due for
	Still   uint64  // that the gate held back
	Events  uint64  // that went to the sinks' queues
	Faults  uint64  // frames that could not be decoded
	Rate    float64 // frames worked on a second
	Ages    Ages
	Tasks   []TaskSummary
	Ended   bool
}

// TaskSummary is what one task did for one camera.
type TaskSummary struct {
	Task   string
	Runs   uint64
	Errors uint64
	Rate   float64       // runs a second over all
	Mean   time.Duration // of a run
	Size   int           // the input size in use
	Paused bool
}

// Summary may be called at any time, after Close too.
func (p *Pipeline) Summary() Summary {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Summary{Elapsed: time.Since(p.begun), Load: p.load.Load}
	s.Load.Paused = append([]string(nil), s.Load.Paused...)
	for _, c := range p.cameras {
		s.Cameras = append(s.Cameras, c.summary())
		s.Ages.add(&c.ages)
	}
	for _, o := range p.outlets {
		s.Sinks = append(s.Sinks, o.Summary())
	}
	return s
}

// Summary may be called at any time, after the camera's end too.
func (c *Camera) Summary() CameraSummary {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.summary()
}

func (c *Camera) summary() CameraSummary {
	elapsed := time.Since(c.begun)
	if !c.ended.IsZero() {
		elapsed = c.ended.Sub(c.begun)
	}
	rate := func(n uint64) float64 {
		if elapsed <= 0 {
			return 0
		}
		return float64(n) / elapsed.Seconds()
	}
	s := CameraSummary{Name: c.in.Name, Frames: c.frames, Lost: c.lost, Worked: c.worked, Dropped: c.dropped, Skipped: c.skipped, Still: c.still,
		Events: c.emitted, Faults: c.faults.Total(), Rate: rate(c.worked), Ages: c.ages.Snapshot(), Ended: !c.ended.IsZero()}
	for _, l := range c.lanes {
		t := TaskSummary{Task: l.task.Name, Runs: l.runs, Errors: l.errors, Rate: rate(l.runs), Size: l.size, Paused: l.paused}
		if l.runs > 0 {
			t.Mean = l.spent / time.Duration(l.runs)
		}
		s.Tasks = append(s.Tasks, t)
	}
	return s
}
