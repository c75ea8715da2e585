package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

var secure = &tls.ConnectionState{}

// served answers over a real socket.
func (w *world) served() *httptest.Server {
	s := httptest.NewServer(w.handler)
	w.t.Cleanup(func() {
		w.Stop()
		s.Close()
	})
	return s
}

// open sends a GET with a token and returns what is read of the answer.
func (w *world) open(ctx context.Context, s *httptest.Server, role auth.Role, path string, change ...func(*http.Request)) *http.Response {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.tokens[role])
	for _, f := range change {
		f(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp
}

func TestFrames(t *testing.T) {
	w := secured(t)
	s := w.served()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	resp := w.open(ctx, s, auth.Viewer, "/api/v1/cameras/door/stream.mjpg")
	if resp.Header.Get("Content-Type") != "multipart/x-mixed-replace; boundary=ocellus-frame" {
		t.Errorf("%v", resp.Header)
	}
	in := bufio.NewReader(resp.Body)
	for i := range 5 {
		for _, want := range []string{"--ocellus-frame", "Content-Type: image/jpeg", fmt.Sprintf("Content-Length: %d", len(fmt.Sprint("frame ", i))), ""} {
			if line, err := in.ReadString('\n'); err != nil || strings.TrimRight(line, "\r\n") != want {
				t.Fatalf("frame %d: %q, not %q, %v", i, line, want, err)
			}
		}
		b := make([]byte, len(fmt.Sprint("frame ", i))+2)
		if _, err := io.ReadFull(in, b); err != nil || string(b) != fmt.Sprintf("frame %d\r\n", i) {
			t.Fatalf("%q, %v", b, err)
		}
	}
	if w.Streams() != 1 {
		t.Errorf("%d streams", w.Streams())
	}
	cancel()
	for end := time.Now().Add(10 * time.Second); w.Streams() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a stream goes on without its viewer")
		}
	}
	for range maxOwnStreams {
		if _, err := w.join(address(&http.Request{RemoteAddr: "192.0.2.1:1"})); err != nil {
			t.Fatal(err)
		}
	}
	w.want(503, auth.Viewer, "GET", "/api/v1/cameras/door/stream.mjpg", nil, nil, from("192.0.2.1:1"))
	w.want(404, auth.Viewer, "GET", "/api/v1/cameras/none/stream.mjpg", nil, nil)
	w.Stop()
	w.want(200, auth.Viewer, "GET", "/api/v1/cameras/door/stream.mjpg", nil, nil)
}

// next reads one event of a stream.
func next(t *testing.T, in *bufio.Reader) store.Event {
	t.Helper()
	var e store.Event
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Fatal(err)
			}
		}
		if line == "\n" && e.ID > 0 {
			return e
		}
	}
}

// TestEventStream misses no event and gives none twice, whatever the client saw last.
func TestEventStream(t *testing.T) {
	w := secured(t)
	s := w.served()
	for range 250 {
		w.event(store.Event{Kind: store.CameraLost}, 0)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp := w.open(ctx, s, auth.Viewer, "/api/v1/events/stream", header("Last-Event-ID", "20"))
	in := bufio.NewReader(resp.Body)
	for want := int64(21); want <= 250; want++ {
		if e := next(t, in); e.ID != want {
			t.Fatalf("event %d, not %d", e.ID, want)
		}
	}
	fresh := bufio.NewReader(w.open(ctx, s, auth.Viewer, "/api/v1/events/stream").Body)
	lost := bufio.NewReader(w.open(ctx, s, auth.Viewer, "/api/v1/events/stream", header("Last-Event-ID", "99999")).Body)
	for i := range 3 {
		e := w.event(store.Event{Kind: store.CameraFound}, 0)
		w.watch.publish(e)
		for k, r := range []*bufio.Reader{in, fresh, lost} {
			if got := next(t, r); got.ID != e.ID || got.Kind != store.CameraFound {
				t.Fatalf("reader %d: event %d, not %d, the %dth", k, got.ID, e.ID, i)
			}
		}
	}
	w.want(400, auth.Viewer, "GET", "/api/v1/events/stream", nil, nil, header("Last-Event-ID", "x"))
}

// bound serves over TLS on an address and returns the one that is listened on.
func (w *world) bound(address string) string {
	w.t.Helper()
	c, err := auth.OpenCertificate("", "", filepath.Join(w.t.TempDir(), "tls"), slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := Listen(address, c.Config())
	if err != nil {
		w.t.Fatal(err)
	}
	s := Server(w.handler, c.Config(), slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			w.t.Error(err)
		}
	})
	return l.Addr().String()
}

// client trusts any certificate, and follows nothing.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 10 * time.Second}
}

