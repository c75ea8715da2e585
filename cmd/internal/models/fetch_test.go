package models

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/model/task/card"
)

// entry returns a file of 200 KB and its entry.
func entry() ([]byte, Entry) {
	b := make([]byte, 200_000)
	for i := range b {
		b[i] = byte(i*i>>7 ^ i)
	}
	sum := sha256.Sum256(b)
	return b, Entry{Name: "net", Path: "a/net_2022.onnx", Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:]), Card: card.Card{Head: "yunet"}}
}

// fetcher serves requests with h and returns a Fetcher of its mirror.
func fetcher(t *testing.T, h http.HandlerFunc) *Fetcher {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &Fetcher{Store: Store{t.TempDir()}, Mirror: server.URL + "/copy", pause: func(int) time.Duration { return 0 }}
}

func serve(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
}

// files lists what a store holds.
func files(t *testing.T, s Store) string {
	t.Helper()
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func holds(t *testing.T, f *Fetcher, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(f.Store.Path("net")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if c, err := cards.Beside(f.Store.Path("net")); err != nil || c.Head != "yunet" {
		t.Errorf("card %+v: %v", c, err)
	}
	if got := files(t, f.Store); got != "net.onnx net.yaml" {
		t.Errorf("the folder holds %s", got)
	}
}

// TestResume cuts the connection twice; each request asks for what is missing. A second Get asks for nothing.
func TestResume(t *testing.T) {
	b, e := entry()
	var ranges []string
	f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/copy/a/net_2022.onnx" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) > 2 {
			serve(b)(w, r)
			return
		}
		at, end := 0, 70_000
		if len(ranges) == 2 {
			at, end = 70_000, 150_000
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(b)-1, len(b)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(b)-at))
		if at > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(b[at:end])
	})
	if had, err := f.Get(t.Context(), e); had || err != nil {
		t.Fatal(had, err)
	}
	if got := strings.Join(ranges, ","); got != ",bytes=70000-,bytes=150000-" {
		t.Errorf("ranges %s", got)
	}
	holds(t, f, b)
	if had, err := f.Get(t.Context(), e); !had || err != nil || len(ranges) != 3 {
		t.Errorf("%v %v, %d requests", had, err, len(ranges))
	}
}

// TestStalePart goes on from bytes of another file; it is fetched as a whole then.
func TestStalePart(t *testing.T) {
	b, e := entry()
	f := fetcher(t, serve(b))
	for _, n := range []int{1000, len(b), len(b) + 5} {
		if err := os.WriteFile(f.Store.Path("net")+".part", make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Get(t.Context(), e); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		holds(t, f, b)
		os.Remove(f.Store.Path("net"))
	}
}

// TestRefused asks that nothing of a wrong answer is kept, and that what was there stays.
func TestRefused(t *testing.T) {
	b, e := entry()
	other := bytes.Clone(b)
	other[77]++
	loop := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }
	for what, c := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"digest": {serve(other), "SHA-256"},
		"short":  {serve(b[:1000]), "1000 bytes instead of 200000"},
		"long":   {serve(append(other, 1)), "200001 bytes instead of 200000"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}, "more than 200000 bytes"},
		"not there": {http.NotFound, "404"},
		"busy":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "503"},
		"redirects": {loop, "more than 5 redirections"},
	} {
		f := fetcher(t, c.h)
		if err := os.WriteFile(f.Store.Path("net"), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Get(t.Context(), e); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if got := files(t, f.Store); got != "net.onnx" {
			t.Errorf("%s: the folder holds %s", what, got)
		}
	}
}

// TestDowngrade refuses to be sent from https to http.
func TestDowngrade(t *testing.T) {
	_, e := entry()
	secure := httptest.NewTLSServer(http.RedirectHandler("http://localhost:1/", http.StatusFound))
	defer secure.Close()
	f := &Fetcher{Store: Store{t.TempDir()}, Mirror: secure.URL, client: secure.Client().Transport}
	if _, err := f.Get(t.Context(), e); err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Error(err)
	}
}

// TestRedirect follows one redirection, with the range.
func TestRedirect(t *testing.T) {
	b, e := entry()
	f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/copy") {
			http.Redirect(w, r, "/store", http.StatusFound)
			return
		}
		serve(b)(w, r)
	})
	if err := os.WriteFile(f.Store.Path("net")+".part", b[:1234], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	holds(t, f, b)
}

// TestSilence gives up on a server that falls silent and keeps what came.
func TestSilence(t *testing.T) {
	b, e := entry()
	f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		if r.Header.Get("Range") == "" {
			w.Write(b[:500])
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	f.stall = 30 * time.Millisecond
	if _, err := f.Get(t.Context(), e); err == nil || !strings.Contains(err.Error(), "goes on from there") {
		t.Error(err)
	}
}

// TestInterrupt keeps what came.
func TestInterrupt(t *testing.T) {
	b, e := entry()
	ctx, cancel := context.WithCancel(t.Context())
	f := fetcher(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Write(b[:5000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	f.Progress = func(done, _ int64) {
		if done == 5000 {
			cancel()
		}
	}
	if _, err := f.Get(ctx, e); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Error(err)
	}
	if got, err := os.ReadFile(f.Store.Path("net") + ".part"); err != nil || !bytes.Equal(got, b[:5000]) {
		t.Errorf("%d bytes kept: %v", len(got), err)
	}
}

// TestTogether gets one network from eight goroutines at a time: one downloads it.
func TestTogether(t *testing.T) {
	b, e := entry()
	var requests atomic.Int32
	f := fetcher(t, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); serve(b)(w, r) })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := f.Get(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	holds(t, f, b)
	if requests.Load() != 1 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestFrom(t *testing.T) {
	b, e := entry()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "net_2022.onnx"), filepath.Join(dir, "bad")
	for path, data := range map[string][]byte{good: b, bad: make([]byte, len(b))} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{good, dir} {
		f := &Fetcher{Store: Store{t.TempDir()}, From: from}
		if _, err := f.Get(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		holds(t, f, b)
	}
	for _, from := range []string{bad, t.TempDir(), filepath.Join(dir, "none"), os.DevNull} {
		f := &Fetcher{Store: Store{t.TempDir()}, From: from}
		if _, err := f.Get(t.Context(), e); err == nil || files(t, f.Store) != "" {
			t.Errorf("%s: %v, %s left", from, err, files(t, f.Store))
		}
	}
}
