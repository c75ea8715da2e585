package web_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/web"
)

func ask(method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	for _, c := range []struct {
		method, target string
		status         int
		media          string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/style.css", 200, "text/css; charset=utf-8"},
		{"GET", "/js/main.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/icon.svg", 200, "image/svg+xml"},
		{"GET", "/app.webmanifest", 200, "application/manifest+json"},
		{"GET", "/js", 404, ""},
		{"GET", "/js/", 404, ""},
		{"GET", "/../web.go", 404, ""},
		{"GET", "/nothing", 404, ""},
		{"POST", "/", 405, ""},
	} {
		w := ask(c.method, c.target)
		if w.Code != c.status || c.media != "" && w.Header().Get("Content-Type") != c.media {
			t.Errorf("%s %s: %d %s", c.method, c.target, w.Code, w.Header().Get("Content-Type"))
		}
		if w.Code != 200 {
			continue
		}
		if again := ask("GET", c.target, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s again: %d", c.target, again.Code)
		}
	}
}

// What a policy without 'unsafe-inline' would not run, and what is not on the device.
var outside = regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>[^<]|<style|\sstyle=|\son[a-z]+="|javascript:|innerHTML|\beval\(|new Function|https?://(?:[^w]|w[^w])`)

// TestPageStandsAlone asks that the page has nothing inline, asks nobody outside, and names only files that are there.
func TestPageStandsAlone(t *testing.T) {
	names := regexp.MustCompile(`(?:src|href)="(/[^"#]+)"|from "(\./[^"]+)"`)
	seen := 0
	err := fs.WalkDir(os.DirFS("page"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile("page/" + name)
		if err != nil {
			return err
		}
		seen++
		if m := outside.Find(b); m != nil {
			t.Errorf("%s: %q", name, m)
		}
		for _, m := range names.FindAllStringSubmatch(string(b), -1) {
			target := m[1]
			if m[2] != "" {
				target = path.Join("/", path.Dir(name), m[2])
			}
			if !strings.HasPrefix(target, "/api/") && ask("GET", target).Code != 200 {
				t.Errorf("%s names %s, which is not there", name, target)
			}
		}
		return nil
	})
	if err != nil || seen < 10 {
		t.Fatalf("%d files: %v", seen, err)
	}
}
