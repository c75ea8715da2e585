package data

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Faces are pictures of people, one folder each. Fields: image, float32 [3,H,W], and label, int32: the number of the person.
type Faces struct {
	FaceSpec
	People []string
	files  []string
	labels []int
	first  []int // of each person's pictures, and their end
	memo   memo[Pixels]
	back   []*kernels.Similarity // from the new picture to each old one, by its landmarks; nil where Region is taken
}

// FaceSpec says what examples are made of folders of faces.
type FaceSpec struct {
	W, H   int
	Region []float64 // x, y, width, height of the part that is taken, in shares of the picture; nil for all
	// Where pictures have Marks, by their names below Root, the face nearest to the middle is turned and scaled so that its landmarks come nearest to Places,
	// in pixels of the new picture. Region is taken of pictures without.
	Marks   map[string][]Face
	Root    string
	Places  [][2]float64
	Without string // file that names people, one a line, who are left out; empty for none
	Only    string // likewise, who alone are taken; empty for all
	Normal  Normal
	Augment Augment // turns and scales about the middle; Shift is in pixels of the new picture
	Memory  int64   // bytes of decoded pictures that are kept
	Singles float64 // the weight at which a person with one picture is drawn; 0 stands for 1
}

// OpenFaces opens the folders in a folder.
func OpenFaces(dir string, s FaceSpec) (*Faces, error) {
	if s.W < 1 || s.H < 1 {
		return nil, fmt.Errorf("data: pictures of %dx%d pixels", s.W, s.H)
	}
	if r := s.Region; r != nil && (len(r) != 4 || !(r[0] >= 0 && r[1] >= 0 && r[2] > 0 && r[3] > 0 && r[0]+r[2] <= 1+1e-9 && r[1]+r[3] <= 1+1e-9)) {
		return nil, fmt.Errorf("data: the region %v is no x, y, width, height inside 0..1", r)
	}
	out, err := readNames(s.Without)
	if err != nil {
		return nil, err
	}
	only, err := readNames(s.Only)
	if err != nil {
		return nil, err
	}
	people, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	f := &Faces{FaceSpec: s, memo: memo[Pixels]{left: s.Memory}}
	for _, p := range people {
		if !p.IsDir() || out[p.Name()] || s.Only != "" && !only[p.Name()] {
			continue
		}
		files, err := pictureFiles(filepath.Join(dir, p.Name()))
		if errors.Is(err, errNoPictures) {
			continue
		} else if err != nil {
			return nil, err
		}
		f.first = append(f.first, len(f.files))
		for _, name := range files {
			f.files = append(f.files, name)
			f.labels = append(f.labels, len(f.People))
		}
		f.People = append(f.People, p.Name())
	}
	f.first = append(f.first, len(f.files))
	if err := f.align(); err != nil {
		return nil, err
	}
	if len(f.People) < 2 {
		return nil, fmt.Errorf("%s: %d people have pictures there; it takes two folders at least", dir, len(f.People))
	}
	return f, nil
}

// readNames reads a file of names, one a line.
func readNames(file string) (map[string]bool, error) {
	names := map[string]bool{}
	if file == "" {
		return names, nil
	}
	r, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	s := bufio.NewScanner(r)
	for s.Scan() {
		if name := strings.TrimSpace(s.Text()); name != "" {
			names[name] = true
		}
	}
	if s.Err() == nil && len(names) == 0 {
		return nil, &fs.PathError{Op: "read", Path: file, Err: errors.New("it names nobody")}
	}
	return names, s.Err()
}

func (f *Faces) Files() []string {
	var names []string
	for _, name := range []string{f.Without, f.Only} {
		if name != "" {
			names = append(names, name)
		}
	}
	return append(names, f.files...)
}

func (f *Faces) Len() int { return len(f.files) }

// Pictures returns the files of a person.
func (f *Faces) Pictures(person int) []string { return f.files[f.first[person]:f.first[person+1]] }

// Person returns the number of the person whom an example shows.
func (f *Faces) Person(i int) int { return f.labels[i] }

func (f *Faces) Fields() []Field {
	return []Field{{"image", tensor.Float32, []int{3, f.H, f.W}}, {"label", tensor.Int32, nil}}
}

func (f *Faces) Read(i int, r *Rand, dst []*tensor.Tensor) error {
	pic, err := f.picture(i)
	if err != nil {
		return err
	}
	tensor.Data[int32](dst[1])[0] = int32(f.labels[i])
	a := Affine{XX: 1, YY: 1}
	if r != nil {
		a = f.Augment.Draw(r)
	}
	a, step := f.place(a, i, &pic)
	c := canvas{w: f.W, h: f.H, pix: dst[0].Float32s()}
	c.drawFine(a, &pic, step)
	if r != nil {
		c.recolour(r, &f.Augment)
	}
	c.normalise(f.Normal)
	return nil
}

// picture reads the i-th picture.
func (f *Faces) picture(i int) (Pixels, error) {
	return f.memo.get(i, func() (Pixels, int, error) {
		p, err := ReadPicture(f.files[i])
		return p, len(p.Pix), err
	})
}

