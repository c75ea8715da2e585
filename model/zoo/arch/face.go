package arch

import "github.com/ocellus-vision/ocellus/model"

// FaceEmbed makes a vector of 128 of an aligned face of 56x72 pixels: four stages of a convolution that halves the picture and a residual block.
func FaceEmbed(seed uint64) *model.Graph {
	b := NewBuilder("face_embed", seed)
	x := b.Input("image", 3, 72, 56)
	unit := func(x *model.Value, s ConvSpec) *model.Value {
		s.K, s.NoBias = 3, true
		return b.BatchNorm(b.Conv(x, s))
	}
	for _, c := range []int{16, 48, 96, 160} {
		x = b.PReLU(unit(x, ConvSpec{Out: c, Stride: 2}))
		y := b.PReLU(unit(x, ConvSpec{Out: c}))
		x = b.PReLU(b.Sum(unit(y, ConvSpec{Out: c}), x))
	}
	b.Gain(1)
	b.Output("embedding", b.BatchNorm(b.Dense(b.Dropout(x, 0.4), 128)))
	return b.Graph
}
