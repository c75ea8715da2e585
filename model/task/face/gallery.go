package face

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ocellus-vision/ocellus/model/task/embed"
)

// Gallery is the people that are known. Reading it from many goroutines is safe, changing it is not.
type Gallery struct {
	Network     string       `json:"network"` // SHA-256 of the file whose vectors are held: those of another do not compare
	Size        int          `json:"size"`    // of a vector
	People      []Person     `json:"people"`  // by name
	Calibration *Calibration `json:"calibration,omitempty"`
}

// Person is someone who is known.
type Person struct {
	Name      string    `json:"name"`
	Enrolled  time.Time `json:"enrolled"`
	Templates []Vector  `json:"templates"` // one a picture
	mean      Vector
}

// Vector is an embedding of length 1. In JSON it is base64 of little-endian float32.
type Vector []float32

// MarshalText implements encoding.TextMarshaler.
func (v Vector) MarshalText() ([]byte, error) {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *Vector) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil || len(b)%4 != 0 {
		return errors.New("a template is no base64 of float32 numbers")
	}
	*v = make(Vector, len(b)/4)
	for i := range *v {
		(*v)[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return nil
}

// Bounds of a Gallery.
const (
	maxName      = 64
	maxPeople    = 100_000
	maxTemplates = 100 // of a person
	maxSize      = 1 << 16
)

// NewGallery returns an empty Gallery for the vectors of a network.
func NewGallery(network string, size int) *Gallery {
	return &Gallery{Network: network, Size: size, People: []Person{}}
}

// CheckName says what is wrong with a person's name.
func CheckName(name string) error {
	switch {
	case strings.TrimSpace(name) == "" || strings.TrimSpace(name) != name:
		return fmt.Errorf("%q is no name: it is empty or begins or ends with a space", name)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q is no name: it holds characters that are not printed", name)
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("a name has at most %d characters; this one has %d", maxName, utf8.RuneCountInString(name))
	case name == Unknown:
		return fmt.Errorf("%q is what strangers are called", name)
	}
	return nil
}

// find returns where a person is or belongs.
func (g *Gallery) find(name string) (int, bool) {
	return slices.BinarySearchFunc(g.People, name, func(p Person, name string) int { return strings.Compare(p.Name, name) })
}

// Person returns who is known by a name; nil for nobody.
func (g *Gallery) Person(name string) *Person {
	if i, ok := g.find(name); ok {
		return &g.People[i]
	}
	return nil
}

// Enrol adds vectors, one a picture, to a person, who may be new.
func (g *Gallery) Enrol(name string, when time.Time, vectors ...Vector) error {
	if err := CheckName(name); err != nil {
		return err
	}
	for _, v := range vectors {
		if err := g.check(v); err != nil {
			return err
		}
	}
	i, known := g.find(name)
	had := 0
	if known {
		had = len(g.People[i].Templates)
	}
	switch {
	case len(vectors) == 0:
		return errors.New("no picture to enrol")
	case had+len(vectors) > maxTemplates:
		return fmt.Errorf("%s would have %d templates; at most %d are held", name, had+len(vectors), maxTemplates)
	case !known && len(g.People) == maxPeople:
		return fmt.Errorf("there are %d people already", maxPeople)
	}
	p := Person{Name: name, Enrolled: when}
	if known {
		p = g.People[i]
	}
	p.Templates = append(slices.Clip(p.Templates), vectors...)
	if err := p.average(); err != nil {
		return err
	}
	if !known {
		g.People = slices.Insert(g.People, i, p)
	}
	g.People[i] = p
	return nil
}

// check says whether a vector is one of the Gallery's.
func (g *Gallery) check(v Vector) error {
	if len(v) != g.Size {
		return fmt.Errorf("a template has %d numbers, those of this gallery %d", len(v), g.Size)
	}
	var sum float64
	for _, x := range v {
		sum += float64(float64(x) * float64(x))
	}
	if !(math.Abs(sum-1) < 1e-3) {
		return errors.New("a template is not of length 1")
	}
	return nil
}

// average makes the mean of the templates, which is what others are compared with.
func (p *Person) average() error {
	p.mean = make(Vector, len(p.Templates[0]))
	for _, t := range p.Templates {
		for i, x := range t {
			p.mean[i] += x
		}
	}
	if err := embed.Normalize(p.mean); err != nil {
		return fmt.Errorf("the templates of %s contradict one another", p.Name)
	}
	return nil
}

// Forget removes a person and says whether there was one.
func (g *Gallery) Forget(name string) bool {
	i, ok := g.find(name)
	if ok {
		g.People = slices.Delete(g.People, i, i+1)
	}
	return ok
}

// Nearest returns the person whose averaged template is most similar to a vector; "" where nobody is known.
func (g *Gallery) Nearest(v Vector) (name string, similarity float64) {
	for i := range g.People {
		if s := embed.Similarity(v, g.People[i].mean); name == "" || s > similarity {
			name, similarity = g.People[i].Name, s
		}
	}
	return name, similarity
}

// file is how a Gallery is written.
type file struct {
	Version int `json:"version"`
	*Gallery
}

const fileVersion = 1

// Write writes a Gallery as JSON.
func (g *Gallery) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(file{fileVersion, g})
}

// ReadGallery reads what Write has written and checks all of it.
func ReadGallery(r io.Reader) (*Gallery, error) {
	f := file{Gallery: &Gallery{}}
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("this is no gallery of faces, or a broken one: %w", err)
	}
	g := f.Gallery
	switch {
	case f.Version != fileVersion:
		return nil, fmt.Errorf("the gallery is of version %d; this program reads version %d", f.Version, fileVersion)
	case g.Size < 2 || g.Size > maxSize:
		return nil, fmt.Errorf("the gallery's vectors have %d numbers; 2 to %d are meant", g.Size, maxSize)
	case len(g.People) > maxPeople:
		return nil, fmt.Errorf("the gallery holds %d people; at most %d are meant", len(g.People), maxPeople)
	}
	if g.People == nil {
		g.People = []Person{}
	}
	for i := range g.People {
		p := &g.People[i]
		if err := CheckName(p.Name); err != nil {
			return nil, fmt.Errorf("person %d of the gallery: %w", i+1, err)
		}
		if i > 0 && g.People[i-1].Name >= p.Name {
			return nil, fmt.Errorf("person %d of the gallery, %s, is out of order or there twice", i+1, p.Name)
		}
		if n := len(p.Templates); n < 1 || n > maxTemplates {
			return nil, fmt.Errorf("%s has %d templates; 1 to %d are meant", p.Name, n, maxTemplates)
		}
		for _, v := range p.Templates {
			if err := g.check(v); err != nil {
				return nil, fmt.Errorf("%s: %w", p.Name, err)
			}
		}
		if err := p.average(); err != nil {
			return nil, err
		}
	}
	if g.Calibration != nil {
		if err := g.Calibration.Check(); err != nil {
			return nil, err
		}
	}
	return g, nil
}
