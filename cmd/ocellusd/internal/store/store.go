// Package store keeps what the daemon must not lose: a SQLite database of events, and the pictures that belong to them as files beside it.
//
// A process that is killed loses nothing that Write has returned from; a power cut loses at most the last second, never the database. One that cannot be read is
// put aside and a new one is begun.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// File is the database's name in the data folder.
const File = "ocellus.db"

// DB is the daemon's memory. Many goroutines may use it.
type DB struct {
	dir    string
	path   string
	aside  string // where a database that could not be read was put
	write  *sql.DB
	read   *sql.DB
	dirty  atomic.Bool // something was written that no fsync has followed
	stop   chan struct{}
	syncer sync.WaitGroup
	failed atomic.Pointer[error]    // of the last fsync
	raw    func() (*os.File, error) // the database's file, open until Close: to close it earlier would let go of the locks that SQLite has on it

	mu         sync.Mutex // of what retention remembers
	strays     []stray
	strayBytes atomic.Int64 // of the strays; read without mu
	clock      clock

	scrubbing sync.Mutex // one Scrub or Settle at a time
	debts     [][][]byte // what was given to calls of Scrub that are still owed
}

// Open opens the database in a folder, which it makes where there is none, and brings it up to date. A database that is damaged is renamed; Aside then says how.
func Open(dir string) (*DB, error) {
	if err := os.MkdirAll(filepath.Join(dir, snapshots), 0o700); err != nil {
		return nil, fmt.Errorf("the data folder: %w", err)
	}
	d := &DB{dir: dir, path: filepath.Join(dir, File), stop: make(chan struct{})}
	d.raw = sync.OnceValues(func() (*os.File, error) { return os.Open(d.path) })
	err := d.open()
	if damaged(err) {
		if d.aside, err = putAside(d.path); err == nil {
			err = d.open()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.path, explain(err))
	}
	if err := d.survey(); err != nil {
		d.Close()
		return nil, fmt.Errorf("%s: %w", d.path, err)
	}
	d.syncer.Go(d.sync)
	return d, nil
}

// Dir is the data folder.
func (d *DB) Dir() string { return d.dir }

// Aside is the file that a damaged database was renamed to when Open found it; "" where it was whole.
func (d *DB) Aside() string { return d.aside }

// busyTimeout is for how many milliseconds a connection waits for others.
const busyTimeout = "10000"

// source returns the name under which the driver opens a file.
func source(path string, pragmas ...string) string {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{"busy_timeout(" + busyTimeout + ")", "foreign_keys(1)", "cache_size(-1000)"}, pragmas...)}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// open opens the file, sees whether it is whole and migrates it. After an error nothing is open.
func (d *DB) open() (err error) {
	if d.write, err = sql.Open("sqlite", source(d.path, "auto_vacuum(incremental)", "journal_mode(wal)", "synchronous(normal)", "wal_autocheckpoint(1000)",
		"journal_size_limit(4194304)")); err != nil {
		return err
	}
	d.write.SetMaxOpenConns(1)
	defer func() {
		if err != nil {
			d.write.Close()
		}
	}()
	if err := d.whole(); err != nil {
		return err
	}
	if err := d.migrate(); err != nil {
		return err
	}
	if d.read, err = sql.Open("sqlite", source(d.path, "query_only(1)")); err != nil {
		return err
	}
	d.read.SetMaxOpenConns(4)
	d.read.SetMaxIdleConns(2)
	return nil
}

// errDamaged says that a database was read and is not whole.
var errDamaged = errors.New("the database is damaged")

// whole looks at every page.
func (d *DB) whole() error {
	var answer string
	if err := d.write.QueryRow("PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, answer)
	}
	return nil
}

// code returns SQLite's primary code of an error, 0 where it is none.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

func damaged(err error) bool {
	c := code(err)
	return errors.Is(err, errDamaged) || c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB
}

