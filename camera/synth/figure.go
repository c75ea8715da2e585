package synth

import (
	"math"
	"slices"
)

// looks is what a person is like, in metres of a person of 1.75 m.
type looks struct {
	scale          float64 // of all lengths
	build          float64 // width, 1 for slim
	skin, hair     rgb
	top, under     rgb // jacket or shirt, and its second colour
	bottom, shoes  rgb
	bag            rgb
	hairStyle      int // of hairStyles
	upper          int // of uppers
	lower          int // of lowers
	carries        int // of carried
	stripes        bool
	step, swing    float64 // how far legs and arms swing, radians
	speed          float64 // metres a second
	sway           float64
	woman, bearded bool
}

const (
	shortHair = iota
	longHair
	bun
	bald
	peaked
	hood
)

const (
	shirt = iota // short sleeves
	jumper
	jacket // open, the shirt showing
	coat
)

const (
	trousers = iota
	shorts
	skirt
)

const (
	nothing = iota
	backpack
	shoulderBag
	handbag
)

var (
	skins    = []rgb{{236, 196, 170}, {226, 180, 148}, {205, 155, 120}, {176, 124, 88}, {138, 92, 64}, {98, 64, 46}, {226, 186, 160}}
	hairs    = []rgb{{34, 28, 26}, {52, 38, 30}, {84, 58, 38}, {124, 86, 50}, {178, 140, 84}, {150, 146, 142}, {30, 26, 30}, {110, 52, 30}}
	cloths   = []rgb{{42, 48, 62}, {28, 28, 32}, {84, 88, 92}, {140, 32, 38}, {36, 74, 128}, {196, 190, 178}, {60, 96, 66}, {120, 84, 56}, {222, 222, 218}, {196, 150, 60}, {92, 56, 98}, {52, 120, 130}, {200, 96, 74}, {150, 160, 172}}
	trouser  = []rgb{{44, 56, 84}, {30, 32, 38}, {72, 88, 118}, {96, 88, 74}, {54, 54, 56}, {140, 126, 100}, {36, 44, 64}}
	footwear = []rgb{{30, 28, 28}, {70, 48, 34}, {222, 222, 220}, {60, 62, 70}}
)

func newLooks(seed uint64) looks {
	c := newChance(seed, 2)
	l := looks{
		scale: c.between(0.93, 1.06), build: c.between(0.92, 1.16), skin: pick(c, skins).vary(c, 0.06), hair: pick(c, hairs).vary(c, 0.15),
		top: pick(c, cloths).vary(c, 0.2), under: pick(c, cloths).vary(c, 0.2), bottom: pick(c, trouser).vary(c, 0.2), shoes: pick(c, footwear),
		bag: pick(c, cloths).vary(c, 0.2), upper: c.IntN(4), step: c.between(0.38, 0.48), swing: c.between(0.3, 0.55), sway: c.Float64(),
		stripes: c.yes(0.12), woman: c.yes(0.5),
	}
	l.hairStyle = pick(c, []int{shortHair, shortHair, shortHair, bald, peaked, hood})
	l.lower = pick(c, []int{trousers, trousers, trousers, trousers, shorts})
	l.bearded = !l.woman && c.yes(0.3)
	if l.woman {
		l.scale *= 0.94
		l.hairStyle = pick(c, []int{longHair, longHair, longHair, bun, shortHair, peaked})
		l.lower = pick(c, []int{trousers, trousers, trousers, skirt, shorts})
	}
	if c.yes(0.1) {
		l.scale *= c.between(0.62, 0.85) // a child
		l.build *= 1.08
	}
	l.carries = pick(c, []int{nothing, nothing, nothing, backpack, shoulderBag, handbag})
	l.speed = mul(l.scale, mul(2.9, l.step))
	return l
}

// pose is how a person stands at a moment.
type pose struct {
	phase   float64 // of the gait: a turn is two steps
	walk    float64 // 1 walking .. 0 standing
	heading float64 // radians: 0 to the right, π/2 away from the camera
	riding  bool    // on a bicycle, phase turning the pedals
}

