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
	Time    time.Duration // that one call may take; a batch is removed in any case
}

// Pruned is what retention removed, and what is left.
type Pruned struct {
	Events int   // removed
	Tracks int   // removed
	Bytes  int64 // in use by the database and the snapshots
	Free   int64 // on the disk
	Tight  bool  // less than the reserve is free, and what may be removed is gone
	Jumped bool  // the clock has jumped: nothing is removed for its age until it has gone on for a day
	More   bool  // the time was over before all was removed and given back to the disk: call again soon
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
	wall, mono time.Time     // when it was looked at last, without and with Go's monotonic reading; mono is zero where that was before the program started
	suspect    bool          // it has jumped, and not gone on for a day since
	gone       time.Duration // how long it has gone on since
}

// trusted says whether ages can be told at now. What a clock that was off shows more counts as gone on, what it shows less does not count.
func (c *clock) trusted(now time.Time) bool {
	wall := now.Round(0)
	step := wall.Sub(c.wall) // by which it moved
	passed := step           // in what time
	ahead := step
	if !c.mono.IsZero() {
		passed = now.Sub(c.mono)
		ahead = step - passed
	}
	switch {
	case c.wall.IsZero():
	case ahead > jump:
		c.suspect, c.gone = true, 0
	case c.suspect:
		c.gone += max(0, passed)
		c.suspect = c.gone < jump
	}
	c.wall, c.mono = wall, now
	return !c.suspect
}

// survey lists the snapshots that no event has, and sees to it that no number is given that one of them bears.
func (d *DB) survey() error {
	root := filepath.Join(d.dir, snapshots)
	known, err := d.snapshots()
	if err != nil {
		return err
	}
	greatest, bytes := int64(0), int64(0)
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
		bytes += s.bytes
		return nil
	})
	if err != nil {
		return err
	}
	d.strayBytes.Store(bytes)
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
	pictures, err := d.pictures(ctx)
	if err != nil {
		return 0, err
	}
	rest, err := d.rest(ctx)
	return pictures + rest, err
}

// pictures returns the bytes of the snapshots of events. It looks at every event.
func (d *DB) pictures(ctx context.Context) (bytes int64, err error) {
	err = d.read.QueryRowContext(ctx, "SELECT coalesce(sum(snapshot_bytes), 0) FROM events").Scan(&bytes)
	return bytes, err
}

