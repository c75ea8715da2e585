// Package web is the page on which people watch cameras and teach them: hand-written HTML, CSS and JavaScript, served from the program as it is. It asks the API for
// all else, and nothing outside of the device.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed page
var page embed.FS

// file is a file of the page.
type file struct {
	media string
	tag   string // of what it holds
	bytes []byte
}

// media are the content types by the ends of names.
var media = map[string]string{
	".html":        "text/html; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".svg":         "image/svg+xml",
	".webmanifest": "application/manifest+json",
}

// Handler serves the page. Browsers keep its files, and ask each time whether they have changed.
func Handler() http.Handler {
	files := map[string]*file{}
	err := fs.WalkDir(page, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := page.ReadFile(name)
		if err != nil {
			return err
		}
		kind := media[path.Ext(name)]
		if kind == "" {
			return fmt.Errorf("%s: no content type is known", name)
		}
		sum := sha256.Sum256(b)
		files[strings.TrimPrefix(name, "page")] = &file{kind, strconv.Quote(hex.EncodeToString(sum[:8])), b}
		return nil
	})
	if err != nil {
		panic("web: the page in the program: " + err.Error())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "the page is only read", http.StatusMethodNotAllowed)
			return
		}
		name := r.URL.Path
		if name == "/" {
			name = "/index.html"
		}
		f := files[name]
		if f == nil {
			http.Error(w, "nothing is at this address; the page is at /", http.StatusNotFound)
			return
		}
		h.Set("Content-Type", f.media)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", f.tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.bytes))
	})
}
