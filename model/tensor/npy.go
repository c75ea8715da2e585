package tensor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

var npyTypes = map[string]DType{
	"<f4": Float32, "<f8": Float64, "<f2": Float16, "<i8": Int64, "<i4": Int32, "<i2": Int16, "|i1": Int8,
	"<u8": Uint64, "<u4": Uint32, "<u2": Uint16, "|u1": Uint8, "|b1": Bool,
}

// ReadNPY reads an array in NumPy's .npy format, versions 1 to 3, in C order and little-endian.
func ReadNPY(b []byte) (*Tensor, error) {
	if len(b) < 10 || string(b[:6]) != "\x93NUMPY" {
		return nil, errors.New("npy: this is no .npy file")
	}
	at, n := 10, int(binary.LittleEndian.Uint16(b[8:]))
	if b[6] > 1 {
		if len(b) < 12 {
			return nil, io.ErrUnexpectedEOF
		}
		at, n = 12, int(binary.LittleEndian.Uint32(b[8:]))
	}
	if n < 0 || n > len(b)-at || n > 1<<16 {
		return nil, errors.New("npy: the header is longer than the file")
	}
	head := string(b[at : at+n])
	b = b[at+n:]
	descr, err := npyEntry(head, "'descr':")
	if err != nil {
		return nil, err
	}
	d, ok := npyTypes[strings.Trim(descr, "'\"")]
	if !ok {
		return nil, fmt.Errorf("npy: element type %s is not supported", descr)
	}
	order, err := npyEntry(head, "'fortran_order':")
	if err != nil {
		return nil, err
	}
	_, rest, ok := strings.Cut(head, "'shape':")
	if !ok {
		return nil, errors.New("npy: the header has no shape")
	}
	_, rest, ok = strings.Cut(rest, "(")
	list, _, ok2 := strings.Cut(rest, ")")
	if !ok || !ok2 {
		return nil, errors.New("npy: the header's shape is no tuple")
	}
	shape := []int{}
	for _, s := range strings.Split(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		v, err := strconv.Atoi(s)
		if err != nil {
			return nil, fmt.Errorf("npy: dimension %q", s)
		}
		shape = append(shape, v)
	}
	if order != "False" && len(shape) > 1 {
		return nil, errors.New("npy: Fortran order is not supported; save the array with numpy.ascontiguousarray")
	}
	t, err := Wrap(d, b, shape...)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	return t.Clone(), nil
}

func npyEntry(head, key string) (string, error) {
	_, rest, ok := strings.Cut(head, key)
	if !ok {
		return "", fmt.Errorf("npy: the header has no %s", key)
	}
	end := strings.IndexAny(rest, ",}")
	if end < 0 {
		return "", errors.New("npy: the header is cut short")
	}
	return strings.TrimSpace(rest[:end]), nil
}

// WriteNPY writes a numeric tensor in NumPy's .npy format. What NumPy has no type for is written as float32 (floats) or as the next wider integer.
func WriteNPY(w io.Writer, t *Tensor) error {
	descr := ""
	for name, d := range npyTypes {
		if d == t.dtype {
			descr = name
		}
	}
	if descr == "" {
		to := Float32
		switch t.dtype {
		case String:
			return errors.New("npy: strings cannot be written")
		case Int4:
			to = Int8
		case Uint4:
			to = Uint8
		}
		u := New(to, t.shape...)
		if err := Convert(u, t, false); err != nil {
			return err
		}
		return WriteNPY(w, u)
	}
	var dims strings.Builder
	for _, n := range t.shape {
		fmt.Fprintf(&dims, "%d,", n)
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims.String())
	head += strings.Repeat(" ", (64-(10+len(head)+1)%64)%64) + "\n"
	if len(head) > 0xffff {
		return errors.New("npy: too many dimensions")
	}
	var b bytes.Buffer
	b.WriteString("\x93NUMPY\x01\x00")
	b.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(head))))
	b.WriteString(head)
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	_, err := w.Write(t.buf)
	return err
}