// rest returns the bytes of the database and of the snapshots that no event has.
func (d *DB) rest(ctx context.Context) (bytes int64, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT ((SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)) *
		(SELECT page_size FROM pragma_page_size)`).Scan(&bytes)
	return bytes + d.strayBytes.Load(), err
}

const (
	// clockSetting is where the clock is remembered that was trusted last.
	clockSetting = "clock"
	// jumpSetting is where it is remembered, while it is not trusted, when it would have jumped had it gone on without a break, and what it showed last.
	jumpSetting = "clock_jumped"
)

// Prune removes events with their snapshots and tracks, the oldest first: those that are too old, and as many as the limits of bytes and of free disk ask for. Of
// the last day nothing goes for the sake of free disk.
func (d *DB) Prune(ctx context.Context, l Limits) (Pruned, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	late := func() bool { return l.Time > 0 && time.Since(now) >= l.Time }
	var p Pruned
	trusted, err := d.trusted(ctx, now)
	if err != nil {
		return p, err
	}
	p.Jumped = !trusted
	if l.Age > 0 && trusted {
		if err := d.removeOlder(ctx, now.Add(-l.Age), late, &p); err != nil {
			return p, err
		}
	}
	pictures, err := d.pictures(ctx)
	if err != nil {
		return p, err
	}
	for removed := false; ; removed = true {
		rest, err := d.rest(ctx)
		if err != nil {
			return p, err
		}
		p.Bytes = pictures + rest
		if p.Free, err = free(d.dir); err != nil {
			return p, err
		}
		over, low := l.Bytes > 0 && p.Bytes > l.Bytes, l.Reserve > 0 && p.Free < l.Reserve
		if !over && !low {
			break
		}
		if p.More = p.More || removed && late(); p.More {
			break
		}
		spare := time.Time{}
		if !over {
			spare = now.Add(-spared)
		}
		bytes, more, err := d.removeOldest(ctx, spare, &p)
		if err != nil {
			return p, err
		}
		if !more {
			p.Tight = low
			break
		}
		pictures -= bytes
	}
	more, err := d.shrink(ctx, late)
	p.More = p.More || more
	return p, err
}

const (
	// slack is how many unused pages the database keeps for what comes next.
	slack = 1000
	// piece is how many others are given back to the disk at a time, while nobody else can write.
	piece = 250
)

// shrink gives unused pages of the database back to the disk, a piece in any case and then until it is late, and says whether there are more.
func (d *DB) shrink(ctx context.Context, late func() bool) (more bool, err error) {
	for was := math.MaxInt; ; {
		var unused int
		if err := d.read.QueryRowContext(ctx, "SELECT freelist_count FROM pragma_freelist_count").Scan(&unused); err != nil || unused <= slack {
			return false, err
		}
		if unused >= was { // others left more than was given back, or the file cannot shrink: the next call tries again
			return false, nil
		}
		if was != math.MaxInt && late() {
			return true, nil
		}
		was = unused
		if err := d.giveBack(ctx, min(piece, unused-slack)); err != nil {
			return false, err
		}
	}
}

// giveBack gives unused pages back to the disk. The statement has a row for each, and is done when all were read.
func (d *DB) giveBack(ctx context.Context, pages int) error {
	rows, err := d.write.QueryContext(ctx, "PRAGMA incremental_vacuum("+strconv.Itoa(pages)+")")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

// trusted says whether the clock is trusted, and remembers it for the next run.
func (d *DB) trusted(ctx context.Context, now time.Time) (bool, error) {
	if d.clock.mono.IsZero() {
		if err := d.recall(ctx, now); err != nil {
			return false, err
		}
	}
	was := d.clock.suspect
	trusted := d.clock.trusted(now)
	return trusted, d.Write(ctx, func(tx *sql.Tx) error {
		shown := now.UTC().Format(time.RFC3339)
		if !trusted {
			return set(tx, jumpSetting, now.Add(-d.clock.gone).UTC().Format(time.RFC3339)+" "+shown)
		}
		if was {
			if err := set(tx, jumpSetting, ""); err != nil {
				return err
			}
		}
		return set(tx, clockSetting, shown)
	})
}

// recall makes the clock that of the last run. A jump is forgotten where the clock shows now what it may show without one.
func (d *DB) recall(ctx context.Context, now time.Time) error {
	text, err := d.Setting(ctx, clockSetting)
	if err != nil {
		return err
	}
	jumped, err := d.Setting(ctx, jumpSetting)
	if err != nil {
		return err
	}
	d.clock = clock{}
	d.clock.wall, _ = time.Parse(time.RFC3339, text)
	if jumped == "" {
		return nil
	}
	begun, shown, _ := strings.Cut(jumped, " ")
	first, bad := time.Parse(time.RFC3339, begun)
	last, wrong := time.Parse(time.RFC3339, shown)
	if bad == nil && wrong == nil && now.Sub(d.clock.wall) > jump {
		d.clock = clock{wall: last, suspect: true, gone: last.Sub(first)}
		return nil
	}
	return d.SetSetting(ctx, jumpSetting, "")
}

// removeOlder removes what is from before a time, until it is late, and counts it.
func (d *DB) removeOlder(ctx context.Context, before time.Time, late func() bool, p *Pruned) error {
	for len(d.strays) > 0 && d.strays[0].day.Add(24*time.Hour).Before(before) {
		if err := d.removeStray(); err != nil {
			return err
		}
		if p.More = late(); p.More {
			return nil
		}
	}
	for {
		events, _, err := d.remove(ctx, before.UnixNano())
		if p.Events += events; err != nil {
			return err
		}
		tracks, err := d.removeTracks(ctx, before.UnixNano())
		if p.Tracks += tracks; err != nil || events+tracks == 0 {
			return err
		}
		if p.More = late(); p.More {
			return nil
		}
	}
}

// removeOldest removes a batch of what is oldest and, where spare is set, from before it, and counts it. bytes are those of the snapshots of events that went; more
// says that there was something.
func (d *DB) removeOldest(ctx context.Context, spare time.Time, p *Pruned) (bytes int64, more bool, err error) {
	oldest, latest := int64(math.MaxInt64), int64(math.MaxInt64)
	if err := d.read.QueryRowContext(ctx, "SELECT time FROM events ORDER BY id LIMIT 1").Scan(&oldest); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, false, err
	}
	if !spare.IsZero() {
		latest = spare.UnixNano()
	}
	if len(d.strays) > 0 {
		if s := d.strays[0].day.UnixNano(); s < min(oldest, latest) {
			return 0, true, d.removeStray()
		}
	}
	n, err := d.removeTracks(ctx, min(oldest, latest))
	if p.Tracks += n; err != nil || n > 0 {
		return 0, n > 0, err
	}
	n, bytes, err = d.remove(ctx, latest)
	p.Events += n
	return bytes, n > 0, err
}

func (d *DB) removeStray() error {
	s := d.strays[0]
	err := d.removeSnapshot(s.name)
	if err == nil {
		d.strays = d.strays[1:]
		d.strayBytes.Add(-s.bytes)
	}
	return err
}

// remove removes a batch of the events from before a time, the first added first, and then their snapshots, and returns how many events and bytes of snapshots.
func (d *DB) remove(ctx context.Context, before int64) (n int, bytes int64, err error) {
	var files []string
	err = d.Write(ctx, func(tx *sql.Tx) error {
		n, bytes, files = 0, 0, nil
		rows, err := tx.QueryContext(ctx, "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE time < ? ORDER BY id LIMIT ?) RETURNING snapshot, snapshot_bytes",
			before, batch)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var size int64
			if err := rows.Scan(&name, &size); err != nil {
				return err
			}
			bytes += size
			if n++; name != "" {
				files = append(files, name)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return 0, 0, err
	}
	for _, name := range files {
		if err := d.removeSnapshot(name); err != nil {
			return n, bytes, err
		}
	}
	return n, bytes, nil
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