// TestOnePort asks one port with TLS and without, from this device and from elsewhere.
func TestOnePort(t *testing.T) {
	w := secured(t)
	_, port, _ := net.SplitHostPort(w.bound("0.0.0.0:0"))
	get := func(url string) *http.Response {
		t.Helper()
		resp, err := client().Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	at := "127.0.0.1:" + port
	if r := get("http://" + at + "/healthz"); r.StatusCode != 200 {
		t.Errorf("plain on loopback: %d", r.StatusCode)
	}
	if r := get("https://" + at + "/healthz"); r.StatusCode != 200 || r.ProtoMajor != 2 || r.TLS == nil {
		t.Errorf("with TLS: %d, HTTP/%d", r.StatusCode, r.ProtoMajor)
	}
	own := outward()
	if own == nil {
		t.Skip("this machine has no address but loopback")
	}
	at = net.JoinHostPort(own.String(), port)
	if r := get("http://" + at + "/healthz?x=1"); r.StatusCode != 308 || r.Header.Get("Location") != "https://"+at+"/healthz" {
		t.Errorf("plain from elsewhere: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := get("https://" + at + "/healthz"); r.StatusCode != 200 {
		t.Errorf("with TLS from elsewhere: %d", r.StatusCode)
	}
	resp, err := client().Post("http://"+at+"/api/v1/login", "application/json", strings.NewReader(`{"user":"ada","password":"x"}`))
	if err != nil || resp.StatusCode != 403 {
		t.Errorf("a password without TLS: %v, %v", resp, err)
	}
}

// outward returns an address of this machine that is not loopback; nil for none.
func outward() net.IP {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP
		}
	}
	return nil
}

// TestMute opens connections that say nothing: others are answered nonetheless, and the server ends.
func TestMute(t *testing.T) {
	w := secured(t)
	at := w.bound("127.0.0.1:0")
	for range 50 {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	for _, say := range []string{"\x16\x03\x01\xff\xff garbage", "GET / HTTP/9.9\r\n\r\n", "\x00\x01\x02", "POST /api/v1/login HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"} {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, say)
		conn.Close()
	}
	resp, err := client().Get("http://" + at + "/healthz")
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("%v", err)
	}
}

// garbage is what fuzzing puts in the place of values.
var garbage = []string{"", "0", "-1", "1", "9223372036854775807", "9223372036854775808", "1e309", "NaN", "null", "true", "\x00", "\xff\xfe", "../../../etc/passwd", "..%2f..%2fetc%2fpasswd",
	"%", "%zz", "a'; DROP TABLE events; --", "<script>alert(1)</script>", "{{.}}", "$(id)", "door", "Ada", "ſ", "😀", "\u202e", "2026-03-04T05:06:07Z", "0000-00-00T00:00:00Z", "file:///etc/passwd",
	"http://169.254.169.254/", strings.Repeat("A", 5000), "\r\nX-Injected: 1", "con", "*", "[]", "{}", "pedestrians", "built-in", "right", "wrong"}

// scramble returns a JSON value of chance.
func scramble(r *rand.Rand, depth int) any {
	switch n := r.IntN(9); {
	case n == 0:
		return nil
	case n == 1:
		return r.IntN(2) == 0
	case n == 2:
		return r.NormFloat64() * 1e6
	case n == 3:
		return r.Int64()
	case n < 6 || depth > 3:
		return garbage[r.IntN(len(garbage))]
	case n == 6:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, scramble(r, depth+1))
		}
		return list
	}
	m := map[string]any{}
	for range r.IntN(4) {
		m[garbage[r.IntN(len(garbage))]] = scramble(r, depth+1)
	}
	return m
}

