package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// folder opens the files that hold external data: only those in the model's own folder.
type folder struct {
	root  *os.Root
	files map[string]*os.File
}

func (f *folder) close() {
	if f == nil || f.root == nil {
		return
	}
	for _, h := range f.files {
		_ = h.Close() // only read from
	}
	_ = f.root.Close()
}

func (f *folder) open(name string) (*os.File, error) {
	if f == nil || f.root == nil {
		return nil, fmt.Errorf("its data are in the file %q; read the model from a file, not from bytes", name)
	}
	if h := f.files[name]; h != nil {
		return h, nil
	}
	if len(f.files) >= 64 {
		return nil, errors.New("the data are spread over more than 64 files")
	}
	h, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	if st, err := h.Stat(); err != nil || !st.Mode().IsRegular() {
		_ = h.Close()
		return nil, fmt.Errorf("%q is no regular file", name)
	}
	f.files[name] = h
	return h, nil
}

// tensor reads a TensorProto. The sizes are checked against the bytes that are there before memory is taken.
func (d *decoder) tensor(b []byte, dir *folder) (name string, t *tensor.Tensor, err error) {
	var (
		dims, i32, i64, u64 []field
		kind, location      int64
		raw                 []byte
		hasRaw              bool
		f32, f64, texts     []field
		external            []entry
		shape               []int64
		segment             bool
	)
	// A repeated field may come in many parts; each is kept as bytes until the element type is known.
	part := func(to *[]field, x field) error {
		*to = append(*to, x)
		return d.spend(64)
	}
	err = fields(b, func(x field) (err error) {
		switch x.num {
		case 1:
			err = part(&dims, x)
		case 2:
			err = number(x, &kind)
		case 3:
			segment = true
		case 4:
			err = part(&f32, x)
		case 5:
			err = part(&i32, x)
		case 6:
			err = part(&texts, x)
		case 7:
			err = part(&i64, x)
		case 8:
			err = d.text(x, &name)
		case 9:
			raw, err = x.bytes()
			hasRaw = true
		case 10:
			err = part(&f64, x)
		case 11:
			err = part(&u64, x)
		case 13:
			var e entry
			e, err = d.entry(x)
			external = append(external, e)
		case 14:
			err = number(x, &location)
		}
		return err
	})
	if err != nil {
		return name, nil, err
	}
	for _, x := range dims {
		if err := d.numbers(x, &shape); err != nil {
			return name, nil, err
		}
	}
	if segment {
		return name, nil, errors.New("the tensor is cut into segments, which is not supported")
	}
	dt := tensor.DType(kind)
	if kind < 0 || kind > 255 || !dt.Valid() {
		return name, nil, fmt.Errorf("element type %d is not supported", kind)
	}
	if len(shape) > tensor.MaxRank {
		return name, nil, fmt.Errorf("%d dimensions, at most %d are supported", len(shape), tensor.MaxRank)
	}
	s := make([]int, len(shape))
	for i, v := range shape {
		if int64(int(v)) != v {
			return name, nil, fmt.Errorf("impossible shape %v", shape)
		}
		s[i] = int(v)
	}
	n, ok := tensor.Count(s)
	if !ok {
		return name, nil, fmt.Errorf("impossible shape %v", shape)
	}
	size := n * dt.Size()
	packed := dt == tensor.Int4 || dt == tensor.Uint4
	if packed {
		size = (n + 1) / 2
	}
	if location == 1 {
		if dt == tensor.String {
			return name, nil, errors.New("strings cannot be in another file")
		}
		raw, err := externalBytes(external, dir, size)
		if err != nil {
			return name, nil, err
		}
		t, err := fromRaw(dt, raw, n, s)
		return name, t, err
	}
	if hasRaw {
		if dt == tensor.String {
			return name, nil, errors.New("strings as raw data")
		}
		if len(raw) != size {
			return name, nil, fmt.Errorf("shape %v of %v takes %d bytes, there are %d", s, dt, size, len(raw))
		}
		own := tensor.Bytes(len(raw))
		copy(own, raw)
		t, err := fromRaw(dt, own, n, s)
		return name, t, err
	}
	t, err = d.fromFields(dt, n, s, f32, f64, i32, i64, u64, texts)
	return name, t, err
}

