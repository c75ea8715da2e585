package synth

import "math"

// portrait draws a head and shoulders: somebody who looks about, then somebody else.
//
// Lengths on a head are in units of 10 cm: x to the picture's right, y up, z toward the camera, from between the eyes.
type portrait struct {
	o      Options
	seed   uint64
	w, h   int
	margin int
	back   *canvas // what is behind the head
	now    *canvas
	sensor sensor
	poly   []vec
	rough  []vec

	who     int64
	p       *person
	px      float64 // pixels of a unit
	at      vec     // between the eyes
	turn    [9]float64
	sun     vec3 // where the light comes from
	ambient rgb
	light   rgb
	skin    func(x, y int) rgb // skinAt
	hair    func(x, y int) rgb // hairAt
	shade   float64            // of the hair under way
}

// turnSeconds is how long somebody is before the camera.
const turnSeconds = 6.0

// person is a face.
type person struct {
	id                          uint64
	skin, hair, iris, lips, top rgb
	width, jaw, chin            float64
	eyeX, eyeW, eyeH, eyeTilt   float64
	browY, browH, browTilt      float64
	noseL, noseW                float64
	mouthY, mouthW, lip, smile  float64
	woman, bald, long, fringe   bool
	beard, stubble, age         float64
	glasses                     bool
	volume, hairline, parting   float64
	collar                      int
	strands                     uint64

	skinMap mapOfSkin
}

// mapOfSkin holds the colour of a face and the slope of what stands out on it, on a grid over -1..1 and -1.3..1.3.
type mapOfSkin struct {
	n, m   int // columns and rows
	colour []rgb
	slope  []vec
}

func newPerson(id uint64) *person {
	c := newChance(id, 11)
	p := &person{id: id, woman: c.yes(0.5), strands: c.Uint64()}
	p.skin, p.hair = pick(c, skins).vary(c, 0.06).by(rgb{1, 0.97, 0.92}), pick(c, hairs).vary(c, 0.12)
	p.iris = pick(c, []rgb{{70, 48, 32}, {58, 40, 28}, {92, 118, 140}, {84, 104, 72}, {110, 84, 50}})
	p.top = pick(c, cloths).vary(c, 0.2)
	p.lips = p.skin.by(rgb{0.86, 0.62, 0.60})
	p.width, p.jaw, p.chin = c.between(0.68, 0.80), c.between(0.86, 1.1), c.between(0.75, 1.3)
	p.eyeX, p.eyeW, p.eyeH, p.eyeTilt = c.between(0.285, 0.35), c.between(0.125, 0.16), c.between(0.045, 0.075), c.between(-0.12, 0.2)
	p.browY, p.browH, p.browTilt = c.between(0.19, 0.27), c.between(0.034, 0.062), c.between(-0.15, 0.3)
	p.noseL, p.noseW = c.between(0.40, 0.53), c.between(0.85, 1.35)
	p.mouthY, p.mouthW, p.lip, p.smile = -c.between(0.70, 0.80), c.between(0.21, 0.29), c.between(0.045, 0.085), c.between(-0.02, 0.09)
	p.volume, p.hairline, p.parting = c.between(0.06, 0.2), c.between(0.62, 0.78), c.between(-0.4, 0.4)
	p.age = c.Float64()
	p.glasses = c.yes(0.2)
	p.collar = c.IntN(3)
	if p.woman {
		p.browH *= 0.75
		p.jaw *= 0.92
		p.lip *= 1.2
		p.long = c.yes(0.75)
		p.fringe = c.yes(0.35)
		p.lips = p.skin.by(rgb{0.88, 0.52, 0.52})
		return p
	}
	p.bald = c.yes(0.15)
	p.stubble = c.between(0, 0.5)
	if c.yes(0.3) {
		p.beard = 1
	}
	return p
}

func newPortrait(o Options, seed uint64) *portrait {
	d := &portrait{o: o, seed: seed, margin: blurRadius(o) + int(math.Ceil(o.Shake*3/1000*float64(o.Width))), who: -1}
	d.w, d.h = o.Width+2*d.margin, o.Height+2*d.margin
	d.now, d.back = newCanvas(d.w, d.h), newCanvas(d.w, d.h)
	d.sensor = newSensor(o, 1)
	d.skin, d.hair = d.skinAt, d.hairAt
	return d
}