// place returns a, a change of the new picture, followed by what takes that to the i-th old one, and how long a step of one pixel becomes.
func (f *Faces) place(a Affine, i int, pic *Pixels) (b Affine, step float64) {
	if s := f.back[i]; s != nil {
		b.XX, b.XY = float64(s.A*a.XX)-float64(s.B*a.YX), float64(s.A*a.XY)-float64(s.B*a.YY)
		b.YX, b.YY = float64(s.B*a.XX)+float64(s.A*a.YX), float64(s.B*a.XY)+float64(s.A*a.YY)
		x, y := s.Map(half(f.W)+a.X0, half(f.H)+a.Y0)
		b.X0, b.Y0 = x-half(pic.W), y-half(pic.H)
		return b, s.Scale()
	}
	region := [4]float64{0, 0, 1, 1}
	copy(region[:], f.Region)
	// Steps of the new picture in pixels of the old one, and the middle of the region from that of the picture.
	sx, sy := float64(region[2]*float64(pic.W))/float64(f.W), float64(region[3]*float64(pic.H))/float64(f.H)
	b.XX, b.XY, b.X0 = float64(a.XX*sx), float64(a.XY*sx), float64(a.X0*sx)+float64((region[0]+float64(region[2]/2)-0.5)*float64(pic.W))
	b.YX, b.YY, b.Y0 = float64(a.YX*sy), float64(a.YY*sy), float64(a.Y0*sy)+float64((region[1]+float64(region[3]/2)-0.5)*float64(pic.H))
	return b, max(sx, sy)
}

// align works out how the faces of pictures with marks are turned and scaled.
func (f *Faces) align() error {
	f.back = make([]*kernels.Similarity, len(f.files))
	if f.Marks == nil {
		return nil
	}
	if len(f.Places) != len(Face{}.Marks) {
		return fmt.Errorf("data: places are %d; faces have %d landmarks", len(f.Places), len(Face{}.Marks))
	}
	for i, name := range f.files {
		face, err := f.Central(name)
		if err != nil {
			return err
		}
		if face == nil {
			continue
		}
		if s, ok := kernels.FitSimilarity(face.Marks[:], f.Places); ok {
			s = s.Inverse()
			f.back[i] = &s
		}
	}
	return nil
}

// Central returns the face of a picture, by its marks, that is nearest to the middle; nil where none is known.
func (f *Faces) Central(name string) (*Face, error) {
	if f.Marks == nil {
		return nil, nil
	}
	rel, err := filepath.Rel(f.Root, name)
	if err != nil {
		return nil, err
	}
	faces := f.Marks[filepath.ToSlash(rel)]
	if len(faces) < 2 {
		if len(faces) == 0 {
			return nil, nil
		}
		return &faces[0], nil
	}
	w, h, err := pictureSize(name)
	if err != nil {
		return nil, err
	}
	off := func(b Box) float64 {
		return math.Hypot(b[0]+float64(b[2]/2)-half(w), b[1]+float64(b[3]/2)-half(h))
	}
	best := 0
	for i := range faces {
		if off(faces[i].Box) < off(faces[best].Box) {
			best = i
		}
	}
	return &faces[best], nil
}

// drawFine is draw on grey, with each pixel the mean of 2x2 places where a step of one pixel is more than one and a half of the old picture.
func (c *canvas) drawFine(a Affine, src *Pixels, step float64) {
	if step <= 1.5 {
		c.fill(127.5)
		c.draw(a, src)
		return
	}
	const fine = 2
	f := float64(fine)
	a.XX, a.XY, a.YX, a.YY = a.XX/f, a.XY/f, a.YX/f, a.YY/f
	big := canvas{w: fine * c.w, h: fine * c.h, pix: make([]float32, 3*fine*c.w*fine*c.h)}
	big.fill(127.5)
	big.draw(a, src)
	for i := range c.pix {
		x, y := i%c.w, i/c.w // rows of all three planes
		var sum float32
		for v := range fine {
			for _, p := range big.pix[(y*fine+v)*big.w+x*fine:][:fine] {
				sum += p
			}
		}
		c.pix[i] = sum / float32(fine*fine)
	}
}

// Sampler draws pairs of one person, as many people a batch as there is room for: each with a chance that goes with the square root of the number of their
// pictures, or by Singles, none twice before all have been drawn. The second picture of somebody with one alone is that one again, changed otherwise.
func (f *Faces) Sampler() Sampler {
	s := &pairs{faces: f, upTo: make([]float64, len(f.People))}
	sum := 0.0
	for p := range f.People {
		n := f.first[p+1] - f.first[p]
		if n == 1 && f.Singles > 0 {
			sum += f.Singles
		} else {
			sum += math.Sqrt(float64(n))
		}
		s.upTo[p] = sum
	}
	return s
}

// pairs is the Sampler of Faces.
type pairs struct {
	faces *Faces
	upTo  []float64 // sums of the weights of people
	mu    sync.Mutex
	drawn []bool
}

func (s *pairs) Batch(seed, step uint64, index []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := NewRand(seed, 0x7061697273, step)
	s.drawn = append(s.drawn[:0], make([]bool, len(s.upTo))...)
	left := len(s.upTo)
	for i := 0; i < len(index); i += 2 {
		if left == 0 {
			clear(s.drawn)
			left = len(s.upTo)
		}
		p := s.person(r)
		for s.drawn[p] {
			p = s.person(r)
		}
		s.drawn[p] = true
		left--
		from, n := s.faces.first[p], s.faces.first[p+1]-s.faces.first[p]
		k := r.Intn(n)
		index[i] = from + k
		if i+1 < len(index) {
			index[i+1] = from + (k+r.Intn(max(n-1, 1))+1)%n
		}
	}
}

// person draws one by weight.
func (s *pairs) person(r *Rand) int {
	at := float64(r.Float() * s.upTo[len(s.upTo)-1])
	lo, hi := 0, len(s.upTo)-1
	for lo < hi {
		if mid := (lo + hi) / 2; s.upTo[mid] <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
