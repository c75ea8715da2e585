package synth

import (
	"math"
	"slices"
)

// The street, in metres: the road's half width, a pavement's width, and how far the houses go.
const (
	roadHalf   = 4.4
	pavement   = 3.4
	wall       = roadHalf + pavement
	kerb       = 0.12
	streetEnd  = 84.0
	nearest    = 0.9  // nothing nearer is drawn
	emergeAt   = 30.0 // where people come out of their houses
	cycle      = 22.0 // seconds of the traffic light
	crossing   = 9.2  // how long people may cross
	crossingAt = 9.5  // the zebra's middle
)

// street draws a street in perspective. The camera looks along it.
type street struct {
	o            Options
	seed         uint64
	air          *air
	w, h, margin int     // of the canvas, and what it is larger than the picture on each side
	f            float64 // pixels per metre at one metre
	cx, cy       float64 // where the street vanishes, on the canvas
	camX, camY   float64
	side         float64 // which pavement the camera is on: -1 left, 1 right
	houses       [2][]house

	back, now *canvas
	scratch   *canvas // for stencils
	standing  []standing
	walkers   []walker
	drivers   []driver
	parked    []driver
	movers    []mover
	figure    figure
	solid     solid
	poly      []vec
	sensor    sensor
}

// standing is a thing that stays where it is, drawn once.
type standing struct {
	z      float64
	s      *canvas
	x, y   int
	shadow func(s *street)
	live   func(s *street, t float64) // what changes on it; nil for nothing
}

// mover is something that moves in the frame under way.
type mover struct {
	class   uint8
	id      int
	at      vec3
	heading float64
	look    *looks
	pose    pose
	car     *car
	clip    rect
	box     [4]float64 // x0, y0, x1, y1
}

// house is a piece of a row of houses; one of height 0 is a gap.
type house struct {
	z0, z1, h float64
	wall      rgb
	trim      rgb
	glass     rgb
	door      rgb
	awning    rgb
	floor     float64 // height of a floor
	bay       float64 // distance between windows
	win       vec     // width and height of a window
	shop      bool
	bricks    bool
	seed      uint64
}

func newStreet(o Options, seed uint64) *street {
	c := newChance(seed, 1)
	s := &street{o: o, seed: seed}
	s.margin = int(math.Ceil(o.Shake*3/1000*float64(o.Width))) + blurRadius(o)
	s.w, s.h = o.Width+2*s.margin, o.Height+2*s.margin
	s.f = 1.12 * float64(o.Height)
	s.side = pick(c, []float64{-1, 1})
	s.camX = mul(s.side, c.between(4.9, 6.0))
	s.camY = c.between(1.9, 2.7)
	s.cx = float64(s.margin) + mul(float64(o.Width), 0.5+mul(s.side, c.between(-0.12, 0.10)))
	s.cy = float64(s.margin) + mul(float64(o.Height), c.between(0.36, 0.43))
	s.air = newAir(c, o.Weather, o.Light, -s.side)
	s.row(c)
	s.background(c)
	s.furnish(c)
	s.now = newCanvas(s.w, s.h)
	s.now.mask = make([]uint8, s.w*s.h)
	s.sensor = newSensor(o, s.air.noise)
	return s
}

// row chooses the houses on both sides.
func (s *street) row(c chance) {
	walls := []rgb{{196, 176, 150}, {178, 104, 80}, {206, 196, 180}, {150, 122, 104}, {222, 210, 186}, {164, 146, 132}, {188, 120, 92}, {176, 184, 186}, {214, 180, 140}}
	for i := range s.houses {
		sunny := float64(2*i-1) == -s.side // the sun stands over these
		for z := c.between(-6, 0); z < streetEnd; {
			if z > 10 && c.yes(0.13) {
				w := c.between(4, 7)
				s.houses[i] = append(s.houses[i], house{z0: z, z1: z + w})
				z += w
			}
			top := c.between(8, 15)
			if sunny {
				top = c.between(5.5, 9.5)
			}
			floor := c.between(2.9, 3.4)
			b := house{z0: z, z1: z + c.between(7, 14), h: top, wall: pick(c, walls).vary(c, 0.12), floor: floor, bay: c.between(1.9, 2.8),
				win: vec{c.between(0.9, 1.3), c.between(1.4, 1.8)}, shop: c.yes(0.45), bricks: c.yes(0.5), seed: c.Uint64(),
				door: pick(c, cloths).vary(c, 0.2), awning: pick(c, []rgb{{170, 40, 44}, {36, 94, 70}, {34, 60, 110}, {196, 160, 80}, {90, 90, 96}}),
				glass: rgb{62, 78, 92}.vary(c, 0.15)}
			b.trim = b.wall.to(rgb{244, 240, 230}, 0.65)
			b.h = mul(math.Floor(b.h/floor), floor) + 1.1
			s.houses[i] = append(s.houses[i], b)
			z = b.z1
		}
	}
}

