// Package teach learns from what people say of events. A classifier looks at each place where somebody was found; what is corrected becomes its examples, and
// lessons make of them a better one, which is put in force only where it is shown to be better, and can be taken back.
package teach

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/train/finetune"
)

// DB is what is asked of the database.
type DB interface {
	Read() *sql.DB
	Write(context.Context, func(*sql.Tx) error) error
}

// Options are those of a Teacher. DB, Dir and Log must be set.
type Options struct {
	DB      DB
	Dir     string // of models and of what lessons need
	Log     *slog.Logger
	Model   []byte        // the classifier that is taught, before any lesson; nil for none
	File    []byte        // the bytes of its file, where the program changed them
	Source  string        // tells it from others that somebody may name; "" for the one in the program, whichever program that is
	Why     string        // why there is none
	Memory  int64         // bytes that a lesson may use
	Time    time.Duration // that it may take, pauses not counted
	Threads int
	Version string           // of this program
	Busy    func() bool      // cameras fall behind: lessons wait; nil for never
	Command func() *exec.Cmd // of the child; nil for this program with Verb
	Now     func() time.Time // nil for the system's clock
}

// Faults that a client can mend.
var (
	ErrRunning = errors.New("a lesson is running already")
	ErrIdle    = errors.New("no lesson is running")
	ErrNone    = errors.New("there is no such model")
)

// UnavailableError says why nothing can be taught.
type UnavailableError struct{ Why string }

func (e *UnavailableError) Error() string { return "nothing can be taught: " + e.Why }

// FewError says that there are too few examples of a class.
type FewError struct {
	Label     string
	Have, Min int
}

func (e *FewError) Error() string {
	return fmt.Sprintf("there are %d examples of %q; a lesson needs %d of each class: judge more events", e.Have, e.Label, e.Min)
}

// LabelError says that a label is none of the classifier's classes.
type LabelError struct {
	Label string
	Known []string
}

func (e *LabelError) Error() string {
	return fmt.Sprintf("%q is none of the classes that are told apart: %q", e.Label, e.Known)
}

const (
	// MinExamples is how many examples of each class a lesson needs.
	MinExamples = 10
	// maxExamples is how many are kept; the oldest go.
	maxExamples = 4000
	// yes is the probability from which on somebody is a person.
	yes = 0.5
)

// Teacher keeps the examples and the classifier, and gives lessons.
type Teacher struct {
	o     Options
	store *finetune.Store
	bases []base // in the order in which they came; not changed after Open
	now   atomic.Pointer[window]

	mu     sync.Mutex
	job    *job // that runs; nil for none
	closed bool
	done   sync.WaitGroup
}

// job is a lesson that runs.
type job struct {
	Job
	stop context.CancelCauseFunc
}

// Job is where a lesson stands.
type Job struct {
	ID       int64     `json:"id"`
	State    string    `json:"state"` // starting, running, paused
	Begun    time.Time `json:"begun"`
	Progress float64   `json:"progress"` // 0..1
	Loss     float64   `json:"loss"`
	Left     float64   `json:"left_s"`
}

