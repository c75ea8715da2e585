package teach

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
	"github.com/ocellus-vision/ocellus/model/train/finetune"
)

// glance is how often a lesson's memory is looked at, and whether cameras fall behind.
const glance = 250 * time.Millisecond

// How a lesson gives way to cameras: it goes on once they have kept up for calm. On a device that is always behind it rests for longest, and then works for
// turn, so that it ends some day.
const (
	calm    = 3 * time.Second
	longest = 30 * time.Second
	turn    = 5 * time.Second
)

// rests says whether a lesson gives way now: whether it did, since when that has been so, and since when cameras have kept up; zero while they do not.
func rests(now time.Time, halted bool, since, easy time.Time) bool {
	if halted {
		return now.Sub(since) < longest && (easy.IsZero() || now.Sub(easy) < calm)
	}
	return easy.IsZero() && now.Sub(since) >= turn
}

// Start begins a lesson on the examples that there are now. It returns the lesson's number, and goes on by itself.
func (t *Teacher) Start(ctx context.Context, actor string) (int64, error) {
	if err := t.Available(); err != nil {
		return 0, err
	}
	counts, err := t.Examples(ctx)
	if err != nil {
		return 0, err
	}
	for _, l := range t.Labels() {
		if counts[l] < MinExamples {
			return 0, &FewError{l, counts[l], MinExamples}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return 0, &UnavailableError{"the program is ending"}
	case t.job != nil:
		return 0, ErrRunning
	}
	now := t.o.Now()
	x := t.now.Load()
	var id int64
	err = t.o.DB.Write(ctx, func(tx *sql.Tx) error {
		r, err := tx.Exec(`INSERT INTO lessons (actor, begun, ended, outcome, before, model, reason, report) VALUES (?, ?, 0, 'running', ?, 0, '', '')`, actor, now.UnixNano(), x.number)
		if err != nil {
			return err
		}
		if id, err = r.LastInsertId(); err != nil {
			return err
		}
		return audit.Record(tx, actor, "teach.start", fmt.Sprint("lesson ", id), "")
	})
	if err != nil {
		return 0, err
	}
	work, stop := context.WithCancelCause(context.Background())
	t.job = &job{Job{ID: id, State: "starting", Begun: now.UTC()}, stop}
	bounds := bounds{t.o.Memory, t.o.Time}
	t.done.Go(func() {
		defer stop(nil)
		t.end(id, t.give(work, id, x, bounds))
	})
	return id, nil
}

// bounds are those of a lesson.
type bounds struct {
	memory int64         // bytes; 0 for none
	time   time.Duration // without pauses; 0 for none
}

// Bound sets how much memory, in bytes, and time lessons may take from the next one on.
func (t *Teacher) Bound(memory int64, most time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.o.Memory, t.o.Time = memory, most
}

// errStopped says that somebody stopped a lesson.
var errStopped = errors.New("it was stopped")

// Stop ends the lesson that runs; nothing is changed by it. It fails with ErrIdle where none does.
func (t *Teacher) Stop(ctx context.Context, actor string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.job == nil {
		return ErrIdle
	}
	t.job.stop(errStopped)
	id := t.job.ID
	return t.o.DB.Write(ctx, func(tx *sql.Tx) error { return audit.Record(tx, actor, "teach.stop", fmt.Sprint("lesson ", id), "") })
}

// outcome is what came of a lesson.
type outcome struct {
	what   string
	model  int
	reason string
	report *finetune.Report
}

// end writes down what came of a lesson, and puts to work what it published.
func (t *Teacher) end(id int64, o outcome) {
	if o.model > 0 {
		if err := t.load(o.model); err != nil {
			o.what, o.reason = "failed", err.Error()
		}
	}
	report := ""
	if o.report != nil {
		if b, err := json.Marshal(o.report); err == nil {
			report = string(b)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := t.o.DB.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`UPDATE lessons SET ended = ?, outcome = ?, model = ?, reason = ?, report = ? WHERE id = ?`,
			t.o.Now().UnixNano(), o.what, o.model, o.reason, report, id); err != nil {
			return err
		}
		return audit.Record(tx, "teacher", "teach."+o.what, fmt.Sprint("lesson ", id), o.reason)
	})
	if err != nil {
		t.o.Log.Error("the end of a lesson could not be written down", "lesson", id, "error", err)
	}
	t.o.Log.Info("a lesson has ended", "lesson", id, "outcome", o.what, "model", o.model, "reason", o.reason)
	t.mu.Lock()
	t.job = nil
	t.mu.Unlock()
}

// give writes the examples to a folder and lets a child learn them.
func (t *Teacher) give(ctx context.Context, id int64, x *window, b bounds) outcome {
	failed := func(err error) outcome {
		if cause := context.Cause(ctx); errors.Is(cause, errStopped) {
			return outcome{what: "stopped", reason: cause.Error()}
		} else if cause != nil {
			err = cause
		}
		return outcome{what: "failed", reason: err.Error()}
	}
	defer os.RemoveAll(t.folder())
	data := filepath.Join(t.folder(), "data")
	if err := t.write(ctx, data, x.labels); err != nil {
		return failed(err)
	}
	job := task{Model: t.store.Model(x.number), Kept: t.store.Kept(x.number), Data: data, Store: filepath.Dir(t.store.Model(x.number)), Lesson: id, Memory: b.memory,
		Threads: t.o.Threads, Version: t.o.Version}
	last, err := t.run(ctx, &job, b.time)
	if r := last.Report; r != nil { // it holds, whatever became of the child after this word
		if last.Model == 0 {
			return outcome{what: "refused", reason: strings.Join(r.Refused, "; "), report: r}
		}
		return outcome{what: "published", model: last.Model, report: r}
	}
	switch {
	case err != nil:
	case last.Error != "":
		err = errors.New(last.Error)
	default:
		err = errors.New("the lesson ended without a word")
	}
	// A child may have published and been killed before it said so.
	if n, bad := t.store.Current(); bad == nil && n > x.number {
		return outcome{what: "published", model: n}
	}
	return failed(err)
}

