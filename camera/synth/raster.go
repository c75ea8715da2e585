package synth

import "math"

// canvas is a picture under way: colours multiplied by their opacity, and what each pixel shows.
type canvas struct {
	w, h  int
	pix   []uint8  // RGBA, [h, w, 4]
	label []uint8  // class, [h, w]
	id    []uint8  // object, [h, w]; 0 for none
	depth []uint16 // centimetres, [h, w]; nil where nobody asks

	clip   rect
	acc    []int32 // area under edges, for the box of one polygon
	counts [256]count
	mask   []uint8 // [h, w], 0 outside dirty; nil where nobody asks
	dirty  rect
	drawn  rect // what polygons have touched
}

// count is how many pixels an object covers, and how many of them nothing covers in turn.
type count struct{ full, seen int }

// rect is a box of pixels: x0 <= x < x1, y0 <= y < y1.
type rect struct{ x0, y0, x1, y1 int }

func (r rect) empty() bool { return r.x0 >= r.x1 || r.y0 >= r.y1 }

func (r rect) and(s rect) rect {
	return rect{max(r.x0, s.x0), max(r.y0, s.y0), min(r.x1, s.x1), min(r.y1, s.y1)}
}

func (r rect) or(s rect) rect {
	if r.empty() {
		return s
	}
	if s.empty() {
		return r
	}
	return rect{min(r.x0, s.x0), min(r.y0, s.y0), max(r.x1, s.x1), max(r.y1, s.y1)}
}

func newCanvas(w, h int) *canvas {
	return &canvas{w: w, h: h, pix: make([]uint8, 4*w*h), label: make([]uint8, w*h), id: make([]uint8, w*h), clip: rect{0, 0, w, h}}
}

// bounds returns the pixels that a polygon touches, in the clip.
func (c *canvas) bounds(poly []vec) rect {
	lo, hi := vec{math.Inf(1), math.Inf(1)}, vec{math.Inf(-1), math.Inf(-1)}
	for _, p := range poly {
		lo.x, lo.y, hi.x, hi.y = math.Min(lo.x, p.x), math.Min(lo.y, p.y), math.Max(hi.x, p.x), math.Max(hi.y, p.y)
	}
	pixel := func(v float64) int { return int(math.Floor(clamp(v, -1e6, 1e6))) }
	return rect{pixel(lo.x), pixel(lo.y), pixel(hi.x) + 1, pixel(hi.y) + 1}.and(c.clip)
}

// Surfaces that polygons of a background lie on; they give each pixel its depth.
const (
	noSurface = iota
	facing    // at depth k
	sideways  // along the street: depth k / |x - cx|
	level     // the ground: depth k / (y - cy)
)

// paint is what a polygon is filled with.
type paint struct {
	c       rgb
	foot    rgb     // colour at the lower edge of the polygon, where fade is set
	fade    bool    // from c at the top to foot
	alpha   float64 // opacity; 0 for 1
	round   float64 // how much a row darkens toward its ends, as a cylinder's does: 0..1
	from    float64 // where the light that rounds comes from: -1 left .. 1 right
	stripe  rgb     // colour of stripes
	fold    float64 // distance of the folds of cloth in pixels; 0 for none; below 0 they fall the other way
	period  float64 // of the stripes in pixels of height; 0 for none
	label   uint8
	id      uint8
	shader  func(x, y int) rgb // gives each pixel its colour in the place of all of these
	surface int
	k       float64
	cx, cy  float64
}

// sweep adds up the edges of a polygon within a box. After it row(y) gives coverage.
//
// Each cell of acc holds the change of the covered area from the pixel before, in units of 2^-16 pixels.
func (c *canvas) sweep(poly []vec, b rect) {
	w := b.x1 - b.x0 + 2
	n := w * (b.y1 - b.y0)
	if cap(c.acc) < n {
		c.acc = make([]int32, n)
	}
	c.acc = c.acc[:n]
	clear(c.acc)
	fix := func(v float64, o int) int64 {
		return int64(math.Floor(float64(clamp(v-float64(o), -1e6, 1e6)*256) + 0.5))
	}
	last := poly[len(poly)-1]
	x0, y0 := fix(last.x, b.x0), fix(last.y, b.y0)
	for _, p := range poly {
		x1, y1 := fix(p.x, b.x0), fix(p.y, b.y0)
		c.edge(x0, y0, x1, y1, w, int64(b.x1-b.x0)<<8, int64(b.y1-b.y0)<<8)
		x0, y0 = x1, y1
	}
}

