package teach

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach/teachtest"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/train/finetune"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// childEnv makes the test's program a child of a lesson.
const childEnv = "OCELLUS_TEST_TEACH_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "hang":
		time.Sleep(time.Hour)
	case "glutton":
		b := make([]byte, 320<<20)
		for i := range b {
			b[i] = byte(i)
		}
		time.Sleep(time.Hour)
	case "daemon":
		fmt.Fprintln(os.Stderr, daemon(os.Args[1]))
		os.Exit(1)
	}
	if err := Child(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Getenv(childEnv) == "die" {
		os.Exit(1)
	}
}

type fixture struct {
	*Teacher
	db   *store.DB
	dir  string
	busy atomic.Bool
	mode string

	o Options
}

func fresh(t *testing.T, mode string) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir(), mode: mode}
	db, err := store.Open(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if f.db != nil {
			f.db.Close()
		}
	})
	f.db = db
	f.o = Options{DB: db, Dir: filepath.Join(f.dir, "teach"), Log: slog.New(slog.DiscardHandler), Model: teachtest.Network(t), Memory: 2 << 30, Time: time.Hour, Threads: 1, Busy: f.busy.Load,
		Command: func() *exec.Cmd {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), childEnv+"="+f.mode)
			return c
		}}
	f.open(t)
	return f
}

func (f *fixture) open(t *testing.T) {
	t.Helper()
	var err error
	if f.Teacher, err = Open(t.Context(), f.o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Teacher.Close)
}

// judged adds n examples of each class, of which wrong have the other label.
func (f *fixture) judged(t *testing.T, n int, wrong float64) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(n)))
	first := r.Int64N(1 << 40)
	for i := range 2 * n {
		pic, box := teachtest.Draw(r, i%2 == 0)
		label, err := f.Label((i%2 == 0) != (r.Float64() < wrong), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Learn(t.Context(), first+int64(i), fmt.Sprint("source ", first, i), pic, box, label); err != nil {
			t.Fatal(err)
		}
	}
}

