package data

import "math"

// Augment says how colour pictures are changed at random, beyond Warp.
type Augment struct {
	Warp       `yaml:",inline"`
	Brightness float64 `yaml:"brightness"` // 0.2: times between 0.8 and 1.2
	Contrast   float64 `yaml:"contrast"`   // likewise, about the middle grey
	Saturation float64 `yaml:"saturation"` // likewise, about each pixel's grey
	Tint       float64 `yaml:"tint"`       // likewise, for each of red, green and blue
	Blur       float64 `yaml:"blur"`       // the chance of a blur
	Noise      float64 `yaml:"noise"`      // the greatest standard deviation, in grey levels of 255
}

// Normal says how bytes become a network's input: (v - Mean)/Std, per channel; one number stands for all.
type Normal struct {
	Mean []float64 `yaml:"mean"`
	Std  []float64 `yaml:"std"`
}

// factors returns a and b with input = a·v + b.
func (n Normal) factors() (a, b [3]float32) {
	for c := range 3 {
		mean, std := 0.0, 1.0
		if len(n.Mean) > 0 {
			mean = n.Mean[c%len(n.Mean)]
		}
		if len(n.Std) > 0 {
			std = n.Std[c%len(n.Std)]
		}
		a[c], b[c] = float32(1/std), float32(-mean/std)
	}
	return a, b
}

// crop places a new picture of w x h pixels at random on one of sw x sh: inside as far as it is the smaller one, else round it.
func (a *Affine) crop(r *Rand, w, h, sw, sh int) {
	reachX := float64(math.Abs(a.XX)*float64(w)) + float64(math.Abs(a.XY)*float64(h))
	reachY := float64(math.Abs(a.YX)*float64(w)) + float64(math.Abs(a.YY)*float64(h))
	a.X0 = float64(r.Between(-0.5, 0.5) * math.Abs(float64(sw)-reachX))
	a.Y0 = float64(r.Between(-0.5, 0.5) * math.Abs(float64(sh)-reachY))
}

// canvas is a picture in the making: three planes of w x h floats, 0 to 255.
type canvas struct {
	w, h int
	pix  []float32
	row  []float32
}

// fill makes every pixel grey.
func (c *canvas) fill(v float32) {
	for i := range c.pix {
		c.pix[i] = v
	}
}

// draw writes a picture changed by a, interpolated between pixels; pixels outside of it stay as they are.
func (c *canvas) draw(a Affine, src *Pixels) {
	area := c.w * c.h
	for y := range c.h {
		for x := range c.w {
			u, v := a.from(x, y, c.w, c.h, src.W, src.H)
			if u < -0.5 || v < -0.5 || u > float64(src.W)-0.5 || v > float64(src.H)-0.5 {
				continue
			}
			i, j := int(math.Floor(u)), int(math.Floor(v))
			fu, fv := float32(u-float64(i)), float32(v-float64(j))
			i1, j1 := min(i+1, src.W-1), min(j+1, src.H-1)
			i, j = max(i, 0), max(j, 0)
			p, q := src.Pix[3*(j*src.W+i):], src.Pix[3*(j*src.W+i1):]
			s, t := src.Pix[3*(j1*src.W+i):], src.Pix[3*(j1*src.W+i1):]
			for k := range 3 {
				top := float32(p[k]) + float32(fu*(float32(q[k])-float32(p[k])))
				low := float32(s[k]) + float32(fu*(float32(t[k])-float32(s[k])))
				c.pix[k*area+y*c.w+x] = top + float32(fv*(low-top))
			}
		}
	}
}

// recolour changes brightness, contrast, saturation and tint at random, blurs and adds noise.
func (c *canvas) recolour(r *Rand, a *Augment) {
	about := func(d float64) float32 { return float32(r.Between(1-d, 1+d)) }
	bright, contrast, saturation := about(a.Brightness), about(a.Contrast), about(a.Saturation)
	area := c.w * c.h
	var gain [3]float32
	for k := range gain {
		gain[k] = float32(bright*about(a.Tint)) * contrast
	}
	shift := float32(127.5 * (1 - contrast))
	red, green, blue := c.pix[:area], c.pix[area:2*area], c.pix[2*area:3*area]
	for i := range red {
		grey := float32(red[i]*0.299) + float32(green[i]*0.587) + float32(blue[i]*0.114)
		red[i] = float32((grey+float32(saturation*(red[i]-grey)))*gain[0]) + shift
		green[i] = float32((grey+float32(saturation*(green[i]-grey)))*gain[1]) + shift
		blue[i] = float32((grey+float32(saturation*(blue[i]-grey)))*gain[2]) + shift
	}
	if r.Chance(a.Blur) {
		side := float32(r.Between(0.05, 0.33))
		for k := range 3 {
			c.blur(c.pix[k*area:][:area], side)
		}
	}
	if a.Noise > 0 {
		scale := float32(r.Float()*a.Noise) * (1.7320508 / (1 << 16)) // the sum of four uniform numbers has the variance 4/12
		for i := range c.pix {
			u := r.Uint64()
			sum := int(u&0xffff) + int(u>>16&0xffff) + int(u>>32&0xffff) + int(u>>48) - 2<<16
			c.pix[i] += float32(float32(sum) * scale)
		}
	}
	for i, v := range c.pix {
		c.pix[i] = min(max(v, 0), 255)
	}
}

// blur convolves a plane with (side, 1-2·side, side) along rows and columns.
func (c *canvas) blur(p []float32, side float32) {
	if len(c.row) < max(c.w, c.h) {
		c.row = make([]float32, max(c.w, c.h))
	}
	line := func(first, n, step int) {
		row := c.row[:n]
		for i := range row {
			row[i] = p[first+i*step]
		}
		for i, v := range row {
			near := row[max(i-1, 0)] + row[min(i+1, n-1)]
			p[first+i*step] = float32(v*(1-2*side)) + float32(near*side)
		}
	}
	for y := range c.h {
		line(y*c.w, c.w, 1)
	}
	for x := range c.w {
		line(x, c.h, c.w)
	}
}

// normalise makes bytes a network's input.
func (c *canvas) normalise(n Normal) {
	a, b := n.factors()
	area := c.w * c.h
	for k := range 3 {
		p := c.pix[k*area:][:area]
		for i, v := range p {
			p[i] = float32(v*a[k]) + b[k]
		}
	}
}
