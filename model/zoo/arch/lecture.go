package arch

import (
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// stage is a convolution and tanh whose weights serve pictures of several sizes.
type stage struct {
	ConvSpec
	weight, bias *model.Value
}

// stage draws the weights of a convolution of c channels.
func (b *Builder) stage(c int, s ConvSpec) stage {
	name := b.name("stage")
	return stage{s, b.weights(name+".weight", c*s.K*s.K, s.Out, c, s.K, s.K), filled(name+".bias", s.Out, 0)}
}

// tanh applies a stage.
func (b *Builder) tanh(x *model.Value, s stage) *model.Value {
	return b.Tanh(b.Add(&layer.Conv{Window: s.window(), Groups: 1}, x, s.weight, s.bias))
}

// Smooth scales height and width up by a factor, interpolated between pixels.
func (b *Builder) Smooth(x *model.Value, factor float32) *model.Value {
	name := b.name("smooth")
	scales := model.Const(name+".scales", tensor.Of([]float32{1, 1, factor, factor}))
	return b.add(name, &layer.Resize{Mode: "linear", Coordinates: "half_pixel", Nearest: "floor"}, x, nil, scales)
}

// SceneMultiscale labels pixels of streets by what one ConvNet sees round them at three sizes: the levels of a Laplacian pyramid, normalised in local contrast,
// pass the same stages of convolution, tanh and pooling; what comes out is brought to one size and classified, pixel by pixel (Farabet, Couprie, Najman,
// LeCun: Learning hierarchical features for scene labeling, PAMI 2013, section 3). Scores are at a quarter of the size of the picture, whose sides are multiples of 16.
func SceneMultiscale(seed uint64) *model.Graph {
	b := NewBuilder("scene_multiscale", seed)
	b.Gain(1)
	first, second, third := b.stage(3, ConvSpec{Out: 16, K: 7}), b.stage(16, ConvSpec{Out: 32, K: 5}), b.stage(32, ConvSpec{Out: 64, K: 5})
	x := b.OpenInput("image", 3, 352, 480)
	var features []*model.Value
	for _, factor := range []float32{1, 2, 4} {
		level, coarse := x, x
		if factor < 4 {
			coarse = b.AvgPool(x, 2, 2, 0)
			level = b.Add(&layer.Binary{Fn: layer.Sub}, x, b.Smooth(coarse, 2))
		}
		f := b.MaxPool(b.tanh(b.LCN(level, 15, 3.75, 0.1), first), 2, 2, 0)
		f = b.tanh(b.MaxPool(b.tanh(f, second), 2, 2, 0), third)
		if factor > 1 {
			f = b.Smooth(f, factor)
		}
		features = append(features, f)
		x = coarse
	}
	x = b.Tanh(b.Conv(b.Concat(features...), ConvSpec{Out: 96}))
	b.Output("scores", b.Conv(x, ConvSpec{Out: 11}))
	return b.Graph
}

// FaceLocal makes a vector of 128 of an aligned face of 56x72 pixels: two convolutions with a pooling between them, then three locally connected layers, whose
// weights differ from place to place as an aligned face does (Taigman, Yang, Ranzato, Wolf: DeepFace, CVPR 2014, figure 2).
func FaceLocal(seed uint64) *model.Graph {
	b := NewBuilder("face_local", seed)
	x := b.Input("image", 3, 72, 56)
	x = b.ReLU(b.Conv(x, ConvSpec{Out: 16, K: 5}))
	x = b.MaxPool(x, 3, 2, 1)
	x = b.ReLU(b.Conv(x, ConvSpec{Out: 16, K: 5, Valid: true}))
	x = b.ReLU(b.Local(x, ConvSpec{Out: 16, K: 3, Stride: 2, Valid: true}))
	for range 2 {
		x = b.ReLU(b.Local(x, ConvSpec{Out: 16, K: 3, Valid: true}))
	}
	b.Gain(1)
	b.Output("embedding", b.BatchNorm(b.Dense(b.Dropout(x, 0.4), 128)))
	return b.Graph
}