// part is a piece of a figure: a polygon in metres, x to the right and y up from the ground between the feet.
type part struct {
	from, to int     // its points
	z        float64 // away from the camera, from the figure's middle
	key      float64 // parts are drawn from the greatest on: z, and what lies over what
	p        paint
}

// figure collects the parts of a person.
type figure struct {
	points []vec
	parts  []part
	order  []int
	lx, lz float64 // direction of the heading: to the right, away
	scale  float64
}

// add ends a part whose points begin at from.
func (g *figure) add(from int, z, key float64, c rgb, round float64) *part {
	for i := from; i < len(g.points); i++ {
		g.points[i].x, g.points[i].y = mul(g.points[i].x, g.scale), mul(g.points[i].y, g.scale)
	}
	g.parts = append(g.parts, part{from: from, to: len(g.points), z: mul(z, g.scale), key: mul(key, g.scale), p: paint{c: c, round: round}})
	return &g.parts[len(g.parts)-1]
}

// screen turns a point of the body (forward, up, to its right) to x, y and distance as the camera sees them.
func (g *figure) screen(fwd, up, right float64) vec3 {
	return vec3{mul(fwd, g.lx) + mul(right, g.lz), up, mul(fwd, g.lz) - mul(right, g.lx)}
}

func (g *figure) limb(a vec3, ra float64, b vec3, rb float64, c rgb, z float64) *part {
	n := len(g.points)
	g.points = capsule(g.points, vec{a.x, a.y}, ra, vec{b.x, b.y}, rb)
	mid := mul(a.z+b.z, 0.5)
	return g.add(n, mid, mid+z, c, 0.42)
}

func (g *figure) blob(x, y, rx, ry, z float64, c rgb) *part {
	n := len(g.points)
	g.points = ellipse(g.points, x, y, rx, ry)
	return g.add(n, z, z, c, 0.32)
}

func (g *figure) shape(z float64, c rgb, round float64, poly ...vec) *part {
	n := len(g.points)
	g.points = smooth(g.points, poly)
	return g.add(n, z, z, c, round)
}

// across is the half width of a body of half width w and half depth d.
func (g *figure) across(w, d float64) float64 { return length(mul(w, g.lz), mul(d, g.lx)) }

