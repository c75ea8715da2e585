package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/frames"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach/teachtest"
)

// asProgram makes the test binary behave as the program.
const asProgram = "OCELLUSD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	if len(os.Args) > 1 && os.Args[1] == teach.Verb { // a lesson's child
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// live is a daemon that runs, and a browser that looks at it.
type live struct {
	*daemon
	t    *testing.T
	log  *journal
	base string
	http *http.Client
	csrf string
}

// begin starts a daemon with some settings.
func begin(t *testing.T, settings, listen string) *live {
	t.Helper()
	dir := t.TempDir()
	l := &live{t: t, log: &journal{}, daemon: &daemon{listen: listen}}
	l.config, l.data = write(t, filepath.Join(dir, "o.yaml"), settings), filepath.Join(dir, "data")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	l.http = &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.run(ctx, l.log) }()
	t.Cleanup(func() {
		l.http.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	l.log.until(t, 1, "msg=listening")
	l.base = l.find(`here=(http://\S+)`)
	return l
}

// find returns what a pattern's group matches first in the log, once it is there.
func (l *live) find(pattern string) string {
	l.t.Helper()
	for range 3000 {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(l.log.String()); m != nil {
			return m[1]
		}
		time.Sleep(20 * time.Millisecond)
	}
	l.t.Fatalf("no %s in the log:\n%s", pattern, l.log.String())
	return ""
}

// ask sends a request, expects a status, and reads the answer where into is not nil.
func (l *live) ask(status int, method, path string, body, into any) {
	l.t.Helper()
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			l.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.base+path, bytes.NewReader(sent))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-CSRF-Token", l.csrf)
	resp, err := l.http.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		l.t.Fatalf("%s %s: %d, not %d: %s %v", method, path, resp.StatusCode, status, b, err)
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			l.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
}

// enter makes the first user by the one-time link.
func (l *live) enter() {
	l.t.Helper()
	token := l.find(`#setup=([\w-]+)`)
	l.ask(204, "POST", "/api/v1/setup", map[string]string{"token": token, "user": "ada", "password": "correct horse battery"}, nil)
	var s struct{ CSRF string }
	l.ask(200, "GET", "/api/v1/session", nil, &s)
	l.csrf = s.CSRF
}

// outward returns an address of this machine that is not loopback; "" for none.
func outward() string {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// TestFirstStart asks for all addresses: until there is a password only this device's own is listened on, then all are, with TLS.
func TestFirstStart(t *testing.T) {
	l := begin(t, bars("door"), "0.0.0.0:"+freePort(t))
	if !strings.HasPrefix(l.base, "http://127.0.0.1:") {
		t.Fatalf("it listens on %s", l.base)
	}
	own := outward()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(l.base, "http://"))
	if own != "" {
		if c, err := net.Dial("tcp", net.JoinHostPort(own, port)); err == nil {
			c.Close()
			t.Error("others reach it before there is a password")
		}
	}
	l.ask(401, "GET", "/api/v1/cameras", nil, nil)
	refused := l.knock(t)
	l.enter()
	l.log.until(t, 2, "msg=listening")
	l.ask(200, "GET", "/api/v1/cameras", nil, nil)
	if n, err := refused(); err != nil || n == 0 {
		t.Errorf("after %d answers, while it begins to listen elsewhere: %v", n, err)
	}
	if own != "" {
		l.base = "https://" + net.JoinHostPort(own, port)
		l.ask(200, "GET", "/healthz", nil, nil)
		l.ask(401, "GET", "/api/v1/cameras", nil, nil)
		l.csrf = ""
		l.ask(204, "POST", "/api/v1/login", map[string]string{"user": "ada", "password": "correct horse battery"}, nil)
		l.ask(200, "GET", "/api/v1/cameras", nil, nil)
		l.base = "http://" + net.JoinHostPort(own, port)
		l.ask(200, "GET", "/healthz", nil, nil) // by way of the address with TLS
	}
}

