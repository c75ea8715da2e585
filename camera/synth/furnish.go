package synth

import (
	"math"
	"slices"
)

// furnish puts up what stands in the street, and lights the background.
func (s *street) furnish(c chance) {
	s.scratch = newCanvas(s.w, s.h)
	for z := 12.0; z < 70; z += 17 {
		s.lamp(mul(-s.side, roadHalf+0.45), z)
	}
	s.lamp(mul(s.side, roadHalf+0.45), c.between(18, 22))
	s.lamp(mul(s.side, roadHalf+0.45), c.between(40, 44))
	for _, side := range [...]float64{-1, 1} {
		for z := c.between(13, 19); z < 66; z += c.between(7, 12) {
			s.tree(c, mul(side, roadHalf+0.75), z)
		}
	}
	s.sign(c, mul(-s.side, roadHalf+0.4), c.between(7, 12))
	s.sign(c, mul(s.side, roadHalf+0.4), c.between(13, 24))
	s.railing(c, mul(-s.side, roadHalf+0.3), c.between(14, 16))
	s.trafficLight(mul(s.side, roadHalf+0.35), crossingAt+2)
	slices.SortStableFunc(s.standing, func(a, b standing) int {
		switch {
		case a.z > b.z:
			return -1
		case a.z < b.z:
			return 1
		}
		return 0
	})
	if s.air.shiny {
		for _, o := range s.standing {
			if o.shadow != nil {
				o.shadow(s)
			}
		}
	}
	s.lay(c.Uint64())
	for _, o := range s.standing {
		s.back.over(o.s, o.x, o.y, s.back.clip)
	}
	s.back.depth, s.back.mask, s.back.acc, s.scratch = nil, nil, nil, nil
	s.people(c)
	s.traffic(c)
}

// stencil draws a thing that stands at a place.
type stencil struct {
	s     *street
	c     *canvas
	at    vec3
	px    float64
	light rgb
	poly  []vec
}

func (s *street) stencil(x, z float64) *stencil {
	at := vec3{x, kerb, z}
	open := 1.0
	if s.air.shiny {
		open = s.sunAt(vec3{x, 2, z})
	}
	return &stencil{s: s, c: s.scratch, at: at, px: s.f / z, light: s.air.light(vec3{x, 1.5, z}, open)}
}

// tone is a colour in the light and air of the place.
func (t *stencil) tone(c rgb) rgb { return t.s.air.veiled(c.by(t.light), t.at.z) }

func (t *stencil) point(x, y float64) vec {
	p := t.s.at(t.at)
	return vec{p.x + mul(x, t.px), p.y - mul(y, t.px)}
}

// bar draws a tapered bar from a to b, in metres from the foot.
func (t *stencil) bar(a vec, ra float64, b vec, rb float64, c rgb, label uint8) {
	t.poly = capsule(t.poly[:0], t.point(a.x, a.y), math.Max(mul(ra, t.px), 0.4), t.point(b.x, b.y), math.Max(mul(rb, t.px), 0.4))
	t.c.fill(t.poly, &paint{c: t.tone(c), round: 0.5, label: label})
}

func (t *stencil) polygon(c rgb, label uint8, pts ...vec) {
	t.poly = t.poly[:0]
	for _, p := range pts {
		t.poly = append(t.poly, t.point(p.x, p.y))
	}
	t.c.fill(t.poly, &paint{c: t.tone(c), label: label})
}

// put ends the drawing.
func (t *stencil) put(shadow func(s *street)) {
	c, x, y := t.c.cut()
	if c.w > 0 {
		t.s.standing = append(t.s.standing, standing{z: t.at.z, s: c, x: x, y: y, shadow: shadow})
	}
}

// pillar is the shadow of a pole.
func pillar(at vec3, h, r float64) func(s *street) {
	return func(s *street) {
		a := s.air.shift
		top := vec3{at.x + mul(h, a.x), 0, at.z + mul(h, a.y)}
		across := vec{mul(r, -a.y), mul(r, a.x)}
		l := length(a.x, a.y)
		across = vec{across.x / l, across.y / l}
		s.poly = s.poly[:0]
		for _, q := range [...]vec3{{at.x - across.x, kerb, at.z - across.y}, {at.x + across.x, kerb, at.z + across.y}, {top.x + across.x, 0, top.z + across.y}, {top.x - across.x, 0, top.z - across.y}} {
			q.z = math.Max(q.z, nearest)
			s.poly = append(s.poly, s.at(q))
		}
		s.back.shade(s.poly)
	}
}

