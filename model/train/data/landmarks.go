package data

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Landmarks are pictures with faces, as a detector learns them that marks the centres of boxes and five landmarks of each: portraits, enlarged or pasted on
// other pictures. Fields, on cells of Stride pixels:
//
//   - image, float32 [3,H,W]
//   - heat, float32 [1,H/Stride,W/Stride]: 1 at the cell of a face's centre, less around it, 0 far from all, -1 where nothing is to be learnt
//   - sides, float32 [4,H/Stride,W/Stride]: the distances in pixels from the middle of a cell to the left, top, right and bottom of its face's box
//   - weight, float32 [1,H/Stride,W/Stride]: how much these count: 1 in all for each face
//   - marks, float32 [10,H/Stride,W/Stride]: how far right and down of the middle of a cell the landmarks of its face are, in cells
//   - pull, float32 [1,H/Stride,W/Stride]: how much these count: for each face, in all, 8 over its height in cells, so that errors count in parts of the face
type Landmarks struct {
	LandmarkSpec
	portraits []Portrait
	frames    []Portrait // what portraits are pasted on, with the faces that it shows
	cutouts   []Portrait
	negatives []string
	memo      memo[Pixels]
	places    map[string]int // in memo
	files     []string
}

// LandmarkSpec says what examples are made of.
type LandmarkSpec struct {
	W, H    int
	Stride  int
	Least   float64 // the height of a face below which it is not learnt, in pixels
	Normal  Normal
	Augment Augment // turns and scales what lies behind; faces are turned as far
	Paste   Paste
	Memory  int64 // bytes of decoded pictures that are kept
}

// Paste says of what examples are composed. Folders are those of the data.
type Paste struct {
	Cutouts   string     `yaml:"cutouts"`   // NAME.jpg with NAME_mask.png, white where a person is
	Negatives string     `yaml:"negatives"` // small pictures without people
	Portrait  float64    `yaml:"portrait"`  // the part of the examples that is one enlarged portrait
	Mosaic    float64    `yaml:"mosaic"`    // the part that is made of negatives; frames are the rest
	Heights   [2]float64 `yaml:"heights"`   // of faces that are pasted, in pixels: from, to
	Most      int        `yaml:"most"`      // pasted on one picture
}

// Portrait is a picture file and the faces in it.
type Portrait struct {
	File  string
	Faces []Face
}

// Face is a face in a picture: its box, and the eyes, the tip of the nose and the corners of the mouth, the left ones in the picture first, in pixels.
type Face struct {
	Score float64 // how sure it is one, 0..1
	Box   Box
	Marks [5][2]float64
}

// Sure is the score from which on a face is learnt; where others may be, nothing is.
const Sure = 0.6