// at projects a point of the world onto the canvas.
func (s *street) at(p vec3) vec {
	k := s.f / math.Max(p.z, 0.25)
	return vec{s.cx + mul(p.x-s.camX, k), s.cy - mul(p.y-s.camY, k)}
}

// ground fills a polygon that lies on the ground: pairs of x and z.
func (s *street) ground(c rgb, label uint8, alpha, y float64, xz ...float64) {
	s.poly = s.poly[:0]
	for i := 0; i < len(xz); i += 2 {
		s.poly = append(s.poly, s.at(vec3{xz[i], y, math.Max(xz[i+1], nearest)}))
	}
	s.back.fill(s.poly, &paint{c: c, alpha: alpha, label: label, surface: level, k: mul(s.f, s.camY-y), cy: s.cy})
}

// front fills a rectangle of the wall along the street.
func (s *street) front(x, z0, z1, y0, y1 float64, p paint) {
	if z1 <= nearest {
		return
	}
	z0 = math.Max(z0, nearest)
	p.surface, p.k, p.cx = sideways, mul(s.f, math.Abs(x-s.camX)), s.cx
	if p.label == 0 {
		p.label = Building
	}
	s.poly = append(s.poly[:0], s.at(vec3{x, y0, z0}), s.at(vec3{x, y1, z0}), s.at(vec3{x, y1, z1}), s.at(vec3{x, y0, z1}))
	s.back.fill(s.poly, &p)
}

// face fills a rectangle that looks at the camera.
func (s *street) face(z, x0, x1, y0, y1 float64, p paint) {
	p.surface, p.k = facing, z
	if p.label == 0 {
		p.label = Building
	}
	a, b := s.at(vec3{x0, y0, z}), s.at(vec3{x1, y1, z})
	s.poly = append(s.poly[:0], a, vec{a.x, b.y}, b, vec{b.x, a.y})
	s.back.fill(s.poly, &p)
}

// background draws all that nobody can walk behind.
func (s *street) background(c chance) {
	b := newCanvas(s.w, s.h)
	b.depth = make([]uint16, s.w*s.h)
	b.mask = make([]uint8, s.w*s.h)
	s.back = b
	s.sky(c)
	for i := range b.depth {
		b.depth[i] = 65535
	}
	s.horizon(c)
	s.pave(c)
	for i := range s.houses {
		x := mul(wall, float64(2*i-1))
		for j := len(s.houses[i]) - 1; j >= 0; j-- {
			s.house(x, &s.houses[i][j])
		}
	}
}

// sky fills the canvas with a gradient and clouds.
func (s *street) sky(c chance) {
	seed := c.Uint64()
	a := s.air
	white := a.horizon.to(rgb{255, 255, 255}, 0.7)
	if !a.shiny {
		white = a.zenith.times(0.93)
	}
	for y := range s.h {
		t := clamp((float64(y)+0.5)/s.cy, 0, 1)
		base := a.zenith.to(a.horizon, mul(t, t))
		row := s.back.pix[4*y*s.w : 4*(y+1)*s.w]
		// clouds lie on a plane over the street
		far := 1 / math.Max(s.cy-float64(y), 2)
		for x := range s.w {
			col := base
			if far < 0.5 {
				u, v := mul(mul(float64(x)-s.cx, far), 3), mul(mul(s.f, far), 1.7)
				n := fbm(seed, u, v)
				k := clamp(mul(n-0.62+mul(a.clouds, 0.35), 3.2), 0, 1)
				col = base.to(white, mul(k, 0.85-mul(t, 0.5)))
			}
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = uint8(clamp8(col[0])), uint8(clamp8(col[1])), uint8(clamp8(col[2])), 255
		}
	}
}

