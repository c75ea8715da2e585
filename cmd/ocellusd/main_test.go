package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
)

// say runs a command line.
func say(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

// write writes a file of settings and returns its name.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVerbs(t *testing.T) {
	good := write(t, filepath.Join(t.TempDir(), "good.yaml"), bars("a"))
	bad := write(t, filepath.Join(t.TempDir(), "bad.yaml"), "cameras:\n  - name: a\n    ulr: x\n")
	away := write(t, filepath.Join(t.TempDir(), "away.yaml"), bars("a")+"  - {name: b, url: \"http://me:hush@127.0.0.1:1/stream.mjpg\", tasks: [pedestrians]}\n")
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"version"}, 0, "ocellusd "},
		{[]string{"check", "--config", good}, 0, `camera "a": 64x48`},
		{[]string{"check", "--config", bad}, 1, `bad.yaml:3:5: there is no key "ulr" in cameras[0]; did you mean "url"?`},
		{[]string{"check", "--config", away}, 1, "1 of 2 cameras failed"},
		{[]string{"check", "--config", "/nowhere/o.yaml"}, 1, "no such file"},
		{[]string{"--config", bad}, 1, "did you mean"},
		{[]string{"chekc"}, 2, `unknown verb "chekc"; did you mean "check"?`},
		{[]string{"chekc"}, 2, "--help"},
		{[]string{"help", "check"}, 0, "Check reads the settings"},
		{[]string{"help", "chekc"}, 2, `unknown verb "chekc"; did you mean "check"?`},
		{[]string{"completion"}, 0, "autocompletion"},
		{[]string{"completion", "bash"}, 0, "__start_ocellusd"},
		{[]string{"completion", "tcsh"}, 2, `no completions for "tcsh"; the shells are bash, fish, powershell, zsh`},
		{[]string{"--datas", "x"}, 2, "unknown flag"},
	} {
		status, out, errs := say(c.args...)
		if status != c.status || !strings.Contains(out+errs, c.says) || strings.Contains(out+errs, "hush") {
			t.Errorf("%q: status %d, %s%s\nwant %d, %s", c.args, status, out, errs, c.status, c.says)
		}
	}
	status, out, _ := say("schema")
	if status != 0 || !json.Valid([]byte(out)) {
		t.Errorf("schema: status %d, %s", status, out)
	}
}

// bars is a camera of a test pattern, at which nothing happens.
func bars(name string) string {
	return "cameras:\n  - {name: " + name + ", url: \"synth:bars?size=64x48&fps=20\", tasks: [pedestrians]}\n"
}

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// until waits until the log holds a text n times.
func (j *journal) until(t *testing.T, n int, text string) {
	t.Helper()
	for range 3000 {
		if strings.Count(j.String(), text) >= n {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the log does not hold %q %d times:\n%s", text, n, j.String())
}

// TestReload runs the daemon and changes its settings: by writing the file anew, with a mistake in it, and with a signal.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SESAME", "hush")
	file := write(t, filepath.Join(dir, "o.yaml"), bars("first")+"mqtt: {url: \"tcp://127.0.0.1:1\", user: me, password: \"${SESAME}\"}\n")
	ctx, stop := context.WithCancel(t.Context())
	var log journal
	done := make(chan error, 1)
	p := place{config: file, data: filepath.Join(dir, "data")}
	go func() { done <- (&daemon{place: p, listen: "127.0.0.1:0"}).run(ctx, &log) }()
	log.until(t, 1, "msg=listening")
	log.until(t, 1, "msg=camera name=first")

	if err := (&daemon{place: p, listen: "127.0.0.1:0"}).run(ctx, &journal{}); err == nil || !strings.Contains(err.Error(), "another ocellusd") {
		t.Errorf("a second daemon in the same folder: %v", err)
	}

	write(t, file, bars("second"))
	log.until(t, 1, "msg=camera name=second")
	log.until(t, 1, "msg=\"camera closed\" name=first")

	write(t, file, strings.Replace(bars("third"), "tasks", "tsaks", 1))
	log.until(t, 1, "did you mean")
	if strings.Contains(log.String(), "name=third") || strings.Contains(log.String(), "\"camera closed\" name=second") {
		t.Error("wrong settings changed something")
	}

	again := strings.Count(log.String(), "did you mean")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	log.until(t, again+1, "did you mean")

	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the daemon does not stop")
	}
	if strings.Contains(log.String(), "hush") {
		t.Error("the log shows a secret")
	}
}

