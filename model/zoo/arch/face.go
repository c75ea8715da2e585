package arch

import "github.com/ocellus-vision/ocellus/model"

// FaceEmbed makes a vector of 160 of an aligned face of 56x72 pixels, of two parts that learn apart: 96 numbers of a deep part, four stages of a convolution
// that halves the picture and a residual block, and 64 of a shallow one, the lecture's stage of convolution, rectification, pooling and local contrast
// normalisation (Jarrett, Kavukcuoglu, Ranzato, LeCun, ICCV 2009), which sees the fine grain that the deep part has pooled away.
func FaceEmbed(seed uint64) *model.Graph {
	b := NewBuilder("face_embed", seed)
	image := b.Input("image", 3, 72, 56)
	unit := func(x *model.Value, s ConvSpec) *model.Value {
		s.K, s.NoBias = 3, true
		return b.BatchNorm(b.Conv(x, s))
	}
	x := image
	for _, c := range []int{16, 48, 96, 128} {
		x = b.PReLU(unit(x, ConvSpec{Out: c, Stride: 2}))
		y := b.PReLU(unit(x, ConvSpec{Out: c}))
		x = b.PReLU(b.Sum(unit(y, ConvSpec{Out: c}), x))
	}
	y := b.ReLU(b.BatchNorm(b.Conv(image, ConvSpec{Out: 16, K: 5, NoBias: true})))
	y = b.LCN(b.AvgPool(y, 4, 4, 0), 5, 1.25, 0.1)
	b.Gain(1)
	deep := b.BatchNorm(b.Dense(b.Dropout(x, 0.4), 96))
	shallow := b.BatchNorm(b.Dense(b.Dropout(y, 0.4), 64))
	b.Output("embedding", b.Concat(deep, shallow))
	return b.Graph
}