// lesson gives one and returns what came of it.
func (f *fixture) lesson(t *testing.T) Lesson {
	t.Helper()
	id, err := f.Start(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	f.done.Wait()
	list, err := f.History(t.Context(), 10)
	if err != nil || len(list) == 0 || list[0].ID != id {
		t.Fatalf("%+v, %v", list, err)
	}
	return list[0]
}

// right returns how many of 100 new pictures are judged rightly.
func (f *fixture) right(t *testing.T) int {
	t.Helper()
	r := rand.New(rand.NewPCG(9, 9))
	n := 0
	for i := range 100 {
		pic, box := teachtest.Draw(r, i%2 == 0)
		score, _, err := f.Judge(t.Context(), pic, box)
		if err != nil {
			t.Fatal(err)
		}
		if (score >= yes) == (i%2 == 0) {
			n++
		}
	}
	return n
}

// TestLessons teaches a network, offers it wrong examples, and takes the lesson back.
func TestLessons(t *testing.T) {
	if testing.Short() {
		t.Skip("networks are trained, which takes a minute under the race detector")
	}
	f := fresh(t, "learn")
	before := f.right(t)
	pic, box := teachtest.Draw(rand.New(rand.NewPCG(3, 3)), false)
	if _, sure, err := f.Judge(t.Context(), pic, box); !sure || err != nil {
		t.Errorf("before the first lesson somebody is doubted: %v", err)
	}
	var few *FewError
	if _, err := f.Start(t.Context(), "ada"); !errors.As(err, &few) {
		t.Fatalf("without examples: %v", err)
	}
	f.judged(t, 60, 0)
	good := f.lesson(t)
	if good.Outcome != "published" || good.Model != 2 || len(good.Table) < 2 || !(good.Table[0].After > good.Table[0].Before) {
		t.Fatalf("%+v", good)
	}
	after := f.right(t)
	if after < 90 || after <= before {
		t.Errorf("of 100 it judges %d rightly, before %d", after, before)
	}
	if score, sure, err := f.Judge(t.Context(), pic, box); sure || err != nil {
		t.Errorf("what lies there is taken for a person: %g, %v", score, err)
	}

	if err := f.db.Write(t.Context(), forgetExamples); err != nil {
		t.Fatal(err)
	}
	f.judged(t, 40, 0.5)
	bad := f.lesson(t)
	if bad.Outcome != "refused" || bad.Model != 0 || bad.Reason == "" || len(bad.Table) == 0 {
		t.Errorf("half of the labels are wrong: %+v", bad)
	}
	if got := f.right(t); got != after {
		t.Errorf("what was refused has changed the judgement: %d, before %d", got, after)
	}

	if err := f.Activate(t.Context(), "ada", 1); err != nil {
		t.Fatal(err)
	}
	if got := f.right(t); got != before {
		t.Errorf("taken back, it judges %d rightly, before %d", got, before)
	}
	f.open(t)
	if got := f.right(t); got != before {
		t.Errorf("after a start it judges %d rightly, before %d", got, before)
	}
	if err := f.Activate(t.Context(), "ada", 7); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	list, err := f.Versions(t.Context())
	if err != nil || len(list) != 2 || list[0].Number != 2 || list[0].Active || len(list[0].Table) == 0 || !list[1].Active {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := os.Stat(f.folder()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the examples of a lesson lie about: %v", err)
	}
}

// TestKilled kills children at moments drawn at random: the model in force must be whole, and the history say what happened.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("lessons are cut off again and again")
	}
	f := fresh(t, "learn")
	f.judged(t, 40, 0)
	learn := f.o.Command
	var child *exec.Cmd
	f.Teacher.o.Command = func() *exec.Cmd { child = learn(); return child }
	begun := time.Now()
	f.lesson(t)
	whole := time.Since(begun)
	outcomes := map[string]int{}
	r := rand.New(rand.NewPCG(2, 2))
	rounds, bound := soak(t, 8)
	for begun, n := time.Now(), 0; n < rounds && time.Since(begun) < bound; n++ {
		if err := f.Activate(t.Context(), "ada", 1); err != nil {
			t.Fatal(err)
		}
		child = nil
		was := f.now.Load().number
		if _, err := f.Start(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		for f.Job() != nil && (child == nil || child.Process == nil) {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(r.Float64() * 1.2 * float64(whole)))
		if child.Process != nil {
			child.Process.Kill()
		}
		f.done.Wait()
		list, err := f.History(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		l := list[0]
		outcomes[l.Outcome]++
		if l.Outcome == "published" != (f.now.Load().number != was) {
			t.Errorf("%+v, and in force is %d after %d", l, f.now.Load().number, was)
		}
		n, err := f.store.Current()
		if err != nil || n != f.now.Load().number {
			t.Errorf("the store has %d in force, %v", n, err)
		}
		b, err := readModel(f.store.Model(n))
		if err == nil {
			_, err = openWindow(b, n, 1)
		}
		if err != nil {
			t.Errorf("model %d is not whole: %v", n, err)
		}
	}
	t.Log(outcomes)
	if outcomes["failed"] == 0 {
		t.Errorf("no lesson was cut off: %v", outcomes)
	}
}

// TestLastWord lets children die between their last word and their end: what they said holds.
func TestLastWord(t *testing.T) {
	needChildren(t)
	for _, c := range []struct {
		wrong   float64 // share of labels
		outcome string
		model   int
	}{{0, "published", 2}, {0.5, "refused", 1}} {
		f := fresh(t, "die")
		f.judged(t, 40, c.wrong)
		l := f.lesson(t)
		n, err := f.store.Current()
		if l.Outcome != c.outcome || err != nil || n != c.model || f.now.Load().number != c.model || (l.Reason == "") != (c.model == 2) {
			t.Errorf("%+v; the store has %d in force, %v, the teacher %d; want %s and %d", l, n, err, f.now.Load().number, c.outcome, c.model)
		}
	}
}

// daemon adds events to the store in a folder, and says the number of each that is in it, while one lesson after the other is given. It goes on until it fails.
func daemon(dir string) error {
	db, err := store.Open(dir)
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "teach")
	model, err := os.ReadFile(filepath.Join(folder, "models", "0001.onnx"))
	if err != nil {
		return err
	}
	t, err := Open(context.Background(), Options{DB: db, Dir: folder, Log: slog.New(slog.DiscardHandler), Model: model, Memory: 2 << 30, Time: time.Hour, Threads: 1,
		Command: func() *exec.Cmd {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), childEnv+"=learn")
			return c
		}})
	if err != nil {
		return err
	}
	for {
		if t.Job() == nil {
			if err := t.Activate(context.Background(), "ada", 1); err != nil {
				return err
			}
			if _, err := t.Start(context.Background(), "ada"); err != nil {
				return err
			}
		}
		e := store.Event{Time: time.Now(), Camera: "door", Kind: store.Loitering}
		if err := db.AddEvent(context.Background(), &e, nil); err != nil {
			return err
		}
		fmt.Println(e.ID)
		time.Sleep(time.Millisecond)
	}
}