// OpenLandmarks opens portraits, and frames to paste them on but for those that held holds out. marks is a file of faces, of which the first of a portrait
// is the one that it is of.
func OpenLandmarks(dir, marks string, f, held Files, s LandmarkSpec) (*Landmarks, error) {
	if s.W < 1 || s.H < 1 || s.Stride < 1 || s.W%s.Stride != 0 || s.H%s.Stride != 0 {
		return nil, fmt.Errorf("data: pictures of %dx%d pixels have no cells of %d", s.W, s.H, s.Stride)
	}
	if h := s.Paste.Heights; !(h[0] > 0 && h[1] >= h[0]) {
		return nil, fmt.Errorf("data: paste: heights are %v; faces are from so many pixels high to so many", h)
	}
	faces, err := ReadFaces(marks)
	if err != nil {
		return nil, err
	}
	l := &Landmarks{LandmarkSpec: s, memo: memo[Pixels]{left: s.Memory}, places: map[string]int{}}
	l.keep(marks)
	all, err := portraits(dir, f, faces)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if len(p.Faces) > 0 && p.Faces[0].Score >= Sure {
			l.portraits = append(l.portraits, p)
			l.keep(p.File)
		}
	}
	for _, folder := range f.Frames {
		list, err := pictured(dir, folder, faces)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if (len(f.Match) == 0 || named(f.Match, p.File)) && !(slices.Contains(held.Frames, folder) && named(held.Match, p.File)) {
				l.frames = append(l.frames, p)
				l.keep(p.File)
			}
		}
	}
	if s.Paste.Cutouts != "" {
		if l.cutouts, err = pictured(dir, s.Paste.Cutouts, faces); err != nil {
			return nil, err
		}
		for _, p := range l.cutouts {
			l.keep(p.File)
			l.keep(maskFile(p.File))
		}
	}
	if s.Paste.Negatives != "" {
		list, err := pictured(dir, s.Paste.Negatives, faces)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if len(p.Faces) == 0 {
				l.negatives = append(l.negatives, p.File)
				l.keep(p.File)
			}
		}
	}
	switch {
	case len(l.portraits) == 0:
		return nil, fmt.Errorf("%s: it knows no face in any of the portraits", marks)
	case len(l.frames) == 0:
		return nil, errors.New("data: there are no frames to paste portraits on")
	case s.Paste.Mosaic > 0 && len(l.negatives) == 0:
		return nil, errors.New("data: paste: a mosaic needs negatives")
	}
	return l, nil
}

// named says whether a file's name matches one of the patterns.
func named(patterns []string, file string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := filepath.Match(p, filepath.Base(file))
		return ok && err == nil
	})
}

func (l *Landmarks) keep(name string) {
	if _, ok := l.places[name]; !ok {
		l.places[name] = len(l.files)
		l.files = append(l.files, name)
	}
}

func (l *Landmarks) Files() []string { return l.files }

func (l *Landmarks) Len() int { return len(l.portraits) }

func (l *Landmarks) Fields() []Field {
	h, w := l.H/l.Stride, l.W/l.Stride
	return []Field{{"image", tensor.Float32, []int{3, l.H, l.W}}, {"heat", tensor.Float32, []int{1, h, w}}, {"sides", tensor.Float32, []int{4, h, w}},
		{"weight", tensor.Float32, []int{1, h, w}}, {"marks", tensor.Float32, []int{10, h, w}}, {"pull", tensor.Float32, []int{1, h, w}}}
}

// picture reads one of the files.
func (l *Landmarks) picture(name string) (Pixels, error) {
	return l.memo.get(l.places[name], func() (Pixels, int, error) {
		p, err := ReadPicture(name)
		return p, len(p.Pix), err
	})
}

// Frames returns the pictures that portraits are pasted on.
func (l *Landmarks) Frames() []Portrait { return l.frames }

// Open returns the pixels of one of the pictures.
func (l *Landmarks) Open(p Portrait) (Pixels, error) { return l.picture(p.File) }

// Scene returns the k-th of scenes that are the same in every run: portrait k mod Len whole, its face from lo to hi pixels high, pasted with soft edges on
// one of the frames, and the faces there, that of the portrait first.
func (l *Landmarks) Scene(k int, lo, hi float64) (Pixels, []Face, error) {
	p := l.portraits[k%len(l.portraits)]
	pic, err := l.picture(p.File)
	if err != nil {
		return Pixels{}, nil, err
	}
	f := l.frames[k%len(l.frames)]
	frame, err := l.picture(f.File)
	if err != nil {
		return Pixels{}, nil, err
	}
	seen, faces := Scene(&pic, p.Faces, &frame, f.Faces, uint64(k), lo, hi)
	return seen, faces, nil
}