// Lesson is one that has ended.
type Lesson struct {
	ID      int64            `json:"id"`
	Time    time.Time        `json:"time"`    // of its end
	Outcome string           `json:"outcome"` // published, refused, failed, stopped
	Model   int              `json:"model,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Table   []finetune.Group `json:"table"` // before and after
}

// Version is a model.
type Version struct {
	Number int
	Active bool
	Base   bool // no lesson made it: lessons began with it
	Time   time.Time
	Table  []finetune.Group // how it compares with the one before; none of a base
}

// Open opens the models in a folder; of lessons that were cut off it notes what came of them. Where o.Model is another than lessons began with, it becomes a model of
// the folder and is in force. Examples stay.
func Open(ctx context.Context, o Options) (*Teacher, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Command == nil {
		o.Command = func() *exec.Cmd {
			self, err := os.Executable()
			if err != nil {
				self = os.Args[0]
			}
			return exec.Command(self, Verb)
		}
	}
	t := &Teacher{o: o}
	var err error
	if t.store, err = finetune.OpenStore(filepath.Join(o.Dir, "models")); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(t.folder()); err != nil {
		return nil, err
	}
	n, err := t.store.Current()
	if err != nil {
		return nil, err
	}
	if err := t.settle(ctx, n); err != nil {
		return nil, err
	}
	if o.Model == nil {
		return t, nil
	}
	if n, err = t.begin(n); err != nil {
		return nil, err
	}
	return t, t.load(n)
}

func (t *Teacher) folder() string { return filepath.Join(t.o.Dir, "lesson") }

// load puts a model to work.
func (t *Teacher) load(n int) error {
	b, err := readModel(t.store.Model(n))
	if err != nil {
		return err
	}
	x, err := openWindow(b, n, t.o.Threads)
	if err != nil {
		return fmt.Errorf("%s: %w", t.store.Model(n), err)
	}
	x.base = t.isBase(n)
	t.now.Store(x)
	return nil
}

// settle ends the lessons that a program before this one left running.
func (t *Teacher) settle(ctx context.Context, current int) error {
	return t.o.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE lessons SET ended = ?, outcome = CASE WHEN before < ? THEN 'published' ELSE 'failed' END, model = CASE WHEN before < ? THEN ? ELSE 0 END,
			reason = CASE WHEN before < ? THEN '' ELSE 'the program ended while it ran' END WHERE ended = 0`, t.o.Now().UnixNano(), current, current, current, current)
		return err
	})
}

// Available returns an *UnavailableError where nothing can be taught.
func (t *Teacher) Available() error {
	if t.now.Load() == nil {
		return &UnavailableError{cmp.Or(t.o.Why, "no classifier is set: name one under teach.model")}
	}
	return nil
}

// Judge says how sure the classifier is that a box of a picture shows a person, and whether that suffices. Until a lesson has made it better it is against nothing.
func (t *Teacher) Judge(ctx context.Context, pic kernels.Picture, box [4]float64) (score float64, sure bool, err error) {
	x := t.now.Load()
	if x == nil {
		return 0, true, nil
	}
	score, err = x.score(ctx, pic, box)
	return score, err == nil && (score >= yes || x.base), err
}

// Labels returns the classes that can be taught.
func (t *Teacher) Labels() []string {
	if x := t.now.Load(); x != nil {
		return slices.Clone(x.labels)
	}
	return nil
}

// Label returns the class that a verdict on somebody who was found stands for: a person, or the first class that is none. label, where it is not "", must be a class.
func (t *Teacher) Label(right bool, label string) (string, error) {
	x := t.now.Load()
	if x == nil {
		return "", t.Available()
	}
	switch {
	case label != "" && !slices.Contains(x.labels, label):
		return "", &LabelError{label, x.labels}
	case label != "":
		return label, nil
	case right:
		return Person, nil
	}
	for _, l := range x.labels {
		if l != Person {
			return l, nil
		}
	}
	return "", &LabelError{"not " + Person, x.labels}
}

// Learn keeps what a box of a picture shows as an example of a class: of the event's number, which has one at most. What was seen at one time by one
// camera has one source.
func (t *Teacher) Learn(ctx context.Context, event int64, source string, pic kernels.Picture, box [4]float64, label string) error {
	x := t.now.Load()
	if x == nil {
		return t.Available()
	}
	if !slices.Contains(x.labels, label) {
		return &LabelError{label, x.labels}
	}
	part, err := x.crop(pic, box)
	if err != nil {
		return err
	}
	b, err := encode(part)
	if err != nil {
		return err
	}
	return t.o.DB.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`INSERT INTO examples (event, label, source, time, crop) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (event) DO UPDATE SET label = excluded.label, source = excluded.source, time = excluded.time, crop = excluded.crop`,
			event, label, source, t.o.Now().UnixNano(), b); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM examples WHERE event NOT IN (SELECT event FROM examples ORDER BY time DESC LIMIT ?)`, maxExamples)
		return err
	})
}

// Unlearn lets go of the example of an event, if there is one. Models that have learnt it stay as they are.
func (t *Teacher) Unlearn(ctx context.Context, event int64) error {
	return t.o.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM examples WHERE event = ?`, event)
		return err
	})
}