// noise is a smooth number in 0..1 over the plane, one hill a unit.
func noise(seed uint64, u, v float64) float64 {
	fu, fv := math.Floor(u), math.Floor(v)
	iu, iv := uint64(int64(fu)), uint64(int64(fv))
	du, dv := u-fu, v-fv
	du, dv = mul(mul(du, du), 3-mul(2, du)), mul(mul(dv, dv), 3-mul(2, dv))
	h := func(a, b uint64) float64 { return unit(mix64(seed^a*0x9e3779b97f4a7c15, b)) }
	return lerp(lerp(h(iu, iv), h(iu+1, iv), du), lerp(h(iu, iv+1), h(iu+1, iv+1), du), dv)
}

// fbm adds noise of four sizes; 0..1.
func fbm(seed uint64, u, v float64) float64 {
	return mul(noise(seed, u, v), 0.5) + mul(noise(seed+1, mul(u, 2.1), mul(v, 2.1)), 0.27) + mul(noise(seed+2, mul(u, 4.3), mul(v, 4.3)), 0.15) + mul(noise(seed+3, mul(u, 9.1), mul(v, 9.1)), 0.08)
}

// horizon draws what stands at the end of the street.
func (s *street) horizon(c chance) {
	s.ground(rgb{116, 122, 96}, Void, 0, 0, -400, 400, 400, 400, 400, streetEnd, -400, streetEnd)
	for range 14 {
		z := c.between(130, 220)
		x := c.between(-90, 90)
		w := c.between(6, 14)
		s.face(z, x-w, x+w, 0, c.between(8, 24), paint{c: rgb{150, 146, 142}.vary(c, 0.15)})
	}
	for range 70 {
		z := c.between(95, 130)
		p := s.at(vec3{c.between(-40, 40), c.between(1, 7), z})
		r := mul(s.f/z, c.between(1.4, 3))
		s.poly = ellipse(s.poly[:0], p.x, p.y, r, mul(r, 0.9))
		s.back.fill(s.poly, &paint{c: rgb{74, 96, 58}.vary(c, 0.25), label: Tree, surface: facing, k: z})
	}
}

// pave draws road, pavements, kerbs and markings.
func (s *street) pave(c chance) {
	const far = 400
	asphalt, slabs, stone := rgb{98, 98, 102}.vary(c, 0.08), rgb{168, 162, 154}.vary(c, 0.08), rgb{150, 148, 144}
	white := rgb{226, 226, 220}
	s.ground(asphalt, Road, 0, 0, -roadHalf, far, roadHalf, far, roadHalf, nearest, -roadHalf, nearest)
	for _, d := range [...]float64{-1, 1} {
		edge := mul(d, roadHalf)
		s.ground(slabs, Pavement, 0, kerb, d*roadHalf, far, d*(wall+8), far, d*(wall+8), nearest, d*roadHalf, nearest)
		s.ground(stone, Pavement, 0, kerb, d*roadHalf, far, d*(roadHalf+0.16), far, d*(roadHalf+0.16), nearest, d*roadHalf, nearest)
		// the kerb's face
		a := []vec3{{d * roadHalf, 0, nearest}, {d * roadHalf, kerb, nearest}, {d * roadHalf, kerb, far}, {d * roadHalf, 0, far}}
		if mul(s.camX-edge, d) < 0 {
			s.poly = s.poly[:0]
			for _, p := range a {
				s.poly = append(s.poly, s.at(p))
			}
			s.back.fill(s.poly, &paint{c: stone.times(0.72), label: Pavement, surface: sideways, k: mul(s.f, math.Abs(edge-s.camX)), cx: s.cx})
		}
		// gutter
		s.ground(asphalt.times(0.82), Road, 0.7, 0, d*roadHalf, far, d*(roadHalf-0.25), far, d*(roadHalf-0.25), nearest, d*roadHalf, nearest)
		// joints of the slabs
		joint := slabs.times(0.78)
		for x := roadHalf + 0.8; x < wall; x += 0.8 {
			s.ground(joint, Pavement, 0.55, kerb, d*x, 30, d*(x+0.025), 30, d*(x+0.025), nearest, d*x, nearest)
		}
		for z := 1.6; z < 26; z += 0.8 {
			s.ground(joint, Pavement, 0.55, kerb, d*(roadHalf+0.16), z, d*wall, z, d*wall, z+0.03, d*(roadHalf+0.16), z+0.03)
		}
	}
	for z := 1.0; z < streetEnd; z += 5 {
		if z > crossingAt-5 && z < crossingAt+3 {
			continue
		}
		s.ground(white, Road, 0.85, 0, -0.07, z, 0.07, z, 0.07, z+2.5, -0.07, z+2.5)
	}
	for x := -roadHalf + 0.35; x < roadHalf-0.4; x += 0.95 {
		s.ground(white, Road, 0.9, 0, x, crossingAt-1.5, x+0.48, crossingAt-1.5, x+0.48, crossingAt+1.5, x, crossingAt+1.5)
	}
	for range 10 { // patches and manholes
		x, z := c.between(-3, 3), c.between(3, 40)
		if c.yes(0.4) {
			w, l := c.between(0.4, 1.2), c.between(0.8, 4)
			s.ground(asphalt.times(c.between(0.78, 0.92)), Road, 0.8, 0, x-w, z, x+w, z, x+w, z+l, x-w, z+l)
			continue
		}
		var q [24]float64
		for i := range 12 {
			a := math.Pi / 6 * float64(i)
			q[2*i], q[2*i+1] = x+mul(0.32, cos(a)), z+mul(0.32, sin(a))
		}
		s.ground(asphalt.times(0.62), Road, 0.9, 0, q[:]...)
	}
}

