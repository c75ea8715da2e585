package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// textWidth is the number of columns that inspect's tables keep to.
const textWidth = 100

// column is one column of a table.
type column struct {
	head  string
	left  bool // text; numbers stand on the right
	least int  // a text column may shrink to this many characters; 0 keeps it whole
	cells []string
}

// table writes columns of equally many cells, two spaces apart, in at most textWidth characters as far as the shrinkable columns allow. Of a text that
// is too long the beginning is left out: it is the end of a layer's name that tells it from others.
func table(columns []column) string {
	widths, total := make([]int, len(columns)), -2
	for i, c := range columns {
		widths[i] = utf8.RuneCountInString(c.head)
		for _, s := range c.cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(s))
		}
		total += widths[i] + 2
	}
	for total > textWidth {
		widest := -1
		for i, c := range columns {
			if c.least > 0 && widths[i] > c.least && (widest < 0 || widths[i]-c.least > widths[widest]-columns[widest].least) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	var b strings.Builder
	row := func(cell func(c column) string) {
		var line strings.Builder
		for i, c := range columns {
			s := cell(c)
			if n := utf8.RuneCountInString(s); n > widths[i] {
				s = "…" + string([]rune(s)[n-widths[i]+1:])
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(s))
			if i > 0 {
				line.WriteString("  ")
			}
			if c.left {
				line.WriteString(s + pad)
			} else {
				line.WriteString(pad + s)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	row(func(c column) string { return c.head })
	for i := range columns[0].cells {
		row(func(c column) string { return c.cells[i] })
	}
	return b.String()
}

// wrap writes a heading and words beside it, in lines of at most textWidth characters where the words allow.
func wrap(b *strings.Builder, heading string, words []string) {
	const indent = 13
	line, used := fmt.Sprintf("%-*s", indent, heading), indent
	for i, w := range words {
		if i > 0 && used+1+utf8.RuneCountInString(w) > textWidth {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, used = strings.Repeat(" ", indent), indent
		} else if i > 0 {
			line += " "
			used++
		}
		line += w
		used += utf8.RuneCountInString(w)
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// text is the form for people.
func (r *inspection) text() string {
	var b strings.Builder
	say := func(heading, text string) { wrap(&b, heading, strings.Fields(text)) }
	say("model", r.Model)
	if r.Graph != "" {
		say("graph", r.Graph)
	}
	if s := strings.TrimSpace(r.Producer + " " + r.ProducerVersion); s != "" {
		say("producer", s)
	}
	var opsets []string
	for _, d := range slices.Sorted(maps.Keys(r.Opset)) {
		opsets = append(opsets, fmt.Sprintf("%s %d", d, r.Opset[d]))
	}
	say("opset", fmt.Sprintf("%s (IR version %d)", strings.Join(opsets, ", "), r.IRVersion))
	for _, k := range slices.Sorted(maps.Keys(r.Metadata)) {
		say("metadata", k+": "+abridged(r.Metadata[k], 300))
	}
	for _, p := range r.Inputs {
		say("input", p.text())
	}
	for _, p := range r.Outputs {
		say("output", p.text())
	}
	for i, o := range r.Unsupported {
		if i == 0 {
			b.WriteString("\n")
		}
		words := []string{plural(int64(len(o.Nodes)), "node") + ":"}
		for k, n := range o.Nodes {
			if k < len(o.Nodes)-1 {
				n += ","
			}
			words = append(words, n)
		}
		say("unsupported", o.Op)
		wrap(&b, "", words)
	}
	if r.Totals != nil {
		r.layers(&b)
	}
	return b.String()
}

func (p portInfo) text() string {
	s := fmt.Sprintf("%s %s %s", p.Name, p.DType, p.Declared)
	if p.Shape != nil && shapeText(p.Shape) != p.Declared {
		s = fmt.Sprintf("%s %s %s (here %s)", p.Name, p.DType, p.Declared, shapeText(p.Shape))
		if p.Declared == "of any shape" {
			s = fmt.Sprintf("%s %s %s", p.Name, p.DType, shapeText(p.Shape))
		}
	}
	return s
}

// layers writes the table of layers and what follows it.
func (r *inspection) layers(b *strings.Builder) {
	z := r.Totals
	timed := z.MS != nil
	columns := []column{{head: "#"}, {head: "layer", left: true, least: 16}, {head: "op", left: true, least: 14}, {head: "output", left: true}, {head: "params"}, {head: "MACs"}}
	if timed {
		columns = append(columns, column{head: "ms"}, column{head: "GFLOP/s"}, column{head: "share"})
	}
	add := func(cells ...string) {
		for i, s := range cells {
			columns[i].cells = append(columns[i].cells, s)
		}
	}
	marks := r.marks()
	for i, l := range r.Layers {
		cells := []string{fmt.Sprint(i+1) + marks[i], l.Name, l.Op, outputsText(l.Outputs), count(l.Params), count(l.MACs)}
		if timed {
			cells = append(cells, fmt.Sprintf("%.3f", *l.MS), rate(*l.GFLOPS), fmt.Sprintf("%.1f%%", 100**l.Share))
		}
		add(cells...)
	}
	cells := []string{"", "total", "", "", count(z.Params), count(z.MACs)}
	if timed {
		cells = append(cells, fmt.Sprintf("%.3f", *z.MS), rate(gflops(z.MACs, *z.MS)), "100.0%")
	}
	add(cells...)
	b.WriteString("\n" + table(columns) + "\n")
	wrap(b, "work", strings.Fields(fmt.Sprintf("%s, %s in %s", plural(z.MACs, "multiply-accumulate"), plural(z.Params, "parameter"), plural(int64(z.Layers), "layer"))))
	memory := fmt.Sprintf("%s: weights %s, shared by all sessions; working memory %s for each session",
		bytesText(z.WeightsBytes+z.ArenaBytes+z.ScratchBytes), bytesText(z.WeightsBytes), bytesText(z.ArenaBytes))
	if z.ScratchBytes > 0 {
		memory += ", and scratch " + bytesText(z.ScratchBytes)
	}
	wrap(b, "memory", strings.Fields(memory))
	if timed {
		wrap(b, "runs on", strings.Fields(fmt.Sprintf("%s, %s", plural(int64(r.Threads), "thread"), r.ISA)))
	}
}

// marks show which layers go in stripes together, from the first to the last of each.
func (r *inspection) marks() []string {
	marks := make([]string, len(r.Layers))
	last := map[int]int{}
	for i, l := range r.Layers {
		if l.Stripes > 0 {
			last[l.Stripes] = i
		}
	}
	if len(last) == 0 {
		return marks
	}
	begun := map[int]bool{}
	for i, l := range r.Layers {
		switch {
		case l.Stripes == 0:
			marks[i] = " "
		case !begun[l.Stripes]:
			marks[i] = "┌"
		case i == last[l.Stripes]:
			marks[i] = "└"
		default:
			marks[i] = "│"
		}
		begun[l.Stripes] = true
	}
	return marks
}

// count writes a number of things, nothing for none.
func count(n int64) string {
	if n == 0 {
		return "-"
	}
	return short(n)
}

// rate writes a speed, nothing for none.
func rate(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v < 9.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// abridged cuts a long text after n characters.
func abridged(s string, n int) string {
	if utf8.RuneCountInString(s) > n {
		return string([]rune(s)[:n]) + "…"
	}
	return s
}