// lamp is a street lamp whose arm reaches over the road.
func (s *street) lamp(x, z float64) {
	t := s.stencil(x, z)
	steel := rgb{92, 98, 100}
	d := -math.Copysign(1, x)
	t.bar(vec{0, 0}, 0.1, vec{0, 0.9}, 0.09, steel, Pole)
	t.bar(vec{0, 0.9}, 0.06, vec{0, 5.6}, 0.045, steel, Pole)
	t.bar(vec{0, 5.6}, 0.045, vec{mul(d, 1.3), 5.95}, 0.04, steel, Pole)
	t.bar(vec{mul(d, 1.2), 5.95}, 0.09, vec{mul(d, 1.75), 5.98}, 0.07, steel.times(0.8), Pole)
	if s.air.lamp[0] > 0 {
		p := t.point(mul(d, 1.45), 5.9)
		for i := range 7 { // a halo
			r := mul(t.px, 0.12+mul(0.16, float64(6-i)))
			t.c.fill(ellipse(nil, p.x, p.y, r, r), &paint{c: rgb{255, 226, 170}, alpha: 0.05, label: Pole})
		}
		t.c.fill(ellipse(nil, p.x, p.y, mul(t.px, 0.2), mul(t.px, 0.09)), &paint{c: rgb{255, 240, 206}, label: Pole})
		s.air.lamps = append(s.air.lamps, vec3{x + mul(d, 1.45), 5.9, z})
	}
	t.put(pillar(t.at, 5.6, 0.05))
}

// sign is a traffic sign on a post.
func (s *street) sign(c chance, x, z float64) {
	t := s.stencil(x, z)
	t.bar(vec{0, 0}, 0.035, vec{0, 2.5}, 0.035, rgb{150, 152, 154}, Pole)
	round := func(c rgb, r float64) {
		p := t.point(0, 2.3)
		t.poly = ellipse(t.poly[:0], p.x, p.y, mul(r, t.px), mul(r, t.px))
		t.c.fill(t.poly, &paint{c: t.tone(c), label: Sign})
	}
	red, white, blue := rgb{190, 30, 36}, rgb{238, 238, 234}, rgb{26, 74, 156}
	switch c.IntN(3) {
	case 0:
		round(red, 0.32)
		round(white, 0.24)
		t.polygon(rgb{30, 30, 32}, Sign, vec{-0.13, 2.38}, vec{-0.03, 2.38}, vec{-0.03, 2.2}, vec{-0.13, 2.2})
		t.polygon(rgb{30, 30, 32}, Sign, vec{0.03, 2.38}, vec{0.13, 2.38}, vec{0.13, 2.2}, vec{0.03, 2.2})
	case 1:
		round(blue, 0.32)
		t.polygon(white, Sign, vec{-0.04, 2.12}, vec{0.04, 2.12}, vec{0.04, 2.36}, vec{0.14, 2.36}, vec{0, 2.52}, vec{-0.14, 2.36}, vec{-0.04, 2.36})
	default:
		t.polygon(red, Sign, vec{-0.38, 2.05}, vec{0.38, 2.05}, vec{0, 2.7})
		t.polygon(white, Sign, vec{-0.24, 2.13}, vec{0.24, 2.13}, vec{0, 2.54})
		t.polygon(rgb{30, 30, 32}, Sign, vec{-0.03, 2.18}, vec{0.03, 2.18}, vec{0.03, 2.38}, vec{-0.03, 2.38})
	}
	t.put(pillar(t.at, 2.6, 0.035))
}

// trafficLight stands at the crossing.
func (s *street) trafficLight(x, z float64) {
	t := s.stencil(x, z)
	t.bar(vec{0, 0}, 0.06, vec{0, 2.6}, 0.055, rgb{70, 76, 74}, Pole)
	t.polygon(rgb{28, 30, 30}, Sign, vec{-0.17, 2.3}, vec{0.17, 2.3}, vec{0.17, 3.2}, vec{-0.17, 3.2})
	for i, c := range [...]rgb{{70, 150, 90}, {110, 90, 30}, {110, 34, 34}} {
		p := t.point(0, 2.46+mul(0.29, float64(i)))
		t.poly = ellipse(t.poly[:0], p.x, p.y, mul(0.1, t.px), mul(0.1, t.px))
		t.c.fill(t.poly, &paint{c: t.tone(c), label: Sign})
	}
	t.put(pillar(t.at, 2.9, 0.06))
	if n := len(s.standing); n > 0 {
		s.standing[n-1].live = func(s *street, now float64) {
			c, i := rgb{60, 255, 130}, 0 // green once people have crossed
			switch in := now - mul(cycle, math.Floor(now/cycle)); {
			case in > cycle-1.5:
				c, i = rgb{255, 190, 50}, 1
			case in < crossing:
				c, i = rgb{255, 50, 44}, 2
			}
			p := t.point(0, 2.46+mul(0.29, float64(i)))
			for _, q := range [...]vec{{0.15, 0.25}, {0.09, 1}} {
				s.poly = ellipse(s.poly[:0], p.x, p.y, mul(q.x, t.px), mul(q.x, t.px))
				s.now.fill(s.poly, &paint{c: s.air.veiled(c, z), alpha: q.y, label: Sign})
			}
		}
	}
}