// house draws the front of a house along the street at x, and the side that looks at the camera.
func (s *street) house(x float64, b *house) {
	if b.z1 <= nearest {
		return
	}
	if b.h == 0 { // a gap: what stands in the side street
		d := math.Copysign(1, x)
		s.face(b.z1+0.01, math.Min(x, x+mul(d, 14)), math.Max(x, x+mul(d, 14)), 0, 9, paint{c: rgb{150, 140, 128}})
		return
	}
	c := newChance(b.seed, 3)
	d := math.Copysign(1, x)
	label := Building
	if b.bricks {
		label |= bricks
	}
	if b.z0 > nearest {
		s.face(b.z0, math.Min(x, x+mul(d, 10)), math.Max(x, x+mul(d, 10)), 0, b.h, paint{c: b.wall.times(0.84), label: label})
	}
	s.front(x, b.z0, b.z1, 0, b.h, paint{c: b.wall, label: label})
	s.front(x, b.z0, b.z1, b.h-0.45, b.h, paint{c: b.trim.times(0.95)})
	s.front(x, b.z0, b.z1, b.h-0.55, b.h-0.45, paint{c: b.wall.times(0.6)})
	s.front(x, b.z0, b.z1, 0, 0.55, paint{c: b.wall.times(0.7), label: label})
	n := int(math.Max(1, math.Floor((b.z1-b.z0-0.6)/b.bay)))
	step := (b.z1 - b.z0) / float64(n)
	floors := int(math.Floor(b.h / b.floor))
	ground := 0
	if b.shop {
		s.shop(x, b, c)
		ground = 1
	}
	doorAt := c.IntN(n)
	for fl := ground; fl < floors; fl++ {
		if fl > 0 {
			y := mul(b.floor, float64(fl))
			s.front(x, b.z0, b.z1, y-0.06, y+0.06, paint{c: b.wall.times(1.12)})
		}
		for i := range n {
			mid := b.z0 + mul(step, float64(i)+0.5)
			y := mul(b.floor, float64(fl)) + 0.95
			light := c.yes(s.air.lit)
			tint := c.between(0.7, 1.2)
			curtain := c.between(0, 1)
			if mid-b.win.x < nearest {
				continue
			}
			if fl == 0 && i == doorAt {
				s.front(x, mid-0.62, mid+0.62, 0, 2.35, paint{c: b.trim})
				s.front(x, mid-0.5, mid+0.5, 0, 2.2, paint{c: b.door})
				s.front(x, mid-0.3, mid+0.3, 1.2, 1.95, paint{c: b.door.times(0.7)})
				continue
			}
			w, h := float64(b.win.x/2), b.win.y
			s.front(x, mid-w-0.12, mid+w+0.12, y-0.1, y+h+0.12, paint{c: b.trim})
			s.front(x, mid-w-0.18, mid+w+0.18, y-0.18, y-0.08, paint{c: b.trim.times(0.86)})
			glass := b.glass.times(tint)
			if light && s.air.lamp[0] > 0 {
				s.front(x, mid-w, mid+w, y, y+h, paint{c: rgb{250, 214, 140}.times(tint * 0.85), label: Building | glowing})
			} else {
				s.front(x, mid-w, mid+w, y, y+h, paint{c: glass.to(s.air.zenith, 0.45), fade: true, foot: glass})
				if curtain > 0.45 {
					cw := mul(0.3, w)
					s.front(x, mid-w, mid-w+cw, y, y+h, paint{c: rgb{206, 200, 190}, alpha: 0.55})
					s.front(x, mid+w-cw, mid+w, y, y+h, paint{c: rgb{206, 200, 190}, alpha: 0.55})
				}
			}
			s.front(x, mid-0.035, mid+0.035, y, y+h, paint{c: b.trim})
			yy := y + mul(h, 0.62)
			s.front(x, mid-w, mid+w, yy, yy+0.06, paint{c: b.trim})
		}
	}
}