// identity is who takes turn number i.
func (d *portrait) identity(i int64) uint64 {
	return mix64(d.o.Seed, 1000+(uint64(i)+d.seed)%uint64(max(d.o.People, 1)))
}

// begin prepares a turn: who, where, in what light, before what.
func (d *portrait) begin(i int64) {
	d.who = i
	d.p = newPerson(d.identity(i))
	c := newChance(mix64(d.seed, uint64(i)), 12)
	size := math.Min(float64(d.o.Height), float64(d.o.Width)*1.15)
	d.px = mul(size, c.between(0.19, 0.235))
	d.at = vec{mul(float64(d.w), c.between(0.47, 0.53)), mul(float64(d.h), c.between(0.45, 0.50))}
	x := c.between(-0.75, 0.75)
	l := math.Sqrt(1 + mul(x, x) + 0.25)
	d.sun = vec3{x / l, 0.5 / l, 1 / l}
	warm := c.between(-0.06, 0.06)
	half := mul(warm, 0.5)
	d.ambient, d.light = rgb{0.40 + half, 0.41, 0.44 - half}, rgb{0.72 + warm, 0.70, 0.67 - warm}
	switch d.o.Light {
	case "dusk":
		d.ambient, d.light = d.ambient.by(rgb{0.8, 0.66, 0.66}), d.light.by(rgb{1, 0.78, 0.56})
	case "night":
		d.ambient, d.light = d.ambient.times(0.5), d.light.by(rgb{0.75, 0.62, 0.46})
	}
	d.p.paintSkin(int(clamp(d.px*2.6, 48, 2000)))
	d.backdrop(c)
}

// backdrop draws what is out of focus behind the head.
func (d *portrait) backdrop(c chance) {
	top, foot := pick(c, []rgb{{120, 140, 156}, {158, 150, 138}, {98, 118, 104}, {170, 176, 180}, {110, 100, 108}, {140, 120, 100}}).vary(c, 0.15), rgb{}
	foot = top.times(0.62)
	b := d.back
	k := d.light.plus(d.ambient).times(0.9)
	seed := c.Uint64()
	for y := range d.h {
		for x := range d.w {
			u, v := float64(x)/float64(d.h), float64(y)/float64(d.h)
			col := top.to(foot, v).times(0.82 + mul(0.36, noise(seed, mul(u, 4), mul(v, 4)))).by(k)
			q := b.pix[4*(y*d.w+x):][:4]
			q[0], q[1], q[2], q[3] = uint8(clamp8(col[0])), uint8(clamp8(col[1])), uint8(clamp8(col[2])), 255
		}
	}
	for i := range b.label {
		b.label[i] = Void
	}
	for range 16 { // lights out of focus
		x, y, r := mul(c.Float64(), float64(d.w)), mul(c.Float64(), float64(d.h)), mul(float64(d.h), c.between(0.03, 0.09))
		col := top.to(pick(c, []rgb{{250, 236, 200}, {220, 232, 250}, {240, 210, 180}}), 0.8).by(k)
		for j := range 5 {
			b.fill(ellipse(d.poly[:0], x, y, mul(r, 1+mul(0.09, float64(j))), mul(r, 1+mul(0.09, float64(j)))), &paint{c: col, alpha: 0.045, label: Void})
		}
	}
}

// bump is a hill of height 1 at the origin and 0 from radius 1 on.
func bump(x, y float64) float64 {
	d := 1 - mul(x, x) - mul(y, y)
	if d <= 0 {
		return 0
	}
	return mul(d, mul(d, d))
}