// Scene pastes a portrait on a frame, its first face from lo to hi pixels high as far as the frame has room, at a place that the number draws, with edges that
// are as soft as a sixteenth of its side is wide. It returns the new picture, and the faces in it: those of the portrait, and those of the frame that are
// not covered.
func Scene(pic *Pixels, faces []Face, frame *Pixels, behind []Face, number uint64, lo, hi float64) (Pixels, []Face) {
	r := NewRand(number, 0x7363656e65)
	c := scene{canvas: canvas{w: frame.W, h: frame.H, pix: make([]float32, 3*frame.W*frame.H)}}
	a := Affine{XX: 1, YY: 1}
	c.draw(a, frame)
	c.note(behind, a, frame)
	height := min(between(r, lo, hi), float64(0.95*float64(frame.H))/float64(pic.H)*faces[0].Box[3])
	scale := height / faces[0].Box[3]
	w, h := float64(scale*float64(pic.W)), float64(scale*float64(pic.H))
	a = at(float64(r.Float()*max(float64(frame.W)-w, 0)), float64(r.Float()*max(float64(frame.H)-h, 0)), scale, false, frame.W, frame.H, pic)
	own := scene{canvas: canvas{w: frame.W, h: frame.H}}
	c.paste(a, pic, float64(w/16), whole, 1)
	own.note(faces, a, pic)
	c.cover(own.bounds(a, pic), true)
	out := Pixels{frame.W, frame.H, 3, make([]byte, 3*frame.W*frame.H)}
	area := frame.W * frame.H
	for i := range area {
		for k := range 3 {
			out.Pix[3*i+k] = byte(min(max(c.pix[k*area+i]+0.5, 0), 255))
		}
	}
	return out, append(own.faces, c.faces...)
}

// between draws a number from lo to hi: each doubling has the same chance, and within it each number.
func between(r *Rand, lo, hi float64) float64 {
	n := 1
	for top := float64(2 * lo); top < hi; top = float64(2 * top) {
		n++
	}
	for range r.Intn(n) {
		lo = float64(2 * lo)
	}
	return r.Between(lo, min(float64(2*lo), hi))
}

// scene is an example in the making.
type scene struct {
	canvas
	faces []Face
	stale []bool // of faces: they are not to be learnt
}

// note adds faces of a picture that is drawn with a.
func (c *scene) note(faces []Face, a Affine, pic *Pixels) {
	for _, f := range faces {
		c.faces = append(c.faces, f.moved(a, c.w, c.h, pic))
		c.stale = append(c.stale, f.Score < Sure)
	}
}

// moved returns where a face is in a new picture of w x h that shows pic through a. A box turned is that round the ellipse in it; where left and right are
// exchanged, so are the eyes, and the corners of the mouth.
func (f Face) moved(a Affine, w, h int, pic *Pixels) Face {
	det := float64(a.XX*a.YY) - float64(a.XY*a.YX)
	back := func(u, v float64) (x, y float64) {
		u, v = u-half(pic.W)-a.X0, v-half(pic.H)-a.Y0
		return (float64(a.YY*u)-float64(a.XY*v))/det + half(w), (float64(a.XX*v)-float64(a.YX*u))/det + half(h)
	}
	b := f.Box
	x, y := back(b[0]+float64(b[2]/2), b[1]+float64(b[3]/2))
	reach := func(p, q float64) float64 {
		p, q = float64(p*b[2])/det, float64(q*b[3])/det
		return math.Sqrt(float64(p*p) + float64(q*q))
	}
	bw, bh := reach(a.YY, a.XY), reach(a.YX, a.XX)
	out := Face{Score: f.Score, Box: Box{x - float64(bw/2), y - float64(bh/2), bw, bh}}
	for i, m := range f.Marks {
		out.Marks[i][0], out.Marks[i][1] = back(m[0], m[1])
	}
	if det < 0 {
		out.exchange()
	}
	return out
}

// exchange makes left right.
func (f *Face) exchange() {
	m := &f.Marks
	m[0], m[1], m[3], m[4] = m[1], m[0], m[4], m[3]
}

// Mirrored returns a face of a picture of some width where it is in the picture mirrored.
func (f Face) Mirrored(width int) Face {
	f.Box[0] = float64(width) - f.Box[0] - f.Box[2]
	for i := range f.Marks {
		f.Marks[i][0] = float64(width) - f.Marks[i][0]
	}
	f.exchange()
	return f
}

