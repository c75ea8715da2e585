// Package models keeps the networks that were sent to the daemon, and which of them are in use.
package models

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// Tasks are what a network can be sent for: tasks, or parts of one.
var Tasks = []string{"pedestrians", "scene", zoo.FaceDetector, zoo.FaceEmbedder}

// MaxBytes is the largest file of a network.
const MaxBytes = 128 << 20

// most is how many networks are kept for a task.
const most = 20

// DB is what is asked of the database.
type DB interface {
	Read() *sql.DB
	Write(context.Context, func(*sql.Tx) error) error
}

// Faults that a client can mend.
var (
	ErrNone = errors.New("there is no such network")
	ErrFull = fmt.Errorf("%d networks are kept for this task already: remove one", most)
	ErrUsed = errors.New("this network is in use: put another one in force first")
)

// ModelError says why a file cannot be used.
type ModelError struct{ Err error }

func (e *ModelError) Error() string { return "the network cannot be used: " + e.Err.Error() }
func (e *ModelError) Unwrap() error { return e.Err }

// Model is a network that was sent.
type Model struct {
	ID     int64
	Task   string
	SHA256 string
	Bytes  int64
	Time   time.Time
	Source string
	Active bool
}

// Swap makes cameras look with another network, whose file is named; "" is that of the settings.
type Swap func(ctx context.Context, task, path string) error

// Store keeps networks in a folder.
type Store struct {
	db   DB
	dir  string
	swap Swap
	mu   sync.Mutex        // one change of what is in force, or removal, at a time
	used map[string]string // the file of the network that is in use for a task; none: that of the settings
}

// Open opens a folder of networks, which it makes where there is none.
func Open(db DB, dir string, swap Swap) (*Store, error) {
	return &Store{db: db, dir: dir, swap: swap, used: map[string]string{}}, os.MkdirAll(dir, 0o700)
}

func (s *Store) path(id int64) string { return filepath.Join(s.dir, fmt.Sprintf("%06d.onnx", id)) }

// List lists the networks, the newest first.
func (s *Store) List(ctx context.Context) ([]Model, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT id, task, sha256, bytes, time, source, active FROM models ORDER BY id DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Model
	for rows.Next() {
		var m Model
		var at int64
		if err := rows.Scan(&m.ID, &m.Task, &m.SHA256, &m.Bytes, &at, &m.Source, &m.Active); err != nil {
			return nil, err
		}
		m.Time = time.Unix(0, at).UTC()
		list = append(list, m)
	}
	return list, rows.Err()
}

// Add keeps a network for a task, which is one of Tasks. One that is there already is returned as it is. It is not put in force.
func (s *Store) Add(ctx context.Context, actor, task string, file []byte) (Model, error) {
	if !slices.Contains(Tasks, task) {
		return Model{}, ErrNone
	}
	if _, err := onnx.Read(file); err != nil {
		return Model{}, &ModelError{err}
	}
	sum := sha256.Sum256(file)
	m := Model{Task: task, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(file)), Time: time.Now().UTC(), Source: actor}
	part, err := os.CreateTemp(s.dir, ".part-*")
	if err != nil {
		return Model{}, err
	}
	defer os.Remove(part.Name())
	_, err = part.Write(file)
	if err := errors.Join(err, part.Sync(), part.Close()); err != nil {
		return Model{}, err
	}
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		var at int64
		err := tx.QueryRow(`SELECT id, time, source, active FROM models WHERE task = ? AND sha256 = ?`, task, m.SHA256).Scan(&m.ID, &at, &m.Source, &m.Active)
		if err == nil {
			m.Time = time.Unix(0, at).UTC()
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM models WHERE task = ?`, task).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return ErrFull
		}
		r, err := tx.Exec(`INSERT INTO models (task, sha256, bytes, time, source) VALUES (?, ?, ?, ?, ?)`, task, m.SHA256, m.Bytes, m.Time.UnixNano(), actor)
		if err != nil {
			return err
		}
		if m.ID, err = r.LastInsertId(); err != nil {
			return err
		}
		if err := audit.Record(tx, actor, "model.add", task, m.SHA256); err != nil {
			return err
		}
		return os.Rename(part.Name(), s.path(m.ID))
	})
	return m, err
}

// Activate puts a network in force; the number 0 is that of the settings. It is tried first, and no frame is lost meanwhile; a *ModelError says why it cannot be used.
// Where it cannot be written down which one is in force, the one before is again.
func (s *Store) Activate(ctx context.Context, actor, task string, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := ""
	if id != 0 {
		var sum string
		err := s.db.Read().QueryRowContext(ctx, `SELECT sha256 FROM models WHERE id = ? AND task = ?`, id, task).Scan(&sum)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNone
		}
		if err != nil {
			return err
		}
		path = s.path(id)
		if err := whole(path, sum); err != nil {
			return &ModelError{err}
		}
	}
	if err := s.swap(ctx, task, path); err != nil {
		return &ModelError{err}
	}
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`UPDATE models SET active = (id = ?) WHERE task = ?`, id, task); err != nil {
			return err
		}
		return audit.Record(tx, actor, "model.activate", task, fmt.Sprint(id))
	})
	if err == nil {
		s.used[task] = path
		return nil
	}
	if back := s.swap(context.WithoutCancel(ctx), task, s.used[task]); back != nil {
		return fmt.Errorf("%w: the network that was tried is in use until the daemon is restarted: that before cannot be used: %w", err, back)
	}
	return fmt.Errorf("the network before is in use again: %w", err)
}

// whole says whether a file is the one that was sent.
func whole(path, sum string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("its file is not there any more")
	}
	if err != nil {
		return err
	}
	if got := sha256.Sum256(b); hex.EncodeToString(got[:]) != sum {
		return errors.New("its file has changed since it was sent")
	}
	return nil
}

// Remove removes a network that is not in force. While one is tried it waits for what becomes of it.
func (s *Store) Remove(ctx context.Context, actor, task string, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		var active bool
		err := tx.QueryRow(`SELECT active FROM models WHERE id = ? AND task = ?`, id, task).Scan(&active)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNone
		case err != nil:
			return err
		case active:
			return ErrUsed
		}
		if _, err := tx.Exec(`DELETE FROM models WHERE id = ?`, id); err != nil {
			return err
		}
		return audit.Record(tx, actor, "model.remove", task, fmt.Sprint(id))
	})
	if err != nil {
		return err
	}
	if err := os.Remove(s.path(id)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Restore puts the networks in force that were before the program ended. Those that cannot be used are named in the error; the others are in force.
func (s *Store) Restore(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.List(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, m := range list {
		if !m.Active {
			continue
		}
		err := whole(s.path(m.ID), m.SHA256)
		if err == nil {
			err = s.swap(ctx, m.Task, s.path(m.ID))
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("the network %d for %s: %w", m.ID, m.Task, err))
			continue
		}
		s.used[m.Task] = s.path(m.ID)
	}
	return errors.Join(failed...)
}
