package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kinds of events.
const (
	PedestrianEntered = "pedestrian_entered"
	PedestrianLeft    = "pedestrian_left"
	LineCrossed       = "line_crossed"
	Loitering         = "loitering"
	FaceKnown         = "face_known"
	FaceUnknown       = "face_unknown"
	SceneChanged      = "scene_changed"
	CameraLost        = "camera_lost"
	CameraFound       = "camera_found"
)

// Kinds lists them.
var Kinds = []string{PedestrianEntered, PedestrianLeft, LineCrossed, Loitering, FaceKnown, FaceUnknown, SceneChanged, CameraLost, CameraFound}

// Verdicts that people give of events.
const (
	Right = "right"
	Wrong = "wrong"
)

// Event is something that happened before a camera.
type Event struct {
	ID         int64          `json:"id"` // from 1, in the order of AddEvent; 0 before
	Time       time.Time      `json:"time"`
	End        *time.Time     `json:"end,omitempty"` // of what lasted
	Camera     string         `json:"camera"`
	Kind       string         `json:"kind"`
	Task       string         `json:"task,omitempty"`  // that saw it
	Zone       string         `json:"zone,omitempty"`  // the zone or line
	Label      string         `json:"label,omitempty"` // class, or direction in which a line was crossed: in, out
	Name       string         `json:"name,omitempty"`  // of a person
	Track      int64          `json:"track,omitempty"`
	Score      float64        `json:"score,omitempty"`
	Box        *[4]float64    `json:"box,omitempty"`        // x, y, width, height in pixels of the frame
	Similarity float64        `json:"similarity,omitempty"` // of a face, to the person who is most alike
	Data       map[string]any `json:"data,omitempty"`       // what else is known
	Snapshot   string         `json:"snapshot,omitempty"`   // file of the frame, below snapshots/; "" where there is none
	Feedback   string         `json:"feedback,omitempty"`   // Right, Wrong or ""
}

// ErrNoEvent says that there is no event, or no picture, of a number.
var ErrNoEvent = errors.New("there is no such event")

const (
	// snapshots is the folder of pictures in the data folder.
	snapshots = "snapshots"
	day       = "2006-01-02"
)

// AddEvent adds an event and sets its ID. Where jpeg is not nil it becomes the event's snapshot; where that cannot be written, the event is added without one and
// the error is a *SnapshotError.
func (d *DB) AddEvent(ctx context.Context, e *Event, jpeg []byte) error {
	if e.Time.IsZero() || e.Camera == "" || !slices.Contains(Kinds, e.Kind) {
		return fmt.Errorf("an event of the kind %q of the camera %q at %v is none", e.Kind, e.Camera, e.Time)
	}
	box, data, err := encode(e)
	if err != nil {
		return err
	}
	added := *e
	var without error
	err = d.Write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO events (time, ended, camera, kind, task, zone, label, name, track, score, box, similarity, data, feedback)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			e.Time.UnixNano(), nanos(e.End), e.Camera, e.Kind, e.Task, e.Zone, e.Label, e.Name, e.Track, e.Score, box, e.Similarity, data, e.Feedback)
		if err != nil {
			return err
		}
		if added.ID, err = r.LastInsertId(); err != nil || jpeg == nil {
			return err
		}
		name := filepath.Join(e.Time.UTC().Format(day), strconv.FormatInt(added.ID, 10)+".jpg")
		if without = d.writeSnapshot(name, jpeg); without != nil {
			return nil
		}
		added.Snapshot = filepath.ToSlash(name)
		_, err = tx.ExecContext(ctx, "UPDATE events SET snapshot = ?, snapshot_bytes = ? WHERE id = ?", added.Snapshot, len(jpeg), added.ID)
		return err
	})
	if err != nil {
		return err
	}
	*e = added
	if without != nil {
		return &SnapshotError{without}
	}
	return nil
}

// SnapshotError says why an event has no picture.
type SnapshotError struct{ err error }

func (e *SnapshotError) Error() string { return "the snapshot was not kept: " + e.err.Error() }
func (e *SnapshotError) Unwrap() error { return e.err }

