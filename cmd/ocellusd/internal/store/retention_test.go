package store

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// left returns the numbers of the events that are there, and of the snapshots.
func left(t *testing.T, d *DB) (events, pictures []int64) {
	t.Helper()
	list, err := d.Events(t.Context(), Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		events = append(events, e.ID)
	}
	files, err := filepath.Glob(filepath.Join(d.Dir(), snapshots, "*", "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		id, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(f), ".jpg"), 10, 64)
		if err != nil {
			t.Error(err)
		}
		pictures = append(pictures, id)
	}
	slices.Sort(events)
	slices.Sort(pictures)
	return events, pictures
}

// days adds an event with a picture of this size for each day before now, the oldest first.
func days(t *testing.T, d *DB, n, size int) {
	t.Helper()
	for i := range n {
		add(t, d, Event{Time: time.Now().AddDate(0, 0, i-n).Add(time.Hour), Camera: "door", Kind: Loitering}, bytes.Repeat([]byte{'j'}, size))
	}
}

func numbers(from, to int64) []int64 {
	var list []int64
	for i := from; i <= to; i++ {
		list = append(list, i)
	}
	return list
}

func TestPruneByAge(t *testing.T) {
	d := fresh(t)
	days(t, d, 10, 100)
	p, err := d.Prune(t.Context(), Limits{Age: 4 * 24 * time.Hour})
	if err != nil || p.Events != 6 || p.Jumped || p.Tight {
		t.Fatalf("%+v, %v", p, err)
	}
	events, pictures := left(t, d)
	if want := numbers(7, 10); !slices.Equal(events, want) || !slices.Equal(pictures, want) {
		t.Errorf("events %v, pictures %v", events, pictures)
	}
}

func TestPruneByBytes(t *testing.T) {
	d := fresh(t)
	days(t, d, 250, 20000)
	limit := int64(3 << 20)
	p, err := d.Prune(t.Context(), Limits{Bytes: limit})
	if err != nil || p.Bytes > limit {
		t.Fatalf("%+v, %v", p, err)
	}
	events, pictures := left(t, d)
	if !slices.Equal(events, pictures) || len(events) == 0 || !slices.Equal(events, numbers(events[0], 250)) {
		t.Errorf("events %v, pictures %v: not the newest", events, pictures)
	}
	if used, err := d.Used(t.Context()); err != nil || used != p.Bytes {
		t.Errorf("%d bytes in use, %v; Prune said %d", used, err, p.Bytes)
	}
}

// many adds events without pictures, each of which says that it has one of 1000 bytes.
func many(t testing.TB, d *DB, n int) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO events (time, camera, kind, data, snapshot_bytes) SELECT i, 'door', 'loitering', printf('{"text": "%.*c"}', 300, 'x'), 1000 FROM n`, n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPruneOfMany removes many batches in one call, and says how much is left.
func TestPruneOfMany(t *testing.T) {
	const all, gone = 50 * batch, 40 * batch
	d := fresh(t)
	many(t, d, all)
	used, err := d.Used(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Prune(t.Context(), Limits{Bytes: used - gone*1300})
	if err != nil || p.Events < gone*9/10 || p.Events > gone || p.More {
		t.Fatalf("%+v, %v", p, err)
	}
	if used, err = d.Used(t.Context()); err != nil || used != p.Bytes {
		t.Errorf("%d bytes in use, %v; Prune said %d", used, err, p.Bytes)
	}
}

// TestPruneShrinks removes nearly all of a large database, in one call and in calls that have no time: its file becomes small, piece by piece.
func TestPruneShrinks(t *testing.T) {
	for name, limit := range map[string]time.Duration{"at once": 0, "in turns": 1} {
		t.Run(name, func(t *testing.T) {
			d := fresh(t)
			many(t, d, 20000)
			count := func(what string) (n int) {
				t.Helper()
				if err := d.read.QueryRow("SELECT " + what + " FROM pragma_" + what).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			before := count("page_count")
			if before < 2*slack {
				t.Fatalf("%d pages are too few to tell", before)
			}
			if err := d.Write(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec("DELETE FROM events"); return err }); err != nil {
				t.Fatal(err)
			}
			calls := 0
			for more := true; more; calls++ {
				was := count("freelist_count")
				p, err := d.Prune(t.Context(), Limits{Time: limit})
				if err != nil {
					t.Fatal(err)
				}
				more = p.More
				if now := count("freelist_count"); now > slack && (!more || now != was-piece) {
					t.Fatalf("%d pages are unused, before %d; there is more: %v", now, was, more)
				}
			}
			if unused := count("freelist_count"); unused != slack {
				t.Errorf("%d pages are unused, not %d", unused, slack)
			}
			if err := d.emptyLog(t.Context()); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(d.path)
			if err != nil {
				t.Fatal(err)
			}
			if pages := count("page_count"); pages > before-slack/2 || info.Size() != int64(pages*count("page_size")) {
				t.Errorf("of %d pages %d are left in %d bytes", before, pages, info.Size())
			}
			if limit > 0 && calls < 3 {
				t.Errorf("%d calls without time did it", calls)
			}
		})
	}
}

// BenchmarkPrune removes eight batches of events beside more and more others, which may be looked at once.
func BenchmarkPrune(b *testing.B) {
	for _, all := range []int{10, 100, 500} {
		b.Run(strconv.Itoa(all*batch), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				d := fresh(b)
				many(b, d, all*batch)
				used, err := d.Used(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := d.Prune(b.Context(), Limits{Bytes: used - 8*batch*1300}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestPruneInTurns gives Prune no time: each call removes a batch and says that there is more, until all is gone that one call without a bound would remove.
func TestPruneInTurns(t *testing.T) {
	for name, limits := range map[string]Limits{"age": {Age: time.Hour}, "bytes": {Bytes: 1}} {
		t.Run(name, func(t *testing.T) {
			d := fresh(t)
			many(t, d, 3*batch-1)
			limits.Time = 1
			for turn, events := range []int{batch, batch, batch - 1} {
				if p, err := d.Prune(t.Context(), limits); err != nil || p.Events != events || !p.More || p.Tight {
					t.Fatalf("turn %d: %+v, %v", turn, p, err)
				}
			}
			if p, err := d.Prune(t.Context(), limits); err != nil || p.Events != 0 || p.More {
				t.Errorf("%+v, %v: there is nothing left", p, err)
			}
		})
	}
}

// TestPruneForFreeDisk asks for more free disk than there is: what is older than a day goes, the rest stays.
func TestPruneForFreeDisk(t *testing.T) {
	d := fresh(t)
	days(t, d, 5, 100)
	add(t, d, Event{Time: time.Now(), Camera: "door", Kind: Loitering}, []byte("j"))
	p, err := d.Prune(t.Context(), Limits{Reserve: 1 << 62})
	if err != nil || !p.Tight {
		t.Errorf("%+v, %v", p, err)
	}
	if events, _ := left(t, d); !slices.Equal(events, []int64{5, 6}) {
		t.Errorf("%v are left", events)
	}
	if d.Room(1<<62) || !d.Room(1) {
		t.Error("there is room where there is none, or none where there is")
	}
}

// TestStrays leaves pictures of a database that is gone. A new one removes none of them until their time has come, the oldest first.
func TestStrays(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	days(t, d, 10, 1000)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(filepath.Join(dir, File+suffix))
	}
	d = open(t, dir)
	defer d.Close()
	if e := add(t, d, Event{Time: time.Now(), Camera: "door", Kind: Loitering}, make([]byte, 1000)); e.ID != 11 {
		t.Errorf("the number %d was given again", e.ID)
	}
	if _, err := d.Prune(t.Context(), Limits{Age: 100 * 24 * time.Hour, Bytes: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if _, pictures := left(t, d); !slices.Equal(pictures, numbers(1, 11)) {
		t.Errorf("%v are left", pictures)
	}
	if _, err := d.Prune(t.Context(), Limits{Age: 4*24*time.Hour + time.Hour}); err != nil {
		t.Fatal(err)
	}
	_, pictures := left(t, d)
	if len(pictures) == 0 || pictures[0] < 5 || !slices.Equal(pictures, numbers(pictures[0], 11)) {
		t.Errorf("%v are left after 4 days", pictures)
	}
	used, err := d.Used(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Prune(t.Context(), Limits{Bytes: used - 2500}); err != nil {
		t.Fatal(err)
	}
	if _, now := left(t, d); !slices.Equal(now, pictures[3:]) {
		t.Errorf("%v are left of %v after 3000 bytes had to go", now, pictures)
	}
}

// TestClockThatJumps sets the clock ahead by years, while the program runs and while it does not: nothing is removed for its age before a day has gone by.
func TestClockThatJumps(t *testing.T) {
	now := time.Now()
	var c clock
	for i, x := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"the first look ever", now, true},
		{"a minute later", now.Add(time.Minute), true},
		{"set back by an hour", back(now.Add(2*time.Minute), -time.Hour), true},
	} {
		if got := c.trusted(x.now); got != x.want {
			t.Errorf("%d, %s: %v", i, x.name, got)
		}
	}
	later := clock{wall: now.Add(-40 * 24 * time.Hour)}
	if later.trusted(now) {
		t.Error("off for 40 days, and at once trusted")
	}
	if later.trusted(now.Add(23*time.Hour)) || !later.trusted(now.Add(25*time.Hour)) {
		t.Error("not trusted after a day, or before")
	}

	d := fresh(t)
	days(t, d, 3, 10)
	if err := d.SetSetting(t.Context(), clockSetting, now.Add(-1000*24*time.Hour).UTC().Format(time.RFC3339)); err != nil {
		t.Fatal(err)
	}
	p, err := d.Prune(t.Context(), Limits{Age: time.Hour})
	if err != nil || !p.Jumped || p.Events != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestJumpOutlivesRestarts looks at the clock of a device that is off every night, after it was off for a weekend.
func TestJumpOutlivesRestarts(t *testing.T) {
	const hour = time.Hour
	friday := time.Now()
	for name, looks := range map[string][]struct {
		after   time.Duration // since Friday evening
		restart bool
		want    bool
	}{
		"off for a weekend, then every night": {{0, false, true}, {60 * hour, true, false}, {74 * hour, false, false}, {83 * hour, true, false}, {85 * hour, false, true},
			{86 * hour, true, true}},
		"off for a day and more meanwhile": {{0, false, true}, {60 * hour, true, false}, {83 * hour, false, false}, {108 * hour, true, false}, {131 * hour, false, false},
			{133 * hour, false, true}},
		"set back at a start": {{0, false, true}, {60 * hour, true, false}, {72 * hour, false, false}, {62 * hour, true, false}, {73 * hour, false, false},
			{75 * hour, false, true}},
		"as if there had been no jump": {{0, false, true}, {1000 * hour, true, false}, {1 * hour, true, true}, {2 * hour, true, true}, {60 * hour, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := open(t, dir)
			for _, x := range looks {
				if x.restart {
					if err := d.Close(); err != nil {
						t.Fatal(err)
					}
					d = open(t, dir)
				}
				if got, err := d.trusted(t.Context(), friday.Add(x.after)); got != x.want || err != nil {
					t.Errorf("after %v: %v, %v", x.after, got, err)
				}
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// back returns a time whose wall clock was set while its monotonic one went on: what the program sees of a clock that is set back cannot be made by hand, so
// that the wall clock alone is taken.
func back(t time.Time, by time.Duration) time.Time { return t.Add(by).Round(0) }

func TestBackup(t *testing.T) {
	d := fresh(t)
	e := add(t, d, Event{Time: at, Camera: "door", Kind: Loitering}, nil)
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Copy(t.Context(), d.Dir(), filepath.Join(to, File)); err != nil {
		t.Fatal(err)
	}
	if err := Copy(t.Context(), d.Dir(), filepath.Join(to, File)); err == nil {
		t.Error("a file was written over")
	}
	c := open(t, to)
	defer c.Close()
	if got, err := c.Event(t.Context(), e.ID); err != nil || got.Camera != "door" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestMigrationsHaveNumbersOfTheirOwn(t *testing.T) {
	list, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, entry := range list {
		digits, _, _ := strings.Cut(entry.Name(), "_")
		if _, err := strconv.Atoi(digits); err != nil || len(digits) != 3 || seen[digits] {
			t.Errorf("%s: no number, or one that is there twice", entry.Name())
		}
		seen[digits] = true
	}
	dir := t.TempDir()
	for range 2 { // the second time nothing is left to do
		d := open(t, dir)
		var n int
		if err := d.Read().QueryRow("SELECT count(*) FROM migrations").Scan(&n); err != nil || n != len(list) {
			t.Error(fmt.Sprint(n), err)
		}
		d.Close()
	}
}