// railing is a fence along the kerb, from z on for some metres: a stencil for each field.
func (s *street) railing(c chance, x, z float64) {
	steel := rgb{66, 84, 80}
	for i := range 5 {
		z0 := z + mul(2, float64(i))
		t := s.stencil(x, z0)
		post := func(zz, y0, y1, r float64) {
			a, b := s.at(vec3{x, kerb + y0, zz}), s.at(vec3{x, kerb + y1, zz})
			w := math.Max(mul(r, s.f/zz), 0.35)
			t.c.fill([]vec{{a.x - w, a.y}, {a.x + w, a.y}, {b.x + w, b.y}, {b.x - w, b.y}}, &paint{c: t.tone(steel), label: Fence})
		}
		rail := func(y, r float64) {
			a, b, d, e := s.at(vec3{x, kerb + y - r, z0}), s.at(vec3{x, kerb + y + r, z0}), s.at(vec3{x, kerb + y + r, z0 + 2}), s.at(vec3{x, kerb + y - r, z0 + 2})
			t.c.fill([]vec{a, b, d, e}, &paint{c: t.tone(steel), label: Fence})
		}
		post(z0, 0, 1.05, 0.03)
		rail(1.0, 0.025)
		rail(0.2, 0.02)
		for k := range 11 {
			post(z0+mul(0.18, float64(k)+0.5), 0.2, 1.0, 0.008)
		}
		t.put(nil)
	}
}

// tree is a trunk, boughs, and leaves in the light.
func (s *street) tree(c chance, x, z float64) {
	t := s.stencil(x, z)
	h := c.between(4.6, 6.6)
	bark := rgb{88, 70, 54}.vary(c, 0.15)
	crown := vec{c.between(-0.2, 0.2), h - 1.4}
	t.polygon(rgb{96, 80, 62}, Pavement, vec{-0.5, -0.02}, vec{0.5, -0.02}, vec{0.42, 0.05}, vec{-0.42, 0.05})
	t.bar(vec{0, 0}, 0.16, vec{0.03, 2.4}, 0.11, bark, Tree)
	for range 5 {
		t.bar(vec{0.03, 2.2}, 0.07, vec{crown.x + c.between(-1.2, 1.2), crown.y + c.between(-0.6, 0.5)}, 0.02, bark, Tree)
	}
	leaf := pick(c, []rgb{{84, 112, 52}, {98, 124, 60}, {70, 100, 54}, {112, 128, 58}}).vary(c, 0.12)
	from := -0.35
	if s.air.shiny {
		from = clamp(-s.air.shift.x, -0.8, 0.8)
	}
	n := 200
	for i := range n {
		// from the inside and below to the outside and above
		a, r := c.between(0, 2*math.Pi), math.Sqrt(c.Float64())
		k := float64(i) / float64(n)
		dx, dy := mul(mul(1.75, r), cos(a)), mul(mul(1.5, r), sin(a))
		shade := 0.55 + mul(0.35, k) + mul(0.20, dy/1.5) + mul(0.14, mul(from, dx/1.7)) + c.between(-0.09, 0.09)
		size := c.between(0.18, 0.36) * (1.25 - mul(0.5, k))
		p := t.point(crown.x+dx, crown.y+dy)
		t.poly = t.poly[:0]
		turn := c.between(0, 6.28)
		for j := range 8 {
			b := turn + mul(math.Pi/4, float64(j))
			q := mul(mul(size, t.px), c.between(0.65, 1.2))
			t.poly = append(t.poly, vec{p.x + mul(q, cos(b)), p.y + mul(q, sin(b))})
		}
		t.c.fill(t.poly, &paint{c: t.tone(leaf.times(shade)), label: Tree})
	}
	at := t.at
	seed := c.Uint64()
	t.put(func(s *street) {
		pillar(at, 2.6, 0.13)(s)
		c := newChance(seed, 5)
		a := s.air.shift
		for range 46 {
			y := crown.y + c.between(-1.2, 1.2)
			px, pz, r := at.x+crown.x+mul(y, a.x)+c.between(-1.3, 1.3), at.z+mul(y, a.y)+c.between(-1.3, 1.3), c.between(0.18, 0.45)
			s.poly = s.poly[:0]
			for i := range 10 {
				b := mul(math.Pi/5, float64(i))
				s.poly = append(s.poly, s.at(vec3{px + mul(r, cos(b)), 0, math.Max(pz+mul(r, sin(b)), nearest)}))
			}
			s.back.shade(s.poly)
		}
	})
}
