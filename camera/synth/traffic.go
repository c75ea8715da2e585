package synth

import "math"

// walker is a person who comes again and again, each time as somebody else.
type walker struct {
	slot  int
	way   int // of ways
	pair  int // the slot whose way this one shares, or -1
	lap   int64
	look  looks
	x     float64 // of the lane
	z     float64 // where to cross or to stand
	back  bool    // away from the camera, or from right to left
	phase float64 // share of a lap at time 0
	pace  float64 // metres a second; the same on every lap
}

// Ways that people take.
const (
	nearPavement = iota
	farPavement
	crosses
	stands
)

// driver is a car or a bicycle that passes once in each cycle of the traffic light.
type driver struct {
	car  car
	look *looks
	pass float64 // when it passes the zebra, seconds into the cycle
	x    float64
	dir  float64 // 1 away from the camera
	v    float64
}

// people chooses who is in the street.
func (s *street) people(c chance) {
	for i := range max(s.o.People, 0) {
		w := walker{slot: i, pair: -1, lap: -1 << 62, phase: c.Float64(), pace: c.between(1.2, 1.6)}
		w.way = pick(c, []int{nearPavement, nearPavement, nearPavement, farPavement, crosses, stands})
		if i < 2 {
			w.way = nearPavement
			w.phase = mul(0.55, w.phase) + 0.4
		}
		if i == 2 {
			w.way = crosses
		}
		if i > 0 && i != 2 && c.yes(0.3) {
			if q := &s.walkers[i-1]; q.pair < 0 && (q.way == nearPavement || q.way == farPavement) {
				w.pair, w.way, w.phase, w.pace = i-1, q.way, q.phase, q.pace
			}
		}
		s.walkers = append(s.walkers, w)
	}
	for i := range s.walkers {
		s.walkers[i].lap = -1 << 62
	}
}

// traffic chooses what drives and what is parked.
func (s *street) traffic(c chance) {
	n := max(s.o.Cars, 0)
	for i := range n {
		d := driver{dir: float64(2*(i%2) - 1), v: c.between(7.5, 9)}
		d.pass = 10.5 + mul(10.5, (float64(i/2)+c.between(0.2, 0.6))/float64((n+1)/2))
		d.x = mul(1.45, d.dir)
		if i%3 == 1 {
			l := newLooks(mix64(s.seed, uint64(1000+i)))
			l.lower, l.upper, l.carries = trousers, max(l.upper, 1)%2, pick(c, []int{nothing, backpack})
			d.look, d.v, d.x = &l, c.between(3.6, 5), mul(2.2, d.dir)
			d.car = newBicycle(c)
		} else {
			d.car = newCar(c)
		}
		s.drivers = append(s.drivers, d)
	}
	for _, side := range [...]float64{-1, 1} {
		for z := c.between(15, 22); z < 60; z += c.between(5.4, 9) {
			if c.yes(0.45) {
				s.parked = append(s.parked, driver{car: newCar(c), x: mul(side, 3.42), dir: side, pass: z})
			}
		}
	}
}

// path is where a walker is u metres along its way, on the ground.
func (s *street) path(w *walker, u float64) vec3 {
	side := s.side
	if w.way == farPavement {
		side = -side
	}
	if w.way == crosses {
		x := u - wall - 0.5
		if w.back {
			x = -x
		}
		y := kerb
		if math.Abs(x) < roadHalf {
			y = 0
		}
		return vec3{x, y, w.z}
	}
	// out of a door, a bow, and along the pavement
	t := clamp(u/3, 0, 1)
	t = mul(mul(t, t), 3-mul(2, t))
	return vec3{lerp(mul(side, wall+0.4), w.x, t), kerb, emergeAt - math.Max(u-1.2, 0)}
}

// lapLength is how far a walker goes before it is somebody else.
func (w *walker) lapLength() float64 {
	if w.way == crosses {
		return 2*wall + 1
	}
	return emergeAt + 0.5
}

// begin makes a walker somebody else.
func (s *street) begin(w *walker, lap int64) {
	w.lap = lap
	seed := mix64(mix64(s.seed, uint64(w.slot)), uint64(lap))
	w.look = newLooks(seed)
	c := newChance(seed, 4)
	w.back = c.yes(0.45)
	w.z = crossingAt + c.between(-1.3, 1.3)
	side := s.side
	if w.way == farPavement {
		w.x = mul(-side, c.between(roadHalf+0.5, wall-0.5))
		return
	}
	// past the camera on either side, where there is room
	in, out := math.Abs(s.camX)-0.95, math.Abs(s.camX)+0.95
	switch {
	case in > roadHalf+0.35 && (out > wall-0.4 || c.yes(0.5)):
		w.x = c.between(roadHalf+0.35, in)
	default:
		w.x = c.between(out, math.Max(out, wall-0.4))
	}
	w.x = mul(w.x, side)
	if w.way == stands {
		w.z = c.between(5.5, 15)
		w.x = mul(side, c.between(roadHalf+0.4, wall-0.5))
		if c.yes(0.4) {
			w.x = -w.x
		}
	}
}