// TestKilledWhilePublishing kills a daemon with its lesson at moments drawn at random from when the folder of models begins to change: between the gate and the
// use of the new model. All models that are there must be whole, one of them in force, and the events that were acknowledged there.
func TestKilledWhilePublishing(t *testing.T) {
	if testing.Short() {
		t.Skip("lessons are cut off again and again")
	}
	needChildren(t)
	f := fresh(t, "learn")
	f.judged(t, 40, 0)
	models := filepath.Dir(f.Teacher.store.Model(1))
	f.shut(t)
	// published lists the files of models, whole or not.
	published := func() []string {
		entries, err := os.ReadDir(models)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, e := range entries {
			if name := e.Name(); strings.HasPrefix(name, ".part-") || strings.HasPrefix(name, "0") {
				list = append(list, name)
			}
		}
		return list
	}
	r := rand.New(rand.NewPCG(3, 3))
	rounds, bound := soak(t, 4)
	ends := map[string]int{}
	for begun, n := time.Now(), 0; n < rounds && time.Since(begun) < bound; n++ {
		before := published()
		last := f.cutOff(t, r, func() bool {
			return slices.ContainsFunc(published(), func(name string) bool { return !slices.Contains(before, name) })
		})
		var err error
		if f.db, err = store.Open(f.dir); err != nil {
			t.Fatal(err)
		}
		f.o.DB = f.db
		if aside := f.db.Aside(); aside != "" {
			t.Errorf("the database was put aside as %s", aside)
		}
		// The numbers of events go on from round to round.
		list, err := f.db.Events(t.Context(), store.Filter{Limit: 1})
		var n int64
		if err == nil {
			err = f.db.Read().QueryRow("SELECT count(*) FROM events").Scan(&n)
		}
		if err != nil || len(list) != 1 || list[0].ID < last || n != list[0].ID {
			t.Errorf("%d events, the last one %+v, %v; %d was acknowledged", n, list, err, last)
		}
		if f.Teacher, err = Open(t.Context(), f.o); err != nil {
			t.Fatal(err)
		}
		numbers, err := f.Teacher.store.Numbers()
		if err != nil || !slices.Contains(numbers, f.now.Load().number) {
			t.Errorf("models %v, in force %d, %v", numbers, f.now.Load().number, err)
		}
		for _, n := range numbers {
			b, err := readModel(f.Teacher.store.Model(n))
			if err == nil {
				_, err = openWindow(b, n, 1)
			}
			if err != nil {
				t.Errorf("model %d is not whole: %v", n, err)
			}
			if _, err := finetune.ReadKept(f.Teacher.store.Kept(n)); err != nil {
				t.Errorf("what is kept with model %d is not whole: %v", n, err)
			}
		}
		after := published()
		switch {
		case f.now.Load().number > 1:
			ends["in force"]++
		case slices.ContainsFunc(after, func(name string) bool { return strings.HasSuffix(name, ".onnx") && !slices.Contains(before, name) }):
			ends["whole, not in force"]++
		default:
			ends["begun"]++
		}
		history, err := f.History(t.Context(), 1)
		if err != nil || len(history) != 1 || history[0].Outcome == "" || history[0].Time.IsZero() {
			t.Errorf("the history ends with %+v, %v", history, err)
		}
		f.shut(t)
	}
	t.Log(ends)
}