// TestResetPassword makes the first user beside a daemon that runs, and gives the user another password.
func TestResetPassword(t *testing.T) {
	l := begin(t, bars("door"), "127.0.0.1:0")
	reset := func() string {
		t.Helper()
		status, out, errs := say("reset-password", "ada", "--data", l.data)
		if status != 0 || len(strings.TrimSpace(out)) < 20 {
			t.Fatalf("status %d, %s%s", status, out, errs)
		}
		return strings.TrimSpace(out)
	}
	login := func(status int, password string) {
		t.Helper()
		l.ask(status, "POST", "/api/v1/login", map[string]string{"user": "ada", "password": password}, nil)
	}
	first := reset()
	select {
	case <-l.auth.Secured():
	case <-time.After(30 * time.Second):
		t.Fatal("the daemon does not notice that there is a user")
	}
	login(204, first)
	second := reset()
	l.ask(401, "GET", "/api/v1/cameras", nil, nil)
	login(401, first)
	login(204, second)
	if status, _, errs := say("reset-password", "a\nb", "--data", l.data); status != 1 || !strings.Contains(errs, "printed characters") {
		t.Errorf("status %d, %s", status, errs)
	}
}

// knock connects again and again, and asks as often as one address may, until it is told to end: it says then how often there was an answer, and why
// one time there was no connection or none.
func (l *live) knock(t *testing.T) (end func() (int, error)) {
	ctx, stop := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	n, failed := 0, error(nil)
	base, done, first := l.base, make(chan struct{}), make(chan struct{})
	ask := func() error {
		resp, err := client.Get(base + "/healthz")
		if err != nil {
			return err
		}
		n++
		return resp.Body.Close()
	}
	connect := func() error {
		c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			return err
		}
		return c.Close()
	}
	go func() {
		defer close(done)
		failed = ask()
		close(first)
		for asked := time.Now(); ctx.Err() == nil && failed == nil; {
			if time.Since(asked) < 20*time.Millisecond {
				failed = connect()
			} else {
				failed, asked = ask(), time.Now()
			}
		}
	}()
	<-first
	return func() (int, error) {
		stop()
		<-done
		return n, failed
	}
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestAPI looks at a real camera over HTTP.
func TestAPI(t *testing.T) {
	l := begin(t, bars("door"), "127.0.0.1:0")
	l.enter()
	frame := func(path string) int {
		resp, err := l.http.Get(l.base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := jpeg.Decode(resp.Body); resp.StatusCode == 200 && err != nil {
			t.Error(err)
		}
		return resp.StatusCode
	}
	for range 500 {
		if frame("/api/v1/cameras/door/frame.jpg") == 200 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if code := frame("/api/v1/cameras/door/frame.jpg?overlay=1"); code != 200 {
		t.Errorf("%d", code)
	}
	resp, err := l.http.Get(l.base + "/api/v1/cameras/door/stream.mjpg")
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(resp.Body)
	for n := 0; n < 3; {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "Content-Type: image/jpeg") {
			n++
		}
	}
	resp.Body.Close()
	zones := map[string]any{"zones": []any{map[string]any{"name": "porch", "points": [][2]float64{{0, 0}, {1, 0}, {1, 1}}}}, "lines": []any{}}
	l.ask(204, "PUT", "/api/v1/cameras/door/zones", zones, nil)
	var list struct {
		Cameras []struct {
			Name, State string
			Width       int
			Zones       []struct{ Name string }
		}
	}
	l.ask(200, "GET", "/api/v1/cameras", nil, &list)
	if c := list.Cameras[0]; c.Name != "door" || c.Width != 64 || len(c.Zones) != 1 || c.Zones[0].Name != "porch" {
		t.Errorf("%+v", c)
	}
	events, err := l.http.Get(l.base + "/api/v1/events/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	if events.StatusCode != 200 || events.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v", events.StatusCode, events.Header)
	}
	var s struct {
		Streams int
		ISA     string
	}
	l.ask(200, "GET", "/api/v1/system", nil, &s)
	if s.Streams < 1 || s.ISA == "" {
		t.Errorf("%+v", s)
	}
	figures, err := l.http.Get(l.base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer figures.Body.Close()
	if b, err := io.ReadAll(figures.Body); err != nil || !strings.Contains(string(b), `ocellus_camera_up{camera="door"} 1`) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestTeach judges events over HTTP until a lesson makes a better network of them, and takes it back.
func TestTeach(t *testing.T) {
	if testing.Short() {
		t.Skip("a network is trained")
	}
	model := filepath.Join(t.TempDir(), "window.onnx")
	if err := os.WriteFile(model, teachtest.Network(t), 0o600); err != nil {
		t.Fatal(err)
	}
	l := begin(t, bars("door")+"teach: {model: "+model+", memory: 2GB}\n", "127.0.0.1:0")
	l.enter()
	r := rand.New(rand.NewPCG(1, 1))
	var painter frames.Painter
	for i := range 160 {
		pic, box := teachtest.Draw(r, i%2 == 0)
		e := store.Event{Time: time.Now(), Camera: "door", Kind: store.PedestrianEntered, Task: "pedestrians", Track: int64(i), Score: 0.5, Box: &box}
		var b bytes.Buffer
		var img image.Image = painter.RGBA(pic)
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
			t.Fatal(err)
		}
		if err := l.store.AddEvent(t.Context(), &e, b.Bytes()); err != nil {
			t.Fatal(err)
		}
		var out struct {
			Example bool
			Label   string
		}
		verdict := map[int]string{0: "right", 1: "wrong"}[i%2]
		l.ask(200, "POST", fmt.Sprintf("/api/v1/events/%d/feedback", e.ID), map[string]string{"verdict": verdict}, &out)
		if !out.Example || out.Label != map[int]string{0: "person", 1: "background"}[i%2] {
			t.Fatalf("%+v", out)
		}
	}
	type status struct {
		Examples map[string]int
		Job      *struct{ State string }
		History  []struct {
			Outcome, Reason string
			Model           int
			Table           []struct{ Before, After float64 }
		}
	}
	var s status
	l.ask(200, "GET", "/api/v1/teach", nil, &s)
	if s.Examples["person"] != 80 || s.Examples["background"] != 80 {
		t.Fatalf("%+v", s)
	}
	l.ask(202, "POST", "/api/v1/teach/jobs", nil, nil)
	l.ask(409, "POST", "/api/v1/teach/jobs", nil, nil)
	for s.Job = nil; len(s.History) == 0; time.Sleep(50 * time.Millisecond) {
		s = status{}
		l.ask(200, "GET", "/api/v1/teach", nil, &s)
	}
	if h := s.History[0]; h.Outcome != "published" || h.Model != 2 || len(h.Table) == 0 || !(h.Table[0].After > h.Table[0].Before) {
		t.Fatalf("%+v", h)
	}
	active := func() string {
		var m struct {
			Models []struct {
				Task, Version string
				Active        bool
			}
		}
		l.ask(200, "GET", "/api/v1/models", nil, &m)
		for _, x := range m.Models {
			if x.Task == "second_opinion" && x.Active {
				return x.Version
			}
		}
		return ""
	}
	if v := active(); v != "2" {
		t.Errorf("in force is %q", v)
	}
	l.ask(204, "POST", "/api/v1/models/second_opinion/activate", map[string]string{"version": "1"}, nil)
	if v := active(); v != "1" {
		t.Errorf("taken back, in force is %q", v)
	}
	var audit struct {
		Entries []struct{ Action, Actor string }
	}
	l.ask(200, "GET", "/api/v1/audit?limit=1", nil, &audit)
	if e := audit.Entries[0]; e.Action != "model.activate" || e.Actor != "ada" {
		t.Errorf("%+v", e)
	}
}
