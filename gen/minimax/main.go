// Command minimax fits the polynomials of the element-wise functions (docs/math.md) and prints their coefficients and errors.
//
// Each is the polynomial of least maximum relative error on its interval, by Remez's exchange in float64. Coefficients are rounded to
// float32 one at a time, the lowest power first, and the others are fitted again with it fixed.
package main

import (
	"fmt"
	"math"
	"strings"
)

// problem asks for Σ c[k]·x^(low+k) close to f - known on [lo, hi], k < terms, with errors weighted by weight.
type problem struct {
	name       string
	lo, hi     float64
	low, terms int
	f          func(x float64) float64 // minus the part that is known
	weight     func(x float64) float64
}

var problems = []problem{
	{"exp: e^r = 1 + r + Σ c·r^(2+k), |r| <= ln2/2, error relative to e^r - 1", -0.347, 0.347, 2, 5,
		func(r float64) float64 {
			if math.Abs(r) < 0x1p-12 { // expm1 would cancel
				return r * r * (0.5 + r*(1.0/6+r/24))
			}
			return math.Expm1(r) - r
		},
		func(r float64) float64 { return 1 / math.Abs(math.Expm1(r)) }},
	{"log: log(1+f) = f - f²/2 + Σ c·f^(3+k), √½ <= 1+f <= √2, relative error", math.Sqrt2/2 - 1, math.Sqrt2 - 1, 3, 8,
		func(f float64) float64 {
			if math.Abs(f) < 0x1p-10 {
				return f * f * f * (1.0/3 - f*(1.0/4-f/5))
			}
			return math.Log1p(f) - f + f*f/2
		},
		func(f float64) float64 { return 1 / math.Log1p(f) }},
	{"softplus: log(1+e) = Σ c·e^(1+k), 0 <= e <= 1, relative error", 0, 1, 1, 10, math.Log1p,
		func(e float64) float64 { return 1 / math.Log1p(e) }},
	{"erf: -log(erfc(a)) = 0x1.20dd76p0·a + Σ c·a^(1+k), 0 <= a <= 4, error relative in erf(a)", 0, 4, 1, 9,
		func(a float64) float64 {
			if a < 0.5 {
				return -math.Log1p(-math.Erf(a)) - 0x1.20dd76p0*a
			}
			return -math.Log(math.Erfc(a)) - 0x1.20dd76p0*a
		},
		func(a float64) float64 { return math.Erfc(a) / math.Erf(a) }},
}

func main() {
	for _, p := range problems {
		c := make([]float64, p.terms)
		fixed := 0
		for ; fixed < p.terms; fixed++ {
			p.fit(c, fixed)
			if fixed == 0 {
				fmt.Printf("%s\n  error %.3g = 2^%.1f before rounding", p.name, p.worst(c), math.Log2(p.worst(c)))
			}
			c[fixed] = float64(float32(c[fixed]))
		}
		fmt.Printf(", %.3g = 2^%.1f after\n", p.worst(c), math.Log2(p.worst(c)))
		var s []string
		for _, v := range c {
			s = append(s, fmt.Sprintf("%x", float32(v)))
		}
		fmt.Println("  " + strings.Join(s, ", "))
	}
}

const grid = 40000

// at is point i of a grid that is dense at both ends, without the ends themselves.
func (p *problem) at(i int) float64 {
	return (p.lo+p.hi)/2 - (p.hi-p.lo)/2*math.Cos(math.Pi*(float64(i)+0.5)/grid)
}

func (p *problem) errorAt(c []float64, x float64) float64 {
	y := 0.0
	for k := len(c) - 1; k >= 0; k-- {
		y = y*x + c[k]
	}
	return (p.f(x) - y*math.Pow(x, float64(p.low))) * p.weight(x)
}

func (p *problem) worst(c []float64) float64 {
	w := 0.0
	for i := range grid {
		w = max(w, math.Abs(p.errorAt(c, p.at(i))))
	}
	return w
}

// fit finds c[fixed:] by Remez's exchange.
func (p *problem) fit(c []float64, fixed int) {
	n := p.terms - fixed
	scale := max(math.Abs(p.lo), math.Abs(p.hi))
	nodes := make([]float64, n+1)
	for i := range nodes {
		nodes[i] = (p.lo+p.hi)/2 - (p.hi-p.lo)/2*math.Cos(math.Pi*(float64(i)+0.5)/float64(n+1))
	}
	known := make([]float64, p.terms)
	copy(known, c[:fixed])
	best, bestWorst := append([]float64(nil), c...), math.Inf(1)
	for range 30 {
		// Σ c·x^k·w ± E = f·w at the nodes.
		a := make([][]float64, n+1)
		for i, x := range nodes {
			a[i] = make([]float64, n+2)
			for k := range n {
				a[i][k] = math.Pow(x, float64(p.low)) * math.Pow(x/scale, float64(fixed+k)) * p.weight(x)
			}
			a[i][n] = float64(1 - 2*(i&1))
			a[i][n+1] = p.errorAt(known, x)
		}
		s := solve(a)
		for k := range n {
			c[fixed+k] = s[k] / math.Pow(scale, float64(fixed+k))
		}
		if w := p.worst(c); w < bestWorst {
			bestWorst = w
			copy(best, c)
		}
		// The new nodes are the largest errors of alternating sign.
		var xs, es []float64
		for i := range grid {
			x := p.at(i)
			e := p.errorAt(c, x)
			if len(es) > 0 && (e > 0) == (es[len(es)-1] > 0) {
				if math.Abs(e) > math.Abs(es[len(es)-1]) {
					xs[len(xs)-1], es[len(es)-1] = x, e
				}
				continue
			}
			xs, es = append(xs, x), append(es, e)
		}
		for len(xs) > n+1 { // drop the smaller end
			if math.Abs(es[0]) < math.Abs(es[len(es)-1]) {
				xs, es = xs[1:], es[1:]
			} else {
				xs, es = xs[:len(xs)-1], es[:len(es)-1]
			}
		}
		if len(xs) < n+1 {
			break
		}
		copy(nodes, xs)
	}
	copy(c, best)
}

// solve returns the solution of the linear system whose right side is the last column.
func solve(a [][]float64) []float64 {
	n := len(a)
	for i := range n {
		p := i
		for r := i + 1; r < n; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[p][i]) {
				p = r
			}
		}
		a[i], a[p] = a[p], a[i]
		for r := i + 1; r < n; r++ {
			m := a[r][i] / a[i][i]
			for k := i; k <= n; k++ {
				a[r][k] -= m * a[i][k]
			}
		}
	}
	x := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		x[i] = a[i][n]
		for k := i + 1; k < n; k++ {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x
}
