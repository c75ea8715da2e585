package sinks

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Files are those of one run. No result is written over a file that the run reads, nor over one that it wrote. The zero Files reads none.
type Files struct {
	inputs  []os.FileInfo
	results map[string]bool // absolute and without links
}

// NewFiles returns the Files of a run that reads these; names of what is no file are left out.
func NewFiles(inputs []string) *Files {
	f := &Files{}
	for _, path := range inputs {
		if info, err := os.Stat(path); err == nil {
			f.inputs = append(f.inputs, info)
		}
	}
	return f
}

// spare returns an error where path is a file that the run reads, by this or any other name.
func (f *Files) spare(path string) error {
	info, err := os.Stat(path)
	if err == nil && slices.ContainsFunc(f.inputs, func(in os.FileInfo) bool { return os.SameFile(in, info) }) {
		return fmt.Errorf("%s: the result would be written over a file that this run reads; name another file or folder for it", path)
	}
	return nil
}

// Claim notes that a result goes to a file. It returns an error where the run reads that file, and a *UsageError where it writes another result there.
func (f *Files) Claim(path string) error {
	if err := f.spare(path); err != nil {
		return err
	}
	lies := resolve(path)
	if f.taken(lies) {
		return usagef("%s: two kinds of results would be written to this file; name another one for either", path)
	}
	f.take(lies)
	return nil
}

// taken says whether a result goes to the resolved path.
func (f *Files) taken(path string) bool { return f.results[path] }

// take notes that a result goes to the resolved path.
func (f *Files) take(path string) {
	if f.results == nil {
		f.results = map[string]bool{}
	}
	f.results[path] = true
}

// resolve returns where a file or folder lies, or will once it is written: absolute and without links.
func resolve(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to
	}
	if to, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(to, filepath.Base(path))
	}
	return path
}