// shop draws a shop's front on the ground floor.
func (s *street) shop(x float64, b *house, c chance) {
	top := b.floor - 0.25
	light := s.air.lamp[0] > 0 && c.yes(0.7)
	s.front(x, b.z0+0.2, b.z1-0.2, 0, top, paint{c: b.awning.times(0.45)})
	n := int(math.Max(1, math.Floor((b.z1-b.z0)/2.6)))
	step := (b.z1 - b.z0 - 0.6) / float64(n)
	for i := range n {
		z0, z1 := b.z0+0.4+mul(step, float64(i)), b.z0+0.2+mul(step, float64(i+1))
		p := paint{c: b.glass.to(s.air.horizon, 0.4), fade: true, foot: b.glass.times(0.7)}
		if light {
			p = paint{c: rgb{255, 226, 168}, fade: true, foot: rgb{200, 150, 96}, label: Building | glowing}
		}
		y0 := 0.5
		if i == n/2 {
			y0 = 0.05
		}
		s.front(x, z0, z1, y0, top-0.6, p)
		for k := range 3 { // things in the window
			zz := lerp(z0, z1, (float64(k)+0.5)/3)
			if i != n/2 {
				s.front(x, zz-0.18, zz+0.18, y0, y0+c.between(0.3, 0.9), paint{c: pick(c, cloths).vary(c, 0.3), alpha: 0.75})
			}
		}
	}
	s.front(x, b.z0+0.3, b.z1-0.3, top-0.5, top-0.05, paint{c: b.awning})
	for z := b.z0 + 1; z < b.z1-1; z += 0.55 { // letters, as far as anybody reads them
		if c.yes(0.75) {
			s.front(x, z, z+c.between(0.2, 0.4), top-0.38, top-0.17, paint{c: rgb{240, 236, 220}})
		}
	}
}

// glowing and bricks mark the label of a surface that shines by itself, or shows its bricks.
const glowing, bricks = 0x80, 0x40

// lay lights the background and gives it grain.
func (s *street) lay(seed uint64) {
	b := s.back
	for y := range b.h {
		for x := range b.w {
			i := y*b.w + x
			glow, brick := b.label[i]&glowing != 0, b.label[i]&bricks != 0
			b.label[i] &^= glowing | bricks
			if b.depth[i] == 65535 {
				continue
			}
			z := float64(b.depth[i]) / 100
			p := vec3{s.camX + mul((float64(x)+0.5-s.cx)/s.f, z), s.camY - mul((float64(y)+0.5-s.cy)/s.f, z), z}
			q := b.pix[4*i : 4*i+4 : 4*i+4]
			col := rgb{float64(q[0]), float64(q[1]), float64(q[2])}
			px := s.f / z // pixels per metre
			label := b.label[i]
			if glow {
				col = s.air.veiled(col, z)
			} else {
				col = s.lit(col.times(s.grain(seed, p, label, brick, px)), p, label, 1-float64(b.mask[i])/255)
			}
			q[0], q[1], q[2] = uint8(clamp8(col[0])), uint8(clamp8(col[1])), uint8(clamp8(col[2]))
		}
	}
	clear(b.mask)
	b.dirty = rect{}
}

