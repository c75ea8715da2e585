package train

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Checkpoint is all that a run needs to go on as if it had not been stopped.
type Checkpoint struct {
	State   any                       // in JSON, for people too
	Tensors map[string]*tensor.Tensor // what to save, or where to put what was saved
}

const stateName = "state.json"

// Save writes the checkpoint to a file: a zip archive of .npy files and state.json. The file holds the old checkpoint or the new one, whole, at every moment.
func (c *Checkpoint) Save(name string) error {
	return WriteFile(name, func(w io.Writer) error {
		z := zip.NewWriter(w)
		put := func(name string) (io.Writer, error) {
			return z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		}
		state, err := json.MarshalIndent(c.State, "", "  ")
		if err != nil {
			return err
		}
		f, err := put(stateName)
		if err == nil {
			_, err = f.Write(state)
		}
		if err != nil {
			return err
		}
		for _, key := range sorted(c.Tensors) {
			if f, err = put(key + ".npy"); err != nil {
				return err
			}
			if err := tensor.WriteNPY(f, c.Tensors[key]); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

// WriteFile writes a file through another one beside it, which takes its place when all of it is on the disk.
func WriteFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err = write(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err = errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(name)); err == nil {
		dir.Sync()
		dir.Close()
	}
	return nil
}

// CheckFile says whether WriteFile can write a file. It leaves nothing behind, and a file of that name as it is.
func CheckFile(name string) error {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder; name a file", name)
	} else if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no ordinary file; name one that may be replaced", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		var why *fs.PathError
		if errors.As(err, &why) {
			err = why.Err
		}
		return fmt.Errorf("%s cannot be written: %s: %w; make the folder, or name another file", name, filepath.Dir(name), err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Load reads a checkpoint: State is filled from JSON, and every tensor from its file, which must have its type and shape. The error
// leaves the tensors as they were.
func (c *Checkpoint) Load(name string) error {
	z, err := zip.OpenReader(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer z.Close()
	files := map[string]*zip.File{}
	for _, f := range z.File {
		files[f.Name] = f
	}
	read := func(key string, most int) ([]byte, error) {
		f := files[key]
		if f == nil {
			return nil, fmt.Errorf("%s: it has no %s: it is of another run", name, key)
		}
		if f.UncompressedSize64 > uint64(most) {
			return nil, fmt.Errorf("%s: %s has %d bytes, not %d", name, key, f.UncompressedSize64, most)
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, key, err)
		}
		defer r.Close()
		b, err := io.ReadAll(io.LimitReader(r, int64(most)))
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, key, err)
		}
		return b, nil
	}
	const header = 1 << 12
	loaded := map[string]*tensor.Tensor{}
	for key, t := range c.Tensors {
		b, err := read(key+".npy", len(t.Raw())+header)
		if err != nil {
			return err
		}
		u, err := tensor.ReadNPY(b)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", name, key, err)
		}
		if u.DType() != t.DType() || !slices.Equal(u.Shape(), t.Shape()) {
			return fmt.Errorf("%s: %s is %v, the network has %v: it is of another run", name, key, u, t)
		}
		loaded[key] = u
	}
	b, err := read(stateName, 64<<20)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(c.State); err != nil {
		return fmt.Errorf("%s: %s: %w", name, stateName, err)
	}
	for key, u := range loaded {
		c.Tensors[key].CopyFrom(u)
	}
	return nil
}
