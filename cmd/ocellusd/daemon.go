package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/cli"
	"github.com/ocellus-vision/ocellus/cmd/internal/version"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// daemon is the running program.
type daemon struct {
	place
	listen string

	log     *slog.Logger
	manager *manager
	store   *store.DB
	watch   *watch.Watch
	parts
}

// gcPercent is by how many percent the heap may grow before garbage is collected. Frames and tensors are used again, so that little garbage comes, while memory is
// what small computers have least of.
const gcPercent = 10

// folder returns the data folder.
func (p *place) folder() (string, error) {
	for _, dir := range []string{p.data, os.Getenv("STATE_DIRECTORY")} {
		if dir != "" {
			return filepath.Abs(dir)
		}
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "ocellusd"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("name the data folder with --data: %w", err)
	}
	return filepath.Join(home, ".local", "share", "ocellusd"), nil
}

// run runs the daemon until it is told to stop.
func (d *daemon) run(ctx context.Context, stderr io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	d.log = slog.New(slog.NewTextHandler(stderr, nil))
	ctx, stop := cli.Interruptible(ctx)
	defer stop()
	file := newSpy(d.config) // before it is read: what changes meanwhile is noticed
	c, err := d.settings()
	if err != nil {
		return err
	}
	if d.listen != "" {
		c.Listen = d.listen
	}
	dir, err := d.folder()
	if err != nil {
		return err
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	d.log.Info("ocellusd", "version", version.Get().String(), "data", dir)
	if d.manager, err = newManager(); err != nil {
		return err
	}
	defer d.manager.close()
	if d.store, err = store.Open(dir); err != nil {
		return err
	}
	defer func() {
		if err := d.store.Close(); err != nil {
			d.log.Error("the database was not closed well", "error", err)
		}
	}()
	if aside := d.store.Aside(); aside != "" {
		d.log.Error("the database was damaged: a new one was begun, the old one is kept", "file", aside)
	}
	defer d.closeParts()
	if err := d.openParts(ctx, c); err != nil {
		return err
	}
	return d.serve(ctx, file)
}

// serve waits for the end, and meanwhile reads changed settings. What is old is removed beside it, so that it answers the watchdog however long that takes.
func (d *daemon) serve(ctx context.Context, file *spy) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	look := time.NewTicker(2 * time.Second)
	defer look.Stop()
	secured := d.auth.Secured()
	d.notify("READY=1", "STATUS="+summary(d.watch.Cameras()))
	ask := make(chan struct{})
	var tending sync.WaitGroup
	tending.Go(func() { d.tend(ctx, ask) })
	tending.Go(func() { d.keep(ctx) })
	defer tending.Wait()
	for {
		select {
		case <-ctx.Done():
			d.log.Info("stopping")
			d.notify("STOPPING=1", "STATUS=stopping")
			return nil
		case <-ask:
		case <-secured:
			secured = nil
			if err := d.server.apply(d.used); err != nil {
				d.log.Error("not listening as the settings say", "error", err)
			}
		case <-hup:
			file.changed()
			d.reload(ctx)
		case <-look.C:
			if file.changed() {
				d.reload(ctx)
			}
			if err := d.auth.Look(ctx); err != nil && ctx.Err() == nil {
				d.log.Error("users cannot be read", "error", err)
			}
		}
	}
}

// reload reads the settings again. Where they are wrong nothing changes.
func (d *daemon) reload(ctx context.Context) {
	if err := d.manager.reloading(); err != nil {
		d.log.Warn("the service manager is not told", "error", err)
	}
	defer func() { d.notify("READY=1", "STATUS="+summary(d.watch.Cameras())) }()
	c, err := d.settings()
	if err == nil {
		if d.listen != "" {
			c.Listen = d.listen
		}
		err = d.apply(ctx, c)
	}
	switch {
	case errors.Is(err, errHalf):
		d.log.Error("the settings are not used, and not all is as it was: restart the daemon", "error", err)
	case err != nil:
		d.log.Error("the settings are not used: all goes on as it was", "error", err)
	default:
		d.log.Info("the settings were read again")
	}
}

// keep removes what need not be kept, once a minute until ctx ends. What is too much for one turn goes on after a short rest.
func (d *daemon) keep(ctx context.Context) {
	const turn, rest, longest = 5 * time.Second, time.Second, 6 * time.Hour
	var pause time.Duration // after the last Settle that failed
	var settle time.Time    // not before: to write a large database anew stops everybody else who writes
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		if d.prune(ctx, turn) {
			next.Reset(rest)
			continue
		}
		if now := time.Now(); !now.Before(settle) {
			if err := d.store.Settle(ctx); err == nil {
				pause = 0
			} else if ctx.Err() == nil {
				pause = min(max(2*pause, time.Minute), longest)
				settle = now.Add(pause)
				d.log.Warn("the key of somebody who was forgotten may still be in the database's files", "error", err, "tried again after", pause)
			}
		}
		next.Reset(time.Minute)
	}
}

// prune removes what need not be kept, for a turn, and says whether there is more.
func (d *daemon) prune(ctx context.Context, turn time.Duration) (more bool) {
	k := d.watch.Settings().Keep
	p, err := d.store.Prune(ctx, store.Limits{Age: k.Age, Bytes: int64(k.Bytes), Reserve: int64(k.Reserve), Time: turn})
	switch {
	case err != nil && ctx.Err() == nil:
		d.log.Error("old events were not removed", "error", err)
	case p.Events+p.Tracks > 0:
		d.log.Info("old events were removed", "events", p.Events, "tracks", p.Tracks, "bytes_in_use", p.Bytes, "bytes_free", p.Free)
	}
	if p.Tight {
		d.log.Warn("less of the disk is free than is to be, and no event is older than a day", "bytes_free", p.Free)
	}
	if p.Jumped {
		d.log.Warn("the clock has jumped: events are not removed for their age until it has gone on for a day")
	}
	return p.More && err == nil
}

// spy notices when a file changes.
type spy struct {
	path string
	info os.FileInfo
	text []byte
}

func newSpy(path string) *spy {
	s := &spy{path: path}
	s.changed()
	return s
}

// changed says whether the file holds something else than at the last call. One that is away, as while an editor writes it anew, has not changed.
func (s *spy) changed() bool {
	if s.path == "" {
		return false
	}
	info, err := os.Stat(s.path)
	if err != nil || s.info != nil && os.SameFile(info, s.info) && info.ModTime().Equal(s.info.ModTime()) && info.Size() == s.info.Size() {
		return false
	}
	text, err := os.ReadFile(s.path)
	if err != nil {
		return false
	}
	was := s.text
	s.info, s.text = info, text
	return !bytes.Equal(was, text)
}

// lock sees to it that no other daemon uses a data folder.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another ocellusd uses %s: stop it, or name another folder with --data", dir)
		}
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
