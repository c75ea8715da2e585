package track

// motion is a Kalman filter of a box: its centre's x and y, width and height, each moving at a speed that wanders. The four do not influence each other, so
// the filter of eight states is four of two. Uncertainties are in parts of the height, as in Wojke, Bewley and Paulus, "Simple online and realtime
// tracking with a deep association metric", ICIP 2017, section 2.1; time is in seconds, because cameras drop frames.
type motion [4]axis

// axis is a value and its speed, with their covariance.
type axis struct{ x, v, xx, xv, vv float32 }

const (
	measured = 0.05 // standard deviation of a detection's edges, heights
	wander   = 0.5  // of a speed's change in a second, heights a second
	resizing = 0.1  // the same of width and height
	speed    = 1    // of the speed at first, heights a second
)

// still returns the filter of a box that was seen once.
func still(b Box) motion {
	r, v := square(measured*b.H), square(speed*b.H)
	var m motion
	for i, x := range centred(b) {
		m[i] = axis{x: x, xx: r, vv: v}
	}
	return m
}

func centred(b Box) [4]float32 {
	return [4]float32{b.X + float32(b.W/2), b.Y + float32(b.H/2), b.W, b.H}
}

func (m *motion) box() Box {
	return Box{m[0].x - float32(m[2].x/2), m[1].x - float32(m[3].x/2), m[2].x, m[3].x}
}

func square(x float32) float32 { return float32(x * x) }

// predict moves the box on by dt seconds. One that is lost keeps its size.
func (m *motion) predict(dt float32, lost bool) {
	q := square(wander * m[3].x)
	r := square(resizing * m[3].x)
	if lost {
		m[2].v, m[3].v = 0, 0
	}
	for i := range m {
		a := &m[i]
		if i == 2 {
			q = r
		}
		a.x += float32(a.v * dt)
		a.xx += float32(dt*float32(2*a.xv+float32(dt*a.vv))) + float32(q*float32(dt*square(dt)))/3
		a.xv += float32(dt*a.vv) + float32(float32(q*square(dt))/2)
		a.vv += float32(q * dt)
	}
	m[2].x, m[3].x = max(m[2].x, 1), max(m[3].x, 1)
}

// update takes in a detection.
func (m *motion) update(b Box) {
	r := square(measured * b.H)
	for i, z := range centred(b) {
		a := &m[i]
		s := a.xx + r
		gain, push := a.xx/s, a.xv/s
		d := z - a.x
		a.x += float32(gain * d)
		a.v += float32(push * d)
		a.vv -= float32(push * a.xv)
		a.xv = float32(a.xv*r) / s
		a.xx = float32(a.xx*r) / s
	}
}
