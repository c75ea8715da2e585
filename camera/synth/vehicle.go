package synth

import (
	"math"
	"slices"
)

// car is a vehicle in metres, around the middle of the ground below it; u is forward, v to its right.
type car struct {
	l, w, h float64
	body    rgb
	bicycle bool
	profile []vec // the side's outline: u and y, from the front's foot over the roof to the rear's
	glass   []vec // the side's windows
	wheel   float64
	axle    float64
	screen  int // the edges of the profile that are glass: front, and rear
	rear    int
}

var paints = []rgb{{198, 200, 204}, {34, 36, 40}, {228, 228, 226}, {132, 24, 30}, {34, 62, 112}, {96, 102, 108}, {58, 84, 66}, {186, 150, 84}, {64, 110, 140}}

func newCar(c chance) car {
	k := car{l: c.between(3.9, 4.6), w: c.between(1.72, 1.86), h: c.between(1.42, 1.55), body: pick(c, paints).vary(c, 0.1), wheel: 0.33, axle: 1.3}
	switch c.IntN(3) {
	case 0: // saloon
		k.profile = []vec{{2.1, 0.24}, {2.15, 0.5}, {2.06, 0.74}, {1.1, 0.95}, {0.3, 1.38}, {-0.75, 1.42}, {-1.3, 1.34}, {-1.75, 1.0}, {-2.1, 0.95}, {-2.15, 0.55}, {-2.1, 0.24}}
		k.glass = []vec{{0.92, 0.98}, {0.25, 1.31}, {-0.75, 1.34}, {-1.2, 1.27}, {-1.5, 1.0}}
		k.screen, k.rear = 3, 6
	case 1: // hatchback
		k.profile = []vec{{1.9, 0.24}, {1.95, 0.5}, {1.86, 0.78}, {1.1, 1.0}, {0.4, 1.45}, {-1.2, 1.47}, {-1.75, 1.3}, {-1.95, 0.95}, {-2, 0.55}, {-1.95, 0.24}}
		k.glass = []vec{{0.92, 1.02}, {0.34, 1.38}, {-1.1, 1.4}, {-1.55, 1.28}, {-1.65, 1.02}}
		k.screen, k.rear = 3, 6
	default: // van
		k.h *= 1.25
		k.profile = []vec{{2.1, 0.24}, {2.14, 0.55}, {2.04, 0.85}, {1.6, 1.0}, {1.0, 1.46}, {-2.0, 1.48}, {-2.1, 1.4}, {-2.12, 0.9}, {-2.14, 0.5}, {-2.1, 0.24}}
		k.glass = []vec{{1.4, 1.0}, {0.95, 1.34}, {-1.8, 1.36}, {-1.95, 1.0}}
		k.screen, k.rear = 3, 6
	}
	for _, list := range [...][]vec{k.profile, k.glass} {
		for i := range list {
			list[i].x, list[i].y = mul(list[i].x, k.l/4.3), mul(list[i].y, k.h/1.45)
		}
	}
	return k
}

func newBicycle(c chance) car {
	return car{l: 1.75, w: 0.5, h: 1.0, body: pick(c, paints).vary(c, 0.2), bicycle: true, wheel: 0.34, axle: 0.53}
}

// place turns a point of the vehicle into one of the world.
func (m *mover) place(u, y, v float64) vec3 {
	dx, dz := cos(m.heading), sin(m.heading)
	return vec3{m.at.x + mul(u, dx) + mul(v, dz), m.at.y + y, math.Max(m.at.z+mul(u, dz)-mul(v, dx), nearest)}
}

// footprint is the vehicle's rectangle on the ground, grown by some metres.
func (k *car) footprint(m *mover, grow float64) [4]vec {
	var q [4]vec
	for i, s := range [...]vec{{1, 1}, {1, -1}, {-1, -1}, {-1, 1}} {
		p := m.place(mul(s.x, mul(k.l, 0.5)+grow), 0, mul(s.y, mul(k.w, 0.5)+grow))
		q[i] = vec{p.x, p.z}
	}
	return q
}

// half is half the width of a car at a height: it narrows over its belt.
func (k *car) half(y float64) float64 {
	belt := mul(0.68, k.h)
	return mul(k.w/2, 1-mul(0.24, clamp((y-belt)/(k.h-belt), 0, 1)))
}

// solid draws bodies side by side.
type solid struct {
	c     *canvas
	s     *street
	m     *mover
	id    uint8
	light rgb
	poly  []vec
	order []int
}

// fill draws a polygon of points of the vehicle.
func (d *solid) fill(c rgb, p paint, pts ...vec3) {
	d.poly = d.poly[:0]
	for _, q := range pts {
		v := d.s.at(d.m.place(q.x, q.y, q.z))
		d.poly = append(d.poly, v)
		d.m.grow(v)
	}
	d.paint(c, p)
}

func (d *solid) paint(c rgb, p paint) {
	p.c = d.s.air.veiled(c.by(d.light), d.m.at.z)
	if p.fade {
		p.foot = d.s.air.veiled(p.foot.by(d.light), d.m.at.z)
	}
	p.label, p.id = d.m.class, d.id
	d.c.fill(d.poly, &p)
}

