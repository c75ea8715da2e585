package mjpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// dialects are the ways in which cameras write parts.
var dialects = map[string]struct{ kind, before, after string }{
	"by the book":                      {"multipart/x-mixed-replace; boundary=frame", "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n"},
	"dashes in the header":             {"multipart/x-mixed-replace;boundary=--myboundary", "--myboundary\r\nContent-type: image/jpeg\r\nContent-length: %d\r\n\r\n", "\r\n"},
	"dashes twice":                     {`multipart/x-mixed-replace; boundary="--b"`, "----b\r\nContent-Type:image/jpeg\r\nContent-Length:%d\r\n\r\n", ""},
	"no length":                        {"multipart/x-mixed-replace; boundary=x", "--x\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
	"a wrong length":                   {"multipart/x-mixed-replace; boundary=x", "--x\r\nContent-Length: 1%d\r\n\r\n", "\r\n"},
	"bare line feeds":                  {"multipart/x-mixed-replace; boundary=x", "--x\nContent-Type: image/jpeg\n\n", "\n"},
	"the boundary is another":          {"multipart/x-mixed-replace; boundary=x", "--other\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
	"no boundary":                      {"multipart/x-mixed-replace", "\r\n--x\r\nX-Timestamp: 1.5\r\n\r\n", ""},
	"an at sign, which is not allowed": {"multipart/x-mixed-replace; boundary=a@b c", "--a@b c\r\n\r\n", "\r\n"},
	"boundary after the picture":       {"multipart/x-mixed-replace; boundary=x", "", "\r\n--x\r\nContent-Type: image/jpeg\r\n\r\n"},
	"no multipart at all":              {"video/x-motion-jpeg", "", ""},
	"no type":                          {"", "--x\r\n\r\n", ""},
}

func quiet(s *httptest.Server) *httptest.Server {
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

func TestHTTPDialects(t *testing.T) {
	for name, d := range dialects {
		pictures := [][]byte{drawn(t, 1), drawn(t, 2), drawn(t, 3)}
		server := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{d.kind}
			for _, p := range pictures {
				if strings.Contains(d.before, "%d") {
					fmt.Fprintf(w, d.before, len(p))
				} else {
					io.WriteString(w, d.before)
				}
				w.Write(p)
				io.WriteString(w, d.after)
			}
		})))
		h, err := OpenURL(server.URL+"/video.mjpg", HTTPOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = h.Run(context.Background(), func(f *camera.Frame) {
			if n >= len(pictures) || f.Seq != uint64(n) || !bytes.Equal(f.Data, pictures[n]) {
				t.Errorf("%s: frame %d has %d bytes, number %d", name, n, len(f.Data), f.Seq)
			}
			n++
			f.Release()
		})
		if n != len(pictures) || err == nil || err == io.EOF || !strings.Contains(err.Error(), "ended the stream") || h.pool.Out() != 0 {
			t.Errorf("%s: %d frames, %v", name, n, err)
		}
		server.Close()
	}
}

// TestHTTPLatency asks that a picture is handed out before the next one comes.
func TestHTTPLatency(t *testing.T) {
	for _, length := range []string{"", "Content-Length: 99\r\n"} {
		taken := make(chan bool)
		server := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for i := range 3 {
				io.WriteString(w, "--x\r\n"+length+"\r\n")
				w.Write(drawn(t, i))
				w.(http.Flusher).Flush()
				select {
				case <-taken:
				case <-time.After(5 * time.Second):
					t.Error("the picture was not handed out")
				}
			}
		})))
		h, err := OpenURL(server.URL, HTTPOptions{})
		if err != nil {
			t.Fatal(err)
		}
		h.Run(context.Background(), func(f *camera.Frame) {
			f.Release()
			taken <- true
		})
		server.Close()
	}
}

func one(w http.ResponseWriter, t *testing.T) {
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=x")
	w.Write(drawn(t, 1))
}

// run returns how many frames an address gives, and the error at the end.
func run(t *testing.T, address string, o HTTPOptions) (int, error) {
	t.Helper()
	h, err := OpenURL(address, o)
	if err != nil {
		return 0, err
	}
	n := 0
	err = h.Run(context.Background(), func(f *camera.Frame) { n++; f.Release() })
	for _, text := range []string{h.String(), fmt.Sprint(err)} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, url.QueryEscape("hunter2")) {
			t.Errorf("a password is told: %s", text)
		}
	}
	return n, err
}

// withUser returns an address with a user and a password.
func withUser(address string) string { return strings.Replace(address, "://", "://ada:hunter2@", 1) }