// malformed makes a request of an endpoint with something wrong in most of its places.
func malformed(r *rand.Rand, e *endpoint) *http.Request {
	pick := func() string { return garbage[r.IntN(len(garbage))] }
	path, query := e.path, url.Values{}
	for _, p := range e.params {
		v := pick()
		if r.IntN(3) == 0 {
			switch {
			case p.kind == integer:
				v = fmt.Sprint(r.IntN(5))
			case len(p.one) > 0:
				v = p.one[r.IntN(len(p.one))]
			default:
				v = "door"
			}
		}
		if e.inPath(&p) {
			path = strings.ReplaceAll(path, "{"+p.name+"}", url.PathEscape(v))
		} else if r.IntN(4) > 0 {
			query.Add(p.name, v)
		}
	}
	if r.IntN(5) == 0 {
		query.Add(pick(), pick())
	}
	var body []byte
	media := []string{"", "application/json", "application/octet-stream", "image/png", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "\x00"}[r.IntN(9)]
	if len(e.body) > 0 && r.IntN(4) > 0 {
		f := e.body[r.IntN(len(e.body))]
		switch {
		case f.of != nil:
			media = "application/json"
			m := map[string]any{}
			for i := range f.of.NumField() {
				if name, _ := jsonName(f.of.Field(i)); name != "" && r.IntN(6) > 0 {
					m[name] = scramble(r, 0)
				}
			}
			body, _ = json.Marshal(m)
		case len(f.parts) > 0:
			p := several()
			for _, part := range f.parts {
				for range r.IntN(3) {
					if part.file && r.IntN(4) > 0 {
						w, _ := p.m.CreateFormFile(part.name, pick())
						w.Write(wreck(r, picture(16, 16, 3)))
					} else {
						p.m.WriteField(part.name, pick())
					}
				}
			}
			body, media = p.close(), p.m.FormDataContentType()
		default:
			media = "application/octet-stream"
			body = wreck(r, picture(16, 16, 3))
		}
		body = wreck(r, body)
	} else if r.IntN(2) == 0 {
		body = []byte(pick())
	}
	req := httptest.NewRequest(e.method, "/", bytes.NewReader(body))
	if u, err := url.Parse(path + "?" + query.Encode()); err == nil {
		req.URL = u
		if r.IntN(6) == 0 {
			req.URL.RawQuery = pick()
		}
	}
	if media != "" {
		req.Header["Content-Type"] = []string{media}
	}
	if r.IntN(4) == 0 {
		req.Header["Last-Event-Id"] = []string{pick()}
		req.Header["Range"] = []string{"bytes=" + pick()}
		req.Header["If-None-Match"] = []string{pick()}
	}
	if r.IntN(10) == 0 {
		req.ContentLength = -1
	}
	return req
}

// wreck changes, cuts or doubles some bytes, now and then.
func wreck(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) == 0 {
		return b
	}
	switch r.IntN(6) {
	case 0:
		b[r.IntN(len(b))] ^= byte(1 << r.IntN(8))
	case 1:
		b = b[:r.IntN(len(b))]
	case 2:
		b = append(b, b[r.IntN(len(b)):]...)
	}
	return b
}

// TestMalformed sends a thousand malformed requests to each endpoint, made from the table, as an administrator: none may fail for a fault of the program.
func TestMalformed(t *testing.T) {
	n := 1000
	if testing.Short() || raceEnabled {
		n = 100
	}
	w := secured(t)
	w.Stop() // streams end at once
	box := [4]float64{1, 1, 20, 20}
	for range 3 {
		w.event(store.Event{Kind: store.PedestrianEntered, Box: &box, Score: 0.5}, 9)
	}
	who, err := w.Auth.Bearer(context.Background(), w.tokens[auth.Admin])
	if err != nil {
		t.Fatal(err)
	}
	codes := map[int]int{}
	for i := range table {
		e := &table[i]
		r := rand.New(rand.NewPCG(uint64(i), 7))
		for range n {
			req := malformed(r, e)
			req.RemoteAddr, req.Host = "127.0.0.1:1", "localhost"
			req.Header.Set("Authorization", "Bearer "+w.tokens[auth.Admin])
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, req)
			codes[rec.Code]++
			if rec.Code == http.StatusUnauthorized && e.id != "login" {
				// The token was removed by a request that was not malformed.
				_, text, err := w.Auth.AddToken(context.Background(), "test", "again", auth.Admin, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				w.tokens[auth.Admin] = text
			}
			if rec.Code >= 500 && rec.Code != http.StatusServiceUnavailable {
				t.Fatalf("%s %s: %d %s\n%s", req.Method, req.URL, rec.Code, rec.Body, w.logged)
			}
			if rec.Code >= 400 && rec.Header().Get("Content-Type") != "application/problem+json" && rec.Code != http.StatusRequestedRangeNotSatisfiable {
				t.Errorf("%s %s: %d %s", req.Method, req.URL, rec.Code, rec.Header().Get("Content-Type"))
			}
			if strings.Contains(rec.Body.String(), "root:") || rec.Header().Get("X-Injected") != "" {
				t.Fatalf("%s %s: %s", req.Method, req.URL, rec.Body)
			}
		}
	}
	t.Log(codes, who.Name)
	if codes[400] == 0 || codes[404] == 0 || codes[200] == 0 {
		t.Errorf("%v: not all kinds of answers came", codes)
	}
	if list, err := w.Store.Events(context.Background(), store.Filter{}); err != nil || len(list) > 3 {
		t.Errorf("%v", errors.Join(err, fmt.Errorf("%d events", len(list))))
	}
}