// Examples counts them by class.
func (t *Teacher) Examples(ctx context.Context) (map[string]int, error) {
	m := map[string]int{}
	for _, l := range t.Labels() {
		m[l] = 0
	}
	rows, err := t.o.DB.Read().QueryContext(ctx, `SELECT label, count(*) FROM examples GROUP BY label`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var label string
		var n int
		if err := rows.Scan(&label, &n); err != nil {
			return nil, err
		}
		m[label] = n
	}
	return m, rows.Err()
}

// Job returns where the lesson stands that runs; nil for none.
func (t *Teacher) Job() *Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.job == nil {
		return nil
	}
	j := t.job.Job
	return &j
}

// History returns the lessons that have ended, the newest first.
func (t *Teacher) History(ctx context.Context, limit int) ([]Lesson, error) {
	rows, err := t.o.DB.Read().QueryContext(ctx, `SELECT id, ended, outcome, model, reason, report FROM lessons WHERE ended > 0 ORDER BY id DESC LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []Lesson{}
	for rows.Next() {
		l := Lesson{Table: []finetune.Group{}}
		var at int64
		var report string
		if err := rows.Scan(&l.ID, &at, &l.Outcome, &l.Model, &l.Reason, &report); err != nil {
			return nil, err
		}
		l.Time = time.Unix(0, at).UTC()
		if report != "" {
			var r finetune.Report
			if err := json.Unmarshal([]byte(report), &r); err != nil {
				return nil, fmt.Errorf("the report of lesson %d: %w", l.ID, err)
			}
			l.Table = append(append(l.Table, r.Groups...), r.ByClass...)
		}
		list = append(list, l)
	}
	return list, rows.Err()
}

// Versions lists the models, the newest first.
func (t *Teacher) Versions(ctx context.Context) ([]Version, error) {
	numbers, err := t.store.Numbers()
	if err != nil {
		return nil, err
	}
	lessons, err := t.History(ctx, 1000)
	if err != nil {
		return nil, err
	}
	active := 0
	if x := t.now.Load(); x != nil {
		active = x.number
	}
	list := []Version{}
	for _, n := range slices.Backward(numbers) {
		v := Version{Number: n, Active: n == active, Base: t.isBase(n)}
		if info, err := os.Stat(t.store.Model(n)); err == nil {
			v.Time = info.ModTime().UTC()
		}
		for _, l := range lessons {
			if l.Model == n {
				v.Table = l.Table
			}
		}
		list = append(list, v)
	}
	return list, nil
}

// Activate puts a model in force, an earlier one or a later one. Nothing that was seen meanwhile is lost. Where it cannot be written down, the one before is in force
// again.
func (t *Teacher) Activate(ctx context.Context, actor string, n int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.job != nil {
		return ErrRunning
	}
	numbers, err := t.store.Numbers()
	if err != nil {
		return err
	}
	if !slices.Contains(numbers, n) {
		return ErrNone
	}
	if err := t.Available(); err != nil {
		return err
	}
	before := t.now.Load()
	if err := t.load(n); err != nil {
		return err
	}
	if err := t.store.Rollback(n); err != nil {
		t.now.Store(before)
		return err
	}
	err = t.o.DB.Write(ctx, func(tx *sql.Tx) error {
		return audit.Record(tx, actor, "model.activate", "second opinion", fmt.Sprint(n))
	})
	if err == nil {
		return nil
	}
	if back := t.store.Rollback(before.number); back != nil {
		return fmt.Errorf("%w: model %d is in force nevertheless, because the one before, %d, cannot be put back: %w", err, n, before.number, back)
	}
	t.now.Store(before)
	return fmt.Errorf("model %d is in force again: %w", before.number, err)
}

// Close ends the lesson that runs, and waits for that.
func (t *Teacher) Close() {
	t.mu.Lock()
	t.closed = true
	if t.job != nil {
		t.job.stop(errors.New("the program ended while it ran"))
	}
	t.mu.Unlock()
	t.done.Wait()
}
