package onnx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/encoding/protowire"
)

// Header is what a file says of itself beside its graph.
type Header struct {
	IRVersion       int
	Opsets          map[string]int // by domain; the standard operators are under "ai.onnx"
	Producer        string
	ProducerVersion string
	Domain          string
	ModelVersion    int64
	Doc             string
	Meta            map[string]string
}

// maxHeader bounds the bytes of a header, and of any field of it.
const maxHeader = 4 << 20

// ReadHeader reads the header of a file and passes over its graph, which need not be one that Read can make sense of.
func ReadHeader(path string) (*Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	defer f.Close()
	h, err := readHeader(f)
	if err != nil {
		return nil, fmt.Errorf("onnx: this is no ONNX model, or a damaged one: %w", err)
	}
	return h, nil
}

func readHeader(f io.ReadSeeker) (*Header, error) {
	h := &Header{Opsets: map[string]int{}}
	d := decoder{left: maxHeader}
	r := bufio.NewReader(f)
	for {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return h, nil
		}
		tag, err := readVarint(r)
		if err != nil {
			return nil, err
		}
		num, typ := protowire.DecodeTag(tag)
		x := field{num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			if x.u, err = readVarint(r); err != nil {
				return nil, err
			}
		case protowire.BytesType:
			n, err := readVarint(r)
			if err != nil {
				return nil, err
			}
			if !headerField(num) {
				if err := skip(f, r, n); err != nil {
					return nil, err
				}
				continue
			}
			if n > maxHeader {
				return nil, errBudget
			}
			if err := d.spend(int(n) + 64); err != nil {
				return nil, err
			}
			x.b = make([]byte, n)
			if _, err := io.ReadFull(r, x.b); err != nil {
				return nil, io.ErrUnexpectedEOF
			}
		default:
			return nil, fmt.Errorf("field %d has wire type %d", num, typ)
		}
		if err := h.set(&d, x); err != nil {
			return nil, err
		}
	}
}

// skip passes over n bytes of f, which r reads.
func skip(f io.ReadSeeker, r *bufio.Reader, n uint64) error {
	if n <= uint64(r.Buffered()) {
		_, err := r.Discard(int(n))
		return err
	}
	if n >= 1<<48 {
		return io.ErrUnexpectedEOF
	}
	if _, err := f.Seek(int64(n)-int64(r.Buffered()), io.SeekCurrent); err != nil {
		return err
	}
	r.Reset(f)
	return nil
}

// headerField says whether a length-delimited field of ModelProto is one of the header's.
func headerField(num protowire.Number) bool {
	switch num {
	case 2, 3, 4, 6, 8, 14:
		return true
	}
	return false
}

func (h *Header) set(d *decoder, x field) error {
	var v int64
	switch x.num {
	case 1:
		err := number(x, &v)
		h.IRVersion = int(v)
		return err
	case 2:
		return d.text(x, &h.Producer)
	case 3:
		return d.text(x, &h.ProducerVersion)
	case 4:
		return d.text(x, &h.Domain)
	case 5:
		return number(x, &h.ModelVersion)
	case 6:
		return d.text(x, &h.Doc)
	case 8:
		b, err := x.bytes()
		if err != nil {
			return err
		}
		domain := ""
		err = fields(b, func(x field) error {
			switch x.num {
			case 1:
				return d.text(x, &domain)
			case 2:
				return number(x, &v)
			}
			return nil
		})
		if standard(domain) {
			domain = "ai.onnx"
		}
		h.Opsets[domain] = int(v)
		return err
	case 14:
		e, err := d.entry(x)
		if err != nil {
			return err
		}
		if h.Meta == nil {
			h.Meta = map[string]string{}
		}
		h.Meta[e.key] = e.value
	}
	return nil
}

// readVarint reads a variable-length integer.
func readVarint(r io.ByteReader) (uint64, error) {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, nil
		}
	}
	return 0, errors.New("a number is longer than 10 bytes")
}
