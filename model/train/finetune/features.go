package finetune

import (
	"fmt"
	"os"

	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// features are what the lower part of a network computes of each example: a data.Set for the upper part, with the label, in memory or, where that
// would be too much, in a file that goes with the program.
type features struct {
	fields []data.Field
	row    int // bytes of the features of one example
	labels []int32
	memory []byte
	file   *os.File
}

// newFeatures makes room for the features of n examples: in memory up to most bytes, else in a file in dir ("": the system's folder for such).
func newFeatures(p *parts, n int, most int64, dir string) (*features, error) {
	f := &features{labels: make([]int32, n)}
	for _, t := range p.fields {
		f.fields = append(f.fields, data.Field{Name: t.name, DType: tensor.Float32, Shape: t.shape})
		f.row += 4 * count(t.shape)
	}
	f.fields = append(f.fields, data.Field{Name: "label", DType: tensor.Int32})
	if size := int64(n) * int64(f.row); size <= most {
		f.memory = make([]byte, size)
		return f, nil
	}
	file, err := os.CreateTemp(dir, "ocellus-features-*")
	if err != nil {
		return nil, fmt.Errorf("features of %d examples do not fit into %d bytes of memory, and a file for them could not be made: %w", n, most, err)
	}
	f.file = file
	os.Remove(file.Name()) // it lasts as long as it is open
	return f, nil
}

func (f *features) close() {
	if f.file != nil {
		f.file.Close()
	}
}

// put keeps the features of example i, the i-th rows of outs.
func (f *features) put(i int, label int32, outs []*tensor.Tensor, row int) error {
	f.labels[i] = label
	at := int64(i) * int64(f.row)
	for k, t := range outs {
		size := 4 * count(f.fields[k].Shape)
		b := t.Raw()[row*size : (row+1)*size]
		if f.file == nil {
			copy(f.memory[at:], b)
		} else if _, err := f.file.WriteAt(b, at); err != nil {
			return fmt.Errorf("features could not be kept: %w", err)
		}
		at += int64(size)
	}
	return nil
}

func (f *features) Files() []string { return nil }

func (f *features) Len() int { return len(f.labels) }

func (f *features) Fields() []data.Field { return f.fields }

func (f *features) Read(i int, _ *data.Rand, dst []*tensor.Tensor) error {
	at := int64(i) * int64(f.row)
	for _, t := range dst[:len(dst)-1] {
		b := t.Raw()
		if f.file == nil {
			copy(b, f.memory[at:])
		} else if _, err := f.file.ReadAt(b, at); err != nil {
			return fmt.Errorf("features could not be read again: %w", err)
		}
		at += int64(len(b))
	}
	tensor.Data[int32](dst[len(dst)-1])[0] = f.labels[i]
	return nil
}