// relief is how far a face stands out of its ellipsoid.
func (p *person) relief(x, y float64) float64 {
	a := math.Abs(x)
	h := mul(-0.14, bump((a-p.eyeX)/0.27, (y-0.02)/0.22))
	h += mul(0.05, bump((a-p.eyeX)/0.19, y/0.13))
	h += mul(0.06, bump((a-0.28)/0.34, (y-p.browY)/0.13))
	h += mul(0.07, bump((a-0.46)/0.34, (y+0.32)/0.32))
	// nose: a ridge that rises to its tip
	tip := -p.noseL + 0.04
	if y < 0.14 && y > tip-0.14 {
		t := clamp((0.14-y)/(0.14-tip), 0, 1)
		w := mul(p.noseW, lerp(0.13, 0.20, t))
		rise := mul(0.30, mul(t, math.Sqrt(t)))
		if y < tip {
			u := (tip - y) / 0.14
			rise = mul(rise, 1-mul(u, u))
		}
		h += mul(rise, bump(a/w, 0))
	}
	h += mul(0.11, bump((a-mul(0.125, p.noseW))/0.10, (y+p.noseL-0.01)/0.10))
	my := y - p.mouthY
	h += mul(0.07, bump(x/(p.mouthW*1.15), (my-mul(p.lip, 0.4))/0.09))
	h += mul(0.08, bump(x/(p.mouthW*0.95), (my+mul(p.lip, 0.75))/0.08))
	h -= mul(0.05, bump(x/0.22, (my+0.19)/0.07))
	h += mul(0.10, bump(x/mul(0.26, p.chin), (y+1.05)/0.18))
	// the fold from nose to mouth
	f := mul(0.13, p.noseW) + mul(-p.noseL-y, 0.45)
	h -= mul(mul(0.03, 0.2+p.age), bump((a-f-0.06)/0.10, (y-mul(p.mouthY-p.noseL, 0.5))/0.2))
	return h
}

// paintSkin fills the map of a face, n columns wide.
func (p *person) paintSkin(n int) {
	m := n * 13 / 10
	p.skinMap = mapOfSkin{n: n, m: m, colour: make([]rgb, n*m), slope: make([]vec, n*m)}
	texel := 2 / float64(n)
	for j := range m {
		y := 1.3 - mul(2.6/float64(m), float64(j)+0.5)
		for i := range n {
			x := mul(texel, float64(i)+0.5) - 1
			const e = 0.012
			h := p.relief(x, y)
			p.skinMap.slope[j*n+i] = vec{(p.relief(x+e, y) - h) / e, (p.relief(x, y+e) - h) / e}
			p.skinMap.colour[j*n+i] = p.colour(x, y, texel)
		}
	}
}

// colour is that of a place on a face, before the light falls on it.
func (p *person) colour(x, y, texel float64) rgb {
	a := math.Abs(x)
	edge := func(d float64) float64 { return clamp(d/(1.5*texel)+0.5, 0, 1) } // 1 inside, d from the edge
	c := p.skin.times(0.985 + mul(0.03, fbm(p.id, mul(x, 9)+40, mul(y, 9)+40)))
	red := p.skin.by(rgb{1.0, 0.80, 0.78})
	c = c.to(red, mul(0.5, bump((a-0.44)/0.36, (y+0.36)/0.34)))
	c = c.to(red, mul(0.4, bump(x/0.22, (y+p.noseL)/0.2)))
	c = c.to(p.skin.by(rgb{0.74, 0.68, 0.70}), mul(0.55, bump((a-p.eyeX)/0.24, (y+0.03)/0.17)))
	if p.stubble > 0 || p.beard > 0 {
		k := mul(clamp((-0.42-y)/0.25, 0, 1), 1-bump(x/0.3, (y+0.42)/0.2))
		k = mul(k, clamp((a-0.25+mul(clamp((p.mouthY+0.19-y)/0.06, 0, 1), 1))/0.1+bump(x/0.3, (y-p.mouthY-0.14)/0.09), 0, 1))
		grain := 0.75 + mul(0.5, fbm(p.id+5, mul(x, 60)+90, mul(y, 40)+90))
		c = c.to(p.hair.to(p.skin, 0.25), mul(mul(k, grain), mul(0.45, p.stubble)+mul(0.85, p.beard)))
	}
	c = p.mouth(c, x, y, edge)
	// nostrils
	c = c.to(p.skin.by(rgb{0.42, 0.3, 0.28}), mul(0.85, clamp(mul(2, bump((a-mul(0.075, p.noseW))/mul(0.058, p.noseW), (y+p.noseL+0.03)/0.032)), 0, 1)))
	// brows
	u := (a - p.eyeX + 0.02) / 0.22
	if u > -1 && u < 1 {
		mid := p.browY + mul(0.045, 1-mul(u, u)) + mul(0.05, mul(p.browTilt, u))
		thick := mul(p.browH, lerp(1.1, 0.35, clamp((u+1)/2, 0, 1)))
		hair := 0.6 + mul(0.5, fbm(p.id+3, mul(x, 50)+30, mul(y, 16)+mul(x, 20)+30))
		c = c.to(p.hair.times(0.75), clamp(mul(mul(clamp((thick-math.Abs(y-mid))/(thick*0.7), 0, 1), clamp(mul(1-math.Abs(u), 5), 0, 1)), hair), 0, 0.95))
	}
	return p.eye(c, x, y, edge)
}

