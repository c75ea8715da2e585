// Package draw puts results on pictures: boxes, label maps, lines of text. Sizes follow the picture, so that it can be read on a phone.
package draw

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// base are eight colours that people with any kind of colour vision can tell apart (Okabe, Ito, Color Universal Design, 2008), light grey for black.
var base = [8]color.RGBA{
	{230, 159, 0, 255}, {86, 180, 233, 255}, {0, 158, 115, 255}, {240, 228, 66, 255},
	{0, 114, 178, 255}, {213, 94, 0, 255}, {204, 121, 167, 255}, {225, 225, 225, 255},
}

// Colour returns the colour of a class. From the ninth on they are lighter, then darker ones of the first eight.
func Colour(class int) color.RGBA {
	if class < 0 {
		class = -(class + 1)
	}
	c := base[class%8]
	switch class / 8 % 3 {
	case 1:
		return mix(c, color.RGBA{255, 255, 255, 255}, 0.5)
	case 2:
		return mix(c, color.RGBA{0, 0, 0, 255}, 0.45)
	}
	return c
}

func mix(a, b color.RGBA, t float64) color.RGBA {
	f := func(x, y uint8) uint8 { return uint8(math.Round(float64(x)*(1-t) + float64(y)*t)) }
	return color.RGBA{f(a.R, b.R), f(a.G, b.G), f(a.B, b.B), 255}
}

// ink returns the one of black and white that is better read on a colour: by relative luminance as in WCAG 2, 1.4.3.
func ink(c color.RGBA) color.RGBA {
	lin := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	if 0.2126*lin(c.R)+0.7152*lin(c.G)+0.0722*lin(c.B) > 0.179 {
		return color.RGBA{0, 0, 0, 255}
	}
	return color.RGBA{255, 255, 255, 255}
}

var parsed = sync.OnceValue(func() *opentype.Font {
	f, err := opentype.Parse(gomedium.TTF)
	if err != nil {
		panic("draw: the font that is built in: " + err.Error())
	}
	return f
})

// A Canvas draws on one picture.
type Canvas struct {
	img    *image.RGBA
	face   font.Face
	line   int // width of lines
	ascent int
	height int // of a line of text
	pad    int
	taken  []image.Rectangle // where text is
}

// On returns a Canvas for a picture.
func On(img *image.RGBA) *Canvas {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	size := math.Min(math.Max(0.028*float64(w), 11), 96)
	face, err := opentype.NewFace(parsed(), &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic("draw: the font that is built in: " + err.Error())
	}
	m := face.Metrics()
	return &Canvas{
		img: img, face: face, line: max(2, int(math.Round(float64(min(w, h))/220))),
		ascent: m.Ascent.Ceil(), height: m.Ascent.Ceil() + m.Descent.Ceil(), pad: max(2, int(size/5)),
	}
}

func (c *Canvas) fill(r image.Rectangle, col color.RGBA) {
	draw.Draw(c.img, r, image.NewUniform(col), image.Point{}, draw.Src)
}

// width is that of a line of text in pixels.
func (c *Canvas) width(text string) int { return font.MeasureString(c.face, text).Ceil() }

// text writes a line with its upper left corner at (x, y).
func (c *Canvas) text(x, y int, text string, col color.RGBA) {
	d := font.Drawer{Dst: c.img, Src: image.NewUniform(col), Face: c.face, Dot: fixed.P(x, y+c.ascent)}
	d.DrawString(text)
}

// tag writes a line on a ground of its own.
func (c *Canvas) tag(r image.Rectangle, text string, ground color.RGBA) {
	c.fill(r, ground)
	c.text(r.Min.X+c.pad, r.Min.Y+c.pad/2, text, ink(ground))
	c.taken = append(c.taken, r)
}

// tagSize returns the size of a tag.
func (c *Canvas) tagSize(text string) image.Point {
	return image.Pt(c.width(text)+2*c.pad, c.height+c.pad)
}

// place moves a rectangle of this size at (x, y) inside the picture.
func (c *Canvas) place(x, y int, size image.Point) image.Rectangle {
	b := c.img.Rect
	x = max(min(x, b.Max.X-size.X), b.Min.X)
	y = max(min(y, b.Max.Y-size.Y), b.Min.Y)
	return image.Rectangle{image.Pt(x, y), image.Pt(x, y).Add(size)}
}

// frame draws the outline of a rectangle, inwards.
func (c *Canvas) frame(r image.Rectangle, width int, col color.RGBA) {
	width = max(1, min(width, r.Dx()/2, r.Dy()/2))
	c.fill(image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+width), col)
	c.fill(image.Rect(r.Min.X, r.Max.Y-width, r.Max.X, r.Max.Y), col)
	c.fill(image.Rect(r.Min.X, r.Min.Y, r.Min.X+width, r.Max.Y), col)
	c.fill(image.Rect(r.Max.X-width, r.Min.Y, r.Max.X, r.Max.Y), col)
}