// seenPart is the part of a box that lies in the canvas.
func (c *scene) seenPart(b Box) float64 {
	return covered(b, Box{0, 0, float64(c.w), float64(c.h)})
}

// cover says that something now lies in a box: faces under it are gone where it fills the box, and those that it may hide in part are not learnt.
func (c *scene) cover(by Box, filled bool) {
	kept := c.faces[:0]
	stale := c.stale[:0]
	for i, f := range c.faces {
		part := covered(f.Box, by)
		if part > 0.8 && filled {
			continue
		}
		kept, stale = append(kept, f), append(stale, c.stale[i] || part > 0.25)
	}
	c.faces, c.stale = kept, stale
}

// bounds is the box round a picture that is drawn with a, inside the canvas.
func (c *scene) bounds(a Affine, pic *Pixels) Box {
	corners := Face{Box: Box{0, 0, float64(pic.W), float64(pic.H)}}
	corners.Marks = [5][2]float64{{0, 0}, {float64(pic.W), 0}, {0, float64(pic.H)}, {float64(pic.W), float64(pic.H)}, {0, 0}}
	m := corners.moved(a, c.w, c.h, pic).Marks
	x0, y0, x1, y1 := m[0][0], m[0][1], m[0][0], m[0][1]
	for _, p := range m[1:] {
		x0, y0, x1, y1 = min(x0, p[0]), min(y0, p[1]), max(x1, p[0]), max(y1, p[1])
	}
	x0, y0 = max(x0, 0), max(y0, 0)
	return Box{x0, y0, max(min(x1, float64(c.w))-x0, 0), max(min(y1, float64(c.h))-y0, 0)}
}

// shape says how far inside of a pasted shape a place of its picture is, in pixels of that picture; outside it is below 0.
type shape func(u, v float64, pic *Pixels) float64

// whole is the shape of all of a picture.
func whole(u, v float64, pic *Pixels) float64 {
	return min(u, v, float64(pic.W)-u, float64(pic.H)-v)
}

// round returns the ellipse in a box.
func round(b Box) shape {
	rx, ry := float64(b[2]/2), float64(b[3]/2)
	return func(u, v float64, pic *Pixels) float64 {
		p, q := (u-b[0]-rx)/rx, (v-b[1]-ry)/ry
		return min(float64((1-math.Sqrt(float64(p*p)+float64(q*q)))*min(rx, ry)), whole(u, v, pic))
	}
}

// paste draws what a shape, without one all, shows of a picture, the shape's edge so many pixels of the new picture wide.
func (c *scene) paste(a Affine, pic *Pixels, edge float64, of shape, gain float32) {
	box := c.bounds(a, pic)
	edge = max(float64(edge*a.step()), 1e-6)
	small, b := *pic, a
	for b.step() > 1.5 && min(small.W, small.H) > 1 {
		small, b = halved(&small, b)
	}
	area := c.w * c.h
	for y := int(box[1]); y < min(c.h, int(box[1]+box[3])+1); y++ {
		for x := int(box[0]); x < min(c.w, int(box[0]+box[2])+1); x++ {
			u, v := b.from(x, y, c.w, c.h, small.W, small.H)
			if u < -0.5 || v < -0.5 || u > float64(small.W)-0.5 || v > float64(small.H)-0.5 {
				continue
			}
			alpha := float32(1)
			if of != nil {
				p, q := a.from(x, y, c.w, c.h, pic.W, pic.H)
				if alpha = float32(min(of(p+0.5, q+0.5, pic)/edge, 1)); alpha <= 0 {
					continue
				}
			}
			for k, t := range small.between(u, v) {
				d := &c.pix[k*area+y*c.w+x]
				*d += float32(alpha * (float32(t*gain) - *d))
			}
		}
	}
}

