package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits say what is kept. 0 sets no limit.
type Limits struct {
	Age     time.Duration // of events and tracks
	Bytes   int64         // of the database and the snapshots
	Reserve int64         // bytes that stay free on the disk
}

// Pruned is what retention removed, and what is left.
type Pruned struct {
	Events int   // removed
	Tracks int   // removed
	Bytes  int64 // in use by the database and the snapshots
	Free   int64 // on the disk
	Tight  bool  // less than the reserve is free, and what may be removed is gone
	Jumped bool  // the clock has jumped: nothing is removed for its age until it has gone on for a day
}

const (
	batch = 100
	// spared are events that are not removed for the reserve: where somebody else fills the disk, removing them would not help.
	spared = 24 * time.Hour
	// jump is by how much the clock may be ahead of what is expected.
	jump = 24 * time.Hour
)

// stray is a snapshot that belongs to no event: of a database that was put aside, or whose event was not committed.
type stray struct {
	name  string
	day   time.Time
	bytes int64
}

// clock tells a clock that goes from one that jumps.
type clock struct {
	wall, mono time.Time // when it was looked at last, without and with Go's monotonic reading
	suspect    time.Time // until when, monotonic, it is not trusted
}

// trusted says whether ages can be told at now. before is the wall clock that an earlier run saw last.
func (c *clock) trusted(now, before time.Time) bool {
	ahead := time.Duration(0)
	switch {
	case !c.mono.IsZero():
		ahead = now.Round(0).Sub(c.wall) - now.Sub(c.mono)
	case !before.IsZero():
		ahead = now.Round(0).Sub(before)
	}
	if ahead > jump {
		c.suspect = now.Add(jump)
	}
	c.wall, c.mono = now.Round(0), now
	return !now.Before(c.suspect)
}

// survey lists the snapshots that no event has, and sees to it that no number is given that one of them bears.
func (d *DB) survey() error {
	root := filepath.Join(d.dir, snapshots)
	known, err := d.snapshots()
	if err != nil {
		return err
	}
	greatest := int64(0)
	d.strays = nil
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if id, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(name), ".jpg"), 10, 64); err == nil {
			greatest = max(greatest, id)
		}
		if known[name] {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		s := stray{name: name, day: info.ModTime(), bytes: info.Size()}
		if t, err := time.Parse(day, filepath.Dir(name)); err == nil {
			s.day = t
		}
		d.strays = append(d.strays, s)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(d.strays, func(a, b stray) int { return a.day.Compare(b.day) })
	return d.Write(context.Background(), func(tx *sql.Tx) error {
		var last int64
		err := tx.QueryRow("SELECT seq FROM sqlite_sequence WHERE name = 'events'").Scan(&last)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			_, err = tx.Exec("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", greatest)
		case err == nil && last < greatest:
			_, err = tx.Exec("UPDATE sqlite_sequence SET seq = ? WHERE name = 'events'", greatest)
		}
		return err
	})
}

// snapshots returns the names of all that events have.
func (d *DB) snapshots() (map[string]bool, error) {
	rows, err := d.read.Query("SELECT snapshot FROM events WHERE snapshot != ''")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		known[name] = true
	}
	return known, rows.Err()
}

// Used returns the bytes of the database and of the snapshots.
func (d *DB) Used(ctx context.Context) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used(ctx)
}

func (d *DB) used(ctx context.Context) (int64, error) {
	var bytes int64
	err := d.read.QueryRowContext(ctx, `SELECT (SELECT coalesce(sum(snapshot_bytes), 0) FROM events) +
		((SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)) * (SELECT page_size FROM pragma_page_size)`).Scan(&bytes)
	for _, s := range d.strays {
		bytes += s.bytes
	}
	return bytes, err
}

// clockSetting is where the clock of the last run is remembered.
const clockSetting = "clock"