// TestRefusedSettingsChangeNothing gives a running daemon settings of another camera, limits and a webhook, of which one thing cannot be done.
func TestRefusedSettingsChangeNothing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if _, err := auth.OpenCertificate("", "", filepath.Join(dir, name), slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "empty.pem"), "no certificate\n")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	misfit := "certificate: " + filepath.Join(dir, "a", "cert.pem") + ", key: " + filepath.Join(dir, "b", "key.pem")
	settings := func(camera, port, more string) string {
		return "listen: 127.0.0.1:" + port + "\n" + bars(camera) + more
	}
	other := "keep: {age: 1h}\nwebhooks: [{url: \"http://127.0.0.1:1/\"}]\n"
	port := freePort(t)
	l := begin(t, settings("first", port, ""), "")
	_, elsewhere, _ := net.SplitHostPort(taken.Addr().String())
	for what, c := range map[string]struct{ says, settings string }{
		"no certificate": {"there is no certificate in", settings("second", port, other+"mqtt: {url: \"ssl://127.0.0.1:1\", ca: "+filepath.Join(dir, "empty.pem")+"}\n")},
		"mqtt's key":     {"mqtt.certificate: ", settings("second", port, other+"mqtt: {url: \"ssl://127.0.0.1:1\", "+misfit+"}\n")},
		"the page's key": {"tls: ", settings("second", port, other+"tls: {mode: file, "+misfit+"}\n")},
		"a taken port":   {"choose another address", settings("second", elsewhere, other)},
		"no such clip":   {"nowhere", strings.Replace(settings("second", freePort(t), other), "synth:bars?size=64x48&fps=20", "/nowhere/clip.mp4", 1)},
	} {
		was := strings.Count(l.log.String(), "all goes on as it was")
		write(t, l.config, c.settings)
		l.log.until(t, was+1, "all goes on as it was")
		if !strings.Contains(l.log.String(), c.says) {
			t.Errorf("%s: the log does not say %q:\n%s", what, c.says, l.log.String())
		}
		if names := l.watch.Names(); len(names) != 1 || names[0] != "first" || l.watch.Settings().Keep.Age == time.Hour || len(l.out.Status().Targets) != 0 {
			t.Errorf("%s changed something: %v, %s, %+v", what, names, l.watch.Settings().Keep.Age, l.out.Status())
		}
		l.ask(200, "GET", "/healthz", nil, nil)
	}
	if n := strings.Count(l.log.String(), "msg=listening"); n != 1 {
		t.Errorf("it began to listen %d times", n)
	}

	next := freePort(t)
	write(t, l.config, settings("second", next, other))
	l.log.until(t, 1, "the settings were read again")
	l.base = "http://127.0.0.1:" + next
	l.ask(200, "GET", "/healthz", nil, nil)
	if names := l.watch.Names(); len(names) != 1 || names[0] != "second" || l.watch.Settings().Keep.Age != time.Hour || len(l.out.Status().Targets) != 1 {
		t.Errorf("%v, %s, %+v", names, l.watch.Settings().Keep.Age, l.out.Status())
	}
}

// TestMoveThatFails prepares another address of the port that is listened on, which another program has by then: all goes on at the first one.
func TestMoveThatFails(t *testing.T) {
	own := outward()
	if own == "" {
		t.Skip("this machine has no address but loopback")
	}
	port := freePort(t)
	l := begin(t, bars("door"), "127.0.0.1:"+port)
	l.enter()
	taken, err := net.Listen("tcp", net.JoinHostPort(own, port))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := *l.used
	c.Listen, c.TLS.Mode = net.JoinHostPort(own, port), "off"
	if err := l.server.apply(&c); err == nil {
		t.Error("it listens where another program does")
	}
	l.ask(200, "GET", "/healthz", nil, nil)
}

// TestInterruptTwice stops a daemon that cannot end because nobody reads its log.
func TestInterruptTwice(t *testing.T) {
	dir := t.TempDir()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close() // before w, whose writer it lets go
	cmd := exec.Command(os.Args[0], "--config", write(t, filepath.Join(dir, "o.yaml"), bars("a")), "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0")
	cmd.Env, cmd.Stderr = append(os.Environ(), asProgram+"=1"), w
	switch err := cmd.Start(); {
	case errors.Is(err, syscall.ENOEXEC):
		t.Skip("the emulated test cannot start a program of its own architecture")
	case err != nil:
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var log strings.Builder
	for b := make([]byte, 4096); !strings.Contains(log.String(), "msg=listening"); {
		n, err := r.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		log.Write(b[:n])
	}
	size, err := unix.FcntlInt(r.Fd(), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // fills the pipe byte by byte, and waits until r is closed
		for _, err := w.Write([]byte{'\n'}); err == nil; {
			_, err = w.Write([]byte{'\n'})
		}
	}()
	for waiting := 0; waiting < size; {
		if waiting, err = unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	for range 3000 { // one that comes before the first was taken is none
		cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
			if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGINT {
				t.Errorf("%v\n%s", cmd.ProcessState, &log)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Error("it does not end")
}

func TestFolder(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "/var/lib/ocellus")
	t.Setenv("XDG_DATA_HOME", "/data/of/me")
	for _, c := range []struct{ data, want string }{{"/x", "/x"}, {"", "/var/lib/ocellus"}} {
		if dir, err := (&place{data: c.data}).folder(); dir != c.want || err != nil {
			t.Errorf("%q: %s, %v", c.data, dir, err)
		}
	}
	t.Setenv("STATE_DIRECTORY", "")
	if dir, err := (&place{}).folder(); dir != "/data/of/me/ocellusd" || err != nil {
		t.Errorf("%s, %v", dir, err)
	}
}
