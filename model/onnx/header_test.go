package onnx

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func TestReadHeader(t *testing.T) {
	text := func(b []byte, field protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
	}
	number := func(b []byte, field protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
	}
	b := number(nil, 1, 8)
	b = text(b, 2, "maker")
	b = text(b, 3, "1.2")
	b = text(b, 4, "org.example")
	b = number(b, 5, 7)
	b = text(b, 6, "about")
	// A graph larger than any buffer; what is in it does not matter.
	b = text(b, 7, strings.Repeat("\xff", 10000))
	b = text(b, 8, string(number(nil, 2, 17)))
	b = text(b, 8, string(number(text(nil, 1, "com.example"), 2, 3)))
	b = text(b, 14, string(text(text(nil, 1, "author"), 2, "somebody")))
	h, err := readHeader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if h.IRVersion != 8 || h.Producer != "maker" || h.ProducerVersion != "1.2" || h.Domain != "org.example" || h.ModelVersion != 7 || h.Doc != "about" ||
		len(h.Opsets) != 2 || h.Opsets["ai.onnx"] != 17 || h.Opsets["com.example"] != 3 || len(h.Meta) != 1 || h.Meta["author"] != "somebody" {
		t.Errorf("%+v", h)
	}
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"text", []byte("this is no model")},
		{"cut in a field", text(nil, 2, "maker")[:4]},
		{"cut in a number", []byte{8, 0x80}},
		{"endless number", bytes.Repeat([]byte{0xff}, 20)},
		{"field of 2⁶³ bytes", append([]byte{2<<3 | 2}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
		{"graph of 2⁶³ bytes", append([]byte{7<<3 | 2}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
		{"producer is a number", number(nil, 2, 1)},
	} {
		if h, err := readHeader(bytes.NewReader(c.b)); err == nil {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
}