// pose draws a person into the figure. detail is pixels per metre.
func (g *figure) pose(l *looks, p pose, detail float64) {
	g.points, g.parts, g.scale = g.points[:0], g.parts[:0], l.scale
	g.lx, g.lz = cos(p.heading), sin(p.heading)
	const thigh, shin, ankle = 0.44, 0.43, 0.085
	var knee, foot [2]vec3
	var hipY float64
	var leg [2]float64
	if p.riding {
		hipY = 1.0
	} else {
		// the pelvis is as high as the longer leg lets it be
		for i := range 2 {
			ph := p.phase + mul(math.Pi, float64(i))
			swing := math.Max(cos(ph+0.25), 0)
			swing = mul(swing, swing)
			t := mul(p.walk, mul(l.step, sin(ph))+0.03+mul(0.16, swing))
			k := 0.04 + mul(p.walk, mul(0.86, swing)+0.05)
			leg[i] = t
			h := ankle + mul(thigh, cos(t)) + mul(shin, cos(t-k))
			hipY = math.Max(hipY, h)
			knee[i].y = k
		}
	}
	lean := mul(p.walk, 0.035)
	if p.riding {
		lean = 0.42
	}
	behind := 0.3 // the upper body is drawn over the legs
	if p.riding {
		behind = 0
	}
	for i := range 2 {
		side := 0.085 * float64(1-2*i)
		var kf, ky, ff, fy float64
		if p.riding {
			// the foot is on its pedal, the knee where both bones reach it
			a := p.phase + mul(math.Pi, float64(i))
			ff, fy = 0.16+mul(0.17, cos(a)), 0.30-mul(0.17, sin(a))+ankle
			dx, dy := ff, fy-hipY
			d := math.Min(length(dx, dy), thigh+shin-0.01)
			u := (mul(thigh, thigh) - mul(shin, shin) + mul(d, d)) / (2 * d)
			v := math.Sqrt(math.Max(mul(thigh, thigh)-mul(u, u), 0))
			kf, ky = mul(dx/d, u)-mul(dy/d, v), hipY+mul(dy/d, u)+mul(dx/d, v)
		} else {
			t, k := leg[i], knee[i].y
			kf, ky = mul(thigh, sin(t)), hipY-mul(thigh, cos(t))
			ff, fy = kf+mul(shin, sin(t-k)), ky-mul(shin, cos(t-k))
		}
		hip := g.screen(0, hipY, side)
		knee[i] = g.screen(kf, ky, mul(side, 1.02))
		foot[i] = g.screen(ff, fy, side)
		trouserLeg := l.bottom
		shinColour := trouserLeg
		if l.lower != trousers {
			shinColour = l.skin
		}
		if l.lower == skirt {
			trouserLeg = l.skin
		}
		w := l.build
		// toes point down while the foot is off the ground
		tip := clamp(mul(1.2, fy-ankle), 0, 0.12)
		toe := g.screen(ff+0.14, fy-ankle+0.03-mul(tip, 0.8), mul(side, 1.25))
		heel := g.screen(ff-0.055, fy-ankle+0.035+mul(tip, 0.3), side)
		g.limb(heel, 0.036, toe, 0.028, l.shoes, behind+0.02)
		g.limb(foot[i], 0.043, vec3{(toe.x + foot[i].x) / 2, fy - 0.03, toe.z}, 0.036, l.shoes, behind+0.02)
		if l.lower == trousers {
			g.limb(knee[i], 0.06*w, vec3{foot[i].x, foot[i].y - 0.02, foot[i].z}, 0.047, shinColour, behind+0.01)
		} else {
			mid := vec3{lerp(knee[i].x, foot[i].x, 0.35), lerp(knee[i].y, foot[i].y, 0.35), lerp(knee[i].z, foot[i].z, 0.35)}
			g.limb(mid, 0.055*w, foot[i], 0.034, shinColour, behind+0.011)
			g.limb(knee[i], 0.05*w, mid, 0.055*w, shinColour, behind+0.01)
		}
		if l.lower == shorts {
			hem := vec3{lerp(hip.x, knee[i].x, 0.9), lerp(hip.y, knee[i].y, 0.9), lerp(hip.z, knee[i].z, 0.9)}
			g.limb(knee[i], 0.055*w, hem, 0.055*w, l.skin, behind+0.008)
			g.limb(hip, 0.092*w, hem, 0.08*w, trouserLeg, behind)
		} else {
			g.limb(hip, 0.088*w, knee[i], 0.062*w, trouserLeg, behind)
		}
	}
	up := hipY - 0.94 // how much higher than in a standing body
	if p.riding {
		up = hipY - 0.90
	}
	g.torso(l, p, up, lean, knee, detail)
	g.arms(l, p, up, lean)
	for i := range g.parts {
		if q := &g.parts[i].p; q.c != l.skin {
			q.fold = mul(0.085, detail)
			if i%2 == 1 {
				q.fold = mul(-0.07, detail)
			}
		}
	}
	g.head(l, up, lean, detail)
	g.sort()
}

// at is a point of the upper body, which leans about the hips.
func (g *figure) at(fwd, y, right, up, lean float64) vec3 {
	h := y - 0.94
	return g.screen(fwd+mul(h, sin(lean)), 0.94+up+mul(h, cos(lean))-mul(fwd, sin(lean)), right)
}

