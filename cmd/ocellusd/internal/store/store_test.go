package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func open(t testing.TB, dir string) *DB {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fresh returns a database that is closed when the test ends.
func fresh(t testing.TB) *DB {
	t.Helper()
	d := open(t, t.TempDir())
	t.Cleanup(func() { d.Close() })
	return d
}

func add(t *testing.T, d *DB, e Event, jpeg []byte) Event {
	t.Helper()
	if err := d.AddEvent(t.Context(), &e, jpeg); err != nil {
		t.Fatal(err)
	}
	return e
}

var at = time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)

func TestEventComesBack(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	end := at.Add(time.Minute)
	e := add(t, d, Event{Time: at, End: &end, Camera: "door", Kind: FaceKnown, Task: "faces", Zone: "porch", Label: "face", Name: "Ada", Track: 3, Score: 0.5,
		Box: &[4]float64{1, 2, 3.5, 4}, Similarity: 0.75, Data: map[string]any{"stay_s": 1.5}}, []byte("jpeg"))
	if e.ID != 1 || e.Snapshot != "2026-03-04/1.jpg" {
		t.Fatalf("%+v", e)
	}
	bare := add(t, d, Event{Time: at, Camera: "door", Kind: CameraLost}, nil)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir)
	defer d.Close()
	for _, want := range []Event{e, bare} {
		got, err := d.Event(t.Context(), want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v\nwant %+v", got, err, want)
		}
	}
	if b, err := d.Snapshot(t.Context(), e.ID); err != nil || string(b) != "jpeg" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := d.Snapshot(t.Context(), bare.ID); !errors.Is(err, ErrNoEvent) {
		t.Error(err)
	}
	if _, err := d.Event(t.Context(), 7); !errors.Is(err, ErrNoEvent) {
		t.Error(err)
	}
	if err := d.AddEvent(t.Context(), &Event{Time: at, Camera: "door", Kind: "party"}, nil); err == nil {
		t.Error("an unknown kind was taken")
	}
}

func TestFilters(t *testing.T) {
	d := fresh(t)
	for i := range 10 {
		e := Event{Time: at.Add(time.Duration(i) * time.Hour), Camera: []string{"door", "yard"}[i%2], Kind: PedestrianEntered}
		if i%3 == 0 {
			e.Kind, e.Name = FaceKnown, "Ada"
		}
		add(t, d, e, nil)
	}
	for id, verdict := range map[int64]string{2: Right, 5: Wrong} {
		if err := d.SetFeedback(t.Context(), id, verdict); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		f    Filter
		want []int64
	}{
		{Filter{}, []int64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}},
		{Filter{Camera: "door"}, []int64{9, 7, 5, 3, 1}},
		{Filter{Kind: FaceKnown}, []int64{10, 7, 4, 1}},
		{Filter{Name: "Ada", Camera: "yard"}, []int64{10, 4}},
		{Filter{Limit: 3}, []int64{10, 9, 8}},
		{Filter{Limit: 3, Before: 8}, []int64{7, 6, 5}},
		{Filter{Limit: 3, After: 4}, []int64{5, 6, 7}},
		{Filter{Since: at.Add(2 * time.Hour), Until: at.Add(4 * time.Hour)}, []int64{4, 3}},
		{Filter{Feedback: Right}, []int64{2}},
		{Filter{Feedback: "any"}, []int64{5, 2}},
		{Filter{Feedback: "none", Camera: "yard", Limit: 2}, []int64{10, 8}},
		{Filter{Camera: "'; DROP TABLE events; --"}, nil},
	} {
		list, err := d.Events(t.Context(), c.f)
		var got []int64
		for _, e := range list {
			got = append(got, e.ID)
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %v, %v; want %v", c.f, got, err, c.want)
		}
	}
	if err := d.SetFeedback(t.Context(), 77, Right); !errors.Is(err, ErrNoEvent) {
		t.Error(err)
	}
	if err := d.SetFeedback(t.Context(), 1, "maybe"); err == nil {
		t.Error("an unknown verdict was taken")
	}
}

func TestDelete(t *testing.T) {
	d := fresh(t)
	e := add(t, d, Event{Time: at, Camera: "door", Kind: Loitering}, []byte("jpeg"))
	if err := d.DeleteEvent(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteEvent(t.Context(), e.ID); !errors.Is(err, ErrNoEvent) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.Dir(), snapshots, "*")); left != nil {
		t.Errorf("%q are left", left)
	}
	if next := add(t, d, Event{Time: at, Camera: "door", Kind: Loitering}, nil); next.ID != e.ID+1 {
		t.Errorf("the number %d was given again", next.ID)
	}
	if last, err := d.LastEvent(t.Context()); last != e.ID+1 || err != nil {
		t.Error(last, err)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	d := fresh(t)
	if _, err := d.Read().Exec("DELETE FROM events"); err == nil {
		t.Error("a reader deleted events")
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	d := fresh(t)
	oops := errors.New("oops")
	err := d.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.Exec("INSERT INTO settings VALUES ('a', 'b')"); err != nil {
			return err
		}
		return oops
	})
	if !errors.Is(err, oops) {
		t.Fatal(err)
	}
	if v, err := d.Setting(t.Context(), "a"); v != "" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

// TestDamagedDatabase damages the file in several ways. Each time it is put aside with its bytes, said, and a new one begun whose numbers go on.
func TestDamagedDatabase(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"no database": func([]byte) []byte { return []byte(strings.Repeat("this is no database. ", 1000)) },
		"a page":      func(b []byte) []byte { copy(b[4096*2:], bytes.Repeat([]byte{0xa5}, 4096*4)); return b },
		"cut short":   func(b []byte) []byte { return b[:4096*3+100] },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := open(t, dir)
			for i := range 200 {
				add(t, d, Event{Time: at.Add(time.Duration(i) * time.Second), Camera: "door", Kind: Loitering}, []byte("jpeg"))
			}
			if d.Aside() != "" {
				t.Error("a new database was put aside")
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, File)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b = damage(b)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			d = open(t, dir)
			defer d.Close()
			if kept, err := os.ReadFile(d.Aside()); err != nil || !bytes.Contains(kept, b[4096*2:4096*3]) {
				t.Errorf("%q: %d bytes, %v: not the damaged file", d.Aside(), len(kept), err)
			}
			if list, err := d.Events(t.Context(), Filter{}); len(list) != 0 || err != nil {
				t.Errorf("%d events, %v", len(list), err)
			}
			if e := add(t, d, Event{Time: at, Camera: "door", Kind: Loitering}, []byte("new")); e.ID != 201 {
				t.Errorf("the number %d was given again", e.ID)
			}
			if old, err := os.ReadFile(filepath.Join(dir, snapshots, "2026-03-04", "1.jpg")); err != nil || string(old) != "jpeg" {
				t.Errorf("an old snapshot: %q, %v", old, err)
			}
		})
	}
}

func TestTwoAtOnceWait(t *testing.T) {
	d := fresh(t)
	done := make(chan error)
	for i := range 4 {
		go func() {
			var err error
			for j := 0; j < 50 && err == nil; j++ {
				err = d.AddEvent(context.Background(), &Event{Time: at, Camera: "door", Kind: Loitering, Track: int64(i*50 + j)}, nil)
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if list, err := d.Events(t.Context(), Filter{Limit: 1000}); len(list) != 200 || err != nil {
		t.Errorf("%d events, %v", len(list), err)
	}
}
