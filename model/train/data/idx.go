package data

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// maxIdx is the largest idx file that is read, in bytes.
const maxIdx = 1 << 31 / 2

// ReadIdx reads a file of bytes in the idx format, or the same compressed by gzip, and returns its dimensions and elements (LeCun, Cortes, Burges: the MNIST
// database).
func ReadIdx(name string) (shape []int, elements []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	shape, elements, err = readIdx(bufio.NewReader(f))
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return shape, elements, err
}

func readIdx(r *bufio.Reader) (shape []int, elements []byte, err error) {
	if magic, err := r.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("what gzip compressed is damaged: %w", err)
		}
		defer z.Close()
		r = bufio.NewReader(z)
	}
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, nil, errors.New("it is no idx file: it ends before its header does")
	}
	if head[0] != 0 || head[1] != 0 || head[2] != 8 || head[3] < 1 || head[3] > 4 {
		return nil, nil, fmt.Errorf("it is no idx file of bytes: it begins with % x", head)
	}
	size := 1
	for range head[3] {
		var n uint32
		if err := binary.Read(r, binary.BigEndian, &n); err != nil {
			return nil, nil, errors.New("it ends before its header does")
		}
		if n > maxIdx || size*int(n) > maxIdx {
			return nil, nil, fmt.Errorf("it declares more than %d bytes", maxIdx)
		}
		shape = append(shape, int(n))
		size *= int(n)
	}
	elements, err = io.ReadAll(io.LimitReader(r, int64(size)+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(elements) < size:
		return nil, nil, fmt.Errorf("it declares %d bytes and has %d", size, len(elements))
	case len(elements) > size:
		return nil, nil, fmt.Errorf("it goes on after the %d bytes that it declares", size)
	}
	return shape, elements, nil
}

// Digits are grey pictures with a label: fields image, float32 [1,H,W] from 0 to 1, and label, int32.
type Digits struct {
	h, w    int
	images  []byte
	labels  []byte
	classes int
	files   []string
	Warp    Warp // how pictures are changed at random
}

// OpenDigits reads pictures and labels from two idx files.
func OpenDigits(images, labels string, classes int) (*Digits, error) {
	shape, pix, err := ReadIdx(images)
	if err != nil {
		return nil, err
	}
	if len(shape) != 3 || shape[1] == 0 || shape[2] == 0 {
		return nil, fmt.Errorf("%s: it has the dimensions %v; pictures have three", images, shape)
	}
	count, marks, err := ReadIdx(labels)
	if err != nil {
		return nil, err
	}
	if len(count) != 1 || count[0] != shape[0] {
		return nil, fmt.Errorf("%s: it has the dimensions %v, for %d pictures in %s", labels, count, shape[0], images)
	}
	for i, l := range marks {
		if int(l) >= classes {
			return nil, fmt.Errorf("%s: label %d is %d; there are %d classes", labels, i, l, classes)
		}
	}
	return &Digits{h: shape[1], w: shape[2], images: pix, labels: marks, classes: classes,
		files: []string{images, labels}}, nil
}

func (d *Digits) Files() []string { return d.files }

func (d *Digits) Len() int { return len(d.labels) }

func (d *Digits) Fields() []Field {
	return []Field{{"image", tensor.Float32, []int{1, d.h, d.w}}, {"label", tensor.Int32, nil}}
}

// Label returns the class of an example.
func (d *Digits) Label(i int) int { return int(d.labels[i]) }

func (d *Digits) Read(i int, r *Rand, dst []*tensor.Tensor) error {
	tensor.Data[int32](dst[1])[0] = int32(d.labels[i])
	x, src := dst[0].Float32s(), d.images[i*d.h*d.w:][:d.h*d.w]
	if r != nil && d.Warp != (Warp{}) {
		d.Warp.Draw(r).grey(x, src, d.h, d.w)
		return nil
	}
	for k, v := range src {
		x[k] = float32(v) / 255
	}
	return nil
}