func (g *figure) torso(l *looks, p pose, up, lean float64, knee [2]vec3, detail float64) {
	w := l.build
	spine := func(y float64) vec3 { return g.at(0, y, 0, up, lean) }
	chest := 0.0
	if l.woman {
		w *= 0.92
		chest = 0.015
	}
	// half widths of the outline from the neck down
	levels := [...]struct{ y, w, d float64 }{
		{1.515, 0.06, 0.06}, {1.475, 0.13, 0.085}, {1.44, 0.19 * w, 0.10}, {1.34, 0.20 * w, 0.12 + chest}, {1.22, 0.174 * w, 0.128 + chest},
		{1.08, 0.150 * w, 0.112}, {0.97, 0.166 * w, 0.126}, {0.87, 0.172 * w, 0.13},
	}
	hem := len(levels)
	outline := func(c rgb, z, grow float64, n int, tail ...vec) *part {
		var poly [32]vec
		k := 0
		for _, v := range levels[:n] {
			s := spine(v.y)
			poly[k] = vec{s.x - g.across(v.w, v.d) - grow, s.y}
			k++
		}
		k += copy(poly[k:], tail)
		for i := n - 1; i >= 0; i-- {
			s := spine(levels[i].y)
			poly[k] = vec{s.x + g.across(levels[i].w, levels[i].d) + grow, s.y}
			k++
		}
		return g.shape(z, c, 0.38, poly[:k]...)
	}
	if l.lower == skirt && !p.riding {
		s := spine(1.04)
		low := 0.52 + up
		x0, x1 := math.Min(knee[0].x, knee[1].x)-0.10, math.Max(knee[0].x, knee[1].x)+0.10
		a := g.across(0.155*w, 0.11)
		g.shape(-0.005, l.bottom, 0.4, vec{s.x - a, s.y}, vec{s.x - a - 0.03, 0.85 + up}, vec{math.Min(x0, s.x-a-0.03), low}, vec{s.x, low - 0.015}, vec{math.Max(x1, s.x+a+0.03), low}, vec{s.x + a + 0.03, 0.85 + up}, vec{s.x + a, s.y})
	}
	back := 0.0
	if p.riding {
		back = 0.02
	}
	switch {
	case l.upper == coat && !p.riding:
		low := 0.58 + up
		s := spine(0.9)
		a := g.across(0.2*w, 0.15)
		x0, x1 := math.Min(s.x-a, math.Min(knee[0].x, knee[1].x)-0.05), math.Max(s.x+a, math.Max(knee[0].x, knee[1].x)+0.05)
		outline(l.top, back-0.01, 0.012, hem, vec{x0, low}, vec{s.x, low - 0.02}, vec{x1, low})
	default:
		b := outline(l.top, back-0.01, 0.005, hem)
		if l.stripes {
			b.p.stripe, b.p.period = l.under, 0.07*detail
		}
	}
	facing := -g.lz // 1 when the person looks at the camera
	if (l.upper == jacket || l.upper == coat) && facing > 0.2 {
		// what is worn below shows between the lapels
		s, n := spine(1.0), spine(1.48)
		x := mul(g.lx, 0.07)
		k := mul(0.075, facing)
		top, half := n.x+mul(x, 0.5), mul(k, 0.5)
		g.shape(-0.02, l.under, 0.1, vec{top - k, n.y + 0.02}, vec{top + k, n.y + 0.02}, vec{s.x + x + half, s.y}, vec{s.x + x - half, s.y})
	}
	// neck
	a, b := spine(1.47), g.at(0.015, 1.56, 0, up, lean)
	g.limb(vec3{a.x, a.y, 0}, 0.056, vec3{b.x, b.y, 0}, 0.05, l.skin.times(0.86), -0.012)
	switch l.carries {
	case backpack:
		m, h := g.at(-0.17, 1.15, 0, up, lean), g.at(-0.16, 1.36, 0, up, lean)
		r, foot := g.across(0.13, 0.085), g.across(0.14, 0.092)
		g.shape(m.z, l.bag, 0.35, vec{h.x - r, h.y + 0.07}, vec{h.x + r, h.y + 0.07}, vec{m.x + foot, m.y - 0.13}, vec{m.x - foot, m.y - 0.13})
		if facing > 0.1 { // straps
			for _, side := range [...]float64{-0.11, 0.11} {
				g.limb(g.at(0.09, 1.44, side, up, lean), 0.018, g.at(0.11, 1.2, mul(side, 1.1), up, lean), 0.018, l.bag, -0.12)
			}
		}
	case shoulderBag:
		q := g.at(0.02, 0.95, 0.2*w, up, 0)
		r := g.across(0.05, 0.14)
		g.shape(q.z, l.bag, 0.2, vec{q.x - r, q.y + 0.1}, vec{q.x + r, q.y + 0.1}, vec{q.x + r, q.y - 0.1}, vec{q.x - r, q.y - 0.1})
		z := -0.1
		if facing < 0 {
			z = 0.1 * facing
		}
		g.limb(g.at(0.08*facing, 1.44, -0.08, up, lean), 0.014, q, 0.014, l.bag.times(0.8), z)
	}
}