// step is how many pixels of the old picture one of the new one is wide.
func (a Affine) step() float64 { return math.Sqrt(math.Abs(float64(a.XX*a.YY) - float64(a.XY*a.YX))) }

// between returns what lies between pixels, where (u, v) is at most half a pixel outside of them.
func (p *Pixels) between(u, v float64) (rgb [3]float32) {
	i, j := int(u+1)-1, int(v+1)-1
	fu, fv := float32(u-float64(i)), float32(v-float64(j))
	i1, j1 := min(i+1, p.W-1), min(j+1, p.H-1)
	i, j = max(i, 0), max(j, 0)
	a, b := p.Pix[3*(j*p.W+i):][:3], p.Pix[3*(j*p.W+i1):][:3]
	d, e := p.Pix[3*(j1*p.W+i):][:3], p.Pix[3*(j1*p.W+i1):][:3]
	for k := range rgb {
		top := float32(a[k]) + float32(fu*(float32(b[k])-float32(a[k])))
		low := float32(d[k]) + float32(fu*(float32(e[k])-float32(d[k])))
		rgb[k] = top + float32(fv*(low-top))
	}
	return rgb
}

// halved returns a picture at half its size, and the change that draws it as a draws the whole.
func halved(p *Pixels, a Affine) (Pixels, Affine) {
	h := Pixels{(p.W + 1) / 2, (p.H + 1) / 2, 3, nil}
	h.Pix = make([]byte, 3*h.W*h.H)
	for y := range h.H {
		top, low := p.Pix[3*2*y*p.W:], p.Pix[3*min(2*y+1, p.H-1)*p.W:]
		for x := range h.W {
			i, j := 6*x, 3*min(2*x+1, p.W-1)
			for k := range 3 {
				h.Pix[3*(y*h.W+x)+k] = byte((int(top[i+k]) + int(top[j+k]) + int(low[i+k]) + int(low[j+k]) + 2) / 4)
			}
		}
	}
	// A place (u, v) of the whole is (u/2, v/2) of the half, both from the left upper corner.
	b := Affine{XX: float64(a.XX / 2), XY: float64(a.XY / 2), YX: float64(a.YX / 2), YY: float64(a.YY / 2)}
	b.X0 = float64((a.X0+half(p.W))/2) - half(h.W)
	b.Y0 = float64((a.Y0+half(p.H))/2) - half(h.H)
	return h, b
}

func (l *Landmarks) Read(i int, r *Rand, dst []*tensor.Tensor) error {
	c := composed{Landmarks: l, scene: scene{canvas: canvas{w: l.W, h: l.H, pix: dst[0].Float32s()}}, r: r}
	c.fill(127.5)
	if err := c.compose(i); err != nil {
		return err
	}
	if r != nil {
		c.recolour(r, &l.Augment)
	}
	c.normalise(l.Normal)
	c.targets(dst[1].Float32s(), dst[2].Float32s(), dst[3].Float32s(), dst[4].Float32s(), dst[5].Float32s())
	return nil
}

// composed is a scene that is made at random.
type composed struct {
	*Landmarks
	scene
	r *Rand
}