// move puts everything where it is at t seconds, the farthest first.
func (s *street) move(t float64) {
	s.movers = s.movers[:0]
	all := rect{0, 0, s.w, s.h}
	ids := len(s.walkers) + len(s.drivers) + len(s.parked)
	for i := range s.walkers {
		w := &s.walkers[i]
		length := w.lapLength()
		var u float64
		var lap int64
		switch w.way {
		case crosses:
			lap = int64(math.Floor(t / cycle))
			u = mul(t-mul(float64(lap), cycle)-mul(w.phase, 1.5), 1.42)
			if u < 0 || u > length {
				continue
			}
		case stands:
			lap = 0
		default:
			g := w.phase + mul(t, w.pace)/length
			lap = int64(math.Floor(g))
			u = mul(g-float64(lap), length)
		}
		if lap != w.lap {
			s.begin(w, lap)
			if w.pair >= 0 {
				q := &s.walkers[w.pair]
				w.back = q.back
				w.x = q.x + mul(math.Copysign(0.62, math.Abs(s.camX)-math.Abs(q.x)), -math.Copysign(1, q.x))
				w.x = mul(math.Copysign(1, q.x), clamp(math.Abs(w.x), roadHalf+0.3, wall-0.35))
			}
		}
		m := mover{class: Pedestrian, id: i + 1 + int(lap)*ids, look: &w.look, clip: all}
		if m.id <= 0 {
			m.id += (1 << 30) / ids * ids
		}
		if w.way == stands {
			m.at = vec3{w.x, kerb, w.z}
			m.heading = mul(2*math.Pi, w.phase)
			m.pose = pose{heading: m.heading}
		} else {
			v := u
			if w.back && w.way != crosses {
				v = length - u
			}
			m.at = s.path(w, v)
			q := s.path(w, v+0.05)
			m.heading = heading(q.x-m.at.x, q.z-m.at.z)
			if w.back && w.way != crosses {
				m.heading += math.Pi
			}
			m.pose = pose{phase: mul(2*math.Pi, u) / mul(3.5, mul(sin(w.look.step), w.look.scale)), walk: 1, heading: m.heading}
			// houses hide who is in their door
			if math.Abs(m.at.x) > wall-0.7 {
				edge := int(math.Floor(s.at(vec3{math.Copysign(wall, m.at.x), 0, m.at.z}).x))
				if m.at.x < 0 {
					m.clip.x0 = max(edge, 0)
				} else {
					m.clip.x1 = min(edge, s.w)
				}
			}
		}
		if m.at.z > nearest+0.5 {
			s.movers = append(s.movers, m)
		}
	}
	lap := math.Floor(t / cycle)
	for i := range s.drivers {
		d := &s.drivers[i]
		for back := range 3 {
			run := lap - float64(back) + 1
			z := crossingAt + mul(d.dir, mul(d.v, t-mul(run, cycle)-d.pass))
			s.drive(d, z, len(s.walkers)+i+1+int(run+1)*ids, mul(t, d.v))
		}
	}
	for i := range s.parked {
		s.drive(&s.parked[i], s.parked[i].pass, len(s.walkers)+len(s.drivers)+i+1, 0)
	}
	s.byDistance()
}

func (s *street) drive(d *driver, z float64, id int, way float64) {
	if z < 2.8 || z > 90 {
		return
	}
	m := mover{class: Car, id: id, at: vec3{d.x, 0, z}, heading: math.Copysign(math.Pi/2, d.dir), car: &d.car, clip: rect{0, 0, s.w, s.h}}
	if d.look != nil {
		m.class, m.look = Bicyclist, d.look
		m.pose = pose{phase: mul(-way, 1.5), heading: m.heading, riding: true}
	}
	s.movers = append(s.movers, m)
}

// heading is the angle of a direction on the ground, to about a hundredth of a degree.
func heading(x, z float64) float64 {
	l := length(x, z)
	if l == 0 {
		return 0
	}
	a, b := math.Abs(x)/l, math.Abs(z)/l
	// the angle whose tangent is b/a, by halving the interval
	lo, hi := 0.0, math.Pi/2
	for range 14 {
		m := (lo + hi) / 2
		if mul(sin(m), a) < mul(cos(m), b) {
			lo = m
		} else {
			hi = m
		}
	}
	switch {
	case x >= 0 && z >= 0:
		return lo
	case x < 0 && z >= 0:
		return math.Pi - lo
	case x < 0:
		return math.Pi + lo
	}
	return -lo
}