func (g *figure) arms(l *looks, p pose, up, lean float64) {
	w := l.build
	sleeve := l.top
	for i := range 2 {
		side := float64(1 - 2*i)
		ph := p.phase + mul(math.Pi, float64(1-i)) // arms go against the legs
		t := mul(mul(p.walk, l.swing), sin(ph)) - mul(0.05, 1-p.walk)
		bend := 0.22 + mul(p.walk, mul(0.3, math.Max(sin(ph), 0)))
		if l.carries == handbag && i == 0 {
			t, bend = mul(t, 0.4), 0.1
		}
		if p.walk == 0 && l.sway > 0.7 && i == 1 {
			t, bend = 0.2, 2.1 // on the telephone
		}
		out := mul(0.18, w) + 0.045
		sh := [3]float64{0, 1.395, mul(side, 0.172*w)}
		var eb, hd [3]float64
		if p.riding {
			eb = [3]float64{0.18, 1.22, mul(side, 0.24)}
			hd = [3]float64{0.40, 1.20, mul(side, 0.22)}
		} else {
			eb = [3]float64{mul(0.29, sin(t)), 1.395 - mul(0.29, cos(t)), mul(side, out)}
			hd = [3]float64{eb[0] + mul(0.26, sin(t+bend)), eb[1] - mul(0.26, cos(t+bend)), mul(side, out-0.006)}
		}
		place := func(q [3]float64) vec3 { return g.at(q[0], q[1], q[2], up, lean) }
		s, e, h := place(sh), place(eb), place(hd)
		reach := vec3{lerp(e.x, h.x, 1.18), lerp(e.y, h.y, 1.18), h.z}
		g.limb(h, 0.034, reach, 0.036, l.skin, 0)
		if l.upper == shirt {
			g.limb(e, 0.041*w, h, 0.031, l.skin, 0)
			m := vec3{lerp(s.x, e.x, 0.62), lerp(s.y, e.y, 0.62), lerp(s.z, e.z, 0.62)}
			g.limb(m, 0.043*w, e, 0.041*w, l.skin, 0)
			g.limb(s, 0.056*w, m, 0.053*w, sleeve, 0)
		} else {
			g.limb(e, 0.046*w, h, 0.038, sleeve, 0)
			g.limb(s, 0.057*w, e, 0.047*w, sleeve, 0)
		}
		if l.carries == handbag && i == 0 && !p.riding {
			r, top := g.across(0.05, 0.13), g.across(0.035, 0.09)
			y := h.y - 0.16
			g.shape(h.z-0.01, l.bag, 0.2, vec{h.x - top, y + 0.1}, vec{h.x + top, y + 0.1}, vec{h.x + r, y - 0.12}, vec{h.x - r, y - 0.12})
		}
	}
}

