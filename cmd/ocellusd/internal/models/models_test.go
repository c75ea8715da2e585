package models

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// swaps remembers what cameras look with.
type swaps struct {
	now map[string]string
	err error
}

func (s *swaps) swap(_ context.Context, task, path string) error {
	if s.err == nil {
		s.now[task] = path
	}
	return s.err
}

// place returns a database with its folder, and a network.
func place(t *testing.T) (db *store.DB, dir string, file []byte) {
	t.Helper()
	file, err := zoo.Default(zoo.Pedestrian)
	if err != nil {
		t.Skip(err)
	}
	dir = t.TempDir()
	if db, err = store.Open(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, dir, file
}

// TestRemoveWhileTried removes a network while it is tried: it waits, and then the network is in use.
func TestRemoveWhileTried(t *testing.T) {
	db, dir, file := place(t)
	tried, goOn := make(chan struct{}), make(chan struct{})
	s, err := Open(db, dir+"/models", func(context.Context, string, string) error {
		close(tried)
		<-goOn
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Add(t.Context(), "ada", "pedestrians", file)
	if err != nil {
		t.Fatal(err)
	}
	activated, removed := make(chan error, 1), make(chan error, 1)
	go func() { activated <- s.Activate(context.Background(), "ada", "pedestrians", m.ID) }()
	<-tried
	go func() { removed <- s.Remove(context.Background(), "grace", "pedestrians", m.ID) }()
	select {
	case err := <-removed:
		t.Errorf("it was removed while it was tried: %v", err)
		removed <- err
	case <-time.After(200 * time.Millisecond):
	}
	close(goOn)
	if err := <-activated; err != nil {
		t.Error(err)
	}
	if err := <-removed; !errors.Is(err, ErrUsed) {
		t.Errorf("what is in use was removed: %v", err)
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 1 || !list[0].Active {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := os.Stat(s.path(m.ID)); err != nil {
		t.Error(err)
	}
}

// TestActivateUnwritten puts networks in force while the database cannot be written to: what was in use is in use again, and is so after the next start.
func TestActivateUnwritten(t *testing.T) {
	db, dir, file := place(t)
	sw := &swaps{now: map[string]string{}}
	s, err := Open(db, dir+"/models", sw.swap)
	if err != nil {
		t.Fatal(err)
	}
	other, err := zoo.Default(zoo.Scene)
	if err != nil {
		t.Skip(err)
	}
	var ids []int64
	for _, b := range [][]byte{file, other} {
		m, err := s.Add(t.Context(), "ada", "pedestrians", b)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	// refused cancels the request once the network is in use, so that it is not written down.
	refused := func(id int64) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.swap = func(c context.Context, task, path string) error {
			defer cancel()
			return sw.swap(c, task, path)
		}
		defer func() { s.swap = sw.swap }()
		return s.Activate(ctx, "ada", "pedestrians", id)
	}
	check := func(err error, path string, id int64) {
		t.Helper()
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "is in use again") || sw.now["pedestrians"] != path {
			t.Errorf("%q is in use, not %q: %v", sw.now["pedestrians"], path, err)
		}
		list, err := s.List(t.Context())
		for _, m := range list {
			if m.Active != (m.ID == id) {
				t.Errorf("%d is in force: %v", m.ID, m.Active)
			}
		}
		if err != nil || len(list) != 2 {
			t.Errorf("%v, %v", list, err)
		}
	}
	check(refused(ids[0]), "", 0)
	if err := s.Activate(t.Context(), "ada", "pedestrians", ids[0]); err != nil {
		t.Fatal(err)
	}
	check(refused(ids[1]), s.path(ids[0]), ids[0])
	check(refused(0), s.path(ids[0]), ids[0])
	if s, err = Open(db, dir+"/models", sw.swap); err != nil {
		t.Fatal(err)
	}
	if err := s.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(refused(ids[1]), s.path(ids[0]), ids[0])

	broken := errors.New("its file is gone")
	s.swap = func(ctx context.Context, task, path string) error {
		if path == s.path(ids[0]) {
			return broken
		}
		return sw.swap(ctx, task, path)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tried := s.swap
	s.swap = func(c context.Context, task, path string) error { defer cancel(); return tried(c, task, path) }
	if err := s.Activate(ctx, "ada", "pedestrians", ids[1]); !errors.Is(err, broken) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "until the daemon is restarted") {
		t.Errorf("what was in use cannot be used again: %v", err)
	}
}

func TestModels(t *testing.T) {
	db, dir, file := place(t)
	sw := &swaps{now: map[string]string{}}
	s, err := Open(db, dir+"/models", sw.swap)
	if err != nil {
		t.Fatal(err)
	}
	var bad *ModelError
	if _, err := s.Add(t.Context(), "ada", "pedestrians", []byte("no network")); !errors.As(err, &bad) {
		t.Error(err)
	}
	if _, err := s.Add(t.Context(), "ada", "../etc", file); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	m, err := s.Add(t.Context(), "ada", "pedestrians", file)
	if err != nil || m.ID == 0 || m.Active {
		t.Fatalf("%+v, %v", m, err)
	}
	if again, err := s.Add(t.Context(), "grace", "pedestrians", file); err != nil || again.ID != m.ID || again.Source != "ada" {
		t.Errorf("%+v, %v", again, err)
	}
	if err := s.Activate(t.Context(), "ada", "scene", m.ID); !errors.Is(err, ErrNone) {
		t.Errorf("for another task: %v", err)
	}
	sw.err = errors.New("it gives no boxes")
	if err := s.Activate(t.Context(), "ada", "pedestrians", m.ID); !errors.As(err, &bad) {
		t.Error(err)
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 1 || list[0].Active {
		t.Errorf("what could not be used is in use: %+v, %v", list, err)
	}
	sw.err = nil
	if err := s.Activate(t.Context(), "ada", "pedestrians", m.ID); err != nil || sw.now["pedestrians"] != s.path(m.ID) {
		t.Errorf("%v, %v", sw.now, err)
	}
	if err := s.Remove(t.Context(), "ada", "pedestrians", m.ID); !errors.Is(err, ErrUsed) {
		t.Error(err)
	}
	clear(sw.now)
	if err := s.Restore(t.Context()); err != nil || sw.now["pedestrians"] != s.path(m.ID) {
		t.Errorf("after a start: %v, %v", sw.now, err)
	}
	if err := os.WriteFile(s.path(m.ID), file[:len(file)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	clear(sw.now)
	if err := s.Restore(t.Context()); err == nil || len(sw.now) > 0 {
		t.Errorf("a file that was changed is in use: %v", err)
	}
	if err := s.Activate(t.Context(), "ada", "pedestrians", 0); err != nil || sw.now["pedestrians"] != "" {
		t.Errorf("%v, %v", sw.now, err)
	}
	if err := s.Remove(t.Context(), "ada", "pedestrians", m.ID); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.path(m.ID)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file is there: %v", err)
	}
	if err := s.Remove(t.Context(), "ada", "pedestrians", m.ID); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}
