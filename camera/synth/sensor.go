package synth

import "math"

// sensor makes a camera's picture of a canvas: shake, blur, exposure, noise.
type sensor struct {
	o       Options
	curve   [256]uint8 // exposure
	gain    [256]int32 // deviation of the noise at each brightness, per unit of grain, in 1/65536
	grain   []int16    // noise of deviation grainDeviation
	radius  int
	weights [2][]int32 // across and down, in 1/256
	lines   []uint16   // rows summed downward, in 1/256
}

const (
	grainSize      = 1 << 16
	grainDeviation = 147.8 // of a sum of four bytes
)

// blurRadius is how far a pixel's light spreads, and half a pixel for shake.
func blurRadius(o Options) int {
	if o.Blur <= 0 && o.Shake == 0 {
		return 0
	}
	return int(math.Ceil(mul(2.4, math.Max(o.Blur, 0.3)) + 0.2))
}

// newSensor returns the sensor of Options; noise is a factor for the light.
func newSensor(o Options, noise float64) sensor {
	s := sensor{o: o, radius: blurRadius(o), lines: make([]uint16, 3*(o.Width+2*blurRadius(o)))}
	k := power2(o.EV)
	for v := range 256 {
		x := float64(float64(v) * k)
		if x > 220 && k > 1 { // highlights give way softly
			x = 220 + mul(35, 1-35/(35+x-220))
		}
		s.curve[v] = uint8(clamp(x+0.5, 0, 255))
		deviation := mul(mul(math.Max(o.Noise, 0), noise), 0.8+mul(1.3, math.Sqrt(float64(v)/255)))
		s.gain[v] = int32(float64(deviation * 65536 / grainDeviation))
	}
	if o.Noise > 0 {
		s.grain = make([]int16, grainSize)
		for i := range s.grain {
			h := mix64(uint64(i), 77)
			s.grain[i] = int16(h&255+h>>8&255+h>>16&255+h>>24&255) - 510
		}
	}
	s.weights[0], s.weights[1] = make([]int32, 2*s.radius+1), make([]int32, 2*s.radius+1)
	return s
}

// power2 is 2 to the x, -16..16, in steps of 1/64: square roots do it alike everywhere.
func power2(x float64) float64 {
	n := int(math.Floor(float64(clamp(x, -16, 16)*64) + 0.5))
	r, step := 1.0, 2.0
	for range 6 {
		step = math.Sqrt(step)
	}
	for range max(n, -n) {
		r *= step
	}
	if n < 0 {
		return 1 / r
	}
	return r
}

// bell is exp(-x) for x >= 0.
func bell(x float64) float64 {
	e := 1 - float64(math.Min(x, 500)/1024)
	for range 10 {
		e *= e
	}
	return e
}

// kernel fills w with a blur about a point that lies off pixels from the middle one.
func (s *sensor) kernel(w []int32, off float64) {
	deviation := math.Max(s.o.Blur, 0.3)
	if len(w) == 1 {
		w[0] = 256
		return
	}
	var sum float64
	at := func(i int) float64 {
		d := (float64(i-s.radius) - off) / deviation
		return bell(mul(d, d) / 2)
	}
	for i := range w {
		sum += at(i)
	}
	rest := int32(256)
	for i := range w {
		w[i] = int32(float64(256 * at(i) / sum))
		rest -= w[i]
	}
	w[s.radius] += rest
}

// shake is where the camera looks at t seconds, in pixels from where it should.
func (s *sensor) shake(t float64) (x, y float64) {
	if s.o.Shake == 0 {
		return 0, 0
	}
	a := mul(s.o.Shake/1000, float64(s.o.Width)) / 1.23
	wave := func(f, p float64) float64 { return sin(mul(2*math.Pi, mul(f, t)+p)) }
	return mul(a, wave(0.7, 0)+wave(1.9, 0.3)+wave(4.3, 0.7)), mul(a, wave(0.9, 0.5)+wave(2.3, 0.1)+wave(5.1, 0.2))
}