func (g *figure) head(l *looks, up, lean float64, detail float64) {
	// the head is held up, however much the body leans
	root := g.at(0, 1.5, 0, up, lean)
	at := func(fwd, up float64) vec {
		p := g.screen(fwd, up, 0)
		return vec{root.x + p.x, root.y + p.y}
	}
	m := at(0.025, 0.145)
	facing, side := -g.lz, g.lx
	rx := g.across(0.081, 0.097)
	const z = -0.015
	hair := l.hair
	bare := l.hairStyle == bald
	if bare {
		hair = l.skin.times(0.97)
	}
	if l.hairStyle == hood {
		hair = l.top.times(0.9)
	}
	if l.hairStyle == longHair {
		back := mul(-0.02, side)
		wide, end := mul(rx, 1.1), mul(rx, 1.15)
		zz := z + 0.004
		if facing < 0 {
			zz = z - 0.01
		}
		crown, shoulder := m.x+mul(back, 2), m.x+mul(back, 3.5)
		g.shape(zz, hair, 0.3, vec{crown - wide, m.y + 0.02}, vec{m.x + back - rx, m.y + 0.11}, vec{m.x + back + rx, m.y + 0.11}, vec{crown + wide, m.y + 0.02},
			vec{shoulder + end, m.y - 0.17}, vec{shoulder, m.y - 0.2}, vec{shoulder - end, m.y - 0.17})
	}
	grow := 0.0
	if l.hairStyle == hood {
		grow = 0.02
	}
	g.blob(m.x-mul(0.012, side), m.y+0.012, rx+0.006+grow, 0.121+grow, z, hair)
	if l.hairStyle == bun {
		b := at(-0.1, 0.2)
		g.blob(b.x, b.y, 0.05, 0.05, z+mul(0.02, facing), hair)
	}
	if facing < -0.55 {
		g.blob(m.x, m.y-0.085, rx*0.6, 0.045, z+0.002, l.skin.times(0.9))
		if l.hairStyle == peaked {
			g.shape(z-0.004, l.bag, 0.35, vec{m.x - rx - 0.01, m.y + 0.03}, vec{m.x - rx, m.y + 0.12}, vec{m.x + rx, m.y + 0.12}, vec{m.x + rx + 0.01, m.y + 0.03})
		}
		return
	}
	// face: an oval toward where the person looks, lower than the hair
	fx := m.x + mul(side, 0.026)
	fw := lerp(0.060, 0.073, math.Max(facing, 0))
	n := g.blob(fx, m.y-0.022, fw, 0.095, z-0.003, l.skin)
	n.p.round = 0.25
	if l.hairStyle == peaked {
		g.shape(z-0.006, l.bag, 0.35, vec{m.x - rx - 0.008, m.y + 0.045}, vec{m.x - rx, m.y + 0.12}, vec{m.x + rx, m.y + 0.12}, vec{m.x + rx + 0.008, m.y + 0.045})
		g.blob(fx+mul(side, 0.05), m.y+0.046, 0.07, 0.014, z-0.007, l.bag.times(0.7))
	} else if !bare { // a fringe
		brow := mul(fw, 0.6)
		g.shape(z-0.005, hair, 0.2, vec{fx - fw - 0.012, m.y + 0.02}, vec{fx - fw, m.y + 0.1}, vec{fx + fw, m.y + 0.1}, vec{fx + fw + 0.012, m.y + 0.02}, vec{fx + brow, m.y + 0.055}, vec{fx - brow, m.y + 0.055})
	}
	if detail < 45 {
		return
	}
	dark := rgb{40, 28, 26}.to(l.skin, clamp(0.75-detail/240, 0.1, 0.6))
	for _, e := range [...]float64{-0.03, 0.03} {
		ex := fx + mul(side, 0.022) + mul(e, math.Max(facing, 0.25))
		g.blob(ex, m.y-0.004, 0.0115, 0.008, z-0.008, dark)
		g.blob(ex, m.y+0.014, 0.017, 0.0045, z-0.008, l.hair.to(dark, 0.4))
	}
	nx := fx + mul(side, 0.05)
	g.blob(nx, m.y-0.036, 0.012, 0.016, z-0.008, l.skin.times(0.86))
	g.blob(fx+mul(side, 0.026), m.y-0.066, 0.023*math.Max(facing, 0.5), 0.006, z-0.008, rgb{150, 80, 74}.to(l.skin, 0.3))
	if l.bearded {
		b := g.blob(fx+mul(side, 0.012), m.y-0.085, fw*0.82, 0.036, z-0.007, l.hair.to(l.skin, 0.25))
		b.p.round = 0.2
	}
}

// sort orders the parts from the farthest to the nearest; those at one distance stay as they were added.
func (g *figure) sort() {
	g.order = g.order[:0]
	for i := range g.parts {
		g.order = append(g.order, i)
	}
	slices.SortStableFunc(g.order, func(a, b int) int {
		switch za, zb := g.parts[a].key, g.parts[b].key; {
		case za > zb:
			return -1
		case za < zb:
			return 1
		}
		return 0
	})
}