// tube draws a rod between two points, of radius r metres.
func (d *solid) tube(a, b vec3, r float64, c rgb) {
	p, q := d.s.at(d.m.place(a.x, a.y, a.z)), d.s.at(d.m.place(b.x, b.y, b.z))
	r = math.Max(mul(r, d.s.f/d.m.at.z), 0.35)
	d.poly = capsule(d.poly[:0], p, r, q, r)
	for _, v := range [...]vec{p, q} {
		d.m.grow(vec{v.x - r, v.y - r})
		d.m.grow(vec{v.x + r, v.y + r})
	}
	d.paint(c, paint{})
}

// disc draws a circle in the plane of the vehicle's side; thick > 0 leaves a hole, with a rim of that width.
func (d *solid) disc(u, y, v, r, thick float64, c rgb) {
	const n = 24
	d.poly = d.poly[:0]
	ring := func(r float64, back bool) {
		for i := range n + 1 {
			a := 2 * math.Pi / n * float64(i)
			if back {
				a = -a
			}
			p := d.s.at(d.m.place(u+mul(r, cos(a)), y+mul(r, sin(a)), v))
			d.poly = append(d.poly, p)
			d.m.grow(p)
		}
	}
	ring(r, false)
	if thick > 0 {
		ring(r-thick, true)
	}
	d.paint(c, paint{})
}

// car draws the vehicle of a mover.
func (s *street) car(c *canvas, m *mover, id uint8, light rgb) {
	d := &s.solid
	d.c, d.s, d.m, d.id, d.light = c, s, m, id, light
	k := m.car
	if k.bicycle {
		d.bicycle(k)
		return
	}
	// which side looks at the camera
	dx, dz := cos(m.heading), sin(m.heading)
	tx, tz := s.camX-m.at.x, -m.at.z
	near := math.Copysign(1, mul(tx, dz)-mul(tz, dx))
	n := len(k.profile)
	d.order = d.order[:0]
	for i := range n - 1 {
		d.order = append(d.order, i)
	}
	mid := func(i int) float64 { return mul((k.profile[i].x+k.profile[i+1].x)/2, dz) }
	slices.SortStableFunc(d.order, func(a, b int) int {
		switch za, zb := mid(a), mid(b); {
		case za > zb:
			return -1
		case za < zb:
			return 1
		}
		return 0
	})
	// under the body it is dark, and the far wheels show there
	x := mul(k.w, 0.5) - 0.06
	for _, u := range [...]float64{-k.axle, k.axle} {
		for _, v := range [...]float64{-near * x, -near * (x - 0.2)} {
			d.disc(u*k.l/4.3, k.wheel, v, k.wheel, 0, rgb{22, 22, 24})
		}
	}
	d.fill(rgb{16, 16, 18}, paint{}, vec3{k.l / 2.1, 0.2, -x}, vec3{k.l / 2.1, 0.2, x}, vec3{-k.l / 2.1, 0.2, x}, vec3{-k.l / 2.1, 0.2, -x})
	for _, u := range [...]float64{-k.axle, k.axle} {
		d.disc(u*k.l/4.3, k.wheel, near*(x-0.2), k.wheel, 0, rgb{14, 14, 16})
	}
	for _, i := range d.order {
		d.strip(k, i)
	}
	d.flank(k, near)
}

// strip draws the surface across the car that belongs to one edge of its profile, when the camera sees it.
func (d *solid) strip(k *car, i int) {
	a, b := k.profile[i], k.profile[i+1]
	wa, wb := k.half(a.y), k.half(b.y)
	// the outward normal of the edge, and where the camera is from its middle
	nu, ny := -(b.y - a.y), b.x-a.x
	nu, ny = -nu, -ny
	mu, my := (a.x+b.x)/2, (a.y+b.y)/2
	p := d.m.place(mu, my, 0)
	dx, dz := cos(d.m.heading), sin(d.m.heading)
	cu := mul(d.s.camX-p.x, dx) + mul(0-p.z, dz)
	cy := d.s.camY - p.y
	if mul(nu, cu)+mul(ny, cy) <= 0 {
		return
	}
	up := ny / length(nu, ny)
	c := k.body.times(0.78 + mul(0.34, math.Max(up, 0)))
	if i == k.screen || i == k.rear {
		d.fill(c, paint{}, vec3{a.x, a.y, -wa}, vec3{a.x, a.y, wa}, vec3{b.x, b.y, wb}, vec3{b.x, b.y, -wb})
		const e = 0.09
		la, lb := vec{lerp(a.x, b.x, e), lerp(a.y, b.y, e)}, vec{lerp(b.x, a.x, e), lerp(b.y, a.y, e)}
		glass := rgb{46, 56, 66}
		d.fill(glass.to(rgb{150, 168, 184}, 0.55), paint{fade: true, foot: glass}, vec3{la.x, la.y, 0.1 - wa}, vec3{la.x, la.y, wa - 0.1}, vec3{lb.x, lb.y, wb - 0.1}, vec3{lb.x, lb.y, 0.1 - wb})
		return
	}
	d.fill(c, paint{}, vec3{a.x, a.y, -wa}, vec3{a.x, a.y, wa}, vec3{b.x, b.y, wb}, vec3{b.x, b.y, -wb})
	at := func(t, v float64) vec3 { return vec3{lerp(a.x, b.x, t), lerp(a.y, b.y, t), mul(v, wa)} }
	quad := func(t0, t1, v0, v1 float64, c rgb) {
		d.fill(c, paint{}, at(t0, v0), at(t0, v1), at(t1, v1), at(t1, v0))
	}
	last := len(k.profile) - 2
	night := d.s.air.lamp[0] > 0
	lamp, tail := rgb{232, 236, 240}, rgb{150, 22, 24}
	if night {
		lamp, tail = rgb{2600, 2500, 2200}, rgb{900, 60, 50}
	}
	switch i {
	case 0:
		quad(0.1, 0.9, -0.62, 0.62, rgb{24, 24, 26})
		quad(0.35, 0.75, -0.28, 0.28, rgb{222, 222, 216})
	case 1:
		quad(0.2, 0.8, -0.5, 0.5, rgb{30, 30, 34})
		quad(0.15, 0.9, -0.95, -0.6, lamp)
		quad(0.15, 0.9, 0.6, 0.95, lamp)
	case last - 1:
		quad(0.05, 0.55, -0.95, -0.66, tail)
		quad(0.05, 0.55, 0.66, 0.95, tail)
		quad(0.3, 0.62, -0.28, 0.28, rgb{224, 214, 150})
	case last:
		quad(0.45, 1, -0.9, 0.9, rgb{30, 30, 32})
	}
}