// grain is the texture of a surface, around 1.
func (s *street) grain(seed uint64, p vec3, label uint8, brick bool, px float64) float64 {
	amount := func(size float64) float64 { return clamp(mul(px, size)-0.6, 0, 1) }
	cell := func(u, v, size float64, n uint64) float64 {
		return unit(mix64(seed+n, uint64(int64(math.Floor(u/size)))*0x9e3779b1^uint64(int64(math.Floor(v/size))))) - 0.5
	}
	switch label {
	case Road:
		g := 1 + mul(mul(0.22, amount(0.03)), cell(p.x, p.z, 0.03, 0)) + mul(0.16, noise(seed+9, mul(p.x, 0.7), mul(p.z, 0.4))-0.5)
		// wheels polish two bands of each lane
		lane := math.Abs(math.Abs(p.x) - 1.45)
		return g + mul(0.05, clamp(1-math.Abs(lane-0.75)/0.4, 0, 1))
	case Pavement:
		g := 1 + mul(mul(0.12, amount(0.02)), cell(p.x, p.z, 0.02, 1)) + mul(mul(0.09, amount(0.5)), cell(p.x-roadHalf, p.z, 0.8, 2)) + mul(0.12, noise(seed+8, p.x, p.z)-0.5)
		return mul(g, lerp(0.72, 1, clamp((wall-math.Abs(p.x))/0.7, 0, 1)))
	case Building:
		g := 1 + mul(0.10, noise(seed+7, mul(p.z+p.x, 0.5), mul(p.y, 0.5))-0.5)
		if a := amount(0.075); brick && a > 0 { // courses of bricks
			row := math.Floor(p.y / 0.075)
			u := p.z + p.x + mul(0.13, row)
			g += mul(mul(0.13, a), cell(u, row, 0.23, 3))
		}
		return g
	}
	return 1 + mul(0.2, cell(p.x, p.y, 0.3, 4))
}

// lit is what becomes of a colour of the background; open is the share of the sun that things in the street let through.
func (s *street) lit(col rgb, p vec3, label uint8, open float64) rgb {
	a := s.air
	if a.shiny {
		open = math.Min(open, s.sunAt(p))
		if label == Building {
			// walls that look away from the sun have none, the others are lit at an angle
			k := -math.Copysign(1, p.x) * math.Copysign(1, -a.shift.x)
			if math.Abs(p.x) < wall-0.02 || k < 0 {
				open = 0
			}
			open = mul(open, 0.75)
		}
	}
	if a.wet && (label == Road || label == Pavement) {
		col = col.times(0.72).to(a.horizon, mul(0.45, clamp(p.z/30, 0, 0.8)))
	}
	return a.veiled(col.by(a.light(p, open)), p.z)
}

// sunAt is 1 where no house stands between a point and the sun, else 0, and between the two near the edge.
func (s *street) sunAt(p vec3) float64 {
	a := s.air
	side, x := 0, -wall
	if a.shift.x < 0 { // shadows fall to the left: the sun is on the right
		side, x = 1, wall
	}
	h := (p.x - x) / a.shift.x // how far up the ray meets the houses' wall
	if h < 0 {
		return 1
	}
	z := p.z - mul(h, a.shift.y)
	for i := range s.houses[side] {
		if b := &s.houses[side][i]; z >= b.z0 && z < b.z1 {
			return clamp(mul(p.y+h-b.h, 4)+0.5, 0, 1)
		}
	}
	return 1
}

