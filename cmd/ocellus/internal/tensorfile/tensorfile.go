// Package tensorfile reads tensors from files, NumPy's .npy or ONNX's TensorProto, and writes them as .npy.
package tensorfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// MaxBytes is the largest file that Read takes: 4 GiB, or less where an int cannot count that many.
const MaxBytes = min(4<<30, math.MaxInt/2)

// Read reads a tensor: .npy where the file begins as one, else a TensorProto.
func Read(path string) (*tensor.Tensor, error) {
	b, err := contents(path)
	if err != nil {
		return nil, err
	}
	var t *tensor.Tensor
	switch {
	case len(b) == 0:
		err = errors.New("the file is empty")
	case bytes.HasPrefix(b, []byte("\x93NUMPY")) || strings.EqualFold(filepath.Ext(path), ".npy"):
		t, err = tensor.ReadNPY(b)
	default:
		if _, t, err = onnx.ReadTensor(b); err != nil {
			err = fmt.Errorf("neither .npy nor a TensorProto: %w", err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// contents reads a whole file of at most MaxBytes.
func contents(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case st.IsDir():
		return nil, fmt.Errorf("%s: a folder, not a tensor file", path)
	case st.Size() > MaxBytes:
		return nil, fmt.Errorf("%s: %d bytes, at most %d are read", path, st.Size(), int64(MaxBytes))
	case st.Mode().IsRegular():
		b := make([]byte, st.Size())
		_, err = io.ReadFull(f, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err == nil && len(b) > MaxBytes {
		err = fmt.Errorf("%s: more than %d bytes", path, int64(MaxBytes))
	}
	return b, err
}

// Write writes t as an .npy file. The file is either complete or not there.
func Write(path string, t *tensor.Tensor) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".*.npy")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // the first error is the one that matters
			_ = os.Remove(f.Name())
		}
	}()
	if err := tensor.WriteNPY(f, t); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// maxName bounds a file name in bytes, leaving room for a suffix.
const maxName = 200

// Names makes file names of tensor names: slashes, backslashes and what cannot be printed become "_", and so does a leading dot; a long name
// loses its end. Where two come out alike (in any mix of cases) the later ones get "_2", "_3", ...
func Names(tensors []string) []string {
	taken := make(map[string]bool, len(tensors))
	out := make([]string, len(tensors))
	for i, name := range tensors {
		base := clean(name)
		out[i] = base
		for n := 2; taken[strings.ToLower(out[i])]; n++ {
			out[i] = base + "_" + strconv.Itoa(n)
		}
		taken[strings.ToLower(out[i])] = true
	}
	return out
}

func clean(name string) string {
	var b strings.Builder
	for i, r := range name {
		if b.Len()+utf8.RuneLen(r) > maxName {
			break
		}
		if r == '/' || r == '\\' || r == utf8.RuneError || !unicode.IsPrint(r) || i == 0 && r == '.' {
			r = '_'
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "_"
	}
	return b.String()
}
