package data

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Labelled is a Set whose examples show one class each. Its fields are an input of a network, and label.
type Labelled interface {
	Set
	Classes() []string   // names, by label
	Label(i int) int     // of example i
	Name(i int) string   // of example i, for people
	Source(i int) string // examples of one source, such as a film, may be nearly the same; "" is a source of its own
}

// Pictures says how a file becomes a network's input.
type Pictures struct {
	Field      string
	Shape      []int // of the input, without the batch
	Extensions []string
	Decode     func(path string, dst *tensor.Tensor) error // many goroutines may call it at once
}

// Folders are pictures in one folder for each class: DIR/CLASS/*.png. Fields: Pictures.Field, float32, and label, int32.
type Folders struct {
	from    Pictures
	classes []string
	files   []string
	labels  []int
	sources []string
}

// OpenFolders lists the pictures in a folder of folders; classes are in the order of their names, numbers by value. The source of a picture is the
// folder that it lies in below its class or, where it lies in none, its name up to the last number: take3_0017.png is of take3_. Where
// that leaves a class fewer than five sources, each of these pictures is its own.
func OpenFolders(dir string, p Pictures) (*Folders, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	f := &Folders{from: p}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			f.classes = append(f.classes, e.Name())
		}
	}
	if len(f.classes) == 0 {
		return nil, fmt.Errorf("%s: it holds no folders; one for each class is meant, with its pictures", dir)
	}
	slices.SortStableFunc(f.classes, byNumber)
	for label, class := range f.classes {
		if err := f.class(filepath.Join(dir, class), label); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// byNumber orders names that are numbers by value, others by their letters.
func byNumber(a, b string) int {
	x, err1 := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	if err1 == nil && err2 == nil && x != y {
		return x - y
	}
	return strings.Compare(a, b)
}

// class lists the pictures of one class.
func (f *Folders) class(dir string, label int) error {
	first := len(f.files)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != dir && strings.HasPrefix(e.Name(), ".") {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !e.IsDir() && slices.Contains(f.from.Extensions, strings.ToLower(filepath.Ext(path))) {
			f.files, f.labels = append(f.files, path), append(f.labels, label)
			below, _ := filepath.Rel(dir, filepath.Dir(path))
			if below == "." {
				below = ""
			}
			f.sources = append(f.sources, below)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(f.files) == first {
		return fmt.Errorf("%s: the class has no pictures; %s are read", dir, strings.Join(f.from.Extensions, " "))
	}
	names := map[string]bool{}
	for i := first; i < len(f.files); i++ {
		if f.sources[i] == "" {
			names[series(f.files[i])] = true
		}
	}
	const few = 5
	for i := first; i < len(f.files); i++ {
		switch {
		case f.sources[i] != "":
			f.sources[i] = filepath.Join(filepath.Base(dir), f.sources[i])
		case len(names) >= few && series(f.files[i]) != "":
			f.sources[i] = series(f.files[i])
		}
	}
	return nil
}

// series is a file's name up to its last number: "" where it begins with it, all of it where it has none.
func series(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	if at := strings.LastIndexFunc(name, digit); at >= 0 {
		return strings.TrimRightFunc(name[:at+1], digit)
	}
	return name
}

func (f *Folders) Files() []string { return f.files }

func (f *Folders) Len() int { return len(f.files) }

func (f *Folders) Fields() []Field {
	return []Field{{f.from.Field, tensor.Float32, f.from.Shape}, {"label", tensor.Int32, nil}}
}

func (f *Folders) Classes() []string { return f.classes }

func (f *Folders) Label(i int) int { return f.labels[i] }

func (f *Folders) Name(i int) string { return f.files[i] }

func (f *Folders) Source(i int) string { return f.sources[i] }

func (f *Folders) Read(i int, _ *Rand, dst []*tensor.Tensor) error {
	tensor.Data[int32](dst[1])[0] = int32(f.labels[i])
	if err := f.from.Decode(f.files[i], dst[0]); err != nil {
		if strings.Contains(err.Error(), f.files[i]) {
			return err
		}
		return fmt.Errorf("%s: %w", f.files[i], err)
	}
	return nil
}

// Classes names the digits.
func (d *Digits) Classes() []string {
	names := make([]string, d.classes)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}

func (d *Digits) Name(i int) string { return fmt.Sprintf("%s, picture %d", d.files[0], i) }

func (d *Digits) Source(int) string { return "" }

// Subset is some of the examples of a set.
type Subset struct {
	Labelled
	Index []int
}

func (s *Subset) Len() int { return len(s.Index) }

func (s *Subset) Label(i int) int { return s.Labelled.Label(s.Index[i]) }

func (s *Subset) Name(i int) string { return s.Labelled.Name(s.Index[i]) }

func (s *Subset) Source(i int) string { return s.Labelled.Source(s.Index[i]) }

func (s *Subset) Read(i int, r *Rand, dst []*tensor.Tensor) error {
	return s.Labelled.Read(s.Index[i], r, dst)
}

// Select returns the examples of the classes in only (nil: all), at most most of each (0: any number), drawn by the seed.
func Select(s Labelled, only []string, most int, seed uint64) (*Subset, error) {
	classes := s.Classes()
	for _, name := range only {
		if !slices.Contains(classes, name) {
			return nil, fmt.Errorf("there is no class %q in the data; there are %s", name, strings.Join(classes, ", "))
		}
	}
	taken, sub := make([]int, len(classes)), &Subset{Labelled: s}
	for _, i := range NewRand(seed, 0x73656c656374).Shuffle(s.Len()) {
		l := s.Label(i)
		if only != nil && !slices.Contains(only, classes[l]) || most > 0 && taken[l] == most {
			continue
		}
		taken[l]++
		sub.Index = append(sub.Index, i)
	}
	slices.Sort(sub.Index)
	return sub, nil
}