// frame draws the street at t seconds.
func (s *street) frame(t float64, n uint64, buf []byte, truth *Truth) {
	c := s.now
	copy(c.pix, s.back.pix)
	copy(c.label, s.back.label)
	clear(c.id)
	c.counts = [256]count{}
	s.move(t)
	s.shadows()
	for i, k := 0, 0; i < len(s.movers) || k < len(s.standing); {
		if i < len(s.movers) && (k == len(s.standing) || s.movers[i].at.z >= s.standing[k].z) {
			s.mover(&s.movers[i], uint8(i+1))
			i++
			continue
		}
		// what stands is in the background already: it covers again those behind it
		o := &s.standing[k]
		for j := range s.movers[:i] {
			m := &s.movers[j]
			b := rect{int(math.Floor(m.box[0])) - 1, int(math.Floor(m.box[1])) - 1, int(math.Ceil(m.box[2])) + 1, int(math.Ceil(m.box[3])) + 1}
			c.over(o.s, o.x, o.y, b)
		}
		if o.live != nil {
			o.live(s, t)
		}
		k++
	}
	if s.air.wet {
		s.rain(t)
	}
	dx, dy := s.sensor.shake(t)
	ox, oy := s.sensor.expose(c, s.margin, dx, dy, n, buf)
	s.truth(truth, buf, ox, oy)
}

// truth tells what is in a picture whose left upper corner is at ox, oy of the canvas.
func (s *street) truth(t *Truth, buf []byte, ox, oy int) {
	w, h := s.o.Width, s.o.Height
	t.Width, t.Height = w, h
	t.Faces = t.Faces[:0]
	t.Objects = t.Objects[:0]
	t.Labels, t.IDs = buf[3*w*h:4*w*h:4*w*h], buf[4*w*h:5*w*h:5*w*h]
	var number [256]int
	for y := range h {
		from := (y+oy)*s.w + ox
		copy(t.Labels[y*w:(y+1)*w], s.now.label[from:])
		ids := t.IDs[y*w : (y+1)*w]
		copy(ids, s.now.id[from:])
		for _, id := range ids {
			if id != 0 {
				number[id]++
			}
		}
	}
	var rename [256]uint8
	for i := range s.movers {
		m := &s.movers[i]
		if number[i+1] == 0 {
			continue
		}
		full := [4]float64{m.box[0] - float64(ox), m.box[1] - float64(oy), m.box[2] - float64(ox), m.box[3] - float64(oy)}
		x0, x1 := math.Max(full[0], float64(max(m.clip.x0-ox, 0))), math.Min(full[2], float64(min(m.clip.x1-ox, w)))
		y0, y1 := math.Max(full[1], 0), math.Min(full[3], float64(h))
		if x1 <= x0 || y1 <= y0 {
			continue
		}
		area := mul(full[2]-full[0], full[3]-full[1])
		inside := mul(x1-x0, y1-y0) / area
		visible := float64(number[i+1]) / float64(max(s.now.counts[i+1].full, number[i+1]))
		t.Objects = append(t.Objects, Object{Class: m.class, ID: m.id, Box: [4]float64{x0, y0, x1 - x0, y1 - y0},
			Full: [4]float64{full[0], full[1], full[2] - full[0], full[3] - full[1]}, Visibility: mul(visible, math.Min(inside, 1)), Distance: m.at.z})
		rename[i+1] = uint8(len(t.Objects))
	}
	for i, id := range t.IDs {
		t.IDs[i] = rename[id]
	}
}