func TestHTTPAuthentication(t *testing.T) {
	for _, scheme := range []string{"Basic", "MD5", "SHA-256", "MD5-sess"} {
		asked, nonce := 0, 0
		server := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			ok := false
			if scheme == "Basic" {
				user, password, _ := r.BasicAuth()
				ok = user == "ada" && password == "hunter2"
			} else if c := parseChallenges(r.Header.Values("Authorization")); len(c) == 1 && c[0].scheme == "digest" {
				p := c[0].params
				want, _ := digest(p, "ada", "hunter2", "GET", r.RequestURI, p["cnonce"])
				ok = p["nonce"] == "n2" && p["uri"] == "/v?a=1" && parseChallenges([]string{want})[0].params["response"] == p["response"]
			}
			if !ok {
				if nonce++; scheme == "Basic" {
					w.Header().Set("WWW-Authenticate", `Basic realm="camera"`)
				} else { // the first nonce is too old when it comes back
					w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="camera", qop="auth", nonce="n%d", algorithm=%s, stale=%v`, nonce, scheme, nonce == 2))
				}
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			one(w, t)
		})))
		if n, err := run(t, withUser(server.URL)+"/v?a=1", HTTPOptions{}); n != 1 {
			t.Errorf("%s: %d frames, %v", scheme, n, err)
		}
		asked, nonce = 0, 5
		if n, err := run(t, strings.Replace(server.URL, "://", "://ada:wrong@", 1)+"/v?a=1", HTTPOptions{}); n != 0 || !strings.Contains(err.Error(), "refuses this user and password") || asked != 2 {
			t.Errorf("%s, a wrong password: %d frames, %v, asked %d times", scheme, n, err, asked)
		}
		if n, err := run(t, server.URL+"/v?a=1", HTTPOptions{}); n != 0 || !strings.Contains(err.Error(), "asks for a user and a password") {
			t.Errorf("%s, no password: %d frames, %v", scheme, n, err)
		}
		server.Close()
	}
}

func TestHTTPRedirects(t *testing.T) {
	var leaked atomic.Bool
	other := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			leaked.Store(true)
		}
		if r.URL.Path == "/asks" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		one(w, t)
	})))
	defer other.Close()
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1) // another host, by its name
	server := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, status := "", http.StatusFound
		switch r.URL.Path {
		case "/loop":
			to = "/loop?pwd=hunter2"
		case "/file":
			to = "file:///etc/passwd"
		case "/nowhere":
		case "/here":
			to, status = "/video", http.StatusPermanentRedirect
		case "/there":
			to = elsewhere + "/video"
		case "/asks":
			to = elsewhere + "/asks"
		case "/missing":
			status = http.StatusNotFound
		case "/page":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			return
		default:
			one(w, t)
			return
		}
		if to != "" {
			w.Header().Set("Location", to)
		}
		w.WriteHeader(status)
	})))
	defer server.Close()
	for path, want := range map[string]string{
		"/loop": "more than 5 times", "/file": "not followed", "/nowhere": "but not where to", "/asks": "which is sent to 127.0.0.1 only",
		"/missing": "404", "/page": "text/html",
	} {
		if n, err := run(t, withUser(server.URL)+path, HTTPOptions{}); n != 0 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d frames, %v; want %q", path, n, err, want)
		}
	}
	for _, path := range []string{"/here", "/there", "/video"} {
		if n, err := run(t, withUser(server.URL)+path, HTTPOptions{}); n != 1 {
			t.Errorf("%s: %d frames, %v", path, n, err)
		}
	}
	if leaked.Load() {
		t.Error("the password went to another host")
	}
}

func TestHTTPS(t *testing.T) {
	plain := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { one(w, t) })))
	defer plain.Close()
	server := quiet(httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, plain.URL, http.StatusFound)
			return
		}
		one(w, t)
	})))
	defer server.Close()
	if n, err := run(t, server.URL, HTTPOptions{}); n != 0 || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody knows: %d frames, %v", n, err)
	}
	if n, err := run(t, server.URL, HTTPOptions{Insecure: true}); n != 1 {
		t.Errorf("Insecure: %d frames, %v", n, err)
	}
	if n, err := run(t, server.URL+"/down", HTTPOptions{Insecure: true}); n != 0 || !strings.Contains(err.Error(), "not followed") {
		t.Errorf("from https to http: %d frames, %v", n, err)
	}
}

// TestHTTPSilence asks that a camera that says nothing more, at whatever point, is given up.
func TestHTTPSilence(t *testing.T) {
	for _, at := range []string{"answer", "header", "picture"} {
		done := make(chan bool)
		server := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if at != "answer" {
				one(w, t)
				if at == "picture" {
					w.Write(drawn(t, 2)[:100])
				}
				w.(http.Flusher).Flush()
			}
			<-done
		})))
		n, err := run(t, server.URL, HTTPOptions{Timeout: 50 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), "nothing came for 50ms") || n > 1 || (n == 1) != (at != "answer") {
			t.Errorf("silence in the %s: %d frames, %v", at, n, err)
		}
		close(done)
		server.Close()
	}
	// A sink that takes its time is not the camera's silence.
	server := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { one(w, t); one(w, t) })))
	defer server.Close()
	h, err := OpenURL(server.URL, HTTPOptions{Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = h.Run(context.Background(), func(f *camera.Frame) {
		n++
		f.Release()
		time.Sleep(150 * time.Millisecond)
	})
	if n != 2 || !strings.Contains(err.Error(), "ended the stream") {
		t.Errorf("a slow sink: %d frames, %v", n, err)
	}
}

func TestHTTPStops(t *testing.T) {
	done := make(chan bool)
	defer close(done)
	server := quiet(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one(w, t)
		w.(http.Flusher).Flush()
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})))
	defer server.Close()
	h, err := OpenURL(server.URL, HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ctx, cancel := context.WithCancel(context.Background())
		if err := h.Run(ctx, func(f *camera.Frame) { f.Release(); cancel() }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if h.pool.Out() != 0 {
		t.Errorf("%d frames held", h.pool.Out())
	}
	for _, address := range []string{"http://", "ftp://cam/x", "http://ada:hunter2/@cam/x", "http://ada:hunter2@cam:port/", "cam/x"} {
		if _, err := OpenURL(address, HTTPOptions{}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := run(t, "http://ada:hunter2@127.0.0.1:1/x?token=hunter2", HTTPOptions{}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port that nobody listens at: %v", err)
	}
}