func (p *person) mouth(c rgb, x, y float64, edge func(float64) float64) rgb {
	u := x / p.mouthW
	if math.Abs(u) > 1.15 {
		return c
	}
	arch := 1 - mul(u, u)
	line := p.mouthY + mul(p.smile, mul(u, u)) - mul(0.012, bump(u*2.5, 0))
	up := mul(p.lip, mul(arch, 0.85-mul(0.3, bump(u*4, 0))+mul(0.12, math.Min(math.Abs(u)*2, 1))))
	down := mul(p.lip, mul(arch, 1.15))
	if d := math.Min(line+up-y, y-line+down); arch > 0 {
		k := edge(d + 0.004)
		shade := lerp(0.84, 1.08, clamp((line-y)/p.lip+0.3, 0, 1))
		c = c.to(p.lips.times(shade), mul(k, 0.9))
	}
	k := edge(0.011 - math.Abs(y-line))
	return c.to(p.lips.times(0.35), mul(mul(k, 0.9), clamp(mul(1.12-math.Abs(u), 9), 0, 1)))
}

func (p *person) eye(c rgb, x, y float64, edge func(float64) float64) rgb {
	side := math.Copysign(1, x)
	dx := math.Abs(x) - p.eyeX // outward
	v := y - mul(dx, p.eyeTilt)
	u := dx / p.eyeW
	if math.Abs(u) > 1.5 || math.Abs(v) > 0.2 {
		return c
	}
	arch := 1 - mul(u, u)
	up, down := mul(p.eyeH, arch), mul(p.eyeH, mul(arch, -0.7))
	if math.Abs(u) < 1.02 {
		in := edge(math.Min(up-v, v-down))
		white := rgb{232, 226, 220}.times(lerp(0.72, 1, clamp((up-v)/mul(p.eyeH, 0.9), 0, 1))).times(1 - mul(0.22, mul(u, u)))
		r := length(mul(side, dx), v-0.004)
		white = white.to(p.iris.times(0.45), edge(0.071-r))
		white = white.to(p.iris.times(lerp(0.75, 1.35, clamp((0.02-v)/0.06, 0, 1))), edge(0.062-r))
		white = white.to(rgb{12, 10, 10}, edge(0.029-r))
		white = white.to(rgb{250, 250, 252}, mul(0.95, edge(0.014-length(mul(side, dx)+0.022, v-0.026))))
		c = c.to(white, in)
		lash := 0.013
		if p.woman {
			lash = 0.02
		}
		c = c.to(p.hair.times(0.3), mul(0.92, edge(mul(lash, 0.5+mul(0.5, arch))-math.Abs(v-up-0.004))))
		c = c.to(p.skin.times(0.45), mul(0.5, edge(0.005-math.Abs(v-down))))
	}
	// the lid's crease
	if math.Abs(u) < 1.25 {
		k := mul(p.eyeH, 1-mul(u, u)/1.6) + 0.045
		c = c.to(p.skin.by(rgb{0.62, 0.52, 0.52}), mul(0.6, clamp(1-math.Abs(v-k)/0.018, 0, 1)))
	}
	return c
}

// depth is that of the ellipsoid under a place of the head.
func depth(x, y float64) float64 {
	return mul(0.92, math.Sqrt(math.Max(0, 1-mul(x/0.82, x/0.82)-mul(y/1.28, y/1.28))))
}

// pose turns the head: yaw to the picture's right, pitch up, roll clockwise.
func (d *portrait) pose(yaw, pitch, roll float64) {
	sy, cy, sp, cp, sr, cr := sin(yaw), cos(yaw), sin(pitch), cos(pitch), sin(roll), cos(roll)
	// roll · pitch · yaw
	a := [9]float64{cy, 0, sy, mul(-sp, -sy), cp, mul(sp, cy), mul(-sy, cp), -sp, mul(cp, cy)}
	for i := range 3 {
		d.turn[i] = mul(cr, a[i]) + mul(sr, a[3+i])
		d.turn[3+i] = mul(cr, a[3+i]) - mul(sr, a[i])
		d.turn[6+i] = a[6+i]
	}
}

// point projects a place of the head.
func (d *portrait) point(x, y, z float64) vec {
	t := &d.turn
	return vec{d.at.x + mul(d.px, mul(t[0], x)+mul(t[1], y)+mul(t[2], z)), d.at.y - mul(d.px, mul(t[3], x)+mul(t[4], y)+mul(t[5], z))}
}

