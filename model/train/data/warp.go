package data

import "math"

// Warp says how far a picture is turned, sheared, scaled and shifted at random.
type Warp struct {
	Turn  float64 `yaml:"turn"`  // degrees, either way
	Scale float64 `yaml:"scale"` // 0.1: to between 1/1.1 and 1.1 of its size
	Shear float64 `yaml:"shear"` // 0.1: columns shift by a tenth of their distance from the centre
	Shift float64 `yaml:"shift"` // pixels, either way
	Flip  bool    `yaml:"flip"`  // left and right, every other time
}

// Affine maps a position of the new picture, relative to its centre, to the old one: (x, y) to (XX·x + XY·y + X0, YX·x + YY·y + Y0).
type Affine struct{ XX, XY, X0, YX, YY, Y0 float64 }

// Draw returns a random change. It uses no functions but those that are exact on every CPU.
func (w Warp) Draw(r *Rand) Affine {
	// With t = tan(angle/2) the cosine is (1-t²)/(1+t²) and the sine 2t/(1+t²).
	t := float64(r.Between(-1, 1) * math.Pi / 360 * w.Turn)
	t2 := float64(t * t)
	c, s := float64((1-t2)/(1+t2)), float64(2*t/(1+t2))
	size := 1 + float64(r.Float()*w.Scale)
	if r.Chance(0.5) {
		size = 1 / size
	}
	shear := r.Between(-w.Shear, w.Shear)
	a := Affine{XX: float64(c * size), XY: float64((float64(c*shear) - s) * size), YX: float64(s * size), YY: float64((float64(s*shear) + c) * size)}
	a.X0, a.Y0 = r.Between(-w.Shift, w.Shift), r.Between(-w.Shift, w.Shift)
	if w.Flip && r.Chance(0.5) {
		a.XX, a.YX = -a.XX, -a.YX
	}
	return a
}

// from returns where in the old picture, of sw x sh pixels, position (x, y) of the new one, of w x h, lies, in pixels from the first pixel's centre.
func (a Affine) from(x, y, w, h, sw, sh int) (float64, float64) {
	dx, dy := float64(x)-float64(float64(w-1)/2), float64(y)-float64(float64(h-1)/2)
	return float64(a.XX*dx) + float64(a.XY*dy) + a.X0 + float64(float64(sw-1)/2), float64(a.YX*dx) + float64(a.YY*dy) + a.Y0 + float64(float64(sh-1)/2)
}

// grey writes a grey picture changed by a, values 0 to 1, interpolated between pixels; what lies outside is 0.
func (a Affine) grey(dst []float32, src []byte, h, w int) {
	pixel := func(x, y int) float64 {
		if x < 0 || y < 0 || x >= w || y >= h {
			return 0
		}
		return float64(src[y*w+x])
	}
	for y := range h {
		for x := range w {
			u, v := a.from(x, y, w, h, w, h)
			i, j := int(math.Floor(u)), int(math.Floor(v))
			fu, fv := u-float64(i), v-float64(j)
			top := pixel(i, j) + float64(fu*(pixel(i+1, j)-pixel(i, j)))
			low := pixel(i, j+1) + float64(fu*(pixel(i+1, j+1)-pixel(i, j+1)))
			dst[y*w+x] = float32((top + float64(fv*(low-top))) / 255)
		}
	}
}