// Prune removes events with their snapshots and tracks, the oldest first: those that are too old, and as many as the limits of bytes and of free disk ask for. Of
// the last day nothing goes for the sake of free disk.
func (d *DB) Prune(ctx context.Context, l Limits) (Pruned, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	var p Pruned
	trusted, err := d.trusted(ctx, now)
	if err != nil {
		return p, err
	}
	p.Jumped = !trusted
	if l.Age > 0 && trusted {
		if err := d.removeOlder(ctx, now.Add(-l.Age), &p); err != nil {
			return p, err
		}
	}
	for {
		if p.Bytes, err = d.used(ctx); err != nil {
			return p, err
		}
		if p.Free, err = free(d.dir); err != nil {
			return p, err
		}
		over, low := l.Bytes > 0 && p.Bytes > l.Bytes, l.Reserve > 0 && p.Free < l.Reserve
		if !over && !low {
			break
		}
		spare := time.Time{}
		if !over {
			spare = now.Add(-spared)
		}
		more, err := d.removeOldest(ctx, spare, &p)
		if err != nil {
			return p, err
		}
		if !more {
			p.Tight = low
			break
		}
	}
	if p.Events+p.Tracks > 0 {
		_, err = d.write.ExecContext(ctx, "PRAGMA incremental_vacuum(1000)")
	}
	return p, err
}

func (d *DB) trusted(ctx context.Context, now time.Time) (bool, error) {
	text, err := d.Setting(ctx, clockSetting)
	if err != nil {
		return false, err
	}
	before, _ := time.Parse(time.RFC3339, text)
	trusted := d.clock.trusted(now, before)
	if !trusted {
		return false, nil
	}
	return true, d.SetSetting(ctx, clockSetting, now.UTC().Format(time.RFC3339))
}

// removeOlder removes what is from before a time, and counts it.
func (d *DB) removeOlder(ctx context.Context, before time.Time, p *Pruned) error {
	for len(d.strays) > 0 && d.strays[0].day.Add(24*time.Hour).Before(before) {
		if err := d.removeStray(); err != nil {
			return err
		}
	}
	for {
		events, err := d.remove(ctx, "time < ?", before.UnixNano())
		if p.Events += events; err != nil {
			return err
		}
		tracks, err := d.removeTracks(ctx, before.UnixNano())
		if p.Tracks += tracks; err != nil || events+tracks == 0 {
			return err
		}
	}
}

// removeOldest removes a batch of what is oldest and, where spare is set, from before it, and counts it. more says that there was something.
func (d *DB) removeOldest(ctx context.Context, spare time.Time, p *Pruned) (more bool, err error) {
	oldest, latest := int64(math.MaxInt64), int64(math.MaxInt64)
	if err := d.read.QueryRowContext(ctx, "SELECT time FROM events ORDER BY id LIMIT 1").Scan(&oldest); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if !spare.IsZero() {
		latest = spare.UnixNano()
	}
	if len(d.strays) > 0 {
		if s := d.strays[0].day.UnixNano(); s < min(oldest, latest) {
			return true, d.removeStray()
		}
	}
	n, err := d.removeTracks(ctx, min(oldest, latest))
	if p.Tracks += n; err != nil || n > 0 {
		return n > 0, err
	}
	n, err = d.remove(ctx, "time < ?", latest)
	p.Events += n
	return n > 0, err
}

func (d *DB) removeStray() error {
	err := d.removeSnapshot(d.strays[0].name)
	if err == nil {
		d.strays = d.strays[1:]
	}
	return err
}

// remove removes a batch of the events that a clause selects, the first added first, and then their snapshots.
func (d *DB) remove(ctx context.Context, clause string, args ...any) (int, error) {
	n := 0
	var files []string
	err := d.Write(ctx, func(tx *sql.Tx) error {
		n, files = 0, nil
		rows, err := tx.QueryContext(ctx, "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE "+clause+" ORDER BY id LIMIT ?) RETURNING snapshot",
			append(args, batch)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			if n++; name != "" {
				files = append(files, name)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		if err := d.removeSnapshot(name); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Room says whether a snapshot may be written: whether the disk has its reserve.
func (d *DB) Room(reserve int64) bool {
	bytes, err := free(d.dir)
	return err != nil || bytes >= reserve
}

// Free returns the bytes that are free on the disk of the data folder.
func (d *DB) Free() (int64, error) { return free(d.dir) }

// Copy writes a copy of a data folder's database, which may be in use, to a file that must not be there.
func Copy(ctx context.Context, dir, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
		return errors.New(to + " is there already")
	}
	db, err := sql.Open("sqlite", source(filepath.Join(dir, File), "query_only(0)"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return errors.Join(err, db.Close())
}