// tone is a colour in the light of a side: how far it looks toward the light, 0..1.
func (d *portrait) tone(c rgb, k float64) rgb { return c.by(d.ambient.plus(d.light.times(k))) }

// shape fills a smooth polygon of places of the head.
func (d *portrait) shape(p paint, pts ...vec3) {
	d.rough = d.rough[:0]
	for _, q := range pts {
		d.rough = append(d.rough, d.point(q.x, q.y, q.z))
	}
	d.poly = smooth(d.poly[:0], d.rough)
	d.rough = smooth(d.rough[:0], d.poly)
	p.label = Void
	d.now.fill(d.rough, &p)
}

// skinAt is the colour of a pixel of the face in the light.
func (d *portrait) skinAt(px, py int) rgb {
	x, y := (float64(px)+0.5-d.at.x)/d.px, (d.at.y-float64(py)-0.5)/d.px
	z := depth(x, y)
	t := &d.turn
	lx := mul(t[0], x) + mul(t[3], y) + mul(t[6], z)
	ly := mul(t[1], x) + mul(t[4], y) + mul(t[7], z)
	m := &d.p.skinMap
	i := min(max(int(mul(lx+1, float64(m.n)/2)), 0), m.n-1)
	j := min(max(int(mul(1.3-ly, float64(m.m)/2.6)), 0), m.m-1)
	at := j*m.n + i
	s := m.slope[at]
	// the ellipsoid's normal, tilted by the relief's slope
	nx, ny, nz := x/0.672-s.x*1.0, y/1.64-s.y*1.0, z/0.85+0.25
	l := math.Sqrt(mul(nx, nx) + mul(ny, ny) + mul(nz, nz))
	k := (mul(nx, d.sun.x) + mul(ny, d.sun.y) + mul(nz, d.sun.z)) / l
	k = clamp(mul(0.85, k)+0.15, 0, 1.2)
	// light that the skin throws back
	g := clamp((mul(nz, 0.8)+mul(nx, mul(d.sun.x, 0.9))+mul(ny, 0.35))/l, 0, 1)
	g = mul(g, g)
	g = mul(g, g)
	g = mul(g, g)
	return d.tone(m.colour[at], k).plus(d.light.times(mul(26, mul(g, g))))
}

// hairAt is the colour of a pixel of hair in the light: as of a ball about the head.
func (d *portrait) hairAt(px, py int) rgb {
	x, y := clamp((float64(px)-d.at.x)/d.px, -1, 1), clamp((d.at.y-float64(py))/d.px-0.3, -1, 1)
	k := 0.62 + mul(0.45, mul(x, d.sun.x)) - mul(0.28, mul(x, x)) + mul(0.22, y)
	return d.tone(d.p.hair.times(d.shade), clamp(k, 0.1, 1))
}

// frame draws the head at t seconds.
func (d *portrait) frame(t float64, n uint64, buf []byte, truth *Truth) {
	if i := int64(math.Floor(t / turnSeconds)); i != d.who {
		d.begin(i)
	}
	c := d.now
	copy(c.pix, d.back.pix)
	copy(c.label, d.back.label)
	clear(c.id)
	rest := newWave(mix64(d.seed, uint64(d.who)))
	d.pose(rest.at(t, 0, 0.34), rest.at(t, 1, 0.13)+0.02, rest.at(t, 2, 0.10))
	d.fall()
	d.body()
	d.ears()
	d.face()
	d.hairdo()
	if d.p.glasses {
		d.spectacles()
	}
	blink := t - mul(3.1, math.Floor(t/3.1))
	if blink < 0.14 {
		d.lids()
	}
	dx, dy := d.sensor.shake(t)
	ox, oy := d.sensor.expose(c, d.margin, dx, dy, n, buf)
	d.truth(truth, buf, ox, oy)
}

// wave is a slow movement, different for each seed.
type wave struct{ seed uint64 }

func newWave(seed uint64) wave { return wave{seed} }

func (w wave) at(t float64, axis uint64, most float64) float64 {
	p, q := unit(mix64(w.seed, axis)), unit(mix64(w.seed, axis+10))
	return mul(most, mul(0.6, sin(mul(t, 0.7+mul(0.5, q))+mul(6.28, p)))+mul(0.4, sin(mul(t, 1.9)+mul(6.28, q))))
}

