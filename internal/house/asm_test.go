package house_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// generated matches a line of gen/generate.go: the folder of a generator and its arguments.
var generated = regexp.MustCompile(`(?m)^//go:generate (?:go run \./(\w+)(.*)|.*)$`)

// TestGeneratedAssemblyIsFresh runs the generators into an empty folder and compares what they write with asm/. It builds them at once, which go generate
// does one by one.
func TestGeneratedAssemblyIsFresh(t *testing.T) {
	if testing.Short() {
		t.Skip("the generators take long to build")
	}
	dir := t.TempDir()
	bin := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "gen"), os.DirFS(root+"/gen")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "asm"), 0o777); err != nil {
		t.Fatal(err)
	}
	goCommand(t, root+"/gen", []string{"GOWORK=off", "CGO_ENABLED=0"}, "build", "-buildvcs=false", "-o", bin+string(filepath.Separator), "./...")
	for _, m := range generated.FindAllStringSubmatch(read(t, "gen/generate.go"), -1) {
		if m[1] == "" {
			t.Fatalf("gen/generate.go: %s: not go run ./GENERATOR", m[0])
		}
		cmd := exec.Command(filepath.Join(bin, m[1]), strings.Fields(m[2])...)
		cmd.Dir = filepath.Join(dir, "gen")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", m[0], err, out)
		}
	}
	want := folder(t, filepath.Join(dir, "asm"))
	got := folder(t, root+"/asm")
	for name, text := range want {
		switch {
		case got[name] == nil:
			t.Errorf("asm/%s is missing: make generate", name)
		case !bytes.Equal(got[name], text):
			t.Errorf("asm/%s is not what gen writes: make generate", name)
		}
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("asm/%s is written by no generator", name)
		}
	}
}

// folder returns the files of a folder.
func folder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]byte{}
	for _, e := range entries {
		if m[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// suffixes of a function's name by the instruction set in its file's, the usual one last; others ask the CPU for more.
var suffixes = map[string][]string{
	"AVX2":   {"AVXVNNI", "AVX2"},
	"AVX512": {"AVX512VNNI", "AVX512"},
	"NEON":   {"NEON"},
}

// extensions lists what every CPU has on which kernels calls functions of that suffix. avo counts PREFETCHT0 as MMX+, and does not know AVX-VNNI, whose
// instructions stand as bytes.
var extensions = map[string][]string{
	"AVX2":       {"MMX+", "SSE", "SSE2", "AVX", "AVX2", "FMA3", "CMOV"},
	"AVXVNNI":    {"MMX+", "SSE", "SSE2", "AVX", "AVX2", "FMA3", "CMOV"},
	"AVX512":     {"MMX+", "SSE", "SSE2", "AVX", "AVX2", "FMA3", "CMOV", "AVX512F", "AVX512BW", "AVX512DQ", "AVX512VL"},
	"AVX512VNNI": {"MMX+", "SSE", "SSE2", "AVX", "AVX2", "FMA3", "CMOV", "AVX512F", "AVX512BW", "AVX512DQ", "AVX512VL", "AVX512VNNI"},
}

var (
	asmFile = regexp.MustCompile(`^asm/[a-z0-9]+(?:_[a-z0-9]+)*_(avx2|avx512)_amd64\.s$|^asm/[a-z0-9]+(?:_[a-z0-9]+)*_(neon)_arm64\.s$`)
	asmText = regexp.MustCompile(`^TEXT ·(\w+)\(SB\), ([A-Z|]+), `)
)

// TestAssemblyKeepsItsName holds the instructions of every function against the instruction set in its name and in its file's
// name, and asks that it is NOSPLIT and leaves the vector registers clean.
func TestAssemblyKeepsItsName(t *testing.T) {
	functions := 0
	for _, path := range files(t) {
		if !strings.HasSuffix(path, ".s") {
			continue
		}
		m := asmFile.FindStringSubmatch(path)
		if m == nil {
			t.Errorf("%s: the name of an assembly file is asm/<family>_<isa>_<arch>.s", path)
			continue
		}
		isa := strings.ToUpper(m[1] + m[2])
		var needs []string // of the comment above the next function
		var name, last string
		vector := false
		for line := range strings.Lines(read(t, path)) {
			line = strings.TrimSpace(line)
			if list, ok := strings.CutPrefix(line, "// Requires: "); ok {
				needs = strings.Split(list, ", ")
			}
			if f := asmText.FindStringSubmatch(line); f != nil {
				functions++
				name = f[1]
				suffix := slices.IndexFunc(suffixes[isa], func(s string) bool { return strings.HasSuffix(name, s) })
				if suffix < 0 {
					t.Errorf("%s: %s does not end in one of %v", path, name, suffixes[isa])
					continue
				}
				if !strings.Contains(f[2], "NOSPLIT") {
					t.Errorf("%s: %s is not NOSPLIT", path, name)
				}
				for _, need := range needs {
					if !slices.Contains(extensions[suffixes[isa][suffix]], need) {
						t.Errorf("%s: %s requires %s", path, name, need)
					}
				}
				vector = slices.ContainsFunc(needs, func(s string) bool { return strings.HasPrefix(s, "AVX") })
				needs = nil
			}
			if line == "RET" && vector && last != "VZEROUPPER" {
				t.Errorf("%s: %s returns without VZEROUPPER", path, name)
			}
			if line != "" {
				last = line
			}
		}
	}
	if functions == 0 {
		t.Error("no function found")
	}
}
