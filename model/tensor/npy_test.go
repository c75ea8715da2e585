package tensor

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// npyFile writes a file of version 1 or 2 and 3 by hand.
func npyFile(version byte, head string, data ...byte) []byte {
	b := []byte{0x93, 'N', 'U', 'M', 'P', 'Y', version, 0, byte(len(head)), byte(len(head) >> 8)}
	if version > 1 {
		b = append(b, 0, 0)
	}
	return append(append(b, head...), data...)
}

func TestReadNPY(t *testing.T) {
	one := []byte{0, 0, 0x80, 0x3f} // 1 as float32
	for _, c := range []struct {
		version     byte
		head        string
		data        []byte
		want        string
		first, last float32
	}{
		{1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }      \n", one, "float32[1 1]", 1, 1},
		{2, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", one, "float32[]", 1, 1},
		{3, `{"shape":(1L,),"fortran_order":True,"descr":"<f4"}`, one, "float32[1]", 1, 1},
		{1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", []byte{7, 8, 255}, "uint8[3]", 7, 255},
		{1, "{'descr': '<i1', 'fortran_order': False, 'shape': (2,), }\n", []byte{7, 0xfe}, "int8[2]", 7, -2},
		{1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }\n", []byte{0, 3}, "bool[2]", 0, 1},
		{1, "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n", []byte{1, 2, 0xff, 0xff}, "int16[2]", 513, -1},
		{1, "{'descr': '<u2', 'fortran_order': False, 'shape': (1,), }\n", []byte{0xff, 0xff}, "uint16[1]", 65535, 65535},
		{1, "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }\n", []byte{0, 0, 1, 0}, "int32[1]", 65536, 65536},
		{1, "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }\n", []byte{0xfd, 255, 255, 255, 255, 255, 255, 255}, "int64[1]", -3, -3},
		{1, "{'descr': '<u4', 'fortran_order': False, 'shape': (1,), }\n", []byte{5, 0, 0, 0}, "uint32[1]", 5, 5},
		{1, "{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }\n", []byte{5, 0, 0, 0, 0, 0, 0, 0}, "uint64[1]", 5, 5},
		{1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, "float64[1]", 1.5, 1.5},
		{1, "{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }\n", []byte{0, 0x3e}, "float16[1]", 1.5, 1.5},
	} {
		x, err := ReadNPY(npyFile(c.version, c.head, c.data...))
		if err != nil {
			t.Errorf("%s: %v", c.head, err)
			continue
		}
		u := New(Float32, x.Shape()...)
		if err := Convert(u, x, false); err != nil {
			t.Fatal(err)
		}
		v := u.Float32s()
		if x.String() != c.want || v[0] != c.first || v[len(v)-1] != c.last {
			t.Errorf("%s: %v %v, want %s from %g to %g", c.head, x, v, c.want, c.first, c.last)
		}
	}
}

func TestReadNPYRefuses(t *testing.T) {
	whole := npyFile(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", make([]byte, 8)...)
	for i := range whole {
		if _, err := ReadNPY(whole[:i]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", i, len(whole))
		}
	}
	header := func(descr, order, shape string) []byte {
		return npyFile(1, fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s, }\n", descr, order, shape), 0, 0, 0, 0)
	}
	for _, c := range []struct {
		file []byte
		want string
	}{
		{[]byte("PK\x03\x04 this is an .npz"), "no .npy file"},
		{append(slices.Clone(whole), 0), "1 bytes follow"},
		{npyFile(4, "{}"), "version 4"},
		{[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "header of 4294967295 bytes"},
		{header("'>f4'", "False", "(1,)"), "astype('<f4')"},
		{header("'<c8'", "False", "(1,)"), `"<c8" is not supported`},
		{header("'|O'", "False", "(1,)"), `"|O" is not supported`},
		{header("[('a', '<f4')]", "False", "(1,)"), "records"},
		{header("'<f4'", "True", "(1, 1)"), "numpy.ascontiguousarray"},
		{header("'<f4'", "Maybe", "(1,)"), "neither True nor False"},
		{header("'<f4'", "False", "(-1,)"), `"-1" is no size`},
		{header("'<f4'", "False", "(4611686018427387904, 4)"), "impossible shape"},
		{header("'<f4'", "False", "(99999999999999999999,)"), "is no size"},
		{header("'<f4'", "False", "(3,)"), "cut short"},
		{header("'<f4'", "False", "("+strings.Repeat("1,", 17)+")"), "more than 16 dimensions"},
		{npyFile(1, "{'descr': '<f4', 'shape': (1,)}", 0, 0, 0, 0), "once each"},
		{npyFile(1, "{'descr': '<f4"), "no dictionary"},
		{npyFile(1, "{'descr: }"), "not closed"},
	} {
		if _, err := ReadNPY(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.file, err, c.want)
		}
	}
}

func TestWriteNPY(t *testing.T) {
	var b bytes.Buffer
	if err := WriteNPY(&b, Of([]float32{1, -2}, 2)); err != nil {
		t.Fatal(err)
	}
	// 10 bytes before the header, 118 in it: the elements begin at byte 128.
	want := "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }" + strings.Repeat(" ", 60) + "\n" + "\x00\x00\x80\x3f\x00\x00\x00\xc0"
	if b.String() != want {
		t.Errorf("%q\nwant %q", b.String(), want)
	}
	for _, shape := range [][]int{{}, {0}, {3, 0, 2}, {1, 2, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
		for _, d := range []DType{Float32, Float64, Float16, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Bool} {
			x := New(d, shape...)
			for i := range x.buf {
				if x.buf[i] = byte(37*i + 1); d == Bool {
					x.buf[i] &= 1
				}
			}
			b.Reset()
			if err := WriteNPY(&b, x); err != nil {
				t.Fatal(err)
			}
			if at := bytes.IndexByte(b.Bytes(), '\n') + 1; at%64 != 0 {
				t.Errorf("%v: the elements begin at byte %d", x, at)
			}
			y, err := ReadNPY(b.Bytes())
			if err != nil || y.String() != x.String() || !bytes.Equal(x.buf, y.buf) {
				t.Errorf("%v came back as %v, %v", x, y, err)
			}
		}
	}
}

// TestWriteNPYWidens writes the types that NumPy lacks.
func TestWriteNPYWidens(t *testing.T) {
	for _, c := range []struct {
		d    DType
		raw  []byte
		want *Tensor
	}{
		{BFloat16, []byte{0xc0, 0x3f}, Of([]float32{1.5})},
		{Float8E4M3, []byte{0x38}, Of([]float32{1})},
		{Float8E5M2, []byte{0x7c}, Of([]float32{float32(math.Inf(1))})},
		{Int4, []byte{0xf9}, Of([]int8{-7})},
		{Uint4, []byte{9}, Of([]uint8{9})},
	} {
		x, err := Wrap(c.d, c.raw, 1)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := WriteNPY(&b, x); err != nil {
			t.Fatal(err)
		}
		y, err := ReadNPY(b.Bytes())
		if err != nil || y.String() != c.want.String() || !bytes.Equal(y.buf, c.want.buf) {
			t.Errorf("%v: %v %v, want %v", c.d, y, err, c.want)
		}
	}
	if err := WriteNPY(new(bytes.Buffer), Strings([]string{"a"}, 1)); err == nil {
		t.Error("strings were written")
	}
}

func FuzzReadNPY(f *testing.F) {
	f.Add(npyFile(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 0, 0, 0, 0))
	f.Add(npyFile(3, "{'descr': '|b1', 'fortran_order': True, 'shape': (), }\n", 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := ReadNPY(b)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteNPY(&again, x); err != nil {
			t.Fatal(err)
		}
		if y, err := ReadNPY(again.Bytes()); err != nil || y.String() != x.String() || !bytes.Equal(x.buf, y.buf) {
			t.Errorf("%v came back as %v, %v", x, y, err)
		}
	})
}
