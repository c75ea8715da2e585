package house_test

import (
	"bufio"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	requirement = regexp.MustCompile(`(?m)^(?:require )?\s*([a-z0-9.-]+\.[a-z]+/\S+) v\S+`)
	link        = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading     = regexp.MustCompile("^#+ (.*)$")
	makeCommand = regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	makeTarget  = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	fenced      = regexp.MustCompile("(?ms)^(?:    |\t)\\S[^\n]*$|`[^`\n]+`")
)

// TestDependenciesAreExplained asks that docs/dependencies.md has a row for every module that go.mod requires, and no other.
func TestDependenciesAreExplained(t *testing.T) {
	required := map[string]bool{}
	for _, mod := range []string{"go.mod", "gen/go.mod"} {
		for _, m := range requirement.FindAllStringSubmatch(read(t, mod), -1) {
			required[m[1]] = true
		}
	}
	if len(required) < 3 {
		t.Fatalf("go.mod and gen/go.mod require only %v", required)
	}
	explained := map[string]bool{}
	for line := range strings.Lines(read(t, "docs/dependencies.md")) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		name := strings.Trim(cells[1], " `")
		if !strings.Contains(name, "/") {
			continue
		}
		if len(strings.Fields(cells[2])) < 3 {
			t.Errorf("docs/dependencies.md: %s has no reason", name)
		}
		explained[name] = true
		if !required[name] {
			t.Errorf("docs/dependencies.md: %s is not in go.mod", name)
		}
	}
	for name := range required {
		if !explained[name] {
			t.Errorf("docs/dependencies.md says nothing of %s", name)
		}
	}
}

// TestLinksResolve follows the links between the project's own pages, headings included.
func TestLinksResolve(t *testing.T) {
	for _, file := range files(t) {
		if !strings.HasSuffix(file, ".md") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(read(t, file), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			page, anchor, _ := strings.Cut(m[1], "#")
			where := file
			if page != "" {
				where = path.Join(path.Dir(file), page)
			}
			if _, err := os.Stat(filepath.Join(root, where)); err != nil {
				t.Errorf("%s: %s leads nowhere", file, m[1])
			} else if anchor != "" && !slices.Contains(anchors(read(t, where)), anchor) {
				t.Errorf("%s: %s has no heading #%s", file, where, anchor)
			}
		}
	}
}

// anchors returns the names that the headings of a page can be linked by.
func anchors(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if m := heading.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			all = append(all, strings.Map(func(r rune) rune {
				switch {
				case r == ' ':
					return '-'
				case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
					return unicode.ToLower(r)
				}
				return -1
			}, m[1]))
		}
	}
	return all
}

// TestMakeCommandsExist asks that every make command that a page shows is a target, and that "make help" explains each.
func TestMakeCommandsExist(t *testing.T) {
	makefile := read(t, "Makefile")
	targets := map[string]bool{}
	for _, m := range makeTarget.FindAllStringSubmatch(makefile, -1) {
		targets[m[1]] = true
		if !regexp.MustCompile(`(?m)^` + m[1] + `:.*## `).MatchString(makefile) {
			t.Errorf("Makefile: %s has no line in make help", m[1])
		}
	}
	for _, file := range files(t) {
		if !strings.HasSuffix(file, ".md") {
			continue
		}
		for _, code := range fenced.FindAllString(read(t, file), -1) {
			for _, m := range makeCommand.FindAllStringSubmatch(code, -1) {
				if !targets[m[1]] {
					t.Errorf("%s: make %s is no target", file, m[1])
				}
			}
		}
	}
	readme := read(t, "README.md")
	for _, command := range []string{"make demo", "make test"} {
		if !strings.Contains(readme, "    "+command) {
			t.Errorf("README.md does not show %s", command)
		}
	}
}

// private matches what only makes sense on one machine: folders of its user, hosts of its package registry.
var private = []*regexp.Regexp{
	regexp.MustCompile(`(^|[^A-Za-z0-9_.])/(work|root|home/\w+|Users/\w+|tmp/\w+)/`),
	regexp.MustCompile(`https?://[A-Za-z0-9.-]*(registry|artifact|nexus|mirror|goproxy)[A-Za-z0-9.-]*`),
	regexp.MustCompile(`https?://(10|172|192)\.\d+\.\d+\.\d+`),
	regexp.MustCompile(`\b(GOPROXY|GONOSUMDB|GOSUMDB|PIP_INDEX_URL)=`),
}

// unfinished matches what was meant to be mended before it was committed.
var unfinished = regexp.MustCompile(`\b(TODO|FIX` + `ME|XXX)\b`)

// TestNothingPrivateOrUnfinished reads every text file.
func TestNothingPrivateOrUnfinished(t *testing.T) {
	for _, file := range files(t) {
		if strings.HasPrefix(file, "internal/house/") || !isText(file) {
			continue
		}
		f, err := os.Open(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(f)
		s.Buffer(nil, 1<<24)
		for n := 1; s.Scan(); n++ {
			for _, re := range append(private, unfinished) {
				if m := re.FindString(s.Text()); m != "" {
					t.Errorf("%s:%d: %q", file, n, strings.TrimSpace(m))
				}
			}
		}
		f.Close()
		if err := s.Err(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// isText says whether a file is one that people write.
func isText(file string) bool {
	switch path.Ext(file) {
	case ".go", ".md", ".s", ".sh", ".yml", ".yaml", ".mod", ".conf", ".py", ".js", ".html", ".css", ".txt":
		return true
	}
	return path.Base(file) == "Makefile" || strings.HasPrefix(file, ".ci/")
}
