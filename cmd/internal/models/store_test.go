package models

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// row is an entry's line in docs/models.md.
func row(e *Entry) string {
	return fmt.Sprintf("| `%s` | %s | %s | %s | %d | `%s` | %s |", e.Name, e.About, or(e.Task, "`"+e.Verb+"`"), e.Licence, e.Bytes, e.SHA256, e.Path)
}

// TestCatalogue asks that entries are sound, that their cards can be read back, and that docs/models.md lists them and no others.
func TestCatalogue(t *testing.T) {
	page, err := os.ReadFile("../../../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	s := Store{t.TempDir()}
	for _, e := range Catalogue {
		if !Named(e.Name) || seen[e.Name] || seen[e.SHA256] || seen[e.Path] || len(e.SHA256) != 64 || e.Bytes < 1 || e.Bytes > maxFile {
			t.Errorf("%+v", e)
		}
		seen[e.Name], seen[e.SHA256], seen[e.Path] = true, true, true
		if e.Task != "" && !slices.Contains(zoo.Names, e.Task) || slices.Contains(zoo.Names, e.Name) {
			t.Errorf("%s: task %q", e.Name, e.Task)
		}
		if !strings.Contains(string(page), row(&e)+"\n") {
			t.Errorf("docs/models.md lacks\n%s", row(&e))
		}
		if err := s.writeCard(&e); err != nil {
			t.Fatal(err)
		}
		c, err := cards.Beside(s.Path(e.Name))
		if err != nil || fmt.Sprintf("%+v", c) != fmt.Sprintf("%+v", e.Card) {
			t.Errorf("%s: card %+v, %v", e.Name, c, err)
		}
	}
	if n := strings.Count(string(page), "\n| `"); n != len(Catalogue) {
		t.Errorf("docs/models.md has %d rows for %d entries", n, len(Catalogue))
	}
}

// TestAnchors compares the catalogue with the digests that were noted beside the project.
func TestAnchors(t *testing.T) {
	shared := os.Getenv("OCELLUS_SHARED")
	if shared == "" {
		shared = "../../../../shared"
	}
	b, err := os.ReadFile(filepath.Join(shared, "anchors/catalogue.md"))
	if err != nil {
		t.Skip("no shared folder")
	}
	for _, e := range Catalogue {
		if !strings.Contains(string(b), fmt.Sprintf("| %s | %d | %s |", e.Path, e.Bytes, e.SHA256)) {
			t.Errorf("%s is not noted", e.Name)
		}
	}
	if n := strings.Count(string(b), "\n| models/"); n != len(Catalogue) {
		t.Errorf("%d files are noted, %d in the catalogue", n, len(Catalogue))
	}
}

func TestUse(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mine", "yunet"} {
		if err := os.WriteFile(s.Path(name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Use(zoo.FaceDetector, "yunet"); err == nil || !strings.Contains(err.Error(), "not the file of the catalogue") {
		t.Error(err)
	}
	if err := s.Use(zoo.Scene, "yunet"); err == nil || !strings.Contains(err.Error(), "a network for face_detector") {
		t.Error(err)
	}
	if err := s.Use(zoo.Scene, "mine"); err != nil {
		t.Fatal(err)
	}
	// SHA-256 of "x"
	if file, sum, err := Chosen(zoo.Scene); file != s.Path("mine") || sum != "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" || err != nil {
		t.Error(file, sum, err)
	}
	if file, err := Resolve("mine"); file != s.Path("mine") || err != nil {
		t.Error(file, err)
	}
	if _, err := Resolve("sface"); err == nil || !strings.Contains(err.Error(), "models get sface") {
		t.Error(err)
	}
	if file, err := Resolve("../mine"); file != "../mine" || err != nil {
		t.Error(file, err)
	}
	os.Remove(s.Path("mine"))
	if _, _, err := Chosen(zoo.Scene); err == nil {
		t.Error("a network that is gone was chosen")
	}
	if err := s.Forget(zoo.Scene); err != nil {
		t.Fatal(err)
	}
	if file, _, err := Chosen(zoo.Scene); file != "" || err != nil {
		t.Error(file, err)
	}
	for _, text := range []string{"{", `{"scene":{"model":"../../x"}}`, `{"none":{"model":"x"}}`, strings.Repeat(" ", maxChoices+1)} {
		if err := os.WriteFile(s.choices(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Chosen(zoo.Scene); err == nil || !strings.Contains(err.Error(), "tasks.json") {
			t.Errorf("%.20s: %v", text, err)
		}
	}
}
