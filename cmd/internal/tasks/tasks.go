// Package tasks makes what networks see fit for a pipeline, for people and for programs: each task fills a Result from a frame, and a Result draws
// itself, writes itself as JSON and as text.
package tasks

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/pipeline"
	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/frames"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
)

// Task is something to look for.
type Task struct {
	Name     string
	Priority int      // as in pipeline.Task
	MinRate  float64  // likewise
	Sizes    [][2]int // widths and heights of the inputs that Look may be asked for, largest first; nil: one that cannot change
	// Open returns a Worker for one camera. follow says that frames follow one another in time: things are tracked. Workers of one Task may be used from
	// several goroutines.
	Open func(follow bool) (Worker, error)
}

// Worker looks at the frames of one camera, one at a time.
type Worker interface {
	New() Result
	// Look replaces what is in result, which New made, by what a picture shows. size is an index into the Task's Sizes.
	Look(ctx context.Context, pic kernels.Picture, at time.Time, size int, result Result) error
}

// sizes returns the Sizes of a task that works one network.
func sizes(n *nets.Net) [][2]int {
	var all [][2]int
	for _, p := range n.Programs() {
		all = append(all, nets.Size(p))
	}
	return all
}

// shared are the networks of a task, opened for its first Worker and used by all of them, for one picture at a time: cameras more need no memory for
// networks.
type shared[T any] struct {
	open func() (T, error)

	mu   sync.Mutex // held while a picture is looked at
	nets T
	done bool
}

// get returns the networks.
func (s *shared[T]) get() (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		nets, err := s.open()
		if err != nil {
			return nets, err
		}
		s.nets, s.done = nets, true
	}
	return s.nets, nil
}

// each opens something for each of a network's Programs.
func each[T any](n *nets.Net, open func(*model.Program, card.Card) (T, error)) ([]T, error) {
	var all []T
	for _, p := range n.Programs() {
		x, err := open(p, n.Card)
		if err != nil {
			return nil, wrap(n, err)
		}
		all = append(all, x)
	}
	return all, nil
}

// Result is what a task saw in one picture.
type Result interface {
	// Draw adds what was seen to the picture's layers. steady says that it is one of a clip: what stands beside the picture keeps its size.
	Draw(l *draw.Layers, steady bool)
	// Fields adds the members of a JSON object.
	Fields(o *Object)
	// Line says it in a few words.
	Line() string
	// Rows adds lines of a table.
	Rows(b *strings.Builder)
}

// runner is a Worker in a pipeline.
type runner struct{ w Worker }

// Pipeline returns the task as a pipeline runs it. follow is as in Open.
func (t *Task) Pipeline(follow bool) *pipeline.Task {
	var sides []int
	for _, s := range t.Sizes {
		sides = append(sides, s[0])
	}
	return &pipeline.Task{Name: t.Name, Priority: t.Priority, MinRate: t.MinRate, Sizes: sides, Open: func(string) (pipeline.Runner, error) {
		w, err := t.Open(follow)
		return runner{w}, err
	}}
}

func (r runner) New() any { return r.w.New() }

func (r runner) Run(ctx context.Context, f *camera.Frame, size int, result any) error {
	pic, err := frames.Picture(f)
	if err != nil {
		return err
	}
	return r.w.Look(ctx, pic, f.Time, size, result.(Result))
}

// round cuts a number to this many decimals.
func round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}

// roundBox cuts a box to hundredths of a pixel.
func roundBox(b [4]float64) [4]float64 {
	for i, v := range b {
		b[i] = round(v, 2)
	}
	return b
}