// edge adds one edge. Coordinates are in 1/256 pixels; limitX and limitY are the far sides of the box.
func (c *canvas) edge(x0, y0, x1, y1 int64, w int, limitX, limitY int64) {
	if y0 == y1 {
		return
	}
	sign := int32(1)
	if y0 > y1 {
		x0, y0, x1, y1, sign = x1, y1, x0, y0, -1
	}
	if y1 <= 0 || y0 >= limitY {
		return
	}
	slope := (x1 - x0) << 16 / (y1 - y0)
	ya := max(y0, 0)
	xa := x0 + (ya-y0)*slope>>16
	for end := min(y1, limitY); ya < end; {
		yb := min((ya>>8+1)<<8, end)
		xb := x0 + (yb-y0)*slope>>16
		row := c.acc[int(ya>>8)*w:][:w]
		l, r := min(max(xa, 0), limitX), min(max(xb, 0), limitX)
		if l > r {
			l, r = r, l
		}
		dy := yb - ya
		i, j := l>>8, r>>8
		if i == j {
			area := int32(dy * (512 - (l & 255) - (r & 255)) / 2)
			row[i] += sign * area
			row[i+1] += sign * (int32(dy<<8) - area)
		} else {
			// the part of dy that lies in each of the pixels that the edge crosses
			var done, before int64 // height so far; area so far
			for x := i; x <= j; x++ {
				right := min((x+1)<<8, r)
				upTo := dy
				if right < r {
					upTo = dy * (right - l) / (r - l)
				}
				left := max(x<<8, l)
				part := upTo - done
				area := done<<8 + part*(512-(left&255)-(right-x<<8))/2
				row[x] += sign * int32(area-before)
				before, done = area, upTo
			}
			row[j+1] += sign * int32(dy<<8-before)
		}
		ya, xa = yb, xb
	}
}

// fill draws a polygon.
func (c *canvas) fill(poly []vec, p *paint) {
	b := c.bounds(poly)
	if b.empty() || len(poly) < 3 {
		return
	}
	c.drawn = c.drawn.or(b)
	c.sweep(poly, b)
	opacity := int32(256)
	if p.alpha > 0 {
		opacity = int32(float64(clamp(p.alpha, 0, 1) * 256))
	}
	w := b.x1 - b.x0 + 2
	for y := b.y0; y < b.y1; y++ {
		acc := c.acc[(y-b.y0)*w:][:w]
		if p.shader != nil {
			c.textured(acc, y, b, p, opacity)
			continue
		}
		if p.round > 0 || p.fade || p.period > 0 || p.fold != 0 {
			c.shaded(acc, y, b, p, opacity)
			continue
		}
		c.flat(acc, y, b, p, opacity)
	}
}

// cover makes 0..256 of a running sum of areas.
func cover(sum int32) int32 {
	if sum < 0 {
		sum = -sum
	}
	return min(sum>>8, 256)
}

func clamp8(v float64) int32 { return int32(clamp(v, 0, 255)) }

func (c *canvas) flat(acc []int32, y int, b rect, p *paint, opacity int32) {
	r, g, bl := clamp8(p.c[0]), clamp8(p.c[1]), clamp8(p.c[2])
	var sum int32
	for x := b.x0; x < b.x1; x++ {
		sum += acc[x-b.x0]
		if a := cover(sum); a > 0 {
			c.blend(x, y, r, g, bl, a, a*opacity>>8, p)
		}
	}
}

func (c *canvas) textured(acc []int32, y int, b rect, p *paint, opacity int32) {
	var sum int32
	for x := b.x0; x < b.x1; x++ {
		sum += acc[x-b.x0]
		if a := cover(sum); a > 0 {
			q := p.shader(x, y)
			c.blend(x, y, clamp8(q[0]), clamp8(q[1]), clamp8(q[2]), a, a*opacity>>8, p)
		}
	}
}

// crease is how much brighter cloth is at a place across its folds, in 1/256.
func crease(at int32, seed int) int32 {
	n := at >> 8
	deep := int32((uint32(n)*2654435761 ^ uint32(seed)*40503) >> 16 & 15)
	u := at & 255
	return (min(u, 256-u)*2 - 128) * deep * 5 >> 9
}