func (d *portrait) body() {
	p := d.p
	k := 0.62
	// the body does not turn with the head
	at := func(x, y float64) vec { return vec{d.at.x + mul(d.px, x), d.at.y - mul(d.px, y)} }
	fill := func(pt paint, pts ...vec) {
		d.poly = smooth(d.poly[:0], pts)
		pt.label = Void
		d.now.fill(d.poly, &pt)
	}
	from := clamp(mul(d.sun.x, 1.2), -0.8, 0.8)
	neck := 0.40
	if !p.woman {
		neck = 0.49
	}
	low := -float64(d.h) / d.px
	fill(paint{c: d.tone(p.skin.times(0.80), k), round: 0.35, from: from}, at(-neck, -0.5), at(neck, -0.5), at(neck+0.02, -1.45), at(neck+0.25, -1.75), at(-neck-0.25, -1.75), at(-neck-0.02, -1.45))
	shoulder := 1.75
	if !p.woman {
		shoulder = 2.0
	}
	fill(paint{c: d.tone(p.top, k), round: 0.35, from: from, fold: mul(0.5, d.px)}, at(-neck-0.05, -1.38), at(-neck-0.3, -1.55), at(-shoulder*0.8, -1.78), at(-shoulder, -2.2), at(-shoulder-0.1, low), at(shoulder+0.1, low), at(shoulder, -2.2), at(shoulder*0.8, -1.78), at(neck+0.3, -1.55), at(neck+0.05, -1.38),
		at(neck*0.7, -1.62), at(0, -1.8), at(-neck*0.7, -1.62))
	dark := d.tone(p.top.times(0.72), k)
	switch p.collar {
	case 0: // shirt
		for _, s := range [...]float64{-1, 1} {
			fill(paint{c: d.tone(p.top.to(rgb{255, 255, 255}, 0.25), k)}, at(s*(neck+0.04), -1.36), at(s*(neck+0.22), -1.56), at(mul(s, 0.26), -1.98), at(mul(s, 0.02), -1.8))
		}
	case 1: // round
		fill(paint{c: dark}, at(-neck-0.07, -1.38), at(-neck*0.7, -1.66), at(0, -1.85), at(neck*0.7, -1.66), at(neck+0.07, -1.38), at(neck*0.7, -1.58), at(0, -1.76), at(-neck*0.7, -1.58))
	default: // a jacket's lapels
		for _, s := range [...]float64{-1, 1} {
			fill(paint{c: dark}, at(s*(neck+0.1), -1.42), at(s*(neck+0.42), -1.66), at(mul(s, 0.6), -2.3), at(mul(s, 0.1), -3.0), at(mul(s, 0.16), -2.1))
		}
	}
	// the chin's shadow
	for i := range 4 {
		g := mul(0.07, float64(i))
		fill(paint{c: d.tone(p.skin.times(0.4), 0.3), alpha: 0.2}, at(-neck, -0.9), at(neck, -0.9), at(neck, g-1.22), at(mul(d.sun.x, -0.2), g-1.48), at(-neck, g-1.22))
	}
}

// fall draws hair that hangs down behind the body.
func (d *portrait) fall() {
	p := d.p
	if p.long {
		w := p.width + 0.16 + p.volume
		d.shade = 0.7
		d.shape(paint{shader: d.hair}, vec3{-w, 0.3, -0.4}, vec3{mul(-w, 0.8), 1.15 + p.volume, -0.2}, vec3{0, 1.35 + p.volume, -0.2}, vec3{mul(w, 0.8), 1.15 + p.volume, -0.2}, vec3{w, 0.3, -0.4},
			vec3{w + 0.06, -0.8, -0.4}, vec3{w, -1.75, -0.3}, vec3{mul(w, 0.5), -1.95, -0.3}, vec3{mul(w, -0.5), -1.95, -0.3}, vec3{-w, -1.75, -0.3}, vec3{-w - 0.06, -0.8, -0.4})
	}
}

