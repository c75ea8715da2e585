package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// daemon is the program that is looked at.
type daemon struct {
	base  string // of addresses
	token string
	dir   string
	cmd   *exec.Cmd
	log   bytes.Buffer
}

// start starts the daemon with cameras cam0, cam1 and so on, of so many frames a second, on two CPUs, and waits until it may be asked.
func start(ctx context.Context, program string, cameras, fps int) (_ *daemon, err error) {
	program, err = filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	d := &daemon{}
	if d.dir, err = os.MkdirTemp("", "benchdaemon-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	d.base = "http://" + address
	var text strings.Builder
	fmt.Fprintf(&text, "listen: %s\ncameras:\n", address)
	for i := range cameras {
		fmt.Fprintf(&text, "  - {name: cam%d, url: \"synth:street?seed=%d&size=640x480&fps=%d\"}\n", i, i+1, fps)
	}
	settings, data := filepath.Join(d.dir, "bench.yaml"), filepath.Join(d.dir, "data")
	if err := os.WriteFile(settings, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	password, err := exec.CommandContext(ctx, program, "reset-password", "bench", "--data", data).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	d.cmd = exec.Command(program, "--config", settings, "--data", data)
	d.cmd.Env = append(os.Environ(), "GOMAXPROCS=2")
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	return d, d.enter(ctx, strings.TrimSpace(string(password)), cameras)
}

// enter makes a token, and waits until all cameras give frames.
func (d *daemon) enter(ctx context.Context, password string, cameras int) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	call := func(method, path, csrf string, body, into any) error {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r, err := http.NewRequestWithContext(ctx, method, d.base+path, bytes.NewReader(b))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-CSRF-Token", csrf)
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 300 {
			return fmt.Errorf("%s %s: %s", method, path, resp.Status)
		}
		if into == nil {
			return nil
		}
		return json.NewDecoder(resp.Body).Decode(into)
	}
	// until asks again while that fails.
	until := func(f func() error) error {
		for {
			err := f()
			if err == nil {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the daemon is not ready: %w", err)
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	if err := until(func() error {
		return call("POST", "/api/v1/login", "", map[string]string{"user": "bench", "password": password}, nil)
	}); err != nil {
		return err
	}
	var session struct{ CSRF string }
	if err := call("GET", "/api/v1/session", "", nil, &session); err != nil {
		return err
	}
	var token struct{ Secret string }
	if err := call("POST", "/api/v1/tokens", session.CSRF, map[string]string{"name": "bench", "role": "viewer"}, &token); err != nil {
		return err
	}
	d.token = token.Secret
	return until(func() error {
		n, err := d.captured(ctx)
		if err == nil && len(n) != cameras {
			err = errors.New("there are too few cameras")
		}
		for i, frames := range n {
			if frames == 0 {
				err = fmt.Errorf("camera %d gives no frame", i)
			}
		}
		return err
	})
}

// get begins a request.
func (d *daemon) get(ctx context.Context, client *http.Client, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	resp, err := client.Do(r)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return resp, err
}

// captured returns how many frames each camera has given.
func (d *daemon) captured(ctx context.Context) ([]uint64, error) {
	resp, err := d.get(ctx, http.DefaultClient, "/api/v1/cameras")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var list struct{ Cameras []struct{ Frames uint64 } }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return nil, err
	}
	var n []uint64
	for _, c := range list.Cameras {
		n = append(n, c.Frames)
	}
	return n, nil
}

// close ends the daemon, and removes what it kept.
func (d *daemon) close() error {
	var err error
	if d.cmd != nil && d.cmd.Process != nil {
		d.cmd.Process.Signal(os.Interrupt)
		if err = d.cmd.Wait(); err != nil {
			err = fmt.Errorf("the daemon: %w\n%s", err, d.log.Bytes())
		}
	}
	return errors.Join(err, os.RemoveAll(d.dir))
}

// moment is how the daemon is at a time.
type moment struct {
	at     time.Time
	frames uint64
	memory float64       // resident bytes
	cpu    time.Duration // used since its start
}

// course is how it is from moment to moment.
type course []moment

// watch looks at the daemon for a while.
func (d *daemon) watch(ctx context.Context, duration time.Duration) (*course, error) {
	var c course
	every := time.NewTicker(min(5*time.Second, duration/6))
	defer every.Stop()
	end := time.Now().Add(duration)
	for {
		m, err := d.look(ctx)
		if err != nil {
			return nil, err
		}
		c = append(c, m)
		if m.at.After(end) {
			return &c, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-every.C:
		}
	}
}

func (d *daemon) look(ctx context.Context) (moment, error) {
	m := moment{}
	list, err := d.captured(ctx)
	if err != nil {
		return m, err
	}
	m.at = time.Now()
	for _, n := range list {
		m.frames += n
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", d.cmd.Process.Pid))
	if err != nil {
		return m, err
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return m, err
	}
	m.memory = float64(resident * int64(os.Getpagesize()))
	if b, err = os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid)); err != nil {
		return m, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return m, err
	}
	m.cpu = time.Duration(user+system) * time.Second / 100
	return m, nil
}

func (c course) span() time.Duration { return c[len(c)-1].at.Sub(c[0].at) }

// rate is how many frames all cameras gave in a second.
func (c course) rate() float64 { return float64(c[len(c)-1].frames-c[0].frames) / c.span().Seconds() }

// cpus is how many CPUs were in use.
func (c course) cpus() float64 { return (c[len(c)-1].cpu - c[0].cpu).Seconds() / c.span().Seconds() }

// memory returns the means of the first third and of the last.
func (c course) memory() (first, last float64) {
	n := max(1, len(c)/3)
	for i := range n {
		first += c[i].memory / float64(n)
		last += c[len(c)-1-i].memory / float64(n)
	}
	return first, last
}
