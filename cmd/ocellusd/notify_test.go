package main

import (
	"context"
	"database/sql"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// listener is a service manager.
type listener struct {
	t    *testing.T
	conn *net.UnixConn
}

// listen makes the environment name a service manager that wants to be fed.
func listen(t *testing.T, watchdog time.Duration) *listener {
	dir, err := os.MkdirTemp("", "notify") // the name of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(watchdog.Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	return &listener{t, conn}
}

// next returns the next message; "" where none came within a time.
func (l *listener) next(within time.Duration) string {
	l.t.Helper()
	if err := l.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		l.t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := l.conn.Read(b)
	if err != nil && !os.IsTimeout(err) {
		l.t.Fatal(err)
	}
	return string(b[:n])
}

// until returns the first message that holds all texts.
func (l *listener) until(texts ...string) string {
	l.t.Helper()
	var got []string
	for {
		s := l.next(5 * time.Minute)
		if s == "" {
			l.t.Fatalf("no message with %q came, but %q", texts, got)
		}
		missing := false
		for _, want := range texts {
			missing = missing || !strings.Contains("\n"+s+"\n", want)
		}
		if !missing {
			return s
		}
		got = append(got, s)
	}
}

// TestNotify is the daemon's service manager, from the start to the end.
func TestNotify(t *testing.T) {
	m := listen(t, 4*time.Second)
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "o.yaml"), bars("door"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log journal
	done := make(chan error, 1)
	d := &daemon{place: place{config: file, data: filepath.Join(dir, "data")}, listen: "127.0.0.1:0"}
	go func() { done <- d.run(ctx, &log) }()

	m.until("\nREADY=1\n", "\nSTATUS=")
	if !strings.Contains(log.String(), "msg=listening") {
		t.Error("ready before anybody is answered")
	}
	if s, here := os.LookupEnv("NOTIFY_SOCKET"); here {
		t.Errorf("a child would see %s", s)
	}
	m.until("\nWATCHDOG=1\n", "\nSTATUS=1 of 1 cameras run\n")

	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	reloading := m.until("\nRELOADING=1\n", "\nMONOTONIC_USEC=")
	for line := range strings.Lines(reloading) {
		if s, is := strings.CutPrefix(strings.TrimSpace(line), "MONOTONIC_USEC="); is {
			if n, err := strconv.ParseInt(s, 10, 64); err != nil || n <= 0 {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
	m.until("\nREADY=1\n")

	// A transaction that does not end: the store answers nobody.
	free, wrote := occupy(t, d)
	before := strings.Count(log.String(), "the store does not answer") // where the machine is slow
	log.until(t, before+1, "the store does not answer")
	for m.next(10*time.Millisecond) != "" { // what was sent before
	}
	log.until(t, before+2, "the store does not answer")
	if s := m.next(10 * time.Millisecond); strings.Contains(s, "WATCHDOG=1") {
		t.Errorf("%q while the store does not answer", s)
	}
	close(free)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	m.until("\nWATCHDOG=1\n")

	stop()
	m.until("\nSTOPPING=1\n")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestReadyWhilePruning holds the database, so that what is old cannot be removed: the daemon is ready nonetheless.
func TestReadyWhilePruning(t *testing.T) {
	m := listen(t, time.Minute)
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "o.yaml"), bars("door"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log journal
	d := &daemon{place: place{config: file, data: filepath.Join(dir, "data")}, listen: "127.0.0.1:0", log: slog.New(slog.NewTextHandler(&log, nil))}
	c, err := d.settings()
	if err != nil {
		t.Fatal(err)
	}
	c.Listen = d.listen
	if d.manager, err = newManager(); err != nil {
		t.Fatal(err)
	}
	defer d.manager.close()
	if d.store, err = store.Open(d.data); err != nil {
		t.Fatal(err)
	}
	defer d.store.Close()
	old := store.Event{Time: time.Now().AddDate(-1, 0, 0), Camera: "door", Kind: store.Loitering}
	if err := d.store.AddEvent(ctx, &old, nil); err != nil {
		t.Fatal(err)
	}
	defer d.closeParts()
	if err := d.openParts(ctx, c); err != nil {
		t.Fatal(err)
	}
	free, wrote := occupy(t, d)
	done := make(chan error, 1)
	go func() { done <- d.serve(ctx, newSpy(d.config)) }()
	if s := m.next(30 * time.Second); !strings.Contains(s, "READY=1") {
		t.Errorf("not ready, but %q, while old events cannot be removed", s)
	}
	close(free)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	log.until(t, 1, "old events were removed")
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestPruneTurn has more to remove than a turn has time for.
func TestPruneTurn(t *testing.T) {
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 150 {
		e := store.Event{Time: time.Now().AddDate(-1, 0, 0), Camera: "door", Kind: store.Loitering}
		if err := db.AddEvent(t.Context(), &e, nil); err != nil {
			t.Fatal(err)
		}
	}
	d := &daemon{store: db, log: slog.New(slog.DiscardHandler), watch: watch.New(watch.Options{Store: db, Log: slog.New(slog.DiscardHandler)})}
	c, err := config.Parse([]byte(bars("door")), "o.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.watch.Apply(c); err != nil {
		t.Fatal(err)
	}
	defer d.watch.Close(t.Context())
	for turn, more := range []bool{true, true, false} {
		if got := d.prune(t.Context(), 1); got != more {
			t.Errorf("turn %d: more %v", turn, got)
		}
	}
	if list, err := db.Events(t.Context(), store.Filter{Kind: store.Loitering}); err != nil || len(list) != 0 {
		t.Errorf("%d events are left, %v", len(list), err)
	}
}

func TestNotifyElsewhere(t *testing.T) {
	listen(t, time.Second)
	t.Setenv("WATCHDOG_PID", "1")
	m, err := newManager()
	if err != nil || m.watchdog != 0 {
		t.Fatalf("a watchdog of another process is fed: %+v, %v", m, err)
	}
	m.close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if _, err := newManager(); err == nil || !strings.Contains(err.Error(), "NOTIFY_SOCKET") {
		t.Errorf("nobody there: %v", err)
	}
	if m, err := newManager(); m != nil || err != nil {
		t.Errorf("nobody asked: %v, %v", m, err)
	}
}

func TestPulse(t *testing.T) {
	var p pulse
	start := time.Unix(0, 0)
	for i, c := range []struct {
		after  time.Duration
		state  string
		frames uint64
		hangs  bool
	}{
		{0, "opening", 0, false},
		{stuckAfter, "running", 1, false},
		{2 * stuckAfter, "running", 2, false},
		{2*stuckAfter + stuckAfter/2, "running", 2, false},
		{3 * stuckAfter, "running", 2, true},
		{3*stuckAfter + 1, "running", 3, false},
		{5 * stuckAfter, "waiting", 3, false},
		{7 * stuckAfter, "frozen", 3, false},
	} {
		err := p.feel(start.Add(c.after), []watch.CameraStatus{{Name: "door", State: c.state, Frames: c.frames}})
		if (err != nil) != c.hangs {
			t.Errorf("%d: %v", i, err)
		}
	}
	if len(p) != 1 {
		t.Error("cameras are not remembered")
	}
	if p.feel(start, nil); len(p) != 0 {
		t.Error("a camera that is gone is remembered")
	}
}

// occupy begins a transaction that ends when free is closed, and how is sent to wrote.
func occupy(t *testing.T, d *daemon) (free chan struct{}, wrote chan error) {
	held := make(chan struct{})
	free, wrote = make(chan struct{}), make(chan error, 1)
	go func() {
		wrote <- d.store.Write(t.Context(), func(*sql.Tx) error {
			close(held)
			<-free
			return nil
		})
	}()
	<-held
	return free, wrote
}