// explain adds what to do to errors that people see.
func explain(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: the data folder must be writable by this user; name another with --data", err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: make room on this disk", err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%w: another ocellusd has it open", err)
	}
	return err
}

// putAside renames a database and what belongs to it, and returns its new name.
func putAside(path string) (string, error) {
	to := path + ".damaged-" + time.Now().UTC().Format("20060102T150405")
	for i := 2; ; i++ {
		if _, err := os.Lstat(to); errors.Is(err, os.ErrNotExist) {
			break
		}
		to = path + ".damaged-" + time.Now().UTC().Format("20060102T150405") + "-" + strconv.Itoa(i)
	}
	if err := os.Rename(path, to); err != nil {
		return "", err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, to+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return to, nil
}

// migrate applies the files of migrations that have not been, in order of their numbers, each whole or not at all.
func (d *DB) migrate() error {
	if _, err := d.write.Exec("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID"); err != nil {
		return err
	}
	list, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	for _, entry := range list {
		digits, _, _ := strings.Cut(entry.Name(), "_")
		number, err := strconv.Atoi(digits)
		if err != nil {
			return fmt.Errorf("migration %s has no number", entry.Name())
		}
		text, err := migrations.ReadFile("migrations/" + entry.Name())
		if err != nil {
			return err
		}
		if err := d.apply(number, entry.Name(), string(text)); err != nil {
			return fmt.Errorf("migration %s: %w", entry.Name(), err)
		}
	}
	return nil
}

func (d *DB) apply(number int, name, text string) error {
	return d.Write(context.Background(), func(tx *sql.Tx) error {
		var done int
		if err := tx.QueryRow("SELECT count(*) FROM migrations WHERE number = ?", number).Scan(&done); err != nil || done > 0 {
			return err
		}
		if _, err := tx.Exec(text); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO migrations (number, name) VALUES (?, ?)", number, name)
		return err
	})
}

// Read returns what queries run on. It cannot change anything.
func (d *DB) Read() *sql.DB { return d.read }

// Write runs f in a transaction, one after the other, and commits where it returns nil. What was committed outlives the process, and within a second a power cut.
func (d *DB) Write(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return explain(err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return explain(err)
	}
	if err := tx.Commit(); err != nil {
		return explain(err)
	}
	d.dirty.Store(true)
	return nil
}

// flushEvery is within what time a commit is on the disk.
const flushEvery = 500 * time.Millisecond

// sync makes commits durable until the database is closed: those of the log that SQLite itself would only sync when it copies them into the database.
func (d *DB) sync() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		}
		if !d.dirty.Swap(false) {
			continue
		}
		err := d.flush()
		if err != nil {
			d.dirty.Store(true)
		}
		d.failed.Store(&err)
	}
}

func (d *DB) flush() error {
	f, err := os.OpenFile(d.path+"-wal", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Err is why what was written last may not be on the disk; nil where it is.
func (d *DB) Err() error {
	if e := d.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// Close closes the database. Nothing may use it any more.
func (d *DB) Close() error {
	close(d.stop)
	d.syncer.Wait()
	err := errors.Join(d.read.Close(), d.write.Close())
	if f, bad := d.raw(); bad == nil {
		f.Close()
	}
	return err
}

// Setting returns what was last given to SetSetting under a name; "" where nothing was.
func (d *DB) Setting(ctx context.Context, name string) (string, error) {
	var value string
	err := d.read.QueryRowContext(ctx, "SELECT value FROM settings WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

// SetSetting remembers a value; "" forgets it.
func (d *DB) SetSetting(ctx context.Context, name, value string) error {
	return d.Write(ctx, func(tx *sql.Tx) error { return set(tx, name, value) })
}

func set(tx *sql.Tx, name, value string) error {
	if value == "" {
		_, err := tx.Exec("DELETE FROM settings WHERE name = ?", name)
		return err
	}
	_, err := tx.Exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}