// expose writes RGB to dst. The picture's left upper corner is margin from the canvas's, and dx, dy beyond that; it returns which
// pixel of the canvas is the picture's first.
func (s *sensor) expose(c *canvas, margin int, dx, dy float64, n uint64, dst []byte) (ox, oy int) {
	ix, iy := int(math.Floor(dx+0.5)), int(math.Floor(dy+0.5))
	s.kernel(s.weights[0], dx-float64(ix))
	s.kernel(s.weights[1], dy-float64(iy))
	ox, oy = margin+ix, margin+iy
	w, h, r := s.o.Width, s.o.Height, s.radius
	wide := w + 2*r
	for y := range h {
		lines := s.lines[:3*wide]
		for k, weight := range s.weights[1] {
			row := min(max(y+oy-r+k, 0), c.h-1)
			src := c.pix[4*(row*c.w+ox-r):][:4*wide]
			sumRow(lines, src, weight, k == 0)
		}
		out := dst[3*y*w : 3*(y+1)*w]
		switch len(s.weights[0]) {
		case 1:
			for i := range out {
				out[i] = s.curve[lines[i]>>8]
			}
		case 5:
			s.across5(out, lines)
		default:
			s.across(out, lines)
		}
		if s.grain != nil {
			s.noise(out, uint32(mix64(n, uint64(y))))
		}
	}
	return ox, oy
}

// sumRow adds RGBA pixels, times a weight, to sums of RGB.
func sumRow(sum []uint16, src []uint8, weight int32, first bool) {
	w := uint16(weight)
	if first {
		for i, j := 0, 0; i+2 < len(sum) && j+3 < len(src); i, j = i+3, j+4 {
			sum[i], sum[i+1], sum[i+2] = uint16(src[j])*w, uint16(src[j+1])*w, uint16(src[j+2])*w
		}
		return
	}
	if w == 0 {
		return
	}
	for i, j := 0, 0; i+2 < len(sum) && j+3 < len(src); i, j = i+3, j+4 {
		sum[i] += uint16(src[j]) * w
		sum[i+1] += uint16(src[j+1]) * w
		sum[i+2] += uint16(src[j+2]) * w
	}
}

func (s *sensor) across(out []byte, lines []uint16) {
	for i := range out {
		var v uint32
		for k, weight := range s.weights[0] {
			v += uint32(lines[i+3*k]) * uint32(weight)
		}
		out[i] = s.curve[v>>16]
	}
}

func (s *sensor) across5(out []byte, lines []uint16) {
	w := s.weights[0]
	a, b, c, d, e := uint32(w[0]), uint32(w[1]), uint32(w[2]), uint32(w[3]), uint32(w[4])
	lines = lines[:len(out)+12]
	for i := range out {
		q := lines[i : i+13 : i+13]
		out[i] = s.curve[uint8((uint32(q[0])*a+uint32(q[3])*b+uint32(q[6])*c+uint32(q[9])*d+uint32(q[12])*e)>>16)]
	}
}

func (s *sensor) noise(out []byte, start uint32) {
	for i, v := range out {
		g := int32(s.grain[(start+uint32(i))%grainSize])
		out[i] = uint8(min(max(int32(v)+(g*s.gain[v]+32768)>>16, 0), 255))
	}
}

// rain draws drops as they fall while the shutter is open.
func (s *street) rain(t float64) {
	c := s.now
	k := float64(s.o.Height) / 480
	bright := s.air.horizon.to(rgb{255, 255, 255}, 0.35)
	var col [3]int32
	for i := range col {
		col[i] = clamp8(bright[i])
	}
	for i := range int(float64(s.w) * float64(s.h) / (1100 * k * k)) {
		h := mix64(s.seed, uint64(i))
		near := unit(mix64(h, 1))
		long := int(mul(k, 8+mul(22, near)))
		period := float64(s.h + 2*long)
		fall := mul(t, mul(k, 900+mul(900, near))) + mul(unit(mix64(h, 2)), period)
		lap := math.Floor(fall / period)
		y := int(fall-mul(lap, period)) - long
		x := mul(unit(mix64(h, 3+uint64(int64(lap)))), float64(s.w))
		o := int32(20 + mul(34, near))
		for j := range long {
			px, py := int(x+mul(0.12, float64(j))), y+j
			if px < 0 || px >= s.w || py < 0 || py >= s.h {
				continue
			}
			q := c.pix[4*(py*s.w+px):][:3]
			for m := range q {
				q[m] = uint8((int32(q[m])*(256-o) + col[m]*o) >> 8)
			}
		}
	}
}