var dark = color.RGBA{20, 20, 20, 255}

// Box is a rectangle x, y, width, height with a text, in the colour of a class, and points inside.
type Box struct {
	Rect   [4]float64
	Class  int
	Text   string
	Points [][2]float64
	Trail  [][2]float64 // where the thing came from
}

// Boxes draws boxes, the first ones on top. Texts stand at their boxes where they hide least, above them where they can.
func (c *Canvas) Boxes(boxes []Box) {
	whole := func(v float64) int { return int(math.Round(math.Min(math.Max(v, -1e6), 1e6))) }
	rects := make([]image.Rectangle, len(boxes))
	for i := range boxes {
		c.trail(boxes[i].Trail, Colour(boxes[i].Class))
	}
	for i := len(boxes) - 1; i >= 0; i-- {
		b := &boxes[i]
		r := image.Rect(whole(b.Rect[0]), whole(b.Rect[1]), whole(b.Rect[0]+b.Rect[2]), whole(b.Rect[1]+b.Rect[3]))
		rects[i] = r
		edge := max(1, c.line/3)
		c.frame(r.Inset(-edge), c.line+2*edge, dark)
		c.frame(r, c.line, Colour(b.Class))
	}
	for i := range boxes {
		col := Colour(boxes[i].Class)
		radius := math.Min(float64(c.line)*1.2, math.Max(boxes[i].Rect[2]/24, 1))
		for _, p := range boxes[i].Points {
			c.dot(p[0], p[1], radius+1, dark)
			c.dot(p[0], p[1], radius, col)
		}
	}
	for i := range boxes {
		text := boxes[i].Text
		if text == "" {
			continue
		}
		r, size := rects[i], c.tagSize(text)
		var at image.Rectangle
		least := math.Inf(1)
		for j, p := range []image.Point{
			{r.Min.X, r.Min.Y - size.Y}, {r.Min.X, r.Max.Y}, {r.Min.X, r.Min.Y}, {r.Max.X - size.X, r.Min.Y - size.Y},
			{r.Max.X, r.Min.Y}, {r.Min.X - size.X, r.Min.Y}, {r.Max.X - size.X, r.Max.Y}, {r.Max.X, r.Max.Y}, {r.Min.X - size.X, r.Max.Y},
		} {
			here := c.place(p.X, p.Y, size)
			h := c.hides(here, rects)
			if j >= 4 { // beside the box it may be taken for another's
				h += 0.3 * float64(size.X) * float64(size.Y)
			}
			if h < least {
				at, least = here, h
			}
		}
		c.tag(at, text, Colour(boxes[i].Class))
	}
}

// hides says how much a tag would hide: texts most of all, then boxes that are no larger than itself.
func (c *Canvas) hides(tag image.Rectangle, boxes []image.Rectangle) float64 {
	area := func(r image.Rectangle) float64 { return float64(r.Dx()) * float64(r.Dy()) }
	var sum float64
	for _, t := range c.taken {
		sum += 10 * area(t.Intersect(tag))
	}
	for _, b := range boxes {
		sum += area(b.Intersect(tag)) / (1 + area(b)/area(tag))
	}
	return sum
}

// trail draws a line through points.
func (c *Canvas) trail(points [][2]float64, col color.RGBA) {
	for i := 1; i < len(points); i++ {
		p, q := points[i-1], points[i]
		length := math.Hypot(q[0]-p[0], q[1]-p[1])
		if !(length < 1e5) {
			continue
		}
		n := int(length) + 1
		for j := range n {
			f := float64(j) / float64(n)
			c.dot(p[0]+f*(q[0]-p[0]), p[1]+f*(q[1]-p[1]), float64(c.line)/2, col)
		}
	}
}

// dot fills a disc.
func (c *Canvas) dot(x, y, radius float64, col color.RGBA) {
	if !(math.Abs(x) < 1e6 && math.Abs(y) < 1e6) {
		return
	}
	for v := int(y - radius); v <= int(y+radius)+1; v++ {
		for u := int(x - radius); u <= int(x+radius)+1; u++ {
			if math.Hypot(float64(u)+0.5-x, float64(v)+0.5-y) <= radius && image.Pt(u, v).In(c.img.Rect) {
				c.img.SetRGBA(u, v, col)
			}
		}
	}
}

// Lines writes lines of text in the upper left corner, each on a ground in the colour of its class.
func (c *Canvas) Lines(lines []string, classes []int) {
	y := c.pad
	for i, s := range lines {
		r := c.place(c.pad, y, c.tagSize(s))
		c.tag(r, s, Colour(classes[i]))
		y = r.Max.Y + max(1, c.pad/2)
	}
}

