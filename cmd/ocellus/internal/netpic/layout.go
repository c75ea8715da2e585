package netpic

import (
	"cmp"
	"slices"
)

// node is a box on its way to a place in the picture, or a bend of an arrow that passes a layer.
type node struct {
	box      int // index of the box; -1 for a bend
	layer    int
	x, w     float64
	up, down []int // neighbours in the layers above and below
}

// layout is the layered drawing of a picture (Sugiyama, Tagawa, Toda: Methods for visual understanding of hierarchical system structures, 1981):
// each box lies below all that point at it, the order within a layer avoids crossings, places within a layer keep arrows straight.
type layout struct {
	nodes  []node
	layers [][]int
	paths  [][]int // the nodes that each arrow passes, its ends included
}

// maxBends bounds the bends of a picture; arrows beyond that are drawn without.
const maxBends = 20000

// gap is the space between neighbours of a layer.
const gap = 14

// arrange finds the places. width gives the width of each box.
func (p *Picture) arrange(width func(i int) float64) *layout {
	l := &layout{paths: make([][]int, len(p.Arrows))}
	depth := p.depths()
	deepest := 0
	for i := range p.Boxes {
		l.nodes = append(l.nodes, node{box: i, layer: depth[i], w: width(i)})
		deepest = max(deepest, depth[i])
	}
	order := make([]int, len(p.Arrows))
	for i := range order {
		order[i] = i
	}
	span := func(i int) int { return depth[p.Arrows[i].To] - depth[p.Arrows[i].From] }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(span(a), span(b)) })
	bends := 0
	for _, i := range order {
		a := p.Arrows[i]
		path := []int{a.From}
		if n := span(i) - 1; n >= 0 && bends+n <= maxBends {
			bends += n
			for k := range n {
				l.nodes = append(l.nodes, node{box: -1, layer: depth[a.From] + 1 + k, w: 6})
				path = append(path, len(l.nodes)-1)
			}
			path = append(path, a.To)
			for k := 1; k < len(path); k++ {
				from, to := path[k-1], path[k]
				l.nodes[from].down = append(l.nodes[from].down, to)
				l.nodes[to].up = append(l.nodes[to].up, from)
			}
		} else {
			path = append(path, a.To)
		}
		l.paths[i] = path
	}
	l.layers = make([][]int, deepest+1)
	for i := range l.nodes {
		k := l.nodes[i].layer
		l.layers[k] = append(l.layers[k], i)
	}
	l.sort()
	l.place()
	return l
}

// depths gives each box the layer below the lowest box that points at it; then each box without a box above it comes down to just above those it points at.
func (p *Picture) depths() []int {
	n := len(p.Boxes)
	out := make([][]int, n)
	waits := make([]int, n)
	for _, a := range p.Arrows {
		out[a.From] = append(out[a.From], a.To)
		waits[a.To]++
	}
	source := make([]bool, n)
	depth := make([]int, n)
	var ready []int
	for i := range n {
		if source[i] = waits[i] == 0; source[i] {
			ready = append(ready, i)
		}
	}
	for k := 0; k < len(ready); k++ {
		for _, to := range out[ready[k]] {
			depth[to] = max(depth[to], depth[ready[k]]+1)
			if waits[to]--; waits[to] == 0 {
				ready = append(ready, to)
			}
		}
	}
	for i := range n {
		if source[i] && len(out[i]) > 0 {
			lowest := n
			for _, to := range out[i] {
				lowest = min(lowest, depth[to]-1)
			}
			depth[i] = max(0, lowest)
		}
	}
	return depth
}

// sort orders the layers by the mean position of neighbours, in sweeps down and up.
func (l *layout) sort() {
	pos := make([]float64, len(l.nodes))
	number := func(layer []int) {
		for i, n := range layer {
			pos[n] = float64(i) - float64(len(layer)-1)/2
		}
	}
	for _, layer := range l.layers {
		number(layer)
	}
	mean := func(list []int, own float64) float64 {
		if len(list) == 0 {
			return own
		}
		s := 0.0
		for _, n := range list {
			s += pos[n]
		}
		return s / float64(len(list))
	}
	sweep := func(layer []int, near func(*node) []int) {
		key := make(map[int]float64, len(layer))
		for _, n := range layer {
			key[n] = mean(near(&l.nodes[n]), pos[n])
		}
		slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(key[a], key[b]) })
		number(layer)
	}
	for range 8 {
		for _, layer := range l.layers {
			sweep(layer, func(n *node) []int { return n.up })
		}
		for i := range l.layers {
			sweep(l.layers[len(l.layers)-1-i], func(n *node) []int { return n.down })
		}
	}
}

// place finds x, the middle of each node, so that nodes lie near their neighbours above and below and do not overlap.
func (l *layout) place() {
	for _, layer := range l.layers {
		x := 0.0
		for i, n := range layer {
			if i > 0 {
				x += l.apart(layer[i-1], n)
			}
			l.nodes[n].x = x
		}
		for _, n := range layer {
			l.nodes[n].x -= x / 2
		}
	}
	settle := func(layer []int, near func(*node) []int) {
		want, weight := make([]float64, len(layer)), make([]float64, len(layer))
		for i, n := range layer {
			want[i], weight[i] = l.nodes[n].x, 0.1
			if list := near(&l.nodes[n]); len(list) > 0 {
				// A straight long arrow counts more than one more arrow into a box.
				want[i], weight[i] = 0, float64(len(list))
				s := 0.0
				for _, m := range list {
					v := 1.0
					if l.nodes[m].box < 0 && l.nodes[n].box < 0 {
						v, weight[i] = 1, 8
					}
					want[i] += v * l.nodes[m].x
					s += v
				}
				want[i] /= s
			}
		}
		l.spread(layer, want, weight)
	}
	both := func(n *node) []int { return append(append([]int(nil), n.up...), n.down...) }
	for i := range 24 {
		for _, layer := range l.layers {
			settle(layer, func(n *node) []int { return n.up })
		}
		for k := range l.layers {
			settle(l.layers[len(l.layers)-1-k], func(n *node) []int { return n.down })
		}
		if i >= 16 {
			for _, layer := range l.layers {
				settle(layer, both)
			}
		}
	}
}

// apart is the least distance of the middles of two neighbours.
func (l *layout) apart(a, b int) float64 { return (l.nodes[a].w+l.nodes[b].w)/2 + gap }

// spread places a layer as near to want as the least distances allow, by weighted least squares: with the distances taken off it is a regression on an
// ascending sequence, which pooling adjacent violators solves (Ayer et al.: An empirical distribution function for sampling with incomplete information, 1955).
func (l *layout) spread(layer []int, want, weight []float64) {
	type block struct {
		sum, weight float64
		n           int
	}
	var blocks []block
	offset := make([]float64, len(layer))
	for i := range layer {
		if i > 0 {
			offset[i] = offset[i-1] + l.apart(layer[i-1], layer[i])
		}
		b := block{(want[i] - offset[i]) * weight[i], weight[i], 1}
		for len(blocks) > 0 {
			last := blocks[len(blocks)-1]
			if last.sum/last.weight <= b.sum/b.weight {
				break
			}
			b = block{last.sum + b.sum, last.weight + b.weight, last.n + b.n}
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	i := 0
	for _, b := range blocks {
		for range b.n {
			l.nodes[layer[i]].x = b.sum/b.weight + offset[i]
			i++
		}
	}
}