func (c *canvas) shaded(acc []int32, y int, b rect, p *paint, opacity int32) {
	// the row's extent
	first, last := -1, -1
	var sum int32
	for i := range b.x1 - b.x0 {
		if sum += acc[i]; cover(sum) > 8 {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return
	}
	base := p.c
	if p.fade {
		base = base.to(p.foot, (float64(y-b.y0)+0.5)/float64(b.y1-b.y0))
	}
	if p.period > 0 && int(math.Floor(float64(y-b.y0)/p.period))%2 != 0 {
		base = p.stripe
	}
	r, g, bl := clamp8(base[0]), clamp8(base[1]), clamp8(base[2])
	// brightness over the row: 1 - round·(u - from/2)², u from -1 to 1, in 1/256
	scale := 2 / float64(last-first+1)
	round := int32(float64(p.round * 256))
	step := int32(float64(scale * 256))
	var fold, foldAt int32 // in 1/256 of the distance of folds
	if wide := math.Abs(p.fold); wide > 2 {
		fold = int32(110 / p.fold)
		foldAt = int32(float64(float64(y-b.y0) * 256 / wide))
	}
	u := int32(-256) + step/2 - int32(float64(p.from*128)) - step*int32(first)
	sum = 0
	for i := range b.x1 - b.x0 {
		if sum += acc[i]; sum != 0 {
			if a := cover(sum); a > 0 {
				k := int32(256)
				if round > 0 {
					v := min(max(u+step*int32(i), -400), 400)
					k = 256 + round/4 - round*(v*v>>8)>>8
				}
				if fold != 0 {
					k += crease(foldAt+fold*int32(i), b.x0)
				}
				c.blend(i+b.x0, y, min(r*k>>8, 255), min(g*k>>8, 255), min(bl*k>>8, 255), a, a*opacity>>8, p)
			}
		}
	}
}

// blend lays a colour over a pixel. a is the polygon's coverage and o its opacity, 0..256.
func (c *canvas) blend(x, y int, r, g, b, a, o int32, p *paint) {
	i := y*c.w + x
	q := c.pix[4*i : 4*i+4 : 4*i+4]
	if o >= 256 {
		q[0], q[1], q[2], q[3] = uint8(r), uint8(g), uint8(b), 255
	} else {
		n := 256 - o
		q[0] = uint8((int32(q[0])*n + r*o) >> 8)
		q[1] = uint8((int32(q[1])*n + g*o) >> 8)
		q[2] = uint8((int32(q[2])*n + b*o) >> 8)
		q[3] = uint8((int32(q[3])*n + 255*o) >> 8)
	}
	if a < 128 {
		return
	}
	c.label[i] = p.label
	if old := c.id[i]; old != p.id {
		c.counts[old].seen--
		c.counts[p.id].seen++
		c.counts[p.id].full++
		c.id[i] = p.id
	}
	if c.depth != nil && p.surface != noSurface {
		d := p.k
		switch p.surface {
		case sideways:
			d /= math.Max(math.Abs(float64(x)+0.5-p.cx), 0.1)
		case level:
			d /= math.Max(float64(y)+0.5-p.cy, 0.1)
		}
		c.depth[i] = uint16(clamp(float64(d*100), 0, 65000))
	}
}

// shade adds a polygon to the mask of shadows.
func (c *canvas) shade(poly []vec) { c.shadeBy(poly, 256) }

// shadeBy adds a polygon of some depth, 0..256.
func (c *canvas) shadeBy(poly []vec, depth int32) {
	b := c.bounds(poly)
	if b.empty() || len(poly) < 3 {
		return
	}
	c.sweep(poly, b)
	w := b.x1 - b.x0 + 2
	for y := b.y0; y < b.y1; y++ {
		acc, mask := c.acc[(y-b.y0)*w:][:w], c.mask[y*c.w+b.x0:]
		var sum int32
		for i := range b.x1 - b.x0 {
			sum += acc[i]
			if a := cover(sum) * depth >> 8; a > int32(mask[i]) {
				mask[i] = uint8(min(a, 255))
			}
		}
	}
	c.dirty = c.dirty.or(b)
}

// cast darkens the ground by the mask, which it clears. What stays of the light is k, 0..1 for each colour.
func (c *canvas) cast(k rgb) {
	var loss [3]int32
	for i := range k {
		loss[i] = int32(float64((1 - clamp(k[i], 0, 1)) * 256))
	}
	for y := c.dirty.y0; y < c.dirty.y1; y++ {
		for i := y*c.w + c.dirty.x0; i < y*c.w+c.dirty.x1; i++ {
			m := int32(c.mask[i])
			if m == 0 {
				continue
			}
			c.mask[i] = 0
			if l := c.label[i]; l != Road && l != Pavement {
				continue
			}
			q := c.pix[4*i : 4*i+3 : 4*i+3]
			for j := range q {
				q[j] = uint8(int32(q[j]) * (256 - m*loss[j]>>8) >> 8)
			}
		}
	}
	c.dirty = rect{}
}

// over lays the part of a sprite that is within a box over the canvas. The sprite's left upper corner is at x0, y0.
func (c *canvas) over(s *canvas, x0, y0 int, within rect) {
	b := within.and(c.clip).and(rect{x0, y0, x0 + s.w, y0 + s.h})
	for y := b.y0; y < b.y1; y++ {
		for x := b.x0; x < b.x1; x++ {
			j := (y-y0)*s.w + x - x0
			p := s.pix[4*j : 4*j+4 : 4*j+4]
			if p[3] == 0 {
				continue
			}
			i := y*c.w + x
			q := c.pix[4*i : 4*i+4 : 4*i+4]
			n := int32(256 - int32(p[3]) - int32(p[3]>>7))
			for k := range 4 {
				q[k] = uint8(int32(p[k]) + int32(q[k])*n>>8)
			}
			if p[3] < 128 || s.label[j] == Sky { // nothing that stands in the street is sky: an edge of which no part fills half the pixel
				continue
			}
			c.label[i] = s.label[j]
			if old := c.id[i]; old != 0 {
				c.counts[old].seen--
				c.id[i] = 0
			}
		}
	}
}

// cut takes what is drawn off a canvas, which is empty then, and returns where it was.
func (c *canvas) cut() (*canvas, int, int) {
	b := c.drawn
	s := newCanvas(max(b.x1-b.x0, 0), max(b.y1-b.y0, 0))
	for y := range s.h {
		from := (y+b.y0)*c.w + b.x0
		copy(s.pix[4*y*s.w:4*(y+1)*s.w], c.pix[4*from:])
		copy(s.label[y*s.w:(y+1)*s.w], c.label[from:])
		clear(c.pix[4*from : 4*(from+s.w)])
		clear(c.label[from : from+s.w])
	}
	c.drawn = rect{}
	return s, b.x0, b.y0
}

// The polygons below are appended to dst.

// ellipse is one with its centre and half axes.
func ellipse(dst []vec, cx, cy, rx, ry float64) []vec {
	const n = 20
	for i := range n {
		a := mul(2*math.Pi/n, float64(i))
		dst = append(dst, vec{cx + mul(rx, cos(a)), cy + mul(ry, sin(a))})
	}
	return dst
}

// capsule is the hull of two circles.
func capsule(dst []vec, a vec, ra float64, b vec, rb float64) []vec {
	dx, dy := b.x-a.x, b.y-a.y
	l := length(dx, dy)
	if l < 1e-9 {
		return ellipse(dst, a.x, a.y, math.Max(ra, rb), math.Max(ra, rb))
	}
	dx, dy = dx/l, dy/l
	const n = 6
	arc := func(p vec, r, side float64) {
		for i := range n + 1 {
			t := mul(math.Pi, float64(i)/n-0.5)
			s, c := sin(t), mul(side, cos(t))
			// from one side of the axis over the end to the other
			dst = append(dst, vec{p.x + mul(r, mul(dx, c)-mul(dy, mul(side, s))), p.y + mul(r, mul(dy, c)+mul(dx, mul(side, s)))})
		}
	}
	arc(a, ra, -1)
	arc(b, rb, 1)
	return dst
}

// smooth cuts the corners of a closed polygon (Chaikin, An algorithm for high speed curve generation, 1974).
func smooth(dst, poly []vec) []vec {
	last := poly[len(poly)-1]
	for _, p := range poly {
		dst = append(dst, vec{lerp(last.x, p.x, 0.25), lerp(last.y, p.y, 0.25)}, vec{lerp(last.x, p.x, 0.75), lerp(last.y, p.y, 0.75)})
		last = p
	}
	return dst
}
