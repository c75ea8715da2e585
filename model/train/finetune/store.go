package finetune

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/model/train"
)

// Store is a folder of numbered models, 0001.onnx and on, each with the examples that are kept with it, 0001.replay.zip, and a file, current, that names the one in
// force. Whatever moment a program that writes to it ends at, current names a whole model.
type Store struct{ dir string }

const (
	modelEnd    = ".onnx"
	keptEnd     = ".replay.zip"
	currentName = "current"
	temporary   = ".part-"
)

// stale is the age from which on a file that was never finished is removed: no program is at it any more.
const stale = time.Hour

// OpenStore opens a store, or begins one.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), temporary) && time.Since(info.ModTime()) > stale {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return &Store{dir}, nil
}

// Model returns the file of a model.
func (s *Store) Model(n int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%04d%s", n, modelEnd))
}

// Kept returns the file of the examples that are kept with a model.
func (s *Store) Kept(n int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%04d%s", n, keptEnd))
}

// number returns the number in the name of a file of the store, or 0.
func number(name, end string) int {
	head, ok := strings.CutSuffix(name, end)
	if n, err := strconv.Atoi(head); ok && err == nil && n > 0 && len(head) >= 4 {
		return n
	}
	return 0
}

// Current returns the number of the model in force, 0 where there is none yet.
func (s *Store) Current() (int, error) {
	name := filepath.Join(s.dir, currentName)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := number(strings.TrimSpace(string(b)), modelEnd)
	if n == 0 {
		return 0, fmt.Errorf("%s: it holds %q, not the name of a model such as 0001%s", name, strings.TrimSpace(string(b)), modelEnd)
	}
	return n, nil
}

// Numbers lists the models, in order.
func (s *Store) Numbers() ([]int, error) { return s.numbers(modelEnd) }

func (s *Store) numbers(ends ...string) ([]int, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var list []int
	for _, e := range entries {
		for _, end := range ends {
			if n := number(e.Name(), end); n > 0 {
				list = append(list, n)
			}
		}
	}
	return list, nil
}

// Publish adds a model with the examples kept with it, and puts it in force. It returns the model's number.
func (s *Store) Publish(model []byte, kept *Kept) (int, error) {
	whole, err := s.write(func(w io.Writer) error { _, err := w.Write(model); return err })
	if err != nil {
		return 0, err
	}
	defer os.Remove(whole)
	examples, err := s.write(kept.Write)
	if err != nil {
		return 0, err
	}
	defer os.Remove(examples)
	for {
		all, err := s.numbers(modelEnd, keptEnd)
		if err != nil {
			return 0, err
		}
		n := 1
		for _, k := range all {
			n = max(n, k+1)
		}
		// The examples come first and so take the number, of which two programs cannot have the same.
		if err := place(examples, s.Kept(n)); errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			return 0, err
		}
		if err := place(whole, s.Model(n)); err != nil {
			return 0, err
		}
		return n, s.point(n)
	}
}

// write writes a temporary file, to the disk.
func (s *Store) write(f func(io.Writer) error) (name string, err error) {
	t, err := os.CreateTemp(s.dir, temporary+"*")
	if err != nil {
		return "", err
	}
	if err := errors.Join(f(t), t.Chmod(0o644), t.Sync(), t.Close()); err != nil {
		os.Remove(t.Name())
		return "", fmt.Errorf("%s: %w", s.dir, err)
	}
	return t.Name(), nil
}

// place gives a whole file its name, which no file may have.
func place(file, name string) error {
	err := os.Link(file, name)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) { // FAT has no links
		if _, err := os.Lstat(name); err == nil {
			return fs.ErrExist
		}
		err = os.Rename(file, name)
	}
	if dir, open := os.Open(filepath.Dir(name)); open == nil {
		dir.Sync()
		dir.Close()
	}
	return err
}

// point puts a model in force.
func (s *Store) point(n int) error {
	return train.WriteFile(filepath.Join(s.dir, currentName), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, filepath.Base(s.Model(n)))
		return err
	})
}

// Rollback puts an earlier model in force again, or a later one. No model is removed.
func (s *Store) Rollback(n int) error {
	if _, err := os.Stat(s.Model(n)); err != nil {
		list, _ := s.Numbers()
		return fmt.Errorf("%s: there is no model %d; there are %v", s.dir, n, list)
	}
	return s.point(n)
}
