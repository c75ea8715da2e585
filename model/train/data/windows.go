package data

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Windows are pictures of one size that show an object in their middle, label 1, or none, label 0, for a classifier that is moved over pictures. Fields:
// image, float32 [3,H,W], and label, int32.
//
// Objects come from annotated pictures, from windows around one, and from cut-outs that are pasted on something else; what shows none from the
// same annotated pictures, at any place and size where there is no object, from windows without, from labelled pictures, and from the places where an
// earlier state of the classifier was wrong (Mine).
type Windows struct {
	WindowSpec
	frames []Annotated
	backs  *Labels
	sheets [3][]string
	memo   memo[[]Pixels] // each picture and its halves
	names  []string
	places map[string]int
	people []Place // objects of the frames
	mined  []Place
}

// WindowSpec says what examples are made of.
type WindowSpec struct {
	W, H    int
	Object  Box     // where an object lies in a window
	Label   string  // of the objects
	Share   float64 // the part of the examples that shows one
	Normal  Normal
	Augment Augment // Shift is in pixels of the window
	Compose Compose
	Memory  int64 // bytes of decoded pictures that are kept
}

// Place is a part of a picture: of one of the scenes of Windows.
type Place struct {
	Scene int `json:"scene"`
	Box   Box `json:"box"`
}

// Mining is a Set that is shown while training goes on where the network is wrong.
type Mining interface {
	Set
	Mine(places []Place) // adds examples
	Mined() []Place      // all that were added
}

// OpenWindows opens annotated pictures and, below dir, what else examples are made of.
func OpenWindows(frames []Annotated, dir string, s WindowSpec) (*Windows, error) {
	if o := s.Object; s.W < 1 || s.H < 1 || !(o[2] > 0 && o[3] > 0 && o[0] >= 0 && o[1] >= 0 && o[0]+o[2] <= float64(s.W) && o[1]+o[3] <= float64(s.H)) {
		return nil, fmt.Errorf("data: windows of %dx%d pixels with the object at %v, which is to be x, y, width, height inside", s.W, s.H, s.Object)
	}
	w := &Windows{WindowSpec: s, frames: frames, memo: memo[[]Pixels]{left: s.Memory}, places: map[string]int{}}
	keep := func(name string) {
		w.places[name] = len(w.names)
		w.names = append(w.names, name)
	}
	for i, f := range frames {
		keep(f.File)
		for _, o := range f.Objects {
			if o.Label == s.Label && !o.Ignore {
				w.people = append(w.people, Place{i, o.Box})
			}
		}
	}
	var err error
	for kind, folder := range [3]string{s.Compose.Cutouts, s.Compose.With, s.Compose.Without} {
		if folder == "" {
			continue
		}
		if w.sheets[kind], err = pictureFiles(filepath.Join(dir, folder), "_mask"); err != nil {
			return nil, err
		}
		for _, f := range w.sheets[kind] {
			keep(f)
			if kind == cutout {
				keep(maskFile(f))
			}
		}
	}
	if len(w.people)+len(w.sheets[positive])+len(w.sheets[cutout]) == 0 || len(frames)+len(w.sheets[negative]) == 0 {
		return nil, fmt.Errorf("data: windows with an object and without one are needed; there are no %s, or nothing beside them", s.Label)
	}
	if s.Compose.Backgrounds != "" {
		w.backs, err = OpenLabels(filepath.Join(dir, s.Compose.Backgrounds), LabelSpec{W: s.W, H: s.H, Stride: 1, Classes: 255, Void: 255, Memory: s.Memory})
	}
	return w, err
}

func (w *Windows) Files() []string {
	files := slices.Clone(w.names)
	if w.backs != nil {
		files = append(files, w.backs.Files()...)
	}
	return files
}

// Len is the number of objects, of windows with one and of cut-outs, twice: as many examples show none.
func (w *Windows) Len() int {
	return 2 * (len(w.people) + len(w.sheets[positive]) + len(w.sheets[cutout]))
}

func (w *Windows) Fields() []Field {
	return []Field{{"image", tensor.Float32, []int{3, w.H, w.W}}, {"label", tensor.Int32, nil}}
}

// Scenes is how many pictures there are in which all objects are known: annotated ones, and then labelled ones.
func (w *Windows) Scenes() int {
	if w.backs == nil {
		return len(w.frames)
	}
	return len(w.frames) + w.backs.Len()
}

// Annotated is how many of the scenes are annotated pictures.
func (w *Windows) Annotated() int { return len(w.frames) }

// Scene returns a picture in which all objects are known.
func (w *Windows) Scene(i int) (Pixels, error) {
	levels, err := w.scene(i)
	if err != nil {
		return Pixels{}, err
	}
	return levels[0], nil
}