// compose draws portrait i alone, on a frame, or on negatives.
func (c *composed) compose(i int) error {
	if c.r == nil {
		return c.portrait(i, Affine{XX: 1, YY: 1}, float64(0.8*float64(c.H)))
	}
	kind := c.r.Float()
	p := &c.Paste
	turned := c.Augment.Draw(c.r)
	most := p.Most
	switch {
	case kind < p.Portrait:
		if err := c.portrait(i, turned, between(c.r, float64(0.2*float64(c.H)), float64(1.1*float64(c.H)))); err != nil {
			return err
		}
		most = 1
	case kind < p.Portrait+p.Mosaic:
		if err := c.mosaic(); err != nil {
			return err
		}
		if err := c.pasteFace(i); err != nil {
			return err
		}
	default:
		f := c.frames[c.r.Intn(len(c.frames))]
		pic, err := c.picture(f.File)
		if err != nil {
			return err
		}
		// The frame nearly at the size at which a detector sees it whole, then as much smaller or larger as is drawn.
		size := float64(max(float64(pic.W)/float64(c.W), float64(pic.H)/float64(c.H)) * c.r.Between(0.6, 1))
		a := turned
		a.XX, a.XY, a.YX, a.YY = float64(a.XX*size), float64(a.XY*size), float64(a.YX*size), float64(a.YY*size)
		a.crop(c.r, c.W, c.H, pic.W, pic.H)
		c.paste(a, &pic, 0, nil, 1)
		c.note(f.Faces, a, &pic)
		if c.r.Chance(0.75) {
			if err := c.pasteFace(i); err != nil {
				return err
			}
		}
	}
	for range c.r.Intn(most + 1) {
		var err error
		switch what := c.r.Float(); {
		case what < 0.5:
			err = c.pasteFace(c.r.Intn(len(c.portraits)))
		case what < 0.75 && len(c.cutouts) > 0:
			err = c.pasteCutout()
		default:
			err = c.pasteOther()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// portrait draws a portrait, its face so many pixels high and somewhere in the picture.
func (c *composed) portrait(i int, a Affine, height float64) error {
	p := c.portraits[i]
	pic, err := c.picture(p.File)
	if err != nil {
		return err
	}
	x, y := half(c.W), half(c.H)
	if c.r != nil {
		x, y = c.r.Between(float64(0.15*float64(c.W)), float64(0.85*float64(c.W))), c.r.Between(float64(0.25*float64(c.H)), float64(0.75*float64(c.H)))
	}
	a = c.around(a, p.Faces[0].Box, height, x, y, &pic)
	c.paste(a, &pic, 0, nil, 1)
	c.note(p.Faces, a, &pic)
	return nil
}

// around returns the change that turns as a does, and draws a box of a picture so high round (x, y).
func (c *composed) around(a Affine, box Box, height, x, y float64, pic *Pixels) Affine {
	k := box[3] / height / a.step()
	a.XX, a.XY, a.YX, a.YY = float64(a.XX*k), float64(a.XY*k), float64(a.YX*k), float64(a.YY*k)
	dx, dy := x-half(c.W), y-half(c.H)
	a.X0 = box[0] + float64(box[2]/2) - half(pic.W) - float64(a.XX*dx) - float64(a.XY*dy)
	a.Y0 = box[1] + float64(box[3]/2) - half(pic.H) - float64(a.YX*dx) - float64(a.YY*dy)
	return a
}

// mosaic fills the picture with rows of negatives.
func (c *composed) mosaic() error {
	for y := 0.0; y < float64(c.H); {
		height := c.r.Between(100, 260)
		for x := -c.r.Between(0, 80); x < float64(c.W); {
			pic, err := c.picture(c.negatives[c.r.Intn(len(c.negatives))])
			if err != nil {
				return err
			}
			scale := height / float64(pic.H)
			c.paste(at(x, y, scale, c.r.Chance(0.5), c.W, c.H, &pic), &pic, 0, nil, 1)
			x += float64(scale * float64(pic.W))
		}
		y += height
	}
	return nil
}

// pasteFace pastes a portrait, all of it or an ellipse round the face, with edges that are soft or not.
func (c *composed) pasteFace(i int) error {
	p := c.portraits[i]
	pic, err := c.picture(p.File)
	if err != nil {
		return err
	}
	height := between(c.r, c.Paste.Heights[0], c.Paste.Heights[1])
	a := c.around(c.Augment.Draw(c.r), p.Faces[0].Box, height, float64(c.r.Float()*float64(c.W)), float64(c.r.Float()*float64(c.H)), &pic)
	s, box, faces := shape(whole), Box{0, 0, float64(pic.W), float64(pic.H)}, p.Faces
	if c.r.Chance(0.4) {
		box = grown(p.Faces[0].Box, c.r.Between(1.05, 1.4))
		s, faces = round(box), faces[:1]
	}
	c.put(a, &pic, float64(c.r.Float()*height*0.12), s, box, true, faces)
	return nil
}

// grown returns a box about the same middle, so many times as wide and high.
func grown(b Box, k float64) Box {
	w, h := float64(b[2]*k), float64(b[3]*k)
	return Box{b[0] - float64((w-b[2])/2), b[1] - float64((h-b[3])/2), w, h}
}

// put pastes the shape of a picture that lies in a box, which it fills or not, and notes the faces in it.
func (c *composed) put(a Affine, pic *Pixels, edge float64, s shape, box Box, filled bool, faces []Face) {
	by := Face{Box: box}.moved(a, c.W, c.H, pic).Box
	c.cover(by, filled)
	c.paste(a, pic, edge, s, c.gain(by, pic))
	c.note(faces, a, pic)
}

// gain draws how much brighter a picture is pasted: half of the time so that it is as bright as the place.
func (c *composed) gain(on Box, pic *Pixels) float32 {
	g := float32(c.r.Between(0.75, 1.25))
	if c.r.Chance(0.5) {
		var here, there, n float32
		area := c.W * c.H
		for y := max(int(on[1]), 0); y < min(int(on[1]+on[3]), c.H); y += 2 {
			for x := max(int(on[0]), 0); x < min(int(on[0]+on[2]), c.W); x += 2 {
				for k := range 3 {
					here += c.pix[k*area+y*c.W+x]
				}
				n += 3
			}
		}
		for i := 0; i < len(pic.Pix); i += 8 {
			there += float32(pic.Pix[i])
		}
		if there > 0 && n > 0 {
			g = min(max(here/n/(there/float32((len(pic.Pix)+7)/8)), 0.5), 1.6)
		}
	}
	return g
}

// pasteCutout pastes a person.
func (c *composed) pasteCutout() error {
	p := c.cutouts[c.r.Intn(len(c.cutouts))]
	pic, err := c.picture(p.File)
	if err != nil {
		return err
	}
	mask, err := c.picture(maskFile(p.File))
	if err != nil {
		return err
	}
	if mask.W != pic.W || mask.H != pic.H {
		return fmt.Errorf("%s: a mask of %dx%d pixels for %dx%d", maskFile(p.File), mask.W, mask.H, pic.W, pic.H)
	}
	height := between(c.r, float64(0.25*float64(c.H)), float64(2.5*float64(c.H)))
	// The head is in the picture more often than not.
	body := Box{0, 0, float64(pic.W), float64(pic.H)}
	a := c.around(c.Augment.Draw(c.r), body, height, float64(c.r.Float()*float64(c.W)), float64(c.r.Between(0.1, 0.6)*float64(c.H))+float64(height*0.35), &pic)
	masked := func(u, v float64, pic *Pixels) float64 { return float64(mask.at(u-0.5, v-0.5, 0)/255) - 0.02 }
	c.put(a, &pic, 0.98/a.step(), masked, body, false, p.Faces)
	return nil
}

// pasteOther pastes what is no face, in the shapes in which faces are pasted, so that edges alone tell nothing.
func (c *composed) pasteOther() error {
	var pic Pixels
	var err error
	var box Box
	if len(c.negatives) > 0 && c.r.Chance(0.7) {
		if pic, err = c.picture(c.negatives[c.r.Intn(len(c.negatives))]); err != nil {
			return err
		}
		side := float64(min(pic.W, pic.H))
		box = Box{float64(c.r.Float() * (float64(pic.W) - side)), float64(c.r.Float() * (float64(pic.H) - side)), side, side}
	} else {
		f := c.frames[c.r.Intn(len(c.frames))]
		if pic, err = c.picture(f.File); err != nil {
			return err
		}
		side := float64(c.r.Between(0.1, 0.4) * float64(min(pic.W, pic.H)))
		box = Box{float64(c.r.Float() * (float64(pic.W) - side)), float64(c.r.Float() * (float64(pic.H) - side)), side, side}
		for _, o := range f.Faces {
			if covered(o.Box, grown(box, 1.2)) > 0 {
				return nil
			}
		}
	}
	height := between(c.r, c.Paste.Heights[0], c.Paste.Heights[1])
	a := c.around(c.Augment.Draw(c.r), box, height, float64(c.r.Float()*float64(c.W)), float64(c.r.Float()*float64(c.H)), &pic)
	s := round(grown(box, 1))
	if c.r.Chance(0.6) {
		s = func(u, v float64, _ *Pixels) float64 {
			return min(u-box[0], v-box[1], box[0]+box[2]-u, box[1]+box[3]-v)
		}
	}
	c.put(a, &pic, float64(c.r.Float()*height*0.12), s, box, true, nil)
	return nil
}

// targets writes what is to be learnt.
func (c *composed) targets(heat, sides, weight, marks, pull []float32) {
	w, h := c.W/c.Stride, c.H/c.Stride
	s, area := float64(c.Stride), w*h
	for _, t := range [][]float32{heat, sides, weight, marks, pull} {
		clear(t)
	}
	cells := func(do func(i int, x, y float64)) {
		for y := range h {
			for x := range w {
				do(y*w+x, float64((float64(x)+0.5)*s), float64((float64(y)+0.5)*s))
			}
		}
	}
	var learnt []Face
	for i, f := range c.faces {
		b := f.Box
		mx, my := b[0]+float64(b[2]/2), b[1]+float64(b[3]/2)
		if !c.stale[i] && b[3] >= c.Least && c.seenPart(b) >= 0.5 && mx >= 0 && my >= 0 && mx < float64(c.W) && my < float64(c.H) {
			learnt = append(learnt, f)
			continue
		}
		if c.seenPart(b) < 0.05 {
			continue
		}
		cells(func(i int, x, y float64) {
			if x >= b[0] && x <= b[0]+b[2] && y >= b[1] && y <= b[1]+b[3] {
				heat[i] = -1
			}
		})
	}
	// The small ones come last, in front of the large.
	slices.SortStableFunc(learnt, func(a, b Face) int {
		if a.Box[3] > b.Box[3] {
			return -1
		} else if a.Box[3] < b.Box[3] {
			return 1
		}
		return 0
	})
	for _, f := range learnt {
		b := f.Box
		cx, cy := int((b[0]+float64(b[2]/2))/s), int((b[1]+float64(b[3]/2))/s)
		rx, ry := max(b[2]/9/s, 0.7), max(b[3]/9/s, 0.7)
		value := func(i int) (float32, float64, float64) {
			dx, dy := float64(i%w-cx)/rx, float64(i/w-cy)/ry
			return bell(float64(dx*dx) + float64(dy*dy)), float64((float64(i%w) + 0.5) * s), float64((float64(i/w) + 0.5) * s)
		}
		within := func(x, y float64) bool { return x > b[0] && y > b[1] && x < b[0]+b[2] && y < b[1]+b[3] }
		var sum float32
		for i := range area {
			v, x, y := value(i)
			heat[i] = max(heat[i], v)
			if v >= 0.2 && within(x, y) {
				sum += v
			}
		}
		for i := range area {
			v, x, y := value(i)
			if v < 0.2 || !within(x, y) {
				continue
			}
			weight[i] = v / sum
			pull[i] = float32(weight[i] * float32(8*s/b[3]))
			for k, d := range [4]float64{x - b[0], y - b[1], b[0] + b[2] - x, b[1] + b[3] - y} {
				sides[k*area+i] = float32(d)
			}
			for k, m := range f.Marks {
				marks[2*k*area+i] = float32((m[0] - x) / s)
				marks[(2*k+1)*area+i] = float32((m[1] - y) / s)
			}
		}
	}
}