// shut closes the teacher and the database.
func (f *fixture) shut(t *testing.T) {
	t.Helper()
	f.Teacher.Close()
	db := f.db
	f.db = nil
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// cutOff runs a daemon, kills it within a fifth of a second of when something is there, and returns the number of the last event that it acknowledged.
func (f *fixture) cutOff(t *testing.T, r *rand.Rand, there func() bool) (last int64) {
	t.Helper()
	d := exec.Command(os.Args[0], f.dir)
	d.Env = append(os.Environ(), childEnv+"=daemon")
	var complaint bytes.Buffer
	d.Stderr = &complaint
	out, err := d.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		for s := bufio.NewScanner(out); s.Scan(); {
			if n, err := strconv.ParseInt(s.Text(), 10, 64); err == nil { // half a line is the end of it
				last = max(last, n)
			}
		}
	}()
	came := false
	for end := time.Now().Add(5 * time.Minute); !came && time.Now().Before(end); came = there() {
		select {
		case <-told:
			end = time.Time{}
		case <-time.After(100 * time.Microsecond):
		}
	}
	time.Sleep(time.Duration(r.Float64() * float64(200*time.Millisecond)))
	d.Process.Kill()
	<-told
	d.Wait()
	if !came {
		t.Fatalf("no lesson was published: %s", complaint.String())
	}
	return last
}

// soak returns how often to kill, and for how long at most: 40 times where OCELLUS_SOAK says for how long.
func soak(t *testing.T, rounds int) (int, time.Duration) {
	t.Helper()
	s := os.Getenv("OCELLUS_SOAK")
	if s == "" {
		return rounds, math.MaxInt64
	}
	bound, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal("OCELLUS_SOAK: ", err)
	}
	return 40, bound
}

// needChildren skips a test where this program cannot start itself.
func needChildren(t *testing.T) {
	t.Helper()
	if err := exec.Command(os.Args[0], "-test.run=^$").Run(); errors.Is(err, syscall.ENOEXEC) {
		t.Skip("the emulated test cannot start a program of its own architecture")
	} else if err != nil {
		t.Fatal(err)
	}
}

// TestBounds stops lessons that hang, and those that take too much memory or time.
func TestBounds(t *testing.T) {
	needChildren(t)
	for _, c := range []struct {
		name, mode, outcome, say string
		change                   func(*fixture)
		stop                     bool
	}{
		{"stopped", "hang", "stopped", "stopped", func(*fixture) {}, true},
		{"time", "hang", "failed", "teach.time", func(f *fixture) { f.Bound(2<<30, time.Second) }, false},
		{"memory", "glutton", "failed", "teach.memory", func(f *fixture) { f.Bound(192<<20, time.Hour) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "memory" && rss(os.Getpid()) == 0 {
				t.Skip("this system does not tell how much memory a process holds")
			}
			f := fresh(t, c.mode)
			f.judged(t, MinExamples, 0)
			c.change(f)
			if c.stop {
				if err := f.Stop(t.Context(), "ada"); !errors.Is(err, ErrIdle) {
					t.Errorf("while nothing runs: %v", err)
				}
				go func() {
					for f.Job() == nil {
						time.Sleep(time.Millisecond)
					}
					if _, err := f.Start(t.Context(), "ada"); !errors.Is(err, ErrRunning) {
						t.Errorf("a second lesson: %v", err)
					}
					if err := f.Activate(t.Context(), "ada", 1); !errors.Is(err, ErrRunning) {
						t.Errorf("a model while a lesson runs: %v", err)
					}
					f.Stop(t.Context(), "ada")
				}()
			}
			if l := f.lesson(t); l.Outcome != c.outcome || !strings.Contains(l.Reason, c.say) {
				t.Errorf("%+v", l)
			}
		})
	}
}

// TestPause lets cameras fall behind while a lesson runs, and stops it then.
func TestPause(t *testing.T) {
	needChildren(t)
	f := fresh(t, "hang")
	f.judged(t, MinExamples, 0)
	f.busy.Store(true)
	if _, err := f.Start(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	state := func(want string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			j := f.Job()
			if j == nil {
				t.Fatalf("the lesson ended before it was %s", want)
			}
			if j.State == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the lesson is %s, not %s", j.State, want)
			}
		}
	}
	state("paused")
	f.busy.Store(false)
	state("running")
	f.busy.Store(true)
	state("paused")
	if err := f.Stop(t.Context(), "ada"); err != nil {
		t.Error(err)
	}
	f.done.Wait()
	list, err := f.History(t.Context(), 1)
	if err != nil || len(list) != 1 || list[0].Outcome != "stopped" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestPausesDoNotCount looks at a lesson at moments of its own clock.