// mover draws one thing that moves and notes its box.
func (s *street) mover(m *mover, id uint8) {
	c := s.now
	c.clip = m.clip
	m.box = [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	open := 1.0
	if s.air.shiny {
		open = s.sunAt(vec3{m.at.x, m.at.y + 0.8, m.at.z})
	}
	light := s.air.light(vec3{m.at.x, 1, m.at.z}, open)
	from := 0.15
	if s.air.shiny {
		from = clamp(-s.air.shift.x, -0.8, 0.8)
	}
	if m.car != nil {
		s.car(c, m, id, light)
	}
	if m.look != nil {
		s.person(c, m, id, light, from)
	}
	c.clip = rect{0, 0, s.w, s.h}
}

func (m *mover) grow(p vec) {
	m.box[0], m.box[1] = math.Min(m.box[0], p.x), math.Min(m.box[1], p.y)
	m.box[2], m.box[3] = math.Max(m.box[2], p.x), math.Max(m.box[3], p.y)
}

// person draws the figure of a mover. What the light does to colours is the same all over it.
func (s *street) person(c *canvas, m *mover, id uint8, light rgb, from float64) {
	g := &s.figure
	px := s.f / m.at.z
	g.pose(m.look, m.pose, px)
	foot := s.at(m.at)
	for _, i := range g.order {
		q := &g.parts[i]
		s.poly = s.poly[:0]
		for _, p := range g.points[q.from:q.to] {
			v := vec{foot.x + mul(p.x, px), foot.y - mul(p.y, px)}
			s.poly = append(s.poly, v)
			m.grow(v)
		}
		q.p.c = s.air.veiled(q.p.c.by(light), m.at.z)
		q.p.stripe = s.air.veiled(q.p.stripe.by(light), m.at.z)
		q.p.from, q.p.label, q.p.id = from, m.class, id
		c.fill(s.poly, &q.p)
	}
}

// shadows darkens the ground where movers keep the light from it.
func (s *street) shadows() {
	c := s.now
	for i := range s.movers {
		m := &s.movers[i]
		if s.air.shiny && s.sunAt(m.at) > 0.5 {
			s.castShadow(c, m)
		}
		// what touches the ground has a dark rim in any light
		s.poly = s.poly[:0]
		px := s.f / m.at.z
		p := s.at(m.at)
		if m.car == nil {
			flat := math.Max(s.camY/m.at.z, 0.05)
			for _, r := range [...]vec{{0.32, 30}, {0.28, 60}, {0.24, 90}, {0.2, 120}, {0.16, 150}} {
				c.shadeBy(ellipse(s.poly[:0], p.x, p.y, mul(r.x, px), mul(mul(r.x, px), flat)), int32(r.y))
			}
			continue
		}
		for _, q := range m.car.footprint(m, 0.1) {
			s.poly = append(s.poly, s.at(vec3{q.x, m.at.y, math.Max(q.y, nearest)}))
		}
		c.shade(s.poly)
	}
	k := rgb{0.72, 0.72, 0.74}
	if s.air.shiny {
		a, b := s.air.ambient, s.air.ambient.plus(s.air.sun)
		k = rgb{a[0] / b[0], a[1] / b[1], a[2] / b[2]}
	}
	c.cast(k)
}

// castShadow puts the shadow of a mover on the ground into the mask.
func (s *street) castShadow(c *canvas, m *mover) {
	a := s.air.shift
	fall := func(x, y, z float64) vec {
		return s.at(vec3{x + mul(y, a.x), m.at.y, math.Max(z+mul(y, a.y), nearest)})
	}
	if m.car != nil {
		for _, hgt := range [...]float64{0.7, 1.25} {
			s.poly = s.poly[:0]
			grow := -0.05
			if hgt > 1 {
				grow = -0.3
			}
			var lo, hi [4]vec
			for i, q := range m.car.footprint(m, grow) {
				lo[i], hi[i] = s.at(vec3{q.x, m.at.y, math.Max(q.y, nearest)}), fall(q.x, mul(hgt, m.car.h/1.45), q.y)
			}
			for i := range 4 {
				j := (i + 1) % 4
				c.shade(append(s.poly[:0], lo[i], lo[j], hi[j], hi[i]))
			}
			c.shade(hi[:])
		}
		if m.look == nil {
			return
		}
	}
	// the figure as the sun sees it
	l := length(a.x, a.y)
	dx, dz := a.x/l, a.y/l
	hx, hz := cos(m.heading), sin(m.heading)
	p := m.pose
	p.heading = heading(mul(hx, dz)-mul(hz, dx), mul(hx, dx)+mul(hz, dz))
	g := &s.figure
	g.pose(m.look, p, 10)
	for _, q := range g.parts {
		s.poly = s.poly[:0]
		for _, p := range g.points[q.from:q.to] {
			s.poly = append(s.poly, fall(m.at.x+mul(p.x, dz)+mul(q.z, dx), p.y, m.at.z-mul(p.x, dx)+mul(q.z, dz)))
		}
		c.shade(s.poly)
	}
}

// byDistance sorts movers from the farthest to the nearest.
func (s *street) byDistance() {
	slices.SortStableFunc(s.movers, func(a, b mover) int {
		switch {
		case a.at.z > b.at.z:
			return -1
		case a.at.z < b.at.z:
			return 1
		}
		return a.id - b.id
	})
}
