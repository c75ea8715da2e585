// Package netpic draws a network: boxes for its operations, arrows for the values between them, as Graphviz text or as SVG.
package netpic

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Kind is what a box does; it picks the colour.
type Kind uint8

const (
	Port  Kind = iota // an input or output of the network
	Conv              // convolution
	Dense             // fully connected, matrix product
	Norm              // normalisation
	Act               // element-wise function
	Pool              // pooling, reduction
	Arith             // arithmetic on two or more values
	Move              // only moves or reshapes
	Quant             // quantisation
	Other             // anything else
	numKinds
)

// kinds gives each kind a name and the colours of its box and text. The boxes' colours are those of Okabe and Ito (Color universal design, 2008), which
// people with any of the usual colour deficiencies tell apart.
var kinds = [numKinds]struct{ name, fill, text string }{
	Port:  {"input, output", "#ffffff", "#000000"},
	Conv:  {"convolution", "#0072b2", "#ffffff"},
	Dense: {"fully connected", "#d55e00", "#ffffff"},
	Norm:  {"normalisation", "#cc79a7", "#000000"},
	Act:   {"activation", "#f0e442", "#000000"},
	Pool:  {"pooling, reduction", "#009e73", "#ffffff"},
	Arith: {"arithmetic", "#56b4e9", "#000000"},
	Move:  {"data movement", "#d9d9d9", "#000000"},
	Quant: {"quantisation", "#e69f00", "#000000"},
	Other: {"other", "#f5f5f5", "#000000"},
}

// Box is one operation, or an input or output.
type Box struct {
	Kind  Kind
	Title string  // the operation
	Name  string  // of the node
	Note  string  // the output's shape, say
	Tip   string  // what a pointer over the box shows
	Share float64 // of the time, 0 to 1; 0 where it was not measured
}

// Arrow is a value that passes from one box to another, both by index.
type Arrow struct {
	From, To int
	Note     string
}

// Picture is a network to be drawn. Arrows that form a cycle are drawn upwards.
type Picture struct {
	Title  string
	Note   string // a line under the title
	Boxes  []Box
	Arrows []Arrow
}

// WriteDOT writes the picture in Graphviz's language.
func (p *Picture) WriteDOT(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "digraph %s {\n", quote(p.Title))
	fmt.Fprintf(b, "\tgraph [rankdir=TB, label=%s, labelloc=t, fontname=\"sans-serif\"];\n", quote(p.Title+"\n"+p.Note))
	fmt.Fprint(b, "\tnode [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", fontsize=10];\n")
	fmt.Fprint(b, "\tedge [fontname=\"sans-serif\", fontsize=8];\n")
	for i, x := range p.Boxes {
		lines := []string{x.Title}
		for _, s := range []string{x.Name, x.Note, share(x.Share)} {
			if s != "" {
				lines = append(lines, s)
			}
		}
		k := kinds[x.Kind]
		fmt.Fprintf(b, "\tn%d [label=%s, fillcolor=%q, fontcolor=%q, tooltip=%s];\n", i, quote(strings.Join(lines, "\n")), k.fill, k.text, quote(x.Tip))
	}
	for _, a := range p.Arrows {
		fmt.Fprintf(b, "\tn%d -> n%d", a.From, a.To)
		if a.Note != "" {
			fmt.Fprintf(b, " [label=%s]", quote(a.Note))
		}
		fmt.Fprint(b, ";\n")
	}
	fmt.Fprint(b, "}\n")
	return b.Flush()
}

// quote writes a string as Graphviz reads it: quotes and backslashes are escaped, a line break is \n.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", "").Replace(strings.ToValidUTF8(s, "\ufffd")) + `"`
}

func share(v float64) string {
	if v <= 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*v)
}

// elide shortens s to n characters by leaving out its beginning, which for the names of layers says least.
func elide(s string, n int) string {
	if have := utf8.RuneCountInString(s); have > n {
		return "…" + string([]rune(s)[have-n+1:])
	}
	return s
}
