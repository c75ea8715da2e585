// Package house_test tests the project itself: who imports whom, whether the assembly is what the generators write, whether every
// architecture builds, whether the docs are true.
package house_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/ocellus-vision/ocellus"
	root   = "../.." // of the repository, from the folder that tests run in
)

// architectures are those that must build without cgo.
var architectures = []string{"amd64", "arm64", "arm", "riscv64"}

// goCommand runs a go command in dir and returns what it printed on stdout.
func goCommand(t *testing.T, dir string, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s go %s: %v\n%s", strings.Join(env, " "), strings.Join(args, " "), err, &stderr)
	}
	return out
}

// target returns the environment that builds for an architecture without cgo.
func target(arch string) []string {
	return []string{"GOOS=linux", "GOARCH=" + arch, "GOARM=7", "CGO_ENABLED=0"}
}

// files returns the paths, below the root, of the project's files: all but those that make writes and hidden folders other than .ci.
func files(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") && rel != "." && rel != ".ci"
			if hidden || slices.Contains([]string{"bin", "dist", "out"}, rel) {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() {
			all = append(all, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// read returns the text of a file below the root.
func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
