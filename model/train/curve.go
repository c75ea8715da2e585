package train

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// Colours of curves: told apart by people with any colour vision (Okabe, Ito: Color universal design, 2008).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7"}

// curve is a line of a plot; its values have an axis of their own where scale is nil.
type curve struct {
	name   string
	points []Point
}

// SVG draws the loss, on a logarithmic axis, and below it each thing that was measured, over the steps.
func (h *History) SVG(w io.Writer, title string) error {
	plots := []curve{{"loss", h.Losses}}
	if len(h.Metrics) > 0 {
		for _, name := range sorted(h.Metrics[len(h.Metrics)-1].Values) {
			c := curve{name: name}
			for _, m := range h.Metrics {
				if v, ok := m.Values[name]; ok {
					c.points = append(c.points, Point{m.Step, v})
				}
			}
			plots = append(plots, c)
		}
	}
	const width, height, left, right, top, gap = 640, 170, 70, 20, 40, 30
	total := top + len(plots)*(height+gap) + 10
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, total)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/><text x="%d" y="22" font-size="15">%s</text>`+"\n", width, total, left, html.EscapeString(title))
	for i, c := range plots {
		c.draw(&b, colours[i%len(colours)], left, top+i*(height+gap), width-left-right, height-30, max(1, h.Step), i == 0)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// draw draws one curve in a frame.
func (c curve) draw(b *strings.Builder, colour string, x, y, w, h, steps int, logarithmic bool) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range c.points {
		if !logarithmic || p.Loss > 0 {
			lo, hi = min(lo, p.Loss), max(hi, p.Loss)
		}
	}
	if lo > hi {
		lo, hi = 0.1, 1
	}
	at, mark := func(v float64) float64 { return v }, func(v float64) float64 { return v }
	if logarithmic {
		at, mark = math.Log10, func(v float64) float64 { return math.Pow(10, v) }
	}
	from, to := at(lo), at(hi)
	if to-from < 1e-9 {
		from, to = from-0.5, to+0.5
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#999"/><text x="%d" y="%d" fill="%s" font-weight="bold">%s</text>`+"\n",
		x, y, w, h, x+8, y+16, colour, html.EscapeString(c.name))
	for k := range 5 {
		v := from + float64((to-from)*float64(k)/4)
		ty := float64(y+h) - float64(float64(h)*float64(k)/4)
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.3g</text>`+"\n", x, ty, x+w, ty, x-6, ty+4, mark(v))
		step := steps * k / 4
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", float64(x)+float64(float64(w)*float64(k)/4), y+h+15, step)
	}
	var line []string
	for _, p := range c.points {
		v := p.Loss
		if logarithmic && v <= 0 {
			continue
		}
		px := float64(x) + float64(float64(w)*float64(p.Step)/float64(steps))
		py := float64(y+h) - float64(float64(h)*(at(v)-from)/(to-from))
		line = append(line, fmt.Sprintf("%.1f,%.1f", px, py))
		if len(c.points) <= 60 {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>`+"\n", px, py, colour)
		}
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.Join(line, " "), colour)
}
