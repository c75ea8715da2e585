package face

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Store is a file that holds a Gallery. Only its owner may read it.
type Store struct{ Path string }

// maxFile is the largest file that is read.
const maxFile = 1 << 30

// Load reads the Gallery; nil where there is no file yet.
func (s Store) Load() (*Gallery, error) {
	f, err := os.Open(s.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %d bytes are more than a gallery has", s.Path, info.Size())
	}
	g, err := ReadGallery(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	return g, nil
}

// Change gives the Gallery, nil where there is none yet, to change and writes what that returns, unless it fails. Other programs that use Change on
// the file wait; those that read it see the old Gallery or the new one, and so does everyone after a power cut.
func (s Store) Change(change func(*Gallery) (*Gallery, error)) error {
	if err := os.MkdirAll(filepath.Dir(s.Path), 0o700); err != nil {
		return err
	}
	unlock, err := lock(s.Path + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	g, err := s.Load()
	if err != nil {
		return err
	}
	if g, err = change(g); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := g.Write(&b); err != nil {
		return err
	}
	return replace(s.Path, b.Bytes())
}

// replace writes a file beside path, waits until the disk has it, and puts it in path's place.
func replace(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // the file is in place; only its name may be late
	}
	defer dir.Close()
	_ = dir.Sync() // not every file system can
	return nil
}
