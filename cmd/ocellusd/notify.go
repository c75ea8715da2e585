package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// manager is the service manager that started this program, to which it says how it does: sd_notify(3) of systemd. A nil manager is told nothing.
type manager struct {
	conn     net.Conn
	watchdog time.Duration // within which it wants to be fed; 0: never
}

// newManager returns what the environment names; nil where nobody waits to be told. Processes that this one starts do not see it.
func newManager() (*manager, error) {
	path, period, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if path == "" {
		return nil, nil
	}
	m := &manager{}
	if pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if n, err := strconv.ParseInt(period, 10, 53); err == nil && n > 0 {
			m.watchdog = time.Duration(n) * time.Microsecond
		}
	}
	var err error
	if m.conn, err = net.Dial("unixgram", path); err != nil { // a path that begins with @ is one without a file
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return m, nil
}

// tell sends assignments, one a line.
func (m *manager) tell(lines ...string) error {
	if m == nil {
		return nil
	}
	for i, s := range lines {
		lines[i] = strings.ReplaceAll(s, "\n", " ")
	}
	if err := m.conn.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err := m.conn.Write([]byte(strings.Join(lines, "\n")))
	return err
}

func (m *manager) close() {
	if m != nil {
		m.conn.Close()
	}
}

// reloading says that settings are read again; READY=1 ends that.
func (m *manager) reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	return m.tell("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10), "STATUS=reading the settings")
}

// notify tells the service manager something; what fails is logged.
func (d *daemon) notify(lines ...string) {
	if err := d.manager.tell(lines...); err != nil {
		d.log.Warn("the service manager is not told", "error", err)
	}
}

// tend tells the service manager how the daemon does until ctx ends, and feeds the watchdog: only while the loop that receives from ask goes on, the cameras' loops
// go on, and the store answers.
func (d *daemon) tend(ctx context.Context, ask chan<- struct{}) {
	if d.manager == nil {
		return
	}
	every := 15 * time.Second
	if w := d.manager.watchdog; w > 0 {
		every = min(every, w/4)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var p pulse
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case <-ctx.Done():
			return
		case ask <- struct{}{}:
		}
		cameras := d.watch.Cameras()
		err := errors.Join(p.feel(time.Now(), cameras), d.answers(ctx, 2*every))
		switch {
		case ctx.Err() != nil:
		case err != nil:
			d.log.Error("the watchdog is not fed", "error", err)
		default:
			d.notify("WATCHDOG=1", "STATUS="+summary(cameras))
		}
	}
}

// answers returns an error where the store does not answer within limit. Refusing, as when the disk is full, is an answer: a restart would not help.
func (d *daemon) answers(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	enough := errors.New("nothing is to be written")
	if err := d.store.Write(ctx, func(*sql.Tx) error { return enough }); ctx.Err() != nil {
		return fmt.Errorf("the store does not answer: %w", err)
	}
	return nil
}

// stuckAfter is how long a camera's loop may hold one frame.
const stuckAfter = time.Minute

// pulse notices when a camera's loop hangs.
type pulse map[string]beat

type beat struct {
	frames uint64
	at     time.Time
}

// feel returns an error where a camera that runs has given no frame for stuckAfter: its supervisor would have called it frozen long before if the loop did not hang.
// Cameras that are away, or frozen, are no reason to begin anew.
func (p *pulse) feel(now time.Time, cameras []watch.CameraStatus) error {
	fresh := pulse{}
	var errs []error
	for _, c := range cameras {
		b, had := (*p)[c.Name]
		if !had || b.frames != c.Frames || c.State != camera.Running.String() {
			b = beat{c.Frames, now}
		}
		fresh[c.Name] = b
		if away := now.Sub(b.at); away >= stuckAfter {
			errs = append(errs, fmt.Errorf("camera %q hangs at a frame for %v", c.Name, away.Round(time.Second)))
		}
	}
	*p = fresh
	return errors.Join(errs...)
}

// summary is a line about the cameras.
func summary(cameras []watch.CameraStatus) string {
	var away []string
	for _, c := range cameras {
		if c.State != camera.Running.String() {
			away = append(away, c.Name+" is "+c.State)
		}
	}
	s := fmt.Sprintf("%d of %d cameras run", len(cameras)-len(away), len(cameras))
	if len(away) > 0 {
		s += ": " + strings.Join(away, ", ")
	}
	return s
}
