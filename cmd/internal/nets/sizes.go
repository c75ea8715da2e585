package nets

import (
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/picture"
)

// Programs returns Program and those for smaller inputs.
func (n *Net) Programs() []*model.Program { return append([]*model.Program{n.Program}, n.Smaller...) }

// Size returns the width and height of a Program's input.
func Size(p *model.Program) [2]int {
	w, h, _ := picture.InputSize(p) // Load has asked before
	return [2]int{w, h}
}

// shrink are the sides of smaller inputs as shares of the full one's: each has about half the area of the one before.
var shrink = []float64{0.71, 0.5}

// step is what sides of smaller inputs are multiples of: most networks halve their input up to five times.
const step = 32

// smaller compiles a network of an input that can have any size, now full, for smaller ones. Sizes that it does not take are left out.
func (n *Net) smaller(g *model.Graph, shape []int, full [2]int, threads int) {
	in, last := g.Inputs[0], full
	for _, share := range shrink {
		size := [2]int{side(full[0], share), side(full[1], share)}
		if size[0] >= last[0] || size[1] >= last[1] {
			continue
		}
		small, err := picture.Shape(in.Shape, size[0], size[1])
		if err != nil || slices.Equal(small, shape) {
			return
		}
		p, err := model.Compile(g, model.Options{Inputs: map[string][]int{in.Name: small}, Threads: threads, ChannelsLast: true})
		if err == nil && Size(p) == size {
			n.Smaller, last = append(n.Smaller, p), size
		}
	}
}

func side(full int, share float64) int {
	return max(int(math.Round(float64(full)*share/step)), 1) * step
}
