package teach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"

	"github.com/ocellus-vision/ocellus/cmd/internal/examples"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/train/finetune"
)

// Verb is the hidden one by which the program starts itself as Child.
const Verb = "teach-child"

// task is what a child is told on its standard input.
type task struct {
	Model   string `json:"model"` // file
	Kept    string `json:"kept"`  // file of what is kept with it
	Data    string `json:"data"`  // folder of a folder for each class
	Store   string `json:"store"`
	Lesson  int64  `json:"lesson"` // draws what is random
	Memory  int64  `json:"memory"` // bytes
	Threads int    `json:"threads"`
	Version string `json:"version"` // of this program
}

// message is what a child says, one a line.
type message struct {
	Step   int              `json:"step,omitempty"`
	Steps  int              `json:"steps,omitempty"`
	Loss   float64          `json:"loss,omitempty"`
	Left   float64          `json:"left_s,omitempty"`
	Model  int              `json:"model,omitempty"` // number of what was published; 0 with a report: refused
	Report *finetune.Report `json:"report,omitempty"`
	Error  string           `json:"error,omitempty"`
}

// How much is learnt.
const (
	epochs = 20
	batch  = 16
	rate   = 0.01
	margin = 1.0  // points that may be lost of what was known
	least  = 80.0 // percent of a new class
	keep   = 400  // examples of each class
)

// Child fine-tunes, and publishes what passes the gate. It is a process of its own: it ends when its standard input does, which is held open by who started it.
func Child(in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := humble(); err != nil {
		return err
	}
	var t task
	d := json.NewDecoder(in)
	if err := d.Decode(&t); err != nil {
		return fmt.Errorf("the task of a lesson: %w", err)
	}
	go func() {
		io.Copy(io.Discard, in)
		cancel()
	}()
	debug.SetMemoryLimit(t.Memory * 3 / 4)
	var mu sync.Mutex
	e := json.NewEncoder(out)
	say := func(m message) error {
		mu.Lock()
		defer mu.Unlock()
		return e.Encode(m)
	}
	number, report, err := t.run(ctx, func(p train.Progress) {
		if say(message{Step: p.Step, Steps: p.Steps, Loss: p.Loss, Left: p.Left.Seconds()}) != nil {
			cancel()
		}
	})
	if err != nil {
		return say(message{Error: err.Error()})
	}
	return say(message{Model: number, Report: report})
}

// run returns the number under which a network was published, 0 where it was refused.
func (t *task) run(ctx context.Context, progress func(train.Progress)) (int, *finetune.Report, error) {
	c := finetune.Config{Epochs: epochs, Batch: batch, Rate: rate, Margin: margin, Least: least, Keep: keep, Seed: uint64(t.Lesson),
		CacheBytes: t.Memory / 4, CacheDir: t.Store, Threads: t.Threads, Progress: progress, Metadata: map[string]string{"ocellus.version": t.Version}}
	var err error
	if c.Model, err = readModel(t.Model); err != nil {
		return 0, nil, err
	}
	if c.Kept, err = finetune.ReadKept(t.Kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, nil, err
	}
	g, err := onnx.Read(c.Model)
	if err != nil {
		return 0, nil, err
	}
	if c.Card, err = card.FromMeta(g.Meta); err != nil {
		return 0, nil, err
	}
	from, err := examples.Feeder(g, c.Card)
	if err != nil {
		return 0, nil, err
	}
	if c.Data, err = data.OpenFolders(t.Data, from); err != nil {
		return 0, nil, err
	}
	r, err := finetune.Run(ctx, c)
	if err != nil {
		return 0, nil, err
	}
	if len(r.Report.Refused) > 0 {
		return 0, &r.Report, nil
	}
	s, err := finetune.OpenStore(t.Store)
	if err != nil {
		return 0, nil, err
	}
	n, err := s.Publish(r.Model, r.Kept)
	return n, &r.Report, err
}

// rss returns the memory that a process holds, in bytes; 0 where that cannot be told.
func rss(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}
