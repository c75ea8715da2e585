package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Track is somebody or something that was followed before a camera, from when it was first seen until it was given up.
type Track struct {
	ID     int64        `json:"id"` // from 1, in the order in which tracks ended; 0 before AddTracks
	Camera string       `json:"camera"`
	Task   string       `json:"task"`
	Track  int64        `json:"track"` // the number that its events bear
	First  time.Time    `json:"first"`
	Last   time.Time    `json:"last"`
	End    time.Time    `json:"end"`           // when it was given up: its last event is not later
	Score  float64      `json:"score"`         // the greatest
	Box    *[4]float64  `json:"box,omitempty"` // where it was then: x, y, width, height in pixels of the frame
	Path   [][2]float64 `json:"path,omitempty"`
	Events []int64      `json:"events"` // that are still there, the first ones first
}

// AddTracks adds tracks that have ended, all or none.
func (d *DB) AddTracks(ctx context.Context, list []Track) error {
	return d.Write(ctx, func(tx *sql.Tx) error {
		add, err := tx.PrepareContext(ctx, "INSERT INTO tracks (camera, task, number, first, last, ended, score, box, path) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		defer add.Close()
		for i := range list {
			k := &list[i]
			var box, path any
			if k.Box != nil {
				if box, err = text("a track's box", k.Box); err != nil {
					return err
				}
			}
			if len(k.Path) > 0 {
				if path, err = text("a track's path", k.Path); err != nil {
					return err
				}
			}
			if _, err := add.ExecContext(ctx, k.Camera, k.Task, k.Track, k.First.UnixNano(), k.Last.UnixNano(), k.End.UnixNano(), k.Score, box, path); err != nil {
				return err
			}
		}
		return nil
	})
}

// TrackFilter selects tracks. Zero fields select all.
type TrackFilter struct {
	Camera, Task string
	Since, Until time.Time // there at some moment of Since <= time < Until
	Before       int64     // ID is less: the cursor of pages, from new to old
	Limit        int       // 100, and at most 1000
}

// Tracks returns tracks, those that ended last first.
func (d *DB) Tracks(ctx context.Context, f TrackFilter) ([]Track, error) {
	where, args := []string{"1"}, []any{}
	add := func(clause string, value any) {
		where, args = append(where, clause), append(args, value)
	}
	if f.Camera != "" {
		add("camera = ?", f.Camera)
	}
	if f.Task != "" {
		add("task = ?", f.Task)
	}
	if !f.Since.IsZero() {
		add("last >= ?", f.Since.UnixNano())
	}
	if !f.Until.IsZero() {
		add("first < ?", f.Until.UnixNano())
	}
	if f.Before > 0 {
		add("id < ?", f.Before)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	rows, err := d.read.QueryContext(ctx, `SELECT id, camera, task, number, first, last, ended, score, box, path,
		(SELECT json_group_array(id) FROM (SELECT id FROM events e WHERE e.camera = t.camera AND e.track = t.number AND e.track > 0 AND e.task = t.task
			AND e.time BETWEEN t.first AND t.ended ORDER BY id))
		FROM tracks t WHERE `+strings.Join(where, " AND ")+" ORDER BY id DESC LIMIT ?", append(args, min(limit, 1000))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []Track{}
	for rows.Next() {
		var k Track
		var first, last, ended int64
		var box, path sql.NullString
		var events string
		if err := rows.Scan(&k.ID, &k.Camera, &k.Task, &k.Track, &first, &last, &ended, &k.Score, &box, &path, &events); err != nil {
			return nil, err
		}
		k.First, k.Last, k.End = time.Unix(0, first).UTC(), time.Unix(0, last).UTC(), time.Unix(0, ended).UTC()
		for _, x := range []struct {
			text string
			into any
		}{{box.String, &k.Box}, {path.String, &k.Path}, {events, &k.Events}} {
			if x.text == "" {
				continue
			}
			if err := json.Unmarshal([]byte(x.text), x.into); err != nil {
				return nil, fmt.Errorf("track %d: %w", k.ID, err)
			}
		}
		list = append(list, k)
	}
	return list, rows.Err()
}

// oldTracks selects tracks that ended before a time, the first ones first. It looks at no others: Prune asks for each batch of events that it removes.
const oldTracks = "SELECT id FROM tracks WHERE ended < ? ORDER BY ended LIMIT ?"

// removeTracks removes a batch of the tracks that ended before a time, the first ones first.
func (d *DB) removeTracks(ctx context.Context, before int64) (int, error) {
	var n int64
	err := d.Write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, "DELETE FROM tracks WHERE id IN ("+oldTracks+")", before, batch)
		if err == nil {
			n, err = r.RowsAffected()
		}
		return err
	})
	return int(n), err
}
