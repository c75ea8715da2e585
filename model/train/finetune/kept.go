package finetune

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Kept are examples that a model was trained on or judged by, kept against forgetting: of each class a sample of bounded size, as inputs of the network.
type Kept struct {
	Shape    []int // of an input
	Examples []KeptExample
}

// KeptExample is an example that is kept.
type KeptExample struct {
	Class string
	Held  bool // never trained on: the gate judges by it
	Input []float32
	hash  hash
}

// hash identifies an example: SHA-256 of its input.
type hash [sha256.Size]byte

func hashOf(input []float32) hash {
	b := make([]byte, 4*len(input))
	for i, v := range input {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
	}
	return sha256.Sum256(b)
}

// limit keeps at most n examples of each class, a fifth of them held ones: those whose hashes are least, which is a sample of all that ever were there and
// does not depend on their order. An example that is there twice is kept once, held if either is.
func (k *Kept) limit(n int) {
	slices.SortStableFunc(k.Examples, func(a, b KeptExample) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), bytes.Compare(a.hash[:], b.hash[:]), cmp.Compare(heldFirst(a), heldFirst(b)))
	})
	held := max(1, n/heldPart)
	most := map[bool]int{true: held, false: n - held}
	type kind struct {
		class string
		held  bool
	}
	taken, out := map[kind]int{}, k.Examples[:0]
	var last *KeptExample
	for _, e := range k.Examples {
		if last != nil && last.Class == e.Class && last.hash == e.hash {
			continue
		}
		last = &e
		if at := (kind{e.Class, e.Held}); taken[at] < most[e.Held] {
			taken[at]++
			out = append(out, e)
		}
	}
	k.Examples = out
}

func heldFirst(e KeptExample) int {
	if e.Held {
		return 0
	}
	return 1
}

const (
	inputsName = "inputs.npy"
	listName   = "examples.json"
)

// listed is an example in the list of a file.
type listed struct {
	Class string `json:"class"`
	Held  bool   `json:"held,omitempty"`
}

// Write writes the examples as a zip archive: inputs.npy, [N,...], and examples.json, a list of class and held.
func (k *Kept) Write(w io.Writer) error {
	z := zip.NewWriter(w)
	list := make([]listed, len(k.Examples))
	inputs := tensor.New(tensor.Float32, append([]int{len(list)}, k.Shape...)...)
	size := count(k.Shape)
	for i, e := range k.Examples {
		list[i] = listed{e.Class, e.Held}
		copy(inputs.Float32s()[i*size:], e.Input)
	}
	f, err := z.CreateHeader(&zip.FileHeader{Name: inputsName, Method: zip.Deflate})
	if err == nil {
		err = tensor.WriteNPY(f, inputs)
	}
	if err != nil {
		return err
	}
	if f, err = z.CreateHeader(&zip.FileHeader{Name: listName, Method: zip.Deflate}); err == nil {
		err = json.NewEncoder(f).Encode(list)
	}
	return errors.Join(err, z.Close())
}

// maxKept is the most bytes that a file of kept examples holds.
const maxKept = 1 << 30

// ReadKept reads what Write wrote.
func ReadKept(name string) (*Kept, error) {
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer z.Close()
	files := map[string][]byte{}
	for _, f := range z.File {
		if f.Name != inputsName && f.Name != listName {
			continue
		}
		if f.UncompressedSize64 > maxKept {
			return nil, fmt.Errorf("%s: %s is larger than %d bytes", name, f.Name, maxKept)
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, f.Name, err)
		}
		files[f.Name], err = io.ReadAll(io.LimitReader(r, maxKept))
		r.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, f.Name, err)
		}
	}
	inputs, err := tensor.ReadNPY(files[inputsName])
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, inputsName, err)
	}
	var list []listed
	if err := json.Unmarshal(files[listName], &list); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, listName, err)
	}
	if inputs.DType() != tensor.Float32 || inputs.Rank() < 2 || inputs.Dim(0) != len(list) {
		return nil, fmt.Errorf("%s: %d examples and inputs %v do not fit", name, len(list), inputs)
	}
	k := &Kept{Shape: inputs.Shape()[1:]}
	size := count(k.Shape)
	for i, e := range list {
		input := inputs.Float32s()[i*size : (i+1)*size]
		k.Examples = append(k.Examples, KeptExample{Class: e.Class, Held: e.Held, Input: input, hash: hashOf(input)})
	}
	return k, nil
}

// labelled is kept examples as a data.Labelled.
type labelled struct {
	kept    *Kept
	classes []string
}

func (k *Kept) labelled() *labelled {
	l := &labelled{kept: k}
	for _, e := range k.Examples {
		if !slices.Contains(l.classes, e.Class) {
			l.classes = append(l.classes, e.Class)
		}
	}
	return l
}

func (l *labelled) Files() []string { return nil }

func (l *labelled) Len() int { return len(l.kept.Examples) }

func (l *labelled) Fields() []data.Field {
	return []data.Field{{Name: "input", DType: tensor.Float32, Shape: l.kept.Shape}, {Name: "label", DType: tensor.Int32}}
}

func (l *labelled) Classes() []string { return l.classes }

func (l *labelled) Label(i int) int { return slices.Index(l.classes, l.kept.Examples[i].Class) }

func (l *labelled) Name(i int) string { return fmt.Sprintf("kept example %d", i) }

func (l *labelled) Source(int) string { return "" }

func (l *labelled) Read(i int, _ *data.Rand, dst []*tensor.Tensor) error {
	copy(dst[0].Float32s(), l.kept.Examples[i].Input)
	tensor.Data[int32](dst[1])[0] = int32(l.Label(i))
	return nil
}