// Palette is the colours of classes.
type Palette [256]color.RGBA

// Colours is the Palette of Colour.
var Colours = func() (p Palette) {
	for i := range p {
		p[i] = Colour(i)
	}
	return p
}()

// Legend is a class in a label map.
type Legend struct {
	Class int
	Text  string
	Clear bool // nothing is laid over its pixels
}

// Labels lays the colours of a label map, one class a pixel, over a picture and draws the borders between them.
func Labels(img *image.RGBA, labels []uint8, legend []Legend, colours *Palette) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	var skip [256]bool
	for _, l := range legend {
		skip[uint8(l.Class)] = l.Clear
	}
	rim := max(1, min(w, h)/400)
	for y := range h {
		for x := range w {
			l := labels[y*w+x]
			p := img.Pix[y*img.Stride+4*x:][:3]
			border := x >= rim && labels[y*w+x-rim] != l || y >= rim && labels[(y-rim)*w+x] != l
			switch {
			case border:
				p[0], p[1], p[2] = p[0]/4, p[1]/4, p[2]/4
			case !skip[l]:
				c := colours[l]
				p[0], p[1], p[2] = half(p[0], c.R), half(p[1], c.G), half(p[2], c.B)
			}
		}
	}
}

// Path is a line through points, with a text at the first, in the colour of a class.
type Path struct {
	Points [][2]float64
	Class  int
	Text   string
}

// Paths draws lines.
func (c *Canvas) Paths(paths []Path) {
	for i := range paths {
		p := &paths[i]
		c.trail(p.Points, Colour(p.Class))
		if p.Text != "" && len(p.Points) > 0 {
			c.tag(c.place(int(p.Points[0][0]), int(p.Points[0][1]), c.tagSize(p.Text)), p.Text, Colour(p.Class))
		}
	}
}

// Layers is all that is drawn on one picture.
type Layers struct {
	Paths   []Path
	Labels  []uint8 // class of each pixel; nil for none
	Colours *Palette
	Legend  []Legend
	Boxes   []Box
	Lines   []string
	Classes []int // of Lines
}

// Reset empties the layers.
func (l *Layers) Reset() {
	*l = Layers{Paths: l.Paths[:0], Legend: l.Legend[:0], Boxes: l.Boxes[:0], Lines: l.Lines[:0], Classes: l.Classes[:0]}
}

// Put draws the layers on a picture and returns it, with the legend below.
func (l *Layers) Put(img *image.RGBA) *image.RGBA {
	if len(l.Labels) == img.Rect.Dx()*img.Rect.Dy() {
		Labels(img, l.Labels, l.Legend, l.Colours)
	}
	c := On(img)
	c.Paths(l.Paths)
	c.Boxes(l.Boxes)
	c.Lines(l.Lines, l.Classes)
	if len(l.Legend) > 0 {
		return below(img, l.Legend, l.Colours)
	}
	return img
}

// half mixes a picture's byte with nearly as much of a colour's.
func half(p, c uint8) uint8 { return uint8((uint(p)*9 + uint(c)*11 + 10) / 20) }

// below returns img with a legend under it.
func below(img *image.RGBA, legend []Legend, colours *Palette) *image.RGBA {
	c := On(img)
	w, h := img.Rect.Dx(), img.Rect.Dy()
	row, swatch := c.height+c.pad, c.height
	type entry struct {
		Legend
		x, y int
	}
	var entries []entry
	x, y := c.pad, h+c.pad
	for _, l := range legend {
		wide := swatch + c.pad + c.width(l.Text) + 3*c.pad
		if x > c.pad && x+wide > w {
			x, y = c.pad, y+row
		}
		entries = append(entries, entry{l, x, y})
		x += wide
	}
	out := image.NewRGBA(image.Rect(0, 0, w, y+row))
	draw.Draw(out, out.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(out, img.Rect, img, image.Point{}, draw.Src)
	c.img = out
	for _, e := range entries {
		s := image.Rect(e.x, e.y, e.x+swatch, e.y+swatch)
		if !e.Clear {
			c.fill(s, colours[uint8(e.Class)])
		}
		c.frame(s, 1, dark)
		c.text(s.Max.X+c.pad, e.y, e.Text, dark)
	}
	return out
}

// Map returns a label map as a picture whose palette indices are the classes.
func Map(labels []uint8, w, h int, colours *Palette) *image.Paletted {
	p := make(color.Palette, len(colours))
	for i := range p {
		p[i] = colours[i]
	}
	return &image.Paletted{Pix: labels, Stride: w, Rect: image.Rect(0, 0, w, h), Palette: p}
}
