package synth

import (
	"math"
	"math/rand/v2"
)

// All products that meet a sum go through mul or a conversion: a compiler that fuses multiply and add would draw another picture.

func mul(a, b float64) float64 { return float64(a * b) }

func lerp(a, b, t float64) float64 { return a + mul(t, b-a) }

func clamp(x, lo, hi float64) float64 { return math.Max(lo, math.Min(hi, x)) }

// sin is the sine to about 1e-6.
func sin(x float64) float64 {
	x -= mul(2*math.Pi, math.Floor(x/(2*math.Pi)+0.5)) // -π..π
	if x > math.Pi/2 {
		x = math.Pi - x
	} else if x < -math.Pi/2 {
		x = -math.Pi - x
	}
	s := mul(x, x)
	p := 1.0/362880 - s/39916800
	p = mul(p, s) - 1.0/5040
	p = mul(p, s) + 1.0/120
	p = mul(p, s) - 1.0/6
	p = mul(p, s) + 1
	return mul(p, x)
}

func cos(x float64) float64 { return sin(float64(x) + math.Pi/2) }

// length is that of a vector.
func length(x, y float64) float64 { return math.Sqrt(mul(x, x) + mul(y, y)) }

// mix64 is a hash of two numbers (Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014).
func mix64(a, b uint64) uint64 {
	z := a + 0x9e3779b97f4a7c15*(b+1)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// unit is a number in 0..1 made of a hash.
func unit(h uint64) float64 { return float64(float64(h>>11) / (1 << 53)) }

// chance draws numbers from a seed.
type chance struct{ *rand.Rand }

func newChance(seed, stream uint64) chance { return chance{rand.New(rand.NewPCG(seed, stream))} }

func (c chance) between(lo, hi float64) float64 { return lerp(lo, hi, c.Float64()) }

func (c chance) yes(p float64) bool { return c.Float64() < p }

// pick returns one of a list.
func pick[T any](c chance, list []T) T { return list[c.IntN(len(list))] }

// vec is a point of the picture, in pixels, or of a plane, in metres.
type vec struct{ x, y float64 }

// vec3 is a point of the world in metres: to the right, up, away from the camera.
type vec3 struct{ x, y, z float64 }

// rgb is a colour, 0..255.
type rgb [3]float64

func (c rgb) times(k float64) rgb { return rgb{mul(c[0], k), mul(c[1], k), mul(c[2], k)} }

func (c rgb) by(d rgb) rgb { return rgb{mul(c[0], d[0]), mul(c[1], d[1]), mul(c[2], d[2])} }

func (c rgb) plus(d rgb) rgb { return rgb{c[0] + d[0], c[1] + d[1], c[2] + d[2]} }

func (c rgb) to(d rgb, t float64) rgb {
	return rgb{lerp(c[0], d[0], t), lerp(c[1], d[1], t), lerp(c[2], d[2], t)}
}

// vary changes a colour a little.
func (c rgb) vary(r chance, by float64) rgb {
	k := r.between(1-by, 1+by)
	for i := range c {
		c[i] = clamp(mul(c[i], mul(k, r.between(1-by/3, 1+by/3))), 0, 255)
	}
	return c
}