func (d *portrait) ears() {
	p := d.p
	for _, s := range [...]float64{-1, 1} {
		x := mul(s, p.width)
		k := clamp(0.5+mul(s, mul(d.sun.x, 0.4)), 0.15, 0.9)
		d.shape(paint{c: d.tone(p.skin.by(rgb{0.96, 0.84, 0.82}), k), round: 0.2}, vec3{x, 0.16, -0.05}, vec3{x + mul(s, 0.12), 0.2, -0.15}, vec3{x + mul(s, 0.15), 0, -0.15}, vec3{x + mul(s, 0.09), -0.3, -0.1}, vec3{x - mul(s, 0.02), -0.4, -0.05})
		d.shape(paint{c: d.tone(p.skin.by(rgb{0.68, 0.52, 0.5}), k), alpha: 0.6}, vec3{x + mul(s, 0.03), 0.1, -0.05}, vec3{x + mul(s, 0.09), 0.1, -0.1}, vec3{x + mul(s, 0.08), -0.1, -0.1}, vec3{x + mul(s, 0.03), -0.2, -0.05})
	}
}

func (d *portrait) face() {
	p := d.p
	w := p.width / 0.76
	j, ch := mul(w, p.jaw), mul(mul(w, p.jaw), p.chin)
	half := [...]vec{{0, 1.17}, {0.42 * w, 1.08}, {0.66 * w, 0.80}, {0.76 * w, 0.45}, {0.77 * w, 0.1}, {0.75 * w, -0.25}, {0.67 * j, -0.60}, {0.50 * j, -0.92}, {0.27 * ch, -1.13}, {0.1 * ch, -1.18}}
	var pts [20]vec3
	n := 0
	for _, q := range half {
		pts[n] = vec3{q.x, q.y, 0.12}
		n++
	}
	for i := len(half) - 1; i > 0; i-- {
		pts[n] = vec3{-half[i].x, half[i].y, 0.12}
		n++
	}
	d.shape(paint{shader: d.skin}, pts[:n]...)
}

// hairdo draws the hair over the forehead, strand by strand.
func (d *portrait) hairdo() {
	p := d.p
	if p.bald {
		return
	}
	w, v := p.width, p.volume
	line := p.hairline
	low := 0.05
	if p.long {
		low = -0.5
	}
	d.shade = 1
	f := func(x float64) float64 { return depth(clamp(x, -0.7, 0.7), line) }
	part := mul(p.parting, w)
	front := line
	if p.fringe {
		front = p.browY + 0.10
	}
	d.shape(paint{shader: d.hair},
		vec3{-w - 0.03, low, 0.05}, vec3{-w - 0.06 - mul(v, 0.7), 0.5, 0}, vec3{mul(-w, 0.82) - v, 0.98 + mul(v, 0.7), 0}, vec3{mul(-w, 0.4), 1.2 + v, 0}, vec3{mul(w, 0.4), 1.2 + v, 0}, vec3{mul(w, 0.82) + v, 0.98 + mul(v, 0.7), 0}, vec3{w + 0.06 + mul(v, 0.7), 0.5, 0}, vec3{w + 0.03, low, 0.05},
		vec3{w - 0.05, low, 0.2}, vec3{w - 0.08, 0.38, 0.35}, vec3{mul(w, 0.72), front - 0.08, f(mul(w, 0.72))}, vec3{part + 0.1, front + 0.02, f(part)}, vec3{part - 0.1, front + 0.02, f(part)}, vec3{mul(-w, 0.72), front - 0.08, f(mul(w, 0.72))}, vec3{-w + 0.08, 0.38, 0.35}, vec3{-w + 0.05, low, 0.2})
	for i := range 110 {
		h := mix64(p.strands, uint64(i))
		a, b, shade := unit(h), unit(mix64(h, 1)), unit(mix64(h, 2))
		// from the parting out to the side
		side := math.Copysign(1, a-0.5)
		s := math.Abs(a-0.5) * 2
		x0, y0 := part, lerp(front+0.1, 1.12+v, b)
		x1 := mul(side, w-0.02-mul(0.3, mul(b, 1-s)))
		y1 := lerp(0.95, low+0.12, s)
		mx, my := mul(mul(side, w), 0.55)+mul(part, 0.3), math.Max(y0, lerp(front, 1.15+v, b))-mul(0.12, s)
		z0, zm := depth(clamp(x0, -0.7, 0.7), math.Min(y0, 1.1)), depth(clamp(mx, -0.7, 0.7), math.Min(my, 1.1))
		c := d.tone(p.hair.times(0.72+mul(0.75, shade)), clamp(0.5+mul(0.35, mul(side, d.sun.x)), 0, 1))
		wide := math.Max(mul(d.px, 0.012), 0.4)
		q0, q1, q2 := d.point(x0, y0, z0), d.point(mx, my, zm), d.point(x1, y1, 0.1)
		const steps = 6
		d.poly = d.poly[:0]
		for k := range 2*steps + 2 {
			t := float64(k) / steps
			off := -wide
			if k > steps {
				t, off = float64(2*steps+1-k)/steps, wide
			}
			u := 1 - t
			uu, ut, tt := mul(u, u), mul(2*u, t), mul(t, t)
			// strands are thinner at their ends
			thin := mul(off, 0.25+mul(1.5, mul(t, u)*2))
			d.poly = append(d.poly, vec{mul(uu, q0.x) + mul(ut, q1.x) + mul(tt, q2.x), mul(uu, q0.y) + mul(ut, q1.y) + mul(tt, q2.y) + thin})
		}
		d.now.fill(d.poly, &paint{c: c, alpha: 0.5, label: Void})
	}
}