func (w *Windows) scene(i int) ([]Pixels, error) {
	if i < len(w.frames) {
		return w.levels(w.frames[i].File)
	}
	i -= len(w.frames)
	return w.memo.get(len(w.names)+i, func() ([]Pixels, int, error) {
		p, _, err := w.backs.Picture(i)
		return halves(p, err)
	})
}

// levels reads a file.
func (w *Windows) levels(name string) ([]Pixels, error) {
	return w.memo.get(w.places[name], func() ([]Pixels, int, error) { return halves(ReadPicture(name)) })
}

// halves returns a picture, one of half its size and so on, and the bytes of all.
func halves(p Pixels, err error) ([]Pixels, int, error) {
	all, size := []Pixels{p}, len(p.Pix)
	for err == nil && min(p.W, p.H) >= 16 {
		h := Pixels{p.W / 2, p.H / 2, 3, make([]byte, 3*(p.W/2)*(p.H/2))}
		for y := range h.H {
			for x := range 3 * h.W {
				at := 2*y*3*p.W + x/3*6 + x%3
				h.Pix[y*3*h.W+x] = byte((int(p.Pix[at]) + int(p.Pix[at+3]) + int(p.Pix[at+3*p.W]) + int(p.Pix[at+3*p.W+3]) + 2) / 4)
			}
		}
		p = h
		all, size = append(all, p), size+len(p.Pix)
	}
	return all, size, err
}

// far is the intersection over union with an object below which a place counts as empty.
const far = 0.35

// Empty says whether no object lies at a place of a scene: none of an annotated picture overlaps it much, and of a labelled picture few pixels of it are
// an object's.
func (w *Windows) Empty(p Place) (bool, error) {
	if p.Scene < len(w.frames) {
		return !slices.ContainsFunc(w.frames[p.Scene].Objects, func(o Object) bool {
			if o.Label != w.Label {
				return false
			}
			shared := float64(covered(p.Box, o.Box) * float64(p.Box[2]*p.Box[3]))
			return shared/(float64(p.Box[2]*p.Box[3])+float64(o.Box[2]*o.Box[3])-shared) >= far || o.Ignore && shared > 0
		}), nil
	}
	_, labels, err := w.backs.Picture(p.Scene - len(w.frames))
	if err != nil {
		return false, err
	}
	all, hidden := 0, 0
	b := p.Box
	for y := max(int(b[1]), 0); y < min(int(b[1]+b[3]), labels.H); y++ {
		for x := max(int(b[0]), 0); x < min(int(b[0]+b[2]), labels.W); x++ {
			all++
			if slices.Contains(w.Compose.Hidden, int(labels.Pix[y*labels.W+x])) {
				hidden++
			}
		}
	}
	const few = 50 // one pixel in so many
	return few*hidden <= all, nil
}

// Mine adds places without an object that the classifier was wrong about. No example may be read meanwhile.
func (w *Windows) Mine(places []Place) {
	w.mined = append(w.mined, places...)
}

// Mined returns what Mine added.
func (w *Windows) Mined() []Place { return w.mined }

func (w *Windows) Read(i int, r *Rand, dst []*tensor.Tensor) error {
	if r == nil {
		r = NewRand(0, uint64(i))
	}
	e := window{Windows: w, canvas: canvas{w: w.W, h: w.H, pix: dst[0].Float32s()}, r: r}
	label := int32(0)
	var err error
	if r.Chance(w.Share) {
		label = 1
		err = e.with()
	} else {
		err = e.without()
	}
	if err != nil {
		return err
	}
	e.recolour(r, &w.Augment)
	e.normalise(w.Normal)
	tensor.Data[int32](dst[1])[0] = label
	return nil
}

// window is an example in the making.
type window struct {
	*Windows
	canvas
	r *Rand
}

// with draws a window with an object: as often of an annotated picture as of a window round one or a cut-out.
func (e *window) with() error {
	var kinds []int
	for kind, n := range [3]int{len(e.sheets[cutout]), len(e.sheets[positive]), len(e.people)} {
		if n > 0 {
			kinds = append(kinds, kind)
		}
	}
	kind := kinds[e.r.Intn(len(kinds))]
	if kind == cutout {
		if err := e.without(); err != nil {
			return err
		}
		return e.paste(e.sheets[cutout][e.r.Intn(len(e.sheets[cutout]))])
	}
	if kind == positive {
		levels, err := e.levels(e.sheets[positive][e.r.Intn(len(e.sheets[positive]))])
		if err == nil {
			e.cut(levels, e.Compose.Window)
		}
		return err
	}
	p := e.people[e.r.Intn(len(e.people))]
	levels, err := e.scene(p.Scene)
	if err == nil {
		e.cut(levels, p.Box)
	}
	return err
}

