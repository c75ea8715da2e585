package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// idx writes a file of bytes with the dimensions dims.
func idx(dims []byte, elements ...byte) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = append(b, 0, 0, 0, d)
	}
	return append(b, elements...)
}

func squeezed(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

func save(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestIdx(t *testing.T) {
	whole := idx([]byte{2, 1, 3}, 1, 2, 3, 4, 5, 255)
	for _, b := range [][]byte{whole, squeezed(whole)} {
		shape, got, err := ReadIdx(save(t, "x", b))
		if err != nil || !slices.Equal(shape, []int{2, 1, 3}) || !slices.Equal(got, []byte{1, 2, 3, 4, 5, 255}) {
			t.Errorf("%v %v %v", shape, got, err)
		}
	}
	for want, b := range map[string][]byte{
		"ends before its header":          {0, 0},
		"begins with 00 00 0d 01":         {0, 0, 13, 1, 0, 0, 0, 1},
		"declares 6 bytes and has 5":      whole[:len(whole)-1],
		"goes on after the 6 bytes":       append(slices.Clone(whole), 0),
		"declares more than":              {0, 0, 8, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1},
		"what gzip compressed is damaged": {0x1f, 0x8b, 9},
		"it ends before its header does ": {0, 0, 8, 3, 0, 0, 0, 1},
	} {
		path := save(t, "bad", b)
		if _, _, err := ReadIdx(path); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestDigits(t *testing.T) {
	images := save(t, "images", idx([]byte{3, 2, 2}, 0, 51, 102, 255, 9, 9, 9, 9, 1, 2, 3, 4))
	d, err := OpenDigits(images, save(t, "labels", idx([]byte{3}, 7, 0, 9)), 10)
	if err != nil {
		t.Fatal(err)
	}
	x := []*tensor.Tensor{tensor.New(tensor.Float32, 1, 2, 2), tensor.New(tensor.Int32)}
	if err := d.Read(0, nil, x); err != nil || !slices.Equal(x[0].Float32s(), []float32{0, 0.2, 0.4, 1}) || tensor.Data[int32](x[1])[0] != 7 {
		t.Errorf("%v %v %v", x[0].Float32s(), x[1], err)
	}
	for want, labels := range map[string][]byte{
		"label 2 is 10; there are 10 classes": idx([]byte{3}, 7, 0, 10),
		"for 3 pictures in":                   idx([]byte{2}, 7, 0),
	} {
		path := save(t, "labels", labels)
		if _, err := OpenDigits(images, path, 10); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestWarp turns, scales and shifts a picture by known amounts.
func TestWarp(t *testing.T) {
	src := []byte{0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // 4x4, ink at column 1 of row 1
	at := func(a Affine) (x, y int) {
		dst := make([]float32, 16)
		a.grey(dst, src, 4, 4)
		i := slices.Index(dst, 1)
		return i % 4, i / 4
	}
	for _, c := range []struct {
		name string
		a    Affine
		x, y int
	}{
		{"as it stands", Affine{XX: 1, YY: 1}, 1, 1},
		{"one to the right", Affine{XX: 1, YY: 1, X0: -1}, 2, 1},
		{"mirrored", Affine{XX: -1, YY: 1}, 2, 1},
		{"a quarter turn", Affine{XY: 1, YX: -1}, 2, 1},
		{"half a turn", Affine{XX: -1, YY: -1}, 2, 2},
	} {
		if x, y := at(c.a); x != c.x || y != c.y {
			t.Errorf("%s: the ink is at %d, %d, not %d, %d", c.name, x, y, c.x, c.y)
		}
	}
	// What is drawn stays within what was allowed.
	w := Warp{Turn: 10, Scale: 0.1, Shear: 0.1, Shift: 2}
	for seed := range uint64(1000) {
		a := w.Draw(NewRand(seed))
		if size := a.XX*a.YY - a.XY*a.YX; size < 1/(1.1*1.1)-1e-9 || size > 1.1*1.1+1e-9 {
			t.Fatalf("seed %d: areas change by %g", seed, size)
		}
		if max(a.X0, -a.X0, a.Y0, -a.Y0) > 2 || max(a.YX/a.XX, -a.YX/a.XX) > 0.1764 { // tan 10° = 0.1763
			t.Fatalf("seed %d: %+v", seed, a)
		}
	}
}

// numbered is a set whose examples are their own numbers, changed by 1000 times a random number.
type numbered int

func (n numbered) Len() int        { return int(n) }
func (n numbered) Files() []string { return nil }
func (n numbered) Fields() []Field { return []Field{{"x", tensor.Float32, nil}} }
func (n numbered) Read(i int, r *Rand, dst []*tensor.Tensor) error {
	v := float32(i)
	if r != nil {
		v += float32(1000 * r.Intn(1000))
	}
	dst[0].Float32s()[0] = v
	return nil
}

func batches(t *testing.T, n, from, count int) [][]float32 {
	t.Helper()
	l := NewLoader(numbered(n), &Epochs{N: n}, 4, 5, uint64(from), true)
	defer l.Close()
	var out [][]float32
	for range count {
		b, err := l.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.Clone(b["x"].Float32s()))
	}
	return out
}

// TestLoader asks that an epoch has every example once, that epochs differ, and that a loader that begins later gives the same batches.
func TestLoader(t *testing.T) {
	all := batches(t, 20, 0, 10)
	for epoch := range 2 {
		var seen []int
		for _, b := range all[5*epoch : 5*epoch+5] {
			for _, v := range b {
				seen = append(seen, int(v)%1000)
			}
		}
		slices.Sort(seen)
		for i, v := range seen {
			if i != v {
				t.Fatalf("epoch %d has the examples %v", epoch, seen)
			}
		}
	}
	if slices.Equal(all[0], all[5]) {
		t.Error("two epochs begin with the same batch")
	}
	for i, b := range batches(t, 20, 3, 7) {
		if !slices.Equal(b, all[3+i]) {
			t.Errorf("begun at step 3, step %d is %v, not %v", 3+i, b, all[3+i])
		}
	}
}

func TestWalk(t *testing.T) {
	var got []float32
	err := Walk(context.Background(), numbered(10), 4, func(feeds model.Tensors, first, count int) error {
		if first != len(got) {
			t.Errorf("a batch begins at %d after %d examples", first, len(got))
		}
		got = append(got, feeds["x"].Float32s()[:count]...)
		return nil
	})
	if err != nil || len(got) != 10 || got[9] != 9 {
		t.Errorf("%v %v", got, err)
	}
}

func FuzzIdx(f *testing.F) {
	f.Add(idx([]byte{2, 1, 3}, 1, 2, 3, 4, 5, 6))
	f.Add(squeezed(idx([]byte{3}, 7, 0, 9)))
	f.Fuzz(func(t *testing.T, b []byte) {
		shape, elements, err := readIdx(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		n := 1
		for _, d := range shape {
			n *= d
		}
		if n != len(elements) {
			t.Errorf("%v with %d elements", shape, len(elements))
		}
	})
}