func (d *portrait) spectacles() {
	p := d.p
	ring := func(cx, rx, ry float64, back bool) {
		for i := range 25 {
			a := mul(math.Pi/12, float64(i))
			if back {
				a = -a
			}
			d.poly = append(d.poly, d.point(cx+mul(rx, cos(a)), mul(ry, sin(a))-0.01, 0.98))
		}
	}
	rod := func(a, b vec) {
		r := math.Max(mul(d.px, 0.014), 0.4)
		d.poly = capsule(d.poly[:0], a, r, b, r)
		d.now.fill(d.poly, &paint{c: rgb{28, 26, 28}, label: Void})
	}
	for _, s := range [...]float64{-1, 1} {
		cx := mul(s, p.eyeX)
		d.poly = d.poly[:0]
		ring(cx, 0.245, 0.19, false)
		ring(cx, 0.215, 0.16, true)
		d.now.fill(d.poly, &paint{c: rgb{28, 26, 28}, label: Void})
		rod(d.point(mul(s, p.eyeX+0.23), 0.03, 0.95), d.point(mul(s, p.width+0.04), 0.06, 0.1))
	}
	rod(d.point(p.eyeX-0.23, 0.02, 0.98), d.point(0.23-p.eyeX, 0.02, 0.98))
}

// lids closes the eyes.
func (d *portrait) lids() {
	p := d.p
	for _, s := range [...]float64{-1, 1} {
		x, z := mul(s, p.eyeX), depth(p.eyeX, 0)
		c := d.tone(p.skin.times(0.86), 0.6)
		d.shape(paint{c: c}, vec3{x - p.eyeW, 0, z}, vec3{x, mul(p.eyeH, 1.5), z}, vec3{x + p.eyeW, 0, z}, vec3{x, mul(p.eyeH, -1.3), z})
		d.shape(paint{c: p.hair.times(0.3)}, vec3{x - p.eyeW, -0.01, z}, vec3{x, mul(p.eyeH, -0.9) + 0.012, z}, vec3{x + p.eyeW, -0.01, z}, vec3{x, mul(p.eyeH, -0.9) - 0.012, z})
	}
}

func (d *portrait) truth(t *Truth, buf []byte, ox, oy int) {
	w, h := d.o.Width, d.o.Height
	t.Width, t.Height = w, h
	t.Objects, t.Faces = t.Objects[:0], t.Faces[:0]
	t.Labels, t.IDs = buf[3*w*h:4*w*h:4*w*h], buf[4*w*h:5*w*h:5*w*h]
	for i := range t.Labels {
		t.Labels[i], t.IDs[i] = Void, 0
	}
	p := d.p
	point := func(x, y, z float64) [2]float64 {
		q := d.point(x, y, z)
		return [2]float64{q.x - float64(ox), q.y - float64(oy)}
	}
	corner := p.mouthY + p.smile
	f := Face{Identity: p.id, Landmarks: [5][2]float64{
		point(-p.eyeX, 0, depth(p.eyeX, 0)), point(p.eyeX, 0, depth(p.eyeX, 0)), point(0, 0.04-p.noseL, 1.2),
		point(-p.mouthW, corner, depth(p.mouthW, corner)), point(p.mouthW, corner, depth(p.mouthW, corner))}}
	l, r := point(-p.width, -0.2, 0.2), point(p.width, -0.2, 0.2)
	top, foot := point(0, p.browY+0.2, depth(0, p.browY+0.2)), point(0, -1.18, 0.3)
	f.Box = [4]float64{l[0], top[1], r[0] - l[0], foot[1] - top[1]}
	t.Faces = append(t.Faces, f)
}
