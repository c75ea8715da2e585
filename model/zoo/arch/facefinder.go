package arch

import (
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// FaceDetector marks the centres of faces and says how far their boxes reach and where their landmarks are: for each cell of 8x8 pixels the logit of a
// centre, the logarithms of the distances from the middle of the cell to the left, top, right and bottom of the box in cells, and right and down from
// there, in cells, the eyes, the nose and the corners of the mouth. The sides of pictures are multiples of 32.
func FaceDetector(seed uint64) *model.Graph {
	b := NewBuilder("face_detector", seed)
	x := b.OpenInput("image", 3, 288, 384)
	x = b.ConvBN(x, ConvSpec{Out: 12, K: 3, Stride: 2})
	x = b.ConvBN(x, ConvSpec{Out: 20, K: 3, Stride: 2})
	x = b.ConvBN(x, ConvSpec{Out: 20, K: 3})
	var levels []*model.Value
	// The last stage is dilated so that it sees all of a face that fills the picture.
	for _, stage := range []struct {
		out       int
		dilations []int
	}{{40, []int{1}}, {48, []int{1}}, {56, []int{1, 2}}} {
		x = b.ConvBN(x, ConvSpec{Out: stage.out, K: 3, Stride: 2})
		for _, d := range stage.dilations {
			x = b.Residual(x, d)
		}
		levels = append(levels, x)
	}
	lateral := func(x *model.Value) *model.Value { return b.BatchNorm(b.Conv(x, ConvSpec{Out: 44, NoBias: true})) }
	x = lateral(levels[2])
	for i := 1; i >= 0; i-- {
		x = b.ReLU(b.Sum(b.Up(x), lateral(levels[i])))
	}
	for range 2 {
		x = b.ConvBN(x, ConvSpec{Out: 44, K: 3})
	}
	b.Gain(0.1)
	heat := b.Conv(x, ConvSpec{Out: 1, Bias: -3})
	sides := b.Conv(x, ConvSpec{Out: 4, Bias: 1})
	// Landmarks are learnt as places in the box, from 0 at its left or top to 1 at its right or bottom: these are nearly the same for large and small faces.
	places := b.Conv(x, ConvSpec{Out: 10, Bias: 0.5})
	reach := b.Add(&layer.Unary{Fn: layer.Exp}, sides)
	corner, far := b.channels(reach, 0, 2), b.channels(reach, 2, 4)
	size := b.Sum(corner, far)
	each := func(x *model.Value) *model.Value { return b.Concat(x, x, x, x, x) }
	marks := b.Add(&layer.Binary{Fn: layer.Sub}, b.Add(&layer.Binary{Fn: layer.Mul}, places, each(size)), each(corner))
	b.Output("cells", b.Concat(heat, sides, marks))
	return b.Graph
}

// channels returns channels from..to-1 of a value.
func (b *Builder) channels(x *model.Value, from, to int) *model.Value {
	name := b.name("channels")
	at := func(what string, v int) *model.Value { return model.Const(name+what, tensor.Of([]int64{int64(v)})) }
	return b.add(name, &layer.Slice{}, x, at(".from", from), at(".to", to), at(".axis", 1))
}
