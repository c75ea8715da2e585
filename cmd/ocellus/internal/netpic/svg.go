package netpic

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// Sizes of the SVG picture in its units, which are pixels at the usual size.
const (
	boxHeight  = 44
	layerStep  = boxHeight + 26
	margin     = 16
	charWidth  = 6.1 // of the small text, on average
	nameLength = 30
)

// WriteSVG writes the picture as SVG, laid out in layers from the inputs at the top to the outputs.
func (p *Picture) WriteSVG(w io.Writer) error {
	l := p.arrange(p.width)
	left, right := math.Inf(1), math.Inf(-1)
	for _, n := range l.nodes {
		left, right = math.Min(left, n.x-n.w/2), math.Max(right, n.x+n.w/2)
	}
	if len(l.nodes) == 0 {
		left, right = 0, 0
	}
	legend, legendWidth, legendHeight := p.legend(math.Max(right-left, 480))
	width := math.Ceil(math.Max(math.Max(right-left, legendWidth), 400)) + 2*margin
	top := margin + 40 + legendHeight + 14.0
	height := top + float64(len(l.layers)-1)*layerStep + boxHeight + margin
	dx := width/2 - (left+right)/2
	y := func(layer int) float64 { return top + float64(layer)*layerStep }

	b := bufio.NewWriter(w)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="DejaVu Sans, Verdana, sans-serif" role="img">`+"\n",
		width, height, width, height)
	fmt.Fprintf(b, "<title>%s</title>\n", escape(p.Title))
	fmt.Fprint(b, `<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.8 L8 4 L0 7.2 z" fill="#555555"/></marker></defs>`+"\n")
	fmt.Fprintf(b, `<rect width="%.0f" height="%.0f" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="15" font-weight="bold">%s</text>`+"\n", margin, margin+14, escape(elide(p.Title, int((width-2*margin)/11))))
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="11">%s</text>`+"\n", margin, margin+31, escape(p.Note))
	fmt.Fprintf(b, `<g transform="translate(%d %d)">%s</g>`+"\n", margin, margin+44, legend)
	fmt.Fprint(b, `<g fill="none" stroke="#555555" stroke-width="1.2">`+"\n")
	for i, path := range l.paths {
		p.arrow(b, l, i, path, dx, y)
	}
	fmt.Fprint(b, "</g>\n")
	longest := math.SmallestNonzeroFloat64
	for _, x := range p.Boxes {
		longest = math.Max(longest, x.Share)
	}
	for _, n := range l.nodes {
		if n.box >= 0 {
			p.box(b, n, n.x+dx, y(n.layer), longest)
		}
	}
	fmt.Fprint(b, "</svg>\n")
	return b.Flush()
}

// width is the width of a box that holds its texts.
func (p *Picture) width(i int) float64 {
	x := p.Boxes[i]
	small := max(utf8.RuneCountInString(elide(x.Name, nameLength)), utf8.RuneCountInString(p.note(i)))
	return math.Max(96, math.Max(float64(small)*charWidth, float64(utf8.RuneCountInString(x.Title))*8.2)+16)
}

// note is the last line of a box.
func (p *Picture) note(i int) string {
	s := p.Boxes[i].Note
	if t := share(p.Boxes[i].Share); t != "" {
		s += " · " + t
	}
	return s
}

// box draws one box, with a bar as long as its share of the time under it.
func (p *Picture) box(b *bufio.Writer, n node, x, y, longest float64) {
	q := p.Boxes[n.box]
	k := kinds[q.Kind]
	radius, stroke := 4, "#333333"
	if q.Kind == Port {
		radius, stroke = boxHeight/2, "#000000"
	}
	fmt.Fprintf(b, `<g><title>%s</title>`, escape(q.Tip))
	fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="%d" fill="%s" stroke="%s"/>`, x-n.w/2, y, n.w, boxHeight, radius, k.fill, stroke)
	fmt.Fprintf(b, `<g text-anchor="middle" fill="%s">`, k.text)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="12" font-weight="bold">%s</text>`, x, y+14, escape(q.Title))
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="10">%s</text>`, x, y+26, escape(elide(q.Name, nameLength)))
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="10">%s</text></g>`, x, y+37.5, escape(p.note(n.box)))
	if n.w*q.Share/longest >= 1 {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="4" fill="#000000"/>`, x-n.w/2, float64(y+boxHeight), n.w*q.Share/longest)
	}
	fmt.Fprint(b, "</g>\n")
}

// arrow draws one arrow through the nodes of its path.
func (p *Picture) arrow(b *bufio.Writer, l *layout, i int, path []int, dx float64, y func(int) float64) {
	at := func(k int) (float64, float64) { n := l.nodes[path[k]]; return n.x + dx, y(n.layer) }
	x, top := at(0)
	cy := top + boxHeight
	fmt.Fprintf(b, `<path marker-end="url(#tip)" d="M%.1f %.1f`, x, cy)
	for k := 1; k < len(path); k++ {
		tx, ty := at(k)
		// Between layers a curve, past a layer a straight line. Ends of arrows are beside the middle of a box where several meet.
		if k == len(path)-1 {
			tx += l.beside(path[k], path[k-1])
		}
		m := (ty - cy) / 2
		if math.Abs(tx-x) < 0.05 {
			fmt.Fprintf(b, " L%.1f %.1f", tx, ty)
		} else {
			fmt.Fprintf(b, " C%.1f %.1f %.1f %.1f %.1f %.1f", x, cy+m, tx, ty-m, tx, ty)
		}
		x, cy = tx, ty
		if k < len(path)-1 {
			cy += boxHeight
			fmt.Fprintf(b, " L%.1f %.1f", x, cy)
		}
	}
	fmt.Fprint(b, `">`)
	if note := p.Arrows[i].Note; note != "" {
		fmt.Fprintf(b, "<title>%s</title>", escape(note))
	}
	fmt.Fprint(b, "</path>\n")
}

// beside is how far from the middle of a box the arrow from a neighbour above ends.
func (l *layout) beside(to, from int) float64 {
	n := l.nodes[to]
	if len(n.up) < 2 {
		return 0
	}
	rank := 0
	for _, m := range n.up {
		if m != from && (l.nodes[m].x < l.nodes[from].x || l.nodes[m].x == l.nodes[from].x && m < from) {
			rank++
		}
	}
	step := math.Min(14, n.w*0.7/float64(len(n.up)))
	return (float64(rank) - float64(len(n.up)-1)/2) * step
}

// legend draws the kinds that occur, in rows of at most a width.
func (p *Picture) legend(most float64) (svg string, width, height float64) {
	var used [numKinds]bool
	for _, x := range p.Boxes {
		used[x.Kind] = true
	}
	var b strings.Builder
	x, y := 0.0, 0.0
	for k, u := range used {
		if !u {
			continue
		}
		w := 20 + float64(len(kinds[k].name))*6.4 + 14
		if x > 0 && x+w > most {
			x, y = 0, y+18
		}
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="14" height="12" fill="%s" stroke="#333333"/><text x="%.1f" y="%.1f" font-size="11">%s</text>`,
			x, y, kinds[k].fill, x+19, y+10, kinds[k].name)
		x += w
		width = math.Max(width, x)
	}
	return b.String(), width, y + 18
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a Builder does not fail
	}
	return b.String()
}
