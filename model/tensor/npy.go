package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// npyTypes gives the element types of .npy files, as they are written here.
var npyTypes = map[string]DType{
	"<f4": Float32, "<f8": Float64, "<f2": Float16, "<i8": Int64, "<i4": Int32, "<i2": Int16, "|i1": Int8,
	"<u8": Uint64, "<u4": Uint32, "<u2": Uint16, "|u1": Uint8, "|b1": Bool,
}

const (
	npyMagic  = "\x93NUMPY"
	npyHeader = 1 << 16 // the most bytes that a header is expected to have
)

// ReadNPY reads an array in NumPy's .npy format (NEP 1), versions 1 to 3, in C order and little-endian.
func ReadNPY(b []byte) (*Tensor, error) {
	if len(b) < len(npyMagic) || string(b[:len(npyMagic)]) != npyMagic {
		return nil, errors.New("npy: this is no .npy file")
	}
	head, data, err := cutNPY(b)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	h, err := parseNPY(head)
	if err != nil {
		return nil, fmt.Errorf("npy: header: %w", err)
	}
	d, ok := npyTypes[h.descr]
	if !ok && len(h.descr) > 1 && (h.descr[0] == '|' || h.descr[0] == '=') {
		d, ok = npyTypes["<"+h.descr[1:]]
	}
	if !ok && len(h.descr) > 1 && h.descr[0] != '|' {
		d, ok = npyTypes["|"+h.descr[1:]] // one byte has no order
	}
	switch {
	case !ok && strings.HasPrefix(h.descr, ">"):
		return nil, fmt.Errorf("npy: big-endian elements (%s) are not supported; save the array with astype('<%s')", h.descr, h.descr[1:])
	case !ok:
		return nil, fmt.Errorf("npy: element type %q is not supported", h.descr)
	case h.fortran && len(h.shape) > 1:
		return nil, errors.New("npy: Fortran order is not supported; save the array with numpy.ascontiguousarray")
	}
	n, ok := Count(h.shape)
	switch {
	case !ok:
		return nil, fmt.Errorf("npy: impossible shape %s", FormatShape(h.shape))
	case n*d.Size() > len(data):
		return nil, fmt.Errorf("npy: the file is cut short: %v%s takes %d bytes, there are %d", d, FormatShape(h.shape), n*d.Size(), len(data))
	case n*d.Size() < len(data):
		return nil, fmt.Errorf("npy: %d bytes follow the elements of %v%s", len(data)-n*d.Size(), d, FormatShape(h.shape))
	}
	t := New(d, h.shape...)
	copy(t.buf, data)
	if d == Bool {
		for i, v := range t.buf {
			t.buf[i] = min(v, 1)
		}
	}
	return t, nil
}

// cutNPY cuts a file into the text of its header and the elements.
func cutNPY(b []byte) (head string, data []byte, err error) {
	const short = "the file is cut short, within its header"
	at := len(npyMagic) + 2
	if len(b) < at {
		return "", nil, errors.New(short)
	}
	n := 0
	switch version := b[len(npyMagic)]; version {
	case 1:
		if len(b) < at+2 {
			return "", nil, errors.New(short)
		}
		n = int(binary.LittleEndian.Uint16(b[at:]))
		at += 2
	case 2, 3:
		if len(b) < at+4 {
			return "", nil, errors.New(short)
		}
		long := binary.LittleEndian.Uint32(b[at:])
		if long > npyHeader {
			return "", nil, fmt.Errorf("a header of %d bytes; at most %d are expected", long, npyHeader)
		}
		n = int(long)
		at += 4
	default:
		return "", nil, fmt.Errorf("version %d of the format is not known", version)
	}
	if n > len(b)-at {
		return "", nil, errors.New(short)
	}
	return string(b[at : at+n]), b[at+n:], nil
}

// npyArray is what a header says.
type npyArray struct {
	descr   string
	fortran bool
	shape   []int
}

// parseNPY reads a header: the text of a Python dictionary with the keys descr, fortran_order and shape.
func parseNPY(s string) (h npyArray, err error) {
	s, ok := strings.CutPrefix(strings.TrimSpace(s), "{")
	if ok {
		s, ok = strings.CutSuffix(s, "}")
	}
	if !ok {
		return h, errors.New("no dictionary")
	}
	seen := 0
	for s = strings.TrimLeft(s, " ,"); s != ""; s = strings.TrimLeft(s, " ,") {
		var key, value string
		if key, s, err = npyQuoted(s); err != nil {
			return h, err
		}
		s = strings.TrimLeft(s, " ")
		if s, ok = strings.CutPrefix(s, ":"); !ok {
			return h, fmt.Errorf("no value of %q", key)
		}
		s = strings.TrimLeft(s, " ")
		switch key {
		case "descr":
			if strings.HasPrefix(s, "[") {
				return h, errors.New("arrays of records are not supported")
			}
			h.descr, s, err = npyQuoted(s)
		case "fortran_order":
			end := min(len(s), len("True"))
			if value = s[:end]; value != "True" {
				end = min(len(s), len("False"))
				value = s[:end]
			}
			if value != "True" && value != "False" {
				err = errors.New("fortran_order is neither True nor False")
			}
			h.fortran, s = value == "True", s[end:]
		case "shape":
			if s, ok = strings.CutPrefix(s, "("); ok {
				value, s, ok = strings.Cut(s, ")")
			}
			if !ok {
				return h, errors.New("the shape is no tuple")
			}
			h.shape, err = npyShape(value)
		default:
			return h, fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return h, err
		}
		seen++
	}
	if seen != 3 || h.shape == nil || h.descr == "" {
		return h, errors.New("descr, fortran_order and shape are expected, once each")
	}
	return h, nil
}

// npyQuoted cuts a quoted text from the beginning of s.
func npyQuoted(s string) (text, rest string, err error) {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return "", "", errors.New("a quoted text is expected")
	}
	text, rest, ok := strings.Cut(s[1:], s[:1])
	if !ok {
		return "", "", errors.New("a quote is not closed")
	}
	return text, rest, nil
}

// npyShape reads the inside of a tuple of sizes. Python 2 wrote an L after each.
func npyShape(s string) ([]int, error) {
	shape := []int{}
	for f := range strings.SplitSeq(s, ",") {
		if f = strings.TrimSuffix(strings.TrimSpace(f), "L"); f == "" {
			continue
		}
		n, err := strconv.Atoi(f)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no size", f)
		}
		if len(shape) == MaxRank {
			return nil, fmt.Errorf("more than %d dimensions", MaxRank)
		}
		shape = append(shape, n)
	}
	return shape, nil
}

// WriteNPY writes a numeric tensor in NumPy's .npy format, version 1. What NumPy has no type for is written as float32 (floats) or as the next wider integer.
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
	shape := strings.ReplaceAll(strings.Trim(FormatShape(t.shape), "[]"), " ", ", ")
	if len(t.shape) == 1 {
		shape += ","
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape)
	// The elements begin at a multiple of 64 bytes.
	head += strings.Repeat(" ", 63-(len(npyMagic)+4+len(head))%64) + "\n"
	b := append([]byte(npyMagic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(head)))
	if _, err := w.Write(append(b, head...)); err != nil {
		return err
	}
	_, err := w.Write(t.buf)
	return err
}
