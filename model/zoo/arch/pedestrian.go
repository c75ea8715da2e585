package arch

import "github.com/ocellus-vision/ocellus/model"

// PedestrianDetector marks the centres of people and says how far their boxes reach: for each cell of 8x8 pixels the logit of a centre, and the logarithms of
// the distances from the middle of the cell to the left, top, right and bottom of the box in cells. The sides of pictures are multiples of 32.
func PedestrianDetector(seed uint64) *model.Graph {
	b := NewBuilder("pedestrian", seed)
	x := b.OpenInput("image", 3, 352, 480)
	x = b.ConvBN(x, ConvSpec{Out: 16, K: 3, Stride: 2})
	x = b.ConvBN(x, ConvSpec{Out: 24, K: 3, Stride: 2})
	x = b.ConvBN(x, ConvSpec{Out: 24, K: 3})
	var levels []*model.Value
	// The last stage is dilated so that it sees all of someone who fills the picture.
	for _, stage := range []struct {
		out       int
		dilations []int
	}{{48, []int{1}}, {96, []int{1}}, {96, []int{1, 2, 3}}} {
		x = b.ConvBN(x, ConvSpec{Out: stage.out, K: 3, Stride: 2})
		for _, d := range stage.dilations {
			x = b.Residual(x, d)
		}
		levels = append(levels, x)
	}
	lateral := func(x *model.Value) *model.Value { return b.BatchNorm(b.Conv(x, ConvSpec{Out: 48, NoBias: true})) }
	x = lateral(levels[2])
	for i := 1; i >= 0; i-- {
		x = b.ReLU(b.Sum(b.Up(x), lateral(levels[i])))
	}
	for range 2 {
		x = b.ConvBN(x, ConvSpec{Out: 48, K: 3})
	}
	b.Gain(0.1)
	heat := b.Conv(x, ConvSpec{Out: 1, Bias: -3})
	sides := b.Conv(x, ConvSpec{Out: 4, Bias: 1})
	b.Output("cells", b.Concat(heat, sides))
	return b.Graph
}
