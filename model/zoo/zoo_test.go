package zoo_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// TestDefaults asks that each file in nets is read under its name, and that the others are said to be missing.
func TestDefaults(t *testing.T) {
	for _, name := range zoo.Names {
		want, err := os.ReadFile(filepath.Join("nets", name+".onnx"))
		got, missing := zoo.Default(name)
		var m *zoo.MissingError
		switch {
		case err == nil && (missing != nil || !slices.Equal(got, want)):
			t.Errorf("%s: not the file: %v", name, missing)
		case err != nil && (!errors.As(missing, &m) || m.Name != name):
			t.Errorf("%s: %v, and there is no file", name, missing)
		case err == nil:
			if _, err := onnx.Read(got); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	files, err := filepath.Glob("nets/*.onnx")
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".onnx"); !slices.Contains(zoo.Names, name) {
			t.Errorf("%s is no default network", f)
		}
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 8<<20 {
		t.Errorf("the networks take %d bytes; the program has room for 8 MiB", size)
	}
}
