package data

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Boxes are pictures with boxes of one class, as a detector that marks centres learns them (Zhou, Wang, Krähenbühl: Objects as points, 2019; Liu et al.:
// Training-time-friendly network for real-time object detection, AAAI 2020). Fields, on cells of Stride pixels:
//
//   - image, float32 [3,H,W]
//   - heat, float32 [1,H/Stride,W/Stride]: 1 at the cell of a box's centre, less around it, 0 far from all, -1 where nothing is to be learnt
//   - sides, float32 [4,H/Stride,W/Stride]: the distances in pixels from the middle of a cell to the left, top, right and bottom of its box
//   - weight, float32 [1,H/Stride,W/Stride]: how much these count; 0 where there is no box
//
// An example is made of a picture as it was taken, or composed: of windows, or of a background, with cut-outs pasted on it.
type Boxes struct {
	BoxSpec
	frames []Annotated
	backs  *Labels
	sheets [3][]string // files of cut-outs, and of windows with and without an object
	memo   memo[Pixels]
	names  []string // of what memo keeps
	places map[string]int
}

// BoxSpec says what examples are made of pictures with boxes.
type BoxSpec struct {
	W, H    int
	View    [2]int // width and height at which a detector sees a picture whole; zeros stand for W and H
	Stride  int
	Label   string // of the objects to be found; others are background
	Least   float64
	Normal  Normal
	Augment Augment
	Compose Compose
	Memory  int64 // bytes of decoded pictures that are kept
}

// Compose says of what examples are composed, beside pictures as they were taken. Folders are those of the data.
type Compose struct {
	Cutouts     string  `yaml:"cutouts"`     // NAME.jpg with NAME_mask.png, white where the object is: to be pasted
	Backgrounds string  `yaml:"backgrounds"` // pictures with maps of labels
	Hidden      []int   `yaml:"hidden"`      // the labels of objects in these, which are not learnt
	With        string  `yaml:"windows"`     // small pictures with one object each
	Window      Box     `yaml:"window"`      // its box in these
	Without     string  `yaml:"negatives"`   // small pictures without
	Background  float64 `yaml:"background"`  // the part of the examples that has a background
	Mosaic      float64 `yaml:"mosaic"`      // the part that is made of windows
	Most        int     `yaml:"most"`        // cut-outs on one picture
	Instances   float64 `yaml:"instances"`   // the part of the cut-outs that comes from the annotated pictures, by NAME_mask.png: 0 background, then a number for each object
}

// Kinds of sheets.
const (
	cutout = iota
	positive
	negative
)

// OpenBoxes opens annotated pictures, and below dir what examples are composed of.
func OpenBoxes(frames []Annotated, dir string, s BoxSpec) (*Boxes, error) {
	if s.W < 1 || s.H < 1 || s.Stride < 1 || s.W%s.Stride != 0 || s.H%s.Stride != 0 {
		return nil, fmt.Errorf("data: pictures of %dx%d pixels have no cells of %d", s.W, s.H, s.Stride)
	}
	if len(frames) == 0 {
		return nil, fmt.Errorf("data: there are no annotated pictures")
	}
	b := &Boxes{BoxSpec: s, frames: frames, memo: memo[Pixels]{left: s.Memory}, places: map[string]int{}}
	for _, f := range frames {
		b.keep(f.File)
		if s.Compose.Instances > 0 {
			b.keep(maskFile(f.File))
		}
	}
	var err error
	for kind, folder := range [3]string{s.Compose.Cutouts, s.Compose.With, s.Compose.Without} {
		if folder == "" {
			continue
		}
		if b.sheets[kind], err = pictureFiles(filepath.Join(dir, folder), "_mask"); err != nil {
			return nil, err
		}
		for _, f := range b.sheets[kind] {
			b.keep(f)
			if kind == cutout {
				b.keep(maskFile(f))
			}
		}
	}
	if s.Compose.Backgrounds != "" {
		b.backs, err = OpenLabels(filepath.Join(dir, s.Compose.Backgrounds), LabelSpec{W: s.W, H: s.H, Stride: s.Stride, Classes: 255, Void: 255, Memory: s.Memory})
		if err != nil {
			return nil, err
		}
	}
	for _, name := range b.names {
		if _, err := os.Stat(name); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func maskFile(picture string) string { return stem(picture) + "_mask.png" }

func (b *Boxes) keep(name string) {
	b.places[name] = len(b.names)
	b.names = append(b.names, name)
}

func (b *Boxes) Files() []string {
	files := slices.Clone(b.names)
	if b.backs != nil {
		files = append(files, b.backs.Files()...)
	}
	return files
}

func (b *Boxes) Len() int { return len(b.frames) }

func (b *Boxes) Fields() []Field {
	h, w := b.H/b.Stride, b.W/b.Stride
	return []Field{{"image", tensor.Float32, []int{3, b.H, b.W}}, {"heat", tensor.Float32, []int{1, h, w}},
		{"sides", tensor.Float32, []int{4, h, w}}, {"weight", tensor.Float32, []int{1, h, w}}}
}

// picture reads one of the files.
func (b *Boxes) picture(name string) (Pixels, error) {
	return b.memo.get(b.places[name], func() (Pixels, int, error) {
		p, err := ReadPicture(name)
		return p, len(p.Pix), err
	})
}

// Picture returns an annotated picture as it stands, and its objects.
func (b *Boxes) Picture(i int) (Pixels, []Object, error) {
	p, err := b.picture(b.frames[i].File)
	return p, b.frames[i].Objects, err
}

// Wanted returns how many objects there are to be found in the annotated pictures.
func (b *Boxes) Wanted() (n int) {
	for _, f := range b.frames {
		for _, o := range f.Objects {
			if o.Label == b.Label && !o.Ignore {
				n++
			}
		}
	}
	return n
}

// composition is an example in the making.
type composition struct {
	*Boxes
	canvas
	r       *Rand
	objects []Object // of the wanted class, in pixels of the new picture
	hidden  []int32  // labels of cells; nil where there are none
}

func (b *Boxes) Read(i int, r *Rand, dst []*tensor.Tensor) error {
	c := composition{Boxes: b, canvas: canvas{w: b.W, h: b.H, pix: dst[0].Float32s()}, r: r}
	c.fill(127.5)
	var err error
	kind := 1.0
	if r != nil {
		kind = r.Float()
	}
	switch s := &b.Compose; {
	case kind < s.Background && b.backs != nil:
		err = c.background()
	case kind < s.Background+s.Mosaic:
		err = c.mosaic()
	default:
		err = c.frame(i)
	}
	if err != nil {
		return err
	}
	if r != nil {
		if b.sheets[cutout] != nil || b.Compose.Instances > 0 {
			if err := c.pasteAll(kind >= b.Compose.Background+b.Compose.Mosaic); err != nil {
				return err
			}
		}
		c.recolour(r, &b.Augment)
	}
	c.normalise(b.Normal)
	c.targets(dst[1].Float32s(), dst[2].Float32s(), dst[3].Float32s())
	return nil
}

// frame draws an annotated picture.
func (c *composition) frame(i int) error {
	pic, objects, err := c.Picture(i)
	if err != nil {
		return err
	}
	a := Affine{XX: 1, YY: 1}
	if c.r != nil {
		// The picture at the size at which a detector sees it whole, then as much smaller or larger as is drawn.
		view := c.View
		if view == [2]int{} {
			view = [2]int{c.w, c.h}
		}
		whole := max(float64(pic.W)/float64(view[0]), float64(pic.H)/float64(view[1]))
		a = c.Augment.Draw(c.r)
		a.XX, a.XY, a.YX, a.YY = float64(a.XX*whole), float64(a.XY*whole), float64(a.YX*whole), float64(a.YY*whole)
		a.crop(c.r, c.w, c.h, pic.W, pic.H)
	}
	c.draw(a, &pic)
	for _, o := range objects {
		if o.Label == c.Label {
			c.place(o, a, &pic)
		}
	}
	return nil
}

// place adds an object of a picture that is drawn with a, which turns nothing: what is left of it inside the new picture.
func (c *composition) place(o Object, a Affine, pic *Pixels) {
	x0, y0 := a.to(o.Box[0], o.Box[1], c.w, c.h, pic.W, pic.H)
	x1, y1 := a.to(o.Box[0]+o.Box[2], o.Box[1]+o.Box[3], c.w, c.h, pic.W, pic.H)
	c.add(Object{o.Label, Box{min(x0, x1), min(y0, y1), math.Abs(x1 - x0), math.Abs(y1 - y0)}, o.Ignore})
}

// least is the part of an object's box that must be seen for it to be learnt.
const least = 0.35

// add adds an object, clipped to the picture. It is not learnt where too little is seen of it, or where it is small.
func (c *composition) add(o Object) {
	b := o.Box
	x0, y0 := max(b[0], 0), max(b[1], 0)
	x1, y1 := min(b[0]+b[2], float64(c.w)), min(b[1]+b[3], float64(c.h))
	if x1 <= x0 || y1 <= y0 {
		return
	}
	o.Ignore = o.Ignore || float64((x1-x0)*(y1-y0)) < float64(least*b[2]*b[3]) || b[3] < c.Least
	o.Box = Box{x0, y0, x1 - x0, y1 - y0}
	c.objects = append(c.objects, o)
}

// to is the inverse of from, for edges: where the corner (u, v) of the old picture lies in the new one, for a change that neither turns nor shears.
func (a Affine) to(u, v float64, w, h, sw, sh int) (x, y float64) {
	return (u-half(sw)-a.X0)/a.XX + half(w), (v-half(sh)-a.Y0)/a.YY + half(h)
}

// half keeps its product from being fused with a sum.
func half(n int) float64 { return float64(float64(n) / 2) }

// background draws a labelled picture; where its objects are nothing is learnt.
func (c *composition) background() error {
	pic, labels, err := c.backs.Picture(c.r.Intn(c.backs.Len()))
	if err != nil {
		return err
	}
	a := c.Augment.Draw(c.r)
	a.crop(c.r, c.w, c.h, pic.W, pic.H)
	c.draw(a, &pic)
	c.hidden = make([]int32, c.w/c.Stride*(c.h/c.Stride))
	a.labels(c.hidden, &labels, c.w/c.Stride, c.h/c.Stride, c.Stride, 255)
	return nil
}

// mosaic fills the picture with rows of windows.
func (c *composition) mosaic() error {
	for y := 0.0; y < float64(c.h); {
		height := c.r.Between(100, 260)
		for x := -c.r.Between(0, 80); x < float64(c.w); {
			kind := negative
			if c.sheets[positive] != nil && c.r.Chance(0.3) || c.sheets[negative] == nil {
				kind = positive
			}
			files := c.sheets[kind]
			if len(files) == 0 {
				return fmt.Errorf("data: a mosaic needs windows or negatives")
			}
			pic, err := c.picture(files[c.r.Intn(len(files))])
			if err != nil {
				return err
			}
			scale := height / float64(pic.H)
			c.sheet(&pic, x, y, scale, c.r.Chance(0.5), kind == positive)
			x += float64(scale * float64(pic.W))
		}
		y += height
	}
	return nil
}

// sheet draws a small picture with its left upper corner at (x, y).
func (c *composition) sheet(pic *Pixels, x, y, scale float64, flip, object bool) {
	c.draw(at(x, y, scale, flip, c.w, c.h, pic), pic)
	if b := c.Compose.Window; object {
		if flip {
			b[0] = float64(pic.W) - b[0] - b[2]
		}
		c.add(Object{c.Label, Box{x + float64(b[0]*scale), y + float64(b[1]*scale), float64(b[2] * scale), float64(b[3] * scale)}, false})
	}
}

// at is the change that draws a picture, scaled, with its left upper corner at (x, y).
func at(x, y, scale float64, flip bool, w, h int, pic *Pixels) Affine {
	a := Affine{XX: 1 / scale, YY: 1 / scale}
	a.X0 = (half(w)-x)/scale - half(pic.W)
	a.Y0 = (half(h)-y)/scale - half(pic.H)
	if flip {
		a.XX, a.X0 = -a.XX, -a.X0
	}
	return a
}

// pasteAll pastes cut-outs, and shapes of cut-outs filled with something else so that edges alone tell nothing.
func (c *composition) pasteAll(taken bool) error {
	most := c.Compose.Most
	if taken {
		most = 1
	}
	for range c.r.Intn(most + 1) {
		pic, mask, err := c.object()
		if err != nil {
			return err
		}
		if pic.W == 0 {
			continue
		}
		fill, real := pic, true
		if c.sheets[negative] != nil && c.r.Chance(0.2) {
			if fill, err = c.picture(c.sheets[negative][c.r.Intn(len(c.sheets[negative]))]); err != nil {
				return err
			}
			real = false
		}
		tall := c.r.Float()
		height := float64(float64(c.h) * (0.14 + float64(0.78*tall*tall)))
		scale := height / float64(pic.H)
		width := float64(scale * float64(pic.W))
		x, y := c.r.Between(float64(-width/3), float64(c.w)-float64(width*2/3)), c.r.Between(float64(-height/8), float64(c.h)-float64(height*5/8))
		a := at(x, y, scale, c.r.Chance(0.5), c.w, c.h, &pic)
		seen, ok := c.paste(a, &pic, &mask, &fill, real)
		if !ok {
			continue
		}
		// What the new one hides is not learnt any more.
		for i := range c.objects {
			if covered(c.objects[i].Box, seen) > 0.5 {
				c.objects[i].Ignore = true
			}
		}
		if real {
			c.add(Object{c.Label, seen, false})
		}
	}
	return nil
}

// covered returns which part of a box lies in another one.
func covered(b, by Box) float64 {
	w := min(b[0]+b[2], by[0]+by[2]) - max(b[0], by[0])
	h := min(b[1]+b[3], by[1]+by[3]) - max(b[1], by[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	return float64(w*h) / float64(b[2]*b[3])
}

// paste draws what a mask shows of a picture, or of another picture through the mask, and returns the box round it.
func (c *composition) paste(a Affine, pic, mask, fill *Pixels, real bool) (Box, bool) {
	// The brightness of the cut-out follows that of the place half of the time.
	gain := float32(c.r.Between(0.8, 1.2))
	match := c.r.Chance(0.5)
	area := c.w * c.h
	x0, y0, x1, y1 := c.w, c.h, -1, -1
	type pixel struct {
		at    int
		alpha float32
		rgb   [3]float32
	}
	var put []pixel
	var here, there float32
	for y := range c.h {
		for x := range c.w {
			u, v := a.from(x, y, c.w, c.h, mask.W, mask.H)
			if u < -0.5 || v < -0.5 || u > float64(mask.W)-0.5 || v > float64(mask.H)-0.5 {
				continue
			}
			alpha := mask.at(u, v, 0) / 255
			if alpha < 0.02 {
				continue
			}
			p := pixel{at: y*c.w + x, alpha: alpha}
			if !real {
				u, v = float64(u*float64(fill.W)/float64(mask.W)), float64(v*float64(fill.H)/float64(mask.H))
			}
			for k := range 3 {
				p.rgb[k] = fill.at(u, v, k)
				here += c.pix[k*area+p.at]
				there += p.rgb[k]
			}
			put = append(put, p)
			if alpha > 0.5 {
				x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
			}
		}
	}
	if x1 < x0 {
		return Box{}, false
	}
	if match && there > 0 {
		gain = min(max(here/there, 0.5), 1.6)
	}
	for _, p := range put {
		for k := range 3 {
			d := &c.pix[k*area+p.at]
			*d += float32(p.alpha * (float32(p.rgb[k]*gain) - *d))
		}
	}
	return Box{float64(x0), float64(y0), float64(x1 - x0 + 1), float64(y1 - y0 + 1)}, true
}

// at returns channel k interpolated between pixels.
func (p *Pixels) at(u, v float64, k int) float32 {
	i, j := int(math.Floor(u)), int(math.Floor(v))
	fu, fv := float32(u-float64(i)), float32(v-float64(j))
	get := func(i, j int) float32 { return float32(p.Pix[3*(min(max(j, 0), p.H-1)*p.W+min(max(i, 0), p.W-1))+k]) }
	top := get(i, j) + float32(fu*(get(i+1, j)-get(i, j)))
	low := get(i, j+1) + float32(fu*(get(i+1, j+1)-get(i, j+1)))
	return top + float32(fv*(low-top))
}

// targets writes what is to be learnt.
func (c *composition) targets(heat, sides, weight []float32) {
	w, h := c.w/c.Stride, c.h/c.Stride
	s, area := float64(c.Stride), w*h
	clear(heat)
	clear(sides)
	clear(weight)
	for i, l := range c.hidden {
		if l == 255 || slices.Contains(c.Compose.Hidden, int(l)) {
			heat[i] = -1
		}
	}
	// The small ones come last, in front of the large.
	slices.SortStableFunc(c.objects, func(a, b Object) int {
		if p, q := float64(a.Box[2]*a.Box[3]), float64(b.Box[2]*b.Box[3]); p > q {
			return -1
		} else if p < q {
			return 1
		}
		return 0
	})
	for _, o := range c.objects {
		b := o.Box
		if o.Ignore {
			for y := range h {
				for x := range w {
					px, py := float64((float64(x)+0.5)*s), float64((float64(y)+0.5)*s)
					if px >= b[0] && px <= b[0]+b[2] && py >= b[1] && py <= b[1]+b[3] && heat[y*w+x] < 1 {
						heat[y*w+x], weight[y*w+x] = -1, 0
					}
				}
			}
			continue
		}
		cx, cy := int((b[0]+float64(b[2]/2))/s), int((b[1]+float64(b[3]/2))/s)
		rx, ry := max(b[2]/9/s, 0.7), max(b[3]/9/s, 0.7)
		for y := range h {
			for x := range w {
				i := y*w + x
				dx, dy := float64(x-cx)/rx, float64(y-cy)/ry
				v := bell(float64(dx*dx) + float64(dy*dy))
				if v == 0 {
					continue
				}
				heat[i] = max(heat[i], v)
				px, py := float64((float64(x)+0.5)*s), float64((float64(y)+0.5)*s)
				d := [4]float64{px - b[0], py - b[1], b[0] + b[2] - px, b[1] + b[3] - py}
				if v < 0.2 || min(d[0], d[1], d[2], d[3]) <= 0 {
					continue
				}
				weight[i] = v
				for k := range d {
					sides[k*area+i] = float32(d[k])
				}
			}
		}
	}
}

// bell is nearly exp(-q/2) and has the same bits on every CPU: (1-q/16)⁸, 0 from q = 8 on.
func bell(q float64) float32 {
	if q >= 8 {
		return 0
	}
	v := 1 - float64(q/16)
	v = float64(v * v)
	v = float64(v * v)
	return float32(float64(v * v))
}