// without draws a window without an object.
func (e *window) without() error {
	if e.mined != nil && e.r.Chance(0.5) {
		p := e.mined[e.r.Intn(len(e.mined))]
		levels, err := e.scene(p.Scene)
		if err == nil {
			e.cut(levels, p.Box)
		}
		return err
	}
	if s := e.sheets[negative]; s != nil && (e.Scenes() == 0 || e.r.Chance(0.4)) {
		levels, err := e.levels(s[e.r.Intn(len(s))])
		if err == nil {
			e.cut(levels, e.fit(levels[0], e.r.Between(0.7, 1)))
		}
		return err
	}
	// As many of annotated pictures as of labelled ones.
	scene := e.r.Intn(len(e.frames))
	if e.backs != nil && e.r.Chance(0.5) {
		scene = len(e.frames) + e.r.Intn(e.backs.Len())
	}
	levels, err := e.scene(scene)
	if err != nil {
		return err
	}
	const tries = 10
	for range tries {
		box := e.fit(levels[0], math.Sqrt(e.r.Between(0.01, 1)))
		if empty, err := e.Empty(Place{scene, box}); err != nil {
			return err
		} else if empty {
			e.cut(levels, box)
			return nil
		}
	}
	e.fill(127.5)
	return nil
}

// fit draws the box of an object so that its window takes a part of the width or height of a picture, whichever it fills first.
func (e *window) fit(p Pixels, part float64) Box {
	size := part * min(float64(p.W)/float64(e.W), float64(p.H)/float64(e.H)) // of a pixel of the window
	w, h := float64(size*float64(e.W)), float64(size*float64(e.H))
	x, y := e.r.Between(0, float64(p.W)-w), e.r.Between(0, float64(p.H)-h)
	return Box{x + float64(size*e.Object[0]), y + float64(size*e.Object[1]), float64(size * e.Object[2]), float64(size * e.Object[3])}
}

// change draws how an object, of a height and round a middle in pixels of a picture, comes to lie in the window.
func (e *window) change(p *Pixels, x, y, height float64) Affine {
	a := e.Augment.Draw(e.r)
	size := height / e.Object[3]
	// The object lies in the middle of its box, and Shift moves it in pixels of the window.
	dx, dy := a.X0+half(e.W)-e.Object[0]-float64(e.Object[2]/2), a.Y0+half(e.H)-e.Object[1]-float64(e.Object[3]/2)
	a.XX, a.XY, a.YX, a.YY = float64(a.XX*size), float64(a.XY*size), float64(a.YX*size), float64(a.YY*size)
	a.X0, a.Y0 = x-half(p.W)+float64(size*dx), y-half(p.H)+float64(size*dy)
	return a
}

// cut draws a part of a picture so that a box comes to lie where objects do, changed at random. Round the picture its edge is repeated. Where the picture
// is much larger, one of its halves is drawn, as a detector sees it.
func (e *window) cut(levels []Pixels, b Box) {
	x, y, height := b[0]+float64(b[2]/2), b[1]+float64(b[3]/2), b[3]
	i := 0
	for ; i+1 < len(levels) && height >= 2*e.Object[3]; i++ {
		x, y, height = x/2, y/2, height/2
	}
	p := &levels[i]
	a := e.change(p, x, y, height)
	area := e.w * e.h
	for row := range e.h {
		for col := range e.w {
			u, v := a.from(col, row, e.w, e.h, p.W, p.H)
			u, v = min(max(u, 0), float64(p.W-1)), min(max(v, 0), float64(p.H-1))
			for k := range 3 {
				e.pix[k*area+row*e.w+col] = p.at(u, v, k)
			}
		}
	}
}

// paste draws a cut-out over what is there.
func (e *window) paste(name string) error {
	levels, err := e.levels(name)
	if err != nil {
		return err
	}
	masks, err := e.levels(maskFile(name))
	if err != nil {
		return err
	}
	if masks[0].W != levels[0].W || masks[0].H != levels[0].H {
		return fmt.Errorf("%s: a mask of %dx%d pixels for %dx%d", maskFile(name), masks[0].W, masks[0].H, levels[0].W, levels[0].H)
	}
	i, height := 0, float64(levels[0].H)
	for ; i+1 < len(levels) && height >= 2*e.Object[3]; i++ {
		height /= 2
	}
	p, mask := &levels[i], &masks[i]
	a := e.change(p, half(p.W), half(p.H), height)
	gain := float32(e.r.Between(0.7, 1.3))
	area := e.w * e.h
	for row := range e.h {
		for col := range e.w {
			u, v := a.from(col, row, e.w, e.h, p.W, p.H)
			if u < -0.5 || v < -0.5 || u > float64(p.W)-0.5 || v > float64(p.H)-0.5 {
				continue
			}
			alpha := mask.at(u, v, 0) / 255
			for k := range 3 {
				d := &e.pix[k*area+row*e.w+col]
				*d += float32(alpha * (float32(p.at(u, v, k)*gain) - *d))
			}
		}
	}
	return nil
}
