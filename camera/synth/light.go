package synth

import "math"

// air is light and weather: what becomes of a colour that stands at a place.
type air struct {
	zenith, horizon rgb
	ambient         rgb  // light in the shade; 1 leaves a colour as it is painted
	sun             rgb  // what the sun adds
	shift           vec  // of the tip of a shadow, to the right and away, per metre of height
	shiny           bool // the sun shines
	haze            float64
	veil            rgb // what haze fades to
	lamps           []vec3
	lamp            rgb // light under a lamp; 0 when they are off
	lit             float64
	wet             bool
	clouds          float64 // share of the sky
	noise           float64 // of the sensor, times that of daylight
}

func newAir(c chance, weather, light string, side float64) *air {
	if weather == "any" {
		weather = pick(c, []string{"sun", "sun", "overcast", "overcast", "rain", "fog"})
	}
	if light == "any" {
		light = pick(c, []string{"day", "day", "day", "dusk", "night"})
	}
	a := &air{zenith: rgb{72, 128, 204}, horizon: rgb{198, 220, 240}, ambient: rgb{0.60, 0.66, 0.76}, sun: rgb{0.50, 0.44, 0.32}, shiny: true,
		haze: 260, clouds: 0.4, noise: 1}
	a.shift = vec{mul(-side, c.between(0.4, 0.9)), c.between(-0.5, 0.6)}
	grey := func(zenith, horizon rgb, ambient rgb) {
		a.zenith, a.horizon, a.ambient, a.sun, a.shiny, a.clouds = zenith, horizon, ambient, rgb{}, false, 1
	}
	switch weather {
	case "overcast":
		grey(rgb{168, 178, 190}, rgb{214, 219, 224}, rgb{0.86, 0.88, 0.91})
	case "rain":
		grey(rgb{126, 135, 146}, rgb{176, 183, 190}, rgb{0.68, 0.72, 0.77})
		a.haze, a.wet = 90, true
	case "fog":
		grey(rgb{190, 195, 199}, rgb{206, 209, 211}, rgb{0.84, 0.86, 0.88})
		a.haze = 34
	}
	switch light {
	case "dusk":
		a.ambient, a.sun, a.shiny = a.ambient.by(rgb{0.72, 0.62, 0.66}), rgb{}, false
		a.zenith, a.horizon = a.zenith.by(rgb{0.62, 0.52, 0.62}), a.horizon.by(rgb{1.02, 0.74, 0.56})
		a.lamp, a.lit, a.noise = rgb{0.36, 0.29, 0.18}, 0.35, 1.8
	case "night":
		a.ambient, a.sun, a.shiny = a.ambient.by(rgb{0.25, 0.27, 0.36}), rgb{}, false
		a.zenith, a.horizon = a.zenith.by(rgb{0.10, 0.10, 0.14}), a.horizon.by(rgb{0.17, 0.15, 0.17})
		a.lamp, a.lit, a.noise = rgb{1.05, 0.86, 0.58}, 0.4, 3
	}
	a.veil = a.horizon
	return a
}

// light returns the light at a place: open is the share of the sun that reaches it.
func (a *air) light(p vec3, open float64) rgb {
	l := a.ambient
	if a.shiny {
		l = l.plus(a.sun.times(open))
	}
	if a.lamp[0] > 0 {
		var sum float64
		for _, q := range a.lamps {
			dx, dz := p.x-q.x, p.z-q.z
			d2 := mul(dx, dx) + mul(dz, dz)
			if dy := math.Max(p.y-q.y, 0); dy > 0 { // above the lamp it is dark
				d2 += mul(8*dy, dy)
			}
			sum += 9 / (9 + d2)
		}
		l = l.plus(a.lamp.times(math.Min(sum, 1.4)))
	}
	return l
}

// veiled mixes haze into a colour at a distance.
func (a *air) veiled(c rgb, z float64) rgb {
	t := 1 + z/a.haze
	return c.to(a.veil, 1-1/mul(t, t))
}