// fromRaw makes a tensor of bytes that are its own.
func fromRaw(dt tensor.DType, raw []byte, n int, shape []int) (*tensor.Tensor, error) {
	switch dt {
	case tensor.Int4, tensor.Uint4:
		wide := tensor.Bytes(n)
		unpack4(wide, raw, dt == tensor.Int4)
		raw = wide
	case tensor.Bool:
		for i, v := range raw {
			if v > 1 {
				raw[i] = 1
			}
		}
	}
	return tensor.Wrap(dt, raw, shape...)
}

// unpack4 gives each 4-bit number, the low half of a byte first, a byte of its own.
func unpack4(dst, src []byte, signed bool) {
	for i := range dst {
		v := src[i/2] >> (i % 2 * 4) & 15
		if signed && v > 7 {
			v |= 0xf0
		}
		dst[i] = v
	}
}

// externalBytes reads a tensor's bytes from another file.
func externalBytes(e []entry, dir *folder, size int) ([]byte, error) {
	var name string
	var offset, length int64 = 0, -1
	for _, kv := range e {
		var err error
		switch kv.key {
		case "location":
			name = kv.value
		case "offset":
			offset, err = strconv.ParseInt(kv.value, 10, 64)
		case "length":
			length, err = strconv.ParseInt(kv.value, 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("external data: %s %q is no number", kv.key, kv.value)
		}
	}
	if offset < 0 || length >= 0 && length != int64(size) {
		return nil, fmt.Errorf("external data: offset %d, length %d where %d bytes are needed", offset, length, size)
	}
	h, err := dir.open(name)
	if err != nil {
		return nil, fmt.Errorf("external data: %w", err)
	}
	st, err := h.Stat()
	if err != nil {
		return nil, fmt.Errorf("external data: %w", err)
	}
	if offset > st.Size() || int64(size) > st.Size()-offset {
		return nil, fmt.Errorf("external data: %q has %d bytes, %d from %d on are needed", name, st.Size(), size, offset)
	}
	raw := tensor.Bytes(size)
	if _, err := io.ReadFull(io.NewSectionReader(h, offset, int64(size)), raw); err != nil {
		return nil, fmt.Errorf("external data: %w", err)
	}
	return raw, nil
}

// fromFields makes a tensor of the typed fields.
func (d *decoder) fromFields(dt tensor.DType, n int, shape []int, f32, f64, i32, i64, u64, texts []field) (*tensor.Tensor, error) {
	short := func(have int) error {
		return fmt.Errorf("shape %v of %v has %d elements, there are %d", shape, dt, n, have)
	}
	switch dt {
	case tensor.Float32:
		have := 0
		for _, x := range f32 {
			if x.typ == protowire.BytesType {
				have += len(x.b) / 4
			} else {
				have++
			}
		}
		if have != n {
			return nil, short(have)
		}
		t := tensor.New(dt, shape...)
		at := 0
		for _, x := range f32 {
			switch x.typ {
			case protowire.Fixed32Type:
				t.Float32s()[at] = math.Float32frombits(uint32(x.u))
				at++
			case protowire.BytesType:
				if len(x.b)%4 != 0 {
					return nil, errors.New("a packed float is cut short")
				}
				for i := 0; i < len(x.b); i += 4 {
					t.Float32s()[at] = math.Float32frombits(binary.LittleEndian.Uint32(x.b[i:]))
					at++
				}
			default:
				return nil, fmt.Errorf("field %d has wire type %d", x.num, x.typ)
			}
		}
		return t, nil
	case tensor.Float64:
		have := 0
		for _, x := range f64 {
			if x.typ == protowire.BytesType {
				have += len(x.b) / 8
			} else {
				have++
			}
		}
		if have != n {
			return nil, short(have)
		}
		t := tensor.New(dt, shape...)
		v, at := tensor.Data[float64](t), 0
		for _, x := range f64 {
			switch x.typ {
			case protowire.Fixed64Type:
				v[at] = math.Float64frombits(x.u)
				at++
			case protowire.BytesType:
				if len(x.b)%8 != 0 {
					return nil, errors.New("a packed float is cut short")
				}
				for i := 0; i < len(x.b); i += 8 {
					v[at] = math.Float64frombits(binary.LittleEndian.Uint64(x.b[i:]))
					at++
				}
			default:
				return nil, fmt.Errorf("field %d has wire type %d", x.num, x.typ)
			}
		}
		return t, nil
	case tensor.String:
		if len(texts) != n {
			return nil, short(len(texts))
		}
		s := make([]string, n)
		for i, x := range texts {
			if err := d.text(x, &s[i]); err != nil {
				return nil, err
			}
		}
		return tensor.Strings(s, shape...), nil
	}
	parts := i32
	switch dt {
	case tensor.Int64:
		parts = i64
	case tensor.Uint32, tensor.Uint64:
		parts = u64
	}
	have := 0
	for _, x := range parts {
		if x.typ == protowire.BytesType {
			have += varints(x.b)
		} else {
			have++
		}
	}
	packed := dt == tensor.Int4 || dt == tensor.Uint4
	if need := n; have != need && !(packed && have == (n+1)/2) {
		return nil, short(have)
	}
	// One byte of a file may become one element of up to 8 bytes.
	if err := d.spend(max(0, 7*have)); err != nil {
		return nil, err
	}
	t := tensor.New(dt, shape...)
	put, at := putInt(t), 0
	if packed && have != n {
		bytes := make([]byte, have)
		put = func(i int, v int64) { bytes[i] = byte(v) }
		defer func() { unpack4(t.Raw(), bytes, dt == tensor.Int4) }()
	}
	for _, x := range parts {
		switch x.typ {
		case protowire.VarintType:
			put(at, int64(x.u))
			at++
		case protowire.BytesType:
			for b := x.b; len(b) > 0; {
				v, k := protowire.ConsumeVarint(b)
				if k < 0 {
					return nil, protowire.ParseError(k)
				}
				b = b[k:]
				put(at, int64(v))
				at++
			}
		default:
			return nil, fmt.Errorf("field %d has wire type %d", x.num, x.typ)
		}
	}
	return t, nil
}

// putInt returns how an integer field's number becomes an element.
func putInt(t *tensor.Tensor) func(i int, v int64) {
	switch t.DType().Size() {
	case 1:
		b := tensor.Bits[uint8](t)
		if t.DType() == tensor.Bool {
			return func(i int, v int64) {
				b[i] = 0
				if v != 0 {
					b[i] = 1
				}
			}
		}
		return func(i int, v int64) { b[i] = uint8(v) }
	case 2:
		b := tensor.Bits[uint16](t)
		return func(i int, v int64) { b[i] = uint16(v) }
	case 4:
		b := tensor.Bits[uint32](t)
		return func(i int, v int64) { b[i] = uint32(v) }
	}
	b := tensor.Bits[uint64](t)
	return func(i int, v int64) { b[i] = uint64(v) }
}

// ReadTensor reads a TensorProto, the form in which ONNX's test cases keep inputs and outputs (.pb).
func ReadTensor(b []byte) (name string, t *tensor.Tensor, err error) {
	d := decoder{left: 64<<20 + 8*len(b)}
	name, t, err = d.tensor(b, nil)
	if err != nil {
		return name, nil, fmt.Errorf("onnx: tensor %q: %w", name, err)
	}
	return name, t, nil
}
