package onnx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// ownFile is the location of data that lie in the model's own file. No file can have this name.
const ownFile = "\x00"

// leanBytes is the size from which on the raw data of an initialiser stay in the file until the tensor is made.
const leanBytes = 1 << 16

// Levels of the messages that are looked into, and the field that leads to the next: ModelProto.graph, GraphProto.initializer, TensorProto.raw_data.
const (
	levelModel = iota
	levelGraph
	levelTensor
)

var inner = [...]protowire.Number{levelModel: 7, levelGraph: 5, levelTensor: 9}

// lean reads a model file but for the raw data of large initialisers, which it replaces by a reference to their place in the file: so that
// reading a network takes the memory of its weights once. f has size bytes.
func lean(f io.ReadSeeker, size int64) ([]byte, error) {
	l := &leaner{f: f, r: bufio.NewReaderSize(f, 1<<16)}
	return l.message(size, levelModel)
}

type leaner struct {
	f  io.ReadSeeker
	r  *bufio.Reader
	at int64
}

func (l *leaner) ReadByte() (byte, error) {
	l.at++
	return l.r.ReadByte()
}

// message reads a message that ends at end.
func (l *leaner) message(end int64, level int) ([]byte, error) {
	var out []byte
	for l.at < end {
		tag, err := readVarint(l)
		if err != nil {
			return nil, err
		}
		num, typ := protowire.DecodeTag(tag)
		out = protowire.AppendVarint(out, tag)
		switch typ {
		case protowire.VarintType:
			v, err := readVarint(l)
			if err != nil {
				return nil, err
			}
			out = protowire.AppendVarint(out, v)
		case protowire.Fixed32Type:
			out, err = l.copy(out, 4, end)
		case protowire.Fixed64Type:
			out, err = l.copy(out, 8, end)
		case protowire.BytesType:
			n, err := readVarint(l)
			if err != nil {
				return nil, err
			}
			if l.at > end || n > uint64(end-l.at) {
				return nil, fmt.Errorf("field %d has %d bytes, more than there are", num, n)
			}
			switch {
			case num != inner[level] || n < leanBytes:
				out, err = l.copy(protowire.AppendVarint(out, n), int64(n), end)
			case level == levelTensor:
				out = append(out[:len(out)-protowire.SizeVarint(tag)], l.reference(int64(n))...)
				err = l.skip(int64(n))
			default:
				var m []byte
				if m, err = l.message(l.at+int64(n), level+1); err == nil {
					out = protowire.AppendBytes(out, m)
				}
			}
			if err != nil {
				return nil, err
			}
			continue
		default:
			return nil, fmt.Errorf("field %d has wire type %d", num, typ)
		}
		if err != nil {
			return nil, err
		}
	}
	if l.at != end {
		return nil, errors.New("a message is cut short")
	}
	return out, nil
}

// copy appends n bytes.
func (l *leaner) copy(out []byte, n, end int64) ([]byte, error) {
	if n > end-l.at {
		return nil, io.ErrUnexpectedEOF
	}
	from := len(out)
	out = append(out, make([]byte, n)...)
	_, err := io.ReadFull(l.r, out[from:])
	l.at += n
	return out, err
}

// skip passes over n bytes.
func (l *leaner) skip(n int64) error {
	l.at += n
	if _, err := l.f.Seek(l.at, io.SeekStart); err != nil {
		return err
	}
	l.r.Reset(l.f)
	return nil
}

// reference returns fields of a TensorProto, data_location and external_data, that say that the next n bytes of the file are its data.
func (l *leaner) reference(n int64) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 14, protowire.VarintType), 1)
	for _, kv := range [][2]string{{"location", ownFile}, {"offset", strconv.FormatInt(l.at, 10)}, {"length", strconv.FormatInt(n, 10)}} {
		e := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), kv[0])
		e = protowire.AppendString(protowire.AppendTag(e, 2, protowire.BytesType), kv[1])
		b = protowire.AppendBytes(protowire.AppendTag(b, 13, protowire.BytesType), e)
	}
	return b
}