// write writes the examples of some classes as DIR/CLASS/SOURCE/EVENT.png. An earlier classifier may have had other classes.
func (t *Teacher) write(ctx context.Context, dir string, labels []string) error {
	rows, err := t.o.DB.Read().QueryContext(ctx, `SELECT event, label, dense_rank() OVER (ORDER BY source), crop FROM examples ORDER BY event`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var event, source int64
		var label string
		var crop []byte
		if err := rows.Scan(&event, &label, &source, &crop); err != nil {
			return err
		}
		if !slices.Contains(labels, label) {
			continue
		}
		if !filepath.IsLocal(label) || strings.ContainsAny(label, `/\`) {
			return fmt.Errorf("the class %q cannot be a folder", label)
		}
		folder := filepath.Join(dir, label, fmt.Sprint(source))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.png", event)), crop, 0o600); err != nil {
			return err
		}
	}
	return rows.Err()
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (w *tail) Write(p []byte) (int, error) {
	const most = 2048
	w.b = append(w.b, p...)
	w.b = w.b[max(0, len(w.b)-most):]
	return len(p), nil
}

// run starts a child and returns the last thing it said. The child's life is bound to this thread's, which therefore waits for it.
func (t *Teacher) run(ctx context.Context, job *task, most time.Duration) (last message, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	line, err := json.Marshal(job)
	if err != nil {
		return last, err
	}
	cmd := t.o.Command()
	kin(cmd)
	var complaint tail
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		return last, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return last, err
	}
	if err := cmd.Start(); err != nil {
		return last, fmt.Errorf("a lesson could not be started: %w", err)
	}
	if _, err := in.Write(append(line, '\n')); err != nil {
		t.o.Log.Warn("a lesson does not listen", "error", err)
	}
	said := make(chan message, 16)
	go func() {
		defer close(said)
		s := bufio.NewScanner(out)
		s.Buffer(nil, 1<<22)
		for s.Scan() {
			var m message
			if json.Unmarshal(bytes.TrimSpace(s.Bytes()), &m) == nil {
				said <- m
			}
		}
	}()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	last, why := t.attend(ctx, &minder{stop: func() { cmd.Process.Kill() }, halt: func(stop bool) error { return halt(cmd, stop) }, rss: func() int64 { return rss(cmd.Process.Pid) },
		begun: time.Now(), glances: tick.C, bounds: bounds{job.Memory, most}}, said)
	in.Close()
	err = cmd.Wait()
	switch {
	case why != nil:
		return last, why
	case err != nil:
		text := strings.TrimSpace(string(complaint.b))
		if text != "" {
			text = ": " + text
		}
		return last, fmt.Errorf("the lesson was cut off: %w%s", err, text)
	}
	return last, nil
}

// minder is what can be done with a child that was begun at a time, and when it is looked at.
type minder struct {
	stop    func()
	halt    func(bool) error
	rss     func() int64
	begun   time.Time
	glances <-chan time.Time
	bounds
}

// attend listens to a child until it is silent. It is stopped when ctx ends, and where it takes more memory or time than it may; why then says so.
func (t *Teacher) attend(ctx context.Context, m *minder, said <-chan message) (last message, why error) {
	stop := func(err error) {
		if why == nil {
			why = err
			m.stop()
		}
	}
	ended := ctx.Done()
	var worked time.Duration
	before := m.begun
	easy := before // since when cameras keep up
	halted, since := false, time.Time{}
	for {
		select {
		case x, ok := <-said:
			if !ok {
				return last, why
			}
			last = x
			t.note(func(j *Job) {
				if x.Steps > 0 {
					j.State, j.Progress, j.Loss, j.Left = "running", float64(x.Step)/float64(x.Steps), x.Loss, x.Left
				}
			})
		case <-ended:
			ended = nil
			stop(context.Cause(ctx))
		case now := <-m.glances:
			if !halted {
				worked += now.Sub(before)
			}
			before = now
			if n := m.rss(); m.memory > 0 && n > m.memory {
				stop(fmt.Errorf("the lesson took %d MB of memory; it may use %d: raise teach.memory", n/1e6, m.memory/1e6))
			}
			if m.time > 0 && worked > m.time {
				stop(fmt.Errorf("the lesson took longer than %s: raise teach.time", m.time))
			}
			busy := t.o.Busy != nil && t.o.Busy()
			if busy {
				easy = time.Time{}
			} else if easy.IsZero() {
				easy = now
			}
			if rest := rests(now, halted, since, easy); rest != halted && why == nil {
				if err := m.halt(rest); err != nil {
					t.o.Log.Warn("a lesson could not be paused", "error", err)
				}
				halted, since = rest, now
				t.note(func(j *Job) {
					if j.State = "running"; halted {
						j.State = "paused"
					}
				})
			}
		}
	}
}

// note changes what is known of the lesson that runs.
func (t *Teacher) note(f func(*Job)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.job != nil {
		f(&t.job.Job)
	}
}
