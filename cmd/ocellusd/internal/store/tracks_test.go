package store

import (
	"database/sql"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// follow adds a track for each hour from at on, by turns of two cameras.
func follow(t *testing.T, d *DB, at time.Time, n int) {
	t.Helper()
	var list []Track
	for i := range n {
		begun := at.Add(time.Duration(i) * time.Hour)
		list = append(list, Track{Camera: []string{"door", "yard"}[i%2], Task: []string{"pedestrians", "pedestrians", "faces"}[i%3], Track: int64(i + 1), First: begun,
			Last: begun.Add(20 * time.Minute), End: begun.Add(21 * time.Minute), Score: 0.5})
	}
	if err := d.AddTracks(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

func trackIDs(t *testing.T, d *DB, f TrackFilter) []int64 {
	t.Helper()
	list, err := d.Tracks(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, k := range list {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestTracks(t *testing.T) {
	d := fresh(t)
	want := []Track{
		{Camera: "door", Task: "pedestrians", Track: 3, First: at, Last: at.Add(time.Minute), End: at.Add(2 * time.Minute), Score: 0.75, Box: &[4]float64{1, 2, 3.5, 4},
			Path: [][2]float64{{1, 2}, {3, 4}}},
		{Camera: "yard", Task: "faces", Track: 3, First: at, Last: at, End: at, Score: 0.5},
	}
	if err := d.AddTracks(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	event := func(camera, task string, track int64, after time.Duration) int64 {
		return add(t, d, Event{Time: at.Add(after), Camera: camera, Kind: Loitering, Task: task, Track: track}, nil).ID
	}
	// Of the first track, and nearly so.
	entered, left := event("door", "pedestrians", 3, 0), event("door", "pedestrians", 3, 2*time.Minute)
	event("door", "pedestrians", 3, 3*time.Minute)
	event("door", "pedestrians", 3, -time.Minute)
	event("door", "pedestrians", 4, 0)
	event("door", "faces", 3, 0)
	event("yard", "pedestrians", 3, 0)
	want[0].ID, want[0].Events = 1, []int64{entered, left}
	want[1].ID, want[1].Events = 2, []int64{}
	slices.Reverse(want)
	got, err := d.Tracks(t.Context(), TrackFilter{})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	if err := d.DeleteEvent(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	if got, err = d.Tracks(t.Context(), TrackFilter{Camera: "door"}); err != nil || len(got) != 1 || !slices.Equal(got[0].Events, []int64{entered}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTrackFilters(t *testing.T) {
	d := fresh(t)
	follow(t, d, at, 6)
	for _, c := range []struct {
		f    TrackFilter
		want []int64
	}{
		{TrackFilter{}, []int64{6, 5, 4, 3, 2, 1}},
		{TrackFilter{Camera: "door"}, []int64{5, 3, 1}},
		{TrackFilter{Task: "faces"}, []int64{6, 3}},
		{TrackFilter{Since: at.Add(2*time.Hour + 20*time.Minute)}, []int64{6, 5, 4, 3}},
		{TrackFilter{Until: at.Add(2 * time.Hour)}, []int64{2, 1}},
		{TrackFilter{Before: 5, Limit: 2}, []int64{4, 3}},
	} {
		if got := trackIDs(t, d, c.f); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.f, got, c.want)
		}
	}
	// The events of a track are looked up, not looked for; and so are tracks that are to go.
	for index, query := range map[string]string{
		"events_by_track": "SELECT id FROM events e WHERE e.camera = 'door' AND e.track = 1 AND e.track > 0 AND e.task = '' AND e.time BETWEEN 1 AND 2",
		"tracks_by_time":  strings.ReplaceAll(oldTracks, "?", "1"),
	} {
		if plan := planOf(t, d, query); !strings.Contains(plan, index) {
			t.Error(plan)
		}
	}
}

// planOf says how a query is answered.
func planOf(t *testing.T, d *DB, query string) string {
	t.Helper()
	rows, err := d.Read().Query("EXPLAIN QUERY PLAN " + query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var a, b, c int
		var line string
		if err := rows.Scan(&a, &b, &c, &line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line)
	}
	return plan.String()
}

// TestPruneTracks lets tracks go with the events of their time.
func TestPruneTracks(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		limits func(used int64) Limits
		events []int64
		tracks int // that are left at most, the newest ones
	}{
		"age":     {func(int64) Limits { return Limits{Age: 100 * time.Hour} }, []int64{2}, 100},
		"bytes":   {func(used int64) Limits { return Limits{Bytes: used - 15000} }, []int64{1, 2}, 900},
		"reserve": {func(int64) Limits { return Limits{Reserve: 1 << 62} }, []int64{2}, 24},
	} {
		t.Run(name, func(t *testing.T) {
			d := fresh(t)
			follow(t, d, now.Add(-1000*time.Hour), 1000)
			add(t, d, Event{Time: now.Add(-700 * time.Hour), Camera: "door", Kind: Loitering}, make([]byte, 40000))
			add(t, d, Event{Time: now.Add(-time.Hour), Camera: "door", Kind: Loitering}, make([]byte, 100))
			used, err := d.Used(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p, err := d.Prune(t.Context(), c.limits(used))
			if err != nil {
				t.Fatal(err)
			}
			ids := trackIDs(t, d, TrackFilter{Limit: 1000})
			if len(ids) == 0 || ids[0] != 1000 || int(1000-ids[len(ids)-1]+1) != len(ids) || p.Tracks != 1000-len(ids) {
				t.Errorf("%+v, %d tracks are left: not the newest", p, len(ids))
			}
			events, _ := left(t, d)
			if len(ids) > c.tracks || !slices.Equal(events, c.events) {
				t.Errorf("%+v, %d tracks and events %v are left", p, len(ids), events)
			}
		})
	}
}

// TestUpgrade opens a database from before tracks: it keeps what it holds, and gets the table.
func TestUpgrade(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	e := add(t, d, Event{Time: at, Camera: "door", Kind: PedestrianEntered, Task: "pedestrians", Track: 3, Score: 0.5}, []byte("jpeg"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := sql.Open("sqlite", source(filepath.Join(dir, File)))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"DROP TABLE tracks", "DROP INDEX events_by_track", "DELETE FROM migrations WHERE number = 2"} {
		if _, err := old.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir)
	defer d.Close()
	if d.Aside() != "" {
		t.Fatalf("it was put aside as %s", d.Aside())
	}
	if got, err := d.Event(t.Context(), e.ID); err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("%+v, %v\nwant %+v", got, err, e)
	}
	if err := d.AddTracks(t.Context(), []Track{{Camera: "door", Task: "pedestrians", Track: 3, First: at, Last: at, End: at}}); err != nil {
		t.Fatal(err)
	}
	list, err := d.Tracks(t.Context(), TrackFilter{})
	if err != nil || len(list) != 1 || !slices.Equal(list[0].Events, []int64{e.ID}) {
		t.Errorf("%+v, %v", list, err)
	}
}