func TestPausesDoNotCount(t *testing.T) {
	busy, halted, stopped := true, false, false
	teacher := &Teacher{o: Options{Busy: func() bool { return busy }}}
	glances, said := make(chan time.Time), make(chan message)
	now := time.Unix(1e9, 0)
	m := &minder{stop: func() { stopped = true; close(said) }, halt: func(stop bool) error { halted = stop; return nil }, rss: func() int64 { return 0 }, begun: now, glances: glances, bounds: bounds{time: 10 * time.Second}}
	ended := make(chan error, 1)
	go func() {
		_, why := teacher.attend(t.Context(), m, said)
		ended <- why
	}()
	pass := func(d time.Duration) { // a message is taken only when the glance before it is over
		now = now.Add(d)
		glances <- now
		said <- message{}
	}
	pass(9 * time.Second)
	if !halted {
		t.Error("it does not give way to cameras")
	}
	pass(20 * time.Second)
	busy = false
	pass(time.Second)
	if !halted {
		t.Error("it goes on before cameras have kept up for a while")
	}
	pass(calm)
	if halted || stopped {
		t.Errorf("halted %v, stopped %v", halted, stopped)
	}
	pass(time.Second)
	if stopped {
		t.Error("a lesson may work for as long as it says")
	}
	now = now.Add(1)
	glances <- now
	if why := <-ended; why == nil || !strings.Contains(why.Error(), "teach.time") || !stopped {
		t.Errorf("%v, stopped %v", why, stopped)
	}
}

