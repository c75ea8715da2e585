package netpic

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// chain is a picture of n boxes below one another, with one more arrow from the first to each.
func chain(n int) *Picture {
	p := &Picture{Title: "chain"}
	for i := range n {
		p.Boxes = append(p.Boxes, Box{Kind: Kind(i % int(numKinds)), Title: "Op"})
		if i > 0 {
			p.Arrows = append(p.Arrows, Arrow{From: i - 1, To: i}, Arrow{From: 0, To: i})
		}
	}
	return p
}

// TestArrange asks that boxes of a layer do not overlap, and that each lies below all that point at it.
func TestArrange(t *testing.T) {
	pictures := map[string]*Picture{
		"empty":   {},
		"one":     {Boxes: make([]Box, 1)},
		"chain":   chain(30),
		"diamond": {Boxes: make([]Box, 5), Arrows: []Arrow{{From: 0, To: 1}, {From: 0, To: 2}, {From: 1, To: 3}, {From: 2, To: 3}, {From: 4, To: 3}}},
		"wide":    {Boxes: make([]Box, 40)},
	}
	for i := 1; i < 40; i++ {
		pictures["wide"].Arrows = append(pictures["wide"].Arrows, Arrow{From: 0, To: i})
	}
	for name, p := range pictures {
		l := p.arrange(func(i int) float64 { return 50 + 10*float64(i%4) })
		for k, layer := range l.layers {
			for i := 1; i < len(layer); i++ {
				a, b := l.nodes[layer[i-1]], l.nodes[layer[i]]
				if b.x-a.x < (a.w+b.w)/2+gap-1e-6 || math.IsNaN(b.x) {
					t.Errorf("%s: layer %d: boxes at %g and %g", name, k, a.x, b.x)
				}
			}
		}
		for _, a := range p.Arrows {
			if l.nodes[a.From].layer >= l.nodes[a.To].layer {
				t.Errorf("%s: the arrow from %d to %d does not go down", name, a.From, a.To)
			}
		}
	}
	// The source that is only used at the end of the diamond stands just above it.
	if l := pictures["diamond"].arrange(func(int) float64 { return 50 }); l.nodes[4].layer != 1 || l.nodes[3].layer != 2 {
		t.Errorf("the late source is in layer %d, its target in layer %d", l.nodes[4].layer, l.nodes[3].layer)
	}
	// A chain without other arrows is straight.
	p := chain(9)
	p.Arrows = nil
	for i := 1; i < 9; i++ {
		p.Arrows = append(p.Arrows, Arrow{From: i - 1, To: i})
	}
	l := p.arrange(func(i int) float64 { return 50 + 10*float64(i) })
	for i := range p.Boxes {
		if math.Abs(l.nodes[i].x-l.nodes[0].x) > 1e-6 {
			t.Errorf("box %d of a chain is at %g, the first at %g", i, l.nodes[i].x, l.nodes[0].x)
		}
	}
}

// TestMany bounds the bends of a picture whose long arrows would need millions.
func TestMany(t *testing.T) {
	if l := chain(3000).arrange(func(int) float64 { return 50 }); len(l.nodes) > 3000+maxBends {
		t.Errorf("%d nodes", len(l.nodes))
	}
}

// TestCycle draws an arrow that goes up.
func TestCycle(t *testing.T) {
	p := &Picture{Boxes: make([]Box, 3), Arrows: []Arrow{{From: 0, To: 1}, {From: 1, To: 2}, {From: 2, To: 1}}}
	if err := p.WriteSVG(io.Discard); err != nil {
		t.Error(err)
	}
}

// TestHostileTexts asks that texts from a file stay texts.
func TestHostileTexts(t *testing.T) {
	bad := "a\"b\\c<script>&\x00\xff]]>\nd"
	p := &Picture{Title: bad, Note: bad, Boxes: []Box{{Title: bad, Name: bad, Note: bad, Tip: bad, Share: 0.5}, {}}, Arrows: []Arrow{{0, 1, bad}}}
	var svg, dot strings.Builder
	if err := errors.Join(p.WriteSVG(&svg), p.WriteDOT(&dot)); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(svg.String()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.StartElement); ok && s.Name.Local == "script" {
			t.Error("a text became an element")
		}
	}
	for line := range strings.Lines(dot.String()) {
		plain := strings.NewReplacer(`\\`, "", `\"`, "").Replace(line)
		if strings.Count(plain, `"`)%2 != 0 {
			t.Errorf("a quote is open: %s", line)
		}
	}
}