// writeSnapshot writes a file below snapshots whole or not at all.
func (d *DB) writeSnapshot(name string, jpeg []byte) error {
	path := filepath.Join(d.dir, snapshots, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	err := os.WriteFile(path+".new", jpeg, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		os.Remove(path + ".new")
	}
	return err
}

func encode(e *Event) (box, data any, err error) {
	if e.Box != nil {
		if box, err = text("an event's box", e.Box); err != nil {
			return nil, nil, err
		}
	}
	if len(e.Data) > 0 {
		if data, err = text("an event's data", e.Data); err != nil {
			return nil, nil, err
		}
	}
	return box, data, nil
}

// text is a value as a column holds it, in JSON.
func text(what string, v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return string(b), nil
}

func nanos(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixNano()
}

// Filter selects events. Zero fields select all.
type Filter struct {
	Camera, Kind, Name string
	Feedback           string    // Right, Wrong; "any" for either, "none" for events without
	Since, Until       time.Time // Since <= Time < Until
	Before             int64     // ID is less: the cursor of pages, from new to old
	After              int64     // ID is greater; events then come from old to new
	Limit              int       // 100, and at most 1000
}

// Events returns events, the newest first unless After is set.
func (d *DB) Events(ctx context.Context, f Filter) ([]Event, error) {
	var where []string
	var args []any
	add := func(clause string, values ...any) {
		where, args = append(where, clause), append(args, values...)
	}
	for _, c := range []struct{ column, value string }{{"camera", f.Camera}, {"kind", f.Kind}, {"name", f.Name}} {
		if c.value != "" {
			add(c.column+" = ?", c.value)
		}
	}
	switch f.Feedback {
	case "":
	case "any":
		add("feedback != ''")
	case "none":
		add("feedback = ''")
	default:
		add("feedback = ?", f.Feedback)
	}
	if !f.Since.IsZero() {
		add("time >= ?", f.Since.UnixNano())
	}
	if !f.Until.IsZero() {
		add("time < ?", f.Until.UnixNano())
	}
	if f.Before > 0 {
		add("id < ?", f.Before)
	}
	order := "DESC"
	if f.After > 0 {
		add("id > ?", f.After)
		order = "ASC"
	}
	query := "SELECT " + columns + " FROM events"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	rows, err := d.read.QueryContext(ctx, query+" ORDER BY id "+order+" LIMIT ?", append(args, min(limit, 1000))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []Event{}
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// LastEvent is the greatest ID that an event had, whether or not it is still there; 0 where there was none.
func (d *DB) LastEvent(ctx context.Context) (int64, error) {
	var id int64
	err := d.read.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'").Scan(&id)
	return id, err
}

// Event returns one event, or ErrNoEvent.
func (d *DB) Event(ctx context.Context, id int64) (Event, error) {
	e, err := scan(d.read.QueryRowContext(ctx, "SELECT "+columns+" FROM events WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoEvent
	}
	return e, err
}

const columns = "id, time, ended, camera, kind, task, zone, label, name, track, score, box, similarity, data, snapshot, feedback"

// scan reads the columns of one row.
func scan(row interface{ Scan(...any) error }) (Event, error) {
	var e Event
	var at int64
	var end sql.NullInt64
	var box, data sql.NullString
	if err := row.Scan(&e.ID, &at, &end, &e.Camera, &e.Kind, &e.Task, &e.Zone, &e.Label, &e.Name, &e.Track, &e.Score, &box, &e.Similarity, &data,
		&e.Snapshot, &e.Feedback); err != nil {
		return Event{}, err
	}
	e.Time = time.Unix(0, at).UTC()
	if end.Valid {
		t := time.Unix(0, end.Int64).UTC()
		e.End = &t
	}
	if box.Valid {
		e.Box = new([4]float64)
		if err := json.Unmarshal([]byte(box.String), e.Box); err != nil {
			return Event{}, fmt.Errorf("event %d: its box: %w", e.ID, err)
		}
	}
	if data.Valid {
		if err := json.Unmarshal([]byte(data.String), &e.Data); err != nil {
			return Event{}, fmt.Errorf("event %d: its data: %w", e.ID, err)
		}
	}
	return e, nil
}

// SetFeedback notes what people say of an event: Right, Wrong, or "" to take it back.
func (d *DB) SetFeedback(ctx context.Context, id int64, verdict string) error {
	if verdict != "" && verdict != Right && verdict != Wrong {
		return fmt.Errorf("%q is no verdict: say %s or %s", verdict, Right, Wrong)
	}
	return d.Write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, "UPDATE events SET feedback = ? WHERE id = ?", verdict, id)
		if err != nil {
			return err
		}
		return one(r)
	})
}

// one returns ErrNoEvent where a statement changed no row.
func one(r sql.Result) error {
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNoEvent
	}
	return err
}

// DeleteEvent deletes an event and its snapshot.
func (d *DB) DeleteEvent(ctx context.Context, id int64) error {
	e, err := d.Event(ctx, id)
	if err != nil {
		return err
	}
	err = d.Write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, "DELETE FROM events WHERE id = ?", id)
		if err != nil {
			return err
		}
		return one(r)
	})
	if err != nil || e.Snapshot == "" {
		return err
	}
	return d.removeSnapshot(e.Snapshot)
}

// Snapshot returns the JPEG of an event's frame, or ErrNoEvent.
func (d *DB) Snapshot(ctx context.Context, id int64) ([]byte, error) {
	e, err := d.Event(ctx, id)
	if err != nil {
		return nil, err
	}
	if e.Snapshot == "" || !filepath.IsLocal(e.Snapshot) {
		return nil, ErrNoEvent
	}
	b, err := os.ReadFile(filepath.Join(d.dir, snapshots, filepath.FromSlash(e.Snapshot)))
	if errors.Is(err, os.ErrNotExist) {
		err = ErrNoEvent
	}
	return b, err
}

// removeSnapshot removes a file and, where it was the day's last, its folder.
func (d *DB) removeSnapshot(name string) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%s: no snapshot of this folder", name)
	}
	path := filepath.Join(d.dir, snapshots, filepath.FromSlash(name))
	err := os.Remove(path)
	os.Remove(filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