// flank draws the side that looks at the camera.
func (d *solid) flank(k *car, near float64) {
	pts := func(list []vec, out float64) {
		d.poly = d.poly[:0]
		for _, q := range list {
			p := d.s.at(d.m.place(q.x, q.y, mul(near, k.half(q.y)+out)))
			d.poly = append(d.poly, p)
			d.m.grow(p)
		}
	}
	pts(k.profile, 0)
	d.paint(k.body.times(1.02), paint{fade: true, foot: k.body.times(0.62)})
	pts(k.glass, 0.002)
	glass := rgb{40, 48, 56}
	d.paint(glass.to(rgb{140, 158, 174}, 0.4), paint{fade: true, foot: glass})
	half := func(u, y float64) vec3 { return vec3{u, y, mul(near, k.half(y)+0.003)} }
	y0, y1 := k.glass[0].y, k.glass[2].y+0.03
	d.fill(k.body.times(0.8), paint{}, half(-0.34, y0), half(-0.26, y0), half(-0.26, y1), half(-0.34, y1))
	d.fill(k.body.times(0.55), paint{}, half(-0.31, 0.3), half(-0.29, 0.3), half(-0.29, y0), half(-0.31, y0))
	d.fill(k.body.times(0.62), paint{}, half(-k.l*0.44, 0.32), half(k.l*0.44, 0.32), half(k.l*0.44, 0.24), half(-k.l*0.44, 0.24))
	v := mul(near, mul(k.w, 0.5)+0.004)
	for _, u := range [...]float64{-k.axle, k.axle} {
		u = u * k.l / 4.3
		d.disc(u, k.wheel+0.02, v, k.wheel+0.06, 0, rgb{18, 18, 20})
		d.disc(u, k.wheel, v, k.wheel, 0, rgb{34, 34, 36})
		d.disc(u, k.wheel, v, k.wheel*0.62, 0, rgb{150, 152, 156})
		d.disc(u, k.wheel, v, k.wheel*0.2, 0, rgb{70, 72, 76})
	}
}

func (d *solid) bicycle(k *car) {
	dark, steel := rgb{26, 26, 28}, rgb{150, 152, 156}
	r := k.wheel
	for _, u := range [...]float64{-k.axle, k.axle} {
		// seen from the front a wheel is as wide as its tyre
		d.tube(vec3{u, 0.03, 0}, vec3{u, 2*r - 0.03, 0}, 0.018, dark)
		d.disc(u, r, 0, r, 0.045, dark)
		d.disc(u, r, 0, 0.05, 0, steel)
	}
	saddle, bottom, headTube, bar := vec3{-0.18, 0.92, 0}, vec3{0.02, 0.3, 0}, vec3{0.40, 0.86, 0}, vec3{0.40, 1.06, 0}
	back, front := vec3{-k.axle, r, 0}, vec3{k.axle, r, 0}
	for _, t := range [...][2]vec3{{back, bottom}, {back, saddle}, {saddle, bottom}, {bottom, headTube}, {saddle, headTube}, {headTube, front}, {headTube, bar}} {
		d.tube(t[0], t[1], 0.02, k.body)
	}
	d.tube(vec3{0.42, 1.06, -0.25}, vec3{0.42, 1.06, 0.25}, 0.016, dark)
	d.tube(vec3{-0.3, 0.95, 0}, vec3{-0.06, 0.95, 0}, 0.035, dark)
}