// TestRests asks when a lesson gives way.
func TestRests(t *testing.T) {
	now := time.Unix(1e9, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		halted      bool
		since, easy time.Time
		want        bool
	}{
		{false, time.Time{}, ago(time.Hour), false},
		{false, time.Time{}, time.Time{}, true},
		{false, ago(turn - 1), time.Time{}, false}, // its turn is not over
		{false, ago(turn), time.Time{}, true},
		{true, ago(time.Second), time.Time{}, true},
		{true, ago(time.Second), ago(calm - 1), true},
		{true, ago(time.Second), ago(calm), false},
		{true, ago(longest), time.Time{}, false},
	} {
		if got := rests(now, c.halted, c.since, c.easy); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestCutOff opens what a program left that ended in the midst of a lesson.
func TestCutOff(t *testing.T) {
	f := fresh(t, "hang")
	err := f.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO lessons (actor, begun, ended, outcome, before, model, reason, report) VALUES ('ada', 1, 0, 'running', 1, 0, '', '')`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.open(t)
	list, err := f.History(t.Context(), 1)
	if err != nil || len(list) != 1 || list[0].Outcome != "failed" || !strings.Contains(list[0].Reason, "ended") {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestExamples(t *testing.T) {
	f := fresh(t, "learn")
	r := rand.New(rand.NewPCG(4, 4))
	pic, box := teachtest.Draw(r, true)
	for _, b := range [][4]float64{{0, 0, 0, 0}, {math.NaN(), 0, 10, 10}, {0, 0, math.Inf(1), 5}, {1e9, 0, 5, 5}, {-50, 0, 40, 10}, {96, 0, 10, 10}} {
		if err := f.Learn(t.Context(), 1, "", pic, b, Person); !errors.Is(err, errBox) {
			t.Errorf("%v: %v", b, err)
		}
		if _, sure, err := f.Judge(t.Context(), pic, b); sure || err == nil {
			t.Errorf("%v was judged", b)
		}
	}
	var label *LabelError
	if err := f.Learn(t.Context(), 1, "", pic, box, "../../etc"); !errors.As(err, &label) {
		t.Error(err)
	}
	if _, err := f.Label(true, "dog"); !errors.As(err, &label) {
		t.Error(err)
	}
	for _, l := range []string{Person, "background"} {
		if err := f.Learn(t.Context(), 7, "a", pic, [4]float64{-5, -5, 20, 60}, l); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := f.Examples(t.Context()); err != nil || n[Person] != 0 || n["background"] != 1 {
		t.Errorf("an event was judged twice: %v, %v", n, err)
	}
	if err := f.Unlearn(t.Context(), 7); err != nil {
		t.Error(err)
	}
	if n, err := f.Examples(t.Context()); err != nil || n["background"] != 0 {
		t.Errorf("%v, %v", n, err)
	}
}

// TestWindow looks where the pixels of a box are in what the classifier sees.
func TestWindow(t *testing.T) {
	x, err := openWindow(teachtest.Network(t), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	pic := kernels.Picture{Format: kernels.RGB, W: 64, H: 96, Stride: 192, Pix: make([]uint8, 192*96)}
	for y := 20; y < 68; y++ {
		for i := 3 * 24; i < 3*40; i++ {
			pic.Pix[192*y+i] = 255
		}
	}
	part, err := x.crop(pic, [4]float64{24, 20, 16, 48})
	if err != nil || part.W != 16 || part.H != 32 {
		t.Fatalf("%+v, %v", part, err)
	}
	for y := range 32 {
		for i := range 16 {
			inside := i >= 4 && i < 12 && y >= 4 && y < 28
			if got := part.Pix[3*(16*y+i)]; (got == 255) != inside || (got == 0) == inside {
				t.Fatalf("at %d, %d: %d", i, y, got)
			}
		}
	}
}

// TestDefault looks with the classifier in the program.
func TestDefault(t *testing.T) {
	file, err := zoo.Default(zoo.PedestrianWindow)
	if err != nil {
		t.Skip(err)
	}
	x, err := openWindow(file, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	pic, box := teachtest.Draw(rand.New(rand.NewPCG(4, 4)), false)
	if score, err := x.score(t.Context(), pic, box); err != nil || score > yes {
		t.Errorf("what lies there is a person by %g, %v", score, err)
	}
}

func TestUnavailable(t *testing.T) {
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f, err := Open(t.Context(), Options{DB: db, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Why: "this build has none"})
	if err != nil {
		t.Fatal(err)
	}
	var un *UnavailableError
	if _, err := f.Start(t.Context(), "ada"); !errors.As(err, &un) || !strings.Contains(err.Error(), "this build has none") {
		t.Error(err)
	}
	pic, box := teachtest.Draw(rand.New(rand.NewPCG(4, 4)), true)
	if _, sure, err := f.Judge(t.Context(), pic, box); !sure || err != nil {
		t.Errorf("without a classifier somebody is doubted: %v", err)
	}
	if _, err := Open(t.Context(), Options{DB: db, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Model: []byte("no network")}); err == nil {
		t.Error("what is no network was taken")
	}
}

// TestAnotherClassifier starts with other classifiers than lessons began with, in a folder of an earlier version that noted none: each is in force and unjudged, and
// what a lesson made of the one before can be taken up again. Without any nothing is taught.
// TestActivateUnwritten puts a model in force while the database cannot be written to: the one before is in force again, and is so after the next start.
func TestActivateUnwritten(t *testing.T) {
	f := fresh(t, "learn")
	if n, err := f.store.Publish(teachtest.NetworkOf(t, 6), &finetune.Kept{Shape: []int{3, 32, 16}}); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	f.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Activate(ctx, "ada", 1); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "model 2 is in force again") {
		t.Error(err)
	}
	if n, err := f.store.Current(); err != nil || n != 2 || f.now.Load().number != 2 {
		t.Errorf("the store has %d in force, %v; %d judges", n, err, f.now.Load().number)
	}
	f.open(t)
	if x := f.now.Load(); x.number != 2 {
		t.Errorf("after a start %d judges", x.number)
	}
	if err := f.Activate(t.Context(), "ada", 1); err != nil || f.now.Load().number != 1 {
		t.Errorf("%v, %d judges", err, f.now.Load().number)
	}
}

func TestAnotherClassifier(t *testing.T) {
	f := fresh(t, "learn")
	first := f.o.Model
	f.judged(t, 10, 0)
	// A lesson's model.
	if n, err := f.store.Publish(teachtest.NetworkOf(t, 6), &finetune.Kept{Shape: []int{3, 32, 16}}); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if err := os.Remove(filepath.Join(f.o.Dir, basesName)); err != nil {
		t.Fatal(err)
	}
	open := func(model []byte, source string, number int, base bool) {
		t.Helper()
		f.o.Model, f.o.Source = model, source
		for range 2 { // another start changes nothing
			f.open(t)
			if x := f.now.Load(); x.number != number || x.base != base {
				t.Fatalf("in force is %d, base %v; want %d, %v", x.number, x.base, number, base)
			}
		}
		if n, err := f.store.Current(); err != nil || n != number {
			t.Errorf("the store has %d in force, %v", n, err)
		}
		if n, err := f.Examples(t.Context()); err != nil || n[Person] != 10 || n["background"] != 10 {
			t.Errorf("examples: %v, %v", n, err)
		}
	}
	other := teachtest.NetworkOf(t, 7)
	open(first, "", 2, false)
	if err := os.RemoveAll(filepath.Join(f.o.Dir, basesName)); err != nil {
		t.Fatal(err)
	}
	f.o.File = first // an earlier program took no notice of the card beside it
	open(teachtest.NetworkOf(t, 9), "with a card", 2, false)
	f.o.File = nil
	open(other, "", 2, false) // a new program's
	open(other, "b", 3, true)
	pic, box := teachtest.Draw(rand.New(rand.NewPCG(3, 3)), false)
	if _, sure, err := f.Judge(t.Context(), pic, box); !sure || err != nil {
		t.Errorf("before a lesson somebody is doubted: %v", err)
	}
	if err := f.Activate(t.Context(), "ada", 2); err != nil {
		t.Fatal(err)
	}
	open(other, "b", 2, false)
	open(first, "a", 4, true)
	list, err := f.Versions(t.Context())
	if err != nil || len(list) != 4 || !list[0].Base || !list[1].Base || list[2].Base || !list[3].Base {
		t.Errorf("%+v, %v", list, err)
	}

	// One was published and the program killed before that was noted.
	if n, err := f.store.Publish(other, &finetune.Kept{Shape: []int{3, 32, 16}}); err != nil || n != 5 {
		t.Fatal(n, err)
	}
	open(other, "b", 5, true)

	f.o.Model, f.o.Why = nil, "this build has none"
	f.open(t)
	var un *UnavailableError
	if _, err := f.Start(t.Context(), "ada"); !errors.As(err, &un) || !strings.Contains(err.Error(), "this build has none") {
		t.Error(err)
	}
	if err := f.Activate(t.Context(), "ada", 1); !errors.As(err, &un) {
		t.Error(err)
	}
	if _, sure, err := f.Judge(t.Context(), pic, box); !sure || err != nil {
		t.Errorf("without a classifier somebody is doubted: %v", err)
	}
	open(other, "b", 5, true)

	f.o.Model, f.o.Source = []byte("no network"), "c"
	if f.open(t); f.now.Load().number != 5 {
		t.Errorf("with what is no network %d is in force, not 5", f.now.Load().number)
	}
	f.o.Dir = t.TempDir()
	if _, err := Open(t.Context(), f.o); err == nil || !strings.Contains(err.Error(), "the classifier that is taught") {
		t.Errorf("what is no network was taken: %v", err)
	}
}

// TestLessonOfAnother leaves out examples of classes that the classifier does not have.
func TestLessonOfAnother(t *testing.T) {
	f := fresh(t, "learn")
	f.judged(t, 10, 0)
	err := f.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE examples SET label = 'dog' WHERE event = (SELECT min(event) FROM examples)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := f.write(t.Context(), dir, f.Labels()); err != nil {
		t.Fatal(err)
	}
	folders, err := os.ReadDir(dir)
	if err != nil || len(folders) != 2 || folders[0].Name() != "background" || folders[1].Name() != Person {
		t.Errorf("%v, %v", folders, err)
	}
}

// forgetExamples removes them all.
func forgetExamples(tx *sql.Tx) error {
	_, err := tx.Exec(`DELETE FROM examples`)
	return err
}
